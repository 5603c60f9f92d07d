/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#include "kube_fuzz.c"

#define CORPUS "pkg/kube/testdata/corpus"

#define HAS(text, part)                                                           \
	do {                                                                      \
		if (!strstr(text, part))                                          \
			fail_msg("%s: '%s' lacks '%s'", row->name, (text), part); \
	} while (0)

/* --- a folder of its own for each test ------------------------------------------------------- */

struct folder {
	char path[64];
};

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	strlcpy(f->path, "/tmp/nodeprep-kube-XXXXXX", sizeof(f->path));
	*state = f;
	return mkdtemp(f->path) ? 0 : -1;
}

static int drop_folder(void **state)
{
	struct folder *f = *state;
	DIR *dir = opendir(f->path);
	struct dirent *entry;
	char path[512];

	while (dir && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", f->path, entry->d_name);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(f->path);
	free(f);
	return 0;
}

/* Writes a file into the folder and returns its path, good until the next but three. */
static const char *put(const struct folder *f, const char *name, const char *text)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];
	FILE *file;

	snprintf(path, sizeof(paths[0]), "%s/%s", f->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

/* --- files ----------------------------------------------------------------------------------- */

static void test_kube__a_file_is_loaded_whole(void **state)
{
	const char *path = put(*state, "x", "hello\n");
	struct np_err err = NP_ERR_INIT;
	char *bytes = NULL;
	size_t size = 0;

	assert_int_equal(np_file_load(path, 6, &bytes, &size, &err), 0);
	assert_int_equal(size, 6);
	assert_string_equal(bytes, "hello\n");
	free(bytes);
}

static void test_kube__a_pipe_is_loaded_until_its_end(void **state)
{
	struct np_err err = NP_ERR_INIT;
	char *bytes = NULL, path[64], chunk[40000];
	size_t size = 0;
	int fds[2];

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], chunk, sizeof(chunk)), sizeof(chunk));
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	assert_int_equal(np_file_load(path, 1 << 20, &bytes, &size, &err), 0);
	assert_int_equal(size, sizeof(chunk));
	assert_int_equal(bytes[size], '\0');
	free(bytes);
	close(fds[0]);
}

static void test_kube__a_file_that_cannot_be_loaded_is_told(void **state)
{
	static const struct {
		const char *name, *path, *says;
	} rows[] = {
		{ "missing", "no-such.yaml", "'no-such.yaml': no such file" },
		{ "a folder", "/tmp", "'/tmp': is a directory" },
		{ "without an end", "/dev/zero", "'/dev/zero': larger than 100000 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char sentinel, *bytes = &sentinel;
		size_t size = 77;
		__typeof__(rows[0]) *row = &rows[i];

		assert_int_equal(np_file_load(row->path, 100000, &bytes, &size, &err), -NP_E_IO);
		HAS(err.text, row->says);
		assert_ptr_equal(bytes, &sentinel);
		assert_int_equal(size, 77);
	}
}

/* --- redaction ------------------------------------------------------------------------------- */

static void test_kube__secrets_are_redacted(void **state)
{
	static const struct {
		const char *name, *text;
		size_t size;
		const char *want;
	} rows[] = {
		{ "no secret", "plain words", 64, "plain words" },
		{ "alone", "tok-abcdef", 64, "[redacted]" },
		{ "twice, in the midst", "a tok-abcdef b tok-abcdef.", 64,
		  "a [redacted] b [redacted]." },
		{ "the longer of two", "tok-abcdef-long!", 64, "[redacted]!" },
		{ "side by side", "hunter2tok-abcdef", 64, "[redacted][redacted]" },
		{ "too short to be one", "abc", 64, "abc" },
		{ "a line of a key", "key is MIIEowIBAAKC here", 64, "key is [redacted] here" },
		{ "the armour of a key is none", "-----BEGIN KEY-----", 64, "-----BEGIN KEY-----" },
		{ "at the cut", "0123456789 tok-abcdef", 16, "0123456789 ..." },
		{ "cut without a secret", "0123456789", 8, "0123..." },
		{ "just fits", "0123456", 8, "0123456" },
	};
	const char *key = "-----BEGIN KEY-----\nMIIEowIBAAKC\nxy\n-----END KEY-----\n";
	struct kube_secrets s = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "tok-abcdef-long", 15, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "hunter2", 7, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "abc", 3, &err), 0);
	assert_int_equal(kube_secrets_add_lines(&s, key, strlen(key), &err), 0);
	assert_int_equal(s.n, 4);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[64];

		kube_redact(&s, rows[i].text, buf, rows[i].size);
		if (strcmp(buf, rows[i].want) != 0)
			fail_msg("%s: '%s'", rows[i].name, buf);
	}
	kube_secrets_done(&s);
}

static void test_kube__old_tokens_are_forgotten(void **state)
{
	struct kube_secrets s = { 0 };
	struct np_err err = NP_ERR_INIT;
	char text[64];

	(void)state;
	assert_int_equal(kube_secrets_add(&s, "password-1", 10, &err), 0);
	assert_int_equal(kube_secrets_add(&s, "password-2", 10, &err), 0);
	s.rotates = true;
	s.n_fixed = 2;
	for (unsigned i = 0; i < 2 * KUBE_SECRETS_ROTATED_MAX; i++) {
		snprintf(text, sizeof(text), "token-%06u", i);
		assert_int_equal(kube_secrets_add(&s, text, strlen(text), &err), 0);
	}
	assert_int_equal(s.n, 2 + KUBE_SECRETS_ROTATED_MAX);
	assert_string_equal(s.texts[1], "password-2");
	assert_string_equal(s.texts[s.n - 1], text);
	kube_redact(&s, "password-1 token-000511 token-000000", text, sizeof(text));
	assert_string_equal(text, "[redacted] [redacted] token-000000");
	kube_secrets_done(&s);
}

/* --- kubeconfig ------------------------------------------------------------------------------ */

#define CLUSTER(fields)                                           \
	"current-context: a\n"                                    \
	"contexts: [{name: a, context: {cluster: c, user: u}}]\n" \
	"users: [{name: u, user: {}}]\n"                          \
	"clusters:\n- name: c\n  cluster:\n    server: https://h:6443\n" fields
#define USER(fields)                                              \
	"current-context: a\n"                                    \
	"contexts: [{name: a, context: {cluster: c, user: u}}]\n" \
	"clusters: [{name: c, cluster: {server: 'https://h'}}]\n" \
	"users:\n- name: u\n  user:\n" fields

#define V1 "client.authentication.k8s.io/v1"
#define V1BETA1 "client.authentication.k8s.io/v1beta1"

static int load(const char *path, struct np_kube_config **ret, struct np_err *err)
{
	const struct np_kube_options o = { .kubeconfig = path };

	return np_kube_config_load(&o, ret, err);
}

static void test_kube__kubeconfig_errors_name_their_place(void **state)
{
	static const struct {
		const char *name, *text;
		enum np_code code;
		const char *says;
	} rows[] = {
		{ "unknown current-context",
		  "current-context: x\ncontexts: [{name: a, context: {}}, {name: b, context: {}}]\n",
		  NP_E_USAGE, "context 'x' does not exist in the kubeconfig: it has 'a', 'b'" },
		{ "no context at all", "current-context: x\n", NP_E_USAGE, "has no contexts" },
		{ "unknown cluster",
		  "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\n", NP_E_SPEC,
		  "config:2:41: cluster 'c' does not exist" },
		{ "CA no base64", CLUSTER("    certificate-authority-data: 'ab!d'\n"), NP_E_SPEC,
		  "config:8:33: certificate-authority-data is not base64" },
		{ "CA file missing", CLUSTER("    certificate-authority: ca.crt\n"), NP_E_IO,
		  "config:8:28: certificate-authority: '" },
		{ "CA and insecure",
		  CLUSTER("    insecure-skip-tls-verify: true\n    certificate-authority: x\n"),
		  NP_E_SPEC, "root certificates file with the insecure flag is not allowed" },
		{ "token is a number", USER("    token: 123456789\n"), NP_E_SPEC,
		  "config:7:12: token must be a string" },
		{ "token with a newline", USER("    token: \"secret-tok\\nX: y\"\n"), NP_E_SPEC,
		  "token holds a blank or a control character" },
		{ "certificate without key", USER("    client-certificate-data: YWJj\n"), NP_E_SPEC,
		  "client certificate without a client key" },
		{ "a cluster twice", CLUSTER("- name: c\n  cluster: {server: 'https://other'}\n"),
		  NP_E_SPEC, "config:8:3: cluster 'c' is a duplicate" },
		{ "auth-provider", USER("    auth-provider: {name: oidc}\n"), NP_E_USAGE,
		  "user 'u': auth-provider" },
		{ "a plugin of a version that is gone",
		  USER("    exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}\n"),
		  NP_E_SPEC,
		  "config:7:36: user 'u': exec plugin: invalid apiVersion "
		  "'client.authentication.k8s.io/v1alpha1'" },
		{ "a plugin without a version", USER("    exec: {command: x}\n"), NP_E_SPEC,
		  "user 'u': exec needs an apiVersion" },
		{ "a plugin without a command", USER("    exec: {apiVersion: " V1BETA1 "}\n"),
		  NP_E_SPEC, "user 'u': exec needs a command" },
		{ "a plugin of v1 without a mode",
		  USER("    exec: {command: x, apiVersion: " V1 "}\n"), NP_E_SPEC,
		  "interactiveMode must be specified" },
		{ "a plugin with an odd mode",
		  USER("    exec: {command: x, interactiveMode: Sometimes, apiVersion: " V1 "}\n"),
		  NP_E_SPEC, "invalid interactiveMode 'Sometimes'" },
		{ "a plugin's variable without a name",
		  USER("    exec: {command: x, env: [{value: 'secret-tok'}], apiVersion: " V1BETA1
		       "}\n"),
		  NP_E_SPEC, "an environment variable has no name" },
		{ "a plugin's variable that is a number",
		  USER("    exec: {command: x, env: [{name: A, value: 123456789}], apiVersion: " V1BETA1
		       "}\n"),
		  NP_E_SPEC, "value must be a string" },
		{ "a plugin that is a list", USER("    exec: [a]\n"), NP_E_SPEC, "config:7:11: " },
		{ "groups without a user", USER("    as-groups: [a]\n"), NP_E_USAGE,
		  "groups or user-extra without impersonating a user" },
		{ "a group that breaks its header", USER("    as: a\n    as-groups: [\"a\\nb\"]\n"),
		  NP_E_SPEC, "holds a control character" },
		{ "groups that are no list", USER("    as: a\n    as-groups: b\n"), NP_E_SPEC,
		  "config:8:16: " },
		{ "a proxy of another kind", CLUSTER("    proxy-url: ftp://secret-tok@h\n"),
		  NP_E_SPEC,
		  "config:8:16: proxy-url must start with http://, https:// or socks5://" },
		{ "no mapping", "- a\n", NP_E_SPEC, "config:1:1: not a kubeconfig" },
		{ "clusters is no list", "current-context: a\ncontexts: {}\n", NP_E_SPEC,
		  "config:2:" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct np_kube_config *const sentinel = (void *)&err, *c = sentinel;
		__typeof__(rows[0]) *row = &rows[i];

		if (load(put(*state, "config", row->text), &c, &err) != -(int)row->code)
			fail_msg("%s: code %d: %s", row->name, err.code, err.text);
		HAS(err.text, row->says);
		assert_ptr_equal(c, sentinel);
		assert_null(strstr(err.text, "123456789"));
		assert_null(strstr(err.text, "secret-tok"));
	}
}

static void test_kube__a_broken_kubeconfig_does_not_spill_what_it_holds(void **state)
{
	static const char *const texts[] = {
		"{\"users\": [{\"user\": {\"token\": sekret-token-1}}]}",
		"{\"users\": [{\"user\": {\"token\": \"sekret-token-1}}]}",
		"users:\n- token: sekret-token-1: x\n",
		"users: [{user: {token: 'sekret-token-1}}]\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
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

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
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
		    (c->ca.bytes != NULL) != row->has_ca || c->insecure != row->insecure)
			fail_msg("%s: %s %s %s %s", row->name, c->server, c->ns,
				 c->token ? c->token : "-",
				 c->tls_server_name ? c->tls_server_name : "-");
		np_kube_config_free(c);
	}
}

static void test_kube__impossible_flags_are_refused(void **state)
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *const sentinel = (void *)&state, *c = sentinel;
		struct np_err err = NP_ERR_INIT;

		if (np_kube_config_load(&row->o, &c, &err) != -NP_E_USAGE)
			fail_msg("%s: code %d: %s", row->name, err.code, err.text);
		HAS(err.text, row->says);
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

static void test_kube__is_configured_by_any_way_to_a_server(void **state)
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

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (np_kube_is_configured(&rows[i].o) != rows[i].want)
			fail_msg("%s", rows[i].name);
}

/* --- what a kubeconfig leads to -------------------------------------------------------------- */

static void test_kube__a_token_file_stands_before_a_token(void **state)
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_kube_options o = { .kubeconfig = put(*state, "config", rows[i].text) };
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(np_kube_config_load(&o, &c, &err), 0);
		HAS(c->ca_name, row->ca);
		np_kube_config_free(c);
		o.ca_file = put(*state, "flag.pem", "PEM");
		assert_int_equal(np_kube_config_load(&o, &c, &err), 0);
		HAS(c->ca_name, "the CA '/tmp/");
		np_kube_config_free(c);
	}
}

static void test_kube__whom_to_be(void **state)
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

/* --- proxies --------------------------------------------------------------------------------- */

static void test_kube__proxies_are_excepted_as_go_does(void **state)
{
	static const struct {
		const char *name, *no_proxy, *host, *port;
		bool want;
	} rows[] = {
		{ "no list", NULL, "h", "443", false },
		{ "localhost", NULL, "localhost", "443", true },
		{ "loopback", NULL, "127.3.2.1", "443", true },
		{ "loopback of IPv6", NULL, "::1", "443", true },
		{ "a star", "x,*", "h", "443", true },
		{ "a domain for itself", "Lab.example", "lab.example", "443", true },
		{ "a domain for what is below", "lab.example", "a.LAB.example", "443", true },
		{ "no domain, though its end", "lab.example", "xlab.example", "443", false },
		{ "a dot in front: not for itself", ".lab.example", "lab.example", "443", false },
		{ "a dot in front: for what is below", ".lab.example", "a.lab.example", "443",
		  true },
		{ "a star in front", "*.lab.example", "a.lab.example", "443", true },
		{ "a star in front: not for itself", "*.lab.example", "lab.example", "443", false },
		{ "the port", "h:6443", "h", "6443", true },
		{ "another port", "h:6443", "h", "443", false },
		{ "an address", "10.1.2.3", "10.1.2.3", "443", true },
		{ "an address with its port", "10.1.2.3:6443", "10.1.2.3", "6443", true },
		{ "a network", " 10.0.0.0/8 ", "10.1.2.3", "443", true },
		{ "another network", "10.0.0.0/9", "10.200.2.3", "443", false },
		{ "a network and a name", "10.0.0.0/8", "h", "443", false },
		{ "all of IPv4 is not IPv6", "0.0.0.0/0", "fd00::1", "443", false },
		{ "an IPv6 network", "fd00::/8", "fd00::1", "443", true },
		{ "an IPv6 address", "fd00::1", "fd00:0::1", "443", true },
		{ "an IPv6 address with its port", "[fd00::1]:6443", "fd00::1", "6443", true },
		{ "an IPv6 address with another port", "[fd00::1]:6443", "fd00::1", "443", false },
		{ "empty entries", ",,:80,", "h", "80", false },
		{ "no network", "10.0.0.0/x", "10.0.0.1", "443", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		bool got = !rows[i].want;

		assert_int_equal(kube_proxy_is_excepted(rows[i].no_proxy, rows[i].host,
							rows[i].port, &got, &err),
				 0);
		if (got != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

static void test_kube__which_proxy_is_used(void **state)
{
	static const struct {
		const char *name;
		struct np_kube_options o;
		const char *host, *want; /* NULL: refused */
	} rows[] = {
		{ "none", { .server = "https://h" }, "h", "" },
		{ "of TLS",
		  { .server = "https://h", .proxy = "p:1", .http_proxy = "q:1" },
		  "h",
		  "http://p:1" },
		{ "without TLS",
		  { .server = "http://h", .proxy = "p:1", .http_proxy = "q:1" },
		  "h",
		  "http://q:1" },
		{ "SOCKS resolves the name",
		  { .server = "https://h", .proxy = "socks5://p:1" },
		  "h",
		  "socks5h://p:1" },
		{ "excepted", { .server = "https://h", .proxy = "p:1", .no_proxy = "h" }, "h", "" },
		{ "loopback", { .server = "https://h", .proxy = "p:1" }, "127.0.0.1", "" },
		{ "another kind", { .server = "https://h", .proxy = "ftp://p:1" }, "h", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct np_kube_config *c = NULL;
		struct np_err err = NP_ERR_INIT;
		char *url = NULL;
		int r;

		assert_int_equal(np_kube_config_load(&row->o, &c, &err), 0);
		r = kube_proxy_choose(c, row->host, "443", &url, &err);
		if ((r < 0) != !row->want || (url && strcmp(url, row->want) != 0))
			fail_msg("%s: '%s'", row->name, url ? url : err.text);
		free(url);
		np_kube_config_free(c);
	}
}

/* --- small things ---------------------------------------------------------------------------- */

static void test_kube__times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} rows[] = {
		{ "1970-01-01T00:00:10Z", 10 },
		{ "1970-01-01T01:00:10.123456789+01:00", 10 },
		{ "1969-12-31t23:30:00-00:30", 0 },
		{ "2026-11-25T19:00:00Z", 1795633200 },
		{ "2026-11-25 19:00:00Z", -1 },
		{ "2026-11-25T19:00:00", -1 },
		{ "2026-13-25T19:00:00Z", -1 },
		{ "2026-00-25T19:00:00Z", -1 },
		{ "2026-11-25T19:00:00.Z", -1 },
		{ "2026-11-25T19:00:00Zx", -1 },
		{ "2026-11-25T19:00:00+0100", -1 },
		{ "tomorrow", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t got = -1;

		if (kube_time_parse(rows[i].text, &got) != (rows[i].want >= 0) ||
		    got != rows[i].want)
			fail_msg("'%s': %lld", rows[i].text, (long long)got);
	}
}

static void test_kube__base64_is_read_strictly(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "QUJD", "ABC" }, { "QUI=", "AB" }, { "QQ==", "A" },  { "QU\n JD\n", "ABC" },
		{ "QUJ", NULL },   { "Q===", NULL }, { "QU=D", NULL }, { "QUJ!", NULL },
		{ "QUJD-", NULL }, { "", NULL },     { "====", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kube_blob blob = { 0 };
		bool ok = kube_base64_decode(rows[i].text, &blob);

		if (ok != (rows[i].want != NULL) || (ok && (strcmp(blob.bytes, rows[i].want) != 0 ||
							    blob.size != strlen(rows[i].want))))
			fail_msg("'%s' gives '%s'", rows[i].text, ok ? blob.bytes : "(refused)");
		free(blob.bytes);
	}
}

/* --- answers --------------------------------------------------------------------------------- */

static const struct kube_call class_call = { .verb = "patch",
					     .method = "PATCH",
					     .path = "/x?secretquery",
					     .resource =
						     "virtualmachineclasses.vmoperator.vmware.com",
					     .ns = "ml",
					     .name = "gpu" };
static const struct kube_call path_call = { .verb = "get", .method = "GET", .path = "/apis?q=1" };

#define STATUS(message) "{\"kind\":\"Status\",\"message\":\"" message "\"}"
#define WHAT "virtualmachineclasses.vmoperator.vmware.com 'gpu' in namespace 'ml'"

static void test_kube__statuses_have_their_codes_and_words(void **state)
{
	static const struct {
		const char *name;
		const struct kube_call *call;
		long status;
		const char *body;
		enum np_code code;
		const char *says;
	} rows[] = {
		{ "created", &class_call, 201, "{}", NP_OK, "" },
		{ "redirect", &class_call, 302, "", NP_E_REFUSED, "redirect (302)" },
		{ "bad request", &class_call, 400, STATUS("no"), NP_E_REFUSED,
		  WHAT ": the server refuses this (400): no" },
		{ "not known", &class_call, 401, STATUS("Unauthorized"), NP_E_REFUSED,
		  "does not accept the credentials of user 'admin' (401)" },
		{ "not allowed", &class_call, 403, STATUS("RBAC"), NP_E_FORBIDDEN,
		  "forbidden: may not patch virtualmachineclasses.vmoperator.vmware.com in "
		  "namespace 'ml': RBAC" },
		{ "not allowed on a path", &path_call, 403, "", NP_E_FORBIDDEN,
		  "may not get '/apis'" },
		{ "not found", &class_call, 404, STATUS("x"), NP_E_NOT_FOUND, WHAT " not found" },
		{ "conflict", &class_call, 409, STATUS("modified"), NP_E_CONFLICT, "modified" },
		{ "exists", &class_call, 409, STATUS("already exists"), NP_E_CONFLICT, "exists" },
		{ "invalid", &class_call, 422, STATUS("unknown field"), NP_E_REFUSED,
		  "(422): unknown field" },
		{ "overload", &class_call, 429, "", NP_E_RETRY, "overloaded (429)" },
		{ "failure", &class_call, 500, STATUS("etcd"), NP_E_RETRY, "(500): etcd" },
		{ "bad gateway", &class_call, 502, "<html>", NP_E_RETRY, "(502)" },
		{ "unavailable", &class_call, 503, "plain text\n", NP_E_RETRY,
		  "(503): plain text" },
		{ "gateway timeout", &class_call, 504, NULL, NP_E_RETRY, "(504)" },
		{ "unheard of", &class_call, 599, "", NP_E_RETRY, "(599)" },
		{ "an object echoed", &class_call, 422,
		  STATUS(" \\\"\\\" is invalid: Invalid value: \\\"{a: {b: x}}\\\": unknown field "
			 "\\\"c\\\""),
		  NP_E_REFUSED,
		  "(422): \"\" is invalid: Invalid value: {...}: unknown field \"c\"" },
		{ "a secret echoed", &class_call, 422, STATUS("you sent tok-abcdef!"), NP_E_REFUSED,
		  "you sent [redacted]!" },
	};
	char *texts[] = { (char[]){ "tok-abcdef" } };
	const struct kube_secrets secrets = { .n = 1, .texts = texts };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		const struct kube_answer a = { .status = row->status,
					       .body = row->body,
					       .size = row->body ? strlen(row->body) : 0,
					       .retry_after = "",
					       .who = "user 'admin'",
					       .secrets = &secrets };
		struct np_err err = NP_ERR_INIT;

		if (kube_answer_check(row->call, &a, &err) != -(int)row->code)
			fail_msg("%s: code %d: %s", row->name, err.code, err.text);
		HAS(err.text, row->says);
		assert_null(strstr(err.text, "secretquery"));
		assert_null(strstr(err.text, "<html>"));
	}
}

static void test_kube__a_long_message_is_cut(void **state)
{
	const struct kube_secrets secrets = { 0 };
	char body[5000] = "{\"kind\":\"Status\",\"message\":\"";
	struct kube_answer a = { .status = 422,
				 .body = body,
				 .retry_after = "",
				 .who = "user 'u'",
				 .secrets = &secrets };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	memset(body + strlen(body), 'm', 4000);
	strlcat(body, "\"}", sizeof(body));
	a.size = strlen(body);
	assert_int_equal(kube_answer_check(&class_call, &a, &err), -NP_E_REFUSED);
	assert_true(strlen(err.text) < 500);
	assert_string_equal(err.text + strlen(err.text) - 4, "m...");
}

static void test_kube__which_statuses_are_sent_again(void **state)
{
	static const long again[] = { 429, 500, 502, 503, 504 };
	static const long never[] = { 200, 302, 400, 401, 403, 404, 409, 410, 422, 501, 505 };

	(void)state;
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		if (!kube_status_is_retried(again[i]))
			fail_msg("%ld is not", again[i]);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (kube_status_is_retried(never[i]))
			fail_msg("%ld is", never[i]);
	assert_true(kube_answer_is_retried(&(struct kube_answer){ .status = 500, .body = "etcd" }));
	assert_false(kube_answer_is_retried(&(struct kube_answer){
		.status = 500,
		.body = "{\"message\":\"failed to create typed patch object (x)\"}" }));
}

static void test_kube__retry_after_is_seconds_or_a_date(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* ms, seen from 2026-10-21 07:28:00; < 0: neither */
	} rows[] = {
		{ "0", 0 },
		{ " 17 ", 17000 },
		{ "99999999999999999999", 100000000000 },
		{ "Wed, 21 Oct 2026 07:28:30 GMT", 30000 },
		{ "Wed, 21 Oct 2026 07:00:00 GMT", 0 },
		{ "", -1 },
		{ "-5", -1 },
		{ "soon", -1 },
		{ "5 minutes", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t ms = 77;
		bool ok = kube_retry_after(rows[i].text, 1792567680, &ms);

		if (ok != (rows[i].want >= 0) || ms != (ok ? (uint64_t)rows[i].want : 77))
			fail_msg("'%s': %d, %llu ms", rows[i].text, ok, (unsigned long long)ms);
	}
}

static void test_kube__the_body_may_say_how_long_to_wait(void **state)
{
	const char *body = "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":3}}";
	struct kube_answer a = { .status = 429, .body = body, .size = strlen(body) };
	uint64_t ms = 77;

	(void)state;
	a.retry_after = "";
	assert_true(kube_answer_wait(&a, 0, &ms));
	assert_int_equal(ms, 3000);
	a.retry_after = "1";
	assert_true(kube_answer_wait(&a, 0, &ms));
	assert_int_equal(ms, 1000);
}

static void test_kube__backoff_doubles_up_to_five_seconds(void **state)
{
	static const struct {
		unsigned attempt;
		uint64_t least, most;
	} rows[] = {
		{ 0, 50, 150 },    { 1, 100, 300 },    { 2, 200, 600 },    { 5, 1600, 4800 },
		{ 6, 2500, 7500 }, { 20, 2500, 7500 }, { 64, 2500, 7500 }, { 1000, 2500, 7500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(kube_backoff(rows[i].attempt, 0), rows[i].least);
		assert_int_equal(kube_backoff(rows[i].attempt, UINT32_MAX), rows[i].most);
	}
}

static void test_kube__what_an_answer_cannot_say_is_told_with_its_object(void **state)
{
	static const struct {
		const char *name, *body, *says;
	} rows[] = {
		{ "a number in a list",
		  "{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"n1\"},\"x\":1},"
		  "{\"metadata\":{\"name\":\"b\",\"namespace\":\"n2\"},"
		  "\"spec\":{\"y\":[0,99999999999999999999]}}]}",
		  ".com 'b' in namespace 'n2': the server's answer holds a number beyond 64 bits "
		  "at .spec.y[1]" },
		{ "a NUL in an object", "{\"metadata\":{\"name\":\"gpu\"},\"spec\":\"a\\u0000b\"}",
		  WHAT ": the server's answer holds a NUL character at .spec" },
		{ "HTML", "<html>", "is not a JSON object" },
		{ "nothing", "", "is not a JSON object" },
		{ "a list", "[]", "is not a JSON object" },
		{ "half an object", "{\"a\":", "is not a JSON object" },
	};
	const struct kube_secrets secrets = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		const struct kube_answer a = { .status = 200,
					       .body = row->body,
					       .size = strlen(row->body),
					       .secrets = &secrets };
		struct np_err err = NP_ERR_INIT;
		json_t *const sentinel = (void *)&err, *root = sentinel;

		assert_int_equal(kube_body_parse(&class_call, &a, &root, &err), -NP_E_REFUSED);
		HAS(err.text, row->says);
		assert_ptr_equal(root, sentinel);
	}
}

static void test_kube__warnings_are_read(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: none */
	} rows[] = {
		{ " 299 - \"v1 is deprecated\"", "v1 is deprecated" },
		{ "299 - \"say \\\"x\\\"\" \"date\"", "say \"x\"" },
		{ "199 - \"other\"", NULL },
		{ "299 - none", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[64] = "";
		bool ok = kube_warning_parse(rows[i].value, buf, sizeof(buf));

		assert_int_equal(ok, rows[i].want != NULL);
		if (ok)
			assert_string_equal(buf, rows[i].want);
	}
}

static void test_kube__broken_connections_are_told_apart(void **state)
{
	static const struct kube_peer blank = { .names = "" }, old_ca = { .depth = 1,
									  .subject = "CN=ca",
									  .not_after = "then" };
	static const struct kube_peer seen = {
		.names = "'a', '::1'", .issuer = "CN=x", .not_before = "once", .not_after = "then"
	};
	static const struct {
		const char *name;
		struct kube_trouble t;
		enum kube_again again;
		enum np_code code;
		const char *says;
	} rows[] = {
		{ "refused",
		  { .code = CURLE_COULDNT_CONNECT, .os_errno = 111, .detail = "" },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "cannot reach https://s: connection refused" },
		{ "no such host",
		  { .code = CURLE_COULDNT_RESOLVE_HOST, .detail = "" },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "cannot be resolved" },
		{ "timeout",
		  { .code = CURLE_OPERATION_TIMEDOUT, .detail = "", .elapsed_ms = 1500 },
		  KUBE_MAYBE,
		  NP_E_RETRY,
		  "no answer within 1500 ms" },
		{ "cut",
		  { .code = CURLE_GOT_NOTHING, .detail = "" },
		  KUBE_MAYBE,
		  NP_E_RETRY,
		  "the connection was cut" },
		{ "other CA",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 20, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "not signed by the CA 'ca.crt' (its issuer calls itself 'CN=x')" },
		{ "another CA, of a server of which nothing was seen",
		  { .code = CURLE_PEER_FAILED_VERIFICATION,
		    .verify = 20,
		    .detail = "",
		    .peer = &blank },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "not signed by the CA 'ca.crt'" },
		{ "expired",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 10, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the server's certificate has expired (on then)" },
		{ "not yet valid",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .verify = 9, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "check this machine's clock (from once)" },
		{ "the CA has expired",
		  { .code = CURLE_PEER_FAILED_VERIFICATION,
		    .verify = 10,
		    .detail = "",
		    .peer = &old_ca },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the CA certificate 'CN=ca', which the server's certificate leads to, is not valid: "
		  "it has expired on then" },
		{ "the proxy wants a password",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 407 },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the proxy does not let us through without a user and password" },
		{ "the proxy refuses",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 403 },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "https://s: the proxy refuses to connect (403)" },
		{ "the proxy cannot reach the server",
		  { .code = CURLE_RECV_ERROR, .detail = "", .proxy_status = 502 },
		  KUBE_UNSENT,
		  NP_E_RETRY,
		  "the proxy refuses to connect (502)" },
		{ "other name",
		  { .code = CURLE_PEER_FAILED_VERIFICATION, .detail = "" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "the host name 'h' is not in the server's certificate, which is for 'a', '::1': "
		  "tls-server-name" },
		{ "client certificate refused",
		  { .code = CURLE_RECV_ERROR,
		    .detail = "SSL_read: error:0A000418:SSL routines::tlsv1 alert unknown ca" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "refuses the client certificate of user 'u'" },
		{ "plain text on the port",
		  { .code = CURLE_SSL_CONNECT_ERROR, .detail = "x: wrong version number" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "does not speak TLS" },
		{ "bad CA",
		  { .code = CURLE_SSL_CACERT_BADFILE, .detail = "x" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "expected PEM" },
		{ "unheard of",
		  { .code = CURLE_FTP_WEIRD_PASV_REPLY, .detail = "odd" },
		  KUBE_NEVER,
		  NP_E_REFUSED,
		  "https://s: odd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		__typeof__(rows[0]) *row = &rows[i];
		struct kube_trouble t = row->t;
		struct np_err err = NP_ERR_INIT;

		t.server = "https://s";
		t.host = "h";
		t.user = "u";
		t.ca = "the CA 'ca.crt'";
		t.peer = t.peer ? t.peer : &seen;
		if (kube_trouble_again(&t) != row->again ||
		    kube_trouble_fail(&t, &err) != -(int)row->code)
			fail_msg("%s: again %d, code %d: %s", row->name, kube_trouble_again(&t),
				 err.code, err.text);
		HAS(err.text, row->says);
	}
}

static void test_kube__names_are_escaped_in_paths(void **state)
{
	static const struct np_kube_resource classes = { "vmoperator.vmware.com", "v1alpha2",
							 "virtualmachineclasses", true };
	static const struct np_kube_resource nodes = { "", "v1", "nodes", false };
	static const struct {
		const struct np_kube_resource *r;
		const char *ns, *name, *want; /* NULL: refused */
	} rows[] = {
		{ &classes, "ml", "gpu",
		  "/apis/vmoperator.vmware.com/v1alpha2/namespaces/ml/virtualmachineclasses/gpu" },
		{ &classes, NULL, NULL,
		  "/apis/vmoperator.vmware.com/v1alpha2/virtualmachineclasses" },
		{ &nodes, "ml", "a b?c#d&e", "/api/v1/nodes/a%20b%3Fc%23d%26e" },
		{ &nodes, NULL, "\xc3\xa9", "/api/v1/nodes/%C3%A9" },
		{ &nodes, NULL, "..", NULL },
		{ &nodes, NULL, ".", NULL },
		{ &nodes, NULL, "", NULL },
		{ &nodes, NULL, "a/b", NULL },
		{ &nodes, NULL, "a%2fb", NULL },
		{ &classes, "", "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char *path = NULL;
		int r = kube_path(rows[i].r, rows[i].ns, rows[i].name, &path, &err);

		assert_int_equal(r, rows[i].want ? 0 : -NP_E_SPEC);
		if (r == 0)
			assert_string_equal(path, rows[i].want);
		else
			assert_null(path);
		free(path);
	}
}

/* --- corpus ---------------------------------------------------------------------------------- */

static void test_kube__the_corpus_replays(void **state)
{
	DIR *dir = opendir(CORPUS);
	struct dirent *entry;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		struct np_err err = NP_ERR_INIT;
		char path[512], *bytes;
		size_t size;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), CORPUS "/%s", entry->d_name);
		assert_int_equal(np_file_load(path, NP_INPUT_MAX, &bytes, &size, &err), 0);
		assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)bytes, size), 0);
		free(bytes);
		n++;
	}
	closedir(dir);
	assert_true(n > 0);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_kube__a_file_is_loaded_whole),
		cmocka_unit_test(test_kube__a_pipe_is_loaded_until_its_end),
		cmocka_unit_test(test_kube__a_file_that_cannot_be_loaded_is_told),
		cmocka_unit_test(test_kube__secrets_are_redacted),
		cmocka_unit_test(test_kube__old_tokens_are_forgotten),
		IN_FOLDER(test_kube__kubeconfig_errors_name_their_place),
		IN_FOLDER(test_kube__a_broken_kubeconfig_does_not_spill_what_it_holds),
		IN_FOLDER(test_kube__files_of_the_environment_are_merged),
		IN_FOLDER(test_kube__flags_override),
		cmocka_unit_test(test_kube__impossible_flags_are_refused),
		IN_FOLDER(test_kube__a_pod_uses_its_service_account),
		IN_FOLDER(test_kube__is_configured_by_any_way_to_a_server),
		cmocka_unit_test_setup_teardown(test_kube__a_token_file_stands_before_a_token,
						make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__the_ca_is_named, make_folder,
						drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__whom_to_be, make_folder, drop_folder),
		cmocka_unit_test_setup_teardown(test_kube__a_plugin_is_set_up, make_folder,
						drop_folder),
		cmocka_unit_test(test_kube__proxies_are_excepted_as_go_does),
		cmocka_unit_test(test_kube__which_proxy_is_used),
		cmocka_unit_test(test_kube__times_are_read),
		cmocka_unit_test(test_kube__base64_is_read_strictly),
		cmocka_unit_test(test_kube__statuses_have_their_codes_and_words),
		cmocka_unit_test(test_kube__a_long_message_is_cut),
		cmocka_unit_test(test_kube__which_statuses_are_sent_again),
		cmocka_unit_test(test_kube__retry_after_is_seconds_or_a_date),
		cmocka_unit_test(test_kube__the_body_may_say_how_long_to_wait),
		cmocka_unit_test(test_kube__backoff_doubles_up_to_five_seconds),
		cmocka_unit_test(test_kube__what_an_answer_cannot_say_is_told_with_its_object),
		cmocka_unit_test(test_kube__warnings_are_read),
		cmocka_unit_test(test_kube__broken_connections_are_told_apart),
		cmocka_unit_test(test_kube__names_are_escaped_in_paths),
		cmocka_unit_test(test_kube__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
