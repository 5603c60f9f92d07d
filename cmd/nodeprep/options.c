/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "../common/kube.h"
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/doc.h"
#include "nodeprep/file.h"
#include "nodeprep/time.h"

#define RUN_MS (UINT64_C(60) * 1000) /* without --timeout */
#define OUTPUT_FORMS "table|wide|json|yaml"
#define AT(member) offsetof(struct options, member)

static int read_format(const char *value, void *at, struct np_err *err)
{
	return np_render_format_parse(value, at, err);
}

static int read_warning(const char *value, void *at, struct np_err *err)
{
	return np_warning_set_add(at, value, err) < 0 ? np_wrap(err, "--ignore-warning") : 0;
}

static int read_dry_run(const char *value, void *at, struct np_err *err)
{
	enum np_dry_run *ret = at;
	unsigned choice = 0;

	if (strcmp(value, "none") == 0)
		return 0;
	if (option_read_choice("dry-run", "client|server", value, &choice, err) < 0)
		return np_err_ret(err);
	*ret = choice == 0 ? NP_DRY_RUN_CLIENT : NP_DRY_RUN_SERVER;
	return 0;
}

static int read_classes(const char *value, void *at, struct np_err *err)
{
	enum classes_from *ret = at;
	unsigned choice = 0;

	if (option_read_choice("classes", "kubernetes|vcenter", value, &choice, err) < 0)
		return np_err_ret(err);
	*ret = choice == 0 ? CLASSES_KUBERNETES : CLASSES_VCENTER;
	return 0;
}

/* Sorted by group, then by name. */
static const struct option_row shared_rows[] = {
	{ "catalogue", 0, "FILE", OPTION_TEXTS, AT(catalogues), .help = CATALOGUE_HELP,
	  .group = OPT_INPUT | OPT_CATALOGUE },
	{ "catalogue-from", 0, "FILE", OPTION_TEXTS, AT(captures), .help = CAPTURE_HELP,
	  .group = OPT_INPUT | OPT_CATALOGUE },
	{ "filename", 'f', "FILE", OPTION_TEXTS, AT(files),
	  .help = "file, folder or - with pools and classes, YAML or JSON; repeatable",
	  .group = OPT_INPUT },
	{ "recursive", 'R', NULL, OPTION_FLAG, AT(recursive),
	  .help = "read the folders below a folder too", .group = OPT_INPUT },
	{ "all-namespaces", 'A', NULL, OPTION_FLAG, AT(all_namespaces),
	  .help = "without -f: read the pools of all namespaces from the API server",
	  .group = OPT_LIVE },
	{ "field-selector", 0, "FIELDS", OPTION_TEXT, AT(fields),
	  .help = "without -f: only objects with these fields, such as metadata.name=gpu",
	  .group = OPT_LIVE },
	{ "selector", 'l', "LABELS", OPTION_TEXT, AT(labels),
	  .help = "only objects with these labels, such as team=ml or 'team in (ml,web)'",
	  .group = OPT_LIVE | OPT_SELECTOR },
	{ "output", 'o', OUTPUT_FORMS, OPTION_READ, AT(format),
	  .help = "format of the output; explain: svg too", .group = OPT_OUTPUT,
	  .read = read_format },
	{ "allow-shrink", 0, NULL, OPTION_FLAG, AT(allow_shrink),
	  .help = "lower an existing window that is larger than needed", .group = OPT_PLAN },
	{ "ignore-warning", 0, "CODE", OPTION_READ, AT(ignored),
	  .help = "leave out the warnings with this code, such as no-spare-host; repeatable",
	  .group = OPT_PLAN, .read = read_warning },
	{ "max-window", 0, "GB", OPTION_COUNT, AT(max_window), .help = MAX_WINDOW_HELP,
	  .group = OPT_PLAN, .most = MAX_WINDOW_MOST },
	{ "restore-hidden-devices", 0, NULL, OPTION_FLAG, AT(restore_hidden),
	  .help = "copy devices that a class's configSpec hides into it", .group = OPT_PLAN },
	{ "timeout", 0, "DURATION", OPTION_DURATION, AT(kube.deadline_ms),
	  .help = KUBE_TIMEOUT_HELP, .group = OPT_TIMEOUT },
	{ "dry-run", 0, "client|server", OPTION_READ, AT(dry_run),
	  .help = "write nothing; client: only plan, server: let the server check the patch",
	  .group = OPT_APPLY, .read = read_dry_run },
	{ "parallel", 0, "N", OPTION_COUNT, AT(parallel), .help = PARALLEL_HELP,
	  .group = OPT_PARALLEL, .most = PARALLEL_MOST },
	{ "classes", 0, "kubernetes|vcenter", OPTION_READ, AT(classes),
	  .help = "whose VM classes are read and changed; vcenter where --vcenter is set",
	  .group = OPT_VCENTER, .read = read_classes },
	{ "state-dir", 0, "DIR", OPTION_TEXT, AT(state_dir),
	  .help = "folder of the records of what nodeprep changed in vCenter",
	  .group = OPT_VCENTER | OPT_SESSION },
	{ "certificate-authority", 0, "FILE", OPTION_TEXT, AT(kube.ca_file),
	  .help = "CA that signed vCenter's certificate; else GOVC_TLS_CA_CERTS",
	  .group = OPT_SESSION },
	{ "insecure-skip-tls-verify", 0, NULL, OPTION_FLAG, AT(kube.insecure),
	  .help = "do not check vCenter's certificate", .group = OPT_SESSION },
	{ "request-timeout", 0, "DURATION", OPTION_DURATION, AT(kube.request_timeout_ms),
	  .help = "limit of one request, such as 5s; 0: none but the run's", .group = OPT_SESSION },
	{ "tls-server-name", 0, "NAME", OPTION_TEXT, AT(kube.tls_server_name),
	  .help = "name to expect in vCenter's certificate", .group = OPT_SESSION },
};

/* In front of the API server's other options. */
static const struct option_row api_rows[] = {
	{ "as-group", 0, "GROUP", OPTION_TEXTS, AT(as_groups),
	  .help = "group to impersonate, with --as; repeatable" },
};

static const struct option_row global_rows[] = {
	{ "help", 'h', NULL, OPTION_FLAG, AT(help), .help = "print this help" },
	{ "log-format", 0, "text|json", OPTION_CHOICE, AT(log_form),
	  .help = "format of the lines on stderr, text by default" },
	{ "quiet", 'q', NULL, OPTION_FLAG, AT(quiet), .help = "log errors only" },
	{ "v", 'v', "[=N]", OPTION_VERBOSITY, AT(verbosity),
	  .help = "log more on stderr; from 6 to 9 also each request, as kubectl does" },
};

enum { N_TABLES = 6 };

/* Returns how many tables the command has; *o is what the shared ones fill. */
static size_t make_tables(const struct command *c, struct options *o,
			  struct option_table ret[static N_TABLES])
{
	size_t n = 0;

	ret[n++] = (struct option_table){ OPTION_ROWS(shared_rows), o, c->options };
	if (c->own)
		ret[n++] = *c->own;
	if ((c->options & OPT_API) != 0) {
		ret[n++] = (struct option_table){ OPTION_ROWS(api_rows), o, 0 };
		ret[n++] = kube_table(&o->kube, (c->options & OPT_DAEMON) != 0 ? KUBE_CONTROLLER
									       : KUBE_CLIENT);
	}
	if ((c->options & (OPT_VCENTER | OPT_SESSION)) != 0)
		ret[n++] = vcenter_table(&o->vcenter);
	ret[n++] = (struct option_table){ OPTION_ROWS(global_rows), o, 0 };
	return n;
}

void options_environment(struct np_kube_options *k)
{
	kube_environment(k);
	k->is_cancelled = signals_is_stopped;
}

struct np_state_options options_state(const char *dir)
{
	return (struct np_state_options){ .dir = dir,
					  .xdg_state_home = getenv("XDG_STATE_HOME"),
					  .home = getenv("HOME"),
					  .is_root = geteuid() == 0 };
}

bool is_vcenter(const struct options *o)
{
	return o->classes == CLASSES_VCENTER ||
	       (o->classes == CLASSES_BY_DEFAULT && np_vcenter_is_configured(&o->vcenter.options));
}

static int finish_vcenter(struct options *o, struct np_err *err)
{
	if (vcenter_finish(&o->vcenter, &o->kube, o->kube.stdin_taken, err) < 0)
		return np_err_ret(err);
	/* A kubeconfig beside it has the certificates of its own server. */
	if (np_vcenter_is_configured(&o->vcenter.options)) {
		o->kube.ca_file = NULL;
		o->kube.tls_server_name = NULL;
		o->kube.insecure = false;
	}
	if (o->classes == CLASSES_VCENTER && !np_vcenter_is_configured(&o->vcenter.options))
		return np_fail(err, NP_E_USAGE,
			       "--classes vcenter: expected --vcenter URL as well");
	if (is_vcenter(o) && o->dry_run == NP_DRY_RUN_SERVER)
		return np_fail(err, NP_E_USAGE,
			       "--dry-run=server: vCenter cannot check a change without making it; "
			       "use --dry-run=client");
	return 0;
}

/* What the words say together. */
static void finish_kube(struct options *o)
{
	o->kube.as_groups = o->as_groups.items;
	o->kube.n_as_groups = o->as_groups.n;
	o->kube.trace = log_debug;
	o->kube.trace_level = o->verbosity;
	for (size_t i = 0; i < o->files.n; i++)
		o->kube.stdin_taken |= strcmp(o->files.items[i], "-") == 0;
}

uint64_t options_timeout(const struct options *o)
{
	return o->kube.deadline_ms > 0 ? o->kube.deadline_ms : RUN_MS;
}

/* A person at a terminal may take their time, unless the user sets a limit. */
int options_load(const struct options *o, const char *path, char **ret, size_t *ret_size,
		 struct np_err *err)
{
	bool is_typed = o->kube.deadline_ms == 0 && isatty(STDIN_FILENO);

	if (strcmp(path, "-") != 0)
		return np_file_load(path, NP_DOC_INPUT_MAX, ret, ret_size, err);
	return np_file_load_stdin(NP_DOC_INPUT_MAX, is_typed ? UINT64_MAX : o->deadline, ret,
				  ret_size, err);
}

/* Tells whether the word is an option of any command whose value is the next word. */
static bool takes_next_word(const struct commands *c, const char *word)
{
	struct option_table tables[N_TABLES];
	struct options o = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		size_t n = make_tables(&c->items[i], &o, tables);

		if (option_takes_next(&(struct option_tables){ tables, n, "" }, word))
			return true;
	}
	return false;
}

int options_find_command(const struct commands *c, int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			return i;
		i += takes_next_word(c, argv[i]);
	}
	return 0;
}

static int read_words(const struct command *c, int argc, char *argv[], struct options *o,
		      struct np_err *err)
{
	struct option_table tables[N_TABLES];
	size_t n = make_tables(c, o, tables);
	char help[64];

	snprintf(help, sizeof(help), "nodeprep help %s", c->name);
	return option_parse(&(struct option_tables){ tables, n, help }, argc, argv, &o->arguments,
			    err);
}

int options_parse(const struct command *c, int argc, char *argv[], struct options *ret,
		  struct np_err *err)
{
	NP_AUTO(options_done) struct options o = { 0 };

	options_environment(&o.kube);
	vcenter_environment(&o.vcenter);
	if (read_words(c, argc, argv, &o, err) < 0)
		return np_err_ret(err);
	if (o.arguments.n > c->arguments)
		return np_fail(err, NP_E_USAGE, "unexpected argument '%s': usage: nodeprep %s%s%s",
			       o.arguments.items[c->arguments], c->name, *c->usage ? " " : "",
			       c->usage);
	if (o.format == NP_FORMAT_SVG && (c->options & OPT_SVG) == 0)
		return np_fail(
			err, NP_E_USAGE,
			"-o svg is only for explain and host-check, not for '%s': expected table, "
			"wide, json or yaml",
			c->name);
	finish_kube(&o);
	o.may_list = (c->options & OPT_LIVE) != 0;
	if (finish_vcenter(&o, err) < 0)
		return np_err_ret(err);
	if (__builtin_add_overflow(np_clock_ms(), options_timeout(&o), &o.deadline))
		o.deadline = UINT64_MAX;
	*ret = o;
	o = (struct options){ 0 };
	return 0;
}

void options_done(struct options *o)
{
	texts_done(&o->files);
	texts_done(&o->catalogues);
	texts_done(&o->captures);
	texts_done(&o->arguments);
	texts_done(&o->as_groups);
	vcenter_flags_done(&o->vcenter);
	*o = (struct options){ 0 };
}

const char *options_next_argument(const struct command *c, const char *word)
{
	struct option_table tables[N_TABLES];
	struct options o = { 0 };
	size_t n = make_tables(c, &o, tables);
	const char *found = option_next_argument(&(struct option_tables){ tables, n, "" }, word);

	if (found && (c->options & OPT_SVG) != 0 && strcmp(found, OUTPUT_FORMS) == 0)
		return OUTPUT_FORMS "|svg";
	return found;
}

const char *options_next_name(const struct command *c, const char *word)
{
	struct option_table tables[N_TABLES];
	struct options o = { 0 };
	size_t n = make_tables(c, &o, tables);

	return option_next_name(&(struct option_tables){ tables, n, "" }, word);
}

void options_complete(const struct command *c, const char *word)
{
	struct option_table tables[N_TABLES];
	struct options o = { 0 };

	option_complete(&(struct option_tables){ tables, make_tables(c, &o, tables), "" }, word);
}

void options_help(const struct command *c)
{
	struct option_table tables[N_TABLES];
	struct options o = { 0 };

	printf("Usage: nodeprep %s%s%s%s\n\n%s\n\nOptions:\n", c->name, *c->usage ? " " : "",
	       c->usage, c->options != 0 || c->own ? " [OPTION]..." : "", c->help);
	option_help(&(struct option_tables){ tables, make_tables(c, &o, tables), "" });
}

void options_overview(const struct commands *c)
{
	puts("nodeprep prepares GPU worker nodes of vSphere Kubernetes clusters: it counts the GPUs\n"
	     "that worker pools ask for, computes the 64-bit MMIO window and the memory reservation\n"
	     "that their VMs need to power on, and patches the VirtualMachineClasses.\n\n"
	     "Usage: nodeprep COMMAND [OPTION]...\n\nCommands:");
	for (size_t i = 0; i < c->n; i++)
		printf("  %-12s %s\n", c->items[i].name, c->items[i].help);
	puts("\nExit status: 0 fine, 1 findings, 2 usage, 3 bad input, 4 not found, 5 refused by the\n"
	     "API, 6 try again, 70 a bug. 'nodeprep help COMMAND' lists a command's options.");
}
