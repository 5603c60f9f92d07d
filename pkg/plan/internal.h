/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_PLAN_INTERNAL_H
#define NODEPREP_PKG_PLAN_INTERNAL_H

/*
 * internal - what the files of plan share: cards.c groups and matches devices, text.c writes them
 * for people, classes.c finds and reads classes, plan.c puts it together.
 */

#include <jansson.h>

#include "nodeprep/plan.h"

/* Adds an error to the plan; fails only where memory runs out. */
int plan_add_error(struct np_plan *plan, const struct np_err *what, struct np_err *err);

/* cards.c: groups the GPUs among the devices by card; other functions are left out. */
int plan_cards_of_devices(const struct np_devices *d, struct np_card **ret, size_t *ret_n,
			  struct np_err *err);
int plan_cards_of_asks(const struct np_pool *pool, struct np_card **ret, size_t *ret_n,
		       struct np_err *err);

/* How a pool's asks compare with what its class attaches. */
enum plan_match { PLAN_MATCH_EQUAL, PLAN_MATCH_CLASS_HAS_MORE, PLAN_MATCH_NO };

enum plan_match plan_match_asks(const struct np_pool *pool, const struct np_devices *d);

/* Makes GPUs of the other functions that the pool names by PCI id (DESIGN.md, "What is a GPU"). */
void plan_promote_asked(const struct np_pool *pool, struct np_devices *d);

/* Rule 2 over the cards. */
int plan_need_of_cards(const struct np_card *cards, size_t n, struct np_need *ret,
		       struct np_err *err);

/* classes.c: makes the plan's classes and points each pool at its own. */
int plan_classes_make(struct np_plan *plan, const struct np_plan_options *o, struct np_err *err);

/* What VMs of the class get, under the options. */
const struct np_devices *plan_devices(const struct np_plan_class *c,
				      const struct np_plan_options *o);

#endif
