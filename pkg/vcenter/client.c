/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

#define CA_BYTES_MAX (UINT64_C(4) << 20)

bool np_vcenter_is_configured(const struct np_vcenter_options *o)
{
	return o->url && o->url[0];
}

/* --- trust -------------------------------------------------------------------------------------- */

/* The certificates to trust; NULL: those of the system. */
struct trust {
	char *pem;
	char *name, *hint; /* for messages */
};

static void trust_done(struct trust *t)
{
	free(t->pem);
	free(t->name);
	free(t->hint);
}

static int add_file(struct trust *t, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	char *longer = NULL;
	size_t size;

	if (np_file_load(path, CA_BYTES_MAX, &bytes, &size, err) < 0)
		return np_err_ret(err);
	if (asprintf(&longer, "%s%s\n", t->pem ? t->pem : "", bytes) < 0)
		return np_fail_nomem(err);
	free(t->pem);
	t->pem = longer;
	return 0;
}

static int add_files(struct trust *t, const char *list, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(list);
	char *rest = copy, *path;

	if (!copy)
		return np_fail_nomem(err);
	while ((path = strsep(&rest, ":")))
		if (path[0] && add_file(t, path, err) < 0)
			return np_wrap(err, "GOVC_TLS_CA_CERTS");
	return 0;
}

static int name_trust(struct trust *t, const char *file, const char *base, struct np_err *err)
{
	int n = file ? asprintf(&t->name, "the CA '%s'", file)
		     : asprintf(&t->name, "any CA that this system trusts");

	if (n < 0) {
		t->name = NULL;
		return np_fail_nomem(err);
	}
	if (asprintf(&t->hint,
		     "if it is vCenter's, give its CA with --certificate-authority FILE; vCenter "
		     "offers it at %s/certs/download.zip",
		     base) < 0) {
		t->hint = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

/* --insecure-skip-tls-verify wins over the environment, not over the command line's CA. */
static int load_trust(const struct np_vcenter_options *o, const char *base, struct trust *t,
		      struct np_err *err)
{
	const char *list = o->ca_file || o->insecure ? NULL : o->ca_files_env;

	if (o->ca_file && o->insecure)
		return np_fail(err, NP_E_USAGE,
			       "--certificate-authority and --insecure-skip-tls-verify are "
			       "mutually exclusive");
	if (o->ca_file && add_file(t, o->ca_file, err) < 0)
		return np_wrap(err, "--certificate-authority");
	if (list && list[0] && add_files(t, list, err) < 0)
		return np_err_ret(err);
	return name_trust(t, o->ca_file ? o->ca_file : t->pem ? list : NULL, base, err);
}

/* --- birth -------------------------------------------------------------------------------------- */

static int connect_later(struct np_vcenter *v, const struct np_vcenter_options *o,
			 struct np_err *err)
{
	NP_AUTO(trust_done) struct trust trust = { 0 };
	struct np_kube_options k = { .server = v->base,
				     .tls_server_name = o->tls_server_name,
				     .insecure = o->insecure,
				     .proxy = o->proxy,
				     .no_proxy = o->no_proxy,
				     .request_timeout_ms = o->request_timeout_ms,
				     .deadline_ms = o->deadline_ms,
				     .user_agent = o->user_agent,
				     .log = o->log,
				     .log_ctx = o->log_ctx,
				     .trace = o->trace,
				     .trace_level = o->trace_level,
				     .trace_ctx = o->trace_ctx,
				     .is_cancelled = o->is_cancelled,
				     .cancel_ctx = o->cancel_ctx };
	struct np_kube_config *config = NULL;

	if (load_trust(o, v->base, &trust, err) < 0)
		return np_err_ret(err);
	k.ca_pem = trust.pem;
	k.ca_name = trust.name;
	k.trust_hint = trust.hint;
	if (np_kube_config_load(&k, &config, err) < 0)
		return np_err_ret(err);
	return np_kube_new_take(config, &v->http, err);
}

/* A password travels as it is, in base64 and escaped in XML; an answer may echo each. */
static int add_secrets(struct np_vcenter *v, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text escaped = { 0 };

	vcenter_text_add_escaped(&escaped, v->login.password);
	v->basic = vcenter_basic(v->login.user, v->login.password);
	if (escaped.failed || !v->basic)
		return np_fail_nomem(err);
	if (np_kube_add_secret(v->http, v->login.password, true, err) < 0 ||
	    np_kube_add_secret(v->http, escaped.bytes, true, err) < 0)
		return np_err_ret(err);
	return np_kube_add_secret(v->http, v->basic, true, err);
}

static struct np_vcenter *new_client(void)
{
	struct np_vcenter *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	pthread_mutex_init(&v->own.lock, NULL);
	v->session = &v->own;
	return v;
}

int np_vcenter_new(const struct np_vcenter_options *o, struct np_vcenter **ret, struct np_err *err)
{
	NP_AUTO(vcenter_address_done) struct vcenter_address address = { 0 };
	NP_AUTO(np_vcenter_freep) struct np_vcenter *v = new_client();

	if (!v)
		return np_fail_nomem(err);
	if (!np_vcenter_is_configured(o))
		return np_fail(err, NP_E_USAGE, "no vCenter is given: expected --vcenter URL");
	if (vcenter_address_parse(o->url, &address, err) < 0 ||
	    vcenter_credentials_load(o, &address, &v->login, err) < 0)
		return np_err_ret(err);
	v->base = np_take(address.base);
	if (connect_later(v, o, err) < 0 || add_secrets(v, err) < 0)
		return np_err_ret(err);
	*ret = np_take(v);
	return 0;
}

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

int np_vcenter_clone(struct np_vcenter *v, struct np_vcenter **ret, struct np_err *err)
{
	NP_AUTO(np_vcenter_freep) struct np_vcenter *copy = new_client();

	if (!copy)
		return np_fail_nomem(err);
	copy->session = v->session;
	copy->is_checked = v->is_checked;
	copy->has_about = v->has_about;
	copy->about = v->about;
	copy->base = copy_text(v->base);
	copy->basic = copy_text(v->basic);
	copy->login.user = copy_text(v->login.user);
	copy->login.password = copy_text(v->login.password);
	if (!copy->base || !copy->basic || !copy->login.user || !copy->login.password)
		return np_fail_nomem(err);
	if (np_kube_clone(v->http, &copy->http, err) < 0)
		return np_err_ret(err);
	*ret = np_take(copy);
	return 0;
}

int vcenter_keep_secret_take(struct np_vcenter *v, char **slot, char *secret, struct np_err *err)
{
	np_wipep(slot);
	*slot = secret;
	return vcenter_add_secret(v, secret, err);
}

int vcenter_add_secret(struct np_vcenter *v, const char *secret, struct np_err *err)
{
	const char *value = strchr(secret, '=');

	if (value && np_kube_add_secret(v->http, value + 1, false, err) < 0)
		return np_err_ret(err);
	return np_kube_add_secret(v->http, secret, false, err);
}

/* --- the rest ----------------------------------------------------------------------------------- */

void np_vcenter_free(struct np_vcenter *v)
{
	if (!v)
		return;
	if (v->own.id || v->cookie) {
		np_kube_set_deadline(v->http, VCENTER_LOGOUT_MS);
		vcenter_rest_logout(v);
		vcenter_soap_logout(v);
	}
	np_wipep(&v->own.id);
	pthread_mutex_destroy(&v->own.lock);
	np_wipep(&v->cookie);
	np_wipep(&v->basic);
	np_kube_free(v->http);
	vcenter_credentials_done(&v->login);
	free(v->base);
	free(v);
}

void np_vcenter_freep(struct np_vcenter **v)
{
	np_vcenter_free(*v);
	*v = NULL;
}

const char *np_vcenter_url(const struct np_vcenter *v)
{
	return v->base;
}

int np_vcenter_pause(struct np_vcenter *v, uint64_t ms, struct np_err *err)
{
	return np_kube_pause(v->http, ms, err);
}
