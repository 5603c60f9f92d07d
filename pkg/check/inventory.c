/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/time.h"
#include "nodeprep/units.h"

#define OBJECTS_MAX 100000
#define KEY_MAX 800

#define MACHINE_KIND "VirtualMachine"
#define IMAGE_KIND "VirtualMachineImage"
#define CLUSTER_IMAGE_KIND "ClusterVirtualMachineImage"

void np_check_inventory_done(struct np_inventory *f)
{
	json_decref(f->wanted);
	json_decref(f->seen);
	json_decref(f->vms);
	json_decref(f->images);
	json_decref(f->unknown);
	*f = (struct np_inventory){ 0 };
}

/* A class without devices that was never changed asks nothing of its VMs. */
static bool is_judged(const struct np_plan_class *c)
{
	return c->class && c->n_pools > 0 &&
	       (c->class->devices.n > 0 || c->class->hidden.n > 0 || c->class->baked_in ||
		c->change.n > 0 || np_vmclass_is_changed(c->class));
}

/* A class may serve several namespaces, where classes have none of their own. */
static int want_class(struct np_inventory *f, const struct np_plan *plan, size_t i,
		      struct np_err *err)
{
	const struct np_plan_class *c = &plan->classes[i];
	char key[KEY_MAX];

	for (size_t p = 0; is_judged(c) && p < c->n_pools; p++) {
		snprintf(key, sizeof(key), "%s\n%s", plan->pools[c->pools[p]].pool->ns, c->name);
		if (json_object_set_new(f->wanted, key, json_integer((json_int_t)i)) < 0)
			return np_fail_nomem(err);
	}
	return 0;
}

int np_check_inventory_init(struct np_inventory *f, const struct np_plan *plan, struct np_err *err)
{
	*f = (struct np_inventory){ json_object(), json_object(), json_array(), json_array(),
				    json_array() };
	if (!f->wanted || !f->seen || !f->vms || !f->images || !f->unknown)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (want_class(f, plan, i, err) < 0)
			return np_err_ret(err);
	return 0;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *created_of(const json_t *metadata)
{
	const char *text = text_of(metadata, "creationTimestamp");

	return text && np_time_is_api(text) ? text : NULL;
}

/* spec.className is in every version; what a VM was made from stands in its status where that is empty. */
static const char *class_of(const json_t *machine)
{
	const char *name = text_of(json_object_get(machine, "spec"), "className");
	const json_t *class = json_object_get(json_object_get(machine, "status"), "class");
	const char *kind = text_of(class, "kind");

	if (name && name[0] != '\0')
		return name;
	return kind && strcmp(kind, "VirtualMachineClass") == 0 ? text_of(class, "name") : NULL;
}

/* The window that the VM has, which its status tells since v1alpha6; keys are compared as ESXi does. */
static json_t *window_of(const json_t *machine)
{
	const json_t *list = json_object_get(json_object_get(machine, "status"), "extraConfig");
	struct np_err ignored = NP_ERR_INIT;
	const json_t *entry;
	uint64_t gb;
	size_t i;

	json_array_foreach (list, i, entry) {
		const char *key = text_of(entry, "key"), *value = text_of(entry, "value");

		if (key && value && strcmp(key, NP_VMX_SIZE_NAME) == 0 &&
		    np_u64_parse(value, 0, INT32_MAX, &gb, &ignored) == 0)
			return json_integer((json_int_t)gb);
	}
	return json_null();
}

/* spec.image names kind and object (v1alpha3 on); spec.imageName an object, or what people call it. */
static json_t *machine_tree(const json_t *machine, const char *ns)
{
	const json_t *metadata = json_object_get(machine, "metadata");
	const json_t *spec = json_object_get(machine, "spec");
	const json_t *image = json_object_get(spec, "image");
	const char *image_name = text_of(image, "name");

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "namespace", check_text(ns),
		"name", check_text(text_of(metadata, "name")), "className",
		check_text(class_of(machine)), "created", check_text(created_of(metadata)),
		"deleting", !!json_object_get(metadata, "deletionTimestamp"), "annotation",
		check_text(text_of(json_object_get(metadata, "annotations"), NP_MMIO_ANNOTATION)),
		"firmware", check_text(text_of(json_object_get(spec, "bootOptions"), "firmware")),
		"imageKind", check_text(image_name ? text_of(image, "kind") : NULL), "image",
		check_text(image_name ? image_name : text_of(spec, "imageName")), "windowGB",
		window_of(machine));
}

/* What people call an image is status.name, in v1alpha1 status.imageName. */
static json_t *image_tree(const json_t *image, const char *kind, const char *ns)
{
	const json_t *status = json_object_get(image, "status");
	const char *shown = text_of(status, "name");

	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", kind, "namespace", check_text(ns),
			 "name", check_text(text_of(json_object_get(image, "metadata"), "name")),
			 "displayName", check_text(shown ? shown : text_of(status, "imageName")),
			 "firmware", check_text(text_of(status, "firmware")));
}

static int push(json_t *list, json_t *item, struct np_err *err)
{
	if (json_array_size(list) >= OBJECTS_MAX) {
		json_decref(item);
		return np_fail(err, NP_E_REFUSED, "more than %d virtual machines or images",
			       OBJECTS_MAX);
	}
	return json_array_append_new(list, item) < 0 ? np_fail_nomem(err) : 0;
}

/* Returns 1 the first time. */
static int remember(struct np_inventory *f, const char *kind, const char *ns, const char *name,
		    struct np_err *err)
{
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "%s\n%s\n%s", kind, ns ? ns : "", name);
	if (json_object_get(f->seen, key))
		return 0;
	return json_object_set_new(f->seen, key, json_true()) < 0 ? np_fail_nomem(err) : 1;
}

static bool is_wanted(const struct np_inventory *f, const json_t *machine, const char *ns)
{
	const char *class = class_of(machine);
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "%s\n%s", ns, class ? class : "");
	return class && json_object_get(f->wanted, key);
}

static bool is_of_group(const json_t *object)
{
	const char *api = text_of(object, "apiVersion");

	return api && strncmp(api, NP_VMCLASS_GROUP "/", strlen(NP_VMCLASS_GROUP) + 1) == 0;
}

/* Adds a VM of a wanted class, or an image; any other object is ignored. */
static int add_object(struct np_inventory *f, const json_t *object, const char *default_namespace,
		      struct np_err *err)
{
	const json_t *metadata = json_object_get(object, "metadata");
	const char *kind = text_of(object, "kind"), *name = text_of(metadata, "name");
	const char *ns = text_of(metadata, "namespace");
	bool is_machine = kind && strcmp(kind, MACHINE_KIND) == 0;
	bool is_cluster_image = kind && strcmp(kind, CLUSTER_IMAGE_KIND) == 0;
	int fresh;

	if (!is_of_group(object) || !name || !kind)
		return 0;
	if (!is_machine && !is_cluster_image && strcmp(kind, IMAGE_KIND) != 0)
		return 0;
	if (is_cluster_image)
		ns = NULL;
	else if (!ns)
		ns = default_namespace;
	if (is_machine && (!ns || !is_wanted(f, object, ns)))
		return 0;
	fresh = remember(f, kind, ns, name, err);
	if (fresh <= 0)
		return fresh;
	return is_machine ? push(f->vms, machine_tree(object, ns), err)
			  : push(f->images, image_tree(object, kind, ns), err);
}

int np_check_inventory_read(const struct np_input *in, struct np_inventory *f, struct np_err *err)
{
	const char *ns = in->default_namespace ? in->default_namespace : "default";

	for (size_t i = 0; i < in->n_objects; i++)
		if (add_object(f, in->objects[i].node.json, ns, err) < 0)
			return np_err_ret(err);
	if (json_object_size(f->wanted) == 0 || json_array_size(f->vms) > 0)
		return 0;
	return check_find(f->unknown,
			  &(struct finding){ .kind = check_finding_kind(FINDING_VMS_UNKNOWN),
					     .object = MACHINE_KIND },
			  err, "the input has no VirtualMachine of these classes");
}

/* --- from the API ------------------------------------------------------------------------------- */

/* A kind to be listed, and what to tell where that cannot be. */
struct listed {
	const char *plural, *kind;
	enum finding_id finding;
};

static const struct listed machines_listed = { "virtualmachines", MACHINE_KIND,
					       FINDING_VMS_UNKNOWN };
static const struct listed images_listed = { "virtualmachineimages", IMAGE_KIND,
					     FINDING_IMAGES_UNKNOWN };
static const struct listed cluster_images_listed = { "clustervirtualmachineimages",
						     CLUSTER_IMAGE_KIND, FINDING_IMAGES_UNKNOWN };

struct visit {
	struct np_inventory *f;
	const char *ns;
};

static int visit_object(void *ctx, json_t *object, struct np_err *err)
{
	struct visit *v = ctx;

	return add_object(v->f, object, v->ns, err);
}

/* What may not be seen, or is not there, is no failure of the check: it is told. */
static int tolerate(struct np_inventory *f, const struct listed *l, const char *ns,
		    const struct np_err *why, struct np_err *err)
{
	const struct finding finding = { .kind = check_finding_kind(l->finding),
					 .object = l->kind,
					 .ns = ns };

	if (why->code != NP_E_FORBIDDEN && why->code != NP_E_NOT_FOUND) {
		*err = *why;
		return np_wrap(err, "%s", l->plural);
	}
	/* Old Supervisors lack a kind of image; a VM whose image is not found is told by itself. */
	if (why->code == NP_E_NOT_FOUND && l != &machines_listed)
		return 0;
	return check_find(f->unknown, &finding, err, "%s could not be judged: %s", l->plural,
			  why->text);
}

/* Lists in each of the namespaces, which are the keys of `namespaces`. */
static int list_all(struct np_kube *k, struct np_inventory *f, const struct listed *l,
		    json_t *namespaces, struct np_err *err)
{
	struct np_kube_resource r = { .namespaced = false };
	struct np_err why = NP_ERR_INIT;
	const char *ns;
	json_t *value;

	if (np_kube_discover(k, NP_VMCLASS_GROUP, l->plural, &r, &why) < 0)
		return tolerate(f, l, NULL, &why, err);
	json_object_foreach (namespaces, ns, value) {
		struct visit v = { f, r.namespaced ? ns : NULL };
		struct np_err inner = NP_ERR_INIT;

		if (np_kube_list(k, &r, ns, 0, visit_object, &v, &inner) < 0 &&
		    tolerate(f, l, r.namespaced ? ns : NULL, &inner, err) < 0)
			return np_err_ret(err);
		if (!r.namespaced)
			return 0;
	}
	return 0;
}

/* Returns the namespaces of the wanted classes, in the plan's order. */
static json_t *wanted_namespaces(const struct np_inventory *f)
{
	json_auto_t *set = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (f->wanted, key, value) {
		json_auto_t *ns = json_stringn(key, strcspn(key, "\n"));

		if (!ns || json_object_set_new(set, json_string_value(ns), json_true()) < 0)
			return NULL;
	}
	return json_incref(set);
}

static const struct np_plan_class *class_of_tree(const struct np_plan *plan,
						 const struct np_inventory *f,
						 const json_t *machine)
{
	char key[KEY_MAX];
	const json_t *at;

	snprintf(key, sizeof(key), "%s\n%s", text_of(machine, "namespace"),
		 text_of(machine, "className"));
	at = json_object_get(f->wanted, key);
	return at ? &plan->classes[json_integer_value(at)] : NULL;
}

/* Returns the namespaces of VMs whose firmware their image decides, where it matters. */
static json_t *image_namespaces(const struct np_plan *plan, const struct np_inventory *f)
{
	json_auto_t *set = json_object();
	const json_t *m;
	size_t i;

	json_array_foreach (f->vms, i, m) {
		const struct np_plan_class *c = class_of_tree(plan, f, m);

		if (!c || !check_needs_efi(plan, c) || !text_of(m, "image") ||
		    text_of(m, "firmware"))
			continue;
		if (json_object_set_new(set, text_of(m, "namespace"), json_true()) < 0)
			return NULL;
	}
	return json_incref(set);
}

int np_check_inventory_fetch(struct np_kube *k, const struct np_plan *plan, struct np_inventory *f,
			     struct np_err *err)
{
	json_auto_t *namespaces = wanted_namespaces(f);
	json_auto_t *of_images = NULL;

	if (!namespaces)
		return np_fail_nomem(err);
	if (json_object_size(namespaces) == 0)
		return 0;
	if (list_all(k, f, &machines_listed, namespaces, err) < 0)
		return np_err_ret(err);
	of_images = image_namespaces(plan, f);
	if (!of_images)
		return np_fail_nomem(err);
	if (json_object_size(of_images) == 0)
		return 0;
	if (list_all(k, f, &images_listed, of_images, err) < 0)
		return np_err_ret(err);
	return list_all(k, f, &cluster_images_listed, of_images, err);
}
