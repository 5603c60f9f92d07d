/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/units.h"

/* What VM Operator sets where neither class nor annotation have a size (its source, v1.9 line). */
#define VM_OPERATOR_DEFAULT_GB 512

#define QUOTE_MAX 40

/* The annotation as VM Operator takes it: its text becomes the size. */
struct annotation {
	const char *text; /* NULL: none */
	int quoted; /* how many bytes of it messages have */
	bool is_number; /* it compares with a window; "0" sets nothing */
	uint64_t gb;
};

static struct annotation annotation_of(const struct np_check_vm *vm)
{
	struct annotation a = { .text = vm->annotation };
	struct np_err ignored = NP_ERR_INIT;

	if (!a.text)
		return a;
	a.quoted = (int)check_cut(a.text, QUOTE_MAX);
	a.is_number = np_u64_parse(a.text, 0, INT32_MAX, &a.gb, &ignored) == 0;
	return a;
}

static bool has_window(const struct check_vm_class *vc)
{
	return vc->c->change.has_window && vc->c->change.window_gb > 0;
}

/* VM Operator sets a window only for a VM with a PCI device. */
static bool has_devices(const struct check_vm_class *vc)
{
	return vc->c->class->devices.n > 0 || vc->c->class->hidden.n > 0;
}

/* Decides what VM Operator sets by itself: the annotation, else its default. */
static void decide_own(const struct annotation *a, struct np_check_window *ret)
{
	ret->is_known = !a->text || (a->is_number && a->gb > 0);
	if (!a->text) {
		ret->gb = VM_OPERATOR_DEFAULT_GB;
		snprintf(ret->text, sizeof(ret->text), "VM Operator sets %d GB",
			 VM_OPERATOR_DEFAULT_GB);
	} else if (ret->is_known) {
		ret->gb = a->gb;
		snprintf(ret->text, sizeof(ret->text), "the annotation's %" PRIu64 " GB", a->gb);
	} else {
		snprintf(ret->text, sizeof(ret->text),
			 a->is_number ? "the annotation's %.*s: VM Operator sets no window"
				      : "the annotation's '%.*s' is not a whole number",
			 a->quoted, a->text);
	}
}

/* At creation the class's key takes precedence over what VM Operator would set; at a resize it does not. */
static void decide_windows(const struct check_vm_class *vc, struct np_check_judged_vm *j)
{
	const struct annotation a = annotation_of(j->vm);
	const struct np_check_window stays = { .text = "the window stays" };

	decide_own(&a, &j->on_resize);
	if (!has_devices(vc))
		j->on_resize = stays;
	j->on_recreate = j->on_resize;
	if (has_window(vc)) {
		j->on_recreate.is_known = true;
		j->on_recreate.gb = vc->c->change.window_gb;
		snprintf(j->on_recreate.text, sizeof(j->on_recreate.text),
			 "the class's window%s: %" PRIu64 " GB",
			 vc->is_pending ? ", once the class is up to date" : "",
			 vc->c->change.window_gb);
	} else {
		snprintf(j->on_recreate.text, sizeof(j->on_recreate.text),
			 "the class sets no window: %.200s", j->on_resize.text);
	}
}

/*
 * Decides when the VM was created. nodeprep's own entry has the latest moment of its change; of a class that
 * it never changed, the last entry of the spec. Within one second the order is unknown.
 */
static enum np_check_moment moment_of(const struct np_check_vm *vm, const struct check_vm_class *vc,
				      const char **ret_change)
{
	const struct np_vmclass *c = vc->c->class;
	bool is_ours = np_vmclass_is_changed(c);
	int order;

	*ret_change = is_ours ? np_vmclass_changed_at(c) : np_vmclass_written_at(c);
	/* The class was up to date for a while: a VM created in that time has what it needs. */
	if (vc->is_pending && is_ours && vm->created && *ret_change)
		return strcmp(vm->created, *ret_change) < 0 ? NP_CHECK_MOMENT_BEFORE
							    : NP_CHECK_MOMENT_UNKNOWN;
	if (vc->is_pending)
		return NP_CHECK_MOMENT_BEFORE;
	if (!vm->created || !*ret_change)
		return NP_CHECK_MOMENT_UNKNOWN;
	order = strcmp(vm->created, *ret_change);
	if (order > 0)
		return NP_CHECK_MOMENT_AFTER;
	return order < 0 && is_ours ? NP_CHECK_MOMENT_BEFORE : NP_CHECK_MOMENT_UNKNOWN;
}

static struct np_check_finding about(const struct np_check_vm *vm, enum finding_id id)
{
	return (struct np_check_finding){ .kind = check_finding_kind(id),
					  .object = CHECK_VM_KIND,
					  .ns = vm->ns,
					  .name = vm->name };
}

/* The VM's own status has its window: no times are compared. */
static int find_window(const struct np_check_vm *vm, const struct check_vm_class *vc,
		       struct np_check_findings *findings, struct np_err *err)
{
	const struct np_check_finding f = about(vm, FINDING_VM_WINDOW);

	if (vm->window_gb >= vc->c->change.window_gb)
		return 0;
	return check_find(findings, &f, err,
			  "its window is %" PRIu64 " GB, but class '%s' sets %" PRIu64 " GB",
			  vm->window_gb, vc->c->name, vc->c->change.window_gb);
}

static int find_moment(const struct check_vm_class *vc, struct np_check_judged_vm *j,
		       struct np_check_findings *findings, struct np_err *err)
{
	const struct np_check_finding before = about(j->vm, FINDING_VM_BEFORE_CHANGE);
	const struct np_check_finding unknown = about(j->vm, FINDING_VM_UNKNOWN);
	const char *change = NULL;

	j->created = moment_of(j->vm, vc, &change);
	if (j->vm->has_window && has_window(vc))
		return find_window(j->vm, vc, findings, err);
	if (j->created == NP_CHECK_MOMENT_AFTER)
		return 0;
	if (j->created == NP_CHECK_MOMENT_UNKNOWN)
		return check_find(findings, &unknown, err,
				  "unknown whether it was created before class '%s' was changed",
				  vc->c->name);
	if (vc->is_pending)
		return check_find(findings, &before, err,
				  "class '%s' is outdated, so this VM lacks what the pools need",
				  vc->c->name);
	return check_find(findings, &before, err,
			  "created at %s, before class '%s' was changed (%s): it has the class's "
			  "earlier settings",
			  j->vm->created, vc->c->name, change);
}

/* An annotation that differs from the class's window takes effect at the next resize. */
static int find_annotation(const struct np_check_vm *vm, const struct check_vm_class *vc,
			   struct np_check_findings *findings, struct np_err *err)
{
	const struct annotation a = annotation_of(vm);
	const struct np_check_finding f = about(vm, FINDING_VM_ANNOTATION);

	if (!a.text || !has_window(vc) || !has_devices(vc) ||
	    (a.is_number && (a.gb == 0 || a.gb == vc->c->change.window_gb)))
		return 0;
	return check_find(findings, &f, err,
			  "annotation %s is '%.*s', but the class's window is %" PRIu64
			  " GB: a resize of the VM sets the annotation's value",
			  NP_MMIO_ANNOTATION, a.quoted, a.text, vc->c->change.window_gb);
}

static bool is_bios(const char *firmware)
{
	return firmware && strcasecmp(firmware, "bios") == 0;
}

static int find_image(const struct np_check_vm *vm, const struct np_check_image *image,
		      struct np_check_findings *findings, struct np_err *err)
{
	const struct np_check_finding unknown = about(vm, FINDING_IMAGE_UNKNOWN);
	const struct np_check_finding bios = about(vm, FINDING_IMAGE_BIOS);

	if (!image)
		return check_find(findings, &unknown, err,
				  "image '%s' was not found, so its firmware is unknown",
				  vm->image);
	if (!is_bios(image->firmware))
		return 0;
	return check_find(
		findings, &bios, err,
		"%s '%s' has BIOS firmware, which takes precedence over the class's EFI and "
		"maps no BAR over 256 MB",
		image->kind, image->name);
}

/* VM Operator takes the VM's own firmware first, then the image's, then the class's. */
static int find_firmware(const struct np_check_vm *vm, const struct check_vm_class *vc,
			 const struct np_check_image *image, struct np_check_findings *findings,
			 struct np_err *err)
{
	const struct np_check_finding own = about(vm, FINDING_VM_BIOS);

	if (!vc->needs_efi)
		return 0;
	if (is_bios(vm->firmware))
		return check_find(
			findings, &own, err,
			"spec.bootOptions.firmware is 'bios', which takes precedence over class "
			"and image and maps no BAR over 256 MB");
	return vm->firmware || !vm->image ? 0 : find_image(vm, image, findings, err);
}

int check_vm(const struct np_check_vm *vm, const struct check_vm_class *vc,
	     const struct np_check_image *image, struct np_check_judged_vm *ret,
	     struct np_check_findings *findings, struct np_err *err)
{
	*ret = (struct np_check_judged_vm){ .vm = vm };
	decide_windows(vc, ret);
	/* Its node is about to go: nothing is to be done about it. */
	if (vm->is_deleting)
		return 0;
	if (find_moment(vc, ret, findings, err) < 0 || find_annotation(vm, vc, findings, err) < 0)
		return np_err_ret(err);
	return find_firmware(vm, vc, image, findings, err);
}
