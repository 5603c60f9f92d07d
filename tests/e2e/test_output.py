# SPDX-License-Identifier: Apache-2.0
"""What commands print for people: warnings once, what changed, hints, colours."""

import json
import os
import pty
import subprocess

import pytest

import servers
from builders import A100, SIZE, USE64, dump, hardware, option, pool
from fixtures import PATH, classes_path

ANNOTATION = "nodeprep.dev/ignore-warnings"
WARNING = "window-larger"


@pytest.fixture
def larger(ns, put_class):
    """Two pools of a class, each of which asks for more than its cards need."""
    put_class(ns, "gpu", hardware(A100))
    return [pool(ns, name, "gpu", mmio={"sizeGB": 1024}) for name in ("a", "b")]


def warned(done):
    return sum(WARNING in line for line in done.err.splitlines() if line.startswith("warning: "))


def annotated(document, value):
    metadata = {**document["metadata"], "annotations": {ANNOTATION: value}}
    return {**document, "metadata": metadata}


@pytest.mark.parametrize("command", ["plan", "diff", "explain", "check", "apply"])
def test_each_warning_is_logged_once(nodeprep, larger, command):
    done = nodeprep(command, "-f", "-", input=dump(*larger))
    lines = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert warned(done) == 2 and len(lines) == len(set(lines))
    assert nodeprep(command, "-q", "-f", "-", input=dump(*larger)).err == ""
    assert warned(nodeprep(command, "-f", "-", "--ignore-warning", WARNING, input=dump(*larger))) == 0


def test_finding_of_check_is_no_warning_as_well(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, {"vendorID": 0x10DE, "deviceID": 0xFFFF}))
    done = nodeprep("check", "-f", "-", input=dump(pool(ns, "w", "gpu")))
    assert "unknown-device" in done.out and "unknown-device" not in done.err


@pytest.mark.parametrize("which, left", [((0,), 1), ((0, 1), 0)])
def test_annotation_of_a_pool_acknowledges_its_own_warnings(nodeprep, larger, which, left):
    pools = [annotated(p, f"no-such-code, {WARNING}") if i in which else p for i, p in enumerate(larger)]
    assert warned(nodeprep("plan", "-f", "-", input=dump(*pools))) == left
    done = nodeprep("plan", "-f", "-", "-o", "json", input=dump(*pools))
    found = [w for w in done.json["classes"][0]["warnings"] if w["code"] == WARNING]
    assert sorted(w.get("ignored", False) for w in found) == [False] * left + [True] * (2 - left)
    assert nodeprep("plan", "-f", "-", "-o", "wide", input=dump(*pools)).out.count(WARNING + ":") == left


def test_annotation_of_a_class_acknowledges_warnings_but_no_errors(ns, nodeprep, put_class, larger):
    put_class(ns, "own", hardware(A100), annotations={ANNOTATION: f"{WARNING},invalid-record,guest-32bit",
                                                      "nodeprep.dev/managed": "nonsense"})
    text = dump(pool(ns, "w", "own", mmio={"sizeGB": 1024}))
    done = nodeprep("check", "-f", "-", input=text)
    assert done.rc == 1 and "invalid-record" in done.out and warned(done) == 0


@pytest.mark.parametrize("code, word", [
    ("window-lager", "did you mean 'window-larger'?"),
    ("zzz", "docs/warnings.md lists the codes"),
    ("guest-32bit", "cannot be ignored: it reports an error"),
])
def test_ignored_codes_exist(nodeprep, code, word):
    done = nodeprep("plan", "-f", "-", "--ignore-warning", code, input="")
    assert (done.rc, done.out) == (2, "") and f"'{code}'" in done.err and word in done.err


def test_apply_and_revert_print_what_they_changed(ns, nodeprep, put_class):
    spec = hardware(A100)
    spec["configSpec"] = {"_typeName": "VirtualMachineConfigSpec", "firmware": "bios",
                          "extraConfig": [option(USE64, "TRUE"), option(SIZE, "64")]}
    put_class(ns, "gpu", spec)
    text = dump(pool(ns, "w", "gpu"))
    name = "virtualmachineclass.vmoperator.vmware.com/gpu"
    done = nodeprep("apply", "-f", "-", "--dry-run=client", "--restore-hidden-devices", input=text)
    changes = "window 64 -> 512 GB, firmware bios -> efi, memory reservation 256Gi, devices"
    assert done.out == f"{name} patched ({changes}) (dry run)\n", done
    assert nodeprep("apply", "-f", "-", "--restore-hidden-devices", input=text).out == f"{name} patched ({changes})\n"
    second = dump(pool(ns, "w", "gpu"), pool(ns, "x", "gpu"))
    assert nodeprep("apply", "-f", "-", input=second).out == f"{name} patched (registrations)\n"
    done = nodeprep("revert", "-f", "-", input=second)
    assert done.out == (f"{name} patched (window 512 -> 64 GB, firmware efi -> bios, "
                        "memory reservation 256Gi -> none, devices)\n")


def test_table_shows_the_current_window(ns, nodeprep, put_class):
    spec = hardware(A100)
    spec["configSpec"] = {"_typeName": "VirtualMachineConfigSpec", "extraConfig": [option(SIZE, "64")]}
    put_class(ns, "gpu", spec)
    rows = nodeprep("plan", "-f", "-", "--restore-hidden-devices", input=dump(pool(ns, "w", "gpu"))).out.splitlines()
    head = next(line for line in rows if "CURRENT" in line)
    row = next(line for line in rows if "outdated" in line)
    at = head.index("CURRENT")
    assert row[at:].split("   ")[:2] == ["64 GB", "  512 GB"] or row[at:].split()[:4] == ["64", "GB", "512", "GB"]


def test_diff_shortens_the_record(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    done = nodeprep("diff", "-f", "-", input=text)
    line = next(line for line in done.out.splitlines() if "nodeprep.dev/managed" in line)
    assert len(line) < 140 and "bytes" in line
    plan = nodeprep("plan", "-f", "-", "-o", "json", input=text).json
    assert json.loads(plan["classes"][0]["patch"]["metadata"]["annotations"]["nodeprep.dev/managed"])["pools"]
    # A change of the record alone is seen.
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("diff", "-f", "-", input=dump(pool(ns, "w", "gpu"), pool(ns, "x", "gpu")))
    assert done.rc == 1
    assert [line[0] for line in done.out.splitlines() if "nodeprep.dev/managed" in line] == ["-", "+"]


def test_hints_for_a_class_that_is_not_there(server, ns, nodeprep, put_class):
    put_class(ns, "gpu-a100x4", hardware(A100))
    done = nodeprep("plan", "-f", "-", input=dump(pool(ns, "w", "gpu-a100x5")))
    assert done.rc == 4 and f"info: virtualmachineclass {ns}/gpu-a100x5: did you mean 'gpu-a100x4'?\n" in done.err
    server.must("DELETE", classes_path(ns, "gpu-a100x4"))
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu-a100x5")))
    assert done.rc == 4 and f"info: namespace '{ns}' has no VirtualMachineClass\n" in done.err


def test_hint_for_a_namespace_that_is_not_there(nodeprep):
    with servers.SimServer(args=["--namespace", "here"]) as sim:
        done = nodeprep("plan", "-f", "-", input=dump(pool("there", "w", "gpu")), env={"KUBECONFIG": sim.kubeconfig})
        pools = nodeprep("plan", "-n", "there", env={"KUBECONFIG": sim.kubeconfig})
    assert done.rc == 4 and "info: namespace 'there' does not exist\n" in done.err
    assert pools.rc == 4 and "does not exist" not in pools.err  # the server has no kind of pools


def test_hint_for_a_namespace_of_pools_that_is_not_there(nodeprep):
    with servers.SimServer(args=["--pools", "--namespace", "here"]) as sim:
        here, there = (nodeprep("plan", "-n", ns, env={"KUBECONFIG": sim.kubeconfig}) for ns in ("here", "there"))
    assert here.rc == 4 and "does not exist" not in here.err
    assert there.rc == 4 and "info: namespace 'there' does not exist\nerror: no NodePool, " in there.err


def test_file_that_is_no_kubeconfig_is_told_so(nodeprep, tmp_path):
    for text, word in (("hello\n", "not a kubeconfig: expected a mapping"), ("{\n", "kubeconfig: "),
                       (dump(pool("ml", "w", "gpu")), "not a kubeconfig: kind is 'NodePool', expected 'Config'")):
        path = tmp_path / "file"
        path.write_text(text)
        done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=dump(pool("ml", "w", "gpu")))
        assert done.rc == 3 and word in done.err and f"{path}:" in done.err, done


def on_terminal(argv, **env):
    """What the command writes to a terminal."""
    parent, child = pty.openpty()
    with subprocess.Popen([servers.BIN_DIR / "nodeprep", *argv], stdout=child, stderr=subprocess.DEVNULL,
                          stdin=subprocess.DEVNULL, env={"PATH": PATH, "TERM": "xterm", **env}) as process:
        os.close(child)
        text = b""
        try:
            while some := os.read(parent, 65536):
                text += some
        except OSError:  # the other end is closed
            pass
        process.wait(60)
    os.close(parent)
    return text


def test_states_have_colours_on_a_terminal_alone(nodeprep):
    argv = ["plan", "-f", str(servers.REPO / "docs/examples/quickstart.yaml")]
    assert b"\x1b[33moutdated\x1b[0m" in on_terminal(argv)
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in on_terminal(argv, **env)
    assert "\x1b" not in nodeprep(*argv).out
