/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/base.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "failing_alloc.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- err ------------------------------------------------------------------------------------- */

static void test_err__worse_code_has_the_higher_exit_status(void **state)
{
	(void)state;
	assert_int_equal(np_code_worse(NP_OK, NP_E_SPEC), NP_E_SPEC);
	assert_int_equal(np_code_worse(NP_E_SPEC, NP_OK), NP_E_SPEC);
	assert_int_equal(np_code_worse(NP_E_DRIFT, NP_E_RETRY), NP_E_RETRY);
	/* Both exit with 6: the first one found is kept. */
	assert_int_equal(np_code_worse(NP_E_CONFLICT, NP_E_RETRY), NP_E_CONFLICT);
	assert_int_equal(np_code_worse(NP_E_RETRY, NP_E_CONFLICT), NP_E_RETRY);
}

/* --- time ------------------------------------------------------------------------------------ */

static void test_time__rfc_3339_is_read(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} rows[] = {
		{ "1970-01-01T00:00:10Z", 10 },
		{ "1970-01-01T01:00:10.123456789+01:00", 10 },
		{ "1969-12-31t23:30:00-00:30", 0 },
		{ "2026-11-25T19:00:00Z", 1795633200 },
		{ "2026-11-25 19:00:00Z", -1 },
		{ "2026-11-25T19:00:00", -1 },
		{ "2026-13-25T19:00:00Z", -1 },
		{ "2026-00-25T19:00:00Z", -1 },
		{ "2026-11-25T19:00:00.Z", -1 },
		{ "2026-11-25T19:00:00Zx", -1 },
		{ "2026-11-25T19:00:00+0100", -1 },
		{ "2026-11-25", -1 },
		{ "tomorrow", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t got = -1;

		if (np_time_parse(rows[i].text, &got) != (rows[i].want >= 0) || got != rows[i].want)
			fail_msg("'%s': %lld", rows[i].text, (long long)got);
	}
}

static void test_time__seconds_are_written_in_utc(void **state)
{
	char text[NP_TIME_TEXT_MAX];

	(void)state;
	np_time_text(1795633200, text);
	assert_string_equal(text, "2026-11-25T19:00:00Z");
	np_time_text(INT64_MAX, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void test_time__present_is_written_with_its_fraction(void **state)
{
	static const struct {
		void (*write)(char *buf);
		size_t size;
	} rows[] = { { np_time_now, sizeof("2026-11-25T19:40:41Z") - 1 },
		     { np_time_milli, sizeof("2026-11-25T19:40:41.123Z") - 1 },
		     { np_time_micro, sizeof("2026-11-25T19:40:41.123456Z") - 1 } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t before = time(NULL), got = 0;
		char text[NP_TIME_TEXT_MAX];

		rows[i].write(text);
		assert_int_equal(strlen(text), rows[i].size);
		assert_true(np_time_parse(text, &got));
		assert_in_range(got, before, time(NULL));
	}
}

static void test_time__clock_goes_forward_in_milliseconds(void **state)
{
	uint64_t before = np_clock_ms(), after;
	struct timespec now;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &now);
	after = np_clock_ms();
	assert_in_range((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, before,
			after);
}

/* --- text ------------------------------------------------------------------------------------ */

static void test_text__trim_cuts_blanks_at_both_ends(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },           { " \t\r\n", "" },      { "a", "a" },
		{ "  a b  ", "a b" }, { "\ta=1\r\n", "a=1" }, { "a \xc3\xa9 ", "a \xc3\xa9" }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_freep) char *copy = strdup(rows[i].text);

		assert_string_equal(np_text_trim(copy), rows[i].want);
	}
}

static void test_text__distance_counts_edits_of_the_first_letters(void **state)
{
	static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char b[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbb";

	(void)state;
	assert_int_equal(np_text_distance("", ""), 0);
	assert_int_equal(np_text_distance("", "abc"), 3);
	assert_int_equal(np_text_distance("kitten", "Sitting"), 3);
	assert_int_equal(np_text_distance("A100", "a100"), 0);
	assert_int_equal(np_text_distance("ab", "ba"), 1);
	assert_int_equal(np_text_distance("abc", "bca"), 2);
	assert_int_equal(np_text_distance("Plna", "plan"), 1);
	assert_int_equal(np_text_distance(a, b), 0);
	assert_int_equal(np_text_distance("", a), NP_TEXT_DISTANCE_MAX);
}

static void test_text__near_word_is_found(void **state)
{
	static const char *const words[] = { "namespace", "name",
					     "a-word-that-is-longer-than-thirty-two-letters" };

	(void)state;
	assert_string_equal(np_text_near("namespce", NP_WORDS(words)), "namespace");
	assert_string_equal(np_text_near("nmae", NP_WORDS(words)), "name");
	assert_string_equal(np_text_near("Nam", NP_WORDS(words)), "name");
	assert_null(np_text_near("gpus", NP_WORDS(words)));
	assert_null(np_text_near(words[2], NP_WORDS(words)));
}

static void test_text__wipe_frees_and_leaves_null(void **state)
{
	char *text = strdup("secret"), *none = NULL, *bytes = malloc(4);

	(void)state;
	np_wipep(&text);
	np_wipep(&none);
	np_wipe_bytes(&bytes, 4);
	np_wipe_bytes(&none, 0);
	assert_null(text);
	assert_null(none);
	assert_null(bytes);
}

/* --- file ------------------------------------------------------------------------------------ */

static void test_file__closep_closes_a_descriptor(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), none = -1;

	(void)state;
	assert_true(fd >= 0);
	errno = 0;
	np_closep(&none);
	assert_int_equal(errno, 0);
	np_closep(&fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- json ------------------------------------------------------------------------------------ */

static void test_json__texts_of_members(void **state)
{
	json_auto_t *object = json_pack("{s:s, s:i, s:{s:s}}", "text", "a", "number", 1, "metadata",
					"name", "gpu");

	(void)state;
	assert_string_equal(np_json_member_text(object, "text"), "a");
	assert_string_equal(np_json_member_text(object, "number"), "");
	assert_string_equal(np_json_member_text(object, "absent"), "");
	assert_string_equal(np_json_member_text(NULL, "text"), "");
	assert_string_equal(np_json_meta_text(object, "name"), "gpu");
	assert_null(np_json_meta_text(object, "namespace"));
}

static void test_json__error_is_code_and_message(void **state)
{
	struct np_err err = NP_ERR_INIT;
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *none = np_json_err(&err);
	json_auto_t *tree = NULL;

	(void)state;
	assert_true(json_is_null(none));
	np_fail(&err, NP_E_REFUSED, "no");
	tree = np_json_err(&err);
	text = np_json_text(tree, JSON_COMPACT);
	assert_string_equal(text, "{\"code\":\"refused\",\"message\":\"no\"}");
}

/* A server's message may be in Latin-1. */
static void test_json__text_becomes_utf_8(void **state)
{
	json_auto_t *text = np_json_string("r\xe9sum\xe9");
	json_auto_t *kept = np_json_string("r\xc3\xa9sum\xc3\xa9");

	(void)state;
	assert_string_equal(json_string_value(text), "r\\xe9sum\\xe9");
	assert_string_equal(json_string_value(kept), "r\xc3\xa9sum\xc3\xa9");
}

/* Where the text is copied in vain, a second try may go well: all of the tree or none of it. */
static void test_json__error_without_memory_is_whole_or_none(void **state)
{
	struct failing f = FAILING_INIT;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	np_fail(&err, NP_E_REFUSED, "no");
	while (next_round(&f)) {
		json_t *tree;

		fail_allocation(&f);
		tree = np_json_err(&err);
		stop_failing(&f);
		if (tree)
			assert_string_equal(np_json_member_text(tree, "message"), "no");
		else
			assert_true(f.failed);
		json_decref(tree);
	}
	assert_true(f.rounds > 4);
}

static void test_json__pointer_is_read_by_segment(void **state)
{
	static const struct {
		const char *pointer, *segment, *rest;
	} rows[] = {
		{ "/spec/hardware", "spec", "/hardware" },
		{ "/hardware", "hardware", NULL },
		{ "/nodeprep.dev~1managed", "nodeprep.dev/managed", NULL },
		{ "/a~0b~01/c", "a~b~1", "/c" },
		{ "/a~2/c", "a~2", "/c" },
		{ "/a~", "a~", NULL },
		{ "//a", "", "/a" },
		{ "/a/", "a", "/" },
		{ "/", "", NULL },
		{ "", "", NULL },
		{ "spec", "", NULL },
		{ "/1234567890123456789012/b", "1234567890123456789012", "/b" },
		{ "/123456789012345678901234/b", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char segment[24];
		const char *rest = np_json_pointer_next(rows[i].pointer, segment, sizeof(segment));

		if (strcmp(segment, rows[i].segment) != 0 ||
		    strcmp(rest ? rest : "(none)", rows[i].rest ? rows[i].rest : "(none)") != 0)
			fail_msg("'%s': '%s', then '%s'", rows[i].pointer, segment,
				 rest ? rest : "(none)");
	}
}

/* --- base64 ---------------------------------------------------------------------------------- */

static void test_base64__is_read_strictly(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "QUJD", "ABC" }, { "QUI=", "AB" }, { "QQ==", "A" },  { "QUI\n JD\n", NULL },
		{ "QUJ", NULL },   { "Q===", NULL }, { "QU=D", NULL }, { "QUJ!", NULL },
		{ "QUJD-", NULL }, { "", NULL },     { "====", NULL }, { "QU\n JD\n", "ABC" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_freep) char *bytes = NULL;
		size_t size = 0;
		bool ok = np_base64_decode(rows[i].text, &bytes, &size);

		if (ok != !!rows[i].want ||
		    (ok && (strcmp(bytes, rows[i].want) != 0 || size != strlen(rows[i].want))))
			fail_msg("'%s' gives '%s'", rows[i].text, ok ? bytes : "(refused)");
	}
}

static void test_base64__is_written_with_padding(void **state)
{
	static const struct {
		const char *bytes, *want;
	} rows[] = { { "", "" }, { "A", "QQ==" }, { "AB", "QUI=" }, { "ABC", "QUJD" } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_freep)
		char *text = np_base64_encode(rows[i].bytes, strlen(rows[i].bytes));

		assert_string_equal(text, rows[i].want);
		assert_int_equal(np_base64_size(strlen(rows[i].bytes)), strlen(text));
	}
	assert_int_equal(np_base64_size(SIZE_MAX), SIZE_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err__worse_code_has_the_higher_exit_status),
		cmocka_unit_test(test_time__rfc_3339_is_read),
		cmocka_unit_test(test_time__seconds_are_written_in_utc),
		cmocka_unit_test(test_time__present_is_written_with_its_fraction),
		cmocka_unit_test(test_time__clock_goes_forward_in_milliseconds),
		cmocka_unit_test(test_text__trim_cuts_blanks_at_both_ends),
		cmocka_unit_test(test_text__distance_counts_edits_of_the_first_letters),
		cmocka_unit_test(test_text__near_word_is_found),
		cmocka_unit_test(test_text__wipe_frees_and_leaves_null),
		cmocka_unit_test(test_file__closep_closes_a_descriptor),
		cmocka_unit_test(test_json__texts_of_members),
		cmocka_unit_test(test_json__error_is_code_and_message),
		cmocka_unit_test(test_json__text_becomes_utf_8),
		cmocka_unit_test(test_json__error_without_memory_is_whole_or_none),
		cmocka_unit_test(test_json__pointer_is_read_by_segment),
		cmocka_unit_test(test_base64__is_read_strictly),
		cmocka_unit_test(test_base64__is_written_with_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
