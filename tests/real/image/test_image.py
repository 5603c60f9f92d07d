# SPDX-License-Identifier: Apache-2.0
"""The image that the Dockerfile builds, run by podman as the manifests run it.

Its base is made of Debian's packages (mmdebstrap), so that no registry is asked; all of podman's storage
is in a folder of the test's own.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tarfile
import urllib.request

import pytest

import containers
import demo
import servers
import sysfs

BASE = "localhost/nodeprep-test-base:latest"
IMAGE = "localhost/nodeprep-test:latest"
POD = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none"]
BUILD_S = 1200


def git(*args, env=None):
    return subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=servers.REPO, env=os.environ | (env or {}),
                          check=True, capture_output=True, encoding="utf-8").stdout.strip()


def make_base(cache):
    """A minimal Debian as a tar file; it is made once and kept beside the built servers."""
    base = cache / "bookworm.tar"
    if not base.exists():
        cache.mkdir(parents=True, exist_ok=True)
        sources = [p for p in map(pathlib.Path, ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"))
                   if p.exists() and "bookworm" in p.read_text()]
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", "bookworm"]
        new = base.with_name("new.tar")  # the ending says what is made
        subprocess.run([*argv, new, *sources[:1]], check=True, timeout=BUILD_S)
        new.rename(base)
    return base


@pytest.fixture(scope="session")
def podman():
    with containers.podman() as run:
        run("import", "--quiet", make_base(servers.BIN_DIR / "image"), BASE)
        subprocess.run(
            ["make", "-C", servers.REPO, "image", "ENGINE=podman", f"BASE={BASE}", f"IMAGE={IMAGE}",
             "FLAGS=--network host --pull-never"],
            env=run.env,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=BUILD_S,
        )
        yield run


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@pytest.fixture
def registry(tmp_path):
    """The address of Debian's docker-registry, with its files in the test's folder."""
    (port,) = servers.free_ports(1)
    config = {"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
              "http": {"addr": f"127.0.0.1:{port}"}}
    path = tmp_path / "registry.yml"
    path.write_text(json.dumps(config))
    with contextlib.ExitStack() as stack:
        log = tmp_path / "registry.log"
        process = servers.start(stack, ["docker-registry", "serve", path], log)
        servers.wait_until("docker-registry", lambda: answers(port), process, log)
        yield f"127.0.0.1:{port}"


@pytest.fixture
def tree(tmp_path):
    os.chmod(tmp_path, 0o755)
    return sysfs.Tree(tmp_path)


@pytest.fixture
def run(podman, tmp_path):
    """run(sys, *args) runs node-check as a kubelet does: its flags, a file for its last words."""

    def call(sys, *args, env=()):
        log = tmp_path / "termination-log"
        log.write_text("")
        log.chmod(0o666)
        mounts = ["-v", f"{sys}:/host/sys:ro", "-v", f"{log}:/dev/termination-log"]
        given = [f"--env={e}" for e in ("KUBERNETES_SERVICE_HOST=10.0.0.1", *env)]
        done = podman("run", "--rm", *POD, *mounts, *given, IMAGE, "node-check", "--sysfs=/host/sys",
                      "-o", "json", *args, check=False)
        return done, log.read_text()

    return call


def test_image_holds_static_binaries_and_nothing_else(podman, tmp_path):
    podman("save", "--quiet", "-o", tmp_path / "image.tar", IMAGE)
    names = []
    with tarfile.open(tmp_path / "image.tar") as image:
        for member in image.getmembers():
            if member.isfile() and member.name.endswith(".tar"):
                with tarfile.open(fileobj=image.extractfile(member)) as layer:
                    names += [(m.name, m.mode & 0o777, m.mtime) for m in layer.getmembers()]
    assert sorted(names) == [("nodeprep", 0o755, 0), ("nodeprep-hookd", 0o755, 0)]
    hookd = podman("run", "--rm", *POD, "--entrypoint=/nodeprep-hookd", IMAGE, "--version", check=False)
    assert hookd.returncode == 0, hookd.stderr


def test_image_says_what_it_is_and_runs_as_nobody(podman):
    config = json.loads(podman("inspect", IMAGE).stdout)[0]["Config"]
    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["/nodeprep"])
    version = (servers.REPO / "VERSION").read_text().strip()
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    revision = git("rev-parse", "HEAD")
    assert (labels["version"], labels["revision"], labels["licenses"]) == (version, revision, "Apache-2.0")
    created = git("log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", env={"TZ": "UTC"})
    assert labels["created"] == created
    assert {"title", "description", "url", "documentation", "vendor"} <= labels.keys()
    told = podman("run", "--rm", *POD, IMAGE, "version").stdout
    assert told == f"nodeprep {version} (commit {revision[:12]}, {git('log', '-1', '--format=%cs')})\n"


def make_push(podman, name, check=True):
    return subprocess.run(
        ["make", "--no-print-directory", "-C", servers.REPO, "image-push", "ENGINE=podman", f"IMAGE={name}",
         "FLAGS=--tls-verify=false"],
        env=podman.env, capture_output=True, encoding="utf-8", check=check, timeout=120,
    )


def test_push_prints_the_digest(podman, registry):
    name = f"{registry}/infra/nodeprep"
    podman("tag", IMAGE, f"{name}:1.2")
    told = make_push(podman, f"{name}:1.2").stdout.splitlines()[-1]
    request = urllib.request.Request(f"http://{registry}/v2/infra/nodeprep/manifests/1.2", method="HEAD")
    request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert told == f"{name}@{answer.headers['Docker-Content-Digest']}"
    podman("rmi", f"{name}:1.2")
    podman("pull", "--tls-verify=false", "--quiet", told)


def test_push_without_a_registry_is_an_error(podman):
    done = make_push(podman, "nodeprep:1", check=False)
    assert done.returncode == 2
    assert "IMAGE='nodeprep:1' names no registry" in done.stderr


def test_pass(tree, run):
    tree.gpu("0000:01:00.0")
    done, last = run(tree.root, "--expect=A100-40GB=1")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["pass"]) == (0, "", True)
    assert last.startswith("node-check: pass\n")


def test_fail(tree, run):
    tree.gpu("0000:01:00.0")
    tree.gpu("0000:02:00.0", missing=(0, 1))
    done, last = run(tree.root, env=["NODEPREP_EXPECT=A100-40GB=2"])
    assert (done.returncode, json.loads(done.stdout)["pass"]) == (1, False)
    assert last.startswith("node-check: fail\nfail bars-assigned: ")
    assert "0000:02:00.0" in last and "64bitMMIOSizeGB 256" in last


def test_unknown_at_the_deadline(tree, run):
    done, last = run(tree.root, "--wait=1s")
    assert (done.returncode, json.loads(done.stdout)["pass"]) == (6, None)
    assert last.startswith("node-check: unknown\nunknown gpu-count: ")


def test_error(tree, run):
    done, last = run(tree.root, "--expect=A100-40GB")
    assert (done.returncode, done.stdout) == (3, "")
    assert last.startswith("node-check: error: --expect")


def test_links_of_a_mounted_tree_are_followed(tree, run):
    """sysfs links each device to its place below /sys/devices: relative, so that a mount elsewhere does."""
    folder = tree.gpu("0000:01:00.0")
    place = tree.root / "devices/pci0000:00/0000:01:00.0"
    place.parent.mkdir(parents=True)
    folder.rename(place)
    tree.link(folder, "../../../devices/pci0000:00/0000:01:00.0")
    assert run(tree.root, "--expect=A100-40GB=1")[0].returncode == 0


def test_the_machine_itself(run):
    """The real /sys, as nobody without capabilities: the same as the binary says outside."""
    done, _ = run("/sys", "--expect=T4=1")
    outside = subprocess.run(
        [servers.BIN_DIR / "nodeprep", "node-check", "--sysfs", "/sys", "-o", "json", "--expect=T4=1"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == outside.returncode
    assert json.loads(done.stdout) == json.loads(outside.stdout)


def test_plan_from_the_image(podman):
    assert "gpu-a100x4" in demo.plan(podman, IMAGE)


def test_controller_from_the_image(podman, server, tmp_path):
    assert demo.controller(podman, IMAGE, server, tmp_path) == 0


def test_hookd_from_the_image(podman, server, tmp_path):
    assert demo.hookd(podman, IMAGE, server, tmp_path) == 0
