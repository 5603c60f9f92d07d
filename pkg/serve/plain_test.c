/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

/* Sends bytes without TLS; buf holds all that comes back. */
static void ask_plain(const struct server *s, const char *text, char *buf, size_t size)
{
	int fd = dial(s, 10000);
	size_t n = 0;
	ssize_t got;

	memset(buf, 0, size);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	while (n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
}

static void test_serve__plain_http_is_for_one_request_each(void **state)
{
	static const struct {
		const char *sentence, *request, *answer;
	} rows[] = {
		{ "a request", "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a [b] - - 0:" },
		{ "HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "Connection: close" },
		{ "no version", "GET /a\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "no path", "GET a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "another protocol", "GET /a SMTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "a handler that fails", "GET /fail HTTP/1.1\r\n\r\n",
		  "HTTP/1.1 500 Internal Server Error" },
		{ "TLS", "\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request" },
	};
	struct np_serve_options o = options();
	struct server s;
	char buf[2000];
	uint64_t from;
	int fd;

	(void)state;
	o.plain = true;
	o.deadline_ms = 2000;
	o.headers_max = 1000;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_plain(&s, rows[i].request, buf, sizeof(buf));
		if (!strstr(buf, rows[i].answer))
			fail_msg("%s: %s", rows[i].sentence, buf);
	}
	/* A client that says nothing is cut at the deadline; one that says too much at once. */
	from = np_clock_ms();
	ask_plain(&s, "GET /", buf, sizeof(buf));
	assert_string_equal(buf, "");
	assert_true(np_clock_ms() - from >= 1900);
	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "GET /a HTTP/1.1\r\n", 17);
	buf[1500] = '\0';
	{
		char answer[500];

		ask_plain(&s, buf, answer, sizeof(answer));
		assert_non_null(strstr(answer, " 400 "));
	}
	fd = dial(&s, 3000);
	close(fd);
	stop(&s);
}

static void test_serve__idle_plain_connections_are_evicted(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[500];
	int fds[50];

	(void)state;
	o.plain = true;
	o.deadline_ms = 600000;
	o.connections_max = 4;
	start(&s, &o);
	/* The oldest of those that say nothing goes, and no probe waits. */
	for (int i = 0; i < 50; i++)
		fds[i] = dial(&s, 3000);
	ask_plain(&s, "GET /a HTTP/1.1\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	for (int i = 0; i < 50; i++)
		close(fds[i]);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__plain_http_is_for_one_request_each),
		cmocka_unit_test(test_serve__idle_plain_connections_are_evicted),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
