# SPDX-License-Identifier: Apache-2.0
"""10,000 writes by 16 processes at once, and one more writer, fight over 8 classes: nothing is lost.

Each worker lets pools of its own come and leave, time and again, each time a process of its own;
the other writer adds extraConfig entries and labels the way kubectl edit does: read, change,
replace, and again on a conflict. At the end every entry, label, device and pool must be there, and
once the pools have left, each class is what it was and what the other writer made of it."""

import collections
import json
import os
import subprocess
import threading
import time

import servers
from builders import A100, MANAGED, SIZE, USE64, config_spec, dump, hardware, keys_of, option, pool
from fixtures import classes_path

CLASSES = 8
WORKERS = 16
WRITES = 10_000
RUNS = WRITES // WORKERS // CLASSES
OTHER_WRITES = 50  # of each class
NS = "ml"


def class_names():
    return [f"gpu-{i}" for i in range(CLASSES)]


def worker_pools(number):
    """A pool on every class; some need more of a window than others."""
    mmio = {"minimumGB": 512 << (number % 4)}
    return dump(*(pool(NS, f"w{number}-{name}", name, mmio=mmio) for name in class_names()))


class Figures:
    """What the workers saw, added up."""

    def __init__(self):
        self.lock = threading.Lock()
        self.writes = self.conflicts = self.runs = 0
        self.longest = 0.0
        self.problems = []

    def add(self, done, seconds):
        with self.lock:
            self.runs += 1
            self.longest = max(self.longest, seconds)
            if done.returncode != 0:
                self.problems.append((done.returncode, done.stderr[-2000:]))
                return
            for cls in json.loads(done.stdout)["classes"]:
                self.writes += cls["result"] == "patched"
                self.conflicts += max(0, cls["attempts"] - 1)


def run(server, command, text):
    return subprocess.run(
        [str(servers.BIN_DIR / "nodeprep"), command, "-f", "-", "-o", "json", "--timeout=120s"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        env={"KUBECONFIG": server.kubeconfig, "PATH": os.environ["PATH"]},
        timeout=300,
        check=False,
    )


def work(server, number, figures):
    """Comes and leaves in turn; with an odd number of runs the pools are there at the end."""
    text = worker_pools(number)
    for turn in range(RUNS | 1):
        begin = time.monotonic()
        done = run(server, "revert" if turn % 2 else "apply", text)
        figures.add(done, time.monotonic() - begin)


def edit(server, name, number, counts):
    """Adds an entry and a label as kubectl edit does: the whole object is replaced."""
    path = classes_path(NS, name)
    while True:
        cls = server.must("GET", path)
        config = cls["spec"].setdefault("configSpec", {})
        entry = option(f"other.{number}", str(number))
        # Somewhere among the others, so that ours cannot count on the end of the list.
        extra = config.setdefault("extraConfig", [])
        extra.insert(number % (len(extra) + 1), entry)
        cls["metadata"].setdefault("labels", {})[f"other-{number}"] = "yes"
        status, _, answer = server.request("PUT", path, cls)
        if status == 200:
            counts["writes"] += 1
            return
        assert status == 409, answer
        counts["conflicts"] += 1


def edit_all(server, counts):
    for number in range(OTHER_WRITES):
        for name in class_names():
            edit(server, name, number, counts)
        time.sleep(0.2)


def put_classes(put_class):
    """Half of them have their devices under hardware alone, half in a configSpec."""
    for i, name in enumerate(class_names()):
        cards = [A100] * (1 + i % 4)
        spec = {**hardware(), "configSpec": config_spec(*cards, extra=[option("first", "1")])}
        put_class(NS, name, spec if i % 2 else hardware(*cards))


def unrelated(cls):
    return [e for e in cls["spec"]["configSpec"].get("extraConfig", [])
            if not e["key"].startswith("pciPassthru.")]


def check_all_there(cls, cards):
    managed = json.loads(cls["metadata"]["annotations"][MANAGED])
    name = cls["metadata"]["name"]
    assert sorted(managed["pools"]) == sorted(f"{NS}/w{n}-{name}" for n in range(WORKERS))
    for number in range(WORKERS):
        entry = managed["pools"][f"{NS}/w{number}-{name}"]
        assert entry == {"holders": ["apply"], "mmioGB": 512 << (number % 4)}
    assert sorted(keys for keys in keys_of(cls) if keys[0] in (SIZE, USE64)) == [(SIZE, "4096"), (USE64, "TRUE")]
    assert len(cls["spec"]["configSpec"]["deviceChange"]) == cards
    numbers = collections.Counter(e["key"] for e in unrelated(cls) if e["key"].startswith("other."))
    assert numbers == {f"other.{n}": 1 for n in range(OTHER_WRITES)}
    assert {k for k in cls["metadata"]["labels"]} == {f"other-{n}" for n in range(OTHER_WRITES)}


def check_gone(cls, original, last):
    """Nothing of ours is left, and all of theirs, in their order."""
    assert MANAGED not in cls["metadata"].get("annotations", {})
    assert unrelated(cls) == unrelated(last)
    assert [e["key"] for e in cls["spec"]["configSpec"]["extraConfig"]] == [e["key"] for e in unrelated(last)]
    assert "firmware" not in cls["spec"]["configSpec"]
    assert "policies" not in cls["spec"]
    assert {k for k in cls["metadata"]["labels"]} == {k for k in last["metadata"]["labels"]}
    assert cls["spec"]["hardware"] == original["spec"]["hardware"]
    # Their entries keep the configSpec, and with it the devices that nodeprep carried there.
    assert cls["spec"]["configSpec"]["deviceChange"] == last["spec"]["configSpec"]["deviceChange"]


def test_10000_contended_patches_lose_nothing(server, put_class, capsys):
    put_classes(put_class)
    originals = {name: server.must("GET", classes_path(NS, name)) for name in class_names()}
    # Before the first entry of the other writer each class has a configSpec that holds its devices.
    first = run(server, "apply", worker_pools(0))
    assert first.returncode == 0, first.stderr
    figures, counts = Figures(), collections.Counter()
    threads = [threading.Thread(target=work, args=(server, n, figures)) for n in range(WORKERS)]
    other = threading.Thread(target=edit_all, args=(server, counts))
    begin = time.monotonic()
    for thread in [*threads, other]:
        thread.start()
    for thread in threads:
        thread.join()
    other.join()
    with capsys.disabled():
        print(f"\n{figures.writes} patches by {figures.runs} processes in {time.monotonic() - begin:.0f} s: "
              f"{figures.conflicts} conflicts, each solved by a retry, longest run {figures.longest:.1f} s; the other "
              f"writer: {counts['writes']} writes, {counts['conflicts']} conflicts")
    assert figures.problems == []
    assert figures.writes >= WRITES - WORKERS * CLASSES
    assert counts["writes"] == CLASSES * OTHER_WRITES
    # Without conflicts it would have been no fight.
    assert figures.conflicts > WORKERS
    for i, name in enumerate(class_names()):
        check_all_there(server.must("GET", classes_path(NS, name)), 1 + i % 4)
    last = {name: server.must("GET", classes_path(NS, name)) for name in class_names()}
    for number in range(WORKERS):
        done = run(server, "revert", worker_pools(number))
        assert done.returncode == 0, done.stderr
    for name in class_names():
        check_gone(server.must("GET", classes_path(NS, name)), originals[name], last[name])
        server.must("DELETE", classes_path(NS, name))
