/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_CNI_INTERNAL_H
#define NODEPREP_PKG_CNI_INTERNAL_H

/*
 * internal - what the files of cni share. call.c reads the environment, config.c the configuration; holder.c
 * names holders; result.c writes results and errors. run.c runs one call, session.c has what the commands share; add.c, check.c, release.c
 * (DEL and GC) and status.c each have their command.
 */

#include "nodeprep/cni.h"
#include "nodeprep/sync.h"

/* Tells whether the text does as a network's name or a container's id (specification, section 2). */
bool cni_is_name(const char *text);

/* Finds the version called `text`; false where it is not supported. */
bool cni_find_version(const char *text, enum np_cni_version *ret);

#define CNI_VERSIONS_TEXT "0.4.0, 1.0.0 and 1.1.0"

/* Keys of the specification, of which one older spelling is its own mistake. */
#define CNI_VALID_KEY "cni.dev/valid-attachments"
#define CNI_VALID_KEY_OLD "cni.dev/attachments"

/* The specification's code for a plugin that cannot serve ADD. */
#define CNI_UNAVAILABLE 50

/* One call, from the environment to the answer. */
struct cni_session {
	const struct np_cni_host *host;
	struct np_cni_call call;
	enum np_cni_version version; /* of the answer */
	struct np_cni_config config;
	char holder[NP_CNI_HOLDER_MAX];
	char words[NP_CNI_HOLDER_MAX + NP_CNI_POD_MAX + 128]; /* names the call for people */
	struct np_catalogue *catalogue;
	struct np_input input;
	struct np_kube_config *kube_config;
	struct np_kube *kube; /* NULL: the classes are vCenter's */
	struct np_vcenter *vcenter;
	struct np_state *state;
	struct np_class_store store; /* of the classes */
	char *answer; /* NULL: none */
	char *details; /* more about a failure; NULL: nothing */
	unsigned code; /* of a failure; 0: the one of its np_code */
};

int cni_add(struct cni_session *s, struct np_err *err);
int cni_check(struct cni_session *s, struct np_err *err);
int cni_del(struct cni_session *s, struct np_err *err);
int cni_gc(struct cni_session *s, struct np_err *err);
int cni_status(struct cni_session *s, struct np_err *err);

void cni_log(const struct cni_session *s, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Logs a class's result; with dryRun, what would be done. */
void cni_log_class(const struct cni_session *s, const char *ns, const char *name,
		   enum np_sync_result result);

/* Reads the pools of the configuration or of its specFile; fails where there are none. */
int cni_load_pools(struct cni_session *s, struct np_err *err);

/* Returns `first` (NULL: none) and the pools' namespaces, each once; NULL where memory runs out. */
const char **cni_list_namespaces(const struct cni_session *s, const char *first, size_t *ret_n);

int cni_connect(struct cni_session *s, struct np_err *err);

/* Loads where the classes are: a kubeconfig, or a vCenter's address and credentials; sends nothing. */
int cni_load_server(struct cni_session *s, struct np_err *err);

/* The run's deadline, counted from its start. */
uint64_t cni_timeout_ms(const struct cni_session *s);

/* Adds a line to the error object's details. */
void cni_add_details(struct cni_session *s, const char *text);

/* Returns the error: a server without the API is unavailable, which is not a class that is missing. */
int cni_fail_api(struct cni_session *s, struct np_err *err);

/* Keeps the first error with `code` in *err; appends the others to the details. */
void cni_take_error(struct cni_session *s, const struct np_err *what, enum np_code code,
		    struct np_err *err);

/* Fails with the worst error of a plan and its classes. */
int cni_check_sync(struct cni_session *s, const struct np_sync *a, struct np_err *err);

#endif
