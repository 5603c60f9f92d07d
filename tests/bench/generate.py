# SPDX-License-Identifier: Apache-2.0
"""Writes worker pools and their VM classes, the same bytes for the same arguments.

    generate.py plain|dump|list|dump-list POOLS >FILE

plain      manifests as people write them, one document each
dump       the same objects as `kubectl get -o yaml` shows them: managedFields and status
list       the plain ones as one `kind: List` in JSON
dump-list  the dump as one `kind: List` in JSON

There is one class for ten pools. Of ten pools four are NodePools, three stand in one
TanzuKubernetesCluster and three in one Cluster with a topology.
"""

import json
import re
import sys
import uuid

POOLS_PER_CLASS = 10
CLASSES_PER_NAMESPACE = 50
WHEN = "2025-03-14T09:26:53Z"

# Model as a pool names it, PCI device id (NVIDIA) or vGPU profile, GB of its memory.
CARDS = [
    ("A100-40GB", 0x20B0, 40),
    ("H200", 0x2335, 141),
    ("T4", 0x1EB8, 16),
    ("grid_a100-40c", None, 40),
    ("L40S", 0x26B9, 48),
]


def namespace(number):
    return f"team-{number // CLASSES_PER_NAMESPACE:03}"


def vm_class(number):
    """A class: one in five is right already, one in five has a configSpec, the others are bare."""
    model, device, gb = CARDS[number % len(CARDS)]
    count = 1 << number % 4
    spec = {"hardware": {"cpus": 8 * count, "memory": f"{2 * gb * count}Gi"}}
    if device is None:
        spec["hardware"]["devices"] = {"vgpuDevices": [{"profileName": model}] * count}
    elif number % 5 == 1:
        spec["configSpec"] = config_spec(device, count)
    else:
        entry = {"vendorID": 0x10DE, "deviceID": device, "customLabel": "rack-a"}
        spec["hardware"]["devices"] = {"dynamicDirectPathIODevices": [entry] * count}
    spec["policies"] = {"resources": {"requests": {"cpu": "2", "memory": f"{gb}Gi"}}}
    return {
        "apiVersion": "vmoperator.vmware.com/v1alpha2",
        "kind": "VirtualMachineClass",
        "metadata": {"name": f"gpu-{number:05}", "namespace": namespace(number)},
        "spec": spec,
    }


def config_spec(device, count):
    def change(key):
        allowed = {
            "_typeName": "VirtualPCIPassthroughAllowedDevice",
            "vendorId": 0x10DE,
            "deviceId": device,
        }
        backing = {
            "_typeName": "VirtualPCIPassthroughDynamicBackingInfo",
            "deviceName": "",
            "allowedDevice": [allowed],
        }
        return {
            "_typeName": "VirtualDeviceConfigSpec",
            "operation": "add",
            "device": {"_typeName": "VirtualPCIPassthrough", "key": -200 - key, "backing": backing},
        }

    def option(key, value):
        return {
            "_typeName": "OptionValue",
            "key": key,
            "value": {"_typeName": "string", "_value": value},
        }

    return {
        "_typeName": "VirtualMachineConfigSpec",
        "firmware": "efi",
        "deviceChange": [change(key) for key in range(count)],
        "extraConfig": [
            option("pciPassthru.use64bitMMIO", "TRUE"),
            option("pciPassthru.64bitMMIOSizeGB", "2048"),
            option("hypervisor.cpuid.v0", "FALSE"),
        ],
    }


def node_pool(number, cls):
    spec = {"replicas": number % 7 + 1, "vmClass": cls["metadata"]["name"]}
    card = CARDS[int(cls["metadata"]["name"][4:]) % len(CARDS)]
    count = 1 << int(cls["metadata"]["name"][4:]) % 4
    if number % 2:
        key = "model" if card[1] is not None else "vgpuProfile"
        spec["gpus"] = [{key: card[0], "count": count}]
    if number % 4 == 0:
        spec["mmio"] = {"minimumGB": 1024}
    return {
        "apiVersion": "nodeprep.dev/v1alpha1",
        "kind": "NodePool",
        "metadata": {
            "name": f"pool-{number:06}",
            "namespace": cls["metadata"]["namespace"],
            "labels": {"app.kubernetes.io/part-of": "training", "cost-centre": f"cc-{number % 97}"},
        },
        "spec": spec,
    }


def tkc(number, names, cls):
    pools = [
        {
            "name": name,
            "replicas": at + 1,
            "vmClass": cls["metadata"]["name"],
            "storageClass": "gold",
            "tkr": {"reference": {"name": "v1.26.5---vmware.2-fips.1-tkg.1"}},
        }
        for at, name in enumerate(names)
    ]
    control_plane = {"replicas": 3, "vmClass": "best-effort-large", "storageClass": "gold"}
    return {
        "apiVersion": "run.tanzu.vmware.com/v1alpha3",
        "kind": "TanzuKubernetesCluster",
        "metadata": {"name": f"tkc-{number:06}", "namespace": cls["metadata"]["namespace"]},
        "spec": {"topology": {"controlPlane": control_plane, "nodePools": pools}},
    }


def cluster(number, names, cls):
    pools = [
        {
            "class": "node-pool",
            "name": name,
            "replicas": at + 1,
            "variables": {
                "overrides": [{"name": "vmClass", "value": cls["metadata"]["name"]}],
            },
        }
        for at, name in enumerate(names)
    ]
    topology = {
        "class": "tanzukubernetescluster",
        "version": "v1.26.5---vmware.2-fips.1-tkg.1",
        "controlPlane": {"replicas": 3},
        "variables": [
            {"name": "vmClass", "value": "best-effort-large"},
            {"name": "storageClass", "value": "gold"},
        ],
        "workers": {"machineDeployments": pools},
    }
    network = {"pods": {"cidrBlocks": ["192.168.156.0/20"]}, "serviceDomain": "cluster.local"}
    return {
        "apiVersion": "cluster.x-k8s.io/v1beta1",
        "kind": "Cluster",
        "metadata": {"name": f"cluster-{number:06}", "namespace": cls["metadata"]["namespace"]},
        "spec": {"clusterNetwork": network, "topology": topology},
    }


def objects(pools):
    for number in range(0, pools, POOLS_PER_CLASS):
        cls = vm_class(number // POOLS_PER_CLASS)
        yield cls
        for at in range(4):
            yield node_pool(number + at, cls)
        yield tkc(number, [f"workers-{at}" for at in range(3)], cls)
        yield cluster(number, [f"md-{at}" for at in range(3)], cls)


# --- as the API server shows them ---------------------------------------------------------------


def fields(value):
    """The fieldsV1 of a value: members by name, items of a list by the member that tells them apart."""
    if isinstance(value, dict):
        return {f"f:{key}": fields(below) for key, below in value.items()}
    for key in ("name", "type"):
        if isinstance(value, list) and all(isinstance(item, dict) and key in item for item in value):
            names = [json.dumps({key: item[key]}, separators=(",", ":")) for item in value]
            return {f"k:{name}": {".": {}, **fields(item)} for name, item in zip(names, value)}
    return {}


def condition(kind):
    return {
        "lastTransitionTime": WHEN,
        "message": "",
        "reason": f"{kind}Succeeded",
        "status": "True",
        "type": kind,
    }


def shown(number, plain):
    """The object with what the server and its controllers add."""
    last = json.dumps(plain, sort_keys=True) + "\n"
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    kinds = ["Ready", "TopologyReconciled", "ControlPlaneReady", "InfrastructureReady", "NodesHealthy"]
    status = {
        "conditions": [condition(kind) for kind in kinds],
        "observedGeneration": 4,
        "phase": "Provisioned",
    }
    managed = [("kubectl-client-side-apply", "", plain["spec"]), ("manager", "status", status)]
    owner = {
        "apiVersion": "example.com/v1",
        "blockOwnerDeletion": True,
        "controller": True,
        "kind": "Fleet",
        "name": "fleet",
        "uid": str(uuid.UUID(int=1 << 64)),
    }
    metadata = {
        "annotations": {annotation: last},
        "creationTimestamp": WHEN,
        "ownerReferences": [owner],
        "finalizers": [f"{plain['kind'].lower()}.example.com/finalizer"],
        "generation": 4,
        "managedFields": [
            {
                "apiVersion": plain["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:status" if sub else "f:spec": fields(value)},
                "manager": manager,
                "operation": "Update",
                **({"subresource": sub} if sub else {}),
                "time": WHEN,
            }
            for manager, sub, value in managed
        ],
        **plain["metadata"],
        "resourceVersion": str(40000000 + number),
        "uid": str(uuid.UUID(int=number)),
    }
    return {**plain, "metadata": dict(sorted(metadata.items())), "status": status}


# --- YAML ----------------------------------------------------------------------------------------

# Text that needs no quotes: a letter first, no colon or hash that could end it, no word of YAML's.
PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[a-z.][^:#\n]*(?::[^\s:#][^:#\n]*)*", re.IGNORECASE
)


def scalar(value):
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value == value.strip() else json.dumps(value)
    return json.dumps(value)


def emit(value, indent, out):
    """Appends the lines of a mapping or list, two blanks a level, lists not indented."""
    pad = " " * indent
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    for key, below in items:
        head = f"{pad}- " if key is None else f"{pad}{scalar(key)}:"
        if isinstance(below, (dict, list)) and below and key is None:
            lines = []
            emit(below, indent + 2, lines)
            out.append(head + lines[0][indent + 2 :])
            out += lines[1:]
        elif isinstance(below, (dict, list)) and below:
            out.append(head)
            emit(below, indent + (2 if isinstance(below, dict) else 0), out)
        elif isinstance(below, (dict, list)):
            out.append(f"{head}{'' if key is None else ' '}{'{}' if isinstance(below, dict) else '[]'}")
        else:
            out.append(f"{head}{'' if key is None else ' '}{scalar(below)}")


def document(value):
    out = ["---"]
    emit(value, 0, out)
    return "\n".join(out) + "\n"


def main(form, pools):
    each = objects(pools)
    if form.startswith("dump"):
        each = (shown(number, plain) for number, plain in enumerate(each))
    if form.endswith("list"):
        whole = {"apiVersion": "v1", "items": list(each), "kind": "List", "metadata": {}}
        sys.stdout.write(json.dumps(whole, indent=4) + "\n")
        return
    for value in each:
        sys.stdout.write(document(value))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("plain", "dump", "list", "dump-list"):
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]))
