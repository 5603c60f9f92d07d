/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A namespace and a name are DNS names: a newline stands in neither. */
#define KEY_MAX 640

static void make_key(const char *ns, const char *name, char key[static KEY_MAX])
{
	snprintf(key, KEY_MAX, "%s\n%s", ns ? ns : "", name);
}

static const char *text_at(struct np_val n, const char *key)
{
	struct np_val metadata = np_doc_get(n, "metadata");
	const char *text = json_string_value(np_doc_get(metadata, key).json);

	return text;
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

/* Reads the class; what is wrong with it becomes an error of the plan. */
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
	return plan_cards_of_devices(d, &c->cards, &c->n_cards, err);
}

/* Appends the class behind `ref` (NULL: not found) and notes its index under `key`. */
static int open_class(struct np_plan *plan, const struct np_class_ref *ref, json_t *opened,
		      const char *key, const struct np_plan_options *o, struct np_err *err)
{
	struct np_plan_class *c = push_class(plan, err);

	if (!c)
		return np_err_ret(err);
	if (json_object_set_new(opened, key, json_integer((json_int_t)plan->n_classes - 1)) < 0)
		return np_fail_nomem(err);
	if (!ref)
		return 0;
	c->ns = text_at(ref->node, "namespace");
	c->name = text_at(ref->node, "name");
	return read_class(plan, c, ref, o, err);
}

/* Finds the pool's class: in its namespace first, else one that names no namespace. */
static const json_t *find_ref(const json_t *index, const struct np_pool *pool,
			      char key[static KEY_MAX])
{
	const json_t *at;

	make_key(pool->ns, pool->vm_class, key);
	at = json_object_get(index, key);
	if (at)
		return at;
	make_key(NULL, pool->vm_class, key);
	at = json_object_get(index, key);
	if (!at)
		make_key(pool->ns, pool->vm_class, key);
	return at;
}

static bool can_be_looked_up(const struct np_pool *pool)
{
	return pool->vm_class && !np_pool_is_placeholder(pool->vm_class) &&
	       !np_pool_is_placeholder(pool->ns);
}

static int use_class(struct np_plan *plan, struct np_plan_pool *p, json_t *opened,
		     const json_t *index, const struct np_plan_options *o, struct np_err *err)
{
	char key[KEY_MAX];
	const json_t *at = find_ref(index, p->pool, key);
	const json_t *known = json_object_get(opened, key);
	const struct np_class_ref *ref = at ? &o->classes[json_integer_value(at)] : NULL;
	struct np_plan_class *c;
	size_t *pools;

	if (!known) {
		if (open_class(plan, ref, opened, key, o, err) < 0)
			return np_err_ret(err);
		known = json_object_get(opened, key);
	}
	p->class_index = (size_t)json_integer_value(known);
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

/* Returns {key: place in o->classes}; the first of equal ones. */
static json_t *index_refs(const struct np_plan_options *o)
{
	json_auto_t *index = json_object();
	char key[KEY_MAX];

	for (size_t i = o->n_classes; i-- > 0;) {
		const char *name = text_at(o->classes[i].node, "name");

		make_key(text_at(o->classes[i].node, "namespace"), name ? name : "", key);
		if (json_object_set_new(index, key, json_integer((json_int_t)i)) < 0)
			return NULL;
	}
	return json_incref(index);
}

/* Lists the classes that no pool uses. */
static int open_unused(struct np_plan *plan, json_t *opened, const json_t *index,
		       const struct np_plan_options *o, struct np_err *err)
{
	char key[KEY_MAX];

	for (size_t i = 0; i < o->n_classes; i++) {
		const char *name = text_at(o->classes[i].node, "name");

		make_key(text_at(o->classes[i].node, "namespace"), name ? name : "", key);
		if (!json_object_get(opened, key) &&
		    (size_t)json_integer_value(json_object_get(index, key)) == i &&
		    open_class(plan, &o->classes[i], opened, key, o, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int plan_classes_make(struct np_plan *plan, const struct np_plan_options *o, struct np_err *err)
{
	json_auto_t *index = index_refs(o);
	json_auto_t *opened = json_object();

	if (!index || !opened)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_pools; i++) {
		struct np_plan_pool *p = &plan->pools[i];

		p->class_index = SIZE_MAX;
		if (can_be_looked_up(p->pool) && use_class(plan, p, opened, index, o, err) < 0)
			return np_err_ret(err);
	}
	if (open_unused(plan, opened, index, o, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (count_gpus(plan, &plan->classes[i], o, err) < 0)
			return np_err_ret(err);
	return 0;
}
