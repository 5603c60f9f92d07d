/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

int run_plan(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_freep) char *text = NULL;
	const struct np_render_style style = { .colour = is_colour_terminal() };
	bool done = false;

	if (work_plan(o, &w, err) < 0)
		return np_err_ret(err);
	/* What is to be applied, where there is something: then that is what the YAML holds. */
	if (o->format == NP_FORMAT_YAML && np_plan_code(&w.plan) == NP_OK &&
	    put_manifests(&w, &done, err) < 0)
		return np_err_ret(err);
	if (!done && (!w.failed || is_for_programs(o)) &&
	    (np_render_plan_styled(&w.plan, o->format, &style, &text, err) < 0 ||
	     put(text, err) < 0))
		return np_err_ret(err);
	if (o->format == NP_FORMAT_TABLE)
		log_notes(&w.plan);
	log_rollouts(&w.plan);
	log_plan_errors(&w.plan);
	log_hints(is_vcenter(o) ? NULL : w.kube, &w.plan);
	return np_code_exit_status(np_plan_code(&w.plan));
}
