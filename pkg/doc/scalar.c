/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest spelling of a number that is parsed; a longer one of digits alone is too large. */
#define NUMBER_MAX 512

/*
 * YAML 1.1 as go-yaml v2 reads it, which kubectl uses: by length, so that most texts match no row.
 */
static const struct word {
	char text[6];
	unsigned char size;
	struct scalar is;
} words[] = {
	{ "", 0, { .kind = SCALAR_NULL } },
	{ "n", 1, { .kind = SCALAR_BOOL } },
	{ "N", 1, { .kind = SCALAR_BOOL } },
	{ "y", 1, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "Y", 1, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "~", 1, { .kind = SCALAR_NULL } },
	{ "<<", 2, { .kind = SCALAR_MERGE } },
	{ "NO", 2, { .kind = SCALAR_BOOL } },
	{ "No", 2, { .kind = SCALAR_BOOL } },
	{ "no", 2, { .kind = SCALAR_BOOL } },
	{ "ON", 2, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "On", 2, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "on", 2, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "OFF", 3, { .kind = SCALAR_BOOL } },
	{ "Off", 3, { .kind = SCALAR_BOOL } },
	{ "off", 3, { .kind = SCALAR_BOOL } },
	{ "YES", 3, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "Yes", 3, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "yes", 3, { .kind = SCALAR_BOOL, .boolean = true } },
	{ ".inf", 4, { .kind = SCALAR_NO_NUMBER } },
	{ ".Inf", 4, { .kind = SCALAR_NO_NUMBER } },
	{ ".INF", 4, { .kind = SCALAR_NO_NUMBER } },
	{ ".nan", 4, { .kind = SCALAR_NO_NUMBER } },
	{ ".NaN", 4, { .kind = SCALAR_NO_NUMBER } },
	{ ".NAN", 4, { .kind = SCALAR_NO_NUMBER } },
	{ "NULL", 4, { .kind = SCALAR_NULL } },
	{ "Null", 4, { .kind = SCALAR_NULL } },
	{ "null", 4, { .kind = SCALAR_NULL } },
	{ "TRUE", 4, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "True", 4, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "true", 4, { .kind = SCALAR_BOOL, .boolean = true } },
	{ "+.inf", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "+.Inf", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "+.INF", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "-.inf", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "-.Inf", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "-.INF", 5, { .kind = SCALAR_NO_NUMBER } },
	{ "FALSE", 5, { .kind = SCALAR_BOOL } },
	{ "False", 5, { .kind = SCALAR_BOOL } },
	{ "false", 5, { .kind = SCALAR_BOOL } },
};

static const struct base {
	char letter, capital;
	unsigned base;
	size_t skip;
} bases[] = {
	{ 'b', 'B', 2, 2 },
	{ 'o', 'O', 8, 2 },
	{ 'x', 'X', 16, 2 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Returns the digit's value; 16 for any other character. */
static unsigned digit_value(char c)
{
	if (is_digit(c))
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

/* Sets the base that the digits at `text` announce and returns where they begin. */
static const char *find_base(const char *text, unsigned *ret_base)
{
	*ret_base = 10;
	if (text[0] != '0' || !text[1])
		return text;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		if (text[1] == bases[i].letter || text[1] == bases[i].capital) {
			*ret_base = bases[i].base;
			return text + bases[i].skip;
		}
	}
	*ret_base = 8;
	return text + 1;
}

/* Reads an integer without underscores; SCALAR_STRING for any other text. */
static struct scalar resolve_int(const char *text)
{
	bool negative = *text == '-', large = false;
	struct scalar s = { .kind = SCALAR_STRING };
	uint64_t value = 0, limit = INT64_MAX;
	unsigned base;
	const char *p = find_base(text + (*text == '-' || *text == '+'), &base);

	if (!*p)
		return s;
	for (; *p; p++) {
		unsigned digit = digit_value(*p);

		if (digit >= base)
			return s;
		large |= __builtin_mul_overflow(value, base, &value) ||
			 __builtin_add_overflow(value, digit, &value);
	}
	if (large || value > limit + negative)
		return (struct scalar){ .kind = SCALAR_TOO_LARGE };
	s.kind = SCALAR_INT;
	s.integer = negative ? (json_int_t)(0 - value) : (json_int_t)value;
	return s;
}

static const char *skip_digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

/* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ */
static bool is_float(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	const char *whole = skip_digits(p);
	const char *end = *whole == '.' ? skip_digits(whole + 1) : whole;

	if (whole == p && end <= whole + 1)
		return false;
	if (*end == 'e' || *end == 'E') {
		const char *digits = end + 1 + (end[1] == '-' || end[1] == '+');

		end = skip_digits(digits);
		if (end == digits)
			return false;
	}
	return !*end;
}

/* A float beyond a double's range stays a string, as Go's ParseFloat failing leaves it. */
static struct scalar resolve_float(const char *text)
{
	struct scalar s = { .kind = SCALAR_STRING };

	if (!is_float(text))
		return s;
	s.real = strtod(text, NULL);
	if (isfinite(s.real))
		s.kind = SCALAR_FLOAT;
	return s;
}

/* Copies without underscores; false where it is too long. */
static bool strip(const char *text, size_t size, char buf[static NUMBER_MAX])
{
	size_t used = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '_')
			continue;
		if (used + 1 == NUMBER_MAX)
			return false;
		buf[used++] = text[i];
	}
	buf[used] = '\0';
	return true;
}

/*
 * A text that opens with a point is a float with its underscores or none: go-yaml strips them
 * later.
 */
static struct scalar resolve_number(const char *text, size_t size)
{
	struct scalar s = { .kind = SCALAR_STRING };
	char plain[NUMBER_MAX];

	if (*text == '.' && memchr(text, '_', size))
		return s;
	if (!strip(text, size, plain))
		return s;
	s = resolve_int(plain);
	/* 08 and 09 are floats, not octal numbers. */
	if (s.kind == SCALAR_STRING)
		s = resolve_float(plain);
	return s;
}

struct scalar doc_scalar_resolve(const char *text, size_t size)
{
	struct scalar s = { .kind = SCALAR_STRING };
	char first = size ? *text : '\0';

	/* No word begins with another letter. */
	if (size < sizeof(words[0].text) && (size == 0 || strchr("nNyY~<oOfF.tT+-", first)))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (words[i].size == size && memcmp(words[i].text, text, size) == 0)
				return words[i].is;
	if (!is_digit(first) && first != '+' && first != '-' && first != '.')
		return s;
	return resolve_number(text, size);
}

/* Writes with the fewest digits that read back as `value`; returns how many those are. */
static int shortest(double value, bool single, char buf[static FLOAT_TEXT_MAX])
{
	int digits = 1;

	for (;; digits++) {
		snprintf(buf, FLOAT_TEXT_MAX, "%.*e", digits - 1, value);
		if (single ? strtof(buf, NULL) == (float)value : strtod(buf, NULL) == value)
			return digits;
	}
}

static int exponent_of(const char *text)
{
	return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

void doc_scalar_format_float(double value, char buf[static FLOAT_TEXT_MAX])
{
	int digits = shortest(value, false, buf);
	int exponent = exponent_of(buf);

	if (exponent < -4 || exponent > 15)
		return;
	/* At least one digit behind the point, or it would read back as an integer. */
	snprintf(buf, FLOAT_TEXT_MAX, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 1,
		 value);
}

bool doc_scalar_format_key(double value, char buf[static FLOAT_TEXT_MAX])
{
	int digits, exponent;

	if (!isfinite((float)value))
		return false;
	digits = shortest((float)value, true, buf);
	exponent = exponent_of(buf);
	/* The bounds of Go's FormatFloat(x, 'g', -1, 32), which spells such a key. */
	if (exponent >= -4 && exponent < 6)
		snprintf(buf, FLOAT_TEXT_MAX, "%.*f",
			 digits - 1 > exponent ? digits - 1 - exponent : 0, (double)(float)value);
	return true;
}
