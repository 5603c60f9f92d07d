/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void await_inside(struct gate *g, unsigned wanted)
{
	unsigned inside = 0;

	for (int i = 0; inside < wanted && i < 500; i++) {
		nap(10);
		pthread_mutex_lock(&g->lock);
		inside = g->inside;
		pthread_mutex_unlock(&g->lock);
	}
	assert_int_equal(inside, wanted);
}

static void await_queued(struct np_serve *s, unsigned wanted)
{
	unsigned queued = 0;

	for (int i = 0; queued < wanted && i < 500; i++) {
		nap(10);
		pthread_mutex_lock(&s->workers.lock);
		queued = s->workers.n_queued;
		pthread_mutex_unlock(&s->workers.lock);
	}
	assert_int_equal(queued, wanted);
}

#define BLOCK "POST /block?q HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"

static void test_serve__blocking_handler_does_not_stall_loop(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c[4];
	char buf[1000];

	(void)state;
	o.workers = 2;
	o.queue_max = 1;
	start_gated(&s, &o, &g);
	for (int i = 0; i < 2; i++) {
		c[i] = join(&s);
		say(&c[i], BLOCK);
		await_inside(&g, (unsigned)i + 1);
	}
	/* Others are answered meanwhile. */
	ask(&s, PLAIN, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	/* One waits, the next is one too many. */
	c[2] = join(&s);
	say(&c[2], BLOCK);
	await_queued(s.serve, 1);
	c[3] = join(&s);
	say(&c[3], BLOCK);
	hear(&c[3], buf, sizeof(buf));
	assert_non_null(strstr(buf, " 503 "));
	assert_non_null(strstr(buf, "Retry-After: 1"));
	assert_true(np_serve_is_busy(s.serve));
	open_gate(&g);
	for (int i = 0; i < 3; i++) {
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "POST /block [q] - - 3:abc"));
	}
	for (int i = 0; i < 4; i++)
		hang_up(&c[i]);
	stop(&s);
}

static void test_serve__client_may_leave_during_a_blocking_call(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c;
	char buf[1000];

	(void)state;
	o.workers = 1;
	start_gated(&s, &o, &g);
	c = join(&s);
	say(&c, BLOCK);
	await_inside(&g, 1);
	hang_up(&c);
	nap(100);
	open_gate(&g);
	ask(&s, BLOCK, buf, sizeof(buf));
	assert_non_null(strstr(buf, "3:abc"));
	stop(&s);
}

static void test_serve__stopping_leaves_a_worker_no_connection(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c, d;

	(void)state;
	o.workers = 1;
	o.drain_ms = 100;
	start_gated(&s, &o, &g);
	c = join(&s);
	say(&c, BLOCK);
	await_inside(&g, 1);
	d = join(&s);
	say(&d, BLOCK);
	await_queued(s.serve, 1);
	np_serve_stop(s.serve);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.rc, 0);
	assert_true(np_serve_is_stopping(s.serve));
	assert_true(np_serve_is_busy(s.serve));
	open_gate(&g);
	np_serve_free(s.serve);
	hang_up(&c);
	hang_up(&d);
}

static void test_serve__several_loops_share_the_port(void **state)
{
	struct np_serve_options o = options();
	struct np_serve *other = NULL;
	struct np_err err = NP_ERR_INIT;
	struct server s;
	struct client c[24];
	char buf[1000];

	(void)state;
	o.threads = 3;
	o.connections_max = 20;
	start(&s, &o);
	for (int i = 0; i < 18; i++) {
		c[i] = join(&s);
		say(&c[i], PLAIN);
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, " 200 "));
	}
	o.port = np_serve_port(s.serve);
	assert_true(np_serve_new(&o, handle, NULL, &other, &err) < 0);
	assert_int_equal(err.code, NP_E_USAGE);
	for (int i = 0; i < 18; i++)
		hang_up(&c[i]);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__blocking_handler_does_not_stall_loop),
		cmocka_unit_test(test_serve__client_may_leave_during_a_blocking_call),
		cmocka_unit_test(test_serve__stopping_leaves_a_worker_no_connection),
		cmocka_unit_test(test_serve__several_loops_share_the_port),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
