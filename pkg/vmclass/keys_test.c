/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "testbed.h"

/* The window's two keys of a class, and the bound of the annotation beside them. */

/* Entries of extraConfig in flow style. */
#define E(k, v) "{_typeName: OptionValue, key: " k ", value: {_typeName: string, _value: '" v "'}}"
#define BARE(k, v) "{_typeName: OptionValue, key: " k ", value: " v "}"
#define USE64 E("pciPassthru.use64bitMMIO", "TRUE")
#define SIZE(n) E("pciPassthru.64bitMMIOSizeGB", n)

/* In `after`, U is use64bitMMIO=TRUE as nodeprep writes it, and a number the size. */
static const struct keys_case {
	const char *sentence;
	const char *list; /* extraConfig; NULL: absent */
	uint64_t need_gb;
	bool shrink;
	const char *after; /* keys and values of the patch's list; NULL: the list is not touched */
	uint64_t carries_gb;
	const char *codes;
} keys_cases[] = {
	{ "absent keys are appended", NULL, 512, false, "U 512", 512, "" },
	{ "an empty list gets both", "[]", 512, false, "U 512", 512, "" },
	{ "other entries keep their places", "[" E("a", "1") ", " E("b", "2") "]", 512, false,
	  "a=1 b=2 U 512", 512, "" },
	{ "right keys in any order stay", "[" SIZE("512") ", " E("a", "1") ", " USE64 "]", 512,
	  false, NULL, 512, "" },
	{ "a bare text is right", "[" USE64 ", " BARE("pciPassthru.64bitMMIOSizeGB", "'512'") "]",
	  512, false, NULL, 512, "" },
	{ "a bare number is right", "[" USE64 ", " BARE("pciPassthru.64bitMMIOSizeGB", "512") "]",
	  512, false, NULL, 512, "" },
	{ "a wrapped number is right",
	  "[" USE64 ", " BARE("pciPassthru.64bitMMIOSizeGB", "{_typeName: int, _value: 512}") "]",
	  512, false, NULL, 512, "" },
	{ "a bare true is right", "[" BARE("pciPassthru.use64bitMMIO", "true") ", " SIZE("512") "]",
	  512, false, NULL, 512, "" },
	{ "'true' is TRUE", "[" E("pciPassthru.use64bitMMIO", "true") ", " SIZE("512") "]", 512,
	  false, NULL, 512, "" },
	{ "FALSE becomes TRUE in its place",
	  "[" E("pciPassthru.use64bitMMIO", "FALSE") ", " E("a", "1") ", " SIZE("512") "]", 512,
	  false, "U a=1 512", 512, "" },
	{ "1 is not TRUE", "[" BARE("pciPassthru.use64bitMMIO", "1") ", " SIZE("512") "]", 512,
	  false, "U 512", 512, "" },
	{ "a smaller size is raised in its place", "[" SIZE("256") ", " E("a", "1") ", " USE64 "]",
	  512, false, "512 a=1 U", 512, "" },
	{ "a variant in case is folded in its place",
	  "[" E("pciPassthru.64bitMMioSizeGB",
		"512") ", " E("a", "1") ", " E("PCIPASSTHRU.USE64BITMMIO", "TRUE") "]",
	  512, false, "512 a=1 U", 512, "" },
	{ "a variant goes where the canonical one stands",
	  "[" E("pciPassthru.64bitMMioSizeGB", "2048") ", " E("a", "1") ", " SIZE("512") ", " USE64
											 "]",
	  512, false, "a=1 512 U", 512, "" },
	{ "the canonical size stands before a larger variant, also behind it",
	  "[" SIZE("1024") ", " E("pciPassthru.64bitMMioSizeGB", "4096") ", " USE64 "]", 512, false,
	  "1024 U", 1024, "window-kept resize-resets" },
	{ "of variants alone the largest stands",
	  "[" E("pcipassthru.64bitmmiosizegb", "1024") ", " E("pciPassthru.64bitMMioSizeGB",
							      "2048") ", " USE64 "]",
	  512, false, "2048 U", 2048, "window-kept resize-resets" },
	{ "a key given twice is left once, with the larger size",
	  "[" SIZE("1024") ", " USE64 ", " SIZE("2048") ", " USE64 "]", 512, false, "2048 U", 2048,
	  "window-kept resize-resets" },
	{ "an unreadable canonical size yields to a variant",
	  "[" SIZE("lots") ", " E("pciPassthru.64bitMMioSizeGB", "1024") ", " USE64 "]", 512, false,
	  "1024 U", 1024, "window-kept resize-resets" },
	{ "an unreadable size is replaced", "[" SIZE("lots") ", " USE64 "]", 512, false, "512 U",
	  512, "" },
	{ "an overlong size is not cut to a number",
	  "[" SIZE("0000000000000000000000000001024MB") ", " USE64 "]", 512, false, "512 U", 512,
	  "" },
	{ "a null size is refused before it is rewritten, so it stands as text here",
	  "[" SIZE("") ", " USE64 "]", 512, false, "512 U", 512, "" },
	{ "a larger size is kept", "[" USE64 ", " SIZE("1024") "]", 512, false, NULL, 1024,
	  "window-kept resize-resets" },
	{ "a larger size is lowered when asked", "[" USE64 ", " SIZE("1024") "]", 512, true,
	  "U 512", 512, "" },
	{ "a larger size that is no power of two is raised to one", "[" USE64 ", " SIZE("768") "]",
	  512, false, "U 1024", 1024, "window-kept resize-resets" },
	{ "a smaller size that is no power of two is just replaced", "[" USE64 ", " SIZE("300") "]",
	  512, false, "U 512", 512, "" },
	{ "zero is just replaced", "[" USE64 ", " SIZE("0") "]", 512, false, "U 512", 512, "" },
	{ "without need no key is set", NULL, 0, false, NULL, 0, "" },
	{ "without need a standing size is kept", "[" USE64 ", " SIZE("512") "]", 0, false, NULL,
	  512, "window-kept" },
	{ "without need a size that ESXi refuses is raised", "[" USE64 ", " SIZE("768") "]", 0,
	  false, "U 1024", 1024, "window-kept resize-resets" },
	{ "without need both keys go when asked",
	  "[" E("a", "1") ", " E("PCIPASSTHRU.use64bitMMIO", "TRUE") ", " SIZE("512") "]", 0, true,
	  "a=1", 0, "" },
	{ "the misspelt key is left and told", "[" E("pciPassthru.set.usebitMMIO", "TRUE") "]", 512,
	  false, "pciPassthru.set.usebitMMIO=TRUE U 512", 512, "misspelt-key" },
	{ "peer-to-peer keys are kept and told, not taken for misspelt ones",
	  "[" E("pciPassthru.allowP2P", "TRUE") ", " USE64 ", " SIZE("512") "]", 512, false, NULL,
	  512, "p2p-keys" },
};

static const char t4_class[] = "kind: VirtualMachineClass\n"
			       "metadata: {name: c}\n"
			       "spec:\n"
			       "  hardware: {memory: 64Gi}\n"
			       "  policies: {resources: {requests: {memory: 64Gi}}}\n"
			       "  configSpec:\n"
			       "    firmware: efi\n"
			       "    memoryReservationLockedToMax: true\n"
			       "    deviceChange:\n"
			       "    - _typeName: VirtualDeviceConfigSpec\n"
			       "      device:\n"
			       "        _typeName: VirtualPCIPassthrough\n"
			       "        backing:\n"
			       "          _typeName: VirtualPCIPassthroughDynamicBackingInfo\n"
			       "          allowedDevice: [{vendorId: 4318, deviceId: 7864}]\n";

static struct np_vmclass *class_with_keys(const char *list)
{
	char text[4096];
	int n = snprintf(text, sizeof(text), "%s%s%s\n", t4_class, list ? "    extraConfig: " : "",
			 list ? list : "");

	assert_in_range(n, 1, sizeof(text) - 1);
	return read_class(text);
}

/* Tells whether the entry is written as nodeprep writes it. */
static bool is_own_entry(const json_t *entry, const char *key)
{
	const json_t *value = json_object_get(entry, "value");
	const char *type = json_string_value(json_object_get(value, "_typeName"));

	return strcmp(json_string_value(json_object_get(entry, "key")), key) == 0 && type &&
	       strcmp(type, "string") == 0 && json_is_string(json_object_get(value, "_value"));
}

static void print_entry(FILE *f, const json_t *entry)
{
	const json_t *value = json_object_get(json_object_get(entry, "value"), "_value");

	if (is_own_entry(entry, NP_VMX_USE64_NAME) && strcmp(json_string_value(value), "TRUE") == 0)
		fputs("U", f);
	else if (is_own_entry(entry, NP_VMX_SIZE_NAME))
		fputs(json_string_value(value), f);
	else
		fprintf(f, "%s=%s", json_string_value(json_object_get(entry, "key")),
			json_string_value(value));
}

/* Writes the patch's extraConfig as keys_case.after has it; "-" where the patch has none. */
static void print_entries(FILE *f, const json_t *patch)
{
	json_t *spec = json_object_get(json_object_get(patch, "spec"), "configSpec");
	json_t *list = json_object_get(spec, "extraConfig"), *entry;
	size_t i;

	if (!list)
		fputs("-", f);
	json_array_foreach (list, i, entry) {
		fputs(i > 0 ? " " : "", f);
		print_entry(f, entry);
	}
}

static void print_codes(FILE *f, const char *before, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		fprintf(f, "%s%s", before, warnings->items[i].code);
}

static void check_keys(const struct keys_case *row)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = class_with_keys(row->list);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	NP_AUTO(np_freep) char *got = NULL;
	struct np_class_desired want = { .has_window = row->need_gb > 0,
					 .window_gb = row->need_gb,
					 .allow_shrink = row->shrink };
	struct np_err err = NP_ERR_INIT;
	char expected[256];
	size_t size = 0;
	FILE *f = open_memstream(&got, &size);

	if (np_vmclass_change(c, &want, &change, &err) < 0)
		fail_msg("%s", err.text);
	print_entries(f, change.patch);
	fprintf(f, " | %" PRIu64 " |", change.window_gb);
	print_codes(f, " ", &c->warnings);
	print_codes(f, " ", &change.warnings);
	fclose(f);
	snprintf(expected, sizeof(expected), "%s | %" PRIu64 " |%s%s",
		 row->after ? row->after : "-", row->carries_gb, row->codes[0] ? " " : "",
		 row->codes);
	assert_string_equal(got, expected);
	expect_idempotent(c, &change, &want);
}

static void test_vmclass__keys_are_corrected(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys_cases); i++) {
		print_message("  %s\n", keys_cases[i].sentence);
		check_keys(&keys_cases[i]);
	}
}

/* --- the annotation's bound -------------------------------------------------------------------- */

#define CROWD 4097

static void test_vmclass__an_annotation_beyond_128_kib_is_refused(void **state)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = class_with_keys(NULL);
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	static char ids[CROWD][24];
	static struct np_member members[CROWD];
	struct np_class_desired want = {
		.has_window = true, .window_gb = 512, .holder = "apply", .members = members
	};
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < CROWD; i++) {
		snprintf(ids[i], sizeof(ids[i]), "ml/cluster/%09zu", i);
		members[i] = (struct np_member){ .id = ids[i], .has_need = true, .need_gb = 512 };
	}
	want.n_members = 2200;
	assert_int_equal(np_vmclass_change(c, &want, &change, &err), 0);
	np_vmclass_change_done(&change);
	want.n_members = 2600;
	change.window_gb = 77;
	assert_int_equal(np_vmclass_change(c, &want, &change, &err), -NP_E_REFUSED);
	assert_non_null(strstr(err.text, "at most 131072: too many pools for one class"));
	want.n_members = CROWD;
	assert_int_equal(np_vmclass_change(c, &want, &change, &err), -NP_E_REFUSED);
	assert_non_null(strstr(err.text, "4097 pools, at most 4096: too many pools for one class"));
	assert_int_equal(change.window_gb, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmclass__keys_are_corrected),
		cmocka_unit_test(test_vmclass__an_annotation_beyond_128_kib_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
