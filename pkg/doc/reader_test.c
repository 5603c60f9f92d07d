/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "doc_fuzz.c"

#include "testbed.h"

/* --- fixtures ------------------------------------------------------------------------------ */

static void check_fixture(const char *folder)
{
	char path[1024];
	size_t size;
	NP_AUTO(np_freep) char *input = NULL;
	NP_AUTO(np_freep) char *expect = NULL;
	NP_AUTO(np_freep) char *lines = NULL;

	print_message("# %s\n", folder);
	snprintf(path, sizeof(path), "%s/expect", folder);
	expect = load_file(path, NULL);
	snprintf(path, sizeof(path), "%s/input.yaml", folder);
	input = load_file(path, &size);
	lines = read_as_lines(input, size);
	assert_string_equal(lines, expect);
}

static void test_doc__valid_fixtures_are_read(void **state)
{
	(void)state;
	assert_true(each_entry("pkg/doc/testdata/valid", check_fixture) > 0);
}

static void test_doc__invalid_fixtures_are_refused(void **state)
{
	(void)state;
	assert_true(each_entry("pkg/doc/testdata/invalid", check_fixture) > 0);
}

static void test_doc__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/doc/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

/* --- documents ----------------------------------------------------------------------------- */

/* Inputs that a record file cannot hold. */
static const struct bytes_case {
	const char *what, *input, *expect;
} bytes_cases[] = {
	{ "blanks", " \n\n", "" },
	{ "a mark alone", "\xef\xbb\xbf", "" },
	{ "a byte-order mark",
	  "\xef\xbb\xbf"
	  "a: 1\n",
	  "{\"a\":1}\n" },
	{ "line ends of another system", "a: 1\r\nb:\r\n- c\r\n", "{\"a\":1,\"b\":[\"c\"]}\n" },
	{ "no final line end", "a: 1", "{\"a\":1}\n" },
	{ "JSON behind a mark and blanks", "\xef\xbb\xbf \t\r\n{\"a\":1}", "{\"a\":1}\n" },
};

static char *describe_stream(const char *input)
{
	return read_as_lines(input, strlen(input));
}

static void test_doc__streams_yield_their_documents(void **state)
{
	(void)state;
	run_cases("pkg/doc/testdata/cases/stream.txt", describe_stream);
	for (size_t i = 0; i < COUNT(bytes_cases); i++) {
		const struct bytes_case *c = &bytes_cases[i];
		NP_AUTO(np_freep) char *lines = read_as_lines(c->input, strlen(c->input));

		print_message("# %s\n", c->what);
		assert_string_equal(lines, c->expect);
	}
}

static void test_doc__documents_are_numbered_and_named(void **state)
{
	static const char input[] = "a: 1\n---\n# empty\n---\nb: 2\n";
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_reader_new("pools.yaml", input, strlen(input), &r, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		assert_int_equal(np_doc_reader_next(r, &doc, &err), 1);
		assert_int_equal(np_doc_index(doc), i);
		assert_string_equal(np_doc_name(doc), "pools.yaml");
		assert_int_equal(np_doc_root(doc).pos.line, i ? 5 : 1);
	}
}

static void test_doc__reader_ends_after_an_error(void **state)
{
	static const char input[] = "a: 1\n---\nb: 1\nb: 2\n---\nc: 3\n";
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *first = NULL;
	struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	assert_int_equal(np_doc_reader_next(r, &first, &err), 1);
	assert_int_equal(np_doc_reader_next(r, &doc, &err), -NP_E_SPEC);
	assert_null(doc);
	assert_int_equal(np_doc_reader_next(r, &doc, &err), 0);
}

static void test_doc__input_above_the_limit_is_refused(void **state)
{
	struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_doc_reader_new("big", "", NP_DOC_INPUT_MAX + 1, &r, &err), -NP_E_SPEC);
	assert_null(r);
	assert_string_equal(err.text, "big: input has '67108865' bytes, at most 64 MiB");
}

static void test_doc__document_outlives_its_reader(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	char *input = strdup("a: 0x10DE\n");
	struct np_doc *again;
	char text[NP_DOC_TEXT_MAX];

	(void)state;
	doc = read_doc(input);
	free(input);
	again = np_doc_ref(doc);
	np_doc_unref(again);
	np_doc_text(np_doc_get(np_doc_root(doc), "a"), text);
	assert_string_equal(text, "0x10DE");
}

/* --- bounds -------------------------------------------------------------------------------- */

static const struct depth_case {
	const char *what, *open, *middle, *close;
	size_t times;
	const char *refused;
} depth_cases[] = {
	{ "the deepest YAML", "[", "", "]", 100, NULL },
	{ "YAML one too deep", "[", "", "]", 101,
	  "input:1:101: nested too deeply, at most 100 levels" },
	{ "YAML that never closes", "[", "", "", 1000000,
	  "input:1:101: nested too deeply, at most 100 levels" },
	{ "block lists", "- ", "x", "", 100000,
	  "input:1:201: nested too deeply, at most 100 levels" },
	{ "keys in a row", "? ", "x", "", 100000,
	  "input:1:3: a key cannot be a mapping; is this an unrendered template ('{{ }}')?" },
	{ "the deepest JSON", "{\"a\":", "1", "}", 100, NULL },
	{ "JSON one too deep", "{\"a\":", "1", "}", 101,
	  "input:1:501: nested too deeply, at most 100 levels" },
	{ "JSON one too deep that is no YAML", "{\"\\ud83d\\ude00\":", "1", "}", 101,
	  "input:1:1601: nested too deeply, at most 100 levels" },
	{ "JSON that never closes", "{\"a\":", "", "", 1000000,
	  "input:1:501: nested too deeply, at most 100 levels" },
};

static void test_doc__depth_is_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(depth_cases); i++) {
		const struct depth_case *c = &depth_cases[i];
		json_auto_t *input = repeat(c->open, c->times, c->middle, c->close);
		NP_AUTO(np_freep)
		char *lines = read_as_lines(json_string_value(input), json_string_length(input));

		print_message("# %s\n", c->what);
		lines[strcspn(lines, "\n")] = '\0';
		if (c->refused)
			assert_string_equal(lines, c->refused);
		else
			assert_null(strstr(lines, "input:"));
	}
}

static void test_doc__depth_counts_through_aliases(void **state)
{
	json_auto_t *deep = repeat("[", 60, "", "]");
	json_auto_t *tail = repeat("[", 39, "*a", "]");
	json_auto_t *more = repeat("[", 40, "*a", "]");
	char input[1024];

	(void)state;
	snprintf(input, sizeof(input), "a: &a %s\nb: %s\n", json_string_value(deep),
		 json_string_value(tail));
	np_doc_unref(read_doc(input));
	snprintf(input, sizeof(input), "a: &a %s\nb: %s\n", json_string_value(deep),
		 json_string_value(more));
	check_lines("an alias that is too deep where it stands", input,
		    "input:2:44: nested too deeply, at most 100 levels");
	snprintf(input, sizeof(input), "a: &b %s\nb: &a [*b]\nc: %s\n", json_string_value(deep),
		 json_string_value(tail));
	check_lines("an alias of what an alias made deep", input,
		    "input:3:43: nested too deeply, at most 100 levels");
}

/* Ten lists of nine aliases each to the one before: 9^10 values in 500 bytes. */
static void test_doc__billion_laughs_are_refused_early(void **state)
{
	char input[2048] = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
	clock_t start = clock();

	(void)state;
	for (int i = 1; i < 10; i++) {
		size_t used = strlen(input);

		snprintf(input + used, sizeof(input) - used,
			 "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
			 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	}
	check_lines("nine to the tenth", input,
		    "input:7:10: too many values in one document with aliases expanded, at most"
		    " 1000000");
	assert_true(clock() - start < CLOCKS_PER_SEC);
}

/* The members that a merge copies count as well, or each line would double the work. */
static void test_doc__merged_members_count(void **state)
{
	char *input = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&input, &size);
	NP_AUTO(np_freep) char *lines = NULL;

	(void)state;
	fputs("a: &a {", out);
	for (int i = 0; i < 1000; i++)
		fprintf(out, "k%d: 1,", i);
	fputs("}\nb:\n", out);
	for (int i = 0; i < 600; i++)
		fputs("- <<: *a\n", out);
	fclose(out);
	lines = read_as_lines(input, size);
	assert_non_null(strstr(lines, "too many values"));
	free(input);
}

static void check_values(const char *open, size_t count, const char *close, const char *refused)
{
	char *input = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&input, &size);
	NP_AUTO(np_freep) char *lines = NULL;

	fputs(open, out);
	for (size_t i = 0; i < count; i++)
		fputs(i ? ",0" : "0", out);
	fputs(close, out);
	fclose(out);
	lines = read_as_lines(input, size);
	assert_int_equal(!!strstr(lines, refused), count > 999998);
	free(input);
}

static void test_doc__at_most_a_million_values_are_read(void **state)
{
	(void)state;
	check_values("{\"a\":[", 999998, "]}", "too many values in one document, at most 1000000");
	check_values("{\"a\":[", 999999, "]}", "too many values in one document, at most 1000000");
	check_values("a: [", 999998, "]", "too many values in one document with aliases");
	check_values("a: [", 999999, "]", "too many values in one document with aliases");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__valid_fixtures_are_read),
		cmocka_unit_test(test_doc__invalid_fixtures_are_refused),
		cmocka_unit_test(test_doc__the_corpus_replays),
		cmocka_unit_test(test_doc__streams_yield_their_documents),
		cmocka_unit_test(test_doc__documents_are_numbered_and_named),
		cmocka_unit_test(test_doc__reader_ends_after_an_error),
		cmocka_unit_test(test_doc__input_above_the_limit_is_refused),
		cmocka_unit_test(test_doc__document_outlives_its_reader),
		cmocka_unit_test(test_doc__depth_is_bounded),
		cmocka_unit_test(test_doc__depth_counts_through_aliases),
		cmocka_unit_test(test_doc__billion_laughs_are_refused_early),
		cmocka_unit_test(test_doc__merged_members_count),
		cmocka_unit_test(test_doc__at_most_a_million_values_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
