/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_HOOKD_HOOKD_H
#define NODEPREP_CMD_HOOKD_HOOKD_H

/*
 * hookd - what the parts of the program share. Only here is the environment read, a line logged and
 * the process ended.
 *
 * main.c     starts and stops it all
 * options.c  the command line and the environment
 * handle.c   which path is what
 * bounds.c   what descriptors and memory suffice for
 * call.c     the log line of a call
 * metrics.c  counters, and their text
 * watch.c    whether the API server can be reached
 */

#include "../common/address.h"
#include "../common/log.h"
#include "../common/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/hook.h"
#include "nodeprep/kube.h"
#include "nodeprep/serve.h"

struct options {
	struct address listen, metrics_listen;
	const char *cert_file, *key_file, *client_ca_file, *ticket_secret_file;
	bool allow_unauthenticated, no_opt_in;
	uint64_t max_window; /* GB; 0: no bound of its own */
	struct texts catalogues;
	const char *supervisor_kubeconfig; /* of the API server with the classes; NULL: the same */
	uint64_t threads, workers, max_connections;
	uint64_t parallel; /* classes that a call writes at a time; 0: the default */
	uint64_t max_memory; /* bytes */
	uint64_t shutdown_delay_ms, drain_ms;
	bool verbose, help, version;
	unsigned log_form; /* enum log_form */
	struct np_kube_options kube; /* of the API server with the Clusters */
};

/* Reads the command line and the environment; returns 1 where all is said and done. */
int options_parse(int argc, char *argv[], struct options *ret, struct np_err *err);
void options_done(struct options *o);

/* --- bounds.c ------------------------------------------------------------------------------- */

/* How many of each the limits of the system and of the command line leave. */
struct bounds {
	unsigned connections, probes;
	size_t bodies; /* bytes */
};

/* Raises the limit of descriptors where that helps; NP_E_USAGE where too little is left. */
int bounds_find(const struct options *o, struct bounds *ret, struct np_err *err);

/* --- call.c --------------------------------------------------------------------------------- */

/* What the log has of a call. */
struct call {
	const char *id, *hook, *result, *peer; /* peer NULL: no client certificate */
	double seconds;
	const struct np_hook_answer *answer;
};

void log_call(const char *level, const struct call *call);

/* --- metrics.c ------------------------------------------------------------------------------ */

enum result { RESULT_SUCCESS, RESULT_FAILURE, RESULT_RETRY, RESULT_ERROR, RESULT_MAX };

extern const char *const result_names[RESULT_MAX];

#define BUCKETS_MAX 14

/* Counters of all threads; they only grow. */
struct metrics {
	struct {
		atomic_ullong results[RESULT_MAX];
		atomic_ullong buckets[BUCKETS_MAX]; /* each for itself */
		atomic_ullong nanoseconds;
	} hooks[NP_HOOK_KIND_MAX];
	atomic_ullong templates, classes, conflicts, rejected;
};

void metrics_count(struct metrics *m, enum np_hook_kind kind, enum result result,
		   uint64_t nanoseconds);

/*
 * Returns the text that Prometheus reads, the caller's to free; NULL where memory runs out. `server` is the
 * one of the hooks.
 */
char *metrics_text(const struct metrics *m, const struct np_serve *server, bool ready);

/* --- watch.c -------------------------------------------------------------------------------- */

/* Whether the API server answers, asked again and again by a thread of its own. */
struct watch {
	const struct np_kube_options *servers[2]; /* NULL: none is needed */
	atomic_bool is_reachable;
};

/* Starts the thread; it ends with the process. */
int watch_start(struct watch *w, struct np_err *err);
bool watch_is_good(const struct watch *w);

/* --- handle.c ------------------------------------------------------------------------------- */

struct hookd {
	struct np_hook_options hook;
	struct metrics metrics;
	struct watch watch;
	struct np_serve *server; /* whose stopping ends readiness */
	bool verbose;
};

bool may_block(void *ctx, const struct np_serve_request *req);

/* Answers on the port of the hooks. */
int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
	   struct np_err *err);

/* Answers on the port of the metrics. */
int handle_metrics(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		   struct np_err *err);

#endif
