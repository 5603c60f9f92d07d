/* SPDX-License-Identifier: Apache-2.0 */
#include "certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Returns what was written to the BIO, and frees it. */
static char *take_text(BIO *bio)
{
	char *bytes = NULL, *text;
	long size = BIO_get_mem_data(bio, &bytes);

	assert_true(size > 0);
	text = strndup(bytes, (size_t)size);
	assert_non_null(text);
	BIO_free(bio);
	return text;
}

/* A client that knows two certificates of one issuer must see two serial numbers. */
static void set_serial(X509 *cert)
{
	uint32_t serial = 0;

	assert_int_equal(RAND_bytes((unsigned char *)&serial, sizeof(serial)), 1);
	assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial), 1);
}

static void set_names(X509 *cert, const char *common_name, const char *alt_names)
{
	X509_NAME *name = X509_get_subject_name(cert);
	X509_EXTENSION *ext;

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1,
				   -1, 0);
	X509_set_issuer_name(cert, name);
	if (!alt_names)
		return;
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt_names);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static void write_pem(struct certificate *c)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(cert, c->cert), 1);
	assert_int_equal(PEM_write_bio_PrivateKey(key, c->key, NULL, NULL, 0, NULL, NULL), 1);
	c->cert_pem = take_text(cert);
	c->key_pem = take_text(key);
}

void certificate_make(struct certificate *c, const char *common_name, const char *alt_names,
		      long valid_s)
{
	c->key = EVP_EC_gen("P-256");
	c->cert = X509_new();
	X509_set_version(c->cert, 2);
	set_serial(c->cert);
	X509_gmtime_adj(X509_getm_notBefore(c->cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(c->cert), valid_s);
	X509_set_pubkey(c->cert, c->key);
	set_names(c->cert, common_name, alt_names);
	assert_true(X509_sign(c->cert, c->key, EVP_sha256()) > 0);
	write_pem(c);
}

void certificate_done(struct certificate *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->cert);
	free(c->cert_pem);
	free(c->key_pem);
	*c = (struct certificate){ 0 };
}
