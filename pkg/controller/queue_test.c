/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
