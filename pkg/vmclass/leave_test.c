/* SPDX-License-Identifier: Apache-2.0 */
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
#include "nodeprep/vmclass.h"
#include "nodeprep/warnings.h"

#include "failing_alloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct np_catalogue *cat;

static int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_gpu_catalogue_new(&cat, &err);
}

static int tear_down(void **state)
{
	(void)state;
	np_gpu_catalogue_free(cat);
	return 0;
}

static const char plain[] =
	"{\"apiVersion\":\"vmoperator.vmware.com/v1alpha6\",\"kind\":\"VirtualMachineClass\","
	"\"metadata\":{\"name\":\"gpu\",\"namespace\":\"ml\",\"annotations\":{\"note\":\"ours\"}},"
	"\"spec\":{\"hardware\":{\"cpus\":4,\"memory\":\"64Gi\",\"devices\":{\"dynamicDirectPathIODevices\":"
	"[{\"vendorID\":4318,\"deviceID\":8368}]}}}}";

static struct np_vmclass *read_take(json_t *object)
{
	struct np_vmclass *c = NULL;
	struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_doc_new_take("class", object, &doc, &err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), cat, &c, &err) < 0)
		fail_msg("%s", err.text);
	np_doc_unref(doc);
	return c;
}

/* Returns the object after `holder` has registered the pool. */
static json_t *join_take(json_t *object, const char *pool, const char *holder)
{
	struct np_member member = { pool, true, 512 };
	struct np_class_desired want = { .has_window = true,
					 .window_gb = 512,
					 .needs_efi = true,
					 .holder = holder,
					 .members = &member,
					 .n_members = 1 };
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(object);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_change(c, &want, &change, &err) < 0)
		fail_msg("%s", err.text);
	return np_vmclass_patched(c->node.json, change.patch);
}

/* Two pools with three holders between them. */
static json_t *held_class(void)
{
	json_t *object = json_loads(plain, 0, NULL);

	object = join_take(object, "ml/a", "cni/n/i/c1/e");
	object = join_take(object, "ml/a", "cni/n/i/c2/e");
	object = join_take(object, "ml/b", "cni/n/i/c2/e");
	return join_take(object, "ml/b", "apply");
}

/* Picks the holders that contain the text. */
static bool contains(void *ctx, const char *holder)
{
	return !!strstr(holder, ctx);
}

static json_t *leave_take(json_t *object, const char *part, struct np_warnings *warnings)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(object);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;
	json_t *left;

	if (np_vmclass_release(c, contains, (char *)(uintptr_t)part, &change, &err) < 0)
		fail_msg("%s", err.text);
	if (warnings)
		warnings->n = change.warnings.n;
	left = np_vmclass_patched(c->node.json, change.patch);
	/* What nobody leaves is not written at all. */
	if (json_equal(left, c->node.json))
		assert_int_equal(json_object_size(change.patch), 0);
	return left;
}

static const char *managed_of(const json_t *object)
{
	const json_t *annotations =
		json_object_get(json_object_get(object, "metadata"), "annotations");

	return json_string_value(json_object_get(annotations, NP_MANAGED_ANNOTATION));
}

/* Returns the pools as "a: x y; b: z". */
static char *pools_of(const json_t *object)
{
	json_auto_t *managed = json_loads(managed_of(object) ? managed_of(object) : "{}", 0, NULL);
	json_t *pool, *holder;
	char *text = NULL;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);
	const char *id;

	json_object_foreach (json_object_get(managed, "pools"), id, pool) {
		fprintf(f, "%s:", id);
		json_array_foreach (json_object_get(pool, "holders"), i, holder)
			fprintf(f, " %s", json_string_value(holder));
		fputs(";", f);
	}
	fclose(f);
	return text;
}

static const struct leave_case {
	const char *what, *part, *pools;
} leave_cases[] = {
	{ "nobody", "nobody", "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: apply cni/n/i/c2/e;" },
	{ "one holder of one pool", "/c1/", "ml/a: cni/n/i/c2/e;ml/b: apply cni/n/i/c2/e;" },
	{ "one holder of both pools", "/c2/", "ml/a: cni/n/i/c1/e;ml/b: apply;" },
	{ "all holders of one pool", "cni/", "ml/b: apply;" },
	{ "everybody", "", "" },
};

static void test_leave__holders_go_out_of_every_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(leave_cases); i++) {
		json_auto_t *left = leave_take(held_class(), leave_cases[i].part, NULL);
		json_auto_t *before = json_loads(plain, 0, NULL);
		NP_AUTO(np_freep) char *pools = pools_of(left);

		print_message("# %s\n", leave_cases[i].what);
		assert_string_equal(pools, leave_cases[i].pools);
		assert_int_equal(json_equal(left, before), leave_cases[i].pools[0] == '\0');
	}
}

static void test_leave__what_others_changed_stays(void **state)
{
	json_t *object = held_class();
	json_t *spec = json_object_get(json_object_get(object, "spec"), "configSpec");
	struct np_warnings warnings = { 0 };

	(void)state;
	json_object_set_new(spec, "firmware", json_string("bios"));
	object = leave_take(object, "", &warnings);
	spec = json_object_get(json_object_get(object, "spec"), "configSpec");
	assert_string_equal(json_string_value(json_object_get(spec, "firmware")), "bios");
	assert_null(managed_of(object));
	assert_true(warnings.n > 0);
	json_decref(object);
}

static void test_leave__class_that_nobody_holds_is_left(void **state)
{
	json_auto_t *before = json_loads(plain, 0, NULL);
	json_auto_t *left = leave_take(json_loads(plain, 0, NULL), "", NULL);

	(void)state;
	assert_true(json_equal(left, before));
}

static const struct held_case {
	const char *what, *annotation;
	int held;
} held_cases[] = {
	{ "no annotation", NULL, 0 },
	{ "a holder",
	  "{\"pools\":{\"ml/p\":{\"holders\":[\"x\",\"me\"],\"mmioGB\":null}},\"before\":{}}", 1 },
	{ "other holders",
	  "{\"pools\":{\"ml/p\":{\"holders\":[\"x\"],\"mmioGB\":512}},\"before\":{}}", 0 },
	{ "no pools", "{\"before\":{}}", -1 },
	{ "no JSON", "me", -1 },
	{ "a list", "[\"me\"]", -1 },
	{ "a holder that is a number",
	  "{\"pools\":{\"ml/p\":{\"holders\":[1],\"mmioGB\":0}},\"before\":{}}", -1 },
	{ "holders that are a text",
	  "{\"pools\":{\"ml/p\":{\"holders\":\"me\",\"mmioGB\":0}},\"before\":{}}", -1 },
};

static void test_leave__annotation_tells_who_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(held_cases); i++) {
		json_auto_t *object = json_pack("{s:{s:{s:s*}}}", "metadata", "annotations",
						NP_MANAGED_ANNOTATION, held_cases[i].annotation);
		struct np_err err = NP_ERR_INIT;
		int held;

		print_message("# %s\n", held_cases[i].what);
		held = np_vmclass_is_held(object, contains, "me", &err);
		assert_int_equal(held < 0 ? -1 : held, held_cases[i].held);
		assert_int_equal(err.code, held < 0 ? NP_E_RECORD : NP_OK);
	}
}

static void test_leave__each_allocation_may_fail(void **state)
{
	bool failed = true;
	size_t n;

	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	for (n = 0; failed && n < 9999; n++) {
		NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(held_class());
		NP_AUTO(np_vmclass_change_done) struct np_change change = { .window_gb = 77 };
		struct np_err err = NP_ERR_INIT;
		int r;

		allocations_left = n;
		r = np_vmclass_release(c, contains, "", &change, &err);
		failed = allocations_left == SIZE_MAX;
		allocations_left = SIZE_MAX;
		assert_int_equal(err.code, failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(r, np_err_ret(&err));
		if (failed)
			assert_int_equal(change.window_gb, 77);
	}
	json_set_alloc_funcs(malloc, free);
	assert_in_range(n, 20, 9998);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave__holders_go_out_of_every_pool),
		cmocka_unit_test(test_leave__what_others_changed_stays),
		cmocka_unit_test(test_leave__class_that_nobody_holds_is_left),
		cmocka_unit_test(test_leave__annotation_tells_who_holds),
		cmocka_unit_test(test_leave__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
