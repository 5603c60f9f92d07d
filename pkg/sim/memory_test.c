/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>

#include "testbed.h"

/* The corpus is replayed through the fuzz target itself. */
#include "sim_fuzz.c"

#include "failing_alloc.h"

/* jansson's parser reads beyond its buffer where that cannot grow: it is spared. */
json_t *json_loadb(const char *bytes, size_t size, size_t flags, json_error_t *error)
{
	json_t *(*real)(const char *, size_t, size_t, json_error_t *);
	size_t left = allocations_left;
	json_t *j;

	*(void **)&real = dlsym(RTLD_NEXT, "json_loadb");
	assert_non_null(real);
	allocations_left = SIZE_MAX;
	j = real(bytes, size, flags, error);
	allocations_left = left;
	return j;
}

/*
 * With any allocation failing, the failure is reported, and the object is the old or the new one.
 */
static void expect_each_allocation_may_fail(const char *method, const char *target,
					    const char *body)
{
	struct failing f = FAILING_INIT;

	while (next_round(&f)) {
		NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
		struct headers h = as_user(sim, "admin");
		struct np_err err = NP_ERR_INIT;
		struct result r;
		int rc;

		h.content_type = strcmp(method, "PATCH") == 0 ? MERGE : JSON;
		fail_allocation(&f);
		rc = try_request(sim, &h, method, target, body, &r, &err);
		stop_failing(&f);
		if (rc < 0)
			assert_int_equal(err.code, NP_E_NOMEM);
		else if (r.reply.status >= 300)
			fail_msg("%s, allocation %zu: %u %s", method, f.rounds, r.reply.status,
				 r.reply.body);
		done(&r);
		if (rc < 0)
			assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	}
	assert_true(f.rounds >= 20);
}

static void test_sim__each_allocation_may_fail(void **state)
{
	(void)state;
	expect_each_allocation_may_fail("GET", ML "?limit=1", NULL);
	expect_each_allocation_may_fail("POST", VMS, VM("a"));
	expect_each_allocation_may_fail("GET", VMS, NULL);
	expect_each_allocation_may_fail("POST", ML,
					CLASS("other", ",\"spec\":{\"configSpec\":{}}"));
	expect_each_allocation_may_fail("PATCH", GPU "?fieldManager=x",
					"{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
					"\"x\":1,\"hardware\":{\"cpus\":8}}}");
}

static void test_sim__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/sim/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__each_allocation_may_fail),
		cmocka_unit_test(test_sim__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
