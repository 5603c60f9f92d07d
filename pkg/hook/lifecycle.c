/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

/* Seen in the manager v1.13.6: what a hook that blocks says stands in the Cluster's condition. */
#define RETRY_AFTER_S 5
#define REFUSED_AFTER_S 10
#define LABEL_MAX 600
#define HOLDER_MAX 300

/* The cluster whose hook is called, on its way through. */
struct lifecycle {
	struct outcome *out;
	struct np_doc *doc;
	const char *ns, *name; /* of the document */
	char holder[HOLDER_MAX];
	struct np_hook_options left; /* the call's options, with the time that is left */
	struct np_kube *kube;
	struct np_err worst; /* what befell some class; the first of its kind */
	struct np_err refused; /* what the Cluster itself says cannot be */
	struct np_err unread; /* an invalid record of a class that the Cluster does not name */
};

static void lifecycle_done(struct lifecycle *l)
{
	np_doc_unref(l->doc);
	np_kube_free(l->kube);
}

/* Takes the Cluster as the API server has it; what it was called stays the object's own. */
static int take_cluster(struct lifecycle *l, json_t *object, struct np_err *err)
{
	const json_t *metadata = json_object_get(object, "metadata");
	char label[LABEL_MAX];

	l->name = json_string_value(json_object_get(metadata, "name"));
	l->ns = json_string_value(json_object_get(metadata, "namespace"));
	snprintf(label, sizeof(label), "Cluster %.253s/%.253s", l->ns, l->name);
	snprintf(l->holder, sizeof(l->holder), "hook/%.253s", l->name);
	return np_doc_new_take(label, json_incref(object), &l->doc, err);
}

static int read_cluster(const struct request *r, struct lifecycle *l, struct np_err *err)
{
	struct cluster_read read = { NULL, NULL };
	bool is_deleted = l->out->kind == NP_HOOK_BEFORE_CLUSTER_DELETE;
	int done;

	if (hook_cluster_fetch(l->out->o, &r->cluster, is_deleted, &read, err) < 0)
		return np_err_ret(err);
	if (read.refused) {
		l->out->answer->refused = read.refused;
		return np_fail(err, NP_E_SPEC, "the request is refused");
	}
	done = take_cluster(l, read.object, err);
	json_decref(read.object);
	return done;
}

/* What can be tried again blocks; of the rest the first failed class is reported. */
static void note_failure(struct lifecycle *l, const struct np_err *why)
{
	bool now = np_code_exit_status(why->code) == np_code_exit_status(NP_E_RETRY);
	bool before = np_code_exit_status(l->worst.code) == np_code_exit_status(NP_E_RETRY);

	if (l->worst.code == NP_OK || (before && !now))
		l->worst = *why;
}

static void note_class(struct lifecycle *l, const char *ns, const char *name,
		       const struct np_err *error)
{
	struct np_err why = *error;

	if (why.code == NP_OK)
		return;
	l->out->answer->conflicts += why.code == NP_E_CONFLICT;
	np_wrap(&why, "VirtualMachineClass '%s%s%s'", ns ? ns : "", ns ? "/" : "", name);
	note_failure(l, &why);
}

static void count_class(struct lifecycle *l, enum np_sync_result result, unsigned attempts)
{
	struct np_hook_answer *a = l->out->answer;

	a->classes += result == NP_SYNC_PATCHED;
	if (attempts > 1)
		a->conflicts += attempts - 1;
}

/* Keeps what is wrong with the Cluster itself; memory that ran out is no fault of its. */
static int refuse(struct lifecycle *l, const struct np_err *why, struct np_err *err)
{
	if (why->code == NP_E_NOMEM)
		return np_fail_nomem(err);
	l->refused = *why;
	return 0;
}

static int note_results(struct lifecycle *l, const struct np_sync *a, struct np_err *err)
{
	NP_AUTO(hook_findings_done) struct findings f = { NULL };
	struct np_err why = NP_ERR_INIT;
	char text[NP_ERR_TEXT_MAX];

	if (hook_findings_add_plan(&f, &a->plan, err) < 0)
		return np_err_ret(err);
	if (hook_findings_has_any(&f)) {
		hook_findings_text(&f, text);
		np_fail(&why, np_plan_code(&a->plan), "%s", text);
		/* The owner's permission may come any time: the Cluster waits, and says so. */
		if (why.code == NP_E_NOT_ALLOWED)
			return refuse(l, &why, err);
		note_failure(l, &why);
	} else if (!a->classes) {
		np_fail(&why, NP_E_SPEC, "%s holds a placeholder that nothing has filled in",
			np_doc_name(l->doc));
		note_failure(l, &why);
	}
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++) {
		const struct np_plan_class *c = &a->plan.classes[i];

		count_class(l, a->classes[i].result, a->classes[i].attempts);
		note_class(l, c->ns, c->name, &a->classes[i].error);
	}
	return 0;
}

static int apply(struct lifecycle *l, struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_sync_done) struct np_sync a = { .classes = NULL };
	struct np_sync_options o = { .dry_run = NP_DRY_RUN_NONE };
	struct np_class_store store;

	o.parallel = l->out->o->parallel;
	o.plan.catalogue = l->out->o->catalogue;
	o.plan.holder = l->holder;
	o.plan.opt_in.required = l->out->o->require_opt_in;
	o.plan.max_window_gb = l->out->o->max_window_gb;
	if (hook_connect(&l->left, &l->kube, err) < 0)
		return np_err_ret(err);
	store = np_sync_store_kube(l->kube, NULL);
	if (np_sync_run(&store, in, &o, &a, err) < 0)
		return np_err_ret(err);
	return note_results(l, &a, err);
}

/* Pools whose templates name their devices need no class, but may say what cannot be. */
static int check_without_classes(struct lifecycle *l, const struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_plan_done) struct np_plan plan = { .n_pools = 0 };
	struct np_plan_options o = { .catalogue = l->out->o->catalogue,
				     .max_window_gb = l->out->o->max_window_gb };

	o.holder = l->holder;
	if (np_plan_make(in, &o, &plan, err) < 0)
		return np_err_ret(err);
	return plan.n_errors > 0 ? refuse(l, &plan.errors[0], err) : 0;
}

/* Reads the Cluster's own pools, as far as they can be read; what cannot is kept as refused. */
static int read_pools(struct lifecycle *l, struct np_input *in, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_pool_input_add(in, l->out->o->catalogue, l->doc, &why) < 0 ||
	    (in->n_pools > 0 && np_pool_input_finish(in, &why) < 0))
		return refuse(l, &why, err);
	return 0;
}

/* Patches the classes of the Cluster's own pools. */
static int apply_cluster(struct lifecycle *l, struct np_err *err)
{
	NP_AUTO(np_pool_input_done) struct np_input in = { .n_pools = 0 };

	if (read_pools(l, &in, err) < 0)
		return np_err_ret(err);
	if (l->refused.code != NP_OK)
		return 0;
	return np_pool_input_needs_classes(&in) ? apply(l, &in, err)
						: check_without_classes(l, &in, err);
}

/* --- release ---------------------------------------------------------------------------------- */

/* Tells whether the pool's id is of the cluster. */
static bool is_of_cluster(const struct lifecycle *l, const char *id)
{
	size_t ns = strlen(l->ns), name = strlen(l->name);

	return strncmp(id, l->ns, ns) == 0 && id[ns] == '/' &&
	       strncmp(id + ns + 1, l->name, name) == 0 && id[ns + 1 + name] == '/';
}

/* A pool may be gone from the topology, or from its class: what the record says of it counts. */
static bool is_own(void *ctx, const char *id, const char *holder)
{
	const struct lifecycle *l = ctx;

	return strcmp(holder, l->holder) == 0 && is_of_cluster(l, id);
}

/* Returns the message of the first such warning; NULL where there is none. */
static const char *find_warning(const struct np_release *release, enum np_warning_id warning)
{
	for (size_t i = 0; i < release->warnings.n; i++)
		if (release->warnings.items[i].warning == warning)
			return release->warnings.items[i].message;
	return NULL;
}

static void note_release(struct lifecycle *l, const struct np_release *release)
{
	const char *unread = find_warning(release, NP_WARNING_INVALID_RECORD);

	if (unread)
		np_fail(&l->unread, NP_E_RECORD, "%s", unread);
	/* What the Cluster says matters only where its pools alone say which classes there are. */
	if (!find_warning(release, NP_WARNING_LIST_FORBIDDEN))
		l->refused = (struct np_err)NP_ERR_INIT;
	for (size_t i = 0; i < release->n; i++) {
		const struct np_release_class *c = &release->classes[i];

		count_class(l, c->result, c->attempts);
		note_class(l, c->ns, c->name, &c->error);
	}
}

static int release_cluster(struct lifecycle *l, struct np_err *err)
{
	NP_AUTO(np_pool_input_done) struct np_input in = { .n_pools = 0 };
	NP_AUTO(np_sync_release_done) struct np_release release = { 0 };
	const struct np_release_scope scope = { .catalogue = l->out->o->catalogue,
						.releases = is_own,
						.ctx = l,
						.namespaces = &l->ns,
						.n_namespaces = 1,
						.parallel = l->out->o->parallel,
						.in = &in };
	struct np_class_store store;

	if (read_pools(l, &in, err) < 0 || hook_connect(&l->left, &l->kube, err) < 0)
		return np_err_ret(err);
	store = np_sync_store_kube(l->kube, NULL);
	if (np_sync_release(&store, &scope, &release, err) < 0)
		return np_err_ret(err);
	note_release(l, &release);
	return 0;
}

/* --- the hooks -------------------------------------------------------------------------------- */

static int run(struct lifecycle *l, const struct request *r, struct np_err *err)
{
	uint64_t began = np_clock_ms(), spent;

	if (read_cluster(r, l, err) < 0)
		return np_err_ret(err);
	spent = np_clock_ms() - began;
	l->left.timeout_ms -= spent < l->left.timeout_ms ? spent : l->left.timeout_ms;
	return l->out->kind == NP_HOOK_BEFORE_CLUSTER_DELETE ? release_cluster(l, err)
							     : apply_cluster(l, err);
}

/* The call comes again, and its message is shown until then. */
static void block(struct outcome *out, const struct np_err *why, unsigned after_s)
{
	memcpy(out->answer->message, why->text, sizeof(why->text));
	out->answer->retry_after_s = after_s;
}

/* A Cluster that goes is not held up by what it says. */
static int tell_refused(struct lifecycle *l, const struct request *r)
{
	bool blocks = r->enforce && l->out->kind != NP_HOOK_BEFORE_CLUSTER_DELETE;

	block(l->out, &l->refused, blocks ? REFUSED_AFTER_S : 0);
	return 0;
}

int hook_run_lifecycle(struct outcome *out, const struct request *r, struct np_err *err)
{
	NP_AUTO(lifecycle_done) struct lifecycle l = { .out = out, .left = *out->o };
	struct np_err why = NP_ERR_INIT;

	if (run(&l, r, &why) < 0)
		note_failure(&l, &why);
	if (l.worst.code == NP_OK && l.refused.code == NP_OK && l.unread.code != NP_OK)
		block(out, &l.unread, 0);
	if (l.worst.code == NP_OK)
		return l.refused.code == NP_OK ? 0 : tell_refused(&l, r);
	if (l.worst.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r->ignores_failure && !out->answer->refused) {
		block(out, &l.worst, 0);
		return 0;
	}
	/* Another client writes, or the API is away: the cluster waits. */
	if (np_code_exit_status(l.worst.code) == np_code_exit_status(NP_E_RETRY)) {
		block(out, &l.worst, RETRY_AFTER_S);
		return 0;
	}
	*err = l.worst;
	return np_err_ret(err);
}
