/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/check.h"
#include "nodeprep/json.h"
#include "nodeprep/render.h"
#include "nodeprep/sync.h"

static const char *const result_names[NP_SYNC_RESULT_MAX] = {
	[NP_SYNC_UNCHANGED] = "unchanged",
	[NP_SYNC_PATCHED] = "patched",
	[NP_SYNC_FAILED] = "failed",
};

const char *np_sync_result_name(enum np_sync_result result)
{
	return result_names[result];
}

void np_sync_done(struct np_sync *a)
{
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++) {
		free(a->classes[i].resource_version);
		np_warnings_done(&a->classes[i].warnings);
	}
	free(a->classes);
	np_plan_done(&a->plan);
	np_sync_fetched_done(&a->fetched);
	*a = (struct np_sync){ 0 };
}

/* Sets *ret to the pools of class `i`, as an input of their own; the caller frees its array. */
static int pools_of(const struct np_plan *plan, size_t i, struct np_input *ret, struct np_err *err)
{
	const struct np_plan_class *c = &plan->classes[i];

	ret->pools = calloc(c->n_pools + 1, sizeof(*ret->pools));
	if (!ret->pools)
		return np_fail_nomem(err);
	for (size_t p = 0; p < c->n_pools; p++)
		ret->pools[ret->n_pools++] = *plan->pools[c->pools[p]].pool;
	return 0;
}

static int keep_version(struct np_sync_outcome *result, const json_t *class, struct np_err *err)
{
	const char *version = np_json_meta_text(class, "resourceVersion");

	result->resource_version = version ? strdup(version) : NULL;
	return version && !result->resource_version ? np_fail_nomem(err) : 0;
}

/* A class that was planned again after a conflict is what the result is about. */
static int replace_fetched(struct np_sync *apply, size_t i, json_t *planned_from,
			   struct np_err *err)
{
	const struct np_doc *old = apply->plan.classes[i].class->doc;
	struct np_doc *doc = NULL;

	if (np_doc_new_take(np_doc_name(old), json_incref(planned_from), &doc, err) < 0)
		return np_err_ret(err);
	for (size_t f = 0; f < apply->fetched.n; f++) {
		struct np_class_ref *ref = &apply->fetched.items[f];

		if (ref->doc == old) {
			np_doc_unref(ref->doc);
			*ref = (struct np_class_ref){ doc, np_doc_root(doc) };
			return 0;
		}
	}
	np_doc_unref(doc);
	return np_fail(err, NP_E_BUG, "class '%s' was never fetched", apply->plan.classes[i].name);
}

static void pools_done(struct np_input *pools)
{
	free(pools->pools);
}

/* --- writing --------------------------------------------------------------------------------- */

/* The classes of a plan while they are written. */
struct writes {
	struct np_class_store *store;
	const struct np_sync_options *o;
	struct np_sync *a;
	size_t at; /* the next class to look at */
	size_t done; /* how many need nothing any more */
};

/* A class under way. */
struct write {
	struct writes *all;
	size_t i;
	struct np_input pools;
	struct np_class_sync one;
	struct sync_job *job;
};

static void write_free(struct write *w)
{
	if (w)
		pools_done(&w->pools);
	free(w);
}

static void write_freep(struct write **w)
{
	write_free(*w);
}

static bool needs_sync(const struct np_plan_class *c)
{
	return json_object_size(c->change.patch) > 0 ||
	       (c->class && sync_is_unsettled(c->class->node.json));
}

static bool is_stopped(const struct np_progress *w)
{
	return w->is_stopped && w->is_stopped(w->ctx);
}

static void report(struct writes *all, size_t more)
{
	all->done += more;
	sync_report(&all->o->progress, NP_SYNC_WRITING, all->done, all->a->plan.n_classes);
}

static int begin_write(struct writes *all, size_t i, struct sync_update *ret, struct np_err *err)
{
	const struct np_plan_class *c = &all->a->plan.classes[i];
	NP_AUTO(write_freep) struct write *w = calloc(1, sizeof(*w));

	if (!w)
		return np_fail_nomem(err);
	w->all = all;
	w->i = i;
	if (pools_of(&all->a->plan, i, &w->pools, err) < 0)
		return np_err_ret(err);
	w->one = (struct np_class_sync){ .ns = c->ns,
					 .name = c->name,
					 .pools = &w->pools,
					 .object = c->class->node.json,
					 .plan = all->o->plan,
					 .dry_run = all->o->dry_run,
					 .strict = true };
	if (sync_job_new(all->store, &w->one, &w->job, ret, err) < 0)
		return np_err_ret(err);
	ret->tag = np_take(w);
	return 0;
}

/* Begins class `i`, unless it is up to date, which is neither planned again nor sent: then false. */
static bool begin_class(struct writes *all, size_t i, struct sync_update *ret)
{
	const struct np_plan_class *c = &all->a->plan.classes[i];
	struct np_sync_outcome *result = &all->a->classes[i];
	int r = 0;

	if (!needs_sync(c)) {
		r = c->class ? keep_version(result, c->class->node.json, &result->error) : 0;
	} else if (all->a->was_stopped) {
		r = np_fail(&result->error, NP_E_RETRY, "interrupted before it was written");
	} else {
		r = begin_write(all, i, ret, &result->error);
		if (r == 0)
			return true;
	}
	if (r < 0)
		result->result = NP_SYNC_FAILED;
	return false;
}

static bool next_class(void *ctx, struct sync_update *ret)
{
	struct writes *all = ctx;
	struct np_sync *a = all->a;

	while (all->at < a->plan.n_classes) {
		a->was_stopped = a->was_stopped || is_stopped(&all->o->progress);
		if (begin_class(all, all->at++, ret))
			return true;
		report(all, 1);
	}
	return false;
}

static int take_result(struct writes *all, const struct write *w, struct np_class_sync_result *r,
		       struct np_err *err)
{
	struct np_sync_outcome *result = &all->a->classes[w->i];

	result->warnings = r->warnings;
	r->warnings = (struct np_warnings){ 0 };
	result->result = r->result;
	result->attempts = r->attempts;
	if (r->error.code != NP_OK) {
		*err = r->error;
		return np_err_ret(err);
	}
	if (keep_version(result, r->object, err) < 0)
		return np_err_ret(err);
	if (json_equal(r->planned_from, w->one.object))
		return 0;
	all->a->was_replanned = true;
	return replace_fetched(all->a, w->i, r->planned_from, err);
}

static void end_class(void *ctx, const struct sync_update *how, struct sync_updated *u,
		      const struct np_err *error)
{
	struct writes *all = ctx;
	NP_AUTO(write_freep) struct write *w = how->tag;
	NP_AUTO(np_sync_class_done) struct np_class_sync_result r = { 0 };
	struct np_sync_outcome *result = &all->a->classes[w->i];

	if (sync_job_end(w->job, u, error, &r, &result->error) < 0 ||
	    take_result(all, w, &r, &result->error) < 0)
		result->result = NP_SYNC_FAILED;
	report(all, 1);
}

static int apply_classes(struct np_class_store *store, const struct np_sync_options *o,
			 struct np_sync *a, struct np_err *err)
{
	struct writes all = { .store = store, .o = o, .a = a };
	const struct sync_updates updates = {
		.most = o->parallel, .next = next_class, .done = end_class, .ctx = &all
	};

	a->classes = calloc(a->plan.n_classes + 1, sizeof(*a->classes));
	if (!a->classes)
		return np_fail_nomem(err);
	report(&all, 0);
	return store->kind->update_many(store, &updates, err);
}

/* Plans again where a conflict made a class be planned from another state than the plan's. */
static int plan_again(const struct np_input *in, const struct np_plan_options *o, struct np_sync *a,
		      struct np_err *err)
{
	NP_AUTO(np_plan_done) struct np_plan old = { 0 };
	struct np_plan_options options = *o;

	if (!a->was_replanned)
		return 0;
	options.classes = a->fetched.items;
	options.n_classes = a->fetched.n;
	old = a->plan;
	a->plan = (struct np_plan){ 0 };
	return np_plan_make(in, &options, &a->plan, err);
}

/* Adds what happened while the classes were written to their warnings. */
static int add_warnings(struct np_sync *a, struct np_err *err)
{
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		if (sync_warnings_move(&a->plan.classes[i].warnings, &a->classes[i].warnings, err) <
		    0)
			return np_err_ret(err);
	return 0;
}

/* Classes without a namespace are shared: reads who else may use them. */
static int read_bindings(const struct np_class_store *s, const struct np_input *in,
			 const struct np_plan_opt_in *o, json_t **ret, struct np_err *err)
{
	if (!o->required || !s->kube || s->resource.namespaced || s->resource.plural[0] == '\0')
		return 0;
	return sync_opt_in_fetch(s->kube, in, NULL, NULL, ret, err);
}

int np_sync_run(struct np_class_store *store, const struct np_input *in,
		const struct np_sync_options *o, struct np_sync *ret, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { .dry_run = o->dry_run };
	struct np_sync_options options = *o;
	json_auto_t *bound = NULL;

	if (sync_fetch(store, in, &o->progress, &a.fetched, err) < 0 ||
	    read_bindings(store, in, &o->plan.opt_in, &bound, err) < 0)
		return np_err_ret(err);
	options.plan.opt_in.bound = bound;
	options.plan.classes = a.fetched.items;
	options.plan.n_classes = a.fetched.n;
	options.plan.api = store->api;
	if (np_plan_make(in, &options.plan, &a.plan, err) < 0)
		return np_err_ret(err);
	if (np_plan_code(&a.plan) == NP_OK && !np_plan_has_placeholder(&a.plan) &&
	    (apply_classes(store, &options, &a, err) < 0 ||
	     plan_again(in, &options.plan, &a, err) < 0 || add_warnings(&a, err) < 0))
		return np_err_ret(err);
	/* Behind the writes, which may have planned again: the warnings belong to what is reported. */
	if (!o->plan.revert && store->kube &&
	    np_check_bindings(store->kube, &store->resource, &a.plan, err) < 0)
		return np_err_ret(err);
	*ret = a;
	a = (struct np_sync){ 0 };
	return 0;
}

enum np_code np_sync_code(const struct np_sync *a)
{
	enum np_code worst = np_plan_code(&a->plan);

	if (worst != NP_OK)
		return worst;
	if (np_plan_has_placeholder(&a->plan))
		return NP_E_SPEC;
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		worst = np_code_worse(worst, a->classes[i].error.code);
	return worst;
}

/* Where nothing was written, a class that cannot be is the one that failed. */
static int add_result(json_t *c, const struct np_plan_class *p, const struct np_sync_outcome *r)
{
	const char *result = p->class ? np_sync_result_name(r ? r->result : NP_SYNC_UNCHANGED)
				      : np_sync_result_name(NP_SYNC_FAILED);
	const char *version = r ? r->resource_version : NULL;

	if (json_object_set_new(c, "result", json_string(result)) < 0 ||
	    json_object_set_new(c, "resourceVersion",
				version ? json_string(version) : json_null()) < 0 ||
	    json_object_set_new(c, "attempts", json_integer(r ? r->attempts : 0)) < 0)
		return -1;
	return json_object_set_new(c, "error", r ? np_json_err(&r->error) : json_null());
}

static const char *dry_run_name(enum np_dry_run dry_run)
{
	return dry_run == NP_DRY_RUN_CLIENT   ? "client"
	       : dry_run == NP_DRY_RUN_SERVER ? "server"
					      : NULL;
}

/* A class's result is reported among the errors too: one place to look. */
static int add_results(json_t *tree, const struct np_sync *a)
{
	json_t *errors = json_object_get(tree, "errors");
	json_t *classes = json_object_get(tree, "classes");
	const char *dry_run = dry_run_name(a->dry_run);
	json_t *c;
	size_t i;

	json_array_foreach (classes, i, c) {
		const struct np_sync_outcome *r = a->classes ? &a->classes[i] : NULL;

		if (add_result(c, &a->plan.classes[i], r) < 0)
			return -1;
		if (r && r->error.code != NP_OK &&
		    json_array_append_new(errors, np_json_err(&r->error)) < 0)
			return -1;
	}
	return json_object_set_new(tree, "dryRun", dry_run ? json_string(dry_run) : json_null());
}

json_t *np_sync_tree(const struct np_sync *a)
{
	json_auto_t *tree = np_render_plan_tree(&a->plan);

	if (!tree || add_results(tree, a) < 0)
		return NULL;
	return json_incref(tree);
}
