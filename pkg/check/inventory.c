/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define OBJECTS_MAX 100000

void np_check_inventory_done(struct np_check_inventory *inv)
{
	for (size_t i = 0; i < inv->n_vms; i++)
		check_vm_done(&inv->vms[i]);
	for (size_t i = 0; i < inv->n_images; i++)
		check_image_done(&inv->images[i]);
	free(inv->vms);
	free(inv->images);
	check_set_done(&inv->wanted);
	check_set_done(&inv->namespaces);
	check_set_done(&inv->image_namespaces);
	check_set_done(&inv->seen);
	check_findings_done(&inv->copies);
	check_findings_done(&inv->unknown);
	*inv = (struct np_check_inventory){ 0 };
}

/* A class without devices that was never changed asks nothing of its VMs. */
static bool is_judged(const struct np_plan_class *c)
{
	return c->class && c->n_pools > 0 &&
	       (c->class->devices.n > 0 || c->class->hidden.n > 0 || c->class->baked_in ||
		c->change.n > 0 || np_vmclass_is_changed(c->class));
}

/* A cluster-scoped class may serve several namespaces. */
static int want_class(struct np_check_inventory *inv, const struct np_plan *plan, size_t i,
		      struct np_err *err)
{
	const struct np_plan_class *c = &plan->classes[i];

	for (size_t p = 0; is_judged(c) && p < c->n_pools; p++) {
		const char *ns = plan->pools[c->pools[p]].pool->ns;

		if (check_set_add(&inv->wanted, i, err, "%s\n%s", ns, c->name) < 0 ||
		    check_set_add(&inv->namespaces, 0, err, "%s", ns) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int np_check_inventory_init(struct np_check_inventory *inv, const struct np_plan *plan,
			    struct np_err *err)
{
	*inv = (struct np_check_inventory){ 0 };
	for (size_t i = 0; i < plan->n_classes; i++)
		if (want_class(inv, plan, i, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int fail_too_many(struct np_err *err)
{
	return np_fail(err, NP_E_REFUSED, "more than %d virtual machines or images", OBJECTS_MAX);
}

static int add_vm(struct np_check_inventory *inv, const json_t *object, const char *ns,
		  size_t class_index, struct np_err *err)
{
	struct np_check_vm *vms;

	if (inv->n_vms >= OBJECTS_MAX)
		return fail_too_many(err);
	vms = check_room(inv->vms, inv->n_vms, sizeof(*vms));
	if (!vms)
		return np_fail_nomem(err);
	inv->vms = vms;
	vms[inv->n_vms] = (struct np_check_vm){ .class_index = class_index };
	return check_vm_read(object, ns, &vms[inv->n_vms++], err);
}

static int add_image(struct np_check_inventory *inv, const json_t *object, const char *kind,
		     const char *ns, struct np_err *err)
{
	struct np_check_image *images;

	if (inv->n_images >= OBJECTS_MAX)
		return fail_too_many(err);
	images = check_room(inv->images, inv->n_images, sizeof(*images));
	if (!images)
		return np_fail_nomem(err);
	inv->images = images;
	images[inv->n_images] = (struct np_check_image){ 0 };
	return check_image_read(object, kind, ns, &images[inv->n_images++], err);
}

static bool is_of_group(const json_t *object)
{
	const char *api = json_string_value(json_object_get(object, "apiVersion"));

	return api && strncmp(api, NP_VMCLASS_GROUP "/", strlen(NP_VMCLASS_GROUP) + 1) == 0;
}

/* Returns the kind as a constant if it is one that is read; else NULL. */
static const char *kind_of(const json_t *object)
{
	static const char *const kinds[] = { CHECK_VM_KIND, CHECK_IMAGE_KIND,
					     CHECK_CLUSTER_IMAGE_KIND };
	const char *kind = json_string_value(json_object_get(object, "kind"));

	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return kinds[i];
	return NULL;
}

static int find_wanted(const struct np_check_inventory *inv, const json_t *object, const char *ns,
		       const struct np_check_member **ret, struct np_err *err)
{
	const char *class = check_vm_class_name(object);

	*ret = NULL;
	return class && ns ? check_set_find(&inv->wanted, ns, class, ret, err) : 0;
}

int np_check_inventory_add(struct np_check_inventory *inv, const json_t *object,
			   const char *default_namespace, struct np_err *err)
{
	const char *kind = kind_of(object), *name = np_json_meta_text(object, "name");
	const char *ns = np_json_meta_text(object, "namespace");
	const struct np_check_member *wanted = NULL;
	bool is_vm = kind && strcmp(kind, CHECK_VM_KIND) == 0;
	int fresh;

	if (!is_of_group(object) || !name || !kind)
		return 0;
	if (strcmp(kind, CHECK_CLUSTER_IMAGE_KIND) == 0)
		ns = NULL;
	else if (!ns)
		ns = default_namespace;
	if (is_vm && find_wanted(inv, object, ns, &wanted, err) < 0)
		return np_err_ret(err);
	if (is_vm && !wanted)
		return 0;
	fresh = check_set_add(&inv->seen, 0, err, "%s\n%s\n%s", kind, ns ? ns : "", name);
	if (fresh <= 0)
		return fresh;
	return wanted ? add_vm(inv, object, ns, wanted->value, err)
		      : add_image(inv, object, kind, ns, err);
}

int np_check_inventory_read(const struct np_input *in, struct np_check_inventory *inv,
			    struct np_err *err)
{
	const char *ns = in->default_namespace ? in->default_namespace : "default";

	for (size_t i = 0; i < in->n_objects; i++)
		if (np_check_inventory_add(inv, in->objects[i].node.json, ns, err) < 0)
			return np_err_ret(err);
	if (inv->wanted.n == 0 || inv->n_vms > 0)
		return 0;
	return check_find(
		&inv->unknown,
		&(struct np_check_finding){ .kind = check_finding_kind(FINDING_VMS_UNKNOWN),
					    .object = CHECK_VM_KIND },
		err, "the input has no VirtualMachine of these classes");
}
