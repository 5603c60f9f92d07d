/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

#define QUOTED "'%.64s'"

/* Significant digits of a quantity; Kubernetes itself keeps about 28. */
#define DIGITS_MAX 64
/* 2^60, the factor of Ei, has 19 digits. */
#define DIGITS_ROOM (DIGITS_MAX + 20)
#define U64_DIGITS 20

bool np_is_pow2(uint64_t n)
{
	return n && !(n & (n - 1));
}

int np_pow2_ceil(uint64_t n, uint64_t *ret, struct np_err *err)
{
	uint64_t power = 1;

	if (n > UINT64_C(1) << 63)
		return np_fail(err, NP_E_WINDOW,
			       "'%" PRIu64 "' has no power of two above it in 64 bits", n);
	while (power < n)
		power <<= 1;
	*ret = power;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Tells whether one more digit still fits 64 bits, and appends it. */
static bool push_digit(uint64_t *value, char digit)
{
	return !__builtin_mul_overflow(*value, 10, value) &&
	       !__builtin_add_overflow(*value, (uint64_t)(digit - '0'), value);
}

static bool read_u64(const char *text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return false;
	for (; *text; text++)
		if (!is_digit(*text) || !push_digit(&value, *text))
			return false;
	*ret = value;
	return true;
}

int np_u64_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct np_err *err)
{
	uint64_t value;

	if (!read_u64(text, &value) || value < min || value > max)
		return np_fail(err, NP_E_SPEC,
			       QUOTED " is not a whole number from %" PRIu64 " to %" PRIu64, text,
			       min, max);
	*ret = value;
	return 0;
}

/* A number as decimal digits, most significant first, so that halves and powers of ten stay exact. */
struct decimal {
	unsigned char digits[DIGITS_ROOM];
	size_t count;
	int64_t point; /* how many of the digits, or of zeros after them, stand before the point */
};

static const struct suffix {
	const char *text;
	unsigned pow2;
	int pow10;
} suffixes[] = {
	{ "", 0, 0 },    { "E", 0, 18 },  { "Ei", 60, 0 }, { "G", 0, 9 },
	{ "Gi", 30, 0 }, { "Ki", 10, 0 }, { "M", 0, 6 },   { "Mi", 20, 0 },
	{ "P", 0, 15 },  { "Pi", 50, 0 }, { "T", 0, 12 },  { "Ti", 40, 0 },
	{ "k", 0, 3 },   { "m", 0, -3 },  { "n", 0, -9 },  { "u", 0, -6 },
};

/* Reads digits with at most one point; NULL where there is no digit or there are too many. */
static const char *read_decimal(const char *text, struct decimal *ret)
{
	struct decimal d = { .count = 0 };
	bool seen = false, fraction = false;

	for (; is_digit(*text) || (*text == '.' && !fraction); text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		seen = true;
		if (fraction && !d.count && *text == '0')
			d.point--;
		if (!d.count && *text == '0')
			continue;
		if (d.count == DIGITS_MAX)
			return NULL;
		d.digits[d.count++] = (unsigned char)(*text - '0');
		d.point += !fraction;
	}
	*ret = d;
	return seen ? text : NULL;
}

static void double_decimal(struct decimal *d)
{
	unsigned carry = 0;

	for (size_t i = d->count; i-- > 0;) {
		unsigned twice = 2U * d->digits[i] + carry;

		d->digits[i] = (unsigned char)(twice % 10);
		carry = twice / 10;
	}
	if (!carry)
		return;
	memmove(d->digits + 1, d->digits, d->count++);
	d->digits[0] = 1;
	d->point++;
}

/* Sets *ret to the number rounded up; false where that exceeds 64 bits. */
static bool ceil_decimal(const struct decimal *d, uint64_t *ret)
{
	uint64_t value = 0;
	size_t whole = 0;
	bool rest = false;

	if (d->count && d->point > U64_DIGITS)
		return false;
	for (; d->count && (int64_t)whole < d->point; whole++)
		if (!push_digit(&value, whole < d->count ? (char)('0' + d->digits[whole]) : '0'))
			return false;
	for (size_t i = whole; i < d->count; i++)
		rest |= d->digits[i] != 0;
	if (__builtin_add_overflow(value, (uint64_t)rest, &value))
		return false;
	*ret = value;
	return true;
}

/* Reads "e3", "E-3" and the like; false where it is no exponent. */
static bool read_exponent(const char *text, int64_t *ret)
{
	bool negative = text[0] && text[1] == '-';
	uint64_t value;

	if (*text != 'e' && *text != 'E')
		return false;
	text += text[1] == '-' || text[1] == '+' ? 2 : 1;
	/* 32 bits, as Kubernetes reads it: beyond that every number is out of range or nothing. */
	if (!read_u64(text, &value) || value > INT32_MAX)
		return false;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static const struct suffix *find_suffix(const char *text)
{
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(suffixes[i].text, text) == 0)
			return &suffixes[i];
	return NULL;
}

/* Applies what stands behind the digits; false where that is no suffix. */
static bool scale_decimal(struct decimal *d, const char *text)
{
	const struct suffix *suffix = find_suffix(text);
	int64_t exponent;

	if (!suffix) {
		if (!read_exponent(text, &exponent))
			return false;
		d->point += exponent;
		return true;
	}
	d->point += suffix->pow10;
	for (unsigned i = 0; i < suffix->pow2; i++)
		double_decimal(d);
	return true;
}

int np_quantity_parse(const char *text, uint64_t *ret_bytes, struct np_err *err)
{
	struct decimal d;
	const char *rest = read_decimal(text + (*text == '-' || *text == '+'), &d);

	if (!rest || !scale_decimal(&d, rest))
		return np_fail(err, NP_E_SPEC,
			       QUOTED
			       " is not a quantity such as '64Gi', '512M', '1.5e9' or '1000'",
			       text);
	if (*text == '-' && d.count)
		return np_fail(err, NP_E_SPEC, QUOTED " is negative, a quantity here is 0 or more",
			       text);
	if (!ceil_decimal(&d, ret_bytes))
		return np_fail(err, NP_E_SPEC,
			       QUOTED " is too large, at most 16Ei less one byte fit", text);
	return 0;
}

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* The longer name first where one begins another. */
static const struct duration_unit {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{ "h", 3600 * NS_PER_S }, { "ms", NS_PER_MS }, { "m", 60 * NS_PER_S }, { "ns", 1 },
	{ "s", NS_PER_S },        { "us", 1000 },      { "\xc2\xb5s", 1000 }, /* the micro sign */
	{ "\xce\xbcs", 1000 }, /* the Greek letter, which Go takes as well */
};

static const struct duration_unit *find_unit(const char *text)
{
	for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++)
		if (strncmp(text, duration_units[i].name, strlen(duration_units[i].name)) == 0)
			return &duration_units[i];
	return NULL;
}

/* One "1.5h" of a duration. */
struct term {
	uint64_t whole;
	uint64_t fraction; /* in 1/scale */
	uint64_t scale;
};

/* Returns what follows the number; NULL where there is none or it is too large. */
static const char *read_term(const char *text, struct term *ret)
{
	struct term t = { .scale = 1 };
	const char *start = text;

	for (; is_digit(*text); text++)
		if (!push_digit(&t.whole, *text))
			return NULL;
	if (text == start && (*text != '.' || !is_digit(text[1])))
		return NULL;
	if (*text == '.')
		text++;
	for (; is_digit(*text); text++) {
		/* Digits below 10^-18 of a unit are less than a nanosecond even of an hour. */
		if (t.scale >= UINT64_C(1000000000000000000))
			continue;
		(void)push_digit(&t.fraction, *text);
		t.scale *= 10;
	}
	*ret = t;
	return text;
}

static bool add_term(uint64_t *total_ns, const struct term *t, uint64_t unit_ns)
{
	unsigned __int128 part = (unsigned __int128)t->fraction * unit_ns / t->scale;
	uint64_t whole;

	return !__builtin_mul_overflow(t->whole, unit_ns, &whole) &&
	       !__builtin_add_overflow(*total_ns, whole, total_ns) &&
	       !__builtin_add_overflow(*total_ns, (uint64_t)part, total_ns) &&
	       *total_ns <= INT64_MAX;
}

/* Reads all terms; false where one is malformed or the sum too large for Go's 63 bits of nanoseconds. */
static bool read_duration(const char *text, uint64_t *ret_ns)
{
	const char *start = text;
	uint64_t total = 0;

	do {
		const struct duration_unit *unit;
		struct term t;
		const char *rest = read_term(text, &t);

		if (!rest)
			return false;
		unit = find_unit(rest);
		if (!unit && (*rest || text != start))
			return false;
		if (!add_term(&total, &t, unit ? unit->ns : NS_PER_S))
			return false;
		text = unit ? rest + strlen(unit->name) : rest;
	} while (*text);
	*ret_ns = total;
	return true;
}

int np_duration_parse(const char *text, uint64_t *ret_ms, struct np_err *err)
{
	uint64_t ns;

	if (*text == '-')
		return np_fail(err, NP_E_SPEC, QUOTED " is negative, a duration here is 0 or more",
			       text);
	if (!read_duration(text + (*text == '+'), &ns))
		return np_fail(err, NP_E_SPEC,
			       QUOTED
			       " is not a duration such as '30s', '1m30s' or '500ms', at most"
			       " 292 years",
			       text);
	/* Up, since a deadline of 0 means none to many a caller. */
	*ret_ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
	return 0;
}

void np_size_text(uint64_t bytes, char buf[static NP_SIZE_TEXT_MAX])
{
	uint64_t gb = bytes / NP_GIB, mb = bytes % NP_GIB / NP_MIB;

	if (bytes % NP_KIB != 0 || bytes == 0)
		snprintf(buf, NP_SIZE_TEXT_MAX, "%" PRIu64 " B", bytes);
	else if (bytes % NP_MIB != 0)
		snprintf(buf, NP_SIZE_TEXT_MAX, "%" PRIu64 " KB", bytes / NP_KIB);
	else if (gb > 0 && mb > 0)
		snprintf(buf, NP_SIZE_TEXT_MAX, "%" PRIu64 " GB + %" PRIu64 " MB", gb, mb);
	else
		snprintf(buf, NP_SIZE_TEXT_MAX, "%" PRIu64 " %s", gb > 0 ? gb : mb,
			 gb > 0 ? "GB" : "MB");
}
