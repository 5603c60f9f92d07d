# SPDX-License-Identifier: Apache-2.0
"""Cluster API's own manager beside a kube-apiserver, and nodeprep-hookd as its Runtime Extension."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import subprocess

import yaml

import servers
from hookd import Hookd

HERE = pathlib.Path(__file__).resolve().parent
MANIFESTS = servers.REPO / "deploy" / "manifests"
CAPV = "infrastructure.cluster.x-k8s.io"
CONVERTED = ["clusters", "clusterclasses", "machines", "machinesets", "machinedeployments"]
CORE = "/apis/cluster.x-k8s.io/v1beta2"
EXTENSIONS = "/apis/runtime.cluster.x-k8s.io/v1beta2/extensionconfigs"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WAIT_S = 120


def find_manager():
    """Returns the folder of the built manager; build.sh prints it, at once if it is built."""
    folder = os.environ.get("NODEPREP_CAPI_DIR")
    if not folder:
        done = subprocess.run(
            [str(HERE / "build.sh"), str(servers.REPO / "build" / "real")],
            stdout=subprocess.PIPE,
            text=True,
            timeout=servers.BUILD_S,
            check=False,
        )
        if done.returncode != 0:
            raise servers.StartError("tests/real/capi/build.sh failed; its output is on stderr")
        folder = done.stdout.strip()
    return pathlib.Path(folder)


def minimal_crd(kind):
    """A CRD of the vSphere provider's that takes every field, where the real one is not at hand."""
    plural = kind.lower() + "s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{CAPV}"},
        "spec": {
            "group": CAPV,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": "v1beta1", **version, "storage": False},
                {"name": "v1beta2", **version},
            ],
        },
    }


def provider_crds():
    kinds = ["VSphereCluster", "VSphereClusterTemplate", "VSphereMachineTemplate", "VSphereMachine"]
    for kind in kinds:
        file = servers.REPO.parent / "shared" / "crds" / f"{CAPV}_{kind.lower()}s.yaml"
        yield yaml.safe_load(file.read_text()) if file.is_file() else minimal_crd(kind)


class Manager:
    """capi-manager with its webhooks, on the API server given; clients: its certificate's CA."""

    def __init__(self, server, clients):
        self.server, self.clients = server, clients

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = servers.make_folder(stack)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def _start(self, stack):
        built = find_manager()
        self.certs = servers.Certificates(self.folder)
        (self.folder / "tls.crt").write_bytes(self.certs.server.read_bytes())
        (self.folder / "tls.key").write_bytes(self.certs.server_key.read_bytes())
        webhook_port, metrics_port, health_port = servers.free_ports(3)
        self.webhook = {
            "url": f"https://127.0.0.1:{webhook_port}",
            "caBundle": base64.b64encode(self.certs.ca.read_bytes()).decode(),
        }
        self._create_crds(built)
        self.log = self.folder / "manager.log"
        argv = [built / "capi-manager", f"--kubeconfig={self.server.kubeconfig}"]
        argv += ["--feature-gates=ClusterTopology=true,RuntimeSDK=true"]
        argv += [f"--webhook-port={webhook_port}", f"--webhook-cert-dir={self.folder}"]
        argv += [f"--diagnostics-address=127.0.0.1:{metrics_port}", "--insecure-diagnostics"]
        argv += [f"--health-addr=127.0.0.1:{health_port}"]
        argv += [f"--runtime-extension-client-cert-file={self.clients.client}"]
        argv += [f"--runtime-extension-client-key-file={self.clients.client_key}"]
        self.process = servers.start(stack, argv, self.log)
        servers.wait_until("capi-manager", lambda: is_ready(health_port), self.process, self.log)
        self._create_webhooks(built)

    def _create_crds(self, built):
        crds = [yaml.safe_load(file.read_text()) for file in sorted((built / "crds").iterdir())]
        for crd in crds:
            if crd["spec"]["names"]["plural"] in CONVERTED:
                hook = {"url": self.webhook["url"] + "/convert", "caBundle": self.webhook["caBundle"]}
                webhook = {"conversionReviewVersions": ["v1"], "clientConfig": hook}
                crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
        for crd in [*crds, *provider_crds()]:
            # kustomize adds them to the published manifests: the contract that a CRD keeps.
            labels = crd["metadata"].setdefault("labels", {})
            labels |= {f"cluster.x-k8s.io/{v}": v for v in ("v1beta1", "v1beta2")}
            self.server.must("POST", servers.CRDS, crd)
        for crd in [*crds, *provider_crds()]:
            path = f"{servers.CRDS}/{crd['metadata']['name']}"
            servers.wait_until(path, lambda path=path: self._is_established(path))

    def _is_established(self, path):
        conditions = self.server.must("GET", path).get("status", {}).get("conditions") or []
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    def _create_webhooks(self, built):
        for body in yaml.safe_load_all((built / "webhooks.yaml").read_text()):
            for hook in body["webhooks"]:
                path = hook["clientConfig"]["service"]["path"]
                hook["clientConfig"] = {**self.webhook, "url": self.webhook["url"] + path}
            body["metadata"] = {"name": body["metadata"]["name"]}
            self.server.must("POST", f"{ADMISSION}/{body['kind'].lower()}s", body)


def is_ready(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


# --------------------------------------------------------------------------------------------------
# Objects

A100 = {"vendorId": 0x10DE, "deviceId": 0x20B0}
H100 = {"vendorId": 0x10DE, "deviceId": 0x2330}


def extension_config(hookd, name="nodeprep", settings=None):
    """The manifest that operators apply, with an address in place of a Service."""
    config = yaml.safe_load((MANIFESTS / "components" / "extension-config" / "extensionconfig.yaml").read_text())
    config["metadata"]["name"] = name
    del config["metadata"]["annotations"]
    config["spec"]["clientConfig"] = {
        "url": f"https://127.0.0.1:{hookd.port}",
        "caBundle": hookd.ca_bundle(),
    }
    config["spec"]["settings"] |= settings or {}
    return config


def machine_template(ns, name, version, **spec):
    fields = {
        "template": "ubuntu-2204",
        "network": {"devices": [{"networkName": "vm", "dhcp4": True}]},
        "memoryMiB": 262144,
        "hardwareVersion": "vmx-15",
        **spec,
    }
    return {
        "apiVersion": f"{CAPV}/{version}",
        "kind": "VSphereMachineTemplate",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"template": {"spec": fields}},
    }


def templates(ns, version):
    kubeadm = {"joinConfiguration": {"nodeRegistration": {"name": "node"}}}
    kubeadm["users"] = [{"name": "capv"}]
    control_plane = {"kubeadmConfigSpec": {"users": [{"name": "capv"}]}}
    cluster = {"server": "vcenter.example.com", "identityRef": {"kind": "Secret", "name": "vcenter"}}
    return [
        {
            "apiVersion": f"{CAPV}/{version}",
            "kind": "VSphereClusterTemplate",
            "metadata": {"name": "cluster", "namespace": ns},
            "spec": {"template": {"spec": cluster}},
        },
        {
            "apiVersion": "controlplane.cluster.x-k8s.io/v1beta2",
            "kind": "KubeadmControlPlaneTemplate",
            "metadata": {"name": "control-plane", "namespace": ns},
            "spec": {"template": {"spec": control_plane}},
        },
        {
            "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
            "kind": "KubeadmConfigTemplate",
            "metadata": {"name": "worker", "namespace": ns},
            "spec": {"template": {"spec": kubeadm}},
        },
        machine_template(ns, "control-plane", version),
        machine_template(ns, "cpu", version),
        machine_template(ns, "gpu", version, customVMXKeys={"keep": "me"}),
    ]


def reference(body):
    return {"templateRef": {"apiVersion": body["apiVersion"], "kind": body["kind"], "name": body["metadata"]["name"]}}


def string_schema():
    return {"openAPIV3Schema": {"type": "string"}}


def devices_schema():
    number = {"type": "integer"}
    item = {"type": "object", "properties": {"vendorId": number, "deviceId": number}}
    return {"openAPIV3Schema": {"type": "array", "items": item}}


def cluster_class(ns, version, config):
    cluster, control_plane, worker, control_plane_machine, cpu, gpu = templates(ns, version)
    selector = {
        "apiVersion": f"{CAPV}/{version}",
        "kind": "VSphereMachineTemplate",
        "matchResources": {"machineDeploymentClass": {"names": ["gpu"]}},
    }
    add = {"op": "add", "path": "/spec/template/spec/pciDevices", "valueFrom": {"variable": "gpuDevices"}}
    handlers = {
        f"{name}Extension": f"{handler}.{config}"
        for name, handler in (
            ("generatePatches", "generate-patches"),
            ("validateTopology", "validate-topology"),
            ("discoverVariables", "discover-variables"),
        )
    }
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "ClusterClass",
        "metadata": {"name": "vsphere", "namespace": ns},
        "spec": {
            "infrastructure": reference(cluster),
            "controlPlane": {
                **reference(control_plane),
                "machineInfrastructure": reference(control_plane_machine),
            },
            "workers": {
                "machineDeployments": [
                    {"class": "cpu", "bootstrap": reference(worker), "infrastructure": reference(cpu)},
                    {"class": "gpu", "bootstrap": reference(worker), "infrastructure": reference(gpu)},
                ]
            },
            "variables": [
                {"name": "vmClass", "required": False, "schema": string_schema()},
                {"name": "gpuDevices", "required": False, "schema": devices_schema()},
            ],
            "patches": [
                {
                    "name": "devices",
                    "enabledIf": "{{ if .gpuDevices }}true{{ end }}",
                    "definitions": [{"selector": selector, "jsonPatches": [add]}],
                },
                {"name": "nodeprep", "external": handlers},
            ],
        },
    }


def cluster(ns, name, gpu_variables, cpu_variables=None):
    def pool(of, values):
        overrides = [{"name": n, "value": v} for n, v in values.items()]
        body = {"class": of, "name": of, "replicas": 1}
        return {**body, "variables": {"overrides": overrides}} if overrides else body

    return {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": ns},
        "spec": {
            "topology": {
                "classRef": {"name": "vsphere"},
                "version": "v1.34.2",
                "controlPlane": {"replicas": 1},
                "workers": {
                    "machineDeployments": [pool("gpu", gpu_variables), pool("cpu", cpu_variables or {})]
                },
            }
        },
    }


class Topology:
    """A namespace with a ClusterClass, and the Clusters that a test makes in it."""

    def __init__(self, server, ns, version="v1beta2", config="nodeprep"):
        self.server, self.ns, self.version, self.config = server, ns, version, config

    def path(self, plural, name=None, api="cluster.x-k8s.io/v1beta2"):
        path = f"/apis/{api}/namespaces/{self.ns}/{plural}"
        return f"{path}/{name}" if name else path

    def create(self):
        plurals = {
            "VSphereClusterTemplate": "vsphereclustertemplates",
            "VSphereMachineTemplate": "vspheremachinetemplates",
            "KubeadmControlPlaneTemplate": "kubeadmcontrolplanetemplates",
            "KubeadmConfigTemplate": "kubeadmconfigtemplates",
        }
        for body in templates(self.ns, self.version):
            self.server.must("POST", self.path(plurals[body["kind"]], api=body["apiVersion"]), body)
        self.server.must("POST", self.path("clusterclasses"), cluster_class(self.ns, self.version, self.config))
        wait_for("ClusterClass", self._class_is_ready, self._class)

    def _class(self):
        return self.server.must("GET", self.path("clusterclasses", "vsphere"))

    def _class_is_ready(self):
        names = [v["name"] for v in self._class().get("status", {}).get("variables") or []]
        return "nodeprepGPU" in names

    def create_cluster(self, name, gpu_variables, cpu_variables=None):
        body = cluster(self.ns, name, gpu_variables, cpu_variables)
        return self.server.must("POST", self.path("clusters"), body)

    def cluster(self, name):
        return self.server.must("GET", self.path("clusters", name))

    def condition(self, name, kind="TopologyReconciled"):
        for condition in self.cluster(name).get("status", {}).get("conditions") or []:
            if condition["type"] == kind:
                return condition
        return {}

    def set_gpu_variables(self, name, values):
        """Writes the GPU pool's overrides again."""
        for _ in range(10):
            body = self.cluster(name)
            pools = body["spec"]["topology"]["workers"]["machineDeployments"]
            gpu = next(pool for pool in pools if pool["name"] == "gpu")
            gpu["variables"] = {"overrides": [{"name": n, "value": v} for n, v in values.items()]}
            status, _, answer = self.server.request("PUT", self.path("clusters", name), body)
            if status == 200:
                return
            if status != 409:
                raise AssertionError(f"{status} {answer}")
        raise AssertionError("the Cluster changes all the time")

    def deployment(self, name, pool):
        label = "topology.cluster.x-k8s.io/deployment-name"
        for item in self.server.must("GET", self.path("machinedeployments"))["items"]:
            labels = item["metadata"]["labels"]
            if labels.get(label) == pool and item["spec"]["clusterName"] == name:
                return item
        return None

    def pool_template(self, name, pool):
        """Returns the template that the pool's machines are made from; None where there is none yet."""
        deployment = self.deployment(name, pool)
        if not deployment:
            return None
        ref = deployment["spec"]["template"]["spec"]["infrastructureRef"]
        api = f"{CAPV}/{self.version}"
        return self.server.must("GET", self.path("vspheremachinetemplates", ref["name"], api))

    def clones(self):
        label = "topology.cluster.x-k8s.io/owned"
        items = self.server.must("GET", self.path("vspheremachinetemplates", api=f"{CAPV}/v1beta2"))["items"]
        return [i["metadata"]["name"] for i in items if label in (i["metadata"].get("labels") or {})]

    def delete_cluster(self, name):
        self.server.must("DELETE", self.path("clusters", name))
        wait_for("Cluster gone", lambda: self._is_gone(name), lambda: self.cluster(name))

    def _is_gone(self, name):
        if self.server.request("GET", self.path("clusters", name))[0] == 404:
            return True
        # The absent providers' part: nothing of theirs has to be torn down.
        for plural, api in (
            ("vsphereclusters", f"{CAPV}/v1beta2"),
            ("kubeadmcontrolplanes", "controlplane.cluster.x-k8s.io/v1beta2"),
        ):
            for item in self.server.must("GET", self.path(plural, api=api))["items"]:
                if item["metadata"].get("deletionTimestamp") and item["metadata"].get("finalizers"):
                    body = {"metadata": {"finalizers": None}}
                    self.server.request("PATCH", self.path(plural, item["metadata"]["name"], api), body)
        return False


def wait_for(what, is_true, state=None, timeout=WAIT_S):
    """Waits; the object's status is printed where it takes too long."""
    try:
        return servers.wait_until(what, is_true, timeout=timeout)
    except servers.StartError as error:
        text = json.dumps(state(), indent=1)[-6000:] if state else ""
        raise AssertionError(f"{error}\n{text}") from None


def vm_class_spec(device, count):
    devices = [
        {
            "_typeName": "VirtualDeviceConfigSpec",
            "operation": "add",
            "device": {
                "_typeName": "VirtualPCIPassthrough",
                "key": -100 - n,
                "backing": {
                    "_typeName": "VirtualPCIPassthroughDynamicBackingInfo",
                    "deviceName": "",
                    "allowedDevice": [
                        {
                            "_typeName": "VirtualPCIPassthroughAllowedDevice",
                            **device,
                        }
                    ],
                },
            },
        }
        for n in range(count)
    ]
    return {
        "hardware": {"cpus": 32, "memory": "256Gi"},
        "configSpec": {"_typeName": "VirtualMachineConfigSpec", "deviceChange": devices},
    }

