/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/vmclass.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

/* The corpus is replayed through the fuzz target itself. */
#include "files.h"

#include "vmclass_fuzz.c"

#include "failing_alloc.h"
#include "random_class.h"
#include "testbed.h"

#define TESTDATA "pkg/vmclass/testdata"

/* --- writing down ------------------------------------------------------------------------------ */

static const char *const backing_names[] = {
	[NP_BACKING_VGPU] = "vgpu", [NP_BACKING_DYNAMIC] = "dynamic", [NP_BACKING_FIXED] = "fixed",
	[NP_BACKING_DVX] = "dvx",   [NP_BACKING_GROUP] = "group",     [NP_BACKING_OTHER] = "other",
};

static const char *const pci_class_names[] = {
	[NP_PCI_GPU] = "gpu",
	[NP_PCI_GPU_UNKNOWN] = "unknown gpu",
	[NP_PCI_OTHER] = "no gpu",
};

static void print_devices(FILE *f, const char *where, const struct np_devices *d)
{
	char id[NP_PCI_ID_MAX];

	for (size_t i = 0; i < d->n; i++) {
		const struct np_device *dev = &d->items[i];

		fprintf(f, "%s: %s, %s", where, backing_names[dev->backing],
			pci_class_names[dev->pci_class]);
		if (dev->gpu)
			fprintf(f, ", %s", dev->gpu->model);
		if (dev->has_id) {
			np_gpu_pci_id_format(dev->id, id);
			fprintf(f, ", %s of %zu", id, dev->n_ids);
		}
		if (dev->profile)
			fprintf(f, ", %s", dev->profile);
		if (dev->label[0] != '\0')
			fprintf(f, ", '%s'", dev->label);
		fputc('\n', f);
	}
}

static void print_notes(FILE *f, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		fprintf(f, "note %s: %s\n", warnings->items[i].code, warnings->items[i].message);
}

/* Takes the annotation out of the patch and returns its text; NULL where there is none. */
static json_t *take_annotation(json_t *patch)
{
	json_t *metadata = json_object_get(patch, "metadata");
	json_t *annotations = json_object_get(metadata, "annotations");
	json_t *text = json_incref(json_object_get(annotations, NP_MANAGED_ANNOTATION));

	if (text) {
		assert_int_equal(json_object_size(metadata), 1);
		assert_int_equal(json_object_size(annotations), 1);
		json_object_del(patch, "metadata");
	}
	return text;
}

static void print_change(FILE *f, const struct np_change *change)
{
	json_auto_t *patch = json_deep_copy(change->patch);
	json_auto_t *managed = take_annotation(patch);

	if (change->has_window)
		fprintf(f, "carries: %" PRIu64 " GB", change->window_gb);
	else
		fprintf(f, "carries: unknown");
	fprintf(f, ", firmware %s, reservation %s\n",
		change->firmware ? change->firmware : "absent",
		change->reservation ? change->reservation : "absent");
	for (size_t i = 0; i < change->n; i++) {
		const struct np_change_item *item = &change->items[i];

		fprintf(f, "change %s", item->path);
		if (!strstr(item->path, "annotations")) {
			fputs(": ", f);
			print_json(f, item->from);
			fputs(" -> ", f);
			print_json(f, item->to);
		}
		fprintf(f, " (%s)\n", item->reason);
	}
	fputs("patch: ", f);
	print_json(f, patch);
	fprintf(f, "\n");
	if (managed)
		fprintf(f, "managed: %s\n", json_string_value(managed));
	print_notes(f, &change->warnings);
}

/* What one change is made from: the `want` document of a fixture. */
struct wish {
	struct np_class_desired want;
	struct np_member members[4];
	char ids[4][64];
	char holder[64];
};

static void read_member(struct np_val n, struct wish *w)
{
	struct np_member *m = &w->members[w->want.n_members];
	struct np_err err = NP_ERR_INIT;
	int got = np_doc_uint(n, 0, UINT32_MAX, &m->need_gb, &err);

	assert_true(got >= 0 && w->want.n_members < COUNT(w->members));
	snprintf(w->ids[w->want.n_members], sizeof(w->ids[0]), "%s", n.key);
	m->id = w->ids[w->want.n_members];
	m->has_need = got > 0;
	w->want.n_members++;
}

static void read_flags(struct np_val n, struct np_class_desired *want)
{
	const struct {
		const char *key;
		bool *flag;
	} flags[] = {
		{ "efi", &want->needs_efi },
		{ "keepMemory", &want->keep_memory },
		{ "allowShrink", &want->allow_shrink },
		{ "restoreHidden", &want->restore_hidden },
		{ "asItIs", &want->observe_only },
	};
	struct np_err err = NP_ERR_INIT;

	for (size_t i = 0; i < COUNT(flags); i++)
		assert_true(np_doc_bool(np_doc_get(n, flags[i].key), flags[i].flag, &err) >= 0);
}

static void read_wish(struct np_val n, struct wish *w)
{
	struct np_err err = NP_ERR_INIT;
	struct np_val pools = np_doc_get(n, "pools"), pool;
	const char *holder = "apply";

	*w = (struct wish){ .want = { .window_reason = "as the fixture says" } };
	read_flags(n, &w->want);
	w->want.has_window =
		np_doc_uint(np_doc_get(n, "window"), 1, UINT32_MAX, &w->want.window_gb, &err) > 0;
	assert_true(np_doc_string(np_doc_get(n, "holder"), &holder, &err) >= 0);
	snprintf(w->holder, sizeof(w->holder), "%s", holder);
	for (pool = np_doc_next(pools, NULL); pool.key; pool = np_doc_next(pools, pool.key))
		read_member(pool, w);
	w->want.holder = w->holder;
	w->want.members = w->members;
}

static int try_fixture(FILE *f, struct np_doc *docs[static DOCS_MAX], struct np_err *err)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct wish w;

	read_wish(np_doc_root(docs[0]), &w);
	if (np_vmclass_read(docs[1], np_doc_root(docs[1]), catalogue, &c, err) < 0 ||
	    np_vmclass_warn_uncounted(&c->devices, &c->warnings, err) < 0)
		return np_err_ret(err);
	print_devices(f, "device", &c->devices);
	print_devices(f, "hidden", &c->hidden);
	print_notes(f, &c->warnings);
	if (np_vmclass_change(c, &w.want, &change, err) < 0)
		return np_err_ret(err);
	print_change(f, &change);
	expect_idempotent(c, &change, &w.want);
	return 0;
}

/* Returns what a fixture's input comes to, as its file `expect` holds it. */
static char *describe(const char *text, int *ret_rc)
{
	struct np_doc *docs[DOCS_MAX] = { NULL, NULL };
	struct np_err err = NP_ERR_INIT;
	char *got = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&got, &size);

	assert_non_null(f);
	assert_int_equal(read_docs(text, docs), DOCS_MAX);
	*ret_rc = try_fixture(f, docs, &err);
	if (*ret_rc < 0)
		fprintf(f, "%s: %s\n", np_code_name(err.code), err.text);
	fclose(f);
	np_doc_unref(docs[0]);
	np_doc_unref(docs[1]);
	return got;
}

/* --- fixtures and corpus ----------------------------------------------------------------------- */

static size_t fixture_failures;

/* NODEPREP_BLESS writes `expect` again, for a person to read before it is committed. */
static void check_fixture(const char *folder)
{
	char path[1100];
	char *text, *got, *expect;
	int rc = 1;

	snprintf(path, sizeof(path), "%s/input.yaml", folder);
	text = load_file(path, NULL);
	got = describe(text, &rc);
	snprintf(path, sizeof(path), "%s/expect", folder);
	if (getenv("NODEPREP_BLESS"))
		save_file(path, got);
	expect = load_file(path, NULL);
	if (strcmp(got, expect) != 0 || (rc < 0) != !!strstr(folder, "/invalid/")) {
		print_error("%s:\n  got\n%s  expected\n%s", folder, got, expect);
		fixture_failures++;
	}
	free(text);
	free(got);
	free(expect);
}

static void test_vmclass__fixtures_give_the_expected_output(void **state)
{
	(void)state;
	fixture_failures = 0;
	assert_true(each_entry(TESTDATA "/valid", check_fixture) > 0);
	assert_true(each_entry(TESTDATA "/invalid", check_fixture) > 0);
	assert_int_equal(fixture_failures, 0);
}

static void test_vmclass__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus(TESTDATA "/corpus", LLVMFuzzerTestOneInput) > 0);
}

/* --- the merge patch --------------------------------------------------------------------------- */

/* RFC 7386, appendix A, and what lies between its rows. */
static const struct merge_case {
	const char *original, *patch, *result;
} merge_cases[] = {
	{ "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
	{ "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
	{ "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
	{ "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
	{ "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
	{ "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
	{ "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
	{ "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
	{ "{\"a\":\"foo\"}", "null", "null" },
	{ "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
	{ "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
	{ "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
	{ "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
	{ "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":4}", "{\"a\":1,\"b\":4,\"c\":3}" },
	{ "{\"a\":{\"b\":1}}", "{}", "{\"a\":{\"b\":1}}" },
};

static void test_vmclass__patches_merge_as_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(merge_cases); i++) {
		const struct merge_case *row = &merge_cases[i];
		json_auto_t *original = json_loads(row->original, JSON_DECODE_ANY, NULL);
		json_auto_t *before = json_deep_copy(original);
		json_auto_t *patch = json_loads(row->patch, JSON_DECODE_ANY, NULL);
		json_auto_t *result = np_vmclass_patched(original, patch);
		char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);

		assert_non_null(text);
		assert_string_equal(text, row->result);
		assert_true(json_equal(original, before));
		free(text);
	}
}

/* --- any class at all -------------------------------------------------------------------------- */

#define ROUNDS 2000

static json_t *list_of(const json_t *object, const char *key)
{
	json_t *spec = json_object_get(json_object_get(object, "spec"), "configSpec");

	return json_object_get(spec, key);
}

/* Each device is there again, in its order, and each entry of deviceChange as it was. */
static void expect_devices_kept(const struct np_vmclass *c, const struct np_vmclass *after)
{
	json_t *old = list_of(c->node.json, "deviceChange"), *entry;
	json_t *new = list_of(after->node.json, "deviceChange");
	size_t i;

	assert_int_equal(after->devices.n, c->devices.n);
	for (i = 0; i < c->devices.n; i++) {
		const struct np_device *a = &c->devices.items[i], *b = &after->devices.items[i];

		assert_int_equal(a->backing, b->backing);
		assert_ptr_equal(a->gpu, b->gpu);
		assert_string_equal(a->label, b->label);
		assert_int_equal(a->id.device, b->id.device);
	}
	json_array_foreach (old, i, entry)
		assert_true(json_equal(entry, json_array_get(new, i)));
}

static void check_random_class(const struct np_vmclass *c)
{
	static const uint64_t windows[] = { 0, 64, 512, 1024 };
	NP_AUTO(np_vmclass_freep) struct np_vmclass *after = NULL;
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_member member = { .id = "ml/c/p", .has_need = true, .need_gb = PICK(windows) };
	struct np_class_desired want = { .has_window = member.need_gb > 0,
					 .window_gb = member.need_gb,
					 .needs_efi = draw(2) > 0,
					 .keep_memory = draw(4) == 0,
					 .allow_shrink = draw(3) == 0,
					 .holder = "apply",
					 .members = &member,
					 .n_members = 1 };
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_change(c, &want, &change, &err) < 0)
		fail_msg("%s", err.text);
	expect_idempotent(c, &change, &want);
	after = class_of_tree(np_vmclass_patched(c->node.json, change.patch));
	expect_devices_kept(c, after);
	expect_unrelated_kept(list_of(c->node.json, "extraConfig"),
			      list_of(after->node.json, "extraConfig"));
	assert_true(!change.has_window || change.window_gb == 0 ||
		    !(want.has_window && change.window_gb < want.window_gb));
}

static void test_vmclass__one_change_updates_any_class(void **state)
{
	(void)state;
	seed = 20230530;
	for (size_t i = 0; i < ROUNDS; i++) {
		NP_AUTO(np_vmclass_freep) struct np_vmclass *c = class_of_tree(random_class());

		check_random_class(c);
	}
}

/* --- failure ----------------------------------------------------------------------------------- */

static int read_and_change(struct np_doc *doc, struct np_change *ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	static const struct np_member member = { .id = "ml/c/p",
						 .has_need = true,
						 .need_gb = 1024 };
	const struct np_class_desired want = { .has_window = true,
					       .window_gb = 1024,
					       .needs_efi = true,
					       .holder = "apply",
					       .members = &member,
					       .n_members = 1 };

	if (np_vmclass_read(doc, np_doc_root(doc), catalogue, &c, err) < 0)
		return np_err_ret(err);
	/* What the class lends must not outlive it. */
	if (np_vmclass_change(c, &want, ret, err) < 0)
		return np_err_ret(err);
	ret->firmware = NULL;
	return 0;
}

/* Whatever allocation fails, the failure is reported and nothing is left half done. */
static void expect_each_allocation_may_fail(const char *path)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	char *text = load_file(path, NULL);
	struct failing f = FAILING_INIT;

	doc = read_doc(text);
	while (next_round(&f)) {
		struct np_err err = NP_ERR_INIT;
		struct np_change change = { .window_gb = 77 };
		int rc;

		fail_allocation(&f);
		rc = read_and_change(doc, &change, &err);
		stop_failing(&f);
		/* Of a text that it cannot read, jansson does not always say that memory ran out. */
		if (!strstr(err.text, "is not a valid record"))
			assert_int_equal(err.code, f.failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(rc, np_err_ret(&err));
		if (f.failed)
			assert_int_equal(change.window_gb, 77);
		np_vmclass_change_done(&change);
	}
	assert_true(f.rounds >= 50);
	free(text);
}

static void test_vmclass__each_allocation_may_fail(void **state)
{
	(void)state;
	expect_each_allocation_may_fail(TESTDATA "/corpus/hardware.yaml");
	expect_each_allocation_may_fail(TESTDATA "/corpus/variants.yaml");
	expect_each_allocation_may_fail(TESTDATA "/corpus/annotated.yaml");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmclass__fixtures_give_the_expected_output),
		cmocka_unit_test(test_vmclass__the_corpus_replays),
		cmocka_unit_test(test_vmclass__patches_merge_as_the_rfc_says),
		cmocka_unit_test(test_vmclass__one_change_updates_any_class),
		cmocka_unit_test(test_vmclass__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
