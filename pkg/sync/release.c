/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/warnings.h"

/* "NAMESPACE/NAME" of a class. */
#define NAME_MAX_TEXT 600

static void class_done(struct np_release_class *c)
{
	free(c->ns);
	free(c->name);
	np_warnings_done(&c->warnings);
}

void np_sync_release_done(struct np_release *release)
{
	for (size_t i = 0; i < release->n; i++)
		class_done(&release->classes[i]);
	free(release->classes);
	np_warnings_done(&release->warnings);
	*release = (struct np_release){ 0 };
}

enum np_code np_sync_release_code(const struct np_release *release)
{
	enum np_code worst = NP_OK;

	for (size_t i = 0; i < release->n; i++)
		worst = np_code_worse(worst, release->classes[i].error.code);
	return worst;
}

/* --- search ---------------------------------------------------------------------------------- */

/* A search under way: classes are kept until all are found, for a list's pages grow old. */
struct search {
	struct np_class_store *store;
	const struct np_release_scope *scope;
	json_t *seen; /* {"NAMESPACE/NAME": true} */
	json_t *held; /* list of objects */
	struct np_warnings *warnings;
};

static void search_done(struct search *s)
{
	json_decref(s->seen);
	json_decref(s->held);
}

/* Writes the class's "NAMESPACE/NAME". */
static void write_name(const json_t *object, char *buf, size_t size)
{
	const char *ns = np_json_meta_text(object, "namespace"),
		   *name = np_json_meta_text(object, "name");

	snprintf(buf, size, "%s%s%s", ns ? ns : "", ns ? "/" : "", name ? name : "");
}

static bool is_same(const char *a, const char *b)
{
	return !a || !b || strcmp(a, b) == 0;
}

/* Tells whether one of the pools uses the class. */
static bool is_named(const struct search *s, const char *ns, const char *name)
{
	for (size_t i = 0; s->scope->in && i < s->scope->in->n_pools; i++) {
		const struct np_pool *p = &s->scope->in->pools[i];

		if (p->vm_class && name && strcmp(p->vm_class, name) == 0 && is_same(p->ns, ns))
			return true;
	}
	return false;
}

/* A class that the pools use fails; of any other class it is only a warning. */
static int warn_invalid(struct search *s, json_t *object, const struct np_err *why,
			struct np_err *err)
{
	char name[NAME_MAX_TEXT];

	if (is_named(s, np_json_meta_text(object, "namespace"), np_json_meta_text(object, "name")))
		return json_array_append(s->held, object) < 0 ? np_fail_nomem(err) : 0;
	write_name(object, name, sizeof(name));
	return np_warnings_add(s->warnings, err, NP_WARNING_INVALID_RECORD,
			       "VirtualMachineClass '%s': %s", name, why->text);
}

/* A list that starts over, or two pools of one class, show a class twice. */
static int visit(void *ctx, json_t *object, struct np_err *err)
{
	struct search *s = ctx;
	struct np_err why = NP_ERR_INIT;
	char name[NAME_MAX_TEXT];
	int held;

	write_name(object, name, sizeof(name));
	if (json_object_get(s->seen, name))
		return 0;
	held = np_vmclass_is_held(object, s->scope->releases, s->scope->ctx, &why);
	if (held == 0)
		return 0;
	if ((held < 0 && why.code == NP_E_NOMEM) ||
	    json_object_set_new(s->seen, name, json_true()) < 0)
		return np_fail_nomem(err);
	if (held < 0)
		return warn_invalid(s, object, &why, err);
	return json_array_append(s->held, object) < 0 ? np_fail_nomem(err) : 0;
}

static int get_one(struct search *s, const struct np_pool *pool, struct np_err *err)
{
	json_auto_t *object = NULL;
	struct np_kube_item item = { .ns = pool->ns, .name = pool->vm_class };

	if (s->store->kind->get_many(s->store, &item, 1, err) < 0)
		return np_err_ret(err);
	object = item.object;
	if (object)
		return visit(s, object, err);
	if (item.error.code == NP_E_NOT_FOUND)
		return 0;
	*err = item.error;
	return np_err_ret(err);
}

static bool is_in(const struct np_pool *pool, const char *ns)
{
	if (!pool->vm_class || !pool->ns || np_pool_is_placeholder(pool->vm_class) ||
	    np_pool_is_placeholder(pool->ns))
		return false;
	return !ns || strcmp(pool->ns, ns) == 0;
}

/* Reads the classes that the pools name in the namespace (NULL: any), which may not be listed. */
static int get_named(struct search *s, const char *ns, const struct np_err *why, struct np_err *err)
{
	const struct np_input *in = s->scope->in;

	if (!in) {
		*err = *why;
		return np_err_ret(err);
	}
	for (size_t i = 0; i < in->n_pools; i++)
		if (is_in(&in->pools[i], ns) && get_one(s, &in->pools[i], err) < 0)
			return np_err_ret(err);
	return np_warnings_add(s->warnings, err, NP_WARNING_LIST_FORBIDDEN,
			       "%s: nodeprep reads only the classes that the pools name",
			       why->text);
}

static int search_namespace(struct search *s, const char *ns, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (s->store->kind->list(s->store, ns, visit, s, &why) == 0)
		return 0;
	if (why.code == NP_E_FORBIDDEN)
		return get_named(s, ns, &why, err);
	*err = why;
	return np_err_ret(err);
}

static int search_namespaces(struct search *s, struct np_err *err)
{
	for (size_t i = 0; i < s->scope->n_namespaces; i++)
		if (search_namespace(s, s->scope->namespaces[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static int search_all(struct search *s, struct np_err *err)
{
	bool has_namespaces = s->store->resource.namespaced && s->scope->n_namespaces > 0;
	struct np_err why = NP_ERR_INIT;

	if (!has_namespaces)
		return search_namespace(s, NULL, err);
	if (!s->scope->all_namespaces)
		return search_namespaces(s, err);
	if (s->store->kind->list(s->store, NULL, visit, s, &why) == 0)
		return 0;
	if (why.code == NP_E_FORBIDDEN)
		return search_namespaces(s, err);
	*err = why;
	return np_err_ret(err);
}

/* --- one class ------------------------------------------------------------------------------- */

/* Computes the change that releases their registrations from `object`. */
static int make_change(const struct search *s, const json_t *object, struct np_change *ret,
		       struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = NULL;
	const char *ns = np_json_meta_text(object, "namespace"),
		   *name = np_json_meta_text(object, "name");
	char label[SYNC_LABEL_MAX];

	sync_label(s->store, ns, name ? name : "", label);
	if (np_doc_new_take(label, np_json_ref(object), &doc, err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), s->scope->catalogue, &c, err) < 0)
		return np_err_ret(err);
	return np_vmclass_release(c, s->scope->releases, s->scope->ctx, ret, err);
}

static int name_class(struct np_release_class *c, const json_t *object, struct np_err *err)
{
	const char *ns = np_json_meta_text(object, "namespace"),
		   *name = np_json_meta_text(object, "name");

	c->ns = ns ? strdup(ns) : NULL;
	c->name = strdup(name ? name : "");
	return (ns && !c->ns) || !c->name ? np_fail_nomem(err) : 0;
}

/* The classes that were found while they are released. */
struct releases {
	const struct search *s;
	struct np_release *release;
	struct np_err error; /* where memory ran out */
};

/* A class that is released, and what came of it. */
struct releasing {
	const struct search *s;
	struct np_release_class *result;
};

static int mutate(void *ctx, const json_t *object, json_t **ret_patch, struct np_err *err)
{
	struct releasing *r = ctx;
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };

	if (make_change(r->s, object, &change, err) < 0)
		return np_err_ret(err);
	np_warnings_done(&r->result->warnings);
	r->result->warnings = change.warnings;
	change.warnings = (struct np_warnings){ 0 };
	*ret_patch = json_incref(change.patch);
	return 0;
}

static bool next_class(void *ctx, struct sync_update *ret)
{
	struct releases *all = ctx;
	struct np_release *release = all->release;
	const json_t *object = json_array_get(all->s->held, release->n);
	struct np_release_class *c = &release->classes[release->n];
	struct releasing *r = object ? calloc(1, sizeof(*r)) : NULL;

	if (!object)
		return false;
	release->n++;
	if (!r || name_class(c, object, &all->error) < 0) {
		free(r);
		np_fail_nomem(&all->error);
		return false;
	}
	*r = (struct releasing){ all->s, c };
	*ret = (struct sync_update){ .ns = c->ns,
				     .name = c->name,
				     .object = object,
				     .mutate = mutate,
				     .ctx = r,
				     .dry_run = all->s->scope->dry_run ? NP_DRY_RUN_CLIENT
								       : NP_DRY_RUN_NONE };
	return true;
}

/* A class that is gone meanwhile holds no registration any more. */
static void end_class(void *ctx, const struct sync_update *how, struct sync_updated *u,
		      const struct np_err *error)
{
	struct releases *all = ctx;
	NP_AUTO(np_freep) struct releasing *r = how->ctx;
	struct np_release_class *c = r->result;

	c->attempts = u->done.attempts;
	if (error->code == NP_OK)
		c->result = u->done.changed ? NP_SYNC_PATCHED : NP_SYNC_UNCHANGED;
	else if (error->code != NP_E_NOT_FOUND)
		c->error = *error;
	if (sync_warnings_move(&c->warnings, &u->warnings, &all->error) < 0)
		c->error = all->error;
	if (c->error.code != NP_OK)
		c->result = NP_SYNC_FAILED;
}

static int release_all(const struct search *s, struct np_release *release, struct np_err *err)
{
	struct releases all = { .s = s, .release = release };
	const struct sync_updates updates = {
		.most = s->scope->parallel, .next = next_class, .done = end_class, .ctx = &all
	};

	release->classes = calloc(json_array_size(s->held) + 1, sizeof(*release->classes));
	if (!release->classes)
		return np_fail_nomem(err);
	if (s->store->kind->update_many(s->store, &updates, err) < 0)
		return np_err_ret(err);
	if (all.error.code == NP_OK)
		return 0;
	*err = all.error;
	return np_err_ret(err);
}

/* Discovers the API: returns 0 with a warning where there is none. */
static int discover(struct search *s, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (sync_open(s->store, &why) == 0)
		return 1;
	if (why.code == NP_E_NOT_FOUND)
		return np_warnings_add(s->warnings, err, NP_WARNING_API_MISSING,
				       "%s: there is nothing to release", why.text);
	*err = why;
	return np_err_ret(err);
}

int np_sync_release(struct np_class_store *store, const struct np_release_scope *scope,
		    struct np_release *ret, struct np_err *err)
{
	NP_AUTO(np_sync_release_done) struct np_release release = { 0 };
	NP_AUTO(search_done)
	struct search s = {
		.store = store, .scope = scope, .seen = json_object(), .held = json_array()
	};
	int found;

	s.warnings = &release.warnings;
	if (!s.seen || !s.held)
		return np_fail_nomem(err);
	found = discover(&s, err);
	if (found < 0 ||
	    (found > 0 && (search_all(&s, err) < 0 || release_all(&s, &release, err) < 0)))
		return np_err_ret(err);
	*ret = release;
	release = (struct np_release){ 0 };
	return 0;
}
