/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/warnings.h"

#define CLASS_KIND "VirtualMachineClass"
#define ANNOTATION "/metadata/annotations/nodeprep.dev~1managed"
#define VALUE_MAX 80
#define KEY_MAX 800

void np_check_done(struct np_check *c)
{
	json_decref(c->findings);
	json_decref(c->vms);
	json_decref(c->images);
	*c = (struct np_check){ 0 };
}

/* --- classes ------------------------------------------------------------------------------------- */

/* A value in a few words: what is long by its size alone. */
static void write_value(const json_t *value, char buf[static VALUE_MAX])
{
	if (!value)
		snprintf(buf, VALUE_MAX, "absent");
	else if (json_is_array(value))
		snprintf(buf, VALUE_MAX, "a list of %zu", json_array_size(value));
	else if (json_is_string(value) && json_string_length(value) > 60)
		snprintf(buf, VALUE_MAX, "a text of %zu bytes", json_string_length(value));
	else if (json_is_string(value))
		snprintf(buf, VALUE_MAX, "'%s'", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(buf, VALUE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, VALUE_MAX, "%g", json_real_value(value));
	else
		snprintf(buf, VALUE_MAX, "%s",
			 json_is_boolean(value) ? json_is_true(value) ? "true" : "false"
						: "an object");
}

/* The path's last member, as people call it: memory alone would be hardware.memory. */
static const char *field_of(const char *path)
{
	const char *last = strrchr(path, '/') + 1;

	if (strcmp(path, ANNOTATION) == 0)
		return "annotation " NP_MANAGED_ANNOTATION;
	return strcmp(last, "memory") == 0 ? "requests.memory" : last;
}

static int find_taken(json_t *findings, const struct finding *where, const struct np_vmclass *c,
		      const struct np_change_item *item, struct np_err *err)
{
	struct finding f = *where;
	struct np_last_writer writer;
	char from[VALUE_MAX], to[VALUE_MAX];

	write_value(item->from, from);
	write_value(item->to, to);
	f.kind = check_finding_kind(FINDING_OVERWRITTEN);
	if (!np_vmclass_last_writer(c, item->path, &writer))
		return check_find(findings, &f, err,
				  "%s is %s, expected %s as nodeprep had set it; removed by an "
				  "unknown writer: the API server records no removals",
				  field_of(item->path), from, to);
	f.writer = &writer;
	return check_find(
		findings, &f, err,
		"%s is %s, expected %s as nodeprep had set it: overwritten by '%s' (%s, %s)",
		field_of(item->path), from, to, writer.manager,
		writer.operation[0] != '\0' ? writer.operation : "?",
		writer.time[0] != '\0' ? writer.time : "?");
}

static int find_item(json_t *findings, const struct np_plan_class *c,
		     const struct np_change_item *item, struct np_err *err)
{
	struct finding f = { .kind = check_finding_kind(FINDING_CLASS_DRIFT),
			     .object = CLASS_KIND,
			     .ns = c->ns,
			     .name = c->name,
			     .path = item->path,
			     .from = item->from,
			     .to = item->to };
	char from[VALUE_MAX], to[VALUE_MAX];

	if (np_vmclass_is_overwritten(c->class, item->path))
		return find_taken(findings, &f, c->class, item, err);
	write_value(item->from, from);
	write_value(item->to, to);
	return check_find(findings, &f, err, "%s is %s, expected %s: %s", field_of(item->path),
			  from, to, item->reason);
}

static int find_drift(json_t *findings, const struct np_plan_class *c, struct np_err *err)
{
	for (size_t i = 0; i < c->change.n; i++)
		if (find_item(findings, c, &c->change.items[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

/* Adds the warnings whose severity makes them findings. */
static int find_notes(json_t *findings, const struct finding *where,
		      const struct np_warnings *warnings, struct np_err *err)
{
	struct finding f = *where;

	for (size_t i = 0; i < warnings->n; i++) {
		f.kind = np_warning_kind(warnings->items[i].warning);
		if (f.kind->severity != NP_SEVERITY_WARNING &&
		    check_find(findings, &f, err, "%s", warnings->items[i].message) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int find_class(json_t *findings, const struct np_plan_class *c, struct np_err *err)
{
	const struct finding where = { .object = CLASS_KIND, .ns = c->ns, .name = c->name };

	if (!c->class || c->n_pools == 0)
		return 0;
	if (find_drift(findings, c, err) < 0 ||
	    find_notes(findings, &where, &c->class->warnings, err) < 0 ||
	    find_notes(findings, &where, &c->warnings, err) < 0)
		return np_err_ret(err);
	return find_notes(findings, &where, &c->change.warnings, err);
}

static int find_template(json_t *findings, const struct np_plan_template *t, struct np_err *err)
{
	struct finding f = { .kind = check_finding_kind(FINDING_TEMPLATE_DRIFT),
			     .object = "VSphereMachineTemplate",
			     .ns = t->ns,
			     .name = t->name };
	char from[VALUE_MAX], to[VALUE_MAX];

	for (size_t i = 0; i + t->n_references < t->change.n; i++) {
		const struct np_change_item *item = &t->change.items[i];

		f.path = item->path;
		f.from = item->from;
		f.to = item->to;
		write_value(item->from, from);
		write_value(item->to, to);
		if (check_find(findings, &f, err, "%s is %s, expected %s: %s", field_of(item->path),
			       from, to, item->reason) < 0)
			return np_err_ret(err);
	}
	f.path = NULL;
	f.from = f.to = NULL;
	return find_notes(findings, &f, &t->warnings, err);
}

/* --- VMs and images ------------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
	const char *text = text_of(object, key);

	return text && strcmp(text, wanted) == 0;
}

/* Tells whether a VM of that namespace can be made from the image. */
static bool is_in_reach(const json_t *image, const json_t *machine)
{
	const char *ns = text_of(image, "namespace"), *kind = text_of(machine, "imageKind");

	if (kind && !is_text(image, "kind", kind))
		return false;
	return !ns || is_text(machine, "namespace", ns);
}

/* Appends the image under what it is called, once. */
static int index_name(json_t *index, json_t *image, const char *name)
{
	json_t *list = name ? json_object_get(index, name) : NULL;
	size_t n = json_array_size(list);

	if (!name || (n > 0 && json_array_get(list, n - 1) == image))
		return 0;
	if (!list) {
		list = json_array();
		if (json_object_set_new(index, name, list) < 0)
			return -1;
	}
	return json_array_append(list, image);
}

/* Returns {name: [image, ...]}, by the objects' names and by what people call them. */
static json_t *index_images(const json_t *images)
{
	json_auto_t *index = json_object();
	json_t *image;
	size_t i;

	json_array_foreach (images, i, image)
		if (index_name(index, image, text_of(image, "name")) < 0 ||
		    index_name(index, image, text_of(image, "displayName")) < 0)
			return NULL;
	return json_incref(index);
}

/* An object's name stands before what people call it; several of one such name: none is known. */
static json_t *find_image(const json_t *index, const json_t *machine)
{
	const char *name = text_of(machine, "image");
	json_t *image, *shown = NULL;
	size_t i, n = 0;

	if (!name)
		return NULL;
	json_array_foreach (json_object_get(index, name), i, image) {
		if (!is_in_reach(image, machine))
			continue;
		if (is_text(image, "name", name))
			return image;
		shown = image;
		n++;
	}
	return n == 1 && !text_of(machine, "imageKind") ? shown : NULL;
}

/* An image is listed once, with the VMs that are made from it. */
static int use_image(struct np_check *c, json_t *image, const json_t *machine, struct np_err *err)
{
	json_t *users = json_object_get(image, "virtualMachines");
	char id[KEY_MAX];

	if (!users) {
		users = json_array();
		if (json_object_set_new(image, "virtualMachines", users) < 0 ||
		    json_array_append(c->images, image) < 0)
			return np_fail_nomem(err);
	}
	snprintf(id, sizeof(id), "%s/%s", text_of(machine, "namespace"), text_of(machine, "name"));
	return json_array_append_new(users, check_text(id)) < 0 ? np_fail_nomem(err) : 0;
}

/* Registering a pool reaches no VM: a class is to change where more than the annotation is. */
static bool is_pending(const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->change.n; i++)
		if (strcmp(c->change.items[i].path, ANNOTATION) != 0)
			return true;
	return false;
}

static int judge_machine(struct np_check *c, const struct np_plan *plan, const json_t *wanted,
			 const json_t *index, json_t *machine, struct np_err *err)
{
	char key[KEY_MAX];
	json_t *image = find_image(index, machine);
	struct vm_class mc = { 0 };
	const json_t *at;

	snprintf(key, sizeof(key), "%s\n%s", text_of(machine, "namespace"),
		 text_of(machine, "className"));
	at = json_object_get(wanted, key);
	if (!at)
		return np_fail(err, NP_E_BUG, "VM '%s' has no class in the plan",
			       text_of(machine, "name"));
	mc.c = &plan->classes[json_integer_value(at)];
	mc.needs_efi = check_needs_efi(plan, mc.c);
	mc.is_pending = is_pending(mc.c);
	if (image && use_image(c, image, machine, err) < 0)
		return np_err_ret(err);
	return check_vm(machine, &mc, image, c->findings, err);
}

/* jansson 2.14 leaves out of a copy what there was no memory for. */
static json_t *copy_whole(json_t *tree)
{
	json_auto_t *copy = json_deep_copy(tree);

	return json_equal(copy, tree) ? json_incref(copy) : NULL;
}

static int judge_fleet(struct np_check *c, const struct np_plan *plan, const struct np_inventory *f,
		       struct np_err *err)
{
	json_auto_t *images = copy_whole(f->images);
	json_auto_t *index = index_images(images);
	json_t *machine;
	size_t i;

	c->vms = copy_whole(f->vms);
	if (!c->vms || !images || !index)
		return np_fail_nomem(err);
	json_array_foreach (c->vms, i, machine)
		if (judge_machine(c, plan, f->wanted, index, machine, err) < 0)
			return np_err_ret(err);
	return json_array_extend(c->findings, f->unknown) < 0 ? np_fail_nomem(err) : 0;
}

static void count_errors(struct np_check *c)
{
	const json_t *finding;
	size_t i;

	json_array_foreach (c->findings, i, finding)
		c->n_errors += is_text(finding, "severity", np_severity_name(NP_SEVERITY_ERROR));
}

int np_check_make(const struct np_plan *plan, const struct np_inventory *f, struct np_check *ret,
		  struct np_err *err)
{
	NP_AUTO(np_check_done)
	struct np_check c = { .findings = json_array(), .images = json_array() };
	const struct finding input = { .object = "Input" };

	if (!c.findings || !c.images)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (find_class(c.findings, &plan->classes[i], err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (find_template(c.findings, &plan->templates[i], err) < 0)
			return np_err_ret(err);
	if (find_notes(c.findings, &input, &plan->warnings, err) < 0 ||
	    judge_fleet(&c, plan, f, err) < 0)
		return np_err_ret(err);
	count_errors(&c);
	*ret = c;
	c = (struct np_check){ 0 };
	return 0;
}
