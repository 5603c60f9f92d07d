/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

/* --- yajl's memory ---------------------------------------------------------------------------- */

/*
 * yajl 2.1.0 does not check what it allocates, so all that it can ask for is set aside before: its own
 * objects, a stack that depth bounds, a buffer for a text with escapes, and one for a token that the end
 * cuts off. The buffers begin with 2048 bytes and double; what they hold together is no more than the
 * text. Pages that are not touched cost nothing.
 */
#define ROOM_AT_LEAST 8192
#define ROOM_UNIT 16
#define NEAR_TEXT 1024 /* the most whose room is on the stack: a request has many small values */

struct room {
	char *bytes;
	size_t used, size;
	size_t last; /* where the last block begins, which can grow where it is */
};

static size_t round_up(size_t n)
{
	return (n + ROOM_UNIT - 1) / ROOM_UNIT * ROOM_UNIT;
}

static void *room_alloc(void *ctx, size_t size)
{
	struct room *room = ctx;
	size_t n = round_up(size);

	assert(n <= room->size - room->used);
	room->last = room->used;
	room->used += n;
	return room->bytes + room->last;
}

static void *room_realloc(void *ctx, void *block, size_t size)
{
	struct room *room = ctx;
	size_t at = block ? (size_t)((char *)block - room->bytes) : room->used;
	size_t old = room->used - at;
	void *fresh;

	if (block && at == room->last)
		room->used = at;
	fresh = room_alloc(room, size);
	/* A block that is not the last is copied with what stands behind it. */
	if (block && fresh != block)
		memcpy(fresh, block, old < size ? old : size);
	return fresh;
}

static void room_free(void *ctx, void *block)
{
	(void)ctx, (void)block;
}

/* --- walks ------------------------------------------------------------------------------------ */

size_t hook_walk_at(const struct walk *w)
{
	return yajl_get_bytes_consumed(w->yajl);
}

/*
 * yajl takes form feeds and vertical tabs for blanks. JSON has them nowhere: in texts they are escaped.
 * Returns the first; NULL where there is none.
 */
static const char *find_false_blank(struct span text)
{
	const char *feed = text.n > 0 ? memchr(text.p, '\f', text.n) : NULL;
	const char *tab = text.n > 0 ? memchr(text.p, '\v', text.n) : NULL;

	return feed && (!tab || feed < tab) ? feed : tab;
}

/* yajl's texts end in a full stop, or in a line's end. */
static int fail_grammar(const struct walk *w, size_t at)
{
	const char *text = (const char *)yajl_get_error(w->yajl, 0, NULL, 0);

	return np_fail(w->err, NP_E_SPEC, "the request cannot be read: %.*s at byte %zu",
		       (int)strcspn(text, ".\n"), text, at);
}

int hook_walk_run(struct walk *w, const yajl_callbacks *callbacks, struct np_err *err)
{
	_Alignas(ROOM_UNIT) char near[ROOM_AT_LEAST + 2 * NEAR_TEXT];
	NP_AUTO(np_freep)
	char *far = w->text.n <= NEAR_TEXT ? NULL
					   : reallocarray(NULL, w->text.n + ROOM_AT_LEAST / 2, 2);
	char *bytes = w->text.n <= NEAR_TEXT ? near : far;
	struct room room = { .bytes = bytes, .size = 2 * w->text.n + ROOM_AT_LEAST };
	yajl_alloc_funcs funcs = { room_alloc, room_realloc, room_free, &room };
	const char *blank = find_false_blank(w->text);
	yajl_status status;
	size_t at;

	if (!bytes)
		return np_fail_nomem(err);
	if (blank)
		return np_fail(err, NP_E_SPEC,
			       "the request cannot be read: a control character at byte %zu",
			       (size_t)(blank - w->text.p));
	w->err = err;
	w->yajl = yajl_alloc(callbacks, &funcs, w);
	status = yajl_parse(w->yajl, (const unsigned char *)w->text.p, w->text.n);
	at = hook_walk_at(w);
	if (status == yajl_status_ok) {
		status = yajl_complete_parse(w->yajl);
		at = w->text.n;
	}
	if (status == yajl_status_client_canceled)
		return np_err_ret(err);
	return status == yajl_status_ok ? 0 : fail_grammar(w, at);
}

/* --- trees ------------------------------------------------------------------------------------ */

/*
 * Trees are not built by json_loadb(), which silently loses bytes of a text where its buffer cannot
 * grow (seen with jansson 2.14).
 */
struct builder {
	struct walk walk;
	json_t *root;
	json_t *open[NP_DOC_DEPTH_MAX]; /* objects and lists that are not closed yet */
	size_t depth;
	json_t *key; /* whose value comes next */
};

static void builder_done(struct builder *b)
{
	json_decref(b->root);
	json_decref(b->key);
}

static int refuse(const struct builder *b, const char *why)
{
	np_fail(b->walk.err, NP_E_SPEC, "%s", why);
	return 0;
}

/* Puts a value, which it takes, where it belongs. */
static int put(struct builder *b, json_t *value)
{
	json_t *top = b->depth > 0 ? b->open[b->depth - 1] : NULL;
	int r = value ? 0 : -1;

	if (value && !top)
		b->root = value;
	else if (json_is_array(top))
		r = json_array_append_new(top, value);
	else if (top)
		r = json_object_set_new_nocheck(top, json_string_value(b->key), value);
	if (r < 0)
		np_fail_nomem(b->walk.err);
	return r == 0;
}

static int put_container(struct builder *b, json_t *value)
{
	if (b->depth == NP_DOC_DEPTH_MAX) {
		json_decref(value);
		return refuse(b, "too many levels");
	}
	if (!put(b, value))
		return 0;
	b->open[b->depth++] = value;
	return 1;
}

/* jansson tells bytes that are not UTF-8 and memory that ran out alike. */
static json_t *make_text(const struct builder *b, const unsigned char *bytes, size_t n)
{
	const char *text = (const char *)bytes;
	json_t *string = json_stringn(text, n);
	json_auto_t *unchecked = string ? NULL : json_stringn_nocheck(text, n);

	if (unchecked)
		refuse(b, "bytes that are not UTF-8");
	else if (!string)
		np_fail_nomem(b->walk.err);
	return string;
}

static int on_key(void *ctx, const unsigned char *bytes, size_t n)
{
	struct builder *b = ctx;

	if (memchr(bytes, '\0', n))
		return refuse(b, "a NUL in a key");
	json_decref(b->key);
	b->key = make_text(b, bytes, n);
	return !!b->key;
}

static int on_text(void *ctx, const unsigned char *bytes, size_t n)
{
	struct builder *b = ctx;
	json_t *text;

	if (memchr(bytes, '\0', n))
		return refuse(b, "a NUL in a text");
	text = make_text(b, bytes, n);
	return text && put(b, text);
}

static int on_number(void *ctx, const char *bytes, size_t n)
{
	struct builder *b = ctx;
	char text[64];
	long long whole;
	double real;

	if (n >= sizeof(text))
		return refuse(b, "a number that is too long");
	memcpy(text, bytes, n);
	text[n] = '\0';
	errno = 0;
	if (!strpbrk(text, ".eE")) {
		whole = strtoll(text, NULL, 10);
		return errno == 0 ? put(b, json_integer(whole))
				  : refuse(b, "a number that is too large");
	}
	real = strtod(text, NULL);
	return isfinite(real) ? put(b, json_real(real)) : refuse(b, "a number that is too large");
}

static int on_boolean(void *ctx, int is_true)
{
	return put(ctx, json_boolean(is_true));
}

static int on_null(void *ctx)
{
	return put(ctx, json_null());
}

static int on_object(void *ctx)
{
	return put_container(ctx, json_object());
}

static int on_list(void *ctx)
{
	return put_container(ctx, json_array());
}

static int on_end(void *ctx)
{
	struct builder *b = ctx;

	b->depth--;
	return 1;
}

/* Returns a text that stands as it is; NULL where that takes a closer look. */
static json_t *plain_text(struct span value)
{
	size_t end = value.n - 1;

	if (value.n < 2 || value.p[0] != '"' || value.p[end] != '"')
		return NULL;
	for (size_t i = 1; i < end; i++)
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == '"' || value.p[i] == '\\')
			return NULL;
	return json_stringn(value.p + 1, end - 1);
}

int hook_span_tree(struct span value, json_t **ret)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_boolean,
		.yajl_number = on_number,
		.yajl_string = on_text,
		.yajl_start_map = on_object,
		.yajl_map_key = on_key,
		.yajl_end_map = on_end,
		.yajl_start_array = on_list,
		.yajl_end_array = on_end,
	};
	NP_AUTO(builder_done) struct builder b = { .walk = { .text = value } };
	struct np_err why = NP_ERR_INIT;
	json_t *text;

	if (!value.p)
		return 0;
	if (value.n > SPAN_MAX)
		return -NP_E_SPEC;
	text = plain_text(value);
	if (text) {
		*ret = text;
		return 0;
	}
	if (hook_walk_run(&b.walk, &callbacks, &why) < 0)
		return np_err_ret(&why);
	*ret = json_incref(b.root);
	return 0;
}

int hook_span_text(struct span value, json_t **ret)
{
	json_auto_t *tree = NULL;
	int r = hook_span_tree(value, &tree);

	if (r < 0)
		return r;
	if (!tree || json_is_null(tree))
		return 0;
	if (!json_is_string(tree))
		return -NP_E_SPEC;
	*ret = json_incref(tree);
	return 0;
}

bool hook_span_is(struct span value, const char *text)
{
	size_t n = strlen(text);
	json_auto_t *decoded = NULL;

	if (!value.p || *value.p != '"')
		return false;
	if (value.n == n + 2 && memcmp(value.p + 1, text, n) == 0)
		return true;
	if (!memchr(value.p, '\\', value.n))
		return false;
	return hook_span_text(value, &decoded) == 0 && decoded &&
	       strcmp(json_string_value(decoded), text) == 0;
}
