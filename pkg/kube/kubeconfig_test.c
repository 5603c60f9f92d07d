/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "kube_fuzz.c"

#include "folder_testbed.h"

#define CORPUS "pkg/kube/testdata/corpus"

static const struct folder *cases_folder;

/* Returns the text with DIR in place of the folder's path; frees the old one. */
static char *hide_folder(char *text)
{
	char *at = strstr(text, cases_folder->path), *hidden = NULL;

	if (!at)
		return text;
	if (asprintf(&hidden, "%.*sDIR%s", (int)(at - text), text,
		     at + strlen(cases_folder->path)) < 0)
		fail_msg("out of memory");
	free(text);
	return hide_folder(hidden);
}

static char *describe_kubeconfig(const char *input)
{
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *const sentinel = (void *)&err, *c = sentinel;
	char *text = NULL;

	assert_true(load(put(cases_folder, "config", input), &c, &err) < 0);
	assert_ptr_equal(c, sentinel);
	assert_null(strstr(err.text, "123456789"));
	assert_null(strstr(err.text, "secret-tok"));
	if (asprintf(&text, "%s: %s", np_code_name(err.code), err.text) < 0)
		fail_msg("out of memory");
	return hide_folder(text);
}

static void test_kube__kubeconfig_errors_name_their_position(void **state)
{
	cases_folder = *state;
	run_cases("pkg/kube/testdata/cases/kubeconfig-cluster.txt", describe_kubeconfig);
	run_cases("pkg/kube/testdata/cases/kubeconfig-user.txt", describe_kubeconfig);
	run_cases("pkg/kube/testdata/cases/kubeconfig-invalid.txt", describe_kubeconfig);
}

static void test_kube__errors_in_a_kubeconfig_show_no_secret(void **state)
{
	static const char *const texts[] = {
		"{\"users\": [{\"user\": {\"token\": sekret-token-1}}]}",
		"{\"users\": [{\"user\": {\"token\": \"sekret-token-1}}]}",
		"users:\n- token: sekret-token-1: x\n",
		"users: [{user: {token: 'sekret-token-1}}]\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;

		assert_true(load(put(*state, "config", texts[i]), &c, &err) < 0);
		if (strstr(err.text, "sekret"))
			fail_msg("%s", err.text);
	}
}

static void test_kube__files_of_the_environment_are_merged(void **state)
{
	const struct folder *f = *state;
	const char *one = put(f, "one",
			      "clusters: [{name: c, cluster: {server: 'https://first'}}]\n"
			      "contexts: [{name: a, context: {cluster: c, user: u}}]\n"
			      "current-context: ''\n");
	const char *two = put(f, "two",
			      "clusters: [{name: c, cluster: {server: 'https://second'}}]\n"
			      "users: [{name: u, user: {tokenFile: tok}}]\n"
			      "current-context: a\n");
	const char *empty = put(f, "empty", "");
	struct np_kube_options o = { 0 };
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c = NULL;
	char list[600];

	put(f, "tok", "file-token \n");
	snprintf(list, sizeof(list), "%s/missing:%s::%s:%s", f->path, empty, one, two);
	o.kubeconfig_env = list;
	if (np_kube_config_load(&o, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(np_kube_config_server(c), "https://first");
	assert_string_equal(np_kube_config_namespace(c), "default");
	assert_string_equal(c->token, "file-token");
	assert_string_equal(c->user_name, "u");
	np_kube_config_free(c);
}

static void test_kube__flags_override(void **state)
{
	const char *text = "current-context: a\n"
			   "clusters: [{name: c, cluster: {server: 'https://h/', "
			   "tls-server-name: kube, certificate-authority-data: QUJD}},\n"
			   " {name: d, cluster: {server: 'http://d:80/k8s/x'}}]\n"
			   "contexts: [{name: a, context: {cluster: c, user: u, namespace: ml}},\n"
			   " {name: b, context: {cluster: d}}]\n"
			   "users: [{name: u, user: {token: tok-of-u}}, {name: v, user: {token: "
			   "tok-of-v}}]\n";
	const char *path = put(*state, "config", text);
	const struct {
		const char *name;
		struct np_kube_options o;
		const char *server, *ns, *token, *tls_server_name;
		bool has_ca, insecure;
	} rows[] = {
		{ "nothing", { 0 }, "https://h", "ml", "tok-of-u", "kube", true, false },
		{ "--context",
		  { .context = "b" },
		  "http://d:80/k8s/x",
		  "default",
		  NULL,
		  NULL,
		  false,
		  false },
		{ "--cluster",
		  { .cluster = "d" },
		  "http://d:80/k8s/x",
		  "ml",
		  "tok-of-u",
		  NULL,
		  false,
		  false },
		{ "--user", { .user = "v" }, "https://h", "ml", "tok-of-v", "kube", true, false },
		{ "--namespace", { .ns = "x" }, "https://h", "x", "tok-of-u", "kube", true, false },
		{ "--token",
		  { .token = "flag-token" },
		  "https://h",
		  "ml",
		  "flag-token",
		  "kube",
		  true,
		  false },
		{ "--server",
		  { .server = "s:1" },
		  "https://s:1",
		  "ml",
		  "tok-of-u",
		  NULL,
		  true,
		  false },
		{ "--insecure",
		  { .insecure = true },
		  "https://h",
		  "ml",
		  "tok-of-u",
		  "kube",
		  false,
		  true },
		{ "--tls-server-name",
		  { .tls_server_name = "q" },
		  "https://h",
		  "ml",
		  "tok-of-u",
		  "q",
		  true,
		  false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_options o = row->o;
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;

		o.kubeconfig = path;
		if (np_kube_config_load(&o, &c, &err) < 0)
			fail_msg("%s: %s", row->name, err.text);
		if (strcmp(c->server, row->server) != 0 || strcmp(c->ns, row->ns) != 0 ||
		    strcmp(c->token ? c->token : "-", row->token ? row->token : "-") != 0 ||
		    strcmp(c->tls_server_name ? c->tls_server_name : "-",
			   row->tls_server_name ? row->tls_server_name : "-") != 0 ||
		    !!c->ca.bytes != row->has_ca || c->insecure != row->insecure)
			fail_msg("%s: %s %s %s %s", row->name, c->server, c->ns,
				 c->token ? c->token : "-",
				 c->tls_server_name ? c->tls_server_name : "-");
		np_kube_config_free(c);
	}
}

static void test_kube__invalid_flags_are_rejected(void **state)
{
	const struct {
		const char *name;
		struct np_kube_options o;
		const char *says;
	} rows[] = {
		{ "nothing", { 0 }, "no API server is configured" },
		{ "a token that breaks its header", { .server = "h", .token = "a\nb" }, "--token" },
		{ "an identity that breaks its header",
		  { .server = "h", .as_user = "a\nb" },
		  "--as" },
		{ "another scheme", { .server = "ftp://h" }, "expected https://" },
		{ "a password", { .server = "https://u:hunter22@h" }, "may not hold a user" },
		{ "a query", { .server = "https://h?x=y" }, "query" },
		{ "no address", { .server = "https://" }, "is not a valid address" },
		{ "unknown context", { .server = "h", .context = "x" }, "context 'x'" },
		{ "unknown cluster", { .server = "h", .cluster = "x" }, "cluster 'x'" },
		{ "insecure with a CA",
		  { .server = "h", .insecure = true, .ca_file = "x" },
		  "insecure flag is not allowed" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *const sentinel = (void *)&state, *c = sentinel;
		struct np_err err = NP_ERR_INIT;

		if (np_kube_config_load(&row->o, &c, &err) != -NP_E_USAGE)
			fail_msg("%s: code %d: %s", row->name, err.code, err.text);
		expect_has(row->name, err.text, row->says);
		assert_null(strstr(err.text, "hunter22"));
		assert_ptr_equal(c, sentinel);
	}
}

static void test_kube__a_pod_uses_its_service_account(void **state)
{
	const struct folder *f = *state;
	struct np_kube_options o = { .service_host = "fd00::1", .service_dir = f->path };
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c = NULL;

	put(f, "token", "pod-token\n");
	put(f, "ca.crt", "PEM");
	put(f, "namespace", "pod-ns\n");
	if (np_kube_config_load(&o, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c->server, "https://[fd00::1]:443");
	assert_string_equal(c->ns, "pod-ns");
	assert_string_equal(c->token, "pod-token");
	assert_string_equal(c->ca.bytes, "PEM");
	np_kube_config_free(c);
}

static void test_kube__each_way_to_name_a_server_counts_as_configured(void **state)
{
	const struct folder *f = *state;
	const char *path = put(f, "config", "");
	const struct {
		const char *name;
		struct np_kube_options o;
		bool want;
	} rows[] = {
		{ "nothing", { 0 }, false },
		{ "a home without the file", { .home = f->path }, false },
		{ "an environment of missing files", { .kubeconfig_env = "/no/a:/no/b" }, false },
		{ "an environment with one file", { .kubeconfig_env = path }, true },
		{ "--kubeconfig", { .kubeconfig = "/no/such" }, true },
		{ "--server", { .server = "h" }, true },
		{ "a pod", { .service_host = "10.0.0.1" }, true },
		{ "an empty service host", { .service_host = "" }, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (np_kube_is_configured(&rows[i].o) != rows[i].want)
			fail_msg("%s", rows[i].name);
}

static void test_kube__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, LLVMFuzzerTestOneInput) > 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_kube__kubeconfig_errors_name_their_position),
		IN_FOLDER(test_kube__errors_in_a_kubeconfig_show_no_secret),
		IN_FOLDER(test_kube__files_of_the_environment_are_merged),
		IN_FOLDER(test_kube__flags_override),
		cmocka_unit_test(test_kube__invalid_flags_are_rejected),
		IN_FOLDER(test_kube__a_pod_uses_its_service_account),
		IN_FOLDER(test_kube__each_way_to_name_a_server_counts_as_configured),
		cmocka_unit_test(test_kube__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
