/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "testbed.h"

static bool is_named(const void *context, const json_t *parent, const json_t *object,
		     const char *key)
{
	(void)parent;
	(void)object;
	return strcmp(key, context) == 0;
}

static bool is_named_in_kind(const void *context, const json_t *parent, const json_t *object,
			     const char *key)
{
	(void)object;
	return strcmp(key, context) == 0 && json_object_get(parent, "kind");
}

/* Inputs whose members "status" are left out. */
static const struct scalar_case left_out_cases[] = {
	{ "a mapping", "status: {a: 1, b: [2, {c: 3}]}\nz: 1\n", "{\"status\":null,\"z\":1}" },
	{ "a list", "a: {status: [1, {b: 2}], c: 3}\n", "{\"a\":{\"status\":null,\"c\":3}}" },
	{ "an empty mapping", "{status: {}}\n--- 1\n", "{\"status\":null}" },
	{ "a scalar is kept", "status: up\n", "{\"status\":\"up\"}" },
	{ "an anchor is kept", "status: &s {a: 1}\nb: *s\n",
	  "{\"status\":{\"a\":1},\"b\":{\"a\":1}}" },
	{ "an anchor within", "status: {a: &s {b: [&t 2, *t], c: {}}, d: *s}\ne: *s\nf: *t\n",
	  "{\"status\":null,\"e\":{\"b\":[2,2],\"c\":{}},\"f\":2}" },
	{ "an anchor of a key within", "status: {&k a: {&k b: c}}\nd: *k\n",
	  "{\"status\":null,\"d\":\"b\"}" },
	{ "a merge within", "status: {<<: &s {a: 1}, b: {<<: [*s, {c: 2}]}}\nd: {<<: *s}\n",
	  "{\"status\":null,\"d\":{\"a\":1}}" },
	{ "equal keys of different mappings", "status: {a: {a: 1}, b: {a: 1}}\na: 1\n",
	  "{\"status\":null,\"a\":1}" },
	{ "a duplicate key", "status:\n  a:\n    b: 1\n    c: 2\n    b: 3\n",
	  "input:5:5: duplicate key 'b', first in line 3" },
	{ "a duplicate around a mapping with the key", "status: {a: 1, b: {a: 1, c: 2}, a: 3}\n",
	  "input:1:33: duplicate key 'a', first in line 1" },
	{ "a duplicate behind a mapping with the key",
	  "status: {a: {b: 1}, b: 1, c: {b: 1, d: {b: 1}, b: 2}}\n",
	  "input:1:48: duplicate key 'b', first in line 1" },
	{ "a duplicate of what is left out", "status: {}\nstatus: {}\n",
	  "input:2:1: duplicate key 'status', first in line 1" },
	{ "two merges", "status: {<<: {}, <<: {}}\n",
	  "input:1:18: duplicate key '<<', first in line 1" },
	{ "a merge of text", "status: {<<: a}\n",
	  "input:1:10: '<<' must merge a mapping or a list of mappings" },
	{ "an integer too large", "status: [{a: 99999999999999999999}]\n",
	  "input:1:14: '99999999999999999999' is an integer beyond 64 bits, put it in quotes to "
	  "make it text" },
	{ "a key that is null", "status: {~: 1}\n",
	  "input:1:10: a key is missing or null: it must be text" },
	{ "a key that is a mapping", "status: {{a: 1}: 1}\n",
	  "input:1:10: a key cannot be a mapping; is this an unrendered template ('{{ }}')?" },
	{ "an unknown alias", "status: [*a]\n",
	  "input:1:10: alias '*a' has no anchor '&a' before it" },
	{ "an alias of itself", "status: {a: &a [*a]}\n",
	  "input:1:17: alias '*a' is inside its own anchor" },
};

static char *read_left_out(const char *input, np_doc_unread *is_unread)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	np_doc_reader_leave_out(r, is_unread, "status");
	if (np_doc_reader_next(r, &doc, &err) != 1)
		return strdup(err.text);
	return json_dumps(np_doc_root(doc).json, JSON_COMPACT);
}

static void test_doc__left_out_members_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(left_out_cases); i++) {
		const struct scalar_case *c = &left_out_cases[i];
		NP_AUTO(np_freep) char *text = read_left_out(c->text, is_named);

		print_message("# %s\n", c->what);
		assert_string_equal(text, c->expect);
	}
}

static void test_doc__filter_sees_the_parent_as_read_so_far(void **state)
{
	static const struct scalar_case cases[] = {
		{ "behind the kind", "kind: a\nm: {status: {b: 1}}\n",
		  "{\"kind\":\"a\",\"m\":{\"status\":null}}" },
		{ "before the kind", "m: {status: {b: 1}}\nkind: a\n",
		  "{\"m\":{\"status\":{\"b\":1}},\"kind\":\"a\"}" },
		{ "at the top", "kind: a\nstatus: {b: 1}\n",
		  "{\"kind\":\"a\",\"status\":{\"b\":1}}" },
		{ "in an item", "- {kind: a, m: {status: {b: 1}}}\n- {status: {b: 1}}\n",
		  "[{\"kind\":\"a\",\"m\":{\"status\":null}},{\"status\":{\"b\":1}}]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		NP_AUTO(np_freep)
		char *text = read_left_out(cases[i].text, is_named_in_kind);

		print_message("# %s\n", cases[i].what);
		assert_string_equal(text, cases[i].expect);
	}
}

static void test_doc__left_out_members_have_positions(void **state)
{
	static const char input[] = "a: 1\nstatus:\n- x\nb: 2\n";
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	struct np_val status, b;

	(void)state;
	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	np_doc_reader_leave_out(r, is_named, "status");
	assert_int_equal(np_doc_reader_next(r, &doc, &err), 1);
	status = np_doc_get(np_doc_root(doc), "status");
	b = np_doc_get(np_doc_root(doc), "b");
	assert_false(np_doc_is_present(status));
	assert_int_equal(status.at.line, 2);
	assert_int_equal(status.pos.line, 3);
	assert_int_equal(b.pos.line, 4);
}

static void test_doc__left_out_members_are_bounded(void **state)
{
	json_auto_t *deep = repeat("[", NP_DOC_DEPTH_MAX, "", "]");
	json_auto_t *wide = repeat("1, ", NP_DOC_VALUES_MAX, "1", "");
	NP_AUTO(np_freep) char *deep_input = NULL;
	NP_AUTO(np_freep) char *wide_input = NULL;
	NP_AUTO(np_freep) char *deep_text = NULL;
	NP_AUTO(np_freep) char *wide_text = NULL;

	(void)state;
	assert_true(asprintf(&deep_input, "status: %s\n", json_string_value(deep)) > 0);
	assert_true(asprintf(&wide_input, "status: [%s]\n", json_string_value(wide)) > 0);
	deep_text = read_left_out(deep_input, is_named);
	wide_text = read_left_out(wide_input, is_named);
	assert_string_equal(deep_text, "input:1:108: nested too deeply, at most 100 levels");
	assert_non_null(strstr(wide_text, "too many values in one document"));
}

enum { KEYS = 300 };

/* Writes a mapping of many keys; the value in the middle is another one, until `depth` are within one another. */
static void write_wide(FILE *out, unsigned depth)
{
	fputc('{', out);
	for (unsigned i = 0; i < KEYS; i++) {
		fprintf(out, "k%u: ", i);
		if (depth > 1 && i == KEYS / 2)
			write_wide(out, depth - 1);
		else
			fputc('1', out);
		fputc(',', out);
	}
	fputc('}', out);
}

/* The table of keys grows within each mapping; what is left at the end of one is the keys around it. */
static void test_doc__duplicates_are_found_among_many_keys(void **state)
{
	NP_AUTO(np_freep) char *input = NULL;
	NP_AUTO(np_freep) char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&input, &size);

	(void)state;
	fputs("status:\n  k1:\n    b: ", out);
	write_wide(out, 5);
	fputs("\n    k2: ", out);
	write_wide(out, 1);
	fputs("\n    k1: 1\n    b: 1\n", out);
	assert_int_equal(fclose(out), 0);
	text = read_left_out(input, is_named);
	assert_string_equal(text, "input:6:5: duplicate key 'b', first in line 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__left_out_members_are_checked),
		cmocka_unit_test(test_doc__filter_sees_the_parent_as_read_so_far),
		cmocka_unit_test(test_doc__left_out_members_have_positions),
		cmocka_unit_test(test_doc__left_out_members_are_bounded),
		cmocka_unit_test(test_doc__duplicates_are_found_among_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
