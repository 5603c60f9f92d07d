# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that need a vCenter: each runs, and prints what the page says."""

import dataclasses
import json
import pathlib
import re

import pytest

import doc_commands as docs
import servers
from builders import A100, option
from fixtures import PATH
from vcenter import ADMIN, PASSWORD, gpu_class, with_var_lib

SCENARIOS = docs.scenarios(worlds=["vcenter"])
ADDRESS = "vcenter.example.com"


def typed(command):
    """A command of the docs; what a person types without showing it is given here."""
    text = re.sub(r"^read -rs .*$", f"export GOVC_PASSWORD='{PASSWORD}'", command.text, flags=re.M)
    return dataclasses.replace(command, text=text)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.where)
def test_with_a_vcenter(scenario, vcenter, host, tmp_path):
    [vm] = json.loads(vcenter.govc("vm.info", "-json", "DC0_C2_RP0_VM3"))["virtualMachines"]
    vcenter.put_classes(
        gpu_class("gpu-a100x4", *[A100] * 4, extra=[option("disk.EnableUUID", "TRUE")]),
        gpu_class("gpu-a100", A100, vms=[vm["self"]["value"]]),
    )
    before = vcenter.dump()["gpu-a100x4"]
    commands = [typed(command) for command in scenario.commands]
    folder = docs.make_folder(tmp_path / "work")
    (folder / "vcenter-ca.pem").write_bytes(pathlib.Path(vcenter.ca).read_bytes())
    env = host.env(PATH=f"{servers.BIN_DIR}:{vcenter.tools}:{PATH}", GOVC_PERSIST_SESSION="false", GOVC_URL=vcenter.url)
    results = docs.run(commands, folder, env, {ADDRESS: vcenter.host}, with_var_lib(tmp_path / "lib", []))
    host.seen += [output for output, _ in results]
    docs.check(commands, results)
    # The quick start undoes what it does.
    assert vcenter.dump()["gpu-a100x4"] == before
    assert vcenter.sessions() == {"rest": 0, "soap": 0}
    if "nodeprep-vmclasses" in vcenter.govc("role.ls"):
        vcenter.govc("role.remove", "-force=true", "nodeprep-vmclasses")
