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
static json_t *register_take(json_t *object, const char *pool, const char *holder)
{
	struct np_member member = { .id = pool, .has_need = true, .need_gb = 512 };
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

	object = register_take(object, "ml/a", "cni/n/i/c1/e");
	object = register_take(object, "ml/a", "cni/n/i/c2/e");
	object = register_take(object, "ml/b", "cni/n/i/c2/e");
	return register_take(object, "ml/b", "apply");
}

/* Picks the registrations of which "ID HOLDER" contains the text. */
static bool contains(void *ctx, const char *id, const char *holder)
{
	char text[256];

	snprintf(text, sizeof(text), "%s %s", id, holder);
	return !!strstr(text, ctx);
}

static json_t *release_take(json_t *object, const char *part, struct np_warnings *warnings,
			    size_t *ret_n)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(object);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;
	json_t *after;

	if (np_vmclass_release(c, contains, (char *)(uintptr_t)part, &change, &err) < 0)
		fail_msg("%s", err.text);
	if (warnings)
		warnings->n = change.warnings.n;
	after = np_vmclass_patched(c->node.json, change.patch);
	/* Where nothing is released nothing is written. */
	assert_int_equal(json_object_size(change.patch) > 0, change.n_released > 0);
	if (ret_n)
		*ret_n = change.n_released;
	return after;
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

static const struct release_case {
	const char *what, *part, *pools;
	size_t n; /* registrations that are released */
} release_cases[] = {
	{ "nobody", "nobody", "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: apply cni/n/i/c2/e;", 0 },
	{ "one holder of one pool", "/c1/", "ml/a: cni/n/i/c2/e;ml/b: apply cni/n/i/c2/e;", 1 },
	{ "one holder of both pools", "/c2/", "ml/a: cni/n/i/c1/e;ml/b: apply;", 2 },
	{ "one holder of both pools, out of one", "ml/b cni/n/i/c2/",
	  "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: apply;", 1 },
	{ "one pool with all its holders", "ml/b ", "ml/a: cni/n/i/c1/e cni/n/i/c2/e;", 2 },
	{ "all holders of one pool", "cni/", "ml/b: apply;", 3 },
	{ "everybody", "", "", 4 },
};

static void test_release__predicate_picks_registrations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(release_cases); i++) {
		const struct release_case *row = &release_cases[i];
		size_t n;
		json_auto_t *after = release_take(held_class(), row->part, NULL, &n);
		json_auto_t *before = json_loads(plain, 0, NULL);
		NP_AUTO(np_freep) char *pools = pools_of(after);

		print_message("# %s\n", row->what);
		assert_string_equal(pools, row->pools);
		assert_int_equal(n, row->n);
		assert_int_equal(json_equal(after, before), row->pools[0] == '\0');
	}
}

/* Which of the two pools are reverted for whom. */
static void test_release__revert_releases_named_pools_of_one_holder(void **state)
{
	static const struct {
		const char *holder, *pools[2], *after;
	} rows[] = {
		{ "apply",
		  { "ml/a", NULL },
		  "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: apply cni/n/i/c2/e;" },
		{ "apply",
		  { "ml/a", "ml/b" },
		  "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: cni/n/i/c2/e;" },
		{ "cni/n/i/c2/e",
		  { "ml/b", NULL },
		  "ml/a: cni/n/i/c1/e cni/n/i/c2/e;ml/b: apply;" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct np_member members[] = { { .id = rows[i].pools[0] },
						     { .id = rows[i].pools[1] } };
		const struct np_class_desired want = { .holder = rows[i].holder,
						       .members = members,
						       .n_members = rows[i].pools[1] ? 2 : 1 };
		NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(held_class());
		NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
		json_auto_t *after = NULL;
		struct np_err err = NP_ERR_INIT;
		NP_AUTO(np_freep) char *pools = NULL;

		assert_int_equal(np_vmclass_revert(c, &want, &change, &err), 0);
		after = np_vmclass_patched(c->node.json, change.patch);
		pools = pools_of(after);
		assert_string_equal(pools, rows[i].after);
	}
}

static void test_release__what_another_writer_changed_stays(void **state)
{
	json_t *object = held_class();
	json_t *spec = json_object_get(json_object_get(object, "spec"), "configSpec");
	struct np_warnings warnings = { 0 };

	(void)state;
	json_object_set_new(spec, "firmware", json_string("bios"));
	object = release_take(object, "", &warnings, NULL);
	spec = json_object_get(json_object_get(object, "spec"), "configSpec");
	assert_string_equal(json_string_value(json_object_get(spec, "firmware")), "bios");
	assert_null(managed_of(object));
	assert_true(warnings.n > 0);
	json_decref(object);
}

static void test_release__class_without_registrations_is_unchanged(void **state)
{
	json_auto_t *before = json_loads(plain, 0, NULL);
	json_auto_t *after = release_take(json_loads(plain, 0, NULL), "", NULL, NULL);

	(void)state;
	assert_true(json_equal(after, before));
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

static void test_release__record_tells_who_holds(void **state)
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

static void test_release__each_allocation_may_fail(void **state)
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
		cmocka_unit_test(test_release__predicate_picks_registrations),
		cmocka_unit_test(test_release__revert_releases_named_pools_of_one_holder),
		cmocka_unit_test(test_release__what_another_writer_changed_stays),
		cmocka_unit_test(test_release__class_without_registrations_is_unchanged),
		cmocka_unit_test(test_release__record_tells_who_holds),
		cmocka_unit_test(test_release__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
