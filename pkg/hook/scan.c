/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "nodeprep/err.h"

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
	json_auto_t *text = NULL;

	if (key.n == n + 2 && memcmp(key.p + 1, name, n) == 0)
		return true;
	if (!memchr(key.p, '\\', key.n))
		return false;
	return span_text(key, &text) == 0 && text && strcmp(json_string_value(text), name) == 0;
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

/* --- trees ------------------------------------------------------------------------------------ */

/*
 * Trees are built here, and not by json_loadb(), which loses bytes of a text without a word where its
 * buffer cannot grow (seen with jansson 2.14), and which reads each byte by a call.
 */
static json_t *build(struct scan *s, unsigned depth);

static json_t *build_object(struct scan *s, unsigned depth)
{
	json_auto_t *object = json_object();
	struct span key;

	s->at++;
	while (object && scan_member(s, &key)) {
		json_auto_t *name = NULL;
		json_t *value = NULL;

		if (span_text(key, &name) == -NP_E_SPEC)
			fail(s, "a key that is no text");
		else if (name)
			value = build(s, depth + 1);
		if (!value ||
		    json_object_set_new_nocheck(object, json_string_value(name), value) < 0)
			return NULL;
	}
	return s->fault ? NULL : json_incref(object);
}

static json_t *build_list(struct scan *s, unsigned depth)
{
	json_auto_t *list = json_array();

	s->at++;
	while (list && scan_item(s)) {
		json_t *value = build(s, depth + 1);

		if (!value || json_array_append_new(list, value) < 0)
			return NULL;
	}
	return s->fault ? NULL : json_incref(list);
}

static unsigned hex_of(const char *digits)
{
	char text[5] = { digits[0], digits[1], digits[2], digits[3], '\0' };

	return (unsigned)strtoul(text, NULL, 16);
}

/* Writes a code point and returns how many bytes it took. */
static size_t put_utf8(unsigned code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 63));
		out[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 63));
	out[2] = (char)(0x80 | (code >> 6 & 63));
	out[3] = (char)(0x80 | (code & 63));
	return 4;
}

/* Decodes "uXXXX", or two of them that make one character; 0 where they make none. */
static unsigned decode_unicode(const char **at)
{
	unsigned high = hex_of(*at + 1), low;

	*at += 5;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || (*at)[0] != '\\' || (*at)[1] != 'u')
		return 0;
	low = hex_of(*at + 2);
	if (low < 0xdc00 || low > 0xdfff)
		return 0;
	*at += 6;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Decodes what stands behind a backslash; 0 where it is no character. */
static unsigned decode_escape(const char **at)
{
	static const char letters[] = "bfnrt", codes[] = "\b\f\n\r\t";
	const char *letter;

	if (**at == 'u')
		return decode_unicode(at);
	letter = strchr(letters, *(*at)++);
	return (unsigned char)(letter ? codes[letter - letters] : (*at)[-1]);
}

/* jansson tells bytes that are no UTF-8 and memory that ran out alike. */
static json_t *make_string(struct scan *s, const char *bytes, size_t n)
{
	json_t *string = json_stringn(bytes, n);
	json_auto_t *unchecked = string ? NULL : json_stringn_nocheck(bytes, n);

	if (unchecked)
		fail(s, "bytes that are no UTF-8");
	return string;
}

/* A decoded text is never longer than what it was written as. */
static json_t *build_escaped(struct scan *s, const char *from, const char *to)
{
	NP_AUTO(np_freep) char *text = malloc((size_t)(to - from) + 1);
	size_t n = 0;

	while (text && from < to) {
		unsigned code;

		if (*from != '\\') {
			text[n++] = *from++;
			continue;
		}
		from++;
		code = decode_escape(&from);
		if (code == 0) {
			fail(s, "an escape that is no character");
			return NULL;
		}
		n += put_utf8(code, text + n);
	}
	return text ? make_string(s, text, n) : NULL;
}

/* `from` and `to` stand behind and at the quotes. */
static json_t *build_string(struct scan *s, const char *from, const char *to)
{
	size_t n = (size_t)(to - from);

	if (memchr(from, '\\', n))
		return build_escaped(s, from, to);
	return make_string(s, from, n);
}

static json_t *build_number(struct scan *s, const char *from, size_t n)
{
	char text[64];
	long long whole;
	double real;

	if (n >= sizeof(text)) {
		fail(s, "a number that is too long");
		return NULL;
	}
	memcpy(text, from, n);
	text[n] = '\0';
	errno = 0;
	if (!strpbrk(text, ".eE")) {
		whole = strtoll(text, NULL, 10);
		if (errno == 0)
			return json_integer(whole);
	} else {
		real = strtod(text, NULL);
		if (isfinite(real))
			return json_real(real);
	}
	fail(s, "a number that is too large");
	return NULL;
}

static json_t *build_scalar(struct scan *s)
{
	const char *from = s->at;

	if (!skip_scalar(s))
		return NULL;
	switch (*from) {
	case '"':
		return build_string(s, from + 1, s->at - 1);
	case 't':
		return json_true();
	case 'f':
		return json_false();
	case 'n':
		return json_null();
	default:
		return build_number(s, from, (size_t)(s->at - from));
	}
}

static json_t *build(struct scan *s, unsigned depth)
{
	char bracket;

	skip_blanks(s);
	bracket = s->at < s->end ? *s->at : '\0';
	if (bracket != '{' && bracket != '[')
		return build_scalar(s);
	if (depth == NP_DEPTH_MAX) {
		fail(s, "too many levels");
		return NULL;
	}
	return bracket == '{' ? build_object(s, depth) : build_list(s, depth);
}

int span_tree(struct span value, json_t **ret)
{
	struct scan s = span_open(value);
	json_t *tree = value.p ? build(&s, 0) : NULL;

	if (!tree)
		return s.fault ? -NP_E_SPEC : value.p ? -NP_E_NOMEM : 0;
	*ret = tree;
	return 0;
}

int span_text(struct span value, json_t **ret)
{
	json_auto_t *tree = NULL;
	int r;

	if (!value.p || (value.n == 4 && memcmp(value.p, "null", 4) == 0))
		return 0;
	r = span_tree(value, &tree);
	if (r < 0)
		return r;
	if (!json_is_string(tree))
		return -NP_E_SPEC;
	*ret = json_incref(tree);
	return 0;
}
