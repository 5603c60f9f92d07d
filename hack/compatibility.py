#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compatibility.py - compares the column "tested" of docs/compatibility.md with what the tests build and run.

Prints each difference, and exits with 1 if there is one.
"""

import pathlib
import re
import sys

REPO = pathlib.Path(__file__).resolve().parents[1]
REAL = REPO / "tests" / "real"
PAGE = REPO / "docs" / "compatibility.md"
VERSION = r"\bv?\d+(?:\.\d+)*(?:(?:alpha|beta)\d+)?\b"


def text(path):
    return path.read_text(encoding="utf-8")


def module(folder, name):
    """The version of a Go module that the tests of a folder build."""
    return re.findall(rf"{re.escape(name)} v([\d.]+)$", text(REAL / folder / "go.mod"), re.M)


def found(path, pattern):
    return re.findall(pattern, text(path), re.M)


def served():
    return sorted(set(found(REAL / "crds" / "virtualmachineclasses.yaml", r"^ .*name: (v1alpha\d+)")))


def cluster_scoped():
    return found(REPO / "tests" / "e2e" / "servers.py", r'if v\["name"\] == "(v1alpha\d+)"')


def simulator():
    return module("vcenter", "github.com/vmware/govmomi") + found(
        REAL / "vcenter" / "simulator" / "control.go", r'Version: "([\d.]+)"'
    )


def specifications():
    (line,) = found(REAL / "cni" / "test_cnitool.py", r"^VERSIONS = \[(.*)\]")
    return re.findall(r"[\d.]+", line)


# The row's first words, and the versions of its tests.
ROWS = {
    "Kubernetes API server": module("", "k8s.io/kubernetes"),
    "VM Operator API": served(),
    "VM classes without a namespace": cluster_scoped(),
    "vSphere and Supervisor": [],
    "vCenter": simulator(),
    "Cluster API": module("capi", "sigs.k8s.io/cluster-api"),
    "Runtime Hooks": sorted(set(found(REPO / "pkg" / "hook" / "hook.c", r"hooks\.runtime\.cluster\.x-k8s\.io/(v\w+)\""))),
    "`VSphereMachineTemplate`": sorted(set(found(REAL / "capi" / "capi.py", r'"name": "(v1beta\d)"'))),
    "CNI specification": specifications(),
    "libcni": module("cni", "github.com/containernetworking/cni"),
    "CNI plugins": module("cni", "github.com/containernetworking/plugins"),
    "Debian": found(REAL / "debian" / "test_debian.py", r'"(?:bookworm|trixie)": "(\d+)"'),
}


def expected(cell):
    """The versions in a cell; `as vCenter 8.0.3` counts too."""
    return re.findall(VERSION, cell)


def table():
    """The rows of the page: first cell, and versions of the column "tested"."""
    rows = [line.strip("|").split("|") for line in text(PAGE).splitlines() if line.startswith("| ")]
    return {row[0].strip(): expected(row[1]) for row in rows[2:] if row[0].strip() != "Architecture"}


def main():
    rows = table()
    wrong = []
    for name, versions in ROWS.items():
        cells = [told for title, told in rows.items() if title.startswith(name)]
        if cells != [versions]:
            wrong.append(f"docs/compatibility.md: {name}: the page has {cells}, the tests run {versions}")
    wrong += [f"docs/compatibility.md: no pin for '{t}'" for t in rows if not any(t.startswith(n) for n in ROWS)]
    print("\n".join(wrong) or f"docs/compatibility.md: {len(ROWS)} rows agree with the tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
