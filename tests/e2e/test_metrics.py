# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md has a row for each metric that the controller and nodeprep-hookd serve, and no others."""

import contextlib
import re
import urllib.request

import pytest

import servers
from fixtures import PATH

PAGE = (servers.REPO / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.M)


def documented(title):
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return {name: (kind, set(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in ROW.findall(section)}


def described(text):
    """Returns type, labels and help of each metric in a /metrics response."""
    found = {}
    for name, words in re.findall(r"^# HELP (\w+) (.+)$", text, re.M):
        kind = re.search(rf"^# TYPE {name} (\w+)$", text, re.M)[1]
        samples = re.findall(rf"^{name}(?:_bucket|_sum|_count)?(?:{{(.*?)}})? ", text, re.M)
        assert samples, name
        found[name] = kind, {label for sample in samples for label in re.findall(r'(\w+)="', sample)}, words
    return found


def controller(stack, folder, port):
    server = stack.enter_context(servers.SimServer())
    return ["nodeprep", "controller", f"--kubeconfig={server.kubeconfig}", "--leader-elect=false",
            f"--metrics-listen=127.0.0.1:{port}"]


def hookd(stack, folder, port):
    certs = servers.Certificates(folder)
    return ["nodeprep-hookd", "--listen=127.0.0.1:0", f"--metrics-listen=127.0.0.1:{port}",
            f"--tls-cert-file={certs.server}", f"--tls-private-key-file={certs.server_key}"]


@pytest.mark.parametrize("title, program", [("The controller", controller), ("nodeprep-hookd", hookd)])
def test_every_metric_is_documented(title, program, tmp_path):
    (port,) = servers.free_ports(1)
    with contextlib.ExitStack() as stack:
        name, *args = program(stack, tmp_path, port)
        log = tmp_path / "log"
        env = {"PATH": PATH, "HOME": str(tmp_path)}
        process = servers.start(stack, [servers.BIN_DIR / name, *args], log, env=env)

        def metrics():
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as got:
                    return got.read().decode()

        text = servers.wait_until("/metrics", metrics, process, log)
    assert described(text) == documented(title)
