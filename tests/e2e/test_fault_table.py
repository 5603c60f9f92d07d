# SPDX-License-Identifier: Apache-2.0
"""Every fault at every request of an apply, as docs/failure-modes.md lists it: that table is the test's.

Each case has a Supervisor of its own, so that many run side by side: most of them wait."""

import concurrent.futures
import json
import os
import subprocess

import pytest

import servers
from builders import A100, MANAGED, SIZE, USE64, config_spec, dump, hardware, keys_of, pool

NS = "ml"
PATH = "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
TABLE = servers.REPO / "docs" / "failure-modes.md"
AT_ONCE = 6

# One process plays all cases, once.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fault table")]

# The columns of the table: the requests of an apply, in their order.
REQUESTS = {
    "group": ("GET", "/apis/vmoperator.vmware.com"),
    "version": ("GET", "/apis/vmoperator.vmware.com/v1alpha6"),
    "read": ("GET", "*/virtualmachineclasses/*"),
    "write": ("PATCH", "*/virtualmachineclasses/*"),
}

FAULTS = {
    "401 once": {"fault": "status", "status": 401},
    "403 once": {"fault": "status", "status": 403},
    "404 once": {"fault": "status", "status": 404},
    "409 once": {"fault": "status", "status": 409},
    "409 always": {"fault": "status", "status": 409, "count": 0},
    "422 once": {"fault": "status", "status": 422},
    "429 once": {"fault": "status", "status": 429, "retryAfter": "1"},
    "429 with a long Retry-After": {"fault": "status", "status": 429, "retryAfter": "600"},
    "500 once": {"fault": "status", "status": 500},
    "500 always": {"fault": "status", "status": 500, "count": 0},
    "502 once": {"fault": "status", "status": 502},
    "503 once": {"fault": "status", "status": 503, "retryAfter": "1"},
    "503 always": {"fault": "status", "status": 503, "count": 0},
    "503 once, but carried out": {"fault": "status", "status": 503, "effect": True},
    "504 once": {"fault": "status", "status": 504},
    "connection cut once": {"fault": "cut"},
    "connection cut always": {"fault": "cut", "count": 0},
    "connection cut once, but carried out": {"fault": "cut", "effect": True},
    "connection cut within the response, once": {"fault": "cut-body"},
    "no response in time, once": {"fault": "delay", "delayMs": 60000},
    "no response in time, always": {"fault": "delay", "delayMs": 60000, "count": 0},
    "slow response, once": {"fault": "slow-body"},
    "slow response, always": {"fault": "slow-body", "count": 0},
    "response of 80 MiB": {"fault": "huge-body"},
    "concurrent write by another client": {"fault": "concurrent-write", "key": "other"},
}


def read_table():
    """Returns [(fault, request, cell)] of the document's table."""
    lines = [line.strip("|\n ").split("|") for line in TABLE.read_text().splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return [(row[0], request, cell) for row in rows for request, cell in zip(head[1:], row[1:])]


CELLS = read_table()


# A busy machine takes its time over 80 MiB; nothing waits there.
LONG = {"huge-body": ["--timeout=60s", "--request-timeout=60s"]}


def run(sim, fault):
    times = LONG.get(FAULTS[fault]["fault"], ["--timeout=6s", "--request-timeout=2s"])
    return subprocess.run(
        [str(servers.BIN_DIR / "nodeprep"), "apply", "-f", "-", "-o", "json", *times],
        input=dump(pool(NS, "w", "gpu")),
        capture_output=True,
        encoding="utf-8",
        env={"KUBECONFIG": sim.kubeconfig, "PATH": os.environ["PATH"]},
        timeout=120,
        check=False,
    )


def play(fault, request):
    """Runs apply against the fault and once more without it; returns what was seen."""
    method, path = REQUESTS[request]
    body = {
        "apiVersion": "vmoperator.vmware.com/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": NS},
        "spec": hardware(A100, A100),
    }
    # A first configSpec by another client would take the devices itself.
    if FAULTS[fault]["fault"] == "concurrent-write":
        body["spec"] = {**hardware(), "configSpec": config_spec(A100, A100)}
    with servers.SimServer() as sim:
        old = sim.must("POST", PATH, body)
        sim.faults([{"match": {"method": method, "path": path}, **FAULTS[fault]}])
        first = run(sim, fault)
        sim.faults([])
        between = sim.must("GET", f"{PATH}/gpu")
        second = run(sim, fault)
        after = sim.must("GET", f"{PATH}/gpu")
    return {"old": old, "first": first, "between": between, "second": second, "after": after}


@pytest.fixture(scope="module")
def played():
    """All cases, some at a time."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool_of_threads:
        jobs = {(f, r): pool_of_threads.submit(play, f, r) for f, r, cell in CELLS if cell != "-"}
        return {key: job.result() for key, job in jobs.items()}


def is_new(cls):
    keys = [pair for pair in keys_of(cls) if pair[0] != "other"]
    if sorted(keys) != [(SIZE, "512"), (USE64, "TRUE")]:
        return False
    pools = json.loads(cls["metadata"]["annotations"][MANAGED])["pools"]
    devices = cls["spec"]["configSpec"]["deviceChange"]
    return pools == {f"{NS}/w": {"holders": ["apply"], "mmioGB": 512}} and len(devices) == 2


def is_old(cls, old):
    kept = [[c["spec"].get("hardware"), c["metadata"].get("annotations")] for c in (cls, old)]
    config = cls["spec"].get("configSpec", {})
    return kept[0] == kept[1] and [e["key"] for e in config.get("extraConfig", [])] in ([], ["other"])


def test_table_is_whole():
    assert sorted({fault for fault, _, _ in CELLS}) == sorted(FAULTS)
    assert {request for _, request, _ in CELLS} == set(REQUESTS)
    # A fault has nothing to meet at a request only where it is about what is written.
    assert {fault for fault, _, cell in CELLS if cell == "-"} <= {"concurrent write by another client"}


@pytest.mark.parametrize(("fault", "request_name", "cell"), [c for c in CELLS if c[2] != "-"],
                         ids=[f"{f} at the {r}" for f, r, c in CELLS if c != "-"])
def test_fault_ends_as_the_table_says(played, fault, request_name, cell):
    seen = played[(fault, request_name)]
    first = seen["first"]
    status, _, says = cell.partition(" ")
    assert first.returncode == int(status), (first.returncode, first.stderr)
    told = json.loads(first.stdout)
    assert bool(told["errors"]) == (status != "0")
    if says:
        assert says in first.stderr
        assert any(says in error["message"] for error in told["errors"])
    # Whatever happened, the class is the old or the new one, and never something in between.
    assert is_new(seen["between"]) or is_old(seen["between"], seen["old"])
    if status == "0":
        assert is_new(seen["between"])
    assert seen["second"].returncode == 0, seen["second"].stderr
    assert is_new(seen["after"])
    expected = "unchanged" if is_new(seen["between"]) else "patched"
    assert json.loads(seen["second"].stdout)["classes"][0]["result"] == expected
