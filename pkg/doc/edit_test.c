/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"

/* The cases: KEY becomes "v" and nothing else changes. */
static void test_edit__only_the_value_changes(void **state)
{
	static const struct {
		const char *sentence;
		size_t document;
		const char *from, *to;
	} rows[] = {
		{ "a plain value", 0, "KEY: a # why\nB: c\n", "KEY: \"v\" # why\nB: c\n" },
		{ "single quotes", 0, "KEY: 'a b'   # why\n", "KEY: \"v\"   # why\n" },
		{ "double quotes", 0, "A: b\nKEY: \"a # b\"\n", "A: b\nKEY: \"v\"\n" },
		{ "an odd layout", 0, "KEY  :    a\n", "KEY  :    \"v\"\n" },
		{ "Windows' line ends", 0, "# x\r\nKEY: a\r\nB: c\r\n",
		  "# x\r\nKEY: \"v\"\r\nB: c\r\n" },
		{ "no final newline", 0, "KEY: a", "KEY: \"v\"" },
		{ "a byte-order mark", 0, "\xef\xbb\xbfKEY: a\n", "\xef\xbb\xbfKEY: \"v\"\n" },
		{ "letters of more than a byte", 0,
		  "# \xc3\xa4\xe2\x82\xac\nA: \xc3\xa4\nKEY: a # \xc3\xbc\n",
		  "# \xc3\xa4\xe2\x82\xac\nA: \xc3\xa4\nKEY: \"v\" # \xc3\xbc\n" },
		{ "a folded value", 0, "KEY: >-\n  a,\n  b\nB: c\n", "KEY: \"v\"\nB: c\n" },
		{ "a literal value", 0, "A: b\nKEY: |\n  a\n  b\n", "A: b\nKEY: \"v\"\n" },
		{ "several lines in quotes", 0, "KEY: \"a\n  b\"\nB: c\n", "KEY: \"v\"\nB: c\n" },
		{ "an empty value", 0, "KEY:\nB: c\n", "KEY: \"v\"\nB: c\n" },
		{ "another's member of that name", 0, "A: {KEY: a}\nB:\n  KEY: b\nKEY: c\n",
		  "A: {KEY: a}\nB:\n  KEY: b\nKEY: \"v\"\n" },
		{ "a value of that name", 0, "A: KEY\nKEY: c\n", "A: KEY\nKEY: \"v\"\n" },
		{ "no such key, and keys that are indented", 0, "  A: b\n",
		  "  A: b\n  KEY: \"v\"\n" },
		{ "no such key", 0, "A: b\n", "A: b\nKEY: \"v\"\n" },
		{ "no such key, and no final newline", 0, "A: b", "A: b\nKEY: \"v\"\n" },
		{ "no such key, Windows' line ends", 0, "A: b\r\n", "A: b\r\nKEY: \"v\"\r\n" },
		{ "no such key, and comments behind", 0, "A: b\n# end\n",
		  "A: b\n# end\nKEY: \"v\"\n" },
		{ "no such key, and blank lines behind", 0, "A: b\n\n\n",
		  "A: b\nKEY: \"v\"\n\n\n" },
		{ "the second of two documents", 1, "KEY: a\n---\nKEY: b\n",
		  "KEY: a\n---\nKEY: \"v\"\n" },
		{ "the first of two documents", 0, "KEY: a\n---\nKEY: b\n",
		  "KEY: \"v\"\n---\nKEY: b\n" },
		{ "empty documents before it", 0, "---\n---\n# nothing\n---\nKEY: b\n",
		  "---\n---\n# nothing\n---\nKEY: \"v\"\n" },
		{ "an alias before it", 0, "A: &a b\nB: *a\nKEY: c\n",
		  "A: &a b\nB: *a\nKEY: \"v\"\n" },
		{ "no such key in the first of two", 0, "A: b\n---\nKEY: b\n",
		  "A: b\nKEY: \"v\"\n---\nKEY: b\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		NP_AUTO(np_freep) char *text = NULL;
		size_t size = 0, n = strlen(rows[i].from);
		/* The copy has the exact size, so that a read beyond its end is detected. */
		NP_AUTO(np_freep) char *from = malloc(n);

		assert_non_null(from);
		memcpy(from, rows[i].from, n);
		if (np_doc_set_text("f", from, n, rows[i].document, "KEY", "v", &text, &size,
				    &err) < 0)
			fail_msg("%s: %s", rows[i].sentence, err.text);
		if (strcmp(text, rows[i].to) != 0 || size != strlen(text))
			fail_msg("%s: '%s'", rows[i].sentence, text);
	}
}

static void test_edit__uneditable_text_is_an_error(void **state)
{
	static const struct {
		const char *from, *text;
	} rows[] = {
		{ "KEY: [\n", "f: invalid YAML" },
		{ "{A: b}\n", "f: its keys do not have lines of their own: add 'KEY: v'" },
		{ "- A\n", "f: its keys do not have lines of their own: add 'KEY: v'" },
		{ "", "f: has no document 0" },
		{ "# nothing\n", "f: has no document 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char sentinel, *text = &sentinel;
		size_t size = 77;

		assert_true(np_doc_set_text("f", rows[i].from, strlen(rows[i].from), 0, "KEY", "v",
					    &text, &size, &err) < 0);
		assert_int_equal(err.code, NP_E_SPEC);
		assert_string_equal(err.text, rows[i].text);
		assert_ptr_equal(text, &sentinel);
		assert_int_equal(size, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edit__only_the_value_changes),
		cmocka_unit_test(test_edit__uneditable_text_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
