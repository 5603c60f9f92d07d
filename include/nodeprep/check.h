/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CHECK_H
#define NODEPREP_CHECK_H

/*
 * check - what is not as the pools need it: classes, the VMs made from them, the VMs' images.
 *
 * Fleet      VirtualMachine and image objects, each reduced to what is judged. They come from the API
 *            (list, in the pools' namespaces alone) or from the input of an offline run. What may not be
 *            listed, or is not served, is told as a finding of severity "unknown", never passed over.
 * Severity   "error": a node lacks now what it needs, or no node can be made. "warning": a node has it,
 *            but a resize or a new VM would not. "unknown": could not be judged.
 * Judgement  pure. A VM gets its class's settings when it is made. So its creationTimestamp is held
 *            against the time of nodeprep's entry in the class's managedFields: the latest moment at which
 *            the class may have changed. Times are whole seconds; the same second tells nothing. Where the VM's
 *            own status.extraConfig tells its window, that counts instead.
 * Trees      findings, VMs and images are JSON arrays in the form that `check -o json` prints.
 * Ownership  results own their trees; plan, input and client are borrowed.
 * Errors     NP_E_NOMEM; np_check_inventory_fetch() as kube.h has them, but for 403 and 404; NP_E_REFUSED:
 *            over 100,000 VMs or images.
 */

#include <jansson.h>
#include <stddef.h>

#include "nodeprep/kube.h"
#include "nodeprep/plan.h"
#include "nodeprep/render.h"

#define NP_MMIO_ANNOTATION "vmoperator.vmware.com/pci-passthru-64bit-mmio-size"

struct np_inventory {
	json_t *wanted; /* {"namespace\nclass": place in the plan}: whose VMs are kept */
	json_t *seen; /* set of what was added, for a list may hand out an object twice */
	json_t *vms;
	json_t *images;
	json_t *unknown; /* findings: what could not be listed */
};

/* Prepares a fleet for the classes whose VMs matter. */
int np_check_inventory_init(struct np_inventory *f, const struct np_plan *plan, struct np_err *err);
void np_check_inventory_done(struct np_inventory *f);

/* Lists the VMs, and the images that they are made from where firmware matters. */
int np_check_inventory_fetch(struct np_kube *k, const struct np_plan *plan, struct np_inventory *f,
			     struct np_err *err);

/* Adds those of the input. */
int np_check_inventory_read(const struct np_input *in, struct np_inventory *f, struct np_err *err);

struct np_check {
	json_t *findings; /* of {code, severity, object, namespace, name, path, ...} */
	json_t *vms; /* the fleet's, each with its judgement */
	json_t *images; /* those that a VM of these is made from */
	size_t n_errors; /* findings of severity "error" */
};

/* Judges the plan's classes and the fleet. */
int np_check_make(const struct np_plan *plan, const struct np_inventory *f, struct np_check *ret,
		  struct np_err *err);
void np_check_done(struct np_check *c);

/* Writes plan and check as one. */
int np_check_render(const struct np_plan *plan, const struct np_check *c, enum np_format format,
		    char **ret, struct np_err *err);

/*
 * Notes for each class of a cluster-scoped API which namespaces of its pools may not use it
 * ("class-not-bound"), or that this cannot be told ("bindings-unknown"). Asks nothing of a namespaced one.
 */
int np_check_bindings(struct np_kube *k, const struct np_kube_resource *classes,
		      struct np_plan *plan, struct np_err *err);

#endif
