/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/tree.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tree_fuzz.c"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- helpers ------------------------------------------------------------------------------- */

static void json_freep(json_t **json)
{
	json_decref(*json);
}

static char *read_whole(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	char *bytes = calloc(1, 1 << 16);

	assert_non_null(f);
	assert_non_null(bytes);
	*ret_size = fread(bytes, 1, (1 << 16) - 1, f);
	assert_true(feof(f));
	fclose(f);
	return bytes;
}

/* Writes each document as a line of JSON, or the error as the only line that is none. */
static char *read_as_lines(const char *bytes, size_t size)
{
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	struct np_doc *doc = NULL;
	int n;

	assert_non_null(out);
	assert_int_equal(np_reader_new("input", bytes, size, &r, &err), 0);
	while ((n = np_reader_next(r, &doc, &err)) == 1) {
		NP_AUTO(np_freep)
		char *line = json_dumps(np_doc_root(doc).json, JSON_ENCODE_ANY | JSON_COMPACT);

		fprintf(out, "%s\n", line);
		np_doc_unref(np_take(doc));
	}
	assert_null(doc);
	if (n < 0)
		fprintf(out, "%s\n", err.text);
	fclose(out);
	return text;
}

static void check_lines(const char *what, const char *input, const char *expect)
{
	NP_AUTO(np_freep) char *lines = read_as_lines(input, strlen(input));

	print_message("# %s\n", what);
	lines[strcspn(lines, "\n")] = '\0';
	assert_string_equal(lines, expect);
}

/* Reads an input of one document that must be right. */
static struct np_doc *read_doc(const char *input)
{
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	struct np_doc *doc = NULL;

	assert_int_equal(np_reader_new("input", input, strlen(input), &r, &err), 0);
	if (np_reader_next(r, &doc, &err) != 1)
		fail_msg("%s", err.text);
	return doc;
}

static json_t *repeat(const char *open, size_t times, const char *middle, const char *close)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	json_t *json;

	for (size_t i = 0; i < times; i++)
		fputs(open, out);
	fputs(middle, out);
	for (size_t i = 0; i < times; i++)
		fputs(close, out);
	fclose(out);
	json = json_string(text);
	free(text);
	return json;
}

/* --- fixtures ------------------------------------------------------------------------------ */

static void check_fixture(const char *folder, const char *name)
{
	char path[1024];
	size_t size;
	NP_AUTO(np_freep) char *input = NULL;
	NP_AUTO(np_freep) char *expect = NULL;
	NP_AUTO(np_freep) char *lines = NULL;

	print_message("# %s\n", name);
	snprintf(path, sizeof(path), "%s/%s/expect", folder, name);
	expect = read_whole(path, &size);
	snprintf(path, sizeof(path), "%s/%s/input.yaml", folder, name);
	input = read_whole(path, &size);
	lines = read_as_lines(input, size);
	assert_string_equal(lines, expect);
}

static size_t each_entry(const char *folder, void (*check)(const char *folder, const char *name))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		check(folder, entry->d_name);
		count++;
	}
	closedir(dir);
	return count;
}

static void test_tree__valid_fixtures_are_read(void **state)
{
	(void)state;
	assert_true(each_entry("pkg/tree/testdata/valid", check_fixture) > 0);
}

static void test_tree__invalid_fixtures_are_refused(void **state)
{
	(void)state;
	assert_true(each_entry("pkg/tree/testdata/invalid", check_fixture) > 0);
}

static void replay(const char *folder, const char *name)
{
	char path[1024];
	size_t size;
	NP_AUTO(np_freep) char *bytes = NULL;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	bytes = read_whole(path, &size);
	LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
}

static void test_tree__corpus_holds(void **state)
{
	(void)state;
	assert_true(each_entry("pkg/tree/testdata/corpus", replay) > 0);
}

/* --- scalars ------------------------------------------------------------------------------- */

static const struct scalar_case {
	const char *what, *text, *expect;
} scalar_cases[] = {
	{ "a word", "gpu", "\"gpu\"" },
	{ "y", "y", "true" },
	{ "Y", "Y", "true" },
	{ "yes", "yes", "true" },
	{ "Yes", "Yes", "true" },
	{ "YES", "YES", "true" },
	{ "on", "on", "true" },
	{ "On", "On", "true" },
	{ "ON", "ON", "true" },
	{ "true", "true", "true" },
	{ "True", "True", "true" },
	{ "TRUE", "TRUE", "true" },
	{ "n", "n", "false" },
	{ "N", "N", "false" },
	{ "no", "no", "false" },
	{ "No", "No", "false" },
	{ "NO", "NO", "false" },
	{ "off", "off", "false" },
	{ "Off", "Off", "false" },
	{ "OFF", "OFF", "false" },
	{ "false", "false", "false" },
	{ "False", "False", "false" },
	{ "FALSE", "FALSE", "false" },
	{ "a spelling that is in no list is text", "yEs", "\"yEs\"" },
	{ "nothing is null", "", "null" },
	{ "a tilde is null", "~", "null" },
	{ "null", "null", "null" },
	{ "Null", "Null", "null" },
	{ "NULL", "NULL", "null" },
	{ "nil is text", "nil", "\"nil\"" },
	{ "an integer", "42", "42" },
	{ "zero", "0", "0" },
	{ "a sign", "-42", "-42" },
	{ "a plus sign", "+42", "42" },
	{ "underscores", "1_000_000", "1000000" },
	{ "an underscore in front is text", "_1", "\"_1\"" },
	{ "hexadecimal", "0x10DE", "4318" },
	{ "capital X", "0X10de", "4318" },
	{ "negative hexadecimal", "-0x10", "-16" },
	{ "hexadecimal with underscores", "0x10_DE", "4318" },
	{ "hexadecimal without digits is text", "0x", "\"0x\"" },
	{ "hexadecimal with a wrong digit is text", "0x10G", "\"0x10G\"" },
	{ "binary", "0b101", "5" },
	{ "capital B", "0B101", "5" },
	{ "negative binary", "-0b101", "-5" },
	{ "binary with a wrong digit is text", "0b102", "\"0b102\"" },
	{ "octal", "0o17", "15" },
	{ "octal by its zero", "017", "15" },
	{ "no octal digit makes a float", "08", "8.0" },
	{ "a hexadecimal id without prefix is text", "20b0", "\"20b0\"" },
	{ "an id that is all digits is a number", "2330", "2330" },
	{ "an id that reads as a float", "1e78", "1e78" },
	{ "a float", "1.5", "1.5" },
	{ "a float without whole", ".5", "0.5" },
	{ "a float without fraction", "1.", "1.0" },
	{ "a float with an exponent", "1e3", "1000.0" },
	{ "a float with a signed exponent", "1.5E-3", "0.0015" },
	{ "a negative float", "-1.5", "-1.5" },
	{ "a float with underscores", "1_0.5", "10.5" },
	{ "a point first leaves underscores", "._5", "\"._5\"" },
	{ "a float beyond a double is text", "1e400", "\"1e400\"" },
	{ "a float near zero", "1e-400", "0.0" },
	{ "an exponent without digits is text", "1e", "\"1e\"" },
	{ "a sign alone is text", "+", "\"+\"" },
	{ "a point alone is text", ".", "\".\"" },
	{ "two points are text", "1.2.3", "\"1.2.3\"" },
	{ "an address is text", "10.0.0.1", "\"10.0.0.1\"" },
	{ "a PCI id is text", "10de:20b0", "\"10de:20b0\"" },
	{ "base 60 is text", "1:30", "\"1:30\"" },
	{ "a date is text", "2024-01-01", "\"2024-01-01\"" },
	{ "a time is text", "2024-01-01T00:00:00Z", "\"2024-01-01T00:00:00Z\"" },
	{ "a quantity is text", "64Gi", "\"64Gi\"" },
	{ "the largest integer", "9223372036854775807", "9223372036854775807" },
	{ "the least integer", "-9223372036854775808", "-9223372036854775808" },
	{ "quoted digits are text", "\"42\"", "\"42\"" },
	{ "single quotes as well", "'yes'", "\"yes\"" },
	{ "quoted nothing is text", "''", "\"\"" },
	{ "a tag makes text of digits", "!!str 42", "\"42\"" },
	{ "a tag makes text of nothing", "!!str", "\"\"" },
	{ "a tag makes a number of text", "!!int \"42\"", "42" },
	{ "a tag makes a float of an integer", "!!float 42", "42.0" },
	{ "a tag makes a bool of text", "!!bool 'yes'", "true" },
	{ "a tag makes null of text", "!!null ''", "null" },
	{ "an unknown tag makes text", "!mine 42", "\"42\"" },
	{ "a timestamp tag makes text", "!!timestamp 2024-01-01", "\"2024-01-01\"" },
	{ "a lone tag makes text", "! 42", "\"42\"" },
};

static void test_tree__scalars_resolve_as_kubectl_resolves_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(scalar_cases); i++) {
		char input[128], expect[128];

		snprintf(input, sizeof(input), "a: %s\n", scalar_cases[i].text);
		snprintf(expect, sizeof(expect), "{\"a\":%s}", scalar_cases[i].expect);
		check_lines(scalar_cases[i].what, input, expect);
	}
}

static const struct scalar_case key_cases[] = {
	{ "a word", "gpu", "gpu" },
	{ "an integer", "0x10", "16" },
	{ "a negative integer", "-5", "-5" },
	{ "a bool", "yes", "true" },
	{ "a float", "1.50", "1.5" },
	{ "a whole float", "3.0", "3" },
	{ "a large float", "1e78", NULL },
	{ "a float with an exponent in single precision", "1e20", "1e+20" },
	{ "a million", "1000000.0", "1e+06" },
	{ "less than a million", "123456.0", "123456" },
	{ "a small float", "0.00001", "1e-05" },
	{ "a float that single precision cannot hold", "0.1", "0.1" },
	{ "quoted digits", "\"0x10\"", "0x10" },
	{ "a quoted merge key is none", "\"<<\"", "<<" },
	{ "a tagged key", "!!str 0x10", "0x10" },
	{ "an anchored key", "&k gpu", "gpu" },
};

static void test_tree__keys_become_text_as_kubectl_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(key_cases); i++) {
		char input[128], expect[128];

		if (!key_cases[i].expect)
			continue;
		snprintf(input, sizeof(input), "%s: v\n", key_cases[i].text);
		snprintf(expect, sizeof(expect), "{\"%s\":\"v\"}", key_cases[i].expect);
		check_lines(key_cases[i].what, input, expect);
	}
	check_lines("a float beyond single precision", "1e78: v\n",
		    "input:1:1: the key '1e78' is a number beyond range, put it in quotes");
}

/* --- documents ----------------------------------------------------------------------------- */

static const struct stream_case {
	const char *what, *input, *expect;
} stream_cases[] = {
	{ "nothing", "", "" },
	{ "blanks", " \n\n", "" },
	{ "a mark alone", "\xef\xbb\xbf", "" },
	{ "a comment", "# nothing\n", "" },
	{ "separators alone", "---\n---\n...\n", "" },
	{ "null is passed over", "---\nnull\n---\na: 1\n---\n~\n", "{\"a\":1}\n" },
	{ "two documents", "a: 1\n---\nb: 2\n", "{\"a\":1}\n{\"b\":2}\n" },
	{ "a list on top", "- 1\n- 2\n", "[1,2]\n" },
	{ "a scalar on top", "hello\n", "\"hello\"\n" },
	{ "a directive", "%YAML 1.1\n---\na: 1\n", "{\"a\":1}\n" },
	{ "a byte-order mark",
	  "\xef\xbb\xbf"
	  "a: 1\n",
	  "{\"a\":1}\n" },
	{ "line ends of another system", "a: 1\r\nb:\r\n- c\r\n", "{\"a\":1,\"b\":[\"c\"]}\n" },
	{ "no final line end", "a: 1", "{\"a\":1}\n" },
	{ "JSON", "{\"a\": [1, -2.5, true, null, \"\\u00e4\"]}",
	  "{\"a\":[1,-2.5,true,null,\"ä\"]}\n" },
	{ "JSON behind a mark and blanks", "\xef\xbb\xbf \t\r\n{\"a\":1}", "{\"a\":1}\n" },
	{ "JSON with a surrogate pair, which is no YAML", "{\"a\":\"\\ud83d\\ude00\"}",
	  "{\"a\":\"😀\"}\n" },
	{ "JSON indented with tabs", "{\n\t\"a\":\t1\n}\n", "{\"a\":1}\n" },
	{ "a stream of JSON", "{\"a\":1}{\"b\":2}\n\n{\"c\":3}\n",
	  "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n" },
	{ "brackets within strings", "{\"a}\":\"]\\\"[\"}{\"b\":{}}",
	  "{\"a}\":\"]\\\"[\"}\n{\"b\":{}}\n" },
	{ "JSON and then YAML", "{\"a\":1}\n---\nb: 2\n", "{\"a\":1}\n{\"b\":2}\n" },
	{ "flow mapping that is no JSON", "{a: 1, b: [x,],}\n", "{\"a\":1,\"b\":[\"x\"]}\n" },
	{ "JSON and then a comment", "{\"a\":1}\n# end\n", "{\"a\":1}\n" },
	{ "a JSON list on top", "[{\"a\":1}]", "[{\"a\":1}]\n" },
};

static void test_tree__streams_yield_their_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stream_cases); i++) {
		const struct stream_case *c = &stream_cases[i];
		NP_AUTO(np_freep) char *lines = read_as_lines(c->input, strlen(c->input));

		print_message("# %s\n", c->what);
		assert_string_equal(lines, c->expect);
	}
}

static void test_tree__documents_are_numbered_and_named(void **state)
{
	static const char input[] = "a: 1\n---\n# empty\n---\nb: 2\n";
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_reader_new("pools.yaml", input, strlen(input), &r, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		assert_int_equal(np_reader_next(r, &doc, &err), 1);
		assert_int_equal(np_doc_index(doc), i);
		assert_string_equal(np_doc_name(doc), "pools.yaml");
		assert_int_equal(np_doc_root(doc).pos.line, i ? 5 : 1);
	}
}

static void test_tree__reader_ends_after_an_error(void **state)
{
	static const char input[] = "a: 1\n---\nb: 1\nb: 2\n---\nc: 3\n";
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *first = NULL;
	struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_reader_new("input", input, strlen(input), &r, &err), 0);
	assert_int_equal(np_reader_next(r, &first, &err), 1);
	assert_int_equal(np_reader_next(r, &doc, &err), -NP_E_SPEC);
	assert_null(doc);
	assert_int_equal(np_reader_next(r, &doc, &err), 0);
}

static void test_tree__too_large_an_input_is_refused(void **state)
{
	struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_reader_new("big", "", NP_INPUT_MAX + 1, &r, &err), -NP_E_SPEC);
	assert_null(r);
	assert_string_equal(err.text, "big: input has '67108865' bytes, at most 64 MiB");
}

static void test_tree__a_document_outlives_its_reader(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	char *input = strdup("a: 0x10DE\n");
	struct np_doc *again;
	char text[NP_NODE_TEXT_MAX];

	(void)state;
	doc = read_doc(input);
	free(input);
	again = np_doc_ref(doc);
	np_doc_unref(again);
	np_node_text(np_node_get(np_doc_root(doc), "a"), text);
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

static void test_tree__depth_is_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(depth_cases); i++) {
		const struct depth_case *c = &depth_cases[i];
		NP_AUTO(json_freep) json_t *input = repeat(c->open, c->times, c->middle, c->close);
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

static void test_tree__depth_counts_through_aliases(void **state)
{
	NP_AUTO(json_freep) json_t *deep = repeat("[", 60, "", "]");
	NP_AUTO(json_freep) json_t *tail = repeat("[", 39, "*a", "]");
	NP_AUTO(json_freep) json_t *more = repeat("[", 40, "*a", "]");
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
static void test_tree__billion_laughs_are_refused_at_once(void **state)
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
static void test_tree__merged_members_count(void **state)
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
	assert_int_equal(strstr(lines, refused) != NULL, count > 999998);
	free(input);
}

static void test_tree__a_million_values_are_the_most(void **state)
{
	(void)state;
	check_values("{\"a\":[", 999998, "]}", "too many values in one document, at most 1000000");
	check_values("{\"a\":[", 999999, "]}", "too many values in one document, at most 1000000");
	check_values("a: [", 999998, "]", "too many values in one document with aliases");
	check_values("a: [", 999999, "]", "too many values in one document with aliases");
}

/* --- cursors ------------------------------------------------------------------------------- */

static const char cursor_yaml[] = "# one\n"
				  "spec:\n"
				  "  gpus:\n"
				  "  - model: A100\n"
				  "    count: 0x4\n"
				  "  - 1e78\n"
				  "  name: ~\n"
				  "  on: Yes\n"
				  "  shared: &s {deep: 08}\n"
				  "  again: *s\n"
				  "  merged:\n"
				  "    <<: *s\n"
				  "    own: 1\n"
				  "  empty: []\n";

static const char cursor_json[] = "\n{\"spec\": {\n"
				  "  \"gpus\": [ {\"model\":\"A\\\"100\", \"count\": 4},\n"
				  "    1E78, \"äö\", true ],\n"
				  "  \"name\": null, \"shared\": {\"deep\": [{}, []]},\n"
				  "  \"again\" :-0.0\n"
				  "}}\n";

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
	{ "an item beyond the end is told at the list",
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
	{ "what is absent is told at its parent",
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

static struct np_node find(const struct np_doc *doc, const struct place_case *c)
{
	struct np_err err = NP_ERR_INIT;
	struct np_node n = { .doc = NULL };

	assert_int_equal(np_node_path(np_doc_root(doc), c->path, &n, &err), 0);
	if (c->item >= 0)
		n = np_node_at(n, (size_t)c->item);
	return c->key ? np_node_get(n, c->key) : n;
}

static void check_place(const struct np_doc *doc, const struct place_case *c)
{
	struct np_node n = find(doc, c);
	char text[NP_NODE_TEXT_MAX];

	print_message("# %s\n", c->what);
	assert_int_equal(n.pos.line, c->pos.line);
	assert_int_equal(n.pos.column, c->pos.column);
	assert_int_equal(n.at.line, c->at.line);
	assert_int_equal(n.at.column, c->at.column);
	np_node_text(n, text);
	assert_string_equal(text, c->text);
}

static void test_tree__values_know_where_they_stood(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *yaml = read_doc(cursor_yaml);
	NP_AUTO(np_doc_unrefp) struct np_doc *json = read_doc(cursor_json);

	(void)state;
	for (size_t i = 0; i < COUNT(yaml_places); i++)
		check_place(yaml, &yaml_places[i]);
	for (size_t i = 0; i < COUNT(json_places); i++)
		check_place(json, &json_places[i]);
}

static void test_tree__later_documents_have_lines_of_the_input(void **state)
{
	static const char input[] = "{\"a\":1} {\"b\":\n1.0}\n{\"c\": 2} {d: 08}\n--- {e: 08}\n";
	static const struct np_pos places[] = { { 1, 6 }, { 2, 1 }, { 3, 7 }, { 3, 14 }, { 4, 9 } };
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_reader_new("input", input, strlen(input), &r, &err), 0);
	for (size_t i = 0; i < COUNT(places); i++) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		struct np_node n;

		assert_int_equal(np_reader_next(r, &doc, &err), 1);
		n = np_node_next(np_doc_root(doc), NULL);
		assert_int_equal(n.pos.line, places[i].line);
		assert_int_equal(n.pos.column, places[i].column);
	}
}

static void test_tree__members_are_visited_in_order(void **state)
{
	static const char *const keys[] = { "zeta", "alpha", "", "mid", "merged" };
	NP_AUTO(np_doc_unrefp)
	struct np_doc *doc =
		read_doc("zeta: 1\nalpha: ~\n'': 2\n<<: {alpha: 3, merged: 4}\nmid: 5\n");
	struct np_node root = np_doc_root(doc), n = np_node_next(root, NULL);

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++, n = np_node_next(root, n.key)) {
		assert_non_null(n.key);
		assert_string_equal(n.key, keys[i]);
		assert_int_equal(np_node_is_present(n), i != 1);
	}
	assert_null(n.key);
	assert_null(n.json);
	assert_null(np_node_next(np_node_get(root, "zeta"), NULL).key);
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

static int read_typed(const struct read_case *c, struct np_node n, bool *ret_untouched,
		      struct np_err *err)
{
	static const char untouched[] = "untouched";
	const char *text = untouched;
	uint64_t number = 42;
	bool truth = false;
	int r = 0;

	if (c->as == READ_OBJECT)
		r = np_node_object(n, err);
	else if (c->as == READ_LIST)
		r = np_node_list(n, err);
	else if (c->as == READ_STRING)
		r = np_node_string(n, &text, err);
	else if (c->as == READ_UINT)
		r = np_node_uint(n, 1, 16, &number, err);
	else
		r = np_node_bool(n, &truth, err);
	*ret_untouched = text == untouched && number == 42 && !truth;
	return r;
}

static void test_tree__typed_reads_say_what_is_needed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(read_cases); i++) {
		const struct read_case *c = &read_cases[i];
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc(c->yaml);
		struct np_err err = NP_ERR_INIT;
		bool untouched;

		print_message("# %s\n", c->what);
		assert_int_equal(
			read_typed(c, np_node_get(np_doc_root(doc), "none"), &untouched, &err), 0);
		assert_true(untouched);
		assert_int_equal(
			read_typed(c, np_node_get(np_doc_root(doc), "a"), &untouched, &err),
			c->refused ? -NP_E_SPEC : 1);
		assert_string_equal(err.text, c->refused ? c->refused : "");
		assert_int_equal(untouched,
				 c->refused || c->as == READ_OBJECT || c->as == READ_LIST);
	}
}

static void test_tree__path_stops_at_what_is_no_mapping(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc("a:\n  b: [1]\n");
	struct np_node n = { .key = "sentinel" };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_node_path(np_doc_root(doc), "a.b.c.d", &n, &err), -NP_E_SPEC);
	assert_string_equal(err.text, "input:2:6: 'b' must be a mapping, is a list");
	assert_string_equal(n.key, "sentinel");
	assert_int_equal(np_node_path(np_doc_root(doc), "a.b.c", &n, &err), -NP_E_SPEC);
	assert_int_equal(np_node_path(np_doc_root(doc), "a.x.y.z", &n, &err), 0);
	assert_string_equal(n.key, "z");
	assert_false(np_node_is_present(n));
}

static void test_tree__failures_name_the_place(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc("a:\n  bb: 1\n");
	struct np_node n = np_node_get(np_node_get(np_doc_root(doc), "a"), "bb");
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_node_fail(n, &err, NP_E_WINDOW, "is %d", 1), -NP_E_WINDOW);
	assert_string_equal(err.text, "input:2:7: is 1");
	assert_int_equal(np_node_fail_key(n, &err, NP_E_SPEC, "unknown '%s'", n.key), -NP_E_SPEC);
	assert_string_equal(err.text, "input:2:3: unknown 'bb'");
}

static void test_tree__a_tree_from_elsewhere_has_no_places(void **state)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	char text[NP_NODE_TEXT_MAX];
	struct np_node n;

	(void)state;
	assert_int_equal(np_doc_new_take("class 'a'", json_pack("{s:[f]}", "x", 0.5), &doc, &err),
			 0);
	n = np_node_at(np_node_get(np_doc_root(doc), "x"), 0);
	np_node_text(n, text);
	assert_string_equal(text, "0.5");
	np_node_fail(n, &err, NP_E_SPEC, "odd");
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

static void test_tree__quoted_values_are_short_and_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(text_cases); i++) {
		char input[256], text[NP_NODE_TEXT_MAX];
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		print_message("# %s\n", text_cases[i].what);
		snprintf(input, sizeof(input), text_cases[i].expect ? "- %s\n" : "- '%s'\n",
			 text_cases[i].text);
		doc = read_doc(input);
		np_node_text(np_node_at(np_doc_root(doc), 0), text);
		assert_string_equal(text, text_cases[i].expect ? text_cases[i].expect
							       : text_cases[i].text);
	}
}

/* --- dump ---------------------------------------------------------------------------------- */

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

/* --- memory -------------------------------------------------------------------------------- */

static size_t allocations_left;

static void *scarce_malloc(size_t size)
{
	if (!allocations_left)
		return NULL;
	allocations_left--;
	return malloc(size);
}

/* Reads all with so many of jansson's allocations; returns 0 or the error's code. */
static int read_scarce(const char *input, size_t allocations)
{
	NP_AUTO(np_reader_freep) struct np_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	int n;

	allocations_left = allocations;
	assert_int_equal(np_reader_new("input", input, strlen(input), &r, &err), 0);
	do {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		n = np_reader_next(r, &doc, &err);
	} while (n == 1);
	assert_int_equal(n, -(int)err.code);
	return (int)err.code;
}

static void check_scarce(const char *input)
{
	size_t allocations = 0;
	int code;

	json_set_alloc_funcs(scarce_malloc, free);
	while ((code = read_scarce(input, allocations)) == NP_E_NOMEM && allocations < 10000)
		allocations++;
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(code, NP_OK);
	assert_true(allocations > 10);
}

static void test_tree__running_out_of_memory_is_told(void **state)
{
	(void)state;
	check_scarce(cursor_yaml);
	check_scarce(cursor_json);
	check_scarce("{a: &x {b: 1}, c: [*x], <<: [*x, {e: 08}]}\n---\n&k k: *k\n");
}

/* An allocator that gives back at once what was freed, as an unlucky one may. */
static struct block {
	struct block *next;
	size_t size;
} * freed;

static void *reusing_malloc(size_t size)
{
	struct block *b;

	for (struct block **at = &freed; *at; at = &(*at)->next) {
		b = *at;
		if (b->size != size)
			continue;
		*at = b->next;
		return b + 1;
	}
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	return b + 1;
}

static void reusing_free(void *p)
{
	struct block *b = p;

	if (!p)
		return;
	b--;
	b->next = freed;
	freed = b;
}

static void check_reused(void)
{
	NP_AUTO(np_doc_unrefp)
	struct np_doc *doc = read_doc("a:\n  <<: {one: 1, two: 2}\nb:\n  six: 6\n  ten: 10\n");
	struct np_node b = np_node_get(np_doc_root(doc), "b");

	assert_int_equal(np_node_get(b, "six").pos.line, 4);
	assert_int_equal(np_node_get(b, "ten").pos.line, 5);
}

static void test_tree__places_survive_memory_that_is_used_again(void **state)
{
	(void)state;
	json_set_alloc_funcs(reusing_malloc, reusing_free);
	check_reused();
	json_set_alloc_funcs(malloc, free);
	while (freed) {
		struct block *next = freed->next;

		free(freed);
		freed = next;
	}
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
		cmocka_unit_test(test_tree__valid_fixtures_are_read),
		cmocka_unit_test(test_tree__invalid_fixtures_are_refused),
		cmocka_unit_test(test_tree__corpus_holds),
		cmocka_unit_test(test_tree__scalars_resolve_as_kubectl_resolves_them),
		cmocka_unit_test(test_tree__keys_become_text_as_kubectl_does),
		cmocka_unit_test(test_tree__streams_yield_their_documents),
		cmocka_unit_test(test_tree__documents_are_numbered_and_named),
		cmocka_unit_test(test_tree__reader_ends_after_an_error),
		cmocka_unit_test(test_tree__too_large_an_input_is_refused),
		cmocka_unit_test(test_tree__a_document_outlives_its_reader),
		cmocka_unit_test(test_tree__depth_is_bounded),
		cmocka_unit_test(test_tree__depth_counts_through_aliases),
		cmocka_unit_test(test_tree__billion_laughs_are_refused_at_once),
		cmocka_unit_test(test_tree__merged_members_count),
		cmocka_unit_test(test_tree__a_million_values_are_the_most),
		cmocka_unit_test(test_tree__values_know_where_they_stood),
		cmocka_unit_test(test_tree__later_documents_have_lines_of_the_input),
		cmocka_unit_test(test_tree__members_are_visited_in_order),
		cmocka_unit_test(test_tree__typed_reads_say_what_is_needed),
		cmocka_unit_test(test_tree__path_stops_at_what_is_no_mapping),
		cmocka_unit_test(test_tree__failures_name_the_place),
		cmocka_unit_test(test_tree__a_tree_from_elsewhere_has_no_places),
		cmocka_unit_test(test_tree__quoted_values_are_short_and_printable),
		cmocka_unit_test(test_tree__dump_writes_what_kubectl_would),
		cmocka_unit_test(test_tree__dump_reads_back_as_the_same),
		cmocka_unit_test(test_tree__dump_refuses_what_is_too_deep),
		cmocka_unit_test(test_tree__running_out_of_memory_is_told),
		cmocka_unit_test(test_tree__places_survive_memory_that_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
