/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static int fetch(struct session *x, struct np_fetched *ret)
{
	*ret = (struct np_fetched){ 0 };
	return np_sync_fetch(&x->store, &x->pools, ret, &x->err);
}

/* Each class is read once, in the pools' order; a missing one is left to the plan. */
static void test_fetch__each_class_that_a_pool_names_is_read_once(void **state)
{
	struct session x;
	struct np_fetched f;

	(void)state;
	open_session(&x, TWO,
		     TWO_POOLS POOL("again", "a", "") POOL("gone", "missing", "")
			     POOL("open", "'${CLASS}'", ""));
	assert_int_equal(fetch(&x, &f), 0);
	assert_int_equal(f.n, 2);
	assert_string_equal(np_doc_name(f.items[0].doc), "virtualmachineclass ml/b");
	assert_string_equal(np_doc_name(f.items[1].doc), "virtualmachineclass ml/a");
	/* Two of discovery, three classes. */
	assert_int_equal(supervisor_count(&x.s, NULL), 5);
	np_sync_fetched_done(&f);
	close_session(&x);
}

/* An error of any class but "not found" is the whole fetch's. */
static void test_fetch__an_error_fails_the_fetch(void **state)
{
	static const struct {
		const char *path;
		unsigned status;
		enum np_code code;
	} rows[] = {
		{ "*/virtualmachineclasses/a", 403, NP_E_FORBIDDEN },
		{ "*/virtualmachineclasses/a", 401, NP_E_REFUSED },
		{ "/apis/vmoperator.vmware.com", 403, NP_E_FORBIDDEN },
		{ "*/virtualmachineclasses/a", 503, NP_E_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct session x;
		struct np_fetched f;
		char faults[256];

		open_session(&x, TWO, TWO_POOLS);
		snprintf(faults, sizeof(faults),
			 "[{\"match\": {\"method\": \"GET\", \"path\": \"%s\"}, "
			 "\"fault\": \"status\", \"status\": %u, \"count\": 0}]",
			 rows[i].path, rows[i].status);
		supervisor_faults(&x.s, faults);
		np_kube_set_deadline(x.s.kube, 1500);
		print_message("# %s: %u\n", rows[i].path, rows[i].status);
		assert_int_equal(fetch(&x, &f), -(int)rows[i].code);
		assert_null(f.items);
		assert_writes(&x, "");
		close_session(&x);
	}
}

static void note_progress(void *ctx, enum np_sync_stage stage, size_t done, size_t total)
{
	char *text = ctx;
	size_t used = strlen(text);

	snprintf(text + used, 256 - used, "%s %zu/%zu, ",
		 stage == NP_SYNC_READING ? "read" : "write", done, total);
}

static void test_fetch__progress_is_reported(void **state)
{
	struct session x;
	char text[256] = "";

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	x.o.progress.progress = note_progress;
	x.o.progress.ctx = text;
	assert_int_equal(run(&x), 0);
	assert_string_equal(text, "read 0/2, read 2/2, write 0/2, write 1/2, write 2/2, ");
	close_session(&x);
}

static void test_access__missing_permission_is_named(void **state)
{
	static const char *const ml[] = { "ml" };
	struct session x;
	struct np_kube *viewer;
	struct np_class_store viewers;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	assert_int_equal(np_sync_check_access(&x.store, 1, ml, &x.err), 0);
	viewer = supervisor_connect(&x.s, "viewer", 10000);
	viewers = np_sync_store_kube(viewer, NULL);
	assert_int_equal(np_sync_check_access(&viewers, 1, ml, &x.err), -NP_E_FORBIDDEN);
	expect_has("error", x.err.text, "patch");
	np_kube_free(viewer);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch__each_class_that_a_pool_names_is_read_once),
		cmocka_unit_test(test_fetch__an_error_fails_the_fetch),
		cmocka_unit_test(test_fetch__progress_is_reported),
		cmocka_unit_test(test_access__missing_permission_is_named),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
