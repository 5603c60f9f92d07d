# SPDX-License-Identifier: Apache-2.0
"""One ADD of the CNI plugin beside a bare program that makes its requests, and beside kubectl."""

import json
import os
import pathlib
import shutil
import statistics
import sys

RUNS = 15
NS, NAME = "ml", "gpu"


def find_kubectl(build):
    """The kubectl that the tests of the real server use, where it is built; else the one on PATH."""
    built = sorted((build / "real").glob("kubernetes-*/kubectl"))
    return str(built[-1]) if built else shutil.which("kubectl")


def make_class(server):
    hardware = {"cpus": 16, "memory": "256Gi"}
    hardware["devices"] = {"dynamicDirectPathIODevices": [{"vendorID": 0x10DE, "deviceID": 0x20B0}] * 4}
    body = {"apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass"}
    body |= {"metadata": {"name": NAME, "namespace": NS}, "spec": {"hardware": hardware}}
    path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{NS}/virtualmachineclasses"
    server.must("POST", path, body)


class Attach:
    def __init__(self, bench, server):
        self.bench, self.server = bench, server
        pool = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool"}
        pool |= {"metadata": {"name": "w", "namespace": NS}, "spec": {"vmClass": NAME}}
        config = {"cniVersion": "1.1.0", "name": "gpu", "instance": "bench", "nodePool": pool}
        self.config = bench.work / "attach.json"
        self.config.write_text(json.dumps(config))
        self.patch = bench.work / "patch.json"

    def call(self, command):
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0"}
        env["KUBECONFIG"] = self.server.kubeconfig
        with open(self.config, encoding="utf-8") as config:
            run = self.bench.once([self.bench.nodeprep], stdin=config, env=env)
        if run.status:
            sys.exit(f"nodeprep {command}: {self.bench.said}")
        return run

    def prepare(self):
        """Writes what ADD patches, so that the others can send the same."""
        self.call("ADD")
        path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{NS}/virtualmachineclasses/{NAME}"
        stored = self.server.must("GET", path)
        managed = {"annotations": stored["metadata"]["annotations"]}
        spec = {key: stored["spec"][key] for key in ("configSpec", "policies")}
        self.patch.write_text(json.dumps({"metadata": managed, "spec": spec}))
        self.call("DEL")

    def bare(self):
        command = [self.bench.work / "bare", self.server.url, self.server.ca_file, self.server.token]
        return [self.bench.once([*command, NS, NAME, self.patch])]

    def kubectl(self, binary):
        common = [binary, f"--kubeconfig={self.server.kubeconfig}", f"--namespace={NS}"]
        patch = [*common, "patch", "virtualmachineclass", NAME, "--type=merge", f"--patch-file={self.patch}"]
        return [
            self.bench.once([*common, "get", "virtualmachineclass", NAME, "-o", "json"]),
            self.bench.once(patch),
        ]

    def measure(self, ways):
        """Takes turns; the class is as it was before each."""
        seen = {name: [] for name in ways}
        for _ in range(RUNS):
            for name, way in ways.items():
                runs = way()
                if any(run.status for run in runs):
                    sys.exit(f"{name}: {self.bench.said}")
                seen[name].append(runs)
                self.call("DEL")
        return {
            name: (
                statistics.median(sum(run.wall for run in runs) for runs in each),
                statistics.median(sum(run.cpu for run in runs) for runs in each),
                statistics.median(max(run.mb for run in runs) for runs in each),
            )
            for name, each in seen.items()
        }


def attach(bench, build, table):
    os.environ["NODEPREP_BIN_DIR"] = str(build)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
    import servers

    title = (
        "one ADD of the CNI plugin, its four requests by a bare program, kubectl get + kubectl patch\n"
        "(aim: CPU at most 1.5 times the bare program's; kubectl at least 8 times the CPU, 6 times the memory)"
    )
    binary = find_kubectl(build)
    with servers.SimServer() as server:
        make_class(server)
        work = Attach(bench, server)
        work.prepare()
        ways = {"nodeprep ADD": lambda: [work.call("ADD")], "bare requests": work.bare}
        if binary:
            ways["kubectl get + patch"] = lambda: work.kubectl(binary)
        got = work.measure(ways)
    wall, cpu, mb = got["nodeprep ADD"]
    rows = [
        (name, f"{w * 1e3:.1f}", f"{c * 1e3:.1f}", f"{m:.1f}", f"{w / wall:.2f}", f"{c / cpu:.2f}", f"{m / mb:.2f}")
        for name, (w, c, m) in got.items()
    ]
    table(title, ["", "ms", "cpu ms", "peak MB", "time", "cpu", "memory"], rows)
    print(f"  ADD takes {cpu / got['bare requests'][1]:.2f} times the bare program's CPU time")
    if not binary:
        print("  kubectl not measured: none on PATH")
