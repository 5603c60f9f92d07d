# SPDX-License-Identifier: Apache-2.0
"""The controller on a real kube-apiserver: conditions, drift, deletion, fights, two replicas."""

import contextlib
import re
import signal
import time

import pytest
import yaml
from builders import keys_of
from controller_harness import (
    EVENTS,
    LEASES,
    SYSTEM,
    WAIT_S,
    Controller,
    classes_path,
    conditions,
    events_of,
    gpu_class,
    managed_of,
    pool_body,
    pool_path,
    put_pool,
    reasons,
    run_kubectl,
    servers,
    wait_event,
    wait_gone,
    wait_pool,
    wait_reason,
)

RIGHT = {
    "Ready": ("True", "Configured"),
    "ClassFound": ("True", "Found"),
    "ClassPatched": ("True", "Patched"),
    "Drifted": ("False", "InSync"),
}


def patch_class(server, ns, body, manager="gitops", name="gpu"):
    return server.must("PATCH", f"{classes_path(ns, name)}?fieldManager={manager}", body)


def wait_class(server, ns, is_good, name="gpu"):
    last = {}

    def look():
        last["class"] = server.must("GET", classes_path(ns, name))
        return last["class"] if is_good(last["class"]) else None

    try:
        return servers.wait_until(f"class {ns}/{name}", look)
    except servers.StartError:
        raise AssertionError(yaml.safe_dump(last)) from None


# --- conditions -----------------------------------------------------------------------------------


def test_conditions__a_class_is_made_right_within_a_second(
    server, controller, pools_ns, put_class, get_class
):
    put_class(pools_ns, "gpu", gpu_class())
    began = time.monotonic()
    put_pool(server, pools_ns, gpus=[{"model": "A100-40GB", "count": 4}])
    vm_class = wait_class(server, pools_ns, lambda c: "pciPassthru.64bitMMIOSizeGB" in dict(keys_of(c)))
    took = time.monotonic() - began
    pool = wait_reason(server, pools_ns, "Configured")
    assert reasons(pool) == RIGHT
    status = pool["status"]
    assert status["observedGeneration"] == pool["metadata"]["generation"]
    assert (status["gpusPerNode"], status["requiredMMIOGB"], status["mmioGB"]) == (4, 512, 512)
    assert status["vmClass"] == "gpu"
    assert pool["metadata"]["finalizers"] == ["nodeprep.dev/class"]
    assert dict(keys_of(vm_class))["pciPassthru.64bitMMIOSizeGB"] == "512"
    assert managed_of(vm_class)["pools"] == {
        f"{pools_ns}/workers": {"mmioGB": 512, "holders": ["controller"]}
    }
    event = wait_event(server, pools_ns, "Patched", "workers")
    assert len(events_of(server, pools_ns, "workers")) == 1
    assert event["type"] == "Normal"
    assert event["reportingController"] == "nodeprep.dev/controller"
    print(f"right after {took:.3f} s")
    # Not a measurement of this machine, which others use too: but far from any polling interval.
    assert took < 10


def test_conditions__a_right_class_is_not_written(server, controller, pools_ns, put_class):
    spec = gpu_class()
    spec["policies"] = {"resources": {"requests": {"memory": "64Gi"}}}
    device = {
        "_typeName": "VirtualPCIPassthrough",
        "backing": {
            "_typeName": "VirtualPCIPassthroughDynamicBackingInfo",
            "allowedDevice": [{"vendorId": 0x10DE, "deviceId": 0x20B0}],
        },
    }
    spec["configSpec"] = {
        "firmware": "efi",
        "memoryReservationLockedToMax": True,
        "deviceChange": [
            {"_typeName": "VirtualDeviceConfigSpec", "operation": "add", "device": device}
        ],
        "extraConfig": [
            {"_typeName": "OptionValue", "key": key, "value": value}
            for key, value in (
                ("pciPassthru.use64bitMMIO", "TRUE"),
                ("pciPassthru.64bitMMIOSizeGB", "512"),
            )
        ],
    }
    before = put_class(pools_ns, "gpu", spec)
    put_pool(server, pools_ns)
    pool = wait_reason(server, pools_ns, "Configured")
    assert reasons(pool) == RIGHT | {"ClassPatched": ("True", "AlreadyConfigured")}
    after = server.must("GET", classes_path(pools_ns, "gpu"))
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_conditions__class_that_is_not_there_and_then_is(server, controller, pools_ns, put_class):
    put_pool(server, pools_ns)
    pool = wait_reason(server, pools_ns, "ClassNotFound")
    assert reasons(pool) == {
        "Ready": ("False", "ClassNotFound"),
        "ClassFound": ("False", "NotFound"),
        "ClassPatched": ("False", "ClassNotFound"),
        "Drifted": ("Unknown", "NotEvaluated"),
    }
    assert "gpusPerNode" not in pool["status"] and "mmioGB" not in pool["status"]
    assert "'gpu'" in conditions(pool)["Ready"]["message"]
    assert wait_event(server, pools_ns, "ClassNotFound")["type"] == "Warning"
    put_class(pools_ns, "gpu", gpu_class())
    assert reasons(wait_reason(server, pools_ns, "Configured")) == RIGHT
    server.must("DELETE", classes_path(pools_ns, "gpu"))
    wait_reason(server, pools_ns, "ClassNotFound")
    put_class(pools_ns, "gpu", gpu_class())
    wait_reason(server, pools_ns, "Configured")


REFUSED_POOLS = [
    ({"gpus": [{"model": "H100-80GB"}]}, "attaches 4 x A100-40GB"),
    ({"gpus": [{"model": "A100-40GB", "count": 5}]}, "asks for 5 x A100-40GB"),
    ({"gpus": [{"model": "no-such-card"}]}, "no-such-card"),
    ({"gpus": [{"model": "${MODEL}"}]}, "placeholder"),
    ({"mmio": {"sizeGB": 64}}, "64"),
]


@pytest.mark.parametrize("spec, words", REFUSED_POOLS)
def test_conditions__pool_that_cannot_be_right(
    server, controller, pools_ns, put_class, spec, words
):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns, **spec)
    pool = wait_reason(server, pools_ns, "InvalidNodePool")
    assert reasons(pool)["Ready"] == ("False", "InvalidNodePool")
    assert reasons(pool)["ClassPatched"] == ("False", "InvalidNodePool")
    assert words in conditions(pool)["Ready"]["message"]
    assert managed_of(server.must("GET", classes_path(pools_ns, "gpu"))) is None
    # The next word of the user is what counts.
    server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"gpus": None, "mmio": None}})
    wait_reason(server, pools_ns, "Configured")


def test_conditions__an_unsound_pool_harms_no_other(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns, "good")
    put_pool(server, pools_ns, "bad", gpus=[{"model": "T4", "count": 1}])
    wait_reason(server, pools_ns, "InvalidNodePool", name="bad")
    wait_reason(server, pools_ns, "Configured", name="good")
    vm_class = server.must("GET", classes_path(pools_ns, "gpu"))
    assert list(managed_of(vm_class)["pools"]) == [f"{pools_ns}/good"]


def test_conditions__a_typo_does_not_take_the_window_away(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    before = server.must("GET", classes_path(pools_ns, "gpu"))
    server.must(
        "PATCH", pool_path(pools_ns, "workers"), {"spec": {"gpus": [{"model": "A100-40GBB"}]}}
    )
    wait_reason(server, pools_ns, "InvalidNodePool")
    assert server.must("GET", classes_path(pools_ns, "gpu"))["spec"] == before["spec"]


def test_conditions__class_that_cannot_be_right(server, controller, pools_ns, put_class):
    spec = gpu_class(configSpec={"extraConfig": [{"key": "pciPassthru.use64bitMMIO", "value": 1}]})
    spec["configSpec"]["deviceChange"] = [{"device": {"_typeName": "VirtualPCIPassthrough"}}]
    put_class(pools_ns, "gpu", spec)
    put_pool(server, pools_ns)
    pool = wait_reason(server, pools_ns, "InvalidClass")
    assert reasons(pool)["ClassFound"] == ("True", "Found")
    assert reasons(pool)["Ready"] == ("False", "InvalidClass")


def test_conditions__what_is_not_known_is_not_ready(server, controller, pools_ns, put_class):
    extra = [
        {"_typeName": "OptionValue", "key": "pciPassthru.use64bitMMIO", "value": "TRUE"},
        {"_typeName": "OptionValue", "key": "pciPassthru.64bitMMIOSizeGB", "value": "512"},
    ]
    spec = {"hardware": {"cpus": 8, "memory": "64Gi"}, "configSpec": {"extraConfig": extra}}
    put_class(pools_ns, "baked", spec)
    put_class(pools_ns, "odd", gpu_class(1, {"vendorID": 0x10DE, "deviceID": 0x7FFF}))
    put_pool(server, pools_ns, "baked", vmClass="baked")
    put_pool(server, pools_ns, "odd", vmClass="odd")
    put_class(pools_ns, "foreign", gpu_class(1, {"vendorID": 0x1E52, "deviceID": 0xB140}))
    put_pool(server, pools_ns, "foreign", vmClass="foreign")
    for name in ("baked", "foreign"):
        pool = wait_reason(server, pools_ns, "GPUCountUnknown", name=name)
        assert reasons(pool)["Ready"] == ("Unknown", "GPUCountUnknown")
        assert "gpusPerNode" not in pool["status"] and "mmioGB" not in pool["status"]
    pool = wait_reason(server, pools_ns, "GPUSizeUnknown", name="odd")
    assert reasons(pool)["Ready"] == ("Unknown", "GPUSizeUnknown")
    assert pool["status"]["gpusPerNode"] == 1 and "mmioGB" not in pool["status"]
    server.must("PATCH", pool_path(pools_ns, "odd"), {"spec": {"mmio": {"sizeGB": 256}}})
    assert wait_reason(server, pools_ns, "Configured", name="odd")["status"]["mmioGB"] == 256


def test_conditions__without_the_right_to_write(server, installed, pools_ns, put_class):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nodeprep-controller-classes"
    before = server.must("GET", path)
    rules = [dict(before["rules"][0], verbs=["get", "list", "watch"])]
    put_class(pools_ns, "gpu", gpu_class())
    server.must("PATCH", path, role | {"rules": rules})
    try:
        with Controller(server) as running:
            running.wait_ready()
            put_pool(server, pools_ns)
            pool = wait_reason(server, pools_ns, "Forbidden")
            assert "patch" in conditions(pool)["Ready"]["message"]
            server.must("PATCH", path, role | {"rules": before["rules"]})
            wait_reason(server, pools_ns, "Configured")
    finally:
        server.must("PATCH", path, role | {"rules": before["rules"]})


ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def test_conditions__what_admission_refuses(server, controller, pools_ns, put_class):
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "frozen"},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pools_ns}},
                "resourceRules": [
                    {
                        "apiGroups": ["vmoperator.vmware.com"],
                        "apiVersions": ["*"],
                        "operations": ["UPDATE"],
                        "resources": ["virtualmachineclasses"],
                    }
                ],
            },
            "validations": [{"expression": "false", "message": "classes are frozen"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "frozen"},
        "spec": {"policyName": "frozen", "validationActions": ["Deny"]},
    }
    put_class(pools_ns, "gpu", gpu_class())
    server.must("POST", f"{ADMISSION}/validatingadmissionpolicies", policy)
    server.must("POST", f"{ADMISSION}/validatingadmissionpolicybindings", binding)
    try:
        body = {"metadata": {"labels": {"a": "b"}}}
        servers.wait_until(
            "the policy",
            lambda: server.request("PATCH", classes_path(pools_ns, "gpu"), body)[0] == 422,
        )
        put_pool(server, pools_ns)
        pool = wait_reason(server, pools_ns, "APIRejected")
        assert "classes are frozen" in conditions(pool)["Ready"]["message"]
    finally:
        server.must("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/frozen")
        server.must("DELETE", f"{ADMISSION}/validatingadmissionpolicies/frozen")
    wait_reason(server, pools_ns, "Configured")


def test_conditions__transition_times_are_kept(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    first = conditions(wait_reason(server, pools_ns, "Configured"))
    time.sleep(1.1)
    server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"replicas": 7}})
    pool = wait_reason(server, pools_ns, "Configured")
    assert pool["status"]["observedGeneration"] == 2
    for name, condition in conditions(pool).items():
        assert condition["lastTransitionTime"] == first[name]["lastTransitionTime"]
        assert condition["observedGeneration"] == 2


def test_conditions__those_of_others_are_kept(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    pool = wait_reason(server, pools_ns, "Configured")
    other = {"type": "example.org/Seen", "status": "True", "reason": "Seen", "message": "m"}
    other["lastTransitionTime"] = "2026-01-02T03:04:05Z"
    body = {"status": {"conditions": [*pool["status"]["conditions"], other]}}
    server.must("PATCH", f"{pool_path(pools_ns, 'workers')}/status", body)
    server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"replicas": 7}})
    pool = wait_reason(server, pools_ns, "Configured")
    assert conditions(pool)["example.org/Seen"] == other


# --- drift ----------------------------------------------------------------------------------------


def test_drift__is_mended_and_told(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    began = time.monotonic()
    patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
    wait_class(server, pools_ns, lambda c: c["spec"] == right)
    print(f"mended after {time.monotonic() - began:.3f} s")
    assert time.monotonic() - began < 10
    pool = wait_reason(server, pools_ns, "DriftCorrected", condition="Drifted")
    condition = conditions(pool)["Drifted"]
    assert condition["status"] == "False"
    assert condition["message"].startswith("'gitops' changed /spec/configSpec/firmware; restored")
    assert conditions(pool)["Ready"]["status"] == "True"
    assert wait_event(server, pools_ns, "DriftCorrected")["type"] == "Warning"


def test_drift__that_comes_again_is_one_event(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    for _ in range(2):
        patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
        wait_class(server, pools_ns, lambda c: c["spec"] == right)

    def is_counted():
        return wait_event(server, pools_ns, "DriftCorrected").get("series", {}).get("count") == 2

    servers.wait_until("the second one to be counted", is_counted, timeout=WAIT_S)
    events = events_of(server, pools_ns, "workers")
    assert sorted(e["reason"] for e in events) == ["DriftCorrected", "Patched"]
    listed = run_kubectl(server, "get", "events", "-n", pools_ns, "-o", "wide").stdout
    assert re.search(r"DriftCorrected.* 2 ", listed), listed


def test_drift__that_comes_again_is_counted_in_an_event_that_is_there(
    server, controller, pools_ns, put_class
):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    for number in range(3):
        patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
        wait_class(server, pools_ns, lambda c: c["spec"] == right)
        wait_event(server, pools_ns, "DriftCorrected")
        if number == 0:
            server.must("DELETE", f"{EVENTS}/namespaces/{pools_ns}/events")
            # A changed pool: the third drift is not yet a fight.
            server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"replicas": 3}})
            wait_pool(server, pools_ns, lambda p: p["status"]["observedGeneration"] == 2)

    def is_counted():
        found = [e for e in events_of(server, pools_ns) if e["reason"] == "DriftCorrected"]
        return [e.get("series", {}).get("count") for e in found] == [2]

    servers.wait_until("the third one to be counted in the second", is_counted, timeout=WAIT_S)


@contextlib.contextmanager
def with_events_that_may_only_be_created(server):
    """As in the ClusterRole of version 0.1."""
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nodeprep-controller-pools"
    before = server.must("GET", path)["rules"]
    rules = [dict(r, verbs=["create"]) if r["resources"] == ["events"] else r for r in before]
    server.must("PATCH", path, {"rules": rules})
    try:
        yield
    finally:
        server.must("PATCH", path, {"rules": before})


def test_drift__that_comes_again_is_told_where_events_may_not_be_patched(
    server, controller, pools_ns, put_class
):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    with with_events_that_may_only_be_created(server):
        for _ in range(2):
            patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
            wait_class(server, pools_ns, lambda c: c["spec"] == right)

        def are_told():
            return [e["reason"] for e in events_of(server, pools_ns)].count("DriftCorrected") == 2

        servers.wait_until("an Event for each", are_told, timeout=WAIT_S)


def test_drift__is_reported_for_restored_pools_alone(server, controller, pools_ns, put_class):
    """A refused pool of the class was not evaluated, so that its Event tells what is wrong with it."""
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    for name in ("refused", "refused-too"):
        put_pool(server, pools_ns, name, gpus=[{"model": "H100-80GB", "count": 7}])
        wait_reason(server, pools_ns, "InvalidNodePool", name=name)
    wait_reason(server, pools_ns, "Configured")
    patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
    wait_reason(server, pools_ns, "DriftCorrected", condition="Drifted")
    wait_event(server, pools_ns, "DriftCorrected", "workers")
    for name in ("refused", "refused-too"):
        wait_event(server, pools_ns, "InvalidNodePool", name)
        found = events_of(server, pools_ns, name)
        assert {e["reason"] for e in found} == {"InvalidNodePool"}, found
        assert not [e for e in found if "not compared" in e["note"]]
    lines = [m for m in controller.lines() if m.get("namespace") == pools_ns]
    refused = [m for m in lines if m.get("pool") == "refused"]
    assert refused and refused[0]["code"] == "InvalidNodePool" and refused[0]["class"] == "gpu"
    assert refused[0]["level"] == "warning" and refused[0]["time"]
    (restored,) = [m for m in lines if m.get("code") == "DriftCorrected" and "pool" not in m]
    assert restored["class"] == "gpu" and restored["msg"].startswith("patched: 'gitops' changed")


def test_drift__of_what_does_not_matter_is_left(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    changed = patch_class(server, pools_ns, {"spec": {"configSpec": {"annotation": "theirs"}}})
    server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"replicas": 7}})
    wait_pool(server, pools_ns, lambda p: p["status"]["observedGeneration"] == 2)
    after = server.must("GET", classes_path(pools_ns, "gpu"))
    assert after["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


def fight(server, ns, right, manager="gitops"):
    """Changes the class back three times; after the third it stays so."""
    for _ in range(2):
        patch_class(server, ns, {"spec": {"configSpec": {"firmware": "bios"}}}, manager)
        wait_class(server, ns, lambda c: c["spec"] == right)
    return patch_class(server, ns, {"spec": {"configSpec": {"firmware": "bios"}}}, manager)


def test_fight__a_class_changed_back_three_times_is_left(
    server, controller, pools_ns, put_class
):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    last = fight(server, pools_ns, right)
    pool = wait_reason(server, pools_ns, "Contended", condition="Drifted")
    assert reasons(pool) == {
        "Ready": ("False", "Contended"),
        "ClassFound": ("True", "Found"),
        "ClassPatched": ("False", "Contended"),
        "Drifted": ("True", "Contended"),
    }
    message = conditions(pool)["Drifted"]["message"]
    assert "3 times within 10 minutes" in message and "'gitops'" in message
    after = server.must("GET", classes_path(pools_ns, "gpu"))
    assert after["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"]
    # Another replica, or the same one restarted, knows it from the status.
    controller.stop()
    with Controller(server) as second:
        second.wait_ready()
        servers.wait_until("leadership", second.is_leading)
        servers.wait_until("its look at the class", lambda: second.metric("reconciles_total") > 0)
        time.sleep(1)
        after = server.must("GET", classes_path(pools_ns, "gpu"))
        assert after["metadata"]["resourceVersion"] == last["metadata"]["resourceVersion"]
        # A person's change starts it again.
        server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"replicas": 3}})
        wait_class(server, pools_ns, lambda c: c["spec"] == right)
        wait_reason(server, pools_ns, "Configured")


def test_fight__one_annotation_asks_for_another_attempt(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    fight(server, pools_ns, right)
    message = conditions(wait_reason(server, pools_ns, "Contended"))["Ready"]["message"]
    key = "nodeprep.dev/reconcile-requested-at"
    assert key in message
    annotations = {"metadata": {"annotations": {key: "2026-11-25T19:40:41Z"}}}
    server.must("PATCH", pool_path(pools_ns, "workers"), annotations)
    wait_class(server, pools_ns, lambda c: c["spec"] == right)
    wait_reason(server, pools_ns, "Configured")


def test_fight__the_other_writer_comes_round(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
    fight(server, pools_ns, right)
    wait_reason(server, pools_ns, "Contended")
    patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "efi"}}})
    wait_reason(server, pools_ns, "Configured")
    patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
    wait_class(server, pools_ns, lambda c: c["spec"] == right)


# --- deletion -------------------------------------------------------------------------------------


def test_deletion__restores_with_the_last_pool(server, controller, pools_ns, put_class):
    before = put_class(pools_ns, "gpu", gpu_class())
    for name in ("one", "two"):
        put_pool(server, pools_ns, name)
        wait_reason(server, pools_ns, "Configured", name=name)
    server.must("DELETE", pool_path(pools_ns, "one"))
    wait_gone(server, pool_path(pools_ns, "one"))
    vm_class = server.must("GET", classes_path(pools_ns, "gpu"))
    assert list(managed_of(vm_class)["pools"]) == [f"{pools_ns}/two"]
    assert "pciPassthru.64bitMMIOSizeGB" in dict(keys_of(vm_class))
    server.must("DELETE", pool_path(pools_ns, "two"))
    wait_gone(server, pool_path(pools_ns, "two"))
    after = server.must("GET", classes_path(pools_ns, "gpu"))
    assert after["spec"] == before["spec"]
    assert "annotations" not in after["metadata"]
    wait_event(server, pools_ns, "Restored", "two")


def test_deletion__while_nobody_looks(server, installed, pools_ns, put_class):
    before = put_class(pools_ns, "gpu", gpu_class())
    with Controller(server) as running:
        running.wait_ready()
        for name in ("one", "two"):
            put_pool(server, pools_ns, name)
            wait_reason(server, pools_ns, "Configured", name=name)
        assert running.stop() == 0
    server.must("DELETE", pool_path(pools_ns, "one"))
    # And one goes by force, so that no finalizer tells of it.
    server.must("PATCH", pool_path(pools_ns, "two"), {"metadata": {"finalizers": None}})
    server.must("DELETE", pool_path(pools_ns, "two"))
    assert managed_of(server.must("GET", classes_path(pools_ns, "gpu"))) is not None
    with Controller(server) as running:
        running.wait_ready()
        wait_gone(server, pool_path(pools_ns, "one"))
        after = wait_class(server, pools_ns, lambda c: c["spec"] == before["spec"])
        assert managed_of(after) is None


def test_deletion__pool_moves_to_another_class(server, controller, pools_ns, put_class):
    before = put_class(pools_ns, "gpu", gpu_class())
    put_class(pools_ns, "other", gpu_class(2))
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    server.must("PATCH", pool_path(pools_ns, "workers"), {"spec": {"vmClass": "other"}})
    wait_class(server, pools_ns, lambda c: c["spec"] == before["spec"])
    pool = wait_reason(server, pools_ns, "Configured")
    assert pool["status"]["vmClass"] == "other" and pool["status"]["gpusPerNode"] == 2


def test_deletion__class_that_is_gone_holds_nobody(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    server.must("DELETE", classes_path(pools_ns, "gpu"))
    server.must("DELETE", pool_path(pools_ns, "workers"))
    wait_gone(server, pool_path(pools_ns, "workers"))


HOSTILE = {
    "crash": '{"pools":{"ml/none":{"mmioGB":512,"holders":["controller"]}},'
    '"before":{"xkind":{"set":"VirtualMachineClass","absent":""}}}',
    "memory": '{"pools":{"ml/none":{"mmioGB":512,"holders":["controller"]}},'
    '"before":{"/spec/hardware/memory":{"set":"64Gi","value":"1Gi"}}}',
    "malformed": '{"pools":{"ml/none":{"holders":{"x":1}}},"before":null}',
    "huge": '{"pools":{"ml/none":{"mmioGB":4611686018427387904,"holders":["x"]}},"before":{}}',
}


@pytest.mark.parametrize("record", HOSTILE.values(), ids=HOSTILE.keys())
def test_record__invalid_is_told_and_never_written_from(
    server, controller, pools_ns, put_class, nodeprep, record
):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    patch_class(server, pools_ns, {"metadata": {"annotations": {"nodeprep.dev/managed": record}}})
    pool = wait_reason(server, pools_ns, "InvalidRecord")
    ready = conditions(pool)["Ready"]
    assert ready["status"] == "False" and "--discard-record" in ready["message"]
    assert wait_event(server, pools_ns, "InvalidRecord", "workers")["type"] == "Warning"
    server.must("DELETE", pool_path(pools_ns, "workers"))
    pool = wait_pool(
        server,
        pools_ns,
        lambda p: "being deleted" in conditions(p)["Ready"]["message"],
    )
    assert conditions(pool)["Ready"]["reason"] == "InvalidRecord"
    before = server.must("GET", classes_path(pools_ns, "gpu"))
    assert before["metadata"]["annotations"]["nodeprep.dev/managed"] == record
    text = yaml.safe_dump(pool)
    done = nodeprep("revert", "--discard-record", "-f", "-", input=text)
    assert done.rc == 0, done.err
    wait_gone(server, pool_path(pools_ns, "workers"))
    after = server.must("GET", classes_path(pools_ns, "gpu"))
    assert after["spec"] == before["spec"] and managed_of(after) is None
    wait_event(server, pools_ns, "Released", "workers")
    assert controller.process.poll() is None
    assert not [line for line in controller.lines() if "out of memory" in str(line)]


def test_deletion__finalizers_of_others_are_kept(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    path = pool_path(pools_ns, "workers")
    both = ["example.org/theirs", "nodeprep.dev/class"]
    server.must("PATCH", path, {"metadata": {"finalizers": both}})
    server.must("DELETE", path)
    pool = wait_pool(
        server, pools_ns, lambda p: "nodeprep.dev/class" not in p["metadata"]["finalizers"]
    )
    assert pool["metadata"]["finalizers"] == ["example.org/theirs"]
    server.must("PATCH", path, {"metadata": {"finalizers": None}})
    wait_gone(server, path)


def test_deletion__what_apply_holds_stays(server, controller, pools_ns, put_class, nodeprep):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    body = pool_body(pools_ns, "workers", {})
    assert nodeprep("apply", "-f", "-", input=yaml.safe_dump(body)).rc == 0
    server.must("DELETE", pool_path(pools_ns, "workers"))
    wait_gone(server, pool_path(pools_ns, "workers"))
    vm_class = server.must("GET", classes_path(pools_ns, "gpu"))
    assert managed_of(vm_class)["pools"][f"{pools_ns}/workers"]["holders"] == ["apply"]


# --- replicas -------------------------------------------------------------------------------------


def lease_of(server):
    path = f"{LEASES}/namespaces/{SYSTEM}/leases/nodeprep-controller"
    return server.must("GET", path)["spec"]


def test_replicas__the_other_takes_over(server, installed, pools_ns, put_class):
    server.mark()
    with contextlib.ExitStack() as stack:
        pair = [stack.enter_context(Controller(server)).wait_ready() for _ in range(2)]
        leader = servers.wait_until(
            "a leader", lambda: next((c for c in pair if c.is_leading()), None)
        )
        other = pair[1 - pair.index(leader)]
        assert not other.is_leading()
        first = lease_of(server)
        put_class(pools_ns, "gpu", gpu_class())
        put_pool(server, pools_ns)
        wait_reason(server, pools_ns, "Configured")
        leader.kill()
        began = time.monotonic()
        put_pool(server, pools_ns, "second")
        wait_reason(server, pools_ns, "Configured", name="second")
        took = time.monotonic() - began
        print(f"taken over after {took:.3f} s of a lease of 4 s")
        assert other.is_leading()
        second = lease_of(server)
        assert second["holderIdentity"] != first["holderIdentity"]
        assert second["leaseTransitions"] == first["leaseTransitions"] + 1
        assert_no_double_write(server)
        # The one that is asked to end gives the lease back, and nobody waits for its end.
        assert other.stop() == 0
        assert lease_of(server)["holderIdentity"] == ""
        third = stack.enter_context(Controller(server))
        servers.wait_until("leadership", third.is_leading, timeout=30)


def writes_of(server):
    """Returns what the controllers wrote, in order, but for leases and Events."""
    return [
        entry
        for entry in server.requests()
        if entry["verb"] == "patch"
        and "controller" in entry["user"]
        and "leases" not in entry["path"]
        and "events" not in entry["path"]
    ]


def assert_no_double_write(server):
    """Each class and each pool's status was written once for what happened to it."""
    paths = [w["path"] for w in writes_of(server) if w["status"] == 200]
    classes = [p for p in paths if p.endswith("/virtualmachineclasses/gpu")]
    # Once for each of the two pools.
    assert len(classes) == 2, paths
    for name in ("workers", "second"):
        assert len([p for p in paths if p.endswith(f"/{name}/status")]) == 1, paths
        assert len([p for p in paths if p.endswith(f"/nodepools/{name}")]) == 1, paths


def test_replicas__a_frozen_leader_wakes_up_as_none(server, installed, pools_ns, put_class):
    """It believed to hold the lease when it fell asleep; its clock tells it otherwise."""
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    with contextlib.ExitStack() as stack:
        pair = [stack.enter_context(Controller(server)).wait_ready() for _ in range(2)]
        leader = servers.wait_until(
            "a leader", lambda: next((c for c in pair if c.is_leading()), None)
        )
        other = pair[1 - pair.index(leader)]
        wait_reason(server, pools_ns, "Configured")
        right = server.must("GET", classes_path(pools_ns, "gpu"))["spec"]
        before = leader.metric("class_patches_total"), leader.metric("status_writes_total")
        leader.process.send_signal(signal.SIGSTOP)
        try:
            servers.wait_until("the other's lead", other.is_leading)
            patch_class(server, pools_ns, {"spec": {"configSpec": {"firmware": "bios"}}})
            wait_class(server, pools_ns, lambda c: c["spec"] == right)
        finally:
            leader.process.send_signal(signal.SIGCONT)
        servers.wait_until("its insight", lambda: not leader.is_leading())
        time.sleep(2)
        after = leader.metric("class_patches_total"), leader.metric("status_writes_total")
        assert after == before and other.is_leading() and not leader.is_leading()


def test_replicas__without_the_lease_nothing_is_written(server, installed, pools_ns, put_class):
    path = f"{LEASES}/namespaces/{SYSTEM}/leases/nodeprep-controller"
    put_class(pools_ns, "gpu", gpu_class())
    with Controller(server) as running:
        running.wait_ready()
        servers.wait_until("leadership", running.is_leading)
        # Another replica holds it from here on.
        thief = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}
        server.must("PATCH", path, thief)
        servers.wait_until("its loss", lambda: not running.is_leading())
        server.mark()
        put_pool(server, pools_ns)
        time.sleep(3)
        assert writes_of(server) == []
        assert "status" not in server.must("GET", pool_path(pools_ns, "workers"))
        # It takes the lease again once it is free, and finds what has happened meanwhile.
        server.must("PATCH", path, {"spec": {"holderIdentity": ""}})
        wait_reason(server, pools_ns, "Configured")


def test_rest__nothing_but_watches_and_the_lease(server, controller, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    put_pool(server, pools_ns)
    wait_reason(server, pools_ns, "Configured")
    time.sleep(1)
    server.mark()
    time.sleep(5)
    made = [r for r in server.requests() if "controller" in r["user"]]
    assert made and all(r["verb"] == "patch" and "/leases/" in r["path"] for r in made), made


# --- the process ----------------------------------------------------------------------------------


def test_process__health_metrics_and_logs(server, controller):
    assert controller.get("/healthz") == (200, "ok\n")
    assert controller.get("/readyz") == (200, "ok\n")
    assert controller.get("/nothing")[0] == 404
    status, text = controller.get("/metrics", "metrics-listen")
    assert status == 200
    for line in text.splitlines():
        assert line.startswith(("# HELP ", "# TYPE ", "nodeprep_")), line
    # Prometheus' naming rules: base units, and a sentence for each metric.
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    helps = dict(re.findall(r"^# HELP (\S+) ([A-Z0-9].*\.)$", text, re.M))
    assert types.keys() == helps.keys() and "milliseconds" not in text
    assert types["nodeprep_controller_reconcile_duration_seconds"] == "summary"
    assert re.search(r"^nodeprep_controller_reconcile_duration_seconds_sum \d+\.\d{3}$", text, re.M)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in types.items())
    assert all({"level", "msg"} <= set(line) for line in controller.lines())
    raw = controller.log.read_text().splitlines()
    assert len(raw) == len(controller.lines())


USAGE = [
    (["--workers=0"], "--workers"),
    (["--workers=65"], "workers"),
    (["--cluster-id="], "cluster id"),
    (["--cluster-id=a/b"], "cluster id 'a/b'"),
    (["--health-listen=nonsense"], "HOST:PORT"),
    (["--health-listen=127.0.0.1:70000"], "HOST:PORT"),
    (["--leader-elect-lease-duration=1s"], "lease duration"),
    (["--leader-elect-renew-deadline=20s"], "lease duration"),
    (["--leader-elect=perhaps"], "expected true or false"),
    (["--no-such"], "--no-such"),
    (["extra"], "extra"),
]


@pytest.mark.parametrize("args, words", USAGE)
def test_process__usage(nodeprep, args, words):
    done = nodeprep("controller", *args)
    assert done.rc == 2 and words in done.err and done.out == "", done.err
