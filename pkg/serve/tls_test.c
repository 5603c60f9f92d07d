/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_serve__weak_protocols_are_rejected(void **state)
{
	static const struct {
		const char *sentence;
		struct wish wish;
		bool is_fine;
	} rows[] = {
		{ "ECDHE and AEAD",
		  { .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" },
		  true },
		{ "ChaCha20",
		  { .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305" },
		  true },
		{ "CBC",
		  { .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256" },
		  false },
		{ "CBC and SHA-1",
		  { .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-SHA" },
		  false },
		{ "CCM",
		  { .max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-CCM" },
		  false },
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
	return !!strstr(buf, wanted);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__weak_protocols_are_rejected),
		cmocka_unit_test(test_serve__clients_are_known_by_certificate),
		cmocka_unit_test(test_serve__certificates_are_renewed),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
