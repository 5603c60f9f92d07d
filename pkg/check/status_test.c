/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/check.h"
#include "nodeprep/err.h"

#define T1 "2026-05-01T00:00:01Z"
#define T2 "2026-05-01T00:00:02Z"
#define ENTRY(manager, time) \
	"{\"manager\": \"" manager "\", \"operation\": \"Update\", \"time\": \"" time "\"}"

struct row {
	const char *name, *created;
	int generation;
	const char *entries, *expect; /* the text of lastWriter without spaces */
};

static const struct row rows[] = {
	{ "the latest", T1, 3, ENTRY("nodeprep", T2) ", " ENTRY("a", T1),
	  "{\"manager\":\"nodeprep\",\"operation\":\"Update\",\"time\":\"" T2
	  "\",\"managers\":[\"nodeprep\"]}" },
	{ "one manager with two entries", T1, 3, ENTRY("a", T2) ", " ENTRY("a", T2),
	  "{\"manager\":\"a\",\"operation\":\"Update\",\"time\":\"" T2 "\",\"managers\":[\"a\"]}" },
	{ "two in one second", T1, 3, ENTRY("a", T2) ", " ENTRY("nodeprep", T2),
	  "{\"manager\":null,\"operation\":null,\"time\":\"" T2
	  "\",\"managers\":[\"a\",\"nodeprep\"]}" },
	{ "nodeprep right after the creation", T2, 2, ENTRY("nodeprep", T2) ", " ENTRY("sim", T2),
	  "{\"manager\":\"nodeprep\",\"operation\":\"Update\",\"time\":\"" T2
	  "\",\"managers\":[\"nodeprep\"]}" },
	{ "creation, nodeprep, and a further change", T2, 3,
	  ENTRY("nodeprep", T2) ", " ENTRY("sim", T2),
	  "{\"manager\":null,\"operation\":null,\"time\":\"" T2
	  "\",\"managers\":[\"nodeprep\",\"sim\"]}" },
	{ "the creation and two others", T2, 2, ENTRY("a", T2) ", " ENTRY("b", T2),
	  "{\"manager\":null,\"operation\":null,\"time\":\"" T2 "\",\"managers\":[\"a\",\"b\"]}" },
	{ "no managed fields", T1, 1, "", "null" },
	{ "entries of other types", T1, 1, "7, null, {\"manager\": 7}",
	  "{\"manager\":null,\"operation\":null,\"time\":null,\"managers\":[]}" },
};

static void test_status__last_writers_of_one_second_are_all_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		NP_AUTO(np_freep) char *text = NULL, *writer = NULL;
		json_auto_t *object = NULL, *status = NULL;
		struct np_err err = NP_ERR_INIT;

		if (asprintf(&text,
			     "{\"metadata\": {\"name\": \"gpu\", \"creationTimestamp\": \"%s\", "
			     "\"generation\": %d, \"annotations\": {\"nodeprep.dev/managed\": "
			     "\"{}\"}, \"managedFields\": [%s]}}",
			     row->created, row->generation, row->entries) < 0)
			fail_msg("no memory");
		object = json_loads(text, 0, NULL);
		assert_non_null(object);
		if (np_check_status(object, catalogue, &status, &err) < 0)
			fail_msg("%s: %s", row->name, err.text);
		writer = json_dumps(json_object_get(status, "lastWriter"),
				    JSON_COMPACT | JSON_ENCODE_ANY);
		print_message("# %s\n", row->name);
		assert_string_equal(writer, row->expect);
	}
}

static void test_status__table_names_all_writers(void **state)
{
	json_auto_t *items = json_pack("[{s:s, s:s, s:{s:[ss]}}]", "namespace", "ml", "name", "gpu",
				       "lastWriter", "managers", "a", "nodeprep");
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_check_status_text(items, false, &text, &err), 0);
	assert_non_null(strstr(text, "   a or nodeprep   "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status__last_writers_of_one_second_are_all_named),
		cmocka_unit_test(test_status__table_names_all_writers),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
