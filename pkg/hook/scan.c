/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "internal.h"

static bool fail(struct scan *s, const char *fault)
{
	if (!s->fault)
		s->fault = fault;
	return false;
}

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

static bool skip_escape(struct scan *s)
{
	if (s->end - s->at < 2)
		return fail(s, "a string without an end");
	if (s->at[1] != 'u') {
		if (!strchr("\"\\/bfnrt", s->at[1]) || s->at[1] == '\0')
			return fail(s, "an escape that JSON does not know");
		s->at += 2;
		return true;
	}
	s->at += 2;
	for (int i = 0; i < 4; i++, s->at++)
		if (s->at == s->end || !isxdigit((unsigned char)*s->at))
			return fail(s, "an escape that JSON does not know");
	return true;
}

static bool skip_string(struct scan *s)
{
	s->at++;
	while (s->at < s->end) {
		unsigned char c = (unsigned char)*s->at;

		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			if (!skip_escape(s))
				return false;
			continue;
		}
		if (c < 0x20)
			return fail(s, "a control character in a string");
		s->at++;
	}
	return fail(s, "a string without an end");
}

/* Returns how many digits were passed over. */
static size_t skip_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && isdigit((unsigned char)*s->at))
		s->at++;
	return (size_t)(s->at - from);
}

static bool skip_number(struct scan *s)
{
	const char *from;

	s->at += *s->at == '-';
	from = s->at;
	/* No zero may lead. */
	if (skip_digits(s) == 0 || (*from == '0' && s->at - from > 1))
		return fail(s, "a number that JSON does not know");
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (skip_digits(s) == 0)
			return fail(s, "a number that JSON does not know");
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
		if (skip_digits(s) == 0)
			return fail(s, "a number that JSON does not know");
	}
	return true;
}

static bool skip_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return fail(s, "something that is no JSON");
	s->at += n;
	return true;
}

/* A value of any kind but object and list. */
static bool skip_scalar(struct scan *s)
{
	switch (s->at < s->end ? *s->at : '\0') {
	case '"':
		return skip_string(s);
	case 't':
		return skip_word(s, "true");
	case 'f':
		return skip_word(s, "false");
	case 'n':
		return skip_word(s, "null");
	default:
		if (s->at < s->end && (*s->at == '-' || isdigit((unsigned char)*s->at)))
			return skip_number(s);
		return fail(s, s->at == s->end ? "the end" : "something that is no JSON");
	}
}

bool scan_open(struct scan *s, char bracket)
{
	skip_blanks(s);
	if (s->at < s->end && *s->at == bracket) {
		s->at++;
		return true;
	}
	/* Go writes a list that was never made as null. */
	if (s->at < s->end && *s->at == 'n') {
		skip_word(s, "null");
		return false;
	}
	return fail(s, bracket == '{' ? "no object" : "no list");
}

/* Passes the comma in front of all but the first; false at the end, which is passed too. */
static bool next(struct scan *s, char open, char close)
{
	const char *before = s->at;

	if (s->fault)
		return false;
	skip_blanks(s);
	if (s->at < s->end && *s->at == close) {
		s->at++;
		return false;
	}
	/* `before` is behind the bracket where no value was passed yet. */
	if (before > s->begin && before[-1] == open)
		return true;
	if (s->at == s->end || *s->at != ',')
		return fail(s, s->at == s->end ? "the end" : "no comma between two values");
	s->at++;
	skip_blanks(s);
	return true;
}

bool scan_item(struct scan *s)
{
	return next(s, '[', ']');
}

bool scan_member(struct scan *s, struct span *ret_key)
{
	const char *from;

	if (!next(s, '{', '}'))
		return false;
	from = s->at;
	if (s->at == s->end || *s->at != '"')
		return fail(s, "no key");
	if (!skip_string(s))
		return false;
	*ret_key = (struct span){ from, (size_t)(s->at - from) };
	skip_blanks(s);
	if (s->at == s->end || *s->at != ':')
		return fail(s, "no colon behind a key");
	s->at++;
	return true;
}

static bool skip(struct scan *s, unsigned depth)
{
	struct span key;
	char bracket;

	skip_blanks(s);
	bracket = s->at < s->end ? *s->at : '\0';
	if (bracket != '{' && bracket != '[')
		return skip_scalar(s);
	if (depth == NP_DEPTH_MAX)
		return fail(s, "too many levels");
	s->at++;
	while (bracket == '{' ? scan_member(s, &key) : scan_item(s))
		if (!skip(s, depth + 1))
			return false;
	return !s->fault;
}

bool scan_skip(struct scan *s)
{
	return !s->fault && skip(s, 0);
}

bool scan_take(struct scan *s, struct span *ret)
{
	const char *from;

	skip_blanks(s);
	from = s->at;
	if (!scan_skip(s))
		return false;
	*ret = (struct span){ from, (size_t)(s->at - from) };
	return true;
}

bool scan_is_done(struct scan *s)
{
	skip_blanks(s);
	return s->at == s->end || fail(s, "something behind the value");
}

bool key_is(struct span key, const char *name)
{
	size_t n = strlen(name);
	json_auto_t *tree = NULL;

	if (key.n == n + 2 && memcmp(key.p + 1, name, n) == 0)
		return true;
	if (!memchr(key.p, '\\', key.n))
		return false;
	tree = span_tree(key);
	return tree && strcmp(json_string_value(tree), name) == 0;
}

bool scan_seek(struct scan *s, const struct seek *seeks, size_t n)
{
	struct span key;

	if (!scan_open(s, '{'))
		return !s->fault;
	while (scan_member(s, &key)) {
		size_t i = 0;

		while (i < n && !key_is(key, seeks[i].name))
			i++;
		if (!(i < n ? scan_take(s, seeks[i].ret) : scan_skip(s)))
			return false;
	}
	return !s->fault;
}

struct scan span_open(struct span value)
{
	return (struct scan){ value.p, value.p, value.p + value.n, NULL };
}

json_t *span_tree(struct span value)
{
	json_error_t ignored;

	return value.p ? json_loadb(value.p, value.n, JSON_DECODE_ANY, &ignored) : NULL;
}

int span_text(struct span value, json_t **ret)
{
	json_t *tree;

	if (!value.p || (value.n == 4 && memcmp(value.p, "null", 4) == 0))
		return 0;
	tree = span_tree(value);
	if (!json_is_string(tree)) {
		json_decref(tree);
		return -1;
	}
	*ret = tree;
	return 0;
}
