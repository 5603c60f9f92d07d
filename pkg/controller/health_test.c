/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_health__attempts_become_rare),
		cmocka_unit_test(test_health__lasting_watches_are_not_delayed),
		cmocka_unit_test(test_health__only_sustained_health_ends_the_backoff),
		cmocka_unit_test(test_health__a_watch_is_lost_and_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
