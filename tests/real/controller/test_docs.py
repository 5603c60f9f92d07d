# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that need a cluster: each runs, and prints what the page says; uninstalling restores every class."""

import os
import threading

import pytest
from controller_harness import (
    MANIFESTS,
    POOLS,
    SYSTEM,
    Controller,
    classes_path,
    drop_pools,
    gpu_class,
    kubectl_binary,
    managed_of,
    put_pool,
    run_kubectl,
    servers,
    wait_reason,
)

import doc_commands as docs

DEPLOY = servers.REPO / "docs" / "deploy.md"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/nodeprep-controller"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nodepools.nodeprep.dev"
# Namespace, class, and the names of its pools.
USED = (("ml", "gpu-a100x4", ["training"]), ("team", "gpu", ["one", "two"]))
NAMES = {"sha256:…": "sha256:" + "1" * 64}


class Cluster:
    """What is missing beside an API server: a kubelet for the controller, an end for namespaces."""

    def __init__(self, server):
        self.server = server
        self.running = None
        self.ended = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc_info):
        self.ended.set()
        self.thread.join()
        if self.running:
            self.running.__exit__()
        assert self.error is None

    def _run(self):
        try:
            while not self.ended.wait(0.1):
                self._run_controller()
                self._finish_namespaces()
        except (AssertionError, OSError, servers.StartError) as error:
            self.error = error

    def _run_controller(self):
        status, _, deployment = self.server.request("GET", DEPLOYMENT)
        if status == 200 and not self.running:
            self.running = Controller(self.server)
            self.running.__enter__()
            self.running.wait_ready()
            count = deployment["spec"]["replicas"]
            names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
            counts = dict.fromkeys(names, count)
            counts["observedGeneration"] = deployment["metadata"]["generation"]
            self.server.must("PATCH", f"{DEPLOYMENT}/status", {"status": counts})
        elif status == 404 and self.running:
            self.running.__exit__()
            self.running = None

    def _finish_namespaces(self):
        for space in self.server.must("GET", "/api/v1/namespaces")["items"]:
            if "deletionTimestamp" in space["metadata"] and space["spec"].get("finalizers"):
                space["spec"]["finalizers"] = []
                path = f"/api/v1/namespaces/{space['metadata']['name']}/finalize"
                self.server.request("PUT", path, space)


@pytest.fixture(scope="module")
def cluster():
    """A server that no other file has: the CRD and the controller's namespace are deleted."""
    with servers.RealServer() as running:
        running.create_namespace("team")
        with Cluster(running):
            yield running


@pytest.fixture
def fresh(cluster):
    """The cluster; after the test nothing of it is left."""
    yield cluster
    if cluster.request("GET", CRD)[0] == 200:
        for ns, _, _ in USED:
            drop_pools(cluster, ns)
    for folder in ("controller", "cni", "rbac", "crd"):
        run_kubectl(cluster, "delete", "--ignore-not-found", "-k", MANIFESTS / folder)
    for ns, name, _ in USED:
        cluster.request("DELETE", classes_path(ns, name))


def overlay_command():
    """Writes the overlay of deploy.md, which the other pages use too."""
    (block,) = [b for b in docs.blocks_of(DEPLOY) if b.file == "my-overlay/kustomization.yaml"]
    return docs.file_command(block)


@pytest.fixture
def shell(fresh, tmp_path):
    """shell(commands) runs commands of the docs in a folder of the test's own."""
    folder = docs.make_folder(tmp_path / "work")
    (folder / "supervisor.kubeconfig").symlink_to(fresh.kubeconfig)
    path = f"{kubectl_binary().parent}:{servers.BIN_DIR}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(tmp_path), "KUBECONFIG": str(fresh.kubeconfig)}

    def shell(commands):
        docs.check(commands, docs.run(commands, folder, env, NAMES))

    shell([overlay_command()])
    return shell


def put_classes(server):
    """Creates the classes, and returns what has to be there again in the end."""
    before = {}
    for ns, name, _ in USED:
        body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
        body["metadata"] = {"name": name, "labels": {"owner": ns}}
        server.must("POST", classes_path(ns), {**body, "spec": gpu_class()})
        before[ns, name] = content(server, ns, name)
    return before


def content(server, ns, name):
    found = server.must("GET", classes_path(ns, name))
    return found["spec"], found["metadata"].get("labels"), found["metadata"].get("annotations")


def contents(server):
    return {(ns, name): content(server, ns, name) for ns, name, _ in USED}


def use(server):
    """Adds the pools that the docs do not create, and waits until each class is changed."""
    for ns, vm_class, names in USED[1:]:
        for name in names:
            put_pool(server, ns, name, vmClass=vm_class)
    for ns, vm_class, names in USED:
        for name in names:
            wait_reason(server, ns, "Configured", name)
        assert len(managed_of(server.must("GET", classes_path(ns, vm_class)))["pools"]) == len(names)


def deploy_commands():
    """The commands of deploy.md that install, and those that uninstall."""
    (scenario,) = docs.scenarios(DEPLOY, worlds=["cluster"])
    (at,) = [n for n, c in enumerate(scenario.commands) if c.text.startswith("kubectl delete nodepools")]
    return scenario.commands[:at], scenario.commands[at:]


OTHERS = [page for page in docs.PAGES if page != DEPLOY]


@pytest.mark.parametrize("scenario", docs.scenarios(*OTHERS, worlds=["cluster"]), ids=lambda one: one.where)
def test_docs__in_a_cluster(fresh, shell, scenario):
    put_classes(fresh)
    shell(scenario.commands)


def test_uninstall__restores_every_class(fresh, shell):
    before = put_classes(fresh)
    install, uninstall = deploy_commands()
    shell(install)
    use(fresh)
    changed = contents(fresh)
    assert all(changed[key] != before[key] for key in before)
    shell(uninstall)
    assert contents(fresh) == before
    for path in (DEPLOYMENT, CRD, f"/api/v1/namespaces/{SYSTEM}"):
        assert fresh.request("GET", path)[0] == 404, path


def test_uninstall__overlay_first_keeps_the_pools_and_is_recovered(fresh, shell):
    before = put_classes(fresh)
    install, uninstall = deploy_commands()
    shell(install)
    use(fresh)
    shell([docs.Command("kubectl delete -k my-overlay", "test")])
    assert fresh.request("GET", CRD)[0] == 200
    pools = fresh.must("GET", f"{POOLS}/nodepools")["items"]
    assert len(pools) == 3 and not any("deletionTimestamp" in p["metadata"] for p in pools)
    shell([docs.Command("kubectl apply -k my-overlay", "test")])
    shell(uninstall)
    assert contents(fresh) == before


def test_docs__manifests_they_name_exist():
    words = [word for block in docs.blocks_of(DEPLOY) for line in block.lines for word in line.split()]
    named = {word for word in words if "deploy/manifests/" in word}
    assert named
    for word in named:
        folder = servers.REPO / "deploy" / "manifests" / word.partition("deploy/manifests/")[2]
        assert (folder / "kustomization.yaml").is_file(), word
