# SPDX-License-Identifier: Apache-2.0
"""nodeprep-hookd as the tests start it and call it."""

import base64
import contextlib
import http.client
import json
import re
import ssl

import servers


class Hookd:
    """nodeprep-hookd with a certificate for 127.0.0.1. Its calls are read from its log."""

    def __init__(self, kubeconfig=None, args=(), port=0):
        self.kubeconfig, self.args, self.wanted_port = kubeconfig, args, port

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = servers.make_folder(stack)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def _start(self, stack):
        self.certs = servers.Certificates(self.folder)
        self.ca = self.certs.ca
        self.log = self.folder / "hookd.log"
        argv = [servers.BIN_DIR / "nodeprep-hookd", f"--listen=127.0.0.1:{self.wanted_port}"]
        argv += ["--metrics-listen=127.0.0.1:0", "--verbose"]
        argv += [f"--tls-cert-file={self.folder}/server.crt"]
        argv += [f"--tls-private-key-file={self.folder}/server.key"]
        argv += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        self.process = servers.start(stack, [*argv, *self.args], self.log, env=env)
        ready = servers.wait_until("nodeprep-hookd", self._listening, self.process, self.log)
        self.metrics_port, self.port = ready

    def _listening(self):
        ports = re.findall(r"listening on (http|https)://127\.0\.0\.1:(\d+)", self.log.read_text())
        found = dict(ports)
        return (int(found["http"]), int(found["https"])) if len(found) == 2 else None

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def calls(self, hook=None):
        return [c for c in self.lines() if "hook" in c and hook in (None, c["hook"])]

    def ca_bundle(self):
        return base64.b64encode(self.ca.read_bytes()).decode()

    def ask(self, hook, body, handler=None, method="POST", timeout=30, query="?timeout=10s"):
        """Calls a hook as Cluster API does and returns the status and the bytes of the answer."""
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=timeout
        )
        path = f"/hooks.runtime.cluster.x-k8s.io/v1alpha1/{hook}"
        path += f"/{handler}" if handler else ""
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        with contextlib.closing(connection):
            connection.request(method, path + query, body=body)
            response = connection.getresponse()
            return response.status, response.read()

    def metrics(self, path="/metrics"):
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
