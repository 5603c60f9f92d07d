/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"

#include <errno.h>
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
#include "nodeprep/render.h"

#define POOL(name, class)                                                                \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\nmetadata: {name: " name \
	", namespace: ml}\nspec: {vmClass: " class "}\n"
#define CLASS(name)                                                                              \
	"---\napiVersion: vmoperator.vmware.com/v1alpha2\nkind: VirtualMachineClass\nmetadata: " \
	"{name: " name ", namespace: ml}\nspec: {hardware: {cpus: 8, memory: 64Gi, devices: "    \
	"{dynamicDirectPathIODevices: [{vendorID: 0x10DE, deviceID: 0x20B0}]}}}\n"

/* Returns what is written to a stream. */
static char *write_plan(const struct np_plan *plan)
{
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(np_render_plan_json(out, plan, &err), 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

/* Reads the documents and plans; the plan borrows from the input. */
static void make_plan(const char *text, struct np_input *in, struct np_plan *plan)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(in, catalogue, "-", text, strlen(text), &err) < 0)
		fail_msg("%s: %s", text, err.text);
	o.classes = in->classes;
	o.n_classes = in->n_classes;
	assert_int_equal(np_plan_make(in, &o, plan, &err), 0);
}

/* Written item by item, a plan has the bytes that its whole tree has. */
static void test_render__json_is_the_same_as_of_the_whole_tree(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "neither pool nor class", "" },
		{ "a class that no pool uses", CLASS("a") },
		{ "a pool whose class is missing", POOL("p", "a") },
		{ "one of each", CLASS("a") POOL("p", "a") },
		{ "several of each", CLASS("a") CLASS("b") POOL("p", "a") POOL("q", "b") },
		{ "a name that looks like the frame",
		  CLASS("'\\n  \"pools\": []'") POOL("'  \"classes\": []'", "x") },
	};
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_input in = { 0 };
		struct np_plan plan = { 0 };
		char *text = NULL, *whole = NULL, *written;
		json_t *tree;

		make_plan(rows[i].text, &in, &plan);
		tree = np_render_plan_tree(&plan);
		assert_non_null(tree);
		assert_int_equal(np_render_tree(tree, NP_FORMAT_JSON, &whole, &err), 0);
		assert_int_equal(np_render_plan(&plan, NP_FORMAT_JSON, &text, &err), 0);
		written = write_plan(&plan);
		if (strcmp(text, whole) != 0 || strcmp(written, whole) != 0)
			fail_msg("%s: '%s' or '%s' is not '%s'", rows[i].name, text, written,
				 whole);
		free(written);
		free(text);
		free(whole);
		json_decref(tree);
		np_plan_done(&plan);
		np_pool_input_done(&in);
	}
}

/* Returns as many pools as make several parts of the text. */
static char *write_many_pools(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(CLASS("a"), out);
	for (unsigned i = 0; i < 500; i++)
		fprintf(out, POOL("p%u", "a"), i);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_render__a_plan_of_several_parts_is_whole(void **state)
{
	struct np_err err = NP_ERR_INIT;
	char *input = write_many_pools(), *text = NULL, *written;
	struct np_input in = { 0 };
	struct np_plan plan = { 0 };
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	make_plan(input, &in, &plan);
	assert_int_equal(np_render_plan(&plan, NP_FORMAT_JSON, &text, &err), 0);
	written = write_plan(&plan);
	assert_true(strlen(text) > 3 * 64 * 1024);
	assert_string_equal(written, text);
	assert_non_null(full);
	assert_true(np_render_plan_json(full, &plan, &err) < 0);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(err.code, NP_E_IO);
	fclose(full);
	free(written);
	free(text);
	np_plan_done(&plan);
	np_pool_input_done(&in);
	free(input);
}

static json_t *make_item(const void *ctx, size_t i)
{
	return json_pack("{s:i, s:s, s:[]}", "number", (int)i, "name", (const char *)ctx, "none");
}

static json_t *make_tree(json_t *items)
{
	return json_pack("{s:s, s:o, s:[i]}", "kind", "List", "items", items, "behind", 1);
}

static void test_render__lists_are_written_as_of_the_whole_tree(void **state)
{
	static const char name[] = "\n  \"items\": []";
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t n = 0; n <= 3; n++) {
		for (enum np_format f = NP_FORMAT_JSON; f <= NP_FORMAT_YAML; f++) {
			const struct np_render_list list = { "items", n, make_item, name };
			NP_AUTO(np_freep) char *whole = NULL, *text = NULL;
			json_t *items = json_array(), *tree = make_tree(items);

			for (size_t i = 0; i < n; i++)
				json_array_append_new(items, make_item(name, i));
			assert_int_equal(np_render_tree(tree, f, &whole, &err), 0);
			assert_int_equal(np_render_lists_take(make_tree(json_array()), &list, 1, f,
							      &text, &err),
					 0);
			assert_string_equal(text, whole);
			json_decref(tree);
		}
	}
}

/* More than the first buffer of any size holds, with the newline and the NUL at its very end. */
static void test_render__a_text_of_any_length_ends_in_a_newline(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t n = 4000; n < 4200; n++) {
		char *filler = malloc(n + 1), *text = NULL;
		json_t *tree = json_array();

		assert_non_null(filler);
		memset(filler, 'x', n);
		filler[n] = '\0';
		json_array_append_new(tree, json_string(filler));
		assert_int_equal(np_render_tree(tree, NP_FORMAT_JSON, &text, &err), 0);
		/* "[\n  \"" and "\"\n]\n" */
		assert_int_equal(strlen(text), n + 9);
		assert_string_equal(text + n + 5, "\"\n]\n");
		free(text);
		free(filler);
		json_decref(tree);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_render__a_text_of_any_length_ends_in_a_newline),
		cmocka_unit_test(test_render__lists_are_written_as_of_the_whole_tree),
		cmocka_unit_test(test_render__json_is_the_same_as_of_the_whole_tree),
		cmocka_unit_test(test_render__a_plan_of_several_parts_is_whole),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
