# SPDX-License-Identifier: Apache-2.0
"""nodeprep-hookd as the tests start it and call it."""

import base64
import contextlib
import http.client
import json
import re
import ssl
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import servers


class Clusters:
    """An API server that knows Clusters alone: for hookd, beside the one with the classes."""

    GROUP, VERSION = "cluster.x-k8s.io", "v1beta1"

    def __init__(self, folder):
        self.kubeconfig, self.objects, self.status = folder / "clusters.kubeconfig", {}, None

    def __enter__(self):
        clusters = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body = clusters.answer(self.path)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }))
        return self

    def __exit__(self, *exc_info):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path):
        version = {"groupVersion": f"{self.GROUP}/{self.VERSION}", "version": self.VERSION}
        if self.status:
            return self.status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.status}
        if path == "/version":
            return 200, {"major": "1", "minor": "34", "gitVersion": "v1.34.2"}
        if path == f"/apis/{self.GROUP}":
            return 200, {"kind": "APIGroup", "apiVersion": "v1", "name": self.GROUP, "versions": [version],
                         "preferredVersion": version}
        if path == f"/apis/{self.GROUP}/{self.VERSION}":
            verbs = {"name": "clusters", "singularName": "cluster", "namespaced": True, "kind": "Cluster",
                     "verbs": ["get"]}
            return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version["groupVersion"],
                         "resources": [verbs]}
        found = self.objects.get(path)
        if found:
            return 200, found
        return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

    def put(self, body, is_deleted=False):
        """Stores the Cluster, keeps its uid over its life, and returns it."""
        metadata = body["metadata"]
        path = f"/apis/{self.GROUP}/{self.VERSION}/namespaces/{metadata['namespace']}/clusters/{metadata['name']}"
        old = self.objects.get(path, {"metadata": {}})["metadata"]
        made = {"uid": old.get("uid") or str(uuid.uuid4())}
        made |= {"deletionTimestamp": "2026-08-01T00:00:00Z"} if is_deleted else {}
        self.objects[path] = {**body, "metadata": {**metadata, **made}}
        return self.objects[path]


class Hookd:
    """nodeprep-hookd with a certificate for 127.0.0.1. Its calls are read from its log.

    kubeconfig: of the server with the classes; the Clusters are in a server of the tests' own, unless
    all_in_one says that they are in the same. trust: whom it serves all hooks; clients: where their
    certificates are from, the server's own CA by default.
    """

    def __init__(self, kubeconfig=None, args=(), port=0, all_in_one=False, trust="certificate",
                 clients=None, wrapper=()):
        self.kubeconfig, self.args, self.wanted_port = kubeconfig, args, port
        self.all_in_one, self.trust, self.clients, self.wrapper = all_in_one, trust, clients, wrapper

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
        argv = [*self.wrapper, servers.BIN_DIR / "nodeprep-hookd", f"--listen=127.0.0.1:{self.wanted_port}"]
        argv += ["--metrics-listen=127.0.0.1:0", "--verbose"]
        argv += [f"--tls-cert-file={self.folder}/server.crt"]
        argv += [f"--tls-private-key-file={self.folder}/server.key"]
        argv += self._servers(stack)
        self.clients = self.clients or self.certs
        argv += [f"--client-ca-file={self.clients.ca}"] if self.trust == "certificate" else []
        argv += ["--allow-unauthenticated"] if self.trust == "anybody" else []
        env = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        self.process = servers.start(stack, [*argv, *self.args], self.log, env=env)
        ready = servers.wait_until("nodeprep-hookd", self._listening, self.process, self.log)
        self.metrics_port, self.port = ready

    def _servers(self, stack):
        if not self.kubeconfig:
            return []
        if self.all_in_one:
            return [f"--kubeconfig={self.kubeconfig}"]
        self.clusters = stack.enter_context(Clusters(self.folder))
        return [f"--kubeconfig={self.clusters.kubeconfig}", f"--supervisor-kubeconfig={self.kubeconfig}"]

    def context(self, with_client=True):
        """What a client of it needs for TLS, with or without a certificate of its own."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if with_client:
            context.load_cert_chain(self.clients.client, self.clients.client_key)
        return context

    def _listening(self):
        ports = re.findall(r"listening on (http|https)://127\.0\.0\.1:(\d+)", self.log.read_text())
        found = dict(ports)
        return (int(found["http"]), int(found["https"])) if len(found) == 2 else None

    def lines(self):
        """The lines that are complete: the last one may still be on its way."""
        return [json.loads(line) for line in self.log.read_text().split("\n")[:-1]]

    def calls(self, hook=None):
        return [c for c in self.lines() if "hook" in c and hook in (None, c["hook"])]

    def ca_bundle(self):
        return base64.b64encode(self.ca.read_bytes()).decode()

    def ask(self, hook, body, handler=None, method="POST", timeout=30, query="?timeout=10s", with_client=True):
        """Calls a hook as Cluster API does and returns the status and the bytes of the answer."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.context(with_client), timeout=timeout
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
