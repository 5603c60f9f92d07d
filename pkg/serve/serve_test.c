/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
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

#include "internal.h"

/* --- certificates --------------------------------------------------------------------------- */

struct pem {
	char cert[2000], key[1000];
};

static void copy_bio(BIO *bio, char *buf, size_t size)
{
	char *bytes;
	long n = BIO_get_mem_data(bio, &bytes);

	assert_true(n > 0 && (size_t)n < size);
	memcpy(buf, bytes, (size_t)n);
	buf[n] = '\0';
	BIO_free(bio);
}

/* Makes a certificate that signs itself, so that it serves as its own CA. */
static struct pem make_pem(const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
	struct pem pem = { "", "" };

	ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)random());
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(cert_bio, cert), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL), 1);
	copy_bio(cert_bio, pem.cert, sizeof(pem.cert));
	copy_bio(key_bio, pem.key, sizeof(pem.key));
	X509_free(cert);
	EVP_PKEY_free(key);
	return pem;
}

static struct pem server_pem, other_pem;

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server_pem = make_pem("first");
	other_pem = make_pem("second");
	return 0;
}

/* --- the server under test ------------------------------------------------------------------ */

static int next_piece(void *ctx, char **ret, size_t *ret_size)
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

static void make_stream(struct np_serve_reply *reply, unsigned pieces)
{
	unsigned *left = malloc(sizeof(*left));

	*left = pieces * 2;
	reply->stream = (struct np_serve_stream){ next_piece, free, left, 5 };
}

static void echo(const struct np_serve_request *req, struct np_serve_reply *reply)
{
	const char *given = np_serve_header(req, "x-GIVEN");
	int n = asprintf(&reply->body, "%s %s [%s] %s %s %zu:%s", req->method, req->path,
			 req->query, given ? given : "-", req->peer_name ? req->peer_name : "-",
			 req->body_size, req->body);

	reply->body_size = n > 0 ? (size_t)n : 0;
	reply->status = 200;
}

static int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		  struct np_err *err)
{
	(void)ctx;
	echo(req, reply);
	if (strcmp(req->path, "/delay") == 0)
		reply->delay_ms = 300;
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

static void keep_line(void *ctx, const char *line)
{
	struct server *s = ctx;

	snprintf(s->log, sizeof(s->log), "%s", line);
}

static void *run(void *arg)
{
	struct server *s = arg;
	struct np_err err = NP_ERR_INIT;

	s->rc = np_serve_run(s->serve, &err);
	return NULL;
}

static struct np_serve_options options(void)
{
	struct np_serve_options o = NP_SERVE_OPTIONS_INIT;

	o.identity.cert_pem = server_pem.cert;
	o.identity.key_pem = server_pem.key;
	return o;
}

static void start(struct server *s, struct np_serve_options *o)
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

static void stop(struct server *s)
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

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void nap(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static int dial(const struct server *s, unsigned timeout_ms)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct timeval tv = ms_to_timeval(timeout_ms);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons(np_serve_port(s->serve));
	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* What a client may bring along; all may be NULL. */
struct wish {
	const struct pem *pem;
	const char *alpn; /* in wire form */
	int max_version;
	unsigned timeout_ms;
};

static void use_pem(SSL_CTX *ctx, const struct pem *pem)
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

/* Returns whether the handshake went well. */
static bool try_connect(const struct server *s, const struct wish *w, struct client *c)
{
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (w->pem)
		use_pem(c->ctx, w->pem);
	if (w->max_version) {
		SSL_CTX_set_min_proto_version(c->ctx, w->max_version);
		SSL_CTX_set_max_proto_version(c->ctx, w->max_version);
		SSL_CTX_set_security_level(c->ctx, 0);
	}
	if (w->alpn)
		SSL_CTX_set_alpn_protos(c->ctx, (const unsigned char *)w->alpn,
					(unsigned)strlen(w->alpn));
	c->ssl = SSL_new(c->ctx);
	c->fd = dial(s, w->timeout_ms ? w->timeout_ms : 3000);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

static void hang_up(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

static struct client join(const struct server *s)
{
	struct client c;

	assert_true(try_connect(s, &(struct wish){ .pem = NULL }, &c));
	return c;
}

static void say(struct client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
}

/* Reads one answer with a length, or all that comes up to the connection's end. */
static size_t hear(struct client *c, char *buf, size_t size)
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

/* Sends a request of its own connection; buf holds the answer. */
static size_t ask(const struct server *s, const char *request, char *buf, size_t size)
{
	struct client c = join(s);
	size_t n;

	say(&c, request);
	n = hear(&c, buf, size);
	hang_up(&c);
	return n;
}

/* --- requests ------------------------------------------------------------------------------- */

static void test_serve__requests_come_whole(void **state)
{
	static const struct {
		const char *sentence, *request, *status, *body;
	} rows[] = {
		{ "a get", "GET /a%2fb?c=d&e HTTP/1.1\r\nHost: x\r\n\r\n", "200",
		  "GET /a%2fb [c=d&e] - - 0:" },
		{ "a header, whatever its case",
		  "DELETE /x HTTP/1.1\r\nHost: x\r\nX-giVen: v\r\n\r\n", "200",
		  "DELETE /x [] v - 0:" },
		{ "a body", "PATCH /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200",
		  "PATCH /x [] - - 3:abc" },
		{ "a body in chunks",
		  "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
		  "200", "POST /x [] - - 3:abc" },
		{ "a put without a body", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		  "200", "PUT / [] - - 0:" },
		{ "a method that is not served", "OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", "501",
		  NULL },
		{ "no HTTP", "nonsense\r\n\r\n", "400", NULL },
		{ "a handler that fails", "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n", "500", "" },
	};
	struct np_serve_options o = options();
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *body;

		ask(&s, rows[i].request, buf, sizeof(buf));
		body = strstr(buf, "\r\n\r\n");
		if (strncmp(buf + 9, rows[i].status, 3) != 0 || !body)
			fail_msg("%s: %s", rows[i].sentence, buf);
		if (rows[i].body && strcmp(body + 4, rows[i].body) != 0)
			fail_msg("%s: %s", rows[i].sentence, buf);
	}
	assert_string_equal(s.log, "asked to fail");
	stop(&s);
}

static void test_serve__a_header_cannot_be_split(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	ask(&s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "X-Made: a  Injected: b\r\n"));
	stop(&s);
}

static void test_serve__a_connection_is_kept_without_waiting(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	uint64_t before;
	char buf[4000];

	(void)state;
	start(&s, &o);
	c = join(&s);
	before = now_ms();
	for (unsigned i = 0; i < 50; i++) {
		say(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(hear(&c, buf, sizeof(buf)) > 0);
	}
	/* Without TCP_NODELAY each takes 40 ms. */
	assert_true(now_ms() - before < 1000);
	/* Two at once are answered one after the other. */
	say(&c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	if (!strstr(buf, "GET /2"))
		hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /2"));
	hang_up(&c);
	stop(&s);
}

static void test_serve__what_is_too_large_is_refused(void **state)
{
	struct np_serve_options o = options();
	char buf[8000], request[6000];
	struct server s;

	(void)state;
	o.body_max = 1000;
	o.headers_max = 2000;
	start(&s, &o);
	ask(&s, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "HTTP/1.1 413"));
	snprintf(request, sizeof(request),
		 "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%01000d", 0);
	ask(&s, request, buf, sizeof(buf));
	assert_non_null(strstr(buf, "1000:0"));
	snprintf(request, sizeof(request),
		 "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d",
		 0);
	ask(&s, request, buf, sizeof(buf));
	assert_null(strstr(buf, "200 OK"));
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: x\r\nX: %03000d\r\n\r\n", 0);
	ask(&s, request, buf, sizeof(buf));
	assert_null(strstr(buf, "200 OK"));
	stop(&s);
}

/* --- time ----------------------------------------------------------------------------------- */

/* Sends a byte at a time; returns the milliseconds until the server hung up. */
static uint64_t drip(const struct server *s, const char *first, bool is_tls)
{
	uint64_t before = now_ms();
	struct client c = { .fd = -1 };
	char buf[200];

	if (is_tls) {
		c = join(s);
		say(&c, first);
	} else {
		c.fd = dial(s, 3000);
	}
	while (now_ms() - before < 5000) {
		struct timeval tv = ms_to_timeval(30);
		ssize_t n;

		setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		n = recv(c.fd, buf, sizeof(buf), MSG_PEEK);
		/* TLS 1.3 leaves its session tickets unread here; an end shows as 0, or as reset. */
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (is_tls && SSL_write(c.ssl, "a", 1) <= 0)
			break;
		if (is_tls)
			SSL_read(c.ssl, buf, sizeof(buf));
		nap(10);
	}
	if (is_tls)
		hang_up(&c);
	else
		close(c.fd);
	return now_ms() - before;
}

static void test_serve__slow_clients_are_cut_at_the_deadline(void **state)
{
	static const struct {
		const char *sentence, *first;
		bool is_tls;
	} rows[] = {
		{ "no handshake", "", false },
		{ "headers by the byte", "GET / HTTP/1.1\r\nX: ", true },
		{ "a body by the byte", "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n",
		  true },
	};
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	o.deadline_ms = 400;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = drip(&s, rows[i].first, rows[i].is_tls);

		if (ms < 300 || ms > 2500)
			fail_msg("%s: %u ms", rows[i].sentence, (unsigned)ms);
	}
	stop(&s);
}

static void test_serve__idle_connections_are_closed(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	uint64_t before;
	char buf[4000];

	(void)state;
	o.idle_ms = 300;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	before = now_ms();
	assert_int_equal(hear(&c, buf, sizeof(buf)), 0);
	assert_in_range(now_ms() - before, 200, 2000);
	hang_up(&c);
	stop(&s);
}

static void test_serve__connections_beyond_the_limit_wait(void **state)
{
	struct np_serve_options o = options();
	const struct wish hasty = { .timeout_ms = 200 };
	struct client a, b, c;
	struct server s;
	char buf[4000];

	(void)state;
	o.connections_max = 2;
	start(&s, &o);
	a = join(&s);
	b = join(&s);
	assert_false(try_connect(&s, &hasty, &c));
	hang_up(&c);
	hang_up(&a);
	c = join(&s);
	say(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear(&c, buf, sizeof(buf)) > 0);
	hang_up(&b);
	hang_up(&c);
	stop(&s);
}

/* --- replies -------------------------------------------------------------------------------- */

static void test_serve__a_delayed_answer_holds_up_no_other(void **state)
{
	struct np_serve_options o = options();
	uint64_t before = now_ms();
	struct server s;
	struct client c;
	char buf[4000];

	(void)state;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET /delay HTTP/1.1\r\nHost: x\r\n\r\n");
	ask(&s, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /other"));
	assert_true(now_ms() - before < 290);
	hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /delay"));
	assert_true(now_ms() - before >= 300);
	hang_up(&c);
	stop(&s);
}

static void test_serve__a_client_may_leave_before_its_answer(void **state)
{
	struct np_serve_options o = options();
	static const char *const paths[] = { "/delay", "/slow", "/endless", "/" };
	struct server s;
	char request[100], buf[4000];

	(void)state;
	start(&s, &o);
	for (size_t i = 0; i < 4; i++) {
		struct client c = join(&s);

		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
		say(&c, request);
		hang_up(&c);
	}
	nap(500);
	ask(&s, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /alive"));
	stop(&s);
}

static void test_serve__connections_are_cut_as_asked(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[4000];
	const char *body;

	(void)state;
	start(&s, &o);
	assert_int_equal(ask(&s, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf)), 0);
	assert_true(ask(&s, "GET /cut-body HTTP/1.1\r\nHost: x\r\n\r\n", buf, sizeof(buf)) > 0);
	body = strstr(buf, "\r\n\r\n");
	assert_non_null(body);
	assert_non_null(strstr(buf, "Content-Length: 23\r\n"));
	assert_string_equal(body + 4, "GET /cut-bo");
	stop(&s);
}

static void test_serve__a_slow_body_takes_its_time_and_is_whole(void **state)
{
	struct np_serve_options o = options();
	uint64_t before;
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	before = now_ms();
	ask(&s,
	    "PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 80\r\n\r\n"
	    "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	    buf, sizeof(buf));
	assert_non_null(strstr(buf, "PUT /slow [] - - 80:1234567890"));
	assert_int_equal(strcmp(buf + strlen(buf) - 4, "7890"), 0);
	assert_in_range(now_ms() - before, 350, 2500);
	stop(&s);
}

static void test_serve__a_stream_comes_in_chunks(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct client c;
	char buf[4000];

	(void)state;
	start(&s, &o);
	c = join(&s);
	say(&c, "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "Transfer-Encoding: chunked"));
	assert_non_null(strstr(buf, "\r\n\r\n6\r\npiece \r\n6\r\npiece \r\n6\r\npiece \r\n0\r\n"));
	hang_up(&c);
	stop(&s);
}

/* --- stopping ------------------------------------------------------------------------------- */

static void test_serve__stopping_finishes_what_runs(void **state)
{
	struct np_serve_options o = options();
	struct client idle, busy, stream;
	uint64_t before;
	struct server s;
	char buf[4000];

	(void)state;
	start(&s, &o);
	idle = join(&s);
	say(&idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&idle, buf, sizeof(buf));
	stream = join(&s);
	say(&stream, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
	busy = join(&s);
	say(&busy, "GET /delay HTTP/1.1\r\nHost: x\r\n\r\n");
	nap(100);
	before = now_ms();
	np_serve_stop(s.serve);
	assert_int_equal(hear(&idle, buf, sizeof(buf)), 0);
	assert_true(now_ms() - before < 150);
	hear(&busy, buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /delay"));
	pthread_join(s.thread, NULL);
	assert_int_equal(s.rc, 0);
	assert_true(now_ms() - before < 3000);
	np_serve_free(s.serve);
	hang_up(&idle);
	hang_up(&busy);
	hang_up(&stream);
}

static void test_serve__draining_has_an_end(void **state)
{
	struct np_serve_options o = options();
	struct client c;
	uint64_t before;
	struct server s;

	(void)state;
	o.drain_ms = 200;
	start(&s, &o);
	c = join(&s);
	say(&c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
	nap(50);
	before = now_ms();
	stop(&s);
	assert_in_range(now_ms() - before, 150, 2000);
	hang_up(&c);
}

/* --- TLS ------------------------------------------------------------------------------------ */

static void test_serve__only_good_protocols_are_spoken(void **state)
{
	static const struct {
		const char *sentence;
		struct wish wish;
		bool is_fine;
	} rows[] = {
		{ "TLS 1.3", { .max_version = TLS1_3_VERSION }, true },
		{ "TLS 1.2", { .max_version = TLS1_2_VERSION }, true },
		{ "TLS 1.1", { .max_version = TLS1_1_VERSION }, false },
		{ "HTTP/2 or 1.1", { .alpn = "\x02h2\x08http/1.1" }, true },
		{ "HTTP/2 alone", { .alpn = "\x02h2" }, false },
	};
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	start(&s, &o);
	/* OpenSSL's own configuration may forbid old versions as well, and so hide that ours does. */
	assert_int_equal(SSL_CTX_get_min_proto_version(s.serve->tls.ctx), TLS1_2_VERSION);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const unsigned char *chosen = NULL;
		unsigned size = 0;
		struct client c;

		if (try_connect(&s, &rows[i].wish, &c) != rows[i].is_fine)
			fail_msg("%s", rows[i].sentence);
		SSL_get0_alpn_selected(c.ssl, &chosen, &size);
		if (rows[i].is_fine && rows[i].wish.alpn)
			assert_memory_equal(chosen, "http/1.1", 8);
		/* The client's first wish is another. */
		if (rows[i].is_fine && SSL_version(c.ssl) == TLS1_3_VERSION)
			assert_string_equal(SSL_get_cipher(c.ssl), "TLS_AES_128_GCM_SHA256");
		hang_up(&c);
	}
	stop(&s);
}

/* Tells whether a client with that certificate is answered, and as whom. */
static bool is_answered(const struct server *s, const struct pem *pem, const char *name)
{
	struct client c;
	char buf[2000] = "", wanted[100];

	if (try_connect(s, &(struct wish){ .pem = pem }, &c) &&
	    SSL_write(c.ssl, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n", 30) == 30)
		hear(&c, buf, sizeof(buf));
	hang_up(&c);
	snprintf(wanted, sizeof(wanted), "GET /who [] - %s 0:", name);
	return strstr(buf, wanted) != NULL;
}

static void test_serve__clients_are_known_by_certificate(void **state)
{
	struct pem client = make_pem("tester"), stranger = make_pem("tester");
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	o.client_ca_pem = client.cert;
	start(&s, &o);
	assert_true(is_answered(&s, &client, "tester"));
	assert_true(is_answered(&s, NULL, "-"));
	assert_false(is_answered(&s, &stranger, "tester"));
	stop(&s);
	o.client_required = true;
	start(&s, &o);
	assert_true(is_answered(&s, &client, "tester"));
	assert_false(is_answered(&s, NULL, "-"));
	stop(&s);
}

static void write_file(const char *path, const char *text)
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

static void expect_served(const struct server *s, const char *name)
{
	struct client c = join(s);
	X509 *cert = SSL_get1_peer_certificate(c.ssl);
	char is[100] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, is, sizeof(is));
	assert_string_equal(is, name);
	X509_free(cert);
	hang_up(&c);
}

static void test_serve__certificates_are_renewed(void **state)
{
	char folder[] = "/tmp/nodeprep-serve-test-XXXXXX", cert[60], key[60];
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(cert, sizeof(cert), "%s/crt", folder);
	snprintf(key, sizeof(key), "%s/key", folder);
	write_file(cert, server_pem.cert);
	write_file(key, server_pem.key);
	o.identity = (struct np_serve_identity){ .cert_file = cert, .key_file = key };
	start(&s, &o);
	expect_served(&s, "first");
	write_file(cert, other_pem.cert);
	nap(1300);
	assert_string_equal(s.log, "the certificate in use is kept: the private key does not "
				   "belong to the certificate");
	expect_served(&s, "first");
	write_file(key, other_pem.key);
	nap(1300);
	assert_string_equal(s.log, "the certificate was read again");
	expect_served(&s, "second");
	stop(&s);
	unlink(cert);
	unlink(key);
	assert_int_equal(rmdir(folder), 0);
}

/* --- what cannot be served ------------------------------------------------------------------ */

static void test_serve__what_cannot_be_served_is_told(void **state)
{
	const struct {
		const char *sentence, *host;
		struct np_serve_identity identity;
		const char *client_ca;
		enum np_code code;
		const char *text;
	} rows[] = {
		{ "no address",
		  "localhost",
		  { server_pem.cert, server_pem.key, NULL, NULL },
		  NULL,
		  NP_E_USAGE,
		  "'localhost' is no IP address to listen on" },
		{ "another's address",
		  "192.0.2.1",
		  { server_pem.cert, server_pem.key, NULL, NULL },
		  NULL,
		  NP_E_USAGE,
		  "cannot listen on '192.0.2.1' port 0" },
		{ "no certificate",
		  "127.0.0.1",
		  { NULL, NULL, NULL, NULL },
		  NULL,
		  NP_E_USAGE,
		  "a server needs a certificate and its key" },
		{ "rubbish for one",
		  "127.0.0.1",
		  { "x", server_pem.key, NULL, NULL },
		  NULL,
		  NP_E_SPEC,
		  "the certificate cannot be read, PEM is needed" },
		{ "rubbish for a key",
		  "127.0.0.1",
		  { server_pem.cert, "x", NULL, NULL },
		  NULL,
		  NP_E_SPEC,
		  "the private key cannot be read, PEM is needed" },
		{ "another's key",
		  "127.0.0.1",
		  { server_pem.cert, other_pem.key, NULL, NULL },
		  NULL,
		  NP_E_SPEC,
		  "the private key does not belong to the certificate" },
		{ "rubbish for a CA",
		  "127.0.0.1",
		  { server_pem.cert, server_pem.key, NULL, NULL },
		  "x",
		  NP_E_SPEC,
		  "the client CA cannot be read, PEM is needed" },
		{ "a file that is not there",
		  "127.0.0.1",
		  { NULL, NULL, "/no/crt", "/no/key" },
		  NULL,
		  NP_E_IO,
		  "'/no/crt': cannot be read" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_serve_options o = NP_SERVE_OPTIONS_INIT;
		struct np_err err = NP_ERR_INIT;
		struct np_serve *serve = (struct np_serve *)&o;

		o.host = rows[i].host;
		o.identity = rows[i].identity;
		o.client_ca_pem = rows[i].client_ca;
		if (np_serve_new(&o, handle, NULL, &serve, &err) != -(int)rows[i].code ||
		    !strstr(err.text, rows[i].text))
			fail_msg("%s: %s", rows[i].sentence, err.text);
		assert_ptr_equal(serve, &o);
	}
}

static void test_serve__a_port_is_listened_on_once(void **state)
{
	struct np_serve_options o = options();
	struct np_serve *second = NULL;
	struct np_err err = NP_ERR_INIT;
	struct server s;

	(void)state;
	start(&s, &o);
	o.port = np_serve_port(s.serve);
	assert_int_equal(np_serve_new(&o, handle, NULL, &second, &err), -NP_E_USAGE);
	assert_null(second);
	assert_non_null(strstr(err.text, "Address already in use"));
	stop(&s);
}

/* --- threads, workers, plain HTTP -------------------------------------------------------------- */

/* Blocks on "/block" until it is told to go on; counts who is in it. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool is_open;
	unsigned inside;
};

static int pass_gate(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		     struct np_err *err)
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
	return np_serve_reply_header(reply, "X-Id", req->id, err);
}

static bool blocks(void *ctx, const struct np_serve_request *req)
{
	(void)ctx;
	return strcmp(req->path, "/block") == 0;
}

static void open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_open = true;
	pthread_cond_broadcast(&g->opened);
	pthread_mutex_unlock(&g->lock);
}

static void await_inside(struct gate *g, unsigned wanted)
{
	unsigned inside = 0;

	for (int i = 0; inside < wanted && i < 500; i++) {
		nap(10);
		pthread_mutex_lock(&g->lock);
		inside = g->inside;
		pthread_mutex_unlock(&g->lock);
	}
	assert_int_equal(inside, wanted);
}

static void await_queued(struct np_serve *s, unsigned wanted)
{
	unsigned queued = 0;

	for (int i = 0; queued < wanted && i < 500; i++) {
		nap(10);
		pthread_mutex_lock(&s->crew.lock);
		queued = s->crew.n_queued;
		pthread_mutex_unlock(&s->crew.lock);
	}
	assert_int_equal(queued, wanted);
}

static void start_gated(struct server *s, struct np_serve_options *o, struct gate *g)
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

#define BLOCK "POST /block?q HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
#define PLAIN "GET /x HTTP/1.1\r\n\r\n"

static void test_serve__what_blocks_holds_up_nobody(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c[4];
	char buf[1000];

	(void)state;
	o.workers = 2;
	o.queue_max = 1;
	start_gated(&s, &o, &g);
	for (int i = 0; i < 2; i++) {
		c[i] = join(&s);
		say(&c[i], BLOCK);
		await_inside(&g, (unsigned)i + 1);
	}
	/* Others are answered meanwhile. */
	ask(&s, PLAIN, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	/* One waits, the next is one too many. */
	c[2] = join(&s);
	say(&c[2], BLOCK);
	await_queued(s.serve, 1);
	c[3] = join(&s);
	say(&c[3], BLOCK);
	hear(&c[3], buf, sizeof(buf));
	assert_non_null(strstr(buf, " 503 "));
	assert_non_null(strstr(buf, "Retry-After: 1"));
	assert_true(np_serve_is_busy(s.serve));
	open_gate(&g);
	for (int i = 0; i < 3; i++) {
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "POST /block [q] - - 3:abc"));
	}
	for (int i = 0; i < 4; i++)
		hang_up(&c[i]);
	stop(&s);
}

static void test_serve__a_client_may_leave_its_worker_behind(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c;
	char buf[1000];

	(void)state;
	o.workers = 1;
	start_gated(&s, &o, &g);
	c = join(&s);
	say(&c, BLOCK);
	await_inside(&g, 1);
	hang_up(&c);
	nap(100);
	open_gate(&g);
	ask(&s, BLOCK, buf, sizeof(buf));
	assert_non_null(strstr(buf, "3:abc"));
	stop(&s);
}

static void test_serve__stopping_leaves_a_worker_no_connection(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct gate g;
	struct client c, d;

	(void)state;
	o.workers = 1;
	o.drain_ms = 100;
	start_gated(&s, &o, &g);
	c = join(&s);
	say(&c, BLOCK);
	await_inside(&g, 1);
	d = join(&s);
	say(&d, BLOCK);
	await_queued(s.serve, 1);
	np_serve_stop(s.serve);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.rc, 0);
	assert_true(np_serve_is_stopping(s.serve));
	assert_true(np_serve_is_busy(s.serve));
	open_gate(&g);
	np_serve_free(s.serve);
	hang_up(&c);
	hang_up(&d);
}

static void test_serve__several_loops_share_the_port(void **state)
{
	struct np_serve_options o = options();
	struct np_serve *other = NULL;
	struct np_err err = NP_ERR_INIT;
	struct server s;
	struct client c[24];
	char buf[1000];

	(void)state;
	o.threads = 3;
	o.connections_max = 20;
	start(&s, &o);
	for (int i = 0; i < 18; i++) {
		c[i] = join(&s);
		say(&c[i], PLAIN);
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, " 200 "));
	}
	o.port = np_serve_port(s.serve);
	assert_true(np_serve_new(&o, handle, NULL, &other, &err) < 0);
	assert_int_equal(err.code, NP_E_USAGE);
	for (int i = 0; i < 18; i++)
		hang_up(&c[i]);
	stop(&s);
}

static void test_serve__ids_are_plain_words(void **state)
{
	static const struct {
		const char *header;
		const char *id; /* NULL: one of the server's own */
	} rows[] = {
		{ "", NULL },
		{ "X-Request-Id: abc-1.2_3\r\n", "X-Id: abc-1.2_3\r\n" },
		{ "X-Request-Id: a b\r\n", NULL },
		{ "X-Request-Id: \"x\"\r\n", NULL },
		{ "X-Request-Id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		  NULL },
	};
	struct np_serve_options o = options();
	struct server s;
	struct gate g;

	(void)state;
	start_gated(&s, &o, &g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char request[300], buf[1000];

		snprintf(request, sizeof(request), "GET /x HTTP/1.1\r\n%s\r\n", rows[i].header);
		ask(&s, request, buf, sizeof(buf));
		if (rows[i].id && !strstr(buf, rows[i].id))
			fail_msg("%s: %s", rows[i].header, buf);
		/* Its own: eight digits and a number. */
		if (!rows[i].id && (!strstr(buf, "X-Id: ") || strstr(buf, "X-Id: ")[6 + 8] != '-'))
			fail_msg("%s: %s", rows[i].header, buf);
	}
	stop(&s);
}

static void test_serve__lingering_takes_who_comes_late(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[1000];
	uint64_t from;

	(void)state;
	o.linger_ms = 2000;
	start(&s, &o);
	from = now_ms();
	np_serve_stop(s.serve);
	nap(50);
	ask(&s, PLAIN, buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	assert_non_null(strstr(buf, "Connection: close"));
	pthread_join(s.thread, NULL);
	assert_true(now_ms() - from >= 1900);
	np_serve_free(s.serve);
}

/* More clients with large bodies than may send at a time, and one that never ends. */
static void test_serve__large_bodies_take_turns(void **state)
{
	enum { CLIENTS = 12, SIZE = 200000 };
	struct np_serve_options o = options();
	struct client c[CLIENTS], idle[3];
	char head[200], buf[400];
	NP_AUTO(np_freep) char *body = malloc(SIZE + 1);
	struct server s;

	(void)state;
	memset(body, 'x', SIZE);
	body[SIZE] = '\0';
	snprintf(head, sizeof(head), "POST /n HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
	start(&s, &o);
	for (int i = 0; i < 3; i++) {
		idle[i] = join(&s);
		say(&idle[i], head);
		assert_true(SSL_write(idle[i].ssl, body, SIZE / 2) > 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = join(&s);
		say(&c[i], head);
		assert_true(SSL_write(c[i].ssl, body, SIZE / 2) > 0);
	}
	for (int i = CLIENTS - 1; i >= 0; i--)
		assert_true(SSL_write(c[i].ssl, body, SIZE / 2) > 0);
	for (int i = 0; i < CLIENTS; i++) {
		hear(&c[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "200000:xxx"));
		hang_up(&c[i]);
	}
	for (int i = 0; i < 3; i++)
		hang_up(&idle[i]);
	stop(&s);
}

/* Where many large bodies wait, new connections come one by one, and are served. */
static void test_serve__waiting_bodies_keep_the_door(void **state)
{
	enum { CLIENTS = 170, SIZE = 40000, LATER = 6 };
	struct np_serve_options o = options();
	struct client c[CLIENTS], later[LATER];
	char head[200], buf[400];
	NP_AUTO(np_freep) char *body = malloc(SIZE + 1);
	struct server s;
	uint64_t from;

	(void)state;
	memset(body, 'x', SIZE);
	body[SIZE] = '\0';
	snprintf(head, sizeof(head), "POST /n HTTP/1.1\r\nContent-Length: %d\r\n\r\n", SIZE);
	start(&s, &o);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = join(&s);
		say(&c[i], head);
		assert_true(SSL_write(c[i].ssl, body, SIZE - 1) > 0);
	}
	from = now_ms();
	for (int i = 0; i < LATER; i++)
		later[i] = join(&s);
	assert_true(now_ms() - from >= 200);
	for (int i = 0; i < LATER; i++) {
		say(&later[i], "GET /small HTTP/1.1\r\n\r\n");
		hear(&later[i], buf, sizeof(buf));
		assert_non_null(strstr(buf, "GET /small"));
		hang_up(&later[i]);
	}
	for (int i = 0; i < CLIENTS; i++)
		say(&c[i], "x");
	for (int i = 0; i < CLIENTS; i++) {
		char answer[SIZE + 1000];

		hear(&c[i], answer, sizeof(answer));
		assert_non_null(strstr(answer, "40000:xxx"));
	}
	assert_true(TAILQ_EMPTY(&s.serve->loops[0].waiting));
	/* Those who keep their connections do not keep others out. */
	for (int i = 0; i < CLIENTS; i++) {
		say(&c[i], head);
		assert_true(SSL_write(c[i].ssl, body, SIZE - 1) > 0);
	}
	for (int i = 0; i < 5000 && TAILQ_EMPTY(&s.serve->loops[0].waiting); i++)
		nap(1);
	assert_false(TAILQ_EMPTY(&s.serve->loops[0].waiting));
	assert_int_equal(s.serve->loops[0].n_fresh, 0);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&c[i]);
	stop(&s);
}

static void test_serve__a_crowd_spaces_the_turns(void **state)
{
	static struct conn first;
	static const struct {
		const char *sentence;
		struct loop loop;
		uint64_t turn_us, pause_us;
	} rows[] = {
		{ "nobody", { .shook = true }, 0, 0 },
		{ "a few", { .n_shaking = 11, .shook = true }, 0, 0 },
		{ "some", { .n_shaking = 12, .shook = true }, 0, 768 },
		{ "many", { .n_shaking = 64, .shook = true }, 0, 4096 },
		{ "many, after some work", { .n_shaking = 64, .shook = true }, 1400, 2696 },
		{ "many, after much work", { .n_shaking = 64, .shook = true }, 4096, 0 },
		{ "many, after more", { .n_shaking = 64, .shook = true }, 4097, 0 },
		{ "many that stand still", { .n_shaking = 64 }, 0, 0 },
		{ "bodies wait",
		  { .n_shaking = 64, .shook = true, .waiting = { &first, NULL } },
		  0,
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (loop_pause_us(&rows[i].loop, rows[i].turn_us) != rows[i].pause_us)
			fail_msg("%s", rows[i].sentence);
}

/* Sends bytes without TLS; buf holds all that comes back. */
static void ask_plain(const struct server *s, const char *text, char *buf, size_t size)
{
	int fd = dial(s, 10000);
	size_t n = 0;
	ssize_t got;

	memset(buf, 0, size);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	while (n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
}

static void test_serve__plain_http_is_for_one_request_each(void **state)
{
	static const struct {
		const char *sentence, *request, *answer;
	} rows[] = {
		{ "a request", "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a [b] - - 0:" },
		{ "HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "Connection: close" },
		{ "no version", "GET /a\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "no path", "GET a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "another protocol", "GET /a SMTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request" },
		{ "a handler that fails", "GET /fail HTTP/1.1\r\n\r\n",
		  "HTTP/1.1 500 Internal Server Error" },
		{ "TLS", "\x16\x03\x01\r\n\r\n", "HTTP/1.1 400 Bad Request" },
	};
	struct np_serve_options o = options();
	struct server s;
	char buf[2000];
	uint64_t from;
	int fd;

	(void)state;
	o.plain = true;
	o.deadline_ms = 2000;
	o.headers_max = 1000;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask_plain(&s, rows[i].request, buf, sizeof(buf));
		if (!strstr(buf, rows[i].answer))
			fail_msg("%s: %s", rows[i].sentence, buf);
	}
	/* A client that says nothing is cut at the deadline; one that says too much at once. */
	from = now_ms();
	ask_plain(&s, "GET /", buf, sizeof(buf));
	assert_string_equal(buf, "");
	assert_true(now_ms() - from >= 1900);
	memset(buf, 'a', sizeof(buf));
	memcpy(buf, "GET /a HTTP/1.1\r\n", 17);
	buf[1500] = '\0';
	{
		char answer[500];

		ask_plain(&s, buf, answer, sizeof(answer));
		assert_non_null(strstr(answer, " 400 "));
	}
	fd = dial(&s, 3000);
	close(fd);
	stop(&s);
}

static void test_serve__plain_connections_are_bounded(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	char buf[500];
	int fds[2];

	(void)state;
	o.plain = true;
	o.deadline_ms = 2000;
	o.connections_max = 2;
	start(&s, &o);
	for (int i = 0; i < 2; i++)
		fds[i] = dial(&s, 3000);
	nap(100);
	/* It waits until the two that say nothing are cut. */
	ask_plain(&s, "GET /a HTTP/1.1\r\n\r\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, " 200 "));
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__requests_come_whole),
		cmocka_unit_test(test_serve__a_header_cannot_be_split),
		cmocka_unit_test(test_serve__a_connection_is_kept_without_waiting),
		cmocka_unit_test(test_serve__what_is_too_large_is_refused),
		cmocka_unit_test(test_serve__slow_clients_are_cut_at_the_deadline),
		cmocka_unit_test(test_serve__idle_connections_are_closed),
		cmocka_unit_test(test_serve__connections_beyond_the_limit_wait),
		cmocka_unit_test(test_serve__a_delayed_answer_holds_up_no_other),
		cmocka_unit_test(test_serve__a_client_may_leave_before_its_answer),
		cmocka_unit_test(test_serve__connections_are_cut_as_asked),
		cmocka_unit_test(test_serve__a_slow_body_takes_its_time_and_is_whole),
		cmocka_unit_test(test_serve__a_stream_comes_in_chunks),
		cmocka_unit_test(test_serve__stopping_finishes_what_runs),
		cmocka_unit_test(test_serve__draining_has_an_end),
		cmocka_unit_test(test_serve__only_good_protocols_are_spoken),
		cmocka_unit_test(test_serve__clients_are_known_by_certificate),
		cmocka_unit_test(test_serve__certificates_are_renewed),
		cmocka_unit_test(test_serve__what_cannot_be_served_is_told),
		cmocka_unit_test(test_serve__a_port_is_listened_on_once),
		cmocka_unit_test(test_serve__what_blocks_holds_up_nobody),
		cmocka_unit_test(test_serve__a_client_may_leave_its_worker_behind),
		cmocka_unit_test(test_serve__stopping_leaves_a_worker_no_connection),
		cmocka_unit_test(test_serve__several_loops_share_the_port),
		cmocka_unit_test(test_serve__ids_are_plain_words),
		cmocka_unit_test(test_serve__lingering_takes_who_comes_late),
		cmocka_unit_test(test_serve__large_bodies_take_turns),
		cmocka_unit_test(test_serve__waiting_bodies_keep_the_door),
		cmocka_unit_test(test_serve__a_crowd_spaces_the_turns),
		cmocka_unit_test(test_serve__plain_http_is_for_one_request_each),
		cmocka_unit_test(test_serve__plain_connections_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
