# SPDX-License-Identifier: Apache-2.0
"""The main job against vCenter: classes are planned, prepared, compared and put back."""

import json

import pytest

import servers
from builders import A100, H100, SIZE, T4, USE64, config_spec, dump, hardware, option, pool
from vcenter import (
    CLASSES, EDITOR, Host, devices, gpu_class, is_prepared, keys_of, pools, vgpu, vm_class, without,
)

KEY = "other.key"
DRIFTED = 20


def kinds(n):
    """A class of each kind in turn."""
    name = f"gpu-{n:03}"
    cards = [A100] * (1 + n % 4)
    foreign = [option(KEY, str(n)), {"_typeName": "OptionValue", "key": "a.number", "value": {"_typeName": "int", "_value": 7}}]
    return [
        lambda: gpu_class(name, *cards),
        lambda: gpu_class(name, *cards, extra=foreign, cpu_reservation=25, unknown_member={"kept": [1, 2.50]}),
        lambda: vm_class(name, devices=devices(*cards)),
        lambda: vm_class(name, devices=devices(vgpus=["grid_a100-40c"])),
        lambda: vm_class(name, config_spec={**config_spec(extra=foreign), "deviceChange": [vgpu("grid_a100-40c")]}),
        lambda: gpu_class(name, *cards, spec={"firmware": "bios", "memoryReservationLockedToMax": False}, memory_reservation=50),
        lambda: gpu_class(name, H100, extra=[option(SIZE, "64"), *foreign, option(USE64, "FALSE")], devices=devices(H100)),
        lambda: vm_class(name, devices=devices(T4), instance_storage={"policy": "p", "volumes": [{"size": 1}]}),
    ][n % 8]()


def reverted(before, prepared):
    """What a revert leaves of a class. A PATCH cannot take away a config_spec: the first one that a class
    got stays, with the devices that it hides under `devices` otherwise, and nothing else."""
    if "config_spec" in before:
        return before
    spec = {"_typeName": "VirtualMachineConfigSpec", "deviceChange": prepared["config_spec"]["deviceChange"]}
    return {**before, "config_spec": spec}


def names_of(classes):
    return [one["id"] for one in classes]


def govc_list(vcenter):
    """All classes as govc reads them, by id."""
    return {one["id"]: one for one in json.loads(vcenter.govc("namespace.vmclass.ls", "-json"))}


def drift(vcenter, names):
    """Another writer removes a key of each class, or lowers its reservation."""
    for n, name in enumerate(names):
        if n % 2:
            vcenter.edit(name, set={"memory_reservation": 40})
        else:
            vcenter.edit(name, extra={USE64: ""}, set={"description": "changed"})


def test_200_classes_there_and_back(vcenter, host):
    originals = [kinds(n) for n in range(200)]
    names = names_of(originals)
    vcenter.put_classes(*originals)
    before, before_govc = vcenter.dump(), govc_list(vcenter)
    text = pools(*names)

    planned = host.must("plan", "-f", "-", "-o", "json", input=text).json
    assert [one["name"] for one in planned["classes"] if one["changed"]] == names
    assert {one["api"] for one in planned["classes"]} == {"vcenter"}
    assert vcenter.patches() == [] and vcenter.dump() == before

    done = host.must("apply", "-f", "-", "-o", "json", input=text)
    assert host.results(done) == dict.fromkeys(names, "patched")
    assert sorted(vcenter.patches()) == names
    for name, cls in vcenter.dump().items():
        assert cls["memory_reservation"] == 100, name
        assert without(cls, "memory_reservation", "config_spec") == without(
            before[name], "memory_reservation", "config_spec"
        )
        assert keys_of(cls).get(KEY) == keys_of(before[name]).get(KEY)

    vcenter.mark()
    done = host.must("apply", "-f", "-", "-o", "json", input=text)
    assert host.results(done) == dict.fromkeys(names, "unchanged")
    assert vcenter.patches() == []
    host.must("check", "-f", "-", input=text)

    # T4s have no key to lose.
    drifted = [name for n, name in enumerate(names) if n % 8 != 7][:DRIFTED]
    prepared = vcenter.dump()
    drift(vcenter, drifted)
    found = host("check", "-f", "-", input=text)
    assert found.rc == 1
    for name in names:
        assert (name in found.out) == (name in drifted), name
    host.must("apply", "-f", "-", input=text)
    assert sorted(vcenter.patches()) == drifted
    for name, cls in vcenter.dump().items():
        assert without(cls, "description", "config_spec") == without(prepared[name], "description", "config_spec")
        assert keys_of(cls) == keys_of(prepared[name])

    vcenter.mark()
    host.must("revert", "-f", "-", input=text)
    assert sorted(vcenter.patches()) == names
    after, after_govc = vcenter.dump(), govc_list(vcenter)
    for name in set(names) - set(drifted):
        assert after[name] == reverted(before[name], prepared[name])
        if "config_spec" in before[name]:
            assert after_govc[name] == before_govc[name]
    # A field of ours that another writer changed meanwhile goes back to what stood before the first apply.
    for n, name in enumerate(drifted):
        if n % 2:
            assert after[name] == reverted(before[name], prepared[name])
        else:
            assert after[name] == {**reverted(before[name], prepared[name]), "description": "changed"}
    vcenter.mark()
    host.must("revert", "-f", "-", input=text)
    assert vcenter.patches() == []
    assert list(host.state.rglob("*.json")) == []
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


@pytest.mark.parametrize("n", range(8))
def test_each_kind_is_prepared_and_put_back(vcenter, host, n):
    vcenter.put_classes(kinds(n))
    [before], seen = vcenter.dump().values(), vcenter.info(f"gpu-{n:03}")
    text = pools(f"gpu-{n:03}")
    host.must("apply", "-f", "-", input=text)
    [after] = vcenter.dump().values()
    if n % 8 != 7:
        assert is_prepared(after, 512), after
    assert len(after["config_spec"]["deviceChange"]) == {0: 1, 1: 2, 2: 3, 3: 1, 4: 1, 5: 2, 6: 1, 7: 1}[n]
    assert vcenter.info(f"gpu-{n:03}")["config_spec"] == after["config_spec"]
    done = host.must("revert", "-f", "-", input=text)
    [last] = vcenter.dump().values()
    assert last == reverted(before, after)
    if "config_spec" in before:
        assert vcenter.info(f"gpu-{n:03}") == seen
    else:
        assert "config-spec-kept" in done.err
    # From here on it is the same every time.
    host.must("apply", "-f", "-", input=text)
    assert vcenter.dump()[f"gpu-{n:03}"] == after
    host.must("revert", "-f", "-", input=text)
    assert vcenter.dump()[f"gpu-{n:03}"] == last


@pytest.mark.parametrize("new", [True, False], ids=["POST /api/session", "POST /rest"])
@pytest.mark.parametrize("spelling", ["newest", "lower", "oldest"])
@pytest.mark.parametrize("prefixes", ["simulator", "vcenter", "other"])
def test_every_server_is_understood(vcenter, host, new, spelling, prefixes):
    names = {
        "newest": ("memory_MB", "dynamic_direct_path_IO_devices"),
        "lower": ("memory_mb", "dynamic_direct_path_io_devices"),
        "oldest": ("memory_MB", "direct_path_io_devices"),
    }[spelling]
    vcenter.set(newSession=new, memoryName=names[0], devicesName=names[1], prefixes=prefixes)
    vcenter.put_classes(vm_class("gpu", devices=devices(A100, A100), memory_reservation=10))
    before = vcenter.dump()
    text = pools("gpu")
    host.must("apply", "-f", "-", input=text)
    assert is_prepared(vcenter.dump()["gpu"], 512)
    assert vcenter.dump()["gpu"]["devices"] == before["gpu"]["devices"]
    prepared = vcenter.dump()
    host.must("revert", "-f", "-", input=text)
    assert vcenter.dump()["gpu"] == reverted(before["gpu"], prepared["gpu"])
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_a_server_that_zeroes_what_a_patch_leaves_out(vcenter, host):
    """As govmomi's simulator does, and as vCenter does for reservations and devices."""
    vcenter.set(keepMissing=False, strict=False)
    vcenter.put_classes(gpu_class("gpu", A100, cpu_reservation=25, devices=devices(A100)))
    before = vcenter.dump()
    host.must("apply", "-f", "-", input=pools("gpu"))
    after = vcenter.dump()["gpu"]
    assert is_prepared(after, 512)
    assert without(after, "config_spec", "memory_reservation") == without(before["gpu"], "config_spec")
    host.must("revert", "-f", "-", input=pools("gpu"))
    assert vcenter.dump() == before


@pytest.mark.parametrize("kind", ["config_spec", "devices"])
def test_a_server_that_writes_a_config_spec_in_its_own_form(vcenter, host, kind):
    """It knows the members of its types alone, and leaves empty ones out: that is no foreign change."""
    vcenter.set(typedConfigSpec=True)
    with_spec = gpu_class("gpu", A100, extra=[option(KEY, "1")])
    vcenter.put_classes(with_spec if kind == "config_spec" else vm_class("gpu", devices=devices(A100)))
    done = host.must("apply", "-f", "-", input=pools("gpu"))
    assert "concurrent-change" not in done.err
    assert is_prepared(vcenter.dump()["gpu"], 512)
    vcenter.mark()
    host.must("apply", "-f", "-", input=pools("gpu"))
    assert vcenter.patches() == []
    host.must("revert", "-f", "-", input=pools("gpu"))
    assert keys_of(vcenter.dump()["gpu"]) == ({KEY: "1"} if kind == "config_spec" else {})


def test_the_rights_that_the_docs_name_suffice(vcenter, host):
    host.user = EDITOR
    vcenter.put_classes(gpu_class("gpu"))
    before = vcenter.dump()
    for command in ("plan", "apply", "check", "revert"):
        host.must(command, "-f", "-", input=pools("gpu"))
    assert vcenter.dump() == before


def test_diff_shows_the_body_that_apply_sends(vcenter, host):
    vcenter.put_classes(gpu_class("gpu"))
    done = host("diff", "-f", "-", input=pools("gpu"))
    assert done.rc == 1
    assert "+memory_reservation: 100" in done.out.replace("+  ", "+").replace("+ ", "+")
    assert SIZE in done.out and vcenter.patches() == []
    host.must("apply", "-f", "-", input=pools("gpu"))
    assert host("diff", "-f", "-", input=pools("gpu")).rc == 0


def test_explain_and_a_dry_run_write_nothing(vcenter, host):
    vcenter.put_classes(gpu_class("gpu", *[H100] * 8))
    before = vcenter.dump()
    assert "2048" in host.must("explain", "-f", "-", "gpu", input=pools("gpu")).out
    host.must("apply", "--dry-run=client", "-f", "-", input=pools("gpu"))
    host.must("revert", "--dry-run=client", "-f", "-", input=pools("gpu"))
    assert vcenter.patches() == [] and vcenter.dump() == before
    assert list(host.state.rglob("*.json")) == []


def test_pools_of_other_kinds_name_classes_by_id(vcenter, host):
    vcenter.put_classes(gpu_class("gpu"))
    cluster = {
        "apiVersion": "run.tanzu.vmware.com/v1alpha3", "kind": "TanzuKubernetesCluster",
        "metadata": {"name": "tkc", "namespace": "ml"},
        "spec": {"topology": {
            "controlPlane": {"replicas": 1, "vmClass": "small", "storageClass": "s"},
            "nodePools": [{"name": "w", "replicas": 2, "vmClass": "gpu", "storageClass": "s"}],
        }},
    }
    done = host.must("apply", "-f", "-", "-o", "json", input=dump(cluster))
    assert host.results(done) == {"gpu": "patched"}


def test_pools_of_two_namespaces_share_one_class(vcenter, host):
    """Classes of vCenter are global: a namespace of the pool is no part of the class."""
    vcenter.put_classes(gpu_class("gpu"))
    before = vcenter.dump()
    one, two = pools("gpu", ns="one"), pools("gpu", ns="two", mmio={"minimumGB": 1024})
    host.must("apply", "-f", "-", input=one)
    host.must("apply", "-f", "-", input=two)
    assert is_prepared(vcenter.dump()["gpu"], 1024)
    host.must("revert", "-f", "-", input=two)
    # The class stays prepared for the other pool; a larger window is no harm.
    assert is_prepared(vcenter.dump()["gpu"], 1024)
    host.must("revert", "-f", "-", input=one)
    assert vcenter.dump() == before


def test_without_a_record_revert_changes_nothing_and_says_where_records_are(vcenter, host, tmp_path):
    vcenter.put_classes(gpu_class("gpu"))
    host.must("apply", "-f", "-", input=pools("gpu"))
    vcenter.mark()
    other = Host(vcenter, tmp_path / "other")
    done = other("revert", "-f", "-", input=pools("gpu"))
    assert vcenter.patches() == []
    assert str(other.state) in done.err


def test_records_are_of_one_vcenter(vcenter, host):
    """Another vCenter, which answers at the same address, has classes and records of its own."""
    vcenter.put_classes(gpu_class("gpu"))
    before = vcenter.dump()
    host.must("apply", "-f", "-", input=pools("gpu"))
    prepared = vcenter.dump()
    vcenter.set(instanceUuid="00000000-1111-2222-3333-444444444444")
    host("revert", "-f", "-", input=pools("gpu"))
    assert vcenter.dump() == prepared
    vcenter.set(instanceUuid="b61dd26c-7c1f-4b1a-8a0d-0b7f3f9f1a55")
    host.must("revert", "-f", "-", input=pools("gpu"))
    assert vcenter.dump() == before


def test_records_are_private(vcenter, host):
    vcenter.put_classes(gpu_class("gpu"))
    host.must("apply", "-f", "-", input=pools("gpu"))
    files = [path for path in host.state.rglob("*") if path.is_file()]
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in host.state.rglob("*") if path.is_dir()} <= {0o700}


def change_between(kind):
    """A change by another writer, and the way to see that it is there."""
    return {
        "description": ({"set": {"description": "theirs"}}, lambda cls: cls["description"] == "theirs"),
        "cpu_count": ({"set": {"cpu_count": 64}}, lambda cls: cls["cpu_count"] == 64),
        "extraConfig": ({"extra": {"theirs": "1"}}, lambda cls: keys_of(cls).get("theirs") == "1"),
    }[kind]


@pytest.mark.parametrize("kind", ["description", "cpu_count", "extraConfig"])
def test_a_foreign_change_after_the_write_stays(vcenter, host, kind):
    change, is_there = change_between(kind)
    vcenter.put_classes(gpu_class("gpu"))
    vcenter.rules({"method": "PATCH", "times": 1, "after": {"id": "gpu", **change}})
    host.must("apply", "-f", "-", input=pools("gpu"))
    cls = vcenter.dump()["gpu"]
    assert is_there(cls) and is_prepared(cls, 512)


@pytest.mark.parametrize("kind", ["description", "cpu_count", "extraConfig"])
def test_a_foreign_change_between_plan_and_write_is_not_lost(vcenter, host, kind):
    """The class is read again immediately before the write."""
    change, is_there = change_between(kind)
    vcenter.put_classes(gpu_class("gpu"))
    path = f"{CLASSES}/gpu"
    vcenter.rules({"method": "GET", "path": path, "times": 1, "after": {"id": "gpu", **change}})
    host.must("apply", "-f", "-", input=pools("gpu"))
    cls = vcenter.dump()["gpu"]
    assert is_there(cls) and is_prepared(cls, 512)


def test_a_writer_that_takes_our_key_away_after_the_write_is_told(vcenter, host):
    vcenter.put_classes(gpu_class("gpu"))
    vcenter.rules({"method": "PATCH", "times": 1, "after": {"id": "gpu", "extra": {SIZE: ""}}})
    done = host("apply", "-f", "-", input=pools("gpu"))
    assert is_prepared(vcenter.dump()["gpu"], 512) or done.rc == 6, (done.rc, done.err)


def test_check_compares_with_the_namespaces_class(vcenter, host, tmp_path):
    """With a kubeconfig beside it, check tells what the Supervisor's copy lacks."""
    with servers.SimServer() as supervisor:
        supervisor.create_namespace("ml")
        body = {
            "apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass",
            "metadata": {"name": "gpu", "namespace": "ml"}, "spec": hardware(A100),
        }
        supervisor.must("POST", f"/apis/{servers.GROUP}/v1alpha6/namespaces/ml/virtualmachineclasses", body)
        vcenter.put_classes(gpu_class("gpu"))
        text = dump(pool("ml", "w", "gpu"))
        host.must("apply", "-f", "-", input=text)
        host.must("check", "-f", "-", input=text)
        done = host("check", "--kubeconfig", supervisor.kubeconfig, "-f", "-", input=text)
    assert done.rc == 1, (done.out, done.err)
    assert "gpu" in done.out
