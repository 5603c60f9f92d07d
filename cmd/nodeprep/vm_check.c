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
	json_auto_t *tree = NULL;

	if (!is_for_programs(o))
		return np_vsphere_vms_text(vms, o->format == NP_FORMAT_WIDE, &text, err) < 0
			       ? np_err_ret(err)
			       : put(text, err);
	tree = np_vsphere_vms_tree(vms);
	if (!tree)
		return np_fail_nomem(err);
	return np_render_tree(tree, o->format, &text, err) < 0 ? np_err_ret(err) : put(text, err);
}

int run_vm_check(const struct options *o, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_vsphere_vms_done) struct np_vsphere_vms vms = { 0 };
	NP_AUTO(np_vcenter_freep) struct np_vcenter *v = NULL;

	if (!np_vcenter_is_configured(&o->vcenter.options))
		return np_fail(err, NP_E_USAGE, "expected --vcenter URL");
	if (catalogue_load(&o->catalogues, &o->captures, &cat, err) < 0 ||
	    vcenter_connect(o, &v, err) < 0 ||
	    np_vsphere_vms_fetch(v, cat, &flags, &vms, err) < 0 || print_vms(o, &vms, err) < 0)
		return np_err_ret(err);
	return exit_of_verdict(vms.pass);
}
