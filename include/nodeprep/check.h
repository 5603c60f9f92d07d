/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CHECK_H
#define NODEPREP_CHECK_H

/*
 * check - finds what nodes lack: in classes and templates, in the VMs made from the classes, in the VMs' images.
 *
 * Inventory  VirtualMachine and image objects, each read once into a struct that holds only what is judged.
 *            They come from the API (lists in the pools' namespaces) or from the input of an offline run.
 *            A list that the API forbids or does not serve becomes a finding of severity "unknown".
 * Severity   "error": a node lacks now what it needs, or no node can be created. "warning": a node has it,
 *            but a resize or a new VM would not. "unknown": could not be judged.
 * Judgement  pure. A VM gets its class's settings when it is created, so its creationTimestamp is compared
 *            with the time of nodeprep's entry in the class's managedFields, the latest moment at which the
 *            class may have changed. Within the same second the order is unknown. A window in the VM's own
 *            status.extraConfig takes precedence over times.
 * Units      *_gb is whole GB (2^30 bytes). Times are RFC 3339 in UTC with whole seconds.
 * Bounds     100,000 VMs and as many images. Objects are hostile: a member of another type is absent, a text
 *            over NP_CHECK_TEXT_MAX bytes is cut and ends in "...".
 * Order      findings: classes, templates, input, VMs, then what could not be listed; each in the order of the
 *            plan or of the inventory. Images in the order of their first VM.
 * Ownership  an inventory owns its VMs and images and borrows from the plan. A report borrows from both, so
 *            the plan and the inventory must outlive it. Input and client are borrowed for the call.
 * Errors     NP_E_NOMEM; NP_E_REFUSED: more objects than the bound. np_check_inventory_fetch() also has
 *            those of kube.h but 403 and 404.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/kube.h"
#include "nodeprep/map.h"
#include "nodeprep/plan.h"
#include "nodeprep/render.h"
#include "nodeprep/warnings.h"

#define NP_MMIO_ANNOTATION "vmoperator.vmware.com/pci-passthru-64bit-mmio-size"

#define NP_CHECK_TEXT_MAX 1024

/* What a VirtualMachine says about itself. NULL: absent. */
struct np_check_vm {
	char *ns;
	char *name;
	char *class_name;
	size_t class_index; /* of the class in the plan */
	char *created; /* NULL: absent, or not a time as API servers write it */
	bool is_deleting;
	char *annotation; /* text of NP_MMIO_ANNOTATION */
	char *firmware; /* its own: takes precedence over the image's and the class's */
	char *image_kind; /* NULL: either kind */
	char *image; /* name of the object, or its display name */
	bool has_window; /* its status tells the window that it has */
	uint64_t window_gb;
};

/* What an image says about itself. NULL: absent. */
struct np_check_image {
	const char *kind; /* a constant */
	char *ns; /* NULL: cluster-scoped */
	char *name;
	char *display_name;
	char *firmware;
};

/* One thing that is wrong, or could not be judged. NULL: does not apply. */
struct np_check_finding {
	const struct np_message_kind *kind; /* code, severity and remedy */
	const char *object; /* kind of the object, a constant */
	const char *ns, *name; /* borrowed */
	const char *path; /* JSON pointer of the field, borrowed */
	const json_t *from, *to; /* values of the field, borrowed */
	bool has_writer;
	struct np_last_writer writer; /* who changed the field; texts are borrowed */
	char *message; /* UTF-8 */
};

struct np_check_findings {
	size_t n;
	struct np_check_finding *items;
};

struct np_check_member;

/* Texts in the order in which they were added, each once. Private to check. */
struct np_check_set {
	struct np_map map;
	size_t n;
	struct np_check_member **members;
};

struct np_check_inventory {
	struct np_check_set wanted; /* "namespace\nclass": whose VMs are kept */
	struct np_check_set namespaces; /* of those */
	struct np_check_set image_namespaces; /* where images are listed */
	struct np_check_set seen; /* objects that were added: lists may have an object twice */
	size_t n_vms;
	struct np_check_vm *vms;
	size_t n_images;
	struct np_check_image *images;
	struct np_check_findings copies; /* about the Supervisor's copies of vCenter's classes */
	struct np_check_findings unknown; /* what could not be listed */
};

/* Prepares an inventory for the classes whose VMs matter; also on failure np_check_inventory_done() is due. */
int np_check_inventory_init(struct np_check_inventory *inv, const struct np_plan *plan,
			    struct np_err *err);
void np_check_inventory_done(struct np_check_inventory *inv);

/* Adds a VM of a wanted class, or an image; ignores any other object. */
int np_check_inventory_add(struct np_check_inventory *inv, const json_t *object,
			   const char *default_namespace, struct np_err *err);

/* Lists the VMs, and the images that they are made from where firmware matters. */
int np_check_inventory_fetch(struct np_kube *k, const struct np_plan *plan,
			     struct np_check_inventory *inv, struct np_err *err);

/*
 * Compares vCenter's classes, which the plan has, with the VirtualMachineClasses in the namespaces of their pools, and
 * adds what differs.
 */
int np_check_copies(struct np_kube *k, const struct np_plan *plan, struct np_check_inventory *inv,
		    struct np_err *err);

/* Adds those of the input. */
int np_check_inventory_read(const struct np_input *in, struct np_check_inventory *inv,
			    struct np_err *err);

#define NP_CHECK_WINDOW_TEXT_MAX 240

/* The window that VM Operator will set. */
struct np_check_window {
	bool is_known;
	uint64_t gb;
	char text[NP_CHECK_WINDOW_TEXT_MAX]; /* how it comes about */
};

enum np_check_moment { NP_CHECK_MOMENT_UNKNOWN, NP_CHECK_MOMENT_BEFORE, NP_CHECK_MOMENT_AFTER };

/* A VM with its judgement. */
struct np_check_judged_vm {
	const struct np_check_vm *vm;
	struct np_check_window on_resize, on_recreate;
	enum np_check_moment created; /* before or after its class was changed */
};

/* An image with the VMs made from it. */
struct np_check_used_image {
	const struct np_check_image *image;
	size_t n_vms;
	const struct np_check_vm **vms;
};

struct np_check_report {
	struct np_check_findings findings;
	size_t n_errors; /* findings of severity "error" */
	size_t n_vms;
	struct np_check_judged_vm *vms; /* all of the inventory's, in its order */
	size_t n_images;
	struct np_check_used_image *images; /* only those that a VM is made from */
};

/* Judges the plan's classes and templates and the inventory. */
int np_check_make(const struct np_plan *plan, const struct np_check_inventory *inv,
		  struct np_check_report *ret, struct np_err *err);
void np_check_report_done(struct np_check_report *r);

/* Writes plan and report as one. */
int np_check_render(const struct np_plan *plan, const struct np_check_report *r,
		    enum np_format format, char **ret, struct np_err *err);

/*
 * Warns for each class of a cluster-scoped API which namespaces of its pools may not use it
 * ("class-not-bound"), or that this is unknown ("bindings-unknown"). Requests nothing for a namespaced one.
 */
int np_check_bindings(struct np_kube *k, const struct np_kube_resource *classes,
		      struct np_plan *plan, struct np_err *err);

/*
 * Sets *ret to what `nodeprep status` tells of a class as an API server returns it: registrations, window, fields that
 * others overwrote, the last writer (several managers, if the last second saw several), and what is wrong with the
 * record. NULL: the class has no record.
 */
int np_check_status(const json_t *object, const struct np_catalogue *cat, json_t **ret,
		    struct np_err *err);

/* Writes a list of these as a table: a row a class, or with `is_wide` a row a registration. */
int np_check_status_text(const json_t *items, bool is_wide, char **ret, struct np_err *err);

#endif
