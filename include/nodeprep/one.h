/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_ONE_H
#define NODEPREP_ONE_H

/*
 * one - brings a single class to the state that its pools need, in one PATCH.
 *
 * Scope      the one way in which classes are changed: np_apply_run() calls it class by class, the
 *            controller for each class that changed. Pools of the holder that are registered and no
 *            longer there are released, the others are registered.
 * Validity   an invalid pool (it asks for GPUs that the class does not attach) neither keeps the
 *            others from what they need nor is released; with `strict` it fails the class.
 * Conflicts  np_kube_update(): the class is read and planned again until the deadline.
 * Ownership  the result owns what it points at, but for the pools' texts, which are the input's.
 * Errors     np_one_apply() fails only where memory runs out; whatever else is wrong stands in the
 *            result, with the class or with a pool.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "nodeprep/apply.h"
#include "nodeprep/kube.h"
#include "nodeprep/plan.h"

/* What is about to be written. */
struct np_one_change {
	const struct np_vmclass *class; /* as it was read */
	const struct np_plan_class *planned; /* NULL where no sound pool uses it */
	const json_t *patch;
	bool touches_spec; /* it is more than who is registered */
};

struct np_one {
	const struct np_kube_resource *resource; /* of the classes */
	const char *ns, *name; /* where the class is; `ns` is ignored where classes have none */
	const struct np_input *pools; /* every one names this class */
	struct np_plan_options plan; /* catalogue and holder; the class is filled in */
	const json_t *object; /* borrowed: the class as it was just read; NULL: it is read first */
	enum np_dry_run dry_run;
	bool strict; /* one invalid pool fails the class */
	/* Tells whether a pool that the holder registered, and is not among `pools`, leaves; NULL: none. */
	bool (*leaves)(void *ctx, const char *id);
	/* Asked before each PATCH; false: it is not made. NULL: all are. */
	bool (*may_write)(void *ctx, const struct np_one_change *change);
	void *ctx; /* of both */
};

struct np_one_result {
	enum np_apply_result result;
	bool withheld; /* may_write() said no; then `result` is NP_APPLY_UNCHANGED */
	bool found;
	unsigned attempts; /* PATCH requests that were made */
	size_t n_left; /* pools that left with the last change */
	json_t *object; /* the class as it is now, without its namespace; NULL where not found */
	json_t *planned_from; /* the class as it was planned from last; NULL where not found */
	struct np_err error; /* what is wrong with the class; NP_OK */
	struct np_plan plan; /* of the sound pools */
	struct np_input sound; /* the pools that the plan borrows, which are the input's */
	size_t *plan_index; /* for each pool of the input: its place in the plan, SIZE_MAX if unsound */
	struct np_err *errors; /* for each pool of the input; NULL where all are sound */
};

int np_one_apply(struct np_kube *k, const struct np_one *one, struct np_one_result *ret,
		 struct np_err *err);
void np_one_done(struct np_one_result *r);

#endif
