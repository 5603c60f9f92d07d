/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "nodeprep/json.h"

#include "doc_fuzz.c"

#include "testbed.h"

static char *dump(const char *input, bool sorted)
{
	json_auto_t *json = json_loads(input, JSON_DECODE_ANY, NULL);
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	assert_non_null(json);
	assert_int_equal(np_doc_dump_yaml(json, sorted, &text, &err), 0);
	check_dump(json, sorted);
	/* The one thing that a record does not show. */
	assert_true(strlen(text) > 1 && text[strlen(text) - 1] == '\n');
	assert_true(text[strlen(text) - 2] != '\n');
	return text;
}

static char *dump_in_order(const char *input)
{
	return dump(input, false);
}

static char *dump_sorted(const char *input)
{
	return dump(input, true);
}

static void test_doc__dump_writes_the_yaml_of_kubectl(void **state)
{
	(void)state;
	run_cases("pkg/doc/testdata/cases/dump.txt", dump_in_order);
	run_cases("pkg/doc/testdata/cases/dump-sorted.txt", dump_sorted);
}

/* Every short text of characters that matter to YAML, as value, as item and as key. */
static void test_doc__dump_reads_back_unchanged(void **state)
{
	static const char *const letters[] = { "a", "1", " ",  "\n", ":",        "-",
					       "#", "'", "\"", "?",  ".",        "e",
					       "_", "~", "\t", "|",  "\302\205", "\342\200\250",
					       "0", "x" };

	(void)state;
	for (size_t i = 0; i < COUNT(letters) * COUNT(letters) * COUNT(letters); i++) {
		char text[16];
		json_auto_t *json = NULL;

		snprintf(text, sizeof(text), "%s%s%s", letters[i % COUNT(letters)],
			 letters[i / COUNT(letters) % COUNT(letters)],
			 letters[i / COUNT(letters) / COUNT(letters)]);
		json = json_pack("{s:s, s:[s, [s]], s:{s:s}}", text, text, "list", text, text, "k",
				 text, text);
		check_dump(json, i % 2);
	}
}

static void test_doc__dump_refuses_deep_nesting(void **state)
{
	json_auto_t *json = json_array();
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	(void)state;
	for (size_t i = 1; i < NP_DOC_DEPTH_MAX; i++)
		json = json_pack("[o]", json);
	check_dump(json, false);
	json = json_pack("[o]", json);
	assert_int_equal(np_doc_dump_yaml(json, true, &text, &err), -NP_E_SPEC);
	assert_null(text);
	assert_string_equal(err.text, "nested too deeply, at most 100 levels");
}

static void test_doc__texts_of_any_length_are_written(void **state)
{
	char text[1100], expected[1200];

	(void)state;
	for (int size = 1; size < 1100; size++) {
		NP_AUTO(np_freep) char *line = NULL;
		json_auto_t *root = NULL;

		snprintf(text, sizeof(text), "%0*d", size, 7);
		snprintf(expected, sizeof(expected), "{\"a\":\"%s\"}", text);
		root = json_pack("{s:s}", "a", text);
		line = np_json_text(root, JSON_COMPACT);
		assert_string_equal(line, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__texts_of_any_length_are_written),
		cmocka_unit_test(test_doc__dump_writes_the_yaml_of_kubectl),
		cmocka_unit_test(test_doc__dump_reads_back_unchanged),
		cmocka_unit_test(test_doc__dump_refuses_deep_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
