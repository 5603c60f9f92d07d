/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_HOOK_H
#define NODEPREP_HOOK_H

/*
 * hook - Cluster API's Runtime Hooks: turns a request's bytes into the response's bytes.
 *
 * Protocol   hooks.runtime.cluster.x-k8s.io/v1alpha1, as facts of its public API types and of the
 *            manager v1.13.6. An invalid request is not an HTTP error: the response has `status:
 *            Failure` and a message.
 * Pure       Discovery, DiscoverVariables, GeneratePatches, and ValidateTopology without an API
 *            server depend on the request alone: the same request gives the same bytes, on every
 *            replica. The text of a failure does not depend on the order of pools either, which
 *            Cluster API changes from call to call.
 * API        with an API server ValidateTopology checks the VM classes too, and the lifecycle hooks
 *            patch them through np_sync_run(), as holder "hook/<cluster>". Those calls block. They
 *            act on behalf of any client, so the caller passes an API server only where the server
 *            authenticates its clients.
 * Cluster    of a lifecycle hook's request only metadata.{namespace,name,uid} are used. The hook
 *            reads the Cluster from the API server. It refuses a Cluster that is missing, has
 *            another UID, or has the wrong deletion state, with one text for all of these.
 * Blocking   a lifecycle hook blocks with retryAfterSeconds on a conflict, without the API, and on
 *            an invalid Cluster: the manager shows a blocking hook's message in the Cluster's
 *            condition, and a failing hook's message only in its own log.
 * Settings   of the ExtensionConfig: `enforce` "true" (default) or "false": an invalid pool is
 *            refused, or only reported. `failurePolicy` "Fail" (default) or "Ignore": a failing
 *            lifecycle hook blocks the Cluster, or only reports the failure.
 * Threads    any number at a time: options are only read.
 * Bounds     depth 100, 10,000 templates of pools a request; the caller bounds the body.
 * Errors     NP_E_NOMEM alone: then there is no response.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/kube.h"
#include "nodeprep/plan.h"

struct np_err;

#define NP_HOOK_PATH "/hooks.runtime.cluster.x-k8s.io/v1alpha1/"

enum np_hook_kind {
	NP_HOOK_DISCOVERY,
	NP_HOOK_DISCOVER_VARIABLES,
	NP_HOOK_GENERATE_PATCHES,
	NP_HOOK_VALIDATE_TOPOLOGY,
	NP_HOOK_BEFORE_CLUSTER_CREATE,
	NP_HOOK_BEFORE_WORKERS_UPGRADE,
	NP_HOOK_BEFORE_CLUSTER_DELETE,
	NP_HOOK_KIND_MAX
};

struct np_hook_options {
	const struct np_catalogue *catalogue;
	const struct np_kube_options *kube; /* the API server with the classes; NULL: none */
	const struct np_kube_options *clusters; /* the one with the Clusters; NULL: the same */
	bool require_opt_in; /* a class without namespace needs its owner's permission */
	uint64_t max_window_gb; /* the largest window that a pool may ask for; 0: no such bound */
	unsigned parallel; /* how many classes a call writes at a time; 0: NP_KUBE_PARALLEL */
	uint64_t timeout_ms; /* of this call; API requests end before */
};

/* Finds the hook by its path, which includes the handler's name; false where there is none. */
bool np_hook_find(const char *path, enum np_hook_kind *ret);

/* Returns the hook's name in lower case, "generatepatches", as paths and metrics have it. */
const char *np_hook_name(enum np_hook_kind kind);

/* Tells whether a call waits for the API server. */
bool np_hook_blocks(const struct np_hook_options *o, enum np_hook_kind kind);

/* Returns the timeout of a call's query ("timeout=10s", a Go duration); 10 s without one. */
uint64_t np_hook_timeout_ms(const char *query);

/* The response, with its figures for the log and the metrics. */
struct np_hook_answer {
	char *body; /* the response; the caller frees it */
	size_t size;
	bool failed; /* status: Failure */
	unsigned retry_after_s; /* blocks */
	unsigned templates; /* patches in the response */
	unsigned classes; /* that were written */
	unsigned conflicts;
	char message[NP_ERR_TEXT_MAX]; /* of the response; "" where there is none */
	const char *refused; /* the reason of a refusal that the response hides; NULL: none */
};

/* Answers a request. */
int np_hook_call(const struct np_hook_options *o, enum np_hook_kind kind, const char *body,
		 size_t size, struct np_hook_answer *ret, struct np_err *err);

#endif
