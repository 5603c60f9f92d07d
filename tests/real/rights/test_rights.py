# SPDX-License-Identifier: Apache-2.0
"""The roles of deploy/manifests/rbac: each suffices for its command, and no rule in it is idle."""

import itertools
import subprocess

import pytest
import yaml

import servers
from fixtures import CLASSES, classes_path

GROUP = servers.GROUP
RBAC = servers.RBAC
RBAC_API = "rbac.authorization.k8s.io/v1"
CLASS, MACHINE = "virtualmachineclasses", "virtualmachines"
IMAGE, CLUSTER_IMAGE = "virtualmachineimages", "clustervirtualmachineimages"
BINDING = "virtualmachineclassbindings"
A100 = {"vendorID": 0x10DE, "deviceID": 0x20B0}

# What happens without the right: the exit status, and the message ("": the error names it).
# `old`: it shows on a Supervisor with cluster-scoped classes.
WITHOUT = {
    ("plan", CLASS, "get"): (5, "", False),
    ("plan", BINDING, "list"): (0, "bindings-unknown", True),
    ("apply", CLASS, "get"): (5, "", False),
    ("apply", CLASS, "patch"): (5, "", False),
    ("apply", BINDING, "list"): (0, "bindings-unknown", True),
    ("revert", CLASS, "get"): (5, "", False),
    ("revert", CLASS, "patch"): (5, "", False),
    ("check", CLASS, "get"): (5, "", False),
    ("check", MACHINE, "list"): (0, "vms-unknown", False),
    ("check", IMAGE, "list"): (0, "images-unknown", False),
    ("check", CLUSTER_IMAGE, "list"): (0, "images-unknown", False),
    ("check", BINDING, "list"): (0, "bindings-unknown", True),
}
COMMANDS = {"plan": ("plan", "diff", "explain"), "apply": ("apply",), "revert": ("revert",),
            "check": ("check",)}


def manifests():
    """The roles as kubectl makes them of the kustomization."""
    kubectl = servers.find_apiserver().with_name("kubectl")
    folder = servers.REPO / "deploy" / "manifests" / "rbac"
    done = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60,
                          check=True)
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def rights():
    """{command: [(resource, verb)]}: what the role, or the roles, of a command grant."""
    granted = {}
    for role in manifests():
        assert role["kind"] == "ClusterRole"
        if role["metadata"]["name"] in ("nodeprep-pools", "nodeprep-status"):
            continue  # test_live_rights.py
        command = role["metadata"]["name"].removeprefix("nodeprep-").removesuffix("-cluster")
        for rule in role["rules"]:
            assert rule["apiGroups"] == [GROUP]
            pairs = itertools.product(rule["resources"], rule["verbs"])
            granted.setdefault(command, []).extend(pairs)
    return granted


@pytest.fixture(scope="module")
def old():
    with servers.RealServer(scope="Cluster") as running:
        yield running


USERS = (f"rights-{number}" for number in itertools.count(1))


def grant(server, ns, rights):
    """Makes a user who has these rights and no others, and waits until the server knows.

    What lies in a namespace is granted in that one alone, as docs/operators.md says. ns None: an old
    Supervisor, whose classes lie in none.
    """
    user = next(USERS)
    wide = [right for right in rights if ns is None or right[0] == CLUSTER_IMAGE]
    narrow = [right for right in rights if right not in wide]
    for name, granted, where in ((f"{user}-wide", wide, ""),
                                 (f"{user}-narrow", narrow, f"/namespaces/{ns}")):
        if granted:
            bind(server, user, name, granted, where)
    for resource, verb in rights:
        where = None if (resource, verb) in wide else ns
        servers.wait_until(f"{user} may {verb} {resource}",
                           lambda r=resource, v=verb, w=where: may(server, user, r, v, w))
    return user


def bind(server, user, name, rights, where):
    rules = [{"apiGroups": [GROUP], "resources": [resource], "verbs": [verb]}
             for resource, verb in rights]
    kind = "RoleBinding" if where else "ClusterRoleBinding"
    meta = {"name": name}
    server.must("POST", f"{RBAC}/clusterroles",
                {"apiVersion": RBAC_API, "kind": "ClusterRole", "metadata": meta, "rules": rules})
    server.must("POST", f"{RBAC}{where}/{kind.lower()}s", {
        "apiVersion": RBAC_API, "kind": kind, "metadata": meta,
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
    })


def may(server, user, resource, verb, ns):
    api = "authorization.k8s.io/v1"
    attributes = {"group": GROUP, "resource": resource, "verb": verb, "namespace": ns or ""}
    review = {"apiVersion": api, "kind": "SelfSubjectAccessReview",
              "spec": {"resourceAttributes": attributes}}
    answer = server.must("POST", f"/apis/{api}/selfsubjectaccessreviews", review,
                         headers={"Impersonate-User": user})
    return answer["status"]["allowed"]


def document(kind, name, ns=None, version="v1alpha6", **members):
    metadata = {"name": name, **({"namespace": ns} if ns else {})}
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": metadata, **members}


def pool(ns):
    return yaml.safe_dump({
        "apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool",
        "metadata": {"name": "w", "namespace": ns}, "spec": {"vmClass": "gpu"},
    })


SPEC = {"hardware": {"cpus": 16, "memory": "256Gi",
                     "devices": {"dynamicDirectPathIODevices": [A100]}}}


@pytest.fixture
def fleet(server, ns):
    """A class with a VM of either kind of image."""
    server.must("POST", classes_path(ns), document("VirtualMachineClass", "gpu", spec=SPEC))
    images, cluster_images = f"{CLASSES}/namespaces/{ns}/{IMAGE}", f"{CLASSES}/{CLUSTER_IMAGE}"
    server.must("POST", images, document("VirtualMachineImage", "mine"))
    server.must("POST", cluster_images, document("ClusterVirtualMachineImage", f"all-{ns}"))
    for name, image in (("a", "mine"), ("b", f"all-{ns}")):
        server.must("POST", f"{CLASSES}/namespaces/{ns}/{MACHINE}",
                    document("VirtualMachine", name, spec={"className": "gpu", "imageName": image}))
    yield ns
    server.must("DELETE", f"{cluster_images}/all-{ns}")


@pytest.fixture
def old_fleet(old):
    """A cluster-scoped class that is bound to namespace ml."""
    prefix = f"/apis/{GROUP}/v1alpha1"
    bindings = f"{prefix}/namespaces/ml/{BINDING}"
    old.must("POST", f"{prefix}/{CLASS}",
             document("VirtualMachineClass", "gpu", version="v1alpha1", spec=SPEC))
    old.must("POST", bindings, document("VirtualMachineClassBinding", "gpu", version="v1alpha1",
                                        classRef={"kind": "VirtualMachineClass", "name": "gpu"}))
    yield "ml"
    old.must("DELETE", f"{prefix}/{CLASS}/gpu")
    old.must("DELETE", f"{bindings}/gpu")


def prepare(nodeprep, role, text, env):
    """Brings the class where the role's command finds all its work: revert and check behind an apply."""
    if role in ("revert", "check"):
        assert nodeprep("apply", "-f", "-", input=text, env=env).rc == 0


EXPECTED = {"diff": 1}  # findings; check too, of a VM that is as old as the change


def test_table_has_each_rule_of_the_roles_and_no_others(rights):
    granted = {(command, *right) for command, pairs in rights.items() for right in pairs}
    assert granted == set(WITHOUT)
    assert sum(len(pairs) for pairs in rights.values()) == len(granted)
    assert {verb for command in ("plan", "check") for _, verb in rights[command]} == {"get", "list"}


@pytest.mark.parametrize("role", COMMANDS)
def test_role_suffices(server, fleet, nodeprep, rights, role):
    text = pool(fleet)
    prepare(nodeprep, role, text, {})
    user = grant(server, fleet, rights[role])
    for command in COMMANDS[role]:
        done = nodeprep(command, "-f", "-", "--as", user, input=text)
        assert done.rc == EXPECTED.get(command, done.rc if command == "check" else 0), done.err
        assert done.rc in (0, 1)
        assert "forbidden" not in done.out + done.err
        assert "-unknown: " not in done.out + done.err
    # With the role alone, nothing of the fleet stays unjudged because a right is missing.
    if role == "check":
        done = nodeprep("check", "-f", "-", "-o", "json", "--as", user, input=text)
        assert {vm["name"] for vm in done.json["virtualMachines"]} == {"a", "b"}
        assert len(done.json["images"]) == 2
        assert not {f["code"] for f in done.json["findings"]} & {
            "vms-unknown", "images-unknown", "image-unknown", "bindings-unknown"}


@pytest.mark.parametrize("role", COMMANDS)
def test_role_suffices_on_an_old_supervisor(old, old_fleet, nodeprep, rights, role):
    env = {"KUBECONFIG": old.kubeconfig}
    text = pool(old_fleet)
    prepare(nodeprep, role, text, env)
    user = grant(old, None, rights[role])
    for command in COMMANDS[role]:
        done = nodeprep(command, "-f", "-", "--as", user, input=text, env=env)
        assert done.rc == EXPECTED.get(command, 0), done.err
        assert "forbidden" not in done.out + done.err


@pytest.mark.parametrize(
    ("role", "resource", "verb"), [pytest.param(*row, id=" ".join(row)) for row in WITHOUT]
)
def test_with_one_right_less_the_right_thing_is_told(
    request, server, nodeprep, rights, role, resource, verb
):
    status, code, is_old = WITHOUT[role, resource, verb]
    ns = request.getfixturevalue("old_fleet" if is_old else "fleet")
    target = request.getfixturevalue("old") if is_old else server
    env = {"KUBECONFIG": target.kubeconfig}
    text = pool(ns)
    prepare(nodeprep, role, text, env)
    left = [right for right in rights[role] if right != (resource, verb)]
    user = grant(target, None if is_old else ns, left)
    target.mark()
    for command in COMMANDS[role]:
        done = nodeprep(command, "-f", "-", "--as", user, input=text, env=env)
        told = done.out + done.err
        expected = EXPECTED.get(command, 0) if status == 0 else status
        assert done.rc == expected or (command == "check" and status == 0 and done.rc in (0, 1)), told
        for part in (verb, f"{resource}.{GROUP}", "" if resource == CLUSTER_IMAGE else f"'{ns}'"):
            assert part in told
        assert code in told and "forbidden" in told
        assert user in told
    # Not a thing was written by who may not write, nor in spite of a failure.
    assert not [r for r in target.requests() if r["verb"] == "patch" and r["status"] == 200
                and status != 0]
