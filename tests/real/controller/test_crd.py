# SPDX-License-Identifier: Apache-2.0
"""NodePool's CRD on a real kube-apiserver: what it refuses is what nodeprep refuses."""

import json
import pathlib
import subprocess

import pytest
import yaml
from fixtures import servers

CRD = servers.REPO / "deploy" / "manifests" / "crd" / "nodepools.nodeprep.dev.yaml"
POOLS = "/apis/nodeprep.dev/v1alpha1"
PCI = {"vendorID": 0x10DE, "deviceID": 0x20B0}


@pytest.fixture
def pools(installed):
    return installed


@pytest.fixture
def kubectl(server):
    binary = servers.find_apiserver().with_name("kubectl")

    def run(*args, input=None):
        argv = [str(binary), f"--kubeconfig={server.kubeconfig}", *map(str, args)]
        done = subprocess.run(
            argv, input=input, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


# What a spec is, and whether it is taken. Each has vmClass "gpu", a class with four A100-40GB.
SPECS = [
    ({}, True),
    ({"replicas": 3}, True),
    ({"replicas": 0}, True),
    ({"replicas": -1}, False),
    ({"replicas": 2147483647}, True),
    ({"replicas": 2147483648}, False),
    ({"replicas": "3"}, False),
    ({"replicas": 1.5}, False),
    ({"vmClass": None}, False),
    ({"vmClass": ""}, False),
    ({"vmClass": 5}, False),
    ({"vmClass": "a/b"}, False),
    ({"vmClass": "Gpu"}, False),
    ({"vmClass": "${CLASS}"}, False),
    ({"vmClass": "a" * 254}, False),
    ({"gpus": []}, True),
    ({"gpus": {}}, False),
    ({"gpus": ["A100-40GB"]}, False),
    ({"gpus": [{}]}, False),
    ({"gpus": [{"count": 2}]}, False),
    ({"gpus": [{"model": "A100-40GB"}]}, True),
    ({"gpus": [{"model": "A100-40GB", "count": 4}]}, True),
    ({"gpus": [{"model": "A100-40GB", "count": 0}]}, False),
    ({"gpus": [{"model": "A100-40GB", "count": -1}]}, False),
    ({"gpus": [{"model": "A100-40GB", "count": 65}]}, False),
    ({"gpus": [{"model": "A100-40GB", "count": "4"}]}, False),
    ({"gpus": [{"model": ""}]}, False),
    ({"gpus": [{"model": 100}]}, False),
    ({"gpus": [{"model": "A" * 128}]}, False),
    ({"gpus": [{"modell": "A100-40GB"}]}, False),
    ({"gpus": [{"model": "A100-40GB", "pciID": "10de:20b0"}]}, False),
    ({"gpus": [{"model": "A100-40GB", "vgpuProfile": "grid_a100-40c"}]}, False),
    ({"gpus": [{"pciID": "10de:20b0", "count": 4}]}, True),
    ({"gpus": [{"pciID": "0x10DE:0x20B0"}]}, True),
    ({"gpus": [{"pciID": "4318:8368"}]}, True),
    ({"gpus": [{"pciID": "4318:99999"}]}, False),
    ({"gpus": [{"pciID": "20b0:10de"}]}, False),
    ({"gpus": [{"pciID": "0x20B0:0x10DE"}]}, False),
    ({"gpus": [{"pciID": "10de"}]}, False),
    ({"gpus": [{"pciID": "10de:20b0:1"}]}, False),
    ({"gpus": [{"pciID": "10de:20bg"}]}, False),
    ({"gpus": [{"pciID": "10de:120b0"}]}, False),
    ({"gpus": [{"pciID": ""}]}, False),
    ({"gpus": [{"vgpuProfile": ""}]}, False),
    ({"gpus": [{"vgpuProfile": "grid a100"}]}, False),
    ({"gpus": [{"model": "A100-40GB", "count": 64}] * 5}, False),
    ({"gpus": [{"model": "A100-40GB"}] * 257}, False),
    ({"mmio": {}}, True),
    ({"mmio": []}, False),
    ({"mmio": {"minimumGB": 1}}, True),
    ({"mmio": {"minimumGB": 1024}}, True),
    ({"mmio": {"sizeGB": 512}}, True),
    ({"mmio": {"sizeGB": 65536}}, True),
    ({"mmio": {"sizeGB": 131072}}, False),
    ({"mmio": {"sizeGB": 500}}, False),
    ({"mmio": {"sizeGB": 0}}, False),
    ({"mmio": {"sizeGB": -512}}, False),
    ({"mmio": {"sizeGB": "512"}}, False),
    ({"mmio": {"sizeGB": 512.5}}, False),
    ({"mmio": {"sizeGB": 512.0}}, False),
    ({"mmio": {"minimumGB": 3}}, False),
    ({"mmio": {"minimumGB": 0}}, False),
    ({"mmio": {"minimumGb": 512}}, False),
    ({"memoryReservation": "Full"}, True),
    ({"memoryReservation": "Unmanaged"}, True),
    ({"memoryReservation": "full"}, False),
    ({"memoryReservation": ""}, False),
    ({"replica": 3}, False),
]


def pool(ns, spec, name="workers"):
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": name, "namespace": ns},
        "spec": {k: v for k, v in {"vmClass": "gpu", **spec}.items() if v is not None},
    }


def gpu_spec(count=4):
    devices = {"dynamicDirectPathIODevices": [PCI] * count}
    return {"hardware": {"cpus": 8, "memory": "64Gi", "devices": devices}}


@pytest.mark.parametrize("spec, is_taken", SPECS, ids=lambda v: json.dumps(v)[:60])
def test_crd_and_program_agree(server, pools, ns, put_class, nodeprep, spec, is_taken):
    put_class(ns, "gpu", gpu_spec())
    body = pool(ns, spec)
    status, _, answer = server.request(
        "POST",
        f"{POOLS}/namespaces/{ns}/nodepools?dryRun=All&fieldValidation=Strict",
        body,
    )
    assert (status == 201) == is_taken, answer
    done = nodeprep("apply", "--dry-run=client", "-f", "-", input=json.dumps(body))
    assert (done.rc == 0) == is_taken, done.err
    if not is_taken:
        assert done.rc in (3, 4), done.err  # 4: a name that no class can have


def test_crd__refusals_say_what_would_be_right(server, pools, ns):
    rows = [
        ({"mmio": {"sizeGB": 500}}, "must be a power of two from 1 to 65536"),
        ({"gpus": [{"count": 2}]}, "exactly one of model, pciID and vgpuProfile"),
        ({"gpus": [{"pciID": "20b0:10de"}]}, "looks swapped"),
        ({"gpus": [{"model": "A", "count": 64}] * 5}, "more than 256 GPUs"),
        ({"vmClass": "Gpu"}, "is no name of a VirtualMachineClass"),
    ]
    for spec, words in rows:
        status, _, answer = server.request(
            "POST", f"{POOLS}/namespaces/{ns}/nodepools", pool(ns, spec)
        )
        assert status == 422 and words in answer["message"], (spec, answer)


def test_crd__defaults(server, pools, ns):
    spec = {"gpus": [{"model": "T4"}]}
    made = server.must("POST", f"{POOLS}/namespaces/{ns}/nodepools?dryRun=All", pool(ns, spec))
    assert made["spec"] == {
        "vmClass": "gpu",
        "gpus": [{"model": "T4", "count": 1}],
        "memoryReservation": "Full",
    }


def test_crd__status_is_a_subresource(server, pools, ns):
    path = f"{POOLS}/namespaces/{ns}/nodepools"
    made = server.must("POST", path, {**pool(ns, {}), "status": {"mmioGB": 7}})
    assert "status" not in made
    status = {"observedGeneration": 1, "mmioGB": 512, "gpusPerNode": 4, "requiredMMIOGB": 512}
    condition = {"status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "message": "m"}
    condition |= {"type": "Ready", "reason": "Configured", "observedGeneration": 1}
    body = {"status": {**status, "vmClass": "gpu", "conditions": [condition]}}
    made = server.must("PATCH", f"{path}/workers/status?fieldValidation=Strict", body)
    assert made["status"]["conditions"] == [condition] and made["metadata"]["generation"] == 1
    body["status"]["conditions"] = [condition, condition]
    assert server.request("PATCH", f"{path}/workers/status", body)[0] == 422
    server.must("DELETE", f"{path}/workers")


def test_kubectl__answers_at_a_glance(server, pools, ns, kubectl):
    path = f"{POOLS}/namespaces/{ns}/nodepools"
    server.must("POST", path, pool(ns, {}))
    condition = {"status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "message": "m"}
    condition |= {"type": "Ready", "reason": "Configured"}
    status = {"mmioGB": 512, "gpusPerNode": 4, "conditions": [condition]}
    server.must("PATCH", f"{path}/workers/status", {"status": status})
    for words in (["np"], ["nodepools"], ["nodeprep"]):
        rc, out, err = kubectl("get", "-n", ns, *words)
        assert rc == 0, err
        heads, row = (line.split() for line in out.splitlines())
        assert heads == ["NAME", "CLASS", "GPUS", "MMIO", "READY", "AGE"]
        assert row[:5] == ["workers", "gpu", "4", "512", "True"]
    rc, out, err = kubectl("explain", "nodepool.spec.mmio")
    assert rc == 0, err
    assert "64-bit MMIO window" in out and "minimumGB" in out and "65536" in out
    server.must("DELETE", f"{path}/workers")


def test_crd__every_field_is_described():
    def walk(schema, path):
        for name, field in schema.get("properties", {}).items():
            if path or name in ("spec", "status"):
                assert field.get("description"), f"{path}.{name}"
            if path or name in ("spec", "status"):
                walk(field.get("items", field), f"{path}.{name}")

    crd = yaml.safe_load(pathlib.Path(CRD).read_text())
    walk(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")
