/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool np_plan_is_of_topology(const struct np_pool *pool)
{
	struct np_val labels = np_doc_get(np_doc_get(pool->node, "metadata"), "labels");

	return pool->doc && np_doc_is_present(np_doc_get(labels, NP_TOPOLOGY_LABEL));
}

const char *np_plan_template_new_name(const struct np_plan_template *t)
{
	return json_string_value(
		json_object_get(json_object_get(t->replacement, "metadata"), "name"));
}

void np_plan_rollout_text(const struct np_pool *pool, char buf[static NP_ROLLOUT_TEXT_MAX])
{
	switch (pool->rollout) {
	case NP_ROLLOUT_ON_DELETE:
		snprintf(buf, NP_ROLLOUT_TEXT_MAX,
			 "OnDelete: a node is replaced once its Machine is deleted");
		return;
	case NP_ROLLOUT_NO_SURGE:
		snprintf(
			buf, NP_ROLLOUT_TEXT_MAX,
			"maxSurge %s: each node goes before its successor comes, which takes its GPUs",
			pool->max_surge);
		return;
	default:
		snprintf(buf, NP_ROLLOUT_TEXT_MAX,
			 "maxSurge %s: the new node comes first, and hangs without a host that has "
			 "free GPUs; maxSurge 0 or OnDelete needs none",
			 pool->max_surge);
	}
}

static bool is_to_be_named(const struct np_pool *pool)
{
	return pool->doc && !np_plan_is_of_topology(pool);
}

/* A template without a MachineDeployment in the input has a pool of its own name. */
static bool is_wanted(const struct np_plan *plan, const struct np_plan_template *t)
{
	for (size_t i = 0; i < t->n_pools; i++) {
		const struct np_pool *pool = plan->pools[t->pools[i]].pool;

		if (!pool->doc || is_to_be_named(pool))
			return true;
	}
	return false;
}

static json_t *reference_of(json_t *deployment)
{
	json_t *template = json_object_get(json_object_get(deployment, "spec"), "template");

	return json_object_get(json_object_get(template, "spec"), "infrastructureRef");
}

/* The whole object with the new reference, so that kubectl apply keeps all of it. */
static int add_deployment(json_t *list, const struct np_pool *pool, const char *name,
			  struct np_err *err)
{
	json_auto_t *object = json_deep_copy(pool->node.json);

	if (!object)
		return np_fail_nomem(err);
	plan_drop_server_fields(object);
	if (json_object_set_new(reference_of(object), "name", json_string(name)) < 0 ||
	    json_array_append(list, object) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int add_template(const struct np_plan *plan, const struct np_plan_template *t, json_t *list,
			struct np_err *err)
{
	const char *name = np_plan_template_new_name(t);

	if (!name || !is_wanted(plan, t))
		return 0;
	if (json_array_append(list, t->replacement) < 0)
		return np_fail_nomem(err);
	for (size_t i = 0; i < t->n_pools; i++) {
		const struct np_pool *pool = plan->pools[t->pools[i]].pool;

		if (is_to_be_named(pool) && add_deployment(list, pool, name, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int np_plan_manifests(const struct np_plan *plan, json_t **ret, struct np_err *err)
{
	json_auto_t *list = json_array();

	if (!list)
		return np_fail_nomem(err);
	for (size_t i = 0; i < plan->n_templates; i++)
		if (add_template(plan, &plan->templates[i], list, err) < 0)
			return np_err_ret(err);
	*ret = json_incref(list);
	return 0;
}
