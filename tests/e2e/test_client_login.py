# SPDX-License-Identifier: Apache-2.0
"""How the client logs in: exec credential plugins, tokens that rotate, impersonation, merged files."""

import base64
import json
import pathlib

import pytest
import yaml

from builders import V1, V1BETA1, answering, dump, execs, pool, say

# The embedded Supervisor knows tokens alone.
real_only = pytest.mark.real_only


# --- exec credential plugins ----------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_plugin_gives_the_token_once_a_run(server, nodeprep, gpu, write_config, plugin, version):
    script = plugin(say(version, token=server.token))
    mode = None if version == V1BETA1 else "IfAvailable"
    config = write_config(execs(version, interactiveMode=mode))
    done = nodeprep("apply", "-f", "-", "--kubeconfig", config, input=gpu)
    assert done.rc == 0, done.err
    assert script.runs == 1
    assert script.info == {
        "kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False},
    }


def test_plugin_that_expires_runs_again(server, nodeprep, gpu, write_config, plugin):
    script = plugin(say(token=server.token, expirationTimestamp="2001-01-01T00:00:00Z"))
    done = nodeprep("plan", "-f", "-", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 0, done.err
    assert script.runs > 1
    script = plugin(say(token=server.token, expirationTimestamp="2999-01-01T00:00:00+02:00"))
    before = script.runs
    done = nodeprep("plan", "-f", "-", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 0, done.err
    assert script.runs == before + 1


def test_plugin_runs_again_when_its_token_is_refused(server, nodeprep, gpu, write_config, plugin):
    script = plugin(
        f'[ "$n" -gt 1 ] || {{ {say(token="stale-token-of-nobody")}\nexit; }}\n{say(token=server.token)}'
    )
    done = nodeprep("plan", "-f", "-", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 0, done.err
    assert script.runs == 2


def test_plugin_whose_token_is_refused_twice_is_named(nodeprep, gpu, write_config, plugin):
    script = plugin(say(token="wrong-token-of-nobody"))
    done = nodeprep("plan", "-f", "-", "-v=9", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 5
    assert script.runs == 2
    assert "(401)" in done.err and "user 'e2e'" in done.err and f"'{script.path}'" in done.err
    assert "wrong-token-of-nobody" not in done.err


def test_plugin_is_told_of_the_cluster(server, nodeprep, gpu, write_config, plugin):
    script = plugin(f'[ "$1" = "two words" ] && [ "$A" = b ] || exit 3\n{say(token=server.token)}')
    config = write_config(
        execs(provideClusterInfo=True, args=["two words"], env=[{"name": "A", "value": "b"}])
    )
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, env={"A": "other"}, input=gpu)
    assert done.rc == 0, done.err
    ca = base64.b64encode(pathlib.Path(server.ca_file).read_bytes()).decode()
    assert script.info["spec"] == {
        "interactive": False,
        "cluster": {"server": server.url, "certificate-authority-data": ca},
    }


def test_plugin_of_the_path(server, nodeprep, gpu, write_config, plugin):
    script = plugin(say(token=server.token))
    config = write_config(execs(command="nodeprep-login"))
    env = {"PATH": f"/no/such:{script.path.parent}:/usr/bin:/bin"}
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, env=env, input=gpu)
    assert done.rc == 0, done.err
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu)
    assert done.rc == 5
    assert "executable 'nodeprep-login' not found" in done.err


def test_plugin_speaks_on_standard_error(server, nodeprep, gpu, write_config, plugin):
    plugin(f"echo please confirm on your phone >&2\n{say(token=server.token)}")
    done = nodeprep("plan", "-f", "-", "-o", "json", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 0, done.err
    assert "please confirm on your phone" in done.err
    assert done.json["kind"] == "Plan"


@pytest.mark.parametrize(
    "body, members, rc, says",
    [
        ("echo sekret-token; exit 7", {}, 5, "failed with exit code 7"),
        ("echo '{\"sekret-token'", {}, 5, "neither JSON nor YAML"),
        ("echo sekret-token", {}, 5, "its output is not an object"),
        ("yes sekret-token", {}, 5, "more than 1 MiB"),
        (say(V1BETA1, token="sekret-token"), {}, 5, "but returned version"),
        (say(token="sekret-token\n"), {}, 5, "holds a blank or a control character"),
        (say(clientCertificateData="sekret-token"), {}, 5, "a certificate without a key"),
        (say(clientCertificateData="sekret-token", clientKeyData="x"), {}, 5, "cannot be used"),
        ("", {"command": "no-such-login", "installHint": "get it\nthere"}, 5,
         "executable 'no-such-login' not found: get it there"),
        ("", {"interactiveMode": "Always"}, 5, "standard input is not a terminal"),
        ("", {"apiVersion": "client.authentication.k8s.io/v1alpha1"}, 3, "invalid apiVersion"),
        ("", {"apiVersion": None}, 3, "needs an apiVersion"),
        ("", {"interactiveMode": None}, 3, "interactiveMode must be specified"),
        ("", {"command": None}, 3, "needs a command"),
    ],
)
def test_plugin_failures(nodeprep, gpu, write_config, plugin, body, members, rc, says):
    plugin(body)
    config = write_config(execs(**members))
    done = nodeprep("plan", "-f", "-", "-v=9", "--kubeconfig", config, input=gpu)
    assert done.rc == rc, done.err
    assert says in done.err
    assert "sekret-token" not in done.err.replace("yes: sekret-token", "")
    assert len([line for line in done.err.splitlines() if line.startswith("error:")]) == 1


def test_plugin_that_hangs_ends_at_the_deadline(nodeprep, gpu, write_config, plugin):
    plugin("exec sleep 60")
    config = write_config(execs())
    done = nodeprep("plan", "-f", "-", "--timeout", "2s", "--kubeconfig", config, input=gpu, timeout=30)
    assert done.rc == 6
    assert "did not end in time" in done.err


def test_plugin_is_not_asked_where_there_is_another_way(server, nodeprep, gpu, write_config, plugin):
    script = plugin(say(token="wrong-token-of-nobody"))
    config = write_config({"token": server.token, **execs()})
    assert nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu).rc == 0
    config = write_config(execs())
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, "--token", server.token, input=gpu)
    assert done.rc == 0, done.err
    assert script.runs == 0


@real_only
def test_plugin_gives_a_client_certificate(server, nodeprep, gpu, write_config, plugin):
    cert = pathlib.Path(server.client_cert).read_text()
    key = pathlib.Path(server.client_key).read_text()
    script = plugin(say(clientCertificateData=cert, clientKeyData=key))
    done = nodeprep("apply", "-f", "-", "--kubeconfig", write_config(execs()), input=gpu)
    assert done.rc == 0, done.err
    assert script.runs == 1
    assert {r["user"] for r in server.requests() if "nodeprep/" in r["userAgent"]} == {"cert-admin"}


# --- tokens ---------------------------------------------------------------------------------------


def test_who_is_refused_is_said(server, nodeprep, gpu, write_config, tmp_path):
    wrong = "wrong-token-of-nobody"
    (tmp_path / "wrong").write_text(wrong)
    own = write_config({"token": server.token})
    for flags, who in (
        (["--kubeconfig", own, "--token", wrong], "the credentials of --token (401)"),
        (["--kubeconfig", write_config({"token": wrong}, "a")], "the credentials of user 'e2e' (401)"),
        (["--kubeconfig", write_config({"tokenFile": str(tmp_path / "wrong")}, "b")],
         "the credentials of user 'e2e' (401)"),
    ):
        done = nodeprep("plan", "-f", "-", *flags, input=gpu)
        assert done.rc == 5
        assert who in done.err
        assert wrong not in done.err


def test_no_credentials_are_told(nodeprep, gpu, write_config):
    done = nodeprep("plan", "-f", "-", "--kubeconfig", write_config({}), input=gpu)
    assert done.rc == 5
    # The servers know such a user, as system:anonymous, who may do nothing.
    assert "system:anonymous" in done.err and "no credentials were sent" in done.err


def test_token_file_wins_while_it_can_be_read(server, nodeprep, gpu, write_config, tmp_path):
    (tmp_path / "kube").mkdir()
    (tmp_path / "kube" / "tok").write_text(server.token + "\n")
    config = write_config({"token": "wrong-token-of-nobody", "tokenFile": "tok"})
    assert nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu).rc == 0
    config = write_config({"token": server.token, "tokenFile": "none"})
    assert nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu).rc == 0
    config = write_config({"tokenFile": "none"})
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu)
    assert done.rc == 3
    assert "tokenFile" in done.err and "no such file" in done.err


# --- merged files ---------------------------------------------------------------------------------


def test_first_file_wins_entry_by_entry(server, ns, nodeprep, gpu, write_config, tmp_path):
    """kubectl's rules: an entry is taken whole from the first file that has it, current-context from
    the first that sets it, and a file's relative paths count from its own folder."""
    (tmp_path / "kube" / "sub").mkdir(parents=True)
    (tmp_path / "kube" / "sub" / "tok").write_text(server.token)
    first = write_config({}, "first", users=[], **{"current-context": ""})
    second = write_config({"tokenFile": "tok"}, "sub/second", clusters=[
        {"name": "e2e", "cluster": {"server": "https://127.0.0.1:1"}},
    ])
    third = write_config({"token": "wrong-token-of-nobody"}, "third", **{"current-context": "none"})
    for files in (f"{first}:{second}:{third}", f"/no/such/file:{first}::{second}:{third}"):
        done = nodeprep("plan", "-f", "-", env={"KUBECONFIG": files}, input=gpu)
        assert done.rc == 0, done.err
    done = nodeprep("plan", "-f", "-", env={"KUBECONFIG": f"{third}:{first}:{second}"}, input=gpu)
    assert done.rc == 2
    assert "context 'none' does not exist" in done.err and "'e2e'" in done.err
    done = nodeprep("plan", "-f", "-", "--kubeconfig", "/no/such/file", input=gpu)
    assert done.rc == 3
    assert "/no/such/file" in done.err


def test_flags_choose_context_cluster_and_user(server, nodeprep, gpu, write_config):
    entry = {"name": "other", "user": {"token": server.token}}
    config = write_config({}, users=[{"name": "e2e", "user": {"token": "wrong-token"}}, entry])
    assert nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu).rc == 5
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, "--user", "other", input=gpu)
    assert done.rc == 0, done.err
    for flag in ("--context", "--cluster", "--user"):
        done = nodeprep("plan", "-f", "-", "--kubeconfig", config, flag, "nobody", input=gpu)
        assert done.rc == 2
        assert "'nobody' does not exist" in done.err and "'e2e'" in done.err


# --- impersonation --------------------------------------------------------------------------------


def test_groups_without_a_user_are_refused(nodeprep, gpu, server, write_config):
    done = nodeprep("plan", "-f", "-", "--as-group", "g", input=gpu)
    assert done.rc == 2
    assert "without impersonating a user" in done.err
    config = write_config({"token": server.token, "as-uid": "7"})
    done = nodeprep("plan", "-f", "-", "--kubeconfig", config, input=gpu)
    assert done.rc == 2
    assert "without impersonating a user" in done.err


@real_only
def test_impersonation(server, ns, nodeprep, gpu, write_config, get_class):
    done = nodeprep("apply", "-f", "-", "--as", "viewer", input=gpu)
    assert done.rc == 5
    assert "may not patch virtualmachineclasses.vmoperator.vmware.com" in done.err
    assert '"viewer"' in done.err
    done = nodeprep("plan", "-f", "-", "--as", "nobody", input=gpu)
    assert done.rc == 5
    server.mark()
    groups = ["--as-group", "domain users", "--as-group=system:masters", "--as-uid", "7"]
    done = nodeprep("apply", "-f", "-", "--as", "no body", *groups, input=gpu)
    assert done.rc == 0, done.err
    config = write_config(
        {
            "token": server.token,
            "as": "someone",
            "as-groups": ["system:masters"],
            "as-user-extra": {"example.org/Reason": ["a", "b c"]},
        }
    )
    done = nodeprep("diff", "-f", "-", "--kubeconfig", config, input=gpu)
    assert done.rc == 0, done.err
    # A flag replaces the user alone.
    done = nodeprep("diff", "-f", "-", "--kubeconfig", config, "--as", "else", input=gpu)
    assert done.rc == 0, done.err
    events = [json.loads(line) for line in (server.folder / "audit.log").read_text().splitlines()]
    seen = [e["impersonatedUser"] for e in events if e.get("impersonatedUser")]
    assert {"username": "no body", "uid": "7", "groups": ["domain users", "system:masters", "system:authenticated"]} in seen
    extra = [u for u in seen if u["username"] == "someone"]
    assert extra and extra[0]["extra"] == {"example.org/reason": ["a", "b c"]}
    assert "else" in {u["username"] for u in seen}


# --- a token that is replaced while the run lasts -------------------------------------------------


@pytest.mark.parametrize("is_replaced", [True, False])
def test_token_file_is_read_again_on_a_401(nodeprep, tmp_path, is_replaced):
    """The server takes the second token alone, which is in the file only after the first request."""
    first, second = "first-token-of-many", "second-token-of-many"
    path = tmp_path / "tok"
    path.write_text(first)
    seen = []

    def answer(request):
        seen.append(request.headers["Authorization"])
        path.write_text(second if is_replaced else first)
        request.send_response(404 if seen[-1] == f"Bearer {second}" else 401)
        request.send_header("Content-Length", "0")
        request.end_headers()

    with answering(answer) as url:
        config = {
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"tokenFile": "tok"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        done = nodeprep("plan", "-f", "-", "-v=9", "--kubeconfig", tmp_path / "config",
                        input=dump(pool("ml", "w", "gpu")))
    assert "token-of-many" not in done.err
    if is_replaced:
        assert done.rc == 4  # no such API group
        assert seen == [f"Bearer {first}", f"Bearer {second}"]
    else:
        assert done.rc == 5
        assert seen == [f"Bearer {first}"]
