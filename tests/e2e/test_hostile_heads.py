# SPDX-License-Identifier: Apache-2.0
"""The client against responses that no API server sends: the peer's error, whatever libcurl is built with."""

import gzip
import socketserver
import subprocess
import threading

import pytest
import servers

OK = b"HTTP/1.1 200 OK\r\n"
POOL = """apiVersion: nodeprep.dev/v1alpha1
kind: NodePool
metadata: {name: a}
spec: {vmClass: gpu, gpus: [{model: A100-40GB, count: 4}]}
"""
BODY = b"Content-Length: 2\r\n\r\n{}"

RESPONSES = [
    ("an unknown encoding", OK + b"Content-Encoding: x-own\r\n" + BODY, "Content-Encoding"),
    ("brotli", OK + b"Content-Encoding: br\r\n" + BODY, "Content-Encoding"),
    ("zstd", OK + b"Content-Encoding: zstd\r\n" + BODY, "Content-Encoding"),
    ("compress", OK + b"Content-Encoding: compress\r\n" + BODY, "Content-Encoding"),
    ("ten encodings", OK + b"Content-Encoding: " + b"gzip, " * 10 + b"gzip\r\n" + BODY, ""),
    ("a long line", OK + b"X: " + b"y" * 300_000 + b"\r\n" + BODY, "header line"),
    ("10,000 lines", OK + b"X: y\r\n" * 10_000 + BODY, "more than 1000 header lines"),
    ("a NUL", OK + b"X: a\0b\r\n" + BODY, ""),
    ("two lengths", OK + b"Content-Length: 9\r\n" + BODY, "Content-Length"),
    ("a bad chunk", OK + b"Transfer-Encoding: chunked\r\n\r\nxx\r\n{}\r\n", "chunk"),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n", ""),
]


def bomb():
    packed = gzip.compress(b" " * (100 << 20), compresslevel=6)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


class Raw(socketserver.ThreadingTCPServer):
    """Answers each connection's first request with the same bytes."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, response):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(65536)
                try:
                    self.request.sendall(response)
                except OSError:
                    pass  # the client has had enough

        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()


def run(response, tmp_path):
    with Raw(response) as raw:
        argv = [servers.BIN_DIR / "nodeprep", "apply", "-f", "-", "-n", "ml"]
        argv += ["--server", f"http://127.0.0.1:{raw.server_address[1]}", "--timeout=20s"]
        env = {"HOME": str(tmp_path)}
        return subprocess.run(
            argv, input=POOL, capture_output=True, text=True, env=env, timeout=60, check=False
        )


@pytest.mark.parametrize(("name", "response", "says"), RESPONSES, ids=[r[0] for r in RESPONSES])
def test_head__is_the_peers_error(name, response, says, tmp_path):
    done = run(response, tmp_path)
    assert done.returncode in (5, 6), done.stderr
    assert says in done.stderr and "memory" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_head__compression_bomb_is_bounded(tmp_path):
    done = run(bomb(), tmp_path)
    assert done.returncode == 5, done.stderr
    assert "the server's response is larger than 64 MiB" in done.stderr
