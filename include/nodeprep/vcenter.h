/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VCENTER_H
#define NODEPREP_VCENTER_H

/*
 * vcenter - a client of one vCenter: VM classes by its REST API, everything else by its SOAP API.
 *
 * Scope      one vCenter, HTTPS alone, no redirects, over kube's transport: TLS, proxies, deadlines,
 *            retries and redaction are the same code. np_vcenter_new() makes no connection. Each API
 *            logs in at its first request that needs a session, and once more where the session has
 *            expired; np_vcenter_free() logs out, also after an error or a signal.
 * Units      *_ms are milliseconds. Inside a class, memory_MB is MiB and the two reservations are
 *            percent: json_t values are handed on as the server wrote them.
 * Bounds     a response body 64 MiB, JSON and XML 100 levels deep, 10,000 classes; a DTD or an entity
 *            of XML is an error. Every request ends by the run's deadline.
 * Retries    as kube's: 429, 502, 503, 504 and lost connections are retried until the deadline. A PATCH
 *            carries no version, so it is sent again only where the server cannot have seen it or asks
 *            for it; otherwise NP_E_RETRY, and the caller reads the class to learn what it holds.
 * Secrets    passwords, session ids and cookies never reach an error text or the log; they are wiped
 *            from memory.
 * Ownership  borrows its arguments, of the options the contexts of log() and is_cancelled() for its
 *            life. One thread at a time; another thread uses a clone. JSON results are new references.
 * Errors     NP_E_USAGE: an address, user or password file that cannot be right or is missing;
 *            NP_E_IO, NP_E_SPEC: a file that cannot be read or holds no password; NP_E_REFUSED: wrong
 *            user or password, a locked account, TLS, an ESXi host, no Supervisor service, a vCenter
 *            older than 8.0 U2, any other rejected request; NP_E_FORBIDDEN: a missing privilege, with
 *            its name where the server gives it; NP_E_NOT_FOUND: no such class; NP_E_RETRY: unreachable,
 *            overloaded, out of time, interrupted; NP_E_NOMEM. One line each, with what to do.
 * Source     Broadcom's API reference: "vcenter namespace_management virtual_machine_classes" and the
 *            vSphere Web Services API 8.0.1.0; docs/vcenter.md.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

/* The settings of the command line and the environment; every member may be NULL (0, false). Borrowed. */
struct np_vcenter_options {
	const char *url; /* host, host:port or https://[USER[:PASSWORD]@]HOST[:PORT][/sdk] */
	const char *username, *username_file; /* in place of the URL's user */
	const char *password,
		*password_file; /* in place of the URL's password; the file's one line */
	const char *username_env; /* $GOVC_USERNAME: where nothing above names a user */
	const char *password_env; /* $GOVC_PASSWORD: where nothing above gives a password */
	const char *ca_file; /* --certificate-authority */
	const char *ca_files_env; /* $GOVC_TLS_CA_CERTS: files separated by ':' */
	const char *tls_server_name;
	bool insecure; /* --insecure-skip-tls-verify */
	const char *proxy; /* $HTTPS_PROXY or $https_proxy */
	const char *no_proxy; /* $NO_PROXY or $no_proxy */
	uint64_t request_timeout_ms; /* one request; 0: the run's deadline alone */
	uint64_t deadline_ms; /* the whole run; 0: 60 s */
	const char *user_agent;
	void (*log)(void *ctx, const char *line); /* called for each retry and login; may be NULL */
	void *log_ctx;
	void (*trace)(void *ctx, const char *line); /* with trace_level: as those of kube.h */
	unsigned trace_level;
	void *trace_ctx;
	bool (*is_cancelled)(void *ctx); /* polled at least every 100 ms; may be NULL */
	void *cancel_ctx;
};

/* Tells whether the options select a vCenter. */
bool np_vcenter_is_configured(const struct np_vcenter_options *o);

struct np_vcenter;

/* Checks the options, reads the files and creates a client. The first request connects. */
int np_vcenter_new(const struct np_vcenter_options *o, struct np_vcenter **ret, struct np_err *err);

/*
 * Creates a second client of the same vCenter, for another thread: with a connection of its own, with what is
 * left of the deadline, and in the same session of the REST API. Freed before `v`.
 */
int np_vcenter_clone(struct np_vcenter *v, struct np_vcenter **ret, struct np_err *err);

/* Logs out, within 5 s, and frees the client; a clone leaves the session. */
void np_vcenter_free(struct np_vcenter *v);
void np_vcenter_freep(struct np_vcenter **v);

/* Returns the server's address for messages and JSON: "https://HOST[:PORT]", without user and password. */
const char *np_vcenter_url(const struct np_vcenter *v);

/* What the server says of itself before any login. Texts are "" where it says nothing. */
struct np_vcenter_about {
	char name[128]; /* "VMware vCenter Server" */
	char version[32]; /* "8.0.3" */
	char build[32];
	char instance_uuid[64]; /* lower case; valid in a file name */
};

/*
 * Sets *ret (owned by the client) to what RetrieveServiceContent says; asked once. NP_E_REFUSED where the
 * server is an ESXi host or no vSphere server at all.
 */
int np_vcenter_about(struct np_vcenter *v, const struct np_vcenter_about **ret, struct np_err *err);

/* Waits about `ms` with jitter, but not past the deadline; NP_E_RETRY where that is reached. */
int np_vcenter_pause(struct np_vcenter *v, uint64_t ms, struct np_err *err);

/* --- VM classes (REST) ----------------------------------------------------------------------- */

/*
 * The first call of these checks that the server has VM classes with config_spec: NP_E_REFUSED where it is
 * an ESXi host, older than 8.0 U2 (7.0 and 8.0 U1 have VM classes without one), or has no Supervisor service.
 */

#define NP_VCENTER_CLASS_ID_MAX 63

/* Tells whether the text can be a class's id: a DNS label. Others fail with NP_E_SPEC without a request. */
bool np_vcenter_is_class_id(const char *id);

/*
 * Called with each class (borrowed): an object with an `id`, its members spelled as the server spells them.
 * A negative return ends the listing with it.
 */
typedef int np_vcenter_each_class_fn(void *ctx, json_t *info, struct np_err *err);

/* Lists all classes, sorted by id. */
int np_vcenter_class_list(struct np_vcenter *v, np_vcenter_each_class_fn *each, void *ctx,
			  struct np_err *err);

/* Fetches a class's Info. An answer about another id is NP_E_REFUSED. NP_E_NOT_FOUND names the class. */
int np_vcenter_class_get(struct np_vcenter *v, const char *id, json_t **ret, struct np_err *err);

/*
 * Sends `spec`, an UpdateSpec, as it is. vCenter resets some of the members that a PATCH leaves out, so it
 * must carry every member that GET gave. NP_E_RETRY: it may or may not be stored.
 */
int np_vcenter_class_patch(struct np_vcenter *v, const char *id, const json_t *spec,
			   struct np_err *err);

#endif
