/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_SYNC_INTERNAL_H
#define NODEPREP_PKG_SYNC_INTERNAL_H

/*
 * internal - what the files of sync share: class.c brings one class to its desired state, batch.c does so for
 * the plan of a whole input, release.c releases registrations; fetch.c reads classes, pools.c reads pools. Where
 * classes are kept is the store's business: store.c has what all stores share, store_kube.c the Kubernetes API, whose
 * lists are in list_kube.c,
 * store_vcenter.c vCenter, whose writes are in update_vcenter.c, its records in record.c. opt_in.c reads who
 * else may use a class.
 */

#include "nodeprep/err.h"
#include "nodeprep/sync.h"
#include "nodeprep/warnings.h"

/* An update of one class; members as those of struct np_kube_update. */
struct sync_update {
	const char *ns, *name;
	const json_t *object;
	np_kube_mutate_fn *mutate;
	void *ctx; /* of mutate() */
	void *tag; /* for who began it */
	enum np_dry_run dry_run;
};

struct sync_updated {
	struct np_kube_updated done;
	struct np_warnings warnings; /* other clients that wrote at the same time */
};

void sync_updated_done(struct sync_updated *u);

/* Many updates, made several at a time; members as those of struct np_kube_updates. Never called twice at a time. */
struct sync_updates {
	unsigned most;
	bool (*next)(void *ctx, struct sync_update *ret);
	/* May take the warnings and the object; the rest is emptied afterwards. */
	void (*done)(void *ctx, const struct sync_update *how, struct sync_updated *u,
		     const struct np_err *error);
	void *ctx;
};

/* A place where classes are kept. Errors are those of kube.h. */
struct sync_store_kind {
	const char *api;
	const char *noun; /* of a class, in messages */
	size_t batch; /* how many classes are fetched between two reports of progress */
	/* Finds the API; called until it has succeeded, before anything else. */
	int (*open)(struct np_class_store *s, struct np_err *err);
	int (*get_many)(struct np_class_store *s, struct np_kube_item *items, size_t n,
			struct np_err *err);
	/* Sets the objects of those items that a list gets cheaper than requests for each; NULL: none are. */
	int (*list_wanted)(struct np_class_store *s, struct np_kube_item *items, size_t n,
			   struct np_err *err);
	/* Lists the classes that may have a record; ns NULL: in all namespaces. */
	int (*list)(struct np_class_store *s, const char *ns, np_kube_each_fn *each, void *ctx,
		    struct np_err *err);
	/*
	 * Reads, computes and writes each class, again while other clients write. A failure is that one class's;
	 * `attempts` is set on failure too. mutate() of one class may be called while another's runs.
	 */
	int (*update_many)(struct np_class_store *s, const struct sync_updates *all,
			   struct np_err *err);
	int (*check_access)(struct np_class_store *s, size_t n_namespaces,
			    const char *const *namespaces, struct np_err *err);
};

extern const struct sync_store_kind sync_store_kube, sync_store_vcenter;

/* --- store_vcenter.c ------------------------------------------------------------------------- */

struct sync_record;

/* Makes the class of an Info and its record; of a record that is pending, the one that fits the class. */
int sync_vcenter_object(const json_t *info, const struct sync_record *r, json_t **ret,
			struct np_err *err);

/* Tells whether nodeprep was interrupted in a change of the class, so that its record names both states. */
bool sync_is_unsettled(const json_t *object);

/* Fetches a class with its record. */
int sync_vcenter_get(const struct np_class_store *s, const char *name, json_t **ret,
		     struct np_err *err);

/* Locks the class's record; waits for another holder until the deadline. */
int sync_vcenter_lock(const struct np_class_store *s, const char *name, struct np_state_lock **ret,
		      struct np_err *err);

/* update_vcenter.c: reads, plans, writes and reads back. */
int sync_vcenter_update(struct np_class_store *s, const struct sync_update *how,
			struct sync_updated *ret, struct np_err *err);

/* parallel_vcenter.c: does so for many classes, each worker with a client of its own in the one session. */
int sync_vcenter_update_many(struct np_class_store *s, const struct sync_updates *all,
			     struct np_err *err);

/* --- record.c: the record of a vCenter class, an entry of the state directory ---------------- */

struct sync_record {
	bool exists;
	char *invalid; /* what is wrong with it, if anything; then the rest is unset */
	bool pending; /* a change was begun, and it is not known whether the class has it */
	json_t *current; /* before that change; NULL: none */
	json_t *next; /* after it; NULL: none */
	uint64_t memory_mb; /* of the class when it was written */
};

void sync_record_done(struct sync_record *r);

/* Reads it; one that is not valid is no failure. */
int sync_record_read(const struct np_class_store *s, const char *name, struct sync_record *ret,
		     struct np_err *err);

/* Writes it; removes the entry where there is nothing to keep. */
int sync_record_write(const struct np_class_store *s, struct np_state_lock *lock, const char *name,
		      const struct sync_record *r, struct np_err *err);

/* list_kube.c */
int sync_list_wanted(struct np_class_store *s, struct np_kube_item *items, size_t n,
		     struct np_err *err);

int sync_check_access_kube(struct np_class_store *s, size_t n_namespaces,
			   const char *const *namespaces, struct np_err *err);

/* Appends the warnings of `from`, which is emptied. */
int sync_warnings_move(struct np_warnings *to, struct np_warnings *from, struct np_err *err);

int sync_open(struct np_class_store *s, struct np_err *err);

/* class.c: one class on its way to its desired state, between the start of its update and the end. */
struct sync_job;

/* Sets *how to the update; `one` is borrowed until sync_job_end(). */
int sync_job_new(struct np_class_store *store, const struct np_class_sync *one,
		 struct sync_job **ret, struct sync_update *how, struct np_err *err);

/* Frees the job and sets *ret as np_sync_class() does. */
int sync_job_end(struct sync_job *job, struct sync_updated *u, const struct np_err *error,
		 struct np_class_sync_result *ret, struct np_err *err);

#define SYNC_LABEL_MAX 600

/* Writes how messages call a class. */
void sync_label(const struct np_class_store *s, const char *ns, const char *name,
		char buf[static SYNC_LABEL_MAX]);

/* As np_sync_fetch(), with a progress callback (may be NULL). */
int sync_fetch(struct np_class_store *store, const struct np_input *in, const struct np_progress *w,
	       struct np_fetched *ret, struct np_err *err);

/*
 * opt_in.c: sets *ret to {"NAMESPACE/CLASS": true} of the VirtualMachineClassBindings in the namespaces of
 * those pools that the class `object` does not allow itself (NULL: of all); leaves it where none needs one,
 * or the API server has no bindings. A new reference.
 */
int sync_opt_in_fetch(struct np_kube *k, const struct np_input *pools, const json_t *object,
		      const struct np_vmclass_scope *scope, json_t **ret, struct np_err *err);

void sync_report(const struct np_progress *w, enum np_sync_stage stage, size_t done, size_t total);

#endif
