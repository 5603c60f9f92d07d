/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

enum {
	TICK_MS = 50, /* the interval of a slow body's pieces */
	STREAM_BACKLOG_MAX = 8 << 20, /* unsent bytes at which a reader is too slow */
};

/* A reply in progress, where it is not sent in one piece. */
struct response {
	struct conn *conn;
	struct evhttp_request *req;
	struct job *job; /* NULL unless a worker creates the reply */
	struct np_serve_reply reply;
	struct event *timer;
	size_t sent;
	bool started;
};

int np_serve_reply_header(struct np_serve_reply *reply, const char *name, const char *value,
			  struct np_err *err)
{
	struct np_serve_pair *pair = &reply->headers[reply->n_headers];

	if (reply->n_headers == NP_SERVE_HEADERS_MAX)
		return np_fail(err, NP_E_BUG, "a reply has more than %d headers",
			       NP_SERVE_HEADERS_MAX);
	pair->name = strdup(name);
	pair->value = strdup(value);
	reply->n_headers++;
	if (!pair->name || !pair->value)
		return np_fail_nomem(err);
	for (char *p = pair->value; *p; p++)
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	return 0;
}

void np_serve_reply_done(struct np_serve_reply *reply)
{
	for (size_t i = 0; i < reply->n_headers; i++) {
		free(reply->headers[i].name);
		free(reply->headers[i].value);
	}
	free(reply->body);
	if (reply->stream.free)
		reply->stream.free(reply->stream.ctx);
	*reply = (struct np_serve_reply)NP_SERVE_REPLY_INIT;
}

static void free_response(struct response *a)
{
	if (!a)
		return;
	if (a->job)
		a->job->response = NULL;
	if (a->timer)
		event_free(a->timer);
	np_serve_reply_done(&a->reply);
	free(a);
}

void serve_response_lose(struct conn *c)
{
	/* evhttp does not free an unanswered request when the client disconnects. */
	if (c->response && !evhttp_request_get_connection(c->response->req))
		evhttp_request_free(c->response->req);
	serve_response_drop(c);
}

void serve_response_drop(struct conn *c)
{
	free_response(np_take(c->response));
}

static void free_evbuffer(struct evbuffer **buf)
{
	if (*buf)
		evbuffer_free(*buf);
}

static int add_headers(struct evhttp_request *req, const struct np_serve_reply *reply)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);

	for (size_t i = 0; i < reply->n_headers; i++)
		if (evhttp_add_header(out, reply->headers[i].name, reply->headers[i].value) < 0)
			return -1;
	return 0;
}

static void free_body(const void *body, size_t size, void *ctx)
{
	(void)body, (void)size;
	free(ctx);
}

/* The buffer owns the body from here on. */
static int move_body(struct evbuffer *buf, struct np_serve_reply *reply)
{
	if (reply->body_size == 0)
		return 0;
	if (evbuffer_add_reference(buf, reply->body, reply->body_size, free_body, reply->body) < 0)
		return -1;
	reply->body = NULL;
	return 0;
}

/* Joins status, headers and a small body: libevent makes a TLS record and a system call of each piece. */
static void join_pieces(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	if (evbuffer_get_length(out) <= TLS_FRAGMENT_BYTES)
		evbuffer_pullup(out, -1);
}

static void send_whole(struct conn *c, struct evhttp_request *req, struct np_serve_reply *reply)
{
	NP_AUTO(free_evbuffer) struct evbuffer *buf = evbuffer_new();

	if (!buf || add_headers(req, reply) < 0 || move_body(buf, reply) < 0) {
		serve_conn_close_soon(c);
		return;
	}
	c->sending = true;
	serve_conn_charge_answer(c, evbuffer_get_length(buf));
	serve_conn_moved(c);
	evhttp_send_reply(req, (int)reply->status, NULL, buf);
	join_pieces(c);
}

static bool is_whole(const struct np_serve_reply *r)
{
	return r->cut == NP_SERVE_WHOLE && r->bytes_per_second == 0 && !r->stream.next;
}

/* Sends status and headers; evhttp uses chunks where no length is given. */
static int start_body(struct response *a)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(a->req);
	char length[32];

	if (a->started)
		return 0;
	a->started = true;
	if (add_headers(a->req, &a->reply) < 0)
		return -1;
	snprintf(length, sizeof(length), "%zu", a->reply.body_size);
	if (!a->reply.stream.next && evhttp_add_header(out, "Content-Length", length) < 0)
		return -1;
	evhttp_send_reply_start(a->req, (int)a->reply.status, NULL);
	return 0;
}

static int send_piece(struct response *a, const char *bytes, size_t size)
{
	NP_AUTO(free_evbuffer) struct evbuffer *buf = evbuffer_new();

	if (!buf || evbuffer_add(buf, bytes, size) < 0)
		return -1;
	if (size > 0)
		evhttp_send_reply_chunk(a->req, buf);
	return 0;
}

static size_t backlog(const struct response *a)
{
	return evbuffer_get_length(bufferevent_get_output(a->conn->bev));
}

/* Sends the stream's next piece; returns 1 for more to come, 0 at the end, -1 to cut. */
static int step_stream(struct response *a)
{
	struct np_serve_stream *s = &a->reply.stream;
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	int more;

	if (a->conn->loop->stopping)
		return 0;
	if (backlog(a) > STREAM_BACKLOG_MAX)
		return 1; /* the deadline limits the wait for such a reader */
	more = s->next(s->ctx, &bytes, &size);
	if (more >= 0 && bytes && send_piece(a, bytes, size) < 0)
		return -1;
	return more;
}

static size_t next_size(const struct response *a)
{
	const struct np_serve_reply *r = &a->reply;
	size_t goal = r->cut == NP_SERVE_CUT_BODY ? r->body_size / 2 : r->body_size;
	size_t left = goal - a->sent, most = left;

	if (r->bytes_per_second > 0)
		most = (size_t)(r->bytes_per_second * TICK_MS / 1000);
	if (most == 0)
		most = 1;
	return most < left ? most : left;
}

/* Sends the next bytes of a body; returns 1 for more to come, 0 at its end, -1 to cut. */
static int step_body(struct response *a)
{
	size_t size = next_size(a);

	if (size == 0)
		return a->reply.cut == NP_SERVE_CUT_BODY ? -1 : 0;
	if (send_piece(a, a->reply.body + a->sent, size) < 0)
		return -1;
	a->sent += size;
	return 1;
}

static void go_on_in(struct response *a, uint64_t ms)
{
	struct timeval tv = serve_timeval(ms);

	if (evtimer_add(a->timer, &tv) < 0)
		serve_conn_close_soon(a->conn);
}

static void step(evutil_socket_t fd, short what, void *arg)
{
	struct response *a = arg;
	struct conn *c = a->conn;
	struct evhttp_request *req = a->req;
	bool is_stream = !!a->reply.stream.next;
	int more = -1;

	(void)fd, (void)what;
	if (is_whole(&a->reply)) {
		send_whole(c, req, &a->reply);
		serve_response_drop(c);
		return;
	}
	if (a->reply.cut != NP_SERVE_CUT && start_body(a) == 0)
		more = is_stream ? step_stream(a) : step_body(a);
	if (more > 0) {
		go_on_in(a, is_stream ? a->reply.stream.every_ms : TICK_MS);
		return;
	}
	if (more < 0) {
		serve_conn_close_soon(c);
		return;
	}
	serve_response_drop(c);
	evhttp_send_reply_end(req);
}

struct response *serve_response_await(struct conn *c, struct evhttp_request *req, struct job *job)
{
	struct response *a = calloc(1, sizeof(*a));

	if (!a || !(a->timer = evtimer_new(c->loop->base, step, a))) {
		free(a);
		return NULL;
	}
	a->conn = c;
	a->req = req;
	a->job = job;
	c->response = a;
	return a;
}

/* A delayed reply extends the deadline; a worker's reply does not. */
static void start_take(struct response *a, struct np_serve_reply *reply)
{
	uint64_t deadline_ms = a->conn->loop->server->o.deadline_ms;

	a->reply = *reply;
	*reply = (struct np_serve_reply)NP_SERVE_REPLY_INIT;
	if (a->reply.deadline_ms > 0)
		serve_conn_arm(a->conn, a->reply.deadline_ms);
	else if (!a->job)
		serve_conn_arm(a->conn, deadline_ms + a->reply.delay_ms);
	go_on_in(a, a->reply.delay_ms);
}

void serve_response_finish_take(struct response *a, struct np_serve_reply *reply)
{
	start_take(a, reply);
	a->job->response = NULL;
	a->job = NULL;
}

void serve_response_send_take(struct conn *c, struct evhttp_request *req,
			      struct np_serve_reply *reply)
{
	struct response *a;

	if (is_whole(reply) && reply->delay_ms == 0) {
		send_whole(c, req, reply);
		np_serve_reply_done(reply);
		return;
	}
	a = serve_response_await(c, req, NULL);
	if (!a) {
		np_serve_reply_done(reply);
		serve_conn_close_soon(c);
		return;
	}
	start_take(a, reply);
}
