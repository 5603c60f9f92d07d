/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/time.h"

#include "failing_alloc.h"
#include "testbed.h"

#define V1 "client.authentication.k8s.io/v1"
#define TOKEN(token)                                                                            \
	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"" token \
	"\"}}"

/* --- what a plugin says ---------------------------------------------------------------------- */

static void test_plugin__output_is_read_or_rejected(void **state)
{
	static const struct {
		const char *name, *output, *token, *says;
		bool has_cert, expires;
	} rows[] = {
		{ "a token", TOKEN("tok-abcdef"), "tok-abcdef", NULL, false, false },
		{ "YAML", "kind: ExecCredential\napiVersion: " V1 "\nstatus: {token: tok-abcdef}\n",
		  "tok-abcdef", NULL, false, false },
		{ "a certificate that expires",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "\",\"status\":{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\","
		  "\"expirationTimestamp\":\"2026-11-25T19:00:00Z\"}}",
		  NULL, NULL, true, true },
		{ "nothing", "", NULL, "its output is not an object (0 bytes)", false, false },
		{ "garbage", "{\"tok-secret", NULL, "its output is neither JSON nor YAML", false,
		  false },
		{ "a text", "tok-secret", NULL, "its output is not an object", false, false },
		{ "another kind", "{\"kind\":\"List\"}", NULL,
		  "its output is not an ExecCredential", false, false },
		{ "another version",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "beta1\",\"status\":{\"token\":\"tok-secret\"}}",
		  NULL, "configured to use API version " V1 ", but returned version '" V1 "beta1'",
		  false, false },
		{ "no status", "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}", NULL,
		  "it returned no status", false, false },
		{ "an empty status",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "\",\"status\":{\"token\":\"\"}}",
		  NULL, "it returned neither a token nor a certificate", false, false },
		{ "a certificate alone",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "\",\"status\":{\"clientCertificateData\":\"C\",\"token\":\"tok-secret\"}}",
		  NULL, "it returned a certificate without a key", false, false },
		{ "a token that is a number",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "\",\"status\":{\"token\":1234567}}",
		  NULL, "its status.token is not a string", false, false },
		{ "a token with a newline", TOKEN("tok-secret\\n"), NULL,
		  "its token holds a blank or a control character", false, false },
		{ "no time",
		  "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
		  "\",\"status\":{\"token\":\"tok-secret\",\"expirationTimestamp\":\"soon\"}}",
		  NULL, "its status.expirationTimestamp is not a time", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kube_credential c = { 0 };
		struct np_err err = NP_ERR_INIT;
		int r = kube_credential_parse(rows[i].output, strlen(rows[i].output), V1, &c, &err);

		if (r != (rows[i].says ? -NP_E_REFUSED : 0) ||
		    (rows[i].says && !strstr(err.text, rows[i].says)))
			fail_msg("%s: %d: %s", rows[i].name, r, err.text);
		if (strstr(err.text, "secret") || strstr(err.text, "1234567"))
			fail_msg("%s: %s", rows[i].name, err.text);
		assert_string_equal(c.token ? c.token : "", rows[i].token ? rows[i].token : "");
		assert_true(!!c.cert.bytes == rows[i].has_cert);
		assert_true(c.expires == rows[i].expires);
		kube_credential_done(&c);
	}
}

/* --- plugins that run ------------------------------------------------------------------------ */

/* A folder with a script that plays the plugin, and the kubeconfig that names it. */
struct play {
	char folder[64], config[128], script[128], runs[128];
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Each run appends a line to `runs`; $n is how many there were. */
static void play_start(struct play *p, const struct bed *b, const char *script, const char *more)
{
	char text[2048];

	strlcpy(p->folder, "/tmp/nodeprep-kube-XXXXXX", sizeof(p->folder));
	assert_non_null(mkdtemp(p->folder));
	snprintf(p->config, sizeof(p->config), "%s/config", p->folder);
	snprintf(p->script, sizeof(p->script), "%s/login", p->folder);
	snprintf(p->runs, sizeof(p->runs), "%s/runs", p->folder);
	snprintf(text, sizeof(text),
		 "#!/bin/sh\nrunsfile='%s'\necho run >>\"$runsfile\"\n"
		 "n=$(wc -l <\"$runsfile\")\n%s\n",
		 p->runs, script);
	write_file(p->script, text);
	assert_int_equal(chmod(p->script, 0700), 0);
	snprintf(text, sizeof(text),
		 "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
		 "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\n"
		 "users: [{name: u, user: {exec: {apiVersion: " V1 "%s%s%s}}}]\n",
		 b->server.port, strstr(more, "command:") ? "" : ", command: ./login",
		 strstr(more, "interactiveMode:") ? "" : ", interactiveMode: Never", more);
	write_file(p->config, text);
}

static size_t play_end(struct play *p)
{
	struct np_err err = NP_ERR_INIT;
	char *bytes = NULL;
	size_t size = 0;

	(void)np_file_load(p->runs, 4096, &bytes, &size, &err);
	free(bytes);
	unlink(p->runs);
	unlink(p->script);
	unlink(p->config);
	rmdir(p->folder);
	return size / 4;
}

#define SAY(status) \
	"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{" status "}}'"

static void connect_play(struct bed *b, const struct play *p, struct np_kube_options o)
{
	char config[128];

	strlcpy(config, p->config, sizeof(config));
	o.kubeconfig = config;
	o.environment = environ;
	b->keep_server = true;
	bed_connect(b, o);
}

static void test_plugin__it_runs_once_until_it_expires(void **state)
{
	static const struct {
		const char *name, *script;
		size_t runs;
	} rows[] = {
		{ "for ever", SAY("\"token\":\"tok-'$n'-abc\""), 1 },
		{ "long",
		  SAY("\"token\":\"tok-'$n'-abc\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\""),
		  1 },
		{ "expired at once",
		  SAY("\"token\":\"tok-'$n'-abc\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\""),
		  3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct bed *b = calloc(1, sizeof(*b));
		void *inner = b;
		struct play p;
		char want[64];
		size_t runs;

		server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
		play_start(&p, b, rows[i].script, "");
		connect_play(b, &p, (struct np_kube_options){ 0 });
		for (unsigned n = 0; n < 3; n++)
			if (get_class(b, &err) < 0)
				fail_msg("%s: %s", rows[i].name, err.text);
		snprintf(want, sizeof(want), "Bearer tok-%zu-abc\r\n", rows[i].runs);
		ASSERT_HAS(b->server.requests[2], want);
		runs = play_end(&p);
		if (runs != rows[i].runs)
			fail_msg("%s: %zu runs", rows[i].name, runs);
		bed_free(&inner);
	}
}

static void test_plugin__a_401_runs_it_once_more(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct play p;

	server_start(&b->server,
		     STEPS({ "401 Unauthorized", NULL, "{}", 0 }, { "200 OK", NULL, "{}", 0 },
			   { "401 Unauthorized", NULL, "{}", 0 }));
	play_start(&p, b, SAY("\"token\":\"tok-'$n'-abc\""), "");
	connect_play(b, &p, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), 0);
	ASSERT_HAS(b->server.requests[0], "Bearer tok-1-abc\r\n");
	ASSERT_HAS(b->server.requests[1], "Bearer tok-2-abc\r\n");
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "does not accept the credentials of user 'u', which '");
	assert_int_equal(b->server.n, 4);
	assert_int_equal(play_end(&p), 3);
}

static void test_plugin__clones_share_its_credentials(void **state)
{
	struct bed *b = *state;
	struct np_kube_config *copy = NULL;
	struct np_kube *second = NULL;
	struct np_err err = NP_ERR_INIT;
	json_t *object = NULL;
	struct play p;

	server_start(&b->server, STEPS({ "200 OK", "Connection: close\r\n", "{}", 0 }));
	b->server.hold_ms = 1;
	play_start(&p, b, SAY("\"token\":\"tok-'$n'-abc\""), "");
	connect_play(b, &p, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_config_clone(b->k->config, &copy, &err), 0);
	assert_int_equal(np_kube_new_take(copy, &second, &err), 0);
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(np_kube_get(second, &classes, "ml", "gpu", &object, &err), 0);
	ASSERT_HAS(b->server.requests[1], "Bearer tok-1-abc\r\n");
	json_decref(object);
	np_kube_free(second);
	assert_int_equal(play_end(&p), 1);
}

static void test_plugin__it_receives_cluster_information(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct play p;

	server_start(&b->server, STEPS({ "400 Bad", NULL, "no", 0 }));
	play_start(&p, b,
		   "case $KUBERNETES_EXEC_INFO in *'\"spec\":{\"cluster\":{\"server\":\"http:'*"
		   "'},\"interactive\":false}}') ;; *) exit 9 ;; esac\n"
		   "[ \"$A\" = b ] && [ \"$1 $2\" = 'x y' ] && ! read -r line || exit 8\n" SAY(
			   "\"token\":\"tok-abcdef\""),
		   ", provideClusterInfo: true, args: ['x', 'y'], env: [{name: A, value: b}]");
	connect_play(b, &p, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "the server rejected the request (400)");
	play_end(&p);
}

/* One plugin that fails. */
struct fail_row {
	const char *name, *script, *more;
	int result;
	const char *says;
	uint64_t deadline_ms;
};

static void try_failure(const struct fail_row *row)
{
	struct np_err err = NP_ERR_INIT;
	struct bed *b = calloc(1, sizeof(*b));
	uint64_t start = np_clock_ms();
	void *inner = b;
	struct play p;
	int r;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	play_start(&p, b, row->script, row->more);
	connect_play(b, &p, (struct np_kube_options){ .deadline_ms = row->deadline_ms });
	r = get_class(b, &err);
	if (r != row->result || !strstr(err.text, row->says))
		fail_msg("%s: %d: %s", row->name, r, err.text);
	ASSERT_HAS(err.text, "getting credentials: exec");
	assert_null(strstr(err.text, "tok-secret"));
	assert_int_equal(b->server.n, 0);
	assert_true(np_clock_ms() - start < 8000);
	play_end(&p);
	bed_free(&inner);
}

static void test_plugin__failures_are_reported(void **state)
{
	static const struct fail_row rows[] = {
		{ "exit status", "echo tok-secret; exit 7", "", -NP_E_REFUSED,
		  "login' failed with exit code 7", 0 },
		{ "signal", "kill -9 $$", "", -NP_E_REFUSED, "was ended by signal 9", 0 },
		{ "garbage", "echo '{tok-secret'", "", -NP_E_REFUSED, "is neither JSON nor YAML",
		  0 },
		{ "huge", "yes tok-secret", "", -NP_E_REFUSED, "wrote more than 1 MiB", 0 },
		{ "hangs", "exec sleep 30", "", -NP_E_RETRY, "did not end in time", 500 },
		{ "hangs with its output closed", "exec sleep 30 >&-", "", -NP_E_RETRY,
		  "did not end in time", 500 },
		{ "is missing", "", ", command: no-such-plugin, installHint: 'get it\nhere'",
		  -NP_E_REFUSED, "executable 'no-such-plugin' not found: get it here", 0 },
		{ "is missing at its place", "", ", command: ./none", -NP_E_REFUSED,
		  "/none' not found", 0 },
		{ "is no program", "", ", command: ./config", -NP_E_REFUSED,
		  "cannot be run: Permission denied", 0 },
		{ "must ask and cannot", SAY("\"token\":\"tok-secret\""),
		  ", interactiveMode: Always", -NP_E_REFUSED,
		  "exec plugin cannot support interactive mode: standard input is not a terminal",
		  0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try_failure(&rows[i]);
}

static bool is_after(void *ctx)
{
	return np_clock_ms() > *(const uint64_t *)ctx;
}

static void test_plugin__it_ends_with_the_run(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start = np_clock_ms(), limit = start + 200;
	struct play p;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	play_start(&p, b, "exec sleep 30", "");
	connect_play(b, &p,
		     (struct np_kube_options){ .is_cancelled = is_after, .cancel_ctx = &limit });
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	ASSERT_HAS(err.text, "interrupted");
	assert_in_range(np_clock_ms() - start, 150, 4000);
	play_end(&p);
}

static void test_plugin__an_echoed_token_is_redacted(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct play p;

	server_start(&b->server, STEPS({ "400 Bad", NULL, "got tok-secret here", 0 }));
	play_start(&p, b, SAY("\"token\":\"tok-secret\""), "");
	connect_play(b, &p, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "got [redacted] here");
	play_end(&p);
}

/* --- out of memory --------------------------------------------------------------------------- */

static int load_and_clone(const char *config)
{
	const char *const groups[] = { "g" };
	const struct np_kube_options o = { .kubeconfig = config,
					   .environment = environ,
					   .proxy = "p:1",
					   .as_groups = groups,
					   .n_as_groups = 1 };
	struct np_kube_config *c = NULL, *copy = NULL;
	struct np_err err = NP_ERR_INIT;
	int r = np_kube_config_load(&o, &c, &err);

	if (r == 0)
		r = np_kube_config_clone(c, &copy, &err);
	np_kube_config_free(c);
	np_kube_config_free(copy);
	if (r < 0 && err.code != NP_E_NOMEM)
		fail_msg("%s", err.text);
	return r;
}

static void test_plugin__a_configuration_without_memory_fails_cleanly(void **state)
{
	char config[] = "/tmp/nodeprep-kube-XXXXXX";
	struct failing f = FAILING_INIT;
	int r = -1;

	(void)state;
	close(mkstemp(config));
	write_file(
		config,
		"current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
		"clusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: "
		"QUJD, proxy-url: 'http://u:password@p', extensions: [{name: "
		"client.authentication.k8s.io/exec, extension: {a: 1}}]}}]\n"
		"users: [{name: u, user: {as: j, as-user-extra: {x: [z]}, exec: {apiVersion: " V1
		", command: x, args: ['y'], interactiveMode: Never, installHint: h, "
		"provideClusterInfo: true, env: [{name: A, value: b}]}}}]\n");
	while (next_round(&f)) {
		fail_allocation(&f);
		r = load_and_clone(config);
		stop_failing(&f);
		/* libcurl's own failures behind the first success are told as a bad address. */
		if (r == 0)
			break;
	}
	assert_int_equal(r, 0);
	assert_true(f.rounds > 100);
	unlink(config);
}

static void test_plugin__output_without_memory_fails_cleanly(void **state)
{
	const char *output = TOKEN("tok-abcdef");
	struct np_err err = NP_ERR_INIT;
	struct kube_credential c = { 0 };
	struct failing f = FAILING_SPARES_JANSSON;
	int r = -1;

	(void)state;
	while (next_round(&f)) {
		fail_allocation(&f);
		r = kube_credential_parse(output, strlen(output), V1, &c, &err);
		stop_failing(&f);
		if (r < 0 ? !f.failed || err.code != NP_E_NOMEM
			  : strcmp(c.token, "tok-abcdef") != 0)
			fail_msg("allocation %zu: %d %s", f.rounds, r, err.text);
	}
	assert_int_equal(r, 0);
	kube_credential_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plugin__output_is_read_or_rejected),
		cmocka_unit_test(test_plugin__it_runs_once_until_it_expires),
		IN_BED(test_plugin__a_401_runs_it_once_more),
		IN_BED(test_plugin__clones_share_its_credentials),
		IN_BED(test_plugin__it_receives_cluster_information),
		cmocka_unit_test(test_plugin__failures_are_reported),
		IN_BED(test_plugin__it_ends_with_the_run),
		IN_BED(test_plugin__an_echoed_token_is_redacted),
		cmocka_unit_test(test_plugin__a_configuration_without_memory_fails_cleanly),
		cmocka_unit_test(test_plugin__output_without_memory_fails_cleanly),
	};

	signal(SIGPIPE, SIG_IGN);
	/* A test that is run by hand has a terminal, which would be there to ask at. */
	assert_true(freopen("/dev/null", "r", stdin));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
