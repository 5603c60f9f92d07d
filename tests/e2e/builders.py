# SPDX-License-Identifier: Apache-2.0
"""Builders of what tests send, and readers of what they get back. No tests are in here, so that every
suite may import it: objects, classes and pools, credential plugins, a server that gives one answer."""

import contextlib
import http.server
import json
import stat
import threading

import yaml

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
A100 = {"vendorID": 0x10DE, "deviceID": 0x20B0}
H200 = {"vendorID": 0x10DE, "deviceID": 0x2335}
H100 = {"vendorID": 0x10DE, "deviceID": 0x2330}
T4 = {"vendorID": 0x10DE, "deviceID": 0x1EB8}
NIC = {"vendorID": 0x14E4, "deviceID": 0x1751}
SIZE = "pciPassthru.64bitMMIOSizeGB"
USE64 = "pciPassthru.use64bitMMIO"
MANAGED = "nodeprep.dev/managed"
WRITES = ("create", "update", "patch", "delete")


def hardware(*devices, memory="256Gi", vgpus=()):
    spec = {"hardware": {"cpus": 16, "memory": memory, "devices": {}}}
    if devices:
        spec["hardware"]["devices"]["dynamicDirectPathIODevices"] = list(devices)
    if vgpus:
        spec["hardware"]["devices"]["vgpuDevices"] = [{"profileName": name} for name in vgpus]
    return spec


def option(key, value):
    return {"_typeName": "OptionValue", "key": key, "value": {"_typeName": "string", "_value": value}}


def passthrough(device):
    return {
        "_typeName": "VirtualDeviceConfigSpec",
        "operation": "add",
        "device": {
            "_typeName": "VirtualPCIPassthrough",
            "key": 0,
            "backing": {
                "_typeName": "VirtualPCIPassthroughDynamicBackingInfo",
                "deviceName": "",
                "allowedDevice": [
                    {
                        "_typeName": "VirtualPCIPassthroughAllowedDevice",
                        "vendorId": device["vendorID"],
                        "deviceId": device["deviceID"],
                    }
                ],
            },
        },
    }


def config_spec(*devices, extra=(), **members):
    return {
        "_typeName": "VirtualMachineConfigSpec",
        "deviceChange": [passthrough(device) for device in devices],
        "extraConfig": list(extra),
        **members,
    }


def pool(ns, name, vm_class, **spec):
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"replicas": 3, "vmClass": vm_class, **spec},
    }


def dump(*documents):
    return yaml.safe_dump_all(documents)


def keys_of(cls):
    """The extraConfig of a class as (key, value) pairs, in its order."""
    entries = (cls["spec"].get("configSpec") or {}).get("extraConfig") or []
    return [(e["key"], e["value"]["_value"] if isinstance(e["value"], dict) else e["value"])
            for e in entries]


def ids_of(cls):
    """The devices that VM Operator would attach, as vendor and device ids."""
    return [
        (allowed["vendorId"], allowed["deviceId"])
        for change in cls["spec"].get("configSpec", {}).get("deviceChange", [])
        for allowed in change["device"]["backing"].get("allowedDevice", [])
    ]


def pools_of(cls):
    """What the class's annotation says of its pools."""
    text = cls["metadata"].get("annotations", {}).get(MANAGED)
    return json.loads(text)["pools"] if text else {}


def plain(cls):
    """What must be the same bytes again after a release: spec, labels and annotations."""
    metadata = cls["metadata"]
    return json.dumps(
        [cls["spec"], metadata.get("labels"), metadata.get("annotations")], sort_keys=False
    )


def writes(server):
    return [r for r in server.requests() if r["verb"] in WRITES]


class Plugin:
    """A script that plays a credential plugin; it counts its runs and keeps what it was told."""

    def __init__(self, folder, body):
        folder.mkdir(exist_ok=True)
        self.path = folder / "nodeprep-login"
        self._runs = folder / "runs"
        self._info = folder / "info"
        self.path.write_text(
            "#!/bin/sh\n"
            f"echo run >>'{self._runs}'; n=$(wc -l <'{self._runs}')\n"
            f'printf %s "$KUBERNETES_EXEC_INFO" >\'{self._info}\'\n{body}\n'
        )
        self.path.chmod(stat.S_IRWXU)

    @property
    def runs(self):
        return len(self._runs.read_text().splitlines()) if self._runs.exists() else 0

    @property
    def info(self):
        return json.loads(self._info.read_text())


def say(version=V1, **status):
    """The line of a script that gives this status."""
    text = json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": status})
    return f"cat <<'END'\n{text}\nEND"


def execs(version=V1, **members):
    spec = {"apiVersion": version, "command": "./nodeprep-login", "interactiveMode": "Never"}
    return {"exec": {k: v for k, v in {**spec, **members}.items() if v is not None}}


@contextlib.contextmanager
def answering(answer):
    """A server without TLS that gives every request this answer; yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_address[1]}"
        finally:
            running.shutdown()
            thread.join()
