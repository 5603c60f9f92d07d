/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"

static void assert_file(const char *path, const char *text, mode_t mode)
{
	struct stat st;
	char *bytes = load_file(path, NULL);

	assert_string_equal(bytes, text);
	free(bytes);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_replace__writes_text_and_mode_and_leaves_nothing_else(void **state)
{
	char folder[] = "/tmp/nodeprep-test-XXXXXX", path[64];
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(np_file_replace(path, "one\n", 4, 0644, &err), 0);
	assert_file(path, "one\n", 0644);
	assert_int_equal(np_file_replace(path, "second\n", 7, 0600, &err), 0);
	assert_file(path, "second\n", 0600);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
}

static void test_replace__a_failure_keeps_the_old_file(void **state)
{
	char folder[] = "/tmp/nodeprep-test-XXXXXX", path[64];
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_file_replace("/nonexistent/file", "x", 1, 0644, &err), -NP_E_IO);
	expect_has("no folder", err.text, "'/nonexistent': ");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/folder", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	err = (struct np_err)NP_ERR_INIT;
	assert_int_equal(np_file_replace(path, "x", 1, 0644, &err), -NP_E_IO);
	expect_has("a folder in its place", err.text, path);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replace__writes_text_and_mode_and_leaves_nothing_else),
		cmocka_unit_test(test_replace__a_failure_keeps_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
