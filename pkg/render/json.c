/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

#define JSON_STYLE (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

/* jansson hands over a few bytes at a time: a stdio stream would cost more than the tree itself. */
struct dump {
	char *bytes;
	size_t size, room;
	const char *margin; /* goes behind each newline, which in JSON is never part of a string */
};

static void dump_done(struct dump *d)
{
	free(d->bytes);
}

static int append(struct dump *d, const char *bytes, size_t size)
{
	size_t room = d->room > 0 ? d->room : 4096;
	char *grown = d->bytes;

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

static int on_bytes(const char *bytes, size_t size, void *ctx)
{
	struct dump *d = ctx;

	if (append_shown(d, bytes, size) < 0)
		return -1;
	return size == 1 && *bytes == '\n' ? append(d, d->margin, strlen(d->margin)) : 0;
}

static int dump_tree(struct dump *d, const json_t *tree, const char *margin)
{
	d->margin = margin;
	return json_dump_callback(tree, on_bytes, d, JSON_STYLE);
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

int render_plan_json_text(const struct np_plan *plan, char **ret, struct np_err *err)
{
	json_auto_t *tree = render_plan_frame_take(plan, json_array(), json_array());
	NP_AUTO(np_freep) char *frame = NULL;
	NP_AUTO(dump_done) struct dump d = { 0 };

	if (!tree)
		return np_fail_nomem(err);
	if (render_json_text(tree, &frame, err) < 0)
		return np_err_ret(err);
	if (append_plan(&d, frame, plan) < 0)
		return np_fail_nomem(err);
	*ret = np_take(d.bytes);
	return 0;
}

int np_render_tree(const json_t *tree, enum np_format format, char **ret, struct np_err *err)
{
	return format == NP_FORMAT_YAML ? np_doc_dump_yaml(tree, false, ret, err)
					: render_json_text(tree, ret, err);
}
