/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CONTROLLER_INTERNAL_H
#define NODEPREP_CONTROLLER_INTERNAL_H

/*
 * controller, inside.
 *
 * map.c        records by their key
 * queue.c classes to reconcile, and when
 * lease.c      who may write: the arithmetic; elect.c: the thread
 * contention.c when a class counts as contended
 * condition.c conditions and reasons, a status's digest, a status as written
 * strip.c     what of a watched object is kept
 * store.c      objects and the classes that they use
 * reflector.c      list and watch
 * credentials.c the age of the API servers' credentials
 * health.c     whether a watch can be relied on, and when the next one begins
 * reconcile.c reconciles one class; status.c: the pools' status of it; write.c: how it is
 *              written, with finalizers
 * events.c     Events: their queue, and the thread that writes them
 * metrics.c    counters
 * controller.c threads, beginning and end
 *
 * Locking: one mutex, `lock` of np_controller, for store and queue; never held during a request.
 */

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nodeprep/controller.h"
#include "nodeprep/map.h"
#include "nodeprep/sync.h"

#define CONTROLLER_HOLDER "controller"
#define CONTROLLER_FINALIZER "nodeprep.dev/class"
#define CONTROLLER_REQUEST_ANNOTATION "nodeprep.dev/reconcile-requested-at"
#define CONTROLLER_GROUP "nodeprep.dev"

/* --- queue.c --------------------------------------------------------------------------------- */

#define QUEUE_BACKOFF_FIRST_MS 200
#define QUEUE_BACKOFF_MOST_MS 60000

/* A queued item. It waits at most once, and is never processed twice at a time. */
struct queue_item {
	size_t at; /* place in the heap, from 1; 0: does not wait */
	uint64_t due_ms, order;
	bool running, again;
	unsigned failures; /* in a row */
};

struct queue {
	size_t n, room;
	struct queue_item **heap;
	uint64_t orders;
};

/* Reserves room for `n` items, so that adding one needs no memory. */
int controller_queue_reserve(struct queue *q, size_t n, struct np_err *err);

/* Queues the item for `due_ms`; an earlier time that it already has stays. */
int controller_queue_add(struct queue *q, struct queue_item *item, uint64_t due_ms,
			 struct np_err *err);

/*
 * Returns the item that is due, which then runs; NULL where none is. *ret_due_ms: when the next
 * will be.
 */
struct queue_item *controller_queue_pop(struct queue *q, uint64_t now_ms, uint64_t *ret_due_ms);

/*
 * Ends the run. It waits again where it was added meanwhile, or failed: the longer the more often.
 */
int controller_queue_done(struct queue *q, struct queue_item *item, bool failed, uint64_t now_ms,
			  uint32_t random, struct np_err *err);
void controller_queue_remove(struct queue *q, struct queue_item *item);

/* Returns the pause after so many failures in a row, within a quarter around its middle. */
uint64_t controller_queue_backoff_ms(unsigned failures, uint32_t random);

/* --- lease.c --------------------------------------------------------------------------------- */

#define LEASE_IDENTITY_MAX 254

/* One contender's knowledge of the lease. Times are of its own clock of elapsed time. */
struct lease {
	char version[NP_KUBE_VERSION_MAX]; /* of the last record seen; "": none */
	char holder[LEASE_IDENTITY_MAX];
	uint64_t lease_ms; /* as its holder promised */
	int64_t transitions;
	uint64_t seen_ms; /* when that version was seen first */
	uint64_t valid_until_ms; /* until when this process may write; 0: it may not */
};

enum lease_step {
	LEASE_CREATE, /* there is none */
	LEASE_TAKE, /* it has no holder, or its holder has expired */
	LEASE_RENEW, /* it is ours */
	LEASE_WAIT, /* another holder's */
};

/* Records the lease as read at `now_ms`; NULL: none exists. NP_E_REFUSED: it is not a lease. */
int controller_lease_observe(struct lease *l, const json_t *record, uint64_t now_ms,
			     struct np_err *err);
enum lease_step controller_lease_decide(const struct lease *l, const char *identity,
					uint64_t now_ms);

/* Takes note that a write that began at `began_ms` made the record ours. */
void controller_lease_won(struct lease *l, uint64_t began_ms, uint64_t renew_ms);
bool controller_lease_is_valid(const struct lease *l, uint64_t now_ms);

/*
 * Build the spec to write: for taking or renewing the lease, or for releasing it. New references.
 */
json_t *controller_lease_spec(const struct lease *l, const char *identity, enum lease_step step,
			      uint64_t lease_ms, const char *now);
json_t *controller_lease_release_spec(const char *now);

/* --- contention.c ---------------------------------------------------------------------------- */

#define CONTENTION_MOST 3
#define CONTENTION_WITHIN_MS 600000

/* The times at which another writer changed a class back. */
struct contention {
	uint64_t at_ms[CONTENTION_MOST]; /* the last times, oldest first */
	unsigned n;
	bool yielded; /* to the other writer */
	uint64_t wanted; /* hash of the pools' desired values then */
};

/* Records that the class was changed back; returns whether it is contended now. */
bool controller_contention_lost(struct contention *f, uint64_t wanted, uint64_t now_ms);

/* Tells whether the class is contended, for the same desired values. */
bool controller_contention_is_yielded(const struct contention *f, uint64_t wanted);

/* Records that the class was contended before this process started. */
void controller_contention_resume(struct contention *f, uint64_t wanted);

/* Records that the class is up to date without a write: the other writer has stopped. */
void controller_contention_settle(struct contention *f);

/* --- health.c -------------------------------------------------------------------------------- */

#define HEALTH_PAUSE_FIRST_MS 200
#define HEALTH_PAUSE_MOST_MS 10000

/* A watch that has lasted so long is established: a server that ends each one at once gives none. */
#define HEALTH_ESTABLISHED_MS 5000

/* A watch that has lasted so long ends the backoff; no event and no answer of the server does. */
#define HEALTH_SUSTAINED_MS 60000

/* Without an established watch for so long the watch is lost, which is reported. */
#define HEALTH_LOST_MS 60000

/* The watch of one resource, through all its attempts. */
struct watch_health {
	bool is_open; /* the server has accepted the current attempt */
	uint64_t opened_ms; /* when it did */
	uint64_t good_ms; /* when the last established watch ended, or the first attempt began */
	unsigned attempts; /* in a row without sustained health */
};

void controller_health_begin(struct watch_health *h, uint64_t now_ms);
void controller_health_open(struct watch_health *h, uint64_t now_ms);

/* Ends an attempt; returns how long its watch was open. */
uint64_t controller_health_close(struct watch_health *h, uint64_t now_ms);

/* Returns the pause after an attempt whose watch lasted so long, within a quarter around its middle. */
uint64_t controller_health_pause(const struct watch_health *h, uint64_t lasted_ms, uint32_t random);

/* Returns for how long no watch has been established; 0: one is. */
uint64_t controller_health_down_ms(const struct watch_health *h, uint64_t now_ms);
bool controller_health_is_lost(const struct watch_health *h, uint64_t now_ms);

/* --- condition.c ----------------------------------------------------------------------------- */

enum condition_type {
	CONDITION_READY,
	CONDITION_CLASS_FOUND,
	CONDITION_CLASS_PATCHED,
	CONDITION_DRIFTED,
	CONDITION_MAX
};

enum condition_status { STATUS_UNKNOWN, STATUS_FALSE, STATUS_TRUE, STATUS_MAX };

/* docs/controller.md says what each means. */
enum reason {
	REASON_NONE, /* no condition of ours, or one that we do not know */
	REASON_ALREADY_CONFIGURED,
	REASON_CLASS_NOT_FOUND,
	REASON_INVALID_CLASS,
	REASON_CONFIGURED,
	REASON_CONFLICT,
	REASON_GPU_SIZE_UNKNOWN,
	REASON_FORBIDDEN,
	REASON_FOUND,
	REASON_GPU_COUNT_UNKNOWN,
	REASON_IN_SYNC,
	REASON_INVALID_RECORD,
	REASON_CONTENDED,
	REASON_NOT_ALLOWED,
	REASON_NOT_FOUND,
	REASON_NOT_EVALUATED,
	REASON_PATCHED,
	REASON_INVALID_NODEPOOL,
	REASON_DRIFT_CORRECTED,
	REASON_API_REJECTED,
	REASON_UNREACHABLE,
	REASON_MAX
};

#define CONDITION_TEXT_MAX (NP_ERR_TEXT_MAX + 512)

struct condition {
	enum condition_status status;
	enum reason reason;
	char message[CONDITION_TEXT_MAX];
};

/* The desired status of a pool. */
struct pool_status {
	int64_t generation;
	char vm_class[254];
	bool has_gpus, has_required, has_mmio;
	uint64_t gpus, required_gb, mmio_gb;
	struct condition conditions[CONDITION_MAX];
};

/* The digest of a status: enough to tell whether another status differs. */
struct status_memory {
	uint64_t fields; /* hash of everything except the conditions; 0: there is no status */
	int64_t generation; /* observedGeneration */
	struct condition_memory {
		uint8_t status, reason;
		int64_t since; /* lastTransitionTime, in seconds since 1970; 0: none */
		uint64_t message; /* hash */
	} conditions[CONDITION_MAX];
};

const char *controller_condition_name(enum condition_type type);
const char *controller_reason_name(enum reason reason);

/* Sets a condition; the text is cut to its room. */
void controller_condition_set(struct pool_status *s, enum condition_type type,
			      enum condition_status status, enum reason reason, const char *fmt,
			      ...) __attribute__((format(printf, 5, 6)));

/* Reads the digest of an object's status; ignores members of other writers. */
void controller_status_recall(const json_t *object, struct status_memory *ret);

/* Sets *ret to the digest of `s` written at `now`; keeps transition times. */
void controller_status_remember(const struct pool_status *s, const struct status_memory *before,
				int64_t now, struct status_memory *ret);
bool controller_status_equal(const struct status_memory *a, const struct status_memory *b);

/* Returns the status object to write; NULL: no memory. */
json_t *controller_status_tree(const struct pool_status *s, const struct status_memory *m);

/* --- strip.c -------------------------------------------------------------------------------- */

enum watched_kind { WATCHED_NODEPOOL, WATCHED_CLUSTER, WATCHED_TKC, WATCHED_CLASS, WATCHED_MAX };

/*
 * Returns of a NodePool, Cluster or TanzuKubernetesCluster what planning reads, as compact JSON; of
 * variables the class's alone. NULL: no memory.
 */
char *controller_strip_object(enum watched_kind kind, const json_t *object);

/*
 * Tells whether a Cluster or TanzuKubernetesCluster asks to be managed, by a label or an
 * annotation.
 */
bool controller_is_managed(const json_t *object);

/* Returns a digest of what can matter in a class; 0: no memory. */
uint64_t controller_digest(const json_t *class);

/* --- the controller -------------------------------------------------------------------------- */

/* A class that is used, or was. */
struct class_record {
	struct np_map_entry entry; /* (namespace, name); first */
	struct queue_item item;
	size_t n_owners;
	struct owner **owners; /* what has a pool that uses it */
	unsigned round; /* of the list that it was seen in last; 0: not seen */
	bool registered; /* its annotation registers one of our pools */
	uint64_t digest; /* 0: not known, or not there */
	char *object; /* waits with the item, for the worker: the class as compact JSON; NULL: to be read */
	size_t object_size;
	bool seen_again; /* it changed since its worker began */
	uint64_t applied; /* hash of the pools' desired values at the last sync; 0: not yet */
	uint64_t reported; /* hash of the last Events on objects without a status */
	int64_t restored_at; /* seconds since 1970: when a drift was mended last; 0: never */
	char *restored_from; /* who it was, and what; NULL */
	struct contention contention;
};

/* A NodePool, Cluster or TanzuKubernetesCluster. */
struct owner {
	struct np_map_entry entry; /* (kind, namespace, name); first */
	enum watched_kind kind;
	char *ns, *name, *uid;
	char *text; /* controller_strip_object()'s */
	char *error; /* why no pool could be read of it; NULL */
	int64_t generation;
	bool deleting, has_finalizer;
	unsigned round; /* of the list that it was seen in last */
	size_t n_classes;
	struct class_record **classes;
	struct status_memory status;
};

struct reflector {
	struct np_controller *c;
	enum watched_kind kind;
	pthread_t thread;
	bool wanted; /* set before any thread runs */
	bool runs; /* of who starts and joins it */
	unsigned round;
	atomic_bool synced; /* everything was listed once */
	/* Under the lock: */
	struct watch_health health;
	bool is_absent; /* the server does not have the resource, which is optional */
	bool is_waiting; /* for the first lists of the pools */
	bool is_current; /* a later change of an object than the one that was last seen would be seen */
	bool is_reported; /* as lost */
	char error[NP_ERR_TEXT_MAX]; /* of the last attempt; "" */
};

enum counter {
	COUNT_CONFLICTS,
	COUNT_DRIFTS,
	COUNT_EVENTS,
	COUNT_EVENTS_DROPPED,
	COUNT_FAILURES,
	COUNT_CONTENDED,
	COUNT_LISTS,
	COUNT_PATCHES,
	COUNT_RECONCILES,
	COUNT_RECONCILE_MS,
	COUNT_RESTORES,
	COUNT_STATUS_WRITES,
	COUNT_WATCHES,
	COUNT_WATCHES_LOST,
	COUNT_WATCH_EVENTS,
	COUNT_MAX
};

/* A loop's last message, so that a retry does not repeat it. */
struct log_dedup {
	uint64_t hash, at_ms;
	const char *resource; /* that the loop watches; NULL: none */
};

#define EVENTS_WAITING_MAX 256
#define EVENTS_SERIES_MAX 256
#define EVENTS_FLUSH_MS 2000

/* An Event that waits to be written. */
struct event {
	json_t *body;
	uint64_t key; /* the same for those of one series */
	char *vm_class; /* for the log */
};

/* An Event that was written: one that says the same soon is counted there. */
struct event_series {
	uint64_t key, at_ms; /* when it was seen last */
	unsigned count;
	json_t *metadata; /* of the Event: namespace and name; NULL: an empty place */
};

struct events {
	struct event waiting[EVENTS_WAITING_MAX]; /* a ring */
	size_t first, n;
	uint64_t tokens, filled_ms; /* of the bucket that limits their rate */
	struct log_dedup last;
	/* Of the thread alone: */
	struct event_series series[EVENTS_SERIES_MAX]; /* the last ones written, a ring */
	size_t next_series;
};

struct np_controller {
	struct np_controller_options o; /* its texts are the copies below */
	char *ns, *class_ns, *cluster_id, *lease_ns, *lease_name, *identity;
	struct np_kube_config *pools, *classes; /* `classes` NULL: the same */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* queue, leadership, stop */
	struct np_map owners, class_records;
	struct queue queue;
	size_t object_bytes; /* of all class records' objects */
	struct reflector reflectors[WATCHED_MAX];
	bool classes_namespaced, classes_found; /* what discovery said of them */
	struct np_kube_resource class_resource;
	struct lease lease; /* of the election's thread */
	atomic_uint_fast64_t valid_until_ms; /* until when writing is allowed */
	atomic_uint_fast64_t beat_ms; /* when the election's thread last turned */
	atomic_bool stopping, leading, workers_done, reload;
	struct events events;
	atomic_uint_fast64_t
		events_until_ms; /* once the workers are done: until when Events are written */
	atomic_uint_fast64_t counters[COUNT_MAX];
};

/* controller.c */
uint64_t controller_now_ms(void);
bool controller_is_stopping(const struct np_controller *c);
bool controller_may_write(const struct np_controller *c);
void controller_log(const struct np_controller *c, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Logs a line about an object, with a text of its own. */
void controller_log_line(const struct np_controller *c, const struct np_controller_line *about,
			 const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Logs a warning, unless it was the last word within a minute. */
void controller_warn(const struct np_controller *c, struct log_dedup *last, const char *what,
		     const char *text);

/* Waits so long; ends early when the controller stops. The lock is not held by the caller. */
void controller_pause(struct np_controller *c, uint64_t ms);

enum client {
	CLIENT_READS, /* cancelled when the controller stops */
	CLIENT_WRITES, /* cancelled when it stops, or the lease is not valid */
	CLIENT_OF_LEASE, /* never cancelled */
	CLIENT_EVENTS, /* cancelled a while after the workers are done */
};

/* Creates one thread's API client, of the classes' server or the pools'. */
int controller_client(struct np_controller *c, bool of_classes, enum client kind,
		      struct np_kube **ret, struct np_err *err);

/* Waits for `changed`, at most so long; the lock is held. */
void controller_wait(struct np_controller *c, uint64_t ms);
bool controller_is_synced(const struct np_controller *c);

/* Tells whether everything that has pools was listed once. */
bool controller_are_owners_synced(const struct np_controller *c);
static inline void controller_count(struct np_controller *c, enum counter counter, uint64_t by)
{
	atomic_fetch_add(&c->counters[counter], by);
}

/* credentials.c; the API servers of the pools and of the classes. */
#define CONTROLLER_SERVERS 2
#define CONTROLLER_METRICS "nodeprep_controller_"

/* Loads credentials again whose files changed, and logs the result. */
void controller_credentials_check(struct np_controller *c);

/* Writes their metrics. */
void controller_credentials_put(FILE *out, const struct np_controller *c);

/* elect.c */
void *controller_elect_run(void *controller);

/* store.c; the lock is held by the caller but where it says otherwise. */
int controller_store_put(struct np_controller *c, struct reflector *w, const json_t *object,
			 struct np_err *err);
void controller_store_drop(struct np_controller *c, enum watched_kind kind, const json_t *object);

/* Ends a list: what it did not show is gone, and the reflector is synced. */
void controller_store_sweep(struct np_controller *c, struct reflector *w);
int controller_store_class(struct np_controller *c, const struct reflector *w, const json_t *class,
			   struct np_err *err);
void controller_store_class_gone(struct np_controller *c, const json_t *class);

/* The most bytes of classes that wait for a worker; one beyond them is read again instead. */
#define STORE_OBJECTS_MAX ((size_t)4 << 20)

/* Returns the class as it was last seen, for the caller to free; NULL where it has to be read. */
char *controller_store_take_object(struct np_controller *c, struct class_record *r);

/* Adopts a class that was read or written: what was seen of it before that write, or was seen of the write, is dropped. */
void controller_store_adopt(struct np_controller *c, struct class_record *r, const json_t *class,
			    bool is_written);

/* Ends the work on the class: queues it again where it changed meanwhile, or that failed. */
int controller_store_end(struct np_controller *c, struct class_record *r, bool failed,
			 struct np_err *err);
int controller_store_enqueue_all(struct np_controller *c, struct np_err *err);
void controller_store_forget(struct np_controller *c, struct class_record *r);
struct owner *controller_store_find(struct np_controller *c, enum watched_kind kind, const char *ns,
				    const char *name);
void controller_store_done(struct np_controller *c);

/* Tells whether a pool id in a class's annotation is one of this controller's to judge. */
bool controller_store_is_own_id(const struct np_controller *c, const char *class_ns,
				const char *id);

/* Tells whether the pool of that id may still be there, though it cannot be read. */
bool controller_store_may_exist(struct np_controller *c, const char *id);

/* reflector.c */
void *controller_reflector_thread(void *watcher);
const char *controller_reflector_resource(enum watched_kind kind);

/* Returns for how long the resource has had no established watch; 0: it has one, or needs none. */
uint64_t controller_reflector_down_ms(const struct reflector *w, uint64_t now_ms);

/* Tells whether a watch is lost. The lock is held. */
bool controller_reflectors_are_lost(const struct np_controller *c);

/* Logs and counts which watches were lost, or established again, since the last call. */
void controller_reflectors_report(struct np_controller *c);

/* reconcile.c */
void *controller_reconcile_thread(void *controller);

/* Works on one class; the lock is held at the beginning and at the end, and not in between. */
void controller_reconcile_class(struct np_controller *c, struct class_record *record,
				struct np_kube *pools, struct np_kube *classes);

#define DRIFT_TEXT_MAX 512

/* A copy of what a worker needs of a source. */
struct reconcile_owner {
	enum watched_kind kind;
	char *ns, *name, *uid, *text, *error;
	int64_t generation;
	bool deleting, has_finalizer;
	struct status_memory status;
};

struct reconcile {
	struct np_controller *c;
	struct np_kube *pools, *classes;
	struct np_kube_resource resource; /* of the class, as discovered last */
	char *ns, *name; /* of the class */
	char *object; /* the class as it was last seen; NULL: it is read */
	size_t n;
	struct reconcile_owner *owners;
	uint64_t wanted; /* hash of their desired values */
	uint64_t reported, to_report; /* hash of the last Events, and of the Events due */
	bool was_applied; /* the same values were synced before */
	struct contention contention;
	bool is_asked; /* a patch was computed before, or not from `object` */
	bool is_from_watch; /* the last patch was computed from `object` */
	bool is_drift, is_contended; /* its result */
	char drift[DRIFT_TEXT_MAX]; /* who did what last; "" */
	int64_t restored_at; /* seconds since 1970; 0: never */
	bool is_changed; /* the class holds a value of ours */
	bool failed; /* something is to be tried again */
	bool awaits_binding; /* a pool is not allowed, and a binding would allow it: looked for again */
};

/*
 * status.c: the desired status of a NodePool; `i` is its place in the input, where it is
 * neither unreadable nor being deleted.
 */
void controller_status_of_owner(const struct reconcile *j, const struct np_input *in,
				const struct np_class_sync_result *r,
				const struct reconcile_owner *s, size_t i, struct pool_status *ret);

/* Tells whether the class was restored for the pool: a pool that is refused takes no part. */
bool controller_status_is_restored(const struct pool_status *s);

/* Tells whether a reason is a warning where it is reported. */
bool controller_status_is_warning(enum reason reason);

/* Returns the condition reason of an error. */
enum reason controller_status_reason(enum np_code code);

/* Returns the condition reason of an error of one pool. */
enum reason controller_status_pool_reason(enum np_code code);

/* write.c */
int controller_write_finalizer(struct reconcile *j, struct reconcile_owner *s, struct np_err *err);
int controller_write_release(struct reconcile *j, struct reconcile_owner *s, struct np_err *err);
int controller_write_status(struct reconcile *j, struct reconcile_owner *s,
			    const struct pool_status *status, struct np_err *err);

/* events.c: Events are written by a thread of their own, so that no worker waits for them. */
struct event_text {
	bool is_warning;
	const char *reason, *action, *note;
};

/* Queues an Event about the object; drops it where too many wait. */
void controller_event(struct reconcile *j, const struct reconcile_owner *s,
		      const struct event_text *text);

/* Writes Events until the workers are done, and then those that wait, for EVENTS_FLUSH_MS. */
void *controller_events_thread(void *controller);
bool controller_events_are_cancelled(void *controller);
void controller_events_done(struct np_controller *c);

#endif
