/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

/* The number of names that an error lists. */
#define NEAR_MAX 3
#define AMBIGUOUS_MAX 6

/* Returns what orders boards of one model: whatever makes the larger window, in GB. */
static uint64_t weight_gb(const struct np_gpu *gpu)
{
	uint64_t bytes = 0, gb = 0;

	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].bytes > bytes)
			bytes = gpu->bars[i].bytes;
	gb = 2 * (bytes >= NP_GIB ? bytes / NP_GIB : gpu->memory_gb);
	return gb > gpu->published_mmio_gb ? gb : gpu->published_mmio_gb;
}

static bool has_name(const char *text, size_t size, const struct gpu_name *wanted)
{
	struct gpu_name name;

	return gpu_name_parse_n(text, size, &name) && strcmp(name.key, wanted->key) == 0;
}

struct gpu_keys {
	char model[GPU_NAME_MAX * 2], product[GPU_NAME_MAX * 2];
};

static void make_key(const char *text, char key[static GPU_NAME_MAX * 2])
{
	struct gpu_name name;

	if (gpu_name_parse(text, &name))
		memcpy(key, name.key, sizeof(name.key));
}

struct gpu_keys *gpu_keys_new(size_t n)
{
	return calloc(n + 1, sizeof(struct gpu_keys));
}

void gpu_keys_take(struct np_catalogue *cat, struct gpu_keys *keys)
{
	for (size_t i = 0; i < cat->n; i++) {
		make_key(cat->rows[i]->model, keys[i].model);
		make_key(cat->rows[i]->product, keys[i].product);
	}
	free(cat->keys);
	cat->keys = keys;
}

static bool has_model(const struct np_catalogue *cat, size_t i, const struct gpu_name *wanted)
{
	return strcmp(cat->keys[i].model, wanted->key) == 0;
}

static bool has_product(const struct np_catalogue *cat, size_t i, const struct gpu_name *wanted)
{
	return strcmp(cat->keys[i].product, wanted->key) == 0;
}

static bool has_alias(const struct np_catalogue *cat, size_t i, const struct gpu_name *wanted)
{
	const char *alias = cat->rows[i]->aliases;

	while (*alias) {
		size_t size = strcspn(alias, "|");

		if (has_name(alias, size, wanted))
			return true;
		alias += size + (alias[size] == '|');
	}
	return false;
}

/* Returns the largest card that `matches`, of equal ones the first. */
static const struct np_gpu *find_by(const struct np_catalogue *cat, const struct gpu_name *wanted,
				    bool (*matches)(const struct np_catalogue *, size_t,
						    const struct gpu_name *))
{
	const struct np_gpu *best = NULL;

	for (size_t i = 0; i < cat->n; i++)
		if (matches(cat, i, wanted) && (!best || weight_gb(cat->rows[i]) > weight_gb(best)))
			best = cat->rows[i];
	return best;
}

/* A family, with what narrows it. */
struct query {
	const struct gpu_name *name;
	bool use[GPU_NAME_WORDS_MAX]; /* which board words of the name a card must have */
};

/* "sxm" matches every SXM; other words of a board match exactly. */
static bool has_board_word(const struct gpu_name *product, const char *word)
{
	for (size_t i = 0; i < product->n; i++)
		if (strncmp(product->word[i], word, strlen(word)) == 0)
			return true;
	return false;
}

static bool in_family(const struct np_gpu *gpu, const struct query *query)
{
	struct gpu_name model, product;

	if (!gpu_name_parse(gpu->model, &model) || strcmp(model.family, query->name->family) != 0)
		return false;
	if (query->name->memory_gb > 0 && query->name->memory_gb != gpu->memory_gb)
		return false;
	if (!gpu_name_parse(gpu->product, &product))
		return false;
	for (size_t i = 0; i < query->name->n; i++)
		if (query->use[i] && !has_board_word(&product, query->name->word[i]))
			return false;
	return true;
}

static bool is_empty(const struct np_catalogue *cat, const struct query *query)
{
	for (size_t i = 0; i < cat->n; i++)
		if (in_family(cat->rows[i], query))
			return false;
	return true;
}

/* A board word that no card of the family has in its name tells nothing: every T4 is on PCIe. */
static void narrow(const struct np_catalogue *cat, struct query *query)
{
	for (size_t i = 0; i < query->name->n; i++) {
		query->use[i] = gpu_name_is_board_word(query->name->word[i]);
		if (query->use[i] && is_empty(cat, query))
			query->use[i] = false;
	}
}

/* Names of models for an error, each once. */
struct listing {
	const char *models[AMBIGUOUS_MAX];
	size_t n, max;
};

static void list_model(struct listing *list, const char *model)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->models[i], model) == 0)
			return;
	if (list->n < list->max)
		list->models[list->n++] = model;
}

/* Writes "a, b or c". */
static void format_listing(const struct listing *list, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < list->n && used < size; i++) {
		const char *gap = i == 0 ? "" : i + 1 < list->n ? ", " : " or ";
		int n = snprintf(buf + used, size - used, "%s%.64s", gap, list->models[i]);

		if (n < 0)
			return;
		used += (size_t)n;
	}
}

/* Finds by family; 0 with *ret untouched where no card is in it. */
static int find_family(const struct np_catalogue *cat, const char *text,
		       const struct gpu_name *name, const struct np_gpu **ret, struct np_err *err)
{
	struct query query = { .name = name };
	struct listing list = { .max = AMBIGUOUS_MAX };
	const struct np_gpu *best = NULL;
	char names[256];

	narrow(cat, &query);
	for (size_t i = 0; i < cat->n; i++) {
		const struct np_gpu *gpu = cat->rows[i];

		if (!in_family(gpu, &query))
			continue;
		list_model(&list, gpu->model);
		if (!best || weight_gb(gpu) > weight_gb(best))
			best = gpu;
	}
	if (list.n > 1) {
		format_listing(&list, names, sizeof(names));
		return np_fail(err, NP_E_SPEC, "'%s' is ambiguous: %s", text, names);
	}
	if (best)
		*ret = best;
	return 0;
}

/* Lists the models whose family is the fewest edits away, if not more than `edits_max`. */
static void list_near(const struct np_catalogue *cat, const char *family, size_t edits_max,
		      struct listing *list)
{
	size_t fewest = edits_max;
	struct gpu_name model;

	for (size_t i = 0; i < cat->n; i++) {
		size_t edits = SIZE_MAX;

		if (gpu_name_parse(cat->rows[i]->model, &model))
			edits = np_text_distance(model.family, family);
		if (edits < fewest) {
			fewest = edits;
			list->n = 0;
		}
		if (edits == fewest)
			list_model(list, cat->rows[i]->model);
	}
}

/* Lists the models whose family holds `family`: "RTX6000" is in the name of two. */
static void list_holders(const struct np_catalogue *cat, const char *family, struct listing *list)
{
	struct gpu_name model;

	for (size_t i = 0; i < cat->n && strlen(family) > 2; i++)
		if (gpu_name_parse(cat->rows[i]->model, &model) && strstr(model.family, family))
			list_model(list, cat->rows[i]->model);
}

static int fail_unknown(const struct np_catalogue *cat, const char *text,
			const struct gpu_name *name, struct np_err *err)
{
	struct listing list = { .max = NEAR_MAX };
	char names[256];

	list_near(cat, name->family, 0, &list);
	if (list.n == 0)
		list_holders(cat, name->family, &list);
	if (list.n == 0)
		list_near(cat, name->family, strlen(name->family) / 3, &list);
	if (list.n == 0)
		return np_fail(err, NP_E_SPEC,
			       "'%.96s' is not a known GPU model; `nodeprep gpus` lists all", text);
	format_listing(&list, names, sizeof(names));
	return np_fail(err, NP_E_SPEC,
		       "'%.96s' is not a known GPU model, perhaps %s; `nodeprep gpus` lists all",
		       text, names);
}

int np_gpu_find_model(const struct np_catalogue *cat, const char *name, const struct np_gpu **ret,
		      struct np_err *err)
{
	static bool (*const ways[])(const struct np_catalogue *, size_t,
				    const struct gpu_name *) = { has_model, has_product,
								 has_alias };
	const struct np_gpu *found = NULL;
	struct gpu_name wanted;

	if (!gpu_name_parse(name, &wanted))
		return fail_unknown(cat, name, &wanted, err);
	for (size_t i = 0; !found && i < sizeof(ways) / sizeof(ways[0]); i++)
		found = find_by(cat, &wanted, ways[i]);
	if (!found && find_family(cat, name, &wanted, &found, err) < 0)
		return np_err_ret(err);
	if (!found)
		return fail_unknown(cat, name, &wanted, err);
	*ret = found;
	return 0;
}
