/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nodeprep/base64.h"
#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "unknown"
#endif

static const char service_dir[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* --- small things ---------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static int set_format(char **slot, struct np_err *err,
							    const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return np_fail_nomem(err);
	free(*slot);
	*slot = text;
	return 0;
}

void np_kube_config_free(struct np_kube_config *c)
{
	if (!c)
		return;
	free(c->server);
	free(c->ns);
	free(c->user_name);
	free(c->who);
	free(c->ca_name);
	free(c->trust_hint);
	kube_blob_done(&c->ca);
	kube_blob_done(&c->cert);
	kube_blob_done(&c->key);
	free(c->tls_server_name);
	np_wipep(&c->proxy_url);
	np_wipep(&c->proxy);
	np_wipep(&c->http_proxy);
	free(c->no_proxy);
	np_wipep(&c->token);
	free(c->token_file);
	free(c->ca_file);
	free(c->cert_file);
	free(c->key_file);
	kube_renewal_unref(c->renewal);
	free(c->username);
	np_wipep(&c->password);
	free(c->as_user);
	free(c->as_uid);
	kube_texts_done(&c->as_groups);
	kube_texts_done(&c->as_extra);
	kube_plugin_unref(c->plugin);
	json_decref(c->extension);
	free(c->user_agent);
	kube_secrets_done(&c->secrets);
	free(c);
}

void np_kube_config_freep(struct np_kube_config **c)
{
	np_kube_config_free(*c);
	*c = NULL;
}

static int clone_blob(const struct kube_blob *from, struct kube_blob *to, struct np_err *err)
{
	if (!from->bytes)
		return 0;
	/* A loaded file ends in a NUL that its size leaves out. */
	to->bytes = calloc(1, from->size + 1);
	if (!to->bytes)
		return np_fail_nomem(err);
	memcpy(to->bytes, from->bytes, from->size);
	to->size = from->size;
	return 0;
}

static int clone_texts(const struct np_kube_config *from, struct np_kube_config *to,
		       struct np_err *err)
{
	static const size_t texts[] = {
		offsetof(struct np_kube_config, server),
		offsetof(struct np_kube_config, ns),
		offsetof(struct np_kube_config, user_name),
		offsetof(struct np_kube_config, who),
		offsetof(struct np_kube_config, ca_name),
		offsetof(struct np_kube_config, trust_hint),
		offsetof(struct np_kube_config, tls_server_name),
		offsetof(struct np_kube_config, proxy_url),
		offsetof(struct np_kube_config, proxy),
		offsetof(struct np_kube_config, http_proxy),
		offsetof(struct np_kube_config, no_proxy),
		offsetof(struct np_kube_config, token),
		offsetof(struct np_kube_config, token_file),
		offsetof(struct np_kube_config, ca_file),
		offsetof(struct np_kube_config, cert_file),
		offsetof(struct np_kube_config, key_file),
		offsetof(struct np_kube_config, username),
		offsetof(struct np_kube_config, password),
		offsetof(struct np_kube_config, as_user),
		offsetof(struct np_kube_config, as_uid),
		offsetof(struct np_kube_config, user_agent),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *const *source = (const void *)((const char *)from + texts[i]);
		char **target = (void *)((char *)to + texts[i]);

		if (kube_set_text(target, *source, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int np_kube_config_clone(const struct np_kube_config *c, struct np_kube_config **ret,
			 struct np_err *err)
{
	NP_AUTO(np_kube_config_freep) struct np_kube_config *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return np_fail_nomem(err);
	copy->insecure = c->insecure;
	copy->no_compression = c->no_compression;
	copy->plugin = kube_plugin_ref(c->plugin);
	copy->renewal = kube_renewal_ref(c->renewal);
	copy->request_timeout_ms = c->request_timeout_ms;
	copy->deadline_ms = c->deadline_ms;
	copy->log = c->log;
	copy->log_ctx = c->log_ctx;
	copy->trace = c->trace;
	copy->trace_level = c->trace_level;
	copy->trace_ctx = c->trace_ctx;
	copy->is_cancelled = c->is_cancelled;
	copy->cancel_ctx = c->cancel_ctx;
	if (clone_texts(c, copy, err) < 0 || clone_blob(&c->ca, &copy->ca, err) < 0 ||
	    clone_blob(&c->cert, &copy->cert, err) < 0 || clone_blob(&c->key, &copy->key, err) < 0)
		return np_err_ret(err);
	if (kube_texts_copy(&copy->as_groups, &c->as_groups, err) < 0 ||
	    kube_texts_copy(&copy->as_extra, &c->as_extra, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < c->secrets.n; i++) {
		const char *text = c->secrets.texts[i];

		if (kube_secrets_add(&copy->secrets, text, strlen(text), err) < 0)
			return np_err_ret(err);
	}
	copy->secrets.rotates = c->secrets.rotates;
	copy->secrets.n_fixed = c->secrets.n_fixed;
	*ret = np_take(copy);
	return 0;
}

void np_kube_config_set_cancel(struct np_kube_config *c, bool (*is_cancelled)(void *ctx), void *ctx)
{
	c->is_cancelled = is_cancelled;
	c->cancel_ctx = ctx;
}

void np_kube_config_set_timeout(struct np_kube_config *c, uint64_t request_timeout_ms)
{
	c->request_timeout_ms = request_timeout_ms;
}

const char *np_kube_config_namespace(const struct np_kube_config *c)
{
	return c->ns;
}

const char *np_kube_config_server(const struct np_kube_config *c)
{
	return c->server;
}

/* --- which files ----------------------------------------------------------------------------- */

/* Called with each file that is to be read; a negative return ends the walk with it. */
typedef int each_path_fn(void *ctx, const char *path, struct np_err *err);

static int walk_list(const char *list, each_path_fn *each, void *ctx, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(list);
	char *rest = copy, *path;

	if (!copy)
		return np_fail_nomem(err);
	while ((path = strsep(&rest, ":")))
		if (path[0] && access(path, F_OK) == 0 && each(ctx, path, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int walk_home(const char *home, each_path_fn *each, void *ctx, struct np_err *err)
{
	char *path = NULL;
	NP_AUTO(np_freep) char *owned = NULL;

	if (asprintf(&path, "%s/.kube/config", home) < 0)
		return np_fail_nomem(err);
	owned = path;
	return access(path, F_OK) == 0 ? each(ctx, path, err) : 0;
}

/* kubectl's order: the flag alone, else $KUBECONFIG alone, else the home directory's file. */
static int walk_files(const struct np_kube_options *o, each_path_fn *each, void *ctx,
		      struct np_err *err)
{
	if (o->kubeconfig)
		return each(ctx, o->kubeconfig, err);
	if (o->kubeconfig_env && o->kubeconfig_env[0])
		return walk_list(o->kubeconfig_env, each, ctx, err);
	return o->home && o->home[0] ? walk_home(o->home, each, ctx, err) : 0;
}

static int count_file(void *ctx, const char *path, struct np_err *err)
{
	(void)path;
	(void)err;
	*(size_t *)ctx += 1;
	return 0;
}

static bool has_service(const struct np_kube_options *o)
{
	return o->service_host && o->service_host[0];
}

bool np_kube_is_configured(const struct np_kube_options *o)
{
	struct np_err err = NP_ERR_INIT;
	size_t n = 0;

	if (o->kubeconfig || (o->server && o->server[0]) || has_service(o))
		return true;
	return walk_files(o, count_file, &n, &err) < 0 || n > 0;
}

static void config_kube_files_done(struct kube_files *files)
{
	kube_files_done(files);
}

static int add_file(void *ctx, const char *path, struct np_err *err)
{
	return kube_files_add(ctx, path, err);
}

int np_kube_config_each(const struct np_kube_options *o, const char *list,
			int (*each)(void *ctx, const char *name), void *ctx, struct np_err *err)
{
	NP_AUTO(config_kube_files_done) struct kube_files files = { 0 };

	if (walk_files(o, add_file, &files, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < files.n; i++) {
		struct np_val entries = np_doc_get(np_doc_root(files.docs[i]), list);

		for (size_t k = 0; k < np_doc_count(entries); k++) {
			struct np_val name = np_doc_get(np_doc_at(entries, k), "name");
			int r = json_is_string(name.json) ? each(ctx, json_string_value(name.json))
							  : 0;

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- in-cluster ------------------------------------------------------------------------------ */

static int service_file(const struct np_kube_options *o, const char *name, char **ret,
			struct np_err *err)
{
	if (asprintf(ret, "%s/%s", o->service_dir ? o->service_dir : service_dir, name) < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

/* The namespace file is a convenience: a pod without it still has its token. */
static int service_namespace(const struct np_kube_options *o, struct np_kube_config *c,
			     struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	NP_AUTO(np_freep) char *text = NULL;
	struct np_err ignored = NP_ERR_INIT;
	size_t size;

	if (service_file(o, "namespace", &path, err) < 0)
		return np_err_ret(err);
	if (np_file_load(path, 4096, &text, &size, &ignored) < 0)
		return 0;
	text[strcspn(text, " \t\r\n")] = '\0';
	return kube_set_text(&c->ns, text, err);
}

static int service_token(const struct np_kube_options *o, struct np_kube_config *c,
			 struct np_err *err)
{
	char *token;

	if (o->token || o->token_file)
		return 0;
	if (service_file(o, "token", &c->token_file, err) < 0)
		return np_err_ret(err);
	if (kube_token_load(c->token_file, &token, err) < 0)
		return np_wrap(err, "in-cluster credentials");
	return kube_config_set_token_take(c, token, err);
}

static int service_ca(const struct np_kube_options *o, struct np_kube_config *c, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;

	if (o->insecure || o->ca_file)
		return 0;
	if (service_file(o, "ca.crt", &path, err) < 0)
		return np_err_ret(err);
	if (np_file_load(path, KUBE_FILE_MAX, &c->ca.bytes, &c->ca.size, err) < 0)
		return np_wrap(err, "in-cluster credentials");
	c->ca_file = np_take(path);
	return set_format(&c->ca_name, err, "the pod's CA '%s'", c->ca_file);
}

static int apply_service(const struct np_kube_options *o, struct np_kube_config *c,
			 struct np_err *err)
{
	const char *port = o->service_port && o->service_port[0] ? o->service_port : "443";
	bool is_ipv6 = !!strchr(o->service_host, ':');

	if (asprintf(&c->server, is_ipv6 ? "https://[%s]:%s" : "https://%s:%s", o->service_host,
		     port) < 0) {
		c->server = NULL;
		return np_fail_nomem(err);
	}
	if (kube_set_text(&c->user_name, "service account", err) < 0 ||
	    kube_set_text(&c->who, "the pod's service account", err) < 0 ||
	    service_namespace(o, c, err) < 0 || service_token(o, c, err) < 0)
		return np_err_ret(err);
	return service_ca(o, c, err);
}

/* --- flags and checks ------------------------------------------------------------------------ */

static int set_pem(const char *pem, struct kube_blob *ret, struct np_err *err)
{
	kube_blob_done(ret);
	ret->bytes = strdup(pem);
	if (!ret->bytes)
		return np_fail_nomem(err);
	ret->size = strlen(pem);
	return 0;
}

static int apply_trust_flags(const struct np_kube_options *o, struct np_kube_config *c,
			     struct np_err *err)
{
	if (o->insecure && o->ca_file)
		return np_fail(err, NP_E_USAGE,
			       "specifying a root certificates file with the insecure flag is not "
			       "allowed: drop --insecure-skip-tls-verify or "
			       "--certificate-authority");
	c->insecure = c->insecure || o->insecure;
	if (o->ca_file &&
	    np_file_load(o->ca_file, KUBE_FILE_MAX * 4, &c->ca.bytes, &c->ca.size, err) < 0)
		return np_wrap(err, "--certificate-authority");
	if (o->ca_file && (kube_set_text(&c->ca_file, o->ca_file, err) < 0 ||
			   set_format(&c->ca_name, err, "the CA '%s'", o->ca_file) < 0))
		return np_err_ret(err);
	if (o->ca_pem && set_pem(o->ca_pem, &c->ca, err) < 0)
		return np_err_ret(err);
	if ((o->ca_name && kube_set_text(&c->ca_name, o->ca_name, err) < 0) ||
	    kube_set_text(&c->trust_hint, o->trust_hint, err) < 0)
		return np_err_ret(err);
	return o->tls_server_name ? kube_set_text(&c->tls_server_name, o->tls_server_name, err) : 0;
}

static int apply_token_flag(const struct np_kube_options *o, struct np_kube_config *c,
			    struct np_err *err)
{
	char *token;

	if (o->token && o->token_file)
		return np_fail(err, NP_E_USAGE, "a token and a token file are mutually exclusive");
	if (o->token_file) {
		if (kube_token_load(o->token_file, &token, err) < 0)
			return np_wrap(err, "token file");
		if (kube_config_set_token_take(c, token, err) < 0 ||
		    kube_set_text(&c->token_file, o->token_file, err) < 0)
			return np_err_ret(err);
		return set_format(&c->who, err, "the token file '%s'", o->token_file);
	}
	if (!o->token)
		return 0;
	if (!o->token[0] || !kube_is_header_text(o->token))
		return np_fail(err, NP_E_USAGE,
			       "--token is empty or holds a blank or a control character");
	token = strdup(o->token);
	if (!token)
		return np_fail_nomem(err);
	if (kube_config_set_token_take(c, token, err) < 0)
		return np_err_ret(err);
	return kube_set_text(&c->who, "--token", err);
}

static int check_identity(const char *flag, const char *text, struct np_err *err)
{
	if (text && !kube_is_header_value(text))
		return np_fail(err, NP_E_USAGE, "%s '%s' holds a control character", flag, text);
	return 0;
}

/* Each flag replaces what the kubeconfig says of the same, as kubectl's do. */
static int apply_impersonation(const struct np_kube_options *o, struct np_kube_config *c,
			       struct np_err *err)
{
	if (check_identity("--as", o->as_user, err) < 0 ||
	    check_identity("--as-uid", o->as_uid, err) < 0)
		return np_err_ret(err);
	if (o->as_user && o->as_user[0] && kube_set_text(&c->as_user, o->as_user, err) < 0)
		return np_err_ret(err);
	if (o->as_uid && o->as_uid[0] && kube_set_text(&c->as_uid, o->as_uid, err) < 0)
		return np_err_ret(err);
	if (o->n_as_groups > 0)
		kube_texts_done(&c->as_groups);
	for (size_t i = 0; i < o->n_as_groups; i++)
		if (check_identity("--as-group", o->as_groups[i], err) < 0 ||
		    kube_texts_add(&c->as_groups, "", o->as_groups[i], err) < 0)
			return np_err_ret(err);
	if (!c->as_user && (c->as_uid || c->as_groups.n > 0 || c->as_extra.n > 0))
		return np_fail(err, NP_E_USAGE,
			       "requesting uid, groups or user-extra without impersonating a user: "
			       "--as names one");
	return 0;
}

static int apply_flags(const struct np_kube_options *o, struct np_kube_config *c,
		       struct np_err *err)
{
	c->no_compression = c->no_compression || o->no_compression;
	if (apply_token_flag(o, c, err) < 0 || apply_trust_flags(o, c, err) < 0)
		return np_err_ret(err);
	if (o->server && kube_set_text(&c->server, o->server, err) < 0)
		return np_err_ret(err);
	if (o->ns && kube_set_text(&c->ns, o->ns, err) < 0)
		return np_err_ret(err);
	return apply_impersonation(o, c, err);
}

static int copy_options(const struct np_kube_options *o, struct np_kube_config *c,
			struct np_err *err)
{
	c->request_timeout_ms = o->request_timeout_ms;
	c->deadline_ms = o->deadline_ms > 0 ? o->deadline_ms : 60 * 1000;
	c->log = o->log;
	c->log_ctx = o->log_ctx;
	c->trace = o->trace;
	c->trace_level = o->trace_level;
	c->trace_ctx = o->trace_ctx;
	c->is_cancelled = o->is_cancelled;
	c->cancel_ctx = o->cancel_ctx;
	if (kube_set_text(&c->proxy, o->proxy, err) < 0 ||
	    kube_set_text(&c->http_proxy, o->http_proxy, err) < 0 ||
	    kube_set_text(&c->no_proxy, o->no_proxy, err) < 0)
		return np_err_ret(err);
	return kube_set_text(&c->user_agent, o->user_agent, err);
}

/* What a Basic header carries, since a proxy or server may echo it. */
static int add_basic_secret(struct np_kube_config *c, struct np_err *err)
{
	NP_AUTO(np_wipep) char *pair = NULL;
	NP_AUTO(np_wipep) char *encoded = NULL;
	int n = asprintf(&pair, "%s:%s", c->username, c->password ? c->password : "");

	if (n < 0) {
		pair = NULL;
		return np_fail_nomem(err);
	}
	encoded = np_base64_encode(pair, (size_t)n);
	if (!encoded)
		return np_fail_nomem(err);
	return kube_secrets_add(&c->secrets, encoded, strlen(encoded), err);
}

/* The password of a proxy's address. */
static int add_proxy_secret(struct np_kube_config *c, const char *url, struct np_err *err)
{
	const char *start = url ? strstr(url, "://") : NULL, *at, *colon;
	NP_AUTO(kube_curl_freep) char *plain = NULL;
	int size;

	if (!url)
		return 0;
	start = start ? start + 3 : url;
	at = strrchr(start, '@');
	colon = at ? memchr(start, ':', (size_t)(at - start)) : NULL;
	if (!colon)
		return 0;
	if (kube_secrets_add(&c->secrets, colon + 1, (size_t)(at - colon) - 1, err) < 0)
		return np_err_ret(err);
	plain = curl_easy_unescape(NULL, colon + 1, (int)(at - colon) - 1, &size);
	if (!plain)
		return np_fail_nomem(err);
	return kube_secrets_add(&c->secrets, plain, strlen(plain), err);
}

static int collect_secrets(struct np_kube_config *c, struct np_err *err)
{
	if (c->password && kube_secrets_add(&c->secrets, c->password, strlen(c->password), err) < 0)
		return np_err_ret(err);
	if (c->username && add_basic_secret(c, err) < 0)
		return np_err_ret(err);
	if (add_proxy_secret(c, c->proxy_url, err) < 0)
		return np_err_ret(err);
	if (add_proxy_secret(c, c->http_proxy, err) < 0)
		return np_err_ret(err);
	return add_proxy_secret(c, c->proxy, err);
}

/* Fails where the address is none, or carries what does not belong there. */
static int check_server(const char *server, struct np_err *err)
{
	NP_AUTO(kube_curlu_freep) CURLU *url = curl_url();
	NP_AUTO(kube_curl_freep) char *scheme = NULL;
	bool has_user, has_password, has_query, has_fragment;
	CURLUcode code;

	if (!url)
		return np_fail_nomem(err);
	code = curl_url_set(url, CURLUPART_URL, server, CURLU_NON_SUPPORT_SCHEME);
	if (code == CURLUE_OK)
		code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
	if (code != CURLUE_OK)
		return kube_fail_address(code, server, err);
	if (kube_has_part(url, CURLUPART_USER, server, &has_user, err) < 0 ||
	    kube_has_part(url, CURLUPART_PASSWORD, server, &has_password, err) < 0 ||
	    kube_has_part(url, CURLUPART_QUERY, server, &has_query, err) < 0 ||
	    kube_has_part(url, CURLUPART_FRAGMENT, server, &has_fragment, err) < 0)
		return np_err_ret(err);
	if (has_user || has_password)
		return np_fail(err, NP_E_USAGE,
			       "the server's address may not hold a user or a "
			       "password: put them into the kubeconfig's user");
	if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		return np_fail(err, NP_E_USAGE, "server '%s': expected https:// or http://",
			       server);
	if (has_query || has_fragment)
		return np_fail(err, NP_E_USAGE, "server '%s' may not hold a query or a fragment",
			       server);
	return 0;
}

/* Without a scheme it is https: a token must not travel in the clear by an omission. */
static int finish_server(struct np_kube_config *c, struct np_err *err)
{
	char *full = NULL;
	size_t size;

	if (!c->server)
		return np_fail(err, NP_E_USAGE,
			       "no API server is configured: give --kubeconfig, --server or "
			       "KUBECONFIG");
	if (!strstr(c->server, "://")) {
		if (asprintf(&full, "https://%s", c->server) < 0)
			return np_fail_nomem(err);
		free(c->server);
		c->server = full;
	}
	for (size = strlen(c->server); size > 0 && c->server[size - 1] == '/'; size--)
		c->server[size - 1] = '\0';
	return check_server(c->server, err);
}

static int finish(struct np_kube_config *c, struct np_err *err)
{
	if (finish_server(c, err) < 0 || collect_secrets(c, err) < 0)
		return np_err_ret(err);
	if (!c->ns && kube_set_text(&c->ns, "default", err) < 0)
		return np_err_ret(err);
	if (!c->user_name && kube_set_text(&c->user_name, "(none)", err) < 0)
		return np_err_ret(err);
	if (!c->ca_name && kube_set_text(&c->ca_name,
					 "any CA that this system trusts, and none is named: "
					 "--certificate-authority names one",
					 err) < 0)
		return np_err_ret(err);
	if (kube_plugin_finish(c, err) < 0)
		return np_err_ret(err);
	if (c->user_agent)
		return 0;
	return kube_set_text(&c->user_agent, "nodeprep/" NP_VERSION " (linux/" ARCH ")", err);
}

int np_kube_config_load(const struct np_kube_options *o, struct np_kube_config **ret,
			struct np_err *err)
{
	NP_AUTO(np_kube_config_freep) struct np_kube_config *c = calloc(1, sizeof(*c));
	NP_AUTO(config_kube_files_done) struct kube_files files = { 0 };

	if (!c)
		return np_fail_nomem(err);
	if (copy_options(o, c, err) < 0 || walk_files(o, add_file, &files, err) < 0)
		return np_err_ret(err);
	if (files.n == 0 && has_service(o) && !o->server && !o->context) {
		if (apply_service(o, c, err) < 0)
			return np_err_ret(err);
	} else if (kube_files_apply(&files, o, c, err) < 0) {
		return np_err_ret(err);
	}
	if (apply_flags(o, c, err) < 0 || finish(c, err) < 0)
		return np_err_ret(err);
	if ((c->ca_file || c->cert_file || c->key_file || c->token_file) &&
	    kube_renewal_new(c, err) < 0)
		return np_err_ret(err);
	/* What follows is what a token file or a plugin gives from now on. */
	c->secrets.rotates = true;
	c->secrets.n_fixed = c->secrets.n;
	*ret = np_take(c);
	return 0;
}
