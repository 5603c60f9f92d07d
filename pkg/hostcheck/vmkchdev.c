/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static bool read_id(const char *text, struct np_pci_id *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	return strlen(text) == 9 && strspn(text, "0123456789abcdefABCDEF:") == 9 &&
	       np_gpu_pci_id_parse(text, ret, &ignored) == 0;
}

/* Who owns the device: a word of vmkchdev, or the letter and the module of ESXi's `lspci -p`. */
static enum np_verdict find_owner(const char *text, char module[static NP_DRIVER_MAX])
{
	char word[16] = "", letter;

	module[0] = '\0';
	if (sscanf(text, "%15[a-z] %31[a-zA-Z0-9_]", word, module) >= 1) {
		if (strcmp(word, "passthru") == 0)
			return NP_VERDICT_YES;
		return strcmp(word, "vmkernel") == 0 || strcmp(word, "console") == 0
			       ? NP_VERDICT_NO
			       : NP_VERDICT_UNKNOWN;
	}
	/* "255/   /     A P pciPassthru": interrupts, pin, then V for the VMkernel or P. */
	text = strpbrk(text, "ABCD");
	if (!text || sscanf(text, "%*1[A-D] %1c %31[a-zA-Z0-9_]", &letter, module) < 1)
		return NP_VERDICT_UNKNOWN;
	return letter == 'P' ? NP_VERDICT_YES : letter == 'V' ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
}

/*
 * "0000:3b:00.0 10de:1eb8 10de:12a2 vmkernel vmgfx0" of vmkchdev -l: address, id, subsystem, owner,
 * name; "0000:3b:00.0 10de:1eb8 10de:12a2 255/ / A P pciPassthru" of ESXi's lspci -p.
 */
bool hostcheck_read_vmkchdev(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX], text[128], id[16], sub[16], module[NP_DRIVER_MAX];
	const char *at = np_report_find_address(line, size, address);
	struct np_pci_id pci, subsystem;
	enum np_verdict owned;
	int used = 0;

	if (!at)
		return false;
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	if (sscanf(text, "%*s %15s %15s %n", id, sub, &used) < 2 || used == 0 ||
	    !read_id(id, &pci) || !read_id(sub, &subsystem))
		return false;
	owned = find_owner(text + used, module);
	if (owned == NP_VERDICT_UNKNOWN)
		return r->is_cut;
	r->kinds |= 1u << KIND_VMKCHDEV;
	if (!hostcheck_device_open(r, SIDE_HOST, address))
		return true;
	hostcheck_device_set_vendor(r->device, pci.vendor);
	hostcheck_device_set_device(r->device, pci.device);
	r->device->subsystem = subsystem;
	r->device->is_listed = true;
	if (strncmp(module, "vmgfx", 5) == 0)
		r->device->has_class = r->device->is_display = true;
	else if (module[0] != '\0' && owned == NP_VERDICT_NO && strcmp(module, "nvidia") != 0)
		r->device->is_other = true;
	if (strcmp(module, "nvidia") == 0)
		memcpy(r->device->module, module, sizeof(module));
	hostcheck_set_worst(&r->device->owned, owned, true);
	/* What is passed through can be. */
	if (owned == NP_VERDICT_YES && r->device->capable == NP_VERDICT_UNKNOWN)
		r->device->capable = NP_VERDICT_YES;
	hostcheck_device_close(r, true);
	return true;
}
