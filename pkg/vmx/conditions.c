/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/units.h"
#include "nodeprep/vmx.h"
#include "nodeprep/warnings.h"

/* A VM with more vCPUs has a virtual IOMMU, which interrupts beyond 8 bits of APIC id need. */
#define VCPUS_WITHOUT_VIOMMU 127

#define HARDWARE_PREFIX "vmx-"

/* Broadcom KB 309986. Hardware version 20 is that of ESXi 8.0 (32 devices) and 8.0 U1 (64). */
static const struct limit {
	unsigned version; /* the first with this limit */
	unsigned devices;
	const char *esxi;
} limits[] = {
	{ 0, 16, "ESXi 7.0 and older" },
	{ 20, 32, "ESXi 8.0" },
	{ 20, 64, "ESXi 8.0 U1" },
	{ 21, 128, "ESXi 8.0 U2" },
};

#define N_LIMITS (sizeof(limits) / sizeof(limits[0]))

static const struct setting {
	const char *name;
	size_t offset;
} settings[] = {
	{ "amd.iommu.supportsPcip", offsetof(struct np_vmx_vm, has_viommu) },
	{ "mem.hotadd", offsetof(struct np_vmx_vm, memory_hot_add) },
	{ "pciPassthru.vmiop.allowViommu", offsetof(struct np_vmx_vm, allows_viommu) },
	{ "pciPassthru.vmiop.enableViommu", offsetof(struct np_vmx_vm, enables_viommu) },
	{ "vcpu.hotadd", offsetof(struct np_vmx_vm, cpu_hot_add) },
	{ "vvtd.enable", offsetof(struct np_vmx_vm, has_viommu) },
};

void np_vmx_vm_add(struct np_vmx_vm *vm, const char *name, const char *text)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcasecmp(name, settings[i].name) == 0 && strcasecmp(text, "true") == 0)
			*(bool *)((char *)vm + settings[i].offset) = true;
}

uint64_t np_vmx_hardware_version(const char *text)
{
	struct np_err ignored = NP_ERR_INIT;
	size_t prefix = strlen(HARDWARE_PREFIX);
	uint64_t version = 0;

	if (!text || strncmp(text, HARDWARE_PREFIX, prefix) != 0 ||
	    np_u64_parse(text + prefix, 1, 999, &version, &ignored) < 0)
		return 0;
	return version;
}

uint64_t np_vmx_device_limit(uint64_t hardware_version)
{
	uint64_t devices = 0;

	for (size_t i = 0; i < N_LIMITS; i++)
		if (hardware_version >= limits[i].version)
			devices = limits[i].devices;
	return devices;
}

static int note_viommu(const struct np_vmx_vm *vm, struct np_warnings *warnings, struct np_err *err)
{
	if (vm->vgpus == 0 || (vm->vcpus <= VCPUS_WITHOUT_VIOMMU && !vm->has_viommu))
		return 0;
	if (vm->has_viommu && vm->allows_viommu && vm->enables_viommu)
		return 0;
	if (vm->vcpus > VCPUS_WITHOUT_VIOMMU)
		return np_warnings_add(
			warnings, err, NP_WARNING_VGPU_VIOMMU,
			"%" PRIu64 " vCPUs and %" PRIu64
			" vGPU(s): more than %d vCPUs need a virtual IOMMU, "
			"which ESXi 7 refuses beside a vGPU; ESXi 8 needs vvtd.enable or "
			"amd.iommu.supportsPcip, pciPassthru.vmiop.allowViommu and "
			"pciPassthru.vmiop.enableViommu, each TRUE",
			vm->vcpus, vm->vgpus, VCPUS_WITHOUT_VIOMMU);
	return np_warnings_add(
		warnings, err, NP_WARNING_VGPU_VIOMMU,
		"a virtual IOMMU and %" PRIu64 " vGPU(s): ESXi 7 refuses this; ESXi 8 needs "
		"pciPassthru.vmiop.allowViommu and pciPassthru.vmiop.enableViommu, both TRUE",
		vm->vgpus);
}

/* Returns the first limit that admits the devices; the last one where none does. */
static const struct limit *find_limit(uint64_t devices)
{
	size_t i = 0;

	while (i + 1 < N_LIMITS && limits[i].devices < devices)
		i++;
	return &limits[i];
}

static int note_limit(const struct np_vmx_vm *vm, struct np_warnings *warnings, struct np_err *err)
{
	const struct limit *limit = find_limit(vm->devices);

	if (vm->devices <= limits[0].devices)
		return 0;
	if (vm->devices > limits[N_LIMITS - 1].devices)
		return np_warnings_add(warnings, err, NP_WARNING_DEVICE_LIMIT,
				       "%" PRIu64 " passthrough devices: a VM takes at most %u "
				       "(Broadcom KB 309986)",
				       vm->devices, limits[N_LIMITS - 1].devices);
	if (vm->hardware_version == 0)
		return np_warnings_add(warnings, err, NP_WARNING_DEVICE_LIMIT,
				       "%" PRIu64
				       " passthrough devices need hardware version " HARDWARE_PREFIX
				       "%u and %s, and no version is set (Broadcom KB 309986)",
				       vm->devices, limit->version, limit->esxi);
	if (vm->hardware_version < limit->version)
		return np_warnings_add(warnings, err, NP_WARNING_DEVICE_LIMIT,
				       "%" PRIu64
				       " passthrough devices: hardware version " HARDWARE_PREFIX
				       "%" PRIu64 " takes %" PRIu64 "; " HARDWARE_PREFIX
				       "%u on %s takes %u (Broadcom KB "
				       "309986)",
				       vm->devices, vm->hardware_version,
				       np_vmx_device_limit(vm->hardware_version), limit->version,
				       limit->esxi, limit->devices);
	/* Version 20 runs on ESXi 8.0 too, which takes half of what 8.0 U1 does. */
	if (vm->hardware_version == 20 && vm->devices > 32)
		return np_warnings_add(warnings, err, NP_WARNING_DEVICE_LIMIT,
				       "%" PRIu64 " passthrough devices need %s: ESXi 8.0 takes 32 "
				       "(Broadcom KB 309986)",
				       vm->devices, limit->esxi);
	return 0;
}

static int note_hot_add(const struct np_vmx_vm *vm, struct np_warnings *warnings,
			struct np_err *err)
{
	if (vm->devices == 0 || (!vm->cpu_hot_add && !vm->memory_hot_add))
		return 0;
	return np_warnings_add(
		warnings, err, NP_WARNING_HOT_ADD,
		"hot-add of %s is on, which vSphere does not support with passthrough devices "
		"(VMware vSphere documentation, DirectPath I/O)",
		!vm->memory_hot_add ? "CPUs"
		: vm->cpu_hot_add   ? "CPUs and memory"
				    : "memory");
}

int np_vmx_note_conditions(const struct np_vmx_vm *vm, struct np_warnings *warnings,
			   struct np_err *err)
{
	if (note_viommu(vm, warnings, err) < 0 || note_limit(vm, warnings, err) < 0)
		return np_err_ret(err);
	return note_hot_add(vm, warnings, err);
}
