/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PLAN_H
#define NODEPREP_PLAN_H

/*
 * plan - pools x classes: what each pool needs, what each class lacks, and whatever stands against it.
 *
 * Pure       no I/O: the classes are given, read from manifests or fetched before.
 * Units      *_gb is whole GB (2^30 bytes); overhead_mb is MB of VM overhead memory.
 * Ownership  a plan owns what it points at, but for pools, gpus and class references, which belong
 *            to the input and the catalogue and must outlive it.
 * Errors     np_plan_make() itself fails only where memory runs out. What is wrong with pools and
 *            classes is collected in `errors`, so that all of it is told at once: NP_E_SPEC,
 *            NP_E_WINDOW, NP_E_NOT_FOUND, NP_E_REFUSED.
 * Unknown    has_* tells whether a number is known; an unknown one is never 0.
 * Templates  what nodes are made from where no class is (pool.h). A VSphereMachineTemplate is immutable,
 *            so what it lacks makes a replacement: a new manifest under a name that ends in eight hex
 *            digits of its spec's hash (FNV-1a), which its MachineDeployments are to name.
 * Figures    overhead: Denneman 2023-05-30 measured one A100-40GB: 773.91 MB without a window,
 *            856.82 MB with 128 GB, 870.94 MB with 512 GB; between them linear in log2 of the size.
 */

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
	struct np_addend addend;
};

struct np_plan_pool {
	const struct np_pool *pool;
	size_t class_index; /* SIZE_MAX: the pool names no class that could be looked for */
	size_t template_index; /* SIZE_MAX: no template makes its nodes */
	bool has_gpus; /* the cards below are what a node gets */
	size_t n_cards;
	struct np_card *cards;
	struct np_need need; /* rule 2, where has_gpus */
	bool has_required; /* has_gpus, and every card has a figure */
	bool has_window; /* `window` holds the pool's own result, fit for the class */
	bool window_is_known; /* and it is more than a guess: no card without a figure */
	struct np_window window;
};

struct np_plan_class {
	const char *ns; /* NULL: none in its manifest, or cluster-scoped */
	const char *name;
	struct np_vmclass *class; /* NULL: not found, or broken */
	bool found;
	size_t n_pools;
	size_t *pools; /* indices of the pools that use it */
	bool has_gpus;
	uint64_t gpus;
	size_t n_cards;
	struct np_card *cards;
	struct np_change change; /* patch {} where nothing is to change */
	bool has_overhead;
	double overhead_mb;
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
	uint64_t gpus;
	size_t n_cards;
	struct np_card *cards;
	bool has_window;
	uint64_t window_gb; /* what it will carry; 0: neither key */
	char *hardware_version; /* what it will say; NULL: nothing */
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
	size_t n_errors;
	struct np_err *errors;
};

struct np_plan_options {
	const struct np_catalogue *catalogue;
	bool allow_shrink;
	bool restore_hidden;
	bool revert; /* the pools are released from their classes: what they need does not matter */
	bool discard_record; /* with revert: the classes' records go, their fields stay */
	bool tolerate_record; /* an invalid record is a warning, not an error */
	bool in_place; /* templates keep their names: a topology hook changes them before they exist */
	const char *holder; /* who registers the pools: "apply" */
	size_t n_classes;
	const struct np_class_ref *classes; /* borrowed; documents are referenced where needed */
};

int np_plan_make(const struct np_input *in, const struct np_plan_options *o, struct np_plan *ret,
		 struct np_err *err);
void np_plan_done(struct np_plan *plan);

/* Adds an error to the plan; fails only where memory runs out, which `what` may say too. */
int np_plan_add_error(struct np_plan *plan, const struct np_err *what, struct np_err *err);

/* Returns the code that the plan's errors amount to: NP_OK, bad input before not found. */
enum np_code np_plan_code(const struct np_plan *plan);

/* Tells whether some pool is a placeholder, which no change may be made from. */
bool np_plan_has_placeholder(const struct np_plan *plan);

/* Tells what to do with a template that is not right, which no command can write, in one line. */
#define NP_PLAN_TEMPLATE_TEXT_MAX 1024
void np_plan_template_text(const struct np_plan_template *t,
			   char buf[static NP_PLAN_TEMPLATE_TEXT_MAX]);

/*
 * Sets *ret to a list of the manifests that put the replacements in place: each new template, and behind
 * it the MachineDeployments that are to name it. A MachineDeployment that a Cluster's topology owns has
 * none, and a template without any other has none either.
 */
int np_plan_manifests(const struct np_plan *plan, json_t **ret, struct np_err *err);

/* Tells whether a Cluster's topology owns the pool's MachineDeployment. */
bool np_plan_is_of_topology(const struct np_pool *pool);

/* Returns the name of the template that replaces `t`; NULL where none does. */
const char *np_plan_template_new_name(const struct np_plan_template *t);

#define NP_ROLLOUT_TEXT_MAX 256

/* Writes what replacing a pool's nodes comes to, by its strategy. */
void np_plan_rollout_text(const struct np_pool *pool, char buf[static NP_ROLLOUT_TEXT_MAX]);

#define NP_CARDS_TEXT_MAX 256

/* Writes "4 x A100-40GB, 1 x T4" ("none" for no card), cut with "...". */
void np_plan_cards_text(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX]);

/* Returns a card's name for people: model, else profile, else PCI id (written into `buf`). */
const char *np_plan_card_name(const struct np_card *card, char buf[static NP_PCI_ID_MAX]);

#define NP_WINDOW_TEXT_MAX 512

/* Writes how the pool's window came about: "3 x 128 = 384 GB, rounded up to 512 GB". */
void np_plan_window_text(const struct np_plan_pool *pool, char buf[static NP_WINDOW_TEXT_MAX]);

#endif
