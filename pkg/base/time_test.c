/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/time.h"

#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_time__only_times_of_api_servers_are_read(void **state)
{
	static const struct {
		const char *text;
		bool is_time;
	} rows[] = {
		{ "2026-11-25T19:40:41Z", true },
		{ "0000-00-00T00:00:00Z", true },
		{ "2026-11-25T19:40:41.000000Z", false },
		{ "2026-11-25T19:40:41+01:00", false },
		{ "2026-11-25 19:40:41Z", false },
		{ "2026-11-25T19:40:41", false },
		{ "", false },
		{ "yesterday", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (np_time_is_api(rows[i].text) != rows[i].is_time)
			fail_msg("'%s'", rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time__only_times_of_api_servers_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
