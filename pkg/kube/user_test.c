/* SPDX-License-Identifier: Apache-2.0 */
#include "folder_testbed.h"

static void test_kube__token_file_takes_precedence_over_token(void **state)
{
	static const struct {
		const char *name, *user, *token;
	} rows[] = {
		{ "both", USER("    token: tok-abcdef\n    tokenFile: tok\n"), "file-token" },
		{ "a file that is missing", USER("    token: tok-abcdef\n    tokenFile: none\n"),
		  "tok-abcdef" },
		{ "a token and a password",
		  USER("    token: tok-abcdef\n    username: a\n    password: b\n"), "tok-abcdef" },
		{ "a token and a plugin",
		  USER("    token: tok-abcdef\n    exec: {command: x, apiVersion: " V1BETA1 "}\n"),
		  "tok-abcdef" },
	};

	put(*state, "tok", "file-token\n");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;

		if (load(put(*state, "config", rows[i].user), &c, &err) < 0)
			fail_msg("%s: %s", rows[i].name, err.text);
		assert_string_equal(c->token, rows[i].token);
		assert_null(c->plugin);
		assert_null(c->username);
		assert_string_equal(c->who, "user 'u'");
		np_kube_config_free(c);
	}
}

static void test_kube__the_ca_is_named(void **state)
{
	static const struct {
		const char *name, *text, *ca;
	} rows[] = {
		{ "data", CLUSTER("    certificate-authority-data: QUJD\n"),
		  "the certificate-authority-data of cluster 'c' in '/tmp/" },
		{ "file", CLUSTER("    certificate-authority: ca.pem\n"),
		  "the certificate-authority 'ca.pem' of cluster 'c' in '/tmp/" },
		{ "none", CLUSTER(""),
		  "any CA that this system trusts, and cluster 'c' in '/tmp/" },
	};

	put(*state, "ca.pem", "PEM");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_kube_options o = { .kubeconfig = put(*state, "config", rows[i].text) };
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(np_kube_config_load(&o, &c, &err), 0);
		expect_has(row->name, c->ca_name, row->ca);
		np_kube_config_free(c);
		o.ca_file = put(*state, "flag.pem", "PEM");
		assert_int_equal(np_kube_config_load(&o, &c, &err), 0);
		expect_has(row->name, c->ca_name, "the CA '/tmp/");
		np_kube_config_free(c);
	}
}

static void test_kube__impersonation_is_read(void **state)
{
	const char *const groups[] = { "x y", "z" };
	const char *path = put(*state, "config",
			       USER("    as: jane\n    as-uid: '7'\n    as-groups: [a, b c]\n"
				    "    as-user-extra: {Scope/x: [one, two], y: [three]}\n"));
	struct np_kube_options o = { .kubeconfig = path };
	struct np_kube_config *c = NULL, *copy = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_kube_config_load(&o, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(np_kube_config_clone(c, &copy, &err), 0);
	np_kube_config_free(c);
	assert_string_equal(copy->as_user, "jane");
	assert_string_equal(copy->as_uid, "7");
	assert_int_equal(copy->as_groups.n, 2);
	assert_string_equal(copy->as_groups.items[1], "b c");
	assert_int_equal(copy->as_extra.n, 3);
	assert_string_equal(copy->as_extra.items[1], "Impersonate-Extra-Scope%2Fx: two");
	np_kube_config_free(copy);
	o.as_user = "john";
	o.as_groups = groups;
	o.n_as_groups = 2;
	assert_int_equal(np_kube_config_load(&o, &c, &err), 0);
	assert_string_equal(c->as_user, "john");
	assert_string_equal(c->as_uid, "7");
	assert_int_equal(c->as_groups.n, 2);
	assert_string_equal(c->as_groups.items[0], "x y");
	np_kube_config_free(c);
}

static void test_kube__a_plugin_is_set_up(void **state)
{
	static char variable[] = "KEEP=1", replaced[] = "REPLACED=old", path[] = "PATH=/p",
		    stale[] = "KUBERNETES_EXEC_INFO={}";
	char *environment[] = { variable, replaced, path, stale, NULL };
	const char *config = put(
		*state, "config",
		"current-context: a\n"
		"contexts: [{name: a, context: {cluster: c, user: u}}]\n"
		"clusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: "
		"QUJD, tls-server-name: t, disable-compression: true, proxy-url: 'http://p:1',\n"
		"  extensions: [{name: other, extension: 1}, {name: client.authentication.k8s.io/"
		"exec, extension: {audience: x}}]}}]\n"
		"users: [{name: u, user: {exec: {apiVersion: " V1
		", command: bin/login, args: [a, ''], interactiveMode: Never,\n"
		"  installHint: get it, provideClusterInfo: true, env: [{name: REPLACED, value: "
		"new}, {name: EMPTY}]}}}]\n");
	struct np_kube_options o = { .kubeconfig = config,
				     .environment = environment,
				     .server = "https://other" };
	struct np_kube_config *c = NULL;
	struct np_err err = NP_ERR_INIT;
	char command[128];

	if (np_kube_config_load(&o, &c, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(command, sizeof(command), "%s/bin/login", ((struct folder *)*state)->path);
	assert_string_equal(kube_plugin_command(c->plugin), command);
	assert_int_equal(c->plugin->args.n, 3);
	assert_string_equal(c->plugin->args.items[2], "");
	assert_int_equal(c->plugin->env.n, 4);
	assert_string_equal(c->plugin->env.items[0], "KEEP=1");
	assert_string_equal(c->plugin->env.items[1], "REPLACED=new");
	assert_string_equal(c->plugin->env.items[3], "EMPTY=");
	assert_string_equal(c->plugin->path, "/p");
	assert_string_equal(c->plugin->info,
			    "{\"server\":\"https://other\",\"proxy-url\":\"http://p:1\","
			    "\"certificate-authority-data\":\"QUJD\",\"disable-compression\":true,"
			    "\"config\":{\"audience\":\"x\"}}");
	assert_true(c->no_compression);
	np_kube_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kube__token_file_takes_precedence_over_token,
						make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__the_ca_is_named, make_folder,
						drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__impersonation_is_read, make_folder,
						drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__a_plugin_is_set_up, make_folder,
						drop_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
