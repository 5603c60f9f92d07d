# SPDX-License-Identifier: Apache-2.0
"""cnitool and libcni call the plugin as runtimes do, alone and behind the reference plugins."""

import json

import pytest

import servers
from builders import A100, SIZE, hardware, keys_of, plain
from runtime import cni_plugin, finish, holders, plugin

VERSIONS = ["0.4.0", "1.0.0", "1.1.0"]


def commands(network):
    return [command for command, _ in network.calls()]


def must(done):
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


@pytest.mark.parametrize("single", [False, True], ids=["conflist", "conf"])
@pytest.mark.parametrize("version", VERSIONS)
def test_alone(ns, network, put_class, get_class, version, single):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    network.write([plugin(ns)], version, single=single)
    result = json.loads(must(network.cnitool("add")))
    assert result["cniVersion"] == version
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu"))
    [holder] = holders(get_class(ns, "gpu"))[f"{ns}/w"]
    assert holder.startswith("cni/gpu/host-1/cnitool-") and holder.endswith("/eth0")
    must(network.cnitool("check"))
    [(_, _), (command, config)] = network.calls()
    assert command == "CHECK" and config["prevResult"]["cniVersion"] == version
    must(network.cnitool("del"))
    assert plain(get_class(ns, "gpu")) == before
    assert commands(network) == ["DEL"]


@pytest.mark.parametrize("version", VERSIONS)
def test_check_and_del_need_no_previous_result(ns, network, put_class, get_class, version):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    network.write([plugin(ns)], version)
    drifted = network.cnitool("check")
    assert drifted.returncode != 0 and SIZE in drifted.stdout + drifted.stderr
    must(network.cnitool("add"))
    for file in (network.state / "cni").rglob("*"):
        if file.is_file():
            file.unlink()
    network.calls()
    must(network.cnitool("check"))
    must(network.cnitool("del"))
    assert [(command, "prevResult" in config) for command, config in network.calls()] == [
        ("CHECK", False), ("DEL", False),
    ]
    assert plain(get_class(ns, "gpu")) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_status_and_gc_are_calls_of_1_1_0(ns, network, put_class, get_class, version):
    """Below 1.1.0 cnitool's status calls no plugin, and its gc only DELs."""
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    network.write([plugin(ns)], version)
    must(network.cnitool("add"))
    assert commands(network) == ["ADD"]
    must(network.cnitool("status"))
    assert commands(network) == (["STATUS"] if version == "1.1.0" else [])
    must(network.cnitool("gc"))
    calls = network.calls()
    assert [command for command, _ in calls] == (["DEL", "GC"] if version == "1.1.0" else ["DEL"])
    # cnitool gives no list: it is by its DEL that the holder is gone.
    assert all("cni.dev/valid-attachments" not in config for _, config in calls)
    assert plain(get_class(ns, "gpu")) == before


def test_status_fails_where_the_api_cannot_be_used(server, ns, network, put_class, tmp_path):
    put_class(ns, "gpu", hardware(A100))
    viewer = server.write_kubeconfig(tmp_path / "viewer", server.tokens["viewer"])
    network.write([plugin(ns, supervisor={"kubeconfig": viewer})])
    done = network.cnitool("status")
    assert done.returncode != 0 and "patch" in done.stdout + done.stderr


PTP = {
    "type": "ptp",
    "ipam": {"type": "host-local", "subnet": "10.199.77.0/24"},
}
TUNING = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


@pytest.mark.parametrize("version", VERSIONS)
def test_last_in_a_chain(ns, network, put_class, get_class, version):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    ptp = {**PTP, "ipam": {**PTP["ipam"], "dataDir": str(network.folder / "ipam")}}
    network.write([ptp, PORTMAP, {**TUNING, "dataDir": str(network.folder / "tuning")}, plugin(ns)], version)
    result = json.loads(must(network.cnitool("add")))
    [(command, config)] = network.calls()
    assert command == "ADD" and config["prevResult"]["ips"][0]["address"].startswith("10.199.77.")
    # libcni drops our key and gives back the rest as its own types have it.
    assert result == config["prevResult"]
    assert len(result["interfaces"]) == 2
    must(network.cnitool("check"))
    must(network.cnitool("del"))
    assert plain(get_class(ns, "gpu")) == before
    assert not [file for file in (network.folder / "ipam").rglob("10.*")]


def test_status_and_gc_at_the_end_of_a_chain(ns, network, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    ptp = {**PTP, "ipam": {**PTP["ipam"], "dataDir": str(network.folder / "ipam")}}
    network.write([ptp, PORTMAP, {**TUNING, "dataDir": str(network.folder / "tuning")}, plugin(ns)])
    must(network.cnitool("status"))
    must(network.cnitool("add"))
    network.calls()
    must(network.cnitool("gc"))
    assert commands(network) == ["DEL", "GC"]
    assert plain(get_class(ns, "gpu")) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_behind_loopback(ns, network, put_class, get_class, version):
    put_class(ns, "gpu", hardware(A100))
    before = plain(get_class(ns, "gpu"))
    network.write([{"type": "loopback"}, plugin(ns)], version)
    result = json.loads(must(network.cnitool("add")))
    assert result["ips"][0]["address"] == "127.0.0.1/8"
    must(network.cnitool("check"))
    must(network.cnitool("del"))
    assert plain(get_class(ns, "gpu")) == before


def test_error_in_a_chain_ends_the_chain(ns, network, put_class):
    network.write([{"type": "loopback"}, plugin(ns, vm_class="none")])
    done = network.cnitool("add")
    assert done.returncode != 0 and "not found" in done.stdout + done.stderr
    must(network.cnitool("del"))


# --- libcni ---------------------------------------------------------------------------------------


def test_libcni_reads_the_versions(network):
    done = network.libcni("version", str(servers.BIN_DIR / "nodeprep"))
    assert json.loads(must(done)) == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("previous", [None, {"ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1"}]}])
def test_libcni_decodes_our_results(server, ns, network, put_class, version, previous):
    put_class(ns, "gpu", hardware(A100))
    config = {"cniVersion": version, "name": "gpu", **plugin(ns)}
    if previous:
        config["prevResult"] = {"cniVersion": "1.0.0", **previous}
    rc, out, err = finish(cni_plugin(server, "ADD", config))
    assert rc == 0, (out, err)
    decoded = json.loads(must(network.libcni("decode", version, input=out)))
    assert sorted(decoded) == VERSIONS
    for to, result in decoded.items():
        assert result["cniVersion"] == to
        addresses = [ip["address"] for ip in result.get("ips") or []]
        assert addresses == (["10.0.0.2/24"] if previous else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_libcni_decodes_our_errors(server, network, version):
    config = {"cniVersion": version, "name": "gpu", **plugin("none", vm_class="none")}
    rc, out, _ = finish(cni_plugin(server, "ADD", config))
    assert rc == 1
    decoded = json.loads(must(network.libcni("error", input=out)))
    assert decoded["code"] == 100 and decoded["cniVersion"] == version
    assert "not found" in decoded["msg"] and decoded["details"]


def test_libcni_collects_garbage_by_its_list(ns, network, put_class, get_class):
    put_class(ns, "gpu", hardware(A100))
    network.write([plugin(ns)])
    for container in ("keep", "lost", "left"):
        must(network.libcni("call", "add", str(network.file), container, "eth0"))
    # What libcni itself has forgotten is not DELed by it: only the list says that it is gone.
    for file in (network.state / "cni").rglob("*lost*"):
        file.unlink()
    network.calls()
    must(network.libcni("call", "gc", str(network.file), "keep", "eth0"))
    assert commands(network) == ["DEL", "GC"]
    assert holders(get_class(ns, "gpu")) == {f"{ns}/w": ["cni/gpu/host-1/keep/eth0"]}
    must(network.libcni("call", "status", str(network.file), "keep", "eth0"))
    must(network.libcni("call", "check", str(network.file), "keep", "eth0"))
    must(network.libcni("call", "del", str(network.file), "keep", "eth0"))
    assert holders(get_class(ns, "gpu")) == {}
