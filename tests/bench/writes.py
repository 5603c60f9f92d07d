# SPDX-License-Identifier: Apache-2.0
"""Times `apply` over 1,000 classes on a real kube-apiserver beside a bare program of the same requests.

    writes.py BUILD [CLASSES]

Each way is measured directly and through a proxy that delays each direction by 10 ms. Nothing is
asserted: what matters is the ratio within one run.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import statistics
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

import bench  # noqa: E402

NS = "bench"
RUNS = int(os.environ.get("BENCH_WRITE_RUNS", "3"))
ONE_WAY_S = 0.010
PARALLEL = (1, 8)


class DelayingProxy:
    """Relays TCP to a port of loopback; each piece arrives ONE_WAY_S after it was read."""

    def __init__(self, target):
        self.target = target
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        listen = asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.server = asyncio.run_coroutine_threadsafe(listen, self.loop).result()
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    async def serve(self, reader, writer):
        far = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self.relay(reader, far[1]), self.relay(far[0], writer))

    async def relay(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                self.loop.call_later(ONE_WAY_S, writer.write, data)
        self.loop.call_later(ONE_WAY_S, writer.close)


class CountingProxy(DelayingProxy):
    """Relays at once, and counts the bytes of both ways."""

    bytes = 0

    async def relay(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                self.bytes += len(data)
                writer.write(data)
                await writer.drain()
        writer.close()


def class_body(number):
    devices = {"dynamicDirectPathIODevices": [{"vendorID": 0x10DE, "deviceID": 0x20B0}] * 4}
    return {
        "apiVersion": "vmoperator.vmware.com/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": f"gpu-{number}", "namespace": NS},
        "spec": {"hardware": {"cpus": 16, "memory": "256Gi", "devices": devices}},
    }


def pool_body(number):
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": f"pool-{number}", "namespace": NS},
        "spec": {"vmClass": f"gpu-{number}"},
    }


class Writes:
    def __init__(self, build, server, count):
        self.bench = bench.Bench(build)
        self.server, self.count = server, count
        self.path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{NS}/virtualmachineclasses"
        self.pools = self.bench.work / "writes.json"
        self.pools.write_text(
            json.dumps({"apiVersion": "v1", "kind": "List", "items": [pool_body(n) for n in range(count)]})
        )
        self.patch = self.bench.work / "writes-patch.json"
        self.nothing = self.bench.work / "writes-nothing.json"
        nothing = {"metadata": {"annotations": None}, "spec": {"configSpec": None, "policies": None}}
        self.nothing.write_text(json.dumps(nothing))

    def create(self):
        self.server.create_namespace(NS)
        for number in range(self.count):
            self.server.must("POST", self.path, class_body(number))

    def kubeconfig(self, port):
        path = self.bench.work / f"kubeconfig-{port}"
        url = f"https://127.0.0.1:{port}"
        cluster = {"server": url, "certificate-authority": self.server.ca_file}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self.server.token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(json.dumps(config))
        return path

    def nodeprep(self, command, port, parallel):
        argv = [self.bench.nodeprep, command, "--timeout=10m", f"--parallel={parallel}", "-f", self.pools]
        run = self.bench.once([*argv, "--kubeconfig", self.kubeconfig(port)])
        if run.status:
            sys.exit(f"nodeprep {command}: {self.bench.said}")
        return run

    def keep_patch(self):
        """Keeps what apply patches a class with, so that the bare program sends as much."""
        stored = self.server.must("GET", f"{self.path}/gpu-0")
        managed = {"annotations": stored["metadata"]["annotations"]}
        spec = {key: stored["spec"][key] for key in ("configSpec", "policies")}
        self.patch.write_text(json.dumps({"metadata": managed, "spec": spec}))

    def bare(self, port, parallel):
        return self.write(port, parallel, self.patch)

    def write(self, port, parallel, patch):
        argv = [self.bench.work / "bare_writer", f"https://127.0.0.1:{port}", self.server.ca_file]
        run = self.bench.once([*argv, self.server.token, NS, str(self.count), str(parallel), patch])
        if run.status:
            sys.exit(f"bare_writer: {self.bench.said}")
        return run

    def measure(self, port, parallel):
        """Takes turns; each way finds the classes as they were created."""
        seen = {"apply": [], "bare": []}
        for _ in range(RUNS):
            seen["apply"].append(self.nodeprep("apply", port, parallel))
            self.nodeprep("revert", self.server.port, PARALLEL[-1])
            seen["bare"].append(self.bare(port, parallel))
            # The record of the bare program's patch names another class: it is removed with the rest.
            self.reset()
        return {
            name: tuple(statistics.median(getattr(run, at) for run in runs) for at in ("wall", "cpu", "mb"))
            for name, runs in seen.items()
        }

    def reset(self):
        """Makes the classes what they were created as."""
        self.write(self.server.port, PARALLEL[-1], self.nothing)


def main(build, count):
    import servers

    with servers.RealServer() as server, DelayingProxy(server.port) as proxy:
        work = Writes(build, server, count)
        work.create()
        work.nodeprep("apply", server.port, 1)
        work.keep_patch()
        work.nodeprep("revert", server.port, PARALLEL[-1])
        rows = []
        for name, port in (("", server.port), (", round trip 20 ms", proxy.port)):
            for parallel in PARALLEL:
                got = work.measure(port, parallel)
                floor = got["bare"]
                for who, (wall, cpu, mb) in got.items():
                    label = f"{who}, {parallel} at a time{name}"
                    ratios = (f"{wall / floor[0]:.2f}", f"{cpu / floor[1]:.2f}")
                    rows.append((label, f"{wall:.2f}", f"{cpu:.2f}", f"{mb:.1f}", *ratios))
    bench.table(
        f"apply over {count} classes beside a bare program of the same requests (aim: 1.2 times its time)",
        ["", "s", "cpu s", "peak MB", "time", "cpu"],
        rows,
    )


if __name__ == "__main__":
    os.environ["NODEPREP_BIN_DIR"] = sys.argv[1]
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
