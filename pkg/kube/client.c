/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nodeprep/err.h"

#define BODY_MAX ((size_t)64 << 20)
#define HEADERS_MAX ((size_t)1 << 20)
#define CONNECT_MAX_MS UINT64_C(10000)
#define TOKEN_AGE_MS UINT64_C(60000)

enum {
	UNSENT_TRIES_MAX = 3, /* to a server that never answered: kubectl fails at once */
	UNSENT_STEP = 1, /* 200, 400, 800 ms: 1.4 s in all */
};

/* --- time ------------------------------------------------------------------------------------ */

uint64_t kube_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t left_ms(const struct np_kube *k)
{
	uint64_t now = kube_now_ms();

	return now < k->deadline ? k->deadline - now : 0;
}

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
			       .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

int np_kube_pause(struct np_kube *k, uint64_t ms, struct np_err *err)
{
	uint64_t wait = kube_jitter(ms, arc4random());

	if (wait >= left_ms(k))
		return np_fail(err, NP_E_RETRY, "the deadline of %" PRIu64 " ms is reached",
			       k->config->deadline_ms);
	sleep_ms(wait);
	return 0;
}

/* --- log ------------------------------------------------------------------------------------- */

static void log_text(struct np_kube *k, const char *prefix, const char *text)
{
	char clean[NP_ERR_TEXT_MAX], line[NP_ERR_TEXT_MAX + 64];

	if (!k->config->log)
		return;
	kube_redact(&k->config->secrets, text, clean, sizeof(clean));
	snprintf(line, sizeof(line), "%s%s", prefix, clean);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	k->config->log(k->config->log_ctx, line);
}

static void log_warning(struct np_kube *k, const char *text)
{
	for (size_t i = 0; i < k->n_warnings; i++)
		if (strcmp(k->warnings[i], text) == 0)
			return;
	if (k->n_warnings < KUBE_WARNINGS_MAX) {
		k->warnings[k->n_warnings] = strdup(text);
		k->n_warnings += k->warnings[k->n_warnings] != NULL;
	}
	log_text(k, "the server warns: ", text);
}

/* --- one answer ------------------------------------------------------------------------------ */

static void reply_done(struct kube_reply *reply)
{
	free(reply->body);
}

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

size_t kube_on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct kube_reply *reply = ctx;
	size_t more = size * n;

	if (more > BODY_MAX - reply->size) {
		reply->too_large = true;
		return 0;
	}
	if (!reply_reserve(reply, more)) {
		reply->no_memory = true;
		return 0;
	}
	memcpy(reply->body + reply->size, bytes, more);
	reply->size += more;
	reply->body[reply->size] = '\0';
	return more;
}

static void read_header(struct kube_reply *reply, const char *line)
{
	static const char retry_after[] = "retry-after:", warning[] = "warning:";
	char text[1024];

	/* Each response of an exchange opens so; only the last one counts. */
	if (strncmp(line, "HTTP/", 5) == 0)
		reply->retry_after[0] = '\0';
	else if (strncasecmp(line, retry_after, sizeof(retry_after) - 1) == 0)
		strlcpy(reply->retry_after, line + sizeof(retry_after) - 1,
			sizeof(reply->retry_after));
	else if (strncasecmp(line, warning, sizeof(warning) - 1) == 0 &&
		 kube_warning_parse(line + sizeof(warning) - 1, text, sizeof(text)))
		log_warning(reply->k, text);
}

size_t kube_on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct kube_reply *reply = ctx;
	size_t length = size * n, end = length;
	char line[2048];

	reply->header_bytes += length;
	if (reply->header_bytes > HEADERS_MAX) {
		reply->too_large = true;
		return 0;
	}
	while (end > 0 && (bytes[end - 1] == '\n' || bytes[end - 1] == '\r'))
		end--;
	snprintf(line, sizeof(line), "%.*s", (int)end, bytes);
	read_header(reply, line);
	return length;
}

/* --- the token ------------------------------------------------------------------------------- */

/* Sets *ret_changed where the token file holds another token than the one in use. */
static int reread_token(struct np_kube *k, bool *ret_changed, struct np_err *err)
{
	NP_AUTO(kube_wipep) char *token = NULL;

	k->token_read = kube_now_ms();
	if (kube_token_load(k->config->token_file, &token, err) < 0)
		return -(int)err->code;
	*ret_changed = strcmp(token, k->config->token) != 0;
	return kube_config_set_token_take(k->config, np_take(token), err);
}

/* A mounted token is replaced before it expires; one that cannot be read now may still be good. */
static void freshen_token(struct np_kube *k)
{
	struct np_err ignored = NP_ERR_INIT;
	bool changed = false;

	if (k->config->token_file && kube_now_ms() - k->token_read > TOKEN_AGE_MS)
		(void)reread_token(k, &changed, &ignored);
}

/* --- one request ----------------------------------------------------------------------------- */

static int append_identity(struct np_kube *k, struct curl_slist **list, struct np_err *err)
{
	NP_AUTO(kube_wipep) char *bearer = NULL;

	if (k->config->as_user &&
	    kube_header_append(list, "Impersonate-User", k->config->as_user, err) < 0)
		return -(int)err->code;
	if (!k->config->token)
		return 0;
	if (asprintf(&bearer, "Bearer %s", k->config->token) < 0) {
		bearer = NULL;
		return np_fail_nomem(err);
	}
	return kube_header_append(list, "Authorization", bearer, err);
}

static int set_headers(struct np_kube *k, const struct kube_call *call, struct np_err *err)
{
	NP_AUTO(kube_slist_freep) struct curl_slist *list = NULL;

	if (kube_header_append(&list, "Accept", "application/json", err) < 0 ||
	    append_identity(k, &list, err) < 0 || kube_host_append(k, &list, err) < 0)
		return -(int)err->code;
	if (call->body &&
	    (kube_header_append(&list, "Content-Type", "application/merge-patch+json", err) < 0 ||
	     kube_header_append(&list, "Expect", "", err) < 0))
		return -(int)err->code;
	if (curl_easy_setopt(k->easy, CURLOPT_HTTPHEADER, list) != CURLE_OK)
		return np_fail_nomem(err);
	kube_slist_freep(&k->headers);
	k->headers = np_take(list);
	return 0;
}

static bool set_method(struct np_kube *k, const struct kube_call *call)
{
	if (!call->body)
		return curl_easy_setopt(k->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
		       curl_easy_setopt(k->easy, CURLOPT_CUSTOMREQUEST, NULL) == CURLE_OK;
	return curl_easy_setopt(k->easy, CURLOPT_POSTFIELDSIZE_LARGE,
				(curl_off_t)strlen(call->body)) == CURLE_OK &&
	       curl_easy_setopt(k->easy, CURLOPT_POSTFIELDS, call->body) == CURLE_OK &&
	       curl_easy_setopt(k->easy, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK;
}

static uint64_t request_timeout(const struct np_kube *k)
{
	uint64_t left = left_ms(k), own = k->config->request_timeout_ms;
	uint64_t least = own > 0 && own < left ? own : left;

	/* To libcurl 0 is no limit at all. */
	return least > 0 ? least : 1;
}

static int prepare(struct np_kube *k, const struct kube_call *call, struct kube_reply *reply,
		   struct np_err *err)
{
	NP_AUTO(np_freep) char *url = NULL;
	uint64_t timeout = request_timeout(k);
	uint64_t connect = timeout < CONNECT_MAX_MS ? timeout : CONNECT_MAX_MS;

	if (asprintf(&url, "%s%s", k->base, call->path) < 0) {
		url = NULL;
		return np_fail_nomem(err);
	}
	if (set_headers(k, call, err) < 0)
		return -(int)err->code;
	if (!set_method(k, call) || curl_easy_setopt(k->easy, CURLOPT_URL, url) != CURLE_OK ||
	    curl_easy_setopt(k->easy, CURLOPT_TIMEOUT_MS, (long)timeout) != CURLE_OK ||
	    curl_easy_setopt(k->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect) != CURLE_OK ||
	    curl_easy_setopt(k->easy, CURLOPT_WRITEDATA, reply) != CURLE_OK ||
	    curl_easy_setopt(k->easy, CURLOPT_HEADERDATA, reply) != CURLE_OK)
		return np_fail_nomem(err);
	return 0;
}

/* What became of one attempt: how it may go on, and how long that should wait. */
struct outcome {
	enum { OUT_DONE, OUT_FAILED, OUT_UNSENT, OUT_AGAIN } kind;
	bool has_wait;
	uint64_t wait_ms;
};

static int fail_transport(struct np_kube *k, const struct kube_call *call, CURLcode code,
			  struct outcome *out, struct np_err *err)
{
	struct kube_trouble t = { .code = code,
				  .detail = k->detail[0] ? k->detail : curl_easy_strerror(code),
				  .server = k->config->server,
				  .host = k->host,
				  .user = k->config->user_name };
	enum kube_again again = kube_trouble_again(&t);
	curl_off_t elapsed_us = 0;
	long os_errno = 0;

	curl_easy_getinfo(k->easy, CURLINFO_TOTAL_TIME_T, &elapsed_us);
	t.elapsed_ms = (uint64_t)elapsed_us / 1000;
	curl_easy_getinfo(k->easy, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(k->easy, CURLINFO_SSL_VERIFYRESULT, &t.verify);
	t.os_errno = (int)os_errno;
	if (again == KUBE_UNSENT)
		out->kind = OUT_UNSENT;
	else if (again == KUBE_MAYBE && call->repeatable)
		out->kind = OUT_AGAIN;
	return kube_trouble_fail(&t, err);
}

static int fail_limits(const struct kube_call *call, const struct kube_reply *reply,
		       struct np_err *err)
{
	char what[KUBE_WHAT_MAX];

	if (reply->no_memory)
		return np_fail_nomem(err);
	kube_call_describe(call, what);
	return np_fail(err, NP_E_REFUSED, "%s: the server's answer is larger than 64 MiB", what);
}

static int judge(struct np_kube *k, const struct kube_call *call, const struct kube_reply *reply,
		 struct outcome *out, struct np_err *err)
{
	struct kube_answer answer = { .status = k->status,
				      .body = reply->body,
				      .size = reply->size,
				      .retry_after = reply->retry_after,
				      .user = k->config->user_name,
				      .secrets = &k->config->secrets };

	k->answered = true;
	if (kube_answer_check(call, &answer, err) == 0) {
		out->kind = OUT_DONE;
		return 0;
	}
	if (kube_status_is_retried(k->status)) {
		out->kind = OUT_AGAIN;
		out->has_wait = kube_answer_wait(&answer, time(NULL), &out->wait_ms);
	}
	return -(int)err->code;
}

/* Sends the request once and says in *out what that led to; *reply holds a 2xx. */
static int attempt(struct np_kube *k, const struct kube_call *call, struct kube_reply *reply,
		   struct outcome *out, struct np_err *err)
{
	CURLcode code;

	*out = (struct outcome){ .kind = OUT_FAILED };
	k->status = 0;
	k->detail[0] = '\0';
	freshen_token(k);
	if (prepare(k, call, reply, err) < 0)
		return -(int)err->code;
	code = curl_easy_perform(k->easy);
	if (reply->too_large || reply->no_memory)
		return fail_limits(call, reply, err);
	if (code != CURLE_OK)
		return fail_transport(k, call, code, out, err);
	curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &k->status);
	return judge(k, call, reply, out, err);
}

/* --- again and again ------------------------------------------------------------------------- */

/* What the attempts at one call have led to so far. */
struct progress {
	unsigned attempts;
	unsigned unsent;
	bool token_reread;
};

/* Tells whether a 401 is worth another attempt, since the token file holds another token by now. */
static bool has_new_token(struct np_kube *k, struct progress *p)
{
	struct np_err ignored = NP_ERR_INIT;
	bool changed = false;

	if (k->status != 401 || !k->config->token_file || p->token_reread)
		return false;
	p->token_reread = true;
	return reread_token(k, &changed, &ignored) == 0 && changed;
}

/* Sets *ret_ms to the wait before the next attempt; false where there is to be none. */
static bool plan_wait(const struct np_kube *k, const struct outcome *out, struct progress *p,
		      uint64_t *ret_ms)
{
	if (out->kind == OUT_FAILED)
		return false;
	if (out->kind == OUT_UNSENT && !k->answered && p->unsent++ >= UNSENT_TRIES_MAX)
		return false;
	*ret_ms = kube_backoff(out->kind == OUT_UNSENT ? p->attempts - 1 + UNSENT_STEP
						       : p->attempts - 1,
			       arc4random());
	if (out->has_wait)
		*ret_ms = out->wait_ms;
	return true;
}

/* Waits before the next attempt; fails with what was last seen where the deadline comes first. */
static int wait_for_next(struct np_kube *k, const struct outcome *out, uint64_t wait,
			 struct np_err *err)
{
	uint64_t left = left_ms(k);
	char prefix[64];

	if (wait < left) {
		snprintf(prefix, sizeof(prefix), "again in %" PRIu64 " ms: ", wait);
		log_text(k, prefix, err->text);
		sleep_ms(wait);
		return 0;
	}
	if (out->has_wait)
		return np_wrap(err,
			       "the server asks to wait %" PRIu64 " s, but only %" PRIu64
			       " s are left",
			       wait / 1000, left / 1000);
	return np_wrap(err, "given up at the deadline of %" PRIu64 " ms", k->config->deadline_ms);
}

static int attempt_until(struct np_kube *k, const struct kube_call *call, json_t **ret,
			 struct np_err *err)
{
	struct progress p = { 0 };

	for (;;) {
		NP_AUTO(reply_done) struct kube_reply reply = { .k = k };
		struct kube_answer answer;
		struct outcome out;
		uint64_t wait = 0;

		p.attempts++;
		if (attempt(k, call, &reply, &out, err) == 0) {
			answer = (struct kube_answer){ .status = k->status,
						       .body = reply.body,
						       .size = reply.size,
						       .secrets = &k->config->secrets };
			return kube_body_parse(call, &answer, ret, err);
		}
		if (has_new_token(k, &p))
			continue;
		if (!plan_wait(k, &out, &p, &wait) || wait_for_next(k, &out, wait, err) < 0)
			return -(int)err->code;
	}
}

int kube_send(struct np_kube *k, const struct kube_call *call, json_t **ret, struct np_err *err)
{
	struct np_err inner = NP_ERR_INIT;
	int r;

	if (left_ms(k) == 0)
		return np_fail(err, NP_E_RETRY, "the deadline of %" PRIu64 " ms is reached",
			       k->config->deadline_ms);
	r = attempt_until(k, call, ret, &inner);
	if (r < 0) {
		kube_redact_err(&k->config->secrets, &inner);
		*err = inner;
	}
	return r;
}
