# SPDX-License-Identifier: Apache-2.0
"""Manifests and cards as people have them: what public reports showed, with the right answer."""

import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PCI_IDS = pathlib.Path("/usr/share/misc/pci.ids")
GPU_VENDORS = ("10de", "1002", "8086", "1da3")


def vm_class(name, hardware="", config="", cpus=32):
    return f"""\
---
apiVersion: vmoperator.vmware.com/v1alpha3
kind: VirtualMachineClass
metadata: {{name: {name}, namespace: ml}}
spec:
  hardware: {{cpus: {cpus}, memory: 1Ti{hardware}}}
  policies: {{resources: {{requests: {{memory: 1Ti}}}}}}
{config}"""


def node_pool(name, spec):
    return f"""\
---
apiVersion: nodeprep.dev/v1alpha1
kind: NodePool
metadata: {{name: {name}, namespace: ml}}
spec: {spec}
"""


def dynamic(*ids):
    devices = ", ".join(f"{{vendorID: 0x{i[:4]}, deviceID: 0x{i[5:]}}}" for i in ids)
    return f", devices: {{dynamicDirectPathIODevices: [{devices}]}}"


def attached(*backings, more=""):
    head = "_typeName: VirtualDeviceConfigSpec, operation: add"
    items = "".join(
        f"    - {{{head}, device: {{_typeName: VirtualPCIPassthrough, key: 0, backing: {b}}}}}\n"
        for b in backings
    )
    return f"  configSpec:\n{more}    deviceChange:\n{items}"


def vgpu(profile):
    return f'{{_typeName: VirtualPCIPassthroughVmiopBackingInfo, vgpu: "{profile}"}}'


def dvx(device_class):
    return f"{{_typeName: VirtualPCIPassthroughDvxBackingInfo, deviceClass: {device_class}}}"


@pytest.fixture
def plan(nodeprep):
    """plan(manifests) returns the plan as JSON; kubeconfig is not needed."""

    def run(text, *args):
        done = nodeprep("plan", "-f", "-", "-o", "json", *args, input=text)
        assert done.out, done.err
        return json.loads(done.out)

    return run


def codes(plan):
    lists = [plan["warnings"]] + [c["warnings"] for c in plan["classes"] + plan["templates"]]
    return {w["code"] for warnings in lists for w in warnings}


UNKNOWN = [
    ("eight DVX devices", attached(*[dvx("com.intel.gaudi3")] * 8), "", 2048, "device-kind-unknown"),
    (
        "four devices with a backing of a newer vSphere",
        attached(*["{_typeName: VirtualPCIPassthroughNewBackingInfo, a: b}"] * 4), "", 1024, "device-kind-unknown",
    ),
    ("one DVX device keeps the floor", attached(dvx("com.example.nic")), "", 512, "device-kind-unknown"),
    (
        "a group of devices alone",
        "  configSpec:\n    deviceGroups: {deviceGroup: [{deviceGroupName: "
        '"Nvidia:4@nvidia_h200x-141c%NVLink"}]}\n',
        "",
        2048,
        "device-kind-unknown",
    ),
    ("four unknown cards of NVIDIA", "", dynamic(*["10de:3fff"] * 4), 1024, "unknown-device"),
    ("an unknown card of AMD", "", dynamic("1002:7fff"), 512, "unknown-device"),
    ("three unknown accelerators of Habana", "", dynamic(*["1da3:1099"] * 3), 1024, "unknown-device"),
    ("a profile of no known board", attached(*[vgpu("nvidia_z9000-8c")] * 4), "", 1024, "unknown-device"),
]


@pytest.mark.parametrize("config, hardware, window, code", [r[1:] for r in UNKNOWN], ids=[r[0] for r in UNKNOWN])
def test_unknown_is_never_none(plan, config, hardware, window, code):
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", hardware, config))
    (pool,), (made,) = got["pools"], got["classes"]
    assert pool["gpusPerNode"] not in (0,)
    assert (pool["requiredMMIOGB"], pool["mmioGB"]) == (None, None)
    assert (made["mmioGB"], made["firmware"]) == (window, "efi")
    assert {code, "gpu-size-unknown"} <= codes(got)
    assert made["gpus"] > 0


def test_a_pool_says_what_devices_of_unknown_kind_are(plan):
    got = plan(
        node_pool("p", "{vmClass: c, gpus: [{model: Gaudi-3, count: 8}]}")
        + vm_class("c", config=attached(*[dvx("com.intel.gaudi3")] * 8))
    )
    assert got["errors"] == []
    assert got["pools"][0]["requiredMMIOGB"] == 2048
    assert "gpu-size-unknown" not in codes(got)


def test_a_size_holds_for_devices_of_unknown_kind(plan):
    got = plan(
        node_pool("p", "{vmClass: c, mmio: {sizeGB: 4096}}")
        + vm_class("c", config=attached(*[dvx("com.intel.gaudi3")] * 8))
    )
    assert got["classes"][0]["mmioGB"] == 4096


CARDS = [
    ("10de:2bb1", 4, 1024),
    ("10de:2c3a", 2, 128),
    ("10de:3182", 1, 1024),
    ("1002:75a0", 1, 1024),
    ("1002:73a1", 2, 128),
    ("8086:e211", 1, 64),
    ("1da3:1060", 8, 2048),
]


@pytest.mark.parametrize("card, count, gb", CARDS)
def test_new_cards_have_their_size(plan, card, count, gb):
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", dynamic(*[card] * count)))
    assert got["pools"][0]["requiredMMIOGB"] == gb
    assert not codes(got) & {"unknown-device", "gpu-size-unknown"}


SPELLINGS = ["GRID A100-40C", "A100-40C", "nvidia_a100-40c", "Grid_A100-40c", "nvidia-a100-40c"]


@pytest.mark.parametrize("profile", SPELLINGS)
def test_vgpu_types_are_compared_by_meaning(plan, profile):
    got = plan(
        node_pool("p", '{vmClass: c, gpus: [{vgpuProfile: "grid_a100-40c", count: 2}]}')
        + vm_class("c", config=attached(vgpu(profile), vgpu("grid_a100-40c")))
    )
    assert got["errors"] == []
    assert got["pools"][0]["requiredMMIOGB"] == 256
    assert "vgpu-spelling" in codes(got)


def test_a_compute_vgpu_of_a_t4_needs_a_window(plan):
    both = node_pool("p", "{vmClass: c, mmio: {minimumGB: 64}}")
    got = plan(both + vm_class("c", config=attached(vgpu("grid_t4-16c"))))
    assert got["pools"][0]["requiredMMIOGB"] == 64
    assert (got["classes"][0]["mmioGB"], got["classes"][0]["firmware"]) == (64, "efi")
    got = plan(both + vm_class("c", config=attached(vgpu("grid_t4-16q"))))
    assert (got["pools"][0]["requiredMMIOGB"], got["classes"][0]["mmioGB"]) == (0, 0)


VIOMMU = "".join(
    f"    - {{_typeName: OptionValue, key: {key}, value: {{_typeName: string, _value: 'TRUE'}}}}\n"
    for key in ("vvtd.enable", "pciPassthru.vmiop.allowViommu", "pciPassthru.vmiop.enableViommu")
)
CONDITIONS = [
    ("192 vCPUs", 192, attached(vgpu("nvidia_h100xm-80c")), {"vgpu-viommu"}, set()),
    (
        "192 vCPUs with the keys",
        192,
        attached(vgpu("nvidia_h100xm-80c"), more="    extraConfig:\n" + VIOMMU),
        set(),
        {"vgpu-viommu"},
    ),
    ("127 vCPUs", 127, attached(vgpu("nvidia_h100xm-80c")), set(), {"vgpu-viommu"}),
    (
        "20 devices on version 19",
        32,
        attached(*[vgpu("nvidia_h100xm-80c")] * 20, more="    version: vmx-19\n"),
        {"device-limit"},
        set(),
    ),
    (
        "20 devices on version 21",
        32,
        attached(*[vgpu("nvidia_h100xm-80c")] * 20, more="    version: vmx-21\n"),
        set(),
        {"device-limit"},
    ),
    (
        "hot-add",
        32,
        attached(vgpu("nvidia_h100xm-80c"), more="    memoryHotAddEnabled: true\n"),
        {"hot-add"},
        set(),
    ),
]


@pytest.mark.parametrize("cpus, config, told, not_told", [r[1:] for r in CONDITIONS], ids=[r[0] for r in CONDITIONS])
def test_other_conditions_of_power_on(plan, cpus, config, told, not_told):
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", config=config, cpus=cpus))
    assert told <= codes(got) and not not_told & codes(got)


def test_a_profile_twice_under_hardware(plan):
    devices = ", devices: {vgpuDevices: [{profileName: nvidia_l40s-48c}, {profileName: nvidia_l40s-48c}]}"
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", devices))
    assert "vgpu-duplicate" in codes(got)


TKGM = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: Cluster
metadata: {name: gpu-wl, namespace: default}
spec:
  topology:
    class: tkg-vsphere-default-v1.1.0
    variables:
    - name: pci
      value:
        worker:
          hardwareVersion: vmx-17
          devices: [{vendorId: 0x10DE, deviceId: 0x26B9}, {vendorId: 0x10DE, deviceId: 0x26B9}]
    - name: worker
      value:
        machine:
          memoryMiB: 262144
          numCPUs: 16
          customVMXKeys: {pciPassthru.64bitMMIOSizeGB: "128", pciPassthru.use64bitMMIO: "true"}
    workers:
      machineDeployments:
      - {class: tkg-worker, name: md-0, replicas: 2}
      - class: tkg-worker
        name: md-1
        replicas: 3
        variables: {overrides: [{name: pci, value: {}}]}
"""


def test_tkgm_names_devices_in_variables(plan, nodeprep):
    got = plan(TKGM)
    first, second = got["pools"]
    assert (first["gpus"][0]["model"], first["gpusPerNode"], first["requiredMMIOGB"]) == ("L40S", 2, 256)
    assert (second["gpusPerNode"], second["requiredMMIOGB"]) == (0, 0)
    assert "class-missing" not in codes(got)
    (change,) = got["templates"][0]["changes"]
    assert (change["from"], change["to"]) == ("128", "512")
    path = "/spec/topology/variables/1/value/machine/customVMXKeys/pciPassthru.64bitMMIOSizeGB"
    assert change["path"] == path


# Public documents and code name these types; the window is that of a pool with one of them.
PUBLIC_TYPES = [
    ("GRID A100-10C", 128, "grid_a100-10c"),  # a test of harvester/pcidevices
    ("grid_m10-8q", 64, None),  # a test of hashicorp/packer-plugin-vsphere
    ("grid_m10-2b", 64, None),  # vmware/govmomi, issue 2773
    ("grid_t4-1q", 0, None),  # cloudfoundry/bosh-vsphere-cpi-release, pull request 369
    ("grid_t4-1a", 0, None),  # kubernetes-sigs/cluster-api-provider-vsphere, docs/gpu-vgpu.md
    ("nvidia_a40-1a", 128, None),  # a support case of 2022
    ("grid_v100d-4q", 64, None),  # vmware-tanzu/vm-operator, docs
    ("grid_a100-8c", 128, None),  # a module of PowerCLI
    ("nvidia_rtx_pro_6000_blackwell_dc-4-96q", 256, None),
]


@pytest.mark.parametrize("profile, gb, spelt", PUBLIC_TYPES, ids=[t[0] for t in PUBLIC_TYPES])
def test_types_of_public_documents_have_a_size(plan, profile, gb, spelt):
    devices = f', devices: {{vgpuDevices: [{{profileName: "{profile}"}}]}}'
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", devices))
    assert got["pools"][0]["requiredMMIOGB"] == gb
    warnings = {w["code"]: w["message"] for w in got["classes"][0]["warnings"]}
    assert ("vgpu-spelling" in warnings) == bool(spelt)
    assert not spelt or f"'{spelt}'" in warnings["vgpu-spelling"]


def test_a_type_of_a_mock_is_of_unknown_size(plan):
    """vmware-archive/vm-operator-api, pull request 70."""
    devices = ", devices: {vgpuDevices: [{profileName: mockup-vmiop}]}"
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", devices))
    assert got["pools"][0]["requiredMMIOGB"] is None
    assert {"unknown-device", "gpu-size-unknown"} <= codes(got)


def test_a_gpu_and_a_network_card_of_intel(plan):
    """The class of VM Operator's own documentation."""
    got = plan(node_pool("p", "{vmClass: c}") + vm_class("c", dynamic("10de:1db4", "8086:0d58")))
    assert [(g["model"], g["count"]) for g in got["pools"][0]["gpus"]] == [("V100-16GB", 1)]
    assert len(got["classes"][0]["otherDevices"]) == 1
    assert not codes(got) & {"unknown-device", "device-kind-unknown"}


@pytest.mark.parametrize("device", ["1e52:b140", "1ae0:0063", "1d0f:7064", "c0a9:540a", "8086:e2ff"])
def test_a_device_of_unknown_kind_is_never_a_bare_none(nodeprep, device, tmp_path):
    """It is not counted until the pool, or a catalogue with its size, says that it is a GPU."""
    text = node_pool("p", "{vmClass: c}") + vm_class("c", dynamic(device))
    for command in ("plan", "explain"):
        done = nodeprep(command, "-f", "-", input=text)
        assert done.rc == 0 and "none known" in done.out
        assert f"warning: device-kind-unknown: ml/c: device '{device}' is not counted as a GPU" in done.err
    assert f"{device}: passed through, of unknown kind, not counted" in done.out
    assert "window       unknown   no known device needs one" in done.out
    found = nodeprep("check", "-f", "-", "-o", "json", input=text)
    assert "device-kind-unknown" in {f["code"] for f in json.loads(found.out)["findings"]}
    cards = tmp_path / "cards.yaml"
    cards.write_text(f"- {{pciID: '{device}', model: X, memoryGB: 64}}\n")
    asked = text.replace("{vmClass: c}", f"{{vmClass: c, gpus: [{{pciID: '{device}', count: 1}}]}}")
    for named in (nodeprep("plan", "-f", "-", "--catalogue", cards, input=text), nodeprep("plan", "-f", "-", input=asked)):
        assert named.rc == 0 and "device-kind-unknown" not in named.err and "512 GB" in named.out


def test_what_may_be_a_gpu_is_unknown_in_every_form(plan, nodeprep):
    pool, devices = node_pool("p", "{vmClass: c}"), dynamic("1e52:b140")
    got = plan(pool + vm_class("c", devices))
    assert [got["pools"][0][key] for key in ("gpusPerNode", "requiredMMIOGB", "mmioGB")] == [None] * 3
    assert got["classes"][0]["gpus"] is None and got["classes"][0]["otherDevices"] == ["1e52:b140"]
    record = json.loads(got["classes"][0]["patch"]["metadata"]["annotations"]["nodeprep.dev/managed"])
    assert record["pools"]["ml/p"]["mmioGB"] is None
    rows = [line.split() for line in nodeprep("plan", "-f", "-", input=pool + vm_class("c", devices)).out.splitlines()]
    assert rows[2][-4:] == ["none", "known", "unknown", "unknown"] and rows[6][2] == "unknown"
    sized = plan(node_pool("p", "{vmClass: c, mmio: {sizeGB: 128}}") + vm_class("c", devices))
    assert (sized["pools"][0]["gpusPerNode"], sized["pools"][0]["mmioGB"]) == (None, 128)
    asked = node_pool("p", "{vmClass: c, gpus: [{model: T4, count: 1}]}") + vm_class("c", devices)
    assert "asks for 1 x T4, but VirtualMachineClass 'c' attaches none known" in nodeprep("plan", "-f", "-", input=asked).err


def test_what_may_be_a_gpu_keeps_the_window(nodeprep):
    """Also with --allow-shrink: that no known device needs the window does not say that none does."""
    keys = "".join(
        f"    - {{_typeName: OptionValue, key: pciPassthru.{key}, value: {{_typeName: string, _value: '{value}'}}}}\n"
        for key, value in (("use64bitMMIO", "TRUE"), ("64bitMMIOSizeGB", "1024"))
    )
    listed = "{_typeName: VirtualPCIPassthroughAllowedDevice, vendorId: 0x1e52, deviceId: 0xb140}"
    backing = f"{{_typeName: VirtualPCIPassthroughDynamicBackingInfo, deviceName: '', allowedDevice: [{listed}]}}"
    config = attached(backing, more=f"    extraConfig:\n{keys}")
    text = node_pool("p", "{vmClass: c}") + vm_class("c", config=config)
    done = nodeprep("plan", "-f", "-", "--allow-shrink", "-o", "json", input=text)
    assert json.loads(done.out)["classes"][0]["mmioGB"] == 1024
    assert "the current 1024 GB is kept: a device may be a GPU that needs it" in done.out


@pytest.mark.parametrize("device", ["15b3:ffff", "14e4:1751", "1000:00af", "144d:a80a", "8086:1572"])
def test_a_network_card_or_a_drive_is_none(nodeprep, device):
    done = nodeprep("explain", "-f", "-", input=node_pool("p", "{vmClass: c}") + vm_class("c", dynamic(device)))
    assert "GPUs         none\n" in done.out and f"{device}: passed through, no GPU, not counted" in done.out
    assert "device-kind-unknown" not in done.err


def test_a_template_with_placeholders_is_sized(plan):
    """The vGPU guide of Cluster API Provider vSphere, before clusterctl fills it in."""
    got = plan(
        """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: VSphereMachineTemplate
metadata: {name: "${CLUSTER_NAME}-gpu", namespace: "${NAMESPACE}"}
spec:
  template:
    spec: {memoryMiB: 16384, numCPUs: 2, server: "${VSPHERE_SERVER}", pciDevices: [{vGPUProfile: grid_t4-1a}]}
"""
    )
    assert got["pools"][0]["gpusPerNode"] == 1
    assert "placeholder" in codes(got)


@pytest.mark.parametrize("value", ["a:b;c;d", "sometext", "1001:1001,2000:2001;400:300"])
def test_lists_of_pci_devices_that_tanzu_refuses(nodeprep, value):
    """vmware-tanzu/tanzu-framework's own cases of an invalid list."""
    flat = f'CLUSTER_NAME: c\nINFRASTRUCTURE_PROVIDER: vsphere\nVSPHERE_WORKER_PCI_DEVICES: "{value}"\n'
    done = nodeprep("plan", "-f", "-", input=flat)
    assert (done.rc, done.out) == (3, "")
    assert "VSPHERE_WORKER_PCI_DEVICES" in done.err and f"'{value.split(',')[-1]}'" in done.err


def test_a_blueprint_with_inputs_conditions_and_other_kinds(plan):
    """Blueprints of VCF Automation's public examples: expressions stand where values will be."""
    got = plan(
        """\
formatVersion: 2
inputs: {name: {type: string}, deploy: {type: boolean, default: false}}
resources:
  namespace: {type: CCI.Supervisor.Namespace, properties: {name: "${input.namespace}", existing: true}}
  vm:
    type: CCI.Supervisor.Resource
    dependsOn: [namespace]
    properties:
      count: "${input.deploy ? 1 : 0}"
      context: ${resource.namespace.id}
      manifest:
        apiVersion: vmoperator.vmware.com/v1alpha3
        kind: VirtualMachine
        metadata: {name: "${input.name}", namespace: ml}
        spec: {className: "${input.vmClass}", imageName: vmi-1}
  subnet:
    type: CCI.Supervisor.Resource
    properties:
      context: ${resource.namespace.id}
      manifest: {apiVersion: crd.nsx.vmware.com/v1alpha1, kind: Subnet, metadata: {name: s}, spec: {accessMode: Private}}
  cluster:
    type: CCI.Supervisor.Resource
    properties:
      manifest:
        apiVersion: cluster.x-k8s.io/v1beta1
        kind: Cluster
        metadata: {name: train, namespace: ml}
        spec:
          topology:
            class: tanzukubernetescluster
            workers:
              machineDeployments:
              - class: node-pool
                name: gpu
                variables: {overrides: [{name: vmClass, value: c}]}
"""
        + vm_class("c", dynamic("10de:2330"))
    )
    pools = {p["name"]: p for p in got["pools"]}
    assert pools["${input.name}"]["gpusPerNode"] is None
    assert (pools["gpu"]["vmClass"], pools["gpu"]["requiredMMIOGB"]) == ("c", 256)
    assert "placeholder" in codes(got)


def test_a_manifest_of_another_tool_is_refused_with_its_place(nodeprep):
    """Instance groups of BOSH, whose names resemble ours."""
    text = "- name: gpu\n  vm_extension:\n    pci_passthroughs: [{vendor_id: 0x10de, device_id: 0x1db6}]\n"
    done = nodeprep("plan", "-f", "-", input=text)
    assert (done.rc, done.out) == (3, "")
    assert ":1:1: expected a mapping with apiVersion and kind" in done.err


def test_a_blueprint_is_read_for_its_manifests(plan):
    got = plan(
        """\
formatVersion: 2
inputs: {}
resources:
  ns: {type: CCI.Supervisor.Namespace, properties: {name: ml}}
  vm:
    type: CCI.Supervisor.Resource
    properties:
      context: ${resource.ns.id}
      manifest:
        apiVersion: vmoperator.vmware.com/v1alpha3
        kind: VirtualMachine
        metadata: {name: train, namespace: ml}
        spec: {className: c, imageName: vmi-1}
"""
        + vm_class("c", dynamic("10de:2330"))
    )
    assert [(p["name"], p["vmClass"], p["replicas"]) for p in got["pools"]] == [("train", "c", 1)]
    assert got["pools"][0]["requiredMMIOGB"] == 256


def test_a_folder_with_other_tools_files(nodeprep, tmp_path):
    files = {
        "kustomization.yaml": "resources: [pools.yaml]\npatches: [{path: ./more.yaml}]\n",
        "more.yaml": node_pool("p", "{replicas: 5}"),
        "patch.yaml": "- {op: replace, path: /spec/replicas, value: 3}\n",
        "values.yaml": "driver: {enabled: true}\n",
        "Chart.yaml": "apiVersion: v2\nname: gpu\nversion: 0.1.0\n",
        "notes.yaml": "just text\n",
        "pools.yaml": node_pool("p", "{vmClass: c}") + vm_class("c", dynamic("10de:2330")),
    }
    (tmp_path / "manifests").mkdir()
    for name, text in files.items():
        (tmp_path / "manifests" / name).write_text(text)
    done = nodeprep("plan", "-f", "manifests")
    assert done.rc == 0
    assert "6 document(s) ignored" in done.err
    assert "1 x H100-80GB" in done.out
    assert nodeprep("plan", "-f", "manifests/values.yaml").rc == 3


TEMPLATES = [
    ("ytt code", '#@ load("@ytt:data", "data")\nkind: NodePool\n', ["in.yaml:1:1:", "ytt"]),
    ("a ytt value", "kind: NodePool\nspec:\n  vmClass: #@ data.values.x\n", ["in.yaml:3:12:", "ytt"]),
    ("a block of Helm", "{{- if .Values.gpu }}\nkind: NodePool\n{{- end }}\n", ["in.yaml:1:", "Helm"]),
    ("a value of Helm", "kind: NodePool\nmetadata:\n  name: {{ .Values.x }}\n", ["in.yaml:3:", "Helm"]),
]


@pytest.mark.parametrize("text, says", [r[1:] for r in TEMPLATES], ids=[r[0] for r in TEMPLATES])
def test_templates_of_other_tools_are_named(nodeprep, tmp_path, text, says):
    (tmp_path / "in.yaml").write_text(text)
    done = nodeprep("plan", "-f", "in.yaml")
    assert (done.rc, done.out) == (3, "")
    assert all(word in done.err for word in says), done.err


def test_an_error_about_a_whole_input_names_it(nodeprep, tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    done = nodeprep("plan", "-f", "empty.yaml")
    assert done.rc == 3
    assert done.err.startswith("error: empty.yaml: ")


def test_an_id_that_is_a_models_name(nodeprep):
    done = nodeprep("plan", "-f", "-", input=node_pool("p", "{vmClass: c, gpus: [{pciID: H200}]}"))
    assert done.rc == 3
    assert "'H200' is a model's name" in done.err


CAPTURE = """\
1a:00.0 3D controller [0302]: NVIDIA Corporation GX1 [X1 200GB] [10de:3fff] (rev a1)
	Region 0: Memory at 9c000000 (64-bit, prefetchable) [size=64M]
	Region 2: Memory at 381000000000 (64-bit, prefetchable) [size=256G]
"""


def test_a_card_is_added_from_a_capture(plan, nodeprep, tmp_path):
    (tmp_path / "lspci.txt").write_text(CAPTURE)
    manifests = node_pool("p", "{vmClass: c}") + vm_class("c", dynamic("10de:3fff"))
    got = plan(manifests, "--catalogue-from", "lspci.txt")
    assert got["pools"][0]["requiredMMIOGB"] == 512
    assert not codes(got) & {"unknown-device", "gpu-size-unknown"}
    (tmp_path / "none.txt").write_text("nothing\n")
    done = nodeprep("gpus", "--catalogue-from", "none.txt")
    assert done.rc == 3
    assert done.err.startswith("error: none.txt: ")


def words(text):
    """The words of a name that tell one card from another."""
    text = text.replace("Radeon PRO", "Radeon Pro").lower()
    return {w.replace("gb", "") for w in re.findall(r"[a-z]*\d+[a-z0-9]*", text)}


def pci_names():
    """{vendor:device: name} of Debian's pci.ids, for vendors of GPUs."""
    names, vendor = {}, ""
    for line in PCI_IDS.read_text(encoding="utf-8", errors="replace").splitlines():
        if re.match(r"[0-9a-f]{4}  ", line):
            vendor = line[:4]
        elif re.match(r"\t[0-9a-f]{4}  ", line) and vendor in GPU_VENDORS:
            names[f"{vendor}:{line[1:5]}"] = line[7:]
    return names


# Names of Debian 12's list that say less, or another thing, than later ones do.
OTHER_NAMES = {
    "10de:20fd",  # A100T: AX800
}


def test_ids_are_those_of_pci_ids(nodeprep):
    """A card that Debian knows bears a name with one of the words that tell the card."""
    names = pci_names()
    cards = json.loads(nodeprep("gpus", "-o", "json").out)
    known = [c for c in cards["items"] if c["pciID"] in names]
    assert len(known) > 60
    for card in known:
        board = re.search(r"\[(.*)\]", names[card["pciID"]])
        theirs = words(board[1] if board else "")
        own = words(card["product"]) | words(card["model"])
        if theirs and card["pciID"] not in OTHER_NAMES:
            assert own & theirs, (card["pciID"], card["product"], names[card["pciID"]])


def test_functions_are_no_display_in_pci_ids():
    """No function that the catalogue rules out is called a GPU by Debian."""
    names = pci_names()
    for line in (ROOT / "pkg/gpu/catalogue.tsv").read_text().splitlines():
        if line.startswith("function\t"):
            name = names.get(line.split("\t")[1], "")
            assert not re.search(r"\bGPU\b|Graphics|3D controller|Display", name), (line, name)
