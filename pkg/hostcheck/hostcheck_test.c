/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/hostcheck.h"

#include "catalogue.h"
#include "expect.h"
#include "files.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/report.h"
#include "nodeprep/units.h"

#include "failing_alloc.h"

/* The corpus is replayed through the fuzz target itself. */
#include "hostcheck_fuzz.c"

#define CORPUS "pkg/hostcheck/testdata/corpus"

static void test_hostcheck__keys_and_values(void **state)
{
	static const struct {
		const char *line, *name, *value; /* NULL: no pair */
	} rows[] = {
		{ "SriovGlobalEnable=Enabled", "sriovglobalenable", "Enabled" },
		{ "   Passthru Capable: true", "passthrucapable", "true" },
		{ "SR-IOV Support     :  Enabled\r", "sriovsupport", "Enabled" },
		{ "\"Name\",\"Value\"", "name", "Value" },
		{ "  \"MmioAbove4Gb\": \"Enabled\",", "mmioabove4gb", "Enabled" },
		{ "   key = \"vgpu.hotmigrate.enabled\",", "key", "vgpu.hotmigrate.enabled" },
		{ "Above 4G Decoding     Enabled      text", "above4gdecoding", "Enabled" },
		{ "|----Product Name....: x", "productname", "x" },
		{ "a\tb\tc", "a", "b" },
		{ "  |  Above 4G Decoding     [Disabled]     *|Space", "above4gdecoding",
		  "Disabled" },
		{ "SR-IOV Support <Enabled>", "sriovsupport", "Enabled" },
		{ "| VT-d | Enabled |", "vtd", "Enabled" },
		{ "IOMMU ..... [Auto]", "iommu", "Auto" },
		{ "IOMMU [Enab", "iommu", "[Enab" },
		{ "SriovGlobalEnable=Disabled (Pending Value=Enabled)", "sriovglobalenable",
		  "Disabled" },
		{ "A=Disabled (Pending Value=Ena", "a", "Disabled (Pending Value=Ena" },
		{ "String Value:", "stringvalue", "" },
		{ "no pair at all", NULL, NULL },
		{ "=x", NULL, NULL },
		{ "---  ---", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pair_line p;
		bool is_pair = hostcheck_pair_parse(rows[i].line, strlen(rows[i].line), &p);

		if (is_pair != !!rows[i].name || (is_pair && (strcmp(p.name, rows[i].name) != 0 ||
							      strcmp(p.value, rows[i].value) != 0)))
			fail_msg("'%s': '%s' '%s'", rows[i].line, is_pair ? p.name : "",
				 is_pair ? p.value : "");
	}
}

static void test_hostcheck__yes_and_no_words(void **state)
{
	(void)state;
	assert_int_equal(hostcheck_yes_or_no("Enabled"), NP_VERDICT_YES);
	assert_int_equal(hostcheck_yes_or_no("TRUE"), NP_VERDICT_YES);
	assert_int_equal(hostcheck_yes_or_no("off"), NP_VERDICT_NO);
	assert_int_equal(hostcheck_yes_or_no("Enab"), NP_VERDICT_UNKNOWN);
	assert_int_equal(hostcheck_yes_or_no("Enabled (pending)"), NP_VERDICT_UNKNOWN);
	assert_int_equal(hostcheck_yes_or_no(""), NP_VERDICT_UNKNOWN);
}

static void test_hostcheck__sizes_of_regions(void **state)
{
	uint64_t size = 7;

	(void)state;
	assert_true(hostcheck_size_parse("64G", &size) && size == 64 * NP_GIB);
	assert_true(hostcheck_size_parse("16M", &size) && size == 16 * NP_MIB);
	assert_true(hostcheck_size_parse("128", &size) && size == 128);
	size = 7;
	assert_false(hostcheck_size_parse("", &size) || hostcheck_size_parse("0M", &size) ||
		     hostcheck_size_parse("64X", &size) || hostcheck_size_parse("64GB", &size) ||
		     hostcheck_size_parse("99999999G", &size) || hostcheck_size_parse("G", &size));
	assert_int_equal(size, 7);
}

static void test_hostcheck__prefixes_of_lines(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{ "n1: a\nn1:  b\nn1: c\n", "a\n b\nc\n" },
		{ "n1 | a\n\nn1 | b\nn1 | c", "a\n\nb\nc" },
		{ "[n1] a\n[n1] b\n[n1] c\n", "a\nb\nc\n" },
		{ "f:a\nf-\tb\n--\nf:c\n", "a\n\tb\n--\nc\n" },
		{ "d/f.txt:9:a\nd/f.txt:10:b\nd/f.txt:11:c\n", "a\nb\nc\n" },
		{ "2024-01-01T10:00:00.5Z a\n2024-01-01T10:00:01Z b\n", "a\nb\n" },
		{ "Jan  1 10:00:00 host a\nJan  1 10:00:01 host b\n", "a\nb\n" },
		{ "    a\n      b\n", "a\n  b\n" },
		{ "SR-IOV A: x\nSR-IOV B: x\nSR-IOV C: x\n",
		  "SR-IOV A: x\nSR-IOV B: x\nSR-IOV C: x\n" },
		{ "IOMMU: x\nIOMMU: y\nIOMMU: z\n", "IOMMU: x\nIOMMU: y\nIOMMU: z\n" },
		{ "NVRM: a\nNVRM: b\nNVRM: c\n", "NVRM: a\nNVRM: b\nNVRM: c\n" },
		{ "00:01.0 a\n00:02.0 b\n00:03.0 c\n", "00:01.0 a\n00:02.0 b\n00:03.0 c\n" },
		{ "n1: a\nn2: b\nn3: c\n", "n1: a\nn2: b\nn3: c\n" },
		{ "n1: a\nn1: b\n", "n1: a\nn1: b\n" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[128];
		size_t size;

		snprintf(text, sizeof(text), "%s", rows[i].text);
		size = hostcheck_strip_prefixes(text, strlen(text));
		text[size] = '\0';
		if (strcmp(text, rows[i].wanted) != 0)
			fail_msg("'%s': '%s'", rows[i].text, text);
	}
}

static void test_hostcheck__decodes(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *wanted;
	} rows[] = {
		{ "\xff\xfe"
		  "a\0b\0\n\0",
		  8, "ab\n" },
		{ "\xfe\xff"
		  "\0a\0b\0\n",
		  8, "ab\n" },
		{ "a\0b\0c\0d\0", 8, "abcd" },
		{ "\0a\0b\0c\0d", 8, "abcd" },
		{ "\xff\xfe"
		  "a\0b",
		  5, "a" },
		{ "\xef\xbb\xbf"
		  "a",
		  4, "a" },
		{ "x \xe2\x94\x82 a", 7, "x | a" },
		{ "\xe2\x94", 2, "??" },
		{ "\x1b[31ma\x1b[0m", 10, "a" },
		{ "\x1b[1;1Ha\x1b[1;9Hb\x1b[2;1Hc", 21, "\na  b\nc" },
		{ "\x1b", 1, "" },
		{ "\x1b[", 2, "" },
		{ "> > a\n>b\n", 9, "a\nb\n" },
		{ "a\rb\r", 4, "a\nb\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_freep) char *text = NULL;
		struct np_err err = NP_ERR_INIT;
		size_t size = 0;

		assert_int_equal(hostcheck_decode(rows[i].bytes, rows[i].size, &text, &size, &err),
				 0);
		if (size != strlen(rows[i].wanted) || memcmp(text, rows[i].wanted, size) != 0)
			fail_msg("row %zu: '%.*s'", i, (int)size, text);
	}
}

static void test_hostcheck__lines_of_two_hosts(void **state)
{
	static const char text[] = "n1: 3b:00.0 3D controller: NVIDIA Corporation A\n"
				   "n2: 3b:00.0 3D controller: NVIDIA Corporation A\n";
	NP_AUTO(np_hostcheck_freep) struct np_host *h = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_hostcheck_new(catalogue, &h, &err), 0);
	assert_true(np_hostcheck_read(h, "x", text, strlen(text), &err) < 0);
	assert_int_equal(err.code, NP_E_SPEC);
	assert_non_null(strstr(err.text, "'n1' and of 'n2'"));
}

static int read_and_judge(const char *bytes, size_t size, struct np_err *err)
{
	NP_AUTO(np_hostcheck_freep) struct np_host *h = NULL;
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	json_auto_t *tree = NULL;

	if (np_hostcheck_new(catalogue, &h, err) < 0 ||
	    np_hostcheck_read(h, "all", bytes, size, err) < 0 ||
	    np_hostcheck_judge(h, false, &r, err) < 0)
		return np_err_ret(err);
	assert_int_equal(r.pass, NP_VERDICT_YES);
	tree = np_hostcheck_tree(h, &r);
	return tree ? 0 : np_fail_nomem(err);
}

static void test_hostcheck__every_allocation_of_a_host_may_fail(void **state)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	struct np_err err = NP_ERR_INIT;
	struct failing f = FAILING_INIT;
	size_t size = 0;

	(void)state;
	assert_int_equal(np_file_load(CORPUS "/all", NP_MIB, &bytes, &size, &err), 0);
	while (next_round(&f)) {
		int r;

		err = (struct np_err)NP_ERR_INIT;
		fail_allocation(&f);
		r = read_and_judge(bytes + 1, size - 1, &err);
		stop_failing(&f);
		if (f.failed && (r == 0 || err.code != NP_E_NOMEM))
			fail_msg("allocation %zu: %d, '%s'", f.rounds, r, err.text);
	}
	assert_true(f.rounds > 31);
}

static int replay_cut_anywhere(const uint8_t *bytes, size_t size)
{
	for (size_t at = size; at > 0; at -= at > 64 ? at / 64 : 1)
		LLVMFuzzerTestOneInput(bytes, at);
	return 0;
}

static void test_hostcheck__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, replay_cut_anywhere) >= 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostcheck__keys_and_values),
		cmocka_unit_test(test_hostcheck__yes_and_no_words),
		cmocka_unit_test(test_hostcheck__sizes_of_regions),
		cmocka_unit_test(test_hostcheck__prefixes_of_lines),
		cmocka_unit_test(test_hostcheck__decodes),
		cmocka_unit_test(test_hostcheck__lines_of_two_hosts),
		cmocka_unit_test(test_hostcheck__every_allocation_of_a_host_may_fail),
		cmocka_unit_test(test_hostcheck__corpus_holds),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
