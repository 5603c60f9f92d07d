# SPDX-License-Identifier: Apache-2.0
"""nodeprep as a CNI plugin, called as a runtime calls it."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time

import pytest

import servers
from builders import (
    A100, MANAGED, SIZE, T4, USE64, config_spec, hardware, keys_of, option, plain, pool, pools_of,
    writes,
)
from fixtures import PATH

VERSIONS = ["0.4.0", "1.0.0", "1.1.0"]
PLAN = "nodeprep.dev/plan"
HOST = socket.gethostname()


@pytest.fixture
def cni(server, tmp_path):
    """cni(command, config, container="c1", ifname="eth0", **more) calls the plugin; Result.json is its answer.

    A config that is no mapping is sent as it is. stdout holds one JSON value or nothing.
    """

    def call(command, config, container="c1", ifname="eth0", env=None, timeout=90, check_out=True):
        given = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": ifname,
            "CNI_NETNS": "/var/run/netns/none",
            "CNI_PATH": "/opt/cni/bin",
            "KUBECONFIG": server.kubeconfig,
            "PATH": PATH,
            **(env or {}),
        }
        text = config if isinstance(config, (str, bytes)) else json.dumps(config)
        done = subprocess.run(
            [str(servers.BIN_DIR / "nodeprep")],
            input=text.encode() if isinstance(text, str) else text,
            capture_output=True,
            env={name: value for name, value in given.items() if value is not None},
            cwd=tmp_path,
            timeout=timeout,
            check=False,
        )
        result = Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
        if check_out:
            result.check()
        return result

    return call


class Answer:
    def __init__(self, rc, out, err):
        self.rc, self.out, self.err = rc, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def check(self):
        """stdout is empty, a result, or an error object of the specification's fields."""
        if self.rc == 0:
            assert self.out == "" or isinstance(self.json, dict)
            return
        assert self.rc == 1, (self.rc, self.out, self.err)
        assert set(self.json) == {"cniVersion", "code", "msg", "details"}, self.out
        assert self.json["cniVersion"] in VERSIONS
        assert isinstance(self.json["code"], int) and self.json["code"] > 0
        assert isinstance(self.json["msg"], str) and self.json["msg"]
        assert isinstance(self.json["details"], str)


def network(*pools, version="1.1.0", name="gpu", instance="host-1", **more):
    config = {"cniVersion": version, "name": name, "type": "nodeprep", "instance": instance}
    if pools:
        config["nodePool"] = pools[0] if len(pools) == 1 else list(pools)
    config.update(more)
    return {key: value for key, value in config.items() if value is not None}


def holders_of(cls):
    return {name: entry["holders"] for name, entry in pools_of(cls).items()}


def expect_error(answer, code, *words):
    assert answer.rc == 1, (answer.rc, answer.out, answer.err)
    assert answer.json["code"] == code, answer.out
    for word in words:
        assert word in answer.json["msg"] + answer.json["details"], answer.out
    assert answer.json["msg"] in answer.err


# --- ADD and DEL ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_add_patches_and_del_puts_back_the_same_bytes(server, ns, cni, put_class, get_class, version):
    put_class(ns, "gpu", hardware(A100, A100), labels={"team": "ml"}, annotations={"note": "ours"})
    before = plain(get_class(ns, "gpu"))
    config = network(pool(ns, "w", "gpu"), version=version)
    done = cni("ADD", config)
    assert done.rc == 0, (done.out, done.err)
    assert done.json["cniVersion"] == version
    assert done.json["interfaces"] == done.json["ips"] == done.json["routes"] == []
    assert done.json["dns"] == {}
    assert done.json[PLAN]["classes"][0]["result"] == "patched"
    assert done.json[PLAN]["pools"][0]["mmioGB"] == 512
    stored = get_class(ns, "gpu")
    assert (SIZE, "512") in keys_of(stored)
    assert pools_of(stored) == {f"{ns}/w": {"holders": ["cni/gpu/host-1/c1/eth0"], "mmioGB": 512}}
    server.mark()
    again = cni("ADD", config)
    assert again.rc == 0 and again.json[PLAN]["classes"][0]["result"] == "unchanged"
    assert cni("CHECK", config).out == ""
    assert not writes(server)
    gone = cni("DEL", config)
    assert (gone.rc, gone.out) == (0, ""), (gone.out, gone.err)
    assert plain(get_class(ns, "gpu")) == before
    server.mark()
    assert cni("DEL", config).rc == 0
    assert not writes(server)


def test_pool_leaves_with_its_last_holder(ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config, container="c1").rc == 0
    assert cni("ADD", config, container="c2").rc == 0
    assert cni("ADD", config, container="c2", ifname="eth1").rc == 0
    assert cni("DEL", config, container="c2").rc == 0
    assert holders_of(get_class(ns, "gpu")) == {
        f"{ns}/w": ["cni/gpu/host-1/c1/eth0", "cni/gpu/host-1/c2/eth1"]
    }
    assert cni("DEL", config, container="c1").rc == 0
    assert cni("DEL", config, container="c2", ifname="eth1").rc == 0
    assert plain(get_class(ns, "gpu")) == before


HOLDERS = [
    ("neither id", None, None, "cni/gpu/host-1"),
    ("empty ids", "", "", "cni/gpu/host-1"),
    ("a container alone", "c1", None, "cni/gpu/host-1/c1"),
    ("an interface alone", None, "eth0", "cni/gpu/host-1//eth0"),
    ("both", "c1", "eth0", "cni/gpu/host-1/c1/eth0"),
]


@pytest.mark.parametrize(
    ("container", "ifname", "holder"), [pytest.param(*row[1:], id=row[0]) for row in HOLDERS]
)
def test_holder_is_named_by_what_the_runtime_gives(ns, cni, put_class, get_class, container, ifname, holder):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config, container=container, ifname=ifname, env={"CNI_NETNS": None}).rc == 0
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/w": [holder]}
    assert cni("DEL", config, container="other", ifname="eth0").rc == 0
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/w": [holder]}
    assert cni("DEL", config, container=container, ifname=ifname).rc == 0
    assert plain(get_class(ns, "gpu")) == before


def test_instance_is_the_host_where_none_is_said(ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    assert cni("ADD", network(pool(ns, "w", "gpu"), instance=None)).rc == 0
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/w": [f"cni/gpu/{HOST}/c1/eth0"]}


def test_del_knows_by_the_classes_what_add_did(ns, cni, put_class, get_class, tmp_path):
    """The pools of the configuration have changed, cannot be read, or are not there any more."""
    for name in ("one", "two", "three"):
        put_class(ns, name, hardware(A100))
    before = [plain(get_class(ns, name)) for name in ("one", "two", "three")]
    here = {"supervisor": {"namespace": ns}}
    added = network(pool(ns, "a", "one"), pool(ns, "b", "two"), **here)
    for config in (
        network(pool(ns, "z", "three"), **here),
        network(pool(ns, "a", "gone"), **here),
        network(**here),
        network(specFile=str(tmp_path / "gone.yaml"), **here),
        network({"kind": "NodePool"}, **here),
    ):
        assert cni("ADD", added).rc == 0
        assert holders_of(get_class(ns, "two")) != {}
        done = cni("DEL", config)
        assert (done.rc, done.out) == (0, ""), (config, done.out, done.err)
        assert [plain(get_class(ns, name)) for name in ("one", "two", "three")] == before, config


def test_del_looks_beyond_the_namespaces_of_the_pools(ns, cni, put_class, get_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    for config in (
        # The pools are in another namespace now: the connection's is looked at too.
        network(pool("elsewhere", "w", "gpu"), supervisor={"namespace": ns}),
        # They cannot be read: every namespace is.
        network(specFile=str(tmp_path / "gone.yaml"), supervisor={"namespace": "elsewhere"}),
        network(supervisor={"namespace": "elsewhere"}),
    ):
        assert cni("ADD", network(pool(ns, "w", "gpu"))).rc == 0
        assert cni("DEL", config).rc == 0
        assert plain(get_class(ns, "gpu")) == before, config


def test_class_that_is_gone_is_no_error_for_del(server, ns, cni, put_class):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config).rc == 0
    server.must("DELETE", f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{ns}/virtualmachineclasses/gpu")
    assert cni("DEL", config).rc == 0


def test_del_leaves_what_others_changed(server, ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config).rc == 0
    path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{ns}/virtualmachineclasses/gpu"
    server.must("PATCH", path, {"spec": {"configSpec": {"firmware": "bios"}}})
    done = cni("DEL", config)
    assert done.rc == 0 and "changed-since" in done.err
    assert get_class(ns, "gpu")["spec"]["configSpec"]["firmware"] == "bios"
    assert pools_of(get_class(ns, "gpu")) == {}


def test_invalid_record_of_another_class_is_a_warning(ns, cni, put_class, get_class):
    put_class(ns, "odd", hardware(A100), annotations={MANAGED: "{"})
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config).rc == 0
    done = cni("DEL", config)
    assert done.rc == 0 and "invalid-record" in done.err and f"{ns}/odd" in done.err
    assert plain(get_class(ns, "gpu")) == before


@pytest.mark.parametrize("command", ["ADD", "CHECK", "DEL"])
def test_invalid_record_of_its_own_class_is_one_error(server, ns, cni, put_class, get_class, command):
    record = {"pools": {"ml/none": {"mmioGB": 512, "holders": ["controller"]}},
              "before": {"xkind": {"set": "VirtualMachineClass", "absent": ""}}}
    put_class(ns, "gpu", hardware(A100), annotations={MANAGED: json.dumps(record)})
    server.mark()
    done = cni(command, network(pool(ns, "w", "gpu")))
    assert done.rc == 1 and done.json["code"] == 104, done.err
    assert "before.'xkind'" in done.json["msg"] and "--discard-record" in done.json["msg"]
    assert [r for r in server.requests() if r["verb"] == "patch"] == []


def test_other_holders_keep_the_class(ns, cni, nodeprep, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    one = pool(ns, "w", "gpu")
    assert nodeprep("apply", "-f", "-", input=json.dumps(one)).rc == 0
    assert cni("ADD", network(one)).rc == 0
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/w": ["apply", "cni/gpu/host-1/c1/eth0"]}
    assert cni("DEL", network(one)).rc == 0
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/w": ["apply"]}


def test_pools_come_from_a_file_or_a_list(ns, cni, put_class, get_class, tmp_path):
    put_class(ns, "gpu", hardware(A100, A100))
    put_class(ns, "t4", hardware(T4))
    spec = tmp_path / "pools.yaml"
    spec.write_text(json.dumps(pool(ns, "a", "gpu")) + "\n---\n" + json.dumps(pool(ns, "b", "t4")))
    done = cni("ADD", network(specFile=str(spec)))
    assert [row["name"] for row in done.json[PLAN]["pools"]] == ["a", "b"]
    done = cni("ADD", network(pool(ns, "a", "gpu"), pool(ns, "b", "t4")), container="c2")
    assert [row["name"] for row in done.json[PLAN]["pools"]] == ["a", "b"]
    cluster = {
        "apiVersion": "run.tanzu.vmware.com/v1alpha3",
        "kind": "TanzuKubernetesCluster",
        "metadata": {"name": "tkc", "namespace": ns},
        "spec": {"topology": {"nodePools": [{"name": "np", "vmClass": "gpu", "replicas": 1}]}},
    }
    done = cni("ADD", network(cluster), container="c3")
    assert done.rc == 0, done.out
    assert holders_of(get_class(ns, "gpu"))[f"{ns}/tkc/np"] == ["cni/gpu/host-1/c3/eth0"]


def test_pool_without_namespace_is_in_the_connections(server, ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    one = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "metadata": {"name": "w"}, "spec": {"vmClass": "gpu"}}
    assert cni("ADD", network(one, supervisor={"namespace": ns})).rc == 0
    assert list(pools_of(get_class(ns, "gpu"))) == [f"{ns}/w"]
    other = pool(ns, "x", "gpu")
    assert cni("ADD", network(other, supervisor={"namespace": "elsewhere"})).rc == 0


def test_many_attachments_at_once(server, ns, put_class, get_class):
    """tests/real/cni does this with 64; here a few show that no two undo each other."""
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))

    def call(command, number):
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": f"c{number}", "CNI_IFNAME": "eth0"}
        env |= {"KUBECONFIG": server.kubeconfig, "PATH": PATH}
        process = subprocess.Popen(
            [str(servers.BIN_DIR / "nodeprep")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )
        process.stdin.write(json.dumps(network(pool(ns, f"p{number % 4}", "gpu"))).encode())
        process.stdin.close()
        return process

    def together(calls):
        for process in calls:
            with process:
                out = process.stdout.read()
                assert process.wait(120) == 0, out

    together([call("ADD", number) for number in range(16)])
    assert {name: len(found) for name, found in holders_of(get_class(ns, "gpu")).items()} == {
        f"{ns}/p{number}": 4 for number in range(4)
    }
    together([call("DEL", number) for number in range(16) if number != 5])
    assert holders_of(get_class(ns, "gpu")) == {f"{ns}/p1": ["cni/gpu/host-1/c5/eth0"]}
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu"))
    together([call("DEL", 5)])
    assert plain(get_class(ns, "gpu")) == before


# --- results --------------------------------------------------------------------------------------

PREV = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "eth0", "sandbox": "/x", "vendor.example/extra": [1, 2.5, None, "ü"]}],
    "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 0}, {"address": "fd00::2/64"}],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {"nameservers": ["10.0.0.1"]},
    "zzz": {"b": 1, "a": 9007199254740993},
}


def test_prev_result_is_passed_on_unchanged(ns, cni, put_class):
    put_class(ns, "gpu", hardware(A100))
    done = cni("ADD", network(pool(ns, "w", "gpu"), version="1.0.0", prevResult=PREV))
    assert done.rc == 0, done.out
    got = done.json
    assert list(got)[-1] == PLAN
    got.pop(PLAN)
    assert json.dumps(got) == json.dumps(PREV)


def test_prev_result_of_another_version_becomes_ours(ns, cni, put_class):
    put_class(ns, "gpu", hardware(A100))
    one = pool(ns, "w", "gpu")
    old = cni("ADD", network(one, version="0.4.0", prevResult=PREV)).json
    assert old["cniVersion"] == "0.4.0"
    assert [ip["version"] for ip in old["ips"]] == ["4", "6"]
    old.pop(PLAN)
    new = cni("ADD", network(one, version="1.1.0", prevResult=old)).json
    assert new["cniVersion"] == "1.1.0" and new["ips"] == PREV["ips"]
    expect_error(cni("ADD", network(one, prevResult={"cniVersion": "0.2.0"})), 1, "prevResult", "0.2.0")
    expect_error(cni("ADD", network(one, prevResult=[])), 7)
    assert cni("ADD", network(one, prevResult={})).json["cniVersion"] == "1.1.0"


def test_plan_goes_to_its_file_whole(ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    target = tmp_path / "plan.json"
    target.write_text("old")
    config = network(pool(ns, "w", "gpu"), planFile=str(target))
    done = cni("ADD", config)
    assert done.rc == 0, done.out
    assert json.loads(target.read_text()) == done.json[PLAN]
    assert target.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json"]
    expect_error(cni("ADD", {**config, "planFile": str(tmp_path / "no" / "plan.json")}), 5, "planFile")


def test_dry_run_writes_nothing(server, ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"), dryRun=True)
    server.mark()
    done = cni("ADD", config)
    assert done.rc == 0 and done.json[PLAN]["dryRun"] == "client"
    assert done.json[PLAN]["classes"][0]["changed"] is True
    assert not writes(server)
    assert cni("ADD", {**config, "dryRun": False}).rc == 0
    server.mark()
    assert cni("DEL", config).rc == 0
    assert not writes(server) and pools_of(get_class(ns, "gpu")) != {}


def test_log_goes_to_its_file(ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    log = tmp_path / "log"
    config = network(pool(ns, "w", "gpu"), logFile=str(log))
    args = {"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=kube;K8S_POD_NAME=boot-0;broken"}
    done = cni("ADD", config, env=args)
    assert done.rc == 0 and done.err == ""
    lines = log.read_text().splitlines()
    assert lines and all("ADD cni/gpu/host-1/c1/eth0 pod kube/boot-0: " in line for line in lines)
    assert any("patched" in line for line in lines)
    answer = cni("ADD", {**config, "nodePool": pool(ns, "w", "none")}, env=args)
    assert answer.json["code"] == 100 and answer.err == ""
    assert answer.json["msg"] in log.read_text()
    expect_error(cni("ADD", {**config, "logFile": str(tmp_path / "no" / "log")}), 5, "logFile")


# --- CHECK ----------------------------------------------------------------------------------------


def test_drift_is_named(server, ns, cni, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"))
    expect_error(cni("CHECK", config), 101, f"{ns}/gpu", SIZE)
    assert cni("ADD", config).rc == 0
    path = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{ns}/virtualmachineclasses/gpu"
    server.must("PATCH", path, {"spec": {"configSpec": {"firmware": "bios"}}})
    server.mark()
    expect_error(cni("CHECK", config), 101, "drift", f"{ns}/gpu", "/spec/configSpec/firmware", "bios", "efi", "overwritten by 'nodeprep-e2e'")
    assert not writes(server)
    server.must("PATCH", path, {"spec": {"configSpec": {"firmware": "efi", "extraConfig": []}}})
    expect_error(cni("CHECK", config), 101, SIZE, USE64)
    assert cni("ADD", config).rc == 0
    assert cni("CHECK", config).rc == 0
    expect_error(cni("CHECK", config, container="c9"), 101, MANAGED.replace("/", "~1"))
    expect_error(cni("CHECK", network(pool(ns, "w", "gone"))), 100, "gone")


# --- GC -------------------------------------------------------------------------------------------


def attachments(*pairs):
    return [{"containerID": container, "ifname": ifname} for container, ifname in pairs]


def gc(config, *pairs, key="cni.dev/valid-attachments"):
    return {**config, key: attachments(*pairs)}


def test_gc_drops_what_the_list_lacks_of_this_network_and_instance(server, ns, cni, put_class, get_class):
    for name in ("gpu", "other"):
        put_class(ns, name, hardware(A100))
    one, two = pool(ns, "w", "gpu"), pool(ns, "v", "other")
    here = {"supervisor": {"namespace": ns}}
    config = network(one, **here)
    for container, ifname in (("c1", "eth0"), ("c1", "eth1"), ("c2", "eth0"), ("c3", None), (None, None)):
        assert cni("ADD", config, container=container, ifname=ifname).rc == 0
    assert cni("ADD", network(one, name="gpu2", **here)).rc == 0
    assert cni("ADD", network(one, instance="host-2", **here)).rc == 0
    assert cni("ADD", network(one, instance="host-11", **here)).rc == 0
    assert cni("ADD", network(two, **here), container="c4").rc == 0
    everyone = set(holders_of(get_class(ns, "gpu"))[f"{ns}/w"])
    server.mark()
    assert cni("GC", config).rc == 0
    assert cni("GC", {**config, "cni.dev/valid-attachments": None}).rc == 0
    assert not writes(server)
    done = cni("GC", gc(config, ("c1", "eth0"), ("c3", "eth7"), ("c4", "eth0")), container=None, ifname=None)
    assert (done.rc, done.out) == (0, ""), (done.out, done.err)
    kept = set(holders_of(get_class(ns, "gpu"))[f"{ns}/w"])
    assert everyone - kept == {"cni/gpu/host-1/c1/eth1", "cni/gpu/host-1/c2/eth0"}
    assert holders_of(get_class(ns, "other")) == {f"{ns}/v": ["cni/gpu/host-1/c4/eth0"]}
    before = get_class(ns, "other")["metadata"]["resourceVersion"]
    # The older spelling; a class that no pool of the configuration names; an empty list.
    assert cni("GC", gc(config, key="cni.dev/attachments")).rc == 0
    assert MANAGED not in get_class(ns, "other")["metadata"].get("annotations", {})
    assert get_class(ns, "other")["metadata"]["resourceVersion"] != before
    assert set(holders_of(get_class(ns, "gpu"))[f"{ns}/w"]) == {
        "cni/gpu/host-1", "cni/gpu/host-11/c1/eth0", "cni/gpu/host-2/c1/eth0", "cni/gpu2/host-1/c1/eth0",
    }
    # Both spellings: what either keeps is kept.
    assert cni("ADD", config).rc == 0
    both = {**gc(config), "cni.dev/attachments": attachments(("c1", "eth0"))}
    assert cni("GC", both).rc == 0
    assert "cni/gpu/host-1/c1/eth0" in holders_of(get_class(ns, "gpu"))[f"{ns}/w"]


@pytest.mark.parametrize("bad", ["text", {}, [1], [{"ifname": "eth0"}], [{"containerID": 5}], [None]])
def test_list_that_is_none_drops_nothing(server, ns, cni, put_class, get_class, bad):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"))
    assert cni("ADD", config).rc == 0
    server.mark()
    expect_error(cni("GC", {**config, "cni.dev/valid-attachments": bad}), 7)
    assert not writes(server)


# --- STATUS and VERSION ---------------------------------------------------------------------------


def test_status_asks_for_the_rights_and_writes_nothing(server, ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    config = network(pool(ns, "w", "gpu"))
    server.mark()
    done = cni("STATUS", config, container=None, ifname=None)
    assert (done.rc, done.out) == (0, ""), (done.out, done.err)
    assert not [entry for entry in writes(server) if "selfsubjectaccessreviews" not in entry["path"]]
    for user, words in (("viewer", "patch"), ("nobody", "get")):
        file = server.write_kubeconfig(tmp_path / user, server.tokens[user])
        expect_error(cni("STATUS", {**config, "supervisor": {"kubeconfig": file}}), 50, words)
    expect_error(cni("STATUS", network(pool(ns, "w", "gone"))), 50, "gone")
    expect_error(cni("STATUS", network()), 7)


def test_server_out_of_reach_is_told_by_code(server, ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    port = servers.free_ports(1)[0]
    file = server.write_kubeconfig(tmp_path / "away", server.tokens["admin"])
    text = pathlib.Path(file).read_text().replace(f":{server.port}", f":{port}")
    pathlib.Path(file).write_text(text)
    config = network(pool(ns, "w", "gpu"), supervisor={"kubeconfig": file}, timeout="1s")
    expect_error(cni("STATUS", config), 50)
    for command in ("ADD", "DEL", "CHECK"):
        begun = time.monotonic()
        expect_error(cni(command, config), 11)
        assert time.monotonic() - begun < 30


SENT = ['{"cniVersion":"1.0.0"}', "{}", "", '{"cniVersion":"9.9.9"}', '{"cniVersion":7}']


@pytest.mark.parametrize("text", SENT)
def test_version_is_told(cni, text):
    done = cni("VERSION", text, container=None, ifname=None, env={"KUBECONFIG": None})
    sent = json.loads(text or "{}").get("cniVersion")
    assert done.rc == 0
    assert done.json == {
        "cniVersion": sent if isinstance(sent, str) else "1.1.0",
        "supportedVersions": VERSIONS,
    }


# --- errors ---------------------------------------------------------------------------------------


def broken(**more):
    return network(pool("ml", "w", "gpu"), **more)


ENVIRONMENTS = [
    ("an unknown command", {"CNI_COMMAND": "MAKE"}, "MAKE"),
    ("a command in small letters", {"CNI_COMMAND": "add"}, "add"),
    ("an empty command", {"CNI_COMMAND": ""}, "CNI_COMMAND"),
    ("a container id with a slash", {"CNI_CONTAINERID": "a/b"}, "a/b"),
    ("a container id that begins with a dot", {"CNI_CONTAINERID": ".a"}, ".a"),
    ("a container id that is too long", {"CNI_CONTAINERID": "a" * 300}, "253"),
    ("an interface name that is too long", {"CNI_IFNAME": "a" * 16}, "a" * 16),
    ("an interface name with a colon", {"CNI_IFNAME": "eth0:1"}, "eth0:1"),
    ("an interface name of two dots", {"CNI_IFNAME": ".."}, ".."),
    ("an interface name with a blank", {"CNI_IFNAME": "eth 0"}, "eth 0"),
]


@pytest.mark.parametrize(("env", "word"), [pytest.param(*row[1:], id=row[0]) for row in ENVIRONMENTS])
def test_bad_environment_is_code_4(cni, env, word):
    expect_error(cni("ADD", broken(), env=env), 4, word)


CONFIGS = [
    ("nothing", "", 6, "empty"),
    ("blanks", " \n ", 6, "empty"),
    ("no JSON", "{", 6, "JSON"),
    ("YAML", "cniVersion: 1.1.0\nname: gpu\n", 6, "JSON"),
    ("YAML's flow style", "{cniVersion: 1.1.0, name: gpu}", 6, "JSON"),
    ("a list", "[]", 6, "object"),
    ("null", "null", 6, "object"),
    ("two values", "{} {}", 6, "JSON"),
    ("bytes that are no UTF-8", b'{"name":"\xff"}', 6, "JSON"),
    ("no version", {k: v for k, v in broken().items() if k != "cniVersion"}, 1, "0.4.0"),
    ("an old version", broken(version="0.3.1"), 1, "0.3.1"),
    ("a version to come", broken(version="2.0.0"), 1, "2.0.0"),
    ("a version that is a number", broken(version=1), 7, "cniVersion"),
    ("no name", broken(name=None), 7, "name"),
    ("a name with a slash", broken(name="a/b"), 7, "a/b"),
    ("a name that is a number", broken(name=5), 7, "5"),
    ("an empty name", broken(name=""), 7, "name"),
    ("no pools", network(), 7, "nodePool"),
    ("pools twice", broken(specFile="/x"), 7, "specFile"),
    ("a pool that is a text", network("x"), 7, "nodePool"),
    ("a pool in a list that is a text", {**network(), "nodePool": ["x"]}, 7, "nodePool[0]"),
    ("a pool of an unknown kind", network({"apiVersion": "v1", "kind": "Secret"}), 7, "Secret"),
    ("a pool with an unknown field", network({**pool("ml", "w", "gpu"), "sepc": {}}), 7, "sepc"),
    ("no pool in a list", {**network(), "nodePool": []}, 7, "no worker pool found"),
    ("a class in place of a pool", network({"apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass", "metadata": {"name": "x", "namespace": "ml"}, "spec": hardware()}), 7, "names no pool"),
    ("a swapped id", network(pool("ml", "w", "gpu", gpus=[{"pciID": "20b0:10de", "count": 1}])), 7, "swapped"),
    ("a placeholder", network(pool("ml", "w", "${CLASS}")), 7, "placeholder"),
    ("an instance with a slash", broken(instance="a/b"), 7, "a/b"),
    ("an empty instance", broken(instance=""), 7, "instance"),
    ("a dry run that is a text", broken(dryRun="yes"), 7, "yes"),
    ("a time that is none", broken(timeout="soon"), 7, "soon"),
    ("no time at all", broken(timeout=0), 7, "timeout"),
    ("too long a time", broken(timeout="2h"), 7, "2h"),
    ("our key in other letters", broken(dryrun=True), 7, "dryRun"),
    ("our key misspelt", {**network(), "nodePol": pool("ml", "w", "gpu")}, 7, "nodePool"),
    ("an unknown key of the supervisor", broken(supervisor={"kubeConfig": "/x"}), 7, "kubeconfig"),
    ("a foreign key of the supervisor", broken(supervisor={"colour": "red"}), 7, "colour"),
    ("a supervisor that is a text", broken(supervisor="x"), 7, "supervisor"),
    ("a runtimeConfig that is a list", broken(runtimeConfig=[1]), 7, "runtimeConfig"),
    ("a key twice", '{"cniVersion":"1.1.0","name":"a","name":"b"}', 7, "name"),
    ("a file that is not there", network(specFile="/nonexistent/pools.yaml"), 5, "/nonexistent"),
    ("a kubeconfig that is not there", broken(supervisor={"kubeconfig": "/nonexistent/k"}), 5, "/nonexistent"),
    ("a context that is not there", broken(supervisor={"context": "nowhere"}), 7, "nowhere"),
    ("more than 1 MiB", b'{"name":"' + b"x" * (1 << 20), 5, "larger"),
]


@pytest.mark.parametrize(("config", "code", "word"), [pytest.param(*row[1:], id=row[0]) for row in CONFIGS])
def test_bad_configuration_is_told_by_code_and_writes_nothing(server, cni, config, code, word):
    server.mark()
    answer = cni("ADD", config)
    expect_error(answer, code, word)
    assert not writes(server)


def test_commands_that_a_version_lacks_are_code_1(cni):
    for command in ("GC", "STATUS"):
        expect_error(cni(command, broken(version="1.0.0")), 1, command, "1.1.0")


def test_foreign_keys_are_passed_over(ns, cni, put_class):
    put_class(ns, "gpu", hardware(A100))
    more = {
        "ipam": {"type": "host-local"}, "mtu": 1500, "capabilities": {"portMappings": True},
        "runtimeConfig": {"portMappings": [{"hostPort": 1}]}, "args": {"cni": {}}, "dns": {},
        "x.example/nodePoll": 1, "cni.dev/valid-attachments": "not for ADD", "logLevel": "debug",
    }
    assert cni("ADD", network(pool(ns, "w", "gpu"), **more)).rc == 0


def test_errors_of_classes_have_their_codes(server, ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    put_class(ns, "broken", {**hardware(), "configSpec": config_spec(A100, extra=[{"key": SIZE, "value": "1"}])})
    expect_error(cni("ADD", network(pool(ns, "w", "none"))), 100, "none")
    small = pool(ns, "w", "gpu", mmio={"sizeGB": 16})
    expect_error(cni("ADD", network(small)), 103, "16")
    expect_error(cni("ADD", network(pool(ns, "w", "gpu", gpus=[{"model": "T4", "count": 1}]))), 7, "T4")
    for user, word in (("viewer", "patch"), ("nobody", "get")):
        file = server.write_kubeconfig(tmp_path / user, server.tokens[user])
        answer = cni("ADD", network(pool(ns, "w", "gpu"), supervisor={"kubeconfig": file}))
        expect_error(answer, 102, word)
    file = server.write_kubeconfig(tmp_path / "stranger", "no-such-token-0123456789")
    answer = cni("ADD", network(pool(ns, "w", "gpu"), supervisor={"kubeconfig": file}))
    expect_error(answer, 50)
    assert "no-such-token" not in answer.out + answer.err


def test_error_is_text_whatever_bytes_come_in(server, ns, cni, put_class):
    args = {"CNI_ARGS": b"K8S_POD_NAME=\xff\xfe"}
    expect_error(cni("ADD", network(pool(ns, "w", "none")), env=args), 100, "??")
    spec = {**hardware(), "configSpec": config_spec(A100, extra=[option(SIZE, "ü" * 60)])}
    put_class(ns, "odd", spec)
    expect_error(cni("CHECK", network(pool(ns, "w", "odd"))), 101, SIZE)
    # No record can hold a text of that length, so the class could not be restored.
    spec = {**hardware(), "configSpec": config_spec(A100, extra=[option(SIZE, "ü" * 200)], firmware="ü" * 200)}
    put_class(ns, "long", spec)
    expect_error(cni("CHECK", network(pool(ns, "w", "long"))), 7, "could not be restored", "'long'")


def test_every_error_is_told(ns, cni, put_class):
    answer = cni("ADD", network(pool(ns, "a", "none"), pool(ns, "b", "nil")))
    expect_error(answer, 100, "'none'", "'nil'", "cni/gpu/host-1/c1/eth0")


@contextlib.contextmanager
def user_without_list(server, ns, tmp_path):
    """Yields a server and the token of a user who may get and patch classes of that namespace, not list them."""
    if server.kind == "sim":
        (tmp_path / "users").write_text("patcher-token-0123456789,patcher,get,patch\n")
        with servers.SimServer(args=["--token-auth-file", str(tmp_path / "users")]) as own:
            yield own, "patcher-token-0123456789"
        return
    path = f"{servers.RBAC}/namespaces/{ns}"
    rules = [{"apiGroups": [servers.GROUP], "resources": ["virtualmachineclasses"], "verbs": ["get", "patch"]}]
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}]
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "patcher"}
    server.must("POST", f"{path}/roles", {"metadata": {"name": "patcher"}, "rules": rules})
    server.must("POST", f"{path}/rolebindings", {"metadata": {"name": "patcher"}, "roleRef": ref, "subjects": subjects})
    try:
        yield server, server.tokens["nobody"]
    finally:
        server.must("DELETE", f"{path}/rolebindings/patcher")
        server.must("DELETE", f"{path}/roles/patcher")


def test_del_needs_no_right_to_list(server, ns, cni, tmp_path):
    with user_without_list(server, ns, tmp_path) as (other, token):
        classes = f"/apis/vmoperator.vmware.com/v1alpha6/namespaces/{ns}/virtualmachineclasses"
        body = {"apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass"}
        body |= {"metadata": {"name": "gpu"}, "spec": hardware(A100)}
        other.must("POST", classes, body)
        file = other.write_kubeconfig(tmp_path / "patcher", token)
        config = network(pool(ns, "w", "gpu"), supervisor={"kubeconfig": file, "namespace": ns})
        wait = time.monotonic() + 20  # a right that was just given is not known everywhere at once
        while cni("STATUS", config).rc != 0 and time.monotonic() < wait:
            time.sleep(0.2)
        before = plain(other.must("GET", f"{classes}/gpu"))
        assert cni("ADD", config).rc == 0
        done = cni("DEL", config)
        assert done.rc == 0 and "list-forbidden" in done.err, done.out
        assert plain(other.must("GET", f"{classes}/gpu")) == before
        # The connection's own namespace is none that the user may look into.
        config["supervisor"].pop("namespace")
        assert cni("ADD", config).rc == 0
        done = cni("DEL", config)
        assert done.rc == 0, done.out
        assert plain(other.must("GET", f"{classes}/gpu")) == before
        expect_error(cni("DEL", network(supervisor={"kubeconfig": file, "namespace": ns})), 102, "list")


def test_connection_by_server_token_file_and_ca(server, ns, cni, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    token = tmp_path / "token"
    token.write_text(server.token + "\n")
    way = {"server": server.url, "tokenFile": str(token), "caFile": str(server.ca_file)}
    config = network(pool(ns, "w", "gpu"), supervisor=way)
    assert cni("ADD", config).rc == 0
    (tmp_path / "stray").write_text("{")
    stray = {"KUBECONFIG": str(tmp_path / "stray"), "HOME": str(tmp_path)}
    assert cni("CHECK", config, env=stray).rc == 0
    expect_error(cni("ADD", {**config, "supervisor": {**way, "tokenFile": "/nonexistent/t"}}), 5, "/nonexistent/t")
    token.write_text("\n")
    expect_error(cni("ADD", config), 7, "token")
    answer = cni("ADD", network(pool(ns, "w", "gpu")), env={"KUBECONFIG": None, "HOME": str(tmp_path)})
    expect_error(answer, 7, "supervisor.kubeconfig")


# --- faults, and an old Supervisor; the embedded one's, whichever server the others use -------------


@pytest.fixture(scope="module")
def sim():
    with servers.SimServer() as running:
        yield running


@pytest.fixture
def held(sim, cni):
    """held(command) calls the plugin for a class of the embedded Supervisor; gone after the test."""
    path = "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
    body = {"apiVersion": "vmoperator.vmware.com/v1alpha6", "kind": "VirtualMachineClass"}
    sim.faults([])
    sim.must("POST", path, {**body, "metadata": {"name": "gpu", "namespace": "ml"}, "spec": hardware(A100)})

    def call(command, timeout="20s", **options):
        config = network(pool("ml", "w", "gpu"), supervisor={"kubeconfig": sim.kubeconfig}, timeout=timeout)
        return cni(command, config, **options)

    call.get = lambda: sim.must("GET", f"{path}/gpu")
    call.server = sim
    yield call
    sim.faults([])
    sim.request("DELETE", f"{path}/gpu")


def fault(method, kind, path="*/virtualmachineclasses/*", **members):
    return {"match": {"method": method, "path": path}, "fault": kind, **members}


PASSING = [
    ("a conflict", [fault("PATCH", "status", status=409)]),
    ("three conflicts", [fault("PATCH", "status", status=409, count=3)]),
    ("503 with Retry-After", [fault("PATCH", "status", status=503, retryAfter="1")]),
    ("a connection cut before the write took effect", [fault("PATCH", "cut")]),
    ("a connection cut after it", [fault("PATCH", "cut", effect=True)]),
    ("500 on the list", [fault("GET", "status", status=500, path="*/virtualmachineclasses", count=2)]),
]


@pytest.mark.parametrize("faults", [pytest.param(faults, id=name) for name, faults in PASSING])
def test_fault_that_passes_is_overcome(sim, held, faults):
    before = plain(held.get())
    for command, right in (("ADD", False), ("DEL", True)):
        sim.faults(faults)
        done = held(command)
        assert done.rc == 0, (command, done.out, done.err)
        assert (plain(held.get()) == before) is right


LASTING = [
    ("conflicts", [fault("PATCH", "status", status=409, count=0)], 11),
    ("503", [fault("PATCH", "status", status=503, count=0)], 11),
    ("no answer", [fault("PATCH", "delay", delayMs=60000, count=0)], 11),
    ("a refusal", [fault("PATCH", "status", status=422, count=0)], 50),
    ("a right that is missing", [fault("PATCH", "status", status=403, count=0)], 102),
    ("a token that is refused", [fault("GET", "status", status=401, path="*", count=0)], 50),
]


@pytest.mark.parametrize(("faults", "code"), [pytest.param(*row[1:], id=row[0]) for row in LASTING])
def test_fault_that_lasts_has_its_code_and_the_next_call_completes(sim, held, faults, code):
    before = plain(held.get())
    for command, right in (("ADD", False), ("DEL", True)):
        sim.faults(faults)
        begun = time.monotonic()
        expect_error(held(command, timeout="2s"), code)
        assert time.monotonic() - begun < 40
        sim.faults([])
        assert held(command).rc == 0
        assert (plain(held.get()) == before) is right


def test_class_that_goes_while_del_waits_is_no_error(sim, held):
    assert held("ADD").rc == 0
    sim.faults([fault("PATCH", "status", status=409), fault("GET", "status", status=404)])
    assert held("DEL").rc == 0
    sim.faults([fault("PATCH", "status", status=404)])
    assert held("DEL").rc == 0


def test_server_without_the_api_is_unavailable_but_no_obstacle_for_del(sim, held):
    sim.faults([fault("GET", "status", status=404, path="/apis/vmoperator.vmware.com", count=0)])
    for command in ("ADD", "CHECK", "STATUS"):
        expect_error(held(command), 50)
    done = held("DEL")
    assert done.rc == 0 and "api-missing" in done.err


def test_old_supervisor_has_its_classes_in_no_namespace(cni):
    with servers.SimServer(args=["--cluster-scoped"]) as old:
        path = "/apis/vmoperator.vmware.com/v1alpha1/virtualmachineclasses"
        body = {"apiVersion": "vmoperator.vmware.com/v1alpha1", "kind": "VirtualMachineClass"}
        old.must("POST", path, {**body, "metadata": {"name": "gpu"}, "spec": hardware(A100)})
        before = plain(old.must("GET", f"{path}/gpu"))
        config = network(pool("ml", "w", "gpu"), supervisor={"kubeconfig": old.kubeconfig})
        done = cni("ADD", config)
        assert done.rc == 0, done.out
        assert holders_of(old.must("GET", f"{path}/gpu")) == {"ml/w": ["cni/gpu/host-1/c1/eth0"]}
        assert cni("CHECK", config).rc == cni("STATUS", config).rc == 0
        assert cni("GC", gc(config, ("c1", "eth0"))).rc == 0
        assert plain(old.must("GET", f"{path}/gpu")) != before
        assert cni("GC", gc(config)).rc == 0
        assert plain(old.must("GET", f"{path}/gpu")) == before


# --- standard input, standard output --------------------------------------------------------------


def spawn(server, **streams):
    env = {"CNI_COMMAND": "ADD", "KUBECONFIG": server.kubeconfig, "PATH": PATH}
    return subprocess.Popen([str(servers.BIN_DIR / "nodeprep")], env=env, **streams)


@pytest.mark.slow
def test_input_that_never_ends_does_not_hang(server):
    begun = time.monotonic()
    with spawn(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(json.dumps(broken()).encode())
        process.stdin.flush()
        out = process.stdout.read()
        assert process.wait(60) == 1
    assert 9 < time.monotonic() - begun < 50
    assert json.loads(out)["code"] == 5 and "standard input" in json.loads(out)["msg"]
    with open("/dev/zero", "rb") as zeros:
        with spawn(server, stdin=zeros, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out = process.stdout.read()
            assert process.wait(60) == 1
    assert json.loads(out)["code"] == 5


def test_closed_streams_are_no_crash(server):
    def closed(number):
        return lambda: os.close(number)

    with spawn(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=closed(0)) as process:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1 and json.loads(out)["code"] == 5
    with open("/dev/full", "wb") as full:
        with spawn(server, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE) as process:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 1 and b"standard output" in err


def test_subcommand_wins_over_the_environment(nodeprep):
    done = nodeprep("version", env={"CNI_COMMAND": "ADD"})
    assert done.rc == 0 and done.out.startswith("nodeprep")
    done = nodeprep("--version", env={"CNI_COMMAND": "ADD"})
    assert done.rc == 0 and done.out.startswith("nodeprep")


# --- installing -----------------------------------------------------------------------------------

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "deploy" / "manifests" / "cni" / "nodeprep.conflist"


def mode(path):
    return path.stat().st_mode & 0o7777


def test_binary_installs_itself(nodeprep, tmp_path):
    bins, confs = tmp_path / "opt" / "cni" / "bin", tmp_path / "etc"
    args = ["install-cni", f"--bin-dir={bins}", f"--conf-dir={confs}", f"--conf={SAMPLE}"]
    done = nodeprep(*args)
    assert done.rc == 0, done.err
    assert done.out == f"{confs}/nodeprep.conflist installed\n{bins}/nodeprep installed\n"
    assert (bins / "nodeprep").read_bytes() == (servers.BIN_DIR / "nodeprep").read_bytes()
    assert mode(bins / "nodeprep") == 0o755 and mode(confs / "nodeprep.conflist") == 0o600
    assert (confs / "nodeprep.conflist").read_text() == SAMPLE.read_text()
    inode = (bins / "nodeprep").stat().st_ino
    assert nodeprep(*args).out.count(" unchanged\n") == 2
    assert (bins / "nodeprep").stat().st_ino == inode
    (bins / "nodeprep").write_bytes(b"old")
    assert nodeprep(*args).out.count(" installed\n") == 1
    assert (bins / "nodeprep").stat().st_ino != inode
    assert sorted(path.name for path in bins.iterdir()) == ["nodeprep"]


BAD_INSTALLS = [
    ("nothing to do", [], 2, "--bin-dir"),
    ("a conf without its folder", ["--conf=/x"], 2, "--conf-dir"),
    ("a folder without its conf", ["--conf-dir=/x"], 2, "--conf"),
    ("the live folder", ["--conf-dir=/host/etc/cni/net.d/", "--conf=/x"], 2, "live"),
    ("a conf that is not there", ["--conf-dir=/nonexistent", "--conf=/nonexistent/x"], 3, "/nonexistent/x"),
    ("a folder that cannot be made", ["--bin-dir=/proc/self/x"], 3, "/proc/self/x"),
    ("a folder that is a file", ["--bin-dir=/dev/null"], 3, "/dev/null"),
]


@pytest.mark.parametrize(("args", "status", "word"), [pytest.param(*row[1:], id=row[0]) for row in BAD_INSTALLS])
def test_installation_that_cannot_be_is_told(nodeprep, args, status, word):
    done = nodeprep("install-cni", *args)
    assert done.rc == status and word in done.err and done.err.count("\n") == 1, done.err


def test_plugin_can_be_called_while_it_is_replaced(nodeprep, tmp_path):
    target = tmp_path / "bin" / "nodeprep"
    assert nodeprep("install-cni", f"--bin-dir={target.parent}").rc == 0
    for _ in range(10):
        with subprocess.Popen(
            [str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"CNI_COMMAND": "VERSION"}
        ) as process:
            os.utime(target)
            target.chmod(0o700)  # so that it is not "unchanged"
            assert nodeprep("install-cni", f"--bin-dir={target.parent}").out.endswith("installed\n")
            out, _ = process.communicate(b"{}", timeout=60)
            assert json.loads(out)["supportedVersions"] == VERSIONS


def test_sample_network_is_right(cni, tmp_path, server):
    sample = json.loads(SAMPLE.read_text())
    [plugin] = sample["plugins"]
    config = {**plugin, "name": sample["name"], "cniVersion": sample["cniVersion"]}
    config["supervisor"] = {"kubeconfig": server.kubeconfig}
    expect_error(cni("ADD", config), 100, "gpu-a100x4")
