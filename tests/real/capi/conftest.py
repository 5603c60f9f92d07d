# SPDX-License-Identifier: Apache-2.0
"""The suite's fixtures: one manager and one nodeprep-hookd for all tests."""

import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import capi as under_test  # noqa: E402


@pytest.fixture(scope="session")
def clients():
    """A CA for the manager's client certificate, apart from the servers' own."""
    with tempfile.TemporaryDirectory() as folder:
        yield under_test.servers.Certificates(pathlib.Path(folder))


@pytest.fixture(scope="session")
def manager(server, clients):
    with under_test.Manager(server, clients) as running:
        yield running


@pytest.fixture(scope="session")
def hookd(server, clients):
    with under_test.Hookd(server.kubeconfig, all_in_one=True, clients=clients) as running:
        yield running


@pytest.fixture(scope="session")
def extension(server, manager, hookd):
    """The ExtensionConfig of deploy/manifests, discovered."""
    server.must("POST", under_test.EXTENSIONS, under_test.extension_config(hookd))
    path = f"{under_test.EXTENSIONS}/nodeprep"

    def is_discovered():
        status = server.must("GET", path).get("status", {})
        return any(
            c["type"] == "Discovered" and c["status"] == "True" for c in status.get("conditions") or []
        )

    under_test.wait_for("ExtensionConfig", is_discovered, lambda: server.must("GET", path))
    return server.must("GET", path)


@pytest.fixture
def topology(server, extension, ns):
    made = under_test.Topology(server, ns)
    made.create()
    return made
