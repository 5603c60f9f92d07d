/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

static void id_text(const struct np_gpu *gpu, char buf[static NP_PCI_ID_MAX])
{
	np_gpu_pci_id_format((struct np_pci_id){ gpu->vendor_id, gpu->device_id }, buf);
}

static bool matches(const struct np_gpu *gpu, const char *filter)
{
	char id[NP_PCI_ID_MAX];

	id_text(gpu, id);
	return !filter || strcasestr(gpu->model, filter) || strcasestr(gpu->product, filter) ||
	       strcasestr(id, filter) || strcasestr(gpu->vgpu, filter) ||
	       strcasestr(gpu->aliases, filter);
}

static json_t *bar_tree(const struct np_bar *bar)
{
	return json_pack("{s:i, s:o, s:s}", "index", (int)bar->index, "sizeBytes",
			 render_number_or_null(bar->bytes > 0, bar->bytes), "figure",
			 np_gpu_size_source_name(bar->figure));
}

static json_t *gpu_tree(const struct np_gpu *gpu, const struct np_addend *a)
{
	json_t *bars = json_array();
	char id[NP_PCI_ID_MAX];

	id_text(gpu, id);
	for (size_t i = 0; i < gpu->n_bars; i++)
		json_array_append_new(bars, bar_tree(&gpu->bars[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:s, s:o}", "model",
			 gpu->model, "product", gpu->product, "pciID", id, "memoryGB",
			 render_number_or_null(gpu->memory_gb > 0, gpu->memory_gb), "bars", bars,
			 "publishedMMIOGB",
			 render_number_or_null(gpu->published_mmio_gb > 0, gpu->published_mmio_gb),
			 "mmioGB", render_number_or_null(a->rule != NP_ADDEND_UNKNOWN, a->each_gb),
			 "needsEFI", a->needs_efi, "barSource",
			 render_text_or_null(gpu->bar_source[0] ? gpu->bar_source : NULL),
			 "mmioSource", gpu->mmio_source, "note",
			 render_text_or_null(gpu->note[0] ? gpu->note : NULL));
}

/* BARs as "16 MB+64 GB+32 MB"; one of unknown size as "?". */
static void bars_text(const struct np_gpu *gpu, char *buf, size_t size)
{
	char one[NP_SIZE_TEXT_MAX];
	size_t used = 0;

	snprintf(buf, size, "unknown");
	for (size_t i = 0; i < gpu->n_bars && used < size; i++) {
		int n;

		np_size_text(gpu->bars[i].bytes, one);
		n = snprintf(buf + used, size - used, "%s%s", i > 0 ? " + " : "",
			     gpu->bars[i].bytes > 0 ? one : "?");
		used += n > 0 ? (size_t)n : 0;
	}
}

/* The origin of the largest BAR, which is what sizes the card. */
static const char *origin(const struct np_gpu *gpu)
{
	const struct np_bar *largest = NULL;

	for (size_t i = 0; i < gpu->n_bars; i++) {
		const struct np_bar *bar = &gpu->bars[i];

		if (bar->figure == NP_SIZE_SOURCE_NONE)
			return np_gpu_size_source_name(NP_SIZE_SOURCE_NONE);
		if (!largest || bar->bytes > largest->bytes)
			largest = bar;
	}
	return np_gpu_size_source_name(largest ? largest->figure : NP_SIZE_SOURCE_NONE);
}

static int add_gpu(struct table *t, const struct np_gpu *gpu, const struct np_addend *a,
		   struct np_err *err)
{
	char id[NP_PCI_ID_MAX], memory[32], bars[128], each[32], published[32];

	id_text(gpu, id);
	bars_text(gpu, bars, sizeof(bars));
	snprintf(memory, sizeof(memory), "%u GB", gpu->memory_gb);
	snprintf(each, sizeof(each), "%" PRIu64 " GB", a->each_gb);
	snprintf(published, sizeof(published), "%u GB", gpu->published_mmio_gb);
	const char *const cells[] = {
		gpu->model,
		gpu->product,
		id,
		gpu->memory_gb > 0 ? memory : "unknown",
		bars,
		origin(gpu),
		a->rule == NP_ADDEND_UNKNOWN ? "unknown"
		: a->each_gb > 0             ? each
					     : "none",
		gpu->published_mmio_gb > 0 ? published : "-",
		gpu->vgpu[0] != '\0' ? gpu->vgpu : "-",
	};

	return render_table_add(t, err, cells);
}

static int write_gpu(struct table *t, json_t *list, const struct np_gpu *gpu, struct np_err *err)
{
	struct np_addend a;

	if (np_mmio_addend(gpu, 1, &a, err) < 0)
		return np_err_ret(err);
	if (json_array_append_new(list, gpu_tree(gpu, &a)) < 0)
		return np_fail_nomem(err);
	return add_gpu(t, gpu, &a, err);
}

int np_render_gpus(const struct np_catalogue *cat, const char *filter, enum np_format format,
		   char **ret, struct np_err *err)
{
	static const char *const head[] = { "MODEL",  "PRODUCT", "PCI ID",    "MEMORY", "BARS",
					    "ORIGIN", "MMIO",    "PUBLISHED", "VGPU" };
	NP_AUTO(render_table_done) struct table t = { .n = 9 };
	NP_AUTO(render_text_done) struct text text = { 0 };
	json_auto_t *list = json_array();

	if (!list)
		return np_fail_nomem(err);
	if (format != NP_FORMAT_WIDE)
		t.n = 8;
	if (render_table_add(&t, err, head) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_gpu_catalogue_count(cat); i++) {
		const struct np_gpu *gpu = np_gpu_catalogue_at(cat, i);

		if (matches(gpu, filter) && write_gpu(&t, list, gpu, err) < 0)
			return np_err_ret(err);
	}
	if (json_array_size(list) == 0)
		return np_fail(err, NP_E_NOT_FOUND, "no card matches '%s'", filter);
	if (format == NP_FORMAT_JSON || format == NP_FORMAT_YAML) {
		json_auto_t *tree =
			json_pack("{s:s, s:s, s:O}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
				  "GPUList", "items", list);

		return tree ? np_render_tree(tree, format, ret, err) : np_fail_nomem(err);
	}
	if (render_text_init(&text, err) < 0)
		return np_err_ret(err);
	render_table_write(&t, text.file);
	return render_text_take(&text, ret, err);
}
