/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SERVE_H
#define NODEPREP_SERVE_H

/*
 * serve - the one HTTPS server: limits, absolute deadlines, drain, certificates that are renewed.
 *
 * Shape      event loops (libevent evhttp over bufferevent_openssl), one a thread, which share the
 *            port by SO_REUSEPORT. The handler fills a reply and returns; the server sends it at
 *            once, after a delay, in pieces, or cuts the connection, as the reply says. HTTP/1.1
 *            alone, TLS 1.2 or newer.
 * Threads    the handler runs on whichever loop has the connection, so that with more than one it must
 *            bear being called by several at a time. One that may block runs on a worker instead: the
 *            loops go on. With one loop and no worker all is done by the thread that runs the server.
 * Units      *_ms is milliseconds, sizes are bytes.
 * Bounds     headers, body, connections and times are limited by the options. A deadline is
 *            absolute: it runs from a request's first byte (from the connection's start for the
 *            first) to the answer's last, so that no client keeps a connection by single bytes.
 *            Requests that wait for a worker are limited too; one too many is answered 503.
 * Hostile    clients get little of it: heads and bodies have a least speed, a body that does not go on
 *            gives its turn to the next, and where connections, an address' share, descriptors or
 *            memory run out, whoever has been silent longest is closed for whoever comes. A body for
 *            which there is no memory waits a second and is then answered 503 with Retry-After.
 *            Requests that are not written as RFC 9112 says are answered 400 and closed.
 * Ownership  np_serve_new() copies what it needs of the options. A request lives for the handler's
 *            call; what a reply holds is the server's once the handler returned.
 * Errors     NP_E_USAGE: an address that cannot be listened on; NP_E_SPEC: a certificate or key
 *            that cannot be used; NP_E_IO; NP_E_NOMEM.
 * Sources    RFC 9110, RFC 9112; libevent 2.1's evhttp answers 400, 413 and 501 itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;

/* The two halves of an identity: as PEM texts, or as files, which are read again when they change. */
struct np_serve_identity {
	const char *cert_pem, *key_pem;
	const char *cert_file, *key_file;
};

struct np_serve_request;

struct np_serve_options {
	const char *host; /* an IP address */
	uint16_t port; /* 0: any that is free */
	struct np_serve_identity identity;
	const char *client_ca_pem; /* NULL: clients are not asked for a certificate */
	const char *client_ca_file; /* the same as a file, read again when it changes */
	bool client_required; /* a client without a certificate is turned away */
	size_t body_max;
	size_t headers_max;
	unsigned connections_max;
	unsigned per_address_max; /* of one address, of an IPv6 network of 64 bits; 0: no bound */
	size_t memory_max; /* of bodies and answers in flight; at least one body; 0: no bound */
	uint64_t head_ms; /* from a connection's start to a first byte, from that to a head's end */
	uint64_t body_rate; /* bytes a second that a body must keep up; 0: the deadline alone */
	uint64_t deadline_ms; /* one request and its answer */
	uint64_t idle_ms; /* a connection without a request */
	uint64_t drain_ms; /* what runs when the server is stopped */
	uint64_t linger_ms; /* before that, new connections are still taken for so long */
	bool plain; /* HTTP without TLS, and so without an identity */
	unsigned threads; /* event loops; 0: one */
	unsigned workers; /* threads for handlers that block; 0: none */
	unsigned queue_max; /* requests that wait for a worker */
	/* Tells, on the loop, whether the request's handler may block; NULL: none may. */
	bool (*blocks)(void *ctx, const struct np_serve_request *req);
	/* Called with one line for what an operator should know (a renewed certificate); may be NULL. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/* clang-format off */
#define NP_SERVE_OPTIONS_INIT                                                               \
	{                                                                                   \
		.host = "127.0.0.1", .body_max = (size_t)20 << 20, .headers_max = 64 << 10, \
		.connections_max = 256, .deadline_ms = 30000, .idle_ms = 90000,             \
		.head_ms = 10000,                                                           \
		.drain_ms = 10000, .queue_max = 128,                                        \
	}
/* clang-format on */

#define NP_SERVE_ID_MAX 65

struct np_serve_request {
	char id[NP_SERVE_ID_MAX]; /* the client's X-Request-Id where it is a plain word, else our own */
	const char *method; /* "GET" */
	const char *path; /* as it was sent, percent-encoded, without the query */
	const char *query; /* behind the '?'; "" where there is none */
	const char *body; /* ends in a NUL beyond body_size */
	size_t body_size;
	const char *peer_name; /* the common name of a verified client certificate; NULL */
	const char *(*find_header)(const void *ctx, const char *name);
	const void *ctx;
};

/*
 * Returns a header's value, whatever the case of its name; NULL where it was not sent, and on a
 * worker, which outlives the headers.
 */
const char *np_serve_header(const struct np_serve_request *req, const char *name);

/* A body made piece by piece, for answers without a known end. */
struct np_serve_stream {
	/* Sets *ret to the next piece, malloc'd (NULL: none yet); returns 1, 0 at the end, < 0 to cut. */
	int (*next)(void *ctx, char **ret, size_t *ret_size);
	void (*free)(void *ctx);
	void *ctx;
	unsigned every_ms; /* how often next() is asked */
};

enum np_serve_cut {
	NP_SERVE_WHOLE,
	NP_SERVE_CUT, /* the connection is closed without an answer */
	NP_SERVE_CUT_BODY, /* the connection is closed half-way through the body */
};

#define NP_SERVE_HEADERS_MAX 16

struct np_serve_reply {
	unsigned status;
	size_t n_headers;
	struct np_serve_pair {
		char *name, *value;
	} headers[NP_SERVE_HEADERS_MAX];
	char *body; /* malloc'd */
	size_t body_size;
	struct np_serve_stream stream; /* in place of a body where next is set */
	uint64_t delay_ms; /* before the answer */
	uint64_t deadline_ms; /* for this answer; 0: the server's, after the delay */
	uint64_t bytes_per_second; /* 0: as fast as the client reads */
	enum np_serve_cut cut;
};

/* clang-format off */
#define NP_SERVE_REPLY_INIT { .status = 0 }
/* clang-format on */

/* Adds a header; line breaks in the value become blanks. */
int np_serve_reply_header(struct np_serve_reply *reply, const char *name, const char *value,
			  struct np_err *err);

/* Frees what the reply holds and leaves it empty. */
void np_serve_reply_done(struct np_serve_reply *reply);

/* Answers `req`; a negative return is answered with 500 and *err goes to the log. */
typedef int np_serve_handler(void *ctx, const struct np_serve_request *req,
			     struct np_serve_reply *reply, struct np_err *err);

struct np_serve;

/* Listens; connections are taken once np_serve_run() runs. */
int np_serve_new(const struct np_serve_options *o, np_serve_handler *handler, void *ctx,
		 struct np_serve **ret, struct np_err *err);
void np_serve_free(struct np_serve *s);
void np_serve_freep(struct np_serve **s);

/* Returns the port that is listened on. */
uint16_t np_serve_port(const struct np_serve *s);

/* Serves until np_serve_stop(), then finishes the requests that run, within drain_ms. */
int np_serve_run(struct np_serve *s, struct np_err *err);

/* Ends np_serve_run(); may be called from a signal handler or another thread. */
void np_serve_stop(struct np_serve *s);

/* Tells whether np_serve_stop() was called. */
bool np_serve_is_stopping(const struct np_serve *s);

/* What the server has done and has under way. */
struct np_serve_stats {
	unsigned connections;
	size_t memory; /* bytes of bodies and answers in flight */
	unsigned long long evicted; /* connections closed for others, or for being slow */
	unsigned long long malformed; /* requests answered 400 or 501 for how they are written */
	unsigned long long refused; /* bodies answered 503 for want of memory */
};

void np_serve_read_stats(const struct np_serve *s, struct np_serve_stats *ret);

/* Has libevent's own messages, and what it dies of, told by `log`; for the whole process. */
void np_serve_set_library_log(void (*log)(bool is_error, const char *line));

/* Tells whether a worker is still at a request whose client is gone; np_serve_free() waits for it. */
bool np_serve_is_busy(struct np_serve *s);

#endif
