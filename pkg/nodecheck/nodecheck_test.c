/* SPDX-License-Identifier: Apache-2.0 */
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

#include "nodeprep/report.h"
#include "nodeprep/units.h"

#include "failing_alloc.h"

/* The corpus is replayed through the fuzz target itself. */
#include "nodecheck_fuzz.c"

#define CORPUS "pkg/nodecheck/testdata/corpus"
#define ZERO "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
#define REST ZERO ZERO ZERO ZERO ZERO ZERO ZERO

static const struct np_gpu *card(uint16_t device)
{
	const struct np_gpu *gpu =
		np_gpu_find_id(catalogue, (struct np_pci_id){ NP_PCI_VENDOR_NVIDIA, device });

	assert_non_null(gpu);
	return gpu;
}

/* --- `resource` --------------------------------------------------------------------------------- */

static void test_nodecheck__resource_lines(void **state)
{
	static const struct {
		const char *sentence, *text;
		bool is_read;
		size_t n;
	} rows[] = {
		{ "six lines will do", ZERO ZERO ZERO ZERO ZERO ZERO, true, 6 },
		{ "thirteen lines are usual", ZERO ZERO ZERO ZERO ZERO ZERO REST, true, 13 },
		{ "more lines than a kernel prints are left", REST REST REST, true, 17 },
		{ "fewer lines than BARs are a cut file", ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "an empty file", "", false, 0 },
		{ "a line without its end is cut", ZERO ZERO ZERO ZERO ZERO ZERO "0x0 0x0 0x0",
		  false, 0 },
		{ "two columns", "0x0 0x0\n" ZERO ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "four columns", "0x0 0x0 0x0 0x0\n" ZERO ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "no prefix", "0 0 0\n" ZERO ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "no digits", "0x 0x0 0x0\n" ZERO ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "more digits than 64 bits",
		  "0x0 0x10000000000000000 0x0\n" ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "an end before the start", "0x2 0x1 0x200\n" ZERO ZERO ZERO ZERO ZERO, false, 0 },
		{ "an empty line", "\n" ZERO ZERO ZERO ZERO ZERO ZERO, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct regions regions;

		if (nodecheck_regions_parse(rows[i].text, strlen(rows[i].text), &regions) !=
		    rows[i].is_read)
			fail_msg("%s", rows[i].sentence);
		if (rows[i].is_read && regions.n != rows[i].n)
			fail_msg("%s: %zu lines", rows[i].sentence, regions.n);
	}
}

/* --- BARs --------------------------------------------------------------------------------------- */

/* A device as a guest showed it: what the kernel says, what the registers hold. */
struct device {
	const char *sentence;
	uint16_t id; /* 0: not in the catalogue */
	const char *resource; /* NULL: cannot be read */
	uint32_t registers[6];
	bool no_config, is_vf;
	enum np_verdict ok;
	const char *bars; /* "index:size:assigned" */
};

#define LINE(start, end, flags) start " " end " " flags "\n"
#define BAR0 LINE("0x00000000c1000000", "0x00000000c1ffffff", "0x0000000000040200")
#define BAR1 LINE("0x0000004000000000", "0x0000004fffffffff", "0x000000000014220c")
#define BAR3 LINE("0x0000005000000000", "0x0000005001ffffff", "0x000000000014220c")
#define PORT LINE("0x000000000000e000", "0x000000000000e07f", "0x0000000000040101")

static const struct device devices[] = {
	{ "two of which the first is complete (192 GB window)",
	  0x20b0,
	  BAR0 BAR1 ZERO BAR3 ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:16777216:2 1:68719476736:2 3:33554432:2" },
	{ "the second is dropped by the firmware, its BAR 3 placed into the port's padding",
	  0x20b0,
	  ZERO ZERO ZERO LINE("0x0000003040000000", "0x0000003041ffffff", "0x000000000014220c")
		  ZERO ZERO REST,
	  { 0xff000000, 0xc, 0xfffffff0, 0x4000000c, 0x30, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:1 1:68719476736:1 3:33554432:2" },
	{ "the same without config space: the catalogue alone tells",
	  0x20b0,
	  ZERO ZERO ZERO LINE("0x0000003040000000", "0x0000003041ffffff", "0x000000000014220c")
		  ZERO ZERO REST,
	  { 0 },
	  true,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:1 1:68719476736:1 3:33554432:2" },
	{ "a 32-bit BAR whose register is 0 shows nowhere",
	  0x20b0,
	  ZERO BAR1 ZERO BAR3 ZERO ZERO REST,
	  { 0, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:1 1:68719476736:2 3:33554432:2" },
	{ "one bare BAR on the bus, unknown id",
	  0,
	  ZERO ZERO ZERO ZERO ZERO ZERO REST,
	  { 0x20000000, 0x1001, 0xc, 0, 0, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:0:1 2:0:1" },
	{ "an unknown card whose registers show it whole",
	  0,
	  BAR0 BAR1 ZERO BAR3 ZERO PORT REST,
	  { 0xc1000000, 0xc, 0x40, 0xc, 0x50, 0xe001 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:16777216:2 1:68719476736:2 3:33554432:2" },
	{ "an unknown card without config space",
	  0,
	  BAR0 BAR1 ZERO BAR3 ZERO ZERO REST,
	  { 0 },
	  true,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "0:16777216:2 1:68719476736:2 3:33554432:2" },
	{ "an unknown card without its first BAR",
	  0,
	  ZERO BAR1 ZERO BAR3 ZERO ZERO REST,
	  { 0, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "1:68719476736:2 3:33554432:2" },
	{ "an unknown card with small BARs alone",
	  0,
	  BAR0 ZERO ZERO ZERO ZERO ZERO REST,
	  { 0xc1000000, 0, 0, 0, 0, 0 },
	  false,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "0:16777216:2" },
	{ "resource cannot be read",
	  0x20b0,
	  NULL,
	  { 0xc1000000, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "0:16777216:0 1:68719476736:0 3:33554432:0" },
	{ "nothing can be read of a known card",
	  0x20b0,
	  NULL,
	  { 0 },
	  true,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "0:16777216:0 1:68719476736:0 3:33554432:0" },
	{ "nothing can be read of an unknown card",
	  0,
	  NULL,
	  { 0 },
	  true,
	  false,
	  NP_VERDICT_UNKNOWN,
	  "" },
	{ "all lines are zero and so are the registers",
	  0x20b0,
	  ZERO ZERO ZERO ZERO ZERO ZERO REST,
	  { 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:1 1:68719476736:1 3:33554432:1" },
	{ "a size without an address",
	  0x20b0,
	  BAR0 LINE("0x0000000000000000", "0x0000000fffffffff", "0x000000000014220c")
		  ZERO BAR3 ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:68719476736:1 3:33554432:2" },
	{ "an address that is marked as unset",
	  0x20b0,
	  BAR0 LINE("0x0000004000000000", "0x0000004fffffffff", "0x000000002014220c")
		  ZERO BAR3 ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:68719476736:1 3:33554432:2" },
	{ "BARs 0, 2 and 4 without a place, their sizes by order",
	  0x2330,
	  ZERO ZERO ZERO ZERO ZERO ZERO REST,
	  { 0xc, 0, 0xc, 0, 0xc, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:1 2:137438953472:1 4:33554432:1" },
	{ "a card whose catalogue numbers its BARs otherwise",
	  0x2bb5,
	  LINE("0x0000004000000000", "0x0000004003ffffff", "0x000000000014220c")
		  ZERO LINE("0x0000006000000000", "0x0000007fffffffff", "0x000000000014220c")
			  ZERO LINE("0x0000008000000000", "0x0000008001ffffff",
				    "0x000000000014220c") ZERO REST,
	  { 0xc, 0x40, 0xc, 0x60, 0xc, 0x80 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:67108864:2 2:137438953472:2 4:33554432:2" },
	{ "a vGPU's BAR is as large as its profile",
	  0x20f1,
	  BAR0 LINE("0x0000004000000000", "0x00000041ffffffff", "0x000000000014220c")
		  ZERO BAR3 ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0x40, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:16777216:2 1:8589934592:2 3:33554432:2" },
	{ "a virtual function's registers read zero",
	  0x20b0,
	  BAR0 BAR1 ZERO BAR3 ZERO ZERO REST,
	  { 0 },
	  false,
	  true,
	  NP_VERDICT_YES,
	  "0:16777216:2 1:68719476736:2 3:33554432:2" },
	{ "a small BAR that is assumed and shows nowhere is the catalogue's mistake",
	  0x20b5,
	  BAR0 LINE("0x0000004000000000", "0x0000005fffffffff", "0x000000000014220c")
		  ZERO ZERO ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0x40, 0, 0, 0 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:16777216:2 1:137438953472:2" },
	{ "without config space the catalogue alone tells, and nothing is doubted",
	  0x20b5,
	  BAR0 LINE("0x0000004000000000", "0x0000005fffffffff", "0x000000000014220c")
		  ZERO ZERO ZERO ZERO REST,
	  { 0 },
	  true,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:137438953472:2 3:33554432:1" },
	{ "nor of a virtual function, whose registers say nothing",
	  0x20b5,
	  BAR0 LINE("0x0000004000000000", "0x0000005fffffffff", "0x000000000014220c")
		  ZERO ZERO ZERO ZERO REST,
	  { 0 },
	  false,
	  true,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:137438953472:2 3:33554432:1" },
	{ "a size beyond what JSON holds is kept from it elsewhere",
	  0,
	  LINE("0x0000000000001000", "0xffffffffffffffff", "0x000000000014220c")
		  ZERO ZERO ZERO ZERO ZERO REST,
	  { 0xc, 0, 0, 0, 0, 0 },
	  false,
	  false,
	  NP_VERDICT_YES,
	  "0:18446744073709547520:2" },
	{ "a large one never is",
	  0x20b5,
	  BAR0 ZERO ZERO BAR3 ZERO ZERO REST,
	  { 0xc1000000, 0, 0, 0xc, 0x50, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:137438953472:1 3:33554432:2" },
	{ "the upper half of a 64-bit BAR is none",
	  0,
	  BAR0 ZERO ZERO ZERO ZERO ZERO REST,
	  { 0xc1000000, 0xc, 0xfffffff0, 0, 0, 0 },
	  false,
	  false,
	  NP_VERDICT_NO,
	  "0:16777216:2 1:0:1" },
};

static void make_config(const struct device *d, unsigned char config[static CONFIG_BYTES])
{
	memset(config, 0, CONFIG_BYTES);
	config[0] = 0xde;
	config[1] = 0x10;
	for (size_t i = 0; i < 6; i++)
		for (size_t k = 0; k < 4; k++)
			config[0x10 + 4 * i + k] = (unsigned char)(d->registers[i] >> (8 * k));
}

static void bars_text(const struct np_seen_gpu *gpu, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < gpu->n_bars; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%u:%ju:%d", i > 0 ? " " : "",
					 gpu->bars[i].index, (uintmax_t)gpu->bars[i].bytes,
					 (int)gpu->bars[i].assigned);
}

static void read_device(const struct device *d, struct np_seen_gpu *gpu)
{
	unsigned char config[CONFIG_BYTES];
	struct regions regions;

	*gpu = (struct np_seen_gpu){ .is_vf = d->is_vf, .iommu_group = -1 };
	gpu->gpu = d->id != 0 ? card(d->id) : NULL;
	make_config(d, config);
	if (d->resource)
		assert_true(nodecheck_regions_parse(d->resource, strlen(d->resource), &regions));
	nodecheck_read_bars(gpu, d->resource ? &regions : NULL, d->no_config ? NULL : config);
}

static void test_nodecheck__bars(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(devices); i++) {
		struct np_seen_gpu gpu;

		read_device(&devices[i], &gpu);
		bars_text(&gpu, text, sizeof(text));
		if (strcmp(text, devices[i].bars) != 0)
			fail_msg("%s: %s, not %s", devices[i].sentence, text, devices[i].bars);
		if (gpu.ok != devices[i].ok)
			fail_msg("%s: ok is %d", devices[i].sentence, (int)gpu.ok);
	}
}

static void test_nodecheck__lost_device_reads_ones(void **state)
{
	unsigned char config[CONFIG_BYTES];
	struct np_seen_gpu gpu = { .gpu = card(0x20b0) };
	struct regions regions;
	static const char text[] = BAR0 BAR1 ZERO BAR3 ZERO ZERO REST;

	(void)state;
	memset(config, 0xff, sizeof(config));
	assert_true(nodecheck_regions_parse(text, strlen(text), &regions));
	nodecheck_read_bars(&gpu, &regions, config);
	assert_true(gpu.is_lost);
	assert_int_equal(gpu.ok, NP_VERDICT_NO);
}

static void test_nodecheck__bridge_windows_by_lines_and_by_registers(void **state)
{
	static const unsigned char windows[] = { 0xf0, 0xff, 0x00, 0x00, 0x01, 0x00, 0xf1, 0xff,
						 0x40, 0x00, 0x00, 0x00, 0x50, 0x00, 0x00, 0x00 };
	unsigned char config[CONFIG_BYTES] = { 0x36, 0x1b, 0x0c, 0x00 };
	struct np_seen_bridge bridge = { .domain = 0 };

	(void)state;
	assert_false(nodecheck_read_bridge(&bridge, NULL, config));
	config[0x0e] = 1;
	config[0x19] = 3;
	config[0x1a] = 4;
	/* 0x4000000000 to 0x50ffffffff, and a memory window that is closed: its base above its limit. */
	memcpy(config + 0x20, windows, sizeof(windows));
	assert_true(nodecheck_read_bridge(&bridge, NULL, config));
	assert_int_equal(bridge.secondary, 3);
	assert_int_equal(bridge.subordinate, 4);
	assert_int_equal(bridge.n_windows, 1);
	assert_true(bridge.windows[0].start == 0x4000000000 &&
		    bridge.windows[0].end == 0x50ffffffff);
	assert_true(bridge.windows[0].is_prefetchable);
}

/* --- addresses, log, names ---------------------------------------------------------------------- */

static void test_nodecheck__log_lines(void **state)
{
	static const struct {
		const char *line;
		bool is_finding, is_driver;
	} rows[] = {
		{ "3,1,1,-;pci 0000:01:00.0: BAR 1 [mem size 0x10 64bit pref]: can't assign; no space",
		  true, false },
		{ "[ 1.0] pci 0000:01:00.0: BAR 1: no space for [mem size 0x10]", true, false },
		{ "pci 0000:01:00.0: BAR 1: failed to assign [mem size 0x10]", true, false },
		{ "pci 0000:01:00.0: BAR 4 [io  size 0x20]: can't assign; no space", false, false },
		{ "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:01:00.0)", true, true },
		{ "NVRM: GPU 0000:01:00.0: RmInitAdapter failed! (0x24:0x72:1447)", true, true },
		{ "pci 0000:01:00.0: BAR 1 [mem 0x4000000000-0x4fffffffff 64bit pref]", false,
		  false },
		{ "usb 1-1: new device", false, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_kernel_log log = { .is_read = false };

		np_nodecheck_log_parse(&log, rows[i].line, strlen(rows[i].line));
		assert_int_equal(log.n_lines, 1);
		if (log.n != rows[i].is_finding ||
		    (log.n > 0 && (log.findings[0].is_driver != rows[i].is_driver ||
				   strcmp(log.findings[0].address, "0000:01:00.0") != 0)))
			fail_msg("%s", rows[i].line);
	}
}

static void test_nodecheck__findings_are_bounded(void **state)
{
	static const char line[] = "pci 0000:01:00.0: BAR 1: failed to assign\n";
	struct np_kernel_log log = { .is_read = false };

	(void)state;
	for (size_t i = 0; i < NP_LOG_FINDINGS_MAX + 10; i++)
		np_nodecheck_log_parse(&log, line, strlen(line));
	assert_int_equal(log.n, NP_LOG_FINDINGS_MAX);
}

/* --- a machine ---------------------------------------------------------------------------------- */

static void make_machine(struct np_node_hw *m, struct np_seen_gpu *gpus, size_t n)
{
	*m = (struct np_node_hw){ .has_pci = NP_VERDICT_YES,
				  .is_uefi = NP_VERDICT_YES,
				  .n_devices = n,
				  .n_gpus = n,
				  .gpus = gpus };
	for (size_t i = 0; i < n; i++) {
		read_device(&devices[i], &gpus[i]);
		gpus[i].has_id = true;
		gpus[i].id = (struct np_pci_id){ NP_PCI_VENDOR_NVIDIA, 0x20b0 };
		snprintf(gpus[i].address, sizeof(gpus[i].address), "0000:%02hhx:00.0",
			 (unsigned char)(i + 1));
	}
}

/* Judges and shows; returns < 0 where memory runs out. */
static int judge_and_show(struct np_node_hw *m, struct np_expectation *x, struct np_err *err)
{
	const struct np_nodecheck_options o = { .catalogue = catalogue, .expectation = x };
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;

	if (np_nodecheck_judge(m, &o, &r, err) < 0)
		return np_err_ret(err);
	assert_int_equal(r.pass, NP_VERDICT_NO);
	tree = np_nodecheck_tree(m, &o, &r);
	if (!tree)
		return np_fail_nomem(err);
	assert_int_equal(json_array_size(json_object_get(tree, "gpus")), 2);
	return np_nodecheck_text(m, &r, true, &text, err);
}

static void test_nodecheck__every_allocation_may_fail(void **state)
{
	struct np_seen_gpu gpus[2];
	struct np_node_hw m;
	struct np_expected item = { .text = "A100-40GB", .gpu = card(0x20b0), .count = 2 };
	struct np_expectation x = { .source = "--expect", .n = 1, .items = &item };
	struct failing f = FAILING_INIT;

	(void)state;
	make_machine(&m, gpus, 2);
	while (next_round(&f)) {
		struct np_err err = NP_ERR_INIT;
		int r;

		fail_allocation(&f);
		r = judge_and_show(&m, &x, &err);
		stop_failing(&f);
		if (f.failed && (r == 0 || err.code != NP_E_NOMEM))
			fail_msg("allocation %zu: %d, '%s'", f.rounds, r, err.text);
	}
	assert_true(f.rounds > 51);
}

static int replay_cut_anywhere(const uint8_t *bytes, size_t size)
{
	for (size_t at = size; at > 0; at -= at > 64 ? at / 64 : 1)
		LLVMFuzzerTestOneInput(bytes, at);
	return 0;
}

static void test_nodecheck__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, replay_cut_anywhere) >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodecheck__resource_lines),
		cmocka_unit_test(test_nodecheck__bars),
		cmocka_unit_test(test_nodecheck__lost_device_reads_ones),
		cmocka_unit_test(test_nodecheck__bridge_windows_by_lines_and_by_registers),
		cmocka_unit_test(test_nodecheck__log_lines),
		cmocka_unit_test(test_nodecheck__findings_are_bounded),
		cmocka_unit_test(test_nodecheck__every_allocation_may_fail),
		cmocka_unit_test(test_nodecheck__corpus_holds),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
