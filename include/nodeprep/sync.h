/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_SYNC_H
#define NODEPREP_SYNC_H

/*
 * sync - the one loop read, plan, patch, retry that every caller shares.
 *
 * Order      everything is read and planned before the first write; a plan with an error or a
 *            placeholder writes nothing. Writes begin in the plan's order, one PATCH a class, several
 *            classes at a time (`parallel`); results are in the plan's order.
 * Stores     classes are a Supervisor's objects, or vCenter's (struct np_class_store); all else is the same.
 * Conflicts  a patch carries the resourceVersion it was made from. On 409 the class is read again
 *            and planned again, with jittered pauses, until the client's deadline; so a change
 *            that another client made meanwhile is kept, never lost.
 * Reads      many at a time over the one connection, but no more than the client's bound.
 * Permission where the plan's options require it (opt_in), a pool whose class lies in no namespace or in
 *            another one needs the annotation nodeprep.dev/allowed-namespaces on the class, or a
 *            VirtualMachineClassBinding in its own namespace, which are listed where the API server serves
 *            them and the user may; otherwise the pool has the error NP_E_NOT_ALLOWED.
 * Stopping   once is_stopped() says so, no further class is begun: what is not written is reported as
 *            failed with NP_E_RETRY. The client's is_cancelled() should say the same, so that waits
 *            end; PATCH requests under way are finished.
 * Ownership  results own their texts; input, catalogue and client are borrowed.
 * Errors     np_sync_run() fails where nothing could be planned (API unreachable, forbidden, no
 *            memory). What befell a single class stands in its result; the rest goes on.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/kube.h"
#include "nodeprep/plan.h"
#include "nodeprep/state.h"
#include "nodeprep/vcenter.h"
#include "nodeprep/warnings.h"

struct sync_store_kind;

/*
 * Where classes are kept. Made by np_sync_store_…(), one for each run; borrows what it is made from, and
 * owns nothing.
 */
struct np_class_store {
	const struct sync_store_kind *kind;
	const char *api; /* "kubernetes" */
	struct np_kube *kube; /* NULL: the classes are vCenter's */
	struct np_kube_resource resource; /* plural "" until the API was discovered */
	struct np_vcenter *vcenter; /* NULL: the classes are a Supervisor's */
	const struct np_state *state; /* where the records of vCenter's classes are */
	char group[64]; /* of its entries: vCenter's instanceUuid; "" until it is known */
};

/* Classes of a Supervisor's Kubernetes API; `resource` NULL: discovered with the first request. */
struct np_class_store np_sync_store_kube(struct np_kube *k,
					 const struct np_kube_resource *resource);

/*
 * Classes of vCenter. They have no annotation and no resourceVersion, so each has its record in the state
 * directory, held while the class is written; it is read right before the write and read back after it.
 */
struct np_class_store np_sync_store_vcenter(struct np_vcenter *v, const struct np_state *state);

/* Classes as they were fetched. */
struct np_fetched {
	size_t n;
	struct np_class_ref *items;
};

/* Discovers the API and fetches every class that a pool names; one that is missing is left out. */
int np_sync_fetch(struct np_class_store *store, const struct np_input *in, struct np_fetched *ret,
		  struct np_err *err);
void np_sync_fetched_done(struct np_fetched *f);

#define NP_SYNC_POOL_KINDS 3

/* What np_sync_fetch_pools() found. */
struct np_sync_pools {
	size_t n; /* objects */
	size_t n_missing;
	const char *missing[NP_SYNC_POOL_KINDS]; /* constants: "nodepools.nodeprep.dev" */
};

/*
 * Lists NodePools, Clusters and TanzuKubernetesClusters, in that order, in the server's preferred versions, and
 * adds what is selected to `in`, which collects the errors of single objects. A kind that the server does
 * not have is noted in ret->missing; np_pool_input_finish() remains to be called.
 */
int np_sync_fetch_pools(struct np_kube *k, const struct np_kube_selection *s,
			const struct np_catalogue *catalogue, struct np_input *in,
			struct np_sync_pools *ret, struct np_err *err);

enum np_sync_result {
	NP_SYNC_UNCHANGED, /* was right; no request but the read */
	NP_SYNC_PATCHED,
	NP_SYNC_FAILED,
	NP_SYNC_RESULT_MAX
};

struct np_sync_outcome {
	enum np_sync_result result;
	char *resource_version; /* after the write, or as read; NULL where not known */
	unsigned attempts; /* PATCH requests that were made */
	struct np_warnings warnings; /* about other clients that wrote at the same time */
	struct np_err error; /* code NP_OK unless failed */
};

enum np_sync_stage { NP_SYNC_READING, NP_SYNC_WRITING };

/* Who looks on; every member may be NULL. */
struct np_progress {
	void (*progress)(void *ctx, enum np_sync_stage stage, size_t done, size_t total);
	bool (*is_stopped)(void *ctx);
	void *ctx;
};

struct np_sync_options {
	struct np_plan_options plan; /* its classes are filled in here */
	enum np_dry_run dry_run;
	unsigned parallel; /* how many classes are written at a time; 0: NP_KUBE_PARALLEL */
	struct np_progress progress;
};

struct np_sync {
	struct np_fetched fetched;
	struct np_plan plan;
	enum np_dry_run dry_run;
	bool was_stopped; /* some class was not begun, since is_stopped() said so */
	bool was_replanned; /* a conflict made some class be planned from a later state */
	struct np_sync_outcome
		*classes; /* one for each class of the plan; NULL where it has errors */
};

/* Reads, plans and, where the plan is sound, patches. */
int np_sync_run(struct np_class_store *store, const struct np_input *in,
		const struct np_sync_options *o, struct np_sync *ret, struct np_err *err);
void np_sync_done(struct np_sync *a);

/* An object of Cluster API's that was made or changed: a new template, or a MachineDeployment. */
struct np_sync_object {
	const char *kind; /* a constant */
	char *ns, *name;
	const char *result; /* "created", "patched", "unchanged", "failed" */
	const struct np_pool *pool; /* whose nodes a change rolls; NULL of a template */
	struct np_err error; /* code NP_OK unless failed */
};

struct np_sync_objects {
	size_t n;
	struct np_sync_object
		*items; /* templates in the plan's order, each before its references */
};

/*
 * Puts the replacements of templates in place: creates each new template and lets the MachineDeployments
 * of its pools name it. What is so already is not written, so that a second run writes nothing; the old
 * template stays. What befell an object stands in its result, and the rest goes on, but for references
 * to a template that could not be made. Fails only where memory runs out.
 */
int np_sync_templates(struct np_kube *k, const struct np_plan *plan, enum np_dry_run dry_run,
		      struct np_sync_objects *ret, struct np_err *err);
void np_sync_objects_done(struct np_sync_objects *o);

/* Returns the worst code among them. */
enum np_code np_sync_objects_code(const struct np_sync_objects *o);

/* Adds them to np_sync_tree()'s tree, as "objects"; what failed goes to its errors too. */
int np_sync_objects_add(json_t *tree, const struct np_sync_objects *o);

/* Returns the worst code among plan and results. */
enum np_code np_sync_code(const struct np_sync *a);

/* Returns the word for a result: "patched", "unchanged", "failed". */
const char *np_sync_result_name(enum np_sync_result result);

/* Returns the plan's tree with each class's result, resourceVersion, attempts and error. */
json_t *np_sync_tree(const struct np_sync *a);

/* Which registrations are released, and where they are searched for. */
struct np_release_scope {
	const struct np_catalogue *catalogue;
	np_release_fn *releases;
	void *ctx;
	bool dry_run; /* nothing is sent */
	bool all_namespaces; /* list in all; where that is forbidden, in `namespaces` */
	size_t n_namespaces;
	const char *const *namespaces; /* ignored where classes have none; empty: all */
	const struct np_input
		*in; /* pools whose classes are read where listing is forbidden; or NULL */
	unsigned parallel; /* how many classes are written at a time; 0: NP_KUBE_PARALLEL */
};

struct np_release_class {
	char *ns; /* NULL: cluster-scoped */
	char *name;
	enum np_sync_result result;
	unsigned attempts; /* PATCH requests that were made */
	struct np_warnings warnings;
	struct np_err error; /* code NP_OK unless failed */
};

struct np_release {
	size_t n;
	struct np_release_class *classes; /* those with such a registration */
	struct np_warnings warnings;
};

/*
 * Releases such registrations of every class in the scope, whether a pool names it or not.
 *
 * Forbidden  where listing is forbidden, be it in one namespace of several, the classes that `in` names
 *            there are read instead, with a warning; without `in` that is NP_E_FORBIDDEN.
 * Records    an invalid record fails a class that `in` names, and is a warning of any other class.
 * Gone       a class that is deleted meanwhile is no error; without the API there is only a warning.
 */
int np_sync_release(struct np_class_store *store, const struct np_release_scope *scope,
		    struct np_release *ret, struct np_err *err);
void np_sync_release_done(struct np_release *release);

/* Returns the worst code among the classes. */
enum np_code np_sync_release_code(const struct np_release *release);

/*
 * Asks the server (SelfSubjectAccessReview) whether the user may read and patch classes in each of the
 * namespaces; NP_E_FORBIDDEN names what is missing. Nothing is written. vCenter cannot be asked: there it finds
 * out whether records can be written.
 */
int np_sync_check_access(struct np_class_store *store, size_t n_namespaces,
			 const char *const *namespaces, struct np_err *err);

/* --- one class ----------------------------------------------------------------------------- */

/*
 * one - brings a single class to the state that its pools need, in one PATCH.
 *
 * Scope      the one way in which classes are changed: np_sync_run() calls it class by class, the
 *            controller for each class that changed. Pools of the holder that are registered and no
 *            longer there are released, the others are registered.
 * Validity   an invalid pool (it asks for GPUs that the class does not attach) neither keeps the
 *            others from what they need nor is released; with `strict` it fails the class.
 * Conflicts  np_kube_update(): the class is read and planned again until the deadline.
 * Ownership  the result owns what it points at, but for the pools' texts, which are the input's.
 * Errors     np_sync_class() fails only where memory runs out; whatever else is wrong stands in the
 *            result, with the class or with a pool.
 */

/* What is about to be written. */
struct np_class_sync_change {
	const struct np_vmclass *class; /* as it was read */
	const struct np_plan_class *planned; /* NULL where no sound pool uses it */
	const json_t *patch;
	bool touches_spec; /* it is more than who is registered */
};

struct np_class_sync {
	const char *ns, *name; /* where the class is; `ns` is ignored where classes have none */
	const struct np_input *pools; /* every one names this class */
	struct np_plan_options plan; /* catalogue and holder; the class is filled in */
	const json_t *object; /* borrowed: the class as it was just read; NULL: it is read first */
	enum np_dry_run dry_run;
	bool strict; /* one invalid pool fails the class */
	/* Asked about each registration of the holder whose pool is not among `pools`; NULL: all stay. */
	np_release_fn *releases;
	/* Asked before each PATCH; false: it is not made. NULL: all are. */
	bool (*may_write)(void *ctx, const struct np_class_sync_change *change);
	void *ctx; /* of both */
};

struct np_class_sync_result {
	enum np_sync_result result;
	bool vetoed; /* may_write() said no; then `result` is NP_SYNC_UNCHANGED */
	bool found;
	bool has_bindings; /* bindings were read for a pool that the class itself does not allow */
	bool may_be_stored; /* as in struct np_kube_updated */
	unsigned attempts; /* PATCH requests that were made */
	size_t n_released; /* pools that the last change releases */
	struct np_warnings warnings; /* about other clients that wrote at the same time */
	json_t *object; /* the class as it is now, without its namespace; NULL where not found */
	json_t *planned_from; /* the class as it was planned from last; NULL where not found */
	struct np_err error; /* what is wrong with the class; NP_OK */
	struct np_plan plan; /* of the sound pools */
	struct np_input sound; /* the pools that the plan borrows, which are the input's */
	size_t *plan_index; /* for each pool of the input: its place in the plan, SIZE_MAX if unsound */
	struct np_err *errors; /* for each pool of the input; NULL where all are sound */
};

int np_sync_class(struct np_class_store *store, const struct np_class_sync *one,
		  struct np_class_sync_result *ret, struct np_err *err);
void np_sync_class_done(struct np_class_sync_result *r);

#endif
