/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_RENDER_H
#define NODEPREP_RENDER_H

/*
 * render - plans, explanations and the catalogue as tables, JSON and YAML; windows as pictures;
 * unified diffs.
 *
 * Contract   the JSON forms are stable (docs/contract.md, "plan -o json"): new versions may add a
 *            field, but never change a field's meaning. Tables and pictures are for people and may
 *            change. The same input gives the same bytes. Only np_render_explain() supports
 *            NP_FORMAT_SVG; the other functions treat it as NP_FORMAT_TABLE, so their callers must
 *            refuse it.
 * Ownership  the caller owns the results; arguments are borrowed.
 * Errors     NP_E_USAGE: an unknown output format, or a drawing of other than one pool;
 *            NP_E_NOT_FOUND: a filter that matches nothing; NP_E_NOMEM; NP_E_IO: the stream failed, its
 *            errno is kept.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nodeprep/plan.h"

enum np_format {
	NP_FORMAT_TABLE,
	NP_FORMAT_WIDE,
	NP_FORMAT_JSON,
	NP_FORMAT_YAML,
	NP_FORMAT_SVG,
	NP_FORMAT_MAX
};

/* Parses the value of -o. */
int np_render_format_parse(const char *text, enum np_format *ret, struct np_err *err);

/* Writes a tree as JSON (indent 2) or YAML, with a final newline. */
int np_render_tree(const json_t *tree, enum np_format format, char **ret, struct np_err *err);

/* A list whose items are made one by one. */
struct np_render_list {
	const char *key; /* of the list in its tree */
	size_t n;
	json_t *(*item)(const void *ctx,
			size_t i); /* a new reference; NULL where memory runs out */
	const void *ctx;
};

/*
 * Writes as np_render_tree() does a tree (NULL: memory ran out) with `n` lists, which it holds as empty
 * arrays at its top, in this order. In JSON each item is made, written and freed before the next: the whole
 * tree of a large fleet would take more memory than all else together.
 */
int np_render_lists_take(json_t *take, const struct np_render_list *lists, size_t n,
			 enum np_format format, char **ret, struct np_err *err);

/* Returns the plan as the contract's tree; NULL where memory runs out. */
json_t *np_render_plan_tree(const struct np_plan *plan);

int np_render_plan(const struct np_plan *plan, enum np_format format, char **ret,
		   struct np_err *err);

/* Writes the plan as JSON to `out` part by part, so that its text is never in memory as a whole; incomplete after an error. */
int np_render_plan_json(FILE *out, const struct np_plan *plan, struct np_err *err);

/* The capabilities of the reader's terminal. */
struct np_render_style {
	bool utf8; /* else pictures are ASCII */
	bool colour;
};

/*
 * Explains how each number came about; `name` limits it to one class or pool (NULL: all), a pool by
 * its name or its id ("ml/cluster/pool"). NP_FORMAT_SVG draws the window of exactly one pool. The
 * tables' pictures have the style given; NULL: ASCII without colour.
 */
int np_render_explain(const struct np_plan *plan, const char *name, enum np_format format,
		      const struct np_render_style *style, char **ret, struct np_err *err);

/* Tell whether `name` (NULL: everything) selects the class or the template, as above. */
bool np_render_selects_class(const struct np_plan *plan, const struct np_plan_class *c,
			     const char *name);
bool np_render_selects_template(const struct np_plan *plan, const struct np_plan_template *t,
				const char *name);

/* Lists the cards whose model, product, id or vGPU name holds `filter` (NULL: all). */
int np_render_gpus(const struct np_catalogue *cat, const char *filter, enum np_format format,
		   char **ret, struct np_err *err);

/* Writes rows of `columns` texts, the first row the headings, each column as wide as its texts. */
int np_render_rows(const char *const cells[], size_t columns, size_t rows, char **ret,
		   struct np_err *err);

/* Sets the cells of row `i`; their texts live until the next call. */
typedef void np_render_fill_fn(void *ctx, size_t i, const char **cells);

/* Rows that are made one by one; at most 32 columns. */
struct np_render_filling {
	size_t columns, rows;
	np_render_fill_fn *fill; /* called twice for each row: for the widths, and for the texts */
	void *ctx;
};

/* Writes such rows; the texts of one of them are in memory at a time. */
int np_render_filled_rows(const struct np_render_filling *f, FILE *out, struct np_err *err);

/* Writes a class as in kubectl diff: YAML with sorted keys, without managedFields. */
int np_render_object(const json_t *object, char **ret, struct np_err *err);

struct np_diff_text {
	const char *name;
	const char *text;
};

/* Writes a unified diff with three lines of context; "" where the texts are equal. */
int np_render_diff(const struct np_diff_text *from, const struct np_diff_text *to, bool colour,
		   char **ret, struct np_err *err);

/* The same, with colours for the states in tables. */
int np_render_plan_styled(const struct np_plan *plan, enum np_format format,
			  const struct np_render_style *style, char **ret, struct np_err *err);

#define NP_CHANGE_TEXT_MAX 256

/* Writes what a change does, "window 512 -> 1024 GB, firmware efi"; "" where there is nothing to say. */
void np_render_change_text(const struct np_change *change, char buf[static NP_CHANGE_TEXT_MAX]);

#endif
