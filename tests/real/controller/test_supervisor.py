# SPDX-License-Identifier: Apache-2.0
"""Classes in another API server, and Clusters as what has pools."""

import contextlib
import time

import pytest
import yaml
from builders import keys_of
from controller_harness import (
    Controller,
    classes_path,
    conditions,
    events_of,
    gpu_class,
    install,
    managed_of,
    pool_path,
    put_pool,
    reasons,
    run_kubectl,
    servers,
    wait_gone,
    wait_reason,
)

SHARED = servers.REPO.parent / "shared" / "crds"


@pytest.fixture
def supervisor():
    with servers.SimServer() as running:
        yield running


ALLOWED = "nodeprep.dev/allowed-namespaces"


def put_sim_class(supervisor, ns, name="gpu", spec=None, allowed=None):
    body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
    metadata = {"name": name, "annotations": {ALLOWED: allowed} if allowed else {}}
    body |= {"metadata": metadata, "spec": spec or gpu_class()}
    return supervisor.must("POST", classes_path(ns), body)


@pytest.fixture
def kube_system_uid(installed):
    path = "/api/v1/namespaces/kube-system"
    return servers.wait_until(
        "kube-system",
        lambda: installed.request("GET", path)[2].get("metadata", {}).get("uid"),
    )


@pytest.fixture
def may_read_kube_system(installed):
    """The rights that components/supervisor adds."""
    folder = servers.REPO / "deploy" / "manifests" / "components" / "supervisor"
    docs = [doc for doc in yaml.safe_load_all((folder / "rbac.yaml").read_text()) if doc]
    run_kubectl(installed, "apply", "-f", "-", input=yaml.safe_dump_all(docs))


def test_supervisor__pool_ids_begin_with_the_cluster(
    server, supervisor, pools_ns, kube_system_uid, may_read_kube_system
):
    put_sim_class(supervisor, "vns", allowed=pools_ns)
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--supervisor-namespace=vns"]
    with Controller(server, *args) as running:
        running.wait_ready()
        put_pool(server, pools_ns)
        wait_reason(server, pools_ns, "Configured")
        vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
        assert dict(keys_of(vm_class))["pciPassthru.64bitMMIOSizeGB"] == "512"
        mine = f"{kube_system_uid}/{pools_ns}/workers"
        assert list(managed_of(vm_class)["pools"]) == [mine]
        # Another cluster has a pool of the same name; when ours goes, its stays.
        running.stop()
        second = ["--cluster-id=other", *args]
        with Controller(server, *second) as other:
            other.wait_ready()
            servers.wait_until("leadership", other.is_leading)
            theirs = f"other/{pools_ns}/workers"

            def both_there():
                found = managed_of(supervisor.must("GET", classes_path("vns", "gpu")))
                return set(found["pools"]) == {mine, theirs}

            servers.wait_until("both pools", both_there)
            server.must("DELETE", pool_path(pools_ns, "workers"))
            wait_gone(server, pool_path(pools_ns, "workers"))
            vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
            assert list(managed_of(vm_class)["pools"]) == [mine]
            assert "pciPassthru.64bitMMIOSizeGB" in dict(keys_of(vm_class))
        # The first one comes back and finds that its pool went meanwhile.
        running.start()
        running.wait_ready()

        def is_restored():
            vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
            return managed_of(vm_class) is None and vm_class["spec"] == gpu_class()

        servers.wait_until("the class as it was", is_restored)


def allow(supervisor, ns, allowed):
    patch = {"metadata": {"annotations": {ALLOWED: allowed}}}
    supervisor.must("PATCH", classes_path(ns, "gpu"), patch)


def test_supervisor__a_shared_class_needs_its_owners_permission(server, supervisor, pools_ns):
    put_sim_class(supervisor, "vns")
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--supervisor-namespace=vns"]
    args += ["--cluster-id=c1"]
    with Controller(server, *args) as running:
        running.wait_ready()
        supervisor.mark()
        put_pool(server, pools_ns, mmio={"sizeGB": 65536})
        pool = wait_reason(server, pools_ns, "NotAllowed")
        assert reasons(pool)["Ready"] == ("False", "NotAllowed")
        assert reasons(pool)["ClassPatched"] == ("False", "NotAllowed")
        (ready,) = [c for c in conditions(pool).values() if c["type"] == "Ready"]
        command = "kubectl annotate vmclass gpu -n vns --overwrite"
        assert f"{command} {ALLOWED}='{pools_ns}'" in ready["message"]
        events = servers.wait_until(
            "the Event",
            lambda: [e for e in events_of(server, pools_ns) if e["reason"] == "NotAllowed"],
        )
        assert events[0]["type"] == "Warning"
        assert not [r for r in supervisor.requests() if r["verb"] == "patch"]
        # The owner permits it, and the controller sees that at once.
        allow(supervisor, "vns", f"other,{pools_ns}")
        wait_reason(server, pools_ns, "Configured")
        allow(supervisor, "vns", "other")
        wait_reason(server, pools_ns, "NotAllowed")
        # What runs may need it: the pool stays registered, and its window stays.
        vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
        assert list(managed_of(vm_class)["pools"]) == [f"c1/{pools_ns}/workers"]
        assert dict(keys_of(vm_class))["pciPassthru.64bitMMIOSizeGB"] == "65536"
        server.must("DELETE", pool_path(pools_ns, "workers"))
        wait_gone(server, pool_path(pools_ns, "workers"))
        vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
        assert managed_of(vm_class) is None and vm_class["spec"] == gpu_class()


def test_supervisor__the_permission_can_be_switched_off(server, supervisor, pools_ns):
    put_sim_class(supervisor, "vns")
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--supervisor-namespace=vns"]
    args += ["--cluster-id=c1", "--require-class-opt-in=false", "--max-window=1024"]
    with Controller(server, *args) as running:
        running.wait_ready()
        put_pool(server, pools_ns)
        wait_reason(server, pools_ns, "Configured")
        put_pool(server, pools_ns, name="large", mmio={"sizeGB": 65536})
        pool = wait_reason(server, pools_ns, "InvalidNodePool", name="large")
        (ready,) = [c for c in conditions(pool).values() if c["type"] == "Ready"]
        assert "more than the configured maximum of 1024 GB" in ready["message"]
        vm_class = supervisor.must("GET", classes_path("vns", "gpu"))
        assert dict(keys_of(vm_class))["pciPassthru.64bitMMIOSizeGB"] == "512"


def test_supervisor__a_binding_permits_its_namespace(server, pools_ns):
    old = "/apis/vmoperator.vmware.com/v1alpha1"
    group = "vmoperator.vmware.com/v1alpha1"
    vm_class = {"apiVersion": group, "kind": "VirtualMachineClass", "metadata": {"name": "gpu"}}
    vm_class["spec"] = gpu_class()
    binding = {"apiVersion": group, "kind": "VirtualMachineClassBinding"}
    binding |= {"metadata": {"name": "gpu", "namespace": pools_ns}}
    binding |= {"classRef": {"kind": "VirtualMachineClass", "name": "gpu"}}
    with servers.SimServer(args=["--cluster-scoped"]) as supervisor:
        supervisor.must("POST", f"{old}/virtualmachineclasses", vm_class)
        args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--cluster-id=c1"]
        with Controller(server, *args) as running:
            running.wait_ready()
            put_pool(server, pools_ns)
            wait_reason(server, pools_ns, "NotAllowed")
            path = f"{old}/namespaces/{pools_ns}/virtualmachineclassbindings"
            supervisor.must("POST", path, binding)
            # Nothing watches bindings: the controller looks again within a minute.
            wait_reason(server, pools_ns, "Configured", timeout=120)


@contextlib.contextmanager
def configured(server, supervisor, ns):
    """A controller that has configured a class of the Supervisor for a pool."""
    put_sim_class(supervisor, ns)
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--cluster-id=c1"]
    with Controller(server, *args) as running:
        running.wait_ready()
        put_pool(server, ns)
        wait_reason(server, ns, "Configured")
        yield running


def test_supervisor__the_pools_own_namespace_without_the_flag(server, supervisor, pools_ns):
    with configured(server, supervisor, pools_ns):
        vm_class = supervisor.must("GET", classes_path(pools_ns, "gpu"))
        assert list(managed_of(vm_class)["pools"]) == [f"c1/{pools_ns}/workers"]


def test_supervisor__a_class_is_ready_before_all_are_listed(server, supervisor, pools_ns):
    names = [f"gpu-{number:03}" for number in range(120)]
    for name in names:
        put_sim_class(supervisor, pools_ns, name)
    put_pool(server, pools_ns, vmClass=names[0])
    put_pool(server, pools_ns, "last", vmClass=names[-1])
    # The first page comes, the next one does not.
    match = {"method": "GET", "path": "*/virtualmachineclasses"}
    supervisor.faults([{"match": match, "fault": "delay", "delayMs": 60000, "after": 1, "count": 0}])
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--cluster-id=c1"]
    with Controller(server, *args) as running:
        wait_reason(server, pools_ns, "Configured", timeout=20)
        assert "status" not in server.must("GET", pool_path(pools_ns, "last"))
        assert running.metric("synced") == 0
        # It was planned from the list's page.
        class_path = classes_path(pools_ns, names[0])
        assert not [entry for entry in supervisor.requests() if (entry["verb"], entry["path"]) == ("get", class_path)]


def test_supervisor__cannot_be_reached(server, supervisor, pools_ns):
    put_sim_class(supervisor, pools_ns)
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--cluster-id=c1"]
    with Controller(server, *args) as running:
        running.wait_ready()
        fault = {"match": {"method": "GET", "path": f"*/{pools_ns}/*/gpu"}, "count": 0}
        supervisor.faults([{**fault, "fault": "status", "status": 503, "retryAfter": 1}])
        put_pool(server, pools_ns)
        pool = wait_reason(server, pools_ns, "Unreachable", timeout=90)
        assert reasons(pool)["Ready"] == ("Unknown", "Unreachable")
        assert reasons(pool)["ClassFound"] == ("Unknown", "Unreachable")
        supervisor.faults([])
        wait_reason(server, pools_ns, "Configured", timeout=120)


def test_supervisor__somebody_writes_all_the_time(server, supervisor, pools_ns):
    put_sim_class(supervisor, pools_ns)
    args = [f"--supervisor-kubeconfig={supervisor.kubeconfig}", "--cluster-id=c1"]
    with Controller(server, *args) as running:
        running.wait_ready()
        fault = {"match": {"method": "PATCH", "path": f"*/{pools_ns}/*/gpu"}, "count": 0}
        supervisor.faults([{**fault, "fault": "status", "status": 409}])
        put_pool(server, pools_ns)
        pool = wait_reason(server, pools_ns, "Conflict", timeout=90)
        assert reasons(pool)["Ready"] == ("Unknown", "Conflict")
        supervisor.faults([])
        wait_reason(server, pools_ns, "Configured", timeout=120)
        assert running.metric("conflicts_total") > 3


def test_supervisor__a_correction_whose_answer_is_lost_counts(server, supervisor, pools_ns):
    with configured(server, supervisor, pools_ns) as running:
        before = running.metric("class_patches_total"), running.metric("drifts_total")
        fault = {"match": {"method": "PATCH", "path": f"*/{pools_ns}/*/gpu"}, "after": 1, "count": 1}
        supervisor.faults([{**fault, "fault": "cut", "effect": True}])
        body = {"spec": {"configSpec": {"firmware": "bios"}}}
        supervisor.must("PATCH", classes_path(pools_ns, "gpu"), body, content_type="application/merge-patch+json")
        servers.wait_until("the correction", lambda: running.metric("class_patches_total") > before[0])
        assert running.metric("class_patches_total") == before[0] + 1
        assert running.metric("drifts_total") == before[1] + 1
        assert supervisor.must("GET", classes_path(pools_ns, "gpu"))["spec"]["configSpec"]["firmware"] == "efi"


# --- Cluster and TanzuKubernetesCluster ------------------------------------------------------------

CLUSTERS = "/apis/cluster.x-k8s.io"
TKCS = "/apis/run.tanzu.vmware.com/v1alpha3"


def loose_crd(group, version, kind, plural):
    """A CRD that takes anything: what the controller reads is what counts here."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def cluster_crds(installed):
    """Cluster API's own CRD where it lies beside the checkout; the role of components/clusters."""
    path = SHARED / "cluster.x-k8s.io_clusters.yaml"
    crd = loose_crd("cluster.x-k8s.io", "v1beta1", "Cluster", "clusters")
    if path.is_file():
        crd = yaml.safe_load(path.read_text())
        crd["spec"].pop("conversion", None)
    installed.create_crd(crd)
    tkc = loose_crd(
        "run.tanzu.vmware.com", "v1alpha3", "TanzuKubernetesCluster", "tanzukubernetesclusters"
    )
    installed.create_crd(tkc)
    folder = servers.REPO / "deploy" / "manifests" / "components" / "clusters"
    run_kubectl(installed, "apply", "-f", str(folder / "rbac.yaml"))
    versions = [v["name"] for v in crd["spec"]["versions"] if v["served"]]
    return "v1beta1" if "v1beta1" in versions else versions[0]


def cluster_body(version, ns, name, vm_class, managed):
    labels = {"nodeprep.dev/managed": "true"} if managed else {}
    deployment = {"name": "md-0", "class": "node-pool", "replicas": 2}
    topology = {
        "version": "v1.33.0",
        "class": "tanzukubernetescluster",
        "variables": [{"name": "vmClass", "value": vm_class}],
        "workers": {"machineDeployments": [deployment]},
    }
    return {
        "apiVersion": f"cluster.x-k8s.io/{version}",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": ns, "labels": labels},
        "spec": {"topology": topology},
    }


def wait_pools(server, ns, wanted, name="gpu"):
    def look():
        managed = managed_of(server.must("GET", classes_path(ns, name)))
        return set(managed["pools"] if managed else ()) == wanted

    servers.wait_until(f"pools {sorted(wanted)}", look)


def test_clusters__those_that_ask_for_it(server, cluster_crds, pools_ns, put_class):
    before = put_class(pools_ns, "gpu", gpu_class())
    clusters = f"{CLUSTERS}/{cluster_crds}/namespaces/{pools_ns}/clusters"
    tkcs = f"{TKCS}/namespaces/{pools_ns}/tanzukubernetesclusters"
    with Controller(server, "--clusters") as running:
        running.wait_ready()
        for name, managed in (("ours", True), ("theirs", False)):
            body = cluster_body(cluster_crds, pools_ns, name, "gpu", managed)
            server.must("POST", clusters, body)
        tkc = {"apiVersion": "run.tanzu.vmware.com/v1alpha3", "kind": "TanzuKubernetesCluster"}
        tkc["metadata"] = {"name": "tkc", "annotations": {"nodeprep.dev/managed": "true"}}
        tkc["spec"] = {"topology": {"nodePools": [{"name": "np", "vmClass": "gpu"}]}}
        server.must("POST", tkcs, tkc)
        ours = {f"{pools_ns}/ours/md-0", f"{pools_ns}/tkc/np"}
        wait_pools(server, pools_ns, ours)
        for name in ("ours", "tkc"):
            servers.wait_until(
                f"an Event of {name}",
                lambda name=name: "Patched"
                in [e["reason"] for e in events_of(server, pools_ns, name)],
            )
        assert events_of(server, pools_ns, "theirs") == []
        # One whose class is not there says so, once.
        body = cluster_body(cluster_crds, pools_ns, "lost", "no-such-class", True)
        server.must("POST", clusters, body)
        servers.wait_until("its Event", lambda: events_of(server, pools_ns, "lost"))
        server.must("PATCH", f"{clusters}/lost", {"metadata": {"labels": {"a": "b"}}})
        time.sleep(1)
        assert [e["reason"] for e in events_of(server, pools_ns, "lost")] == ["ClassNotFound"]
        server.must("DELETE", f"{clusters}/lost")
        # The label comes and goes.
        label = {"metadata": {"labels": {"nodeprep.dev/managed": "true"}}}
        server.must("PATCH", f"{clusters}/theirs", label)
        wait_pools(server, pools_ns, ours | {f"{pools_ns}/theirs/md-0"})
        label["metadata"]["labels"]["nodeprep.dev/managed"] = None
        server.must("PATCH", f"{clusters}/theirs", label)
        wait_pools(server, pools_ns, ours)
        server.must("DELETE", f"{clusters}/ours")
        wait_pools(server, pools_ns, {f"{pools_ns}/tkc/np"})
        running.stop()
    server.must("DELETE", f"{tkcs}/tkc")
    # Without --clusters their pools are not this one's to judge.
    with Controller(server) as running:
        running.wait_ready()
        put_pool(server, pools_ns)
        wait_reason(server, pools_ns, "Configured")
        wait_pools(server, pools_ns, {f"{pools_ns}/tkc/np", f"{pools_ns}/workers"})
        server.must("DELETE", pool_path(pools_ns, "workers"))
        wait_gone(server, pool_path(pools_ns, "workers"))
    with Controller(server, "--clusters") as running:
        running.wait_ready()
        wait_pools(server, pools_ns, set())
        assert server.must("GET", classes_path(pools_ns, "gpu"))["spec"] == before["spec"]
    server.must("DELETE", f"{clusters}/theirs")


def test_clusters__servers_without_them(server, installed, pools_ns, put_class):
    """--clusters where neither API is served: NodePools are kept up to date."""
    put_class(pools_ns, "gpu", gpu_class())
    with Controller(server, "--clusters") as running:
        running.wait_ready()
        put_pool(server, pools_ns)
        wait_reason(server, pools_ns, "Configured")
        assert conditions(server.must("GET", pool_path(pools_ns, "workers")))["Ready"]


# --- one namespace --------------------------------------------------------------------------------


def test_namespace__others_are_left(server, installed, pools_ns, put_class, namespace_names):
    other = next(namespace_names)
    server.create_namespace(other)
    for ns in (pools_ns, other):
        put_class(ns, "gpu", gpu_class())
    try:
        with Controller(server, "-n", pools_ns) as running:
            running.wait_ready()
            put_pool(server, other)
            put_pool(server, pools_ns)
            wait_reason(server, pools_ns, "Configured")
            assert "status" not in server.must("GET", pool_path(other, "workers"))
            assert managed_of(server.must("GET", classes_path(other, "gpu"))) is None
    finally:
        server.must("DELETE", pool_path(other, "workers"))
        server.must("DELETE", classes_path(other, "gpu"))




# --- old Supervisors --------------------------------------------------------------------------------


def test_old__classes_that_no_namespace_has():
    path = f"/apis/{servers.GROUP}/v1alpha1/virtualmachineclasses"
    with servers.RealServer(scope="Cluster") as server:
        install(server)
        body = {"apiVersion": f"{servers.GROUP}/v1alpha1", "kind": "VirtualMachineClass"}
        metadata = {"name": "gpu", "annotations": {ALLOWED: "a,b"}}
        server.must("POST", path, {**body, "metadata": metadata, "spec": gpu_class()})
        before = server.must("GET", f"{path}/gpu")
        for ns in ("a", "b"):
            server.create_namespace(ns)
        with Controller(server) as running:
            running.wait_ready()
            for ns in ("a", "b"):
                put_pool(server, ns)
                wait_reason(server, ns, "Configured")
            pools = managed_of(server.must("GET", f"{path}/gpu"))["pools"]
            assert set(pools) == {"a/workers", "b/workers"}
            for ns in ("a", "b"):
                server.must("DELETE", pool_path(ns, "workers"))
                wait_gone(server, pool_path(ns, "workers"))
            assert server.must("GET", f"{path}/gpu")["spec"] == before["spec"]
