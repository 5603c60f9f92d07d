/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_SYNC_INTERNAL_H
#define NODEPREP_PKG_SYNC_INTERNAL_H

/*
 * internal - what the files of sync share: class.c brings one class to its desired state, batch.c does so for
 * the plan of a whole input, release.c releases registrations; fetch.c reads classes. Where classes are
 * kept is the store's business: store.c has what all stores share, store_kube.c the Kubernetes API.
 */

#include "nodeprep/err.h"
#include "nodeprep/sync.h"
#include "nodeprep/warnings.h"

/* An update of one class; members as those of struct np_kube_update. */
struct sync_update {
	const char *ns, *name;
	const json_t *object;
	np_kube_mutate_fn *mutate;
	void *ctx;
	enum np_dry_run dry_run;
};

struct sync_updated {
	struct np_kube_updated done;
	struct np_warnings warnings; /* other clients that wrote at the same time */
};

void sync_updated_done(struct sync_updated *u);

/* A place where classes are kept. Errors are those of kube.h. */
struct sync_store_kind {
	const char *api;
	const char *noun; /* of a class, in messages */
	size_t batch; /* how many classes are fetched between two reports of progress */
	/* Finds the API; called until it has succeeded, before anything else. */
	int (*open)(struct np_class_store *s, struct np_err *err);
	int (*get_many)(struct np_class_store *s, struct np_kube_item *items, size_t n,
			struct np_err *err);
	/* Lists the classes that may have a record; ns NULL: in all namespaces. */
	int (*list)(struct np_class_store *s, const char *ns, np_kube_each_fn *each, void *ctx,
		    struct np_err *err);
	/* Reads, computes and writes one class, again while other clients write. `attempts` is set on failure too. */
	int (*update)(struct np_class_store *s, const struct sync_update *how,
		      struct sync_updated *ret, struct np_err *err);
	int (*check_access)(struct np_class_store *s, size_t n_namespaces,
			    const char *const *namespaces, struct np_err *err);
};

extern const struct sync_store_kind sync_store_kube;

int sync_check_access_kube(struct np_class_store *s, size_t n_namespaces,
			   const char *const *namespaces, struct np_err *err);

/* Appends the warnings of `from`, which is emptied. */
int sync_warnings_move(struct np_warnings *to, struct np_warnings *from, struct np_err *err);

int sync_open(struct np_class_store *s, struct np_err *err);

#define SYNC_LABEL_MAX 600

/* Writes how messages call a class. */
void sync_label(const struct np_class_store *s, const char *ns, const char *name,
		char buf[static SYNC_LABEL_MAX]);

/* As np_sync_fetch(), with a progress callback (may be NULL). */
int sync_fetch(struct np_class_store *store, const struct np_input *in, const struct np_progress *w,
	       struct np_fetched *ret, struct np_err *err);

void sync_report(const struct np_progress *w, enum np_sync_stage stage, size_t done, size_t total);

#endif
