/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
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

/* Appends the items, each made, written and freed before the next. */
static int append_list(struct dump *d, const struct np_render_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		json_auto_t *item = l->item(l->ctx, i);

		if (!item || append(d, i > 0 ? ",\n    " : "\n    ", i > 0 ? 6 : 5) < 0 ||
		    dump_tree(d, item, "    ") < 0)
			return -1;
	}
	return l->n == 0 ? 0 : append(d, "\n  ", 3);
}

/* Writes the frame with the lists in the place of the empty ones; a string of JSON has no newline. */
static int append_lists(struct dump *d, const char *frame, const struct np_render_list *lists,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char empty[64];
		int size = snprintf(empty, sizeof(empty), "\n  \"%s\": []", lists[i].key);
		const char *at = strstr(frame, empty);

		assert(at && size > 0 && (size_t)size < sizeof(empty));
		at += size - 1;
		if (append(d, frame, (size_t)(at - frame)) < 0 || append_list(d, &lists[i]) < 0)
			return -1;
		frame = at;
	}
	return append(d, frame, strlen(frame) + 1);
}

static int dump_lists(struct dump *d, const json_t *tree, const struct np_render_list *lists,
		      size_t n, struct np_err *err)
{
	NP_AUTO(np_freep) char *frame = NULL;

	if (!tree)
		return np_fail_nomem(err);
	if (render_json_text(tree, &frame, err) < 0)
		return np_err_ret(err);
	if (append_lists(d, frame, lists, n) == 0)
		return 0;
	if (d->out && ferror(d->out))
		return np_fail(err, NP_E_IO, "%s", strerror(errno));
	return np_fail_nomem(err);
}

static int fill_list(const json_t *tree, const struct np_render_list *l)
{
	json_t *items = json_object_get(tree, l->key);

	for (size_t i = 0; i < l->n; i++)
		if (json_array_append_new(items, l->item(l->ctx, i)) < 0)
			return -1;
	return 0;
}

int np_render_lists_take(json_t *take, const struct np_render_list *lists, size_t n,
			 enum np_format format, char **ret, struct np_err *err)
{
	json_auto_t *tree = take;
	NP_AUTO(dump_done) struct dump d = { 0 };

	if (!tree)
		return np_fail_nomem(err);
	if (format != NP_FORMAT_YAML) {
		if (dump_lists(&d, tree, lists, n, err) < 0)
			return np_err_ret(err);
		*ret = np_take(d.bytes);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		if (fill_list(tree, &lists[i]) < 0)
			return np_fail_nomem(err);
	return np_render_tree(tree, format, ret, err);
}

static json_t *pool_of(const void *ctx, size_t i)
{
	const struct np_plan *plan = ctx;

	return render_pool_tree(&plan->pools[i]);
}

static json_t *class_of(const void *ctx, size_t i)
{
	const struct np_plan *plan = ctx;

	return render_class_tree(plan, &plan->classes[i]);
}

static int dump_plan(struct dump *d, const struct np_plan *plan, struct np_err *err)
{
	const struct np_render_list lists[] = { { "pools", plan->n_pools, pool_of, plan },
						{ "classes", plan->n_classes, class_of, plan } };
	json_auto_t *tree = render_plan_frame_take(plan, json_array(), json_array());

	return dump_lists(d, tree, lists, 2, err);
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
