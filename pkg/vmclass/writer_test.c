/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/vmclass.h"

#define OURS "2026-05-02T00:00:00Z"

/* Entries of managedFields; `fields` are those below f:spec. */
#define ENTRY(manager, time, fields)                                                         \
	"{\"manager\": \"" manager "\", \"operation\": \"Update\", \"time\": \"" time "\", " \
	"\"fieldsV1\": {\"f:spec\": {" fields "}}}"
#define CONFIG(fields) "\"f:configSpec\": {" fields "}"

static const struct writer_row {
	const char *name;
	const char *entries;
	const char *path;
	const char *manager; /* NULL: none is found */
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
	{ "the owner of a member owns the field",
	  ENTRY("a", OURS, CONFIG("\"f:x\": {\"f:y\": {}}")), "/spec/configSpec/x", "a" },
	{ "the owner of the parent, if later than nodeprep",
	  ENTRY("a", "2026-05-03T00:00:00Z", CONFIG("\".\": {}, \"f:x\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "an earlier owner of the parent is not the writer",
	  ENTRY("a", "2026-05-01T00:00:00Z", CONFIG("\".\": {}, \"f:x\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "nor one of the same second", ENTRY("a", OURS, CONFIG("\".\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "the owner of a neighbour is not the writer",
	  ENTRY("a", "2026-05-03T00:00:00Z", CONFIG("\"f:x\": {}")), "/spec/configSpec/firmware",
	  NULL },
	{ "the owner of the whole spec is not the writer",
	  ENTRY("a", "2026-05-03T00:00:00Z", "\".\": {}"), "/spec/configSpec/firmware", NULL },
	{ "nodeprep itself is not the writer",
	  ENTRY("nodeprep", "2026-05-03T00:00:00Z", CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", NULL },
	{ "an entry without a manager is ignored",
	  "{\"fieldsV1\": {\"f:spec\": {\"f:configSpec\": {\"f:firmware\": {}}}}}",
	  "/spec/configSpec/firmware", NULL },
	{ "entries of other types are ignored",
	  "7, null, {\"manager\": 7}, {\"manager\": \"b\", \"fieldsV1\": {\"f:spec\": []}}, " ENTRY(
		  "a", OURS, CONFIG("\"f:firmware\": {}")),
	  "/spec/configSpec/firmware", "a" },
	{ "no entry at all", "", "/spec/configSpec/firmware", NULL },
};

/* Reads a class with these entries, behind nodeprep's own. */
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

static void test_writer__last_writer_is_found(void **state)
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

static void test_writer__latest_write_of_the_spec_is_found(void **state)
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

static const struct set_row {
	const char *name;
	const char *before; /* of the annotation, as text in JSON */
	const char *config; /* configSpec today */
	const char *path;
	bool is_overwritten;
} set_rows[] = {
	{ "as it was set",
	  "\\\"/spec/configSpec/firmware\\\": {\\\"set\\\": \\\"efi\\\", \\\"absent\\\": \\\"/spec/configSpec/firmware\\\"}",
	  "{\"firmware\": \"efi\"}", "/spec/configSpec/firmware", false },
	{ "another value",
	  "\\\"/spec/configSpec/firmware\\\": {\\\"set\\\": \\\"efi\\\", \\\"absent\\\": \\\"/spec/configSpec/firmware\\\"}",
	  "{\"firmware\": \"bios\"}", "/spec/configSpec/firmware", true },
	{ "removed",
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
	{ "a removed list",
	  "\\\"/spec/configSpec/extraConfig\\\": {\\\"set\\\": "
	  "{\\\"pciPassthru.64bitMMIOSizeGB\\\": \\\"1024\\\", \\\"pciPassthru.use64bitMMIO\\\": \\\"TRUE\\\"}, \\\"absent\\\": \\\"/spec/configSpec\\\"}",
	  "{}", "/spec/configSpec/extraConfig/pciPassthru.64bitMMIOSizeGB", true },
	{ "removed devices",
	  "\\\"/spec/configSpec/deviceChange\\\": {\\\"absent\\\": \\\"/spec/configSpec\\\", "
	  "\\\"set\\\": [{\\\"_typeName\\\": \\\"VirtualDeviceConfigSpec\\\", \\\"operation\\\": \\\"add\\\", \\\"device\\\": {\\\"_typeName\\\": \\\"VirtualPCIPassthrough\\\", \\\"key\\\": -200, \\\"backing\\\": {\\\"_typeName\\\": \\\"VirtualPCIPassthroughVmiopBackingInfo\\\", \\\"vgpu\\\": \\\"grid_t4-16q\\\"}}}]}",
	  "{}", "/spec/configSpec/deviceChange", true },
};

static void test_writer__overwritten_fields_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(set_rows); i++) {
		const struct set_row *row = &set_rows[i];
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
		if (np_vmclass_is_overwritten(c, row->path) != row->is_overwritten)
			fail_msg("%s", row->name);
		assert_int_equal(np_vmclass_is_changed(c), row->before[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writer__last_writer_is_found),
		cmocka_unit_test(test_writer__latest_write_of_the_spec_is_found),
		cmocka_unit_test(test_writer__overwritten_fields_are_found),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
