# SPDX-License-Identifier: Apache-2.0
"""Who takes nodeprep's entries back is named, whatever way of kubectl's it was done in."""

import json
import subprocess

import pytest
import yaml

import servers
from builders import A100, SIZE, USE64, config_spec, hardware, keys_of, option, pool
from fixtures import classes_path


@pytest.fixture
def kubectl(server, tmp_path):
    """kubectl(*args, input=None) runs the kubectl of the server's own version, which must succeed."""
    program = servers.find_apiserver().with_name("kubectl")

    def run(*args, input=None):
        env = {"HOME": str(tmp_path), "KUBECONFIG": server.kubeconfig}
        return subprocess.run([program, *args], input=input, env=env, text=True, check=True,
                              capture_output=True, timeout=60).stdout

    return run


def original(ns, **members):
    spec = {**hardware(), "configSpec": config_spec(A100, extra=[option("team.key", "1")], **members)}
    return yaml.safe_dump({
        "apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": ns}, "spec": spec,
    })


def applied(ns, nodeprep, kubectl, text):
    kubectl("apply", "-f", "-", input=text)
    pools = yaml.safe_dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=pools).rc == 0
    done = nodeprep("check", "-f", "-", input=pools)
    assert done.rc == 0, done.out + done.err
    return pools


# How the manifest is applied again; whom check names, and how the server calls that operation.
WAYS = [
    pytest.param(["apply", "-f", "-"], "kubectl-client-side-apply", "Update", id="kubectl apply"),
    pytest.param(["apply", "--server-side", "--force-conflicts", "--field-manager=gitops", "-f", "-"],
                 "gitops", "Apply", id="server-side apply by force"),
]


@pytest.mark.parametrize(("args", "manager", "operation"), WAYS)
def test_writer_who_takes_entries_back_is_named_and_revert_brings_nothing_back(
    ns, nodeprep, kubectl, get_class, args, manager, operation
):
    text = original(ns)
    pools = applied(ns, nodeprep, kubectl, text)
    kubectl(*args, input=text)
    assert keys_of(get_class(ns, "gpu")) == [("team.key", "1")]
    done = nodeprep("check", "-f", "-", "-o", "json", input=pools)
    assert done.rc == 1, done.err
    taken = [f for f in done.json["findings"] if f["code"] == "overwritten"]
    assert [f["path"].rpartition("/")[2] for f in taken] == [USE64, SIZE]
    for finding in taken:
        assert finding["severity"] == "error"
        assert (finding["writer"]["manager"], finding["writer"]["operation"]) == (manager, operation)
        assert finding["from"] is None
    entries = get_class(ns, "gpu")["metadata"]["managedFields"]
    assert taken[0]["writer"]["time"] in [e["time"] for e in entries if e["manager"] == manager]
    table = nodeprep("check", "-f", "-", input=pools)
    assert table.rc == 1 and manager in table.out
    # A later revert leaves that list to its present owner.
    assert nodeprep("revert", "-f", "-", input=pools).rc == 0
    assert keys_of(get_class(ns, "gpu")) == [("team.key", "1")]


def test_one_field_of_a_writer_is_not_laid_at_another_s_door(ns, nodeprep, kubectl):
    pools = applied(ns, nodeprep, kubectl, original(ns))
    patch = json.dumps({"spec": {"configSpec": {"firmware": "bios"}}})
    kubectl("patch", "vmclass", "-n", ns, "gpu", "--type=merge", "--field-manager=one", "-p", patch)
    patch = json.dumps({"spec": {"policies": {"resources": {"requests": {"memory": "1Gi"}}}}})
    kubectl("patch", "vmclass", "-n", ns, "gpu", "--type=merge", "--field-manager=two", "-p", patch)
    done = nodeprep("check", "-f", "-", "-o", "json", input=pools)
    assert done.rc == 1
    assert {(f["path"], f["writer"]["manager"]) for f in done.json["findings"] if f["writer"]} == {
        ("/spec/configSpec/firmware", "one"),
        ("/spec/policies/resources/requests/memory", "two"),
    }


def test_class_that_was_replaced_whole_is_plain_drift(server, ns, nodeprep, kubectl, get_class):
    text = original(ns)
    pools = applied(ns, nodeprep, kubectl, text)
    kubectl("replace", "-f", "-", input=text)
    assert "annotations" not in get_class(ns, "gpu")["metadata"]
    done = nodeprep("check", "-f", "-", "-o", "json", input=pools)
    assert done.rc == 1
    assert {(f["code"], f["writer"]) for f in done.json["findings"]} == {("class-drift", None)}


def test_writer_of_what_nodeprep_needs_not_is_no_finding(ns, nodeprep, kubectl, get_class):
    pools = applied(ns, nodeprep, kubectl, original(ns))
    extra = get_class(ns, "gpu")["spec"]["configSpec"]["extraConfig"] + [option("other", "x")]
    patch = json.dumps({"metadata": {"labels": {"a": "b"}},
                        "spec": {"configSpec": {"extraConfig": extra, "name": "x"}}})
    kubectl("patch", "vmclass", "-n", ns, "gpu", "--type=merge", "-p", patch)
    done = nodeprep("check", "-f", "-", "-o", "json", input=pools)
    assert (done.rc, done.json["findings"]) == (0, [])


@pytest.fixture(scope="module")
def own_server():
    """A server with the project's own CRDs, as a machine has it that lacks VM Operator's."""
    files = [servers.REPO / "tests/real/crds" / f"{name}.yaml" for name in servers.CRD_NAMES]
    theirs, servers.crd_files = servers.crd_files, lambda: files
    try:
        with servers.RealServer() as running:
            yield running
    finally:
        servers.crd_files = theirs


def test_own_crds_serve_what_check_reads(own_server, nodeprep):
    own, env = own_server, {"KUBECONFIG": own_server.kubeconfig}
    body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass",
            "metadata": {"name": "gpu"}, "spec": hardware(A100)}
    own.must("POST", classes_path("ml"), body)
    prefix = f"/apis/{servers.GROUP}/v1alpha6"
    for kind, where in (("VirtualMachineImage", "/namespaces/ml"), ("ClusterVirtualMachineImage", "")):
        path = f"{prefix}{where}/{kind.lower()}s"
        own.must("POST", path, {**body, "kind": kind, "metadata": {"name": kind.lower()}, "spec": {}})
        own.must("PATCH", f"{path}/{kind.lower()}/status", {"status": {"firmware": "bios"}})
        own.must("POST", f"{prefix}/namespaces/ml/virtualmachines", {
            **body, "kind": "VirtualMachine", "metadata": {"name": f"of-{kind.lower()}"},
            "spec": {"className": "gpu", "image": {"kind": kind, "name": kind.lower()}},
        })
    pools = yaml.safe_dump(pool("ml", "w", "gpu"))
    done = nodeprep("check", "-f", "-", "-o", "json", input=pools, env=env)
    assert done.rc == 1, done.err
    assert len([f for f in done.json["findings"] if f["code"] == "image-bios"]) == 2
    assert len(done.json["images"]) == len(done.json["virtualMachines"]) == 2
