/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_H
#define NODEPREP_KUBE_H

/*
 * kube - a Kubernetes API client: kubeconfig, in-cluster credentials, GET, LIST, PATCH, discovery.
 *
 * Scope      one API server, one connection for the whole run (libcurl), HTTPS alone unless the
 *            kubeconfig says http, no redirects. What kubectl reads of a kubeconfig is read.
 * Bounds     files 64 MiB, a response body 64 MiB, every request under the run's deadline.
 * Retries    429 and 503 wait as Retry-After says, 500, 502, 504, refused, cut and timed-out
 *            connections back off with jitter, all until the deadline; then NP_E_RETRY with what
 *            was last seen. A PATCH that carries a resourceVersion may be sent again safely: the
 *            server answers 409 to the second. 409 itself is the caller's to solve.
 * Secrets    a token, password or key never reaches an error text: texts that came from outside are
 *            searched for them first.
 * Ownership  np_kube owns its connection and borrows nothing after np_kube_new(). One thread at a
 *            time. JSON results are new references.
 * Errors     NP_E_USAGE: no server configured, unknown context; NP_E_SPEC: a kubeconfig that cannot
 *            be read, with its place; NP_E_IO; NP_E_NOT_FOUND: 404; NP_E_FORBIDDEN: 403, naming verb,
 *            resource and namespace; NP_E_REFUSED: 401, 4xx, TLS; NP_E_CONFLICT: 409; NP_E_RETRY.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct np_err;

/* Reads a whole file of at most `max` bytes; *ret is the caller's and ends in a NUL beyond *ret_size. */
int np_file_load(const char *path, uint64_t max, char **ret, size_t *ret_size, struct np_err *err);

/* What the command line and the environment say; every member may be NULL (0, false). Borrowed. */
struct np_kube_options {
	const char *kubeconfig; /* --kubeconfig: one file that must exist */
	const char *
		kubeconfig_env; /* $KUBECONFIG: files separated by ':', merged; missing ones ignored */
	const char *home; /* $HOME, for ~/.kube/config */
	const char *context, *cluster, *user, *ns;
	const char *server, *token, *ca_file, *tls_server_name, *as_user;
	bool insecure; /* --insecure-skip-tls-verify */
	const char *service_host; /* $KUBERNETES_SERVICE_HOST: used where no kubeconfig is there */
	const char *service_port; /* $KUBERNETES_SERVICE_PORT */
	const char *service_dir; /* NULL: /var/run/secrets/kubernetes.io/serviceaccount */
	const char *proxy; /* $HTTPS_PROXY or $https_proxy */
	const char *no_proxy; /* $NO_PROXY or $no_proxy */
	uint64_t
		request_timeout_ms; /* --request-timeout: one request; 0: the run's deadline alone */
	uint64_t deadline_ms; /* the whole run; 0: 60 s */
	const char *user_agent;
	/* Called for each retry and each warning of the server (299), with one line; may be NULL. */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
};

/* Where to connect, as whom: the merged, checked outcome of the options. */
struct np_kube_config;

/* Reads the kubeconfig files or the in-cluster credentials; no connection is made. */
int np_kube_config_load(const struct np_kube_options *o, struct np_kube_config **ret,
			struct np_err *err);
void np_kube_config_free(struct np_kube_config *c);
void np_kube_config_freep(struct np_kube_config **c);

/* Tells whether the options lead to any API server at all (else plan works offline or says so). */
bool np_kube_is_configured(const struct np_kube_options *o);

/* Returns the namespace of the flag, the context or the service account; "default" otherwise. */
const char *np_kube_config_namespace(const struct np_kube_config *c);
const char *np_kube_config_server(const struct np_kube_config *c);

struct np_kube;

/* Makes a client; takes `config`, also on failure. Connects with the first request. */
int np_kube_new_take(struct np_kube_config *config, struct np_kube **ret, struct np_err *err);
void np_kube_free(struct np_kube *k);
void np_kube_freep(struct np_kube **k);

const char *np_kube_namespace(const struct np_kube *k);

/* A resource as discovery found it. */
struct np_kube_resource {
	char group[128];
	char version[32];
	char plural[64];
	bool namespaced;
};

/* Finds the group's preferred version that serves `plural`; NP_E_NOT_FOUND where the server has none. */
int np_kube_discover(struct np_kube *k, const char *group, const char *plural,
		     struct np_kube_resource *ret, struct np_err *err);

/* Fetches one object; `ns` is ignored where the resource is cluster-scoped. */
int np_kube_get(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		const char *name, json_t **ret, struct np_err *err);

/* Called with each object of a list (borrowed); a negative return ends the listing with it. */
typedef int np_kube_each_fn(void *ctx, json_t *object, struct np_err *err);

/* Lists in pages of `limit` (0: 500); ns NULL: all namespaces. 410 on a page starts over once. */
int np_kube_list(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		 unsigned limit, np_kube_each_fn *each, void *ctx, struct np_err *err);

struct np_kube_patch {
	const json_t *body; /* application/merge-patch+json; carries metadata.resourceVersion */
	bool dry_run; /* dryRun=All */
};

/* Patches with fieldManager=nodeprep and fieldValidation=Strict; *ret is the object as stored. */
int np_kube_patch(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		  const char *name, const struct np_kube_patch *patch, json_t **ret,
		  struct np_err *err);

/* GET of any path on the server ("/api/v1/namespaces/kube-system"). */
int np_kube_get_path(struct np_kube *k, const char *path, json_t **ret, struct np_err *err);

/* Waits about `ms` with jitter, but not past the deadline; NP_E_RETRY where that is reached. */
int np_kube_pause(struct np_kube *k, uint64_t ms, struct np_err *err);

#endif
