/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/vmclass.h"

enum {
	MISSING_PAUSE_MS = 60000, /* until a missing API is looked for again */
	LIST_DEADLINE_MS = 120000, /* without a further object */
	SILENCE_S = 150, /* Kubernetes sends a bookmark about each minute */
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

	/* As long as pages come, a list may take any time: the number of objects has no bound. */
	np_kube_set_deadline(x->kube, LIST_DEADLINE_MS);
	pthread_mutex_lock(&x->c->lock);
	r = take_object(x, object, err);
	pthread_mutex_unlock(&x->c->lock);
	return r;
}

static void on_open(void *ctx)
{
	struct reflection *x = ctx;

	pthread_mutex_lock(&x->c->lock);
	controller_health_open(&x->w->health, controller_now_ms());
	x->w->is_current = true;
	pthread_mutex_unlock(&x->c->lock);
}

static int on_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	struct reflection *x = ctx;
	int r = 0;

	controller_count(x->c, COUNT_WATCH_EVENTS, 1);
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

/* Once the pools are known, a class can be planned as soon as the list shows it. */
static void wait_for_owners(struct reflector *w)
{
	struct np_controller *c = w->c;

	pthread_mutex_lock(&c->lock);
	if (!controller_are_owners_synced(c)) {
		w->is_waiting = true;
		while (!controller_are_owners_synced(c) && !controller_is_stopping(c))
			pthread_cond_wait(&c->changed, &c->lock);
		w->is_waiting = false;
		controller_health_begin(&w->health, controller_now_ms());
	}
	pthread_mutex_unlock(&c->lock);
}

static void set_synced(struct reflector *w)
{
	pthread_mutex_lock(&w->c->lock);
	atomic_store(&w->synced, true);
	pthread_cond_broadcast(&w->c->changed);
	pthread_mutex_unlock(&w->c->lock);
}

static int list(struct reflection *x, struct np_err *err)
{
	if (x->w->kind == WATCHED_CLASS && !atomic_load(&x->w->synced))
		wait_for_owners(x->w);
	pthread_mutex_lock(&x->c->lock);
	x->w->round++;
	/* The watch after the list will show what changed since, and what a worker plans from the list is of that state. */
	if (!atomic_load(&x->w->synced))
		x->w->is_current = true;
	pthread_mutex_unlock(&x->c->lock);
	controller_count(x->c, COUNT_LISTS, 1);
	np_kube_set_deadline(x->kube, LIST_DEADLINE_MS);
	if (np_kube_list_version(x->kube, &x->resource, x->ns, on_listed, x, x->watch.version,
				 err) < 0)
		return np_err_ret(err);
	pthread_mutex_lock(&x->c->lock);
	controller_store_sweep(x->c, x->w);
	x->w->is_current = true;
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

/* Watches once; an end that the server had no reason for is an error. */
static int watch_once(struct reflection *x, struct np_err *err)
{
	struct watch_health *h = &x->w->health;
	bool is_established;

	controller_count(x->c, COUNT_WATCHES, 1);
	if (np_kube_watch(x->kube, &x->resource, &x->watch, err) < 0)
		return np_err_ret(err);
	if (x->watch.end == NP_KUBE_WATCH_GONE)
		x->listed = false;
	pthread_mutex_lock(&x->c->lock);
	is_established = controller_health_down_ms(h, controller_now_ms()) == 0;
	pthread_mutex_unlock(&x->c->lock);
	if (is_established || x->watch.end == NP_KUBE_WATCH_STOPPED)
		return 0;
	return np_fail(err, NP_E_RETRY, "the server ended the watch at once%s",
		       x->watch.end == NP_KUBE_WATCH_GONE
			       ? ": it no longer has the version of its own list (410)"
			       : "");
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

/*
 * Tells whether a watch can resume at its version: neither a cut nor a missing permission loses
 * events.
 */
static bool is_resumable(const struct np_err *why)
{
	return why->code == NP_E_RETRY || why->code == NP_E_FORBIDDEN;
}

/* Ends an attempt; `why` is NP_OK where the server ended an established watch as asked. */
static uint64_t end_attempt(struct reflection *x, const struct np_err *why)
{
	struct reflector *w = x->w;
	uint64_t lasted, pause;

	pthread_mutex_lock(&x->c->lock);
	w->is_current = false;
	lasted = controller_health_close(&w->health, controller_now_ms());
	pause = controller_health_pause(&w->health, lasted, arc4random());
	w->is_absent = why->code == NP_E_NOT_FOUND && rows[w->kind].optional;
	strlcpy(w->error, why->text, sizeof(w->error));
	pthread_mutex_unlock(&x->c->lock);
	if (why->code == NP_OK && lasted >= HEALTH_SUSTAINED_MS)
		return 0;
	if (why->code == NP_E_NOT_FOUND)
		pause = rows[w->kind].optional ? MISSING_PAUSE_MS : HEALTH_PAUSE_MOST_MS;
	/* A server may ask for a longer pause, which has a limit, and not for a shorter one. */
	return pause > x->watch.wait_ms ? pause : x->watch.wait_ms;
}

static void recover(struct reflection *x, const struct np_err *why)
{
	const struct watch_row *row = &rows[x->w->kind];

	if (!is_resumable(why))
		x->listed = false;
	/* Served in another version by now, or not at all. */
	if (why->code == NP_E_NOT_FOUND)
		x->resource.plural[0] = '\0';
	if (why->code == NP_E_NOT_FOUND && row->optional)
		set_synced(x->w);
	/* A cut that the next attempt repairs is not logged. */
	if (x->w->health.attempts > 1 || why->code != NP_E_RETRY)
		controller_warn(x->c, &x->last, row->plural, why->text);
}

static void reflect(struct reflection *x)
{
	while (!controller_is_stopping(x->c)) {
		struct np_err why = NP_ERR_INIT;
		uint64_t pause;
		int r;

		x->watch.wait_ms = 0;
		r = reflect_once(x, &why);
		pause = end_attempt(x, &why);
		if (r < 0 && !controller_is_stopping(x->c))
			recover(x, &why);
		controller_pause(x->c, pause);
	}
}

void *controller_reflector_thread(void *watcher)
{
	struct reflector *w = watcher;
	struct np_controller *c = w->c;
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err err = NP_ERR_INIT;
	struct reflection x = { .w = w, .c = c, .last = { .resource = rows[w->kind].plural } };

	x.ns = w->kind == WATCHED_CLASS && c->class_ns ? c->class_ns : c->ns;
	if (w->kind == WATCHED_CLASS && c->classes)
		x.ns = c->class_ns;
	x.watch = (struct np_kube_watch){ .ns = x.ns,
					  .each = on_event,
					  .on_open = on_open,
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

/* --- health ---------------------------------------------------------------------------------- */

const char *controller_reflector_resource(enum watched_kind kind)
{
	return rows[kind].plural;
}

uint64_t controller_reflector_down_ms(const struct reflector *w, uint64_t now_ms)
{
	return !w->wanted || w->is_absent || w->is_waiting
		       ? 0
		       : controller_health_down_ms(&w->health, now_ms);
}

bool controller_reflectors_are_lost(const struct np_controller *c)
{
	uint64_t now = controller_now_ms();

	for (unsigned i = 0; i < WATCHED_MAX; i++)
		if (controller_reflector_down_ms(&c->reflectors[i], now) >= HEALTH_LOST_MS)
			return true;
	return false;
}

static void report(struct np_controller *c, struct reflector *w)
{
	struct np_controller_line about = { .level = "info", .resource = rows[w->kind].plural };
	char error[NP_ERR_TEXT_MAX];
	uint64_t down;
	bool is_lost, was;

	pthread_mutex_lock(&c->lock);
	down = controller_reflector_down_ms(w, controller_now_ms());
	was = w->is_reported;
	/* Found again is what is established, not what is tried again. */
	is_lost = down >= HEALTH_LOST_MS || (was && down > 0);
	w->is_reported = is_lost;
	strlcpy(error, w->error[0] ? w->error : "no response yet", sizeof(error));
	pthread_mutex_unlock(&c->lock);
	if (is_lost && !was) {
		controller_count(c, COUNT_WATCHES_LOST, 1);
		about.level = "warning";
		controller_log_line(c, &about,
				    "the watch of %s has not been established for %d s: %s",
				    about.resource, HEALTH_LOST_MS / 1000, error);
	} else if (was && !is_lost) {
		controller_log_line(c, &about, "the watch of %s is established again",
				    about.resource);
	}
}

void controller_reflectors_report(struct np_controller *c)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		report(c, &c->reflectors[i]);
}
