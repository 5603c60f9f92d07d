/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/address.h"
#include "../common/options.h"
#include "../common/server.h"
#include "../common/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <nss.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/serve.h"
#include "nodeprep/sim.h"
#include "nodeprep/text.h"

struct options {
	struct address listen;
	bool allow_remote, help, version;
	const char *kubeconfig_out, *request_log;
	struct texts classes, namespaces;
	struct np_sim_options sim;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
	{ "listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(listen),
	  .help = "address to serve at, 127.0.0.1 and a free port by default" },
	{ "allow-remote", 0, NULL, OPTION_FLAG, AT(allow_remote),
	  .help = "allow an address other than a loopback one" },
	{ "state", 0, "DIR", OPTION_TEXT, AT(sim.state_dir),
	  .help = "folder to keep objects, tokens and certificates in" },
	{ "kubeconfig-out", 0, "FILE", OPTION_TEXT, AT(kubeconfig_out),
	  .help = "file to write a kubeconfig to" },
	{ "request-log", 0, "FILE", OPTION_TEXT, AT(request_log),
	  .help = "file to append one JSON object a request to" },
	{ "classes", 0, "FILE", OPTION_TEXTS, AT(classes),
	  .help = "create the VirtualMachineClass documents of a file, YAML or JSON; repeatable" },
	{ "token-auth-file", 0, "FILE", OPTION_TEXT, AT(sim.token_file),
	  .help = "add users, one in a line: TOKEN,USER[,VERB...]" },
	{ "namespace", 0, "NAME", OPTION_TEXTS, AT(namespaces),
	  .help = "namespace to serve, in place of default and kube-system; repeatable" },
	{ "cluster-scoped", 0, NULL, OPTION_FLAG, AT(sim.cluster_scoped),
	  .help = "serve the classes without namespaces, in v1alpha1 only" },
	{ "pools", 0, NULL, OPTION_FLAG, AT(sim.has_pools),
	  .help = "serve NodePools, Clusters and TanzuKubernetesClusters too, without a schema" },
	{ "help", 'h', NULL, OPTION_FLAG, AT(help), .help = "print this help" },
	{ "version", 0, NULL, OPTION_FLAG, AT(version), .help = "print the version" },
};

/* --- the command line ----------------------------------------------------------------------- */

static void options_done(struct options *o)
{
	texts_done(&o->classes);
	texts_done(&o->namespaces);
	if (o->sim.log_ctx)
		fclose(o->sim.log_ctx);
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* Returns 1 where all is said and done. */
static int parse_args(int argc, char *argv[], struct options *o, struct np_err *err)
{
	const struct option_table table = { OPTION_ROWS(rows), o, 0 };
	const struct option_tables tables = { &table, 1, "nodeprep-sim --help" };
	NP_AUTO(texts_done) struct texts arguments = { 0 };

	if (option_parse(&tables, argc, argv, &arguments, err) < 0)
		return np_err_ret(err);
	if (o->help) {
		puts("Usage: nodeprep-sim [OPTION]...\n\nOptions:");
		option_help(&tables);
	} else if (o->version) {
		puts("nodeprep-sim " NP_VERSION);
	}
	if (o->help || o->version)
		return 1;
	if (arguments.n > 0)
		return np_fail(err, NP_E_USAGE, "unexpected argument '%s'", arguments.items[0]);
	if (!o->allow_remote && !is_loopback(o->listen.host))
		return np_fail(err, NP_E_USAGE,
			       "'%s' is not a loopback address: it requires --allow-remote",
			       o->listen.host);
	o->sim.namespaces = o->namespaces.items;
	o->sim.n_namespaces = o->namespaces.n;
	return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static void log_request(void *ctx, const char *line)
{
	FILE *f = ctx;

	fprintf(f, "%s\n", line);
	fflush(f);
}

static int open_log(struct options *o, struct np_err *err)
{
	FILE *f;
	int fd;

	if (!o->request_log)
		return 0;
	if (np_file_open_write(o->request_log, O_CREAT | O_APPEND, 0644, &fd, err) < 0)
		return np_err_ret(err);
	f = fdopen(fd, "a");
	if (!f)
		return np_fail(err, NP_E_IO, "'%s': %s", o->request_log, strerror(errno));
	o->sim.log = log_request;
	o->sim.log_ctx = f;
	return 0;
}

static int load_classes(struct np_sim *sim, const struct texts *files, struct np_err *err)
{
	for (size_t i = 0; i < files->n; i++) {
		NP_AUTO(np_freep) char *bytes = NULL;
		size_t size;

		if (np_file_load(files->items[i], NP_DOC_INPUT_MAX, &bytes, &size, err) < 0 ||
		    np_sim_load(sim, files->items[i], bytes, size, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* It holds a token: nobody else may read it, whatever its mode was before. */
static int write_secret(const char *path, const char *text, struct np_err *err)
{
	return np_file_replace(path, text, strlen(text), 0600, err);
}

/* --- serving -------------------------------------------------------------------------------- */

static void log_serve(void *ctx, const char *level, const char *line)
{
	(void)ctx;
	(void)level;
	fputs("nodeprep-sim: ", stderr);
	np_text_write(stderr, line);
	fputc('\n', stderr);
}

static int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		  struct np_err *err)
{
	return np_sim_handle(ctx, req, reply, err);
}

static int make_server(const struct options *o, struct np_sim *sim, struct np_serve **ret,
		       struct np_err *err)
{
	struct np_sim_identity id = np_sim_identity(sim);
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;

	so.host = o->listen.host;
	so.port = o->listen.port;
	so.identity.cert_pem = id.cert_pem;
	so.identity.key_pem = id.key_pem;
	so.drain_ms = 2000;
	so.log = log_serve;
	return np_serve_new(&so, handle, sim, ret, err);
}

static int announce(const struct options *o, const struct np_sim *sim, const struct np_serve *s,
		    struct np_err *err)
{
	NP_AUTO(np_freep) char *config = NULL;
	char url[ADDRESS_URL_MAX];

	address_url("https", &o->listen, np_serve_port(s), url);
	if (np_sim_kubeconfig(sim, url, &config, err) < 0)
		return np_err_ret(err);
	if (o->kubeconfig_out && write_secret(o->kubeconfig_out, config, err) < 0)
		return np_err_ret(err);
	printf("listening on %s\n", url);
	return fflush(stdout) == EOF ? np_fail(err, NP_E_IO, "standard output: %s", strerror(errno))
				     : 0;
}

static int run(struct options *o, struct np_err *err)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = NULL;
	NP_AUTO(np_serve_freep) struct np_serve *server = NULL;
	int done;

	if (open_log(o, err) < 0 || np_sim_new(&o->sim, &sim, err) < 0 ||
	    load_classes(sim, &o->classes, err) < 0 || make_server(o, sim, &server, err) < 0)
		return np_err_ret(err);
	server_stop_on_signal(server);
	if (announce(o, sim, server, err) < 0)
		return np_err_ret(err);
	done = np_serve_run(server, err);
	server_stop_on_signal(NULL);
	return done;
}

int main(int argc, char *argv[])
{
	NP_AUTO(options_done) struct options o = { .listen = { "127.0.0.1", 0 } };
	struct np_err err = NP_ERR_INIT;
	int done;

	streams_open();
	/* A static program must not load what the host's name service or OpenSSL configuration name. */
	__nss_configure_lookup("hosts", "files dns");
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	signal(SIGPIPE, SIG_IGN);
	done = parse_args(argc, argv, &o, &err);
	if (done == 0)
		done = run(&o, &err);
	if (done >= 0)
		return 0;
	fprintf(stderr, "nodeprep-sim: %s\n", err.text);
	return np_code_exit_status(err.code);
}
