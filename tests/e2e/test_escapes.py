# SPDX-License-Identifier: Apache-2.0
"""No text of outside reaches a terminal or a log as it is: every output of every command, with hostile values."""

import itertools
import json
import os
import re
import subprocess

import pytest
import yaml

import servers
from builders import A100, hardware, option, passthrough, pool
from fixtures import PATH
from hookd import Hookd

# What would act on a terminal or forge a line, each beside a word that tells that the value was printed.
ESC, CSI, BIDI, ISOLATE, TAG, BOM, SEPARATOR = "\x1b[31m", "\x9b2J", "\u202e", "\u2066", "\U000e0041", "\ufeff", "\u2028"
HOSTILE = f"evil{ESC}{CSI}{BIDI}{ISOLATE}{TAG}{BOM}{SEPARATOR}\x7f\x07\x00"[:-1]
LINES = "evil\nerror: forged\r\tx"
# Controls other than a newline, and what Unicode has for the same ends.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e0fff]")


def assert_shown(*outputs):
    """None has a raw character, invalid UTF-8 or a forged line."""
    for output in outputs:
        text = output.decode() if isinstance(output, bytes) else output
        found = RAW.search(text)
        assert not found, repr(text[max(0, found.start() - 80):found.end() + 40])
        assert not any(line.startswith("error: forged") for line in text.splitlines()), text


def walk(tree, path=()):
    """The paths of all texts in a document, and of all keys."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield (*path, key), "key"
            yield from walk(value, (*path, key))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from walk(value, (*path, i))
    elif isinstance(tree, str):
        yield path, "value"


def replaced(tree, path, kind, value):
    """A copy of the document with another value, or a further key, at the path."""
    tree = json.loads(json.dumps(tree))
    at = tree
    for step in path[:-1]:
        at = at[step]
    if kind == "value":
        at[path[-1]] = value
    else:
        at[path[-1] + value] = at[path[-1]]
    return tree


POOL = {
    "apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool",
    "metadata": {"name": "w", "namespace": "ml", "labels": {"cluster.x-k8s.io/cluster-name": "c"},
                 "annotations": {"a": "b"}},
    "spec": {"vmClass": "gpu", "memoryReservation": "Full",
             "gpus": [{"model": "A100-40GB", "count": 1}], "mmio": {"minimumGB": 512, "sizeGB": 512}},
}
CLASS = {
    "apiVersion": "vmoperator.vmware.com/v1alpha5", "kind": "VirtualMachineClass",
    "metadata": {"name": "gpu", "namespace": "ml", "annotations": {"a": "b"}, "managedFields": [
        {"manager": "me", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:configSpec": {}}}}]},
    "spec": {
        "hardware": {"cpus": 4, "memory": "256Gi", "devices": {"dynamicDirectPathIODevices": [
            {"vendorID": 0x10DE, "deviceID": 0x20F1, "customLabel": "x"}],
            "vgpuDevices": [{"profileName": "grid_a100-40c"}]}},
        "configSpec": {"_typeName": "VirtualMachineConfigSpec", "firmware": "bios", "version": "vmx-19",
                       "deviceChange": [passthrough(A100)],
                       "extraConfig": [option("pciPassthru.64bitMMIOSizeGB", "64"), option("k", "v")]},
    },
}
VM = {
    "apiVersion": "vmoperator.vmware.com/v1alpha3", "kind": "VirtualMachine",
    "metadata": {"name": "vm", "namespace": "ml", "creationTimestamp": "2026-01-01T00:00:00Z",
                 "annotations": {"vmoperator.vmware.com/pci-passthru-64bit-mmio-size": "64"}},
    "spec": {"className": "gpu", "imageName": "image", "bootOptions": {"firmware": "bios"}},
    "status": {"phase": "Created", "uniqueID": "u"},
}
IMAGE = {
    "apiVersion": "vmoperator.vmware.com/v1alpha3", "kind": "VirtualMachineImage",
    "metadata": {"name": "image", "namespace": "ml"}, "spec": {},
    "status": {"name": "display", "firmware": "bios", "osInfo": {"type": "x"}},
}
DEPLOYMENT = {
    "apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "MachineDeployment",
    "metadata": {"name": "md", "namespace": "ml", "labels": {"cluster.x-k8s.io/cluster-name": "c"},
                 "annotations": {"nodeprep.dev/gpus": "A100-40GB=1"}},
    "spec": {"clusterName": "c", "replicas": 1, "template": {"spec": {"infrastructureRef": {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1", "kind": "VSphereMachineTemplate", "name": "t"}}}},
}
TEMPLATE = {
    "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1", "kind": "VSphereMachineTemplate",
    "metadata": {"name": "t", "namespace": "ml"},
    "spec": {"template": {"spec": {"template": "ova", "hardwareVersion": "vmx-15", "pciDevices": [
        {"deviceId": 0x20F1, "vendorId": 0x10DE, "customLabel": "x"}], "customVMXKeys": {"a": "b"}}}},
}


def encode(*documents):
    """A stream of YAML; a JSON text's surrogates are none."""
    text = "\n---\n".join(json.dumps(d) for d in documents)
    return text.replace("\\udb40\\udc41", "\\U000e0041")


DOCUMENTS = [POOL, CLASS, VM, IMAGE, DEPLOYMENT, TEMPLATE]
FORMS = [
    ["plan"], ["plan", "-o", "wide"], ["plan", "-o", "json"], ["plan", "-o", "yaml"],
    ["check"], ["check", "-o", "wide"], ["check", "-o", "json"], ["diff"],
    ["explain"], ["explain", "-o", "json"], ["explain", "-o", "svg", "w"],
    ["plan", "--log-format=json"],
]


def run(*argv, **more):
    env = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent", **more.pop("env", {})}
    return subprocess.run([servers.BIN_DIR / "nodeprep", *argv], capture_output=True, timeout=60, env=env,
                          check=False, **more)


@pytest.mark.parametrize("number", range(len(DOCUMENTS)), ids=[d["kind"] for d in DOCUMENTS])
def test_every_text_of_an_input_is_escaped_in_every_form(tmp_path, number):
    """Each text of a document in turn; of the outputs, those that show it are seen to show it."""
    seen = 0
    places = list(walk(DOCUMENTS[number]))
    for (path, kind), value in itertools.product(places, (HOSTILE, LINES)):
        documents = list(DOCUMENTS)
        documents[number] = replaced(DOCUMENTS[number], path, kind, value)
        file = tmp_path / "input.json"
        file.write_text(encode(*documents))
        # Forms take turns, so that each place is seen in several and the test stays short.
        for form in (FORMS[(seen + k) % len(FORMS)] for k in range(3)):
            done = run(*form, "-f", str(file), "-v")
            assert done.returncode in (0, 1, 2, 3, 4), (form, path, done)
            assert_shown(done.stdout, done.stderr)
        seen += 5
    assert seen > 0


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_every_form_with_every_value_hostile(tmp_path, form):
    """Labels, values and messages that are shown, all at once; JSON and YAML give them back unchanged."""
    cls = replaced(CLASS, ("spec", "configSpec", "extraConfig", 1, "value", "_value"), "value", HOSTILE)
    vm = replaced(VM, ("spec", "imageName"), "value", HOSTILE)
    vm = replaced(vm, ("metadata", "annotations", "vmoperator.vmware.com/pci-passthru-64bit-mmio-size"), "value", LINES)
    image = replaced(IMAGE, ("status", "name"), "value", HOSTILE)
    file = tmp_path / f"input{ESC}{BIDI}.yaml"
    file.write_text(encode(POOL, cls, vm, image))
    done = run(*form, "-f", str(file))
    assert done.returncode in (0, 1, 3), done
    assert_shown(done.stdout, done.stderr)
    if "json" in form or form[1:] == ["-o", "yaml"]:
        tree = yaml.safe_load(done.stdout) if "yaml" in form else json.loads(done.stdout)
        assert "plan" not in form or HOSTILE in texts(tree)


def texts(tree):
    for path, kind in walk(tree):
        at = tree
        for step in path:
            at = at[step]
        if kind == "value":
            yield at


def test_invalid_utf_8_in_words_of_the_command_line(tmp_path):
    bad = b"\xff\xc0\x80\x1b[31m"
    for argv in (["plan", "-f", bad], ["explain", "-f", bad, bad], ["plan", b"--" + bad], [bad], ["help", bad],
                 ["gpus", bad], ["host-check", bad], ["node-check", "--expect", bad], ["completion", bad],
                 ["plan", "-o", bad, "-f", "-"], ["node-check", "--sysfs", bad], ["version", "-v=" + "\x1b"],
                 ["plan", "-f", "-", "--server", bad], ["plan", "-f", "-", "--context", bad]):
        done = run(*argv, input=json.dumps(POOL).encode(), env={"KUBECONFIG": "/nonexistent"})
        assert done.returncode in (1, 2, 3, 4, 6), (argv, done)
        assert_shown(done.stdout, done.stderr)
        done = run(*argv, "--log-format=json", input=json.dumps(POOL).encode())
        assert_shown(done.stdout, done.stderr)


def test_captures_and_sysfs(tmp_path):
    names = ("esxcfg-info", "lspci", "vmware.log", "bios")
    lines = ["   |----Vendor Name" + "." * 30 + f"NVIDIA{HOSTILE}", f"3b:00.0 3D controller: NVIDIA {HOSTILE} [10de:20f1]",
             f"2026-01-01T00:00:00Z In(05) vmx - PCIPassthru: {HOSTILE} [LinkDevice] 0000:3b:00.0", f"AboveFourGDecoding={HOSTILE}",
             f"nvidia-smi: 0000:3b:00.0 NVIDIA {HOSTILE}"]
    for name in names:
        file = tmp_path / f"{name}{ESC}{BIDI}"
        file.write_text("\n".join(lines) + "\n")
        for form in ([], ["-o", "wide"], ["-o", "json"], ["-o", "yaml"]):
            done = run("host-check", *form, str(file))
            assert_shown(done.stdout, done.stderr)
    device = tmp_path / "sys/bus/pci/devices/0000:3b:00.0"
    device.mkdir(parents=True)
    for name, text in {"vendor": "0x10de\n", "device": "0x20f1\n", "class": "0x030200\n", "resource": HOSTILE,
                       "label": HOSTILE}.items():
        (device / name).write_text(text)
    os.symlink(f"../../drivers/{HOSTILE}", device / "driver")
    for form in ([], ["-o", "wide"], ["-o", "json"], ["-o", "yaml"]):
        done = run("node-check", "--sysfs", str(tmp_path / "sys"), "--driver", HOSTILE, *form,
                   "--termination-log", str(tmp_path / "last"))
        assert_shown(done.stdout, done.stderr, (tmp_path / "last").read_bytes())


def test_catalogue(tmp_path):
    card = {"model": f"X{ESC}{BIDI}", "aliases": [HOSTILE], "pciID": "10de:ffff", "memoryGB": 40,
            "barsMB": {0: 16, 1: 65536}, "source": HOSTILE, "product": HOSTILE, "note": HOSTILE}
    for keys in (list(card), ["model", "pciID", "memoryGB", "barsMB", "source"]):
        file = tmp_path / "cards.yaml"
        file.write_text(json.dumps([{key: card[key] for key in keys}]))
        for form in ([], ["-o", "wide"], ["-o", "json"], ["-o", "yaml"]):
            done = run("gpus", "--catalogue", str(file), *form)
            assert_shown(done.stdout, done.stderr)


# --- against a server ------------------------------------------------------------------------------


def hostile_status(code, reason):
    return [{"fault": "status", "status": code, "message": f"{reason} {HOSTILE} {LINES}", "count": 0}]


@pytest.fixture(scope="module")
def own_sim():
    """A server whose faults no other test sees."""
    with servers.SimServer() as running:
        yield running


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 422, 500])
@pytest.mark.slow
def test_messages_of_the_server(own_sim, code):
    server, ns = own_sim, "ml"
    text = json.dumps(pool(ns, "w", "gpu")).encode()
    env = {"KUBECONFIG": server.kubeconfig}
    server.faults(hostile_status(code, "because"))
    try:
        for argv in (["plan"], ["apply"], ["apply", "-o", "json"], ["revert"], ["check"], ["diff"],
                     ["apply", "--log-format=json"], ["plan", "-v=9"]):
            done = run(*argv, "-f", "-", "--timeout=2s", input=text, env=env)
            assert_shown(done.stdout, done.stderr)
        config = {"cniVersion": "1.1.0", "name": "gpu", "type": "nodeprep", "instance": "host", "timeout": "2s",
                  "nodePool": pool(ns, "w", "gpu")}
        for command in ("ADD", "CHECK", "DEL", "GC", "STATUS"):
            done = run(input=json.dumps(config).encode(), env={
                **env, "CNI_COMMAND": command, "CNI_CONTAINERID": "c", "CNI_IFNAME": "e",
                "CNI_ARGS": f"K8S_POD_NAME={ESC}{BIDI};K8S_POD_NAMESPACE=\x1b"})
            assert_shown(done.stdout, done.stderr)
    finally:
        server.faults([])


def test_every_text_of_a_cni_configuration(server, tmp_path):
    config = {"cniVersion": "1.1.0", "name": "gpu", "type": "nodeprep", "instance": "host", "timeout": "2s",
              "nodePool": POOL, "supervisor": {"kubeconfig": server.kubeconfig, "namespace": "ml", "context": "x"},
              "specFile": "x", "logFile": str(tmp_path / "log"), "planFile": str(tmp_path / "plan")}
    env = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c", "CNI_IFNAME": "e"}
    for path, kind in walk(config):
        given = replaced(config, path, kind, HOSTILE)
        if path[0] != "specFile":
            given.pop("specFile")
        done = run(input=json.dumps(given).encode(), env=env, cwd=tmp_path)
        assert_shown(done.stdout, done.stderr)
    for name in env:
        done = run(input=json.dumps(config).encode(), env={**env, name: f"x{ESC}{BIDI}"})
        assert_shown(done.stdout, done.stderr)
    if (tmp_path / "log").exists():
        assert_shown((tmp_path / "log").read_bytes())


def test_objects_that_others_wrote(server, ns, put_class):
    """A class with hostile texts in its free fields, through all commands that read and write it."""
    put_class(ns, "gpu", {**hardware(A100), "description": HOSTILE, "configSpec": {
        "_typeName": "VirtualMachineConfigSpec", "extraConfig": [option("note", HOSTILE)], "annotation": LINES}},
        annotations={"team": HOSTILE}, labels={"a": "b"})
    text = json.dumps(pool(ns, "w", "gpu")).encode()
    env = {"KUBECONFIG": server.kubeconfig}
    for argv in ([*form, *more] for form in FORMS for more in ([], ["-v=9"])):
        if "svg" not in argv:
            done = run(*argv, "-f", "-", input=text, env=env)
            assert_shown(done.stdout, done.stderr)
    for argv in (["diff"], ["apply"], ["apply", "-o", "yaml"], ["check"], ["revert", "-o", "json"]):
        done = run(*argv, "-f", "-", input=text, env=env)
        assert done.returncode in (0, 1), done
        assert_shown(done.stdout, done.stderr)


def test_log_of_hookd(server):
    """A request that names everything in hostile words; the log is JSON, so that its text is printable ASCII."""
    cluster = {"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster",
               "metadata": {"name": HOSTILE, "namespace": HOSTILE, "uid": HOSTILE, "labels": {HOSTILE: LINES}},
               "spec": {"topology": {"class": HOSTILE, "version": HOSTILE, "workers": {"machineDeployments": [
                   {"class": HOSTILE, "name": HOSTILE, "variables": {"overrides": [{"name": "vmClass", "value": HOSTILE}]}}]}}}}
    with Hookd(server.kubeconfig) as hookd:
        for hook in ("discovery", "beforeclustercreate", "beforeclusterdelete", "generatepatches",
                     "validatetopology", f"x{TAG}".encode().hex()):
            for body in ({"apiVersion": "hooks.runtime.cluster.x-k8s.io/v1alpha1", "kind": HOSTILE, "cluster": cluster},
                         HOSTILE.encode(), json.dumps({"a": HOSTILE}, ensure_ascii=False).encode()):
                _, answer = hookd.ask(hook, body)
                assert_shown(answer)
        assert hookd.lines()
        assert_shown(hookd.log.read_bytes())
