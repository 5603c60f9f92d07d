/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_FAILING_ALLOC_H
#define TESTS_UNIT_FAILING_ALLOC_H

/*
 * failing_alloc - lets the n-th allocation of a unit test fail: strdup() and reallocarray() of the code
 * under test, and jansson's by json_set_alloc_funcs(json_malloc, free). Set allocations_left to n.
 * Included by one file of a test binary only, since it stands in front of the C library.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

#endif
