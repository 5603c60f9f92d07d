/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/*
 * Bodies for a trace, without what may be secret in them. Nobody but the server knows all secrets; so what a
 * name or a kind marks as secret is left out, and what cannot be parsed is left out whole.
 */

enum { NESTED_MAX = 4 };

/* --- JSON ------------------------------------------------------------------------------------ */

static bool clean_json(json_t *value, bool is_secret, unsigned nested);

/* Returns what the text is shown as, a new reference; NULL: as it is, or without memory. */
static json_t *show_text(const char *text, bool *ret_failed)
{
	NP_AUTO(np_freep) char *clean = kube_text_clean(text, KUBE_TEXT_PLAIN);

	*ret_failed = !clean;
	return clean && strcmp(clean, text) != 0 ? json_string(clean) : NULL;
}

/* The same for a text that may be a manifest, as annotations have them. */
static json_t *clean_text(const char *text, unsigned nested, bool *ret_failed)
{
	json_auto_t *inner = NULL;
	char *shown;
	json_t *clean;

	text += strspn(text, " \t\r\n");
	if (text[0] != '{' && text[0] != '[')
		return show_text(text, ret_failed);
	inner = nested < NESTED_MAX ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
	if (!inner)
		return strpbrk(text, "\"") ? json_string(KUBE_MASK) : show_text(text, ret_failed);
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
	const char *text = json_string_value(value);

	if (is_secret && (text || json_is_number(value)))
		return json_string(KUBE_MASK);
	if (text && strlen(text) != json_string_length(value))
		return json_string(KUBE_MASK);
	return text ? clean_text(text, nested, ret_failed) : NULL;
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

/* --- a body ---------------------------------------------------------------------------------- */

char *kube_body_clean(const char *body, size_t size)
{
	json_auto_t *tree = NULL;
	char *text = NULL;

	if (body[0] == '<')
		return kube_xml_clean(body);
	tree = json_loadb(body, size, JSON_ALLOW_NUL, NULL);
	if (tree)
		return clean_json(tree, false, 0) ? np_json_text(tree, JSON_COMPACT) : NULL;
	return asprintf(&text, KUBE_MASK ", %zu bytes that are not JSON", size) < 0 ? NULL : text;
}
