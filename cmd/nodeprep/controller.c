/* SPDX-License-Identifier: Apache-2.0 */
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
#include "nodeprep/units.h"

#define IDENTITY_MAX 254
#define HOST_MAX 64

static void log_kube(void *ctx, const char *line)
{
	(void)ctx;
	log_line("info", line);
}

static void log_controller(void *ctx, const char *level, const char *line)
{
	(void)ctx;
	log_line(level, line);
}

static void log_serve(void *ctx, const char *line)
{
	(void)ctx;
	log_line("info", line);
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
		return reply_text(reply, 405, strdup("GET is understood here\n"), err);
	if (strcmp(req->path, "/healthz") == 0)
		return reply_whether(reply, np_controller_is_healthy(c), err);
	if (strcmp(req->path, "/readyz") == 0)
		return reply_whether(reply, np_controller_is_ready(c), err);
	if (strcmp(req->path, "/metrics") == 0)
		return reply_text(reply, 200, np_controller_metrics(c), err);
	return reply_text(reply, 404, strdup("/healthz, /readyz and /metrics are here\n"), err);
}

/* Reads "HOST:PORT", "[::1]:PORT" or ":PORT". */
static int read_address(const char *option, const char *text, char host[static HOST_MAX],
			uint16_t *ret_port, struct np_err *err)
{
	const char *colon = strrchr(text, ':'), *from = text;
	size_t size = colon ? (size_t)(colon - text) : 0;
	struct np_err why = NP_ERR_INIT;
	uint64_t port = 0;

	if (!colon || np_u64_parse(colon + 1, 0, UINT16_MAX, &port, &why) < 0)
		return np_fail(err, NP_E_USAGE, "%s '%.80s': HOST:PORT is needed", option, text);
	if (size >= 2 && from[0] == '[' && from[size - 1] == ']') {
		from++;
		size -= 2;
	}
	if (size >= HOST_MAX)
		return np_fail(err, NP_E_USAGE, "%s '%.80s': the address is too long", option,
			       text);
	snprintf(host, HOST_MAX, "%.*s", (int)size, size > 0 ? from : "");
	if (size == 0)
		snprintf(host, HOST_MAX, "0.0.0.0");
	*ret_port = (uint16_t)port;
	return 0;
}

struct listener {
	struct np_serve *server;
	pthread_t thread;
	bool runs;
};

static void *serve(void *server)
{
	struct np_err err = NP_ERR_INIT;

	if (np_serve_run(server, &err) < 0)
		log_line("error", err.text);
	return NULL;
}

static void listener_done(struct listener *l)
{
	if (l->runs) {
		np_serve_stop(l->server);
		pthread_join(l->thread, NULL);
	}
	np_serve_free(l->server);
}

static void tell_address(const char *option, const char *host, uint16_t port)
{
	bool is_v6 = !!strchr(host, ':');

	log_format("info", "%s: listening on http://%s%s%s:%u", option + 2, is_v6 ? "[" : "", host,
		   is_v6 ? "]" : "", (unsigned)port);
}

/* Begins to serve at an address, where one is given. */
static int listen_at(const char *option, const char *address, struct np_controller *c,
		     struct listener *l, struct np_err *err)
{
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;
	char host[HOST_MAX];

	if (!address)
		return 0;
	if (read_address(option, address, host, &so.port, err) < 0)
		return np_err_ret(err);
	so.host = host;
	so.plain = true;
	so.body_max = 4096;
	so.headers_max = 16384;
	so.connections_max = 64;
	so.deadline_ms = 10000;
	so.drain_ms = 1000;
	so.log = log_serve;
	if (np_serve_new(&so, handle, c, &l->server, err) < 0)
		return np_wrap(err, "%s '%s'", option, address);
	if (pthread_create(&l->thread, NULL, serve, l->server) != 0)
		return np_fail_nomem(err);
	l->runs = true;
	tell_address(option, host, np_serve_port(l->server));
	return 0;
}

/* --- signals --------------------------------------------------------------------------------- */

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

/* The first asks to finish, the second is taken at its word. */
static void *wait_for_signals(void *controller)
{
	sigset_t set;
	int got = 0;

	fill_signals(&set);
	sigwait(&set, &got);
	np_controller_stop(controller);
	sigwait(&set, &got);
	_exit(128 + got);
}

/* --- the command ----------------------------------------------------------------------------- */

static int load_supervisor(const struct options *o, struct np_kube_config **ret, struct np_err *err)
{
	struct np_kube_options ko = { .kubeconfig = o->controller.supervisor_kubeconfig,
				      .proxy = o->kube.proxy,
				      .no_proxy = o->kube.no_proxy,
				      .request_timeout_ms = o->kube.request_timeout_ms,
				      .log = o->verbosity > 0 ? log_kube : NULL };

	if (!ko.kubeconfig)
		return 0;
	return np_kube_config_load(&ko, ret, err);
}

static int load_pools(const struct options *o, struct np_kube_config **ret, struct np_err *err)
{
	struct np_kube_options ko = o->kube;

	if (!np_kube_is_configured(&ko))
		return np_fail(err, NP_E_USAGE, "no API server is configured: set --kubeconfig");
	ko.log = o->verbosity > 0 ? log_kube : NULL;
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
	const struct controller_flags *f = &o->controller;

	co->ns = o->kube.ns;
	co->class_ns = f->supervisor_namespace;
	co->cluster_id = f->cluster_id;
	co->clusters = f->clusters;
	co->leader_elect = !f->no_election;
	co->lease_ns = f->lease_ns;
	co->log = log_controller;
	if (f->lease_name)
		co->lease_name = f->lease_name;
	if (f->lease_ms > 0)
		co->lease_ms = f->lease_ms;
	if (f->renew_ms > 0)
		co->renew_ms = f->renew_ms;
	if (f->retry_ms > 0)
		co->retry_ms = f->retry_ms;
	if (f->workers > 0)
		co->workers = (unsigned)f->workers;
}

static int run_with(const struct options *o, const struct np_controller_options *co,
		    struct np_err *err)
{
	NP_AUTO(np_controller_freep) struct np_controller *c = NULL;
	NP_AUTO(listener_done) struct listener health = { 0 };
	NP_AUTO(listener_done) struct listener metrics = { 0 };
	const struct controller_flags *f = &o->controller;
	bool is_one = f->health_listen && f->metrics_listen &&
		      strcmp(f->health_listen, f->metrics_listen) == 0;
	pthread_t signals;
	sigset_t set;

	fill_signals(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (np_controller_new(co, &c, err) < 0 ||
	    listen_at("--health-listen", f->health_listen, c, &health, err) < 0 ||
	    listen_at("--metrics-listen", is_one ? NULL : f->metrics_listen, c, &metrics, err) < 0)
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
	if (catalogue_load(o, &catalogue, err) < 0 || load_pools(o, &pools, err) < 0 ||
	    load_supervisor(o, &classes, err) < 0)
		return np_err_ret(err);
	make_identity(identity);
	fill_options(o, &co);
	co.catalogue = catalogue;
	co.pools = pools;
	co.classes = classes;
	co.identity = identity;
	return run_with(o, &co, err);
}
