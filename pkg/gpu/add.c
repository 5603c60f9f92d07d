/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"

/* A card beyond 64 TiB, the largest window that can be asked for, is a slip of the pen. */
#define SIZE_GB_MAX NP_WINDOW_GB_MAX
#define CARDS_MAX 1024

/* A document's rows until all of them are good. */
struct batch {
	struct np_gpu **rows;
	size_t n;
};

static void batch_done(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		gpu_own_free(batch->rows[i]);
	free(batch->rows);
}

static void own_freep(struct np_gpu **gpu)
{
	gpu_own_free(*gpu);
}

static int copy(const char *text, const char **ret, struct np_err *err)
{
	char *copied = strdup(text);

	if (!copied)
		return np_fail_nomem(err);
	*ret = copied;
	return 0;
}

/* Appends `text` to *list, `gap` in between. */
static int append(const char **list, char gap, const char *text, struct np_err *err)
{
	char *joined = NULL;

	if (text[0] == '\0')
		return 0;
	if ((*list)[0] == '\0' ? asprintf(&joined, "%s", text) < 0
			       : asprintf(&joined, "%s%c%s", *list, gap, text) < 0)
		return np_fail_nomem(err);
	free_const(*list);
	*list = joined;
	return 0;
}

/* Reads a name of a card: one that the search by name can find. */
static int read_name(struct np_val node, const char *what, const char **ret, struct np_err *err)
{
	struct gpu_name name;
	const char *text = NULL;
	int r = np_doc_string(node, &text, err);

	if (r <= 0)
		return r;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '|')
			return np_doc_fail(node, err, NP_E_SPEC,
					   "%s holds a control character or '|'", what);
	if (!gpu_name_parse(text, &name))
		return np_doc_fail(node, err, NP_E_SPEC,
				   "%s '%.40s' is not the name of a card of up to %d characters",
				   what, text, GPU_NAME_MAX);
	*ret = text;
	return 1;
}

static int read_model(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	const char *text = NULL;

	if (read_name(node, "model", &text, err) < 0)
		return np_err_ret(err);
	return copy(text ? text : "", &gpu->model, err);
}

static int read_aliases(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	if (np_doc_list(node, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(node); i++) {
		struct np_val item = np_doc_at(node, i);
		const char *text = NULL;
		int r = read_name(item, "alias", &text, err);

		if (r == 0)
			return np_doc_fail(item, err, NP_E_SPEC, "an alias is empty");
		if (r < 0 || append(&gpu->aliases, '|', text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_id(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	struct np_err inner = NP_ERR_INIT;
	struct np_pci_id id = { 0 };
	const char *text = NULL;
	int r = np_doc_string(node, &text, err);

	if (r <= 0)
		return r;
	if (np_gpu_pci_id_parse(text, &id, &inner) < 0)
		return np_doc_fail(node, err, inner.code, "pciID: %s", inner.text);
	gpu->vendor_id = id.vendor;
	gpu->device_id = id.device;
	return 0;
}

static int read_memory(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	uint64_t gb = 0;

	if (np_doc_uint(node, 1, SIZE_GB_MAX, &gb, err) < 0)
		return np_err_ret(err);
	gpu->memory_gb = (unsigned)gb;
	return 0;
}

static int read_mmio(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	uint64_t gb = 0;
	int r = np_doc_uint(node, 1, SIZE_GB_MAX, &gb, err);

	if (r <= 0)
		return r;
	if (!np_is_pow2(gb))
		return np_doc_fail(node, err, NP_E_SPEC, "mmioGB is '%llu', not a power of two",
				   (unsigned long long)gb);
	gpu->published_mmio_gb = (unsigned)gb;
	return 0;
}

/* The index is the key, and has no type of its own in YAML: 1 and "1" are the same. */
static int read_bar_index(struct np_val node, unsigned *ret, struct np_err *err)
{
	struct np_err inner = NP_ERR_INIT;
	uint64_t index = 0;

	if (np_u64_parse(node.key, 0, NP_GPU_BARS_MAX - 1, &index, &inner) < 0)
		return np_doc_fail_key(node, err, NP_E_SPEC,
				       "'%.40s' is not a BAR index: expected a number from 0 to %d",
				       node.key, NP_GPU_BARS_MAX - 1);
	*ret = (unsigned)index;
	return 0;
}

static int read_bar(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	struct np_bar bar = { .figure = NP_SIZE_SOURCE_USER };
	uint64_t mb = 0;
	int r = 0;

	if (read_bar_index(node, &bar.index, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < gpu->n_bars; i++)
		if (gpu->bars[i].index == bar.index)
			return np_doc_fail_key(node, err, NP_E_SPEC, "BAR %u is there twice",
					       bar.index);
	r = np_doc_uint(node, 1, SIZE_GB_MAX * (NP_GIB / NP_MIB), &mb, err);
	if (r < 0)
		return r;
	if (r == 0)
		return np_doc_fail_key(node, err, NP_E_SPEC, "BAR %u has no size in MB", bar.index);
	if (!np_is_pow2(mb))
		return np_doc_fail(node, err, NP_E_SPEC,
				   "BAR %u is '%llu' MB, but a BAR's size is a power of two",
				   bar.index, (unsigned long long)mb);
	bar.bytes = mb * NP_MIB;
	gpu->bars[gpu->n_bars++] = bar;
	return 0;
}

static int read_bars(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	int r = np_doc_object(node, err);
	const char *previous = NULL;

	if (r <= 0)
		return r;
	for (;;) {
		struct np_val bar = np_doc_next(node, previous);

		if (!bar.key)
			break;
		if (read_bar(bar, gpu, err) < 0)
			return np_err_ret(err);
		previous = bar.key;
	}
	if (gpu->n_bars == 0)
		return np_doc_fail(node, err, NP_E_SPEC,
				   "barsMB is empty, leave it out where unknown");
	return 0;
}

static int read_source(struct np_val node, struct np_gpu *gpu, struct np_err *err)
{
	const char *text = NULL;

	if (np_doc_string(node, &text, err) < 0)
		return np_err_ret(err);
	return copy(text ? text : np_doc_name(node.doc), &gpu->bar_source, err);
}

/* The keys of a card; all are read, so that each leaves its field set. */
static const struct field {
	const char *key;
	bool required;
	int (*read)(struct np_val node, struct np_gpu *gpu, struct np_err *err);
} fields[] = {
	{ "aliases", false, read_aliases }, { "barsMB", false, read_bars },
	{ "memoryGB", false, read_memory }, { "mmioGB", false, read_mmio },
	{ "model", true, read_model },      { "pciID", true, read_id },
	{ "source", false, read_source },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static int check_keys(struct np_val card, struct np_err *err)
{
	for (const char *previous = NULL;;) {
		struct np_val member = np_doc_next(card, previous);
		size_t i = 0;

		if (!member.key)
			return 0;
		while (i < N_FIELDS && strcmp(fields[i].key, member.key) != 0)
			i++;
		if (i == N_FIELDS)
			return np_doc_fail_key(
				member, err, NP_E_SPEC,
				"'%.40s' is none of aliases, barsMB, memoryGB, mmioGB, "
				"model, pciID, source",
				member.key);
		previous = member.key;
	}
}

static int read_fields(struct np_val card, struct np_gpu *gpu, struct np_err *err)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		struct np_val node = np_doc_get(card, fields[i].key);

		if (fields[i].required && !np_doc_is_present(node))
			return np_doc_fail(card, err, NP_E_SPEC, "card without %s", fields[i].key);
		if (fields[i].read(node, gpu, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* A card that takes a known id keeps the vGPU names, which a user's catalogue cannot give. */
static int inherit_vgpu(const struct np_catalogue *cat, struct np_gpu *gpu, struct np_err *err)
{
	for (size_t i = 0; i < cat->n; i++) {
		const struct np_gpu *old = cat->rows[i];

		if (old->vendor_id == gpu->vendor_id && old->device_id == gpu->device_id &&
		    append(&gpu->vgpu, ' ', old->vgpu, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_card(const struct np_catalogue *cat, struct np_val card, struct np_gpu **ret,
		     struct np_err *err)
{
	NP_AUTO(own_freep) struct np_gpu *gpu = calloc(1, sizeof(*gpu));
	int r = 0;

	if (!gpu)
		return np_fail_nomem(err);
	r = np_doc_object(card, err);
	if (r == 0)
		return np_doc_fail(card, err, NP_E_SPEC, "a card is empty");
	if (r < 0 || check_keys(card, err) < 0 || copy("", &gpu->aliases, err) < 0 ||
	    copy("", &gpu->vgpu, err) < 0 || read_fields(card, gpu, err) < 0 ||
	    inherit_vgpu(cat, gpu, err) < 0)
		return np_err_ret(err);
	gpu->product = gpu->model;
	gpu->mmio_source = gpu->published_mmio_gb > 0 ? gpu->bar_source : "";
	gpu->note = "";
	gpu->has_figure = gpu->n_bars > 0 || gpu->memory_gb > 0 || gpu->published_mmio_gb > 0;
	*ret = np_take(gpu);
	return 0;
}

static int check_new(const struct batch *batch, const struct np_gpu *gpu, struct np_val card,
		     struct np_err *err)
{
	for (size_t i = 0; i < batch->n; i++)
		if (batch->rows[i]->vendor_id == gpu->vendor_id &&
		    batch->rows[i]->device_id == gpu->device_id)
			return np_doc_fail(np_doc_get(card, "pciID"), err, NP_E_SPEC,
					   "pciID '%04x:%04x' is there twice", gpu->vendor_id,
					   gpu->device_id);
	return 0;
}

static int read_cards(const struct np_catalogue *cat, struct np_val root, size_t n,
		      struct batch *batch, struct np_err *err)
{
	for (size_t i = 0; i < n; i++) {
		NP_AUTO(own_freep) struct np_gpu *gpu = NULL;
		struct np_val card = np_doc_at(root, i);

		if (read_card(cat, card, &gpu, err) < 0 || check_new(batch, gpu, card, err) < 0)
			return np_err_ret(err);
		batch->rows[batch->n++] = np_take(gpu);
	}
	return 0;
}

int np_gpu_catalogue_add(struct np_catalogue *cat, const struct np_doc *doc, struct np_err *err)
{
	NP_AUTO(batch_done) struct batch batch = { 0 };
	struct np_val root = np_doc_root(doc);
	size_t n = 0;

	if (np_doc_list(root, err) < 0)
		return np_err_ret(err);
	n = np_doc_count(root);
	if (n == 0 || n > CARDS_MAX)
		return np_doc_fail(root, err, NP_E_SPEC,
				   "a catalogue is a list of 1 to %d cards, this one has %zu",
				   CARDS_MAX, n);
	batch.rows = calloc(n, sizeof(*batch.rows));
	if (!batch.rows)
		return np_fail_nomem(err);
	if (read_cards(cat, root, n, &batch, err) < 0)
		return np_err_ret(err);
	return gpu_catalogue_take(cat, batch.rows, n, err);
}
