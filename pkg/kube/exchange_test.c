/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/kube_exchange.h"

#include "testbed.h"

/* libcurl by itself sends a request again where a connection that it reuses is cut. */
static void test_kube__create_is_not_resent_over_reused_connection(void **state)
{
	struct bed *b = *state;
	json_t *body = json_pack("{s:{s:s}}", "metadata", "name", "gpu"), *object = NULL;
	const struct np_kube_create create = { .body = body };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }, { NULL, NULL, NULL, 0 },
				       { "201 Created", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(np_kube_create(b->k, &classes, "ml", &create, &object, &err), -NP_E_RETRY);
	assert_int_equal(b->server.n, 2);
	json_decref(body);
}

/* What judge() saw. */
struct seen {
	long status;
	char body[32], header[64];
	size_t n;
};

static int judge(void *ctx, const struct np_kube_reply *reply, bool *ret_again, struct np_err *err)
{
	struct seen *s = ctx;

	s->n++;
	s->status = reply->status;
	snprintf(s->body, sizeof(s->body), "%s", reply->body);
	*ret_again = reply->status == 503;
	return reply->status == 200 ? 0 : np_fail(err, NP_E_REFUSED, "said '%s'", reply->body);
}

static void keep_header(void *ctx, const char *line)
{
	struct seen *s = ctx;

	if (strncmp(line, "X-Test:", 7) == 0)
		snprintf(s->header, sizeof(s->header), "%s", line);
}

static void test_kube__exchange_is_judged_by_its_caller(void **state)
{
	struct bed *b = *state;
	struct seen seen = { 0 };
	const char *const headers[] = { "Cookie: a=b", NULL };
	const struct np_kube_exchange x = { .method = "POST",
					    .path = "/sdk",
					    .what = "hosts",
					    .headers = headers,
					    .body = "<a/>",
					    .content_type = "text/xml",
					    .is_repeatable = true,
					    .judge = judge,
					    .header = keep_header,
					    .ctx = &seen };
	struct np_err err = NP_ERR_INIT;
	char *body = NULL;
	size_t size;

	server_start(&b->server, STEPS({ "503 Busy", NULL, "busy", 0 },
				       { "200 OK", "X-Test: 1\r\n", "<b/>", 0 },
				       { "500 No", NULL, "it is a secret", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_add_secret(b->k, "a secret", true, &err), 0);
	assert_int_equal(np_kube_exchange(b->k, &x, &body, &size, &err), 0);
	assert_string_equal(body, "<b/>");
	assert_int_equal(size, 4);
	assert_string_equal(seen.header, "X-Test: 1");
	ASSERT_HAS(b->server.requests[1], "POST /sdk HTTP");
	ASSERT_HAS(b->server.requests[1], "\r\nCookie: a=b\r\n");
	ASSERT_HAS(b->server.requests[1], "\r\nContent-Type: text/xml\r\n");
	free(body);
	assert_int_equal(np_kube_exchange(b->k, &x, &body, &size, &err), -NP_E_REFUSED);
	assert_string_equal(err.text, "said 'it is [redacted]'");
	assert_int_equal(seen.n, 3);
}

static bool always(void *ctx)
{
	(void)ctx;
	return true;
}

static void test_kube__final_exchange_outlives_cancellation(void **state)
{
	struct bed *b = *state;
	struct seen seen = { 0 };
	struct np_kube_exchange x = {
		.method = "DELETE", .path = "/s", .what = "session", .judge = judge, .ctx = &seen
	};
	struct np_err err = NP_ERR_INIT;
	char *body = NULL;
	size_t size;

	server_start(&b->server, STEPS({ "200 OK", NULL, NULL, 0 }));
	bed_connect(b, (struct np_kube_options){ .is_cancelled = always });
	assert_int_equal(np_kube_exchange(b->k, &x, &body, &size, &err), -NP_E_RETRY);
	x.is_final = true;
	assert_int_equal(np_kube_exchange(b->k, &x, &body, &size, &err), 0);
	assert_int_equal(b->server.n, 1);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BED(test_kube__create_is_not_resent_over_reused_connection),
		IN_BED(test_kube__exchange_is_judged_by_its_caller),
		IN_BED(test_kube__final_exchange_outlives_cancellation),
	};

	/* A client that hangs up ends no test. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("kube exchange", tests, NULL, NULL);
}
