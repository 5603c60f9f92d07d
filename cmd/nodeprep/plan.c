/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include "nodeprep/vsphere.h"

/* A user who may not see the hosts gets the plan, with the warnings as without vCenter. */
static int note_capacity(const struct options *o, struct work *w, struct np_err *err)
{
	const struct np_vsphere_scope everything = { 0 };
	NP_AUTO(np_vsphere_hosts_done) struct np_vsphere_hosts hosts = { 0 };
	NP_AUTO(np_vcenter_freep) struct np_vcenter *own = NULL;
	const struct np_plan_capacity unknown = { 0 };
	struct np_err why = NP_ERR_INIT;

	if (!w->has_capacity || w->failed)
		return 0;
	if ((w->vcenter || vcenter_connect(o, &own, &why) == 0) &&
	    np_vsphere_hosts_fetch(w->vcenter ? w->vcenter : own, w->catalogue, &everything, &hosts,
				   &why) == 0)
		return np_vsphere_note_capacity(&hosts, &w->plan, err);
	if (why.code == NP_E_RETRY || why.code == NP_E_NOMEM) {
		*err = why;
		return np_err_ret(err);
	}
	log_format("warning", "the capacity of the hosts is not known: %s", why.text);
	for (size_t i = 0; i < w->plan.n_pools; i++)
		if (np_plan_note_capacity(&w->plan, i, &unknown, err) < 0)
			return np_err_ret(err);
	return 0;
}

int run_plan(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done)
	struct work w = { .has_capacity = np_vcenter_is_configured(&o->vcenter.options) };
	bool done = false;

	if (work_plan(o, &w, err) < 0 || note_capacity(o, &w, err) < 0)
		return np_err_ret(err);
	/* What is to be applied, where there is something: then that is what the YAML holds. */
	if (o->format == NP_FORMAT_YAML && np_plan_code(&w.plan) == NP_OK &&
	    put_manifests(&w, &done, err) < 0)
		return np_err_ret(err);
	if (!done && (!w.failed || is_for_programs(o)) && put_plan(&w.plan, o->format, err) < 0)
		return np_err_ret(err);
	if (o->format == NP_FORMAT_TABLE)
		log_notes(&w.plan);
	log_rollouts(&w.plan);
	log_plan_errors(&w.plan);
	log_hints(is_vcenter(o) ? NULL : w.kube, &w.plan);
	return np_code_exit_status(np_plan_code(&w.plan));
}
