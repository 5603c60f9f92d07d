/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tickets - which TLS sessions may be resumed, and for how long.
 *
 * The server keeps no session: TLS 1.3 clients keep them, in tickets that the server's keys encrypt and
 * authenticate. A key encrypts for an hour, and decrypts for one more. Keys are random, or follow from a secret
 * that replicas share. A ticket resumes nothing where
 *   - the certificate, the client CA or whether it is required has changed (the session id context, tls.c);
 *   - the full handshake was more than an hour ago, however often the session was resumed since;
 *   - the client's certificate is not valid now.
 * The client then makes a full handshake. There is no early data. TLS 1.2 has no tickets: a stolen key would
 * decrypt recorded connections.
 */
#include "internal.h"

#include <endian.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

enum { SECRET_LEAST = 32, SECRET_MOST = 4096, IV_BYTES = 16 };

static void free_kdf(EVP_KDF **kdf)
{
	EVP_KDF_free(*kdf);
}

static void free_kdf_ctx(EVP_KDF_CTX **ctx)
{
	EVP_KDF_CTX_free(*ctx);
}

static void free_verification(X509_STORE_CTX **v)
{
	X509_STORE_CTX_free(*v);
}

/* --- keys ----------------------------------------------------------------------------------- */

static bool derive(const struct tickets *t, uint64_t hour, struct ticket_key *ret)
{
	static char label[] = "nodeprep TLS ticket key", digest[] = "SHA256";
	NP_AUTO(free_kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	NP_AUTO(free_kdf_ctx) EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	uint64_t info = htobe64(hour);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, t->secret, t->secret_size),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, label, sizeof(label) - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, &info, sizeof(info)),
		OSSL_PARAM_construct_end(),
	};

	return ctx && EVP_KDF_derive(ctx, ret->bytes, sizeof(ret->bytes), params) == 1;
}

/* A key is in memory for as long as it can decrypt. */
static void forget_old(struct tickets *t, uint64_t hour)
{
	for (size_t i = 0; i < TICKET_KEYS; i++)
		if (t->keys[i].hour + 1 < hour || t->keys[i].hour > hour + 1)
			OPENSSL_cleanse(&t->keys[i], sizeof(t->keys[i]));
}

/* Returns the key of that hour; NULL where there is none, and may be none. */
static const struct ticket_key *key_of(struct tickets *t, uint64_t hour, bool may_make)
{
	struct ticket_key *key = &t->keys[hour % TICKET_KEYS];

	if (key->hour == hour)
		return key;
	if (!may_make || !(t->secret ? derive(t, hour, key)
				     : RAND_priv_bytes(key->bytes, sizeof(key->bytes)) == 1))
		return NULL;
	key->hour = hour;
	return key;
}

bool serve_tickets_key(struct tickets *t, uint64_t now_s, struct ticket_key *ret)
{
	uint64_t hour = now_s / TICKET_LIFETIME_S;
	const struct ticket_key *key;

	pthread_mutex_lock(&t->lock);
	forget_old(t, hour);
	key = key_of(t, hour, true);
	if (key)
		*ret = *key;
	pthread_mutex_unlock(&t->lock);
	return !!key;
}

/* The clock of another replica may be in the next hour already. */
bool serve_tickets_find_key(struct tickets *t, uint64_t now_s,
			    const unsigned char name[TICKET_NAME_BYTES], struct ticket_key *ret)
{
	uint64_t hour = now_s / TICKET_LIFETIME_S;
	bool is_found = false;

	pthread_mutex_lock(&t->lock);
	forget_old(t, hour);
	for (uint64_t h = hour - 1; h <= hour + 1 && !is_found; h++) {
		const struct ticket_key *key = key_of(t, h, !!t->secret);

		is_found = key && CRYPTO_memcmp(key->name, name, TICKET_NAME_BYTES) == 0;
		if (is_found)
			*ret = *key;
	}
	pthread_mutex_unlock(&t->lock);
	return is_found;
}

int serve_tickets_check_secret(size_t size, struct np_err *err)
{
	if (size < SECRET_LEAST || size > SECRET_MOST)
		return np_fail(
			err, NP_E_SPEC,
			"the ticket secret has %zu bytes: expected %d to %d random ones, as of "
			"'openssl rand -base64 48'",
			size, SECRET_LEAST, SECRET_MOST);
	return 0;
}

void serve_tickets_take_secret(struct tickets *t, char **secret, size_t size)
{
	bool is_new;

	pthread_mutex_lock(&t->lock);
	is_new = size != t->secret_size || (size > 0 && memcmp(*secret, t->secret, size) != 0);
	if (is_new) {
		np_wipe_bytes(&t->secret, t->secret_size);
		t->secret = np_take(*secret);
		t->secret_size = size;
		OPENSSL_cleanse(t->keys, sizeof(t->keys));
	}
	pthread_mutex_unlock(&t->lock);
}

void serve_tickets_init(struct tickets *t)
{
	pthread_mutex_init(&t->lock, NULL);
}

void serve_tickets_done(struct tickets *t)
{
	np_wipe_bytes(&t->secret, t->secret_size);
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	pthread_mutex_destroy(&t->lock);
}

/* --- OpenSSL's callbacks -------------------------------------------------------------------- */

static struct tickets *tickets_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

static bool use_key(const struct ticket_key *key, unsigned char iv[static IV_BYTES],
		    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts)
{
	static char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypts) == 1 &&
	       EVP_MAC_init(mac, key->mac, sizeof(key->mac), params) == 1;
}

/* Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: 1: there is a key, 0: there is none, -1: failed. */
static int choose_key(SSL *ssl, unsigned char name[], unsigned char iv[], EVP_CIPHER_CTX *cipher,
		      EVP_MAC_CTX *mac, int encrypts)
{
	struct tickets *t = tickets_of(ssl);
	uint64_t now = (uint64_t)time(NULL);
	struct ticket_key key;
	int r = 0;

	if (SSL_version(ssl) < TLS1_3_VERSION)
		return 0;
	if (encrypts ? serve_tickets_key(t, now, &key) && RAND_bytes(iv, IV_BYTES) == 1
		     : serve_tickets_find_key(t, now, name, &key)) {
		memcpy(name, key.name, sizeof(key.name));
		r = use_key(&key, iv, cipher, mac, encrypts) ? 1 : -1;
	}
	OPENSSL_cleanse(&key, sizeof(key));
	return r;
}

/* Notes in a new ticket when the full handshake was; a ticket of a resumed session has it already. */
static int note_handshake(SSL *ssl, void *arg)
{
	uint64_t now = htobe64((uint64_t)time(NULL));

	(void)arg;
	return SSL_session_reused(ssl) ||
	       SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &now, sizeof(now)) == 1;
}

bool serve_tickets_is_recent(const void *noted, size_t size, uint64_t now_s)
{
	uint64_t then_s;

	if (size != sizeof(then_s))
		return false;
	memcpy(&then_s, noted, sizeof(then_s));
	then_s = be64toh(then_s);
	/* Another replica's clock may be ahead a little; an hour behind is too old in any case. */
	return then_s <= now_s + TICKET_SKEW_S && now_s < then_s + TICKET_LIFETIME_S;
}

/* Verifies the client's certificate as a full handshake does; intermediates are not in a ticket. */
static bool is_client_trusted(SSL *ssl, SSL_SESSION *session)
{
	int mode = SSL_get_verify_mode(ssl);
	X509 *peer = SSL_SESSION_get0_peer(session);
	NP_AUTO(free_verification) X509_STORE_CTX *v = NULL;
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
	bool is_trusted;

	if (mode == SSL_VERIFY_NONE || !peer)
		return !(mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
	v = X509_STORE_CTX_new();
	if (!v || X509_STORE_CTX_init(v, store, peer, NULL) != 1 ||
	    X509_STORE_CTX_set_default(v, "ssl_client") != 1)
		return false;
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(v), SSL_get_security_level(ssl));
	is_trusted = X509_verify_cert(v) == 1;
	ERR_clear_error();
	return is_trusted;
}

static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
				      size_t name_size, SSL_TICKET_STATUS status, void *arg)
{
	void *noted = NULL;
	size_t size = 0;

	(void)name, (void)name_size, (void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (SSL_SESSION_get0_ticket_appdata(session, &noted, &size) != 1 ||
	    !serve_tickets_is_recent(noted, size, (uint64_t)time(NULL)) ||
	    !is_client_trusted(ssl, session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return SSL_TICKET_RETURN_USE_RENEW;
}

int serve_tickets_use(struct tickets *t, SSL_CTX *ctx, struct np_err *err)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TICKET_LIFETIME_S);
	if (SSL_CTX_set_app_data(ctx, t) != 1 || SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, choose_key) != 1 ||
	    SSL_CTX_set_session_ticket_cb(ctx, note_handshake, judge_ticket, NULL) != 1)
		return np_fail_nomem(err);
	return 0;
}
