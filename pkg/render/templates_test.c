/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"
#include "nodeprep/render.h"

#define CAPV "infrastructure.cluster.x-k8s.io"
#define DEPLOYMENT(name, template)                                                          \
	"---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"              \
	"metadata: {name: " name ", namespace: ml}\n"                                       \
	"spec: {clusterName: c, replicas: 2, strategy: {type: OnDelete}, template: {spec: " \
	"{infrastructureRef: {apiVersion: " CAPV                                            \
	"/v1beta1, kind: VSphereMachineTemplate, name: " template "}}}}\n"

static const char input[] = DEPLOYMENT("d", "t") DEPLOYMENT("e", "t") DEPLOYMENT(
	"f",
	"missing") "---\napiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n"
		   "metadata: {name: t, namespace: ml}\n"
		   "spec: {template: {spec: {hardwareVersion: vmx-17, "
		   "pciDevices: [{vendorId: 4318, deviceId: 0x20b0}]}}}\n"
		   "---\napiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n"
		   "metadata: {name: cpu, namespace: ml}\nspec: {template: {spec: {numCPUs: 2}}}\n";

static struct np_input in;
static struct np_plan plan;

static int set_up(void **state)
{
	struct np_plan_options o = { .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	if (set_up_catalogue(state) < 0 ||
	    np_pool_input_parse(&in, catalogue, "in.yaml", input, sizeof(input) - 1, &err) < 0 ||
	    np_pool_input_finish(&in, &err) < 0)
		return -1;
	o.catalogue = catalogue;
	return np_plan_make(&in, &o, &plan, &err);
}

static int tear_down(void **state)
{
	np_plan_done(&plan);
	np_pool_input_done(&in);
	return tear_down_catalogue(state);
}

/* Returns the JSON at that path of keys and indices, such as "templates.0.gpus"; NULL: absent. */
static char *value_at(const json_t *tree, const char *path)
{
	char *copy = strdup(path), *rest = copy;

	while (rest && tree) {
		const char *step = strsep(&rest, ".");

		tree = json_is_array(tree) ? json_array_get(tree, strtoul(step, NULL, 10))
					   : json_object_get(tree, step);
	}
	free(copy);
	return tree ? json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
}

static void test_render__json_lists_templates_and_classes(void **state)
{
	static const struct {
		const char *path, *expect;
	} rows[] = {
		{ "pools.0.template", "\"t\"" },
		{ "pools.0.vmClass", "null" },
		{ "pools.0.mmioGB", "512" },
		{ "pools.2.template", "\"missing\"" },
		{ "pools.2.gpusPerNode", "null" },
		{ "classes", "[]" },
		{ "templates.0.namespace", "\"ml\"" },
		{ "templates.0.name", "\"t\"" },
		{ "templates.0.apiVersion", "\"" CAPV "/v1beta1\"" },
		{ "templates.0.found", "true" },
		{ "templates.0.pools", "[\"d\",\"e\"]" },
		{ "templates.0.gpus", "1" },
		{ "templates.0.mmioGB", "512" },
		{ "templates.0.hardwareVersion", "\"vmx-17\"" },
		{ "templates.0.changed", "true" },
		{ "templates.0.changes.0.object", NULL },
		{ "templates.0.changes.1.object", NULL },
		{ "templates.0.changes.1.from", "null" },
		{ "templates.0.changes.1.to", "\"512\"" },
		{ "templates.0.changes.2.object",
		  "{\"kind\":\"MachineDeployment\",\"namespace\":\"ml\",\"name\":\"d\"}" },
		{ "templates.0.changes.3.object.name", "\"e\"" },
		{ "templates.0.changes.4", NULL },
		{ "templates.0.replacement.metadata.annotations",
		  "{\"nodeprep.dev/replaces\":\"t\"}" },
		{ "templates.0.warnings", "[]" },
		{ "templates.1.name", "\"cpu\"" },
		{ "templates.1.pools", "[]" },
		{ "templates.1.changed", "false" },
		{ "templates.1.replacement", "null" },
		{ "templates.2.name", "\"missing\"" },
		{ "templates.2.found", "false" },
		{ "templates.2.apiVersion", "null" },
		{ "templates.2.gpus", "null" },
		{ "templates.2.mmioGB", "null" },
		{ "templates.2.warnings.0.code", "\"template-missing\"" },
		{ "templates.3", NULL },
	};
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	json_t *tree;
	unsigned bad = 0;

	(void)state;
	assert_int_equal(np_render_plan(&plan, NP_FORMAT_JSON, &text, &err), 0);
	tree = json_loads(text, 0, NULL);
	assert_non_null(tree);
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *got = value_at(tree, rows[i].path);

		if (!!got != !!rows[i].expect || (got && strcmp(got, rows[i].expect) != 0)) {
			print_error("%s is %s\n", rows[i].path, got ? got : "absent");
			bad++;
		}
		free(got);
	}
	assert_int_equal(bad, 0);
	json_decref(tree);
	free(text);
}

struct line {
	const char *what, *part;
};

static void check_lines(const char *text, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strstr(text, lines[i].part))
			fail_msg("%s: '%s' is not in\n%s", lines[i].what, lines[i].part, text);
}

static void test_render__templates_have_a_table(void **state)
{
	static const struct line lines[] = {
		{ "the pool's template", " template/t " },
		{ "a pool's missing template", " template/missing " },
		{ "the heading",
		  "\nTemplates\nNAMESPACE   TEMPLATE   GPUS      WINDOW    HARDWARE   STATE       POOLS\n" },
		{ "one that is outdated",
		  "\nml          t          1         512 GB    vmx-17     outdated    d,e\n" },
		{ "one that is not used",
		  "\nml          cpu        0         none      -          unused      -\n" },
		{ "one that is missing",
		  "\nml          missing    unknown   unknown   -          not found   f\n" },
		{ "the changes", "\nChanges of template ml/t\n" },
		{ "the way",
		  "  The template is immutable: 'nodeprep apply' creates its replacement 't-" },
		{ "the warning",
		  "  template-missing: missing: VSphereMachineTemplate 'ml/missing'" },
	};
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(np_render_plan(&plan, NP_FORMAT_WIDE, &text, &err), 0);
	check_lines(text, lines, COUNT(lines));
	free(text);
}

static void test_render__templates_are_explained(void **state)
{
	static const struct line lines[] = {
		{ "the head", "Template ml/t: 1 x A100-40GB, used by 2 pool(s)\n" },
		{ "without the tool",
		  "  as is        CAPV sets no MMIO key: without the keys a large card will not power on\n" },
		{ "the window", "  window       512 GB\n" },
		{ "the firmware", "  firmware     the OVA's, which must be EFI" },
		{ "the way", "  replacement  't-" },
		{ "its pools", "Pool ml/c/d" },
	};
	struct np_err err = NP_ERR_INIT;
	char *text = NULL, *none = (char *)"sentinel";

	(void)state;
	assert_int_equal(np_render_explain(&plan, "t", NP_FORMAT_TABLE, NULL, &text, &err), 0);
	check_lines(text, lines, COUNT(lines));
	assert_null(strstr(text, "Template ml/cpu"));
	assert_null(strstr(text, "Pool ml/c/f"));
	free(text);
	text = NULL;
	assert_int_equal(np_render_explain(&plan, "ml/c/f", NP_FORMAT_TABLE, NULL, &text, &err), 0);
	assert_non_null(strstr(text, "Template ml/missing: not in the input\n"));
	assert_null(strstr(text, "Template ml/t"));
	free(text);
	assert_int_equal(np_render_explain(&plan, "nobody", NP_FORMAT_TABLE, NULL, &none, &err),
			 -(int)NP_E_NOT_FOUND);
	assert_string_equal(none, "sentinel");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render__json_lists_templates_and_classes),
		cmocka_unit_test(test_render__templates_have_a_table),
		cmocka_unit_test(test_render__templates_are_explained),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
