# SPDX-License-Identifier: Apache-2.0
"""The version, and the commit that was built."""

import json
import re

import servers


def test_version_names_the_commit(nodeprep):
    version = (servers.REPO / "VERSION").read_text().strip()
    told = json.loads(nodeprep("version", "-o", "json").out)
    assert told["version"] == version
    assert re.fullmatch("[0-9a-f]{40}", told["commit"]) and re.fullmatch("20[0-9]{2}-[0-9]{2}-[0-9]{2}", told["commitDate"])
    text = nodeprep("version").out
    assert text == f"nodeprep {version} (commit {told['commit'][:12]}, {told['commitDate']})\n"
