/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

/* Registers of the BARs in the configuration space. */
#define AT_BARS 0x10u
#define TOP_BIT (UINT64_C(1) << 59) /* beyond any address: what sizing left in a register */

/* A BAR as a line of the kernel tells of it. */
struct bar_line {
	unsigned index;
	const char *range; /* "[mem ..." */
};

/* "BAR 1: ...", "BAR 1 [mem ...", "reg 0x14: [mem ...". */
static bool find_bar(const char *text, struct bar_line *ret)
{
	const char *bar = strstr(text, "BAR "), *reg = strstr(text, "reg 0x");
	const char *rest;
	uint64_t number;

	ret->range = strstr(text, "[mem ");
	/* A virtual function's BAR is not the device's. */
	if (!ret->range || strstr(text, "VF BAR"))
		return false;
	rest = bar ? hostcheck_scan(bar, "BAR #", &number) : NULL;
	if (rest && strchr(" :", *rest) && number < NP_PCI_BARS)
		ret->index = (unsigned)number;
	else if (reg && hostcheck_scan(reg, "reg 0x$", &number) && number >= AT_BARS &&
		 number < AT_BARS + 4 * NP_PCI_BARS)
		ret->index = (unsigned)(number - AT_BARS) / 4;
	else
		return false;
	return true;
}

static struct np_seen_bar *find_seen(struct np_seen_gpu *gpu, unsigned index)
{
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].index == index)
			return &gpu->bars[i];
	return gpu->n_bars < NP_GPU_BARS_MAX ? np_report_add_bar(gpu, index) : NULL;
}

/* "[mem size 0x1000000000 64bit pref]" has no place, "[mem 0x4000000000-0x4fffffffff 64bit pref]" one. */
static void read_range(struct host_device *d, const struct bar_line *line)
{
	struct np_seen_bar *bar = find_seen(&d->seen, line->index);
	uint64_t n[2];

	if (!bar)
		return;
	bar->has_kind = true;
	bar->is_64bit = !!strstr(line->range, "64bit");
	bar->is_prefetchable = !!strstr(line->range, "pref");
	if (hostcheck_scan(line->range, "[mem size 0x$", n)) {
		bar->bytes = n[0];
		bar->assigned = NP_VERDICT_NO;
	} else if (hostcheck_scan(line->range, "[mem 0x$-0x$", n) && n[0] < n[1]) {
		bar->bytes = n[1] - n[0] + 1;
		bar->assigned = n[0] > 0 && n[0] < TOP_BIT ? NP_VERDICT_YES : NP_VERDICT_NO;
		bar->address = n[0];
	} else
		return;
	d->has_regions = true;
}

/* "pci 0000:03:00.0: [10de:1b38] type 00 class 0x030200": the kernel lists what it finds. */
static bool read_function(struct host_device *d, const char *text)
{
	const char *class = strstr(text, " class 0x"), *open = strstr(text, ": [");
	uint64_t id[2], code;

	while (open && !hostcheck_scan(open, ": [$:$]", id))
		open = strstr(open + 1, ": [");
	if (!open || !class || !hostcheck_scan(class, " class 0x$", &code) || id[0] > 0xffff ||
	    id[1] > 0xffff || code > 0xffffff)
		return false;
	hostcheck_device_set_vendor(d, (uint16_t)id[0]);
	hostcheck_device_set_device(d, (uint16_t)id[1]);
	hostcheck_device_set_class(d, (unsigned)code >> 8);
	return true;
}

/* On vSphere a kernel that logs PCI functions is a VM's, unless something tells otherwise. */
static enum host_side side_of(const struct reading *r)
{
	return r->side == SIDE_HOST ? SIDE_HOST : SIDE_GUEST;
}

static void read_pci_line(struct reading *r, const char *text, const char *address)
{
	struct bar_line bar;
	bool is_failure = strstr(text, "can't assign") || strstr(text, "failed to assign") ||
			  strstr(text, "no space for");

	if (!strstr(text, " class 0x") && !find_bar(text, &bar))
		return;
	if (!hostcheck_device_open(r, side_of(r), address))
		return;
	r->device->is_told = true;
	if (!read_function(r->device, text) && find_bar(text, &bar) &&
	    !strstr(text, "can't claim")) {
		read_range(r->device, &bar);
		if (is_failure)
			find_seen(&r->device->seen, bar.index)->assigned = NP_VERDICT_NO;
		r->device->is_whole = false;
	}
	r->device = NULL;
}

/* "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:03:00.0)". */
static void read_driver_bar(struct reading *r, const char *text, const char *address)
{
	const char *at = strstr(text, "NVRM: BAR");
	struct np_seen_bar *bar;

	if (!at || at[9] < '0' || at[9] > '5' || strncmp(at + 10, " is 0M", 6) != 0)
		return;
	if (!hostcheck_device_open(r, side_of(r), address))
		return;
	r->device->is_nvidia = r->device->is_told = true;
	r->device->has_class = r->device->is_display = true;
	bar = find_seen(&r->device->seen, (unsigned)(at[9] - '0'));
	if (bar)
		bar->assigned = NP_VERDICT_NO;
	r->device->has_regions = true;
	r->device = NULL;
}

/* "NVRM: The NVIDIA GPU 0000:02:00.0 (PCI ID: 10de:25b6)". */
static void read_driver_id(struct reading *r, const char *text, const char *address)
{
	const char *at = strstr(text, "(PCI ID: ");
	uint64_t id[2];

	if (!at || !hostcheck_scan(at, "(PCI ID: $:$)", id) || id[0] > 0xffff || id[1] > 0xffff ||
	    !hostcheck_device_open(r, side_of(r), address))
		return;
	hostcheck_device_set_vendor(r->device, (uint16_t)id[0]);
	hostcheck_device_set_device(r->device, (uint16_t)id[1]);
	r->device->is_told = true;
	r->device = NULL;
}

/* What the DMI line says of the VM's firmware: VMware's EFI is VMW71 and later, its BIOS 6.00. */
static void read_firmware(struct reading *r, const char *text)
{
	if (strstr(text, "efi: EFI v") || strstr(text, "BIOS VMW"))
		r->h->guest_firmware = FIRMWARE_EFI;
	else if (strstr(text, "DMI: VMware") && strstr(text, "BIOS 6.00"))
		r->h->guest_firmware = FIRMWARE_BIOS;
}

static bool is_kernel_line(const char *text, size_t size)
{
	static const char *const words[] = {
		"NVRM:",          " DMI: ",     "efi: EFI v",   "Linux version ", "nouveau 0000",
		"nvidia-nvlink:", "nvidia: ",   "nvidia 0000:", "pci 0000:",      "pci 0001:",
		"amdgpu 0000:",   "pcieport 0", "Xid (PCI:",    "nvidia-gridd",
	};

	if (size > 5 && strncmp(text, "DMI: ", 5) == 0)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (hostcheck_has_text(text, size, words[i]))
			return true;
	return false;
}

/* A line of dmesg, /dev/kmsg or the journal that is about PCI functions or their drivers. */
bool hostcheck_read_kernel(struct reading *r, const char *line, size_t size)
{
	char text[512], address[NP_PCI_ADDRESS_MAX];

	if (!is_kernel_line(line, size))
		return false;
	r->kinds |= 1u << KIND_KERNEL_LOG;
	np_nodecheck_log_parse(&r->h->log, line, size);
	r->h->log.is_read = true;
	np_report_copy_clean(text, sizeof(text), line, size);
	read_firmware(r, text);
	if (r->is_cut || !np_report_find_address(line, size, address))
		return true;
	if (strstr(text, "pci 0"))
		read_pci_line(r, text, address);
	read_driver_bar(r, text, address);
	read_driver_id(r, text, address);
	return true;
}
