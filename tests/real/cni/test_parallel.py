# SPDX-License-Identifier: Apache-2.0
"""Many attachments at once, and attachments that are cut off: the API's resourceVersion decides."""

import itertools
import random
import signal
import statistics
import time

import pytest

from builders import A100, H200, SIZE, hardware, keys_of, plain, pool
from runtime import cni_plugin, finish, holders, must

CONTAINERS = 64
# Class -> what its pools need: (pool, window it asks for). The class gets the largest.
CLASSES = {
    "one": [("p0", None), ("p3", 1024), ("p6", None)],
    "two": [("p1", None), ("p4", None), ("p7", 2048)],
    "three": [("p2", 1024), ("p5", None)],
}
WINDOWS = {"one": "1024", "two": "2048", "three": "1024"}


def pools(ns):
    """Returns the eight pools by their names."""
    made = {}
    for vm_class, rows in CLASSES.items():
        for name, size in rows:
            more = {"mmio": {"sizeGB": size}} if size else {}
            made[name] = pool(ns, name, vm_class, **more)
    return made


def config(ns, name, instance="host-1", **more):
    return {"cniVersion": "1.1.0", "name": "gpu", "type": "nodeprep", "instance": instance,
            "nodePool": pools(ns)[name], **more}


@pytest.fixture
def classes(ns, put_class, get_class):
    """Makes the three classes and returns what they are, by name."""
    put_class(ns, "one", hardware(A100, A100), labels={"team": "a"}, annotations={"note": "1"})
    put_class(ns, "two", hardware(A100))
    put_class(ns, "three", hardware(H200), annotations={"note": "3"})
    return lambda: {name: get_class(ns, name) for name in CLASSES}


def together(processes):
    """Waits for all; every one of them has to go well."""
    done = [finish(process) for process in processes]
    assert [row for row in done if row[0] != 0] == []


def test_many_attachments_at_once(server, ns, classes):
    before = {name: plain(cls) for name, cls in classes().items()}
    names = [f"p{number % 8}" for number in range(CONTAINERS)]
    begun = time.monotonic()
    together(
        [cni_plugin(server, "ADD", config(ns, name), f"c{number}") for number, name in enumerate(names)]
    )
    print(f"{CONTAINERS} ADDs: {time.monotonic() - begun:.1f} s")
    stored = classes()
    for vm_class, rows in CLASSES.items():
        assert (SIZE, WINDOWS[vm_class]) in keys_of(stored[vm_class])
        assert {pool_id: len(found) for pool_id, found in holders(stored[vm_class]).items()} == {
            f"{ns}/{name}": CONTAINERS // 8 for name, _ in rows
        }
    # Another host's GC in the midst of it, and one of ours that keeps the remaining pods.
    other = {"cni.dev/valid-attachments": []}
    mine = {"cni.dev/valid-attachments": [{"containerID": "c7", "ifname": "eth0"}]}
    begun = time.monotonic()
    leaving = [number for number in range(CONTAINERS) if number != 7]
    calls = [cni_plugin(server, "DEL", config(ns, names[number]), f"c{number}") for number in leaving[:32]]
    calls.append(cni_plugin(server, "GC", config(ns, "p0", instance="host-2", **other)))
    calls += [cni_plugin(server, "DEL", config(ns, names[number]), f"c{number}") for number in leaving[32:]]
    calls.append(cni_plugin(server, "GC", config(ns, "p1", instance="host-2", **other)))
    calls.append(cni_plugin(server, "GC", config(ns, "p7", **mine)))
    together(calls)
    print(f"{CONTAINERS - 1} DELs: {time.monotonic() - begun:.1f} s")
    stored = classes()
    assert holders(stored["two"]) == {f"{ns}/p7": ["cni/gpu/host-1/c7/eth0"]}
    assert (SIZE, "2048") in keys_of(stored["two"])
    assert {name: plain(stored[name]) for name in ("one", "three")} == {
        name: before[name] for name in ("one", "three")
    }
    must(cni_plugin(server, "CHECK", config(ns, "p7"), "c7"))
    must(cni_plugin(server, "DEL", config(ns, "p7"), "c7"))
    assert {name: plain(cls) for name, cls in classes().items()} == before


def test_another_hosts_gc_touches_nothing_of_ours(server, ns, classes):
    together([cni_plugin(server, "ADD", config(ns, f"p{number}"), f"c{number}") for number in range(8)])
    versions = {name: cls["metadata"]["resourceVersion"] for name, cls in classes().items()}
    must(cni_plugin(server, "GC", config(ns, "p0", instance="host-2", **{"cni.dev/valid-attachments": []})))
    assert {name: cls["metadata"]["resourceVersion"] for name, cls in classes().items()} == versions


KILLS = 200


def run_for(process, seconds):
    """Kills the call after that time, wherever it is by then; tells whether it had ended by itself."""
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rc, out, err = finish(process)
    assert rc in (0, -signal.SIGKILL), (rc, out, err)
    return rc == 0


def test_kill_leaves_the_old_class_or_the_new_one(server, ns, classes):
    """200 times at a random moment; the next ADD or DEL completes."""
    one = config(ns, "p0")
    old = plain(classes()["one"])
    times = []
    for command in ("ADD", "DEL") * 5:
        begun = time.monotonic()
        must(cni_plugin(server, command, one))
        times.append(time.monotonic() - begun)
        if command == "ADD":
            new = plain(classes()["one"])
    longest = statistics.median(times) * 1.3
    rng = random.Random(6)
    seen = {"old": 0, "new": 0}
    ended = 0
    for number, command in zip(range(KILLS), itertools.cycle(("ADD", "DEL"))):
        ended += run_for(cni_plugin(server, command, one), rng.uniform(0, longest))
        now = plain(classes()["one"])
        assert now in (old, new), (number, command)
        seen["old" if now == old else "new"] += 1
        must(cni_plugin(server, command, one))
        assert plain(classes()["one"]) == (new if command == "ADD" else old), (number, command)
    print(f"{KILLS} kills within {longest * 1e3:.0f} ms: {ended} had ended; classes seen: {seen}")
    # Some came too late and some in time, or nothing was tried.
    assert 0 < ended < KILLS and min(seen.values()) > 0
