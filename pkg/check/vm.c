/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/units.h"

/* What VM Operator sets where neither class nor annotation say a size (its source, v1.9 line). */
#define VM_OPERATOR_DEFAULT_GB 512

#define TEXT_MAX 200

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The annotation as VM Operator takes it: its text becomes the size. */
struct annotation {
	const char *text; /* NULL: none */
	bool is_number; /* it can be held against a window; "0" says that nothing is set */
	uint64_t gb;
};

static struct annotation annotation_of(const json_t *machine)
{
	struct annotation a = { .text = text_of(machine, "annotation") };
	struct np_err ignored = NP_ERR_INIT;

	a.is_number = a.text && np_u64_parse(a.text, 0, INT32_MAX, &a.gb, &ignored) == 0;
	return a;
}

static bool has_window(const struct vm_class *mc)
{
	return mc->c->change.has_window && mc->c->change.window_gb > 0;
}

/* Only of a VM with a PCI device does VM Operator set a window at all. */
static bool has_devices(const struct vm_class *mc)
{
	return mc->c->class->devices.n > 0 || mc->c->class->hidden.n > 0;
}

/* What VM Operator sets by itself: the annotation, else its default. */
static uint64_t write_own(const struct annotation *a, char text[static TEXT_MAX], bool *ret_known)
{
	*ret_known = true;
	if (!a->text) {
		snprintf(text, TEXT_MAX, "VM Operator sets %d GB", VM_OPERATOR_DEFAULT_GB);
		return VM_OPERATOR_DEFAULT_GB;
	}
	if (a->is_number && a->gb > 0) {
		snprintf(text, TEXT_MAX, "the annotation's %" PRIu64 " GB", a->gb);
		return a->gb;
	}
	*ret_known = false;
	snprintf(text, TEXT_MAX,
		 a->is_number ? "the annotation's %.40s: VM Operator sets no window"
			      : "the annotation's '%.40s' is not a whole number",
		 a->text);
	return 0;
}

static int set_outcome(json_t *machine, const char *key, const char *key_gb, const char *text,
		       bool known, uint64_t gb)
{
	if (json_object_set_new(machine, key, check_text(text)) < 0)
		return -1;
	return json_object_set_new(machine, key_gb,
				   known ? json_integer((json_int_t)gb) : json_null());
}

/* At creation the class's key stands before what VM Operator would set; at a resize it does not. */
static int set_outcomes(json_t *machine, const struct vm_class *mc, struct np_err *err)
{
	struct annotation a = annotation_of(machine);
	char own[TEXT_MAX], whole[TEXT_MAX + 32];
	bool known = false;
	uint64_t gb = write_own(&a, own, &known);

	if (!has_devices(mc)) {
		known = false;
		snprintf(own, sizeof(own), "the window stays");
	}
	if (set_outcome(machine, "onResize", "onResizeGB", own, known, gb) < 0)
		return np_fail_nomem(err);
	if (has_window(mc)) {
		known = true;
		gb = mc->c->change.window_gb;
		snprintf(whole, sizeof(whole), "the class's window%s: %" PRIu64 " GB",
			 mc->is_pending ? ", once the class is up to date" : "", gb);
	} else {
		snprintf(whole, sizeof(whole), "the class sets no window: %s", own);
	}
	return set_outcome(machine, "onRecreate", "onRecreateGB", whole, known, gb) < 0
		       ? np_fail_nomem(err)
		       : 0;
}

enum moment { MOMENT_BEFORE, MOMENT_AFTER, MOMENT_UNKNOWN };

/*
 * When the VM was made. nodeprep's own entry tells the latest moment of its change; of a class that
 * it never changed, whoever wrote the spec last. Within one second nothing is told.
 */
static enum moment moment_of(const json_t *machine, const struct vm_class *mc,
			     const char **ret_change)
{
	const struct np_vmclass *c = mc->c->class;
	const char *created = text_of(machine, "created");
	bool is_ours = np_vmclass_is_changed(c);
	int order;

	*ret_change = is_ours ? np_vmclass_changed_at(c) : np_vmclass_written_at(c);
	/* The class was right for a while: what is made in that time has what it needs. */
	if (mc->is_pending && is_ours && created && *ret_change)
		return strcmp(created, *ret_change) < 0 ? MOMENT_BEFORE : MOMENT_UNKNOWN;
	if (mc->is_pending)
		return MOMENT_BEFORE;
	if (!created || !*ret_change)
		return MOMENT_UNKNOWN;
	order = strcmp(created, *ret_change);
	if (order > 0)
		return MOMENT_AFTER;
	return order < 0 && is_ours ? MOMENT_BEFORE : MOMENT_UNKNOWN;
}

static struct finding about(const json_t *machine, enum finding_id id)
{
	return (struct finding){ .kind = check_finding_kind(id),
				 .object = "VirtualMachine",
				 .ns = text_of(machine, "namespace"),
				 .name = text_of(machine, "name") };
}

/* The VM's own status tells its window: no time need be compared. */
static int find_window(const json_t *machine, const struct vm_class *mc, json_t *findings,
		       struct np_err *err)
{
	struct finding f = about(machine, FINDING_VM_WINDOW);
	json_int_t gb = json_integer_value(json_object_get(machine, "windowGB"));

	if (!has_window(mc) || gb >= (json_int_t)mc->c->change.window_gb)
		return 0;
	return check_find(findings, &f, err,
			  "its window is %" JSON_INTEGER_FORMAT " GB, but class '%s' sets %" PRIu64
			  " GB",
			  gb, mc->c->name, mc->c->change.window_gb);
}

static int find_moment(json_t *machine, const struct vm_class *mc, json_t *findings,
		       struct np_err *err)
{
	const char *created = text_of(machine, "created"), *change = NULL;
	enum moment moment = moment_of(machine, mc, &change);
	struct finding before = about(machine, FINDING_VM_BEFORE_CHANGE);
	struct finding unknown = about(machine, FINDING_VM_UNKNOWN);
	json_t *value =
		moment == MOMENT_UNKNOWN ? json_null() : json_boolean(moment == MOMENT_BEFORE);

	if (json_object_set_new(machine, "madeBeforeChange", value) < 0)
		return np_fail_nomem(err);
	if (json_is_integer(json_object_get(machine, "windowGB")) && has_window(mc))
		return find_window(machine, mc, findings, err);
	if (mc->is_pending && moment == MOMENT_BEFORE)
		return check_find(findings, &before, err,
				  "class '%s' is outdated, so this VM lacks what the pools need",
				  mc->c->name);
	if (moment == MOMENT_BEFORE)
		return check_find(
			findings, &before, err,
			"created at %s, before class '%s' was changed (%s): it has the class's "
			"earlier settings",
			created, mc->c->name, change);
	if (moment == MOMENT_UNKNOWN)
		return check_find(findings, &unknown, err,
				  "unknown whether it was created before class '%s' was changed",
				  mc->c->name);
	return 0;
}

/* What differs from the class's window waits for the next resize. */
static int find_annotation(const json_t *machine, const struct vm_class *mc, json_t *findings,
			   struct np_err *err)
{
	struct annotation a = annotation_of(machine);
	struct finding f = about(machine, FINDING_VM_ANNOTATION);

	if (!a.text || !has_window(mc) || !has_devices(mc) ||
	    (a.is_number && (a.gb == 0 || a.gb == mc->c->change.window_gb)))
		return 0;
	return check_find(findings, &f, err,
			  "annotation %s is '%.40s', but the class's window is %" PRIu64
			  " GB: a resize of the VM sets the annotation's value",
			  NP_MMIO_ANNOTATION, a.text, mc->c->change.window_gb);
}

static bool is_bios(const char *firmware)
{
	return firmware && strcasecmp(firmware, "bios") == 0;
}

/* VM Operator takes the VM's own firmware first, then the image's, then the class's. */
static int find_firmware(const json_t *machine, const struct vm_class *mc, const json_t *image,
			 json_t *findings, struct np_err *err)
{
	struct finding own = about(machine, FINDING_VM_BIOS);
	struct finding other = about(machine, FINDING_IMAGE_BIOS);
	struct finding unknown = about(machine, FINDING_IMAGE_UNKNOWN);
	const char *firmware = text_of(machine, "firmware"), *name = text_of(machine, "image");

	if (!mc->needs_efi)
		return 0;
	if (is_bios(firmware))
		return check_find(
			findings, &own, err,
			"spec.bootOptions.firmware is 'bios', which takes precedence over class "
			"and image and maps no BAR over 256 MB");
	if (firmware || !name)
		return 0;
	if (!image)
		return check_find(findings, &unknown, err,
				  "image '%s' was not found, so its firmware is unknown", name);
	if (!is_bios(text_of(image, "firmware")))
		return 0;
	return check_find(
		findings, &other, err,
		"%s '%s' has BIOS firmware, which takes precedence over the class's EFI and "
		"maps no BAR over 256 MB",
		text_of(image, "kind"), text_of(image, "name"));
}

int check_vm(json_t *machine, const struct vm_class *mc, const json_t *image, json_t *findings,
	     struct np_err *err)
{
	if (set_outcomes(machine, mc, err) < 0)
		return np_err_ret(err);
	/* Its node is about to go: nothing is to be done about it. */
	if (json_is_true(json_object_get(machine, "deleting")))
		return json_object_set_new(machine, "madeBeforeChange", json_null()) < 0
			       ? np_fail_nomem(err)
			       : 0;
	if (find_moment(machine, mc, findings, err) < 0 ||
	    find_annotation(machine, mc, findings, err) < 0)
		return np_err_ret(err);
	return find_firmware(machine, mc, image, findings, err);
}
