/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"
#include "options.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 16
#define LINE_SIZE 256

static struct target {
	struct address listen;
	unsigned format, verbosity;
	uint64_t count, wait_ms, size;
	bool all, no_lease;
	const char *name;
	struct texts files;
	unsigned length; /* of what --measure got */
} target;

static int measure(const char *value, void *at, struct np_err *err)
{
	if (strcmp(value, "void") == 0)
		return np_fail(err, NP_E_USAGE, "--measure '%s' has no length", value);
	*(unsigned *)at = (unsigned)strlen(value);
	return 0;
}

enum { GROUP_A = 1, GROUP_B = 2 };

#define AT(member) offsetof(struct target, member)

static const struct option_row rows[] = {
	{ "all", 'a', NULL, OPTION_FLAG, AT(all), .help = "a flag" },
	{ "count", 0, "N", OPTION_COUNT, AT(count), .help = "a number", .most = 12 },
	{ "file", 'f', "FILE", OPTION_TEXTS, AT(files), .help = "a list" },
	{ "format", 0, "text|json", OPTION_CHOICE, AT(format), .help = "a choice" },
	{ "lease", 0, NULL, OPTION_NOT_FLAG, AT(no_lease), .help = "true by default" },
	{ "listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(listen), .help = "an address" },
	{ "measure", 0, "TEXT", OPTION_READ, AT(length), .help = "a reader", .read = measure },
};

/* The same name in two groups: a table takes one of them. */
static const struct option_row more_rows[] = {
	{ "name", 'n', "NAME", OPTION_TEXT, AT(name), .help = "the one of A", .group = GROUP_A },
	{ "name", 0, NULL, OPTION_FLAG, AT(all), .help = "the one of B", .group = GROUP_B },
	{ "secret", 0, NULL, OPTION_FLAG, AT(all), .help = "of B alone", .group = GROUP_B },
	{ "size", 0, "SIZE", OPTION_SIZE, AT(size), .help = "bytes" },
	{ "v", 'v', "[=N]", OPTION_VERBOSITY, AT(verbosity), .help = "a level" },
	{ "wait", 0, "DURATION", OPTION_DURATION, AT(wait_ms), .help = "a time" },
};

static const struct option_table items[] = {
	{ OPTION_ROWS(rows), &target, 0 },
	{ OPTION_ROWS(more_rows), &target, GROUP_A },
};

static const struct option_tables tables = { items, 2, "prog help" };

static int forget(void **state)
{
	(void)state;
	option_done(&tables);
	assert_null(target.files.items);
	target = (struct target){ 0 };
	return 0;
}

/* Parses the words of a line; a word has no blank in it. */
static int parse(const char *line, struct texts *arguments, char words[static LINE_SIZE],
		 struct np_err *err)
{
	char *argv[WORDS_MAX + 2] = { (char[]){ "prog" } }, *rest = NULL;
	int argc = 1;

	assert_true(strlcpy(words, line, LINE_SIZE) < LINE_SIZE);
	for (char *w = strtok_r(words, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		assert_true(argc <= WORDS_MAX);
		argv[argc++] = w;
	}
	return option_parse(&tables, argc, argv, arguments, err);
}

static void check_failure(const char *line, const char *expect)
{
	NP_AUTO(texts_done) struct texts arguments = { 0 };
	struct np_err err = NP_ERR_INIT;
	char words[LINE_SIZE];

	print_message("# %s\n", line);
	assert_int_equal(parse(line, &arguments, words, &err), -NP_E_USAGE);
	assert_string_equal(err.text, expect);
}

static void test_options__each_kind_is_read(void **state)
{
	NP_AUTO(texts_done) struct texts arguments = { 0 };
	struct np_err err = NP_ERR_INIT;
	char words[LINE_SIZE];

	(void)state;
	assert_int_equal(parse("--listen=[::1]:80 --count 12 --format=json one --lease=false "
			       "--measure=abc --wait=1m30s --size=2Ki",
			       &arguments, words, &err),
			 0);
	assert_string_equal(target.listen.host, "::1");
	assert_int_equal(target.listen.port, 80);
	assert_int_equal(target.count, 12);
	assert_int_equal(target.format, 1);
	assert_true(target.no_lease);
	assert_int_equal(target.length, 3);
	assert_int_equal(target.wait_ms, 90000);
	assert_int_equal(target.size, 2048);
	assert_int_equal(arguments.n, 1);
	assert_string_equal(arguments.items[0], "one");
}

static void test_options__letters_lists_and_the_end_of_options(void **state)
{
	NP_AUTO(texts_done) struct texts arguments = { 0 };
	struct np_err err = NP_ERR_INIT;
	char words[LINE_SIZE];

	(void)state;
	assert_int_equal(parse("-fa -f b --file=c -f=d -an=x one -- -f", &arguments, words, &err),
			 0);
	assert_int_equal(target.files.n, 4);
	assert_string_equal(target.files.items[0], "a");
	assert_string_equal(target.files.items[1], "b");
	assert_string_equal(target.files.items[2], "c");
	assert_string_equal(target.files.items[3], "d");
	assert_true(target.all);
	assert_string_equal(target.name, "x");
	assert_int_equal(arguments.n, 2);
	assert_string_equal(arguments.items[1], "-f");
}

static void test_options__verbosity_adds_or_is_set(void **state)
{
	static const struct {
		const char *line;
		unsigned expect;
	} cases[] = {
		{ "-v", 1 }, { "-v -v --v", 3 }, { "-v=3", 3 }, { "--v=4 -v", 5 }, { "-v2", 2 }
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		NP_AUTO(texts_done) struct texts arguments = { 0 };
		struct np_err err = NP_ERR_INIT;
		char words[LINE_SIZE];

		print_message("# %s\n", cases[i].line);
		assert_int_equal(parse(cases[i].line, &arguments, words, &err), 0);
		assert_int_equal(target.verbosity, cases[i].expect);
		forget(state);
	}
}

static void test_options__bad_lines_say_what_is_valid(void **state)
{
	static const struct {
		const char *line, *expect;
	} cases[] = {
		{ "--nonsense=hunter2", "unknown option '--nonsense': see 'prog help'" },
		{ "-x", "unknown option '-x': see 'prog help'" },
		{ "--secret", "unknown option '--secret': see 'prog help'" },
		{ "--naem=hunter2", "unknown option '--naem': did you mean '--name'?" },
		{ "--Format", "unknown option '--Format': did you mean '--format'?" },
		{ "--name", "option '--name' needs a value" },
		{ "-n", "option '-n' needs a value" },
		{ "--all=maybe", "--all 'maybe': expected true or false" },
		{ "--lease=", "--lease '': expected true or false" },
		{ "--format=xml", "--format 'xml': expected text or json" },
		{ "--format=tex", "--format 'tex': expected text or json" },
		{ "--format=textual", "--format 'textual': expected text or json" },
		{ "--measure=void", "--measure 'void' has no length" },
		{ "--listen=nowhere",
		  "--listen is 'nowhere': expected HOST:PORT with a port up to 65535" },
		{ "--listen=h:65536",
		  "--listen is 'h:65536': expected HOST:PORT with a port up to 65535" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_failure(cases[i].line, cases[i].expect);
}

/* The part behind the colon is the parser's of numbers, sizes and times. */
static void test_options__bad_numbers_name_their_option(void **state)
{
	static const char *const lines[] = { "--count=0", "--count=13",  "--count=x",
					     "--size=-1", "--wait=soon", "--v=11" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		NP_AUTO(texts_done) struct texts arguments = { 0 };
		struct np_err err = NP_ERR_INIT;
		size_t size = strcspn(lines[i], "=");
		char words[LINE_SIZE];

		print_message("# %s\n", lines[i]);
		assert_int_equal(parse(lines[i], &arguments, words, &err), -NP_E_USAGE);
		assert_non_null(strstr(err.text, ": "));
		if (strncmp(lines[i], "--v", 3) == 0)
			assert_memory_equal(err.text, "-v:", 3);
		else
			assert_memory_equal(err.text, lines[i], size);
		assert_int_equal(target.count + target.size + target.wait_ms + target.verbosity, 0);
	}
}

static void test_options__options_with_a_separate_value(void **state)
{
	static const struct {
		const char *word;
		bool expect;
	} cases[] = {
		{ "-f", true },        { "--file", true },      { "--file=x", false },
		{ "-fx", false },      { "--all", false },      { "-a", false },
		{ "-v", false },       { "--v", false },        { "--name", true },
		{ "--secret", false }, { "--nonsense", false }, { "-", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i].word);
		assert_int_equal(option_takes_next(&tables, cases[i].word), cases[i].expect);
	}
}

static void test_options__help_has_a_line_for_each_option(void **state)
{
	static const char expect[] = "  -a, --all                          a flag\n"
				     "      --count N                      a number\n"
				     "  -f, --file FILE                    a list\n"
				     "      --format text|json             a choice\n"
				     "      --lease                        true by default\n"
				     "      --listen HOST:PORT             an address\n"
				     "      --measure TEXT                 a reader\n"
				     "  -n, --name NAME                    the one of A\n"
				     "      --size SIZE                    bytes\n"
				     "  -v[=N]                             a level\n"
				     "      --wait DURATION                a time\n";
	char path[] = "/tmp/nodeprep-help-XXXXXX", text[4096] = "";
	int fd = mkstemp(path), old = dup(STDOUT_FILENO);

	(void)state;
	assert_true(fd >= 0 && old >= 0);
	unlink(path);
	fflush(stdout);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	option_help(&tables);
	fflush(stdout);
	assert_true(dup2(old, STDOUT_FILENO) >= 0);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	close(fd);
	close(old);
	assert_string_equal(text, expect);
}

static void test_address__hosts_and_their_urls(void **state)
{
	static const struct {
		const char *text, *host, *url;
	} cases[] = {
		{ "127.0.0.1:80", "127.0.0.1", "http://127.0.0.1:80" },
		{ "[::1]:80", "::1", "http://[::1]:80" },
		{ "::1:80", "::1", "http://[::1]:80" },
		{ ":80", "0.0.0.0", "http://0.0.0.0:80" },
		{ "[]:80", "0.0.0.0", "http://0.0.0.0:80" },
		{ "localhost:80", "127.0.0.1", "http://127.0.0.1:80" },
	};
	const char long_host[] =
		"0123456789012345678901234567890123456789012345678901234567890123:1";
	struct np_err err = NP_ERR_INIT;
	struct address a = { "unchanged", 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address got;
		char url[ADDRESS_URL_MAX];

		print_message("# %s\n", cases[i].text);
		assert_int_equal(address_parse("listen", cases[i].text, &got, &err), 0);
		assert_string_equal(got.host, cases[i].host);
		address_url("http", &got, got.port, url);
		assert_string_equal(url, cases[i].url);
	}
	assert_int_equal(address_parse("listen", long_host, &a, &err), -NP_E_USAGE);
	assert_int_equal(address_parse("listen", long_host + 1, &a, &err), 0);
	assert_int_equal(address_parse("listen", "h:-1", &a, &err), -NP_E_USAGE);
	assert_string_equal(a.host,
			    "123456789012345678901234567890123456789012345678901234567890123");
}

#define TEST(f) cmocka_unit_test_teardown(f, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_options__each_kind_is_read),
		TEST(test_options__letters_lists_and_the_end_of_options),
		TEST(test_options__verbosity_adds_or_is_set),
		TEST(test_options__bad_lines_say_what_is_valid),
		TEST(test_options__bad_numbers_name_their_option),
		TEST(test_options__options_with_a_separate_value),
		TEST(test_options__help_has_a_line_for_each_option),
		TEST(test_address__hosts_and_their_urls),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
