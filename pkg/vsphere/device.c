/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/mmio.h"
#include "nodeprep/units.h"

/* Reads a decimal number that `end` follows, and goes behind both. */
static bool read_number(const char **text, char end, unsigned long max, unsigned *ret)
{
	char *rest;
	unsigned long n;

	if (!isdigit((unsigned char)**text))
		return false;
	n = strtoul(*text, &rest, 10);
	if (*rest != end || n > max)
		return false;
	*ret = (unsigned)n;
	*text = rest + (end != '\0');
	return true;
}

void vsphere_address(const char *text, char ret[static NP_PCI_ADDRESS_MAX])
{
	unsigned domain, bus, slot, function;

	ret[0] = '\0';
	if (np_report_is_address(text)) {
		for (size_t i = 0; i < NP_PCI_ADDRESS_MAX; i++)
			ret[i] = i < strlen(text) ? (char)tolower((unsigned char)text[i]) : '\0';
		ret[NP_PCI_ADDRESS_MAX - 1] = '\0';
		return;
	}
	/* Decimal, as .vmx files have it: "00000:059:00.0". */
	if (strcspn(text, ":") == 5 && read_number(&text, ':', UINT16_MAX, &domain) &&
	    read_number(&text, ':', 255, &bus) && read_number(&text, '.', 31, &slot) &&
	    read_number(&text, '\0', 7, &function))
		snprintf(ret, NP_PCI_ADDRESS_MAX, "%04x:%02x:%02x.%u", domain, bus, slot, function);
}

/* Orders alternatives by what they take: an unknown GPU may take more than any known one. */
static uint64_t weight_of(const struct vsphere_device *d)
{
	struct np_addend a;
	struct np_err ignored = NP_ERR_INIT;

	if (d->pci_class == NP_PCI_OTHER)
		return d->may_be_gpu;
	if (!d->card || np_mmio_addend(d->card, 1, &a, &ignored) < 0)
		return UINT64_MAX;
	return 2 + a.each_gb;
}

static void add_id(struct vsphere_device *d, const struct np_catalogue *cat, struct np_pci_id id)
{
	const struct vsphere_device one = { .pci_class = np_gpu_pci_classify(cat, id),
					    .may_be_gpu = np_gpu_pci_may_be_gpu(cat, id),
					    .card = np_gpu_find_id(cat, id) };

	if (d->has_id && weight_of(&one) <= weight_of(d))
		return;
	d->has_id = true;
	d->id = id;
	d->pci_class = one.pci_class;
	d->may_be_gpu = one.may_be_gpu;
	d->card = one.card;
}

/* Reads a number of the API: signed 16 bits. */
static bool read_id(const struct np_vcenter_val *v, uint16_t *ret)
{
	unsigned id;

	if (!np_vcenter_val_pci_id(v, &id))
		return false;
	*ret = (uint16_t)id;
	return true;
}

static void read_fixed(const struct np_vcenter_val *b, const struct np_catalogue *cat,
		       struct vsphere_device *d)
{
	struct np_err ignored = NP_ERR_INIT;
	struct np_pci_id id = { 0, 0 };

	d->backing = VSPHERE_FIXED;
	vsphere_address(np_vcenter_val_member_text(b, "id"), d->address);
	/* The device is hexadecimal text, the vendor a number. */
	if (read_id(np_vcenter_val_member(b, "vendorId"), &id.vendor) &&
	    np_gpu_pci_half_parse(np_vcenter_val_member_text(b, "deviceId"), &id.device,
				  &ignored) == 0)
		add_id(d, cat, id);
}

static void read_dynamic(const struct np_vcenter_val *b, const struct np_catalogue *cat,
			 struct vsphere_device *d)
{
	const struct np_vcenter_val *allowed = np_vcenter_val_member(b, "allowedDevice");

	d->backing = VSPHERE_DYNAMIC;
	vsphere_address(np_vcenter_val_member_text(b, "assignedId"), d->address);
	for (; allowed; allowed = np_vcenter_val_next(allowed)) {
		struct np_pci_id id = { 0, 0 };

		if (read_id(np_vcenter_val_member(allowed, "vendorId"), &id.vendor) &&
		    read_id(np_vcenter_val_member(allowed, "deviceId"), &id.device))
			add_id(d, cat, id);
	}
}

static void read_vgpu(const struct np_vcenter_val *b, const struct np_catalogue *cat,
		      struct vsphere_device *d)
{
	d->backing = VSPHERE_VGPU;
	d->profile = np_vcenter_val_member_text(b, "vgpu");
	d->card = np_gpu_find_vgpu(cat, d->profile);
	d->pci_class = d->card ? NP_PCI_GPU : NP_PCI_GPU_UNKNOWN;
}

static void read_dvx(const struct np_vcenter_val *b, const struct np_catalogue *cat,
		     struct vsphere_device *d)
{
	(void)cat;
	d->backing = VSPHERE_DVX;
	d->kind = np_vcenter_val_member_text(b, "deviceClass");
}

static const struct backing_row {
	const char *type;
	void (*read)(const struct np_vcenter_val *, const struct np_catalogue *,
		     struct vsphere_device *);
} backings[] = {
	{ "VirtualPCIPassthroughDeviceBackingInfo", read_fixed },
	{ "VirtualPCIPassthroughDvxBackingInfo", read_dvx },
	{ "VirtualPCIPassthroughDynamicBackingInfo", read_dynamic },
	{ "VirtualPCIPassthroughVmiopBackingInfo", read_vgpu },
};

/* A device without ids may be a GPU of any size. */
static void read_backing(const struct np_vcenter_val *b, const struct np_catalogue *cat,
			 struct vsphere_device *d)
{
	const char *type = np_vcenter_val_type(b);

	*d = (struct vsphere_device){ .backing = VSPHERE_OTHER,
				      .pci_class = NP_PCI_GPU_UNKNOWN,
				      .profile = "",
				      .kind = type };
	for (size_t i = 0; i < sizeof(backings) / sizeof(backings[0]); i++)
		if (strcmp(type, backings[i].type) == 0)
			backings[i].read(b, cat, d);
}

int vsphere_devices_read(const struct np_vcenter_val *devices, const struct np_catalogue *cat,
			 vsphere_device_fn *fn, void *ctx, struct np_err *err)
{
	const struct np_vcenter_val *one = np_vcenter_val_first(devices);

	for (; one; one = np_vcenter_val_next(one)) {
		struct vsphere_device d;

		if (strcmp(np_vcenter_val_type(one), "VirtualPCIPassthrough") != 0)
			continue;
		read_backing(np_vcenter_val_member(one, "backing"), cat, &d);
		if (fn(ctx, &d, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
