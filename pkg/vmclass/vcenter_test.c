/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"
#include "catalogue.h"
#include "expect.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/vmclass.h"

/* The corpus is replayed through the fuzz target itself. */
#include "vcenter_fuzz.c"

/*
 * A record's input is an Info, which a pool of 512 GB registers for and is released from. A second line is merged into
 * the Info before the release, as another client would have changed it.
 */
struct life {
	FILE *out;
	json_t *info; /* as vCenter has it now */
	json_t *record; /* as it is kept beside it */
	uint64_t memory_mb; /* when the record was made */
	struct np_err err;
};

static json_t *read_class(struct life *l, struct np_vmclass **ret)
{
	const struct np_vmclass_record record = { l->record, l->memory_mb, NULL };
	json_t *object = NULL;
	struct np_doc *doc = NULL;

	if (np_vmclass_from_vcenter(l->info, &record, &object, &l->err) < 0)
		return NULL;
	assert_ptr_equal(np_vmclass_vcenter_info(object), l->info);
	l->memory_mb = np_vmclass_vcenter_memory_mb(object);
	if (np_doc_new_take("class", json_incref(object), &doc, &l->err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), catalogue, ret, &l->err) < 0) {
		json_decref(object);
		object = NULL;
	}
	np_doc_unref(doc);
	return object;
}

static void print_json(FILE *out, const char *what, const json_t *value)
{
	char *text = np_json_text(value, JSON_COMPACT | JSON_SORT_KEYS);

	fprintf(out, "%s %s\n", what, text);
	free(text);
}

static bool is_all(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	return strcmp(holder, "apply") == 0;
}

static int change(struct np_vmclass *c, bool release, struct np_change *ret, struct np_err *err)
{
	static const struct np_member member = { .id = "ml/gpu", .has_need = true, .need_gb = 512 };
	const struct np_class_desired desired = { .has_window = true,
						  .window_gb = 512,
						  .window_reason = "the test",
						  .needs_efi = true,
						  .holder = "apply",
						  .members = &member,
						  .n_members = 1 };

	return release ? np_vmclass_release(c, is_all, NULL, ret, err)
		       : np_vmclass_change(c, &desired, ret, err);
}

/* As vCenter stores it: what the body has is replaced, what it lacks is reset. */
static void store(struct life *l, json_t *body)
{
	json_t *writable = np_vmclass_vcenter_writable(l->info);
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(writable, next, key, value) if (!json_object_get(body, key))
		json_object_del(l->info, key);
	json_object_update(l->info, body);
	json_decref(writable);
}

static int step(struct life *l, bool release)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	NP_AUTO(np_vmclass_change_done) struct np_change done = { 0 };
	json_auto_t *object = read_class(l, &c), *target = NULL, *body = NULL, *record = NULL;

	if (!object || change(c, release, &done, &l->err) < 0)
		return np_err_ret(&l->err);
	if (!release)
		print_json(l->out, "spec", json_object_get(object, "spec"));
	target = np_vmclass_patched(object, done.patch);
	if (np_vmclass_to_vcenter(target, &body, &l->err) < 0 ||
	    np_vmclass_record_read(target, &record, &l->err) < 0)
		return np_err_ret(&l->err);
	print_json(l->out, release ? "released" : "body", body);
	for (size_t i = 0; i < done.warnings.n; i++)
		fprintf(l->out, "%s: %s\n", done.warnings.items[i].code,
			done.warnings.items[i].message);
	store(l, body);
	json_decref(l->record);
	l->record = json_incref(record);
	return 0;
}

static char *live(const char *input)
{
	char *text = NULL;
	size_t size = 0;
	struct life l = { .out = open_memstream(&text, &size), .err = NP_ERR_INIT };
	const char *second = strchr(input, '\n') + 1;
	json_auto_t *original = NULL, *merge = *second ? json_loads(second, 0, NULL) : NULL;
	json_t *old;

	l.info = json_loadb(input, (size_t)(second - input), 0, NULL);
	assert_non_null(l.info);
	original = json_deep_copy(l.info);
	if (step(&l, false) == 0) {
		if (merge) {
			old = l.info;
			l.info = np_vmclass_patched(old, merge);
			json_decref(old);
		}
		step(&l, true);
		fprintf(l.out, json_equal(l.info, original) ? "as before\n" : "not as before\n");
		assert_true(!l.record || merge);
	}
	if (l.err.code != NP_OK)
		fprintf(l.out, "%s: %s\n", np_code_name(l.err.code), l.err.text);
	json_decref(l.info);
	json_decref(l.record);
	fclose(l.out);
	return text;
}

static void test_vcenter__a_class_is_changed_and_restored(void **state)
{
	(void)state;
	run_cases("pkg/vmclass/testdata/cases/vcenter.txt", live);
}

/* Each percentage survives its way through bytes, whatever the memory. */
static void test_vcenter__every_percentage_is_exact(void **state)
{
	static const uint64_t memory[] = {
		1, 3, 4, 1000, 4095, 65536, 98304, 16777217, 4294967296
	};

	(void)state;
	for (size_t i = 0; i < COUNT(memory) * 101; i++) {
		json_auto_t *info = json_pack("{s:s, s:I, s:i}", "id", "gpu", "memory_MB",
					      (json_int_t)memory[i / 101], "memory_reservation",
					      (int)(i % 101));
		json_auto_t *object = NULL, *body = NULL;
		struct np_err err = NP_ERR_INIT;

		if (np_vmclass_from_vcenter(info, NULL, &object, &err) < 0 ||
		    np_vmclass_to_vcenter(object, &body, &err) < 0)
			fail_msg("%s", err.text);
		json_object_del(info, "id");
		assert_true(json_equal(info, body));
	}
}

#define ENTRY(use64, size)                                                             \
	"\"/spec/configSpec/extraConfig\":{\"absent\":\"/spec/configSpec\",\"set\":"   \
	"{\"pciPassthru.use64bitMMIO\":\"" use64 "\",\"pciPassthru.64bitMMIOSizeGB\":" \
	"\"" size "\"}}"
#define EFI "\"/spec/configSpec/firmware\":{\"absent\":\"/spec/configSpec\",\"set\":\"efi\"}"
#define RECORD(before) "{\"pools\":{},\"before\":{" before "}}"
#define KEY(key, value)                                                  \
	"{\"_typeName\":\"OptionValue\",\"key\":\"" key "\",\"value\":{" \
	"\"_typeName\":\"string\",\"_value\":\"" value "\"}}"
#define WINDOW(size)                                        \
	"\"extraConfig\":[" KEY("pciPassthru.use64bitMMIO", \
				"TRUE") "," KEY("pciPassthru.64bitMMIOSizeGB", size) "]"

/* Whichever moment nodeprep was killed at, the record that fits the class is found. */
static void test_vcenter__a_record_that_was_not_settled_is(void **state)
{
	static const struct {
		const char *title, *config_spec, *before, *after;
		bool is_after;
	} rows[] = {
		{ "registered: not written yet", "{}", NULL, RECORD(EFI), false },
		{ "registered: written", "{\"firmware\":\"efi\"}", NULL, RECORD(EFI), true },
		{ "released: not written yet", "{\"firmware\":\"efi\"}", RECORD(EFI), NULL, false },
		{ "released: written", "{}", RECORD(EFI), NULL, true },
		{ "a larger window: not written yet", "{" WINDOW("512") "}",
		  RECORD(ENTRY("TRUE", "512")), RECORD(ENTRY("TRUE", "1024")), false },
		{ "a larger window: written", "{" WINDOW("1024") "}", RECORD(ENTRY("TRUE", "512")),
		  RECORD(ENTRY("TRUE", "1024")), true },
		{ "one more field: not written yet", "{" WINDOW("512") "}",
		  RECORD(ENTRY("TRUE", "512")), RECORD(ENTRY("TRUE", "512") "," EFI), false },
		{ "one more field: written", "{\"firmware\":\"efi\"," WINDOW("512") "}",
		  RECORD(ENTRY("TRUE", "512")), RECORD(ENTRY("TRUE", "512") "," EFI), true },
		{ "written, and in part changed by another client", "{" WINDOW("512") "}", NULL,
		  RECORD(ENTRY("TRUE", "512") "," EFI), true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_auto_t *config_spec = json_loads(rows[i].config_spec, 0, NULL);
		json_auto_t *object = json_pack("{s:{s:O}}", "spec", "configSpec", config_spec);
		json_auto_t *before = rows[i].before ? json_loads(rows[i].before, 0, NULL) : NULL;
		json_auto_t *after = rows[i].after ? json_loads(rows[i].after, 0, NULL) : NULL;

		assert_non_null(object);
		if (np_vmclass_record_settle(object, before, after) !=
		    (rows[i].is_after ? after : before))
			fail_msg("%s", rows[i].title);
	}
}

static void test_vcenter__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/vmclass/testdata/corpus-vcenter", LLVMFuzzerTestOneInput) >
		    0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcenter__a_class_is_changed_and_restored),
		cmocka_unit_test(test_vcenter__every_percentage_is_exact),
		cmocka_unit_test(test_vcenter__corpus_holds),
		cmocka_unit_test(test_vcenter__a_record_that_was_not_settled_is),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
