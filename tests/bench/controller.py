# SPDX-License-Identifier: Apache-2.0
"""Prints what the controller takes beside one on controller-runtime, and beside the writes alone.

    controller.py REFERENCE [POOLSxCLASSES...]

REFERENCE is the folder of the built reference controller and bare writer
(tests/real/controller/reference.sh). Each runs on a kube-apiserver of its own, with the same objects. The
API server and etcd take most of the machine, so only ratios within one run tell something. Rows: until all
pools are Ready; at rest for BENCH_REST_S (60); BENCH_DRIFTS (200) drifts, each of one class; a restart, and a restart of
the API server, each until a class that has drifted meanwhile is corrected. Nothing is asserted.
"""

import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import queue
import re
import ssl
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "real" / "controller")]

import servers  # noqa: E402
from controller_harness import (  # noqa: E402
    ACCOUNT,
    SYSTEM,
    Controller,
    FirstServer,
    account_token,
    classes_path,
    gpu_class,
    install,
    pool_body,
    pool_path,
)

NS = "bench"
SHAPES = ("1000x100", "1000x1000")
CREATORS = 4
WORKERS = 4  # of either controller, and the bare writer's connections
DRIFTS = int(os.environ.get("BENCH_DRIFTS", "200"))  # or fewer, where there are fewer classes
DRIFTS_OF_CLASS = 1  # the third within ten minutes makes it contended, and the restarts have one, too
REST_S = int(os.environ.get("BENCH_REST_S", "60"))
SETTLE_S = 5
LEASE = ("--leader-elect-lease-duration=15s", "--leader-elect-renew-deadline=10s", "--leader-elect-retry-period=2s")
TICK = os.sysconf("SC_CLK_TCK")
READY = re.compile(rb'"status":"True","type":"Ready"')
POOL = re.compile(rb'"name":"(pool-\d+)","namespace"')


class Client(threading.local):
    """A kept connection for each thread."""

    connection = None

    def send(self, server, method, path, body, kind="application/json"):
        if self.connection is None:
            self.connection = connect(server)
        headers = {"Authorization": f"Bearer {server.token}", "Content-Type": kind, "User-Agent": "kubectl-edit"}
        self.connection.request(method, path, json.dumps(body), headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status not in (200, 201):
            raise RuntimeError(text)


def connect(server):
    context = ssl.create_default_context(cafile=str(server.ca_file))
    return http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=600)


def class_body(number):
    body = {"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass"}
    return {**body, "metadata": {"name": f"gpu-{number}"}, "spec": gpu_class(4)}


def create_all(server, n_pools, n_classes):
    client = Client()
    bodies = [(classes_path(NS), class_body(number)) for number in range(n_classes)]
    for number in range(n_pools):
        spec = {"vmClass": f"gpu-{number % n_classes}"}
        bodies.append((pool_path(NS), pool_body(NS, f"pool-{number}", spec)))
    with concurrent.futures.ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(lambda item: client.send(server, "POST", *item), bodies))


def drift(server, client, name):
    patch = {"spec": {"configSpec": {"firmware": "bios"}}}
    client.send(server, "PATCH", f"{classes_path(NS)}/{name}", patch, "application/merge-patch+json")


# --- what a process takes -------------------------------------------------------------------------


def memory_mb(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(what)


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wire_mb(pid):
    """Bytes of the process's open connections, in both directions, as the kernel counts them."""
    lines = subprocess.run(["ss", "-tinpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    sums = 0
    for socket, counters in zip(lines[::2], lines[1::2]):
        if f"pid={pid}," in socket:
            sums += sum(int(n) for n in re.findall(r"bytes_(?:acked|received):(\d+)", counters))
    return sums / 1e6


def requests_of(server):
    counts = collections.Counter()
    for entry in server.requests():
        if ACCOUNT in entry["user"]:
            counts[entry["verb"]] += 1
    return counts


# --- what is watched ------------------------------------------------------------------------------


class Watch:
    """Lines of a watch, from now on, as bytes in a queue with the time at which they came."""

    def __init__(self, server, path):
        version = server.must("GET", path + "?limit=1")["metadata"]["resourceVersion"]
        self.connection = connect(server)
        self.connection.request("GET", f"{path}?watch=1&resourceVersion={version}",
                                headers={"Authorization": f"Bearer {server.token}"})
        self.response = self.connection.getresponse()
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self.response.readline():
                self.lines.put((time.monotonic(), line))

    def close(self):
        with contextlib.suppress(OSError):
            self.connection.sock and self.connection.sock.close()


def wait_ready(watch, n_pools):
    ready = set()
    while len(ready) < n_pools:
        at, line = watch.lines.get(timeout=3600)
        if READY.search(line):
            ready.add(POOL.search(line)[1])
    return at


def wait_corrected(server, running, name, pause_s=0.02):
    path = f"{classes_path(NS)}/{name}"
    while True:
        running.restart_ended()
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            if server.must("GET", path)["spec"]["configSpec"]["firmware"] == "efi":
                return time.monotonic()
        time.sleep(pause_s)


# --- the controllers ------------------------------------------------------------------------------


class Ours:
    name = "nodeprep"

    def __init__(self, server, _reference):
        self.controller = Controller(server, f"--workers={WORKERS}", *LEASE)

    def __enter__(self):
        self.controller.__enter__()
        return self

    def __exit__(self, *exc_info):
        self.controller.__exit__(*exc_info)

    @property
    def pid(self):
        return self.controller.process.pid

    def stop(self):
        self.controller.stop()

    def start(self):
        self.controller.start()

    def restart_ended(self):
        if self.controller.process.poll() is not None:
            self.start()


class Reference:
    name = "controller-runtime"

    def __init__(self, server, reference):
        self.server = server
        kubeconfig = server.folder / "reference.kubeconfig"
        server.write_kubeconfig(kubeconfig, account_token(server))
        self.argv = [reference / "controller", "-config", kubeconfig, "-lease-namespace", SYSTEM]
        self.argv += ["-workers", str(WORKERS)]

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.start()
        return self

    def __exit__(self, *exc_info):
        self.stack.close()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.terminate()
        self.process.wait(30)

    def start(self):
        self.process = servers.start(self.stack, self.argv, self.server.folder / "reference.log")

    def restart_ended(self):
        """As a kubelet does: a controller-runtime manager ends where it loses its lease."""
        if self.process.poll() is not None:
            self.start()


def taken(server, pid, seconds, cpu_before=0, wire_before=0):
    """What the process took since the server's log was marked."""
    counts = requests_of(server)
    return {"s": seconds, "cpu": cpu_s(pid) - cpu_before, "peak": memory_mb(pid, "VmHWM"),
            "requests": sum(counts.values()), "MB": wire_mb(pid) - wire_before, "verbs": dict(counts)}


@contextlib.contextmanager
def phase(server, pid, rows, name):
    """Measures what is done within, and adds the row."""
    server.mark()
    cpu, wire, began = cpu_s(pid), wire_mb(pid), time.monotonic()
    rows[name] = {}
    yield rows[name]
    rows[name].update(taken(server, pid, time.monotonic() - began, cpu, wire))


def n_drifts(n_classes):
    return min(DRIFTS, DRIFTS_OF_CLASS * n_classes)


def measure_drifts(server, n_classes):
    client, watch = Client(), Watch(server, classes_path(NS))
    times = []
    for number in range(n_drifts(n_classes)):
        name = f"gpu-{number % n_classes}"
        drift(server, client, name)
        began, wanted = time.monotonic(), f'"name":"{name}"'.encode()
        while True:
            at, line = watch.lines.get(timeout=600)
            if wanted in line and b'"firmware":"efi"' in line:
                break
        times.append(max(0.0, at - began))
    watch.close()
    times.sort()
    return times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3


def measure(kind, reference, n_pools, n_classes):
    """Returns the rows of one controller, and what it wrote."""
    rows = {}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(prepared(n_pools, n_classes))
        watch = Watch(server, pool_path(NS))
        starting = kind(server, reference)  # renders manifests, which is no work of the controller's
        server.mark()
        began = time.monotonic()
        running = stack.enter_context(starting)
        ready = wait_ready(watch, n_pools) - began
        watch.close()
        rows["all Ready"] = taken(server, running.pid, ready)
        written = harvest(server, n_classes)
        time.sleep(SETTLE_S)
        with phase(server, running.pid, rows, f"at rest, {REST_S} s"):
            time.sleep(REST_S)
        rows["restart"] = measure_restart(server, running)
        with phase(server, running.pid, rows, f"{n_drifts(n_classes)} drifts") as row:
            row["p50"], row["p99"] = measure_drifts(server, n_classes)
        rows["restart of the API server"] = measure_api_restart(server, running)
    return rows, written


def measure_restart(server, running):
    running.stop()
    drift(server, Client(), "gpu-0")
    server.mark()
    began = time.monotonic()
    running.start()
    corrected = wait_corrected(server, running, "gpu-0") - began
    time.sleep(SETTLE_S)
    return taken(server, running.pid, corrected)


def measure_api_restart(server, running):
    server.stop_api()
    server.start_api()
    began = time.monotonic()
    before, pid = cpu_s(running.pid), running.pid
    server.mark()
    drift(server, Client(), "gpu-1")
    corrected = wait_corrected(server, running, "gpu-1") - began
    time.sleep(SETTLE_S)
    return taken(server, running.pid, corrected, before if running.pid == pid else 0)


@contextlib.contextmanager
def prepared(n_pools, n_classes):
    """An API server with the objects, whose controller may do everything: rights cost either the same."""
    with FirstServer() as server:
        install(server)
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        server.must("POST", f"{servers.RBAC}/clusterrolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"}, "roleRef": ref, "subjects": [subject]})
        server.create_namespace(NS)
        create_all(server, n_pools, n_classes)
        yield server


# --- the floor ------------------------------------------------------------------------------------


def harvest(server, n_classes):
    """The writes that made the stored objects what they are, by class, for the bare writer."""
    lines = [[] for _ in range(n_classes)]
    apply = "?fieldManager=nodeprep&force=true"
    kind = "application/apply-patch+yaml"
    pools = server.must("GET", pool_path(NS))["items"]
    classes = {item["metadata"]["name"]: item for item in server.must("GET", classes_path(NS))["items"]}
    for pool in pools:
        name = pool["metadata"]["name"]
        body = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool"}
        body["metadata"] = {"name": name, "namespace": NS, "finalizers": pool["metadata"]["finalizers"]}
        of = lines[int(pool["spec"]["vmClass"].rpartition("-")[2])]
        of.append({"method": "PATCH", "path": pool_path(NS, name) + apply, "type": kind, "body": body})
    for number in range(n_classes):
        got = classes[f"gpu-{number}"]
        patch = {"metadata": {"annotations": got["metadata"]["annotations"]},
                 "spec": {part: got["spec"][part] for part in ("configSpec", "policies")}}
        lines[number].append({"method": "PATCH", "path": f"{classes_path(NS)}/gpu-{number}",
                              "type": "application/merge-patch+json", "body": patch})
    for pool in pools:
        name = pool["metadata"]["name"]
        body = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "status": pool["status"]}
        body["metadata"] = {"name": name, "namespace": NS}
        of = lines[int(pool["spec"]["vmClass"].rpartition("-")[2])]
        of.append({"method": "PATCH", "path": pool_path(NS, name) + "/status" + apply, "type": kind, "body": body})
    for event in server.must("GET", f"/apis/events.k8s.io/v1/namespaces/{NS}/events")["items"]:
        body = {**event, "apiVersion": "events.k8s.io/v1", "kind": "Event"}
        body["metadata"] = {"generateName": "bare-", "namespace": NS}
        lines[0].append({"method": "POST", "path": f"/apis/events.k8s.io/v1/namespaces/{NS}/events",
                         "type": "application/json", "body": body})
    return lines


def measure_bare(reference, written, n_pools, n_classes, watched=()):
    """Returns the bare writer's seconds; the server feeds a watch of each of the paths meanwhile."""
    with prepared(n_pools, n_classes) as server, contextlib.ExitStack() as stack:
        for path in watched:
            stack.callback(Watch(server, path).close)
        file = server.folder / "writes.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in written))
        argv = [reference / "bare", "-server", server.url, "-token", server.token, "-ca", server.ca_file]
        argv += ["-connections", str(WORKERS), file]
        done = subprocess.run([str(arg) for arg in argv], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
        return float(done.stdout)


# --- printing -------------------------------------------------------------------------------------


def show(title, rows):
    print(f"\n{title}")
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join([row[0].ljust(widths[0]), *(cell.rjust(n) for cell, n in zip(row[1:], widths[1:]))]))


def pair(ours, theirs, what, form):
    if what not in ours:
        return ""
    ratio = f" ({ours[what] / theirs[what]:.2f})" if theirs[what] else ""
    return f"{ours[what]:{form}} / {theirs[what]:{form}}{ratio}"


def compare(reference, n_pools, n_classes):
    ours, written = measure(Ours, reference, n_pools, n_classes)
    theirs, _ = measure(Reference, reference, n_pools, n_classes)
    floor = measure_bare(reference, written, n_pools, n_classes)
    watched = measure_bare(reference, written, n_pools, n_classes, (pool_path(NS), pool_path(NS), classes_path(NS)))
    head = ["", "s", "CPU s", "peak MB", "requests", "MB on the wire", "p50 ms", "p99 ms"]
    forms = {"s": ".2f", "cpu": ".2f", "peak": ".0f", "requests": "d", "MB": ".1f", "p50": ".0f", "p99": ".0f"}
    rows = [head]
    for name, own in ours.items():
        rows.append([name, *(pair(own, theirs[name], what, form) for what, form in forms.items())])
    n_writes = sum(len(line) for line in written)
    rows.append(["bare writer", f"{floor:.2f}", "", "", str(n_writes), "", "", ""])
    rows.append(["bare writer beside the watches", f"{watched:.2f}", "", "", str(n_writes), "", "", ""])
    show(f"controller, {n_pools} NodePools over {n_classes} classes: nodeprep / controller-runtime (ratio; aims: s 1, "
         f"CPU and memory 0.25); beside the bare writer {ours['all Ready']['s'] / floor:.2f} (aim 1.25), and with the watches "
         f"{ours['all Ready']['s'] / watched:.2f}", rows)
    show("requests by verb", [["", "nodeprep", "controller-runtime"], *(
        [name, json.dumps(ours[name]["verbs"]), json.dumps(theirs[name]["verbs"])] for name in ours)])
    sys.stdout.flush()


def main(reference, *shapes):
    for shape in shapes or os.environ.get("BENCH_CONTROLLER", " ".join(SHAPES)).split():
        compare(pathlib.Path(reference), *(int(word) for word in shape.split("x")))


if __name__ == "__main__":
    main(*sys.argv[1:])
