# SPDX-License-Identifier: Apache-2.0
"""Templates without a topology: a MachineDeployment gets a new template, by apply or by kubectl."""

import json
import subprocess

import capi
import pytest
import servers
import yaml

MD = "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/machinedeployments"
TEMPLATES = "/apis/infrastructure.cluster.x-k8s.io/v1beta2/namespaces/{}/vspheremachinetemplates"
SIZE = "pciPassthru.64bitMMIOSizeGB"


def deployment(ns, name="gpu-md", surge=None, labels=None):
    template = {
        "clusterName": "c1",
        "bootstrap": {"dataSecretName": "none"},
        "infrastructureRef": {
            "apiGroup": "infrastructure.cluster.x-k8s.io",
            "kind": "VSphereMachineTemplate",
            "name": "gpu",
        },
    }
    labels = {"cluster.x-k8s.io/cluster-name": "c1", "pool": name} | (labels or {})
    spec = {
        "clusterName": "c1",
        "replicas": 0,
        "selector": {"matchLabels": {"pool": name}},
        "template": {"metadata": {"labels": labels}, "spec": template},
    }
    if surge is not None:
        rolling = {"maxSurge": surge, "maxUnavailable": 1}
        spec["rollout"] = {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    meta = {"name": name, "namespace": ns, "labels": labels, "annotations": {"keep": "me"}}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachineDeployment",
        "metadata": meta,
        "spec": spec,
    }


@pytest.fixture
def objects(server, manager, ns):
    """The manifests, which are on the server too."""
    made = [capi.machine_template(ns, "gpu", "v1beta2", pciDevices=[capi.H100] * 4), deployment(ns)]
    server.must("POST", TEMPLATES.format(ns), made[0])
    server.must("POST", MD.format(ns), made[1])
    return made


def dump(objects):
    return yaml.safe_dump_all(objects)


def reference(server, ns, name="gpu-md"):
    body = server.must("GET", f"{MD.format(ns)}/{name}")
    return body["spec"]["template"]["spec"]["infrastructureRef"]["name"]


def names(server, ns):
    return sorted(i["metadata"]["name"] for i in server.must("GET", TEMPLATES.format(ns))["items"])


def writes(server, program="nodeprep/"):
    verbs = ("create", "patch", "update", "delete")
    return [r for r in server.requests() if r["verb"] in verbs and r["userAgent"].startswith(program)]


def test_apply_makes_the_template_and_changes_the_reference_once(server, ns, objects, nodeprep):
    dry = nodeprep("apply", "-f", "-", "--dry-run=client", input=dump(objects))
    assert dry.rc == 0, dry.err
    assert names(server, ns) == ["gpu"] and reference(server, ns) == "gpu"

    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(objects))
    assert done.rc == 0, done.err
    new = next(n for n in names(server, ns) if n != "gpu")
    assert names(server, ns) == ["gpu", new] and reference(server, ns) == new
    results = [(o["kind"], o["name"], o["result"]) for o in done.json["objects"]]
    assert results == [
        ("VSphereMachineTemplate", new, "created"),
        ("MachineDeployment", "gpu-md", "patched"),
    ]
    assert "maxSurge 1" in done.err and "free GPUs" in done.err
    made = server.must("GET", f"{TEMPLATES.format(ns)}/{new}")["spec"]["template"]["spec"]
    assert made["customVMXKeys"][SIZE] == "1024" and made["hardwareVersion"] == "vmx-17"
    assert server.must("GET", f"{MD.format(ns)}/gpu-md")["metadata"]["annotations"]["keep"] == "me"

    server.mark()
    again = nodeprep("apply", "-f", "-", "-o", "json", input=dump(objects))
    assert again.rc == 0, again.err
    assert [o["result"] for o in again.json["objects"]] == ["unchanged", "unchanged"]
    assert writes(server) == []


def test_the_manifests_go_through_kubectl(server, ns, objects, nodeprep, tmp_path):
    printed = nodeprep("plan", "-f", "-", "-o", "yaml", input=dump(objects))
    assert printed.rc == 0, printed.err
    template, changed = yaml.safe_load_all(printed.out)
    assert changed["spec"]["template"]["spec"]["infrastructureRef"]["name"] == template["metadata"]["name"]
    kubectl = servers.find_apiserver().parent / "kubectl"
    argv = [str(kubectl), "apply", "-f", "-"]
    env = {"KUBECONFIG": server.kubeconfig, "HOME": str(tmp_path)}
    done = subprocess.run(argv, input=printed.out, capture_output=True, text=True, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert reference(server, ns) == template["metadata"]["name"]
    # What was applied is right: nothing is left to replace.
    right = nodeprep("plan", "-f", "-", "-o", "json", input=printed.out)
    assert [t["replacement"] for t in right.json["templates"]] == [None]


def test_a_reference_that_somebody_changed_is_left(server, ns, objects, nodeprep):
    other = capi.machine_template(ns, "other", "v1beta2")
    server.must("POST", TEMPLATES.format(ns), other)
    body = {"spec": {"template": {"spec": {"infrastructureRef": {"name": "other"}}}}}
    server.must("PATCH", f"{MD.format(ns)}/gpu-md", body)
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(objects))
    assert done.rc == 5, done.err
    assert "names template 'other', and not 'gpu'" in done.err
    assert reference(server, ns) == "other"
    assert done.json["errors"][0]["message"] in done.err


def test_a_topology_keeps_its_own(server, ns, manager, nodeprep):
    owned = deployment(ns, labels={"topology.cluster.x-k8s.io/owned": ""})
    objects = [capi.machine_template(ns, "gpu", "v1beta2", pciDevices=[capi.H100]), owned]
    for path, body in zip((TEMPLATES, MD), objects):
        server.must("POST", path.format(ns), body)
    server.mark()
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(objects))
    assert done.json["objects"] == [] and writes(server) == []
    assert "topology-owned" in json.dumps(done.json["warnings"])


def test_a_surge_of_nothing_is_announced_as_such(ns, nodeprep):
    made = [capi.machine_template(ns, "gpu", "v1beta2", pciDevices=[capi.H100]), deployment(ns, surge=0)]
    done = nodeprep("plan", "-f", "-", input=dump(made), env={"KUBECONFIG": None})
    assert "maxSurge 0: each node goes before its successor comes" in done.err
