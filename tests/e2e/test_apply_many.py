# SPDX-License-Identifier: Apache-2.0
"""apply over many classes: the order of writes, what an interrupt leaves, what a terminal shows."""

import json
import os
import pty
import select
import signal
import time

import pytest

import servers
from builders import A100, dump, hardware, pool, writes
from classes import has_record, is_right, pools_of_classes, put_classes, start, wait_for_writes
from fixtures import classes_path

MANY = 12


@pytest.fixture
def sim():
    """An embedded Supervisor of the test's own, since faults are all its clients'."""
    with servers.SimServer() as running:
        yield running


def names():
    return [f"gpu-{i:02}" for i in range(MANY)]


def pools(ns):
    return pools_of_classes(ns, names())


def start_apply(sim, *args, **options):
    """Starts a command that has read its pools."""
    process = start(sim.kubeconfig, *args, "-f", "-", **options)
    process.stdin.write(pools("ml"))
    process.stdin.close()
    process.stdin = None
    return process


def delay(method, milliseconds, **members):
    match = {"method": method, "path": "*/virtualmachineclasses*"}
    return {"match": match, "fault": "delay", "delayMs": milliseconds, "count": 0, **members}


def test_classes_are_written_in_the_order_of_the_pools(server, ns, nodeprep):
    put_classes(server, ns, names())
    order = list(reversed(names()))
    server.mark()
    text = dump(*(pool(ns, f"p-{name}", name) for name in order))
    done = nodeprep("apply", "-f", "-", "--parallel=1", input=text)
    assert done.rc == 0, done.err
    assert [w["path"].rpartition("/")[2] for w in writes(server)] == order
    assert [line.split()[0].rpartition("/")[2] for line in done.out.splitlines()] == order


@pytest.mark.parametrize("count", [8, MANY], ids=["few", "many"])
def test_reads_are_made_once_a_class(server, ns, nodeprep, count):
    put_classes(server, ns, names())
    server.mark()
    text = dump(*(pool(ns, f"{who}-{name}", name) for name in names()[:count] for who in "ab"))
    assert nodeprep("plan", "-f", "-", input=text).rc == 0
    reads = [r["path"] for r in server.requests() if r["path"].startswith(classes_path(ns))]
    listed, each = [classes_path(ns)], [classes_path(ns, name) for name in names()[:count]]
    assert sorted(reads) == (each if count == 8 else listed)


def test_namespaces_are_told_where_there_are_several(server, ns, nodeprep, namespace_names, put_class):
    other = next(namespace_names)
    server.create_namespace(other)
    for where in (ns, other):
        put_class(where, "gpu", hardware(A100))
    done = nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"), pool(other, "w", "gpu")))
    assert done.rc == 0, done.err
    what = "window 512 GB, firmware efi, memory reservation 256Gi, devices"
    assert [line.partition(" ")[2] for line in done.out.splitlines()] == [
        f"patched ({what}) in namespace {ns}",
        f"patched ({what}) in namespace {other}",
    ]
    server.must("DELETE", classes_path(other, "gpu"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["apply", "revert"])
def test_interrupt_finishes_the_write_under_way_and_says_what_is_not_done(sim, number, command):
    ns = "ml"
    put_classes(sim, ns, names())
    if command == "revert":
        assert run_to_end(sim, "apply", ns)[0] == 0
    sim.mark()
    sim.faults([delay("PATCH", 700)])
    process = start_apply(sim, command, "-o", "json")
    # The log has a request before its answer is out: so the second one is under way now.
    wait_for_writes(sim, 2)
    time.sleep(0.2)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    told = json.loads(out)["classes"]
    assert [c["result"] for c in told] == ["patched"] * 2 + ["failed"] * (MANY - 2)
    assert [c["attempts"] for c in told] == [1, 1] + [0] * (MANY - 2)
    assert all("interrupted before it was written" in c["error"]["message"] for c in told[2:])
    assert f"interrupted: {MANY - 2} of {MANY} classes are not written" in err
    assert f"run {command} again to finish" in err
    for i, name in enumerate(names()):
        assert has_record(sim.must("GET", classes_path(ns, name))) == ((i < 2) == (command == "apply"))
    sim.faults([])
    assert run_to_end(sim, command, ns)[0] == 0
    stored = [sim.must("GET", classes_path(ns, name)) for name in names()]
    assert all(is_right(cls) == (command == "apply") for cls in stored)


def test_interrupt_while_reading_writes_nothing(sim):
    put_classes(sim, "ml", names())
    sim.mark()
    sim.faults([delay("GET", 5000)])
    process = start_apply(sim, "apply")
    time.sleep(0.7)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    assert "interrupted" in err
    assert time.monotonic() - begin < 4
    assert writes(sim) == []


def test_second_interrupt_ends_it_at_once(sim):
    put_classes(sim, "ml", names())
    sim.faults([delay("PATCH", 20000)])
    process = start_apply(sim, "apply")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT


def run_to_end(sim, command, ns):
    process = start(sim.kubeconfig, command, "-f", "-")
    out, err = process.communicate(pools(ns), timeout=60)
    return process.returncode, out, err


def read_terminal(process, master):
    """Returns all that the process writes to the terminal."""
    text = b""
    while True:
        ready, _, _ = select.select([master], [], [], 0.1)
        if ready:
            try:
                text += os.read(master, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
    return text.decode()


@pytest.mark.parametrize("args", [[], ["--log-format=json"]], ids=["text", "json"])
def test_terminal_shows_progress_and_a_pipe_does_not(sim, args):
    put_classes(sim, "ml", names())
    sim.faults([delay("PATCH", 150)])
    master, slave = pty.openpty()
    process = start_apply(sim, "apply", *args, stderr=slave)
    os.close(slave)
    text = read_terminal(process, master)
    os.close(master)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "writing" not in out
    assert ("writing classes: " in text) == (not args)
    # The line is gone when the last one is written.
    assert text.rstrip().splitlines()[-1].endswith("roll out the node pools" + ('"}' if args else ""))
    code, _, err = run_to_end(sim, "revert", "ml")
    assert code == 0
    assert "classes:" not in err
