/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"

static int context_index = -1;

static void make_index(void)
{
	context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* --- what a certificate says ----------------------------------------------------------------- */

static void add_name(char *names, size_t size, const char *name)
{
	strlcat(names, names[0] ? ", '" : "'", size);
	strlcat(names, name, size);
	strlcat(names, "'", size);
}

static void add_ip(char *names, size_t size, const ASN1_OCTET_STRING *ip)
{
	char text[64];
	int length = ASN1_STRING_length(ip);

	if ((length == 4 || length == 16) &&
	    inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text,
		      sizeof(text)))
		add_name(names, size, text);
}

static void add_dns(char *names, size_t size, const ASN1_STRING *dns)
{
	char text[256];

	snprintf(text, sizeof(text), "%.*s", ASN1_STRING_length(dns),
		 (const char *)ASN1_STRING_get0_data(dns));
	add_name(names, size, text);
}

/* Writes the host names and addresses that the certificate is for. */
static void list_names(X509 *cert, char *names, size_t size)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int n = list ? sk_GENERAL_NAME_num(list) : 0;

	names[0] = '\0';
	for (int i = 0; i < n; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);

		if (name->type == GEN_DNS)
			add_dns(names, size, name->d.dNSName);
		else if (name->type == GEN_IPADD)
			add_ip(names, size, name->d.iPAddress);
	}
	GENERAL_NAMES_free(list);
}

static void write_name(const X509_NAME *name, char *buf, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n = 0;

	if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_read(bio, buf, (int)size - 1);
	buf[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

static void write_time(const ASN1_TIME *when, char *buf, size_t size)
{
	struct tm tm;

	buf[0] = '\0';
	if (ASN1_TIME_to_tm(when, &tm) == 1)
		strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

static void write_fingerprint(const X509 *cert, char *buf, size_t size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t out = 0;

	buf[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
		return;
	for (unsigned i = 0; i < n && out + 4 <= size; i++)
		out += (size_t)snprintf(buf + out, size - out, "%s%02X", i > 0 ? ":" : "",
					digest[i]);
}

/* --- where it is seen ------------------------------------------------------------------------ */

static int on_verify(int is_fine, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct kube_peer *peer = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	X509 *at = X509_STORE_CTX_get_current_cert(store);

	if (!peer || !leaf)
		return is_fine;
	list_names(leaf, peer->names, sizeof(peer->names));
	write_name(X509_get_issuer_name(leaf), peer->issuer, sizeof(peer->issuer));
	write_fingerprint(leaf, peer->fingerprint, sizeof(peer->fingerprint));
	if (!is_fine && at) {
		peer->depth = X509_STORE_CTX_get_error_depth(store);
		write_name(X509_get_subject_name(at), peer->subject, sizeof(peer->subject));
		write_time(X509_get0_notBefore(at), peer->not_before, sizeof(peer->not_before));
		write_time(X509_get0_notAfter(at), peer->not_after, sizeof(peer->not_after));
	}
	return is_fine;
}

/* The np_kube outlives its connection, a request may not. */
static CURLcode on_context(CURL *easy, void *context, void *ctx)
{
	(void)easy;
	if (SSL_CTX_set_ex_data(context, context_index, ctx) != 1)
		return CURLE_OUT_OF_MEMORY;
	SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verify);
	return CURLE_OK;
}

bool kube_peer_watch(CURL *easy, struct kube_peer *peer)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_index);
	return context_index >= 0 &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, peer) == CURLE_OK;
}
