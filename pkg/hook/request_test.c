/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static int read_body(const char *body, size_t size, struct np_err *err)
{
	struct request r;

	if (hook_request_read("GeneratePatches", body, size, &r, err) < 0)
		return np_err_ret(err);
	hook_request_done(&r);
	return 0;
}

static void check_grammar(const char *text)
{
	char body[256];
	int n = snprintf(body, sizeof(body), "{\"a\":%s}", text);
	json_error_t why;
	json_auto_t *tree = json_loadb(text, strlen(text), JSON_DECODE_ANY, &why), *ours = NULL;
	struct np_err err = NP_ERR_INIT;
	int r = hook_span_tree((struct span){ text, strlen(text) }, &ours);

	if ((r == 0) != !!tree || (tree && !json_equal(tree, ours)))
		fail_msg("'%s': %d, jansson: %s", text, r, tree ? "ok" : why.text);
	assert_true(r == 0 || r == -NP_E_SPEC);
	/* An ignored part is only checked against the grammar. */
	if (tree && read_body(body, (size_t)n, &err) < 0)
		fail_msg("%s: %s", body, err.text);
}

static void test_json__grammar_and_values_are_those_of_jansson(void **state)
{
	static const char *const texts[] = {
		"0",
		"-0",
		"01",
		"-01",
		"1.5",
		"1.",
		".5",
		"1e5",
		"1E+5",
		"1e",
		"1e-",
		"-",
		"+1",
		"true",
		"tru",
		"truex",
		"nul",
		"\"\"",
		"\"a",
		"\"\\n\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u1234\"",
		"\"\\",
		"\"",
		"\"a\"b\"",
		"\"a\" ",
		"\"a\\\"",
		"\"\x7f\"",
		"\"\x1f\"",
		"\"\t\"",
		"[]",
		"[ ]",
		"[,]",
		"[1,]",
		"[1 2]",
		"[1,2]",
		"[",
		"]",
		"{}",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"b\":[{}]}",
		"{1:2}",
		"{\"a\":1",
		"\"\xc3\xa4\"",
		"[[[]]]",
		"1 1",
		"",
		" \n\t\r1 ",
		"[\"a\":1]",
		"{\"a\",1}",
		"--1",
		"1-",
		"[1}",
		"{\"a\":1]",
		"\f1",
		"9223372036854775807",
		"9223372036854775808",
		"-9223372036854775808",
		"-9223372036854775809",
		"1e308",
		"1e309",
		"-1.25e-3",
		"\"\\u0000\"",
		"{\"a\\u0000\":1}",
		"\"\\ud83d\\ude00 \\u00e4 \\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\ude00\"",
		"\"\xc3\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"{\"\xc0\x80\":1}",
		"{\"a\":1,\"a\":{\"b\":[null,true,false,1.5,\"\"]}}",
		"[{\"a\":[1,[2,{\"b\":{}}],3]},4]",
		"/**/1",
		"NaN",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_grammar(texts[i]);
}

/* The walk's room is elsewhere for a long text than for a short one. */
static void test_json__texts_have_any_length(void **state)
{
	static const char *const ends[] = { "", "\\n" };
	char text[1200];

	(void)state;
	for (int size = 900; size < 1100; size++) {
		for (size_t i = 0; i < 2; i++) {
			int n = snprintf(text, sizeof(text), "[\"%0*d%s\"]", size, 7, ends[i]);
			json_auto_t *ours = NULL, *tree = json_loads(text, 0, NULL);

			assert_int_equal(hook_span_tree((struct span){ text, (size_t)n }, &ours),
					 0);
			assert_true(json_equal(tree, ours));
		}
	}
}

/* Half a character is a question mark to yajl, and another such mark to Go; jansson refuses it. */
static void test_json__half_a_character_is_replaced(void **state)
{
	static const char text[] = "\"a\\ud83d\"";

	(void)state;
	assert_true(hook_span_is((struct span){ text, strlen(text) }, "a?"));
}

static void test_json__syntax_errors_are_found_in_ignored_members(void **state)
{
	static const char *const texts[] = { "01",        "1.",     "[1,]",     "{\"b\":1,}",
					     "\"\\x\"",   "\"\t\"", "nul",      "[1 2]",
					     "{\"b\" 1}", "[}",     "\"\xff\"", "\"\\u1\"",
					     "//\n1",     "-",      "\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char body[64];
		int n = snprintf(body, sizeof(body), "{\"a\":%s}", texts[i]);

		assert_int_equal(read_body(body, (size_t)n, &err), -NP_E_SPEC);
		assert_non_null(strstr(err.text, "the request cannot be read: "));
		assert_non_null(strstr(err.text, " at byte "));
	}
}

static void test_json__trailing_bytes_are_errors(void **state)
{
	static const struct {
		const char *body;
		bool fits;
	} rows[] = {
		{ "{}", true },           { "{} \n\t\r", true }, { "{}\"", false },
		{ "{} \"a", false },      { "{}\"a\"", false },  { "{}{}", false },
		{ "{\"a\":[]}]", false }, { "{}1", false },      { "{}t", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		int r = read_body(rows[i].body, strlen(rows[i].body), &err);

		if (r != (rows[i].fits ? 0 : -NP_E_SPEC) ||
		    (!rows[i].fits && !strstr(err.text, "trailing garbage at byte ")))
			fail_msg("%s: %d %s", rows[i].body, r, err.text);
	}
}

static void test_json__depth_is_bounded(void **state)
{
	char text[2 * NP_DOC_DEPTH_MAX + 16];

	(void)state;
	for (size_t depth = NP_DOC_DEPTH_MAX; depth <= NP_DOC_DEPTH_MAX + 1; depth++) {
		bool fits = depth == NP_DOC_DEPTH_MAX;
		struct np_err err = NP_ERR_INIT;
		json_auto_t *tree = NULL;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(hook_span_tree((struct span){ text, 2 * depth }, &tree),
				 fits ? 0 : -NP_E_SPEC);
		snprintf(text, sizeof(text), "{\"a\":");
		memset(text + 5, '[', depth - 1);
		memset(text + 4 + depth, ']', depth - 1);
		text[3 + 2 * depth] = '}';
		assert_int_equal(read_body(text, 4 + 2 * depth, &err), fits ? 0 : -NP_E_SPEC);
		assert_true(fits || strstr(err.text, "too many levels"));
	}
}

/* Writes a member with a text of that size, with an escape now and then. */
static size_t write_member(char *out, char name, size_t size)
{
	size_t n = (size_t)sprintf(out, "\"%c\":\"", name);

	for (size_t i = 0; i < size; i++, n++)
		out[n] = i % 500 == 498 ? '\\' : i % 500 == 499 ? 'n' : 'x';
	return n;
}

/* The room that is set aside for yajl has to do for texts with escapes, and for one that is cut off. */
static void test_json__long_texts_fit(void **state)
{
	static const size_t sizes[] = {
		0, 500, 1000, 1500, 2000, 2500, 4000, 4500, 270000, 530000
	};
	NP_AUTO(np_freep) char *body = malloc(1100000);

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct np_err err = NP_ERR_INIT;
			size_t n = 1;

			body[0] = '{';
			n += write_member(body + n, 'a', sizes[i]);
			n += (size_t)sprintf(body + n, "\",");
			n += write_member(body + n, 'b', sizes[k]);
			assert_int_equal(read_body(body, n, &err), -NP_E_SPEC);
			sprintf(body + n, "\"}");
			assert_int_equal(read_body(body, n + 2, &err), 0);
		}
}

static void test_request__members_may_stand_in_any_order(void **state)
{
	static const char body[] =
		"{\"items\":[{\"variables\":[null,{\"value\" : 7,\"name\":\"vm\\u0043lass\"},{\"value\":8},{\"value\":"
		"{\"machineDeployment\":{\"topologyName\":\"old\"},\"cluster\":{\"name\":\"old\"}},"
		"\"name\":\"builtin\",\"value\":{\"cluster\":{\"x\":[{\"name\":1}],\"name\":\"new\"}}},"
		"{\"name\":\"x\",\"value\":[{\"cluster\":{\"name\":2}},\"y\"]}],"
		"\"uid\" \n:\t\"a\\\"b\",\"object\":{\"spec\":{\"template\":{\"spec\":{\"memoryMiB\":"
		" 12 ,\"os\":null,\"template\":true}}},\"metadata\":null,\"kind\":"
		"\"VSphereMachineTemplate\"},\"holderReference\":{\"kind\":\"MachineDeployment\"}},"
		"null],\"variables\":null,\"settings\":null}";
	struct np_err err = NP_ERR_INIT;
	struct request r;
	const struct item *item;

	(void)state;
	if (hook_request_read("GeneratePatches", body, strlen(body), &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(r.n_items, 1);
	item = &r.items[0];
	assert_true(hook_span_is(item->uid, "a\"b"));
	assert_true(hook_span_is(item->variables.builtin.cluster, "new"));
	assert_null(item->variables.builtin.pool.p);
	assert_null(item->name.p);
	assert_memory_equal(item->variables.vm_class.p, "7", item->variables.vm_class.n);
	assert_memory_equal(item->fields[FIELD_MEMORY_MIB].p, "12",
			    item->fields[FIELD_MEMORY_MIB].n);
	assert_memory_equal(item->fields[FIELD_OS].p, "null", item->fields[FIELD_OS].n);
	assert_memory_equal(item->fields[FIELD_TEMPLATE].p, "true", item->fields[FIELD_TEMPLATE].n);
	assert_null(item->fields[FIELD_CLASS_NAME].p);
	hook_request_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__grammar_and_values_are_those_of_jansson),
		cmocka_unit_test(test_json__texts_have_any_length),
		cmocka_unit_test(test_json__half_a_character_is_replaced),
		cmocka_unit_test(test_json__syntax_errors_are_found_in_ignored_members),
		cmocka_unit_test(test_json__trailing_bytes_are_errors),
		cmocka_unit_test(test_json__depth_is_bounded),
		cmocka_unit_test(test_json__long_texts_fit),
		cmocka_unit_test(test_request__members_may_stand_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
