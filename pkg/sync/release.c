/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/warnings.h"

static void class_done(struct np_release_class *c)
{
	free(c->ns);
	free(c->name);
	np_warnings_done(&c->warnings);
}

void np_sync_release_done(struct np_release *l)
{
	for (size_t i = 0; i < l->n; i++)
		class_done(&l->classes[i]);
	free(l->classes);
	np_warnings_done(&l->warnings);
	*l = (struct np_release){ 0 };
}

enum np_code np_sync_release_code(const struct np_release *l)
{
	enum np_code worst = NP_OK;

	for (size_t i = 0; i < l->n; i++)
		worst = np_code_worse(worst, l->classes[i].error.code);
	return worst;
}

/* A search under way: what is held is kept until all is found, for a list's pages grow old. */
struct search {
	struct np_kube *k;
	const struct np_release_options *o;
	struct np_kube_resource resource;
	json_t *held; /* list of objects */
	struct np_warnings *notes;
};

static void search_done(struct search *s)
{
	json_decref(s->held);
}

static bool is_same(const char *a, const char *b)
{
	return !a || !b || strcmp(a, b) == 0;
}

/* Tells whether one of the pools uses the class. */
static bool is_named(const struct search *s, const char *ns, const char *name)
{
	for (size_t i = 0; s->o->in && i < s->o->in->n_pools; i++) {
		const struct np_pool *p = &s->o->in->pools[i];

		if (p->vm_class && name && strcmp(p->vm_class, name) == 0 && is_same(p->ns, ns))
			return true;
	}
	return false;
}

/* A class that the pools use fails; any other is nobody's affair here, but is told. */
static int note_invalid(struct search *s, json_t *object, const struct np_err *why,
			struct np_err *err)
{
	const char *ns = np_json_meta_text(object, "namespace"),
		   *name = np_json_meta_text(object, "name");

	if (is_named(s, ns, name))
		return json_array_append(s->held, object) < 0 ? np_fail_nomem(err) : 0;
	return np_warnings_add(s->notes, err, NP_WARNING_INVALID_RECORD,
			       "class '%s%s%s': whether this attachment holds it is unknown: %s",
			       ns ? ns : "", ns ? "/" : "", name ? name : "", why->text);
}

static int visit(void *ctx, json_t *object, struct np_err *err)
{
	struct search *s = ctx;
	struct np_err why = NP_ERR_INIT;
	int held = np_vmclass_is_held(object, s->o->releases, s->o->ctx, &why);

	if (held < 0 && why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	if (held < 0)
		return note_invalid(s, object, &why, err);
	return held > 0 && json_array_append(s->held, object) < 0 ? np_fail_nomem(err) : 0;
}

static int get_one(struct search *s, const struct np_pool *pool, struct np_err *err)
{
	json_auto_t *object = NULL;
	struct np_err why = NP_ERR_INIT;

	if (np_kube_get(s->k, &s->resource, pool->ns, pool->vm_class, &object, &why) == 0)
		return visit(s, object, err);
	if (why.code == NP_E_NOT_FOUND)
		return 0;
	*err = why;
	return np_err_ret(err);
}

static bool is_in(const struct np_pool *pool, const char *ns)
{
	if (!pool->vm_class || np_pool_is_placeholder(pool->vm_class) ||
	    np_pool_is_placeholder(pool->ns))
		return false;
	return !ns || strcmp(pool->ns, ns) == 0;
}

/* Without the right to list, only the classes that the pools name now can be looked at. */
static int get_named(struct search *s, const char *ns, const struct np_err *why, struct np_err *err)
{
	size_t n = 0;

	for (size_t i = 0; s->o->in && i < s->o->in->n_pools; i++) {
		if (!is_in(&s->o->in->pools[i], ns))
			continue;
		n++;
		if (get_one(s, &s->o->in->pools[i], err) < 0)
			return np_err_ret(err);
	}
	/* Where the pools are known, and none is here, a look would have been for good measure. */
	if (n == 0 && (!s->o->in || s->o->in->n_pools == 0)) {
		*err = *why;
		return np_err_ret(err);
	}
	return np_warnings_add(s->notes, err, NP_WARNING_LIST_FORBIDDEN,
			       "%s: only the classes that the pools name are looked at", why->text);
}

/* The same class may be handed out twice: the second time nobody holds it any more. */
static int search_namespace(struct search *s, const char *ns, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_kube_list(s->k, &s->resource, ns, 0, visit, s, &why) == 0)
		return 0;
	if (why.code == NP_E_FORBIDDEN)
		return get_named(s, ns, &why, err);
	*err = why;
	return np_err_ret(err);
}

static int search_all(struct search *s, struct np_err *err)
{
	if (!s->resource.namespaced || s->o->n_namespaces == 0)
		return search_namespace(s, NULL, err);
	for (size_t i = 0; i < s->o->n_namespaces; i++)
		if (search_namespace(s, s->o->namespaces[i], err) < 0)
			return np_err_ret(err);
	return 0;
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
	char label[600];

	snprintf(label, sizeof(label), "virtualmachineclass %s/%s", ns ? ns : "", name ? name : "");
	if (np_doc_new_take(label, np_json_ref(object), &doc, err) < 0 ||
	    np_vmclass_read(doc, np_doc_root(doc), s->o->catalogue, &c, err) < 0)
		return np_err_ret(err);
	return np_vmclass_release(c, s->o->releases, s->o->ctx, ret, err);
}

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

/* A class that is gone meanwhile holds no registration any more. */
static int release_class(const struct search *s, const json_t *found,
			 struct np_release_class *result, struct np_err *err)
{
	struct releasing r = { s, result };
	const struct np_kube_update how = { .resource = &s->resource,
					    .ns = result->ns,
					    .name = result->name,
					    .object = found,
					    .mutate = mutate,
					    .ctx = &r,
					    .dry_run = s->o->dry_run ? NP_DRY_RUN_CLIENT
								     : NP_DRY_RUN_NONE };
	NP_AUTO(np_kube_updated_done) struct np_kube_updated done = { 0 };
	struct np_err why = NP_ERR_INIT;
	int failed = np_kube_update(s->k, &how, &done, &why);

	result->attempts = done.attempts;
	result->result = done.changed ? NP_SYNC_PATCHED : NP_SYNC_UNCHANGED;
	if (failed == 0 || why.code == NP_E_NOT_FOUND)
		return 0;
	*err = why;
	return np_err_ret(err);
}

static int name_class(struct np_release_class *c, const json_t *object, struct np_err *err)
{
	const char *ns = np_json_meta_text(object, "namespace"),
		   *name = np_json_meta_text(object, "name");

	c->ns = ns ? strdup(ns) : NULL;
	c->name = strdup(name ? name : "");
	return (ns && !c->ns) || !c->name ? np_fail_nomem(err) : 0;
}

static int release_all(const struct search *s, struct np_release *l, struct np_err *err)
{
	json_t *object;
	size_t i;

	l->classes = calloc(json_array_size(s->held) + 1, sizeof(*l->classes));
	if (!l->classes)
		return np_fail_nomem(err);
	json_array_foreach (s->held, i, object) {
		struct np_release_class *c = &l->classes[l->n++];

		if (name_class(c, object, err) < 0)
			return np_err_ret(err);
		if (release_class(s, object, c, &c->error) < 0)
			c->result = NP_SYNC_FAILED;
	}
	return 0;
}

int np_sync_release(struct np_kube *k, const struct np_release_options *o, struct np_release *ret,
		    struct np_err *err)
{
	NP_AUTO(np_sync_release_done) struct np_release l = { 0 };
	NP_AUTO(search_done) struct search s = { .k = k, .o = o, .held = json_array() };
	struct np_err why = NP_ERR_INIT;

	s.notes = &l.warnings;
	if (!s.held)
		return np_fail_nomem(err);
	if (np_kube_discover(k, NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, &s.resource, &why) < 0) {
		if (why.code == NP_E_NOT_FOUND)
			return np_warnings_add(&ret->warnings, err, NP_WARNING_API_MISSING,
					       "%s: there is nothing to leave", why.text);
		*err = why;
		return np_err_ret(err);
	}
	if (search_all(&s, err) < 0 || release_all(&s, &l, err) < 0)
		return np_err_ret(err);
	*ret = l;
	l = (struct np_release){ 0 };
	return 0;
}
