# SPDX-License-Identifier: Apache-2.0
"""host-check --vcenter: every host of the simulator, judged by what vCenter knows."""

import json
import re

import pytest

# As the table has them; the simulator's inventory.go and vms.go make them so.
ROWS = """
HOST | CLUSTER | STATE | GPUS | FREE | IN USE | RESULT
DC0_C0_H0 | DC0_C0 | connected | 4x H100-80GB | 2 | 2 | pass
DC0_C0_H1 | DC0_C0 | connected,reboot | 2x A100-40GB | 0 | 0 | fail
DC0_C0_H2 | DC0_C0 | connected | 1x L40S, 1x T4 | 0 | 1 | fail
DC0_C1_H0 | DC0_C1 | connected | 2x T4 | 1 | 1 | pass
DC0_C1_H1 | DC0_C1 | connected,maintenance | 4x H200 | 3 | 1 | pass
DC0_C1_H2 | DC0_C1 | disconnected | 8x A100-40GB | 0 | 0 | fail
DC0_C1_H3 | DC0_C1 | connected | 1x unknown | 1 | 0 | pass
""".strip().splitlines()


def table(text):
    """The rows of a table, their cells joined as in ROWS."""
    return [" | ".join(re.split(r" {2,}", line.strip())) for line in text.split("\n\n")[0].splitlines()]


def by_host(done):
    return {one["host"]: one for one in done.json["items"]}


def statuses(report):
    return {one["id"]: one["status"] for one in report["checks"]}


@pytest.fixture
def reports(host):
    done = host("host-check", "-o", "json")
    assert done.rc == 1, done.err
    return by_host(done)


def test_each_row_of_the_table(host):
    done = host("host-check")
    assert done.rc == 1
    assert table(done.out)[: len(ROWS)] == ROWS
    assert done.out.rstrip().endswith("result: fail")


def test_a_host_that_passes(host):
    done = host("host-check", "--host", "DC0_C0_H0")
    assert (done.rc, table(done.out)) == (0, ROWS[:2])


def test_what_vcenter_cannot_know_is_never_a_pass(reports):
    for report in reports.values():
        assert statuses(report)["above-4g"] == "unknown"
    assert statuses(reports["DC0_C1_H3"])["hv-support"] == "unknown"
    assert statuses(reports["DC0_C1_H3"])["sr-iov"] == "unknown"
    [hv] = [one for one in reports["DC0_C1_H3"]["checks"] if one["id"] == "hv-support"]
    assert "esxcfg-info" in hv["cure"]


def test_gpus_and_who_uses_them(reports):
    gpus = {one["address"]: one for one in reports["DC0_C0_H0"]["gpus"]}
    assert gpus["0000:3b:00.0"]["usedBy"] == ["DC0_C0_RP0_VM0"]
    # The VM that holds 3d is powered off.
    assert gpus["0000:3d:00.0"]["usedBy"] == []
    assert gpus["0000:3b:00.0"]["pciID"] == "10de:2330"
    shared, t4 = reports["DC0_C0_H2"]["gpus"]
    assert shared["sharedForVGPUs"] and shared["usedBy"] == ["DC0_C0_RP0_VM1"] and shared["ok"]
    assert (t4["passthroughCapable"], t4["ok"]) == (False, False)
    assert reports["DC0_C0_H2"]["vgpuProfiles"] == ["nvidia_l40s-48q"]


@pytest.mark.parametrize(
    ("name", "check", "status"),
    [
        ("DC0_C0_H1", "passthrough-enabled", "fail"),
        ("DC0_C0_H1", "passthrough-active", "fail"),
        ("DC0_C0_H1", "reboot-required", "warn"),
        ("DC0_C0_H2", "passthrough-capable", "fail"),
        ("DC0_C1_H0", "sr-iov", "unknown"),
        ("DC0_C1_H1", "maintenance", "warn"),
        ("DC0_C1_H2", "connection", "fail"),
        ("DC0_C1_H3", "gpus-found", "warn"),
    ],
)
def test_each_check(reports, name, check, status):
    assert statuses(reports[name])[check] == status


def test_the_setting_for_vgpus(host, vcenter):
    one = ("host-check", "--host", "DC0_C0_H2", "-o", "json")
    vcenter.govc("option.set", "vgpu.hotmigrate.enabled", "true")
    done = host(*one)
    assert done.json["hotMigrate"] is True
    assert statuses(by_host(done)["DC0_C0_H2"])["hot-migrate"] == "pass"
    vcenter.govc("option.set", "vgpu.hotmigrate.enabled", "false")
    assert statuses(by_host(host(*one))["DC0_C0_H2"])["hot-migrate"] == "fail"


def test_only_a_cluster(host):
    done = host("host-check", "--cluster", "DC0_C1", "-o", "json")
    assert sorted(by_host(done)) == [f"DC0_C1_H{i}" for i in range(4)]


def test_a_host_without_gpus_is_judged_only_by_name(host, reports):
    assert "DC0_C0_H3" not in reports
    done = host("host-check", "--host", "DC0_C0_H3", "-o", "json")
    assert done.rc == 1
    assert statuses(by_host(done)["DC0_C0_H3"])["gpus-found"] == "fail"


@pytest.mark.parametrize("option", [("--host", "nobody"), ("--cluster", "nobody")])
def test_a_place_that_does_not_exist(host, option):
    done = host("host-check", *option)
    assert done.rc == 4 and "'nobody' not found" in done.err


def test_usage(host):
    done = host("host-check", "capture.txt")
    assert done.rc == 2 and "mutually exclusive" in done.err


def test_a_session_that_ends_in_the_middle(host, vcenter):
    whole = host("host-check", "-o", "json")
    vcenter.rules({"soap": "RetrievePropertiesEx", "skip": 1, "times": 1, "expire": True})
    assert json.loads(host("host-check", "-o", "json").out) == json.loads(whole.out)
    assert vcenter.sessions() == {"rest": 0, "soap": 0}
