/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CONTROLLER_H
#define NODEPREP_CONTROLLER_H

/*
 * controller - continuously reconciles the VM classes of NodePool resources.
 *
 * Shape      one thread per watch, a few workers, one thread each for the lease and Events; each has its own API
 *            clients. Watches keep a store of the data for planning; its changes put classes into a
 *            queue; a worker syncs one class for all of its pools (sync.h), then writes the pools'
 *            status, finalizers and Events.
 * Lease      a coordination.k8s.io Lease, as Kubernetes' own controllers use. The controller writes
 *            only while it holds the lease. Expiry is measured by the monotonic clock, so steps of
 *            the wall clock do not matter; a holder stops writing before another may take the
 *            lease.
 * Never      fights: a class that another writer changes back three times within ten minutes is
 *            contended and no longer restored. Never loses events: a cut watch resumes at its
 *            version; one that is too old lists again. Attempts back off, whatever a server
 *            answers, until a watch has lasted 60 s.
 * Memory     for each pool its spec as compact JSON and a digest of its status; for each used class
 *            a digest of its relevant fields. A class that has changed is kept until a worker plans
 *            from it, within a limit for all of them; beyond it the worker reads the class.
 * Events     are written by a thread of their own from a bounded queue; repeated ones are counted.
 * Ownership  np_controller_new() copies configurations and texts; the catalogue and the contexts of
 *            callbacks must outlive it. stop, reload, is_healthy, is_ready and metrics: from any thread.
 * Errors     np_controller_run() fails where it cannot start: NP_E_USAGE, NP_E_NOMEM. Errors of the
 *            API servers are retried, and reported by log(), metrics and conditions.
 */

#include <stdbool.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/kube.h"

/* A line of the log; what it is not about is NULL. Borrowed during the call. */
struct np_controller_line {
	const char *level; /* "info", "warning", "error" */
	const char *text;
	const char *ns; /* of the object that follows */
	const char *vm_class; /* a VirtualMachineClass */
	const char *pool, *cluster; /* a NodePool; a Cluster or TanzuKubernetesCluster */
	const char *resource; /* what is watched: "nodepools" */
	const char *code; /* a condition's reason: "InvalidNodePool" */
};

struct np_controller_options {
	const struct np_kube_config
		*pools; /* the API server of the NodePools, Events and the lease */
	const struct np_kube_config *classes; /* of the classes; NULL: the same */
	const struct np_catalogue *catalogue;
	const char *ns; /* watch the pools of this namespace only; NULL: of all */
	const char *class_ns; /* where all classes are; NULL: in their pools' namespaces */
	const char *cluster_id; /* in front of pool ids; NULL: the UID of namespace kube-system,
				   where the classes are in another API server, else nothing */
	bool require_opt_in; /* a class outside its pool's namespace needs its owner's permission */
	uint64_t
		max_window_gb; /* the largest window that a pool or class may get; 0: no such bound */
	bool clusters; /* Cluster and TanzuKubernetesCluster objects too */
	bool leader_elect;
	const char *lease_ns; /* NULL: the namespace of `pools` */
	const char *lease_name;
	const char *identity; /* the identity of this process in the lease */
	uint64_t lease_ms; /* without a renewal for this time another process takes the lease */
	uint64_t renew_ms; /* without a renewal for this time the holder stops writing */
	uint64_t retry_ms; /* between attempts */
	unsigned workers;
	/* Logs a line; called from any thread. */
	void (*log)(void *ctx, const struct np_controller_line *line);
	void *log_ctx;
};

/* clang-format off */
#define NP_CONTROLLER_OPTIONS_INIT                                                              \
	{                                                                                       \
		.require_opt_in = true, .leader_elect = true, .lease_name = "nodeprep-controller", .lease_ms = 15000,   \
		.renew_ms = 10000, .retry_ms = 2000, .workers = 4,                              \
	}
/* clang-format on */

struct np_controller;

int np_controller_new(const struct np_controller_options *o, struct np_controller **ret,
		      struct np_err *err);
void np_controller_free(struct np_controller *c);
void np_controller_freep(struct np_controller **c);

/* Runs until np_controller_stop(), then finishes the writes in progress and releases the lease. */
int np_controller_run(struct np_controller *c, struct np_err *err);
void np_controller_stop(struct np_controller *c);

/* Makes it load the files of its credentials again, changed or not, and log the result. */
void np_controller_reload(struct np_controller *c);

/* Tells whether its threads make progress. */
bool np_controller_is_healthy(struct np_controller *c);

/*
 * Tells whether this process could lead: all resources were listed once, and each had an established
 * watch within the last 60 s.
 */
bool np_controller_is_ready(struct np_controller *c);

/* Returns the metrics in Prometheus' text form, which the caller frees; NULL: no memory. */
char *np_controller_metrics(struct np_controller *c);

#endif
