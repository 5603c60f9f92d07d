# SPDX-License-Identifier: Apache-2.0
"""explain: the window as a picture, in the terminal and as SVG, from classes in the input alone."""

import json
import xml.etree.ElementTree as tree

import pytest

SVG = "{http://www.w3.org/2000/svg}"
GIB = 2**30
ONLY_OFFLINE = {"KUBECONFIG": None}

A30, A100, A100_80 = 0x20B7, 0x20B0, 0x20B2
H100, H200, T4 = 0x2330, 0x2335, 0x1EB8

SHAPES = [
    ("one A30", [A30], {}, 512, 1),
    ("four A100-40GB", [A100] * 4, {}, 512, 4),
    ("two H200", [H200] * 2, {}, 1024, 2),
    ("a mixed node", [A30, A100_80, T4], {}, 512, 2),
    ("eight H100", [H100] * 8, {}, 2048, 8),
    ("sixteen A100-40GB", [A100] * 16, {}, 2048, 16),
    ("a window larger than needed", [A30], {"sizeGB": 1024}, 1024, 1),
    ("a size that does not fit", [A100] * 3, {"sizeGB": 256}, 256, 3),
    ("a card that needs no window", [T4], {}, 0, 0),
]
ROWS = [pytest.param(*row[1:], id=row[0]) for row in SHAPES]


def vm_class(name, devices):
    ids = [{"vendorID": 0x10DE, "deviceID": device} for device in devices]
    return {
        "apiVersion": "vmoperator.vmware.com/v1alpha2",
        "kind": "VirtualMachineClass",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {
            "hardware": {"cpus": 8, "memory": "256Gi", "devices": {"dynamicDirectPathIODevices": ids}}
        },
    }


def node_pool(name, vm_class_name, mmio):
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"replicas": 2, "vmClass": vm_class_name, "mmio": mmio},
    }


@pytest.fixture
def explain(nodeprep):
    """explain(documents, *args) runs it without any server."""

    def run(documents, *args, env=None):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        return nodeprep("explain", "-f", "-", *args, input=text, env={**ONLY_OFFLINE, **(env or {})})

    return run


@pytest.mark.parametrize(("devices", "mmio", "window", "cards"), ROWS)
def test_drawing_is_well_formed_and_to_scale(explain, devices, mmio, window, cards):
    done = explain([vm_class("gpu", devices), node_pool("w", "gpu", mmio)], "-o", "svg", "w")
    assert done.rc == 0, done.err
    root = tree.fromstring(done.out)
    assert root.tag == f"{SVG}svg"
    names = {element.tag for element in root.iter()}
    assert names <= {SVG + n for n in "svg title style defs pattern path rect text".split()}
    for element in root.iter():
        assert not [a for a in element.attrib if a.startswith("on") or a.endswith("href")]
    width, height = (float(n) for n in root.get("viewBox").split()[2:])

    placed = [r for r in root.iter(f"{SVG}rect") if r.get("data-size")]
    frame = [r for r in placed if r.get("class") == "frame"]
    assert [int(r.get("data-size")) // GIB for r in frame] == ([window] if window else [])
    assert len({r.get("data-card") for r in placed if r.get("data-card")}) == cards
    for rect in placed:
        scale = float(frame[0].get("width")) / int(frame[0].get("data-size"))
        x, wide = float(rect.get("x")), float(rect.get("width"))
        assert x == pytest.approx(24 + int(rect.get("data-offset")) * scale, abs=1e-4)
        assert wide == pytest.approx(int(rect.get("data-size")) * scale, abs=1e-4)
        assert 24 <= x and x + wide <= width - 24 + 1e-4
    for text in root.iter(f"{SVG}text"):
        assert 0 < float(text.get("y")) <= height


def left_and_right(text):
    """Where a text can reach to, taken for a wide font."""
    wide = len(text.text or "") * float(text.get("font-size")) * 0.64
    x, anchor = float(text.get("x")), text.get("text-anchor", "start")
    left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
    return left, left + wide


@pytest.mark.parametrize(("devices", "mmio", "window", "cards"), ROWS)
def test_no_text_lies_over_another(explain, devices, mmio, window, cards):
    name = "a-pool-with-a-name-that-is-rather-longer-than-what-the-title-of-the-drawing-can-hold"
    done = explain([vm_class("gpu", devices), node_pool(name, "gpu", mmio)], "-o", "svg")
    assert done.rc == 0, done.err
    lines = {}
    for text in tree.fromstring(done.out).iter(f"{SVG}text"):
        left, right = left_and_right(text)
        assert -1 <= left and right <= 961, text.text
        lines.setdefault(float(text.get("y")), []).append((left, right, text.text))
    for line in lines.values():
        line.sort()
        for before, after in zip(line, line[1:]):
            assert before[1] <= after[0], (before, after)


def test_drawing_is_the_same_each_time_and_needs_no_locale(explain):
    documents = [vm_class("gpu", [A30, A100_80, T4]), node_pool("w", "gpu", {})]
    first = explain(documents, "-o", "svg")
    second = explain(documents, "-o", "svg", env={"LC_ALL": "C", "LANG": "de_DE.UTF-8"})
    assert first.rc == 0, first.err
    assert first.out == second.out


def test_markup_in_a_name_is_text(explain, tmp_path):
    cards = tmp_path / "cards.yaml"
    cards.write_text(
        '- {model: "X<script>&1", pciID: "10de:2fff", memoryGB: 40, '
        'barsMB: {0: 16, 1: 65536}, source: "<b>&amp;"}\n'
    )
    documents = [vm_class("gpu", [0x2FFF]), node_pool("w", "gpu", {})]
    done = explain(documents, "--catalogue", str(cards), "-o", "svg")
    assert done.rc == 0, done.err
    assert "<script" not in done.out
    texts = [element.text or "" for element in tree.fromstring(done.out).iter(f"{SVG}text")]
    assert "1: X<script>&1" in texts
    assert any("BARs: <b>&amp;" in text for text in texts)


def test_drawing_wants_one_pool(explain):
    documents = [vm_class("gpu", [A30]), node_pool("a", "gpu", {}), node_pool("b", "gpu", {})]
    for args in [], ["gpu"]:
        done = explain(documents, "-o", "svg", *args)
        assert (done.rc, done.out) == (2, "")
        assert "'ml/a', 'ml/b'" in done.err
    assert explain(documents, "-o", "svg", "b").rc == 0
    assert explain(documents, "-o", "svg", "ml/b").rc == 0
    assert explain(documents, "-o", "svg", "c").rc == 4


def test_near_names_of_what_is_explained(explain):
    documents = [vm_class("gpu-a30x1", [A30]), node_pool("training", "gpu-a30x1", {})]
    for name, near in (("trainin", "training"), ("gpu-a30x2", "gpu-a30x1")):
        done = explain(documents, name)
        assert done.rc == 4 and done.err.endswith(f"'{name}' not found in the plan: did you mean '{near}'?\n")
    assert "did you mean" not in explain(documents, "other").err


def test_warnings_are_of_what_is_explained(explain):
    documents = [vm_class("one", [H200] * 2), node_pool("a", "one", {})]
    documents += [vm_class("other", [H200] * 2), node_pool("b", "other", {})]
    for args, told in [([], {"ml/one", "ml/other"}), (["one"], {"ml/one"}), (["b"], {"ml/other"})]:
        done = explain(documents, *args)
        assert done.rc == 0, done.err
        lines = [line.split(": ") for line in done.err.splitlines()]
        assert {line[2] for line in lines if line[1] == "resize-resets"} == told


@pytest.mark.parametrize("command", ["plan", "apply", "revert", "gpus", "version"])
def test_only_explain_draws(nodeprep, command):
    done = nodeprep(command, "-o", "svg", env=ONLY_OFFLINE)
    assert (done.rc, done.out) == (2, "")
    assert f"-o svg is only for explain and host-check, not for '{command}'" in done.err


def bar(out, edge):
    return next(line for line in out.splitlines() if line.startswith(f"      {edge}")).strip().strip(edge)


@pytest.mark.parametrize(
    ("env", "edge", "cells"),
    [
        pytest.param({"LC_ALL": "C.UTF-8"}, "│", "████░░░░" + "·" * 56, id="UTF-8"),
        pytest.param({"LC_ALL": None, "LANG": "en_US.utf8"}, "│", "████░░░░" + "·" * 56, id="LANG alone"),
        pytest.param({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, "|", "####----" + "." * 56, id="ASCII"),
        pytest.param({"LC_ALL": None}, "|", "####----" + "." * 56, id="no locale"),
    ],
)
def test_terminal_bar_follows_the_locale(explain, env, edge, cells):
    done = explain([vm_class("gpu", [A30]), node_pool("w", "gpu", {})], env=env)
    assert done.rc == 0, done.err
    assert bar(done.out, edge) == cells
    assert "\033" not in done.out
