/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/hook.h"
#include "nodeprep/json.h"
#include "nodeprep/vmclass.h"

/*
 * lifecycle_fuzz - the lifecycle hooks beyond the connection: what the API server has of the Cluster, of
 * the classes and of the bindings is free. The first byte picks hook and server, the rest is
 * {"cluster": OBJECT, "classes": [OBJECT], "bindings": [OBJECT]}. This file stands in for the API
 * client, so that no byte crosses a socket. Whatever the objects say, there is a response; a refused
 * Cluster writes nothing; and a patch changes nodeprep's own fields, in the Cluster's namespace alone.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum fuzz_flag {
	FUZZ_KIND = 3, /* which of the hooks; from 2: the deletion */
	FUZZ_NO_LIST = 4, /* classes and bindings may not be listed */
	FUZZ_SHARED = 8, /* classes without namespaces */
	FUZZ_CONFLICT = 16, /* the first patch meets another writer */
	FUZZ_OPT_IN = 32,
};

/* The API server. */
static struct {
	const json_t *state;
	unsigned flags;
	size_t patches, conflicts;
} fuzz_server;

static struct np_catalogue *fuzz_cat;

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

/* --- the API client, as kube.h has it ---------------------------------------------------------- */

int np_kube_config_load(const struct np_kube_options *o, struct np_kube_config **ret,
			struct np_err *err)
{
	(void)o;
	(void)err;
	*ret = NULL;
	return 0;
}

int np_kube_new_take(struct np_kube_config *config, struct np_kube **ret, struct np_err *err)
{
	(void)config;
	(void)err;
	*ret = (struct np_kube *)(void *)&fuzz_server; /* any address */
	return 0;
}

void np_kube_free(struct np_kube *k)
{
	(void)k;
}

void np_kube_freep(struct np_kube **k)
{
	(void)k;
}

void np_kube_set_deadline(struct np_kube *k, uint64_t deadline_ms)
{
	(void)k;
	(void)deadline_ms;
}

int np_kube_pause(struct np_kube *k, uint64_t ms, struct np_err *err)
{
	(void)k;
	(void)ms;
	(void)err;
	return 0;
}

int np_kube_discover(struct np_kube *k, const char *group, const char *plural,
		     struct np_kube_resource *ret, struct np_err *err)
{
	bool is_shared = (fuzz_server.flags & FUZZ_SHARED) != 0;

	(void)k;
	(void)err;
	*ret = (struct np_kube_resource){
		.version = "v1", .namespaced = !is_shared || strcmp(plural, NP_VMCLASS_PLURAL) != 0
	};
	snprintf(ret->group, sizeof(ret->group), "%s", group);
	snprintf(ret->plural, sizeof(ret->plural), "%s", plural);
	return 0;
}

static const char *fuzz_meta(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

static const json_t *fuzz_list(const char *plural)
{
	const char *key = strcmp(plural, NP_VMCLASS_PLURAL) == 0 ? "classes" : "bindings";

	return json_object_get(fuzz_server.state, key);
}

static bool fuzz_is_in(const json_t *object, const struct np_kube_resource *r, const char *ns)
{
	const char *own = fuzz_meta(object, "namespace");

	return json_is_object(object) && (!r->namespaced || !ns || (own && strcmp(own, ns) == 0));
}

/* Returns the stored object, borrowed; NULL: none has the name. */
static json_t *fuzz_find(const struct np_kube_resource *r, const char *ns, const char *name)
{
	json_t *object;
	size_t i;

	if (strcmp(r->plural, "clusters") == 0) {
		object = json_object_get(fuzz_server.state, "cluster");
		return json_is_object(object) ? object : NULL;
	}
	json_array_foreach (fuzz_list(r->plural), i, object) {
		const char *own = fuzz_meta(object, "name");

		if (fuzz_is_in(object, r, ns) && own && strcmp(own, name) == 0)
			return object;
	}
	return NULL;
}

int np_kube_get(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		const char *name, json_t **ret, struct np_err *err)
{
	json_t *object = fuzz_find(r, ns, name);

	(void)k;
	if (!object)
		return np_fail(err, NP_E_NOT_FOUND, "%s '%s' not found", r->plural, name);
	*ret = json_deep_copy(object);
	return *ret ? 0 : np_fail_nomem(err);
}

int np_kube_get_many(struct np_kube *k, const struct np_kube_resource *r,
		     struct np_kube_item *items, size_t n, unsigned at_a_time, struct np_err *err)
{
	(void)at_a_time;
	(void)err;
	for (size_t i = 0; i < n; i++)
		np_kube_get(k, r, items[i].ns, items[i].name, &items[i].object, &items[i].error);
	return 0;
}

int np_kube_list(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		 unsigned limit, np_kube_each_fn *each, void *ctx, struct np_err *err)
{
	json_t *object;
	size_t i;

	(void)k;
	(void)limit;
	if ((fuzz_server.flags & FUZZ_NO_LIST) != 0)
		return np_fail(err, NP_E_FORBIDDEN, "the user may not list %s", r->plural);
	json_array_foreach (fuzz_list(r->plural), i, object)
		if (fuzz_is_in(object, r, ns) && each(ctx, object, err) < 0)
			return np_err_ret(err);
	return 0;
}

int np_kube_list_selected(struct np_kube *k, const struct np_kube_resource *r,
			  const struct np_kube_selection *s, np_kube_each_fn *each, void *ctx,
			  struct np_err *err)
{
	return np_kube_list(k, r, s->ns, s->limit, each, ctx, err);
}

int np_kube_create(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		   const struct np_kube_create *create, json_t **ret, struct np_err *err)
{
	(void)k;
	(void)ns;
	(void)create;
	(void)ret;
	return np_fail(err, NP_E_FORBIDDEN, "the user may not create %s", r->plural);
}

/* --- what a patch may do ----------------------------------------------------------------------- */

/* Requires that the object is null, or has no members but these. */
static void fuzz_has_only(const json_t *object, const char *const *names)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(object), key, value) {
		size_t i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		fuzz_require(!!names[i]);
	}
}

static void fuzz_check_patch(const json_t *patch)
{
	static const char *const top[] = { "metadata", "spec", NULL };
	static const char *const meta[] = { "annotations", "resourceVersion", NULL };
	static const char *const annotations[] = { NP_MANAGED_ANNOTATION, NULL };
	static const char *const spec[] = { "configSpec", "policies", NULL };
	static const char *const config[] = { "_typeName",
					      "deviceChange",
					      "extraConfig",
					      "firmware",
					      "memoryReservationLockedToMax",
					      NULL };
	static const char *const policies[] = { "resources", NULL };
	static const char *const resources[] = { "requests", NULL };
	static const char *const requests[] = { "memory", NULL };
	const json_t *m = json_object_get(patch, "metadata"), *s = json_object_get(patch, "spec");
	const json_t *p = json_object_get(s, "policies");
	const json_t *r = json_object_get(p, "resources");

	fuzz_has_only(patch, top);
	fuzz_has_only(m, meta);
	fuzz_has_only(json_object_get(m, "annotations"), annotations);
	fuzz_has_only(s, spec);
	fuzz_has_only(json_object_get(s, "configSpec"), config);
	fuzz_has_only(p, policies);
	fuzz_has_only(r, resources);
	fuzz_has_only(json_object_get(r, "requests"), requests);
}

/* A registration and the record that has to have it still. */
struct fuzz_kept {
	const json_t *record;
	bool is_deletion;
};

static bool fuzz_is_kept(void *ctx, const char *id, const char *holder)
{
	const struct fuzz_kept *kept = ctx;

	if (kept->is_deletion && strcmp(holder, "hook/c1") == 0 && strncmp(id, "ml/c1/", 6) == 0)
		return true;
	fuzz_require(np_vmclass_record_is_held(kept->record, id, holder));
	return true;
}

/* Nobody else's registration goes. */
static void fuzz_check_record(const json_t *before, const json_t *after)
{
	json_auto_t *old = NULL, *new = NULL;
	struct np_err err = NP_ERR_INIT;
	struct fuzz_kept kept = { .is_deletion = (fuzz_server.flags & 2) != 0 };

	fuzz_require(np_vmclass_record_read(before, &old, &err) >= 0);
	fuzz_require(np_vmclass_record_read(after, &new, &err) >= 0);
	kept.record = new;
	np_vmclass_record_each(old, fuzz_is_kept, &kept);
}

int np_kube_patch(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		  const char *name, const struct np_kube_patch *patch, json_t **ret,
		  struct np_err *err)
{
	const json_t *object = fuzz_find(r, ns, name);

	(void)k;
	fuzz_require(strcmp(r->plural, NP_VMCLASS_PLURAL) == 0 && object);
	fuzz_require(!r->namespaced || (ns && strcmp(ns, "ml") == 0));
	fuzz_check_patch(patch->body);
	if ((fuzz_server.flags & FUZZ_CONFLICT) != 0 && fuzz_server.conflicts++ == 0)
		return np_fail(err, NP_E_CONFLICT, "another writer");
	fuzz_server.patches++;
	*ret = np_vmclass_patched(object, patch->body);
	if (!*ret)
		return np_fail_nomem(err);
	fuzz_check_record(object, *ret);
	return 0;
}

/* One attempt; a conflict is met by reading again. */
static int fuzz_attempt(struct np_kube *k, const struct np_kube_update *how,
			struct np_kube_updated *u, struct np_err *err)
{
	json_auto_t *patch = NULL;
	struct np_kube_patch request = { .dry_run = false };
	json_t *stored = NULL;

	if (!u->object && np_kube_get(k, how->resource, how->ns, how->name, &u->object, err) < 0)
		return np_err_ret(err);
	if (how->mutate(how->ctx, u->object, &patch, err) < 0)
		return np_err_ret(err);
	u->changed = u->attempts > 0 || json_object_size(patch) > 0;
	if (json_object_size(patch) == 0)
		return 0;
	request.body = patch;
	u->attempts++;
	if (np_kube_patch(k, how->resource, how->ns, how->name, &request, &stored, err) < 0)
		return np_err_ret(err);
	json_decref(u->object);
	u->object = stored;
	return 0;
}

/* One after the other. */
int np_kube_update_many(struct np_kube *k, const struct np_kube_updates *all, struct np_err *err)
{
	struct np_kube_update how;

	(void)err;
	while (all->next(all->ctx, &how)) {
		struct np_kube_updated u = { .object = np_json_ref(how.object) };
		struct np_err why = NP_ERR_INIT;
		int r = fuzz_attempt(k, &how, &u, &why);

		if (r < 0 && why.code == NP_E_CONFLICT) {
			json_decref(u.object);
			u.object = NULL;
			why = (struct np_err)NP_ERR_INIT;
			(void)fuzz_attempt(k, &how, &u, &why);
		}
		all->done(all->ctx, &how, &u, &why);
		np_kube_updated_done(&u);
	}
	return 0;
}

/* --- the target -------------------------------------------------------------------------------- */

/* Tells whether the Cluster is the one of the request, in the state that the hook is for. */
static bool fuzz_is_meant(bool is_deletion)
{
	const json_t *cluster = json_object_get(fuzz_server.state, "cluster");
	const char *name = fuzz_meta(cluster, "name"), *ns = fuzz_meta(cluster, "namespace");
	const char *uid = fuzz_meta(cluster, "uid");

	return name && ns && uid && strcmp(name, "c1") == 0 && strcmp(ns, "ml") == 0 &&
	       strcmp(uid, "u") == 0 && is_deletion == !!fuzz_meta(cluster, "deletionTimestamp");
}

static void fuzz_call(enum np_hook_kind kind, const struct np_hook_options *o)
{
	static const char body[] = "{\"cluster\":{\"metadata\":{\"name\":\"c1\",\"namespace\":"
				   "\"ml\",\"uid\":\"u\"}}}";
	struct np_hook_answer a = { .body = NULL };
	struct np_err err = NP_ERR_INIT;
	json_auto_t *response = NULL;

	fuzz_server.patches = fuzz_server.conflicts = 0;
	fuzz_require(np_hook_call(o, kind, body, sizeof(body) - 1, &a, &err) == 0);
	response = json_loadb(a.body, a.size, JSON_REJECT_DUPLICATES, NULL);
	fuzz_require(json_is_object(response));
	if (!fuzz_is_meant(kind == NP_HOOK_BEFORE_CLUSTER_DELETE)) {
		fuzz_require(a.failed && fuzz_server.patches == 0);
		fuzz_require(strcmp(a.message, "the request is refused") == 0);
	}
	free(a.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum np_hook_kind kinds[] = { NP_HOOK_BEFORE_CLUSTER_CREATE,
						   NP_HOOK_BEFORE_WORKERS_UPGRADE,
						   NP_HOOK_BEFORE_CLUSTER_DELETE,
						   NP_HOOK_BEFORE_CLUSTER_DELETE };
	static const struct np_kube_options kube;
	struct np_hook_options o = { .kube = &kube, .timeout_ms = 10000 };
	json_auto_t *state = NULL;
	struct np_err err = NP_ERR_INIT;

	if (!fuzz_cat && np_gpu_catalogue_new(&fuzz_cat, &err) < 0)
		abort();
	if (size == 0)
		return 0;
	state = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(state))
		return 0;
	fuzz_server.state = state;
	fuzz_server.flags = data[0];
	o.catalogue = fuzz_cat;
	o.require_opt_in = (data[0] & FUZZ_OPT_IN) != 0;
	fuzz_call(kinds[data[0] & FUZZ_KIND], &o);
	return 0;
}
