/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"
#include "catalogue.h"
#include "expect.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#define CASES "pkg/hostcheck/testdata/cases/"

static const char *status_of(enum np_probe_status status)
{
	static const char *const names[] = { [NP_PROBE_PASS] = "pass",
					     [NP_PROBE_FAIL] = "fail",
					     [NP_PROBE_WARN] = "warn",
					     [NP_PROBE_UNKNOWN] = "unknown" };

	return names[status];
}

static void write_gpus(FILE *out, const struct np_host *h)
{
	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct host_device *d = &h->gpus[i];

		fprintf(out, "gpu %s %s%s ok:%d", d->seen.address,
			d->seen.gpu ? d->seen.gpu->model : "-",
			d->side == SIDE_GUEST ? " in the VM" : "", (int)d->seen.ok);
		for (size_t k = 0; k < d->seen.n_bars; k++)
			fprintf(out, " %u:%juM%s", d->seen.bars[k].index,
				(uintmax_t)(d->seen.bars[k].bytes >> 20),
				d->seen.bars[k].assigned == NP_VERDICT_NO ? "!" : "");
		fputc('\n', out);
	}
}

/* The kinds, the GPUs, the need, and every check of which something is known. */
static void write_report(FILE *out, const struct np_host *h, const struct np_report *r)
{
	for (unsigned k = 0; k < KINDS; k++)
		if ((h->captures[0].kinds & 1u << k) != 0)
			fprintf(out, "kind %s\n", hostcheck_kind_name((enum host_kind)k));
	write_gpus(out, h);
	if (h->has_need)
		fprintf(out, "need %s%ju window %ju\n", h->is_lower_bound ? "at least " : "",
			(uintmax_t)h->needed_gb, (uintmax_t)h->window_gb);
	for (size_t i = 0; i < r->n_probes; i++)
		if (r->probes[i].status != NP_PROBE_UNKNOWN)
			fprintf(out, "%s %s: %s\n", status_of(r->probes[i].status), r->probes[i].id,
				r->probes[i].message);
	for (size_t i = 0; i < r->n_probes; i++)
		if (r->probes[i].status == NP_PROBE_FAIL && r->probes[i].cure)
			fprintf(out, "cure %s: %s\n", r->probes[i].id, r->probes[i].cure);
	fprintf(out, "result %d\n", (int)r->pass);
}

static char *judge_capture(const char *input)
{
	NP_AUTO(np_hostcheck_freep) struct np_host *h = NULL;
	NP_AUTO(np_report_done) struct np_report r = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(np_hostcheck_new(catalogue, &h, &err), 0);
	if (np_hostcheck_read(h, "capture", input, strlen(input), &err) < 0 ||
	    np_hostcheck_judge(h, false, &r, &err) < 0)
		fprintf(out, "error: %s\n", err.text);
	else
		write_report(out, h, &r);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void test_hostcheck__field_captures(void **state)
{
	(void)state;
	run_cases(CASES "field.txt", judge_capture);
}

static void test_hostcheck__captures_as_reported(void **state)
{
	(void)state;
	run_cases(CASES "public.txt", judge_capture);
}

static void test_hostcheck__vm_captures(void **state)
{
	(void)state;
	run_cases(CASES "vm.txt", judge_capture);
}

static void test_hostcheck__device_lists(void **state)
{
	(void)state;
	run_cases(CASES "lists.txt", judge_capture);
}

static void test_hostcheck__bios_settings(void **state)
{
	(void)state;
	run_cases(CASES "bios.txt", judge_capture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostcheck__field_captures),
		cmocka_unit_test(test_hostcheck__captures_as_reported),
		cmocka_unit_test(test_hostcheck__vm_captures),
		cmocka_unit_test(test_hostcheck__device_lists),
		cmocka_unit_test(test_hostcheck__bios_settings),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
