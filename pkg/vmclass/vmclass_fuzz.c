/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/vmclass.h"

#include <stdint.h>
#include <stdlib.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct np_member fuzz_member = { .id = "ml/c/p", .has_need = true, .need_gb = 1024 };

/* A plain apply, and one with both flags and nothing that needs a window. */
static const struct np_class_desired fuzz_wants[] = {
	{ .has_window = true,
	  .window_gb = 1024,
	  .needs_efi = true,
	  .holder = "apply",
	  .members = &fuzz_member,
	  .n_members = 1 },
	{ .allow_shrink = true,
	  .restore_hidden = true,
	  .holder = "controller",
	  .members = &fuzz_member,
	  .n_members = 1 },
};

/* Whatever goes wrong has a code and a text. */
static void expect_told(const struct np_err *err)
{
	if (err->code == NP_OK || err->text[0] == '\0')
		abort();
}

static void expect_right(struct np_doc *doc, const struct np_catalogue *cat, size_t n_devices,
			 const struct np_class_desired *want)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_read(doc, np_doc_root(doc), cat, &c, &err) < 0 ||
	    np_vmclass_change(c, want, &change, &err) < 0)
		abort();
	if (json_object_size(change.patch) > 0 || c->devices.n != n_devices)
		abort();
}

/* What is changed once is right, and has lost no device. */
static void try_want(const struct np_vmclass *c, const struct np_catalogue *cat,
		     const struct np_class_desired *want)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	bool restored = want->restore_hidden && c->hidden.n > 0;
	json_t *patched;

	if (np_vmclass_change(c, want, &change, &err) < 0) {
		expect_told(&err);
		return;
	}
	patched = np_vmclass_patched(c->node.json, change.patch);
	if (!patched)
		abort();
	/* The patch may push a document over the bounds of a tree. */
	if (np_doc_new_take("patched", patched, &doc, &err) < 0)
		return;
	expect_right(doc, cat, restored ? c->hidden.n : c->devices.n, want);
}

static void try_document(struct np_doc *doc, const struct np_catalogue *cat)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_read(doc, np_doc_root(doc), cat, &c, &err) < 0) {
		expect_told(&err);
		return;
	}
	for (size_t i = 0; i < sizeof(fuzz_wants) / sizeof(fuzz_wants[0]); i++)
		try_want(c, cat, &fuzz_wants[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *fuzz_cat;
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	struct np_doc *doc = NULL;

	if (!fuzz_cat && np_gpu_catalogue_new(&fuzz_cat, &err) < 0)
		abort();
	if (np_doc_reader_new("fuzz.yaml", (const char *)data, size, &r, &err) < 0)
		return 0;
	while (np_doc_reader_next(r, &doc, &err) > 0) {
		try_document(doc, fuzz_cat);
		np_doc_unref(doc);
		doc = NULL;
	}
	return 0;
}
