/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"

/* A class of vCenter lists the VMs that were made from it. */
struct naming {
	struct np_vsphere_vms *vms;
	struct np_index by_id; /* into vms->items */
};

static void naming_done(struct naming *g)
{
	np_index_done(&g->by_id);
}

static int name_vms(void *ctx, json_t *info, struct np_err *err)
{
	struct naming *g = ctx;
	const json_t *list = json_object_get(info, "vms"), *id;
	const char *class = np_json_member_text(info, "id");
	size_t i, at;

	json_array_foreach (list, i, id)
		if (json_is_string(id) &&
		    np_index_find(&g->by_id, NP_KEY(json_string_value(id)), &at) &&
		    vsphere_copy(&g->vms->items[at].class_name, class, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int index_vms(struct naming *g, struct np_err *err)
{
	size_t number;

	for (size_t i = 0; i < g->vms->n; i++)
		if (g->vms->items[i].manager == NP_VSPHERE_VM_OPERATOR &&
		    np_index_enter(&g->by_id, NP_KEY(g->vms->items[i].ref.id), i, &number, err) < 0)
			return np_err_ret(err);
	return 0;
}

int np_vsphere_vms_name_classes(struct np_vcenter *v, struct np_vsphere_vms *vms,
				struct np_err *err)
{
	NP_AUTO(naming_done) struct naming g = { .vms = vms };
	struct np_err why = NP_ERR_INIT;

	if (index_vms(&g, err) < 0)
		return np_err_ret(err);
	if (g.by_id.map.n == 0 || np_vcenter_class_list(v, name_vms, &g, &why) == 0)
		return 0;
	/* Without the list, the VMs' own marks may still tell. */
	if (why.code == NP_E_REFUSED || why.code == NP_E_FORBIDDEN || why.code == NP_E_NOT_FOUND)
		return 0;
	*err = why;
	return np_err_ret(err);
}
