/* SPDX-License-Identifier: Apache-2.0 */
#include "hookd.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nodeprep/err.h"

#define NS_PER_S 1000000000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int fill(struct np_serve_reply *reply, unsigned status, const char *type, char *body,
		size_t size, struct np_err *err)
{
	reply->status = status;
	reply->body = body;
	reply->body_size = size;
	return np_serve_reply_header(reply, "Content-Type", type, err);
}

static int say(struct np_serve_reply *reply, unsigned status, const char *text, struct np_err *err)
{
	char *body = strdup(text);

	return body ? fill(reply, status, "text/plain; charset=utf-8", body, strlen(body), err)
		    : np_fail_nomem(err);
}

static bool is_ready(const struct hookd *h)
{
	return watch_is_good(&h->watch) && !np_serve_is_stopping(h->server);
}

static int say_ready(const struct hookd *h, struct np_serve_reply *reply, struct np_err *err)
{
	if (np_serve_is_stopping(h->server))
		return say(reply, 503, "stopping\n", err);
	if (!watch_is_good(&h->watch))
		return say(reply, 503, "the API server does not answer\n", err);
	return say(reply, 200, "ok\n", err);
}

/* Answers what both ports have: 1, 0 where it is something else. */
static int say_health(const struct hookd *h, const struct np_serve_request *req,
		      struct np_serve_reply *reply, struct np_err *err)
{
	bool is_live = strcmp(req->path, "/healthz") == 0;

	if (!is_live && strcmp(req->path, "/readyz") != 0)
		return 0;
	if (strcmp(req->method, "GET") != 0)
		return np_serve_reply_header(reply, "Allow", "GET", err) < 0 ||
				       say(reply, 405, "GET is needed\n", err) < 0
			       ? np_err_ret(err)
			       : 1;
	if ((is_live ? say(reply, 200, "ok\n", err) : say_ready(h, reply, err)) < 0)
		return np_err_ret(err);
	return 1;
}

static enum result result_of(const struct np_hook_answer *a)
{
	if (a->retry_after_s > 0)
		return RESULT_RETRY;
	return a->failed ? RESULT_FAILURE : RESULT_SUCCESS;
}

/* Logs each change and each error, and the rest once a second for each Cluster. */
static void tell(const struct hookd *h, const struct np_serve_request *req, enum np_hook_kind kind,
		 const struct np_hook_answer *a, uint64_t ns)
{
	const struct call call = { .id = req->id,
				   .hook = np_hook_name(kind),
				   .result = result_names[result_of(a)],
				   .peer = req->peer_name,
				   .seconds = (double)ns / NS_PER_S,
				   .answer = a };
	bool is_bad = a->failed || a->retry_after_s > 0 || a->message[0];

	if (is_bad || h->verbose || kind >= NP_HOOK_BEFORE_CLUSTER_CREATE)
		log_call(is_bad ? "warning" : "info", &call);
}

static void count(struct hookd *h, const struct np_hook_answer *a)
{
	atomic_fetch_add_explicit(&h->metrics.templates, a->templates, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->metrics.classes, a->classes, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->metrics.conflicts, a->conflicts, memory_order_relaxed);
}

static int call_hook(struct hookd *h, enum np_hook_kind kind, const struct np_serve_request *req,
		     struct np_serve_reply *reply, struct np_err *err)
{
	struct np_hook_options o = h->hook;
	struct np_hook_answer answer = { .body = NULL };
	uint64_t from = now_ns(), ns;
	int r;

	o.timeout_ms = np_hook_timeout_ms(req->query);
	r = np_hook_call(&o, kind, req->body, req->body_size, &answer, err);
	ns = now_ns() - from;
	metrics_count(&h->metrics, kind, r < 0 ? RESULT_ERROR : result_of(&answer), ns);
	if (r < 0)
		return r;
	count(h, &answer);
	tell(h, req, kind, &answer, ns);
	return fill(reply, 200, "application/json", answer.body, answer.size, err);
}

static int reject(struct hookd *h, struct np_serve_reply *reply, unsigned status, const char *text,
		  struct np_err *err)
{
	atomic_fetch_add_explicit(&h->metrics.rejected, 1, memory_order_relaxed);
	return say(reply, status, text, err);
}

bool may_block(void *ctx, const struct np_serve_request *req)
{
	const struct hookd *h = ctx;
	enum np_hook_kind kind;

	return np_hook_find(req->path, &kind) && np_hook_blocks(&h->hook, kind);
}

int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
	   struct np_err *err)
{
	struct hookd *h = ctx;
	enum np_hook_kind kind;
	int done;

	if (np_hook_find(req->path, &kind)) {
		if (strcmp(req->method, "POST") == 0)
			return call_hook(h, kind, req, reply, err);
		if (np_serve_reply_header(reply, "Allow", "POST", err) < 0)
			return np_err_ret(err);
		return reject(h, reply, 405, "POST is needed\n", err);
	}
	done = say_health(h, req, reply, err);
	if (done != 0)
		return done < 0 ? done : 0;
	return reject(h, reply, 404, "no such hook\n", err);
}

int handle_metrics(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		   struct np_err *err)
{
	const struct hookd *h = ctx;
	char *text;
	int done = say_health(h, req, reply, err);

	if (done != 0)
		return done < 0 ? done : 0;
	if (strcmp(req->path, "/metrics") != 0)
		return say(reply, 404, "not found: expected /metrics, /healthz or /readyz\n", err);
	text = metrics_text(&h->metrics, h->server, is_ready(h));
	if (!text)
		return np_fail_nomem(err);
	return fill(reply, 200, "text/plain; version=0.0.4; charset=utf-8", text, strlen(text),
		    err);
}
