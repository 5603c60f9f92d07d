/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

/* What libcurl's codes mean here; an unlisted code is reported in libcurl's words. */
static const struct code_row {
	CURLcode code;
	enum kube_again again;
	const char *says; /* NULL: the operating system's error, or libcurl's words */
} code_rows[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, KUBE_UNSENT, "the proxy's name cannot be resolved" },
	{ CURLE_COULDNT_RESOLVE_HOST, KUBE_UNSENT, "the host name cannot be resolved" },
	{ CURLE_COULDNT_CONNECT, KUBE_UNSENT, NULL },
	{ CURLE_HTTP2, KUBE_MAYBE, "the connection was cut" },
	{ CURLE_PARTIAL_FILE, KUBE_MAYBE, "the connection was cut within the response" },
	{ CURLE_OPERATION_TIMEDOUT, KUBE_MAYBE, NULL },
	{ CURLE_GOT_NOTHING, KUBE_MAYBE, "the connection was cut before a response came" },
	{ CURLE_SEND_ERROR, KUBE_MAYBE, "the connection was cut" },
	{ CURLE_RECV_ERROR, KUBE_MAYBE, "the connection was cut" },
	{ CURLE_SEND_FAIL_REWIND, KUBE_MAYBE, "the connection was cut" },
	{ CURLE_HTTP2_STREAM, KUBE_MAYBE, "the connection was cut" },
	{ CURLE_PROXY, KUBE_NEVER, "the proxy refused to connect" },
};

/* What a server's TLS alert says of our side; matched within libcurl's detail. */
static const struct alert_row {
	const char *pattern;
	const char *says;
} alert_rows[] = {
	{ "alert certificate expired", "it has expired" },
	{ "alert certificate required", "the server requires one, and the user has none" },
	{ "alert certificate revoked", "it was revoked" },
	{ "alert certificate unknown", "the server does not know it" },
	{ "alert bad certificate", "the server finds it malformed" },
	{ "alert unknown ca", "the server does not know the CA that signed it" },
	{ "alert unsupported certificate", "the server does not support its kind" },
};

#define NOT_SIGNED "the server's certificate is not signed by "

/*
 * The verdicts of certificate verification that people meet; the rest is reported in OpenSSL's words.
 * Behind those that end in a blank the CA is named.
 */
static const struct verify_row {
	long verify;
	const char *says;
} verify_rows[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "the server's certificate has expired" },
	{ X509_V_ERR_CERT_NOT_YET_VALID,
	  "the server's certificate is not valid yet: check this machine's clock" },
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, NOT_SIGNED },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	  "the server's certificate is self-signed, not signed by " },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, NOT_SIGNED },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, NOT_SIGNED },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NOT_SIGNED },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NOT_SIGNED },
};

/* CURLE_TOO_LARGE, which libcurl has had since 8.6. */
#define CODE_TOO_LARGE 100

/* Responses that are malformed, within libcurl's detail: another attempt gets the same. */
static const char *const malformed_rows[] = {
	"chunk",
	"Too large response headers",
	"Malformed encoding",
};

static bool is_malformed(const struct kube_net_error *t)
{
	if (t->code != CURLE_RECV_ERROR && t->code != CURLE_WEIRD_SERVER_REPLY)
		return false;
	for (size_t i = 0; i < sizeof(malformed_rows) / sizeof(malformed_rows[0]); i++)
		if (strstr(t->detail, malformed_rows[i]))
			return true;
	return false;
}

static bool is_line_too_long(const struct kube_net_error *t)
{
	return (int)t->code == CODE_TOO_LARGE || (t->code == CURLE_OUT_OF_MEMORY && t->has_memory);
}

static const struct code_row *find_code(CURLcode code)
{
	for (size_t i = 0; i < sizeof(code_rows) / sizeof(code_rows[0]); i++)
		if (code_rows[i].code == code)
			return &code_rows[i];
	return NULL;
}

static const struct alert_row *find_alert(const char *detail)
{
	for (size_t i = 0; i < sizeof(alert_rows) / sizeof(alert_rows[0]); i++)
		if (strstr(detail, alert_rows[i].pattern))
			return &alert_rows[i];
	return NULL;
}

enum kube_again kube_net_error_again(const struct kube_net_error *t)
{
	const struct code_row *row = find_code(t->code);

	if (t->proxy_status >= 400)
		return t->proxy_status >= 500 ? KUBE_UNSENT : KUBE_NEVER;
	/* With TLS 1.3 the server's verdict on a client certificate arrives as a cut connection. */
	if (!row || find_alert(t->detail) || is_malformed(t))
		return KUBE_NEVER;
	return row->again;
}

/* --- TLS ------------------------------------------------------------------------------------- */

static bool is_about_ca(const char *says)
{
	return says[strlen(says) - 1] == ' ';
}

/* libcurl looks at the name after the chain, and leaves its first value behind. */
static int fail_name(const struct kube_net_error *t, struct np_err *err)
{
	bool has_names = t->peer && t->peer->names[0];

	return np_fail(err, NP_E_REFUSED,
		       "%s: the host name '%s' is not in the server's certificate%s%s: "
		       "tls-server-name sets another one",
		       t->server, t->host, has_names ? ", which is for " : "",
		       has_names ? t->peer->names : "");
}

/* Adds when a certificate is valid, and whose it is where it is not the server's own. */
static int fail_validity(const struct kube_net_error *t, const char *says, struct np_err *err)
{
	const char *when =
		t->verify == X509_V_ERR_CERT_HAS_EXPIRED ? t->peer->not_after : t->peer->not_before;

	if (t->peer->depth > 0)
		return np_fail(err, NP_E_REFUSED,
			       "%s: the CA certificate '%s', which the server's certificate leads "
			       "to, is not valid: it %s %s",
			       t->server, t->peer->subject,
			       t->verify == X509_V_ERR_CERT_HAS_EXPIRED ? "has expired on"
									: "is valid from",
			       when);
	return np_fail(err, NP_E_REFUSED, "%s: %s (%s %s)", t->server, says,
		       t->verify == X509_V_ERR_CERT_HAS_EXPIRED ? "on" : "from", when);
}

static int fail_verdict(const struct kube_net_error *t, const char *says, struct np_err *err)
{
	bool is_named = t->peer && t->peer->issuer[0];

	if (is_about_ca(says))
		return np_fail(err, NP_E_REFUSED, "%s: %s%s%s%s%s", t->server, says, t->ca,
			       is_named ? " (its issuer calls itself '" : "",
			       is_named ? t->peer->issuer : "", is_named ? "')" : "");
	if (t->peer && t->peer->not_after[0])
		return fail_validity(t, says, err);
	return np_fail(err, NP_E_REFUSED, "%s: %s", t->server, says);
}

static int fail_verify(const struct kube_net_error *t, struct np_err *err)
{
	if (t->verify == X509_V_OK || t->verify == X509_V_ERR_UNSPECIFIED)
		return fail_name(t, err);
	for (size_t i = 0; i < sizeof(verify_rows) / sizeof(verify_rows[0]); i++)
		if (verify_rows[i].verify == t->verify)
			return fail_verdict(t, verify_rows[i].says, err);
	return np_fail(err, NP_E_REFUSED, "%s: the server's certificate is rejected: %s", t->server,
		       X509_verify_cert_error_string(t->verify));
}

/* Adds the fingerprint, by which an operator can tell whether this is the expected server. */
static int fail_untrusted(const struct kube_net_error *t, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	fail_verify(t, &why);
	if (!t->peer || !t->peer->fingerprint[0])
		return np_fail(err, why.code, "%s", why.text);
	return np_fail(err, why.code, "%s; the certificate's SHA-256 fingerprint is %s%s%s",
		       why.text, t->peer->fingerprint, t->hint ? ": " : "", t->hint ? t->hint : "");
}

static int fail_handshake(const struct kube_net_error *t, struct np_err *err)
{
	if (strstr(t->detail, "wrong version number"))
		return np_fail(err, NP_E_REFUSED, "%s: the server does not speak TLS on this port",
			       t->server);
	return np_fail(err, NP_E_REFUSED, "%s: no TLS connection: %s", t->server, t->detail);
}

/* Returns 0 where the trouble is none of TLS. */
static int fail_tls(const struct kube_net_error *t, struct np_err *err)
{
	const struct alert_row *alert = find_alert(t->detail);

	if (alert)
		return np_fail(err, NP_E_REFUSED,
			       "%s: the server rejects the client certificate of user '%s': %s",
			       t->server, t->user, alert->says);
	switch (t->code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return fail_untrusted(t, err);
	case CURLE_SSL_CONNECT_ERROR:
		return fail_handshake(t, err);
	case CURLE_SSL_CACERT_BADFILE:
		return np_fail(err, NP_E_REFUSED,
			       "%s: the CA certificates are unusable: expected PEM (%s)", t->server,
			       t->detail);
	case CURLE_SSL_CERTPROBLEM:
		return np_fail(err, NP_E_REFUSED,
			       "%s: the client certificate or key of user '%s' cannot be used: %s",
			       t->server, t->user, t->detail);
	default:
		return 0;
	}
}

/* --- the rest -------------------------------------------------------------------------------- */

static const char *os_text(int os_errno, char *buf, size_t size)
{
	char raw[128];

	snprintf(buf, size, "%s", strerror_r(os_errno, raw, sizeof(raw)));
	buf[0] = (char)tolower((unsigned char)buf[0]);
	return buf;
}

static int fail_unreached(const struct kube_net_error *t, const char *says, struct np_err *err)
{
	char text[128];

	if (t->code == CURLE_OPERATION_TIMEDOUT)
		return np_fail(err, NP_E_RETRY,
			       "cannot reach %s: no response within %" PRIu64 " ms", t->server,
			       t->elapsed_ms);
	if (!says && t->os_errno)
		says = os_text(t->os_errno, text, sizeof(text));
	return np_fail(err, NP_E_RETRY, "cannot reach %s: %s", t->server, says ? says : t->detail);
}

static int fail_proxy(const struct kube_net_error *t, struct np_err *err)
{
	if (t->proxy_status == 407)
		return np_fail(
			err, NP_E_REFUSED,
			"%s: the proxy requires a valid user and password (407): set them in its "
			"address, as http://USER:PASSWORD@HOST:PORT",
			t->server);
	return np_fail(err, t->proxy_status >= 500 ? NP_E_RETRY : NP_E_REFUSED,
		       "%s: the proxy refused to connect (%ld)", t->server, t->proxy_status);
}

int kube_net_error_fail(const struct kube_net_error *t, struct np_err *err)
{
	const struct code_row *row = find_code(t->code);
	int r = t->proxy_status >= 400 ? fail_proxy(t, err) : fail_tls(t, err);

	if (r < 0)
		return r;
	if (is_malformed(t))
		return np_fail(err, NP_E_REFUSED, "%s: the server's response is malformed: %s",
			       t->server, t->detail);
	if (is_line_too_long(t))
		return np_fail(err, NP_E_REFUSED,
			       "%s: the server's response has a header line that is too long, or a "
			       "Content-Encoding that is not supported",
			       t->server);
	if (row && row->again != KUBE_NEVER)
		return fail_unreached(t, row->says, err);
	if (t->code == CURLE_OUT_OF_MEMORY)
		return np_fail_nomem(err);
	return np_fail(err, NP_E_REFUSED, "%s: %s", t->server,
		       row && row->says ? row->says : t->detail);
}
