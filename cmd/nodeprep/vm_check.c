/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "cmd.h"
#include "node_cmd.h"

#include "nodeprep/vsphere.h"

static struct np_vsphere_vm_scope flags;

#define AT(member) offsetof(struct np_vsphere_vm_scope, member)

static const struct option_row rows[] = {
	{ "cluster", 0, "NAME", OPTION_TEXT, AT(cluster), .help = "only the VMs of this cluster" },
	{ "vm", 0, "NAME|PATTERN", OPTION_TEXT, AT(pattern),
	  .help = "only VMs of this name; * and ? match as in a shell" },
};

const struct option_table vm_check_options = { OPTION_ROWS(rows), &flags, 0 };

static int print_vms(const struct options *o, const struct np_vsphere_vms *vms, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;

	if (!is_for_programs(o))
		return np_vsphere_vms_text(vms, o->format == NP_FORMAT_WIDE, stdout, err) < 0
			       ? np_err_ret(err)
			       : put("", err);
	return np_vsphere_vms_data(vms, o->format, &text, err) < 0 ? np_err_ret(err)
								   : put(text, err);
}

/* Loads the catalogue; with -f also the pools, and plans what their classes give new VMs. */
static int load(const struct options *o, struct work *w, struct np_err *err)
{
	if (o->files.n > 0)
		return work_plan_valid(o, w, "no VM is judged", err);
	if (catalogue_load(&o->catalogues, &o->captures, &w->catalogue, err) < 0)
		return np_err_ret(err);
	return vcenter_connect(o, &w->vcenter, err);
}

int run_vm_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { 0 };
	NP_AUTO(np_vsphere_vms_done) struct np_vsphere_vms vms = { 0 };

	if (!np_vcenter_is_configured(&o->vcenter.options))
		return np_fail(err, NP_E_USAGE, "expected --vcenter URL");
	if (load(o, &w, err) < 0 ||
	    np_vsphere_vms_fetch(w.vcenter, w.catalogue, &flags, &vms, err) < 0 ||
	    np_vsphere_vms_name_classes(w.vcenter, &vms, err) < 0 ||
	    np_vsphere_vms_judge(&vms, o->files.n > 0 ? &w.plan : NULL, err) < 0 ||
	    print_vms(o, &vms, err) < 0)
		return np_err_ret(err);
	return exit_of_verdict(vms.pass);
}
