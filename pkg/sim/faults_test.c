/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "testbed.h"

static void test_sim__faults_apply_to_matching_requests(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r;

	(void)state;
	set_faults(
		sim,
		"[{\"match\":{\"method\":\"GET\",\"path\":\"*/virtualmachineclasses/*\"},"
		"\"fault\":\"status\",\"status\":503,\"retryAfter\":\"7\",\"message\":\"no\",\"count\":2,"
		"\"after\":1}]");
	assert_int_equal(status_of(sim, "GET", ML, NULL), 200);
	assert_int_equal(status_of(sim, "PATCH", GPU, "{}"), 200);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	r = send_request(sim, "GET", GPU, NULL);
	assert_int_equal(r.reply.status, 503);
	assert_string_equal(header_of(&r, "Retry-After"), "7");
	assert_string_equal(text_at(r.body, "reason"), "ServiceUnavailable");
	assert_string_equal(text_at(r.body, "message"), "no");
	done(&r);
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r.body, 0), "left")), 1);
	done(&r);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 503);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_array_size(r.body), 0);
	done(&r);
}

static void test_sim__faults_have_their_effect(void **state)
{
	static const struct {
		const char *sentence, *fault;
		unsigned status;
		bool is_written;
		enum np_serve_cut cut;
		uint64_t delay_ms, bytes_per_second;
	} rows[] = {
		{ "a status", "\"fault\":\"status\",\"status\":500", 500, false, 0, 0, 0 },
		{ "a status after the write", "\"fault\":\"status\",\"status\":504,\"effect\":true",
		  504, true, 0, 0, 0 },
		{ "the same by its other name",
		  "\"fault\":\"status\",\"status\":504,\"before\":true", 504, true, 0, 0, 0 },
		{ "a delay", "\"fault\":\"delay\",\"delayMs\":50", 200, true, 0, 50, 0 },
		{ "a status that comes late", "\"fault\":\"status\",\"status\":429,\"delayMs\":9",
		  429, false, 0, 9, 0 },
		{ "a cut", "\"fault\":\"cut\"", 0, false, NP_SERVE_CUT, 0, 0 },
		{ "a cut after the write", "\"fault\":\"cut\",\"effect\":true", 200, true,
		  NP_SERVE_CUT, 0, 0 },
		{ "a cut body", "\"fault\":\"cut-body\"", 200, true, NP_SERVE_CUT_BODY, 0, 0 },
		{ "a slow body", "\"fault\":\"slow-body\",\"bytes\":5", 200, true, 0, 0, 5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
		char faults[200];
		uint64_t before = sim->store.version;
		struct result r;

		snprintf(faults, sizeof(faults), "[{%s}]", rows[i].fault);
		set_faults(sim, faults);
		r = send_request(sim, "PATCH", GPU, "{\"spec\":{\"description\":\"d\"}}");
		if (r.reply.status != rows[i].status || r.reply.cut != rows[i].cut ||
		    r.reply.delay_ms != rows[i].delay_ms ||
		    r.reply.bytes_per_second != rows[i].bytes_per_second ||
		    (sim->store.version > before) != rows[i].is_written)
			fail_msg("%s: status %u, cut %d", rows[i].sentence, r.reply.status,
				 (int)r.reply.cut);
		done(&r);
	}
}

static void test_sim__a_concurrent_writer_makes_the_version_stale(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "GET", GPU, NULL);
	char body[120];

	(void)state;
	snprintf(body, sizeof(body), "{\"metadata\":{\"resourceVersion\":\"%s\"}}",
		 text_at(r.body, "metadata/resourceVersion"));
	done(&r);
	set_faults(sim, "[{\"match\":{\"method\":\"PATCH\"},\"fault\":\"concurrent-write\","
			"\"key\":\"theirs\"}]");
	assert_int_equal(status_of(sim, "PATCH", GPU, body), 409);
	r = send_request(sim, "GET", GPU, NULL);
	assert_string_equal(text_at(r.body, "spec/configSpec/extraConfig/0/key"), "k");
	assert_string_equal(text_at(r.body, "spec/configSpec/extraConfig/1/key"), "theirs");
	done(&r);
	expect_fields(sim, "and is known by its name",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{\".\":{},\"f:a\":{}},"
		      "\"f:hardware\":{\".\":{},\"f:cpus\":{},\"f:memory\":{}}}},"
		      "\"concurrent-writer\":{\"f:metadata\":{\"f:labels\":{\".\":{},"
		      "\"f:nodeprep-sim/concurrent\":{}}},\"f:spec\":{\"f:configSpec\":{"
		      "\"f:extraConfig\":{}}}}}");
}

static void test_sim__huge_body_has_the_requested_size(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	size_t total = 0;
	struct result r;
	int more = 1;

	(void)state;
	set_faults(sim, "[{\"fault\":\"huge-body\",\"bytes\":2500000}]");
	r = send_request(sim, "GET", GPU, NULL);
	for (unsigned i = 0; more > 0 && i < 10; i++) {
		NP_AUTO(np_freep) char *piece = NULL;
		size_t size = 0;

		more = r.reply.stream.next(r.reply.stream.ctx, &piece, &size);
		total += size;
	}
	assert_int_equal(more, 0);
	assert_int_equal(total, 2500000);
	done(&r);
}

/* Sends the faults to a server that already has one, which must be kept. */
static char *describe_faults(const char *faults)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	const char *message;
	char *text = NULL;
	struct result r;

	set_faults(sim, "[{\"match\":{\"path\":\"/never\"},\"fault\":\"cut\"}]");
	r = send_request(sim, "PUT", "/sim/faults", faults);
	assert_int_equal(r.reply.status, 400);
	message = text_at(r.body, "message");
	text = strdup(message ? message : "no message");
	done(&r);
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_array_size(r.body), 1);
	done(&r);
	return text;
}

static void test_sim__invalid_faults_are_refused_and_change_nothing(void **state)
{
	(void)state;
	run_cases("pkg/sim/testdata/cases/faults-invalid.txt", describe_faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__faults_apply_to_matching_requests),
		cmocka_unit_test(test_sim__faults_have_their_effect),
		cmocka_unit_test(test_sim__a_concurrent_writer_makes_the_version_stale),
		cmocka_unit_test(test_sim__huge_body_has_the_requested_size),
		cmocka_unit_test(test_sim__invalid_faults_are_refused_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
