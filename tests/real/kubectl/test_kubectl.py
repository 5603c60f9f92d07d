# SPDX-License-Identifier: Apache-2.0
"""What a person sees who goes on working with kubectl on a class that nodeprep has changed."""

import json
import os
import pathlib
import stat
import subprocess

import pytest
import yaml

import servers
from builders import A100, MANAGED, SIZE, USE64, config_spec, dump, hardware, keys_of, option, pool, writes

OURS = {SIZE, USE64}


@pytest.fixture
def kubectl(server, tmp_path):
    """kubectl(*args, input=None, env=None) runs the real kubectl and returns what it gave."""
    program = pathlib.Path(servers.find_apiserver()).with_name("kubectl")

    def run(*args, input=None, env=None):
        return subprocess.run(
            [str(program), *args],
            input=input or "",
            capture_output=True,
            encoding="utf-8",
            env={"KUBECONFIG": server.kubeconfig, "HOME": str(tmp_path),
                 "PATH": os.environ["PATH"], **(env or {})},
            timeout=120,
            check=False,
        )

    return run


def manifest(ns, spec):
    return yaml.safe_dump({
        "apiVersion": f"{servers.GROUP}/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": ns, "labels": {"team": "ml"}},
        "spec": spec,
    })


WITHOUT_LIST = hardware(A100, A100)
WITH_LIST = {**hardware(), "configSpec": config_spec(A100, A100, extra=[option("theirs", "1")])}


@pytest.fixture
def applied(ns, kubectl, nodeprep):
    """applied(spec) lets kubectl make the class and nodeprep change it; returns its manifest."""

    def make(spec):
        text = manifest(ns, spec)
        done = kubectl("apply", "-f", "-", input=text)
        assert done.returncode == 0, done.stderr
        assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
        return text

    return make


def keys(cls):
    return {key for key, _ in keys_of(cls)}


def revert(ns, nodeprep):
    done = nodeprep("revert", "-f", "-", input=dump(pool(ns, "w", "gpu")))
    assert done.rc == 0, done.err
    return done


def expect_nothing_of_ours(cls):
    assert not keys(cls) & OURS
    assert MANAGED not in cls["metadata"].get("annotations", {})
    assert "firmware" not in cls["spec"].get("configSpec", {})
    assert "memoryReservationLockedToMax" not in cls["spec"].get("configSpec", {})
    assert "policies" not in cls["spec"]


def test_apply_of_a_manifest_without_the_list_changes_nothing(
    server, ns, kubectl, nodeprep, applied, get_class
):
    text = applied(WITHOUT_LIST)
    before = get_class(ns, "gpu")
    assert kubectl("diff", "-f", "-", input=text).returncode == 0
    done = kubectl("apply", "--dry-run=server", "-f", "-", input=text)
    assert (done.returncode, done.stdout.split()[1]) == (0, "unchanged"), done.stderr
    done = kubectl("apply", "-f", "-", input=text)
    assert (done.returncode, done.stdout.split()[1]) == (0, "unchanged"), done.stderr
    assert get_class(ns, "gpu") == before
    revert(ns, nodeprep)
    after = get_class(ns, "gpu")
    expect_nothing_of_ours(after)
    assert after["spec"] == WITHOUT_LIST


def test_apply_of_a_manifest_with_the_list_takes_the_keys_and_diff_shows_it(
    server, ns, kubectl, nodeprep, applied, get_class
):
    text = applied(WITH_LIST)
    before = get_class(ns, "gpu")
    diff = kubectl("diff", "-f", "-", input=text)
    assert diff.returncode == 1
    assert f"-      key: {SIZE}" in diff.stdout
    assert MANAGED not in "".join(line for line in diff.stdout.splitlines() if line[:1] in "+-")
    done = kubectl("apply", "--dry-run=server", "-f", "-", input=text)
    assert (done.returncode, done.stdout.split()[1]) == (0, "configured"), done.stderr
    assert get_class(ns, "gpu") == before
    assert kubectl("apply", "-f", "-", input=text).returncode == 0
    taken = get_class(ns, "gpu")
    assert keys(taken) == {"theirs"}
    assert taken["spec"]["configSpec"]["firmware"] == "efi"
    assert MANAGED in taken["metadata"]["annotations"]


def test_revert_after_kubectl_took_the_keys_resurrects_nothing(ns, kubectl, nodeprep, applied, get_class):
    text = applied(WITH_LIST)
    assert kubectl("apply", "-f", "-", input=text).returncode == 0
    done = revert(ns, nodeprep)
    assert "changed-since" in done.err
    after = get_class(ns, "gpu")
    expect_nothing_of_ours(after)
    assert after["spec"] == WITH_LIST


def test_apply_again_after_kubectl_took_the_keys_mends_it_and_can_be_undone(
    ns, kubectl, nodeprep, applied, get_class
):
    text = applied(WITH_LIST)
    assert kubectl("apply", "-f", "-", input=text).returncode == 0
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    assert keys(get_class(ns, "gpu")) == {"theirs"} | OURS
    revert(ns, nodeprep)
    assert get_class(ns, "gpu")["spec"] == WITH_LIST


def test_get_and_replace_keeps_everything(server, ns, kubectl, nodeprep, applied, get_class):
    applied(WITH_LIST)
    before = get_class(ns, "gpu")
    got = kubectl("get", "vmclass", "gpu", "-n", ns, "-o", "yaml")
    assert got.returncode == 0, got.stderr
    done = kubectl("replace", "-f", "-", input=got.stdout)
    assert done.returncode == 0, done.stderr
    after = get_class(ns, "gpu")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"][MANAGED] == before["metadata"]["annotations"][MANAGED]
    server.mark()
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    assert writes(server) == []
    revert(ns, nodeprep)
    assert get_class(ns, "gpu")["spec"] == WITH_LIST


def test_edit_keeps_everything_and_what_was_edited_is_kept_by_revert(
    ns, kubectl, nodeprep, applied, get_class, tmp_path
):
    applied(WITHOUT_LIST)
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i -e 's/team: ml/team: edited/' -e 's/cpus: 16/cpus: 24/' \"$1\"\n")
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    done = kubectl("edit", "vmclass", "gpu", "-n", ns, env={"KUBE_EDITOR": str(editor)})
    assert done.returncode == 0, done.stderr
    edited = get_class(ns, "gpu")
    assert (edited["metadata"]["labels"]["team"], edited["spec"]["hardware"]["cpus"]) == ("edited", 24)
    assert keys(edited) == OURS
    assert json.loads(edited["metadata"]["annotations"][MANAGED])["pools"].keys() == {f"{ns}/w"}
    revert(ns, nodeprep)
    after = get_class(ns, "gpu")
    expect_nothing_of_ours(after)
    assert after["metadata"]["labels"] == {"team": "edited"}
    assert after["spec"]["hardware"]["cpus"] == 24
    assert "configSpec" not in after["spec"]


def test_server_side_owner_is_told_of_nodeprep_and_may_force(
    ns, kubectl, nodeprep, applied, get_class
):
    text = applied(WITH_LIST)
    args = ("apply", "--server-side", "--field-manager=gitops", "-f", "-")
    done = kubectl(*args, input=text)
    assert done.returncode == 1
    assert 'conflict with "nodeprep"' in done.stderr
    assert keys(get_class(ns, "gpu")) == {"theirs"} | OURS
    done = kubectl(*args, "--force-conflicts", input=text)
    assert done.returncode == 0, done.stderr
    taken = get_class(ns, "gpu")
    assert keys(taken) == {"theirs"}
    assert MANAGED in taken["metadata"]["annotations"]
    done = revert(ns, nodeprep)
    assert "changed-since" in done.err
    after = get_class(ns, "gpu")
    expect_nothing_of_ours(after)
    assert after["spec"] == WITH_LIST


def test_server_side_apply_of_other_fields_leaves_ours(ns, kubectl, nodeprep, put_class, get_class):
    # Not made by kubectl apply: the switch to --server-side would drop what a manifest lacks.
    put_class(ns, "gpu", WITHOUT_LIST)
    assert nodeprep("apply", "-f", "-", input=dump(pool(ns, "w", "gpu"))).rc == 0
    before = get_class(ns, "gpu")
    other = {
        "apiVersion": f"{servers.GROUP}/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": ns, "annotations": {"cost": "high"}},
    }
    done = kubectl("apply", "--server-side", "--field-manager=gitops", "-f", "-", input=yaml.safe_dump(other))
    assert done.returncode == 0, done.stderr
    after = get_class(ns, "gpu")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"][MANAGED] == before["metadata"]["annotations"][MANAGED]
    revert(ns, nodeprep)
    after = get_class(ns, "gpu")
    expect_nothing_of_ours(after)
    assert after["metadata"]["annotations"]["cost"] == "high"
    assert after["spec"] == WITHOUT_LIST


def test_kubectl_completes_the_plugin(kubectl, tmp_path):
    """kubectl runs kubectl_complete-nodeprep, which the install puts beside kubectl-nodeprep."""
    (tmp_path / "kubectl-nodeprep").symlink_to(servers.BIN_DIR.resolve() / "nodeprep")
    (tmp_path / "kubectl_complete-nodeprep").symlink_to(servers.REPO / "cmd/nodeprep/kubectl_complete-nodeprep")
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def complete(*words):
        done = kubectl("__complete", "nodeprep", *words, env=env)
        assert done.returncode == 0, done.stderr
        *lines, directive = done.stdout.splitlines()
        return [line.partition("\t")[0] for line in lines], directive

    assert complete("apply", "--dry-run", "") == (["client", "server"], ":4")
    assert complete("app") == (["apply"], ":4")
    assert complete("apply", "-f", "") == ([], ":0")
    words, directive = complete("apply", "--")
    assert {"--filename", "--dry-run", "--kubeconfig"} <= set(words) and directive == ":4"
