/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* jansson's texts end in what stood there: "invalid token near 'x'". */
#define JSON_FLAGS JSON_REJECT_DUPLICATES

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Returns what follows the string that opens at `p`. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && p + 1 < end)
			p++;
	return p < end ? p + 1 : end;
}

/* The first value of a text as brackets and commas tell it, be it JSON or not. */
struct extent {
	size_t size;
	size_t nodes;
	size_t depth;
	bool fresh; /* behind an opening bracket, before any value */
};

static void count(struct extent *e, char c)
{
	if (is_blank(c))
		return;
	if (c == ',' || (e->fresh && c != ']' && c != '}'))
		e->nodes++;
	e->fresh = c == '{' || c == '[';
	if (e->fresh)
		e->depth++;
	else if ((c == '}' || c == ']') && e->depth)
		e->depth--;
}

/* Measures before jansson recurses and allocates; stops where a bound is passed. */
static struct extent measure(const char *bytes, size_t size)
{
	struct extent e = { .nodes = 1 };
	const char *p = bytes, *end = bytes + size;

	do {
		count(&e, *p);
		p = *p == '"' ? skip_string(p, end) : p + 1;
	} while (p < end && e.depth && e.depth <= NP_DOC_DEPTH_MAX && e.nodes <= NP_DOC_VALUES_MAX);
	e.size = (size_t)(p - bytes);
	return e;
}

/*
 * Walks text that jansson has read beside its tree, which keeps members in the order of the text.
 */
struct walk {
	struct np_doc *doc;
	const char *p, *end;
	struct np_pos pos;
	struct level {
		json_t *container;
		void *iter; /* the member that comes next; for a mapping */
		size_t index; /* the item that comes next; for a list */
		bool has_key;
		struct np_pos key_pos;
	} stack[NP_DOC_DEPTH_MAX];
	size_t depth;
};

static void step(struct walk *w, size_t bytes)
{
	doc_pos_advance(&w->pos, w->p, bytes);
	w->p += bytes;
}

static size_t token_size(const struct walk *w)
{
	const char *p = w->p;

	if (*p == '"')
		return (size_t)(skip_string(p, w->end) - p);
	while (p < w->end && !is_blank(*p) && *p != ',' && *p != ']' && *p != '}')
		p++;
	return (size_t)(p - w->p);
}

/* Records the position of the innermost container's next value, and yields it. */
static int place_value(struct walk *w, json_t **ret, struct np_err *err)
{
	struct level *top = &w->stack[w->depth - 1];
	struct place place = { .pos = w->pos, .at = w->pos };

	if (top->iter) {
		place.owner = json_object_iter_key(top->iter);
		place.at = top->key_pos;
		*ret = json_object_iter_value(top->iter);
		top->iter = json_object_iter_next(top->container, top->iter);
		top->has_key = false;
	} else {
		place.owner = top->container;
		place.slot = (uint32_t)top->index;
		*ret = json_array_get(top->container, top->index++);
	}
	return doc_places_add(&w->doc->places, &place, err);
}

static void enter(struct walk *w, json_t *container)
{
	w->stack[w->depth++] =
		(struct level){ .container = container, .iter = json_object_iter(container) };
	step(w, 1);
}

static int walk_value(struct walk *w, struct np_err *err)
{
	json_t *json;
	size_t size;
	int r = place_value(w, &json, err);

	if (r < 0)
		return r;
	if (json_is_object(json) || json_is_array(json)) {
		enter(w, json);
		return 0;
	}
	size = token_size(w);
	if (json_is_real(json))
		r = doc_places_add_raw(&w->doc->places, w->pos, w->p, size, err);
	step(w, size);
	return r;
}

static int walk_token(struct walk *w, struct np_err *err)
{
	struct level *top = &w->stack[w->depth - 1];

	if (is_blank(*w->p) || *w->p == ',' || *w->p == ':') {
		step(w, 1);
	} else if (*w->p == '}' || *w->p == ']') {
		w->depth--;
		step(w, 1);
	} else if (json_is_object(top->container) && !top->has_key) {
		top->has_key = true;
		top->key_pos = w->pos;
		step(w, token_size(w));
	} else {
		return walk_value(w, err);
	}
	return 0;
}

/* Gives each value of `doc` its place; moves r->base behind the text. */
static int walk_text(struct np_doc_reader *r, struct np_doc *doc, size_t size, struct np_err *err)
{
	struct walk w = { .doc = doc, .p = r->bytes + r->offset, .pos = r->base };
	int n = 0;

	w.end = w.p + size;
	doc->pos = w.pos;
	enter(&w, doc->root);
	while (n >= 0 && w.depth && w.p < w.end)
		n = walk_token(&w, err);
	r->base = w.pos;
	return n;
}

static int fail_bounds(const struct np_doc_reader *r, const struct extent *e, struct np_err *err)
{
	struct np_pos pos = r->base;

	doc_pos_advance(&pos, r->bytes + r->offset, e->size ? e->size - 1 : 0);
	if (e->depth > NP_DOC_DEPTH_MAX)
		return doc_reader_fail(r, pos, err, "nested too deeply, at most %d levels",
				       NP_DOC_DEPTH_MAX);
	return doc_reader_fail(r, pos, err, "too many values in one document, at most %d",
			       NP_DOC_VALUES_MAX);
}

/* jansson passes over a zero byte behind a number. */
static int refuse_nul(const struct np_doc_reader *r, size_t size, struct np_err *err)
{
	const char *bytes = r->bytes + r->offset;
	const char *nul = memchr(bytes, 0, size);
	struct np_pos pos = r->base;

	if (!nul)
		return 0;
	doc_pos_advance(&pos, bytes, (size_t)(nul - bytes));
	return doc_reader_fail(r, pos, err, BAD_CONTROL, 0U);
}

static int fail_syntax(const struct np_doc_reader *r, const json_error_t *e, struct np_err *err)
{
	struct np_pos pos = r->base;

	if (json_error_code(e) == json_error_out_of_memory)
		return np_fail_nomem(err);
	if (e->line > 1)
		pos = (struct np_pos){ .line = pos.line + (unsigned)e->line - 1, .column = 1 };
	/* jansson counts the characters up to and with the one that it did not like. */
	if (e->column > 1)
		pos.column += (unsigned)e->column - 1;
	return doc_reader_fail(r, pos, err, "not valid JSON: %s", e->text);
}

static void skip_blanks(struct np_doc_reader *r)
{
	while (r->offset < r->size && is_blank(r->bytes[r->offset])) {
		doc_pos_advance(&r->base, r->bytes + r->offset, 1);
		r->offset++;
	}
}

int doc_json_next(struct np_doc_reader *r, struct np_doc **ret, bool *ret_syntax,
		  struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct extent e;
	json_error_t json_err;
	int n;

	*ret_syntax = false;
	skip_blanks(r);
	if (r->offset == r->size)
		return 0;
	e = measure(r->bytes + r->offset, r->size - r->offset);
	if (e.depth > NP_DOC_DEPTH_MAX || e.nodes > NP_DOC_VALUES_MAX)
		return fail_bounds(r, &e, err);
	n = refuse_nul(r, e.size, err);
	if (n < 0)
		return n;
	doc = doc_new(r->name, r->index, err);
	if (!doc)
		return np_err_ret(err);
	doc->root = json_loadb(r->bytes + r->offset, e.size, JSON_FLAGS, &json_err);
	if (!doc->root) {
		n = fail_syntax(r, &json_err, err);
		*ret_syntax = err->code != NP_E_NOMEM;
		return n;
	}
	n = walk_text(r, doc, e.size, err);
	if (n < 0 || (n = doc_places_index(&doc->places, err)) < 0)
		return n;
	r->offset += e.size;
	r->index++;
	*ret = np_take(doc);
	return 1;
}
