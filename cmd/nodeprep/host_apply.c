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

int run_host_apply(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_vsphere_changes_done) struct np_vsphere_changes changes = { 0 };

	if (!np_vcenter_is_configured(&o->vcenter.options))
		return np_fail(err, NP_E_USAGE, "expected --vcenter URL");
	if (work_plan_valid(o, &w, "nothing is changed", err) < 0 ||
	    np_vsphere_hosts_apply(w.vcenter, w.catalogue, &w.plan, &flags,
				   o->dry_run != NP_DRY_RUN_NONE, &changes, err) < 0 ||
	    put_changes(o, &changes, "HostChanges", "host", err) < 0)
		return np_err_ret(err);
	return np_code_exit_status(changes.code);
}
