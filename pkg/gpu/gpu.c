/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/gpu.h"

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/units.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#include "gpu_rows.inc"

static const char *const figure_names[] = {
	[NP_SIZE_SOURCE_NONE] = "unknown",      [NP_SIZE_SOURCE_PUBLISHED] = "published",
	[NP_SIZE_SOURCE_OBSERVED] = "observed", [NP_SIZE_SOURCE_DERIVED] = "derived",
	[NP_SIZE_SOURCE_ASSUMED] = "assumed",   [NP_SIZE_SOURCE_USER] = "user",
};
_Static_assert(COUNT(figure_names) == NP_SIZE_SOURCE_MAX, "a word for each origin");

const char *np_gpu_size_source_name(enum np_size_source figure)
{
	return (unsigned)figure < COUNT(figure_names) ? figure_names[figure] : "unknown";
}

int np_gpu_catalogue_new(struct np_catalogue **ret, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = calloc(1, sizeof(*cat));
	struct gpu_keys *keys;

	if (!cat)
		return np_fail_nomem(err);
	cat->rows = calloc(COUNT(gpu_rows), sizeof(*cat->rows));
	if (!cat->rows)
		return np_fail_nomem(err);
	for (size_t i = 0; i < COUNT(gpu_rows); i++)
		cat->rows[i] = &gpu_rows[i];
	cat->n = COUNT(gpu_rows);
	keys = gpu_keys_new(cat->n);
	if (!keys)
		return np_fail_nomem(err);
	gpu_keys_take(cat, keys);
	*ret = np_take(cat);
	return 0;
}

void np_gpu_catalogue_free(struct np_catalogue *cat)
{
	if (!cat)
		return;
	for (size_t i = 0; i < cat->n_own; i++)
		gpu_own_free(cat->own[i]);
	free(cat->own);
	free(cat->rows);
	free(cat->keys);
	free(cat);
}

void np_gpu_catalogue_freep(struct np_catalogue **cat)
{
	np_gpu_catalogue_free(*cat);
}

size_t np_gpu_catalogue_count(const struct np_catalogue *cat)
{
	return cat->n;
}

const struct np_gpu *np_gpu_catalogue_at(const struct np_catalogue *cat, size_t i)
{
	return i < cat->n ? cat->rows[i] : NULL;
}

static uint32_t id_key(uint16_t vendor, uint16_t device)
{
	return (uint32_t)vendor << 16 | device;
}

static uint32_t row_key(const struct np_gpu *gpu)
{
	return id_key(gpu->vendor_id, gpu->device_id);
}

/* Returns the first place whose id is not below `key`. */
static size_t lower_bound(const struct np_catalogue *cat, uint32_t key)
{
	size_t low = 0, high = cat->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (row_key(cat->rows[middle]) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct np_gpu *np_gpu_find_id(const struct np_catalogue *cat, struct np_pci_id id)
{
	uint32_t key = id_key(id.vendor, id.device);
	size_t at = lower_bound(cat, key);

	return at < cat->n && row_key(cat->rows[at]) == key ? cat->rows[at] : NULL;
}

static void replace_row(struct np_catalogue *cat, const struct np_gpu *row)
{
	size_t at = lower_bound(cat, row_key(row)), end = at;

	while (end < cat->n && row_key(cat->rows[end]) == row_key(row))
		end++;
	memmove(&cat->rows[at + 1], &cat->rows[end], (cat->n - end) * sizeof(*cat->rows));
	cat->rows[at] = row;
	cat->n = cat->n - (end - at) + 1;
}

int gpu_catalogue_take(struct np_catalogue *cat, struct np_gpu **rows, size_t n, struct np_err *err)
{
	const struct np_gpu **all = reallocarray(cat->rows, cat->n + n, sizeof(*all));
	struct np_gpu **own = NULL;
	struct gpu_keys *keys;

	if (!all)
		return np_fail_nomem(err);
	cat->rows = all;
	own = reallocarray(cat->own, cat->n_own + n, sizeof(*own));
	if (!own)
		return np_fail_nomem(err);
	cat->own = own;
	keys = gpu_keys_new(cat->n + n);
	if (!keys)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		replace_row(cat, rows[i]);
		cat->own[cat->n_own++] = np_take(rows[i]);
	}
	gpu_keys_take(cat, keys);
	return 0;
}

/* Finds the id among the functions that are no GPUs, which are sorted. */
static bool is_function(struct np_pci_id id)
{
	uint32_t key = id_key(id.vendor, id.device);
	size_t low = 0, high = COUNT(gpu_functions);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (id_key(gpu_functions[middle].vendor, gpu_functions[middle].device) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < COUNT(gpu_functions) &&
	       id_key(gpu_functions[low].vendor, gpu_functions[low].device) == key;
}

static bool is_other_vendor(uint16_t vendor)
{
	for (size_t i = 0; i < COUNT(gpu_other_vendors); i++)
		if (gpu_other_vendors[i] == vendor)
			return true;
	return false;
}

bool np_gpu_pci_may_be_gpu(const struct np_catalogue *cat, struct np_pci_id id)
{
	return np_gpu_pci_classify(cat, id) == NP_PCI_OTHER && !is_function(id) &&
	       !is_other_vendor(id.vendor);
}

enum np_pci_class np_gpu_pci_classify(const struct np_catalogue *cat, struct np_pci_id id)
{
	if (np_gpu_find_id(cat, id))
		return NP_PCI_GPU;
	if (is_function(id))
		return NP_PCI_OTHER;
	if (id.vendor == NP_PCI_VENDOR_NVIDIA || id.vendor == NP_PCI_VENDOR_AMD ||
	    id.vendor == NP_PCI_VENDOR_HABANA)
		return NP_PCI_GPU_UNKNOWN;
	return NP_PCI_OTHER;
}

/*
 * Vendors that have a device of which the id is a GPU vendor's (pci.ids 2023.04.11): 1002 for all of
 * them, 10de for Intel's network card, 8086 for none.
 */
static const uint16_t vendors_not_swapped[] = {
	0x1002, 0x1067, 0x10a9, 0x10ba, 0x10de, 0x1186, 0x127a, 0x131f,
	0x13c1, 0x14f1, 0x151a, 0x15b3, 0x19e7, 0x1af4, 0x1bc0, 0x1bd0,
	0x1c2c, 0x1d6c, 0x1dd8, 0x1e4b, 0x1e95, 0x1eac, 0x8086,
};

bool np_gpu_pci_is_swapped(struct np_pci_id id)
{
	if (id.device != NP_PCI_VENDOR_NVIDIA && id.device != NP_PCI_VENDOR_AMD &&
	    id.device != NP_PCI_VENDOR_INTEL)
		return false;
	for (size_t i = 0; i < COUNT(vendors_not_swapped); i++)
		if (vendors_not_swapped[i] == id.vendor)
			return false;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads one to four hex digits, 0x in front or not, that take all of `size`. */
static bool parse_hex(const char *text, size_t size, uint16_t *ret)
{
	unsigned value = 0;

	if (size > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		size -= 2;
	}
	if (size == 0 || size > 4)
		return false;
	for (size_t i = 0; i < size; i++) {
		int digit = hex_value(text[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (unsigned)digit;
	}
	*ret = (uint16_t)value;
	return true;
}

int np_gpu_pci_half_parse(const char *text, uint16_t *ret, struct np_err *err)
{
	if (!parse_hex(text, strlen(text), ret))
		return np_fail(err, NP_E_SPEC,
			       "'%.40s' is not up to four hex digits, such as 10de or 0x10de",
			       text);
	return 0;
}

/* NVIDIA, AMD and Intel as vSphere's APIs print them: a pair that opens so is decimal throughout. */
static bool parse_decimal(const char *text, struct np_pci_id *ret)
{
	static const char *const vendors[] = { "4318:", "4098:", "32902:" };
	struct np_err ignored = NP_ERR_INIT;

	for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		size_t n = strlen(vendors[i]);
		uint64_t device = 0;

		if (strncmp(text, vendors[i], n) != 0 ||
		    np_u64_parse(text + n, 0, UINT16_MAX, &device, &ignored) < 0)
			continue;
		ret->vendor = (uint16_t)strtoul(vendors[i], NULL, 10);
		ret->device = (uint16_t)device;
		return true;
	}
	return false;
}

int np_gpu_pci_id_parse(const char *text, struct np_pci_id *ret, struct np_err *err)
{
	const char *colon = strchr(text, ':');
	struct np_pci_id id = { 0 };

	if (parse_decimal(text, ret))
		return 0;
	if (!colon || !parse_hex(text, (size_t)(colon - text), &id.vendor) ||
	    !parse_hex(colon + 1, strlen(colon + 1), &id.device))
		return np_fail(err, NP_E_SPEC,
			       "id '%.40s' is not vendor:device in hex, such as 10de:20b0", text);
	if (np_gpu_pci_is_swapped(id))
		return np_fail(err, NP_E_SPEC,
			       "id '%s' looks swapped: vendor %04x comes first, '%04x:%04x'", text,
			       id.device, id.device, id.vendor);
	*ret = id;
	return 0;
}

void np_gpu_pci_id_format(struct np_pci_id id, char buf[static NP_PCI_ID_MAX])
{
	snprintf(buf, NP_PCI_ID_MAX, "%04x:%04x", id.vendor, id.device);
}

void gpu_own_free(struct np_gpu *gpu)
{
	if (!gpu)
		return;
	free_const(gpu->model);
	free_const(gpu->vgpu);
	free_const(gpu->aliases);
	free_const(gpu->bar_source);
	free(gpu);
}
