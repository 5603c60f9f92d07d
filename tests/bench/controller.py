# SPDX-License-Identifier: Apache-2.0
"""Times the controller on a real kube-apiserver: 10,000 NodePools over 1,000 classes.

Prints how long it takes until all are Ready, memory, CPU and requests; nothing is asserted. The
API server and etcd take most of the machine, so the times tell more of them than of the controller.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import ssl
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "real" / "controller")]

import servers  # noqa: E402
from controller_harness import (  # noqa: E402
    Controller,
    classes_path,
    gpu_class,
    install,
    pool_body,
    pool_path,
)

NS = "bench"
THREADS = 4
REST_S = int(os.environ.get("BENCH_REST_S", "60"))
TICK = os.sysconf("SC_CLK_TCK")


class Client(threading.local):
    """A kept connection for each thread."""

    connection = None

    def post(self, server, path, body):
        if self.connection is None:
            context = ssl.create_default_context(cafile=str(server.ca_file))
            self.connection = http.client.HTTPSConnection(
                "127.0.0.1", server.port, context=context, timeout=60
            )
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 201:
            raise RuntimeError(text)


def create_all(server, n_pools, n_classes):
    client = Client()
    bodies = []
    for number in range(n_classes):
        meta = {"name": f"gpu-{number}"}
        body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
        bodies.append((classes_path(NS), {**body, "metadata": meta, "spec": gpu_class(4)}))
    for number in range(n_pools):
        spec = {"vmClass": f"gpu-{number % n_classes}"}
        bodies.append((pool_path(NS), pool_body(NS, f"pool-{number}", spec)))
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda item: client.post(server, *item), bodies))


def memory_mb(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(what)


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def ready_pools(running):
    text = running.get("/metrics", "metrics-listen")[1]
    for line in text.splitlines():
        if line.startswith('nodeprep_controller_nodepools{ready="true"}'):
            return int(line.split()[-1])
    return 0


def requests_of(server):
    counts = collections.Counter()
    for entry in server.requests():
        if "controller" not in entry["user"]:
            continue
        parts = entry["path"].split("/namespaces/")[-1].split("/")
        kind = parts[1] if len(parts) > 1 and "/namespaces/" in entry["path"] else parts[-1]
        kind += "/status" if entry["path"].endswith("/status") else ""
        counts[f"{entry['verb']} {kind}"] += 1
    return counts


def show(title, rows):
    print(f"\n{title}")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def main(n_pools, n_classes):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.RealServer())
        install(server)
        server.create_namespace(NS)
        began = time.monotonic()
        create_all(server, n_pools, n_classes)
        created = time.monotonic() - began
        server.mark()
        running = stack.enter_context(Controller(server))
        pid = running.process.pid
        began = time.monotonic()
        running.wait_ready()
        listed = time.monotonic() - began
        while ready_pools(running) < n_pools:
            time.sleep(0.2)
        ready = time.monotonic() - began
        rows = [
            ("created by 4 clients before", f"{created:.1f} s"),
            ("all listed", f"{listed:.2f} s"),
            ("all Ready", f"{ready:.1f} s"),
            ("CPU of the controller until then", f"{cpu_s(pid):.1f} s"),
            ("memory at most", f"{memory_mb(pid, 'VmHWM'):.1f} MB"),
        ]
        show(f"controller, {n_pools} NodePools over {n_classes} classes", rows)
        show("requests until then", sorted(requests_of(server).items()))
        time.sleep(5)
        server.mark()
        before = cpu_s(pid)
        time.sleep(REST_S)
        rows = [
            ("CPU", f"{cpu_s(pid) - before:.2f} s"),
            ("memory", f"{memory_mb(pid, 'VmRSS'):.1f} MB"),
            *sorted(requests_of(server).items()),
        ]
        show(f"at rest for {REST_S} s (lease renewed each 0.5 s here, each 2 s by default)", rows)


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] or ["10000", "1000"])))
