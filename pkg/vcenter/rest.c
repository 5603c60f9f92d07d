/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/base64.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"
#include "nodeprep/text.h"

#define NEW_SESSION_PATH "/api/session"
#define OLD_SESSION_PATH "/rest/com/vmware/cis/session"
#define SESSION_HEADER "vmware-api-session-id: "

/* One request and what its answers meant. */
struct request {
	const struct vcenter_call *call;
	const struct np_kube *http;
	bool expired; /* the session has ended */
	bool missing; /* 404 */
};

static int judge(void *ctx, const struct np_kube_reply *reply, bool *ret_again, struct np_err *err)
{
	struct request *r = ctx;

	r->missing = reply->status == 404;
	return vcenter_rest_judge(r->call, r->http, reply, ret_again, &r->expired, err);
}

/* Makes a header line, which is a secret. */
static int make_line(const char *start, const char *value, char **ret, struct np_err *err)
{
	if (asprintf(ret, "%s%s", start, value) < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

/* --- the session -------------------------------------------------------------------------------- */

char *vcenter_basic(const char *user, const char *password)
{
	NP_AUTO(np_wipep) char *pair = NULL;
	int n = asprintf(&pair, "%s:%s", user, password);

	if (n < 0) {
		pair = NULL;
		return NULL;
	}
	return np_base64_encode(pair, (size_t)n);
}

/* Logs in by one form of the service; *ret_missing: the server does not have this form. */
static int log_in_by(struct np_vcenter *v, const char *path, const char *basic, bool *ret_missing,
		     struct np_err *err)
{
	const struct vcenter_call call = {
		.verb = "log in to", .what = "vCenter", .user = v->login.user, .is_login = true
	};
	struct request r = { .call = &call, .http = v->http };
	const char *headers[] = { basic, "Accept: application/json", NULL };
	const struct np_kube_exchange x = { .method = "POST",
					    .path = path,
					    .what = "vCenter session",
					    .headers = headers,
					    .body = "",
					    .content_type = "application/json",
					    .is_repeatable = true,
					    .has_secrets = true,
					    .judge = judge,
					    .ctx = &r };
	NP_AUTO(np_wipep) char *body = NULL;
	char *session = NULL;
	size_t size;
	int n = np_kube_exchange(v->http, &x, &body, &size, err);

	*ret_missing = r.missing;
	if (n < 0 || vcenter_session_parse(body, size, &session, err) < 0)
		return np_err_ret(err);
	v->session->generation++;
	return vcenter_keep_secret_take(v, &v->session->id, session, err);
}

static int log_in(struct np_vcenter *v, struct np_err *err)
{
	NP_AUTO(np_wipep) char *basic = NULL;
	struct np_err newer = NP_ERR_INIT;
	bool missing = false;

	if (make_line("Authorization: Basic ", v->basic, &basic, err) < 0)
		return np_err_ret(err);
	v->session->is_old = false;
	if (log_in_by(v, NEW_SESSION_PATH, basic, &missing, &newer) == 0)
		return 0;
	if (!missing) {
		*err = newer;
		return np_err_ret(err);
	}
	v->session->is_old = true;
	if (log_in_by(v, OLD_SESSION_PATH, basic, &missing, err) == 0)
		return 0;
	if (!missing)
		return np_err_ret(err);
	return np_fail(err, NP_E_REFUSED,
		       "%s has no vCenter REST API (404 for " NEW_SESSION_PATH
		       " and " OLD_SESSION_PATH "): is this a vCenter?",
		       v->base);
}

void vcenter_rest_logout(struct np_vcenter *v)
{
	const struct vcenter_call call = {
		.verb = "log out of", .what = "vCenter", .user = v->login.user, .is_login = true
	};
	struct request r = { .call = &call, .http = v->http };
	NP_AUTO(np_wipep) char *session = NULL;
	NP_AUTO(np_freep) char *body = NULL;
	struct np_err ignored = NP_ERR_INIT;
	size_t size;

	if (!v->own.id || make_line(SESSION_HEADER, v->own.id, &session, &ignored) < 0)
		return;
	(void)np_kube_exchange(v->http,
			       &(const struct np_kube_exchange){
				       .method = "DELETE",
				       .path = v->own.is_old ? OLD_SESSION_PATH : NEW_SESSION_PATH,
				       .what = "vCenter session",
				       .headers = (const char *[]){ session, NULL },
				       .is_final = true,
				       .judge = judge,
				       .ctx = &r },
			       &body, &size, &ignored);
	np_wipep(&v->own.id);
}

/* Makes the header line of the session, which is made where there is none. */
static int use_locked(struct np_vcenter *v, char **ret, struct np_err *err)
{
	struct vcenter_session *s = v->session;

	/* A rejected password is not sent again by each client: vCenter locks the account. */
	if (s->rejected.code != NP_OK) {
		*err = s->rejected;
		return np_err_ret(err);
	}
	if (!s->id && log_in(v, err) < 0) {
		if (err->code == NP_E_REFUSED)
			s->rejected = *err;
		return np_err_ret(err);
	}
	/* Another client may have made it. */
	if (v->generation != s->generation && vcenter_add_secret(v, s->id, err) < 0)
		return np_err_ret(err);
	v->generation = s->generation;
	return make_line(SESSION_HEADER, s->id, ret, err);
}

static int use_session(struct np_vcenter *v, char **ret, struct np_err *err)
{
	int r;

	pthread_mutex_lock(&v->session->lock);
	r = use_locked(v, ret, err);
	pthread_mutex_unlock(&v->session->lock);
	return r;
}

/* Drops the session that has expired, unless another client has made a new one. */
static void drop_session(struct np_vcenter *v)
{
	struct vcenter_session *s = v->session;

	pthread_mutex_lock(&s->lock);
	if (s->id && s->generation == v->generation) {
		np_kube_log(v->http, "vCenter ended the session; logging in again");
		np_wipep(&s->id);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- requests ----------------------------------------------------------------------------------- */

/* What is sent; the texts are the caller's. */
struct message {
	const struct vcenter_call *call;
	const char *method, *path, *body;
};

static int send_once(struct np_vcenter *v, const struct message *m, bool *ret_expired, char **ret,
		     size_t *ret_size, struct np_err *err)
{
	struct request r = { .call = m->call, .http = v->http };
	NP_AUTO(np_wipep) char *session = NULL;
	const char *headers[] = { NULL, "Accept: application/json", NULL };
	const struct np_kube_exchange x = { .method = m->method,
					    .path = m->path,
					    .what = m->call->what,
					    .headers = headers,
					    .body = m->body,
					    .content_type = "application/json",
					    .is_repeatable = strcmp(m->method, "GET") == 0,
					    .judge = judge,
					    .ctx = &r };
	int n;

	if (use_session(v, &session, err) < 0)
		return np_err_ret(err);
	headers[0] = session;
	n = np_kube_exchange(v->http, &x, ret, ret_size, err);
	*ret_expired = r.expired;
	return n;
}

/* A session that has expired (401) is made again, once for each request. */
static int send_message(struct np_vcenter *v, const struct message *m, char **ret, size_t *ret_size,
			struct np_err *err)
{
	struct np_err first = NP_ERR_INIT;
	bool expired = false;

	if (send_once(v, m, &expired, ret, ret_size, &first) == 0)
		return 0;
	if (!expired) {
		*err = first;
		return np_err_ret(err);
	}
	drop_session(v);
	return send_once(v, m, &expired, ret, ret_size, err);
}

int vcenter_rest(struct np_vcenter *v, const struct vcenter_request *request, json_t **ret,
		 struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	NP_AUTO(np_freep) char *answer = NULL;
	struct message m = { .call = request->call,
			     .method = request->method,
			     .path = request->path };
	size_t size;

	if (request->body) {
		m.body = text = np_json_text(request->body, JSON_COMPACT);
		if (!text)
			return np_fail_nomem(err);
	}
	if (send_message(v, &m, &answer, &size, err) < 0)
		return np_err_ret(err);
	*ret = NULL;
	return size > 0 ? vcenter_json_parse(m.call->what, answer, size, ret, err) : 0;
}
