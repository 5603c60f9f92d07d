# SPDX-License-Identifier: Apache-2.0
"""The way back: the last pool that leaves puts everything back as it was."""

import contextlib
import json
import os
import pty

import pytest

import servers

from builders import (
    A100, MANAGED, SIZE, T4, USE64, config_spec, dump, hardware, ids_of, keys_of, option, plain, pool, pools_of,
    writes,
)
from fixtures import classes_path


def with_policies(spec, **resources):
    spec["policies"] = {"resources": resources}
    return spec


CLASSES = [
    ("devices under hardware alone", hardware(A100, A100)),
    ("a request that was too small", with_policies(hardware(A100), requests={"memory": "64Gi", "cpu": "4"})),
    ("limits without requests", with_policies(hardware(A100), limits={"memory": "512Gi"})),
    ("a T4", hardware(T4)),
    ("a vGPU", hardware(vgpus=["grid_a100-40c"])),
    ("a configSpec with nothing of ours", {**hardware(), "configSpec": config_spec(A100)}),
    (
        "keys in other spellings, apart and twice",
        {
            **hardware(),
            "configSpec": config_spec(
                A100,
                extra=[
                    option("PCIPASSTHRU.64BITMMIOSIZEGB", "64"),
                    option("a", "1"),
                    option(USE64.lower(), "true"),
                    option("b", "2"),
                    option(SIZE, "128"),
                    option(SIZE, "64"),
                ],
                firmware="bios",
                memoryReservationLockedToMax=False,
            ),
        },
    ),
    ("annotations of others", hardware(A100)),
]


@pytest.mark.parametrize("spec", [pytest.param(spec, id=name) for name, spec in CLASSES])
def test_revert_after_apply_leaves_the_same_bytes(server, ns, nodeprep, put_class, get_class, spec):
    put_class(ns, "gpu", spec, labels={"team": "ml"}, annotations={"note": "ours"})
    before = plain(get_class(ns, "gpu"))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert plain(get_class(ns, "gpu")) != before
    done = nodeprep("revert", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert plain(get_class(ns, "gpu")) == before
    server.mark()
    assert nodeprep("revert", "-f", "-", input=text).rc == 0
    assert not writes(server)


def test_class_holds_until_the_last_pool_leaves(ns, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    one, two = dump(pool(ns, "one", "gpu")), dump(pool(ns, "two", "gpu"))
    for text in (one, two):
        assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert nodeprep("revert", "-f", "-", input=one).rc == 0
    stored = get_class(ns, "gpu")
    assert (SIZE, "512") in keys_of(stored)
    assert list(json.loads(stored["metadata"]["annotations"][MANAGED])["pools"]) == [f"{ns}/two"]
    assert nodeprep("revert", "-f", "-", input=two).rc == 0
    assert plain(get_class(ns, "gpu")) == before


def test_labels_select_the_pools_that_are_released(ns, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    pools = [pool(ns, name, "gpu") for name in ("a", "b")]
    pools[0]["metadata"]["labels"] = {"team": "ml"}
    text = dump(*pools)
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("revert", "-f", "-", "-l", "team=web", input=text)
    assert done.rc == 3 and "the label selector leaves out 2 of 2" in done.err
    assert nodeprep("revert", "-f", "-", "-l", "team=ml", input=text).rc == 0
    record = json.loads(get_class(ns, "gpu")["metadata"]["annotations"]["nodeprep.dev/managed"])
    assert list(record["pools"]) == [f"{ns}/b"]
    assert nodeprep("revert", "-l", "team=ml").rc == 2


def test_what_others_changed_since_stays_and_is_told(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    extra = get_class(ns, "gpu")["spec"]["configSpec"]["extraConfig"] + [option("other", "x")]
    status, _, _ = server.request(
        "PATCH",
        classes_path(ns, "gpu"),
        {"spec": {"configSpec": {"firmware": "bios", "extraConfig": extra}}},
        content_type="application/merge-patch+json",
    )
    assert status == 200
    done = nodeprep("revert", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert "changed-since" in done.err and "firmware" in done.err
    assert "devices-kept" in done.err
    stored = get_class(ns, "gpu")
    assert stored["spec"]["configSpec"]["firmware"] == "bios"
    assert keys_of(stored) == [("other", "x")]
    assert ids_of(stored) == [(0x10DE, 0x20B0)]
    assert "policies" not in stored["spec"]
    assert MANAGED not in stored["metadata"].get("annotations", {})


def test_class_never_touched_and_class_that_is_gone_are_no_error(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    server.mark()
    done = nodeprep("revert", "-f", "-", input=dump(pool(ns, "a", "gpu"), pool(ns, "b", "gone")))
    assert done.rc == 0, done.err
    assert "gone not found" in done.err
    assert not writes(server)


POOLS = {"ml/none": {"mmioGB": 512, "holders": ["controller"]}}
KEYS = {USE64: "TRUE", SIZE: "512"}
FIRMWARE = "/spec/configSpec/firmware"
REQUEST = "/spec/policies/resources/requests/memory"

HOSTILE = [
    ("a path without a slash", {"pools": POOLS, "before": {"xkind": {"set": "VirtualMachineClass", "absent": ""}}}),
    ("the memory", {"pools": POOLS, "before": {"/spec/hardware/memory": {"set": "256Gi", "value": "1Gi"}}}),
    ("the cpus", {"pools": POOLS, "before": {"/spec/hardware/cpus": {"set": 8, "absent": "/spec/hardware/cpus"}}}),
    ("the devices", {"pools": POOLS, "before": {"/spec/hardware/devices": {"set": None, "absent": "/spec"}}}),
    ("metadata", {"pools": POOLS, "before": {"/metadata/labels/team": {"set": "ml", "value": "ops"}}}),
    ("the empty path", {"pools": POOLS, "before": {"": {"set": 1, "value": 2}}}),
    ("an absent above the spec", {"pools": POOLS, "before": {FIRMWARE: {"set": "efi", "absent": ""}}}),
    ("firmware of no kind", {"pools": POOLS, "before": {FIRMWARE: {"set": "efi", "value": "x"}}}),
    ("a request above the memory", {"pools": POOLS, "before": {REQUEST: {"set": "256Gi", "value": "2Ti"}}}),
    ("another extraConfig key", {"pools": POOLS, "before": {"/spec/configSpec/extraConfig": {
        "set": KEYS, "entries": [{"at": 0, "entry": option("guestinfo.x", "y")}]}}}),
    ("a need of 2^62", {"pools": {"ml/none": {"mmioGB": 2**62, "holders": ["x"]}}, "before": {}}),
    ("holders that are an object", {"pools": {"ml/none": {"mmioGB": 1, "holders": {}}}, "before": {}}),
    ("no before", {"pools": {}}),
]


@pytest.mark.parametrize("record", [pytest.param(record, id=name) for name, record in HOSTILE])
def test_invalid_record_writes_nothing_and_can_be_discarded(
    server, ns, nodeprep, put_class, get_class, record
):
    annotations = {MANAGED: json.dumps(record), "note": "ours"}
    put_class(ns, "gpu", hardware(A100), labels={"team": "ml"}, annotations=annotations)
    text = dump(pool(ns, "w", "gpu"))
    server.mark()
    for command in ("apply", "revert", "plan", "diff"):
        done = nodeprep(command, "-f", "-", input=text)
        assert done.rc == 3, done.err
        errors = [line for line in done.err.splitlines() if "error" in line]
        assert len(errors) == 1 and "--discard-record" in errors[0], done.err
    done = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert done.rc == 1, done.err
    (finding,) = [f for f in done.json["findings"] if f["code"] == "invalid-record"]
    assert (finding["severity"], finding["name"]) == ("error", "gpu")
    assert "--discard-record" in finding["action"]
    assert writes(server) == []
    before = get_class(ns, "gpu")
    dry = nodeprep("revert", "--discard-record", "--dry-run=client", "-f", "-", input=text)
    assert dry.rc == 0 and writes(server) == []
    done = nodeprep("revert", "--discard-record", "-f", "-", input=text)
    assert done.rc == 0 and "record-discarded" in done.err, done.err
    after = get_class(ns, "gpu")
    assert after["spec"] == before["spec"] and after["metadata"]["annotations"] == {"note": "ours"}
    assert after["metadata"]["labels"] == {"team": "ml"}
    server.mark()
    assert nodeprep("revert", "--discard-record", "-f", "-", input=text).rc == 0
    assert writes(server) == []
    assert nodeprep("apply", "-f", "-", input=text).rc == 0


def test_valid_record_can_be_discarded_too(server, ns, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    before = get_class(ns, "gpu")
    assert nodeprep("revert", "--discard-record", "-f", "-", input=text).rc == 0
    after = get_class(ns, "gpu")
    assert after["spec"] == before["spec"] and "annotations" not in after["metadata"]


@pytest.mark.parametrize("command", ["apply", "plan", "check"])
def test_discard_record_is_of_revert_alone(nodeprep, command):
    done = nodeprep(command, "--discard-record", "-f", "-", input="")
    assert done.rc == 2 and "--discard-record" in done.err


# --- registrations of other holders ----------------------------------------------------------------


def held_class(server, ns, nodeprep, put_class, get_class, *holders):
    """Applies a pool, and puts further holders and another cluster's pool into its record."""
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    record = json.loads(get_class(ns, "gpu")["metadata"]["annotations"][MANAGED])
    record["pools"][f"{ns}/w"]["holders"] = sorted(["apply", *holders])
    record["pools"][f"c2/{ns}/other"] = {"mmioGB": 512, "holders": ["controller"]}
    patch = {"metadata": {"annotations": {MANAGED: json.dumps(record)}}}
    server.must("PATCH", classes_path(ns, "gpu"), patch)
    return before, text


def holders_of(cls):
    return {name: entry["holders"] for name, entry in pools_of(cls).items()}


def test_who_still_holds_a_class_is_reported(server, ns, nodeprep, put_class, get_class):
    _, text = held_class(server, ns, nodeprep, put_class, get_class, "controller")
    done = nodeprep("revert", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert "still-held" in done.err
    assert f"pool '{ns}/w' by 'controller'" in done.err
    assert f"pool 'c2/{ns}/other' by 'controller'" in done.err
    done = nodeprep("revert", "-o", "json", "-f", "-", input=text)
    (warning,) = [w for w in done.json["classes"][0]["warnings"] if w["code"] == "still-held"]
    assert "--all-holders" in warning["cure"]


def test_a_named_holder_is_released_of_the_pools_alone(server, ns, nodeprep, put_class, get_class):
    _, text = held_class(server, ns, nodeprep, put_class, get_class, "controller")
    done = nodeprep("revert", "--holder", "controller", "--yes", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert holders_of(get_class(ns, "gpu")) == {
        f"{ns}/w": ["apply"], f"c2/{ns}/other": ["controller"]
    }
    assert "by 'apply'" in done.err


def test_all_holders_give_the_class_its_original_values(server, ns, nodeprep, put_class, get_class):
    before, text = held_class(server, ns, nodeprep, put_class, get_class, "controller")
    server.mark()
    dry = nodeprep("revert", "--all-holders", "--dry-run=client", "-f", "-", input=text)
    assert dry.rc == 0 and "patched (" in dry.out and "(dry run)" in dry.out and not writes(server)
    done = nodeprep("revert", "--all-holders", "-y", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert "still-held" not in done.err
    assert plain(get_class(ns, "gpu")) == before


@pytest.mark.parametrize(
    "args, says",
    [
        (["--all-holders"], "--yes"),
        (["--holder=controller"], "--yes"),
        (["--holder=", "--yes"], "expected a name"),
        (["--holder=x", "--all-holders", "--yes"], "mutually exclusive"),
        (["--discard-record", "--all-holders", "--yes"], "mutually exclusive"),
    ],
)
def test_releasing_for_others_is_confirmed(server, ns, nodeprep, put_class, get_class, args, says):
    _, text = held_class(server, ns, nodeprep, put_class, get_class)
    server.mark()
    done = nodeprep("revert", *args, "-f", "-", input=text)
    assert done.rc == 2 and says in done.err
    assert not writes(server)


def on_terminal(server, folder, answer, *args):
    """Runs nodeprep on a terminal, types the answer, and returns exit status and output."""
    pid, terminal = pty.fork()
    if pid == 0:
        program = str(servers.BIN_DIR / "nodeprep")
        env = {"KUBECONFIG": server.kubeconfig, "HOME": str(folder), "PATH": "/usr/bin:/bin"}
        os.execve(program, [program, *args], env)
    output = b""
    with open(terminal, "r+b", buffering=0) as stream:
        while b"[y/N]" not in output:
            output += stream.read(4096)
        stream.write(answer)
        with contextlib.suppress(OSError):  # the terminal's end, on Linux
            while piece := stream.read(4096):
                output += piece
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), output.decode()


def test_a_terminal_is_asked(server, ns, nodeprep, put_class, get_class, tmp_path):
    before, text = held_class(server, ns, nodeprep, put_class, get_class, "controller")
    (tmp_path / "pools.yaml").write_text(text)
    args = ["revert", "--all-holders", "-f", str(tmp_path / "pools.yaml")]
    server.mark()
    for answer in (b"\n", b"n\n", b"maybe\n"):
        status, output = on_terminal(server, tmp_path, answer, *args)
        assert status == 0 and "cancelled: nothing was written" in output
        assert f"class {ns}/gpu: pool '{ns}/w', registered by 'controller'" in output
    assert not writes(server)
    status, output = on_terminal(server, tmp_path, b"y\n", *args)
    assert status == 0, output
    assert plain(get_class(ns, "gpu")) == before


def test_the_wide_output_knows_the_pools(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("revert", "--dry-run=client", "-o", "wide", "-f", "-", input=text)
    assert done.rc == 0, done.err
    assert "2 x A100-40GB" in done.out and "unknown" not in done.out


def test_the_first_values_come_back_after_drift(server, ns, nodeprep, put_class, get_class):
    """What stood before nodeprep's first write is restored, not what a drift left for a second."""
    spec = {**hardware(), "configSpec": config_spec(
        A100, extra=[option(SIZE, "128")], firmware="bios", memoryReservationLockedToMax=False)}
    put_class(ns, "gpu", spec)
    before = plain(get_class(ns, "gpu"))
    text = dump(pool(ns, "w", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    drift = {"firmware": "csm", "extraConfig": [option(SIZE, "256")]}
    server.must("PATCH", classes_path(ns, "gpu"), {"spec": {"configSpec": drift}})
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("revert", "-f", "-", input=text)
    assert done.rc == 0 and "changed-since" not in done.err, done.err
    assert plain(get_class(ns, "gpu")) == before


def patched_with_both(ns):
    """A class as nodeprep leaves it on a Supervisor without v1alpha6: both reservations, and their record."""
    set_by_us = {
        "/spec/configSpec/memoryReservationLockedToMax": {"value": False, "set": True},
        "/spec/policies/resources/requests/memory": {"value": "1Gi", "set": "256Gi"},
    }
    record = {"before": set_by_us, "pools": {f"{ns}/w": {"holders": ["apply"], "mmioGB": 512}}}
    spec = {**hardware(), "configSpec": config_spec(
        *[A100] * 4, extra=[option(USE64, "TRUE"), option(SIZE, "512")],
        firmware="efi", memoryReservationLockedToMax=True)}
    return reserved(spec, "256Gi"), {"annotations": {MANAGED: json.dumps(record)}}


def reserved(spec, memory):
    return {**spec, "policies": {"resources": {"requests": {"memory": memory}}}}


def test_both_reservations_of_an_older_supervisor_are_kept_and_restored(server, ns, nodeprep, put_class, get_class):
    spec, metadata = patched_with_both(ns)
    put_class(ns, "gpu", spec, **metadata)
    text = dump(pool(ns, "w", "gpu"))
    server.mark()
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert not writes(server)
    assert nodeprep("check", "-f", "-", input=text).rc == 0
    server.must("PATCH", classes_path(ns, "gpu"), {"spec": {"policies": None}})
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert get_class(ns, "gpu")["spec"]["policies"]["resources"]["requests"]["memory"] == "256Gi"
    assert nodeprep("revert", "-f", "-", input=text).rc == 0
    stored = get_class(ns, "gpu")["spec"]
    assert stored["configSpec"]["memoryReservationLockedToMax"] is False
    assert stored["policies"]["resources"]["requests"]["memory"] == "1Gi"


def test_a_lock_that_is_taken_away_is_no_drift(server, ns, nodeprep, put_class, get_class):
    """The way out that docs/operators.md names: the request stays alone."""
    spec, metadata = patched_with_both(ns)
    put_class(ns, "gpu", spec, **metadata)
    text = dump(pool(ns, "w", "gpu"))
    server.must("PATCH", classes_path(ns, "gpu"), {"spec": {"configSpec": {"memoryReservationLockedToMax": None}}})
    server.mark()
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    assert not writes(server)
    done = nodeprep("check", "-f", "-", input=text)
    assert done.rc == 0 and "overwritten" not in done.out + done.err
    assert nodeprep("revert", "-f", "-", input=text).rc == 0
    assert "memoryReservationLockedToMax" not in get_class(ns, "gpu")["spec"]["configSpec"]


def test_the_owners_lock_suffices(ns, nodeprep, put_class, get_class):
    spec = {**hardware(), "configSpec": config_spec(*[A100] * 4, memoryReservationLockedToMax=True)}
    put_class(ns, "gpu", spec)
    done = nodeprep("apply", "-f", "-", "-o", "json", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    assert done.json["classes"][0]["memoryReservation"] == "256Gi"
    stored = get_class(ns, "gpu")["spec"]
    assert stored["configSpec"]["memoryReservationLockedToMax"] is True
    assert "policies" not in stored
