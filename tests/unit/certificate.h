/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CERTIFICATE_H
#define TESTS_UNIT_CERTIFICATE_H

/*
 * certificate - certificates for the tests of clients and servers. Each one signs itself, so that it
 * is its own CA.
 */

#include <openssl/x509.h>

struct certificate {
	EVP_PKEY *key;
	X509 *cert;
	char *cert_pem, *key_pem;
};

/*
 * Makes a certificate that was valid two hours ago and is valid for `valid_s` seconds more; a negative
 * number makes one that has expired. `alt_names`, such as "DNS:localhost,IP:127.0.0.1", may be NULL.
 */
void certificate_make(struct certificate *c, const char *common_name, const char *alt_names,
		      long valid_s);

void certificate_done(struct certificate *c);

#endif
