/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube_live - what no command of nodeprep does yet with the client: writes of all kinds, many reads
 * at once, watches in threads. test_client_live.py builds it and runs it against the servers.
 *
 * kube_live KUBECONFIG NAMESPACE; ends with "fine" and 0, or with what is wrong and 1.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/kube.h"

enum { CLASSES = 40, WATCHES = 3 };

static const char *ns;
static struct np_kube_resource classes;
static struct np_err refusal; /* what a call that has to fail said */

#define MUST(call)                                                                  \
	do {                                                                        \
		if ((call) < 0) {                                                   \
			fprintf(stderr, "%d: %s: %s\n", __LINE__, #call, err.text); \
			exit(1);                                                    \
		}                                                                   \
	} while (0)
#define FAILS(call, want)                                                                       \
	do {                                                                                    \
		int r_ = (call);                                                                \
		if (r_ != -(int)(want)) {                                                       \
			fprintf(stderr, "%d: %s: %d: %s\n", __LINE__, #call, r_, refusal.text); \
			exit(1);                                                                \
		}                                                                               \
	} while (0)
#define HOLDS(truth)                                                   \
	do {                                                           \
		if (!(truth)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #truth); \
			exit(1);                                       \
		}                                                      \
	} while (0)

static const char *meta(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

static json_t *make_class(const char *name)
{
	char version[200];

	snprintf(version, sizeof(version), "%s/%s", classes.group, classes.version);
	return json_pack("{s:s, s:s, s:{s:s}, s:{s:{s:i, s:s}}}", "apiVersion", version, "kind",
			 "VirtualMachineClass", "metadata", "name", name, "spec", "hardware",
			 "cpus", 2, "memory", "4Gi");
}

/* --- watching -------------------------------------------------------------------------------- */

struct watcher {
	pthread_t thread;
	struct np_kube *k;
	char version[NP_KUBE_VERSION_MAX];
	atomic_uint counts[NP_KUBE_EVENT_MAX];
	enum np_kube_watch_end end;
	struct np_err err;
};

static atomic_bool is_over;

static int count_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	struct watcher *w = ctx;

	(void)err;
	HOLDS(meta(object, "resourceVersion"));
	atomic_fetch_add(&w->counts[event], 1);
	return 0;
}

static bool is_watch_over(void *ctx)
{
	(void)ctx;
	return atomic_load(&is_over);
}

static void *run_watch(void *ctx)
{
	struct watcher *w = ctx;
	struct np_kube_watch watch = { .ns = ns,
				       .each = count_event,
				       .is_stopped = is_watch_over,
				       .ctx = w,
				       .timeout_s = 60 };

	memcpy(watch.version, w->version, sizeof(watch.version));
	if (np_kube_watch(w->k, &classes, &watch, &w->err) == 0)
		w->end = watch.end;
	return NULL;
}

static int skip_object(void *ctx, json_t *object, struct np_err *err)
{
	(void)object;
	(void)err;
	*(unsigned *)ctx += 1;
	return 0;
}

static void start_watches(struct np_kube *k, const struct np_kube_config *c,
			  struct watcher *watchers)
{
	struct np_err err = NP_ERR_INIT;
	char version[NP_KUBE_VERSION_MAX];
	unsigned n = 0;

	MUST(np_kube_list_version(k, &classes, ns, skip_object, &n, version, &err));
	HOLDS(n == CLASSES);
	for (size_t i = 0; i < WATCHES; i++) {
		struct np_kube_config *copy = NULL;

		MUST(np_kube_config_clone(c, &copy, &err));
		MUST(np_kube_new_take(copy, &watchers[i].k, &err));
		memcpy(watchers[i].version, version, sizeof(version));
		HOLDS(pthread_create(&watchers[i].thread, NULL, run_watch, &watchers[i]) == 0);
	}
}

static void end_watches(struct watcher *watchers, unsigned modified)
{
	const struct timespec tick = { .tv_nsec = 10000000 };

	for (unsigned tries = 0; tries < 2000; tries++) {
		size_t done = 0;

		for (size_t i = 0; i < WATCHES; i++)
			done += atomic_load(&watchers[i].counts[NP_KUBE_MODIFIED]) >= modified;
		if (done == WATCHES)
			break;
		nanosleep(&tick, NULL);
	}
	atomic_store(&is_over, true);
	for (size_t i = 0; i < WATCHES; i++) {
		pthread_join(watchers[i].thread, NULL);
		HOLDS(watchers[i].err.code == NP_OK);
		HOLDS(watchers[i].end == NP_KUBE_WATCH_STOPPED);
		HOLDS(atomic_load(&watchers[i].counts[NP_KUBE_ADDED]) == 0);
		HOLDS(atomic_load(&watchers[i].counts[NP_KUBE_MODIFIED]) == modified);
		HOLDS(atomic_load(&watchers[i].counts[NP_KUBE_DELETED]) == 0);
		np_kube_free(watchers[i].k);
	}
}

/* --- reading and writing --------------------------------------------------------------------- */

static void create_all(struct np_kube *k)
{
	struct np_err err = NP_ERR_INIT;
	char name[32];

	for (unsigned i = 0; i < CLASSES; i++) {
		json_t *stored = NULL;
		struct np_kube_create create = { .dry_run = i == 0 };

		snprintf(name, sizeof(name), "c%u", i);
		create.body = make_class(name);
		if (i == 0) {
			/* A dry run leaves nothing behind. */
			MUST(np_kube_create(k, &classes, ns, &create, &stored, &err));
			json_decref(stored);
			create.dry_run = false;
		}
		MUST(np_kube_create(k, &classes, ns, &create, &stored, &err));
		HOLDS(strcmp(meta(stored, "name"), name) == 0);
		json_decref(stored);
		FAILS(np_kube_create(k, &classes, ns, &create, &stored, &refusal), NP_E_CONFLICT);
		json_decref(np_json_mut(create.body));
	}
}

static void get_all(struct np_kube *k)
{
	static char names[CLASSES + 1][32];
	struct np_kube_item items[CLASSES + 1];
	struct np_err err = NP_ERR_INIT;

	for (unsigned i = 0; i <= CLASSES; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		items[i] = (struct np_kube_item){ .ns = ns, .name = names[i] };
	}
	MUST(np_kube_get_many(k, &classes, items, CLASSES + 1, 16, &err));
	for (unsigned i = 0; i < CLASSES; i++) {
		HOLDS(strcmp(meta(items[i].object, "name"), names[i]) == 0);
		json_decref(items[i].object);
	}
	HOLDS(!items[CLASSES].object && items[CLASSES].error.code == NP_E_NOT_FOUND);
}

static void patch_all(struct np_kube *k)
{
	json_t *body = json_pack("{s:{s:{s:s}}}", "metadata", "annotations", "live", "1");
	const struct np_kube_patch patch = { .body = body };
	struct np_err err = NP_ERR_INIT;
	char name[32];

	for (unsigned i = 0; i < CLASSES; i++) {
		json_t *stored = NULL;

		snprintf(name, sizeof(name), "c%u", i);
		MUST(np_kube_patch(k, &classes, ns, name, &patch, &stored, &err));
		json_decref(stored);
	}
	json_decref(body);
}

/* Two managers of one field: the second is refused until it forces. */
static void try_apply(struct np_kube *k)
{
	json_t *body = make_class("applied"), *stored = NULL;
	struct np_kube_patch patch = { .body = body,
				       .type = NP_KUBE_APPLY_PATCH,
				       .write = { .field_manager = "first one" } };
	struct np_err err = NP_ERR_INIT;

	MUST(np_kube_patch(k, &classes, ns, "applied", &patch, &stored, &err));
	json_decref(stored);
	json_object_set_new(json_object_get(json_object_get(body, "spec"), "hardware"), "cpus",
			    json_integer(4));
	patch.write.field_manager = "second";
	FAILS(np_kube_patch(k, &classes, ns, "applied", &patch, &stored, &refusal), NP_E_CONFLICT);
	patch.force = true;
	MUST(np_kube_patch(k, &classes, ns, "applied", &patch, &stored, &err));
	json_decref(stored);
	json_object_set_new(json_object_get(body, "spec"), "noSuchField", json_integer(4));
	FAILS(np_kube_patch(k, &classes, ns, "applied", &patch, &stored, &refusal), NP_E_REFUSED);
	json_decref(body);
}

static int refuse_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	(void)ctx;
	(void)event;
	(void)object;
	return np_fail(err, NP_E_BUG, "an event before the beginning");
}

static void try_old_version(struct np_kube *k)
{
	struct np_kube_watch watch = { .ns = ns, .version = "1", .each = refuse_event };
	struct np_err err = NP_ERR_INIT;

	MUST(np_kube_watch(k, &classes, &watch, &err));
	HOLDS(watch.end == NP_KUBE_WATCH_GONE);
}

int main(int argc, char *argv[])
{
	struct np_kube_options o = { .kubeconfig = argc > 2 ? argv[1] : NULL };
	bool is_real = argc > 3;
	struct watcher watchers[WATCHES] = { 0 };
	struct np_kube_config *c = NULL, *copy = NULL;
	struct np_kube *k = NULL;
	struct np_err err = NP_ERR_INIT;

	ns = argc > 2 ? argv[2] : "";
	MUST(np_kube_config_load(&o, &c, &err));
	MUST(np_kube_config_clone(c, &copy, &err));
	MUST(np_kube_new_take(copy, &k, &err));
	MUST(np_kube_discover(k, "vmoperator.vmware.com", "virtualmachineclasses", &classes, &err));
	create_all(k);
	get_all(k);
	start_watches(k, c, watchers);
	patch_all(k);
	end_watches(watchers, CLASSES);
	if (is_real) {
		try_apply(k);
		try_old_version(k);
	}
	np_kube_free(k);
	np_kube_config_free(c);
	puts("fine");
	return 0;
}
