/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* The items that name an object other than the template say which: one a pool, in order. */
static json_t *items_tree(const struct np_plan *plan, const struct np_plan_template *t)
{
	json_t *list = render_changes_tree(&t->change), *item;
	size_t first = t->change.n - t->n_references, k = 0, i;

	json_array_foreach (list, i, item) {
		const struct np_pool *pool;

		if (i < first)
			continue;
		while (k < t->n_pools && !plan->pools[t->pools[k]].pool->template_name)
			k++;
		if (k == t->n_pools)
			break;
		pool = plan->pools[t->pools[k++]].pool;
		json_object_set_new(item, "object",
				    json_pack("{s:s, s:s, s:s}", "kind", pool->source.kind,
					      "namespace", pool->ns, "name", pool->source.name));
	}
	return list;
}

static json_t *names_tree(const struct np_plan *plan, const struct np_plan_template *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_pools; i++)
		render_tree_push(&list, json_string(plan->pools[t->pools[i]].pool->name));
	return list;
}

static const char *api_version_of(const struct np_plan_template *t)
{
	if (!t->template)
		return NULL;
	return json_string_value(json_object_get(t->template->node.json, "apiVersion"));
}

static json_t *template_tree(const struct np_plan *plan, const struct np_plan_template *t)
{
	json_t *warnings = json_array();

	render_tree_push_warnings(&warnings, &t->warnings);
	return json_pack(
		"{s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "namespace", t->ns,
		"name", t->name, "apiVersion", render_text_or_null(api_version_of(t)), "found",
		!!t->template, "pools", names_tree(plan, t), "gpus",
		render_number_or_null(t->has_gpus && !t->none_known, t->gpus), "mmioGB",
		render_number_or_null(t->has_window, t->window_gb), "hardwareVersion",
		render_text_or_null(t->hardware_version), "changed", t->change.n > 0, "changes",
		items_tree(plan, t), "replacement",
		t->replacement ? json_incref(t->replacement) : json_null(), "warnings", warnings);
}

json_t *render_templates_tree(const struct np_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->n_templates; i++)
		render_tree_push(&list, template_tree(plan, &plan->templates[i]));
	return list;
}
