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
#include "nodeprep/time.h"

#include "controller_fuzz.c"

#include "failing_alloc.h"

#define CORPUS "pkg/controller/testdata/corpus"

/* --- queue ----------------------------------------------------------------------------------- */

static void add(struct queue *q, struct queue_item *item, uint64_t due)
{
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_queue_add(q, item, due, &err), 0);
}

static void done(struct queue *q, struct queue_item *item, bool failed, uint64_t now)
{
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_queue_done(q, item, failed, now, 0, &err), 0);
}

static void test_queue__first_due_first_out(void **state)
{
	struct queue q = { 0 };
	struct queue_item items[64] = { 0 };
	uint64_t due = 0;

	(void)state;
	assert_null(controller_queue_pop(&q, 0, &due));
	assert_true(due == UINT64_MAX);
	for (size_t i = 0; i < 64; i++)
		add(&q, &items[i], 1000 + (i * 37) % 64);
	assert_null(controller_queue_pop(&q, 999, &due));
	assert_int_equal(due, 1000);
	for (size_t i = 0; i < 64; i++) {
		struct queue_item *item = controller_queue_pop(&q, 5000, &due);

		assert_non_null(item);
		assert_int_equal(item->due_ms, 1000 + i);
		done(&q, item, false, 5000);
	}
	assert_null(controller_queue_pop(&q, 5000, &due));
	free(q.heap);
}

static void test_queue__ties_keep_their_order(void **state)
{
	struct queue q = { 0 };
	struct queue_item items[8] = { 0 };
	uint64_t due = 0;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		add(&q, &items[i], 7);
	for (size_t i = 0; i < 8; i++)
		assert_ptr_equal(controller_queue_pop(&q, 7, &due), &items[i]);
	free(q.heap);
}

static void test_queue__waits_once(void **state)
{
	struct queue q = { 0 };
	struct queue_item a = { 0 }, b = { 0 };
	uint64_t due = 0;

	(void)state;
	add(&q, &b, 60);
	add(&q, &a, 100);
	add(&q, &a, 200);
	add(&q, &a, 50);
	assert_int_equal(q.n, 2);
	assert_ptr_equal(controller_queue_pop(&q, 50, &due), &a);
	assert_null(controller_queue_pop(&q, 50, &due));
	assert_int_equal(due, 60);
	free(q.heap);
}

static void test_queue__items_added_while_running_run_again(void **state)
{
	struct queue q = { 0 };
	struct queue_item a = { 0 };
	uint64_t due = 0;

	(void)state;
	add(&q, &a, 0);
	assert_ptr_equal(controller_queue_pop(&q, 0, &due), &a);
	add(&q, &a, 0);
	add(&q, &a, 0);
	/* Nobody else gets it meanwhile. */
	assert_null(controller_queue_pop(&q, 1000, &due));
	done(&q, &a, false, 1000);
	assert_ptr_equal(controller_queue_pop(&q, 1000, &due), &a);
	done(&q, &a, false, 1000);
	assert_null(controller_queue_pop(&q, 1000, &due));
	free(q.heap);
}

static void test_queue__failures_back_off(void **state)
{
	struct queue q = { 0 };
	struct queue_item a = { 0 };
	uint64_t due = 0, now = 0, last = 0;

	(void)state;
	add(&q, &a, 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_ptr_equal(controller_queue_pop(&q, now, &due), &a);
		done(&q, &a, true, now);
		assert_null(controller_queue_pop(&q, now, &due));
		assert_true(due - now >= last);
		last = due - now;
		now = due;
	}
	assert_int_equal(last, QUEUE_BACKOFF_MOST_MS - QUEUE_BACKOFF_MOST_MS / 4);
	assert_ptr_equal(controller_queue_pop(&q, now, &due), &a);
	/* News makes it due at once, and a success ends the count. */
	add(&q, &a, now);
	done(&q, &a, true, now);
	assert_ptr_equal(controller_queue_pop(&q, now, &due), &a);
	done(&q, &a, false, now);
	assert_int_equal(a.failures, 0);
	free(q.heap);
}

static void test_queue__backoff_is_jittered_within_bounds(void **state)
{
	(void)state;
	for (unsigned failures = 0; failures < 100; failures++) {
		for (uint32_t random = 0; random < 2000000000; random += 123456789) {
			uint64_t ms = controller_queue_backoff_ms(failures, random);

			assert_true(ms >= QUEUE_BACKOFF_FIRST_MS * 3 / 4);
			assert_true(ms <= QUEUE_BACKOFF_MOST_MS * 5 / 4);
		}
	}
	assert_true(controller_queue_backoff_ms(5, 1) != controller_queue_backoff_ms(5, 2));
}

static void test_queue__items_can_be_removed(void **state)
{
	struct queue q = { 0 };
	struct queue_item items[32] = { 0 };
	uint64_t due = 0, last = 0;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 32; i++)
		add(&q, &items[i], (i * 13) % 32);
	for (size_t i = 0; i < 32; i += 3)
		controller_queue_remove(&q, &items[i]);
	controller_queue_remove(&q, &items[0]);
	for (struct queue_item *item; (item = controller_queue_pop(&q, 100, &due)); n++) {
		assert_true(item->due_ms >= last);
		last = item->due_ms;
	}
	assert_int_equal(n, 21);
	free(q.heap);
}

/* --- contention ------------------------------------------------------------------------------ */

static void test_contention__third_loss_yields(void **state)
{
	struct contention f = { 0 };

	(void)state;
	assert_false(controller_contention_lost(&f, 1, 1000));
	assert_false(controller_contention_lost(&f, 1, 2000));
	assert_false(controller_contention_is_yielded(&f, 1));
	assert_true(controller_contention_lost(&f, 1, 1000 + CONTENTION_WITHIN_MS));
	assert_true(controller_contention_is_yielded(&f, 1));
	assert_false(controller_contention_is_yielded(&f, 2));
	/* It stays left, however long nothing happens. */
	assert_true(controller_contention_lost(&f, 1, 1000 + UINT64_C(100) * CONTENTION_WITHIN_MS));
}

static void test_contention__old_losses_do_not_count(void **state)
{
	struct contention f = { 0 };
	uint64_t now = 5;

	(void)state;
	for (unsigned i = 0; i < 20; i++, now += CONTENTION_WITHIN_MS / 2 + 1)
		assert_false(controller_contention_lost(&f, 1, now));
	assert_true(controller_contention_lost(&f, 1, now - CONTENTION_WITHIN_MS / 2));
}

static void test_contention__changed_pool_restarts_the_count(void **state)
{
	struct contention f = { 0 };

	(void)state;
	controller_contention_resume(&f, 1);
	assert_true(controller_contention_is_yielded(&f, 1));
	assert_true(controller_contention_lost(&f, 1, 10));
	assert_false(controller_contention_lost(&f, 2, 11));
	assert_false(controller_contention_lost(&f, 2, 12));
	assert_true(controller_contention_lost(&f, 2, 13));
	controller_contention_settle(&f);
	assert_false(controller_contention_is_yielded(&f, 2));
	assert_false(controller_contention_lost(&f, 2, 14));
	/* Settling ends no count that has not come to its end. */
	controller_contention_settle(&f);
	assert_false(controller_contention_lost(&f, 2, 15));
	assert_true(controller_contention_lost(&f, 2, 16));
}

/* --- lease ----------------------------------------------------------------------------------- */

static void observe(struct lease *l, const char *version, const char *holder, int seconds,
		    uint64_t now)
{
	json_auto_t *record = json_pack(
		"{s:{s:s}, s:{s:s, s:i, s:i}}", "metadata", "resourceVersion", version, "spec",
		"holderIdentity", holder, "leaseDurationSeconds", seconds, "leaseTransitions", 4);
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_lease_observe(l, record, now, &err), 0);
}

static void test_lease__decision_follows_the_holder(void **state)
{
	struct lease l = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(controller_lease_observe(&l, NULL, 0, &err), 0);
	assert_int_equal(controller_lease_decide(&l, "me", 0), LEASE_CREATE);
	observe(&l, "1", "", 15, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 0), LEASE_TAKE);
	observe(&l, "2", "me", 15, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 0), LEASE_RENEW);
	observe(&l, "3", "other", 15, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 14999), LEASE_WAIT);
	assert_int_equal(controller_lease_decide(&l, "me", 15000), LEASE_TAKE);
}

/* What counts is how long this process has seen nothing new, not what the record's times say. */
static void test_lease__renewal_restarts_the_wait(void **state)
{
	struct lease l = { 0 };

	(void)state;
	observe(&l, "1", "other", 15, 1000);
	observe(&l, "1", "other", 15, 9000);
	assert_int_equal(controller_lease_decide(&l, "me", 15999), LEASE_WAIT);
	assert_int_equal(controller_lease_decide(&l, "me", 16000), LEASE_TAKE);
	observe(&l, "2", "other", 15, 15999);
	assert_int_equal(controller_lease_decide(&l, "me", 30998), LEASE_WAIT);
	assert_int_equal(controller_lease_decide(&l, "me", 30999), LEASE_TAKE);
}

static void test_lease__durations_are_bounded(void **state)
{
	struct lease l = { 0 };

	(void)state;
	observe(&l, "1", "other", 0, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 999), LEASE_WAIT);
	assert_int_equal(controller_lease_decide(&l, "me", 1000), LEASE_TAKE);
	observe(&l, "2", "other", 2000000000, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 3600000), LEASE_TAKE);
	observe(&l, "3", "other", -5, 0);
	assert_int_equal(controller_lease_decide(&l, "me", 1000), LEASE_TAKE);
}

/* The holder stops before another may take it, counted from when its request began. */
static void test_lease__holder_stops_before_expiry(void **state)
{
	struct lease l = { 0 };

	(void)state;
	assert_false(controller_lease_is_valid(&l, 0));
	controller_lease_won(&l, 500, 10000);
	assert_true(controller_lease_is_valid(&l, 10499));
	assert_false(controller_lease_is_valid(&l, 10500));
	/* Reading it again makes it last no longer. */
	observe(&l, "9", "me", 15, 10000);
	assert_false(controller_lease_is_valid(&l, 10500));
}

static void test_lease__malformed_records_are_rejected(void **state)
{
	static const char *const records[] = {
		"{}",
		"{\"metadata\": {\"resourceVersion\": \"\"}}",
		"{\"metadata\": {\"resourceVersion\": 5}}",
	};
	char holder[LEASE_IDENTITY_MAX + 1], text[512];

	(void)state;
	memset(holder, 'x', sizeof(holder) - 1);
	holder[sizeof(holder) - 1] = '\0';
	snprintf(
		text, sizeof(text),
		"{\"metadata\": {\"resourceVersion\": \"5\"}, \"spec\": {\"holderIdentity\": \"%s\"}}",
		holder);
	for (size_t i = 0; i < 4; i++) {
		json_auto_t *record = json_loads(i < 3 ? records[i] : text, 0, NULL);
		struct lease l = { .version = "sentinel" };
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(controller_lease_observe(&l, record, 0, &err), -NP_E_REFUSED);
		assert_string_equal(l.version, "sentinel");
	}
}

static void test_lease__written_spec(void **state)
{
	const struct lease l = { .transitions = 4 };
	json_auto_t *take = controller_lease_spec(&l, "me", LEASE_TAKE, 15000, "T");
	json_auto_t *create = controller_lease_spec(&l, "me", LEASE_CREATE, 1500, "T");
	json_auto_t *renew = controller_lease_spec(&l, "me", LEASE_RENEW, 15000, "T");
	json_auto_t *back = controller_lease_release_spec("T");

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(take, "leaseTransitions")), 5);
	assert_int_equal(json_integer_value(json_object_get(create, "leaseTransitions")), 0);
	/* A promise is whole seconds: rounded up, never below what is kept to. */
	assert_int_equal(json_integer_value(json_object_get(create, "leaseDurationSeconds")), 2);
	assert_null(json_object_get(renew, "acquireTime"));
	assert_null(json_object_get(renew, "leaseTransitions"));
	assert_string_equal(json_string_value(json_object_get(back, "holderIdentity")), "");
}

static void test_lease__transitions_are_bounded(void **state)
{
	static const char *const records[] = {
		"{\"metadata\": {\"resourceVersion\": \"1\"}, \"spec\": {\"leaseTransitions\": "
		"9223372036854775807}}",
		"{\"metadata\": {\"resourceVersion\": \"1\"}, \"spec\": {\"leaseTransitions\": -7}}",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		json_auto_t *record = json_loads(records[i], 0, NULL), *spec = NULL;
		struct lease l = { 0 };
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(controller_lease_observe(&l, record, 0, &err), 0);
		spec = controller_lease_spec(&l, "me", LEASE_TAKE, 15000, "T");
		assert_int_equal(json_integer_value(json_object_get(spec, "leaseTransitions")),
				 i == 0 ? INT32_MAX : 1);
	}
}

/* --- watches --------------------------------------------------------------------------------- */

/* Makes attempts whose watch lasts so long until *now_ms, which is set to the end of the last one's; returns how many. */
static unsigned count_attempts(struct watch_health *h, uint64_t lasts_ms, uint64_t *now_ms)
{
	uint64_t now = 1, until_ms = *now_ms;
	unsigned n = 0;

	for (controller_health_begin(h, now); now < until_ms; n++) {
		if (lasts_ms > 0)
			controller_health_open(h, now);
		now += lasts_ms;
		now += controller_health_pause(h, controller_health_close(h, now), n * 123456789);
	}
	*now_ms = now;
	return n;
}

/* No server gets more than a few requests a second, and each gets fewer the longer it goes on. */
static void test_health__attempts_become_rare(void **state)
{
	static const struct {
		uint64_t lasts_ms;
		unsigned most; /* attempts in ten minutes */
		bool is_lost;
	} rows[] = {
		{ 0, 90, true }, /* refused, 410, Retry-After: 0 */
		{ 1, 90, true }, /* an event, and the end */
		{ 1000, 90, true },
		{ HEALTH_ESTABLISHED_MS - 1, 90, true },
		{ HEALTH_ESTABLISHED_MS, 90, false },
		{ 30000, 25, false },
		{ HEALTH_SUSTAINED_MS, 12, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct watch_health h;
		uint64_t second = 1000, end = 600000;
		unsigned first = count_attempts(&h, rows[i].lasts_ms, &second);
		unsigned all = count_attempts(&h, rows[i].lasts_ms, &end);

		if (first > 5 || all > rows[i].most ||
		    controller_health_is_lost(&h, end) != rows[i].is_lost)
			fail_msg("%llu ms: %u, %u attempts", (unsigned long long)rows[i].lasts_ms,
				 first, all);
	}
}

/* A watch that lasted does not wait behind one pause more. */
static void test_health__lasting_watches_are_not_delayed(void **state)
{
	struct watch_health h = { .attempts = 100 };

	(void)state;
	assert_in_range(controller_health_pause(&h, 0, 0), HEALTH_PAUSE_MOST_MS * 3 / 4,
			HEALTH_PAUSE_MOST_MS * 5 / 4);
	assert_in_range(controller_health_pause(&h, 30000, 0), 1, HEALTH_PAUSE_FIRST_MS);
}

static void test_health__only_sustained_health_ends_the_backoff(void **state)
{
	struct watch_health h;

	(void)state;
	controller_health_begin(&h, 0);
	for (unsigned i = 1; i < 50; i++) {
		controller_health_open(&h, 1000);
		controller_health_close(&h, 1000 + HEALTH_SUSTAINED_MS - 1);
		assert_int_equal(h.attempts, i);
	}
	controller_health_open(&h, 1000);
	assert_int_equal(controller_health_close(&h, 1000 + HEALTH_SUSTAINED_MS),
			 HEALTH_SUSTAINED_MS);
	assert_int_equal(h.attempts, 0);
}

static void test_health__a_watch_is_lost_and_found(void **state)
{
	struct watch_health h;
	uint64_t now = 1000;

	(void)state;
	controller_health_begin(&h, now);
	assert_int_equal(controller_health_down_ms(&h, now + 7), 7);
	assert_false(controller_health_is_lost(&h, now + HEALTH_LOST_MS - 1));
	assert_true(controller_health_is_lost(&h, now + HEALTH_LOST_MS));
	now += HEALTH_LOST_MS;
	controller_health_open(&h, now);
	assert_true(controller_health_is_lost(&h, now + HEALTH_ESTABLISHED_MS - 1));
	assert_int_equal(controller_health_down_ms(&h, now + HEALTH_ESTABLISHED_MS), 0);
	now += HEALTH_ESTABLISHED_MS;
	controller_health_close(&h, now);
	assert_int_equal(controller_health_down_ms(&h, now + 7), 7);
}

/* --- conditions ------------------------------------------------------------------------------ */

static struct pool_status right_status(void)
{
	struct pool_status s = { .generation = 3,
				 .vm_class = "gpu",
				 .has_gpus = true,
				 .gpus = 4,
				 .has_mmio = true,
				 .mmio_gb = 512 };

	for (unsigned i = 0; i < CONDITION_MAX; i++)
		controller_condition_set(&s, (enum condition_type)i, STATUS_TRUE, REASON_FOUND,
					 "m%u", i);
	return s;
}

/* What is written and read again is remembered as the same. */
static void test_status__round_trip(void **state)
{
	struct pool_status s = right_status();
	struct status_memory none = { 0 }, first, read, second;
	json_auto_t *object = json_object();

	(void)state;
	controller_status_remember(&s, &none, 1764099641, &first);
	assert_false(controller_status_equal(&none, &first));
	assert_int_equal(json_object_set_new(object, "status", controller_status_tree(&s, &first)),
			 0);
	controller_status_recall(object, &read);
	assert_true(controller_status_equal(&first, &read));
	assert_int_equal(read.generation, 3);
	controller_status_remember(&s, &read, 1764099999, &second);
	assert_true(controller_status_equal(&first, &second));
}

static void test_status__unknown_numbers_are_absent(void **state)
{
	struct pool_status s = right_status();
	struct status_memory none = { 0 }, m;
	json_auto_t *tree = NULL;

	(void)state;
	s.has_gpus = s.has_mmio = false;
	controller_status_remember(&s, &none, 5, &m);
	tree = controller_status_tree(&s, &m);
	assert_null(json_object_get(tree, "gpusPerNode"));
	assert_null(json_object_get(tree, "requiredMMIOGB"));
	assert_null(json_object_get(tree, "mmioGB"));
}

/* Only a change of the status moves the time. */
static void test_status__transition_times(void **state)
{
	struct pool_status s = right_status();
	struct status_memory none = { 0 }, first, second;

	(void)state;
	controller_status_remember(&s, &none, 100, &first);
	controller_condition_set(&s, CONDITION_READY, STATUS_TRUE, REASON_CONFIGURED,
				 "other words");
	controller_condition_set(&s, CONDITION_DRIFTED, STATUS_FALSE, REASON_IN_SYNC, "x");
	controller_status_remember(&s, &first, 200, &second);
	assert_false(controller_status_equal(&first, &second));
	assert_int_equal(second.conditions[CONDITION_READY].since, 100);
	assert_int_equal(second.conditions[CONDITION_DRIFTED].since, 200);
}

static void test_status__every_field_is_compared(void **state)
{
	struct pool_status base = right_status();
	struct status_memory none = { 0 }, before, after;
	struct pool_status changed[6];

	(void)state;
	controller_status_remember(&base, &none, 100, &before);
	for (size_t i = 0; i < 6; i++)
		changed[i] = base;
	changed[0].generation++;
	changed[1].gpus++;
	changed[2].has_gpus = false;
	changed[3].mmio_gb *= 2;
	changed[4].has_required = true;
	snprintf(changed[5].vm_class, sizeof(changed[5].vm_class), "other");
	for (size_t i = 0; i < 6; i++) {
		controller_status_remember(&changed[i], &before, 100, &after);
		assert_false(controller_status_equal(&before, &after));
	}
}

static void test_status__malformed_status_is_read(void **state)
{
	static const char odd[] =
		"{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"Perhaps\","
		" \"reason\": \"Odd\", \"lastTransitionTime\": \"yesterday\"}]}}";
	static const char *const objects[] = {
		"{}",
		"{\"status\": []}",
		"{\"status\": {\"conditions\": {}}}",
		"{\"status\": {\"conditions\": [5, null, {}, {\"type\": 7}]}}",
		odd,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		json_auto_t *object = json_loads(objects[i], 0, NULL);
		struct status_memory m;

		controller_status_recall(object, &m);
		assert_int_equal(m.conditions[CONDITION_READY].since, 0);
		assert_int_equal(m.conditions[CONDITION_READY].reason, REASON_NONE);
	}
}

/* Whatever a class's name or a server's message holds, kubectl shows a condition as it is. */
static void test_status__messages_are_escaped(void **state)
{
	struct pool_status s = { 0 };

	(void)state;
	controller_condition_set(&s, CONDITION_READY, STATUS_TRUE, REASON_CONFIGURED, "%s",
				 "a\n\033[31m\342\200\256\xff");
	assert_string_equal(s.conditions[CONDITION_READY].message, "a\\n\\x1b[31m\\u202e\\xff");
}

/* A status of version 0.1 is understood, and differs from the same status as it is written now. */
static void test_status__reads_the_reasons_of_version_0_1(void **state)
{
	static const struct {
		const char *text;
		enum reason reason;
	} rows[] = {
		{ "ClassRight", REASON_CONFIGURED },
		{ "AlreadyRight", REASON_ALREADY_CONFIGURED },
		{ "PutBack", REASON_DRIFT_CORRECTED },
		{ "LeftAlone", REASON_CONTENDED },
		{ "InStep", REASON_IN_SYNC },
		{ "NotLookedAt", REASON_NOT_EVALUATED },
		{ "PoolRefused", REASON_INVALID_NODEPOOL },
		{ "ClassRefused", REASON_INVALID_CLASS },
		{ "RefusedByAPI", REASON_API_REJECTED },
		{ "FigureUnknown", REASON_GPU_SIZE_UNKNOWN },
		{ "GPUsUnknown", REASON_GPU_COUNT_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pool_status s = right_status();
		struct status_memory none = { 0 }, now, old;
		json_auto_t *object = json_object();
		json_t *first;

		controller_condition_set(&s, CONDITION_READY, STATUS_TRUE, rows[i].reason, "m");
		controller_status_remember(&s, &none, 100, &now);
		json_object_set_new(object, "status", controller_status_tree(&s, &now));
		first = json_array_get(
			json_object_get(json_object_get(object, "status"), "conditions"), 0);
		json_object_set_new(first, "reason", json_string(rows[i].text));
		controller_status_recall(object, &old);
		assert_int_equal(old.conditions[CONDITION_READY].reason, rows[i].reason);
		assert_int_equal(old.conditions[CONDITION_READY].since, 100);
		assert_false(controller_status_equal(&now, &old));
	}
}

/* Names are unique, and what Kubernetes takes for a reason. */
static void test_status__reasons(void **state)
{
	(void)state;
	for (unsigned i = 0; i < REASON_MAX; i++) {
		const char *name = controller_reason_name((enum reason)i);

		assert_non_null(name);
		assert_int_equal(
			name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")],
			'\0');
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(name, controller_reason_name((enum reason)k));
	}
}

/* --- what is kept of objects ----------------------------------------------------------------- */

#define CLUSTER                                                                                        \
	"{\"apiVersion\": \"cluster.x-k8s.io/v1beta1\", \"kind\": \"Cluster\", \"metadata\": {"        \
	"\"name\": \"c\", \"namespace\": \"n\", \"uid\": \"u\", \"annotations\": {\"a\": \"secret\"}," \
	" \"labels\": {\"nodeprep.dev/managed\": \"true\"}}, \"spec\": {\"topology\": {"               \
	"\"class\": \"tanzukubernetescluster\", \"variables\": ["                                      \
	"{\"name\": \"trust\", \"value\": \"secret\"}, {\"name\": \"vmClass\", \"value\": \"big\"}],"  \
	" \"workers\": {\"machineDeployments\": [{\"name\": \"md\", \"class\": \"node-pool\","         \
	" \"replicas\": 3, \"metadata\": {\"annotations\": {\"nodeprep.dev/gpus\": \"T4=1\","          \
	" \"x\": \"secret\"}}, \"variables\": {\"overrides\": [{\"name\": \"vmClass\","                \
	" \"value\": \"small\"}, {\"name\": \"users\", \"value\": \"secret\"}]}}]}}},"                 \
	" \"status\": {\"x\": \"secret\"}}"

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

static void test_status__out_of_memory(void **state)
{
	struct pool_status s = right_status();
	struct status_memory none = { 0 }, m;
	json_auto_t *whole = NULL;
	unsigned failed = 0;

	(void)state;
	controller_status_remember(&s, &none, 100, &m);
	whole = controller_status_tree(&s, &m);
	json_set_alloc_funcs(json_malloc, free);
	for (size_t n = 0; n < 200; n++) {
		json_t *tree;

		allocations_left = n;
		tree = controller_status_tree(&s, &m);
		allocations_left = SIZE_MAX;
		failed += !tree;
		if (tree)
			assert_true(json_equal(tree, whole));
		json_decref(tree);
	}
	json_set_alloc_funcs(malloc, free);
	assert_true(failed > 20);
}

/* --- the store ------------------------------------------------------------------------------- */

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

/* A controller that has a store, and no thread. */
struct fixture {
	struct np_controller c;
	struct reflector w;
	struct np_catalogue *catalogue;
};

static void fixture_init(struct fixture *f)
{
	struct np_err err = NP_ERR_INIT;

	*f = (struct fixture){ .w.kind = WATCHED_NODEPOOL, .w.round = 1 };
	assert_int_equal(np_gpu_catalogue_new(&f->catalogue, &err), 0);
	f->c.o.catalogue = f->catalogue;
	f->c.class_resource.namespaced = true;
	pthread_mutex_init(&f->c.lock, NULL);
	pthread_cond_init(&f->c.changed, NULL);
}

static void fixture_done(struct fixture *f)
{
	controller_store_done(&f->c);
	np_gpu_catalogue_free(f->catalogue);
}

static json_t *nodepool(const char *name, const char *vm_class, int generation)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:i}, s:{s:s}}", "apiVersion",
			 "nodeprep.dev/v1alpha1", "kind", "NodePool", "metadata", "name", name,
			 "namespace", "ml", "uid", "u", "generation", generation, "spec", "vmClass",
			 vm_class);
}

static void put_pool(struct fixture *f, json_t *take)
{
	json_auto_t *object = take;
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(controller_store_put(&f->c, &f->w, object, &err), 0);
}

static size_t pop_all(struct fixture *f)
{
	struct queue_item *item;
	uint64_t due;
	size_t n = 0;

	while ((item = controller_queue_pop(&f->c.queue, UINT64_MAX - 1, &due))) {
		item->running = false;
		n++;
	}
	return n;
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
		cmocka_unit_test(test_queue__first_due_first_out),
		cmocka_unit_test(test_queue__ties_keep_their_order),
		cmocka_unit_test(test_queue__waits_once),
		cmocka_unit_test(test_queue__items_added_while_running_run_again),
		cmocka_unit_test(test_queue__failures_back_off),
		cmocka_unit_test(test_queue__backoff_is_jittered_within_bounds),
		cmocka_unit_test(test_queue__items_can_be_removed),
		cmocka_unit_test(test_contention__third_loss_yields),
		cmocka_unit_test(test_contention__old_losses_do_not_count),
		cmocka_unit_test(test_contention__changed_pool_restarts_the_count),
		cmocka_unit_test(test_lease__decision_follows_the_holder),
		cmocka_unit_test(test_lease__renewal_restarts_the_wait),
		cmocka_unit_test(test_lease__durations_are_bounded),
		cmocka_unit_test(test_lease__holder_stops_before_expiry),
		cmocka_unit_test(test_lease__malformed_records_are_rejected),
		cmocka_unit_test(test_lease__written_spec),
		cmocka_unit_test(test_lease__transitions_are_bounded),
		cmocka_unit_test(test_health__attempts_become_rare),
		cmocka_unit_test(test_health__lasting_watches_are_not_delayed),
		cmocka_unit_test(test_health__only_sustained_health_ends_the_backoff),
		cmocka_unit_test(test_health__a_watch_is_lost_and_found),
		cmocka_unit_test(test_status__round_trip),
		cmocka_unit_test(test_status__unknown_numbers_are_absent),
		cmocka_unit_test(test_status__transition_times),
		cmocka_unit_test(test_status__every_field_is_compared),
		cmocka_unit_test(test_status__malformed_status_is_read),
		cmocka_unit_test(test_status__messages_are_escaped),
		cmocka_unit_test(test_status__reads_the_reasons_of_version_0_1),
		cmocka_unit_test(test_status__reasons),
		cmocka_unit_test(test_status__out_of_memory),
		cmocka_unit_test(test_strip__a_cluster_keeps_its_secrets),
		cmocka_unit_test(test_strip__annotations),
		cmocka_unit_test(test_strip__digest_covers_relevant_fields),
		cmocka_unit_test(test_strip__out_of_memory),
		cmocka_unit_test(test_store__own_ids_are_recognized),
		cmocka_unit_test(test_store__relevant_changes_are_queued),
		cmocka_unit_test(test_store__objects_missing_from_a_list_are_removed),
		cmocka_unit_test(test_store__unreadable_pools_keep_their_class),
		cmocka_unit_test(test_store__out_of_memory),
		cmocka_unit_test(test_store__classes),
		cmocka_unit_test(test_store__worker_gets_the_class_as_last_seen),
		cmocka_unit_test(test_store__without_a_watch_the_class_is_read),
		cmocka_unit_test(test_store__own_write_is_no_news),
		cmocka_unit_test(test_store__change_during_work_is_looked_at),
		cmocka_unit_test(test_store__classes_that_wait_have_a_limit),
		cmocka_unit_test(test_store__invalid_record_registers_no_pool),
		cmocka_unit_test(test_pool__the_origin_leads_its_id),
		cmocka_unit_test(test_pool__pools_of_one_class_are_selected),
		cmocka_unit_test(test_events__excess_is_dropped_and_logged_once),
		cmocka_unit_test(test_events__names_are_valid),
		cmocka_unit_test(test_events__are_written_at_the_end),
		cmocka_unit_test(test_corpus__replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
