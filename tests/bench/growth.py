# SPDX-License-Identifier: Apache-2.0
"""Prints how the controller's needs grow with pools and classes: up to 100,000 NodePools.

    growth.py [POOLSxCLASSES...]

The NodePools are those of pool_api.py, the classes are on nodeprep-sim. Slopes are the differences between
one row and the row above it. Both servers share the machine with the controller.
"""

import contextlib
import json
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e")]

import servers  # noqa: E402
from pool_api import NS, PoolApi  # noqa: E402

SHAPES = ("1000x1000", "10000x1000", "100000x1000", "10000x10000")
REST_S = 10
SETTLE_MOST_S = 60
TICK = os.sysconf("SC_CLK_TCK")
TICK_S = 1 / TICK
PCI = {"vendorID": 0x10DE, "deviceID": 0x20B0}


def memory_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("VmHWM")


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def write_classes(file, n_classes):
    hardware = {"cpus": 8, "memory": "64Gi", "devices": {"dynamicDirectPathIODevices": [PCI] * 4}}
    docs = [{"apiVersion": f"{servers.GROUP}/v1alpha6", "kind": "VirtualMachineClass",
             "metadata": {"name": f"gpu-{number}", "namespace": NS}, "spec": {"hardware": hardware}}
            for number in range(n_classes)]
    file.write_text("".join(f"---\n{json.dumps(doc)}\n" for doc in docs))


def start_controller(stack, api, sim):
    pools = sim.folder / "pools.kubeconfig"
    pools.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "s", "cluster": {"server": f"http://127.0.0.1:{api.port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "s", "user": "u"}}]}))
    argv = [servers.BIN_DIR / "nodeprep", "controller", "--kubeconfig", pools, "--leader-elect=false"]
    argv += ["--supervisor-kubeconfig", sim.kubeconfig, "--log-format=json"]
    env = {"PATH": os.environ["PATH"], "HOME": str(sim.folder)}
    return servers.start(stack, argv, sim.folder / "controller.log", env=env)


def record_bytes(sim):
    """The largest record that a class got, and its size for each of its pools."""
    path = f"/apis/{servers.GROUP}/v1alpha6/namespaces/{NS}/virtualmachineclasses/gpu-0"
    text = sim.must("GET", path)["metadata"]["annotations"]["nodeprep.dev/managed"]
    return len(text), len(json.loads(text)["pools"])


def settle(pid):
    """Waits until the process has nothing left to do, or seems never to."""
    for _ in range(SETTLE_MOST_S):
        before = cpu_s(pid)
        time.sleep(1)
        if cpu_s(pid) - before <= TICK_S:
            return


def measure(n_pools, n_classes):
    with contextlib.ExitStack() as stack:
        file = pathlib.Path(stack.enter_context(servers.tempfile.TemporaryDirectory())) / "classes.yaml"
        write_classes(file, n_classes)
        sim = stack.enter_context(servers.SimServer(classes=[file]))
        api = stack.enter_context(PoolApi(n_pools, n_classes))
        began = time.monotonic()
        process = start_controller(stack, api, sim)
        while not api.is_ready.wait(1):
            if process.poll() is not None:
                raise SystemExit((sim.folder / "controller.log").read_text()[-2000:])
        got = {"s": time.monotonic() - began, "cpu": cpu_s(process.pid), "mb": memory_mb(process.pid),
               "requests": api.requests, "bytes": api.bytes}
        settle(process.pid)
        before = cpu_s(process.pid)
        time.sleep(REST_S)
        got["rest"] = (cpu_s(process.pid) - before) / REST_S * 100
        got["record"], got["of"] = record_bytes(sim)
        return got


def main(*shapes):
    head = ["pools", "classes", "s", "CPU s", "peak MB", "requests", "MB", "at rest %", "record KB", "its pools",
            "CPU us/pool", "bytes/pool", "requests/pool", "wire KB/pool"]
    print("\ncontroller: growth (the last four: for each further pool, from the row above)")
    rows, last = [head], None
    for shape in shapes or SHAPES:
        n_pools, n_classes = (int(word) for word in shape.split("x"))
        got = measure(n_pools, n_classes)
        row = [str(n_pools), str(n_classes), f"{got['s']:.1f}", f"{got['cpu']:.2f}", f"{got['mb']:.1f}",
               str(got["requests"]), f"{got['bytes'] / 1e6:.1f}", f"{got['rest']:.1f}", f"{got['record'] / 1e3:.1f}",
               str(got["of"])]
        if last and n_pools > last[0]:
            more, was = n_pools - last[0], last[1]
            row += [f"{(got['cpu'] - was['cpu']) / more * 1e6:.0f}", f"{(got['mb'] - was['mb']) / more * (1 << 20):.0f}",
                    f"{(got['requests'] - was['requests']) / more:.2f}", f"{(got['bytes'] - was['bytes']) / more / 1e3:.2f}"]
        rows.append(row)
        last = (n_pools, got)
        print("  " + "  ".join(row), file=sys.stderr)
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(head))]
    for row in rows:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


if __name__ == "__main__":
    main(*sys.argv[1:])
