/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/doc.h"

#include "internal.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"

struct np_doc *doc_new(const char *name, size_t index, struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = calloc(1, sizeof(*doc));

	if (!doc) {
		np_fail_nomem(err);
		return NULL;
	}
	atomic_init(&doc->refs, 1);
	doc->index = index;
	doc->name = strdup(name);
	if (!doc->name) {
		np_fail_nomem(err);
		return NULL;
	}
	return np_take(doc);
}

int np_doc_new_take(const char *name, json_t *root, struct np_doc **ret, struct np_err *err)
{
	struct np_doc *doc = root ? doc_new(name, 0, err) : NULL;

	if (!doc) {
		json_decref(root);
		return np_fail_nomem(err);
	}
	doc->root = root;
	*ret = doc;
	return 0;
}

struct np_doc *np_doc_ref(struct np_doc *doc)
{
	if (doc)
		atomic_fetch_add(&doc->refs, 1);
	return doc;
}

void np_doc_unref(struct np_doc *doc)
{
	if (!doc || atomic_fetch_sub(&doc->refs, 1) > 1)
		return;
	json_decref(doc->root);
	json_decref(doc->merged);
	doc_places_done(&doc->places);
	free(doc->name);
	free(doc);
}

void np_doc_unrefp(struct np_doc **doc)
{
	np_doc_unref(*doc);
}

const char *np_doc_name(const struct np_doc *doc)
{
	return doc->name;
}

size_t np_doc_index(const struct np_doc *doc)
{
	return doc->index;
}

const char *doc_own_key(json_t *object, const char *key)
{
	return json_object_iter_key(json_object_iter_at(object, key));
}

static const json_t *present(const json_t *json)
{
	return json_is_null(json) ? NULL : json;
}

struct np_val np_doc_root(const struct np_doc *doc)
{
	return (struct np_val){
		.doc = doc, .json = present(doc->root), .key = "", .pos = doc->pos, .at = doc->pos
	};
}

/* An absent value is reported at its parent. */
static struct np_val absent(struct np_val parent, const char *key)
{
	return (struct np_val){
		.doc = parent.doc, .key = key, .pos = parent.pos, .at = parent.pos
	};
}

static struct np_val node_of(struct np_val parent, const json_t *json, const char *key,
			     const struct place *place)
{
	struct np_val n = absent(parent, key);

	n.json = present(json);
	if (place) {
		n.pos = place->pos;
		n.at = place->at;
	}
	return n;
}

static struct np_val member(struct np_val object, void *iter)
{
	const char *key = json_object_iter_key(iter);

	return node_of(object, json_object_iter_value(iter), key,
		       doc_places_find(&object.doc->places, key, 0));
}

struct np_val np_doc_get(struct np_val parent, const char *key)
{
	void *iter = NULL;

	if (json_is_object(parent.json))
		iter = json_object_iter_at(np_json_mut(parent.json), key);
	return iter ? member(parent, iter) : absent(parent, key);
}

struct np_val np_doc_at(struct np_val list, size_t i)
{
	const json_t *item = json_is_array(list.json) ? json_array_get(list.json, i) : NULL;

	if (!item)
		return absent(list, "");
	return node_of(list, item, "", doc_places_find(&list.doc->places, list.json, i));
}

struct np_val np_doc_next(struct np_val object, const char *previous_key)
{
	json_t *json = np_json_mut(object.json);
	void *iter;

	if (!json_is_object(json))
		return absent(object, NULL);
	if (previous_key)
		iter = json_object_iter_next(json, json_object_iter_at(json, previous_key));
	else
		iter = json_object_iter(json);
	return iter ? member(object, iter) : absent(object, NULL);
}

size_t np_doc_count(struct np_val list)
{
	return json_is_array(list.json) ? json_array_size(list.json) : 0;
}

bool np_doc_is_present(struct np_val n)
{
	return !!n.json;
}

static int fail_at(const struct np_doc *doc, struct np_pos pos, struct np_err *err,
		   enum np_code code, const char *text)
{
	if (!pos.line)
		return np_fail(err, code, "%s: %s", doc->name, text);
	return np_fail(err, code, "%s:%u:%u: %s", doc->name, pos.line, pos.column, text);
}

int np_doc_fail(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
{
	char text[NP_ERR_TEXT_MAX + 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fail_at(n.doc, n.pos, err, code, text);
}

int np_doc_fail_key(struct np_val n, struct np_err *err, enum np_code code, const char *fmt, ...)
{
	char text[NP_ERR_TEXT_MAX + 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return fail_at(n.doc, n.at, err, code, text);
}

/* Returns a value that no raw text is known of as JSON would print it; numbers in `number`. */
static const char *plain_text(const json_t *json, char number[static FLOAT_TEXT_MAX])
{
	switch (json ? json_typeof(json) : JSON_NULL) {
	case JSON_OBJECT:
		return "{...}";
	case JSON_ARRAY:
		return "[...]";
	case JSON_STRING:
		return json_string_value(json);
	case JSON_INTEGER:
		snprintf(number, FLOAT_TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return number;
	case JSON_REAL:
		doc_scalar_format_float(json_real_value(json), number);
		return number;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return "null";
	}
}

/* Ends a text that was cut in "...", in front of a character rather than within it. */
static void mark_cut(char buf[static NP_DOC_TEXT_MAX])
{
	size_t end = NP_DOC_TEXT_MAX - sizeof("...");

	while (end && ((unsigned char)buf[end] & 0xc0) == 0x80)
		end--;
	memcpy(buf + end, "...", sizeof("..."));
}

void np_doc_text(struct np_val n, char buf[static NP_DOC_TEXT_MAX])
{
	char number[FLOAT_TEXT_MAX];
	const char *text = NULL;

	if (n.json && !json_is_string(n.json))
		text = doc_places_find_raw(&n.doc->places, n.pos);
	if (!text)
		text = plain_text(n.json, number);
	if (strlcpy(buf, text, NP_DOC_TEXT_MAX) >= NP_DOC_TEXT_MAX)
		mark_cut(buf);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
}

/* "'key' must be a list, is the number '3'": names the type, so that 4 and "4" differ. */
static int fail_type(struct np_val n, struct np_err *err, const char *needed)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "a mapping",      [JSON_ARRAY] = "a list",
		[JSON_STRING] = "the text",       [JSON_INTEGER] = "the number",
		[JSON_REAL] = "the fraction",     [JSON_TRUE] = "the truth value",
		[JSON_FALSE] = "the truth value",
	};
	const char *quote = json_is_object(n.json) || json_is_array(n.json) ? "" : "'";
	bool named = n.key && *n.key;
	char text[NP_DOC_TEXT_MAX] = "";

	if (*quote)
		np_doc_text(n, text);
	return np_doc_fail(n, err, NP_E_SPEC, "%s%s%s must be %s, is %s%s%s%s%s", named ? "'" : "",
			   named ? n.key : "this", named ? "'" : "", needed,
			   names[json_typeof(n.json)], *quote ? " " : "", quote, text, quote);
}

int np_doc_object(struct np_val n, struct np_err *err)
{
	if (!n.json)
		return 0;
	return json_is_object(n.json) ? 1 : fail_type(n, err, "a mapping");
}

int np_doc_list(struct np_val n, struct np_err *err)
{
	if (!n.json)
		return 0;
	return json_is_array(n.json) ? 1 : fail_type(n, err, "a list");
}

int np_doc_string(struct np_val n, const char **ret, struct np_err *err)
{
	if (!n.json)
		return 0;
	if (!json_is_string(n.json))
		return fail_type(n, err, "text (in quotes where it looks like a number)");
	*ret = json_string_value(n.json);
	return 1;
}

int np_doc_uint(struct np_val n, uint64_t min, uint64_t max, uint64_t *ret, struct np_err *err)
{
	char needed[96];
	json_int_t value = json_integer_value(n.json);

	if (!n.json)
		return 0;
	if (!json_is_integer(n.json) || value < 0 || (uint64_t)value < min ||
	    (uint64_t)value > max) {
		snprintf(needed, sizeof(needed), "a whole number from %" PRIu64 " to %" PRIu64, min,
			 max);
		return fail_type(n, err, needed);
	}
	*ret = (uint64_t)value;
	return 1;
}

int np_doc_bool(struct np_val n, bool *ret, struct np_err *err)
{
	if (!n.json)
		return 0;
	if (!json_is_boolean(n.json))
		return fail_type(n, err, "true or false");
	*ret = json_is_true(n.json);
	return 1;
}

#define STEP_MAX 128

int np_doc_path(struct np_val n, const char *path, struct np_val *ret, struct np_err *err)
{
	const char *last = strrchr(path, '.');
	const char *dot;

	last = last ? last + 1 : path;
	for (; (dot = strchr(path, '.')); path = dot + 1) {
		char step[STEP_MAX];
		int r = np_doc_object(n, err);

		if (r < 0)
			return r;
		if ((size_t)(dot - path) >= sizeof(step))
			return np_fail(err, NP_E_BUG, "path '%s' has an overlong step", path);
		memcpy(step, path, (size_t)(dot - path));
		step[dot - path] = '\0';
		n = np_doc_get(n, step);
	}
	if (np_doc_object(n, err) < 0)
		return np_err_ret(err);
	*ret = np_doc_get(n, last);
	return 0;
}
