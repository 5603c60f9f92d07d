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
	struct np_inventory fleet;
	struct np_check check;
};

static void fuzz_run_done(struct fuzz_run *r)
{
	np_check_done(&r->check);
	np_check_inventory_done(&r->fleet);
	np_plan_done(&r->plan);
	np_pool_input_done(&r->input);
}

/* Each VM has its judgement, and each finding what a program looks at. */
static void expect_complete(const struct np_check *c)
{
	const json_t *item;
	size_t i, errors = 0;

	json_array_foreach (c->vms, i, item)
		if (!json_string_value(json_object_get(item, "onResize")) ||
		    !json_object_get(item, "madeBeforeChange"))
			abort();
	json_array_foreach (c->findings, i, item) {
		const char *severity = json_string_value(json_object_get(item, "severity"));

		if (!severity || !json_object_get(item, "writer"))
			abort();
		errors += strcmp(severity, "error") == 0;
	}
	if (errors != c->n_errors)
		abort();
}

/* Whatever goes wrong with readable input has a code and a text. */
static int fuzz_check(struct fuzz_run *r, const struct np_catalogue *cat, const char *bytes,
		      size_t size, struct np_err *err)
{
	struct np_plan_options o = { .catalogue = cat, .holder = "apply" };

	if (np_pool_input_parse(&r->input, cat, "fuzz.yaml", bytes, size, err) < 0 ||
	    np_pool_input_finish(&r->input, err) < 0)
		return np_err_ret(err);
	o.classes = r->input.classes;
	o.n_classes = r->input.n_classes;
	if (np_plan_make(&r->input, &o, &r->plan, err) < 0 ||
	    np_check_inventory_init(&r->fleet, &r->plan, err) < 0 ||
	    np_check_inventory_read(&r->input, &r->fleet, err) < 0)
		return np_err_ret(err);
	return np_check_make(&r->plan, &r->fleet, &r->check, err);
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
	expect_complete(&r.check);
	if (np_check_render(&r.plan, &r.check, NP_FORMAT_WIDE, &table, &err) < 0 ||
	    np_check_render(&r.plan, &r.check, NP_FORMAT_JSON, &json, &err) < 0)
		abort();
	return 0;
}
