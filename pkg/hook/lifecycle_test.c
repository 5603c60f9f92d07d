/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The corpus is replayed through the fuzz target itself, which stands in for the API client. */
#include "lifecycle_fuzz.c"

#define CORPUS "pkg/hook/testdata/corpus-lifecycle"

/* What some of the corpus do. */
static const struct {
	const char *file;
	size_t patches;
} rows[] = {
	{ "create", 1 },
	{ "create-bad-variable", 0 },
	{ "create-conflict", 1 },
	{ "create-huge-window", 1 },
	{ "create-malformed-record", 0 },
	{ "create-missing-class", 0 },
	{ "create-of-a-deleted-one", 0 },
	{ "create-other-gpus", 0 },
	{ "create-other-uid", 0 },
	{ "create-shared-allowed", 1 },
	{ "create-shared-bad-list", 0 },
	{ "create-shared-bound", 1 },
	{ "create-shared-not-allowed", 0 },
	{ "create-shared-unlisted", 0 },
	{ "delete", 1 },
	{ "delete-2-62", 0 },
	{ "delete-another-namespace", 0 },
	{ "delete-conflict", 1 },
	{ "delete-deputy", 0 },
	{ "delete-empty-key", 0 },
	{ "delete-no-list", 1 },
	{ "delete-not-deleted", 0 },
	{ "delete-others-stay", 1 },
	{ "delete-restores", 1 },
	{ "delete-without-topology", 1 },
	{ "delete-xkind", 0 },
	{ "delete-xkind-of-another-class", 0 },
};

static void test_lifecycle__corpus_writes_what_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		NP_AUTO(np_freep) char *bytes = NULL;
		char path[256];
		size_t n = 0;

		snprintf(path, sizeof(path), CORPUS "/%s", rows[i].file);
		bytes = load_file(path, &n);
		fuzz_server.patches = 0;
		assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)bytes, n), 0);
		if (fuzz_server.patches != rows[i].patches)
			fail_msg("%s: %zu patches", rows[i].file, fuzz_server.patches);
	}
}

static void test_lifecycle__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, LLVMFuzzerTestOneInput) >=
		    sizeof(rows) / sizeof(rows[0]));
}

static int tear_down(void **state)
{
	(void)state;
	np_gpu_catalogue_free(fuzz_cat);
	fuzz_cat = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lifecycle__corpus_writes_what_it_should),
		cmocka_unit_test(test_lifecycle__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
