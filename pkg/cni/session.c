/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/file.h"
#include "nodeprep/gpu.h"
#include "nodeprep/time.h"

/* A runtime asks for the status often, and wants to know soon. */
#define STATUS_MS UINT64_C(10000)

/* --- the log --------------------------------------------------------------------------------- */

void cni_log(const struct cni_session *s, const char *level, const char *fmt, ...)
{
	char text[NP_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	s->host->log(s->host->ctx, level, text);
}

void cni_log_class(const struct cni_session *s, const char *ns, const char *name,
		   enum np_sync_result result)
{
	bool is_only_planned = s->config.dry_run && result == NP_SYNC_PATCHED;

	cni_log(s, "info", "class %s%s%s %s%s%s", ns ? ns : "", ns ? "/" : "", name,
		is_only_planned ? "would be " : "", np_sync_result_name(result),
		is_only_planned ? " (dryRun)" : "");
}

static void log_retry(void *ctx, const char *line)
{
	const struct cni_session *s = ctx;

	s->host->log(s->host->ctx, "info", line);
}

/* --- pools ----------------------------------------------------------------------------------- */

static int read_spec_file(struct cni_session *s, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size;

	if (np_file_load(path, NP_CNI_CONFIG_MAX, &bytes, &size, err) < 0)
		return np_err_ret(err);
	return np_pool_input_parse(&s->input, s->catalogue, path, bytes, size, err);
}

int cni_load_pools(struct cni_session *s, struct np_err *err)
{
	const char *path = s->config.spec_file;

	if (np_cni_add_pools(&s->config, s->catalogue, &s->input, err) < 0 ||
	    (path && read_spec_file(s, path, err) < 0) || np_pool_input_finish(&s->input, err) < 0)
		return np_err_ret(err);
	if (s->input.n_pools == 0)
		return np_fail(err, NP_E_SPEC, "%s names no pool", path ? path : "nodePool");
	if (s->input.n_classes > 0)
		cni_log(s, "info",
			"ignored %zu VirtualMachineClass document(s) of the configuration: the "
			"server's are read",
			s->input.n_classes);
	return 0;
}

static bool is_known(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

const char **cni_list_namespaces(const struct cni_session *s, const char *first, size_t *ret_n)
{
	const char **names = calloc(s->input.n_pools + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	if (first)
		names[n++] = first;
	for (size_t i = 0; i < s->input.n_pools; i++) {
		const char *ns = s->input.pools[i].ns;

		if (!np_pool_is_placeholder(ns) && !is_known(names, n, ns))
			names[n++] = ns;
	}
	*ret_n = n;
	return names;
}

/* --- the API --------------------------------------------------------------------------------- */

uint64_t cni_timeout_ms(const struct cni_session *s)
{
	bool is_short = s->call.command == NP_CNI_STATUS && s->config.timeout_ms > STATUS_MS;

	return is_short ? STATUS_MS : s->config.timeout_ms;
}

static struct np_kube_options kube_options(struct cni_session *s)
{
	const struct np_cni_supervisor *v = &s->config.supervisor;
	struct np_kube_options o = s->host->kube;

	o.kubeconfig = v->kubeconfig;
	o.context = v->context;
	o.ns = v->ns;
	o.server = v->server;
	o.ca_file = v->ca_file;
	o.token_file = v->token_file;
	o.deadline_ms = cni_timeout_ms(s);
	o.log = log_retry;
	o.log_ctx = s;
	/* Another kubeconfig on the host has credentials of another server. */
	if (v->server && !v->kubeconfig) {
		o.kubeconfig_env = NULL;
		o.home = NULL;
	}
	return o;
}

/* A wrong way to the API is the configuration's fault. */
static int load_kube_config(struct cni_session *s, struct np_err *err)
{
	struct np_kube_options o = kube_options(s);
	struct np_err why = NP_ERR_INIT;

	if (!np_kube_is_configured(&o))
		return np_fail(err, NP_E_SPEC,
			       "no API server is configured: set supervisor.kubeconfig, or server, "
			       "tokenFile and caFile");
	if (np_kube_config_load(&o, &s->kube_config, &why) < 0) {
		bool is_ours = why.code == NP_E_USAGE || why.code == NP_E_NOT_FOUND;

		return np_fail(err, is_ours ? NP_E_SPEC : why.code, "%s", why.text);
	}
	s->input.default_namespace = np_kube_config_namespace(s->kube_config);
	return 0;
}

static struct np_vcenter_options vcenter_options(struct cni_session *s)
{
	const struct np_cni_vcenter *v = &s->config.supervisor.vcenter;
	const struct np_kube_options *k = &s->host->kube;

	return (struct np_vcenter_options){ .url = v->url,
					    .username_file = v->username_file,
					    .password_file = v->password_file,
					    .ca_file = v->ca_file,
					    .proxy = k->proxy,
					    .no_proxy = k->no_proxy,
					    .deadline_ms = cni_timeout_ms(s),
					    .user_agent = k->user_agent,
					    .log = log_retry,
					    .log_ctx = s,
					    .is_cancelled = k->is_cancelled,
					    .cancel_ctx = k->cancel_ctx };
}

static int load_vcenter(struct cni_session *s, struct np_err *err)
{
	struct np_vcenter_options o = vcenter_options(s);
	struct np_state_options state = s->host->state;
	struct np_err why = NP_ERR_INIT;

	if (s->config.state_dir)
		state.dir = s->config.state_dir;
	if (np_state_new(&state, &s->state, &why) == 0 &&
	    np_vcenter_new(&o, &s->vcenter, &why) == 0)
		return 0;
	return np_fail(err, why.code == NP_E_USAGE ? NP_E_SPEC : why.code, "%s", why.text);
}

/* Reads how to reach the server; no connection is made. */
int cni_load_server(struct cni_session *s, struct np_err *err)
{
	return s->config.supervisor.vcenter.url ? load_vcenter(s, err) : load_kube_config(s, err);
}

int cni_connect(struct cni_session *s, struct np_err *err)
{
	if (s->vcenter) {
		s->store = np_sync_store_vcenter(s->vcenter, s->state);
		return 0;
	}
	if (np_kube_new_take(np_take(s->kube_config), &s->kube, err) < 0)
		return np_err_ret(err);
	s->store = np_sync_store_kube(s->kube, NULL);
	return 0;
}

int cni_fail_api(struct cni_session *s, struct np_err *err)
{
	if (err->code == NP_E_NOT_FOUND)
		s->code = CNI_UNAVAILABLE;
	return np_err_ret(err);
}

/* --- failures -------------------------------------------------------------------------------- */

/* Appends to the details of the error; leaves out what does not fit into memory. */
void cni_add_details(struct cni_session *s, const char *text)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", s->details ? s->details : "", s->details ? "; " : "",
		     text) < 0)
		return;
	free(s->details);
	s->details = longer;
}

void cni_take_error(struct cni_session *s, const struct np_err *what, enum np_code code,
		    struct np_err *err)
{
	if (what->code == NP_OK)
		return;
	if (what->code == code && err->code == NP_OK)
		*err = *what;
	else
		cni_add_details(s, what->text);
}

int cni_check_sync(struct cni_session *s, const struct np_sync *a, struct np_err *err)
{
	enum np_code code = np_sync_code(a);

	if (code == NP_OK)
		return 0;
	for (size_t i = 0; i < a->plan.n_errors; i++)
		cni_take_error(s, &a->plan.errors[i], code, err);
	for (size_t i = 0; a->classes && i < a->plan.n_classes; i++)
		cni_take_error(s, &a->classes[i].error, code, err);
	if (err->code == NP_OK)
		return np_fail(err, code, "a pool holds a placeholder: nothing was written");
	return np_err_ret(err);
}
