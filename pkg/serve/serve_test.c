/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

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
	assert_string_equal(s.log, "error: asked to fail");
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
	before = np_clock_ms();
	for (unsigned i = 0; i < 50; i++) {
		say(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_true(hear(&c, buf, sizeof(buf)) > 0);
	}
	/* Without TCP_NODELAY each takes 40 ms. */
	assert_true(np_clock_ms() - before < 1000);
	/* Two at once are answered one after the other. */
	say(&c, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	hear(&c, buf, sizeof(buf));
	if (!strstr(buf, "GET /2"))
		hear(&c, buf, sizeof(buf));
	assert_non_null(strstr(buf, "GET /2"));
	hang_up(&c);
	stop(&s);
}

static void test_serve__startup_errors_are_reported(void **state)
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
		  "'localhost' is not an IP address" },
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
		  "expected a certificate and its key" },
		{ "rubbish for one",
		  "127.0.0.1",
		  { "x", server_pem.key, NULL, NULL },
		  NULL,
		  NP_E_SPEC,
		  "the certificate cannot be read: expected PEM" },
		{ "rubbish for a key",
		  "127.0.0.1",
		  { server_pem.cert, "x", NULL, NULL },
		  NULL,
		  NP_E_SPEC,
		  "the private key cannot be read: expected PEM" },
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
		  "the client CA cannot be read: expected PEM" },
		{ "a file that is not there",
		  "127.0.0.1",
		  { NULL, NULL, "/no/crt", "/no/key" },
		  NULL,
		  NP_E_IO,
		  "'/no/crt': no such file" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__requests_come_whole),
		cmocka_unit_test(test_serve__a_header_cannot_be_split),
		cmocka_unit_test(test_serve__a_connection_is_kept_without_waiting),
		cmocka_unit_test(test_serve__startup_errors_are_reported),
		cmocka_unit_test(test_serve__a_port_is_listened_on_once),
		cmocka_unit_test(test_serve__ids_are_plain_words),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
