/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/warnings.h"

#include "doc_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* docs/warnings.md has one row for each warning, in the table's order and with its words. */
static void test_warning__docs_match_the_table(void **state)
{
	FILE *file = fopen("docs/warnings.md", "r");
	struct doc_row row;
	size_t n = 0;

	(void)state;
	assert_non_null(file);
	for (; doc_next(file, &row); n++) {
		const struct np_message_kind *kind;

		if (n == NP_WARNING_MAX)
			fail_msg("docs/warnings.md: '%s' is not a warning", row.cells[0]);
		kind = np_warning_kind((enum np_warning_id)n);
		assert_int_equal(row.n, 4);
		assert_string_equal(row.cells[0], kind->code);
		assert_string_equal(row.cells[1], np_severity_name(kind->severity));
		assert_string_equal(row.cells[3], kind->remedy);
	}
	fclose(file);
	if (n < NP_WARNING_MAX)
		fail_msg("docs/warnings.md lacks '%s'",
			 np_warning_kind((enum np_warning_id)n)->code);
}

/* Codes are sorted, so that none is there twice. */
static void test_warning__codes_are_sorted(void **state)
{
	(void)state;
	for (unsigned i = 1; i < NP_WARNING_MAX; i++)
		assert_true(strcmp(np_warning_kind((enum np_warning_id)(i - 1))->code,
				   np_warning_kind((enum np_warning_id)i)->code) < 0);
}

static void test_warning__a_list_keeps_kind_and_message(void **state)
{
	struct np_warnings warnings = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_warnings_add(&warnings, &err, NP_WARNING_BAKED_IN, "%d of %s", 1, "x"),
			 0);
	assert_int_equal(warnings.n, 1);
	assert_int_equal(warnings.items[0].warning, NP_WARNING_BAKED_IN);
	assert_string_equal(warnings.items[0].code, "baked-in");
	assert_string_equal(warnings.items[0].message, "1 of x");
	np_warnings_done(&warnings);
	assert_int_equal(warnings.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warning__docs_match_the_table),
		cmocka_unit_test(test_warning__codes_are_sorted),
		cmocka_unit_test(test_warning__a_list_keeps_kind_and_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
