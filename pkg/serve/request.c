/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

enum { NAME_MAX_BYTES = 256 };

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

/* Returns the common name of a verified client certificate; NULL where there is none. */
static const char *read_peer_name(struct conn *c, char *buf, size_t size)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	X509 *cert = ssl ? SSL_get0_peer_certificate(ssl) : NULL;
	int length;

	if (!cert || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	length = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, buf,
					   (int)size);
	return length > 0 && (size_t)length == strlen(buf) ? buf : NULL;
}

static bool is_plain_word(const char *text)
{
	size_t n = strlen(text);

	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
			return false;
	return n > 0 && n < NP_SERVE_ID_MAX;
}

/* The ID goes to the log, so only a plain word is accepted. */
static void fill_id(struct np_serve *s, struct np_serve_request *req)
{
	const char *given = np_serve_header(req, "X-Request-Id");

	if (given && is_plain_word(given))
		snprintf(req->id, sizeof(req->id), "%s", given);
	else
		snprintf(req->id, sizeof(req->id), "%08" PRIx32 "-%llu", s->id,
			 atomic_fetch_add(&s->n_requests, 1) + 1);
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
	/* Terminates the text; the NUL is not part of the body. */
	if (evbuffer_add(body, "", 1) < 0)
		return -1;
	ret->body = (const char *)evbuffer_pullup(body, -1);
	ret->find_header = find_header;
	ret->ctx = evhttp_request_get_input_headers(req);
	return ret->body ? 0 : -1;
}

/* evhttp frees its part of a connection first; libevent keeps the rest until its next iteration. */
static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	struct conn *c = arg;

	(void)evcon;
	c->evcon = NULL;
	serve_response_lose(c);
}

static void on_sent(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	const struct np_serve_options *o = &c->loop->server->o;

	(void)req;
	c->sending = false;
	serve_conn_release_answer(c);
	serve_conn_moved(c);
	if (c->loop->stopping) {
		serve_conn_close_soon(c);
		return;
	}
	/* A client may have sent the next request already. */
	c->busy = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
	serve_conn_arm(c, c->busy ? o->deadline_ms : o->idle_ms);
}

/* The body's bytes are not needed while the response waits for the client. */
static void drop_body(struct evhttp_request *req)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(req);

	evbuffer_drain(body, evbuffer_get_length(body));
}

/* Too many requests wait: the client should retry. */
static void refuse(struct np_serve_reply *reply)
{
	struct np_err err = NP_ERR_INIT;

	reply->status = 503;
	if (np_serve_reply_header(reply, "Retry-After", "1", &err) < 0)
		np_serve_reply_done(reply);
	reply->status = 503;
}

static void answer_request(struct conn *c, struct evhttp_request *req)
{
	struct np_serve *s = c->loop->server;
	struct np_serve_request request = { .method = "" };
	struct np_serve_reply reply = NP_SERVE_REPLY_INIT;
	char name[NAME_MAX_BYTES];

	request.peer_name = read_peer_name(c, name, sizeof(name));
	if (fill_request(req, &request) < 0) {
		serve_conn_close_soon(c);
		return;
	}
	fill_id(s, &request);
	if (atomic_load(&s->stop))
		evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
	if (s->o.workers > 0 && s->o.blocks && s->o.blocks(s->ctx, &request)) {
		if (serve_workers_hand_over(c, req, &request) == 0)
			return;
		refuse(&reply);
	} else {
		serve_handle_request(s, &request, &reply);
	}
	drop_body(req);
	serve_conn_release_body(c);
	serve_response_send_take(c, req, &reply);
}

void serve_on_request(struct evhttp_request *req, void *arg)
{
	struct evhttp_connection *evcon = evhttp_request_get_connection(req);
	struct conn *c = serve_conn_find(evcon);

	(void)arg;
	if (!c) { /* see serve_conn_new_transport() */
		evhttp_send_error(req, 503, NULL);
		return;
	}
	c->evcon = evcon;
	c->busy = true;
	evhttp_connection_set_closecb(evcon, on_closed, c);
	evhttp_request_set_on_complete_cb(req, on_sent, c);
	serve_conn_end_turn(c);
	serve_conn_hold(c);
	if (c->refusal)
		serve_conn_refuse(c);
	else
		answer_request(c, req);
}
