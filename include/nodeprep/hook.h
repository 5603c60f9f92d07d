/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_HOOK_H
#define NODEPREP_HOOK_H

/*
 * hook - Cluster API's Runtime Hooks: a request's bytes in, the response's bytes out.
 *
 * Protocol   hooks.runtime.cluster.x-k8s.io/v1alpha1, as facts of its public API types and of the
 *            manager v1.13.6. What is wrong with a request is no HTTP error: the response says
 *            `status: Failure` and why.
 * Pure       Discovery, DiscoverVariables, GeneratePatches, and ValidateTopology without an API server
 *            depend on the request alone: the same request gives the same bytes, on every replica.
 *            The text of a failure does not depend on the order of pools either, which Cluster API
 *            changes from call to call.
 * API        with an API server ValidateTopology looks at the VM classes too, and the lifecycle hooks
 *            patch them through np_sync_run(), as holder "hook/<cluster>". Those calls block. They
 *            act for whoever sends the request: the caller gives an API server only where the server
 *            authenticates its clients.
 * Cluster    of a lifecycle hook's request only metadata.{namespace,name,uid} are used. The Cluster is
 *            read from the API server, and one that is not there, has another uid, or is deleted where
 *            it should not be (or the other way round) is refused with one text for all of these.
 * Blocking   a lifecycle hook blocks by retryAfterSeconds where somebody else is writing or the API is
 *            away, and where the Cluster itself says what cannot be: of a hook that blocks the manager
 *            shows the message in the Cluster's condition, of one that fails only in its own log.
 * Settings   of the ExtensionConfig: `enforce` "true" (default) or "false": what is wrong with a pool
 *            is refused, or only told. `failurePolicy` "Fail" (default) or "Ignore": what keeps a
 *            lifecycle hook from its work blocks the Cluster, or is only told.
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
	uint64_t timeout_ms; /* of this call; what needs the API ends before */
};

/* Finds the hook with that path, handler name and all; false where there is none. */
bool np_hook_find(const char *path, enum np_hook_kind *ret);

/* Returns the hook's name in lower case, "generatepatches", as paths and metrics have it. */
const char *np_hook_name(enum np_hook_kind kind);

/* Tells whether a call waits for the API server. */
bool np_hook_blocks(const struct np_hook_options *o, enum np_hook_kind kind);

/* Reads a call's "timeout=10s" out of its query; a Go duration. 10 s where there is none. */
uint64_t np_hook_timeout_ms(const char *query);

/* What was answered, for the log and the metrics. */
struct np_hook_answer {
	char *body; /* the response, the caller's to free */
	size_t size;
	bool failed; /* status: Failure */
	unsigned retry_after_s; /* blocks */
	unsigned templates; /* patches in the response */
	unsigned classes; /* that were written */
	unsigned conflicts;
	char message[NP_ERR_TEXT_MAX]; /* of the response; "" where there is none */
	const char *refused; /* why the request was refused, which the response hides; NULL */
};

/* Answers a request. */
int np_hook_call(const struct np_hook_options *o, enum np_hook_kind kind, const char *body,
		 size_t size, struct np_hook_answer *ret, struct np_err *err);

#endif
