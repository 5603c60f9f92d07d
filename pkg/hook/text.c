/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/err.h"
#include "nodeprep/hook.h"
#include "nodeprep/json.h"

void hook_text_done(struct text *t)
{
	free(t->bytes);
	*t = (struct text){ .bytes = NULL };
}

/* Reserves `n` more bytes and a NUL. */
static bool text_grow(struct text *t, size_t n)
{
	size_t room = t->room ? t->room : 1024; /* what most take */
	char *bytes;

	while (room - t->n <= n)
		room *= 2;
	if (room == t->room)
		return true;
	bytes = realloc(t->bytes, room);
	if (!bytes) {
		t->failed = true;
		return false;
	}
	t->bytes = bytes;
	t->room = room;
	return true;
}

void hook_text_add(struct text *t, const char *bytes, size_t n)
{
	if (n == 0 || !text_grow(t, n))
		return;
	memcpy(t->bytes + t->n, bytes, n);
	t->n += n;
	t->bytes[t->n] = '\0';
}

void hook_text_add_string(struct text *t, const char *text)
{
	hook_text_add(t, text, strlen(text));
}

/* Replaces invalid UTF-8, such as of a cut text, by question marks. */
void hook_text_add_json(struct text *t, const char *text)
{
	json_auto_t *string = json_string(text);
	NP_AUTO(np_freep) char *plain = NULL;
	NP_AUTO(np_freep) char *bytes = NULL;

	if (!string && (plain = strdup(text))) {
		for (char *c = plain; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
		string = json_string(plain);
	}
	bytes = string ? np_json_text(string, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (bytes)
		hook_text_add_string(t, bytes);
	else
		t->failed = true;
}

void hook_text_add_base64(struct text *t, const char *bytes, size_t n)
{
	size_t size = np_base64_size(n);

	hook_text_add(t, "\"", 1);
	if (!text_grow(t, size))
		return;
	np_base64_write(bytes, n, t->bytes + t->n);
	t->n += size;
	hook_text_add(t, "\"", 1);
}
