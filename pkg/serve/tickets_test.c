/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <stdatomic.h>

#include "testbed.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "fedcba9876543210fedcba9876543210"

/* --- keys ----------------------------------------------------------------------------------- */

enum { NOON = 500000 * TICKET_LIFETIME_S };

static void init_tickets(struct tickets *t, const char *secret)
{
	char *copy = secret ? strdup(secret) : NULL;

	memset(t, 0, sizeof(*t));
	serve_tickets_init(t);
	serve_tickets_take_secret(t, &copy, copy ? strlen(copy) : 0);
	free(copy);
}

static struct ticket_key key_at(struct tickets *t, uint64_t now_s)
{
	struct ticket_key key;

	assert_true(serve_tickets_key(t, now_s, &key));
	return key;
}

static bool finds(struct tickets *t, uint64_t now_s, const struct ticket_key *key)
{
	struct ticket_key found;

	if (!serve_tickets_find_key(t, now_s, key->name, &found))
		return false;
	assert_memory_equal(found.bytes, key->bytes, sizeof(found.bytes));
	return true;
}

static void test_tickets__keys_rotate_hourly(void **state)
{
	const char *const secrets[] = { NULL, SECRET };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tickets t;
		struct ticket_key first, second;

		init_tickets(&t, secrets[i]);
		first = key_at(&t, NOON);
		second = key_at(&t, NOON + TICKET_LIFETIME_S - 1);
		assert_memory_equal(first.bytes, second.bytes, sizeof(first.bytes));
		second = key_at(&t, NOON + TICKET_LIFETIME_S);
		assert_memory_not_equal(first.name, second.name, sizeof(first.name));
		assert_memory_not_equal(first.aes, second.aes, sizeof(first.aes));
		assert_memory_not_equal(first.mac, second.mac, sizeof(first.mac));
		assert_true(finds(&t, NOON + 2 * TICKET_LIFETIME_S - 1, &first));
		assert_true(finds(&t, NOON + 2 * TICKET_LIFETIME_S - 1, &second));
		assert_false(finds(&t, NOON + 2 * TICKET_LIFETIME_S, &first));
		/* A key that cannot decrypt is not in memory. */
		for (size_t k = 0; k < TICKET_KEYS; k++)
			assert_memory_not_equal(t.keys[k].aes, first.aes, sizeof(first.aes));
		serve_tickets_done(&t);
	}
}

static void test_tickets__only_a_secret_is_shared(void **state)
{
	static const struct {
		const char *sentence, *one, *other;
		int skew_s;
		bool is_found;
	} rows[] = {
		{ "none", NULL, NULL, 0, false },
		{ "the same", SECRET, SECRET, 0, true },
		{ "the same, a clock ahead", SECRET, SECRET, TICKET_LIFETIME_S, true },
		{ "the same, a clock behind", SECRET, SECRET, -TICKET_LIFETIME_S, true },
		{ "the same, two hours apart", SECRET, SECRET, 2 * TICKET_LIFETIME_S, false },
		{ "another", SECRET, OTHER_SECRET, 0, false },
		{ "one of two", SECRET, NULL, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t now = (uint64_t)NOON + (uint64_t)rows[i].skew_s;
		struct tickets one, other;
		struct ticket_key key;

		init_tickets(&one, rows[i].one);
		init_tickets(&other, rows[i].other);
		key = key_at(&one, NOON);
		key_at(&other, now);
		if (finds(&other, now, &key) != rows[i].is_found)
			fail_msg("%s", rows[i].sentence);
		serve_tickets_done(&one);
		serve_tickets_done(&other);
	}
}

static void test_tickets__another_secret_ends_all(void **state)
{
	char *secret = strdup(OTHER_SECRET), *same = strdup(OTHER_SECRET);
	struct tickets t;
	struct ticket_key key;

	(void)state;
	init_tickets(&t, SECRET);
	key = key_at(&t, NOON);
	serve_tickets_take_secret(&t, &secret, strlen(OTHER_SECRET));
	assert_false(finds(&t, NOON, &key));
	key = key_at(&t, NOON);
	serve_tickets_take_secret(&t, &same, strlen(OTHER_SECRET));
	assert_true(finds(&t, NOON, &key));
	serve_tickets_done(&t);
	free(secret);
	free(same);
}

static void test_tickets__old_handshakes_resume_nothing(void **state)
{
	static const struct {
		const char *sentence;
		int64_t ago_s;
		bool is_recent;
	} rows[] = {
		{ "now", 0, true },
		{ "just within the hour", TICKET_LIFETIME_S - 1, true },
		{ "an hour ago", TICKET_LIFETIME_S, false },
		{ "by a clock that is ahead", -TICKET_SKEW_S, true },
		{ "in the future", -TICKET_SKEW_S - 1, false },
	};
	uint64_t noted;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		noted = htobe64((uint64_t)(NOON - rows[i].ago_s));
		if (serve_tickets_is_recent(&noted, sizeof(noted), NOON) != rows[i].is_recent)
			fail_msg("%s", rows[i].sentence);
	}
	assert_false(serve_tickets_is_recent(&noted, sizeof(noted) - 1, NOON));
	noted = UINT64_MAX;
	assert_false(serve_tickets_is_recent(&noted, sizeof(noted), NOON));
}

/* --- sessions ------------------------------------------------------------------------------- */

#define WHO "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"

/* What became of one connection. */
struct visit {
	bool is_served, is_resumed;
	char response[500];
	SSL_SESSION *session; /* for the next one */
};

static struct visit visit(const struct server *s, const struct pem *pem, SSL_SESSION *session,
			  int version)
{
	struct wish w = { .pem = pem, .session = session, .max_version = version };
	struct visit v = { .is_served = false };
	struct client c;

	/* In TLS 1.3 the client is done before the server has seen its certificate. */
	if (try_connect(s, &w, &c) && SSL_write(c.ssl, WHO, sizeof(WHO) - 1) > 0 &&
	    hear(&c, v.response, sizeof(v.response)) > 0) {
		v.is_served = true;
		v.is_resumed = SSL_session_reused(c.ssl);
		v.session = SSL_get1_session(c.ssl);
	}
	/* A session whose connection breaks off may not be resumed. */
	SSL_set_shutdown(c.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	hang_up(&c);
	return v;
}

/* Visits with the session of `v`, which becomes the one of the new visit. */
static bool resumes(const struct server *s, const struct pem *pem, struct visit *v)
{
	struct visit next = visit(s, pem, v->session, 0);

	SSL_SESSION_free(v->session);
	*v = next;
	return v->is_resumed;
}

static void test_tickets__sessions_resume_with_the_clients_name(void **state)
{
	struct pem client = make_pem("tester");
	struct np_serve_options o = options();
	struct server s;
	struct visit v;

	(void)state;
	o.client_ca_pem = client.cert;
	o.client_required = true;
	start(&s, &o);
	v = visit(&s, &client, NULL, 0);
	assert_true(v.is_served && !v.is_resumed);
	/* By one ticket after the other. */
	for (int i = 0; i < 3; i++) {
		assert_true(resumes(&s, &client, &v));
		assert_non_null(strstr(v.response, "GET /who [] - tester 0:"));
	}
	SSL_SESSION_free(v.session);
	stop(&s);
}

/* The C library's, ahead by as much as a test says: for the server and for OpenSSL. */
static atomic_long ahead_s;

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead_s;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

/* Newer OpenSSLs deprecate SSL_SESSION_set_time() for a function that Debian 12's has not. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* A client drops a ticket of such an age itself; this one takes its ticket for a fresh one. */
static void make_fresh(SSL_SESSION *session)
{
	SSL_SESSION_set_time(session, (long)time(NULL));
}
#pragma GCC diagnostic pop

static bool resumes_later(const struct server *s, struct visit *v, long later_s)
{
	bool is_resumed;

	ahead_s = later_s;
	make_fresh(v->session);
	is_resumed = resumes(s, NULL, v);
	assert_true(v->is_served);
	ahead_s = 0;
	return is_resumed;
}

static void test_tickets__an_old_ticket_resumes_nothing(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct visit v;

	(void)state;
	start(&s, &o);
	v = visit(&s, NULL, NULL, 0);
	assert_true(resumes_later(&s, &v, TICKET_LIFETIME_S / 2));
	/* The new ticket has the time of the full handshake. */
	assert_true(resumes_later(&s, &v, TICKET_LIFETIME_S - 60));
	assert_false(resumes_later(&s, &v, TICKET_LIFETIME_S));
	assert_true(resumes_later(&s, &v, TICKET_LIFETIME_S));
	SSL_SESSION_free(v.session);
	stop(&s);
}

static void test_tickets__tls_1_2_resumes_nothing(void **state)
{
	struct np_serve_options o = options();
	struct server s;
	struct visit first, second;

	(void)state;
	start(&s, &o);
	first = visit(&s, NULL, NULL, TLS1_2_VERSION);
	assert_true(first.is_served);
	second = visit(&s, NULL, first.session, TLS1_2_VERSION);
	assert_true(second.is_served && !second.is_resumed);
	SSL_SESSION_free(first.session);
	SSL_SESSION_free(second.session);
	stop(&s);
}

/* A certificate, its key, a client CA and a ticket secret, as files. */
struct files {
	char folder[40], paths[TLS_PART_MAX][60];
};

static void make_files(struct files *f, const struct pem *client)
{
	static const char *const names[TLS_PART_MAX] = { "crt", "key", "ca", "secret" };
	const char *const texts[TLS_PART_MAX] = { server_pem.cert, server_pem.key, client->cert,
						  SECRET };

	snprintf(f->folder, sizeof(f->folder), "/tmp/nodeprep-serve-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	for (size_t i = 0; i < TLS_PART_MAX; i++) {
		snprintf(f->paths[i], sizeof(f->paths[i]), "%s/%s", f->folder, names[i]);
		write_file(f->paths[i], texts[i]);
	}
}

static void remove_files(const struct files *f)
{
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		unlink(f->paths[i]);
	assert_int_equal(rmdir(f->folder), 0);
}

static struct np_serve_options options_of(const struct files *f)
{
	struct np_serve_options o = NP_SERVE_OPTIONS_INIT;

	o.identity.cert_file = f->paths[TLS_CERT];
	o.identity.key_file = f->paths[TLS_KEY];
	o.client_ca_file = f->paths[TLS_CLIENT_CA];
	o.ticket_secret_file = f->paths[TLS_TICKET_SECRET];
	o.client_required = true;
	return o;
}

/* Neither end of the secret's life matters here: what the session was verified by does. */
static void test_tickets__no_session_outlives_what_verified_it(void **state)
{
	struct pem client = make_pem("tester"), stranger = make_pem("tester");
	char two_cas[2 * sizeof(client.cert)];
	struct files f;
	struct np_serve_options o;
	struct server s;
	struct visit v;

	(void)state;
	snprintf(two_cas, sizeof(two_cas), "%s%s", client.cert, stranger.cert);
	make_files(&f, &client);
	o = options_of(&f);
	start(&s, &o);
	const struct {
		const char *sentence;
		size_t part;
		const char *text;
		bool is_served;
	} rows[] = {
		{ "the same files again", TLS_CERT, server_pem.cert, true },
		{ "another secret", TLS_TICKET_SECRET, OTHER_SECRET, true },
		{ "one more client CA", TLS_CLIENT_CA, two_cas, true },
		{ "only another client CA", TLS_CLIENT_CA, stranger.cert, false },
		{ "the client's CA again", TLS_CLIENT_CA, client.cert, true },
	};
	v = visit(&s, &client, NULL, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SSL_SESSION *kept = v.session;

		SSL_SESSION_up_ref(kept);
		write_file(f.paths[rows[i].part], rows[i].text);
		s.log[0] = '\0';
		np_serve_reload(s.serve);
		wait_for_log(&s, "info: certificate reloaded");
		if (resumes(&s, &client, &v) != (i == 0) || v.is_served != rows[i].is_served)
			fail_msg("%s", rows[i].sentence);
		if (v.session) {
			SSL_SESSION_free(kept);
			continue;
		}
		v.session = kept;
	}
	SSL_SESSION_free(v.session);
	stop(&s);
	remove_files(&f);
}

static void test_tickets__no_session_outlives_the_certificate(void **state)
{
	struct pem client = make_pem("tester");
	struct files f;
	struct np_serve_options o;
	struct server s;
	struct visit v;

	(void)state;
	make_files(&f, &client);
	o = options_of(&f);
	start(&s, &o);
	v = visit(&s, &client, NULL, 0);
	write_file(f.paths[TLS_KEY], other_pem.key);
	write_file(f.paths[TLS_CERT], other_pem.cert);
	wait_for_log(&s, "info: certificate reloaded");
	assert_false(resumes(&s, &client, &v));
	assert_true(v.is_served);
	assert_true(resumes(&s, &client, &v));
	SSL_SESSION_free(v.session);
	stop(&s);
	remove_files(&f);
}

static void test_tickets__expired_clients_resume_nothing(void **state)
{
	struct pem client = make_pem("tester");
	struct np_serve_options o = options();
	X509_VERIFY_PARAM *param;
	struct server s;
	struct visit v;

	(void)state;
	o.client_ca_pem = client.cert;
	o.client_required = true;
	start(&s, &o);
	v = visit(&s, &client, NULL, 0);
	assert_true(resumes(&s, &client, &v));
	/* The certificate is valid for an hour. */
	param = X509_STORE_get0_param(SSL_CTX_get_cert_store(s.serve->tls.ctx));
	X509_VERIFY_PARAM_set_time(param, time(NULL) + 7200);
	assert_false(resumes(&s, &client, &v));
	assert_false(v.is_served);
	stop(&s);
}

static void test_tickets__replicas_resume_by_a_shared_secret(void **state)
{
	struct pem client = make_pem("tester");
	struct files f;

	(void)state;
	make_files(&f, &client);
	for (int shares = 0; shares < 2; shares++) {
		struct np_serve_options o = options_of(&f);
		struct server one, other;
		struct visit v;

		if (!shares)
			o.ticket_secret_file = NULL;
		start(&one, &o);
		start(&other, &o);
		v = visit(&one, &client, NULL, 0);
		assert_int_equal(resumes(&other, &client, &v), shares);
		assert_true(v.is_served);
		SSL_SESSION_free(v.session);
		stop(&one);
		stop(&other);
	}
	remove_files(&f);
}

static void test_tickets__short_secrets_are_rejected(void **state)
{
	struct pem client = make_pem("tester");
	struct np_err err = NP_ERR_INIT;
	struct np_serve *serve = NULL;
	struct np_serve_options o;
	struct files f;

	(void)state;
	make_files(&f, &client);
	o = options_of(&f);
	write_file(f.paths[TLS_TICKET_SECRET], "short");
	assert_int_equal(np_serve_new(&o, handle, NULL, &serve, &err), -NP_E_SPEC);
	assert_null(serve);
	assert_non_null(strstr(err.text, "secret': the ticket secret has 5 bytes: expected 32 to"));
	remove_files(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tickets__keys_rotate_hourly),
		cmocka_unit_test(test_tickets__only_a_secret_is_shared),
		cmocka_unit_test(test_tickets__another_secret_ends_all),
		cmocka_unit_test(test_tickets__old_handshakes_resume_nothing),
		cmocka_unit_test(test_tickets__sessions_resume_with_the_clients_name),
		cmocka_unit_test(test_tickets__an_old_ticket_resumes_nothing),
		cmocka_unit_test(test_tickets__tls_1_2_resumes_nothing),
		cmocka_unit_test(test_tickets__no_session_outlives_what_verified_it),
		cmocka_unit_test(test_tickets__no_session_outlives_the_certificate),
		cmocka_unit_test(test_tickets__expired_clients_resume_nothing),
		cmocka_unit_test(test_tickets__replicas_resume_by_a_shared_secret),
		cmocka_unit_test(test_tickets__short_secrets_are_rejected),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
