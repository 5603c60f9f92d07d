/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/report.h"
#include "nodeprep/units.h"

/*
 * An expected BAR up to this size may be missing for another reason than space: the catalogue may
 * err.
 */
#define SMALL_BYTES (256 * NP_MIB)

struct np_seen_bar *np_report_add_bar(struct np_seen_gpu *gpu, unsigned index)
{
	struct np_seen_bar *bar = &gpu->bars[gpu->n_bars++];

	*bar = (struct np_seen_bar){ .index = index };
	return bar;
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

/*
 * Boards of one family number their BARs differently (0, 1, 3 and 0, 2, 4): sizes tell more than
 * places.
 */
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
	return index < NP_PCI_BARS;
}

static unsigned free_index(const struct np_seen_gpu *gpu, unsigned wanted)
{
	for (unsigned i = 0; i < NP_PCI_BARS; i++) {
		unsigned index = (wanted + i) % NP_PCI_BARS;

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
	       (expected->figure == NP_SIZE_SOURCE_ASSUMED ||
		expected->figure == NP_SIZE_SOURCE_DERIVED);
}

/*
 * An expected BAR that is missing is a 32-bit BAR whose register is 0, or config was not readable.
 */
static void add_missing(struct np_seen_gpu *gpu, bar_set left)
{
	for (size_t e = 0; e < gpu->gpu->n_bars && gpu->n_bars < NP_GPU_BARS_MAX; e++) {
		const struct np_bar *expected = &gpu->gpu->bars[e];
		struct np_seen_bar *bar;

		if ((left & 1u << e) == 0 || is_doubtful(gpu, expected))
			continue;
		bar = np_report_add_bar(gpu, free_index(gpu, expected->index));
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
 * Without the catalogue the registers must tell. They show every BAR but a 32-bit one whose
 * register is 0; the first BAR holds the registers of every such card, so that it at least must be
 * there.
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

void np_report_pair_bars(struct np_seen_gpu *gpu, bool is_whole)
{
	bar_set left = gpu->gpu ? pair_bars(gpu) : 0;

	gpu->has_config = true;
	gpu->has_resource = is_whole || left == 0;
	if (gpu->gpu)
		add_missing(gpu, left);
	sort_bars(gpu);
	gpu->ok = judge_bars(gpu);
}

void np_report_complete_bars(struct np_seen_gpu *gpu)
{
	if (gpu->gpu)
		add_missing(gpu, pair_bars(gpu));
	sort_bars(gpu);
	gpu->ok = judge_bars(gpu);
}
