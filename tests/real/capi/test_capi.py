# SPDX-License-Identifier: Apache-2.0
"""Cluster API's own manager calls nodeprep-hookd: what becomes of Clusters, templates and classes."""

import http.client
import json
import subprocess

import capi
import pytest
import servers
import yaml

from builders import plain, pools_of

SIZE, USE = "pciPassthru.64bitMMIOSizeGB", "pciPassthru.use64bitMMIO"
GPUS = {"gpus": [{"model": "A100-40GB", "count": 2}]}


def spec_of(template):
    return template["spec"]["template"]["spec"]


def vmx_keys_of(template):
    return spec_of(template).get("customVMXKeys")


def both_templates(topology, name):
    capi.wait_for("both pools", lambda: topology.pool_template(name, "gpu") and topology.pool_template(name, "cpu"),
                  lambda: topology.cluster(name).get("status"))
    return topology.pool_template(name, "gpu"), topology.pool_template(name, "cpu")


def wait_for_failure(topology, name, text):
    def has_failed():
        condition = topology.condition(name)
        return condition.get("status") == "False" and text in condition["message"] and condition

    return capi.wait_for(text, has_failed, lambda: topology.cluster(name).get("status"))


def test_every_handler_is_discovered(extension):
    handlers = {h["name"]: h["requestHook"]["hook"] for h in extension["status"]["handlers"]}
    assert handlers == {
        "before-cluster-create.nodeprep": "BeforeClusterCreate",
        "before-cluster-delete.nodeprep": "BeforeClusterDelete",
        "before-workers-upgrade.nodeprep": "BeforeWorkersUpgrade",
        "discover-variables.nodeprep": "DiscoverVariables",
        "generate-patches.nodeprep": "GeneratePatches",
        "validate-topology.nodeprep": "ValidateTopology",
    }


def test_a_gpu_pool_gets_its_window_and_the_class_is_patched_before(
    topology, server, hookd, ns, put_class, get_class
):
    before = put_class(ns, "gpu-a100x2", capi.vm_class_spec(capi.A100, 2), labels={"a": "b"})
    server.mark()
    topology.create_cluster(
        "c1", {"vmClass": "gpu-a100x2", "gpuDevices": [capi.A100] * 2, "nodeprepGPU": GPUS}
    )
    gpu, cpu = both_templates(topology, "c1")
    assert vmx_keys_of(gpu) == {"keep": "me", SIZE: "512", USE: "TRUE"}
    assert spec_of(gpu)["hardwareVersion"] == "vmx-17"
    assert vmx_keys_of(cpu) is None
    assert spec_of(cpu)["hardwareVersion"] == "vmx-15"

    patched = get_class(ns, "gpu-a100x2")
    assert pools_of(patched) == {f"{ns}/c1/gpu": {"mmioGB": 512, "holders": ["hook/c1"]}}
    extra = {e["key"]: e["value"] for e in patched["spec"]["configSpec"]["extraConfig"]}
    assert extra[SIZE]["_value"] if isinstance(extra[SIZE], dict) else extra[SIZE] == "512"
    requests = [(r["verb"], r["path"]) for r in server.requests()]
    patch = next(i for i, (verb, path) in enumerate(requests)
                 if verb == "patch" and path.endswith("/virtualmachineclasses/gpu-a100x2"))
    made = next(i for i, (verb, path) in enumerate(requests)
                if verb in ("create", "patch") and f"/namespaces/{ns}/machinedeployments" in path)
    assert patch < made

    # Reconciled again and again: nothing is recreated.
    clones = sorted(topology.clones())
    assert len(clones) == 3
    seen = len(hookd.calls("generatepatches"))
    topology.set_gpu_variables(
        "c1", {"vmClass": "gpu-a100x2", "gpuDevices": [capi.A100] * 2, "nodeprepGPU": {**GPUS, "minimumGB": 512}}
    )
    capi.wait_for("one more reconciliation", lambda: len(hookd.calls("generatepatches")) > seen)
    assert sorted(topology.clones()) == clones
    assert topology.condition("c1").get("status") != "False"

    topology.delete_cluster("c1")
    assert plain(get_class(ns, "gpu-a100x2")) == plain(before)


def test_more_gpus_in_the_topology_give_a_new_template_with_a_larger_window(topology):
    topology.create_cluster("c1", {"gpuDevices": [capi.A100] * 2})
    first, cpu = both_templates(topology, "c1")
    assert vmx_keys_of(first)[SIZE] == "512"
    topology.set_gpu_variables("c1", {"gpuDevices": [capi.H100] * 8})

    def larger():
        template = topology.pool_template("c1", "gpu")
        return template if vmx_keys_of(template).get(SIZE) == "2048" else None

    second = capi.wait_for("a larger window", larger, lambda: topology.cluster("c1").get("status"))
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert topology.pool_template("c1", "cpu")["metadata"]["name"] == cpu["metadata"]["name"]
    topology.delete_cluster("c1")


@pytest.mark.parametrize(
    "variable, text",
    [
        ({"sizeGB": 700}, "nodeprepGPU.sizeGB is '700': expected a power of two"),
        ({"gpus": [{"model": "A100-40GB", "count": 2}], "sizeGB": 64}, "sizeGB"),
        ({"gpus": [{"model": "A100-41GB", "count": 2}]}, "A100-41GB"),
    ],
)
def test_a_bad_variable_is_refused_in_the_clusters_condition(topology, variable, text):
    topology.create_cluster("bad", {"gpuDevices": [capi.A100] * 2, "nodeprepGPU": variable})
    condition = wait_for_failure(topology, "bad", text)
    assert topology.deployment("bad", "gpu") is None
    # The text is the same in every call, or the Cluster would be reconciled without an end.
    assert wait_for_failure(topology, "bad", text)["message"] == condition["message"]
    topology.set_gpu_variables("bad", {"gpuDevices": [capi.A100] * 2})
    both_templates(topology, "bad")
    topology.delete_cluster("bad")


def test_gpus_that_the_template_does_not_attach_are_refused(topology, hookd, manager, ns):
    """Of a topology hook that fails the manager tells the message in its log alone."""
    variable = {"gpus": [{"model": "H100-80GB", "count": 2}]}
    topology.create_cluster("c1", {"gpuDevices": [capi.A100] * 2, "nodeprepGPU": variable})
    wait_for_failure(topology, "c1", "got failure response")
    text = f"pool '{ns}/c1/gpu': asks for 2 x H100-80GB"
    assert text in hookd.calls("generatepatches")[-1]["msg"]
    capi.wait_for("manager's log", lambda: text in manager.log.read_text())
    assert topology.deployment("c1", "gpu") is None
    topology.delete_cluster("c1")


def test_a_class_that_is_missing_holds_the_cluster_up(topology, hookd, ns, put_class, get_class):
    """Nothing is made before the class is there and right."""
    topology.create_cluster("c1", {"gpuDevices": [capi.A100] * 2, "vmClass": "gpu-later"})
    wait_for_failure(topology, "c1", "before-cluster-create.nodeprep")
    assert "VirtualMachineClass 'gpu-later' not found" in hookd.calls("beforeclustercreate")[-1]["msg"]
    assert topology.clones() == []
    put_class(ns, "gpu-later", capi.vm_class_spec(capi.A100, 2))
    both_templates(topology, "c1")
    assert pools_of(get_class(ns, "gpu-later"))
    topology.delete_cluster("c1")


def test_templates_of_v1beta1_are_patched_too(server, extension, ns):
    topology = capi.Topology(server, ns, "v1beta1")
    topology.create()
    topology.create_cluster("c1", {"gpuDevices": [capi.H100] * 4})
    gpu, cpu = both_templates(topology, "c1")
    assert vmx_keys_of(gpu) == {"keep": "me", SIZE: "1024", USE: "TRUE"}
    assert vmx_keys_of(cpu) is None
    topology.delete_cluster("c1")


def test_the_same_request_gives_the_same_bytes_on_every_replica(server, hookd):
    body = {
        "apiVersion": "hooks.runtime.cluster.x-k8s.io/v1alpha1",
        "kind": "GeneratePatchesRequest",
        "items": [
            {
                "uid": f"u{n}",
                "holderReference": {"kind": "MachineDeployment", "namespace": "ml", "name": f"md-{n}"},
                "object": capi.machine_template("ml", "gpu", "v1beta2", pciDevices=[capi.A100] * n),
            }
            for n in range(1, 5)
        ],
    }
    with capi.Hookd(server.kubeconfig, all_in_one=True) as other:
        answers = {h.ask("generatepatches", body, "generate-patches") for h in (hookd, other, hookd)}
    assert len(answers) == 1
    status, answer = answers.pop()
    assert status == 200 and len(json.loads(answer)["items"]) == 4


def manifests():
    kubectl = servers.find_apiserver().with_name("kubectl")
    argv = [str(kubectl), "kustomize", str(capi.MANIFESTS / "hookd")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return list(yaml.safe_load_all(done.stdout))


def test_the_manifests_are_taken_and_start_the_program(server, manager, tmp_path):
    """All but cert-manager's kinds, strictly; the arguments of the Deployment are ones that it knows."""
    paths = {
        "ClusterRole": f"{servers.RBAC}/clusterroles",
        "ClusterRoleBinding": f"{servers.RBAC}/clusterrolebindings",
        "Deployment": "/apis/apps/v1/namespaces/nodeprep-system/deployments",
        "ExtensionConfig": capi.EXTENSIONS,
        "Namespace": "/api/v1/namespaces",
        "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/nodeprep-system/networkpolicies",
        "PodDisruptionBudget": "/apis/policy/v1/namespaces/nodeprep-system/poddisruptionbudgets",
        "Service": "/api/v1/namespaces/nodeprep-system/services",
        "ServiceAccount": "/api/v1/namespaces/nodeprep-system/serviceaccounts",
    }
    server.create_namespace("nodeprep-system")
    server.create_namespace("capi-system")
    seen = set()
    for body in manifests():
        if body["apiVersion"].startswith("cert-manager.io/"):
            continue
        seen.add(body["kind"])
        path = f"{paths[body['kind']]}?dryRun=All&fieldValidation=Strict"
        status, _, answer = server.request("POST", path, body)
        # Some are there already; what is not right is refused before that is seen.
        assert status in (201, 409), answer
    assert seen == set(paths)

    container = next(b for b in manifests() if b["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0]
    mounts = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    args = [arg for arg in container["args"] if "listen" not in arg]
    certs = servers.Certificates(tmp_path)
    (tmp_path / "tls.crt").write_bytes(certs.server.read_bytes())
    (tmp_path / "tls.key").write_bytes(certs.server_key.read_bytes())
    for mount in mounts.values():
        args = [arg.replace(mount, str(tmp_path)) for arg in args]
    with capi.Hookd(args=args, trust="nobody", clients=certs) as started:
        started.ca = certs.ca
        assert started.ask("discovery", {})[0] == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            started.ask("discovery", {}, with_client=False)


def test_the_manager_comes_with_its_certificate(topology, hookd, ns, put_class):
    """Every call is one of a client that the CA knows, and strangers are turned away."""
    put_class(ns, "gpu-known", capi.vm_class_spec(capi.A100, 2))
    topology.create_cluster("c1", {"vmClass": "gpu-known", "gpuDevices": [capi.A100] * 2})
    both_templates(topology, "c1")
    assert hookd.calls("beforeclustercreate")
    assert {call.get("client") for call in hookd.calls()} == {"cert-admin"}
    with pytest.raises((OSError, http.client.HTTPException)):
        hookd.ask("discovery", {}, with_client=False)
    topology.delete_cluster("c1")
