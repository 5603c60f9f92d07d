# SPDX-License-Identifier: Apache-2.0
"""The files of docs/examples do what their README says."""

import pytest

import servers

EXAMPLES = servers.REPO / "docs" / "examples"


@pytest.mark.parametrize("folder, status", [(".", 0), ("all-kinds", 0), ("cluster-api", 0), ("invalid", 3)])
def test_a_folder_of_examples_is_planned(nodeprep, folder, status):
    done = nodeprep("plan", "-f", EXAMPLES / folder, env={"KUBECONFIG": None})
    assert done.rc == status, done
    assert "outdated" in done.out if status == 0 else "looks swapped" in done.err


def test_the_example_for_the_controller_has_no_other_kind():
    for file in (EXAMPLES / "controller").iterdir():
        kinds = [line for line in file.read_text().splitlines() if line.startswith("kind:")]
        assert kinds == ["kind: NodePool"]
