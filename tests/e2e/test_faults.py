# SPDX-License-Identifier: Apache-2.0
"""What goes wrong on the way: the class is the old or the new one, the exit status is right, and a
second run completes. The faults are the embedded Supervisor's, whichever server the others use."""

import json
import os
import subprocess

import pytest

import servers
from builders import A100, MANAGED, SIZE, USE64, config_spec, dump, hardware, keys_of, option, pool

NS = "ml"
PATH = "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
ITEM = "*/virtualmachineclasses/*"


@pytest.fixture(scope="module")
def sim():
    with servers.SimServer() as running:
        yield running


@pytest.fixture
def gpu(sim):
    """A class of the embedded Supervisor that needs changing; gone after the test."""
    sim.faults([])
    body = {
        "apiVersion": "vmoperator.vmware.com/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": NS},
        "spec": hardware(A100, A100),
    }
    sim.must("POST", PATH, body)
    sim.mark()
    yield lambda: sim.must("GET", f"{PATH}/gpu")
    sim.faults([])
    sim.must("DELETE", f"{PATH}/gpu")


def run(sim, *args, kubeconfig=None, timeout="20s"):
    """Runs apply of one pool of that class."""
    done = subprocess.run(
        [str(servers.BIN_DIR / "nodeprep"), "apply", "-f", "-", "-o", "json", f"--timeout={timeout}", *args],
        input=dump(pool(NS, "w", "gpu")),
        capture_output=True,
        encoding="utf-8",
        env={"KUBECONFIG": kubeconfig or sim.kubeconfig, "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    return done


def is_right(cls):
    return sorted(keys_of(cls)) == [(SIZE, "512"), (USE64, "TRUE")]


def fault(method, kind, **members):
    path = members.pop("path", ITEM)
    return {"match": {"method": method, "path": path}, "fault": kind, **members}


PASSING = [
    ("429 with Retry-After on the read", [fault("GET", "status", status=429, retryAfter="1")]),
    ("503 with Retry-After on the write", [fault("PATCH", "status", status=503, retryAfter="1")]),
    ("500 twice on the read", [fault("GET", "status", status=500, count=2)]),
    ("500 on the write", [fault("PATCH", "status", status=500)]),
    ("the read's connection cut", [fault("GET", "cut")]),
    ("the write's connection cut before it took effect", [fault("PATCH", "cut")]),
    ("the write's connection cut after it took effect", [fault("PATCH", "cut", effect=True)]),
    ("the read's body cut", [fault("GET", "cut-body")]),
    ("a slow answer", [fault("GET", "delay", delayMs=300), fault("PATCH", "delay", delayMs=300)]),
    ("a conflict on the write", [fault("PATCH", "status", status=409)]),
    ("three conflicts on the write", [fault("PATCH", "status", status=409, count=3)]),
    ("discovery answers 503", [fault("GET", "status", status=503, path="/apis/vmoperator.vmware.com")]),
]


@pytest.mark.parametrize("faults", [pytest.param(faults, id=name) for name, faults in PASSING])
def test_fault_that_passes_is_overcome(sim, gpu, faults):
    sim.faults(faults)
    done = run(sim)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"][0]["result"] == "patched"
    assert is_right(gpu())
    assert json.loads(gpu()["metadata"]["annotations"][MANAGED])["pools"] == {
        f"{NS}/w": {"holders": ["apply"], "mmioGB": 512}
    }


LASTING = [
    ("the read never answers in time", [fault("GET", "delay", delayMs=60000, count=0)], 6),
    ("the write never answers in time", [fault("PATCH", "delay", delayMs=60000, count=0)], 6),
    ("503 for ever on the read", [fault("GET", "status", status=503, count=0)], 6),
    ("503 for ever on the write", [fault("PATCH", "status", status=503, count=0)], 6),
    ("a Retry-After beyond the deadline", [fault("PATCH", "status", status=429, retryAfter="600", count=0)], 6),
    ("conflicts for ever", [fault("PATCH", "status", status=409, count=0)], 6),
    ("connections cut for ever", [fault("PATCH", "cut", count=0)], 6),
    ("a huge body", [fault("GET", "huge-body", count=0)], 5),
    ("a body that drips", [fault("GET", "slow-body", count=0)], 6),
    ("the write is refused", [fault("PATCH", "status", status=422, count=0)], 5),
    ("the write is forbidden", [fault("PATCH", "status", status=403, count=0)], 5),
    ("the token is refused", [fault("GET", "status", status=401, count=0)], 5),
]


@pytest.mark.parametrize(
    ("faults", "status"), [pytest.param(faults, status, id=name) for name, faults, status in LASTING]
)
def test_fault_that_lasts_leaves_the_old_class_and_a_second_run_completes(sim, gpu, faults, status):
    old = gpu()
    sim.faults(faults)
    done = run(sim, timeout="3s")
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stderr.count("error: ") >= 1
    assert json.loads(done.stdout)["errors"]
    sim.faults([])
    # An answer that comes too late says nothing of whether the write took effect.
    assert gpu() == old or is_right(gpu())
    assert run(sim).returncode == 0
    assert is_right(gpu())


def test_write_by_somebody_else_between_read_and_patch_is_kept(sim, gpu):
    body = {"spec": {"configSpec": config_spec(A100, A100)}}
    sim.must("PATCH", f"{PATH}/gpu", body, content_type="application/merge-patch+json")
    sim.faults([fault("PATCH", "concurrent-write", count=1, key=f"other.{n}") for n in (1, 2)])
    done = run(sim)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["classes"][0]
    assert told["attempts"] == 3
    stored = gpu()
    # The report is about the patch that landed, not the first one.
    assert told["patch"]["spec"]["configSpec"]["extraConfig"] == stored["spec"]["configSpec"]["extraConfig"]
    foreign = [key for key, _ in keys_of(stored) if not key.startswith("pciPassthru.")]
    assert foreign == ["other.1", "other.2"]
    assert (SIZE, "512") in keys_of(stored)
    assert len(stored["spec"]["configSpec"]["deviceChange"]) == 2


def test_null_inside_a_list_that_is_rewritten_is_refused(sim):
    spec = hardware()
    spec["configSpec"] = config_spec(A100, extra=[{**option("a", "b"), "note": None}])
    sim.must("POST", PATH, {"apiVersion": "vmoperator.vmware.com/v1alpha6",
                            "kind": "VirtualMachineClass",
                            "metadata": {"name": "gpu", "namespace": NS}, "spec": spec})
    sim.mark()
    try:
        done = run(sim)
        assert done.returncode == 5
        assert "spec.configSpec.extraConfig[0].note is null" in done.stderr
        assert "patch" not in [r["verb"] for r in sim.requests()]
    finally:
        sim.must("DELETE", f"{PATH}/gpu")


def test_token_is_never_printed(sim, gpu, tmp_path):
    """Not at any verbosity, and not where the server's message echoes it."""
    for faults in ([], [fault("GET", "status", status=403, count=0, message=f"no, {sim.token}")]):
        sim.faults(faults)
        for verbosity in ("-v=0", "-v=10"):
            done = run(sim, verbosity, "--log-format=json")
            assert sim.token not in done.stdout + done.stderr
    sim.faults([])
    done = run(sim, "--token", "not-the-token-of-anybody")
    assert done.returncode == 5
    assert "not-the-token-of-anybody" not in done.stderr


def test_wrong_ca_is_exit_5_and_says_so(sim, gpu, tmp_path):
    key, cert = tmp_path / "k", tmp_path / "c"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=another", "-days", "1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )
    done = run(sim, "--certificate-authority", str(cert))
    assert done.returncode == 5
    assert "certificate" in done.stderr
    done = run(sim, "--tls-server-name", "supervisor.example")
    assert done.returncode == 5, done.stderr
    assert "supervisor.example" in done.stderr


def test_unreachable_server_is_exit_6(sim):
    done = run(sim, "--server", "https://127.0.0.1:1", timeout="5s")
    assert done.returncode == 6
    assert "connection refused" in done.stderr.lower()
