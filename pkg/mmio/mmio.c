/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/mmio.h"

#include <inttypes.h>
#include <limits.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"

/* Up to here a card works below 4 GB, with BIOS firmware too (Denneman 2023-05-30). */
#define SMALL_BAR_MAX_BYTES (256 * NP_MIB)

/* The figures of one card's BARs. */
struct bars {
	uint64_t sum_bytes; /* of the known ones */
	uint64_t floor_bytes; /* their lower bound, including the unknown ones */
	uint64_t largest_bytes;
	bool has_unknown;
};

static int fail_overflow(struct np_err *err)
{
	return np_fail(err, NP_E_WINDOW, "the sum of the GPUs' windows needs more than 64 bits");
}

static int add(uint64_t a, uint64_t b, uint64_t *ret, struct np_err *err)
{
	if (__builtin_add_overflow(a, b, ret))
		return fail_overflow(err);
	return 0;
}

static int mul(uint64_t a, uint64_t b, uint64_t *ret, struct np_err *err)
{
	if (__builtin_mul_overflow(a, b, ret))
		return fail_overflow(err);
	return 0;
}

static int sum_bars(const struct np_gpu *gpu, struct bars *ret, struct np_err *err)
{
	struct bars sum = { 0 };
	uint64_t extra_bytes = 0;

	for (size_t i = 0; i < gpu->n_bars; i++) {
		uint64_t bytes = gpu->bars[i].bytes;

		if (bytes == 0) {
			sum.has_unknown = true;
			extra_bytes++;
		}
		if (bytes > sum.largest_bytes)
			sum.largest_bytes = bytes;
		if (add(sum.sum_bytes, bytes, &sum.sum_bytes, err) < 0)
			return np_err_ret(err);
	}
	/*
	 * No card has its large BAR alone: where no other is known, it counts as more than nothing.
	 */
	if (sum.sum_bytes == sum.largest_bytes && extra_bytes == 0)
		extra_bytes = 1;
	if (add(sum.sum_bytes, extra_bytes, &sum.floor_bytes, err) < 0)
		return np_err_ret(err);
	*ret = sum;
	return 0;
}

static bool is_large(const struct bars *bars)
{
	return bars->largest_bytes > SMALL_BAR_MAX_BYTES;
}

/* Small BARs say that a card is small only where none of its BARs is unknown. */
static bool is_small(const struct np_gpu *gpu, const struct bars *bars)
{
	return gpu->n_bars > 0 && !bars->has_unknown && !is_large(bars);
}

static int gb_ceil_pow2(uint64_t bytes, uint64_t *ret_gb, struct np_err *err)
{
	uint64_t rounded = 0;

	if (np_pow2_ceil(bytes, &rounded, err) < 0)
		return np_err_ret(err);
	*ret_gb = rounded < NP_GIB ? 1 : rounded / NP_GIB;
	return 0;
}

/*
 * Sets the addend's rule and figure by the card's BARs or its memory, before the published figure.
 */
static int size_card(const struct np_gpu *gpu, const struct bars *bars, struct np_addend *a,
		     struct np_err *err)
{
	if (is_large(bars)) {
		a->rule = NP_ADDEND_BARS;
		return gb_ceil_pow2(bars->floor_bytes, &a->each_gb, err);
	}
	if (is_small(gpu, bars)) {
		a->rule = NP_ADDEND_SMALL;
		return 0;
	}
	if (gpu->memory_gb == 0)
		return 0;
	a->rule = NP_ADDEND_MEMORY;
	if (np_pow2_ceil(gpu->memory_gb, &a->each_gb, err) < 0)
		return np_err_ret(err);
	return mul(2, a->each_gb, &a->each_gb, err);
}

int np_mmio_addend(const struct np_gpu *gpu, uint64_t count, struct np_addend *ret,
		   struct np_err *err)
{
	struct np_addend a = {
		.gpu = gpu, .count = count, .rule = NP_ADDEND_UNKNOWN, .needs_efi = true
	};
	struct bars bars = { 0 };

	if (!gpu || (!gpu->has_figure && !gpu->no_bar))
		a.unknown_gb = NP_WINDOW_UNKNOWN_GB;
	if (!gpu) {
		*ret = a;
		return 0;
	}
	if (sum_bars(gpu, &bars, err) < 0)
		return np_err_ret(err);
	a.bars_bytes = bars.sum_bytes;
	a.needs_efi = !is_small(gpu, &bars);
	if (gpu->has_figure && size_card(gpu, &bars, &a, err) < 0)
		return np_err_ret(err);
	if (gpu->has_figure && gpu->published_mmio_gb > a.each_gb) {
		a.rule = NP_ADDEND_PUBLISHED;
		if (np_pow2_ceil(gpu->published_mmio_gb, &a.each_gb, err) < 0)
			return np_err_ret(err);
	}
	*ret = a;
	return 0;
}

void np_mmio_addend_compute(struct np_addend *a)
{
	a->needs_efi = true;
	if (a->rule == NP_ADDEND_SMALL)
		a->rule = NP_ADDEND_COMPUTE;
}

void np_mmio_addend_raise(struct np_addend *a, uint64_t gb)
{
	if (a->unknown_gb > 0 && gb > a->unknown_gb)
		a->unknown_gb = gb;
}

static int add_to_need(const struct np_addend *a, struct np_need *need, struct np_err *err)
{
	uint64_t gb = 0, bytes = 0;

	if (a->count == 0)
		return 0;
	if (mul(a->each_gb, a->count, &gb, err) < 0 ||
	    add(need->sum_gb, gb, &need->sum_gb, err) < 0)
		return np_err_ret(err);
	if (mul(a->unknown_gb, a->count, &gb, err) < 0 ||
	    add(need->unknown_gb, gb, &need->unknown_gb, err) < 0)
		return np_err_ret(err);
	if (mul(a->bars_bytes, a->count, &bytes, err) < 0 ||
	    add(need->bars_bytes, bytes, &need->bars_bytes, err) < 0)
		return np_err_ret(err);
	if (add(need->gpus, a->count, &need->gpus, err) < 0)
		return np_err_ret(err);
	need->complete = need->complete && a->rule != NP_ADDEND_UNKNOWN;
	need->needs_window = need->needs_window || a->each_gb > 0 || a->rule == NP_ADDEND_UNKNOWN ||
			     a->rule == NP_ADDEND_COMPUTE;
	if (a->rule == NP_ADDEND_COMPUTE)
		need->required_gb = NP_WINDOW_MIN_GB;
	need->needs_efi = need->needs_efi || a->needs_efi;
	return 0;
}

/* Rule 2. */
static int round_sum(uint64_t sum_gb, uint64_t *ret_gb, struct np_err *err)
{
	if (np_pow2_ceil(sum_gb, ret_gb, err) < 0)
		return np_err_ret(err);
	if (*ret_gb < NP_WINDOW_MIN_GB)
		*ret_gb = NP_WINDOW_MIN_GB;
	return 0;
}

int np_mmio_need(const struct np_addend *addends, size_t n, struct np_need *ret, struct np_err *err)
{
	struct np_need need = { .complete = true };
	uint64_t all_gb = 0;

	for (size_t i = 0; i < n; i++)
		if (add_to_need(&addends[i], &need, err) < 0)
			return np_err_ret(err);
	if (need.sum_gb > 0 && round_sum(need.sum_gb, &need.required_gb, err) < 0)
		return np_err_ret(err);
	need.assumed_gb = need.required_gb;
	if (need.unknown_gb > 0 && (add(need.sum_gb, need.unknown_gb, &all_gb, err) < 0 ||
				    round_sum(all_gb, &need.assumed_gb, err) < 0))
		return np_err_ret(err);
	*ret = need;
	return 0;
}

/* ESXi takes no other window (Broadcom KB 323402). */
static int check_pow2(const char *what, uint64_t gb, struct np_err *err)
{
	if (!np_is_pow2(gb))
		return np_fail(err, NP_E_WINDOW, "%s is '%llu', not a power of two", what,
			       (unsigned long long)gb);
	return 0;
}

static int window_of_size(const struct np_need *need, uint64_t size_gb, struct np_window *ret,
			  struct np_err *err)
{
	uint64_t size_bytes = 0, least_gb = 0;

	if (check_pow2("sizeGB", size_gb, err) < 0)
		return np_err_ret(err);
	if (mul(size_gb, NP_GIB, &size_bytes, err) < 0)
		return np_err_ret(err);
	if (size_bytes < need->bars_bytes) {
		if (np_pow2_ceil((need->bars_bytes - 1) / NP_GIB + 1, &least_gb, err) < 0)
			return np_err_ret(err);
		return np_fail(err, NP_E_WINDOW,
			       "sizeGB is '%" PRIu64 "', but the BARs alone take %" PRIu64
			       " MB: expected a power of two from %" PRIu64,
			       size_gb, need->bars_bytes / NP_MIB, least_gb);
	}
	*ret = (struct np_window){
		.gb = size_gb,
		.rule = NP_WINDOW_SIZE,
		.below_rule = size_gb < need->required_gb,
	};
	return 0;
}

int np_mmio_window(const struct np_need *need, const struct np_window_policy *policy,
		   struct np_window *ret, struct np_err *err)
{
	uint64_t floor_gb = policy->has_minimum ? policy->minimum_gb : NP_WINDOW_FLOOR_GB;

	if (check_pow2("minimumGB", floor_gb, err) < 0)
		return np_err_ret(err);
	if (policy->has_size)
		return window_of_size(need, policy->size_gb, ret, err);
	if (!need->needs_window)
		*ret = (struct np_window){ .rule = NP_WINDOW_NONE };
	else if (need->required_gb >= floor_gb && need->required_gb >= need->assumed_gb)
		*ret = (struct np_window){ .gb = need->required_gb, .rule = NP_WINDOW_REQUIRED };
	else if (need->assumed_gb > floor_gb)
		*ret = (struct np_window){ .gb = need->assumed_gb, .rule = NP_WINDOW_ASSUMED };
	else
		*ret = (struct np_window){ .gb = floor_gb, .rule = NP_WINDOW_FLOOR };
	return 0;
}

/* The state of the layout. */
struct cursor {
	struct np_slot *slots;
	size_t max, n;
	uint64_t offset_bytes;
};

static int put(struct cursor *c, const struct np_slot *slot, struct np_err *err)
{
	if (c->n < c->max)
		c->slots[c->n] = *slot;
	if (__builtin_add_overflow(c->n, 1, &c->n))
		return fail_overflow(err);
	return 0;
}

/* Copies the known BARs, the largest first, so that each starts at a multiple of its size. */
static size_t sort_bars(const struct np_gpu *gpu, struct np_bar sorted[static NP_GPU_BARS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < gpu->n_bars; i++) {
		size_t at = n;

		if (gpu->bars[i].bytes == 0)
			continue;
		for (; at > 0 && sorted[at - 1].bytes < gpu->bars[i].bytes; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = gpu->bars[i];
		n++;
	}
	return n;
}

static int put_bars(struct cursor *c, const struct np_addend *a, struct np_slot slot,
		    struct np_err *err)
{
	struct np_bar bars[NP_GPU_BARS_MAX];
	size_t n = sort_bars(a->gpu, bars);

	for (size_t i = 0; i < n; i++) {
		slot.bar = bars[i].index;
		slot.size_bytes = bars[i].bytes;
		if (put(c, &slot, err) < 0)
			return np_err_ret(err);
		slot.offset_bytes += bars[i].bytes;
	}
	return 0;
}

/* A card whose large BAR is unknown is one slot. */
static bool is_whole(const struct np_addend *a)
{
	struct np_bar bars[NP_GPU_BARS_MAX];
	size_t n = sort_bars(a->gpu, bars);

	return n == 0 || (n < a->gpu->n_bars && bars[0].bytes <= SMALL_BAR_MAX_BYTES);
}

static int put_card(struct cursor *c, const struct np_addend *a, struct np_slot slot,
		    struct np_err *err)
{
	if (mul(a->each_gb, NP_GIB, &slot.size_bytes, err) < 0)
		return np_err_ret(err);
	slot.offset_bytes = c->offset_bytes;
	if (add(c->offset_bytes, slot.size_bytes, &c->offset_bytes, err) < 0)
		return np_err_ret(err);
	slot.bar = UINT_MAX;
	return is_whole(a) ? put(c, &slot, err) : put_bars(c, a, slot, err);
}

/* Counts the slots of the cards that no longer fit into the caller's array. */
static int skip_cards(struct cursor *c, const struct np_addend *a, uint64_t cards,
		      struct np_err *err)
{
	struct np_bar bars[NP_GPU_BARS_MAX];
	uint64_t slots = is_whole(a) ? 1 : sort_bars(a->gpu, bars);
	uint64_t bytes = 0;

	if (mul(a->each_gb, NP_GIB, &bytes, err) < 0 || mul(bytes, cards, &bytes, err) < 0 ||
	    add(c->offset_bytes, bytes, &c->offset_bytes, err) < 0)
		return np_err_ret(err);
	if (__builtin_mul_overflow(slots, cards, &slots) ||
	    __builtin_add_overflow(c->n, slots, &c->n))
		return fail_overflow(err);
	return 0;
}

static int put_cards(struct cursor *c, const struct np_addend *addends, size_t i,
		     struct np_err *err)
{
	const struct np_addend *a = &addends[i];

	for (uint64_t card = 0; card < a->count; card++) {
		struct np_slot slot = { .addend = i, .card = card };

		if (c->n >= c->max)
			return skip_cards(c, a, a->count - card, err);
		if (put_card(c, a, slot, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int put_cards_of_size(struct cursor *c, const struct np_addend *addends, size_t n,
			     uint64_t each_gb, struct np_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (addends[i].each_gb == each_gb && put_cards(c, addends, i, err) < 0)
			return np_err_ret(err);
	return 0;
}

static uint64_t next_smaller(const struct np_addend *addends, size_t n, uint64_t each_gb)
{
	uint64_t best = 0;

	for (size_t i = 0; i < n; i++)
		if (addends[i].each_gb < each_gb && addends[i].each_gb > best)
			best = addends[i].each_gb;
	return best;
}

int np_mmio_layout(const struct np_addend *addends, size_t n, struct np_slot *slots, size_t max,
		   size_t *ret_n, struct np_err *err)
{
	struct cursor c = { .slots = slots, .max = max };
	uint64_t each_gb = UINT64_MAX;

	while ((each_gb = next_smaller(addends, n, each_gb)) > 0)
		if (put_cards_of_size(&c, addends, n, each_gb, err) < 0)
			return np_err_ret(err);
	*ret_n = c.n;
	return 0;
}
