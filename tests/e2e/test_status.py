# SPDX-License-Identifier: Apache-2.0
"""nodeprep status lists the managed classes."""

import json
import os
import signal
import subprocess

import servers
from builders import A100, T4, dump, hardware, pool
from fixtures import PATH, classes_path

MERGE = "application/merge-patch+json"


def test_classes_with_their_registrations(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100, A100))
    put_class(ns, "other", hardware(A100))
    text = dump(pool(ns, "a", "gpu"), pool(ns, "b", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    done = nodeprep("status", "-n", ns, "-o", "json")
    assert (done.rc, done.err, done.json["kind"]) == (0, "", "ClassStatusList")
    [item] = done.json["items"]
    assert item["pools"] == [
        {"pool": f"{ns}/{name}", "mmioGB": 512, "holders": ["apply"]} for name in ("a", "b")]
    assert {key: item[key] for key in ("namespace", "name", "mmioGB", "drift", "error")} == {
        "namespace": ns, "name": "gpu", "mmioGB": 512, "drift": [], "error": None}
    assert item["lastWriter"]["managers"] == ["nodeprep"] and item["lastWriter"]["time"]
    head, row = nodeprep("status", "-n", ns).out.splitlines()
    assert head.split() == ["NAMESPACE", "CLASS", "WINDOW", "POOLS", "DRIFT", "LAST", "WRITER", "WRITTEN"]
    assert row.split()[:6] == [ns, "gpu", "512", "GB", f"{ns}/a,{ns}/b", "none"]
    heads, *rows = nodeprep("status", "-n", ns, "-o", "wide").out.splitlines()
    assert " POOL WINDOW " in heads and "NEEDS" not in heads
    assert [line.split()[:9] for line in rows] == [
        [ns, "gpu", f"{ns}/{name}", "512", "GB", "apply", "512", "GB", "none"] for name in ("a", "b")]


def test_drift_and_its_writer(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "a", "gpu"))).rc == 0
    server.must("PATCH", classes_path(ns, "gpu") + "?fieldManager=intruder",
                {"spec": {"configSpec": {"firmware": "bios"}}}, content_type=MERGE)
    [item] = nodeprep("status", "-n", ns, "-o", "json").json["items"]
    assert [(d["path"], d["writer"]) for d in item["drift"]] == [("/spec/configSpec/firmware", "intruder")]
    assert " 1 field " in nodeprep("status", "-n", ns).out


def test_invalid_record(ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(T4), annotations={"nodeprep.dev/managed": "nonsense"})
    [item] = nodeprep("status", "-n", ns, "-o", "json").json["items"]
    assert item["error"]["code"] == "invalid-record" and item["pools"] == []
    assert "invalid" in nodeprep("status", "-n", ns).out


def test_all_namespaces(server, ns, nodeprep, namespace_names, put_class):
    other = next(namespace_names)
    server.create_namespace(other)
    for where in (ns, other):
        put_class(where, "gpu", hardware(A100))
    text = dump(pool(ns, "a", "gpu"), pool(other, "a", "gpu"))
    assert nodeprep("apply", "-f", "-", input=text).rc == 0
    found = {i["namespace"] for i in nodeprep("status", "-A", "-o", "json").json["items"]}
    assert {ns, other} <= found
    server.must("DELETE", classes_path(other, "gpu"))
    done = nodeprep("status", "-A", "-n", ns)
    assert done.rc == 2 and "mutually exclusive" in done.err


def test_labels_select_classes(server, ns, nodeprep, put_class):
    for name, team in (("gpu-a", "ml"), ("gpu-b", "web")):
        put_class(ns, name, hardware(A100))
        server.must("PATCH", classes_path(ns, name), {"metadata": {"labels": {"team": team}}}, content_type=MERGE)
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "a", "gpu-a"), pool(ns, "b", "gpu-b"))).rc == 0
    for args, names in ((["-l", "team=ml"], ["gpu-a"]), (["--selector", "team in (ml,web)"], ["gpu-a", "gpu-b"]),
                        (["-l", "!team"], []), (["-A", "-l", "team!=ml,team"], ["gpu-b"])):
        where = [] if "-A" in args else ["-n", ns]
        done = nodeprep("status", *where, *args, "-o", "json")
        assert done.rc == 0 and [i["name"] for i in done.json["items"] if i["namespace"] == ns] == names
    done = nodeprep("status", "-n", ns, "-l", "team=(")
    assert done.rc == 2 and done.err.startswith("error: -l: ")


def test_no_managed_class(ns, nodeprep):
    done = nodeprep("status", "-n", ns)
    assert (done.rc, done.out.count("\n"), done.err) == (0, 1, f"info: no managed class found in namespace '{ns}'\n")
    done = nodeprep("status", "-n", ns, "-o", "json")
    assert (done.err, done.json["items"]) == ("", [])


def test_namespace_that_is_not_there(nodeprep):
    with servers.SimServer(args=["--namespace", "here"]) as sim:
        done = nodeprep("status", "-n", "there", env={"KUBECONFIG": sim.kubeconfig})
    assert (done.rc, done.err) == (0, "info: namespace 'there' does not exist\n")


def test_watch_prints_what_changes(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    env = {"PATH": PATH, "KUBECONFIG": server.kubeconfig}
    argv = [servers.BIN_DIR / "nodeprep", "status", "-n", ns, "--watch", "-o", "json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        try:
            assert read_json(process)["items"] == []
            assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "a", "gpu"))).rc == 0
            assert [i["name"] for i in read_json(process)["items"]] == ["gpu"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def read_json(process):
    """Reads one document, whose last line is a brace alone."""
    text = b""
    while not text.endswith(b"\n}\n"):
        some = os.read(process.stdout.fileno(), 1)
        assert some, text
        text += some
    return json.loads(text)
