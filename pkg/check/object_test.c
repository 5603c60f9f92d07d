/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"

static json_t *parse(const char *title, const char *text)
{
	json_t *tree = json_loads(text, 0, NULL);

	if (!tree)
		fail_msg("%s: not JSON", title);
	return tree;
}

static void expect_text(const char *title, const char *member, const char *have, const char *want)
{
	if (!have != !want || (have && want && strcmp(have, want) != 0))
		fail_msg("%s: %s is '%s', expected '%s'", title, member, have ? have : "(absent)",
			 want ? want : "(absent)");
}

#define NAMED(rest) "{\"metadata\": {\"name\": \"a\"" rest

/* What is expected of a VM named "a"; NULL: absent. */
static const struct vm_row {
	const char *title, *object;
	const char *class_name, *created, *annotation, *firmware, *image_kind, *image;
	bool is_deleting, has_window;
	uint64_t window_gb;
} vm_rows[] = {
	{ .title = "nothing but a name", .object = NAMED("}") "}" },
	{ .title = "members of other types",
	  .object = NAMED(
		  ", \"annotations\": [], \"creationTimestamp\": 7, \"deletionTimestamp\": {}}") ", \"spec\": {\"className\": [], \"bootOptions\": \"efi\", \"image\": \"x\", "
												 "\"imageName\": false}, \"status\": {\"class\": 1, \"extraConfig\": {\"key\": 1}}}" },
	{ .title = "spec and status of other types",
	  .object = NAMED("}") ", \"spec\": [], \"status\": \"x\"}" },
	{ .title = "null is absent",
	  .object = NAMED(
		  ", \"deletionTimestamp\": null, \"creationTimestamp\": null}") ", \"spec\": {\"image\": null, \"className\": null}}" },
	{ .title = "a VM that is being deleted",
	  .object = NAMED(", \"deletionTimestamp\": \"2026-01-01T00:00:00Z\"}") "}",
	  .is_deleting = true },
	{ .title = "times that are none",
	  .object = NAMED(", \"creationTimestamp\": \"yesterday\"}") "}" },
	{ .title = "a time",
	  .object = NAMED(", \"creationTimestamp\": \"2026-01-01T00:00:00Z\"}") "}",
	  .created = "2026-01-01T00:00:00Z" },
	{ .title = "an annotation that is a number",
	  .object = NAMED(", \"annotations\": {\"" NP_MMIO_ANNOTATION "\": 512}}") "}" },
	{ .title = "an annotation",
	  .object = NAMED(", \"annotations\": {\"" NP_MMIO_ANNOTATION "\": \"512\"}}") "}",
	  .annotation = "512" },
	{ .title = "spec.image without a name does not count",
	  .object = NAMED("}") ", \"spec\": {\"image\": {\"kind\": \"K\"}, \"imageName\": \"i\"}}",
	  .image = "i" },
	{ .title = "spec.image takes precedence over spec.imageName",
	  .object = NAMED("}") ", \"spec\": {\"image\": {\"kind\": \"K\", \"name\": \"j\"}, "
			       "\"imageName\": \"i\", \"bootOptions\": {\"firmware\": \"efi\"}}}",
	  .image_kind = "K",
	  .image = "j",
	  .firmware = "efi" },
	{ .title = "the class of the spec takes precedence over the status",
	  .object = NAMED("}") ", \"spec\": {\"className\": \"c\"}, \"status\": {\"class\": "
			       "{\"kind\": \"VirtualMachineClass\", \"name\": \"d\"}}}",
	  .class_name = "c" },
	{ .title = "a class without a kind in the status is none",
	  .object = NAMED("}") ", \"status\": {\"class\": {\"name\": \"d\"}}}" },
	{ .title = "the first window that is a number",
	  .object = NAMED("}") ", \"status\": {\"extraConfig\": [7, null, {\"key\": \"a\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": \"x\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": \"64\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": \"128\"}]}}",
	  .has_window = true,
	  .window_gb = 64 },
	{ .title = "windows that are not in range",
	  .object = NAMED("}") ", \"status\": {\"extraConfig\": ["
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": \"-1\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": \"2147483648\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME
			       "\", \"value\": \"99999999999999999999\"}, "
			       "{\"key\": \"" NP_VMX_SIZE_NAME "\", \"value\": 64}]}}" },
};

static void test_object__vms_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(vm_rows); i++) {
		const struct vm_row *row = &vm_rows[i];
		NP_AUTO(check_vm_done) struct np_check_vm vm = { 0 };
		json_auto_t *object = parse(row->title, row->object);
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(check_vm_read(object, "ml", &vm, &err), 0);
		expect_text(row->title, "ns", vm.ns, "ml");
		expect_text(row->title, "name", vm.name, "a");
		expect_text(row->title, "class_name", vm.class_name, row->class_name);
		expect_text(row->title, "created", vm.created, row->created);
		expect_text(row->title, "annotation", vm.annotation, row->annotation);
		expect_text(row->title, "firmware", vm.firmware, row->firmware);
		expect_text(row->title, "image_kind", vm.image_kind, row->image_kind);
		expect_text(row->title, "image", vm.image, row->image);
		if (vm.is_deleting != row->is_deleting || vm.has_window != row->has_window ||
		    (row->has_window && vm.window_gb != row->window_gb))
			fail_msg("%s", row->title);
	}
}

static const struct image_row {
	const char *title, *status;
	const char *display_name, *firmware;
} image_rows[] = {
	{ "no status", "null", NULL, NULL },
	{ "a status that is a list", "[]", NULL, NULL },
	{ "members of other types", "{\"name\": 7, \"firmware\": []}", NULL, NULL },
	{ "a name and firmware", "{\"name\": \"ubuntu\", \"firmware\": \"efi\"}", "ubuntu", "efi" },
	{ "the name of v1alpha1", "{\"imageName\": \"ubuntu\"}", "ubuntu", NULL },
	{ "both names", "{\"imageName\": \"old\", \"name\": \"new\"}", "new", NULL },
};

static void test_object__images_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(image_rows); i++) {
		const struct image_row *row = &image_rows[i];
		NP_AUTO(check_image_done) struct np_check_image image = { 0 };
		json_auto_t *object =
			json_pack("{s:{s:s}, s:o}", "metadata", "name", "vmi", "status",
				  json_loads(row->status, JSON_DECODE_ANY, NULL));
		struct np_err err = NP_ERR_INIT;

		assert_non_null(object);
		assert_int_equal(check_image_read(object, CHECK_IMAGE_KIND, NULL, &image, &err), 0);
		expect_text(row->title, "kind", image.kind, CHECK_IMAGE_KIND);
		expect_text(row->title, "ns", image.ns, NULL);
		expect_text(row->title, "name", image.name, "vmi");
		expect_text(row->title, "display_name", image.display_name, row->display_name);
		expect_text(row->title, "firmware", image.firmware, row->firmware);
	}
}

/* A text that is too long is cut between characters and marked. */
static void test_object__long_texts_are_cut(void **state)
{
	static const struct {
		const char *unit;
		size_t n, kept; /* units, and how many of them are kept; 0: all */
	} rows[] = {
		{ "x", NP_CHECK_TEXT_MAX, 0 },
		{ "x", NP_CHECK_TEXT_MAX + 1, NP_CHECK_TEXT_MAX - 3 },
		{ "\xe2\x82\xac", NP_CHECK_TEXT_MAX, (NP_CHECK_TEXT_MAX - 3) / 3 },
		{ "\xf0\x9f\x98\x80", NP_CHECK_TEXT_MAX, (NP_CHECK_TEXT_MAX - 3) / 4 },
		{ "x", 1000000, NP_CHECK_TEXT_MAX - 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(check_image_done) struct np_check_image image = { 0 };
		NP_AUTO(np_freep) char *text = calloc(rows[i].n * strlen(rows[i].unit) + 1, 1);
		json_auto_t *object = NULL;
		struct np_err err = NP_ERR_INIT;
		size_t kept = rows[i].kept * strlen(rows[i].unit);

		for (size_t k = 0; k < rows[i].n; k++)
			memcpy(text + k * strlen(rows[i].unit), rows[i].unit, strlen(rows[i].unit));
		object = json_pack("{s:{s:s}}", "status", "firmware", text);
		assert_non_null(object);
		assert_int_equal(check_image_read(object, CHECK_IMAGE_KIND, NULL, &image, &err), 0);
		if (rows[i].kept == 0) {
			assert_string_equal(image.firmware, text);
			continue;
		}
		assert_int_equal(strlen(image.firmware), kept + 3);
		assert_memory_equal(image.firmware, text, kept);
		assert_string_equal(image.firmware + kept, "...");
	}
}

static void test_object__each_allocation_may_fail(void **state)
{
	json_auto_t *object = parse(
		"object", "{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"className\": \"c\", "
			  "\"imageName\": \"i\"}}");
	struct failing f = FAILING_INIT;

	(void)state;
	while (next_round(&f)) {
		NP_AUTO(check_vm_done) struct np_check_vm vm = { 0 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = check_vm_read(object, "ml", &vm, &err);
		stop_failing(&f);
		assert_int_equal(rc, f.failed ? -NP_E_NOMEM : 0);
	}
	assert_int_equal(f.rounds, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object__vms_are_read),
		cmocka_unit_test(test_object__images_are_read),
		cmocka_unit_test(test_object__long_texts_are_cut),
		cmocka_unit_test(test_object__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
