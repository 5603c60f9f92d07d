/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct code_case {
	const char *what;
	enum np_code code;
	const char *name;
	int exit_status;
	unsigned cni;
} code_cases[] = {
	{ "success", NP_OK, "ok", 0, 0 },
	{ "a wrong command line", NP_E_USAGE, "usage", 2, 4 },
	{ "input that cannot be right", NP_E_SPEC, "bad-input", 3, 7 },
	{ "a window that cannot hold the cards", NP_E_WINDOW, "window", 3, 103 },
	{ "a class that is not there", NP_E_NOT_FOUND, "not-found", 4, 100 },
	{ "a server that refused", NP_E_REFUSED, "refused", 5, 50 },
	{ "a user without the right", NP_E_FORBIDDEN, "forbidden", 5, 102 },
	{ "a write in between", NP_E_CONFLICT, "conflict", 6, 11 },
	{ "a server out of reach", NP_E_RETRY, "try-again", 6, 11 },
	{ "an unreadable file", NP_E_IO, "io", 3, 5 },
	{ "no memory", NP_E_NOMEM, "no-memory", 70, 11 },
	{ "our own mistake", NP_E_BUG, "bug", 70, 99 },
	{ "a version of the exec protocol", NP_E_VERSION, "version", 3, 1 },
	{ "no JSON object", NP_E_DECODE, "decode", 3, 6 },
	{ "a class that has drifted", NP_E_DRIFT, "drift", 1, 101 },
	{ "a number that is no code", NP_CODE_MAX, "bug", 70, 99 },
};

static void test_err__code_has_status_cni_code_and_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(code_cases) / sizeof(code_cases[0]); i++) {
		const struct code_case *c = &code_cases[i];

		print_message("# %s\n", c->what);
		assert_string_equal(np_code_name(c->code), c->name);
		assert_int_equal(np_code_exit_status(c->code), c->exit_status);
		assert_int_equal(np_code_cni(c->code), c->cni);
	}
}

static void test_err__fail_returns_the_negative_code(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_fail(&err, NP_E_CONFLICT, "class '%s' is at %d", "a", 7),
			 -NP_E_CONFLICT);
	assert_int_equal(err.code, NP_E_CONFLICT);
	assert_string_equal(err.text, "class 'a' is at 7");
	assert_int_equal(np_fail_nomem(&err), -NP_E_NOMEM);
	assert_int_equal(err.code, NP_E_NOMEM);
	assert_string_equal(err.text, "out of memory");
}

static void test_err__wrap_puts_context_in_front(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	np_fail(&err, NP_E_RETRY, "timed out");
	assert_int_equal(np_wrap(&err, "class '%s'", "a"), -NP_E_RETRY);
	assert_int_equal(np_wrap(&err, "apply"), -NP_E_RETRY);
	assert_int_equal(err.code, NP_E_RETRY);
	assert_string_equal(err.text, "apply: class 'a': timed out");
}

static void test_err__its_own_text_may_be_an_argument(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	np_fail(&err, NP_E_IO, "inner");
	np_fail(&err, NP_E_SPEC, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
	np_wrap(&err, "<%s>", err.text);
	assert_string_equal(err.text, "<outer (inner)>: outer (inner)");
}

static const struct clean_case {
	const char *what, *text, *expect;
} clean_cases[] = {
	{ "plain text stays", "a 'b' c", "a 'b' c" },
	{ "line breaks and tabs are escaped", "a\nb\r\tc", "a\\nb\\r\\tc" },
	{ "an escape sequence loses its escape", "\033[31mred", "\\x1b[31mred" },
	{ "delete", "a\177b", "a\\x7fb" },
	{ "a C1 control", "a\302\233b\302\205", "a\\u009bb\\u0085" },
	{ "marks of direction", "\342\200\256a\342\201\246b\330\234", "\\u202ea\\u2066b\\u061c" },
	{ "line separators and what has no width", "\342\200\250\342\200\213\357\273\277",
	  "\\u2028\\u200b\\ufeff" },
	{ "a tag", "\363\240\200\201", "\\U000e0001" },
	{ "multi-byte characters stay", "\303\274\342\202\254\360\237\230\200",
	  "\303\274\342\202\254\360\237\230\200" },
	{ "a stray byte", "a\377b\200c", "a\\xffb\\x80c" },
	{ "an overlong form", "a\300\257b", "a\\xc0\\xafb" },
	{ "an overlong form of three bytes", "a\340\200\257b", "a\\xe0\\x80\\xafb" },
	{ "a surrogate", "a\355\240\200b", "a\\xed\\xa0\\x80b" },
	{ "a character beyond U+10FFFF", "a\364\220\200\200b", "a\\xf4\\x90\\x80\\x80b" },
	{ "a character that ends early", "a\342\202", "a\\xe2\\x82" },
	{ "no-break space stays", "a\302\240b", "a\302\240b" },
};

static void test_err__hidden_characters_are_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(clean_cases) / sizeof(clean_cases[0]); i++) {
		struct np_err err = NP_ERR_INIT;

		print_message("# %s\n", clean_cases[i].what);
		np_fail(&err, NP_E_SPEC, "%s", clean_cases[i].text);
		assert_string_equal(err.text, clean_cases[i].expect);
	}
}

/* Fills the text from `lead` single bytes and then euro signs, three bytes each. */
static void check_cut(size_t lead)
{
	char text[3 * NP_ERR_TEXT_MAX] = "";
	struct np_err err = NP_ERR_INIT;
	size_t length;

	memset(text, 'x', lead);
	for (size_t i = lead; i + 4 < sizeof(text); i += 3)
		memcpy(text + i, "\342\202\254", 4);
	np_fail(&err, NP_E_SPEC, "%s", text);
	length = strlen(err.text);
	assert_in_range(length, NP_ERR_TEXT_MAX - 4, NP_ERR_TEXT_MAX - 1);
	assert_string_equal(err.text + length - 3, "...");
	assert_int_equal((length - 3 - lead) % 3, 0);
	assert_memory_equal(err.text, text, length - 3);
}

static void test_err__cut_text_ends_in_dots_at_a_whole_character(void **state)
{
	(void)state;
	for (size_t lead = 0; lead < 4; lead++)
		check_cut(lead);
}

static void test_err__text_that_just_fits_is_whole(void **state)
{
	char text[NP_ERR_TEXT_MAX + 1] = "";
	struct np_err err = NP_ERR_INIT;

	(void)state;
	memset(text, 'x', NP_ERR_TEXT_MAX - 1);
	np_fail(&err, NP_E_SPEC, "%s", text);
	assert_string_equal(err.text, text);
	text[NP_ERR_TEXT_MAX - 1] = 'x';
	np_fail(&err, NP_E_SPEC, "%s", text);
	assert_string_equal(err.text + NP_ERR_TEXT_MAX - 4, "...");
}

static void test_err__wrapping_a_full_text_keeps_the_context(void **state)
{
	char text[NP_ERR_TEXT_MAX] = "";
	struct np_err err = NP_ERR_INIT;

	(void)state;
	memset(text, 'x', NP_ERR_TEXT_MAX - 1);
	np_fail(&err, NP_E_SPEC, "%s", text);
	np_wrap(&err, "pool 'a'");
	assert_memory_equal(err.text, "pool 'a': xxx", 13);
	assert_int_equal(strlen(err.text), NP_ERR_TEXT_MAX - 1);
	assert_string_equal(err.text + NP_ERR_TEXT_MAX - 4, "...");
}

static void test_err__take_moves_ownership_and_freep_frees(void **state)
{
	NP_AUTO(np_freep) char *left = NULL;
	NP_AUTO(np_freep) char *taken = NULL;

	(void)state;
	left = strdup("x");
	taken = np_take(left);
	assert_null(left);
	assert_string_equal(taken, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err__code_has_status_cni_code_and_name),
		cmocka_unit_test(test_err__fail_returns_the_negative_code),
		cmocka_unit_test(test_err__wrap_puts_context_in_front),
		cmocka_unit_test(test_err__its_own_text_may_be_an_argument),
		cmocka_unit_test(test_err__hidden_characters_are_escaped),
		cmocka_unit_test(test_err__cut_text_ends_in_dots_at_a_whole_character),
		cmocka_unit_test(test_err__text_that_just_fits_is_whole),
		cmocka_unit_test(test_err__wrapping_a_full_text_keeps_the_context),
		cmocka_unit_test(test_err__take_moves_ownership_and_freep_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
