/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include "nodeprep/vsphere.h"

static struct np_vsphere_scope flags;

#define AT(member) offsetof(struct np_vsphere_scope, member)

static const struct option_row rows[] = {
	{ "cluster", 0, "NAME", OPTION_TEXT, AT(cluster),
	  .help = "only the hosts of this cluster" },
	{ "host", 0, "NAME", OPTION_TEXT, AT(host), .help = "only this host" },
};

const struct option_table host_apply_options = { OPTION_ROWS(rows), &flags, 0 };

/* The pools' GPUs: their own requests, or the devices of their classes. */
static int load_plan(const struct options *o, struct work *w, struct np_err *err)
{
	if (work_plan(o, w, err) < 0)
		return np_err_ret(err);
	log_plan_errors(&w->plan);
	if (w->failed || w->plan.n_errors > 0)
		return np_fail(err, np_plan_code(&w->plan),
			       "the pools are not valid: nothing is changed");
	if (!w->vcenter)
		return vcenter_connect(o, &w->vcenter, err);
	return 0;
}

int run_host_apply(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_vsphere_changes_done) struct np_vsphere_changes changes = { 0 };

	if (!np_vcenter_is_configured(&o->vcenter.options))
		return np_fail(err, NP_E_USAGE, "expected --vcenter URL");
	signals_watch();
	if (load_plan(o, &w, err) < 0 ||
	    np_vsphere_hosts_apply(w.vcenter, w.catalogue, &w.plan, &flags,
				   o->dry_run != NP_DRY_RUN_NONE, &changes, err) < 0 ||
	    put_changes(o, &changes, "HostChanges", "host", err) < 0)
		return np_err_ret(err);
	return np_code_exit_status(changes.code);
}
