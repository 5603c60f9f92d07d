# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that need a cluster: each runs, and prints what the page says."""

import os
import threading

import pytest
from controller_harness import (
    MANIFESTS,
    SYSTEM,
    Controller,
    classes_path,
    drop_pools,
    gpu_class,
    kubectl_binary,
    run_kubectl,
    servers,
)

import doc_commands as docs

DEPLOY = servers.REPO / "docs" / "deploy.md"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/nodeprep-controller"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nodepools.nodeprep.dev"
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
        with Cluster(running):
            yield running


@pytest.fixture
def fresh(cluster):
    """The cluster; after the test nothing of it is left."""
    yield cluster
    if cluster.request("GET", CRD)[0] == 200:
        drop_pools(cluster, "ml")
    for folder in ("controller", "cni", "rbac", "crd"):
        run_kubectl(cluster, "delete", "--ignore-not-found", "-k", MANIFESTS / folder)
    run_kubectl(cluster, "delete", "rolebindings", "--all", "-n", "ml")
    cluster.request("DELETE", classes_path("ml", "gpu-a100x4"))


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


@pytest.mark.parametrize("scenario", docs.scenarios(worlds=["cluster"]), ids=lambda one: one.where)
def test_docs__in_a_cluster(fresh, shell, scenario):
    body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass", "metadata": {"name": "gpu-a100x4"}}
    fresh.must("POST", classes_path("ml"), {**body, "spec": gpu_class()})
    shell(scenario.commands)
