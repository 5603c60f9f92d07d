/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"
#include "log.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static int old_stderr;
static unsigned n_before;

static void count_before(void)
{
	n_before++;
}

/* Standard error becomes a file until close_log(). */
static int open_log(void **state)
{
	struct np_err err = NP_ERR_INIT;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/nodeprep-log-XXXXXX");
	fd = mkstemp(path);
	old_stderr = dup(STDERR_FILENO);
	n_before = 0;
	return fd < 0 || old_stderr < 0 || close(fd) < 0 ? -1 : log_open(path, NULL, &err);
}

static int close_log(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	log_init(&(struct log_options){ .form = LOG_TEXT });
	dup2(old_stderr, STDERR_FILENO);
	close(old_stderr);
	unlink(path);
	return log_open(NULL, NULL, &err);
}

static void check_log(const char *pattern)
{
	NP_AUTO(np_freep) char *text = load_file(path, NULL);
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("'%s' does not match '%s'", text, pattern);
	regfree(&re);
}

static size_t count_lines(void)
{
	NP_AUTO(np_freep) char *text = load_file(path, NULL);
	size_t n = 0;

	for (const char *c = text; *c; c++)
		n += *c == '\n';
	return n;
}

static void test_log__text(void **state)
{
	(void)state;
	log_init(&(struct log_options){ .form = LOG_TEXT, .before = count_before });
	log_format("warning", "%d classes", 3);
	log_write(&(struct log_entry){ .level = "info", .text = "msg", .line = "for people" });
	check_log("^warning: 3 classes\ninfo: for people\n$");
	assert_int_equal(n_before, 2);
}

static void test_log__text_of_a_log_file_has_time_and_words(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	log_init(&(struct log_options){ .form = LOG_TEXT });
	assert_int_equal(log_open(NULL, "ADD pod", &err), 0);
	log_line("error", "no");
	check_log("^20[0-9-]{8}T[0-9:]{8}Z ADD pod: error: no\n$");
}

static void test_log__json(void **state)
{
	json_auto_t *fields = json_pack("{s:s, s:f}", "id", "7", "seconds", 0.25);

	(void)state;
	log_init(&(struct log_options){ .form = LOG_JSON });
	log_line("info", "a \"quote\"");
	log_init(&(struct log_options){ .form = LOG_JSON, .has_time = true });
	log_write(&(struct log_entry){
		.level = "error", .text = "b", .line = "for people", .fields = fields });
	check_log("^\\{\"level\":\"info\",\"msg\":\"a \\\\\"quote\\\\\"\"\\}\n"
		  "\\{\"time\":\"20[0-9-]{8}T[0-9:]{8}\\.[0-9]{3}Z\",\"level\":\"error\","
		  "\"msg\":\"b\",\"id\":\"7\",\"seconds\":0.25\\}\n$");
}

static void test_log__hidden_characters_are_escaped(void **state)
{
	(void)state;
	log_init(&(struct log_options){ .form = LOG_JSON });
	log_line("error", "bad \xff byte");
	log_line("error", "a \033[31m \342\200\256");
	log_init(&(struct log_options){ .form = LOG_TEXT });
	log_line("error", "bad \xff byte\nerror: \033[31m \342\200\256");
	check_log("^\\{\"level\":\"error\",\"msg\":\"bad \\\\\\\\xff byte\"\\}\n"
		  "\\{\"level\":\"error\",\"msg\":\"a \\\\u001B\\[31m \\\\u202E\"\\}\n"
		  "error: bad \\\\xff byte\\\\nerror: \\\\x1b\\[31m \\\\u202e\n$");
}

static void write_lines(const char *level, const char *kind, const char *fmt)
{
	for (int i = 0; i < 30; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s %d", fmt, i);
		log_write(&(struct log_entry){ .level = level, .text = text, .kind = kind });
	}
}

static void test_log__repeated_lines_are_limited(void **state)
{
	(void)state;
	log_init(&(struct log_options){ .form = LOG_JSON, .is_limited = true });
	write_lines("warning", NULL, "port");
	assert_int_equal(count_lines(), 20);
	write_lines("warning", "hook", "port");
	assert_int_equal(count_lines(), 40);
	write_lines("info", NULL, "port");
	assert_int_equal(count_lines(), 70);
}

static void test_log__lines_are_not_limited_by_default(void **state)
{
	(void)state;
	log_init(&(struct log_options){ .form = LOG_TEXT });
	write_lines("error", NULL, "port");
	assert_int_equal(count_lines(), 30);
}

static void test_log__a_file_that_cannot_be_opened(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(log_open("/nonexistent/log", NULL, &err), -NP_E_IO);
	assert_string_equal(err.text, "logFile: '/nonexistent/log': No such file or directory");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_log, close_log)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_log__text),
		TEST(test_log__text_of_a_log_file_has_time_and_words),
		TEST(test_log__json),
		TEST(test_log__hidden_characters_are_escaped),
		TEST(test_log__repeated_lines_are_limited),
		TEST(test_log__lines_are_not_limited_by_default),
		TEST(test_log__a_file_that_cannot_be_opened),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
