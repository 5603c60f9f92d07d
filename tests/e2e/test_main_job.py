# SPDX-License-Identifier: Apache-2.0
"""The main job: from a pool specification to a patched class, against whichever server runs."""

import json

import pytest

from builders import (
    A100, H100, H200, MANAGED, NIC, SIZE, T4, USE64, config_spec, dump, hardware, ids_of, keys_of,
    option, pool, writes,
)


@pytest.mark.parametrize(
    ("devices", "window"),
    [
        pytest.param([A100] * 4, "512", id="four A100-40GB take 512"),
        pytest.param([A100] * 3, "512", id="three A100-40GB take 512"),
        pytest.param([A100] * 5, "1024", id="five A100-40GB take 1024"),
        pytest.param([H200] * 2, "1024", id="two H200 take 1024"),
        pytest.param([H100] * 8, "2048", id="eight H100-80GB take 2048"),
    ],
)
def test_apply_sets_window_and_keeps_every_gpu(
    server, ns, nodeprep, put_class, get_class, devices, window
):
    put_class(ns, "gpu", hardware(*devices))
    server.mark()
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(pool(ns, "workers", "gpu")))
    assert done.rc == 0, done.err
    stored = get_class(ns, "gpu")
    result = done.json["classes"][0]
    assert result["result"] == "patched"
    assert result["attempts"] == 1
    assert result["resourceVersion"] == stored["metadata"]["resourceVersion"]
    assert sorted(keys_of(stored)) == [(SIZE, window), (USE64, "TRUE")]
    assert ids_of(stored) == [(d["vendorID"], d["deviceID"]) for d in devices]
    assert stored["spec"]["configSpec"]["firmware"] == "efi"
    assert "memoryReservationLockedToMax" not in stored["spec"]["configSpec"]
    assert stored["spec"]["policies"]["resources"]["requests"]["memory"] == "256Gi"
    managed = json.loads(stored["metadata"]["annotations"][MANAGED])
    assert managed["pools"] == {f"{ns}/workers": {"holders": ["apply"], "mmioGB": int(window)}}


def test_second_apply_makes_only_reads(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100, A100))
    text = dump(pool(ns, "workers", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    before = get_class(ns, "gpu")
    server.mark()
    done = nodeprep("apply", "-f", "-", input=text)
    assert done.rc == 0
    assert done.out == "virtualmachineclass.vmoperator.vmware.com/gpu unchanged\n"
    verbs = [r["verb"] for r in server.requests()]
    assert verbs and not writes(server)
    assert get_class(ns, "gpu") == before


def test_t4_gets_no_key_but_its_memory(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "t4", hardware(T4, memory="64Gi"))
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "t4"))).rc == 0
    stored = get_class(ns, "t4")
    assert "configSpec" not in stored["spec"]
    assert stored["spec"]["hardware"]["devices"]["dynamicDirectPathIODevices"] == [T4]
    assert stored["spec"]["policies"]["resources"]["requests"]["memory"] == "64Gi"


def test_class_without_gpu_is_left_alone(server, ns, nodeprep, put_class):
    put_class(ns, "cpu", hardware())
    server.mark()
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "cpu")))
    assert done.rc == 0, done.err
    assert "unchanged" in done.out
    assert not writes(server)


def test_class_right_by_hand_is_left_alone(server, ns, nodeprep, put_class):
    spec = hardware(memory="256Gi")
    spec["configSpec"] = config_spec(
        *[A100] * 4,
        extra=[option(USE64, "TRUE"), option(SIZE, "512")],
        firmware="efi",
        memoryReservationLockedToMax=True,
    )
    # The same amount in another spelling is the same quantity.
    spec["policies"] = {"resources": {"requests": {"memory": "262144Mi"}}}
    put_class(ns, "gpu", spec)
    server.mark()
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    assert done.json["classes"][0]["result"] == "unchanged"
    assert done.json["classes"][0]["patch"] == {}
    assert not writes(server)


def test_unrelated_entries_survive_in_order(server, ns, nodeprep, put_class, get_class):
    spec = hardware(memory="128Gi")
    extra = [
        option("zeta.first", "1"),
        option("PCIPASSTHRU.64BITMMIOSIZEGB", "64"),
        option("alpha.second", "kept"),
        option(USE64, "TRUE"),
        {"_typeName": "OptionValue", "key": "numbers.too", "value": 7},
    ]
    spec["configSpec"] = config_spec(A100, A100, extra=extra, numCoresPerSocket=4, foo={"b": [1, 2]})
    put_class(ns, "gpu", spec, labels={"team": "ml"}, annotations={"note": "ours"})
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    stored = get_class(ns, "gpu")
    assert keys_of(stored) == [
        ("zeta.first", "1"),
        (SIZE, "512"),
        ("alpha.second", "kept"),
        (USE64, "TRUE"),
        ("numbers.too", 7),
    ]
    assert stored["spec"]["configSpec"]["extraConfig"][4] == extra[4]
    assert stored["spec"]["configSpec"]["numCoresPerSocket"] == 4
    assert stored["spec"]["configSpec"]["foo"] == {"b": [1, 2]}
    assert stored["metadata"]["labels"] == {"team": "ml"}
    assert stored["metadata"]["annotations"]["note"] == "ours"
    assert ids_of(stored) == [(0x10DE, 0x20B0)] * 2


def test_larger_standing_window_is_kept_and_said(server, ns, nodeprep, put_class, get_class):
    spec = hardware(memory="128Gi")
    spec["configSpec"] = config_spec(A100, extra=[option(USE64, "TRUE"), option(SIZE, "2048")])
    put_class(ns, "gpu", spec)
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0
    assert "window-kept" in done.err
    assert (SIZE, "2048") in keys_of(get_class(ns, "gpu"))
    done = nodeprep("apply", "-f", "-", "--allow-shrink", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu"))


def test_limits_below_memory_are_refused_before_any_write(server, ns, nodeprep, put_class):
    put_class(ns, "good", hardware(A100))
    spec = hardware(A100)
    spec["policies"] = {"resources": {"limits": {"memory": "128Gi"}}}
    put_class(ns, "bad", spec)
    server.mark()
    text = dump(pool(ns, "one", "good"), pool(ns, "two", "bad"))
    done = nodeprep("apply", "-f", "-", input=text)
    assert done.rc == 3
    assert "limits.memory '128Gi' is below hardware.memory '256Gi'" in done.err
    assert not writes(server)


def test_nic_beside_gpus_is_carried_but_not_counted(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "mixed", hardware(NIC, A100, A100))
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(pool(ns, "w", "mixed")))
    assert done.json["pools"][0]["gpusPerNode"] == 2
    assert len(ids_of(get_class(ns, "mixed"))) == 3


def test_vgpu_comes_before_directpath(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "both", hardware(T4, vgpus=["grid_a100-40c"]))
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "both"))).rc == 0
    backings = [
        change["device"]["backing"]["_typeName"]
        for change in get_class(ns, "both")["spec"]["configSpec"]["deviceChange"]
    ]
    assert backings == [
        "VirtualPCIPassthroughVmiopBackingInfo",
        "VirtualPCIPassthroughDynamicBackingInfo",
    ]


def test_hidden_devices_are_told_and_restored_on_request(
    server, ns, nodeprep, put_class, get_class
):
    spec = hardware(A100, A100)
    spec["configSpec"] = {}
    put_class(ns, "gpu", spec)
    text = dump(pool(ns, "w", "gpu", gpus=[{"model": "A100-40GB", "count": 2}]))
    done = nodeprep("apply", "-f", "-", input=text)
    assert done.rc == 3
    assert "--restore-hidden-devices" in done.err
    done = nodeprep("apply", "-f", "-", "--restore-hidden-devices", input=text)
    assert done.rc == 0, done.err
    assert ids_of(get_class(ns, "gpu")) == [(0x10DE, 0x20B0)] * 2


def test_pools_that_share_a_class_take_the_largest_need(
    server, ns, nodeprep, put_class, get_class
):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "a", "gpu", mmio={"minimumGB": 64}), pool(ns, "b", "gpu"))
    done = nodeprep("apply", "-f", "-", input=text)
    assert done.rc == 0
    assert "class-shared" in done.err
    stored = get_class(ns, "gpu")
    assert (SIZE, "512") in keys_of(stored)
    managed = json.loads(stored["metadata"]["annotations"][MANAGED])
    assert {k: v["mmioGB"] for k, v in managed["pools"].items()} == {
        f"{ns}/a": 128,
        f"{ns}/b": 512,
    }


def test_diff_shows_the_change_and_writes_nothing(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    server.mark()
    done = nodeprep("diff", "-f", "-", input=text)
    assert done.rc == 1, done.err
    assert "+    firmware: efi\n" in done.out
    assert done.out.startswith("--- LIVE/")
    assert not writes(server)
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("diff", "-f", "-", input=text)
    assert (done.rc, done.out) == (0, "")


def test_external_diff_is_run_as_kubectl_runs_it(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    put_class(ns, "gpu2", hardware(A100))
    text = dump(pool(ns, "w", "gpu"), pool(ns, "v", "gpu2"))
    done = nodeprep("diff", "-f", "-", input=text, env={"KUBECTL_EXTERNAL_DIFF": "diff -r -U1"})
    assert done.rc == 1, done.err
    assert done.out.count("+    firmware: efi\n") == 2
    done = nodeprep("diff", "-f", "-", input=text, env={"KUBECTL_EXTERNAL_DIFF": "no-such-program"})
    assert done.rc == 2
    assert "no-such-program" in done.err


@pytest.mark.parametrize("mode", ["client", "server"])
def test_dry_run_changes_nothing(server, ns, nodeprep, put_class, get_class, mode):
    put_class(ns, "gpu", hardware(A100))
    before = get_class(ns, "gpu")
    server.mark()
    done = nodeprep("apply", "-f", "-", f"--dry-run={mode}", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    assert "dry run" in done.out
    assert len(writes(server)) == (0 if mode == "client" else 1)
    assert get_class(ns, "gpu") == before


def test_missing_class_is_exit_4_and_writes_nothing(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    server.mark()
    text = dump(pool(ns, "one", "gpu"), pool(ns, "two", "nowhere"))
    done = nodeprep("apply", "-f", "-", "-o", "json", input=text)
    assert done.rc == 4
    assert f"VirtualMachineClass 'nowhere' not found in namespace '{ns}'" in done.err
    assert done.json["errors"][0]["code"] == "not-found"
    assert not writes(server)


def test_plan_of_tkc_and_cluster_reads_classes_of_the_server(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    tkc = {
        "apiVersion": "run.tanzu.vmware.com/v1alpha3",
        "kind": "TanzuKubernetesCluster",
        "metadata": {"name": "tkc", "namespace": ns},
        "spec": {"topology": {"nodePools": [{"name": "np", "replicas": 2, "vmClass": "gpu"}]}},
    }
    cluster = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {"name": "c", "namespace": ns},
        "spec": {
            "topology": {
                "classRef": {"name": "tanzukubernetescluster"},
                "variables": [{"name": "vmClass", "value": "small"}],
                "workers": {
                    "machineDeployments": [
                        {
                            "class": "node-pool",
                            "name": "md",
                            "replicas": 1,
                            "variables": {"overrides": [{"name": "vmClass", "value": "gpu"}]},
                        }
                    ]
                },
            }
        },
    }
    done = nodeprep("plan", "-f", "-", "-o", "json", input=dump(tkc, cluster))
    assert done.rc == 0, done.err
    assert [(p["name"], p["gpusPerNode"], p["mmioGB"]) for p in done.json["pools"]] == [
        ("np", 2, 512),
        ("md", 2, 512),
    ]
    assert done.json["classes"][0]["pools"] == ["np", "md"]


def test_concurrent_writer_leads_to_a_fresh_plan(server, ns, nodeprep, put_class, get_class):
    """Another client adds entries as fast as the API takes them while nodeprep applies; all of them stay."""
    import threading

    spec = hardware(memory="128Gi")
    spec["configSpec"] = config_spec(A100, A100)
    put_class(ns, "gpu", spec)
    path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{ns}/virtualmachineclasses/gpu"
    added = []
    stop = threading.Event()

    def write():
        for number in range(400):
            if stop.is_set():
                return
            current = get_class(ns, "gpu")
            extra = current["spec"]["configSpec"]["extraConfig"] + [option(f"other.{number}", "x")]
            body = {
                "metadata": {"resourceVersion": current["metadata"]["resourceVersion"]},
                "spec": {"configSpec": {"extraConfig": extra}},
            }
            status, _, _ = server.request(
                "PATCH", path, body, content_type="application/merge-patch+json"
            )
            assert status in (200, 409)
            if status == 200:
                added.append(f"other.{number}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        runs = [
            nodeprep("apply", "-f", "-", "-o", "json", input=dump(pool(ns, f"w{i}", "gpu")))
            for i in range(8)
        ]
    finally:
        stop.set()
        writer.join()
    assert [run.rc for run in runs] == [0] * 8, [run.err for run in runs]
    stored = get_class(ns, "gpu")
    keys = [key for key, _ in keys_of(stored)]
    assert added, "the other writer never wrote: the test would prove nothing"
    assert [key for key in keys if key.startswith("other.")] == added
    assert keys.count(SIZE) == keys.count(USE64) == 1
    managed = json.loads(stored["metadata"]["annotations"][MANAGED])
    assert sorted(managed["pools"]) == [f"{ns}/w{i}" for i in range(8)]
