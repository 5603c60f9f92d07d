/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * Holders leave without their pools being known: the annotation alone says which pools they held.
 * np_vmclass_revert() lets one holder leave. So all that leave are made one, the first of them.
 */

/* A predicate with its context, for a walk over the record. */
struct predicate {
	np_holder_fn *leaves;
	void *ctx;
};

static bool stays(void *ctx, const char *id, const char *holder)
{
	const struct predicate *p = ctx;

	(void)id;
	return !p->leaves(p->ctx, holder);
}

int np_vmclass_is_held(const json_t *object, np_holder_fn *leaves, void *ctx, struct np_err *err)
{
	struct predicate p = { leaves, ctx };
	json_auto_t *record = NULL;

	if (np_vmclass_record_read(object, &record, err) < 0)
		return np_err_ret(err);
	return !np_vmclass_record_each(record, stays, &p);
}

/* Who leaves, gathered over the pools of a class. */
struct leaving {
	np_holder_fn *leaves;
	void *ctx;
	char *first; /* who stands for all that leave; NULL: nobody does */
	struct np_member *members;
	size_t n;
};

static void leaving_done(struct leaving *l)
{
	free(l->first);
	free(l->members);
}

/* Returns the holders with one for all that leave; *ret_leaves tells whether any does. */
static json_t *unite(struct leaving *l, const json_t *holders, bool *ret_leaves)
{
	json_auto_t *list = json_array();
	json_t *holder;
	size_t i;

	*ret_leaves = false;
	json_array_foreach (holders, i, holder) {
		const char *name = json_string_value(holder);

		if (!l->leaves(l->ctx, name)) {
			if (json_array_append(list, holder) < 0)
				return NULL;
			continue;
		}
		if (!l->first && !(l->first = strdup(name)))
			return NULL;
		*ret_leaves = true;
	}
	if (*ret_leaves && json_array_append_new(list, json_string(l->first)) < 0)
		return NULL;
	return json_incref(list);
}

static int gather(struct leaving *l, json_t *managed, struct np_err *err)
{
	json_t *pools = json_object_get(managed, "pools");
	const char *id;
	json_t *pool;

	l->members = calloc(json_object_size(pools) + 1, sizeof(*l->members));
	if (!l->members)
		return np_fail_nomem(err);
	json_object_foreach (pools, id, pool) {
		bool leaves;
		json_t *united = unite(l, json_object_get(pool, "holders"), &leaves);

		if (json_object_set_new(pool, "holders", united) < 0)
			return np_fail_nomem(err);
		if (leaves)
			l->members[l->n++] = (struct np_member){ .id = id };
	}
	return 0;
}

int np_vmclass_release(const struct np_vmclass *c, np_holder_fn *leaves, void *ctx,
		       struct np_change *ret, struct np_err *err)
{
	NP_AUTO(leaving_done) struct leaving l = { .leaves = leaves, .ctx = ctx };
	json_auto_t *managed = c->managed ? json_deep_copy(c->managed) : NULL;
	struct np_class_desired want = { 0 };
	struct np_vmclass united = *c;

	if (c->record_error.code != NP_OK) {
		*err = c->record_error;
		return np_err_ret(err);
	}
	if (c->managed && (!managed || gather(&l, managed, err) < 0))
		return managed ? np_err_ret(err) : np_fail_nomem(err);
	if (l.n > 0)
		united.managed = managed;
	want.holder = l.first ? l.first : "";
	want.members = l.members;
	want.n_members = l.n;
	return np_vmclass_revert(&united, &want, ret, err);
}
