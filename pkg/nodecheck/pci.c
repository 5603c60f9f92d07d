/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <limits.h>
#include <string.h>

#include "nodeprep/report.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

/*
 * Offsets in the configuration space (PCI Local Bus Specification 3.0, chapter 6; PCI-to-PCI Bridge
 * 1.2).
 */
enum {
	AT_VENDOR = 0x00,
	AT_HEADER = 0x0e,
	AT_BARS = 0x10,
	AT_SECONDARY = 0x19,
	AT_SUBORDINATE = 0x1a,
	AT_MEMORY = 0x20,
	AT_PREFETCH = 0x24,
	AT_PREFETCH_BASE_UPPER = 0x28,
	AT_PREFETCH_LIMIT_UPPER = 0x2c,
};

#define HEADER_MASK 0x7f
#define HEADER_BRIDGE 1
#define BAR_IO 0x1u
#define BAR_TYPE 0x6u
#define BAR_64BIT 0x4u
#define BAR_PREFETCH 0x8u

static unsigned read16(const unsigned char *config, unsigned at)
{
	return config[at] | (unsigned)config[at + 1] << 8;
}

static uint32_t read32(const unsigned char *config, unsigned at)
{
	return read16(config, at) | (uint32_t)read16(config, at + 2) << 16;
}

/* Reads "0x" and up to 16 digits; returns their end, NULL without digits. */
static const char *read_hex(const char *at, const char *end, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t value = 0;

	if (end - at < 3 || at[0] != '0' || at[1] != 'x')
		return NULL;
	for (at += 2; at < end && np_hex_digit(*at) >= 0; at++, digits++)
		value = value << 4 | (unsigned)np_hex_digit(*at);
	if (digits == 0 || digits > 16)
		return NULL;
	*ret = value;
	return at;
}

static bool parse_region(const char *at, const char *end, struct region *ret)
{
	uint64_t *const columns[] = { &ret->start, &ret->end, &ret->flags };

	for (size_t i = 0; i < 3; i++) {
		if (i > 0 && (at == end || *at++ != ' '))
			return false;
		at = read_hex(at, end, columns[i]);
		if (!at)
			return false;
	}
	return at == end && ret->start <= ret->end;
}

bool nodecheck_regions_parse(const char *bytes, size_t size, struct regions *ret)
{
	const char *at = bytes, *end = bytes + size;

	*ret = (struct regions){ 0 };
	while (at < end && ret->n < REGIONS_MAX) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		struct region region = { 0 };

		/* A line without its end was cut, perhaps in the middle of a number. */
		if (!newline || !parse_region(at, newline, &region))
			return false;
		ret->items[ret->n++] = region;
		at = newline + 1;
	}
	return ret->n >= NP_PCI_BARS;
}

/*
 * --- BARs ---------------------------------------------------------------------------------------
 */

/* The kernel's view of a BAR; all zero is inconclusive. */
static bool read_region(struct np_seen_gpu *gpu, unsigned index, const struct region *region)
{
	struct np_seen_bar *bar;

	if ((region->flags & FLAG_MEM) == 0)
		return (region->flags & FLAG_IO) != 0;
	bar = np_report_add_bar(gpu, index);
	bar->bytes = region->end - region->start + 1;
	bar->has_kind = true;
	bar->is_64bit = (region->flags & FLAG_MEM_64) != 0;
	bar->is_prefetchable = (region->flags & FLAG_PREFETCH) != 0;
	if (region->start == 0 || (region->flags & FLAG_UNSET) != 0) {
		bar->assigned = NP_VERDICT_NO;
		return true;
	}
	bar->assigned = NP_VERDICT_YES;
	bar->address = region->start;
	return true;
}

/*
 * The type bits are hardwired: a BAR that they show exists, whatever the kernel reports. The
 * address bits may hold the leftovers of sizing, never to be taken for an address.
 */
static void read_register(struct np_seen_gpu *gpu, unsigned index, uint32_t value, bool is_known)
{
	struct np_seen_bar *bar;

	if (value == 0 || (value & BAR_IO) != 0)
		return;
	bar = np_report_add_bar(gpu, index);
	bar->has_kind = true;
	bar->is_64bit = (value & BAR_TYPE) == BAR_64BIT;
	bar->is_prefetchable = (value & BAR_PREFETCH) != 0;
	bar->assigned = is_known ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
}

static bool last_is_64bit(const struct np_seen_gpu *gpu, unsigned index)
{
	return gpu->n_bars > 0 && gpu->bars[gpu->n_bars - 1].index == index &&
	       gpu->bars[gpu->n_bars - 1].is_64bit;
}

/* Lists the BARs that show themselves. A virtual function's registers read zero. */
static void list_bars(struct np_seen_gpu *gpu, const struct regions *regions,
		      const unsigned char *config)
{
	for (unsigned i = 0; i < NP_PCI_BARS; i++) {
		bool told = regions && read_region(gpu, i, &regions->items[i]);

		if (!told && config && !gpu->is_vf)
			read_register(gpu, i, read32(config, AT_BARS + 4 * i), !!regions);
		if (last_is_64bit(gpu, i))
			i++;
	}
}

void nodecheck_read_bars(struct np_seen_gpu *gpu, const struct regions *regions,
			 const unsigned char *config)
{
	gpu->has_resource = !!regions;
	gpu->has_config = !!config;
	/* A device that fell off its bus answers every read with ones. */
	gpu->is_lost = config && read16(config, AT_VENDOR) == 0xffff;
	list_bars(gpu, regions, gpu->is_lost ? NULL : config);
	np_report_complete_bars(gpu);
}

/*
 * --- bridges ------------------------------------------------------------------------------------
 */

static void add_window(struct np_seen_bridge *bridge, uint64_t start, uint64_t end, bool prefetch)
{
	if (start == 0 || end < start || bridge->n_windows == NP_BRIDGE_WINDOWS_MAX)
		return;
	bridge->windows[bridge->n_windows++] = (struct np_bridge_window){
		.start = start, .end = end, .is_prefetchable = prefetch
	};
}

/* The windows are the last lines, behind ROM and SR-IOV. */
static void read_window_lines(struct np_seen_bridge *bridge, const struct regions *regions)
{
	for (size_t i = NP_PCI_BARS + 1; i < regions->n; i++) {
		const struct region *region = &regions->items[i];

		if ((region->flags & FLAG_MEM) != 0 && (region->flags & FLAG_UNSET) == 0)
			add_window(bridge, region->start, region->end,
				   (region->flags & FLAG_PREFETCH) != 0);
	}
}

static void read_window_registers(struct np_seen_bridge *bridge, const unsigned char *config)
{
	uint64_t base = (uint64_t)(read16(config, AT_MEMORY) & 0xfff0) << 16;
	uint64_t limit = (uint64_t)(read16(config, AT_MEMORY + 2) & 0xfff0) << 16 | 0xfffff;

	add_window(bridge, base, limit, false);
	base = (uint64_t)(read16(config, AT_PREFETCH) & 0xfff0) << 16 |
	       (uint64_t)read32(config, AT_PREFETCH_BASE_UPPER) << 32;
	limit = (uint64_t)(read16(config, AT_PREFETCH + 2) & 0xfff0) << 16 | 0xfffff |
		(uint64_t)read32(config, AT_PREFETCH_LIMIT_UPPER) << 32;
	add_window(bridge, base, limit, true);
}

bool nodecheck_read_bridge(struct np_seen_bridge *bridge, const struct regions *regions,
			   const unsigned char *config)
{
	if (read16(config, AT_VENDOR) == 0xffff ||
	    (config[AT_HEADER] & HEADER_MASK) != HEADER_BRIDGE)
		return false;
	bridge->secondary = config[AT_SECONDARY];
	bridge->subordinate = config[AT_SUBORDINATE];
	if (regions)
		read_window_lines(bridge, regions);
	if (bridge->n_windows == 0)
		read_window_registers(bridge, config);
	return true;
}
