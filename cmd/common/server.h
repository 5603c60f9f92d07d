/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_SERVER_H
#define NODEPREP_CMD_COMMON_SERVER_H

/*
 * server - how the programs run an HTTP server: until a signal, or beside their work.
 */

#include <pthread.h>
#include <stdbool.h>

#include "nodeprep/err.h"
#include "nodeprep/serve.h"

/* Stops the server at SIGTERM and SIGINT; NULL: none any more. */
void server_stop_on_signal(struct np_serve *s);

/* Makes the server read its certificates again at SIGHUP; NULL: none any more. */
void server_reload_on_signal(struct np_serve *s);

/* A server with a thread of its own. */
struct side_server {
	struct np_serve *server; /* NULL: there is none */
	pthread_t thread;
	bool runs;
};

/* Starts the thread, which no signal reaches, unless there is no server. */
int side_server_start(struct side_server *s, struct np_err *err);

/* Stops the thread. */
void side_server_stop(struct side_server *s);

/* The same, and frees the server. */
void side_server_done(struct side_server *s);

/* Starts a thread that no signal reaches, with the default attributes where `attr` is NULL. */
int thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*run)(void *), void *arg,
		 struct np_err *err);

#endif
