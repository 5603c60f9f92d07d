/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <nss.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/serve.h"
#include "nodeprep/sim.h"
#include "nodeprep/units.h"

enum { ARGS_MAX = 64 };

struct list {
	size_t n;
	const char *items[ARGS_MAX];
};

struct options {
	char host[64];
	uint16_t port;
	bool allow_remote;
	const char *kubeconfig_out, *request_log;
	struct list classes, namespaces;
	struct np_sim_options sim;
};

static const char usage[] =
	"usage: nodeprep-sim [--listen HOST:PORT] [--allow-remote] [--state DIR]\n"
	"                    [--kubeconfig-out FILE] [--request-log FILE] [--classes FILE]...\n"
	"                    [--token-auth-file FILE] [--namespace NAME]... [--cluster-scoped]\n"
	"                    [--help] [--version]\n";

enum flag {
	FLAG_ALLOW_REMOTE = 1,
	FLAG_CLASSES,
	FLAG_CLUSTER_SCOPED,
	FLAG_HELP,
	FLAG_KUBECONFIG_OUT,
	FLAG_LISTEN,
	FLAG_NAMESPACE,
	FLAG_REQUEST_LOG,
	FLAG_STATE,
	FLAG_TOKEN_AUTH_FILE,
	FLAG_VERSION,
};

static const struct option flags[] = {
	{ "allow-remote", no_argument, NULL, FLAG_ALLOW_REMOTE },
	{ "classes", required_argument, NULL, FLAG_CLASSES },
	{ "cluster-scoped", no_argument, NULL, FLAG_CLUSTER_SCOPED },
	{ "help", no_argument, NULL, FLAG_HELP },
	{ "kubeconfig-out", required_argument, NULL, FLAG_KUBECONFIG_OUT },
	{ "listen", required_argument, NULL, FLAG_LISTEN },
	{ "namespace", required_argument, NULL, FLAG_NAMESPACE },
	{ "request-log", required_argument, NULL, FLAG_REQUEST_LOG },
	{ "state", required_argument, NULL, FLAG_STATE },
	{ "token-auth-file", required_argument, NULL, FLAG_TOKEN_AUTH_FILE },
	{ "version", no_argument, NULL, FLAG_VERSION },
	{ NULL, 0, NULL, 0 },
};

static struct np_serve *running;

/* --- the command line ----------------------------------------------------------------------- */

static int add_to(struct list *l, const char *what, const char *text, struct np_err *err)
{
	if (l->n == ARGS_MAX)
		return np_fail(err, NP_E_USAGE, "%s is given more than %d times", what, ARGS_MAX);
	l->items[l->n++] = text;
	return 0;
}

/* HOST:PORT; an IPv6 address may stand in brackets. */
static int parse_listen(struct options *o, const char *text, struct np_err *err)
{
	const char *colon = strrchr(text, ':');
	uint64_t port = 0;
	size_t size = colon ? (size_t)(colon - text) : 0;

	if (size == 0 || size >= sizeof(o->host) ||
	    np_u64_parse(colon + 1, 0, UINT16_MAX, &port, err) < 0)
		return np_fail(err, NP_E_USAGE,
			       "--listen is '%s', HOST:PORT with a port up to 65535 is needed",
			       text);
	if (text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	memcpy(o->host, text, size);
	o->host[size] = '\0';
	o->port = (uint16_t)port;
	return 0;
}

static int apply_flag(struct options *o, int flag, const char *text, struct np_err *err)
{
	switch (flag) {
	case FLAG_ALLOW_REMOTE:
		o->allow_remote = true;
		return 0;
	case FLAG_CLASSES:
		return add_to(&o->classes, "--classes", text, err);
	case FLAG_CLUSTER_SCOPED:
		o->sim.cluster_scoped = true;
		return 0;
	case FLAG_KUBECONFIG_OUT:
		o->kubeconfig_out = text;
		return 0;
	case FLAG_LISTEN:
		return parse_listen(o, text, err);
	case FLAG_NAMESPACE:
		return add_to(&o->namespaces, "--namespace", text, err);
	case FLAG_REQUEST_LOG:
		o->request_log = text;
		return 0;
	case FLAG_STATE:
		o->sim.state_dir = text;
		return 0;
	case FLAG_TOKEN_AUTH_FILE:
		o->sim.token_file = text;
		return 0;
	default:
		return np_fail(err, NP_E_USAGE, "see nodeprep-sim --help");
	}
}

static bool is_loopback(const char *host)
{
	return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

/* Returns 1 where all is said and done. */
static int parse_args(int argc, char **argv, struct options *o, struct np_err *err)
{
	int flag;

	while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (flag == FLAG_HELP || flag == FLAG_VERSION) {
			fputs(flag == FLAG_HELP ? usage : "nodeprep-sim " NP_VERSION "\n", stdout);
			return 1;
		}
		if (apply_flag(o, flag, optarg, err) < 0)
			return np_err_ret(err);
	}
	if (optind < argc)
		return np_fail(err, NP_E_USAGE, "'%s' is one argument too many", argv[optind]);
	if (!o->allow_remote && !is_loopback(o->host))
		return np_fail(err, NP_E_USAGE,
			       "'%s' is not a loopback address: it requires --allow-remote",
			       o->host);
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

	if (!o->request_log)
		return 0;
	f = fopen(o->request_log, "ae");
	if (!f)
		return np_fail(err, NP_E_IO, "'%s': %s", o->request_log, strerror(errno));
	o->sim.log = log_request;
	o->sim.log_ctx = f;
	return 0;
}

static int load_classes(struct np_sim *sim, const struct list *files, struct np_err *err)
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

static void close_stream(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* It holds a token: nobody else may read it, whatever stood there before. */
static int write_secret(const char *path, const char *text, struct np_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	NP_AUTO(close_stream) FILE *f = fd >= 0 && fchmod(fd, 0600) == 0 ? fdopen(fd, "w") : NULL;

	if (!f && fd >= 0)
		close(fd);
	if (!f || fputs(text, f) == EOF || fflush(f) == EOF)
		return np_fail(err, NP_E_IO, "'%s': %s", path, strerror(errno));
	return 0;
}

/* --- serving -------------------------------------------------------------------------------- */

static void on_signal(int signal)
{
	(void)signal;
	if (running)
		np_serve_stop(running);
}

static void catch_signals(struct np_serve *s)
{
	const struct sigaction act = { .sa_handler = on_signal };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	running = s;
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

static void log_line(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "nodeprep-sim: %s\n", line);
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

	so.host = o->host;
	so.port = o->port;
	so.identity.cert_pem = id.cert_pem;
	so.identity.key_pem = id.key_pem;
	so.drain_ms = 2000;
	so.log = log_line;
	return np_serve_new(&so, handle, sim, ret, err);
}

static int announce(const struct options *o, const struct np_sim *sim, const struct np_serve *s,
		    struct np_err *err)
{
	const char *open = strchr(o->host, ':') ? "[" : "", *close = *open ? "]" : "";
	NP_AUTO(np_freep) char *config = NULL;
	char url[128];

	snprintf(url, sizeof(url), "https://%s%s%s:%u", open, o->host, close,
		 (unsigned)np_serve_port(s));
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
	catch_signals(server);
	if (announce(o, sim, server, err) < 0)
		return np_err_ret(err);
	done = np_serve_run(server, err);
	running = NULL;
	return done;
}

int main(int argc, char **argv)
{
	struct options o = { .host = "127.0.0.1" };
	struct np_err err = NP_ERR_INIT;
	int done;

	/* A static program must not load what the host's name service or OpenSSL configuration name. */
	__nss_configure_lookup("hosts", "files dns");
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	done = parse_args(argc, argv, &o, &err);
	if (done == 0)
		done = run(&o, &err);
	if (o.sim.log_ctx)
		fclose(o.sim.log_ctx);
	if (done >= 0)
		return 0;
	fprintf(stderr, "nodeprep-sim: %s\n", err.text);
	return np_code_exit_status(err.code);
}
