# SPDX-License-Identifier: Apache-2.0
"""The commands of docs that need a cluster: each runs, and prints what the page says."""

import os

import pytest
from controller_harness import MANIFESTS, classes_path, drop_pools, gpu_class, kubectl_binary, run_kubectl, servers
from deployed import CRD, Cluster

import doc_commands as docs

DEPLOY = servers.REPO / "docs" / "deploy.md"
NAMES = {"sha256:…": "sha256:" + "1" * 64}


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
