/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_VMCLASS_TESTBED_H
#define NODEPREP_PKG_VMCLASS_TESTBED_H

/* testbed - classes from texts, and changes of them, for vmclass's unit tests. */

#include "catalogue.h"
#include "expect.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/vmclass.h"
#include "nodeprep/warnings.h"

#define DOCS_MAX 2

/* Reads up to DOCS_MAX documents of a text called in.yaml. */
static inline size_t read_docs(const char *text, struct np_doc *docs[static DOCS_MAX])
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	size_t n = 0;

	if (np_doc_reader_new("in.yaml", text, strlen(text), &r, &err) < 0)
		fail_msg("%s", err.text);
	while (n < DOCS_MAX && np_doc_reader_next(r, &docs[n], &err) > 0)
		n++;
	if (err.code != NP_OK)
		fail_msg("%s", err.text);
	return n;
}

static inline struct np_doc *read_doc(const char *text)
{
	struct np_doc *docs[DOCS_MAX] = { NULL, NULL };

	assert_int_equal(read_docs(text, docs), 1);
	return docs[0];
}

static inline struct np_vmclass *read_class(const char *text)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = read_doc(text);
	struct np_vmclass *c = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_vmclass_read(doc, np_doc_root(doc), catalogue, &c, &err) < 0 ||
	    np_vmclass_warn_uncounted(&c->devices, &c->warnings, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static inline struct np_vmclass *class_of_tree(json_t *tree)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_vmclass *c = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_doc_new_take("tree", tree, &doc, &err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), catalogue, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static inline void print_json(FILE *f, const json_t *value)
{
	if (!value)
		fputs("absent", f);
	else
		json_dumpf(value, f, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Applies the change, and then again: the second time nothing is left to do. */
static inline void expect_idempotent(const struct np_vmclass *c, const struct np_change *change,
				     const struct np_class_desired *want)
{
	NP_AUTO(np_vmclass_change_done) struct np_change again = { 0 };
	NP_AUTO(np_vmclass_freep) struct np_vmclass *after = NULL;
	struct np_err err = NP_ERR_INIT;

	after = class_of_tree(np_vmclass_patched(c->node.json, change->patch));
	if (np_vmclass_change(after, want, &again, &err) < 0)
		fail_msg("second change: %s", err.text);
	if (json_object_size(again.patch) > 0) {
		print_json(stderr, again.patch);
		fail_msg(" is left to do after the first change");
	}
	assert_int_equal(again.n, 0);
	assert_int_equal(again.window_gb, change->window_gb);
}

#endif
