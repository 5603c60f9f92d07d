/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_serve__oversized_requests_are_rejected(void **state)
{
	struct np_serve_options o = options();
	char buf[8000], request[6000];
	struct server s;

	(void)state;
	o.body_max = 1000;
	o.headers_max = 2000;
	start(&s, &o);
	ask(&s, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "HTTP/1.1 413"));
	snprintf(request, sizeof(request),
		 "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%01000d", 0);
	ask(&s, request, buf, sizeof(buf));
	assert_non_null(strstr(buf, "1000:0"));
	snprintf(request, sizeof(request),
		 "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d",
		 0);
	ask(&s, request, buf, sizeof(buf));
	assert_null(strstr(buf, "200 OK"));
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: x\r\nX: %03000d\r\n\r\n", 0);
	ask(&s, request, buf, sizeof(buf));
	assert_null(strstr(buf, "200 OK"));
	stop(&s);
}

/* Sends a byte at a time; returns the milliseconds until the server hung up. */
static uint64_t drip(const struct server *s, const char *first, bool is_tls)
{
	uint64_t before = np_clock_ms();
	struct client c = { .fd = -1 };
	char buf[200];

	if (is_tls) {
		c = join(s);
		say(&c, first);
	} else {
		c.fd = dial(s, 3000);
	}
	while (np_clock_ms() - before < 5000) {
		struct timeval tv = serve_timeval(30);
		ssize_t n;

		setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		n = recv(c.fd, buf, sizeof(buf), MSG_PEEK);
		/* TLS 1.3 leaves its session tickets unread here; an end shows as 0, or as reset. */
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (is_tls && SSL_write(c.ssl, "a", 1) <= 0)
			break;
		if (is_tls)
			SSL_read(c.ssl, buf, sizeof(buf));
		nap(10);
	}
	if (is_tls)
		hang_up(&c);
	else
		close(c.fd);
	return np_clock_ms() - before;
}

static void test_serve__slow_clients_are_cut_at_the_deadline(void **state)
{
	static const struct {
		const char *sentence, *first;
		bool is_tls;
	} rows[] = {
		{ "no handshake", "", false },
		{ "headers by the byte", "GET / HTTP/1.1\r\nX: ", true },
		{ "a body by the byte", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
		  true },
	};
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	o.deadline_ms = 400;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = drip(&s, rows[i].first, rows[i].is_tls);

		if (ms < 300 || ms > 2500)
			fail_msg("%s: %u ms", rows[i].sentence, (unsigned)ms);
	}
	stop(&s);
}

static void test_serve__idle_connections_are_closed(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	uint64_t before;
	char buf[4000];

	(void)state;
	o.idle_ms = 300;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	before = np_clock_ms();
	assert_int_equal(hear(&c, buf, sizeof(buf)), 0);
	assert_in_range(np_clock_ms() - before, 200, 2000);
	hang_up(&c);
	stop(&s);
}

/* More clients with large bodies than may send at a time, and one that never ends. */
static void test_serve__large_bodies_take_turns(void **state)
{
	enum { CLIENTS = 12, SIZE = 200000 };
	struct np_serve_options o = options();
	struct client c[CLIENTS], idle[3];
	char head[200], buf[400];
	NP_AUTO(np_freep) char *body = malloc(SIZE + 1);
	struct server s;

	(void)state;
	memset(body, 'x', SIZE);
	body[SIZE] = '\0';
	snprintf(head, sizeof(head), "POST /n HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
	start(&s, &o);
	for (int i = 0; i < 3; i++) {
		idle[i] = join(&s);
		say(&idle[i], head);
		assert_true(SSL_write(idle[i].ssl, body, SIZE / 2) > 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = join(&s);
		say(&c[i], head);
		assert_true(SSL_write(c[i].ssl, body, SIZE / 2) > 0);
	}
	for (int i = CLIENTS - 1; i >= 0; i--)
		assert_true(SSL_write(c[i].ssl, body, SIZE / 2) > 0);
	for (int i = 0; i < CLIENTS; i++) {
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "200000:xxx"));
		hang_up(&c[i]);
	}
	for (int i = 0; i < 3; i++)
		hang_up(&idle[i]);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__oversized_requests_are_rejected),
		cmocka_unit_test(test_serve__slow_clients_are_cut_at_the_deadline),
		cmocka_unit_test(test_serve__idle_connections_are_closed),
		cmocka_unit_test(test_serve__large_bodies_take_turns),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
