# SPDX-License-Identifier: Apache-2.0
"""Lets nodeprep-hookd answer many requests among clients that misbehave, and says what it cost.

    soak.py BUILD HOOKD REQUESTS [asan]

REQUESTS good ones are made by BUILD/bench/load, which compares every answer with the first; meanwhile
the certificate rotates, and other clients are slow, cut their bodies, hold connections half-open, and
send what is no request. Then it is attacked by clients that hold on to what they get (attack.py), and the
slowest answer that a good client and a probe saw is printed, with the memory that it took. Ends with exit
status 1 where an answer was wrong, where memory grew after the first tenth, where a descriptor is left, or
where an attack kept others waiting: hooks for 1 s, probes for 200 ms, plus the slowest answer of a server
beside it that is not attacked, since other programs use the machine too. With asan the server is one under
ASan, whose quarantine grows: then its memory is printed and not judged, and what it reports at its end is.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import socket
import ssl
import subprocess
import sys
import threading
import time

from hooks import PATH, Server, free_port, make_certificate, request

WARM_UP = 10  # a tenth
GROWTH_MB = 2
KEPT = 16
ATTACK_S = 12
TRIM_S = 3  # the server returns memory a second after the last large body
HOOK_S, PROBE_S = 1.0, 0.2
ATTACKS = [("idle", 0), ("half-shaken", 500), ("idle", 500), ("stalled", 500), ("drip", 500), ("huge", 24),
           ("plain-idle", 500)]
MAX_MEMORY_MB = 192


class Mount:
    """A folder with a certificate as kubelet mounts a secret: a link is turned to the next."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        self.rotate()

    def rotate(self):
        self.count += 1
        new = self.folder / f"v{self.count}"
        new.mkdir()
        make_certificate(new)
        link = self.folder / "..data.new"
        link.symlink_to(new)
        os.replace(link, self.folder / "..data")


def tls(port, timeout=60):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def read_all(conn):
    got = b""
    with contextlib.suppress(OSError):
        while piece := conn.recv(65536):
            got += piece
    return got


def post(body, more=""):
    return f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}".encode() + body


def status_of(port, data):
    with tls(port) as conn:
        conn.sendall(data)
        got = read_all(conn)
    return got.split(b" ")[1].decode() if got.startswith(b"HTTP/1.1 ") else "cut"


class Hostile:
    """Clients that misbehave; each is one kind, and knows what it may be answered."""

    def __init__(self, port, body):
        self.port, self.body = port, body
        self.wrong, self.done = [], 0

    def expect(self, what, got, allowed):
        self.done += 1
        if got not in allowed:
            self.wrong.append(f"{what}: {got}")

    def wrong_method(self):
        method = random.choice(["GET", "PUT", "DELETE", "PATCH", "BREW", "HEAD"])
        line = f"{method} {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        self.expect(method, status_of(self.port, line.encode()), {"405", "501"})

    def wrong_type(self):
        kind = random.choice(["text/xml", "application/json; charset=latin-1", "", "x" * 200])
        data = post(b"\r\n" + self.body, f"Content-Type: {kind}\r\nContent-Length: {len(self.body)}\r\n")
        self.expect("content type", status_of(self.port, data), {"200"})

    def wrong_path(self):
        data = f"POST /hooks.runtime.cluster.x-k8s.io/{random.random()} HTTP/1.1\r\nConnection: close\r\n\r\n"
        self.expect("path", status_of(self.port, data.encode()), {"404"})

    def no_json(self):
        junk = random.randbytes(500)
        data = post(b"\r\n" + junk, f"Content-Length: {len(junk)}\r\n")
        self.expect("no JSON", status_of(self.port, data), {"200"})

    def large_header(self):
        data = post(b"", f"X: {'a' * 90000}\r\n\r\n")
        self.expect("header", status_of(self.port, data), {"400", "413", "cut"})

    def large_body(self):
        data = post(b"\r\n", f"Content-Length: {10**10}\r\n")
        self.expect("body", status_of(self.port, data), {"413"})

    def preface(self):
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
        self.expect("HTTP/2", status_of(self.port, data), {"400", "501", "cut"})

    def cut_body(self):
        with tls(self.port) as conn:
            conn.sendall(post(b"\r\n" + self.body[: len(self.body) // 2], f"Content-Length: {len(self.body)}\r\n"))
        self.done += 1

    def half_open(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as conn:
            if random.random() < 0.5:
                conn.sendall(b"\x16\x03\x01\x02\x00\x01")
            time.sleep(random.random() * 2)
        self.done += 1

    def slow(self):
        with tls(self.port) as conn, contextlib.suppress(OSError):
            for byte in post(b"\r\n", f"Content-Length: {len(self.body)}\r\n")[: random.randrange(5, 60)]:
                conn.sendall(bytes([byte]))
                time.sleep(0.05)
        self.done += 1

    def kinds(self):
        return [self.wrong_method, self.wrong_type, self.wrong_path, self.no_json, self.large_header,
                self.large_body, self.preface, self.cut_body, self.half_open, self.slow]

    def run(self, kind, stop):
        while not stop.is_set():
            try:
                kind()
            except (OSError, ssl.SSLError) as error:
                # A server that closes first is seen as one of these by who still writes.
                if not isinstance(error, (ConnectionError, ssl.SSLError)):
                    self.wrong.append(f"{kind.__name__}: {error!r}")
            stop.wait(0.2)


class Soak:
    def __init__(self, build, hookd, requests, is_asan):
        self.build, self.requests, self.is_asan = build, requests, is_asan
        self.folder = build / "bench" / f"soak-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self.mount = Mount(self.folder)
        body = self.folder / "body.json"
        body.write_text(json.dumps(request(2), separators=(",", ":")))
        self.body = body
        at = f"{self.folder}/..data"
        self.probe_port, self.spared_probe_port = free_port(), free_port()
        argv = [hookd, "--listen=127.0.0.1:{port}", f"--tls-cert-file={at}/tls.crt",
                f"--tls-private-key-file={at}/tls.key", "--max-connections=512", f"--max-memory={MAX_MEMORY_MB}Mi"]
        self.server = Server("nodeprep-hookd", [*argv, f"--metrics-listen=127.0.0.1:{self.probe_port}"], self.folder)
        # Not attacked: its answers tell what the machine takes, which others use too.
        self.spared = Server("spared", [*argv, f"--metrics-listen=127.0.0.1:{self.spared_probe_port}"], self.folder)
        self.good = self.bad = 0
        self.samples = []

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def memory_mb(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def burst(self, mode, ms):
        argv = [self.build / "bench" / "load", str(self.server.port), PATH, self.body, str(KEPT), str(ms), mode]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=600)
        got = json.loads(done.stdout)
        self.good += got["requests"]
        self.bad += got["bad"]
        self.samples.append((self.good, self.memory_mb()))

    def load(self):
        step = 0
        while self.good < self.requests:
            self.burst("new" if step % 5 == 4 else "keep", 2000)
            if step % 3 == 0:
                self.mount.rotate()
            step += 1

    def run(self):
        with self.server:
            time.sleep(0.5)
            before = self.descriptors()
            hostile = Hostile(self.server.port, self.body.read_bytes())
            stop = threading.Event()
            threads = [threading.Thread(target=hostile.run, args=(kind, stop)) for kind in hostile.kinds()]
            for thread in threads:
                thread.start()
            try:
                self.load()
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            left = self.settle(before)
            status = self.report(hostile, left)
            with self.spared:
                for kind, clients in ATTACKS:
                    status = max(status, self.attack(kind, (clients + 9) // 10 if self.is_asan else clients))
            # First the last bodies of clients that are gone run into their deadlines.
            left = self.settle(before)
            time.sleep(TRIM_S)
            print(f"  after the attacks: {self.memory_mb():.1f} MB, {left} descriptors left")
        return max(status, self.check_end())

    @staticmethod
    def call(port, body):
        """Seconds until a client of its own connection is answered."""
        began = time.monotonic()
        with tls(port, timeout=30) as conn:
            conn.sendall(post(b"\r\n" + body, f"Content-Length: {len(body)}\r\n"))
            got = read_all(conn)
        if not got.startswith(b"HTTP/1.1 200"):
            raise OSError(f"answer: {got[:60]}")
        return time.monotonic() - began

    @staticmethod
    def probe(port):
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            if connection.getresponse().status != 200:
                raise OSError("probe")
        return time.monotonic() - began

    def sample(self, key, what, *args):
        """Its slowest answer, its count and its failures, until the attack ends."""
        worst, done, wrong = 0.0, 0, []
        while time.monotonic() < self.attack_end:
            try:
                worst = max(worst, what(*args))
                done += 1
            except OSError as error:
                wrong.append(repr(error))
            time.sleep(0.05)
        self.sampled[key] = (worst, done, wrong)

    def attack(self, kind, clients):
        bodies = [json.dumps(request(n), separators=(",", ":")).encode() for n in (2, 40)]
        port = self.probe_port if kind == "plain-idle" else self.server.port
        argv = [sys.executable, "-B", str(pathlib.Path(__file__).with_name("attack.py")), str(port), kind, str(clients)]
        self.sampled, peak = {}, 0.0
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as attacker:
            # From the first moment on, and some seconds with all of them.
            self.attack_end = time.monotonic() + 10 * ATTACK_S
            jobs = [("call of 3 KB", self.call, self.server.port, bodies[0]),
                    ("call of 74 KB", self.call, self.server.port, bodies[1]),
                    ("probe", self.probe, self.probe_port),
                    ("spared call", self.call, self.spared.port, bodies[1]),
                    ("spared probe", self.probe, self.spared_probe_port)]
            threads = [threading.Thread(target=self.sample, args=job) for job in jobs]
            for thread in threads:
                thread.start()
            attacker.stdout.readline()
            self.attack_end = time.monotonic() + ATTACK_S
            threading.Thread(target=attacker.stdout.read, daemon=True).start()
            while any(thread.is_alive() for thread in threads):
                peak = max(peak, self.memory_mb())
                time.sleep(0.05)
            attacker.kill()
        return self.judge(kind, clients, peak)

    def is_late(self, name, worst):
        """Tells whether it was late by more than the machine is: the spared server's answers tell."""
        aim = PROBE_S if name == "probe" else HOOK_S
        return not name.startswith("spared") and worst > aim + max(
            spared for key, (spared, _, _) in self.sampled.items() if key.startswith("spared"))

    def judge(self, kind, clients, peak):
        bad = [] if self.is_asan or peak < MAX_MEMORY_MB else [f"memory: {peak:.0f} MB"]
        told = []
        for name, (worst, done, wrong) in sorted(self.sampled.items()):
            told.append(f"{name} {worst * 1000:.0f} ms ({done})")
            bad += wrong[:3]
            if done == 0 or (self.is_late(name, worst) and not self.is_asan):
                bad.append(f"{name}: {worst:.3f} s")
        print(f"  {clients} {kind}: slowest {', '.join(told)}; {peak:.1f} MB at most")
        for line in bad:
            print(f"    {line}")
        return 1 if bad else 0

    def check_end(self):
        """The server ends well, and no sanitizer has a word."""
        log = (self.folder / f"{self.server.name}.log").read_text(errors="replace")
        if self.server.process.returncode == 0 and "Sanitizer" not in log and "runtime error" not in log:
            return 0
        print(f"  the server ended with {self.server.process.returncode}: see {self.folder}")
        return 1

    def settle(self, before):
        """Waits for what is still open to run into its deadline; returns how many descriptors are left."""
        for _ in range(60):
            left = self.descriptors() - before
            if left <= 0:
                break
            time.sleep(1)
        return left

    def report(self, hostile, left):
        warm = [mb for n, mb in self.samples if n >= self.requests / WARM_UP]
        first, last, peak = warm[0], warm[-1], max(warm)
        growth = last - first
        print(f"soak: {self.good} good requests, {self.bad} wrong answers; {hostile.done} requests of clients that "
              f"misbehave, {len(hostile.wrong)} wrong answers; {self.mount.count - 1} rotations; memory "
              f"{first:.1f} MB after warm-up, {last:.1f} MB at the end, {peak:.1f} MB at most; "
              f"{left} descriptors left")
        for line in hostile.wrong[:10]:
            print(f"  {line}")
        if self.server.process.poll() is not None:
            print("  the server is gone")
            return 1
        has_grown = growth > GROWTH_MB + first / 10 and not self.is_asan
        return 1 if self.bad or hostile.wrong or left > 0 or has_grown else 0


if __name__ == "__main__":
    folders = [pathlib.Path(arg).resolve() for arg in sys.argv[1:3]]
    sys.exit(Soak(*folders, int(sys.argv[3]), "asan" in sys.argv[4:]).run())
