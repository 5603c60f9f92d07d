# SPDX-License-Identifier: Apache-2.0
"""vm-check -f: the simulator's VMs that are nodes, beside the pools, classes and templates that they come from."""

import json

import pytest

import builders
import servers
from builders import A100
from test_vms import by_name
from vcenter import gpu_class

OPERATOR, UNNAMED, CAPV = "DC0_C2_RP0_VM2", "DC0_C2_RP0_VM3", "tkgm-md-0-7d4f5b8c9d-x7kq2"
CHECK = "vm-older-class"


def ref(vcenter, name):
    [vm] = json.loads(vcenter.govc("vm.info", "-json", name))["virtualMachines"]
    return vm["self"]["value"]


def pool(cluster, name, vm_class, ns="ml"):
    """A Cluster whose topology has one pool."""
    workers = {"machineDeployments": [{"class": "node-pool", "name": name, "replicas": 1}]}
    topology = {"class": "c", "version": "v1.30.0", "variables": [{"name": "vmClass", "value": vm_class}], "workers": workers}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "metadata": {"name": cluster, "namespace": ns},
        "spec": {"topology": topology},
    }


@pytest.fixture
def check(host):
    """Runs vm-check with these documents; returns the VMs by their names."""

    def run(*documents, rc=1):
        args = []
        if documents:
            (host.folder / "pools.yaml").write_text(builders.dump(*documents))
            args = ["-f", host.folder / "pools.yaml"]
        done = host("vm-check", "-o", "json", *args)
        assert done.rc == rc, (done.out, done.err)
        return by_name(done)

    return run


def older(vm):
    """Status and message of the check; None where the VM is none of the pools'."""
    return next(((one["status"], one["message"], one["cure"]) for one in vm["checks"] if one["id"] == CHECK), None)


def test_marks_name_nodes(check):
    vms = check()
    node = vms[OPERATOR]
    assert (node["manager"], node["namespace"], node["virtualMachine"]) == ("VMOperator", "ml", "train-gpu-x7kq2-vw9zd")
    assert (vms[UNNAMED]["manager"], vms[UNNAMED]["virtualMachine"]) == ("VMOperator", None)
    assert (vms[CAPV]["manager"], vms[CAPV]["class"], vms[CAPV]["pool"]) == ("ClusterAPI", None, None)
    assert vms["DC0_C2_RP0_VM0"]["manager"] is None
    assert all(older(vm) is None for vm in vms.values())


def test_a_class_lists_its_vms(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100, vms=[ref(vcenter, UNNAMED)]), gpu_class("other", A100, vms=["vm-0"]))
    vms = check()
    assert (vms[UNNAMED]["class"], vms[OPERATOR]["class"]) == ("gpu-a100", None)


def test_classes_that_cannot_be_listed_stay_unknown(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100, vms=[ref(vcenter, UNNAMED)]))
    vcenter.rules({"method": "GET", "path": ".*/virtual-machine-classes", "status": 403})
    assert check()[UNNAMED]["class"] is None


def test_plain_vms_ask_for_no_class(host, vcenter):
    vcenter.mark()
    host.must("vm-check", "--vm", "DC0_C0_RP0_VM0")
    assert not [one for one in vcenter.requests() if "virtual-machine-classes" in one["path"]]


def test_the_name_tells_the_pool_and_its_class(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100))
    node = check(pool("train", "gpu", "gpu-a100"))[OPERATOR]
    assert (node["class"], node["kubernetesCluster"], node["pool"]) == ("gpu-a100", "train", "ml/train/gpu")
    assert older(node) == (
        "fail", "a window of 128 GB in place of 512 GB, from before the VM class 'gpu-a100' is changed",
        "run 'nodeprep apply', then recreate the node: roll out its pool",
    )


def test_after_apply_a_new_node_is_what_helps(host, check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100, vms=[ref(vcenter, UNNAMED)]))
    documents = [pool("train", "gpu", "gpu-a100")]
    (host.folder / "pools.yaml").write_text(builders.dump(*documents))
    host.must("apply", "-f", host.folder / "pools.yaml")
    vms = check(*documents)
    assert older(vms[OPERATOR]) == (
        "fail", "a window of 128 GB in place of 512 GB, from before the VM class 'gpu-a100' was changed",
        "recreate the node: roll out its pool",
    )
    assert older(vms[UNNAMED])[0] == "pass"
    assert "recreate the node: roll out its pool" in host("vm-check", "-f", host.folder / "pools.yaml").out


@pytest.mark.parametrize(
    "one",
    [
        pool("other", "gpu", "gpu-a100"),
        pool("train", "cpu", "gpu-a100"),
        pool("train", "gpu", "gpu-a100", ns="other"),
        builders.pool("ml", "pu", "gpu-a100"),
    ],
)
def test_a_vm_of_no_pool_is_not_compared(check, vcenter, one):
    vcenter.put_classes(gpu_class("gpu-a100", A100))
    assert older(check(one)[OPERATOR]) is None


def test_a_node_pool_is_found_in_any_cluster_of_its_namespace(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100))
    node = check(builders.pool("ml", "gpu", "gpu-a100"))[OPERATOR]
    assert (node["pool"], node["kubernetesCluster"], older(node)[0]) == ("ml/gpu", None, "fail")


def test_the_longest_name_wins(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100), gpu_class("b", A100))
    node = check(builders.pool("ml", "gpu", "b"), pool("train", "gpu", "gpu-a100"))[OPERATOR]
    assert node["pool"] == "ml/train/gpu"


def test_another_class_than_the_pool_uses_now(check, vcenter):
    vcenter.put_classes(gpu_class("old", A100, vms=[ref(vcenter, OPERATOR)]), gpu_class("gpu-a100", A100))
    node = check(pool("train", "gpu", "gpu-a100"))[OPERATOR]
    assert node["class"] == "old"
    assert older(node)[:2] == ("fail", "made from the VM class 'old', its pool uses 'gpu-a100'")


TEMPLATE = {
    "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1", "kind": "VSphereMachineTemplate",
    "metadata": {"name": "gpu", "namespace": "default"},
    "spec": {"template": {"spec": {"pciDevices": [{"vendorId": 0x10DE, "deviceId": 0x20B0}], "hardwareVersion": "vmx-17"}}},
}
DEPLOYMENT = {
    "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "MachineDeployment",
    "metadata": {"name": "tkgm-md-0", "namespace": "default"},
    "spec": {"clusterName": "tkgm", "replicas": 1, "template": {"spec": {"infrastructureRef": {
        "apiVersion": TEMPLATE["apiVersion"], "kind": TEMPLATE["kind"], "name": "gpu"}}}},
}


def test_a_node_of_a_template(check):
    node = check(TEMPLATE, DEPLOYMENT)[CAPV]
    assert (node["pool"], node["kubernetesCluster"], node["class"]) == ("default/tkgm/tkgm-md-0", "tkgm", None)
    assert older(node)[0] == "fail" and "the template 'gpu'" in older(node)[1]


def test_pools_that_are_not_valid_judge_nothing(host):
    (host.folder / "pools.yaml").write_text(builders.dump(pool("train", "gpu", "missing")))
    done = host("vm-check", "-f", host.folder / "pools.yaml")
    assert (done.rc, done.out) == (4, "") and "no VM is judged" in done.err


def test_checks_are_documented(check, vcenter):
    vcenter.put_classes(gpu_class("gpu-a100", A100))
    seen = [one["id"] for one in check(pool("train", "gpu", "gpu-a100"))[OPERATOR]["checks"]]
    text = (servers.REPO / "docs" / "checks.md").read_text(encoding="utf-8").split("\n## vm-check\n")[1].split("\n### ")[0]
    assert [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")] == seen


# --- memory overhead ---------------------------------------------------------------------------------

H100 = {"vendorID": 0x10DE, "deviceID": 0x2330}


def explain(host, vcenter, cards, *args):
    vcenter.put_classes(gpu_class("gpu", *cards))
    (host.folder / "pools.yaml").write_text(builders.dump(builders.pool("ml", "pool", "gpu")))
    return host.must("explain", "-f", host.folder / "pools.yaml", *args)


def test_overheads_are_collected_by_gpus_and_window(host):
    done = host("vm-check", "-o", "json")
    found = {one["vms"][0]: one for one in done.json["overheads"]}
    one = found["DC0_C0_RP0_VM0"]
    assert ([(gpu["model"], gpu["count"]) for gpu in one["gpus"]], one["mmioGB"]) == ([("H100-80GB", 2)], 512)
    assert (one["overheadMB"], one["leastOverheadMB"], one["vms"]) == (860.0, 860.0, ["DC0_C0_RP0_VM0"])
    assert found["DC0_C1_RP0_VM3"]["mmioGB"] is None
    assert OPERATOR not in found, "it is powered off"
    assert "Memory overhead\nGPUS" in host("vm-check", "-o", "wide").out


def test_a_measured_overhead_takes_the_place_of_the_estimate(host, vcenter):
    done = explain(host, vcenter, [H100, H100])
    assert "860.00 MB of host memory a VM, as vCenter measures it on 1 running VM" in done.out
    assert "DC0_C0_RP0_VM0" in done.out and "published points" not in done.out
    [one] = explain(host, vcenter, [H100, H100], "-o", "json").json["classes"]
    assert (one["overheadMB"], one["overheadEstimateMB"], one["overheadVMs"]) == (860.0, 97.03, ["DC0_C0_RP0_VM0"])


def test_without_a_matching_vm_the_estimate_stays(host, vcenter):
    done = explain(host, vcenter, [H100])
    assert "published points" in done.out and "not measured: vCenter shows no running VM with these GPUs and this window" in done.out
    [one] = explain(host, vcenter, [H100], "-o", "json").json["classes"]
    assert (one["overheadMB"], one["overheadEstimateMB"], one["overheadVMs"]) == (None, 97.03, None)


def test_vms_that_cannot_be_read_leave_the_estimate(host, vcenter):
    vcenter.rules({"soap": "CreateContainerView", "status": 403})
    done = explain(host, vcenter, [H100])
    assert "published points" in done.out and "not measured" not in done.out
    assert "the memory overhead of running VMs is not known" in done.err
