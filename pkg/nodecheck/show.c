/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"
#include "nodeprep/units.h"

static json_t *gpus_tree(const struct np_node_hw *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_gpus; i++) {
		if (json_array_append_new(list, np_report_gpu_tree(&m->gpus[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *window_tree(const struct np_bridge_window *w)
{
	char start[24];

	snprintf(start, sizeof(start), "0x%" PRIx64, w->start);
	return json_pack("{s:s, s:o, s:b}", "address", start, "sizeBytes",
			 np_report_bytes_tree(w->end - w->start + 1), "prefetchable",
			 w->is_prefetchable);
}

static json_t *bridge_tree(const struct np_seen_bridge *b)
{
	json_t *windows = json_array();

	for (size_t i = 0; i < b->n_windows; i++) {
		if (json_array_append_new(windows, window_tree(&b->windows[i])) < 0) {
			json_decref(windows);
			return NULL;
		}
	}
	return json_pack("{s:s, s:i, s:o}", "address", b->address, "bus", (int)b->secondary,
			 "windows", windows);
}

static json_t *bridges_tree(const struct np_node_hw *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_bridges; i++) {
		if (json_array_append_new(list, bridge_tree(&m->bridges[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *expected_tree(const struct np_expectation *x)
{
	json_t *list;

	if (!x || !x->source)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < x->n; i++) {
		const struct np_expected *e = &x->items[i];

		if (json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", e->text,
							  "count", (json_int_t)e->count, "found",
							  (json_int_t)e->found)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *np_nodecheck_tree(const struct np_node_hw *m, const struct np_nodecheck_options *o,
			  const struct np_report *r)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "NodeReport", "pass",
			 np_report_verdict_tree(r->pass), "gpus", gpus_tree(m), "checks",
			 np_report_probes_tree(r), "expected", expected_tree(o->expectation),
			 "uefi", np_report_verdict_tree(m->is_uefi), "bridges", bridges_tree(m));
}

static void write_bridge(FILE *out, const struct np_seen_bridge *b)
{
	char size[NP_SIZE_TEXT_MAX];

	fprintf(out, "bridge %s  bus %02x\n", b->address, b->secondary);
	for (size_t i = 0; i < b->n_windows; i++) {
		np_size_text(b->windows[i].end - b->windows[i].start + 1, size);
		fprintf(out, "    window %-16s  0x%" PRIx64 "%s\n", size, b->windows[i].start,
			b->windows[i].is_prefetchable ? "  prefetchable" : "");
	}
}

int np_nodecheck_text(const struct np_node_hw *m, const struct np_report *r, bool wide, char **ret,
		      struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);

	if (!out)
		return np_fail_nomem(err);
	np_report_write_gpus(out, m->gpus, m->n_gpus);
	for (size_t i = 0; wide && i < m->n_bridges; i++)
		write_bridge(out, &m->bridges[i]);
	if (wide && m->n_bridges > 0)
		fputc('\n', out);
	np_report_write_probes(out, r, wide);
	if (fclose(out) == EOF)
		return np_fail_nomem(err);
	*ret = np_take(bytes);
	return 0;
}
