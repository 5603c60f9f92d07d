# SPDX-License-Identifier: Apache-2.0
"""Eight processes on two state directories and a foreign writer change the same classes.

vCenter has no optimistic concurrency: what another writer changes after a process has read a class and before its
PATCH arrives is overwritten, and no client can see it. The server's log tells such losses from others, of
which there may be none. NODEPREP_VCENTER_PATCHES sets how many PATCHes nodeprep sends (300)."""

import collections
import os
import threading
import time

from builders import A100, option
from foreign import last_writes, losses, member_of
from vcenter import Host, gpu_class, is_prepared, keys_of, pools

PATCHES = int(os.environ.get("NODEPREP_VCENTER_PATCHES", "300"))
NAMES = [f"gpu-{n}" for n in range(4)]
WORKERS = 4  # of each host


class Figures:
    def __init__(self):
        self.lock = threading.Lock()
        self.patched = self.runs = self.named = 0
        self.problems = []

    def add(self, done):
        with self.lock:
            self.runs += 1
            if done.rc != 0:
                self.problems.append((done.rc, done.err[-2000:]))
                return
            for cls in done.json["classes"]:
                self.patched += cls["result"] == "patched"
                self.named += sum(w["code"] == "concurrent-change" for w in cls["warnings"])
            self.named += sum(w["code"] == "concurrent-change" for w in done.json["warnings"])

    @property
    def is_done(self):
        return self.patched >= PATCHES or bool(self.problems)


def worker_pools(number):
    """Two classes of each worker: each class has two workers on each host."""
    mine = [NAMES[number % len(NAMES)], NAMES[(number + 1) % len(NAMES)]]
    return pools(*mine, ns=f"w{number}")


def work(host, number, figures):
    text = worker_pools(number)
    while not figures.is_done:
        for command in ("apply", "revert"):
            figures.add(host(command, "-f", "-", "-o", "json", "--timeout=60s", input=text))


def write(vcenter, figures, counts):
    """The foreign writer: each of its writes is one step, so that it takes nothing of others away."""
    number = 0
    while not figures.is_done:
        number += 1
        name = NAMES[number % len(NAMES)]
        change = [
            {"set": {"description": f"d{number}"}},
            {"set": {"cpu_count": 1 + number}},
            {"extra": {f"other.{number}": "1"}},
        ][number // len(NAMES) % 3]
        vcenter.edit(name, **change)
        counts[name] += 1
        time.sleep(0.01)


def check_theirs(vcenter, last, lost):
    """All that the foreign writer wrote last is there, but for what was lost."""
    for path, members in last.items():
        cls = vcenter.dump()[path.rpartition("/")[2]]
        for member, value in members.items():
            if (path, member, value) not in lost:
                assert member_of(cls, member) == value, (path, member)


def test_contended_patches_lose_nothing_that_could_be_seen(vcenter, tmp_path, capsys):
    vcenter.put_classes(*(gpu_class(name, A100, extra=[option("first", "1")]) for name in NAMES))
    before = vcenter.dump()
    hosts = [Host(vcenter, tmp_path / "one"), Host(vcenter, tmp_path / "two")]
    figures, counts = Figures(), collections.Counter()
    threads = [
        threading.Thread(target=work, args=(host, n, figures)) for n in range(WORKERS) for host in hosts
    ]
    threads.append(threading.Thread(target=write, args=(vcenter, figures, counts)))
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    assert figures.problems == []

    # Once nobody else writes, a run of each converges, and all that was ours goes.
    for command, window in (("apply", True), ("revert", False)):
        for n in range(WORKERS):
            for host in hosts:
                host.must(command, "-f", "-", input=worker_pools(n))
        for name, cls in vcenter.dump().items():
            assert is_prepared(cls, 512) == window, (command, name)
    log = vcenter.requests()
    unseen, seen = losses(log)
    with capsys.disabled():
        print(
            f"\n{figures.patched} patches by {figures.runs} processes in {seconds:.0f} s beside "
            f"{sum(counts.values())} foreign writes: {len(unseen)} overwritten between read and PATCH, "
            f"{len(seen)} otherwise; {figures.named} named by concurrent-change"
        )
    assert seen == []
    check_theirs(vcenter, last_writes(log), unseen)
    for name, cls in vcenter.dump().items():
        ours = {k for k in keys_of(cls) if k.startswith("pciPassthru.")}
        assert not ours
        assert {k: v for k, v in cls.items() if k not in ("description", "cpu_count", "config_spec")} == {
            k: v for k, v in before[name].items() if k not in ("description", "cpu_count", "config_spec")
        }
    assert vcenter.sessions() == {"rest": 0, "soap": 0}
