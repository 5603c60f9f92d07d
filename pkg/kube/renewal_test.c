/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include <sys/stat.h>

#include "testbed.h"

/* A folder with the files of a user, and a kubeconfig that names them. */
struct files {
	char folder[48], ca[64], cert[64], key[64], token[64], config[64];
};

static void write_file(const char *path, const char *text)
{
	char next[80];
	FILE *f;

	snprintf(next, sizeof(next), "%s.next", path);
	f = fopen(next, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(next, path), 0);
}

static void write_pair(const struct files *f, const struct certificate *c)
{
	write_file(f->cert, c->cert_pem);
	write_file(f->key, c->key_pem);
}

static struct files make_files(const struct certificate *c)
{
	struct files f = { .folder = "/tmp/nodeprep-kube-test-XXXXXX" };
	char text[1024];

	assert_non_null(mkdtemp(f.folder));
	snprintf(f.ca, sizeof(f.ca), "%s/ca", f.folder);
	snprintf(f.cert, sizeof(f.cert), "%s/cert", f.folder);
	snprintf(f.key, sizeof(f.key), "%s/key", f.folder);
	snprintf(f.token, sizeof(f.token), "%s/token", f.folder);
	snprintf(f.config, sizeof(f.config), "%s/config", f.folder);
	write_file(f.ca, c->cert_pem);
	write_pair(&f, c);
	write_file(f.token, "first-token");
	snprintf(
		text, sizeof(text),
		"current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
		"clusters: [{name: c, cluster: {server: 'https://x', certificate-authority: ca}}]\n"
		"users: [{name: u, user: {tokenFile: token, client-certificate: cert, "
		"client-key: key}}]\n");
	write_file(f.config, text);
	return f;
}

static void remove_files(const struct files *f)
{
	const char *const paths[] = { f->ca, f->cert, f->key, f->token, f->config };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		unlink(paths[i]);
	assert_int_equal(rmdir(f->folder), 0);
}

static struct np_kube_config *load(const struct files *f)
{
	struct np_kube_config *c = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_kube_config_load(&(struct np_kube_options){ .kubeconfig = f->config }, &c, &err) < 0)
		fail_msg("%s", err.text);
	return c;
}

static struct np_kube *connect_clone(const struct np_kube_config *c)
{
	struct np_kube_config *copy = NULL;
	struct np_kube *k = NULL;
	struct np_err err = NP_ERR_INIT;

	assert_int_equal(np_kube_config_clone(c, &copy, &err), 0);
	assert_int_equal(np_kube_new_take(copy, &k, &err), 0);
	return k;
}

static rlim_t set_files_limit(rlim_t n)
{
	struct rlimit limit;
	rlim_t was;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	was = limit.rlim_cur;
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return was;
}

/* Each client takes over what one of them, or the owner of the configuration, loaded. */
static void test_renewal__clones_take_over_new_files(void **state)
{
	struct certificate first, second;
	struct np_kube_credential_stats stats;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c;
	struct np_kube *k;
	struct files f;

	(void)state;
	certificate_make(&first, "first", NULL, 1000);
	certificate_make(&second, "second", NULL, 5000);
	f = make_files(&first);
	c = load(&f);
	k = connect_clone(c);
	assert_string_equal(k->config->cert.bytes, first.cert_pem);
	write_pair(&f, &second);
	write_file(f.ca, second.cert_pem);
	write_file(f.token, "second-token\n");
	assert_int_equal(np_kube_config_renew(c, true, &err), 1);
	assert_int_equal(kube_renewal_use(k, false, &err), 0);
	assert_string_equal(k->config->cert.bytes, second.cert_pem);
	assert_string_equal(k->config->key.bytes, second.key_pem);
	assert_string_equal(k->config->ca.bytes, second.cert_pem);
	assert_string_equal(k->config->token, "second-token");
	assert_int_equal(k->identity, 1);
	np_kube_config_read_stats(c, &stats);
	assert_in_range(stats.certificate_not_after, time(NULL) + 4000, time(NULL) + 5001);
	assert_in_range(stats.ca_not_after, time(NULL) + 4000, time(NULL) + 5001);
	assert_false(stats.is_stale);
	np_kube_free(k);
	np_kube_config_free(c);
	remove_files(&f);
	certificate_done(&first);
	certificate_done(&second);
}

/* The time of the next look has come. */
static int renew_later(struct np_kube_config *c, struct np_err *err)
{
	c->renewal->looked_ms -= 60000;
	return np_kube_config_renew(c, false, err);
}

/* Files that cannot be opened when they change, and do not change again. */
static void test_renewal__failed_attempt_is_repeated(void **state)
{
	struct certificate first, second;
	struct np_kube_credential_stats stats;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c;
	struct files f;
	rlim_t limit;

	(void)state;
	certificate_make(&first, "first", NULL, 1000);
	certificate_make(&second, "second", NULL, 5000);
	f = make_files(&first);
	c = load(&f);
	assert_int_equal(renew_later(c, &err), 0);
	write_pair(&f, &second);
	limit = set_files_limit(0);
	assert_int_equal(renew_later(c, &err), -NP_E_IO);
	assert_int_equal(renew_later(c, &err), 0);
	np_kube_config_read_stats(c, &stats);
	assert_true(stats.is_stale && stats.failures == 2);
	set_files_limit(limit);
	assert_int_equal(np_kube_config_renew(c, false, &err), 0);
	assert_int_equal(renew_later(c, &err), 1);
	assert_int_equal(renew_later(c, &err), 0);
	assert_string_equal(c->renewal->blobs[KUBE_FILE_CERT].bytes, second.cert_pem);
	np_kube_config_free(c);
	remove_files(&f);
	certificate_done(&first);
	certificate_done(&second);
}

static void test_renewal__broken_files_are_reported_once(void **state)
{
	struct certificate own, other;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c;
	struct files f;

	(void)state;
	certificate_make(&own, "own", NULL, 1000);
	certificate_make(&other, "other", NULL, 1000);
	f = make_files(&own);
	c = load(&f);
	const struct {
		const char *path, *text, *says, *right;
	} rows[] = {
		{ f.ca, "garbage", "/ca': expected CA certificates as PEM", own.cert_pem },
		{ f.ca, "", "/ca': expected CA certificates as PEM", own.cert_pem },
		{ f.cert, other.cert_pem, "do not belong together", own.cert_pem },
		{ f.cert, own.key_pem, "/cert': expected a client certificate", own.cert_pem },
		{ f.key, own.cert_pem, "/key': expected a private key", own.key_pem },
		{ f.token, "\n", "/token': holds no token", "first-token" },
		{ f.token, "two words", "/token': expected one token", "first-token" },
		{ f.token, NULL, "/token': no such file", "first-token" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].text)
			write_file(rows[i].path, rows[i].text);
		else
			unlink(rows[i].path);
		if (renew_later(c, &err) >= 0 || !strstr(err.text, rows[i].says))
			fail_msg("row %zu: %s", i, err.text);
		assert_int_equal(renew_later(c, &err), 0);
		assert_true(np_kube_config_renew(c, true, &err) < 0);
		assert_string_equal(c->renewal->token, "first-token");
		assert_string_equal(c->renewal->blobs[KUBE_FILE_CERT].bytes, own.cert_pem);
		write_file(rows[i].path, rows[i].right);
		assert_int_equal(renew_later(c, &err), 1);
		assert_int_equal(renew_later(c, &err), 0);
	}
	np_kube_config_free(c);
	remove_files(&f);
	certificate_done(&own);
	certificate_done(&other);
}

/* What was written between the reading and the first look is found. */
static void test_renewal__first_look_loads(void **state)
{
	struct certificate own;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_config *c;
	struct files f;

	(void)state;
	certificate_make(&own, "own", NULL, 1000);
	f = make_files(&own);
	c = load(&f);
	write_file(f.token, "new-token");
	assert_int_equal(renew_later(c, &err), 1);
	assert_string_equal(c->renewal->token, "new-token");
	np_kube_config_free(c);
	remove_files(&f);
	certificate_done(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewal__clones_take_over_new_files),
		cmocka_unit_test(test_renewal__failed_attempt_is_repeated),
		cmocka_unit_test(test_renewal__broken_files_are_reported_once),
		cmocka_unit_test(test_renewal__first_look_loads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
