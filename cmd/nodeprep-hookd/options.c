/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "../common/kube.h"
#include "hookd.h"

#include <stdio.h>
#include <unistd.h>

#include "nodeprep/err.h"

enum { THREADS_MOST = 4, THREADS_MAX = 64, WORKERS_MAX = 256, CONNECTIONS_MAX = 100000 };

#define MEMORY_DEFAULT (UINT64_C(192) << 20)
#define AT(member) offsetof(struct options, member)

static const struct option_row server_rows[] = {
	{ "listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(listen),
	  .help = "address of the hooks, 0.0.0.0:9443 by default" },
	{ "metrics-listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(metrics_listen),
	  .help = "address of /metrics, /healthz and /readyz, without TLS" },
	{ "tls-cert-file", 0, "FILE", OPTION_TEXT, AT(cert_file),
	  .help = "certificate and chain, PEM; reloaded when the file changes" },
	{ "tls-private-key-file", 0, "FILE", OPTION_TEXT, AT(key_file),
	  .help = "key of the certificate, PEM" },
	{ "tls-ticket-secret-file", 0, "FILE", OPTION_TEXT, AT(ticket_secret_file),
	  .help = "secret of 32 bytes or more that replicas share, to resume each other's TLS sessions" },
	{ "client-ca-file", 0, "FILE", OPTION_TEXT, AT(client_ca_file),
	  .help = "CA of client certificates, which are required then" },
	{ "allow-unauthenticated", 0, NULL, OPTION_FLAG, AT(allow_unauthenticated),
	  .help = "UNSAFE: serve the hooks that change classes without --client-ca-file" },
	{ "require-class-opt-in", 0, NULL, OPTION_NOT_FLAG, AT(no_opt_in), .help = OPT_IN_HELP },
	{ "max-window", 0, "GB", OPTION_COUNT, AT(max_window), .help = MAX_WINDOW_HELP,
	  .most = MAX_WINDOW_MOST },
	{ "catalogue", 0, "FILE", OPTION_TEXTS, AT(catalogues), .help = CATALOGUE_HELP },
	{ "max-connections", 0, "N", OPTION_COUNT, AT(max_connections),
	  .help = "limit of open connections, 1024 by default; others wait",
	  .most = CONNECTIONS_MAX },
	{ "max-memory", 0, "SIZE", OPTION_SIZE, AT(max_memory),
	  .help = "bound of the process's memory, 192Mi by default; set it below the container's limit" },
	{ "threads", 0, "N", OPTION_COUNT, AT(threads),
	  .help = "number of event loops; by default one for each processor, at most 4",
	  .most = THREADS_MAX },
	{ "workers", 0, "N", OPTION_COUNT, AT(workers),
	  .help = "limit of calls that wait for the API server at a time, 8 by default",
	  .most = WORKERS_MAX },
	{ "parallel", 0, "N", OPTION_COUNT, AT(parallel), .help = PARALLEL_HELP ", by one call",
	  .most = PARALLEL_MOST },
	{ "drain-timeout", 0, "DURATION", OPTION_DURATION, AT(drain_ms),
	  .help = "time that requests have to finish after SIGTERM, 10s by default" },
	{ "shutdown-delay", 0, "DURATION", OPTION_DURATION, AT(shutdown_delay_ms),
	  .help = "time that new connections are accepted after SIGTERM, 0s by default" },
};

static const struct option_row other_rows[] = {
	{ "supervisor-kubeconfig", 0, "FILE", OPTION_TEXT, AT(supervisor_kubeconfig),
	  .help = "kubeconfig of the API server that has the VM classes, if not the one with the Clusters" },
	{ "log-format", 0, "text|json", OPTION_CHOICE, AT(log_form),
	  .help = "format of the lines on stderr, json by default" },
	{ "verbose", 'v', NULL, OPTION_FLAG, AT(verbose), .help = "log every call" },
	{ "help", 'h', NULL, OPTION_FLAG, AT(help), .help = "print this help" },
	{ "version", 0, NULL, OPTION_FLAG, AT(version), .help = "print the version" },
};

enum { N_TABLES = 3 };

static void make_tables(struct options *o, struct option_table ret[static N_TABLES])
{
	ret[0] = (struct option_table){ OPTION_ROWS(server_rows), o, 0 };
	ret[1] = kube_table(&o->kube, KUBE_DAEMON);
	ret[2] = (struct option_table){ OPTION_ROWS(other_rows), o, 0 };
}

static void print_help(const struct option_tables *t)
{
	puts("Usage: nodeprep-hookd --tls-cert-file FILE --tls-private-key-file FILE [OPTION]...\n\n"
	     "Serves Cluster API's Runtime Hooks: GPU worker pools of a Cluster's topology get the\n"
	     "64-bit MMIO window that their nodes need to power on. The lifecycle hooks, which change\n"
	     "VM classes, need an API server (flags, KUBECONFIG, or a pod's service account) and\n"
	     "--client-ca-file. Without them they are neither announced nor served.\n\nOptions:");
	option_help(t);
}

/* Returns 1 where all is said and done. */
static int read_words(int argc, char *argv[], struct options *o, struct np_err *err)
{
	NP_AUTO(texts_done) struct texts arguments = { 0 };
	struct option_table tables[N_TABLES];
	const struct option_tables t = { tables, N_TABLES, "nodeprep-hookd --help" };

	make_tables(o, tables);
	if (option_parse(&t, argc, argv, &arguments, err) < 0)
		return np_err_ret(err);
	if (o->help)
		print_help(&t);
	else if (o->version)
		puts("nodeprep-hookd " NP_VERSION);
	if (o->help || o->version)
		return 1;
	if (arguments.n > 0)
		return np_fail(err, NP_E_USAGE, "unexpected argument '%s'", arguments.items[0]);
	return 0;
}

void options_done(struct options *o)
{
	texts_done(&o->catalogues);
}

/* A loop for each processor answers more for a little more CPU: docs/performance.md has the figures. */
static uint64_t default_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n < THREADS_MOST ? (uint64_t)n : THREADS_MOST;
}

int options_parse(int argc, char *argv[], struct options *ret, struct np_err *err)
{
	NP_AUTO(options_done)
	struct options o = {
		.listen = { "0.0.0.0", 9443 },
		.threads = default_threads(),
		.workers = 8,
		.max_connections = 1024,
		.max_memory = MEMORY_DEFAULT,
		.drain_ms = 10000,
		.log_form = LOG_JSON,
		.kube = { .user_agent = "nodeprep-hookd/" NP_VERSION },
	};
	int done;

	kube_environment(&o.kube);
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
	o.catalogues = (struct texts){ 0 };
	return 0;
}
