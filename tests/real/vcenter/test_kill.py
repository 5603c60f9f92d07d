# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of apply and revert: the class is old or new, and the record fits.

NODEPREP_VCENTER_KILLS sets how often (40)."""

import os
import random
import signal
import time

from builders import A100, option
from vcenter import gpu_class, is_prepared, pools

KILLS = int(os.environ.get("NODEPREP_VCENTER_KILLS", "40"))
NAMES = ["a", "b", "c"]
SLOW = {"path": "/api/.*", "delayMs": 8}  # so that moments between requests are hit


def duration(host, command, text):
    begin = time.monotonic()
    host.must(command, "-f", "-", input=text)
    return time.monotonic() - begin


def kill_at(host, command, text, moment):
    """Runs the command and kills it after so many seconds; returns whether it was killed."""
    with host.start(host.argv(command, "-f", "-")) as process:
        process.stdin.write(text)
        process.stdin.close()
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
        process.stderr.read()
    return process.returncode == -signal.SIGKILL


def is_old_or_new(cls, before):
    return cls == before or is_prepared(cls, 512)


def test_kill_at_random_moments(vcenter, host, capsys):
    vcenter.put_classes(*(gpu_class(name, A100, extra=[option("other", name)]) for name in NAMES))
    before = vcenter.dump()
    text = pools(*NAMES)
    vcenter.rules(SLOW)
    lasts = {command: duration(host, command, text) for command in ("apply", "revert")}
    assert vcenter.dump() == before
    chance = random.Random(17)
    killed, halfway = 0, 0
    while killed < KILLS:
        command = chance.choice(["apply", "revert"])
        if command == "revert":
            host.must("apply", "-f", "-", input=text)
        killed += kill_at(host, command, text, chance.uniform(0, 1.1 * lasts[command]))
        now = vcenter.dump()
        prepared = [is_prepared(cls, 512) for cls in now.values()]
        halfway += any(prepared) and not all(prepared)
        for name, cls in now.items():
            assert is_old_or_new(cls, before[name]), (command, cls)
        # Whatever is recorded, the next run completes: both ways lead to where they should.
        if chance.random() < 0.5:
            host.must("apply", "-f", "-", input=text)
            assert all(is_prepared(cls, 512) for cls in vcenter.dump().values())
        host.must("revert", "-f", "-", input=text)
        assert vcenter.dump() == before
    assert list(host.state.rglob("*.json")) == []
    with capsys.disabled():
        print(f"\n{killed} runs killed, {halfway} of them between two classes")
