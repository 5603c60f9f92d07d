/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "testbed.h"

/* Reads a line of JSON and moves `at` behind it. */
static json_t *read_json_line(const char **at)
{
	size_t size = strcspn(*at, "\n");
	json_t *json = json_loadb(*at, size, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	*at += size + ((*at)[size] == '\n');
	return json;
}

static char *describe_merge_patch(const char *input)
{
	json_auto_t *target = read_json_line(&input);
	json_auto_t *before = json_deep_copy(target);
	json_auto_t *change = read_json_line(&input);
	json_auto_t *merged = sim_merge_patch(target, change);

	assert_true(json_equal(target, before));
	return json_dumps(merged, JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_COMPACT);
}

static void test_sim__merge_patches_follow_the_rfc(void **state)
{
	(void)state;
	run_cases("pkg/sim/testdata/cases/merge-patch.txt", describe_merge_patch);
}

static void test_sim__patch_without_a_change_is_not_a_write(void **state)
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

static void test_sim__generation_counts_only_changes_of_the_spec(void **state)
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
	for (size_t i = 0; i < COUNT(rows); i++) {
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
		cmocka_unit_test(test_sim__merge_patches_follow_the_rfc),
		cmocka_unit_test(test_sim__patch_without_a_change_is_not_a_write),
		cmocka_unit_test(test_sim__generation_counts_only_changes_of_the_spec),
		cmocka_unit_test(test_sim__nulls_of_a_config_spec_are_kept),
		cmocka_unit_test(test_sim__managed_fields_follow_the_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
