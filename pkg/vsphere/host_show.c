/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/render.h"
#include "nodeprep/text.h"

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *gpu_tree(const struct np_vsphere_gpu *gpu)
{
	json_t *tree = np_report_gpu_tree(&gpu->seen);
	json_t *more = json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "passthroughCapable",
				 np_report_verdict_tree(gpu->capable), "passthroughEnabled",
				 np_report_verdict_tree(gpu->enabled), "passthroughActive",
				 np_report_verdict_tree(gpu->active), "usedBy",
				 vsphere_names_tree(&gpu->users), "sharedForVGPUs",
				 (int)gpu->is_shared, "name", vsphere_text_tree(gpu->title));
	int failed = json_object_update(tree, more);

	json_decref(more);
	if (failed < 0) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

static json_t *gpus_tree(const struct np_vsphere_host *h)
{
	json_t *list = json_array();

	for (size_t i = 0; i < h->n_gpus; i++) {
		if (json_array_append_new(list, gpu_tree(&h->gpus[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *host_tree(const struct np_vsphere_host *h)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "apiVersion", "nodeprep.dev/v1alpha1", "kind", "HostReport", "host",
			 vsphere_text_tree(h->name), "cluster", vsphere_text_tree(h->cluster),
			 "version", vsphere_text_tree(h->version), "connectionState",
			 vsphere_text_tree(h->connection), "inMaintenanceMode",
			 np_report_verdict_tree(h->in_maintenance), "rebootRequired",
			 np_report_verdict_tree(h->needs_reboot), "pass",
			 np_report_verdict_tree(h->report.pass), "gpus",
			 h->has_devices ? gpus_tree(h) : json_null(), "vgpuProfiles",
			 h->has_profiles ? vsphere_names_tree(&h->profiles) : json_null(), "checks",
			 np_report_probes_tree(&h->report));
}

json_t *np_vsphere_hosts_tree(const struct np_vsphere_hosts *hosts)
{
	json_t *items = json_array();

	for (size_t i = 0; i < hosts->n; i++) {
		if (json_array_append_new(items, host_tree(&hosts->items[i])) < 0) {
			json_decref(items);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			 "HostReportList", "pass", np_report_verdict_tree(hosts->pass),
			 "hotMigrate", np_report_verdict_tree(hosts->hot_migrate), "items", items);
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
	return gpu->seen.gpu ? gpu->seen.gpu->model : "unknown";
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
		n_free += is_connected && h->gpus[i].users.n == 0 &&
			  h->gpus[i].seen.ok == NP_VERDICT_YES;
	}
	snprintf(r->free, sizeof(r->free), "%zu", n_free);
	snprintf(r->used, sizeof(r->used), "%zu", n_used);
}

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void fill_row(const struct np_vsphere_host *h, struct row *r, const char **cells, bool wide)
{
	size_t n = 0;

	list_models(h, &r->gpus);
	write_state(h, r->state, sizeof(r->state));
	count(h, r);
	for (size_t i = 0; i < h->profiles.n; i++)
		np_report_words_add(&r->profiles, "%s", h->profiles.items[i]);
	cells[n++] = h->name;
	cells[n++] = or_dash(h->cluster);
	cells[n++] = r->state;
	cells[n++] = !h->has_devices ? "unknown" : h->n_gpus > 0 ? r->gpus.text : "none";
	cells[n++] = h->has_devices ? r->free : "unknown";
	cells[n++] = h->has_devices ? r->used : "unknown";
	if (wide) {
		cells[n++] = or_dash(h->version);
		cells[n++] = h->has_profiles ? or_dash(r->profiles.text) : "-";
	}
	cells[n++] = vsphere_result(h->report.pass);
}

static int write_table(FILE *out, const struct np_vsphere_hosts *hosts, bool wide,
		       struct np_err *err)
{
	static const char *const head[] = { "HOST", "CLUSTER", "STATE", "GPUS",
					    "FREE", "IN USE",  "RESULT" };
	static const char *const head_wide[] = { "HOST",   "CLUSTER", "STATE",      "GPUS",  "FREE",
						 "IN USE", "VERSION", "VGPU TYPES", "RESULT" };
	size_t columns = wide ? 9 : 7;
	NP_AUTO(np_freep) struct row *rows = calloc(hosts->n + 1, sizeof(*rows));
	NP_AUTO(np_freep) const char **cells = calloc((hosts->n + 1) * columns, sizeof(*cells));
	NP_AUTO(np_freep) char *text = NULL;

	if (!rows || !cells)
		return np_fail_nomem(err);
	memcpy(cells, wide ? head_wide : head, columns * sizeof(*cells));
	for (size_t i = 0; i < hosts->n; i++)
		fill_row(&hosts->items[i], &rows[i], cells + (i + 1) * columns, wide);
	if (np_render_rows(cells, columns, hosts->n + 1, &text, err) < 0)
		return np_err_ret(err);
	fputs(text, out);
	return 0;
}

/* Failures and warnings, and of what is unknown only what decides, unless all is asked for. */
static bool is_shown(const struct np_probe *p, bool wide)
{
	if (p->status == NP_PROBE_PASS)
		return false;
	return wide || p->status != NP_PROBE_UNKNOWN || p->decides;
}

static void write_probe(FILE *out, const struct np_probe *p)
{
	static const char *const words[NP_PROBE_STATUS_MAX] = { [NP_PROBE_PASS] = "pass",
								[NP_PROBE_FAIL] = "fail",
								[NP_PROBE_WARN] = "warn",
								[NP_PROBE_UNKNOWN] = "unknown" };

	fprintf(out, "  %-8s %-20s %s\n", words[p->status], p->id, p->message);
	if (p->cure)
		fprintf(out, "  %-8s %-20s   remedy: %s\n", "", "", p->cure);
}

void vsphere_write_report(FILE *out, const char *name, const struct np_report *r, bool wide)
{
	bool is_first = true;

	for (size_t i = 0; i < r->n_probes; i++) {
		if (!is_shown(&r->probes[i], wide))
			continue;
		if (is_first) {
			fputc('\n', out);
			np_text_write(out, name);
			fputc('\n', out);
		}
		is_first = false;
		write_probe(out, &r->probes[i]);
	}
}

int np_vsphere_hosts_text(const struct np_vsphere_hosts *hosts, bool wide, char **ret,
			  struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	int r;

	if (!out)
		return np_fail_nomem(err);
	r = write_table(out, hosts, wide, err);
	for (size_t i = 0; r == 0 && i < hosts->n; i++)
		vsphere_write_report(out, hosts->items[i].name, &hosts->items[i].report, wide);
	fprintf(out, "\nresult: %s\n", vsphere_result(hosts->pass));
	if (fclose(out) == EOF && r == 0)
		return np_fail_nomem(err);
	if (r < 0)
		return r;
	*ret = np_take(bytes);
	return 0;
}
