# SPDX-License-Identifier: Apache-2.0
"""Prints what nodeprep-hookd takes beside Cluster API's own server for Runtime Extensions.

    hooks.py BUILD REFERENCE [MS]

REFERENCE is the folder of the built Go server (tests/real/capi/build.sh), whose handler gives the same
answers. Each cell is one run of each server, started for it, with the same load for MS milliseconds; the
two take turns, so that a busy machine slows both alike. All processes share the machine's processors.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time

PATH = "/hooks.runtime.cluster.x-k8s.io/v1alpha1/generatepatches/generate-patches"
TICKS = os.sysconf("SC_CLK_TCK")
A100, H100 = {"vendorId": 4318, "deviceId": 8368}, {"vendorId": 4318, "deviceId": 9008}


def managed_fields(n):
    fields = {f"f:field{i}": {"f:inner": {}, "f:other": {}} for i in range(8)}
    return [{"manager": "kubectl", "operation": "Apply", "time": f"2026-08-01T00:00:{n % 60:02d}Z",
             "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}]


def metadata(name, n):
    return {"name": name, "namespace": "ml", "uid": f"6f0c3a52-0000-4000-8000-{n:012d}",
            "resourceVersion": str(1000 + n), "generation": 1, "creationTimestamp": "2026-08-01T00:00:00Z",
            "ownerReferences": [{"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "ClusterClass",
                                 "name": "vsphere", "uid": "6f0c3a52-0000-4000-8000-00000000cafe"}],
            "managedFields": managed_fields(n)}


def machine_template(n):
    devices = [[A100] * 4, [H100] * 8, []][n % 3]
    spec = {"cloneMode": "fullClone", "datacenter": "dc0", "datastore": "vsan", "diskGiB": 100,
            "folder": "vms", "hardwareVersion": "vmx-15" if n % 2 else "vmx-21", "memoryMiB": 262144,
            "network": {"devices": [{"networkName": "vm", "dhcp4": True}]}, "numCPUs": 32,
            "resourcePool": "gpu", "server": "vcenter.example.com", "template": "ubuntu-2204",
            "thumbprint": "AA:BB:CC"} | ({"pciDevices": devices} if devices else {})
    return {"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2", "kind": "VSphereMachineTemplate",
            "metadata": metadata(f"pool-{n}", n), "spec": {"template": {"spec": spec}}}


def config_template(n):
    files = [{"path": f"/etc/file-{i}", "owner": "root:root", "content": "x = 1\n" * 20} for i in range(3)]
    spec = {"files": files, "users": [{"name": "capv", "sudo": "ALL=(ALL) NOPASSWD:ALL"}],
            "joinConfiguration": {"nodeRegistration": {"name": "{{ ds.meta_data.hostname }}"}}}
    return {"apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2", "kind": "KubeadmConfigTemplate",
            "metadata": metadata(f"pool-{n}", n), "spec": {"template": {"spec": spec}}}


def item(n, obj, field):
    builtin = {"machineDeployment": {"class": "gpu", "topologyName": f"pool-{n}", "replicas": 3,
                                     "name": f"c1-pool-{n}-x7k2p", "version": "v1.34.2"}}
    return {"uid": f"{obj['kind'][:4]}-{n:08d}", "object": obj, "variables": [{"name": "builtin", "value": builtin}],
            "holderReference": {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineDeployment",
                                "namespace": "ml", "name": f"c1-pool-{n}-x7k2p", "fieldPath": field}}


def request(templates):
    """A request with so many templates: those of pools, two each; one is a machine template."""
    items = []
    for n in range(max(1, templates // 2)):
        if templates > 1:
            items.append(item(n, config_template(n), "spec.template.spec.bootstrap.configRef"))
        items.append(item(n, machine_template(n), "spec.template.spec.infrastructureRef"))
    builtin = {"cluster": {"name": "c1", "namespace": "ml", "topology": {"version": "v1.34.2", "class": "vsphere"}}}
    return {"apiVersion": "hooks.runtime.cluster.x-k8s.io/v1alpha1", "kind": "GeneratePatchesRequest",
            "variables": [{"name": "builtin", "value": builtin}], "items": items}


def make_certificate(folder):
    argv = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    argv += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv += ["-out", str(folder / "tls.crt"), "-keyout", str(folder / "tls.key")]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def ask(port, body):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", PATH, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


class Server:
    """One of the two servers, running."""

    def __init__(self, name, argv, folder):
        self.name, self.argv, self.folder = name, argv, folder

    def __enter__(self):
        self.port = free_port()
        argv = [str(arg).format(port=self.port) for arg in self.argv]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "ASAN_OPTIONS": "quarantine_size_mb=16"}
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"{self.name} does not listen: see {self.folder}/{self.name}.log")

    def __exit__(self, *exc_info):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu(self):
        """Seconds of the processor so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0


def patches(answer):
    """The answer's patches, decoded; empty ones count as none."""
    decoded = {i["uid"]: json.loads(base64.b64decode(i["patch"])) for i in answer.get("items") or []}
    return {uid: patch for uid, patch in decoded.items() if patch}


class Hooks:
    def __init__(self, build, reference, ms):
        self.work, self.ms = build / "bench", ms
        folder = self.work / "hooks"
        folder.mkdir(parents=True, exist_ok=True)
        make_certificate(folder)
        self.folder = folder
        self.ours = Server("nodeprep-hookd", [
            build / "nodeprep-hookd", "--listen=127.0.0.1:{port}", f"--tls-cert-file={folder}/tls.crt",
            f"--tls-private-key-file={folder}/tls.key"], folder)
        self.reference = Server("reference", [
            reference / "reference", "--port={port}", f"--cert-dir={folder}"], folder)
        for templates in (1, 20, 500):
            (folder / f"{templates}.json").write_text(json.dumps(request(templates), separators=(",", ":")))

    def check(self):
        """Both servers say the same, or the figures would compare different work."""
        for templates in (1, 20, 500):
            body = (self.folder / f"{templates}.json").read_bytes()
            answers = []
            for server in (self.ours, self.reference):
                with server:
                    status, answer = ask(server.port, body)
                if status != 200 or answer["status"] != "Success":
                    raise SystemExit(f"{server.name}: {status} {answer.get('message')}")
                answers.append(patches(answer))
            if answers[0] != answers[1] or not answers[0]:
                raise SystemExit(f"{templates} templates: the servers' patches differ")

    def run(self, server, templates, clients, mode):
        with server:
            argv = [self.work / "load", str(server.port), PATH, self.folder / f"{templates}.json"]
            tail = lambda ms: [str(clients), str(ms), mode]
            subprocess.run([*argv, *tail(self.ms // 5)], capture_output=True, check=True, timeout=300)
            before = server.cpu()
            done = subprocess.run([*argv, *tail(self.ms)], capture_output=True, check=True, timeout=300)
            got = json.loads(done.stdout)
            got["cpu"] = (server.cpu() - before) / max(1, got["requests"]) * 1000
            got["mb"] = server.peak_mb()
            got["rate"] = got["requests"] / got["seconds"]
            return got

    def table(self):
        print("\nGeneratePatches beside Cluster API's Go server (ours / reference; aims: rate 1 or more, "
              "2 kept alive; CPU 0.5; memory 0.25)")
        head = ("templates", "KB", "clients", "connection", "req/s", "p50 ms", "p99 ms", "CPU s/1000", "peak MB",
                "rate", "CPU", "memory", "wrong")
        rows = []
        for templates in (1, 20, 500):
            kb = (self.folder / f"{templates}.json").stat().st_size / 1000
            for mode in ("keep", "new"):
                for clients in (1, 16, 256):
                    ours = self.run(self.ours, templates, clients, mode)
                    theirs = self.run(self.reference, templates, clients, mode)
                    pair = lambda what, form: f"{ours[what]:{form}} / {theirs[what]:{form}}"
                    ratio = lambda what: f"{ours[what] / theirs[what]:.2f}" if theirs[what] else "-"
                    rows.append((str(templates), f"{kb:.0f}", str(clients), mode, pair("rate", ".0f"),
                                 pair("p50", ".2f"), pair("p99", ".2f"), pair("cpu", ".3f"), pair("mb", ".0f"),
                                 ratio("rate"), ratio("cpu"), ratio("mb"), f"{ours['bad']} / {theirs['bad']}"))
                    print("  " + "  ".join(rows[-1]), file=sys.stderr)
        widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
        for row in (head, *rows):
            print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


def main():
    build, reference = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    hooks = Hooks(build, reference, int(sys.argv[3]) if len(sys.argv) > 3 else 3000)
    hooks.check()
    hooks.table()


if __name__ == "__main__":
    main()
