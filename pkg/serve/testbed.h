/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SERVE_TESTBED_H
#define NODEPREP_SERVE_TESTBED_H

/* testbed - certificates, a server and clients for serve's unit tests. */

#include "certificate.h"
#include "internal.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"
#include "nodeprep/time.h"

/* --- certificates --------------------------------------------------------------------------- */

struct pem {
	char cert[2000], key[1000];
};

/* Creates a certificate, which is also its own CA. */
static inline struct pem make_pem(const char *name)
{
	struct certificate c;
	struct pem pem;

	certificate_make(&c, name, NULL, 3600);
	assert_true(strlcpy(pem.cert, c.cert_pem, sizeof(pem.cert)) < sizeof(pem.cert));
	assert_true(strlcpy(pem.key, c.key_pem, sizeof(pem.key)) < sizeof(pem.key));
	certificate_done(&c);
	return pem;
}

static struct pem server_pem, other_pem;

static inline int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server_pem = make_pem("first");
	other_pem = make_pem("second");
	return 0;
}

/* --- the server under test ------------------------------------------------------------------ */

static inline int next_piece(void *ctx, char **ret, size_t *ret_size)
{
	unsigned *left = ctx;

	if (*left == 0)
		return 0;
	if (*left % 2 == 0) {
		*ret = strdup("piece ");
		*ret_size = 6;
	}
	return --*left > 0;
}

static inline void make_stream(struct np_serve_reply *reply, unsigned pieces)
{
	unsigned *left = malloc(sizeof(*left));

	*left = pieces * 2;
	reply->stream = (struct np_serve_stream){ next_piece, free, left, 5 };
}

static inline void echo(const struct np_serve_request *req, struct np_serve_reply *reply)
{
	const char *given = np_serve_header(req, "x-GIVEN");
	int n = asprintf(&reply->body, "%s %s [%s] %s %s %zu:%s", req->method, req->path,
			 req->query, given ? given : "-", req->peer_name ? req->peer_name : "-",
			 req->body_size, req->body);

	reply->body_size = n > 0 ? (size_t)n : 0;
	reply->status = 200;
}

static inline int handle(void *ctx, const struct np_serve_request *req,
			 struct np_serve_reply *reply, struct np_err *err)
{
	(void)ctx;
	echo(req, reply);
	if (strcmp(req->path, "/delay") == 0)
		reply->delay_ms = 300;
	else if (strcmp(req->path, "/never") == 0)
		reply->delay_ms = 600000;
	else if (strcmp(req->path, "/cut") == 0)
		reply->cut = NP_SERVE_CUT;
	else if (strcmp(req->path, "/cut-body") == 0)
		reply->cut = NP_SERVE_CUT_BODY;
	else if (strcmp(req->path, "/slow") == 0)
		reply->bytes_per_second = 200;
	else if (strcmp(req->path, "/stream") == 0)
		make_stream(reply, 3);
	else if (strcmp(req->path, "/endless") == 0)
		make_stream(reply, 1000000);
	else if (strcmp(req->path, "/fail") == 0)
		return np_fail(err, NP_E_BUG, "asked to fail");
	return np_serve_reply_header(reply, "X-Made", "a\r\nInjected: b", err);
}

struct server {
	struct np_serve *serve;
	pthread_t thread;
	int rc;
	char log[1000];
};

static inline void keep_line(void *ctx, const char *level, const char *line)
{
	struct server *s = ctx;

	snprintf(s->log, sizeof(s->log), "%s: %s", level, line);
}

static inline void *run(void *arg)
{
	struct server *s = arg;
	struct np_err err = NP_ERR_INIT;

	s->rc = np_serve_run(s->serve, &err);
	return NULL;
}

static inline struct np_serve_options options(void)
{
	struct np_serve_options o = NP_SERVE_OPTIONS_INIT;

	o.identity.cert_pem = server_pem.cert;
	o.identity.key_pem = server_pem.key;
	return o;
}

static inline void start(struct server *s, struct np_serve_options *o)
{
	struct np_err err = NP_ERR_INIT;

	memset(s, 0, sizeof(*s));
	s->rc = 77;
	o->log = keep_line;
	o->log_ctx = s;
	if (np_serve_new(o, handle, NULL, &s->serve, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

static inline void stop(struct server *s)
{
	np_serve_stop(s->serve);
	pthread_join(s->thread, NULL);
	assert_int_equal(s->rc, 0);
	np_serve_free(s->serve);
}

/* --- a client ------------------------------------------------------------------------------- */

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static inline void nap(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static inline int dial(const struct server *s, unsigned timeout_ms)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct timeval tv = serve_timeval(timeout_ms);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons(np_serve_port(s->serve));
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A client's options; all may be NULL. */
struct wish {
	const struct pem *pem;
	const char *alpn; /* in wire form */
	const char *ciphers; /* of TLS 1.2 */
	int max_version;
	unsigned timeout_ms;
	SSL_SESSION *session; /* to resume */
};

static inline void use_pem(SSL_CTX *ctx, const struct pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->cert, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	EVP_PKEY *key;

	BIO_free(bio);
	bio = BIO_new_mem_buf(pem->key, -1);
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Returns whether the handshake succeeded. */
static inline bool try_connect(const struct server *s, const struct wish *w, struct client *c)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (w->pem)
		use_pem(c->ctx, w->pem);
	if (w->max_version) {
		SSL_CTX_set_min_proto_version(c->ctx, w->max_version);
		SSL_CTX_set_max_proto_version(c->ctx, w->max_version);
		SSL_CTX_set_security_level(c->ctx, 0);
	}
	if (w->ciphers)
		assert_int_equal(SSL_CTX_set_cipher_list(c->ctx, w->ciphers), 1);
	if (w->alpn)
		SSL_CTX_set_alpn_protos(c->ctx, (const unsigned char *)w->alpn,
					(unsigned)strlen(w->alpn));
	c->ssl = SSL_new(c->ctx);
	c->fd = dial(s, w->timeout_ms ? w->timeout_ms : 3000);
	SSL_set_fd(c->ssl, c->fd);
	if (w->session)
		assert_int_equal(SSL_set_session(c->ssl, w->session), 1);
	return SSL_connect(c->ssl) == 1;
}

static inline void hang_up(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

static inline struct client join(const struct server *s)
{
	struct client c;

	assert_true(try_connect(s, &(struct wish){ .pem = NULL }, &c));
	return c;
}

static inline void say(struct client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Reads one response with a length, or all bytes until the connection ends. */
static inline size_t hear(struct client *c, char *buf, size_t size)
{
	size_t n = 0, wanted = SIZE_MAX;

	memset(buf, 0, size);
	while (n < wanted && n < size - 1) {
		int got = SSL_read(c->ssl, buf + n, (int)(size - 1 - n));
		const char *head, *length;

		if (got <= 0)
			break;
		n += (size_t)got;
		head = strstr(buf, "\r\n\r\n");
		length = strstr(buf, "Content-Length: ");
		if (head && length && length < head)
			wanted = (size_t)(head + 4 - buf) + strtoul(length + 16, NULL, 10);
	}
	return n;
}

/* Sends a request on a new connection; buf receives the response. */
static inline size_t ask(const struct server *s, const char *request, char *buf, size_t size)
{
	struct client c = join(s);
	size_t n;

	say(&c, request);
	n = hear(&c, buf, size);
	hang_up(&c);
	return n;
}

/* --- files ---------------------------------------------------------------------------------- */

static inline void write_file(const char *path, const char *text)
{
	char next[80];
	FILE *f;

	snprintf(next, sizeof(next), "%s.next", path);
	f = fopen(next, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(next, path), 0);
}

static inline void wait_for_log(const struct server *s, const char *part)
{
	for (unsigned i = 0; i < 1000 && !strstr(s->log, part); i++)
		nap(10);
	if (!strstr(s->log, part))
		fail_msg("'%s' is not '%s'", s->log, part);
}

/* --- a handler that blocks --- */

/* Blocks on "/block" until released, and counts the calls in it; "/endless" streams. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool is_open;
	unsigned inside;
};

static inline int pass_gate(void *ctx, const struct np_serve_request *req,
			    struct np_serve_reply *reply, struct np_err *err)
{
	struct gate *g = ctx;

	if (strcmp(req->path, "/block") == 0) {
		pthread_mutex_lock(&g->lock);
		g->inside++;
		while (!g->is_open)
			pthread_cond_wait(&g->opened, &g->lock);
		pthread_mutex_unlock(&g->lock);
	}
	echo(req, reply);
	if (strcmp(req->path, "/endless") == 0)
		make_stream(reply, 1000000);
	return np_serve_reply_header(reply, "X-Id", req->id, err);
}

static inline void open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_open = true;
	pthread_cond_broadcast(&g->opened);
	pthread_mutex_unlock(&g->lock);
}

static inline bool blocks(void *ctx, const struct np_serve_request *req)
{
	(void)ctx;
	return strcmp(req->path, "/block") == 0;
}

static inline void start_gated(struct server *s, struct np_serve_options *o, struct gate *g)
{
	struct np_err err = NP_ERR_INIT;

	memset(s, 0, sizeof(*s));
	memset(g, 0, sizeof(*g));
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->opened, NULL);
	o->blocks = blocks;
	if (np_serve_new(o, pass_gate, g, &s->serve, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
}

#define PLAIN "GET /x HTTP/1.1\r\n\r\n"

#endif
