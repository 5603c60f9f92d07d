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

static void test_warning__sets_take_no_errors(void **state)
{
	NP_AUTO(np_warnings_done) struct np_warnings list = { 0 };
	struct np_warning_set set = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	np_warning_set_read(&set, NULL);
	np_warning_set_read(&set,
			    " no-spare-host,,nonsense,\n window-larger ,invalid-record,no-spare");
	assert_true(set.bits == (UINT64_C(1) << NP_WARNING_NO_SPARE_HOST |
				 UINT64_C(1) << NP_WARNING_WINDOW_LARGER));
	assert_int_equal(np_warning_set_add(&set, "invalid-record", &err), -NP_E_USAGE);
	assert_int_equal(np_warning_set_add(&set, "no-spare-hosts", &err), -NP_E_USAGE);
	assert_string_equal(err.text,
			    "unknown warning 'no-spare-hosts': did you mean 'no-spare-host'?");
	assert_int_equal(np_warning_set_add(&set, "class-shared", &err), 0);
	assert_int_equal(np_warnings_add(&list, &err, NP_WARNING_CLASS_SHARED, "a"), 0);
	assert_int_equal(np_warnings_add(&list, &err, NP_WARNING_CLASS_SHARED, "b"), 0);
	assert_int_equal(np_warnings_add(&list, &err, NP_WARNING_INVALID_RECORD, "c"), 0);
	np_warnings_ignore(&list, 1, set);
	assert_false(list.items[0].is_ignored || list.items[2].is_ignored);
	assert_true(list.items[1].is_ignored);
}

/* `check -o wide` prints a remedy under each. */
static void test_warning__each_has_a_remedy(void **state)
{
	(void)state;
	for (enum np_warning_id i = 0; i < NP_WARNING_MAX; i++)
		if (np_warning_kind(i)->remedy[0] == '\0')
			fail_msg("%s", np_warning_kind(i)->code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_warning__sets_take_no_errors),
		cmocka_unit_test(test_warning__each_has_a_remedy),
		cmocka_unit_test(test_warning__docs_match_the_table),
		cmocka_unit_test(test_warning__codes_are_sorted),
		cmocka_unit_test(test_warning__a_list_keeps_kind_and_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
