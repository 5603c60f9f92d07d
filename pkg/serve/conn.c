/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

enum {
	READ_BYTES = 4000, /* a page, with libevent's header */
	PAGE_BYTES = 4160, /* the minimum of a read: evhttp keeps each read in its own buffer */
	LINGER_MS = 1000,
	RESTS_MOST = 64, /* of a loop */
};

/* OpenSSL assigns the index once per process; it holds no state of the server. */
static int conn_index = -1;

void serve_conn_arm(struct conn *c, uint64_t ms)
{
	struct timeval tv = serve_timeval(ms);

	if (!c->closes_soon)
		evtimer_add(c->timer, &tv);
}

void serve_conn_close_soon(struct conn *c)
{
	struct timeval now = { 0, 0 };

	c->closes_soon = true;
	serve_conn_hold(c);
	evtimer_add(c->timer, &now);
}

static void free_conn(struct conn *c)
{
	struct loop *l = c->loop;

	serve_response_drop(c);
	event_free(c->timer);
	serve_conn_hold(c);
	serve_conn_end_turn(c);
	serve_conn_release_body(c);
	serve_conn_release_answer(c);
	LIST_REMOVE(c, link);
	l->n_conns--;
	atomic_fetch_sub(&l->server->n_conns, 1);
	serve_conn_end_shaking(c);
	serve_loop_resume_accept(l);
	if (l->stopping && l->n_conns == 0)
		event_base_loopbreak(l->base);
	free(c);
}

/* OpenSSL calls this when the SSL object is freed, which ends the connection. */
static void on_ssl_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
			 void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (ptr)
		free_conn(ptr);
}

/*
 * evhttp reports its connection with the first whole request; before that, its callbacks' argument
 * is the connection.
 */
static struct evhttp_connection *evcon_of(struct conn *c)
{
	void *arg = NULL;

	if (!c->evcon && c->bev)
		bufferevent_getcb(c->bev, NULL, NULL, NULL, &arg);
	return c->evcon ? c->evcon : arg;
}

static void close_conn(struct conn *c)
{
	struct evhttp_connection *evcon = c->closed ? NULL : evcon_of(c);

	c->closed = true;
	c->evcon = NULL;
	if (evcon)
		evhttp_connection_free(evcon);
}

static void on_time_over(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	if (c->refusal && !c->refused && !c->closes_soon)
		serve_conn_refuse(c);
	else
		close_conn(c);
}

/* --- refusing --------------------------------------------------------------------------------- */

/*
 * The rest of a refused connection. Closing a socket with unread bytes resets it and loses the
 * response, so the socket drains first. All other memory of the connection is free by now.
 */
struct rest {
	TAILQ_ENTRY(rest) link;
	struct loop *loop;
	struct event *event;
	int fd;
	uint64_t began_ms;
};

static void free_rest(struct rest *r)
{
	TAILQ_REMOVE(&r->loop->rests, r, link);
	r->loop->n_rests--;
	if (r->event)
		event_free(r->event);
	close(r->fd);
	free(r);
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct rest *r = arg;
	char bytes[4096];
	ssize_t n = what & EV_READ ? recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) : 0;

	if (n > 0 && np_clock_ms() - r->began_ms < LINGER_MS)
		return;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	free_rest(r);
}

static void leave_rest(struct conn *c)
{
	struct timeval tv = serve_timeval(LINGER_MS);
	struct loop *l = c->loop;
	int fd =
		l->n_rests < RESTS_MOST ? fcntl(bufferevent_getfd(c->bev), F_DUPFD_CLOEXEC, 0) : -1;
	struct rest *r = fd < 0 ? NULL : calloc(1, sizeof(*r));

	if (!r) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*r = (struct rest){ .loop = l, .fd = fd, .began_ms = np_clock_ms() };
	TAILQ_INSERT_TAIL(&l->rests, r, link);
	l->n_rests++;
	r->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_rest, r);
	if (!r->event || event_add(r->event, &tv) < 0)
		free_rest(r);
}

void serve_conn_free_rests(struct loop *l)
{
	while (!TAILQ_EMPTY(&l->rests))
		free_rest(TAILQ_FIRST(&l->rests));
}

static void on_refusal_sent(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	SSL_shutdown(bufferevent_openssl_get_ssl(bev));
	leave_rest(c);
	close_conn(c);
}

static void on_refused_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	close_conn(arg);
}

void serve_conn_refuse(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	const char *what = c->refusal == 503   ? "Service Unavailable"
			   : c->refusal == 501 ? "Not Implemented"
					       : "Bad Request";

	c->refused = true;
	c->evcon = evcon_of(c);
	serve_conn_hold(c);
	serve_conn_end_turn(c);
	bufferevent_disable(c->bev, EV_READ);
	bufferevent_setcb(c->bev, NULL, on_refusal_sent, on_refused_event, c);
	evbuffer_add_printf(out,
			    "HTTP/1.1 %u %s\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n",
			    c->refusal, what, c->refusal == 503 ? "Retry-After: 1\r\n" : "");
	bufferevent_enable(c->bev, EV_WRITE);
	serve_conn_arm(c, LINGER_MS);
}

/* --- input ------------------------------------------------------------------------------------ */

/* To find the added bytes, libevent walks over all that came before: within a body they are only counted. */
static int feed(struct wire *w, struct evbuffer *buf, size_t added)
{
	struct evbuffer_ptr from;
	struct evbuffer_iovec pieces[8];
	int n, status = 0;

	if (serve_wire_skip(w, added))
		return 0;
	if (evbuffer_ptr_set(buf, &from, evbuffer_get_length(buf) - added, EVBUFFER_PTR_SET) < 0)
		return 400;
	n = evbuffer_peek(buf, -1, &from, pieces, 8);
	if (n > 8)
		return 400;
	for (int i = 0; i < n && status == 0; i++)
		status = serve_wire_feed(w, pieces[i].iov_base, pieces[i].iov_len);
	return status;
}

/* Parses the added bytes; a stage begins with its first byte. */
static int scan(struct conn *c, struct evbuffer *buf, size_t added)
{
	bool was_start = c->wire.place == WIRE_START, was_body = serve_wire_in_body(&c->wire);
	int status = feed(&c->wire, buf, added);

	if (was_start || was_body != serve_wire_in_body(&c->wire)) {
		c->stage_ms = np_clock_ms();
		c->stage_bytes = 0;
	}
	c->stage_bytes += added;
	return status;
}

static size_t memory_of(size_t added)
{
	return added < PAGE_BYTES ? PAGE_BYTES : added + added / 16;
}

/* The first byte of a request starts its deadline. */
static void on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;
	int status;

	if (info->n_added == 0 || c->refusal || c->closes_soon)
		return;
	status = scan(c, buf, info->n_added);
	serve_conn_end_shaking(c);
	if (status != 0) {
		atomic_fetch_add(&c->loop->server->n_malformed, 1);
		c->refusal = (unsigned)status;
		serve_conn_arm(c, 0);
		return;
	}
	serve_conn_moved(c);
	c->received += memory_of(info->n_added);
	serve_conn_await_turn(c);
	if (c->busy)
		return;
	c->busy = true;
	serve_conn_arm(c, c->loop->server->o.deadline_ms);
}

/* A client that reads its answer is not silent. */
static void on_output(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)buf;
	if (info->n_deleted > 0 && c->sending && c->quiet_in)
		serve_conn_moved(c);
}

void serve_conn_on_handshake(const SSL *ssl, int where, int ret)
{
	struct conn *c = SSL_get_ex_data(ssl, conn_index);

	(void)ret;
	if (c && c->quiet_in && c->handshaking && (where & SSL_CB_LOOP))
		serve_conn_moved(c);
}

static void add_conn(struct loop *l, struct conn *c)
{
	c->loop = l;
	c->busy = true;
	LIST_INSERT_HEAD(&l->conns, c, link);
	serve_loop_count_conn(l);
	c->handshaking = c->counted = c->fresh = true;
	l->n_handshaking++;
	if (++l->n_opening > l->most_opening)
		l->most_opening = l->n_opening;
	c->stage_ms = np_clock_ms();
	serve_conn_moved(c);
	if (serve_loop_is_crowded(l))
		serve_loop_pause(l, 0);
	serve_conn_arm(c, l->server->o.deadline_ms);
}

/* On NULL, libevent's version decides whether `ssl` was freed, so a slot may leak. */
static struct bufferevent *new_tls(struct loop *l, struct conn *c)
{
	SSL *ssl = serve_tls_new_ssl(&l->server->tls);

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

/* On NULL evhttp creates a transport of its own, which serve_on_request() rejects. */
struct bufferevent *serve_conn_new_transport(struct event_base *base, void *arg)
{
	struct loop *l = arg;
	struct conn *c = calloc(1, sizeof(*c));
	struct bufferevent *bev;

	if (!c || !(c->timer = evtimer_new(base, on_time_over, c))) {
		free(c);
		return NULL;
	}
	bev = new_tls(l, c);
	if (bev) {
		evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
		evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	}
	return bev;
}

struct conn *serve_conn_find(struct evhttp_connection *evcon)
{
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));

	return ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;
}

int serve_conn_init(struct np_err *err)
{
	if (conn_index < 0)
		conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_freed);
	return conn_index < 0 ? np_fail_nomem(err) : 0;
}
