# SPDX-License-Identifier: Apache-2.0
"""The roles of what reads lists: nodeprep-pools for -A, -n and -l, and nodeprep-status."""

import itertools
import signal
import subprocess

import pytest
import yaml

import servers
from builders import A100, hardware
from builders import pool as node_pool
from fixtures import PATH
from test_rights import RBAC, RBAC_API, manifests

USERS = (f"live-{number}" for number in itertools.count(1))
FOREIGN = {"clusters": ("cluster.x-k8s.io", "v1beta1", "Cluster"),
           "tanzukubernetesclusters": ("run.tanzu.vmware.com", "v1alpha3", "TanzuKubernetesCluster")}


def crd(plural, group, version, kind):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {"group": group, "scope": "Namespaced",
                     "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                     "versions": [{"name": version, "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema}}]}}


@pytest.fixture(scope="module")
def server():
    """One of its own: other files leave Clusters in theirs."""
    with servers.RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def pools_server(server):
    """The server with the kinds of pools and the roles."""
    path = servers.REPO / "deploy/manifests/crd/nodepools.nodeprep.dev.yaml"
    server.create_crd(yaml.safe_load(path.read_text()))
    for plural, names in FOREIGN.items():
        server.create_crd(crd(plural, *names))
    for role in manifests():
        server.must("POST", f"{RBAC}/clusterroles", role)
    yield server
    for role in manifests():
        server.must("DELETE", f"{RBAC}/clusterroles/{role['metadata']['name']}")


@pytest.fixture
def pools(pools_server, ns, put_class):
    put_class(ns, "gpu", hardware(A100))
    path = f"/apis/nodeprep.dev/v1alpha1/namespaces/{ns}/nodepools"
    pools_server.must("POST", path, node_pool(ns, "w", "gpu"))
    yield ns
    pools_server.must("DELETE", f"{path}/w")


def bind(server, nodeprep, ns, *roles):
    """Makes a user with these roles in the namespace (None: in all), and returns the name."""
    user, kind = next(USERS), "RoleBinding" if ns else "ClusterRoleBinding"
    where = f"/namespaces/{ns}" if ns else ""
    for role in roles:
        server.must("POST", f"{RBAC}{where}/{kind.lower()}s", {
            "apiVersion": RBAC_API, "kind": kind, "metadata": {"name": f"{user}-{role}"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"nodeprep-{role}"}})
    probe = ["status" if "status" in roles else "plan", *(["-n", ns] if ns else ["-A"]), "--as", user]
    servers.wait_until(f"{user} has the roles", lambda: nodeprep(*probe).rc != 5)
    return user


@pytest.mark.parametrize("command, role", [("plan", "plan"), ("diff", "plan"), ("explain", "plan"),
                                           ("check", "check"), ("apply", "apply")])
def test_roles_suffice_in_a_namespace_and_in_all(pools_server, pools, nodeprep, command, role):
    user = bind(pools_server, nodeprep, pools, role, "pools")
    done = nodeprep(command, "-n", pools, "--as", user)
    assert done.rc in (0, 1) and "forbidden: may not list nodepools" not in done.err, done
    done = nodeprep(command, "-A", "--as", user)
    assert done.rc == 5 and "may not list nodepools.nodeprep.dev in the whole cluster" in done.err
    everywhere = bind(pools_server, nodeprep, None, role, "pools")
    assert nodeprep(command, "-A", "--as", everywhere).rc in (0, 1)


@pytest.mark.parametrize("left", ["nodepools.nodeprep.dev", "clusters.cluster.x-k8s.io",
                                  "tanzukubernetesclusters.run.tanzu.vmware.com"])
def test_each_right_is_needed_and_named(pools_server, pools, nodeprep, left):
    user = bind(pools_server, nodeprep, pools, "plan", "pools")
    name = f"{user}-less"
    [role] = [r for r in manifests() if r["metadata"]["name"] == "nodeprep-pools"]
    rules = [r for r in role["rules"] if f"{r['resources'][0]}.{r['apiGroups'][0]}" != left]
    pools_server.must("POST", f"{RBAC}/clusterroles", {**role, "metadata": {"name": name}, "rules": rules})
    less = next(USERS)
    for ref in (name, "nodeprep-plan"):
        pools_server.must("POST", f"{RBAC}/namespaces/{pools}/rolebindings", {
            "apiVersion": RBAC_API, "kind": "RoleBinding", "metadata": {"name": f"{less}-{ref}"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": less}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ref}})
    expected = f"forbidden: may not list {left} in namespace '{pools}'"
    servers.wait_until("the message", lambda: expected in nodeprep("plan", "-n", pools, "--as", less).err)
    done = nodeprep("plan", "-n", pools, "--as", less)
    assert (done.rc, done.out) == (5, "") and "'nodeprep-plan' and 'nodeprep-pools'" in done.err


def test_status_lists_and_watches(pools_server, pools, nodeprep):
    user = bind(pools_server, nodeprep, pools, "status")
    assert nodeprep("status", "-n", pools, "--as", user).rc == 0
    done = nodeprep("status", "-A", "--as", user)
    assert done.rc == 5 and "info: ClusterRole 'nodeprep-status' of deploy/manifests/rbac grants" in done.err
    argv = [servers.BIN_DIR / "nodeprep", "status", "-n", pools, "--as", user, "--watch"]
    env = {"KUBECONFIG": pools_server.kubeconfig, "PATH": PATH}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout.readline().startswith("NAMESPACE")
            assert nodeprep("apply", "-n", pools).rc == 0
            assert process.stdout.readline().split()[:2] == [pools, "gpu"]
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
