/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/warnings.h"

#define PLURAL "virtualmachineclassbindings"

/* Which of a namespace's pools' classes are bound there. */
struct bound {
	json_t *classes; /* set of names */
};

static int add_binding(void *ctx, json_t *object, struct np_err *err)
{
	struct bound *b = ctx;
	const json_t *ref = json_object_get(object, "classRef");
	const char *kind = json_string_value(json_object_get(ref, "kind"));
	const char *name = json_string_value(json_object_get(ref, "name"));

	if (!name || (kind && strcmp(kind, "VirtualMachineClass") != 0))
		return 0;
	return json_object_set_new(b->classes, name, json_true()) < 0 ? np_fail_nomem(err) : 0;
}

/* What the bindings are is told, not needed: whatever stands against it leaves it unknown. */
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

static int note_namespace(struct np_plan *plan, const char *ns, const json_t *classes,
			  struct np_err *err)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		struct np_plan_class *c = &plan->classes[i];

		for (size_t k = 0; k < c->n_pools; k++) {
			if (!c->found || strcmp(plan->pools[c->pools[k]].pool->ns, ns) != 0 ||
			    is_told(plan, c, k) || json_object_get(classes, c->name))
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

/* Returns the namespaces whose pools use a class that was found, in the plan's order. */
static json_t *namespaces_of(const struct np_plan *plan)
{
	json_auto_t *set = json_object();

	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		for (size_t k = 0; c->found && k < c->n_pools; k++)
			if (json_object_set_new(set, plan->pools[c->pools[k]].pool->ns,
						json_true()) < 0)
				return NULL;
	}
	return json_incref(set);
}

int np_check_bindings(struct np_kube *k, const struct np_kube_resource *classes,
		      struct np_plan *plan, struct np_err *err)
{
	json_auto_t *namespaces = namespaces_of(plan);
	struct np_kube_resource r;
	struct np_err why = NP_ERR_INIT;
	const char *ns;
	json_t *value;

	if (!namespaces)
		return np_fail_nomem(err);
	if (classes->namespaced || classes->plural[0] == '\0' || json_object_size(namespaces) == 0)
		return 0;
	if (np_kube_discover(k, NP_VMCLASS_GROUP, PLURAL, &r, &why) < 0)
		return note_unknown(plan, &why, err);
	json_object_foreach (namespaces, ns, value) {
		json_auto_t *names = json_object();
		struct bound b = { names };

		if (!names)
			return np_fail_nomem(err);
		if (np_kube_list(k, &r, ns, 0, add_binding, &b, &why) < 0)
			return note_unknown(plan, &why, err);
		if (note_namespace(plan, ns, names, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}
