/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Four digits: a number that was cut is another id. */
static bool read_id(const char *value, uint16_t *ret)
{
	struct np_err ignored = NP_ERR_INIT;

	return strlen(value) == 6 && strncmp(value, "0x", 2) == 0 &&
	       np_gpu_pci_half_parse(value, ret, &ignored) == 0;
}

/* vim-cmd prints numbers, those over 32767 as negative ones. */
static bool read_decimal_id(const char *value, uint16_t *ret)
{
	char *end;
	long number = strtol(value, &end, 10);

	if (end == value || *end != '\0' || number < -32768 || number > 65535)
		return false;
	*ret = (uint16_t)(number & 0xffff);
	return true;
}

static enum np_verdict owner(const char *value)
{
	if (strcasecmp(value, "VM Passthru") == 0)
		return NP_VERDICT_YES;
	return strcasecmp(value, "VMkernel") == 0 || strcasecmp(value, "Unknown") == 0
		       ? NP_VERDICT_NO
		       : NP_VERDICT_UNKNOWN;
}

/* Fields of `esxcli hardware pci list`. */
static bool read_pci_field(struct reading *r, const struct pair_line *p)
{
	struct host_device *d = r->device;
	uint16_t number;

	if (strcmp(p->name, "vendorid") == 0 && read_id(p->value, &number))
		hostcheck_device_set_vendor(d, number);
	else if (strcmp(p->name, "deviceid") == 0 && read_id(p->value, &number))
		hostcheck_device_set_device(d, number);
	else if (strcmp(p->name, "subvendorid") == 0 && read_id(p->value, &number))
		d->subsystem.vendor = number;
	else if (strcmp(p->name, "subdeviceid") == 0 && read_id(p->value, &number))
		d->subsystem.device = number;
	else if (strcmp(p->name, "deviceclass") == 0 && read_id(p->value, &number))
		hostcheck_device_set_class(d, number);
	else if (strcmp(p->name, "configuredowner") == 0)
		hostcheck_set_worst(&d->enabled, owner(p->value), true);
	else if (strcmp(p->name, "currentowner") == 0)
		hostcheck_set_worst(&d->active, owner(p->value), true);
	else if (strcmp(p->name, "modulename") == 0)
		snprintf(d->module, sizeof(d->module), "%.31s", p->value);
	else if (strcmp(p->name, "graphicstype") == 0) /* `esxcli graphics device list` */
		d->is_told = d->has_class = d->is_display = true;
	else if (strcmp(p->name, "devicename") == 0)
		snprintf(d->title, sizeof(d->title), "%.63s", p->value);
	else
		return false;
	r->kinds |= 1u << KIND_PCI;
	d->is_listed = true;
	return true;
}

/* Fields of the API's HostPciDevice and PciPassthruInfo, as vim-cmd and PowerCLI print them. */
static bool read_api_field(struct reading *r, const struct pair_line *p)
{
	struct host_device *d = r->device;
	enum np_verdict value = hostcheck_yes_or_no(p->value);
	uint16_t number;

	if (strcmp(p->name, "passthrucapable") == 0 || strcmp(p->name, "passthroughcapable") == 0)
		hostcheck_set_worst(&d->capable, value, true);
	else if (strcmp(p->name, "passthruenabled") == 0)
		hostcheck_set_worst(&d->enabled, value, true);
	else if (strcmp(p->name, "passthruactive") == 0)
		hostcheck_set_worst(&d->active, value, true);
	else if (strcmp(p->name, "vendorid") == 0 && read_decimal_id(p->value, &number))
		hostcheck_device_set_vendor(d, number);
	else if (strcmp(p->name, "deviceid") == 0 && read_decimal_id(p->value, &number))
		hostcheck_device_set_device(d, number);
	else if (strcmp(p->name, "subvendorid") == 0 && read_decimal_id(p->value, &number))
		d->subsystem.vendor = number;
	else if (strcmp(p->name, "subdeviceid") == 0 && read_decimal_id(p->value, &number))
		d->subsystem.device = number;
	else if ((strcmp(p->name, "classid") == 0 || strcmp(p->name, "deviceclass") == 0) &&
		 read_decimal_id(p->value, &number))
		hostcheck_device_set_class(d, number);
	else
		return false;
	r->kinds |= 1u << KIND_PASSTHROUGH;
	return true;
}

/* "Address: 0000:3b:00.0" and `id = "0000:3b:00.0",` begin a record where the line before did not. */
static bool begins_record(const struct pair_line *p, char ret[static NP_PCI_ADDRESS_MAX])
{
	if (strcmp(p->name, "address") != 0 && strcmp(p->name, "id") != 0)
		return false;
	return np_report_find_address(p->value, strlen(p->value), ret) &&
	       strcasecmp(ret, p->value) == 0;
}

/* "HardwarePCIDevice.Address.string": the key of --formatter=keyvalue; false for any other. */
static bool read_typed_key(const struct pair_line *p, struct pair_line *ret)
{
	static const char *const types[] = { "string", "integer", "boolean" };
	const char *dot = strchr(p->key, '.'), *last = strrchr(p->key, '.');

	if (!dot || last == dot)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(last + 1, types[i]) == 0) {
			*ret = *p;
			hostcheck_name_of(dot + 1, (size_t)(last - dot - 1), ret->name);
			return true;
		}
	return false;
}

/*
 * `esxcli hardware pci list | grep -A 5 NVIDIA`: a record without its first line begins with its owner or
 * its vendor. It has no address, so that each is a device of its own.
 */
static void open_headless(struct reading *r, const struct pair_line *p)
{
	bool is_owner = strcmp(p->name, "configuredowner") == 0;
	uint16_t vendor;

	if (!is_owner && (strcmp(p->name, "vendorid") != 0 || !read_id(p->value, &vendor)))
		return;
	if (r->device && (r->device->seen.address[0] != '\0' || r->device->seen.id.vendor == 0))
		return;
	if (hostcheck_device_append(r, SIDE_HOST, ""))
		r->is_excerpt = true;
}

bool hostcheck_read_device_pair(struct reading *r, const struct pair_line *p)
{
	char address[NP_PCI_ADDRESS_MAX];
	struct pair_line typed;

	if (read_typed_key(p, &typed))
		p = &typed;
	if (!r->is_indented_record)
		open_headless(r, p);
	if (begins_record(p, address)) {
		if (!r->device || strcmp(r->device->seen.address, address) != 0)
			hostcheck_device_open(r, SIDE_HOST, address);
		r->is_api_record = strcmp(p->name, "id") == 0;
		return true;
	}
	return r->device && !r->is_indented_record && r->device->side == SIDE_HOST &&
	       (read_pci_field(r, p) || read_api_field(r, p));
}

/* "0000:3b:00.0     true" of `esxcli hardware pci pcipassthru list`, whatever stands before it. */
static bool read_passthrough_row(struct reading *r, const char *line, size_t size)
{
	char text[64], address[NP_PCI_ADDRESS_MAX], word[16], more[2];
	const char *at = np_report_find_address(line, size, address);
	size_t left = at ? size - (size_t)(at - line) : 0;
	enum np_verdict value;

	if (!at || at - line > 64 || left >= sizeof(text))
		return false;
	np_report_copy_clean(text, sizeof(text), at, left);
	text[strcspn(text, "?")] = '\0';
	if (sscanf(text, "%*s %15s %1s", word, more) != 1)
		return false;
	value = hostcheck_yes_or_no(word);
	if (value == NP_VERDICT_UNKNOWN)
		return false;
	if (!hostcheck_device_open(r, SIDE_HOST, address))
		return true;
	hostcheck_set_worst(&r->device->enabled, value, true);
	r->kinds |= 1u << KIND_PASSTHROUGH;
	hostcheck_device_close(r, true);
	return true;
}

/* Tells whether what stands before an address is a prefix: a file's or a host's name, or nothing. */
static bool is_prefix(const char *line, size_t size)
{
	static const char *const keys[] = { "address", "busid", "id", "slot", "dev", "gpu" };
	char name[KEY_MAX];
	size_t used = size;

	while (used > 0 && line[used - 1] == ' ')
		used--;
	if (used == 0)
		return true;
	hostcheck_name_of(line, used, name);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], name) == 0)
			return false;
	return used < 64 && strchr(":-|]>", line[used - 1]) && !memchr(line, '=', used) &&
	       !memchr(line, '"', used) && !memchr(line, ' ', used);
}

/* "0000:3b:00.0" alone on its line begins a record of esxcli. */
static bool read_record_head(struct reading *r, const char *line, size_t size)
{
	char address[NP_PCI_ADDRESS_MAX], text[NP_PCI_ADDRESS_MAX + 2];
	const char *at;

	while (size > 0 && strchr(" \t\r", line[size - 1]))
		size--;
	at = np_report_find_address(line, size, address);
	if (!at || size - (size_t)(at - line) >= sizeof(text) ||
	    !is_prefix(line, (size_t)(at - line)))
		return false;
	np_report_copy_clean(text, sizeof(text), at, size - (size_t)(at - line));
	if (!np_report_is_address(text))
		return false;
	if (hostcheck_device_open(r, SIDE_HOST, address)) {
		r->kinds |= 1u << KIND_PCI;
		r->device->is_listed = true;
		hostcheck_device_set_prefix(r, line, (size_t)(at - line));
	}
	return true;
}

bool hostcheck_read_esxcli(struct reading *r, const char *line, size_t size)
{
	return read_passthrough_row(r, line, size) || read_record_head(r, line, size);
}
