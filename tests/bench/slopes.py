# SPDX-License-Identifier: Apache-2.0
"""Prints what each further class, host and VM costs every command, and what one call of a plugin or a hook costs.

    slopes.py BUILD [RUNS]

Each command runs with few and with many objects; a slope is the difference of the two, divided by the number of
further objects. The median of RUNS turns. Requests are those that the servers log; bytes are those of the TCP
connections, TLS included, both ways, as a proxy on loopback counts them.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import sys

import bench as timing

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "real" / "vcenter")]

FEW, MANY = 50, 450  # classes of a Supervisor
VCENTER_FEW, VCENTER_MANY = 10, 60  # classes of a vCenter
FLEETS = {"host": ((100, 1000), (1100, 1000)), "VM": ((100, 1000), (100, 11000))}  # (hosts, VMs), few and many
HOOK_CLASSES = (1, 21)
CALLS = 30  # of a hook


@dataclasses.dataclass
class Cost:
    cpu: float  # seconds
    requests: float
    bytes: float
    mb: float = 0

    def per(self, n):
        return Cost(self.cpu / n, self.requests / n, self.bytes / n, self.mb / n)

    def __sub__(self, other):
        return Cost(self.cpu - other.cpu, self.requests - other.requests, self.bytes - other.bytes, self.mb - other.mb)


def median(costs):
    return Cost(*(statistics.median(getattr(cost, at.name) for cost in costs) for at in dataclasses.fields(Cost)))


class Table:
    def __init__(self):
        self.rows = []

    def add(self, caller, each, cost):
        memory = f"{cost.mb * (1 << 20):.0f}" if each != "call" else f"{cost.mb:.1f} MB"
        self.rows.append((caller, each, f"{cost.cpu * 1e3:.3f}", f"{cost.requests:.2f}", f"{cost.bytes / 1e3:.2f}", memory))

    def print(self):
        title = "what each further object costs, and one call of a plugin or hook"
        timing.table(title, ["", "each", "cpu ms", "requests", "KB", "memory, bytes"], self.rows)


class Meter:
    """Runs commands against one server, through a proxy that counts."""

    def __init__(self, bench, server, proxy):
        self.bench, self.server, self.proxy = bench, server, proxy

    @contextlib.contextmanager
    def counted(self, cost):
        self.server.mark()
        before = self.proxy.bytes
        yield
        cost.requests, cost.bytes = len(self.server.requests()), self.proxy.bytes - before

    def run(self, argv, statuses=(0,), **options):
        cost = Cost(0, 0, 0)
        with self.counted(cost):
            run = self.bench.once([str(arg) for arg in argv], **options)
        if run.status not in statuses:
            sys.exit(f"{' '.join(map(str, argv))}: {self.bench.said}")
        cost.cpu, cost.mb = run.cpu, run.mb
        return cost


# --- classes of a Supervisor: apply, revert, the CNI plugin, hooks ---------------------------------


def write_kubeconfig(file, server, port):
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": server.ca_file}
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {"token": server.token}}],
        "clusters": [{"name": "c", "cluster": cluster}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))


def write_pools(folder, pools, count):
    file = folder / f"pools-{count}.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [pools(n) for n in range(count)]}))
    return file


def classes(meter, table, counts, argv, runs, name):
    """apply, the same again, and revert; argv(command, count) is the command line."""
    seen = {command: {count: [] for count in counts} for command in ("apply", "apply, up to date", "revert")}
    for _ in range(runs):
        for count in counts:
            for command, costs in seen.items():
                costs[count].append(meter.run(argv(command.partition(",")[0], count)))
    few, many = counts
    for command, costs in seen.items():
        table.add(f"{command}{name}", "class", (median(costs[many]) - median(costs[few])).per(many - few))


def plugin(meter, table, kubeconfig, folder, runs):
    pool = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "w", "namespace": "ml"},
            "spec": {"vmClass": "gpu-0"}}
    config = folder / "attach.json"
    config.write_text(json.dumps({"cniVersion": "1.1.0", "name": "gpu", "instance": "bench", "nodePool": pool}))
    seen = {"ADD": [], "DEL": []}
    for _ in range(runs):
        for command, costs in seen.items():
            env = {"CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "KUBECONFIG": str(kubeconfig)}
            with open(config, encoding="utf-8") as stdin:
                costs.append(meter.run([meter.bench.nodeprep], stdin=stdin, env=env))
    for command, costs in seen.items():
        table.add(f"CNI plugin, {command}", "call", median(costs))


def cpu_s(pid):
    """The processor time of all threads that live, in seconds."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def make_cluster(n_classes, number):
    deployments = [
        {"class": "node-pool", "name": f"gpu-{n}", "replicas": 1,
         "variables": {"overrides": [{"name": "vmClass", "value": f"gpu-{n}"}]}}
        for n in range(n_classes)
    ]
    return {"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "metadata": {"name": f"c{number}", "namespace": "ml"},
            "spec": {"topology": {"class": "any", "workers": {"machineDeployments": deployments}}}}


def call_hook(hookd, kind, handler, cluster):
    group = "hooks.runtime.cluster.x-k8s.io/v1alpha1"
    body = {"apiVersion": group, "kind": f"{kind}Request", "settings": {}, "cluster": cluster}
    status, answer = hookd.ask(kind.lower(), body, handler)
    if status != 200 or json.loads(answer)["status"] != "Success":
        sys.exit(f"{kind}: {answer.decode(errors='replace')}")


def hook(meter, hookd, n_classes, kind, handler, is_deleted):
    """CALLS calls, each of a cluster of its own; the Clusters' own requests are of another server."""
    cost = Cost(0, 0, 0)
    clusters = [hookd.clusters.put(make_cluster(n_classes, n), is_deleted) for n in range(CALLS)]
    before = cpu_s(hookd.process.pid)
    with meter.counted(cost):
        for cluster in clusters:
            call_hook(hookd, kind, handler, cluster)
    cost.cpu = cpu_s(hookd.process.pid) - before
    return cost.per(CALLS)


def hooks(meter, table, kubeconfig):
    from hookd import Hookd

    few, many = HOOK_CLASSES
    with Hookd(str(kubeconfig)) as hookd:
        for kind, handler in (("BeforeClusterCreate", "before-cluster-create"), ("BeforeWorkersUpgrade", "before-workers-upgrade")):
            first, more = (hook(meter, hookd, n, kind, handler, False) for n in HOOK_CLASSES)
            table.add(f"hookd, {kind}", "call", first)
            table.add(f"hookd, {kind}", "class", (more - first).per(many - few))
        # The first call releases the classes of the cluster; the second finds nothing to release.
        kind = "BeforeClusterDelete"
        first, again = (hook(meter, hookd, many, kind, "before-cluster-delete", True) for _ in range(2))
        table.add(f"hookd, {kind}", "call", again)
        table.add(f"hookd, {kind}", "class", (first - again).per(many))


def supervisor(bench, table, runs):
    import servers
    import writes

    with servers.SimServer() as server, writes.CountingProxy(server.port) as proxy:
        meter = Meter(bench, server, proxy)
        path = f"/apis/{servers.GROUP}/v1alpha6/namespaces/ml/virtualmachineclasses"
        for number in range(MANY):
            server.must("POST", path, writes.class_body(number) | {"metadata": {"name": f"gpu-{number}", "namespace": "ml"}})
        kubeconfig = server.folder / "counted.kubeconfig"
        write_kubeconfig(kubeconfig, server, proxy.port)
        pools = {count: write_pools(server.folder, ml_pool, count) for count in (FEW, MANY)}
        classes(meter, table, (FEW, MANY),
                lambda command, count: [bench.nodeprep, command, "--kubeconfig", kubeconfig, "-f", pools[count]], runs, "")
        plugin(meter, table, kubeconfig, server.folder, 5 * runs)
        hooks(meter, table, kubeconfig)


def ml_pool(number):
    return {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": f"pool-{number}", "namespace": "ml"},
            "spec": {"vmClass": f"gpu-{number}"}}


# --- a vCenter: its classes, hosts and VMs ---------------------------------------------------------


def vcenter_classes(bench, table, runs, under_test, tools):
    import writes

    with under_test.VCenter(tools) as vcenter, writes.CountingProxy(int(vcenter.host.rpartition(":")[2])) as proxy:
        vcenter.put_classes(*(under_test.gpu_class(f"gpu-{n}", *[under_test.A100] * 4) for n in range(VCENTER_MANY)))
        host = under_test.Host(vcenter, vcenter.folder / "host")
        meter, url = Meter(bench, vcenter, proxy), f"https://127.0.0.1:{proxy.port}"
        pools = {n: write_pools(vcenter.folder, ml_pool, n) for n in (VCENTER_FEW, VCENTER_MANY)}
        classes(meter, table, (VCENTER_FEW, VCENTER_MANY),
                lambda command, count: host.argv(command, "-f", pools[count], url=url), runs, ", vCenter")
        changes(meter, table, host, url, under_test)


def changes(meter, table, host, url, under_test):
    """What a change costs beyond the reading that a dry run does as well."""
    plain = ["--vm", "DC0_C2_RP0_VM0", "--change-firmware"]
    pools = host.folder / "hosts.yaml"
    pools.write_text(under_test.builders.dump(under_test.builders.pool("ml", "pool", "gpu-0", gpus=[{"model": "A100-40GB", "count": 4}])))
    for command, args, of in (("vm-apply", plain, "changed VM"), ("vm-revert", plain[:2], "changed VM"),
                              ("host-apply", ["-f", pools, "--cluster", "DC0_C2"], "changed host")):
        dry = meter.run(host.argv(command, *args, "--dry-run=client", url=url), (0, 1, 5))
        table.add(command, of, meter.run(host.argv(command, *args, url=url), (0, 1, 5)) - dry)


def fleets(bench, table, runs, under_test, tools):
    import writes

    with under_test.VCenter(tools, "-large") as vcenter, writes.CountingProxy(int(vcenter.host.rpartition(":")[2])) as proxy:
        host = under_test.Host(vcenter, vcenter.folder / "host")
        meter, url = Meter(bench, vcenter, proxy), f"https://127.0.0.1:{proxy.port}"
        for command in ("host-check", "vm-check"):
            for each, sizes in FLEETS.items():
                found = []
                for hosts, vms in sizes:
                    vcenter.set(hosts=hosts, vms=vms)
                    found.append(median([meter.run(host.argv(command, url=url), (0, 1)) for _ in range(runs)]))
                further = sum(sizes[1]) - sum(sizes[0])
                table.add(command, each, (found[1] - found[0]).per(further))


def main(build, runs=3):
    os.environ["NODEPREP_BIN_DIR"] = str(build)
    import vcenter as under_test

    bench, table, tools = timing.Bench(build), Table(), under_test.build_tools()
    supervisor(bench, table, runs)
    vcenter_classes(bench, table, runs, under_test, tools)
    fleets(bench, table, runs, under_test, tools)
    table.print()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), *(int(word) for word in sys.argv[2:]))
