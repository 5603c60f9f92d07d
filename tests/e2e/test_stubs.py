# SPDX-License-Identifier: Apache-2.0
"""The static binary calls no stub (hack/archives.sh): each feature of libcurl that it offers works."""

import contextlib
import gzip
import http.server
import pathlib
import re
import threading

import pytest
import yaml

import servers
from proxies import Proxy
from test_main_job import A100, SIZE, dump, hardware, keys_of, pool

# The libraries that Debian cannot link statically.
STUBBED = re.compile(r"(gss|GSS|ldap|ber|RTMP)_")


@pytest.fixture
def pools(ns, put_class):
    put_class(ns, "gpu", hardware(A100))
    return dump(pool(ns, "w", "gpu"))


@pytest.fixture
def kubeconfig(server, tmp_path):
    """kubeconfig(**fields) writes the server's kubeconfig with these fields in its cluster;
    a value of None takes a field away."""

    def write(**fields):
        path = tmp_path / "config"
        config = yaml.safe_load(pathlib.Path(server.write_kubeconfig(path, server.token)).read_text())
        cluster = config["clusters"][0]["cluster"] | {k.replace("_", "-"): v for k, v in fields.items()}
        config["clusters"][0]["cluster"] = {k: v for k, v in cluster.items() if v is not None}
        path.write_text(yaml.safe_dump(config))
        return str(path)

    return write


@contextlib.contextmanager
def http2_proxy(server, folder):
    """nghttpx in front of the server; yields its port, its CA and the file that logs its requests."""
    folder.mkdir()
    certs = servers.Certificates(folder)
    (port,) = servers.free_ports(1)
    log = folder / "access.log"
    argv = ["nghttpx", "--conf=/dev/null", "--workers=1", "--no-ocsp", "--insecure"]
    argv += [f"--frontend=127.0.0.1,{port}", f"--backend=127.0.0.1,{server.port};;tls"]
    argv += [f"--accesslog-file={log}", "--accesslog-format=$alpn $request"]
    argv += [certs.server_key, certs.server]
    with contextlib.ExitStack() as stack:
        process = servers.start(stack, argv, folder / "nghttpx.log")
        servers.wait_until("nghttpx", lambda: servers.accepts(port), process, folder / "nghttpx.log")
        yield port, certs.ca, log


def test_http2(server, ns, nodeprep, pools, kubeconfig, get_class, tmp_path):
    with http2_proxy(server, tmp_path / "nghttpx") as (port, ca, log):
        path = kubeconfig(server=f"https://127.0.0.1:{port}", certificate_authority=str(ca))
        done = nodeprep("apply", "-f", "-", "--kubeconfig", path, input=pools)
        assert done.rc == 0, done.err
        lines = servers.wait_until("the log", lambda: [
            line for line in log.read_text().splitlines() if " PATCH " in f" {line}"])
    assert all(re.fullmatch(r"h2 PATCH \S+ HTTP/2(\.0)?", line) for line in lines), lines
    assert (SIZE, "512") in keys_of(get_class(ns, "gpu"))


@contextlib.contextmanager
def packing_relay(server):
    """Answers GET over plain HTTP/1.1 with the server's answer, gzipped; yields its URL, and the
    Accept-Encoding of each request."""
    offered = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            offered.append(self.headers["Accept-Encoding"])
            status, _, raw = server.request_raw("GET", self.path)
            body = gzip.compress(raw)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}", offered
        finally:
            running.shutdown()
            thread.join()


def test_http1_and_gzip(server, nodeprep, pools):
    with packing_relay(server) as (url, offered):
        done = nodeprep("plan", "-f", "-", "-s", url, env={"KUBECONFIG": None}, input=pools)
    assert done.rc == 0, done.err
    assert "512 GB" in done.out
    # A coding that the client offers must have a test here.
    assert offered and set(offered) == {"gzip"}


def test_name_lookup(server, nodeprep, pools, kubeconfig):
    path = kubeconfig(server=f"https://localhost:{server.port}")
    done = nodeprep("apply", "-f", "-", "--kubeconfig", path, input=pools)
    assert done.rc == 0, done.err


def test_unknown_name(nodeprep, pools, kubeconfig):
    path = kubeconfig(server="https://kube.nodeprep.invalid")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, "--timeout", "1s", input=pools)
    assert (done.rc, "kube.nodeprep.invalid" in done.err) == (6, True), done.err


# The program sets no locale: a name is UTF-8, whatever the environment says.
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "de_DE.ISO-8859-1"])
def test_idn_host(server, nodeprep, pools, kubeconfig, locale):
    with Proxy("connect") as proxy:
        path = kubeconfig(
            server=f"https://b\u00fccher.nodeprep.invalid:{server.port}", certificate_authority=None,
            insecure_skip_tls_verify=True, proxy_url=f"http://{proxy.address}",
        )
        done = nodeprep("apply", "-f", "-", "--kubeconfig", path, input=pools, env={"LC_ALL": locale})
        assert done.rc == 0, done.err
        assert proxy.asked == [f"xn--bcher-kva.nodeprep.invalid:{server.port}"]


@pytest.mark.parametrize("kind, scheme", [("connect", "http"), ("socks5", "socks5")])
def test_proxy(server, nodeprep, pools, kubeconfig, kind, scheme):
    with Proxy(kind) as proxy:
        path = kubeconfig(proxy_url=f"{scheme}://{proxy.address}")
        done = nodeprep("apply", "-f", "-", "--kubeconfig", path, input=pools)
        assert (done.rc, len(proxy.asked)) == (0, 1), done.err


@pytest.mark.parametrize("program", ["nodeprep", "nodeprep-hookd", "nodeprep-sim"])
def test_stubs_of_the_known_libraries_only(program):
    """Another name means that a library became needed: add its -dev package to hack/deps.sh."""
    names = (servers.BIN_DIR / f"{program}.stubs").read_text().split()
    assert [name for name in names if not STUBBED.match(name)] == []
