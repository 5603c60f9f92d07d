/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>

#include "nodeprep/doc.h"

static json_t *writer_tree(const struct np_last_writer *w)
{
	return json_pack("{s:s, s:s?, s:s?}", "manager", w->manager, "operation",
			 w->operation[0] != '\0' ? w->operation : NULL, "time",
			 w->time[0] != '\0' ? w->time : NULL);
}

static json_t *value_tree(const json_t *value)
{
	return value ? np_json_ref(value) : json_null();
}

static json_t *finding_tree(const struct np_check_finding *f)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:o, s:o, s:s, s:s, s:o}", "code",
			 f->kind->code, "severity", np_severity_name(f->kind->severity), "object",
			 f->object, "namespace", f->ns, "name", f->name, "path", f->path, "from",
			 value_tree(f->from), "to", value_tree(f->to), "message", f->message,
			 "action", f->kind->remedy, "writer",
			 f->has_writer ? writer_tree(&f->writer) : json_null());
}

static json_t *gb_tree(bool is_known, uint64_t gb)
{
	return is_known ? json_integer((json_int_t)gb) : json_null();
}

static json_t *moment_tree(enum np_check_moment moment)
{
	return moment == NP_CHECK_MOMENT_UNKNOWN ? json_null()
						 : json_boolean(moment == NP_CHECK_MOMENT_BEFORE);
}

static json_t *vm_tree(const struct np_check_judged_vm *j)
{
	const struct np_check_vm *vm = j->vm;

	return json_pack(
		"{s:s, s:s, s:s?, s:s?, s:b, s:s?, s:s?, s:s?, s:s?, s:o, s:s, s:o, s:s, s:o, s:o}",
		"namespace", vm->ns, "name", vm->name, "className", vm->class_name, "created",
		vm->created, "deleting", vm->is_deleting, "annotation", vm->annotation, "firmware",
		vm->firmware, "imageKind", vm->image_kind, "image", vm->image, "windowGB",
		gb_tree(vm->has_window, vm->window_gb), "onResize", j->on_resize.text, "onResizeGB",
		gb_tree(j->on_resize.is_known, j->on_resize.gb), "onRecreate", j->on_recreate.text,
		"onRecreateGB", gb_tree(j->on_recreate.is_known, j->on_recreate.gb),
		"madeBeforeChange", moment_tree(j->created));
}

static json_t *names_tree(const struct np_check_used_image *used)
{
	json_auto_t *names = json_array();

	for (size_t i = 0; i < used->n_vms; i++)
		if (json_array_append_new(
			    names, json_pack("s++", used->vms[i]->ns, "/", used->vms[i]->name)) < 0)
			return NULL;
	return json_incref(names);
}

static json_t *image_tree(const struct np_check_used_image *used)
{
	const struct np_check_image *image = used->image;

	return json_pack("{s:s, s:s?, s:s, s:s?, s:s?, s:o}", "kind", image->kind, "namespace",
			 image->ns, "name", image->name, "displayName", image->display_name,
			 "firmware", image->firmware, "virtualMachines", names_tree(used));
}

static json_t *findings_tree(const struct np_check_findings *findings)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < findings->n; i++)
		if (json_array_append_new(list, finding_tree(&findings->items[i])) < 0)
			return NULL;
	return json_incref(list);
}

static json_t *vms_tree(const struct np_check_report *r)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < r->n_vms; i++)
		if (json_array_append_new(list, vm_tree(&r->vms[i])) < 0)
			return NULL;
	return json_incref(list);
}

static json_t *images_tree(const struct np_check_report *r)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < r->n_images; i++)
		if (json_array_append_new(list, image_tree(&r->images[i])) < 0)
			return NULL;
	return json_incref(list);
}

/* Returns the plan's tree with the findings behind it; NULL where memory runs out. */
static json_t *report_tree(const struct np_plan *plan, const struct np_check_report *r)
{
	json_auto_t *tree = np_render_plan_tree(plan);

	if (!tree || json_object_set_new(tree, "kind", json_string("Check")) < 0 ||
	    json_object_set_new(tree, "findings", findings_tree(&r->findings)) < 0 ||
	    json_object_set_new(tree, "virtualMachines", vms_tree(r)) < 0 ||
	    json_object_set_new(tree, "images", images_tree(r)) < 0)
		return NULL;
	return json_incref(tree);
}

int np_check_render(const struct np_plan *plan, const struct np_check_report *r,
		    enum np_format format, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;
	size_t size = 0;
	FILE *out;
	int rc;

	if (format == NP_FORMAT_JSON || format == NP_FORMAT_YAML) {
		tree = report_tree(plan, r);
		return tree ? np_render_tree(tree, format, ret, err) : np_fail_nomem(err);
	}
	out = open_memstream(&text, &size);
	if (!out)
		return np_fail_nomem(err);
	rc = check_write_text(out, plan, r, format == NP_FORMAT_WIDE, err);
	if (fclose(out) != 0 && rc == 0)
		rc = np_fail_nomem(err);
	if (rc == 0)
		*ret = np_take(text);
	return rc;
}
