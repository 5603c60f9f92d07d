/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_FAILING_ALLOC_H
#define TESTS_UNIT_FAILING_ALLOC_H

/*
 * failing_alloc - lets the n-th allocation of a unit test fail: strdup() and reallocarray() of the code
 * under test, and jansson's by json_set_alloc_funcs(json_malloc, free). Set allocations_left to n, or
 * let next_round() count. Included by one file of a test binary only, since it stands in front of the C library.
 */

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Allocations until one fails; SIZE_MAX: none does. */
static size_t allocations_left = SIZE_MAX;

static bool is_out_of_memory(void)
{
	/* The count wraps round to SIZE_MAX with the one failure. */
	return allocations_left != SIZE_MAX && allocations_left-- == 0;
}

/* These stand in front of the C library's. */
char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = is_out_of_memory() ? NULL : malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void *reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (is_out_of_memory() || __builtin_mul_overflow(n, size, &bytes))
		return NULL;
	return realloc(old, bytes);
}

static void *json_malloc(size_t size)
{
	return is_out_of_memory() ? NULL : malloc(size);
}

/*
 * The rounds of a test in which the first, then the second, ... allocation fails, until none does:
 *
 *	struct failing f = FAILING_INIT;
 *
 *	while (next_round(&f)) {
 *		fail_allocation(&f);
 *		rc = what_is_tested();
 *		stop_failing(&f);
 *		assert_int_equal(rc, f.failed ? -NP_E_NOMEM : 0);
 *	}
 *	assert_true(f.rounds > 20);
 */
struct failing {
	size_t rounds; /* begun so far; at the end the number of allocations and one more */
	bool failed; /* an allocation failed in this round */
	bool spares_jansson; /* jansson's allocations never fail */
};

/* clang-format off */
#define FAILING_INIT { .failed = true }
#define FAILING_SPARES_JANSSON { .failed = true, .spares_jansson = true }
/* clang-format on */

enum { FAILING_ROUNDS_MAX = 20000 };

/* Begins a round; false after the round without a failure. */
static inline bool next_round(struct failing *f)
{
	if (f->failed && f->rounds < FAILING_ROUNDS_MAX) {
		f->rounds++;
		f->failed = false;
		return true;
	}
	assert_false(f->failed);
	return false;
}

/* From now to stop_failing() this round's allocation fails. */
static inline void fail_allocation(const struct failing *f)
{
	if (!f->spares_jansson)
		json_set_alloc_funcs(json_malloc, free);
	allocations_left = f->rounds - 1;
}

static inline void stop_failing(struct failing *f)
{
	f->failed = allocations_left == SIZE_MAX;
	allocations_left = SIZE_MAX;
	json_set_alloc_funcs(malloc, free);
}

#endif
