/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

enum { TEXT_SIZE = 5000, ROOM = 1024 };

/* Compresses TEXT_SIZE equal letters, as gzip or (`bits` alone) as zlib. */
static size_t pack(char to[static ROOM], int bits)
{
	char text[TEXT_SIZE];
	z_stream z = { .next_in = (Bytef *)text,
		       .avail_in = TEXT_SIZE,
		       .next_out = (Bytef *)to,
		       .avail_out = ROOM };

	memset(text, 'a', sizeof(text));
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static void expect_refused(const char *bytes, size_t size, size_t max)
{
	char *text = NULL;
	size_t n = 7;

	assert_false(np_gzip_inflate(bytes, size, max, &text, &n));
	assert_null(text);
	assert_int_equal(n, 7);
}

static void test_gzip__whole_and_within_the_limit(void **state)
{
	char packed[ROOM], *text = NULL;
	size_t size = pack(packed, MAX_WBITS + 16), n = 0;

	(void)state;
	assert_true(np_gzip_inflate(packed, size, TEXT_SIZE, &text, &n));
	assert_int_equal(n, TEXT_SIZE);
	assert_int_equal(strspn(text, "a"), TEXT_SIZE);
	free(text);
	expect_refused(packed, size, TEXT_SIZE - 1);
	expect_refused(packed, size - 1, TEXT_SIZE);
	packed[size - 6] ^= 1; /* of the checksum */
	expect_refused(packed, size, TEXT_SIZE);
}

static void test_gzip__nothing_else_is_gzip(void **state)
{
	char packed[ROOM];
	size_t size = pack(packed, MAX_WBITS);

	(void)state;
	expect_refused(packed, size, TEXT_SIZE);
	expect_refused("", 0, TEXT_SIZE);
	expect_refused("plain text", 10, TEXT_SIZE);
	expect_refused("\x1f\x8b", 2, TEXT_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip__whole_and_within_the_limit),
		cmocka_unit_test(test_gzip__nothing_else_is_gzip),
	};

	return cmocka_run_group_tests_name("gzip", tests, NULL, NULL);
}
