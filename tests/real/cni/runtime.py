# SPDX-License-Identifier: Apache-2.0
"""What the tests of the CNI plugin share: cnitool and the plugins, network namespaces, a call log."""

import json
import os
import pathlib
import secrets
import subprocess

import pytest

import servers
from builders import MANAGED, pool
from fixtures import PATH

HERE = pathlib.Path(__file__).resolve().parent

# Calls nodeprep and notes what it was called with: cnitool itself says nothing of that.
WRAPPER = """#!/bin/sh
config=$(cat)
printf '%s %s\\n' "$CNI_COMMAND" "$(printf %s "$config" | tr -d '\\n')" >>"{log}"
printf %s "$config" | exec "{nodeprep}"
"""


@pytest.fixture(scope="session")
def tools():
    """The folder of cnitool, the reference plugins and the libcni program; built if they are missing."""
    done = subprocess.run(
        [str(HERE / "build.sh"), str(servers.REPO / "build" / "real")],
        stdout=subprocess.PIPE, text=True, timeout=servers.BUILD_S, check=True,
    )
    return pathlib.Path(done.stdout.strip())


@pytest.fixture
def netns():
    """The path of a network namespace of the test's own."""
    name = f"nodeprep-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=30)
    yield f"/var/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True, timeout=30)


class Network:
    """A folder with a network's configuration, a call log, and the ways to call the network."""

    def __init__(self, tools, folder, server, netns):
        self.tools, self.folder, self.server, self.netns = tools, folder, server, netns
        self.log, self.state, self.conf = folder / "calls", folder / "state", folder / "net.d"
        for path in (folder / "bin", self.conf, self.state / "cni"):
            path.mkdir(parents=True)
        wrapper = folder / "bin" / "nodeprep"
        wrapper.write_text(WRAPPER.format(log=self.log, nodeprep=servers.BIN_DIR / "nodeprep"))
        wrapper.chmod(0o755)

    def write(self, plugins, version="1.1.0", name="gpu", single=False):
        """Writes a conflist, or with single the older form of one plugin alone."""
        if single:
            path = self.conf / f"{name}.conf"
            path.write_text(json.dumps({"cniVersion": version, "name": name, **plugins[0]}))
        else:
            path = self.conf / f"{name}.conflist"
            path.write_text(json.dumps({"cniVersion": version, "name": name, "plugins": plugins}))
        self.file, self.name = path, name

    def env(self):
        return {
            "CNI_PATH": f"{self.folder / 'bin'}:{self.tools}",
            "NETCONFPATH": str(self.conf),
            "CNI_CACHE": str(self.state / "cni"),
            "NETNS": self.netns,
            "KUBECONFIG": self.server.kubeconfig,
            "PATH": f"{PATH}:/usr/sbin:/sbin",
        }

    def cnitool(self, verb):
        """cnitool caches below /var/lib/cni: it gets a /var/lib of its own."""
        script = f'mount --bind "{self.state}" /var/lib && exec "{self.tools}/cnitool" {verb} {self.name} "{self.netns}"'
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script],
            capture_output=True, text=True, env=self.env(), timeout=120, check=False,
        )

    def libcni(self, *args, input=""):
        return subprocess.run(
            [str(self.tools / "libcni"), *args],
            input=input, capture_output=True, text=True, env=self.env(), timeout=120, check=False,
        )

    def calls(self):
        """Returns the calls since the last time: (command, configuration)."""
        if not self.log.exists():
            return []
        lines = self.log.read_text().splitlines()
        self.log.unlink()
        return [(line.split(" ", 1)[0], json.loads(line.split(" ", 1)[1])) for line in lines]


@pytest.fixture
def network(tools, tmp_path, server, netns):
    return Network(tools, tmp_path, server, netns)


def plugin(ns, *names, vm_class="gpu", **more):
    """Our entry in a network: NodePools of those names, with that class."""
    pools = [pool(ns, name, vm_class) for name in names or ["w"]]
    return {"type": "nodeprep", "instance": "host-1", "nodePool": pools, **more}


def cni_plugin(server, command, config, container="c1", ifname="eth0", timeout=180, **options):
    """Starts the plugin; returns the process, whose stdin has been fed."""
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": ifname}
    env |= {"KUBECONFIG": server.kubeconfig, "PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [str(servers.BIN_DIR / "nodeprep")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, **options,
    )
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    return process


def finish(process, timeout=180):
    """Waits and returns (exit status, stdout, stderr)."""
    with process:
        out, err = process.stdout.read(), process.stderr.read()
        return process.wait(timeout), out.decode(), err.decode()


def must(process):
    rc, out, err = finish(process)
    assert rc == 0, (rc, out, err)
    return out


def holders(cls):
    text = cls["metadata"].get("annotations", {}).get(MANAGED)
    pools = json.loads(text)["pools"] if text else {}
    return {name: entry["holders"] for name, entry in pools.items()}
