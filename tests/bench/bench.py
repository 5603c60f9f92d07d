# SPDX-License-Identifier: Apache-2.0
"""Prints what nodeprep takes in time and memory, beside libyaml's and kubectl's own reading.

    bench.py BUILD EXAMPLES

BUILD/bench holds the inputs and the helpers that run.sh makes. Each figure is the median of several
runs; commands that are compared take turns, so that a busy machine slows all of them alike.
"""

import dataclasses
import http.server
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading

import attach

RUNS = 7
MIB = 1 << 20
LIMIT = 64 * MIB


@dataclasses.dataclass
class Run:
    """What one command took: exit status, seconds by the clock, of the processor, MB at its peak, page faults."""

    status: int
    wall: float
    cpu: float
    mb: float
    faults: float


class Bench:
    def __init__(self, build):
        self.nodeprep = build / "nodeprep"
        self.work = build / "bench"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "LC_ALL": "C.UTF-8"}

    def once(self, command, source=None, stdin=subprocess.DEVNULL, env=None):
        """Runs the command; `source` is a command whose output it reads."""
        out, into = os.pipe()
        feed = None
        if source:
            feed = subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        done = subprocess.run(
            # The shell puts the pipe on descriptor 3, where `measure` writes; dash duplicates only 0 to 9.
            ["/bin/sh", "-c", f'exec 3>/proc/self/fd/{into}; exec "$@"', "sh", self.work / "measure", *command],
            stdin=feed.stdout if feed else stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
            pass_fds=[into],
            check=True,
        )
        os.close(into)
        if feed:
            feed.stdout.close()
            feed.kill()
            feed.wait()
        with os.fdopen(out) as lines:
            status, wall, cpu, kb, faults = lines.readline().split()
        self.said = done.stderr.decode(errors="replace")
        return Run(int(status), float(wall), float(cpu), int(kb) / 1024, int(faults))

    def compare(self, commands, runs=RUNS):
        """Runs the commands in turn and returns the median of each, by name."""
        seen = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                seen[name].append(self.once(command))
        return {
            name: Run(
                max(run.status for run in each),
                *(
                    statistics.median(getattr(run, what) for run in each)
                    for what in ("wall", "cpu", "mb", "faults")
                ),
            )
            for name, each in seen.items()
        }

    def plan(self, file):
        return [self.nodeprep, "plan", "-o", "json", "-f", file]

    def input(self, form, pools=10000):
        return self.work / f"{form}-{pools}.yaml"


def table(title, headings, rows):
    print(f"\n{title}")
    cells = [headings, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(headings))]
    for first, *others in cells:
        # Words to the left, figures to the right.
        figures = (cell.rjust(width) for cell, width in zip(others, widths[1:]))
        print("  " + "  ".join([first.ljust(widths[0]), *figures]))


def megabytes(file):
    return f"{file.stat().st_size / 1e6:.1f}"


def row(name, file, run, base):
    ratio = f"{run.cpu / base.cpu:.2f}"
    return (name, megabytes(file), f"{run.wall:.2f}", f"{run.cpu:.2f}", f"{run.mb:.0f}", ratio, run.status)


HEADINGS = ["", "MB", "s", "cpu s", "peak MB", "ratio", "exit"]


def scale(bench):
    plain, twice, dump = bench.input("plain"), bench.input("plain", 20000), bench.input("dump")
    got = bench.compare(
        {
            "plain": bench.plan(plain),
            "twice": bench.plan(twice),
            "floor": [bench.work / "events", plain],
        }
    )
    table(
        "10,000 pools over 1,000 classes, plain manifests "
        "(aim: 1 s, 200 MB; twice the input 2.2 times the time)",
        HEADINGS,
        [
            row("plan", plain, got["plain"], got["plain"]),
            row("plan, 20,000 pools", twice, got["twice"], got["plain"]),
            row("libyaml's events alone", plain, got["floor"], got["plain"]),
        ],
    )
    got = bench.compare({"floor": [bench.work / "events", dump], "dump": bench.plan(dump)})
    table(
        "the same as a dump with managedFields and status (aim: 3 times libyaml, 200 MB)",
        HEADINGS,
        [
            row("libyaml's events alone", dump, got["floor"], got["floor"]),
            row("plan", dump, got["dump"], got["floor"]),
        ],
    )
    files = {
        "plan, many YAML documents": plain,
        "plan, one JSON List": bench.input("list"),
        "plan, one JSON List of a dump, 5,000 pools": bench.input("dump-list", 5000),
        "plan, one JSON List of a dump": bench.input("dump-list"),
    }
    got = bench.compare({name: bench.plan(file) for name, file in files.items()}, 3)
    table(
        "as one List in JSON (reported, no aim; more than 1,000,000 values in one document are refused)",
        HEADINGS,
        [row(name, file, got[name], got["plan, many YAML documents"]) for name, file in files.items()],
    )


def growth(bench):
    rows = []
    for pools in (1000, 10000, 100000):
        file = bench.input("plain", pools)
        run = bench.compare({"plan": bench.plan(file)}, 3)["plan"]
        each = f"{run.cpu / pools * 1e6:.0f}", f"{run.mb * 1024 / pools:.1f}"
        rows.append((f"{pools:,} pools", megabytes(file), f"{run.cpu:.2f}", f"{run.mb:.0f}", *each, run.status))
    table(
        "growth of plan, plain manifests (aim: linear)",
        ["", "MB", "cpu s", "peak MB", "us a pool", "KB a pool", "exit"],
        rows,
    )


def relocations(program):
    """How many addresses of the program are set at its start."""
    text = subprocess.run(["readelf", "-rW", program], capture_output=True, text=True, check=True).stdout
    return text.count("R_X86_64_RELATIVE") + text.count("R_AARCH64_RELATIVE")


def start(bench, examples):
    pool = bench.work / "one-pool.yaml"
    texts = [(examples / name).read_text(encoding="utf-8") for name in ("pools.yaml", "classes.yaml")]
    # The first document of each: one NodePool and the class that it names.
    pool.write_text("---\n".join(text.split("\n---\n")[0] + "\n" for text in texts), encoding="utf-8")
    got = bench.compare(
        {
            "/bin/true": ["/bin/true"],
            "nodeprep version": [bench.nodeprep, "version"],
            "nodeprep plan, one pool": bench.plan(pool),
            "nodeprep, CNI VERSION": ["/usr/bin/env", "CNI_COMMAND=VERSION", bench.nodeprep],
            "/usr/bin/env /bin/true": ["/usr/bin/env", "/bin/true"],
        },
        41,
    )
    floor = got["/bin/true"].wall
    table(
        f"start, {relocations(bench.nodeprep)} relocations in nodeprep (aim: version 1.3 times /bin/true)",
        ["", "ms", "ratio", "page faults", "peak MB", "exit"],
        [
            (
                name,
                f"{run.wall * 1e3:.2f}",
                f"{run.wall / floor:.2f}",
                f"{run.faults:.0f}",
                f"{run.mb:.1f}",
                run.status,
            )
            for name, run in got.items()
        ],
    )


# --- kubectl --------------------------------------------------------------------------------------

KINDS = [
    ("cluster.x-k8s.io", "v1beta1", "Cluster", "clusters"),
    ("nodeprep.dev", "v1alpha1", "NodePool", "nodepools"),
    ("run.tanzu.vmware.com", "v1alpha3", "TanzuKubernetesCluster", "tanzukubernetesclusters"),
    ("vmoperator.vmware.com", "v1alpha2", "VirtualMachineClass", "virtualmachineclasses"),
]


def discovery():
    """What a server says of the four kinds: kubectl maps no kind to a name without it."""
    answers = {"/api": {"kind": "APIVersions", "versions": ["v1"]}}
    answers["/api/v1"] = {"kind": "APIResourceList", "groupVersion": "v1", "resources": []}
    groups = []
    for group, version, kind, plural in KINDS:
        at = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [at], "preferredVersion": at})
        resource = {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind}
        resource["verbs"] = ["create", "get"]
        answers[f"/apis/{group}/{version}"] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}",
            "resources": [resource],
        }
    answers["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    return {path: json.dumps(answer).encode() for path, answer in answers.items()}


class Discovery(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers = discovery()

    def do_GET(self):
        body = self.answers.get(self.path.split("?")[0])
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def kubectl(bench):
    found = shutil.which("kubectl")
    title = "kubectl's own reading beside it, 1,000 pools over 100 classes, plain manifests"
    if not found:
        print(f"\n{title}\n  not measured: no kubectl on PATH")
        return
    tenth = bench.input("plain", 1000)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Discovery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        create = [found, "create", "--dry-run=client", "--validate=false", "-o", "name", "-f", tenth]
        create += ["--kubeconfig", "/dev/null", "--server", f"http://127.0.0.1:{server.server_port}"]
        got = bench.compare({"plan": bench.plan(tenth), "kubectl": create}, 3)
        server.shutdown()
    table(
        title,
        HEADINGS,
        [
            row("nodeprep plan", tenth, got["plan"], got["plan"]),
            row("kubectl create --dry-run=client", tenth, got["kubectl"], got["plan"]),
        ],
    )
    if got["kubectl"].status:
        print(f"  kubectl failed: {bench.said.strip()[:200]}")


# --- what must be refused ----------------------------------------------------------------------

def repeat(text, times):
    return (text * times).encode()


def bad_inputs():
    """Name, bytes of a file."""
    letters = "abcdefghi"
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{to}: &{to} [{','.join(['*' + at] * 10)}]\n" for at, to in zip(letters, letters[1:])
    )
    merges = "a: &a {k: 1}\n" + "".join(
        f"{to}: &{to} {{<<: [{','.join(['*' + at] * 10)}], l: *{at}, m: *{at}}}\n"
        for at, to in zip(letters, letters[1:])
    )
    deep = 10000
    return [
        ("alias bomb, 10^9 values", bomb.encode()),
        ("alias bomb of merge keys", merges.encode()),
        ("1,000,001 values", b"[" + repeat("1,", 1000001) + b"]"),
        ("10,000 levels, YAML flow", repeat("[", deep)),
        ("10,000 levels, YAML block", "".join(" " * at + "a:\n" for at in range(deep)).encode()),
        ("10,000 levels of '- '", repeat("- ", deep)),
        ("10,000 levels, JSON", repeat('{"a":', deep) + b"1" + repeat("}", deep)),
        ("binary garbage, 1 MiB", random.Random(1).randbytes(MIB)),
        ("zeros, 60 MiB", bytes(60 * MIB)),
        ("a quote that never ends, 60 MiB", b'"' + b" " * (60 * MIB)),
        ("brackets, 60 MiB", b"{" * (60 * MIB)),
        ("a comment, 60 MiB", b"#" * (60 * MIB)),
        ("empty documents, 8 MiB", repeat("---\n", 2 * MIB)),
        ("64 MiB and 1 byte", b"#" * (LIMIT + 1)),
    ]


def refused(bench):
    rows = []

    def add(name, file, source=None):
        run = bench.once(bench.plan(file), source)
        rows.append((name, f"{run.wall:.2f}", f"{run.mb:.0f}", run.status, bench.said.count("\n")))

    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        file = pathlib.Path(folder) / "bad"
        for name, content in bad_inputs():
            file.write_bytes(content)
            add(name, file)
        with open(file, "wb") as sparse:
            sparse.truncate(1 << 30)
        add("1 GB of zeros, a sparse file", file)
    endless = ["/bin/sh", "-c", "yes aaaaaaaa | tr -d '\\n' | head -c 1073741824"]
    add("a line of 1 GB through a pipe", "-", endless)
    table(
        "bad input (aim: exit 3 and one line, in 1 s and 100 MB)",
        ["", "s", "peak MB", "exit", "lines"],
        rows,
    )


def main(build, examples):
    bench = Bench(build)
    start(bench, examples)
    scale(bench)
    growth(bench)
    attach.attach(bench, build, table)
    kubectl(bench)
    refused(bench)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
