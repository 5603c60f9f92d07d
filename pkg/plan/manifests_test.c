/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/plan.h"

#define TEMPLATE(name, rest)                                                                       \
	"---\napiVersion: infrastructure.cluster.x-k8s.io/v1beta2\nkind: VSphereMachineTemplate\n" \
	"metadata: {name: " name                                                                   \
	", namespace: ml, uid: u, resourceVersion: \"7\", labels: {a: b}}\n"                       \
	"spec: {template: {spec: {template: ubuntu, " rest "}}}\nstatus: {x: y}\n"
#define GPU "pciDevices: [{vendorId: 0x10de, deviceId: 0x20b0}]"
#define DEPLOYMENT(name, labels, strategy)                                                     \
	"---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"                 \
	"metadata: {name: " name ", namespace: ml, uid: u, labels: {" labels "}}\n"            \
	"spec:\n  clusterName: c\n" strategy "  template: {spec: {infrastructureRef: "         \
	"{apiVersion: infrastructure.cluster.x-k8s.io/v1beta2, kind: VSphereMachineTemplate, " \
	"name: gpu}}}\nstatus: {phase: Running}\n"

struct setup {
	struct np_input input;
	struct np_plan plan;
};

static void setup_done(struct setup *s)
{
	np_plan_done(&s->plan);
	np_pool_input_done(&s->input);
}

static void make_plan(struct setup *s, const char *text)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(&s->input, catalogue, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_pool_input_finish(&s->input, &err) < 0)
		fail_msg("%s", err.text);
	if (np_plan_make(&s->input, &o, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
}

static const char *name_of(const json_t *object)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
}

static const char *reference_of(const json_t *object)
{
	const json_t *template = json_object_get(json_object_get(object, "spec"), "template");
	const json_t *ref = json_object_get(json_object_get(template, "spec"), "infrastructureRef");

	return json_string_value(json_object_get(ref, "name"));
}

static void test_manifests__a_template_and_all_that_name_it(void **state)
{
	NP_AUTO(setup_done) struct setup s = { 0 };
	struct np_err err = NP_ERR_INIT;
	json_auto_t *list = NULL;
	const json_t *template, *md;

	(void)state;
	make_plan(&s, TEMPLATE("gpu", GPU) DEPLOYMENT("a", "k: v", "") DEPLOYMENT("b", "", ""));
	assert_int_equal(np_plan_manifests(&s.plan, &list, &err), 0);
	assert_int_equal(json_array_size(list), 3);
	template = json_array_get(list, 0);
	assert_true(strncmp(name_of(template), "gpu-", 4) == 0);
	for (size_t i = 1; i < 3; i++) {
		md = json_array_get(list, i);
		assert_string_equal(name_of(md), i == 1 ? "a" : "b");
		assert_string_equal(reference_of(md), name_of(template));
		/* What only the server writes would be refused, or undo what it did since. */
		assert_null(json_object_get(md, "status"));
		assert_null(json_object_get(json_object_get(md, "metadata"), "uid"));
	}
	assert_non_null(json_object_get(
		json_object_get(json_object_get(json_array_get(list, 1), "metadata"), "labels"),
		"k"));
	/* The input is as it was. */
	assert_string_equal(reference_of(s.plan.pools[0].pool->node.json), "gpu");
}

static void test_manifests__only_outdated_objects_are_written(void **state)
{
	static const struct {
		const char *sentence, *text;
		size_t n;
	} rows[] = {
		{ "no GPU", TEMPLATE("gpu", "memoryMiB: 4096") DEPLOYMENT("a", "", ""), 0 },
		{ "right already",
		  TEMPLATE("gpu",
			   "customVMXKeys: {pciPassthru.use64bitMMIO: \"TRUE\", "
			   "pciPassthru.64bitMMIOSizeGB: \"512\"}, hardwareVersion: vmx-17, " GPU)
			  DEPLOYMENT("a", "", ""),
		  0 },
		{ "a topology's own",
		  TEMPLATE("gpu", GPU) DEPLOYMENT("a", "topology.cluster.x-k8s.io/owned: \"\"", ""),
		  0 },
		{ "a topology's own beside another",
		  TEMPLATE("gpu", GPU) DEPLOYMENT("a", "topology.cluster.x-k8s.io/owned: \"\"", "")
			  DEPLOYMENT("b", "", ""),
		  2 },
		{ "a template alone", TEMPLATE("gpu", GPU), 1 },
		{ "the template is not there", DEPLOYMENT("a", "", ""), 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		NP_AUTO(setup_done) struct setup s = { 0 };
		struct np_err err = NP_ERR_INIT;
		json_auto_t *list = NULL;

		make_plan(&s, rows[i].text);
		assert_int_equal(np_plan_manifests(&s.plan, &list, &err), 0);
		if (json_array_size(list) != rows[i].n)
			fail_msg("%s: %zu", rows[i].sentence, json_array_size(list));
	}
}

static void test_manifests__a_rollout_text_names_the_strategy(void **state)
{
	static const struct {
		const char *strategy, *text;
	} rows[] = {
		{ "", "maxSurge 1: the new node comes first" },
		{ "  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%}}\n",
		  "maxSurge 25%: the new node comes first" },
		{ "  strategy: {rollingUpdate: {maxSurge: 0}}\n",
		  "maxSurge 0: each node goes before its successor comes" },
		{ "  strategy: {type: OnDelete}\n", "OnDelete: a node is replaced once" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		NP_AUTO(setup_done) struct setup s = { 0 };
		char input[4000], text[NP_ROLLOUT_TEXT_MAX];

		snprintf(input, sizeof(input), "%s%s%s%s", TEMPLATE("gpu", GPU),
			 "---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"
			 "metadata: {name: a, namespace: ml}\nspec:\n  clusterName: c\n",
			 rows[i].strategy,
			 "  template: {spec: {infrastructureRef: {apiVersion: "
			 "infrastructure.cluster.x-k8s.io/v1beta2, kind: VSphereMachineTemplate, "
			 "name: gpu}}}\n");
		make_plan(&s, input);
		np_plan_rollout_text(s.plan.pools[0].pool, text);
		if (strncmp(text, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("'%s': %s", rows[i].strategy, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manifests__a_template_and_all_that_name_it),
		cmocka_unit_test(test_manifests__only_outdated_objects_are_written),
		cmocka_unit_test(test_manifests__a_rollout_text_names_the_strategy),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
