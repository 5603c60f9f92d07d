# SPDX-License-Identifier: Apache-2.0
"""vm-check: every VM of the simulator that has devices, judged by them."""

import pytest

from test_hosts import statuses, table

ROWS = """
VM | CLUSTER | STATE | GPUS | NEEDS | WINDOW | FIRMWARE | RESULT
DC0_C0_RP0_VM0 | DC0_C0 | poweredOn | 2x H100-80GB | 512 GB | 512 GB | efi | pass
DC0_C0_RP0_VM1 | DC0_C0 | poweredOn | 1x nvidia_l40s-48q | 128 GB | 128 GB | efi | pass
DC0_C0_RP0_VM2 | DC0_C0 | poweredOff | 1x H100-80GB | 256 GB | 64 GB | efi | fail
DC0_C1_RP0_VM0 | DC0_C1 | poweredOn | 1x H200 | 512 GB | 128 GB | efi | fail
DC0_C1_RP0_VM1 | DC0_C1 | template | 1x unknown | about 256 GB | 512 GB | efi | unknown
DC0_C1_RP0_VM2 | DC0_C1 | poweredOff | 1x unknown | about 256 GB | 512 GB | efi | unknown
DC0_C1_RP0_VM3 | DC0_C1 | poweredOn | 1x T4 | none | none | bios | pass
""".strip().splitlines()

PLAIN = "DC0_C2_RP0_VM0"  # lacks everything
ODD = "DC0_C2_RP0_VM1"  # has it in a wrong way


def by_name(done):
    return {one["name"]: one for one in done.json["vms"]}


@pytest.fixture
def reports(host):
    done = host("vm-check", "-o", "json")
    assert done.rc == 1, done.err
    return by_name(done)


def test_each_row_of_the_table(host):
    done = host("vm-check")
    assert done.rc == 1
    assert table(done.out)[: len(ROWS)] == ROWS


def test_a_vm_that_passes(host):
    done = host("vm-check", "--vm", "DC0_C0_RP0_VM0")
    assert (done.rc, table(done.out)) == (0, ROWS[:2])


@pytest.mark.parametrize(
    ("name", "check", "status"),
    [
        ("DC0_C0_RP0_VM2", "mmio-window", "fail"),
        ("DC0_C1_RP0_VM0", "mmio-window", "fail"),
        ("DC0_C1_RP0_VM1", "mmio-window", "unknown"),
        ("DC0_C1_RP0_VM2", "mmio-window", "unknown"),
        ("DC0_C1_RP0_VM3", "firmware", "pass"),
        (ODD, "mmio-keys", "warn"),
        (ODD, "hardware-version", "fail"),
        (ODD, "memory-reservation", "fail"),
    ],
)
def test_each_check(reports, name, check, status):
    assert statuses(reports[name])[check] == status


def test_the_facts_of_a_vm(reports):
    one = reports["DC0_C0_RP0_VM0"]
    assert one["gpus"] == [{"model": "H100-80GB", "pciID": "10de:2330", "vgpuProfile": None, "kind": None, "count": 2}]
    assert (one["neededMMIOGB"], one["mmioGB"], one["overheadMB"], one["overheadEstimateMB"]) == (512, 512, 860.0, 97.03)
    assert (one["host"], one["hardwareVersion"], one["reservationLocked"]) == ("DC0_C0_H0", 20, True)


def test_who_manages_a_vm(reports):
    service = reports["DC0_C0_RP0_VM2"]
    assert (service["namespace"], service["virtualMachine"]) == ("ml", "worker-7")
    assert reports["DC0_C1_RP0_VM2"]["managedBy"] == "com.example.manager"


def test_what_is_unknown_is_null(reports):
    one = reports["DC0_C1_RP0_VM1"]
    assert (one["neededMMIOGB"], one["ok"], one["template"]) == (None, None, True)
    assert one["gpus"][0]["kind"] == "com.example.nic"


def test_patterns(host):
    assert sorted(by_name(host("vm-check", "--vm", "DC0_C1_*", "-o", "json"))) == [f"DC0_C1_RP0_VM{i}" for i in range(4)]
    done = host("vm-check", "--vm", "nobody*")
    assert done.rc == 4 and "VM 'nobody*' not found" in done.err


def test_a_vm_without_gpus_is_not_listed(host):
    done = host("vm-check", "--vm", "DC0_C0_RP0_VM9", "-o", "json")
    assert (done.rc, done.json["vms"]) == (0, [])
