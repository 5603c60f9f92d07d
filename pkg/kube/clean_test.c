/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static const struct {
	const char *what, *body, *want;
} bodies[] = {
	{ "nothing is secret", "{\"kind\":\"A\",\"n\":1.5,\"x\":[true,null]}",
	  "{\"kind\":\"A\",\"n\":1.5,\"x\":[true,null]}" },
	{ "a Secret keeps its keys alone",
	  "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\",\"annotations\":{\"a\":\"{}\"}},"
	  "\"data\":{\"ca.crt\":\"AAAA\"},\"stringData\":{\"n\":7},\"type\":\"Opaque\"}",
	  "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},\"data\":{\"ca.crt\":\"[redacted]\"},"
	  "\"stringData\":{\"n\":\"[redacted]\"},\"type\":\"Opaque\"}" },
	{ "the items of lists",
	  "{\"kind\":\"List\",\"items\":[{\"kind\":\"Secret\",\"data\":{\"a\":\"A\"}}]}",
	  "{\"kind\":\"List\",\"items\":[{\"kind\":\"Secret\",\"data\":{\"a\":\"[redacted]\"}}]}" },
	{ "the items of a list of Secrets, which have no kind",
	  "{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"A\"}}]}",
	  "{\"kind\":\"SecretList\",\"items\":[{\"data\":{\"a\":\"[redacted]\"}}]}" },
	{ "names that mean a secret",
	  "{\"client-key-data\":\"A\",\"adminPassword\":7,\"status\":{\"token\":\"t\"},\"Pass_Phrase\":\"p\"}",
	  "{\"client-key-data\":\"[redacted]\",\"adminPassword\":\"[redacted]\",\"status\":"
	  "{\"token\":\"[redacted]\"},\"Pass_Phrase\":\"[redacted]\"}" },
	{ "all below such a name", "{\"credentials\":{\"user\":[\"u\",{\"x\":1}]}}",
	  "{\"credentials\":{\"user\":[\"[redacted]\",{\"x\":\"[redacted]\"}]}}" },
	{ "a variable, and an extraConfig",
	  "[{\"name\":\"vcPassword\",\"value\":{\"v\":\"p\"}},{\"key\":\"guestinfo.userdata\",\"value\":"
	  "{\"_value\":\"u\"}},{\"key\":\"pciPassthru.use64bitMMIO\",\"value\":\"TRUE\"}]",
	  "[{\"name\":\"vcPassword\",\"value\":{\"v\":\"[redacted]\"}},{\"key\":\"guestinfo.userdata\","
	  "\"value\":{\"_value\":\"[redacted]\"}},{\"key\":\"pciPassthru.use64bitMMIO\",\"value\":\"TRUE\"}]" },
	{ "a manifest within a text",
	  "{\"a\":\"{\\\"kind\\\":\\\"Secret\\\",\\\"data\\\":{\\\"k\\\":\\\"v\\\"}}\"}",
	  "{\"a\":\"{\\\"kind\\\":\\\"Secret\\\",\\\"data\\\":{\\\"k\\\":\\\"[redacted]\\\"}}\"}" },
	{ "a manifest behind blanks", "{\"a\":\"\\n {\\\"token\\\":\\\"v\\\"}\"}",
	  "{\"a\":\"{\\\"token\\\":\\\"[redacted]\\\"}\"}" },
	{ "half a manifest within a text", "{\"a\":\"{\\\"token\\\":\\\"v\"}",
	  "{\"a\":\"[redacted]\"}" },
	{ "a placeholder is no manifest", "{\"a\":\"{{ .name }}\"}", "{\"a\":\"{{ .name }}\"}" },
	{ "a key in PEM", "{\"a\":\"x\\n-----BEGIN RSA PRIVATE KEY-----\\nAA\"}",
	  "{\"a\":\"[redacted]\"}" },
	{ "a key in PEM in base64", "{\"a\":\"LS0tLS1CRUdJTiBFQyBQUklWQVRF\"}",
	  "{\"a\":\"[redacted]\"}" },
	{ "a certificate in PEM in base64", "{\"a\":\"LS0tLS1CRUdJTiBDRVJUSUZJ\"}",
	  "{\"a\":\"LS0tLS1CRUdJTiBDRVJUSUZJ\"}" },
	{ "a user in the second URL", "{\"a\":\"http://h/ http://u:p@h/\"}",
	  "{\"a\":\"[redacted]\"}" },
	{ "a user in a URL", "{\"proxy\":\"http://u:p@h:3128\",\"url\":\"https://h/a@b\"}",
	  "{\"proxy\":\"[redacted]\",\"url\":\"https://h/a@b\"}" },
	{ "what is no JSON", "\"52ab-session\"", "[redacted], 14 bytes that are not JSON" },
	{ "cut JSON", "{\"token\":\"x\"", "[redacted], 12 bytes that are not JSON" },
	{ "XML", "<a:b x='1'><c>t</c></a:b>", "<a:b x='1'><c>t</c></a:b>" },
	{ "elements that mean a secret", "<L><n:password i='p'>hunter2</n:password><u>me</u></L>",
	  "<L><n:password i='p'>[redacted]</n:password><u>me</u></L>" },
	{ "a value behind its key",
	  "<key>guestinfo.metadata</key><value x='s'>m</value><value>n</value>",
	  "<key>guestinfo.metadata</key><value x='s'>[redacted]</value><value>n</value>" },
	{ "a value behind another key", "<key>svga.present</key><value>TRUE</value>",
	  "<key>svga.present</key><value>TRUE</value>" },
	{ "CDATA", "<password><![CDATA[a>b]]></password><c>t</c>",
	  "<password>[redacted]</password><c>t</c>" },
	{ "cut CDATA", "<c><![CDATA[a>b", "<c>[redacted]" },
	{ "a comment", "<c>t<!-- <x>p</x> --></c>", "<c>t[redacted]</c>" },
	{ "cut XML", "<password>hunter", "<password>[redacted]" },
	{ "a cut tag", "<a><b", "<a><b" },
};

static void test_kube__bodies_are_shown_without_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		NP_AUTO(np_freep)
		char *clean = kube_body_clean(bodies[i].body, strlen(bodies[i].body));

		assert_non_null(clean);
		if (strcmp(clean, bodies[i].want) != 0)
			fail_msg("%s: %s", bodies[i].what, clean);
	}
}

static void test_kube__names_that_mean_a_secret(void **state)
{
	static const char *const secret[] = { "Authorization",         "Set-Cookie",
					      "vmware-api-session-id", "Proxy-Authorization",
					      "bindPassword",          "client_key" };
	static const char *const plain[] = { "Accept",  "name", "resourceVersion",
					     "key",     "",     "pciPassthru.64bitMMIOSizeGB",
					     "continue" };
	char longest[400];

	(void)state;
	for (size_t i = 0; i < COUNT(secret); i++)
		assert_true(kube_is_secret_name(secret[i]));
	for (size_t i = 0; i < COUNT(plain); i++)
		assert_false(kube_is_secret_name(plain[i]));
	/* What is too long to be looked at may be one. */
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(kube_is_secret_name(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__bodies_are_shown_without_secrets),
		cmocka_unit_test(test_kube__names_that_mean_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
