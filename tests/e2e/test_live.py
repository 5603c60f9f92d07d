# SPDX-License-Identifier: Apache-2.0
"""plan, apply and check of pools that the API server has: -A, -n and -l in place of -f."""

import json
import os
import subprocess

import pytest
import yaml

import servers
from builders import A100, T4, dump, hardware, pool, pools_of, writes
from fixtures import PATH, Result, classes_path

KINDS = {
    "nodepools": ("nodeprep.dev", "v1alpha1", "NodePool"),
    "clusters": ("cluster.x-k8s.io", "v1beta1", "Cluster"),
    "tanzukubernetesclusters": ("run.tanzu.vmware.com", "v1alpha3", "TanzuKubernetesCluster"),
}
NODEPOOL_CRD = servers.REPO / "deploy/manifests/crd/nodepools.nodeprep.dev.yaml"
NAMES = iter(f"live-{number}" for number in range(1000))


def open_crd(plural):
    """A CustomResourceDefinition of that kind that takes any fields."""
    group, version, kind = KINDS[plural]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}",
                     "annotations": {"api-approved.kubernetes.io": "unapproved, test"}},
        "spec": {"group": group, "scope": "Namespaced",
                 "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                 "versions": [{"name": version, "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": schema}}]},
    }


@pytest.fixture(scope="module")
def live(target):
    """A server that has all kinds of pools."""
    if target == "sim":
        with servers.SimServer(args=["--pools"]) as running:
            yield running
        return
    with servers.RealServer() as running:
        running.create_crd(yaml.safe_load(NODEPOOL_CRD.read_text()))
        for plural in ("clusters", "tanzukubernetesclusters"):
            running.create_crd(open_crd(plural))
        yield running


@pytest.fixture
def ns(live):
    name = next(NAMES)
    live.create_namespace(name)
    live.mark()
    yield name
    for plural in KINDS:
        for item in live.must("GET", path(plural, name))["items"]:
            live.must("DELETE", path(plural, name, item["metadata"]["name"]))


@pytest.fixture
def run(live, tmp_path):
    """run(*args, input=None) runs nodeprep against that server."""

    def go(*args, input=None, **env):
        done = subprocess.run(
            [servers.BIN_DIR / "nodeprep", *args], input=input or "", capture_output=True,
            encoding="utf-8", timeout=60, check=False,
            env={"HOME": str(tmp_path), "KUBECONFIG": live.kubeconfig, "PATH": PATH, **env})
        return Result(done.returncode, done.stdout, done.stderr)

    return go


def path(plural, ns=None, name=None):
    group, version, _ = KINDS[plural]
    where = f"/namespaces/{ns}" if ns else ""
    return f"/apis/{group}/{version}{where}/{plural}" + (f"/{name}" if name else "")


def put(live, document):
    plural = next(p for p, kind in KINDS.items() if kind[2] == document["kind"])
    return live.must("POST", path(plural, document["metadata"]["namespace"]), document)


def put_class(live, ns, name, *devices):
    live.must("POST", classes_path(ns), {
        "apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass",
        "metadata": {"name": name}, "spec": hardware(*devices)})


def labelled(document, **labels):
    return {**document, "metadata": {**document["metadata"], "labels": labels}}


def cluster(ns, name, vm_class, owners=()):
    spec = {"topology": {"class": "tanzukubernetescluster", "version": "v1.34.2",
                         "variables": [{"name": "vmClass", "value": vm_class}],
                         "workers": {"machineDeployments": [
                             {"class": "node-pool", "name": "np-1", "replicas": 2}]}}}
    metadata = {"name": name, "namespace": ns}
    if owners:
        metadata["ownerReferences"] = list(owners)
    return {"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "metadata": metadata,
            "spec": spec}


def tkc(ns, name, vm_class):
    return {"apiVersion": "run.tanzu.vmware.com/v1alpha3", "kind": "TanzuKubernetesCluster",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"topology": {"nodePools": [
                {"name": "np-1", "replicas": 2, "vmClass": vm_class}]}}}


@pytest.fixture
def pools(live, ns):
    """A pool of each kind, on three classes."""
    put_class(live, ns, "gpu", A100, A100)
    put_class(live, ns, "small", T4)
    put(live, labelled(pool(ns, "a", "gpu"), team="ml"))
    put(live, labelled(pool(ns, "b", "small"), team="web"))
    put(live, labelled(cluster(ns, "c", "gpu"), team="ml"))
    put(live, tkc(ns, "t", "gpu"))
    return ns


def kubectl_get(live, ns=None):
    """What `kubectl get nodepools,clusters,tanzukubernetesclusters -o yaml` prints, of all namespaces or one."""
    if live.kind == "real":
        argv = [servers.find_apiserver().with_name("kubectl"), "get", ",".join(KINDS), "-o", "yaml"]
        return subprocess.run([*argv, *(["-n", ns] if ns else ["-A"])], capture_output=True, text=True,
                              env={"KUBECONFIG": live.kubeconfig, "HOME": str(live.folder), "PATH": os.environ["PATH"]},
                              timeout=60, check=True).stdout
    items = [item for plural in KINDS for item in live.must("GET", path(plural, ns))["items"]]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})


def without_sources(done):
    plan = done.json
    for entry in plan["pools"]:
        entry.pop("source", None)
    return done.rc, done.err, plan


def ids(done):
    return [f"{p['namespace']}/" + (f"{p['cluster']}/" if p["cluster"] else "") + p["name"]
            for p in done.json["pools"]]


@pytest.mark.parametrize("command", ["plan", "check", "explain"])
def test_the_same_as_the_pipe_from_kubectl(live, pools, run, command):
    for where in (["-A"], ["-n", pools]):
        text = kubectl_get(live, pools if where[0] == "-n" else None)
        mine, piped = run(command, *where, "-o", "json"), run(command, "-f", "-", "-o", "json", input=text)
        assert mine.rc in (0, 1) and without_sources(mine) == without_sources(piped)
        if where[0] == "-n":
            assert ids(mine) == [f"{pools}/a", f"{pools}/b", f"{pools}/c/np-1", f"{pools}/t/np-1"]


def test_sources_name_the_object(pools, run):
    done = run("plan", "-n", pools, "-o", "json")
    assert done.json["pools"][0]["source"] == {"kind": "NodePool", "name": "a", "file": None, "document": None,
                                               "line": None}
    wide = run("plan", "-n", pools, "-o", "wide").out
    assert f"nodepool {pools}/a" in wide and f"tanzukubernetescluster {pools}/t" in wide


def test_apply_diff_and_check(live, pools, run):
    assert run("diff", "-n", pools).rc == 1
    text = kubectl_get(live, pools)
    dry = run("apply", "-f", "-", "--dry-run=client", input=text)
    done = run("apply", "-n", pools)
    assert done.rc == 0 and dry.out.replace(" (dry run)", "") == done.out
    assert sorted(pools_of(live.must("GET", classes_path(pools, "gpu")))) == [
        f"{pools}/a", f"{pools}/c/np-1", f"{pools}/t/np-1"]
    live.mark()
    assert run("apply", "-n", pools).rc == 0 and run("apply", "-f", "-", input=text).rc == 0
    assert writes(live) == [] and run("diff", "-n", pools).rc == 0


@pytest.mark.parametrize("args, expect", [
    (["-l", "team=ml"], ["a", "c/np-1"]),
    (["-l", "team in (ml, web)"], ["a", "b", "c/np-1"]),
    (["-l", "team!=ml"], ["b", "t/np-1"]),
    (["-l", "!team"], ["t/np-1"]),
    (["--field-selector", "metadata.name=t"], ["t/np-1"]),
    (["-l", "team", "--field-selector", "metadata.name!=a"], ["b", "c/np-1"]),
])
def test_selectors(pools, run, args, expect):
    done = run("plan", "-n", pools, "-o", "json", *args)
    assert ids(done) == [f"{pools}/{name}" for name in expect], done


def test_selector_without_a_namespace_means_that_of_the_context(live, run, tmp_path):
    live.mark()
    done = run("plan", "-l", "team=nobody")
    assert done.rc == 4 and "with these labels found in namespace 'default'" in done.err
    queries = [r["query"] for r in live.requests() if r["path"] == path("nodepools", "default")]
    assert len(queries) == 1 and "labelSelector=team%3Dnobody" in queries[0]


def test_selector_filters_what_files_hold(pools, run):
    text = dump(labelled(pool(pools, "x", "gpu"), team="ml"), pool(pools, "y", "gpu"))
    assert ids(run("plan", "-f", "-", "-l", "team=ml", "-o", "json", input=text)) == [f"{pools}/x"]
    done = run("plan", "-f", "-", "-l", "team=none", input=text)
    assert done.rc == 3 and "the label selector leaves out 2 of 2 documents" in done.err


@pytest.mark.parametrize("args, status, word", [
    ([], 2, "expected -f FILE (- is standard input), or -A, -n NAMESPACE or -l LABELS"),
    (["-A", "-n", "x"], 2, "--all-namespaces and --namespace are mutually exclusive"),
    (["-A", "-f", "-"], 2, "-A and -f are mutually exclusive"),
    (["--field-selector", "metadata.name=x", "-f", "-"], 2, "--field-selector and -f are mutually exclusive"),
    (["-l", "a=x,,"], 2, "-l: label selector 'a=x,,', column 5: expected a label's key"),
    (["-n", "no-such-namespace"], 4, "TanzuKubernetesCluster found in namespace 'no-such-namespace'"),
])
def test_mistakes(run, args, status, word):
    for command in ("plan", "apply", "check"):
        done = run(command, *args)
        assert (done.rc, done.out) == (status, "") and word in done.err, done


def test_error_of_an_object_names_it_and_nothing_is_written(live, pools, run):
    put(live, cluster(pools, "bad", ["not", "a", "name"]))
    live.mark()
    done = run("apply", "-n", pools)
    assert done.rc == 3 and f"error: cluster {pools}/bad: " in done.err and writes(live) == []
    assert "expected the name of a VirtualMachineClass" in done.err


def test_cluster_of_a_tanzukubernetescluster_counts_once(live, pools, run):
    owner = {"apiVersion": "run.tanzu.vmware.com/v1alpha3", "kind": "TanzuKubernetesCluster", "name": "t",
             "uid": "7d1b2b3e-0000-4000-8000-000000000001"}
    put(live, cluster(pools, "t", "small", owners=[owner]))
    done = run("plan", "-n", pools, "-o", "json")
    assert ids(done)[-1] == f"{pools}/t/np-1" and len(ids(done)) == 4
    assert done.json["pools"][-1]["vmClass"] == "gpu"
    assert without_sources(done) == without_sources(
        run("plan", "-f", "-", "-o", "json", input=kubectl_get(live, pools)))
    live.must("DELETE", path("tanzukubernetesclusters", pools, "t"))
    assert run("plan", "-n", pools, "-o", "json").json["pools"][-1]["vmClass"] == "small"


@pytest.mark.parametrize("holder", ["controller", "hook/c"])
def test_pools_of_the_controller_and_of_hooks_stay_theirs(live, pools, run, holder):
    assert run("apply", "-n", pools).rc == 0
    name = classes_path(pools, "gpu")
    record = json.loads(live.must("GET", name)["metadata"]["annotations"]["nodeprep.dev/managed"])
    record["pools"][f"{pools}/a"]["holders"] = [holder]
    live.must("PATCH", name, {"metadata": {"annotations": {"nodeprep.dev/managed": json.dumps(record)}}},
              content_type="application/merge-patch+json")
    live.mark()
    for done in (run("apply", "-n", pools), run("apply", "-f", "-", input=kubectl_get(live, pools))):
        assert done.rc == 0 and writes(live) == []
        assert f"gpu: pool '{pools}/a' stays registered by '{holder}' alone" in done.err
    # Drift is still corrected, and a user who names the pool in a file of their own registers it.
    live.must("PATCH", name, {"spec": {"configSpec": {"firmware": "bios"}}},
              content_type="application/merge-patch+json")
    assert "firmware bios -> efi" in run("apply", "-n", pools).out
    assert pools_of(live.must("GET", name))[f"{pools}/a"]["holders"] == [holder]
    assert run("apply", "-f", "-", input=dump(pool(pools, "a", "gpu"))).rc == 0
    assert pools_of(live.must("GET", name))[f"{pools}/a"]["holders"] == sorted(["apply", holder])


def test_server_without_kinds(run):
    with servers.SimServer() as sim:
        done = run("plan", "-A", KUBECONFIG=sim.kubeconfig)
        assert done.rc == 4 and done.out == ""
        assert done.err.count("the server does not have") == 3
        assert "the server has neither NodePools, Clusters nor TanzuKubernetesClusters" in done.err


@pytest.mark.real_only
def test_long_lists_come_in_pages(live, ns, run):
    put_class(live, ns, "gpu", A100)
    for number in range(501):
        put(live, pool(ns, f"p-{number:03}", "gpu"))
    live.mark()
    done = run("plan", "-n", ns, "-o", "json")
    assert done.rc == 0 and len(done.json["pools"]) == 501
    assert sum(r["path"] == path("nodepools", ns) for r in live.requests()) == 2


@pytest.mark.real_only
def test_kind_that_the_server_lacks_is_said_once(pools, run, live):
    crd = f"{servers.CRDS}/tanzukubernetesclusters.run.tanzu.vmware.com"
    live.must("DELETE", crd)
    try:
        servers.wait_until("the kind is gone", lambda: live.request("GET", path("tanzukubernetesclusters"))[0] == 404)
        done = run("plan", "-n", pools, "-o", "json")
        assert done.rc == 0 and len(done.json["pools"]) == 3
        assert [line for line in done.err.splitlines() if "does not have" in line] == [
            "info: the server does not have tanzukubernetesclusters.run.tanzu.vmware.com: ignored"]
    finally:
        live.create_crd(open_crd("tanzukubernetesclusters"))


def test_forbidden_names_the_roles(live, pools, run, tmp_path):
    kubeconfig = tmp_path / "nobody"
    if live.kind == "sim":
        args = ["--context", "nobody"]
    else:
        live.write_kubeconfig(kubeconfig, token=live.token)
        args = ["--kubeconfig", str(kubeconfig), "--as", "nobody"]
    done = run("apply", "-n", pools, *args)
    assert done.rc == 5 and f"forbidden: may not list nodepools.nodeprep.dev in namespace '{pools}'" in done.err
    assert "info: ClusterRoles 'nodeprep-apply' and 'nodeprep-pools' of deploy/manifests/rbac grant what" in done.err
    done = run("plan", "-f", "-", *args, input=dump(pool(pools, "a", "gpu")))
    assert done.rc == 5 and "info: ClusterRole 'nodeprep-plan' of deploy/manifests/rbac grants what" in done.err
