/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <pthread.h>
#include <stdlib.h>

/*
 * An update of a vCenter class is five requests with files written in between, one after the other. Several
 * classes at a time take a thread each, with a client and so a connection of its own; all of them use one
 * session. next() and done() are called under the lock, so that who began the updates needs none.
 */
struct crew {
	struct np_class_store *s;
	const struct sync_updates *all;
	pthread_mutex_t lock; /* guards the member below, next() and done() */
	bool is_over; /* there is no further update */
};

struct worker {
	struct crew *crew;
	pthread_t thread;
	bool is_running;
	struct sync_update how; /* the one to begin with */
};

static bool next_update(struct crew *crew, struct sync_update *ret)
{
	bool got;

	pthread_mutex_lock(&crew->lock);
	got = !crew->is_over && crew->all->next(crew->all->ctx, ret);
	crew->is_over = !got;
	pthread_mutex_unlock(&crew->lock);
	return got;
}

static void end_update(struct crew *crew, const struct sync_update *how, struct sync_updated *u,
		       const struct np_err *error)
{
	pthread_mutex_lock(&crew->lock);
	crew->all->done(crew->all->ctx, how, u, error);
	pthread_mutex_unlock(&crew->lock);
}

/* Makes one update after another; `error` is why none can be made. */
static void work(struct worker *w, struct np_class_store *s, const struct np_err *error)
{
	do {
		NP_AUTO(sync_updated_done) struct sync_updated updated = { 0 };
		struct np_err why = *error;

		if (why.code == NP_OK)
			(void)sync_vcenter_update(s, &w->how, &updated, &why);
		end_update(w->crew, &w->how, &updated, &why);
	} while (next_update(w->crew, &w->how));
}

static void *run(void *ctx)
{
	struct worker *w = ctx;
	NP_AUTO(np_vcenter_freep) struct np_vcenter *v = NULL;
	struct np_class_store s = *w->crew->s;
	struct np_err error = NP_ERR_INIT;

	(void)np_vcenter_clone(s.vcenter, &v, &error);
	s.vcenter = v;
	work(w, &s, &error);
	return NULL;
}

/* The caller's thread is the first worker, and does the work of those that cannot be started. */
static void run_all(struct crew *crew, struct worker *workers, size_t n)
{
	const struct np_err none = NP_ERR_INIT;

	for (size_t i = 1; i < n; i++)
		workers[i].is_running =
			pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0;
	for (size_t i = 0; i < n; i++)
		if (!workers[i].is_running)
			work(&workers[i], crew->s, &none);
	for (size_t i = 1; i < n; i++)
		if (workers[i].is_running)
			pthread_join(workers[i].thread, NULL);
}

int sync_vcenter_update_many(struct np_class_store *s, const struct sync_updates *all,
			     struct np_err *err)
{
	size_t most = all->most > 0 ? all->most : NP_KUBE_PARALLEL, n = 0;
	NP_AUTO(np_freep) struct worker *workers = calloc(most, sizeof(*workers));
	struct crew crew = { .s = s, .all = all, .lock = PTHREAD_MUTEX_INITIALIZER };

	if (!workers)
		return np_fail_nomem(err);
	while (n < most && next_update(&crew, &workers[n].how))
		workers[n++].crew = &crew;
	run_all(&crew, workers, n);
	pthread_mutex_destroy(&crew.lock);
	return 0;
}
