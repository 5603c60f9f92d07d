/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PLAN_H
#define NODEPREP_PLAN_H

/*
 * plan - computes, from pools and classes, the needs of each pool, the changes of each class, and
 * the errors.
 *
 * Pure       no I/O: the caller reads or fetches the classes before.
 * Units      *_gb is whole GB (2^30 bytes); overhead_mb is MB of VM overhead memory.
 * Ownership  a plan owns its members, except pools, gpus and class references, which belong to the
 *            input and the catalogue and must outlive it.
 * Errors     np_plan_make() itself fails only without memory. `errors` collects all errors of pools
 *            and classes: NP_E_SPEC, NP_E_WINDOW, NP_E_NOT_FOUND, NP_E_REFUSED, NP_E_NOT_ALLOWED.
 * Unknown    has_* tells whether a number is known; an unknown one is never 0. With none_known the
 *            number of GPUs is unknown, although has_gpus: what may be a GPU is not counted.
 * Templates  the source of nodes without a class (pool.h). A VSphereMachineTemplate is immutable,
 *            so changes need a replacement: a new manifest under a name that ends in eight hex
 *            digits of its spec's hash (FNV-1a), to which its MachineDeployments must point.
 * Figures    overhead: Denneman 2023-05-30 measured one A100-40GB: 773.91 MB without a window,
 *            856.82 MB with 128 GB, 870.94 MB with 512 GB; between them linear in log2 of the size.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/pool.h"
#include "nodeprep/vmclass.h"
#include "nodeprep/warnings.h"

/* Equal cards of one node. */
struct np_card {
	const struct np_gpu *gpu; /* NULL: not in the catalogue */
	bool has_id;
	struct np_pci_id id;
	const char *profile; /* borrowed; NULL unless a vGPU */
	const char
		*kind; /* borrowed device class or group of a device of unknown kind; else NULL */
	struct np_addend addend;
};

/* On how many hosts a node of the pool can be. */
struct np_plan_capacity {
	bool is_known; /* the number of hosts that could hold one, with all of their GPUs free */
	size_t capable_hosts;
	bool has_fit; /* the number on which one more fits now; of vGPUs the hosts do not tell it */
	size_t fit_now;
};

struct np_plan_pool {
	const struct np_pool *pool;
	size_t class_index; /* SIZE_MAX: the pool names no class, or a placeholder */
	size_t template_index; /* SIZE_MAX: its nodes have no template */
	bool has_gpus; /* the cards below are what a node gets */
	bool none_known; /* no card below, but a device that may be a GPU: it is not counted */
	size_t n_cards;
	struct np_card *cards;
	struct np_need need; /* rule 2, where has_gpus */
	bool has_required; /* the GPUs are known, and every card has a figure */
	bool has_window; /* `window` holds the pool's own result, fit for the class */
	bool window_is_known; /* and every card has a known size */
	struct np_window window;
	struct np_plan_capacity capacity; /* np_plan_note_capacity() */
};

/* The memory overhead of running VMs with the GPUs and the window of a class. */
struct np_plan_measured {
	bool is_asked; /* a vCenter was */
	json_t *vms; /* their names; NULL: none runs */
	double least_mb, most_mb; /* of a VM as a whole */
};

struct np_plan_class {
	const char *ns; /* NULL: none in its manifest, or cluster-scoped */
	const char *name;
	struct np_vmclass *class; /* NULL: not found, or broken */
	bool found;
	size_t n_pools;
	size_t *pools; /* indices of the pools that use it */
	bool has_gpus;
	bool none_known; /* no card below, but a device that may be a GPU: it is not counted */
	uint64_t gpus;
	size_t n_cards;
	struct np_card *cards;
	struct np_change change; /* patch {} where nothing is to change */
	bool has_overhead;
	double overhead_mb; /* what the window adds, by estimate */
	struct np_plan_measured measured; /* np_plan_note_overhead() */
	struct np_warnings warnings;
};

struct np_plan_template {
	const char *ns;
	const char *name;
	const struct np_template *template; /* NULL: not in the input */
	size_t n_pools;
	size_t *pools; /* indices of the pools that use it */
	struct np_devices devices; /* `ids` of all devices in one block, the first's */
	bool has_gpus;
	bool none_known; /* no card below, but a device that may be a GPU: it is not counted */
	uint64_t gpus;
	size_t n_cards;
	struct np_card *cards;
	bool has_window;
	uint64_t window_gb; /* the new window; 0: neither key */
	char *hardware_version; /* the new value; NULL: none */
	struct np_change change; /* items alone; no patch, since it is immutable */
	size_t n_references; /* the last of those items: of its pools' MachineDeployments, in order */
	json_t *replacement; /* NULL: none needed, or no API object */
	struct np_warnings warnings;
};

struct np_plan {
	size_t n_pools;
	struct np_plan_pool *pools; /* in the input's order */
	size_t n_classes;
	struct np_plan_class *classes; /* in the order of first use, then those no pool uses */
	size_t n_templates;
	struct np_plan_template *templates; /* in the input's order, then those that are missing */
	struct np_warnings warnings;
	const char *api; /* where the classes are from; a constant */
	size_t n_errors;
	struct np_err *errors;
};

/* The permission of its owner that a class outside a pool's namespace needs. */
struct np_plan_opt_in {
	bool required;
	const char *
		class_ns; /* where all classes are; NULL: as each class says, else cluster-scoped */
	const json_t *bound; /* {"NAMESPACE/CLASS": ...}: as bindings allow; NULL: none */
};

struct np_plan_options {
	const struct np_catalogue *catalogue;
	struct np_plan_opt_in opt_in;
	uint64_t
		max_window_gb; /* the largest window that a pool or class may get; 0: no such bound */
	bool allow_shrink;
	bool restore_hidden;
	bool revert; /* the pools are released from their classes: what they need does not matter */
	bool all_holders; /* with revert: every registration of the classes is released */
	bool discard_record; /* with revert: the classes' records go, their fields stay */
	bool tolerate_record; /* an invalid record is a warning, not an error */
	bool has_capacity; /* np_plan_note_capacity() follows for each pool, with its warnings */
	bool in_place; /* templates keep their names: a topology hook changes them before they exist */
	const char *api; /* where the classes are from: "kubernetes", "vcenter"; NULL: "file" */
	const char *holder; /* the holder that registers the pools: "apply" */
	bool yields; /* of live objects only those are registered that no follower registers */
	struct np_warning_set ignored; /* warnings to mark as acknowledged */
	size_t n_classes;
	const struct np_class_ref *classes; /* borrowed; documents are referenced where needed */
};

int np_plan_make(const struct np_input *in, const struct np_plan_options *o, struct np_plan *ret,
		 struct np_err *err);
void np_plan_done(struct np_plan *plan);

/* Marks warnings as acknowledged, in all lists of the plan. */
void np_plan_ignore_warnings(struct np_plan *plan, struct np_warning_set set);

/* Adds an error to the plan; fails only without memory, also where `what` is that error. */
int np_plan_add_error(struct np_plan *plan, const struct np_err *what, struct np_err *err);

/*
 * Returns the code of the plan's errors: NP_OK without any; bad input takes precedence over not
 * found.
 */
enum np_code np_plan_code(const struct np_plan *plan);

/* Tells whether any pool has a placeholder, so that no change may be written. */
bool np_plan_has_placeholder(const struct np_plan *plan);

/* Writes the remedy for an outdated template, which no command can write, in one line. */
#define NP_PLAN_TEMPLATE_TEXT_MAX 1024
void np_plan_template_text(const struct np_plan_template *t,
			   char buf[static NP_PLAN_TEMPLATE_TEXT_MAX]);

/*
 * Sets *ret to the list of manifests that install the replacements: each new template, followed by
 * the MachineDeployments that must name it. Excluded are MachineDeployments that a Cluster's
 * topology owns, and templates without any other MachineDeployment.
 */
int np_plan_manifests(const struct np_plan *plan, json_t **ret, struct np_err *err);

/* Tells whether a Cluster's topology owns the pool's MachineDeployment. */
bool np_plan_is_of_topology(const struct np_pool *pool);

/* Returns the name of the template that replaces `t`; NULL without a replacement. */
const char *np_plan_template_new_name(const struct np_plan_template *t);

#define NP_ROLLOUT_TEXT_MAX 256

/* Writes the effect of replacing a pool's nodes, by its strategy. */
void np_plan_rollout_text(const struct np_pool *pool, char buf[static NP_ROLLOUT_TEXT_MAX]);

#define NP_CARDS_TEXT_MAX 256

/* Writes "4 x A100-40GB, 1 x T4" ("none" for no card), cut with "...". */
void np_plan_cards_text(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX]);

/* Writes them so, with "none known" for no card where a device may be a GPU. */
void np_plan_gpus_text(const struct np_card *cards, size_t n, bool none_known,
		       char buf[static NP_CARDS_TEXT_MAX]);

/* Returns a card's name for people: model, else profile, else PCI id (written into `buf`). */
const char *np_plan_card_name(const struct np_card *card, char buf[static NP_PCI_ID_MAX]);

#define NP_WINDOW_TEXT_MAX 512

/* Writes the computation of the pool's window: "3 x 128 = 384 GB, rounded up to 512 GB". */
void np_plan_window_text(const struct np_plan_pool *pool, char buf[static NP_WINDOW_TEXT_MAX]);

/*
 * Sets the capacity of pool `i`, and adds the warning no-spare-host, with the numbers where they are known,
 * or no-capable-host.
 */
int np_plan_note_capacity(struct np_plan *plan, size_t i, const struct np_plan_capacity *c,
			  struct np_err *err);

/* Sets what was measured with the GPUs and window of class `i`; refers to the names. */
void np_plan_note_overhead(struct np_plan *plan, size_t i, const struct np_plan_measured *o);

/* Sets *ret_mb to what that window adds to a VM's memory overhead, by estimate; false: no figure is known. */
bool np_plan_overhead(uint64_t window_gb, double *ret_mb);

#endif
