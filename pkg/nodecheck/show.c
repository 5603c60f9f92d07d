/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"
#include "nodeprep/units.h"

static json_t *gpu_tree(const void *ctx, size_t i)
{
	return np_report_gpu_tree(&((const struct np_node_hw *)ctx)->gpus[i]);
}

static json_t *window_tree(const void *ctx, size_t i)
{
	const struct np_bridge_window *w = &((const struct np_seen_bridge *)ctx)->windows[i];
	char start[24];

	snprintf(start, sizeof(start), "0x%" PRIx64, w->start);
	return json_pack("{s:s, s:o, s:b}", "address", start, "sizeBytes",
			 np_report_bytes_tree(w->end - w->start + 1), "prefetchable",
			 w->is_prefetchable);
}

static json_t *bridge_tree(const void *ctx, size_t i)
{
	const struct np_seen_bridge *b = &((const struct np_node_hw *)ctx)->bridges[i];

	return json_pack("{s:s, s:i, s:o}", "address", b->address, "bus", (int)b->secondary,
			 "windows", np_report_list_tree(b->n_windows, window_tree, b));
}

static json_t *expected_tree(const void *ctx, size_t i)
{
	const struct np_expected *e = &((const struct np_expectation *)ctx)->items[i];

	return json_pack("{s:s, s:I, s:I}", "name", e->text, "count", (json_int_t)e->count, "found",
			 (json_int_t)e->found);
}

static json_t *expectation_tree(const struct np_expectation *x)
{
	return x && x->source ? np_report_list_tree(x->n, expected_tree, x) : json_null();
}

json_t *np_nodecheck_tree(const struct np_node_hw *m, const struct np_nodecheck_options *o,
			  const struct np_report *r)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "NodeReport", "pass",
			 np_report_verdict_tree(r->pass), "gpus",
			 np_report_list_tree(m->n_gpus, gpu_tree, m), "checks",
			 np_report_probes_tree(r), "expected", expectation_tree(o->expectation),
			 "uefi", np_report_verdict_tree(m->is_uefi), "bridges",
			 np_report_list_tree(m->n_bridges, bridge_tree, m));
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
