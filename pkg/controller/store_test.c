/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "testbed.h"

static const struct id_row {
	const char *name, *cluster_id, *only_ns, *class_ns, *id;
	bool clusters, own;
} id_rows[] = {
	{ "a NodePool of the class's namespace", NULL, NULL, "ml", "ml/a", false, true },
	{ "another namespace's", NULL, NULL, "ml", "other/a", false, false },
	{ "a longer namespace", NULL, NULL, "ml", "mlx/a", false, false },
	{ "a Cluster's pool, and Clusters are not looked at", NULL, NULL, "ml", "ml/c/p", false,
	  false },
	{ "a Cluster's pool", NULL, NULL, "ml", "ml/c/p", true, true },
	{ "of another API server", NULL, NULL, "ml", "6f1c0f9e-0000-4000-8000-000000000000/ml/a",
	  true, false },
	{ "cluster-scoped classes", NULL, NULL, "", "ml/a", false, true },
	{ "cluster-scoped classes, of another API server", NULL, NULL, "",
	  "6f1c0f9e-0000-4000-8000-000000000000/ml/a", true, false },
	{ "ours, in another API server", "c1", NULL, "vns", "c1/ml/a", false, true },
	{ "another cluster's there", "c1", NULL, "vns", "c2/ml/a", false, false },
	{ "a cluster whose id begins alike", "c1", NULL, "vns", "c11/ml/a", false, false },
	{ "the Supervisor's own there", "c1", NULL, "vns", "vns/a", false, false },
	{ "only one namespace, and it is that", NULL, "ml", "ml", "ml/a", false, true },
	{ "only one namespace, and it is another", "c1", "ml", "vns", "c1/x/a", false, false },
	{ "no slash", NULL, NULL, "ml", "ml", false, false },
	{ "too many", NULL, NULL, "ml", "ml/a/b/c", true, false },
	{ "empty", NULL, NULL, "", "", true, false },
};

static void test_store__own_ids_are_recognized(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(id_rows) / sizeof(id_rows[0]); i++) {
		const struct id_row *row = &id_rows[i];
		struct np_controller c = { .o.clusters = row->clusters };

		c.cluster_id = row->cluster_id ? strdup(row->cluster_id) : NULL;
		c.ns = row->only_ns ? strdup(row->only_ns) : NULL;
		if (controller_store_is_own_id(&c, row->class_ns, row->id) != row->own)
			fail_msg("%s", row->name);
		free(c.cluster_id);
		free(c.ns);
	}
}

static void test_store__relevant_changes_are_queued(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	json_t *object;

	(void)state;
	fixture_init(&f);
	put_pool(&f, nodepool("a", "gpu", 1));
	put_pool(&f, nodepool("b", "gpu", 1));
	assert_int_equal(pop_all(&f), 1);
	/* The same again, and with another status: nothing. */
	put_pool(&f, nodepool("a", "gpu", 1));
	object = nodepool("a", "gpu", 1);
	json_object_set_new(object, "status", json_pack("{s:i}", "mmioGB", 5));
	put_pool(&f, object);
	assert_int_equal(pop_all(&f), 0);
	/* Another class: both. */
	put_pool(&f, nodepool("a", "other", 2));
	assert_int_equal(pop_all(&f), 2);
	assert_int_equal(f.c.class_records.n, 2);
	object = nodepool("a", "other", 2);
	controller_store_drop(&f.c, WATCHED_NODEPOOL, object);
	controller_store_drop(&f.c, WATCHED_NODEPOOL, object);
	json_decref(object);
	assert_int_equal(pop_all(&f), 1);
	assert_int_equal(f.c.owners.n, 1);
}

static void test_store__objects_missing_from_a_list_are_removed(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		put_pool(&f, nodepool(name, i % 2 ? "odd" : "even", 1));
	}
	pop_all(&f);
	f.w.round++;
	put_pool(&f, nodepool("p3", "odd", 1));
	controller_store_sweep(&f.c, &f.w);
	assert_int_equal(f.c.owners.n, 1);
	assert_int_equal(pop_all(&f), 2);
}

static void test_store__unreadable_pools_keep_their_class(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	json_t *object;
	const struct owner *s;

	(void)state;
	fixture_init(&f);
	object = nodepool("a", "gpu", 1);
	json_object_set_new(json_object_get(object, "spec"), "gpus",
			    json_pack("[{s:s}]", "model", "no-such-card"));
	put_pool(&f, object);
	s = controller_store_find(&f.c, WATCHED_NODEPOOL, "ml", "a");
	assert_non_null(s);
	assert_non_null(s->error);
	assert_int_equal(s->n_classes, 1);
	assert_true(controller_store_may_exist(&f.c, "ml/a"));
	assert_false(controller_store_may_exist(&f.c, "ml/b"));
	assert_false(controller_store_may_exist(&f.c, "ml/a/b"));
}

/* Whatever allocation fails: an error, or all of it; and a store that can be used and freed. */
static void test_store__out_of_memory(void **state)
{
	json_auto_t *pool = nodepool("a", "gpu", 1);
	json_auto_t *cluster = json_loads(CLUSTER, 0, NULL);
	unsigned failed = 0;

	(void)state;
	for (size_t n = 0; n < 300; n++) {
		NP_AUTO(fixture_done) struct fixture f;
		struct np_err err = NP_ERR_INIT;
		int pool_result, cluster_result;

		fixture_init(&f);
		f.c.o.clusters = true;
		json_set_alloc_funcs(json_malloc, free);
		allocations_left = n;
		pool_result = controller_store_put(&f.c, &f.w, pool, &err);
		f.w.kind = WATCHED_CLUSTER;
		cluster_result = controller_store_put(&f.c, &f.w, cluster, &err);
		allocations_left = SIZE_MAX;
		json_set_alloc_funcs(malloc, free);
		assert_true(pool_result == 0 || pool_result == -NP_E_NOMEM);
		assert_true(cluster_result == 0 || cluster_result == -NP_E_NOMEM);
		failed += pool_result < 0 || cluster_result < 0;
		assert_int_equal(f.c.owners.n, (pool_result == 0) + (cluster_result == 0));
	}
	assert_true(failed > 50);
}

static void test_store__classes(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct np_err err = NP_ERR_INIT;
	json_auto_t *class = json_pack("{s:{s:s, s:s}, s:{}}", "metadata", "name", "gpu",
				       "namespace", "ml", "spec");
	json_auto_t *ours = json_pack(
		"{s:{s:s, s:s, s:{s:s}}, s:{}}", "metadata", "name", "old", "namespace", "ml",
		"annotations", "nodeprep.dev/managed",
		"{\"pools\": {\"ml/gone\": {\"holders\": [\"controller\"], \"mmioGB\": 512}}, \"before\": {}}",
		"spec");

	(void)state;
	fixture_init(&f);
	/* A class that nobody uses is not kept. */
	assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
	assert_int_equal(f.c.class_records.n, 0);
	/* One that a pool of ours is registered with is looked at, though nobody uses it. */
	assert_int_equal(controller_store_class(&f.c, &f.w, ours, &err), 0);
	assert_int_equal(pop_all(&f), 1);
	assert_int_equal(controller_store_class(&f.c, &f.w, ours, &err), 0);
	assert_int_equal(pop_all(&f), 0);
	put_pool(&f, nodepool("a", "gpu", 1));
	pop_all(&f);
	assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
	assert_int_equal(pop_all(&f), 1);
	assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
	assert_int_equal(pop_all(&f), 0);
	/* Going, it is looked at by who uses it, and forgotten where nobody does. */
	controller_store_class_gone(&f.c, class);
	controller_store_class_gone(&f.c, ours);
	assert_int_equal(pop_all(&f), 1);
	assert_int_equal(f.c.class_records.n, 1);
}

/* Sees a class of that content; `label` changes with a version that does not matter. */
static void see_class(struct fixture *f, const char *firmware, const char *label)
{
	struct np_err err = NP_ERR_INIT;
	json_auto_t *class =
		json_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:s}}", "metadata", "name", "gpu",
			  "namespace", "ml", "labels", "a", label, "spec", "firmware", firmware);

	assert_int_equal(controller_store_class(&f->c, &f->w, class, &err), 0);
}

static void see_class_go(struct fixture *f)
{
	json_auto_t *class =
		json_pack("{s:{s:s, s:s}}", "metadata", "name", "gpu", "namespace", "ml");

	controller_store_class_gone(&f->c, class);
}

/* Adopts it as read or written. */
static void adopt_class_of(struct fixture *f, struct class_record *r, const char *firmware,
			   bool is_written)
{
	json_auto_t *class = json_pack("{s:{s:s}}", "spec", "firmware", firmware);

	controller_store_adopt(&f->c, r, class, is_written);
}

/* Takes the object as a worker does, and expects it to hold the text; NULL: none. */
static void expect_object(struct fixture *f, struct class_record *r, const char *text)
{
	NP_AUTO(np_freep) char *object = controller_store_take_object(&f->c, r);

	if (text)
		assert_non_null(strstr(object ? object : "", text));
	else
		assert_null(object);
	assert_null(r->object);
	assert_int_equal(f->c.object_bytes, 0);
}

static struct class_record *fixture_class(struct fixture *f)
{
	struct np_map_entry *first;

	fixture_init(f);
	f->c.reflectors[WATCHED_CLASS].is_current = true;
	f->c.reflectors[WATCHED_CLASS].round = f->w.round;
	put_pool(f, nodepool("a", "gpu", 1));
	first = np_map_next(&f->c.class_records, NULL);
	assert_non_null(first);
	return (struct class_record *)(void *)first;
}

/* The worker plans from what was seen last, once. */
static void test_store__worker_gets_the_class_as_last_seen(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct class_record *r = fixture_class(&f);

	(void)state;
	expect_object(&f, r, NULL);
	see_class(&f, "bios", "1");
	see_class(&f, "efi", "2");
	see_class(&f, "efi", "3");
	expect_object(&f, r, "{\"a\":\"3\"}");
	/* No work is due for it, so nothing waits. */
	see_class(&f, "efi", "4");
	expect_object(&f, r, NULL);
	see_class(&f, "bios", "5");
	see_class_go(&f);
	expect_object(&f, r, NULL);
}

/* Between two watches the class may have changed without an event. */
static void test_store__without_a_watch_the_class_is_read(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct class_record *r = fixture_class(&f);

	(void)state;
	see_class(&f, "bios", "1");
	f.c.reflectors[WATCHED_CLASS].is_current = false;
	expect_object(&f, r, NULL);
	/* A list that failed showed it; the next one has not yet. */
	see_class(&f, "efi", "2");
	f.c.reflectors[WATCHED_CLASS] = (struct reflector){ .is_current = true, .round = 2 };
	expect_object(&f, r, NULL);
}

/* While the first list of the classes lasts, a class waits until it is shown, or the list ends without it. */
static void test_store__classes_wait_for_their_first_list(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	json_auto_t *gone = NULL;
	struct reflector *w;

	(void)state;
	fixture_init(&f);
	w = &f.c.reflectors[WATCHED_CLASS];
	*w = (struct reflector){ .kind = WATCHED_CLASS, .wanted = true, .round = f.w.round };
	put_pool(&f, nodepool("a", "gpu", 1));
	put_pool(&f, nodepool("b", "missing", 1));
	put_pool(&f, nodepool("c", "unused", 1));
	assert_int_equal(pop_all(&f), 0);
	gone = nodepool("c", "unused", 1);
	controller_store_drop(&f.c, WATCHED_NODEPOOL, gone);
	see_class(&f, "bios", "1");
	assert_int_equal(pop_all(&f), 1);
	/* A change of its pool is processed at once; that of the other one waits on. */
	put_pool(&f, nodepool("a", "gpu", 2));
	put_pool(&f, nodepool("b", "missing", 2));
	assert_int_equal(pop_all(&f), 1);
	/* A class that was shown and is gone is not waited for. */
	see_class_go(&f);
	assert_int_equal(pop_all(&f), 1);
	put_pool(&f, nodepool("a", "gpu", 3));
	assert_int_equal(pop_all(&f), 1);
	see_class(&f, "bios", "1");
	assert_int_equal(pop_all(&f), 1);
	controller_store_sweep(&f.c, w);
	assert_true(controller_is_synced(&f.c));
	assert_int_equal(pop_all(&f), 1);
	assert_int_equal(f.c.class_records.n, 2);
	/* The next list shows nothing new. */
	w->round = ++f.w.round;
	see_class(&f, "bios", "1");
	controller_store_sweep(&f.c, w);
	assert_int_equal(pop_all(&f), 0);
}

/* Lets a worker begin, and end, the work on the one class; the latter returns whether the class is due again. */
static void begin_work(struct fixture *f, struct class_record *r)
{
	uint64_t due;

	assert_ptr_equal(controller_queue_pop(&f->c.queue, UINT64_MAX - 1, &due), &r->item);
	free(controller_store_take_object(&f->c, r));
}

static bool end_work(struct fixture *f, struct class_record *r)
{
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_store_end(&f->c, r, false, &err), 0);
	return r->item.at != 0;
}

/* Own writes are no news, in whichever order their answer and their event come. */
static void test_store__own_write_is_no_news(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct class_record *r = fixture_class(&f);

	(void)state;
	/* The answer, then the event. */
	begin_work(&f, r);
	adopt_class_of(&f, r, "efi", true);
	see_class(&f, "efi", "1");
	assert_false(end_work(&f, r));
	/* The event, then the answer. */
	see_class(&f, "bios", "2");
	begin_work(&f, r);
	see_class(&f, "efi", "3");
	adopt_class_of(&f, r, "efi", true);
	assert_false(end_work(&f, r));
	expect_object(&f, r, NULL);
	/* The event of a drift that the write has corrected, the answer, and the event of the write. */
	see_class(&f, "bios", "4");
	begin_work(&f, r);
	see_class(&f, "bios", "5");
	adopt_class_of(&f, r, "efi", true);
	see_class(&f, "efi", "6");
	assert_false(end_work(&f, r));
}

/* What another client writes while a worker is busy is looked at afterwards, and never an older state. */
static void test_store__change_during_work_is_looked_at(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct class_record *r = fixture_class(&f);

	(void)state;
	see_class(&f, "bios", "1");
	begin_work(&f, r);
	/* Seen before the answer: it may be older or newer than the write, so that the class is read. */
	see_class(&f, "coreboot", "2");
	adopt_class_of(&f, r, "efi", true);
	assert_true(end_work(&f, r));
	expect_object(&f, r, NULL);
	begin_work(&f, r);
	/* After the answer. */
	adopt_class_of(&f, r, "efi", true);
	see_class(&f, "bios", "3");
	assert_true(end_work(&f, r));
	begin_work(&f, r);
	/* Nothing is written: what is seen is newer than what was read. */
	see_class(&f, "coreboot", "4");
	adopt_class_of(&f, r, "bios", false);
	assert_true(end_work(&f, r));
	expect_object(&f, r, "coreboot");
}

static void test_store__classes_that_wait_have_a_limit(void **state)
{
	NP_AUTO(fixture_done) struct fixture f;
	struct class_record *r = fixture_class(&f);
	NP_AUTO(np_freep) char *large = calloc(1, STORE_OBJECTS_MAX + 1);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', STORE_OBJECTS_MAX);
	see_class(&f, large, "1");
	expect_object(&f, r, NULL);
	large[STORE_OBJECTS_MAX - 200] = '\0';
	see_class(&f, large, "2");
	assert_in_range(f.c.object_bytes, STORE_OBJECTS_MAX - 200, STORE_OBJECTS_MAX);
	expect_object(&f, r, "xxx");
}

/* What others may write into a class's annotation. */
static const char *const hostile_records[] = {
	"{\"pools\":{\"ml/none\":{\"mmioGB\":512,\"holders\":[\"controller\"]}},\"before\":"
	"{\"xkind\":{\"set\":\"VirtualMachineClass\",\"absent\":\"\"}}}",
	"{\"pools\":{\"ml/a\":{\"mmioGB\":4611686018427387904,\"holders\":[\"controller\"]}},"
	"\"before\":{}}",
	"{\"pools\":{\"ml/a\":{\"holders\":{\"controller\":1}}},\"before\":null}",
	"{\"pools\":[{\"holders\":[\"controller\"]}]}",
	"{\"pools\":{\"ml/a\":{\"mmioGB\":0,\"holders\":[\"controller\"]}},\"before\":{\"\":{}}}",
	"[",
	"",
};

static void test_store__invalid_record_registers_no_pool(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile_records) / sizeof(hostile_records[0]); i++) {
		NP_AUTO(fixture_done) struct fixture f;
		struct np_err err = NP_ERR_INIT;
		json_auto_t *class = json_pack("{s:{s:s, s:s, s:{s:s}}, s:{}}", "metadata", "name",
					       "gpu", "namespace", "ml", "annotations",
					       "nodeprep.dev/managed", hostile_records[i], "spec");

		print_message("# %s\n", hostile_records[i]);
		fixture_init(&f);
		assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
		assert_int_equal(f.c.class_records.n, 0);
		/* The pool that uses it is still reconciled, once for each change. */
		put_pool(&f, nodepool("a", "gpu", 1));
		pop_all(&f);
		assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
		assert_int_equal(pop_all(&f), 1);
		assert_int_equal(controller_store_class(&f.c, &f.w, class, &err), 0);
		assert_int_equal(pop_all(&f), 0);
	}
	assert_string_equal(controller_reason_name(controller_status_reason(NP_E_RECORD)),
			    "InvalidRecord");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store__own_ids_are_recognized),
		cmocka_unit_test(test_store__relevant_changes_are_queued),
		cmocka_unit_test(test_store__objects_missing_from_a_list_are_removed),
		cmocka_unit_test(test_store__unreadable_pools_keep_their_class),
		cmocka_unit_test(test_store__out_of_memory),
		cmocka_unit_test(test_store__classes),
		cmocka_unit_test(test_store__worker_gets_the_class_as_last_seen),
		cmocka_unit_test(test_store__without_a_watch_the_class_is_read),
		cmocka_unit_test(test_store__classes_wait_for_their_first_list),
		cmocka_unit_test(test_store__own_write_is_no_news),
		cmocka_unit_test(test_store__change_during_work_is_looked_at),
		cmocka_unit_test(test_store__classes_that_wait_have_a_limit),
		cmocka_unit_test(test_store__invalid_record_registers_no_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
