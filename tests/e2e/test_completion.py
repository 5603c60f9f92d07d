# SPDX-License-Identifier: Apache-2.0
"""Completion, as a shell that reads it gives it."""

import os
import subprocess

import pytest

import servers

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


def complete(shell, *words, home):
    argv = {"bash": ["bash", "-c", BASH, "bash"], "zsh": ["zsh", "-f", "-c", ZSH, "zsh"]}[shell]
    done = subprocess.run(
        [*argv, str(servers.BIN_DIR / "nodeprep"), *words],
        capture_output=True,
        encoding="utf-8",
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        timeout=60,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_options_and_values_are_offered(shell, tmp_path):
    commands = complete(shell, "", home=tmp_path)
    assert {"apply", "check", "controller", "node-check", "completion"} <= set(commands)
    assert "Commands:" not in commands
    assert {"--filename", "--dry-run", "--kubeconfig"} <= set(complete(shell, "apply", "--", home=tmp_path))
    assert complete(shell, "apply", "--dry-run", "", home=tmp_path) == ["client", "server"]


def test_other_shells_are_usage_errors(nodeprep):
    for args in ([], ["fish"], ["bash", "zsh"]):
        done = nodeprep("completion", *args)
        assert (done.rc, done.out) == (2, "")
        assert "bash or zsh" in done.err or "argument" in done.err
