# SPDX-License-Identifier: Apache-2.0
"""vm-check: every VM of the simulator that has devices, judged by them."""

import json

import pytest

import servers
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
DC0_C1_RP0_VM5 | DC0_C1 | poweredOff | 2x nvidia_l40s-48c | 256 GB | 512 GB | efi | pass
DC0_C1_RP0_VM6 | DC0_C1 | suspended | 1x H200, 1x unknown | about 1024 GB | 1024 GB | efi | unknown
DC0_C2_RP0_VM0 | DC0_C2 | poweredOff | 1x A100-40GB | 128 GB | none | bios | fail
DC0_C2_RP0_VM1 | DC0_C2 | poweredOff | 1x A100-40GB | 128 GB | 64 GB | efi | fail
DC0_C2_RP0_VM2 | DC0_C2 | poweredOff | 1x A100-40GB | 128 GB | 128 GB | efi | pass
DC0_C2_RP0_VM3 | DC0_C2 | poweredOn | 1x A100-40GB | 128 GB | 512 GB | efi | pass
tkgm-md-0-7d4f5b8c9d-x7kq2 | DC0_C2 | poweredOff | 1x A100-40GB | 128 GB | 128 GB | efi | pass
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
    assert table(done.out) == ROWS


def test_govc_sees_the_same_vms(host, vcenter):
    """40 VMs; those with a passthrough device other than a NIC are judged, by the settings that govc reads."""
    vms = json.loads(vcenter.govc("vm.info", "-json", "-e", "*"))["virtualMachines"]
    assert len(vms) == 40
    seen = {}
    for one in vms:
        # The simulator's own devices have smaller keys; ids are signed numbers.
        backings = [device["backing"] for device in one["config"]["hardware"]["device"] if device["key"] >= 13000]
        if all(backing.get("vendorId") == 0x8086 - 0x10000 for backing in backings):
            continue
        extra = {option["key"]: option["value"] for option in one["config"]["extraConfig"]}
        config = one["config"]
        seen[one["name"]] = (
            one["runtime"]["powerState"], config["firmware"], config["template"], extra.get(KEYS[1]), config["memoryReservationLockedToMax"],
        )
    assert {
        name: (report["powerState"], report["firmware"], report["template"], report["mmioGB"] and str(report["mmioGB"]), report["reservationLocked"])
        for name, report in by_name(host("vm-check", "-o", "json")).items()
    } == seen


def test_many_come_in_pages(host, vcenter):
    """Ten copies of each VM and host; a query that loses a page starts over."""
    vcenter.set(hosts=130, vms=400)
    vcenter.mark()
    vms = host("vm-check", "-o", "json").json["vms"]
    # One VM has a name of its own, which its copies share.
    names = {one["name"] for one in vms}
    assert (len(vms), len(names)) == (10 * (len(ROWS) - 1), 10 * (len(ROWS) - 2) + 1)
    assert all(one["host"] and one["cluster"] for one in vms)
    assert "DC0_C0_RP0_VM0" in names and "DC0_C0_RP0_VM0-9" in names
    assert len([one for one in vcenter.requests() if one.get("soap") == "ContinueRetrievePropertiesEx"]) >= 400 // 50 - 1
    items = host("host-check", "-o", "json").json["items"]
    assert len({one["host"] for one in items}) == len(items) == 100
    vcenter.rules({"soap": "ContinueRetrievePropertiesEx", "skip": 3, "times": 1, "drop": True})
    assert host("vm-check", "-o", "json").json["vms"] == vms
    assert host("host-check", "-o", "json").json["items"] == items


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
    assert sorted(by_name(host("vm-check", "--vm", "DC0_C1_*", "-o", "json"))) == [f"DC0_C1_RP0_VM{i}" for i in (0, 1, 2, 3, 5, 6)]
    done = host("vm-check", "--vm", "nobody*")
    assert done.rc == 4 and "VM 'nobody*' not found" in done.err


def test_a_vm_without_gpus_is_not_listed(host):
    done = host("vm-check", "--vm", "DC0_C0_RP0_VM9", "-o", "json")
    assert (done.rc, done.json["vms"]) == (0, [])


def test_a_session_that_ends_in_the_middle(host, vcenter):
    whole = host("vm-check", "-o", "json")
    vcenter.rules({"soap": "RetrievePropertiesEx", "skip": 2, "times": 1, "expire": True})
    assert host("vm-check", "-o", "json").json == whole.json
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


@pytest.mark.parametrize("command", ["vm-check", "host-check"])
def test_a_signal_ends_with_a_logout(host, vcenter, command):
    vcenter.rules({"soap": "RetrievePropertiesEx", "delayMs": 1000})
    with host.start(host.argv(command)) as process:
        servers.wait_until("a session", lambda: vcenter.sessions()["soap"] == 1, process)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


# --- vm-apply and vm-revert ------------------------------------------------------------------------

KEYS = ("pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB")


def seen(vcenter, name):
    """What govc reads of a VM: firmware, both settings, the reservation and whether it is locked."""
    [vm] = json.loads(vcenter.govc("vm.info", "-json", "-e", name))["virtualMachines"]
    extra = {one["key"]: one["value"] for one in vm["config"]["extraConfig"]}
    return [
        vm["config"]["firmware"], *(extra.get(key) for key in KEYS),
        vm["config"]["memoryAllocation"]["reservation"], vm["config"]["memoryReservationLockedToMax"],
    ]


def writes(vcenter):
    return [one["soap"] for one in vcenter.requests() if one.get("soap") in ("ReconfigVM_Task", "UpdatePassthruConfig", "UpdateOptions")]


BEFORE = ["bios", None, None, 0, False]
AFTER = ["efi", "TRUE", "128", 16384, True]


@pytest.fixture
def plain(host, vcenter):
    """The VM that lacks everything, and lacks it again behind the test."""
    assert seen(vcenter, PLAIN) == BEFORE
    yield PLAIN
    host("vm-revert", "--vm", PLAIN)
    assert seen(vcenter, PLAIN) == BEFORE


def test_apply_and_revert(host, vcenter, plain):
    change = ("vm-apply", "--vm", plain, "--change-firmware")
    vcenter.mark()
    dry = host.must(*change, "--dry-run=client", "-o", "json").json
    assert (writes(vcenter), dry["dryRun"], seen(vcenter, plain)) == ([], True, BEFORE)
    done = host.must(*change, "-o", "json").json
    assert done["kind"] == "VMChanges" and done["changes"] == dry["changes"]
    assert {one["result"] for one in done["changes"]} == {"changed"}
    assert (writes(vcenter), seen(vcenter, plain)) == (["ReconfigVM_Task"], AFTER)
    assert host("vm-check", "--vm", plain).rc == 0
    assert host.must(*change).out == f"{plain}: unchanged\n"
    assert writes(vcenter) == ["ReconfigVM_Task"]
    host.must("vm-revert", "--vm", plain)
    assert seen(vcenter, plain) == BEFORE
    again = host("vm-revert", "--vm", plain)
    assert again.rc == 4 and str(host.state) in again.out


def test_bios_becomes_efi_only_on_request(host, vcenter, plain):
    vcenter.mark()
    done = host("vm-apply", "--vm", plain)
    assert done.rc == 5 and "--change-firmware" in done.out
    assert writes(vcenter) == []


@pytest.mark.parametrize(
    ("name", "rc", "text"),
    [
        ("DC0_C1_RP0_VM0", 5, "not powered off (poweredOn)"),
        ("DC0_C0_RP0_VM2", 5, "VM Operator (VirtualMachine ml/worker-7) manages it"),
        ("DC0_C1_RP0_VM2", 5, "the extension com.example.manager manages it"),
        ("DC0_C2_RP0_VM3", 5, "VM Operator (by managedBy com.vmware.vcenter.wcp) manages it"),
        ("tkgm-md-0-7d4f5b8c9d-x7kq2", 5, "Cluster API (by guestinfo.userdata) manages it"),
        ("DC0_C0_RP0_VM9", 4, "no VM or template with a GPU has this name"),
    ],
)
def test_what_is_refused(host, vcenter, name, rc, text):
    vcenter.mark()
    done = host("vm-apply", "--vm", name)
    assert done.rc == rc and text in done.out
    assert writes(vcenter) == []


def test_what_changed_since_stays(host, vcenter, plain):
    host.must("vm-apply", "--vm", plain, "--change-firmware")
    vcenter.govc("vm.change", "-vm", plain, "-e", "pciPassthru.64bitMMIOSizeGB=256")
    done = host.must("vm-revert", "--vm", plain)
    assert f"{plain}: pciPassthru.64bitMMIOSizeGB: unchanged: it was changed since, and stays" in done.out
    assert seen(vcenter, plain) == ["bios", None, "256", 0, False]
    vcenter.govc("vm.change", "-vm", plain, "-e", "pciPassthru.64bitMMIOSizeGB=")


def test_a_failed_task_leaves_no_record(host, vcenter):
    fault = (
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'><soapenv:Body><soapenv:Fault>"
        "<faultstring>The VM changed.</faultstring><detail><ConcurrentAccessFault xmlns='urn:vim25'/></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    vcenter.rules({"soap": "ReconfigVM_Task", "status": 500, "body": fault, "headers": {"Content-Type": "text/xml"}})
    done = host("vm-apply", "--vm", ODD)
    assert done.rc == 6 and "ConcurrentAccess: The VM changed." in done.out
    assert not list(host.state.glob("*/*.json"))


def test_a_record_that_is_none_changes_nothing(host, vcenter, plain):
    host.must("vm-apply", "--vm", plain, "--change-firmware")
    [record] = host.state.glob("*/*.json")
    good = record.read_text()
    record.write_text(good.replace("firmware", "name"))
    vcenter.mark()
    done = host("vm-revert", "--vm", plain)
    assert done.rc == 3 and "is not a record that nodeprep wrote" in done.out
    assert writes(vcenter) == []
    record.write_text(good)


def test_usage_of_changes(host):
    assert host("vm-apply").rc == 2
    assert host("vm-apply", "--vm", PLAIN, "--dry-run=server").rc == 2
