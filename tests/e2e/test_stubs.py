# SPDX-License-Identifier: Apache-2.0
"""The static binary calls no stub (hack/archives.sh): each feature of libcurl that it offers works."""

import contextlib
import gzip
import http.server
import os
import pathlib
import re
import subprocess
import threading

import pytest
import yaml

import servers
from proxies import Proxy, http2_proxy
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


def test_name_lookup(server, nodeprep, pools, kubeconfig, tmp_path):
    """With another hosts file: libcurl knows "localhost" without any lookup. proot needs no privileges."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 kube.nodeprep.test\n")
    path = kubeconfig(server=f"https://kube.nodeprep.test:{server.port}", tls_server_name="localhost")
    argv = ["proot", f"--bind={hosts}:/etc/hosts", servers.BIN_DIR / "nodeprep", "apply", "-f", "-", "--kubeconfig", path]
    done = subprocess.run([str(a) for a in argv], input=pools, env={"PATH": os.environ["PATH"]}, capture_output=True,
                          encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr


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


# --- the build's scripts --------------------------------------------------------------------------

OPTIONAL = ("idn2", "psl", "ssh2", "unistring", "zstd", "brotlidec", "brotlicommon", "nghttp3")


def hack(script, *args, cc="gcc", **env):
    argv = [servers.REPO / "hack" / script, *args]
    return subprocess.run([str(a) for a in argv], env={"PATH": os.environ["PATH"], "CC": str(cc), **env}, text=True,
                          capture_output=True, timeout=120, check=False)


def compiler_without(folder, *libraries):
    """A gcc for which these libraries have no archives."""
    path = folder / "cc"
    missing = " | ".join(f"-print-file-name=lib{name}.a" for name in libraries)
    path.write_text(f'#!/bin/sh\ncase $1 in {missing}) echo "${{1#*=}}" ;; *) exec gcc "$@" ;; esac\n')
    path.chmod(0o755)
    return path


def link(folder, *objects):
    """Links the objects with what hack/archives.sh left in the folder."""
    stubs = folder / "stubs.o"
    subprocess.run(["gcc", "-fPIE", "-c", folder / "stubs.c", "-o", stubs], check=True, timeout=120)
    words = (folder / "libs").read_text().split()
    return hack("link.sh", folder / "out", folder / "stubs", "gcc", "-static-pie", "-Wl,--gc-sections",
                *objects, *words, stubs)


def test_missing_archive_is_named(tmp_path):
    done = hack("archives.sh", tmp_path, cc=compiler_without(tmp_path, "yaml"))
    assert done.returncode == 1
    assert done.stderr == "archives.sh: libyaml.a is missing: hack/deps.sh build installs the -dev packages\n"


def test_linker_error_names_the_archive_and_what_it_lacks(tmp_path):
    assert hack("archives.sh", tmp_path).returncode == 0
    libs = tmp_path / "libs"
    libs.write_text(libs.read_text().replace(" -lnghttp2 ", " "))
    main = tmp_path / "main.c"
    main.write_text("int curl_global_init(long);\nint main(void)\n{\n\treturn curl_global_init(3);\n}\n")
    done = link(tmp_path, main)
    lines = done.stderr.splitlines()
    expected = re.escape(f"{tmp_path}/out: libcurl.a needs ") + r"'nghttp2_\w+', which no archive defines"
    assert done.returncode == 1 and lines
    assert [line for line in lines if not re.fullmatch(expected, line)] == []


@pytest.mark.parametrize(("env", "kept"), [({}, False), ({"STRIP": "strip"}, False), ({"STRIP": ""}, True)])
def test_an_empty_STRIP_keeps_the_symbols(tmp_path, env, kept):
    source, stubs = tmp_path / "main.c", tmp_path / "stubs"
    source.write_text("int main(void)\n{\n\treturn 0;\n}\n")
    stubs.write_text("")
    done = hack("link.sh", tmp_path / "out", stubs, "gcc", source, **env)
    assert done.returncode == 0, done.stderr
    symbols = subprocess.run(["nm", tmp_path / "out"], capture_output=True, text=True, check=True).stdout
    assert (" T main\n" in symbols) == kept


def test_without_optional_archives(tmp_path, server, nodeprep, pools, kubeconfig, monkeypatch):
    """What libcurl calls while it starts answers "not available"; a host name with umlauts is refused."""
    assert hack("archives.sh", tmp_path, cc=compiler_without(tmp_path, *OPTIONAL)).returncode == 0
    assert "idn2_check_version" in (tmp_path / "stubs").read_text().split()
    # Those of today's sources: the build folder may have objects of older ones.
    sources = sorted(f for d in ("common", "nodeprep") for f in (servers.REPO / "cmd" / d).glob("*.c"))
    objects = [
        servers.BIN_DIR / "obj/cmd" / f.parent.name / f"{f.stem}.o" for f in sources if not f.stem.endswith("_test")
    ]
    done = link(tmp_path, *objects, servers.BIN_DIR / "libnodeprep-server.a", servers.BIN_DIR / "libnodeprep.a")
    assert done.returncode == 0, done.stderr
    (tmp_path / "out").rename(tmp_path / "nodeprep")
    monkeypatch.setattr(servers, "BIN_DIR", tmp_path)
    assert nodeprep("apply", "-f", "-", input=pools).rc == 0
    with packing_relay(server) as (url, _):
        assert nodeprep("plan", "-f", "-", "-s", url, env={"KUBECONFIG": None}, input=pools).rc == 0
    path = kubeconfig(server="https://b\u00fccher.nodeprep.invalid")
    done = nodeprep("plan", "-f", "-", "--kubeconfig", path, input=pools)
    assert (done.rc, "b\u00fccher.nodeprep.invalid" in done.err, "bug" in done.err) == (5, True, False)
