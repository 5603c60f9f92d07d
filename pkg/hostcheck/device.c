/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX 512 /* of names that no card has */
#define CLASS_DISPLAY 0x03
#define CLASS_ACCELERATOR 0x12

/* Makers of graphics for a screen alone: BMCs, and the virtual ones of VMs. */
static const struct console_maker {
	uint16_t vendor;
	uint16_t device; /* 0: any */
	const char *name; /* in a list without ids; NULL: none of its own */
} consoles[] = {
	{ 0x1013, 0, "Cirrus Logic" },
	{ 0x102b, 0, "Matrox" },
	{ 0x1039, 0, "Silicon Integrated Systems" },
	{ 0x1234, 0x1111, "QEMU" },
	{ 0x126f, 0, "Silicon Motion" },
	{ 0x1414, 0, "Hyper-V" },
	{ 0x15ad, 0, "VMware" },
	{ 0x18ca, 0, "XGI" },
	{ 0x19e5, 0x1711, "Hi1711" },
	{ 0x19e5, 0x1710, "Hi1710" },
	{ 0x1a03, 0, "ASPEED" },
	{ 0x1af4, 0, "Virtio" },
	{ 0x1b36, 0, "QXL" },
};

static struct host_device *find_device(struct np_host *h, enum host_side side, const char *address)
{
	for (size_t i = 0; i < h->n_devices; i++)
		if (h->devices[i].side == side && strcmp(h->devices[i].seen.address, address) == 0)
			return &h->devices[i];
	return NULL;
}

/* Makes the device the current one for the next lines. */
bool hostcheck_device_open(struct reading *r, enum host_side side, const char *address)
{
	if (r->device)
		r->device->is_whole = true;
	r->device = find_device(r->h, side, address);
	return r->device || hostcheck_device_append(r, side, address);
}

/* As above, for a device that no earlier line was about. */
bool hostcheck_device_append(struct reading *r, enum host_side side, const char *address)
{
	struct host_device *all;

	if (r->h->n_devices == HOST_DEVICES_MAX) {
		np_fail(r->err, NP_E_SPEC, "more than %d devices", HOST_DEVICES_MAX);
		return false;
	}
	all = reallocarray(r->h->devices, r->h->n_devices + 1, sizeof(*all));
	if (!all) {
		np_fail_nomem(r->err);
		return false;
	}
	r->h->devices = all;
	r->device = &r->h->devices[r->h->n_devices++];
	*r->device = (struct host_device){ .seen = { .iommu_group = -1 }, .side = side };
	memcpy(r->device->seen.address, address, strlen(address) + 1);
	return true;
}

void hostcheck_device_set_prefix(struct reading *r, const char *text, size_t size)
{
	struct host_device *d = r->device;
	char word[sizeof(d->prefix)];
	size_t used = 0;

	while (used < size && used + 1 < sizeof(word) &&
	       (isalnum((unsigned char)text[used]) || strchr("._-", text[used])))
		used++;
	/* One word and a separator: "node1: ", "pci.txt:". */
	if (used == 0 || !isalpha((unsigned char)text[0]) || used == size ||
	    !strchr(":|", text[used + (text[used] == ' ' && used + 1 < size)]))
		return;
	snprintf(word, sizeof(word), "%.*s", (int)used, text);
	if (d->prefix[0] == '\0')
		memcpy(d->prefix, word, sizeof(word));
	else if (strcmp(d->prefix, word) != 0)
		np_fail(r->err, NP_E_SPEC,
			"device %s is in the lines of '%s' and of '%s': give each host's lines alone",
			d->seen.address, d->prefix, word);
}

void hostcheck_device_close(struct reading *r, bool is_whole)
{
	if (r->device && (is_whole || r->device->has_all_regions))
		r->device->is_whole = true;
	r->device = NULL;
	r->is_indented_record = false;
	r->is_api_record = false;
}

void hostcheck_device_set_class(struct host_device *d, unsigned class)
{
	d->has_class = true;
	d->is_display = class >> 8 == CLASS_DISPLAY || class >> 8 == CLASS_ACCELERATOR;
}

void hostcheck_device_set_vendor(struct host_device *d, uint16_t vendor)
{
	d->seen.id.vendor = vendor;
	d->is_nvidia = vendor == NP_PCI_VENDOR_NVIDIA;
	d->seen.has_id = vendor != 0 && d->seen.id.device != 0;
}

void hostcheck_device_set_device(struct host_device *d, uint16_t device)
{
	d->seen.id.device = device;
	d->seen.has_id = device != 0 && d->seen.id.vendor != 0;
}

/* A name that no card has takes long: the catalogue looks for similar ones. */
const struct np_gpu *hostcheck_find_model(struct np_host *h, const char *name)
{
	struct np_err ignored = NP_ERR_INIT;
	const struct np_gpu *gpu = NULL;

	if (name[0] == '\0' || h->n_lookups >= LOOKUPS_MAX)
		return NULL;
	if (np_gpu_find_model(h->cat, name, &gpu, &ignored) < 0) {
		h->n_lookups++;
		return NULL;
	}
	return gpu;
}

static bool is_console(const struct host_device *d)
{
	for (size_t i = 0; i < sizeof(consoles) / sizeof(consoles[0]); i++) {
		const struct console_maker *c = &consoles[i];

		if (d->seen.has_id ? c->vendor == d->seen.id.vendor &&
					     (c->device == 0 || c->device == d->seen.id.device)
				   : !!strstr(d->title, c->name))
			return true;
	}
	/* A processor's own graphics, on the root bus. */
	return strcmp(d->seen.address, "0000:00:02.0") == 0 &&
	       (d->seen.id.vendor == 0x8086 || strstr(d->title, "Intel"));
}

/* The audio or USB part of a GPU is no GPU of its own. */
static bool has_gpu_at_function_0(const struct np_host *h, const struct host_device *d)
{
	size_t size = strlen(d->seen.address);

	if (d->has_class || size < 2 || d->seen.address[size - 1] == '0')
		return false;
	for (size_t i = 0; i < h->n_devices; i++) {
		const struct host_device *other = &h->devices[i];

		if (other->side == d->side && strlen(other->seen.address) == size &&
		    other->seen.address[size - 1] == '0' &&
		    memcmp(other->seen.address, d->seen.address, size - 1) == 0)
			return np_gpu_find_id(h->cat, other->seen.id) ||
			       other->seen.id.vendor == d->seen.id.vendor;
	}
	return false;
}

/*
 * What the catalogue knows; else a display controller or processing accelerator of any vendor, unless
 * it is for a screen alone.
 */
bool hostcheck_device_is_gpu(const struct np_host *h, const struct host_device *d)
{
	enum np_pci_class class = np_gpu_pci_classify(h->cat, d->seen.id);

	if (d->vgpu[0] != '\0' || d->is_working)
		return true;
	if (!d->seen.has_id)
		return d->is_display && (d->seen.gpu || !is_console(d));
	if (class == NP_PCI_GPU)
		return true;
	if (d->has_class)
		return d->is_display && !is_console(d);
	return class == NP_PCI_GPU_UNKNOWN && !has_gpu_at_function_0(h, d);
}

void hostcheck_set_worst(enum np_verdict *verdict, enum np_verdict value, bool no_is_worse)
{
	enum np_verdict worse = no_is_worse ? NP_VERDICT_NO : NP_VERDICT_YES;

	if (value != NP_VERDICT_UNKNOWN && (*verdict == NP_VERDICT_UNKNOWN || value == worse))
		*verdict = value;
}

bool np_hostcheck_is_gpu(const struct np_catalogue *cat, const char *address, struct np_pci_id id,
			 unsigned class)
{
	struct host_device d = { .seen = { .id = id, .has_id = true } };

	if (np_gpu_pci_classify(cat, id) == NP_PCI_GPU)
		return true;
	snprintf(d.seen.address, sizeof(d.seen.address), "%s", address);
	hostcheck_device_set_class(&d, class);
	return d.is_display && !is_console(&d);
}
