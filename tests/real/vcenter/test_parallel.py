# SPDX-License-Identifier: Apache-2.0
"""Classes that several workers write at a time, each over a connection of its own, all in one session."""

import pytest

import servers
from vcenter import CLASSES, gpu_class, is_prepared, pools

NAMES = [f"gpu-{number}" for number in range(6)]
TEXT = pools(*NAMES)


@pytest.fixture
def classes(vcenter):
    vcenter.put_classes(*(gpu_class(name) for name in NAMES))
    vcenter.mark()
    return vcenter.dump()


def logins(vcenter):
    return [one for one in vcenter.requests() if one["method"] == "POST" and one["path"] == "/api/session"]


def prepared(vcenter):
    return [name for name, cls in sorted(vcenter.dump().items()) if is_prepared(cls, 512)]


def test_a_slow_class_holds_up_no_other(vcenter, classes, host):
    vcenter.rules({"method": "PATCH", "path": f"{CLASSES}/{NAMES[0]}", "delayMs": 60000})
    (host.folder / "pools.yaml").write_text(TEXT)
    process = host.start(host.argv("apply", "-f", "pools.yaml", "--parallel=2"))
    servers.wait_until("the other classes", lambda: prepared(vcenter) == NAMES[1:], process)
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert len(logins(vcenter)) == 1


@pytest.mark.parametrize("parallel", [1, 3])
def test_all_workers_share_a_session(vcenter, classes, host, parallel):
    vcenter.rules({"method": "PATCH", "path": f"{CLASSES}/{NAMES[0]}", "delayMs": 500})
    done = host.must("apply", "-f", "-", f"--parallel={parallel}", input=TEXT)
    # The results are in the plan's order, the writes only with one worker.
    assert [line.split()[0].rpartition("/")[2] for line in done.out.splitlines()] == NAMES
    assert sorted(vcenter.patches()) == NAMES
    assert (vcenter.patches() == NAMES) == (parallel == 1)
    assert len(logins(vcenter)) == 1
    assert vcenter.sessions() == {"rest": 0, "soap": 0}


@pytest.mark.parametrize("command", ["apply", "revert"])
def test_the_session_ends_under_several_workers(vcenter, classes, host, command):
    """Before each request in turn, whichever worker's it is; all of them go on in one new session."""
    undo = {"apply": "revert", "revert": "apply"}[command]
    if command == "revert":
        host.must("apply", "-f", "-", input=TEXT)
    vcenter.mark()
    host.must(command, "-f", "-", "--parallel=4", input=TEXT)
    count = len([one for one in vcenter.requests() if one["path"].startswith(CLASSES)])
    assert count >= 3 * len(NAMES)
    for number in range(count):
        host.must(undo, "-f", "-", input=TEXT)
        vcenter.mark()
        vcenter.rules({"path": f"{CLASSES}.*", "skip": number, "times": 1, "expire": True})
        host.must(command, "-f", "-", "--parallel=4", input=TEXT)
        assert prepared(vcenter) == (NAMES if command == "apply" else [])
        assert len(logins(vcenter)) == 2, number
        assert vcenter.sessions() == {"rest": 0, "soap": 0}


def test_a_session_that_cannot_be_renewed_fails_every_class(vcenter, classes, host):
    vcenter.rules({"method": "PATCH", "path": f"{CLASSES}.*", "status": 401, "body": "{}"})
    done = host("apply", "-f", "-", "--parallel=4", "-o", "json", input=TEXT)
    assert done.rc == 5
    told = done.json["classes"]
    assert [(one["name"], one["result"]) for one in told] == [(name, "failed") for name in NAMES]
    assert all("session" in one["error"]["message"] for one in told)
    assert vcenter.dump() == classes
