/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

/*
 * HTTP without TLS and without bodies: one request per connection, for metrics and probes. evhttp
 * cannot serve it: it reports the end of a connection only after a request, so idle connections
 * could be neither counted nor limited in time.
 */

enum { PLAIN_MS = 20, AT_ONCE = 64 };

struct plain {
	TAILQ_ENTRY(plain) link;
	struct loop *loop;
	struct bufferevent *bev;
	struct event *timer;
	bool answered;
	uint64_t began_ms, began_iteration;
};

static void free_plain(struct plain *p)
{
	struct loop *l = p->loop;

	TAILQ_REMOVE(&l->plains, p, link);
	if (p->timer)
		event_free(p->timer);
	if (p->bev)
		bufferevent_free(p->bev);
	l->n_conns--;
	atomic_fetch_sub(&l->server->n_conns, 1);
	free(p);
	serve_loop_resume_accept(l);
	if (l->stopping && l->n_conns == 0)
		event_base_loopbreak(l->base);
}

static void on_time_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	free_plain(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev, (void)what;
	free_plain(arg);
}

/* All bytes are sent. The client may still be reading, so wait for its end until the deadline. */
static void on_written(struct bufferevent *bev, void *arg)
{
	const struct plain *p = arg;

	if (p->answered)
		shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} rows[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "Internal Server Error";
}

static void send_reply(struct plain *p, struct np_serve_reply *reply)
{
	struct evbuffer *out = bufferevent_get_output(p->bev);

	p->answered = true;
	evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\n", reply->status, reason(reply->status));
	for (size_t i = 0; i < reply->n_headers; i++)
		evbuffer_add_printf(out, "%s: %s\r\n", reply->headers[i].name,
				    reply->headers[i].value);
	evbuffer_add_printf(out, "Content-Length: %zu\r\nConnection: close\r\n\r\n",
			    reply->body_size);
	evbuffer_add(out, reply->body, reply->body_size);
	bufferevent_enable(p->bev, EV_WRITE);
}

/* Splits "GET /path?query HTTP/1.1"; false for any other line. */
static bool cut_line(char *line, struct np_serve_request *req)
{
	char *path = strchr(line, ' ');
	char *version = path ? strchr(path + 1, ' ') : NULL;
	char *query;

	if (!version || path[1] != '/' || strncmp(version + 1, "HTTP/1.", 7) != 0)
		return false;
	*path++ = '\0';
	*version = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	req->method = line;
	req->path = path;
	req->query = query ? query : "";
	return true;
}

static void answer(struct plain *p, char *line)
{
	struct np_serve_request req = { .method = "", .body = "" };
	struct np_serve_reply reply = NP_SERVE_REPLY_INIT;

	if (cut_line(line, &req))
		serve_handle_request(p->loop->server, &req, &reply);
	else
		reply.status = 400;
	send_reply(p, &reply);
	np_serve_reply_done(&reply);
}

/* Waits for the blank line after the headers, which are all ignored. */
static void on_readable(struct bufferevent *bev, void *arg)
{
	struct plain *p = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	NP_AUTO(np_freep) char *line = NULL;

	if (p->answered) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	if (end.pos < 0 && evbuffer_get_length(in) <= p->loop->server->o.headers_max)
		return;
	line = end.pos >= 0 ? evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF) : strdup("");
	if (!line) {
		free_plain(p);
		return;
	}
	answer(p, line);
}

static int fill_plain(struct plain *p, evutil_socket_t fd)
{
	struct timeval deadline = serve_timeval(p->loop->server->o.deadline_ms);

	p->timer = evtimer_new(p->loop->base, on_time_over, p);
	if (!p->timer || evtimer_add(p->timer, &deadline) < 0)
		return -1;
	p->bev = bufferevent_socket_new(p->loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!p->bev)
		return -1;
	bufferevent_setcb(p->bev, on_readable, on_written, on_event, p);
	return bufferevent_enable(p->bev, EV_READ);
}

void serve_plain_accept(struct evconnlistener *listener, evutil_socket_t fd,
			struct sockaddr *address, int size, void *arg)
{
	struct loop *l = arg;
	struct plain *p = calloc(1, sizeof(*p));

	(void)listener, (void)address, (void)size;
	if (!p) {
		evutil_closesocket(fd);
		return;
	}
	p->loop = l;
	p->began_ms = np_clock_ms();
	p->began_iteration = l->iteration;
	TAILQ_INSERT_TAIL(&l->plains, p, link);
	serve_loop_count_conn(l);
	if (fill_plain(p, fd) == 0)
		return;
	if (!p->bev)
		evutil_closesocket(fd);
	free_plain(p);
}

void serve_plain_close_all(struct loop *l)
{
	while (!TAILQ_EMPTY(&l->plains))
		free_plain(TAILQ_FIRST(&l->plains));
}

/* A client that wants a response has sent its request by now. */
static bool is_stale(const struct plain *p)
{
	return np_clock_ms() - p->began_ms >= PLAIN_MS &&
	       p->loop->iteration - p->began_iteration >= 2;
}

/* Evicts the oldest connections for new ones. */
void serve_plain_make_room(struct loop *l)
{
	const struct np_serve *s = l->server;
	bool is_needed = l->lacks_files || atomic_load(&s->n_conns) >= s->o.connections_max;

	l->lacks_files = false; /* freeing one re-enters this function */
	for (int i = 0; is_needed && i < AT_ONCE; i++) {
		struct plain *p = TAILQ_FIRST(&l->plains);

		if (!p || !is_stale(p))
			return;
		free_plain(p);
	}
}
