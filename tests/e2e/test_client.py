# SPDX-License-Identifier: Apache-2.0
"""How the client finds and trusts the API server: kubeconfigs, flags, what the errors say."""

import base64

import pytest
import yaml

from builders import A100, dump, hardware, pool


@pytest.fixture
def kubeconfig(server, tmp_path):
    """kubeconfig(change) writes the server's kubeconfig after change(config) and returns its path."""

    def write(change, name="config"):
        with open(server.write_kubeconfig(tmp_path / name, token=server.token), encoding="utf-8") as f:
            config = yaml.safe_load(f)
        change(config)
        (tmp_path / name).write_text(yaml.safe_dump(config))
        return str(tmp_path / name)

    return write


def user(config):
    return config["users"][0]["user"]


def cluster(config):
    return config["clusters"][0]["cluster"]


def token_in_file(tmp_path):
    def change(config):
        (tmp_path / "token").write_text(user(config).pop("token") + "\n")
        user(config)["tokenFile"] = "token"  # relative: to the kubeconfig's folder

    return change


def ca_inline(config):
    with open(cluster(config).pop("certificate-authority"), "rb") as f:
        cluster(config)["certificate-authority-data"] = base64.b64encode(f.read()).decode()


def insecure(config):
    del cluster(config)["certificate-authority"]
    cluster(config)["insecure-skip-tls-verify"] = True


def name_of_server(config):
    cluster(config)["tls-server-name"] = "localhost"


@pytest.mark.parametrize("way", ["token file", "CA inline", "insecure", "tls-server-name"])
def test_kubeconfig_is_read_as_kubectl_reads_it(ns, nodeprep, put_class, kubeconfig, tmp_path, way):
    put_class(ns, "gpu", hardware(A100))
    changes = {
        "token file": token_in_file(tmp_path),
        "CA inline": ca_inline,
        "insecure": insecure,
        "tls-server-name": name_of_server,
    }
    path = kubeconfig(changes[way])
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err


def test_kubeconfigs_are_merged_and_the_context_names_the_namespace(
    server, ns, nodeprep, put_class, kubeconfig
):
    put_class(ns, "gpu", hardware(A100))

    def contexts_only(config):
        del config["clusters"], config["users"]
        config["contexts"] = [
            {"name": "mine", "context": {"cluster": "e2e", "user": "e2e", "namespace": ns}}
        ]
        config["current-context"] = "mine"

    first = kubeconfig(contexts_only, "first")
    second = kubeconfig(lambda config: None, "second")
    document = pool(ns, "w", "gpu")
    del document["metadata"]["namespace"]
    env = {"KUBECONFIG": f"{first}:/no/such/file:{second}"}
    done = nodeprep("plan", "-f", "-", "-o", "json", env=env, input=dump(document))
    assert done.rc == 0, done.err
    assert done.json["pools"][0]["namespace"] == ns
    done = nodeprep("plan", "-f", "-", "--context", "e2e", env=env, input=dump(document))
    assert done.rc == 4
    assert "namespace 'default'" in done.err
    done = nodeprep("plan", "-f", "-", "--context", "other", env=env, input=dump(document))
    assert done.rc == 2
    assert "'other'" in done.err and "mine" in done.err


def test_flags_stand_in_for_a_kubeconfig(server, ns, nodeprep, put_class):
    put_class(ns, "gpu", hardware(A100))
    flags = ["--server", server.url, "--token", server.token,
             "--certificate-authority", server.ca_file, "-n", ns]
    done = nodeprep("plan", "-f", "-", *flags, env={"KUBECONFIG": None},
                    input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err


def test_namespace_flag_that_contradicts_the_document_is_an_error(ns, nodeprep):
    done = nodeprep("plan", "-f", "-", "-n", "elsewhere", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 3
    assert f"'{ns}'" in done.err and "'elsewhere'" in done.err


def test_wrong_token_is_exit_5_and_not_printed(ns, nodeprep):
    done = nodeprep("plan", "-f", "-", "--token", "wrong-token-of-nobody", "-v=9",
                    input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 5
    assert "credentials" in done.err
    assert "wrong-token-of-nobody" not in done.err


def test_broken_kubeconfig_is_told_with_its_place(ns, nodeprep, tmp_path):
    (tmp_path / "broken").write_text("clusters:\n- name: [x\n")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", tmp_path / "broken",
                    input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 3
    assert "broken:" in done.err


def test_unused_broken_kubeconfig_does_not_stop_an_offline_plan(nodeprep, tmp_path):
    (tmp_path / "broken").write_text("clusters:\n- name: [x\n")
    cls = {
        "apiVersion": "vmoperator.vmware.com/v1alpha2",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": "ml"},
        "spec": hardware(A100),
    }
    done = nodeprep("plan", "-f", "-", "--kubeconfig", tmp_path / "broken",
                    input=dump(pool("ml", "w", "gpu"), cls))
    assert done.rc == 0, done.err
