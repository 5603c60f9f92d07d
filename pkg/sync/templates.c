/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/sync.h"

#define TEMPLATE_PLURAL "vspheremachinetemplates"
#define DEPLOYMENT_GROUP "cluster.x-k8s.io"
#define DEPLOYMENT_PLURAL "machinedeployments"
static const char created[] = "created", patched[] = "patched", unchanged[] = "unchanged",
		  failed[] = "failed";

/* The run: what was discovered, and what came of it so far. */
struct run {
	struct np_kube *k;
	const struct np_plan *plan;
	enum np_dry_run dry_run;
	struct np_sync_objects objects;
};

void np_sync_objects_done(struct np_sync_objects *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->items[i].ns);
		free(o->items[i].name);
	}
	free(o->items);
	*o = (struct np_sync_objects){ 0 };
}

static void run_done(struct run *r)
{
	np_sync_objects_done(&r->objects);
}

static struct np_sync_object *push(struct run *r, const char *kind, const char *ns,
				   const char *name)
{
	struct np_sync_objects *o = &r->objects;
	struct np_sync_object *items = reallocarray(o->items, o->n + 1, sizeof(*items));

	if (!items)
		return NULL;
	o->items = items;
	items[o->n] = (struct np_sync_object){
		.kind = kind, .ns = strdup(ns), .name = strdup(name), .result = unchanged
	};
	o->n++;
	return items[o->n - 1].ns && items[o->n - 1].name ? &items[o->n - 1] : NULL;
}

static void fail(struct np_sync_object *object, const struct np_err *why)
{
	object->result = failed;
	object->error = *why;
}

static int discover(struct run *r, const char *group, const char *plural,
		    struct np_kube_resource *ret, struct np_err *err)
{
	return np_kube_discover(r->k, group, plural, ret, err);
}

/* --- templates -------------------------------------------------------------------------------- */

/* The name holds a hash of the spec: an existing one must be the same, whichever client made it. */
static int check_same(const json_t *there, const json_t *wanted, const char *name,
		      struct np_err *err)
{
	const json_t *a = json_object_get(json_object_get(there, "spec"), "template");
	const json_t *b = json_object_get(json_object_get(wanted, "spec"), "template");
	const json_t *have = json_object_get(a, "spec"), *want = json_object_get(b, "spec");
	const char *key;
	json_t *value;

	/* The server fills in defaults, so that it may hold more. */
	json_object_foreach (np_json_mut(want), key, value) {
		if (!json_equal(json_object_get(have, key), value))
			return np_fail(err, NP_E_REFUSED,
				       "VSphereMachineTemplate '%s' is there already and differs "
				       "in spec.template.spec.%s: rename or remove it",
				       name, key);
	}
	return 0;
}

static int create_template(struct run *r, const struct np_plan_template *t,
			   const struct np_kube_resource *resource, struct np_sync_object *object,
			   struct np_err *err)
{
	const char *name = np_plan_template_new_name(t);
	const struct np_kube_create create = { .body = t->replacement,
					       .dry_run = r->dry_run == NP_DRY_RUN_SERVER };
	json_auto_t *there = NULL;
	struct np_err why = NP_ERR_INIT;

	if (np_kube_get(r->k, resource, t->ns, name, &there, &why) == 0)
		return check_same(there, t->replacement, name, err);
	if (why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_err_ret(err);
	}
	object->result = created;
	if (r->dry_run == NP_DRY_RUN_CLIENT)
		return 0;
	if (np_kube_create(r->k, resource, t->ns, &create, &there, &why) == 0)
		return 0;
	/* Another run was faster. */
	if (why.code == NP_E_CONFLICT &&
	    np_kube_get(r->k, resource, t->ns, name, &there, &why) == 0) {
		object->result = unchanged;
		return check_same(there, t->replacement, name, err);
	}
	*err = why;
	return np_err_ret(err);
}

/* The version is that of the manifest: what it says is said in that version's words. */
static int find_resource(struct run *r, const struct np_plan_template *t,
			 struct np_kube_resource *ret, struct np_err *err)
{
	const char *api = json_string_value(json_object_get(t->replacement, "apiVersion"));
	const char *slash = api ? strchr(api, '/') : NULL;

	if (discover(r, t->template->group, TEMPLATE_PLURAL, ret, err) < 0)
		return np_err_ret(err);
	if (slash)
		snprintf(ret->version, sizeof(ret->version), "%s", slash + 1);
	return 0;
}

/* --- references ------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *const *path)
{
	for (; *path; path++)
		object = json_object_get(object, *path);
	return json_string_value(object);
}

/* A MachineDeployment that is to name a template. */
struct reference {
	const struct np_pool *pool;
	const char *name; /* of the template */
};

/* Computes the patch of the reference; none where it is up to date. */
static int mutate_reference(void *ctx, const json_t *deployment, json_t **ret_patch,
			    struct np_err *err)
{
	static const char *const label[] = { "metadata", "labels", NP_TOPOLOGY_LABEL, NULL };
	static const char *const path[] = { "spec", "template", "spec", "infrastructureRef",
					    "name", NULL };
	const struct reference *r = ctx;
	const char *now = text_at(deployment, path);

	if (now && strcmp(now, r->name) == 0)
		return 0;
	if (json_object_get(json_object_get(json_object_get(deployment, "metadata"), "labels"),
			    label[2]))
		return np_fail(err, NP_E_REFUSED,
			       "a Cluster's topology owns it and would undo the change: change the "
			       "Cluster's variables");
	if (!now || strcmp(now, r->pool->template_name) != 0)
		return np_fail(err, NP_E_REFUSED,
			       "it names template '%s', and not '%s' as in %s: read it again",
			       now ? now : "", r->pool->template_name, r->pool->source.file);
	*ret_patch = json_pack("{s:{s:{s:{s:{s:s}}}}}", "spec", "template", "spec",
			       "infrastructureRef", "name", r->name);
	return *ret_patch ? 0 : np_fail_nomem(err);
}

static int patch_reference(struct run *r, const struct np_pool *pool, const char *name,
			   struct np_sync_object *object, struct np_err *err)
{
	struct reference reference = { pool, name };
	struct np_kube_resource resource;
	const struct np_kube_update how = { .resource = &resource,
					    .ns = pool->ns,
					    .name = pool->source.name,
					    .mutate = mutate_reference,
					    .ctx = &reference,
					    .dry_run = r->dry_run };
	NP_AUTO(np_kube_updated_done) struct np_kube_updated done = { 0 };

	if (discover(r, DEPLOYMENT_GROUP, DEPLOYMENT_PLURAL, &resource, err) < 0 ||
	    np_kube_update(r->k, &how, &done, err) < 0)
		return np_err_ret(err);
	if (done.changed)
		object->result = patched;
	return 0;
}

static int apply_reference(struct run *r, const struct np_plan_template *t, size_t pool_index,
			   const struct np_err *template_error, struct np_err *err)
{
	const struct np_pool *pool = r->plan->pools[pool_index].pool;
	struct np_sync_object *object;
	struct np_err why = NP_ERR_INIT;

	if (!pool->doc)
		return 0;
	object = push(r, "MachineDeployment", pool->ns, pool->source.name);
	if (!object)
		return np_fail_nomem(err);
	object->pool = pool;
	if (template_error->code != NP_OK) {
		np_fail(&why, template_error->code, "its new template '%s' is not there",
			np_plan_template_new_name(t));
		fail(object, &why);
	} else if (patch_reference(r, pool, np_plan_template_new_name(t), object, &why) < 0) {
		fail(object, &why);
	}
	return 0;
}

/* --- all -------------------------------------------------------------------------------------- */

static bool is_wanted(const struct run *r, const struct np_plan_template *t)
{
	for (size_t i = 0; i < t->n_pools; i++)
		if (!np_plan_is_of_topology(r->plan->pools[t->pools[i]].pool))
			return !!np_plan_template_new_name(t);
	return false;
}

static int apply_template(struct run *r, const struct np_plan_template *t, struct np_err *err)
{
	struct np_sync_object *object =
		push(r, "VSphereMachineTemplate", t->ns, np_plan_template_new_name(t));
	struct np_kube_resource resource;
	struct np_err why = NP_ERR_INIT;

	if (!object)
		return np_fail_nomem(err);
	if (find_resource(r, t, &resource, &why) < 0 ||
	    create_template(r, t, &resource, object, &why) < 0)
		fail(object, &why);
	for (size_t i = 0; i < t->n_pools; i++)
		if (apply_reference(r, t, t->pools[i], &why, err) < 0)
			return np_err_ret(err);
	return 0;
}

int np_sync_templates(struct np_kube *k, const struct np_plan *plan, enum np_dry_run dry_run,
		      struct np_sync_objects *ret, struct np_err *err)
{
	NP_AUTO(run_done) struct run r = { .k = k, .plan = plan, .dry_run = dry_run };

	for (size_t i = 0; i < plan->n_templates; i++) {
		const struct np_plan_template *t = &plan->templates[i];

		if (is_wanted(&r, t) && apply_template(&r, t, err) < 0)
			return np_err_ret(err);
	}
	*ret = r.objects;
	r.objects = (struct np_sync_objects){ 0 };
	return 0;
}

enum np_code np_sync_objects_code(const struct np_sync_objects *o)
{
	enum np_code worst = NP_OK;

	for (size_t i = 0; i < o->n; i++)
		worst = np_code_worse(worst, o->items[i].error.code);
	return worst;
}

static int add_object(json_t *list, json_t *errors, const struct np_sync_object *object)
{
	json_t *item = json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", object->kind, "namespace",
				 object->ns, "name", object->name, "result", object->result,
				 "error", np_json_err(&object->error));

	if (json_array_append_new(list, item) < 0)
		return -1;
	return object->error.code == NP_OK
		       ? 0
		       : json_array_append_new(errors, np_json_err(&object->error));
}

int np_sync_objects_add(json_t *tree, const struct np_sync_objects *o)
{
	json_t *list = json_array();

	if (json_object_set_new(tree, "objects", list) < 0)
		return -1;
	for (size_t i = 0; i < o->n; i++)
		if (add_object(list, json_object_get(tree, "errors"), &o->items[i]) < 0)
			return -1;
	return 0;
}
