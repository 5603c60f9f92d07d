/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/streams.h"
#include "cmd.h"

#include <netdb.h>
#include <nss.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/file.h"
#include "nodeprep/text.h"

static const struct command rows[] = {
	{ "apply", run_apply,
	  OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_VCENTER | OPT_LIVE | OPT_PLAN | OPT_APPLY |
		  OPT_PARALLEL,
	  NULL, 0, "(-f FILE | -A | -n NAMESPACE | -l LABELS)",
	  "patch the VM classes so that the pools' nodes power on" },
	{ "check", run_check, OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_VCENTER | OPT_LIVE | OPT_PLAN,
	  NULL, 0, "(-f FILE | -A | -n NAMESPACE | -l LABELS)",
	  "report which classes, VMs and images lack what the pools need; exit status 1 if any does" },
	{ "completion", run_completion, 0, NULL, 1, "bash|fish|zsh",
	  "print the completion of a shell: source <(nodeprep completion bash)" },
	{ "controller", run_controller, OPT_CATALOGUE | OPT_API | OPT_DAEMON, &controller_options,
	  0, "", "keep the classes in sync with NodePool resources, inside a cluster" },
	{ "diff", run_diff, OPT_INPUT | OPT_API | OPT_VCENTER | OPT_LIVE | OPT_PLAN, NULL, 0,
	  "(-f FILE | -A | -n NAMESPACE | -l LABELS)",
	  "show what apply would change; exit status 1 if there are changes" },
	{ "explain", run_explain,
	  OPT_INPUT | OPT_OUTPUT | OPT_SVG | OPT_API | OPT_VCENTER | OPT_LIVE | OPT_PLAN, NULL, 1,
	  "(-f FILE | -A | -n NAMESPACE | -l LABELS) [CLASS|POOL]",
	  "show how each number is computed, with a picture; -o svg draws one pool" },
	{ "gpus", run_gpus, OPT_INPUT | OPT_OUTPUT | OPT_TIMEOUT, NULL, 1, "[FILTER]",
	  "list the GPU catalogue" },
	{ "help", run_help, 0, NULL, 1, "[COMMAND]", "print the options of a command" },
	{ "host-apply", run_host_apply,
	  OPT_INPUT | OPT_OUTPUT | OPT_TIMEOUT | OPT_SESSION | OPT_APPLY, &host_apply_options, 0,
	  "--vcenter URL -f FILE",
	  "enable passthrough of the GPUs that pools ask for on a vCenter's hosts; never reboots" },
	{ "host-check", run_host_check,
	  OPT_INPUT | OPT_OUTPUT | OPT_SVG | OPT_TIMEOUT | OPT_SESSION, &host_check_options,
	  SIZE_MAX, "CAPTURE... | --vcenter URL",
	  "judge a host or a VM by captures of esxcli, lspci, BIOS settings, vmware.log, dmesg, ...; or a vCenter's hosts" },
	{ "install-cni", run_install_cni, 0, &install_cni_options, 0, "--bin-dir DIR",
	  "copy this binary into a container runtime's folder of plugins" },
	{ "node-check", run_node_check, OPT_INPUT | OPT_OUTPUT | OPT_API, &node_check_options, 0,
	  "[--expect MODEL=N[,...]] [--wait DURATION]",
	  "check inside a node that every BAR of its GPUs is assigned" },
	{ "plan", run_plan, OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_VCENTER | OPT_LIVE | OPT_PLAN,
	  NULL, 0, "(-f FILE | -A | -n NAMESPACE | -l LABELS)",
	  "show what the pools need and what their classes lack" },
	{ "revert", run_revert,
	  OPT_INPUT | OPT_OUTPUT | OPT_API | OPT_VCENTER | OPT_APPLY | OPT_PARALLEL | OPT_SELECTOR,
	  &revert_options, 0, "-f FILE",
	  "release the pools' classes; the last release restores the original values" },
	{ "status", run_status, OPT_OUTPUT | OPT_CATALOGUE | OPT_API | OPT_SELECTOR,
	  &status_options, 0, "",
	  "list the managed classes: pools, holders, window, drift, and the last writer" },
	{ "version", run_version, OPT_OUTPUT, NULL, 0, "", "print the version" },
	{ "vm-apply", run_vm_apply,
	  OPT_OUTPUT | OPT_CATALOGUE | OPT_TIMEOUT | OPT_SESSION | OPT_APPLY, &vm_apply_options, 0,
	  "--vcenter URL --vm NAME", "give plain VMs and templates what their GPUs need" },
	{ "vm-check", run_vm_check, OPT_INPUT | OPT_OUTPUT | OPT_TIMEOUT | OPT_SESSION,
	  &vm_check_options, 0, "--vcenter URL [--vm NAME|PATTERN] [-f FILE]",
	  "judge the VMs and templates with GPUs of a vCenter; exit status 1 if any lacks what it needs" },
	{ "vm-revert", run_vm_revert,
	  OPT_OUTPUT | OPT_CATALOGUE | OPT_TIMEOUT | OPT_SESSION | OPT_APPLY, &vm_revert_options, 0,
	  "--vcenter URL --vm NAME", "restore what vm-apply changed" },
};
static const struct commands commands = { rows, sizeof(rows) / sizeof(rows[0]) };

const struct command *command_find(const struct commands *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->items[i].name, name) == 0)
			return &c->items[i];
	return NULL;
}

static int fail_command(const char *name, struct np_err *err)
{
	const char *names[sizeof(rows) / sizeof(rows[0])], *near;

	for (size_t i = 0; i < commands.n; i++)
		names[i] = rows[i].name;
	near = np_text_near(name, NP_WORDS(names));
	if (near)
		return np_fail(err, NP_E_USAGE, "unknown command '%s': did you mean '%s'?", name,
			       near);
	return np_fail(err, NP_E_USAGE, "unknown command '%s': see 'nodeprep help'", name);
}

int run_help(const struct options *o, struct np_err *err)
{
	const struct command *c;

	if (o->arguments.n == 0) {
		options_overview(&commands);
		return 0;
	}
	c = command_find(&commands, o->arguments.items[0]);
	if (!c)
		return fail_command(o->arguments.items[0], err);
	options_help(c);
	return 0;
}

/* Puts the command first, so that global options may stand before it, as kubectl's may. */
static const char *command_first(int argc, char *argv[])
{
	int at = options_find_command(&commands, argc, argv);
	char *name = argv[at];

	for (int i = at; i > 1; i--)
		argv[i] = argv[i - 1];
	if (at > 0)
		argv[1] = name;
	return at > 0 ? name : NULL;
}

/* What words without a command ask for; NULL: nothing that is known. */
static const char *implied_command(int argc, char *argv[])
{
	if (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return "help";
	return strcmp(argv[1], "--version") == 0 ? "version" : NULL;
}

/* A static glibc would load the host's other NSS modules, built for another libc. It reads a file for that. */
static void set_up_names(void)
{
	__nss_configure_lookup("hosts", "files dns");
}

static int run_command(const struct command *c, int argc, char *argv[], struct np_err *err)
{
	NP_AUTO(options_done) struct options o = { 0 };
	int status;

	if (options_parse(c, argc, argv, &o, err) < 0)
		return np_err_ret(err);
	if ((c->options & OPT_DAEMON) == 0)
		np_file_set_deadline(o.deadline);
	log_init(&(struct log_options){ .form = o.log_form,
					.has_time = true,
					.is_quiet = o.quiet,
					.before = progress_clear });
	progress_init(&o);
	if ((c->options & (OPT_API | OPT_VCENTER | OPT_SESSION)) != 0)
		set_up_names();
	if (o.help) {
		options_help(c);
		return 0;
	}
	status = c->run(&o, err);
	if (status < 0)
		hints_note(err->code);
	hints_log_role(c, &o);
	return status;
}

static int run(int argc, char *argv[], struct np_err *err)
{
	const struct command *c;
	const char *name;

	if (argc > 2 && strcmp(argv[1], "__complete") == 0)
		return run_complete(&commands, argc - 1, argv + 1, err);
	name = command_first(argc, argv);
	if (argc == 1 && getenv("CNI_COMMAND")) {
		set_up_names();
		return run_cni();
	}
	if (!name) {
		name = implied_command(argc, argv);
		if (!name)
			return np_fail(err, NP_E_USAGE,
				       "no command in front of '%.*s': see 'nodeprep help'",
				       (int)strcspn(argv[1], "="), argv[1]);
		return run_command(command_find(&commands, name), 1, argv, err);
	}
	c = command_find(&commands, name);
	if (!c)
		return fail_command(name, err);
	return run_command(c, argc - 1, argv + 1, err);
}

int main(int argc, char *argv[])
{
	struct np_err err = NP_ERR_INIT;
	int status;

	streams_open();
	signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv, &err);
	/* The reader is gone, as with `| head`: end as any tool does, without a message. */
	if (status < 0 && put_was_cut()) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (status < 0) {
		log_line("error", err.text);
		status = np_code_exit_status(err.code);
	}
	return status;
}
