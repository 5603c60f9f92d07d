# SPDX-License-Identifier: Apache-2.0
"""One API server for the whole suite, with the CRD and the controller's rights in it."""

import subprocess

import pytest
import yaml
from controller_harness import Controller, drop_pools, install, servers


@pytest.fixture(scope="session")
def installed(server):
    install(server)
    return server


@pytest.fixture
def controller(installed):
    with Controller(installed) as running:
        yield running.wait_ready()


@pytest.fixture
def pools_ns(installed, ns):
    yield ns
    drop_pools(installed, ns)


@pytest.fixture(scope="session")
def foreign_crds(server):
    """The CRDs of cert-manager, the Prometheus operator and Cluster API, and that one's namespace."""
    server.create_namespace("capi-system")
    script = servers.REPO / "tests" / "real" / "controller" / "crds.sh"
    done = subprocess.run(
        [str(script), str(servers.BIN_DIR / "real")],
        stdout=subprocess.PIPE,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0
    for file in sorted(servers.pathlib.Path(done.stdout.strip()).glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        # cert-manager's are a template of helm's; its labels are no labels yet.
        crd["metadata"] = {
            "name": crd["metadata"]["name"],
            "annotations": crd["metadata"].get("annotations", {}),
        }
        crd["spec"].pop("conversion", None)
        server.create_crd(crd)
