# SPDX-License-Identifier: Apache-2.0
"""The rights of deploy/manifests/components/hookd: they suffice for every hook, and no rule is idle."""

import itertools
import json

import pytest
import yaml

import servers
from fixtures import classes_path
from hookd import Hookd
from test_rights import RBAC, RBAC_API, SPEC, document

CAPI, VMOP = "cluster.x-k8s.io", servers.GROUP
HOOKS = "hooks.runtime.cluster.x-k8s.io/v1alpha1"
MANAGED = "nodeprep.dev/managed"
BINDING = (VMOP, "virtualmachineclassbindings", "list")
# What nodeprep says without the right.
WITHOUT = {
    (CAPI, "clusters", "get"): "the Cluster cannot be read",
    (VMOP, "virtualmachineclasses", "get"): "virtualmachineclasses",
    (VMOP, "virtualmachineclasses", "patch"): "virtualmachineclasses",
}
USERS = (f"hookd-rights-{number}" for number in itertools.count(1))


def granted():
    file = servers.REPO / "deploy" / "manifests" / "components" / "hookd" / "serviceaccount.yaml"
    role = next(d for d in yaml.safe_load_all(file.read_text()) if d["kind"] == "ClusterRole")
    for rule in role["rules"]:
        yield from itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])


@pytest.fixture(scope="module")
def clusters(server):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    server.create_crd({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"clusters.{CAPI}"},
        "spec": {"group": CAPI, "scope": "Namespaced", "versions": [version],
                 "names": {"kind": "Cluster", "listKind": "ClusterList", "plural": "clusters", "singular": "cluster"}},
    })
    return server


def grant(server, rights):
    user = next(USERS)
    rules = [{"apiGroups": [group], "resources": [resource], "verbs": [verb]} for group, resource, verb in rights]
    server.must("POST", f"{RBAC}/clusterroles",
                {"apiVersion": RBAC_API, "kind": "ClusterRole", "metadata": {"name": user}, "rules": rules})
    server.must("POST", f"{RBAC}/clusterrolebindings", {
        "apiVersion": RBAC_API, "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user}})
    for right in rights:
        servers.wait_until(f"{user} may {right}", lambda r=right: may(server, user, *r))
    return user


def may(server, user, group, resource, verb):
    api = "authorization.k8s.io/v1"
    attributes = {"group": group, "resource": resource, "verb": verb}
    review = {"apiVersion": api, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
    answer = server.must("POST", f"/apis/{api}/selfsubjectaccessreviews", review, headers={"Impersonate-User": user})
    return answer["status"]["allowed"]


def put_cluster(server, ns):
    overrides = [{"name": "vmClass", "value": "gpu"}]
    pool = {"class": "gpu", "name": "gpu", "variables": {"overrides": overrides}}
    body = {"apiVersion": f"{CAPI}/v1beta1", "kind": "Cluster",
            "metadata": {"name": "c1", "namespace": ns, "finalizers": ["test.nodeprep.dev/kept"]},
            "spec": {"topology": {"class": "any", "workers": {"machineDeployments": [pool]}}}}
    return server.must("POST", f"/apis/{CAPI}/v1beta1/namespaces/{ns}/clusters", body)


def call(hookd, hook, handler, cluster):
    body = {"apiVersion": HOOKS, "kind": f"{hook}Request", "cluster": cluster}
    status, answer = hookd.ask(hook.lower(), body, handler)
    assert status == 200
    return json.loads(answer)


def test_hookd_role_has_each_right_of_the_table_and_no_others():
    assert set(granted()) == {*WITHOUT, BINDING, (VMOP, "virtualmachineclasses", "list")}
    assert len(list(granted())) == len(set(granted()))


def test_hookd_role_suffices(clusters, server, ns):
    server.must("POST", classes_path(ns), document("VirtualMachineClass", "gpu", spec=SPEC))
    cluster = put_cluster(server, ns)
    user = grant(server, list(granted()))
    with Hookd(server.kubeconfig, args=[f"--as={user}"], all_in_one=True) as hookd:
        assert call(hookd, "BeforeClusterCreate", "before-cluster-create", cluster)["status"] == "Success"
        path = f"{classes_path(ns)}/gpu"
        assert MANAGED in server.must("GET", path)["metadata"]["annotations"]
        where = f"/apis/{CAPI}/v1beta1/namespaces/{ns}/clusters/c1"
        server.must("DELETE", where)
        assert call(hookd, "BeforeClusterDelete", "before-cluster-delete", cluster)["status"] == "Success"
        assert MANAGED not in (server.must("GET", path)["metadata"].get("annotations") or {})
        server.must("PATCH", where, {"metadata": {"finalizers": None}})
        assert "forbidden" not in hookd.log.read_text()


@pytest.mark.parametrize("right", WITHOUT, ids=lambda right: f"{right[1]} {right[2]}")
def test_hookd_without_one_right_is_told(clusters, server, ns, right):
    server.must("POST", classes_path(ns), document("VirtualMachineClass", "gpu", spec=SPEC))
    cluster = put_cluster(server, ns)
    user = grant(server, [r for r in granted() if r != right])
    server.mark()
    with Hookd(server.kubeconfig, args=[f"--as={user}"], all_in_one=True) as hookd:
        answer = call(hookd, "BeforeClusterCreate", "before-cluster-create", cluster)
    assert answer["status"] == "Failure" and WITHOUT[right] in answer["message"], answer
    assert right[2] in answer["message"] and "forbidden" in answer["message"]
    assert not [r for r in server.requests() if r["verb"] == "patch" and r["status"] == 200
                and "virtualmachineclasses" in r["path"]]
    where = f"/apis/{CAPI}/v1beta1/namespaces/{ns}/clusters/c1"
    server.must("PATCH", where, {"metadata": {"finalizers": None}})
