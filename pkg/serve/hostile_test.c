/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

/* Clients that hold on to what they get: none of them keeps a good one from its answer. */

#define GET "GET /good HTTP/1.1\r\nHost: x\r\n\r\n"

static void expect_answer(struct client *c)
{
	char buf[4000];

	say(c, GET);
	hear(c, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 OK"));
}

/* Whether the server has hung up, as soon as it has; the client's time is over otherwise. */
static bool is_closed(struct client *c)
{
	char byte;

	return SSL_read(c->ssl, &byte, 1) <= 0 &&
	       SSL_get_error(c->ssl, -1) != SSL_ERROR_WANT_READ && errno != EAGAIN;
}

static struct client join_from(const struct server *s, const char *source)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	struct timeval tv = serve_timeval(5000);
	struct client c = { .ctx = SSL_CTX_new(TLS_client_method()) };

	inet_pton(AF_INET, source, &from.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	to.sin_port = htons(np_serve_port(s->serve));
	c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(bind(c.fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&to, sizeof(to)), 0);
	c.ssl = SSL_new(c.ctx);
	SSL_set_fd(c.ssl, c.fd);
	assert_int_equal(SSL_connect(c.ssl), 1);
	return c;
}

static void test_hostile__idlest_connection_makes_room(void **state)
{
	struct np_serve_options o = options();
	struct client a, b, c;
	struct server s;

	(void)state;
	o.connections_max = 2;
	start(&s, &o);
	a = join(&s);
	b = join(&s);
	/* Who has been answered once is the last to go. */
	expect_answer(&a);
	c = join(&s);
	expect_answer(&c);
	assert_true(is_closed(&b));
	hang_up(&a);
	hang_up(&b);
	hang_up(&c);
	stop(&s);
}

static void test_hostile__stuck_handshakes_do_not_block_others(void **state)
{
	enum { STUCK = 300 };
	static const char half[] = "\x16\x03\x01\x02\x00\x01";
	struct np_serve_options o = options();
	int fds[STUCK];
	struct client c;
	struct server s;

	(void)state;
	o.connections_max = 1000;
	start(&s, &o);
	for (int i = 0; i < STUCK; i++) {
		fds[i] = dial(&s, 3000);
		if (i % 2 == 0)
			assert_int_equal(write(fds[i], half, sizeof(half) - 1),
					 (ssize_t)sizeof(half) - 1);
	}
	c = join(&s);
	expect_answer(&c);
	hang_up(&c);
	for (int i = 0; i < STUCK; i++)
		close(fds[i]);
	stop(&s);
}

static void start_body(struct client *c, int length, int sent)
{
	NP_AUTO(np_freep) char *body = malloc((size_t)sent + 1);
	char head[200];

	memset(body, 'x', (size_t)sent);
	snprintf(head, sizeof(head), "POST /n HTTP/1.1\r\nContent-Length: %d\r\n\r\n", length);
	say(c, head);
	/* What the server does not read stays where it is. */
	SSL_write(c->ssl, body, sent);
}

static void test_hostile__stalled_bodies_do_not_delay_others(void **state)
{
	enum { STALLED = 120, SIZE = 300000 };
	struct np_serve_options o = options();
	struct client stalled[STALLED], c;
	char buf[400];
	struct server s;

	(void)state;
	start(&s, &o);
	for (int i = 0; i < STALLED; i++) {
		stalled[i] = join(&s);
		start_body(&stalled[i], SIZE, 30000);
	}
	c = join(&s);
	start_body(&c, SIZE, SIZE);
	hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "300000:xxx"));
	/* Those that were passed may still go on. */
	for (int i = 0; i < STALLED; i += 40) {
		NP_AUTO(np_freep) char *rest = malloc(SIZE);

		memset(rest, 'x', SIZE);
		assert_true(SSL_write(stalled[i].ssl, rest, SIZE - 30000) > 0);
		hear(&stalled[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "300000:xxx"));
	}
	hang_up(&c);
	for (int i = 0; i < STALLED; i++)
		hang_up(&stalled[i]);
	stop(&s);
}

static void await_memory(const struct server *s, size_t least, size_t most)
{
	struct np_serve_stats stats = { .memory = SIZE_MAX };

	for (int i = 0; i < 1000; i++) {
		np_serve_read_stats(s->serve, &stats);
		if (stats.memory >= least && stats.memory <= most)
			return;
		nap(5);
	}
	fail_msg("%zu bytes in flight", stats.memory);
}

static void test_hostile__bodies_share_a_bound(void **state)
{
	enum { CLIENTS = 12, SIZE = 400000, BOUND = 1 << 20 };
	struct np_serve_options o = options();
	struct client hoarder[CLIENTS], c;
	struct np_serve_stats stats;
	struct server s;
	char buf[400];

	(void)state;
	o.body_max = SIZE;
	o.memory_max = BOUND;
	start(&s, &o);
	for (int i = 0; i < CLIENTS; i++) {
		hoarder[i] = join(&s);
		start_body(&hoarder[i], SIZE, 200000);
		np_serve_read_stats(s.serve, &stats);
		assert_true(stats.memory <= BOUND);
	}
	await_memory(&s, 200000, BOUND);
	/* Of another address: it does not pay for the others' share. */
	c = join_from(&s, "127.0.0.2");
	start_body(&c, SIZE, SIZE);
	hear(&c, buf, sizeof(buf));
	np_serve_read_stats(s.serve, &stats);
	if (!strstr(buf, "400000:xxx"))
		fail_msg("%s: %zu bytes, %llu evicted, %llu refused, %u", buf, stats.memory,
			 stats.evicted, stats.refused, stats.connections);
	hang_up(&c);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&hoarder[i]);
	await_memory(&s, 0, 0);
	stop(&s);
}

/* A worker has the memory, so that nobody can be closed for it. */
static void test_hostile__body_without_memory_gets_retry_after(void **state)
{
	enum { SIZE = 400000 };
	static const char head[] = "POST /block HTTP/1.1\r\nContent-Length: 400000\r\n\r\n";
	struct np_serve_options o = options();
	NP_AUTO(np_freep) char *body = calloc(1, SIZE);
	struct np_serve_stats stats;
	struct client c, late;
	struct server s;
	struct gate g;
	char buf[400];

	(void)state;
	o.body_max = SIZE;
	o.memory_max = SIZE + SIZE / 2;
	o.workers = 1;
	start_gated(&s, &o, &g);
	c = join(&s);
	say(&c, head);
	assert_int_equal(SSL_write(c.ssl, body, SIZE), SIZE);
	for (int i = 0; i < 500 && !np_serve_is_busy(s.serve); i++)
		nap(10);
	late = join(&s);
	start_body(&late, SIZE, SIZE);
	hear(&late, buf, sizeof(buf));
	assert_non_null(strstr(buf, "HTTP/1.1 503"));
	assert_non_null(strstr(buf, "Retry-After: 1\r\n"));
	assert_true(is_closed(&late));
	hang_up(&late);
	open_gate(&g);
	hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 OK"));
	hang_up(&c);
	await_memory(&s, 0, 0);
	np_serve_read_stats(s.serve, &stats);
	assert_int_equal(stats.refused, 1);
	late = join(&s);
	start_body(&late, SIZE, SIZE);
	hear(&late, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 OK"));
	hang_up(&late);
	stop(&s);
}

/* Sends a byte now and again until the server hangs up; false where it never does. */
static bool is_cut(struct client *c)
{
	for (int i = 0; i < 400; i++) {
		struct timeval tv = serve_timeval(20);
		char buf[200];

		setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		if (recv(c->fd, buf, 1, MSG_PEEK) == 0 || SSL_write(c->ssl, "a", 1) <= 0)
			return true;
		if (SSL_read(c->ssl, buf, sizeof(buf)) <= 0 && errno != EAGAIN)
			return true;
	}
	return false;
}

static void test_hostile__slow_clients_are_cut_before_the_deadline(void **state)
{
	static const struct {
		const char *sentence, *first;
	} rows[] = {
		{ "nothing", "" },
		{ "a head by the byte", "POST / HTTP/1.1\r\nX: " },
		{ "a body by the byte", "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" },
		{ "a large one",
		  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" },
	};
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	o.deadline_ms = 600000;
	o.head_ms = 500;
	o.body_rate = 10000;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client c = join(&s);

		if (rows[i].first[0])
			say(&c, rows[i].first);
		if (rows[i].first[0] ? !is_cut(&c) : !is_closed(&c))
			fail_msg("%s", rows[i].sentence);
		hang_up(&c);
	}
	stop(&s);
}

static void test_hostile__address_has_its_share(void **state)
{
	struct np_serve_options o = options();
	struct client many[6], other;
	struct server s;

	(void)state;
	o.per_address_max = 3;
	start(&s, &o);
	other = join_from(&s, "127.0.0.2");
	for (int i = 0; i < 6; i++) {
		many[i] = join(&s);
		nap(150);
	}
	for (int i = 0; i < 3; i++)
		assert_true(is_closed(&many[i]));
	for (int i = 3; i < 6; i++)
		expect_answer(&many[i]);
	expect_answer(&other);
	for (int i = 0; i < 6; i++)
		hang_up(&many[i]);
	hang_up(&other);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile__idlest_connection_makes_room),
		cmocka_unit_test(test_hostile__stuck_handshakes_do_not_block_others),
		cmocka_unit_test(test_hostile__stalled_bodies_do_not_delay_others),
		cmocka_unit_test(test_hostile__bodies_share_a_bound),
		cmocka_unit_test(test_hostile__body_without_memory_gets_retry_after),
		cmocka_unit_test(test_hostile__slow_clients_are_cut_before_the_deadline),
		cmocka_unit_test(test_hostile__address_has_its_share),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
