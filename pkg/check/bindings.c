/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/warnings.h"

#define PLURAL "virtualmachineclassbindings"

/* Adds the class that a binding makes usable in its namespace. */
static int add_binding(void *ctx, json_t *object, struct np_err *err)
{
	struct np_check_set *bound = ctx;
	const json_t *ref = json_object_get(object, "classRef");
	const char *kind = json_string_value(json_object_get(ref, "kind"));
	const char *name = json_string_value(json_object_get(ref, "name"));

	if (!name || (kind && strcmp(kind, "VirtualMachineClass") != 0))
		return 0;
	return check_set_add(bound, 0, err, "%s", name) < 0 ? np_err_ret(err) : 0;
}

/* Bindings only inform: a failure to list them becomes a warning. */
static int note_unknown(struct np_plan *plan, const struct np_err *why, struct np_err *err)
{
	if (why->code == NP_E_NOMEM)
		return np_fail_nomem(err);
	return np_warnings_add(
		&plan->warnings, err, NP_WARNING_BINDINGS_UNKNOWN,
		"whether the classes are bound to the pools' namespaces is not known: %s",
		why->text);
}

/* Tells whether an earlier pool of the class is in the same namespace. */
static bool is_told(const struct np_plan *plan, const struct np_plan_class *c, size_t pool)
{
	for (size_t i = 0; i < pool; i++)
		if (strcmp(plan->pools[c->pools[i]].pool->ns,
			   plan->pools[c->pools[pool]].pool->ns) == 0)
			return true;
	return false;
}

static int note_namespace(struct np_plan *plan, const char *ns, const struct np_check_set *bound,
			  struct np_err *err)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		struct np_plan_class *c = &plan->classes[i];

		for (size_t k = 0; k < c->n_pools; k++) {
			if (!c->found || strcmp(plan->pools[c->pools[k]].pool->ns, ns) != 0 ||
			    is_told(plan, c, k) || np_map_find(&bound->map, NP_KEY(c->name)))
				continue;
			if (np_warnings_add(&c->warnings, err, NP_WARNING_CLASS_NOT_BOUND,
					    "namespace '%s' has no VirtualMachineClassBinding for "
					    "class '%s': no VM can be made from it there",
					    ns, c->name) < 0)
				return np_err_ret(err);
		}
	}
	return 0;
}

/* Adds the namespaces whose pools use a class that was found, in the plan's order. */
static int add_namespaces(const struct np_plan *plan, struct np_check_set *namespaces,
			  struct np_err *err)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		for (size_t k = 0; c->found && k < c->n_pools; k++)
			if (check_set_add(namespaces, 0, err, "%s",
					  plan->pools[c->pools[k]].pool->ns) < 0)
				return np_err_ret(err);
	}
	return 0;
}

int np_check_bindings(struct np_kube *k, const struct np_kube_resource *classes,
		      struct np_plan *plan, struct np_err *err)
{
	NP_AUTO(check_set_done) struct np_check_set namespaces = { 0 };
	struct np_kube_resource r;
	struct np_err why = NP_ERR_INIT;

	if (add_namespaces(plan, &namespaces, err) < 0)
		return np_err_ret(err);
	if (classes->namespaced || classes->plural[0] == '\0' || namespaces.n == 0)
		return 0;
	if (np_kube_discover(k, NP_VMCLASS_GROUP, PLURAL, &r, &why) < 0)
		return note_unknown(plan, &why, err);
	for (size_t i = 0; i < namespaces.n; i++) {
		NP_AUTO(check_set_done) struct np_check_set bound = { 0 };
		const char *ns = namespaces.members[i]->entry.key;

		if (np_kube_list(k, &r, ns, 0, add_binding, &bound, &why) < 0)
			return note_unknown(plan, &why, err);
		if (note_namespace(plan, ns, &bound, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
