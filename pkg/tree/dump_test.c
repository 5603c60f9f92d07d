/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#include "tree_fuzz.c"

static const struct dump_case {
	const char *what, *json;
	bool sorted;
	const char *expect;
} dump_cases[] = {
	{ "as kubectl prints it",
	  "{\"spec\":{\"gpus\":[{\"model\":\"A100\",\"count\":4},[1,[]]],\"none\":{}},\"a\":null}",
	  false,
	  "spec:\n  gpus:\n  - model: A100\n    count: 4\n  - - 1\n    - []\n  none: {}\na: null\n" },
	{ "sorted", "{\"b\":{\"d\":1,\"c\":2},\"a\":[{\"z\":1,\"e\":2}]}", true,
	  "a:\n- e: 2\n  z: 1\nb:\n  c: 2\n  d: 1\n" },
	{ "a scalar on top", "\"x\"", false, "x\n" },
	{ "a list on top", "[1,-2,0.5,1e78,true,false]", false,
	  "- 1\n- -2\n- 0.5\n- 1e+78\n- true\n- false\n" },
	{ "a whole float stays a float", "[8.0,1000000.0]", false, "- 8.0\n- 1000000.0\n" },
	{ "text that reads as something else",
	  "[\"1\",\"0x10\",\"1e78\",\"yes\",\"n\",\"null\",\"~\",\"\",\"<<\",\".5\",\".inf\",\"99999999999999999999\"]",
	  false,
	  "- \"1\"\n- \"0x10\"\n- \"1e78\"\n- \"yes\"\n- \"n\"\n- \"null\"\n- \"~\"\n- \"\"\n- \"<<\"\n- \".5\"\n- \".inf\"\n- \"99999999999999999999\"\n" },
	{ "text that others take for a date or a time",
	  "[\"2024-01-01\",\"1:30\",\"10de:20b0\",\"20240101-1\"]", false,
	  "- \"2024-01-01\"\n- \"1:30\"\n- 10de:20b0\n- 20240101-1\n" },
	{ "text with a meaning to YAML",
	  "[\"- a\",\"a: b\",\"a #b\",\" a\",\"a \",\"*a\",\"&a\",\"{a}\",\"#a\",\"@a\",\"a:\",\"---\",\"it's\"]",
	  false,
	  "- '- a'\n- 'a: b'\n- 'a #b'\n- ' a'\n- 'a '\n- '*a'\n- '&a'\n- '{a}'\n- '#a'\n- '@a'\n- 'a:'\n- '---'\n- it's\n" },
	{ "keys are quoted alike", "{\"on\":1,\"16\":2,\"\":3,\"a b\":4,\"a\\nb\":5}", false,
	  "\"on\": 1\n\"16\": 2\n\"\": 3\na b: 4\n? |-\n  a\n  b\n: 5\n" },
	{ "lines as a block",
	  "{\"a\":\"one\\ntwo\\n\",\"b\":\"one\\n\\n two\",\"c\":\"one\\n\\n\"}", false,
	  "a: |\n  one\n  two\nb: |-\n  one\n\n   two\nc: \"one\\n\\n\"\n" },
	{ "lines that a block would not keep",
	  "[\" one\\ntwo\",\"one \\ntwo\",\"\\n\",\"one\\r\\n\",\"a\\tb\"]", false,
	  "- \" one\\ntwo\"\n- \"one \\ntwo\"\n- \"\\n\"\n- \"one\\r\\n\"\n- \"a\\tb\"\n" },
	{ "no line is folded",
	  "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccc ddddddddddddddddd\"]",
	  false,
	  "- aaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccccc ddddddddddddddddd\n" },
	{ "line breaks that other readers would change",
	  "[\"a\\u0085b\",\"a\\u2028b\",\"a\\u2029b\",\"a\\n\\u0085b\",\"a–b\"]", false,
	  "- \"a\\Nb\"\n- \"a\\Lb\"\n- \"a\\Pb\"\n- \"a\\n\\Nb\"\n- a–b\n" },
	{ "letters of other languages", "[\"Größe\"]", false, "- Größe\n" },
};

static void test_tree__dump_writes_what_kubectl_would(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dump_cases); i++) {
		const struct dump_case *c = &dump_cases[i];
		NP_AUTO(json_freep) json_t *json = json_loads(c->json, JSON_DECODE_ANY, NULL);
		NP_AUTO(np_freep) char *text = NULL;
		struct np_err err = NP_ERR_INIT;

		print_message("# %s\n", c->what);
		assert_non_null(json);
		assert_int_equal(np_yaml_dump(json, c->sorted, &text, &err), 0);
		assert_string_equal(text, c->expect);
		check_dump(json, c->sorted);
	}
}

/* Every short text of characters that matter to YAML, as value, as item and as key. */
static void test_tree__dump_reads_back_as_the_same(void **state)
{
	static const char *const letters[] = { "a", "1", " ",  "\n", ":",        "-",
					       "#", "'", "\"", "?",  ".",        "e",
					       "_", "~", "\t", "|",  "\302\205", "\342\200\250",
					       "0", "x" };

	(void)state;
	for (size_t i = 0; i < COUNT(letters) * COUNT(letters) * COUNT(letters); i++) {
		char text[16];
		NP_AUTO(json_freep) json_t *json = NULL;

		snprintf(text, sizeof(text), "%s%s%s", letters[i % COUNT(letters)],
			 letters[i / COUNT(letters) % COUNT(letters)],
			 letters[i / COUNT(letters) / COUNT(letters)]);
		json = json_pack("{s:s, s:[s, [s]], s:{s:s}}", text, text, "list", text, text, "k",
				 text, text);
		check_dump(json, i % 2);
	}
}

static void test_tree__dump_refuses_what_is_too_deep(void **state)
{
	NP_AUTO(json_freep) json_t *json = json_array();
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	(void)state;
	for (size_t i = 1; i < NP_DEPTH_MAX; i++)
		json = json_pack("[o]", json);
	check_dump(json, false);
	json = json_pack("[o]", json);
	assert_int_equal(np_yaml_dump(json, true, &text, &err), -NP_E_SPEC);
	assert_null(text);
	assert_string_equal(err.text, "nested too deeply, at most 100 levels");
}

static void test_tree__a_text_of_any_length_is_written(void **state)
{
	char text[1100], expected[1200];

	(void)state;
	for (int size = 1; size < 1100; size++) {
		NP_AUTO(np_freep) char *line = NULL;
		NP_AUTO(json_freep) json_t *root = NULL;

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
		cmocka_unit_test(test_tree__a_text_of_any_length_is_written),
		cmocka_unit_test(test_tree__dump_writes_what_kubectl_would),
		cmocka_unit_test(test_tree__dump_reads_back_as_the_same),
		cmocka_unit_test(test_tree__dump_refuses_what_is_too_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
