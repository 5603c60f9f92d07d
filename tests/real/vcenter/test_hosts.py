# SPDX-License-Identifier: Apache-2.0
"""host-check --vcenter: every host of the simulator, judged by what vCenter knows."""

import json
import re

import pytest

import builders
from vcenter import devices, gpu_class, vm_class

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
DC0_C2_H0 | DC0_C2 | connected | 2x A100-40GB | 0 | 0 | fail
DC0_C2_H1 | DC0_C2 | connected | 3x L40S | 1 | 0 | fail
DC0_C2_H3 | DC0_C2 | connected | 1x L40S | 1 | 0 | fail
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
    assert table(done.out) == ROWS
    assert done.out.rstrip().endswith("result: fail")


def test_govc_sees_the_same_hosts(host, vcenter):
    """Cluster by cluster: hosts with GPUs, their states, how many GPUs each has and how many are passed through."""
    seen = []
    for cluster in ("DC0_C0", "DC0_C1", "DC0_C2"):
        for one in json.loads(vcenter.govc("host.info", "-json", f"/DC0/host/{cluster}/*"))["hostSystems"]:
            gpus = {pci["id"] for pci in one["hardware"]["pciDevice"] if pci["vendorId"] == 0x10DE}
            active = [info for info in one["config"]["pciPassthruInfo"] if info["id"] in gpus and info["passthruActive"]]
            runtime = one["runtime"]
            seen.append((one["name"], cluster, runtime["connectionState"], runtime["inMaintenanceMode"], one["summary"]["rebootRequired"], len(gpus), len(active)))
    assert len(seen) == 12
    reports = by_host(host("host-check", "-o", "json"))
    assert sorted(one for one in seen if one[5]) == [
        (
            name, report["cluster"], report["connectionState"], report["inMaintenanceMode"], report["rebootRequired"],
            len(report["gpus"]), len([gpu for gpu in report["gpus"] if gpu["passthroughActive"]]),
        )
        for name, report in sorted(reports.items())
    ]


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


# --- host-apply ------------------------------------------------------------------------------------


def writes(vcenter):
    return [one["soap"] for one in vcenter.requests() if one.get("soap") in ("UpdatePassthruConfig", "UpdateOptions")]


def pool(**gpus):
    return builders.dump(builders.pool("ml", "pool", "class", gpus=[gpus]))


def card(device):
    return {"vendorID": 0x10DE, "deviceID": device}


def enabled(vcenter, host):
    path = f"/DC0/host/{host[:6]}/{host}"
    [found] = json.loads(vcenter.govc("object.collect", "-json", path, "config.pciPassthruInfo"))
    return {one["id"]: (one["passthruEnabled"], one["passthruActive"]) for one in found["val"]["_value"] if one["id"] != "0000:02:00.0"}


def offered(vcenter, vm):
    """The devices that govc offers a VM, by the host and the address."""
    found = json.loads(vcenter.govc("device.pci.ls", "-json", "-vm", vm))["pciDevices"] or []
    return sorted((one["systemId"], one["pciDevice"]["id"]) for one in found)


def apply(host, text, *args):
    (host.folder / "pools.yaml").write_text(text)
    return host("host-apply", "-f", host.folder / "pools.yaml", *args)


NO_PERMISSION = (
    "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'><soapenv:Body><soapenv:Fault>"
    "<faultstring>denied</faultstring><detail><NoPermissionFault xmlns='urn:vim25'/></detail>"
    "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)
A100S, L40S = pool(model="A100-40GB", count=1), pool(model="L40S", count=1)


def test_enable_without_a_reboot(host, vcenter):
    vcenter.put_classes(gpu_class("class"))
    args = ("--cluster", "DC0_C2", "-o", "json")
    vcenter.mark()
    dry = apply(host, A100S, *args, "--dry-run=client")
    assert dry.rc == 0, dry.err
    assert writes(vcenter) == []
    done = apply(host, A100S, *args)
    assert done.rc == 0, (done.out, done.err)
    assert done.json["kind"] == "HostChanges" and done.json["changes"] == dry.json["changes"]
    assert [(one["host"], one["address"], one["from"], one["to"], one["result"]) for one in done.json["changes"]] == [
        ("DC0_C2_H0", f"0000:{bus}:00.0", "false", "true", "changed") for bus in ("3b", "3c")
    ]
    assert done.json["rebootRequired"] == []
    assert offered(vcenter, "DC0_C2_RP0_VM0") == [("DC0_C2_H0", f"0000:{bus}:00.0") for bus in ("3b", "3c")]
    assert (writes(vcenter), enabled(vcenter, "DC0_C2_H0")) == (
        ["UpdatePassthruConfig"], {f"0000:{bus}:00.0": (True, True) for bus in ("3b", "3c")},
    )
    again = apply(host, A100S, *args)
    assert {one["result"] for one in again.json["changes"]} == {"unchanged"}
    assert writes(vcenter) == ["UpdatePassthruConfig"]
    assert host("host-check", "--host", "DC0_C2_H0").rc == 0


def test_enable_and_reboot(host, vcenter):
    vcenter.put_classes(gpu_class("class", card(0x26B9)))
    before = enabled(vcenter, "DC0_C2_H1")
    assert offered(vcenter, "DC0_C2_RP0_VM0") == []
    args = ("--host", "DC0_C2_H1")
    dry = apply(host, L40S, *args, "--dry-run=client")
    done = apply(host, L40S, *args)
    assert done.out.splitlines() == [
        "DC0_C2_H1 0000:3b:00.0: passthroughEnabled: false -> true",
        "DC0_C2_H1 0000:3c:00.0: passthroughEnabled: unchanged: it cannot be passed through",
        "DC0_C2_H1 0000:3d:00.0: passthroughEnabled: unchanged: the vGPU manager uses it",
        "DC0_C2_H1: needs a reboot",
    ]
    assert dry.out.replace(" (dry run)", "") == done.out
    assert enabled(vcenter, "DC0_C2_H1") == before | {"0000:3b:00.0": (True, False)}
    # Not before the reboot.
    assert offered(vcenter, "DC0_C2_RP0_VM0") == []
    vcenter.mark()
    again = apply(host, L40S, *args)
    assert again.out.splitlines()[0] == "DC0_C2_H1 0000:3b:00.0: passthroughEnabled: unchanged"
    assert again.out.splitlines()[-1] == "DC0_C2_H1: needs a reboot"
    assert writes(vcenter) == []


def test_vgpus_set_the_setting(host, vcenter):
    vcenter.put_classes(vm_class("class", devices=devices(vgpus=["nvidia_l40s-48q"])))
    vcenter.govc("option.set", "vgpu.hotmigrate.enabled", "false")
    text = pool(vgpuProfile="nvidia_l40s-48q", count=1)
    vcenter.mark()
    done = apply(host, text, "--cluster", "DC0_C0")
    assert done.rc == 0 and "vgpu.hotmigrate.enabled: false -> true" in done.out, (done.out, done.err)
    assert writes(vcenter) == ["UpdateOptions"]
    assert vcenter.govc("option.ls", "vgpu.hotmigrate.enabled").split() == ["vgpu.hotmigrate.enabled:", "true"]
    assert "vgpu.hotmigrate.enabled: unchanged" in apply(host, text, "--cluster", "DC0_C0").out
    assert writes(vcenter) == ["UpdateOptions"]
    vcenter.govc("option.set", "vgpu.hotmigrate.enabled", "false")


def test_pools_that_ask_for_nothing_here_change_nothing(host, vcenter):
    vcenter.put_classes(gpu_class("class", card(0x1EB8)))
    vcenter.mark()
    done = apply(host, pool(model="T4", count=1), "--cluster", "DC0_C2")
    assert (done.rc, done.out, writes(vcenter)) == (0, "", [])


def test_a_missing_privilege_is_named(host, vcenter):
    vcenter.put_classes(gpu_class("class"))
    vcenter.rules({"soap": "UpdatePassthruConfig", "status": 500, "body": NO_PERMISSION, "headers": {"Content-Type": "text/xml"}})
    done = apply(host, A100S, "--host", "DC0_C0_H1")
    assert done.rc == 5 and "Host.Config.PciPassthru" in done.out
    assert done.out.splitlines()[0].endswith("passthroughEnabled: unchanged")


def test_usage_of_host_apply(host):
    assert host("host-apply", "-f", "-", "--dry-run=server").rc == 2


# --- capacity in plan ------------------------------------------------------------------------------


def plan(host, *documents):
    (host.folder / "pools.yaml").write_text(builders.dump(*documents))
    done = host("plan", "-f", host.folder / "pools.yaml", "-o", "json")
    assert done.rc == 0, (done.out, done.err)
    return done.json


def node_pool(device_model, count):
    return builders.pool("ml", "pool", "class", gpus=[{"model": device_model, "count": count}])


@pytest.mark.parametrize(
    ("device", "model", "count", "capacity"),
    [
        (0x2330, "H100-80GB", 2, {"capableHosts": 1, "fitNow": 1}),
        (0x2330, "H100-80GB", 4, {"capableHosts": 1, "fitNow": 0}),  # two are in use
        (0x2335, "H200", 4, {"capableHosts": 1, "fitNow": 0}),  # in maintenance
        (0x20B0, "A100-40GB", 2, {"capableHosts": 3, "fitNow": 0}),  # disconnected, not enabled
        (0x1EB8, "T4", 1, {"capableHosts": 1, "fitNow": 1}),
        (0x2330, "H100-80GB", 8, {"capableHosts": 0, "fitNow": 0}),
    ],
)
def test_the_capacity_of_each_pool(host, vcenter, device, model, count, capacity):
    vcenter.put_classes(gpu_class("class", *[card(device)] * count))
    made = plan(host, node_pool(model, count))
    assert made["pools"][0]["capacity"] == capacity
    codes = {note["code"] for one in made["classes"] for note in one["warnings"]}
    assert ("no-capable-host" in codes) == (capacity["capableHosts"] == 0)


def test_how_many_vgpus_fit_is_unknown(host, vcenter):
    vcenter.put_classes(vm_class("class", devices=devices(vgpus=["nvidia_l40s-48q"])))
    made = plan(host, builders.pool("ml", "pool", "class"))
    assert made["pools"][0]["capacity"] == {"capableHosts": 1, "fitNow": None}


def cluster(vm_class):
    """A cluster with a worker pool, whose rollout creates the new node first."""
    pools = {"machineDeployments": [{"class": "node-pool", "name": "workers", "replicas": 2}]}
    topology = {"class": "c", "version": "v1.30.0", "variables": [{"name": "vmClass", "value": vm_class}], "workers": pools}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "metadata": {"name": "c", "namespace": "ml"},
        "spec": {"topology": topology},
    }


@pytest.mark.parametrize(("count", "spare"), [(2, True), (4, False)])
def test_no_spare_host_is_computed(host, vcenter, count, spare):
    vcenter.put_classes(gpu_class("class", *[card(0x2330)] * count))
    made = plan(host, cluster("class"))
    found = [note["message"] for one in made["classes"] for note in one["warnings"] if note["code"] == "no-spare-host"]
    assert bool(found) != spare
    assert spare or "of 1 hosts that could hold a node, none has 4 free GPUs" in found[0]


def test_the_plan_does_not_need_the_hosts(host, vcenter):
    vcenter.put_classes(gpu_class("class"))
    vcenter.rules({"soap": "CreateContainerView", "status": 500, "body": NO_PERMISSION, "headers": {"Content-Type": "text/xml"}})
    (host.folder / "pools.yaml").write_text(builders.dump(node_pool("A100-40GB", 1)))
    done = host("plan", "-f", host.folder / "pools.yaml", "-o", "json")
    assert done.rc == 0 and "the capacity of the hosts is not known" in done.err
    assert "capacity" not in done.json["pools"][0]
