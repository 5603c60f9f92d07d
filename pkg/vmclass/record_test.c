/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
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

/* The corpus is replayed through the fuzz target itself. */
#include "record_fuzz.c"

#include "failing_alloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TESTDATA "pkg/vmclass/testdata"

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
	np_gpu_catalogue_free(fuzz_cat);
	fuzz_cat = NULL;
	return 0;
}

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

/* --- records that are refused ---------------------------------------------------------------- */

#define POOLS "{\"ml/w\":{\"holders\":[\"apply\"],\"mmioGB\":512}}"
#define BEFORE(text) "{\"pools\":" POOLS ",\"before\":{" text "}}"
#define POOL(text) "{\"pools\":{\"ml/w\":" text "},\"before\":{}}"
#define FIRMWARE(text) BEFORE("\"/spec/configSpec/firmware\":" text)
#define REQUEST(text) BEFORE("\"/spec/policies/resources/requests/memory\":" text)
#define KEYS_SET \
	"\"set\":{\"pciPassthru.64bitMMIOSizeGB\":\"512\",\"pciPassthru.use64bitMMIO\":\"TRUE\"}"
#define KEYS(text) BEFORE("\"/spec/configSpec/extraConfig\":{" text "}")
#define ENTRIES(text) KEYS(KEYS_SET ",\"entries\":[" text "]")
#define DEVICES(text) BEFORE("\"/spec/configSpec/deviceChange\":{" text "}")

static const struct bad_case {
	const char *what, *annotation, *message;
} bad_cases[] = {
	{ "a path without a slash, absent at the top (crash in 0.1)",
	  "{\"pools\":{\"ml/none\":{\"mmioGB\":512,\"holders\":[\"controller\"]}},\"before\":"
	  "{\"xkind\":{\"set\":\"VirtualMachineClass\",\"absent\":\"\"}}}",
	  "before.'xkind': is not a field that nodeprep sets" },
	{ "the memory", BEFORE("\"/spec/hardware/memory\":{\"set\":\"64Gi\",\"value\":\"1Gi\"}"),
	  "'/spec/hardware/memory': is not a field" },
	{ "the cpus", BEFORE("\"/spec/hardware/cpus\":{\"set\":8,\"value\":64}"),
	  "is not a field" },
	{ "the devices", BEFORE("\"/spec/hardware/devices\":{\"set\":{},\"absent\":\"/spec\"}"),
	  "is not a field" },
	{ "the policies", BEFORE("\"/spec/policies\":{\"set\":{},\"absent\":\"/spec/policies\"}"),
	  "is not a field" },
	{ "the cpu request",
	  BEFORE("\"/spec/policies/resources/requests/cpu\":{\"set\":\"1\",\"value\":\"9\"}"),
	  "is not a field" },
	{ "metadata", BEFORE("\"/metadata/labels\":{\"set\":null,\"absent\":\"/metadata\"}"),
	  "is not a field" },
	{ "the path of one field with another case",
	  BEFORE("\"/spec/configSpec/Firmware\":{\"set\":\"efi\",\"value\":\"bios\"}"),
	  "is not a field" },
	{ "the path with an escape",
	  BEFORE("\"/spec/configSpec/firm~1ware\":{\"set\":\"efi\",\"value\":\"bios\"}"),
	  "is not a field" },
	{ "the empty path", BEFORE("\"\":{\"set\":1,\"value\":2}"), "before.'': is not a field" },
	{ "a slash", BEFORE("\"/\":{\"set\":1,\"value\":2}"), "is not a field" },
	{ "firmware of no kind", FIRMWARE("{\"set\":\"efi\",\"value\":\"uboot\"}"),
	  "value must be 'bios', 'csm' or 'efi'" },
	{ "firmware that is an object", FIRMWARE("{\"set\":\"efi\",\"value\":{\"cpus\":1}}"),
	  "value must be" },
	{ "firmware that is null", FIRMWARE("{\"set\":\"efi\",\"value\":null}"), "value must be" },
	{ "firmware that nodeprep does not set", FIRMWARE("{\"set\":\"bios\",\"value\":\"efi\"}"),
	  "set must be 'efi'" },
	{ "an entry without a value", FIRMWARE("{\"set\":\"efi\"}"), "must have set, and one" },
	{ "an entry without set", FIRMWARE("{\"value\":\"bios\"}"), "must have set, and one" },
	{ "an entry with both",
	  FIRMWARE("{\"set\":\"efi\",\"value\":\"bios\",\"absent\":\"/spec\"}"),
	  "must have set, and one" },
	{ "an entry with something else", FIRMWARE("{\"set\":\"efi\",\"value\":\"bios\",\"x\":1}"),
	  "must have set, and one" },
	{ "an entry that is a list", FIRMWARE("[]"), "must be an object" },
	{ "absent elsewhere", FIRMWARE("{\"set\":\"efi\",\"absent\":\"/metadata\"}"),
	  "absent is not" },
	{ "absent above the spec", FIRMWARE("{\"set\":\"efi\",\"absent\":\"\"}"), "absent is not" },
	{ "absent a slash", FIRMWARE("{\"set\":\"efi\",\"absent\":\"/\"}"), "absent is not" },
	{ "absent part of a name", FIRMWARE("{\"set\":\"efi\",\"absent\":\"/spec/conf\"}"),
	  "absent is not" },
	{ "absent below the field",
	  FIRMWARE("{\"set\":\"efi\",\"absent\":\"/spec/configSpec/firmware/x\"}"),
	  "absent is not" },
	{ "absent a number", FIRMWARE("{\"set\":\"efi\",\"absent\":7}"), "absent is not" },
	{ "a lock that is a text",
	  BEFORE("\"/spec/configSpec/memoryReservationLockedToMax\":{\"set\":true,\"value\":\"no\"}"),
	  "value must be true or false" },
	{ "a lock that nodeprep does not set",
	  BEFORE("\"/spec/configSpec/memoryReservationLockedToMax\":{\"set\":false,\"value\":true}"),
	  "set must be true" },
	{ "another type of configSpec",
	  BEFORE("\"/spec/configSpec/_typeName\":{\"set\":\"X\",\"absent\":\"/spec/configSpec\"}"),
	  "must have absent, and set" },
	{ "a type that alone was absent",
	  BEFORE("\"/spec/configSpec/_typeName\":{\"set\":\"VirtualMachineConfigSpec\",\"absent\":"
		 "\"/spec/configSpec/_typeName\"}"),
	  "absent is not" },
	{ "a request above what nodeprep set", REQUEST("{\"set\":\"64Gi\",\"value\":\"1Ti\"}"),
	  "value must be a quantity, at most that of set" },
	{ "a request that is no quantity", REQUEST("{\"set\":\"64Gi\",\"value\":\"lots\"}"),
	  "value must be a quantity" },
	{ "a negative request", REQUEST("{\"set\":\"64Gi\",\"value\":\"-1\"}"),
	  "value must be a quantity" },
	{ "a request that is a list", REQUEST("{\"set\":\"64Gi\",\"value\":[]}"),
	  "value must be a quantity" },
	{ "a request set to an object", REQUEST("{\"set\":{},\"value\":\"1Gi\"}"),
	  "set must be a quantity" },
	{ "keys without set", KEYS("\"absent\":\"/spec/configSpec\""), "set must hold" },
	{ "keys with set alone", KEYS(KEYS_SET), "must have set, and absent or entries" },
	{ "a window of 3 GB",
	  KEYS("\"absent\":\"/spec/configSpec\",\"set\":{\"pciPassthru.64bitMMIOSizeGB\":"
	       "\"3\",\"pciPassthru.use64bitMMIO\":\"TRUE\"}"),
	  "set must hold" },
	{ "a third key set",
	  KEYS("\"absent\":\"/spec/configSpec\",\"set\":{\"pciPassthru.64bitMMIOSizeGB\":"
	       "\"512\",\"pciPassthru.use64bitMMIO\":\"TRUE\",\"x\":\"y\"}"),
	  "set must hold" },
	{ "an entry of another key",
	  ENTRIES("{\"at\":0,\"entry\":{\"_typeName\":\"OptionValue\",\"key\":\"guestinfo.x\",\"value\":\"y\"}}"),
	  "entries must be" },
	{ "a second key in other letters, which Go would read",
	  ENTRIES("{\"at\":0,\"entry\":{\"key\":\"pciPassthru.use64bitMMIO\",\"KEY\":\"guestinfo.x\"}}"),
	  "entries must be" },
	{ "an entry of another type",
	  ENTRIES("{\"at\":0,\"entry\":{\"_typeName\":\"X\",\"key\":\"pciPassthru.use64bitMMIO\"}}"),
	  "entries must be" },
	{ "an entry with a list",
	  ENTRIES("{\"at\":0,\"entry\":{\"key\":\"pciPassthru.use64bitMMIO\",\"value\":[]}}"),
	  "entries must be" },
	{ "an entry before the first place",
	  ENTRIES("{\"at\":-1,\"entry\":{\"key\":\"pciPassthru.use64bitMMIO\",\"value\":\"1\"}}"),
	  "entries must be" },
	{ "an entry that is null", ENTRIES("null"), "entries must be" },
	{ "entries that are an object", KEYS(KEYS_SET ",\"entries\":{}"), "entries must be" },
	{ "devices that are no devices", DEVICES("\"set\":[{\"a\":1}],\"value\":[]"),
	  "set must hold devices as nodeprep attaches them" },
	{ "a device at another place", DEVICES("\"set\":[" FUZZ_DEVICE("-201") "],\"value\":[]"),
	  "set must hold devices" },
	{ "no devices", DEVICES("\"set\":[],\"value\":[]"), "set must be a list of devices" },
	{ "a value that is no list", DEVICES("\"set\":[" FUZZ_DEVICE("-200") "],\"value\":{}"),
	  "value must be a list of devices" },
	{ "a value of other things", DEVICES("\"set\":[" FUZZ_DEVICE("-201") "],\"value\":[1]"),
	  "value must be a list of devices" },
	{ "a need of 2^62", POOL("{\"mmioGB\":4611686018427387904,\"holders\":[\"apply\"]}"),
	  "mmioGB must be null, 0 or a power of two up to 65536" },
	{ "a need of 131072", POOL("{\"mmioGB\":131072,\"holders\":[\"apply\"]}"),
	  "mmioGB must be" },
	{ "a negative need", POOL("{\"mmioGB\":-512,\"holders\":[\"apply\"]}"), "mmioGB must be" },
	{ "a need that is a text", POOL("{\"mmioGB\":\"512\",\"holders\":[\"apply\"]}"),
	  "mmioGB must be" },
	{ "a need that is a fraction", POOL("{\"mmioGB\":512.0,\"holders\":[\"apply\"]}"),
	  "mmioGB must be" },
	{ "no need", POOL("{\"holders\":[\"apply\"]}"), "mmioGB must be" },
	{ "a need beyond 64 bits",
	  POOL("{\"mmioGB\":99999999999999999999,\"holders\":[\"apply\"]}"), "too big integer" },
	{ "no holders", POOL("{\"mmioGB\":512}"), "holders must be a list" },
	{ "nobody", POOL("{\"mmioGB\":512,\"holders\":[]}"), "holders must be a list" },
	{ "holders that are an object", POOL("{\"mmioGB\":512,\"holders\":{\"apply\":1}}"),
	  "holders must be a list" },
	{ "a holder that is a number", POOL("{\"mmioGB\":512,\"holders\":[1]}"),
	  "holders[0] must" },
	{ "an empty holder", POOL("{\"mmioGB\":512,\"holders\":[\"\"]}"), "holders[0] must" },
	{ "a holder with an escape", POOL("{\"mmioGB\":512,\"holders\":[\"a\\u001b[2J\"]}"),
	  "holders[0] must" },
	{ "a holder that runs backwards", POOL("{\"mmioGB\":512,\"holders\":[\"a\\u202eb\"]}"),
	  "holders[0] must" },
	{ "a holder twice", POOL("{\"mmioGB\":512,\"holders\":[\"apply\",\"b\",\"apply\"]}"),
	  "names 'apply' twice" },
	{ "a pool that is null", POOL("null"), "must have mmioGB and holders alone" },
	{ "a pool with more", POOL("{\"mmioGB\":512,\"holders\":[\"apply\"],\"x\":1}"),
	  "must have mmioGB and holders alone" },
	{ "an id of one name",
	  "{\"pools\":{\"w\":{\"mmioGB\":0,\"holders\":[\"a\"]}},\"before\":{}}",
	  "is not a pool id" },
	{ "an empty id", "{\"pools\":{\"\":{\"mmioGB\":0,\"holders\":[\"a\"]}},\"before\":{}}",
	  "is not a pool id" },
	{ "an id of slashes",
	  "{\"pools\":{\"//\":{\"mmioGB\":0,\"holders\":[\"a\"]}},\"before\":{}}",
	  "is not a pool id" },
	{ "an id of five names",
	  "{\"pools\":{\"a/b/c/d/e\":{\"mmioGB\":0,\"holders\":[\"a\"]}},\"before\":{}}",
	  "is not a pool id" },
	{ "an id with a newline",
	  "{\"pools\":{\"a/b\\n\":{\"mmioGB\":0,\"holders\":[\"a\"]}},\"before\":{}}",
	  "is not a pool id" },
	{ "pools that are a list", "{\"pools\":[],\"before\":{}}", "pools must be an object" },
	{ "before that is null", "{\"pools\":{},\"before\":null}", "before must be an object" },
	{ "a member twice", "{\"pools\":{},\"pools\":{},\"before\":{}}", "duplicate object key" },
	{ "more members", "{\"pools\":{},\"before\":{},\"x\":{}}", "pools and before alone" },
	{ "a list", "[]", "it must be an object" },
	{ "no JSON", "null null", "at byte" },
	{ "nothing", "", "at byte" },
	{ "a NUL", "{\"pools\":{\"a/\\u0000\":1},\"before\":{}}", "at byte" },
};

static json_t *class_with(const char *annotation)
{
	return make_class('3', annotation, strlen(annotation));
}

static void expect_refused(const char *annotation, const char *message)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(class_with(annotation));
	NP_AUTO(np_vmclass_change_done) struct np_change change = { .window_gb = 77 };
	const struct np_member member = { .id = "ml/w", .has_need = true, .need_gb = 512 };
	struct np_class_desired want = { .has_window = true,
					 .window_gb = 512,
					 .holder = "apply",
					 .members = &member,
					 .n_members = 1 };
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(c->record_error.code, NP_E_RECORD);
	assert_null(c->managed);
	if (!strstr(c->record_error.text, message))
		fail_msg("'%s' lacks '%s'", c->record_error.text, message);
	assert_non_null(strstr(c->record_error.text, "nodeprep revert --discard-record"));
	assert_int_equal(np_vmclass_change(c, &want, &change, &err), -NP_E_RECORD);
	assert_int_equal(np_vmclass_revert(c, &want, &change, &err), -NP_E_RECORD);
	assert_int_equal(np_vmclass_release(c, everyone, NULL, &change, &err), -NP_E_RECORD);
	assert_string_equal(err.text, c->record_error.text);
	assert_int_equal(change.window_gb, 77);
	change.window_gb = 0;
}

/* The way out: the record goes, and nothing else. */
static void expect_discarded(const char *annotation)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = read_take(class_with(annotation));
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	const struct np_member member = { .id = "ml/w", .has_need = true, .need_gb = 512 };
	const struct np_class_desired want = {
		.holder = "apply", .members = &member, .n_members = 1, .discard_record = true
	};
	json_auto_t *patch = json_pack("{s:{s:n}}", "metadata", "annotations");
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(np_vmclass_revert(c, &want, &change, &err), 0);
	assert_true(json_equal(change.patch, patch));
	assert_int_equal(change.n, 1);
	assert_string_equal(change.warnings.items[0].code, "record-discarded");
}

static void test_record__hostile_records_write_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		print_message("# %s\n", bad_cases[i].what);
		expect_refused(bad_cases[i].annotation, bad_cases[i].message);
		expect_discarded(bad_cases[i].annotation);
	}
	expect_discarded(POOL("{\"mmioGB\":512,\"holders\":[\"apply\"]}"));
}

static void test_record__sizes_are_bounded(void **state)
{
	static const char object[] = "{\"pools\":{},\"before\":{}}";
	NP_AUTO(np_freep) char *text = malloc(NP_MANAGED_MAX + 2);
	struct np_err err = NP_ERR_INIT;
	json_t *record = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', NP_MANAGED_MAX + 1);
	for (size_t i = 0; object[i]; i++)
		text[i] = object[i];
	assert_int_equal(np_vmclass_record_parse(text, NP_MANAGED_MAX + 1, &record, &err),
			 -NP_E_RECORD);
	assert_null(record);
	assert_int_equal(np_vmclass_record_parse(text, NP_MANAGED_MAX, &record, &err), 0);
	json_decref(record);
	memset(text, '[', NP_MANAGED_MAX);
	assert_int_equal(np_vmclass_record_parse(text, NP_MANAGED_MAX, &record, &err),
			 -NP_E_RECORD);
}

/* --- records that lie ------------------------------------------------------------------------ */

static const struct lie_case {
	const char *what;
	char class; /* of the fuzz target's */
	const char *annotation;
	bool touches_spec;
} lie_cases[] = {
	{ "a class that hides its devices by an empty configSpec", '1',
	  BEFORE("\"/spec/configSpec/_typeName\":{\"set\":\"VirtualMachineConfigSpec\",\"absent\":"
		 "\"/spec/configSpec\"}"),
	  false },
	{ "devices that hardware.devices does not list", '4',
	  DEVICES("\"set\":[" FUZZ_DEVICE("-201") "],\"value\":[" FUZZ_DEVICE("-1") "]"), false },
	{ "a class that was given other firmware", '1',
	  FIRMWARE("{\"set\":\"efi\",\"value\":\"bios\"}"), false },
	{ "firmware alone in a configSpec that hides devices: the configSpec stays", '2',
	  FIRMWARE("{\"set\":\"efi\",\"absent\":\"/spec/configSpec\"}"), true },
	{ "a request above the memory", '3', REQUEST("{\"set\":\"1Ti\",\"value\":\"512Gi\"}"),
	  false },
};

static void test_record__lies_change_no_device(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lie_cases); i++) {
		const struct lie_case *row = &lie_cases[i];
		NP_AUTO(np_vmclass_freep)
		struct np_vmclass *c = read_take(make_class(
			(unsigned char)row->class, row->annotation, strlen(row->annotation)));
		NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
		json_auto_t *after = NULL;
		struct np_err err = NP_ERR_INIT;

		print_message("# %s\n", row->what);
		assert_int_equal(np_vmclass_release(c, everyone, NULL, &change, &err), 0);
		after = np_vmclass_patched(c->node.json, change.patch);
		assert_int_equal(!!json_object_get(change.patch, "spec"), row->touches_spec);
		assert_int_equal(
			json_array_size(json_object_get(config_of(after), "deviceChange")),
			json_array_size(json_object_get(config_of(c->node.json), "deviceChange")));
		assert_int_equal(!!config_of(after), !!config_of(c->node.json));
	}
}

/* --- records of 0.1 -------------------------------------------------------------------------- */

static void expect_goes_back(const char *path)
{
	json_auto_t *file = json_load_file(path, 0, NULL);
	const json_t *before = json_object_get(file, "before");
	NP_AUTO(np_vmclass_freep)
	struct np_vmclass *c = read_take(json_incref(json_object_get(file, "after")));
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	json_auto_t *after = NULL;
	struct np_err err = NP_ERR_INIT;

	print_message("# %s\n", path);
	if (c->record_error.code != NP_OK)
		fail_msg("%s", c->record_error.text);
	assert_true(np_vmclass_record_has_changes(c->managed));
	if (np_vmclass_release(c, everyone, NULL, &change, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(change.warnings.n, 0);
	after = np_vmclass_patched(c->node.json, change.patch);
	assert_true(json_equal(after, before));
}

/* Runs `fn` with each file of the folder; returns how many there are. */
static size_t walk(const char *folder, void (*fn)(const char *path))
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	char path[512];
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		fn(path);
		n++;
	}
	closedir(dir);
	return n;
}

static void test_record__records_of_0_1_are_restored(void **state)
{
	(void)state;
	assert_int_equal(walk(TESTDATA "/v0.1", expect_goes_back), 5);
}

/* --- walking --------------------------------------------------------------------------------- */

struct walk_log {
	char text[256];
	size_t left;
};

static bool log_holder(void *ctx, const char *id, const char *holder)
{
	struct walk_log *log = ctx;
	size_t used = strlen(log->text);

	snprintf(log->text + used, sizeof(log->text) - used, "%s=%s;", id, holder);
	return --log->left > 0;
}

static void test_record__walk_calls_each_holder_once(void **state)
{
	static const char text[] =
		"{\"pools\":{\"ml/a\":{\"holders\":[\"apply\",\"x\"],\"mmioGB\":null},"
		"\"ml/c/b\":{\"holders\":[\"hook/c\"],\"mmioGB\":65536}},\"before\":{}}";
	struct walk_log log = { .left = 99 };
	json_auto_t *record = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_vmclass_record_parse(text, strlen(text), &record, &err), 0);
	assert_true(np_vmclass_record_each(record, log_holder, &log));
	assert_string_equal(log.text, "ml/a=apply;ml/a=x;ml/c/b=hook/c;");
	log = (struct walk_log){ .left = 2 };
	assert_false(np_vmclass_record_each(record, log_holder, &log));
	assert_string_equal(log.text, "ml/a=apply;ml/a=x;");
	assert_true(np_vmclass_record_each(NULL, log_holder, &log));
	assert_true(np_vmclass_record_is_held(record, "ml/a", "x"));
	assert_false(np_vmclass_record_is_held(record, "ml/c/b", "x"));
	assert_false(np_vmclass_record_is_held(record, "ml/none", "x"));
	assert_false(np_vmclass_record_has_changes(record));
}

static void replay(const char *path)
{
	FILE *f = fopen(path, "r");
	uint8_t bytes[16384];
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	print_message("# %s\n", path);
	assert_int_equal(LLVMFuzzerTestOneInput(bytes, n), 0);
}

static void test_record__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(walk(TESTDATA "/corpus-record", replay) > 20);
}

static void test_record__each_allocation_may_fail(void **state)
{
	json_auto_t *file = json_load_file(TESTDATA "/v0.1/devices-carried.json", 0, NULL);
	const json_t *object = json_object_get(file, "after");
	bool failed = true;
	size_t n;

	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	for (n = 0; failed && n < 9999; n++) {
		json_t *record = NULL;
		struct np_err err = NP_ERR_INIT;
		int r;

		allocations_left = n;
		r = np_vmclass_record_read(object, &record, &err);
		failed = allocations_left == SIZE_MAX;
		allocations_left = SIZE_MAX;
		/* Of a text that it cannot read, jansson does not always say that memory ran out. */
		if (!strstr(err.text, "is not a valid record"))
			assert_int_equal(r, failed ? -NP_E_NOMEM : 1);
		assert_int_equal(r < 0, failed);
		assert_int_equal(!!record, !failed);
		json_decref(record);
	}
	json_set_alloc_funcs(malloc, free);
	assert_in_range(n, 20, 9998);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__hostile_records_write_nothing),
		cmocka_unit_test(test_record__sizes_are_bounded),
		cmocka_unit_test(test_record__lies_change_no_device),
		cmocka_unit_test(test_record__records_of_0_1_are_restored),
		cmocka_unit_test(test_record__walk_calls_each_holder_once),
		cmocka_unit_test(test_record__the_corpus_replays),
		cmocka_unit_test(test_record__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
