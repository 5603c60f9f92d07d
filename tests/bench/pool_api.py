# SPDX-License-Identifier: Apache-2.0
"""An API server with NodePools alone, for the benchmark of growth: they are computed, not stored.

Lists in pages, one watch, server-side applies of finalizer and status, and Events; HTTP/1.1 without TLS. What a
pool has besides its number is whether it has the finalizer, its version and its status.
"""

import asyncio
import json
import re
import threading

GROUP = "/apis/nodeprep.dev/v1alpha1"
NS = "bench"
AT = {"groupVersion": "nodeprep.dev/v1alpha1", "version": "v1alpha1"}
DISCOVERY = {
    "/apis/nodeprep.dev": {"kind": "APIGroup", "apiVersion": "v1", "name": "nodeprep.dev", "versions": [AT],
                           "preferredVersion": AT},
    GROUP: {"kind": "APIResourceList", "groupVersion": "nodeprep.dev/v1alpha1", "resources": [
        {"name": "nodepools", "namespaced": True, "kind": "NodePool", "verbs": ["get", "list", "patch", "watch"]}]},
}
POOL = re.compile(r"/nodepools/pool-(\d+)(/status)?$")


class PoolApi:
    def __init__(self, n_pools, n_classes):
        self.n, self.n_classes = n_pools, n_classes
        self.has_finalizer = bytearray(n_pools)
        self.versions, self.status = [1] * n_pools, [b"{}"] * n_pools
        self.version = 1
        self.requests = self.bytes = 0
        self.ready = set()
        self.is_ready = threading.Event()
        self.watchers = set()

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc_info):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def pool(self, number):
        metadata = {"name": f"pool-{number}", "namespace": NS, "uid": f"6f0c3a52-0000-4000-8000-{number:012d}",
                    "resourceVersion": str(self.versions[number]), "generation": 1,
                    "creationTimestamp": "2026-08-01T00:00:00Z",
                    "finalizers": ["nodeprep.dev/class"] if self.has_finalizer[number] else []}
        body = {"apiVersion": "nodeprep.dev/v1alpha1", "kind": "NodePool", "metadata": metadata,
                "spec": {"vmClass": f"gpu-{number % self.n_classes}", "replicas": 3}}
        return json.dumps(body, separators=(",", ":")).encode()[:-1] + b',"status":' + self.status[number] + b"}"

    def page(self, query):
        first = int(query.get("continue", "0"))
        end = min(self.n, first + int(query.get("limit", "500")))
        more = f',"continue":"{end}"' if end < self.n else ""
        head = f'{{"apiVersion":"nodeprep.dev/v1alpha1","kind":"NodePoolList","metadata":{{"resourceVersion":"{self.version}"{more}}},"items":['
        return head.encode() + b",".join(self.pool(number) for number in range(first, end)) + b"]}"

    def patch(self, number, is_status, body):
        got = json.loads(body)
        self.version += 1
        self.versions[number] = self.version
        if is_status:
            self.status[number] = json.dumps(got["status"], separators=(",", ":")).encode()
            if '"status":"True","type":"Ready"' in json.dumps(got["status"], separators=(",", ":"), sort_keys=True):
                self.ready.add(number)
        else:
            self.has_finalizer[number] = 1
        now = self.pool(number)
        line = b'{"type":"MODIFIED","object":' + now + b"}\n"
        for writer in self.watchers:
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.bytes += len(line)
        if len(self.ready) == self.n:
            self.is_ready.set()
        return now

    def answer(self, method, path, query, body):
        found = POOL.search(path)
        if method == "PATCH" and found:
            return 200, self.patch(int(found[1]), bool(found[2]), body)
        if method == "POST":
            return 201, body
        if path == f"{GROUP}/nodepools":
            return 200, self.page(query)
        if path in DISCOVERY:
            return 200, json.dumps(DISCOVERY[path]).encode()
        if path == "/api/v1/namespaces/kube-system":
            return 200, b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"u1"}}'
        return 404, b'{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"NotFound","code":404}'

    async def serve(self, reader, writer):
        try:
            while await self.serve_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        self.watchers.discard(writer)
        writer.close()

    async def serve_one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        size = re.search(r"(?i)^content-length: *(\d+)", head, re.M)
        body = await reader.readexactly(int(size[1])) if size else b""
        path, _, words = target.partition("?")
        query = dict(word.partition("=")[::2] for word in words.split("&") if word)
        self.requests += 1
        self.bytes += len(head) + len(body)
        if "watch" in query:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.watchers.add(writer)
            await reader.read()
            return False
        status, text = self.answer(method, path, query, body)
        writer.write(b"HTTP/1.1 %d x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)
        self.bytes += len(text)
        await writer.drain()
        return True
