/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static void test_kube__connection_errors_are_distinguished(void **state)
{
	static const struct kube_peer blank = { .names = "" }, old_ca = { .depth = 1,
									  .subject = "CN=ca",
									  .not_after = "then" };
	static const struct kube_peer seen = {
		.names = "'a', '::1'", .issuer = "CN=x", .not_before = "once", .not_after = "then"
	};
	static const struct {
		const char *name;
		struct kube_net_error t;
		enum kube_again again;
		enum np_code code;
		const char *says;
	} rows[] = {
		{ "refused",
		  { .code = CURLE_COULDNT_CONNECT, .os_errno = 111, .detail = "" },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "cannot reach https://s: connection refused" },
		{ "no such host",
		  { .code = CURLE_COULDNT_RESOLVE_HOST, .detail = "" },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "cannot be resolved" },
		{ "timeout",
		  { .code = CURLE_OPERATION_TIMEDOUT, .detail = "", .elapsed_ms = 1500 },
		  KUBE_MAYBE,
		  NP_E_RETRY,
		  "no response within 1500 ms" },
		{ "cut",
		  { .code = CURLE_GOT_NOTHING, .detail = "" },
		  KUBE_MAYBE,
		  NP_E_RETRY,
		  "the connection was cut" },
		{ "other CA",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 20, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "not signed by the CA 'ca.crt' (its issuer calls itself 'CN=x')" },
		{ "another CA, of a server of which nothing was seen",
		  { .code = CURLE_PEER_FAILED_VERIFICATION,
		    .verify = 20,
		    .detail = "",
		    .peer = &blank },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "not signed by the CA 'ca.crt'" },
		{ "expired",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 10, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the server's certificate has expired (on then)" },
		{ "not yet valid",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 9, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "check this machine's clock (from once)" },
		{ "the CA has expired",
		  { .code = CURLE_PEER_FAILED_VERIFICATION,
		    .verify = 10,
		    .detail = "",
		    .peer = &old_ca },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the CA certificate 'CN=ca', which the server's certificate leads to, is not valid: "
		  "it has expired on then" },
		{ "the proxy wants a password",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 407 },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the proxy requires a valid user and password" },
		{ "the proxy refuses",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 403 },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "https://s: the proxy refused to connect (403)" },
		{ "the proxy cannot reach the server",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 502 },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "the proxy refused to connect (502)" },
		{ "other name",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the host name 'h' is not in the server's certificate, which is for 'a', '::1': "
		  "tls-server-name" },
		{ "client certificate refused",
		  { .code = CURLE_RECV_ERROR,
		    .detail = "SSL_read: error:0A000418:SSL routines::tlsv1 alert unknown ca" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "rejects the client certificate of user 'u'" },
		{ "plain text on the port",
		  { .code = CURLE_SSL_CONNECT_ERROR, .detail = "x: wrong version number" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "does not speak TLS" },
		{ "bad CA",
		  { .code = CURLE_SSL_CACERT_BADFILE, .detail = "x" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "expected PEM" },
		{ "unheard of",
		  { .code = CURLE_FTP_WEIRD_PASV_REPLY, .detail = "odd" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "https://s: odd" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct kube_net_error t = row->t;
		struct np_err err = NP_ERR_INIT;

		t.server = "https://s";
		t.host = "h";
		t.user = "u";
		t.ca = "the CA 'ca.crt'";
		t.peer = t.peer ? t.peer : &seen;
		if (kube_net_error_again(&t) != row->again ||
		    kube_net_error_fail(&t, &err) != -(int)row->code)
			fail_msg("%s: again %d, code %d: %s", row->name, kube_net_error_again(&t),
				 err.code, err.text);
		expect_has(row->name, err.text, row->says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__connection_errors_are_distinguished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
