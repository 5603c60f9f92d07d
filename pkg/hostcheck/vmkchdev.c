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

/* "0000:3b:00.0 10de:1eb8 10de:12a2 vmkernel vmgfx0": address, id, subsystem, owner, name. */
bool hostcheck_read_vmkchdev(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX], text[128], id[16], sub[16], who[16], name[32] = "";
	const char *at = np_report_find_address(line, size, address);
	struct np_pci_id pci, subsystem;
	enum np_verdict owned;

	if (!at)
		return false;
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	if (sscanf(text, "%*s %15s %15s %15[a-z] %31[a-zA-Z0-9_]", id, sub, who, name) < 3 ||
	    !read_id(id, &pci) || !read_id(sub, &subsystem))
		return false;
	owned = strcmp(who, "passthru") == 0   ? NP_VERDICT_YES
		: strcmp(who, "vmkernel") == 0 ? NP_VERDICT_NO
					       : NP_VERDICT_UNKNOWN;
	if (owned == NP_VERDICT_UNKNOWN && strcmp(who, "console") != 0)
		return r->is_cut;
	r->kinds |= 1u << KIND_VMKCHDEV;
	if (!hostcheck_device_open(r, SIDE_HOST, address))
		return true;
	hostcheck_device_set_vendor(r->device, pci.vendor);
	hostcheck_device_set_device(r->device, pci.device);
	r->device->subsystem = subsystem;
	r->device->is_listed = true;
	if (strncmp(name, "vmgfx", 5) == 0)
		r->device->has_class = r->device->is_display = true;
	hostcheck_set_worst(&r->device->owned, owned, true);
	/* What is passed through can be. */
	if (owned == NP_VERDICT_YES && r->device->capable == NP_VERDICT_UNKNOWN)
		r->device->capable = NP_VERDICT_YES;
	hostcheck_device_close(r, true);
	return true;
}
