# SPDX-License-Identifier: Apache-2.0
"""check: what is not as the pools need it, from class to VM to image, against whichever server runs."""

import contextlib
import json
import re
import time

import pytest

import servers
from builders import A100, H200, MANAGED, SIZE, T4, USE64, config_spec, dump, hardware, option, pool, writes
from fixtures import CLASSES, classes_path

ANNOTATION = "vmoperator.vmware.com/pci-passthru-64bit-mmio-size"
PATCH = "application/merge-patch+json"
MEMBERS = {"code", "severity", "object", "namespace", "name", "path", "from", "to", "message",
           "action", "writer"}


def document(kind, name, ns=None, **members):
    metadata = {"name": name, **({"namespace": ns} if ns else {}), **members.pop("metadata", {})}
    return {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": kind, "metadata": metadata, **members}


def machine(ns, name, vm_class="gpu", annotations=None, created=None, **spec):
    metadata = {"annotations": annotations or {}}
    if created:
        metadata["creationTimestamp"] = created
    return document("VirtualMachine", name, ns, metadata=metadata,
                    spec={"className": vm_class, **spec})


def vm_class(ns, name, spec, **metadata):
    return document("VirtualMachineClass", name, ns, metadata=metadata, spec=spec)


def right(*devices, window="512", **members):
    """A class that lacks nothing, made so by hand."""
    spec = hardware()
    spec["configSpec"] = config_spec(
        *devices, extra=[option(USE64, "TRUE"), option(SIZE, window)], firmware="efi",
        memoryReservationLockedToMax=True, **members,
    )
    spec["policies"] = {"resources": {"requests": {"memory": "256Gi"}}}
    return spec


@pytest.fixture
def put(server):
    """put(document, status=None) creates an object of any kind of the group."""

    def create(body, status=None):
        kind, ns = body["kind"].lower(), body["metadata"].get("namespace")
        path = CLASSES + (f"/namespaces/{ns}" if ns else "") + f"/{kind}s"
        stored = server.must("POST", path, body)
        if status:
            path += f"/{body['metadata']['name']}/status"
            stored = server.must("PATCH", path, {"status": status})
        return stored

    return create


def codes(done):
    return [(f["code"], f["name"]) for f in done.json["findings"]]


def next_second():
    """Times are whole seconds: what is done now differs from what was done before."""
    time.sleep(1.05 - time.time() % 1)


# --- offline ---------------------------------------------------------------------------------------


def test_drift_has_paths_values_and_reasons_and_exit_status_1(nodeprep):
    text = dump(pool("ml", "w", "gpu"), vm_class("ml", "gpu", hardware(A100)))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text, env={"KUBECONFIG": None})
    assert done.rc == 1, done.err
    assert done.json["kind"] == "Check"
    assert {"pools", "classes", "warnings", "errors", "virtualMachines", "images"} <= set(done.json)
    drift = [f for f in done.json["findings"] if f["code"] == "class-drift"]
    changes = done.json["classes"][0]["changes"]
    assert [(f["path"], f["from"], f["to"]) for f in drift] == [
        (c["path"], c["from"], c["to"]) for c in changes
    ]
    assert all(set(f) == MEMBERS for f in done.json["findings"])
    assert all(c["reason"] in f["message"] for f, c in zip(drift, changes))
    # A field differs from another of the same name.
    named = {f["path"]: f["message"].split(" is ")[0] for f in drift}
    assert named["/spec/policies/resources/requests/memory"] == "requests.memory"
    assert named["/spec/configSpec/firmware"] == "firmware"
    assert {f["writer"] for f in drift} == {None}
    assert {(f["severity"], f["object"], f["namespace"], f["name"]) for f in drift} == {
        ("error", "VirtualMachineClass", "ml", "gpu")
    }
    # The same pool and class are the same difference to diff.
    assert nodeprep("diff", "-f", "-", input=text, env={"KUBECONFIG": None}).rc == 1


@pytest.mark.parametrize("spec, mmio, state", [
    pytest.param(right(A100), {}, "up to date", id="up to date"),
    pytest.param(hardware(A100), {}, "outdated", id="outdated"),
    pytest.param(right(A100), {"sizeGB": 64}, "error", id="a pool that cannot be"),
    pytest.param(right(), {}, "unknown", id="keys and no device"),
])
def test_plans_table_calls_no_class_right_that_is_not(nodeprep, spec, mmio, state):
    text = dump(pool("ml", "w", "gpu", mmio=mmio), vm_class("ml", "gpu", spec))
    done = nodeprep("plan", "-f", "-", input=text, env={"KUBECONFIG": None})
    [row] = [line for line in done.out.splitlines() if line.endswith("   w") and " gpu " in line]
    assert re.split(r"\s{2,}", row)[-2] == state, done.out


def test_right_class_has_no_findings_and_unknown_vms_are_told(nodeprep):
    text = dump(pool("ml", "w", "gpu"), vm_class("ml", "gpu", right(A100)))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text, env={"KUBECONFIG": None})
    assert done.rc == 0, done.err
    assert [(f["code"], f["severity"]) for f in done.json["findings"]] == [("vms-unknown", "unknown")]
    table = nodeprep("check", "-f", "-", input=text, env={"KUBECONFIG": None})
    assert table.rc == 0 and "the input has no VirtualMachine" in table.out
    assert nodeprep("check", "-f", "-", "-o", "yaml", input=text).rc == 0
    assert nodeprep("check", "-f", "-", "-o", "wide", input=text).rc == 0
    assert nodeprep("check", "-f", "-", "-o", "svg", input=text).rc == 2


def test_class_without_devices_asks_nothing_of_its_vms(nodeprep):
    text = dump(pool("ml", "w", "cpu"), vm_class("ml", "cpu", hardware()), machine("ml", "a", "cpu"))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert (done.rc, done.json["findings"], done.json["virtualMachines"]) == (0, [], [])
    table = nodeprep("check", "-f", "-", input=text)
    assert table.out == "no findings: 1 class(es), 0 virtual machine(s)\n"


@pytest.mark.parametrize(
    ("documents", "rc", "word"),
    [
        pytest.param([], 4, "not found", id="class that is missing"),
        pytest.param(
            [vm_class("ml", "gpu", {"configSpec": {"extraConfig": [{"key": "a", "value": "b"}]}})],
            3, "no '_typeName'", id="class that is broken as it stands",
        ),
    ],
)
def test_errors_of_plan_are_errors_of_check(nodeprep, documents, rc, word):
    other = vm_class("ml", "other", hardware(T4))
    text = dump(pool("ml", "w", "gpu"), pool("ml", "v", "other"), other, *documents)
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    planned = nodeprep("plan", "-f", "-", "-o", "json", input=text)
    assert (done.rc, planned.rc) == (rc, rc)
    assert done.json["errors"] == planned.json["errors"]
    assert word in done.json["errors"][0]["message"]
    # What else is wrong is still reported.
    assert ("class-drift", "other") in codes(done)


def test_bad_input_and_usage(nodeprep):
    assert nodeprep("check").rc == 2
    assert nodeprep("check", "-f", "-", "extra", input="").rc == 2
    done = nodeprep("check", "-f", "-", input="a: [")
    assert (done.rc, done.out) == (3, "")
    done = nodeprep("check", "-f", "-", input=dump(pool("ml", "w", "gpu")), env={"KUBECONFIG": "/none"})
    assert done.rc == 2 and "no API server" in done.err


def judge(nodeprep, spec, *documents, vm_class_name="gpu"):
    text = dump(pool("ml", "w", vm_class_name), vm_class("ml", vm_class_name, spec), *documents)
    return nodeprep("check", "-f", "-", "-o", "json", input=text, env={"KUBECONFIG": None})


FIELDS = [
    {"manager": "kubectl-create", "operation": "Update", "time": "2026-03-01T00:00:00Z",
     "fieldsV1": {"f:spec": {".": {}, "f:hardware": {}}}},
]


@pytest.mark.parametrize(
    ("window", "annotation", "recreate", "resize", "found"),
    [
        pytest.param("1024", None, 1024, 512, [], id="no annotation: a resize sets 512"),
        pytest.param("1024", "1024", 1024, 1024, [], id="the right annotation"),
        pytest.param("1024", "256", 1024, 256, ["vm-annotation"], id="an annotation that is too small"),
        pytest.param("1024", "2048", 1024, 2048, ["vm-annotation"], id="one that is larger"),
        pytest.param("1024", "0", 1024, None, [], id="0 sets nothing"),
        pytest.param("1024", "much", 1024, None, ["vm-annotation"], id="no number"),
        pytest.param("512", None, 512, 512, [], id="512 is what VM Operator sets"),
    ],
)
def test_what_happens_to_a_vm_made_anew_and_resized(
    nodeprep, window, annotation, recreate, resize, found
):
    devices = [H200, H200] if window == "1024" else [A100]
    vm = machine("ml", "a", annotations={ANNOTATION: annotation} if annotation else {},
                 created="2026-03-01T00:00:01Z")
    text = dump(pool("ml", "w", "gpu"),
                vm_class("ml", "gpu", right(*devices, window=window), managedFields=FIELDS), vm)
    done = nodeprep("check", "-f", "-", "-o", "json", input=text, env={"KUBECONFIG": None})
    assert done.rc == 0, done.err
    assert [f["code"] for f in done.json["findings"]] == found
    (listed,) = done.json["virtualMachines"]
    assert (listed["annotation"], listed["onRecreateGB"], listed["onResizeGB"]) == (
        annotation, recreate, resize
    )
    assert listed["madeBeforeChange"] is False
    assert "the class's" in listed["onRecreate"]
    assert ("512" if annotation is None else annotation) in listed["onResize"]


@pytest.mark.parametrize(
    ("spec", "image", "found"),
    [
        pytest.param({"imageName": "vmi-1"}, "bios", ["image-bios"], id="imageName is an object"),
        pytest.param({"imageName": "ubuntu"}, "BIOS", ["image-bios"], id="imageName is shown"),
        pytest.param({"imageName": "vmi-1"}, "efi", [], id="efi"),
        pytest.param({"imageName": "vmi-1"}, None, [], id="an image that names none"),
        pytest.param({"imageName": "gone"}, "bios", ["image-unknown"], id="an image that is gone"),
        pytest.param({}, "bios", [], id="no image"),
        pytest.param(
            {"imageName": "vmi-1", "bootOptions": {"firmware": "efi"}}, "bios", [],
            id="the VM's own firmware stands before the image's",
        ),
        pytest.param({"bootOptions": {"firmware": "bios"}}, "efi", ["vm-bios"], id="the VM's is bios"),
        pytest.param(
            {"image": {"kind": "ClusterVirtualMachineImage", "name": "vmi-1"}}, "bios",
            ["image-unknown"], id="another kind of image",
        ),
        pytest.param(
            {"image": {"kind": "VirtualMachineImage", "name": "vmi-1"}}, "bios", ["image-bios"],
            id="image of a kind",
        ),
    ],
)
def test_firmware_of_vm_and_image_stand_before_the_class(nodeprep, spec, image, found):
    vm = machine("ml", "a", created="2026-03-01T00:00:01Z", **spec)
    status = {"name": "ubuntu", **({"firmware": image} if image else {})}
    text = dump(
        pool("ml", "w", "gpu"), vm_class("ml", "gpu", right(A100), managedFields=FIELDS), vm,
        document("VirtualMachineImage", "vmi-1", "ml", status=status),
        document("VirtualMachineImage", "vmi-1", "other", status={"firmware": "bios"}),
    )
    done = nodeprep("check", "-f", "-", "-o", "json", input=text, env={"KUBECONFIG": None})
    assert [f["code"] for f in done.json["findings"]] == found
    assert done.rc == (1 if found in (["image-bios"], ["vm-bios"]) else 0)
    if found == ["image-bios"]:
        (finding,) = done.json["findings"]
        assert finding["name"] == "a" and "vmi-1" in finding["message"]
        (listed,) = done.json["images"]
        assert listed["virtualMachines"] == ["ml/a"]


def test_window_that_the_status_tells_counts_before_times(nodeprep):
    managed = {"pools": {"ml/w": {"mmioGB": 512, "holders": ["apply"]}},
               "before": {"/spec/configSpec/firmware": {"absent": "/spec/configSpec/firmware",
                                                        "set": "efi"}}}
    fields = [{"manager": "nodeprep", "operation": "Update", "time": "2026-05-01T00:00:00Z",
               "fieldsV1": {"f:spec": {"f:configSpec": {"f:firmware": {}}}}}]
    cls = vm_class("ml", "gpu", right(A100), managedFields=fields,
                   annotations={MANAGED: json.dumps(managed)})
    vms = [
        {**machine("ml", "old", created="2026-04-01T00:00:00Z")},
        {**machine("ml", "same", created="2026-05-01T00:00:00Z")},
        {**machine("ml", "new", created="2026-05-01T00:00:01Z")},
        {**machine("ml", "right", created="2026-04-01T00:00:00Z"),
         "status": {"extraConfig": [{"key": SIZE, "value": "512"}]}},
        {**machine("ml", "small", created="2026-06-01T00:00:00Z"),
         "status": {"extraConfig": [{"key": SIZE, "value": "256"}]}},
        {**machine("ml", "otherwise", created="2026-04-01T00:00:00Z"),
         "status": {"extraConfig": [{"key": SIZE.lower(), "value": "512"}]}},
        machine("ml", "undated"),
        machine("elsewhere", "far", created="2026-01-01T00:00:00Z"),
        machine("ml", "of-another-class", "other", created="2026-01-01T00:00:00Z"),
    ]
    done = nodeprep("check", "-f", "-", "-o", "json", input=dump(pool("ml", "w", "gpu"), cls, *vms))
    assert done.rc == 1
    assert codes(done) == [
        ("vm-before-change", "old"), ("vm-unknown", "same"), ("vm-window", "small"),
        ("vm-before-change", "otherwise"), ("vm-unknown", "undated"),
    ]
    assert [(vm["name"], vm["madeBeforeChange"], vm["windowGB"])
            for vm in done.json["virtualMachines"]] == [
        ("old", True, None), ("same", None, None), ("new", False, None), ("right", True, 512),
        ("small", False, 256), ("otherwise", True, None), ("undated", None, None),
    ]


def test_vm_made_while_the_class_was_right_is_not_accused(nodeprep):
    """The class was changed in May, and taken back at some time after that."""
    before = {"/spec/configSpec/firmware": {"absent": "/spec/configSpec/firmware", "set": "efi"}}
    managed = {"pools": {"ml/w": {"mmioGB": 512, "holders": ["apply"]}}, "before": before}
    fields = [{"manager": "nodeprep", "operation": "Update", "time": "2026-05-01T00:00:00Z",
               "fieldsV1": {"f:spec": {"f:configSpec": {"f:extraConfig": {}}}}}]
    spec = right(A100)
    spec["configSpec"]["firmware"] = "bios"
    cls = vm_class("ml", "gpu", spec, managedFields=fields, annotations={MANAGED: json.dumps(managed)})
    vms = [machine("ml", "old", created="2026-04-01T00:00:00Z"),
           machine("ml", "new", created="2026-06-01T00:00:00Z")]
    done = nodeprep("check", "-f", "-", "-o", "json", input=dump(pool("ml", "w", "gpu"), cls, *vms))
    assert done.rc == 1
    assert codes(done)[0] == ("overwritten", "gpu")
    assert codes(done)[-2:] == [("vm-before-change", "old"), ("vm-unknown", "new")]
    assert [vm["madeBeforeChange"] for vm in done.json["virtualMachines"]] == [True, None]
    assert all("once the class is up to date" in vm["onRecreate"] for vm in done.json["virtualMachines"])


# --- against an API --------------------------------------------------------------------------------


def test_vms_are_old_until_they_are_made_anew(server, ns, nodeprep, put_class, put):
    put_class(ns, "gpu", hardware(A100))
    put(machine(ns, "old"))
    text = dump(pool(ns, "w", "gpu"))
    before = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert before.rc == 1
    assert ("vm-before-change", "old") in codes(before)
    next_second()
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    next_second()
    put(machine(ns, "new"))
    server.mark()
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert done.rc == 1, done.err
    assert codes(done) == [("vm-before-change", "old")]
    assert [(vm["name"], vm["madeBeforeChange"]) for vm in done.json["virtualMachines"]] == [
        ("new", False), ("old", True)
    ]
    assert not writes(server)
    server.must("DELETE", f"{CLASSES}/namespaces/{ns}/virtualmachines/old")
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert (done.rc, done.json["findings"]) == (0, [])
    table = nodeprep("check", "-f", "-", input=text)
    assert "no findings" in table.out and "VIRTUAL" not in table.out


def test_images_of_either_kind_are_found_in_the_api(ns, server, nodeprep, put_class, put):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    next_second()
    put(document("VirtualMachineImage", f"vmi-{ns}", ns), {"firmware": "bios", "name": "mine"})
    put(document("ClusterVirtualMachineImage", f"cvmi-{ns}"), {"firmware": "bios", "name": f"all-{ns}"})
    put(machine(ns, "a", imageName=f"vmi-{ns}"))
    put(machine(ns, "b", imageName=f"all-{ns}"))
    put(machine(ns, "c", imageName=f"cvmi-{ns}", bootOptions={"firmware": "efi"}))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert done.rc == 1, done.err
    assert codes(done) == [("image-bios", "a"), ("image-bios", "b")]
    assert [(image["kind"], image["name"], image["virtualMachines"])
            for image in done.json["images"]] == [
        ("VirtualMachineImage", f"vmi-{ns}", [f"{ns}/a"]),
        ("ClusterVirtualMachineImage", f"cvmi-{ns}", [f"{ns}/b", f"{ns}/c"]),
    ]
    server.must("DELETE", f"{CLASSES}/clustervirtualmachineimages/cvmi-{ns}")


def test_who_took_entries_back_is_named(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", {**hardware(), "configSpec": config_spec(A100, extra=[option("a", "1")])})
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    body = {"spec": {"configSpec": {"extraConfig": [option("a", "2")], "firmware": "bios"}}}
    server.must("PATCH", classes_path(ns, "gpu") + "?fieldManager=team-x", body)
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert done.rc == 1, done.err
    taken = [f for f in done.json["findings"] if f["code"] == "overwritten"]
    assert [f["path"].rpartition("/")[2] for f in taken] == [USE64, SIZE, "firmware"]
    for finding in taken:
        assert finding["writer"]["manager"] == "team-x"
        assert finding["writer"]["operation"] == "Update"
        assert finding["writer"]["time"].endswith("Z")
        assert "team-x" in finding["message"]
    assert taken[2]["from"] == "bios"
    # The server does not record who removed a field, so no writer is named.
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    body = {"spec": {"configSpec": {"firmware": None}}}
    server.must("PATCH", classes_path(ns, "gpu") + "?fieldManager=team-y", body)
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    (finding,) = done.json["findings"][:1]
    assert (finding["code"], finding["path"], finding["writer"]) == (
        "overwritten", "/spec/configSpec/firmware", None
    )
    assert "unknown writer" in finding["message"]


def test_need_that_grew_is_nobody_else_s_doing(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    text = dump(pool(ns, "w", "gpu", mmio={"sizeGB": 1024}))
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert done.rc == 1
    assert {f["code"] for f in done.json["findings"] if f["object"] == "VirtualMachineClass"} == {
        "class-drift"
    }


def test_supervisor_without_the_api_is_told(nodeprep):
    with plain_server() as plain:
        done = nodeprep("check", "-f", "-", input=dump(pool("ml", "w", "gpu")),
                        env={"KUBECONFIG": plain.kubeconfig})
    assert done.rc == 4
    assert servers.GROUP in done.err and "Supervisor" in done.err


@contextlib.contextmanager
def plain_server():
    """A server whose API group is not there."""
    with servers.SimServer() as plain:
        plain.faults([{"match": {"path": f"/apis/{servers.GROUP}*"}, "fault": "status", "status": 404,
                       "count": 0}])
        yield plain


@contextlib.contextmanager
def old_server(target):
    """An old Supervisor: classes without namespaces, and the bindings of its namespaces."""
    with (servers.RealServer(scope="Cluster") if target == "real"
          else servers.SimServer(args=["--cluster-scoped"])) as old:
        path = f"/apis/{servers.GROUP}/v1alpha1/virtualmachineclasses"
        for name in ("gpu", "cpu"):
            body = vm_class(None, name, right(A100) if name == "gpu" else hardware())
            old.must("POST", path, {**body, "apiVersion": f"{servers.GROUP}/v1alpha1"})
        yield old


def bind(old, ns, name):
    body = document("VirtualMachineClassBinding", name, ns, classRef={"kind": "VirtualMachineClass",
                                                                      "name": name})
    old.must("POST", f"/apis/{servers.GROUP}/v1alpha1/namespaces/{ns}/virtualmachineclassbindings",
             {**body, "apiVersion": f"{servers.GROUP}/v1alpha1"})


def test_class_that_is_not_bound_is_told_by_every_command(target, nodeprep):
    with old_server(target) as old:
        if target == "real":
            old.create_namespace("dev")
        bind(old, "ml", "gpu")
        bind(old, "dev", "cpu")
        text = dump(pool("ml", "a", "gpu"), pool("dev", "b", "gpu"), pool("dev", "c", "cpu"))
        env = {"KUBECONFIG": old.kubeconfig}
        for command in ("plan", "diff", "apply", "explain"):
            done = nodeprep(command, "-f", "-", input=text, env=env)
            assert done.rc == 0, done.err
            if command != "explain":
                assert done.err.count("class-not-bound") == 1
                assert "'dev'" in done.err and "'gpu'" in done.err
        done = nodeprep("check", "-f", "-", "-o", "json", input=text, env=env)
        assert done.rc == 1
        (finding,) = [f for f in done.json["findings"] if f["code"] == "class-not-bound"]
        assert (finding["severity"], finding["name"]) == ("error", "gpu")
        assert "'dev'" in finding["message"]
        bind(old, "dev", "gpu")
        old.mark()
        done = nodeprep("check", "-f", "-", "-o", "json", input=text, env=env)
        assert (done.rc, done.json["findings"]) == (0, [])
        asked = [r for r in old.requests() if r["path"].endswith("classbindings")]
        assert [r["verb"] for r in asked] == ["list", "list"]


def test_bindings_that_cannot_be_listed_are_unknown_once(nodeprep):
    with old_server("sim") as old:
        old.faults([{"match": {"path": "*virtualmachineclassbindings*"}, "fault": "status",
                     "status": 403, "count": 0}])
        text = dump(pool("ml", "a", "gpu"), pool("dev", "b", "gpu"))
        env = {"KUBECONFIG": old.kubeconfig}
        done = nodeprep("plan", "-f", "-", input=text, env=env)
        assert done.rc == 0
        assert done.err.count("bindings-unknown") == 1
        checked = nodeprep("check", "-f", "-", "-o", "json", input=text, env=env)
        assert checked.rc == 0
        assert ("bindings-unknown", None) in codes(checked)


@pytest.mark.parametrize(
    ("fault", "rc", "word"),
    [
        pytest.param({"fault": "status", "status": 403}, 0, "vms-unknown", id="forbidden"),
        pytest.param({"fault": "status", "status": 404}, 0, "vms-unknown", id="not served"),
        pytest.param({"fault": "status", "status": 503}, 6, "virtualmachines", id="overloaded"),
        pytest.param({"fault": "cut"}, 6, "virtualmachines", id="cut off"),
        pytest.param({"fault": "huge-body"}, 5, "64 MiB", id="without end"),
    ],
)
def test_list_of_vms_that_fails(nodeprep, fault, rc, word):
    with servers.SimServer() as sim:
        body = vm_class("ml", "gpu", right(A100))
        sim.must("POST", classes_path("ml"), body)
        sim.faults([{"match": {"path": "*/virtualmachines"}, "count": 0, **fault}])
        done = nodeprep("check", "-f", "-", "-o", "json", "--timeout=4s",
                        input=dump(pool("ml", "w", "gpu")), env={"KUBECONFIG": sim.kubeconfig})
    assert done.rc == rc, done.err
    assert word in done.out
    assert done.json["kind"] == "Check"


def test_namespaced_classes_need_no_binding(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", right(A100))
    server.mark()
    assert nodeprep("check", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    assert not [r for r in server.requests() if "bindings" in r["path"]]
