# SPDX-License-Identifier: Apache-2.0
"""What only a real kube-apiserver can show: client certificates, RBAC, its audit log, old schemas."""

import base64
import copy

import pytest
import yaml

import servers
from builders import A100, SIZE, dump, hardware, ids_of, keys_of, pool
from fixtures import classes_path

pytestmark = pytest.mark.real_only


def test_client_certificate_by_file_and_inline(server, ns, nodeprep, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    by_file = server.write_kubeconfig(
        tmp_path / "by-file",
        **{"client-certificate": str(server.client_cert), "client-key": str(server.client_key)},
    )
    data = {
        f"{name}-data": base64.b64encode(open(path, "rb").read()).decode()
        for name, path in (
            ("client-certificate", server.client_cert),
            ("client-key", server.client_key),
        )
    }
    inline = server.write_kubeconfig(tmp_path / "inline", **data)
    for config in (by_file, inline):
        done = nodeprep("apply", "-f", "-", "--kubeconfig", config, input=text)
        assert done.rc == 0, done.err


def test_audit_log_proves_which_requests_were_made(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    put_class(ns, "cpu", hardware())
    text = dump(pool(ns, "a", "gpu"), pool(ns, "b", "gpu"), pool(ns, "c", "cpu"))
    server.mark()
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    group = "/apis/vmoperator.vmware.com"
    gpu, cpu = classes_path(ns, "gpu"), classes_path(ns, "cpu")
    made = [(r["verb"], r["path"], r["status"]) for r in server.requests()]
    assert made[:2] == [("get", group, 200), ("get", f"{group}/v1alpha6", 200)]
    # Both classes are asked for at the same time.
    assert sorted(made[2:4]) == [("get", cpu, 200), ("get", gpu, 200)]
    assert made[4:] == [("patch", gpu, 200)]
    server.mark()
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert {r["verb"] for r in server.requests()} == {"get"}


def test_rights_that_are_missing_are_named(server, ns, nodeprep, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    viewer = server.write_kubeconfig(tmp_path / "viewer", token=server.tokens["viewer"])
    assert nodeprep("plan", "-f", "-", "--kubeconfig", viewer, input=text).rc == 0
    done = nodeprep("apply", "-f", "-", "--kubeconfig", viewer, input=text)
    assert done.rc == 5
    for part in ("patch", "virtualmachineclasses.vmoperator.vmware.com", f"'{ns}'"):
        assert part in done.err
    nobody = server.write_kubeconfig(tmp_path / "nobody", token=server.tokens["nobody"])
    done = nodeprep("plan", "-f", "-", "--kubeconfig", nobody, input=text)
    assert done.rc == 5
    assert "get" in done.err


def test_user_of_a_kubeconfig_that_acts_as_another_has_that_ones_rights(
    server, ns, nodeprep, put_class, tmp_path
):
    put_class(ns, "gpu", hardware(A100))
    as_nobody = server.write_kubeconfig(
        tmp_path / "as-nobody", token=server.tokens["admin"], **{"as": "nobody"}
    )
    done = nodeprep("plan", "-f", "-", "--kubeconfig", as_nobody, input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 5
    assert "nobody" in done.err


def test_request_above_the_limit_would_be_refused_by_us_first(server, ns, nodeprep, put_class):
    spec = hardware(A100)
    spec["policies"] = {"resources": {"limits": {"memory": "1Gi"}}}
    put_class(ns, "gpu", spec)
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 3


def schema_without_config_spec():
    path = servers.REPO / "tests/real/crds/virtualmachineclasses.yaml"
    crd = copy.deepcopy(yaml.safe_load(path.read_text()))
    for version in crd["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"].pop("configSpec", None)
    return crd


def test_old_supervisor_with_cluster_scoped_classes(tmp_path, nodeprep):
    with servers.RealServer(scope="Cluster") as old:
        path = "/apis/vmoperator.vmware.com/v1alpha1/virtualmachineclasses"
        body = {
            "apiVersion": "vmoperator.vmware.com/v1alpha1",
            "kind": "VirtualMachineClass",
            "metadata": {"name": "gpu"},
            "spec": hardware(A100, A100),
        }
        old.must("POST", path, body)
        text = dump(pool("ml", "w", "gpu"), pool("other", "w", "gpu"))
        done = nodeprep("apply", "-f", "-", "-o", "json", input=text,
                        env={"KUBECONFIG": old.kubeconfig})
        assert done.rc == 0, done.err
        assert [c["namespace"] for c in done.json["classes"]] == [None]
        stored = old.must("GET", f"{path}/gpu")
        assert (SIZE, "512") in keys_of(stored)
        assert len(ids_of(stored)) == 2


def test_schema_without_config_spec_is_exit_5_and_nothing_is_lost(tmp_path, nodeprep, monkeypatch):
    crd = schema_without_config_spec()
    folder = tmp_path / "crds"
    folder.mkdir()
    (folder / "crd.yaml").write_text(yaml.safe_dump(crd))
    monkeypatch.setattr(servers, "crd_files", lambda: [folder / "crd.yaml"])
    with servers.RealServer() as old:
        path = classes_path("ml")
        body = {
            "apiVersion": "vmoperator.vmware.com/v1alpha6",
            "kind": "VirtualMachineClass",
            "metadata": {"name": "gpu"},
            "spec": hardware(A100, A100),
        }
        before = old.must("POST", path, body)
        done = nodeprep("apply", "-f", "-", input=dump(pool("ml", "w", "gpu")),
                        env={"KUBECONFIG": old.kubeconfig})
        assert done.rc == 5
        assert "too old" in done.err and "spec.configSpec" in done.err
        assert old.must("GET", f"{path}/gpu") == before
