/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

void np_check_report_done(struct np_check_report *r)
{
	check_findings_done(&r->findings);
	free(r->vms);
	for (size_t i = 0; i < r->n_images; i++)
		free(r->images[i].vms);
	free(r->images);
	*r = (struct np_check_report){ 0 };
}

/* A report under construction. */
struct work {
	const struct np_plan *plan;
	const struct np_check_inventory *inv;
	struct check_image_index index;
	size_t *places; /* by the image's place in the inventory: its place in the report and one more */
	struct np_check_report report;
};

static void work_done(struct work *w)
{
	check_image_index_done(&w->index);
	free(w->places);
	np_check_report_done(&w->report);
}

static int work_init(struct work *w, struct np_err *err)
{
	w->places = calloc(w->inv->n_images + 1, sizeof(*w->places));
	w->report.vms = reallocarray(NULL, w->inv->n_vms + 1, sizeof(*w->report.vms));
	if (!w->places || !w->report.vms)
		return np_fail_nomem(err);
	return check_image_index_init(&w->index, w->inv, err);
}

static int list_image(struct np_check_report *r, const struct np_check_image *image,
		      struct np_err *err)
{
	struct np_check_used_image *images = check_room(r->images, r->n_images, sizeof(*images));

	if (!images)
		return np_fail_nomem(err);
	r->images = images;
	images[r->n_images++] = (struct np_check_used_image){ .image = image };
	return 0;
}

/* Lists the image once, with the VMs made from it. */
static int use_image(struct work *w, const struct np_check_image *image,
		     const struct np_check_vm *vm, struct np_err *err)
{
	size_t *place = &w->places[image - w->inv->images];
	struct np_check_used_image *used;
	const struct np_check_vm **vms;

	if (*place == 0) {
		if (list_image(&w->report, image, err) < 0)
			return np_err_ret(err);
		*place = w->report.n_images;
	}
	used = &w->report.images[*place - 1];
	vms = check_room(used->vms, used->n_vms, sizeof(const struct np_check_vm *));
	if (!vms)
		return np_fail_nomem(err);
	used->vms = vms;
	vms[used->n_vms++] = vm;
	return 0;
}

static int judge_vm(struct work *w, const struct np_check_vm *vm, struct np_err *err)
{
	const struct np_plan_class *c = &w->plan->classes[vm->class_index];
	const struct check_vm_class vc = { c, check_needs_efi(w->plan, c), check_is_pending(c) };
	const struct np_check_image *image = check_image_find(&w->index, vm);

	if (image && use_image(w, image, vm, err) < 0)
		return np_err_ret(err);
	return check_vm(vm, &vc, image, &w->report.vms[w->report.n_vms++], &w->report.findings,
			err);
}

static int judge_plan(struct work *w, struct np_err *err)
{
	const struct np_check_finding input = { .object = "Input" };
	struct np_check_findings *findings = &w->report.findings;

	for (size_t i = 0; i < w->plan->n_classes; i++)
		if (check_class(&w->plan->classes[i], findings, err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < w->plan->n_templates; i++)
		if (check_template(&w->plan->templates[i], findings, err) < 0)
			return np_err_ret(err);
	return check_warnings(&w->plan->warnings, &input, findings, err);
}

static int judge_inventory(struct work *w, struct np_err *err)
{
	const struct np_check_findings *unknown = &w->inv->unknown;

	for (size_t i = 0; i < w->inv->copies.n; i++)
		if (check_find(&w->report.findings, &w->inv->copies.items[i], err, "%s",
			       w->inv->copies.items[i].message) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < w->inv->n_vms; i++)
		if (judge_vm(w, &w->inv->vms[i], err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < unknown->n; i++)
		if (check_find(&w->report.findings, &unknown->items[i], err, "%s",
			       unknown->items[i].message) < 0)
			return np_err_ret(err);
	return 0;
}

static size_t count_errors(const struct np_check_findings *findings)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->items[i].kind->severity == NP_SEVERITY_ERROR;
	return n;
}

int np_check_make(const struct np_plan *plan, const struct np_check_inventory *inv,
		  struct np_check_report *ret, struct np_err *err)
{
	NP_AUTO(work_done) struct work w = { .plan = plan, .inv = inv };

	if (work_init(&w, err) < 0 || judge_plan(&w, err) < 0 || judge_inventory(&w, err) < 0)
		return np_err_ret(err);
	w.report.n_errors = count_errors(&w.report.findings);
	*ret = w.report;
	w.report = (struct np_check_report){ 0 };
	return 0;
}
