/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static const struct place_case {
	const char *what, *path;
	int item; /* -1: none */
	const char *key; /* below the item */
	struct np_pos pos, at;
	const char *text;
} yaml_places[] = {
	{ "a mapping", "spec", -1, NULL, { 3, 3 }, { 2, 1 }, "{...}" },
	{ "a list", "spec.gpus", -1, NULL, { 4, 3 }, { 3, 3 }, "[...]" },
	{ "an item", "spec.gpus", 0, NULL, { 4, 5 }, { 4, 5 }, "{...}" },
	{ "a text in an item", "spec.gpus", 0, "model", { 4, 12 }, { 4, 5 }, "A100" },
	{ "a number as it was written", "spec.gpus", 0, "count", { 5, 12 }, { 5, 5 }, "0x4" },
	{ "a float as it was written", "spec.gpus", 1, NULL, { 6, 5 }, { 6, 5 }, "1e78" },
	{ "an item beyond the end is reported at the list",
	  "spec.gpus",
	  2,
	  NULL,
	  { 4, 3 },
	  { 4, 3 },
	  "null" },
	{ "null has its own place", "spec.name", -1, NULL, { 7, 9 }, { 7, 3 }, "null" },
	{ "a bool as it was written, under a key that was one",
	  "spec.true",
	  -1,
	  NULL,
	  { 8, 7 },
	  { 8, 3 },
	  "Yes" },
	{ "what is absent is reported at its parent",
	  "spec.nothing",
	  -1,
	  NULL,
	  { 3, 3 },
	  { 3, 3 },
	  "null" },
	{ "what is absent below what is absent as well",
	  "spec.nothing.more.last",
	  -1,
	  NULL,
	  { 3, 3 },
	  { 3, 3 },
	  "null" },
	{ "an anchor", "spec.shared.deep", -1, NULL, { 9, 21 }, { 9, 15 }, "08" },
	{ "an alias is where its anchor is, its key is not",
	  "spec.again",
	  -1,
	  NULL,
	  { 9, 11 },
	  { 10, 3 },
	  "{...}" },
	{ "below an alias", "spec.again.deep", -1, NULL, { 9, 21 }, { 9, 15 }, "08" },
	{ "a merged member is where it was written",
	  "spec.merged.deep",
	  -1,
	  NULL,
	  { 9, 21 },
	  { 9, 15 },
	  "08" },
	{ "a member beside merged ones", "spec.merged.own", -1, NULL, { 13, 10 }, { 13, 5 }, "1" },
	{ "an empty list", "spec.empty", -1, NULL, { 14, 10 }, { 14, 3 }, "[...]" },
};

static const struct place_case json_places[] = {
	{ "a mapping", "spec", -1, NULL, { 2, 10 }, { 2, 2 }, "{...}" },
	{ "a list", "spec.gpus", -1, NULL, { 3, 11 }, { 3, 3 }, "[...]" },
	{ "an item", "spec.gpus", 0, NULL, { 3, 13 }, { 3, 13 }, "{...}" },
	{ "a text with a quote", "spec.gpus", 0, "model", { 3, 22 }, { 3, 14 }, "A\"100" },
	{ "a number", "spec.gpus", 0, "count", { 3, 41 }, { 3, 32 }, "4" },
	{ "a float as it was written", "spec.gpus", 1, NULL, { 4, 5 }, { 4, 5 }, "1E78" },
	{ "a text of more bytes than characters",
	  "spec.gpus",
	  2,
	  NULL,
	  { 4, 11 },
	  { 4, 11 },
	  "äö" },
	{ "a bool behind it", "spec.gpus", 3, NULL, { 4, 17 }, { 4, 17 }, "true" },
	{ "null", "spec.name", -1, NULL, { 5, 11 }, { 5, 3 }, "null" },
	{ "a list of containers", "spec.shared.deep", 1, NULL, { 5, 41 }, { 5, 41 }, "[...]" },
	{ "behind empty containers", "spec.again", -1, NULL, { 6, 12 }, { 6, 3 }, "-0.0" },
	{ "what is absent", "spec.nothing", -1, NULL, { 2, 10 }, { 2, 10 }, "null" },
};

static struct np_val find(const struct np_doc *doc, const struct place_case *c)
{
	struct np_err err = NP_ERR_INIT;
	struct np_val n = { .doc = NULL };

	assert_int_equal(np_doc_path(np_doc_root(doc), c->path, &n, &err), 0);
	if (c->item >= 0)
		n = np_doc_at(n, (size_t)c->item);
	return c->key ? np_doc_get(n, c->key) : n;
}

static void check_place(const struct np_doc *doc, const struct place_case *c)
{
	struct np_val n = find(doc, c);
	char text[NP_DOC_TEXT_MAX];

	print_message("# %s\n", c->what);
	assert_int_equal(n.pos.line, c->pos.line);
	assert_int_equal(n.pos.column, c->pos.column);
	assert_int_equal(n.at.line, c->at.line);
	assert_int_equal(n.at.column, c->at.column);
	np_doc_text(n, text);
	assert_string_equal(text, c->text);
}

static void test_doc__values_know_their_position(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *yaml = read_doc(cursor_yaml);
	NP_AUTO(np_doc_unrefp) struct np_doc *json = read_doc(cursor_json);

	(void)state;
	for (size_t i = 0; i < COUNT(yaml_places); i++)
		check_place(yaml, &yaml_places[i]);
	for (size_t i = 0; i < COUNT(json_places); i++)
		check_place(json, &json_places[i]);
}

static void test_doc__positions_count_from_the_start_of_the_input(void **state)
{
	static const char input[] = "{\"a\":1} {\"b\":\n1.0}\n{\"c\": 2} {d: 08}\n--- {e: 08}\n";
	static const struct np_pos places[] = { { 1, 6 }, { 2, 1 }, { 3, 7 }, { 3, 14 }, { 4, 9 } };
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	for (size_t i = 0; i < COUNT(places); i++) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		struct np_val n;

		assert_int_equal(np_doc_reader_next(r, &doc, &err), 1);
		n = np_doc_next(np_doc_root(doc), NULL);
		assert_int_equal(n.pos.line, places[i].line);
		assert_int_equal(n.pos.column, places[i].column);
	}
}

static void test_doc__members_are_visited_in_order(void **state)
{
	static const char *const keys[] = { "zeta", "alpha", "", "mid", "merged" };
	NP_AUTO(np_doc_unrefp)
	struct np_doc *doc =
		read_doc("zeta: 1\nalpha: ~\n'': 2\n<<: {alpha: 3, merged: 4}\nmid: 5\n");
	struct np_val root = np_doc_root(doc), n = np_doc_next(root, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++, n = np_doc_next(root, n.key)) {
		assert_non_null(n.key);
		assert_string_equal(n.key, keys[i]);
		assert_int_equal(np_doc_is_present(n), i != 1);
	}
	assert_null(n.key);
	assert_null(n.json);
	assert_null(np_doc_next(np_doc_get(root, "zeta"), NULL).key);
}

static const struct read_case {
	const char *what, *yaml;
	enum { READ_OBJECT, READ_LIST, READ_STRING, READ_UINT, READ_BOOL } as;
	const char *refused; /* NULL: read */
} read_cases[] = {
	{ "a mapping", "a: {b: 1}", READ_OBJECT, NULL },
	{ "an empty list", "a: []", READ_LIST, NULL },
	{ "a text", "a: b", READ_STRING, NULL },
	{ "the least number", "a: 1", READ_UINT, NULL },
	{ "the most", "a: 0x10", READ_UINT, NULL },
	{ "a bool", "a: on", READ_BOOL, NULL },
	{ "a list is no mapping", "a: [1]", READ_OBJECT,
	  "input:1:4: 'a' must be a mapping, is a list" },
	{ "a mapping is no list", "a: {}", READ_LIST,
	  "input:1:4: 'a' must be a list, is a mapping" },
	{ "a number is no text", "a: 1e78", READ_STRING,
	  "input:1:4: 'a' must be text (in quotes where it looks like a number), is the fraction '1e78'" },
	{ "a text is no number", "a: '4'", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the text '4'" },
	{ "too little", "a: 0", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the number '0'" },
	{ "too much", "a: 017_7", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the number '017_7'" },
	{ "negative", "a: -1", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the number '-1'" },
	{ "a fraction", "a: 2.0", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the fraction '2.0'" },
	{ "a bool is no number", "a: y", READ_UINT,
	  "input:1:4: 'a' must be a whole number from 1 to 16, is the truth value 'y'" },
	{ "a text is no bool", "a: 'yes'", READ_BOOL,
	  "input:1:4: 'a' must be true or false, is the text 'yes'" },
};

static int read_typed(const struct read_case *c, struct np_val n, bool *ret_untouched,
		      struct np_err *err)
{
	static const char untouched[] = "untouched";
	const char *text = untouched;
	uint64_t number = 42;
	bool truth = false;
	int r = 0;

	if (c->as == READ_OBJECT)
		r = np_doc_object(n, err);
	else if (c->as == READ_LIST)
		r = np_doc_list(n, err);
	else if (c->as == READ_STRING)
		r = np_doc_string(n, &text, err);
	else if (c->as == READ_UINT)
		r = np_doc_uint(n, 1, 16, &number, err);
	else
		r = np_doc_bool(n, &truth, err);
	*ret_untouched = text == untouched && number == 42 && !truth;
	return r;
}

static void test_doc__typed_reads_name_the_expected_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(read_cases); i++) {
		const struct read_case *c = &read_cases[i];
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc(c->yaml);
		struct np_err err = NP_ERR_INIT;
		bool untouched;

		print_message("# %s\n", c->what);
		assert_int_equal(
			read_typed(c, np_doc_get(np_doc_root(doc), "none"), &untouched, &err), 0);
		assert_true(untouched);
		assert_int_equal(read_typed(c, np_doc_get(np_doc_root(doc), "a"), &untouched, &err),
				 c->refused ? -NP_E_SPEC : 1);
		assert_string_equal(err.text, c->refused ? c->refused : "");
		assert_int_equal(untouched,
				 c->refused || c->as == READ_OBJECT || c->as == READ_LIST);
	}
}

static void test_doc__path_stops_where_there_is_no_mapping(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc("a:\n  b: [1]\n");
	struct np_val n = { .key = "sentinel" };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_path(np_doc_root(doc), "a.b.c.d", &n, &err), -NP_E_SPEC);
	assert_string_equal(err.text, "input:2:6: 'b' must be a mapping, is a list");
	assert_string_equal(n.key, "sentinel");
	assert_int_equal(np_doc_path(np_doc_root(doc), "a.b.c", &n, &err), -NP_E_SPEC);
	assert_int_equal(np_doc_path(np_doc_root(doc), "a.x.y.z", &n, &err), 0);
	assert_string_equal(n.key, "z");
	assert_false(np_doc_is_present(n));
}

static void test_doc__failures_name_their_position(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc("a:\n  bb: 1\n");
	struct np_val n = np_doc_get(np_doc_get(np_doc_root(doc), "a"), "bb");
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_fail(n, &err, NP_E_WINDOW, "is %d", 1), -NP_E_WINDOW);
	assert_string_equal(err.text, "input:2:7: is 1");
	assert_int_equal(np_doc_fail_key(n, &err, NP_E_SPEC, "unknown '%s'", n.key), -NP_E_SPEC);
	assert_string_equal(err.text, "input:2:3: unknown 'bb'");
}

static void test_doc__values_that_were_not_read_have_no_position(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	char text[NP_DOC_TEXT_MAX];
	struct np_val n;

	(void)state;
	assert_int_equal(np_doc_new_take("class 'a'", json_pack("{s:[f]}", "x", 0.5), &doc, &err),
			 0);
	n = np_doc_at(np_doc_get(np_doc_root(doc), "x"), 0);
	np_doc_text(n, text);
	assert_string_equal(text, "0.5");
	np_doc_fail(n, &err, NP_E_SPEC, "odd");
	assert_string_equal(err.text, "class 'a': odd");
	np_doc_unref(np_take(doc));
	assert_int_equal(np_doc_new_take("class 'a'", NULL, &doc, &err), -NP_E_NOMEM);
	assert_null(doc);
}

static const struct scalar_case text_cases[] = {
	{ "control characters become blanks", "\"a\\nb\\tc\\x7f\"", "a b c " },
	{ "79 characters are whole",
	  "1234567890123456789012345678901234567890123456789012345678901234567890123456789", NULL },
	{ "80 are cut",
	  "'12345678901234567890123456789012345678901234567890123456789012345678901234567890'",
	  "1234567890123456789012345678901234567890123456789012345678901234567890123456..." },
	{ "a cut never splits a character", "€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€",
	  "€€€€€€€€€€€€€€€€€€€€€€€€€..." },
	{ "a long number is cut as well",
	  "0.00000000000000000000000000000000000000000000000000000000000000000000000000000001",
	  "0.00000000000000000000000000000000000000000000000000000000000000000000000000..." },
};

static void test_doc__quoted_values_are_short_and_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(text_cases); i++) {
		char input[256], text[NP_DOC_TEXT_MAX];
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		print_message("# %s\n", text_cases[i].what);
		snprintf(input, sizeof(input), text_cases[i].expect ? "- %s\n" : "- '%s'\n",
			 text_cases[i].text);
		doc = read_doc(input);
		np_doc_text(np_doc_at(np_doc_root(doc), 0), text);
		assert_string_equal(text, text_cases[i].expect ? text_cases[i].expect
							       : text_cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__values_know_their_position),
		cmocka_unit_test(test_doc__positions_count_from_the_start_of_the_input),
		cmocka_unit_test(test_doc__members_are_visited_in_order),
		cmocka_unit_test(test_doc__typed_reads_name_the_expected_type),
		cmocka_unit_test(test_doc__path_stops_where_there_is_no_mapping),
		cmocka_unit_test(test_doc__failures_name_their_position),
		cmocka_unit_test(test_doc__values_that_were_not_read_have_no_position),
		cmocka_unit_test(test_doc__quoted_values_are_short_and_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
