/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static size_t allocations_left;

static void *scarce_malloc(size_t size)
{
	if (!allocations_left)
		return NULL;
	allocations_left--;
	return malloc(size);
}

static bool is_left(const void *context, const json_t *parent, const json_t *object,
		    const char *key)
{
	(void)context;
	(void)parent;
	(void)object;
	return strcmp(key, "left") == 0;
}

/* Reads all with so many of jansson's allocations; returns 0 or the error's code. */
static int read_scarce(const char *input, size_t allocations)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *r = NULL;
	struct np_err err = NP_ERR_INIT;
	int n;

	allocations_left = allocations;
	assert_int_equal(np_doc_reader_new("input", input, strlen(input), &r, &err), 0);
	np_doc_reader_leave_out(r, is_left, NULL);
	do {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

		n = np_doc_reader_next(r, &doc, &err);
	} while (n == 1);
	assert_int_equal(n, np_err_ret(&err));
	return (int)err.code;
}

static void check_scarce(const char *input)
{
	size_t allocations = 0;
	int code;

	json_set_alloc_funcs(scarce_malloc, free);
	while ((code = read_scarce(input, allocations)) == NP_E_NOMEM && allocations < 10000)
		allocations++;
	json_set_alloc_funcs(malloc, free);
	assert_int_equal(code, NP_OK);
	assert_true(allocations > 10);
}

static void test_doc__running_out_of_memory_is_reported(void **state)
{
	(void)state;
	check_scarce(cursor_yaml);
	check_scarce(cursor_json);
	check_scarce("{a: &x {b: 1}, c: [*x], <<: [*x, {e: 08}]}\n---\n&k k: *k\n");
	check_scarce("left: {a: {b: [1]}, c: &x {<<: {d: 2}}, <<: *x}\n");
}

/* An allocator that reuses freed memory at once. */
static struct block {
	struct block *next;
	size_t size;
} * freed;

static void *reusing_malloc(size_t size)
{
	struct block *b;

	for (struct block **at = &freed; *at; at = &(*at)->next) {
		b = *at;
		if (b->size != size)
			continue;
		*at = b->next;
		return b + 1;
	}
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	return b + 1;
}

static void reusing_free(void *p)
{
	struct block *b = p;

	if (!p)
		return;
	b--;
	b->next = freed;
	freed = b;
}

static void check_reused(void)
{
	NP_AUTO(np_doc_unrefp)
	struct np_doc *doc = read_doc("a:\n  <<: {one: 1, two: 2}\nb:\n  six: 6\n  ten: 10\n");
	struct np_val b = np_doc_get(np_doc_root(doc), "b");

	assert_int_equal(np_doc_get(b, "six").pos.line, 4);
	assert_int_equal(np_doc_get(b, "ten").pos.line, 5);
}

static void test_doc__positions_survive_reused_memory(void **state)
{
	(void)state;
	json_set_alloc_funcs(reusing_malloc, reusing_free);
	check_reused();
	json_set_alloc_funcs(malloc, free);
	while (freed) {
		struct block *next = freed->next;

		free(freed);
		freed = next;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc__running_out_of_memory_is_reported),
		cmocka_unit_test(test_doc__positions_survive_reused_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
