/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/render.h"

#include "catalogue.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"
#include "nodeprep/units.h"

#include "failing_alloc.h"

/* --- plans ------------------------------------------------------------------------------------- */

struct session {
	struct np_input in;
	struct np_plan plan;
};

static void session_done(struct session *s)
{
	np_plan_done(&s->plan);
	np_pool_input_done(&s->in);
}

static void make_plan(struct session *s, const char *name, const char *text)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(&s->in, catalogue, name, text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
	o.classes = s->in.classes;
	o.n_classes = s->in.n_classes;
	if (np_plan_make(&s->in, &o, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
}

/* A cluster's pool with four cards; a NodePool of a class that is not there. */
static const char fleet[] =
	"apiVersion: run.tanzu.vmware.com/v1alpha3\n"
	"kind: TanzuKubernetesCluster\n"
	"metadata: {name: tkc, namespace: ml}\n"
	"spec:\n"
	"  topology:\n"
	"    controlPlane: {vmClass: small, replicas: 3}\n"
	"    nodePools:\n"
	"    - {name: gpu-workers, vmClass: gpu-a100x4, replicas: 3}\n"
	"---\n"
	"apiVersion: nodeprep.dev/v1alpha1\n"
	"kind: NodePool\n"
	"metadata: {name: lone, namespace: ml}\n"
	"spec: {vmClass: gone}\n"
	"---\n"
	"apiVersion: vmoperator.vmware.com/v1alpha2\n"
	"kind: VirtualMachineClass\n"
	"metadata: {name: gpu-a100x4, namespace: ml}\n"
	"spec:\n"
	"  hardware:\n"
	"    memory: 256Gi\n"
	"    devices:\n"
	"      dynamicDirectPathIODevices:\n"
	"      - {vendorID: 4318, deviceID: 8368}\n"
	"      - {vendorID: 4318, deviceID: 8368}\n"
	"      - {vendorID: 4318, deviceID: 8368}\n"
	"      - {vendorID: 4318, deviceID: 8368}\n"
	"---\n"
	"apiVersion: vmoperator.vmware.com/v1alpha2\n"
	"kind: VirtualMachineClass\n"
	"metadata: {name: vgpu, namespace: ml}\n"
	"spec:\n"
	"  hardware: {memory: 8Gi, devices: {vgpuDevices: [{profileName: grid_z1-8c}]}}\n";

static json_t *render_json(const struct np_plan *plan)
{
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;
	json_error_t why;
	json_t *tree;

	if (np_render_plan(plan, NP_FORMAT_JSON, &text, &err) < 0)
		fail_msg("%s", err.text);
	tree = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!tree)
		fail_msg("%s: %s", why.text, text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	return tree;
}

/* Follows a path such as "pools.0.gpus". */
static json_t *at(json_t *tree, const char *path)
{
	char copy[128], *rest = copy, *step;

	snprintf(copy, sizeof(copy), "%s", path);
	while (*copy != '\0' && (step = strsep(&rest, ".")))
		tree = json_is_array(tree) ? json_array_get(tree, strtoul(step, NULL, 10))
					   : json_object_get(tree, step);
	return tree;
}

/* Fails unless the object has all of these members in this order; others may stand among them. */
static void expect_members(json_t *object, const char *names)
{
	void *iter = json_object_iter(object);
	char copy[256], *rest = copy, *name;

	snprintf(copy, sizeof(copy), "%s", names);
	while ((name = strsep(&rest, " "))) {
		while (iter && strcmp(json_object_iter_key(iter), name) != 0)
			iter = json_object_iter_next(object, iter);
		if (!iter)
			fail_msg("no '%s' at its place among '%s'", name, names);
	}
}

struct at_path {
	const char *path, *expected;
};

/* The members in the order of the contract (docs/contract.md, "plan -o json"), which others may join. */
static const struct at_path shapes[] = {
	{ "", "apiVersion kind pools classes warnings errors" },
	{ "pools.0",
	  "source namespace name vmClass replicas gpusPerNode gpus requiredMMIOGB mmioGB" },
	{ "pools.0.source", "kind name file document line" },
	{ "pools.0.gpus.0", "model pciID vgpuProfile count mmioGB" },
	{ "classes.0",
	  "namespace name found pools gpus mmioGB firmware memoryReservation overheadMB "
	  "changed changes patch warnings" },
	{ "classes.0.changes.0", "path from to reason" },
	{ "classes.2.warnings.0", "code severity message cure" },
	{ "errors.0", "code message" },
};

/* Values as compact JSON. */
static const struct at_path values[] = {
	{ "apiVersion", "\"nodeprep.dev/v1alpha1\"" },
	{ "kind", "\"Plan\"" },
	{ "pools.0.source",
	  "{\"kind\":\"TanzuKubernetesCluster\",\"name\":\"tkc\",\"file\":\"a.yaml\",\"document\":0,"
	  "\"line\":8}" },
	{ "pools.0.namespace", "\"ml\"" },
	{ "pools.0.cluster", "\"tkc\"" },
	{ "pools.0.name", "\"gpu-workers\"" },
	{ "pools.0.vmClass", "\"gpu-a100x4\"" },
	{ "pools.0.replicas", "3" },
	{ "pools.0.gpusPerNode", "4" },
	{ "pools.0.gpus", "[{\"model\":\"A100-40GB\",\"pciID\":\"10de:20b0\",\"vgpuProfile\":null,"
			  "\"count\":4,\"mmioGB\":128}]" },
	{ "pools.0.requiredMMIOGB", "512" },
	{ "pools.0.mmioGB", "512" },
	{ "pools.1.source.document", "1" },
	{ "pools.1.cluster", "null" },
	{ "pools.1.replicas", "null" },
	{ "pools.1.gpusPerNode", "null" },
	{ "pools.1.gpus", "[]" },
	{ "pools.1.requiredMMIOGB", "null" },
	{ "pools.1.mmioGB", "null" },
	{ "classes.0.namespace", "\"ml\"" },
	{ "classes.0.name", "\"gpu-a100x4\"" },
	{ "classes.0.found", "true" },
	{ "classes.0.pools", "[\"gpu-workers\"]" },
	{ "classes.0.gpus", "4" },
	{ "classes.0.mmioGB", "512" },
	{ "classes.0.firmware", "\"efi\"" },
	{ "classes.0.memoryReservation", "\"256Gi\"" },
	{ "classes.0.overheadMB", "97.030000000000001" },
	{ "classes.0.overheadEstimateMB", "97.030000000000001" },
	{ "classes.0.changed", "true" },
	{ "classes.0.changes.0.from", "null" },
	{ "classes.0.changes.0.to", "\"TRUE\"" },
	{ "classes.0.patch.spec.configSpec.firmware", "\"efi\"" },
	{ "classes.1.name", "\"gone\"" },
	{ "classes.1.found", "false" },
	{ "classes.1.pools", "[\"lone\"]" },
	{ "classes.1.gpus", "null" },
	{ "classes.1.mmioGB", "null" },
	{ "classes.1.firmware", "null" },
	{ "classes.1.memoryReservation", "null" },
	{ "classes.1.overheadMB", "null" },
	{ "classes.1.changed", "false" },
	{ "classes.1.changes", "[]" },
	{ "classes.1.patch", "{}" },
	{ "classes.1.warnings", "[]" },
	{ "classes.2.name", "\"vgpu\"" },
	{ "classes.2.pools", "[]" },
	{ "classes.2.changed", "false" },
	{ "classes.2.warnings.0.code", "\"unknown-device\"" },
	{ "classes.2.warnings.0.severity", "\"unknown\"" },
	{ "classes.2.warnings.0.cure", "\"add the card with --catalogue or --catalogue-from\"" },
	{ "warnings", "[]" },
	{ "errors",
	  "[{\"code\":\"not-found\",\"message\":\"a.yaml:10: pool 'ml/lone': VirtualMachineClass 'gone' "
	  "not found in namespace 'ml'\"}]" },
};

static void test_render__json_has_the_shape_of_the_contract(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	json_auto_t *tree = NULL;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	tree = render_json(&s.plan);
	for (size_t i = 0; i < COUNT(shapes); i++) {
		print_message("  %s\n", shapes[i].path);
		expect_members(at(tree, shapes[i].path), shapes[i].expected);
	}
	for (size_t i = 0; i < COUNT(values); i++) {
		NP_AUTO(np_freep)
		char *got = json_dumps(at(tree, values[i].path), JSON_COMPACT | JSON_ENCODE_ANY);

		print_message("  %s\n", values[i].path);
		assert_non_null(got);
		assert_string_equal(got, values[i].expected);
	}
}

static void test_render__numbers_are_short(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	assert_int_equal(np_render_plan(&s.plan, NP_FORMAT_JSON, &text, &err), 0);
	assert_non_null(strstr(text, "\"overheadMB\": 97.03,\n"));
}

static void test_render__yaml_equals_json(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	json_auto_t *tree = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	tree = np_render_plan_tree(&s.plan);
	assert_int_equal(np_render_plan(&s.plan, NP_FORMAT_YAML, &text, &err), 0);
	assert_int_equal(np_doc_reader_new("y", text, strlen(text), &r, &err), 0);
	assert_int_equal(np_doc_reader_next(r, &doc, &err), 1);
	assert_true(json_equal(np_doc_root(doc).json, tree));
}

static void test_render__a_name_without_valid_utf_8_keeps_the_plan(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	json_auto_t *tree = NULL;

	(void)state;
	make_plan(&s, "caf\xe9.yaml", fleet);
	tree = render_json(&s.plan);
	assert_int_equal(strncmp(json_string_value(at(tree, "pools.0.source.file")), "caf", 3), 0);
	assert_int_equal(json_array_size(at(tree, "errors")), 1);
}

static void test_render__a_plan_tree_is_whole_or_null(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	struct failing f = FAILING_INIT;
	json_auto_t *whole = NULL;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	whole = np_render_plan_tree(&s.plan);
	while (next_round(&f)) {
		json_auto_t *tree = NULL;

		fail_allocation(&f);
		tree = np_render_plan_tree(&s.plan);
		stop_failing(&f);
		assert_true(tree ? json_equal(tree, whole) : f.failed);
	}
	assert_true(f.rounds >= 100);
}

/* --- tables ------------------------------------------------------------------------------------ */

static void test_render__tables_have_their_columns(void **state)
{
	static const char expected[] =
		"Pools\n"
		"NAMESPACE   CLUSTER   POOL          CLASS        NODES   GPUS PER NODE   NEEDS     WINDOW\n"
		"ml          tkc       gpu-workers   gpu-a100x4   3       4 x A100-40GB   512 GB    512 GB\n"
		"ml          -         lone          gone         -       unknown         unknown   unknown\n"
		"\n"
		"Classes\n"
		"NAMESPACE   CLASS        GPUS      CURRENT   WINDOW    FIRMWARE   RESERVED   STATE       POOLS\n"
		"ml          gpu-a100x4   4         none      512 GB    efi        256Gi      outdated    gpu-workers\n"
		"ml          gone         unknown   unknown   unknown   -          -          not found   lone\n"
		"ml          vgpu         1         none      unknown   -          -          unused      -\n";
	NP_AUTO(session_done) struct session s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	assert_int_equal(np_render_plan(&s.plan, NP_FORMAT_TABLE, &text, &err), 0);
	assert_string_equal(text, expected);
}

static void test_render__the_wide_table_has_changes_and_warnings(void **state)
{
	static const char *const parts[] = {
		"SOURCE\n",
		"a.yaml:8\n",
		"97.0 MB\n",
		"\nChanges of class ml/gpu-a100x4\n",
		"  /spec/configSpec/firmware: absent -> efi\n",
		"\nWarnings\n",
		"  unknown-device: vgpu: vGPU profile 'grid_z1-8c'",
		"roll out the node pools.\n",
	};
	NP_AUTO(session_done) struct session s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	assert_int_equal(np_render_plan(&s.plan, NP_FORMAT_WIDE, &text, &err), 0);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("no '%s' in:\n%s", parts[i], text);
}

static void test_render__explain_is_limited_to_a_name(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;
	char *untouched = (char *)(uintptr_t)&s;

	(void)state;
	make_plan(&s, "a.yaml", fleet);
	assert_int_equal(
		np_render_explain(&s.plan, "gpu-workers", NP_FORMAT_TABLE, NULL, &text, &err), 0);
	assert_non_null(strstr(text, "4 x 128 = 512 GB"));
	assert_non_null(strstr(text, "gpu-a100x4"));
	assert_null(strstr(text, "lone"));
	assert_int_equal(
		np_render_explain(&s.plan, "nobody", NP_FORMAT_TABLE, NULL, &untouched, &err),
		-NP_E_NOT_FOUND);
	assert_non_null(strstr(err.text, "'nobody'"));
	assert_ptr_equal(untouched, &s);
}

/* --- the catalogue ----------------------------------------------------------------------------- */

static size_t count_gpus(const char *filter)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_render_gpus(catalogue, filter, NP_FORMAT_JSON, &text, &err) < 0)
		fail_msg("%s", err.text);
	tree = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(tree, "kind")), "GPUList");
	return json_array_size(json_object_get(tree, "items"));
}

static void test_render__gpus_are_filtered(void **state)
{
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(count_gpus(NULL), np_gpu_catalogue_count(catalogue));
	assert_int_equal(count_gpus("10de:20b0"), 1);
	assert_int_equal(count_gpus("10DE:20B0"), 1);
	assert_int_equal(count_gpus("GRID_V100DX"), 1);
	assert_in_range(count_gpus("a100-40gb"), 2, 6);
	assert_int_equal(np_render_gpus(catalogue, "no such card", NP_FORMAT_JSON, &text, &err),
			 -NP_E_NOT_FOUND);
	assert_string_equal(err.text, "no card matches 'no such card'");
	assert_null(text);
	assert_int_equal(np_render_gpus(catalogue, "10de:1eb8", NP_FORMAT_TABLE, &text, &err), 0);
	assert_int_equal(strncmp(text, "MODEL", 5), 0);
	assert_null(strstr(text, "VGPU"));
	assert_non_null(strstr(text, "none"));
}

/* --- diffs ------------------------------------------------------------------------------------- */

#define L3(a) a "1\n" a "2\n" a "3\n"
#define C3(a) " " a "1\n " a "2\n " a "3\n"
#define HEAD "--- old\n+++ new\n"
#define NO_NEWLINE "\\ No newline at end of file\n"

static const struct diff_case {
	const char *sentence;
	const char *from, *to, *diff;
} diff_cases[] = {
	{ "equal", "a\nb\n", "a\nb\n", "" },
	{ "both empty", "", "", "" },
	{ "one line replaced, with three lines around it", L3("a") L3("b") "x\n" L3("c") L3("d"),
	  L3("a") L3("b") "y\n" L3("c") L3("d"),
	  HEAD "@@ -4,7 +4,7 @@\n" C3("b") "-x\n+y\n" C3("c") },
	{ "at the very start", "x\n" L3("a") "z\n", "y\n" L3("a") "z\n",
	  HEAD "@@ -1,4 +1,4 @@\n-x\n+y\n" C3("a") },
	{ "at the very end", "z\n" L3("a") "x\n", "z\n" L3("a") "y\n",
	  HEAD "@@ -2,4 +2,4 @@\n" C3("a") "-x\n+y\n" },
	{ "a line added", L3("a") L3("b"), L3("a") "n\n" L3("b"),
	  HEAD "@@ -1,6 +1,7 @@\n" C3("a") "+n\n" C3("b") },
	{ "a line taken away", L3("a") "n\n" L3("b"), L3("a") L3("b"),
	  HEAD "@@ -1,7 +1,6 @@\n" C3("a") "-n\n" C3("b") },
	{ "six equal lines between two changes make one hunk", "x\n" L3("a") L3("b") "x\n",
	  "y\n" L3("a") L3("b") "y\n",
	  HEAD "@@ -1,8 +1,8 @@\n-x\n+y\n" C3("a") C3("b") "-x\n+y\n" },
	{ "seven make two", "x\n" L3("a") "m\n" L3("b") "x\n", "y\n" L3("a") "m\n" L3("b") "y\n",
	  HEAD "@@ -1,4 +1,4 @@\n-x\n+y\n" C3("a") "@@ -6,4 +6,4 @@\n" C3("b") "-x\n+y\n" },
	{ "from nothing", "", "a\nb\n", HEAD "@@ -0,0 +1,2 @@\n+a\n+b\n" },
	{ "from nothing to one line", "", "a\n", HEAD "@@ -0,0 +1 @@\n+a\n" },
	{ "to nothing", "a\nb\n", "", HEAD "@@ -1,2 +0,0 @@\n-a\n-b\n" },
	{ "no final newline on either side", "a\nb", "a\nc",
	  HEAD "@@ -1,2 +1,2 @@\n a\n-b\n" NO_NEWLINE "+c\n" NO_NEWLINE },
	{ "a final newline added", "a\nb", "a\nb\n",
	  HEAD "@@ -1,2 +1,2 @@\n a\n-b\n" NO_NEWLINE "+b\n" },
	{ "a last line without newline that stays", "a\nb", "c\nb",
	  HEAD "@@ -1,2 +1,2 @@\n-a\n+c\n b\n" NO_NEWLINE },
	{ "an empty line", "a\n\nb\n", "a\nb\n", HEAD "@@ -1,3 +1,2 @@\n a\n-\n b\n" },
	{ "several changes side by side", "a\nb\nc\nd\n", "a\nx\ny\nd\n",
	  HEAD "@@ -1,4 +1,4 @@\n a\n-b\n-c\n+x\n+y\n d\n" },
};

static char *diff_of(const char *from, const char *to, bool colour)
{
	const struct np_diff_text a = { "old", from }, b = { "new", to };
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	if (np_render_diff(&a, &b, colour, &text, &err) < 0)
		fail_msg("%s", err.text);
	return text;
}

static void test_render__diffs_are_those_of_diff_u(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(diff_cases); i++) {
		NP_AUTO(np_freep) char *got = diff_of(diff_cases[i].from, diff_cases[i].to, false);

		print_message("  %s\n", diff_cases[i].sentence);
		assert_string_equal(got, diff_cases[i].diff);
	}
}

static void test_render__diffs_have_colours_on_demand(void **state)
{
	NP_AUTO(np_freep) char *got = diff_of("a\nx\n", "a\ny\n", true);

	(void)state;
	assert_string_equal(got, "\x1b[1m--- old\n+++ new\x1b[0m\n"
				 "\x1b[36m@@ -1,2 +1,2 @@\x1b[0m\n a\n"
				 "\x1b[31m-x\x1b[0m\n\x1b[32m+y\x1b[0m\n");
}

/* Beyond the table of subsequences the middle is shown as replaced, whole. */
static void test_render__long_texts_that_differ_everywhere_are_diffed(void **state)
{
	const unsigned short lines = 2500;
	static const char start[] = HEAD "@@ -1,2500 +1,2500 @@\n-a0\n-a1\n";
	char *from = calloc(lines, 8), *to = calloc(lines, 8), *got;

	(void)state;
	assert_true(from && to);
	for (unsigned short i = 0; i < lines; i++) {
		snprintf(from + strlen(from), 8, "a%hu\n", i);
		snprintf(to + strlen(to), 8, "b%hu\n", i);
	}
	got = diff_of(from, to, false);
	assert_int_equal(strncmp(got, start, sizeof(start) - 1), 0);
	assert_non_null(strstr(got, "\n-a2499\n+b0\n"));
	free(from);
	free(to);
	free(got);
}

/* --- small things ------------------------------------------------------------------------------ */

static void test_render__sizes_are_written_in_whole_units(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 4096, "4 KB" },
		{ 4097, "4097 B" },
		{ UINT64_C(16) << 20, "16 MB" },
		{ UINT64_C(256) << 20, "256 MB" },
		{ UINT64_C(64) << 30, "64 GB" },
		{ (UINT64_C(64) << 30) + (UINT64_C(48) << 20), "64 GB + 48 MB" },
		{ UINT64_C(1) << 41, "2048 GB" },
		{ UINT64_MAX, "18446744073709551615 B" },
	};
	char text[NP_SIZE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		np_size_text(rows[i].bytes, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void test_render__formats_have_names(void **state)
{
	static const struct {
		const char *name;
		enum np_format format;
	} rows[] = {
		{ "table", NP_FORMAT_TABLE },
		{ "wide", NP_FORMAT_WIDE },
		{ "json", NP_FORMAT_JSON },
		{ "yaml", NP_FORMAT_YAML },
	};
	enum np_format format = NP_FORMAT_MAX;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(np_render_format_parse(rows[i].name, &format, &err), 0);
		assert_int_equal(format, rows[i].format);
	}
	format = NP_FORMAT_MAX;
	assert_int_equal(np_render_format_parse("JSON", &format, &err), -NP_E_USAGE);
	assert_non_null(strstr(err.text, "'JSON'"));
	assert_int_equal(format, NP_FORMAT_MAX);
}

static void test_render__objects_are_sorted_and_without_managed_fields(void **state)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *object = json_pack("{s:{s:s, s:i}, s:{s:[], s:s}}", "spec", "b", "x", "a", 1,
					"metadata", "managedFields", "name", "c");
	json_auto_t *before = json_deep_copy(object);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_render_object(object, &text, &err), 0);
	assert_string_equal(text, "metadata:\n  name: c\nspec:\n  a: 1\n  b: x\n");
	assert_true(json_equal(object, before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render__json_has_the_shape_of_the_contract),
		cmocka_unit_test(test_render__numbers_are_short),
		cmocka_unit_test(test_render__yaml_equals_json),
		cmocka_unit_test(test_render__a_name_without_valid_utf_8_keeps_the_plan),
		cmocka_unit_test(test_render__a_plan_tree_is_whole_or_null),
		cmocka_unit_test(test_render__tables_have_their_columns),
		cmocka_unit_test(test_render__the_wide_table_has_changes_and_warnings),
		cmocka_unit_test(test_render__explain_is_limited_to_a_name),
		cmocka_unit_test(test_render__gpus_are_filtered),
		cmocka_unit_test(test_render__diffs_are_those_of_diff_u),
		cmocka_unit_test(test_render__diffs_have_colours_on_demand),
		cmocka_unit_test(test_render__long_texts_that_differ_everywhere_are_diffed),
		cmocka_unit_test(test_render__sizes_are_written_in_whole_units),
		cmocka_unit_test(test_render__formats_have_names),
		cmocka_unit_test(test_render__objects_are_sorted_and_without_managed_fields),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
