# SPDX-License-Identifier: Apache-2.0
"""From a host with nothing enabled to a VM that carries all settings, by host-apply and vm-apply alone."""

from test_hosts import A100S, apply, enabled, offered
from test_vms import AFTER, BEFORE, PLAIN, seen
from vcenter import gpu_class

HOST = "DC0_C2_H0"
GPUS = ("0000:3b:00.0", "0000:3c:00.0")

# Methods that change nothing but sessions and views.
READS = {
    "RetrieveServiceContent", "Login", "Logout", "CreateContainerView", "DestroyView", "RetrievePropertiesEx",
    "ContinueRetrievePropertiesEx", "QueryOptions",
}


def writes(vcenter):
    """All calls since the mark that may change something, of SOAP and REST."""
    calls = [one.get("soap") or f"{one['method']} {one['path']}" for one in vcenter.requests()]
    return [call for call in calls if call not in READS and not call.startswith("GET ") and not call.endswith("/session")]


def steps(host, vcenter, command):
    """Runs the command twice; returns both outputs, and the writes of each."""
    found = []
    for _ in range(2):
        vcenter.mark()
        done = command()
        assert done.rc == 0, (done.out, done.err)
        found += [done.out, writes(vcenter)]
    return found


def test_from_a_bare_host_to_a_ready_vm(host, vcenter):
    vcenter.put_classes(gpu_class("class"))
    assert set(enabled(vcenter, HOST).values()) == {(False, False)}
    assert (offered(vcenter, PLAIN), seen(vcenter, PLAIN)) == ([], BEFORE)
    assert (host("host-check", "--host", HOST).rc, host("vm-check", "--vm", PLAIN).rc) == (1, 1)

    out, wrote, again, wrote_again = steps(host, vcenter, lambda: apply(host, A100S, "--host", HOST))
    assert out.splitlines() == [f"{HOST} {gpu}: passthroughEnabled: false -> true" for gpu in GPUS]
    assert again.splitlines() == [f"{HOST} {gpu}: passthroughEnabled: unchanged" for gpu in GPUS]
    assert (wrote, wrote_again) == (["UpdatePassthruConfig"], [])
    assert set(enabled(vcenter, HOST).values()) == {(True, True)}
    assert offered(vcenter, PLAIN) == [(HOST, gpu) for gpu in GPUS]

    out, wrote, again, wrote_again = steps(host, vcenter, lambda: host("vm-apply", "--vm", PLAIN, "--change-firmware"))
    assert [line.split(": ")[1] for line in out.splitlines()] == [
        "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB", "firmware", "memoryReservationLockedToMax", "memoryAllocation.reservation",
    ]
    assert again == f"{PLAIN}: unchanged\n"
    assert (wrote, wrote_again) == (["ReconfigVM_Task"], [])
    assert seen(vcenter, PLAIN) == AFTER

    assert (host("host-check", "--host", HOST).rc, host("vm-check", "--vm", PLAIN).rc) == (0, 0)
    vcenter.govc("vm.power", "-on", PLAIN)
    assert host("vm-check", "--vm", PLAIN).rc == 0
    vcenter.mark()
    assert host("vm-apply", "--vm", PLAIN).out == f"{PLAIN}: unchanged\n"
    assert writes(vcenter) == []
