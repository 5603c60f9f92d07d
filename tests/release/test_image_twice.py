# SPDX-License-Identifier: Apache-2.0
"""The image, built twice: in another folder, and with a clock two days ahead, has the same digest."""

import os
import subprocess

import containers
import debian
import pytest
import servers

BUILD_S = 1800
PLAIN = "localhost/plain-bookworm"


@pytest.fixture(scope="module")
def podman():
    with containers.podman() as run:
        run("import", "--quiet", debian.packed_root("bookworm"), PLAIN)
        yield run


@pytest.fixture
def later(podman):
    """A Debian in which every program sees a clock two days ahead."""
    made = podman("run", "--detach", "--network=host", PLAIN, "sleep", "infinity").stdout.strip()
    podman("exec", made, "sh", "-c", "apt-get update -qq && apt-get install -qq -y --no-install-recommends faketime && "
           "echo +2d >/etc/faketimerc && ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/etc/ld.so.preload && date")
    podman("commit", "--quiet", made, "localhost/later")
    podman("rm", "--force", "--time=0", made)
    return "localhost/later"


def build(podman, folder, base, name):
    subprocess.run(["make", "-C", folder, "image", "ENGINE=podman", f"BASE={base}", f"IMAGE=localhost/{name}",
                    "FLAGS=--network host --pull-never --no-cache"],
                   env=podman.env, check=True, stdout=subprocess.DEVNULL, timeout=BUILD_S)
    return podman("inspect", "--format={{.Digest}}", f"localhost/{name}").stdout.strip()


def test_two_builds_give_the_same_image(podman, later, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", servers.REPO, other],
                   check=True, env=os.environ)
    first = build(podman, servers.REPO, PLAIN, "first")
    assert build(podman, other, later, "second") == first
    print(f"image: {first}")
