# SPDX-License-Identifier: Apache-2.0
"""deploy/manifests/cni: a server takes it, and what its init container installs can be called."""

import json
import subprocess

import pytest
import yaml

import servers
from builders import A100, SIZE, hardware, keys_of

CNI = servers.REPO / "deploy" / "manifests" / "cni"


@pytest.fixture(scope="module")
def kubectl(server):
    binary = servers.find_apiserver().with_name("kubectl")

    def run(*args, **options):
        done = subprocess.run(
            [str(binary), f"--kubeconfig={server.kubeconfig}", *args],
            capture_output=True, text=True, timeout=120, check=False, **options,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_server_takes_the_manifests(kubectl):
    kubectl("create", "namespace", "nodeprep-cni")
    out = kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(CNI))
    assert "daemonset.apps/nodeprep-cni serverside-applied" in out and "configmap/nodeprep-cni-" in out


def test_what_the_init_container_installs_works(kubectl, network, ns, put_class, get_class, tmp_path):
    put_class(ns, "gpu-a100x4", hardware(A100, A100, A100, A100))
    documents = list(yaml.safe_load_all(kubectl("kustomize", str(CNI))))
    [config] = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    [daemonset] = [document for document in documents if document["kind"] == "DaemonSet"]
    pod = daemonset["spec"]["template"]["spec"]
    [init] = pod["initContainers"]
    assert init["command"] == ["/nodeprep"]
    # Each mount stands below a folder of the test's own.
    root = tmp_path / "image"
    for folder in ("config", "secret"):
        (root / folder).mkdir(parents=True)
    (root / "config" / "nodeprep.conflist").write_text(config["nodeprep.conflist"])
    (root / "secret" / "kubeconfig").write_text(open(network.server.kubeconfig, encoding="utf-8").read())
    args = [arg.replace("=/", f"={root}/") for arg in init["args"]]
    done = subprocess.run([str(servers.BIN_DIR / "nodeprep"), *args], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    confs = root / "host" / "etc" / "nodeprep" / "cni.d"
    sample = json.loads((confs / "nodeprep.conflist").read_text())
    # On the node the folder stands at its own path; here it does not.
    entry = sample["plugins"][0]
    entry["supervisor"]["kubeconfig"] = f"{root}/host{entry['supervisor']['kubeconfig']}"
    entry["nodePool"]["metadata"]["namespace"] = ns
    (network.folder / "bin" / "nodeprep").unlink()
    (root / "host" / "opt" / "cni" / "bin" / "nodeprep").rename(network.folder / "bin" / "nodeprep")
    network.write(sample["plugins"], sample["cniVersion"], sample["name"])
    added = network.cnitool("add")
    assert added.returncode == 0, added.stderr
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu-a100x4"))
    assert network.cnitool("del").returncode == 0
