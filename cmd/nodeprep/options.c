/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/units.h"

/* What a long option's value is, and so how it is read. */
enum option_kind {
	KIND_FLAG, /* bool at `offset` */
	KIND_NOT_FLAG, /* the same, of which the opposite is stored */
	KIND_NUMBER, /* uint64_t at `offset`, from 1 */
	KIND_TEXT, /* const char * at `offset` */
	KIND_TEXTS, /* struct texts at `offset` */
	KIND_DURATION, /* uint64_t of milliseconds at `offset` */
	KIND_FORMAT,
	KIND_DRY_RUN,
	KIND_LOG_FORMAT,
	KIND_VERBOSITY,
};

#define AT(member) offsetof(struct options, member)

/* The parser and the help read these rows; sorted by group, then by name. */
static const struct option_row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	unsigned group; /* 0: every command */
	size_t offset;
	const char *value; /* NULL: takes none */
	const char *help;
} rows[] = {
	{ "catalogue", 0, KIND_TEXTS, OPT_INPUT | OPT_CATALOGUE | OPT_CONTROLLER, AT(catalogues),
	  "FILE", "YAML list of cards to add to the built-in ones; repeatable" },
	{ "filename", 'f', KIND_TEXTS, OPT_INPUT, AT(files), "FILE",
	  "file, folder or - with pools and classes, YAML or JSON; repeatable" },
	{ "recursive", 'R', KIND_FLAG, OPT_INPUT, AT(recursive), NULL,
	  "read the folders below a folder too" },
	{ "output", 'o', KIND_FORMAT, OPT_OUTPUT, 0, "FORM",
	  "table, wide, json or yaml; explain: svg too" },
	{ "allow-shrink", 0, KIND_FLAG, OPT_PLAN, AT(allow_shrink), NULL,
	  "lower a standing window that is larger than needed" },
	{ "restore-hidden-devices", 0, KIND_FLAG, OPT_PLAN, AT(restore_hidden), NULL,
	  "carry over devices that a class's configSpec hides" },
	{ "dry-run", 0, KIND_DRY_RUN, OPT_APPLY, 0, "client|server",
	  "write nothing: plan alone, or let the server check it" },
	{ "discard-record", 0, KIND_FLAG, OPT_REVERT, AT(discard_record), NULL,
	  "remove the classes' records, valid or not, and leave every field as it is" },
	{ "bin-dir", 0, KIND_TEXT, OPT_INSTALL, AT(bin_dir), "DIR",
	  "folder of the runtime's plugins: the binary copies itself there" },
	{ "conf", 0, KIND_TEXTS, OPT_INSTALL, AT(confs), "FILE",
	  "conflist or kubeconfig to copy into --conf-dir; repeatable" },
	{ "conf-dir", 0, KIND_TEXT, OPT_INSTALL, AT(conf_dir), "DIR",
	  "folder of the plugin's own networks, not the runtime's live one" },
	{ "driver", 0, KIND_TEXT, OPT_NODE, AT(node.driver), "NAME",
	  "every GPU must be bound to this driver" },
	{ "expect", 0, KIND_TEXT, OPT_NODE, AT(node.expect), "MODEL=N[,...]",
	  "GPUs that the node must have; default: -f, $NODEPREP_EXPECT, the Node's annotation" },
	{ "kmsg", 0, KIND_TEXT, OPT_NODE, AT(node.log), "FILE",
	  "the kernel's log; /dev/kmsg, unless --sysfs is given" },
	{ "node-name", 0, KIND_TEXT, OPT_NODE, AT(node.node_name), "NAME",
	  "the Node whose annotation is read and that is patched; default $NODE_NAME" },
	{ "patch-node", 0, KIND_FLAG, OPT_NODE, AT(node.patch_node), NULL,
	  "set the Node's condition GPUWindowReady, and make an event" },
	{ "pool", 0, KIND_TEXT, OPT_NODE, AT(node.pool), "NAME",
	  "which pool of -f the node belongs to" },
	{ "procfs", 0, KIND_TEXT, OPT_NODE, AT(node.procfs), "DIR", "where procfs is; /proc" },
	{ "remove-taint", 0, KIND_FLAG, OPT_NODE, AT(node.remove_taint), NULL,
	  "remove the Node's taint nodeprep.dev/unverified when all is well" },
	{ "sysfs", 0, KIND_TEXT, OPT_NODE, AT(node.sysfs), "DIR", "where sysfs is; /sys" },
	{ "termination-log", 0, KIND_TEXT, OPT_NODE, AT(node.termination_log), "FILE",
	  "write the finding there too; in a pod /dev/termination-log" },
	{ "wait", 0, KIND_DURATION, OPT_NODE, AT(node.wait_ms), "DURATION",
	  "look again until all is well, such as 120s" },
	{ "vgpu", 0, KIND_FLAG, OPT_HOST, AT(wants_vgpu), NULL,
	  "the host is to give vGPUs away, not whole cards" },
	{ "as", 0, KIND_TEXT, OPT_API, AT(kube.as_user), "USER", "user to impersonate" },
	{ "as-group", 0, KIND_TEXTS, OPT_API, AT(as_groups), "GROUP",
	  "group to impersonate, with --as; repeatable" },
	{ "as-uid", 0, KIND_TEXT, OPT_API, AT(kube.as_uid), "UID",
	  "UID to impersonate, with --as" },
	{ "certificate-authority", 0, KIND_TEXT, OPT_API, AT(kube.ca_file), "FILE",
	  "CA that signed the server's certificate" },
	{ "cluster", 0, KIND_TEXT, OPT_API, AT(kube.cluster), "NAME", "kubeconfig cluster to use" },
	{ "context", 0, KIND_TEXT, OPT_API, AT(kube.context), "NAME", "kubeconfig context to use" },
	{ "disable-compression", 0, KIND_FLAG, OPT_API, AT(kube.no_compression), NULL,
	  "do not ask the server for compressed answers" },
	{ "insecure-skip-tls-verify", 0, KIND_FLAG, OPT_API, AT(kube.insecure), NULL,
	  "do not check the server's certificate" },
	{ "kubeconfig", 0, KIND_TEXT, OPT_API, AT(kube.kubeconfig), "FILE", "kubeconfig to use" },
	{ "namespace", 'n', KIND_TEXT, OPT_API, AT(kube.ns), "NAME",
	  "namespace of documents that name none" },
	{ "request-timeout", 0, KIND_DURATION, OPT_API, AT(kube.request_timeout_ms), "DURATION",
	  "limit of one request, such as 5s; 0: none but the run's" },
	{ "server", 's', KIND_TEXT, OPT_API, AT(kube.server), "URL", "address of the API server" },
	{ "timeout", 0, KIND_DURATION, OPT_API, AT(kube.deadline_ms), "DURATION",
	  "limit of the whole run, 60s by default" },
	{ "tls-server-name", 0, KIND_TEXT, OPT_API, AT(kube.tls_server_name), "NAME",
	  "name to expect in the server's certificate" },
	{ "token", 0, KIND_TEXT, OPT_API, AT(kube.token), "TOKEN", "bearer token" },
	{ "user", 0, KIND_TEXT, OPT_API, AT(kube.user), "NAME", "kubeconfig user to use" },
	{ "cluster-id", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.cluster_id), "ID",
	  "in front of pool ids; the UID of namespace kube-system with --supervisor-kubeconfig" },
	{ "clusters", 0, KIND_FLAG, OPT_CONTROLLER, AT(controller.clusters), NULL,
	  "also Cluster and TanzuKubernetesCluster objects with nodeprep.dev/managed: \"true\"" },
	{ "health-listen", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.health_listen), "HOST:PORT",
	  "serve /healthz and /readyz there" },
	{ "leader-elect", 0, KIND_NOT_FLAG, OPT_CONTROLLER, AT(controller.no_election), NULL,
	  "write only with the lease; true by default" },
	{ "leader-elect-lease-duration", 0, KIND_DURATION, OPT_CONTROLLER, AT(controller.lease_ms),
	  "DURATION", "when another takes the lease of one that is silent, 15s by default" },
	{ "leader-elect-renew-deadline", 0, KIND_DURATION, OPT_CONTROLLER, AT(controller.renew_ms),
	  "DURATION", "when one that cannot renew stops writing, 10s by default" },
	{ "leader-elect-resource-name", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.lease_name),
	  "NAME", "name of the lease, nodeprep-controller by default" },
	{ "leader-elect-resource-namespace", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.lease_ns),
	  "NAME", "namespace of the lease, the pod's by default" },
	{ "leader-elect-retry-period", 0, KIND_DURATION, OPT_CONTROLLER, AT(controller.retry_ms),
	  "DURATION", "between attempts, 2s by default" },
	{ "metrics-listen", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.metrics_listen),
	  "HOST:PORT", "serve /metrics there; may be the same" },
	{ "supervisor-kubeconfig", 0, KIND_TEXT, OPT_CONTROLLER,
	  AT(controller.supervisor_kubeconfig), "FILE", "the classes are in that API server" },
	{ "supervisor-namespace", 0, KIND_TEXT, OPT_CONTROLLER, AT(controller.supervisor_namespace),
	  "NAME", "the classes are in that namespace, not in their pools'" },
	{ "workers", 0, KIND_NUMBER, OPT_CONTROLLER, AT(controller.workers), "N",
	  "how many classes are worked on at a time, 4 by default" },
	{ "help", 'h', KIND_FLAG, 0, AT(help), NULL, "print this" },
	{ "log-format", 0, KIND_LOG_FORMAT, 0, 0, "text|json", "form of the lines on stderr" },
	{ "v", 'v', KIND_VERBOSITY, 0, 0, "[=N]", "log more on stderr" },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool takes(const struct command *c, const struct option_row *row)
{
	return row->group == 0 || (c->options & row->group) != 0;
}

static int add_text(struct texts *t, const char *text, struct np_err *err)
{
	const char **items = reallocarray(t->items, t->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	t->items = items;
	t->items[t->n++] = text;
	return 0;
}

static int read_choice(const char *option, const char *value, const char *const names[],
		       unsigned *ret, struct np_err *err)
{
	for (unsigned i = 0; names[i]; i++) {
		if (strcmp(value, names[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return np_fail(err, NP_E_USAGE, "--%s '%s' is neither %s nor %s", option, value, names[0],
		       names[1]);
}

static int read_duration(const struct option_row *row, const char *value, uint64_t *ret,
			 struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_duration_parse(value, ret, &why) < 0)
		return np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text);
	return 0;
}

static int read_number(const struct option_row *row, const char *value, uint64_t *ret,
		       struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_u64_parse(value, 1, UINT32_MAX, ret, &why) < 0)
		return np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text);
	return 0;
}

/* -v alone says one more; -v=3 and --v=3 say how much, as kubectl's option does. */
static int read_verbosity(struct options *o, const char *value, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	uint64_t level;

	if (!value) {
		o->verbosity++;
		return 0;
	}
	if (np_u64_parse(value + (value[0] == '='), 0, 10, &level, &why) < 0)
		return np_fail(err, NP_E_USAGE, "-v: %s", why.text);
	o->verbosity = (unsigned)level;
	return 0;
}

/* A flag alone is true; --flag=false takes it back, as kubectl's flags do. */
static int read_flag(const struct option_row *row, const char *value, bool *ret, struct np_err *err)
{
	static const char *const words[] = { "true", "false", NULL };
	unsigned choice = 0;

	if (value && read_choice(row->name, value, words, &choice, err) < 0)
		return np_err_ret(err);
	*ret = choice == 0;
	return 0;
}

static int read_option(const struct option_row *row, const char *value, struct options *o,
		       struct np_err *err)
{
	static const char *const dry_runs[] = { "client", "server", NULL };
	static const char *const log_formats[] = { "text", "json", NULL };
	void *at = (char *)o + row->offset;
	unsigned choice = 0;

	switch (row->kind) {
	case KIND_FLAG:
		return read_flag(row, value, at, err);
	case KIND_NOT_FLAG:
		if (read_flag(row, value, at, err) < 0)
			return np_err_ret(err);
		*(bool *)at = !*(bool *)at;
		return 0;
	case KIND_NUMBER:
		return read_number(row, value, at, err);
	case KIND_TEXT:
		*(const char **)at = value;
		return 0;
	case KIND_TEXTS:
		return add_text(at, value, err);
	case KIND_DURATION:
		return read_duration(row, value, at, err);
	case KIND_FORMAT:
		o->has_format = true;
		return np_render_format_parse(value, &o->format, err);
	case KIND_VERBOSITY:
		return read_verbosity(o, value, err);
	case KIND_DRY_RUN:
		if (strcmp(value, "none") == 0)
			return 0;
		if (read_choice(row->name, value, dry_runs, &choice, err) < 0)
			return np_err_ret(err);
		o->dry_run = choice == 0 ? NP_DRY_RUN_CLIENT : NP_DRY_RUN_SERVER;
		return 0;
	case KIND_LOG_FORMAT:
		if (read_choice(row->name, value, log_formats, &choice, err) < 0)
			return np_err_ret(err);
		o->log_json = choice == 1;
		return 0;
	}
	return np_fail(err, NP_E_BUG, "option '%s' has no kind", row->name);
}

/* The tables that getopt_long(3) wants, of the rows that the command takes. */
struct getopt_tables {
	struct option longs[N_ROWS + 1];
	char shorts[3 * N_ROWS + 2];
};

static void make_tables(const struct command *c, struct getopt_tables *t)
{
	size_t n = 0, s = 0;

	memset(t, 0, sizeof(*t));
	t->shorts[s++] = ':';
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct option_row *row = &rows[i];
		int argument = row->value ? required_argument : no_argument;

		if (!takes(c, row))
			continue;
		if (row->kind == KIND_VERBOSITY)
			argument = optional_argument;
		/* kubectl's flags take "=false" as well. */
		t->longs[n++] =
			(struct option){ row->name,
					 argument == no_argument ? optional_argument : argument,
					 NULL, 256 + (int)i };
		if (row->letter == 0)
			continue;
		t->shorts[s++] = row->letter;
		for (int k = 0; k < argument; k++)
			t->shorts[s++] = ':';
	}
}

static const struct option_row *find_row(int code)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (code == 256 + (int)i || (code < 256 && rows[i].letter == code))
			return &rows[i];
	return NULL;
}

/* An unknown long option is told by its word, without a value that may be a secret. */
static int fail_option(const struct command *c, int code, char *argv[], struct np_err *err)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return np_fail(err, NP_E_USAGE, "option '%s' needs a value", word);
	if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0)
		return np_fail(err, NP_E_USAGE, "unknown option '-%c': see 'nodeprep help %s'",
			       optopt, c->name);
	return np_fail(err, NP_E_USAGE, "unknown option '%.*s': see 'nodeprep help %s'",
		       (int)strcspn(word, "="), word, c->name);
}

/* As Go reads proxies' variables: the first that is not empty. */
static const char *first_variable(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	return value && value[0] != '\0' ? value : getenv(lower);
}

void options_environment(struct np_kube_options *k)
{
	k->is_cancelled = signals_is_stopped;
	k->kubeconfig_env = getenv("KUBECONFIG");
	k->home = getenv("HOME");
	k->service_host = getenv("KUBERNETES_SERVICE_HOST");
	k->service_port = getenv("KUBERNETES_SERVICE_PORT");
	k->proxy = first_variable("HTTPS_PROXY", "https_proxy");
	k->http_proxy = first_variable("HTTP_PROXY", "http_proxy");
	k->no_proxy = first_variable("NO_PROXY", "no_proxy");
	k->environment = environ;
}

/* What the words say together. */
static void finish_kube(struct options *o)
{
	o->kube.as_groups = o->as_groups.items;
	o->kube.n_as_groups = o->as_groups.n;
	for (size_t i = 0; i < o->files.n; i++)
		o->kube.stdin_taken |= strcmp(o->files.items[i], "-") == 0;
}

static int read_words(const struct command *c, int argc, char *argv[], struct options *o,
		      struct np_err *err)
{
	struct getopt_tables tables;
	int code;

	make_tables(c, &tables);
	opterr = 0;
	while ((code = getopt_long(argc, argv, tables.shorts, tables.longs, NULL)) != -1) {
		const struct option_row *row;

		if (code == '?' || code == ':')
			return fail_option(c, code, argv, err);
		row = find_row(code);
		if (!row)
			return np_fail(err, NP_E_BUG, "option code %d has no row", code);
		/* kubectl takes -o=json as well as -ojson and -o json. */
		if (code < 256 && optarg && optarg[0] == '=' && row->kind != KIND_VERBOSITY)
			optarg++;
		if (read_option(row, optarg, o, err) < 0)
			return np_err_ret(err);
	}
	for (int i = optind; i < argc; i++)
		if (add_text(&o->arguments, argv[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

/* Tells whether the word is an option whose value is the next word. */
static bool takes_next_word(const char *word)
{
	bool is_long = strncmp(word, "--", 2) == 0;

	if (strchr(word, '='))
		return false;
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct option_row *row = &rows[i];

		if (!row->value || row->kind == KIND_VERBOSITY)
			continue;
		if (is_long ? strcmp(word + 2, row->name) == 0
			    : word[1] == row->letter && word[1] != '\0' && word[2] == '\0')
			return true;
	}
	return false;
}

int options_find_command(int argc, char *argv[])
{
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' || argv[i][1] == '\0')
			return i;
		i += takes_next_word(argv[i]);
	}
	return 0;
}

int options_parse(const struct command *c, int argc, char *argv[], struct options *ret,
		  struct np_err *err)
{
	NP_AUTO(options_done) struct options o = { 0 };

	options_environment(&o.kube);
	if (read_words(c, argc, argv, &o, err) < 0)
		return np_err_ret(err);
	if (o.arguments.n > c->arguments)
		return np_fail(err, NP_E_USAGE, "unexpected argument '%s': usage: nodeprep %s %s",
			       o.arguments.items[c->arguments], c->name, c->usage);
	if (o.format == NP_FORMAT_SVG && (c->options & OPT_SVG) == 0)
		return np_fail(
			err, NP_E_USAGE,
			"'%s' draws nothing: -o takes table, wide, json or yaml (svg: nodeprep "
			"explain)",
			c->name);
	finish_kube(&o);
	*ret = o;
	o = (struct options){ 0 };
	return 0;
}

void options_done(struct options *o)
{
	free(o->files.items);
	free(o->catalogues.items);
	free(o->arguments.items);
	free(o->confs.items);
	free(o->as_groups.items);
	*o = (struct options){ 0 };
}

void options_help(const struct command *c)
{
	printf("Usage: nodeprep %s %s%s\n\n%s\n\nOptions:\n", c->name, c->usage,
	       c->options != 0 ? " [OPTION]..." : "", c->help);
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct option_row *row = &rows[i];
		char words[64];

		if (!takes(c, row))
			continue;
		if (row->kind == KIND_VERBOSITY)
			snprintf(words, sizeof(words), "-v[=N]");
		else
			snprintf(words, sizeof(words), "%s%s--%s%s%s", row->letter ? "-" : "    ",
				 row->letter ? (char[]){ row->letter, ',', ' ', '\0' } : "",
				 row->name, row->value ? " " : "", row->value ? row->value : "");
		printf("  %-34s %s\n", words, row->help);
	}
}

void options_overview(void)
{
	puts("nodeprep prepares GPU worker nodes of vSphere Kubernetes clusters: it counts the GPUs\n"
	     "that worker pools ask for, computes the 64-bit MMIO window and the memory reservation\n"
	     "that their VMs need to power on, and patches the VirtualMachineClasses.\n\n"
	     "Usage: nodeprep COMMAND [OPTION]...\n\nCommands:");
	for (size_t i = 0; i < n_commands; i++)
		printf("  %-12s %s\n", commands[i].name, commands[i].help);
	puts("\nExit status: 0 fine, 1 findings, 2 usage, 3 bad input, 4 not found, 5 refused by the\n"
	     "API, 6 try again, 70 a bug. 'nodeprep help COMMAND' lists a command's options.");
}
