/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"

enum {
	DAY_S = 24 * 60 * 60,
	DAYS = 365,
	SKEW_S = 60 * 60, /* a client's clock may be behind */
	SERIAL_BITS = 127,
};

static void free_cert(X509 **cert)
{
	X509_free(*cert);
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void free_number(BIGNUM **n)
{
	BN_free(*n);
}

static int fail_openssl(const char *what, struct np_err *err)
{
	unsigned long code = ERR_get_error();
	const char *why = ERR_reason_error_string(code);

	ERR_clear_error();
	return np_fail(err, NP_E_IO, "making %s: %s", what, why ? why : "failed");
}

static int add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int done;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!ext)
		return -1;
	done = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return done == 1 ? 0 : -1;
}

static int set_serial(X509 *cert)
{
	NP_AUTO(free_number) BIGNUM *n = BN_new();

	if (!n || BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1)
		return -1;
	return BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) ? 0 : -1;
}

static int set_names(X509 *cert, X509 *issuer, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
				       -1, 0) != 1)
		return -1;
	return X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 ? 0 : -1;
}

struct extension {
	int nid;
	const char *value;
};

static const struct extension ca_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_undef, NULL },
};

static const struct extension server_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid" },
	{ NID_subject_alt_name, "IP:127.0.0.1,IP:::1,DNS:localhost" },
	{ NID_undef, NULL },
};

static int fill_cert(X509 *cert, X509 *issuer, EVP_PKEY *key, const char *name,
		     const struct extension *list)
{
	if (X509_set_version(cert, X509_VERSION_3) != 1 || set_serial(cert) < 0 ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_S) ||
	    !X509_gmtime_adj(X509_getm_notAfter(cert), (long)DAYS * DAY_S) ||
	    X509_set_pubkey(cert, key) != 1 || set_names(cert, issuer, name) < 0)
		return -1;
	for (; list->value; list++)
		if (add_extension(cert, issuer, list->nid, list->value) < 0)
			return -1;
	return 0;
}

static int put_pem(X509 *cert, EVP_PKEY *key, char **ret, struct np_err *err)
{
	NP_AUTO(free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long size;

	if (!bio || (cert && PEM_write_bio_X509(bio, cert) != 1) ||
	    (key && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1))
		return fail_openssl("a PEM text", err);
	size = BIO_get_mem_data(bio, &bytes);
	*ret = strndup(bytes, (size_t)size);
	return *ret ? 0 : np_fail_nomem(err);
}

/* The CA's key signs one certificate and is forgotten. */
static int make_identity(struct identity *id, struct np_err *err)
{
	NP_AUTO(free_key) EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	NP_AUTO(free_key) EVP_PKEY *key = EVP_EC_gen("P-256");
	NP_AUTO(free_cert) X509 *ca = X509_new();
	NP_AUTO(free_cert) X509 *cert = X509_new();

	if (!ca_key || !key || !ca || !cert ||
	    fill_cert(ca, ca, ca_key, "nodeprep-sim CA", ca_extensions) < 0 ||
	    X509_sign(ca, ca_key, EVP_sha256()) <= 0)
		return fail_openssl("a CA", err);
	if (fill_cert(cert, ca, key, "nodeprep-sim", server_extensions) < 0 ||
	    X509_sign(cert, ca_key, EVP_sha256()) <= 0)
		return fail_openssl("a serving certificate", err);
	if (put_pem(ca, NULL, &id->ca_pem, err) < 0 || put_pem(cert, NULL, &id->cert_pem, err) < 0)
		return np_err_ret(err);
	return put_pem(NULL, key, &id->key_pem, err);
}

/* A certificate of an earlier start is reused while it is valid for another day. */
static bool is_fresh(const char *pem)
{
	NP_AUTO(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
	NP_AUTO(free_cert) X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	time_t soon = time(NULL) + DAY_S;

	ERR_clear_error();
	return cert && X509_cmp_time(X509_get0_notAfter(cert), &soon) > 0;
}

struct kept {
	const char *file;
	char **text;
};

enum { N_KEPT = 3 };

static int read_kept(const char *dir, const struct kept kept[static N_KEPT], struct np_err *err)
{
	int n = 0;

	for (size_t i = 0; i < N_KEPT; i++) {
		int is_there = sim_state_read(dir, kept[i].file, kept[i].text, err);

		if (is_there < 0)
			return is_there;
		n += is_there;
	}
	return n == N_KEPT;
}

int sim_identity_make(struct identity *id, const char *state_dir, struct np_err *err)
{
	const struct kept kept[N_KEPT] = {
		{ "ca.crt", &id->ca_pem },
		{ "tls.crt", &id->cert_pem },
		{ "tls.key", &id->key_pem },
	};
	int is_there = state_dir ? read_kept(state_dir, kept, err) : 0;

	if (is_there < 0)
		return is_there;
	if (is_there && is_fresh(id->cert_pem))
		return 0;
	sim_identity_done(id);
	if (make_identity(id, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; state_dir && i < N_KEPT; i++)
		if (sim_state_write(state_dir, kept[i].file, *kept[i].text, err) < 0)
			return np_err_ret(err);
	return 0;
}

void sim_identity_done(struct identity *id)
{
	free(id->ca_pem);
	free(id->cert_pem);
	np_wipep(&id->key_pem);
	*id = (struct identity){ NULL, NULL, NULL };
}
