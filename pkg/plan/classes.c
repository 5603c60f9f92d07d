/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/map.h"

static const char *text_at(struct np_val n, const char *key)
{
	struct np_val metadata = np_doc_get(n, "metadata");
	const char *text = json_string_value(np_doc_get(metadata, key).json);

	return text;
}

static struct np_key key_of(const struct np_class_ref *ref)
{
	return NP_KEY(text_at(ref->node, "namespace"), text_at(ref->node, "name"));
}

static struct np_plan_class *push_class(struct np_plan *plan, struct np_err *err)
{
	size_t n = plan->n_classes;
	struct np_plan_class *items = plan->classes;

	/* Grown by doubling: a fleet has thousands of classes. */
	if ((n & (n - 1)) == 0) {
		items = reallocarray(items, n == 0 ? 1 : n * 2, sizeof(*items));
		if (!items) {
			np_fail_nomem(err);
			return NULL;
		}
		plan->classes = items;
	}
	items[n] = (struct np_plan_class){ .change.patch = json_object() };
	if (!items[n].change.patch) {
		np_fail_nomem(err);
		return NULL;
	}
	plan->n_classes++;
	return &items[n];
}

const struct np_devices *plan_devices(const struct np_plan_class *c,
				      const struct np_plan_options *o)
{
	bool restored = o->restore_hidden && c->n_pools > 0 && c->class->hidden.n > 0;

	return restored ? &c->class->hidden : &c->class->devices;
}

/* Reads the class; adds its errors to the plan. */
static int read_class(struct np_plan *plan, struct np_plan_class *c, const struct np_class_ref *ref,
		      const struct np_plan_options *o, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	c->found = true;
	if (np_vmclass_read(ref->doc, ref->node, o->catalogue, &c->class, &why) < 0)
		return np_plan_add_error(plan, &why, err);
	return 0;
}

/* Counts the class's GPUs, once it is known which pools use it. */
static int count_gpus(const struct np_plan *plan, struct np_plan_class *c,
		      const struct np_plan_options *o, struct np_err *err)
{
	const struct np_devices *d;

	if (!c->class)
		return 0;
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct np_pool *pool = plan->pools[c->pools[i]].pool;

		plan_promote_asked(pool, &c->class->devices);
		plan_promote_asked(pool, &c->class->hidden);
	}
	d = plan_devices(c, o);
	c->gpus = np_vmclass_devices_gpus(d);
	c->has_gpus = !c->class->baked_in;
	c->none_known = c->gpus == 0 && np_vmclass_devices_may_be_gpus(d);
	if (np_vmclass_warn_uncounted(d, &c->class->warnings, err) < 0)
		return np_err_ret(err);
	return plan_cards_of_devices(d, &c->cards, &c->n_cards, err);
}

/* Appends the class behind `ref` (NULL: not found). */
static int open_class(struct np_plan *plan, const struct np_class_ref *ref,
		      const struct np_plan_options *o, struct np_err *err)
{
	struct np_plan_class *c = push_class(plan, err);

	if (!c)
		return np_err_ret(err);
	if (!ref)
		return 0;
	c->ns = text_at(ref->node, "namespace");
	c->name = text_at(ref->node, "name");
	return read_class(plan, c, ref, o, err);
}

/* Finds the pool's class: in its namespace first, else one that names no namespace. */
static const struct np_class_ref *find_ref(const struct np_index *index, const struct np_pool *pool,
					   const struct np_plan_options *o)
{
	size_t at;

	if (np_index_find(index, NP_KEY(pool->ns, pool->vm_class), &at) ||
	    np_index_find(index, NP_KEY("", pool->vm_class), &at))
		return &o->classes[at];
	return NULL;
}

static bool can_be_looked_up(const struct np_pool *pool)
{
	return pool->vm_class && !np_pool_is_placeholder(pool->vm_class) &&
	       !np_pool_is_placeholder(pool->ns);
}

static int use_class(struct np_plan *plan, struct np_plan_pool *p, struct np_index *opened,
		     const struct np_index *index, const struct np_plan_options *o,
		     struct np_err *err)
{
	const struct np_class_ref *ref = find_ref(index, p->pool, o);
	struct np_key key = ref ? key_of(ref) : NP_KEY(p->pool->ns, p->pool->vm_class);
	size_t n = plan->n_classes;
	struct np_plan_class *c;
	size_t *pools;

	if (np_index_enter(opened, key, n, &p->class_index, err) < 0 ||
	    (p->class_index == n && open_class(plan, ref, o, err) < 0))
		return np_err_ret(err);
	c = &plan->classes[p->class_index];
	if (!ref) {
		c->ns = p->pool->ns;
		c->name = p->pool->vm_class;
	}
	if ((c->n_pools & (c->n_pools - 1)) == 0) {
		pools = reallocarray(c->pools, c->n_pools == 0 ? 1 : c->n_pools * 2,
				     sizeof(*pools));
		if (!pools)
			return np_fail_nomem(err);
		c->pools = pools;
	}
	c->pools[c->n_pools++] = (size_t)(p - plan->pools);
	return 0;
}

/* Enters the place in o->classes of each class; the first of equal ones. */
static int index_refs(const struct np_plan_options *o, struct np_index *index, struct np_err *err)
{
	for (size_t i = 0; i < o->n_classes; i++) {
		size_t first;

		if (np_index_enter(index, key_of(&o->classes[i]), i, &first, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Lists the classes that no pool uses. */
static int open_unused(struct np_plan *plan, struct np_index *opened,
		       const struct np_plan_options *o, struct np_err *err)
{
	for (size_t i = 0; i < o->n_classes; i++) {
		size_t n = plan->n_classes, at;

		if (np_index_enter(opened, key_of(&o->classes[i]), n, &at, err) < 0 ||
		    (at == n && open_class(plan, &o->classes[i], o, err) < 0))
			return np_err_ret(err);
	}
	return 0;
}

int plan_classes_make(struct np_plan *plan, const struct np_plan_options *o, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index index = { 0 };
	NP_AUTO(np_index_done) struct np_index opened = { 0 };

	if (index_refs(o, &index, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_pools; i++) {
		struct np_plan_pool *p = &plan->pools[i];

		p->class_index = SIZE_MAX;
		if (can_be_looked_up(p->pool) && use_class(plan, p, &opened, &index, o, err) < 0)
			return np_err_ret(err);
	}
	if (open_unused(plan, &opened, o, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (count_gpus(plan, &plan->classes[i], o, err) < 0)
			return np_err_ret(err);
	return 0;
}
