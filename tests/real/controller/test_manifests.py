# SPDX-License-Identifier: Apache-2.0
"""deploy/manifests: everything renders, the API server takes all of it, the rights are the right ones."""

import contextlib
import json
import re
import urllib.request

import pytest
import yaml
from controller_harness import (
    LEASES,
    MANIFESTS,
    SYSTEM,
    Controller,
    account_token,
    classes_path,
    gpu_class,
    managed_of,
    pool_path,
    put_pool,
    render,
    run_kubectl,
    servers,
    start_hookd,
    wait_gone,
    wait_reason,
)

# Components are rendered with their bases: test_combinations.py.
FOLDERS = sorted(
    path.parent.relative_to(MANIFESTS).as_posix()
    for path in MANIFESTS.rglob("kustomization.yaml")
    if "kind: Kustomization" in path.read_text()
)
WITHOUT_PODS = ("crd", "monitoring", "namespace", "overlays/monitoring", "rbac")


@pytest.mark.parametrize("name", FOLDERS)
def test_manifests__render(name):
    docs = render(MANIFESTS / name)
    assert docs
    seen = set()
    for doc in docs:
        meta = doc["metadata"]
        key = (doc["apiVersion"], doc["kind"], meta.get("namespace"), meta["name"])
        assert key not in seen
        seen.add(key)


def test_manifests__every_overlay_of_the_list_is_there():
    wanted = {"cert-manager", "given-secret", "supervisor", "job", "cronjob", "extension-config"}
    wanted |= {"monitoring", "clusters", "cni", "node-check", "gpu-workload"}
    assert wanted == {
        name.removeprefix("overlays/") for name in FOLDERS if name.startswith("overlays/")
    }


def pod_specs(doc):
    """Yields the pod templates' specs of an object."""
    spec = doc.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    if template and "spec" in template:
        yield template


@pytest.mark.parametrize("name", FOLDERS)
def test_manifests__images_by_digest(name):
    for doc in render(MANIFESTS / name):
        for template in pod_specs(doc):
            spec = template["spec"]
            for container in spec["containers"] + spec.get("initContainers", []):
                image = container["image"]
                assert re.fullmatch(r"[^@:]+@sha256:[0-9a-f]{64}", image), image
                assert container["resources"]["requests"], container["name"]
                assert container["resources"]["limits"]["memory"], container["name"]
                assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_manifests__nothing_is_the_latest_and_commands_are_in_the_image():
    for file in MANIFESTS.rglob("*.yaml"):
        assert ":latest" not in file.read_text(), file
    binaries = {"/nodeprep", "/nodeprep-hookd"}  # the Dockerfile puts both into /
    for name in FOLDERS:
        for doc in render(MANIFESTS / name):
            for template in pod_specs(doc):
                spec = template["spec"]
                for container in spec["containers"] + spec.get("initContainers", []):
                    assert set(container.get("command", [])[:1]) <= binaries


@pytest.mark.parametrize("name", FOLDERS)
def test_manifests__server_side_dry_run_is_strict(installed, foreign_crds, name):
    docs = render(MANIFESTS / name)
    spaces = [doc for doc in docs if doc["kind"] == "Namespace"]
    if spaces:
        # A dry run finds no namespace that a dry run made.
        run_kubectl(installed, "apply", "-f", "-", input=yaml.safe_dump_all(spaces))
    done = run_kubectl(
        installed,
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        input=yaml.safe_dump_all(docs),
    )
    assert len(done.stdout.splitlines()) == len(docs), done.stdout
    assert "PodSecurity" not in done.stderr and "unknown field" not in done.stderr, done.stderr


def test_manifests__a_misspelt_field_would_be_refused(installed):
    """The check above can fail."""
    docs = render(MANIFESTS / "controller")
    for doc in docs:
        if doc["kind"] == "PodDisruptionBudget":
            doc["spec"]["minAvailabel"] = doc["spec"].pop("minAvailable")
    done = run_kubectl(
        installed,
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        input=yaml.safe_dump_all(docs),
        must=False,
    )
    assert done.returncode != 0 and "minAvailabel" in done.stderr


@pytest.mark.parametrize("name", [n for n in FOLDERS if n not in WITHOUT_PODS])
def test_manifests__pods_pass_the_pod_security_of_their_namespace(installed, name):
    docs = render(MANIFESTS / name)
    spaces = [doc for doc in docs if doc["kind"] == "Namespace"]
    run_kubectl(installed, "apply", "-f", "-", input=yaml.safe_dump_all(spaces))
    made = 0
    for doc in docs:
        for template in pod_specs(doc):
            ns = doc["metadata"]["namespace"]
            pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
            pod["metadata"] = {**template.get("metadata", {}), "name": "probe"}
            path = f"/api/v1/namespaces/{ns}/pods?dryRun=All"
            status, _, answer = installed.request("POST", path, pod)
            assert status == 201, answer
            made += 1
    assert made


def test_manifests__a_privileged_pod_would_not_pass(installed):
    """The check above can fail."""
    (deployment,) = [
        doc
        for doc in render(MANIFESTS / "controller")
        if doc["kind"] == "Deployment" and doc["metadata"]["name"] == "nodeprep-controller"
    ]
    spec = deployment["spec"]["template"]["spec"]
    spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": spec}
    path = f"/api/v1/namespaces/{SYSTEM}/pods?dryRun=All"
    status, _, answer = installed.request("POST", path, pod)
    assert status == 403 and "PodSecurity" in answer["message"]


def hookd_metrics(server, folder):
    """Returns what /metrics of nodeprep-hookd says."""
    with contextlib.ExitStack() as stack:
        address = start_hookd(stack, server, folder)

        def fetch():
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as got:
                    return got.read().decode()

        return servers.wait_until("hookd", fetch)


def test_manifests__dashboard_and_rules_ask_for_metrics_that_are_there(installed, tmp_path):
    board = json.loads((MANIFESTS / "monitoring" / "nodeprep.json").read_text())
    rules = (MANIFESTS / "monitoring" / "rules.yaml").read_text()
    asked = set(re.findall(r"nodeprep_(?:controller|hookd)_\w+", json.dumps(board) + rules))
    with Controller(installed) as running:
        running.wait_ready()
        text = running.get("/metrics", "metrics-listen")[1]
    text += "\n" + hookd_metrics(installed, tmp_path)
    served = set(re.findall(r"^(nodeprep_\w+)", text, re.M))
    assert asked and asked <= served, asked - served


# --- rights ---------------------------------------------------------------------------------------


def used_rights(server, user):
    """Returns (group, resource, verb) of every request of the user, and those that were refused."""
    used, refused = set(), []
    for entry in server.requests():
        if not entry["user"].endswith(f":{user}"):
            continue
        match = re.fullmatch(
            r"/(?:api|apis/(?P<group>[^/]+))/v[^/]+(?:/namespaces/(?P<ns>[^/]+)(?=/))?"
            r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?P<sub>/[^/]+)?)?",
            entry["path"],
        )
        if not match:
            continue  # discovery
        resource = match["resource"] + (match["sub"] or "")
        used.add((match["group"] or "", resource, entry["verb"]))
        if entry["status"] in (401, 403):
            refused.append(entry)
    return used, refused


def granted_rights(docs, names):
    granted = set()
    for doc in docs:
        if doc["kind"] in ("Role", "ClusterRole") and doc["metadata"]["name"] in names:
            for rule in doc["rules"]:
                assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
                granted |= {
                    (group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return granted


def live(server, ns, put_class, running):
    """A whole life of a pool: each thing that the controller does."""
    put_class(ns, "gpu", gpu_class())
    put_pool(server, ns)
    wait_reason(server, ns, "Configured")
    path = classes_path(ns, "gpu")
    for _ in range(2):  # the Event of the second drift is counted in the first
        server.must("PATCH", path, {"spec": {"configSpec": {"firmware": "bios"}}})
        servers.wait_until(
            "the class",
            lambda: server.must("GET", path)["spec"]["configSpec"]["firmware"] == "efi",
        )
    wait_reason(server, ns, "DriftCorrected", condition="Drifted")
    server.must("DELETE", pool_path(ns, "workers"))
    wait_gone(server, pool_path(ns, "workers"))
    assert running.stop() == 0


def test_rights__of_the_controller_suffice_and_none_is_unused(
    server, installed, pools_ns, put_class
):
    lease = f"{LEASES}/namespaces/{SYSTEM}/leases/nodeprep-controller"
    server.request("DELETE", lease)
    server.mark()
    with Controller(server) as running:
        running.wait_ready()
        live(server, pools_ns, put_class, running)
    used, refused = used_rights(server, "nodeprep-controller")
    names = [f"nodeprep-controller-{part}" for part in ("pools", "classes", "lease")]
    granted = granted_rights(render(MANIFESTS / "controller"), names)
    assert refused == []
    assert used == granted, (sorted(used - granted), sorted(granted - used))


def test_rights__without_one_of_them_it_shows(server, installed, pools_ns, put_class):
    """The check above can fail: the audit log tells of what was refused."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nodeprep-controller-pools"
    before = server.must("GET", path)
    rules = [r for r in before["rules"] if r["resources"] != ["nodepools/status"]]
    server.must("PATCH", path, {"rules": rules})
    try:
        server.mark()
        with Controller(server) as running:
            running.wait_ready()
            put_class(pools_ns, "gpu", gpu_class())
            put_pool(server, pools_ns)
            servers.wait_until(
                "a refusal", lambda: used_rights(server, "nodeprep-controller")[1]
            )
    finally:
        server.must("PATCH", path, {"rules": before["rules"]})


def test_rights__of_the_job_suffice_and_none_is_unused(
    server, installed, ns, put_class, nodeprep, tmp_path
):
    docs = [d for d in render(MANIFESTS / "overlays" / "job") if d["kind"] not in ("Job",)]
    run_kubectl(server, "apply", "-f", "-", input=yaml.safe_dump_all(docs))
    kubeconfig = server.write_kubeconfig(tmp_path / "job", account_token(server, "nodeprep-apply"))
    (config,) = [d for d in docs if d["kind"] == "ConfigMap"]
    (job,) = [d for d in render(MANIFESTS / "overlays" / "job") if d["kind"] == "Job"]
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    # The pools of the ConfigMap are an example; the folder is as a pod has it, links and all.
    (tmp_path / "pools" / "..data").mkdir(parents=True)
    put_class(ns, "gpu", gpu_class())
    body = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "spec": {"vmClass": "gpu"}}
    body["metadata"] = {"name": "workers", "namespace": ns}
    (tmp_path / "pools" / "..data" / "pools.yaml").write_text(yaml.safe_dump(body))
    (tmp_path / "pools" / "pools.yaml").symlink_to("..data/pools.yaml")
    args = [str(tmp_path / "pools") if arg == "/pools" else arg for arg in args]
    server.mark()
    done = nodeprep(*args, env={"KUBECONFIG": kubeconfig})
    assert done.rc == 0, done.err
    assert done.json["classes"][0]["result"] == "patched"
    assert managed_of(server.must("GET", classes_path(ns, "gpu")))
    used, refused = used_rights(server, "nodeprep-apply")
    assert refused == [] and used == granted_rights(docs, ["nodeprep-apply-once"])
    # The example itself is one that the program reads.
    done = nodeprep("plan", "-f", "-", input=config["data"]["pools.yaml"])
    assert done.rc in (0, 4), done.err
