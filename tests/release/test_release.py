# SPDX-License-Identifier: Apache-2.0
"""What `hack/dist.sh all` made in NODEPREP_DIST, on plain Debian releases, by Debian's, Helm's and krew's own tools.

hack/release.sh runs this; CI does not, since a release takes long to build.
"""

import contextlib
import functools
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import threading

import containers
import debian
import pytest
import servers

DIST = pathlib.Path(os.environ["NODEPREP_DIST"]).resolve()
VERSION = (servers.REPO / "VERSION").read_text().strip()
ARCHITECTURES = ("amd64", "arm64")
RELEASES = {"bookworm": "12", "trixie": "13"}
DEB = f"nodeprep_{VERSION.replace('-', '~')}_{{}}.deb"
EMULATOR = shutil.which("qemu-aarch64-static")


def archive(arch, ending=".tar.gz"):
    return DIST / f"nodeprep-{VERSION}-linux-{arch}{ending}"


@pytest.fixture(scope="session")
def podman():
    with containers.podman() as run:
        yield run


@pytest.fixture(scope="module", params=RELEASES)
def bare(request, podman):
    with debian.container(podman, request.param) as made:
        yield made


def test_sums_name_every_file():
    listed = dict(reversed(line.split("  ")) for line in (DIST / "SHA256SUMS").read_text().splitlines())
    assert listed.keys() == {path.name for path in DIST.iterdir()} - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_sbom_names_what_is_linked(arch):
    document = json.loads(archive(arch, ".spdx.json").read_text())
    assert document["spdxVersion"] == "SPDX-2.3"
    packages = {package["name"]: package for package in document["packages"]}
    assert {"nodeprep", "libc6-dev", "libcurl4-openssl-dev", "libssl-dev", "libjansson-dev"} <= packages.keys()
    with tarfile.open(archive(arch)) as packed:
        kept = {name.rsplit("/", 1)[1] for name in packed.getnames() if "/doc/nodeprep/linked/" in name}
    assert kept == packages.keys() - {"nodeprep"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_archive_runs_without_a_package(bare, arch):
    """README's first example, from the unpacked archive."""
    emulator = ""
    if arch == "arm64":
        bare.copy_in(EMULATOR, "/emulator")
        emulator = "/emulator "
    bare.copy_in(archive(arch), "/nodeprep.tar.gz")
    bare.sh("rm -rf /unpacked && mkdir /unpacked && tar -xf /nodeprep.tar.gz -C /unpacked --strip-components=1", cwd="/")
    told = bare.sh(f"{emulator}bin/nodeprep plan -f share/doc/nodeprep/examples/quickstart.yaml", cwd="/unpacked")
    expected = subprocess.run([servers.BIN_DIR / "nodeprep", "plan", "-f", servers.REPO / "docs/examples/quickstart.yaml"],
                              capture_output=True, encoding="utf-8", check=True)
    assert told == expected.stdout + expected.stderr
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=servers.REPO, capture_output=True, encoding="utf-8", check=True)
    version = bare.sh(f"{emulator}bin/nodeprep version -o json", cwd="/unpacked")
    assert json.loads(version)["commit"] == commit.stdout.strip()
    assert bare.sh(f"{emulator}bin/nodeprep-hookd --version", cwd="/unpacked") == f"nodeprep-hookd {VERSION}\n"


def test_package_has_the_programs_of_the_archive(bare):
    bare.copy_in(DIST / DEB.format("amd64"), "/tmp/nodeprep.deb")
    bare.copy_in(archive("amd64"), "/nodeprep.tar.gz")
    bare.sh("apt-get install -qq -y /tmp/nodeprep.deb", cwd="/")
    bare.sh("mkdir -p /unpacked && tar -xf /nodeprep.tar.gz -C /unpacked --strip-components=1", cwd="/")
    for program in ("nodeprep", "nodeprep-hookd"):
        bare.sh(f"cmp /usr/bin/{program} /unpacked/bin/{program}", cwd="/")
    bare.sh("apt-get purge -qq -y nodeprep && ! dpkg -s nodeprep", cwd="/")


def test_package_of_the_other_architecture():
    fields = subprocess.run(["dpkg-deb", "--field", DIST / DEB.format("arm64")], capture_output=True, encoding="utf-8",
                            check=True).stdout
    assert re.search("^Architecture: arm64$", fields, re.M) and not re.search("^Depends:", fields, re.M)


# --- krew -----------------------------------------------------------------------------------------


def build(script):
    done = subprocess.run([servers.REPO / script, servers.BIN_DIR / "real"], stdout=subprocess.PIPE, text=True, check=True,
                          timeout=1800)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def tools():
    """A PATH with krew, its validation and kubectl."""
    return ":".join([build("tests/release/krew/build.sh"), build("tests/real/build.sh"), "/usr/bin", "/bin"])


@contextlib.contextmanager
def serving(folder):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def validate(tools, manifest, *args):
    done = subprocess.run(["validate-krew-manifest", f"-manifest={manifest}", *args], capture_output=True, timeout=300,
                          encoding="utf-8", env={"PATH": tools, "HOME": str(manifest.parent)}, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_krew_manifest_is_valid(tools):
    assert "structural validation OK" in validate(tools, DIST / "nodeprep.yaml", "-skip-install")


def test_krew_installs_both_archives(tools, tmp_path):
    """From this machine instead of the address of the release; krew compares the checksums."""
    manifest = tmp_path / "nodeprep.yaml"
    with serving(DIST) as url:
        text = re.sub("https://[^ ]*/nodeprep-", f"{url}/nodeprep-", (DIST / "nodeprep.yaml").read_text())
        assert text.count(f"uri: {url}/") == len(ARCHITECTURES)
        manifest.write_text(text)
        assert "all 2 spec.platforms installed fine" in validate(tools, manifest)
