/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_RENDER_INTERNAL_H
#define NODEPREP_PKG_RENDER_INTERNAL_H

/*
 * internal - what the files of render share: tree.c the JSON forms, table.c columns, templates.c
 * both for templates, explain.c the reasoning in words, picture.c and svg.c the window drawn,
 * diff.c unified diffs.
 */

#include <stdio.h>

#include "nodeprep/json.h"
#include "nodeprep/mmio.h"
#include "nodeprep/render.h"
#include "nodeprep/text.h"
#include "nodeprep/warnings.h"

#define SHOWN_MAX 600

/* Returns the text as it may be shown, cut to the buffer. */
static inline const char *render_shown(const char *text, char buf[static SHOWN_MAX])
{
	return np_text_escape(text ? text : "", buf, SHOWN_MAX);
}

/* Writes "NAMESPACE/NAME" as it may be shown, or the name alone where there is no namespace. */
void render_write_name(FILE *out, const char *ns, const char *name);

/* A growing text: write to `file`, then render_text_take(). */
struct text {
	FILE *file;
	char *bytes;
	size_t size;
};

int render_text_init(struct text *t, struct np_err *err);
void render_text_done(struct text *t);

/* Ends the text and hands it over. */
int render_text_take(struct text *t, char **ret, struct np_err *err);

/* A table that is as wide as its cells: rows of `n` texts, the first row the headings. */
struct table {
	size_t n; /* columns */
	size_t n_rows;
	char **cells; /* n * n_rows */
	bool has_colour; /* the words of STATE have a colour on a terminal */
};

int render_table_add(struct table *t, struct np_err *err, const char *const cells[]);
void render_table_write(const struct table *t, FILE *out);
void render_table_done(struct table *t);

/* Parts of the plan's tree; the frame is the tree without the lists, which it takes. */
json_t *render_pool_tree(const struct np_plan_pool *p);
json_t *render_class_tree(const struct np_plan *plan, const struct np_plan_class *c);

/* Returns what the window adds to a VM's memory overhead, by estimate; null: not known. */
json_t *render_overhead_tree(const struct np_plan_class *c);
json_t *render_plan_frame_take(const struct np_plan *plan, json_t *pools, json_t *classes);

/* json.c: writes a tree; writes a plan without ever holding the whole tree. */
int render_json_text(const json_t *tree, char **ret, struct np_err *err);
int render_plan_json_text(const struct np_plan *plan, char **ret, struct np_err *err);

/* Adds a card's members as gpus[] of the plan has them. */
json_t *render_card_tree(const struct np_card *card);

/* The known number, or null. */
json_t *render_number_or_null(bool known, uint64_t number);
json_t *render_text_or_null(const char *text);

/* Appends the item and takes it, also on failure; a list that cannot take it becomes NULL. */
void render_tree_push(json_t **list, json_t *item);
void render_tree_push_warnings(json_t **list, const struct np_warnings *warnings);
json_t *render_changes_tree(const struct np_change *change);

/* templates.c: what classes have, for the plan's templates. */
json_t *render_templates_tree(const struct np_plan *plan);
int render_templates_write(FILE *out, const struct np_plan *plan, struct np_err *err);
void render_templates_write_wide(FILE *out, const struct np_plan *plan);
bool render_templates_have_warnings(const struct np_plan *plan);
void render_templates_write_warnings(FILE *out, const struct np_plan *plan);
void render_template_explain(FILE *out, const struct np_plan_template *t);

/* table.c: cells and lines that classes and templates share. */
#define CELL_TEXT_MAX 32
const char *render_cell_number(bool known, uint64_t value, char buf[static CELL_TEXT_MAX]);
const char *render_cell_gigabytes(bool known, uint64_t gb, char buf[static CELL_TEXT_MAX]);
const char *render_cell_or_dash(const char *text);
void render_cell_pools(const struct np_plan *plan, const size_t *pools, size_t n, char *buf,
		       size_t size);
void render_write_items(FILE *out, const struct np_change *change);
size_t render_count_warnings(const struct np_warnings *warnings);
void render_write_warnings(FILE *out, const char *who, const struct np_warnings *warnings);

/* More slots than this are summed up in one line; no vSphere VM takes that many devices. */
#define SLOTS_MAX 512

/* One card at its place in the window. */
struct picture_card {
	size_t index; /* into the pool's cards */
	uint64_t offset_bytes, slot_bytes; /* the aligned slot */
	size_t n_bars;
	const struct np_slot *bars; /* the largest first */
};

/* A node's window for lists and pictures. */
struct picture {
	const struct np_plan_pool *pool;
	const struct np_plan_class *class; /* NULL: none found */
	uint64_t window_bytes; /* what a VM gets; 0: none, unknown, or too large to draw */
	uint64_t extent_bytes; /* the drawn size: the window, or more where slots exceed it */
	uint64_t taken_bytes; /* all slots */
	uint64_t bars_bytes; /* the known BARs in them */
	bool has_all_bars; /* no slot of a whole card, whose BARs are unknown */
	size_t n_cards; /* the cards that have a place */
	struct picture_card *cards;
	uint64_t n_left_out; /* cards that have one too, but are over SLOTS_MAX */
	size_t n_slots; /* at most SLOTS_MAX of them are in `slots` */
	struct np_slot *slots;
};

/* picture.c: lays the pool's cards out. */
int render_picture_init(struct picture *ret, const struct np_plan *plan,
			const struct np_plan_pool *p, struct np_err *err);
void render_picture_done(struct picture *pic);

#define PICTURE_CELLS 64

/* Draws the window as a bar of PICTURE_CELLS cells, with scale and legend. */
void render_picture_write(FILE *out, const struct picture *pic,
			  const struct np_render_style *style);

/*
 * xml.c: text of documents in XML, whatever is in a name: markup is escaped, and what is no UTF-8
 * or no character of XML 1.0 becomes '?'. Widths are columns, East Asian characters taking two.
 */
void render_xml_write(FILE *out, const char *text, size_t size);

/* The text, cut to `most` columns with an ellipsis. */
void render_xml_write_cut(FILE *out, const char *text, size_t most);

/* Returns after how many bytes a line of `most` columns (at least 2) ends. */
size_t render_xml_line_end(const char *text, size_t most);

/* svg.c: draws it as an SVG document of its own. */
int render_picture_svg(const struct picture *pic, char **ret, struct np_err *err);

#endif
