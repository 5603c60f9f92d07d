# SPDX-License-Identifier: Apache-2.0
"""Classes that are written several at a time, over one HTTP/2 connection: order, failures, signals, limits."""

import json
import signal

import pytest

import servers
from builders import writes
from classes import has_record, is_right, pools_of_classes, put_classes, start, wait_for_writes
from fixtures import classes_path
from proxies import http2_proxy, proxied_kubeconfig

NS = "ml"
MANY = 12
PATH = "*/virtualmachineclasses/"


class Front:
    """An embedded Supervisor behind a proxy that speaks HTTP/2, and a kubeconfig of the proxy."""

    def __init__(self, sim, folder, port, ca):
        self.sim = sim
        self.kubeconfig = proxied_kubeconfig(sim, folder / "config", port, ca)
        self.pools = folder / "pools.yaml"
        self.pools.write_text(pools_of_classes(NS, names()))
        put_classes(sim, NS, names())

    def start(self, *args):
        return start(self.kubeconfig, *args, "-f", str(self.pools), stdin=None)

    def run(self, *args):
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def results(self, *args):
        code, out, err = self.run(*args, "-o", "json")
        return code, json.loads(out)["classes"], err

    def stored(self, name):
        return self.sim.must("GET", classes_path(NS, name))

    def written(self):
        """The names of the classes that PATCH requests arrived for, in that order."""
        return [entry["path"].rpartition("/")[2] for entry in writes(self.sim)]

    def wait_for_writes(self, count):
        wait_for_writes(self.sim, count)


@pytest.fixture
def front(tmp_path):
    with servers.SimServer() as sim, http2_proxy(sim, tmp_path / "nghttpx") as (port, ca, _):
        yield Front(sim, tmp_path, port, ca)


def names():
    """Neither the order of the alphabet nor its reverse."""
    return [f"gpu-{(i * 5) % MANY:02}" for i in range(MANY)]


def fault(what, name="*", **members):
    return {"match": {"method": "PATCH", "path": PATH + name}, "fault": what, **members}


def lines_of(out):
    return [line.split()[0].rpartition("/")[2] for line in out.splitlines()]


def test_results_are_in_the_order_of_the_plan(front):
    # The first one's answer comes last.
    front.sim.faults([fault("delay", names()[0], delayMs=1000, count=1)])
    front.sim.mark()
    code, out, err = front.run("apply")
    assert code == 0, err
    assert lines_of(out) == names()
    assert sorted(front.written()) == sorted(names())
    assert all(is_right(front.stored(name)) for name in names())


def test_each_class_has_its_own_result(front):
    front.sim.faults([fault("delay", names()[0], delayMs=500, count=1)])
    code, told, err = front.results("apply")
    assert code == 0, err
    assert [c["name"] for c in told] == names()
    stored = [front.stored(c["name"])["metadata"]["resourceVersion"] for c in told]
    assert [c["resourceVersion"] for c in told] == stored


def test_second_class_is_written_before_the_first_is_answered(front):
    front.sim.faults([fault("delay", names()[0], delayMs=20000, count=1)])
    front.sim.mark()
    process = front.start("apply", "--parallel=2")
    # All the others pass by the one that hangs.
    front.wait_for_writes(MANY)
    assert process.poll() is None
    process.kill()
    process.communicate()


@pytest.mark.parametrize("command", ["apply", "revert"])
def test_failure_of_one_leaves_the_others(front, command):
    if command == "revert":
        assert front.run("apply")[0] == 0
    bad = names()[3]
    front.sim.faults([fault("status", bad, status=422, count=0)])
    code, told, err = front.results(command)
    assert code == 5
    assert [c["name"] for c in told] == names()
    assert [c["result"] for c in told] == ["failed" if n == bad else "patched" for n in names()]
    assert f"1 of {MANY} classes failed; run {command} again to finish" in err
    assert all(has_record(front.stored(n)) == ((command == "apply") != (n == bad)) for n in names())


def test_conflicts_are_retried_class_by_class(front):
    busy = names()[1:4]
    front.sim.faults([fault("status", name, status=409, count=1) for name in busy])
    code, told, err = front.results("apply")
    assert code == 0, err
    assert [c["attempts"] for c in told] == [2 if name in busy else 1 for name in names()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["apply", "revert"])
def test_interrupt_finishes_the_writes_under_way_and_begins_none(front, number, command):
    if command == "revert":
        assert front.run("apply")[0] == 0
    front.sim.faults([fault("delay", delayMs=1500, count=0)])
    front.sim.mark()
    process = front.start(command, "--parallel=3", "-o", "json")
    front.wait_for_writes(3)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    told = json.loads(out)["classes"]
    assert [c["result"] for c in told] == ["patched"] * 3 + ["failed"] * (MANY - 3)
    assert [c["attempts"] for c in told] == [1] * 3 + [0] * (MANY - 3)
    assert all("interrupted before it was written" in c["error"]["message"] for c in told[3:])
    assert f"interrupted: {MANY - 3} of {MANY} classes are not written; run {command} again" in err
    assert sorted(front.written()) == sorted(names()[:3])
    for i, name in enumerate(names()):
        assert has_record(front.stored(name)) == ((i < 3) == (command == "apply"))
    front.sim.faults([])
    assert front.run(command)[0] == 0
    assert all(is_right(front.stored(name)) == (command == "apply") for name in names())


def test_overloaded_server_is_asked_nothing_while_it_asks_to_wait(front):
    front.sim.faults([fault("status", names()[0], status=429, retryAfter="2", count=1)])
    front.sim.mark()
    code, _, err = front.run("apply", "--parallel=2")
    assert code == 0, err
    order = front.written()
    first = order.index(names()[0])
    # Few: those whose answers were read before the 429, and the one that begins together with the second attempt.
    assert order.index(names()[0], first + 1) - first < MANY // 2, order


def test_two_at_once_write_each_class_once(front):
    front.sim.mark()
    both = [front.start("apply", "-o", "json") for _ in range(2)]
    told = []
    for process in both:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        told.append(json.loads(out)["classes"])
    stored = [entry for entry in writes(front.sim) if entry["status"] == 200]
    assert len(stored) == MANY
    for one, other in zip(*told):
        assert "failed" not in (one["result"], other["result"])
        assert one["resourceVersion"] == other["resourceVersion"]


@pytest.mark.parametrize("value", ["0", "65", "-1", "8x", ""])
def test_bad_parallel_is_refused(front, value):
    front.sim.mark()
    code, out, err = front.run("apply", f"--parallel={value}")
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1 and "--parallel" in err and f"'{value}'" in err
    assert front.sim.requests() == []
