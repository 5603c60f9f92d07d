/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

/* The first rows are RFC 7386's own, appendix A; the others what the real server does with nulls. */
static const struct {
	const char *sentence, *target, *patch, *expected;
} merge_rows[] = {
	{ "a value", "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "a member more", "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
	{ "null takes away", "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
	{ "a list by a value", "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "deep", "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
	  "{\"a\":{\"b\":\"d\"}}" },
	{ "a list whole", "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
	{ "a null that stood there stays", "{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}" },
	{ "nulls of what is new are left out", "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}",
	  "{\"a\":{\"bb\":{}}}" },
	{ "null members in a list go, null items stay", "{}", "{\"a\":[{\"x\":null,\"y\":1},null]}",
	  "{\"a\":[{\"y\":1},null]}" },
};

static void test_sim__merge_patches_do_what_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(merge_rows) / sizeof(merge_rows[0]); i++) {
		NP_AUTO(json_decrefp)
		json_t *target = json_loads(merge_rows[i].target, JSON_DECODE_ANY, NULL);
		NP_AUTO(json_decrefp)
		json_t *change = json_loads(merge_rows[i].patch, JSON_DECODE_ANY, NULL);
		NP_AUTO(json_decrefp) json_t *merged = merge_patch(target, change);

		expect_json(merged, merge_rows[i].expected, merge_rows[i].sentence);
		expect_json(target, merge_rows[i].target, "the target stays");
	}
}

static const struct {
	const char *sentence, *ops, *expected; /* NULL: it cannot be applied */
} op_rows[] = {
	{ "a member", "[{\"op\":\"add\",\"path\":\"/c\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{},\"c\":1}" },
	{ "an item at the end", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":3}]",
	  "{\"a\":[1,2,3],\"b/~\":{}}" },
	{ "an item before another", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":0}]",
	  "{\"a\":[0,1,2],\"b/~\":{}}" },
	{ "a key with marks", "[{\"op\":\"add\",\"path\":\"/b~1~0/x\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{\"x\":1}}" },
	{ "one goes", "[{\"op\":\"remove\",\"path\":\"/a/1\"}]", "{\"a\":[1],\"b/~\":{}}" },
	{ "a test that holds", "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{}}" },
	{ "a test that does not", "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":2}]", NULL },
	{ "replacing what is not there", "[{\"op\":\"replace\",\"path\":\"/z\",\"value\":2}]",
	  NULL },
	{ "an item beyond the end", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":3}]", NULL },
	{ "no value", "[{\"op\":\"add\",\"path\":\"/c\"}]", NULL },
	{ "an operation that is none", "[{\"op\":\"x\",\"path\":\"/c\",\"value\":1}]", NULL },
};

static void test_sim__json_patches_do_what_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(op_rows) / sizeof(op_rows[0]); i++) {
		NP_AUTO(json_decrefp)
		json_t *target = json_loads("{\"a\":[1,2],\"b/~\":{}}", 0, NULL);
		NP_AUTO(json_decrefp) json_t *ops = json_loads(op_rows[i].ops, 0, NULL);
		NP_AUTO(json_decrefp) json_t *result = NULL;
		struct np_err err = NP_ERR_INIT;
		int applied = json_patch(target, ops, &result, &err);

		if (applied != (op_rows[i].expected ? 1 : 0))
			fail_msg("%s: %d", op_rows[i].sentence, applied);
		if (op_rows[i].expected)
			expect_json(result, op_rows[i].expected, op_rows[i].sentence);
		else
			assert_null(result);
	}
}

static void test_sim__a_patch_that_changes_nothing_is_no_write(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	uint64_t before = sim->store.version;
	struct result r;

	(void)state;
	assert_int_equal(status_of(sim, "PATCH", GPU, "{\"spec\":{\"hardware\":{\"cpus\":4}}}"),
			 200);
	assert_int_equal(status_of(sim, "PATCH", GPU, "{\"metadata\":{\"generation\":9}}"), 200);
	assert_int_equal(sim->store.version, before);
	r = send_request(sim, "PATCH", GPU "?dryRun=All", "{\"spec\":{\"description\":\"d\"}}");
	assert_string_equal(text_at(r.body, "spec/description"), "d");
	done(&r);
	assert_int_equal(sim->store.version, before);
	r = send_request(sim, "GET", GPU, NULL);
	assert_null(text_at(r.body, "spec/description"));
	done(&r);
}

static void test_sim__generation_counts_changes_of_the_spec_alone(void **state)
{
	static const struct {
		const char *sentence, *patch;
		json_int_t generation;
	} rows[] = {
		{ "a label", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 1 },
		{ "the spec", "{\"spec\":{\"description\":\"d\"}}", 2 },
		{ "the same again", "{\"spec\":{\"description\":\"d\"}}", 2 },
		{ "the status, which is not written here", "{\"status\":{}}", 2 },
		{ "the spec away", "{\"spec\":null}", 3 },
		{ "away again", "{\"spec\":null}", 3 },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r = send_request(sim, "PATCH", GPU, rows[i].patch);
		json_int_t is = json_integer_value(
			json_object_get(json_object_get(r.body, "metadata"), "generation"));

		if (is != rows[i].generation)
			fail_msg("%s: %d", rows[i].sentence, (int)is);
		done(&r);
	}
}

static void test_sim__nulls_of_a_config_spec_are_kept(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "PATCH", GPU,
				       "{\"spec\":{\"configSpec\":{\"extraConfig\":[{\"key\":\"x\","
				       "\"value\":null}],\"firmware\":\"efi\"},"
				       "\"policies\":{\"resources\":{\"requests\":{}}}}}");

	(void)state;
	expect_json(json_object_get(r.body, "spec"),
		    "{\"hardware\":{\"cpus\":4,\"memory\":\"64Gi\"},\"configSpec\":{\"a\":null,"
		    "\"extraConfig\":[{\"key\":\"x\"}],\"firmware\":\"efi\"},"
		    "\"policies\":{\"resources\":{\"requests\":{}}}}",
		    "the spec");
	done(&r);
}

static void test_sim__managed_fields_follow_the_writer(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	expect_fields(sim, "who creates owns all",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{\".\":{},\"f:a\":{},"
		      "\"f:extraConfig\":{}},\"f:hardware\":{\".\":{},\"f:cpus\":{},"
		      "\"f:memory\":{}}}}}");
	status_of(sim, "PATCH", GPU "?fieldManager=b",
		  "{\"metadata\":{\"labels\":{\"l\":\"m\"}},\"spec\":{\"hardware\":{\"cpus\":8},"
		  "\"configSpec\":{\"a\":null,\"extraConfig\":[]}}}");
	expect_fields(sim, "who changes takes over",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{},"
		      "\"f:hardware\":{\".\":{},\"f:memory\":{}}}},"
		      "\"b\":{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:l\":{}}},"
		      "\"f:spec\":{\"f:configSpec\":{\"f:extraConfig\":{}},"
		      "\"f:hardware\":{\"f:cpus\":{}}}}}");
	status_of(sim, "PATCH", GPU, "{\"metadata\":{\"labels\":null},\"spec\":null}");
	expect_fields(sim, "what is gone is nobody's", "{}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__merge_patches_do_what_the_rfc_says),
		cmocka_unit_test(test_sim__json_patches_do_what_the_rfc_says),
		cmocka_unit_test(test_sim__a_patch_that_changes_nothing_is_no_write),
		cmocka_unit_test(test_sim__generation_counts_changes_of_the_spec_alone),
		cmocka_unit_test(test_sim__nulls_of_a_config_spec_are_kept),
		cmocka_unit_test(test_sim__managed_fields_follow_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
