/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_DOC_TESTBED_H
#define NODEPREP_DOC_TESTBED_H

/*
 * testbed - what the tests of tree share: documents that are read, and inputs.
 */

#include "expect.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "nodeprep/doc.h"

/* Writes each document as a line of JSON, or the error as plain text. */
static inline char *read_as_lines(const char *bytes, size_t size)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	struct np_doc *doc = NULL;
	int n;

	assert_non_null(out);
	assert_int_equal(np_doc_reader_new("input", bytes, size, &r, &err), 0);
	while ((n = np_doc_reader_next(r, &doc, &err)) == 1) {
		NP_AUTO(np_freep)
		char *line = json_dumps(np_doc_root(doc).json, JSON_ENCODE_ANY | JSON_COMPACT);

		fprintf(out, "%s\n", line);
		np_doc_unref(np_take(doc));
	}
	assert_null(doc);
	if (n < 0)
		fprintf(out, "%s\n", err.text);
	fclose(out);
	return text;
}

static inline void check_lines(const char *what, const char *input, const char *expect)
{
	NP_AUTO(np_freep) char *lines = read_as_lines(input, strlen(input));

	print_message("# %s\n", what);
	lines[strcspn(lines, "\n")] = '\0';
	assert_string_equal(lines, expect);
}

/* Reads an input of one valid document. */
static inline struct np_doc *read_doc(const char *input)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	struct np_doc *doc = NULL;

	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	if (np_doc_reader_next(r, &doc, &err) != 1)
		fail_msg("%s", err.text);
	return doc;
}

static inline json_t *repeat(const char *open, size_t times, const char *middle, const char *close)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	json_t *json;

	for (size_t i = 0; i < times; i++)
		fputs(open, out);
	fputs(middle, out);
	for (size_t i = 0; i < times; i++)
		fputs(close, out);
	fclose(out);
	json = json_string(text);
	free(text);
	return json;
}

struct scalar_case {
	const char *what, *text, *expect;
};

static const char cursor_yaml[] = "# one\n"
				  "spec:\n"
				  "  gpus:\n"
				  "  - model: A100\n"
				  "    count: 0x4\n"
				  "  - 1e78\n"
				  "  name: ~\n"
				  "  on: Yes\n"
				  "  shared: &s {deep: 08}\n"
				  "  again: *s\n"
				  "  merged:\n"
				  "    <<: *s\n"
				  "    own: 1\n"
				  "  empty: []\n";

static const char cursor_json[] = "\n{\"spec\": {\n"
				  "  \"gpus\": [ {\"model\":\"A\\\"100\", \"count\": 4},\n"
				  "    1E78, \"äö\", true ],\n"
				  "  \"name\": null, \"shared\": {\"deep\": [{}, []]},\n"
				  "  \"again\" :-0.0\n"
				  "}}\n";

#endif
