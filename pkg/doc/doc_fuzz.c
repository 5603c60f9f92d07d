/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With aliases a few bytes expand to a million values; too many to visit each. */
#define VISITS_MAX 20000

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void visit(struct np_val n, size_t *visits);

static void visit_members(struct np_val object, size_t *visits)
{
	size_t seen = 0;
	struct np_val m;

	for (m = np_doc_next(object, NULL); m.key; m = np_doc_next(object, m.key)) {
		struct np_val same = np_doc_get(object, m.key);

		require(same.json == m.json && same.pos.line == m.pos.line,
			"get finds next's member");
		require(m.at.line > 0, "a key has a place");
		visit(m, visits);
		seen++;
		if (*visits > VISITS_MAX)
			return;
	}
	require(seen == json_object_size(object.json), "next visits all members");
}

static void visit(struct np_val n, size_t *visits)
{
	struct np_err err = NP_ERR_INIT;
	char text[NP_DOC_TEXT_MAX];
	uint64_t number = 42;

	if (++*visits > VISITS_MAX)
		return;
	require(n.pos.line > 0 && n.pos.column > 0, "a value has a place");
	np_doc_text(n, text);
	require(strlen(text) < sizeof(text), "a text ends");
	if (np_doc_uint(n, 0, UINT64_MAX, &number, &err) <= 0)
		require(number == 42, "a failed read leaves its output");
	for (size_t i = 0; i < np_doc_count(n); i++)
		visit(np_doc_at(n, i), visits);
	if (json_is_object(n.json))
		visit_members(n, visits);
}

/* Dumps and reads back: the same tree, and one document of it. */
static void check_dump(const json_t *root, bool sorted)
{
	struct np_err err = NP_ERR_INIT;
	struct np_doc_reader *r = NULL;
	struct np_doc *doc = NULL;
	char *text = NULL;

	require(np_doc_dump_yaml(root, sorted, &text, &err) == 0, "what was read can be dumped");
	require(np_doc_reader_new("dump", text, strlen(text), &r, &err) == 0,
		"a dump can be opened");
	require(np_doc_reader_next(r, &doc, &err) == 1, err.text);
	require(json_equal(np_doc_root(doc).json, root), "a dump reads back as the same");
	np_doc_unref(doc);
	require(np_doc_reader_next(r, &doc, &err) == 0, "a dump is one document");
	np_doc_reader_free(r);
	free(text);
}

/* A value that is set reads back, and all else as before. */
static void check_edit(const uint8_t *data, size_t size, const json_t *root)
{
	struct np_err err = NP_ERR_INIT;
	struct np_doc_reader *r = NULL;
	struct np_doc *doc = NULL;
	json_t *wanted = json_deep_copy(root);
	char *text = NULL;
	size_t text_size = 0;

	if (np_doc_set_text("in", (const char *)data, size, 0, "KEY", "v", &text, &text_size,
			    &err) == 0) {
		json_object_set_new(wanted, "KEY", json_string("v"));
		require(np_doc_reader_new("edit", text, text_size, &r, &err) == 0, "an edit opens");
		require(np_doc_reader_next(r, &doc, &err) == 1, err.text);
		require(json_equal(np_doc_root(doc).json, wanted), "an edit changes one value");
		np_doc_unref(doc);
		np_doc_reader_free(r);
		free(text);
	}
	json_decref(wanted);
}

/* Any half of the keys. */
static bool is_odd(const void *context, const json_t *parent, const json_t *object, const char *key)
{
	(void)context;
	require(!parent || json_is_object(parent) || json_is_array(parent), "a parent is a tree");
	require(!!json_object_get(object, key), "the object has the key");
	return key[0] & 1;
}

/* The same documents and the same error, whatever is left out. */
static void check_left_out(const char *bytes, size_t size, size_t n_documents,
			   const struct np_err *expect)
{
	struct np_err err = NP_ERR_INIT;
	struct np_doc_reader *r = NULL;
	struct np_doc *doc = NULL;
	size_t n = 0;

	require(np_doc_reader_new("in", bytes, size, &r, &err) == 0, "an input opens again");
	np_doc_reader_leave_out(r, is_odd, NULL);
	while (np_doc_reader_next(r, &doc, &err) == 1) {
		size_t visits = 0;

		visit(np_doc_root(doc), &visits);
		np_doc_unref(doc);
		n++;
	}
	require(n == n_documents, "leaving out changes no number of documents");
	require(strcmp(err.text, expect->text) == 0, "leaving out changes no error");
	np_doc_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct np_err err = NP_ERR_INIT;
	struct np_doc_reader *r = NULL;
	struct np_doc *doc = NULL;
	size_t index = 0;
	int n;

	require(np_doc_reader_new("in", (const char *)data, size, &r, &err) == 0, "an input opens");
	while ((n = np_doc_reader_next(r, &doc, &err)) == 1) {
		size_t visits = 0;

		require(err.code == NP_OK, "success leaves the error alone");
		require(np_doc_index(doc) == index++, "documents are numbered");
		visit(np_doc_root(doc), &visits);
		if (visits <= VISITS_MAX)
			check_dump(np_doc_root(doc).json, false);
		if (index == 1 && visits <= VISITS_MAX && json_is_object(np_doc_root(doc).json))
			check_edit(data, size, np_doc_root(doc).json);
		np_doc_unref(doc);
	}
	require((n < 0) == (err.code != NP_OK), "a failure has a code");
	require(n == 0 || *err.text, "a failure has a text");
	check_left_out((const char *)data, size, index, &err);
	np_doc_reader_free(r);
	return 0;
}
