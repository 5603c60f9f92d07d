/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/text.h"

struct dump {
	yaml_emitter_t emitter;
	bool sorted;
	char *bytes;
	size_t size, room;
};

static void dump_done(struct dump *d)
{
	yaml_emitter_delete(&d->emitter);
	free(d->bytes);
}

/* Writes for libyaml: 1 on success. One byte is reserved for the end of the string. */
static int append(void *data, unsigned char *bytes, size_t size)
{
	struct dump *d = data;
	size_t room = d->room ? d->room : 4096;
	char *grown;

	while (room <= d->size + size)
		room *= 2;
	grown = room == d->room ? d->bytes : realloc(d->bytes, room);
	if (!grown)
		return 0;
	d->bytes = grown;
	d->room = room;
	memcpy(d->bytes + d->size, bytes, size);
	d->size += size;
	return 1;
}

/*
 * The emitter owns an emitted event, even on failure; an event that failed to initialise owns
 * nothing.
 */
static int emit(struct dump *d, int made, yaml_event_t *e, struct np_err *err)
{
	if (made && yaml_emitter_emit(&d->emitter, e))
		return 0;
	if (made && d->emitter.error != YAML_MEMORY_ERROR && d->emitter.error != YAML_WRITER_ERROR)
		return np_fail(err, NP_E_BUG, "libyaml cannot write this tree: %s",
			       d->emitter.problem);
	return np_fail_nomem(err);
}

static int emit_scalar(struct dump *d, const char *text, size_t size, yaml_scalar_style_t style,
		       struct np_err *err)
{
	yaml_event_t e;
	bool plain = style == YAML_PLAIN_SCALAR_STYLE;

	if (size > INT32_MAX)
		return np_fail_nomem(err);
	return emit(d,
		    yaml_scalar_event_initialize(&e, NULL, NULL, (const unsigned char *)text,
						 (int)size, plain, 1, style),
		    &e, err);
}

static size_t skip_digits(const char *text, size_t size, size_t from)
{
	while (from < size && text[from] >= '0' && text[from] <= '9')
		from++;
	return from;
}

/* Texts that other readers of YAML 1.1 take for a date (2024-01-01) or a base-60 number (1:30). */
static bool is_date_or_base60(const char *text, size_t size)
{
	size_t sign = size && (*text == '-' || *text == '+');
	size_t end = skip_digits(text, size, sign);

	return end > sign && end < size && (text[end] == ':' || (text[end] == '-' && end == 4));
}

/*
 * Only double quotes have escapes. Other readers take NEL, LS and PS (YAML 1.1's line breaks) for "\n" where
 * they are not escaped; the others would change what a person sees of the text.
 */
static bool has_hidden(const char *text, size_t size)
{
	uint32_t c;
	size_t n;

	return !!np_text_find_hidden(text, size, &c, &n);
}

/*
 * libyaml knows what else a literal block cannot hold. One that begins with a blank needs an
 * indicator that few readers get right; one that keeps blank lines at its end ("|+") needs "..."
 * behind it where the document ends.
 */
static bool is_literal(const char *text, size_t size)
{
	return *text != ' ' && *text != '\n' && strcmp(text + size - 2, "\n\n") != 0;
}

/* The style that reads back as the same string; libyaml itself turns plain into single quotes. */
static yaml_scalar_style_t style_of(const char *text, size_t size)
{
	if (has_hidden(text, size))
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (memchr(text, '\n', size))
		return is_literal(text, size) ? YAML_LITERAL_SCALAR_STYLE
					      : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	if (doc_scalar_resolve(text, size).kind != SCALAR_STRING || is_date_or_base60(text, size))
		return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	return YAML_PLAIN_SCALAR_STYLE;
}

static int emit_plain(struct dump *d, const char *text, struct np_err *err)
{
	return emit_scalar(d, text, strlen(text), YAML_PLAIN_SCALAR_STYLE, err);
}

static int dump_scalar(struct dump *d, const json_t *json, struct np_err *err)
{
	char number[FLOAT_TEXT_MAX];
	const char *text = json_string_value(json);
	size_t size = json_string_length(json);

	switch (json_typeof(json)) {
	case JSON_STRING:
		return emit_scalar(d, text, size, style_of(text, size), err);
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return emit_plain(d, number, err);
	case JSON_REAL:
		doc_scalar_format_float(json_real_value(json), number);
		return emit_plain(d, number, err);
	case JSON_TRUE:
		return emit_plain(d, "true", err);
	case JSON_FALSE:
		return emit_plain(d, "false", err);
	default:
		return emit_plain(d, "null", err);
	}
}

/* One mapping or list on the way down; `keys` only where they are sorted. */
struct level {
	const json_t *json;
	void *iter;
	const char **keys;
	size_t next;
};

struct levels {
	struct level stack[NP_DOC_DEPTH_MAX];
	size_t depth;
};

static void levels_done(struct levels *l)
{
	while (l->depth)
		free(l->stack[--l->depth].keys);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_keys(const json_t *object)
{
	size_t count = json_object_size(object), i = 0;
	const char **keys = reallocarray(NULL, count + 1, sizeof(*keys));
	const char *key;
	json_t *value;

	if (!keys)
		return NULL;
	json_object_foreach (np_json_mut(object), key, value)
		keys[i++] = key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	return keys;
}

static int open_level(struct dump *d, struct levels *l, const json_t *json, struct np_err *err)
{
	struct level level = { .json = json, .iter = json_object_iter(np_json_mut(json)) };
	yaml_event_t e;
	int made;

	if (l->depth == NP_DOC_DEPTH_MAX)
		return np_fail(err, NP_E_SPEC, "nested too deeply, at most %d levels",
			       NP_DOC_DEPTH_MAX);
	if (json_is_object(json) && d->sorted && !(level.keys = sorted_keys(json)))
		return np_fail_nomem(err);
	l->stack[l->depth++] = level;
	if (json_is_object(json))
		made = yaml_mapping_start_event_initialize(&e, NULL, NULL, 1,
							   YAML_BLOCK_MAPPING_STYLE);
	else
		made = yaml_sequence_start_event_initialize(&e, NULL, NULL, 1,
							    YAML_BLOCK_SEQUENCE_STYLE);
	return emit(d, made, &e, err);
}

static int close_level(struct dump *d, struct levels *l, struct np_err *err)
{
	struct level *level = &l->stack[--l->depth];
	bool mapping = json_is_object(level->json);
	yaml_event_t e;

	free(level->keys);
	return emit(d,
		    mapping ? yaml_mapping_end_event_initialize(&e)
			    : yaml_sequence_end_event_initialize(&e),
		    &e, err);
}

/*
 * Sets *ret to the next child of the level, NULL at its end; *ret_key to its key, NULL in a list.
 */
static void next_child(struct level *l, const json_t **ret, const char **ret_key)
{
	*ret_key = NULL;
	*ret = NULL;
	if (json_is_array(l->json)) {
		*ret = json_array_get(l->json, l->next++);
	} else if (l->keys) {
		if (l->next < json_object_size(l->json))
			*ret_key = l->keys[l->next++];
		*ret = json_object_get(l->json, *ret_key);
	} else if (l->iter) {
		*ret_key = json_object_iter_key(l->iter);
		*ret = json_object_iter_value(l->iter);
		l->iter = json_object_iter_next(np_json_mut(l->json), l->iter);
	}
}

static int dump_value(struct dump *d, struct levels *l, const json_t *json, struct np_err *err)
{
	if (json_is_object(json) || json_is_array(json))
		return open_level(d, l, json, err);
	return dump_scalar(d, json, err);
}

static int dump_tree(struct dump *d, const json_t *root, struct np_err *err)
{
	NP_AUTO(levels_done) struct levels l = { .depth = 0 };
	int r = dump_value(d, &l, root, err);

	while (r >= 0 && l.depth) {
		const json_t *child;
		const char *key;

		next_child(&l.stack[l.depth - 1], &child, &key);
		if (!child) {
			r = close_level(d, &l, err);
			continue;
		}
		if (key)
			r = emit_scalar(d, key, strlen(key), style_of(key, strlen(key)), err);
		if (r >= 0)
			r = dump_value(d, &l, child, err);
	}
	return r;
}

static int dump_stream(struct dump *d, const json_t *root, struct np_err *err)
{
	yaml_event_t e;
	int r = emit(d, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING), &e, err);

	if (r < 0 ||
	    (r = emit(d, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1), &e, err)) <
		    0 ||
	    (r = dump_tree(d, root, err)) < 0 ||
	    (r = emit(d, yaml_document_end_event_initialize(&e, 1), &e, err)) < 0)
		return r;
	return emit(d, yaml_stream_end_event_initialize(&e), &e, err);
}

/* Escapes what libyaml writes as it is; style_of() has put that in double quotes. */
static int escape_hidden(struct dump *d)
{
	struct dump old = *d;
	const char *from = old.bytes, *end = old.bytes + old.size, *hidden;
	uint32_t c;
	size_t n;
	int ok = 1;

	if (!has_hidden(old.bytes, old.size))
		return 1;
	d->bytes = NULL;
	d->size = d->room = 0;
	while (ok && (hidden = np_text_find_hidden(from, (size_t)(end - from), &c, &n))) {
		char escape[16];
		int size = snprintf(escape, sizeof(escape), c > 0xffff ? "\\U%08X" : "\\u%04X", c);

		ok = append(d, (unsigned char *)(uintptr_t)from, (size_t)(hidden - from)) &&
		     append(d, (unsigned char *)escape, (size_t)size);
		from = hidden + n;
	}
	ok = ok && append(d, (unsigned char *)(uintptr_t)from, (size_t)(end - from));
	free(old.bytes);
	return ok;
}

int np_doc_dump_yaml(const json_t *root, bool sorted, char **ret, struct np_err *err)
{
	NP_AUTO(dump_done) struct dump d = { .sorted = sorted };
	int r;

	if (!yaml_emitter_initialize(&d.emitter))
		return np_fail_nomem(err);
	yaml_emitter_set_output(&d.emitter, append, &d);
	yaml_emitter_set_indent(&d.emitter, 2);
	yaml_emitter_set_width(&d.emitter, -1);
	yaml_emitter_set_unicode(&d.emitter, 1);
	r = dump_stream(&d, root, err);
	if (r < 0)
		return r;
	if (!escape_hidden(&d))
		return np_fail_nomem(err);
	d.bytes[d.size] = '\0';
	*ret = np_take(d.bytes);
	return 0;
}
