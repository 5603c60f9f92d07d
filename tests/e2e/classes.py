# SPDX-License-Identifier: Apache-2.0
"""Many classes of one server, a pool of each, and a nodeprep that a test stops while it works on them."""

import os
import subprocess

import servers
from builders import A100, MANAGED, SIZE, USE64, dump, hardware, keys_of, pool, writes
from fixtures import classes_path


def put_classes(server, ns, names):
    for name in names:
        body = {
            "apiVersion": f"{servers.GROUP}/v1alpha6",
            "kind": "VirtualMachineClass",
            "metadata": {"name": name, "namespace": ns},
            "spec": hardware(A100),
        }
        server.must("POST", classes_path(ns), body)


def pools_of_classes(ns, names):
    return dump(*(pool(ns, f"p-{name}", name) for name in names))


def start(kubeconfig, *args, **options):
    streams = {name: options.pop(name, subprocess.PIPE) for name in ("stdin", "stdout", "stderr")}
    return subprocess.Popen(
        [str(servers.BIN_DIR / "nodeprep"), *args],
        encoding="utf-8",
        env={"KUBECONFIG": str(kubeconfig), "PATH": os.environ["PATH"]},
        **streams,
        **options,
    )


def is_right(cls):
    return sorted(keys_of(cls)) == [(SIZE, "512"), (USE64, "TRUE")]


def has_record(cls):
    return MANAGED in cls["metadata"].get("annotations", {})


def wait_for_writes(server, count):
    servers.wait_until(f"{count} writes", lambda: len(writes(server)) >= count)
