/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_RENDER_INTERNAL_H
#define NODEPREP_PKG_RENDER_INTERNAL_H

/*
 * internal - what the files of render share: tree.c the JSON forms, table.c columns, explain.c the
 * reasoning in words, picture.c and svg.c the window drawn, diff.c unified diffs.
 */

#include <stdio.h>

#include "nodeprep/mmio.h"
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

/* More slots than this are summed up in one line; no vSphere VM takes that many devices. */
#define SLOTS_MAX 512

/* One card at its place in the window. */
struct picture_card {
	size_t index; /* into the pool's cards */
	uint64_t offset_bytes, slot_bytes; /* the aligned slot */
	size_t n_bars;
	const struct np_slot *bars; /* the largest first */
};

/* A node's window as it is listed and drawn. */
struct picture {
	const struct np_plan_pool *pool;
	const struct np_plan_class *class; /* NULL: none found */
	uint64_t window_bytes; /* what a VM gets; 0: none, unknown, or too large to draw */
	uint64_t extent_bytes; /* what is drawn: the window, more where slots lie beyond its end */
	uint64_t taken_bytes; /* all slots */
	size_t n_cards; /* the cards that have a place */
	struct picture_card *cards;
	uint64_t n_left_out; /* cards that have one too, but are over SLOTS_MAX */
	size_t n_slots; /* at most SLOTS_MAX of them are in `slots` */
	struct np_slot *slots;
};

/* picture.c: lays the pool's cards out. */
int picture_init(struct picture *ret, const struct np_plan *plan, const struct np_plan_pool *p,
		 struct np_err *err);
void picture_done(struct picture *pic);

#define PICTURE_CELLS 64

/* Draws the window as a bar of PICTURE_CELLS cells, with scale and legend. */
void picture_write(FILE *out, const struct picture *pic, const struct np_render_style *style);

/* svg.c: draws it as an SVG document of its own. */
int picture_svg(const struct picture *pic, char **ret, struct np_err *err);

#endif
