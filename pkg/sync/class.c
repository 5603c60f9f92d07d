/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/sync.h"

static void plan_reset(struct np_class_sync_result *r)
{
	np_plan_done(&r->plan);
	free(r->sound.pools);
	free(r->plan_index);
	free(r->errors);
	r->sound = (struct np_input){ 0 };
	r->plan_index = NULL;
	r->errors = NULL;
}

void np_sync_class_done(struct np_class_sync_result *r)
{
	plan_reset(r);
	np_warnings_done(&r->warnings);
	json_decref(r->object);
	json_decref(r->planned_from);
	*r = (struct np_class_sync_result){ 0 };
}

/* --- pools that are released ----------------------------------------------------------------- */

/* Returns {id: true} of the pools that use the class. */
static json_t *ids_of(const struct np_input *pools)
{
	json_auto_t *ids = json_object();
	char id[NP_POOL_ID_MAX];

	for (size_t i = 0; i < pools->n_pools; i++) {
		np_pool_id(&pools->pools[i], id);
		if (json_object_set_new(ids, id, json_true()) < 0)
			return NULL;
	}
	return json_incref(ids);
}

/* A class's own pools, and whom to ask about the others. */
struct own_pools {
	const struct np_class_sync *one;
	const json_t *ids;
};

static bool is_released(void *ctx, const char *id, const char *holder)
{
	const struct own_pools *own = ctx;
	const struct np_class_sync *one = own->one;

	return strcmp(holder, one->plan.holder) == 0 && !json_object_get(own->ids, id) &&
	       one->releases(one->ctx, id, holder);
}

/* Sets *ret to the class as it is once the pools that are gone are released. */
static int release_pools(const struct np_class_sync *one, const struct np_vmclass *c,
			 struct np_class_sync_result *r, json_t **ret, struct np_err *err)
{
	json_auto_t *ids = NULL;
	struct own_pools own = { .one = one };
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };

	r->n_released = 0;
	*ret = np_json_ref(c->node.json);
	if (!one->releases || !c->managed)
		return 0;
	own.ids = ids = ids_of(one->pools);
	if (!ids)
		return np_fail_nomem(err);
	if (np_vmclass_release(c, is_released, &own, &change, err) < 0)
		return np_err_ret(err);
	r->n_released = change.n_released;
	if (change.n_released == 0)
		return 0;
	json_decref(*ret);
	*ret = np_vmclass_patched(c->node.json, change.patch);
	return *ret ? 0 : np_fail_nomem(err);
}

/* --- pools that use it ----------------------------------------------------------------------- */

/* What a plan of that pool alone finds wrong with it, or with the class. */
static int judge_pool(const struct np_plan_options *o, const struct np_pool *pool,
		      struct np_err *ret, struct np_err *err)
{
	NP_AUTO(np_plan_done) struct np_plan plan = { 0 };
	struct np_pool copy = *pool;
	const struct np_input in = { .n_pools = 1, .pools = &copy };

	if (pool->has_placeholder) {
		np_fail(ret, NP_E_SPEC, "holds a placeholder that nothing has filled in");
		return 0;
	}
	if (np_plan_make(&in, o, &plan, err) < 0)
		return np_err_ret(err);
	if (plan.n_errors > 0)
		*ret = plan.errors[0];
	return 0;
}

/* Takes the pool as sound. */
static void take_pool(struct np_class_sync_result *r, size_t i, const struct np_pool *pool)
{
	r->plan_index[i] = r->sound.n_pools;
	r->sound.pools[r->sound.n_pools++] = *pool;
}

static bool has_placeholder(const struct np_input *pools)
{
	for (size_t i = 0; i < pools->n_pools; i++)
		if (pools->pools[i].has_placeholder)
			return true;
	return false;
}

/* Finds out which pools are the unsound ones, each by itself. */
static int plan_valid_pools(const struct np_class_sync *one, const struct np_plan_options *o,
			    struct np_class_sync_result *r, struct np_err *err)
{
	r->errors = calloc(one->pools->n_pools + 1, sizeof(*r->errors));
	if (!r->errors)
		return np_fail_nomem(err);
	r->sound.n_pools = 0;
	for (size_t i = 0; i < one->pools->n_pools; i++) {
		if (judge_pool(o, &one->pools->pools[i], &r->errors[i], err) < 0)
			return np_err_ret(err);
		r->plan_index[i] = SIZE_MAX;
		if (r->errors[i].code == NP_OK)
			take_pool(r, i, &one->pools->pools[i]);
	}
	np_plan_done(&r->plan);
	return np_plan_make(&r->sound, o, &r->plan, err);
}

/* Plans with all pools, or with those that are sound where some are not. */
static int plan_pools(const struct np_class_sync *one, struct np_doc *doc,
		      const struct np_plan_opt_in *opt_in, struct np_class_sync_result *r,
		      struct np_err *err)
{
	const struct np_class_ref ref = { doc, np_doc_root(doc) };
	struct np_plan_options o = one->plan;
	size_t n = one->pools->n_pools;

	plan_reset(r);
	o.opt_in = *opt_in;
	o.classes = &ref;
	o.n_classes = 1;
	r->sound.pools = calloc(n + 1, sizeof(*r->sound.pools));
	r->plan_index = calloc(n + 1, sizeof(*r->plan_index));
	if (!r->sound.pools || !r->plan_index)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++)
		take_pool(r, i, &one->pools->pools[i]);
	if (np_plan_make(&r->sound, &o, &r->plan, err) < 0)
		return np_err_ret(err);
	if (!one->strict && (r->plan.n_errors > 0 || has_placeholder(one->pools)))
		return plan_valid_pools(one, &o, r, err);
	return 0;
}

/* What is wrong although each pool by itself is right can only be the class's. */
static int check_plan(struct np_class_sync_result *r, struct np_err *err)
{
	if (r->plan.n_errors > 0) {
		*err = r->plan.errors[0];
		return np_err_ret(err);
	}
	return 0;
}

/* --- one round ------------------------------------------------------------------------------- */

struct round {
	struct np_class_store *store;
	const struct np_class_sync *one;
	struct np_class_sync_result *r;
	struct np_doc *doc; /* the class as it was read */
	struct np_vmclass *class;
	json_t *bound; /* the bindings that allow pools the class; NULL: none */
	json_t *patch; /* without the resourceVersion */
};

static void round_done(struct round *x)
{
	json_decref(x->patch);
	json_decref(x->bound);
	np_vmclass_free(x->class);
	np_doc_unref(x->doc);
	x->patch = NULL;
	x->bound = NULL;
	x->class = NULL;
	x->doc = NULL;
}

/* Returns a copy without the namespace: the pools' may be another, and the plan then finds the class by its name. */
static json_t *without_namespace(const json_t *object)
{
	json_auto_t *copy = json_copy(np_json_mut(object));
	json_t *metadata = json_copy(json_object_get(copy, "metadata"));

	json_object_del(metadata, "namespace");
	return json_object_set_new(copy, "metadata", metadata) < 0 ? NULL : json_incref(copy);
}

/* Keeps the object as the one that is planned from, and as the class until it is patched. */
static int keep_object(struct np_class_sync_result *r, const json_t *object, struct np_err *err)
{
	json_t *class = without_namespace(object);

	if (!class)
		return np_fail_nomem(err);
	json_decref(r->object);
	json_decref(r->planned_from);
	r->object = class;
	r->planned_from = np_json_ref(object);
	r->found = true;
	return 0;
}

static int read_class(struct round *x, const json_t *object, struct np_err *err)
{
	const struct np_class_sync *one = x->one;
	char label[SYNC_LABEL_MAX];

	if (keep_object(x->r, object, err) < 0)
		return np_err_ret(err);
	sync_label(x->store, one->ns, one->name, label);
	if (np_doc_new_take(label, json_incref(x->r->object), &x->doc, err) < 0)
		return np_err_ret(err);
	if (np_vmclass_read(x->doc, np_doc_root(x->doc), one->plan.catalogue, &x->class, err) < 0)
		return np_err_ret(err);
	/* With `strict` the plan decides: it may discard the record. */
	if (x->class->record_error.code == NP_OK || one->strict)
		return 0;
	/* No pool is to blame, and none is released by mistake. */
	*err = x->class->record_error;
	return np_err_ret(err);
}

/* Finds out who else but the class's own namespace may change it. */
static int read_opt_in(struct round *x, struct np_plan_opt_in *ret, struct np_err *err)
{
	const struct np_class_sync *one = x->one;
	const struct np_vmclass_scope scope = { x->store->resource.namespaced ? one->ns : NULL,
						one->name };

	*ret = one->plan.opt_in;
	ret->class_ns = scope.ns;
	if (!ret->required || ret->bound || !x->store->kube)
		return 0;
	if (sync_opt_in_fetch(x->store->kube, one->pools, x->class->node.json, &scope, &x->bound,
			      err) < 0)
		return np_err_ret(err);
	ret->bound = x->bound;
	x->r->has_bindings = !!x->bound;
	return 0;
}

/* Computes the patch that the class needs. */
static int plan_round(struct round *x, const json_t *object, struct np_err *err)
{
	struct np_plan_opt_in opt_in;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	json_auto_t *released = NULL, *target = NULL;
	const json_t *change;

	round_done(x);
	if (read_class(x, object, err) < 0 || read_opt_in(x, &opt_in, err) < 0 ||
	    release_pools(x->one, x->class, x->r, &released, err) < 0)
		return np_err_ret(err);
	if (np_doc_new_take(np_doc_name(x->doc), json_incref(released), &doc, err) < 0 ||
	    plan_pools(x->one, doc, &opt_in, x->r, err) < 0 || check_plan(x->r, err) < 0)
		return np_err_ret(err);
	change = x->r->sound.n_pools > 0 ? x->r->plan.classes[0].change.patch : NULL;
	target = change ? np_vmclass_patched(released, change) : json_incref(released);
	x->patch = target ? np_vmclass_difference(x->class->node.json, target) : NULL;
	return x->patch ? 0 : np_fail_nomem(err);
}

static bool may_write(const struct round *x)
{
	const struct np_class_sync_result *r = x->r;
	const struct np_class_sync_change change = {
		.class = x->class,
		.planned = r->sound.n_pools > 0 ? &r->plan.classes[0] : NULL,
		.patch = x->patch,
		.touches_spec = !!json_object_get(x->patch, "spec"),
	};

	return !x->one->may_write || x->one->may_write(x->one->ctx, &change);
}

static int mutate(void *ctx, const json_t *object, json_t **ret_patch, struct np_err *err)
{
	struct round *x = ctx;

	if (plan_round(x, object, err) < 0)
		return np_err_ret(err);
	x->r->vetoed = json_object_size(x->patch) > 0 && !may_write(x);
	if (!x->r->vetoed)
		*ret_patch = json_incref(x->patch);
	return 0;
}

/* Seen on Kubernetes 1.34: strict validation names the field that the schema lacks. */
static bool is_schema_too_old(const struct np_err *err)
{
	return err->code == NP_E_REFUSED && strstr(err->text, "unknown field \"spec.configSpec\"");
}

static int keep_stored(struct np_class_sync_result *r, const json_t *stored, struct np_err *err)
{
	json_t *class = without_namespace(stored);

	if (!class)
		return np_fail_nomem(err);
	json_decref(r->object);
	r->object = class;
	return 0;
}

/* Takes what the update came to. */
static int take_update(struct round *x, struct sync_updated *u, const struct np_err *error,
		       struct np_err *err)
{
	x->r->attempts = u->done.attempts;
	x->r->may_be_stored = u->done.may_be_stored;
	x->r->warnings = u->warnings;
	u->warnings = (struct np_warnings){ 0 };
	if (error->code != NP_OK) {
		*err = *error;
		return is_schema_too_old(err) ? np_wrap(err, "this Supervisor is too old: its "
							     "VirtualMachineClass has no "
							     "spec.configSpec, where the window is "
							     "set")
					      : np_err_ret(err);
	}
	if (!u->done.changed)
		return 0;
	x->r->result = NP_SYNC_PATCHED;
	return keep_stored(x->r, u->done.object, err);
}

/* --- the whole ------------------------------------------------------------------------------- */

struct sync_job {
	struct round x;
	struct np_class_sync_result r;
};

int sync_job_new(struct np_class_store *store, const struct np_class_sync *one,
		 struct sync_job **ret, struct sync_update *how, struct np_err *err)
{
	struct sync_job *job = calloc(1, sizeof(*job));

	if (!job)
		return np_fail_nomem(err);
	job->x = (struct round){ .store = store, .one = one, .r = &job->r };
	*how = (struct sync_update){ .ns = one->ns,
				     .name = one->name,
				     .object = one->object,
				     .mutate = mutate,
				     .ctx = &job->x,
				     .dry_run = one->dry_run };
	*ret = job;
	return 0;
}

int sync_job_end(struct sync_job *job, struct sync_updated *u, const struct np_err *error,
		 struct np_class_sync_result *ret, struct np_err *err)
{
	struct np_class_sync_result r;
	int failed = take_update(&job->x, u, error, &job->r.error);

	round_done(&job->x);
	r = job->r;
	free(job);
	if (failed < 0 && r.error.code == NP_E_NOMEM) {
		np_sync_class_done(&r);
		return np_fail_nomem(err);
	}
	if (failed < 0)
		r.result = NP_SYNC_FAILED;
	if (r.error.code == NP_E_NOT_FOUND)
		r.found = false;
	*ret = r;
	return 0;
}

/* The one class of np_sync_class(). */
struct single {
	struct np_class_store *store;
	const struct np_class_sync *one;
	struct np_class_sync_result *ret;
	struct sync_job *job;
	bool is_begun;
	struct np_err error; /* where memory ran out */
};

static bool next_single(void *ctx, struct sync_update *ret)
{
	struct single *s = ctx;

	if (s->is_begun)
		return false;
	s->is_begun = true;
	return sync_job_new(s->store, s->one, &s->job, ret, &s->error) == 0;
}

static void done_single(void *ctx, const struct sync_update *how, struct sync_updated *u,
			const struct np_err *error)
{
	struct single *s = ctx;

	(void)how;
	(void)sync_job_end(s->job, u, error, s->ret, &s->error);
}

int np_sync_class(struct np_class_store *store, const struct np_class_sync *one,
		  struct np_class_sync_result *ret, struct np_err *err)
{
	struct single s = { .store = store, .one = one, .ret = ret };
	const struct sync_updates all = {
		.most = 1, .next = next_single, .done = done_single, .ctx = &s
	};
	struct np_class_sync_result r = { .result = NP_SYNC_FAILED };

	if (sync_open(store, &r.error) < 0) {
		if (r.error.code == NP_E_NOMEM)
			return np_fail_nomem(err);
		*ret = r;
		return 0;
	}
	if (store->kind->update_many(store, &all, err) < 0)
		return np_err_ret(err);
	if (s.error.code == NP_OK)
		return 0;
	*err = s.error;
	return np_err_ret(err);
}
