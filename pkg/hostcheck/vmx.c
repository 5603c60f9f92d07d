/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/units.h"

/* Beyond this a number of a VM is a slip of the pen: 64 TB of memory in MB, the largest window. */
#define NUMBER_MAX (UINT64_C(1) << 40)

enum value_type { TYPE_NUMBER, TYPE_FLAG };

/* A VM's settings that bear on its GPUs; keys without regard to case, as ESXi reads them. */
static const struct vmx_key {
	const char *key;
	enum value_type type;
	size_t offset;
} keys[] = {
	{ "amd.iommu.present", TYPE_FLAG, offsetof(struct vm_settings, viommu) },
	{ "mem.hotadd", TYPE_FLAG, offsetof(struct vm_settings, memory_hotadd) },
	{ "memoryMB", TYPE_NUMBER, offsetof(struct vm_settings, memory_mb) },
	{ "memoryReservationLockedToMax", TYPE_FLAG, offsetof(struct vm_settings, pinned) },
	{ "memSize", TYPE_NUMBER, offsetof(struct vm_settings, memory_mb) },
	{ "numvcpus", TYPE_NUMBER, offsetof(struct vm_settings, cpus) },
	{ "pciPassthru.64bitMMIOSizeGB", TYPE_NUMBER, offsetof(struct vm_settings, window_gb) },
	{ "pciPassthru.use64bitMMIO", TYPE_FLAG, offsetof(struct vm_settings, use_64bit) },
	{ "sched.mem.min", TYPE_NUMBER, offsetof(struct vm_settings, reserved_mb) },
	{ "sched.mem.pin", TYPE_FLAG, offsetof(struct vm_settings, pinned) },
	{ "vcpu.hotadd", TYPE_FLAG, offsetof(struct vm_settings, cpu_hotadd) },
	{ "virtualHW.version", TYPE_NUMBER, offsetof(struct vm_settings, hardware_version) },
	{ "vvtd.enable", TYPE_FLAG, offsetof(struct vm_settings, viommu) },
};

static const struct vmx_key *find_key(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcasecmp(keys[i].key, key) == 0)
			return &keys[i];
	return NULL;
}

static bool read_number(const char *text, uint64_t *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	return np_u64_parse(text, 0, NUMBER_MAX, ret, &ignored) == 0;
}

static bool set_key(struct vm_settings *vm, const struct vmx_key *key, const char *value)
{
	void *at = (char *)vm + key->offset;
	enum np_verdict flag = hostcheck_yes_or_no(value);
	uint64_t number = 0;

	if (key->type == TYPE_FLAG) {
		if (flag != NP_VERDICT_UNKNOWN)
			memcpy(at, &flag, sizeof(flag));
		return flag != NP_VERDICT_UNKNOWN;
	}
	if (!read_number(value, &number))
		return false;
	memcpy(at, &number, sizeof(number));
	vm->has_window = vm->has_window || at == (void *)&vm->window_gb;
	vm->has_reserved = vm->has_reserved || at == (void *)&vm->reserved_mb;
	return true;
}

/* --- devices ------------------------------------------------------------------------------------ */

static struct vm_device *find_device(struct vm_settings *vm, unsigned index)
{
	for (size_t i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].index == index)
			return &vm->devices[i];
	if (vm->n_devices == VM_DEVICES_MAX)
		return NULL;
	vm->devices[vm->n_devices] = (struct vm_device){ .index = index };
	return &vm->devices[vm->n_devices++];
}

static bool read_id(const char *text, uint16_t *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	return np_gpu_pci_half_parse(text, ret, &ignored) == 0;
}

/*
 * "00000:065:00.0" and "0:65:0.0" are decimal, as ESXi writes them; "0000:AF:00.0" with a letter, or
 * with two digits in each part, is hexadecimal.
 */
static void read_place(const char *value, char ret[static NP_PCI_ADDRESS_MAX])
{
	if (np_report_is_address(value)) {
		np_report_find_address(value, strlen(value), ret);
		return;
	}
	if (!hostcheck_place_parse(value, "#:#:#.#", ret))
		hostcheck_place_parse(value, "#:#.#", ret);
}

/* "0x10de:0x20f1": what a dynamic device may be; of several the first. */
static void read_allowed(const char *value, struct np_pci_id *ret)
{
	struct np_err ignored = NP_ERR_INIT;
	char first[24];
	size_t size = strcspn(value, ",; ");
	const char *colon = memchr(value, ':', size);
	const char *second =
		colon ? memchr(colon + 1, ':', size - (size_t)(colon + 1 - value)) : NULL;

	/* A third part is the subsystem's. */
	size = second ? (size_t)(second - value) : size;
	if (size >= sizeof(first))
		return;
	snprintf(first, sizeof(first), "%.*s", (int)size, value);
	np_gpu_pci_id_parse(first, ret, &ignored);
}

static bool set_member(struct vm_device *d, const char *member, const char *value)
{
	if (strcasecmp(member, "present") == 0)
		d->present = hostcheck_yes_or_no(value);
	else if (strcasecmp(member, "id") == 0)
		read_place(value, d->address);
	else if (strcasecmp(member, "deviceId") == 0)
		read_id(value, &d->id.device);
	else if (strcasecmp(member, "vendorId") == 0)
		read_id(value, &d->id.vendor);
	else if (strncasecmp(member, "allowedDevices", strlen("allowedDevices")) == 0)
		read_allowed(value, &d->id);
	else if (strcasecmp(member, "pfId") == 0 || strncasecmp(member, "dvs.", 4) == 0)
		d->is_network = true;
	else if (strcasecmp(member, "vgpu") == 0)
		snprintf(d->vgpu, sizeof(d->vgpu), "%.63s", value);
	else
		return false;
	return true;
}

/* "pciPassthru0.deviceId". */
static bool read_device(struct vm_settings *vm, const char *key, const char *value)
{
	static const char head[] = "pciPassthru";
	struct vm_device *d;
	char *end;
	unsigned long index;

	if (strncasecmp(key, head, strlen(head)) != 0)
		return false;
	key += strlen(head);
	if (*key < '0' || *key > '9')
		return false;
	index = strtoul(key, &end, 10);
	if (*end != '.' || index > 4096)
		return false;
	d = find_device(vm, (unsigned)index);
	return !d || set_member(d, end + 1, value) || strncasecmp(end + 1, "cfg.", 4) == 0 ||
	       strcasecmp(end + 1, "pciSlotNumber") == 0;
}

static bool read_firmware(struct vm_settings *vm, const char *value)
{
	if (strcasecmp(value, "efi") == 0)
		vm->firmware = FIRMWARE_EFI;
	else if (strcasecmp(value, "bios") == 0)
		vm->firmware = FIRMWARE_BIOS;
	else
		return false;
	return true;
}

/* A line of a .vmx file, of the DICT part of a vmware.log, or of an export of a VM's extraConfig. */
bool hostcheck_read_vmx_pair(struct reading *r, const struct pair_line *p)
{
	struct vm_settings *vm = &r->h->vm;
	bool is_value = strcmp(p->name, "value") == 0 && r->setting[0] != '\0';
	const char *name = is_value ? r->setting : p->key;
	const struct vmx_key *key = find_key(name);
	bool is_known;

	if (strcasecmp(name, "config.version") == 0 || strcasecmp(name, ".encoding") == 0) {
		vm->is_whole_file = vm->is_whole_file || strcasecmp(name, "config.version") == 0;
		is_known = true;
	} else if (strcasecmp(name, "firmware") == 0)
		is_known = read_firmware(vm, p->value);
	else
		is_known = key ? set_key(vm, key, p->value) : read_device(vm, name, p->value);
	if (!is_known)
		return false;
	r->kinds |= 1u << KIND_VMX;
	vm->is_seen = true;
	if (is_value)
		r->setting[0] = '\0';
	return true;
}
