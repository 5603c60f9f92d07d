/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/json.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease__decision_follows_the_holder),
		cmocka_unit_test(test_lease__renewal_restarts_the_wait),
		cmocka_unit_test(test_lease__durations_are_bounded),
		cmocka_unit_test(test_lease__holder_stops_before_expiry),
		cmocka_unit_test(test_lease__malformed_records_are_rejected),
		cmocka_unit_test(test_lease__written_spec),
		cmocka_unit_test(test_lease__transitions_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
