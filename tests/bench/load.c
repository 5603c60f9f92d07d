/* SPDX-License-Identifier: Apache-2.0 */

/*
 * load PORT PATH BODY CLIENTS MS keep|new - POSTs the file BODY to https://127.0.0.1:PORT/PATH from so
 * many clients for so long, on connections that are kept or with a new one each time (a full
 * handshake, as Cluster API's client makes it), and prints one line of JSON: requests, seconds, 50th
 * and 99th percentile in ms, and how many answers were wrong: no 200, another body than the first, or
 * a connection that broke. Certificates are not checked: it is the server that is measured.
 */

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { CLIENTS_MAX = 4096, TIMES_MAX = 4000000 };

struct client {
	struct bufferevent *bev;
	double began; /* the request, with its connection where that is new */
	bool has_head, chunked, counted;
	size_t wanted; /* bytes of the body, or of the chunk, that are to come */
	struct evbuffer *body;
};

static struct {
	struct event_base *base;
	SSL_CTX *ctx;
	struct sockaddr_in address;
	char head[1024];
	char *body;
	size_t body_size;
	bool keep, over;
	char *first;
	size_t first_size;
	unsigned busy;
	size_t n, bad;
	float *times;
	double until;
} load;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void begin(struct client *c);

static void hang_up(struct client *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

	/* So that the server sees the end, and no memory is kept for it. */
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	SSL_shutdown(ssl);
	bufferevent_free(c->bev);
	c->bev = NULL;
}

static void finish(struct client *c, bool good)
{
	if (!good)
		load.bad++;
	else if (load.n < TIMES_MAX)
		load.times[load.n++] = (float)((now() - c->began) * 1e3);
	if (!good || !load.keep)
		hang_up(c);
	load.over = load.over || now() >= load.until;
	if (!load.over) {
		begin(c);
		return;
	}
	if (--load.busy == 0)
		event_base_loopbreak(load.base);
}

static bool is_right(struct client *c)
{
	size_t n = evbuffer_get_length(c->body);
	const unsigned char *bytes = evbuffer_pullup(c->body, -1);

	if (!load.first) {
		load.first = malloc(n + 1);
		load.first_size = n;
		memcpy(load.first, bytes, n);
	}
	return n == load.first_size && memcmp(bytes, load.first, n) == 0;
}

/* Reads status and headers; false where they are not all there. */
static bool read_head(struct client *c, struct evbuffer *in, bool *good)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char *line;

	if (end.pos < 0)
		return false;
	line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
	*good = strncmp(line, "HTTP/1.1 200", 12) == 0;
	free(line);
	while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF)) && *line) {
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			c->wanted = strtoul(line + 15, NULL, 10);
		if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0)
			c->chunked = true;
		free(line);
	}
	free(line);
	c->has_head = true;
	return true;
}

/* Takes chunks: 1 at the end of the last, 0 where more is to come. */
static int read_chunks(struct client *c, struct evbuffer *in)
{
	for (;;) {
		char *line;

		if (!c->counted) {
			line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
			if (!line)
				return 0;
			c->wanted = strtoul(line, NULL, 16);
			c->counted = true;
			free(line);
		}
		if (evbuffer_get_length(in) < c->wanted + 2)
			return 0;
		evbuffer_remove_buffer(in, c->body, c->wanted);
		evbuffer_drain(in, 2);
		c->counted = false;
		if (c->wanted == 0)
			return 1;
	}
}

/* Ends the request where its answer is whole; returns whether it was. */
static bool take_answer(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	bool good = true;

	if (!c->has_head && !read_head(c, in, &good))
		return false;
	if (c->chunked) {
		if (read_chunks(c, in) == 0)
			return false;
	} else {
		if (evbuffer_get_length(in) < c->wanted)
			return false;
		evbuffer_remove_buffer(in, c->body, c->wanted);
	}
	finish(c, good && is_right(c));
	return true;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	take_answer(arg);
}

static void send_request(struct client *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	c->has_head = c->chunked = c->counted = false;
	c->wanted = 0;
	evbuffer_drain(c->body, evbuffer_get_length(c->body));
	evbuffer_add_reference(out, load.head, strlen(load.head), NULL, NULL);
	evbuffer_add_reference(out, load.body, load.body_size, NULL, NULL);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		send_request(c);
		return;
	}
	if (!take_answer(c))
		finish(c, false);
}

static void begin(struct client *c)
{
	int on = 1;

	c->began = now();
	if (c->bev) {
		send_request(c);
		return;
	}
	/* At once, libevent tells the connection's end before it has put the last bytes into the buffer. */
	c->bev = bufferevent_openssl_socket_new(
		load.base, -1, SSL_new(load.ctx), BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE | (load.keep ? 0 : BEV_OPT_DEFER_CALLBACKS));
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, on_readable, NULL, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(c->bev, (struct sockaddr *)&load.address,
				       sizeof(load.address)) < 0)
		exit(1);
	setsockopt(bufferevent_getfd(c->bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void read_body(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size = -1;

	if (f && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	load.body = size >= 0 ? malloc((size_t)size + 1) : NULL;
	if (!load.body || fseek(f, 0, SEEK_SET) != 0 ||
	    fread(load.body, 1, (size_t)size, f) != (size_t)size) {
		perror(path);
		exit(1);
	}
	load.body_size = (size_t)size;
	fclose(f);
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void report(double seconds)
{
	qsort(load.times, load.n, sizeof(*load.times), by_size);
	printf("{\"requests\":%zu,\"seconds\":%.3f,\"p50\":%.3f,\"p99\":%.3f,\"bad\":%zu,"
	       "\"body\":%zu}\n",
	       load.n, seconds, load.n ? (double)load.times[load.n / 2] : 0.0,
	       load.n ? (double)load.times[load.n * 99 / 100] : 0.0, load.bad, load.first_size);
}

int main(int argc, char *argv[])
{
	static struct client clients[CLIENTS_MAX];
	unsigned n = argc == 7 ? (unsigned)atoi(argv[4]) : 0;
	double began;

	if (n == 0 || n > CLIENTS_MAX) {
		fprintf(stderr, "usage: load PORT PATH BODY CLIENTS MS keep|new\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	read_body(argv[3]);
	load.keep = strcmp(argv[6], "keep") == 0;
	load.base = event_base_new();
	load.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(load.ctx, SSL_SESS_CACHE_OFF);
	load.times = malloc(TIMES_MAX * sizeof(*load.times));
	load.address.sin_family = AF_INET;
	load.address.sin_port = htons((unsigned short)atoi(argv[1]));
	load.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(load.head, sizeof(load.head),
		 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Go-http-client/1.1\r\n"
		 "Content-Length: %zu\r\nAccept-Encoding: gzip\r\n%s\r\n",
		 argv[2], load.body_size, load.keep ? "" : "Connection: close\r\n");
	began = now();
	load.until = began + atoi(argv[5]) / 1e3;
	load.busy = n;
	for (unsigned i = 0; i < n; i++) {
		clients[i].body = evbuffer_new();
		begin(&clients[i]);
	}
	event_base_dispatch(load.base);
	report(now() - began);
	return 0;
}
