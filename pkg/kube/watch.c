/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/time.h"

enum {
	TIMEOUT_DEFAULT_S = 300,
	/* The server ends a watch by itself; after this grace it counts as lost. */
	GRACE_S = 30,
	ANSWER_MAX_MS = 30000, /* until the head of the response is whole */
};

/* --- events ---------------------------------------------------------------------------------- */

static const char *const event_names[NP_KUBE_EVENT_MAX] = {
	[NP_KUBE_ADDED] = "ADDED",
	[NP_KUBE_MODIFIED] = "MODIFIED",
	[NP_KUBE_DELETED] = "DELETED",
	[NP_KUBE_BOOKMARK] = "BOOKMARK",
};

/* An ERROR event carries the Status of an answer. */
static int parse_error(const struct kube_call *call, const struct kube_secrets *secrets,
		       const json_t *object, struct kube_event *ret, struct np_err *err)
{
	json_int_t code = json_integer_value(json_object_get(object, "code"));
	NP_AUTO(np_freep) char *text = NULL;
	struct kube_answer answer = { .status = code >= 400 && code < 600 ? (long)code : 500,
				      .retry_after = "",
				      .secrets = secrets };

	if (code == 410) {
		ret->kind = KUBE_EVENT_GONE;
		return 0;
	}
	text = np_json_text(object, JSON_COMPACT);
	if (!text)
		return np_fail_nomem(err);
	answer.body = text;
	answer.size = strlen(text);
	return kube_answer_check(call, &answer, err);
}

static int fail_event(const struct kube_call *call, const char *why, struct np_err *err)
{
	char what[KUBE_WHAT_MAX];

	kube_call_describe(call, what);
	return np_fail(err, NP_E_REFUSED, "%s: an event of the watch %s", what, why);
}

static int take_event(const struct kube_call *call, json_t *root, const char *type,
		      struct kube_event *ret, struct np_err *err)
{
	json_t *object = json_object_get(root, "object");
	const char *version = json_string_value(
		json_object_get(json_object_get(object, "metadata"), "resourceVersion"));

	for (unsigned i = 0; i < NP_KUBE_EVENT_MAX; i++) {
		if (strcmp(type, event_names[i]) != 0)
			continue;
		if (!version || !version[0])
			return fail_event(call, "has no resourceVersion", err);
		if (strlcpy(ret->version, version, sizeof(ret->version)) >= sizeof(ret->version))
			return fail_event(call, "has a resourceVersion that is too long", err);
		ret->kind = KUBE_EVENT_OBJECT;
		ret->type = (enum np_kube_event)i;
		ret->object = json_incref(object);
		return 0;
	}
	return fail_event(call, "has an unknown type", err);
}

int kube_event_parse(const struct kube_call *call, const struct kube_secrets *secrets,
		     const char *line, size_t size, struct kube_event *ret, struct np_err *err)
{
	const struct kube_answer answer = {
		.status = 200, .body = line, .size = size, .secrets = secrets
	};
	json_auto_t *root = NULL;
	const char *type;

	if (kube_body_parse(call, &answer, &root, err) < 0)
		return np_err_ret(err);
	type = json_string_value(json_object_get(root, "type"));
	if (!type || !json_is_object(json_object_get(root, "object")))
		return fail_event(call, "has no type or no object", err);
	if (strcmp(type, "ERROR") == 0)
		return parse_error(call, secrets, json_object_get(root, "object"), ret, err);
	return take_event(call, root, type, ret, err);
}

/* --- one connection -------------------------------------------------------------------------- */

static size_t on_stream(char *bytes, size_t size, size_t n, void *ctx)
{
	return kube_reply_add(ctx, bytes, size * n, KUBE_LINE_MAX) ? size * n : 0;
}

static int take_line(struct kube_stream *s, const char *line, size_t size, struct np_err *err)
{
	struct kube_event event = { 0 };
	int r;

	if (size == 0)
		return KUBE_GO_ON;
	if (kube_event_parse(&s->call, &s->k->config->secrets, line, size, &event, err) < 0)
		return np_err_ret(err);
	if (event.kind == KUBE_EVENT_GONE) {
		s->watch->end = NP_KUBE_WATCH_GONE;
		return 0;
	}
	r = s->watch->each(s->watch->ctx, event.type, event.object, err);
	json_decref(event.object);
	if (r < 0)
		return r;
	memcpy(s->watch->version, event.version, sizeof(s->watch->version));
	return KUBE_GO_ON;
}

/* Notes the moment at which the server accepts the watch. */
static void check_open(struct kube_stream *s)
{
	long status = 0;

	if (s->is_open || !s->f->reply.head.is_whole)
		return;
	curl_easy_getinfo(s->f->easy, CURLINFO_RESPONSE_CODE, &status);
	s->is_open = status == 200;
	if (s->is_open && s->watch->on_open)
		s->watch->on_open(s->watch->ctx);
}

/* Outside libcurl's callbacks. */
int kube_stream_take(struct kube_stream *s, struct np_err *err)
{
	struct kube_reply *reply = &s->f->reply;
	size_t at = 0;
	int r = KUBE_GO_ON;

	if (!s->is_open)
		return KUBE_GO_ON;
	if (reply->size != s->had)
		s->heard = np_clock_ms();
	while (r == KUBE_GO_ON && at < reply->size) {
		const char *line = reply->body + at;
		const char *end = memchr(line, '\n', reply->size - at);

		if (!end)
			break;
		at += (size_t)(end - line) + 1;
		r = take_line(s, line, (size_t)(end - line), err);
	}
	if (at > 0)
		memmove(reply->body, reply->body + at, reply->size - at);
	reply->size -= at;
	s->had = reply->size;
	return r;
}

static int fail_line(const struct kube_stream *s, struct np_err *err)
{
	if (s->f->reply.no_memory)
		return np_fail_nomem(err);
	return fail_event(&s->call, "is larger than 8 MiB", err);
}

/* Ends the watch: as requested, at too old a version, or with an error. */
static int judge_end(struct kube_stream *s, CURLcode code, struct np_err *err)
{
	struct kube_outcome out;
	int r;

	if (s->f->reply.too_large || s->f->reply.no_memory)
		return fail_line(s, err);
	r = kube_transfer_judge(s->k, s->f, code, &out, err);
	if (r < 0 && s->f->status == 410) {
		s->watch->end = NP_KUBE_WATCH_GONE;
		return 0;
	}
	s->watch->wait_ms = out.has_wait ? kube_wait_bounded(out.wait_ms, 0) : 0;
	if (r < 0)
		return r;
	if (s->f->reply.size > 0)
		return np_fail(err, NP_E_RETRY,
			       "cannot reach %s: the watch was cut within an event",
			       s->k->config->server);
	s->watch->end = NP_KUBE_WATCH_TIMEOUT;
	return 0;
}

static bool is_stopped(const struct kube_stream *s)
{
	return kube_is_cancelled(s->k) ||
	       (s->watch->is_stopped && s->watch->is_stopped(s->watch->ctx));
}

static int check_silence(const struct kube_stream *s, struct np_err *err)
{
	uint64_t silent = np_clock_ms() - s->heard, most = (uint64_t)s->watch->silence_s * 1000;

	if (!s->is_open)
		most = ANSWER_MAX_MS;
	if (most == 0 || silent < most)
		return KUBE_GO_ON;
	return np_fail(err, NP_E_RETRY, "cannot reach %s: the watch was silent for %llu s",
		       s->k->config->server, (unsigned long long)silent / 1000);
}

/* Moves bytes once; KUBE_GO_ON while the watch lasts. */
static int stream_round(struct kube_stream *s, struct np_err *err)
{
	CURLMsg *message;
	int running, left, r;

	curl_multi_perform(s->k->multi, &running);
	check_open(s);
	r = kube_stream_take(s, err);
	if (r != KUBE_GO_ON)
		return r;
	while ((message = curl_multi_info_read(s->k->multi, &left)))
		if (message->msg == CURLMSG_DONE && message->easy_handle == s->f->easy)
			return judge_end(s, message->data.result, err);
	return check_silence(s, err);
}

static int stream_run(struct kube_stream *s, struct np_err *err)
{
	unsigned timeout = s->watch->timeout_s > 0 ? s->watch->timeout_s : TIMEOUT_DEFAULT_S;
	int r = KUBE_GO_ON;

	s->heard = np_clock_ms();
	s->had = 0;
	s->is_open = false;
	if (kube_identity_freshen(s->k, UINT64_MAX, err) < 0 ||
	    kube_transfer_prepare(s->k, s->f, ((uint64_t)timeout + GRACE_S) * 1000, err) < 0)
		return np_err_ret(err);
	/* The line's limit applies to bytes of the wire, not of gzip. */
	s->f->reply.head.accepts_gzip = false;
	if (curl_easy_setopt(s->f->easy, CURLOPT_WRITEFUNCTION, on_stream) != CURLE_OK ||
	    curl_easy_setopt(s->f->easy, CURLOPT_ACCEPT_ENCODING, NULL) != CURLE_OK ||
	    curl_easy_setopt(s->f->easy, CURLOPT_LOW_SPEED_TIME, 0L) != CURLE_OK ||
	    curl_multi_add_handle(s->k->multi, s->f->easy) != CURLM_OK)
		return np_fail_nomem(err);
	while (r == KUBE_GO_ON) {
		if (is_stopped(s)) {
			s->watch->end = NP_KUBE_WATCH_STOPPED;
			return 0;
		}
		r = stream_round(s, err);
		if (r == KUBE_GO_ON)
			curl_multi_poll(s->k->multi, NULL, 0, KUBE_POLL_MS, NULL);
	}
	return r;
}

/* --- the call -------------------------------------------------------------------------------- */

/* Appends "&name=value", escaped, where there is a value. */
static int add_query(char **path, const char *name, const char *value, struct np_err *err)
{
	NP_AUTO(kube_curl_freep) char *escaped = NULL;
	char *longer = NULL;

	if (!value || !value[0])
		return 0;
	escaped = curl_easy_escape(NULL, value, 0);
	if (!escaped || asprintf(&longer, "%s&%s=%s", *path, name, escaped) < 0)
		return np_fail_nomem(err);
	free(*path);
	*path = longer;
	return 0;
}

static int make_path(const struct np_kube_resource *r, const struct np_kube_watch *w, char **ret,
		     struct np_err *err)
{
	NP_AUTO(np_freep) char *base = NULL;
	NP_AUTO(np_freep) char *path = NULL;
	unsigned timeout = w->timeout_s > 0 ? w->timeout_s : TIMEOUT_DEFAULT_S;

	if (kube_path(r, r->namespaced ? w->ns : NULL, NULL, &base, err) < 0)
		return np_err_ret(err);
	if (asprintf(&path, "%s?watch=true&allowWatchBookmarks=true&timeoutSeconds=%u", base,
		     timeout) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	if (add_query(&path, "resourceVersion", w->version, err) < 0)
		return np_err_ret(err);
	*ret = np_take(path);
	return 0;
}

int np_kube_watch(struct np_kube *k, const struct np_kube_resource *r, struct np_kube_watch *watch,
		  struct np_err *err)
{
	NP_AUTO(np_freep) struct kube_transfer *f = calloc(1, sizeof(*f));
	NP_AUTO(np_freep) char *path = NULL;
	char resource[KUBE_RESOURCE_MAX];
	struct np_err inner = NP_ERR_INIT;
	struct kube_stream s = { .k = k, .watch = watch, .f = f };
	int result;

	if (!f)
		return np_fail_nomem(err);
	if (make_path(r, watch, &path, err) < 0)
		return np_err_ret(err);
	kube_name_resource(r, resource);
	s.call = (struct kube_call){ .verb = "watch",
				     .method = "GET",
				     .path = path,
				     .resource = resource,
				     .ns = r->namespaced ? watch->ns : NULL };
	f->call = &s.call;
	watch->wait_ms = 0;
	result = stream_run(&s, &inner);
	if (result < 0 && kube_identity_renew(k, f, UINT64_MAX))
		result = stream_run(&s, &inner);
	kube_transfer_clear(k, f);
	if (result < 0) {
		kube_redact_err(&k->config->secrets, &inner);
		*err = inner;
	}
	return result;
}
