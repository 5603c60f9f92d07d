/* SPDX-License-Identifier: Apache-2.0 */
#include "kube.h"

#include <stdlib.h>
#include <unistd.h>

#define AT(member) offsetof(struct np_kube_options, member)

static const struct option_row rows[] = {
	{ "as", 0, "USER", OPTION_TEXT, AT(as_user), .help = "user to impersonate" },
	{ "as-uid", 0, "UID", OPTION_TEXT, AT(as_uid), .help = "UID to impersonate, with --as",
	  .group = KUBE_CLIENT | KUBE_CONTROLLER },
	{ "certificate-authority", 0, "FILE", OPTION_TEXT, AT(ca_file),
	  .help = "CA that signed the API server's certificate" },
	{ "cluster", 0, "NAME", OPTION_TEXT, AT(cluster), .help = "kubeconfig cluster to use" },
	{ "context", 0, "NAME", OPTION_TEXT, AT(context), .help = "kubeconfig context to use" },
	{ "disable-compression", 0, NULL, OPTION_FLAG, AT(no_compression),
	  .help = "do not ask the API server for compressed answers",
	  .group = KUBE_CLIENT | KUBE_CONTROLLER },
	{ "insecure-skip-tls-verify", 0, NULL, OPTION_FLAG, AT(insecure),
	  .help = "do not check the API server's certificate" },
	{ "kubeconfig", 0, "FILE", OPTION_TEXT, AT(kubeconfig), .help = "kubeconfig to use" },
	{ "namespace", 'n', "NAME", OPTION_TEXT, AT(ns),
	  .help = "namespace to use, and of documents that name none", .group = KUBE_CLIENT },
	{ "namespace", 'n', "NAME", OPTION_TEXT, AT(ns), .help = "kubeconfig namespace to use",
	  .group = KUBE_DAEMON },
	{ "namespace", 'n', "NAME", OPTION_TEXT, AT(ns),
	  .help = "watch pools in this namespace only; all namespaces by default",
	  .group = KUBE_CONTROLLER },
	{ "request-timeout", 0, "DURATION", OPTION_DURATION, AT(request_timeout_ms),
	  .help = "limit of one request, such as 5s; 0: none but the run's", .group = KUBE_CLIENT },
	{ "request-timeout", 0, "DURATION", OPTION_DURATION, AT(request_timeout_ms),
	  .help = "limit of one request to the API server, such as 5s",
	  .group = KUBE_DAEMON | KUBE_CONTROLLER },
	{ "server", 's', "URL", OPTION_TEXT, AT(server), .help = "address of the API server" },
	{ "timeout", 0, "DURATION", OPTION_DURATION, AT(deadline_ms), .help = KUBE_TIMEOUT_HELP,
	  .group = KUBE_CLIENT },
	{ "tls-server-name", 0, "NAME", OPTION_TEXT, AT(tls_server_name),
	  .help = "name to expect in the API server's certificate" },
	{ "token", 0, "TOKEN", OPTION_TEXT, AT(token), .help = "bearer token" },
	{ "user", 0, "NAME", OPTION_TEXT, AT(user), .help = "kubeconfig user to use" },
};

struct option_table kube_table(struct np_kube_options *target, enum kube_group group)
{
	return (struct option_table){ OPTION_ROWS(rows), target, group };
}

/* As Go reads proxies' variables: the first that is not empty. */
static const char *first_variable(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	return value && value[0] != '\0' ? value : getenv(lower);
}

void kube_environment(struct np_kube_options *k)
{
	k->kubeconfig_env = getenv("KUBECONFIG");
	k->home = getenv("HOME");
	k->service_host = getenv("KUBERNETES_SERVICE_HOST");
	k->service_port = getenv("KUBERNETES_SERVICE_PORT");
	k->proxy = first_variable("HTTPS_PROXY", "https_proxy");
	k->http_proxy = first_variable("HTTP_PROXY", "http_proxy");
	k->no_proxy = first_variable("NO_PROXY", "no_proxy");
	k->environment = environ;
}

struct np_kube_options kube_supervisor(const char *kubeconfig, const struct np_kube_options *other)
{
	return (struct np_kube_options){ .kubeconfig = kubeconfig,
					 .request_timeout_ms = other->request_timeout_ms,
					 .proxy = other->proxy,
					 .http_proxy = other->http_proxy,
					 .no_proxy = other->no_proxy,
					 .environment = other->environment,
					 .user_agent = other->user_agent,
					 .log = other->log };
}
