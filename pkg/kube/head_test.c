/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "head_fuzz.c"

#include "testbed.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* Growing bytes. */
struct text {
	char *bytes;
	size_t size, room;
};

static void add(struct text *t, const char *bytes, size_t size)
{
	if (size == 0)
		return;
	if (t->size + size > t->room) {
		t->room = 2 * (t->size + size);
		t->bytes = realloc(t->bytes, t->room);
		assert_non_null(t->bytes);
	}
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

static void add_text(struct text *t, const char *text)
{
	add(t, text, strlen(text));
}

static void add_many(struct text *t, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_text(t, text);
}

/* Sends the bytes as the only response, of which the client takes `watch` as a watch's. */
static int ask(const struct text *t, bool is_watch, struct np_err *err)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct np_kube_watch watch = { .version = "5" };
	void *state = b;
	int r;

	b->server.raw = t->bytes;
	b->server.raw_size = t->size;
	server_start(&b->server, NULL, 0);
	bed_connect(b, (struct np_kube_options){ .deadline_ms = 2000 });
	r = is_watch ? np_kube_watch(b->k, &classes, &watch, err) : get_class(b, err);
	bed_free(&state);
	return r;
}

static void expect_refused(const char *name, const struct text *t, const char *says)
{
	for (int is_watch = 0; is_watch < 2; is_watch++) {
		struct np_err err = NP_ERR_INIT;

		if (ask(t, is_watch, &err) != -NP_E_REFUSED || !strstr(err.text, says))
			fail_msg("%s%s: %d, %s", name, is_watch ? " of a watch" : "", err.code,
				 err.text);
	}
}

#define LENGTHS "two different Content-Lengths"
#define BOTH "both a Content-Length and a Transfer-Encoding"

static void test_head__malformed_responses_are_the_peers_error(void **state)
{
	static const struct {
		const char *name, *text, *says;
	} rows[] = {
		{ "two lengths", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", "" },
		{ "a longer length", OK "Content-Length: 2\r\nContent-Length: 22\r\n\r\n{}", "" },
		{ "a length and chunks",
		  OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		  BOTH },
		{ "chunks and a length",
		  OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		  BOTH },
		{ "a negative length", OK "Content-Length: -2\r\n\r\n{}", "Content-Length" },
		{ "a huge length", OK "Content-Length: 99999999999999999999\r\n\r\n{}",
		  "Content-Length" },
		{ "a length in words", OK "Content-Length: two\r\n\r\n{}", "Content-Length" },
		{ "a list of lengths", OK "Content-Length: 2, 2\r\n\r\n{}", "Content-Length" },
		{ "an unknown transfer encoding", OK "Transfer-Encoding: br\r\n\r\n{}", "" },
		{ "a chunk size in words", OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
		  "chunk" },
		{ "a negative chunk size", OK "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
		  "chunk" },
		{ "a huge chunk size",
		  OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n{}\r\n", "chunk" },
		{ "a chunk without an end",
		  OK "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n", "chunk" },
		{ "an unknown encoding",
		  OK "Content-Encoding: x-own\r\nContent-Length: 2\r\n\r\n{}", "" },
		{ "brotli", OK "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", "" },
		{ "zstd", OK "Content-Encoding: zstd\r\nContent-Length: 2\r\n\r\n{}", "" },
		{ "deflate", OK "Content-Encoding: deflate\r\nContent-Length: 2\r\n\r\n{}", "" },
		{ "gzip twice", OK "Content-Encoding: gzip, gzip\r\nContent-Length: 2\r\n\r\n{}",
		  "" },
		{ "gzip in two lines",
		  OK
		  "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
		  "Content-Encoding" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text t = { NULL, 0, 0 };

		add_text(&t, rows[i].text);
		expect_refused(rows[i].name, &t, rows[i].says);
		free(t.bytes);
	}
}

static void test_head__oversized_heads_are_the_peers_error(void **state)
{
	static const struct {
		const char *name, *before, *piece;
		size_t n;
	} rows[] = {
		{ "a long line", OK "X: ", "0123456789", 30000 },
		{ "a long line of 4 MB", OK "X: ", "0123456789", 400000 },
		{ "a long status line", "HTTP/1.1 200 ", "0123456789", 30000 },
		{ "10,000 lines", OK, "X: y\r\n", 10000 },
		{ "many long lines", OK, "X: 0123456789012345678901234567890123456789\r\n", 9000 },
		{ "interim responses for ever", "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
		  20000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct text t = { NULL, 0, 0 };

		add_text(&t, rows[i].before);
		add_many(&t, rows[i].piece, rows[i].n);
		add_text(&t, "\r\nContent-Length: 2\r\n\r\n{}");
		expect_refused(rows[i].name, &t, "the server's response has ");
		free(t.bytes);
	}
}

static void test_head__nul_is_the_peers_error(void **state)
{
	static const char head[] = OK "X: a\0b\r\nContent-Length: 2\r\n\r\n{}";
	struct text t = { NULL, 0, 0 };

	(void)state;
	add(&t, head, sizeof(head) - 1);
	expect_refused("a NUL", &t, "");
	free(t.bytes);
}

static void test_head__sound_heads_are_accepted(void **state)
{
	static const char *const rows[] = {
		OK "Content-Length: 2\r\n\r\n{}",
		OK "Content-Length: 2 \r\ncontent-length: 2\r\n\r\n{}",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		OK
		"TRANSFER-ENCODING: Chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nX: trailer\r\n\r\n",
		OK "Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 103 Early Hints\r\nContent-Length: 7\r\n\r\n" OK
		"Content-Length: 2\r\n\r\n{}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct text t = { NULL, 0, 0 };

		add_text(&t, rows[i]);
		if (ask(&t, false, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		free(t.bytes);
	}
}

static void test_head__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/kube/testdata/corpus-head", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head__malformed_responses_are_the_peers_error),
		cmocka_unit_test(test_head__oversized_heads_are_the_peers_error),
		cmocka_unit_test(test_head__nul_is_the_peers_error),
		cmocka_unit_test(test_head__sound_heads_are_accepted),
		cmocka_unit_test(test_head__the_corpus_replays),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
