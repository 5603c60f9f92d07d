# SPDX-License-Identifier: Apache-2.0
"""Completion, as a shell that reads it gives it."""

import json
import os
import shutil
import socket
import subprocess

import pytest

import servers
from builders import A100, dump, hardware, pool

# Each shell is asked for the words behind `nodeprep`, as typing and pressing the tab key would.
BASH = """
source <("$1" completion bash)
COMP_WORDS=("$1" "${@:2}"); COMP_CWORD=$(($# - 1))
_nodeprep
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
autoload -U compinit && compinit -D -u
source <("$1" completion zsh)
compadd() { print -l -- ${(P)@[-1]} }
_files() { print FILES }
words=("$1" "${@:2}"); CURRENT=$#
_nodeprep
"""
# The installed file, which zsh loads as the function itself.
ZSH_INSTALLED = """
fpath=($ZSH_FOLDER $fpath)
autoload -U compinit && compinit -D -u
compadd() { print -l -- ${(P)@[-1]} }
_files() { print FILES }
words=("$1" "${@:2}"); CURRENT=$#
_nodeprep
"""
FISH = """
$argv[1] completion fish | source
function __fish_complete_path; echo FILES; end
complete -C "nodeprep $argv[2..-1]" | string replace -r '\\t.*' ''; or true
"""
SHELLS = {
    "bash": ["bash", "-c", BASH, "bash"],
    "fish": ["fish", "--no-config", "-c", FISH],
    "zsh": ["zsh", "-f", "-c", ZSH, "zsh"],
    "zsh-installed": ["zsh", "-f", "-c", ZSH_INSTALLED, "zsh"],
}


@pytest.fixture
def complete(tmp_path):
    """complete(shell, *words) returns what the shell offers in place of the last word."""
    shutil.copy(servers.REPO / "cmd/nodeprep/nodeprep.zsh", tmp_path / "_nodeprep")
    path = f"{servers.BIN_DIR.resolve()}:{os.environ['PATH']}"

    def run(shell, *words):
        done = subprocess.run(
            [*SHELLS[shell], str(servers.BIN_DIR / "nodeprep"), *words],
            capture_output=True,
            encoding="utf-8",
            env={"HOME": str(tmp_path), "PATH": path, "ZSH_FOLDER": str(tmp_path)},
            timeout=60,
            check=True,
        )
        return done.stdout.split()

    return run


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_options_and_values_are_offered(shell, complete):
    commands = complete(shell, "")
    assert {"apply", "check", "controller", "node-check", "completion"} <= set(commands)
    assert "Commands:" not in commands and "__complete" not in commands
    assert {"--filename", "--dry-run", "--kubeconfig"} <= set(complete(shell, "apply", "--"))
    assert complete(shell, "apply", "--dry-run", "") == ["client", "server"]
    assert sorted(complete(shell, "explain", "-o", "")) == ["json", "svg", "table", "wide", "yaml"]
    assert complete(shell, "status", "-o", "y") == ["yaml"]
    assert complete(shell, "--context", "x", "rev") == ["revert"]


@pytest.mark.parametrize("shell", ["fish", "zsh"])
def test_files_are_offered_where_a_file_is_expected(shell, complete):
    assert complete(shell, "apply", "-f", "") == ["FILES"]
    assert complete(shell, "host-check", "") == ["FILES"]
    assert complete(shell, "version", "") == []


def test_bash_splits_words_at_the_equals_sign(complete):
    assert complete("bash", "apply", "--dry-run", "=", "c") == ["client"]
    assert complete("bash", "apply", "--dry-run", "=") == ["client", "server"]


@pytest.mark.parametrize(
    "words", [[""], ["="], ["=", "="], ["-"], ["--", ""], ["nosuch", "-"], ["apply", "-f"], ["\xff"]]
)
def test_protocol_ends_with_a_directive_whatever_the_words(nodeprep, words):
    done = nodeprep("__complete", *words)
    assert done.rc == 0 and done.err == "" and done.out.splitlines()[-1] in (":0", ":4")


def test_other_shells_are_usage_errors(nodeprep):
    for args in ([], ["tcsh"], ["bash", "zsh"]):
        done = nodeprep("completion", *args)
        assert (done.rc, done.out) == (2, "")
        assert "bash, fish or zsh" in done.err or "argument" in done.err


# --- values that the program looks up -------------------------------------------------------------

CONFIG = {"apiVersion": "v1", "kind": "Config", "current-context": "none", "clusters": [{"name": "east"}],
          "contexts": [{"name": name} for name in ("dev", "prod", "bad name", "\x1b[31m", "$(id)")],
          "users": [{"name": "me"}]}


def offered(done):
    assert done.rc == 0 and done.err == ""
    lines = done.out.splitlines()
    assert lines[-1] == ":4"
    return [line.split("\t")[0] for line in lines[:-1]]


@pytest.mark.parametrize("words, expect", [
    (["plan", "--context", ""], ["dev", "prod"]),
    (["plan", "--context", "p"], ["prod"]),
    (["--context", ""], ["dev", "prod"]),
    (["plan", "--cluster", ""], ["east"]),
    (["status", "--user", ""], ["me"]),
    (["host-check", "--cluster", ""], []),
    (["revert", "--holder", ""], ["apply", "controller"]),
    (["plan", "--ignore-warning", "no-spare"], ["no-spare-host"]),
    (["gpus", "H200"], ["H200"]),
])
def test_names_of_kubeconfig_and_program(nodeprep, tmp_path, words, expect):
    path = tmp_path / "config"
    path.write_text(json.dumps(CONFIG))
    found = offered(nodeprep("__complete", *words, env={"KUBECONFIG": str(path)}))
    assert found == expect
    flagged = words[:1] + ["--kubeconfig", str(path)] + words[1:]
    if words[0] in ("plan", "status"):
        assert offered(nodeprep("__complete", *flagged, env={"KUBECONFIG": None})) == expect


def test_names_of_the_server(server, ns, nodeprep, put_class):
    put_class(ns, "gpu-a", hardware(A100))
    put_class(ns, "gpu-b", hardware(A100))
    assert "kube-system" in offered(nodeprep("__complete", "plan", "-n", "kube"))
    assert offered(nodeprep("__complete", "explain", "-n", ns, "gpu-")) == ["gpu-a", "gpu-b"]
    assert offered(nodeprep("__complete", "explain", "--namespace", ns, "-f", "x.yaml", "gpu-b")) == ["gpu-b"]


def test_names_of_the_files(nodeprep, tmp_path):
    path = tmp_path / "pools.yaml"
    gpu_class = {"apiVersion": "vmoperator.vmware.com/v1alpha2", "kind": "VirtualMachineClass",
                 "metadata": {"name": "gpu", "namespace": "ml"}, "spec": hardware(A100)}
    path.write_text(dump(gpu_class, pool("ml", "training", "gpu"), pool("ml", "web", "cpu")))
    for words in (["explain", "-f", str(path)], ["explain", f"--filename={path}"], ["explain", "-f", str(tmp_path)]):
        assert sorted(offered(nodeprep("__complete", *words, ""))) == ["cpu", "gpu", "training", "web"]
    assert offered(nodeprep("__complete", "explain", "-f", str(path), "t")) == ["training"]
    labelled = ["__complete", "explain", "-f", str(path), "-l", "a=b", ""]
    assert offered(nodeprep(*labelled)) == ["gpu"]
    path.write_text("kind: [")
    done = nodeprep("__complete", "explain", "-f", str(path), "", env={"KUBECONFIG": None})
    assert offered(done) == [] and done.err == ""


@pytest.mark.parametrize("words", [["plan", "-n", ""], ["explain", ""], ["plan", "--context", ""]])
def test_silent_without_a_server(nodeprep, tmp_path, words):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        [closed] = servers.free_ports(1)
        for server in (url, f"https://127.0.0.1:{closed}"):
            done = nodeprep("__complete", "--server", server, *words, env={"KUBECONFIG": None}, timeout=10)
            assert offered(done) == []
    for text in ("", "{", "kind: Pod\n"):
        path = tmp_path / "broken"
        path.write_text(text)
        assert offered(nodeprep("__complete", *words, env={"KUBECONFIG": str(path)}, timeout=10)) == []
    os.mkfifo(tmp_path / "fifo")
    assert offered(nodeprep("__complete", *words, env={"KUBECONFIG": str(tmp_path / "fifo")}, timeout=10)) == []
