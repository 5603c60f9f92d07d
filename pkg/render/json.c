/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

#define JSON_STYLE (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

/* What is written at once. */
enum { PART_BYTES = 64 * 1024 };

/* A tree's text is made in one buffer for all of them: a callback gets a few bytes at a time, which costs more. */
struct dump {
	FILE *out; /* takes the bytes part by part; NULL: all are kept */
	char *bytes;
	size_t size, room;
	char *text; /* of one tree */
	size_t text_room;
	const char *margin; /* goes behind each newline */
};

static void dump_done(struct dump *d)
{
	free(d->bytes);
	free(d->text);
}

/* Writes the first `size` bytes, which are all there are, or all but the NUL. */
static int write_part(struct dump *d, size_t size)
{
	d->size = 0;
	return fwrite(d->bytes, 1, size, d->out) == size ? 0 : -1;
}

static int append(struct dump *d, const char *bytes, size_t size)
{
	size_t room = d->room > 0 ? d->room : 4096;
	char *grown = d->bytes;

	if (d->out && d->size >= PART_BYTES && write_part(d, d->size) < 0)
		return -1;
	while (room - d->size < size)
		room *= 2;
	if (room != d->room)
		grown = realloc(grown, room);
	if (!grown)
		return -1;
	d->bytes = grown;
	d->room = room;
	memcpy(d->bytes + d->size, bytes, size);
	d->size += size;
	return 0;
}

/* Escapes what jansson writes as it is; it never cuts a character. */
static int append_shown(struct dump *d, const char *bytes, size_t size)
{
	const char *hidden;
	uint32_t c;
	size_t n;

	while ((hidden = np_text_find_hidden(bytes, size, &c, &n))) {
		char escape[NP_JSON_ESCAPE_MAX] = "";
		size_t before = (size_t)(hidden - bytes);

		if (append(d, bytes, before) < 0 ||
		    append(d, escape, np_json_escape(c, escape)) < 0)
			return -1;
		bytes = hidden + n;
		size -= before + n;
	}
	return append(d, bytes, size);
}

/* Appends whole lines, the margin behind each newline, which in JSON is never part of a string. */
static int append_lines(struct dump *d, const char *bytes, size_t size)
{
	size_t margin = strlen(d->margin);
	const char *end;

	while (margin > 0 && (end = memchr(bytes, '\n', size))) {
		size_t line = (size_t)(end - bytes) + 1;

		if (append_shown(d, bytes, line) < 0 || append(d, d->margin, margin) < 0)
			return -1;
		bytes += line;
		size -= line;
	}
	return append_shown(d, bytes, size);
}

/* Writes the tree into d->text, which grows until it holds it; returns the size, 0 where that fails. */
static size_t dump_text(struct dump *d, const json_t *tree)
{
	size_t size = json_dumpb(tree, d->text, d->text_room, JSON_STYLE);
	char *grown;

	if (size <= d->text_room)
		return size;
	grown = realloc(d->text, size);
	if (!grown)
		return 0;
	d->text = grown;
	d->text_room = size;
	return json_dumpb(tree, d->text, d->text_room, JSON_STYLE);
}

static int dump_tree(struct dump *d, const json_t *tree, const char *margin)
{
	size_t size = dump_text(d, tree);

	d->margin = margin;
	return size > 0 ? append_lines(d, d->text, size) : -1;
}

int render_json_text(const json_t *tree, char **ret, struct np_err *err)
{
	NP_AUTO(dump_done) struct dump d = { 0 };

	if (dump_tree(&d, tree, "") < 0 || append(&d, "\n", 2) < 0)
		return np_fail_nomem(err);
	*ret = np_take(d.bytes);
	return 0;
}

/* Appends item `i` of a list of the plan. */
typedef int append_item(struct dump *d, const struct np_plan *plan, size_t i);

static int append_owned(struct dump *d, json_t *take)
{
	json_auto_t *tree = take;

	return tree ? dump_tree(d, tree, "    ") : -1;
}

static int append_pool(struct dump *d, const struct np_plan *plan, size_t i)
{
	return append_owned(d, render_pool_tree(&plan->pools[i]));
}

static int append_class(struct dump *d, const struct np_plan *plan, size_t i)
{
	return append_owned(d, render_class_tree(plan, &plan->classes[i]));
}

/*
 * The lists that grow with the fleet. Their trees are made, written and freed item by item: of ten
 * thousand pools the whole tree would take more memory than all else together.
 */
static const struct list {
	const char *empty;
	size_t count; /* offset of */
	append_item *item;
} lists[] = {
	{ "\n  \"pools\": []", offsetof(struct np_plan, n_pools), append_pool },
	{ "\n  \"classes\": []", offsetof(struct np_plan, n_classes), append_class },
};

static size_t count_of(const struct np_plan *plan, const struct list *l)
{
	size_t n;

	memcpy(&n, (const char *)plan + l->count, sizeof(n));
	return n;
}

static int append_list(struct dump *d, const struct np_plan *plan, const struct list *l)
{
	size_t n = count_of(plan, l);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		r = append(d, i > 0 ? ",\n    " : "\n    ", i > 0 ? 6 : 5);
		if (r == 0)
			r = l->item(d, plan, i);
	}
	return r < 0 || n == 0 ? r : append(d, "\n  ", 3);
}

/* Writes the frame with the lists in the place of the empty ones. */
static int append_plan(struct dump *d, const char *frame, const struct np_plan *plan)
{
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *at = strstr(frame, lists[i].empty);
		size_t size;

		assert(at);
		size = (size_t)(at - frame) + strlen(lists[i].empty) - 1;
		if (append(d, frame, size) < 0 || append_list(d, plan, &lists[i]) < 0)
			return -1;
		frame += size;
	}
	return append(d, frame, strlen(frame) + 1);
}

static int dump_plan(struct dump *d, const struct np_plan *plan, struct np_err *err)
{
	json_auto_t *tree = render_plan_frame_take(plan, json_array(), json_array());
	NP_AUTO(np_freep) char *frame = NULL;

	if (!tree)
		return np_fail_nomem(err);
	if (render_json_text(tree, &frame, err) < 0)
		return np_err_ret(err);
	if (append_plan(d, frame, plan) == 0)
		return 0;
	if (d->out && ferror(d->out))
		return np_fail(err, NP_E_IO, "%s", strerror(errno));
	return np_fail_nomem(err);
}

int render_plan_json_text(const struct np_plan *plan, char **ret, struct np_err *err)
{
	NP_AUTO(dump_done) struct dump d = { 0 };

	if (dump_plan(&d, plan, err) < 0)
		return np_err_ret(err);
	*ret = np_take(d.bytes);
	return 0;
}

int np_render_plan_json(FILE *out, const struct np_plan *plan, struct np_err *err)
{
	NP_AUTO(dump_done) struct dump d = { .out = out };

	if (dump_plan(&d, plan, err) < 0)
		return np_err_ret(err);
	if (write_part(&d, d.size - 1) < 0)
		return np_fail(err, NP_E_IO, "%s", strerror(errno));
	return 0;
}

int np_render_tree(const json_t *tree, enum np_format format, char **ret, struct np_err *err)
{
	return format == NP_FORMAT_YAML ? np_doc_dump_yaml(tree, false, ret, err)
					: render_json_text(tree, ret, err);
}
