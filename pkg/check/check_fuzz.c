/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an offline check reads, and what comes of it. */
struct fuzz_run {
	struct np_input input;
	struct np_plan plan;
	struct np_check_inventory inventory;
	struct np_check_report report;
};

static void fuzz_run_done(struct fuzz_run *r)
{
	np_check_report_done(&r->report);
	np_check_inventory_done(&r->inventory);
	np_plan_done(&r->plan);
	np_pool_input_done(&r->input);
}

static void expect_text(const char *text)
{
	if (text && strlen(text) > NP_CHECK_TEXT_MAX)
		abort();
}

/* Each VM is bounded and judged, and each finding has what a program looks at. */
static void expect_complete(const struct np_check_report *r, const struct np_plan *plan)
{
	size_t errors = 0;

	for (size_t i = 0; i < r->n_vms; i++) {
		const struct np_check_vm *vm = r->vms[i].vm;

		if (!vm->ns || !vm->name || vm->class_index >= plan->n_classes)
			abort();
		if (r->vms[i].on_resize.text[0] == '\0' || r->vms[i].on_recreate.text[0] == '\0')
			abort();
		expect_text(vm->name);
		expect_text(vm->annotation);
		expect_text(vm->image);
	}
	for (size_t i = 0; i < r->findings.n; i++) {
		const struct np_check_finding *f = &r->findings.items[i];

		if (!f->kind || !f->object || !f->message)
			abort();
		errors += f->kind->severity == NP_SEVERITY_ERROR;
	}
	if (errors != r->n_errors)
		abort();
}

/* Whatever goes wrong with readable input has a code and a text. */
static int fuzz_check(struct fuzz_run *r, const struct np_catalogue *cat, const char *bytes,
		      size_t size, struct np_err *err)
{
	struct np_plan_options o = { .catalogue = cat, .holder = "apply", .tolerate_record = true };

	r->input.keeps_managed_fields = true;
	if (np_pool_input_parse(&r->input, cat, "fuzz.yaml", bytes, size, err) < 0 ||
	    np_pool_input_finish(&r->input, err) < 0)
		return np_err_ret(err);
	o.classes = r->input.classes;
	o.n_classes = r->input.n_classes;
	if (np_plan_make(&r->input, &o, &r->plan, err) < 0 ||
	    np_check_inventory_init(&r->inventory, &r->plan, err) < 0 ||
	    np_check_inventory_read(&r->input, &r->inventory, err) < 0)
		return np_err_ret(err);
	return np_check_make(&r->plan, &r->inventory, &r->report, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *fuzz_cat;
	NP_AUTO(fuzz_run_done) struct fuzz_run r = { 0 };
	NP_AUTO(np_freep) char *table = NULL;
	NP_AUTO(np_freep) char *json = NULL;
	struct np_err err = NP_ERR_INIT;

	if (!fuzz_cat && np_gpu_catalogue_new(&fuzz_cat, &err) < 0)
		abort();
	if (fuzz_check(&r, fuzz_cat, (const char *)data, size, &err) < 0) {
		if (err.code == NP_OK || err.text[0] == '\0')
			abort();
		return 0;
	}
	expect_complete(&r.report, &r.plan);
	if (np_check_render(&r.plan, &r.report, NP_FORMAT_WIDE, &table, &err) < 0 ||
	    np_check_render(&r.plan, &r.report, NP_FORMAT_JSON, &json, &err) < 0)
		abort();
	return 0;
}
