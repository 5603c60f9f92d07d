/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

/* The files of this folder, which the build makes string literals of. */
static const struct script {
	const char *shell, *text;
} scripts[] = {
	{
		"bash",
#include "completion_bash.inc"
	},
	{
		"fish",
#include "completion_fish.inc"
	},
	{
		"zsh",
#include "completion_zsh.inc"
	},
};

int run_completion(const struct options *o, struct np_err *err)
{
	const char *shell = o->arguments.n > 0 ? o->arguments.items[0] : NULL;

	if (!shell)
		return np_fail(err, NP_E_USAGE, "expected a shell: bash, fish or zsh");
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		if (strcmp(scripts[i].shell, shell) == 0)
			return put(scripts[i].text, err);
	return np_fail(err, NP_E_USAGE, "no completion for shell '%s': expected bash, fish or zsh",
		       shell);
}

/* The directives of kubectl's protocol for plugins. */
enum { FILES_TOO = 0, NO_FILES = 4 };

static void offer(const char *value, size_t size, const char *help, const char *word)
{
	size_t begun = strlen(word);

	if (begun <= size && strncmp(value, word, begun) == 0)
		printf("%.*s%s%s\n", (int)size, value, help ? "\t" : "", help ? help : "");
}

/* Offers the values of an argument such as "client|server". */
static int offer_values(const char *argument, const char *word)
{
	if (strcmp(argument, "FILE") == 0 || strcmp(argument, "DIR") == 0)
		return FILES_TOO;
	while (strchr(argument, '|') || (argument[0] >= 'a' && argument[0] <= 'z')) {
		size_t size = strcspn(argument, "|");

		offer(argument, size, NULL, word);
		argument += size + (argument[size] == '|');
	}
	return NO_FILES;
}

static void offer_value(const char *value, const char *help, const char *word)
{
	offer(value, strlen(value), help, word);
}

static int offer_commands(const struct commands *commands, const char *word)
{
	for (size_t i = 0; i < commands->n; i++)
		offer(commands->items[i].name, strlen(commands->items[i].name),
		      commands->items[i].help, word);
	return NO_FILES;
}

/* Offers what may follow the words; the last of them is begun, or empty. */
static int offer_next(const struct commands *commands, int argc, char *argv[])
{
	const char *word = argv[argc - 1], *before = argv[argc - 2], *argument;
	int at = options_find_command(commands, argc - 1, argv);
	const struct command *c = at > 0 ? command_find(commands, argv[at]) : NULL;

	if (at == 0)
		c = command_find(commands, "apply"); /* for the global options */
	const struct completion x = {
		.c = c, .argc = argc, .argv = argv, .at = at, .offer = offer_value
	};

	if (!c)
		return NO_FILES;
	argument = argc > 2 ? options_next_argument(c, before) : NULL;
	if (argument && completion_values(&x, options_next_name(c, before)))
		return NO_FILES;
	if (argument)
		return offer_values(argument, word);
	if (word[0] == '-') {
		options_complete(c, word);
		return NO_FILES;
	}
	if (at == 0 || strcmp(c->name, "help") == 0)
		return offer_commands(commands, word);
	if (strcmp(c->name, "completion") == 0)
		return offer_values(c->usage, word);
	if (completion_values(&x, NULL))
		return NO_FILES;
	return strcmp(c->name, "host-check") == 0 ? FILES_TOO : NO_FILES;
}

int run_complete(const struct commands *commands, int argc, char *argv[], struct np_err *err)
{
	static char empty[] = "";
	char directive[8];
	int n = 1;

	/* bash splits --name=value into three words. */
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "=") != 0)
			argv[n++] = argv[i];
		else if (i == argc - 1)
			argv[n++] = empty;
	snprintf(directive, sizeof(directive), ":%d\n", offer_next(commands, n, argv));
	return put(directive, err);
}
