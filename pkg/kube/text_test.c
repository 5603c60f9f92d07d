/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/time.h"

#include "folder_testbed.h"

static void test_kube__times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} rows[] = {
		{ "1970-01-01T00:00:10Z", 10 },
		{ "1970-01-01T01:00:10.123456789+01:00", 10 },
		{ "1969-12-31t23:30:00-00:30", 0 },
		{ "2026-11-25T19:00:00Z", 1795633200 },
		{ "2026-11-25 19:00:00Z", -1 },
		{ "2026-11-25T19:00:00", -1 },
		{ "2026-13-25T19:00:00Z", -1 },
		{ "2026-00-25T19:00:00Z", -1 },
		{ "2026-11-25T19:00:00.Z", -1 },
		{ "2026-11-25T19:00:00Zx", -1 },
		{ "2026-11-25T19:00:00+0100", -1 },
		{ "tomorrow", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t got = -1;

		if (np_time_parse(rows[i].text, &got) != (rows[i].want >= 0) || got != rows[i].want)
			fail_msg("'%s': %lld", rows[i].text, (long long)got);
	}
}

static void test_kube__base64_is_read_strictly(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "QUJD", "ABC" }, { "QUI=", "AB" }, { "QQ==", "A" },  { "QU\n JD\n", "ABC" },
		{ "QUJ", NULL },   { "Q===", NULL }, { "QU=D", NULL }, { "QUJ!", NULL },
		{ "QUJD-", NULL }, { "", NULL },     { "====", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct kube_blob blob = { 0 };
		bool ok = kube_base64_decode(rows[i].text, &blob);

		if (ok != !!rows[i].want || (ok && (strcmp(blob.bytes, rows[i].want) != 0 ||
						    blob.size != strlen(rows[i].want))))
			fail_msg("'%s' gives '%s'", rows[i].text, ok ? blob.bytes : "(refused)");
		free(blob.bytes);
	}
}

static void test_kube__names_are_escaped_in_paths(void **state)
{
	static const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha2",
							 "virtualmachineclasses", true };
	static const struct np_kube_resource nodes = { "", "v1", "nodes", false };
	static const struct {
		const struct np_kube_resource *r;
		const char *ns, *name, *want; /* NULL: refused */
	} rows[] = {
		{ &classes, "ml", "gpu",
		  "/apis/vmoperator.vmware.com/v1alpha2/namespaces/ml/virtualmachineclasses/gpu" },
		{ &classes, NULL, NULL,
		  "/apis/vmoperator.vmware.com/v1alpha2/virtualmachineclasses" },
		{ &nodes, "ml", "a b?c#d&e", "/api/v1/nodes/a%20b%3Fc%23d%26e" },
		{ &nodes, NULL, "\xc3\xa9", "/api/v1/nodes/%C3%A9" },
		{ &nodes, NULL, "..", NULL },
		{ &nodes, NULL, ".", NULL },
		{ &nodes, NULL, "", NULL },
		{ &nodes, NULL, "a/b", NULL },
		{ &nodes, NULL, "a%2fb", NULL },
		{ &classes, "", "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;
		char *path = NULL;
		int r = kube_path(rows[i].r, rows[i].ns, rows[i].name, &path, &err);

		assert_int_equal(r, rows[i].want ? 0 : -NP_E_SPEC);
		if (r == 0)
			assert_string_equal(path, rows[i].want);
		else
			assert_null(path);
		free(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kube__times_are_read),
		cmocka_unit_test(test_kube__base64_is_read_strictly),
		cmocka_unit_test(test_kube__names_are_escaped_in_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
