/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define OLD_CLASSES "/apis/vmoperator.vmware.com/v1alpha1/virtualmachineclasses"
#define OLD_BINDINGS                                              \
	"/apis/vmoperator.vmware.com/v1alpha1/namespaces/team-a/" \
	"virtualmachineclassbindings"
#define OLD_CLASS                                      \
	"---\n"                                        \
	"apiVersion: vmoperator.vmware.com/v1alpha1\n" \
	"kind: VirtualMachineClass\n"                  \
	"metadata: {name: a}\n"                        \
	"spec:\n"                                      \
	"  hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" A100 "]}}\n"
#define POOL_OF(ns, name)                                 \
	"---\n"                                           \
	"apiVersion: nodeprep.dev/v1alpha1\n"             \
	"kind: NodePool\n"                                \
	"metadata: {name: " name ", namespace: " ns "}\n" \
	"spec: {vmClass: a}\n"
#define ALLOW(list) \
	"{\"metadata\": {\"annotations\": {\"nodeprep.dev/allowed-namespaces\": " list "}}}"
#define BINDING(name, kind, class)                                           \
	"apiVersion: vmoperator.vmware.com/v1alpha1\n"                       \
	"kind: VirtualMachineClassBinding\n"                                 \
	"metadata: {name: " name ", namespace: team-a}\n"                    \
	"classRef: {apiVersion: vmoperator.vmware.com/v1alpha1, kind: " kind \
	", name: " class "}\n"

static bool is_gone(void *ctx, const char *id, const char *holder)
{
	const char *gone = ctx;

	(void)holder;
	return gone && strcmp(id, gone) == 0;
}

/* As the controller does with --supervisor-namespace=ml, or on an old Supervisor. */
static void sync_shared(struct session *x, bool is_old, const char *gone, bool required,
			struct np_class_sync_result *ret)
{
	const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha1",
						  "virtualmachineclasses", false };
	struct np_kube_resource resource = classes;
	const struct np_class_sync one = { .ns = "ml",
					   .name = "a",
					   .pools = &x->pools,
					   .plan = { .catalogue = catalogue,
						     .holder = "controller",
						     .opt_in = { .required = required } },
					   .releases = is_gone,
					   .ctx = (void *)(uintptr_t)gone };
	struct np_class_store store;

	if (!is_old) {
		snprintf(resource.version, sizeof(resource.version), "v1alpha6");
		resource.namespaced = true;
	}
	store = np_sync_store_kube(x->s.kube, &resource);
	supervisor_mark(&x->s);
	*ret = (struct np_class_sync_result){ .attempts = 0 };
	if (np_sync_class(&store, &one, ret, &x->err) < 0)
		fail_msg("%s", x->err.text);
}

/* Syncs, and compares the writes and the error codes of the first two pools. */
static void expect_sync(struct session *x, bool is_old, const char *writes, enum np_code first,
			enum np_code second)
{
	struct np_class_sync_result r;

	sync_shared(x, is_old, NULL, true, &r);
	assert_writes(x, writes);
	assert_int_equal(r.error.code, NP_OK);
	assert_int_equal(r.errors ? r.errors[0].code : NP_OK, first);
	if (x->pools.n_pools > 1)
		assert_int_equal(r.errors ? r.errors[1].code : NP_OK, second);
	np_sync_class_done(&r);
}

static void open_old(struct session *x, const char *pools)
{
	open_session(x, NULL, pools);
	supervisor_stop(&x->s);
	supervisor_start_old(&x->s, OLD_CLASS);
	x->store = np_sync_store_kube(x->s.kube, NULL);
	supervisor_mark(&x->s);
}

static void test_opt_in__a_pool_of_another_namespace_needs_permission(void **state)
{
	struct session x;

	(void)state;
	open_session(&x, CLASS("a", A100), POOL_OF("team-a", "p") POOL_OF("ml", "q"));
	expect_sync(&x, false, "PATCH a", NP_E_NOT_ALLOWED, NP_OK);
	/* Nothing of the pool is registered. */
	expect_sync(&x, false, "", NP_E_NOT_ALLOWED, NP_OK);
	supervisor_patch(&x.s, ITEM("a"), ALLOW("\"team-b\""));
	expect_sync(&x, false, "", NP_E_NOT_ALLOWED, NP_OK);
	supervisor_patch(&x.s, ITEM("a"), ALLOW("\"team-b,team-a\""));
	expect_sync(&x, false, "PATCH a", NP_OK, NP_OK);
	close_session(&x);
}

static void test_opt_in__nothing_is_told_of_a_class_that_is_not_allowed(void **state)
{
	struct session x;
	struct np_class_sync_result r;

	(void)state;
	open_session(
		&x, CLASS("a", A100),
		"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"
		"metadata: {name: p, namespace: team-a}\n"
		"spec: {vmClass: a, gpus: [{model: H200, count: 3}], mmio: {sizeGB: 65536}}\n");
	sync_shared(&x, false, NULL, true, &r);
	assert_writes(&x, "");
	assert_int_equal(r.errors[0].code, NP_E_NOT_ALLOWED);
	assert_null(strstr(r.errors[0].text, "A100"));
	assert_int_equal(r.plan.n_pools, 0);
	np_sync_class_done(&r);
	close_session(&x);
}

static void test_opt_in__the_requirement_can_be_switched_off(void **state)
{
	struct session x;
	struct np_class_sync_result r;

	(void)state;
	open_session(&x, CLASS("a", A100), POOL_OF("team-a", "p"));
	sync_shared(&x, false, NULL, false, &r);
	assert_writes(&x, "PATCH a");
	np_sync_class_done(&r);
	close_session(&x);
}

/* Running VMs may need what is registered: a withdrawn permission releases nothing. */
static void test_opt_in__a_withdrawn_permission_keeps_the_registration(void **state)
{
	struct session x;
	struct np_class_sync_result r;

	(void)state;
	open_session(&x, CLASS("a", A100), POOL_OF("team-a", "p"));
	supervisor_patch(&x.s, ITEM("a"), ALLOW("\"*\""));
	expect_sync(&x, false, "PATCH a", NP_OK, NP_OK);
	supervisor_patch(&x.s, ITEM("a"), ALLOW("null"));
	expect_sync(&x, false, "", NP_E_NOT_ALLOWED, NP_OK);
	assert_window(&x, ITEM("a"), "512");
	/* The pool is deleted: it is released without permission. */
	np_pool_input_done(&x.pools);
	x.pools = (struct np_input){ .n_pools = 0 };
	sync_shared(&x, false, "team-a/p", true, &r);
	assert_writes(&x, "PATCH a");
	assert_int_equal(r.n_released, 1);
	np_sync_class_done(&r);
	assert_window(&x, ITEM("a"), "");
	close_session(&x);
}

static void test_opt_in__a_binding_in_the_pools_namespace_is_permission(void **state)
{
	struct session x;

	(void)state;
	open_old(&x, POOL_OF("team-a", "p") POOL_OF("team-b", "q"));
	expect_sync(&x, true, "", NP_E_NOT_ALLOWED, NP_E_NOT_ALLOWED);
	supervisor_create(&x.s, OLD_BINDINGS, BINDING("other", "VirtualMachineClass", "b"));
	supervisor_create(&x.s, OLD_BINDINGS, BINDING("image", "VirtualMachineImage", "a"));
	expect_sync(&x, true, "", NP_E_NOT_ALLOWED, NP_E_NOT_ALLOWED);
	supervisor_create(&x.s, OLD_BINDINGS, BINDING("a", "VirtualMachineClass", "a"));
	expect_sync(&x, true, "PATCH a", NP_OK, NP_E_NOT_ALLOWED);
	supervisor_patch(&x.s, OLD_CLASSES "/a", ALLOW("\"team-b\""));
	expect_sync(&x, true, "PATCH a", NP_OK, NP_OK);
	close_session(&x);
}

/* Bindings that may not be listed allow nothing, and fail nothing. */
static void test_opt_in__without_bindings_the_annotation_counts(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"GET\", \"path\": "
				    "\"*/virtualmachineclassbindings\"}, \"fault\": \"status\", "
				    "\"status\": %d, \"count\": 0}]";
	static const int statuses[] = { 403, 404 };
	struct session x;
	char text[256];

	(void)state;
	open_old(&x, POOL_OF("team-a", "p"));
	supervisor_create(&x.s, OLD_BINDINGS, BINDING("a", "VirtualMachineClass", "a"));
	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), fault, statuses[i]);
		supervisor_faults(&x.s, text);
		expect_sync(&x, true, "", NP_E_NOT_ALLOWED, NP_OK);
	}
	supervisor_patch(&x.s, OLD_CLASSES "/a", ALLOW("\"team-a\""));
	expect_sync(&x, true, "PATCH a", NP_OK, NP_OK);
	close_session(&x);
}

/* The whole run fails before its first write, as for any pool that cannot be. */
static void test_opt_in__a_batch_writes_nothing(void **state)
{
	struct session x;

	(void)state;
	open_old(&x, POOL_OF("team-a", "p"));
	x.o.plan.opt_in.required = true;
	assert_int_equal(run(&x), 0);
	assert_int_equal(np_sync_code(&x.a), NP_E_NOT_ALLOWED);
	assert_writes(&x, "");
	supervisor_create(&x.s, OLD_BINDINGS, BINDING("a", "VirtualMachineClass", "a"));
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_int_equal(np_sync_code(&x.a), NP_OK);
	assert_writes(&x, "PATCH a");
	close_session(&x);
}

/* Classes in the pools' own namespaces need no permission, nor the request for it. */
static void test_opt_in__own_classes_cost_no_request(void **state)
{
	struct session x;
	size_t with;

	(void)state;
	open_session(&x, CLASS("a", A100), POOL("p", "a", ""));
	x.o.plan.opt_in.required = true;
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_writes(&x, "PATCH a");
	assert_int_equal(run(&x), 0);
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	with = supervisor_count(&x.s, "GET");
	x.o.plan.opt_in.required = false;
	supervisor_mark(&x.s);
	assert_int_equal(run(&x), 0);
	assert_int_equal(supervisor_count(&x.s, "GET"), with);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opt_in__a_pool_of_another_namespace_needs_permission),
		cmocka_unit_test(test_opt_in__nothing_is_told_of_a_class_that_is_not_allowed),
		cmocka_unit_test(test_opt_in__the_requirement_can_be_switched_off),
		cmocka_unit_test(test_opt_in__a_withdrawn_permission_keeps_the_registration),
		cmocka_unit_test(test_opt_in__a_binding_in_the_pools_namespace_is_permission),
		cmocka_unit_test(test_opt_in__without_bindings_the_annotation_counts),
		cmocka_unit_test(test_opt_in__a_batch_writes_nothing),
		cmocka_unit_test(test_opt_in__own_classes_cost_no_request),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
