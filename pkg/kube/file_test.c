/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/file.h"

#include "folder_testbed.h"

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

static void test_kube__unreadable_files_are_reported(void **state)
{
	static const struct {
		const char *name, *path, *says;
	} rows[] = {
		{ "missing", "no-such.yaml", "'no-such.yaml': no such file" },
		{ "a folder", "/tmp", "'/tmp': is a directory" },
		{ "without an end", "/dev/zero", "'/dev/zero': larger than 100000 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;
		char sentinel, *bytes = &sentinel;
		size_t size = 77;
		__typeof__(rows[0]) *row = &rows[i];

		assert_int_equal(np_file_load(row->path, 100000, &bytes, &size, &err), -NP_E_IO);
		expect_has(row->name, err.text, row->says);
		assert_ptr_equal(bytes, &sentinel);
		assert_int_equal(size, 77);
	}
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_kube__a_file_is_loaded_whole),
		cmocka_unit_test(test_kube__a_pipe_is_loaded_until_its_end),
		cmocka_unit_test(test_kube__unreadable_files_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
