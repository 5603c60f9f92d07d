# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: a server, a namespace of each test's own, the built nodeprep.

NODEPREP_TARGET says which server: sim (the embedded Supervisor, default) or real (kube-apiserver).
NODEPREP_BIN_DIR says where the binaries are (default: build/), NODEPREP_REAL_DIR where the built
kube-apiserver is (default: where tests/real/build.sh puts it, building it if it is not there).
"""

import dataclasses
import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import builders  # noqa: E402
import servers  # noqa: E402  (found through the line above, whatever pytest's import mode)

CLASSES = f"/apis/{servers.GROUP}/v1alpha6"
PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclasses.dataclass
class Result:
    """What a run of nodeprep gave."""

    rc: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


def pytest_configure(config):
    """Makes a SIGTERM unwind as an interrupt does, so that no server and no folder stays behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "real_only: what only a real kube-apiserver can show")
    config.addinivalue_line("markers", "slow: takes ten seconds and more; starts before the others")
    config.addinivalue_line("markers", "xdist_group(name): the tests of a group run in one process")


def pytest_collection_modifyitems(config, items):
    """Starts the slow tests first; leaves to the run against the real server what only that one can show."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if os.environ.get("NODEPREP_TARGET") == "real":
        return
    left = [item for item in items if item.get_closest_marker("real_only")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def target():
    name = os.environ.get("NODEPREP_TARGET", "sim")
    if name not in ("sim", "real"):
        pytest.exit(f"NODEPREP_TARGET is '{name}', not sim or real", returncode=2)
    return name


@pytest.fixture(scope="session")
def server(target):
    """The server that all tests of the run share: a test works in its own namespace, `ns`."""
    with servers.RealServer() if target == "real" else servers.SimServer() as running:
        yield running


@pytest.fixture(scope="session")
def namespace_names():
    return (f"test-{number}" for number in itertools.count(1))


@pytest.fixture
def ns(server, namespace_names):
    """A namespace that no other test has; its classes are gone after the test."""
    name = next(namespace_names)
    server.create_namespace(name)
    server.mark()
    yield name
    if server.kind == "sim":
        server.faults([])
    for item in server.must("GET", classes_path(name))["items"]:
        server.must("DELETE", classes_path(name, item["metadata"]["name"]))


def classes_path(ns, name=None):
    path = f"{CLASSES}/namespaces/{ns}/virtualmachineclasses"
    return f"{path}/{name}" if name else path


@pytest.fixture
def put_class(server):
    """put_class(ns, name, spec, **metadata) creates a VirtualMachineClass and returns it."""

    def put(ns, name, spec, **metadata):
        body = {
            "apiVersion": f"{servers.GROUP}/v1alpha6",
            "kind": "VirtualMachineClass",
            "metadata": {"name": name, **metadata},
            "spec": spec,
        }
        return server.must("POST", classes_path(ns), body)

    return put


@pytest.fixture
def get_class(server):
    return lambda ns, name: server.must("GET", classes_path(ns, name))


@pytest.fixture
def nodeprep(server, tmp_path):
    """nodeprep(*args, input=None, env=None, timeout=60) runs the program and returns a Result.

    It gets the server's kubeconfig and nothing else of the caller's environment; an env of None for
    a name takes that away as well. It runs in the test's own empty folder.
    """

    def run(*args, input=None, env=None, timeout=60):
        given = {
            "HOME": str(tmp_path),
            "KUBECONFIG": server.kubeconfig,
            "LC_ALL": "C.UTF-8",
            "PATH": PATH,
            "TZ": "UTC",
            **(env or {}),
        }
        done = subprocess.run(
            [str(servers.BIN_DIR / "nodeprep"), *(str(arg) for arg in args)],
            # Without input stdin is at its end: a program that reads it must not wait for a person.
            input=input or "",
            capture_output=True,
            encoding="utf-8",
            env={name: value for name, value in given.items() if value is not None},
            cwd=tmp_path,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def gpu(ns, put_class):
    """Standard input of a plan that needs one class from the server."""
    put_class(ns, "gpu", builders.hardware(builders.A100))
    return builders.dump(builders.pool(ns, "w", "gpu"))


@pytest.fixture
def write_config(server, tmp_path):
    """write_config(user, name) writes a kubeconfig of that user into a folder of its own."""

    def write(user, name="config", **members):
        path = tmp_path / "kube" / name
        path.parent.mkdir(exist_ok=True)
        config = yaml.safe_load(pathlib.Path(server.write_kubeconfig(path, token="x")).read_text())
        config["users"][0]["user"] = user
        config.update(members)
        path.write_text(yaml.safe_dump(config))
        return str(path)

    return write


@pytest.fixture
def plugin(tmp_path):
    """plugin(body) writes the script of a credential plugin."""
    return lambda body: builders.Plugin(tmp_path / "kube", body)
