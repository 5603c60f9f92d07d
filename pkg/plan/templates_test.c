/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define CAPV "infrastructure.cluster.x-k8s.io"
#define DEPLOYMENT(name, rest)                                                               \
	"---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"               \
	"metadata: {name: " name ", namespace: ml" rest "}\n"                                \
	"spec: {clusterName: c, strategy: {type: OnDelete}, template: {spec: "               \
	"{infrastructureRef: {apiVersion: " CAPV "/v1beta1, kind: VSphereMachineTemplate, " \
	"name: t}}}}\n"
#define TEMPLATE(fields)                                                     \
	"---\napiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n" \
	"metadata: {name: t, namespace: ml}\n"                               \
	"spec: {template: {spec: {hardwareVersion: vmx-19, " fields "}}}\n"
#define A100 "{vendorId: 4318, deviceId: 0x20b0}"
#define T4 "{vendorId: 4318, deviceId: 7864}"
#define H100 "{vendorId: 4318, deviceId: 0x2330}"
#define FLAT "CLUSTER_NAME: c\nWORKER_ROLLOUT_STRATEGY: OnDelete\n"

static struct np_catalogue *cat;

/* Allocations until one fails; SIZE_MAX: none does. */
static size_t allocations_left = SIZE_MAX;

static bool is_out_of_memory(void)
{
	return allocations_left != SIZE_MAX && allocations_left-- == 0;
}

/* These stand in front of the C library's. */
char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = is_out_of_memory() ? NULL : malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (is_out_of_memory() || __builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return realloc(old, bytes);
}

static void *json_malloc(size_t size)
{
	return is_out_of_memory() ? NULL : malloc(size);
}

static int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_catalogue_new(&cat, &err);
}

static int tear_down(void **state)
{
	(void)state;
	np_catalogue_free(cat);
	return 0;
}

static void read_input(struct np_input *in, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	if (np_input_parse(in, cat, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_input_finish(in, &err) < 0)
		fail_msg("%s", err.text);
}

static void print_value(FILE *f, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	fprintf(f, "%s", text ? text : "absent");
	free(text);
}

static void print_notes(FILE *f, const struct np_notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		fprintf(f, "! %s: %s\n", notes->items[i].code, notes->items[i].message);
}

static void print_template(FILE *f, const struct np_plan_template *t)
{
	json_t *metadata = json_object_get(t->replacement, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));

	fprintf(f, "template %s/%s pools=%zu gpus=", t->ns, t->name, t->n_pools);
	fprintf(f, t->has_gpus ? "%ju" : "?", (uintmax_t)t->gpus);
	fprintf(f, t->has_window ? " window=%ju" : " window=?", (uintmax_t)t->window_gb);
	fprintf(f, " %s%s%s\n", t->hardware_version ? t->hardware_version : "-",
		name ? " -> " : "", name ? name : "");
	for (size_t i = 0; i < t->change.n; i++) {
		const struct np_change_item *item = &t->change.items[i];

		fprintf(f, "  %s: ", item->path);
		print_value(f, item->from);
		fprintf(f, " -> ");
		print_value(f, item->to);
		fprintf(f, "\n");
	}
	print_notes(f, &t->notes);
}

static void print_pool(FILE *f, const struct np_plan_pool *p)
{
	fprintf(f, "pool %s", p->pool->name);
	fprintf(f, p->has_gpus ? " gpus=%ju" : " gpus=?", (uintmax_t)p->need.gpus);
	fprintf(f, p->has_window && p->window_is_known ? " window=%ju\n" : " window=?\n",
		(uintmax_t)p->window.gb);
}

static char *describe(const struct np_plan *plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < plan->n_pools; i++)
		print_pool(f, &plan->pools[i]);
	for (size_t i = 0; i < plan->n_templates; i++)
		print_template(f, &plan->templates[i]);
	print_notes(f, &plan->notes);
	for (size_t i = 0; i < plan->n_errors; i++)
		fprintf(f, "error %s: %s\n", np_code_name(plan->errors[i].code),
			plan->errors[i].text);
	fclose(f);
	return text;
}

/* Plans the text; the input lives on in *in, which the plan points into. */
static void make_plan(struct np_input *in, const char *text, bool allow_shrink,
		      struct np_plan *plan)
{
	struct np_plan_options o = { .catalogue = cat,
				     .allow_shrink = allow_shrink,
				     .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	read_input(in, text);
	if (np_plan_make(in, &o, plan, &err) < 0)
		fail_msg("%s", err.text);
}

struct row {
	const char *what, *text, *expect;
	bool allow_shrink;
};

static void check_rows(const struct row *rows, size_t n)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		struct np_input in = { 0 };
		struct np_plan plan = { 0 };
		char *got;

		make_plan(&in, rows[i].text, rows[i].allow_shrink, &plan);
		got = describe(&plan);
		if (strcmp(got, rows[i].expect) != 0) {
			print_error("%s:\n--- got\n%s--- expected\n%s", rows[i].what, got,
				    rows[i].expect);
			bad++;
		}
		free(got);
		np_plan_done(&plan);
		np_input_done(&in);
	}
	assert_int_equal(bad, 0);
}

#define KEYS "/spec/template/spec/customVMXKeys/"
#define USE64 KEYS "pciPassthru.use64bitMMIO"
#define SIZE KEYS "pciPassthru.64bitMMIOSizeGB"
#define REFERENCE "/spec/template/spec/infrastructureRef/name"

static void test_templates__machine_templates_get_what_they_lack(void **state)
{
	static const struct row rows[] = {
		{ "one A100, nothing said",
		  DEPLOYMENT("d", "") TEMPLATE("pciDevices: [" A100 "]"),
		  "pool d gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-HASH\n"
		  "  " USE64 ": absent -> \"TRUE\"\n"
		  "  " SIZE ": absent -> \"512\"\n"
		  "  " REFERENCE ": \"t\" -> \"t-HASH\"\n",
		  false },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates__machine_templates_get_what_they_lack),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
