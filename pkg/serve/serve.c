/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nodeprep/err.h"

enum {
	RENEW_MS = 1000,
	BACKLOG = 128,
	NAME_MAX_BYTES = 256,
};

static const unsigned methods =
	EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH;

/* OpenSSL numbers such places once a process; it holds no state of ours. */
static int conn_index = -1;

struct timeval ms_to_timeval(uint64_t ms)
{
	return (struct timeval){ (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };
}

static void log_line(const struct np_serve *s, const char *line)
{
	if (s->o.log)
		s->o.log(s->o.log_ctx, line);
}

/* --- connections ---------------------------------------------------------------------------- */

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

/* Called by OpenSSL with the SSL object's end, which is the connection's. */
static void free_conn(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct conn *c = ptr;
	struct np_serve *s;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (!c)
		return;
	s = c->server;
	answer_drop(c);
	event_free(c->timer);
	LIST_REMOVE(c, link);
	s->n_conns--;
	if (!s->stopping && s->listener)
		evconnlistener_enable(s->listener);
	if (s->stopping && s->n_conns == 0)
		event_base_loopbreak(s->base);
	free(c);
}

/* evhttp frees its part of a connection first; libevent then keeps the rest for another turn. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	struct conn *c = arg;

	(void)evcon;
	c->evcon = NULL;
	answer_lose(c);
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
	if (info->n_added == 0 || c->busy)
		return;
	c->busy = true;
	conn_arm(c, c->server->o.deadline_ms);
}

static SSL *new_ssl(struct np_serve *s, struct conn *c)
{
	SSL *ssl = SSL_new(s->tls.ctx);

	if (ssl && SSL_set_ex_data(ssl, conn_index, c) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static void add_conn(struct np_serve *s, struct conn *c)
{
	c->server = s;
	c->busy = true;
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->n_conns++;
	if (s->n_conns >= s->o.connections_max)
		evconnlistener_disable(s->listener);
	conn_arm(c, s->o.deadline_ms);
}

/* Makes the transport of a new connection; where NULL comes back evhttp would speak plain HTTP. */
static struct bufferevent *new_transport(struct event_base *base, void *arg)
{
	struct np_serve *s = arg;
	struct conn *c = calloc(1, sizeof(*c));
	SSL *ssl;

	if (!c || !(c->timer = evtimer_new(base, on_time_over, c))) {
		free(c);
		return NULL;
	}
	ssl = new_ssl(s, c);
	if (!ssl) {
		event_free(c->timer);
		free(c);
		return NULL;
	}
	add_conn(s, c);
	c->bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
						BEV_OPT_CLOSE_ON_FREE);
	/* Whether it freed `ssl` depends on libevent's version: out of memory, a slot may leak. */
	if (!c->bev)
		return NULL;
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	evbuffer_add_cb(bufferevent_get_input(c->bev), on_input, c);
	return c->bev;
}

/* --- requests ------------------------------------------------------------------------------- */

const char *np_serve_header(const struct np_serve_request *req, const char *name)
{
	return req->find_header ? req->find_header(req->ctx, name) : NULL;
}

static const char *find_header(const void *ctx, const char *name)
{
	const struct evkeyval *h;
	const struct evkeyvalq *list = ctx;

	TAILQ_FOREACH(h, list, next)
	if (evutil_ascii_strcasecmp(h->key, name) == 0)
		return h->value;
	return NULL;
}

static const char *method_name(enum evhttp_cmd_type type)
{
	static const struct {
		enum evhttp_cmd_type type;
		const char *name;
	} rows[] = {
		{ EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_GET, "GET" },
		{ EVHTTP_REQ_PATCH, "PATCH" },   { EVHTTP_REQ_POST, "POST" },
		{ EVHTTP_REQ_PUT, "PUT" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == type)
			return rows[i].name;
	return "";
}

/* Returns the common name of a client certificate that was verified; NULL where there is none. */
static const char *read_peer_name(SSL *ssl, char *buf, size_t size)
{
	X509 *cert = SSL_get0_peer_certificate(ssl);
	int length;

	if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	length = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, buf,
					   (int)size);
	return length > 0 && (size_t)length == strlen(buf) ? buf : NULL;
}

static int fill_request(struct evhttp_request *req, struct np_serve_request *ret)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	struct evbuffer *body = evhttp_request_get_input_buffer(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	ret->method = method_name(evhttp_request_get_command(req));
	ret->path = path && *path ? path : "/";
	ret->query = query ? query : "";
	ret->body_size = evbuffer_get_length(body);
	/* So that the text ends in a NUL; it is no part of the body. */
	if (evbuffer_add(body, "", 1) < 0)
		return -1;
	ret->body = (const char *)evbuffer_pullup(body, -1);
	ret->find_header = find_header;
	ret->ctx = evhttp_request_get_input_headers(req);
	return ret->body ? 0 : -1;
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;

	(void)req;
	if (c->server->stopping) {
		conn_doom(c);
		return;
	}
	/* A client may have sent the next request already. */
	c->busy = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
	conn_arm(c, c->busy ? c->server->o.deadline_ms : c->server->o.idle_ms);
}

static void answer_request(struct conn *c, struct evhttp_request *req, SSL *ssl)
{
	struct np_serve *s = c->server;
	struct np_serve_request request = { .method = "" };
	struct np_serve_reply reply = NP_SERVE_REPLY_INIT;
	struct np_err err = NP_ERR_INIT;
	char name[NAME_MAX_BYTES];

	request.peer_name = read_peer_name(ssl, name, sizeof(name));
	if (fill_request(req, &request) < 0) {
		conn_doom(c);
		return;
	}
	if (s->handler(s->ctx, &request, &reply, &err) < 0) {
		log_line(s, err.text);
		np_serve_reply_done(&reply);
		reply.status = 500;
	}
	if (s->stopping)
		evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
	answer_send_take(c, req, &reply);
}

static void on_request(struct evhttp_request *req, void *arg)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));
	struct conn *c = ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;

	(void)arg;
	if (!c) { /* see new_transport() */
		evhttp_send_error(req, 503, NULL);
		return;
	}
	c->evcon = evcon;
	c->busy = true;
	evhttp_connection_set_closecb(evcon, on_closed, c);
	evhttp_request_set_on_complete_cb(req, on_sent, c);
	answer_request(c, req, ssl);
}

/* --- the server ----------------------------------------------------------------------------- */

static int parse_address(const char *host, uint16_t port, struct sockaddr_storage *ret,
			 struct np_err *err)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return (int)sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return (int)sizeof(*v6);
	}
	return np_fail(err, NP_E_USAGE, "'%s' is no IP address to listen on", host);
}

static int read_port(struct np_serve *s, struct np_err *err)
{
	struct sockaddr_storage ss;
	socklen_t size = sizeof(ss);

	if (getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&ss, &size) < 0)
		return np_fail(err, NP_E_IO, "getsockname: %s", strerror(errno));
	s->port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
						: ((struct sockaddr_in6 *)&ss)->sin6_port);
	return 0;
}

static int start_listening(struct np_serve *s, const char *host, uint16_t port, struct np_err *err)
{
	const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct sockaddr_storage address;
	int on = 1, size = parse_address(host, port, &address, err);

	if (size < 0)
		return size;
	s->listener = evconnlistener_new_bind(s->base, NULL, NULL, flags, BACKLOG,
					      (struct sockaddr *)&address, size);
	if (!s->listener)
		return np_fail(err, NP_E_USAGE, "cannot listen on '%s' port %u: %s", host,
			       (unsigned)port, strerror(errno));
	/* Connections inherit it; evhttp sets none, and each kept-alive request would wait 40 ms. */
	setsockopt(evconnlistener_get_fd(s->listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (!evhttp_bind_listener(s->http, s->listener)) {
		evconnlistener_free(np_take(s->listener));
		return np_fail_nomem(err);
	}
	return read_port(s, err);
}

static void break_loop(evutil_socket_t fd, short what, void *arg)
{
	struct np_serve *s = arg;

	(void)fd, (void)what;
	event_base_loopbreak(s->base);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct np_serve *s = arg;
	struct timeval drain = ms_to_timeval(s->o.drain_ms);
	struct conn *c;

	(void)fd, (void)what;
	s->stopping = true;
	evconnlistener_disable(s->listener);
	LIST_FOREACH(c, &s->conns, link)
	if (!c->busy)
		conn_doom(c);
	if (s->n_conns == 0 || evtimer_add(s->drain_timer, &drain) < 0)
		event_base_loopbreak(s->base);
}

static void on_renew(evutil_socket_t fd, short what, void *arg)
{
	struct np_serve *s = arg;
	struct np_err err = NP_ERR_INIT;
	int changed = tls_renew(&s->tls, &err);

	(void)fd, (void)what;
	if (changed < 0)
		np_wrap(&err, "the certificate in use is kept");
	if (changed != 0)
		log_line(s, changed < 0 ? err.text : "the certificate was read again");
}

static int add_events(struct np_serve *s, struct np_err *err)
{
	struct timeval renew = ms_to_timeval(RENEW_MS);
	bool has_files = s->tls.cert_file || s->tls.key_file || s->tls.client_ca_file;

	s->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->stop_fd < 0)
		return np_fail(err, NP_E_IO, "eventfd: %s", strerror(errno));
	s->stop_event = event_new(s->base, s->stop_fd, EV_READ, on_stop, s);
	s->drain_timer = evtimer_new(s->base, break_loop, s);
	s->renew_timer = event_new(s->base, -1, EV_PERSIST, on_renew, s);
	if (!s->stop_event || !s->drain_timer || !s->renew_timer)
		return np_fail_nomem(err);
	if (event_add(s->stop_event, NULL) < 0 ||
	    (has_files && event_add(s->renew_timer, &renew) < 0))
		return np_fail_nomem(err);
	return 0;
}

static int setup_http(struct np_serve *s, struct np_err *err)
{
	uint64_t longest = s->o.idle_ms > s->o.deadline_ms ? s->o.idle_ms : s->o.deadline_ms;

	s->base = event_base_new();
	s->http = s->base ? evhttp_new(s->base) : NULL;
	if (!s->http)
		return np_fail_nomem(err);
	evhttp_set_bevcb(s->http, new_transport, s);
	evhttp_set_gencb(s->http, on_request, s);
	evhttp_set_allowed_methods(s->http, (ev_uint16_t)methods);
	evhttp_set_max_body_size(s->http, (ev_ssize_t)s->o.body_max);
	evhttp_set_max_headers_size(s->http, (ev_ssize_t)s->o.headers_max);
	evhttp_set_default_content_type(s->http, NULL);
	/* evhttp's own times start anew with every byte: they are the net behind ours. */
	evhttp_set_timeout(s->http, (int)(longest / 1000 + 3600));
	return 0;
}

static void keep_options(struct np_serve *s, const struct np_serve_options *o)
{
	s->o = *o;
	s->o.host = NULL;
	s->o.identity = (struct np_serve_identity){ NULL, NULL, NULL, NULL };
	s->o.client_ca_pem = s->o.client_ca_file = NULL;
}

int np_serve_new(const struct np_serve_options *o, np_serve_handler *handler, void *ctx,
		 struct np_serve **ret, struct np_err *err)
{
	NP_AUTO(np_serve_freep) struct np_serve *s = calloc(1, sizeof(*s));

	if (!s)
		return np_fail_nomem(err);
	s->stop_fd = -1;
	LIST_INIT(&s->conns);
	s->handler = handler;
	s->ctx = ctx;
	keep_options(s, o);
	if (conn_index < 0)
		conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_conn);
	if (conn_index < 0)
		return np_fail_nomem(err);
	if (tls_init(&s->tls, o, err) < 0 || setup_http(s, err) < 0 ||
	    start_listening(s, o->host, o->port, err) < 0 || add_events(s, err) < 0)
		return -(int)err->code;
	*ret = np_take(s);
	return 0;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

void np_serve_free(struct np_serve *s)
{
	if (!s)
		return;
	s->stopping = true;
	s->listener = NULL;
	if (s->http)
		evhttp_free(s->http);
	/* What libevent put off to its loop's next turn, the connections' ends among it. */
	if (s->base)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	free_event(s->stop_event);
	free_event(s->drain_timer);
	free_event(s->renew_timer);
	if (s->base)
		event_base_free(s->base);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	tls_done(&s->tls);
	free(s);
}

void np_serve_freep(struct np_serve **s)
{
	np_serve_free(*s);
}

uint16_t np_serve_port(const struct np_serve *s)
{
	return s->port;
}

int np_serve_run(struct np_serve *s, struct np_err *err)
{
	if (event_base_dispatch(s->base) < 0)
		return np_fail(err, NP_E_IO, "the event loop failed");
	return 0;
}

void np_serve_stop(struct np_serve *s)
{
	const uint64_t one = 1;

	/* The counter cannot be full: stopping happens a few times. */
	if (write(s->stop_fd, &one, sizeof(one)) < 0)
		return;
}
