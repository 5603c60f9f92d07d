/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "nodeprep/warnings.h"

static const struct np_message_kind kinds[NP_WARNING_MAX] = {
	[NP_WARNING_ADDRESS_WIDTH] = { "address-width", NP_SEVERITY_WARNING,
				       "use fewer GPUs per node, or a smaller mmio.sizeGB" },
	[NP_WARNING_ALLOW_LIST] = { "allow-list", NP_SEVERITY_WARNING,
				    "set VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST: \"true\"" },
	[NP_WARNING_API_MISSING] = { "api-missing", NP_SEVERITY_WARNING,
				     "none, or correct the server's address" },
	[NP_WARNING_BAKED_IN] = { "baked-in", NP_SEVERITY_UNKNOWN,
				  "list the device in the class, or set mmio.sizeGB" },
	[NP_WARNING_BINDINGS_UNKNOWN] = { "bindings-unknown", NP_SEVERITY_UNKNOWN,
					  "grant the permissions in deploy/manifests/rbac/check.yaml" },
	[NP_WARNING_CHANGED_SINCE] = { "changed-since", NP_SEVERITY_WARNING,
				       "inspect the field and set it by hand" },
	[NP_WARNING_CLASS_MISSING] = { "class-missing", NP_SEVERITY_UNKNOWN,
				       "set the variable vmClass, or spec.vmClass" },
	[NP_WARNING_CLASS_NOT_BOUND] = { "class-not-bound", NP_SEVERITY_ERROR,
					 "bind the class to the namespace" },
	[NP_WARNING_CLASS_SHARED] = { "class-shared", NP_SEVERITY_WARNING,
				      "check that the change suits all pools, or use separate classes" },
	[NP_WARNING_DEVICE_KIND_UNKNOWN] = { "device-kind-unknown", NP_SEVERITY_UNKNOWN,
					     "name the GPUs in the pool, or set mmio.sizeGB" },
	[NP_WARNING_DEVICE_LIMIT] = { "device-limit", NP_SEVERITY_WARNING,
				      "raise spec.configSpec.version, or attach fewer devices" },
	[NP_WARNING_DEVICES_DIVERGED] = { "devices-diverged", NP_SEVERITY_WARNING,
					  "make both lists equal" },
	[NP_WARNING_DEVICES_HIDDEN] = { "devices-hidden", NP_SEVERITY_WARNING,
					"run nodeprep apply --restore-hidden-devices" },
	[NP_WARNING_DEVICES_KEPT] = { "devices-kept", NP_SEVERITY_WARNING,
				      "remove the other members of configSpec first, then revert again" },
	[NP_WARNING_EXTRA_GPUS] = { "extra-gpus", NP_SEVERITY_WARNING,
				    "correct the pool, or use another class" },
	[NP_WARNING_FIRMWARE_CHANGED] = { "firmware-changed", NP_SEVERITY_WARNING,
					  "check that the image boots with EFI" },
	[NP_WARNING_GPU_SIZE_UNKNOWN] = { "gpu-size-unknown", NP_SEVERITY_UNKNOWN,
					  "set mmio.sizeGB, or add the card with --catalogue or --catalogue-from" },
	[NP_WARNING_GUEST_32BIT] = { "guest-32bit", NP_SEVERITY_ERROR, "use a 64-bit guest" },
	[NP_WARNING_HARDWARE_VERSION] = { "hardware-version", NP_SEVERITY_ERROR,
					  "raise or remove spec.configSpec.version" },
	[NP_WARNING_HOT_ADD] = { "hot-add", NP_SEVERITY_WARNING,
				 "turn hot-add of CPUs and memory off" },
	[NP_WARNING_INVALID_RECORD] = { "invalid-record", NP_SEVERITY_ERROR,
					"restore the annotation, or run nodeprep revert --discard-record" },
	[NP_WARNING_LIST_FORBIDDEN] = { "list-forbidden", NP_SEVERITY_WARNING,
					"grant list on virtualmachineclasses" },
	[NP_WARNING_MACHINE_POOLS] = { "machine-pools", NP_SEVERITY_WARNING,
				       "replace machinePools by machineDeployments" },
	[NP_WARNING_MEMORY_ALLOCATION_REPLACED] = { "memory-allocation-replaced",
						    NP_SEVERITY_WARNING,
						    "remove spec.configSpec.memoryAllocation" },
	[NP_WARNING_MEMORY_SMALL] = { "memory-small", NP_SEVERITY_WARNING,
				      "raise the VM's memory" },
	[NP_WARNING_MISSPELT_KEY] = { "misspelt-key", NP_SEVERITY_WARNING, "remove the key" },
	[NP_WARNING_MIXED_VGPU] = { "mixed-vgpu", NP_SEVERITY_WARNING, "split the class" },
	[NP_WARNING_NO_EFFECT] = { "no-effect", NP_SEVERITY_WARNING,
				   "give the pool a VM class or a template of its own" },
	[NP_WARNING_NO_SPARE_HOST] = { "no-spare-host", NP_SEVERITY_WARNING,
				       "set maxSurge: 0, or use OnDelete" },
	[NP_WARNING_NVLINK_GROUP] = { "nvlink-group", NP_SEVERITY_WARNING,
				      "none if every host offers the group" },
	[NP_WARNING_P2P_KEYS] = { "p2p-keys", NP_SEVERITY_WARNING,
				  "none if the GPUs are behind one PCIe switch, else remove the keys" },
	[NP_WARNING_PASSTHROUGH_ONLY] = { "passthrough-only", NP_SEVERITY_WARNING,
					  "use a passthrough device, or a VM class" },
	[NP_WARNING_PLACEHOLDER] = { "placeholder", NP_SEVERITY_UNKNOWN,
				     "render the template first" },
	[NP_WARNING_RECORD_DISCARDED] = { "record-discarded", NP_SEVERITY_WARNING,
					  "run nodeprep apply again for pools that still use the class" },
	[NP_WARNING_RESIZE_RESETS] = { "resize-resets", NP_SEVERITY_WARNING,
				       "set the annotation vmoperator.vmware.com/pci-passthru-64bit-mmio-size on the VMs" },
	[NP_WARNING_STILL_HELD] = { "still-held", NP_SEVERITY_WARNING,
				    "none, or release the others too: --holder NAME, or --all-holders" },
	[NP_WARNING_TEMPLATE_MISSING] = { "template-missing", NP_SEVERITY_UNKNOWN,
					  "add the template with -f" },
	[NP_WARNING_TOPOLOGY_OWNED] = { "topology-owned", NP_SEVERITY_WARNING,
					"change the Cluster's variables instead" },
	[NP_WARNING_UNKNOWN_DEVICE] = { "unknown-device", NP_SEVERITY_UNKNOWN,
					"add the card with --catalogue or --catalogue-from" },
	[NP_WARNING_VGPU_DUPLICATE] = { "vgpu-duplicate", NP_SEVERITY_ERROR,
					"list equal vGPUs in configSpec.deviceChange" },
	[NP_WARNING_VGPU_SPELLING] = { "vgpu-spelling", NP_SEVERITY_WARNING,
				       "write the profile as vCenter lists it" },
	[NP_WARNING_VGPU_VIOMMU] = { "vgpu-viommu", NP_SEVERITY_WARNING,
				     "use 127 vCPUs or fewer, or set the keys" },
	[NP_WARNING_WINDOW_BELOW_RULE] = { "window-below-rule", NP_SEVERITY_WARNING,
					   "raise mmio.sizeGB, unless the size is known to work" },
	[NP_WARNING_WINDOW_KEPT] = { "window-kept", NP_SEVERITY_WARNING,
				     "none, or run with --allow-shrink" },
	[NP_WARNING_WINDOW_LARGER] = { "window-larger", NP_SEVERITY_WARNING,
				       "none, or lower the size: each doubling costs a few MB of host memory" },
};

static const char *const severity_names[NP_SEVERITY_MAX] = {
	[NP_SEVERITY_ERROR] = "error",
	[NP_SEVERITY_WARNING] = "warning",
	[NP_SEVERITY_UNKNOWN] = "unknown",
};

const char *np_severity_name(enum np_severity severity)
{
	assert(severity < NP_SEVERITY_MAX);
	return severity_names[severity];
}

const struct np_message_kind *np_warning_kind(enum np_warning_id warning)
{
	assert(warning < NP_WARNING_MAX);
	return &kinds[warning];
}
