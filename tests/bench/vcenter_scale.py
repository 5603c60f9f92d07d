# SPDX-License-Identifier: Apache-2.0
"""host-check and vm-check at 1,000 hosts with 8 GPUs and up to 10,000 VMs, beside govc collecting the same properties.

    vcenter_scale.py BUILD [RUNS]

govc does what an administrator would do: `object.collect -json -type` of hosts and of VMs, one command each; its
CPU time is that of all commands together, its memory that of the largest."""

import os
import pathlib
import statistics
import sys

import bench as timing

HERE = pathlib.Path(__file__).resolve().parent
HOSTS = 1000
VMS = (2500, 5000, 10000)

CLUSTERS = ("ClusterComputeResource", "name")
HOST_DEVICES = (
    "HostSystem", "name", "parent", "config.product.version", "configManager.pciPassthruSystem", "runtime.connectionState",
    "runtime.inMaintenanceMode", "summary.rebootRequired", "hardware.pciDevice", "config.pciPassthruInfo", "config.graphicsInfo",
    "config.sharedPassthruGpuTypes",
)
HOST_NAMES = ("HostSystem", "name", "parent")
VM_DEVICES = ("VirtualMachine", "name", "config.hardware.device", "runtime.host", "runtime.powerState")
VM_SETTINGS = (
    *VM_DEVICES, "config.annotation", "config.changeVersion", "config.extraConfig", "config.firmware", "config.hardware.memoryMB",
    "config.managedBy", "config.memoryAllocation", "config.memoryReservationLockedToMax", "config.template", "config.version",
    "runtime.memoryOverhead",
)
COMMANDS = {
    "host-check": (CLUSTERS, HOST_DEVICES, VM_DEVICES),
    "vm-check": (CLUSTERS, HOST_NAMES, VM_SETTINGS),
}


class Work:
    def __init__(self, bench, vcenter, under_test):
        self.bench, self.vcenter = bench, vcenter
        self.host = under_test.Host(vcenter, vcenter.folder / "host")
        self.govc_env = {
            "GOVC_URL": vcenter.url, "GOVC_USERNAME": under_test.ADMIN, "GOVC_PASSWORD": under_test.PASSWORD,
            "GOVC_TLS_CA_CERTS": vcenter.ca, "GOVC_PERSIST_SESSION": "false", "HOME": str(vcenter.folder),
        }

    def nodeprep(self, command):
        run = self.bench.once(self.host.argv(command))
        if run.status != 1:  # findings
            sys.exit(f"nodeprep {command}: {self.bench.said}")
        return [run]

    def govc(self, command):
        runs = []
        for kind, *paths in COMMANDS[command]:
            collect = [self.vcenter.tools / "govc", "object.collect", "-json", "-type", kind, "/", *paths]
            runs.append(self.bench.once(collect, env=self.govc_env))
            if runs[-1].status:
                sys.exit(f"govc: {self.bench.said}")
        return runs

    def compare(self, command, runs):
        """Takes turns; the median of each: seconds by the clock, of the processor, MB."""
        seen = {"nodeprep": [], "govc": []}
        for _ in range(runs):
            seen["nodeprep"].append(self.nodeprep(command))
            seen["govc"].append(self.govc(command))
        return [
            (
                statistics.median(sum(run.wall for run in each) for each in found),
                statistics.median(sum(run.cpu for run in each) for each in found),
                statistics.median(max(run.mb for run in each) for each in found),
            )
            for found in seen.values()
        ]


def main(build, runs):
    os.environ["NODEPREP_BIN_DIR"] = str(build)
    sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "real" / "vcenter")]
    import vcenter as under_test

    rows = []
    with under_test.VCenter(under_test.build_tools(), "-large") as running:
        work = Work(timing.Bench(build), running, under_test)
        for command in COMMANDS:
            for vms in VMS:
                running.set(hosts=HOSTS, vms=vms)
                ours, theirs = work.compare(command, runs)
                rows.append((
                    command, f"{vms:,}", *(f"{a:.2f} / {b:.2f}" for a, b in zip(ours[:2], theirs[:2])), f"{ours[2]:.1f} / {theirs[2]:.1f}",
                    f"{ours[1] / theirs[1]:.2f}", f"{ours[2] / theirs[2]:.2f}",
                ))
    timing.table(
        f"{HOSTS:,} hosts with 8 GPUs each: nodeprep / govc object.collect of the same properties\n"
        "(aim: half of govc's CPU time, a third of its memory, linear in the number of VMs)",
        ["", "VMs", "s", "cpu s", "peak MB", "cpu", "memory"],
        rows,
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
