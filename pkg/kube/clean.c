/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/*
 * Bodies for a trace, without what may be secret in them. Nobody but the server knows all secrets; so what a
 * name or a kind marks as secret is left out, and what cannot be parsed is left out whole.
 */

enum { NAME_MAX_BYTES = 128, NESTED_MAX = 4 };

/* Parts of names, in lower case and without '-', '_', '.' and blanks. */
static const char *const secret_parts[] = {
	"accesskey",  "apikey",     "authorization", "clientkey", "cloudconfig",
	"cookie",     "credential", "dockerconfig",  "guestinfo", "keydata",
	"kubeconfig", "passphrase", "passwd",        "password",  "privatekey",
	"secret",     "sessionid",  "ticket",        "token",     "userdata",
};

bool kube_is_secret_name(const char *name)
{
	char plain[NAME_MAX_BYTES];
	size_t n = 0;

	for (; *name && n < sizeof(plain) - 1; name++)
		if (!strchr("-_. ", *name))
			plain[n++] = (char)tolower((unsigned char)*name);
	plain[n] = '\0';
	for (size_t i = 0; i < sizeof(secret_parts) / sizeof(secret_parts[0]); i++)
		if (strstr(plain, secret_parts[i]))
			return true;
	return *name != '\0';
}

/* --- JSON ------------------------------------------------------------------------------------ */

static bool clean_json(json_t *value, bool is_secret, unsigned nested);

/* "https://user:password@proxy" within a text. */
static bool has_user_info(const char *text)
{
	while ((text = strstr(text, "://"))) {
		text += strlen("://");
		if (memchr(text, '@', strcspn(text, "/?# \t\r\n")))
			return true;
	}
	return false;
}

/* A key in PEM, or that in base64: whatever begins as PEM and is no certificate. */
static bool has_private_key(const char *text)
{
	static const char begin[] = "LS0tLS1CRUdJTiB", certificate[] = "LS0tLS1CRUdJTiBDRVJU";

	return strstr(text, "PRIVATE KEY-----") ||
	       (strncmp(text, begin, strlen(begin)) == 0 &&
		strncmp(text, certificate, strlen(certificate)) != 0);
}

/* Returns what the text is shown as, a new reference; NULL: as it is, or without memory. */
static json_t *clean_text(const char *text, unsigned nested, bool *ret_failed)
{
	json_auto_t *inner = NULL;
	char *shown;
	json_t *clean;

	text += strspn(text, " \t\r\n");
	if (has_private_key(text) || has_user_info(text))
		return json_string(KUBE_MASK);
	if (text[0] != '{' && text[0] != '[')
		return NULL;
	/* A manifest in an annotation. */
	inner = nested < NESTED_MAX ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	if (!inner)
		return strpbrk(text, "\"") ? json_string(KUBE_MASK) : NULL;
	if (!clean_json(inner, false, nested + 1) || !(shown = np_json_text(inner, JSON_COMPACT))) {
		*ret_failed = true;
		return NULL;
	}
	clean = json_string(shown);
	free(shown);
	return clean;
}

/* Returns what takes the place of a leaf, a new reference; NULL: it stays. */
static json_t *clean_leaf(const json_t *value, bool is_secret, unsigned nested, bool *ret_failed)
{
	if (is_secret && (json_is_string(value) || json_is_number(value)))
		return json_string(KUBE_MASK);
	return json_is_string(value) ? clean_text(json_string_value(value), nested, ret_failed)
				     : NULL;
}

/* "name" or "key" beside "value", as in variables and extraConfig. */
static bool names_secret(const json_t *object)
{
	static const char *const keys[] = { "key", "name" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *name = json_string_value(json_object_get(object, keys[i]));

		if (name && kube_is_secret_name(name))
			return true;
	}
	return false;
}

static bool is_secret_object(const json_t *object)
{
	const char *kind = json_string_value(json_object_get(object, "kind"));

	return kind && strncmp(kind, "Secret", strlen("Secret")) == 0;
}

static bool is_secret_member(const json_t *object, const char *key)
{
	/* The server leaves the kind out of a list's items. */
	static const char *const data[] = { "data", "stringData", "annotations", "value", "items" };

	if (kube_is_secret_name(key))
		return true;
	if (strcmp(key, "value") == 0)
		return names_secret(object);
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		if (strcmp(key, data[i]) == 0)
			return is_secret_object(object);
	return false;
}

static bool clean_object(json_t *object, bool is_secret, unsigned nested)
{
	/* The manifest that kubectl keeps in a Secret's annotations has its data. */
	json_t *meta = is_secret_object(object) ? json_object_get(object, "metadata") : NULL;
	const char *key;
	json_t *value;
	void *next;

	if (meta)
		json_object_del(meta, "annotations");
	json_object_foreach_safe(object, next, key, value)
	{
		bool hides = is_secret || is_secret_member(object, key);
		bool failed = false;
		json_t *clean = clean_leaf(value, hides, nested, &failed);

		if (failed || (clean && json_object_set_new(object, key, clean) < 0) ||
		    (!clean && !clean_json(value, hides, nested)))
			return false;
	}
	return true;
}

static bool clean_array(json_t *list, bool is_secret, unsigned nested)
{
	json_t *value;
	size_t i;

	json_array_foreach (list, i, value) {
		bool failed = false;
		json_t *clean = clean_leaf(value, is_secret, nested, &failed);

		if (failed || (clean && json_array_set_new(list, i, clean) < 0) ||
		    (!clean && !clean_json(value, is_secret, nested)))
			return false;
	}
	return true;
}

/* Replaces what is secret below the value; false where memory runs out. jansson bounds the depth. */
static bool clean_json(json_t *value, bool is_secret, unsigned nested)
{
	if (json_is_object(value))
		return clean_object(value, is_secret, nested);
	return json_is_array(value) ? clean_array(value, is_secret, nested) : true;
}

/* --- XML ------------------------------------------------------------------------------------- */

/* Copies the name of the element whose tag begins at `at`, without its prefix. */
static void tag_name(const char *at, char buf[static NAME_MAX_BYTES])
{
	const char *start = at + 1 + (at[1] == '/');
	size_t n = strcspn(start, " \t\r\n/>"), colon = strcspn(start, ":");

	if (colon < n) {
		start += colon + 1;
		n -= colon + 1;
	}
	n = n < NAME_MAX_BYTES - 1 ? n : NAME_MAX_BYTES - 1;
	memcpy(buf, start, n);
	buf[n] = '\0';
}

/* What of an XML text has been read; a <value> follows the <key> that names it. */
struct xml {
	const char *at;
	bool hides_text, hides_value;
	bool is_key;
};

static void enter_tag(struct xml *x)
{
	char name[NAME_MAX_BYTES];
	bool is_end = x->at[1] == '/';

	tag_name(x->at, name);
	x->is_key = !is_end && strcmp(name, "key") == 0;
	if (x->is_key)
		x->hides_value = false;
	x->hides_text = !is_end && (kube_is_secret_name(name) ||
				    (x->hides_value && strcmp(name, "value") == 0));
	if (is_end && strcmp(name, "value") == 0)
		x->hides_value = false;
}

/* Writes the text up to the next tag. */
static void put_text(struct xml *x, FILE *out)
{
	size_t n = strcspn(x->at, "<");
	char name[NAME_MAX_BYTES];

	if (x->is_key) {
		size_t size = n < sizeof(name) - 1 ? n : sizeof(name) - 1;

		memcpy(name, x->at, size);
		name[size] = '\0';
		x->hides_value = kube_is_secret_name(name);
	}
	if (x->hides_text && n > 0)
		fputs(KUBE_MASK, out);
	else
		fwrite(x->at, 1, n, out);
	x->at += n;
}

/* Leaves out a comment or CDATA, which may hold anything. */
static void put_section(struct xml *x, FILE *out)
{
	const char *stop = strncmp(x->at, "<!--", 4) == 0        ? "-->"
			   : strncmp(x->at, "<![CDATA[", 9) == 0 ? "]]>"
								 : ">";
	const char *end = strstr(x->at, stop);

	fputs(KUBE_MASK, out);
	x->at = end ? end + strlen(stop) : x->at + strlen(x->at);
}

static char *clean_xml(const char *text)
{
	struct xml x = { .at = text };
	char *clean = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&clean, &size);

	if (!out)
		return NULL;
	while (*x.at) {
		if (*x.at == '<' && x.at[1] == '!') {
			put_section(&x, out);
			continue;
		}
		if (*x.at == '<') {
			size_t n = strcspn(x.at, ">");

			enter_tag(&x);
			fwrite(x.at, 1, n + (x.at[n] == '>'), out);
			x.at += n + (x.at[n] == '>');
		}
		put_text(&x, out);
	}
	if (fclose(out) == 0)
		return clean;
	free(clean);
	return NULL;
}

/* --- a body ---------------------------------------------------------------------------------- */

char *kube_body_clean(const char *body, size_t size)
{
	json_auto_t *tree = NULL;
	char *text = NULL;

	if (body[0] == '<')
		return clean_xml(body);
	tree = json_loadb(body, size, JSON_ALLOW_NUL, NULL);
	if (tree)
		return clean_json(tree, false, 0) ? np_json_text(tree, JSON_COMPACT) : NULL;
	return asprintf(&text, KUBE_MASK ", %zu bytes that are not JSON", size) < 0 ? NULL : text;
}
