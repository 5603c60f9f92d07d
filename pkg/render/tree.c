/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/warnings.h"

#define API_VERSION "nodeprep.dev/v1alpha1"

static json_t *cards_tree(const struct np_card *cards, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		render_tree_push(&list, render_card_tree(&cards[i]));
	return list;
}

/* A file's name may be any bytes, JSON's texts may not: an error's text is clean by contract. */
static json_t *file_name(const char *file)
{
	struct np_err clean = NP_ERR_INIT;

	np_fail(&clean, NP_E_IO, "%s", file);
	return json_string(clean.text);
}

static json_t *source_tree(const struct np_source *s)
{
	if (s->line == 0)
		return json_pack("{s:s, s:s, s:n, s:n, s:n}", "kind", s->kind, "name", s->name,
				 "file", "document", "line");
	return json_pack("{s:s, s:s, s:o, s:I, s:I}", "kind", s->kind, "name", s->name, "file",
			 file_name(s->file), "document", (json_int_t)s->document, "line",
			 (json_int_t)s->line);
}

static const char *template_name(const struct np_pool *pool)
{
	if (!pool->has_template)
		return NULL;
	return pool->template_name ? pool->template_name : pool->name;
}

static json_t *bare_pool_tree(const struct np_plan_pool *p)
{
	const struct np_pool *pool = p->pool;

	return json_pack("{s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "source",
			 source_tree(&pool->source), "namespace", pool->ns, "cluster",
			 render_text_or_null(pool->cluster), "name", pool->name, "vmClass",
			 render_text_or_null(pool->vm_class), "template",
			 render_text_or_null(template_name(pool)), "replicas",
			 render_number_or_null(pool->has_replicas, pool->replicas), "gpusPerNode",
			 render_number_or_null(p->has_gpus && !p->none_known, p->need.gpus), "gpus",
			 cards_tree(p->cards, p->n_cards), "requiredMMIOGB",
			 render_number_or_null(p->has_required, p->need.required_gb), "mmioGB",
			 render_number_or_null(p->has_window && p->window_is_known, p->window.gb));
}

json_t *render_pool_tree(const struct np_plan_pool *p)
{
	const struct np_plan_capacity *c = &p->capacity;
	json_t *tree = bare_pool_tree(p), *capacity;

	if (!c->is_known)
		return tree;
	capacity = json_pack("{s:I, s:o}", "capableHosts", (json_int_t)c->capable_hosts, "fitNow",
			     render_number_or_null(c->has_fit, c->fit_now));
	if (json_object_set_new(tree, "capacity", capacity) < 0) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

static json_t *class_notes(const struct np_plan_class *c)
{
	json_t *list = json_array();

	if (c->class)
		render_tree_push_warnings(&list, &c->class->warnings);
	render_tree_push_warnings(&list, &c->warnings);
	render_tree_push_warnings(&list, &c->change.warnings);
	return list;
}

static json_t *pool_names(const struct np_plan *plan, const struct np_plan_class *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_pools; i++)
		render_tree_push(&list, json_string(plan->pools[c->pools[i]].pool->name));
	return list;
}

/* Passthrough functions other than GPUs: listed, not counted; null is a function without IDs. */
static json_t *other_devices(const struct np_plan_class *c)
{
	json_t *list = json_array();
	char id[NP_PCI_ID_MAX];

	for (size_t i = 0; c->class && i < c->class->devices.n; i++) {
		const struct np_device *d = &c->class->devices.items[i];

		np_gpu_pci_id_format(d->id, id);
		if (d->pci_class == NP_PCI_OTHER)
			render_tree_push(&list, render_text_or_null(d->has_id ? id : NULL));
	}
	return list;
}

/* Returns the patch; of a class of vCenter the body of the PATCH, {} where there is none to send. */
static json_t *patch_tree(const struct np_plan_class *c)
{
	json_t *now = NULL, *body = NULL;
	struct np_err ignored = NP_ERR_INIT;

	if (!c->class || !np_vmclass_vcenter_info(c->class->node.json))
		return json_incref(c->change.patch);
	if (np_vmclass_vcenter_bodies(c->class, &c->change, &now, &body, &ignored) < 0)
		return NULL;
	if (json_equal(now, body)) {
		json_decref(body);
		body = json_object();
	}
	json_decref(now);
	return body;
}

json_t *render_overhead_tree(const struct np_plan_class *c)
{
	return c->has_overhead ? json_real(c->overhead_mb) : json_null();
}

json_t *render_class_tree(const struct np_plan *plan, const struct np_plan_class *c)
{
	bool known = !!c->class;

	return json_pack(
		"{s:s, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}",
		"api", plan->api, "namespace", render_text_or_null(c->ns), "name",
		c->name ? c->name : "", "found", c->found, "pools", pool_names(plan, c), "gpus",
		render_number_or_null(known && c->has_gpus && !c->none_known, c->gpus),
		"otherDevices", other_devices(c), "mmioGB",
		render_number_or_null(known && c->change.has_window, c->change.window_gb),
		"firmware", render_text_or_null(c->change.firmware), "memoryReservation",
		render_text_or_null(c->change.reservation), "overheadMB", render_overhead_tree(c),
		"overheadEstimateMB", render_overhead_tree(c), "changed",
		json_object_size(c->change.patch) > 0, "changes", render_changes_tree(&c->change),
		"patch", patch_tree(c), "warnings", class_notes(c));
}

static json_t *errors_tree(const struct np_plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->n_errors; i++)
		render_tree_push(&list, np_json_err(&plan->errors[i]));
	return list;
}

json_t *render_plan_frame_take(const struct np_plan *plan, json_t *pools, json_t *classes)
{
	json_t *warnings = json_array();

	render_tree_push_warnings(&warnings, &plan->warnings);
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "apiVersion", API_VERSION, "kind",
			 "Plan", "pools", pools, "classes", classes, "templates",
			 render_templates_tree(plan), "warnings", warnings, "errors",
			 errors_tree(plan));
}

json_t *np_render_plan_tree(const struct np_plan *plan)
{
	json_t *pools = json_array(), *classes = json_array();

	for (size_t i = 0; i < plan->n_pools; i++)
		render_tree_push(&pools, render_pool_tree(&plan->pools[i]));
	for (size_t i = 0; i < plan->n_classes; i++)
		render_tree_push(&classes, render_class_tree(plan, &plan->classes[i]));
	return render_plan_frame_take(plan, pools, classes);
}

int np_render_object(const json_t *object, char **ret, struct np_err *err)
{
	json_auto_t *copy = json_deep_copy(object);

	if (!copy)
		return np_fail_nomem(err);
	json_object_del(json_object_get(copy, "metadata"), "managedFields");
	return np_doc_dump_yaml(copy, true, ret, err);
}
