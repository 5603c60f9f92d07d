# SPDX-License-Identifier: Apache-2.0
"""cnitool calls the CNI plugin, which prepares classes of vCenter: no kubeconfig is on the host."""

import json
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "cni"))

import runtime  # noqa: E402
from builders import SIZE, pool  # noqa: E402
from runtime import netns, tools  # noqa: E402, F401
from vcenter import ADMIN, PASSWORD, gpu_class, is_prepared  # noqa: E402


class NoSupervisor:
    kubeconfig = "/nonexistent"


@pytest.fixture
def network(tools, tmp_path, vcenter, netns):  # noqa: F811
    made = runtime.Network(tools, tmp_path / "net", NoSupervisor, netns)
    for name, text in (("user", ADMIN), ("password", PASSWORD)):
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    connection = {
        "url": vcenter.url, "caFile": vcenter.ca,
        "usernameFile": str(tmp_path / "user"), "passwordFile": str(tmp_path / "password"),
    }
    made.write([{
        "type": "nodeprep", "instance": "host-1", "stateDir": str(tmp_path / "state"),
        "nodePool": [pool("ml", "w", "gpu")], "supervisor": {"vcenter": connection},
    }])
    vcenter.put_classes(gpu_class("gpu"))
    return made


def must(done):
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


def test_add_check_drift_and_del(vcenter, network):
    before = vcenter.dump()
    must(network.cnitool("status"))
    assert vcenter.patches() == []
    must(network.cnitool("add"))
    assert is_prepared(vcenter.dump()["gpu"], 512)
    assert vcenter.patches() == ["gpu"]
    must(network.cnitool("check"))
    vcenter.edit("gpu", extra={SIZE: "64"})
    drifted = network.cnitool("check")
    assert drifted.returncode != 0
    told = drifted.stdout + drifted.stderr
    assert "drift" in told and SIZE in told and PASSWORD not in told  # cnitool prints no code
    vcenter.edit("gpu", extra={SIZE: "512"})
    must(network.cnitool("check"))
    must(network.cnitool("del"))
    after = vcenter.dump()
    assert not is_prepared(after["gpu"], 512)
    assert {k: v for k, v in after["gpu"].items() if k != "config_spec"} == {
        k: v for k, v in before["gpu"].items() if k != "config_spec"
    }
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_del_restores_the_class(vcenter, network):
    before = vcenter.dump()
    must(network.cnitool("add"))
    must(network.cnitool("del"))
    assert vcenter.dump() == before
    vcenter.mark()
    must(network.cnitool("del"))
    assert vcenter.patches() == []


def test_gc_releases_what_no_runtime_knows(vcenter, network):
    before = vcenter.dump()
    must(network.cnitool("add"))
    config = json.loads(network.file.read_text())
    env = network.env() | {"CNI_COMMAND": "GC"}
    one = {"cniVersion": "1.1.0", "name": config["name"], **config["plugins"][0], "cni.dev/valid-attachments": []}
    import subprocess

    done = subprocess.run(
        [str(network.folder / "bin" / "nodeprep")], input=json.dumps(one), env=env, capture_output=True,
        text=True, timeout=60, check=False,
    )
    must(done)
    assert vcenter.dump() == before


def test_status_tells_what_add_would_fail_with(vcenter, network, tmp_path):
    (tmp_path / "password").write_text("wrong\n")
    done = network.cnitool("status")
    told = done.stdout + done.stderr
    assert done.returncode != 0 and ADMIN in told
