/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/text.h"

/* What apply would put in place of templates, as text that kubectl apply takes. */
static int put_objects(const json_t *list, struct np_err *err)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		NP_AUTO(np_freep) char *text = NULL;

		if (np_doc_dump_yaml(json_array_get(list, i), false, &text, err) < 0 ||
		    put("---\n", err) < 0 || put(text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static bool is_flat(const struct np_plan_template *t)
{
	return t->template && t->template->kind == NP_TEMPLATE_FLAT && t->change.n > 0;
}

/* Returns the bytes of the input that was kept under that name; NULL where it is not. */
static const struct kept_file *find_kept(const struct work *w, const char *name)
{
	for (size_t i = 0; i < w->n_kept; i++)
		if (strcmp(w->kept[i].name, name) == 0)
			return &w->kept[i];
	return NULL;
}

/* A flat file is nobody's object: its own text comes back, with the values that were wrong changed. */
static int put_flat(const struct work *w, const struct np_plan_template *t, struct np_err *err)
{
	const char *name = t->template->source.file;
	const struct kept_file *file = find_kept(w, name);
	NP_AUTO(np_freep) char *text = NULL;
	size_t size = file ? file->size : 0;

	if (!file)
		return np_fail(err, NP_E_BUG, "the text of '%s' was not kept", name);
	text = strndup(file->bytes, file->size);
	for (size_t i = 0; i < t->change.n; i++) {
		const struct np_change_item *item = &t->change.items[i];
		char *next = NULL;

		if (!text)
			return np_fail_nomem(err);
		if (np_doc_set_text(name, text, size, t->template->source.document, item->path + 1,
				    json_string_value(item->to), &next, &size, err) < 0)
			return np_err_ret(err);
		free(text);
		text = next;
	}
	return put(text, err);
}

int put_manifests(const struct work *w, bool *ret_any, struct np_err *err)
{
	json_auto_t *list = NULL;
	bool any = false;

	if (np_plan_manifests(&w->plan, &list, err) < 0 || put_objects(list, err) < 0)
		return np_err_ret(err);
	any = json_array_size(list) > 0;
	for (size_t i = 0; i < w->plan.n_templates; i++) {
		if (!is_flat(&w->plan.templates[i]))
			continue;
		if ((any && put("---\n", err) < 0) || put_flat(w, &w->plan.templates[i], err) < 0)
			return np_err_ret(err);
		any = true;
	}
	*ret_any = any;
	return 0;
}

static bool added_flat(const struct work *w, size_t n_before)
{
	for (size_t i = n_before; i < w->input.n_templates; i++)
		if (w->input.templates[i].kind == NP_TEMPLATE_FLAT)
			return true;
	return false;
}

int keep_flat_take(struct work *w, const char *name, size_t n_before, char **bytes, size_t size,
		   struct np_err *err)
{
	struct kept_file *kept;

	if (!added_flat(w, n_before))
		return 0;
	kept = reallocarray(w->kept, w->n_kept + 1, sizeof(*kept));
	if (!kept)
		return np_fail_nomem(err);
	w->kept = kept;
	w->kept[w->n_kept] = (struct kept_file){ strdup(name), np_take(*bytes), size };
	return w->kept[w->n_kept++].name ? 0 : np_fail_nomem(err);
}

void log_rollouts(const struct np_plan *plan)
{
	char text[NP_ROLLOUT_TEXT_MAX];

	for (size_t i = 0; i < plan->n_templates; i++) {
		const struct np_plan_template *t = &plan->templates[i];

		for (size_t p = 0; t->replacement && p < t->n_pools; p++) {
			const struct np_pool *pool = plan->pools[t->pools[p]].pool;

			if (!pool->doc || np_plan_is_of_topology(pool))
				continue;
			np_plan_rollout_text(pool, text);
			log_format(
				"info",
				"machinedeployment %s/%s: a new template rolls out its nodes: %s",
				pool->ns, pool->source.name, text);
		}
	}
}

static const char *group_of(const struct np_sync_object *object)
{
	return object->pool ? "machinedeployment.cluster.x-k8s.io"
			    : "vspheremachinetemplate.infrastructure.cluster.x-k8s.io";
}

int put_applied(const struct options *o, const struct np_sync_objects *objects, struct np_err *err)
{
	static const char *const dry_runs[] = {
		[NP_DRY_RUN_NONE] = "",
		[NP_DRY_RUN_CLIENT] = " (dry run)",
		[NP_DRY_RUN_SERVER] = " (server dry run)",
	};

	for (size_t i = 0; i < objects->n; i++) {
		const struct np_sync_object *object = &objects->items[i];

		if (object->error.code != NP_OK)
			continue;
		printf("%s/", group_of(object));
		np_text_write(stdout, object->name);
		printf(" %s%s\n", object->result,
		       strcmp(object->result, "unchanged") == 0 ? "" : dry_runs[o->dry_run]);
	}
	return put("", err);
}

void log_applied(const struct np_sync_objects *objects)
{
	char text[NP_ROLLOUT_TEXT_MAX];

	for (size_t i = 0; i < objects->n; i++) {
		const struct np_sync_object *object = &objects->items[i];

		if (object->error.code != NP_OK) {
			log_format("error", "%s %s/%s: %s", object->kind, object->ns, object->name,
				   object->error.text);
		} else if (object->pool && strcmp(object->result, "patched") == 0) {
			np_plan_rollout_text(object->pool, text);
			log_format("info", "machinedeployment %s/%s: its nodes are rolled out: %s",
				   object->ns, object->name, text);
		}
	}
}
