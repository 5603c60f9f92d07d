/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SERVE_INTERNAL_H
#define NODEPREP_SERVE_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "nodeprep/serve.h"

/* What a file was when it was read last. */
struct file_mark {
	struct timespec mtime;
	ino_t inode;
	off_t size;
};

/* The server's certificates, and where to look for newer ones. */
struct tls {
	char *cert_file, *key_file, *client_ca_file; /* NULL: given as text */
	char *cert_pem, *key_pem, *client_ca_pem;
	bool client_required;
	struct file_mark marks[3];
	SSL_CTX *ctx;
};

/* Copies the options and makes the first context. */
int tls_init(struct tls *t, const struct np_serve_options *o, struct np_err *err);
void tls_done(struct tls *t);

/* Makes a new context where a file changed: 1, 0 where none did; a failure keeps the old context. */
int tls_renew(struct tls *t, struct np_err *err);

LIST_HEAD(conn_list, conn);

struct np_serve {
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener; /* owned by http */
	struct event *stop_event, *renew_timer, *drain_timer;
	int stop_fd;
	struct tls tls;
	struct np_serve_options o; /* its pointers are not kept, but for log_ctx */
	np_serve_handler *handler;
	void *ctx;
	uint16_t port;
	bool stopping;
	unsigned n_conns;
	struct conn_list conns;
};

/* One connection; freed with its SSL object, which libevent always frees. */
struct conn {
	LIST_ENTRY(conn) link;
	struct np_serve *server;
	struct bufferevent *bev;
	struct evhttp_connection *evcon; /* NULL: no request yet, or closed */
	struct event *timer; /* the deadline, or the end of idling */
	bool busy; /* within a request */
	bool doomed; /* closed with the timer's next turn */
	struct answer *answer; /* under way; NULL */
};

/* Closes the connection when `ms` are over; restarts a timer that runs. */
void conn_arm(struct conn *c, uint64_t ms);

/* Closes the connection from the event loop's next turn: libevent still uses it in this one. */
void conn_doom(struct conn *c);

/* Sends the reply, now or step by step; takes what it holds. */
void answer_send_take(struct conn *c, struct evhttp_request *req, struct np_serve_reply *reply);

/* Ends the answer under way without sending any more. */
void answer_drop(struct conn *c);
/* The same where the connection is being closed. */
void answer_lose(struct conn *c);

struct timeval ms_to_timeval(uint64_t ms);

#endif
