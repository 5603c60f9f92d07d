# SPDX-License-Identifier: Apache-2.0
"""What a watch does that is refused, or over at once: it costs no list, and no storm of requests."""

import contextlib
import http.server
import json
import threading
import time
import urllib.parse

from controller_harness import (
    Controller,
    Proxy,
    gpu_class,
    pool_path,
    put_pool,
    servers,
    wait_reason,
)

ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BLIND_S = 6
# Pauses double from 0.2 s: each of two watchers tries at 0, 0.2, 0.6, 1.4, 3 and 6.2 s.
MOST_WATCHES = 2 * 6


@contextlib.contextmanager
def without_the_right_to_watch(server):
    before = {}
    for part in ("pools", "classes"):
        path = f"{ROLES}/nodeprep-controller-{part}"
        before[path] = server.must("GET", path)["rules"]
    try:
        for path, rules in before.items():
            rules = [dict(r, verbs=[v for v in r["verbs"] if v != "watch"]) for r in rules]
            server.must("PATCH", path, {"rules": rules})
        yield
    finally:
        for path, rules in before.items():
            server.must("PATCH", path, {"rules": rules})


def test_watch__refused_is_gone_on_with(server, installed, pools_ns, put_class):
    put_class(pools_ns, "gpu", gpu_class())
    url = "https://127.0.0.1:"
    with Proxy(server.port) as proxy, Controller(server, url=f"{url}{proxy.port}") as running:
        running.wait_ready()
        put_pool(server, pools_ns, "early")
        wait_reason(server, pools_ns, "Configured", name="early")
        lists = running.metric("lists_total")
        with without_the_right_to_watch(server):
            time.sleep(1)
            watches = running.metric("watches_total")
            proxy.cut()
            put_pool(server, pools_ns, "late")
            server.must("DELETE", pool_path(pools_ns, "early"))
            time.sleep(BLIND_S)
            tried = running.metric("watches_total") - watches
            assert 2 < tried <= MOST_WATCHES
        wait_reason(server, pools_ns, "Configured", name="late")
        servers.wait_until(
            "the pool to go",
            lambda: server.request("GET", pool_path(pools_ns, "early"))[0] == 404,
        )
        assert running.metric("lists_total") == lists, "nothing was missed that a list would tell"


class Hasty(http.server.BaseHTTPRequestHandler):
    """A server whose watches are over as soon as they begin: no real one can be brought to that."""

    protocol_version = "HTTP/1.1"
    seen: list[str]
    groups = {
        "nodeprep.dev": ("v1alpha1", "nodepools", "NodePool"),
        "vmoperator.vmware.com": ("v1alpha6", "virtualmachineclasses", "VirtualMachineClass"),
    }

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        names = parts.path.strip("/").split("/")
        version, plural, kind = self.groups.get(names[1], ("v1", "none", "None"))
        if "watch=true" in parts.query:
            self.seen.append(names[-1])
            return self.answer(200, b"")
        if names[-1] == plural:
            body = {"kind": f"{kind}List", "metadata": {"resourceVersion": "7"}, "items": []}
        elif names[-1] == version:
            resource = {"name": plural, "kind": kind, "namespaced": True, "verbs": ["list"]}
            body = {"kind": "APIResourceList", "resources": [resource]}
        else:
            found = {"groupVersion": f"{names[1]}/{version}", "version": version}
            body = {"kind": "APIGroup", "name": names[1], "versions": [found]}
            body["preferredVersion"] = found
        return self.answer(200, json.dumps(body).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_watch__over_at_once_is_tried_ever_more_rarely(server, installed):
    handler = type("Handler", (Hasty,), {"seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as hasty:
        threading.Thread(target=hasty.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{hasty.server_port}"
        with Controller(server, "--leader-elect=false", url=url) as running:
            running.wait_ready()
            time.sleep(BLIND_S)
            assert set(handler.seen) == {"nodepools", "virtualmachineclasses"}
            assert len(handler.seen) <= MOST_WATCHES
            assert running.metric("lists_total") == 2
        hasty.shutdown()
