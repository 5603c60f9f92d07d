# SPDX-License-Identifier: Apache-2.0
"""host-check on captures: recognised by content; truncated captures never pass falsely."""

import json
import os
import subprocess

import pytest
import yaml

import captures
import servers


@pytest.fixture
def host(tmp_path):
    """host({name: text}, *args) writes the captures and judges them; text alone goes to stdin."""

    def run(files, *args, output="json"):
        given = files if isinstance(files, dict) else {}
        for name, text in given.items():
            (tmp_path / name).write_text(text)
        names = list(given) or ["-"]
        done = subprocess.run(
            [str(servers.BIN_DIR / "nodeprep"), "host-check", "-o", output, *args, *names],
            input=files if isinstance(files, str) else "",
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            timeout=60,
            check=False,
        )
        return Answer(done)

    return run


class Answer:
    def __init__(self, done):
        self.rc, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __getitem__(self, name):
        return next(check["status"] for check in self.json["checks"] if check["id"] == name)

    def check(self, name):
        return next(check for check in self.json["checks"] if check["id"] == name)


def test_a_host_that_is_ready(host):
    run = host(captures.GOOD)
    assert (run.rc, run.err) == (0, "")
    report = run.json
    assert (report["apiVersion"], report["kind"]) == ("nodeprep.dev/v1alpha1", "HostReport")
    assert (report["pass"], report["hvSupport"], report["neededMMIOGB"]) == (True, 3, None)
    assert [(g["address"], g["pciID"], g["model"], g["ok"]) for g in report["gpus"]] == [
        ("0000:3b:00.0", "10de:20f1", "A100-40GB", True)
    ]
    assert all(set(c) == {"id", "status", "message", "cure", "where"} for c in report["checks"])
    assert [c["name"] for c in report["captures"]] == list(captures.GOOD)


def test_all_captures_through_a_pipe(host):
    assert host("".join(captures.GOOD.values())).rc == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_order_does_not_matter(host, order):
    items = list(captures.GOOD.items())
    assert host(dict(items[i] for i in order)).rc == 0
    assert host("".join(items[i][1] for i in order)).rc == 0


@pytest.mark.parametrize("missing", captures.GOOD)
def test_missing_captures_are_unknown(host, missing):
    run = host({name: text for name, text in captures.GOOD.items() if name != missing})
    assert (run.rc, run.json["pass"]) == (6, None)
    assert "fail" not in {c["status"] for c in run.json["checks"]}


@pytest.mark.parametrize(
    ("level", "status", "word"),
    [(0, "fail", "neither"), (1, "fail", "does not support"), (2, "fail", "disabled"), (3, "pass", "enabled")],
)
def test_hv_support(host, level, status, word):
    run = host(captures.esxcfg_info(level))
    assert (run["hv-support"], run.json["hvSupport"]) == (status, level)
    assert word in run.check("hv-support")["message"]


@pytest.mark.parametrize("level", ["", "4", "33", "3x", "-1", "three"])
def test_invalid_hv_support_is_unknown(host, level):
    run = host({**captures.GOOD, "esxcfg.txt": captures.esxcfg_info(level)})
    assert (run.rc, run["hv-support"], run.json["hvSupport"]) == (6, "unknown", None)


def test_hv_support_in_one_line(host):
    for line in ("   |----HV Support............................................3",
                 "HV Support: 3\n", "HV Support.....3\r\n"):
        assert host(line).json["hvSupport"] == 3


@pytest.mark.parametrize(
    ("fields", "capable", "enabled", "active", "ok"),
    [
        ({}, "pass", "pass", "pass", True),
        (captures.AFTER_SETTING, "pass", "pass", "fail", False),
        (captures.NEVER_SET, "pass", "fail", "fail", False),
        ({**captures.NEVER_SET, "Passthru Capable": "false"}, "fail", "fail", "fail", False),
        ({"Passthru Capable": None}, "unknown", "pass", "pass", None),
        ({"Passthru Capable": "tru"}, "unknown", "pass", "pass", None),
        ({"Configured Owner": "VM Pass"}, "pass", "unknown", "pass", None),
        ({"Current Owner": ""}, "pass", "pass", "unknown", None),
    ],
)
def test_passthrough(host, fields, capable, enabled, active, ok):
    run = host({**captures.GOOD, "pci.txt": captures.pci_record("0000:3b:00.0", "20f1", **fields)})
    names = ("passthrough-capable", "passthrough-enabled", "passthrough-active")
    assert tuple(run[name] for name in names) == (capable, enabled, active)
    assert run.json["gpus"][0]["ok"] is ok
    assert run.rc == {True: 0, False: 1, None: 6}[ok]


def test_one_gpu_of_two(host):
    both = captures.pci_record("0000:3b:00.0", "20f1") + "\n"
    both += captures.pci_record("0000:d8:00.0", "20f1", **captures.AFTER_SETTING)
    run = host({**captures.GOOD, "pci.txt": both})
    assert [g["ok"] for g in run.json["gpus"]] == [True, False]
    assert run.rc == 1 and "0000:d8:00.0" in run.check("passthrough-active")["message"]
    assert "0000:3b:00.0" not in run.check("passthrough-active")["message"]


@pytest.mark.parametrize(("active", "status"), [("true", "pass"), ("false", "fail")])
def test_vim_cmd(host, active, status):
    record = captures.pci_record(
        "0000:3b:00.0", "20f1", **{"Configured Owner": None, "Current Owner": None, "Passthru Capable": None}
    )
    run = host({**captures.GOOD, "pci.txt": record, "vim": captures.VIM_CMD_PASSTHROUGH % active})
    assert (run["passthrough-capable"], run["passthrough-active"]) == ("pass", status)


def test_pcipassthru_list(host):
    record = captures.pci_record("0000:3b:00.0", "20f1", **{"Configured Owner": None})
    run = host({**captures.GOOD, "pci.txt": record, "list": captures.PCIPASSTHRU_LIST})
    assert (run["passthrough-enabled"], run.rc) == ("pass", 0)
    off = captures.PCIPASSTHRU_LIST.replace("     true", "    false")
    assert host({**captures.GOOD, "list": off})["passthrough-enabled"] == "fail"


def test_no_gpu_in_the_list(host):
    run = host({**captures.GOOD, "pci.txt": captures.NIC})
    assert (run.rc, run["gpus-found"]) == (1, "fail")


@pytest.mark.parametrize(
    ("settings", "check"),
    [({"iommu": "Disabled"}, "iommu"), ({"above_4g": "Disabled"}, "above-4g")],
)
def test_bios_settings_that_are_off(host, settings, check):
    run = host({**captures.GOOD, "bios.txt": captures.bios(**settings)})
    assert (run.rc, run[check]) == (1, "fail")
    assert run.check(check)["cure"] and run.check(check)["where"]


@pytest.mark.parametrize("value", ["", "Auto", "Enable (pending)", "Enab", "2"])
def test_unclear_bios_settings_are_unknown(host, value):
    run = host({**captures.GOOD, "bios.txt": captures.bios(value, value, value)})
    assert (run["iommu"], run["above-4g"]) == ("unknown", "unknown")
    assert run.rc == 6


@pytest.mark.parametrize(
    "text", [captures.BIOS_TABLE, captures.BIOS_CSV, captures.BIOS_JSON], ids=["table", "csv", "json"]
)
def test_forms_of_bios_exports(host, text):
    good = {**captures.GOOD, "bios.txt": text}
    assert host(good).rc == 0
    run = host({**good, "bios.txt": text.replace("Enabled", "Disabled")})
    assert (run["iommu"], run["above-4g"]) == ("fail", "fail")


def test_sriov_is_for_vgpus_and_the_t4(host):
    off = captures.bios(sriov="Disabled")
    t4 = captures.pci_record("0000:3b:00.0", "1eb8")
    vgpu = captures.pci_record("0000:3b:00.0", "20f1", **captures.VGPU_HOST)
    assert host({**captures.GOOD, "bios.txt": off})["sr-iov"] == "pass"
    assert host({**captures.GOOD, "bios.txt": off}, "--vgpu")["sr-iov"] == "fail"
    assert host({**captures.GOOD, "bios.txt": off, "pci.txt": t4})["sr-iov"] == "fail"
    assert host({**captures.GOOD, "bios.txt": off, "pci.txt": vgpu})["sr-iov"] == "fail"
    assert host({**captures.GOOD, "pci.txt": vgpu})["sr-iov"] == "pass"
    assert host({"bios.txt": off})["sr-iov"] == "unknown"


@pytest.mark.parametrize("form", [captures.POWERCLI, captures.VIM_CMD_OPTION], ids=["PowerCLI", "vim-cmd"])
def test_hot_migrate(host, form):
    vgpu = {**captures.GOOD, "pci.txt": captures.pci_record("0000:3b:00.0", "20f1", **captures.VGPU_HOST)}
    assert host(vgpu).rc == 6
    assert host({**vgpu, "vc": form % "true"}).rc == 0
    run = host({**vgpu, "vc": form % "false"})
    assert (run.rc, run["hot-migrate"]) == (1, "fail")
    assert host({**captures.GOOD, "vc": form % "false"})["hot-migrate"] == "warn"
    assert host({**vgpu, "vc": form % "tru"})["hot-migrate"] == "unknown"


def test_no_iommu_of_esxi(host):
    assert host({**captures.GOOD, "a": captures.ADVANCED_LIST % "1"})["iommu"] == "fail"
    assert host({**captures.GOOD, "a": captures.ADVANCED_LIST % "0"})["iommu"] == "pass"
    assert host({**captures.GOOD, "a": captures.KERNEL_LIST % "TRUE "})["iommu"] == "fail"
    assert host({**captures.GOOD, "a": captures.KERNEL_LIST % "FALSE"})["iommu"] == "pass"
    # That the IOMMU is not forbidden does not say that the BIOS switches it on.
    assert host(captures.KERNEL_LIST % "FALSE")["iommu"] == "unknown"


def test_the_worse_of_two_captures_counts(host):
    for first, second in (("Enabled", "Disabled"), ("Disabled", "Enabled")):
        run = host({"a": captures.bios(iommu=first), "b": captures.bios(iommu=second)})
        assert run["iommu"] == "fail"
    assert host({"a": captures.esxcfg_info(3), "b": captures.esxcfg_info(2)}).json["hvSupport"] == 2


def test_lspci(host):
    run = host(captures.LSPCI)
    gpu = run.json["gpus"][0]
    assert (gpu["pciID"], gpu["model"], gpu["driver"]) == ("10de:20f1", "A100-40GB", "vfio-pci")
    assert [(b["index"], b["sizeBytes"], b["assigned"], b["address"]) for b in gpu["bars"]] == [
        (0, 16 << 20, True, "0xb6000000"),
        (1, 64 << 30, True, "0x39000000000"),
        (3, 32 << 20, True, "0x3a000000000"),
    ]
    assert (run["bars-assigned"], run["above-4g"], run.rc) == ("pass", "pass", 6)


def test_lspci_without_region_numbers(host):
    text = captures.LSPCI.replace("\tRegion 0: ", "\t").replace("\tRegion 1: ", "\t").replace("\tRegion 3: ", "\t")
    run = host(text)
    assert [b["index"] for b in run.json["gpus"][0]["bars"]] == [0, 1, 3]
    assert run["bars-assigned"] == "pass"


def test_lspci_with_an_unassigned_bar(host):
    run = host(captures.LSPCI_UNASSIGNED)
    assert (run.rc, run["bars-assigned"], run["above-4g"]) == (1, "fail", "fail")
    assert run.json["gpus"][0]["bars"][1] == {
        "index": 1,
        "sizeBytes": 64 << 30,
        "assigned": False,
        "address": None,
        "expectedBytes": 64 << 30,
    }


def test_lspci_without_ids(host):
    run = host(captures.LSPCI_NAMES)
    assert (run.json["gpus"][0]["pciID"], run.json["gpus"][0]["model"]) == (None, "A100-40GB")


@pytest.mark.parametrize(
    ("pages", "limit", "needed", "window"),
    [
        (33566722, 917504, 129, 256),
        (4206594, 917504, 17, 64),
        (67121154, 33554432, 257, 512),
        (16777216, 917504, 64, 64),
        (1, 0, 1, 64),
    ],
)
def test_vmware_log(host, pages, limit, needed, window):
    run = host({**captures.GOOD, "vmware.log": captures.VMWARE_LOG % (pages, limit)})
    assert (run.rc, run["mmio-window"]) == (1, "fail")
    assert (run.json["neededMMIOGB"], run.json["windowGB"]) == (needed, window)
    assert f"64bitMMIOSizeGB {window} " in run.check("mmio-window")["cure"]


def test_largest_need_of_a_log_counts(host):
    text = captures.VMWARE_LOG % (33566722, 917504) + captures.VMWARE_LOG % (4206594, 917504)
    assert host(text).json["neededMMIOGB"] == 129


@pytest.mark.parametrize(
    "line",
    [
        "total number of pages needed (335",
        "total number of pages needed (33566722) exceeds limit (9175",
        "total number of pages needed (33566722) exceeds",
        "total number of pages needed () exceeds limit ()",
        "total number of pages needed (-5) exceeds limit (1)",
        "total number of pages needed (99999999999999999999) exceeds limit (1)",
    ],
)
def test_truncated_vmware_log(host, line):
    run = host(f"vmx| PCIPassthru: {line}")
    assert (run.rc, run.json["neededMMIOGB"], run["mmio-window"]) == (6, None, "unknown")


@pytest.mark.parametrize("name", captures.GOOD)
def test_truncation_never_passes(host, name):
    """Each capture, cut after each byte: a pass may only come of values that stood there in full."""
    text = captures.GOOD[name]
    needs = {
        "esxcfg.txt": ["HV Support...............................................3"],
        "pci.txt": ["Passthru Capable: true", "Current Owner: VM Passthru", "Device ID: 0x20f1"],
        # "Enable" is a word of its own.
        "bios.txt": ["(VT-d)=Enable", "MmioAbove4Gb=Enable"],
    }[name]
    step = max(1, len(text) // 60)
    for at in [*range(1, len(text), step), *(text.index(n) + len(n) + d for n in needs for d in (-1, 0))]:
        run = host({**captures.GOOD, name: text[:at]})
        assert run.rc in ((0, 6) if all(need in text[:at] for need in needs) else (3, 6)), (at, run.out, run.err)


def test_list_truncated_within_a_record(host):
    text = captures.PCI_LIST
    run = host({**captures.GOOD, "pci.txt": text[: text.rindex("Passthru Capable") + 5]})
    assert (run.rc, run["gpus-found"]) == (6, "unknown")


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "hello\n", "x" * 100000, "\0" * 1000, "[10de:20f1]\n", "{}\n", "HV Suppor"],
    ids=["empty", "blank", "a word", "a long line", "zeros", "an id", "json", "half a word"],
)
def test_nothing_recognised(host, text):
    run = host(text)
    assert (run.rc, run.out) == (3, "")
    assert run.err.count("\n") == 1 and "nothing recognised" in run.err


def test_one_unrecognised_capture_of_several(host):
    run = host({**captures.GOOD, "other.txt": "hello\n"})
    assert (run.rc, run.out) == (3, "") and "'other.txt'" in run.err


def test_windows_line_ends(host):
    assert host({n: t.replace("\n", "\r\n") for n, t in captures.GOOD.items()}).rc == 0


def test_bad_command_lines(host, tmp_path):
    run = subprocess.run(
        [servers.BIN_DIR / "nodeprep", "host-check"], capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 2 and "expected a capture" in run.stderr
    assert host({"x": "y"}, "--bogus").rc == 2
    os.mkdir(tmp_path / "folder")
    for name in ("folder", "none"):
        run = host(captures.GOOD, name)
        assert (run.rc, run.out) == (3, "") and name in run.err


def test_checklist(host):
    run = host("".join(captures.GOOD.values()), output="table")
    assert run.out.endswith("result: pass\n")
    for check in json.loads(host(captures.GOOD).out)["checks"]:
        assert check["id"] in run.out and check["where"].split(";")[0] in run.out


def test_yaml_is_the_same_report(host):
    assert yaml.safe_load(host(captures.GOOD, output="yaml").out) == host(captures.GOOD).json
