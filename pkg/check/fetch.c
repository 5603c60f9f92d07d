/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* A kind to list, and the finding where that fails. */
struct listed {
	const char *plural, *kind;
	enum finding_id finding;
};

static const struct listed vms_listed = { "virtualmachines", CHECK_VM_KIND, FINDING_VMS_UNKNOWN };
static const struct listed images_listed = { "virtualmachineimages", CHECK_IMAGE_KIND,
					     FINDING_IMAGES_UNKNOWN };
static const struct listed cluster_images_listed = { "clustervirtualmachineimages",
						     CHECK_CLUSTER_IMAGE_KIND,
						     FINDING_IMAGES_UNKNOWN };

struct visit {
	struct np_check_inventory *inv;
	const char *ns;
};

static int visit_object(void *ctx, json_t *object, struct np_err *err)
{
	struct visit *v = ctx;

	return np_check_inventory_add(v->inv, object, v->ns, err);
}

/* A list that is forbidden or not served does not fail the check: it becomes a finding. */
static int tolerate(struct np_check_inventory *inv, const struct listed *l, const char *ns,
		    const struct np_err *why, struct np_err *err)
{
	const struct np_check_finding finding = { .kind = check_finding_kind(l->finding),
						  .object = l->kind,
						  .ns = ns };

	if (why->code != NP_E_FORBIDDEN && why->code != NP_E_NOT_FOUND) {
		*err = *why;
		return np_wrap(err, "%s", l->plural);
	}
	/* Old Supervisors lack a kind of image; a VM whose image is not found has a finding of its own. */
	if (why->code == NP_E_NOT_FOUND && l != &vms_listed)
		return 0;
	return check_find(&inv->unknown, &finding, err, "%s could not be judged: %s", l->plural,
			  why->text);
}

/* Lists in each of the namespaces, which are the inventory's: findings borrow their texts. */
static int list_all(struct np_kube *k, struct np_check_inventory *inv, const struct listed *l,
		    const struct np_check_set *namespaces, struct np_err *err)
{
	struct np_kube_resource r = { .namespaced = false };
	struct np_err why = NP_ERR_INIT;

	if (np_kube_discover(k, NP_VMCLASS_GROUP, l->plural, &r, &why) < 0)
		return tolerate(inv, l, NULL, &why, err);
	for (size_t i = 0; i < namespaces->n; i++) {
		const char *ns = namespaces->members[i]->entry.key;
		struct visit v = { inv, r.namespaced ? ns : NULL };
		struct np_err inner = NP_ERR_INIT;

		if (np_kube_list(k, &r, ns, 0, visit_object, &v, &inner) < 0 &&
		    tolerate(inv, l, v.ns, &inner, err) < 0)
			return np_err_ret(err);
		if (!r.namespaced)
			return 0;
	}
	return 0;
}

/* Notes the namespaces of VMs whose firmware their image decides, where it matters. */
static int note_image_namespaces(const struct np_plan *plan, struct np_check_inventory *inv,
				 struct np_err *err)
{
	for (size_t i = 0; i < inv->n_vms; i++) {
		const struct np_check_vm *vm = &inv->vms[i];

		if (!vm->image || vm->firmware ||
		    !check_needs_efi(plan, &plan->classes[vm->class_index]))
			continue;
		if (check_set_add(&inv->image_namespaces, 0, err, "%s", vm->ns) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int np_check_inventory_fetch(struct np_kube *k, const struct np_plan *plan,
			     struct np_check_inventory *inv, struct np_err *err)
{
	if (inv->namespaces.n == 0)
		return 0;
	if (list_all(k, inv, &vms_listed, &inv->namespaces, err) < 0 ||
	    note_image_namespaces(plan, inv, err) < 0)
		return np_err_ret(err);
	if (inv->image_namespaces.n == 0)
		return 0;
	if (list_all(k, inv, &images_listed, &inv->image_namespaces, err) < 0)
		return np_err_ret(err);
	return list_all(k, inv, &cluster_images_listed, &inv->image_namespaces, err);
}
