/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/time.h"

#define BODY_MAX ((size_t)64 << 20)
#define CONNECT_MAX_MS UINT64_C(10000)
#define PROBE_BYTES ((size_t)1 << 20) /* more than a head of libcurl's takes */

/* --- log ------------------------------------------------------------------------------------- */

static void log_warning(struct np_kube *k, const char *text)
{
	for (size_t i = 0; i < k->n_warnings; i++)
		if (strcmp(k->warnings[i], text) == 0)
			return;
	if (k->n_warnings < KUBE_WARNINGS_MAX) {
		k->warnings[k->n_warnings] = strdup(text);
		k->n_warnings += !!k->warnings[k->n_warnings];
	}
	kube_log(k, "the server warns: ", text);
}

/* --- one answer ------------------------------------------------------------------------------ */

static bool reply_reserve(struct kube_reply *reply, size_t more)
{
	size_t need = reply->size + more + 1, cap = reply->cap > 0 ? reply->cap : 16384;
	char *bigger;

	while (cap < need)
		cap *= 2;
	if (cap == reply->cap)
		return true;
	bigger = realloc(reply->body, cap);
	if (!bigger)
		return false;
	reply->body = bigger;
	reply->cap = cap;
	return true;
}

bool kube_reply_add(struct kube_reply *reply, const char *bytes, size_t size, size_t max)
{
	if (size > max - reply->size) {
		reply->too_large = true;
		return false;
	}
	if (!reply_reserve(reply, size)) {
		reply->no_memory = true;
		return false;
	}
	memcpy(reply->body + reply->size, bytes, size);
	reply->size += size;
	reply->body[reply->size] = '\0';
	return true;
}

/*
 * Receives the unpacked body, so the size limit also holds for a small body that unpacks to a huge
 * one.
 */
static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	return kube_reply_add(ctx, bytes, size * n, BODY_MAX) ? size * n : 0;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	static const char warning[] = "warning:";
	struct kube_reply *reply = ctx;
	char line[KUBE_HEAD_LINE_MAX], text[1024];

	if (!kube_head_feed(&reply->head, bytes, size * n, line))
		return 0;
	if (strncasecmp(line, warning, sizeof(warning) - 1) == 0 &&
	    kube_warning_parse(line + sizeof(warning) - 1, text, sizeof(text)))
		log_warning(reply->k, text);
	kube_trace_header(reply, line);
	if (reply->exchange && reply->exchange->header)
		reply->exchange->header(reply->exchange->ctx, line);
	return size * n;
}

/* --- the identity ---------------------------------------------------------------------------- */

int kube_identity_freshen(struct np_kube *k, uint64_t until, struct np_err *err)
{
	if (kube_renewal_use(k, false, err) < 0)
		return np_err_ret(err);
	return k->config->plugin ? kube_plugin_use(k, false, until, err) : 0;
}

bool kube_identity_renew(struct np_kube *k, struct kube_transfer *f, uint64_t until)
{
	struct np_err err = NP_ERR_INIT;
	unsigned identity = k->identity;

	if (f->status != 401 || f->renewed || (!k->config->token_file && !k->config->plugin))
		return false;
	f->renewed = true;
	/* Another request that got a 401 may have fetched new ones already. */
	if (f->identity != k->identity)
		return true;
	if (!k->config->plugin)
		return kube_renewal_use(k, true, &err) == 0 && k->identity != identity;
	if (kube_plugin_use(k, true, until, &err) == 0)
		return true;
	kube_log(k, "the server does not accept the credentials any more, and: ", err.text);
	return false;
}

/* --- one attempt ----------------------------------------------------------------------------- */

static int append_impersonation(const struct np_kube_config *c, struct curl_slist **list,
				struct np_err *err)
{
	if (!c->as_user)
		return 0;
	if (kube_header_append(list, "Impersonate-User", c->as_user, err) < 0 ||
	    (c->as_uid && kube_header_append(list, "Impersonate-Uid", c->as_uid, err) < 0))
		return np_err_ret(err);
	for (size_t i = 0; i < c->as_groups.n; i++)
		if (kube_header_append(list, "Impersonate-Group", c->as_groups.items[i], err) < 0)
			return np_err_ret(err);
	for (size_t i = 0; i < c->as_extra.n; i++)
		if (kube_line_append(list, c->as_extra.items[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static int append_identity(struct np_kube *k, struct curl_slist **list, struct np_err *err)
{
	NP_AUTO(np_wipep) char *bearer = NULL;

	if (append_impersonation(k->config, list, err) < 0)
		return np_err_ret(err);
	if (!k->config->token)
		return 0;
	if (asprintf(&bearer, "Bearer %s", k->config->token) < 0) {
		bearer = NULL;
		return np_fail_nomem(err);
	}
	return kube_header_append(list, "Authorization", bearer, err);
}

static int append_lines(const char *const *lines, struct curl_slist **list, struct np_err *err)
{
	for (; lines && *lines; lines++)
		if (kube_line_append(list, *lines, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int append_own(struct np_kube *k, const struct kube_call *call, struct curl_slist **list,
		      struct np_err *err)
{
	if (call->exchange)
		return append_lines(call->exchange->headers, list, err);
	if (kube_header_append(list, "Accept", "application/json", err) < 0)
		return np_err_ret(err);
	return append_identity(k, list, err);
}

static int set_headers(struct np_kube *k, struct kube_transfer *f, struct np_err *err)
{
	const struct kube_call *call = f->call;

	if (append_own(k, call, &f->headers, err) < 0 || kube_host_append(k, &f->headers, err) < 0)
		return np_err_ret(err);
	if (call->body &&
	    (kube_header_append(&f->headers, "Content-Type", call->content_type, err) < 0 ||
	     kube_header_append(&f->headers, "Expect", "", err) < 0))
		return np_err_ret(err);
	return curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers) == CURLE_OK
		       ? 0
		       : np_fail_nomem(err);
}

static size_t on_upload(char *bytes, size_t size, size_t n, void *ctx)
{
	struct kube_transfer *f = ctx;
	size_t left = strlen(f->call->body) - f->uploaded,
	       piece = size * n < left ? size * n : left;

	memcpy(bytes, f->call->body + f->uploaded, piece);
	f->uploaded += piece;
	return piece;
}

/*
 * libcurl sends a request again by itself where a connection that it reuses is cut before the answer. A
 * body that cannot be rewound keeps it from that.
 */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
	struct kube_transfer *f = ctx;

	if (!f->call->repeatable || offset != 0 || origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	f->uploaded = 0;
	f->may_be_stored = true;
	return CURL_SEEKFUNC_OK;
}

static bool set_body(struct kube_transfer *f)
{
	curl_off_t size = (curl_off_t)strlen(f->call->body);

	f->uploaded = 0;
	return curl_easy_setopt(f->easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, size) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_READDATA, f) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_READFUNCTION, on_upload) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_SEEKDATA, f) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_SEEKFUNCTION, on_rewind) == CURLE_OK;
}

static bool set_method(struct kube_transfer *f)
{
	if (f->call->body && !set_body(f))
		return false;
	return curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, f->call->method) == CURLE_OK;
}

static bool set_callbacks(struct kube_transfer *f)
{
	return curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->detail) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, &f->reply) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_PRIVATE, f) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, &f->reply) == CURLE_OK &&
	       curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
}

static bool set_times(CURL *easy, uint64_t timeout)
{
	uint64_t connect = timeout > 0 && timeout < CONNECT_MAX_MS ? timeout : CONNECT_MAX_MS;

	return curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect) == CURLE_OK;
}

int kube_transfer_prepare(struct np_kube *k, struct kube_transfer *f, uint64_t timeout_ms,
			  struct np_err *err)
{
	NP_AUTO(np_freep) char *url = NULL;

	kube_transfer_clear(k, f);
	memset(&k->peer, 0, sizeof(k->peer));
	f->reply.k = k;
	f->reply.head.accepts_gzip = !k->config->no_compression;
	f->reply.exchange = f->call->exchange;
	f->identity = k->identity;
	if (asprintf(&url, "%s%s", k->base, f->call->path) < 0) {
		url = NULL;
		return np_fail_nomem(err);
	}
	if (kube_easy_new(k, &f->easy, err) < 0 || set_headers(k, f, err) < 0)
		return np_err_ret(err);
	if (!set_method(f) || !set_callbacks(f) || !set_times(f->easy, timeout_ms) ||
	    curl_easy_setopt(f->easy, CURLOPT_URL, url) != CURLE_OK)
		return np_fail_nomem(err);
	kube_trace_request(k, f);
	return 0;
}

void kube_transfer_clear(struct np_kube *k, struct kube_transfer *f)
{
	if (f->easy) {
		curl_multi_remove_handle(k->multi, f->easy);
		curl_easy_cleanup(f->easy);
	}
	f->easy = NULL;
	kube_slist_freep(&f->headers);
	kube_slist_freep(&f->reply.lines);
	free(f->reply.body);
	f->reply = (struct kube_reply){ 0 };
	f->detail[0] = '\0';
}

/*
 * Tells whether there is memory although libcurl says not. It says so as well of a header line beyond
 * its own limit, and of a decoder that it lacks.
 */
static bool has_memory(CURL *easy)
{
	curl_off_t sent_us = 0;
	void *probe;

	curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	if (sent_us == 0)
		return false;
	probe = malloc(PROBE_BYTES);
	free(probe);
	return !!probe;
}

static int fail_transport(struct np_kube *k, const struct kube_transfer *f, CURLcode code,
			  struct kube_outcome *out, struct np_err *err)
{
	struct kube_net_error t = { .code = code,
				    .detail = f->detail[0] ? f->detail : curl_easy_strerror(code),
				    .server = k->config->server,
				    .host = k->host,
				    .user = k->config->user_name,
				    .ca = k->config->ca_name,
				    .hint = k->config->trust_hint,
				    .peer = &k->peer };
	enum kube_again again;
	curl_off_t elapsed_us = 0;
	long os_errno = 0;

	curl_easy_getinfo(f->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
	t.elapsed_ms = (uint64_t)elapsed_us / 1000;
	curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(f->easy, CURLINFO_SSL_VERIFYRESULT, &t.verify);
	curl_easy_getinfo(f->easy, CURLINFO_HTTP_CONNECTCODE, &t.proxy_status);
	t.os_errno = (int)os_errno;
	t.has_memory = has_memory(f->easy);
	again = kube_net_error_again(&t);
	if (again == KUBE_UNSENT)
		out->kind = KUBE_LOST_UNSENT;
	else if (again == KUBE_MAYBE && f->call->repeatable)
		out->kind = KUBE_AGAIN;
	return kube_net_error_fail(&t, err);
}

int kube_fail_head(const struct kube_call *call, const struct kube_head *head, struct np_err *err)
{
	char what[KUBE_WHAT_MAX];

	kube_call_describe(call, what);
	return np_fail(err, NP_E_REFUSED, "%s: the server's response has %s", what, head->problem);
}

static int fail_limits(const struct kube_transfer *f, struct np_err *err)
{
	char what[KUBE_WHAT_MAX];

	if (f->reply.no_memory)
		return np_fail_nomem(err);
	if (f->reply.head.problem[0])
		return kube_fail_head(f->call, &f->reply.head, err);
	kube_call_describe(f->call, what);
	return np_fail(err, NP_E_REFUSED, "%s: the server's response is larger than 64 MiB", what);
}

/* A write that may have been made is not repeated; a server that asks to wait has not made it. */
static bool may_ask_again(const struct kube_transfer *f, const struct kube_outcome *out)
{
	return f->call->repeatable || out->has_wait || f->status == 429;
}

/* Judges the answer by its meaning; *ret_again: the same request may succeed later. */
static int judge_answer(const struct kube_transfer *f, const struct kube_answer *answer,
			bool *ret_again, struct np_err *err)
{
	if (f->call->exchange)
		return kube_exchange_judge(f->call->exchange, f, ret_again, err);
	*ret_again = kube_answer_is_retried(answer);
	return kube_answer_check(f->call, answer, err);
}

static int judge_status(struct np_kube *k, const struct kube_transfer *f, struct kube_outcome *out,
			struct np_err *err)
{
	struct kube_answer answer = { .status = f->status,
				      .body = f->reply.body,
				      .size = f->reply.size,
				      .retry_after = f->reply.head.retry_after,
				      .who = k->config->who,
				      .secrets = &k->config->secrets };
	bool again;

	if (judge_answer(f, &answer, &again, err) == 0) {
		out->kind = KUBE_DONE;
		return 0;
	}
	if (again) {
		out->has_wait = kube_answer_wait(&answer, time(NULL), &out->wait_ms);
		if (may_ask_again(f, out))
			out->kind = KUBE_AGAIN;
	}
	return np_err_ret(err);
}

int kube_transfer_judge(struct np_kube *k, struct kube_transfer *f, CURLcode code,
			struct kube_outcome *out, struct np_err *err)
{
	long version = CURL_HTTP_VERSION_NONE;

	*out = (struct kube_outcome){ .kind = KUBE_FAILED };
	f->status = k->status = 0;
	kube_trace_answer(k, f, code);
	if (f->reply.too_large || f->reply.no_memory || f->reply.head.problem[0])
		return fail_limits(f, err);
	if (code != CURLE_OK)
		return fail_transport(k, f, code, out, err);
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &f->status);
	curl_easy_getinfo(f->easy, CURLINFO_HTTP_VERSION, &version);
	k->status = f->status;
	k->answered = true;
	k->multiplexed = version == CURL_HTTP_VERSION_2_0;
	return judge_status(k, f, out, err);
}
