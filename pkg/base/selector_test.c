/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/selector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

/* The objects: one without labels, and three with. */
static const char *const objects[] = {
	NULL,
	"{\"team\":\"ml\",\"app.kubernetes.io/name\":\"x\",\"n\":\"7\"}",
	"{\"team\":\"web\",\"n\":\"12\"}",
	"{\"team\":\"\",\"n\":\"many\"}",
};

#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

/* Which of them each selector selects; as the API server does (apimachinery, pkg/labels). */
static const struct match_case {
	const char *text, *selected;
} match_cases[] = {
	{ "", "0123" },
	{ " ", "0123" },
	{ "team", "123" },
	{ "!team", "0" },
	{ "! team", "0" },
	{ "team=ml", "1" },
	{ "team==ml", "1" },
	{ " team = ml ", "1" },
	{ "team=", "3" },
	{ "team!=ml", "023" },
	{ "team!=", "012" },
	{ "team in (ml,web)", "12" },
	{ "team in(ml)", "1" },
	{ "team in ( ml , web )", "12" },
	{ "team in ()", "3" },
	{ "team in (ml,)", "13" },
	{ "team notin (ml,web)", "03" },
	{ "n>7", "2" },
	{ "n > 6", "12" },
	{ "n<12", "1" },
	{ "app.kubernetes.io/name=x", "1" },
	{ "team,n<10", "1" },
	{ "team in (ml,web),!app.kubernetes.io/name", "2" },
	{ "in in (in)", "" },
};

static void test_selector__selects_as_the_api_server_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(match_cases) / sizeof(match_cases[0]); i++) {
		NP_AUTO(np_selector_freep) struct np_selector *s = NULL;
		struct np_err err = NP_ERR_INIT;
		char selected[N_OBJECTS + 1] = "";

		print_message("# '%s'\n", match_cases[i].text);
		assert_int_equal(np_selector_parse(match_cases[i].text, &s, &err), 0);
		for (size_t k = 0; k < N_OBJECTS; k++) {
			json_auto_t *labels = objects[k] ? json_loads(objects[k], 0, NULL) : NULL;

			if (np_selector_matches(s, labels))
				selected[strlen(selected)] = (char)('0' + k);
		}
		assert_string_equal(selected, match_cases[i].selected);
	}
}

static const struct refuse_case {
	const char *text, *part;
} refuse_cases[] = {
	{ ",", "column 1: expected a label's key" },
	{ "a=x,", "column 5: expected a label's key" },
	{ "a=x,,b", "column 5: expected a label's key" },
	{ "a b", "column 3: expected ',' or the end" },
	{ "a=x y", "column 5: expected ',' or the end" },
	{ "a=-x", "column 3: expected a label's value" },
	{ "a=x/y", "column 3: expected a label's value" },
	{ "-a", "column 1: expected a label's key" },
	{ "A/b", "column 1: expected a label's key" },
	{ "a/", "column 1: expected a label's key" },
	{ "a in", "column 5: expected '('" },
	{ "a in x", "column 6: expected '('" },
	{ "a in (x", "column 8: expected ',' or ')'" },
	{ "a notin (x y)", "column 12: expected ',' or ')'" },
	{ "a>b", "column 3: expected a whole number" },
	{ "a<-1", "column 3: expected a label's value" },
	{ "a>", "column 3: expected a whole number" },
	{ "a<99999999999999999999", "expected a whole number" },
	{ "a===b", "expected ',' or the end" },
	{ "\xff=b", "column 1: expected a label's key" },
};

static void test_selector__errors_name_the_column(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refuse_cases) / sizeof(refuse_cases[0]); i++) {
		struct np_selector *s = (struct np_selector *)1;
		struct np_err err = NP_ERR_INIT;

		print_message("# '%s'\n", refuse_cases[i].text);
		assert_int_equal(np_selector_parse(refuse_cases[i].text, &s, &err), -NP_E_USAGE);
		assert_ptr_equal(s, (struct np_selector *)1);
		assert_non_null(strstr(err.text, refuse_cases[i].part));
	}
}

static void test_selector__keys_and_values_are_bounded(void **state)
{
	char text[80];
	struct np_selector *s = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[63] = '\0';
	assert_int_equal(np_selector_parse(text, &s, &err), 0);
	np_selector_free(s);
	text[63] = 'a';
	text[64] = '\0';
	assert_int_equal(np_selector_parse(text, &s, &err), -NP_E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_selector__selects_as_the_api_server_does),
		cmocka_unit_test(test_selector__errors_name_the_column),
		cmocka_unit_test(test_selector__keys_and_values_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
