/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_batch__classes_are_written_in_the_plans_order_and_once(void **state)
{
	struct session x;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH b, PATCH a");
	assert_results(&x, "b: patched 1, a: patched 1");
	assert_window(&x, ITEM("a"), "512");
	/* Up to date: nothing but reads. */
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "");
	assert_results(&x, "b: unchanged 0, a: unchanged 0");
	assert_true(supervisor_count(&x.s, NULL) > 0);
	close_session(&x);
}

/* What stops a run before its first write. */
static void test_batch__a_plan_with_an_error_writes_nothing(void **state)
{
	static const struct {
		const char *pools;
		enum np_code code;
	} rows[] = {
		{ TWO_POOLS POOL("gone", "missing", ""), NP_E_NOT_FOUND },
		{ TWO_POOLS POOL("wrong", "a", ", gpus: [{model: H200, count: 1}]"), NP_E_SPEC },
		{ TWO_POOLS POOL("open", "'${CLASS}'", ""), NP_E_SPEC },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct session x;

		open_session(&x, TWO, rows[i].pools);
		assert_int_equal(run(&x), 0);
		assert_writes(&x, "");
		assert_null(x.a.classes);
		assert_int_equal(np_sync_code(&x.a), rows[i].code);
		close_session(&x);
	}
}

static void test_batch__a_dry_run_stores_nothing(void **state)
{
	static const struct {
		enum np_dry_run dry_run;
		const char *writes, *results;
	} rows[] = {
		{ NP_DRY_RUN_CLIENT, "", "b: patched 0, a: patched 0" },
		{ NP_DRY_RUN_SERVER, "PATCH b, PATCH a", "b: patched 1, a: patched 1" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct session x;

		open_session(&x, TWO, TWO_POOLS);
		x.o.dry_run = rows[i].dry_run;
		assert_int_equal(run(&x), 0);
		assert_writes(&x, rows[i].writes);
		assert_results(&x, rows[i].results);
		assert_window(&x, ITEM("a"), "");
		close_session(&x);
	}
}

/* What another writer does between the read and the write is kept, and the result tells the last state. */
static void test_batch__a_conflict_is_planned_again(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\", \"path\": \"*/b\"}, "
				    "\"fault\": \"concurrent-write\", \"count\": 2}]";
	struct session x;
	json_t *class;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	supervisor_faults(&x.s, fault);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH b, PATCH b, PATCH b, PATCH a");
	assert_results(&x, "b: patched 3, a: patched 1");
	assert_window(&x, ITEM("b"), "512");
	class = supervisor_get(&x.s, ITEM("b"));
	/* The label and the entry of the other writer, and the version that the result names. */
	assert_non_null(json_object_get(json_object_get(class, "metadata"), "labels"));
	assert_string_equal(x.a.classes[0].resource_version,
			    json_string_value(json_object_get(json_object_get(class, "metadata"),
							      "resourceVersion")));
	assert_true(x.a.was_replanned);
	assert_int_equal(x.a.plan.n_classes, 2);
	json_decref(class);
	close_session(&x);
}

static void test_batch__one_failure_does_not_stop_the_others(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\", \"path\": \"*/b\"}, "
				    "\"fault\": \"status\", \"status\": 403, \"count\": 1}]";
	struct session x;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	supervisor_faults(&x.s, fault);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH b, PATCH a");
	assert_results(&x, "b: failed 1 forbidden, a: patched 1");
	assert_int_equal(np_sync_code(&x.a), NP_E_FORBIDDEN);
	assert_window(&x, ITEM("b"), "");
	close_session(&x);
}

static void test_batch__a_conflict_that_lasts_ends_at_the_deadline(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\", \"path\": \"*/b\"}, "
				    "\"fault\": \"status\", \"status\": 409, \"count\": 0}]";
	struct session x;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	supervisor_faults(&x.s, fault);
	np_kube_set_deadline(x.s.kube, 1500);
	assert_int_equal(run(&x), 0);
	assert_int_equal(x.a.classes[0].result, NP_SYNC_FAILED);
	assert_int_equal(x.a.classes[0].error.code, NP_E_CONFLICT);
	expect_has("error", x.a.classes[0].error.text, "still conflicting after ");
	assert_window(&x, ITEM("b"), "");
	close_session(&x);
}

struct stop {
	struct session *x;
	size_t after; /* writes */
};

static bool is_stopped(void *ctx)
{
	const struct stop *stop = ctx;

	return supervisor_count(&stop->x->s, "PATCH") >= stop->after;
}

static void test_batch__a_stopped_run_begins_no_further_class(void **state)
{
	struct session x;
	struct stop stop = { &x, 1 };

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	x.o.progress.is_stopped = is_stopped;
	x.o.progress.ctx = &stop;
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH b");
	assert_results(&x, "b: patched 1, a: failed 0 try-again");
	assert_true(x.a.was_stopped);
	close_session(&x);
}

static void test_batch__revert_restores_the_class(void **state)
{
	struct session x;
	json_t *before, *after;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	before = supervisor_get(&x.s, ITEM("a"));
	assert_int_equal(run(&x), 0);
	x.o.plan.revert = true;
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH b, PATCH a");
	after = supervisor_get(&x.s, ITEM("a"));
	assert_true(json_equal(json_object_get(before, "spec"), json_object_get(after, "spec")));
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "");
	json_decref(before);
	json_decref(after);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch__classes_are_written_in_the_plans_order_and_once),
		cmocka_unit_test(test_batch__a_plan_with_an_error_writes_nothing),
		cmocka_unit_test(test_batch__a_dry_run_stores_nothing),
		cmocka_unit_test(test_batch__a_conflict_is_planned_again),
		cmocka_unit_test(test_batch__one_failure_does_not_stop_the_others),
		cmocka_unit_test(test_batch__a_conflict_that_lasts_ends_at_the_deadline),
		cmocka_unit_test(test_batch__a_stopped_run_begins_no_further_class),
		cmocka_unit_test(test_batch__revert_restores_the_class),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
