/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"

#define ASK_TEXT_MAX 128
#define PAIR_EXAMPLE "expected MODEL=COUNT, such as 'A100-40GB=4'"
#define PAIRS_EXAMPLE "such as 'A100-40GB=4,T4=1'"

static int fill_model(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		      struct np_err *err);
static int fill_pci_id(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		       struct np_err *err);
static int fill_vgpu(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		     struct np_err *err);

enum { WAY_MODEL, WAY_PCI_ID, WAY_VGPU, N_WAYS };

/* The ways to name a card, exactly one of which an item takes. */
static const struct way {
	const char *key;
	int (*fill)(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		    struct np_err *err);
} ways[] = {
	[WAY_MODEL] = { "model", fill_model },
	[WAY_PCI_ID] = { "pciID", fill_pci_id },
	[WAY_VGPU] = { "vgpuProfile", fill_vgpu },
};

static const char *const item_fields[] = { "count", "model", "pciID", "vgpuProfile" };

static void ask_done(struct np_gpu_request *ask)
{
	free(ask->text);
	free(ask->vgpu_profile);
	*ask = (struct np_gpu_request){ 0 };
}

static int fill_model(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		      struct np_err *err)
{
	struct np_err ignored = NP_ERR_INIT;

	if (strchr(text, ':') && np_gpu_pci_id_parse(text, &ask->id, &ignored) == 0)
		return np_fail(err, NP_E_SPEC, "'%s' is a PCI id, not a model: set pciID", text);
	return np_gpu_find_model(cat, text, &ask->gpu, err);
}

static int fill_pci_id(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		       struct np_err *err)
{
	struct np_err ignored = NP_ERR_INIT;
	const struct np_gpu *gpu = NULL;

	if (!strchr(text, ':') && np_gpu_find_model(cat, text, &gpu, &ignored) == 0)
		return np_fail(err, NP_E_SPEC,
			       "'%s' is a model's name, not an id: set model, or the id %04x:%04x",
			       text, gpu->vendor_id, gpu->device_id);
	if (np_gpu_pci_id_parse(text, &ask->id, err) < 0)
		return np_err_ret(err);
	ask->exact = true;
	ask->gpu = np_gpu_find_id(cat, ask->id);
	return 0;
}

static int fill_vgpu(const struct np_catalogue *cat, const char *text, struct np_gpu_request *ask,
		     struct np_err *err)
{
	/* "GRID A100-40C" is how NVIDIA's driver writes grid_a100-40c. */
	for (const char *c = text; *c; c++)
		if (!isgraph((unsigned char)*c) && (*c != ' ' || !np_gpu_find_vgpu(cat, text)))
			return np_fail(err, NP_E_SPEC,
				       "vGPU profile '%s' holds a blank: expected one such as "
				       "'grid_a100-40c'",
				       text);
	ask->vgpu_profile = strdup(text);
	if (!ask->vgpu_profile)
		return np_fail_nomem(err);
	ask->gpu = np_gpu_find_vgpu(cat, text);
	return 0;
}

/* Resolves `text` in that way; an error is reported at `n`. */
static int fill(const struct way *way, const struct np_catalogue *cat, struct np_val n,
		const char *text, struct np_gpu_request *ask, struct np_err *err)
{
	struct np_err inner = NP_ERR_INIT;

	if (strlen(text) >= ASK_TEXT_MAX)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "'%.32s...' is too long to name a GPU: at most %d bytes", text,
				   ASK_TEXT_MAX - 1);
	if (way->fill(cat, text, ask, &inner) < 0)
		return np_doc_fail(n, err, inner.code, "%s", inner.text);
	ask->text = strdup(text);
	return ask->text ? 0 : np_fail_nomem(err);
}

static void mark_unknown(struct np_pool *pool, struct np_val n, const char *field)
{
	pool->has_placeholder = pool_note_placeholder(&pool->placeholder, n, field);
	pool->gpus_unknown = true;
}

/* Room for every ask is made by the caller, since both forms know their number beforehand. */
static int push_take(struct np_val n, struct np_pool *pool, struct np_gpu_request *ask,
		     struct np_err *err)
{
	uint64_t total = ask->count;

	for (size_t i = 0; i < pool->n_requests; i++)
		total += pool->requests[i].count;
	if (total > NP_POOL_GPUS_MAX)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "the pool names '%ju' GPUs for each node: at most %d",
				   (uintmax_t)total, NP_POOL_GPUS_MAX);
	pool->requests[pool->n_requests++] = *ask;
	*ask = (struct np_gpu_request){ 0 };
	return 0;
}

static int make_room(struct np_pool *pool, size_t n, struct np_err *err)
{
	if (n == 0)
		return 0;
	pool->requests = reallocarray(NULL, n, sizeof(*pool->requests));
	return pool->requests ? 0 : np_fail_nomem(err);
}

static int find_way(struct np_val item, const struct way **ret, struct np_err *err)
{
	const struct way *found = NULL;

	for (size_t i = 0; i < N_WAYS; i++) {
		struct np_val n = np_doc_get(item, ways[i].key);

		if (!np_doc_is_present(n))
			continue;
		if (found)
			return np_doc_fail_key(
				n, err, NP_E_SPEC,
				"%s and %s are mutually exclusive: name the GPU once", found->key,
				ways[i].key);
		found = &ways[i];
	}
	if (!found)
		return np_doc_fail(item, err, NP_E_SPEC,
				   "one of model, pciID or vgpuProfile is required");
	*ret = found;
	return 0;
}

/* YAML makes numbers of ids that stand without quotes, and 1e78 is one of 10^78. */
static int read_way_text(const struct way *way, struct np_val n, const char **ret,
			 struct np_err *err)
{
	char quoted[NP_DOC_TEXT_MAX];

	if (json_is_number(n.json)) {
		np_doc_text(n, quoted);
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s is '%s', which YAML reads as a number: write it in quotes%s",
				   way->key, quoted,
				   way == &ways[WAY_PCI_ID]
					   ? ", vendor and device, such as \"10de:20b0\""
					   : "");
	}
	if (np_doc_string(n, ret, err) < 0)
		return np_err_ret(err);
	if (!**ret)
		return np_doc_fail(n, err, NP_E_SPEC, "%s is '': name a GPU", way->key);
	return 0;
}

/* Reads name and count; returns 0 where a placeholder stands for one of them. */
static int read_ask(struct np_val item, const struct way *way, const struct np_catalogue *cat,
		    struct np_gpu_request *ask, struct np_err *err)
{
	struct np_val count = np_doc_get(item, "count");
	struct np_val n = np_doc_get(item, way->key);
	const char *text;

	if (!pool_node_is_placeholder(n) &&
	    (read_way_text(way, n, &text, err) < 0 || fill(way, cat, n, text, ask, err) < 0))
		return np_err_ret(err);
	if (!pool_node_is_placeholder(count) &&
	    np_doc_uint(count, 1, NP_ASK_COUNT_MAX, &ask->count, err) < 0)
		return np_err_ret(err);
	return !pool_node_is_placeholder(n) && !pool_node_is_placeholder(count);
}

static int read_item(struct np_val item, const struct np_catalogue *cat, struct np_pool *pool,
		     struct np_err *err)
{
	NP_AUTO(ask_done) struct np_gpu_request ask = { .count = 1 };
	const struct way *way = NULL;
	struct np_val n;
	int known;

	if (pool_node_is_placeholder(item)) {
		mark_unknown(pool, item, "an item of gpus");
		return 0;
	}
	if (!json_is_object(item.json))
		return pool_fail_instead(item, "a mapping such as {model: A100-40GB, count: 4}",
					 err);
	if (pool_check_fields(item, NP_WORDS(item_fields), err) < 0 ||
	    find_way(item, &way, err) < 0)
		return np_err_ret(err);
	known = read_ask(item, way, cat, &ask, err);
	if (known < 0)
		return known;
	if (known)
		return push_take(item, pool, &ask, err);
	n = np_doc_get(item, way->key);
	if (!pool_node_is_placeholder(n))
		n = np_doc_get(item, "count");
	mark_unknown(pool, n, NULL);
	return 0;
}

int pool_read_requests(struct np_val list, const struct np_catalogue *cat, struct np_pool *pool,
		       struct np_err *err)
{
	size_t n = np_doc_count(list);

	if (pool_node_is_placeholder(list)) {
		mark_unknown(pool, list, "gpus");
		return 0;
	}
	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	if (n > NP_POOL_GPUS_MAX)
		return np_doc_fail(list, err, NP_E_SPEC, "gpus has %zu items: at most %d", n,
				   NP_POOL_GPUS_MAX);
	if (make_room(pool, n, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++)
		if (read_item(np_doc_at(list, i), cat, pool, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* A misspelt word to us would be ignored as another program's. */
static int check_spelling(struct np_val annotations, struct np_err *err)
{
	static const char *const known[] = { NP_GPUS_WORD };
	size_t prefix = strlen(NP_OUR_PREFIX);

	for (struct np_val n = np_doc_next(annotations, NULL); n.key && *n.key;
	     n = np_doc_next(annotations, n.key))
		if (strncmp(n.key, NP_OUR_PREFIX, prefix) == 0 &&
		    strcmp(n.key + prefix, NP_GPUS_WORD) != 0 &&
		    np_text_near(n.key + prefix, NP_WORDS(known)))
			return np_doc_fail_key(n, err, NP_E_SPEC,
					       "unknown annotation '%s': did you mean '%s'?", n.key,
					       NP_GPUS_ANNOTATION);
	return 0;
}

int pool_find_annotation(struct np_val metadata, struct np_val *ret, struct np_err *err)
{
	struct np_val annotations = np_doc_get(metadata, "annotations");

	if (np_doc_object(metadata, err) < 0 || np_doc_object(annotations, err) < 0 ||
	    check_spelling(annotations, err) < 0)
		return np_err_ret(err);
	*ret = np_doc_get(annotations, NP_GPUS_ANNOTATION);
	return 0;
}

/*
 * An annotation has no keys to say which way a card is named, so its form has to. What the catalogue
 * has stands before what merely looks like a profile: "nvidia_t4" is a model.
 */
static const struct way *guess_way(const struct np_catalogue *cat, const char *text)
{
	const struct np_gpu *gpu;
	struct np_err ignored = NP_ERR_INIT;

	if (strchr(text, ':'))
		return &ways[WAY_PCI_ID];
	if (np_gpu_find_vgpu(cat, text))
		return &ways[WAY_VGPU];
	if (np_gpu_find_model(cat, text, &gpu, &ignored) == 0)
		return &ways[WAY_MODEL];
	if ((strncmp(text, "grid_", 5) == 0 || strncmp(text, "nvidia_", 7) == 0) &&
	    strchr(text, '-'))
		return &ways[WAY_VGPU];
	return &ways[WAY_MODEL];
}

/* Reads "A100-40GB=4", which it cuts up; `origin` is where it stands, for messages. */
static int read_pair(struct np_val n, const struct np_catalogue *cat, const char *origin,
		     char *pair, struct np_pool *pool, struct np_err *err)
{
	NP_AUTO(ask_done) struct np_gpu_request ask = { 0 };
	struct np_err inner = NP_ERR_INIT;
	char *equals = strrchr(pair, '=');
	char *name, *count;

	if (strchr(pair, ';'))
		return np_doc_fail(
			n, err, NP_E_SPEC,
			"'%.64s' in %s holds a ';': commas separate its parts, " PAIRS_EXAMPLE,
			np_text_trim(pair), origin);
	if (!equals)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "'%.64s' in %s lacks its count: " PAIR_EXAMPLE,
				   np_text_trim(pair), origin);
	*equals = '\0';
	name = np_text_trim(pair);
	count = np_text_trim(equals + 1);
	if (!*name)
		return np_doc_fail(n, err, NP_E_SPEC, "'=%.64s' in %s names no GPU: " PAIR_EXAMPLE,
				   count, origin);
	if (np_u64_parse(count, 1, NP_ASK_COUNT_MAX, &ask.count, &inner) < 0)
		return np_doc_fail(n, err, inner.code,
				   "count of '%.64s' in %s is '%.64s': expected 1 to %d", name,
				   origin, count, NP_ASK_COUNT_MAX);
	if (fill(guess_way(cat, name), cat, n, name, &ask, err) < 0)
		return np_err_ret(err);
	return push_take(n, pool, &ask, err);
}

/* Commas cut a default such as ${GPUS:-A100-40GB=4,T4=1} in two, neither of them a placeholder. */
static bool holds_mark(const char *pair)
{
	return !!strpbrk(pair, "$(){}<>");
}

static int read_pairs(struct np_val n, const struct np_catalogue *cat, const char *origin,
		      const char *text, struct np_pool *pool, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(text);
	bool is_open = np_pool_is_placeholder(text);
	char *rest = copy;

	if (!copy)
		return np_fail_nomem(err);
	if (is_open)
		mark_unknown(pool, n, NULL);
	while (rest) {
		char *pair = strsep(&rest, ",");

		if (is_open && holds_mark(pair))
			continue;
		if (read_pair(n, cat, origin, pair, pool, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_asks_text(struct np_val n, const struct np_catalogue *cat, const char *origin,
			  const char *text, struct np_pool *pool, struct np_err *err)
{
	size_t commas = 0;

	if (!text[strspn(text, " \t\r\n")])
		return np_doc_fail(n, err, NP_E_SPEC, "%s is empty: expected GPUs, " PAIRS_EXAMPLE,
				   origin);
	for (const char *c = text; *c; c++)
		commas += *c == ',';
	if (commas >= NP_POOL_GPUS_MAX)
		return np_doc_fail(n, err, NP_E_SPEC, "%s names %zu GPUs: at most %d", origin,
				   commas + 1, NP_POOL_GPUS_MAX);
	if (make_room(pool, commas + 1, err) < 0)
		return np_err_ret(err);
	return read_pairs(n, cat, origin, text, pool, err);
}

int pool_read_annotation(struct np_val n, const struct np_catalogue *cat, struct np_pool *pool,
			 struct np_err *err)
{
	const char *text = NULL;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (!text)
		return 0;
	/* Two places that say the same drift apart, so that one of them must be wrong some day. */
	if (pool->n_requests > 0 || pool->gpus_unknown)
		return np_doc_fail_key(
			n, err, NP_E_SPEC,
			"annotation %s and gpus of the variable '%s' are mutually exclusive: keep the variable",
			NP_GPUS_ANNOTATION, NP_GPU_VARIABLE);
	return read_asks_text(n, cat, NP_GPUS_ANNOTATION, text, pool, err);
}

void np_pool_requests_done(struct np_gpu_requests *asks)
{
	for (size_t i = 0; i < asks->n; i++)
		ask_done(&asks->items[i]);
	free(asks->items);
	*asks = (struct np_gpu_requests){ 0 };
}

int np_pool_requests_parse(const struct np_catalogue *cat, const char *origin, const char *text,
			   struct np_gpu_requests *ret, struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_pool pool = { 0 };
	int r;

	/* The readers tell a place; here it is the origin's name alone. */
	if (np_doc_new_take(origin, json_object(), &doc, err) < 0)
		return np_err_ret(err);
	r = np_pool_is_placeholder(text)
		    ? np_fail(err, NP_E_SPEC, "%s: '%.64s' holds a placeholder", origin, text)
		    : read_asks_text(np_doc_root(doc), cat, "the list", text, &pool, err);
	if (r == 0) {
		ret->n = pool.n_requests;
		ret->items = np_take(pool.requests);
		pool.n_requests = 0;
	}
	pool_done(&pool);
	return r;
}

void pool_read_ignored(struct np_val metadata, struct np_pool *pool)
{
	const json_t *annotations = np_doc_get(metadata, "annotations").json;

	np_warning_set_read(&pool->ignored,
			    json_string_value(json_object_get(annotations, NP_WARNING_ANNOTATION)));
}

int pool_read_cluster_annotation(const struct pool_object *o, size_t first, struct np_err *err)
{
	size_t n_pools = o->in->n_pools - first;
	struct np_pool *pool;
	struct np_val n;

	for (size_t i = first; i < o->in->n_pools; i++)
		pool_read_ignored(np_doc_get(o->root, "metadata"), &o->in->pools[i]);
	if (pool_find_annotation(np_doc_get(o->root, "metadata"), &n, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(n) || n_pools == 0)
		return 0;
	if (n_pools > 1)
		return np_doc_fail_key(n, err, NP_E_SPEC,
				       "%s '%s' has %zu worker pools, so that %s leaves open "
				       "which one is meant: %s",
				       o->kind, o->name, n_pools, NP_GPUS_ANNOTATION,
				       strcmp(o->kind, "Cluster") == 0
					       ? "annotate the pool"
					       : "describe the pool with a NodePool");
	pool = &o->in->pools[first];
	if (pool->n_requests > 0 || pool->gpus_unknown)
		return np_doc_fail_key(n, err, NP_E_SPEC,
				       "%s is on %s '%s' and on its pool '%s': keep that of "
				       "the pool",
				       NP_GPUS_ANNOTATION, o->kind, o->name, pool->name);
	return pool_read_annotation(n, o->cat, pool, err);
}
