/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "nodeprep_controller_"

static const struct counter_row {
	const char *name, *help;
} rows[COUNT_MAX] = {
	[COUNT_CONFLICTS] = { "conflicts_total", "Patches of classes that were refused since "
						 "somebody else wrote in between." },
	[COUNT_DRIFTS] = { "drifts_total", "Times that somebody else changed a class back." },
	[COUNT_EVENTS] = { "events_total", "Events written." },
	[COUNT_EVENTS_DROPPED] = { "events_dropped_total", "Events that were too many." },
	[COUNT_FAILURES] = { "reconcile_failures_total", "Classes that are tried again." },
	[COUNT_LEFT_ALONE] = { "left_alone_total",
			       "Times that a class was left to another writer." },
	[COUNT_LISTS] = { "lists_total", "Lists of a whole resource." },
	[COUNT_PATCHES] = { "class_patches_total", "Patches of classes." },
	[COUNT_RECONCILES] = { "reconciles_total", "Classes looked at." },
	[COUNT_RECONCILE_MS] = { "reconcile_milliseconds_total", "Time spent on that." },
	[COUNT_RESTORES] = { "restores_total", "Patches with which pools left a class." },
	[COUNT_STATUS_WRITES] = { "status_writes_total", "Patches of the pools' status." },
	[COUNT_WATCHES] = { "watches_total", "Watches that were begun." },
	[COUNT_WATCH_EVENTS] = { "watch_events_total", "Events of watches, bookmarks too." },
};

void count(struct np_controller *c, enum counter counter, uint64_t by)
{
	atomic_fetch_add(&c->counters[counter], by);
}

static void put_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	fprintf(out,
		"# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n" PREFIX "%s %" PRIu64 "\n",
		name, help, name, name, value);
}

/* What stands in the store just now. */
struct census {
	uint64_t pools, objects, classes, waiting, left_alone;
	uint64_t ready[STATUS_MAX];
};

static void take_census(struct np_controller *c, struct census *ret)
{
	struct map_entry *e = NULL;

	*ret = (struct census){ .classes = c->class_records.n, .waiting = c->queue.n };
	while ((e = map_next(&c->sources, e)) != NULL) {
		const struct source *s = (const struct source *)(const void *)e;

		ret->objects++;
		if (s->kind != WATCHED_NODEPOOL)
			continue;
		ret->pools++;
		ret->ready[s->status.conditions[CONDITION_READY].status]++;
	}
	while ((e = map_next(&c->class_records, e)) != NULL)
		ret->left_alone += ((const struct class_record *)(const void *)e)->fight.left;
}

static void put_ready(FILE *out, const struct census *now)
{
	fprintf(out,
		"# HELP " PREFIX "nodepools NodePools by their condition Ready.\n"
		"# TYPE " PREFIX "nodepools gauge\n" PREFIX "nodepools{ready=\"true\"} %" PRIu64
		"\n" PREFIX "nodepools{ready=\"false\"} %" PRIu64 "\n" PREFIX
		"nodepools{ready=\"unknown\"} %" PRIu64 "\n",
		now->ready[STATUS_TRUE], now->ready[STATUS_FALSE], now->ready[STATUS_UNKNOWN]);
}

char *np_controller_metrics(struct np_controller *c)
{
	struct census now;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (out == NULL)
		return NULL;
	pthread_mutex_lock(&c->lock);
	take_census(c, &now);
	pthread_mutex_unlock(&c->lock);
	fprintf(out,
		"# HELP nodeprep_build_info The version.\n# TYPE nodeprep_build_info gauge\n"
		"nodeprep_build_info{version=\"%s\"} 1\n",
		NP_VERSION);
	put_ready(out, &now);
	put_gauge(out, "objects", "Objects with pools that are kept right.", now.objects);
	put_gauge(out, "classes", "Classes that they use.", now.classes);
	put_gauge(out, "classes_left_alone", "Classes that are left to another writer.",
		  now.left_alone);
	put_gauge(out, "queue_depth", "Classes that wait.", now.waiting);
	put_gauge(out, "leader", "Whether this process may write.", controller_may_write(c));
	put_gauge(out, "synced", "Whether everything was listed once.", controller_is_synced(c));
	for (unsigned i = 0; i < COUNT_MAX; i++)
		fprintf(out,
			"# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s counter\n" PREFIX "%s %" PRIu64
			"\n",
			rows[i].name, rows[i].help, rows[i].name, rows[i].name,
			(uint64_t)atomic_load(&c->counters[i]));
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
