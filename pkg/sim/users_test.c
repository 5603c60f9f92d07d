/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_sim__users_are_limited_to_their_verbs(void **state)
{
	static const struct {
		const char *sentence, *user, *method, *target;
		unsigned status;
		const char *message;
	} rows[] = {
		{ "anyone sees the version", NULL, "GET", "/version", 200, NULL },
		{ "nobody but users sees groups", NULL, "GET", "/apis", 403,
		  "forbidden: User \"system:anonymous\" cannot get path \"/apis\"" },
		{ "a user without verbs sees groups", "nobody", "GET", "/apis", 200, NULL },
		{ "and no class", "nobody", "GET", GPU, 403,
		  "virtualmachineclasses.vmoperator.vmware.com \"gpu\" is forbidden: User "
		  "\"nobody\" cannot get resource \"virtualmachineclasses\" in API group "
		  "\"vmoperator.vmware.com\" in the namespace \"ml\"" },
		{ "a viewer gets", "viewer", "GET", GPU, 200, NULL },
		{ "lists", "viewer", "GET", API "/virtualmachineclasses", 200, NULL },
		{ "and does not patch", "viewer", "PATCH", GPU, 403, "cannot patch resource" },
		{ "nobody lists everywhere", "nobody", "GET", API "/virtualmachineclasses", 403,
		  "in API group \"vmoperator.vmware.com\" at the cluster scope" },
		{ "a viewer sets no faults", "viewer", "PUT", "/sim/faults", 403, "admin" },
		{ "nor does anyone", NULL, "GET", "/sim/faults", 401, "admin" },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct headers h = as_user(sim, rows[i].user);
		struct np_err err = NP_ERR_INIT;
		const char *message;
		struct result r;

		h.content_type = MERGE;
		assert_int_equal(
			try_request(sim, &h, rows[i].method, rows[i].target, "{}", &r, &err), 0);
		message = text_at(r.body, "message");
		if (r.reply.status != rows[i].status ||
		    (rows[i].message && (!message || !strstr(message, rows[i].message))))
			fail_msg("%s: %u %s", rows[i].sentence, r.reply.status, r.reply.body);
		done(&r);
	}
}

static void test_sim__invalid_tokens_are_refused(void **state)
{
	static const char *const rows[] = { "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "x" };
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct headers h = { .agent = NULL };
		struct np_err err = NP_ERR_INIT;
		struct result r;

		snprintf(h.authorization, sizeof(h.authorization), "%s", rows[i]);
		assert_int_equal(try_request(sim, &h, "GET", "/version", NULL, &r, &err), 0);
		if (r.reply.status != 401)
			fail_msg("'%s': %u", rows[i], r.reply.status);
		done(&r);
	}
}

static void test_sim__unsupported_media_types_are_refused(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	struct result r;

	(void)state;
	h.accept = "text/plain";
	assert_int_equal(try_request(sim, &h, "GET", GPU, NULL, &r, &err), 0);
	assert_int_equal(r.reply.status, 406);
	done(&r);
	h.accept = "application/json;as=Table, application/json";
	assert_int_equal(try_request(sim, &h, "GET", GPU, NULL, &r, &err), 0);
	assert_int_equal(r.reply.status, 200);
	done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__users_are_limited_to_their_verbs),
		cmocka_unit_test(test_sim__invalid_tokens_are_refused),
		cmocka_unit_test(test_sim__unsupported_media_types_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
