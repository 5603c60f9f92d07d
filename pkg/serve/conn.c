/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "internal.h"
#include "nodeprep/err.h"

enum {
	ROOM_MS = 50,
	SHAKING_MOST = 64, /* of a loop at a time */
	LARGE_BYTES = 16 << 10,
	READ_BYTES = 4000, /* with libevent's head of it, a page */
	TURNS = 2, /* large bodies of a loop at a time */
	TURNS_MOST = 32, /* whoever is slow */
	FRESH_MOST = 96, /* that wait for a turn, before nobody new is taken */
};

/* OpenSSL numbers such places once a process; it holds no state of ours. */
static int conn_index = -1;

void conn_arm(struct conn *c, uint64_t ms)
{
	struct timeval tv = ms_to_timeval(ms);

	if (!c->doomed)
		evtimer_add(c->timer, &tv);
}

void conn_doom(struct conn *c)
{
	struct timeval now = { 0, 0 };

	c->doomed = true;
	evtimer_add(c->timer, &now);
}

static bool is_crowded(const struct loop *l)
{
	return l->n_shaking >= SHAKING_MOST || l->n_fresh >= FRESH_MOST;
}

void loop_make_room(struct loop *l, bool patient)
{
	struct timeval tv = ms_to_timeval(ROOM_MS);
	const struct np_serve *s = l->server;
	bool is_full = atomic_load(&s->n_conns) >= s->o.connections_max;

	if (!l->is_full || l->stopping || !l->listener)
		return;
	/* Another loop's connection may be the one that goes: that is looked for again and again. */
	if (is_full || (!patient && is_crowded(l))) {
		evtimer_add(l->room_timer, &tv);
		return;
	}
	l->is_full = false;
	evconnlistener_enable(l->listener);
}

/* Where it is in line already, a timer that runs goes on. */
static void pause_listener(struct loop *l)
{
	if (l->is_full)
		return;
	l->is_full = true;
	evconnlistener_disable(l->listener);
	loop_make_room(l, false);
}

void loop_count_conn(struct loop *l)
{
	struct np_serve *s = l->server;

	l->n_conns++;
	if (atomic_fetch_add(&s->n_conns, 1) + 1 >= s->o.connections_max)
		pause_listener(l);
}

static void end_waiting(struct conn *c)
{
	if (!c->waits)
		return;
	c->waits = false;
	TAILQ_REMOVE(&c->loop->waiting, c, turn);
	if (c->fresh)
		c->loop->n_fresh--;
	loop_make_room(c->loop, false);
}

static void end_shaking(struct conn *c)
{
	if (!c->shaking)
		return;
	c->shaking = false;
	c->loop->n_shaking--;
	c->loop->shook = true;
	loop_make_room(c->loop, false);
}

/* With 0 ms those who are first in line are looked at; after a while one more is let in. */
static void arm_turns(struct loop *l, unsigned ms)
{
	struct timeval tv = ms_to_timeval(ms);

	l->is_patient = ms > 0;
	evtimer_add(l->turn_timer, &tv);
}

void loop_give_turns(struct loop *l)
{
	bool is_stuck = l->is_patient && !l->turn_ended;
	unsigned most = is_stuck && l->n_turns >= TURNS ? l->n_turns + 1 : TURNS;

	l->turn_ended = false;
	if (most > TURNS_MOST)
		most = TURNS_MOST;
	while (l->n_turns < most && !TAILQ_EMPTY(&l->waiting)) {
		struct conn *c = TAILQ_FIRST(&l->waiting);

		end_waiting(c);
		c->has_turn = true;
		l->n_turns++;
		/* What came meanwhile may make the request whole at once. */
		bufferevent_enable(c->bev, EV_READ);
	}
	if (!TAILQ_EMPTY(&l->waiting))
		arm_turns(l, ROOM_MS);
}

void conn_end_turn(struct conn *c)
{
	c->received = 0;
	end_waiting(c);
	c->fresh = false;
	if (!c->has_turn)
		return;
	c->has_turn = false;
	c->loop->n_turns--;
	c->loop->turn_ended = true;
	if (!TAILQ_EMPTY(&c->loop->waiting))
		arm_turns(c->loop, 0);
}

/* Without a turn the rest of a large body stays in the kernel's buffers. */
static void await_turn(struct conn *c)
{
	if (c->received <= LARGE_BYTES || c->has_turn || c->waits)
		return;
	c->waits = true;
	TAILQ_INSERT_TAIL(&c->loop->waiting, c, turn);
	if (c->fresh)
		c->loop->n_fresh++;
	bufferevent_disable(c->bev, EV_READ);
	if (c->loop->n_turns < TURNS)
		arm_turns(c->loop, 0);
	else if (!evtimer_pending(c->loop->turn_timer, NULL))
		arm_turns(c->loop, ROOM_MS);
}

static void free_conn(struct conn *c)
{
	struct loop *l = c->loop;

	answer_drop(c);
	event_free(c->timer);
	conn_end_turn(c);
	LIST_REMOVE(c, link);
	l->n_conns--;
	atomic_fetch_sub(&l->server->n_conns, 1);
	end_shaking(c);
	loop_make_room(l, false);
	if (l->stopping && l->n_conns == 0)
		event_base_loopbreak(l->base);
	free(c);
}

/* Called by OpenSSL with the SSL object's end, which is the connection's. */
static void on_ssl_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			 void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (ptr)
		free_conn(ptr);
}

static void close_conn(struct conn *c)
{
	evutil_socket_t fd = c->bev ? bufferevent_getfd(c->bev) : -1;

	if (c->evcon)
		evhttp_connection_free(c->evcon);
	else if (fd >= 0)
		shutdown(fd, SHUT_RDWR); /* evhttp sees the end and frees what it has */
}

static void on_time_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	close_conn(arg);
}

/* The first byte of a request starts its deadline. */
static void on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)buf;
	if (info->n_added == 0)
		return;
	end_shaking(c);
	c->received += info->n_added;
	await_turn(c);
	if (c->busy)
		return;
	c->busy = true;
	conn_arm(c, c->loop->server->o.deadline_ms);
}

static void add_conn(struct loop *l, struct conn *c)
{
	c->loop = l;
	c->busy = true;
	LIST_INSERT_HEAD(&l->conns, c, link);
	loop_count_conn(l);
	c->shaking = c->fresh = true;
	l->shook = true;
	l->n_shaking++;
	if (is_crowded(l))
		pause_listener(l);
	conn_arm(c, l->server->o.deadline_ms);
}

/* Where NULL comes back, libevent's version decides whether `ssl` was freed: a slot may leak. */
static struct bufferevent *new_tls(struct loop *l, struct conn *c)
{
	SSL *ssl = tls_new_ssl(&l->server->tls);

	if (!ssl || SSL_set_ex_data(ssl, conn_index, c) != 1) {
		SSL_free(ssl);
		event_free(c->timer);
		free(c);
		return NULL;
	}
	add_conn(l, c);
	c->bev = bufferevent_openssl_socket_new(l->base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
						BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		return NULL;
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_set_max_single_read(c->bev, READ_BYTES);
	return c->bev;
}

/* Where NULL comes back evhttp makes a transport of its own, which on_request() turns away. */
struct bufferevent *conn_new_transport(struct event_base *base, void *arg)
{
	struct loop *l = arg;
	struct conn *c = calloc(1, sizeof(*c));
	struct bufferevent *bev;

	if (!c || !(c->timer = evtimer_new(base, on_time_over, c))) {
		free(c);
		return NULL;
	}
	bev = new_tls(l, c);
	if (bev)
		evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	return bev;
}

struct conn *conn_find(struct evhttp_connection *evcon)
{
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));

	return ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;
}

int conn_init(struct np_err *err)
{
	if (conn_index < 0)
		conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_freed);
	return conn_index < 0 ? np_fail_nomem(err) : 0;
}
