/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/check.h"

#include <inttypes.h>
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
#include "nodeprep/time.h"

/* The corpus is replayed through the fuzz target itself. */
#include "catalogue.h"
#include "expect.h"
#include "files.h"

#include "check_fuzz.c"

#include "failing_alloc.h"

#define CORPUS "pkg/check/testdata/corpus"

static struct fuzz_run run_text(const char *text)
{
	struct fuzz_run r = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (fuzz_check(&r, catalogue, text, strlen(text), &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* --- whoever wrote ------------------------------------------------------------------------------- */

#define OURS "2026-05-02T00:00:00Z"

/* Entries of managedFields; `fields` is what stands below f:spec. */
#define ENTRY(manager, time, fields)                                                         \
	"{\"manager\": \"" manager "\", \"operation\": \"Update\", \"time\": \"" time "\", " \
	"\"fieldsV1\": {\"f:spec\": {" fields "}}}"
#define CONFIG(fields) "\"f:configSpec\": {" fields "}"

static const struct writer_row {
	const char *name;
	const char *entries;
	const char *path;
	const char *manager; /* NULL: nobody */
} writer_rows[] = {
	{ "the owner of the field", ENTRY("a", OURS, CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "a list is one leaf, and its owner has every key of it",
	  ENTRY("a", OURS, CONFIG("\"f:extraConfig\": {}")),
	  "/spec/configSpec/extraConfig/pciPassthru.use64bitMMIO", "a" },
	{ "of two owners the later",
	  ENTRY("a", "2026-05-03T00:00:00Z", CONFIG("\"f:firmware\": {}")) ", " ENTRY(
		  "b", "2026-05-02T00:00:00Z", CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "the same, in the other order",
	  ENTRY("b", "2026-05-02T00:00:00Z", CONFIG("\"f:firmware\": {}")) ", " ENTRY(
		  "a", "2026-05-03T00:00:00Z", CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "an owner of the field before a later one of its parent",
	  ENTRY("a", "2026-05-01T00:00:00Z", CONFIG("\"f:firmware\": {}")) ", " ENTRY(
		  "b", "2026-05-09T00:00:00Z", CONFIG("\".\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "who owns a member owns the field", ENTRY("a", OURS, CONFIG("\"f:x\": {\"f:y\": {}}")),
	  "/spec/configSpec/x", "a" },
	{ "the owner of the parent, who wrote later than nodeprep",
	  ENTRY("a", "2026-05-03T00:00:00Z", CONFIG("\".\": {}, \"f:x\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "whoever had the parent before is not accused",
	  ENTRY("a", "2026-05-01T00:00:00Z", CONFIG("\".\": {}, \"f:x\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "nor who wrote it in the same second", ENTRY("a", OURS, CONFIG("\".\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "a neighbour of the field is nobody",
	  ENTRY("a", "2026-05-03T00:00:00Z", CONFIG("\"f:x\": {}")), "/spec/configSpec/firmware",
	  NULL },
	{ "the owner of all the spec tells nothing",
	  ENTRY("a", "2026-05-03T00:00:00Z", "\".\": {}"), "/spec/configSpec/firmware", NULL },
	{ "nodeprep itself is nobody",
	  ENTRY("nodeprep", "2026-05-03T00:00:00Z", CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "an entry without a manager is nobody",
	  "{\"fieldsV1\": {\"f:spec\": {\"f:configSpec\": {\"f:firmware\": {}}}}}",
	  "/spec/configSpec/firmware", NULL },
	{ "entries of other types are passed over",
	  "7, null, {\"manager\": 7}, {\"manager\": \"b\", \"fieldsV1\": {\"f:spec\": []}}, " ENTRY(
		  "a", OURS, CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "no entry at all", "", "/spec/configSpec/firmware", NULL },
};

/* Reads a class with these entries, before which nodeprep's own stands. */
static struct np_vmclass *class_with(const char *entries)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(np_freep) char *text = NULL;
	struct np_vmclass *c = NULL;
	struct np_err err = NP_ERR_INIT;
	json_t *tree;

	if (asprintf(&text, "{\"metadata\": {\"name\": \"gpu\", \"managedFields\": [%s%s%s]}}",
		     ENTRY("nodeprep", OURS, ""), entries[0] != '\0' ? ", " : "", entries) < 0)
		fail_msg("no memory");
	tree = json_loads(text, 0, NULL);
	assert_non_null(tree);
	if (np_doc_new_take("class", tree, &doc, &err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), catalogue, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static void test_check__the_writer_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(writer_rows); i++) {
		const struct writer_row *row = &writer_rows[i];
		NP_AUTO(np_vmclass_freep) struct np_vmclass *c = class_with(row->entries);
		struct np_last_writer w = { "untouched", "", "" };
		bool found = np_vmclass_last_writer(c, row->path, &w);

		if (found != !!row->manager ||
		    strcmp(w.manager, found ? row->manager : "untouched") != 0)
			fail_msg("%s: '%s'", row->name, w.manager);
	}
}

static void test_check__times_are_those_of_api_servers(void **state)
{
	static const struct {
		const char *text;
		bool is_time;
	} rows[] = {
		{ "2026-11-25T19:40:41Z", true },
		{ "0000-00-00T00:00:00Z", true },
		{ "2026-11-25T19:40:41.000000Z", false },
		{ "2026-11-25T19:40:41+01:00", false },
		{ "2026-11-25 19:40:41Z", false },
		{ "2026-11-25T19:40:41", false },
		{ "", false },
		{ "yesterday", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (np_time_is_api(rows[i].text) != rows[i].is_time)
			fail_msg("'%s'", rows[i].text);
}

static void test_check__the_latest_write_of_the_spec_is_known(void **state)
{
	NP_AUTO(np_vmclass_freep)
	struct np_vmclass *c = class_with(ENTRY(
		"a", "2026-05-03T00:00:00Z",
		CONFIG("\"f:x\": {}")) ", "
				       "{\"manager\": \"b\", \"time\": \"2026-05-09T00:00:00Z\", \"fieldsV1\": "
				       "{\"f:metadata\": {\"f:labels\": {}}}}");

	(void)state;
	assert_string_equal(np_vmclass_changed_at(c), OURS);
	assert_string_equal(np_vmclass_written_at(c), "2026-05-03T00:00:00Z");
}

/* --- what nodeprep had set ----------------------------------------------------------------------- */

static const struct taken_row {
	const char *name;
	const char *before; /* of the annotation, as text in JSON */
	const char *config; /* configSpec as it stands */
	const char *path;
	bool is_taken;
} taken_rows[] = {
	{ "as it was set",
	  "\\\"/spec/configSpec/firmware\\\": {\\\"set\\\": \\\"efi\\\", \\\"absent\\\": \\\"/spec/configSpec/firmware\\\"}",
	  "{\"firmware\": \"efi\"}", "/spec/configSpec/firmware", false },
	{ "another value",
	  "\\\"/spec/configSpec/firmware\\\": {\\\"set\\\": \\\"efi\\\", \\\"absent\\\": \\\"/spec/configSpec/firmware\\\"}",
	  "{\"firmware\": \"bios\"}", "/spec/configSpec/firmware", true },
	{ "gone",
	  "\\\"/spec/configSpec/firmware\\\": {\\\"set\\\": \\\"efi\\\", \\\"absent\\\": \\\"/spec/configSpec/firmware\\\"}",
	  "{}", "/spec/configSpec/firmware", true },
	{ "never set", "", "{\"firmware\": \"bios\"}", "/spec/configSpec/firmware", false },
	{ "a key as it was set",
	  "\\\"/spec/configSpec/extraConfig\\\": {\\\"set\\\": "
	  "{\\\"pciPassthru.64bitMMIOSizeGB\\\": \\\"512\\\", \\\"pciPassthru.use64bitMMIO\\\": \\\"TRUE\\\"}, \\\"absent\\\": \\\"/spec/configSpec\\\"}",
	  "{\"extraConfig\": [{\"_typeName\": \"OptionValue\", \"key\": "
	  "\"pciPassthru.64bitMMIOSizeGB\", \"value\": 512}]}",
	  "/spec/configSpec/extraConfig/pciPassthru.64bitMMIOSizeGB", false },
	{ "a key of another value",
	  "\\\"/spec/configSpec/extraConfig\\\": {\\\"set\\\": "
	  "{\\\"pciPassthru.64bitMMIOSizeGB\\\": \\\"1024\\\", \\\"pciPassthru.use64bitMMIO\\\": \\\"TRUE\\\"}, \\\"absent\\\": \\\"/spec/configSpec\\\"}",
	  "{\"extraConfig\": [{\"_typeName\": \"OptionValue\", \"key\": "
	  "\"pciPassthru.64bitMMIOSizeGB\", \"value\": 512}]}",
	  "/spec/configSpec/extraConfig/pciPassthru.64bitMMIOSizeGB", true },
	{ "a list that is gone",
	  "\\\"/spec/configSpec/extraConfig\\\": {\\\"set\\\": "
	  "{\\\"pciPassthru.64bitMMIOSizeGB\\\": \\\"1024\\\", \\\"pciPassthru.use64bitMMIO\\\": \\\"TRUE\\\"}, \\\"absent\\\": \\\"/spec/configSpec\\\"}",
	  "{}", "/spec/configSpec/extraConfig/pciPassthru.64bitMMIOSizeGB", true },
	{ "devices that are gone",
	  "\\\"/spec/configSpec/deviceChange\\\": {\\\"absent\\\": \\\"/spec/configSpec\\\", "
	  "\\\"set\\\": [{\\\"_typeName\\\": \\\"VirtualDeviceConfigSpec\\\", \\\"operation\\\": \\\"add\\\", \\\"device\\\": {\\\"_typeName\\\": \\\"VirtualPCIPassthrough\\\", \\\"key\\\": -200, \\\"backing\\\": {\\\"_typeName\\\": \\\"VirtualPCIPassthroughVmiopBackingInfo\\\", \\\"vgpu\\\": \\\"grid_t4-16q\\\"}}}]}",
	  "{}", "/spec/configSpec/deviceChange", true },
};

static void test_check__what_was_taken_back_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(taken_rows); i++) {
		const struct taken_row *row = &taken_rows[i];
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
		NP_AUTO(np_freep) char *text = NULL;
		struct np_err err = NP_ERR_INIT;

		if (asprintf(&text,
			     "{\"metadata\": {\"name\": \"gpu\", \"annotations\": "
			     "{\"nodeprep.dev/managed\": \"{\\\"pools\\\": {}, \\\"before\\\": "
			     "{%s}}\"}}, \"spec\": {\"configSpec\": %s}}",
			     row->before, row->config) < 0)
			fail_msg("no memory");
		if (np_doc_new_take("class", json_loads(text, 0, NULL), &doc, &err) < 0 ||
		    np_vmclass_read(doc, np_doc_root(doc), catalogue, &c, &err) < 0)
			fail_msg("%s: %s", row->name, err.text);
		if (np_vmclass_is_overwritten(c, row->path) != row->is_taken)
			fail_msg("%s", row->name);
		assert_int_equal(np_vmclass_is_changed(c), row->before[0] != '\0');
	}
}

/* --- the fleet ----------------------------------------------------------------------------------- */

#define POOL                                                       \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n" \
	"metadata: {name: w, namespace: ml}\nspec: {vmClass: gpu}\n"
#define CLASS                                                                            \
	"---\napiVersion: vmoperator.vmware.com/v1alpha2\nkind: VirtualMachineClass\n"   \
	"metadata: {name: gpu, namespace: ml}\nspec: {hardware: {memory: 1Gi, devices: " \
	"{dynamicDirectPathIODevices: [{vendorID: 4318, deviceID: 8368}]}}}\n"
#define MACHINE(name, rest)                                                       \
	"---\napiVersion: vmoperator.vmware.com/v1alpha3\nkind: VirtualMachine\n" \
	"metadata: {name: " name ", namespace: ml}\n" rest "\n"

static const struct fleet_row {
	const char *name, *machine;
	size_t n; /* how many are kept */
} fleet_rows[] = {
	{ "a VM of the class", MACHINE("a", "spec: {className: gpu}"), 1 },
	{ "of another class", MACHINE("a", "spec: {className: cpu}"), 0 },
	{ "without a class", MACHINE("a", "spec: {}"), 0 },
	{ "whose status tells its class",
	  MACHINE("a", "status: {class: {kind: VirtualMachineClass, name: gpu}}"), 1 },
	{ "whose status tells an instance of a class",
	  MACHINE("a", "status: {class: {kind: VirtualMachineClassInstance, name: gpu}}"), 0 },
	{ "with an empty class name",
	  MACHINE("a", "spec: {className: \"\"}\nstatus: {class: {kind: VirtualMachineClass, "
		       "name: gpu}}"),
	  1 },
	{ "twice", MACHINE("a", "spec: {className: gpu}") MACHINE("a", "spec: {className: gpu}"),
	  1 },
	{ "of a foreign group",
	  "---\napiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a, namespace: "
	  "ml}\nspec: {className: gpu}\n",
	  0 },
	{ "with members of other types",
	  MACHINE("a", "spec: {className: gpu, bootOptions: 7, image: [], imageName: {}}\n"
		       "status: {extraConfig: {a: b}}"),
	  1 },
	{ "with a namespace of its own",
	  "---\napiVersion: vmoperator.vmware.com/v1alpha3\nkind: VirtualMachine\n"
	  "metadata: {name: a, namespace: other}\nspec: {className: gpu}\n",
	  0 },
};

static void test_check__vms_of_the_classes_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fleet_rows); i++) {
		NP_AUTO(np_freep) char *text = NULL;
		NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };

		if (asprintf(&text, "%s%s%s", POOL, CLASS, fleet_rows[i].machine) < 0)
			fail_msg("no memory");
		r = run_text(text);
		if (json_array_size(r.check.vms) != fleet_rows[i].n)
			fail_msg("%s: %zu", fleet_rows[i].name, json_array_size(r.check.vms));
		/* Kept for the check, and passed over by all else as before. */
		assert_true(r.input.n_skipped > 0);
	}
}

/* --- all of it ----------------------------------------------------------------------------------- */

static void test_check__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, LLVMFuzzerTestOneInput) >= 4);
}

/* Judges what is planned already; *ret stays as it was on failure. */
static int judge_again(const struct fuzz_run *r, struct np_check *ret, struct np_err *err)
{
	NP_AUTO(np_check_inventory_done) struct np_inventory fleet = { 0 };

	if (np_check_inventory_init(&fleet, &r->plan, err) < 0 ||
	    np_check_inventory_read(&r->input, &fleet, err) < 0)
		return np_err_ret(err);
	return np_check_make(&r->plan, &fleet, ret, err);
}

static int fail_each(const uint8_t *bytes, size_t size)
{
	NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };
	struct np_err why = NP_ERR_INIT;
	struct failing f = FAILING_INIT;

	if (fuzz_check(&r, catalogue, (const char *)bytes, size, &why) < 0)
		return 0;
	while (next_round(&f)) {
		struct np_check check = { .n_errors = 77 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = judge_again(&r, &check, &err);
		stop_failing(&f);
		assert_int_equal(err.code, f.failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(rc, np_err_ret(&err));
		if (f.failed)
			assert_int_equal(check.n_errors, 77);
		else
			np_check_done(&check);
	}
	assert_true(f.rounds >= 10);
	return 0;
}

static void test_check__each_allocation_may_fail(void **state)
{
	(void)state;
	replay_corpus(CORPUS, fail_each);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check__the_writer_is_found),
		cmocka_unit_test(test_check__times_are_those_of_api_servers),
		cmocka_unit_test(test_check__the_latest_write_of_the_spec_is_known),
		cmocka_unit_test(test_check__what_was_taken_back_is_known),
		cmocka_unit_test(test_check__vms_of_the_classes_are_kept),
		cmocka_unit_test(test_check__the_corpus_replays),
		cmocka_unit_test(test_check__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
