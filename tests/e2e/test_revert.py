# SPDX-License-Identifier: Apache-2.0
"""The way back: the last pool that leaves puts everything back as it was."""

import json

import pytest

from builders import (
    A100, MANAGED, SIZE, T4, USE64, config_spec, dump, hardware, ids_of, keys_of, option, plain, pool,
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
