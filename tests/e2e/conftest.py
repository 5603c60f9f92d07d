# SPDX-License-Identifier: Apache-2.0
"""What pytest finds by name: the fixtures, which tests/real shares."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fixtures import *  # noqa: E402, F403


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes ten seconds and more; starts before the others")
    config.addinivalue_line("markers", "xdist_group(name): the tests of a group run in one process")


def pytest_collection_modifyitems(items):
    """Starts the slow tests first, so that none is left to one process at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
