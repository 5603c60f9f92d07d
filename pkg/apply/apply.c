/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/check.h"
#include "nodeprep/render.h"

static const char *const result_names[NP_APPLY_RESULT_MAX] = {
	[NP_APPLY_UNCHANGED] = "unchanged",
	[NP_APPLY_PATCHED] = "patched",
	[NP_APPLY_FAILED] = "failed",
};

const char *np_apply_result_name(enum np_apply_result result)
{
	return result_names[result];
}

void np_apply_done(struct np_apply *a)
{
	for (size_t i = 0; a->classes != NULL && i < a->plan.n_classes; i++)
		free(a->classes[i].resource_version);
	free(a->classes);
	np_plan_done(&a->plan);
	np_fetched_done(&a->fetched);
	*a = (struct np_apply){ 0 };
}

/* Seen on Kubernetes 1.34: strict validation names the field that the schema lacks. */
static bool is_schema_too_old(const struct np_err *err)
{
	return err->code == NP_E_REFUSED &&
	       strstr(err->text, "unknown field \"spec.configSpec\"") != NULL;
}

static int send_patch(struct np_kube *k, const struct np_kube_resource *r,
		      const struct np_plan_class *c, enum np_dry_run dry_run, char **ret_version,
		      struct np_err *err)
{
	const struct apply_write write = { .resource = r,
					   .ns = c->ns,
					   .object = c->class->node.json,
					   .patch = c->change.patch,
					   .dry_run = dry_run == NP_DRY_RUN_SERVER };
	json_auto_t *stored = NULL;
	const char *version;

	if (apply_send(k, &write, &stored, err) < 0)
		return is_schema_too_old(err)
			       ? np_wrap(err,
					 "this Supervisor is too old: its VirtualMachineClass has "
					 "no spec.configSpec, where the window is set")
			       : -(int)err->code;
	version = apply_meta_text(stored, "resourceVersion");
	*ret_version = strdup(version != NULL ? version : "");
	return *ret_version == NULL ? np_fail_nomem(err) : 0;
}

/* One class on its way through conflicts: what was read last and what was planned from it. */
struct attempt {
	struct np_kube *k;
	const struct np_input *in;
	const struct np_apply_options *o;
	const struct np_kube_resource *resource;
	struct np_class_ref ref;
	struct np_plan plan;
	const struct np_plan_class *c;
};

static void attempt_done(struct attempt *a)
{
	np_plan_done(&a->plan);
	np_doc_unref(a->ref.doc);
}

static const struct np_plan_class *find_class(const struct np_plan *plan, const char *ns,
					      const char *name)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];

		if (c->class != NULL && strcmp(c->name, name) == 0 &&
		    strcmp(c->ns ? c->ns : "", ns ? ns : "") == 0)
			return c;
	}
	return NULL;
}

/* The pools of other classes find none here: only what concerns this class is an error now. */
static int check_plan(const struct np_plan *plan, struct np_err *err)
{
	for (size_t i = 0; i < plan->n_errors; i++) {
		if (plan->errors[i].code != NP_E_NOT_FOUND) {
			*err = plan->errors[i];
			return -(int)err->code;
		}
	}
	return 0;
}

/* Reads the class again and plans again from what stands there now. */
static int plan_again(struct attempt *a, const char *ns, const char *name, struct np_err *err)
{
	struct np_plan_options o = a->o->plan;
	struct np_class_ref ref = { 0 };

	if (apply_fetch_one(a->k, a->resource, ns, name, &ref, err) < 0)
		return -(int)err->code;
	np_plan_done(&a->plan);
	np_doc_unref(a->ref.doc);
	a->ref = ref;
	o.classes = &a->ref;
	o.n_classes = 1;
	if (np_plan_make(a->in, &o, &a->plan, err) < 0 || check_plan(&a->plan, err) < 0)
		return -(int)err->code;
	a->c = find_class(&a->plan, ns, name);
	if (a->c == NULL)
		return np_fail(err, NP_E_BUG, "class '%s' vanished from its own plan", name);
	return 0;
}

/* Nothing (more) to send: right as it was, made right meanwhile, or a dry run. */
static int finish_unsent(const struct np_plan_class *c, struct np_apply_class *result,
			 struct np_err *err)
{
	const char *version = c->class != NULL ? c->class->resource_version : NULL;

	result->resource_version = strdup(version != NULL ? version : "");
	return result->resource_version == NULL ? np_fail_nomem(err) : 0;
}

/* Patches until the server takes it, the class turns out right, or something else is wrong. */
static int patch_class(struct attempt *a, struct np_apply_class *result, struct np_err *err)
{
	uint64_t pause = 0;
	const char *ns = a->c->ns, *name = a->c->name;
	NP_AUTO(np_freep) char *own_ns = ns != NULL ? strdup(ns) : NULL;
	NP_AUTO(np_freep) char *own_name = strdup(name);
	struct np_err why = NP_ERR_INIT;

	if (own_name == NULL || (ns != NULL && own_ns == NULL))
		return np_fail_nomem(err);
	while (json_object_size(a->c->change.patch) > 0) {
		result->result = NP_APPLY_PATCHED;
		if (a->o->dry_run == NP_DRY_RUN_CLIENT)
			break;
		result->attempts++;
		if (send_patch(a->k, a->resource, a->c, a->o->dry_run, &result->resource_version,
			       &why) == 0)
			return 0;
		if (why.code != NP_E_CONFLICT) {
			*err = why;
			return -(int)err->code;
		}
		if (apply_pause(a->k, &pause, err) < 0)
			return np_wrap(err, "%s", why.text);
		if (plan_again(a, own_ns, own_name, err) < 0)
			return -(int)err->code;
	}
	return finish_unsent(a->c, result, err);
}

static void swap_bytes(void *a, void *b, size_t size)
{
	unsigned char *x = a, *y = b;

	for (size_t i = 0; i < size; i++) {
		unsigned char byte = x[i];

		x[i] = y[i];
		y[i] = byte;
	}
}

/* What was planned last is what is told: the class and the pools that use it take its place. */
static void adopt_plan(struct np_apply *apply, size_t i, struct attempt *a)
{
	struct np_plan_class *landed;

	if (a->plan.n_classes == 0)
		return;
	landed = &a->plan.classes[a->c - a->plan.classes];
	swap_bytes(&apply->plan.classes[i], landed, sizeof(*landed));
	for (size_t p = 0; p < apply->plan.n_pools && p < a->plan.n_pools; p++) {
		if (apply->plan.pools[p].class_index != i)
			continue;
		swap_bytes(&apply->plan.pools[p], &a->plan.pools[p], sizeof(apply->plan.pools[p]));
		apply->plan.pools[p].class_index = i;
	}
}

static void apply_class(struct np_kube *k, const struct np_input *in,
			const struct np_apply_options *o, struct np_apply *apply, size_t i)
{
	struct np_apply_class *result = &apply->classes[i];
	NP_AUTO(attempt_done)
	struct attempt a = { .k = k,
			     .in = in,
			     .o = o,
			     .resource = &apply->fetched.resource,
			     .c = &apply->plan.classes[i] };

	if (patch_class(&a, result, &result->error) < 0)
		result->result = NP_APPLY_FAILED;
	else
		adopt_plan(apply, i, &a);
}

static int fail_stopped(struct np_apply_class *result)
{
	result->result = NP_APPLY_FAILED;
	return np_fail(&result->error, NP_E_RETRY, "interrupted before it was written");
}

static bool is_stopped(const struct np_apply_watch *w)
{
	return w->is_stopped != NULL && w->is_stopped(w->ctx);
}

static int apply_classes(struct np_kube *k, const struct np_input *in,
			 const struct np_apply_options *o, struct np_apply *a, struct np_err *err)
{
	size_t n = a->plan.n_classes;

	a->classes = calloc(n + 1, sizeof(*a->classes));
	if (a->classes == NULL)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		apply_report(&o->watch, NP_APPLY_WRITING, i, n);
		a->was_stopped = a->was_stopped || is_stopped(&o->watch);
		if (a->was_stopped && json_object_size(a->plan.classes[i].change.patch) > 0)
			fail_stopped(&a->classes[i]);
		else
			apply_class(k, in, o, a, i);
	}
	apply_report(&o->watch, NP_APPLY_WRITING, n, n);
	return 0;
}

int np_apply_run(struct np_kube *k, const struct np_input *in, const struct np_apply_options *o,
		 struct np_apply *ret, struct np_err *err)
{
	NP_AUTO(np_apply_done) struct np_apply a = { .dry_run = o->dry_run };
	struct np_apply_options options = *o;

	if (apply_fetch(k, in, &o->watch, &a.fetched, err) < 0)
		return -(int)err->code;
	options.plan.classes = a.fetched.items;
	options.plan.n_classes = a.fetched.n;
	if (np_plan_make(in, &options.plan, &a.plan, err) < 0)
		return -(int)err->code;
	if (np_plan_code(&a.plan) == NP_OK && !np_plan_has_placeholder(&a.plan) &&
	    apply_classes(k, in, &options, &a, err) < 0)
		return -(int)err->code;
	/* Behind the writes, which may have planned anew: the notes belong to what is told. */
	if (!o->plan.revert && np_bindings_note(k, &a.fetched.resource, &a.plan, err) < 0)
		return -(int)err->code;
	*ret = a;
	a = (struct np_apply){ 0 };
	return 0;
}

enum np_code np_apply_code(const struct np_apply *a)
{
	enum np_code worst = np_plan_code(&a->plan);

	if (worst != NP_OK)
		return worst;
	if (np_plan_has_placeholder(&a->plan))
		return NP_E_SPEC;
	for (size_t i = 0; a->classes != NULL && i < a->plan.n_classes; i++) {
		enum np_code code = a->classes[i].error.code;

		if (np_code_exit_status(code) > np_code_exit_status(worst))
			worst = code;
	}
	return worst;
}

static json_t *error_tree(const struct np_err *error)
{
	if (error->code == NP_OK)
		return json_null();
	return json_pack("{s:s, s:s}", "code", np_code_name(error->code), "message", error->text);
}

/* Where nothing was written, a class that cannot be is the one that failed. */
static int add_result(json_t *c, const struct np_plan_class *p, const struct np_apply_class *r)
{
	const char *result = p->class == NULL
				     ? np_apply_result_name(NP_APPLY_FAILED)
				     : np_apply_result_name(r ? r->result : NP_APPLY_UNCHANGED);
	const char *version = r ? r->resource_version : NULL;

	if (json_object_set_new(c, "result", json_string(result)) < 0 ||
	    json_object_set_new(c, "resourceVersion",
				version ? json_string(version) : json_null()) < 0 ||
	    json_object_set_new(c, "attempts", json_integer(r ? r->attempts : 0)) < 0)
		return -1;
	return json_object_set_new(c, "error", r ? error_tree(&r->error) : json_null());
}

static const char *dry_run_name(enum np_dry_run dry_run)
{
	return dry_run == NP_DRY_RUN_CLIENT   ? "client"
	       : dry_run == NP_DRY_RUN_SERVER ? "server"
					      : NULL;
}

/* What befell a class is told among the errors too: one place to look. */
static int add_results(json_t *tree, const struct np_apply *a)
{
	json_t *errors = json_object_get(tree, "errors");
	json_t *classes = json_object_get(tree, "classes");
	const char *dry_run = dry_run_name(a->dry_run);
	json_t *c;
	size_t i;

	json_array_foreach (classes, i, c) {
		const struct np_apply_class *r = a->classes != NULL ? &a->classes[i] : NULL;

		if (add_result(c, &a->plan.classes[i], r) < 0)
			return -1;
		if (r && r->error.code != NP_OK &&
		    json_array_append_new(errors, error_tree(&r->error)) < 0)
			return -1;
	}
	return json_object_set_new(tree, "dryRun", dry_run ? json_string(dry_run) : json_null());
}

json_t *np_apply_tree(const struct np_apply *a)
{
	json_auto_t *tree = np_render_plan_tree(&a->plan);

	if (tree == NULL || add_results(tree, a) < 0)
		return NULL;
	return json_incref(tree);
}
