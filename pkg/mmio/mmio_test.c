/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/mmio.h"

#include "catalogue.h"
#include "expect.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"

#define SENTINEL 0x5a
#define CARDS_MAX 16

static const struct np_gpu *card(const char *model)
{
	struct np_err err = NP_ERR_INIT;
	const struct np_gpu *gpu = NULL;

	if (np_gpu_find_model(catalogue, model, &gpu, &err) < 0)
		fail_msg("%s", err.text);
	return gpu;
}

static struct np_addend addend(const struct np_gpu *gpu, uint64_t count)
{
	struct np_err err = NP_ERR_INIT;
	struct np_addend a;

	if (np_mmio_addend(gpu, count, &a, &err) < 0)
		fail_msg("%s", err.text);
	return a;
}

static struct np_need need_of(const struct np_addend *addends, size_t n)
{
	struct np_err err = NP_ERR_INIT;
	struct np_need need;

	if (np_mmio_need(addends, n, &need, &err) < 0)
		fail_msg("%s", err.text);
	return need;
}

/* An output that a failing function must leave alone. */
#define ASSERT_UNTOUCHED(object)                                                             \
	do {                                                                                 \
		for (size_t at_ = 0; at_ < sizeof(object); at_++)                            \
			assert_int_equal(((const unsigned char *)&(object))[at_], SENTINEL); \
	} while (0)

#define DENNEMAN "Denneman 2023-05-30"
#define TABLE_18 "NVIDIA AI Enterprise 6.x, table 18"

/* Every figure that a document prints; where ours is larger the row says why. */
static const struct published {
	const char *sentence;
	const char *model;
	uint64_t one_gb, two_gb;
	const char *source;
} published[] = {
	{ "V100 with 16 GB", "V100-16GB", 64, 128, DENNEMAN },
	{ "V100 with 32 GB", "V100-32GB", 64, 128, DENNEMAN },
	{ "A30", "A30", 64, 128, DENNEMAN },
	{ "A100 with 40 GB", "A100-40GB", 128, 256, DENNEMAN },
	{ "A100 with 80 GB", "A100-80GB", 256, 512, DENNEMAN },
	{ "H100 with 80 GB", "H100-80GB", 256, 512, DENNEMAN },
	{ "T4 needs no window", "T4", 0, 0, DENNEMAN },
	{ "H200 SXM", "H200 SXM 141GB", 512, 0, TABLE_18 },
	{ "H200 NVL", "H200 NVL", 512, 0, TABLE_18 },
	{ "H100 PCIe", "H100 PCIe", 256, 0, TABLE_18 },
	{ "H100 NVL", "H100 NVL", 256, 0, TABLE_18 },
	{ "H100 with 64 GB, as every H100", "H100-64GB", 256, 0, TABLE_18 },
	{ "H800 PCIe", "H800-80GB", 256, 0, TABLE_18 },
	{ "H800 NVL", "H800-94GB", 256, 0, TABLE_18 },
	{ "H20 with 96 GB", "H20-96GB", 256, 0, TABLE_18 },
	{ "H20 with 141 GB", "H20-141GB", 512, 0, TABLE_18 },
	{ "L40", "L40", 128, 0, TABLE_18 },
	{ "L20", "L20", 128, 0, TABLE_18 },
	{ "L4", "L4", 64, 0, TABLE_18 },
	{ "L2", "L2", 64, 0, TABLE_18 },
	{ "RTX 6000 Ada", "RTX-6000-Ada", 128, 0, TABLE_18 },
	{ "RTX 5000 Ada", "RTX-5000-Ada", 64, 0, TABLE_18 },
	{ "A40", "A40", 128, 0, TABLE_18 },
	{ "A30 again", "A30", 64, 0, TABLE_18 },
	{ "A10", "A10", 64, 0, TABLE_18 },
	{ "A100 PCIe with 80 GB", "A100 PCIe 80GB", 256, 0, TABLE_18 },
	{ "A100 PCIe with 40 GB", "A100 PCIe 40GB", 128, 0, TABLE_18 },
	{ "RTX A6000", "RTX-A6000", 128, 0, TABLE_18 },
	{ "RTX A5500", "RTX-A5500", 64, 0, TABLE_18 },
	{ "RTX A5000", "RTX-A5000", 64, 0, TABLE_18 },
	{ "Quadro RTX 6000 passive", "Quadro-RTX-6000", 64, 0, TABLE_18 },
	{ "Quadro RTX 8000 passive: 64 is printed, its 48 GB of memory give 128", "Quadro-RTX-8000",
	  128, 0, TABLE_18 },
	{ "V100 again", "V100-32GB", 64, 0, TABLE_18 },
};

static void test_mmio__published_figures_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(published); i++) {
		const struct published *row = &published[i];
		struct np_addend one = addend(card(row->model), 1),
				 two = addend(card(row->model), 2);

		print_message("  %s (%s)\n", row->sentence, row->source);
		assert_int_equal(need_of(&one, 1).required_gb, row->one_gb);
		if (row->two_gb > 0 || row->one_gb == 0)
			assert_int_equal(need_of(&two, 1).required_gb, row->two_gb);
	}
}

/* NULL: a device that the catalogue does not know. */
static const struct node {
	const char *sentence;
	struct {
		const char *model;
		uint64_t count;
	} cards[3];
	uint64_t sum_gb, required_gb, window_gb;
	enum np_window_rule rule;
	bool complete, efi;
} nodes[] = {
	{ "no GPU", { { NULL, 0 } }, 0, 0, 0, NP_WINDOW_NONE, true, false },
	{ "two T4 need neither key", { { "T4", 2 } }, 0, 0, 0, NP_WINDOW_NONE, true, false },
	{ "one A2 has the 64 GB floor", { { "A2", 1 } }, 32, 64, 512, NP_WINDOW_FLOOR, true, true },
	{ "one A100", { { "A100-40GB", 1 } }, 128, 128, 512, NP_WINDOW_FLOOR, true, true },
	{ "three A100 do not fit the sum's 256",
	  { { "A100-40GB", 3 } },
	  384,
	  512,
	  512,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
	{ "four A100 are the default",
	  { { "A100-40GB", 4 } },
	  512,
	  512,
	  512,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
	{ "five A100", { { "A100-40GB", 5 } }, 640, 1024, 1024, NP_WINDOW_REQUIRED, true, true },
	{ "two H200 go beyond the default",
	  { { "H200", 2 } },
	  1024,
	  1024,
	  1024,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
	{ "three H100", { { "H100-80GB", 3 } }, 768, 1024, 1024, NP_WINDOW_REQUIRED, true, true },
	{ "eight H100", { { "H100-80GB", 8 } }, 2048, 2048, 2048, NP_WINDOW_REQUIRED, true, true },
	{ "A30 and A100-80 mixed",
	  { { "A30", 1 }, { "A100-80GB", 1 } },
	  320,
	  512,
	  512,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
	{ "a T4 beside an A100 adds nothing",
	  { { "T4", 1 }, { "A100-40GB", 4 } },
	  512,
	  512,
	  512,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
	{ "an unknown device takes the floor",
	  { { NULL, 1 } },
	  0,
	  0,
	  512,
	  NP_WINDOW_FLOOR,
	  false,
	  true },
	{ "an unknown device beside eight H100",
	  { { NULL, 1 }, { "H100-80GB", 8 } },
	  2048,
	  2048,
	  4096,
	  NP_WINDOW_ASSUMED,
	  false,
	  true },
	{ "two unknown devices count 256 GB each",
	  { { NULL, 2 } },
	  0,
	  0,
	  512,
	  NP_WINDOW_FLOOR,
	  false,
	  true },
	{ "three unknown devices pass the floor",
	  { { NULL, 3 } },
	  0,
	  0,
	  1024,
	  NP_WINDOW_ASSUMED,
	  false,
	  true },
	{ "a card of the catalogue without a size counts as an unknown one",
	  { { "H20B", 3 }, { "A30", 1 } },
	  64,
	  64,
	  1024,
	  NP_WINDOW_ASSUMED,
	  false,
	  true },
	{ "a Grace board has no figure, though its memory is known",
	  { { "GH200-96GB", 1 } },
	  0,
	  0,
	  512,
	  NP_WINDOW_FLOOR,
	  false,
	  true },
	{ "a card with memory alone",
	  { { "Gaudi-3", 8 } },
	  2048,
	  2048,
	  2048,
	  NP_WINDOW_REQUIRED,
	  true,
	  true },
};

static size_t node_addends(const struct node *node, struct np_addend *addends)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT(node->cards); i++)
		if (node->cards[i].count > 0) {
			const char *model = node->cards[i].model;

			addends[n++] = addend(model ? card(model) : NULL, node->cards[i].count);
		}
	return n;
}

static void test_mmio__nodes_get_their_window(void **state)
{
	static const struct np_window_policy no_policy = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(nodes); i++) {
		struct np_err err = NP_ERR_INIT;
		struct np_addend addends[COUNT(nodes[i].cards)];
		size_t n = node_addends(&nodes[i], addends);
		struct np_need need = need_of(addends, n);
		struct np_window window;

		print_message("  %s\n", nodes[i].sentence);
		assert_int_equal(need.sum_gb, nodes[i].sum_gb);
		assert_int_equal(need.required_gb, nodes[i].required_gb);
		assert_int_equal(need.complete, nodes[i].complete);
		assert_int_equal(need.needs_efi, nodes[i].efi);
		assert_int_equal(need.needs_window, nodes[i].rule != NP_WINDOW_NONE);
		assert_int_equal(np_mmio_window(&need, &no_policy, &window, &err), 0);
		assert_int_equal(window.gb, nodes[i].window_gb);
		assert_int_equal(window.rule, nodes[i].rule);
		assert_false(window.below_rule);
	}
}

#define BAR(i, mb)                                                                \
	{                                                                         \
		.index = (i), .bytes = (mb)*NP_MIB, .figure = NP_SIZE_SOURCE_USER \
	}

/* clang-format off */
static const struct made {
	const char *sentence;
	struct np_gpu gpu;
	enum np_addend_rule rule;
	uint64_t each_gb, bars_mb;
	bool efi;
} made[] = {
	{ "the small BARs push a card over its large one",
	  { .has_figure = true, .n_bars = 2, .bars = { BAR(0, 16), BAR(1, 65536) } },
	  NP_ADDEND_BARS, 128, 65552, true },
	{ "a large BAR alone is not all there is",
	  { .has_figure = true, .n_bars = 1, .bars = { BAR(1, 65536) } },
	  NP_ADDEND_BARS, 128, 65536, true },
	{ "an unknown BAR is more than nothing",
	  { .has_figure = true, .n_bars = 3, .bars = { BAR(0, 65536), BAR(1, 65536), BAR(2, 0) } },
	  NP_ADDEND_BARS, 256, 131072, true },
	{ "256 MB is small",
	  { .has_figure = true, .n_bars = 2, .memory_gb = 16, .bars = { BAR(0, 16), BAR(1, 256) } },
	  NP_ADDEND_SMALL, 0, 272, false },
	{ "512 MB is large, and no window is below 1 GB",
	  { .has_figure = true, .n_bars = 2, .bars = { BAR(0, 16), BAR(1, 512) } },
	  NP_ADDEND_BARS, 1, 528, true },
	{ "the large BAR is unknown: twice the memory's power of two",
	  { .has_figure = true, .memory_gb = 24, .n_bars = 2, .bars = { BAR(0, 16), BAR(1, 0) } },
	  NP_ADDEND_MEMORY, 64, 16, true },
	{ "no BAR is known: twice the memory, a power of two already",
	  { .has_figure = true, .memory_gb = 64 }, NP_ADDEND_MEMORY, 128, 0, true },
	{ "a published figure stands above the BARs",
	  { .has_figure = true, .published_mmio_gb = 64, .n_bars = 2,
	    .bars = { BAR(0, 16), BAR(1, 16384) } },
	  NP_ADDEND_PUBLISHED, 64, 16400, true },
	{ "a published figure below the BARs does not",
	  { .has_figure = true, .published_mmio_gb = 64, .n_bars = 2,
	    .bars = { BAR(0, 16), BAR(1, 65536) } },
	  NP_ADDEND_BARS, 128, 65552, true },
	{ "a published figure stands above the memory",
	  { .has_figure = true, .memory_gb = 64, .published_mmio_gb = 256 },
	  NP_ADDEND_PUBLISHED, 256, 0, true },
	{ "a published figure is all there is",
	  { .has_figure = true, .published_mmio_gb = 128 }, NP_ADDEND_PUBLISHED, 128, 0, true },
	{ "a published figure counts for a small card that has one",
	  { .has_figure = true, .published_mmio_gb = 64, .n_bars = 1, .bars = { BAR(0, 256) } },
	  NP_ADDEND_PUBLISHED, 64, 256, false },
	{ "nothing is known", { .has_figure = false }, NP_ADDEND_UNKNOWN, 0, 0, true },
	{ "not applicable, though the memory is known",
	  { .has_figure = false, .memory_gb = 96 }, NP_ADDEND_UNKNOWN, 0, 0, true },
};
/* clang-format on */

static void test_mmio__rule_1_says_what_it_used(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(made); i++) {
		struct np_addend a = addend(&made[i].gpu, 3);

		print_message("  %s\n", made[i].sentence);
		assert_ptr_equal(a.gpu, &made[i].gpu);
		assert_int_equal(a.count, 3);
		assert_int_equal(a.rule, made[i].rule);
		assert_int_equal(a.each_gb, made[i].each_gb);
		assert_int_equal(a.bars_bytes, made[i].bars_mb * NP_MIB);
		assert_int_equal(a.needs_efi, made[i].efi);
	}
}

static void test_mmio__no_addend_counts_where_there_is_no_card(void **state)
{
	struct np_addend none[] = { addend(card("H200"), 0), addend(NULL, 0) };
	struct np_need need = need_of(none, COUNT(none));

	(void)state;
	assert_int_equal(need.required_gb, 0);
	assert_true(need.complete);
	assert_false(need.needs_window);
	assert_false(need.needs_efi);
}

/* clang-format off */
static const struct policy_case {
	const char *sentence;
	const char *model;
	uint64_t count;
	struct np_window_policy policy;
	const char *error; /* NULL: none */
	uint64_t gb;
	enum np_window_rule rule;
	bool below_rule;
} policies[] = {
	{ "a minimum below the default", "A100-40GB", 1,
	  { .has_minimum = true, .minimum_gb = 256 }, NULL, 256, NP_WINDOW_FLOOR, false },
	{ "a minimum below the need", "A100-40GB", 4,
	  { .has_minimum = true, .minimum_gb = 64 }, NULL, 512, NP_WINDOW_REQUIRED, false },
	{ "a minimum above the default", "A100-40GB", 1,
	  { .has_minimum = true, .minimum_gb = 2048 }, NULL, 2048, NP_WINDOW_FLOOR, false },
	{ "a minimum does not make a window for small cards", "T4", 4,
	  { .has_minimum = true, .minimum_gb = 1024 }, NULL, 0, NP_WINDOW_NONE, false },
	{ "a minimum that is no power of two", "A100-40GB", 1,
	  { .has_minimum = true, .minimum_gb = 384 }, "minimumGB is '384', not a power of two", 0, 0, false },
	{ "a size above the need", "A100-40GB", 1,
	  { .has_size = true, .size_gb = 1024 }, NULL, 1024, NP_WINDOW_SIZE, false },
	{ "a size as large as the need, below the default", "A100-40GB", 1,
	  { .has_size = true, .size_gb = 128 }, NULL, 128, NP_WINDOW_SIZE, false },
	{ "a size below the need that the BARs fit", "A100-40GB", 3,
	  { .has_size = true, .size_gb = 256 }, NULL, 256, NP_WINDOW_SIZE, true },
	{ "a size below the BARs", "A100-40GB", 4,
	  { .has_size = true, .size_gb = 256 },
	  "sizeGB is '256', but the BARs alone take 262336 MB: expected a power of two from 512", 0, 0, false },
	{ "a size that is not a power of two", "A100-40GB", 1,
	  { .has_size = true, .size_gb = 192 }, "sizeGB is '192', not a power of two", 0, 0, false },
	{ "a size of nothing", "A100-40GB", 1,
	  { .has_size = true, .size_gb = 0 }, "sizeGB is '0', not a power of two", 0, 0, false },
	{ "a size beyond 64 bits of bytes", "A100-40GB", 1,
	  { .has_size = true, .size_gb = UINT64_C(1) << 40 },
	  "the sum of the GPUs' windows needs more than 64 bits", 0, 0, false },
	{ "a size for small cards is obeyed", "T4", 1,
	  { .has_size = true, .size_gb = 64 }, NULL, 64, NP_WINDOW_SIZE, false },
	{ "a size stands above a minimum", "A100-40GB", 1,
	  { .has_size = true, .size_gb = 128, .has_minimum = true, .minimum_gb = 1024 },
	  NULL, 128, NP_WINDOW_SIZE, false },
};
/* clang-format on */

static void test_mmio__policy_is_obeyed_where_it_can_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		const struct policy_case *c = &policies[i];
		struct np_err err = NP_ERR_INIT;
		struct np_addend a = addend(card(c->model), c->count);
		struct np_need need = need_of(&a, 1);
		struct np_window window;

		print_message("  %s\n", c->sentence);
		memset(&window, SENTINEL, sizeof(window));
		if (c->error) {
			assert_int_equal(np_mmio_window(&need, &c->policy, &window, &err),
					 -NP_E_WINDOW);
			assert_string_equal(err.text, c->error);
			ASSERT_UNTOUCHED(window);
			continue;
		}
		assert_int_equal(np_mmio_window(&need, &c->policy, &window, &err), 0);
		assert_int_equal(window.gb, c->gb);
		assert_int_equal(window.rule, c->rule);
		assert_int_equal(window.below_rule, c->below_rule);
	}
}

static void test_mmio__sums_beyond_64_bits_are_told(void **state)
{
	static const struct np_gpu huge = { .has_figure = true,
					    .n_bars = 3,
					    .bars = { { .bytes = UINT64_C(1) << 63 },
						      { .bytes = UINT64_C(1) << 63 } } };
	struct np_err err = NP_ERR_INIT;
	struct np_addend a, many[2] = { addend(card("A100-40GB"), UINT64_MAX / 64),
					addend(card("A100-40GB"), 1) };
	struct np_need need;
	size_t n;

	(void)state;
	memset(&a, SENTINEL, sizeof(a));
	memset(&need, SENTINEL, sizeof(need));
	memset(&n, SENTINEL, sizeof(n));
	assert_int_equal(np_mmio_addend(&huge, 1, &a, &err), -NP_E_WINDOW);
	ASSERT_UNTOUCHED(a);
	assert_int_equal(np_mmio_need(many, 1, &need, &err), -NP_E_WINDOW);
	ASSERT_UNTOUCHED(need);
	assert_int_equal(np_mmio_layout(many, 2, NULL, 0, &n, &err), -NP_E_WINDOW);
	ASSERT_UNTOUCHED(n);
	/* 2^26 windows of 2^38 bytes are the first that do not fit. */
	many[0] = addend(card("A100-80GB"), UINT64_C(1) << 26);
	assert_int_equal(np_mmio_layout(many, 1, NULL, 0, &n, &err), -NP_E_WINDOW);
	many[0].count--;
	assert_int_equal(np_mmio_layout(many, 1, NULL, 0, &n, &err), 0);
	assert_int_equal(n, 3 * ((UINT64_C(1) << 26) - 1));
}

/* xorshift64 with a fixed seed: the same nodes in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t pick(uint64_t *state, size_t n)
{
	return (size_t)(next_random(state) >> 11) % n;
}

static size_t random_addends(uint64_t *state, struct np_addend *addends, size_t max)
{
	size_t n = 1 + pick(state, max);

	for (size_t i = 0; i < n; i++) {
		size_t at = pick(state, np_gpu_catalogue_count(catalogue));

		addends[i] = addend(np_gpu_catalogue_at(catalogue, at), 1 + pick(state, CARDS_MAX));
	}
	return n;
}

static void check_bounds(const struct np_addend *addends, size_t n, const struct np_need *need)
{
	assert_true(need->required_gb == 0 || np_is_pow2(need->required_gb));
	assert_true(need->required_gb >= need->sum_gb);
	assert_true(need->required_gb == 0 || need->required_gb >= NP_WINDOW_MIN_GB);
	if (need->required_gb > 0)
		assert_true(need->required_gb * NP_GIB >= need->bars_bytes);
	for (size_t i = 0; i < n; i++) {
		uint64_t figure_gb = addends[i].gpu->published_mmio_gb;

		assert_true(addends[i].each_gb >= figure_gb);
		assert_true(need->required_gb >= figure_gb * addends[i].count);
	}
}

static void check_growth(const struct np_addend *addends, size_t n, const struct np_need *need)
{
	struct np_need fewer = need_of(addends, n - 1);
	struct np_addend other[8];

	assert_true(fewer.required_gb <= need->required_gb);
	assert_true(fewer.gpus < need->gpus);
	memcpy(other, addends, n * sizeof(*other));
	other[0].count++;
	assert_true(need_of(other, n).required_gb >= need->required_gb);
	for (size_t i = 0; i < n; i++)
		other[i] = addends[n - 1 - i];
	assert_int_equal(need_of(other, n).required_gb, need->required_gb);
	assert_int_equal(need_of(other, n).bars_bytes, need->bars_bytes);
	assert_int_equal(need_of(other, n).complete, need->complete);
}

static void test_mmio__properties_hold_for_any_node(void **state)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		struct np_addend addends[6];
		size_t n = random_addends(&seed, addends, COUNT(addends));
		struct np_need need = need_of(addends, n);

		check_bounds(addends, n, &need);
		check_growth(addends, n, &need);
	}
}

/*
 * How firmware places cards, each behind a hotplug port of its own (measured with OVMF in a guest):
 * a port's window holds all BARs of its card, stands at a multiple of the largest and takes at least
 * a 256th of the whole.
 */
struct placed {
	uint64_t align_bytes, bytes;
};

static struct placed placed_card(const struct np_gpu *gpu)
{
	struct placed p = { 0 };

	for (size_t i = 0; i < gpu->n_bars; i++) {
		p.bytes += gpu->bars[i].bytes;
		if (gpu->bars[i].bytes > p.align_bytes)
			p.align_bytes = gpu->bars[i].bytes;
	}
	/* A large BAR that nobody has seen: the power of two that holds the memory. */
	if (p.align_bytes <= 256 * NP_MIB) {
		p.align_bytes = NP_GIB;
		while (p.align_bytes < gpu->memory_gb * NP_GIB)
			p.align_bytes *= 2;
		p.bytes += p.align_bytes;
	}
	if (p.bytes == p.align_bytes)
		p.bytes += 48 * NP_MIB;
	return p;
}

static bool fits(const struct placed *cards, const size_t *order, size_t n, uint64_t window_bytes)
{
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++) {
		/* cppcheck-suppress uninitvar ; every caller fills the order */
		const struct placed *p = &cards[order[i]];
		uint64_t least = window_bytes / 256;

		end = (end + p->align_bytes - 1) / p->align_bytes * p->align_bytes;
		end += p->bytes > least ? p->bytes : least;
	}
	return end <= window_bytes;
}

/* Steps to the next order in lexical sequence; false after the last. */
static bool next_order(size_t *order, size_t n)
{
	size_t i = n - 1, k = n - 1, swap;

	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[k] < order[i - 1])
		k--;
	swap = order[k], order[k] = order[i - 1], order[i - 1] = swap;
	for (k = n - 1; i < k; i++, k--)
		swap = order[k], order[k] = order[i], order[i] = swap;
	return true;
}

static void shuffle(uint64_t *state, size_t *order, size_t n)
{
	for (size_t i = n - 1; i > 0; i--) {
		size_t k = pick(state, i + 1), swap = order[k];

		order[k] = order[i];
		order[i] = swap;
	}
}

/* Tells whether the cards can be placed in every order (up to five cards) or in 50 random ones. */
static bool fits_in_any_order(uint64_t *state, const struct placed *cards, size_t n,
			      uint64_t window_bytes)
{
	size_t order[CARDS_MAX];

	for (size_t i = 0; i < n; i++)
		order[i] = i;
	if (n <= 5) {
		do {
			if (!fits(cards, order, n, window_bytes))
				return false;
		} while (next_order(order, n));
		return true;
	}
	for (unsigned i = 0; i < 50; i++) {
		if (!fits(cards, order, n, window_bytes))
			return false;
		shuffle(state, order, n);
	}
	return true;
}

static const struct np_gpu *random_large_card(uint64_t *state)
{
	for (;;) {
		size_t at = pick(state, np_gpu_catalogue_count(catalogue));
		struct np_addend a = addend(np_gpu_catalogue_at(catalogue, at), 1);

		if (a.each_gb > 0)
			return a.gpu;
	}
}

/* Cards of at most `kinds` kinds, as random nodes have them. */
static void random_node(uint64_t *state, const struct np_gpu **gpus, size_t n, size_t kinds)
{
	for (size_t i = 0; i < n; i++)
		gpus[i] = i < kinds ? random_large_card(state) : gpus[pick(state, kinds)];
}

static uint64_t required_bytes(const struct np_gpu *const *gpus, size_t n)
{
	struct np_addend addends[CARDS_MAX];

	for (size_t i = 0; i < n; i++)
		addends[i] = addend(gpus[i], 1);
	return need_of(addends, n).required_gb * NP_GIB;
}

/* What rule 2 would be if the sum were rounded and not each card: the test's own, to show the need. */
static uint64_t rounded_sum_bytes(const struct placed *cards, size_t n)
{
	uint64_t sum = 0, window = NP_WINDOW_MIN_GB * NP_GIB;

	for (size_t i = 0; i < n; i++)
		sum += cards[i].bytes;
	while (window < sum)
		window *= 2;
	return window;
}

static void test_mmio__window_holds_the_cards_in_any_bus_order(void **state)
{
	uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);
	unsigned sum_fails = 0;

	(void)state;
	for (unsigned run = 0; run < 100000; run++) {
		const struct np_gpu *gpus[CARDS_MAX];
		struct placed cards[CARDS_MAX];
		size_t n = 1 + pick(&seed, CARDS_MAX);

		random_node(&seed, gpus, n, 1 + pick(&seed, 4));
		for (size_t i = 0; i < n; i++)
			cards[i] = placed_card(gpus[i]);
		if (!fits_in_any_order(&seed, cards, n, required_bytes(gpus, n)))
			fail_msg("%zu cards, first a %s, do not fit", n, gpus[0]->product);
		sum_fails += !fits_in_any_order(&seed, cards, n, rounded_sum_bytes(cards, n));
	}
	/* A placement that lets anything fit would prove nothing. */
	assert_true(sum_fails > 1000);
}

static const struct measured {
	const char *sentence;
	const char *model;
	size_t n;
	uint64_t fits_gb; /* with a GB less the guest dropped a card */
} measured[] = {
	{ "two A100-40 behind ports", "A100-40GB", 2, 193 },
	{ "three A100-40 behind ports", "A100-40GB", 3, 321 },
	{ "four A100-40 behind ports", "A100-40GB", 4, 449 },
	{ "eight A100-40 behind ports", "A100-40GB", 8, 961 },
	{ "eight A100-80 behind ports", "A100-80GB", 8, 1921 },
	{ "four A2 behind ports", "A2", 4, 113 },
};

static void test_mmio__placement_agrees_with_the_measured_guests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(measured); i++) {
		struct placed cards[CARDS_MAX];
		size_t order[CARDS_MAX];

		print_message("  %s\n", measured[i].sentence);
		for (size_t k = 0; k < measured[i].n; k++) {
			cards[k] = placed_card(card(measured[i].model));
			order[k] = k;
		}
		assert_true(fits(cards, order, measured[i].n, measured[i].fits_gb * NP_GIB));
		assert_false(fits(cards, order, measured[i].n, (measured[i].fits_gb - 1) * NP_GIB));
	}
}

static void test_mmio__rounding_the_sum_would_drop_a_card(void **state)
{
	const struct np_gpu *gpus[3] = { card("A100-40GB"), card("A100-40GB"), card("A100-40GB") };
	struct placed cards[3] = { placed_card(gpus[0]), placed_card(gpus[1]),
				   placed_card(gpus[2]) };
	uint64_t seed = 1;

	(void)state;
	assert_int_equal(rounded_sum_bytes(cards, 3), 256 * NP_GIB);
	assert_false(fits_in_any_order(&seed, cards, 3, rounded_sum_bytes(cards, 3)));
	assert_true(fits_in_any_order(&seed, cards, 3, required_bytes(gpus, 3)));
}

static int compare_slots(const void *a, const void *b)
{
	const struct np_slot *x = a, *y = b;

	return x->offset_bytes < y->offset_bytes ? -1 : x->offset_bytes > y->offset_bytes;
}

static void check_layout(struct np_slot *slots, size_t n, const struct np_need *need)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(np_is_pow2(slots[i].size_bytes));
		assert_int_equal(slots[i].offset_bytes % slots[i].size_bytes, 0);
		assert_true(slots[i].offset_bytes + slots[i].size_bytes <=
			    need->required_gb * NP_GIB);
	}
	qsort(slots, n, sizeof(*slots), compare_slots);
	for (size_t i = 1; i < n; i++)
		assert_true(slots[i - 1].offset_bytes + slots[i - 1].size_bytes <=
			    slots[i].offset_bytes);
}

/* Counts the slots that the addends must have: one a known BAR, one for a card without. */
static size_t expected_slots(const struct np_addend *addends, size_t n)
{
	size_t slots = 0;

	for (size_t i = 0; i < n; i++) {
		size_t known = 0;
		uint64_t largest = 0;

		for (size_t k = 0; k < addends[i].gpu->n_bars; k++) {
			known += addends[i].gpu->bars[k].bytes > 0;
			if (addends[i].gpu->bars[k].bytes > largest)
				largest = addends[i].gpu->bars[k].bytes;
		}
		if (addends[i].each_gb > 0)
			slots += addends[i].count * (largest > 256 * NP_MIB ? known : 1);
	}
	return slots;
}

static void test_mmio__layout_is_aligned_and_disjoint(void **state)
{
	static struct np_slot slots[6 * CARDS_MAX * NP_GPU_BARS_MAX];
	uint64_t seed = UINT64_C(0xd1342543de82ef95);

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct np_err err = NP_ERR_INIT;
		struct np_addend addends[6];
		size_t n = random_addends(&seed, addends, COUNT(addends)), n_slots = 0;
		struct np_need need = need_of(addends, n);

		assert_int_equal(np_mmio_layout(addends, n, slots, COUNT(slots), &n_slots, &err),
				 0);
		assert_int_equal(n_slots, expected_slots(addends, n));
		check_layout(slots, n_slots, &need);
	}
}

static const struct np_slot mixed_layout[] = {
	{ .addend = 1, .card = 0, .bar = UINT_MAX, .offset_bytes = 0, .size_bytes = 256 * NP_GIB },
	{ .addend = 0,
	  .card = 0,
	  .bar = 1,
	  .offset_bytes = 256 * NP_GIB,
	  .size_bytes = 32 * NP_GIB },
	{ .addend = 0,
	  .card = 0,
	  .bar = 3,
	  .offset_bytes = 288 * NP_GIB,
	  .size_bytes = 32 * NP_MIB },
	{ .addend = 0,
	  .card = 0,
	  .bar = 0,
	  .offset_bytes = 288 * NP_GIB + 32 * NP_MIB,
	  .size_bytes = 16 * NP_MIB },
	{ .addend = 0,
	  .card = 1,
	  .bar = 1,
	  .offset_bytes = 320 * NP_GIB,
	  .size_bytes = 32 * NP_GIB },
	{ .addend = 0,
	  .card = 1,
	  .bar = 3,
	  .offset_bytes = 352 * NP_GIB,
	  .size_bytes = 32 * NP_MIB },
	{ .addend = 0,
	  .card = 1,
	  .bar = 0,
	  .offset_bytes = 352 * NP_GIB + 32 * NP_MIB,
	  .size_bytes = 16 * NP_MIB },
};

static void test_mmio__layout_has_the_largest_first(void **state)
{
	struct np_addend addends[] = { addend(card("A30"), 2), addend(card("H100-64GB"), 1),
				       addend(card("T4"), 2), addend(NULL, 1) };
	struct np_slot slots[16];
	struct np_err err = NP_ERR_INIT;
	size_t n = 0;

	(void)state;
	assert_int_equal(np_mmio_layout(addends, COUNT(addends), slots, COUNT(slots), &n, &err), 0);
	assert_int_equal(n, COUNT(mixed_layout));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(slots[i].addend, mixed_layout[i].addend);
		assert_int_equal(slots[i].card, mixed_layout[i].card);
		assert_int_equal(slots[i].bar, mixed_layout[i].bar);
		assert_int_equal(slots[i].offset_bytes, mixed_layout[i].offset_bytes);
		assert_int_equal(slots[i].size_bytes, mixed_layout[i].size_bytes);
	}
}

static void test_mmio__layout_writes_no_more_than_there_is_room(void **state)
{
	struct np_addend a = addend(card("A30"), 4);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t max = 0; max <= 12; max++) {
		struct np_slot slots[13];
		size_t n = 0;

		memset(slots, SENTINEL, sizeof(slots));
		assert_int_equal(np_mmio_layout(&a, 1, slots, max, &n, &err), 0);
		assert_int_equal(n, 12);
		ASSERT_UNTOUCHED(slots[max]);
		if (max > 0)
			assert_int_equal(slots[max - 1].card, (max - 1) / 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmio__published_figures_hold),
		cmocka_unit_test(test_mmio__nodes_get_their_window),
		cmocka_unit_test(test_mmio__rule_1_says_what_it_used),
		cmocka_unit_test(test_mmio__no_addend_counts_where_there_is_no_card),
		cmocka_unit_test(test_mmio__policy_is_obeyed_where_it_can_work),
		cmocka_unit_test(test_mmio__sums_beyond_64_bits_are_told),
		cmocka_unit_test(test_mmio__properties_hold_for_any_node),
		cmocka_unit_test(test_mmio__window_holds_the_cards_in_any_bus_order),
		cmocka_unit_test(test_mmio__placement_agrees_with_the_measured_guests),
		cmocka_unit_test(test_mmio__rounding_the_sum_would_drop_a_card),
		cmocka_unit_test(test_mmio__layout_is_aligned_and_disjoint),
		cmocka_unit_test(test_mmio__layout_has_the_largest_first),
		cmocka_unit_test(test_mmio__layout_writes_no_more_than_there_is_room),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
