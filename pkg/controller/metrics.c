/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodeprep/map.h"

#define PREFIX CONTROLLER_METRICS

static const struct counter_row {
	const char *name, *help;
} rows[COUNT_MAX] = {
	[COUNT_CONFLICTS] = { "conflicts_total",
			      "Class patches rejected because the class had changed since it was read." },
	[COUNT_DRIFTS] = { "drifts_total",
			   "Times that another writer changed a managed field of a class." },
	[COUNT_EVENTS] = { "events_total", "Kubernetes Events written." },
	[COUNT_EVENTS_DROPPED] = { "events_dropped_total",
				   "Kubernetes Events dropped: too many at once, or a slow API server." },
	[COUNT_FAILURES] = { "reconcile_failures_total",
			     "Reconciliations of a class that failed and are retried." },
	[COUNT_CONTENDED] = { "contended_total",
			      "Times that the controller stopped restoring a class because another "
			      "writer kept changing it." },
	[COUNT_LISTS] = { "lists_total", "List requests for all objects of a resource." },
	[COUNT_PATCHES] = { "class_patches_total", "Class patches accepted by the API server." },
	[COUNT_RECONCILES] = { "reconciles_total", "Reconciliations of a class." },
	[COUNT_RECONCILE_MS] = { NULL, NULL }, /* in seconds, as a summary */
	[COUNT_RESTORES] = { "restores_total",
			     "Class patches that released pools or restored original values." },
	[COUNT_STATUS_WRITES] = { "status_writes_total", "Patches of the status of NodePools." },
	[COUNT_WATCHES] = { "watches_total", "Watch requests started." },
	[COUNT_WATCHES_LOST] = { "watches_lost_total",
				 "Times that a watch was not established for 60 seconds." },
	[COUNT_WATCH_EVENTS] = { "watch_events_total",
				 "Watch events received, bookmarks included." },
};

static void put_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	fprintf(out,
		"# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n" PREFIX "%s %" PRIu64 "\n",
		name, help, name, name, value);
}

static void put_counter(FILE *out, const struct counter_row *row, uint64_t value)
{
	fprintf(out,
		"# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s counter\n" PREFIX "%s %" PRIu64 "\n",
		row->name, row->help, row->name, row->name, value);
}

static void put_duration(FILE *out, uint64_t sum_ms, uint64_t n)
{
	fprintf(out,
		"# HELP " PREFIX "reconcile_duration_seconds Duration of reconciliations.\n"
		"# TYPE " PREFIX "reconcile_duration_seconds summary\n" PREFIX
		"reconcile_duration_seconds_sum %" PRIu64 ".%03" PRIu64 "\n" PREFIX
		"reconcile_duration_seconds_count %" PRIu64 "\n",
		sum_ms / 1000, sum_ms % 1000, n);
}

static uint64_t get(struct np_controller *c, enum counter counter)
{
	return (uint64_t)atomic_load(&c->counters[counter]);
}

/* Counts what the store holds now. */
struct gauges {
	uint64_t pools, objects, classes, waiting, contended;
	uint64_t ready[STATUS_MAX];
	uint64_t watch_down_ms[WATCHED_MAX];
};

static void read_gauges(struct np_controller *c, struct gauges *ret)
{
	struct np_map_entry *e = NULL;

	*ret = (struct gauges){ .classes = c->class_records.n, .waiting = c->queue.n };
	while ((e = np_map_next(&c->owners, e))) {
		const struct owner *s = (const struct owner *)(const void *)e;

		ret->objects++;
		if (s->kind != WATCHED_NODEPOOL)
			continue;
		ret->pools++;
		ret->ready[s->status.conditions[CONDITION_READY].status]++;
	}
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		ret->watch_down_ms[i] =
			controller_reflector_down_ms(&c->reflectors[i], controller_now_ms());
	while ((e = np_map_next(&c->class_records, e)))
		ret->contended +=
			((const struct class_record *)(const void *)e)->contention.yielded;
}

static void put_ready(FILE *out, const struct gauges *now)
{
	fprintf(out,
		"# HELP " PREFIX "nodepools NodePools by the status of their condition Ready.\n"
		"# TYPE " PREFIX "nodepools gauge\n" PREFIX "nodepools{ready=\"true\"} %" PRIu64
		"\n" PREFIX "nodepools{ready=\"false\"} %" PRIu64 "\n" PREFIX
		"nodepools{ready=\"unknown\"} %" PRIu64 "\n",
		now->ready[STATUS_TRUE], now->ready[STATUS_FALSE], now->ready[STATUS_UNKNOWN]);
}

static void put_watches(FILE *out, const struct np_controller *c, const struct gauges *now)
{
	fprintf(out, "# HELP " PREFIX "watch_down_seconds Time since a watch of the resource was "
		     "last established, 0 while one is.\n"
		     "# TYPE " PREFIX "watch_down_seconds gauge\n");
	for (unsigned i = 0; i < WATCHED_MAX; i++)
		if (c->reflectors[i].wanted)
			fprintf(out,
				PREFIX "watch_down_seconds{resource=\"%s\"} %" PRIu64 ".%03" PRIu64
				       "\n",
				controller_reflector_resource((enum watched_kind)i),
				now->watch_down_ms[i] / 1000, now->watch_down_ms[i] % 1000);
}

char *np_controller_metrics(struct np_controller *c)
{
	struct gauges now;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	pthread_mutex_lock(&c->lock);
	read_gauges(c, &now);
	pthread_mutex_unlock(&c->lock);
	fprintf(out,
		"# HELP nodeprep_build_info The running version, as a label.\n"
		"# TYPE nodeprep_build_info gauge\n"
		"nodeprep_build_info{version=\"%s\"} 1\n",
		NP_VERSION);
	put_ready(out, &now);
	put_watches(out, c, &now);
	put_gauge(out, "objects", "Objects whose pools the controller manages.", now.objects);
	put_gauge(out, "classes", "Classes used by these objects.", now.classes);
	put_gauge(out, "classes_contended",
		  "Classes that the controller does not restore because of another writer.",
		  now.contended);
	put_gauge(out, "queue_depth", "Classes waiting for reconciliation.", now.waiting);
	put_gauge(out, "leader", "1 if this replica holds the lease and may write, else 0.",
		  controller_may_write(c));
	put_gauge(out, "synced", "1 once every watched resource has been listed, else 0.",
		  controller_is_synced(c));
	for (unsigned i = 0; i < COUNT_MAX; i++)
		if (rows[i].name)
			put_counter(out, &rows[i], get(c, (enum counter)i));
	put_duration(out, get(c, COUNT_RECONCILE_MS), get(c, COUNT_RECONCILES));
	controller_credentials_put(out, c);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
