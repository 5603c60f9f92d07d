/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/json.h"

#include "failing_alloc.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status__round_trip),
		cmocka_unit_test(test_status__unknown_numbers_are_absent),
		cmocka_unit_test(test_status__transition_times),
		cmocka_unit_test(test_status__every_field_is_compared),
		cmocka_unit_test(test_status__malformed_status_is_read),
		cmocka_unit_test(test_status__messages_are_escaped),
		cmocka_unit_test(test_status__reads_the_reasons_of_version_0_1),
		cmocka_unit_test(test_status__reasons),
		cmocka_unit_test(test_status__out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
