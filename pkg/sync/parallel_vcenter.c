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
	struct np_vcenter *client; /* of the thread */
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

static void work(struct worker *w, struct np_class_store *s)
{
	do {
		NP_AUTO(sync_updated_done) struct sync_updated updated = { 0 };
		struct np_err why = NP_ERR_INIT;

		(void)sync_vcenter_update(s, &w->how, &updated, &why);
		end_update(w->crew, &w->how, &updated, &why);
	} while (next_update(w->crew, &w->how));
}

static void *run(void *ctx)
{
	struct worker *w = ctx;
	struct np_class_store s = *w->crew->s;

	s.vcenter = w->client;
	work(w, &s);
	return NULL;
}

/* The client is made here, since the thread may not look at the one that the caller's thread uses. */
static void start(struct worker *w)
{
	struct np_err ignored = NP_ERR_INIT;

	w->is_running = np_vcenter_clone(w->crew->s->vcenter, &w->client, &ignored) == 0 &&
			pthread_create(&w->thread, NULL, run, w) == 0;
}

static void join(struct worker *w)
{
	if (w->is_running)
		pthread_join(w->thread, NULL);
	np_vcenter_free(w->client);
}

/* The caller's thread is the first worker, and does the work of those that cannot be started. */
static void run_all(struct crew *crew, struct worker *workers, size_t n)
{
	for (size_t i = 1; i < n; i++)
		start(&workers[i]);
	for (size_t i = 0; i < n; i++)
		if (!workers[i].is_running)
			work(&workers[i], crew->s);
	for (size_t i = 1; i < n; i++)
		join(&workers[i]);
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
