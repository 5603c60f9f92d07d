# SPDX-License-Identifier: Apache-2.0
"""What docs/deploy.md assumes beside an API server: a kubelet for the controller, a checkout, classes and pools in use."""

import os
import subprocess
import threading

from controller_harness import (
    SYSTEM,
    Controller,
    classes_path,
    gpu_class,
    kubectl_binary,
    managed_of,
    put_pool,
    servers,
    wait_reason,
)

DOCS = (servers.REPO / "docs" / "deploy.md").read_text()
DEPLOYMENT = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/nodeprep-controller"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/nodepools.nodeprep.dev"
OWN_FILES = ("my-overlay/kustomization.yaml", "values.yaml")
# Namespace, class, and the names of its pools.
USED = (("ml", "gpu-a100x4", ["training"]), ("team", "gpu", ["one", "two"]))


def blocks(text):
    """Returns the indented blocks that begin at the margin, without their indentation."""
    found, block = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("    "):
            block.append(line[4:])
        elif block:
            found.append("\n".join(block) + "\n")
            block = []
    return found


def section(title):
    return DOCS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


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


class Place:
    """The folder that the docs assume: a checkout named nodeprep, and the user's own files beside it."""

    def __init__(self, server, folder, programs=()):
        self.server = server
        self.folder = folder
        self.programs = [kubectl_binary().parent, servers.BIN_DIR.resolve(), *programs]
        (folder / "nodeprep").symlink_to(servers.REPO)
        (folder / "my-overlay").mkdir()
        for name in OWN_FILES:
            (text,) = [block for block in blocks(DOCS) if block.startswith(f"# {name}\n")]
            (folder / name).write_text(text.replace("sha256:…", "sha256:" + "1" * 64))

    def run(self, *commands):
        path = ":".join([*map(str, self.programs), os.environ["PATH"]])
        env = {"PATH": path, "HOME": str(self.folder), "KUBECONFIG": str(self.server.kubeconfig)}
        for command in commands:
            done = subprocess.run(
                ["sh", "-eux", "-c", command],
                cwd=self.folder,
                env=env,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr

    def follow(self, title):
        """Runs the commands of a section, with the chart that `make chart` packages."""
        commands = [block for block in blocks(section(title)) if not block.startswith("#")]
        self.run(*[command.replace("nodeprep-VERSION.tgz", "nodeprep.tgz") for command in commands])


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
