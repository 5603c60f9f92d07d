/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/catalogue.h"
#include "../common/kube.h"
#include "../common/server.h"
#include "../common/streams.h"
#include "hookd.h"

#include <curl/curl.h>
#include <malloc.h>
#include <netdb.h>
#include <nss.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/err.h"

enum {
	METRICS_DEADLINE_MS = 5000,
	BODY_RATE = 64 << 10, /* bytes a second */
	HEAD_MS = 5000,
};

/* All that runs. */
struct program {
	struct options o;
	struct np_kube_options supervisor; /* the classes' API server, where it is another */
	struct np_catalogue *catalogue;
	struct hookd hookd;
	struct bounds bounds;
	struct np_serve *server;
	struct side_server metrics;
};

static bool uses_api;

static void log_library(bool is_error, const char *line)
{
	log_line(is_error ? "error" : "warning", line);
}

static void log_kube(void *ctx, const char *line)
{
	(void)ctx;
	log_line("warning", line);
}

/* Reports a bad kubeconfig at start, not with the first Cluster. */
static int check_config(const struct np_kube_options *o, struct np_err *err)
{
	struct np_kube_config *config;

	if (np_kube_config_load(o, &config, err) < 0)
		return np_err_ret(err);
	np_kube_config_free(config);
	return 0;
}

/* The classes' API server is another one where --supervisor-kubeconfig names it. */
static void set_servers(struct program *p)
{
	p->hookd.hook.kube = p->hookd.hook.clusters = p->hookd.watch.servers[0] = &p->o.kube;
	if (!p->o.supervisor_kubeconfig)
		return;
	p->supervisor = kube_supervisor(p->o.supervisor_kubeconfig, &p->o.kube);
	p->hookd.hook.kube = p->hookd.watch.servers[1] = &p->supervisor;
}

/* Tells whether clients may be trusted with the hooks that change classes. */
static bool may_use_api(const struct program *p)
{
	if (p->o.client_ca_file)
		return true;
	if (p->o.allow_unauthenticated)
		log_line("warning", "UNSAFE: --allow-unauthenticated: everybody who reaches this "
				    "port can have VM classes changed; use --client-ca-file");
	else
		log_line("warning",
			 "no --client-ca-file: the lifecycle hooks are neither announced "
			 "nor served, and ValidateTopology reads no VM classes");
	return p->o.allow_unauthenticated;
}

static int set_up_api(struct program *p, struct np_err *err)
{
	p->o.kube.log = log_kube;
	if (!np_kube_is_configured(&p->o.kube)) {
		if (p->o.supervisor_kubeconfig)
			return np_fail(err, NP_E_USAGE,
				       "--supervisor-kubeconfig: expected an API server with the "
				       "Clusters too, such as by --kubeconfig");
		log_line("info", "no API server is configured: the lifecycle hooks are neither "
				 "announced nor served");
		return 0;
	}
	set_servers(p);
	if (check_config(p->hookd.hook.clusters, err) < 0 ||
	    check_config(p->hookd.hook.kube, err) < 0)
		return np_err_ret(err);
	uses_api = may_use_api(p);
	if (!uses_api) {
		p->hookd.hook.kube = NULL;
		p->hookd.watch.servers[0] = NULL;
	}
	return 0;
}

static int make_server(struct program *p, struct np_err *err)
{
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;

	if (bounds_find(&p->o, &p->bounds, err) < 0)
		return np_err_ret(err);
	if (p->bounds.connections < p->o.max_connections)
		log_format("warning", "at most %u connections: the limit of open files is low",
			   p->bounds.connections);
	so.host = p->o.listen.host;
	so.port = p->o.listen.port;
	so.identity.cert_file = p->o.cert_file;
	so.identity.key_file = p->o.key_file;
	so.client_ca_file = p->o.client_ca_file;
	so.ticket_secret_file = p->o.ticket_secret_file;
	so.client_required = !!p->o.client_ca_file;
	so.connections_max = p->bounds.connections;
	/* Half: all may seem to come from one address, behind a proxy of the network. */
	so.per_address_max = p->bounds.connections / 2 / (unsigned)p->o.threads;
	so.memory_max = p->bounds.bodies;
	so.head_ms = HEAD_MS;
	so.body_rate = BODY_RATE;
	so.drain_ms = p->o.drain_ms;
	so.linger_ms = p->o.shutdown_delay_ms;
	so.threads = (unsigned)p->o.threads;
	so.workers = p->hookd.hook.kube ? (unsigned)p->o.workers : 0;
	so.blocks = may_block;
	so.log = log_module;
	return np_serve_new(&so, handle, &p->hookd, &p->server, err);
}

static int make_metrics(struct program *p, struct np_err *err)
{
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;

	if (!p->o.metrics_listen.host[0])
		return 0;
	so.host = p->o.metrics_listen.host;
	so.port = p->o.metrics_listen.port;
	so.plain = true;
	so.connections_max = p->bounds.probes;
	so.deadline_ms = METRICS_DEADLINE_MS;
	so.drain_ms = 0;
	so.log = log_module;
	return np_serve_new(&so, handle_metrics, &p->hookd, &p->metrics.server, err);
}

static void announce(const char *scheme, const struct address *a, const struct np_serve *s)
{
	char url[ADDRESS_URL_MAX];

	address_url(scheme, a, np_serve_port(s), url);
	log_format("info", "listening on %s", url);
}

static int serve(struct program *p, struct np_err *err)
{
	int r;

	server_stop_on_signal(p->server);
	server_reload_on_signal(p->server);
	if (side_server_start(&p->metrics, err) < 0)
		return np_err_ret(err);
	if (p->metrics.server)
		announce("http", &p->o.metrics_listen, p->metrics.server);
	announce("https", &p->o.listen, p->server);
	r = np_serve_run(p->server, err);
	server_stop_on_signal(NULL);
	server_reload_on_signal(NULL);
	side_server_stop(&p->metrics);
	return r;
}

static void program_done(struct program *p)
{
	/* A call that waits for the API server past the drain is not waited for. */
	if (p->server && np_serve_is_busy(p->server))
		return;
	side_server_done(&p->metrics);
	np_serve_free(p->server);
	np_gpu_catalogue_free(p->catalogue);
	options_done(&p->o);
}

static int run(int argc, char *argv[], struct np_err *err)
{
	/* The thread that asks for the API server goes on until the process ends. */
	static struct program p;
	int done = options_parse(argc, argv, &p.o, err);

	if (done != 0)
		return done;
	log_init(&(struct log_options){
		.form = p.o.log_form, .has_time = true, .is_limited = true });
	np_serve_set_library_log(log_library);
	if (catalogue_load(&p.o.catalogues, NULL, &p.catalogue, err) < 0 || set_up_api(&p, err) < 0)
		return np_err_ret(err);
	p.hookd.hook.catalogue = p.catalogue;
	p.hookd.hook.require_opt_in = !p.o.no_opt_in;
	p.hookd.hook.max_window_gb = p.o.max_window;
	p.hookd.hook.parallel = (unsigned)p.o.parallel;
	p.hookd.verbose = p.o.verbose;
	done = make_server(&p, err);
	if (done == 0) {
		p.hookd.server = p.server;
		done = make_metrics(&p, err);
	}
	if (done == 0)
		done = watch_start(&p.hookd.watch, err);
	if (done == 0)
		done = serve(&p, err);
	if (done == 0)
		log_line("info", "stopped");
	program_done(&p);
	return done;
}

int main(int argc, char *argv[])
{
	struct np_err err = NP_ERR_INIT;
	int done, status;

	streams_open();
	/* A static program must not load what the host's name service or OpenSSL configuration name. */
	__nss_configure_lookup("hosts", "files dns");
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* glibc raises its own limit with what is freed, and keeps a large request's memory for good. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	/* Both before there are threads. */
	json_object_seed(0);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	done = run(argc, argv, &err);
	if (done < 0)
		log_line("error", err.text);
	fflush(NULL);
	status = done < 0 ? np_code_exit_status(err.code) : 0;
	/* A thread may be waiting for the API server, and use what exit(3) takes down. */
	if (uses_api)
		_exit(status);
	return status;
}
