/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"
#include "files.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"

/* The corpus is replayed through the fuzz target itself. */
#include "soap_fuzz.c"

#include "failing_alloc.h"

/* --- addresses ---------------------------------------------------------------------------------- */

static void test_vcenter__addresses(void **state)
{
	static const struct {
		const char *url;
		const char *base; /* NULL: rejected */
		const char *user, *password;
	} rows[] = {
		{ "vc.example", "https://vc.example", NULL, NULL },
		{ "vc.example:8443", "https://vc.example:8443", NULL, NULL },
		{ "vc.example:443", "https://vc.example", NULL, NULL },
		{ "https://vc.example/", "https://vc.example", NULL, NULL },
		{ "HTTPS://vc.example/sdk", "https://vc.example", NULL, NULL },
		{ "https://vc.example/sdk/", "https://vc.example", NULL, NULL },
		{ "[fd00::1]:8443", "https://[fd00::1]:8443", NULL, NULL },
		{ "root@vc", "https://vc", "root", NULL },
		{ "https://root:@vc", "https://vc", "root", "" },
		{ "root:p%40ss%2F@vc/sdk", "https://vc", "root", "p@ss/" },
		{ "administrator@vsphere.local:p@ss://x@vc:1", NULL, NULL, NULL },
		{ "administrator@vsphere.local:p@ss:x@vc:1", "https://vc:1",
		  "administrator@vsphere.local", "p@ss:x" },
		{ "https://vc/ui", NULL, NULL, NULL },
		{ "https://vc?x=1", NULL, NULL, NULL },
		{ "https://vc#x", NULL, NULL, NULL },
		{ "http://vc", NULL, NULL, NULL },
		{ "ftp://u:secret1@vc", NULL, NULL, NULL },
		{ "u:secret1@vc:port", NULL, NULL, NULL },
		{ "u:secret1@", NULL, NULL, NULL },
		{ "u:secret1%00@vc", NULL, NULL, NULL },
		{ "u:secret1@vc/ui", NULL, NULL, NULL },
		{ "https://", NULL, NULL, NULL },
		{ "a b", NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct vcenter_address a = { 0 };
		struct np_err err = NP_ERR_INIT;

		if ((vcenter_address_parse(rows[i].url, &a, &err) == 0) != !!rows[i].base)
			fail_msg("'%s': %s", rows[i].url, err.text);
		if (!rows[i].base) {
			assert_int_equal(err.code, NP_E_USAGE);
			assert_null(strstr(err.text, "secret1"));
			assert_null(strstr(err.text, "p@ss"));
			continue;
		}
		assert_string_equal(a.base, rows[i].base);
		assert_string_equal(a.user ? a.user : "-", rows[i].user ? rows[i].user : "-");
		assert_string_equal(a.password ? a.password : "-",
				    rows[i].password ? rows[i].password : "-");
		vcenter_address_done(&a);
	}
}

/* --- user and password -------------------------------------------------------------------------- */

static void test_vcenter__credentials_are_taken_in_order(void **state)
{
	const struct {
		struct np_vcenter_options o;
		struct vcenter_address a;
		const char *user; /* NULL: rejected */
		const char *password; /* or what the error says */
	} rows[] = {
		{ { .username = "a", .password = "1", .username_env = "e", .password_env = "9" },
		  { 0 },
		  "a",
		  "1" },
		{ { .username_env = "e", .password_env = "9" }, { 0 }, "e", "9" },
		{ { .username_env = "e", .password_env = "9" },
		  { .user = (char[]){ "u" } },
		  "u",
		  "9" },
		{ { .username_env = "e", .password_env = "9" },
		  { .user = (char[]){ "u" }, .password = (char[]){ "2" } },
		  "u",
		  "2" },
		{ { .username = "a" },
		  { .user = (char[]){ "u" } },
		  NULL,
		  "--vcenter-username and the user in --vcenter are mutually exclusive" },
		{ { .password_file = "/nowhere" },
		  { .user = (char[]){ "u" }, .password = (char[]){ "2" } },
		  NULL,
		  "--vcenter-password-file and the password in --vcenter are mutually exclusive" },
		{ { .username = "a", .username_file = "/nowhere", .password = "1" },
		  { 0 },
		  NULL,
		  "a user and a user file are mutually exclusive" },
		{ { .password = "1" },
		  { 0 },
		  NULL,
		  "no vCenter user is given: expected --vcenter-username or GOVC_USERNAME" },
		{ { .username = "a", .password_env = "" },
		  { 0 },
		  NULL,
		  "no vCenter password is given: expected --vcenter-password-file or GOVC_PASSWORD" },
		{ { .username = "a", .password_file = "/nowhere" },
		  { 0 },
		  NULL,
		  "--vcenter-password-file: '/nowhere': no such file" },
		{ { .username = "a:b", .password = "1" }, { 0 }, NULL, "'a:b' holds a colon" },
		{ { .username = "a", .password = "secret\x01" },
		  { 0 },
		  NULL,
		  "the password of vCenter user 'a' holds a control character" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct vcenter_credentials c = { 0 };
		struct np_err err = NP_ERR_INIT;
		int r = vcenter_credentials_load(&rows[i].o, &rows[i].a, &c, &err);

		if ((r == 0) != !!rows[i].user)
			fail_msg("row %zu: %s", i, err.text);
		if (rows[i].user) {
			assert_string_equal(c.user, rows[i].user);
			assert_string_equal(c.password, rows[i].password);
		} else {
			expect_has("error", err.text, rows[i].password);
			assert_null(strstr(err.text, "secret"));
		}
		vcenter_credentials_done(&c);
	}
}

static void test_vcenter__password_files(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *password; /* NULL: rejected */
	} rows[] = {
		{ "p w \n", 5, "p w " },   { "pw", 2, "pw" },   { "pw\r\n", 4, "pw" },
		{ "pw\nmore\n", 8, NULL }, { "", 0, NULL },     { "\n", 1, NULL },
		{ "a\0b", 3, NULL },       { "a\rb", 3, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char path[] = "/tmp/nodeprep-vcenter-XXXXXX", *line = NULL;
		struct np_err err = NP_ERR_INIT;
		int fd = mkstemp(path), r;

		assert_true(fd >= 0);
		assert_int_equal(write(fd, rows[i].bytes, rows[i].size), rows[i].size);
		np_closep(&fd);
		r = vcenter_line_load(path, "password", 0, &line, &err);
		unlink(path);
		assert_int_equal(r, rows[i].password ? 0 : -NP_E_SPEC);
		if (rows[i].password)
			assert_string_equal(line, rows[i].password);
		free(line);
	}
}

/* --- memory ------------------------------------------------------------------------------------- */

static void test_vcenter__client_without_memory(void **state)
{
	const struct np_vcenter_options o = { .url = "https://u:pass&word1@vc:8443/sdk",
					      .proxy = "http://p:secret@proxy:3128",
					      .no_proxy = "a,b" };
	struct failing f = FAILING_INIT;

	(void)state;
	while (next_round(&f)) {
		struct np_vcenter *v = NULL;
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = np_vcenter_new(&o, &v, &err);
		stop_failing(&f);
		/* libcurl does without some of its copies. */
		assert_true(rc == 0 || (f.failed && rc == -NP_E_NOMEM));
		assert_int_equal(!!v, rc == 0);
		np_vcenter_free(v);
	}
	assert_true(f.rounds > 15);
}

/* jansson calls an allocation that fails a syntax error in some places. */
static void test_vcenter__answers_without_memory(void **state)
{
	static const char body[] = "{\"value\":\"abc-1\"}";
	struct failing f = FAILING_SPARES_JANSSON;

	(void)state;
	while (next_round(&f)) {
		struct np_err err = NP_ERR_INIT;
		char *id = NULL;
		int rc;

		fail_allocation(&f);
		rc = vcenter_session_parse(body, strlen(body), &id, &err);
		stop_failing(&f);
		assert_int_equal(rc, f.failed ? -NP_E_NOMEM : 0);
		free(id);
	}
	assert_true(f.rounds > 1);
}

/* --- fuzz target of SOAP ------------------------------------------------------------------------ */

static void test_vcenter__soap_corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/vcenter/testdata/corpus-soap", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcenter__addresses),
		cmocka_unit_test(test_vcenter__credentials_are_taken_in_order),
		cmocka_unit_test(test_vcenter__password_files),
		cmocka_unit_test(test_vcenter__client_without_memory),
		cmocka_unit_test(test_vcenter__answers_without_memory),
		cmocka_unit_test(test_vcenter__soap_corpus_holds),
	};

	return cmocka_run_group_tests_name("vcenter login", tests, NULL, NULL);
}
