# SPDX-License-Identifier: Apache-2.0
"""node-check on trees that look like a node's sysfs; tests/real/guests has the real ones."""

import json
import os
import subprocess
import threading
import time

import pytest
import yaml

import servers
import sysfs

IDS = [
    "pci-readable",
    "gpu-count",
    "gpu-models",
    "bars-assigned",
    "bars-above-4g",
    "bar-sizes",
    "bridge-windows",
    "uefi",
    "kernel-log",
    "driver",
    "iommu",
    "vgpu",
]


class Run:
    def __init__(self, done):
        self.rc, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def status(self, name):
        return next(check["status"] for check in self.json["checks"] if check["id"] == name)

    def message(self, name):
        return next(check["message"] for check in self.json["checks"] if check["id"] == name)


@pytest.fixture
def tree(tmp_path):
    return sysfs.Tree(tmp_path)


@pytest.fixture
def check(tree, tmp_path):
    """check(*args, env=None) runs node-check on the tree, with JSON for an answer."""

    def run(*args, env=None, output="json", input="", timeout=60):
        argv = [servers.BIN_DIR / "nodeprep", "node-check", "-o", output]
        argv += ["--sysfs", tree.root, "--procfs", tree.procfs, *args]
        given = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path), **(env or {})}
        return Run(
            subprocess.run(
                [str(arg) for arg in argv],
                input=input,
                capture_output=True,
                encoding="utf-8",
                env=given,
                cwd=tmp_path,
                timeout=timeout,
                check=False,
            )
        )

    return run


def test_every_bar_is_there(tree, check):
    tree.gpu("0000:3b:00.0", driver="nvidia")
    run = check("--expect", "A100-40GB=1")
    assert (run.rc, run.err) == (0, "")
    report = run.json
    assert report["apiVersion"] == "nodeprep.dev/v1alpha1"
    assert (report["kind"], report["pass"], report["uefi"]) == ("NodeReport", True, True)
    assert report["gpus"] == [
        {
            "address": "0000:3b:00.0",
            "pciID": "10de:20b0",
            "model": "A100-40GB",
            "driver": "nvidia",
            "ok": True,
            "bars": [
                bar(0, 16 << 20, "0xc0000000"),
                bar(1, 64 << 30, "0x4000000000"),
                bar(3, 32 << 20, "0x5000000000"),
            ],
            "vgpu": None,
            "iommuGroup": None,
        }
    ]
    assert [c["id"] for c in report["checks"]] == IDS
    assert all(set(c) == {"id", "status", "message", "cure"} for c in report["checks"])
    assert report["expected"] == [{"name": "A100-40GB", "count": 1, "found": 1}]


def bar(index, size, address):
    return {
        "index": index,
        "sizeBytes": size,
        "assigned": address is not None,
        "address": address,
        "expectedBytes": size,
    }


def test_ids_are_documented():
    """docs/checks.md has a row for each id of both commands, and none that is not there."""
    text = (servers.REPO / "docs/checks.md").read_text()
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    for part, ids in ((sections["node-check"], IDS), (sections["host-check"], HOST_IDS)):
        rows = [line.split("`")[1] for line in part.splitlines() if line.startswith("| `")]
        assert rows == ids


HOST_IDS = [
    "hv-support",
    "iommu",
    "sr-iov",
    "above-4g",
    "gpus-found",
    "passthrough-capable",
    "passthrough-enabled",
    "passthrough-active",
    "bars-assigned",
    "hot-migrate",
    "mmio-window",
    "mmio-keys",
    "firmware",
    "memory-reservation",
    "device-limit",
    "hot-add",
    "viommu",
    "power-on",
    "vm-bars",
    "kernel-log",
    # With --vcenter.
    "connection",
    "maintenance",
    "reboot-required",
]


@pytest.mark.parametrize("config", [True, False], ids=["config readable", "config not readable"])
@pytest.mark.parametrize("missing", [(0,), (1,), (3,), (0, 1), (0, 1, 3)])
def test_unassigned_bar_fails(tree, check, missing, config):
    tree.gpu("0000:01:00.0", config=config)
    tree.gpu("0000:02:00.0", missing=missing, config=config)
    run = check()
    assert run.rc == 1 and run.json["pass"] is False
    good, bad = run.json["gpus"]
    assert (good["ok"], bad["ok"]) == (True, False)
    assert {b["index"]: (b["assigned"], b["sizeBytes"]) for b in bad["bars"]} == {
        index: (index not in missing, size) for index, (size, _) in sysfs.A100.items()
    }
    failed = next(c for c in run.json["checks"] if c["id"] == "bars-assigned")
    assert "0000:02:00.0" in failed["message"] and "0000:01:00.0" not in failed["message"]
    assert "64bitMMIOSizeGB 256 " in failed["cure"]


def test_size_without_address_is_not_assigned(tree, check):
    """Kernels may keep size and flags of what they could not place, at address 0 or marked as unset."""
    folder = tree.gpu("0000:01:00.0")
    lines = (folder / "resource").read_text().splitlines()
    for line in (f"0x{0:016x} 0x{(64 << 30) - 1:016x} 0x{0x14220C:016x}",
                 f"0x{1 << 40:016x} 0x{(1 << 40) + (64 << 30) - 1:016x} 0x{0x2014220C:016x}"):
        (folder / "resource").write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
        run = check()
        assert run.rc == 1
        assert run.json["gpus"][0]["bars"][1]["assigned"] is False
        assert run.json["gpus"][0]["bars"][1]["sizeBytes"] == 64 << 30


@pytest.mark.parametrize(
    ("pci_id", "bars", "model"),
    [
        ("10de:20b0", sysfs.A100, "A100-40GB"),
        ("10de:20b7", sysfs.A30, "A30"),
        ("10de:1eb8", sysfs.T4, "T4"),
        ("10de:2330", sysfs.H100, "H100-80GB"),
    ],
)
def test_models(tree, check, pci_id, bars, model):
    tree.gpu("0000:01:00.0", pci_id, bars)
    run = check("--expect", f"{model}=1")
    assert (run.rc, run.json["gpus"][0]["model"]) == (0, model)
    assert [b["index"] for b in run.json["gpus"][0]["bars"]] == list(bars)


def test_unknown_card_is_judged_by_config_space(tree, check):
    tree.gpu("0000:01:00.0", "10de:2fff", sysfs.A30)
    run = check()
    assert (run.rc, run.json["gpus"][0]["model"], run.json["gpus"][0]["ok"]) == (0, None, True)
    tree.gpu("0000:02:00.0", "10de:2fff", sysfs.A30, missing=(1,))
    run = check()
    assert run.rc == 1
    assert [b["sizeBytes"] for b in run.json["gpus"][1]["bars"]] == [16 << 20, None, 32 << 20]


def test_unknown_card_without_config_space_is_unknown(tree, check):
    tree.gpu("0000:01:00.0", "10de:2fff", sysfs.A30, config=False)
    run = check()
    assert (run.rc, run.json["pass"], run.json["gpus"][0]["ok"]) == (6, None, None)


def test_other_functions_are_not_gpus(tree, check):
    tree.gpu("0000:01:00.0")
    tree.function("0000:01:00.1", "10de:1aef", "040300")
    tree.function("0000:02:00.0", "10de:1af1", "068000")
    tree.function("0000:03:00.0", "10de:ffff", "0c0330")
    tree.function("0000:04:00.0", "15ad:0405", "030000")
    run = check("--expect", "A100-40GB=1")
    assert run.rc == 0 and len(run.json["gpus"]) == 1


@pytest.mark.parametrize(
    ("expect", "rc", "count", "models"),
    [
        ("A100-40GB=2", 0, "pass", "pass"),
        ("a100 40gb=2", 0, "pass", "pass"),
        ("10de:20b0=2", 0, "pass", "pass"),
        ("grid_a100x-40c=2", 0, "pass", "pass"),
        ("10de:20b0=1,A100-40GB=1", 0, "pass", "pass"),
        ("A100-40GB=1,10de:20b0=1", 0, "pass", "pass"),
        ("A100-40GB=3", 1, "fail", "fail"),
        ("A100-40GB=1", 1, "fail", "fail"),
        ("A100-80GB=2", 1, "pass", "fail"),
        ("10de:20f1=2", 1, "pass", "fail"),
        ("A100-40GB=1,T4=1", 1, "pass", "fail"),
        ("nvidia_new-8c=2", 6, "pass", "unknown"),
    ],
)
def test_expectation(tree, check, expect, rc, count, models):
    tree.gpu("0000:01:00.0")
    tree.gpu("0000:02:00.0")
    for run in (check("--expect", expect), check(env={"NODEPREP_EXPECT": expect})):
        assert (run.rc, run.status("gpu-count"), run.status("gpu-models")) == (rc, count, models)


def test_what_is_named_exactly_chooses_first(tree, check):
    tree.gpu("0000:01:00.0", "10de:20b0")
    tree.gpu("0000:02:00.0", "10de:20f1")
    assert check("--expect", "A100-40GB=1,10de:20b0=1").rc == 0
    assert check("--expect", "10de:20b0=1,A100-40GB=1").rc == 0


def test_absurd_sizes_are_no_numbers(tree, check):
    folder = tree.gpu("0000:01:00.0", "10de:2fff")
    line = "0x0000000000001000 0xffffffffffffffff 0x000000000014220c\n"
    (folder / "resource").write_text(line + ("0x0 0x0 0x0\n" * 12))
    assert check().json["gpus"][0]["bars"][0]["sizeBytes"] is None


@pytest.mark.parametrize(
    ("args", "rc", "words"),
    [
        (["--expect", "A100"], 3, "lacks its count"),
        (["--expect", "A100=1"], 3, "ambiguous"),
        (["--expect", "A100-40GB=0"], 3, "'0'"),
        (["--expect", "${GPUS}"], 3, "placeholder"),
        (["--expect", ""], 3, "empty"),
        (["--expect", "Z900=1"], 3, "not a known GPU model"),
        (["--expect", "T4=1", "-f", "x.yaml"], 2, "mutually exclusive"),
        (["--pool", "a"], 2, "--pool needs -f"),
        (["--patch-node"], 2, "--node-name"),
        (["--remove-taint"], 2, "--node-name"),
        (["--wait", "soon"], 2, "--wait"),
        (["--sysfs", "/nonexistent"], 3, "/nonexistent"),
        (["-f", "/nonexistent.yaml"], 3, "no such file"),
        (["more"], 2, "unexpected argument"),
        (["-o", "svg"], 2, "-o svg is only for explain"),
    ],
)
def test_bad_command_lines(check, args, rc, words):
    run = check(*args)
    assert (run.rc, run.out) == (rc, "")
    assert words in run.err and run.err.count("\n") == 1


POOL = {
    "apiVersion": "nodeprep.dev/v1alpha1",
    "kind": "NodePool",
    "metadata": {"name": "p", "namespace": "ml"},
    "spec": {"vmClass": "c", "gpus": [{"model": "A100-40GB", "count": 2}]},
}


def vm_class(ids, vendor=0x10DE):
    devices = [{"vendorID": vendor, "deviceID": i} for i in ids]
    return {
        "apiVersion": "vmoperator.vmware.com/v1alpha2",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "c", "namespace": "ml"},
        "spec": {"hardware": {"cpus": 8, "memory": "64Gi",
                              "devices": {"dynamicDirectPathIODevices": devices}}},
    }


def test_pool_says_what_is_expected(tree, check):
    tree.gpu("0000:01:00.0")
    tree.gpu("0000:02:00.0")
    assert check("-f", "-", input=yaml.safe_dump(POOL)).rc == 0
    tree.gpu("0000:03:00.0")
    run = check("-f", "-", input=yaml.safe_dump(POOL))
    # As plan has it: a class may attach more than its pool names, with a warning.
    assert (run.rc, run.status("gpu-count"), run.status("gpu-models")) == (0, "warn", "warn")
    assert check("-f", "-", input=yaml.safe_dump(POOL).replace("count: 2", "count: 4")).rc == 1


def test_class_of_the_pool_says_what_is_expected(tree, check):
    pool = {**POOL, "spec": {"vmClass": "c"}}
    both = yaml.safe_dump_all([pool, vm_class([0x20B0, 0x20B0])])
    tree.gpu("0000:01:00.0")
    assert check("-f", "-", input=both).rc == 1
    tree.gpu("0000:02:00.0")
    assert check("-f", "-", input=both).rc == 0
    run = check("-f", "-", input=yaml.safe_dump(pool))
    assert (run.rc, run.out) == (3, "") and "does not say which GPUs" in run.err
    # What may be a GPU is not the expectation of none.
    unknown = yaml.safe_dump_all([pool, vm_class([0xB140], vendor=0x1E52)])
    run = check("-f", "-", input=unknown)
    assert (run.rc, run.out) == (3, "") and "does not say which GPUs" in run.err
    # A class may attach more than its pool names: the class decides, and here it is known.
    more = yaml.safe_dump_all([POOL, vm_class([0x20B0] * 3)])
    assert check("-f", "-", input=more).rc == 1
    tree.gpu("0000:03:00.0")
    assert check("-f", "-", input=more).rc == 0


def test_one_pool_of_several(tree, check):
    tree.gpu("0000:01:00.0")
    other = json.loads(json.dumps(POOL))
    other["metadata"]["name"] = "q"
    other["spec"]["gpus"][0]["count"] = 1
    both = yaml.safe_dump_all([POOL, other])
    assert check("-f", "-", input=both).rc == 2
    assert check("-f", "-", "--pool", "p", input=both).rc == 1
    assert check("-f", "-", "--pool", "q", input=both).rc == 0
    assert check("-f", "-", "--pool", "ml/q", input=both).rc == 0
    assert check("-f", "-", "--pool", "r", input=both).rc == 4


def test_no_gpu_and_nothing_expected_is_unknown(check):
    run = check()
    assert (run.rc, run.json["pass"], run.json["gpus"]) == (6, None, [])


def test_no_pci_bus_is_unknown(tree, check):
    tree.devices.rmdir()
    run = check("--expect", "T4=1")
    assert (run.rc, run.json["pass"]) == (6, None)


def test_bios(tree, check):
    (tree.root / "firmware/efi").rmdir()
    tree.gpu("0000:01:00.0")
    run = check()
    assert (run.rc, run.json["uefi"], run.status("uefi")) == (0, False, "warn")
    tree.gpu("0000:02:00.0", missing=(1,))
    assert check().status("uefi") == "fail"
    (tree.root / "firmware").rmdir()
    assert check().json["uefi"] is None


def test_bridge_windows(tree, check):
    tree.bridge("0000:00:01.0", 1, 0x4000000000, 0x5FFFFFFFFF)
    tree.gpu("0000:01:00.0", bars={1: (64 << 30, sysfs.MEM64P)}, pci_id="10de:2fff")
    run = check()
    assert run.status("bridge-windows") == "pass"
    assert run.json["bridges"] == [
        {
            "address": "0000:00:01.0",
            "bus": 1,
            "windows": [{"address": "0x4000000000", "sizeBytes": 128 << 30, "prefetchable": True}],
        }
    ]
    tree.bridge("0000:00:02.0", 2, 0x6000000000, 0x7FFFFFFFFF)
    tree.gpu("0000:02:00.0", bars={1: (64 << 30, sysfs.MEM64P)}, pci_id="10de:2fff")
    run = check()
    assert (run.rc, run.status("bridge-windows")) == (1, "fail")
    assert "0000:00:02.0" in run.message("bridge-windows")


LOG = (
    "3,700,1000,-;pci 0000:01:00.0: BAR 1 [mem size 0x1000000000 64bit pref]: can't assign; no space\n"
    " SUBSYSTEM=pci\n"
    "3,701,1001,-;pci 0000:09:00.0: BAR 4 [io  size 0x0020]: can't assign; no space\n"
)
OLD_LOG = "[    1.0] pci 0000:01:00.0: BAR 1: no space for [mem size 0x1000000000 64bit pref]\n"
DRIVER_LOG = (
    "[   9.1] NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
    "[   9.1] NVRM: BAR1 is 0M @ 0x0 (PCI:0000:01:00.0)\n"
)


@pytest.mark.parametrize("text", [LOG, OLD_LOG, DRIVER_LOG], ids=["kmsg", "dmesg", "driver"])
def test_kernel_log(tree, check, tmp_path, text):
    (tmp_path / "log").write_text(text)
    folder = tree.gpu("0000:01:00.0")
    run = check("--kmsg", "log")
    # The state counts: what the kernel complained of first it may have placed after all.
    assert (run.rc, run.status("kernel-log")) == (0, "warn")
    (folder / "resource").write_text("0x0 0x0 0x0\n" * 13)
    run = check("--kmsg", "log")
    assert (run.rc, run.status("kernel-log")) == (1, "fail")
    assert "0000:01:00.0" in run.message("kernel-log") and "0000:09" not in run.message("kernel-log")


def test_kernel_log_without_findings(tree, check, tmp_path):
    tree.gpu("0000:01:00.0")
    (tmp_path / "log").write_text("6,1,1,-;Linux version 6.1\n")
    assert check("--kmsg", "log").status("kernel-log") == "pass"
    assert check("--kmsg", "/nonexistent").status("kernel-log") == "unknown"
    assert check().status("kernel-log") == "unknown"
    # A copy of procfs may hold one; the real /proc/kmsg gives each line to one reader only.
    (tree.procfs / "kmsg").write_text(LOG)
    assert check().status("kernel-log") == "warn"
    assert check("--procfs", "/proc").status("kernel-log") == "unknown"


REFUSAL = (
    "4,1300,9204113,-;NVRM: The NVIDIA GPU 0000:02:00.0 (PCI ID: 10de:25b6)\\x0aNVRM: installed in this system is not "
    "supported by the\\x0aNVRM: NVIDIA 535.183.06 driver release.\n"
    "4,1301,9204300,-;nvidia: probe of 0000:02:00.0 failed with error -1\n"
)
A16 = {0: (16 << 20, sysfs.MEM32), 1: (16 << 30, sysfs.MEM64P), 3: (32 << 20, sysfs.MEM64P)}


def test_driver_of_the_wrong_kind(tree, check, tmp_path):
    tree.gpu("0000:02:00.0", "10de:25b6", A16, subsystem="10de:1609")
    (tmp_path / "log").write_text(REFUSAL)
    run = check("--kmsg", "log", "--expect", "nvidia_a16-4c=1")
    assert (run.rc, run.status("kernel-log"), run.status("gpu-models")) == (1, "fail", "pass")
    assert "0000:02:00.0" in run.message("kernel-log") and "10de:25b6" in run.message("kernel-log")
    failed = next(c for c in run.json["checks"] if c["id"] == "kernel-log")
    assert "vGPU guest driver" in failed["cure"]
    # Once the right driver runs the GPU, the refusal is past.
    tree.driver_says("0000:02:00.0", "NVIDIA A16-4C")
    run = check("--kmsg", "log", "--expect", "nvidia_a16-4c=1")
    assert (run.rc, run.status("kernel-log")) == (0, "warn")


def test_wait_goes_on_after_a_refusal(tree, check, tmp_path):
    """Another driver may load later: that one refused the GPU is not final."""
    folder = tree.gpu("0000:02:00.0", "10de:25b6", A16, subsystem="10de:1609")
    (tmp_path / "log").write_text(REFUSAL)
    timer = threading.Timer(1.5, lambda: (tree.driver_says("0000:02:00.0", "NVIDIA A16-4C"),
                                          tree.link(folder / "driver", "drivers/nvidia")))
    timer.start()
    run = check("--kmsg", "log", "--driver", "nvidia", "--wait", "60s")
    timer.join()
    assert run.rc == 0


@pytest.mark.parametrize(
    ("line", "status", "word"),
    [
        ("NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x62:0x40:2142)", "fail", "could not start"),
        ("NVRM: GPU 0000:01:00.0: GPU has fallen off the bus.", "fail", "does not answer"),
        ("NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.", "fail", "does not answer"),
        ("NVRM: Xid (PCI:0000:01:00): 31, pid=1234, Ch 00000008, MMU Fault", "warn", "Xid"),
        ("NVRM: _kgspBootGspRm: unexpected WPR2 already up, cannot proceed with booting GSP", "fail", "GSP"),
        ("NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:20b0)\nNVRM: installed in this system requires use of the "
         "NVIDIA open kernel modules.", "fail", "open kernel modules"),
        ("NVRM: API mismatch: the client has the version 550.54", "fail", "different releases"),
        ("NVRM: The NVIDIA probe routine was not called for 1 device(s).", "fail", "another driver"),
        ("nvidia-gridd: Failed to acquire license from 10.0.0.1", "warn", "licence"),
        ("NVRM: GPU 0000:09:00.0: GPU has fallen off the bus.", "pass", "nothing"),
        ("nvidia 0000:01:00.0: enabling device (0000 -> 0003)", "pass", "nothing"),
    ],
)
def test_driver_messages(tree, check, tmp_path, line, status, word):
    tree.gpu("0000:01:00.0")
    (tmp_path / "log").write_text(f"[   12.5] {line}\n")
    run = check("--kmsg", "log")
    assert (run.status("kernel-log"), run.rc) == (status, int(status == "fail"))
    assert word in run.message("kernel-log")


@pytest.mark.parametrize(
    ("subsystem", "expect", "models"),
    [
        ("10de:1609", "nvidia_a16-4c", "pass"),
        ("10de:1609", "grid_a16-4c", "pass"),
        ("10de:1609", "nvidia_a16-16c", "fail"),
        ("10de:1609", "A16", "pass"),
        ("10de:14a9", "A16", "pass"),
        ("10de:14a9", "A2", "fail"),
        ("10de:157e", "A2", "pass"),
        ("10de:ffff", "nvidia_a16-4c", "unknown"),
    ],
)
def test_subsystem_names_board_and_vgpu_type(tree, check, subsystem, expect, models):
    """An init container runs before any driver: the subsystem alone tells what the function is."""
    tree.gpu("0000:02:00.0", "10de:25b6", A16, subsystem=subsystem)
    assert check("--expect", f"{expect}=1").status("gpu-models") == models


@pytest.mark.parametrize(
    ("driver", "status"),
    [("nvidia", "pass"), ("vfio-pci", "pass"), ("nouveau", "warn"), (None, "warn")],
)
def test_driver(tree, check, driver, status):
    tree.gpu("0000:01:00.0", driver=driver)
    run = check()
    assert (run.rc, run.status("driver"), run.json["gpus"][0]["driver"]) == (0, status, driver)
    run = check("--driver", "nvidia")
    assert run.rc == (0 if driver == "nvidia" else 1)


def test_vfio_requires_an_iommu(tree, check):
    folder = tree.gpu("0000:01:00.0", driver="vfio-pci")
    assert check().status("iommu") == "warn"
    tree.link(folder / "iommu_group", "../../../../kernel/iommu_groups/7")
    run = check()
    assert (run.status("iommu"), run.json["gpus"][0]["iommuGroup"]) == ("pass", 7)


def test_vgpu_guest(tree, check):
    """A vGPU has its board's id and a BAR of its profile's size; the driver knows its name."""
    small = {**sysfs.A100, 1: (8 << 30, sysfs.MEM64P)}
    tree.gpu("0000:02:00.0", "10de:20f1", small, driver="nvidia")
    tree.driver_says("0000:02:00.0", "GRID A100-8C")
    run = check("--expect", "grid_a100-8c=1")
    assert (run.rc, run.json["gpus"][0]["vgpu"], run.status("bar-sizes")) == (0, True, "warn")
    assert check("--expect", "grid_a100-40c=1").rc == 1
    assert check("--expect", "A100-40GB=1").rc == 0


def test_whole_card_is_not_a_vgpu(tree, check):
    tree.gpu("0000:02:00.0", "10de:20f1", driver="nvidia")
    tree.driver_says("0000:02:00.0", "NVIDIA A100-PCIE-40GB")
    run = check("--expect", "A100-40GB=1")
    assert (run.rc, run.json["gpus"][0]["vgpu"], run.status("vgpu")) == (0, False, "pass")
    assert check("--expect", "grid_a100-40c=1").rc == 1


def test_device_that_fell_off_the_bus(tree, check):
    folder = tree.gpu("0000:01:00.0")
    (folder / "config").write_bytes(b"\xff" * 256)
    run = check()
    assert (run.rc, run.json["gpus"][0]["ok"]) == (1, False)
    assert "does not answer" in run.message("bars-assigned")


def test_large_bar_below_4g(tree, check):
    folder = tree.gpu("0000:01:00.0", "10de:1eb8", sysfs.T4)
    lines = (folder / "resource").read_text().splitlines()
    lines[1] = f"0x{0x80000000:016x} 0x{0x9FFFFFFF:016x} 0x{0x14220C:016x}"
    (folder / "resource").write_text("\n".join(lines) + "\n")
    run = check()
    assert (run.status("bars-above-4g"), run.status("bar-sizes")) == ("warn", "warn")


# --- hostile and broken trees -----------------------------------------------------------------------


def break_resource(text):
    return lambda folder: (folder / "resource").write_text(text)


BROKEN = {
    "resource is empty": break_resource(""),
    "resource is cut": lambda f: (f / "resource").write_text((f / "resource").read_text()[:100]),
    "resource is cut in its last number": lambda f: (f / "resource").write_text(
        (f / "resource").read_text()[: 57 * 5 + 50]
    ),
    "resource is no text": lambda f: (f / "resource").write_bytes(bytes(range(256)) * 4),
    "resource ends before it starts": break_resource("0x2000 0x1000 0x40200\n" * 13),
    "resource is a fifo": lambda f: ((f / "resource").unlink(), os.mkfifo(f / "resource")),
    "resource is a folder": lambda f: ((f / "resource").unlink(), (f / "resource").mkdir()),
    "resource is a loop of links": lambda f: (
        (f / "resource").unlink(),
        (f / "resource").symlink_to("resource"),
    ),
    "resource is endless": lambda f: ((f / "resource").unlink(), (f / "resource").symlink_to("/dev/zero")),
    "resource is huge": lambda f: os.truncate(f / "resource", 1 << 40),
    "vendor is a fifo": lambda f: ((f / "vendor").unlink(), os.mkfifo(f / "vendor")),
    "vendor is gone": lambda f: (f / "vendor").unlink(),
    "device is no number": lambda f: (f / "device").write_text("0x20b0b0\n"),
    "device is cut": lambda f: (f / "device").write_text("0x"),
    "the device's folder is a link to nothing": lambda f: (
        f.rename(f.with_name("moved")),
        f.symlink_to(f.name),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tree_never_passes(tree, check, name):
    tree.gpu("0000:01:00.0")
    BROKEN[name](tree.gpu("0000:02:00.0"))
    for args in ((), ("--expect", "A100-40GB=2")):
        run = check(*args, timeout=20)
        assert (run.rc, run.json["pass"], run.err) == (6, None, "")


def test_odd_entries_are_ignored(tree, check):
    tree.gpu("0000:01:00.0")
    for name in ("..data", "0000:01:00.9", "0000:01:00.00", "zzzz:01:00.0", "x" * 200, "0000:01:00"):
        (tree.devices / name).mkdir()
    assert check("--expect", "A100-40GB=1").rc == 0


def test_many_devices(tree, check):
    for i in range(500):
        tree.function(f"0000:{i // 8:02x}:{i % 8:02x}.0", "8086:1234", "020000")
    tree.gpu("0001:00:00.0")
    assert check("--expect", "A100-40GB=1").rc == 0


def test_foreign_names_are_printable(tree, check):
    folder = tree.gpu("0000:01:00.0")
    tree.link(folder / "driver", "x/\x1b[31mred\u00e9")
    run = check()
    assert run.rc == 0 and run.json["gpus"][0]["driver"] == "?[31mred??"


# --- waiting ----------------------------------------------------------------------------------------


def test_wait_until_the_gpu_is_there(tree, check):
    timer = threading.Timer(1.5, lambda: tree.gpu("0000:01:00.0"))
    timer.start()
    began = time.monotonic()
    run = check("--expect", "A100-40GB=1", "--wait", "60s")
    timer.join()
    assert run.rc == 0 and 1 < time.monotonic() - began < 50


def test_wait_until_the_driver_binds(tree, check):
    folder = tree.gpu("0000:01:00.0")
    timer = threading.Timer(1.5, lambda: tree.link(folder / "driver", "drivers/nvidia"))
    timer.start()
    run = check("--driver", "nvidia", "--wait", "60s")
    timer.join()
    assert run.rc == 0


def test_wait_ends(tree, check):
    assert check("--wait", "1s").rc == 6
    tree.gpu("0000:01:00.0")
    assert check("--expect", "A100-40GB=2", "--wait", "1s").rc == 1


def test_wait_ends_at_once_on_a_final_failure(tree, check):
    tree.gpu("0000:01:00.0", missing=(1,))
    began = time.monotonic()
    assert check("--expect", "A100-40GB=1", "--wait", "10m").rc == 1
    assert time.monotonic() - began < 50


# --- outputs ----------------------------------------------------------------------------------------


def test_table(tree, check):
    tree.gpu("0000:01:00.0", missing=(0, 1))
    run = check(output="table")
    assert run.rc == 1
    assert "0000:01:00.0 (A100-40GB)" in run.out and "not assigned" in run.out
    assert run.out.endswith("result: fail\n")
    # One line of cause and one of remedy for each finding.
    lines = run.out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("fail     bars-assigned"))
    assert "remedy: " in lines[at + 1]


def test_yaml_is_the_same_report(tree, check):
    tree.gpu("0000:01:00.0")
    assert yaml.safe_load(check(output="yaml").out) == check().json


def test_same_tree_same_bytes(tree, check):
    for address in ("0000:03:00.0", "0000:01:00.0", "0000:02:00.0"):
        tree.gpu(address)
    first = check()
    assert [g["address"] for g in first.json["gpus"]] == sorted(g["address"] for g in first.json["gpus"])
    assert check().out == first.out


def test_termination_log(tree, check, tmp_path):
    log = tmp_path / "termination-log"
    tree.gpu("0000:01:00.0", missing=(1,))
    assert check("--termination-log", log).rc == 1
    text = log.read_text()
    assert text.startswith("node-check: fail\nfail bars-assigned: ") and "remedy: " in text
    log.write_text("x" * 9000)
    assert check("--termination-log", log, "--expect", "A100").rc == 3
    assert log.read_text().startswith("node-check: error: ")
    assert check("--termination-log", tmp_path / "none/log").rc == 1


def test_termination_log_is_bounded(tree, check, tmp_path):
    for i in range(64):
        tree.gpu(f"0000:{i:02x}:00.0", missing=(0, 1, 3))
    assert check("--termination-log", tmp_path / "log").rc == 1
    text = (tmp_path / "log").read_text()
    assert len(text) <= 4096 and text.startswith("node-check: fail\n")


def test_catalogue_file(tree, check, tmp_path):
    card = {"model": "Z1", "pciID": "10de:2fff", "barsMB": {0: 16, 1: 32768, 3: 32}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump([card]))
    tree.gpu("0000:01:00.0", "10de:2fff", sysfs.A30, config=False)
    run = check("--catalogue", "cards.yaml", "--expect", "Z1=1")
    assert (run.rc, run.json["gpus"][0]["model"]) == (0, "Z1")


def test_help_names_the_options():
    done = subprocess.run(
        [servers.BIN_DIR / "nodeprep", "help", "node-check"], capture_output=True, encoding="utf-8", check=True
    )
    for option in ("--expect", "--wait", "--sysfs", "--procfs", "--filename", "--termination-log"):
        assert option in done.stdout


def test_signal_ends_the_waiting(tree, tmp_path):
    """A container's first process ends by no signal that it does not handle: this one tells what it saw."""
    argv = [servers.BIN_DIR / "nodeprep", "node-check", "--sysfs", tree.root, "--wait", "10m", "-o", "json"]
    process = subprocess.Popen(
        [str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    time.sleep(1)
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err, json.loads(out)["pass"]) == (6, "", None)
