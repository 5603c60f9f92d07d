/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static int set_up_folder(void **state)
{
	static char folder[64];

	snprintf(folder, sizeof(folder), "/tmp/nodeprep-sim-test-XXXXXX");
	*state = folder;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down_folder(void **state)
{
	DIR *d = opendir(*state);
	const struct dirent *e;
	char path[400];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", (const char *)*state, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(*state);
}

static void test_sim__state_folder_restores_everything(void **state)
{
	const struct np_sim_options o = { .state_dir = *state };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	NP_AUTO(np_freep) char *config = NULL, *again = NULL;
	struct result before, after;
	struct np_err err = NP_ERR_INIT;
	uint64_t version;

	assert_int_equal(status_of(sim, "POST", ML, gpu_class), 201);
	assert_int_equal(status_of(sim, "POST", ML, CLASS("gone", "")), 201);
	assert_int_equal(status_of(sim, "DELETE", ML "/gone", NULL), 200);
	before = send_request(sim, "GET", GPU, NULL);
	version = sim->store.version;
	assert_int_equal(np_sim_kubeconfig(sim, "https://x:1", &config, &err), 0);
	np_sim_free(np_take(sim));
	sim = new_sim(&o);
	after = send_request(sim, "GET", GPU, NULL);
	assert_true(json_equal(before.body, after.body));
	assert_int_equal(status_of(sim, "GET", ML "/gone", NULL), 404);
	assert_int_equal(sim->store.version, version);
	assert_int_equal(np_sim_kubeconfig(sim, "https://x:1", &again, &err), 0);
	assert_string_equal(config, again);
	done(&before);
	done(&after);
}

static void test_sim__corrupt_state_folder_is_reported(void **state)
{
	static const struct {
		const char *file, *text, *error;
	} rows[] = {
		{ "resource-version", "x", "expected a resource version" },
		{ "ml_gpu.json", "{", "not a JSON object" },
		{ "ml_gpu.json", "{}", "expected a resource version" },
	};
	const struct np_sim_options o = { .state_dir = *state };

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;
		char path[400];
		struct np_sim *sim = (struct np_sim *)path;

		assert_int_equal(sim_state_write(*state, rows[i].file, rows[i].text, &err), 0);
		assert_int_equal(np_sim_new(&o, &sim, &err), -NP_E_SPEC);
		assert_ptr_equal(sim, path);
		if (!strstr(err.text, rows[i].error) || !strstr(err.text, rows[i].file))
			fail_msg("%s: %s", rows[i].file, err.text);
		snprintf(path, sizeof(path), "%s/%s", (const char *)*state, rows[i].file);
		unlink(path);
	}
}

static void test_sim__a_token_file_adds_users(void **state)
{
	char path[400];
	struct np_sim_options o = { .token_file = path };
	struct np_err err = NP_ERR_INIT;
	NP_AUTO(np_sim_freep) struct np_sim *sim = NULL;
	const struct user *patcher;

	snprintf(path, sizeof(path), "%s/tokens", (const char *)*state);
	assert_int_equal(
		sim_state_write(*state, "tokens",
				"# comment\nt0ken,patcher,get,patch,delete\r\nother,idle\n", &err),
		0);
	sim = new_sim(&o);
	patcher = sim_users_by_token(&sim->users, "t0ken");
	assert_non_null(patcher);
	assert_true(sim_user_may(patcher, "patch") && sim_user_may(patcher, "get"));
	assert_false(sim_user_may(patcher, "list") || sim_user_may(patcher, "pat"));
	assert_false(sim_user_may(patcher, "deletecollection"));
	assert_false(sim_user_may(sim_users_by_token(&sim->users, "other"), "get"));
	np_sim_free(np_take(sim));
	assert_int_equal(sim_state_write(*state, "tokens", "a,b\ns3cret\n", &err), 0);
	assert_int_equal(np_sim_new(&o, &sim, &err), -NP_E_SPEC);
	assert_non_null(strstr(err.text, "tokens:2: token,user[,verb...] is needed"));
	assert_null(strstr(err.text, "s3cret"));
}

static void test_sim__documents_are_loaded(void **state)
{
	static const char text[] =
		"kind: Pool\nmetadata: {name: x}\n---\n"
		"apiVersion: vmoperator.vmware.com/v1alpha2\nkind: VirtualMachineClass\n"
		"metadata: {name: one}\nspec: {hardware: {cpus: 2}}\n---\n"
		"apiVersion: v1\nkind: List\nitems:\n"
		"- apiVersion: vmoperator.vmware.com/v1alpha6\n  kind: VirtualMachineClass\n"
		"  metadata: {name: two, namespace: ml}\n";
	const struct np_sim_options o = { .state_dir = NULL };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), 0);
	assert_int_equal(
		status_of(sim, "GET", API "/namespaces/default/virtualmachineclasses/one", NULL),
		200);
	assert_int_equal(status_of(sim, "GET", ML "/two", NULL), 200);
	assert_int_equal(sim->store.n, 2);
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), 0);
	assert_int_equal(sim->store.n, 2);
}

static void test_sim__documents_that_the_api_refuses_are_reported(void **state)
{
	static const char text[] =
		"apiVersion: vmoperator.vmware.com/v1alpha6\nkind: VirtualMachineClass\n"
		"metadata: {name: one}\nspec: {hardware: {cpus: two}}\n";
	const struct np_sim_options o = { .state_dir = NULL };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), -NP_E_SPEC);
	assert_non_null(strstr(err.text, "a.yaml:1:1: VirtualMachineClass"));
	assert_non_null(strstr(err.text, "must be of type integer"));
	assert_int_equal(sim->store.n, 0);
}

static void test_sim__given_namespaces_are_the_only_ones(void **state)
{
	static const char *const names[] = { "ml" };
	const struct np_sim_options o = { .namespaces = names, .n_namespaces = 1 };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	const char *x = API "/namespaces/x/virtualmachineclasses";
	struct result r = send_request(sim, "POST", x, gpu_class);

	(void)state;
	assert_int_equal(r.reply.status, 404);
	assert_string_equal(text_at(r.body, "message"), "namespaces \"x\" not found");
	done(&r);
	assert_int_equal(status_of(sim, "POST", ML, gpu_class), 201);
	assert_int_equal(status_of(sim, "GET", "/api/v1/namespaces/x", NULL), 404);
	assert_int_equal(
		status_of(sim, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"x\"}}"),
		201);
	assert_int_equal(status_of(sim, "POST", x, gpu_class), 201);
	r = send_request(sim, "GET", "/api/v1/namespaces", NULL);
	assert_int_equal(json_array_size(json_object_get(r.body, "items")), 4);
	done(&r);
}

static void test_sim__old_supervisor_has_cluster_scoped_classes(void **state)
{
	const struct np_sim_options o = { .cluster_scoped = true };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	const char *all = "/apis/vmoperator.vmware.com/v1alpha1/virtualmachineclasses";
	static const char body[] = "{\"apiVersion\":\"vmoperator.vmware.com/v1alpha1\",\"kind\":"
				   "\"VirtualMachineClass\",\"metadata\":{\"name\":\"gpu\"}}";
	char one[200];
	struct result r;

	(void)state;
	snprintf(one, sizeof(one), "%s/gpu", all);
	assert_int_equal(status_of(sim, "POST", all, body), 201);
	r = send_request(sim, "PATCH", one, "{\"spec\":{\"description\":\"d\"}}");
	assert_int_equal(r.reply.status, 200);
	assert_null(text_at(r.body, "metadata/namespace"));
	assert_null(header_of(&r, "Warning"));
	done(&r);
	assert_int_equal(status_of(sim, "GET", API, NULL), 404);
	assert_int_equal(status_of(sim, "GET", OLD, NULL), 404);
	r = send_request(sim, "GET", "/apis/vmoperator.vmware.com", NULL);
	assert_string_equal(text_at(r.body, "preferredVersion/version"), "v1alpha1");
	done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sim__state_folder_restores_everything,
						set_up_folder, tear_down_folder),
		cmocka_unit_test_setup_teardown(test_sim__corrupt_state_folder_is_reported,
						set_up_folder, tear_down_folder),
		cmocka_unit_test_setup_teardown(test_sim__a_token_file_adds_users, set_up_folder,
						tear_down_folder),
		cmocka_unit_test(test_sim__documents_are_loaded),
		cmocka_unit_test(test_sim__documents_that_the_api_refuses_are_reported),
		cmocka_unit_test(test_sim__given_namespaces_are_the_only_ones),
		cmocka_unit_test(test_sim__old_supervisor_has_cluster_scoped_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
