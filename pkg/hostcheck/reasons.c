/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#define CURE_ATTACH \
	"remove the device from the VM and add it again, or use a dynamic DirectPath device, which names no host"
#define CURE_MEMORY                                                                                                  \
	"free memory on the host, raise the reservation of the resource pool or namespace, or use a smaller class: " \
	"a GPU VM reserves all of its memory"
#define CURE_VGPU_ROOM                                                                                               \
	"set the host's default graphics type to Shared Direct, and compare the vGPU types in use on its GPUs with " \
	"the one asked for: a GPU in time-sliced mode holds one size unless mixed sizes are enabled"
#define CURE_VGPU_TYPE \
	"compare 'nvidia-smi vgpu -s' of the host with the type, and check the vGPU manager's release"
#define CURE_RESET \
	"power the host off and on, or set another reset method in /etc/vmware/passthru.map"
#define CURE_NESTED                                                                                                       \
	"switch hardware-assisted virtualization for the guest off (vhv.enable, configSpec.nestedHVEnabled), which does " \
	"not go with passthrough (Broadcom KB 437651)"
#define CURE_LIMIT                                                                                                     \
	"remove devices, or raise the VM's hardware version: 16 devices up to version 19, 32 with 20 (64 on ESXi 8.0 " \
	"U1), 128 with 21 (Broadcom KB 309986)"
#define CURE_IOMMU "switch VT-d (Intel) or the IOMMU (AMD) on in the BIOS"
#define CURE_HOTPLUG \
	"switch PCIe hot-plug off (esxcli system settings kernel set -s enablePCIEHotplug -v FALSE), and reboot the host"
#define CURE_GIVE                                                                                                           \
	"check VT-d or AMD IOMMU in the BIOS, that the device is set to passthrough and the host was rebooted since, that " \
	"no other VM uses it, and its reset method in /etc/vmware/passthru.map; switch the VM's own IOMMU (vvtd.enable) off"
#define NOT_GIVEN "the host cannot give the device to the VM"
#define ANOTHER_HOST "the VM names a device of another host, or one that moved"
#define NO_SUCH_DEVICE "the VM's settings name no device that the host has"
#define NO_RESERVATION "the host or the resource pool cannot reserve the VM's memory"
#define NO_ANSWER "the device does not answer a reset"
#define NO_ROOM "no GPU of the host has room for the vGPU"

/*
 * Reasons of a failed power-on: first those in words that public reports quote, a row each with its source,
 * the longest first. The rest are guesses at the wording, which count where the VM did not power on, and as
 * probable.
 */
static const struct reason_row rows[] = {
	/* Broadcom's article on HPE's PCIe hot-plug; vmkernel.log there. */
	{ { "is not a passthrough device" },
	  "power-on",
	  NULL,
	  "compare 'esxcli hardware pci list' and 'esxcli hardware pci pcipassthru list' of the host for this "
	  "device: set it to passthrough, reboot the host, and attach it to the VM again; on HPE servers switch "
	  "PCIe hot-plug off (esxcli system settings kernel set -s enablePCIEHotplug -v FALSE)",
	  REASON_QUOTED },
	{ { "adapter removed", "pciehp" },
	  "power-on",
	  "PCIe hot-plug of the host removed the device",
	  CURE_HOTPLUG,
	  REASON_EVENT },
	/* bosh-vsphere-cpi-release, pull request 372. */
	{ { "sched.mem.min", "memsize" },
	  "memory-reservation",
	  "the memory is not fully reserved",
	  NULL,
	  REASON_QUOTED },
	/* A thread of VMware's PowerCLI community of July 2017. */
	{ { "does not match the current system" },
	  "power-on",
	  ANOTHER_HOST,
	  CURE_ATTACH,
	  REASON_QUOTED },
	{ { "does not match the device" }, "power-on", ANOTHER_HOST, CURE_ATTACH, REASON_QUOTED },
	/* VMware KB 88161. */
	{ { "iommu virtualization is not allowed with vgpu" },
	  "power-on",
	  "the VM has a virtual IOMMU and a vGPU, which ESXi 7 does not combine",
	  "remove the virtual IOMMU (vvtd.enable), with at most 127 vCPUs; ESXi 8 takes both with "
	  "pciPassthru.vmiop.allowViommu and pciPassthru.vmiop.enableViommu TRUE",
	  REASON_QUOTED },
	/* Broadcom KB 437651; what the vSphere Client says when the device is added. */
	{ { "virtualization is not supported", "passthrough" },
	  "power-on",
	  "the VM has nested virtualization beside a passthrough device",
	  CURE_NESTED,
	  REASON_QUOTED },
	{ { "passthrough", "nested hardware-assisted virtualization" },
	  "power-on",
	  "the VM has nested virtualization beside a passthrough device",
	  CURE_NESTED,
	  REASON_QUOTED },
	/* NVIDIA's vGPU user guide, "default graphics type". */
	{ { "graphics resource", "insufficient" },
	  "power-on",
	  NO_ROOM,
	  CURE_VGPU_ROOM,
	  REASON_QUOTED },
	{ { "insufficientgraphicsresources" }, "power-on", NO_ROOM, CURE_VGPU_ROOM, REASON_QUOTED },
	{ { "no graphics device is available" },
	  "power-on",
	  NO_ROOM,
	  CURE_VGPU_ROOM,
	  REASON_QUOTED },
	/* F. Denneman's article of October 2022; the name of the file is the same in every language. */
	{ { "libnvidia-vgx" },
	  "power-on",
	  "NVIDIA's vGPU plugin did not start",
	  "check SR-IOV in the host's BIOS, the ECC mode of the GPU, its graphics type (Shared Direct), that the VM "
	  "reserves all of its memory, and the vGPU manager (nvidia-smi)",
	  REASON_QUOTED },
	/* A guide to GPUs of OpenShift nodes on ESXi 8.0.2. */
	{ { "failed to find a suitable device" },
	  "power-on",
	  NO_SUCH_DEVICE,
	  CURE_ATTACH,
	  REASON_QUOTED },
	{ { "no device hints found" }, "power-on", NO_SUCH_DEVICE, CURE_ATTACH, REASON_QUOTED },
	{ { "failed to generate predicates" },
	  "power-on",
	  NO_SUCH_DEVICE,
	  CURE_ATTACH,
	  REASON_QUOTED },
	{ { "failed to add bar memory" },
	  "power-on",
	  "the host did not place the device's BARs",
	  "switch memory mapping above 4 GB on in the BIOS of the host, and set both keys of the window in the VM class",
	  REASON_QUOTED },
	/* The API's fault, and its texts as bosh-vsphere-cpi-release and Horizon's guides quote them. */
	{ { "memory resources in the parent resource pool are insufficient" },
	  "memory-reservation",
	  NO_RESERVATION,
	  CURE_MEMORY,
	  REASON_QUOTED },
	{ { "not have sufficient memory resources to satisfy the reservation" },
	  "memory-reservation",
	  NO_RESERVATION,
	  CURE_MEMORY,
	  REASON_QUOTED },
	{ { "insufficientmemoryresources" },
	  "memory-reservation",
	  NO_RESERVATION,
	  CURE_MEMORY,
	  REASON_QUOTED },
	/* The text of the status in VMware's public vmkapi headers. */
	{ { "admission check failed for memory resource" },
	  "memory-reservation",
	  "the host cannot admit the VM's reservation",
	  CURE_MEMORY,
	  REASON_QUOTED },
	/* Logs of a passthrough device without function-level reset: octais.blogspot.com, May 2020. */
	{ { "is unresponsive after reset" }, "power-on", NO_ANSWER, CURE_RESET, REASON_EVENT },
	{ { "unavailable hardware or software support" },
	  "power-on",
	  NOT_GIVEN,
	  CURE_GIVE,
	  REASON_QUOTED },
	{ { "failed to register", "device" }, "power-on", NOT_GIVEN, CURE_GIVE, REASON_QUOTED },
	/* Public vmkernel.logs of GPUs and HBAs in passthrough. */
	{ { "pcie link to the device is down" },
	  "power-on",
	  "the device's PCIe link is down",
	  "power the host off and on, check the card's seat and power, and switch PCIe power saving (ASPM) off in the BIOS",
	  REASON_EVENT },
	{ { "out of interrupt vectors" },
	  "power-on",
	  "the host has no interrupt vectors left for the device",
	  "pass fewer devices through on this host",
	  REASON_EVENT },
	{ { "passthr", "caused an iommu fault" },
	  "power-on",
	  "the device accessed memory that is not the VM's, and ESXi ended the VM",
	  "update the firmware of device and server, and the guest's driver",
	  REASON_EVENT },

	{ { "did not complete its pending transactions" },
	  "power-on",
	  NO_ANSWER,
	  CURE_RESET,
	  REASON_GUESS },
	{ { "device", "in use" },
	  "power-on",
	  "another VM uses the device",
	  "power the other VM off, or give this one a free device: 'esxcli vm process list' names those that run",
	  REASON_GUESS },
	{ { "passthr", "in use" },
	  "power-on",
	  "another VM uses the device",
	  "power the other VM off, or give this one a free device: 'esxcli vm process list' names those that run",
	  REASON_GUESS },
	{ { "vgpu", "is not available" },
	  "power-on",
	  "the host does not offer this vGPU type",
	  CURE_VGPU_TYPE,
	  REASON_GUESS },
	{ { "vgpu", "not supported" },
	  "power-on",
	  "the host does not offer this vGPU type",
	  CURE_VGPU_TYPE,
	  REASON_GUESS },
	{ { "could not allocate", "mmio" },
	  "mmio-window",
	  "the firmware found no room for the devices' BARs",
	  NULL,
	  REASON_GUESS },
	{ { "passthr", "hardware version" },
	  "device-limit",
	  "the hardware version does not take the devices",
	  CURE_LIMIT,
	  REASON_GUESS },
	{ { "passthr", "maximum" },
	  "device-limit",
	  "the VM has more passthrough devices than its hardware version takes",
	  CURE_LIMIT,
	  REASON_GUESS },
	{ { "passthr", "too many" },
	  "device-limit",
	  "the VM has more passthrough devices than its hardware version takes",
	  CURE_LIMIT,
	  REASON_GUESS },
	{ { "hot", "add", "passthr" },
	  "hot-add",
	  "hot-add of memory or CPUs does not go with passthrough",
	  "switch mem.hotadd and vcpu.hotadd off",
	  REASON_GUESS },
	{ { "insufficient", "reservation" },
	  "memory-reservation",
	  NO_RESERVATION,
	  CURE_MEMORY,
	  REASON_GUESS },
	{ { "memory", "insufficient" },
	  "memory-reservation",
	  NO_RESERVATION,
	  CURE_MEMORY,
	  REASON_GUESS },
	{ { "rmrr" },
	  "power-on",
	  "the firmware of the host keeps memory of the device for itself (RMRR)",
	  "update the server's firmware, and switch the feature off that shares the device",
	  REASON_GUESS },
	{ { "passthr", "failed to reset" }, "power-on", NO_ANSWER, CURE_RESET, REASON_GUESS },
	{ { "no host iommu" }, "power-on", "the host has no IOMMU", CURE_IOMMU, REASON_GUESS },
	{ { "iommu", "not enabled" },
	  "power-on",
	  "the host's IOMMU is off",
	  CURE_IOMMU,
	  REASON_GUESS },
};

const struct reason_row *hostcheck_find_reason(const char *line, size_t size)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool has_all = true;

		for (size_t k = 0; k < 3 && rows[i].needles[k] && has_all; k++)
			has_all = hostcheck_has_word(line, size, rows[i].needles[k]);
		if (has_all)
			return &rows[i];
	}
	return NULL;
}
