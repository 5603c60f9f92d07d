/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

enum { SILENCE_MAX_S = 30 };

/* --- the handle ------------------------------------------------------------------------------ */

static void init_libraries(void)
{
	/* A host's openssl.cnf may load modules that a static program must not load. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct long_option {
	CURLoption option;
	long value;
};

struct text_option {
	CURLoption option;
	const char *value;
};

static bool set_longs(CURL *easy, const struct long_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (curl_easy_setopt(easy, options[i].option, options[i].value) != CURLE_OK)
			return false;
	return true;
}

static bool set_texts(CURL *easy, const struct text_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (curl_easy_setopt(easy, options[i].option, options[i].value) != CURLE_OK)
			return false;
	return true;
}

/* No option may enable a protocol or a login method that the static build only stubs. */
static bool set_behaviour(const struct np_kube *k, CURL *easy)
{
	const struct np_kube_config *c = k->config;
	const struct long_option longs[] = {
		{ CURLOPT_FOLLOWLOCATION, 0 },
		{ CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC },
		{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
		{ CURLOPT_LOW_SPEED_LIMIT, 1 },
		{ CURLOPT_LOW_SPEED_TIME, SILENCE_MAX_S },
		{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
		{ CURLOPT_NOSIGNAL, 1 },
		{ CURLOPT_PATH_AS_IS, 1 },
		{ CURLOPT_PIPEWAIT, 1 },
		{ CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC },
		{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_PROXY_SSL_VERIFYHOST, c->insecure ? 0 : 2 },
		{ CURLOPT_PROXY_SSL_VERIFYPEER, c->insecure ? 0 : 1 },
		{ CURLOPT_QUICK_EXIT, 1 },
		{ CURLOPT_SOCKS5_AUTH, (long)CURLAUTH_BASIC },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_SSL_VERIFYHOST, c->insecure ? 0 : 2 },
		{ CURLOPT_SSL_VERIFYPEER, c->insecure ? 0 : 1 },
		{ CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
		{ CURLOPT_TCP_KEEPALIVE, 1 },
		{ CURLOPT_TCP_KEEPIDLE, SILENCE_MAX_S },
		{ CURLOPT_TCP_KEEPINTVL, SILENCE_MAX_S / 3 },
	};
	const struct text_option texts[] = {
		{ CURLOPT_ACCEPT_ENCODING, c->no_compression ? NULL : "gzip" },
		{ CURLOPT_PROTOCOLS_STR, strncmp(c->server, "https:", 6) == 0 ? "https" : "http" },
		{ CURLOPT_REDIR_PROTOCOLS_STR, "https" },
		{ CURLOPT_USERAGENT, c->user_agent },
		{ CURLOPT_USERNAME, c->token ? NULL : c->username },
		{ CURLOPT_PASSWORD, c->token ? NULL : c->password },
	};

	return set_longs(easy, longs, sizeof(longs) / sizeof(longs[0])) &&
	       set_texts(easy, texts, sizeof(texts) / sizeof(texts[0]));
}

/* "" instead of NULL keeps libcurl from reading the environment; NO_PROXY is already applied. */
static bool set_proxy(const struct np_kube *k, CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_PROXY, k->proxy) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK;
}

/* Certificates may be replaced during a request that uses them. */
static bool set_blob(CURL *easy, CURLoption option, const struct kube_blob *b, unsigned flags)
{
	struct curl_blob blob = { .data = b->bytes, .len = b->size, .flags = flags };

	return !b->bytes || curl_easy_setopt(easy, option, &blob) == CURLE_OK;
}

static bool set_tls(struct np_kube *k, CURL *easy)
{
	const struct np_kube_config *c = k->config;

	if (!c->insecure && !kube_peer_watch(easy, &k->peer))
		return false;
	/* As in kubectl, a proxy with TLS is checked against the cluster's CA too. */
	if (c->ca.bytes && (curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, NULL) != CURLE_OK ||
			    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL) != CURLE_OK ||
			    !set_blob(easy, CURLOPT_PROXY_CAINFO_BLOB, &c->ca, CURL_BLOB_COPY)))
		return false;
	/* libcurl's built-in bundle and folder would be trusted besides the kubeconfig's CA. */
	if ((c->ca.bytes || c->insecure) &&
	    (curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) != CURLE_OK ||
	     curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK))
		return false;
	return set_blob(easy, CURLOPT_CAINFO_BLOB, &c->ca, CURL_BLOB_COPY) &&
	       set_blob(easy, CURLOPT_SSLCERT_BLOB, &c->cert, CURL_BLOB_COPY) &&
	       set_blob(easy, CURLOPT_SSLKEY_BLOB, &c->key, CURL_BLOB_COPY);
}

/* --- the address ----------------------------------------------------------------------------- */

/* The parts of the server's address that libcurl gives back. */
struct address {
	char *scheme, *host, *port, *path;
};

static void address_done(struct address *a)
{
	curl_free(a->scheme);
	curl_free(a->host);
	curl_free(a->port);
	curl_free(a->path);
}

static int parse_address(const char *server, struct address *a, struct np_err *err)
{
	const struct {
		CURLUPart part;
		unsigned flags;
		char **ret;
	} rows[] = {
		{ CURLUPART_SCHEME, 0, &a->scheme },
		{ CURLUPART_HOST, 0, &a->host },
		{ CURLUPART_PORT, CURLU_DEFAULT_PORT, &a->port },
		{ CURLUPART_PATH, 0, &a->path },
	};
	NP_AUTO(kube_curlu_freep) CURLU *url = curl_url();
	CURLUcode code;

	if (!url)
		return np_fail_nomem(err);
	code = curl_url_set(url, CURLUPART_URL, server, 0);
	for (size_t i = 0; code == CURLUE_OK && i < sizeof(rows) / sizeof(rows[0]); i++)
		code = curl_url_get(url, rows[i].part, rows[i].ret, rows[i].flags);
	return code == CURLUE_OK ? 0 : kube_fail_address(code, server, err);
}

int kube_line_append(struct curl_slist **list, const char *line, struct np_err *err)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return np_fail_nomem(err);
	*list = longer;
	return 0;
}

int kube_header_append(struct curl_slist **list, const char *name, const char *value,
		       struct np_err *err)
{
	NP_AUTO(np_wipep) char *line = NULL;

	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return np_fail_nomem(err);
	}
	return kube_line_append(list, line, err);
}

/*
 * libcurl takes the name to verify from the address, so with tls-server-name the address carries
 * that name, and CURLOPT_CONNECT_TO names the real host.
 */
static int set_server_name(struct np_kube *k, const struct address *a, struct np_err *err)
{
	const char *name = k->config->tls_server_name;
	NP_AUTO(np_freep) char *route = NULL;

	if (asprintf(&k->base, "%s://%s:%s%s", a->scheme, name, a->port,
		     strcmp(a->path, "/") == 0 ? "" : a->path) < 0) {
		k->base = NULL;
		return np_fail_nomem(err);
	}
	if (asprintf(&route, "%s:%s:%s:%s", name, a->port, a->host, a->port) < 0) {
		route = NULL;
		return np_fail_nomem(err);
	}
	k->connect_to = curl_slist_append(NULL, route);
	return k->connect_to ? 0 : np_fail_nomem(err);
}

/* Returns the host without the brackets of an IPv6 address. */
static const char *bare_host(const char *host, char buf[static 256])
{
	size_t size = strlen(host);

	if (host[0] != '[' || size < 2 || size - 2 >= 256)
		return host;
	memcpy(buf, host + 1, size - 2);
	buf[size - 2] = '\0';
	return buf;
}

static int set_address(struct np_kube *k, struct np_err *err)
{
	NP_AUTO(address_done) struct address a = { 0 };
	char bare[256];

	if (parse_address(k->config->server, &a, err) < 0 ||
	    kube_proxy_choose(k->config, bare_host(a.host, bare), a.port, &k->proxy, err) < 0)
		return np_err_ret(err);
	if (k->config->tls_server_name) {
		if (kube_set_text(&k->host, k->config->tls_server_name, err) < 0)
			return np_err_ret(err);
		return set_server_name(k, &a, err);
	}
	if (kube_set_text(&k->host, a.host, err) < 0)
		return np_err_ret(err);
	return kube_set_text(&k->base, k->config->server, err);
}

/* The Host header of a server that is verified by another name. */
int kube_host_append(struct np_kube *k, struct curl_slist **list, struct np_err *err)
{
	NP_AUTO(address_done) struct address a = { 0 };
	NP_AUTO(np_freep) char *host = NULL;

	if (!k->config->tls_server_name)
		return 0;
	if (parse_address(k->config->server, &a, err) < 0)
		return np_err_ret(err);
	if (asprintf(&host, "%s:%s", a.host, a.port) < 0) {
		host = NULL;
		return np_fail_nomem(err);
	}
	return kube_header_append(list, "Host", host, err);
}

void kube_slist_freep(struct curl_slist **list)
{
	for (struct curl_slist *at = *list; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

/* --- birth and death ------------------------------------------------------------------------- */

void np_kube_free(struct np_kube *k)
{
	if (!k)
		return;
	curl_multi_cleanup(k->multi);
	curl_slist_free_all(k->connect_to);
	free(k->base);
	free(k->host);
	np_wipep(&k->proxy);
	for (size_t i = 0; i < k->n_warnings; i++)
		free(k->warnings[i]);
	np_kube_config_free(k->config);
	free(k);
}

void np_kube_freep(struct np_kube **k)
{
	np_kube_free(*k);
	*k = NULL;
}

int kube_easy_new(struct np_kube *k, CURL **ret, struct np_err *err)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return np_fail_nomem(err);
	if (set_behaviour(k, easy) && set_proxy(k, easy) && set_tls(k, easy) &&
	    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, k->connect_to) == CURLE_OK) {
		*ret = easy;
		return 0;
	}
	curl_easy_cleanup(easy);
	return np_fail(err, NP_E_BUG, "libcurl %s cannot be set up", LIBCURL_VERSION);
}

/* One connection: requests share it where the server speaks HTTP/2, and queue where it does not. */
static bool open_multi(struct np_kube *k)
{
	k->multi = curl_multi_init();
	return k->multi &&
	       curl_multi_setopt(k->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) ==
		       CURLM_OK &&
	       curl_multi_setopt(k->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 1L) == CURLM_OK;
}

/* As in kubectl: without TLS anyone on the path could read them, so only this host gets them. */
static int drop_credentials(struct np_kube *k, struct np_err *err)
{
	struct np_kube_config *c = k->config;
	NP_AUTO(address_done) struct address a = { 0 };
	bool is_loopback = false;
	char bare[256];

	if (strncmp(c->server, "https:", 6) == 0 || !c->who)
		return 0;
	if (parse_address(c->server, &a, err) < 0 ||
	    kube_proxy_is_excepted(NULL, bare_host(a.host, bare), a.port, &is_loopback, err) < 0)
		return np_err_ret(err);
	if (is_loopback)
		return 0;
	kube_log(k, "", "not sending credentials: the server's address is not https");
	np_wipep(&c->token);
	np_wipep(&c->password);
	(void)kube_set_text(&c->token_file, NULL, err);
	kube_renewal_unref(c->renewal);
	c->renewal = NULL;
	(void)kube_set_text(&c->username, NULL, err);
	(void)kube_set_text(&c->who, NULL, err);
	kube_plugin_unref(c->plugin);
	c->plugin = NULL;
	return 0;
}

int np_kube_new_take(struct np_kube_config *config, struct np_kube **ret, struct np_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	NP_AUTO(np_kube_config_freep) struct np_kube_config *c = config;
	NP_AUTO(np_kube_freep) struct np_kube *k = calloc(1, sizeof(*k));

	if (!k)
		return np_fail_nomem(err);
	k->config = np_take(c);
	np_kube_set_deadline(k, k->config->deadline_ms);
	pthread_once(&once, init_libraries);
	if (!open_multi(k))
		return np_fail_nomem(err);
	if (set_address(k, err) < 0 || drop_credentials(k, err) < 0)
		return np_err_ret(err);
	*ret = np_take(k);
	return 0;
}

int np_kube_clone(const struct np_kube *k, struct np_kube **ret, struct np_err *err)
{
	struct np_kube_config *config = NULL;

	if (np_kube_config_clone(k->config, &config, err) < 0 ||
	    np_kube_new_take(config, ret, err) < 0)
		return np_err_ret(err);
	(*ret)->deadline = k->deadline;
	(*ret)->deadline_ms = k->deadline_ms;
	return 0;
}

const char *np_kube_namespace(const struct np_kube *k)
{
	return k->config->ns;
}

bool np_kube_is_expired(const struct np_kube *k)
{
	return k->status == 410;
}

void np_kube_set_deadline(struct np_kube *k, uint64_t deadline_ms)
{
	k->deadline_ms = deadline_ms;
	if (__builtin_add_overflow(np_clock_ms(), deadline_ms, &k->deadline))
		k->deadline = UINT64_MAX;
}
