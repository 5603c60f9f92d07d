/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"
#include "supervisor.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/file.h"
#include "nodeprep/json.h"
#include "nodeprep/map.h"

#include "controller_fuzz.c"

#include "failing_alloc.h"
#include "testbed.h"

#define CORPUS "pkg/controller/testdata/corpus"

/* --- what is kept of objects ----------------------------------------------------------------- */

static void test_strip__a_cluster_keeps_its_secrets(void **state)
{
	json_auto_t *object = json_loads(CLUSTER, 0, NULL);
	NP_AUTO(np_freep) char *text = NULL;

	(void)state;
	assert_non_null(object);
	assert_true(controller_is_managed(object));
	text = controller_strip_object(WATCHED_CLUSTER, object);
	assert_non_null(text);
	assert_null(strstr(text, "secret"));
	assert_non_null(strstr(text, "big"));
	assert_non_null(strstr(text, "small"));
	assert_non_null(strstr(text, "T4=1"));
}

/* A change of another annotation is no news: only one key asks for a reconciliation. */
static void test_strip__annotations(void **state)
{
	static const struct {
		const char *key;
		bool is_kept;
	} rows[] = {
		{ "nodeprep.dev/gpus", true },
		{ "nodeprep.dev/GPU", true }, /* the reader rejects it */
		{ "nodeprep.dev/managed", true },
		{ "nodeprep.dev/reconcile-requested-at", true },
		{ "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size", true },
		{ "nodeprep.dev/again", false },
		{ "nodeprep.dev/reconcile-requested-at-all", false },
		{ "nodeprep.dev/", false },
		{ "reconcile-requested-at", false },
		{ "kubectl.kubernetes.io/last-applied-configuration", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_auto_t *object =
			json_pack("{s:{s:{s:s}}}", "metadata", "annotations", rows[i].key, "once");
		NP_AUTO(np_freep) char *text = controller_strip_object(WATCHED_NODEPOOL, object);

		assert_non_null(text);
		if (!!strstr(text, "once") != rows[i].is_kept)
			fail_msg("%s: %s", rows[i].key, text);
	}
}

static void test_strip__digest_covers_relevant_fields(void **state)
{
	static const struct {
		const char *text;
		bool same;
	} rows[] = {
		{ "{\"spec\": {\"a\": 1}, \"metadata\": {\"labels\": {\"x\": \"y\"}}}", true },
		{ "{\"spec\": {\"a\": 1}, \"status\": {\"x\": 1}}", true },
		{ "{\"spec\": {\"a\": 2}}", false },
		{ "{}", false },
		{ "{\"spec\": {\"a\": 1}, \"metadata\": {\"annotations\":"
		  " {\"nodeprep.dev/managed\": \"{}\"}}}",
		  false },
		{ "{\"spec\": {\"a\": 1}, \"metadata\": {\"annotations\":"
		  " {\"nodeprep.dev/allowed-namespaces\": \"ml\"}}}",
		  false },
	};
	json_auto_t *base = json_loads("{\"spec\": {\"a\": 1}}", 0, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_auto_t *other = json_loads(rows[i].text, 0, NULL);

		assert_non_null(other);
		assert_int_equal(controller_digest(other) == controller_digest(base), rows[i].same);
		assert_true(controller_digest(other) != 0);
	}
}

/* With the n-th allocation failing: a whole text, or none, never half of one. */
static void test_strip__out_of_memory(void **state)
{
	json_auto_t *object = json_loads(CLUSTER, 0, NULL);
	NP_AUTO(np_freep) char *whole = controller_strip_object(WATCHED_CLUSTER, object);
	unsigned failed = 0;

	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	for (size_t n = 0; n < 400; n++) {
		NP_AUTO(np_freep) char *text = NULL;

		allocations_left = n;
		text = controller_strip_object(WATCHED_CLUSTER, object);
		allocations_left = SIZE_MAX;
		failed += !text;
		if (text)
			assert_string_equal(text, whole);
	}
	json_set_alloc_funcs(malloc, free);
	assert_true(failed > 20);
}

/* --- pools ----------------------------------------------------------------------------------- */

static void test_pool__the_origin_leads_its_id(void **state)
{
	char id[NP_POOL_ID_MAX];
	struct np_pool pool = { .origin = "c1", .ns = "ml", .name = "a" };
	char cluster[] = "k";

	(void)state;
	np_pool_id(&pool, id);
	assert_string_equal(id, "c1/ml/a");
	pool.cluster = cluster;
	np_pool_id(&pool, id);
	assert_string_equal(id, "c1/ml/k/a");
	pool.origin = NULL;
	np_pool_id(&pool, id);
	assert_string_equal(id, "ml/k/a");
}

static void test_pool__pools_of_one_class_are_selected(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	NP_AUTO(np_pool_input_done) struct np_input in = { 0 };
	static const char *const classes[] = { "gpu", "other", "gpu", "gpux", "gpu" };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < 5; i++) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		char name[8];

		snprintf(name, sizeof(name), "p%zu", i);
		assert_int_equal(np_doc_new_take(name, nodepool(name, classes[i], 1), &doc, &err),
				 0);
		assert_int_equal(np_pool_input_add(&in, f.catalogue, doc, &err), 0);
	}
	np_pool_input_pick(&in, "gpu");
	assert_int_equal(in.n_pools, 3);
	assert_string_equal(in.pools[0].name, "p0");
	assert_string_equal(in.pools[1].name, "p2");
	assert_string_equal(in.pools[2].name, "p4");
	np_pool_input_pick(&in, "none");
	assert_int_equal(in.n_pools, 0);
}

/* --- Events ---------------------------------------------------------------------------------- */

static void count_line(void *ctx, const struct np_controller_line *line)
{
	(void)line;
	++*(unsigned *)ctx;
}

/* Queues an Event about a pool of that name; returns its body, borrowed, or NULL where it was dropped. */
static const json_t *queue_event(struct np_controller *c, const char *pool)
{
	char ns[] = "ml", uid[] = "u", text[] = "{\"apiVersion\":\"nodeprep.dev/v1alpha1\"}",
	     class[] = "gpu";
	NP_AUTO(np_freep) char *name = strdup(pool);
	struct reconcile j = { .c = c, .name = class };
	const struct reconcile_owner s = {
		.kind = WATCHED_NODEPOOL, .ns = ns, .name = name, .uid = uid, .text = text
	};
	size_t n = c->events.n;

	controller_event(&j, &s, &(struct event_text){ false, "Patched", "Patch", "a\nb" });
	return c->events.n > n ? c->events.waiting[n].body : NULL;
}

static void test_events__excess_is_dropped_and_logged_once(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	char identity[] = "me";
	unsigned lines = 0, dropped = 0;

	(void)state;
	fixture_init(&f);
	f.c.identity = identity;
	f.c.o.log = count_line;
	f.c.o.log_ctx = &lines;
	for (unsigned i = 0; i < 2000; i++)
		dropped += !queue_event(&f.c, "pool");
	assert_in_range(f.c.events.n, 200, EVENTS_WAITING_MAX);
	assert_int_equal(f.c.events.n + dropped, 2000);
	assert_int_equal(atomic_load(&f.c.counters[COUNT_EVENTS_DROPPED]), dropped);
	/* Each of the two reasons at most once. */
	assert_in_range(lines, 1, 2);
	controller_events_done(&f.c);
}

/* Whatever the pool is called, the Event's name is one that Kubernetes takes. */
static void test_events__names_are_valid(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	char identity[] = "me", longest[254], dotted[254];
	const char *const pools[] = { "pool", "a.b", longest, dotted };

	(void)state;
	memset(longest, 'x', 253);
	memset(dotted, '-', 253);
	dotted[0] = 'x';
	dotted[252] = 'x';
	longest[253] = dotted[253] = '\0';
	fixture_init(&f);
	f.c.identity = identity;
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		const json_t *body = queue_event(&f.c, pools[i]);
		const char *name = np_json_meta_text(body, "name");
		size_t size = name ? strlen(name) : 0;

		assert_in_range(size, 18, 253);
		assert_int_equal(name[size - 17], '.');
		assert_int_equal(strspn(name + size - 16, "0123456789abcdef"), 16);
		assert_true(name[size - 18] != '-' && name[size - 18] != '.');
		assert_string_equal(np_json_member_text(body, "note"), "a\\nb");
	}
	controller_events_done(&f.c);
}

/* Those that wait when the workers are done are written, as long as there is time; the server knows no Events. */
static void test_events__are_written_at_the_end(void **state)
{
	static const struct {
		uint64_t for_ms;
		size_t requests, lines;
	} rows[] = { { 600000, 3, 3 }, { 0, 0, 1 } };
	struct supervisor s;

	(void)state;
	supervisor_start(&s, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct np_kube_options o = { .kubeconfig = s.kubeconfig };
		struct np_err err = NP_ERR_INIT;
		struct fixture f;
		char identity[] = "me";
		unsigned lines = 0;

		fixture_init(&f);
		f.c.identity = identity;
		f.c.o.log = count_line;
		f.c.o.log_ctx = &lines;
		assert_int_equal(np_kube_config_load(&o, &f.c.pools, &err), 0);
		queue_event(&f.c, "a");
		queue_event(&f.c, "b");
		queue_event(&f.c, "c");
		supervisor_mark(&s);
		atomic_store(&f.c.events_until_ms, controller_now_ms() + rows[i].for_ms);
		atomic_store(&f.c.workers_done, true);
		assert_null(controller_events_thread(&f.c));
		assert_int_equal(supervisor_count(&s, "POST"), rows[i].requests);
		assert_int_equal(lines, rows[i].lines);
		assert_int_equal(atomic_load(&f.c.counters[COUNT_EVENTS_DROPPED]),
				 3 - rows[i].requests);
		np_kube_config_free(f.c.pools);
		controller_events_done(&f.c);
		fixture_done(&f);
	}
	supervisor_stop(&s);
}

static void test_corpus__replays(void **state)
{
	DIR *dir = opendir(CORPUS);
	struct dirent *entry;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		NP_AUTO(np_freep) char *bytes = NULL;
		struct np_err err = NP_ERR_INIT;
		char path[512];
		size_t size = 0;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS "/%s", entry->d_name);
		assert_int_equal(np_file_load(path, NP_DOC_INPUT_MAX, &bytes, &size, &err), 0);
		LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
		n++;
	}
	closedir(dir);
	assert_true(n >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strip__a_cluster_keeps_its_secrets),
		cmocka_unit_test(test_strip__annotations),
		cmocka_unit_test(test_strip__digest_covers_relevant_fields),
		cmocka_unit_test(test_strip__out_of_memory),
		cmocka_unit_test(test_pool__the_origin_leads_its_id),
		cmocka_unit_test(test_pool__pools_of_one_class_are_selected),
		cmocka_unit_test(test_events__excess_is_dropped_and_logged_once),
		cmocka_unit_test(test_events__names_are_valid),
		cmocka_unit_test(test_events__are_written_at_the_end),
		cmocka_unit_test(test_corpus__replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
