/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100 };

/*
 * jansson keeps the last of two equal keys, as Go does, and tells nothing. So the text, which it
 * has accepted by then, is gone through once more for their paths.
 */
struct scan {
	const char *p, *end;
	json_t *twice;
	char path[1024]; /* a longer one is cut: it is for a message */
};

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end && strchr(" \t\r\n", *s->p))
		s->p++;
}

/* Moves behind a string; the text's sense is jansson's to judge. */
static void skip_string(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
		if (*s->p == '\\' && s->p + 1 < s->end)
			s->p++;
	if (s->p < s->end)
		s->p++;
}

static int read_key(struct scan *s, json_t **ret)
{
	const char *start = s->p;

	skip_string(s);
	*ret = json_loadb(start, (size_t)(s->p - start), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return *ret ? 0 : -1;
}

static int scan_value(struct scan *s, unsigned depth);

/* Notes a key that its object had before; 1 where it is new, -1 without memory. */
static int note_key(struct scan *s, json_t *seen, const char *key, size_t at)
{
	snprintf(s->path + at, sizeof(s->path) - at, "%s%s", at > 0 ? "." : "", key);
	if (!json_object_get(seen, key))
		return json_object_set_new(seen, key, json_true()) < 0 ? -1 : 1;
	return json_array_append_new(s->twice, json_string(s->path)) < 0 ? -1 : 0;
}

static int scan_member(struct scan *s, json_t *seen, unsigned depth, size_t at)
{
	json_auto_t *key = NULL;

	if (read_key(s, &key) < 0 || note_key(s, seen, json_string_value(key), at) < 0)
		return -1;
	skip_blanks(s);
	s->p++; /* ':' */
	return scan_value(s, depth + 1);
}

static int scan_item(struct scan *s, size_t index, unsigned depth, size_t at)
{
	snprintf(s->path + at, sizeof(s->path) - at, "[%zu]", index);
	return scan_value(s, depth + 1);
}

static int scan_container(struct scan *s, unsigned depth)
{
	json_auto_t *seen = json_object();
	bool is_object = *s->p++ == '{';
	size_t at = strlen(s->path), index = 0;

	if (!seen)
		return -1;
	for (;; index++) {
		skip_blanks(s);
		if (s->p >= s->end || *s->p == ']' || *s->p == '}')
			break;
		if (*s->p == ',') {
			s->p++;
			skip_blanks(s);
		}
		if ((is_object ? scan_member(s, seen, depth, at) : scan_item(s, index, depth, at)) <
		    0)
			return -1;
		s->path[at] = '\0';
	}
	if (s->p < s->end)
		s->p++;
	return 0;
}

static int scan_value(struct scan *s, unsigned depth)
{
	skip_blanks(s);
	if (s->p >= s->end || depth > DEPTH_MAX)
		return s->p >= s->end ? 0 : -1;
	if (*s->p == '{' || *s->p == '[')
		return scan_container(s, depth);
	if (*s->p == '"') {
		skip_string(s);
		return 0;
	}
	while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
		s->p++;
	return 0;
}

/* Tells whether brackets nest deeper than we follow; jansson itself would go to 2,048. */
static bool is_too_deep(const char *bytes, size_t size)
{
	struct scan s = { .p = bytes, .end = bytes + size };
	unsigned depth = 0;

	while (s.p < s.end) {
		if (*s.p == '"') {
			skip_string(&s);
			continue;
		}
		if (*s.p == '{' || *s.p == '[')
			depth++;
		else if ((*s.p == '}' || *s.p == ']') && depth > 0)
			depth--;
		if (depth > DEPTH_MAX)
			return true;
		s.p++;
	}
	return false;
}

static void describe(const json_error_t *e, const char *bytes, size_t size, struct decoded *d)
{
	size_t at = e->position > 0 ? (size_t)e->position - 1 : 0;

	if (json_error_code(e) == json_error_premature_end_of_input || at >= size)
		snprintf(d->error, sizeof(d->error), "unexpected end of JSON input");
	else
		snprintf(d->error, sizeof(d->error),
			 "invalid character '%c' looking for beginning of value",
			 bytes[at] >= 0x20 && bytes[at] < 0x7f ? bytes[at] : '?');
}

int sim_decode_json(const char *bytes, size_t size, struct decoded *ret, struct np_err *err)
{
	struct scan s = { .p = bytes, .end = bytes + size };
	struct decoded d = { .error = "" };
	json_error_t e = { .line = 0 };

	d.twice = json_array();
	if (!d.twice)
		return np_fail_nomem(err);
	if (is_too_deep(bytes, size))
		snprintf(d.error, sizeof(d.error), "exceeded max depth");
	else if (!(d.json = json_loadb(bytes, size, JSON_DECODE_ANY, &e)))
		describe(&e, bytes, size, &d);
	if (*d.error && !d.json && json_error_code(&e) == json_error_out_of_memory) {
		sim_decoded_done(&d);
		return np_fail_nomem(err);
	}
	s.twice = d.twice;
	if (d.json && scan_value(&s, 0) < 0) {
		sim_decoded_done(&d);
		return np_fail_nomem(err);
	}
	*ret = d;
	return 0;
}

void sim_decoded_done(struct decoded *d)
{
	json_decref(d->json);
	json_decref(d->twice);
	d->json = d->twice = NULL;
}
