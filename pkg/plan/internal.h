/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_PLAN_INTERNAL_H
#define NODEPREP_PKG_PLAN_INTERNAL_H

/*
 * internal - what the files of plan share: cards.c groups and matches devices, text.c writes them
 * for people, classes.c finds and reads classes, templates.c and replace.c do so with templates,
 * plan.c puts it together.
 */

#include <jansson.h>

#include "nodeprep/plan.h"
#include "nodeprep/warnings.h"

/* Adds an error that begins with the pool's position. */
int plan_pool_error(struct np_plan *plan, const struct np_pool *pool, struct np_err *err,
		    enum np_code code, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Returns the list for warnings about the pool's nodes. */
struct np_warnings *plan_warnings_of(struct np_plan *plan, const struct np_plan_pool *p);

/* cards.c: groups the GPUs among the devices by card; other functions are left out. */
int plan_cards_of_devices(const struct np_devices *d, struct np_card **ret, size_t *ret_n,
			  struct np_err *err);
int plan_cards_of_requests(const struct np_pool *pool, struct np_card **ret, size_t *ret_n,
			   struct np_err *err);

/* The comparison of a pool's requests with its class's devices. */
enum plan_match { PLAN_MATCH_EQUAL, PLAN_MATCH_CLASS_HAS_MORE, PLAN_MATCH_NO };

enum plan_match plan_match_requests(const struct np_pool *pool, const struct np_devices *d,
				    const struct np_catalogue *cat);

/* text.c: writes as np_plan_cards_text() does, by PCI IDs where known. */
void plan_cards_ids(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX]);

/* Writes those cards whose size is unknown. */
void plan_cards_unknown(const struct np_card *cards, size_t n, char buf[static NP_CARDS_TEXT_MAX]);

/*
 * Counts other functions that the pool names by PCI ID as GPUs (docs/contract.md, "What is a GPU").
 */
void plan_promote_asked(const struct np_pool *pool, struct np_devices *d);

/* Rule 2 over the cards. */
int plan_need_of_cards(const struct np_card *cards, size_t n, struct np_need *ret,
		       struct np_err *err);

/* classes.c: makes the plan's classes and points each pool at its own. */
int plan_classes_make(struct np_plan *plan, const struct np_plan_options *o, struct np_err *err);

/* templates.c: makes the plan's templates and points each pool at its own. */
int plan_templates_make(struct np_plan *plan, const struct np_input *in, struct np_err *err);
void plan_template_done(struct np_plan_template *t);

/* Sets the cards of a pool that has a template. */
int plan_template_cards(struct np_plan *plan, struct np_plan_pool *p,
			const struct np_catalogue *cat, struct np_err *err);

/* Finds out what the template lacks, once its pools' windows are known. */
int plan_template_fill(struct np_plan *plan, struct np_plan_template *t,
		       const struct np_plan_options *o, struct np_err *err);

/* replace.c */

/* The desired values of a template. */
struct plan_wants {
	bool has_keys; /* the keys are ours to set or to remove */
	uint64_t window_gb; /* of the keys; 0: both are removed */
	bool in_place; /* the template keeps its name */
	const char *reason; /* of the size */
	const char *hardware; /* NULL: unchanged */
};

/* Lists the changes of the template, and builds the manifest that replaces it. */
int plan_template_replace(const struct np_plan *plan, struct np_plan_template *t,
			  const struct plan_wants *wants, struct np_err *err);

/* Takes away what only the server writes, or what speaks of the object as it was. */
void plan_drop_server_fields(json_t *object);

/* Returns what VMs of the class get, under the options. */
const struct np_devices *plan_devices(const struct np_plan_class *c,
				      const struct np_plan_options *o);

#endif
