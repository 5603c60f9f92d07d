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
	  "{\"a\":\"http://h/ http://[redacted]@h/\"}" },
	{ "a user in a URL", "{\"proxy\":\"http://u:p@h:3128\",\"url\":\"https://h/a@b\"}",
	  "{\"proxy\":\"http://[redacted]@h:3128\",\"url\":\"https://h/a@b\"}" },
	{ "the query of a URL", "{\"a\":\"see https://h/p?code=1#f.\",\"b\":\"why? #1\"}",
	  "{\"a\":\"see https://h/p?[redacted]\",\"b\":\"why? #1\"}" },
	{ "a YAML manifest within a text", "{\"a\":\"kind: A\\npassword: a b\\nn: 1\"}",
	  "{\"a\":\"kind: A\\npassword: [redacted]\\nn: 1\"}" },
	{ "a NUL within a text", "{\"a\":\"x\\u0000token=y\"}", "{\"a\":\"[redacted]\"}" },
	{ "what is no JSON", "\"52ab-session\"", "[redacted], 14 bytes that are not JSON" },
	{ "cut JSON", "{\"token\":\"x\"", "[redacted], 12 bytes that are not JSON" },
	{ "XML", "<a:b x='1'><c>t</c></a:b>", "<a:b x='1'><c>t</c></a:b>" },
	{ "elements that mean a secret", "<L><n:password i='p'>hunter2</n:password><u>me</u></L>",
	  "<L><n:password i='[redacted]'>[redacted]</n:password><u>me</u></L>" },
	{ "a value behind its key",
	  "<key>guestinfo.metadata</key><value x='s'>m</value><value>n</value>",
	  "<key>guestinfo.metadata</key><value x='s'>[redacted]</value><value>n</value>" },
	{ "elements within one that means a secret",
	  "<password>\n<a b='x'>hunter2</a><c/>\n<d>x</d></password>\n<u>me</u>",
	  "<password>\n<a b='[redacted]'>[redacted]</a><c/>\n<d>[redacted]</d></password>\n<u>me</u>" },
	{ "elements within a value behind its key",
	  "<key>token</key><value><a>hunter2</a></value><key>ip</key><value><a>1</a></value>",
	  "<key>token</key><value><a>[redacted]</a></value><key>ip</key><value><a>1</a></value>" },
	{ "a value behind another key", "<key>svga.present</key><value>TRUE</value>",
	  "<key>svga.present</key><value>TRUE</value>" },
	{ "CDATA", "<password><![CDATA[a>b]]></password><c>t</c>",
	  "<password>[redacted]</password><c>t</c>" },
	{ "cut CDATA", "<c><![CDATA[a>b", "<c>[redacted]" },
	{ "a comment", "<c>t<!-- <x>p</x> --></c>", "<c>t[redacted]</c>" },
	{ "a document type", "<!DOCTYPE a [<!ENTITY b \"c>d\">]><a>&b;</a>", "[redacted]" },
	{ "cut XML", "<password>hunter", "<password>[redacted]" },
	{ "a cut tag", "<a><b", "<a><b" },
	{ "attributes that mean a secret",
	  "<a token=\"x>y\" n:Pass-Word = 'z' b=\"c\"/><d userToken=e f/>",
	  "<a token=\"[redacted]\" n:Pass-Word = '[redacted]' b=\"c\"/><d userToken=[redacted] f/>" },
	{ "the attributes of an element that means a secret",
	  "<credential xmlns:i=\"u\" i:type=\"t\" x=\"hunter2\"/><b x=\"y\"/>",
	  "<credential xmlns:i=\"u\" i:type=\"t\" x=\"[redacted]\"/><b x=\"y\"/>" },
	{ "an attribute beside the one that names it",
	  "<P e:value='hunter2' e:key='root-password'/><P e:key='ip' e:value='v'/>",
	  "<P e:value='[redacted]' e:key='root-password'/><P e:key='ip' e:value='v'/>" },
	{ "an element whose attribute names it", "<entry key='token'>x</entry>",
	  "<entry key='token'>[redacted]</entry>" },
	{ "a URL in an attribute and in a text",
	  "<a href='https://u:p@h/?t=1&amp;u=2'>https://h/?t=1</a><b>a token=t</b>",
	  "<a href='https://[redacted]@h/?[redacted]'>https://h/?[redacted]</a><b>a token=[redacted]</b>" },
	{ "JSON in XML", "<a>{&#34;n&#34;:1}</a><a>{\"n\":1}</a><a>{1}</a>",
	  "<a>[redacted]</a><a>[redacted]</a><a>{1}</a>" },
	{ "a key in PEM in XML", "<a>-----BEGIN PRIVATE KEY-----\nx</a>", "<a>[redacted]</a>" },
	{ "a cut attribute", "<a token='hun", "<a token='[redacted]" },
	{ "an attribute without its end", "<a b='c><password>x</password>", "<a b='[redacted]" },
	{ "a tag without its end", "<a b <password>x</password>",
	  "<a b <password>[redacted]</password>" },
};

static const struct {
	enum kube_text kind;
	const char *what, *text, *want;
} texts[] = {
	{ KUBE_TEXT_HEADER, "no secret", "no-cache, private; max-age=5",
	  "no-cache, private; max-age=5" },
	{ KUBE_TEXT_HEADER, "a query", "/a?code=x&token=y", "/a?[redacted]" },
	{ KUBE_TEXT_HEADER, "a fragment", "https://h/a#access_token=y", "https://h/a#[redacted]" },
	{ KUBE_TEXT_HEADER, "an empty query", "/a?", "/a?" },
	{ KUBE_TEXT_HEADER, "a query and what is behind it", "<https://h/?t=1>; rel=\"next\"",
	  "<https://h/?[redacted]>; rel=\"next\"" },
	{ KUBE_TEXT_HEADER, "a parameter", "Bearer realm=\"r\", token=\"a, b\", x=1",
	  "Bearer realm=\"r\", token=[redacted]" },
	{ KUBE_TEXT_HEADER, "a value whose name tells nothing", "299 - \"a token is old\"",
	  "299 - \"a token is old\"" },
	{ KUBE_TEXT_HEADER, "a query within a path", "/a;next=%2Fb%3Ftoken%3Dabc",
	  "/a;next=%2Fb%3Ftoken%3D[redacted]" },
	{ KUBE_TEXT_PLAIN, "an encoded name", "%74oken=abc", "%74oken=[redacted]" },
	{ KUBE_TEXT_PLAIN, "a name with NUL", "a%00token=abc", "a%00token=[redacted]" },
	{ KUBE_TEXT_PLAIN, "a name that is too long to be read",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=b",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=[redacted]" },
	{ KUBE_TEXT_PLAIN, "a name encoded twice", "a%253Db%2526token%253Dabc",
	  "a%253Db%2526token%253D[redacted]" },
	{ KUBE_TEXT_PLAIN, "blanks and quotes", "\"api-key\" : \"a\"\n{&quot;token&quot;: 1}",
	  "\"api-key\" : [redacted]\n{&quot;token&quot;: [redacted]" },
	{ KUBE_TEXT_PLAIN, "a password with the marks of a URL", "https://u:p/?#w@h:1/x@y?z",
	  "https://[redacted]@y?[redacted]" },
	{ KUBE_TEXT_PLAIN, "a port and an '@' in a path",
	  "https://h:443/a@b https://[::1]:6443/a@b", "https://h:443/a@b https://[::1]:6443/a@b" },
	{ KUBE_TEXT_PLAIN, "a scheme is not a name", "token://h/a", "token://h/a" },
	{ KUBE_TEXT_PATH, "a value of ours ends at '&'", "/a?token=b=c&limit=5&continue=x",
	  "/a?token=[redacted]&limit=5&continue=x" },
	{ KUBE_TEXT_PATH, "a selector",
	  "/secrets?fieldSelector=metadata.name%3Da%2Cpassword%3Db&limit=5",
	  "/secrets?fieldSelector=metadata.name%3Da%2Cpassword%3D[redacted]&limit=5" },
	{ KUBE_TEXT_PATH, "a colon", "/apis/system:token:x", "/apis/system:token:x" },
};

static void test_kube__texts_are_shown_without_secrets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		NP_AUTO(np_freep) char *clean = kube_text_clean(texts[i].text, texts[i].kind);

		assert_non_null(clean);
		if (strcmp(clean, texts[i].want) != 0)
			fail_msg("%s: %s", texts[i].what, clean);
	}
}

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
		cmocka_unit_test(test_kube__texts_are_shown_without_secrets),
		cmocka_unit_test(test_kube__names_that_mean_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
