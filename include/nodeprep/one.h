/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_ONE_H
#define NODEPREP_ONE_H

/*
 * one - a single class made right for all pools of one holder: the loop of apply for who keeps on.
 *
 * Scope      np_apply_run() is for what a person says once. Here the caller knows every pool of its
 *            holder that uses the class: those that are registered and no longer there leave, the
 *            others join, in one PATCH.
 * Soundness  a pool that cannot be right (it asks for GPUs that the class does not attach) neither
 *            keeps the others from what they need nor leaves.
 * Conflicts  as np_apply_run(): on 409 the class is read and planned again until the deadline.
 * Ownership  the result owns what it points at, but for the pools' texts, which are the input's.
 * Errors     np_one_apply() fails only where memory runs out; whatever else is wrong stands in the
 *            result, with the class or with a pool.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

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
	json_t *object; /* the class as it stands, without its namespace; NULL where not found */
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
