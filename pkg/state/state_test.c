/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/state.h"

#include "expect.h"
#include "files.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#define GROUP "vcenter-1"
#define KILLS 100
#define NAMES_MAX 64

/* A state directory in a folder of its own. */
struct bed {
	char folder[32], dir[64];
	struct np_state *s;
	struct np_err err;
};

static void open_bed(struct bed *b)
{
	*b = (struct bed){ .folder = "/tmp/nodeprep-test-XXXXXX", .err = NP_ERR_INIT };
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->dir, sizeof(b->dir), "%s/a/b", b->folder);
	if (np_state_new(&(struct np_state_options){ .dir = b->dir }, &b->s, &b->err) < 0)
		fail_msg("%s", b->err.text);
}

/* Runs a command of the shell, where $D is the folder. */
static void run(const struct bed *b, const char *command)
{
	assert_int_equal(setenv("D", b->folder, 1), 0);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a constant */
}

static void close_bed(struct bed *b)
{
	np_state_free(b->s);
	run(b, "rm -rf $D");
}

static int give_up(void *ctx, uint64_t ms, struct np_err *err)
{
	(void)ctx;
	(void)ms;
	return np_fail(err, NP_E_RETRY, "the deadline");
}

static int wait_on(void *ctx, uint64_t ms, struct np_err *err)
{
	(void)ctx;
	(void)err;
	usleep((useconds_t)ms * 100);
	return 0;
}

static struct np_state_lock *lock_or_fail(struct bed *b, const char *name)
{
	struct np_state_lock *lock = NULL;

	if (np_state_lock(b->s, GROUP, name, wait_on, NULL, &lock, &b->err) < 0)
		fail_msg("%s", b->err.text);
	return lock;
}

static void write_or_fail(struct bed *b, const char *name, const char *text)
{
	struct np_state_lock *lock = lock_or_fail(b, name);

	if (np_state_write(lock, text, strlen(text), &b->err) < 0)
		fail_msg("%s", b->err.text);
	np_state_unlock(lock);
}

/* Returns the entry's text, the caller's; NULL where there is none. */
static char *read_or_fail(struct bed *b, const char *name)
{
	char *text = NULL;
	size_t size;
	int got = np_state_read(b->s, GROUP, name, &text, &size, &b->err);

	if (got < 0)
		fail_msg("%s", b->err.text);
	assert_true(got == 0 || strlen(text) == size);
	return text;
}

static void test_state__the_directory_is_found(void **state)
{
	static const struct {
		struct np_state_options o;
		const char *dir;
	} rows[] = {
		{ { "/s/", "/x", "/h", true }, "/s" },
		{ { "rel", "/x", "/h", false }, "rel" },
		{ { "", "/x", "/h", false }, "/x/nodeprep" },
		{ { NULL, "/x", "/h", true }, NP_STATE_ROOT },
		{ { NULL, "/x", "/h", false }, "/x/nodeprep" },
		{ { NULL, "x", "/h", false }, "/h/.local/state/nodeprep" },
		{ { NULL, "", "/h", false }, "/h/.local/state/nodeprep" },
		{ { NULL, NULL, "h", false }, NULL },
		{ { NULL, NULL, NULL, false }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(np_state_freep) struct np_state *s = NULL;
		struct np_err err = NP_ERR_INIT;
		int r = np_state_new(&rows[i].o, &s, &err);

		assert_int_equal(r, rows[i].dir ? 0 : -NP_E_USAGE);
		if (rows[i].dir)
			assert_string_equal(np_state_dir(s), rows[i].dir);
		else
			expect_has("no directory", err.text, "set --state-dir");
	}
}

static int add_name(void *ctx, const char *name, struct np_err *err)
{
	(void)err;
	strlcat(ctx, name, NAMES_MAX);
	strlcat(ctx, " ", NAMES_MAX);
	return 0;
}

static void assert_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void test_state__entries_are_written_read_listed_and_removed(void **state)
{
	struct bed b;
	char names[NAMES_MAX] = "", path[NP_STATE_PATH_MAX];
	struct np_state_lock *lock;
	char *text;

	(void)state;
	open_bed(&b);
	assert_null(read_or_fail(&b, "gpu"));
	assert_int_equal(np_state_list(b.s, GROUP, add_name, names, &b.err), 0);
	assert_string_equal(names, "");
	assert_int_not_equal(access(b.dir, F_OK), 0); /* reading creates nothing */
	write_or_fail(&b, "gpu", "one\n");
	write_or_fail(&b, "big", "");
	write_or_fail(&b, "gpu", "second\n");
	text = read_or_fail(&b, "gpu");
	assert_string_equal(text, "second\n");
	free(text);
	assert_int_equal(np_state_list(b.s, GROUP, add_name, names, &b.err), 0);
	assert_string_equal(names, "big gpu ");
	np_state_path(b.s, GROUP, "gpu", path);
	assert_mode(path, 0600);
	assert_mode(b.dir, 0700);
	lock = lock_or_fail(&b, "gpu");
	assert_int_equal(np_state_remove(lock, &b.err), 0);
	assert_int_equal(np_state_remove(lock, &b.err), 0);
	np_state_unlock(lock);
	assert_null(read_or_fail(&b, "gpu"));
	run(&b, "test \"$(ls -A $D/a/b/" GROUP ")\" = big.json");
	close_bed(&b);
}

static void test_state__an_entry_has_one_holder(void **state)
{
	struct bed b;
	struct np_state_lock *lock, *other = NULL;

	(void)state;
	open_bed(&b);
	lock = lock_or_fail(&b, "gpu");
	assert_int_equal(np_state_lock(b.s, GROUP, "gpu", give_up, NULL, &other, &b.err),
			 -NP_E_RETRY);
	expect_has("held", b.err.text, "another nodeprep holds '");
	expect_has("held", b.err.text, "/" GROUP "/gpu.lock': the deadline");
	assert_null(other);
	assert_int_equal(np_state_lock(b.s, GROUP, "other", give_up, NULL, &other, &b.err), 0);
	np_state_unlock(other);
	np_state_unlock(lock);
	assert_int_equal(np_state_lock(b.s, GROUP, "gpu", give_up, NULL, &other, &b.err), 0);
	np_state_unlock(other);
	close_bed(&b);
}

/* Each of the processes counts up what it reads; were two at it at once, a count would be lost. */
static void test_state__processes_take_turns(void **state)
{
	enum { PROCESSES = 4, TURNS = 50 };
	struct bed b;
	char wanted[32], *text;

	(void)state;
	open_bed(&b);
	write_or_fail(&b, "gpu", "0");
	for (unsigned i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		for (unsigned k = 0; k < TURNS; k++) {
			struct np_state_lock *lock = lock_or_fail(&b, "gpu");
			char count[32], *old = read_or_fail(&b, "gpu");

			snprintf(count, sizeof(count), "%ld", strtol(old, NULL, 10) + 1);
			free(old);
			if (np_state_write(lock, count, strlen(count), &b.err) < 0)
				_exit(1);
			np_state_unlock(lock);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < PROCESSES; i++) {
		int status;

		assert_true(wait(&status) > 0 && status == 0);
	}
	snprintf(wanted, sizeof(wanted), "%d", PROCESSES * TURNS);
	text = read_or_fail(&b, "gpu");
	assert_string_equal(text, wanted);
	free(text);
	close_bed(&b);
}

#define LONG 65536

/* Writes and removes in turn, until it is killed; tells when it has begun. */
static void write_on(struct bed *b, int tell)
{
	static char text[LONG];

	for (unsigned i = 0;; i++) {
		struct np_state_lock *lock = lock_or_fail(b, "gpu");

		memset(text, i % 2 == 0 ? 'a' : 'b', LONG);
		if (np_state_write(lock, text, LONG, &b->err) < 0 ||
		    (i % 3 == 0 && np_state_remove(lock, &b->err) < 0))
			_exit(1);
		np_state_unlock(lock);
		if (i == 0 && write(tell, "x", 1) != 1)
			_exit(1);
	}
}

static void kill_once(struct bed *b, unsigned round)
{
	int ends[2], status;
	pid_t child;
	char byte, *text;
	struct timespec pause = { 0, (long)(round * 7919 % 2000) * 1000 };

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_on(b, ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	nanosleep(&pause, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(ends[0]);
	close(ends[1]);
	text = read_or_fail(b, "gpu");
	if (text && (strlen(text) != LONG || strspn(text, "a") % LONG != 0 ||
		     strspn(text, text[0] == 'a' ? "a" : "b") != LONG))
		fail_msg("after kill %u the entry is %zu bytes", round, strlen(text));
	free(text);
}

/* The next process finds the old entry, the new one or none; and nothing stands in its way. */
static void test_state__a_killed_process_leaves_a_whole_entry_and_no_lock(void **state)
{
	struct bed b;
	struct np_state_lock *lock = NULL;

	(void)state;
	open_bed(&b);
	for (unsigned i = 0; i < KILLS; i++)
		kill_once(&b, i);
	assert_int_equal(np_state_lock(b.s, GROUP, "gpu", give_up, NULL, &lock, &b.err), 0);
	if (np_state_write(lock, "x", 1, &b.err) < 0 || np_state_remove(lock, &b.err) < 0)
		fail_msg("%s", b.err.text);
	np_state_unlock(lock);
	run(&b, "test -z \"$(ls -A $D/a/b/" GROUP ")\"");
	close_bed(&b);
}

/* --- what is not trusted --------------------------------------------------------------------- */

static void test_state__what_others_could_write_is_an_error(void **state)
{
	static const struct {
		const char *title, *command, *has;
		bool lock_too; /* not even a lock is taken */
	} rows[] = {
		{ "the directory is a link", "mv $D/a/b $D/c && ln -s ../c $D/a/b",
		  "/a/b': is not a directory, or a symbolic link to one", true },
		{ "the directory is a file", "rm -r $D/a/b && touch $D/a/b",
		  "/a/b': is not a directory", true },
		{ "the group is a link", "mv $D/a/b/" GROUP " $D/c && ln -s ../../c $D/a/b/" GROUP,
		  "/a/b/" GROUP "': is not a directory", true },
		{ "the entry is a link",
		  "mv $D/a/b/" GROUP "/gpu.json $D/c && ln -s ../../../c $D/a/b/" GROUP "/gpu.json",
		  "/gpu.json': is a symbolic link", false },
		{ "the entry is a pipe",
		  "rm $D/a/b/" GROUP "/gpu.json && mkfifo $D/a/b/" GROUP "/gpu.json",
		  "/gpu.json': is not a regular file", false },
		{ "the entry is a folder",
		  "rm $D/a/b/" GROUP "/gpu.json && mkdir $D/a/b/" GROUP "/gpu.json",
		  "/gpu.json': is not a regular file", false },
		{ "all may write the directory", "chmod 0777 $D/a/b",
		  "is writable by other users (mode 0777); run chmod go-w", true },
		{ "the group's users may write the entry", "chmod 0660 $D/a/b/" GROUP "/gpu.json",
		  "gpu.json': is writable by other users (mode 0660)", false },
		{ "the entry is too large", "truncate -s 524289 $D/a/b/" GROUP "/gpu.json",
		  "/gpu.json' is larger than 524288 bytes", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct bed b;
		struct np_state_lock *lock = NULL;
		char *text = NULL;
		size_t size;

		open_bed(&b);
		write_or_fail(&b, "gpu", "one\n");
		run(&b, rows[i].command);
		assert_int_equal(np_state_read(b.s, GROUP, "gpu", &text, &size, &b.err), -NP_E_IO);
		expect_has(rows[i].title, b.err.text, rows[i].has);
		b.err = (struct np_err)NP_ERR_INIT;
		if (rows[i].lock_too &&
		    np_state_lock(b.s, GROUP, "gpu", give_up, NULL, &lock, &b.err) == 0)
			fail_msg("%s: locked", rows[i].title);
		assert_null(text);
		close_bed(&b);
	}
}

static void test_state__a_directory_of_another_user_is_an_error(void **state)
{
	struct bed b;
	char *text = NULL;
	size_t size;

	(void)state;
	open_bed(&b);
	write_or_fail(&b, "gpu", "one\n");
	/* Without root's rights a directory of root's does. */
	if (geteuid() == 0)
		run(&b, "chown 65534 $D/a/b");
	else {
		np_state_free(b.s);
		assert_int_equal(
			np_state_new(&(struct np_state_options){ .dir = "/usr" }, &b.s, &b.err), 0);
	}
	assert_int_equal(np_state_read(b.s, GROUP, "gpu", &text, &size, &b.err), -NP_E_IO);
	expect_has("another user", b.err.text, "': belongs to user ");
	expect_has("another user", b.err.text, ", and nodeprep runs as user ");
	close_bed(&b);
}

static void test_state__names_that_are_no_files_are_rejected(void **state)
{
	static const char *const names[] = {
		"", ".", "..", ".gpu", "a/b", "a b", "a\nb", "\xc3\xa4"
	};
	struct bed b;
	char longest[200];

	(void)state;
	open_bed(&b);
	memset(longest, 'x', sizeof(longest));
	longest[129] = '\0';
	for (size_t i = 0; i <= COUNT(names); i++) {
		const char *name = i < COUNT(names) ? names[i] : longest;
		struct np_state_lock *lock = NULL;
		char *text = NULL;
		size_t size;

		assert_int_equal(np_state_read(b.s, GROUP, name, &text, &size, &b.err), -NP_E_SPEC);
		assert_int_equal(np_state_read(b.s, name, "gpu", &text, &size, &b.err), -NP_E_SPEC);
		assert_int_equal(np_state_lock(b.s, GROUP, name, give_up, NULL, &lock, &b.err),
				 -NP_E_SPEC);
	}
	close_bed(&b);
}

static void test_state__a_directory_that_cannot_be_made_is_an_error(void **state)
{
	struct np_err err = NP_ERR_INIT;
	NP_AUTO(np_state_freep) struct np_state *s = NULL;
	struct np_state_lock *lock = NULL;

	(void)state;
	assert_int_equal(
		np_state_new(&(struct np_state_options){ .dir = "/proc/nodeprep" }, &s, &err), 0);
	assert_int_equal(np_state_lock(s, GROUP, "gpu", give_up, NULL, &lock, &err), -NP_E_IO);
	expect_has("/proc", err.text, "state directory: '/proc/nodeprep': ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state__the_directory_is_found),
		cmocka_unit_test(test_state__entries_are_written_read_listed_and_removed),
		cmocka_unit_test(test_state__an_entry_has_one_holder),
		cmocka_unit_test(test_state__processes_take_turns),
		cmocka_unit_test(test_state__a_killed_process_leaves_a_whole_entry_and_no_lock),
		cmocka_unit_test(test_state__what_others_could_write_is_an_error),
		cmocka_unit_test(test_state__a_directory_of_another_user_is_an_error),
		cmocka_unit_test(test_state__names_that_are_no_files_are_rejected),
		cmocka_unit_test(test_state__a_directory_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
