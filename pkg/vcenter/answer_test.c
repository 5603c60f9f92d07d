/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"
#include "expect.h"
#include "files.h"
#include "internal.h"

#include <bsd/string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#define CASES "pkg/vcenter/testdata/cases/"

/* The corpus is replayed through the fuzz target itself. */
#include "vcenter_fuzz.c"

/* A client that knows the secrets of the records: the password pass&word1 of user u. */
static struct np_vcenter *client;

static int make_client(void **state)
{
	const struct np_vcenter_options o = { .url = "u:pass&word1@127.0.0.1:1" };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	if (np_vcenter_new(&o, &client, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int free_client(void **state)
{
	(void)state;
	np_vcenter_free(client);
	return 0;
}

/* --- records ------------------------------------------------------------------------------------ */

/* A record's first line and its body. */
struct record {
	long status;
	char asked[16];
	const char *body;
	size_t size;
};

static struct record read_record(const char *input)
{
	struct record r = { .body = strchr(input, '\n') };

	assert_non_null(r.body);
	r.status = strtol(input, NULL, 10);
	r.body++;
	assert_true(strlcpy(r.asked, input + 4, sizeof(r.asked)) > 0);
	r.asked[strcspn(r.asked, "\n")] = '\0';
	r.size = strlen(r.body);
	return r;
}

static void write_outcome(FILE *out, const struct np_err *err)
{
	if (err->code != NP_OK)
		fprintf(out, "%s: %s\n", np_code_name(err->code), err->text);
	else
		fprintf(out, "ok\n");
}

static char *judge_rest(const char *input)
{
	struct record r = read_record(input);
	const struct np_kube_reply reply = { r.status, r.body, r.size };
	const struct vcenter_call call = { .verb = "change",
					   .what = "VM class 'gpu'",
					   .privilege = "VirtualMachineClasses.Manage",
					   .user = "u",
					   .is_login = strcmp(r.asked, "login") == 0,
					   .is_class = strcmp(r.asked, "get") == 0 ||
						       strcmp(r.asked, "patch") == 0 };
	struct np_err err = NP_ERR_INIT;
	bool again, expired;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)vcenter_rest_judge(&call, client->http, &reply, &again, &expired, &err);
	write_outcome(out, &err);
	fprintf(out, "%s%s", again ? "again\n" : "", expired ? "expired\n" : "");
	fclose(out);
	return text;
}

static void print_about(FILE *out, const struct record *r)
{
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	struct np_vcenter v = { .base = (char[]){ "https://vc" } };
	const struct np_vcenter_about *a = NULL;
	struct np_err err = NP_ERR_INIT;

	if (vcenter_soap_response("RetrieveServiceContent", NULL, r->body, r->size, &result,
				  &err) == 0 &&
	    vcenter_about_read(vcenter_child(result.response, "returnval"), &v, &err) == 0 &&
	    vcenter_about_check(&v, &err) == 0)
		a = &v.about;
	write_outcome(out, &err);
	if (a)
		fprintf(out, "'%s' '%s' '%s' '%s'\n%s|%s|%s|%s|%s\n", a->name, a->version, a->build,
			a->instance_uuid, v.session_manager, v.property_collector, v.root_folder,
			v.view_manager, v.setting);
}

static char *judge_soap(const char *input)
{
	struct record r = read_record(input);
	const struct np_kube_reply reply = { r.status, r.body, r.size };
	const struct vcenter_call call = { .verb = "read",
					   .what = "hosts",
					   .privilege = "System.Read",
					   .user = "u",
					   .is_login = strcmp(r.asked, "login") == 0 };
	char fault[VCENTER_FAULT_MAX], *text = NULL;
	struct np_err err = NP_ERR_INIT;
	bool again;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (vcenter_soap_judge(&call, client->http, &reply, &again, fault, &err) == 0) {
		print_about(out, &r);
	} else {
		write_outcome(out, &err);
		fprintf(out, "%s%s%s%s", fault[0] ? "fault " : "", fault, fault[0] ? "\n" : "",
			again ? "again\n" : "");
	}
	fclose(out);
	return text;
}

static void test_vcenter__rest_answers(void **state)
{
	(void)state;
	run_cases(CASES "rest.txt", judge_rest);
}

static void test_vcenter__soap_answers(void **state)
{
	(void)state;
	run_cases(CASES "soap.txt", judge_soap);
}

/* --- JSON --------------------------------------------------------------------------------------- */

static void test_vcenter__session_ids(void **state)
{
	static const struct {
		const char *body;
		const char *id; /* NULL: rejected */
	} rows[] = {
		{ "\"abc\"", "abc" },
		{ "{\"value\":\"abc-1\"}", "abc-1" },
		{ "\"\"", NULL },
		{ "\"a b\"", NULL },
		{ "\"a\\r\\nX-Evil: 1\"", NULL },
		{ "\"\xc3\xa9\"", NULL },
		{ "{\"value\":7}", NULL },
		{ "{}", NULL },
		{ "[\"abc\"]", NULL },
		{ "abc", NULL },
		{ "", NULL },
		{ "\"a\\u0000b\"", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;
		char *id = NULL;
		int r = vcenter_session_parse(rows[i].body, strlen(rows[i].body), &id, &err);

		if (rows[i].id)
			assert_string_equal(id, rows[i].id);
		else
			assert_null(id);
		assert_int_equal(r, rows[i].id ? 0 : -NP_E_REFUSED);
		free(id);
	}
}

/* Returns `n` of `open`, then `n` of `close`. */
static char *nest(size_t n, const char *open, const char *close)
{
	size_t open_size = strlen(open), close_size = strlen(close);
	char *text = calloc(n, open_size + close_size + 1), *at = text;

	for (size_t i = 0; i < n; i++)
		at = (char *)memcpy(at, open, open_size) + open_size;
	for (size_t i = 0; i < n; i++)
		at = (char *)memcpy(at, close, close_size) + close_size;
	return text;
}

static int parse_nested(size_t n, struct np_err *err)
{
	json_t *json = NULL;
	char *text = nest(n, "[", "]");
	int r = vcenter_json_parse("x", text, strlen(text), &json, err);

	json_decref(json);
	free(text);
	return r;
}

static void test_vcenter__json_is_bounded(void **state)
{
	static const struct {
		const char *body, *says;
	} rows[] = {
		{ "{\"a\":1,\"a\":2}", "holds a member twice" },
		{ "{\"a\":99999999999999999999}", "a number beyond 64 bits" },
		{ "{\"a\":\"\\u0000\"}", "a NUL character" },
		{ "<html>", "is not JSON (byte 1): is this a vCenter?" },
	};
	struct np_err err = NP_ERR_INIT;
	json_t *json = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(
			vcenter_json_parse("x", rows[i].body, strlen(rows[i].body), &json, &err),
			-NP_E_REFUSED);
		expect_has(rows[i].body, err.text, rows[i].says);
	}
	assert_int_equal(parse_nested(100, &err), 0);
	assert_int_equal(parse_nested(101, &err), -NP_E_REFUSED);
	expect_has("101", err.text, "deeper than 100 levels");
	assert_int_equal(parse_nested(5000, &err), -NP_E_REFUSED);
	expect_has("5000", err.text, "deeper than 100 levels");
}

/* --- XML ---------------------------------------------------------------------------------------- */

static void test_vcenter__xml_is_bounded(void **state)
{
	char *fits = nest(VCENTER_XML_DEPTH_MAX, "<a>", "</a>");
	char *deep = nest(VCENTER_XML_DEPTH_MAX + 1, "<a>", "</a>");
	char *wide = nest(VCENTER_XML_NODES_MAX + 2, "<a/>", "");
	struct vcenter_xml *x = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(vcenter_xml_parse(fits, strlen(fits), &x, &err), 0);
	vcenter_xml_free(x);
	assert_int_equal(vcenter_xml_parse(deep, strlen(deep), &x, &err), -NP_E_REFUSED);
	expect_has("deep", err.text, "deeper than 100 levels");
	/* The first <a/> becomes <r>, with a text behind it, and the last one </r>. */
	wide[1] = 'r';
	wide[2] = '>';
	wide[strlen(wide) - 3] = '/';
	wide[strlen(wide) - 2] = 'r';
	assert_int_equal(vcenter_xml_parse(wide, strlen(wide), &x, &err), -NP_E_REFUSED);
	expect_has("wide", err.text, "more than 1000000 elements");
	free(fits);
	free(deep);
	free(wide);
}

static void test_vcenter__xml_is_read_as_written(void **state)
{
	static const char text[] = "<r xmlns='urn:vim25' "
				   "xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>"
				   "<a i:type='xsd:string'> x &amp; <![CDATA[<y>]]></a>"
				   "<b type='Folder'>mixed<c/></b><a i:nil='true'/></r>";
	struct vcenter_xml *x = NULL;
	struct np_err err = NP_ERR_INIT;
	const struct vcenter_node *root, *a;

	(void)state;
	assert_int_equal(vcenter_xml_parse(text, strlen(text), &x, &err), 0);
	root = vcenter_xml_root(x);
	a = vcenter_child(root, "a");
	assert_int_equal(root->ns, VCENTER_NS_VIM);
	assert_string_equal(a->text, " x & <y>");
	assert_string_equal(a->type, "string");
	assert_false(a->is_nil);
	assert_true(vcenter_next(a)->is_nil);
	assert_null(vcenter_next(vcenter_next(a)));
	assert_string_equal(vcenter_child(root, "b")->ref_type, "Folder");
	assert_string_equal(vcenter_child_text(root, "b"), "");
	assert_string_equal(vcenter_child_text(root, "none"), "");
	assert_null(vcenter_child(NULL, "a"));
	vcenter_xml_free(x);
}

/* What was visited, as one text. */
struct visits {
	char text[64];
	const char *last; /* the visit of this element fails */
};

static int note_visit(void *ctx, const struct vcenter_node *n, struct np_err *err)
{
	struct visits *v = ctx;
	const char *text = vcenter_child_text(n, "b");

	strlcat(v->text, text, sizeof(v->text));
	return v->last && strcmp(text, v->last) == 0 ? np_fail(err, NP_E_SPEC, "enough") : 0;
}

/* Visits each <a> inside the root. */
static int visit(const char *text, struct visits *v, struct vcenter_xml **ret, struct np_err *err)
{
	struct vcenter_visitor visitor = { "a", 1, note_visit, v, false };
	int r = vcenter_xml_visit(text, strlen(text), &visitor, ret, err);

	assert_int_equal(visitor.failed, !!v->last);
	return r;
}

static void test_vcenter__xml_is_visited_in_parts(void **state)
{
	static const char text[] = "<r><x/><a><b>1</b><a><b>inner</b></a></a><c><a/></c><a/>"
				   "<a><b>2</b></a><y>z</y></r>";
	struct visits v = { .last = NULL }, stopped = { .last = "1" }, cut = { .last = NULL };
	struct vcenter_xml *x = NULL;
	struct np_err err = NP_ERR_INIT;
	const struct vcenter_node *root;

	(void)state;
	assert_int_equal(visit(text, &v, &x, &err), 0);
	assert_string_equal(v.text, "12");
	root = vcenter_xml_root(x);
	assert_null(vcenter_child(root, "a"));
	assert_non_null(vcenter_child(vcenter_child(root, "c"), "a"));
	assert_string_equal(vcenter_child_text(root, "y"), "z");
	assert_non_null(vcenter_child(root, "x"));
	vcenter_xml_free(x);
	assert_int_equal(visit(text, &stopped, &x, &err), -NP_E_SPEC);
	assert_string_equal(stopped.text, "1");
	assert_int_equal(visit("<r><a><b>1</b></a>", &cut, &x, &err), -NP_E_REFUSED);
	assert_string_equal(cut.text, "1");
}

/* What was visited is free again: it counts no more. */
static void test_vcenter__xml_bound_is_of_one_part(void **state)
{
	char *parts = nest(VCENTER_XML_NODES_MAX, "<a><b>1</b></a>", "");
	struct visits v = { .last = NULL };
	struct vcenter_xml *x = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	/* The first element becomes the root. */
	for (size_t i = 0; i < 15; i++) {
		parts[i] = "<r>            "[i];
		parts[strlen(parts) - 15 + i] = "</r>           "[i];
	}
	assert_int_equal(visit(parts, &v, &x, &err), 0);
	vcenter_xml_free(x);
	free(parts);
}

static bool is_xml_text(const char *text)
{
	struct np_err err = NP_ERR_INIT;
	bool is_text = false;

	assert_int_equal(vcenter_is_xml_text(text, &is_text, &err), 0);
	return is_text;
}

static void test_vcenter__sent_xml_is_escaped(void **state)
{
	const struct vcenter_method m = { .name = "M", .type = "T", .id = "<&\"'>\r\n\t" };
	struct vcenter_text t = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(vcenter_soap_envelope(&m, &t, &err), 0);
	expect_has("envelope", t.bytes,
		   "<M xmlns=\"urn:vim25\"><_this type=\"T\">"
		   "&lt;&amp;&quot;&apos;&gt;&#13;&#10;&#9;</_this></M>");
	vcenter_text_done(&t);
	assert_true(is_xml_text("p\xc3\xa4ss \t"));
	assert_true(is_xml_text(""));
	assert_false(is_xml_text("a\x01"));
	assert_false(is_xml_text("a\xff"));
	assert_false(is_xml_text("a\xef\xbf\xbf"));
}

static void test_vcenter__versions(void **state)
{
	static const struct {
		const char *text;
		bool is_version;
		unsigned parts[3];
	} rows[] = {
		{ "8.0.2", true, { 8, 0, 2 } },      { "8.0", true, { 8, 0, 0 } },
		{ "9.0.0.0", true, { 9, 0, 0 } },    { "10.1.2", true, { 10, 1, 2 } },
		{ "8.0.2-rc1", false, { 0, 0, 0 } }, { "8", false, { 0, 0, 0 } },
		{ "", false, { 0, 0, 0 } },          { "x.0.2", false, { 0, 0, 0 } },
		{ "99999.0.2", false, { 0, 0, 0 } }, { "8..2", false, { 0, 0, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned parts[3];

		if (vcenter_version_parse(rows[i].text, parts) != rows[i].is_version)
			fail_msg("'%s'", rows[i].text);
		if (rows[i].is_version)
			assert_memory_equal(parts, rows[i].parts, sizeof(parts));
	}
}

static void test_vcenter__class_ids(void **state)
{
	static const char long_id[] =
		"a234567890123456789012345678901234567890123456789012345678901234";

	(void)state;
	assert_true(np_vcenter_is_class_id("gpu-4x-h200"));
	assert_true(np_vcenter_is_class_id("7"));
	assert_true(np_vcenter_is_class_id(long_id + 1));
	assert_false(np_vcenter_is_class_id(long_id));
	assert_false(np_vcenter_is_class_id(""));
	assert_false(np_vcenter_is_class_id("-a"));
	assert_false(np_vcenter_is_class_id("a-"));
	assert_false(np_vcenter_is_class_id("A"));
	assert_false(np_vcenter_is_class_id("a/../b"));
	assert_false(np_vcenter_is_class_id("a?x"));
}

/* --- fuzz targets ------------------------------------------------------------------------------- */

static void test_vcenter__rest_corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/vcenter/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcenter__rest_answers),
		cmocka_unit_test(test_vcenter__soap_answers),
		cmocka_unit_test(test_vcenter__session_ids),
		cmocka_unit_test(test_vcenter__json_is_bounded),
		cmocka_unit_test(test_vcenter__xml_is_bounded),
		cmocka_unit_test(test_vcenter__xml_is_read_as_written),
		cmocka_unit_test(test_vcenter__xml_is_visited_in_parts),
		cmocka_unit_test(test_vcenter__xml_bound_is_of_one_part),
		cmocka_unit_test(test_vcenter__sent_xml_is_escaped),
		cmocka_unit_test(test_vcenter__versions),
		cmocka_unit_test(test_vcenter__class_ids),
		cmocka_unit_test(test_vcenter__rest_corpus_holds),
	};

	return cmocka_run_group_tests_name("vcenter answers", tests, make_client, free_client);
}
