# SPDX-License-Identifier: Apache-2.0
"""The same kubeconfigs and flags, given to the real kubectl and to nodeprep: both get in, or neither.

Where they differ on purpose, the row says so.
"""

import base64
import pathlib
import subprocess

import pytest
import yaml

import servers
from builders import A100, V1, V1BETA1, dump, execs, hardware, pool, say
from proxies import Proxy

pytestmark = pytest.mark.real_only


@pytest.fixture(scope="session")
def kubectl():
    path = servers.find_apiserver().with_name("kubectl")
    assert path.exists()
    return path


@pytest.fixture
def compare(server, ns, nodeprep, put_class, kubectl, tmp_path):
    """compare(*flags, env) runs both and returns (kubectl got in, nodeprep got in, their words)."""
    put_class(ns, "gpu", hardware(A100))
    text = dump(pool(ns, "w", "gpu"))

    def run(*flags, env=None):
        ours = nodeprep("plan", "-f", "-", *flags, env=env, input=text)
        given = {"HOME": str(tmp_path), "KUBECONFIG": server.kubeconfig, "PATH": "/usr/bin:/bin"}
        given = {name: value for name, value in {**given, **(env or {})}.items() if value is not None}
        theirs = subprocess.run(
            [kubectl, "get", "--raw", f"/apis/{servers.GROUP}/v1alpha6/namespaces/{ns}/virtualmachineclasses/gpu", *flags],
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", env=given,
            cwd=tmp_path, timeout=60, check=False,
        )
        return theirs.returncode == 0, ours.rc == 0, f"kubectl: {theirs.stderr}\nnodeprep: {ours.err}"

    return run


def pem(path):
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


# Each makes a user of a kubeconfig out of the server, and says who gets in: both, neither, or one.
USERS = {
    "token": (lambda s: {"token": s.token}, "both"),
    "wrong token": (lambda s: {"token": "wrong"}, "neither"),
    "nothing": (lambda s: {}, "neither"),
    "certificate": (lambda s: {"client-certificate": s.client_cert, "client-key": s.client_key}, "both"),
    "certificate inline": (
        lambda s: {"client-certificate-data": pem(s.client_cert), "client-key-data": pem(s.client_key)},
        "both",
    ),
    "certificate without key": (lambda s: {"client-certificate": s.client_cert}, "neither"),
    "key without certificate": (lambda s: {"token": s.token, "client-key": s.client_key}, "kubectl"),
    "certificate file missing": (
        lambda s: {"client-certificate": "/no/such", "client-key": s.client_key}, "neither",
    ),
    "token file missing": (lambda s: {"tokenFile": "/no/such"}, "neither"),
    "token and token file missing": (lambda s: {"token": s.token, "tokenFile": "/no/such"}, "both"),
    "token and certificate": (
        lambda s: {"token": s.token, "client-certificate": s.client_cert, "client-key": s.client_key},
        "both",
    ),
    # Kubectl wants one way to log in alone; the token is the one that is used here.
    "token and password": (lambda s: {"token": s.token, "username": "a", "password": "b"}, "nodeprep"),
    # Kubectl says that the data wins, and refuses.
    "certificate twice": (
        lambda s: {
            "client-certificate": "/no/such", "client-certificate-data": pem(s.client_cert),
            "client-key-data": pem(s.client_key),
        },
        "nodeprep",
    ),
    "data that is not base64": (
        lambda s: {"client-certificate-data": "x!", "client-key-data": pem(s.client_key)}, "neither",
    ),
    "password": (lambda s: {"username": "a", "password": "b"}, "neither"),
    "auth-provider": (lambda s: {"auth-provider": {"name": "gcp"}}, "neither"),
    "as": (lambda s: {"token": s.token, "as": "viewer"}, "both"),
    "as nobody": (lambda s: {"token": s.token, "as": "nobody"}, "neither"),
    "as with groups": (
        lambda s: {"token": s.token, "as": "nobody", "as-groups": ["x y", "system:masters"]}, "both",
    ),
    "groups alone": (lambda s: {"token": s.token, "as-groups": ["system:masters"]}, "neither"),
    "as with uid and extra": (
        lambda s: {"token": s.token, "as": "viewer", "as-uid": "7", "as-user-extra": {"a/B c": ["d"]}},
        "both",
    ),
}


@pytest.mark.parametrize("name", USERS)
def test_users(server, compare, write_config, name):
    make, who = USERS[name]
    theirs, ours, words = compare("--kubeconfig", write_config(make(server)))
    assert (theirs, ours) == (who in ("both", "kubectl"), who in ("both", "nodeprep")), words


PLUGINS = {
    "v1": (V1, {}, True),
    "v1beta1": (V1BETA1, {}, True),
    "v1beta1 without mode": (V1BETA1, {"interactiveMode": None}, True),
    "v1 without mode": (V1, {"interactiveMode": None}, False),
    "v1 with an odd mode": (V1, {"interactiveMode": "never"}, False),
    "v1alpha1": ("client.authentication.k8s.io/v1alpha1", {}, False),
    "no version": (V1, {"apiVersion": None}, False),
    "of another folder": (V1, {"command": "../kube/nodeprep-login"}, True),
    "in PATH": (V1, {"command": "nodeprep-login"}, False),
    "always interactive": (V1, {"interactiveMode": "Always"}, False),
    "variable without a name": (V1, {"env": [{"value": "x"}]}, False),
    "variable without a value": (V1, {"env": [{"name": "X"}]}, True),
    "with the cluster": (V1, {"provideClusterInfo": True}, True),
    "with arguments": (V1, {"args": ["a", ""]}, True),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins(server, compare, write_config, plugin, name):
    version, members, gets_in = PLUGINS[name]
    plugin(say(version, token=server.token))
    theirs, ours, words = compare("--kubeconfig", write_config(execs(version, **members)))
    assert (theirs, ours) == (gets_in, gets_in), words


OUTPUTS = {
    "YAML": (f"printf 'kind: ExecCredential\\napiVersion: {V1}\\nstatus: {{token: %s}}\\n' TOKEN", True),
    "another version": (say(V1BETA1, token="TOKEN"), False),
    "no status": (f"echo '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{V1}\"}}'", False),
    "an empty token": (say(token=""), False),
    "garbage": ("echo TOKEN", False),
    "nothing": ("", False),
    "exit status": (say(token="TOKEN") + "\nexit 1", False),
    "expired": (say(token="TOKEN", expirationTimestamp="2001-01-01T00:00:00Z"), True),
    "a time that is none": (say(token="TOKEN", expirationTimestamp="2001-01-01"), False),
    "a token with a newline": (say(token="TOKEN\n"), False),
    "a certificate alone": (say(token="TOKEN", clientCertificateData="x"), False),
    "a certificate that is none": (say(clientCertificateData="x", clientKeyData="y"), False),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(server, compare, write_config, plugin, name):
    body, gets_in = OUTPUTS[name]
    plugin(body.replace("TOKEN", server.token))
    theirs, ours, words = compare("--kubeconfig", write_config(execs()))
    assert (theirs, ours) == (gets_in, gets_in), words


def test_what_a_plugin_is_told_is_the_same(server, compare, write_config, plugin, kubectl):
    script = plugin(f'printf "%s\\n" "$KUBERNETES_EXEC_INFO" >>"$0.all"\n{say(token=server.token)}')
    config = write_config(execs(provideClusterInfo=True))
    with open(config, encoding="utf-8") as file:
        content = yaml.safe_load(file)
    content["clusters"][0]["cluster"]["extensions"] = [
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x", "list": [1]}},
    ]
    content["clusters"][0]["cluster"]["tls-server-name"] = "localhost"
    content["clusters"][0]["cluster"]["disable-compression"] = True
    pathlib.Path(config).write_text(yaml.safe_dump(content))
    theirs, ours, words = compare("--kubeconfig", config)
    assert theirs and ours, words
    told = [yaml.safe_load(line) for line in pathlib.Path(f"{script.path}.all").read_text().split("\n") if line]
    assert len(told) == 2
    assert told[0] == told[1]


FLAGS = {
    "--token": (lambda s: ["--token", s.token], True),
    "--token that is wrong": (lambda s: ["--token", "wrong"], False),
    "--as": (lambda s: ["--as", "viewer"], True),
    "--as-group": (lambda s: ["--as", "nobody", "--as-group", "a", "--as-group=system:masters"], True),
    "--as-group alone": (lambda s: ["--as-group", "system:masters"], False),
    "--as-uid alone": (lambda s: ["--as-uid", "7"], False),
    "--as-uid": (lambda s: ["--as", "viewer", "--as-uid", "7"], True),
    "--context": (lambda s: ["--context", "none"], False),
    "--cluster": (lambda s: ["--cluster", "none"], False),
    "--user": (lambda s: ["--user", "none"], False),
    "--server": (lambda s: ["--server", f"https://localhost:{s.port}"], True),
    # Kubectl takes that for http, and so would send a token in the clear, had it no other rule.
    "--server without scheme": (lambda s: ["--server", f"localhost:{s.port}"], "nodeprep"),
    "--tls-server-name": (lambda s: ["--tls-server-name", "localhost"], True),
    "--tls-server-name that is wrong": (lambda s: ["--tls-server-name", "kube.lab"], False),
    "--certificate-authority": (lambda s: ["--certificate-authority", s.ca_file], True),
    "--certificate-authority that is wrong": (lambda s: ["--certificate-authority", s.client_cert], False),
    "--insecure-skip-tls-verify": (lambda s: ["--insecure-skip-tls-verify"], True),
    "--insecure-skip-tls-verify and a CA": (
        lambda s: ["--insecure-skip-tls-verify", "--certificate-authority", s.ca_file], False,
    ),
    "--disable-compression": (lambda s: ["--disable-compression"], True),
    "--request-timeout": (lambda s: ["--request-timeout", "10"], True),
    "--request-timeout with a unit": (lambda s: ["--request-timeout", "1m10s"], True),
    "--request-timeout 0": (lambda s: ["--request-timeout", "0"], True),
    "--request-timeout that is none": (lambda s: ["--request-timeout", "soon"], False),
    "--kubeconfig that is missing": (lambda s: ["--kubeconfig", "/no/such"], False),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags(server, compare, name):
    make, gets_in = FLAGS[name]
    theirs, ours, words = compare(*make(server))
    assert (theirs, ours) == (gets_in is True, gets_in is not False), words


NO_PROXIES = ["", "*", "x,*", "invalid", ".invalid", "*.invalid", "kube.invalid", ".kube.invalid",
              "*.kube.invalid", "KUBE.INVALID", "be.invalid", "kube.invalid:1", "kube.invalid:PORT", " kube.invalid "]


@pytest.mark.parametrize("no_proxy", NO_PROXIES)
def test_no_proxy(server, compare, tmp_path, no_proxy):
    """The name is known to the proxy alone, so that who goes around it does not get in."""
    with Proxy() as proxy:
        env = {
            "HTTPS_PROXY": f"http://{proxy.address}",
            "NO_PROXY": no_proxy.replace("PORT", str(server.port)),
        }
        flags = ["--server", f"https://kube.invalid:{server.port}", "--tls-server-name", "localhost"]
        theirs, ours, words = compare(*flags, env=env)
        assert theirs == ours, words


def test_merged_files(server, compare, write_config, tmp_path):
    """Every order of three files that contradict each other."""
    wrong = [{"name": "e2e", "cluster": {"server": "https://127.0.0.1:1"}}]
    files = [
        write_config({"token": server.token}, "a", **{"current-context": ""}),
        write_config({"token": "wrong"}, "b", **{"current-context": "none"}),
        write_config({}, "c", users=[], clusters=wrong),
        "/no/such",
    ]
    outcomes = set()
    for first in files:
        for second in files:
            for third in files:
                chosen = f"{first}:{second}::{third}"
                theirs, ours, words = compare(env={"KUBECONFIG": chosen})
                assert theirs == ours, f"{chosen}\n{words}"
                outcomes.add(ours)
    assert outcomes == {True, False}
