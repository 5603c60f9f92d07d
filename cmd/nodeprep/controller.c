/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/address.h"
#include "../common/catalogue.h"
#include "../common/kube.h"
#include "../common/server.h"
#include "cmd.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/controller.h"
#include "nodeprep/serve.h"

#define IDENTITY_MAX 254

static struct flags {
	bool clusters, no_election, no_opt_in;
	uint64_t max_window;
	const char *supervisor_kubeconfig, *supervisor_namespace, *cluster_id;
	const char *lease_name, *lease_ns;
	uint64_t lease_ms, renew_ms, retry_ms;
	uint64_t workers;
	struct address health_listen, metrics_listen;
} flags;

#define AT(member) offsetof(struct flags, member)

static const struct option_row rows[] = {
	{ "cluster-id", 0, "ID", OPTION_TEXT, AT(cluster_id),
	  .help = "prefix of pool ids; with --supervisor-kubeconfig, by default the UID of namespace kube-system" },
	{ "clusters", 0, NULL, OPTION_FLAG, AT(clusters),
	  .help = "also watch Cluster and TanzuKubernetesCluster objects with nodeprep.dev/managed: \"true\"" },
	{ "health-listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(health_listen),
	  .help = "address of /healthz and /readyz" },
	{ "leader-elect", 0, NULL, OPTION_NOT_FLAG, AT(no_election),
	  .help = "write only while holding the lease; true by default" },
	{ "leader-elect-lease-duration", 0, "DURATION", OPTION_DURATION, AT(lease_ms),
	  .help = "time after which another controller takes over a lease that is not renewed, 15s by default" },
	{ "leader-elect-renew-deadline", 0, "DURATION", OPTION_DURATION, AT(renew_ms),
	  .help = "time after which a leader that cannot renew the lease stops writing, 10s by default" },
	{ "leader-elect-resource-name", 0, "NAME", OPTION_TEXT, AT(lease_name),
	  .help = "name of the lease, nodeprep-controller by default" },
	{ "leader-elect-resource-namespace", 0, "NAME", OPTION_TEXT, AT(lease_ns),
	  .help = "namespace of the lease, the pod's by default" },
	{ "leader-elect-retry-period", 0, "DURATION", OPTION_DURATION, AT(retry_ms),
	  .help = "time between attempts to get or renew the lease, 2s by default" },
	{ "max-window", 0, "GB", OPTION_COUNT, AT(max_window), .help = MAX_WINDOW_HELP,
	  .most = MAX_WINDOW_MOST },
	{ "metrics-listen", 0, "HOST:PORT", OPTION_ADDRESS, AT(metrics_listen),
	  .help = "address of /metrics; may be the same as --health-listen" },
	{ "require-class-opt-in", 0, NULL, OPTION_NOT_FLAG, AT(no_opt_in), .help = OPT_IN_HELP },
	{ "supervisor-kubeconfig", 0, "FILE", OPTION_TEXT, AT(supervisor_kubeconfig),
	  .help = "kubeconfig of the API server that has the classes" },
	{ "supervisor-namespace", 0, "NAME", OPTION_TEXT, AT(supervisor_namespace),
	  .help = "namespace of the classes, in place of the pools' namespaces" },
	{ "workers", 0, "N", OPTION_COUNT, AT(workers),
	  .help = "number of classes to reconcile at a time, 4 by default", .most = UINT32_MAX },
};

const struct option_table controller_options = { OPTION_ROWS(rows), &flags, 0 };

/* As text: "nodepool ml/workers: ..."; the object's name is not in the text itself. */
static char *text_of(const struct np_controller_line *l)
{
	const char *kind = l->pool ? "nodepool" : l->cluster ? "cluster" : "virtualmachineclass";
	const char *name = l->pool ? l->pool : l->cluster ? l->cluster : l->vm_class;
	char *text = NULL;

	if (!name)
		return NULL;
	if (asprintf(&text, "%s %s%s%s: %s", kind, l->ns ? l->ns : "", l->ns ? "/" : "", name,
		     l->text) < 0)
		return NULL;
	return text;
}

static void log_controller(void *ctx, const struct np_controller_line *l)
{
	NP_AUTO(np_freep) char *text = text_of(l);
	json_auto_t *fields = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "namespace", l->ns,
					"class", l->vm_class, "pool", l->pool, "cluster",
					l->cluster, "resource", l->resource, "code", l->code);

	(void)ctx;
	log_write(&(struct log_entry){
		.level = l->level, .text = l->text, .line = text, .fields = fields });
}

/* --- health and metrics ---------------------------------------------------------------------- */

static int reply_text(struct np_serve_reply *reply, unsigned status, char *text, struct np_err *err)
{
	if (!text)
		return np_fail_nomem(err);
	reply->status = status;
	reply->body = text;
	reply->body_size = strlen(text);
	return np_serve_reply_header(reply, "Content-Type", "text/plain; version=0.0.4", err);
}

static int reply_whether(struct np_serve_reply *reply, bool good, struct np_err *err)
{
	return reply_text(reply, good ? 200 : 503, strdup(good ? "ok\n" : "not yet\n"), err);
}

static int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		  struct np_err *err)
{
	struct np_controller *c = ctx;

	if (strcmp(req->method, "GET") != 0 && strcmp(req->method, "HEAD") != 0)
		return reply_text(reply, 405, strdup("expected GET or HEAD\n"), err);
	if (strcmp(req->path, "/healthz") == 0)
		return reply_whether(reply, np_controller_is_healthy(c), err);
	if (strcmp(req->path, "/readyz") == 0)
		return reply_whether(reply, np_controller_is_ready(c), err);
	if (strcmp(req->path, "/metrics") == 0)
		return reply_text(reply, 200, np_controller_metrics(c), err);
	return reply_text(reply, 404, strdup("not found: expected /healthz, /readyz or /metrics\n"),
			  err);
}

/* Begins to serve at an address, where one is given. */
static int listen_at(const char *option, const struct address *address, struct np_controller *c,
		     struct side_server *s, struct np_err *err)
{
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;
	char url[ADDRESS_URL_MAX];

	if (address->host[0] == '\0')
		return 0;
	so.host = address->host;
	so.port = address->port;
	so.plain = true;
	so.body_max = 4096;
	so.headers_max = 16384;
	so.connections_max = 64;
	so.deadline_ms = 10000;
	so.drain_ms = 1000;
	so.log = log_module;
	if (np_serve_new(&so, handle, c, &s->server, err) < 0)
		return np_wrap(err, "--%s", option);
	if (side_server_start(s, err) < 0)
		return np_err_ret(err);
	address_url("http", address, np_serve_port(s->server), url);
	log_format("info", "%s: listening on %s", option, url);
	return 0;
}

/* --- signals --------------------------------------------------------------------------------- */

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

/* SIGHUP reloads. Of the others the first one asks to finish, the second ends the process. */
static void *wait_for_signals(void *controller)
{
	sigset_t set;
	int got = 0;

	fill_signals(&set);
	for (bool is_stopping = false; sigwait(&set, &got) == 0;) {
		if (got == SIGHUP) {
			np_controller_reload(controller);
			continue;
		}
		if (is_stopping)
			_exit(128 + got);
		is_stopping = true;
		np_controller_stop(controller);
	}
	return NULL;
}

/* --- the command ----------------------------------------------------------------------------- */

static int load_supervisor(const struct options *o, struct np_kube_config **ret, struct np_err *err)
{
	struct np_kube_options ko = kube_supervisor(flags.supervisor_kubeconfig, &o->kube);

	if (!ko.kubeconfig)
		return 0;
	ko.log = o->verbosity > 0 ? log_info : NULL;
	return np_kube_config_load(&ko, ret, err);
}

static int load_pools(const struct options *o, struct np_kube_config **ret, struct np_err *err)
{
	struct np_kube_options ko = o->kube;

	if (!np_kube_is_configured(&ko))
		return np_fail(err, NP_E_USAGE, "no API server is configured: set --kubeconfig");
	ko.log = o->verbosity > 0 ? log_info : NULL;
	return np_kube_config_load(&ko, ret, err);
}

/* No two processes may share it: one of them would take the other's lease for its own. */
static void make_identity(char buf[static IDENTITY_MAX])
{
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(buf, IDENTITY_MAX, "%s_%08x%08x", host, arc4random(), arc4random());
}

static void fill_options(const struct options *o, struct np_controller_options *co)
{
	co->ns = o->kube.ns;
	co->class_ns = flags.supervisor_namespace;
	co->cluster_id = flags.cluster_id;
	co->require_opt_in = !flags.no_opt_in;
	co->max_window_gb = flags.max_window;
	co->clusters = flags.clusters;
	co->leader_elect = !flags.no_election;
	co->lease_ns = flags.lease_ns;
	co->log = log_controller;
	if (flags.lease_name)
		co->lease_name = flags.lease_name;
	if (flags.lease_ms > 0)
		co->lease_ms = flags.lease_ms;
	if (flags.renew_ms > 0)
		co->renew_ms = flags.renew_ms;
	if (flags.retry_ms > 0)
		co->retry_ms = flags.retry_ms;
	if (flags.workers > 0)
		co->workers = (unsigned)flags.workers;
}

static bool is_same(const struct address *a, const struct address *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static int run_with(const struct np_controller_options *co, struct np_err *err)
{
	NP_AUTO(np_controller_freep) struct np_controller *c = NULL;
	NP_AUTO(side_server_done) struct side_server health = { 0 };
	NP_AUTO(side_server_done) struct side_server metrics = { 0 };
	static const struct address none;
	bool is_one = flags.health_listen.host[0] != '\0' &&
		      is_same(&flags.health_listen, &flags.metrics_listen);
	pthread_t signals;
	sigset_t set;

	fill_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (np_controller_new(co, &c, err) < 0 ||
	    listen_at("health-listen", &flags.health_listen, c, &health, err) < 0 ||
	    listen_at("metrics-listen", is_one ? &none : &flags.metrics_listen, c, &metrics, err) <
		    0)
		return np_err_ret(err);
	if (is_one)
		log_line("info", "metrics-listen: the same");
	if (pthread_create(&signals, NULL, wait_for_signals, c) != 0)
		return np_fail_nomem(err);
	if (np_controller_run(c, err) < 0)
		log_line("error", err->text);
	pthread_cancel(signals);
	pthread_join(signals, NULL);
	return err->code == NP_OK ? 0 : np_code_exit_status(err->code);
}

int run_controller(const struct options *o, struct np_err *err)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *catalogue = NULL;
	NP_AUTO(np_kube_config_freep) struct np_kube_config *pools = NULL;
	NP_AUTO(np_kube_config_freep) struct np_kube_config *classes = NULL;
	struct np_controller_options co = NP_CONTROLLER_OPTIONS_INIT;
	char identity[IDENTITY_MAX];

	/* Each thread would keep an arena of its own for what is freed within the second. */
	mallopt(M_ARENA_MAX, 2);
	if (catalogue_load(&o->catalogues, &o->captures, &catalogue, err) < 0 ||
	    load_pools(o, &pools, err) < 0 || load_supervisor(o, &classes, err) < 0)
		return np_err_ret(err);
	make_identity(identity);
	fill_options(o, &co);
	co.catalogue = catalogue;
	co.pools = pools;
	co.classes = classes;
	co.identity = identity;
	return run_with(&co, err);
}
