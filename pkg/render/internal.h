/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_RENDER_INTERNAL_H
#define NODEPREP_PKG_RENDER_INTERNAL_H

/*
 * internal - what the files of render share: tree.c the JSON forms, table.c columns, explain.c the
 * reasoning in words, diff.c unified diffs.
 */

#include <stdio.h>

#include "nodeprep/render.h"

/* A growing text: write to `file`, then text_take(). */
struct text {
	FILE *file;
	char *bytes;
	size_t size;
};

int text_init(struct text *t, struct np_err *err);
void text_done(struct text *t);

/* Ends the text and hands it over. */
int text_take(struct text *t, char **ret, struct np_err *err);

/* A table that is as wide as its cells: rows of `n` texts, the first row the headings. */
struct table {
	size_t n; /* columns */
	size_t n_rows;
	char **cells; /* n * n_rows */
};

int table_add(struct table *t, struct np_err *err, const char *const cells[]);
void table_write(const struct table *t, FILE *out);
void table_done(struct table *t);

/* Adds a card's members as gpus[] of the plan has them. */
json_t *card_tree(const struct np_card *card);

/* The known number, or null. */
json_t *number_or_null(bool known, uint64_t number);
json_t *text_or_null(const char *text);

/* The text; bytes beyond ASCII become '?' where it is no UTF-8: a file's name, or a message cut short. */
json_t *text_tree(const char *text);

#endif
