# SPDX-License-Identifier: Apache-2.0
"""Prints what nodeprep-hookd takes beside the least Go servers, under wrk and under the bench's own load.

    hooks_lean.py BUILD [ROUNDS] [SECONDS] [HOOKD...]

wrk (Debian's) resumes TLS sessions; BUILD/bench/load makes a full handshake for each new connection. Each
cell is ROUNDS runs of SECONDS of each server, in turn; what is printed is the median. The reference is
BUILD/bench/lean: "typed" decodes the members that it uses, "maps" decodes templates of any kind. HOOKD are
builds of nodeprep-hookd to compare, with their options: "build/nodeprep-hookd --threads=2".
"""

import json
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys

from hooks import PATH, Server, ask, make_certificate, patches, request

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATES = 4
CLIENTS = (16, 64)
MODES = ("new", "keep")
# From here on a server has all its threads and buffers.
WARM_UP_S = 0.5


def wrk(port, body, clients, seconds, mode):
    argv = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "-s", HERE / "wrk.lua"]
    argv += [f"https://127.0.0.1:{port}{PATH}", "--", body, mode]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


class Lean:
    def __init__(self, build, hookds):
        self.work = build / "bench"
        self.folder = self.work / "lean-run"
        self.folder.mkdir(parents=True, exist_ok=True)
        make_certificate(self.folder)
        self.body = self.folder / "request.json"
        self.body.write_text(json.dumps(request(TEMPLATES)))
        files = [f"--tls-cert-file={self.folder}/tls.crt", f"--tls-private-key-file={self.folder}/tls.key"]
        lean = [self.work / "lean", "--port={port}", f"--cert-dir={self.folder}"]
        self.ours = [
            Server(hookd.rpartition("/")[2], [*shlex.split(hookd), "--listen=127.0.0.1:{port}", *files], self.folder)
            for hookd in hookds
        ]
        self.references = [
            Server("typed", lean, self.folder),
            Server("maps", [*lean, "-maps"], self.folder),
        ]
        self.servers = [*self.ours, *self.references]

    def check(self):
        """All servers say the same, or the figures would compare different work."""
        answers = []
        for server in self.servers:
            with server:
                status, answer = ask(server.port, self.body.read_bytes())
            answers.append((status, answer["status"], patches(answer)))
        if any(answer != answers[0] for answer in answers) or not answers[0][2]:
            raise SystemExit(f"the servers' answers differ: {answers}")

    def load(self, port, body, clients, seconds, mode):
        argv = [self.work / "load", str(port), PATH, body, str(clients), str(int(seconds * 1000)), mode]
        return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=300).stdout)

    def once(self, server, client, clients, seconds, mode):
        with server:
            self.load(server.port, self.body, clients, WARM_UP_S, "new")
            before = server.cpu()
            got = client(server.port, self.body, clients, seconds, mode)
            got["cpu"] = (server.cpu() - before) / max(1, got["requests"]) * 1000
            got["mb"] = server.peak_mb()
            got["rate"] = got["requests"] / got["seconds"]
            return got

    def cell(self, client, clients, mode, rounds, seconds):
        """The median of each figure, by server."""
        runs = {server.name: [] for server in self.servers}
        for _ in range(rounds):
            for server in self.servers:
                runs[server.name].append(self.once(server, client, clients, seconds, mode))
        return {name: {what: statistics.median(run[what] for run in of) for what in of[0]} for name, of in runs.items()}

    def rows(self, rounds, seconds):
        loads = {"load, full": self.load}
        if shutil.which("wrk"):
            loads = {"wrk, resuming": wrk, **loads}
        for name, client in loads.items():
            for mode in MODES:
                for clients in CLIENTS:
                    got = self.cell(client, clients, mode, rounds, seconds)
                    for server in self.servers:
                        of = got[server.name]
                        row = [name, str(clients), mode, server.name, f"{of['rate']:.0f}", f"{of['p50']:.2f}",
                               f"{of['p99']:.2f}", f"{of['cpu']:.3f}", f"{of['mb']:.1f}", f"{of['bad']:.0f}"]
                        if server in self.ours:
                            row += [ratios(of, got[reference.name]) for reference in self.references]
                        print("  " + "  ".join(row), file=sys.stderr)
                        yield row

    def table(self, rounds, seconds):
        print("\nGeneratePatches beside the least Go servers (ours / theirs: rate, CPU, 99th percentile, memory; aims: "
              "rate 0.95 or more; CPU 0.8 with new connections, 0.42 kept alive; p99 1; memory 0.25), "
              f"{self.body.stat().st_size / 1000:.0f} KB, median of {rounds} runs of {seconds:g} s")
        head = ["client", "clients", "connection", "server", "req/s", "p50 ms", "p99 ms", "CPU s/1000", "peak MB",
                "wrong", *(f"to {reference.name}" for reference in self.references)]
        rows = [head, *self.rows(rounds, seconds)]
        if not shutil.which("wrk"):
            print("  not measured with sessions that are resumed: no wrk on PATH")
        widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(head))]
        for row in rows:
            print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


def ratios(ours, theirs):
    return " ".join(f"{ours[what] / theirs[what]:.2f}" for what in ("rate", "cpu", "p99", "mb"))


def main(build, rounds=5, seconds=3, *hookds):
    build = pathlib.Path(build)
    lean = Lean(build, hookds or [str(build / "nodeprep-hookd")])
    lean.check()
    lean.table(int(rounds), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
