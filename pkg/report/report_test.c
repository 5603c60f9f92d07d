/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/report.h"

#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

static void test_report__addresses_are_found(void **state)
{
	static const struct {
		const char *line, *address;
	} rows[] = {
		{ "pci 0000:02:00.0: BAR 1", "0000:02:00.0" },
		{ "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:02:00.0)", "0000:02:00.0" },
		{ "10000:E1:00.7 x", "10000:e1:00.7" },
		{ "3b:00.0 3D controller", "0000:3b:00.0" },
		{ "0000:02:00.8", NULL },
		{ "0000:02:00", NULL },
		{ "12:30:45.6789 a time", NULL },
		{ "a00:02:00.0", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char found[NP_PCI_ADDRESS_MAX] = "";
		bool is_found = !!np_report_find_address(rows[i].line, strlen(rows[i].line), found);

		if (is_found != !!rows[i].address ||
		    (is_found && strcmp(found, rows[i].address) != 0))
			fail_msg("'%s': '%s'", rows[i].line, found);
	}
	assert_true(np_report_is_address("0000:02:00.0") && np_report_is_address("10000:e1:00.0"));
	assert_false(np_report_is_address("02:00.0") || np_report_is_address("0000:02:00.0x") ||
		     np_report_is_address(""));
}

static void test_report__names_of_vgpus(void **state)
{
	(void)state;
	assert_true(np_report_is_vgpu_product("GRID A100-40C") &&
		    np_report_is_vgpu_product("NVIDIA H200-70C"));
	assert_true(np_report_is_vgpu_product("NVIDIA A40-1B") &&
		    np_report_is_vgpu_product("GRID A100-1-5CME"));
	assert_false(np_report_is_vgpu_product("NVIDIA A100-SXM4-40GB") ||
		     np_report_is_vgpu_product("Tesla T4") ||
		     np_report_is_vgpu_product("NVIDIA A100-PCIE-40GB") ||
		     np_report_is_vgpu_product("NVIDIA L40S") || np_report_is_vgpu_product("x-") ||
		     np_report_is_vgpu_product(""));
}

static void test_report__verdicts(void **state)
{
	static const struct {
		const char *sentence;
		enum np_probe_status first, second;
		bool second_decides;
		enum np_verdict pass;
	} rows[] = {
		{ "all pass", NP_PROBE_PASS, NP_PROBE_PASS, true, NP_VERDICT_YES },
		{ "a warning passes", NP_PROBE_PASS, NP_PROBE_WARN, true, NP_VERDICT_YES },
		{ "an unknown that decides", NP_PROBE_PASS, NP_PROBE_UNKNOWN, true,
		  NP_VERDICT_UNKNOWN },
		{ "one that does not", NP_PROBE_PASS, NP_PROBE_UNKNOWN, false, NP_VERDICT_YES },
		{ "a failure, also one that does not decide", NP_PROBE_PASS, NP_PROBE_FAIL, false,
		  NP_VERDICT_NO },
		{ "a failure before an unknown", NP_PROBE_FAIL, NP_PROBE_UNKNOWN, true,
		  NP_VERDICT_NO },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_report r = { 0 };
		struct np_err err = NP_ERR_INIT;
		struct np_judgement a = { "a", rows[i].first, true, "cure", NULL },
				    b = { "b", rows[i].second, rows[i].second_decides, "cure",
					  NULL };

		assert_int_equal(np_report_add(&r, &a, &err, "x"), 0);
		assert_int_equal(np_report_add(&r, &b, &err, "%s", "y"), 0);
		np_report_finish(&r);
		if (r.pass != rows[i].pass)
			fail_msg("%s", rows[i].sentence);
		assert_int_equal(!r.probes[1].cure, rows[i].second == NP_PROBE_PASS);
		np_report_done(&r);
	}
}

static void test_report__brief_is_cut_at_its_limit(void **state)
{
	struct np_judgement fail = { "a", NP_PROBE_FAIL, true, "cure", NULL },
			    open = { "b", NP_PROBE_UNKNOWN, false, NULL, NULL };
	struct np_report r = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	(void)state;
	assert_int_equal(np_report_add(&r, &open, &err, "open"), 0);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(np_report_add(&r, &fail, &err, "%080d", 1), 0);
	np_report_finish(&r);
	assert_int_equal(np_report_brief(&r, "node-check", 4096, &text, &err), 0);
	assert_int_equal(strlen(text), 4096);
	assert_memory_equal(text, "node-check: fail\nfail a: 0", 26);
	assert_string_equal(text + 4092, "...\n");
	assert_null(strstr(text, "open"));
	free(text);
	np_report_done(&r);
}

static void test_report__lists_in_messages_are_cut(void **state)
{
	struct np_report_words w = { 0 };

	(void)state;
	for (size_t i = 0; i < 200; i++)
		np_report_words_add(&w, "word %zu", i);
	assert_int_equal(w.n, 200);
	assert_true(strlen(w.text) < sizeof(w.text));
	assert_string_equal(w.text + strlen(w.text) - 3, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report__addresses_are_found),
		cmocka_unit_test(test_report__names_of_vgpus),
		cmocka_unit_test(test_report__verdicts),
		cmocka_unit_test(test_report__brief_is_cut_at_its_limit),
		cmocka_unit_test(test_report__lists_in_messages_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
