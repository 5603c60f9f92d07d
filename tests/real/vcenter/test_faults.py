# SPDX-License-Identifier: Apache-2.0
"""What vCenter answers in another way than usual: no privilege, nil, other types, lost sessions, failed tasks."""

import json
import re

import pytest

import builders
from test_hosts import A100S, apply, by_host, statuses
from test_vms import BEFORE, ODD, PLAIN, by_name, seen
from vcenter import gpu_class

WRITES = ("ReconfigVM_Task", "UpdatePassthruConfig", "UpdateOptions")

# XML in place of a property's <val>.
NIL = '<val xsi:nil="true"/>'
TEXT = '<val xsi:type="xsd:string">what?</val>'
OTHERS = '<val xsi:type="ArrayOfInt"><int>1</int><int xsi:nil="true"/><int><int>2</int></int></val>'
SHAPES = [{"fault": "NoPermission"}, {}, {"value": NIL}, {"value": TEXT}, {"value": OTHERS}]


def envelope(kind, text="It is so."):
    body = (
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>"
        f"<soapenv:Body><soapenv:Fault><faultstring>{text}</faultstring><detail><{kind}Fault xmlns='urn:vim25' xsi:type='{kind}'/></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return {"status": 500, "body": body, "headers": {"Content-Type": "text/xml"}}


def writes(vcenter):
    return [one["soap"] for one in vcenter.requests() if one.get("soap") in WRITES]


def status_of(report, check):
    return statuses(report).get(check)


# --- properties of hosts ---------------------------------------------------------------------------

HOST = "DC0_C0_H0"  # passes

# What is unknown without each property: checks, and members of the report that are null.
HOST_PATHS = {
    "parent": ([], ["cluster"]),
    "config.product.version": ([], ["version"]),
    "configManager.pciPassthruSystem": ([], []),
    "runtime.connectionState": (["connection"], ["connectionState"]),
    "runtime.inMaintenanceMode": (["maintenance"], ["inMaintenanceMode"]),
    "summary.rebootRequired": (["reboot-required"], ["rebootRequired"]),
    "hardware.pciDevice": (["gpus-found", "passthrough-active"], ["gpus"]),
    "config.pciPassthruInfo": (["passthrough-capable", "passthrough-enabled", "passthrough-active"], []),
    "config.graphicsInfo": ([], []),
    "config.sharedPassthruGpuTypes": ([], []),
}
DECIDES = {"connection", "gpus-found", "passthrough-capable", "passthrough-enabled", "passthrough-active"}


@pytest.mark.parametrize("path", HOST_PATHS)
def test_a_property_of_one_host_of_many(host, vcenter, path):
    others = by_host(host("host-check", "-o", "json"))
    others.pop(HOST)
    for shape in SHAPES:
        vcenter.set(twists=[{"kind": "HostSystem", "name": HOST, "path": path, **shape}])
        done = host("host-check", "-o", "json")
        assert done.rc == 1, (shape, done.err)
        after = by_host(done)
        one = after.pop(HOST)
        assert after == others, shape
        checks, members = HOST_PATHS[path]
        if shape == {"value": TEXT} and path in ("runtime.connectionState", "config.product.version"):
            checks, members = [], []  # a text takes any
        assert {check: status_of(one, check) for check in checks} == dict.fromkeys(checks, "unknown"), shape
        assert {member: one[member] for member in members} == dict.fromkeys(members), shape
        assert one["pass"] is None or not DECIDES & set(checks), shape


def test_a_host_that_may_not_be_read(host, vcenter):
    vcenter.set(twists=[{"kind": "HostSystem", "name": HOST, "fault": "NoPermission"}])
    done = host("host-check")
    assert done.rc == 1
    [row] = [line.split() for line in done.out.splitlines() if " unknown " in line and line.startswith("host-")]
    assert row[1:] == ["-", "unknown", "unknown", "unknown", "unknown", "unknown"]
    assert "the fault NoPermission in place of the list of PCI devices" in done.out
    assert "give the user the privilege System.Read on the host" in done.out
    assert "DC0_C0_H2" in done.out


def test_who_owns_the_gpus_is_not_readable(host, vcenter):
    """The L40S of this host are the vGPU manager's: no more than unknown without the list that says so."""
    vcenter.put_classes(gpu_class("class", {"vendorID": 0x10DE, "deviceID": 0x26B9}))
    vcenter.set(twists=[{"kind": "HostSystem", "name": "DC0_C2_H3", "path": "config.graphicsInfo", "fault": "NoPermission"}])
    one = by_host(host("host-check", "--host", "DC0_C2_H3", "-o", "json"))["DC0_C2_H3"]
    assert [status_of(one, check) for check in ("passthrough-enabled", "hot-migrate")] == ["unknown", "unknown"]
    assert (one["pass"], one["gpus"][0]["ok"]) == (None, None)
    vcenter.mark()
    text = builders.dump(builders.pool("ml", "pool", "class", gpus=[{"model": "L40S", "count": 1}]))
    done = apply(host, text, "--host", "DC0_C2_H3")
    assert done.rc == 5 and "whether the vGPU manager uses it is not readable: the privilege System.Read is missing" in done.out
    assert writes(vcenter) == []


@pytest.mark.parametrize("path", ["config.pciPassthruInfo", "configManager.pciPassthruSystem", "hardware.pciDevice"])
@pytest.mark.parametrize("dry", [(), ("--dry-run=client",)])
def test_host_apply_needs_to_read(host, vcenter, path, dry):
    vcenter.put_classes(gpu_class("class"))
    vcenter.set(twists=[{"kind": "HostSystem", "name": "DC0_C2_H0", "path": path, "fault": "NoPermission"}])
    done = apply(host, A100S, "--cluster", "DC0_C2", *dry)
    assert done.rc == 5 and "DC0_C2_H0" in done.out and "System.Read" in done.out
    assert writes(vcenter) == []


def test_host_apply_goes_on_with_the_others(host, vcenter):
    """One host may not be changed; the next one is."""
    vcenter.put_classes(gpu_class("class"))
    vcenter.rules({"soap": "UpdatePassthruConfig", "times": 1, **envelope("NoPermission")})
    done = apply(host, A100S)
    assert done.rc == 5 and writes(vcenter) == ["UpdatePassthruConfig"] * 2
    assert "DC0_C0_H1 0000:3c:00.0: passthroughEnabled: failed: " in done.out
    assert "DC0_C2_H0 0000:3b:00.0: passthroughEnabled: false -> true" in done.out


def test_unknown_users_are_not_free_gpus(host, vcenter):
    """A VM that runs on the host has devices that may not be read: its GPUs may be in use."""
    vcenter.put_classes(gpu_class("class", *[{"vendorID": 0x10DE, "deviceID": 0x2330}] * 2))
    (host.folder / "pools.yaml").write_text(builders.dump(builders.pool("ml", "pool", "class", gpus=[{"model": "H100-80GB", "count": 2}])))
    vcenter.set(twists=[{"kind": "VirtualMachine", "name": "DC0_C0_RP0_VM0", "path": "config.hardware.device", "fault": "NoPermission"}])
    plan = host("plan", "-f", host.folder / "pools.yaml", "-o", "json")
    assert plan.json["pools"][0]["capacity"] == {"capableHosts": 1, "fitNow": None}
    done = host("host-check", "--host", HOST)
    assert re.search(r"4x H100-80GB +at most 4 +at least 0 ", done.out), done.out
    one = by_host(host("host-check", "--host", HOST, "-o", "json"))[HOST]
    assert {str(gpu["usedBy"]) for gpu in one["gpus"]} == {"None"}


# --- properties of VMs -----------------------------------------------------------------------------

VM = "DC0_C0_RP0_VM0"  # passes

VM_PATHS = {
    "config.changeVersion": ([], []),
    "config.extraConfig": (["mmio-window", "mmio-keys"], []),
    "config.firmware": (["firmware"], ["firmware"]),
    "config.hardware.device": (["mmio-window"], ["gpus", "neededMMIOGB"]),
    "config.hardware.memoryMB": ([], ["memoryMB"]),
    "config.managedBy": ([], []),
    "config.memoryAllocation": ([], ["reservationMB"]),
    "config.memoryReservationLockedToMax": ([], ["reservationLocked"]),
    "config.template": ([], ["template"]),
    "config.version": (["hardware-version", "device-limit"], ["hardwareVersion"]),
    "runtime.host": ([], ["host", "cluster"]),
    "runtime.memoryOverhead": (["overhead"], ["overheadMB"]),
    "runtime.powerState": ([], ["powerState"]),
}
VM_DECIDES = {"mmio-window", "mmio-keys", "firmware", "hardware-version", "device-limit"}


@pytest.mark.parametrize("path", VM_PATHS)
def test_a_property_of_one_vm_of_many(host, vcenter, path):
    others = by_name(host("vm-check", "-o", "json"))
    others.pop(VM)
    for shape in SHAPES:
        if shape == {"value": OTHERS} and path == "config.extraConfig":
            continue  # an empty list of settings: the window is missing
        vcenter.set(twists=[{"kind": "VirtualMachine", "name": VM, "path": path, **shape}])
        done = host("vm-check", "-o", "json")
        assert done.rc == 1, (shape, done.err)
        after = by_name(done)
        one = after.pop(VM, None)
        assert after == others, shape
        if shape == {"value": OTHERS} and path == "config.hardware.device":
            assert one is None  # a list without any device
            continue
        checks, members = VM_PATHS[path]
        if shape == {"value": TEXT} and path in ("config.firmware", "runtime.powerState"):
            checks, members = [], []  # a text takes any
        assert {check: status_of(one, check) for check in checks} == dict.fromkeys(checks, "unknown"), shape
        assert {member: one[member] for member in members} == dict.fromkeys(members), shape
        assert one["ok"] is None or not VM_DECIDES & set(checks), shape


def test_a_vm_without_readable_devices_is_listed(host, vcenter):
    """It may have GPUs: unknown is never none."""
    name = "DC0_C0_RP0_VM9"
    vcenter.set(twists=[{"kind": "VirtualMachine", "name": name, "path": "config.hardware.device", "fault": "NoPermission"}])
    one = by_name(host("vm-check", "-o", "json"))[name]
    assert (one["ok"], status_of(one, "mmio-window")) == (None, "unknown")
    done = host("vm-check", "--vm", name)
    assert done.rc == 6 and "the fault NoPermission in place of the list of devices" in done.out
    assert "result: unknown" in done.out
    assert host("vm-apply", "--vm", name).rc == 5


def test_a_vm_that_was_deleted_is_not_listed(host, vcenter):
    """A page may name a VM that is gone by now: none of its properties is there."""
    before = by_name(host("vm-check", "-o", "json"))
    vcenter.set(twists=[{"kind": "VirtualMachine", "name": VM, "fault": "ManagedObjectNotFound"}])
    after = by_name(host("vm-check", "-o", "json"))
    before.pop(VM)
    assert after == before


@pytest.mark.parametrize(
    "path",
    ["config.hardware.device", "config.hardware.memoryMB", "config.extraConfig", "config.firmware",
     "config.memoryAllocation", "config.changeVersion", "runtime.powerState"],
)
def test_vm_apply_needs_to_read(host, vcenter, path):
    vcenter.set(twists=[{"kind": "VirtualMachine", "name": PLAIN, "path": path, "fault": "NoPermission"}])
    vcenter.mark()
    done = host("vm-apply", "--vm", PLAIN, "--change-firmware")
    assert done.rc == 5 and "readable" in done.out, done.out
    assert (writes(vcenter), list(host.state.glob("*/*.json"))) == ([], [])


@pytest.mark.parametrize(
    ("backing", "kind"),
    [
        ('<backing xsi:type="VirtualPCIPassthroughNextBackingInfo"><id>1</id></backing>', "VirtualPCIPassthroughNextBackingInfo"),
        ("<backing/>", None),
        ('<backing xsi:nil="true"/>', None),
        ("", None),
        ('<backing xsi:type="VirtualPCIPassthroughDeviceBackingInfo"><id>here</id><deviceId>zz</deviceId><vendorId>nil</vendorId></backing>', None),
        ('<backing xsi:type="VirtualPCIPassthroughDynamicBackingInfo"/>', None),
        ('<backing xsi:type="VirtualPCIPassthroughVmiopBackingInfo"/>', None),
    ],
)
def test_a_backing_that_is_not_known(host, vcenter, backing, kind):
    """A device of unknown kind may be a GPU of any size: never none, never a pass."""
    device = f'<VirtualDevice xsi:type="VirtualPCIPassthrough"><key>1</key>{backing}</VirtualDevice>'
    value = f'<val xsi:type="ArrayOfVirtualDevice">{device}</val>'
    vcenter.set(twists=[{"kind": "VirtualMachine", "name": VM, "path": "config.hardware.device", "value": value}])
    done = host("vm-check", "--vm", VM, "-o", "json")
    [one] = done.json["vms"]
    assert (done.rc, one["ok"], one["neededMMIOGB"]) == (6, None, None)
    assert status_of(one, "mmio-window") == "unknown"
    assert kind is None or one["gpus"][0]["kind"] == kind


# --- sessions and objects that are lost ------------------------------------------------------------


# What needs a session, as a regular expression.
IN_SESSION = "CreateContainerView|DestroyView|QueryOptions|ReconfigVM_Task|RetrievePropertiesEx"


def soap_calls(vcenter):
    return [one["soap"] for one in vcenter.requests() if one.get("soap") in IN_SESSION.split("|")]


@pytest.mark.parametrize("command", ["host-check", "vm-check"])
def test_the_session_ends_before_each_request_in_turn(host, vcenter, command):
    vcenter.mark()
    whole = host(command, "-o", "json")
    calls = soap_calls(vcenter)
    assert len(calls) > 6
    for number in range(len(calls)):
        vcenter.rules({"soap": IN_SESSION, "skip": number, "times": 1, "expire": True})
        done = host(command, "-o", "json")
        assert (done.rc, done.json) == (whole.rc, whole.json), (number, done.err)
        assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_vm_apply_when_the_session_ends(host, vcenter):
    """Before each request in turn: the change is made once, and reported."""
    change = ("vm-apply", "--vm", PLAIN, "--change-firmware")
    vcenter.mark()
    host.must(*change)
    calls = soap_calls(vcenter)
    host.must("vm-revert", "--vm", PLAIN)
    for number in range(len(calls)):
        vcenter.rules({"soap": IN_SESSION, "skip": number, "times": 1, "expire": True})
        vcenter.mark()
        done = host(*change)
        assert (done.rc, calls.count("ReconfigVM_Task")) == (0, 1), (number, done.out, done.err)
        assert len([one for one in vcenter.requests() if one.get("soap") == "ReconfigVM_Task" and one["status"] == 200]) == 1
        vcenter.rules()
        host.must("vm-revert", "--vm", PLAIN)
        assert seen(vcenter, PLAIN) == BEFORE


def test_a_vm_is_deleted_between_list_and_read(host, vcenter):
    whole = host("vm-check", "-o", "json")
    vcenter.rules({"soap": "RetrievePropertiesEx", "skip": 2, "times": 1, **envelope("ManagedObjectNotFound", "deleted")})
    done = host("vm-check", "-o", "json")
    assert (done.rc, done.json) == (whole.rc, whole.json)
    vcenter.rules({"soap": "RetrievePropertiesEx", "skip": 2, **envelope("ManagedObjectNotFound", "deleted")})
    done = host("vm-check")
    assert (done.rc, done.out) == (6, "")
    assert done.err.startswith("error: an object was deleted between two pages: ")


def test_a_vm_is_deleted_before_its_change(host, vcenter):
    vcenter.rules({"soap": "ReconfigVM_Task", **envelope("ManagedObjectNotFound", "The object has already been deleted.")})
    done = host("vm-apply", "--vm", PLAIN, "--change-firmware")
    assert done.rc == 4 and "ManagedObjectNotFound: The object has already been deleted." in done.out
    assert not list(host.state.glob("*/*.json"))


@pytest.mark.parametrize(("soap", "skip"), [("CreateContainerView", 2), ("RetrievePropertiesEx", 2)])
def test_a_connection_that_is_cut(host, vcenter, soap, skip):
    whole = host("vm-check", "-o", "json")
    for rule in ({"drop": True}, {"status": 200, "body": "x" * 1000, "cut": 100}, {"late": True, "drop": True}):
        vcenter.rules({"soap": soap, "skip": skip, "times": 1, **rule})
        done = host("vm-check", "-o", "json")
        assert (done.rc, done.json) == (whole.rc, whole.json), (rule, done.err)


# --- tasks -----------------------------------------------------------------------------------------


def fail_task(vcenter, kind, text):
    fault = f'<fault xsi:type="{kind}"/>' if kind else ""
    error = f'<val xsi:type="LocalizedMethodFault">{fault}<localizedMessage>{text}</localizedMessage></val>'
    vcenter.set(twists=[
        {"kind": "Task", "path": "info.state", "value": '<val xsi:type="TaskInfoState">error</val>'},
        {"kind": "Task", "path": "info.error", "value": error},
    ])


@pytest.mark.parametrize(
    ("kind", "text", "rc"),
    [
        ("ConcurrentAccess", "The operation failed due to a concurrent change.", 6),
        ("InvalidPowerState", "The attempted operation cannot be performed in the current state (Powered on).", 5),
        ("NoPermission", "Permission to perform this operation was denied.", 5),
        ("TaskInProgress", "Another task is already in progress.", 5),
        ("", "", 5),
    ],
)
def test_a_task_that_fails(host, vcenter, kind, text, rc):
    """The simulator has changed the VM nevertheless; what counts here is what the task says."""
    fail_task(vcenter, kind, text)
    done = host("vm-apply", "--vm", ODD)
    assert done.rc == rc and f"{ODD}: failed: " in done.out and text in done.out
    assert kind in done.out or kind == "NoPermission"
    assert len(done.out.splitlines()) == 1
    assert not list(host.state.glob("*/*.json"))


def test_a_task_whose_state_is_not_known(host, vcenter):
    """It may still change the VM: the record stays, and the next run goes on from there."""
    before = seen(vcenter, PLAIN)
    vcenter.set(twists=[{"kind": "Task", "path": "info.state", "value": '<val xsi:type="TaskInfoState">paused</val>'}])
    done = host("vm-apply", "--vm", PLAIN, "--change-firmware")
    assert done.rc == 6 and "the task's state 'paused' is not known" in done.out and "may still run in vCenter" in done.out
    [record] = host.state.glob("*/*.json")
    assert json.loads(record.read_text())
    vcenter.set(twists=[])
    assert host.must("vm-apply", "--vm", PLAIN, "--change-firmware").out == f"{PLAIN}: unchanged\n"
    host.must("vm-revert", "--vm", PLAIN)
    assert seen(vcenter, PLAIN) == before


def test_a_task_that_does_not_end(host, vcenter):
    vcenter.set(twists=[{"kind": "Task", "path": "info.state", "value": '<val xsi:type="TaskInfoState">running</val>'}])
    done = host("vm-apply", "--vm", PLAIN, "--change-firmware", "--timeout", "2s")
    assert done.rc == 6 and "may still run in vCenter" in done.out
    vcenter.set(twists=[])
    host.must("vm-revert", "--vm", PLAIN)
