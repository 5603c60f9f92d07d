/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

static void test_map__finds_what_was_put(void **state)
{
	struct np_map m = { 0 };
	static struct np_map_entry entries[500];
	char keys[500][16];
	struct np_err err = NP_ERR_INIT;
	struct np_map_entry *e = NULL;
	size_t seen = 0;

	(void)state;
	assert_null(np_map_find(&m, NP_KEY("a")));
	assert_null(np_map_next(&m, NULL));
	for (size_t i = 0; i < 500; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key-%zu", i);
		entries[i].key = np_key_pack(NP_KEY("ns", keys[i]));
		np_map_remove(&m, &entries[0]); /* is not there yet, or is put again */
		assert_int_equal(np_map_insert(&m, &entries[i], &err), 0);
		if (i > 0)
			assert_int_equal(np_map_insert(&m, &entries[0], &err), 0);
	}
	for (size_t i = 0; i < 500; i++)
		assert_ptr_equal(np_map_find(&m, NP_KEY("ns", keys[i])), &entries[i]);
	for (size_t i = 0; i < 500; i += 2)
		np_map_remove(&m, &entries[i]);
	np_map_remove(&m, &entries[0]);
	while ((e = np_map_next(&m, e)))
		seen++;
	assert_int_equal(seen, 250);
	assert_int_equal(m.n, 250);
	assert_null(np_map_find(&m, NP_KEY("ns", "key-0")));
	assert_ptr_equal(np_map_find(&m, NP_KEY("ns", "key-1")), &entries[1]);
	for (size_t i = 0; i < 500; i++)
		free(entries[i].key);
	free(m.slots);
}

static void test_index__keeps_the_first_number_of_a_key(void **state)
{
	struct np_index x = { 0 };
	struct np_err err = NP_ERR_INIT;
	size_t got = 99;

	(void)state;
	assert_false(np_index_find(&x, NP_KEY("a"), &got));
	assert_int_equal(got, 99);
	assert_int_equal(np_index_enter(&x, NP_KEY("a"), 7, &got, &err), 0);
	assert_int_equal(got, 7);
	assert_int_equal(np_index_enter(&x, NP_KEY("a"), 8, &got, &err), 0);
	assert_int_equal(got, 7);
	assert_int_equal(x.map.n, 1);
	np_index_done(&x);
	assert_false(np_index_has(&x, NP_KEY("a")));
	np_index_done(&x);
}

/* Texts are not joined: no character in them can make two keys one, and no length is too long. */
static void test_index__tells_keys_apart_by_text(void **state)
{
	static char longer[5000];
	const struct np_key keys[] = {
		NP_KEY("ab", "c"),       NP_KEY("a", "bc"), NP_KEY("a\n", "bc"),
		NP_KEY("a", "\nbc"),     NP_KEY("", "a"),   NP_KEY("a"),
		NP_KEY("", "", "a"),     NP_KEY(""),        NP_KEY("n", longer),
		NP_KEY("n", longer + 1),
	};
	struct np_index x = { 0 };
	struct np_err err = NP_ERR_INIT;
	size_t got;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		assert_int_equal(np_index_enter(&x, keys[i], i, &got, &err), 0);
		assert_int_equal(got, i);
	}
	assert_true(np_index_find(&x, NP_KEY(NULL, "a", NULL), &got));
	assert_int_equal(got, 4);
	assert_true(np_index_find(&x, NP_KEY("n", longer + 1), &got));
	assert_int_equal(got, 9);
	np_index_done(&x);
}

static void test_index__holds_many(void **state)
{
	struct np_index x = { 0 };
	struct np_err err = NP_ERR_INIT;
	char name[32];
	size_t got;

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "gpu-%05zu", i);
		assert_int_equal(np_index_enter(&x, NP_KEY("team", name), i, &got, &err), 0);
	}
	assert_int_equal(x.map.n, 10000);
	assert_true(x.map.n_slots >= 10000);
	for (size_t i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "gpu-%05zu", i);
		assert_true(np_index_find(&x, NP_KEY("team", name), &got));
		assert_int_equal(got, i);
	}
	np_index_done(&x);
}

/* What collides in one map does not in the next. */
static void test_map__each_map_hashes_in_its_own_way(void **state)
{
	struct np_index x = { 0 }, y = { 0 };
	struct np_err err = NP_ERR_INIT;
	size_t got;

	(void)state;
	assert_int_equal(np_index_enter(&x, NP_KEY("a"), 0, &got, &err), 0);
	assert_int_equal(np_index_enter(&y, NP_KEY("a"), 0, &got, &err), 0);
	assert_int_not_equal(np_map_next(&x.map, NULL)->hash, np_map_next(&y.map, NULL)->hash);
	np_index_done(&x);
	np_index_done(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map__finds_what_was_put),
		cmocka_unit_test(test_map__each_map_hashes_in_its_own_way),
		cmocka_unit_test(test_index__keeps_the_first_number_of_a_key),
		cmocka_unit_test(test_index__tells_keys_apart_by_text),
		cmocka_unit_test(test_index__holds_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
