/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/server.h"
#include "hookd.h"

#include <pthread.h>
#include <time.h>

#include "nodeprep/err.h"

enum { EVERY_S = 3, DEADLINE_MS = 5000, STACK_BYTES = 1 << 20 };

static int ask(const struct np_kube_options *options, struct np_err *err)
{
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	json_auto_t *version = NULL;
	struct np_kube_options o = *options;
	struct np_kube_config *config;

	o.deadline_ms = DEADLINE_MS;
	if (np_kube_config_load(&o, &config, err) < 0 || np_kube_new_take(config, &kube, err) < 0)
		return np_err_ret(err);
	return np_kube_get_path(kube, "/version", &version, err);
}

static int ask_all(const struct watch *w, struct np_err *err)
{
	for (size_t i = 0; i < sizeof(w->servers) / sizeof(w->servers[0]); i++)
		if (w->servers[i] && ask(w->servers[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	const struct timespec pause = { EVERY_S, 0 };
	bool was = false, is_first = true;

	for (;;) {
		struct np_err err = NP_ERR_INIT;
		bool is = ask_all(w, &err) == 0;

		atomic_store(&w->is_reachable, is);
		if (is_first || is != was)
			log_line(is ? "info" : "error",
				 is ? "the API server is reachable" : err.text);
		was = is;
		is_first = false;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int watch_start(struct watch *w, struct np_err *err)
{
	pthread_t thread;
	pthread_attr_t attr;
	int r;

	if (!w->servers[0])
		return 0;
	if (pthread_attr_init(&attr) != 0)
		return np_fail_nomem(err);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = thread_start(&thread, &attr, watch, w, err);
	pthread_attr_destroy(&attr);
	return r;
}

bool watch_is_good(const struct watch *w)
{
	return !w->servers[0] || atomic_load(&w->is_reachable);
}
