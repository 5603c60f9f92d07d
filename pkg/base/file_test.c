/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/file.h"

#include "expect.h"
#include "files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

/* A folder with one of each kind: "file" "fifo" "socket" "folder", and links to them "to-file" ... */
struct zoo {
	char folder[32];
	int socket;
};

static const char *const animals[] = { "fifo", "file", "folder", "socket" };

static void name_in(const struct zoo *z, const char *prefix, const char *name, char path[static 64])
{
	snprintf(path, 64, "%s/%s%s", z->folder, prefix, name);
}

static void zoo_init(struct zoo *z)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[64], link[64];

	*z = (struct zoo){ .folder = "/tmp/nodeprep-test-XXXXXX" };
	assert_non_null(mkdtemp(z->folder));
	name_in(z, "", "fifo", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	name_in(z, "", "file", path);
	save_file(path, "text\n");
	name_in(z, "", "folder", path);
	assert_int_equal(mkdir(path, 0700), 0);
	name_in(z, "", "socket", address.sun_path);
	z->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(z->socket, (const struct sockaddr *)&address, (socklen_t)sizeof(address)), 0);
	for (size_t i = 0; i < COUNT(animals); i++) {
		name_in(z, "to-", animals[i], link);
		assert_int_equal(symlink(animals[i], link), 0);
	}
}

static mode_t kind_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & S_IFMT;
}

/* Fails if one of them was replaced. */
static void zoo_done(struct zoo *z)
{
	static const mode_t kinds[] = { S_IFIFO, S_IFREG, S_IFDIR, S_IFSOCK };
	char path[64];

	for (size_t i = 0; i < COUNT(animals); i++) {
		name_in(z, "", animals[i], path);
		assert_int_equal(kind_of(path), kinds[i]);
		assert_int_equal(remove(path), 0);
		name_in(z, "to-", animals[i], path);
		assert_int_equal(remove(path), 0);
	}
	close(z->socket);
	assert_int_equal(rmdir(z->folder), 0); /* nothing else is left */
}

static void test_file__only_regular_files_are_replaced(void **state)
{
	static const struct {
		const char *prefix, *name, *error;
	} rows[] = {
		{ "", "fifo", "is a FIFO: expected a regular file" },
		{ "", "folder", "is a directory: expected a regular file" },
		{ "", "socket", "is a socket: expected a regular file" },
		{ "to-", "fifo", "is a FIFO: expected a regular file" },
		{ "to-", "folder", "is a directory: expected a regular file" },
		{ "to-", "socket", "is a socket: expected a regular file" },
	};
	struct zoo z;
	char path[64];

	(void)state;
	zoo_init(&z);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_err err = NP_ERR_INIT;

		name_in(&z, rows[i].prefix, rows[i].name, path);
		assert_int_equal(np_file_replace(path, "x", 1, 0600, &err), -NP_E_IO);
		expect_has(path, err.text, rows[i].error);
	}
	zoo_done(&z);
}

static void test_file__a_link_to_a_file_is_replaced_and_the_file_stays(void **state)
{
	struct np_err err = NP_ERR_INIT;
	struct zoo z;
	char path[64];
	char *text;

	(void)state;
	zoo_init(&z);
	name_in(&z, "to-", "file", path);
	assert_int_equal(np_file_replace(path, "new", 3, 0600, &err), 0);
	assert_int_equal(kind_of(path), S_IFREG);
	name_in(&z, "", "file", path);
	text = load_file(path, NULL);
	assert_string_equal(text, "text\n");
	free(text);
	zoo_done(&z);
}

static void test_file__only_regular_files_are_opened_to_write(void **state)
{
	static const struct {
		const char *path, *error;
	} rows[] = {
		{ "fifo", "is a FIFO" },
		{ "folder", "is a directory" },
		{ "socket", "is a socket" },
		{ "to-fifo", "is a symbolic link" },
		{ "to-file", "is a symbolic link: expected a regular file" },
		{ "none/file", "No such file" },
	};
	struct zoo z;
	char path[64];
	struct np_err err = NP_ERR_INIT;
	int fd = -1;

	(void)state;
	zoo_init(&z);
	for (size_t i = 0; i < COUNT(rows); i++) {
		name_in(&z, "", rows[i].path, path);
		assert_int_equal(np_file_open_write(path, O_CREAT | O_TRUNC, 0600, &fd, &err),
				 -NP_E_IO);
		expect_has(rows[i].path, err.text, rows[i].error);
	}
	assert_int_equal(np_file_open_write("/dev/null", O_APPEND, 0600, &fd, &err), -NP_E_IO);
	expect_has("/dev/null", err.text, "'/dev/null': is a character device");
	assert_int_equal(fd, -1);
	name_in(&z, "", "file", path);
	assert_int_equal(np_file_open_write(path, O_TRUNC, 0600, &fd, &err), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	zoo_done(&z);
}

static void test_file__what_never_ends_is_an_error_in_time(void **state)
{
	static const struct {
		const char *path, *error;
	} rows[] = {
		{ "fifo", "timed out before the end of the FIFO" },
		{ "to-fifo", "timed out before the end of the FIFO" },
		{ "socket", "is a socket" },
		{ "folder", "is a directory: expected a file" },
	};
	struct np_err err = NP_ERR_INIT;
	struct zoo z;
	char path[64], *bytes = NULL;
	size_t size;

	(void)state;
	zoo_init(&z);
	np_file_set_deadline(np_clock_ms() + 20);
	for (size_t i = 0; i < COUNT(rows); i++) {
		name_in(&z, "", rows[i].path, path);
		assert_int_equal(np_file_load(path, 100, &bytes, &size, &err), -NP_E_IO);
		expect_has(rows[i].path, err.text, rows[i].error);
	}
	/* The deadline is over, and a regular file can still be read. */
	name_in(&z, "to-", "file", path);
	assert_int_equal(np_file_load(path, 100, &bytes, &size, &err), 0);
	assert_string_equal(bytes, "text\n");
	free(bytes);
	bytes = NULL;
	np_file_set_deadline(0);
	assert_int_equal(np_file_load("/dev/zero", 100, &bytes, &size, &err), -NP_E_IO);
	expect_has("/dev/zero", err.text, "'/dev/zero': larger than 100 bytes");
	zoo_done(&z);
}

/* Runs `read` with the pipe's end as standard input; the other end is closed if `is_closed`. */
static int load_piped(const char *text, bool is_closed, char **ret, struct np_err *err)
{
	int fds[2], old = dup(STDIN_FILENO), r;
	size_t size = 0;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	if (is_closed)
		close(fds[1]);
	assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	r = np_file_load_stdin(100, is_closed ? UINT64_MAX : np_clock_ms() + 20, ret, &size, err);
	if (r == 0)
		assert_int_equal(size, strlen(text));
	if (!is_closed)
		close(fds[1]);
	close(fds[0]);
	assert_int_equal(dup2(old, STDIN_FILENO), STDIN_FILENO);
	close(old);
	return r;
}

static void test_file__standard_input_is_read_to_its_end(void **state)
{
	struct np_err err = NP_ERR_INIT;
	char *bytes = NULL;
	size_t size;
	int old = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(load_piped("input\n", true, &bytes, &err), 0);
	assert_string_equal(bytes, "input\n");
	free(bytes);
	bytes = NULL;
	assert_int_equal(load_piped("input\n", false, &bytes, &err), -NP_E_IO);
	assert_string_equal(err.text, "standard input: timed out before the end of the FIFO");
	close(STDIN_FILENO);
	assert_int_equal(np_file_load_stdin(100, 0, &bytes, &size, &err), -NP_E_IO);
	assert_string_equal(err.text, "standard input: is closed");
	assert_null(bytes);
	assert_int_equal(dup2(old, STDIN_FILENO), STDIN_FILENO);
	close(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__only_regular_files_are_replaced),
		cmocka_unit_test(test_file__a_link_to_a_file_is_replaced_and_the_file_stays),
		cmocka_unit_test(test_file__only_regular_files_are_opened_to_write),
		cmocka_unit_test(test_file__what_never_ends_is_an_error_in_time),
		cmocka_unit_test(test_file__standard_input_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
