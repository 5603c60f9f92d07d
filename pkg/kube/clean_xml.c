/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

/*
 * XML for a trace, without what may be secret in it. It need not be well-formed: a trace shows what the server sent.
 * An element or attribute whose name means a secret is masked, as is the value beside or behind a key or name that
 * means one: <key>password</key><value>x</value>, <Property key="password" value="x"/>.
 */

enum { NAME_MAX_BYTES = 128 };

/* A piece of the text; it does not end in NUL. */
struct piece {
	const char *at;
	size_t size;
};

/* What of a text has been read; a <value> follows the <key> that names it. */
struct xml {
	const char *at;
	FILE *out;
	bool hides_text, hides_value, hides_attributes;
	bool is_key;
	bool failed; /* no memory */
};

/* Without a prefix; what is cut is too long for a name, and a secret's. */
static void copy_name(struct piece p, char buf[static NAME_MAX_BYTES + 1])
{
	const char *colon = memchr(p.at, ':', p.size);
	size_t skip = colon ? (size_t)(colon - p.at) + 1 : 0;
	size_t n = p.size - skip < NAME_MAX_BYTES ? p.size - skip : NAME_MAX_BYTES;

	memcpy(buf, p.at + skip, n);
	buf[n] = '\0';
}

static bool is_secret_piece(struct piece p)
{
	char name[NAME_MAX_BYTES + 1];

	copy_name(p, name);
	return kube_is_secret_name(name);
}

static bool is_named(struct piece p, const char *want)
{
	char name[NAME_MAX_BYTES + 1];

	copy_name(p, name);
	return strcmp(name, want) == 0;
}

static void put_up_to(struct xml *x, const char *end)
{
	fwrite(x->at, 1, (size_t)(end - x->at), x->out);
	x->at = end;
}

/* JSON in XML has its quotes as entities: it is not parsed. */
static bool is_manifest(const char *text)
{
	text += strspn(text, " \t\r\n");
	return (text[0] == '{' || text[0] == '[') &&
	       (strchr(text, '"') || strstr(text, "&quot;") || strstr(text, "&#34;"));
}

/* Writes the piece, masked or without what is secret in it. */
static void put_piece(struct xml *x, struct piece p, bool hides)
{
	NP_AUTO(np_wipep) char *text = strndup(p.at, p.size);
	NP_AUTO(np_wipep) char *clean = NULL;

	if (text && p.size > 0)
		clean = hides || is_manifest(text) ? strdup(KUBE_MASK)
						   : kube_text_clean(text, KUBE_TEXT_PLAIN);
	if (clean)
		fputs(clean, x->out);
	else if (p.size > 0)
		x->failed = true;
	x->at = p.at + p.size;
}

/* --- tags ------------------------------------------------------------------------------------ */

static const char blanks[] = " \t\r\n";

/* An attribute of a tag; without a value, `value.at` is NULL. */
struct attribute {
	struct piece name, value;
};

/* Reads the attribute at `at`, blanks before it; returns where it ends, NULL at the tag's end. */
static const char *read_attribute(const char *at, struct attribute *ret)
{
	const char *value;

	at += strspn(at, " \t\r\n/=");
	if (strchr("<>", *at))
		return NULL;
	*ret = (struct attribute){ .name = { at, strcspn(at, " \t\r\n/=<>") } };
	at += ret->name.size;
	value = at + strspn(at, blanks);
	if (*value != '=')
		return at;
	value += 1 + strspn(value + 1, blanks);
	if (*value == '"' || *value == '\'') {
		ret->value =
			(struct piece){ value + 1, strcspn(value + 1, *value == '"' ? "\"" : "'") };
		value = ret->value.at + ret->value.size;
		return value + (*value != '\0');
	}
	ret->value = (struct piece){ value, strcspn(value, " \t\r\n<>") };
	return ret->value.at + ret->value.size;
}

static bool is_naming(const struct attribute *a)
{
	return is_named(a->name, "key") || is_named(a->name, "name") || is_named(a->name, "id");
}

/* Tells whether an attribute says that the element is a secret: key="password". */
static bool names_secret(const char *at)
{
	struct attribute a;

	while ((at = read_attribute(at, &a)))
		if (a.value.at && is_naming(&a) && is_secret_piece(a.value))
			return true;
	return false;
}

/* What tells a secret's type and name is shown. A '<' shows that a quote is missing before it. */
static bool hides_attribute(const struct xml *x, const struct attribute *a)
{
	if (is_secret_piece(a->name) || memchr(a->value.at, '<', a->value.size))
		return true;
	return x->hides_attributes && !is_naming(a) && !is_named(a->name, "type") &&
	       strncmp(a->name.at, "xmlns", strlen("xmlns")) != 0;
}

static void put_attributes(struct xml *x)
{
	const char *next;
	struct attribute a;

	while ((next = read_attribute(x->at, &a))) {
		if (a.value.at) {
			put_up_to(x, a.value.at);
			put_piece(x, a.value, hides_attribute(x, &a));
		}
		put_up_to(x, next);
	}
	next = x->at + strcspn(x->at, "<>");
	put_up_to(x, next + (*next == '>'));
}

static void put_tag(struct xml *x)
{
	bool is_end = x->at[1] == '/', is_value;
	const char *at = x->at + 1 + is_end;
	struct piece name = { at, strcspn(at, " \t\r\n/<>") };

	at += name.size;
	is_value = is_named(name, "value");
	x->is_key = !is_end && is_named(name, "key");
	if (x->is_key)
		x->hides_value = false;
	x->hides_attributes = is_secret_piece(name) || names_secret(at);
	x->hides_text = !is_end && (x->hides_attributes || (x->hides_value && is_value));
	if (is_end && is_value)
		x->hides_value = false;
	put_up_to(x, at);
	put_attributes(x);
}

/* --- the text -------------------------------------------------------------------------------- */

/* Writes the text up to the next tag. */
static void put_text(struct xml *x)
{
	struct piece text = { x->at, strcspn(x->at, "<") };

	if (x->is_key)
		x->hides_value = is_secret_piece(text);
	put_piece(x, text, x->hides_text);
}

/* Leaves out a comment or CDATA, which may hold anything, and all that follows a document type, which no API sends. */
static void put_section(struct xml *x)
{
	const char *stop = strncmp(x->at, "<!--", 4) == 0        ? "-->"
			   : strncmp(x->at, "<![CDATA[", 9) == 0 ? "]]>"
								 : NULL;
	const char *end = stop ? strstr(x->at, stop) : NULL;

	fputs(KUBE_MASK, x->out);
	x->at = end ? end + strlen(stop) : x->at + strlen(x->at);
}

char *kube_xml_clean(const char *text)
{
	struct xml x = { .at = text };
	char *clean = NULL;
	size_t size = 0;

	x.out = open_memstream(&clean, &size);
	if (!x.out)
		return NULL;
	while (*x.at) {
		if (*x.at == '<' && x.at[1] == '!') {
			put_section(&x);
			continue;
		}
		if (*x.at == '<')
			put_tag(&x);
		put_text(&x);
	}
	if (fclose(x.out) == 0 && !x.failed)
		return clean;
	free(clean);
	return NULL;
}
