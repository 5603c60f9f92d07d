/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FAILURES_MAX 16 /* texts that look like XML and are not */
#define DEPTH_MAX 64
#define LINE_MAX 4096

/*
 * An element of an export: Supermicro's <Setting name="x" selectedOption="y">, Dell's <Attribute
 * Name="x">y</Attribute>, Cisco's <biosVf... vpX="y"/>, or <x>y</x>.
 */
struct walk {
	struct reading *r;
	XML_Parser parser;
	unsigned depth;
	char key[KEY_MAX]; /* of the element that is open */
	char text[VALUE_MAX];
	size_t used;
	bool is_long; /* its text is too long for a value */
	bool has_element;
};

static void give(struct walk *w, const char *key, const char *value)
{
	struct pair_line p;

	if (hostcheck_pair_set(key, value, &p))
		hostcheck_read_pair(w->r, &p);
	if (w->r->err->code != NP_OK)
		XML_StopParser(w->parser, XML_FALSE);
}

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(name, list[i]) == 0)
			return true;
	return false;
}

static bool names(const char *attribute)
{
	static const char *const list[] = { "name", "attributename", "key", "id", "settingname" };

	return is_among(attribute, list, sizeof(list) / sizeof(list[0]));
}

static bool gives_value(const char *attribute)
{
	static const char *const list[] = { "selectedoption", "value",   "currentvalue",
					    "selected",       "current", "checkedstatus" };

	return is_among(attribute, list, sizeof(list) / sizeof(list[0]));
}

/* `<field name="Address"><string>...`: esxcli names the type within what it names. */
static bool is_type(const XML_Char *name, const XML_Char **attributes)
{
	return !attributes[0] && (strcmp(name, "string") == 0 || strcmp(name, "integer") == 0 ||
				  strcmp(name, "boolean") == 0);
}

static void on_start(void *ctx, const XML_Char *name, const XML_Char **attributes)
{
	struct walk *w = ctx;
	const char *key = NULL, *value = NULL;

	w->has_element = true;
	if (++w->depth > DEPTH_MAX)
		XML_StopParser(w->parser, XML_FALSE);
	for (size_t i = 0; attributes[i]; i += 2)
		if (names(attributes[i]))
			key = attributes[i + 1];
		else if (gives_value(attributes[i]))
			value = attributes[i + 1];
		else
			give(w, attributes[i], attributes[i + 1]);
	if (w->key[0] == '\0' || !is_type(name, attributes))
		snprintf(w->key, sizeof(w->key), "%.*s", KEY_MAX - 1, key ? key : name);
	w->used = 0;
	w->text[0] = '\0';
	w->is_long = false;
	if (value)
		give(w, w->key, value);
}

static void on_text(void *ctx, const XML_Char *text, int size)
{
	struct walk *w = ctx;

	if ((size_t)size >= sizeof(w->text) - w->used) {
		w->is_long = true;
		return;
	}
	memcpy(w->text + w->used, text, (size_t)size);
	w->used += (size_t)size;
	w->text[w->used] = '\0';
}

static void on_end(void *ctx, const XML_Char *name)
{
	struct walk *w = ctx;

	(void)name;
	w->depth--;
	if (w->used > 0 && !w->is_long && w->key[0] != '\0' && strspn(w->text, " \t\r\n") < w->used)
		give(w, w->key, w->text);
	w->key[0] = '\0';
	w->used = 0;
}

/* An export has no entities of its own; one that declares some is refused. */
static void on_entity(void *ctx, const XML_Char *name, int is_parameter, const XML_Char *value,
		      int size, const XML_Char *base, const XML_Char *system,
		      const XML_Char *public, const XML_Char *notation)
{
	struct walk *w = ctx;

	(void)name, (void)is_parameter, (void)value, (void)size, (void)base, (void)system;
	(void)public, (void)notation;
	XML_StopParser(w->parser, XML_FALSE);
}

static bool begins_xml(const char *text, size_t size)
{
	char c = size > 2 && *text == '<' ? text[1] : '\0';

	return c == '?' || c == '!' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Newer libexpats deprecate this for a 64-bit form, which Debian 12's has not. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static size_t read_bytes(XML_Parser parser)
{
	return (size_t)XML_GetCurrentByteIndex(parser);
}
#pragma GCC diagnostic pop

/*
 * Reads a document, or, of one that is cut or an excerpt, the lines that are elements. Returns how
 * much was read.
 */
size_t hostcheck_read_xml(struct reading *r, const char *text, size_t size)
{
	struct walk w = { .r = r };
	size_t used;

	if (!begins_xml(text, size) || size > INT32_MAX || r->n_xml_failures > FAILURES_MAX)
		return 0;
	/* The text is ASCII by now, whatever its declaration says. */
	w.parser = XML_ParserCreate("US-ASCII");
	if (!w.parser) {
		np_fail_nomem(r->err);
		return 0;
	}
	XML_SetUserData(w.parser, &w);
	XML_SetElementHandler(w.parser, on_start, on_end);
	XML_SetCharacterDataHandler(w.parser, on_text);
	XML_SetEntityDeclHandler(w.parser, on_entity);
	XML_Parse(w.parser, text, (int)size, XML_TRUE);
	used = read_bytes(w.parser);
	if (XML_GetErrorCode(w.parser) == XML_ERROR_NO_MEMORY)
		np_fail_nomem(r->err);
	XML_ParserFree(w.parser);
	if (w.has_element && used > 0 && used <= size)
		return used;
	/* A line is cheap to try again, the rest of a capture is not. */
	r->n_xml_failures += size > LINE_MAX;
	return 0;
}
