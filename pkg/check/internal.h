/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_CHECK_INTERNAL_H
#define NODEPREP_PKG_CHECK_INTERNAL_H

/*
 * internal - what the files of check share: inventory.c reads VMs and images, vm.c judges one VM, check.c
 * judges classes and puts it together, finding.c makes findings, bindings.c asks who may use a class,
 * text.c draws tables.
 */

#include "nodeprep/check.h"
#include "nodeprep/err.h"

/* Findings that are no warnings; those of np_warning_kind() join them. */
enum finding_id {
	FINDING_CLASS_DRIFT,
	FINDING_IMAGE_BIOS,
	FINDING_IMAGE_UNKNOWN,
	FINDING_IMAGES_UNKNOWN,
	FINDING_OVERWRITTEN,
	FINDING_TEMPLATE_DRIFT,
	FINDING_VM_ANNOTATION,
	FINDING_VM_BEFORE_CHANGE,
	FINDING_VM_BIOS,
	FINDING_VM_UNKNOWN,
	FINDING_VM_WINDOW,
	FINDING_VMS_UNKNOWN,
	FINDING_MAX
};

const struct np_message_kind *check_finding_kind(enum finding_id id);

/* A finding and the object that it is about; NULL for what does not apply. Texts are borrowed. */
struct finding {
	const struct np_message_kind *kind;
	const char *object, *ns, *name;
	const char *path;
	json_t *from, *to; /* borrowed */
	const struct np_last_writer *writer;
};

/* Appends a finding with the formatted message. */
int check_find(json_t *findings, const struct finding *f, struct np_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The text, with bytes beyond ASCII replaced where it is no UTF-8; null for NULL. */
json_t *check_text(const char *text);

/* Tells whether a pool of the class has a card whose BARs only EFI maps. */
bool check_needs_efi(const struct np_plan *plan, const struct np_plan_class *c);

/* What a VM is held against. */
struct vm_class {
	const struct np_plan_class *c;
	bool needs_efi;
	bool is_pending; /* the class is still to change, in more than its annotation */
};

/* Completes the VM's tree with its judgement, and tells what is found. `image` NULL: none is known. */
int check_vm(json_t *machine, const struct vm_class *mc, const json_t *image, json_t *findings,
	     struct np_err *err);

#endif
