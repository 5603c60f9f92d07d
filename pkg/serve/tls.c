/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

enum { PEM_MAX = 1 << 20 };

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_ctx(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* OpenSSL's own words are about DER and PEM parsing; the caller says which input was meant. */
static int fail_tls(const char *what, struct np_err *err)
{
	ERR_clear_error();
	return np_fail(err, NP_E_SPEC, "%s: expected PEM", what);
}

/* A key file must not ask a terminal for a password. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return 0;
}

/* Returns when the certificate expires, in seconds since 1970. */
static int64_t not_after(const X509 *cert)
{
	struct tm parts = { 0 };

	return ASN1_TIME_to_tm(X509_get0_notAfter(cert), &parts) == 1 ? timegm(&parts) : 0;
}

static int use_certs(SSL_CTX *ctx, const char *pem, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
	NP_AUTO(free_cert)
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
	X509 *next;

	if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1)
		return fail_tls("the certificate cannot be read", err);
	while ((next = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
		if (SSL_CTX_add0_chain_cert(ctx, next) == 1)
			continue;
		X509_free(next);
		return fail_tls("the certificate's chain cannot be read", err);
	}
	ERR_clear_error();
	return 0;
}

static int use_key(SSL_CTX *ctx, const char *pem, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
	NP_AUTO(free_key)
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	if (!key)
		return fail_tls("the private key cannot be read", err);
	/* It checks the pair as well. */
	if (SSL_CTX_use_PrivateKey(ctx, key) == 1)
		return 0;
	ERR_clear_error();
	return np_fail(err, NP_E_SPEC, "the private key does not belong to the certificate");
}

/* Sets *ret_expires to when the first of the CAs does. */
static int use_client_cas(SSL_CTX *ctx, const char *pem, int64_t *ret_expires, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	unsigned n = 0;

	for (;;) {
		NP_AUTO(free_cert)
		X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

		if (!cert)
			break;
		if (X509_STORE_add_cert(store, cert) != 1 || SSL_CTX_add_client_CA(ctx, cert) != 1)
			return fail_tls("the client CA cannot be used", err);
		if (n++ == 0 || not_after(cert) < *ret_expires)
			*ret_expires = not_after(cert);
	}
	ERR_clear_error();
	return n > 0 ? 0 : fail_tls("the client CA cannot be read", err);
}

/* A client that offers only other protocols is turned away (RFC 7301, section 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
			   const unsigned char *in, unsigned in_size, void *ctx)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl, (void)ctx;
	for (unsigned i = 0; i < in_size; i += in[i] + 1u) {
		if (in[i] != ours[0] || in_size - i <= ours[0] ||
		    memcmp(in + i + 1, ours + 1, ours[0]) != 0)
			continue;
		*out = in + i + 1;
		*out_size = ours[0];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The texts of one attempt to load, and when the client CA expires. */
struct material {
	char *texts[TLS_PART_MAX];
	size_t sizes[TLS_PART_MAX];
	int64_t client_ca_not_after;
};

static void material_done(struct material *m)
{
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		np_wipe_bytes(&m->texts[i], m->sizes[i]);
}

/* Puts the file of a part in front of the error, where it is in one. */
static int name_file(const struct tls *t, enum tls_part part, struct np_err *err)
{
	return t->files[part] ? np_wrap(err, "'%s'", t->files[part]) : np_err_ret(err);
}

static void free_digest(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/*
 * OpenSSL resumes a session only in the context that it began in. The context is what the session was
 * verified by and with, so that none outlives a change of that.
 */
static int use_session_context(const struct tls *t, const struct material *m, SSL_CTX *ctx,
			       struct np_err *err)
{
	NP_AUTO(free_digest) EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char is[EVP_MAX_MD_SIZE];
	unsigned size;
	bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(digest, &t->client_required, sizeof(t->client_required)) == 1;

	for (size_t i = TLS_CERT; i <= TLS_CLIENT_CA; i++)
		done = done && EVP_DigestUpdate(digest, &m->sizes[i], sizeof(m->sizes[i])) == 1 &&
		       EVP_DigestUpdate(digest, m->texts[i], m->sizes[i]) == 1;
	done = done && EVP_DigestFinal_ex(digest, is, &size) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, is, size) == 1;
	return done ? 0 : np_fail_nomem(err);
}

static int use_protocols(SSL_CTX *ctx, struct np_err *err)
{
	/* SHA-256 has instructions of its own where SHA-384 has none: a handshake hashes much. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
					  "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return np_fail_nomem(err);
	/* Answers are small, and each connection that sends has a buffer of that size. */
	SSL_CTX_set_max_send_fragment(ctx, TLS_FRAGMENT_BYTES);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	SSL_CTX_set_info_callback(ctx, serve_conn_on_handshake);
	return 0;
}

static int use_client_certs(const struct tls *t, struct material *m, SSL_CTX *ctx,
			    struct np_err *err)
{
	int verify = SSL_VERIFY_PEER;

	if (!m->texts[TLS_CLIENT_CA])
		return 0;
	if (t->client_required)
		verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, verify, NULL);
	if (use_client_cas(ctx, m->texts[TLS_CLIENT_CA], &m->client_ca_not_after, err) < 0)
		return name_file(t, TLS_CLIENT_CA, err);
	return 0;
}

static int fill_ctx(struct tls *t, struct material *m, SSL_CTX *ctx, struct np_err *err)
{
	if (use_protocols(ctx, err) < 0 || serve_tickets_use(&t->tickets, ctx, err) < 0 ||
	    use_session_context(t, m, ctx, err) < 0)
		return np_err_ret(err);
	if (use_certs(ctx, m->texts[TLS_CERT], err) < 0)
		return name_file(t, TLS_CERT, err);
	if (use_key(ctx, m->texts[TLS_KEY], err) < 0)
		return name_file(t, TLS_KEY, err);
	if (m->texts[TLS_TICKET_SECRET] &&
	    serve_tickets_check_secret(m->sizes[TLS_TICKET_SECRET], err) < 0)
		return name_file(t, TLS_TICKET_SECRET, err);
	return use_client_certs(t, m, ctx, err);
}

static int make_ctx(struct tls *t, struct material *m, struct np_err *err)
{
	NP_AUTO(free_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX *old;

	if (!ctx)
		return np_fail_nomem(err);
	if (fill_ctx(t, m, ctx, err) < 0)
		return np_err_ret(err);
	atomic_store(&t->cert_not_after, not_after(SSL_CTX_get0_certificate(ctx)));
	atomic_store(&t->client_ca_not_after, m->client_ca_not_after);
	atomic_store(&t->loaded_at, (long long)time(NULL));
	serve_tickets_take_secret(&t->tickets, &m->texts[TLS_TICKET_SECRET],
				  m->sizes[TLS_TICKET_SECRET]);
	pthread_mutex_lock(&t->lock);
	old = t->ctx;
	t->ctx = np_take(ctx);
	pthread_mutex_unlock(&t->lock);
	SSL_CTX_free(old);
	return 0;
}

SSL *serve_tls_new_ssl(struct tls *t)
{
	SSL *ssl;

	pthread_mutex_lock(&t->lock);
	ssl = SSL_new(t->ctx);
	pthread_mutex_unlock(&t->lock);
	return ssl;
}

/* --- files ----------------------------------------------------------------------------------- */

static void read_stamps(const struct tls *t, struct np_stamp ret[static TLS_PART_MAX])
{
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		ret[i] = t->files[i] ? np_stamp_of(t->files[i])
				     : (struct np_stamp){ .is_there = false };
}

static bool stamps_equal(const struct np_stamp a[static TLS_PART_MAX],
			 const struct np_stamp b[static TLS_PART_MAX])
{
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		if (!np_stamp_equal(&a[i], &b[i]))
			return false;
	return true;
}

static int read_part(const struct tls *t, size_t i, struct material *m, struct np_err *err)
{
	if (t->files[i])
		return np_file_load(t->files[i], PEM_MAX, &m->texts[i], &m->sizes[i], err);
	if (!t->texts[i])
		return 0;
	m->texts[i] = strdup(t->texts[i]);
	m->sizes[i] = strlen(t->texts[i]);
	return m->texts[i] ? 0 : np_fail_nomem(err);
}

/*
 * Reads all parts, since halves of a pair are replaced together. What the files were is noted before
 * they are read, and after success alone, so that no change is missed.
 */
static int load(struct tls *t, const struct np_stamp stamps[static TLS_PART_MAX],
		struct np_err *err)
{
	NP_AUTO(material_done) struct material m = { .client_ca_not_after = 0 };

	for (size_t i = 0; i < TLS_PART_MAX; i++)
		if (read_part(t, i, &m, err) < 0)
			return np_err_ret(err);
	if (!m.texts[TLS_CERT] || !m.texts[TLS_KEY])
		return np_fail(err, NP_E_USAGE, "expected a certificate and its key");
	if (make_ctx(t, &m, err) < 0)
		return np_err_ret(err);
	memcpy(t->stamps, stamps, sizeof(t->stamps));
	return 0;
}

static int copy_text(const char *text, char **ret, struct np_err *err)
{
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : np_fail_nomem(err);
}

int serve_tls_init(struct tls *t, const struct np_serve_options *o, struct np_err *err)
{
	const struct np_serve_identity *id = &o->identity;
	const char *const files[TLS_PART_MAX] = { id->cert_file, id->key_file, o->client_ca_file,
						  o->ticket_secret_file };
	const char *const texts[TLS_PART_MAX] = { id->cert_pem, id->key_pem, o->client_ca_pem };
	struct np_stamp stamps[TLS_PART_MAX];

	if (o->plain)
		return 0;
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		if (copy_text(files[i], &t->files[i], err) < 0 ||
		    copy_text(texts[i], &t->texts[i], err) < 0)
			return np_err_ret(err);
	t->client_required = o->client_required;
	read_stamps(t, stamps);
	return load(t, stamps, err);
}

void serve_tls_done(struct tls *t)
{
	for (size_t i = 0; i < TLS_PART_MAX; i++) {
		free(t->files[i]);
		np_wipep(&t->texts[i]);
	}
	SSL_CTX_free(t->ctx);
	serve_tickets_done(&t->tickets);
	pthread_mutex_destroy(&t->lock);
	memset(t, 0, sizeof(*t));
}

bool serve_tls_has_files(const struct tls *t)
{
	for (size_t i = 0; i < TLS_PART_MAX; i++)
		if (t->files[i])
			return true;
	return false;
}

/* Tells whether to load: a failed attempt is repeated at once if the files changed since. */
static bool is_due(const struct tls *t, const struct np_stamp now[static TLS_PART_MAX],
		   uint64_t now_ms)
{
	if (!t->failed)
		return !stamps_equal(now, t->stamps);
	return now_ms >= t->retry_at_ms || !stamps_equal(now, t->tried);
}

int serve_tls_renew(struct tls *t, bool is_forced, uint64_t now_ms, struct np_err *err)
{
	struct np_stamp stamps[TLS_PART_MAX];
	bool is_known;

	read_stamps(t, stamps);
	if (!is_forced && !is_due(t, stamps, now_ms))
		return 0;
	t->failed = load(t, stamps, err) < 0;
	atomic_store(&t->is_stale, t->failed);
	if (!t->failed) {
		t->reason[0] = '\0';
		return 1;
	}
	atomic_fetch_add(&t->n_failures, 1);
	memcpy(t->tried, stamps, sizeof(t->tried));
	t->retry_at_ms = now_ms + TLS_RETRY_MS;
	is_known = strcmp(t->reason, err->text) == 0;
	memcpy(t->reason, err->text, sizeof(t->reason));
	return is_known && !is_forced ? 0 : np_err_ret(err);
}
