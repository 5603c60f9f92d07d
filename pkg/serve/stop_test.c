/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static unsigned count_inside(struct gate *g)
{
	unsigned n;

	pthread_mutex_lock(&g->lock);
	n = g->inside;
	pthread_mutex_unlock(&g->lock);
	return n;
}

/* Expects the end of the connection, not the client's own timeout. */
static void expect_closed(struct client *c)
{
	char buf[1000];

	errno = 0;
	assert_int_equal(hear(c, buf, sizeof(buf)), 0);
	assert_int_not_equal(errno, EAGAIN);
}

static void test_serve__stopping_finishes_what_runs(void **state)
{
	struct np_serve_options o = options();
	struct client idle, busy, stream;
	struct server s;
	struct gate g;
	char buf[4000];

	(void)state;
	/* The drain never ends by itself: the server must end the stream at once. */
	o.drain_ms = 3600000;
	o.workers = 1;
	start_gated(&s, &o, &g);
	idle = join(&s);
	say(&idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&idle, buf, sizeof(buf));
	stream = join(&s);
	say(&stream, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&stream, buf, 200) > 0);
	busy = join(&s);
	say(&busy, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
	while (count_inside(&g) == 0)
		nap(1);
	np_serve_stop(s.serve);
	/* The idle connection closes while the handler still runs. */
	expect_closed(&idle);
	open_gate(&g);
	hear(&busy, buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /block"));
	pthread_join(s.thread, NULL);
	assert_int_equal(s.rc, 0);
	np_serve_free(s.serve);
	hang_up(&idle);
	hang_up(&busy);
	hang_up(&stream);
}

static void test_serve__draining_has_an_end(void **state)
{
	struct np_serve_options o = options();
	struct client c;
	uint64_t before;
	struct server s;

	(void)state;
	o.drain_ms = 200;
	start(&s, &o);
	c = join(&s);
	say(&c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
	nap(50);
	before = np_clock_ms();
	stop(&s);
	assert_in_range(np_clock_ms() - before, 150, 2000);
	hang_up(&c);
}

static void test_serve__lingering_accepts_late_connections(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[1000];
	uint64_t from;

	(void)state;
	o.linger_ms = 2000;
	start(&s, &o);
	from = np_clock_ms();
	np_serve_stop(s.serve);
	nap(50);
	ask(&s, PLAIN, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	assert_non_null(strstr(buf, "Connection: close"));
	pthread_join(s.thread, NULL);
	assert_true(np_clock_ms() - from >= 1900);
	np_serve_free(s.serve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__stopping_finishes_what_runs),
		cmocka_unit_test(test_serve__draining_has_an_end),
		cmocka_unit_test(test_serve__lingering_accepts_late_connections),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
