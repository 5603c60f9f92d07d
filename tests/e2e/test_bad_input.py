# SPDX-License-Identifier: Apache-2.0
"""Bad input: one line that says where and what would be right, the right exit status, no write."""

import json
import os
import signal
import subprocess

import pytest
import yaml

import servers
from builders import A100, dump, hardware, pool, writes

NODE_POOL = """\
apiVersion: nodeprep.dev/v1alpha1
kind: NodePool
metadata: {name: w, namespace: NS}
spec:
  vmClass: gpu
"""

ROWS = [
    ("a tab indents", NODE_POOL + "\treplicas: 1\n", ["-:6:", "tab"]),
    ("a cut file", 'apiVersion: nodeprep.dev/v1alpha1\nkind: "NodeP', ["-:2:"]),
    ("cut JSON", '{"apiVersion": "nodeprep.dev/v1alpha1", "kind":', ["-:1:"]),
    ("an unrendered template", "kind: {{ .Values.kind }}\n", ["-:1:", "template"]),
    ("a duplicate key", NODE_POOL + "  vmClass: other\n", ["-:6:3", "'vmClass'"]),
    ("an unknown field", NODE_POOL + "  vmclass: x\n", ["-:6:3", "'vmclass'", "'vmClass'"]),
    ("replicas that are text", NODE_POOL + "  replicas: many\n", ["-:6:13", "'many'"]),
    (
        "an unknown model",
        NODE_POOL + "  gpus: [{model: A100-60GB, count: 1}]\n",
        ["-:6:18", "'A100-60GB'"],
    ),
    (
        "a model of several sizes",
        NODE_POOL + "  gpus: [{model: A100, count: 1}]\n",
        ["-:6:18", "A100-40GB", "A100-80GB"],
    ),
    (
        "swapped ids",
        NODE_POOL + '  gpus: [{pciID: "20b0:10de"}]\n',
        ["-:6:18", "10de:20b0"],
    ),
    (
        "an id that YAML reads as a float",
        NODE_POOL + "  gpus: [{pciID: 1e78}]\n",
        ["-:6:18", "'1e78'"],
    ),
    (
        "a size that is no power of two",
        NODE_POOL + "  mmio: {sizeGB: 600}\n",
        ["-:6:18", "'600'"],
    ),
    (
        "a reservation that is neither",
        NODE_POOL + "  memoryReservation: full\n",
        ["-:6:22", "'full'", "Full"],
    ),
    ("a NodePool without class", NODE_POOL.replace("  vmClass: gpu\n", "  replicas: 1\n"), ["-:", "vmClass"]),
    ("nothing that is a pool", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", ["Secret"]),
    ("an empty input", "", ["no worker pool"]),
    ("a pool given twice", NODE_POOL + "---\n" + NODE_POOL, ["NS/w", "-:1"]),
    ("an alias bomb", "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
    ), ["-:"]),
    ("binary garbage", "\x01\x02\x7fELF\x00", ["-:1:"]),
]


@pytest.mark.parametrize(
    ("text", "says"), [pytest.param(text, says, id=name) for name, text, says in ROWS]
)
@pytest.mark.parametrize("command", ["plan", "diff", "apply", "explain"])
def test_bad_input_is_one_line_and_exit_3(server, ns, nodeprep, command, text, says):
    server.mark()
    done = nodeprep(command, "-f", "-", input=text.replace("NS", ns))
    assert done.rc == 3, done.err
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    for part in says:
        assert part.replace("NS", ns) in done.err
    assert not writes(server)


def test_nothing_is_written_to_the_classes_before_the_bad_one(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    server.mark()
    good = dump(pool(ns, "good", "gpu"))
    done = nodeprep("apply", "-f", "-", input=good + "---\n" + NODE_POOL.replace("NS", ns) + "\tx: 1\n")
    assert done.rc == 3
    assert not server.requests()


def test_swapped_ids_in_a_class_stop_apply(server, ns, nodeprep, put_class):
    put_class(ns, "good", hardware(A100))
    put_class(ns, "swapped", hardware({"vendorID": 0x20B0, "deviceID": 0x10DE}))
    server.mark()
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "a", "good"), pool(ns, "b", "swapped")))
    assert done.rc == 3
    assert "swapped" in done.err
    assert not writes(server)


def test_placeholder_is_planned_as_unknown_and_never_applied(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "${WORKER_VM_CLASS}"), pool(ns, "v", "gpu"))
    done = nodeprep("plan", "-f", "-", "-o", "json", input=text)
    assert done.rc == 0, done.err
    first = done.json["pools"][0]
    assert (first["gpusPerNode"], first["requiredMMIOGB"], first["mmioGB"]) == (None, None, None)
    assert "placeholder" in [w["code"] for w in done.json["warnings"]]
    server.mark()
    done = nodeprep("apply", "-f", "-", input=text)
    assert done.rc == 3
    assert not writes(server)


def test_errors_come_with_the_plan_as_json(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    text = dump(pool(ns, "w", "gpu", gpus=[{"model": "A100-40GB", "count": 4}]))
    done = nodeprep("plan", "-f", "-", "-o", "json", input=text)
    assert done.rc == 3
    message = done.json["errors"][0]["message"]
    assert "4 x A100-40GB" in message and "'gpu' attaches 2 x A100-40GB" in message


def test_usage_errors_are_exit_2(nodeprep, tmp_path):
    rows = [
        (["plan"], "-f"),
        (["frobnicate"], "frobnicate"),
        (["plan", "-f", "x", "-o", "xml"], "xml"),
        (["plan", "-f", "x", "extra"], "extra"),
        (["apply", "-f", "x", "--dry-run=maybe"], "maybe"),
        (["plan", "--no-such-option"], "--no-such-option"),
        (["apply", "-f"], "-f"),
    ]
    for words, says in rows:
        done = nodeprep(*words)
        assert done.rc == 2, (words, done.err)
        assert says in done.err and done.err.count("\n") == 1


def test_missing_file_is_exit_3(nodeprep):
    done = nodeprep("plan", "-f", "no-such.yaml")
    assert done.rc == 3
    assert "'no-such.yaml'" in done.err


def test_no_api_and_no_class_is_exit_2(nodeprep, ns):
    done = nodeprep("plan", "-f", "-", input=dump(pool(ns, "w", "gpu")), env={"KUBECONFIG": None})
    assert done.rc == 2
    assert "--kubeconfig" in done.err


def test_folder_is_read_in_order_without_hidden_files(nodeprep, tmp_path):
    def cls(name):
        return {
            "apiVersion": "vmoperator.vmware.com/v1alpha2",
            "kind": "VirtualMachineClass",
            "metadata": {"name": name, "namespace": "ml"},
            "spec": hardware(A100),
        }

    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    (folder / "b.yaml").write_text(dump(pool("ml", "b", "gpu")))
    (folder / "a.yml").write_text(dump(pool("ml", "a", "gpu")))
    (folder / "c.json").write_text(json.dumps(cls("gpu")))
    (folder / ".hidden.yaml").write_text("\tbroken")
    (folder / "notes.txt").write_text("\tbroken")
    (folder / "below" / "d.yaml").write_text(dump(pool("ml", "d", "gpu")))
    done = nodeprep("plan", "-f", folder, "-o", "json", env={"KUBECONFIG": None})
    assert done.rc == 0, done.err
    assert [p["name"] for p in done.json["pools"]] == ["a", "b"]
    done = nodeprep("plan", "-R", "-f", folder, "-o", "yaml", env={"KUBECONFIG": None})
    assert [p["name"] for p in yaml.safe_load(done.out)["pools"]] == ["a", "b", "d"]


def test_same_input_gives_the_same_bytes(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    text = dump(pool(ns, "b", "gpu"), pool(ns, "a", "gpu"))
    for form in ("table", "wide", "json", "yaml"):
        first, second = (nodeprep("plan", "-f", "-", "-o", form, input=text) for _ in range(2))
        assert first.rc == 0
        assert first.out == second.out != ""


def test_what_is_wrong_with_documents_stands_in_the_json_too(nodeprep):
    text = NODE_POOL.replace("NS", "ml")
    bad = text + "  mmio: {sizeGB: 600}\n---\n" + text.replace("name: w", "name: v") + "  vmclass: x\n"
    done = nodeprep("plan", "-f", "-", "-o=json", input=bad, env={"KUBECONFIG": None})
    assert done.rc == 3
    assert [e["code"] for e in done.json["errors"]] == ["bad-input"] * 2
    assert "'600'" in done.json["errors"][0]["message"]
    assert "'vmclass'" in done.json["errors"][1]["message"]
    assert done.err.count("\n") == 2


def test_api_that_cannot_be_reached_stands_in_the_json_too(ns, nodeprep):
    flags = ["-o", "json", "--server", "https://127.0.0.1:1", "--timeout", "2s"]
    for command in ("plan", "apply"):
        done = nodeprep(command, "-f", "-", *flags, input=dump(pool(ns, "w", "gpu")))
        assert done.rc == 6
        assert done.json["errors"][0]["code"] == "try-again"


def test_options_may_stand_before_the_command_as_kubectl_takes_them(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    done = nodeprep("-n", ns, "--allow-shrink=false", "plan", "-f", "-", "-o=json",
                    input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    assert done.json["classes"][0]["gpus"] == 1


def test_class_that_failed_and_class_that_did_not_are_told_apart(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "one", "gpu"), pool(ns, "two", "nowhere"))
    done = nodeprep("apply", "-f", "-", "-o", "json", input=text)
    assert done.rc == 4
    assert [c["result"] for c in done.json["classes"]] == ["unchanged", "failed"]


@pytest.mark.parametrize("command", ["gpus", "plan"])
def test_reader_that_has_gone_ends_it_without_a_word(command, tmp_path):
    """As of `nodeprep gpus | head`; a full disk is reported. A plan is written in several parts."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [str(servers.BIN_DIR / "nodeprep"), command]
    if command == "plan":
        pools = tmp_path / "pools.yaml"
        cls = {"apiVersion": "vmoperator.vmware.com/v1alpha2", "kind": "VirtualMachineClass",
               "metadata": {"name": "gpu", "namespace": "ml"}, "spec": hardware(A100)}
        pools.write_text(dump(cls, *(pool("ml", f"w{n}", "gpu") for n in range(300))), encoding="utf-8")
        argv += ["-o", "json", "-f", str(pools)]
    done = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 3 and b"No space left" in done.stderr
