/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/doc.h"
#include "nodeprep/map.h"
#include "nodeprep/vmclass.h"

enum { JOB_DEADLINE_MS = 30000 };

/* --- the job --------------------------------------------------------------------------------- */

static void reconcile_owner_done(struct reconcile_owner *s)
{
	free(s->ns);
	free(s->name);
	free(s->uid);
	free(s->text);
	free(s->error);
}

static void reconcile_done(struct reconcile *j)
{
	for (size_t i = 0; i < j->n; i++)
		reconcile_owner_done(&j->owners[i]);
	free(j->owners);
	free(j->ns);
	free(j->name);
	free(j->object);
}

static int copy_owner(const struct owner *from, struct reconcile_owner *to, struct np_err *err)
{
	*to = (struct reconcile_owner){ .kind = from->kind,
					.ns = strdup(from->ns),
					.name = strdup(from->name),
					.uid = strdup(from->uid),
					.text = strdup(from->text),
					.error = from->error ? strdup(from->error) : NULL,
					.generation = from->generation,
					.deleting = from->deleting,
					.has_finalizer = from->has_finalizer,
					.status = from->status };
	if (!to->ns || !to->name || !to->uid || !to->text || (from->error && !to->error))
		return np_fail_nomem(err);
	return 0;
}

/* The pools' own status names what was left to another writer before this process began. */
static void resume_contention(const struct class_record *r, struct reconcile *j)
{
	for (size_t i = 0; i < j->n && r->applied == 0 && r->contention.wanted == 0; i++) {
		const struct reconcile_owner *s = &j->owners[i];
		const struct condition_memory *m = &s->status.conditions[CONDITION_DRIFTED];

		if (m->status == STATUS_TRUE && m->reason == REASON_CONTENDED &&
		    s->status.generation == s->generation) {
			controller_contention_resume(&j->contention, j->wanted);
			return;
		}
	}
}

/* Copies what the worker needs; the lock is held. */
static int reconcile_init(struct reconcile *j, struct class_record *r, struct np_err *err)
{
	const char *ns = r->entry.key; /* then comes the name */

	j->resource = j->c->class_resource;
	j->object = controller_store_take_object(j->c, r);
	j->ns = strdup(ns);
	j->name = strdup(ns + strlen(ns) + 1);
	j->owners = calloc(r->n_owners + 1, sizeof(*j->owners));
	if (!j->ns || !j->name || !j->owners)
		return np_fail_nomem(err);
	for (size_t i = 0; i < r->n_owners; i++) {
		const struct owner *s = r->owners[i];

		if (copy_owner(s, &j->owners[j->n++], err) < 0)
			return np_err_ret(err);
		/* The finalizer goes by what the server has now: a state of the watch may lack the record. */
		if (s->deleting)
			free(np_take(j->object));
		/* A sum, since their order says nothing. */
		if (!s->deleting && !s->error)
			j->wanted += np_map_hash(0, s->text);
	}
	j->was_applied = r->applied != 0 && r->applied == j->wanted;
	j->reported = r->reported;
	j->contention = r->contention;
	j->restored_at = r->restored_at;
	if (r->restored_from)
		strlcpy(j->drift, r->restored_from, sizeof(j->drift));
	resume_contention(r, j);
	return 0;
}

/* --- pools ----------------------------------------------------------------------------------- */

static int add_pools(const struct reconcile *j, const struct reconcile_owner *s,
		     struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	json_t *root = json_loads(s->text, 0, NULL);

	if (!root)
		return np_fail_nomem(err);
	if (np_doc_new_take(s->name, root, &doc, err) < 0)
		return np_err_ret(err);
	return np_pool_input_add(in, j->c->o.catalogue, doc, err);
}

static int make_input(const struct reconcile *j, struct np_input *in, struct np_err *err)
{
	in->origin = j->c->cluster_id;
	for (size_t i = 0; i < j->n; i++) {
		const struct reconcile_owner *s = &j->owners[i];

		if (!s->deleting && !s->error && add_pools(j, s, in, err) < 0)
			return np_err_ret(err);
	}
	np_pool_input_pick(in, j->name);
	return 0;
}

/* Returns the place of a NodePool's pool in the input; SIZE_MAX where it is not there. */
static size_t find_pool(const struct np_input *in, const struct reconcile_owner *s)
{
	for (size_t i = 0; i < in->n_pools; i++) {
		const struct np_pool *p = &in->pools[i];

		if (!p->cluster && strcmp(p->name, s->name) == 0 && strcmp(p->ns, s->ns) == 0)
			return i;
	}
	return SIZE_MAX;
}

/* --- the class ------------------------------------------------------------------------------- */

static bool releases(void *ctx, const char *id, const char *holder)
{
	struct reconcile *j = ctx;
	bool may_exist;

	(void)holder;
	if (!controller_store_is_own_id(j->c, j->ns, id))
		return false;
	pthread_mutex_lock(&j->c->lock);
	may_exist = controller_store_may_exist(j->c, id);
	pthread_mutex_unlock(&j->c->lock);
	return !may_exist;
}

/* Tells whether the patch registers no new pool: then the class was as we wanted it, and is no more. */
static bool is_registered_already(const struct np_class_sync_change *change)
{
	const json_t *old = change->class->managed;
	json_auto_t *record = NULL;
	struct np_err ignored = NP_ERR_INIT;
	int got;

	if (!old || !np_vmclass_is_changed(change->class))
		return false;
	/* The patch has the form of the class, as far as it goes. */
	got = np_vmclass_record_read(change->patch, &record, &ignored);
	return got == 0 || (got > 0 && np_vmclass_record_same_pools(record, old));
}

/* Says who changed what: "'kubectl-edit' changed /spec/configSpec/firmware". */
static void report_writer(const struct np_class_sync_change *change, struct reconcile *j)
{
	const struct np_change *planned = &change->planned->change;
	struct np_last_writer w = { .manager = "" };
	const char *path = "/spec";

	for (size_t i = 0; i < planned->n; i++) {
		if (strncmp(planned->items[i].path, "/spec/", 6) != 0)
			continue;
		if (path[5] == '\0')
			path = planned->items[i].path;
		if (np_vmclass_last_writer(change->class, planned->items[i].path, &w)) {
			path = planned->items[i].path;
			break;
		}
	}
	if (w.manager[0] != '\0')
		snprintf(j->drift, sizeof(j->drift), "'%.128s' changed %.256s", w.manager, path);
	else
		snprintf(j->drift, sizeof(j->drift), "another client changed %.256s", path);
}

static bool may_write(void *ctx, const struct np_class_sync_change *change)
{
	struct reconcile *j = ctx;
	bool is_drift = change->touches_spec && change->planned &&
			(j->was_applied || is_registered_already(change));

	/* What is read after a conflict is no longer the state that the watch saw. */
	j->is_from_watch = !j->is_asked;
	j->is_asked = true;
	if (!is_drift)
		return true;
	/* After a conflict it is still the same round. */
	if (!j->is_drift) {
		j->is_drift = true;
		report_writer(change, j);
		j->is_contended =
			controller_contention_lost(&j->contention, j->wanted, controller_now_ms());
	}
	return !j->is_contended;
}

/*
 * Tells whether the result rests on a state of the watch that the server did not confirm by taking a patch of it. That
 * state may be older than the own last write, so that it would count a drift that is none. A patch whose
 * answer was lost counts as taken where the class needs none after it.
 */
static bool is_unconfirmed(const struct reconcile *j, const json_t *object,
			   const struct np_class_sync_result *r)
{
	return j->is_from_watch && (r->vetoed || (r->planned_from != object && !r->may_be_stored));
}

static int sync_class(struct reconcile *j, const struct np_input *in,
		      struct np_class_sync_result *ret, struct np_err *err)
{
	json_auto_t *object = j->object ? json_loads(j->object, 0, NULL) : NULL;
	struct reconcile before;
	struct np_class_sync one = {
		.ns = j->ns,
		.name = j->name,
		.pools = in,
		.plan = { .catalogue = j->c->o.catalogue,
			  .holder = CONTROLLER_HOLDER,
			  .opt_in = { .required = j->c->o.require_opt_in },
			  .max_window_gb = j->c->o.max_window_gb },
		.object = object,
		.releases = releases,
		.may_write = may_write,
		.ctx = j,
	};
	struct np_class_store store = np_sync_store_kube(j->classes, &j->resource);

	j->is_asked = !object;
	before = *j;
	if (np_sync_class(&store, &one, ret, err) < 0)
		return np_err_ret(err);
	if (!is_unconfirmed(j, object, ret))
		return 0;
	/* Judged again, from what is read. */
	np_sync_class_done(ret);
	*j = before;
	j->is_asked = true;
	one.object = NULL;
	return np_sync_class(&store, &one, ret, err);
}

static bool is_worth_trying_again(enum np_code code)
{
	return code != NP_OK && code != NP_E_NOT_FOUND && code != NP_E_SPEC &&
	       code != NP_E_WINDOW && code != NP_E_RECORD;
}

/* Tells whether a binding, which nothing watches, would allow a pool that is not allowed. */
static bool is_awaiting_binding(size_t n_pools, const struct np_class_sync_result *r)
{
	for (size_t i = 0; r->has_bindings && r->errors && i < n_pools; i++)
		if (r->errors[i].code == NP_E_NOT_ALLOWED)
			return true;
	return false;
}

/* What the log says of the class. */
static struct np_controller_line class_line(const struct reconcile *j, const char *level,
					    const char *code)
{
	return (struct np_controller_line){ .level = level,
					    .ns = j->ns && j->ns[0] ? j->ns : NULL,
					    .vm_class = j->name,
					    .code = code };
}

/* What the log says of an object with pools of the class. */
static struct np_controller_line owner_line(const struct reconcile *j,
					    const struct reconcile_owner *s, bool is_warning,
					    const char *code)
{
	bool is_pool = s->kind == WATCHED_NODEPOOL;

	return (struct np_controller_line){ .level = is_warning ? "warning" : "info",
					    .ns = s->ns,
					    .vm_class = j->name,
					    .pool = is_pool ? s->name : NULL,
					    .cluster = is_pool ? NULL : s->name,
					    .code = code };
}

static void report_class(struct reconcile *j, const struct np_class_sync_result *r)
{
	struct np_controller *c = j->c;
	struct np_controller_line line;

	controller_count(c, COUNT_DRIFTS, j->is_drift);
	if (r->result == NP_SYNC_PATCHED) {
		controller_count(c, COUNT_PATCHES, 1);
		if (r->n_released > 0)
			controller_count(c, COUNT_RESTORES, 1);
		if (j->is_drift)
			j->restored_at = (int64_t)time(NULL);
		line = class_line(j, "info",
				  controller_reason_name(j->is_drift ? REASON_DRIFT_CORRECTED
								     : REASON_PATCHED));
		controller_log_line(c, &line, "patched%s%s", j->is_drift ? ": " : "",
				    j->is_drift ? j->drift : "");
	}
	if (r->vetoed) {
		controller_count(c, COUNT_CONTENDED, 1);
		line = class_line(j, "warning", controller_reason_name(REASON_CONTENDED));
		controller_log_line(c, &line, "contended: %s", j->drift);
	}
	if (r->attempts > 1)
		controller_count(c, COUNT_CONFLICTS, r->attempts - 1);
	if (r->error.code != NP_OK && r->error.code != NP_E_NOT_FOUND) {
		line = class_line(j, "warning",
				  controller_reason_name(controller_status_reason(r->error.code)));
		controller_log_line(c, &line, "%s", r->error.text);
	}
	if (r->error.code == NP_OK && r->result == NP_SYNC_UNCHANGED && !r->vetoed)
		controller_contention_settle(&j->contention);
}

/* --- the pools' objects ---------------------------------------------------------------------- */

/* Writes an Event on the object, and the same to the log. */
static void report_object(struct reconcile *j, const struct reconcile_owner *s, enum reason reason,
			  const char *action, const char *note)
{
	bool is_warning = controller_status_is_warning(reason);
	const char *code = controller_reason_name(reason);
	struct np_controller_line line = owner_line(j, s, is_warning, code);

	controller_event(j, s, &(struct event_text){ is_warning, code, action, note });
	controller_log_line(j->c, &line, "%s", note);
}

/* Reports on the pool's own object: a pool that was not evaluated was not restored either. */
static void report_pool(struct reconcile *j, const struct np_class_sync_result *r,
			const struct reconcile_owner *s, const struct pool_status *st)
{
	const struct condition_memory *was = &s->status.conditions[CONDITION_READY];
	const struct condition *ready = &st->conditions[CONDITION_READY];
	const struct condition *patched = &st->conditions[CONDITION_CLASS_PATCHED];
	bool is_new =
		was->reason != (uint8_t)ready->reason || was->status != (uint8_t)ready->status;
	char note[DRIFT_TEXT_MAX + 16];

	if (r->result == NP_SYNC_PATCHED && j->is_drift && controller_status_is_restored(st)) {
		/* Without the time, so that Events of the same cause are counted. */
		snprintf(note, sizeof(note), "%s; restored", j->drift);
		report_object(j, s, REASON_DRIFT_CORRECTED, "Restore", note);
	} else if (is_new && ready->status == STATUS_TRUE) {
		report_object(j, s, patched->reason, "Patch", patched->message);
	} else if (is_new) {
		report_object(j, s, ready->reason, "Check", ready->message);
	}
}

static bool is_pool_of(const struct np_pool *p, const struct reconcile_owner *s)
{
	return p->cluster && strcmp(p->cluster, s->name) == 0 && strcmp(p->ns, s->ns) == 0;
}

/* Reports on a Cluster what is wrong with a pool of its own; returns whether something is. */
static bool report_refused(struct reconcile *j, const struct np_input *in,
			   const struct np_class_sync_result *r, const struct reconcile_owner *s)
{
	bool is_refused = false;

	for (size_t i = 0; r->errors && i < in->n_pools; i++) {
		if (r->errors[i].code == NP_OK || !is_pool_of(&in->pools[i], s))
			continue;
		report_object(j, s, controller_status_pool_reason(r->errors[i].code), "Check",
			      r->errors[i].text);
		is_refused = true;
	}
	return is_refused;
}

/* Tells whether a pool of the Cluster takes part in what the class was restored to. */
static bool has_valid_pool(const struct np_input *in, const struct np_class_sync_result *r,
			   const struct reconcile_owner *s)
{
	for (size_t i = 0; i < in->n_pools; i++)
		if (is_pool_of(&in->pools[i], s) && (!r->errors || r->errors[i].code == NP_OK))
			return true;
	return false;
}

/* A Cluster has no status of ours: Events report what is new, once. */
static void report_cluster(struct reconcile *j, const struct np_input *in,
			   const struct np_class_sync_result *r, const struct reconcile_owner *s)
{
	char note[800];

	if (r->result == NP_SYNC_PATCHED && j->is_drift && has_valid_pool(in, r, s)) {
		snprintf(note, sizeof(note), "class '%s': %s; restored", j->name, j->drift);
		report_object(j, s, REASON_DRIFT_CORRECTED, "Restore", note);
		return;
	}
	if (j->to_report == j->reported || report_refused(j, in, r, s))
		return;
	if (r->error.code != NP_OK) {
		report_object(j, s, controller_status_reason(r->error.code), "Check",
			      r->error.text);
	} else if (r->vetoed) {
		snprintf(note, sizeof(note), "class '%s' is no longer restored: %s", j->name,
			 j->drift);
		report_object(j, s, REASON_CONTENDED, "Check", note);
	} else if (r->result == NP_SYNC_PATCHED) {
		snprintf(note, sizeof(note),
			 "class '%s' was patched; changes apply to newly created VMs only",
			 j->name);
		report_object(j, s, REASON_PATCHED, "Patch", note);
	}
}

static int release(struct reconcile *j, struct reconcile_owner *s,
		   const struct np_class_sync_result *r, struct np_err *err)
{
	char note[400];

	if (!s->has_finalizer)
		return 0;
	if (r->found && r->n_released > 0) {
		snprintf(note, sizeof(note), "the pool released class '%.253s'%s", j->name,
			 j->n > 1 ? "" : ": its original values are restored");
		controller_event(j, s, &(struct event_text){ false, "Restored", "Restore", note });
	} else if (r->found) {
		snprintf(note, sizeof(note),
			 "class '%.253s' has no record of the pool: its fields stay as they are",
			 j->name);
		controller_event(j, s, &(struct event_text){ false, "Released", "Release", note });
	}
	return controller_write_release(j, s, err);
}

static int settle_pool(struct reconcile *j, const struct np_input *in,
		       const struct np_class_sync_result *r, struct reconcile_owner *s,
		       struct np_err *err)
{
	size_t i = s->deleting || s->error ? SIZE_MAX : find_pool(in, s);
	bool has_left = r->error.code == NP_OK || r->error.code == NP_E_NOT_FOUND;
	struct reconcile_owner before = *s;
	struct pool_status st;

	if (s->kind != WATCHED_NODEPOOL) {
		report_cluster(j, in, r, s);
		return 0;
	}
	if (s->deleting && has_left)
		return release(j, s, r, err);
	if (!s->deleting && !s->error && i == SIZE_MAX)
		return 0;
	controller_status_of_owner(j, in, r, s, i, &st);
	if (controller_write_status(j, s, &st, err) < 0)
		return np_err_ret(err);
	report_pool(j, r, &before, &st);
	return 0;
}

/* Before a class is touched for it, so that no pool can go without leaving its class. */
static int add_finalizers(struct reconcile *j, struct np_err *err)
{
	for (size_t i = 0; i < j->n; i++) {
		struct reconcile_owner *s = &j->owners[i];

		if (s->kind == WATCHED_NODEPOOL && !s->deleting && !s->has_finalizer &&
		    controller_write_finalizer(j, s, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int settle_pools(struct reconcile *j, const struct np_input *in,
			const struct np_class_sync_result *r, struct np_err *err)
{
	struct np_err first = NP_ERR_INIT;

	for (size_t i = 0; i < j->n; i++) {
		struct np_err why = NP_ERR_INIT;

		if (settle_pool(j, in, r, &j->owners[i], &why) < 0 && first.code == NP_OK)
			first = why;
		if (!controller_may_write(j->c))
			break;
	}
	if (first.code == NP_OK)
		return 0;
	*err = first;
	return np_err_ret(err);
}

/* Tells whether the class holds one of our values, or had them before. */
static bool is_changed_by_us(const json_t *class)
{
	json_auto_t *record = NULL;
	struct np_err ignored = NP_ERR_INIT;

	return np_vmclass_record_read(class, &record, &ignored) > 0 &&
	       np_vmclass_record_has_changes(record);
}

/* --- one class ------------------------------------------------------------------------------- */

/* Takes over the class as it is now, before the pools are written: the watch is about to report the own write. */
static void adopt_class(const struct reconcile *j, const struct np_class_sync_result *r,
			struct class_record *record)
{
	if (!r->object || j->failed)
		return;
	pthread_mutex_lock(&j->c->lock);
	controller_store_adopt(j->c, record, r->object, r->attempts > 0);
	pthread_mutex_unlock(&j->c->lock);
}

static int reconcile_run(struct reconcile *j, struct class_record *record,
			 struct np_class_sync_result *r, struct np_err *err)
{
	NP_AUTO(np_pool_input_done) struct np_input in = { 0 };

	np_kube_set_deadline(j->pools, JOB_DEADLINE_MS);
	np_kube_set_deadline(j->classes, JOB_DEADLINE_MS);
	if (make_input(j, &in, err) < 0 || add_finalizers(j, err) < 0 ||
	    sync_class(j, &in, r, err) < 0)
		return np_err_ret(err);
	/* The lease went, or the controller stops: what is known now may be wrong by the next line. */
	if (!controller_may_write(j->c))
		return np_fail(err, NP_E_RETRY, "interrupted");
	report_class(j, r);
	j->failed = is_worth_trying_again(r->error.code);
	adopt_class(j, r, record);
	j->is_changed = is_changed_by_us(r->object);
	j->awaits_binding = is_awaiting_binding(in.n_pools, r);
	j->to_report = np_map_hash(j->wanted, r->vetoed ? "left" : np_code_name(r->error.code));
	np_kube_set_deadline(j->pools, JOB_DEADLINE_MS + 10 * j->n);
	return settle_pools(j, &in, r, err);
}

/* Takes over what was learnt; the lock is held. */
static void reconcile_adopt(struct reconcile *j, const struct np_class_sync_result *r,
			    struct class_record *record)
{
	record->contention = j->contention;
	record->reported = j->to_report;
	if (r->error.code == NP_OK && !r->vetoed && r->found)
		record->applied = j->wanted;
	/* A recreated class is not drift of the deleted one, and is looked at whatever it holds. */
	if (r->error.code == NP_E_NOT_FOUND)
		record->applied = record->digest = 0;
	if (j->is_drift && r->result == NP_SYNC_PATCHED) {
		free(record->restored_from);
		record->restored_from = strdup(j->drift);
		record->restored_at = record->restored_from ? j->restored_at : 0;
	}
	for (size_t i = 0; i < j->n; i++) {
		const struct reconcile_owner *s = &j->owners[i];
		struct owner *now = controller_store_find(j->c, s->kind, s->ns, s->name);

		if (now && strcmp(now->uid, s->uid) == 0 && now->generation == s->generation)
			now->status = s->status;
	}
}

static void log_failure(const struct reconcile *j, const struct np_err *why)
{
	const struct np_controller_line line = class_line(
		j, "warning", controller_reason_name(controller_status_reason(why->code)));

	controller_log_line(j->c, &line, "%s", why->text);
}

void controller_reconcile_class(struct np_controller *c, struct class_record *record,
				struct np_kube *pools, struct np_kube *classes)
{
	NP_AUTO(reconcile_done) struct reconcile j = { .c = c, .pools = pools, .classes = classes };
	NP_AUTO(np_sync_class_done) struct np_class_sync_result r = { 0 };
	struct np_err err = NP_ERR_INIT;
	uint64_t began = controller_now_ms();
	int result = reconcile_init(&j, record, &err);

	pthread_mutex_unlock(&c->lock);
	if (result == 0)
		result = reconcile_run(&j, record, &r, &err);
	if (result < 0 && !controller_is_stopping(c))
		log_failure(&j, &err);
	j.failed = j.failed || result < 0;
	controller_count(c, COUNT_RECONCILES, 1);
	controller_count(c, COUNT_FAILURES, j.failed);
	controller_count(c, COUNT_RECONCILE_MS, controller_now_ms() - began);
	pthread_mutex_lock(&c->lock);
	reconcile_adopt(&j, &r, record);
	if (controller_store_end(c, record, j.failed || j.awaits_binding, &err) < 0)
		controller_log(c, "error", "%s", err.text);
	controller_store_forget(c, record);
}

static struct class_record *record_of(struct queue_item *item)
{
	return (struct class_record *)(void *)((char *)item - offsetof(struct class_record, item));
}

/* Waits for a class to work on; NULL when the controller stops. The lock is held. */
static struct class_record *wait_for_work(struct np_controller *c)
{
	while (!controller_is_stopping(c)) {
		uint64_t now = controller_now_ms(), due = UINT64_MAX;
		struct queue_item *item = NULL;

		if (atomic_load(&c->leading) && controller_may_write(c) &&
		    controller_are_owners_synced(c))
			item = controller_queue_pop(&c->queue, now, &due);
		if (item)
			return record_of(item);
		controller_wait(c, due != UINT64_MAX && due > now ? due - now : 60000);
	}
	return NULL;
}

void *controller_reconcile_thread(void *controller)
{
	struct np_controller *c = controller;
	NP_AUTO(np_kube_freep) struct np_kube *pools = NULL;
	NP_AUTO(np_kube_freep) struct np_kube *classes = NULL;
	struct np_err err = NP_ERR_INIT;
	struct class_record *record;

	if (controller_client(c, false, CLIENT_WRITES, &pools, &err) < 0 ||
	    (c->classes && controller_client(c, true, CLIENT_WRITES, &classes, &err) < 0)) {
		controller_log(c, "error", "%s", err.text);
		np_controller_stop(c);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	while ((record = wait_for_work(c)))
		controller_reconcile_class(c, record, pools, classes ? classes : pools);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}
