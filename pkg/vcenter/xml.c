/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

#define XSI "http://www.w3.org/2001/XMLSchema-instance"

/* Between a namespace's URI and a name; expat rejects it inside a URI. */
#define SEPARATOR '\n'

/* How much memory of a document is allocated at a time, and how much of its text the parser copies at a time. */
enum { CHUNK_BYTES = 64 * 1024, FEED_BYTES = 16 * 1024 };

/* Memory that is freed at once. */
struct chunk {
	struct chunk *next;
	size_t used, size;
	char bytes[];
};

struct vcenter_xml {
	struct chunk *chunks;
	struct vcenter_node *root;
	size_t n_nodes;
};

/* An element that has begun. */
struct open_node {
	struct vcenter_node *node, *last; /* last: of its children */
	size_t text; /* where its text begins */
};

enum fault { FINE, DEEP, LARGE, DTD, NOMEM, VISIT };

/* Where the memory of a document ended. */
struct mark {
	struct chunk *chunk;
	size_t used, n_nodes;
};

/* A parse in progress; reports the first error alone. */
struct reader {
	XML_Parser parser;
	struct vcenter_xml *xml;
	struct open_node open[VCENTER_XML_DEPTH_MAX];
	size_t depth;
	char *text;
	size_t text_size, text_cap;
	enum fault fault;
	struct vcenter_visitor *visitor; /* NULL: none */
	struct vcenter_node *before; /* the sibling in front of the element that is visited next */
	struct mark mark; /* of that element */
	struct np_err error; /* the visitor's */
};

/* --- memory ---------------------------------------------------------------------------------- */

static void *allocate(struct vcenter_xml *x, size_t size)
{
	size_t need = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
	struct chunk *c = x->chunks;

	if (!c || c->size - c->used < need) {
		size_t room = need > CHUNK_BYTES ? need : CHUNK_BYTES;

		c = malloc(sizeof(*c) + room);
		if (!c)
			return NULL;
		*c = (struct chunk){ .next = x->chunks, .size = room };
		x->chunks = c;
	}
	c->used += need;
	return c->bytes + c->used - need;
}

static const char *keep(struct vcenter_xml *x, const char *text, size_t size)
{
	char *copy;

	if (size == 0)
		return "";
	copy = allocate(x, size + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

void vcenter_xml_free(struct vcenter_xml *x)
{
	while (x && x->chunks) {
		struct chunk *next = x->chunks->next;

		/* An answer may hold a session's key. */
		explicit_bzero(x->chunks->bytes, x->chunks->used);
		free(x->chunks);
		x->chunks = next;
	}
	free(x);
}

void vcenter_xml_freep(struct vcenter_xml **x)
{
	vcenter_xml_free(*x);
	*x = NULL;
}

static struct mark mark_memory(const struct vcenter_xml *x)
{
	return (struct mark){ x->chunks, x->chunks ? x->chunks->used : 0, x->n_nodes };
}

/* Frees what was allocated since the mark. */
static void release_memory(struct vcenter_xml *x, const struct mark *m)
{
	while (x->chunks != m->chunk) {
		struct chunk *next = x->chunks->next;

		free(x->chunks);
		x->chunks = next;
	}
	if (x->chunks)
		x->chunks->used = m->used;
	x->n_nodes = m->n_nodes;
}

/* --- elements -------------------------------------------------------------------------------- */

static void stop(struct reader *r, enum fault fault)
{
	if (r->fault == FINE)
		r->fault = fault;
	XML_StopParser(r->parser, XML_FALSE);
}

/* Splits "URI SEPARATOR NAME"; a name without a namespace has no separator. */
static const char *local_name(const char *name, enum vcenter_ns *ret)
{
	static const struct {
		const char *uri;
		enum vcenter_ns ns;
	} known[] = {
		{ "http://schemas.xmlsoap.org/soap/envelope/", VCENTER_NS_SOAP },
		{ "urn:vim25", VCENTER_NS_VIM },
	};
	const char *end = strchr(name, SEPARATOR);

	*ret = end ? VCENTER_NS_OTHER : VCENTER_NS_NONE;
	if (!end)
		return name;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i].uri) == (size_t)(end - name) &&
		    memcmp(name, known[i].uri, (size_t)(end - name)) == 0)
			*ret = known[i].ns;
	return end + 1;
}

/* Returns an attribute's value; `name` as expat writes it. */
static const char *attribute(const char *const *attributes, const char *name)
{
	for (; attributes[0]; attributes += 2)
		if (strcmp(attributes[0], name) == 0)
			return attributes[1];
	return "";
}

/* A type's prefix is declared by the document; the types' names are vim25's own. */
static const char *without_prefix(const char *type)
{
	const char *colon = strrchr(type, ':');

	return colon ? colon + 1 : type;
}

/* Lists repeat a name: siblings share one copy. */
static const char *keep_name(struct reader *r, const char *name)
{
	const struct vcenter_node *last = r->depth > 0 ? r->open[r->depth - 1].last : NULL;

	if (last && strcmp(last->name, name) == 0)
		return last->name;
	return keep(r->xml, name, strlen(name));
}

static struct vcenter_node *new_node(struct reader *r, const char *name,
				     const char *const *attributes)
{
	struct vcenter_node *n = allocate(r->xml, sizeof(*n));
	const char *nil = attribute(attributes, XSI "\nnil");
	const char *type = without_prefix(attribute(attributes, XSI "\ntype"));
	const char *ref_type = attribute(attributes, "type");

	if (!n)
		return NULL;
	*n = (struct vcenter_node){ .text = "",
				    .is_nil = strcmp(nil, "true") == 0 || strcmp(nil, "1") == 0 };
	n->name = keep_name(r, local_name(name, &n->ns));
	n->type = keep(r->xml, type, strlen(type));
	n->ref_type = keep(r->xml, ref_type, strlen(ref_type));
	return n->name && n->type && n->ref_type ? n : NULL;
}

static void link_node(struct reader *r, struct vcenter_node *n)
{
	struct open_node *parent = r->depth > 0 ? &r->open[r->depth - 1] : NULL;

	if (!parent)
		r->xml->root = n;
	else if (parent->last)
		parent->last->next = n;
	else
		parent->node->child = n;
	if (parent)
		parent->last = n;
}

static bool is_visited(const struct reader *r, const char *name)
{
	return r->visitor && r->depth == r->visitor->depth && strcmp(name, r->visitor->name) == 0;
}

static void XMLCALL on_start(void *ctx, const char *name, const char **attributes)
{
	struct reader *r = ctx;
	struct vcenter_node *n;
	enum vcenter_ns ns;

	if (r->fault != FINE)
		return;
	if (r->depth == VCENTER_XML_DEPTH_MAX) {
		stop(r, DEEP);
		return;
	}
	if (r->xml->n_nodes++ == VCENTER_XML_NODES_MAX) {
		stop(r, LARGE);
		return;
	}
	if (is_visited(r, local_name(name, &ns))) {
		r->mark = mark_memory(r->xml);
		r->before = r->open[r->depth - 1].last;
	}
	n = new_node(r, name, attributes);
	if (!n) {
		stop(r, NOMEM);
		return;
	}
	link_node(r, n);
	r->open[r->depth++] = (struct open_node){ .node = n, .text = r->text_size };
}

/* Hands the element over and frees it. */
static void visit(struct reader *r, const struct vcenter_node *n)
{
	struct open_node *parent = &r->open[r->depth - 1];

	if (r->visitor->each(r->visitor->ctx, n, &r->error) < 0) {
		r->visitor->failed = true;
		stop(r, VISIT);
		return;
	}
	parent->last = r->before;
	if (r->before)
		r->before->next = NULL;
	else
		parent->node->child = NULL;
	release_memory(r->xml, &r->mark);
}

static void XMLCALL on_end(void *ctx, const char *name)
{
	struct reader *r = ctx;
	struct open_node *open;

	(void)name;
	if (r->fault != FINE || r->depth == 0)
		return;
	open = &r->open[--r->depth];
	if (!open->node->child && r->text_size > open->text) {
		const char *text = keep(r->xml, r->text + open->text, r->text_size - open->text);

		if (text)
			open->node->text = text;
		else
			stop(r, NOMEM);
	}
	r->text_size = open->text;
	if (r->fault == FINE && is_visited(r, open->node->name))
		visit(r, open->node);
}

static void XMLCALL on_text(void *ctx, const char *text, int size)
{
	struct reader *r = ctx;
	size_t need = r->text_size + (size_t)size;

	if (r->fault != FINE || size <= 0)
		return;
	if (need > r->text_cap) {
		size_t cap = r->text_cap > 0 ? r->text_cap : 4096;
		char *bigger;

		while (cap < need)
			cap *= 2;
		bigger = realloc(r->text, cap);
		if (!bigger) {
			stop(r, NOMEM);
			return;
		}
		r->text = bigger;
		r->text_cap = cap;
	}
	memcpy(r->text + r->text_size, text, (size_t)size);
	r->text_size = need;
}

/* Without a DTD there are no entities but XML's own five. */
static void XMLCALL on_doctype(void *ctx, const char *name, const char *system_id,
			       const char *public_id, int has_internal)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal;
	stop(ctx, DTD);
}

/* --- the document ---------------------------------------------------------------------------- */

/* Newer libexpats deprecate these for 64-bit forms, which Debian 12's has not. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void position(XML_Parser parser, unsigned long *ret_line, unsigned long *ret_column)
{
	*ret_line = (unsigned long)XML_GetCurrentLineNumber(parser);
	*ret_column = (unsigned long)XML_GetCurrentColumnNumber(parser);
}
#pragma GCC diagnostic pop

static int fail(const struct reader *r, struct np_err *err)
{
	unsigned long line, column;

	switch (r->fault) {
	case DEEP:
		return np_fail(err, NP_E_REFUSED, "XML is nested deeper than %d levels",
			       VCENTER_XML_DEPTH_MAX);
	case LARGE:
		return np_fail(err, NP_E_REFUSED, "XML has more than %d elements",
			       VCENTER_XML_NODES_MAX);
	case DTD:
		return np_fail(err, NP_E_REFUSED, "XML has a DTD, which is not accepted");
	case NOMEM:
		return np_fail_nomem(err);
	case VISIT:
		*err = r->error;
		return np_err_ret(err);
	case FINE:
		break;
	}
	if (XML_GetErrorCode(r->parser) == XML_ERROR_NO_MEMORY)
		return np_fail_nomem(err);
	position(r->parser, &line, &column);
	return np_fail(err, NP_E_REFUSED, "not well-formed XML: line %lu, column %lu: %s", line,
		       column, XML_ErrorString(XML_GetErrorCode(r->parser)));
}

static void reader_done(struct reader *r)
{
	if (r->parser)
		XML_ParserFree(r->parser);
	np_wipe_bytes(&r->text, r->text_cap);
	vcenter_xml_free(r->xml);
}

static bool reader_init(struct reader *r)
{
	r->xml = calloc(1, sizeof(*r->xml));
	r->parser = XML_ParserCreateNS("UTF-8", SEPARATOR);
	if (!r->xml || !r->parser)
		return false;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	XML_SetParamEntityParsing(r->parser, XML_PARAM_ENTITY_PARSING_NEVER);
	return true;
}

int vcenter_xml_parse(const char *bytes, size_t size, struct vcenter_xml **ret, struct np_err *err)
{
	return vcenter_xml_visit(bytes, size, NULL, ret, err);
}

/* Feeds the parser piece by piece, since it copies what it gets at once. */
static enum XML_Status feed(XML_Parser parser, const char *bytes, size_t size)
{
	for (; size > FEED_BYTES; bytes += FEED_BYTES, size -= FEED_BYTES)
		if (XML_Parse(parser, bytes, FEED_BYTES, XML_FALSE) != XML_STATUS_OK)
			return XML_STATUS_ERROR;
	return XML_Parse(parser, bytes, (int)size, XML_TRUE);
}

int vcenter_xml_visit(const char *bytes, size_t size, struct vcenter_visitor *visitor,
		      struct vcenter_xml **ret, struct np_err *err)
{
	NP_AUTO(reader_done)
	struct reader r = { .fault = FINE, .visitor = visitor, .error = NP_ERR_INIT };

	if (size > INT32_MAX)
		return np_fail(err, NP_E_REFUSED, "XML is larger than 2 GiB");
	if (!reader_init(&r))
		return np_fail_nomem(err);
	if (feed(r.parser, bytes, size) != XML_STATUS_OK || r.fault != FINE)
		return fail(&r, err);
	*ret = np_take(r.xml);
	return 0;
}

const struct vcenter_node *vcenter_xml_root(const struct vcenter_xml *x)
{
	return x->root;
}

/* --- reading --------------------------------------------------------------------------------- */

const struct vcenter_node *vcenter_child(const struct vcenter_node *n, const char *name)
{
	for (n = n ? n->child : NULL; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

const struct vcenter_node *vcenter_next(const struct vcenter_node *n)
{
	const char *name = n->name;

	for (n = n->next; n; n = n->next)
		if (strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

const char *vcenter_child_text(const struct vcenter_node *n, const char *name)
{
	const struct vcenter_node *child = vcenter_child(n, name);

	return child ? child->text : "";
}

/* --- writing --------------------------------------------------------------------------------- */

void vcenter_text_done(struct vcenter_text *t)
{
	np_wipe_bytes(&t->bytes, t->cap);
	*t = (struct vcenter_text){ 0 };
}

/* Moves the bytes by hand, since realloc() would leave a password behind. */
static bool reserve(struct vcenter_text *t, size_t more)
{
	size_t cap = t->cap > 0 ? t->cap : 1024;
	char *bigger;

	while (cap < t->size + more + 1)
		cap *= 2;
	if (cap == t->cap)
		return true;
	bigger = malloc(cap);
	if (!bigger)
		return false;
	if (t->size > 0)
		memcpy(bigger, t->bytes, t->size);
	np_wipe_bytes(&t->bytes, t->cap);
	t->bytes = bigger;
	t->cap = cap;
	return true;
}

static void add_bytes(struct vcenter_text *t, const char *bytes, size_t size)
{
	if (t->failed || !reserve(t, size)) {
		t->failed = true;
		return;
	}
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
	t->bytes[t->size] = '\0';
}

void vcenter_text_add(struct vcenter_text *t, const char *text)
{
	add_bytes(t, text, strlen(text));
}

/* A carriage return would be read as a line feed, and a blank in an attribute's place as well. */
static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\t':
		return "&#9;";
	case '\n':
		return "&#10;";
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

void vcenter_text_add_escaped(struct vcenter_text *t, const char *text)
{
	for (; *text; text++) {
		const char *escaped = escape_of(*text);

		if (escaped)
			vcenter_text_add(t, escaped);
		else
			add_bytes(t, text, 1);
	}
}

/* Tells whether the valid UTF-8 at `text` begins with a character that XML lacks (production 2). */
static bool is_forbidden(const char *text)
{
	if ((unsigned char)*text < ' ')
		return !strchr("\t\n\r", *text);
	return strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0;
}

int vcenter_is_xml_text(const char *text, bool *ret, struct np_err *err)
{
	json_error_t why = { .position = 0 };
	json_auto_t *json = json_pack_ex(&why, 0, "s", text);

	if (!json && json_error_code(&why) != json_error_invalid_utf8)
		return np_fail_nomem(err);
	*ret = !!json;
	for (; *ret && *text; text++)
		*ret = !is_forbidden(text);
	return 0;
}
