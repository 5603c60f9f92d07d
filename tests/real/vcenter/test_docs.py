# SPDX-License-Identifier: Apache-2.0
"""The commands of docs/vcenter.md: each runs, and prints what the page says, but for empty lines."""

import json
import re

import pytest

import servers
from builders import A100, option
from fixtures import PATH
from vcenter import ADMIN, PASSWORD, gpu_class, with_var_lib

PAGE = servers.REPO / "docs" / "vcenter.md"
ADDRESS = "vcenter.example.com"
MARK = "--- command"


def lines_of(text):
    return [line for line in text.splitlines() if line]


def section(title):
    text = PAGE.read_text(encoding="utf-8")
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]


def commands(title):
    """The commands of a section, each with the output that the page shows."""
    found = []
    lines = iter(line.removeprefix("    ") for line in section(title).splitlines() if line.startswith("    "))
    for line in lines:
        if not line.startswith("$ "):
            found[-1][1].append(line)
            continue
        command = [line.removeprefix("$ ")]
        if "<<'END'" in line:
            command += iter(lambda: next(lines), "END")
            command.append("END")
        found.append(("\n".join(command), []))
    return [(command, "\n".join(output)) for command, output in found]


def script(found):
    """One shell runs them all, as a person does; each is followed by a mark and its exit status."""
    parts = [f"{command}\nprintf '%s %d\\n' '{MARK}' $?\n" for command, _ in found]
    return "exec 2>&1\n" + "".join(parts)


@pytest.fixture
def run(vcenter, host, tmp_path):
    [vm] = json.loads(vcenter.govc("vm.info", "-json", "DC0_C2_RP0_VM3"))["virtualMachines"]
    vcenter.put_classes(
        gpu_class("gpu-a100x4", *[A100] * 4, extra=[option("disk.EnableUUID", "TRUE")]),
        gpu_class("gpu-a100", A100, vms=[vm["self"]["value"]]),
    )

    def run(found, **more):
        text = script(found).replace(ADDRESS, vcenter.host)
        # What a person types without showing it.
        text = re.sub(r"^read -rs .*$", f"export GOVC_PASSWORD='{PASSWORD}'", text, flags=re.M)
        (host.folder / "vcenter-ca.pem").write_text(open(vcenter.ca, encoding="utf-8").read())
        env = host.env(PATH=f"{servers.BIN_DIR}:{vcenter.tools}:{PATH}", GOVC_PERSIST_SESSION="false", **more)
        done = host.run_argv(with_var_lib(tmp_path / "lib", ["bash", "-c", text]), env=env)
        assert done.rc == 0, done.out
        outputs = re.split(rf"{MARK} (\d+)\n", done.out.replace(vcenter.host, ADDRESS))
        return [(output, int(rc)) for output, rc in zip(outputs[::2], outputs[1::2])]

    return run


def test_the_quick_start(vcenter, run):
    before = vcenter.dump()
    found = commands("Quick start")
    got = run(found)
    assert len(got) == len(found)
    for (command, expected), (output, rc) in zip(found, got):
        assert lines_of(output) == lines_of(expected), command
        assert rc == (1 if command.startswith("nodeprep diff") else 0), command
    assert vcenter.dump() == before
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_the_role(vcenter, run):
    found = commands("Rights")
    assert found
    login = {"GOVC_USERNAME": ADMIN, "GOVC_PASSWORD": PASSWORD, "GOVC_TLS_CA_CERTS": vcenter.ca}
    for (command, expected), (output, rc) in zip(found, run(found, GOVC_URL=vcenter.url, **login)):
        assert (lines_of(output), rc) == (lines_of(expected), 0), command
    assert "VirtualMachineClasses.Manage" in vcenter.govc("role.ls", "nodeprep-vmclasses")
    vcenter.govc("role.remove", "-force=true", "nodeprep-vmclasses")


def test_hosts_and_vms(vcenter, run):
    found = commands("Hosts and VMs")
    # The first ones of the quick start set the user and write the pools.
    start = commands("Quick start")[:3]
    got = run(start + found)[len(start) :]
    assert len(got) == len(found)
    for (command, expected), (output, rc) in zip(found, got):
        assert lines_of(output) == lines_of(expected), command
        assert rc == (1 if "result: fail" in expected else 0), command
    assert vcenter.sessions() == {"rest": 0, "soap": 0}
