# SPDX-License-Identifier: Apache-2.0
"""The way to the server: proxies, IPv6, trust, and what each error says."""

import base64
import contextlib
import json
import pathlib
import shutil
import subprocess
import time
import zlib

import pytest
import yaml

import servers
from builders import A100, answering, dump, hardware, pool
from proxies import Proxy

NAME = "kube.nodeprep.invalid"  # resolved by no name server; the proxies know it


@pytest.fixture
def kubeconfig(server, tmp_path):
    """kubeconfig(**fields) writes the server's kubeconfig with these fields in its cluster; a value
    of None takes a field away."""

    def write(**fields):
        path = tmp_path / "config"
        config = yaml.safe_load(pathlib.Path(server.write_kubeconfig(path, server.token)).read_text())
        cluster = config["clusters"][0]["cluster"]
        cluster.update({name.replace("_", "-"): value for name, value in fields.items()})
        config["clusters"][0]["cluster"] = {k: v for k, v in cluster.items() if v is not None}
        path.write_text(yaml.safe_dump(config))
        return str(path)

    return write


@pytest.fixture
def by_name(server, kubeconfig):
    """A kubeconfig whose server only a proxy can find."""
    return lambda **fields: kubeconfig(
        server=f"https://{NAME}:{server.port}", tls_server_name="localhost", **fields
    )


# --- proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, scheme", [("connect", "http"), ("socks5", "socks5")])
def test_proxy_url_is_used_for_every_address(server, nodeprep, gpu, kubeconfig, kind, scheme):
    with Proxy(kind) as proxy:
        path = kubeconfig(proxy_url=f"{scheme}://{proxy.address}")
        done = nodeprep("apply", "-f", "-", "--kubeconfig", path, input=gpu)
        assert done.rc == 0, done.err
        # One connection for the whole run, through the proxy too.
        assert proxy.asked == [f"127.0.0.1:{server.port}"]


@pytest.mark.parametrize("kind, scheme", [("connect", "http"), ("socks5", "socks5")])
def test_the_proxy_resolves_the_name(server, nodeprep, gpu, by_name, kind, scheme):
    with Proxy(kind) as proxy:
        path = by_name(proxy_url=f"{scheme}://{proxy.address}")
        done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
        assert done.rc == 0, done.err
        assert proxy.asked == [f"{NAME}:{server.port}"]


def test_proxy_with_a_password(nodeprep, gpu, by_name):
    with Proxy(login="us er:pass word-1") as proxy:
        path = by_name(proxy_url=f"http://us%20er:pass%20word-1@{proxy.address}")
        done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
        assert done.rc == 0, done.err
        for userinfo in ("", "us%20er:wrong-word@"):
            path = by_name(proxy_url=f"http://{userinfo}{proxy.address}")
            done = nodeprep("plan", "-f", "-", "-v=9", "--kubeconfig", path, input=gpu)
            assert done.rc == 5
            assert "user and password" in done.err and "(407)" in done.err
            assert "wrong-word" not in done.err


@pytest.mark.parametrize(
    "env, is_used",
    [
        ({"HTTPS_PROXY": "http://{}"}, True),
        ({"https_proxy": "{}"}, True),
        ({"HTTPS_PROXY": "", "https_proxy": "http://{}"}, True),
        ({"HTTPS_PROXY": "socks5://{}"}, None),
        ({"HTTP_PROXY": "http://{}"}, False),
        ({"ALL_PROXY": "http://{}", "all_proxy": "http://{}"}, False),
        ({"HTTPS_PROXY": "http://{}", "NO_PROXY": "nodeprep.invalid"}, False),
        ({"HTTPS_PROXY": "http://{}", "no_proxy": "a, *.nodeprep.invalid"}, False),
        ({"HTTPS_PROXY": "http://{}", "NO_PROXY": NAME + ":1"}, True),
        ({"HTTPS_PROXY": "http://{}", "NO_PROXY": "epr.invalid"}, True),
    ],
)
def test_proxy_variables_are_read_as_go_reads_them(nodeprep, gpu, by_name, env, is_used):
    kind = "socks5" if is_used is None else "connect"
    with Proxy(kind) as proxy:
        env = {name: value.format(proxy.address) for name, value in env.items()}
        done = nodeprep("plan", "-f", "-", "--kubeconfig", by_name(), env=env, input=gpu)
        assert bool(proxy.asked) == (is_used is not False)
    if is_used is False:
        assert done.rc == 6
        assert "cannot be resolved" in done.err
    else:
        assert done.rc == 0, done.err


def test_loopback_is_reached_without_the_variables_proxy(nodeprep, gpu, kubeconfig):
    with Proxy() as proxy:
        env = {"HTTPS_PROXY": f"http://{proxy.address}"}
        done = nodeprep("plan", "-f", "-", "--kubeconfig", kubeconfig(), env=env, input=gpu)
        assert done.rc == 0, done.err
        assert proxy.asked == []


def test_proxy_that_refuses_or_is_not_there(nodeprep, gpu, by_name):
    with Proxy(status=403) as proxy:
        path = by_name(proxy_url=f"http://{proxy.address}")
        done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
        assert done.rc == 5
        assert "the proxy refused to connect (403)" in done.err
    with Proxy(status=503) as proxy:
        path = by_name(proxy_url=f"http://{proxy.address}")
        done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--timeout", "3s", input=gpu)
        assert done.rc == 6
        assert "(503)" in done.err
    path = by_name(proxy_url=f"http://{proxy.address}")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--timeout", "5s", input=gpu)
    assert done.rc == 6
    assert "connection refused" in done.err


def test_proxy_url_of_another_kind_is_refused_with_its_place(nodeprep, gpu, by_name):
    path = by_name(proxy_url="ftp://user:hunter2hunter2@127.0.0.1:1")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
    assert done.rc == 3
    assert "config:" in done.err and "proxy-url must start with http://" in done.err
    assert "hunter2hunter2" not in done.err


# --- trust ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    """A CA that signed nothing of the server."""
    folder = tmp_path_factory.mktemp("ca")
    argv = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    argv += ["ec_paramgen_curve:prime256v1", "-days", "2", "-subj", "/CN=other-ca"]
    argv += ["-out", folder / "ca.crt", "-keyout", folder / "ca.key"]
    subprocess.run([str(a) for a in argv], check=True, capture_output=True, timeout=60)
    return folder / "ca.crt"


def refused(done, *parts):
    assert done.rc == 5, done.err
    for part in ("the server's certificate", *parts):
        assert part in done.err
    assert "retry" not in done.err and "again in" not in done.err


def test_wrong_ca_is_named(server, nodeprep, gpu, kubeconfig, other_ca, tmp_path):
    path = kubeconfig(certificate_authority=str(other_ca))
    done = nodeprep("plan", "-f", "-", "-v=9", "--kubeconfig", path, input=gpu)
    refused(done, f"the certificate-authority '{other_ca}' of cluster 'e2e' in '{path}'", "issuer")
    data = base64.b64encode(other_ca.read_bytes()).decode()
    path = kubeconfig(certificate_authority=None, certificate_authority_data=data)
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
    refused(done, f"the certificate-authority-data of cluster 'e2e' in '{path}'")
    path = kubeconfig()
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--certificate-authority", other_ca, input=gpu)
    refused(done, f"the CA '{other_ca}'")
    path = kubeconfig(certificate_authority=None)
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
    refused(done, "any CA that this system trusts", "names none")
    flags = ["-s", server.url, "--token", server.token]
    done = nodeprep("plan", "-f", "-", *flags, env={"KUBECONFIG": None}, input=gpu)
    refused(done, "any CA that this system trusts", "--certificate-authority names one")


def test_wrong_host_name_tells_which_names_are_right(nodeprep, gpu, kubeconfig):
    path = kubeconfig(tls_server_name="kube.lab")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
    refused(done, "the host name 'kube.lab' is not in", "'localhost'", "'127.0.0.1'", "tls-server-name")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--tls-server-name", "localhost", input=gpu)
    assert done.rc == 0, done.err


def test_insecure_is_only_what_is_said(nodeprep, gpu, kubeconfig, other_ca):
    path = kubeconfig(certificate_authority=None, insecure_skip_tls_verify=True)
    assert nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu).rc == 0
    path = kubeconfig(insecure_skip_tls_verify=True)
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=gpu)
    assert done.rc == 3
    assert "insecure flag is not allowed" in done.err
    path = kubeconfig(certificate_authority=str(other_ca))
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--insecure-skip-tls-verify", input=gpu)
    assert done.rc == 0, done.err


# --- IPv6 -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server6(target):
    """A server of the same kind that listens on [::1]."""
    kind = servers.RealServer if target == "real" else servers.SimServer
    with kind(host="::1") as running:
        yield running


def test_ipv6(server6, nodeprep, put_class, tmp_path):
    assert server6.url.startswith("https://[::1]:")
    body = {
        "apiVersion": "vmoperator.vmware.com/v1alpha6",
        "kind": "VirtualMachineClass",
        "metadata": {"name": "gpu", "namespace": "ml"},
        "spec": hardware(A100),
    }
    path = "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
    server6.must("POST", path, body)
    text = dump(pool("ml", "w", "gpu"))
    done = nodeprep("apply", "-f", "-", "--kubeconfig", server6.kubeconfig, input=text)
    assert done.rc == 0, done.err
    with Proxy() as proxy:
        env = {"HTTPS_PROXY": f"http://{proxy.address}"}
        done = nodeprep("diff", "-f", "-", "--kubeconfig", server6.kubeconfig, env=env, input=text)
        assert done.rc == 0, done.err
        assert proxy.asked == []  # loopback


# --- limits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["1", "1s", "1000ms", "0", "0s", "1m30s"])
def test_request_timeout_is_read_as_kubectl_reads_it(nodeprep, gpu, kubeconfig, value):
    done = nodeprep("plan", "-f", "-", "--kubeconfig", kubeconfig(), "--request-timeout", value, input=gpu)
    assert done.rc == 0, done.err


@pytest.mark.parametrize("value", ["", "soon", "-1", "1x", "1.5.5s"])
def test_request_timeout_that_is_none_is_refused(nodeprep, gpu, kubeconfig, value):
    done = nodeprep("plan", "-f", "-", "--kubeconfig", kubeconfig(), f"--request-timeout={value}", input=gpu)
    assert done.rc == 2
    assert "--request-timeout" in done.err and f"'{value}'" in done.err


def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(nodeprep, gpu):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(b" " * (65 << 20)) + packer.flush()
    assert len(bomb) < 1 << 20

    def answer(request):
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(bomb)))
        request.end_headers()
        request.wfile.write(bomb)

    with answering(answer) as url:
        done = nodeprep("plan", "-f", "-", "-s", url, env={"KUBECONFIG": None}, input=gpu)
    assert done.rc == 5
    assert "larger than 64 MiB" in done.err


@pytest.mark.parametrize("flags", [["--timeout", "2s"], ["--timeout", "3s", "--request-timeout", "1"]])
def test_a_server_that_drips_does_not_outlive_the_limits(nodeprep, gpu, flags):
    def answer(request):
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(300):
                request.wfile.write(b" ")
                time.sleep(0.1)

    start = time.monotonic()
    with answering(answer) as url:
        done = nodeprep("plan", "-f", "-", "-s", url, *flags, env={"KUBECONFIG": None}, input=gpu)
        took = time.monotonic() - start
    assert done.rc == 6
    assert "no response within" in done.err
    assert took < 20


# --- in a pod -------------------------------------------------------------------------------------


def test_a_pod_s_service_account(server, ns, put_class, tmp_path):
    """proot, which needs no privileges, puts the files where a pod has them."""
    put_class(ns, "gpu", hardware(A100))
    document = pool(ns, "w", "gpu")
    del document["metadata"]["namespace"]
    account = tmp_path / "run/secrets/kubernetes.io/serviceaccount"
    account.mkdir(parents=True)
    (account / "namespace").write_text(ns)
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port),
        "HOME": str(tmp_path),
    }

    def run(token=server.token, ca=server.ca_file, **more):
        (account / "token").write_text(token)
        shutil.copyfile(ca, account / "ca.crt")
        argv = ["proot", f"--bind={tmp_path}/run:/run", servers.BIN_DIR / "nodeprep", "plan", "-f", "-", "-o", "json"]
        return subprocess.run(
            [str(a) for a in argv], input=dump(document), capture_output=True, encoding="utf-8",
            env={**env, **more}, timeout=60, check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pools"][0]["namespace"] == ns
    done = run(token="wrong-token-of-nobody")
    assert done.returncode == 5
    assert "the credentials of the pod's service account (401)" in done.stderr
    done = run(ca="/etc/passwd")
    assert done.returncode == 5
    assert "CA" in done.stderr
    done = run(KUBERNETES_SERVICE_HOST="")
    assert done.returncode == 2
    assert "no API server is configured" in done.stderr
