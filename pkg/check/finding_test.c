/* SPDX-License-Identifier: Apache-2.0 */
#include "doc_table.h"
#include "expect.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodeprep/warnings.h"

#define KINDS_MAX (FINDING_MAX + NP_WARNING_MAX)

/* Returns the kind with that code among the findings and the warnings that check reports, or NULL. */
static const struct np_message_kind *find_kind(const char *code)
{
	for (unsigned i = 0; i < FINDING_MAX; i++)
		if (strcmp(check_finding_kind((enum finding_id)i)->code, code) == 0)
			return check_finding_kind((enum finding_id)i);
	for (unsigned i = 0; i < NP_WARNING_MAX; i++) {
		const struct np_message_kind *kind = np_warning_kind((enum np_warning_id)i);

		if (kind->severity != NP_SEVERITY_WARNING && strcmp(kind->code, code) == 0)
			return kind;
	}
	return NULL;
}

static size_t count_kinds(void)
{
	size_t n = FINDING_MAX;

	for (unsigned i = 0; i < NP_WARNING_MAX; i++)
		n += np_warning_kind((enum np_warning_id)i)->severity != NP_SEVERITY_WARNING;
	return n;
}

/* docs/findings.md has one row for each finding, with the severity and the words of its table. */
static void test_finding__docs_match_the_tables(void **state)
{
	FILE *file = fopen("docs/findings.md", "r");
	const struct np_message_kind *seen[KINDS_MAX];
	struct doc_row row;
	size_t n = 0;

	(void)state;
	assert_non_null(file);
	while (doc_next(file, &row)) {
		const struct np_message_kind *kind;

		if (row.n != 5)
			continue; /* the members of the JSON */
		kind = find_kind(row.cells[0]);
		if (!kind) {
			fail_msg("docs/findings.md: '%s' is not a finding", row.cells[0]);
			break;
		}
		assert_string_equal(row.cells[1], np_severity_name(kind->severity));
		assert_string_equal(row.cells[4], kind->remedy);
		for (size_t i = 0; i < n; i++)
			if (seen[i] == kind)
				fail_msg("docs/findings.md has '%s' twice", kind->code);
		assert_true(n < KINDS_MAX);
		seen[n++] = kind;
	}
	fclose(file);
	assert_int_equal(n, count_kinds());
}

/* A code means one thing: no finding has the code of a warning. */
static void test_finding__codes_are_unique(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FINDING_MAX; i++) {
		const char *code = check_finding_kind((enum finding_id)i)->code;

		for (unsigned k = 0; k < NP_WARNING_MAX; k++)
			assert_string_not_equal(code, np_warning_kind((enum np_warning_id)k)->code);
		if (i > 0)
			assert_true(strcmp(check_finding_kind((enum finding_id)(i - 1))->code,
					   code) < 0);
	}
}

/* A text that fits keeps all its characters; no character is cut. */
static void test_finding__texts_are_cut_between_characters(void **state)
{
	static const struct {
		const char *text;
		size_t max, n;
	} rows[] = {
		{ "", 4, 0 },         { "abc", 4, 3 },      { "abcd", 4, 4 },
		{ "abcde", 4, 4 },    { "ab\u20ac", 5, 5 }, { "ab\u20ac", 4, 2 },
		{ "ab\u20ac", 3, 2 }, { "\u20ac", 2, 0 },   { "\x80\x80\x80", 2, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (check_cut(rows[i].text, rows[i].max) != rows[i].n)
			fail_msg("'%s' in %zu: %zu", rows[i].text, rows[i].max,
				 check_cut(rows[i].text, rows[i].max));
}

/* Whatever a server says, a message is UTF-8 that JSON holds. */
static void test_finding__messages_are_utf8(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "plain", "plain" },
		{ "\u20ac", "\u20ac" },
		{ "\xff", "\\xff" },
		{ "\xc3\xa4 \xe2\x82", "\xc3\xa4 \\xe2\\x82" },
	};
	const struct np_check_finding f = { .kind = check_finding_kind(FINDING_VM_BIOS),
					    .object = CHECK_VM_KIND };
	NP_AUTO(check_findings_done) struct np_check_findings findings = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(check_find(&findings, &f, &err, "%s", rows[i].text), 0);
		assert_int_equal(findings.n, i + 1);
		assert_string_equal(findings.items[i].message, rows[i].message);
	}
}

/* A text is in a set once, with its last value, and keeps its place. */
static void test_finding__sets_keep_the_order(void **state)
{
	NP_AUTO(check_set_done) struct np_check_set set = { 0 };
	const struct np_check_member *found = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(check_set_add(&set, i, &err, "%zu\nb", i), 1);
	assert_int_equal(check_set_add(&set, 77, &err, "%d\nb", 5), 0);
	assert_int_equal(set.n, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(set.members[i]->value, i == 5 ? 77 : i);
	assert_int_equal(check_set_find(&set, "999", "b", &found, &err), 0);
	assert_ptr_equal(found, set.members[999]);
	assert_int_equal(check_set_find(&set, "999", "c", &found, &err), 0);
	assert_null(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finding__docs_match_the_tables),
		cmocka_unit_test(test_finding__codes_are_unique),
		cmocka_unit_test(test_finding__texts_are_cut_between_characters),
		cmocka_unit_test(test_finding__messages_are_utf8),
		cmocka_unit_test(test_finding__sets_keep_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
