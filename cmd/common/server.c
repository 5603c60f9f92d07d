/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"
#include "server.h"

#include <signal.h>
#include <stddef.h>

static struct np_serve *running, *reloading;

static void on_signal(int signal)
{
	(void)signal;
	if (running)
		np_serve_stop(running);
}

void server_stop_on_signal(struct np_serve *s)
{
	const struct sigaction act = { .sa_handler = on_signal };

	running = s;
	if (!s)
		return;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
}

static void on_hangup(int signal)
{
	(void)signal;
	if (reloading)
		np_serve_reload(reloading);
}

void server_reload_on_signal(struct np_serve *s)
{
	const struct sigaction act = { .sa_handler = on_hangup };

	reloading = s;
	if (s)
		sigaction(SIGHUP, &act, NULL);
}

int thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg,
		 struct np_err *err)
{
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(ret, attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed ? np_fail(err, NP_E_IO, "cannot start a thread") : 0;
}

static void *run_server(void *server)
{
	struct np_err err = NP_ERR_INIT;

	if (np_serve_run(server, &err) < 0)
		log_line("error", err.text);
	return NULL;
}

int side_server_start(struct side_server *s, struct np_err *err)
{
	if (s->server && thread_start(&s->thread, NULL, run_server, s->server, err) < 0)
		return np_err_ret(err);
	s->runs = !!s->server;
	return 0;
}

void side_server_stop(struct side_server *s)
{
	if (s->runs) {
		np_serve_stop(s->server);
		pthread_join(s->thread, NULL);
	}
	s->runs = false;
}

void side_server_done(struct side_server *s)
{
	side_server_stop(s);
	np_serve_free(s->server);
	s->server = NULL;
}
