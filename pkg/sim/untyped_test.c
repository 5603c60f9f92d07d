/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_sim__vms_are_kept_without_a_schema(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&(struct np_sim_options){ 0 });
	struct result r = send_request(sim, "POST", VMS, VM("a"));

	(void)state;
	assert_int_equal(r.reply.status, 201);
	assert_string_equal(text_at(r.body, "metadata/namespace"), "ml");
	assert_string_equal(text_at(r.body, "apiVersion"), "vmoperator.vmware.com/v1alpha6");
	assert_non_null(text_at(r.body, "metadata/creationTimestamp"));
	assert_null(json_object_get(r.body, "status"));
	done(&r);
	assert_int_equal(status_of(sim, "POST", VMS, VM("a")), 409);
	assert_int_equal(status_of(sim, "POST", VMS, VM("-")), 400);
	assert_int_equal(status_of(sim, "POST", VMS, "["), 400);
	assert_int_equal(status_of(sim, "POST", API "/virtualmachines", VM("b")), 400);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "[]"), 400);
	assert_int_equal(status_of(sim, "PUT", VMS "/a", VM("a")), 405);
	assert_int_equal(status_of(sim, "GET", VMS "/b", NULL), 404);
	r = send_request(sim, "PATCH", VMS "/a/status", "{\"spec\":1,\"status\":{\"x\":\"y\"}}");
	assert_string_equal(text_at(r.body, "status/x"), "y");
	assert_null(json_object_get(r.body, "spec"));
	done(&r);
	r = send_request(sim, "PATCH", VMS "/a", "{\"spec\":{\"p\":\"q\"},\"status\":null}");
	assert_string_equal(text_at(r.body, "status/x"), "y");
	assert_string_equal(text_at(r.body, "spec/p"), "q");
	done(&r);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "{\"metadata\":null,\"spec\":2}"), 400);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "{\"metadata\":{\"name\":\"b\"}}"), 400);
	r = send_request(sim, "PATCH", VMS "/a",
			 "{\"metadata\":{\"creationTimestamp\":\"x\",\"uid\":null}}");
	assert_string_not_equal(text_at(r.body, "metadata/creationTimestamp"), "x");
	assert_non_null(text_at(r.body, "metadata/uid"));
	done(&r);
	assert_int_equal(status_of(sim, "DELETE", VMS "/a", NULL), 200);
	assert_int_equal(status_of(sim, "DELETE", VMS "/a", NULL), 404);
}

static void test_sim__lists_of_untyped_kinds_keep_to_their_namespace_and_kind(void **state)
{
	static const struct {
		const char *path;
		size_t n;
	} rows[] = {
		{ VMS, 2 },
		{ API "/namespaces/other/virtualmachines", 1 },
		{ API "/namespaces/m/virtualmachines", 0 },
		{ API "/virtualmachines", 3 },
		{ IMAGES, 1 },
		{ API "/clustervirtualmachineimages", 0 },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&(struct np_sim_options){ 0 });

	(void)state;
	assert_int_equal(status_of(sim, "POST", VMS, VM("a")), 201);
	assert_int_equal(status_of(sim, "POST", VMS, VM("b")), 201);
	assert_int_equal(status_of(sim, "POST", rows[1].path, VM("a")), 201);
	assert_int_equal(status_of(sim, "POST", IMAGES, VM("a")), 201);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct result r = send_request(sim, "GET", rows[i].path, NULL);

		assert_int_equal(r.reply.status, 200);
		assert_int_equal(json_array_size(json_object_get(r.body, "items")), rows[i].n);
		done(&r);
	}
	assert_int_equal(status_of(sim, "GET", API "/namespaces/ml/" BINDINGS, NULL), 404);
	assert_int_equal(
		status_of(sim, "GET", API "/namespaces/ml/clustervirtualmachineimages", NULL), 404);
	assert_int_equal(status_of(sim, "GET",
				   "/apis/vmoperator.vmware.com/v1alpha1/namespaces/ml/" BINDINGS,
				   NULL),
			 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__vms_are_kept_without_a_schema),
		cmocka_unit_test(test_sim__lists_of_untyped_kinds_keep_to_their_namespace_and_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
