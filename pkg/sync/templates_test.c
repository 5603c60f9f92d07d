/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define CAPV "infrastructure.cluster.x-k8s.io"
#define DEPLOYMENTS "/apis/cluster.x-k8s.io/v1beta1/namespaces/ml/machinedeployments"
#define TEMPLATES "/apis/" CAPV "/v1beta1/namespaces/ml/vspheremachinetemplates"
#define DEPLOYMENT(name, labels)                                                            \
	"---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"              \
	"metadata: {name: " name ", namespace: ml" labels "}\n"                             \
	"spec: {clusterName: c, strategy: {type: OnDelete}, template: {spec: "              \
	"{infrastructureRef: {apiVersion: " CAPV "/v1beta1, kind: VSphereMachineTemplate, " \
	"name: t}}}}\n"
#define TEMPLATE                                                                           \
	"---\napiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n"                \
	"metadata: {name: t, namespace: ml}\n"                                             \
	"spec: {template: {spec: {hardwareVersion: vmx-19, memoryMiB: 65536, numCPUs: 2, " \
	"pciDevices: [{vendorId: 4318, deviceId: 0x20b0}]}}}\n"

/* Two MachineDeployments of one template, and the plan of its replacement. */
struct templates {
	struct session x;
	struct np_plan plan;
	char new_name[128];
};

static void open_templates(struct templates *t)
{
	static const char texts[] = DEPLOYMENT("a", "") DEPLOYMENT("b", "") TEMPLATE;
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };

	*t = (struct templates){ .new_name = "" };
	open_session(&t->x, NULL, texts);
	supervisor_serve_capi(&t->x.s);
	supervisor_create(&t->x.s, DEPLOYMENTS, DEPLOYMENT("a", ""));
	supervisor_create(&t->x.s, DEPLOYMENTS, DEPLOYMENT("b", ""));
	supervisor_create(&t->x.s, TEMPLATES, TEMPLATE);
	supervisor_mark(&t->x.s);
	if (np_plan_make(&t->x.pools, &o, &t->plan, &t->x.err) < 0)
		fail_msg("%s", t->x.err.text);
	assert_int_equal(t->plan.n_templates, 1);
	snprintf(t->new_name, sizeof(t->new_name), "%s",
		 np_plan_template_new_name(&t->plan.templates[0]));
}

static void close_templates(struct templates *t)
{
	np_plan_done(&t->plan);
	close_session(&t->x);
}

/* Compares with "NEW created, a patched, b failed conflict" and the writes. */
static void assert_synced(struct templates *t, enum np_dry_run dry_run, const char *wanted,
			  const char *writes)
{
	NP_AUTO(np_sync_objects_done) struct np_sync_objects objects = { 0 };
	char buf[512] = "";
	size_t used = 0;

	supervisor_mark(&t->x.s);
	if (np_sync_templates(t->x.s.kube, &t->plan, dry_run, &objects, &t->x.err) < 0)
		fail_msg("%s", t->x.err.text);
	for (size_t i = 0; i < objects.n; i++) {
		const struct np_sync_object *o = &objects.items[i];
		bool is_new = strcmp(o->name, t->new_name) == 0;

		used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%s%s %s%s%s",
					 i > 0 ? ", " : "", is_new ? "NEW" : o->name, o->result,
					 o->error.code == NP_OK ? "" : " ",
					 o->error.code == NP_OK ? "" : np_code_name(o->error.code));
	}
	assert_string_equal(buf, wanted);
	assert_writes(&t->x, writes);
}

/* Returns the template that the MachineDeployment names. */
static void assert_reference(struct templates *t, const char *deployment, const char *wanted)
{
	char path[256];
	const char *name = NULL;
	json_t *object;

	snprintf(path, sizeof(path), "%s/%s", DEPLOYMENTS, deployment);
	object = supervisor_get(&t->x.s, path);
	assert_int_equal(json_unpack(object, "{s:{s:{s:{s:{s:s}}}}}", "spec", "template", "spec",
				     "infrastructureRef", "name", &name),
			 0);
	assert_string_equal(name, wanted);
	json_decref(object);
}

static void test_templates__are_created_once_and_named_by_every_pool(void **state)
{
	struct templates t;

	(void)state;
	open_templates(&t);
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW created, a patched, b patched",
		      "POST vspheremachinetemplates, PATCH a, PATCH b");
	assert_reference(&t, "a", t.new_name);
	assert_reference(&t, "b", t.new_name);
	/* Idempotent. */
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW unchanged, a unchanged, b unchanged", "");
	close_templates(&t);
}

static void test_templates__a_dry_run_stores_nothing(void **state)
{
	struct templates t;

	(void)state;
	open_templates(&t);
	assert_synced(&t, NP_DRY_RUN_CLIENT, "NEW created, a patched, b patched", "");
	assert_synced(&t, NP_DRY_RUN_SERVER, "NEW created, a patched, b patched",
		      "POST vspheremachinetemplates, PATCH a, PATCH b");
	assert_reference(&t, "a", "t");
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW created, a patched, b patched",
		      "POST vspheremachinetemplates, PATCH a, PATCH b");
	close_templates(&t);
}

static void test_templates__a_conflict_is_attempted_again(void **state)
{
	struct templates t;

	(void)state;
	open_templates(&t);
	supervisor_fail_capi(&t.x.s, "PATCH", 409, 2);
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW created, a patched, b patched",
		      "POST vspheremachinetemplates, PATCH a, PATCH a, PATCH a, PATCH b");
	close_templates(&t);
}

/* No MachineDeployment names a template that is not there; one that fails does not stop the other. */
static void test_templates__a_failure_switches_no_reference(void **state)
{
	struct templates t;

	(void)state;
	open_templates(&t);
	supervisor_fail_capi(&t.x.s, "POST", 403, 1);
	assert_synced(&t, NP_DRY_RUN_NONE,
		      "NEW failed forbidden, a failed forbidden, b failed forbidden",
		      "POST vspheremachinetemplates");
	assert_reference(&t, "a", "t");
	supervisor_fail_capi(&t.x.s, "PATCH", 403, 1);
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW created, a failed forbidden, b patched",
		      "POST vspheremachinetemplates, PATCH a, PATCH b");
	assert_reference(&t, "b", t.new_name);
	close_templates(&t);
}

/* What changed since the manifests were read is not overwritten. */
static void test_templates__a_reference_to_another_template_stays(void **state)
{
	struct templates t;

	(void)state;
	open_templates(&t);
	supervisor_patch(
		&t.x.s, DEPLOYMENTS "/a",
		"{\"spec\":{\"template\":{\"spec\":{\"infrastructureRef\":{\"name\":\"u\"}}}}}");
	supervisor_patch(&t.x.s, DEPLOYMENTS "/b",
			 "{\"metadata\":{\"labels\":{\"topology.cluster.x-k8s.io/owned\":\"\"}}}");
	assert_synced(&t, NP_DRY_RUN_NONE, "NEW created, a failed refused, b failed refused",
		      "POST vspheremachinetemplates");
	assert_reference(&t, "a", "u");
	assert_reference(&t, "b", "t");
	close_templates(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates__are_created_once_and_named_by_every_pool),
		cmocka_unit_test(test_templates__a_dry_run_stores_nothing),
		cmocka_unit_test(test_templates__a_conflict_is_attempted_again),
		cmocka_unit_test(test_templates__a_failure_switches_no_reference),
		cmocka_unit_test(test_templates__a_reference_to_another_template_stays),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
