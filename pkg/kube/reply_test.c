/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static const struct kube_call class_call = { .verb = "patch",
					     .method = "PATCH",
					     .path = "/x?secretquery",
					     .resource =
						     "virtualmachineclasses.vmoperator.vmware.com",
					     .ns = "ml",
					     .name = "gpu" };
static const struct kube_call path_call = { .verb = "get", .method = "GET", .path = "/apis?q=1" };

#define STATUS(message) "{\"kind\":\"Status\",\"message\":\"" message "\"}"
#define WHAT "virtualmachineclasses.vmoperator.vmware.com 'gpu' in namespace 'ml'"

static void test_kube__statuses_map_to_codes_and_messages(void **state)
{
	static const struct {
		const char *name;
		const struct kube_call *call;
		long status;
		const char *body;
		enum np_code code;
		const char *says;
	} rows[] = {
		{ "created", &class_call, 201, "{}", NP_OK, "" },
		{ "redirect", &class_call, 302, "", NP_E_REFUSED, "redirect (302)" },
		{ "bad request", &class_call, 400, STATUS("no"), NP_E_REFUSED,
		  WHAT ": the server rejected the request (400): no" },
		{ "not known", &class_call, 401, STATUS("Unauthorized"), NP_E_REFUSED,
		  "does not accept the credentials of user 'admin' (401)" },
		{ "not allowed", &class_call, 403, STATUS("RBAC"), NP_E_FORBIDDEN,
		  "forbidden: may not patch virtualmachineclasses.vmoperator.vmware.com in "
		  "namespace 'ml': RBAC" },
		{ "not allowed on a path", &path_call, 403, "", NP_E_FORBIDDEN,
		  "may not get '/apis'" },
		{ "not found", &class_call, 404, STATUS("x"), NP_E_NOT_FOUND, WHAT " not found" },
		{ "conflict", &class_call, 409, STATUS("modified"), NP_E_CONFLICT, "modified" },
		{ "exists", &class_call, 409, STATUS("already exists"), NP_E_CONFLICT, "exists" },
		{ "invalid", &class_call, 422, STATUS("unknown field"), NP_E_REFUSED,
		  "(422): unknown field" },
		{ "overload", &class_call, 429, "", NP_E_RETRY, "overloaded (429)" },
		{ "failure", &class_call, 500, STATUS("etcd"), NP_E_RETRY, "(500): etcd" },
		{ "bad gateway", &class_call, 502, "<html>", NP_E_RETRY, "(502)" },
		{ "unavailable", &class_call, 503, "plain text\n", NP_E_RETRY,
		  "(503): plain text" },
		{ "gateway timeout", &class_call, 504, NULL, NP_E_RETRY, "(504)" },
		{ "unheard of", &class_call, 599, "", NP_E_RETRY, "(599)" },
		{ "an object echoed", &class_call, 422,
		  STATUS(" \\\"\\\" is invalid: Invalid value: \\\"{a: {b: x}}\\\": unknown field "
			 "\\\"c\\\""),
		  NP_E_REFUSED,
		  "(422): \"\" is invalid: Invalid value: {...}: unknown field \"c\"" },
		{ "a secret echoed", &class_call, 422, STATUS("you sent tok-abcdef!"), NP_E_REFUSED,
		  "you sent [redacted]!" },
	};
	char *texts[] = { (char[]){ "tok-abcdef" } };
	const struct kube_secrets secrets = { .n = 1, .texts = texts };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		const struct kube_answer a = { .status = row->status,
					       .body = row->body,
					       .size = row->body ? strlen(row->body) : 0,
					       .retry_after = "",
					       .who = "user 'admin'",
					       .secrets = &secrets };
		struct np_err err = NP_ERR_INIT;

		if (kube_answer_check(row->call, &a, &err) != -(int)row->code)
			fail_msg("%s: code %d: %s", row->name, err.code, err.text);
		expect_has(row->name, err.text, row->says);
		assert_null(strstr(err.text, "secretquery"));
		assert_null(strstr(err.text, "<html>"));
	}
}

static void test_kube__long_messages_are_truncated(void **state)
{
	const struct kube_secrets secrets = { 0 };
	char body[5000] = "{\"kind\":\"Status\",\"message\":\"";
	struct kube_answer a = { .status = 422,
				 .body = body,
				 .retry_after = "",
				 .who = "user 'u'",
				 .secrets = &secrets };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	memset(body + strlen(body), 'm', 4000);
	strlcat(body, "\"}", sizeof(body));
	a.size = strlen(body);
	assert_int_equal(kube_answer_check(&class_call, &a, &err), -NP_E_REFUSED);
	assert_true(strlen(err.text) < 500);
	assert_string_equal(err.text + strlen(err.text) - 4, "m...");
}

static void test_kube__retryable_statuses_are_known(void **state)
{
	static const long again[] = { 429, 500, 502, 503, 504 };
	static const long never[] = { 200, 302, 400, 401, 403, 404, 409, 410, 422, 501, 505 };

	(void)state;
	for (size_t i = 0; i < COUNT(again); i++)
		if (!kube_status_is_retried(again[i]))
			fail_msg("%ld is not", again[i]);
	for (size_t i = 0; i < COUNT(never); i++)
		if (kube_status_is_retried(never[i]))
			fail_msg("%ld is", never[i]);
	assert_true(kube_answer_is_retried(&(struct kube_answer){ .status = 500, .body = "etcd" }));
	assert_false(kube_answer_is_retried(&(struct kube_answer){
		.status = 500,
		.body = "{\"message\":\"failed to create typed patch object (x)\"}" }));
}

static void test_kube__retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* ms, seen from 2026-10-21 07:28:00; < 0: neither */
	} rows[] = {
		{ "0", 0 },
		{ " 17 ", 17000 },
		{ "99999999999999999999", 100000000000 },
		{ "Wed, 21 Oct 2026 07:28:30 GMT", 30000 },
		{ "Wed, 21 Oct 2026 07:00:00 GMT", 0 },
		{ "", -1 },
		{ "-5", -1 },
		{ "soon", -1 },
		{ "5 minutes", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ms = 77;
		bool ok = kube_retry_after(rows[i].text, 1792567680, &ms);

		if (ok != (rows[i].want >= 0) || ms != (ok ? (uint64_t)rows[i].want : 77))
			fail_msg("'%s': %d, %llu ms", rows[i].text, ok, (unsigned long long)ms);
	}
}

static void test_kube__body_may_name_the_retry_delay(void **state)
{
	const char *body = "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":3}}";
	struct kube_answer a = { .status = 429, .body = body, .size = strlen(body) };
	uint64_t ms = 77;

	(void)state;
	a.retry_after = "";
	assert_true(kube_answer_wait(&a, 0, &ms));
	assert_int_equal(ms, 3000);
	a.retry_after = "1";
	assert_true(kube_answer_wait(&a, 0, &ms));
	assert_int_equal(ms, 1000);
}

static void test_kube__backoff_doubles_up_to_five_seconds(void **state)
{
	static const struct {
		unsigned attempt;
		uint64_t least, most;
	} rows[] = {
		{ 0, 50, 150 },    { 1, 100, 300 },    { 2, 200, 600 },    { 5, 1600, 4800 },
		{ 6, 2500, 7500 }, { 20, 2500, 7500 }, { 64, 2500, 7500 }, { 1000, 2500, 7500 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(kube_backoff(rows[i].attempt, 0), rows[i].least);
		assert_int_equal(kube_backoff(rows[i].attempt, UINT32_MAX), rows[i].most);
	}
}

static void test_kube__unusable_answers_name_their_object(void **state)
{
	static const struct {
		const char *name, *body, *says;
	} rows[] = {
		{ "a number in a list",
		  "{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"n1\"},\"x\":1},"
		  "{\"metadata\":{\"name\":\"b\",\"namespace\":\"n2\"},"
		  "\"spec\":{\"y\":[0,99999999999999999999]}}]}",
		  ".com 'b' in namespace 'n2': the server's response holds a number beyond 64 bits "
		  "at .spec.y[1]" },
		{ "a NUL in an object", "{\"metadata\":{\"name\":\"gpu\"},\"spec\":\"a\\u0000b\"}",
		  WHAT ": the server's response holds a NUL character at .spec" },
		{ "HTML", "<html>", "is not a JSON object" },
		{ "nothing", "", "is not a JSON object" },
		{ "a list", "[]", "is not a JSON object" },
		{ "half an object", "{\"a\":", "is not a JSON object" },
	};
	const struct kube_secrets secrets = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		const struct kube_answer a = { .status = 200,
					       .body = row->body,
					       .size = strlen(row->body),
					       .secrets = &secrets };
		struct np_err err = NP_ERR_INIT;
		json_t *const sentinel = (void *)&err, *root = sentinel;

		assert_int_equal(kube_body_parse(&class_call, &a, &root, &err), -NP_E_REFUSED);
		expect_has(row->name, err.text, row->says);
		assert_ptr_equal(root, sentinel);
	}
}

static void test_kube__warnings_are_read(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: none */
	} rows[] = {
		{ " 299 - \"v1 is deprecated\"", "v1 is deprecated" },
		{ "299 - \"say \\\"x\\\"\" \"date\"", "say \"x\"" },
		{ "199 - \"other\"", NULL },
		{ "299 - none", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char buf[64] = "";
		bool ok = kube_warning_parse(rows[i].value, buf, sizeof(buf));

		assert_int_equal(ok, !!rows[i].want);
		if (ok)
			assert_string_equal(buf, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__statuses_map_to_codes_and_messages),
		cmocka_unit_test(test_kube__long_messages_are_truncated),
		cmocka_unit_test(test_kube__retryable_statuses_are_known),
		cmocka_unit_test(test_kube__retry_after_is_seconds_or_a_date),
		cmocka_unit_test(test_kube__body_may_name_the_retry_delay),
		cmocka_unit_test(test_kube__backoff_doubles_up_to_five_seconds),
		cmocka_unit_test(test_kube__unusable_answers_name_their_object),
		cmocka_unit_test(test_kube__warnings_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
