/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

/* Events are for people: more than these are dropped and counted. */
#define EVENTS_AT_ONCE 200
#define EVENT_EVERY_MS 200
#define EVENT_NOTE_MAX 1024
#define EVENT_INSTANCE_MAX 128
#define EVENT_NAME_MAX 253 /* Kubernetes' limit of a name */
#define EVENT_SUFFIX_MAX 17 /* ".0123456789abcdef" */
#define EVENT_DEADLINE_MS 30000
#define EVENT_SERIES_MS 600000 /* an Event that comes again so soon is counted instead */

static const struct np_kube_resource events = { "events.k8s.io", "v1", "events", true };

static const char *const kind_names[WATCHED_MAX] = {
	[WATCHED_NODEPOOL] = "NodePool",
	[WATCHED_CLUSTER] = "Cluster",
	[WATCHED_TKC] = "TanzuKubernetesCluster",
};

static void event_done(struct event *e)
{
	json_decref(e->body);
	free(e->vm_class);
	*e = (struct event){ 0 };
}

/* --- the queue; the lock is held ------------------------------------------------------------- */

static bool take_token(struct events *q, uint64_t now_ms)
{
	uint64_t more = (now_ms - q->filled_ms) / EVENT_EVERY_MS;

	q->filled_ms += more * EVENT_EVERY_MS;
	q->tokens = q->tokens + more < EVENTS_AT_ONCE ? q->tokens + more : EVENTS_AT_ONCE;
	if (q->tokens == 0)
		return false;
	q->tokens--;
	return true;
}

/* Takes the event, also where it is dropped. */
static void add_event(struct np_controller *c, struct event *e)
{
	struct events *q = &c->events;
	const char *problem = NULL;

	if (q->n == EVENTS_WAITING_MAX)
		problem = "dropped: the API server takes too long";
	else if (!take_token(q, controller_now_ms()))
		problem = "dropped: more than 200 at once, and 5 a second";
	if (problem) {
		controller_count(c, COUNT_EVENTS_DROPPED, 1);
		controller_warn(c, &q->last, "Events", problem);
		event_done(e);
		return;
	}
	q->waiting[(q->first + q->n++) % EVENTS_WAITING_MAX] = *e;
	pthread_cond_broadcast(&c->changed);
}

static bool is_flush_over(const struct np_controller *c)
{
	return atomic_load(&c->workers_done) &&
	       controller_now_ms() >= atomic_load(&c->events_until_ms);
}

bool controller_events_are_cancelled(void *controller)
{
	return is_flush_over(controller);
}

/* Waits for an event; false once none can come any more, or the time for those that wait is over. */
static bool wait_for_event(struct np_controller *c, struct event *ret)
{
	struct events *q = &c->events;

	while (q->n == 0 && !atomic_load(&c->workers_done))
		pthread_cond_wait(&c->changed, &c->lock);
	if (q->n == 0 || is_flush_over(c))
		return false;
	*ret = q->waiting[q->first];
	q->first = (q->first + 1) % EVENTS_WAITING_MAX;
	q->n--;
	return true;
}

void controller_events_done(struct np_controller *c)
{
	struct events *q = &c->events;

	for (; q->n > 0; q->n--)
		event_done(&q->waiting[(q->first + q->n - 1) % EVENTS_WAITING_MAX]);
	for (size_t i = 0; i < EVENTS_SERIES_MAX; i++)
		json_decref(q->series[i].metadata);
}

/* --- what an Event says ---------------------------------------------------------------------- */

/* Writes "POOL.0123456789abcdef", as Kubernetes' own clients name Events. */
static void event_name(const char *of, char buf[static EVENT_NAME_MAX + 1])
{
	size_t size = strlcpy(buf, of, EVENT_NAME_MAX + 1 - EVENT_SUFFIX_MAX);

	if (size > EVENT_NAME_MAX - EVENT_SUFFIX_MAX)
		size = EVENT_NAME_MAX - EVENT_SUFFIX_MAX;
	/* A part of a name may not end so. */
	while (size > 0 && (buf[size - 1] == '.' || buf[size - 1] == '-'))
		size--;
	snprintf(buf + size, EVENT_SUFFIX_MAX + 1, ".%08" PRIx32 "%08" PRIx32, arc4random(),
		 arc4random());
}

/* The apiVersion of the object as it was read: a Cluster may have several. */
static json_t *version_of(const struct reconcile_owner *s)
{
	json_auto_t *root = json_loads(s->text, 0, NULL);
	json_t *version = json_object_get(root, "apiVersion");

	return version ? json_incref(version) : json_string("");
}

static json_t *event_body(const struct reconcile *j, const struct reconcile_owner *s,
			  const struct event_text *text, const char *note)
{
	char when[NP_TIME_TEXT_MAX], name[EVENT_NAME_MAX + 1], instance[EVENT_INSTANCE_MAX + 1];

	np_time_micro(when);
	event_name(s->name, name);
	strlcpy(instance, j->c->identity, sizeof(instance));
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:s, s:s, s:s, s:s,"
			 " s:{s:o, s:s, s:s, s:s, s:s}}",
			 "apiVersion", "events.k8s.io/v1", "kind", "Event", "metadata", "name",
			 name, "namespace", s->ns, "eventTime", when, "reportingController",
			 "nodeprep.dev/controller", "reportingInstance", instance, "action",
			 text->action, "reason", text->reason, "type",
			 text->is_warning ? "Warning" : "Normal", "note", note, "regarding",
			 "apiVersion", version_of(s), "kind", kind_names[s->kind], "name", s->name,
			 "namespace", s->ns, "uid", s->uid);
}

/* Events that differ in their time alone are one series. */
static uint64_t event_key(const struct reconcile_owner *s, const struct event_text *text,
			  const char *note)
{
	const char *const parts[] = { s->uid, text->reason, text->action,
				      text->is_warning ? "Warning" : "Normal", note };
	uint64_t key = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		key = np_map_hash(np_map_hash(key, parts[i]), "\n");
	return key;
}

void controller_event(struct reconcile *j, const struct reconcile_owner *s,
		      const struct event_text *text)
{
	struct event e = { .vm_class = strdup(j->name) };
	char note[EVENT_NOTE_MAX];

	np_text_escape(text->note, note, sizeof(note));
	e.key = event_key(s, text, note);
	e.body = event_body(j, s, text, note);
	pthread_mutex_lock(&j->c->lock);
	if (e.body && e.vm_class) {
		add_event(j->c, &e);
	} else {
		controller_count(j->c, COUNT_EVENTS_DROPPED, 1);
		event_done(&e);
	}
	pthread_mutex_unlock(&j->c->lock);
}

/* --- writing; of the one thread -------------------------------------------------------------- */

static struct event_series *find_series(struct events *q, uint64_t key, uint64_t now_ms)
{
	for (size_t i = 0; i < EVENTS_SERIES_MAX; i++)
		if (q->series[i].metadata && q->series[i].key == key &&
		    now_ms - q->series[i].at_ms < EVENT_SERIES_MS)
			return &q->series[i];
	return NULL;
}

/* Remembers an Event that was written, in the place of the one that was written first. */
static void begin_series(struct events *q, const struct event *e, uint64_t now_ms)
{
	struct event_series *s = &q->series[q->next_series++ % EVENTS_SERIES_MAX];

	json_decref(s->metadata);
	*s = (struct event_series){ .key = e->key,
				    .at_ms = now_ms,
				    .count = 1,
				    .metadata = json_incref(json_object_get(e->body, "metadata")) };
}

/* Counts the event in the Event that was written before; NP_E_NOT_FOUND: that has expired. */
static int patch_series(struct np_kube *k, struct event_series *s, const struct event *e,
			uint64_t now_ms, struct np_err *err)
{
	json_auto_t *body = json_pack("{s:{s:I, s:O}}", "series", "count", (json_int_t)s->count + 1,
				      "lastObservedTime", json_object_get(e->body, "eventTime"));
	const struct np_kube_patch patch = { .body = body, .type = NP_KUBE_MERGE_PATCH };

	if (!body)
		return np_fail_nomem(err);
	if (np_kube_patch(k, &events, np_json_member_text(s->metadata, "namespace"),
			  np_json_member_text(s->metadata, "name"), &patch, NULL, err) < 0)
		return np_err_ret(err);
	s->count++;
	s->at_ms = now_ms;
	return 0;
}

static int write_event(struct events *q, struct np_kube *k, const struct event *e,
		       struct np_err *err)
{
	const json_t *metadata = json_object_get(e->body, "metadata");
	const struct np_kube_create create = { .body = e->body };
	uint64_t now = controller_now_ms();
	struct event_series *s = find_series(q, e->key, now);
	struct np_err why = NP_ERR_INIT;

	np_kube_set_deadline(k, EVENT_DEADLINE_MS);
	if (s && patch_series(k, s, e, now, &why) == 0)
		return 0;
	if (s && why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_err_ret(err);
	}
	if (np_kube_create(k, &events, np_json_member_text(metadata, "namespace"), &create, NULL,
			   err) < 0)
		return np_err_ret(err);
	begin_series(q, e, now);
	return 0;
}

/* A failing Event changes nothing else. */
static void report_failure(const struct np_controller *c, const struct event *e,
			   const struct np_err *why)
{
	const json_t *about = json_object_get(e->body, "regarding");
	const char *name = np_json_member_text(about, "name");
	bool is_pool = strcmp(np_json_member_text(about, "kind"), "NodePool") == 0;

	controller_log_line(
		c,
		&(struct np_controller_line){ .level = "warning",
					      .ns = np_json_member_text(about, "namespace"),
					      .vm_class = e->vm_class,
					      .pool = is_pool ? name : NULL,
					      .cluster = is_pool ? NULL : name },
		"cannot write an Event: %s", why->text);
}

static void report_rest(struct np_controller *c)
{
	if (c->events.n == 0)
		return;
	controller_count(c, COUNT_EVENTS_DROPPED, c->events.n);
	controller_log(c, "warning", "Events: dropped %zu at the end: no time is left",
		       c->events.n);
}

void *controller_events_thread(void *controller)
{
	struct np_controller *c = controller;
	NP_AUTO(np_kube_freep) struct np_kube *kube = NULL;
	struct np_err err = NP_ERR_INIT;
	struct event e = { 0 };

	if (controller_client(c, false, CLIENT_EVENTS, &kube, &err) < 0) {
		controller_log(c, "error", "%s", err.text);
		np_controller_stop(c);
		return NULL;
	}
	pthread_mutex_lock(&c->lock);
	while (wait_for_event(c, &e)) {
		struct np_err why = NP_ERR_INIT;

		pthread_mutex_unlock(&c->lock);
		if (write_event(&c->events, kube, &e, &why) < 0)
			report_failure(c, &e, &why);
		else
			controller_count(c, COUNT_EVENTS, 1);
		event_done(&e);
		pthread_mutex_lock(&c->lock);
	}
	report_rest(c);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}
