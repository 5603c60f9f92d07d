# SPDX-License-Identifier: Apache-2.0
"""The options of vCenter's classes, as far as no vCenter is needed."""

import pytest

from builders import dump, pool

TEXT = dump(pool("ml", "w", "gpu"))
VCENTER = ("--vcenter", "vcenter.invalid", "--vcenter-username", "u")


@pytest.mark.parametrize(
    "args, message",
    [
        (("--classes", "vcenter"), "--classes vcenter: expected --vcenter URL as well"),
        (("--classes", "both"), "'both'"),
        (("--vcenter-username", "u"), "--vcenter-username: expected --vcenter URL as well"),
        ((*VCENTER, "--dry-run=server"), "vCenter cannot check a change without making it"),
        ((*VCENTER, "--vcenter-password-file", "-"), "mutually exclusive"),
    ],
)
def test_options_that_contradict_are_usage_errors(nodeprep, args, message):
    done = nodeprep("apply", "-f", "-", *args, input=TEXT)
    assert done.rc == 2
    assert message in done.err and done.err.count("\n") == 1


def test_a_command_without_classes_takes_no_vcenter(nodeprep):
    assert nodeprep("gpus", "--vcenter", "v").rc == 2


def test_classes_of_the_input_need_no_vcenter(nodeprep):
    cls = {
        "apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": "ml"}, "spec": {"hardware": {"cpus": 4, "memory": "64Gi"}},
    }
    done = nodeprep("plan", "-f", "-", "-o", "json", *VCENTER, input=dump(pool("ml", "w", "gpu"), cls))
    assert done.rc == 0, done.err
    assert [one["api"] for one in done.json["classes"]] == ["file"]
