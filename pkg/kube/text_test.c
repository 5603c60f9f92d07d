/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/time.h"

#include "folder_testbed.h"

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
		cmocka_unit_test(test_kube__names_are_escaped_in_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
