/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define HEAD "POST /x HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define ROW(sentence, text, status)                      \
	{                                                \
		sentence, text, sizeof(text) - 1, status \
	}

static const struct row {
	const char *sentence, *text;
	size_t size;
	int status; /* 0: a whole request */
} rows[] = {
	ROW("a request", HEAD "\r\n", 0),
	ROW("a body", HEAD "Content-Length: 3\r\n\r\na\nb", 0),
	ROW("blanks around a value", HEAD "Content-Length: \t 3 \t\r\n\r\nabc", 0),
	ROW("the same length twice", HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0),
	ROW("chunks", CHUNKED "2\r\na\n\r\nA\r\n0123456789\r\n0\r\n\r\n", 0),
	ROW("a trailer", CHUNKED "1\r\na\r\n0\r\nX: y\r\n\r\n", 0),
	ROW("no value", HEAD "X:\r\n\r\n", 0),
	ROW("bytes above 127", HEAD "X: \xc3\xa4\r\n\r\n", 0),
	ROW("two requests", "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0),
	ROW("lengths that differ", HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
	ROW("whatever their case", HEAD "content-length: 3\r\nCONTENT-LENGTH: 4\r\n\r\n", 400),
	ROW("a list of lengths", HEAD "Content-Length: 3, 3\r\n\r\n", 400),
	ROW("a plus", HEAD "Content-Length: +3\r\n\r\n", 400),
	ROW("a minus", HEAD "Content-Length: -3\r\n\r\n", 400),
	ROW("a hexadecimal length", HEAD "Content-Length: 0x3\r\n\r\n", 400),
	ROW("an empty length", HEAD "Content-Length:\r\n\r\n", 400),
	ROW("a length without end", HEAD "Content-Length: 1000000000000000000\r\n\r\n", 400),
	ROW("a space before the colon", HEAD "Content-Length : 3\r\n\r\n", 400),
	ROW("a tab before the colon", HEAD "X\t: 3\r\n\r\n", 400),
	ROW("no name", HEAD ": 3\r\n\r\n", 400),
	ROW("no colon", HEAD "nonsense\r\n\r\n", 400),
	ROW("a folded line", HEAD "X: a\r\n b\r\n\r\n", 400),
	ROW("NUL in a value", HEAD "X: a\0b\r\n\r\n", 400),
	ROW("NUL in a name", HEAD "X\0: a\r\n\r\n", 400),
	ROW("NUL in the first line", "POST /\0 HTTP/1.1\r\n\r\n", 400),
	ROW("an escape", HEAD "X: \x1b[2J\r\n\r\n", 400),
	ROW("a bare LF in the first line", "POST / HTTP/1.1\nHost: x\r\n\r\n", 400),
	ROW("a bare LF behind a header", HEAD "X: y\n\r\n", 400),
	ROW("a bare LF at the end", HEAD "\n", 400),
	ROW("a bare CR", HEAD "X: a\rb\r\n\r\n", 400),
	ROW("an empty first line", "\r\n" HEAD "\r\n", 400),
	ROW("length and chunks", HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400),
	ROW("chunks twice", HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	    400),
	ROW("another encoding", HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
	ROW("a signed chunk", CHUNKED "+2\r\nab\r\n0\r\n\r\n", 400),
	ROW("a chunk of no size", CHUNKED "\r\nab\r\n", 400),
	ROW("a chunk of 0x2", CHUNKED "0x2\r\nab\r\n", 400),
	ROW("a space in a size", CHUNKED "2 \r\nab\r\n", 400),
	ROW("an endless size", CHUNKED "000000002\r\nab\r\n", 400),
	ROW("a bare LF behind a size", CHUNKED "2\nab\r\n", 400),
	ROW("a chunk that is longer", CHUNKED "2\r\nabc\r\n", 400),
	ROW("a bare LF behind a chunk", CHUNKED "2\r\nab\n", 400),
	ROW("a body of a GET", "GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 400),
};

/* However the bytes are cut. */
static void test_wire__grammar_is_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t cut = 0; cut <= rows[i].size; cut++) {
			struct wire w = { .place = WIRE_START };
			int status = serve_wire_feed(&w, rows[i].text, cut);

			if (status == 0)
				status =
					serve_wire_feed(&w, rows[i].text + cut, rows[i].size - cut);
			if (status != rows[i].status || (status == 0 && w.place != WIRE_START))
				fail_msg("%s: %d at %zu", rows[i].sentence, status, cut);
		}
	}
}

/* Feeds the byte, by a skip where one is possible; *skips counts those. */
static int skip_or_feed(struct wire *w, const char *byte, size_t *skips)
{
	bool skipped = serve_wire_skip(w, 1);

	*skips += skipped;
	return skipped ? 0 : serve_wire_feed(w, byte, 1);
}

/* Whether bytes are skipped or fed, the requests have the same ends. */
static void test_wire__all_of_a_body_but_its_last_byte_can_be_skipped(void **state)
{
	static const char text[] =
		HEAD "Content-Length: 3\r\n\r\na\nb" CHUNKED "2\r\nab\r\n0\r\n\r\n";
	struct wire skipped = { .place = WIRE_START }, fed = skipped;
	size_t skips = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(skip_or_feed(&skipped, text + i, &skips), 0);
		assert_int_equal(serve_wire_feed(&fed, text + i, 1), 0);
		assert_int_equal(skipped.place, fed.place);
		assert_int_equal(skipped.left, fed.left);
	}
	assert_int_equal(skips, 2 + 1);
}

static void test_wire__a_skip_never_reaches_the_next_request(void **state)
{
	static const char head[] = HEAD "Content-Length: 3\r\n\r\n";
	struct wire w = { .place = WIRE_START };

	(void)state;
	assert_int_equal(serve_wire_feed(&w, head, sizeof(head) - 1), 0);
	assert_false(serve_wire_skip(&w, 3));
	assert_true(serve_wire_skip(&w, 2));
	assert_false(serve_wire_skip(&w, 1));
}

static void test_wire__bad_requests_are_answered_and_closed(void **state)
{
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	start(&s, &o);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client c = join(&s);
		char buf[4000], wanted[20];

		assert_int_equal(SSL_write(c.ssl, rows[i].text, (int)rows[i].size),
				 (int)rows[i].size);
		hear(&c, buf, sizeof(buf));
		snprintf(wanted, sizeof(wanted), "HTTP/1.1 %d",
			 rows[i].status ? rows[i].status : 200);
		/* What is too large as well evhttp may say first. */
		if (strncmp(buf, wanted, strlen(wanted)) != 0 &&
		    (rows[i].status != 400 || strncmp(buf, "HTTP/1.1 413", 12) != 0))
			fail_msg("%s: %s", rows[i].sentence, buf);
		if (rows[i].status && hear(&c, buf, sizeof(buf)) != 0)
			fail_msg("%s: it is not closed", rows[i].sentence);
		hang_up(&c);
	}
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire__grammar_is_strict),
		cmocka_unit_test(test_wire__all_of_a_body_but_its_last_byte_can_be_skipped),
		cmocka_unit_test(test_wire__a_skip_never_reaches_the_next_request),
		cmocka_unit_test(test_wire__bad_requests_are_answered_and_closed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
