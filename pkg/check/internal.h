/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_CHECK_INTERNAL_H
#define NODEPREP_PKG_CHECK_INTERNAL_H

/*
 * internal - what the files of check share. object.c reads VMs and images into structs, inventory.c and
 * fetch.c collect them, class.c judges classes and templates, vm.c judges one VM, image.c finds a VM's image,
 * check.c makes the report, render.c and text.c write it, finding.c makes findings, set.c keeps texts,
 * bindings.c asks which namespaces may use a class, copies.c compares vCenter's classes with the Supervisor's.
 */

#include <stdio.h>

#include "nodeprep/check.h"
#include "nodeprep/err.h"

#define CHECK_CLASS_KIND "VirtualMachineClass"
#define CHECK_VM_KIND "VirtualMachine"
#define CHECK_IMAGE_KIND "VirtualMachineImage"
#define CHECK_CLUSTER_IMAGE_KIND "ClusterVirtualMachineImage"

/* --- set.c ----------------------------------------------------------------------------------------- */

struct np_check_member {
	struct np_map_entry entry; /* its key is owned */
	size_t value;
};

/* Adds the formatted text with a value. Returns 1 for a new text; 0 where it is there, which gets the value. */
int check_set_add(struct np_check_set *s, size_t value, struct np_err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Sets *ret to the member "head\ntail", or to NULL. */
int check_set_find(const struct np_check_set *s, const char *head, const char *tail,
		   const struct np_check_member **ret, struct np_err *err);
void check_set_done(struct np_check_set *s);

/* Returns `items` with room for one more behind the `n` that are there; NULL where memory runs out. */
void *check_room(void *items, size_t n, size_t size);

/* --- finding.c ------------------------------------------------------------------------------------- */

/* Findings that are no warnings; those of np_warning_kind() join them. */
enum finding_id {
	FINDING_CLASS_COPY_UNKNOWN,
	FINDING_CLASS_DIFFERS,
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

/* Appends a copy of the finding with the formatted message. */
int check_find(struct np_check_findings *findings, const struct np_check_finding *f,
	       struct np_err *err, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

void check_findings_done(struct np_check_findings *findings);

/* Returns how many bytes of the UTF-8 text fit into `max` without cutting a character. */
size_t check_cut(const char *text, size_t max);

/* --- object.c -------------------------------------------------------------------------------------- */

/* Returns the name of the class that the VirtualMachine is made from; NULL where it has none. */
const char *check_vm_class_name(const json_t *object);

/* Reads a VirtualMachine or an image object; also on failure the done function is due. */
int check_vm_read(const json_t *object, const char *ns, struct np_check_vm *ret,
		  struct np_err *err);
void check_vm_done(struct np_check_vm *vm);
int check_image_read(const json_t *object, const char *kind, const char *ns,
		     struct np_check_image *ret, struct np_err *err);
void check_image_done(struct np_check_image *image);

/* --- class.c --------------------------------------------------------------------------------------- */

/* Tells whether a pool of the class has a card whose BARs only EFI maps. */
bool check_needs_efi(const struct np_plan *plan, const struct np_plan_class *c);

/* Tells whether the class is to change in more than its annotation. */
bool check_is_pending(const struct np_plan_class *c);

int check_class(const struct np_plan_class *c, struct np_check_findings *findings,
		struct np_err *err);
int check_template(const struct np_plan_template *t, struct np_check_findings *findings,
		   struct np_err *err);

/* Appends the warnings whose severity makes them findings, about the object that `where` names. */
int check_warnings(const struct np_warnings *warnings, const struct np_check_finding *where,
		   struct np_check_findings *findings, struct np_err *err);

/* --- image.c --------------------------------------------------------------------------------------- */

/* A name or a display name of an image. */
struct check_image_name {
	const char *text; /* borrowed */
	const struct np_check_image *image;
};

struct check_image_index {
	size_t n;
	struct check_image_name *names; /* sorted by text, then by the image's place */
};

int check_image_index_init(struct check_image_index *index, const struct np_check_inventory *inv,
			   struct np_err *err);
void check_image_index_done(struct check_image_index *index);

/* Returns the VM's image; NULL where it has none, none is found or several have its display name. */
const struct np_check_image *check_image_find(const struct check_image_index *index,
					      const struct np_check_vm *vm);

/* --- vm.c ------------------------------------------------------------------------------------------ */

/* What a VM is judged by. */
struct check_vm_class {
	const struct np_plan_class *c;
	bool needs_efi;
	bool is_pending; /* check_is_pending() */
};

/* Judges the VM and appends findings; `image` NULL: unknown. */
int check_vm(const struct np_check_vm *vm, const struct check_vm_class *vc,
	     const struct np_check_image *image, struct np_check_judged_vm *ret,
	     struct np_check_findings *findings, struct np_err *err);

/* --- text.c ---------------------------------------------------------------------------------------- */

/* Writes the tables of the report; in wide format behind those of the plan. */
int check_write_text(FILE *out, const struct np_plan *plan, const struct np_check_report *r,
		     bool is_wide, struct np_err *err);

#endif
