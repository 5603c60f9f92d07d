# SPDX-License-Identifier: Apache-2.0
"""host-check on captures as people send them: the same capture in any encoding and behind any prefix."""

import json
import re
import subprocess

import pytest

import captures
import servers

CASES = servers.REPO / "pkg/hostcheck/testdata/cases"


def records(name):
    text = (CASES / f"{name}.txt").read_text(encoding="utf-8")
    return re.findall(r"%case (.*)\n((?:(?!%expect).*\n)*)%expect", text)


def each_line(prefix):
    """A form that puts prefix(number of the line) in front of every line."""

    def change(text):
        lines = text.rstrip("\n").split("\n")
        return "".join(prefix(i) + line + "\n" for i, line in enumerate(lines)).encode()

    return change


FORMS = {
    "UTF-16 LE with a mark": lambda t: b"\xff\xfe" + t.encode("utf-16-le"),
    "UTF-16 BE with a mark": lambda t: b"\xfe\xff" + t.encode("utf-16-be"),
    "UTF-16 LE": lambda t: t.encode("utf-16-le"),
    "UTF-16 BE": lambda t: t.encode("utf-16-be"),
    "UTF-16 LE, CRLF": lambda t: b"\xff\xfe" + t.replace("\n", "\r\n").encode("utf-16-le"),
    "UTF-8 with a mark": lambda t: b"\xef\xbb\xbf" + t.encode(),
    "CRLF": lambda t: t.replace("\n", "\r\n").encode(),
    "blanks at the end of lines": lambda t: t.replace("\n", "   \n").encode(),
    "quoted": each_line(lambda i: "> "),
    "quoted twice": each_line(lambda i: ">> "),
    "quoted without a blank": each_line(lambda i: ">"),
    "indented": each_line(lambda i: "    "),
    "behind bars": each_line(lambda i: "| "),
    "pssh": each_line(lambda i: "node1: "),
    "ansible": each_line(lambda i: "node1 | "),
    "a host in brackets": each_line(lambda i: "[esx-01.lab.local] "),
    "grep -H": each_line(lambda i: "host.txt:"),
    "grep -n": each_line(lambda i: f"{i + 1}:"),
    "grep -Hn": each_line(lambda i: f"a/b.txt:{i + 1}:"),
    "a time": each_line(lambda i: "2024-01-01T10:00:00Z "),
    "a time in brackets": each_line(lambda i: "[2024-01-01 10:00:00] "),
    "a fence": lambda t: f"```\n{t}```\n".encode(),
    "a prompt": lambda t: f"[root@esx01:~] cat x\n{t}[root@esx01:~]\n".encode(),
}
FEW = ["UTF-16 LE with a mark", "CRLF", "quoted", "pssh", "grep -Hn"]


def judge(capture):
    done = subprocess.run(
        [servers.BIN_DIR / "nodeprep", "host-check", "-o", "json", "-"],
        input=capture,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if done.returncode not in (0, 1, 6):
        return done.returncode, done.stderr.decode()
    report = json.loads(done.stdout)
    gpus = [(g["address"], g["model"], g["ok"], g["source"], g["bars"]) for g in report["gpus"]]
    checks = {check["id"]: check["status"] for check in report["checks"]}
    return done.returncode, checks, gpus, report["neededMMIOGB"], report["windowGB"]


OTHERS = [
    ("esxcfg-info", captures.esxcfg_info(3)),
    ("esxcli", captures.PCI_LIST),
    ("vim-cmd", captures.VIM_CMD_PASSTHROUGH % "true"),
    ("lspci", captures.LSPCI),
    ("BIOS table", captures.BIOS_TABLE),
    ("BIOS CSV", captures.BIOS_CSV),
    ("BIOS JSON", captures.BIOS_JSON),
    ("kernel settings", captures.KERNEL_LIST % "TRUE "),
]


@pytest.mark.parametrize("form", FORMS)
def test_field_captures_in_every_form(form):
    for title, text in [*records("field"), *OTHERS]:
        assert judge(FORMS[form](text)) == judge(text.encode()), title


@pytest.mark.parametrize("form", FEW)
@pytest.mark.parametrize("name", ["vm", "lists", "bios", "public"])
def test_all_captures_in_common_forms(name, form):
    for title, text in records(name):
        assert judge(FORMS[form](text)) == judge(text.encode()), title


@pytest.mark.parametrize("name", ["field", "vm", "lists", "bios", "public"])
def test_truncated_captures_never_crash(name):
    """Cut after any byte: an answer, or one line that says that nothing is recognised."""
    for title, text in records(name):
        data = text.encode()
        for at in range(1, len(data), max(1, len(data) // 12)):
            answer = judge(data[:at])
            assert answer[0] in (0, 1, 3, 6) and (answer[0] != 3 or answer[1].count("\n") == 1), title


def test_cut_words_are_unknown():
    for cut in ('Above 4G Decoding  [Enab', '{"MmioAbove4Gb":"Enab', '<a><Setting name="SR-IOV" selectedOption="Enab',
                "SriovGlobalEnable=Disabled (Pending Value=Ena", "0000:3b:00.0 10de:1eb8 10de:12a2 passth"):
        answer = judge(cut.encode())
        assert answer[0] == 3 or not {"pass", "fail"} & set(answer[1].values()), cut


@pytest.mark.parametrize(("count", "mb", "window"), [(1, 65536, 128), (3, 65536, 512), (5, 65536, 1024),
                                                     (3, 131072, 1024), (7, 131072, 2048), (1, 16384, 64)])
def test_pages_give_the_window_of_plan(count, mb, window):
    line = f"vmx| PCIPassthru: total number of pages needed ({count * (mb + 48) * 256}) exceeds limit (917504)\n"
    assert judge(line.encode())[4] == window


@pytest.mark.parametrize("device", [0x20F1, 0x20B5, 0x2331, 0x2335, 0x26B9, 0x1EB8, 0x1B38, 0x20B7, 0x2BB5])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_settings_give_the_window_of_plan(device, count):
    """The same cards in a .vmx and in a class: one window. plan's floor is a rule of pools, not of cards."""
    vmx = 'config.version = "8"\n' + "".join(
        f'pciPassthru{i}.present = "TRUE"\npciPassthru{i}.vendorId = "0x10de"\n'
        f'pciPassthru{i}.deviceId = "0x{device:04x}"\n' for i in range(count)
    )
    pool = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "p", "namespace": "n"},
            "spec": {"vmClass": "c"}}
    vm_class = {"apiVersion": "vmoperator.vmware.com/v1alpha2", "kind": "VirtualMachineClass",
                "metadata": {"name": "c", "namespace": "n"},
                "spec": {"hardware": {"cpus": 8, "memory": "64Gi", "devices": {"dynamicDirectPathIODevices": [
                    {"vendorID": 0x10DE, "deviceID": device}] * count}}}}
    plan = subprocess.run([servers.BIN_DIR / "nodeprep", "plan", "-o", "json", "-f", "-"],
                          input=json.dumps({"apiVersion": "v1", "kind": "List", "items": [pool, vm_class]}).encode(),
                          capture_output=True, check=True)
    wanted = json.loads(plan.stdout)["pools"][0]["requiredMMIOGB"]
    assert (judge(vmx.encode())[4] or 0) == wanted


@pytest.mark.parametrize(("profile", "window"), [("grid_t4-16c", 64), ("grid_t4-16q", None), ("grid_a100-40c", 128),
                                                 ("nvidia_h100xm-80c", 256), ("nvidia_new-8c", 256)])
def test_vgpus_give_the_window_of_plan(profile, window):
    """Compute profiles need 64 GB on every board; one that the catalogue lacks counts 256 GB."""
    vmx = f'config.version = "8"\npciPassthru0.present = "TRUE"\npciPassthru0.vgpu = "{profile}"\n'
    assert judge(vmx.encode())[4] == window


def test_gpus_of_unknown_size_count_as_in_plan():
    """256 GB each beside what the others need, and never a figure of their own."""
    lines = 'pciPassthru{0}.present = "TRUE"\npciPassthru{0}.vendorId = "0x10de"\npciPassthru{0}.deviceId = "0x{1}"\n'
    for ids, window in ((["7fff"], 256), (["7fff"] * 3, 1024), (["7fff", "20f1"], 512)):
        vmx = 'config.version = "8"\n' + "".join(lines.format(i, device) for i, device in enumerate(ids))
        answer = judge(vmx.encode())
        assert answer[4] == window, ids
        assert answer[3] == (65 if "20f1" in ids else None)
