# SPDX-License-Identifier: Apache-2.0
"""Proxies for the tests, on loopback: HTTP CONNECT with or without a password, and SOCKS5.

Whatever host a client asks for, they connect to loopback, so that a test can use a name that only
the proxy knows. `asked` holds the "HOST:PORT" of each request.
"""

import base64
import contextlib
import pathlib
import selectors
import socket
import socketserver
import threading

import yaml

import servers

TIMEOUT_S = 30


def relay(one, other):
    """Copies bytes both ways until one side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select(TIMEOUT_S):
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the client went away")
        data += more
    return data


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.settimeout(TIMEOUT_S)
        with contextlib.suppress(OSError):
            if self.server.kind == "socks5":
                self.serve_socks()
            else:
                self.serve_connect()

    def connect(self, host, port):
        self.server.asked.append(f"{host}:{port}")
        return socket.create_connection(("127.0.0.1", int(port)), timeout=TIMEOUT_S)

    def serve_connect(self):
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.request.recv(65536)
            if not more or len(head) > 65536:
                return
            head += more
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        if self.server.status != 200:
            self.answer(self.server.status, "No")
        elif method != "CONNECT":
            self.answer(405, "Only CONNECT")
        elif self.server.login and headers.get("Proxy-Authorization") != self.server.login:
            self.answer(407, "Proxy Authentication Required")
        else:
            host, _, port = target.rpartition(":")
            with self.connect(host, port) as upstream:
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                relay(self.request, upstream)

    def answer(self, status, reason):
        text = f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.request.sendall(text.encode())

    def serve_socks(self):
        """RFC 1928 without authentication, CONNECT to a name or an IPv4 address."""
        _, methods = read_exactly(self.request, 2)
        read_exactly(self.request, methods)
        self.request.sendall(b"\x05\x00")
        _, _, _, kind = read_exactly(self.request, 4)
        if kind == 3:
            host = read_exactly(self.request, read_exactly(self.request, 1)[0]).decode()
        else:
            host = socket.inet_ntoa(read_exactly(self.request, 4))
        port = int.from_bytes(read_exactly(self.request, 2), "big")
        with self.connect(host, port) as upstream:
            self.request.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
            relay(self.request, upstream)


class Proxy(socketserver.ThreadingTCPServer):
    """Proxy("connect" or "socks5"); with `login` ("user:password") it wants that, with `status` it
    refuses everything so."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, kind="connect", login=None, status=200):
        super().__init__(("127.0.0.1", 0), Handler)
        self.kind = kind
        self.status = status
        self.login = login and "Basic " + base64.b64encode(login.encode()).decode()
        self.asked = []
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self.shutdown()
        self.server_close()
        self._thread.join()


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


def proxied_kubeconfig(server, path, port, ca):
    """Writes a kubeconfig with which the server is reached by the proxy, and returns its path."""
    config = yaml.safe_load(pathlib.Path(server.write_kubeconfig(path, server.token)).read_text())
    config["clusters"][0]["cluster"] = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(ca)}
    path.write_text(yaml.safe_dump(config))
    return path
