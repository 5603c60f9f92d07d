/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *gpu_tree(const void *list, size_t i)
{
	const struct np_vsphere_gpu *gpu = (const struct np_vsphere_gpu *)list + i;
	const struct np_seen_gpu seen = vsphere_seen(gpu);
	json_t *more = json_pack(
		"{s:o, s:o, s:o, s:o, s:b, s:o}", "passthroughCapable",
		np_report_verdict_tree(gpu->capable), "passthroughEnabled",
		np_report_verdict_tree(gpu->enabled), "passthroughActive",
		np_report_verdict_tree(gpu->active), "usedBy",
		gpu->users.n > 0 || !gpu->may_be_used ? vsphere_names_tree(&gpu->users)
						      : json_null(),
		"sharedForVGPUs", (int)gpu->is_shared, "name", vsphere_text_tree(gpu->title));

	return vsphere_joined_tree_take(np_report_gpu_tree(&seen), more);
}

static json_t *host_tree(const void *ctx, size_t i)
{
	const struct np_vsphere_hosts *hosts = ctx;
	const struct np_vsphere_host *h = &hosts->items[i];
	NP_AUTO(np_report_done) struct np_report report = { 0 };
	struct np_err ignored = NP_ERR_INIT;

	if (np_vsphere_host_report(hosts, h, &report, &ignored) < 0)
		return NULL;
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "apiVersion",
		"nodeprep.dev/v1alpha1", "kind", "HostReport", "host", vsphere_text_tree(h->name),
		"cluster", vsphere_text_tree(h->cluster), "version", vsphere_text_tree(h->version),
		"connectionState", vsphere_text_tree(h->connection), "inMaintenanceMode",
		np_report_verdict_tree(h->in_maintenance), "rebootRequired",
		np_report_verdict_tree(h->needs_reboot), "pass", np_report_verdict_tree(h->pass),
		"gpus",
		h->has_devices ? vsphere_list_tree(h->gpus, h->n_gpus, gpu_tree) : json_null(),
		"vgpuProfiles", h->has_profiles ? vsphere_names_tree(&h->profiles) : json_null(),
		"checks", np_report_probes_tree(&report));
}

int np_vsphere_hosts_data(const struct np_vsphere_hosts *hosts, enum np_format format, char **ret,
			  struct np_err *err)
{
	const struct np_render_list items = { "items", hosts->n, host_tree, hosts };
	json_t *tree =
		json_pack("{s:s, s:s, s:o, s:o, s:[]}", "apiVersion", "nodeprep.dev/v1alpha1",
			  "kind", "HostReportList", "pass", np_report_verdict_tree(hosts->pass),
			  "hotMigrate", np_report_verdict_tree(hosts->hot_migrate), "items");

	return np_render_lists_take(tree, &items, 1, format, ret, err);
}

/* --- text --------------------------------------------------------------------------------------- */

enum { CELL_MAX = 32 };

/* The cells of one row that are made for it. */
struct row {
	struct np_report_words gpus, profiles;
	char state[CELL_MAX * 2], free[CELL_MAX], used[CELL_MAX];
};

static const char *model_of(const struct np_vsphere_gpu *gpu)
{
	return gpu->card ? gpu->card->model : "unknown";
}

/* "4x H100-80GB, 1x T4", by address. */
static void list_models(const struct np_vsphere_host *h, struct np_report_words *w)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		const char *model = model_of(&h->gpus[i]);
		size_t n = 0, k = 0;

		while (strcmp(model_of(&h->gpus[k]), model) != 0)
			k++;
		for (size_t j = k; j < h->n_gpus; j++)
			n += strcmp(model_of(&h->gpus[j]), model) == 0;
		if (k == i)
			np_report_words_add(w, "%zux %s", n, model);
	}
}

static void write_state(const struct np_vsphere_host *h, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", h->connection[0] != '\0' ? h->connection : "unknown",
		 h->in_maintenance == NP_VERDICT_YES ? ",maintenance" : "",
		 h->needs_reboot == NP_VERDICT_YES ? ",reboot" : "");
}

/* A GPU of a host that is not connected is not free for any VM. */
static void count(const struct np_vsphere_host *h, struct row *r)
{
	bool is_connected = strcmp(h->connection, "connected") == 0;
	size_t n_free = 0, n_used = 0;

	for (size_t i = 0; i < h->n_gpus; i++) {
		n_used += h->gpus[i].users.n > 0;
		n_free +=
			is_connected && h->gpus[i].users.n == 0 && h->gpus[i].ok == NP_VERDICT_YES;
	}
	snprintf(r->free, sizeof(r->free), h->has_unknown_users ? "at most %zu" : "%zu", n_free);
	snprintf(r->used, sizeof(r->used), h->has_unknown_users ? "at least %zu" : "%zu", n_used);
}

/* Returns how many cells it filled; the two of -o wide follow the others. */
static size_t fill_cells(const struct np_vsphere_host *h, struct row *r, const char **cells)
{
	size_t n = 0;

	list_models(h, &r->gpus);
	write_state(h, r->state, sizeof(r->state));
	count(h, r);
	cells[n++] = h->name;
	cells[n++] = vsphere_or_dash(h->cluster);
	cells[n++] = r->state;
	cells[n++] = !h->has_devices ? "unknown" : h->n_gpus > 0 ? r->gpus.text : "none";
	cells[n++] = h->has_devices ? r->free : "unknown";
	cells[n++] = h->has_devices ? r->used : "unknown";
	return n;
}

static void fill_row(const void *list, size_t i, void *row, const char **cells)
{
	const struct np_vsphere_host *h = &((const struct np_vsphere_hosts *)list)->items[i];
	size_t n = fill_cells(h, row, cells);

	cells[n] = vsphere_result(h->pass);
}

static void fill_row_wide(const void *list, size_t i, void *row, const char **cells)
{
	const struct np_vsphere_host *h = &((const struct np_vsphere_hosts *)list)->items[i];
	struct row *r = row;
	size_t n = fill_cells(h, r, cells);

	for (size_t k = 0; k < h->profiles.n; k++)
		np_report_words_add(&r->profiles, "%s", h->profiles.items[k]);
	cells[n++] = vsphere_or_dash(h->version);
	cells[n++] = h->has_profiles ? vsphere_or_dash(r->profiles.text) : "-";
	cells[n] = vsphere_result(h->pass);
}

static int report_of(const void *list, size_t i, const char **ret_name, struct np_report *ret,
		     struct np_err *err)
{
	const struct np_vsphere_hosts *all = list;

	*ret_name = all->items[i].name;
	return np_vsphere_host_report(all, &all->items[i], ret, err);
}

int np_vsphere_hosts_text(const struct np_vsphere_hosts *hosts, bool wide, FILE *out,
			  struct np_err *err)
{
	static const char *const head[] = { "HOST", "CLUSTER", "STATE", "GPUS",
					    "FREE", "IN USE",  "RESULT" };
	static const char *const head_wide[] = { "HOST",   "CLUSTER", "STATE",      "GPUS",  "FREE",
						 "IN USE", "VERSION", "VGPU TYPES", "RESULT" };
	const struct vsphere_view view = { .table = { .head = wide ? head_wide : head,
						      .columns = wide ? 9 : 7,
						      .n = hosts->n,
						      .list = hosts,
						      .row_size = sizeof(struct row),
						      .fill = wide ? fill_row_wide : fill_row },
					   .report = report_of,
					   .pass = hosts->pass,
					   .wide = wide };

	return vsphere_write_view(out, &view, err);
}
