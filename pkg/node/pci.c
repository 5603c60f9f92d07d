/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <limits.h>
#include <string.h>

#include "nodeprep/units.h"

/* Offsets in the configuration space (PCI Local Bus Specification 3.0, chapter 6; PCI-to-PCI Bridge 1.2). */
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

/* An expected BAR up to this size may be missing for another reason than space: the catalogue may err. */
#define SMALL_BYTES (256 * NP_MIB)

static unsigned read16(const unsigned char *config, unsigned at)
{
	return config[at] | (unsigned)config[at + 1] << 8;
}

static uint32_t read32(const unsigned char *config, unsigned at)
{
	return read16(config, at) | (uint32_t)read16(config, at + 2) << 16;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads "0x" and up to 16 digits; returns where they end, NULL where there are none. */
static const char *read_hex(const char *at, const char *end, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t value = 0;

	if (end - at < 3 || at[0] != '0' || at[1] != 'x')
		return NULL;
	for (at += 2; at < end && hex_digit(*at) >= 0; at++, digits++)
		value = value << 4 | (unsigned)hex_digit(*at);
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

bool regions_parse(const char *bytes, size_t size, struct regions *ret)
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
	return ret->n >= BARS;
}

static bool is_hex_run(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (hex_digit(text[i]) < 0)
			return false;
	return n > 0;
}

/* Returns how long the address at `text` is; 0 where none is. */
static size_t address_size(const char *text, size_t size)
{
	size_t domain = 0, at;

	while (domain < size && domain < 9 && hex_digit(text[domain]) >= 0)
		domain++;
	if (domain < 4 || domain > 8 || domain == size || text[domain] != ':')
		return 0;
	at = domain + 1;
	if (size < at + 7 || !is_hex_run(text + at, 2) || text[at + 2] != ':' ||
	    !is_hex_run(text + at + 3, 2) || text[at + 5] != '.' || text[at + 6] < '0' ||
	    text[at + 6] > '7')
		return 0;
	return at + 7;
}

bool address_is(const char *text)
{
	size_t size = strlen(text);

	return size > 0 && address_size(text, size) == size;
}

/* lspci leaves out a domain that is 0. */
static bool is_short_address(const char *text, size_t size)
{
	return size >= 7 && is_hex_run(text, 2) && text[2] == ':' && is_hex_run(text + 3, 2) &&
	       text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

static bool ends_word(const char *text, size_t size)
{
	return size == 0 || (hex_digit(*text) < 0 && *text != ':' && *text != '.') ||
	       (*text == '.' && size > 1 && hex_digit(text[1]) < 0);
}

static void copy_lower(char *ret, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ret[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
	ret[size] = '\0';
}

const char *address_find(const char *line, size_t size, char ret[static NP_PCI_ADDRESS_MAX])
{
	for (size_t at = 0; at < size; at++) {
		size_t long_size = address_size(line + at, size - at);

		if (at > 0 && hex_digit(line[at - 1]) >= 0)
			continue;
		if (long_size > 0) {
			copy_lower(ret, line + at, long_size);
			return line + at;
		}
		if (is_short_address(line + at, size - at) &&
		    ends_word(line + at + 7, size - at - 7) && (at == 0 || line[at - 1] != ':')) {
			char domain[] = "0000:";

			memcpy(ret, domain, sizeof(domain));
			copy_lower(ret + strlen(domain), line + at, 7);
			return line + at;
		}
	}
	return NULL;
}

/* --- BARs --------------------------------------------------------------------------------------- */

static struct np_seen_bar *add_bar(struct np_seen_gpu *gpu, unsigned index)
{
	struct np_seen_bar *bar = &gpu->bars[gpu->n_bars++];

	*bar = (struct np_seen_bar){ .index = index };
	return bar;
}

/* What the kernel has of a BAR; all zero says nothing. */
static bool read_region(struct np_seen_gpu *gpu, unsigned index, const struct region *region)
{
	struct np_seen_bar *bar;

	if ((region->flags & FLAG_MEM) == 0)
		return (region->flags & FLAG_IO) != 0;
	bar = add_bar(gpu, index);
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
 * The type bits are wired: what they show exists, whatever the kernel says. The address bits may hold
 * the leftovers of sizing, never to be taken for an address.
 */
static void read_register(struct np_seen_gpu *gpu, unsigned index, uint32_t value, bool is_known)
{
	struct np_seen_bar *bar;

	if (value == 0 || (value & BAR_IO) != 0)
		return;
	bar = add_bar(gpu, index);
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
	for (unsigned i = 0; i < BARS; i++) {
		bool told = regions && read_region(gpu, i, &regions->items[i]);

		if (!told && config && !gpu->is_vf)
			read_register(gpu, i, read32(config, AT_BARS + 4 * i), !!regions);
		if (last_is_64bit(gpu, i))
			i++;
	}
}

/* Which of the catalogue's BARs found its like; bit i is bar i. */
typedef unsigned bar_set;

static void pair(struct np_seen_bar *bar, const struct np_bar *expected)
{
	bar->expected_bytes = expected->bytes;
	if (bar->bytes == 0)
		bar->bytes = expected->bytes;
}

/* Which pairs a round makes: the first rounds are the surest. */
enum round { ROUND_SAME_SIZE, ROUND_SAME_INDEX, ROUND_IN_ORDER, ROUNDS };

static bool is_pair(enum round round, const struct np_seen_bar *bar, const struct np_bar *expected)
{
	if (bar->expected_bytes > 0)
		return false;
	if (round == ROUND_SAME_SIZE)
		return bar->bytes > 0 && bar->bytes == expected->bytes;
	return round == ROUND_IN_ORDER || bar->index == expected->index;
}

static bar_set pair_round(struct np_seen_gpu *gpu, enum round round, bar_set left)
{
	for (size_t e = 0; e < gpu->gpu->n_bars; e++) {
		const struct np_bar *expected = &gpu->gpu->bars[e];

		for (size_t i = 0; i < gpu->n_bars && (left & 1u << e) != 0; i++) {
			if (!is_pair(round, &gpu->bars[i], expected))
				continue;
			pair(&gpu->bars[i], expected);
			left &= ~(1u << e);
		}
	}
	return left;
}

/* Boards of one family number their BARs differently (0, 1, 3 and 0, 2, 4): sizes tell more than places. */
static bar_set pair_bars(struct np_seen_gpu *gpu)
{
	bar_set left = 0;

	for (size_t e = 0; e < gpu->gpu->n_bars; e++)
		if (gpu->gpu->bars[e].bytes > 0)
			left |= 1u << e;
	for (enum round round = 0; round < ROUNDS; round++)
		left = pair_round(gpu, round, left);
	return left;
}

static bool is_index_free(const struct np_seen_gpu *gpu, unsigned index)
{
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].index == index ||
		    (gpu->bars[i].is_64bit && gpu->bars[i].index + 1 == index))
			return false;
	return index < BARS;
}

static unsigned free_index(const struct np_seen_gpu *gpu, unsigned wanted)
{
	for (unsigned i = 0; i < BARS; i++) {
		unsigned index = (wanted + i) % BARS;

		if (is_index_free(gpu, index))
			return index;
	}
	return wanted;
}

/* A figure by analogy for a small BAR that the registers do not show is the catalogue's mistake. */
static bool is_doubtful(const struct np_seen_gpu *gpu, const struct np_bar *expected)
{
	return gpu->has_config && !gpu->is_vf && expected->index > 0 &&
	       expected->bytes <= SMALL_BYTES &&
	       (expected->figure == NP_FIGURE_ASSUMED || expected->figure == NP_FIGURE_DERIVED);
}

/* What is expected and shows nowhere is a 32-bit BAR whose register is 0, or config was not readable. */
static void add_missing(struct np_seen_gpu *gpu, bar_set left)
{
	for (size_t e = 0; e < gpu->gpu->n_bars && gpu->n_bars < NP_GPU_BARS_MAX; e++) {
		const struct np_bar *expected = &gpu->gpu->bars[e];
		struct np_seen_bar *bar;

		if ((left & 1u << e) == 0 || is_doubtful(gpu, expected))
			continue;
		bar = add_bar(gpu, free_index(gpu, expected->index));
		pair(bar, expected);
		bar->assigned = gpu->has_resource ? NP_VERDICT_NO : NP_VERDICT_UNKNOWN;
	}
}

static void sort_bars(struct np_seen_gpu *gpu)
{
	for (size_t i = 1; i < gpu->n_bars; i++) {
		for (size_t k = i; k > 0 && gpu->bars[k].index < gpu->bars[k - 1].index; k--) {
			struct np_seen_bar other = gpu->bars[k];

			gpu->bars[k] = gpu->bars[k - 1];
			gpu->bars[k - 1] = other;
		}
	}
}

/* Tells whether the catalogue knows every BAR of the card. */
static bool is_known_whole(const struct np_gpu *gpu)
{
	if (!gpu || gpu->n_bars < 3)
		return false;
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].bytes == 0)
			return false;
	return true;
}

/*
 * Without the catalogue the registers must tell. They show every BAR but a 32-bit one whose register
 * is 0; the first BAR holds the registers of every such card, so that it at least must be there.
 */
static bool shows_itself_whole(const struct np_seen_gpu *gpu)
{
	bool has_first = false, has_64bit = false;

	for (size_t i = 0; i < gpu->n_bars; i++) {
		has_first = has_first || gpu->bars[i].index == 0;
		has_64bit =
			has_64bit || (gpu->bars[i].is_64bit && gpu->bars[i].bytes >= SMALL_BYTES);
	}
	return gpu->has_config && !gpu->is_vf && has_first && has_64bit;
}

static enum np_verdict judge_bars(const struct np_seen_gpu *gpu)
{
	enum np_verdict ok = NP_VERDICT_YES;

	if (gpu->is_lost)
		return NP_VERDICT_NO;
	for (size_t i = 0; i < gpu->n_bars; i++) {
		if (gpu->bars[i].assigned == NP_VERDICT_NO)
			return NP_VERDICT_NO;
		if (gpu->bars[i].assigned == NP_VERDICT_UNKNOWN)
			ok = NP_VERDICT_UNKNOWN;
	}
	if (gpu->n_bars == 0 || !gpu->has_resource)
		return NP_VERDICT_UNKNOWN;
	return is_known_whole(gpu->gpu) || shows_itself_whole(gpu) ? ok : NP_VERDICT_UNKNOWN;
}

void gpu_read_bars(struct np_seen_gpu *gpu, const struct regions *regions,
		   const unsigned char *config)
{
	gpu->has_resource = !!regions;
	gpu->has_config = !!config;
	/* A device that fell off its bus answers every read with ones. */
	gpu->is_lost = config && read16(config, AT_VENDOR) == 0xffff;
	list_bars(gpu, regions, gpu->is_lost ? NULL : config);
	if (gpu->gpu)
		add_missing(gpu, pair_bars(gpu));
	sort_bars(gpu);
	gpu->ok = judge_bars(gpu);
}

void gpu_pair_bars(struct np_seen_gpu *gpu, bool is_whole)
{
	bar_set left = gpu->gpu ? pair_bars(gpu) : 0;

	gpu->has_config = true;
	gpu->has_resource = is_whole || left == 0;
	if (gpu->gpu)
		add_missing(gpu, left);
	sort_bars(gpu);
	gpu->ok = judge_bars(gpu);
}

/* --- bridges ------------------------------------------------------------------------------------ */

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
	for (size_t i = BARS + 1; i < regions->n; i++) {
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

bool bridge_read(struct np_seen_bridge *bridge, const struct regions *regions,
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
