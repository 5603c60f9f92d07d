/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static void test_kube__no_proxy_is_matched_as_in_go(void **state)
{
	static const struct {
		const char *name, *no_proxy, *host, *port;
		bool want;
	} rows[] = {
		{ "no list", NULL, "h", "443", false },
		{ "localhost", NULL, "localhost", "443", true },
		{ "loopback", NULL, "127.3.2.1", "443", true },
		{ "loopback of IPv6", NULL, "::1", "443", true },
		{ "a star", "x,*", "h", "443", true },
		{ "a domain for itself", "Lab.example", "lab.example", "443", true },
		{ "a domain for what is below", "lab.example", "a.LAB.example", "443", true },
		{ "no domain, though its end", "lab.example", "xlab.example", "443", false },
		{ "a dot in front: not for itself", ".lab.example", "lab.example", "443", false },
		{ "a dot in front: for what is below", ".lab.example", "a.lab.example", "443",
		  true },
		{ "a star in front", "*.lab.example", "a.lab.example", "443", true },
		{ "a star in front: not for itself", "*.lab.example", "lab.example", "443", false },
		{ "the port", "h:6443", "h", "6443", true },
		{ "another port", "h:6443", "h", "443", false },
		{ "an address", "10.1.2.3", "10.1.2.3", "443", true },
		{ "an address with its port", "10.1.2.3:6443", "10.1.2.3", "6443", true },
		{ "a network", " 10.0.0.0/8 ", "10.1.2.3", "443", true },
		{ "another network", "10.0.0.0/9", "10.200.2.3", "443", false },
		{ "a network and a name", "10.0.0.0/8", "h", "443", false },
		{ "all of IPv4 is not IPv6", "0.0.0.0/0", "fd00::1", "443", false },
		{ "an IPv6 network", "fd00::/8", "fd00::1", "443", true },
		{ "an IPv6 address", "fd00::1", "fd00:0::1", "443", true },
		{ "an IPv6 address with its port", "[fd00::1]:6443", "fd00::1", "6443", true },
		{ "an IPv6 address with another port", "[fd00::1]:6443", "fd00::1", "443", false },
		{ "empty entries", ",,:80,", "h", "80", false },
		{ "no network", "10.0.0.0/x", "10.0.0.1", "443", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;
		bool got = !rows[i].want;

		assert_int_equal(kube_proxy_is_excepted(rows[i].no_proxy, rows[i].host,
							rows[i].port, &got, &err),
				 0);
		if (got != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

static void test_kube__proxy_is_chosen(void **state)
{
	static const struct {
		const char *name;
		struct np_kube_options o;
		const char *host, *want; /* NULL: refused */
	} rows[] = {
		{ "none", { .server = "https://h" }, "h", "" },
		{ "of TLS",
		  { .server = "https://h", .proxy = "p:1", .http_proxy = "q:1" },
		  "h",
		  "http://p:1" },
		{ "without TLS",
		  { .server = "http://h", .proxy = "p:1", .http_proxy = "q:1" },
		  "h",
		  "http://q:1" },
		{ "SOCKS resolves the name",
		  { .server = "https://h", .proxy = "socks5://p:1" },
		  "h",
		  "socks5h://p:1" },
		{ "excepted", { .server = "https://h", .proxy = "p:1", .no_proxy = "h" }, "h", "" },
		{ "loopback", { .server = "https://h", .proxy = "p:1" }, "127.0.0.1", "" },
		{ "another kind", { .server = "https://h", .proxy = "ftp://p:1" }, "h", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;
		char *url = NULL;
		int r;

		assert_int_equal(np_kube_config_load(&row->o, &c, &err), 0);
		r = kube_proxy_choose(c, row->host, "443", &url, &err);
		if ((r < 0) != !row->want || (url && strcmp(url, row->want) != 0))
			fail_msg("%s: '%s'", row->name, url ? url : err.text);
		free(url);
		np_kube_config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__no_proxy_is_matched_as_in_go),
		cmocka_unit_test(test_kube__proxy_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
