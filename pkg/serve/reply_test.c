/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_serve__delayed_response_does_not_delay_others(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	char buf[4000];

	(void)state;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
	ask(&s, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /other"));
	hang_up(&c);
	stop(&s);
}

static void test_serve__a_response_is_delayed_as_asked(void **state)
{
	struct np_serve_options o = options();
	uint64_t before;
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	before = np_clock_ms();
	ask(&s, "GET /delay HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /delay"));
	assert_true(np_clock_ms() - before >= 300);
	stop(&s);
}

static void test_serve__a_client_may_leave_before_its_answer(void **state)
{
	struct np_serve_options o = options();
	static const char *const paths[] = { "/delay", "/slow", "/endless", "/" };
	struct server s;
	char request[100], buf[4000];

	(void)state;
	start(&s, &o);
	for (size_t i = 0; i < 4; i++) {
		struct client c = join(&s);

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
		say(&c, request);
		hang_up(&c);
	}
	nap(500);
	ask(&s, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /alive"));
	stop(&s);
}

static void test_serve__connections_are_cut_as_asked(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[4000];
	const char *body;

	(void)state;
	start(&s, &o);
	assert_int_equal(ask(&s, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf)), 0);
	assert_true(ask(&s, "GET /cut-body HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf)) > 0);
	body = strstr(buf, "\r\n\r\n");
	assert_non_null(body);
	assert_non_null(strstr(buf, "Content-Length: 23\r\n"));
	assert_string_equal(body + 4, "GET /cut-bo");
	stop(&s);
}

static void test_serve__a_slow_body_takes_its_time_and_is_whole(void **state)
{
	struct np_serve_options o = options();
	uint64_t before;
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	before = np_clock_ms();
	ask(&s,
	    "PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n\r\n"
	    "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	    buf, sizeof(buf));
	assert_non_null(strstr(buf, "PUT /slow [] - - 80:1234567890"));
	assert_int_equal(strcmp(buf + strlen(buf) - 4, "7890"), 0);
	assert_in_range(np_clock_ms() - before, 350, 2500);
	stop(&s);
}

static void test_serve__a_stream_comes_in_chunks(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	char buf[4000];

	(void)state;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "Transfer-Encoding: chunked"));
	assert_non_null(strstr(buf, "\r\n\r\n6\r\npiece \r\n6\r\npiece \r\n6\r\npiece \r\n0\r\n"));
	hang_up(&c);
	stop(&s);
}

static void test_serve__a_small_answer_is_one_record(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	char buf[4000];
	int n;

	(void)state;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
	n = SSL_read(c.ssl, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(buf, "\r\n\r\nGET /small"));
	hang_up(&c);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__delayed_response_does_not_delay_others),
		cmocka_unit_test(test_serve__a_response_is_delayed_as_asked),
		cmocka_unit_test(test_serve__a_client_may_leave_before_its_answer),
		cmocka_unit_test(test_serve__connections_are_cut_as_asked),
		cmocka_unit_test(test_serve__a_slow_body_takes_its_time_and_is_whole),
		cmocka_unit_test(test_serve__a_stream_comes_in_chunks),
		cmocka_unit_test(test_serve__a_small_answer_is_one_record),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
