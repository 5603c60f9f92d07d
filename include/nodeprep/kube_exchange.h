/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_KUBE_EXCHANGE_H
#define NODEPREP_KUBE_EXCHANGE_H

/*
 * kube_exchange - requests to a server that does not speak the Kubernetes API, over kube's transport.
 *
 * Scope      TLS, proxies, deadlines, retries, bounds, cancellation and redaction are those of kube.h.
 *            The np_kube comes from options with a `server` and without kubeconfig or credentials. What
 *            a request carries and what an answer means is the caller's.
 * Ownership  borrows its arguments; bodies are the caller's.
 * Errors     judge()'s own; for a missing answer those of kube.h: NP_E_REFUSED for TLS, NP_E_RETRY.
 */

#include <stdbool.h>
#include <stddef.h>

#include "nodeprep/err.h"
#include "nodeprep/kube.h"

/* A whole answer. */
struct np_kube_reply {
	long status;
	const char *body; /* ends in a NUL beyond `size`; never NULL */
	size_t size;
};

struct np_kube_exchange {
	const char *method;
	const char *path; /* escaped, with its query; begins with '/' */
	const char *what; /* in messages: "VM class 'x'" */
	const char *const *headers; /* whole lines, up to a NULL */
	const char *body; /* NULL: none */
	const char *content_type; /* of the body */
	bool is_repeatable; /* may be sent again where the server may have seen it */
	bool has_secrets; /* bodies hold a password or a session: a trace leaves them out */
	bool is_final; /* sent although the run is cancelled, such as a logout */
	/*
	 * Returns 0 where the answer is the expected one. A failure sets *err, and *ret_again where the
	 * same request may succeed later.
	 */
	int (*judge)(void *ctx, const struct np_kube_reply *reply, bool *ret_again,
		     struct np_err *err);
	void (*header)(void *ctx, const char *line); /* called with each header line; may be NULL */
	void *ctx; /* of both */
};

/* Sends the request, again where that is safe, until judge() accepts the answer. *ret is wiped by the caller. */
int np_kube_exchange(struct np_kube *k, const struct np_kube_exchange *x, char **ret,
		     size_t *ret_size, struct np_err *err);

/* Tells by the status alone whether the same request may succeed later: 429 and most of 5xx. */
bool np_kube_status_is_retried(long status);

/*
 * From here on the text is removed from messages; one shorter than 6 bytes is not. Of those that are not
 * `is_lasting`, such as sessions, the last 256 are remembered.
 */
int np_kube_add_secret(struct np_kube *k, const char *text, bool is_lasting, struct np_err *err);

/* Copies `text` without secrets; cuts it afterwards, so that no part of a secret is left. */
void np_kube_redact(const struct np_kube *k, const char *text, char *buf, size_t size);

/* Logs a line with secrets removed. */
void np_kube_log(struct np_kube *k, const char *line);

#endif
