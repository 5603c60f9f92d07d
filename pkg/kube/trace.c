/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/kube_exchange.h"
#include "nodeprep/text.h"

/* What each level adds, as with kubectl's -v. */
enum { LEVEL_STATUS = 6, LEVEL_HEADERS, LEVEL_BODIES, LEVEL_WHOLE };

enum { BODY_SHOWN = 1024 };

static bool is_traced(const struct np_kube *k, unsigned level)
{
	return k->config->trace && k->config->trace_level >= level;
}

/* Returns the text without the secrets that are known, the caller's; NULL where memory runs out. */
static char *redact(const struct np_kube *k, const char *text)
{
	size_t room = 2 * strlen(text) + 64;
	char *clean = malloc(room);

	if (clean)
		kube_redact(&k->config->secrets, text, clean, room);
	return clean;
}

static void emit(struct np_kube *k, const char *text)
{
	NP_AUTO(np_wipep) char *clean = redact(k, text);

	if (clean)
		k->config->trace(k->config->trace_ctx, clean);
}

static void emit_format(struct np_kube *k, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void emit_format(struct np_kube *k, const char *fmt, ...)
{
	NP_AUTO(np_wipep) char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else
		emit(k, text);
}

/* --- headers --------------------------------------------------------------------------------- */

/* Returns the header line without what is secret in it: "Authorization: Bearer [redacted]". */
static char *clean_header(const char *line)
{
	NP_AUTO(np_freep) char *name = strndup(line, strcspn(line, ":"));
	NP_AUTO(np_wipep) char *shown = NULL;
	const char *value = strchr(line, ':');
	char *clean = NULL;
	int scheme = 0;

	if (!name || !value)
		return NULL;
	value += 1 + strspn(value + 1, " ");
	if (!kube_is_secret_name(name)) {
		shown = kube_text_clean(value, KUBE_TEXT_HEADER);
		return !shown || asprintf(&clean, "%s: %s", name, shown) < 0 ? NULL : clean;
	}
	if (strcasestr(name, "authorization") && strchr(value, ' '))
		scheme = (int)strcspn(value, " ") + 1;
	return asprintf(&clean, "%s: %.*s" KUBE_MASK, name, scheme, value) < 0 ? NULL : clean;
}

/* Returns the request's URL without what is secret in it. */
static char *clean_url(const struct np_kube *k, const struct kube_call *call)
{
	NP_AUTO(np_wipep) char *base = kube_text_clean(k->base, KUBE_TEXT_PLAIN);
	NP_AUTO(np_wipep) char *path = kube_text_clean(call->path, KUBE_TEXT_PATH);
	char *url = NULL;

	return !base || !path || asprintf(&url, "%s%s", base, path) < 0 ? NULL : url;
}

/* A line without a value keeps libcurl from sending the header. */
static bool is_sent(const struct curl_slist *l)
{
	const char *colon = strchr(l->data, ':');

	return colon && colon[1 + strspn(colon + 1, " ")] != '\0';
}

static void emit_headers(struct np_kube *k, const char *title, const struct curl_slist *list)
{
	emit(k, title);
	for (; list; list = list->next) {
		NP_AUTO(np_wipep) char *line = is_sent(list) ? clean_header(list->data) : NULL;

		if (line)
			emit_format(k, "    %s", line);
	}
}

void kube_trace_header(struct kube_reply *reply, const char *line)
{
	struct curl_slist *longer;

	if (!is_traced(reply->k, LEVEL_BODIES) || !strchr(line, ':'))
		return;
	longer = curl_slist_append(reply->lines, line);
	if (longer)
		reply->lines = longer;
}

/* As a person would repeat the request. */
static void emit_curl(struct np_kube *k, const struct kube_transfer *f)
{
	NP_AUTO(np_wipep) char *url = clean_url(k, f->call);
	NP_AUTO(np_wipep) char *text = NULL;
	size_t size = 0;
	FILE *out = url ? open_memstream(&text, &size) : NULL;

	if (!out)
		return;
	fprintf(out, "curl -v -X%s", f->call->method);
	for (const struct curl_slist *l = f->headers; l; l = l->next) {
		NP_AUTO(np_wipep) char *line = is_sent(l) ? clean_header(l->data) : NULL;

		if (line)
			fprintf(out, " -H \"%s\"", line);
	}
	fprintf(out, " '%s'", url);
	if (fclose(out) == 0)
		emit(k, text);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void emit_body(struct np_kube *k, const struct kube_call *call, const char *title,
		      const char *body, size_t size)
{
	NP_AUTO(np_wipep) char *clean = NULL;
	NP_AUTO(np_wipep) char *shown = NULL;

	if (size == 0)
		return;
	if (call->exchange && call->exchange->has_secrets) {
		emit_format(k, "%s: " KUBE_MASK ", %zu bytes", title, size);
		return;
	}
	clean = kube_body_clean(body, size);
	/* Before it is cut, so that no part of a secret is left. */
	shown = clean ? redact(k, clean) : NULL;
	if (!shown)
		return;
	size = strlen(shown);
	if (is_traced(k, LEVEL_WHOLE) || size <= BODY_SHOWN)
		emit_format(k, "%s: %s", title, shown);
	else
		emit_format(k, "%s: %.*s [truncated %zu bytes]", title, BODY_SHOWN, shown,
			    size - BODY_SHOWN);
}

/* --- a request ------------------------------------------------------------------------------- */

void kube_trace_request(struct np_kube *k, const struct kube_transfer *f)
{
	const struct kube_call *call = f->call;
	NP_AUTO(np_wipep) char *url = NULL;

	if (!is_traced(k, LEVEL_HEADERS))
		return;
	if (is_traced(k, LEVEL_BODIES) && call->body)
		emit_body(k, call, "Request Body", call->body, strlen(call->body));
	if (is_traced(k, LEVEL_WHOLE)) {
		emit_curl(k, f);
		return;
	}
	url = clean_url(k, call);
	if (url)
		emit_format(k, "%s %s", call->method, url);
	emit_headers(k, "Request Headers:", f->headers);
}

/* HTTP/2 has no reason phrases. */
static const char *reason_of(long status)
{
	static const struct {
		long status;
		const char *reason;
	} rows[] = {
		{ 200, " OK" },
		{ 201, " Created" },
		{ 202, " Accepted" },
		{ 204, " No Content" },
		{ 400, " Bad Request" },
		{ 401, " Unauthorized" },
		{ 403, " Forbidden" },
		{ 404, " Not Found" },
		{ 405, " Method Not Allowed" },
		{ 409, " Conflict" },
		{ 410, " Gone" },
		{ 422, " Unprocessable Entity" },
		{ 429, " Too Many Requests" },
		{ 500, " Internal Server Error" },
		{ 502, " Bad Gateway" },
		{ 503, " Service Unavailable" },
		{ 504, " Gateway Timeout" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].status == status)
			return rows[i].reason;
	return "";
}

/* Returns how the request ended, the caller's: "200 OK". */
static char *describe_result(const struct kube_transfer *f, CURLcode code)
{
	NP_AUTO(np_wipep) char *why = NULL;
	char *result = NULL;
	long status = 0;
	int n;

	if (code == CURLE_OK) {
		curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
		n = asprintf(&result, "%ld%s", status, reason_of(status));
	} else {
		why = kube_text_clean(f->detail[0] ? f->detail : curl_easy_strerror(code),
				      KUBE_TEXT_PLAIN);
		n = why ? asprintf(&result, "failed (%s)", why) : -1;
	}
	return n < 0 ? NULL : result;
}

static void emit_status(struct np_kube *k, const struct kube_transfer *f, CURLcode code)
{
	NP_AUTO(np_wipep) char *result = describe_result(f, code);
	NP_AUTO(np_wipep) char *url = clean_url(k, f->call);
	curl_off_t us = 0;

	if (!result || !url)
		return;
	curl_easy_getinfo(f->easy, CURLINFO_TOTAL_TIME_T, &us);
	if (is_traced(k, LEVEL_HEADERS))
		emit_format(k, "Response Status: %s in %" PRId64 " milliseconds", result,
			    (int64_t)us / 1000);
	else
		emit_format(k, "%s %s %s in %" PRId64 " milliseconds", f->call->method, url, result,
			    (int64_t)us / 1000);
}

void kube_trace_answer(struct np_kube *k, const struct kube_transfer *f, CURLcode code)
{
	if (!is_traced(k, LEVEL_STATUS))
		return;
	emit_status(k, f, code);
	if (!is_traced(k, LEVEL_BODIES))
		return;
	emit_headers(k, "Response Headers:", f->reply.lines);
	if (f->reply.body)
		emit_body(k, f->call, "Response Body", f->reply.body, f->reply.size);
}
