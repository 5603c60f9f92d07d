/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdlib.h>

#include "nodeprep/check.h"

/* What was made from classes is looked for where the classes came from. */
static int find_fleet(struct work *w, struct np_inventory *f, struct np_err *err)
{
	if (np_check_inventory_init(f, &w->plan, err) < 0)
		return np_err_ret(err);
	return w->kube ? np_check_inventory_fetch(w->kube, &w->plan, f, err)
		       : np_check_inventory_read(&w->input, f, err);
}

/* What cannot be fetched, once the plan is made, is an error beside the plan's own. */
static int judge(struct work *w, struct np_check *ret, struct np_err *err)
{
	NP_AUTO(np_check_inventory_done) struct np_inventory fleet = { 0 };
	struct np_err why = NP_ERR_INIT;

	if (find_fleet(w, &fleet, &why) < 0 && np_plan_add_error(&w->plan, &why, err) < 0)
		return np_err_ret(err);
	return np_check_make(&w->plan, &fleet, ret, err);
}

int run_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { .tolerate_record = true };
	NP_AUTO(np_check_done) struct np_check c = { 0 };
	NP_AUTO(np_freep) char *text = NULL;

	if (work_plan(o, &w, err) < 0 || judge(&w, &c, err) < 0)
		return np_err_ret(err);
	if ((!w.failed || is_for_programs(o)) &&
	    (np_check_render(&w.plan, &c, o->format, &text, err) < 0 || put(text, err) < 0))
		return np_err_ret(err);
	if (o->format == NP_FORMAT_TABLE)
		log_notes(&w.plan);
	log_plan_errors(&w.plan);
	if (w.plan.n_errors > 0)
		return np_code_exit_status(np_plan_code(&w.plan));
	return c.n_errors > 0 ? EXIT_FINDINGS : 0;
}
