/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value that an alias may name. */
struct anchor {
	json_t *value;
	struct np_pos pos;
	size_t nodes; /* with aliases expanded */
	size_t height;
	bool open; /* its end was not read yet */
};

/* A mapping or list whose end was not read yet. */
struct frame {
	json_t *container; /* NULL: it is not kept */
	bool is_mapping;
	size_t first_key; /* of a mapping that is not kept: its keys in the reader */
	const char *key; /* the member whose value comes next; the object's own bytes */
	struct np_pos key_pos;
	bool is_merge; /* the value that comes next is one of "<<" */
	struct np_pos merge_pos; /* of the key "<<"; line 0: none yet */
	json_t *merge; /* the value of "<<" */
	size_t nodes_before;
	size_t height;
	size_t anchor; /* 1 + its number */
};

/* One document while it is read. The stack is ours, so that depth costs no C stack. */
struct build {
	struct np_doc_reader *r;
	struct np_doc *doc;
	struct frame *stack; /* NP_DOC_DEPTH_MAX of them */
	size_t depth;
	size_t nodes;
	struct anchor *anchors;
	size_t anchor_count, anchor_room;
	json_t *anchor_numbers; /* name to number: the last anchor of a name counts */
	bool done;
};

static void build_done(struct build *b)
{
	for (size_t i = 0; i < b->anchor_count; i++)
		json_decref(b->anchors[i].value);
	free(b->anchors);
	json_decref(b->anchor_numbers);
	for (size_t i = 0; i < b->depth; i++)
		json_decref(b->stack[i].merge);
	np_doc_unref(b->doc);
}

static struct frame *top_of(struct build *b)
{
	return b->depth ? &b->stack[b->depth - 1] : NULL;
}

static bool wants_key(const struct frame *top)
{
	return top && top->is_mapping && !top->key && !top->is_merge;
}

/* Tells whether the mapping or list that begins is never read. What is merged is. */
static bool is_unread(struct build *b)
{
	const struct frame *top = top_of(b);
	const struct np_doc_reader *r = b->r;

	if (!top || top->is_merge)
		return false;
	if (!top->container)
		return true;
	return top->key && r->is_unread &&
	       r->is_unread(r->unread_context, b->depth > 1 ? top[-1].container : NULL,
			    top->container, top->key);
}

/* --- scalars ------------------------------------------------------------------------------- */

#define TAG(name) "tag:yaml.org,2002:" name

/* What a tag makes of a scalar; one that is not here makes text of it, as go-yaml does. */
static const struct tag {
	const char *name;
	enum scalar_kind kind;
	const char *noun;
} tags[] = {
	{ TAG("bool"), SCALAR_BOOL, "bool" }, { TAG("float"), SCALAR_FLOAT, "float" },
	{ TAG("int"), SCALAR_INT, "int" },    { TAG("merge"), SCALAR_MERGE, "merge" },
	{ TAG("null"), SCALAR_NULL, "null" },
};

static const struct tag *find_tag(const char *name)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (strcmp(tags[i].name, name) == 0)
			return &tags[i];
	return NULL;
}

static int resolve_tagged(struct build *b, const yaml_event_t *e, struct scalar *ret,
			  struct np_err *err)
{
	const char *name = (const char *)e->data.scalar.tag;
	const char *text = (const char *)e->data.scalar.value;
	const struct tag *tag = find_tag(name);
	struct scalar s;

	if (strcmp(name, TAG("binary")) == 0)
		return doc_reader_fail(
			b->r, doc_mark_pos(b->r, &e->start_mark), err,
			"the tag '!!binary' is not supported: write the text itself");
	if (!tag) {
		*ret = (struct scalar){ .kind = SCALAR_STRING };
		return 0;
	}
	s = doc_scalar_resolve(text, e->data.scalar.length);
	if (tag->kind == SCALAR_FLOAT && s.kind == SCALAR_INT) {
		s.kind = SCALAR_FLOAT;
		s.real = (double)s.integer;
	}
	if (s.kind != tag->kind)
		return doc_reader_fail(b->r, doc_mark_pos(b->r, &e->start_mark), err,
				       "'%.64s' is not a valid %s, which its tag demands", text,
				       tag->noun);
	*ret = s;
	return 0;
}

/* Sets *ret to what the scalar means; refuses what no tree can hold. */
static int resolve(struct build *b, const yaml_event_t *e, struct scalar *ret, struct np_err *err)
{
	const char *text = (const char *)e->data.scalar.value;
	struct np_pos pos = doc_mark_pos(b->r, &e->start_mark);
	struct scalar s = { .kind = SCALAR_STRING };
	int r = 0;

	if (memchr(text, 0, e->data.scalar.length))
		return doc_reader_fail(b->r, pos, err,
				       "the character U+0000 is not allowed in text");
	if (e->data.scalar.tag)
		r = resolve_tagged(b, e, &s, err);
	else if (e->data.scalar.plain_implicit)
		s = doc_scalar_resolve(text, e->data.scalar.length);
	if (r < 0)
		return r;
	if (s.kind == SCALAR_TOO_LARGE)
		return doc_reader_fail(
			b->r, pos, err,
			"'%.64s' is an integer beyond 64 bits, put it in quotes to make it text",
			text);
	if (s.kind == SCALAR_NO_NUMBER)
		return doc_reader_fail(b->r, pos, err,
				       "'%.64s' is not a finite number; quote it to make it text",
				       text);
	*ret = s;
	return 0;
}

static json_t *scalar_json(const yaml_event_t *e, const struct scalar *s)
{
	switch (s->kind) {
	case SCALAR_NULL:
		return json_null();
	case SCALAR_BOOL:
		return json_boolean(s->boolean);
	case SCALAR_INT:
		return json_integer(s->integer);
	case SCALAR_FLOAT:
		return json_real(s->real);
	default:
		return json_stringn_nocheck((const char *)e->data.scalar.value,
					    e->data.scalar.length);
	}
}

/* Writes how JSON would spell the scalar; a float's spelling is always kept instead. */
static const char *canonical(const struct scalar *s, char buf[static FLOAT_TEXT_MAX])
{
	switch (s->kind) {
	case SCALAR_NULL:
		return "null";
	case SCALAR_BOOL:
		return s->boolean ? "true" : "false";
	case SCALAR_INT:
		snprintf(buf, FLOAT_TEXT_MAX, "%" JSON_INTEGER_FORMAT, s->integer);
		return buf;
	default:
		return "";
	}
}

static int keep_raw(struct build *b, const yaml_event_t *e, const struct scalar *s,
		    struct np_err *err)
{
	const char *text = (const char *)e->data.scalar.value;
	char buf[FLOAT_TEXT_MAX];

	if (s->kind == SCALAR_STRING || s->kind == SCALAR_MERGE || !*text ||
	    strcmp(text, canonical(s, buf)) == 0)
		return 0;
	return doc_places_add_raw(&b->doc->places, doc_mark_pos(b->r, &e->start_mark), text,
				  e->data.scalar.length, err);
}

/* --- anchors ------------------------------------------------------------------------------- */

static int grow_anchors(struct build *b, struct np_err *err)
{
	size_t room = b->anchor_room ? b->anchor_room * 2 : 8;
	struct anchor *anchors;

	if (b->anchor_count < b->anchor_room)
		return 0;
	anchors = reallocarray(b->anchors, room, sizeof(*anchors));
	if (!anchors)
		return np_fail_nomem(err);
	b->anchors = anchors;
	b->anchor_room = room;
	return 0;
}

/* Enters `value` under `name` unless that is NULL; sets *ret_number to 1 + its number, or 0. */
static int add_anchor(struct build *b, const yaml_char_t *name, const struct anchor *anchor,
		      size_t *ret_number, struct np_err *err)
{
	int r;

	*ret_number = 0;
	if (!name)
		return 0;
	if (!b->anchor_numbers)
		b->anchor_numbers = json_object();
	r = grow_anchors(b, err);
	if (r < 0)
		return r;
	if (json_object_set_new_nocheck(b->anchor_numbers, (const char *)name,
					json_integer((json_int_t)b->anchor_count)) < 0)
		return np_fail_nomem(err);
	b->anchors[b->anchor_count] = *anchor;
	json_incref(anchor->value);
	*ret_number = ++b->anchor_count;
	return 0;
}

/* --- values -------------------------------------------------------------------------------- */

static int count_nodes(struct build *b, size_t nodes, struct np_pos pos, struct np_err *err)
{
	b->nodes += nodes;
	if (b->nodes > NP_DOC_VALUES_MAX)
		return doc_reader_fail(
			b->r, pos, err,
			"too many values in one document with aliases expanded, at most %d",
			NP_DOC_VALUES_MAX);
	return 0;
}

static int check_depth(struct build *b, size_t levels, struct np_pos pos, struct np_err *err)
{
	if (b->depth + levels > NP_DOC_DEPTH_MAX)
		return doc_reader_fail(b->r, pos, err, "nested too deeply, at most %d levels",
				       NP_DOC_DEPTH_MAX);
	return 0;
}

static int attach_item(struct build *b, struct frame *top, json_t *take, struct place *place,
		       struct np_err *err)
{
	place->owner = top->container;
	place->slot = (uint32_t)json_array_size(top->container);
	if (json_array_append_new(top->container, take) < 0)
		return np_fail_nomem(err);
	return doc_places_add(&b->doc->places, place, err);
}

static int attach_member(struct build *b, struct frame *top, json_t *take, struct place *place,
			 struct np_err *err)
{
	place->owner = top->key;
	place->at = top->key_pos;
	if (json_object_iter_set_new(top->container, json_object_key_to_iter(top->key), take) < 0)
		return np_fail_nomem(err);
	top->key = NULL;
	return doc_places_add(&b->doc->places, place, err);
}

/* Puts a value where it belongs as soon as it begins, so that all of it has an owner. */
static int attach(struct build *b, json_t *take, struct np_pos pos, struct np_pos at,
		  struct np_err *err)
{
	struct place place = { .pos = pos, .at = at };
	struct frame *top = top_of(b);

	if (!take)
		return np_fail_nomem(err);
	if (!top) {
		b->doc->root = take;
		b->doc->pos = pos;
		return 0;
	}
	if (top->is_merge) {
		top->merge = take;
		top->is_merge = false;
		return 0;
	}
	if (!top->container) {
		json_decref(take);
		top->key = NULL;
		return 0;
	}
	if (top->key)
		return attach_member(b, top, take, &place, err);
	return attach_item(b, top, take, &place, err);
}

/* --- keys ---------------------------------------------------------------------------------- */

static int key_text(struct build *b, const yaml_event_t *e, const struct scalar *s,
		    char buf[static FLOAT_TEXT_MAX], const char **ret, struct np_err *err)
{
	struct np_pos pos = doc_mark_pos(b->r, &e->start_mark);

	*ret = (const char *)e->data.scalar.value;
	if (s->kind == SCALAR_NULL)
		return doc_reader_fail(b->r, pos, err, "a key is missing or null: it must be text");
	if (s->kind == SCALAR_FLOAT && !doc_scalar_format_key(s->real, buf))
		return doc_reader_fail(b->r, pos, err,
				       "the key '%.64s' is a number beyond range, put it in quotes",
				       *ret);
	if (s->kind == SCALAR_FLOAT)
		*ret = buf;
	else if (s->kind == SCALAR_BOOL || s->kind == SCALAR_INT)
		*ret = canonical(s, buf);
	return 0;
}

static int fail_duplicate(struct build *b, const char *key, struct np_pos pos, unsigned first_line,
			  struct np_err *err)
{
	return doc_reader_fail(b->r, pos, err, "duplicate key '%.64s', first in line %u", key,
			       first_line);
}

/* Notes a key of a mapping that is not kept. */
static int note_key(struct build *b, struct frame *top, const char *key, struct np_pos pos,
		    struct np_err *err)
{
	unsigned first_line;

	if (doc_keys_add(&b->r->keys, top->first_key, key, pos.line, &first_line, err) < 0)
		return np_err_ret(err);
	if (first_line)
		return fail_duplicate(b, key, pos, first_line, err);
	top->key = "";
	return 0;
}

/* Makes room for the member with a null, so that jansson keeps the key and the order. */
static int open_member(struct build *b, const char *key, struct np_pos pos, struct np_err *err)
{
	struct frame *top = top_of(b);
	size_t before = json_object_size(top->container);
	const struct place *first;

	if (!top->container)
		return note_key(b, top, key, pos, err);
	if (json_object_set_new_nocheck(top->container, key, json_null()) < 0)
		return np_fail_nomem(err);
	top->key = doc_own_key(top->container, key);
	top->key_pos = pos;
	if (json_object_size(top->container) > before)
		return 0;
	first = doc_places_find(&b->doc->places, top->key, 0);
	return fail_duplicate(b, key, pos, first ? first->at.line : pos.line, err);
}

static int open_merge(struct build *b, struct np_pos pos, struct np_err *err)
{
	struct frame *top = top_of(b);

	if (top->merge_pos.line)
		return fail_duplicate(b, "<<", pos, top->merge_pos.line, err);
	top->is_merge = true;
	top->merge_pos = pos;
	return 0;
}

static int on_key(struct build *b, const yaml_event_t *e, struct np_err *err)
{
	struct np_pos pos = doc_mark_pos(b->r, &e->start_mark);
	struct anchor anchor = { .pos = pos, .nodes = 1 };
	char buf[FLOAT_TEXT_MAX];
	struct scalar s;
	const char *key;
	size_t number;
	int r;

	if ((r = resolve(b, e, &s, err)) < 0)
		return r;
	if (s.kind == SCALAR_MERGE)
		return open_merge(b, pos, err);
	if (e->data.scalar.anchor) {
		anchor.value = scalar_json(e, &s);
		r = anchor.value ? add_anchor(b, e->data.scalar.anchor, &anchor, &number, err)
				 : np_fail_nomem(err);
		json_decref(anchor.value);
	}
	if (r < 0 || (r = key_text(b, e, &s, buf, &key, err)) < 0)
		return r;
	return open_member(b, key, pos, err);
}

static int refuse_key(struct build *b, const yaml_event_t *e, const char *what, struct np_err *err)
{
	return doc_reader_fail(b->r, doc_mark_pos(b->r, &e->start_mark), err,
			       "a key cannot be %s; is this an unrendered template ('{{ }}')?",
			       what);
}

/* --- merge keys ---------------------------------------------------------------------------- */

static int merge_member(struct build *b, json_t *into, const char *key, json_t *value,
			struct np_err *err)
{
	const struct place *from = doc_places_find(&b->doc->places, key, 0);
	struct place place = from ? *from : (struct place){ .slot = 0 };

	if (json_object_set_nocheck(into, key, value) < 0)
		return np_fail_nomem(err);
	place.owner = doc_own_key(into, key);
	return doc_places_add(&b->doc->places, &place, err);
}

/* Adds the members that are not there already: explicit keys win, then the earlier mapping. */
static int merge_mapping(struct build *b, const struct frame *f, json_t *from, struct np_err *err)
{
	const char *key;
	json_t *value;
	int r;

	if (!json_is_object(from))
		return doc_reader_fail(b->r, f->merge_pos, err,
				       "'<<' must merge a mapping or a list of mappings");
	r = count_nodes(b, json_object_size(from), f->merge_pos, err);
	if (r < 0 || !f->container)
		return r;
	json_object_foreach (from, key, value) {
		if (json_object_get(f->container, key))
			continue;
		if ((r = merge_member(b, f->container, key, value, err)) < 0)
			return r;
	}
	return 0;
}

static int merge_all(struct build *b, struct frame *f, struct np_err *err)
{
	size_t i;
	json_t *item;
	int r;

	if (!json_is_array(f->merge))
		return merge_mapping(b, f, f->merge, err);
	json_array_foreach (f->merge, i, item)
		if ((r = merge_mapping(b, f, item, err)) < 0)
			return r;
	return 0;
}

/* Applies "<<" once the mapping is whole, and keeps what was merged as long as its places. */
static int apply_merge(struct build *b, struct frame *f, struct np_err *err)
{
	int r;

	if (!f->merge)
		return 0;
	if (!b->doc->merged)
		b->doc->merged = json_array();
	if ((r = doc_places_index(&b->doc->places, err)) < 0 || (r = merge_all(b, f, err)) < 0)
		return r;
	if (json_array_append_new(b->doc->merged, np_take(f->merge)) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* --- events -------------------------------------------------------------------------------- */

static int on_scalar(struct build *b, const yaml_event_t *e, struct np_err *err)
{
	struct np_pos pos = doc_mark_pos(b->r, &e->start_mark);
	struct anchor anchor = { .pos = pos, .nodes = 1 };
	struct frame *top = top_of(b);
	struct scalar s;
	size_t number;
	int r;

	if ((r = resolve(b, e, &s, err)) < 0 || (r = count_nodes(b, 1, pos, err)) < 0)
		return r;
	if (top && !top->container && !top->is_merge && !e->data.scalar.anchor) {
		top->key = NULL;
		return 0;
	}
	if ((r = keep_raw(b, e, &s, err)) < 0)
		return r;
	anchor.value = scalar_json(e, &s);
	if (!anchor.value)
		return np_fail_nomem(err);
	/* The anchor takes a reference of its own before the value's only one is given away. */
	r = add_anchor(b, e->data.scalar.anchor, &anchor, &number, err);
	if (r < 0) {
		json_decref(anchor.value);
		return r;
	}
	return attach(b, anchor.value, pos, pos, err);
}

/* Makes the tree of a mapping or list that is kept, and puts it where it belongs. */
static int on_kept_start(struct build *b, struct frame *frame, const yaml_char_t *name,
			 struct np_pos pos, struct np_err *err)
{
	struct anchor anchor = { .pos = pos, .open = true };
	int r;

	anchor.value = frame->container = frame->is_mapping ? json_object() : json_array();
	if (!anchor.value)
		return np_fail_nomem(err);
	/* As with a scalar, the anchor's reference comes first. */
	r = add_anchor(b, name, &anchor, &frame->anchor, err);
	if (r < 0) {
		json_decref(anchor.value);
		return r;
	}
	return attach(b, anchor.value, pos, pos, err);
}

/* What an anchor names is kept for its aliases, wherever it is. */
static int on_start(struct build *b, bool is_mapping, const yaml_char_t *name, struct np_pos pos,
		    struct np_err *err)
{
	struct frame frame = { .is_mapping = is_mapping,
			       .first_key = b->r->keys.count,
			       .nodes_before = b->nodes };
	int r;

	if ((r = check_depth(b, 1, pos, err)) < 0 || (r = count_nodes(b, 1, pos, err)) < 0)
		return r;
	r = name || !is_unread(b) ? on_kept_start(b, &frame, name, pos, err)
				  : attach(b, json_null(), pos, pos, err);
	if (r < 0)
		return r;
	b->stack[b->depth++] = frame;
	return 0;
}

static int on_end(struct build *b, struct np_err *err)
{
	struct frame *f = top_of(b), *parent;
	int r = apply_merge(b, f, err);

	if (r < 0)
		return r;
	f->height++;
	if (f->anchor) {
		struct anchor *anchor = &b->anchors[f->anchor - 1];

		anchor->open = false;
		anchor->nodes = b->nodes - f->nodes_before;
		anchor->height = f->height;
	}
	doc_keys_drop(&b->r->keys, f->first_key);
	b->depth--;
	parent = top_of(b);
	if (parent && parent->height < f->height)
		parent->height = f->height;
	json_decref(f->merge);
	return 0;
}

static int on_alias(struct build *b, const yaml_event_t *e, struct np_err *err)
{
	const char *name = (const char *)e->data.alias.anchor;
	struct np_pos at = doc_mark_pos(b->r, &e->start_mark);
	json_t *number = json_object_get(b->anchor_numbers, name);
	const struct anchor *anchor;
	struct frame *top = top_of(b);
	int r;

	if (!number)
		return doc_reader_fail(b->r, at, err,
				       "alias '*%.64s' has no anchor '&%.64s' before it", name,
				       name);
	anchor = &b->anchors[json_integer_value(number)];
	if (anchor->open)
		return doc_reader_fail(b->r, at, err, "alias '*%.64s' is inside its own anchor",
				       name);
	if ((r = check_depth(b, anchor->height, at, err)) < 0 ||
	    (r = count_nodes(b, anchor->nodes, at, err)) < 0)
		return r;
	if (top && top->height < anchor->height)
		top->height = anchor->height;
	return attach(b, json_incref(anchor->value), anchor->pos, at, err);
}

static int on_collection(struct build *b, const yaml_event_t *e, struct np_err *err)
{
	struct np_pos pos = doc_mark_pos(b->r, &e->start_mark);
	bool mapping = e->type == YAML_MAPPING_START_EVENT;

	if (wants_key(top_of(b)))
		return refuse_key(b, e, mapping ? "a mapping" : "a list", err);
	return on_start(b, mapping,
			mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, pos,
			err);
}

static int on_event(struct build *b, const yaml_event_t *e, struct np_err *err)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return wants_key(top_of(b)) ? on_key(b, e, err) : on_scalar(b, e, err);
	case YAML_ALIAS_EVENT:
		return wants_key(top_of(b)) ? refuse_key(b, e, "an alias", err)
					    : on_alias(b, e, err);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return on_collection(b, e, err);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return on_end(b, err);
	default:
		b->done = true;
		return 0;
	}
}

/* --- libyaml ------------------------------------------------------------------------------- */

int doc_yaml_start(struct np_doc_reader *r, struct np_err *err)
{
	if (!yaml_parser_initialize(&r->parser))
		return np_fail_nomem(err);
	r->has_parser = true;
	/* Told, libyaml looks for no byte-order mark of another encoding. */
	yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->bytes + r->offset,
				     r->size - r->offset);
	return 0;
}

/* Feeds events until the document ends; true in b->done at the end of either it or the stream. */
static int read_events(struct build *b, bool *ret_stream_end, bool *ret_syntax, struct np_err *err)
{
	while (!b->done) {
		yaml_event_t e;
		int r;

		if (!yaml_parser_parse(&b->r->parser, &e))
			return doc_yaml_fail(b->r, ret_syntax, err);
		*ret_stream_end = e.type == YAML_STREAM_END_EVENT || e.type == YAML_NO_EVENT;
		if (e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT)
			r = 0;
		else
			r = on_event(b, &e, err);
		yaml_event_delete(&e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int build_document(struct np_doc_reader *r, struct np_doc **ret, bool *ret_stream_end,
			  bool *ret_syntax, struct np_err *err)
{
	/* Not part of what is cleared: of a million empty documents that would be most of the work. */
	struct frame stack[NP_DOC_DEPTH_MAX];
	NP_AUTO(build_done) struct build b = { .r = r, .stack = stack };
	int n;

	b.doc = doc_new(r->name, r->index, err);
	if (!b.doc)
		return np_err_ret(err);
	n = read_events(&b, ret_stream_end, ret_syntax, err);
	if (n < 0 || (n = doc_places_index(&b.doc->places, err)) < 0)
		return n;
	if (b.doc->root)
		*ret = np_take(b.doc);
	return 0;
}

int doc_yaml_next(struct np_doc_reader *r, struct np_doc **ret, bool *ret_syntax,
		  struct np_err *err)
{
	bool stream_end = false;

	*ret_syntax = false;
	if (!r->has_parser && doc_yaml_start(r, err) < 0)
		return np_err_ret(err);
	while (!stream_end) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		int n = build_document(r, &doc, &stream_end, ret_syntax, err);

		if (n < 0)
			return n;
		/* Without a value, or null, which kubectl passes over as well. */
		if (!doc || json_is_null(doc->root))
			continue;
		r->index++;
		*ret = np_take(doc);
		return 1;
	}
	return 0;
}
