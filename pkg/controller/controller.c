/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WORKERS_MAX = 64,
	STUCK_MS = 120000, /* an election's thread that has not turned for so long hangs */
	CLUSTER_ID_DEADLINE_MS = 5000,
};

/* --- beginning and end ----------------------------------------------------------------------- */

void np_controller_free(struct np_controller *c)
{
	if (!c)
		return;
	controller_store_done(c);
	controller_events_done(c);
	np_kube_config_free(c->pools);
	np_kube_config_free(c->classes);
	free(c->ns);
	free(c->class_ns);
	free(c->cluster_id);
	free(c->lease_ns);
	free(c->lease_name);
	free(c->identity);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void np_controller_freep(struct np_controller **c)
{
	np_controller_free(*c);
}

static int copy_text(char **to, const char *from, struct np_err *err)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? np_fail_nomem(err) : 0;
}

static int check_options(const struct np_controller_options *o, struct np_err *err)
{
	if (o->workers < 1 || o->workers > WORKERS_MAX)
		return np_fail(err, NP_E_USAGE, "invalid number of workers %u: expected 1 to %d",
			       o->workers, WORKERS_MAX);
	if (o->cluster_id &&
	    (o->cluster_id[0] == '\0' || strlen(o->cluster_id) > NP_ORIGIN_MAX ||
	     o->cluster_id[strspn(o->cluster_id,
				  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_.")] != '\0'))
		return np_fail(
			err, NP_E_USAGE,
			"invalid cluster id '%.80s': expected 1 to %d letters, digits, '-', '_' or '.'",
			o->cluster_id, NP_ORIGIN_MAX);
	if (!o->leader_elect)
		return 0;
	if (o->retry_ms < 100 || o->renew_ms <= o->retry_ms || o->lease_ms <= o->renew_ms ||
	    o->lease_ms < 1000)
		return np_fail(
			err, NP_E_USAGE,
			"the lease duration must be longer than the renew deadline, and the renew "
			"deadline longer than the retry period");
	if (!o->identity || o->identity[0] == '\0' || strlen(o->identity) >= LEASE_IDENTITY_MAX)
		return np_fail(err, NP_E_USAGE, "the identity must have 1 to %d bytes",
			       LEASE_IDENTITY_MAX - 1);
	return 0;
}

static int copy_options(struct np_controller *c, const struct np_controller_options *o,
			struct np_err *err)
{
	const char *lease_ns = o->lease_ns ? o->lease_ns : np_kube_config_namespace(o->pools);

	c->o = *o;
	if (copy_text(&c->ns, o->ns, err) < 0 || copy_text(&c->class_ns, o->class_ns, err) < 0 ||
	    copy_text(&c->cluster_id, o->cluster_id, err) < 0 ||
	    copy_text(&c->lease_ns, lease_ns, err) < 0 ||
	    copy_text(&c->lease_name, o->lease_name, err) < 0 ||
	    copy_text(&c->identity, o->identity, err) < 0 ||
	    np_kube_config_clone(o->pools, &c->pools, err) < 0)
		return np_err_ret(err);
	return o->classes ? np_kube_config_clone(o->classes, &c->classes, err) : 0;
}

static bool is_watched(const struct np_controller_options *o, enum watched_kind kind)
{
	return o->clusters || kind == WATCHED_NODEPOOL || kind == WATCHED_CLASS;
}

int np_controller_new(const struct np_controller_options *o, struct np_controller **ret,
		      struct np_err *err)
{
	NP_AUTO(np_controller_freep) struct np_controller *c = NULL;
	pthread_condattr_t attributes;

	if (check_options(o, err) < 0)
		return np_err_ret(err);
	c = calloc(1, sizeof(*c));
	if (!c)
		return np_fail_nomem(err);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	atomic_store(&c->beat_ms, controller_now_ms());
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		c->reflectors[i].c = c;
		c->reflectors[i].kind = (enum watched_kind)i;
		c->reflectors[i].wanted = is_watched(o, (enum watched_kind)i);
		controller_health_begin(&c->reflectors[i].health, controller_now_ms());
	}
	if (copy_options(c, o, err) < 0)
		return np_err_ret(err);
	*ret = np_take(c);
	return 0;
}

bool np_controller_is_healthy(struct np_controller *c)
{
	return controller_now_ms() - atomic_load(&c->beat_ms) < STUCK_MS;
}

bool np_controller_is_ready(struct np_controller *c)
{
	bool is_lost;

	pthread_mutex_lock(&c->lock);
	is_lost = controller_reflectors_are_lost(c);
	pthread_mutex_unlock(&c->lock);
	return !is_lost && controller_is_synced(c) && !controller_is_stopping(c);
}

/* --- running --------------------------------------------------------------------------------- */

/* The id that leads pool ids where the classes are another API server's. */
static int find_cluster_id(struct np_controller *c, struct np_err *err)
{
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	json_auto_t *ns = NULL;
	const char *uid;

	if (!c->classes || c->cluster_id)
		return 0;
	if (controller_client(c, false, CLIENT_READS, &kube, err) < 0)
		return np_err_ret(err);
	np_kube_set_deadline(kube, CLUSTER_ID_DEADLINE_MS);
	if (np_kube_get_path(kube, "/api/v1/namespaces/kube-system", &ns, err) < 0)
		return np_err_ret(err);
	uid = json_string_value(json_object_get(json_object_get(ns, "metadata"), "uid"));
	if (!uid || uid[0] == '\0' || strlen(uid) > NP_ORIGIN_MAX)
		return np_fail(err, NP_E_REFUSED,
			       "namespace kube-system has no uid: set --cluster-id");
	controller_log(c, "info", "pool ids begin with '%s/'", uid);
	return copy_text(&c->cluster_id, uid, err);
}

/* An API server that is not there yet is waited for. */
static int wait_for_cluster_id(struct np_controller *c, struct np_err *err)
{
	struct log_dedup last = { 0 };

	while (!controller_is_stopping(c)) {
		struct np_err why = NP_ERR_INIT;

		atomic_store(&c->beat_ms, controller_now_ms());
		if (find_cluster_id(c, &why) == 0)
			return 0;
		if (why.code != NP_E_RETRY) {
			*err = why;
			return np_wrap(err, "cluster id");
		}
		controller_warn(c, &last, "cluster id", why.text);
		controller_pause(c, c->o.retry_ms);
	}
	return 0;
}

static int spawn(pthread_t *thread, void *(*run)(void *ctx), void *ctx, struct np_err *err)
{
	int error = pthread_create(thread, NULL, run, ctx);

	return error != 0 ? np_fail(err, NP_E_NOMEM, "cannot start a thread: %s", strerror(error))
			  : 0;
}

static int spawn_watchers(struct np_controller *c, struct np_err *err)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		struct reflector *w = &c->reflectors[i];

		if (w->wanted && spawn(&w->thread, controller_reflector_thread, w, err) < 0)
			return np_err_ret(err);
		w->runs = w->wanted;
	}
	return 0;
}

static void join_watchers(struct np_controller *c)
{
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		if (c->reflectors[i].runs)
			pthread_join(c->reflectors[i].thread, NULL);
}

static void wait_for_stop(struct np_controller *c)
{
	pthread_mutex_lock(&c->lock);
	while (!controller_is_stopping(c))
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

static void tell_workers_done(struct np_controller *c)
{
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->events_until_ms, controller_now_ms() + EVENTS_FLUSH_MS);
	atomic_store(&c->workers_done, true);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* The lease outlives the workers, so that the next holder finds no writer. */
int np_controller_run(struct np_controller *c, struct np_err *err)
{
	pthread_t workers[WORKERS_MAX], election, writer;
	unsigned n = 0;
	int result = wait_for_cluster_id(c, err);
	bool elects = false, writes = false;

	if (result < 0 || controller_is_stopping(c))
		return result;
	result = spawn_watchers(c, err);
	for (; result == 0 && n < c->o.workers; n++)
		result = spawn(&workers[n], controller_reconcile_thread, c, err);
	if (result < 0 && n > 0)
		n--;
	if (result == 0) {
		result = spawn(&writer, controller_events_thread, c, err);
		writes = result == 0;
	}
	if (result == 0) {
		result = spawn(&election, controller_elect_run, c, err);
		elects = result == 0;
	}
	if (result == 0)
		wait_for_stop(c);
	np_controller_stop(c);
	for (unsigned i = 0; i < n; i++)
		pthread_join(workers[i], NULL);
	tell_workers_done(c);
	if (elects)
		pthread_join(election, NULL);
	if (writes)
		pthread_join(writer, NULL);
	join_watchers(c);
	return result;
}
