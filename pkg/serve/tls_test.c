/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

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

/* A folder with a certificate and its key. */
struct pair {
	char folder[40], cert[60], key[60];
};

static struct pair make_pair(const struct pem *pem)
{
	struct pair p = { .folder = "/tmp/nodeprep-serve-test-XXXXXX" };

	assert_non_null(mkdtemp(p.folder));
	snprintf(p.cert, sizeof(p.cert), "%s/crt", p.folder);
	snprintf(p.key, sizeof(p.key), "%s/key", p.folder);
	write_file(p.cert, pem->cert);
	write_file(p.key, pem->key);
	return p;
}

static void remove_pair(const struct pair *p)
{
	unlink(p->cert);
	unlink(p->key);
	assert_int_equal(rmdir(p->folder), 0);
}

static void test_serve__certificates_are_reloaded(void **state)
{
	struct np_serve_stats stats = { .connections = 0 };
	struct pair p = make_pair(&server_pem);
	struct np_serve_options o = options();
	struct server s;

	(void)state;
	o.identity = (struct np_serve_identity){ .cert_file = p.cert, .key_file = p.key };
	start(&s, &o);
	expect_served(&s, "first");
	write_file(p.cert, other_pem.cert);
	wait_for_log(&s, "key': the private key does not belong to the certificate");
	assert_ptr_equal(strstr(s.log, "warning: cannot reload the certificate, keeping"), s.log);
	expect_served(&s, "first");
	np_serve_read_stats(s.serve, &stats);
	assert_true(stats.certificate_is_stale && stats.reload_failures > 0);
	write_file(p.key, other_pem.key);
	wait_for_log(&s, "info: certificate reloaded, valid until 20");
	expect_served(&s, "second");
	np_serve_read_stats(s.serve, &stats);
	assert_false(stats.certificate_is_stale);
	assert_in_range(stats.certificate_not_after, time(NULL) + 3000, time(NULL) + 3601);
	assert_in_range(stats.certificate_loaded, time(NULL) - 60, time(NULL));
	s.log[0] = '\0';
	np_serve_reload(s.serve);
	wait_for_log(&s, "info: certificate reloaded");
	stop(&s);
	remove_pair(&p);
}

static int set_files_limit(rlim_t n)
{
	struct rlimit limit;
	rlim_t was;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	was = limit.rlim_cur;
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return (int)was;
}

static bool has_cert_of(const struct tls *t, const char *name)
{
	char is[100] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_CTX_get0_certificate(t->ctx)),
				  NID_commonName, is, sizeof(is));
	return strcmp(is, name) == 0;
}

/* A file that cannot be opened at the moment it changes, and does not change again. */
static void test_tls__failed_reload_is_repeated(void **state)
{
	struct pair p = make_pair(&server_pem);
	struct np_serve_options o = options();
	struct tls t = { .failed = false };
	struct np_err err = NP_ERR_INIT;
	int limit;

	(void)state;
	o.identity = (struct np_serve_identity){ .cert_file = p.cert, .key_file = p.key };
	assert_int_equal(serve_tls_init(&t, &o, &err), 0);
	assert_int_equal(serve_tls_renew(&t, false, 1000, &err), 0);
	write_file(p.cert, other_pem.cert);
	write_file(p.key, other_pem.key);
	limit = set_files_limit(0);
	assert_int_equal(serve_tls_renew(&t, false, 1000, &err), -NP_E_IO);
	/* Neither before its time nor for the same reason. */
	assert_int_equal(serve_tls_renew(&t, false, 1001, &err), 0);
	assert_int_equal(t.n_failures, 1);
	assert_int_equal(serve_tls_renew(&t, false, 1000 + TLS_RETRY_MS, &err), 0);
	assert_int_equal(t.n_failures, 2);
	set_files_limit((rlim_t)limit);
	assert_true(has_cert_of(&t, "first") && t.is_stale);
	assert_int_equal(serve_tls_renew(&t, false, 1000 + 2 * TLS_RETRY_MS, &err), 1);
	assert_true(has_cert_of(&t, "second") && !t.is_stale);
	assert_int_equal(serve_tls_renew(&t, false, 1000 + 9 * TLS_RETRY_MS, &err), 0);
	serve_tls_done(&t);
	remove_pair(&p);
}

/* Each kind of broken file keeps the old pair, says so once, and ends with the repair. */
static void test_tls__broken_files_are_reported_once(void **state)
{
	const struct {
		const char *text; /* NULL: no file */
		const char *says;
	} rows[] = {
		{ NULL, "crt': no such file" },
		{ "", "crt': the certificate cannot be read: expected PEM" },
		{ "garbage", "crt': the certificate cannot be read: expected PEM" },
		{ "-----BEGIN CERTIFICATE-----\nMII", "the certificate cannot be read" },
		{ other_pem.cert, "key': the private key does not belong to the certificate" },
	};
	struct pair p = make_pair(&server_pem);
	struct np_serve_options o = options();
	struct tls t = { .failed = false };
	struct np_err err = NP_ERR_INIT;
	uint64_t now = 1000;

	(void)state;
	o.identity = (struct np_serve_identity){ .cert_file = p.cert, .key_file = p.key };
	assert_int_equal(serve_tls_init(&t, &o, &err), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++, now += TLS_RETRY_MS) {
		if (rows[i].text)
			write_file(p.cert, rows[i].text);
		else
			unlink(p.cert);
		if (serve_tls_renew(&t, false, now, &err) >= 0 || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(serve_tls_renew(&t, false, now + TLS_RETRY_MS, &err), 0);
		/* Each caller gets the error. */
		assert_true(serve_tls_renew(&t, true, now, &err) < 0);
		assert_true(has_cert_of(&t, "first"));
		write_file(p.cert, server_pem.cert);
		assert_int_equal(serve_tls_renew(&t, false, now, &err), 1);
	}
	assert_int_equal(serve_tls_renew(&t, true, now, &err), 1);
	serve_tls_done(&t);
	remove_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serve__weak_protocols_are_rejected),
		cmocka_unit_test(test_serve__clients_are_known_by_certificate),
		cmocka_unit_test(test_serve__certificates_are_reloaded),
		cmocka_unit_test(test_tls__failed_reload_is_repeated),
		cmocka_unit_test(test_tls__broken_files_are_reported_once),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
