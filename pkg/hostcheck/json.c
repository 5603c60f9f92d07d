/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yajl/yajl_parse.h>

#define DEPTH_MAX 64
#define FAILURES_MAX 16 /* texts that look like JSON and are not: the lines say more */

/* A document on its way: only the key of the innermost object is kept. */
struct walk {
	struct reading *r;
	char key[KEY_MAX];
	unsigned depth;
	bool has_member; /* it is JSON, not a line in brackets */
};

static int give(struct walk *w, const char *value)
{
	struct pair_line p;

	if (w->key[0] != '\0' && hostcheck_pair_set(w->key, value, &p))
		hostcheck_read_pair(w->r, &p);
	w->key[0] = '\0';
	return w->r->err->code == NP_OK;
}

/* Redfish keeps what holds after a reboot in ".../Bios/Settings". */
static bool is_settings(const char *value)
{
	static const char end[] = "/bios/settings";
	size_t size = strlen(value);

	while (size > 0 && value[size - 1] == '/')
		size--;
	return size >= strlen(end) &&
	       strncasecmp(value + size - strlen(end), end, strlen(end)) == 0;
}

static int on_text(void *ctx, const unsigned char *text, size_t size)
{
	struct walk *w = ctx;
	char value[VALUE_MAX];

	if (size >= sizeof(value))
		return 1;
	snprintf(value, sizeof(value), "%.*s", (int)size, (const char *)text);
	/* The current values name the resource of the others, further inside. */
	if (w->depth == 1 && strcmp(w->key, "@odata.id") == 0 && is_settings(value))
		w->r->is_pending = true;
	return give(w, value);
}

static int on_number(void *ctx, const char *text, size_t size)
{
	return on_text(ctx, (const unsigned char *)text, size);
}

static int on_boolean(void *ctx, int value)
{
	return give(ctx, value ? "true" : "false");
}

static int on_null(void *ctx)
{
	struct walk *w = ctx;

	w->key[0] = '\0';
	return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t size)
{
	struct walk *w = ctx;

	w->has_member = true;
	w->key[0] = '\0';
	if (size < KEY_MAX)
		snprintf(w->key, KEY_MAX, "%.*s", (int)size, (const char *)text);
	return 1;
}

static int on_begin(void *ctx)
{
	struct walk *w = ctx;

	w->key[0] = '\0';
	return ++w->depth <= DEPTH_MAX;
}

static int on_end(void *ctx)
{
	struct walk *w = ctx;

	w->depth--;
	w->key[0] = '\0';
	return 1;
}

/* A record of a device, and a setting's name, do not reach beyond their object. */
static int on_end_map(void *ctx)
{
	struct walk *w = ctx;

	hostcheck_device_close(w->r, true);
	w->r->setting[0] = '\0';
	return on_end(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_text,
	.yajl_start_map = on_begin,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_begin,
	.yajl_end_array = on_end,
};

/*
 * Reads what is there of a document that may be cut. Of a text that is no JSON nothing was read: the
 * first member decides.
 */
size_t hostcheck_read_json(struct reading *r, const char *text, size_t size)
{
	struct walk w = { .r = r };
	yajl_handle handle;
	yajl_status status;
	size_t used;

	if (size < 2 || (*text != '{' && *text != '[') || r->n_json_failures > FAILURES_MAX)
		return 0;
	handle = yajl_alloc(&callbacks, NULL, &w);
	if (!handle) {
		np_fail_nomem(r->err);
		return 0;
	}
	yajl_config(handle, yajl_allow_trailing_garbage, 1);
	yajl_config(handle, yajl_dont_validate_strings, 1);
	status = yajl_parse(handle, (const unsigned char *)text, size);
	used = yajl_get_bytes_consumed(handle);
	yajl_free(handle);
	r->is_pending = false;
	if (w.has_member && (status == yajl_status_ok || used > size / 2 + 1))
		return used < size ? used : size;
	r->n_json_failures++;
	return 0;
}
