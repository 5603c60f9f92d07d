# SPDX-License-Identifier: Apache-2.0
"""host-check -o svg: the simulator's hosts, drawn; where the nodes of pools fit."""

import xml.etree.ElementTree as ET

import pytest

import builders
from builders import A100
from test_hosts import card
from vcenter import devices, gpu_class, vm_class

SVG = "{http://www.w3.org/2000/svg}"


def draw(host, *args, rc=1):
    done = host("host-check", "-o", "svg", *args)
    assert done.rc == rc, (done.out, done.err)
    return ET.fromstring(done.out)


def texts(tree):
    return [one.text for one in tree.iter(f"{SVG}text")]


def titles(tree):
    """What each slot says, by host and address."""
    slots = (one.text.split(" ", 2) for one in tree.iter(f"{SVG}title") if ": " in one.text)
    return {(host, address): text for host, address, text in slots}


def test_each_state_is_drawn(host):
    slots = titles(draw(host))
    assert len(slots) == 29
    assert slots["DC0_C0_H0", "0000:3b:00.0"] == "H100-80GB: in use by a VM"
    assert slots["DC0_C0_H0", "0000:3d:00.0"] == "H100-80GB: ready for a VM"
    assert slots["DC0_C0_H1", "0000:3b:00.0"] == "A100-40GB: reboot pending"
    assert slots["DC0_C0_H1", "0000:3c:00.0"] == "A100-40GB: not enabled"
    assert slots["DC0_C0_H2", "0000:3b:00.0"] == "L40S: the vGPU manager's"
    assert slots["DC0_C0_H2", "0000:3c:00.0"] == "T4: no passthrough"
    assert slots["DC0_C1_H2", "0000:3b:00.0"] == "A100-40GB: not known now"
    assert slots["DC0_C1_H3", "0000:3b:00.0"] == "10de:9999 Device 9999: ready for a VM"


def test_vms_are_named_with_their_gpus(host):
    assert "3b:00.0, 3c:00.0: DC0_C0_RP0_VM0" in texts(draw(host, "--host", "DC0_C0_H0", rc=0))


def test_pools_are_placed(host, vcenter):
    vcenter.put_classes(
        gpu_class("two", card(0x2330), card(0x2330)), gpu_class("a100", A100),
        vm_class("vgpu", devices=devices(vgpus=["nvidia_l40s-48c"])),
    )
    (host.folder / "pools.yaml").write_text(builders.dump(*(builders.pool("ml", name, name) for name in ("two", "a100", "vgpu"))))
    tree = draw(host, "-f", host.folder / "pools.yaml")
    assert "ml/two: 2 x H100-80GB; capable hosts: 1, fits now: 1" in texts(tree)
    assert "ml/vgpu: 1 x nvidia_l40s-48c; capable hosts: 2, fits now: not known" in texts(tree)
    fits = [one.get("class").split()[1] for one in tree.iter(f"{SVG}rect") if (one.get("class") or "").startswith("fit ") and one.get("class") != "fit "]
    assert sorted(fits) == ["later"] * 5 + ["now"]
    assert texts(tree).count("3?") == 2


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("-o", "svg", "--page", "2"), "page 2: the hosts fill 1 page"),
        (("-o", "svg", "--page", "0"), "--page"),
        (("-o", "svg", "--page", "x"), "'x'"),
        (("--page", "1"), "--page: expected -o svg as well"),
        (("-f", "-"), "-f: expected -o svg as well"),
    ],
)
def test_usage(host, args, text):
    done = host("host-check", *args)
    assert (done.rc, done.out) == (2, "") and text in done.err


def test_usage_without_vcenter(host):
    done = host.run_argv([host.argv("host-check")[0], "host-check", "-o", "svg", "capture.txt"])
    assert done.rc == 2 and "-o svg: expected --vcenter URL as well" in done.err


def test_invalid_pools_draw_nothing(host):
    (host.folder / "pools.yaml").write_text(builders.dump(builders.pool("ml", "pool", "missing")))
    done = host("host-check", "-o", "svg", "-f", host.folder / "pools.yaml")
    assert (done.rc, done.out) == (4, "") and "nothing is drawn" in done.err
