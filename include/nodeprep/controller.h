/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CONTROLLER_H
#define NODEPREP_CONTROLLER_H

/*
 * controller - keeps the classes of NodePool resources right for as long as it runs.
 *
 * Shape      one thread a watch, a few workers, one thread for the lease; each with API clients of its
 *            own. Watches keep a store of what planning must know; what changes in it puts classes
 *            into a queue; a worker makes one class right for all of its pools (one.h), then writes
 *            the pools' status, finalizers and Events.
 * Lease      a coordination.k8s.io Lease, as Kubernetes' own controllers hold one. Nothing is written
 *            without it. It is judged by this machine's clock of elapsed time, so that steps of the
 *            wall clock do not matter; its holder stops writing before another may take it.
 * Never      fights: a class that another writer changes back three times within ten minutes is left.
 *            Loses: a watch that is cut goes on where it was; one that is too old lists again.
 * Memory     for each pool its spec as compact JSON and the gist of its status; for each class that is
 *            used a digest of what matters in it. Objects are not kept.
 * Ownership  np_controller_new() copies configurations and texts; the catalogue and the contexts of
 *            callbacks must outlive it. stop, is_healthy, is_ready and metrics: from any thread.
 * Errors     np_controller_run() fails where it cannot begin: NP_E_USAGE, NP_E_NOMEM. Whatever an API
 *            server does is told by log(), metrics and conditions, and tried again.
 */

#include <stdbool.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/kube.h"

struct np_controller_options {
	const struct np_kube_config
		*pools; /* the API server of the NodePools, Events and the lease */
	const struct np_kube_config *classes; /* of the classes; NULL: the same */
	const struct np_catalogue *catalogue;
	const char *ns; /* look at the pools of that namespace alone; NULL: of all */
	const char *class_ns; /* where all classes are; NULL: in their pools' namespaces */
	const char *cluster_id; /* in front of pool ids; NULL: the UID of namespace kube-system,
				   where the classes are in another API server, else nothing */
	bool clusters; /* Cluster and TanzuKubernetesCluster objects too */
	bool leader_elect;
	const char *lease_ns; /* NULL: the namespace of `pools` */
	const char *lease_name;
	const char *identity; /* of this process among those that want the lease */
	uint64_t lease_ms; /* after so long without a sign of its holder another takes the lease */
	uint64_t renew_ms; /* after so long without a renewal its holder stops writing */
	uint64_t retry_ms; /* between attempts */
	unsigned workers;
	/* Called with a level ("info", "warning", "error") and a line; from any thread. */
	void (*log)(void *ctx, const char *level, const char *line);
	void *log_ctx;
};

/* clang-format off */
#define NP_CONTROLLER_OPTIONS_INIT                                                              \
	{                                                                                       \
		.leader_elect = true, .lease_name = "nodeprep-controller", .lease_ms = 15000,   \
		.renew_ms = 10000, .retry_ms = 2000, .workers = 4,                              \
	}
/* clang-format on */

struct np_controller;

int np_controller_new(const struct np_controller_options *o, struct np_controller **ret,
		      struct np_err *err);
void np_controller_free(struct np_controller *c);
void np_controller_freep(struct np_controller **c);

/* Runs until np_controller_stop(); what is being written is finished, and the lease given back. */
int np_controller_run(struct np_controller *c, struct np_err *err);
void np_controller_stop(struct np_controller *c);

/* Tells whether its threads still turn. */
bool np_controller_is_healthy(struct np_controller *c);

/* Tells whether everything was listed once, so that it could lead. */
bool np_controller_is_ready(struct np_controller *c);

/* Returns the metrics in Prometheus' text form, which the caller frees; NULL: no memory. */
char *np_controller_metrics(struct np_controller *c);

#endif
