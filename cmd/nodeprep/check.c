/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdlib.h>

#include "nodeprep/check.h"

/* Reads VMs and images from where the classes came from. */
static int take_inventory(const struct options *o, struct work *w, struct np_check_inventory *inv,
			  struct np_err *err)
{
	if (np_check_inventory_init(inv, &w->plan, err) < 0)
		return np_err_ret(err);
	if (w->vcenter && (work_connect_kube(o, w, err) < 0 ||
			   (w->kube && np_check_copies(w->kube, &w->plan, inv, err) < 0)))
		return np_err_ret(err);
	return w->kube ? np_check_inventory_fetch(w->kube, &w->plan, inv, err)
		       : np_check_inventory_read(&w->input, inv, err);
}

/* An inventory that cannot be fetched is an error beside the plan's own. */
static int judge(const struct options *o, struct work *w, struct np_check_inventory *inv,
		 struct np_check_report *ret, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (take_inventory(o, w, inv, &why) < 0 && np_plan_add_error(&w->plan, &why, err) < 0)
		return np_err_ret(err);
	return np_check_make(&w->plan, inv, ret, err);
}

int run_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done)
	struct work w = { .tolerate_record = true, .input = { .keeps_managed_fields = true } };
	NP_AUTO(np_check_inventory_done) struct np_check_inventory inventory = { 0 };
	NP_AUTO(np_check_report_done) struct np_check_report report = { 0 };
	NP_AUTO(np_freep) char *text = NULL;

	if (work_plan(o, &w, err) < 0 || judge(o, &w, &inventory, &report, err) < 0)
		return np_err_ret(err);
	if ((!w.failed || is_for_programs(o)) &&
	    (np_check_render(&w.plan, &report, o->format, &text, err) < 0 || put(text, err) < 0))
		return np_err_ret(err);
	if (o->format == NP_FORMAT_TABLE)
		log_minor_notes(&w.plan);
	log_plan_errors(&w.plan);
	log_hints(is_vcenter(o) ? NULL : w.kube, &w.plan);
	if (w.plan.n_errors > 0)
		return np_code_exit_status(np_plan_code(&w.plan));
	return report.n_errors > 0 ? EXIT_FINDINGS : 0;
}
