/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/vmclass.h"

enum {
	PAUSE_FIRST_MS = 200,
	PAUSE_MOST_MS = 10000,
	MISSING_PAUSE_MS = 60000, /* until a missing API is looked for again */
	LIST_DEADLINE_MS = 120000,
	SILENCE_S = 150, /* Kubernetes sends a bookmark about each minute */
	SHORT_MS = 1000, /* a shorter watch without events counts as rejected */
};

static const struct watch_row {
	const char *group, *plural;
	bool optional; /* optional on a server */
} rows[WATCHED_MAX] = {
	[WATCHED_NODEPOOL] = { CONTROLLER_GROUP, "nodepools", false },
	[WATCHED_CLUSTER] = { "cluster.x-k8s.io", "clusters", true },
	[WATCHED_TKC] = { "run.tanzu.vmware.com", "tanzukubernetesclusters", true },
	[WATCHED_CLASS] = { NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, false },
};

struct reflection {
	struct reflector *w;
	struct np_controller *c;
	struct np_kube *kube;
	struct np_kube_resource resource;
	const char *ns; /* NULL: all */
	bool listed; /* `watch.version` can be gone on from */
	struct np_kube_watch watch;
	bool heard; /* an event came since the watch began */
	unsigned failures; /* in a row without an event */
	struct log_dedup last;
};

static bool is_stopped(void *ctx)
{
	return controller_is_stopping(((struct reflection *)ctx)->c);
}

static int take_object(struct reflection *x, json_t *object, struct np_err *err)
{
	return x->w->kind == WATCHED_CLASS ? controller_store_class(x->c, x->w, object, err)
					   : controller_store_put(x->c, x->w, object, err);
}

static int on_listed(void *ctx, json_t *object, struct np_err *err)
{
	struct reflection *x = ctx;
	int r;

	pthread_mutex_lock(&x->c->lock);
	r = take_object(x, object, err);
	pthread_mutex_unlock(&x->c->lock);
	return r;
}

static int on_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	struct reflection *x = ctx;
	int r = 0;

	controller_count(x->c, COUNT_WATCH_EVENTS, 1);
	x->heard = true;
	x->failures = 0;
	pthread_mutex_lock(&x->c->lock);
	if (event == NP_KUBE_ADDED || event == NP_KUBE_MODIFIED)
		r = take_object(x, object, err);
	else if (event == NP_KUBE_DELETED && x->w->kind == WATCHED_CLASS)
		controller_store_class_gone(x->c, object);
	else if (event == NP_KUBE_DELETED)
		controller_store_drop(x->c, x->w->kind, object);
	pthread_mutex_unlock(&x->c->lock);
	return r;
}

static int list(struct reflection *x, struct np_err *err)
{
	pthread_mutex_lock(&x->c->lock);
	x->w->round++;
	pthread_mutex_unlock(&x->c->lock);
	controller_count(x->c, COUNT_LISTS, 1);
	np_kube_set_deadline(x->kube, LIST_DEADLINE_MS);
	if (np_kube_list_version(x->kube, &x->resource, x->ns, on_listed, x, x->watch.version,
				 err) < 0)
		return np_err_ret(err);
	pthread_mutex_lock(&x->c->lock);
	controller_store_sweep(x->c, x->w);
	atomic_store(&x->w->synced, true);
	pthread_cond_broadcast(&x->c->changed);
	pthread_mutex_unlock(&x->c->lock);
	x->listed = true;
	return 0;
}

static int discover(struct reflection *x, struct np_err *err)
{
	const struct watch_row *row = &rows[x->w->kind];

	np_kube_set_deadline(x->kube, LIST_DEADLINE_MS);
	return np_kube_discover(x->kube, row->group, row->plural, &x->resource, err);
}

/* The classes' scope must be known before a pool can be joined to its class. */
static void report_scope(struct reflection *x)
{
	pthread_mutex_lock(&x->c->lock);
	x->c->class_resource = x->resource;
	x->c->classes_found = true;
	pthread_cond_broadcast(&x->c->changed);
	pthread_mutex_unlock(&x->c->lock);
}

static void wait_for_scope(struct np_controller *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->classes_found && !controller_is_stopping(c))
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

/* A watch that ended at once without events is retried after a pause, whatever ended it. */
static int watch_once(struct reflection *x, struct np_err *err)
{
	uint64_t began = controller_now_ms();

	x->heard = false;
	controller_count(x->c, COUNT_WATCHES, 1);
	if (np_kube_watch(x->kube, &x->resource, &x->watch, err) < 0)
		return np_err_ret(err);
	if (x->watch.end == NP_KUBE_WATCH_GONE)
		x->listed = false;
	if (!x->heard && controller_now_ms() - began < SHORT_MS)
		return np_fail(err, NP_E_RETRY, "the watch ended at once");
	x->failures = 0;
	return 0;
}

/* Lists where necessary, then watches until the server ends the watch. */
static int reflect_once(struct reflection *x, struct np_err *err)
{
	if (x->resource.plural[0] == '\0') {
		if (discover(x, err) < 0)
			return np_err_ret(err);
		if (x->w->kind == WATCHED_CLASS)
			report_scope(x);
	}
	if (!x->listed && list(x, err) < 0)
		return np_err_ret(err);
	return watch_once(x, err);
}

/* Doubled with each failure in a row; an answer that says how long is obeyed. */
static uint64_t pause_of(const struct reflection *x, const struct np_err *why)
{
	uint64_t pause = PAUSE_FIRST_MS;

	if (x->watch.wait_ms > 0)
		return x->watch.wait_ms;
	if (why->code == NP_E_NOT_FOUND)
		return rows[x->w->kind].optional ? MISSING_PAUSE_MS : PAUSE_MOST_MS;
	for (unsigned i = 1; i < x->failures && pause < PAUSE_MOST_MS; i++)
		pause *= 2;
	return pause < PAUSE_MOST_MS ? pause : PAUSE_MOST_MS;
}

/*
 * Tells whether a watch can resume at its version: neither a cut nor a missing permission loses
 * events.
 */
static bool is_resumable(const struct np_err *why)
{
	return why->code == NP_E_RETRY || why->code == NP_E_FORBIDDEN;
}

static void recover(struct reflection *x, const struct np_err *why)
{
	const struct watch_row *row = &rows[x->w->kind];

	x->failures++;
	if (!is_resumable(why))
		x->listed = false;
	/* Served in another version by now, or not at all. */
	if (why->code == NP_E_NOT_FOUND)
		x->resource.plural[0] = '\0';
	if (why->code == NP_E_NOT_FOUND && row->optional)
		atomic_store(&x->w->synced, true);
	/* A cut that the next attempt repairs is not logged. */
	if (x->failures > 1 || why->code != NP_E_RETRY)
		controller_warn(x->c, &x->last, row->plural, why->text);
	controller_pause(x->c, pause_of(x, why));
}

static void reflect(struct reflection *x)
{
	while (!controller_is_stopping(x->c)) {
		struct np_err why = NP_ERR_INIT;

		x->watch.wait_ms = 0;
		if (reflect_once(x, &why) < 0 && !controller_is_stopping(x->c))
			recover(x, &why);
	}
}

void *controller_reflector_thread(void *watcher)
{
	struct reflector *w = watcher;
	struct np_controller *c = w->c;
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err err = NP_ERR_INIT;
	struct reflection x = { .w = w, .c = c };

	x.ns = w->kind == WATCHED_CLASS && c->class_ns ? c->class_ns : c->ns;
	if (w->kind == WATCHED_CLASS && c->classes)
		x.ns = c->class_ns;
	x.watch = (struct np_kube_watch){ .ns = x.ns,
					  .each = on_event,
					  .is_stopped = is_stopped,
					  .ctx = &x,
					  .silence_s = SILENCE_S };
	if (controller_client(c, w->kind == WATCHED_CLASS, CLIENT_READS, &kube, &err) < 0) {
		controller_log(c, "error", "%s", err.text);
		np_controller_stop(c);
		return NULL;
	}
	x.kube = kube;
	if (w->kind != WATCHED_CLASS)
		wait_for_scope(c);
	reflect(&x);
	return NULL;
}
