/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

enum { PEM_MAX = 1 << 20, FRAGMENT_BYTES = 4096 };

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

static int use_client_cas(SSL_CTX *ctx, const char *pem, struct np_err *err)
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
		n++;
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

static int fill_ctx(const struct tls *t, SSL_CTX *ctx, struct np_err *err)
{
	static const unsigned char session_id[] = "nodeprep";
	int verify = SSL_VERIFY_PEER;

	/* SHA-256 has instructions of its own where SHA-384 has none: a handshake hashes much. */
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
					  "TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return np_fail_nomem(err);
	/*
	 * Nothing is resumed: Cluster API keeps its connections, and a Go client without a cache of its
	 * own throws tickets away. Sessions kept here would only grow.
	 */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	/* Answers are small, and each connection that sends has a buffer of that size. */
	SSL_CTX_set_max_send_fragment(ctx, FRAGMENT_BYTES);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	SSL_CTX_set_info_callback(ctx, serve_conn_on_handshake);
	if (use_certs(ctx, t->cert_pem, err) < 0 || use_key(ctx, t->key_pem, err) < 0)
		return np_err_ret(err);
	if (!t->client_ca_pem)
		return 0;
	if (t->client_required)
		verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, verify, NULL);
	/* Without it OpenSSL refuses to resume a session that was verified. */
	SSL_CTX_set_session_id_context(ctx, session_id, sizeof(session_id) - 1);
	return use_client_cas(ctx, t->client_ca_pem, err);
}

static int make_ctx(struct tls *t, struct np_err *err)
{
	NP_AUTO(free_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX *old;

	if (!ctx)
		return np_fail_nomem(err);
	if (fill_ctx(t, ctx, err) < 0)
		return np_err_ret(err);
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

/* The file of each text, so that one loop serves them all. */
struct source {
	const char *file;
	char **pem;
	struct file_mark *mark;
};

enum { N_SOURCES = 3 };

static void list_sources(struct tls *t, struct source list[static N_SOURCES])
{
	list[0] = (struct source){ t->cert_file, &t->cert_pem, &t->marks[0] };
	list[1] = (struct source){ t->key_file, &t->key_pem, &t->marks[1] };
	list[2] = (struct source){ t->client_ca_file, &t->client_ca_pem, &t->marks[2] };
}

/* Tells whether the file is another than it was; a file that is away for a moment is not. */
static bool is_changed(const char *file, struct file_mark *mark)
{
	struct file_mark now;
	struct stat st;

	if (stat(file, &st) < 0)
		return false;
	memset(&now, 0, sizeof(now));
	now.mtime = st.st_mtim;
	now.inode = st.st_ino;
	now.size = st.st_size;
	if (now.inode == mark->inode && now.size == mark->size &&
	    now.mtime.tv_sec == mark->mtime.tv_sec && now.mtime.tv_nsec == mark->mtime.tv_nsec)
		return false;
	*mark = now;
	return true;
}

static int read_source(const struct source *s, struct np_err *err)
{
	char *bytes;
	size_t size;

	if (np_file_load(s->file, PEM_MAX, &bytes, &size, err) < 0)
		return np_err_ret(err);
	np_wipep(s->pem);
	*s->pem = bytes;
	return 0;
}

/* Reads all files once one changed: halves of a pair are replaced together. */
static int read_sources(struct tls *t, struct np_err *err)
{
	struct source list[N_SOURCES];
	bool changed = false;

	list_sources(t, list);
	for (size_t i = 0; i < N_SOURCES; i++)
		if (list[i].file && is_changed(list[i].file, list[i].mark))
			changed = true;
	for (size_t i = 0; changed && i < N_SOURCES; i++)
		if (list[i].file && read_source(&list[i], err) < 0)
			return np_err_ret(err);
	return changed;
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
	struct source list[N_SOURCES];

	if (o->plain)
		return 0;
	if (copy_text(id->cert_file, &t->cert_file, err) < 0 ||
	    copy_text(id->key_file, &t->key_file, err) < 0 ||
	    copy_text(o->client_ca_file, &t->client_ca_file, err) < 0 ||
	    copy_text(id->cert_pem, &t->cert_pem, err) < 0 ||
	    copy_text(id->key_pem, &t->key_pem, err) < 0 ||
	    copy_text(o->client_ca_pem, &t->client_ca_pem, err) < 0)
		return np_err_ret(err);
	t->client_required = o->client_required;
	list_sources(t, list);
	for (size_t i = 0; i < N_SOURCES; i++)
		if (list[i].file && !is_changed(list[i].file, list[i].mark))
			return np_fail(err, NP_E_IO, "'%s': cannot be read", list[i].file);
	for (size_t i = 0; i < N_SOURCES; i++)
		if (list[i].file && read_source(&list[i], err) < 0)
			return np_err_ret(err);
	if (!t->cert_pem || !t->key_pem)
		return np_fail(err, NP_E_USAGE, "expected a certificate and its key");
	return make_ctx(t, err);
}

void serve_tls_done(struct tls *t)
{
	struct source list[N_SOURCES];

	list_sources(t, list);
	for (size_t i = 0; i < N_SOURCES; i++)
		np_wipep(list[i].pem);
	free(t->cert_file);
	free(t->key_file);
	free(t->client_ca_file);
	SSL_CTX_free(t->ctx);
	pthread_mutex_destroy(&t->lock);
	memset(t, 0, sizeof(*t));
}

int serve_tls_renew(struct tls *t, struct np_err *err)
{
	int changed = read_sources(t, err);

	if (changed <= 0)
		return changed;
	return make_ctx(t, err) < 0 ? np_err_ret(err) : 1;
}
