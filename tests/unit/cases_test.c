/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "expect.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char file[32];

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(file, "/tmp/nodeprep-cases-XXXXXX");
	fd = mkstemp(file);
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(file);
}

/* The function under test of every record file here: the input in angle brackets. */
static char *bracket(const char *input)
{
	char *text = NULL;

	return asprintf(&text, "<%s>\n", input) < 0 ? NULL : text;
}

static void run_file(void **state)
{
	(void)state;
	run_cases(file, bracket);
}

/* Runs the file in a process of its own; returns what that printed, and whether it failed. */
static char *run_apart(int *ret_status)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(run_file) };
	char *printed = calloc(1, 1 << 16);
	ssize_t n, size = 0;
	int fds[2];
	pid_t pid;

	assert_non_null(printed);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		_exit(cmocka_run_group_tests(tests, NULL, NULL) == 0 ? 0 : 1);
	}
	close(fds[1]);
	while ((n = read(fds[0], printed + size, (size_t)((1 << 16) - 1 - size))) > 0)
		size += n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	return printed;
}

#define GOOD "%case good\na\n%expect\n<a\n>\n"

static const struct file_case {
	const char *what, *text;
	const char *error; /* NULL: every record passes */
} file_cases[] = {
	{ "one record", GOOD, NULL },
	{ "a comment and a head", "# note\n%head\nh: 1\n\n%case x\na\n%expect\n<h: 1\na\n>\n\n",
	  NULL },
	{ "an empty input", "%case x\n%expect\n<>\n", NULL },
	{ "no line feed at the end", "%case x\na\n%expect\n<a\n>", NULL },
	{ "content that begins with a percent sign", "%case x\n%YAML 1.1\n%expect\n<%YAML 1.1\n>\n",
	  NULL },
	{ "parts", "%case x\na b c\n%has\na b\nb c\n", NULL },
	{ "no record", "# a comment\n", ": no record" },
	{ "an empty file", "", ": no record" },
	{ "a record without an expectation", GOOD "%case x\na\n",
	  ":7: the last record has neither %expect nor %has" },
	{ "two titles in a row", "%case x\na\n" GOOD, ":3: '%case good' is not a marker" },
	{ "a misspelt marker", "%case x\na\n%expct\nb\n", ":3: '%expct' is not a marker" },
	{ "one title twice", GOOD GOOD, ":6: the title stands already in line 1" },
	{ "text in front of the first marker", "a\n" GOOD, ":1: expected a comment or a marker" },
	{ "another output", GOOD "\n%case wrong\na\n%expect\n<b\n>\n",
	  ":7: wrong\n  expected\n<b\n>\n  got\n<a\n>" },
	{ "output behind what is expected", "%case x\na\n%expect\n<a\n", ":1: x\n" },
	{ "a part that is missing", "%case x\na b c\n%has\na b\nd\n",
	  "expected each of\na b\nd\n" },
	{ "no part at all", "%case x\na\n%has\n\n", ":1: x\n" },
	{ "how many failed", GOOD "%case x\n%expect\n%case y\n%expect\n", "2 of 3 records failed" },
};

static void test_cases__bad_files_fail_with_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(file_cases); i++) {
		const struct file_case *c = &file_cases[i];
		int status = 0;
		char *printed;

		save_file(file, c->text);
		printed = run_apart(&status);
		if ((status != 0) != !!c->error)
			fail_msg("%s: status %d: %s", c->what, status, printed);
		expect_has(c->what, printed, c->error ? c->error : "");
		if (c->error)
			expect_has(c->what, printed, file);
		free(printed);
	}
}

static void test_cases__blessing_writes_what_came_out(void **state)
{
	static const char text[] = "# note\n%head\nh\n\n%case x\na\n%expect\n\n%case y\n%has\nh\n\n"
				   "%case z\nb\n%expect\nold\n";
	static const char blessed[] =
		"# note\n%head\nh\n\n%case x\na\n%expect\n<h\na\n>\n\n%case y\n%has\nh\n\n"
		"%case z\nb\n%expect\n<h\nb\n>\n";
	int status = 0;
	char *now;

	(void)state;
	save_file(file, text);
	setenv("NODEPREP_BLESS", "1", 1);
	free(run_apart(&status));
	unsetenv("NODEPREP_BLESS");
	assert_int_not_equal(status, 0);
	now = load_file(file, NULL);
	assert_string_equal(now, blessed);
	free(now);
	free(run_apart(&status));
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases__bad_files_fail_with_their_line,
						make_file, drop_file),
		cmocka_unit_test_setup_teardown(test_cases__blessing_writes_what_came_out,
						make_file, drop_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
