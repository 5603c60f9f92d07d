/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value's range in a text: the first byte, and the byte behind the last. */
struct place_in_text {
	bool found;
	size_t from, to;
	bool is_block; /* a block scalar, whose end is the next line's start */
	size_t end; /* of the document */
	size_t column; /* of the top mapping's keys */
	bool has_keys, is_flow;
};

static void parser_done(yaml_parser_t *parser)
{
	yaml_parser_delete(parser);
}

static void event_done(yaml_event_t *event)
{
	yaml_event_delete(event);
}

/* libyaml counts characters, without the byte-order mark. */
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
	size_t size, wanted,
		documents; /* those that hold something, as np_doc_index() counts them */
	unsigned depth;
	bool is_counted, is_mapping; /* the document; its top */
	bool is_value, is_ours;
	struct place_in_text place;
};

static bool is_null(const yaml_event_t *e)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (e->type != YAML_SCALAR_EVENT || e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp((const char *)e->data.scalar.value, words[i]) == 0)
			return true;
	return false;
}

static bool is_here(const struct walk *w)
{
	return w->is_counted && w->documents == w->wanted + 1;
}

/* The first node of a document gives its type. */
static void see_top(struct walk *w, const yaml_event_t *e)
{
	w->is_counted = !is_null(e);
	w->documents += w->is_counted;
	w->is_mapping = e->type == YAML_MAPPING_START_EVENT;
	if (is_here(w) && w->is_mapping)
		w->place.is_flow = e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
}

static void see_scalar(struct walk *w, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	yaml_scalar_style_t style = e->data.scalar.style;

	if (!w->is_value) {
		if (!w->place.has_keys)
			w->place.column = e->start_mark.column;
		w->place.has_keys = true;
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

/* Only direct members of the document's top mapping matter. */
static void see(struct walk *w, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		w->depth = 0;
		w->is_counted = w->is_mapping = w->is_value = false;
		break;
	case YAML_DOCUMENT_END_EVENT:
		if (is_here(w))
			w->place.end = byte_of(w->bytes, w->size, e->start_mark.index);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		if (w->depth++ == 0)
			see_top(w, e);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		/* A key may be a list: whatever ends here was one of the two. */
		if (--w->depth == 1)
			w->is_value = !w->is_value;
		break;
	case YAML_ALIAS_EVENT:
		if (w->depth == 1)
			w->is_value = !w->is_value;
		break;
	case YAML_SCALAR_EVENT:
		if (w->depth == 0)
			see_top(w, e);
		else if (w->depth == 1 && w->is_mapping && is_here(w))
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
			return np_fail(err, NP_E_SPEC, "%s: invalid YAML", name);
		}
		see(w, &event);
		last = event.type == YAML_STREAM_END_EVENT;
	}
	if (w->documents <= w->wanted)
		return np_fail(err, NP_E_SPEC, "%s: has no document %zu", name, w->wanted);
	return 0;
}

/* The line end that the text uses, for a line of ours. */
static const char *line_end(const char *bytes, size_t size)
{
	const char *lf = memchr(bytes, '\n', size);

	return lf && lf > bytes && lf[-1] == '\r' ? "\r\n" : "\n";
}

/* Behind the document's last line that holds something; what follows are blank lines and marks. */
static size_t append_at(const char *bytes, size_t size, size_t end)
{
	while (end > 0 && strchr(" \t\r\n", bytes[end - 1]))
		end--;
	while (end < size && (bytes[end] == ' ' || bytes[end] == '\t' || bytes[end] == '\r'))
		end++;
	return end < size && bytes[end] == '\n' ? end + 1 : end;
}

/* Returns the document's tree; NULL where the text does not read. */
static json_t *read_tree(const char *name, const char *bytes, size_t size, size_t document)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err ignored = NP_ERR_INIT;
	json_t *tree = NULL;

	if (np_doc_reader_new(name, bytes, size, &r, &ignored) < 0)
		return NULL;
	while (!tree) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		if (np_doc_reader_next(r, &doc, &ignored) <= 0)
			return NULL;
		if (np_doc_index(doc) == document)
			tree = json_deep_copy(np_doc_root(doc).json);
	}
	return tree;
}

/* YAML has unusual forms, so the result must parse as before except for the value. */
static int check_edit(const char *name, const struct walk *w, const char *value, const char *text,
		      size_t size, struct np_err *err)
{
	json_auto_t *was = read_tree(name, w->bytes, w->size, w->wanted);
	json_auto_t *is = read_tree(name, text, size, w->wanted);

	if (json_is_object(was) && json_object_set_new(was, w->key, json_string(value)) == 0 &&
	    is && json_equal(was, is))
		return 0;
	return np_fail(err, NP_E_SPEC, "%s: cannot be corrected in place: set %s to '%s'", name,
		       w->key, value);
}

int np_doc_set_text(const char *name, const char *bytes, size_t size, size_t document,
		    const char *key, const char *value, char **ret, size_t *ret_size,
		    struct np_err *err)
{
	struct walk w = { .key = key, .bytes = bytes, .size = size, .wanted = document };
	const char *eol = line_end(bytes, size), *before = "", *after = "";
	NP_AUTO(np_freep) char *line = NULL;
	size_t from, to, n;
	NP_AUTO(np_freep) char *text = NULL;

	if (find_place(name, &w, err) < 0)
		return np_err_ret(err);
	if (!w.place.found && (w.place.is_flow || !w.place.has_keys))
		return np_fail(err, NP_E_SPEC,
			       "%s: its keys do not have lines of their own: add '%s: %s'", name,
			       key, value);
	from = w.place.found ? w.place.from : append_at(bytes, size, w.place.end);
	to = w.place.found ? w.place.to : from;
	if (!w.place.found && from > 0 && bytes[from - 1] != '\n')
		before = eol;
	else if (w.place.found && bytes[from - 1] == ':')
		before = " ";
	if (!w.place.found || w.place.is_block)
		after = eol;
	if (asprintf(&line, "%s%*s%s%s\"%s\"%s", before, w.place.found ? 0 : (int)w.place.column,
		     "", w.place.found ? "" : key, w.place.found ? "" : ": ", value, after) < 0) {
		line = NULL;
		return np_fail_nomem(err);
	}
	n = strlen(line);
	text = malloc(from + n + (size - to) + 1);
	if (!text)
		return np_fail_nomem(err);
	memcpy(text, bytes, from);
	memcpy(text + from, line, n);
	memcpy(text + from + n, bytes + to, size - to);
	text[from + n + (size - to)] = '\0';
	n += from + (size - to);
	if (check_edit(name, &w, value, text, n, err) < 0)
		return np_err_ret(err);
	*ret = np_take(text);
	*ret_size = n;
	return 0;
}
