/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/warnings.h"

/* A reference as both versions write it; the texts are borrowed, the group may be cut off a version. */
struct reference {
	const char *kind, *name, *ns;
	char group[256];
};

/* v1beta1 has `apiVersion`, v1beta2 `apiGroup`. */
static int read_group(struct np_val ref, struct reference *r, struct np_err *err)
{
	const char *text = NULL;
	size_t n;

	if (np_doc_string(np_doc_get(ref, "apiGroup"), &text, err) < 0)
		return np_err_ret(err);
	if (!text && np_doc_string(np_doc_get(ref, "apiVersion"), &text, err) < 0)
		return np_err_ret(err);
	n = text ? strcspn(text, "/") : 0;
	if (n >= sizeof(r->group))
		return np_doc_fail(ref, err, NP_E_SPEC, "'%.32s...' is too long to be an API group",
				   text);
	if (n > 0)
		memcpy(r->group, text, n);
	r->group[n] = '\0';
	return 0;
}

static int read_reference(struct np_val ref, struct reference *r, struct np_err *err)
{
	if (np_doc_object(ref, err) < 0 || read_group(ref, r, err) < 0 ||
	    np_doc_string(np_doc_get(ref, "kind"), &r->kind, err) < 0 ||
	    np_doc_string(np_doc_get(ref, "name"), &r->name, err) < 0 ||
	    np_doc_string(np_doc_get(ref, "namespace"), &r->ns, err) < 0)
		return np_err_ret(err);
	return 0;
}

static bool is_template(const struct reference *r)
{
	return r->kind && strcmp(r->kind, NP_TEMPLATE_KIND) == 0 &&
	       (strcmp(r->group, NP_CAPV_GROUP) == 0 || strcmp(r->group, NP_SUPERVISOR_GROUP) == 0);
}

/* Reads "0", "0%" and 0 as no surge; any other value as a surge. */
static bool is_zero(struct np_val n)
{
	const char *text = json_string_value(n.json);

	if (!text)
		return json_is_integer(n.json) && json_integer_value(n.json) == 0;
	return strcmp(text, "0") == 0 || strcmp(text, "0%") == 0;
}

/* Keeps the text for messages; drops one that is too long. */
static void keep_surge(struct np_val n, struct np_pool *pool)
{
	char text[NP_DOC_TEXT_MAX] = "1";

	if (np_doc_is_present(n))
		np_doc_text(n, text);
	if (strlen(text) < sizeof(pool->max_surge))
		memcpy(pool->max_surge, text, strlen(text) + 1);
}

int pool_read_rollout(struct np_val strategy, struct np_pool *pool, struct np_err *err)
{
	struct np_val surge;
	const char *type = "RollingUpdate";

	if (np_doc_path(strategy, "rollingUpdate.maxSurge", &surge, err) < 0 ||
	    np_doc_string(np_doc_get(strategy, "type"), &type, err) < 0)
		return np_err_ret(err);
	keep_surge(surge, pool);
	if (strcmp(type, "OnDelete") == 0)
		pool->rollout = NP_ROLLOUT_ON_DELETE;
	else if (strcmp(type, "RollingUpdate") == 0)
		pool->rollout = is_zero(surge) ? NP_ROLLOUT_NO_SURGE : NP_ROLLOUT_SURGE;
	return 0;
}

/* v1beta1 has `strategy`, v1beta2 `rollout.strategy`. */
static int read_rollout(struct np_val spec, struct np_pool *pool, struct np_err *err)
{
	struct np_val strategy;

	if (np_doc_path(spec, "rollout.strategy", &strategy, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(strategy))
		strategy = np_doc_get(spec, "strategy");
	return pool_read_rollout(strategy, pool, err);
}

static int read_cluster(struct np_val n, struct np_pool *pool, struct np_err *err)
{
	const char *name = NULL;

	if (np_doc_is_present(n) && pool_read_name(n, "spec.clusterName", &name, err) < 0)
		return np_err_ret(err);
	if (name && np_pool_is_placeholder(name))
		pool->has_placeholder = pool_note_placeholder(&pool->placeholder, n, NULL);
	return pool_copy_text(&pool->cluster, name, err);
}

static int set_template(const struct pool_object *o, const struct reference *r, struct np_val ref,
			struct np_pool *pool, struct np_err *err)
{
	const char *name;

	if (!is_template(r))
		return 0;
	if (pool_read_name(np_doc_get(ref, "name"), "infrastructureRef.name", &name, err) < 0 ||
	    pool_copy_text(&pool->template_group, r->group, err) < 0 ||
	    pool_copy_text(&pool->template_ns, r->ns && *r->ns ? r->ns : o->ns, err) < 0 ||
	    pool_copy_text(&pool->template_name, name, err) < 0)
		return np_err_ret(err);
	pool->has_template = true;
	pool->template_index = SIZE_MAX;
	pool->doc = np_doc_ref(o->doc);
	pool->node = o->root;
	return 0;
}

static int note_topology(struct np_val metadata, struct np_pool *pool, struct np_err *err)
{
	struct np_val labels = np_doc_get(metadata, "labels");

	if (np_doc_object(labels, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(np_doc_get(labels, NP_TOPOLOGY_LABEL)))
		return 0;
	return np_warnings_add(
		&pool->warnings, err, NP_WARNING_TOPOLOGY_OWNED,
		"a Cluster's topology owns the MachineDeployment and would undo a change "
		"of it: change the Cluster's variables");
}

static int add_pool(const struct pool_object *o, const struct reference *r, struct np_val ref,
		    struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	struct np_val metadata = np_doc_get(o->root, "metadata");
	struct np_val spec = np_doc_get(o->root, "spec");

	if (pool_init(o, o->root.pos, o->name, &pool, err) < 0 ||
	    read_cluster(np_doc_get(spec, "clusterName"), &pool, err) < 0 ||
	    set_template(o, r, ref, &pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(spec, "replicas"), &pool, err) < 0 ||
	    read_rollout(spec, &pool, err) < 0 ||
	    pool_read_deployment_metadata(o, metadata, &pool, err) < 0 ||
	    note_topology(metadata, &pool, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(o->in, &pool, err);
}

int pool_add_machine_deployment(const struct pool_object *o, struct np_err *err)
{
	struct reference r = { 0 };
	struct np_val ref;

	if (np_doc_path(o->root, "spec.template.spec.infrastructureRef", &ref, err) < 0 ||
	    read_reference(ref, &r, err) < 0)
		return np_err_ret(err);
	/* Other clouds have MachineDeployments too; a word to us makes one ours. */
	if (!is_template(&r) && !pool_has_our_annotation(np_doc_get(o->root, "metadata")))
		return pool_skip_object(o, "of another cloud", err);
	return add_pool(o, &r, ref, err);
}

/* The control plane is not a worker: its template must not become a pool. */
int pool_add_control_plane(const struct pool_object *o, struct np_err *err)
{
	static const char *const paths[] = {
		"spec.machineTemplate.infrastructureRef",
		"spec.machineTemplate.spec.infrastructureRef",
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct reference r = { 0 };
		struct np_val ref;
		size_t number;

		if (np_doc_path(o->root, paths[i], &ref, err) < 0 ||
		    read_reference(ref, &r, err) < 0)
			return np_err_ret(err);
		if (!is_template(&r) || !r.name)
			continue;
		if (np_index_enter(&o->in->control_planes,
				   NP_KEY(r.group, r.ns && *r.ns ? r.ns : o->ns, r.name), i,
				   &number, err) < 0)
			return np_err_ret(err);
	}
	return pool_input_skip(o->in, o->kind, err);
}
