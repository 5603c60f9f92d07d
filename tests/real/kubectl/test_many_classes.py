# SPDX-License-Identifier: Apache-2.0
"""The round trip of random classes on the real server: what it normalises is kept as it was."""

import random

from builders import A100, H100, H200, MANAGED, NIC, SIZE, T4, USE64, dump, option, passthrough, plain, pool, writes
from fixtures import classes_path

CLASSES = 400
DEVICES = [A100, H100, H200, T4, NIC]
KEYS = [SIZE, USE64, SIZE.upper(), "pciPassthru.64bitMMioSizeGB", "other", "pciPassthru.set.usebitMMIO"]
VALUES = ["TRUE", "FALSE", "64", "512", "768", "x"]


def random_spec(draw):
    spec = {"hardware": {"cpus": draw.choice([8, 16]), "memory": "64Gi"}}
    cards = [draw.choice(DEVICES) for _ in range(draw.randrange(4))]
    if draw.random() < 0.6:
        spec["hardware"]["devices"] = {"dynamicDirectPathIODevices": cards} if cards else {}
    if draw.random() < 0.6:
        config = {}
        if draw.random() < 0.7:
            config["deviceChange"] = [passthrough(card) for card in cards]
        if draw.random() < 0.7:
            config["extraConfig"] = [
                option(draw.choice(KEYS), draw.choice(VALUES)) for _ in range(draw.randrange(5))
            ]
        if draw.random() < 0.5:
            config["firmware"] = draw.choice(["efi", "bios"])
        if draw.random() < 0.3:
            config["numCPUs"] = None
        spec["configSpec"] = config
    if draw.random() < 0.5:
        requests = {"memory": draw.choice(["64Gi", "65536Mi", "32Gi"]), "cpu": "1"}
        spec["policies"] = {"resources": {"requests": requests}}
    return spec


def test_apply_and_revert_of_random_classes_leave_the_same_bytes(server, ns, nodeprep, put_class):
    draw = random.Random(20230530)
    names = [f"c{i:04}" for i in range(CLASSES)]
    for name in names:
        metadata = {"labels": {"l": "1"}} if draw.random() < 0.5 else {}
        if draw.random() < 0.5:
            metadata["annotations"] = {"note": "ours"}
        put_class(ns, name, random_spec(draw), **metadata)
    before = {c["metadata"]["name"]: plain(c) for c in server.must("GET", classes_path(ns))["items"]}
    text = dump(*(pool(ns, f"p-{name}", name) for name in names))
    done = nodeprep("apply", "-f", "-", "-o", "json", input=text, timeout=300)
    assert done.rc == 0, done.err[-2000:]
    patched = sum(c["result"] == "patched" for c in done.json["classes"])
    assert patched > CLASSES / 3
    changed = {c["metadata"]["name"]: plain(c) for c in server.must("GET", classes_path(ns))["items"]}
    assert sum(before[name] != changed[name] for name in names) == patched
    assert sum(MANAGED in text for text in changed.values()) == patched
    server.mark()
    assert nodeprep("apply", "-f", "-", input=text, timeout=300).rc == 0
    assert writes(server) == []
    assert {r["verb"] for r in server.requests()} <= {"get", "list"}
    done = nodeprep("revert", "-f", "-", input=text, timeout=300)
    assert done.rc == 0, done.err[-2000:]
    after = {c["metadata"]["name"]: plain(c) for c in server.must("GET", classes_path(ns))["items"]}
    assert after == before
    server.mark()
    assert nodeprep("revert", "-f", "-", input=text, timeout=300).rc == 0
    assert writes(server) == []
