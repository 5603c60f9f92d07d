/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/json.h"

#include "testbed.h"

/* --- paths ----------------------------------------------------------------------------------- */

static void test_hook__paths_are_found(void **state)
{
	static const struct {
		const char *path;
		int kind; /* -1: none */
	} rows[] = {
		{ NP_HOOK_PATH "discovery", NP_HOOK_DISCOVERY },
		{ NP_HOOK_PATH "discovery/", -1 },
		{ NP_HOOK_PATH "discovery/x", -1 },
		{ NP_HOOK_PATH "generatepatches/generate-patches", NP_HOOK_GENERATE_PATCHES },
		{ NP_HOOK_PATH "generatepatches", -1 },
		{ NP_HOOK_PATH "generatepatches/", -1 },
		{ NP_HOOK_PATH "generatepatches/generate-patches/", -1 },
		{ NP_HOOK_PATH "GeneratePatches/generate-patches", -1 },
		{ NP_HOOK_PATH "validatetopology/validate-topology", NP_HOOK_VALIDATE_TOPOLOGY },
		{ NP_HOOK_PATH "beforeclusterdelete/before-cluster-delete",
		  NP_HOOK_BEFORE_CLUSTER_DELETE },
		{ "/hooks.runtime.cluster.x-k8s.io/v1alpha2/discovery", -1 },
		{ "/", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum np_hook_kind kind = NP_HOOK_KIND_MAX;
		bool found = np_hook_find(rows[i].path, &kind);

		if (found != (rows[i].kind >= 0) || (found && (int)kind != rows[i].kind))
			fail_msg("'%s': %d", rows[i].path, (int)kind);
		if (!found)
			assert_int_equal(kind, NP_HOOK_KIND_MAX);
	}
}

static void test_hook__timeouts_are_read_from_the_query(void **state)
{
	static const struct {
		const char *query;
		uint64_t ms;
	} rows[] = {
		{ "", 10000 },           { "timeout=5s", 5000 },   { "timeout=1m", 30000 },
		{ "timeout=0s", 10000 }, { "timeout=x", 10000 },   { "a=b&timeout=1.5s&c", 1500 },
		{ "timeout=", 10000 },   { "xtimeout=5s", 10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (np_hook_timeout_ms(rows[i].query) != rows[i].ms)
			fail_msg("'%s': %llu", rows[i].query,
				 (unsigned long long)np_hook_timeout_ms(rows[i].query));
}

/* --- discovery -------------------------------------------------------------------------------- */

static size_t count_handlers(const struct np_hook_options *o)
{
	struct np_hook_answer a = call_with(o, NP_HOOK_DISCOVERY, "{}");
	json_auto_t *response = json_loadb(a.body, a.size, 0, NULL);
	json_t *handlers = json_object_get(response, "handlers"), *h;
	size_t i;

	assert_false(a.failed);
	json_array_foreach (handlers, i, h) {
		json_int_t s = json_integer_value(json_object_get(h, "timeoutSeconds"));

		assert_true(s >= 1 && s <= 30);
		assert_string_equal(np_json_member_text(h, "failurePolicy"), "Fail");
	}
	free(a.body);
	return json_array_size(handlers);
}

static void test_hook__lifecycle_hooks_are_announced_with_an_api_alone(void **state)
{
	const struct np_kube_options kube = { .kubeconfig = "/nowhere" };
	const struct np_hook_options without = { .catalogue = catalogue };
	const struct np_hook_options with = { .catalogue = catalogue, .kube = &kube };
	struct np_hook_answer a;

	(void)state;
	assert_int_equal(count_handlers(&without), 3);
	assert_int_equal(count_handlers(&with), 6);
	a = call(NP_HOOK_BEFORE_CLUSTER_CREATE, "{}");
	assert_true(a.failed);
	assert_string_equal(a.message, "BeforeClusterCreate is not served");
	free(a.body);
	assert_false(np_hook_blocks(&without, NP_HOOK_VALIDATE_TOPOLOGY));
	assert_true(np_hook_blocks(&with, NP_HOOK_VALIDATE_TOPOLOGY));
	assert_false(np_hook_blocks(&with, NP_HOOK_GENERATE_PATCHES));
}

static void test_hook__the_variable_has_a_schema_and_descriptions(void **state)
{
	struct np_hook_answer a = call(NP_HOOK_DISCOVER_VARIABLES, "{}");
	json_auto_t *response = json_loadb(a.body, a.size, JSON_REJECT_DUPLICATES, NULL);
	json_t *variable = json_array_get(json_object_get(response, "variables"), 0);
	json_t *schema = json_object_get(json_object_get(variable, "schema"), "openAPIV3Schema");
	json_t *properties = json_object_get(schema, "properties"), *property;
	const char *name;

	(void)state;
	assert_string_equal(np_json_member_text(variable, "name"), NP_GPU_VARIABLE);
	assert_true(json_is_false(json_object_get(variable, "required")));
	assert_int_equal(json_object_size(properties), 3);
	assert_true(np_json_member_text(schema, "description")[0] != '\0');
	json_object_foreach (properties, name, property)
		assert_true(np_json_member_text(property, "description")[0] != '\0');
	free(a.body);
}

/* --- lifecycle, as far as it goes without a server --------------------------------------------- */

#define CLUSTER(more) \
	"{\"cluster\":{\"metadata\":{\"name\":\"c1\",\"namespace\":\"ml\",\"uid\":\"u\"}" more "}}"

static void test_lifecycle__cluster_of_the_request_is_only_named(void **state)
{
	static const struct {
		const char *sentence, *body, *message, *refused;
	} rows[] = {
		{ "no cluster", "{}", "cluster.metadata.namespace: expected a text", NULL },
		{ "no object", "{\"cluster\":[]}", "the request cannot be read: no object", NULL },
		{ "no name", "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"uid\":\"u\"}}}",
		  "cluster.metadata.name: expected a text", NULL },
		{ "no uid", "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"name\":\"c\"}}}",
		  "cluster.metadata.uid: expected a text", NULL },
		{ "an empty uid",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"name\":\"c\",\"uid\":\"\"}}}",
		  "cluster.metadata.uid: expected a text", NULL },
		{ "another path",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"..\",\"name\":\"c\",\"uid\":\"u\"}}}",
		  "the request is refused", "no Cluster can have that name" },
		{ "a name with a slash",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"c/d\",\"uid\":\"u\"}}}",
		  "the request is refused", "no Cluster can have that name" },
		{ "nothing is done without the server", CLUSTER(""),
		  "the Cluster cannot be read: ", NULL },
		{ "whatever else the request says",
		  CLUSTER(",\"spec\":{\"topology\":{\"workers\":7}}"),
		  "the Cluster cannot be read: ", NULL },
	};
	const struct np_kube_options kube = { .kubeconfig = "/nowhere/kubeconfig" };
	const struct np_hook_options o = { .catalogue = catalogue,
					   .kube = &kube,
					   .timeout_ms = 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_hook_answer a =
			call_with(&o, NP_HOOK_BEFORE_CLUSTER_CREATE, rows[i].body);

		if (!a.failed || strncmp(a.message, rows[i].message, strlen(rows[i].message)) != 0)
			fail_msg("%s: %s", rows[i].sentence, a.body);
		if (rows[i].refused)
			assert_string_equal(a.refused, rows[i].refused);
		else
			assert_null(a.refused);
		assert_non_null(strstr(a.body, "\"retryAfterSeconds\":"));
		free(a.body);
	}
}

static void test_lifecycle__failures_can_be_ignored(void **state)
{
	const struct np_kube_options kube = { .kubeconfig = "/nowhere/kubeconfig" };
	const struct np_hook_options o = { .catalogue = catalogue,
					   .kube = &kube,
					   .timeout_ms = 1000 };
	char body[TEXT_MAX];
	struct np_hook_answer a;

	(void)state;
	snprintf(body, sizeof(body), "{\"settings\":{\"failurePolicy\":\"Ignore\"},%s",
		 &CLUSTER("")[1]);
	a = call_with(&o, NP_HOOK_BEFORE_WORKERS_UPGRADE, body);
	assert_false(a.failed);
	assert_int_equal(a.retry_after_s, 0);
	assert_non_null(strstr(a.message, "/nowhere/kubeconfig"));
	free(a.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hook__paths_are_found),
		cmocka_unit_test(test_hook__timeouts_are_read_from_the_query),
		cmocka_unit_test(test_hook__lifecycle_hooks_are_announced_with_an_api_alone),
		cmocka_unit_test(test_hook__the_variable_has_a_schema_and_descriptions),
		cmocka_unit_test(test_lifecycle__cluster_of_the_request_is_only_named),
		cmocka_unit_test(test_lifecycle__failures_can_be_ignored),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
