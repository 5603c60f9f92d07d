/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

enum { CHECK_MS = 5000 }; /* between two looks at the files, and two attempts that failed */

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

/* --- PEM ------------------------------------------------------------------------------------- */

/* A key must not ask a terminal for a password. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return 0;
}

static BIO *open_blob(const struct kube_blob *b)
{
	/* As in handle.c: this may be the first call of OpenSSL. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	return b->bytes && b->size <= INT32_MAX ? BIO_new_mem_buf(b->bytes, (int)b->size) : NULL;
}

static X509 *read_cert(BIO *bio)
{
	return bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
}

int64_t kube_pem_not_after(const struct kube_blob *b)
{
	NP_AUTO(free_bio) BIO *bio = open_blob(b);
	int64_t first = 0;

	for (;;) {
		NP_AUTO(free_cert) X509 *cert = read_cert(bio);
		struct tm parts = { 0 };
		int64_t expires;

		if (!cert)
			break;
		if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &parts) != 1)
			continue;
		expires = timegm(&parts);
		if (first == 0 || expires < first)
			first = expires;
	}
	ERR_clear_error();
	return first;
}

static int check_ca(const struct kube_blob *b, const char *path, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *bio = open_blob(b);
	NP_AUTO(free_cert) X509 *cert = read_cert(bio);

	ERR_clear_error();
	return cert ? 0 : np_fail(err, NP_E_SPEC, "'%s': expected CA certificates as PEM", path);
}

static int check_pair(const struct kube_renewal *r, const struct kube_blob *cert_pem,
		      const struct kube_blob *key_pem, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *cert_bio = open_blob(cert_pem);
	NP_AUTO(free_bio) BIO *key_bio = open_blob(key_pem);
	NP_AUTO(free_cert) X509 *cert = read_cert(cert_bio);
	NP_AUTO(free_key)
	EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, no_password, NULL) : NULL;
	bool is_pair = cert && key && X509_check_private_key(cert, key) == 1;

	ERR_clear_error();
	if (!cert)
		return np_fail(err, NP_E_SPEC, "'%s': expected a client certificate as PEM",
			       r->paths[KUBE_FILE_CERT] ? r->paths[KUBE_FILE_CERT] : "");
	if (!key)
		return np_fail(err, NP_E_SPEC, "'%s': expected a private key as PEM",
			       r->paths[KUBE_FILE_KEY] ? r->paths[KUBE_FILE_KEY] : "");
	return is_pair ? 0
		       : np_fail(err, NP_E_SPEC,
				 "the client certificate and its key do not belong together");
}

/* --- the files ------------------------------------------------------------------------------- */

static void read_stamps(const struct kube_renewal *r,
			struct np_stamp ret[static KUBE_FILE_MAX_KIND])
{
	for (size_t i = 0; i < KUBE_FILE_MAX_KIND; i++)
		ret[i] = r->paths[i] ? np_stamp_of(r->paths[i])
				     : (struct np_stamp){ .is_there = false };
}

static bool stamps_equal(const struct np_stamp a[static KUBE_FILE_MAX_KIND],
			 const struct np_stamp b[static KUBE_FILE_MAX_KIND])
{
	for (size_t i = 0; i < KUBE_FILE_MAX_KIND; i++)
		if (!np_stamp_equal(&a[i], &b[i]))
			return false;
	return true;
}

/* What one attempt reads. */
struct loaded {
	struct kube_blob blobs[KUBE_FILE_TOKEN];
	char *token;
};

static void loaded_done(struct loaded *l)
{
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++)
		kube_blob_done(&l->blobs[i]);
	np_wipep(&l->token);
}

static int copy_blob(const struct kube_blob *from, struct kube_blob *to, struct np_err *err)
{
	char *bytes = calloc(1, from->size + 1);

	if (!bytes)
		return np_fail_nomem(err);
	if (from->size > 0)
		memcpy(bytes, from->bytes, from->size);
	kube_blob_done(to);
	*to = (struct kube_blob){ bytes, from->size };
	return 0;
}

/* Reads the files; a part that is in no file is as before. */
static int read_files(const struct kube_renewal *r, struct loaded *l, struct np_err *err)
{
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++) {
		struct kube_blob *b = &l->blobs[i];

		if (r->paths[i] &&
		    np_file_load(r->paths[i], KUBE_FILE_MAX * 4, &b->bytes, &b->size, err) < 0)
			return np_err_ret(err);
		if (!r->paths[i] && r->blobs[i].bytes && copy_blob(&r->blobs[i], b, err) < 0)
			return np_err_ret(err);
	}
	return r->paths[KUBE_FILE_TOKEN]
		       ? kube_token_load(r->paths[KUBE_FILE_TOKEN], &l->token, err)
		       : 0;
}

static int check_files(const struct kube_renewal *r, const struct loaded *l, struct np_err *err)
{
	if (r->paths[KUBE_FILE_CA] &&
	    check_ca(&l->blobs[KUBE_FILE_CA], r->paths[KUBE_FILE_CA], err) < 0)
		return np_err_ret(err);
	if (!r->paths[KUBE_FILE_CERT] && !r->paths[KUBE_FILE_KEY])
		return 0;
	return check_pair(r, &l->blobs[KUBE_FILE_CERT], &l->blobs[KUBE_FILE_KEY], err);
}

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static bool is_same_blob(const struct kube_blob *a, const struct kube_blob *b)
{
	return a->size == b->size && !a->bytes == !b->bytes &&
	       (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

static bool is_in_use(const struct kube_renewal *r, const struct loaded *l)
{
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++)
		if (!is_same_blob(&r->blobs[i], &l->blobs[i]))
			return false;
	return is_same_text(r->token, l->token);
}

static void take_loaded(struct kube_renewal *r, struct loaded *l)
{
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++) {
		kube_blob_done(&r->blobs[i]);
		r->blobs[i] = l->blobs[i];
		l->blobs[i] = (struct kube_blob){ NULL, 0 };
	}
	np_wipep(&r->token);
	r->token = np_take(l->token);
	r->generation++;
}

static void note_loaded(struct kube_renewal *r)
{
	r->stats.loaded_at = (int64_t)time(NULL);
	r->stats.certificate_not_after = kube_pem_not_after(&r->blobs[KUBE_FILE_CERT]);
	r->stats.ca_not_after = kube_pem_not_after(&r->blobs[KUBE_FILE_CA]);
}

/*
 * Loads all files: 1 where they hold something new, 0 where not. What was in use stays where one of
 * them cannot be used. The stamps are of before the reading, so that no change is missed.
 */
static int load(struct kube_renewal *r, const struct np_stamp stamps[static KUBE_FILE_MAX_KIND],
		struct np_err *err)
{
	NP_AUTO(loaded_done) struct loaded l = { .token = NULL };
	bool is_new;

	if (read_files(r, &l, err) < 0 || check_files(r, &l, err) < 0)
		return np_err_ret(err);
	is_new = !is_in_use(r, &l);
	if (is_new)
		take_loaded(r, &l);
	memcpy(r->stamps, stamps, sizeof(r->stamps));
	note_loaded(r);
	return is_new;
}

/* Looks at the files; the lock is held. Fails where what is due cannot be loaded. */
static int look(struct kube_renewal *r, bool is_forced, uint64_t now_ms, struct np_err *err)
{
	struct np_stamp stamps[KUBE_FILE_MAX_KIND];
	bool was_stale = r->stats.is_stale;
	int loaded;

	if (!is_forced && now_ms - r->looked_ms < CHECK_MS)
		return 0;
	r->looked_ms = now_ms;
	read_stamps(r, stamps);
	/* A failed attempt is repeated even if nothing changed: the file may be readable by now. */
	if (!is_forced && !was_stale && stamps_equal(stamps, r->stamps))
		return 0;
	loaded = load(r, stamps, err);
	r->stats.is_stale = loaded < 0;
	if (loaded >= 0) {
		r->is_news = r->is_news || loaded > 0 || was_stale || is_forced;
		return 0;
	}
	r->stats.failures++;
	memcpy(r->reason, err->text, sizeof(r->reason));
	r->code = err->code;
	return np_err_ret(err);
}

/* --- sharing --------------------------------------------------------------------------------- */

void kube_renewal_unref(struct kube_renewal *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	for (size_t i = 0; i < KUBE_FILE_MAX_KIND; i++)
		free(r->paths[i]);
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++)
		kube_blob_done(&r->blobs[i]);
	np_wipep(&r->token);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void unrefp(struct kube_renewal **r)
{
	kube_renewal_unref(*r);
}

struct kube_renewal *kube_renewal_ref(struct kube_renewal *r)
{
	if (r)
		atomic_fetch_add(&r->refs, 1);
	return r;
}

static int fill(struct kube_renewal *r, const struct np_kube_config *c, struct np_err *err)
{
	const char *const paths[] = { c->ca_file, c->cert_file, c->key_file, c->token_file };
	const struct kube_blob *const blobs[] = { &c->ca, &c->cert, &c->key };

	for (size_t i = 0; i < KUBE_FILE_MAX_KIND; i++)
		if (kube_set_text(&r->paths[i], paths[i], err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++)
		if (blobs[i]->bytes && copy_blob(blobs[i], &r->blobs[i], err) < 0)
			return np_err_ret(err);
	return r->paths[KUBE_FILE_TOKEN] ? kube_set_text(&r->token, c->token, err) : 0;
}

int kube_renewal_new(struct np_kube_config *c, struct np_err *err)
{
	NP_AUTO(unrefp) struct kube_renewal *r = calloc(1, sizeof(*r));

	if (!r)
		return np_fail_nomem(err);
	atomic_init(&r->refs, 1);
	pthread_mutex_init(&r->lock, NULL);
	if (fill(r, c, err) < 0)
		return np_err_ret(err);
	/* Without stamps: the first look loads the files again, and finds what changed meanwhile. */
	r->looked_ms = np_clock_ms();
	note_loaded(r);
	c->renewal = np_take(r);
	return 0;
}

/* Takes over newer files; the lock is held. */
static int adopt(struct np_kube *k, struct kube_renewal *r, struct np_err *err)
{
	struct np_kube_config *c = k->config;
	struct kube_blob *const blobs[] = { &c->ca, &c->cert, &c->key };
	const struct kube_blob *key = &r->blobs[KUBE_FILE_KEY];

	if (key->bytes && kube_secrets_add_lines(&c->secrets, key->bytes, key->size, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < KUBE_FILE_TOKEN; i++)
		if (r->paths[i] && copy_blob(&r->blobs[i], blobs[i], err) < 0)
			return np_err_ret(err);
	if (r->paths[KUBE_FILE_TOKEN] && r->token && !is_same_text(r->token, c->token)) {
		char *token = strdup(r->token);

		if (!token)
			return np_fail_nomem(err);
		if (kube_config_set_token_take(c, token, err) < 0)
			return np_err_ret(err);
		k->identity++;
	}
	k->renewal_generation = r->generation;
	return 0;
}

int kube_renewal_use(struct np_kube *k, bool is_forced, struct np_err *err)
{
	struct kube_renewal *r = k->config->renewal;
	struct np_err ignored = NP_ERR_INIT;
	int done = 0;

	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	/* What is in use may still be good: the server's answer decides. */
	(void)look(r, is_forced, np_clock_ms(), &ignored);
	if (k->renewal_generation != r->generation)
		done = adopt(k, r, err);
	pthread_mutex_unlock(&r->lock);
	return done;
}

int np_kube_config_renew(struct np_kube_config *c, bool is_forced, struct np_err *err)
{
	struct kube_renewal *r = c->renewal;
	struct np_err why = NP_ERR_INIT;
	int done = 0;

	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	(void)look(r, is_forced, np_clock_ms(), &why);
	if (r->stats.is_stale && (is_forced || strcmp(r->reason, r->reported) != 0)) {
		memcpy(r->reported, r->reason, sizeof(r->reported));
		done = np_fail(err, r->code, "%s", r->reason);
	} else if (!r->stats.is_stale && r->is_news) {
		r->reported[0] = '\0';
		done = 1;
	}
	r->is_news = false;
	pthread_mutex_unlock(&r->lock);
	return done;
}

void np_kube_config_read_stats(const struct np_kube_config *c, struct np_kube_credential_stats *ret)
{
	*ret = (struct np_kube_credential_stats){ .loaded_at = 0 };
	if (!c->renewal)
		return;
	pthread_mutex_lock(&c->renewal->lock);
	*ret = c->renewal->stats;
	pthread_mutex_unlock(&c->renewal->lock);
}
