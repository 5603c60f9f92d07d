/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

size_t np_json_escape(uint32_t c, char buf[static NP_JSON_ESCAPE_MAX])
{
	int n = c > 0xffff ? snprintf(buf, NP_JSON_ESCAPE_MAX, "\\u%04X\\u%04X",
				      0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff))
			   : snprintf(buf, NP_JSON_ESCAPE_MAX, "\\u%04X", c);

	return n > 0 ? (size_t)n : 0;
}

/* Returns a copy with escapes for the characters that jansson writes as they are; NULL: no memory. */
static char *escape_hidden(const char *text, size_t size)
{
	/* DEL alone grows sixfold. */
	char *copy = malloc(size * 6 + 1), *to = copy;
	const char *hidden;
	uint32_t c;
	size_t n;

	if (!copy)
		return NULL;
	while ((hidden = np_text_find_hidden(text, size, &c, &n))) {
		char escape[NP_JSON_ESCAPE_MAX];
		size_t before = (size_t)(hidden - text), escaped = np_json_escape(c, escape);

		memcpy(to, text, before);
		memcpy(to + before, escape, escaped);
		to += before + escaped;
		text = hidden + n;
		size -= before + n;
	}
	memcpy(to, text, size);
	to[size] = '\0';
	return copy;
}

char *np_json_text(const json_t *root, size_t flags)
{
	char near[8192]; /* most texts fit, and so are made once */
	size_t size = json_dumpb(root, near, sizeof(near), flags), n;
	NP_AUTO(np_freep) char *text = calloc(size + 1, 1);
	uint32_t c;

	if (size == 0 || !text)
		return NULL;
	if (size <= sizeof(near))
		memcpy(text, near, size);
	else if (json_dumpb(root, text, size, flags) != size)
		return NULL;
	return np_text_find_hidden(text, size, &c, &n) ? escape_hidden(text, size) : np_take(text);
}

const char *np_json_member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const char *np_json_meta_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

json_t *np_json_string(const char *text)
{
	json_t *json = json_string(text);
	NP_AUTO(np_freep) char *copy = NULL;

	if (json)
		return json;
	copy = np_text_escaped(text);
	if (!copy)
		return NULL;
	return json_string(copy);
}

json_t *np_json_err(const struct np_err *err)
{
	if (err->code == NP_OK)
		return json_null();
	return json_pack("{s:s, s:o}", "code", np_code_name(err->code), "message",
			 np_json_string(err->text));
}

void np_json_pointer_unescape(char *segment)
{
	char *to = segment;

	for (const char *from = segment; *from; from++)
		if (from[0] == '~' && (from[1] == '0' || from[1] == '1'))
			*to++ = *++from == '0' ? '~' : '/';
		else
			*to++ = *from;
	*to = '\0';
}

const char *np_json_pointer_next(const char *pointer, char *segment, size_t size)
{
	size_t n = *pointer == '/' ? strcspn(pointer + 1, "/") : 0;

	segment[0] = '\0';
	if (*pointer != '/' || n >= size)
		return NULL;
	memcpy(segment, pointer + 1, n);
	segment[n] = '\0';
	np_json_pointer_unescape(segment);
	return pointer[1 + n] ? pointer + 1 + n : NULL;
}
