/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static bool is_apply(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	return strcmp(holder, "apply") == 0;
}

/* Picks the registrations of one pool, whatever its holder. */
static bool is_pool(void *ctx, const char *id, const char *holder)
{
	(void)holder;
	return strcmp(id, ctx) == 0;
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
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 0);
	assert_writes(&x, "");
	np_sync_release_done(&l);
	o.releases = is_apply;
	o.dry_run = true;
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.classes[0].result, NP_SYNC_PATCHED);
	assert_writes(&x, "");
	np_sync_release_done(&l);
	o.dry_run = false;
	o.namespaces = ml;
	o.n_namespaces = 1;
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_writes(&x, "PATCH a, PATCH b");
	assert_window(&x, ITEM("a"), "");
	np_sync_release_done(&l);
	supervisor_mark(&x.s);
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), 0);
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
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), -NP_E_FORBIDDEN);
	o.in = &x.pools;
	assert_int_equal(np_sync_release(&x.store, &o, &l, &x.err), 0);
	assert_int_equal(l.n, 2);
	assert_writes(&x, "PATCH b, PATCH b, PATCH a");
	assert_int_equal(l.classes[0].attempts, 2);
	assert_window(&x, ITEM("b"), "");
	np_sync_release_done(&l);
	close_session(&x);
}

/* A class in each of two namespaces, with a pool of the same name. */
#define CLASS_IN(ns)                                                                            \
	"---\napiVersion: vmoperator.vmware.com/v1alpha6\n"                                     \
	"kind: VirtualMachineClass\nmetadata: {name: gpu, namespace: " ns "}\n"                 \
	"spec: {hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" A100 \
	"]}}}\n"
#define POOL_IN(ns)                                                \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n" \
	"metadata: {name: w, namespace: " ns "}\nspec: {vmClass: gpu}\n"
#define ITEM_IN(ns) \
	"/apis/vmoperator.vmware.com/v1alpha6/namespaces/" ns "/virtualmachineclasses/gpu"

static const char *const both[] = { "ml", "hpc" };

static void open_two_namespaces(struct session *x)
{
	open_session(x, CLASS_IN("hpc") CLASS_IN("ml"), POOL_IN("hpc") POOL_IN("ml"));
	assert_int_equal(run(x), 0);
	supervisor_mark(&x->s);
}

/* Writes "hpc/gpu patched 1, ml/gpu patched 1; list-forbidden". */
static void assert_release(struct session *x, const struct np_release_scope *scope,
			   const char *wanted)
{
	NP_AUTO(np_sync_release_done) struct np_release r = { 0 };
	char buf[512] = "";
	size_t used = 0;

	if (np_sync_release(&x->store, scope, &r, &x->err) < 0)
		fail_msg("%s", x->err.text);
	for (size_t i = 0; i < r.n; i++) {
		const struct np_release_class *c = &r.classes[i];

		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%s%s/%s %s %u",
					 i > 0 ? ", " : "", c->ns, c->name,
					 np_sync_result_name(c->result), c->attempts);
		if (c->error.code != NP_OK)
			used += (size_t)snprintf(buf + used, sizeof(buf) - used, " %s",
						 np_code_name(c->error.code));
	}
	for (size_t i = 0; i < r.warnings.n; i++)
		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "; %s",
					 r.warnings.items[i].code);
	assert_string_equal(buf, wanted);
}

static void test_release__only_the_listed_namespaces_are_searched(void **state)
{
	struct session x;
	struct np_release_scope scope = { .releases = is_apply, .namespaces = both };

	(void)state;
	open_two_namespaces(&x);
	scope.catalogue = catalogue;
	scope.n_namespaces = 1;
	assert_release(&x, &scope, "ml/gpu patched 1");
	assert_window(&x, ITEM_IN("ml"), "");
	assert_window(&x, ITEM_IN("hpc"), "512");
	/* Here the namespaces matter only where listing in all is forbidden. */
	scope.all_namespaces = true;
	assert_release(&x, &scope, "hpc/gpu patched 1");
	close_session(&x);
}

static void test_release__a_pool_is_picked_by_its_id(void **state)
{
	struct session x;
	struct np_release_scope scope = { .releases = is_pool, .ctx = (char[]){ "hpc/w" } };

	(void)state;
	open_two_namespaces(&x);
	scope.catalogue = catalogue;
	assert_release(&x, &scope, "hpc/gpu patched 1");
	assert_window(&x, ITEM_IN("ml"), "512");
	close_session(&x);
}

/* What is forbidden in one namespace is read by name there; the other one is listed. */
static void test_release__listing_may_be_forbidden_in_one_namespace(void **state)
{
	static const char fault[] =
		"[{\"match\": {\"method\": \"GET\", \"path\": \"*/ml/virtualmachineclasses\"}, "
		"\"fault\": \"status\", \"status\": 403, \"count\": 0}]";
	struct session x;
	struct np_release r = { 0 };
	struct np_release_scope scope = { .releases = is_apply,
					  .namespaces = both,
					  .n_namespaces = 2 };

	(void)state;
	open_two_namespaces(&x);
	supervisor_faults(&x.s, fault);
	scope.catalogue = catalogue;
	assert_int_equal(np_sync_release(&x.store, &scope, &r, &x.err), -NP_E_FORBIDDEN);
	assert_writes(&x, "");
	scope.in = &x.pools;
	assert_release(&x, &scope, "ml/gpu patched 1, hpc/gpu patched 1; list-forbidden");
	assert_window(&x, ITEM_IN("ml"), "");
	close_session(&x);
}

static void test_release__all_namespaces_fall_back_to_those_named(void **state)
{
	static const char fault[] =
		"[{\"match\": {\"method\": \"GET\", \"path\": \"*/v1alpha6/virtualmachineclasses\"}, "
		"\"fault\": \"status\", \"status\": 403, \"count\": 0}]";
	struct session x;
	struct np_release_scope scope = {
		.releases = is_apply, .all_namespaces = true, .namespaces = both, .n_namespaces = 2
	};

	(void)state;
	open_two_namespaces(&x);
	supervisor_faults(&x.s, fault);
	scope.catalogue = catalogue;
	assert_release(&x, &scope, "ml/gpu patched 1, hpc/gpu patched 1");
	close_session(&x);
}

/* Two pools of one class name it twice; it is released once. */
static void test_release__a_class_that_two_pools_name_is_released_once(void **state)
{
	static const char fault[] =
		"[{\"match\": {\"method\": \"GET\", \"path\": \"*/virtualmachineclasses\"}, "
		"\"fault\": \"status\", \"status\": 403, \"count\": 0}]";
	struct session x;
	struct np_release_scope scope = { .releases = is_apply, .in = &x.pools };

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("p", "a", "") POOL("q", "a", ""));
	assert_int_equal(run(&x), 0);
	supervisor_mark(&x.s);
	supervisor_faults(&x.s, fault);
	scope.catalogue = catalogue;
	assert_release(&x, &scope, "ml/a patched 1; list-forbidden");
	assert_writes(&x, "PATCH a");
	close_session(&x);
}

/* An invalid record fails a class that the pools use; it is only a warning of any other. */
static void test_release__an_invalid_record_fails_the_classes_in_use(void **state)
{
	static const char record[] =
		"{\"metadata\": {\"annotations\": {\"nodeprep.dev/managed\": \"me\"}}}";
	struct session x;
	struct np_release_scope scope = { .releases = is_apply };

	(void)state;
	open_session(&x, TWO, POOL("p", "a", ""));
	supervisor_patch(&x.s, ITEM("a"), record);
	supervisor_patch(&x.s, ITEM("b"), record);
	scope.catalogue = catalogue;
	assert_release(&x, &scope, "; invalid-record; invalid-record");
	scope.in = &x.pools;
	assert_release(&x, &scope, "ml/a failed 0 invalid-record; invalid-record");
	assert_writes(&x, "");
	close_session(&x);
}

/* With the last registration of a class that is deleted between list and patch nothing remains. */
static void test_release__a_class_that_is_gone_is_no_error(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\", \"path\": \"*/a\"}, "
				    "\"fault\": \"status\", \"status\": 404, \"count\": 0}]";
	struct session x;
	struct np_release_scope scope = { .releases = is_apply };

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("p", "a", ""));
	assert_int_equal(run(&x), 0);
	supervisor_faults(&x.s, fault);
	scope.catalogue = catalogue;
	assert_release(&x, &scope, "ml/a unchanged 1");
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release__every_class_of_the_holder_is_found),
		cmocka_unit_test(test_release__without_listing_the_named_classes_are_read),
		cmocka_unit_test(test_release__only_the_listed_namespaces_are_searched),
		cmocka_unit_test(test_release__a_pool_is_picked_by_its_id),
		cmocka_unit_test(test_release__listing_may_be_forbidden_in_one_namespace),
		cmocka_unit_test(test_release__all_namespaces_fall_back_to_those_named),
		cmocka_unit_test(test_release__a_class_that_two_pools_name_is_released_once),
		cmocka_unit_test(test_release__an_invalid_record_fails_the_classes_in_use),
		cmocka_unit_test(test_release__a_class_that_is_gone_is_no_error),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
