/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"
#include "vcenter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_vcenter__password_is_scrubbed(void **state)
{
	static const struct {
		const char *url, *left;
	} rows[] = {
		{ "https://root:secret@vc:8443/sdk", "https://root@vc:8443/sdk" },
		{ "root:sec@ret@vc", "root@vc" },
		{ "root@vc:8443", "root@vc:8443" },
		{ "vc:8443", "vc:8443" },
		{ "[fd00::1]:8443/a@b", "[fd00::1]:8443/a@b" },
		{ "root:@vc", "root@vc" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t size = strlen(rows[i].url) + 1;
		char *url = strdup(rows[i].url);

		vcenter_scrub(url);
		assert_string_equal(url, rows[i].left);
		for (size_t k = strlen(url); k < size; k++)
			assert_int_equal(url[k], 0);
		free(url);
	}
}

/* Parses a command line of at most five words. */
static int parse(struct vcenter_flags *f, char *first, char *second, char *third,
		 struct np_err *err)
{
	struct option_table table = vcenter_table(f);
	char *argv[] = { (char[]){ "x" }, first, second, third, NULL };
	struct texts rest = { 0 };
	int argc = 1, r;

	while (argv[argc])
		argc++;
	r = option_parse(&(struct option_tables){ &table, 1, "x" }, argc, argv, &rest, err);
	texts_done(&rest);
	return r;
}

static void test_vcenter__command_line_keeps_no_password(void **state)
{
	char first[] = "--vcenter=root:one@a", second[] = "--vcenter", third[] = "root:two@b";
	struct np_kube_options k = { .ca_file = "ca", .deadline_ms = 7 };
	struct vcenter_flags f = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(parse(&f, first, second, third, &err), 0);
	assert_string_equal(first, "--vcenter=root@a");
	assert_string_equal(third, "root@b");
	assert_int_equal(vcenter_finish(&f, &k, false, &err), 0);
	assert_string_equal(f.options.url, "root:two@b");
	assert_string_equal(f.options.ca_file, "ca");
	assert_int_equal(f.options.deadline_ms, 7);
	vcenter_flags_done(&f);
}

static void test_vcenter__options_need_each_other(void **state)
{
	struct np_kube_options k = { 0 };
	struct vcenter_flags f = { .options.username = "u" };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(vcenter_finish(&f, &k, false, &err), -NP_E_USAGE);
	assert_string_equal(err.text, "--vcenter-username: expected --vcenter URL as well");
	f = (struct vcenter_flags){ .url = strdup("vc"), .options.password_file = "-" };
	assert_int_equal(vcenter_finish(&f, &k, false, &err), 0);
	assert_int_equal(vcenter_finish(&f, &k, true, &err), -NP_E_USAGE);
	expect_has("error", err.text, "mutually exclusive");
	vcenter_flags_done(&f);
}

static void test_vcenter__environment_is_govc_s(void **state)
{
	struct vcenter_flags f = { 0 };

	(void)state;
	setenv("GOVC_URL", "https://ignored", 1);
	setenv("GOVC_INSECURE", "1", 1);
	setenv("GOVC_USERNAME", "u", 1);
	setenv("GOVC_PASSWORD", "p", 1);
	setenv("GOVC_TLS_CA_CERTS", "a:b", 1);
	vcenter_environment(&f);
	assert_string_equal(f.options.username_env, "u");
	assert_string_equal(f.options.password_env, "p");
	assert_string_equal(f.options.ca_files_env, "a:b");
	assert_null(f.options.url);
	assert_false(f.options.insecure);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcenter__password_is_scrubbed),
		cmocka_unit_test(test_vcenter__command_line_keeps_no_password),
		cmocka_unit_test(test_vcenter__options_need_each_other),
		cmocka_unit_test(test_vcenter__environment_is_govc_s),
	};

	return cmocka_run_group_tests_name("vcenter options", tests, NULL, NULL);
}
