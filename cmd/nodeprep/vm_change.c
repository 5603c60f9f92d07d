/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"

#include "nodeprep/state.h"
#include "nodeprep/vsphere.h"

static struct flags {
	const char *cluster;
	struct texts vms;
	bool change_firmware;
} flags;

#define AT(member) offsetof(struct flags, member)

#define APPLY 1
#define REVERT 2

static const struct option_row rows[] = {
	{ "change-firmware", 0, NULL, OPTION_FLAG, AT(change_firmware),
	  .help = "change BIOS to EFI; a guest that was installed with BIOS no longer boots",
	  .group = APPLY },
	{ "cluster", 0, "NAME", OPTION_TEXT, AT(cluster), .help = "only the VMs of this cluster" },
	{ "vm", 0, "NAME", OPTION_TEXTS, AT(vms), .help = "VM or template to change; repeatable" },
};

const struct option_table vm_apply_options = { OPTION_ROWS(rows), &flags, APPLY };
const struct option_table vm_revert_options = { OPTION_ROWS(rows), &flags, REVERT };

typedef int change_fn(struct np_vcenter *v, const struct np_vsphere_change_options *o,
		      struct np_vsphere_changes *ret, struct np_err *err);

static int change(const struct options *o, change_fn *fn, struct np_err *err)
{
	const struct np_state_options where = options_state(o->state_dir);
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_vsphere_changes_done) struct np_vsphere_changes changes = { 0 };
	NP_AUTO(np_state_freep) struct np_state *state = NULL;
	NP_AUTO(np_vcenter_freep) struct np_vcenter *v = NULL;
	struct np_vsphere_change_options c = { .cluster = flags.cluster,
					       .vms = flags.vms.items,
					       .n_vms = flags.vms.n,
					       .dry_run = o->dry_run != NP_DRY_RUN_NONE,
					       .change_firmware = flags.change_firmware };

	if (!np_vcenter_is_configured(&o->vcenter.options) || flags.vms.n == 0)
		return np_fail(err, NP_E_USAGE, "expected --vcenter URL and --vm NAME");
	if (catalogue_load(&o->catalogues, &o->captures, &cat, err) < 0 ||
	    np_state_new(&where, &state, err) < 0 || vcenter_connect(o, &v, err) < 0)
		return np_err_ret(err);
	c.cat = cat;
	c.state = state;
	if (fn(v, &c, &changes, err) < 0 || put_changes(o, &changes, "VMChanges", "vm", err) < 0)
		return np_err_ret(err);
	return np_code_exit_status(changes.code);
}

int run_vm_apply(const struct options *o, struct np_err *err)
{
	return change(o, np_vsphere_vms_apply, err);
}

int run_vm_revert(const struct options *o, struct np_err *err)
{
	return change(o, np_vsphere_vms_revert, err);
}
