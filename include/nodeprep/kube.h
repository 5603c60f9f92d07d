/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_H
#define NODEPREP_KUBE_H

/*
 * kube - a Kubernetes API client: kubeconfig, in-cluster credentials, discovery, verbs, watch.
 *
 * Scope      one API server, one connection for the whole run (libcurl), HTTPS alone unless the
 *            kubeconfig says http, no redirects. Reads every kubeconfig field that kubectl reads.
 * Bounds     files 64 MiB, a response body 64 MiB, a line of a watch 8 MiB, every request under
 *            the run's deadline; a watch under its own.
 * Retries    500, 502, 503, 504, 429, refused, cut and timed-out connections back off with jitter
 *            until the deadline; then NP_E_RETRY with the last error. Retry-After lengthens a wait,
 *            to 30 s at most, and never shortens it, for all requests of the client. A PATCH that
 *            carries a resourceVersion may be sent again safely: the server answers 409 to the second.
 *            The caller handles 409; see np_kube_update(). A POST, a DELETE without a uid and any other PATCH are sent again
 *            only where the server cannot have seen them or asks for it by Retry-After.
 * Cancel     once the options' is_cancelled() returns true, waits and reads end within 100 ms with
 *            NP_E_RETRY ("interrupted") and nothing new begins; a write that the server may have
 *            seen is finished first.
 * Secrets    a token, password or key never reaches an error text: secrets are removed from every
 *            text that comes from outside.
 * Ownership  np_kube owns its connection and borrows nothing after np_kube_new_take() but the
 *            contexts of log() and is_cancelled(). One thread at a time; several threads have one
 *            np_kube each, made from clones of one configuration. JSON results are new references.
 * Errors     NP_E_USAGE: no server configured, unknown context; NP_E_SPEC: a kubeconfig that cannot
 *            be read, with its place; NP_E_IO; NP_E_NOT_FOUND: 404; NP_E_FORBIDDEN: 403, naming
 *            verb, resource and namespace; NP_E_REFUSED: 401, 4xx, TLS; NP_E_CONFLICT: 409;
 *            NP_E_RETRY.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

/*
 * The settings of the command line and the environment; every member may be NULL (0, false).
 * Borrowed.
 */
struct np_kube_options {
	const char *kubeconfig; /* --kubeconfig: one file that must exist */
	const char *
		kubeconfig_env; /* $KUBECONFIG: files separated by ':', merged; missing ones ignored */
	const char *home; /* $HOME, for ~/.kube/config */
	const char *context, *cluster, *user, *ns;
	const char *server, *token, *ca_file, *tls_server_name, *as_user;
	const char *token_file; /* in place of `token`: read again as it changes */
	const char *as_uid; /* --as-uid */
	const char *const *as_groups; /* --as-group */
	size_t n_as_groups;
	bool no_compression; /* --disable-compression */
	char *const *environment; /* "NAME=value" up to a NULL: what credential plugins get */
	bool stdin_taken; /* the program reads standard input itself, so a plugin may not */
	bool insecure; /* --insecure-skip-tls-verify */
	const char *ca_pem; /* in place of `ca_file`: the certificates themselves */
	const char *ca_name; /* how messages call the trusted CA; NULL: by its file */
	const char
		*trust_hint; /* ends a message about an untrusted certificate; NULL: nothing does */
	const char *service_host; /* $KUBERNETES_SERVICE_HOST: used without a kubeconfig */
	const char *service_port; /* $KUBERNETES_SERVICE_PORT */
	const char *service_dir; /* NULL: /var/run/secrets/kubernetes.io/serviceaccount */
	const char *proxy; /* $HTTPS_PROXY or $https_proxy */
	const char *http_proxy; /* $HTTP_PROXY or $http_proxy, for a server without TLS */
	const char *no_proxy; /* $NO_PROXY or $no_proxy */
	uint64_t
		request_timeout_ms; /* --request-timeout: one request; 0: the run's deadline alone */
	uint64_t deadline_ms; /* the whole run; 0: 60 s; NP_KUBE_NO_DEADLINE: none */
	const char *user_agent;
	/*
	 * Called for each retry and each warning of the server (299), with one line; may be NULL.
	 */
	void (*log)(void *ctx, const char *line);
	void *log_ctx;
	/*
	 * Called with lines about each request, without secrets, from the thread that sends it; may be NULL.
	 * What kubectl's -v shows: from level 6 method, URL, status and time, 7 the request's headers, 8 those
	 * of the response and 1,024 bytes of each body, 9 whole bodies, and a curl command.
	 */
	void (*trace)(void *ctx, const char *line);
	unsigned trace_level;
	void *trace_ctx;
	/* Polled at least every 100 ms during waits and requests; may be NULL. From any thread. */
	bool (*is_cancelled)(void *ctx);
	void *cancel_ctx;
};

#define NP_KUBE_NO_DEADLINE UINT64_MAX

/* The server and the credentials to use: the merged and validated options. */
struct np_kube_config;

/* Reads the kubeconfig files or the in-cluster credentials; no connection is made. */
int np_kube_config_load(const struct np_kube_options *o, struct np_kube_config **ret,
			struct np_err *err);

/* Copies the configuration, so that a second thread can have a client of its own. */
int np_kube_config_clone(const struct np_kube_config *c, struct np_kube_config **ret,
			 struct np_err *err);

/* Replaces the is_cancelled() callback, such as for a clone that another thread uses. */
void np_kube_config_set_cancel(struct np_kube_config *c, bool (*is_cancelled)(void *ctx),
			       void *ctx);

/* Replaces the limit of one request; 0: the run's deadline alone. */
void np_kube_config_set_timeout(struct np_kube_config *c, uint64_t request_timeout_ms);
void np_kube_config_free(struct np_kube_config *c);
void np_kube_config_freep(struct np_kube_config **c);

/* The age of the credentials that came from files; all zero where none did. */
struct np_kube_credential_stats {
	/* Seconds since 1970; 0: there is none. Of several certificates the first to expire. */
	int64_t certificate_not_after, ca_not_after;
	int64_t loaded_at; /* when they were loaded last */
	bool is_stale; /* the last attempt to load them again failed */
	unsigned long long failures; /* failed attempts */
};

/*
 * Loads CA, client certificate, key and token again where their files changed, for all clones; each
 * client does so by itself, every few seconds, before it sends a request. Files that cannot be used
 * leave the credentials as they are, and are tried again. Returns 1 once for each success; fails once
 * for each reason. `is_forced`: loads unchanged files too, and fails each time. From any thread.
 */
int np_kube_config_renew(struct np_kube_config *c, bool is_forced, struct np_err *err);
void np_kube_config_read_stats(const struct np_kube_config *c,
			       struct np_kube_credential_stats *ret);

/*
 * Calls each() with every name in `list` ("clusters", "contexts" or "users") of the kubeconfig files, the
 * first file's first; a negative return ends it. No entry needs to be usable.
 */
int np_kube_config_each(const struct np_kube_options *o, const char *list,
			int (*each)(void *ctx, const char *name), void *ctx, struct np_err *err);

/* Tells whether the options name any API server. */
bool np_kube_is_configured(const struct np_kube_options *o);

/* Returns the namespace of the flag, the context or the service account; "default" otherwise. */
const char *np_kube_config_namespace(const struct np_kube_config *c);
const char *np_kube_config_server(const struct np_kube_config *c);

struct np_kube;

/* Creates a client; takes `config`, also on failure. The first request connects. */
int np_kube_new_take(struct np_kube_config *config, struct np_kube **ret, struct np_err *err);

/* Creates a second client of the same server, for another thread, with what is left of the deadline. */
int np_kube_clone(const struct np_kube *k, struct np_kube **ret, struct np_err *err);
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

/*
 * Finds the group's preferred version that serves `plural`; NP_E_NOT_FOUND where the server has
 * none.
 */
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

/*
 * Tells whether the last list of this handle failed with 410 twice: it changes faster than it is read, or its tokens
 * expire too soon. Requests for each object may still work.
 */
bool np_kube_is_expired(const struct np_kube *k);

/* Which objects of a collection are listed; all zero: all of them. Borrowed. */
struct np_kube_selection {
	const char *ns; /* NULL: all namespaces */
	const char *labels,
		*fields; /* as kubectl writes them, for the server to judge; NULL: none */
	unsigned limit; /* of a page; 0: 500 */
	/*
	 * Asked after each page but the last, with the ctx of each() and with how many objects are left, UINT64_MAX
	 * where the server does not say; false ends the list. NULL: to the end.
	 */
	bool (*goes_on)(void *ctx, uint64_t remaining);
};

/* Lists as np_kube_list() does, what is selected. */
int np_kube_list_selected(struct np_kube *k, const struct np_kube_resource *r,
			  const struct np_kube_selection *s, np_kube_each_fn *each, void *ctx,
			  struct np_err *err);

/* One object to fetch among many, and its result. */
struct np_kube_item {
	const char *ns, *name; /* borrowed; `ns` as for np_kube_get() */
	json_t *object; /* out: the caller's; NULL where *error says why */
	struct np_err error; /* out: NP_OK, or NP_E_NOT_FOUND, NP_E_FORBIDDEN, NP_E_REFUSED */
};

/*
 * Fetches `n` objects over the one connection, at most `most` (0: 16) at a time where the server
 * speaks HTTP/2, else one after the other. An error of one object is put into its `error`; an error
 * that concerns all (no connection, wrong credentials, the deadline) fails the call, and then no
 * item holds an object.
 */
int np_kube_get_many(struct np_kube *k, const struct np_kube_resource *r,
		     struct np_kube_item *items, size_t n, unsigned most, struct np_err *err);

/* --- writing --------------------------------------------------------------------------------- */

enum np_kube_patch_type {
	NP_KUBE_MERGE_PATCH, /* application/merge-patch+json */
	NP_KUBE_APPLY_PATCH, /* server-side apply; the body is the whole intent */
	NP_KUBE_STRATEGIC_PATCH, /* for built-in kinds alone */
	NP_KUBE_PATCH_TYPE_MAX
};

/* Options of a write; all zero is the default. The server rejects unknown and duplicate fields (Strict). */
struct np_kube_write {
	const char *field_manager; /* NULL: nodeprep */
	const char *subresource; /* such as "status"; NULL: none */
};

struct np_kube_patch {
	const json_t *body; /* a merge patch that carries metadata.resourceVersion can conflict */
	bool dry_run; /* dryRun=All */
	enum np_kube_patch_type type;
	bool force; /* NP_KUBE_APPLY_PATCH: take fields from other managers */
	struct np_kube_write write;
};

/*
 * Patches; *ret is the object as stored, which is not parsed where ret is NULL. An apply patch may be sent again at any time, since it is
 * idempotent. NP_E_CONFLICT: 409, another writer, or another manager's field.
 */
int np_kube_patch(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		  const char *name, const struct np_kube_patch *patch, json_t **ret,
		  struct np_err *err);

struct np_kube_create {
	const json_t *body; /* the whole object; its metadata.name may be left to generateName */
	bool dry_run;
	struct np_kube_write write;
};

/* Creates an object; NP_E_CONFLICT where the name is taken. ret is as with np_kube_patch(). */
int np_kube_create(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		   const struct np_kube_create *create, json_t **ret, struct np_err *err);

/* --- updating -------------------------------------------------------------------------------- */

/*
 * The kinds of dry run: none, computed by the client only, or checked by the server and not stored.
 */
enum np_dry_run { NP_DRY_RUN_NONE, NP_DRY_RUN_CLIENT, NP_DRY_RUN_SERVER };

/*
 * Computes the merge patch that `object` (borrowed) needs. *ret_patch is a new reference; NULL or
 * {}: it is up to date. Called again after each conflict with the object as read again. A failure
 * ends the update.
 */
typedef int np_kube_mutate_fn(void *ctx, const json_t *object, json_t **ret_patch,
			      struct np_err *err);

struct np_kube_update {
	const struct np_kube_resource *resource;
	const char *ns, *name; /* borrowed; `ns` as for np_kube_get() */
	const json_t *object; /* borrowed: the object as it was just read; NULL: it is read first */
	np_kube_mutate_fn *mutate;
	void *ctx; /* of mutate() */
	void *tag; /* for who began it */
	enum np_dry_run dry_run;
};

struct np_kube_updated {
	json_t *object; /* owned: as stored; as read where nothing was sent */
	bool changed; /* a patch was sent, or would be in a dry run */
	bool may_be_stored; /* a patch whose answer was lost met a conflict when it was sent again: the first may be stored */
	unsigned attempts; /* PATCH requests that were sent; set on failure too */
};

/*
 * Reads the object, lets mutate() compute the patch and sends it with the object's resourceVersion.
 * On a conflict (409) it pauses with jitter, reads again and computes again, until the deadline. An
 * up-to-date object is not patched. NP_E_CONFLICT: the deadline came while others kept writing;
 * NP_E_NOT_FOUND: the object is gone; NP_E_REFUSED: the server gives no resourceVersion, so nothing
 * is written.
 */
int np_kube_update(struct np_kube *k, const struct np_kube_update *how, struct np_kube_updated *ret,
		   struct np_err *err);
void np_kube_updated_done(struct np_kube_updated *u);

/* How many updates np_kube_update_many() makes at a time by default. */
#define NP_KUBE_PARALLEL 8

/* Many updates, made several at a time. The functions are called from the one thread, between requests. */
struct np_kube_updates {
	unsigned most; /* at a time; 0: NP_KUBE_PARALLEL */
	/* Sets *ret to the next update to begin; false: none is left. */
	bool (*next)(void *ctx, struct np_kube_update *ret);
	/* Called once for each, in the order in which they end. `u` is emptied afterwards; error->code is NP_OK on success. */
	void (*done)(void *ctx, const struct np_kube_update *how, struct np_kube_updated *u,
		     const struct np_err *error);
	void *ctx; /* of both */
};

/*
 * Makes each update as np_kube_update() does, several at a time over the one connection where the server
 * speaks HTTP/2, else one after the other. No more are held in memory than are made at a time. A failure
 * is that one update's; a server that asks one to wait (429, Retry-After) is asked nothing else meanwhile.
 * Fails only where memory runs out at the start.
 */
int np_kube_update_many(struct np_kube *k, const struct np_kube_updates *how, struct np_err *err);

/* --- watching -------------------------------------------------------------------------------- */

enum np_kube_event {
	NP_KUBE_ADDED,
	NP_KUBE_MODIFIED,
	NP_KUBE_DELETED,
	NP_KUBE_BOOKMARK, /* the object has nothing but its resourceVersion */
	NP_KUBE_EVENT_MAX
};

/* Called with each event (the object is borrowed); a negative return ends the watch with it. It
 * may not use the np_kube that watches. */
typedef int np_kube_event_fn(void *ctx, enum np_kube_event event, json_t *object,
			     struct np_err *err);

#define NP_KUBE_VERSION_MAX 128

enum np_kube_watch_end {
	NP_KUBE_WATCH_TIMEOUT, /* the server ended it as asked: go on from `version` */
	NP_KUBE_WATCH_GONE, /* `version` is too old (410): list again */
	NP_KUBE_WATCH_STOPPED, /* is_stopped() or is_cancelled() returned true */
};

struct np_kube_watch {
	const char *ns; /* NULL: all namespaces */
	/* In: where to begin, such as a list's resourceVersion. Kept at the last event's. */
	char version[NP_KUBE_VERSION_MAX];
	unsigned timeout_s; /* when the server ends it; 0: 300 */
	unsigned silence_s; /* ends as cut after that long without an event; 0: never */
	np_kube_event_fn *each;
	void (*on_open)(void *ctx); /* called once the server accepts the watch; may be NULL */
	bool (*is_stopped)(void *ctx); /* polled at least every 100 ms; may be NULL */
	void *ctx; /* of all three */
	enum np_kube_watch_end end; /* out, on success */
	uint64_t wait_ms; /* out, on NP_E_RETRY: the server's Retry-After, at most 30 s; 0: none */
};

/*
 * Watches a collection, with bookmarks, until it ends in one of the ways above. The watch does not
 * retry: a connection that is refused, cut or silent is NP_E_RETRY, and `version` is where to
 * continue. The run's deadline does not bound it.
 */
int np_kube_watch(struct np_kube *k, const struct np_kube_resource *r, struct np_kube_watch *watch,
		  struct np_err *err);

/*
 * Lists as np_kube_list() does, in smaller pages, and sets `version` to where a watch of the collection
 * must begin. Once a page's token has expired the list fails with NP_E_RETRY, so that the caller can tell an object that
 * was deleted meanwhile from one that is there.
 */
int np_kube_list_version(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
			 np_kube_each_fn *each, void *ctx, char version[static NP_KUBE_VERSION_MAX],
			 struct np_err *err);

/* --- more ------------------------------------------------------------------------------------ */

/* Fetches any path of the server ("/api/v1/namespaces/kube-system"). */
int np_kube_get_path(struct np_kube *k, const char *path, json_t **ret, struct np_err *err);

/* Waits about `ms` with jitter, but not past the deadline; NP_E_RETRY where that is reached. */
int np_kube_pause(struct np_kube *k, uint64_t ms, struct np_err *err);

/* Restarts the deadline from now, for a client that runs one piece of work after another. */
void np_kube_set_deadline(struct np_kube *k, uint64_t deadline_ms);

#endif
