/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <netdb.h>
#include <nss.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
	{ "apply", run_apply, OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_PLAN | OPT_APPLY, 0, "-f FILE",
	  "patch the VM classes so that the pools' nodes power on" },
	{ "diff", run_diff, OPT_INPUT | OPT_API | OPT_PLAN, 0, "-f FILE",
	  "show what apply would change; exit status 1 where something would" },
	{ "explain", run_explain, OPT_INPUT | OPT_OUTPUT | OPT_SVG | OPT_API | OPT_PLAN, 1,
	  "-f FILE [CLASS|POOL]",
	  "show how each number came about, with a picture; -o svg draws one pool" },
	{ "gpus", run_gpus, OPT_INPUT | OPT_OUTPUT, 1, "[FILTER]", "list the GPU catalogue" },
	{ "help", run_help, 0, 1, "[COMMAND]", "explain a command" },
	{ "plan", run_plan, OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_PLAN, 0, "-f FILE",
	  "show what the pools need and what their classes lack" },
	{ "revert", run_revert, OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_APPLY, 0, "-f FILE",
	  "let the pools leave their classes; the last one puts back what was there" },
	{ "version", run_version, OPT_OUTPUT, 0, "", "print the version" },
};
const size_t n_commands = sizeof(commands) / sizeof(commands[0]);

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < n_commands; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int run_help(const struct options *o, struct np_err *err)
{
	const struct command *c;

	if (o->arguments.n == 0) {
		options_overview();
		return 0;
	}
	c = find_command(o->arguments.items[0]);
	if (c == NULL)
		return np_fail(err, NP_E_USAGE, "unknown command '%s': see 'nodeprep help'",
			       o->arguments.items[0]);
	options_help(c);
	return 0;
}

static int run(int argc, char *argv[], struct np_err *err)
{
	NP_AUTO(options_done) struct options o = { 0 };
	const char *name = argc > 1 ? argv[1] : "help";
	const struct command *c;

	if (argc == 1 && getenv("CNI_COMMAND") != NULL)
		return np_fail(err, NP_E_USAGE,
			       "CNI_COMMAND is set, but this version is no exec plugin yet");
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0)
		name = "version";
	c = find_command(name);
	if (c == NULL)
		return np_fail(err, NP_E_USAGE, "unknown command '%s': see 'nodeprep help'", name);
	if (options_parse(c, argc - (argc > 1), argv + (argc > 1), &o, err) < 0)
		return -(int)err->code;
	log_init(&o);
	if (o.help) {
		options_help(c);
		return 0;
	}
	return c->run(&o, err);
}

int main(int argc, char *argv[])
{
	struct np_err err = NP_ERR_INIT;
	int status;

	/* A static glibc would load the host's other NSS modules, built for another libc. */
	__nss_configure_lookup("hosts", "files dns");
	signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv, &err);
	if (status < 0) {
		log_line("error", err.text);
		status = np_code_exit_status(err.code);
	}
	return status;
}
