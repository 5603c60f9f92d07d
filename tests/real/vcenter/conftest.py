# SPDX-License-Identifier: Apache-2.0
"""The suite's fixtures: one simulator for all tests, reset before each; a host for each test."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import vcenter as under_test  # noqa: E402


@pytest.fixture(scope="session")
def running():
    with under_test.VCenter(under_test.build_tools()) as one:
        yield one


@pytest.fixture
def vcenter(running):
    running.reset()
    return running


@pytest.fixture
def host(vcenter, tmp_path):
    """host(command, *args, input=…) runs nodeprep; no output of the test may hold the password."""
    made = under_test.Host(vcenter, tmp_path / "host")
    yield made
    told = "\n".join(made.seen)
    assert under_test.PASSWORD not in told
