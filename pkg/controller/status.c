/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/time.h"
#include "nodeprep/vmclass.h"

/* The condition reasons of errors. */
static const struct failure_row {
	enum np_code code;
	enum reason reason;
	enum condition_status ready; /* whether it is known to be wrong */
} failures[] = {
	{ NP_E_SPEC, REASON_INVALID_CLASS, STATUS_FALSE },
	{ NP_E_WINDOW, REASON_INVALID_CLASS, STATUS_FALSE },
	{ NP_E_RECORD, REASON_INVALID_RECORD, STATUS_FALSE },
	{ NP_E_NOT_FOUND, REASON_CLASS_NOT_FOUND, STATUS_FALSE },
	{ NP_E_REFUSED, REASON_API_REJECTED, STATUS_FALSE },
	{ NP_E_FORBIDDEN, REASON_FORBIDDEN, STATUS_FALSE },
	{ NP_E_NOT_ALLOWED, REASON_NOT_ALLOWED, STATUS_FALSE },
	{ NP_E_CONFLICT, REASON_CONFLICT, STATUS_UNKNOWN },
	{ NP_E_RETRY, REASON_UNREACHABLE, STATUS_UNKNOWN },
};

static const struct failure_row *find_failure(enum np_code code)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		if (failures[i].code == code)
			return &failures[i];
	return &failures[sizeof(failures) / sizeof(failures[0]) - 1];
}

enum reason controller_status_reason(enum np_code code)
{
	return find_failure(code)->reason;
}

bool controller_status_is_restored(const struct pool_status *s)
{
	return s->conditions[CONDITION_DRIFTED].reason == REASON_DRIFT_CORRECTED;
}

bool controller_status_is_warning(enum reason reason)
{
	return reason != REASON_ALREADY_CONFIGURED && reason != REASON_CONFIGURED &&
	       reason != REASON_FOUND && reason != REASON_IN_SYNC && reason != REASON_PATCHED;
}

enum reason controller_status_pool_reason(enum np_code code)
{
	return code == NP_E_NOT_ALLOWED ? REASON_NOT_ALLOWED : REASON_INVALID_NODEPOOL;
}

/* Drops the pool's name from messages: they are on the pool's own object. */
static const char *without_pool(const struct np_pool *pool, const char *text)
{
	char id[NP_POOL_ID_MAX], prefix[2 * NP_POOL_ID_MAX];
	int n;

	np_pool_id(pool, id);
	n = snprintf(prefix, sizeof(prefix), "%s:%u: pool '%s': ", pool->source.file,
		     pool->source.line, id);
	return n > 0 && strncmp(text, prefix, (size_t)n) == 0 ? text + n : text;
}

static const char *without_name(const struct reconcile_owner *s, const char *text)
{
	size_t n = strlen(s->name);

	return strncmp(text, s->name, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2
										 : text;
}

static void set_found(const struct reconcile *j, const struct np_class_sync_result *r,
		      struct pool_status *st)
{
	if (r->found)
		controller_condition_set(st, CONDITION_CLASS_FOUND, STATUS_TRUE, REASON_FOUND,
					 "class '%s' exists", j->name);
	else if (r->error.code == NP_E_NOT_FOUND)
		controller_condition_set(st, CONDITION_CLASS_FOUND, STATUS_FALSE, REASON_NOT_FOUND,
					 "class '%s' not found in namespace '%s'", j->name, j->ns);
	else
		controller_condition_set(st, CONDITION_CLASS_FOUND, STATUS_UNKNOWN,
					 find_failure(r->error.code)->reason, "%s", r->error.text);
}

static void set_wrong(struct pool_status *st, enum condition_status ready, enum reason reason,
		      const char *text)
{
	controller_condition_set(st, CONDITION_READY, ready, reason, "%s", text);
	controller_condition_set(st, CONDITION_CLASS_PATCHED, ready, reason, "%s", text);
	controller_condition_set(st, CONDITION_DRIFTED, STATUS_UNKNOWN, REASON_NOT_EVALUATED,
				 "the class was not compared with the pools' needs");
}

/* Writes what the class carries: "window 512 GB, firmware efi, memory reserved 64Gi". */
static void carries_text(const struct np_plan_class *c, char *buf, size_t size)
{
	const struct np_change *change = &c->change;
	char window[64] = "no window";

	if (change->has_window && change->window_gb > 0)
		snprintf(window, sizeof(window), "window %" PRIu64 " GB", change->window_gb);
	snprintf(buf, size, "%s%s%s%s%s", window, change->firmware ? ", firmware " : "",
		 change->firmware ? change->firmware : "",
		 change->reservation ? ", memory reserved " : "",
		 change->reservation ? change->reservation : "");
}

static void set_patched(const struct reconcile *j, const struct np_plan_class *c,
			struct pool_status *st)
{
	char text[256];

	carries_text(c, text, sizeof(text));
	if (j->is_changed)
		controller_condition_set(
			st, CONDITION_CLASS_PATCHED, STATUS_TRUE, REASON_PATCHED,
			"class '%s' was changed: %s; changes apply to newly created VMs only",
			j->name, text);
	else
		controller_condition_set(st, CONDITION_CLASS_PATCHED, STATUS_TRUE,
					 REASON_ALREADY_CONFIGURED,
					 "class '%s' needed no change: %s", j->name, text);
}

static void set_drifted(const struct reconcile *j, struct pool_status *st)
{
	char when[NP_TIME_TEXT_MAX];

	np_time_text(j->restored_at, when);
	if (j->restored_at != 0)
		controller_condition_set(st, CONDITION_DRIFTED, STATUS_FALSE,
					 REASON_DRIFT_CORRECTED, "%s; restored at %s", j->drift,
					 when);
	else
		controller_condition_set(st, CONDITION_DRIFTED, STATUS_FALSE, REASON_IN_SYNC,
					 "class '%s' has what the pools need", j->name);
}

static void set_left_alone(const struct reconcile *j, struct pool_status *st)
{
	char text[CONDITION_TEXT_MAX];

	snprintf(text, sizeof(text),
		 "class '%s' was changed back %d times within %d minutes and is no longer "
		 "restored (%s): agree with the other writer, then change the pool's spec or its "
		 "annotation %s",
		 j->name, CONTENTION_MOST, CONTENTION_WITHIN_MS / 60000,
		 j->drift[0] != '\0' ? j->drift : "before this controller started",
		 CONTROLLER_REQUEST_ANNOTATION);
	set_wrong(st, STATUS_FALSE, REASON_CONTENDED, text);
	controller_condition_set(st, CONDITION_DRIFTED, STATUS_TRUE, REASON_CONTENDED, "%s", text);
}

/* Ready needs known values: a class may be up to date only as far as known. */
static void set_ready(const struct np_plan_pool *p, struct pool_status *st)
{
	char cards[NP_CARDS_TEXT_MAX], window[64] = "needs no window";

	np_plan_gpus_text(p->cards, p->n_cards, p->none_known, cards);
	if (!p->has_gpus)
		controller_condition_set(
			st, CONDITION_READY, STATUS_UNKNOWN, REASON_GPU_COUNT_UNKNOWN,
			"the class lists no device but has MMIO keys, so a GPU may be part "
			"of the image: set spec.gpus");
	else if (p->none_known && !p->window_is_known)
		controller_condition_set(
			st, CONDITION_READY, STATUS_UNKNOWN, REASON_GPU_COUNT_UNKNOWN,
			"the class attaches a device that may be a GPU: name it in spec.gpus by its "
			"pciID, or set spec.mmio.sizeGB");
	else if (p->need.gpus > 0 && !p->window_is_known)
		controller_condition_set(
			st, CONDITION_READY, STATUS_UNKNOWN, REASON_GPU_SIZE_UNKNOWN,
			"a node gets %s, with a GPU of unknown size: set spec.mmio.sizeGB, or "
			"start the controller with --catalogue",
			cards);
	else {
		if (p->has_window && p->window.gb > 0)
			snprintf(window, sizeof(window), "needs a window of %" PRIu64 " GB",
				 p->window.gb);
		controller_condition_set(st, CONDITION_READY, STATUS_TRUE, REASON_CONFIGURED,
					 "a node gets %s and %s",
					 p->n_cards > 0 || p->none_known ? cards : "no GPU",
					 window);
	}
}

static void set_figures(const struct np_plan_pool *p, struct pool_status *st)
{
	st->has_gpus = p->has_gpus && !p->none_known;
	st->gpus = p->need.gpus;
	st->has_required = p->has_required;
	st->required_gb = p->need.required_gb;
	st->has_mmio = p->has_window && p->window_is_known;
	st->mmio_gb = p->window.gb;
}

void controller_status_of_owner(const struct reconcile *j, const struct np_input *in,
				const struct np_class_sync_result *r,
				const struct reconcile_owner *s, size_t i, struct pool_status *ret)
{
	const struct np_plan_pool *p;
	const struct failure_row *failure = find_failure(r->error.code);
	char text[CONDITION_TEXT_MAX];

	*ret = (struct pool_status){ .generation = s->generation };
	strlcpy(ret->vm_class, j->name, sizeof(ret->vm_class));
	set_found(j, r, ret);
	if (s->deleting) {
		snprintf(text, sizeof(text),
			 "the pool is being deleted, but class '%s' cannot be released: %s",
			 j->name, r->error.text);
		set_wrong(ret, failure->ready, failure->reason, text);
	} else if (s->error) {
		set_wrong(ret, STATUS_FALSE, REASON_INVALID_NODEPOOL, without_name(s, s->error));
	} else if (r->error.code == NP_E_NOT_FOUND) {
		snprintf(text, sizeof(text), "class '%s' not found in namespace '%s'", j->name,
			 j->ns);
		set_wrong(ret, STATUS_FALSE, REASON_CLASS_NOT_FOUND, text);
	} else if (r->error.code != NP_OK) {
		set_wrong(ret, failure->ready, failure->reason, r->error.text);
	} else if (r->errors && r->errors[i].code != NP_OK) {
		set_wrong(ret, STATUS_FALSE, controller_status_pool_reason(r->errors[i].code),
			  without_pool(&in->pools[i], r->errors[i].text));
	} else {
		p = &r->plan.pools[r->plan_index[i]];
		set_figures(p, ret);
		set_ready(p, ret);
		set_patched(j, &r->plan.classes[0], ret);
		set_drifted(j, ret);
		if (r->vetoed)
			set_left_alone(j, ret);
	}
}
