# SPDX-License-Identifier: Apache-2.0
"""The client's verbs that commands do not use: creations, deletions, patches of other types, watches in
threads, many reads over one connection. A program of the tests calls the library."""

import os
import pathlib
import subprocess

import pytest
import yaml

import servers
from proxies import Proxy

LIBRARIES = "-lcurl -lssl -lcrypto -ljansson -lyaml -lbsd -lpthread -lm".split()
WATCHES = 3


@pytest.fixture(scope="module")
def kube_live(tmp_path_factory):
    program = tmp_path_factory.mktemp("live") / "kube_live"
    argv = [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-g", "-o", program]
    argv += ["-I", servers.REPO / "include", servers.REPO / "tests" / "e2e" / "kube_live.c"]
    argv += [servers.BIN_DIR / "libnodeprep.a", *LIBRARIES]
    subprocess.run([str(a) for a in argv], check=True, timeout=120)
    return program


def test_verbs_and_watches(server, ns, kube_live, tmp_path):
    path = tmp_path / "config"
    config = yaml.safe_load(pathlib.Path(server.write_kubeconfig(path, server.token)).read_text())
    with Proxy() as proxy:
        config["clusters"][0]["cluster"]["proxy-url"] = f"http://{proxy.address}"
        path.write_text(yaml.safe_dump(config))
        more = ["real"] if server.kind == "real" else []
        done = subprocess.run([kube_live, path, ns, *more], capture_output=True, encoding="utf-8",
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "fine\n"
        # 41 reads at once, and all else of the run, took one connection; each watch has its own.
        assert len(proxy.asked) == 1 + WATCHES
