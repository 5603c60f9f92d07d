/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/units.h"

#include "expect.h"
#include "files.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#include "units_fuzz.c"

#define SENTINEL UINT64_C(0xdeadbeef)

typedef int parse_fn(const char *text, uint64_t *ret, struct np_err *err);

struct parse_case {
	const char *what, *text;
	uint64_t expect;
	const char *refused; /* a part of the message; NULL: it is read */
};

static void check_parse(parse_fn *parse, const struct parse_case *c)
{
	struct np_err err = NP_ERR_INIT;
	uint64_t value = SENTINEL;
	int r = parse(c->text, &value, &err);

	print_message("# %s\n", c->what);
	if (!c->refused) {
		assert_string_equal(err.text, "");
		assert_int_equal(r, 0);
		assert_true(value == c->expect);
		return;
	}
	assert_int_equal(r, -NP_E_SPEC);
	assert_int_equal(err.code, NP_E_SPEC);
	assert_true(value == SENTINEL);
	assert_non_null(strstr(err.text, c->refused));
}

static const struct parse_case quantity_cases[] = {
	{ "a bare number is bytes", "1000", 1000, NULL },
	{ "zero", "0", 0, NULL },
	{ "leading zeros", "0064Gi", 64 * NP_GIB, NULL },
	{ "a plus sign", "+5", 5, NULL },
	{ "kibibytes", "1Ki", 1024, NULL },
	{ "mebibytes", "1Mi", NP_MIB, NULL },
	{ "gibibytes", "256Gi", 256 * NP_GIB, NULL },
	{ "tebibytes", "1Ti", 1024 * NP_GIB, NULL },
	{ "pebibytes", "1Pi", 1024 * 1024 * NP_GIB, NULL },
	{ "exbibytes", "1Ei", UINT64_C(1) << 60, NULL },
	{ "kilobytes", "3k", 3000, NULL },
	{ "megabytes", "512M", 512000000, NULL },
	{ "gigabytes", "1G", 1000000000, NULL },
	{ "terabytes", "1T", UINT64_C(1000000000000), NULL },
	{ "petabytes", "1P", UINT64_C(1000000000000000), NULL },
	{ "exabytes, not an exponent", "1E", UINT64_C(1000000000000000000), NULL },
	{ "an exponent", "1e3", 1000, NULL },
	{ "a capital exponent", "1E3", 1000, NULL },
	{ "a signed exponent", "1e+3", 1000, NULL },
	{ "a fraction with an exponent", "1.5e9", 1500000000, NULL },
	{ "a negative exponent rounds up", "1500e-3", 2, NULL },
	{ "a negative exponent without rest", "5000e-3", 5, NULL },
	{ "half a gibibyte", "0.5Gi", NP_GIB / 2, NULL },
	{ "a fraction of a kibibyte rounds up", "0.3Ki", 308, NULL },
	{ "thousandths round up", "100m", 1, NULL },
	{ "whole thousandths", "2000m", 2, NULL },
	{ "millionths", "3000000u", 3, NULL },
	{ "billionths round up", "1000000001n", 2, NULL },
	{ "next to nothing rounds up to one", "0.1n", 1, NULL },
	{ "a tiny exponent rounds up to one", "1e-2147483647", 1, NULL },
	{ "zero of whatever size is zero", "0e2147483647", 0, NULL },
	{ "nothing with a suffix", "0.000Ei", 0, NULL },
	{ "a point first", ".5", 1, NULL },
	{ "a point last", "5.", 5, NULL },
	{ "a fraction behind zeros", "0.0009765625Ki", 1, NULL },
	{ "a rest in the fortieth digit", "1.000000000000000000000000000000000000001Ki", 1025,
	  NULL },
	{ "no rest in forty digits", "1.0000000000000000000000000000000000000000Ki", 1024, NULL },
	{ "minus nothing is nothing", "-0", 0, NULL },
	{ "the largest", "18446744073709551615", UINT64_MAX, NULL },
	{ "the largest in exbibytes", "15Ei", UINT64_C(15) << 60, NULL },
	{ "just too large", "18446744073709551616", 0, "too large" },
	{ "too large by rounding up", "18446744073709551615.1", 0, "too large" },
	{ "too large by its suffix", "16Ei", 0, "too large" },
	{ "too large by its exponent", "1e20", 0, "too large" },
	{ "far too large by its exponent", "1e2147483647", 0, "too large" },
	{ "negative", "-1Gi", 0, "'-1Gi' is negative" },
	{ "negative and tiny", "-1n", 0, "is negative" },
	{ "nothing", "", 0, "'' is not a quantity" },
	{ "a suffix alone", "Gi", 0, "'Gi' is not a quantity" },
	{ "a point alone", ".", 0, "is not a quantity" },
	{ "a sign alone", "-", 0, "is not a quantity" },
	{ "two points", "1.2.3", 0, "is not a quantity" },
	{ "an exponent without digits", "1e", 0, "is not a quantity" },
	{ "an exponent that is no whole number", "1e1.5", 0, "is not a quantity" },
	{ "an exponent beyond 32 bits", "1e2147483648", 0, "is not a quantity" },
	{ "a suffix behind an exponent", "1e3Gi", 0, "is not a quantity" },
	{ "a suffix in the wrong case", "1gi", 0, "is not a quantity" },
	{ "a unit of bytes", "64GB", 0, "is not a quantity" },
	{ "a blank", "64 Gi", 0, "is not a quantity" },
	{ "a blank in front", " 64Gi", 0, "is not a quantity" },
	{ "not a number at all", "lots", 0, "is not a quantity" },
	{ "more digits than anyone needs",
	  "1111111111111111111111111111111111111111111111111111111111111111111111", 0,
	  "is not a quantity" },
};

static void test_units__quantity_is_read_as_kubernetes_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(quantity_cases); i++)
		check_parse(np_quantity_parse, &quantity_cases[i]);
}

static const struct parse_case duration_cases[] = {
	{ "a bare number is seconds", "30", 30000, NULL },
	{ "a bare fraction is seconds", "1.5", 1500, NULL },
	{ "zero needs no unit", "0", 0, NULL },
	{ "zero with a unit", "0s", 0, NULL },
	{ "hours", "2h", 7200000, NULL },
	{ "minutes", "3m", 180000, NULL },
	{ "seconds", "4s", 4000, NULL },
	{ "milliseconds, not minutes", "500ms", 500, NULL },
	{ "several units", "1h30m15s", 5415000, NULL },
	{ "units in any order, again and again", "1s1h1s", 3602000, NULL },
	{ "a fraction of an hour", "1.5h", 5400000, NULL },
	{ "a point first", ".5s", 500, NULL },
	{ "a point last", "5.s", 5000, NULL },
	{ "a plus sign", "+5s", 5000, NULL },
	{ "microseconds round up", "1500us", 2, NULL },
	{ "a micro sign", "1000\302\265s", 1, NULL },
	{ "a Greek mu", "1000\316\274s", 1, NULL },
	{ "nanoseconds round up", "1ns", 1, NULL },
	{ "a fraction is exact", "0.001s", 1, NULL },
	{ "more digits than a nanosecond has", "0.0000000000000000000000000000001h", 0, NULL },
	{ "the longest", "9223372036854775807ns", UINT64_C(9223372036855), NULL },
	{ "just too long", "9223372036854775808ns", 0, "is not a duration" },
	{ "too long by its unit", "2562048h", 0, "is not a duration" },
	{ "too long by the sum", "9223372036s854775808ns", 0, "is not a duration" },
	{ "too many digits", "99999999999999999999s", 0, "is not a duration" },
	{ "negative", "-5s", 0, "'-5s' is negative" },
	{ "nothing", "", 0, "is not a duration" },
	{ "a unit alone", "s", 0, "is not a duration" },
	{ "a point alone", ".s", 0, "is not a duration" },
	{ "a number without a unit behind one with", "1m30", 0, "is not a duration" },
	{ "an unknown unit", "5d", 0, "'5d' is not a duration" },
	{ "a blank", "5 s", 0, "is not a duration" },
	{ "two signs", "+-5s", 0, "is not a duration" },
};

static void test_units__duration_is_read_as_go_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(duration_cases); i++)
		check_parse(np_duration_parse, &duration_cases[i]);
}

static int parse_1_to_max(const char *text, uint64_t *ret, struct np_err *err)
{
	return np_u64_parse(text, 1, UINT64_MAX, ret, err);
}

static int parse_5_to_9(const char *text, uint64_t *ret, struct np_err *err)
{
	return np_u64_parse(text, 5, 9, ret, err);
}

static const struct parse_case wide_cases[] = {
	{ "the largest", "18446744073709551615", UINT64_MAX, NULL },
	{ "leading zeros", "007", 7, NULL },
	{ "one too large", "18446744073709551616", 0, "'18446744073709551616' is not a whole" },
	{ "many digits too large", "184467440737095516150", 0, "is not a whole number" },
	{ "nothing", "", 0, "is not a whole number" },
	{ "a sign", "+1", 0, "is not a whole number" },
	{ "a minus sign", "-1", 0, "is not a whole number" },
	{ "a blank in front", " 1", 0, "is not a whole number" },
	{ "a blank behind", "1 ", 0, "is not a whole number" },
	{ "a base", "0x10", 0, "is not a whole number" },
	{ "below the least", "0", 0, "from 1 to 18446744073709551615" },
};

static const struct parse_case narrow_cases[] = {
	{ "the least", "5", 5, NULL },
	{ "the most", "9", 9, NULL },
	{ "one less", "4", 0, "'4' is not a whole number from 5 to 9" },
	{ "one more", "10", 0, "'10' is not a whole number from 5 to 9" },
};

static void test_units__number_outside_its_range_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(wide_cases); i++)
		check_parse(parse_1_to_max, &wide_cases[i]);
	for (size_t i = 0; i < COUNT(narrow_cases); i++)
		check_parse(parse_5_to_9, &narrow_cases[i]);
}

static void test_units__power_of_two_is_known(void **state)
{
	(void)state;
	assert_false(np_is_pow2(0));
	assert_false(np_is_pow2(3));
	assert_false(np_is_pow2(UINT64_MAX));
	for (unsigned i = 0; i < 64; i++)
		assert_true(np_is_pow2(UINT64_C(1) << i));
}

static const struct pow2_case {
	const char *what;
	uint64_t n, expect;
} pow2_cases[] = {
	{ "one is a power itself", 1, 1 },
	{ "two as well", 2, 2 },
	{ "three rounds up", 3, 4 },
	{ "one above a power doubles", 513, 1024 },
	{ "the largest power stays", UINT64_C(1) << 63, UINT64_C(1) << 63 },
	{ "the largest power is reached", (UINT64_C(1) << 62) + 1, UINT64_C(1) << 63 },
};

static void test_units__power_of_two_above_is_found(void **state)
{
	struct np_err err = NP_ERR_INIT;
	uint64_t power = SENTINEL;

	(void)state;
	for (size_t i = 0; i < COUNT(pow2_cases); i++) {
		print_message("# %s\n", pow2_cases[i].what);
		assert_int_equal(np_pow2_ceil(pow2_cases[i].n, &power, &err), 0);
		assert_true(power == pow2_cases[i].expect);
	}
	power = SENTINEL;
	assert_int_equal(np_pow2_ceil((UINT64_C(1) << 63) + 1, &power, &err), -NP_E_WINDOW);
	assert_true(power == SENTINEL);
	assert_non_null(strstr(err.text, "'9223372036854775809'"));
}

static void test_units__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/base/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units__quantity_is_read_as_kubernetes_reads_it),
		cmocka_unit_test(test_units__duration_is_read_as_go_reads_it),
		cmocka_unit_test(test_units__number_outside_its_range_is_refused),
		cmocka_unit_test(test_units__power_of_two_is_known),
		cmocka_unit_test(test_units__power_of_two_above_is_found),
		cmocka_unit_test(test_units__corpus_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
