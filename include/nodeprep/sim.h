/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SIM_H
#define NODEPREP_SIM_H

/*
 * sim - the embedded Supervisor API: VirtualMachineClass objects as a kube-apiserver serves them.
 *
 * Shape      a request in, a reply out; no sockets and no threads, so unit tests call it directly.
 *            nodeprep-sim joins it to the server of nodeprep/serve.h. The demo, the tests and fault
 *            injection use it; no shipped binary links it.
 * Truth      tests/e2e/test_api_parity.py sends the same requests to a real kube-apiserver with VM
 *            Operator's CRD and compares status, body and warnings.
 * Serves     discovery, namespaces, and the classes: get, list (pages, selectors), watch, create,
 *            update, merge patch, JSON patch, delete; fieldValidation, dryRun, managedFields.
 *            VirtualMachine, VirtualMachineImage, ClusterVirtualMachineImage and
 *            VirtualMachineClassBinding, and where asked for NodePool, Cluster and
 *            TanzuKubernetesCluster: get, list (selectors, in one page), create, merge patch, delete; no
 *            schema, not in the state.
 * Not there  server-side apply, deletion by label, admission, the status subresource's writes.
 * Users      admin (every verb), viewer (get, list, watch) and nobody, each with a random token.
 * Faults     PUT /sim/faults, as nodeprep-sim(1) describes them.
 * Ownership  np_sim owns everything; a stream in a reply borrows the sim, which must outlive it.
 * Errors     NP_E_SPEC: a class document, token file or state that cannot be used; NP_E_IO;
 *            NP_E_NOMEM. A refusal of the API is a reply, not an error.
 */

#include <stdbool.h>
#include <stddef.h>

struct np_err;
struct np_serve_request;
struct np_serve_reply;

struct np_sim_options {
	const char *state_dir; /* folder for objects, tokens and certificates; NULL: none */
	const char *token_file; /* more users, lines of "token,user[,verb...]"; NULL: none */
	const char *const *namespaces; /* if any, classes are accepted in these only */
	size_t n_namespaces;
	bool cluster_scoped; /* as old Supervisors: v1alpha1, without namespaces */
	bool has_pools; /* serve NodePools, Clusters and TanzuKubernetesClusters too */
	/* Logs each request as one JSON object, except those to /sim/; may be NULL. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

struct np_sim;

int np_sim_new(const struct np_sim_options *o, struct np_sim **ret, struct np_err *err);
void np_sim_free(struct np_sim *sim);
void np_sim_freep(struct np_sim **sim);

/* Creates the VirtualMachineClass documents of an input; keeps one that the state already has. */
int np_sim_load(struct np_sim *sim, const char *name, const char *bytes, size_t size,
		struct np_err *err);

/* Answers one request. */
int np_sim_handle(struct np_sim *sim, const struct np_serve_request *req,
		  struct np_serve_reply *reply, struct np_err *err);

/*
 * PEM texts that live as long as the sim: its CA, and the identity that the CA signed for loopback.
 */
struct np_sim_identity {
	const char *ca_pem, *cert_pem, *key_pem;
};
struct np_sim_identity np_sim_identity(const struct np_sim *sim);

/* Returns a user's token; NULL for an unknown user. */
const char *np_sim_token(const struct np_sim *sim, const char *user);

/*
 * Writes a kubeconfig with a context for each user, admin being the current one. The caller owns
 * *ret.
 */
int np_sim_kubeconfig(const struct np_sim *sim, const char *server_url, char **ret,
		      struct np_err *err);

#endif
