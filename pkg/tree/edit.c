/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a value stands in a text: from the first byte to behind the last. */
struct place_in_text {
	bool found;
	size_t from, to;
	bool is_block; /* a block scalar, whose end is the next line's start */
	size_t end; /* of the document */
};

static void parser_done(yaml_parser_t *parser)
{
	yaml_parser_delete(parser);
}

static void event_done(yaml_event_t *event)
{
	yaml_event_delete(event);
}

/* libyaml counts characters; a byte-order mark is none. */
static size_t byte_of(const char *bytes, size_t size, size_t index)
{
	size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (index > 0 && at < size) {
		at++;
		while (at < size && ((unsigned char)bytes[at] & 0xc0) == 0x80)
			at++;
		index--;
	}
	return at;
}

/* A walk over the events: which document, how deep, and whether a key or a value is next. */
struct walk {
	const char *key, *bytes;
	size_t size, wanted, document;
	unsigned depth;
	bool is_value, is_ours;
	struct place_in_text place;
};

static void see_scalar(struct walk *w, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	yaml_scalar_style_t style = e->data.scalar.style;

	if (!w->is_value) {
		w->is_ours = strcmp(text, w->key) == 0;
	} else if (w->is_ours) {
		w->place.found = true;
		w->place.from = byte_of(w->bytes, w->size, e->start_mark.index);
		w->place.to = byte_of(w->bytes, w->size, e->end_mark.index);
		w->place.is_block =
			style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
	}
	w->is_value = !w->is_value;
}

/* Only what stands directly in the document's top mapping matters. */
static void see(struct walk *w, const yaml_event_t *e)
{
	bool is_here = w->document == w->wanted + 1;

	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		w->document++;
		w->depth = 0;
		w->is_value = false;
		break;
	case YAML_DOCUMENT_END_EVENT:
		if (is_here)
			w->place.end = byte_of(w->bytes, w->size, e->start_mark.index);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		w->depth++;
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		w->depth--;
		w->is_value = w->is_value && w->depth != 1;
		break;
	case YAML_ALIAS_EVENT:
		if (w->depth == 1)
			w->is_value = !w->is_value;
		break;
	case YAML_SCALAR_EVENT:
		if (w->depth == 1 && is_here)
			see_scalar(w, e);
		break;
	default:
		break;
	}
}

static int find_place(const char *name, struct walk *w, struct np_err *err)
{
	NP_AUTO(parser_done) yaml_parser_t parser;
	bool last = false;

	if (!yaml_parser_initialize(&parser)) {
		memset(&parser, 0, sizeof(parser));
		return np_fail_nomem(err);
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)w->bytes, w->size);
	while (!last) {
		NP_AUTO(event_done) yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			memset(&event, 0, sizeof(event));
			return np_fail(err, NP_E_SPEC, "%s: cannot be read as YAML", name);
		}
		see(w, &event);
		last = event.type == YAML_STREAM_END_EVENT;
	}
	if (w->document <= w->wanted)
		return np_fail(err, NP_E_SPEC, "%s: has no document %zu", name, w->wanted);
	return 0;
}

/* The line end that the text uses, for a line of ours. */
static const char *line_end(const char *bytes, size_t size)
{
	const char *lf = memchr(bytes, '\n', size);

	return lf != NULL && lf > bytes && lf[-1] == '\r' ? "\r\n" : "\n";
}

/* Behind the document's last line that holds something; what follows are blank lines and marks. */
static size_t append_at(const char *bytes, size_t end)
{
	while (end > 0 && strchr(" \t\r\n", bytes[end - 1]) != NULL)
		end--;
	while (bytes[end] == ' ' || bytes[end] == '\t' || bytes[end] == '\r')
		end++;
	return bytes[end] == '\n' ? end + 1 : end;
}

int np_yaml_set_text(const char *name, const char *bytes, size_t size, size_t document,
		     const char *key, const char *value, char **ret, size_t *ret_size,
		     struct np_err *err)
{
	struct walk w = { .key = key, .bytes = bytes, .size = size, .wanted = document };
	const char *eol = line_end(bytes, size), *before = "", *after = "";
	NP_AUTO(np_freep) char *line = NULL;
	size_t from, to, n;
	char *text;

	if (find_place(name, &w, err) < 0)
		return -(int)err->code;
	from = w.place.found ? w.place.from : append_at(bytes, w.place.end);
	to = w.place.found ? w.place.to : from;
	if (!w.place.found && from > 0 && bytes[from - 1] != '\n')
		before = eol;
	if (!w.place.found || w.place.is_block)
		after = eol;
	if (asprintf(&line, "%s%s%s\"%s\"%s", before, w.place.found ? "" : key,
		     w.place.found ? "" : ": ", value, after) < 0) {
		line = NULL;
		return np_fail_nomem(err);
	}
	n = strlen(line);
	text = malloc(from + n + (size - to) + 1);
	if (text == NULL)
		return np_fail_nomem(err);
	memcpy(text, bytes, from);
	memcpy(text + from, line, n);
	memcpy(text + from + n, bytes + to, size - to);
	text[from + n + (size - to)] = '\0';
	*ret = text;
	*ret_size = from + n + (size - to);
	return 0;
}
