# SPDX-License-Identifier: Apache-2.0
"""An API server that answers every watch as a test tells it to, and counts the requests."""

import collections
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUPS = {
    "nodeprep.dev": ("v1alpha1", "nodepools", "NodePool"),
    "vmoperator.vmware.com": ("v1alpha6", "virtualmachineclasses", "VirtualMachineClass"),
    "coordination.k8s.io": ("v1", "leases", "Lease"),
}
ALL = tuple(GROUPS)


def event(kind, plural_kind="NodePool", version="8"):
    meta = {"name": "x", "namespace": "ml", "resourceVersion": version}
    found = {"type": kind, "object": {"kind": plural_kind, "metadata": meta}}
    return json.dumps(found).encode() + b"\n"


GONE = (
    b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"message":"old"}}\n'
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        names = parts.path.strip("/").split("/")
        group = names[1] if len(names) > 1 else ""
        kind = "watch" if "watch=true" in parts.query else "get"
        self.server.seen[kind, names[-1]] += 1
        if group not in self.server.groups:
            return self.answer(404, b"{}")
        version, plural, name = GROUPS[group]
        if kind == "watch":
            return self.server.behave(self)
        if names[-1] == plural:
            self.server.seen["list", plural] += 1
            body = {"kind": f"{name}List", "metadata": {"resourceVersion": "7"}, "items": []}
        elif names[-1] == version:
            resource = {"name": plural, "kind": name, "namespaced": True, "verbs": ["list"]}
            body = {"kind": "APIResourceList", "resources": [resource]}
        else:
            found = {"groupVersion": f"{group}/{version}", "version": version}
            body = {"kind": "APIGroup", "name": group, "versions": [found]}
            body["preferredVersion"] = found
        return self.answer(200, json.dumps(body).encode())

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hold(self):
        """An honest watch, which lasts until the server ends."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(event("BOOKMARK"))
        self.wfile.flush()
        self.server.over.wait()
        self.close_connection = True

    def cut(self):
        self.close_connection = True
        self.connection.close()

    def log_message(self, *args):
        pass


class HostileAPI(ThreadingHTTPServer):
    """`behave` answers a watch; it may be replaced while the server runs."""

    daemon_threads = True

    def __init__(self, behave=Handler.hold, groups=ALL):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.groups = behave, groups
        self.seen = collections.Counter()
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self.over.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """A client that left is no error of the test."""
