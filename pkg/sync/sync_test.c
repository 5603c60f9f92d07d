/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/sync.h"

#include "catalogue.h"
#include "expect.h"
#include "supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#define API "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
#define ITEM(name) API "/" name

#define CLASS(name, gpus)                              \
	"---\n"                                        \
	"apiVersion: vmoperator.vmware.com/v1alpha6\n" \
	"kind: VirtualMachineClass\n"                  \
	"metadata: {name: " name ", namespace: ml}\n"  \
	"spec:\n"                                      \
	"  hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" gpus "]}}\n"
#define A100 "{vendorID: 4318, deviceID: 8368}"
#define POOL(name, class, rest)                       \
	"---\n"                                       \
	"apiVersion: nodeprep.dev/v1alpha1\n"         \
	"kind: NodePool\n"                            \
	"metadata: {name: " name ", namespace: ml}\n" \
	"spec: {vmClass: " class rest "}\n"

/* Two classes to change, of which pool order says 'b' comes first. */
#define TWO CLASS("a", A100) CLASS("b", A100)
#define TWO_POOLS POOL("first", "b", "") POOL("second", "a", "")

struct session {
	struct supervisor s;
	struct np_input pools;
	struct np_sync_options o;
	struct np_sync a;
	struct np_err err;
	char writes[1024];
};

static void open_session(struct session *x, const char *classes, const char *pools)
{
	*x = (struct session){ .err = NP_ERR_INIT };
	supervisor_start(&x->s, classes);
	x->o.plan = (struct np_plan_options){ .catalogue = catalogue, .holder = "apply" };
	if (np_pool_input_parse(&x->pools, catalogue, "pools.yaml", pools, strlen(pools), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->pools, &x->err) < 0)
		fail_msg("%s", x->err.text);
	supervisor_mark(&x->s);
}

static void close_session(struct session *x)
{
	np_sync_done(&x->a);
	np_pool_input_done(&x->pools);
	supervisor_stop(&x->s);
}

static int run(struct session *x)
{
	int r;

	np_sync_done(&x->a);
	r = np_sync_run(x->s.kube, &x->pools, &x->o, &x->a, &x->err);
	if (r < 0)
		print_message("%s\n", x->err.text);
	return r;
}

static void assert_writes(struct session *x, const char *wanted)
{
	assert_string_equal(supervisor_writes(&x->s, x->writes, sizeof(x->writes)), wanted);
}

/* Returns "a: patched 1, b: failed 2 conflict": each class, its result, attempts and error. */
static const char *results(const struct session *x, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; x->a.classes && i < x->a.plan.n_classes; i++) {
		const struct np_sync_outcome *r = &x->a.classes[i];

		used += (size_t)snprintf(buf + used, size - used, "%s%s: %s %u%s%s",
					 i > 0 ? ", " : "", x->a.plan.classes[i].name,
					 np_sync_result_name(r->result), r->attempts,
					 r->error.code == NP_OK ? "" : " ",
					 r->error.code == NP_OK ? "" : np_code_name(r->error.code));
	}
	return buf;
}

static void assert_results(const struct session *x, const char *wanted)
{
	char buf[1024];

	assert_string_equal(results(x, buf, sizeof(buf)), wanted);
}

/* Returns the value of an extraConfig key of the class; "" where there is none. */
static const char *value_of(struct session *x, const char *path, const char *key,
			    char buf[static 32])
{
	json_t *class = supervisor_get(&x->s, path);
	const json_t *spec = json_object_get(json_object_get(class, "spec"), "configSpec");
	json_t *entry;
	size_t i;

	buf[0] = '\0';
	json_array_foreach (json_object_get(spec, "extraConfig"), i, entry) {
		if (strcmp(json_string_value(json_object_get(entry, "key")), key) == 0)
			snprintf(buf, 32, "%s",
				 json_string_value(json_object_get(json_object_get(entry, "value"),
								   "_value")));
	}
	json_decref(class);
	return buf;
}

static void assert_window(struct session *x, const char *path, const char *wanted)
{
	char buf[32];

	assert_string_equal(value_of(x, path, NP_VMX_SIZE_NAME, buf), wanted);
}

/* --- the batch -------------------------------------------------------------------------------- */

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

static void test_batch__one_failure_leaves_the_others(void **state)
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

/* --- one class -------------------------------------------------------------------------------- */

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
		.resource = &classes,
		.ns = "ml",
		.name = name,
		.pools = &x->pools,
		.plan = { .catalogue = catalogue, .holder = "controller" },
		.releases = is_gone,
		.may_write = may_write,
		.ctx = sync,
	};

	*ret = (struct np_class_sync_result){ .attempts = 0 };
	if (np_sync_class(x->s.kube, &one, ret, &x->err) < 0)
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
static void test_sync__pools_join_and_are_released_in_one_patch(void **state)
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

static void test_sync__an_invalid_pool_does_not_hold_up_the_others(void **state)
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

static void test_sync__a_veto_writes_nothing(void **state)
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

static void test_sync__a_class_that_is_gone_is_not_found(void **state)
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
static void test_sync__a_conflict_is_planned_again(void **state)
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

/* --- release ---------------------------------------------------------------------------------- */

static bool is_apply(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	return strcmp(holder, "apply") == 0;
}

static bool is_nobody(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	(void)holder;
	return false;
}

static void test_release__every_class_of_the_holder_is_found(void **state)
{
	static const char *const ml[] = { "ml" };
	struct session x;
	struct np_release l = { 0 };
	struct np_release_scope o = { .releases = is_nobody };

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	o.catalogue = catalogue;
	assert_int_equal(run(&x), 0);
	supervisor_mark(&x.s);
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 0);
	assert_writes(&x, "");
	np_sync_release_done(&l);
	o.releases = is_apply;
	o.dry_run = true;
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.classes[0].result, NP_SYNC_PATCHED);
	assert_writes(&x, "");
	np_sync_release_done(&l);
	o.dry_run = false;
	o.namespaces = ml;
	o.n_namespaces = 1;
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_writes(&x, "PATCH a, PATCH b");
	assert_window(&x, ITEM("a"), "");
	np_sync_release_done(&l);
	supervisor_mark(&x.s);
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 0);
	assert_writes(&x, "");
	np_sync_release_done(&l);
	close_session(&x);
}

/* Without the right to list, the classes that the pools name are read; a conflict is solved. */
static void test_release__without_listing_the_named_classes_are_read(void **state)
{
	static const char faults[] =
		"[{\"match\": {\"method\": \"GET\", \"path\": \"*/virtualmachineclasses\"}, "
		"\"fault\": \"status\", \"status\": 403, \"count\": 0},"
		"{\"match\": {\"method\": \"PATCH\", \"path\": \"*/b\"}, "
		"\"fault\": \"concurrent-write\", \"count\": 1}]";
	struct session x;
	struct np_release l = { 0 };
	struct np_release_scope o = { .releases = is_apply };

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	assert_int_equal(run(&x), 0);
	supervisor_mark(&x.s);
	supervisor_faults(&x.s, faults);
	o.catalogue = catalogue;
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), -NP_E_FORBIDDEN);
	o.in = &x.pools;
	assert_int_equal(np_sync_release(x.s.kube, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_writes(&x, "PATCH b, PATCH b, PATCH a");
	assert_int_equal(l.classes[0].attempts, 2);
	assert_window(&x, ITEM("b"), "");
	np_sync_release_done(&l);
	close_session(&x);
}

/* --- rights ----------------------------------------------------------------------------------- */

static void test_rights__what_is_missing_is_named(void **state)
{
	static const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha6",
							 "virtualmachineclasses", true };
	static const char *const ml[] = { "ml" };
	struct session x;
	struct np_kube *viewer;

	(void)state;
	open_session(&x, TWO, TWO_POOLS);
	assert_int_equal(np_sync_check_access(x.s.kube, &classes, 1, ml, &x.err), 0);
	viewer = supervisor_connect(&x.s, "viewer", 10000);
	assert_int_equal(np_sync_check_access(viewer, &classes, 1, ml, &x.err), -NP_E_FORBIDDEN);
	expect_has("error", x.err.text, "patch");
	np_kube_free(viewer);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch__classes_are_written_in_the_plans_order_and_once),
		cmocka_unit_test(test_batch__a_plan_with_an_error_writes_nothing),
		cmocka_unit_test(test_batch__a_dry_run_stores_nothing),
		cmocka_unit_test(test_batch__a_conflict_is_planned_again),
		cmocka_unit_test(test_batch__one_failure_leaves_the_others),
		cmocka_unit_test(test_batch__a_conflict_that_lasts_ends_at_the_deadline),
		cmocka_unit_test(test_batch__a_stopped_run_begins_no_further_class),
		cmocka_unit_test(test_batch__revert_restores_the_class),
		cmocka_unit_test(test_sync__pools_join_and_are_released_in_one_patch),
		cmocka_unit_test(test_sync__an_invalid_pool_does_not_hold_up_the_others),
		cmocka_unit_test(test_sync__a_veto_writes_nothing),
		cmocka_unit_test(test_sync__a_class_that_is_gone_is_not_found),
		cmocka_unit_test(test_sync__a_conflict_is_planned_again),
		cmocka_unit_test(test_release__every_class_of_the_holder_is_found),
		cmocka_unit_test(test_release__without_listing_the_named_classes_are_read),
		cmocka_unit_test(test_rights__what_is_missing_is_named),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
