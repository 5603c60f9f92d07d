/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/err.h"
#include "nodeprep/units.h"

enum { THREADS_MOST = 4, THREADS_MAX = 64, WORKERS_MAX = 256, CONNECTIONS_MAX = 100000 };

#define MEMORY_DEFAULT (UINT64_C(192) << 20)

enum option_kind {
	KIND_ADDRESS, /* struct address at `offset` */
	KIND_COUNT, /* uint64_t at `offset`, from 1 to `most` */
	KIND_DURATION, /* uint64_t of milliseconds at `offset` */
	KIND_FLAG, /* bool at `offset` */
	KIND_HELP,
	KIND_LOG_FORMAT,
	KIND_SIZE, /* uint64_t of bytes at `offset` */
	KIND_TEXT, /* const char * at `offset` */
	KIND_VERSION,
};

#define AT(member) offsetof(struct options, member)

/* The parser and the help read these rows. */
static const struct option_row {
	const char *name;
	enum option_kind kind;
	size_t offset;
	uint64_t most;
	const char *value; /* NULL: takes none */
	const char *help;
} rows[] = {
	{ "listen", KIND_ADDRESS, AT(listen), 0, "HOST:PORT",
	  "where hooks are served, 0.0.0.0:9443 by default" },
	{ "metrics-listen", KIND_ADDRESS, AT(metrics_listen), 0, "HOST:PORT",
	  "where /metrics, /healthz and /readyz are served without TLS" },
	{ "tls-cert-file", KIND_TEXT, AT(cert_file), 0, "FILE",
	  "certificate and chain, PEM; read again when it changes" },
	{ "tls-private-key-file", KIND_TEXT, AT(key_file), 0, "FILE", "its key, PEM" },
	{ "client-ca-file", KIND_TEXT, AT(client_ca_file), 0, "FILE",
	  "CA of the client certificates that are then required" },
	{ "allow-unauthenticated", KIND_FLAG, AT(allow_unauthenticated), 0, NULL,
	  "UNSAFE: serve the hooks that change classes without --client-ca-file" },
	{ "catalogue", KIND_TEXT, AT(catalogue), 0, "FILE",
	  "YAML list of cards to add to the built-in ones" },
	{ "max-connections", KIND_COUNT, AT(max_connections), CONNECTIONS_MAX, "N",
	  "connections at a time, 1024 by default; others wait" },
	{ "max-memory", KIND_SIZE, AT(max_memory), 0, "SIZE",
	  "memory to get along with, 192Mi by default; below the container's limit" },
	{ "threads", KIND_COUNT, AT(threads), THREADS_MAX, "N",
	  "event loops, by default one for two processors, at most 4" },
	{ "workers", KIND_COUNT, AT(workers), WORKERS_MAX, "N",
	  "calls that may wait for the API server at a time, 8 by default" },
	{ "drain-timeout", KIND_DURATION, AT(drain_ms), 0, "DURATION",
	  "how long requests may go on after SIGTERM, 10s by default" },
	{ "shutdown-delay", KIND_DURATION, AT(shutdown_delay_ms), 0, "DURATION",
	  "how long new connections are taken after SIGTERM, 0s by default" },
	{ "as", KIND_TEXT, AT(kube.as_user), 0, "USER", "user to impersonate" },
	{ "certificate-authority", KIND_TEXT, AT(kube.ca_file), 0, "FILE",
	  "CA that signed the API server's certificate" },
	{ "cluster", KIND_TEXT, AT(kube.cluster), 0, "NAME", "kubeconfig cluster to use" },
	{ "context", KIND_TEXT, AT(kube.context), 0, "NAME", "kubeconfig context to use" },
	{ "insecure-skip-tls-verify", KIND_FLAG, AT(kube.insecure), 0, NULL,
	  "do not check the API server's certificate" },
	{ "kubeconfig", KIND_TEXT, AT(kube.kubeconfig), 0, "FILE", "kubeconfig to use" },
	{ "namespace", KIND_TEXT, AT(kube.ns), 0, "NAME", "kubeconfig namespace to use" },
	{ "request-timeout", KIND_DURATION, AT(kube.request_timeout_ms), 0, "DURATION",
	  "limit of one request to the API server, such as 5s" },
	{ "server", KIND_TEXT, AT(kube.server), 0, "URL", "address of the API server" },
	{ "supervisor-kubeconfig", KIND_TEXT, AT(supervisor_kubeconfig), 0, "FILE",
	  "the VM classes are in that API server, the Clusters in the other" },
	{ "tls-server-name", KIND_TEXT, AT(kube.tls_server_name), 0, "NAME",
	  "name to expect in the API server's certificate" },
	{ "token", KIND_TEXT, AT(kube.token), 0, "TOKEN", "bearer token" },
	{ "user", KIND_TEXT, AT(kube.user), 0, "NAME", "kubeconfig user to use" },
	{ "log-format", KIND_LOG_FORMAT, 0, 0, "json|text",
	  "form of the lines on stderr, json by default" },
	{ "verbose", KIND_FLAG, AT(verbose), 0, NULL, "log every call" },
	{ "help", KIND_HELP, 0, 0, NULL, "print this" },
	{ "version", KIND_VERSION, 0, 0, NULL, "print the version" },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* The short forms that kubectl has too, and -v. */
static const struct {
	char letter;
	const char *name;
} shorts[] = { { 'h', "help" }, { 'n', "namespace" }, { 's', "server" }, { 'v', "verbose" } };

/* HOST:PORT; an IPv6 address stands in brackets, an empty host is every address. */
static int read_address(const struct option_row *row, const char *text, struct address *ret,
			struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	const char *colon = strrchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : SIZE_MAX;
	uint64_t port;

	if (size >= sizeof(ret->host) || np_u64_parse(colon + 1, 0, UINT16_MAX, &port, &why) < 0)
		return np_fail(err, NP_E_USAGE,
			       "--%s is '%s': HOST:PORT with a port up to 65535 is needed",
			       row->name, text);
	if (size >= 2 && text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	memcpy(ret->host, text, size);
	ret->host[size] = '\0';
	if (size == 0)
		snprintf(ret->host, sizeof(ret->host), "0.0.0.0");
	else if (strcmp(ret->host, "localhost") == 0)
		snprintf(ret->host, sizeof(ret->host), "127.0.0.1");
	ret->port = (uint16_t)port;
	return 0;
}

/* A flag alone is true; --flag=false takes it back, as kubectl's flags do. */
static int read_flag(const struct option_row *row, const char *text, bool *ret, struct np_err *err)
{
	*ret = !text || strcmp(text, "true") == 0;
	if (!*ret && strcmp(text, "false") != 0)
		return np_fail(err, NP_E_USAGE, "--%s '%s' is neither true nor false", row->name,
			       text);
	return 0;
}

static int read_option(const struct option_row *row, const char *text, struct options *o,
		       struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	void *at = (char *)o + row->offset;

	switch (row->kind) {
	case KIND_ADDRESS:
		return read_address(row, text, at, err);
	case KIND_COUNT:
		if (np_u64_parse(text, 1, row->most, at, &why) < 0)
			return np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text);
		return 0;
	case KIND_DURATION:
		if (np_duration_parse(text, at, &why) < 0)
			return np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text);
		return 0;
	case KIND_FLAG:
		return read_flag(row, text, at, err);
	case KIND_LOG_FORMAT:
		o->log_text = strcmp(text, "text") == 0;
		if (!o->log_text && strcmp(text, "json") != 0)
			return np_fail(err, NP_E_USAGE,
				       "--log-format '%s' is neither json nor text", text);
		return 0;
	case KIND_SIZE:
		if (np_quantity_parse(text, at, &why) < 0)
			return np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text);
		return 0;
	case KIND_TEXT:
		*(const char **)at = text;
		return 0;
	case KIND_HELP:
	case KIND_VERSION:
		break;
	}
	return np_fail(err, NP_E_BUG, "option '%s' has no kind", row->name);
}

static void print_help(void)
{
	puts("Usage: nodeprep-hookd --tls-cert-file FILE --tls-private-key-file FILE [OPTION]...\n\n"
	     "Serves Cluster API's Runtime Hooks: GPU worker pools of a Cluster's topology get the\n"
	     "64-bit MMIO window that their nodes need to power on. The lifecycle hooks, which change\n"
	     "VM classes, need an API server (flags, KUBECONFIG, or a pod's service account) and\n"
	     "--client-ca-file. Without them they are neither announced nor served.\n\nOptions:");
	for (size_t i = 0; i < N_ROWS; i++) {
		char words[64];

		snprintf(words, sizeof(words), "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
			 rows[i].value ? rows[i].value : "");
		printf("  %-32s %s\n", words, rows[i].help);
	}
}

static const struct option_row *find_row(int code)
{
	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		for (size_t r = 0; shorts[i].letter == code && r < N_ROWS; r++)
			if (strcmp(rows[r].name, shorts[i].name) == 0)
				return &rows[r];
	return code >= 256 && code < 256 + (int)N_ROWS ? &rows[code - 256] : NULL;
}

/* An unknown long option is told by its word, without a value that may be a secret. */
static int fail_option(int code, char *argv[], struct np_err *err)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return np_fail(err, NP_E_USAGE, "option '%.*s' needs a value",
			       (int)strcspn(word, "="), word);
	if (optopt > 0 && optopt < 256 && strncmp(word, "--", 2) != 0)
		return np_fail(err, NP_E_USAGE, "unknown option '-%c': see 'nodeprep-hookd --help'",
			       optopt);
	return np_fail(err, NP_E_USAGE, "unknown option '%.*s': see 'nodeprep-hookd --help'",
		       (int)strcspn(word, "="), word);
}

/* Returns 1 where all is said and done. */
static int read_words(int argc, char *argv[], struct options *o, struct np_err *err)
{
	struct option longs[N_ROWS + 1] = { { NULL, 0, NULL, 0 } };
	int code;

	for (size_t i = 0; i < N_ROWS; i++)
		longs[i] = (struct option){ rows[i].name,
					    rows[i].value               ? required_argument
					    : rows[i].kind == KIND_FLAG ? optional_argument
									: no_argument,
					    NULL, 256 + (int)i };
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":hn:s:v", longs, NULL)) != -1) {
		const struct option_row *row = find_row(code);

		if (!row)
			return fail_option(code, argv, err);
		if (row->kind == KIND_HELP || row->kind == KIND_VERSION) {
			if (row->kind == KIND_HELP)
				print_help();
			else
				puts("nodeprep-hookd " NP_VERSION);
			return 1;
		}
		if (read_option(row, optarg, o, err) < 0)
			return np_err_ret(err);
	}
	if (optind < argc)
		return np_fail(err, NP_E_USAGE, "'%s' is one argument too many", argv[optind]);
	return 0;
}

/* What kubectl reads of the environment. */
static void read_environment(struct np_kube_options *k)
{
	const char *proxy = getenv("HTTPS_PROXY"), *no_proxy = getenv("NO_PROXY");

	k->kubeconfig_env = getenv("KUBECONFIG");
	k->home = getenv("HOME");
	k->service_host = getenv("KUBERNETES_SERVICE_HOST");
	k->service_port = getenv("KUBERNETES_SERVICE_PORT");
	k->proxy = proxy ? proxy : getenv("https_proxy");
	k->no_proxy = no_proxy ? no_proxy : getenv("no_proxy");
}

/* One answers thousands of requests a second, and costs a tenth less than two that share its caches. */
static uint64_t default_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

	return n < 1 ? 1 : n < THREADS_MOST ? (uint64_t)n : THREADS_MOST;
}

int options_parse(int argc, char *argv[], struct options *ret, struct np_err *err)
{
	struct options o = {
		.listen = { "0.0.0.0", 9443 },
		.threads = default_threads(),
		.workers = 8,
		.max_connections = 1024,
		.max_memory = MEMORY_DEFAULT,
		.drain_ms = 10000,
		.kube = { .user_agent = "nodeprep-hookd/" NP_VERSION },
	};
	int done;

	read_environment(&o.kube);
	done = read_words(argc, argv, &o, err);
	if (done != 0)
		return done;
	if (!o.cert_file || !o.key_file)
		return np_fail(err, NP_E_USAGE,
			       "--tls-cert-file and --tls-private-key-file are needed: see "
			       "'nodeprep-hookd --help'");
	if (o.client_ca_file && o.allow_unauthenticated)
		return np_fail(
			err, NP_E_USAGE,
			"--client-ca-file and --allow-unauthenticated are mutually exclusive");
	*ret = o;
	return 0;
}
