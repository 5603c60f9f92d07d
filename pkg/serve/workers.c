/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

/* A handler's deepest stack is TLS to the API server. */
enum { STACK_BYTES = 1 << 20 };

static void free_job(struct job *job)
{
	if (!job)
		return;
	free(job->path);
	free(job->query);
	free(job->peer_name);
	if (job->body)
		evbuffer_free(job->body);
	np_serve_reply_done(&job->reply);
	serve_release(job->loop->server, &job->charged);
	free(job);
}

static void free_jobp(struct job **job)
{
	free_job(*job);
}

static void give_back(struct job *job)
{
	struct loop *l = job->loop;

	pthread_mutex_lock(&l->lock);
	STAILQ_INSERT_TAIL(&l->done, job, link);
	pthread_mutex_unlock(&l->lock);
	serve_loop_wake(l);
}

/* Waits for a job; NULL: the pool is stopping. */
static struct job *take_job(struct worker_pool *w)
{
	struct job *job = NULL;

	pthread_mutex_lock(&w->lock);
	while (!w->quit && STAILQ_EMPTY(&w->queue))
		pthread_cond_wait(&w->wake, &w->lock);
	if (!w->quit) {
		job = STAILQ_FIRST(&w->queue);
		STAILQ_REMOVE_HEAD(&w->queue, link);
		w->n_queued--;
		w->n_running++;
	}
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void *work(void *arg)
{
	struct np_serve *s = arg;
	struct job *job;

	while ((job = take_job(&s->workers))) {
		serve_handle_request(s, &job->request, &job->reply);
		give_back(job);
		pthread_mutex_lock(&s->workers.lock);
		s->workers.n_running--;
		pthread_mutex_unlock(&s->workers.lock);
	}
	return NULL;
}

/* The server's main thread receives the signals. */
static int start_thread(struct np_serve *s, pthread_t *ret)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int failed;

	if (pthread_attr_init(&attr) != 0)
		return -1;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(ret, &attr, work, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return failed ? -1 : 0;
}

int serve_workers_start(struct np_serve *s, struct np_err *err)
{
	struct worker_pool *w = &s->workers;

	STAILQ_INIT(&w->queue);
	if (s->o.workers == 0)
		return 0;
	w->threads = calloc(s->o.workers, sizeof(*w->threads));
	if (!w->threads)
		return np_fail_nomem(err);
	for (; w->n_threads < s->o.workers; w->n_threads++)
		if (start_thread(s, &w->threads[w->n_threads]) < 0)
			return np_fail(err, NP_E_IO, "cannot start a thread");
	return 0;
}

void serve_workers_stop(struct np_serve *s)
{
	struct worker_pool *w = &s->workers;

	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	w->n_threads = 0;
}

void serve_workers_done(struct np_serve *s)
{
	struct worker_pool *w = &s->workers;

	while (!STAILQ_EMPTY(&w->queue)) {
		struct job *job = STAILQ_FIRST(&w->queue);

		STAILQ_REMOVE_HEAD(&w->queue, link);
		free_job(job);
	}
	free(w->threads);
	w->threads = NULL;
}

/* The request is freed with its connection, which may end before the worker is done. */
static int copy_request(struct job *job, struct evhttp_request *req,
			const struct np_serve_request *from)
{
	job->request = *from;
	job->path = strdup(from->path);
	job->query = strdup(from->query);
	job->peer_name = from->peer_name ? strdup(from->peer_name) : NULL;
	job->body = evbuffer_new();
	if (!job->path || !job->query || (from->peer_name && !job->peer_name) || !job->body ||
	    evbuffer_add_buffer(job->body, evhttp_request_get_input_buffer(req)) < 0)
		return -1;
	job->request.path = job->path;
	job->request.query = job->query;
	job->request.peer_name = job->peer_name;
	job->request.body = (const char *)evbuffer_pullup(job->body, -1);
	job->request.find_header = NULL;
	job->request.ctx = NULL;
	return job->request.body ? 0 : -1;
}

static int enqueue(struct np_serve *s, struct job *job)
{
	struct worker_pool *w = &s->workers;
	int r = -1;

	pthread_mutex_lock(&w->lock);
	if (w->n_queued < s->o.queue_max) {
		STAILQ_INSERT_TAIL(&w->queue, job, link);
		w->n_queued++;
		pthread_cond_signal(&w->wake);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

int serve_workers_hand_over(struct conn *c, struct evhttp_request *req,
			    const struct np_serve_request *request)
{
	NP_AUTO(free_jobp) struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return -1;
	job->loop = c->loop;
	if (copy_request(job, req, request) < 0)
		return -1;
	job->response = serve_response_await(c, req, job);
	if (!job->response)
		return -1;
	job->charged = c->charged;
	if (enqueue(c->loop->server, job) < 0) {
		job->charged = 0;
		serve_response_drop(c);
		return -1;
	}
	c->charged = 0; /* the job's, even if the connection is gone */
	job = NULL;
	return 0;
}

void serve_workers_collect(struct loop *l)
{
	struct job_list done = STAILQ_HEAD_INITIALIZER(done);

	pthread_mutex_lock(&l->lock);
	STAILQ_CONCAT(&done, &l->done);
	pthread_mutex_unlock(&l->lock);
	while (!STAILQ_EMPTY(&done)) {
		struct job *job = STAILQ_FIRST(&done);

		STAILQ_REMOVE_HEAD(&done, link);
		if (job->response)
			serve_response_finish_take(job->response, &job->reply);
		free_job(job);
	}
}

bool np_serve_is_busy(struct np_serve *s)
{
	struct worker_pool *w = &s->workers;
	bool busy;

	pthread_mutex_lock(&w->lock);
	busy = w->n_running > 0;
	pthread_mutex_unlock(&w->lock);
	return busy;
}
