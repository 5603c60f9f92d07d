# SPDX-License-Identifier: Apache-2.0
"""nodeprep-hookd: lifecycle hooks against the API server, limits, certificates, shutdown."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import servers
from builders import A100, MANAGED, SIZE, hardware, pools_of
from builders import plain as bare
from hookd import Hookd
from proxies import http2_proxy, proxied_kubeconfig

HOOKS = "hooks.runtime.cluster.x-k8s.io/v1alpha1"


@pytest.fixture(scope="module")
def hookd(server):
    with Hookd(server.kubeconfig) as running:
        yield running


@pytest.fixture
def own_sim():
    """An embedded Supervisor of the test's own, to spoil."""
    with servers.SimServer() as running:
        yield running


def cluster(ns, vm_class="gpu", name="c1", **variables):
    values = {"vmClass": vm_class, **variables}
    overrides = [{"name": n, "value": v} for n, v in values.items()]
    pool = {"class": "node-pool", "name": "gpu", "replicas": 1, "variables": {"overrides": overrides}}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"topology": {"class": "any", "workers": {"machineDeployments": [pool]}}},
    }


def call(hookd, hook, body, handler=None, timeout="10s", **options):
    """Calls a hook and returns its response."""
    kinds = {
        "beforeclustercreate": "BeforeClusterCreate",
        "beforeworkersupgrade": "BeforeWorkersUpgrade",
        "beforeclusterdelete": "BeforeClusterDelete",
        "generatepatches": "GeneratePatches",
        "validatetopology": "ValidateTopology",
        "discovery": "Discovery",
    }
    handlers = {
        "beforeclustercreate": "before-cluster-create",
        "beforeworkersupgrade": "before-workers-upgrade",
        "beforeclusterdelete": "before-cluster-delete",
        "generatepatches": "generate-patches",
        "validatetopology": "validate-topology",
    }
    body = {"apiVersion": HOOKS, "kind": f"{kinds[hook]}Request", **body}
    status, answer = hookd.ask(hook, body, handlers.get(hook), query=f"?timeout={timeout}", **options)
    assert status == 200, answer
    return json.loads(answer)


def create(hookd, ns, hook="beforeclustercreate", **options):
    settings = options.pop("settings", {})
    return call(hookd, hook, {"settings": settings, "cluster": hookd.clusters.put(cluster(ns, **options))})


def delete(hookd, ns, **options):
    return call(hookd, "beforeclusterdelete", {"cluster": hookd.clusters.put(cluster(ns, **options), True)})


def patches(server):
    return [r for r in server.requests() if r["verb"] == "patch"]


# --- lifecycle ------------------------------------------------------------------------------------


def test_a_cluster_comes_and_goes(server, hookd, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100, A100))
    answer = create(hookd, ns)
    assert answer == {
        "apiVersion": HOOKS,
        "kind": "BeforeClusterCreateResponse",
        "status": "Success",
        "retryAfterSeconds": 0,
    }
    patched = get_class(ns, "gpu")
    assert pools_of(patched) == {f"{ns}/c1/gpu": {"mmioGB": 512, "holders": ["hook/c1"]}}
    assert SIZE in json.dumps(patched["spec"])

    server.mark()
    assert create(hookd, ns)["status"] == "Success"
    assert create(hookd, ns, hook="beforeworkersupgrade")["status"] == "Success"
    assert patches(server) == []

    for _ in range(2):
        gone = delete(hookd, ns)
        assert (gone["status"], gone["retryAfterSeconds"]) == ("Success", 0)
        assert bare(get_class(ns, "gpu")) == bare(before)


def test_the_last_cluster_restores_and_others_keep_what_they_need(hookd, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100, A100))
    create(hookd, ns, name="c1")
    create(hookd, ns, name="c1-b", nodeprepGPU={"sizeGB": 1024})
    assert sorted(pools_of(get_class(ns, "gpu"))) == [f"{ns}/c1-b/gpu", f"{ns}/c1/gpu"]
    delete(hookd, ns, name="c1")
    assert sorted(pools_of(get_class(ns, "gpu"))) == [f"{ns}/c1-b/gpu"]
    delete(hookd, ns, name="c1-b")
    assert bare(get_class(ns, "gpu")) == bare(before)


def test_a_pool_that_left_the_topology_leaves_its_class_too(hookd, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100, A100))
    put_class(ns, "other", hardware(A100))
    create(hookd, ns)
    # The pool has moved on to another class meanwhile.
    delete(hookd, ns, vm_class="other")
    assert bare(get_class(ns, "gpu")) == bare(before)


def test_an_invalid_record_fails_who_uses_the_class_and_is_told_to_others(
    server, hookd, ns, put_class, get_class
):
    record = {"pools": {f"{ns}/c1/gpu": {"mmioGB": 512, "holders": ["hook/c1"]}},
              "before": {"xkind": {"set": "VirtualMachineClass", "absent": ""}}}
    annotations = {MANAGED: json.dumps(record)}
    put_class(ns, "gpu", hardware(A100), annotations=annotations)
    server.mark()
    answer = delete(hookd, ns)
    assert answer["status"] == "Failure" and "before.'xkind'" in answer["message"]
    assert "--discard-record" in answer["message"]
    put_class(ns, "other", hardware(A100))
    answer = delete(hookd, ns, name="c2", vm_class="other")
    assert (answer["status"], answer["retryAfterSeconds"]) == ("Success", 0)
    assert f"'{ns}/gpu'" in answer["message"]
    assert patches(server) == []


def test_a_class_that_is_missing_fails_by_name(hookd, ns):
    answer = create(hookd, ns)
    assert answer["status"] == "Failure"
    assert "VirtualMachineClass 'gpu' not found" in answer["message"]
    assert answer["retryAfterSeconds"] == 0
    ignored = create(hookd, ns, settings={"failurePolicy": "Ignore"})
    assert ignored["status"] == "Success"
    assert "VirtualMachineClass 'gpu' not found" in ignored["message"]


def test_a_class_that_carries_other_gpus_fails(hookd, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100))
    answer = create(hookd, ns, nodeprepGPU={"gpus": [{"model": "H100-80GB", "count": 2}]})
    assert answer["status"] == "Failure"
    assert "VirtualMachineClass 'gpu' attaches 1 x A100-40GB" in answer["message"]
    assert bare(get_class(ns, "gpu")) == bare(before)


def test_a_bad_variable_blocks_so_that_its_message_is_seen(hookd, ns, put_class):
    put_class(ns, "gpu", hardware(A100))
    answer = create(hookd, ns, nodeprepGPU={"sizeGB": 700})
    assert answer["status"] == "Success" and answer["retryAfterSeconds"] > 0
    assert "nodeprepGPU.sizeGB is '700'" in answer["message"]
    told = create(hookd, ns, nodeprepGPU={"sizeGB": 700}, settings={"enforce": "false"})
    assert told["retryAfterSeconds"] == 0 and "'700'" in told["message"]


def test_validation_looks_at_the_class(hookd, ns, put_class):
    def validate(vm_class, **settings):
        item = {
            "holderReference": {"kind": "MachineDeployment", "namespace": ns, "name": "md"},
            "object": {
                "apiVersion": "vmware.infrastructure.cluster.x-k8s.io/v1beta2",
                "kind": "VSphereMachineTemplate",
                "metadata": {"name": "t", "namespace": ns},
                "spec": {"template": {"spec": {"className": vm_class}}},
            },
        }
        gpus = {"gpus": [{"model": "A100-40GB", "count": 2}]}
        variables = [{"name": "nodeprepGPU", "value": gpus}]
        body = {"settings": settings, "variables": variables, "items": [item]}
        return call(hookd, "validatetopology", body)

    put_class(ns, "right", hardware(A100, A100))
    put_class(ns, "wrong", hardware(A100))
    assert validate("right") == {
        "apiVersion": HOOKS,
        "kind": "ValidateTopologyResponse",
        "status": "Success",
    }
    assert "attaches 1 x A100-40GB" in validate("wrong")["message"]
    assert validate("wrong")["status"] == "Failure"
    assert "'gone' not found" in validate("gone")["message"]
    told = validate("gone", enforce="false")
    assert told["status"] == "Success" and "'gone' not found" in told["message"]


def test_a_window_beyond_the_maximum_is_refused(server, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100))
    with Hookd(server.kubeconfig, args=["--max-window=1024"]) as bounded:
        answer = create(bounded, ns, nodeprepGPU={"sizeGB": 65536})
        assert answer["status"] == "Failure"
        assert "more than the configured maximum of 1024 GB" in answer["message"]
        assert bare(get_class(ns, "gpu")) == bare(before)
        assert create(bounded, ns, nodeprepGPU={"sizeGB": 1024})["status"] == "Success"
    assert pools_of(get_class(ns, "gpu"))[f"{ns}/c1/gpu"]["mmioGB"] == 1024


# --- classes that several namespaces share -------------------------------------------------------

OLD = "/apis/vmoperator.vmware.com/v1alpha1"


@pytest.fixture
def old_supervisor():
    """A Supervisor whose classes have no namespace, with one class."""
    with servers.SimServer(args=["--cluster-scoped"]) as running:
        body = {"apiVersion": "vmoperator.vmware.com/v1alpha1", "kind": "VirtualMachineClass",
                "metadata": {"name": "gpu"}, "spec": hardware(A100)}
        running.must("POST", f"{OLD}/virtualmachineclasses", body)
        yield running


def shared_class(old):
    return bare(old.must("GET", f"{OLD}/virtualmachineclasses/gpu"))


def binding(ns):
    return {"apiVersion": "vmoperator.vmware.com/v1alpha1", "kind": "VirtualMachineClassBinding",
            "metadata": {"name": "gpu", "namespace": ns},
            "classRef": {"apiVersion": "vmoperator.vmware.com/v1alpha1", "kind": "VirtualMachineClass",
                         "name": "gpu"}}


def test_a_shared_class_needs_its_owners_permission(old_supervisor):
    before = shared_class(old_supervisor)
    with Hookd(old_supervisor.kubeconfig) as hookd:
        old_supervisor.mark()
        answer = create(hookd, "team-a", nodeprepGPU={"sizeGB": 65536})
        # The Cluster waits, and its condition shows how the owner can permit it.
        assert answer["status"] == "Success" and answer["retryAfterSeconds"] > 0
        wanted = "kubectl annotate vmclass gpu --overwrite nodeprep.dev/allowed-namespaces='team-a'"
        assert wanted in answer["message"]
        told = create(hookd, "team-a", settings={"enforce": "false"})
        assert told["retryAfterSeconds"] == 0 and wanted in told["message"]
        assert patches(old_supervisor) == [] and shared_class(old_supervisor) == before
        patch = {"metadata": {"annotations": {"nodeprep.dev/allowed-namespaces": "team-a"}}}
        old_supervisor.must("PATCH", f"{OLD}/virtualmachineclasses/gpu", patch)
        assert create(hookd, "team-a")["retryAfterSeconds"] == 0
        assert set(pools_of(old_supervisor.must("GET", f"{OLD}/virtualmachineclasses/gpu"))) == {
            "team-a/c1/gpu"
        }
        assert create(hookd, "team-b")["retryAfterSeconds"] > 0


def test_a_binding_permits_its_namespace(old_supervisor):
    with Hookd(old_supervisor.kubeconfig) as hookd:
        assert create(hookd, "team-a")["retryAfterSeconds"] > 0
        old_supervisor.must(
            "POST", f"{OLD}/namespaces/team-a/virtualmachineclassbindings", binding("team-a")
        )
        answer = create(hookd, "team-a")
        assert (answer["status"], answer["retryAfterSeconds"]) == ("Success", 0)
        assert create(hookd, "team-b")["retryAfterSeconds"] > 0


def test_the_permission_can_be_switched_off(old_supervisor):
    with Hookd(old_supervisor.kubeconfig, args=["--require-class-opt-in=false"]) as hookd:
        assert create(hookd, "team-a")["retryAfterSeconds"] == 0
    assert "pciPassthru" in json.dumps(shared_class(old_supervisor))


def test_no_right_to_patch_is_a_failure(server, ns, put_class):
    put_class(ns, "gpu", hardware(A100))
    config = server.write_kubeconfig(server.folder / "viewer.kubeconfig", server.tokens["viewer"])
    with Hookd(config) as viewer:
        answer = create(viewer, ns)
    assert answer["status"] == "Failure"
    assert "VirtualMachineClass" in answer["message"] and "patch" in answer["message"]
    assert server.tokens["viewer"] not in viewer_log(viewer)


def viewer_log(hookd):
    return hookd.log.read_text() if hookd.log.exists() else ""


# --- who may ask for what --------------------------------------------------------------------------


def handlers_of(hookd):
    return sorted(h["requestHook"]["hook"] for h in call(hookd, "discovery", {})["handlers"])


PURE = ["DiscoverVariables", "GeneratePatches", "ValidateTopology"]


def validation(ns, vm_class):
    item = {
        "holderReference": {"kind": "MachineDeployment", "namespace": ns, "name": "md"},
        "object": {
            "apiVersion": "vmware.infrastructure.cluster.x-k8s.io/v1beta2",
            "kind": "VSphereMachineTemplate",
            "metadata": {"name": "t", "namespace": ns},
            "spec": {"template": {"spec": {"className": vm_class}}},
        },
    }
    return {"items": [item]}


def test_strangers_get_the_pure_hooks_alone(server, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100, A100))
    with Hookd(server.kubeconfig, trust="nobody") as hookd:
        assert handlers_of(hookd) == PURE
        server.mark()
        answers = [create(hookd, ns, name=name, vm_class=vm_class, hook=hook)
                   for name in ("c1", "c2") for vm_class in ("gpu", "gone")
                   for hook in ("beforeclustercreate", "beforeworkersupgrade")]
        answers.append(delete(hookd, ns))
        assert {a["status"] for a in answers} == {"Failure"}
        assert {a["message"] for a in answers} == {f"{hook} is not served" for hook in (
            "BeforeClusterCreate", "BeforeWorkersUpgrade", "BeforeClusterDelete")}
        # Nor do they learn which classes exist.
        told = [call(hookd, "validatetopology", validation(ns, name)) for name in ("gpu", "gone")]
        assert told[0] == told[1] and told[0]["status"] == "Success"
        assert not [r for r in server.requests() if "virtualmachineclass" in r["path"]]
        warnings = [line["msg"] for line in hookd.lines() if line["level"] == "warning" and "hook" not in line]
    assert any("no --client-ca-file" in w for w in warnings)
    assert bare(get_class(ns, "gpu")) == bare(before)


def test_whoever_is_allowed_without_a_certificate_is_warned_of(server, ns, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    with Hookd(server.kubeconfig, trust="anybody") as hookd:
        assert len(handlers_of(hookd)) == 6
        assert create(hookd, ns)["status"] == "Success"
        warnings = [line["msg"] for line in hookd.lines() if line["level"] == "warning"]
    assert any("UNSAFE: --allow-unauthenticated" in w for w in warnings)


REFUSED = {"status": "Failure", "message": "the request is refused", "retryAfterSeconds": 0}


def test_only_the_cluster_of_the_api_server_counts(server, hookd, ns, put_class, get_class):
    before = put_class(ns, "gpu", hardware(A100, A100))

    def ask(hook, body, **settings):
        answer = call(hookd, hook, {"cluster": body, "settings": settings})
        return {k: answer[k] for k in REFUSED if k in answer}, hookd.calls(hook)[-1].get("refused")

    real = hookd.clusters.put(cluster(ns))
    invented = {**cluster(ns, name="invented"), "metadata": {**real["metadata"], "name": "invented"}}
    other_uid = {**real, "metadata": {**real["metadata"], "uid": "another"}}
    elsewhere = {**real, "metadata": {**real["metadata"], "namespace": "../../api"}}
    server.mark()
    for body, why in ((invented, "the API server has no such Cluster"), (other_uid, "the Cluster has another uid"),
                      (elsewhere, "no Cluster can have that name")):
        for hook in ("beforeclustercreate", "beforeworkersupgrade", "beforeclusterdelete"):
            assert ask(hook, body) == (REFUSED, why)
            assert ask(hook, body, failurePolicy="Ignore", enforce="false") == (REFUSED, why)
    assert ask("beforeclusterdelete", real) == (REFUSED, "the Cluster is not being deleted")
    assert not server.requests() or not [r for r in server.requests() if "virtualmachineclass" in r["path"]]

    # What the request says beside the name does not matter: here a larger window, of another class.
    lies = {**cluster(ns, vm_class="other", nodeprepGPU={"sizeGB": 65536}), "metadata": real["metadata"]}
    assert call(hookd, "beforeclustercreate", {"cluster": lies})["status"] == "Success"
    assert pools_of(get_class(ns, "gpu")) == {f"{ns}/c1/gpu": {"mmioGB": 512, "holders": ["hook/c1"]}}

    # A running Cluster's class is not reverted; a deleted one's is, and it is not registered again.
    assert ask("beforeclusterdelete", real) == (REFUSED, "the Cluster is not being deleted")
    assert pools_of(get_class(ns, "gpu"))
    gone = hookd.clusters.put(cluster(ns), is_deleted=True)
    assert ask("beforeclustercreate", gone) == (REFUSED, "the Cluster is being deleted")
    assert delete(hookd, ns)["status"] == "Success"
    assert bare(get_class(ns, "gpu")) == bare(before)


def test_a_server_that_hides_the_cluster_holds_it_up(server, ns, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    with Hookd(server.kubeconfig) as hookd:
        body = {"cluster": hookd.clusters.put(cluster(ns))}
        hookd.clusters.status = 403
        answer = call(hookd, "beforeclustercreate", body)
        assert answer["status"] == "Failure" and "the Cluster cannot be read" in answer["message"]
        hookd.clusters.status = 503
        answer = call(hookd, "beforeclustercreate", body, timeout="2s")
        assert answer["status"] == "Success" and answer["retryAfterSeconds"] > 0


# --- an API server in trouble (the embedded one's faults) -------------------------------------------

CLASSES = "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"


def add_class(sim):
    body = {
        "apiVersion": "vmoperator.vmware.com/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": "ml"},
        "spec": hardware(A100, A100),
    }
    sim.must("POST", CLASSES, body)


def fault(**more):
    return {"match": {"path": "*/virtualmachineclasses/*"}, "count": 0, **more}


def test_a_conflict_that_lasts_blocks(own_sim):
    add_class(own_sim)
    with Hookd(own_sim.kubeconfig) as hookd:
        conflict = fault(fault="concurrent-write", match={"method": "PATCH"})
        own_sim.faults([{**conflict, "count": 2}])
        assert create(hookd, "ml")["status"] == "Success"
        assert hookd.calls("beforeclustercreate")[-1]["conflicts"] == 2
        delete(hookd, "ml")
        own_sim.faults([conflict])
        body = {"cluster": hookd.clusters.put(cluster("ml"))}
        answer = call(hookd, "beforeclustercreate", body, timeout="2s")
        assert answer["status"] == "Success" and answer["retryAfterSeconds"] > 0
        assert "VirtualMachineClass 'ml/gpu'" in answer["message"]
        _, text = hookd.metrics()
        assert 'nodeprep_hookd_requests_total{hook="beforeclustercreate",result="retry"} 1' in text


def asked_for_classes(sim):
    return [r for r in sim.requests() if "/virtualmachineclasses/" in r["path"]]


def create_in_vain(hookd, body):
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(hookd, "beforeclustercreate", body, timeout="30s")


def test_a_slow_supervisor_holds_up_no_patches(own_sim):
    add_class(own_sim)
    with Hookd(own_sim.kubeconfig, args=["--threads=1", "--workers=2"]) as hookd:
        own_sim.faults([fault(fault="delay", delayMs=60000)])
        own_sim.mark()
        bodies = [{"cluster": hookd.clusters.put(cluster("ml", name=f"c{n}"))} for n in range(6)]
        slow = [threading.Thread(target=create_in_vain, args=(hookd, body)) for body in bodies]
        for thread in slow:
            thread.start()
        servers.wait_until("both workers wait", lambda: len(asked_for_classes(own_sim)) == 2)
        for _ in range(20):
            assert call(hookd, "generatepatches", {"items": []})["status"] == "Success"
        assert all(thread.is_alive() for thread in slow)
        hookd.process.kill()
        for thread in slow:
            thread.join()


def two_classes(sim):
    """Makes two classes, and returns a Cluster with a pool of each."""
    for name in ("gpu", "other"):
        body = {"apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass"}
        sim.must("POST", CLASSES, {**body, "metadata": {"name": name, "namespace": "ml"}, "spec": hardware(A100)})
    body = cluster("ml")
    pools = body["spec"]["topology"]["workers"]["machineDeployments"]
    pools += cluster("ml", vm_class="other")["spec"]["topology"]["workers"]["machineDeployments"]
    pools[1]["name"] = "second"
    return body


# None: the default.
@pytest.mark.parametrize("parallel, at_a_time", [(None, 2), (2, 2), (1, 1)])
@pytest.mark.parametrize("hook", ["beforeclustercreate", "beforeclusterdelete"])
def test_a_call_writes_classes_several_at_a_time(tmp_path, own_sim, hook, parallel, at_a_time):
    body = two_classes(own_sim)
    args = [f"--parallel={parallel}"] if parallel else []
    with contextlib.ExitStack() as stack:
        # Several requests at a time take HTTP/2.
        port, ca, _ = stack.enter_context(http2_proxy(own_sim, tmp_path / "nghttpx"))
        kubeconfig = proxied_kubeconfig(own_sim, tmp_path / "config", port, ca)
        hookd = stack.enter_context(Hookd(kubeconfig, args=args))
        request = {"cluster": hookd.clusters.put(body)}
        if hook == "beforeclusterdelete":
            assert call(hookd, "beforeclustercreate", request)["retryAfterSeconds"] == 0
            request = {"cluster": hookd.clusters.put(body, True)}
        # No write is answered while the call lasts.
        own_sim.faults([fault(fault="delay", delayMs=60000, match={"method": "PATCH"})])
        own_sim.mark()
        answer = call(hookd, hook, request, timeout="3s")
        assert answer["retryAfterSeconds"] > 0
        assert len({r["path"] for r in patches(own_sim)}) == at_a_time


def test_ready_while_the_api_server_answers(own_sim):
    with Hookd(own_sim.kubeconfig) as hookd:
        servers.wait_until("ready", lambda: hookd.metrics("/readyz")[0] == 200)
        own_sim.faults([{"match": {}, "fault": "status", "status": 500, "count": 0}])
        servers.wait_until("not ready", lambda: hookd.metrics("/readyz")[0] == 503)
        assert hookd.metrics("/healthz")[0] == 200
        assert "nodeprep_hookd_ready 0" in hookd.metrics()[1]


# --- without an API server -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone():
    with Hookd(trust="nobody") as running:
        yield running


def test_without_an_api_server_no_lifecycle_hook_is_announced(alone, hookd):
    names = [h["requestHook"]["hook"] for h in call(alone, "discovery", {})["handlers"]]
    assert sorted(names) == ["DiscoverVariables", "GeneratePatches", "ValidateTopology"]
    assert len(call(hookd, "discovery", {})["handlers"]) == 6
    assert alone.metrics("/readyz") == (200, "ok\n")
    answer = call(alone, "beforeclustercreate", {"cluster": cluster("ml")})
    assert answer["status"] == "Failure" and answer["message"] == "BeforeClusterCreate is not served"


def exchange(hookd, data, timeout=20):
    """Sends bytes over TLS and returns all that comes back."""
    context = ssl.create_default_context(cafile=str(hookd.ca))
    with socket.create_connection(("127.0.0.1", hookd.port), timeout=timeout) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            got = b""
            # A server that turns a client away does not wait until it has said all.
            with contextlib.suppress(OSError):
                tls.sendall(data)
                while True:
                    piece = tls.recv(65536)
                    if not piece:
                        break
                    got += piece
            return got


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/hooks.runtime.cluster.x-k8s.io/v1alpha1/discovery", 405),
        ("PUT", "/hooks.runtime.cluster.x-k8s.io/v1alpha1/discovery", 405),
        ("DELETE", "/hooks.runtime.cluster.x-k8s.io/v1alpha1/generatepatches/generate-patches", 405),
        ("POST", "/hooks.runtime.cluster.x-k8s.io/v1alpha1/generatepatches", 404),
        ("POST", "/hooks.runtime.cluster.x-k8s.io/v1alpha1/generatepatches/other", 404),
        ("POST", "/hooks.runtime.cluster.x-k8s.io/v1beta1/discovery", 404),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("POST", "/healthz", 405),
        ("GET", "/metrics", 404),
        ("GET", "/", 404),
    ],
)
def test_only_hooks_and_probes_are_served(alone, method, path, status):
    body = "" if method == "GET" else "{}"
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    got = exchange(alone, request.encode())
    assert got.startswith(f"HTTP/1.1 {status} ".encode()), got[:200]


@pytest.mark.parametrize(
    "data, status",
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: " + b"a" * 100000 + b"\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"\x16\x03\x01\x02\x00", None),
    ],
    ids=["http2", "method", "nonsense", "header", "body", "tls"],
)
def test_what_is_no_request_is_turned_away(alone, data, status):
    got = exchange(alone, data, timeout=40)
    # A client that still sends when the connection is closed may miss the answer.
    if status and (got or len(data) < 1000):
        assert got.split(b" ")[1] == status, got[:200]
    assert b" 200 " not in got[:20]
    assert call(alone, "discovery", {})["status"] == "Success"


def test_neither_content_type_nor_chunks_matter(alone):
    head = "POST /hooks.runtime.cluster.x-k8s.io/v1alpha1/discovery?timeout=10s HTTP/1.1\r\nHost: x\r\n"
    rows = [
        "Content-Type: text/xml\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
    ]
    for row in rows:
        got = exchange(alone, (head + row).encode())
        assert b'"status":"Success"' in got, got


def test_a_body_of_twenty_megabytes_is_read_and_no_more(alone):
    padding = b'{"padding":"' + b"x" * (20 * 1024 * 1024 - 14) + b'"}'
    assert len(padding) == 20 * 1024 * 1024
    status, answer = alone.ask("discovery", padding)
    assert status == 200 and json.loads(answer)["status"] == "Success"
    with pytest.raises((OSError, http.client.HTTPException)) as error:
        status, _ = alone.ask("discovery", padding + b" ")
        assert status == 413
        raise OSError("refused")
    assert error


WIRE = [
    b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nContent-Length : 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    b"POST / HTTP/1.1\nHost: x\n\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("data", WIRE, ids=["lengths", "colon", "sign", "nul", "lf", "both"])
def test_what_two_readers_could_read_differently_is_400_and_closed(alone, data):
    # exchange() returns with the connection's end.
    assert exchange(alone, data).startswith(b"HTTP/1.1 400 ")


def limited(soft):
    """A program that lets the server have so many descriptors."""
    return ["prlimit", f"--nofile={soft}:{soft}"]


def test_bounds_follow_the_limit_of_descriptors(tmp_path):
    with Hookd(trust="nobody", wrapper=limited(160), args=["--threads=1"]) as hookd:
        socks = []
        for _ in range(300):
            socks.append(socket.create_connection(("127.0.0.1", hookd.port), timeout=20))
            socks.append(socket.create_connection(("127.0.0.1", hookd.metrics_port), timeout=20))
        for _ in range(20):
            assert hookd.metrics("/healthz") == (200, "ok\n")
            assert call(hookd, "discovery", {})["status"] == "Success"
        for sock in socks:
            sock.close()
        lines = hookd.lines()  # each is JSON
        assert any("the limit of open files is low" in line["msg"] for line in lines)
        assert not [line for line in lines if "cannot be accepted" in line["msg"]]


def test_descriptors_that_run_out_later_are_told_once(alone):
    with Hookd(trust="nobody", args=["--threads=1"]) as hookd:
        pid = hookd.process.pid
        before = len(os.listdir(f"/proc/{pid}/fd"))
        subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={before + 4}:{before + 4}"], check=True, timeout=20)
        socks = [socket.create_connection(("127.0.0.1", hookd.port), timeout=20) for _ in range(50)]
        servers.wait_until("told", lambda: "connections cannot be accepted" in hookd.log.read_text())
        # The idlest make way.
        for _ in range(5):
            assert call(hookd, "discovery", {})["status"] == "Success"
        for sock in socks:
            sock.close()
        told = [line for line in hookd.lines() if "hook" not in line]
        assert len([line for line in told if "cannot be accepted" in line["msg"]]) <= 3
        assert len(told) < 20


def test_too_few_descriptors_are_told(alone, tmp_path):
    argv = [*limited(64), servers.BIN_DIR / "nodeprep-hookd", "--log-format=text", "--listen=127.0.0.1:0"]
    argv += [f"--tls-cert-file={alone.folder}/server.crt", f"--tls-private-key-file={alone.folder}/server.key"]
    for more, text in (([], "the limit of open files is 64: at least"),
                       (["--max-memory=64Mi"], "limit of open files")):
        done = subprocess.run([str(a) for a in [*argv, *more]], capture_output=True, text=True,
                              env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, timeout=20, check=False)
        assert done.returncode == 2 and text in done.stderr, done.stderr
    # A limit that every machine and container permits.
    argv = [*limited(1024), *argv[2:], "--threads=1", "--max-memory=64Mi"]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=20, check=False,
                          env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert done.returncode == 2 and "--max-memory: at least 114Mi are needed for 675 connections" in done.stderr, done.stderr


def memory_mb(process):
    text = open(f"/proc/{process.pid}/status", encoding="ascii").read()
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


@pytest.mark.slow
def test_bodies_without_an_end_are_bounded_and_their_memory_comes_back():
    """24 clients that send 20 MB but for the last byte: in all 480 MB."""
    size = 20 << 20
    with Hookd(trust="nobody", args=["--max-memory=192Mi"]) as hookd:
        peak, socks = 0.0, []
        context = hookd.context(with_client=False)
        piece = b" " * (1 << 16)
        for _ in range(24):
            sock = context.wrap_socket(socket.create_connection(("127.0.0.1", hookd.port)), server_hostname="127.0.0.1")
            sock.settimeout(0.2)
            socks.append(sock)
            with contextlib.suppress(OSError):
                sock.sendall(f"POST /{HOOKS}/discovery HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode())
                for _ in range(size // len(piece) - 1):
                    sock.sendall(piece)
            peak = max(peak, memory_mb(hookd.process))
        assert peak < 192
        padding = b'{"padding":"' + b"x" * (10 << 20) + b'"}'
        assert call_bytes(hookd, padding)["status"] == "Success"
        for sock in socks:
            sock.close()
        servers.wait_until("memory is given back", lambda: memory_mb(hookd.process) < 32)
        servers.wait_until("no bytes in flight", lambda: "nodeprep_hookd_bodies_bytes 0\n" in hookd.metrics()[1])


def call_bytes(hookd, body):
    """As Cluster API does: 503 is tried again."""
    for _ in range(20):
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, answer = hookd.ask("discovery", body)
            if status == 200:
                return json.loads(answer)
            assert status == 503
        time.sleep(0.2)
    raise AssertionError("503 for good")


def rotate(mount, name, cert, key):
    """Puts a certificate where the running one is, as kubelet does: both at once, by a link."""
    folder = mount / name
    folder.mkdir()
    (folder / "tls.crt").write_bytes(cert.read_bytes())
    (folder / "tls.key").write_bytes(key.read_bytes())
    link = mount / "..data.new"
    link.symlink_to(folder)
    os.replace(link, mount / "..data")


def served_certificate(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


def hammer(port, stop, failed, done):
    """Calls until it is stopped, with a new connection for every third call."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while not stop.is_set():
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
        try:
            for _ in range(3):
                connection.request("POST", f"/{HOOKS}/discovery", b"{}")
                assert connection.getresponse().read().startswith(b"{")
                done.append(1)
        except (AssertionError, OSError, http.client.HTTPException) as error:
            failed.append(repr(error))
        finally:
            connection.close()


def warned(hookd, part):
    return [m for m in hookd.lines() if m["level"] == "warning" and part in m["msg"]]


def certificate_metric(hookd, name):
    text = hookd.metrics()[1]
    return float(re.search(rf"^nodeprep_hookd_certificate_{name} (\S+)$", text, re.MULTILINE)[1])


def test_sighup_reloads_certificates():
    with Hookd(trust="nobody") as hookd:
        expires = certificate_metric(hookd, "not_after_timestamp_seconds")
        assert expires > time.time()
        assert certificate_metric(hookd, "last_reload_successful") == 1
        hookd.process.send_signal(signal.SIGHUP)
        servers.wait_until("a line", lambda: reloads(hookd))
        key = hookd.folder / "server.key"
        kept = key.read_text()
        key.write_text("garbage")
        servers.wait_until("a warning", lambda: warned(hookd, "server.key': the private key"))
        hookd.process.send_signal(signal.SIGHUP)
        servers.wait_until("its answer", lambda: len(warned(hookd, "server.key")) == 2)
        key.write_text(kept)
        servers.wait_until("the repair", lambda: len(reloads(hookd)) == 2)
        assert certificate_metric(hookd, "reload_failures_total") >= 2
        assert certificate_metric(hookd, "not_after_timestamp_seconds") == expires


def reloads(hookd):
    return [m for m in hookd.lines() if m["msg"].startswith("certificate reloaded, valid until 20")]


def test_certificates_rotate_without_a_dropped_request(tmp_path):
    first, second = (servers.Certificates(make(tmp_path / n)) for n in ("a", "b"))
    mount = make(tmp_path / "mount")
    rotate(mount, "v1", first.server, first.server_key)
    flags = [f"--tls-cert-file={mount}/..data/tls.crt"]
    flags += [f"--tls-private-key-file={mount}/..data/tls.key"]
    with Hookd(args=flags, trust="nobody") as hookd:
        stop, failed, done = threading.Event(), [], []
        threads = [
            threading.Thread(target=hammer, args=(hookd.port, stop, failed, done)) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        try:
            before = served_certificate(hookd.port)
            rotate(mount, "v2", second.server, second.server_key)
            servers.wait_until("rotation", lambda: served_certificate(hookd.port) != before)
            # A pair that does not fit is refused, and what is there stays.
            now = served_certificate(hookd.port)
            rotate(mount, "v3", first.server, second.server_key)
            servers.wait_until("refusal", lambda: warned(hookd, "does not belong to the certificate"))
            assert served_certificate(hookd.port) == now
            assert certificate_metric(hookd, "last_reload_successful") == 0
            rotate(mount, "v4", first.server, first.server_key)
            servers.wait_until("repair", lambda: served_certificate(hookd.port) != now)
            assert len(warned(hookd, "does not belong")) == 1, "one warning for one reason"
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert not failed and len(done) > 10


def make(folder):
    folder.mkdir()
    return folder


def test_client_certificates_are_demanded(tmp_path):
    certs = servers.Certificates(make(tmp_path / "clients"))
    with Hookd(args=[f"--client-ca-file={certs.ca}"], trust="nobody") as hookd:
        # Neither one without a certificate nor one of another CA.
        with pytest.raises((OSError, http.client.HTTPException)):
            hookd.ask("discovery", "{}")
        context = ssl.create_default_context(cafile=str(hookd.ca))
        context.load_cert_chain(certs.client, certs.client_key)
        connection = http.client.HTTPSConnection("127.0.0.1", hookd.port, context=context, timeout=20)
        with contextlib.closing(connection):
            connection.request("POST", f"/{HOOKS}/discovery", b"{}", {"X-Request-Id": "from-a-test"})
            assert connection.getresponse().status == 200
        line = [c for c in hookd.calls() if c["id"] == "from-a-test"]
        assert line and line[0]["client"] == "cert-admin"


def resumes_at(hookd, context, session=None):
    """Calls once, and returns whether the session was resumed, and the one for next time."""
    with socket.create_connection(("127.0.0.1", hookd.port), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as tls:
            tls.sendall(f"POST /{HOOKS}/discovery HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            assert tls.recv(4096).startswith(b"HTTP/1.1 200")
            return tls.session_reused, tls.session


@pytest.mark.parametrize("shares", [False, True])
def test_replicas_resume_sessions_by_a_shared_secret_alone(tmp_path, shares):
    certs = servers.Certificates(make(tmp_path / "certs"))
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(64)))
    flags = [f"--tls-cert-file={certs.server}", f"--tls-private-key-file={certs.server_key}"]
    flags += [f"--client-ca-file={certs.ca}"]
    flags += [f"--tls-ticket-secret-file={secret}"] if shares else []
    context = ssl.create_default_context(cafile=str(certs.ca))
    context.load_cert_chain(certs.client, certs.client_key)
    with Hookd(args=flags, trust="nobody") as one, Hookd(args=flags, trust="nobody") as other:
        resumed, session = resumes_at(one, context)
        assert not resumed
        resumed, session = resumes_at(one, context, session)
        assert resumed
        resumed, _ = resumes_at(other, context, session)
        assert resumed == shares


def test_a_bad_ticket_secret_is_told(alone, tmp_path):
    secret = tmp_path / "secret"
    argv = [str(servers.BIN_DIR / "nodeprep-hookd"), "--listen=127.0.0.1:0", "--log-format=text"]
    argv += [f"--tls-cert-file={alone.folder}/server.crt", f"--tls-private-key-file={alone.folder}/server.key"]
    argv += [f"--tls-ticket-secret-file={secret}"]
    for content, text in ((None, "no such file"), (b"", "has 0 bytes: expected 32 to 4096"),
                          (b"x" * 31, "has 31 bytes"), (b"x" * 4097, "has 4097 bytes")):
        if content is not None:
            secret.write_bytes(content)
        done = subprocess.run(argv, capture_output=True, text=True, env={"HOME": str(tmp_path)}, timeout=20, check=False)
        assert done.returncode == 3 and text in done.stderr.lower() and str(secret) in done.stderr, done.stderr
        assert done.stderr.count("error: ") == 1


def test_sigterm_finishes_what_runs_and_takes_its_time(own_sim):
    add_class(own_sim)
    with Hookd(own_sim.kubeconfig, args=["--shutdown-delay=4s", "--drain-timeout=8s"]) as hookd:
        # The class is read and patched: six seconds.
        own_sim.faults([fault(fault="delay", delayMs=3000)])
        own_sim.mark()
        answers = []
        body = {"cluster": hookd.clusters.put(cluster("ml"))}
        thread = threading.Thread(
            target=lambda: answers.append(call(hookd, "beforeclustercreate", body))
        )
        thread.start()
        servers.wait_until("the class is asked for", lambda: asked_for_classes(own_sim))
        hookd.process.send_signal(signal.SIGTERM)
        # Endpoints lag: who still comes is served, and told apart by readiness alone.
        servers.wait_until("not ready", lambda: hookd.metrics("/readyz")[0] == 503)
        assert call(hookd, "generatepatches", {"items": []})["status"] == "Success"
        thread.join()
        assert answers[0]["status"] == "Success"
        assert hookd.process.wait(20) == 0


def test_sigterm_ends_in_time_whoever_hangs_on(alone):
    with Hookd(args=["--drain-timeout=1s"], trust="nobody") as hookd:
        context = ssl.create_default_context(cafile=str(hookd.ca))
        with socket.create_connection(("127.0.0.1", hookd.port)) as raw:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n1")
                time.sleep(0.3)
                begin = time.monotonic()
                hookd.process.send_signal(signal.SIGTERM)
                assert hookd.process.wait(20) == 0
                assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "args, rc, text",
    [
        ([], 2, "--tls-cert-file and --tls-private-key-file are needed"),
        (["--listen=nowhere"], 2, "--listen is 'nowhere': expected HOST:PORT"),
        (["--listen=127.0.0.1:99999"], 2, "HOST:PORT with a port up to 65535"),
        (["--tls-cert-file"], 2, "needs a value"),
        (["--tls-cert-fil=x", "--nonsense=secret"], 2, "unknown option '--nonsense'"),
        (["--threads=0", "--tls-cert-file=a", "--tls-private-key-file=b"], 2, "--threads"),
        (["--tls-cert-file=/nowhere", "--tls-private-key-file=/nowhere"], 3, "/nowhere"),
        (["--tls-cert-file=a", "--tls-private-key-file=b", "--kubeconfig=/nowhere"], 3, "/nowhere"),
        (["extra"], 2, "unexpected argument 'extra'"),
        (["--tls-cert-file=a", "--tls-private-key-file=b", "--client-ca-file=c", "--allow-unauthenticated"], 2,
         "--client-ca-file and --allow-unauthenticated are mutually exclusive"),
        (["--tls-cert-file=a", "--tls-private-key-file=b", "--supervisor-kubeconfig=c"], 2,
         "--supervisor-kubeconfig: expected an API server with the Clusters too"),
    ],
)
def test_a_wrong_command_line_is_told(tmp_path, args, rc, text):
    done = subprocess.run(
        [str(servers.BIN_DIR / "nodeprep-hookd"), "--log-format=text", *args],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        timeout=20,
        check=False,
    )
    assert text in done.stderr and "secret" not in done.stderr, done.stderr
    assert done.returncode == rc, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("error: ") == 1


def test_help_and_version(tmp_path):
    for flag, text in (("--help", "--client-ca-file FILE"), ("-h", "Usage:"), ("--version", "nodeprep-hookd ")):
        done = subprocess.run(
            [str(servers.BIN_DIR / "nodeprep-hookd"), flag], capture_output=True, text=True, timeout=20, check=True
        )
        assert text in done.stdout and done.stderr == ""


def test_a_port_that_is_taken_is_told(alone, tmp_path):
    argv = [servers.BIN_DIR / "nodeprep-hookd", f"--listen=127.0.0.1:{alone.port}", "--threads=2"]
    argv += [f"--tls-cert-file={alone.folder}/server.crt", f"--tls-private-key-file={alone.folder}/server.key"]
    done = subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, env={"HOME": str(tmp_path)}, timeout=20, check=False
    )
    assert done.returncode == 2 and "cannot listen" in done.stderr
