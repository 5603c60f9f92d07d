# SPDX-License-Identifier: Apache-2.0
"""One API server for the whole suite, with the CRD and the controller's rights in it."""

import pytest
from controller_harness import Controller, drop_pools, install, install_foreign_crds


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
    install_foreign_crds(server)
