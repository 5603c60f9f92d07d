/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

struct sync {
	const char *released; /* the pool that is gone; NULL: none */
	bool veto;
	unsigned asked;
	bool touches_spec;
};

static bool is_gone(void *ctx, const char *id, const char *holder)
{
	const struct sync *sync = ctx;

	assert_string_equal(holder, "controller");
	return sync->released && strcmp(id, sync->released) == 0;
}

static bool may_write(void *ctx, const struct np_class_sync_change *change)
{
	struct sync *sync = ctx;

	sync->asked++;
	sync->touches_spec = change->touches_spec;
	return !sync->veto;
}

static void sync_class(struct session *x, const char *name, struct sync *sync,
		       struct np_class_sync_result *ret)
{
	static const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha6",
							 "virtualmachineclasses", true };
	const struct np_class_sync one = {
		.ns = "ml",
		.name = name,
		.pools = &x->pools,
		.plan = { .catalogue = catalogue, .holder = "controller" },
		.releases = is_gone,
		.may_write = may_write,
		.ctx = sync,
	};

	*ret = (struct np_class_sync_result){ .attempts = 0 };
	struct np_class_store store = np_sync_store_kube(x->s.kube, &classes);

	if (np_sync_class(&store, &one, ret, &x->err) < 0)
		fail_msg("%s", x->err.text);
}

static void parse_pools(struct session *x, const char *pools)
{
	np_pool_input_done(&x->pools);
	x->pools = (struct np_input){ .n_pools = 0 };
	supervisor_mark(&x->s);
	if (!*pools)
		return;
	if (np_pool_input_parse(&x->pools, catalogue, "pools.yaml", pools, strlen(pools), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->pools, &x->err) < 0)
		fail_msg("%s", x->err.text);
}

/* A pool comes, another one goes, in one PATCH; the last one that goes restores the class. */
static void test_class__pools_are_registered_and_released_in_one_patch(void **state)
{
	struct session x;
	struct np_class_sync_result r;
	struct sync sync = { .released = NULL };

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("old", "a", ""));
	sync_class(&x, "a", &sync, &r);
	assert_int_equal(r.result, NP_SYNC_PATCHED);
	assert_true(r.found && sync.touches_spec);
	np_sync_class_done(&r);
	parse_pools(&x, POOL("new", "a", ""));
	/* A pool that may still exist stays registered. */
	sync_class(&x, "a", &sync, &r);
	assert_int_equal(r.n_released, 0);
	np_sync_class_done(&r);
	supervisor_mark(&x.s);
	sync = (struct sync){ .released = "ml/old" };
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "PATCH a");
	assert_int_equal(r.n_released, 1);
	assert_false(sync.touches_spec);
	np_sync_class_done(&r);
	/* Up to date. */
	supervisor_mark(&x.s);
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "");
	assert_int_equal(r.result, NP_SYNC_UNCHANGED);
	np_sync_class_done(&r);
	parse_pools(&x, "");
	sync = (struct sync){ .released = "ml/new" };
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "PATCH a");
	assert_window(&x, ITEM("a"), "");
	np_sync_class_done(&r);
	close_session(&x);
}

static void test_class__an_invalid_pool_does_not_hold_up_the_others(void **state)
{
	struct session x;
	struct np_class_sync_result r;
	struct sync sync = { .released = NULL };

	(void)state;
	open_session(&x, CLASS("a", A100),
		     POOL("good", "a", "") POOL("bad", "a", ", gpus: [{model: H200, count: 1}]"));
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "PATCH a");
	assert_int_equal(r.errors[0].code, NP_OK);
	assert_int_equal(r.errors[1].code, NP_E_SPEC);
	assert_int_equal(r.sound.n_pools, 1);
	assert_window(&x, ITEM("a"), "512");
	np_sync_class_done(&r);
	close_session(&x);
}

static void test_class__a_veto_writes_nothing(void **state)
{
	struct session x;
	struct np_class_sync_result r;
	struct sync sync = { .veto = true };

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("p", "a", ""));
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "");
	assert_true(r.vetoed);
	assert_int_equal(r.result, NP_SYNC_UNCHANGED);
	assert_int_equal(sync.asked, 1);
	np_sync_class_done(&r);
	close_session(&x);
}

static void test_class__a_class_that_is_gone_is_not_found(void **state)
{
	struct session x;
	struct np_class_sync_result r;
	struct sync sync = { .released = NULL };

	(void)state;
	open_session(&x, NULL, POOL("p", "a", ""));
	sync_class(&x, "a", &sync, &r);
	assert_false(r.found);
	assert_null(r.object);
	assert_int_equal(r.error.code, NP_E_NOT_FOUND);
	assert_int_equal(r.result, NP_SYNC_FAILED);
	np_sync_class_done(&r);
	close_session(&x);
}

/* After each conflict the veto is asked again, and the pools are planned on what is there now. */
static void test_class__a_conflict_is_planned_again(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\", \"path\": \"*/a\"}, "
				    "\"fault\": \"concurrent-write\", \"count\": 1}]";
	struct session x;
	struct np_class_sync_result r;
	struct sync sync = { .released = NULL };

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("p", "a", ""));
	supervisor_faults(&x.s, fault);
	sync_class(&x, "a", &sync, &r);
	assert_writes(&x, "PATCH a, PATCH a");
	assert_int_equal(r.attempts, 2);
	assert_int_equal(sync.asked, 2);
	assert_int_equal(r.result, NP_SYNC_PATCHED);
	assert_non_null(json_object_get(json_object_get(r.object, "metadata"), "labels"));
	assert_null(json_object_get(json_object_get(r.object, "metadata"), "namespace"));
	np_sync_class_done(&r);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class__pools_are_registered_and_released_in_one_patch),
		cmocka_unit_test(test_class__an_invalid_pool_does_not_hold_up_the_others),
		cmocka_unit_test(test_class__a_veto_writes_nothing),
		cmocka_unit_test(test_class__a_class_that_is_gone_is_not_found),
		cmocka_unit_test(test_class__a_conflict_is_planned_again),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
