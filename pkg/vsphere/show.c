/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/render.h"
#include "nodeprep/text.h"

json_t *vsphere_list_tree(const void *list, size_t n, json_t *(*item)(const void *list, size_t i))
{
	json_t *tree = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(tree, item(list, i)) < 0) {
			json_decref(tree);
			return NULL;
		}
	}
	return tree;
}

json_t *vsphere_joined_tree_take(json_t *tree, json_t *more)
{
	int failed = json_object_update(tree, more);

	json_decref(more);
	if (failed < 0) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

const char *vsphere_or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
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

/* Writes the name and what is wrong with it; nothing where nothing is. `wide`: also what is unknown. */
static void write_report(FILE *out, const char *name, const struct np_report *r, bool wide)
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

/* The one row in work. */
struct filling {
	const struct vsphere_table *t;
	char *row;
};

static void fill_row(void *ctx, size_t i, const char **cells)
{
	const struct filling *f = ctx;
	const struct vsphere_table *t = f->t;

	if (i == 0) {
		memcpy(cells, t->head, t->columns * sizeof(*cells));
		return;
	}
	memset(f->row, 0, t->row_size);
	t->fill(t->list, i - 1, f->row, cells);
}

int vsphere_write_table(FILE *out, const struct vsphere_table *t, struct np_err *err)
{
	NP_AUTO(np_freep) char *row = malloc(t->row_size);
	struct filling f = { t, row };
	const struct np_render_filling rows = { t->columns, t->n + 1, fill_row, &f };

	return row ? np_render_filled_rows(&rows, out, err) : np_fail_nomem(err);
}

int vsphere_write_view(FILE *out, const struct vsphere_view *v, struct np_err *err)
{
	const struct vsphere_table *t = &v->table;

	if (vsphere_write_table(out, t, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < t->n; i++) {
		NP_AUTO(np_report_done) struct np_report r = { 0 };
		const char *name;

		if (v->report(t->list, i, &name, &r, err) < 0)
			return np_err_ret(err);
		write_report(out, name, &r, v->wide);
	}
	if (v->more && v->more(out, t->list, err) < 0)
		return np_err_ret(err);
	fprintf(out, "\nresult: %s\n", vsphere_result(v->pass));
	return 0;
}
