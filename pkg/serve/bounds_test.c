/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

/*
 * Bodies that take more memory than there is, and memory that is returned. Server and clients share one
 * thread, and the clock stands still, so that no client is ever late, however busy the machine is: a body
 * that is not finished lacks memory.
 */

enum {
	CLIENTS = 4,
	BURST = 40, /* of handshakes */
	BODY_BYTES = 800000, /* small: below SMALL_BYTES */
	FIRST_BYTES = BODY_BYTES / 4 * 3, /* of a body, before the next one is begun */
	STEPS_MOST = 500, /* some 160 suffice; one without news lasts 20 ms */
};

#define HEAD "POST /n HTTP/1.1\r\nContent-Length: 800000\r\n\r\n"

uint64_t __wrap_np_clock_ms(void);

uint64_t __wrap_np_clock_ms(void)
{
	return 1000;
}

int __wrap_malloc_trim(size_t pad);

static unsigned n_trims;

int __wrap_malloc_trim(size_t pad)
{
	(void)pad;
	n_trims++;
	return 1;
}

static int count_whole(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		       struct np_err *err)
{
	unsigned *n_whole = ctx;

	(void)err;
	*n_whole += req->body_size == BODY_BYTES;
	reply->status = 200;
	return 0;
}

struct sender {
	struct client client;
	char data[sizeof(HEAD) - 1 + BODY_BYTES];
	size_t sent;
	char answer[200];
	size_t n_answer;
};

static struct sender *new_sender(const struct server *s)
{
	struct sender *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	memset(c->data, 'x', sizeof(c->data));
	memcpy(c->data, HEAD, sizeof(HEAD) - 1);
	c->client.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_mode(c->client.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	c->client.ssl = SSL_new(c->client.ctx);
	c->client.fd = dial(s, 0);
	assert_int_equal(evutil_make_socket_nonblocking(c->client.fd), 0);
	SSL_set_fd(c->client.ssl, c->client.fd);
	SSL_set_connect_state(c->client.ssl);
	return c;
}

static void free_sender(struct sender *c)
{
	hang_up(&c->client);
	free(c);
}

/* Sends as much of the request as the socket takes, up to `end`; the first bytes shake hands. */
static void send_to(struct sender *c, size_t end)
{
	int n;

	while (c->sent < end &&
	       (n = SSL_write(c->client.ssl, c->data + c->sent, (int)(end - c->sent))) > 0)
		c->sent += (size_t)n;
}

static bool is_answered(struct sender *c)
{
	int n = SSL_read(c->client.ssl, c->answer + c->n_answer,
			 (int)(sizeof(c->answer) - 1 - c->n_answer));

	if (n > 0)
		c->n_answer += (size_t)n;
	return strstr(c->answer, "\r\n\r\n");
}

/* One turn of the server's loop, with the sweep that its timer would make later. */
static void step(struct loop *l)
{
	l->iteration++;
	assert_true(event_base_loop(l->base, EVLOOP_ONCE) >= 0);
	serve_loop_settle_newcomers(l);
	serve_loop_sweep(l);
}

/* Tells whether the server has read the first bytes of the youngest body, or lets it wait. */
static bool has_begun(const struct loop *l)
{
	const struct conn *c = LIST_FIRST(&l->conns);

	return c && serve_wire_in_body(&c->wire) &&
	       (c->waits || c->wire.left <= BODY_BYTES - FIRST_BYTES);
}

static struct sender *begin(const struct server *s)
{
	struct loop *l = s->serve->loops;
	struct sender *c = new_sender(s);
	unsigned before = l->n_conns;

	for (int i = 0; i < STEPS_MOST && (l->n_conns == before || !has_begun(l)); i++) {
		send_to(c, sizeof(HEAD) - 1 + FIRST_BYTES);
		step(l);
	}
	assert_true(l->n_conns == before + 1 && has_begun(l));
	return c;
}

/* Returns how many bodies were answered. */
static unsigned finish_all(struct loop *l, struct sender *const *senders)
{
	unsigned n_answered = 0;

	for (int i = 0; i < STEPS_MOST && n_answered < CLIENTS; i++) {
		n_answered = 0;
		step(l);
		for (size_t k = 0; k < CLIENTS; k++) {
			send_to(senders[k], sizeof(senders[k]->data));
			n_answered += is_answered(senders[k]);
		}
	}
	return n_answered;
}

static unsigned count_waiting(const struct loop *l)
{
	const struct conn *c;
	unsigned n = 0;

	LIST_FOREACH(c, &l->conns, link)
	n += c->waits;
	return n;
}

static void test_serve__small_bodies_beyond_memory_are_finished_in_turn(void **state)
{
	struct np_serve_options o = options();
	struct sender *senders[CLIENTS];
	struct server s = { .serve = NULL };
	struct np_serve_stats stats;
	struct np_err err = NP_ERR_INIT;
	unsigned n_whole = 0, n_waiting, n_answered, n_ok = 0;

	(void)state;
	o.deadline_ms = 3600000; /* libevent's timers go on */
	o.body_max = BODY_BYTES;
	o.memory_max = serve_bounds_of_body(BODY_BYTES); /* of one */
	assert_int_equal(np_serve_new(&o, count_whole, &n_whole, &s.serve, &err), 0);
	for (size_t i = 0; i < CLIENTS; i++)
		senders[i] = begin(&s);
	n_waiting = count_waiting(s.serve->loops);
	n_answered = finish_all(s.serve->loops, senders);
	np_serve_read_stats(s.serve, &stats);
	for (size_t i = 0; i < CLIENTS; i++) {
		n_ok += strncmp(senders[i]->answer, "HTTP/1.1 200 ", 13) == 0;
		free_sender(senders[i]);
	}
	np_serve_free(s.serve);
	assert_int_equal(n_waiting, CLIENTS - 1);
	assert_int_equal(n_answered, CLIENTS);
	assert_int_equal(n_ok, CLIENTS);
	assert_int_equal(n_whole, CLIENTS);
	assert_int_equal(stats.refused, 0);
	assert_int_equal(stats.evicted, 0);
}

/* Steps until there are so many connections. */
static void await_conns(struct loop *l, unsigned n)
{
	for (int i = 0; i < STEPS_MOST && l->n_conns != n; i++)
		step(l);
	assert_int_equal(l->n_conns, n);
}

static void test_serve__memory_of_a_burst_of_handshakes_is_returned_once(void **state)
{
	static const struct {
		unsigned n_clients, n_trims;
	} rows[] = { { 4, 0 }, { BURST, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_serve_options o = options();
		struct server s = { .serve = NULL };
		struct np_err err = NP_ERR_INIT;
		int fds[BURST];
		struct loop *l;

		assert_int_equal(np_serve_new(&o, count_whole, NULL, &s.serve, &err), 0);
		l = s.serve->loops;
		for (unsigned k = 0; k < rows[i].n_clients; k++)
			fds[k] = dial(&s, 0);
		await_conns(l, rows[i].n_clients);
		n_trims = 0;
		serve_loop_check_rates(l);
		assert_int_equal(n_trims, 0);
		for (unsigned k = 0; k < rows[i].n_clients; k++)
			close(fds[k]);
		await_conns(l, 0);
		for (int k = 0; k < 2; k++)
			serve_loop_check_rates(l);
		assert_int_equal(n_trims, rows[i].n_trims);
		np_serve_free(s.serve);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__memory_of_a_burst_of_handshakes_is_returned_once),
		cmocka_unit_test(test_serve__small_bodies_beyond_memory_are_finished_in_turn),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
