/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SERVE_H
#define NODEPREP_SERVE_H

/*
 * serve - the HTTPS server: limits, absolute deadlines, drain, reloaded certificates.
 *
 * Shape      event loops (libevent evhttp over bufferevent_openssl), one per thread, which share
 *            the port by SO_REUSEPORT. The handler fills a reply and returns; as the reply asks,
 *            the server sends it at once, after a delay or in pieces, or cuts the connection.
 *            HTTP/1.1 only, TLS 1.2 or newer.
 * Threads    the handler runs on the connection's loop, so with several loops it must be
 *            thread-safe. A handler that may block runs on a worker, and the loops continue. With
 *            one loop and no worker, one thread does everything.
 * Units      *_ms is milliseconds, sizes are bytes.
 * Bounds     headers, body, connections and times are limited by the options. A deadline is
 *            absolute: it runs from a request's first byte (from the connection's start for the
 *            first request) to the response's last, so no client keeps a connection with single
 *            bytes. Requests that wait for a worker are limited too; beyond the limit the server
 *            answers 503.
 * Hostile    heads and bodies have a minimum speed, and a body without progress passes its slot to
 *            the next. Where connections, an address's share, descriptors or memory run out, the
 *            server evicts the connection that has been silent longest. A body without memory waits
 *            a second, then gets 503 with Retry-After. A request that violates RFC 9112 gets 400,
 *            and the connection is closed.
 * Sessions   TLS 1.3 clients resume theirs for an hour after the full handshake, unless the server's
 *            certificate, the client CA or the client's certificate's validity changed since. The
 *            server keeps nothing for it, and accepts no early data.
 * Ownership  np_serve_new() copies the options. A request lives for the handler's call; the server
 *            owns the reply's members once the handler returned.
 * Errors     NP_E_USAGE: an address that cannot be listened on; NP_E_SPEC: a certificate or key
 *            that cannot be used; NP_E_IO; NP_E_NOMEM.
 * Sources    RFC 9110, RFC 9112; libevent 2.1's evhttp answers 400, 413 and 501 itself.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct np_err;

/*
 * A certificate and its key, as PEM texts or as files. The server reads the files again when they
 * change; if that fails it keeps what it has, and tries again every few seconds.
 */
struct np_serve_identity {
	const char *cert_pem, *key_pem;
	const char *cert_file, *key_file;
};

struct np_serve_request;

struct np_serve_options {
	const char *host; /* an IP address */
	uint16_t port; /* 0: any free port */
	struct np_serve_identity identity;
	const char *client_ca_pem; /* NULL: clients are not asked for a certificate */
	const char *client_ca_file; /* as a file; reloaded on a change */
	bool client_required; /* a client without a certificate is rejected */
	/*
	 * A secret of 32 bytes or more that replicas share, so that each resumes TLS sessions of the
	 * others; reloaded on a change. NULL: the sessions of this server alone.
	 */
	const char *ticket_secret_file;
	size_t body_max;
	size_t headers_max;
	unsigned connections_max;
	unsigned per_address_max; /* per IPv4 address or IPv6 /64 network; 0: no limit */
	size_t memory_max; /* of bodies and responses in flight; at least one body; 0: no limit */
	uint64_t head_ms; /* to the first byte, and from there to the head's end */
	uint64_t body_rate; /* minimum bytes per second of a body; 0: the deadline alone */
	uint64_t deadline_ms; /* one request and its answer */
	uint64_t idle_ms; /* a connection without a request */
	uint64_t drain_ms; /* for the requests in progress when the server stops */
	uint64_t
		linger_ms; /* before that, the server still accepts new connections for this time */
	bool plain; /* HTTP without TLS, and so without an identity */
	unsigned threads; /* event loops; 0: one */
	unsigned workers; /* threads for blocking handlers; 0: none */
	unsigned queue_max; /* requests that wait for a worker */
	/* Returns, on the loop, whether the request's handler may block; NULL: none may. */
	bool (*blocks)(void *ctx, const struct np_serve_request *req);
	/*
	 * Logs a line for the operator, such as a reloaded certificate, with its level ("info",
	 * "warning", "error"); may be NULL.
	 */
	void (*log)(void *ctx, const char *level, const char *line);
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
	char id[NP_SERVE_ID_MAX]; /* X-Request-Id if a plain word, else generated */
	const char *method; /* "GET" */
	const char *path; /* as sent: percent-encoded, without the query */
	const char *query; /* behind the '?'; "" where there is none */
	const char *body; /* ends in a NUL beyond body_size */
	size_t body_size;
	const char *peer_name; /* the common name of a verified client certificate; NULL */
	const char *(*find_header)(const void *ctx, const char *name);
	const void *ctx;
};

/*
 * Returns the value of a header (names are case-insensitive); NULL where it is absent, and always
 * on a worker, which may outlive the headers.
 */
const char *np_serve_header(const struct np_serve_request *req, const char *name);

/* A body produced piece by piece, for responses of unknown length. */
struct np_serve_stream {
	/*
	 * Sets *ret to the next piece, malloc'd (NULL: none yet); returns 1, 0 at the end, < 0 to
	 * cut.
	 */
	int (*next)(void *ctx, char **ret, size_t *ret_size);
	void (*free)(void *ctx);
	void *ctx;
	unsigned every_ms; /* the interval between calls of next() */
};

enum np_serve_cut {
	NP_SERVE_WHOLE,
	NP_SERVE_CUT, /* the connection is closed without a response */
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
	uint64_t delay_ms; /* before the response */
	uint64_t deadline_ms; /* for this response; 0: the server's, after the delay */
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

/* Creates the server and listens; np_serve_run() accepts the connections. */
int np_serve_new(const struct np_serve_options *o, np_serve_handler *handler, void *ctx,
		 struct np_serve **ret, struct np_err *err);
void np_serve_free(struct np_serve *s);
void np_serve_freep(struct np_serve **s);

/* Returns the listening port. */
uint16_t np_serve_port(const struct np_serve *s);

/* Serves until np_serve_stop(), then finishes the requests in progress, within drain_ms. */
int np_serve_run(struct np_serve *s, struct np_err *err);

/* Ends np_serve_run(); may be called from a signal handler or another thread. */
void np_serve_stop(struct np_serve *s);

/*
 * Makes the server read its certificate files again, changed or not, and log the result; may be
 * called from a signal handler or another thread.
 */
void np_serve_reload(struct np_serve *s);

/* Tells whether np_serve_stop() was called. */
bool np_serve_is_stopping(const struct np_serve *s);

/* The server's counters and gauges. */
struct np_serve_stats {
	unsigned connections;
	size_t memory; /* bytes of bodies and responses in flight */
	unsigned long long evicted; /* connections closed to make room, or as too slow */
	unsigned long long malformed; /* malformed requests, answered 400 or 501 */
	unsigned long long refused; /* bodies answered 503 without memory */
	/* Seconds since 1970; 0: there is none. Of several CAs the first to expire. */
	int64_t certificate_not_after, client_ca_not_after;
	int64_t certificate_loaded; /* when the one in use was read */
	bool certificate_is_stale; /* the last attempt to read it again failed */
	unsigned long long reload_failures;
};

void np_serve_read_stats(const struct np_serve *s, struct np_serve_stats *ret);

/* Sends libevent's messages and fatal errors to `log`; process-wide. */
void np_serve_set_library_log(void (*log)(bool is_error, const char *line));

/*
 * Tells whether a worker still handles a request whose client is gone; np_serve_free() waits for
 * it.
 */
bool np_serve_is_busy(struct np_serve *s);

#endif
