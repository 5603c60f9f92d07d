/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_TESTBED_H
#define NODEPREP_KUBE_TESTBED_H

/*
 * testbed - a server that answers from a script, and its client, for kube's unit tests.
 */

#include "certificate.h"
#include "expect.h"
#include "internal.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"

/* --- a server that answers from a script ----------------------------------------------------- */

enum { REQUESTS_MAX = 16, REQUEST_MAX = 4096 };

/* One answer; the script's last one repeats. */
struct step {
	const char *status; /* "200 OK"; NULL: the connection is cut */
	const char *headers; /* each with its CRLF; may be NULL */
	const char *body; /* may be NULL */
	size_t flood; /* instead of a body so many blanks */
};

struct server {
	const struct step *steps;
	size_t n_steps;
	int fd;
	unsigned port;
	pthread_t thread;
	SSL_CTX *tls; /* NULL: plain HTTP */
	unsigned hold_ms; /* a 200 has a body without a length, which is cut so long after it */
	const char *raw; /* instead of the script: what is sent before the connection is cut */
	size_t raw_size;
	unsigned drip_ms; /* bodies come byte by byte, with this pause between bytes */
	size_t n; /* requests that came; read after the thread has ended, or between requests */
	char requests[REQUESTS_MAX][REQUEST_MAX];
	size_t connections;
};

struct wire {
	int fd;
	SSL *ssl;
};

static inline ssize_t wire_read(const struct wire *w, char *buf, size_t size)
{
	return w->ssl ? SSL_read(w->ssl, buf, (int)size) : recv(w->fd, buf, size, 0);
}

static inline bool wire_write(const struct wire *w, const char *buf, size_t size)
{
	while (size > 0) {
		ssize_t n = w->ssl ? SSL_write(w->ssl, buf, (int)size)
				   : send(w->fd, buf, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		buf += n;
		size -= (size_t)n;
	}
	return true;
}

/* Reads a request with its body; false where the client closed. */
static inline bool read_request(const struct wire *w, char buf[static REQUEST_MAX])
{
	size_t size = 0;

	for (;;) {
		char *end, *length;
		ssize_t n = wire_read(w, buf + size, REQUEST_MAX - 1 - size);

		if (n <= 0)
			return false;
		size += (size_t)n;
		buf[size] = '\0';
		end = strstr(buf, "\r\n\r\n");
		length = strstr(buf, "Content-Length: ");
		if (end &&
		    size >= (size_t)(end + 4 - buf) + (length ? strtoul(length + 16, NULL, 10) : 0))
			return true;
	}
}

static inline bool write_flood(const struct wire *w, size_t size)
{
	char blanks[65536];

	memset(blanks, ' ', sizeof(blanks));
	for (; size > 0; size -= sizeof(blanks) < size ? sizeof(blanks) : size)
		if (!wire_write(w, blanks, sizeof(blanks) < size ? sizeof(blanks) : size))
			return false;
	return true;
}

static inline void rest_ms(unsigned ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

/* A body that ends with its connection, as a watch's may; false, so that it is cut then. */
static inline bool write_stream(const struct wire *w, const struct step *step, unsigned hold_ms)
{
	char head[1024];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n", step->status,
		 step->headers ? step->headers : "");
	if (wire_write(w, head, strlen(head)) &&
	    wire_write(w, step->body ? step->body : "", step->body ? strlen(step->body) : 0) &&
	    write_flood(w, step->flood))
		poll(&(struct pollfd){ .fd = w->fd, .events = POLLRDHUP }, 1, (int)hold_ms);
	return false;
}

static inline bool write_drip(const struct wire *w, const char *at, unsigned drip_ms)
{
	for (; *at; at++) {
		if (!wire_write(w, at, 1))
			return false;
		rest_ms(drip_ms);
	}
	return true;
}

static inline bool write_answer(const struct server *s, const struct wire *w,
				const struct step *step)
{
	const char *body = step->body ? step->body : "";
	char head[1024];

	if (!step->status)
		return false;
	if (s->hold_ms > 0 && strncmp(step->status, "200", 3) == 0)
		return write_stream(w, step, s->hold_ms);
	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", step->status,
		 step->flood > 0 ? step->flood : strlen(body), step->headers ? step->headers : "");
	if (!wire_write(w, head, strlen(head)))
		return false;
	if (s->drip_ms > 0)
		return write_drip(w, body, s->drip_ms);
	return wire_write(w, body, strlen(body)) && write_flood(w, step->flood);
}

static inline void serve_wire(struct server *s, const struct wire *w)
{
	char request[REQUEST_MAX];

	if (s->raw) {
		if (read_request(w, request))
			wire_write(w, s->raw, s->raw_size);
		return;
	}
	while (read_request(w, request)) {
		/* A copy: a test may return as soon as its client has the whole answer. */
		const struct step step = s->steps[s->n < s->n_steps ? s->n : s->n_steps - 1];

		if (s->n < REQUESTS_MAX)
			memcpy(s->requests[s->n], request, sizeof(request));
		s->n++;
		if (!write_answer(s, w, &step))
			return;
	}
}

/* A socket that is closed with unread bytes resets, and the alert on its way is lost. */
static inline void drain(int fd)
{
	char buf[4096];

	shutdown(fd, SHUT_WR);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
}

static inline void *serve(void *ctx)
{
	const struct timeval limit = { .tv_sec = 5 };
	struct server *s = ctx;
	struct wire w;

	while ((w.fd = accept(s->fd, NULL, NULL)) >= 0) {
		s->connections++;
		setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		w.ssl = s->tls ? SSL_new(s->tls) : NULL;
		if (w.ssl)
			SSL_set_fd(w.ssl, w.fd);
		if (!w.ssl || SSL_accept(w.ssl) == 1)
			serve_wire(s, &w);
		else
			drain(w.fd);
		SSL_free(w.ssl);
		close(w.fd);
	}
	return NULL;
}

static inline void server_start(struct server *s, const struct step *steps, size_t n)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t size = sizeof(addr);

	s->steps = steps;
	s->n_steps = n;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&addr, &size), 0);
	s->port = ntohs(addr.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static inline void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	SSL_CTX_free(s->tls);
}

/* --- a client of that server ----------------------------------------------------------------- */

static const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha2",
						 "virtualmachineclasses", true };

#define STEPS(...)                            \
	(const struct step[]){ __VA_ARGS__ }, \
		sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step)

/* What one test needs. */
struct bed {
	struct server server;
	struct np_kube *k;
	bool keep_server; /* the kubeconfig's, not the flag's */
	char log[4096];
};

static inline void keep_log(void *ctx, const char *line)
{
	struct bed *b = ctx;

	strlcat(b->log, line, sizeof(b->log));
	strlcat(b->log, "\n", sizeof(b->log));
}

static inline int bed_new(void **state)
{
	*state = calloc(1, sizeof(struct bed));
	return *state ? 0 : -1;
}

static inline int bed_free(void **state)
{
	struct bed *b = *state;

	np_kube_free(b->k);
	if (b->server.port)
		server_stop(&b->server);
	free(b);
	return 0;
}

static inline void bed_connect(struct bed *b, struct np_kube_options o)
{
	char server[64];
	struct np_kube_config *c = NULL;
	struct np_err err = NP_ERR_INIT;

	snprintf(server, sizeof(server), "http%s://127.0.0.1:%u", b->server.tls ? "s" : "",
		 b->server.port);
	o.server = o.server || b->keep_server ? o.server : server;
	o.deadline_ms = o.deadline_ms > 0 ? o.deadline_ms : 10000;
	o.log = keep_log;
	o.log_ctx = b;
	if (np_kube_config_load(&o, &c, &err) < 0 || np_kube_new_take(c, &b->k, &err) < 0)
		fail_msg("%s", err.text);
}

/* A GET of one class; returns what np_kube_get() returns, and drops the object. */
static inline int get_class(struct bed *b, struct np_err *err)
{
	json_t *object = NULL;
	int r = np_kube_get(b->k, &classes, "ml", "gpu", &object, err);

	assert_int_equal(!!object, r == 0);
	json_decref(object);
	return r;
}

#define ASSERT_HAS(text, part) expect_has(#text, text, part)

#define IN_BED(test) cmocka_unit_test_setup_teardown(test, bed_new, bed_free)

/* --- certificates ---------------------------------------------------------------------------- */

static inline SSL_CTX *tls_context(const struct certificate *c, bool want_client_cert)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	assert_int_equal(SSL_CTX_use_certificate(tls, c->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, c->key), 1);
	if (want_client_cert)
		SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return tls;
}

#endif
