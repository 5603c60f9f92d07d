/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	BODY_MAX = 3 << 20, /* kube-apiserver's own limit */
	TOKEN_BYTES = 16,
};

/* --- a request's sense ---------------------------------------------------------------------- */

static void call_done(struct call *c)
{
	free(c->path);
	free(c->segments);
	json_decref(c->params);
}

static const char *next_segment(char **rest)
{
	char *segment = strsep(rest, "/");

	return segment ? segment : "";
}

/* Behind group and version: [namespaces/NS/]RESOURCE[/NAME[/SUB]]. */
static void read_resource(struct route *r, char **rest)
{
	r->resource = next_segment(rest);
	r->name = next_segment(rest);
	r->sub = next_segment(rest);
	if (strcmp(r->resource, "namespaces") == 0 && *r->sub) {
		r->ns = r->name;
		r->resource = r->sub;
		r->name = next_segment(rest);
		r->sub = next_segment(rest);
	}
	r->is_resource = *r->resource != '\0';
}

static void read_route(struct route *r, char *path)
{
	char *rest = path;
	const char *root;

	*r = (struct route){ false, "", "", "", "", "", "" };
	next_segment(&rest); /* before the first '/' */
	root = next_segment(&rest);
	if (strcmp(root, "apis") == 0)
		r->group = next_segment(&rest);
	else if (strcmp(root, "api") != 0)
		return;
	r->version = next_segment(&rest);
	if (rest)
		read_resource(r, &rest);
}

/* A request's verb, as a real server's rights and audit log name it. */
static const char *find_verb(const struct call *c)
{
	static const struct {
		const char *method, *verb;
	} rows[] = {
		{ "DELETE", "delete" }, { "GET", "get" },    { "PATCH", "patch" },
		{ "POST", "create" },   { "PUT", "update" },
	};
	const char *watch = sim_param(c, "watch");
	bool is_list = c->route.is_resource && !*c->route.name;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].method, c->req->method) != 0)
			continue;
		if (strcmp(rows[i].verb, "get") == 0 && is_list)
			return watch && strcmp(watch, "0") != 0 && strcasecmp(watch, "false") != 0
				       ? "watch"
				       : "list";
		return strcmp(rows[i].verb, "delete") == 0 && is_list ? "deletecollection"
								      : rows[i].verb;
	}
	return "";
}

static int read_call(struct call *c, struct np_err *err)
{
	c->path = sim_url_decode(c->req->path, strlen(c->req->path), false);
	c->segments = c->path ? strdup(c->path) : NULL;
	if (!c->segments)
		return np_fail_nomem(err);
	if (sim_query_parse(c->req->query, &c->params, err) < 0)
		return np_err_ret(err);
	read_route(&c->route, c->segments);
	c->verb = find_verb(c);
	return 0;
}

/* --- who may -------------------------------------------------------------------------------- */

static const char *user_name(const struct call *c)
{
	return c->user ? c->user->name : "system:anonymous";
}

static bool is_public(const char *path)
{
	static const char *const list[] = { "/healthz", "/livez", "/readyz", "/version" };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strcmp(list[i], path) == 0)
			return true;
	return false;
}

static bool is_allowed(const struct call *c)
{
	bool is_discovery = strcmp(c->path, "/api") == 0 || strncmp(c->path, "/api/", 5) == 0 ||
			    strcmp(c->path, "/apis") == 0 || strncmp(c->path, "/apis/", 6) == 0;

	if (sim_is_review(c))
		return true;
	if (c->route.is_resource)
		return sim_user_may(c->user, c->verb);
	if (is_public(c->path) || (c->user && is_discovery))
		return true;
	return sim_user_may(c->user, "*");
}

static int refuse_forbidden(struct call *c, struct np_err *err)
{
	const struct route *r = &c->route;
	NP_AUTO(np_freep) char *object = NULL;
	NP_AUTO(np_freep) char *scope = NULL;

	if (np_serve_reply_header(c->reply, "X-Content-Type-Options", "nosniff", err) < 0)
		return np_err_ret(err);
	if (!r->is_resource)
		return sim_refuse(c, err, 403, "Forbidden", NULL,
				  "forbidden: User \"%s\" cannot %s path \"%s\"", user_name(c),
				  *c->verb ? c->verb : "use", c->path);
	if (asprintf(&object, *r->name ? " \"%s\"" : "%s", r->name) < 0) {
		object = NULL;
		return np_fail_nomem(err);
	}
	if (asprintf(&scope, *r->ns ? "in the namespace \"%s\"" : "at the cluster scope%s", r->ns) <
	    0) {
		scope = NULL;
		return np_fail_nomem(err);
	}
	return sim_refuse(
		c, err, 403, "Forbidden", sim_details_of(r->name, r->group, r->resource),
		"%s%s%s%s is forbidden: User \"%s\" cannot %s resource \"%s\" in API group "
		"\"%s\" %s",
		r->resource, *r->group ? "." : "", r->group, object, user_name(c), c->verb,
		r->resource, r->group, scope);
}

static void authenticate(struct call *c)
{
	const char *header = np_serve_header(c->req, "Authorization");

	if (header && strncasecmp(header, "Bearer ", 7) == 0)
		c->user = sim_users_by_token(&c->sim->users, header + 7);
	c->is_authentic = !header || c->user;
}

/* --- answering ------------------------------------------------------------------------------ */

static bool is_acceptable(const struct call *c)
{
	static const char *const list[] = { "*/*", "application/*", "application/json" };
	const char *accept = np_serve_header(c->req, "Accept");

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (!accept || !*accept || strstr(accept, list[i]))
			return true;
	return false;
}

static bool is_ours(const struct call *c)
{
	const struct route *r = &c->route;

	return strcmp(r->group, GROUP) == 0 && sim_is_version_served(c->sim, r->version) &&
	       strcmp(r->resource, PLURAL) == 0 && (!c->sim->cluster_scoped || !*r->ns);
}

static int warn_deprecated(struct call *c, struct np_err *err)
{
	/* A Supervisor old enough to have no other version did not call this one deprecated. */
	if (strcmp(c->route.version, "v1alpha1") != 0 || c->sim->cluster_scoped)
		return 0;
	return sim_add_warning(
		c, GROUP "/v1alpha1 " KIND " is deprecated; use " STORED_API " " KIND, err);
}

static int answer_classes(struct call *c, struct np_err *err)
{
	const struct route *r = &c->route;

	if (warn_deprecated(c, err) < 0)
		return np_err_ret(err);
	if (strcmp(c->verb, "list") == 0)
		return sim_answer_list(c, err);
	if (strcmp(c->verb, "watch") == 0)
		return sim_answer_watch(c, err);
	if (*r->sub && strcmp(r->sub, "status") != 0)
		return sim_refuse_not_found(c, err);
	if (*r->sub && strcmp(c->verb, "get") != 0)
		return sim_refuse(c, err, 405, "MethodNotAllowed",
				  sim_details_of(NULL, GROUP, PLURAL),
				  "%s is not supported on the status here", c->verb);
	return sim_answer_class(c, err);
}

static int answer_resource(struct call *c, struct np_err *err)
{
	const struct route *r = &c->route;

	if (!is_acceptable(c))
		return sim_refuse(c, err, 406, "NotAcceptable", NULL,
				  "only the following media types are accepted: application/json, "
				  "application/yaml, application/vnd.kubernetes.protobuf");
	if (!*r->group && strcmp(r->version, "v1") == 0 && strcmp(r->resource, "namespaces") == 0 &&
	    !*r->sub)
		return sim_answer_namespaces(c, err);
	if (sim_is_review(c))
		return sim_answer_review(c, err);
	if (sim_is_untyped(c))
		return sim_answer_untyped(c, err);
	if (!is_ours(c))
		return sim_answer_no_page(c, err);
	return answer_classes(c, err);
}

static int answer_call(struct call *c, struct np_err *err)
{
	if (!c->is_authentic)
		return sim_refuse(c, err, 401, "Unauthorized", NULL, "Unauthorized");
	if (strncmp(c->path, "/sim/", 5) == 0)
		return sim_answer_faults(c, err);
	if (!is_allowed(c))
		return refuse_forbidden(c, err);
	if (c->req->body_size > BODY_MAX)
		return sim_refuse(c, err, 413, "RequestEntityTooLarge", NULL,
				  "Request entity too large: limit is %d", BODY_MAX);
	return c->route.is_resource ? answer_resource(c, err) : sim_answer_discovery(c, err);
}

/* --- the log -------------------------------------------------------------------------------- */

static int answer_with_fault(struct call *c, const struct fault *f, struct np_err *err)
{
	if (f->kind == FAULT_CONCURRENT_WRITE && sim_write_concurrently(c, f, err) < 0)
		return np_err_ret(err);
	if (f->has_effect && answer_call(c, err) < 0)
		return np_err_ret(err);
	return sim_spoil_answer(c, f, err);
}

static const char *logged_user(const struct call *c)
{
	if (c->user)
		return c->user->name;
	return np_serve_header(c->req, "Authorization") ? "" : "system:anonymous";
}

static void log_call(const struct call *c)
{
	const char *header = np_serve_header(c->req, "User-Agent");
	unsigned status = c->reply->cut == NP_SERVE_CUT ? 0 : c->reply->status;
	NP_AUTO(np_freep) char *agent = strdup(header ? header : "");
	NP_AUTO(np_freep) char *query = strdup(c->req->query);
	json_auto_t *entry = NULL;
	NP_AUTO(np_freep) char *line = NULL;

	if (!c->sim->log || strncmp(c->path, "/sim/", 5) == 0 || !agent || !query)
		return;
	sim_make_utf8(agent);
	sim_make_utf8(query);
	entry = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "verb", c->verb, "method",
			  c->req->method, "path", c->path, "query", query, "status", (int)status,
			  "user", logged_user(c), "userAgent", agent);
	line = json_dumps(entry, JSON_COMPACT);
	if (line)
		c->sim->log(c->sim->log_ctx, line);
}

int np_sim_handle(struct np_sim *sim, const struct np_serve_request *req,
		  struct np_serve_reply *reply, struct np_err *err)
{
	NP_AUTO(call_done) struct call c = { .sim = sim, .req = req, .reply = reply };
	const struct fault *f = NULL;
	int done;

	if (read_call(&c, err) < 0)
		return np_err_ret(err);
	authenticate(&c);
	if (strncmp(c.path, "/sim/", 5) != 0)
		f = sim_faults_meet(&sim->faults, req->method, c.path);
	done = f ? answer_with_fault(&c, f, err) : answer_call(&c, err);
	if (done < 0)
		return done;
	log_call(&c);
	return 0;
}

/* --- start and end -------------------------------------------------------------------------- */

static int add_random_user(struct np_sim *sim, const char *name, const char *verbs,
			   struct np_err *err)
{
	NP_AUTO(np_freep) char *token = NULL;
	NP_AUTO(np_freep) char *file = NULL;
	const char *dir = sim->store.dir;
	int is_there = 0;

	if (asprintf(&file, "token-%s", name) < 0) {
		file = NULL;
		return np_fail_nomem(err);
	}
	if (dir && (is_there = sim_state_read(dir, file, &token, err)) < 0)
		return is_there;
	if (!is_there && sim_random_hex(TOKEN_BYTES, &token, err) < 0)
		return np_err_ret(err);
	if (dir && !is_there && sim_state_write(dir, file, token, err) < 0)
		return np_err_ret(err);
	return sim_users_add(&sim->users, name, token, verbs, err);
}

static int add_users(struct np_sim *sim, const char *token_file, struct np_err *err)
{
	static const struct {
		const char *name, *verbs;
	} rows[] = { { "admin", "*" }, { "viewer", "get list watch" }, { "nobody", "" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (add_random_user(sim, rows[i].name, rows[i].verbs, err) < 0)
			return np_err_ret(err);
	return token_file ? sim_users_load(&sim->users, token_file, err) : 0;
}

static int read_seed(struct np_sim *sim, struct np_err *err)
{
	const char *dir = sim->store.dir;
	int is_there = dir ? sim_state_read(dir, "cluster-id", &sim->seed, err) : 0;

	if (is_there != 0)
		return is_there < 0 ? is_there : 0;
	if (sim_random_hex(TOKEN_BYTES, &sim->seed, err) < 0)
		return np_err_ret(err);
	return dir ? sim_state_write(dir, "cluster-id", sim->seed, err) : 0;
}

static int add_namespaces(struct np_sim *sim, const struct np_sim_options *o, struct np_err *err)
{
	if (o->n_namespaces == 0)
		return 0;
	sim->namespaces = json_array();
	for (size_t i = 0; i < o->n_namespaces; i++) {
		if (!sim_is_dns_label(o->namespaces[i]))
			return np_fail(
				err, NP_E_USAGE,
				"'%s' is not a valid namespace: lower case letters, digits and '-' "
				"are needed",
				o->namespaces[i]);
		if (json_array_append_new(sim->namespaces, json_string(o->namespaces[i])) < 0)
			return np_fail_nomem(err);
	}
	return 0;
}

int np_sim_new(const struct np_sim_options *o, struct np_sim **ret, struct np_err *err)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return np_fail_nomem(err);
	sim->born = time(NULL);
	sim->cluster_scoped = o->cluster_scoped;
	sim->has_pools = o->has_pools;
	sim->log = o->log;
	sim->log_ctx = o->log_ctx;
	if (sim_store_open(&sim->store, o->state_dir, err) < 0 ||
	    sim_store_open(&sim->untyped, NULL, err) < 0 || read_seed(sim, err) < 0 ||
	    add_namespaces(sim, o, err) < 0 || add_users(sim, o->token_file, err) < 0 ||
	    sim_identity_make(&sim->identity, o->state_dir, err) < 0)
		return np_err_ret(err);
	*ret = np_take(sim);
	return 0;
}

void np_sim_free(struct np_sim *sim)
{
	if (!sim)
		return;
	sim_store_done(&sim->store);
	sim_store_done(&sim->untyped);
	sim_users_done(&sim->users);
	sim_identity_done(&sim->identity);
	sim_faults_done(&sim->faults);
	json_decref(sim->namespaces);
	free(sim->seed);
	free(sim);
}

void np_sim_freep(struct np_sim **sim)
{
	np_sim_free(*sim);
}

struct np_sim_identity np_sim_identity(const struct np_sim *sim)
{
	const struct identity *id = &sim->identity;

	return (struct np_sim_identity){ id->ca_pem, id->cert_pem, id->key_pem };
}

const char *np_sim_token(const struct np_sim *sim, const char *user)
{
	for (size_t i = 0; i < sim->users.n; i++)
		if (strcmp(sim->users.items[i].name, user) == 0)
			return sim->users.items[i].token;
	return NULL;
}
