/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"

/* A request that the test makes itself, without the network. */
struct direct {
	char authorization[256];
	const char *content_type;
};

static const char *find_header(const void *ctx, const char *name)
{
	const struct direct *d = ctx;

	if (strcasecmp(name, "Authorization") == 0)
		return d->authorization;
	return strcasecmp(name, "Content-Type") == 0 ? d->content_type : NULL;
}

/* Called with the lock held. */
static int answer(struct supervisor *s, const struct np_serve_request *req,
		  struct np_serve_reply *reply, struct np_err *err)
{
	if (!capi_handle(&s->capi, req, reply))
		return np_sim_handle(s->sim, req, reply, err);
	if (!s->is_direct)
		json_array_append_new(
			s->log, json_pack("{s:s, s:s}", "method", req->method, "path", req->path));
	return 0;
}

void supervisor_serve_capi(struct supervisor *s)
{
	pthread_mutex_lock(&s->lock);
	s->capi.objects = json_object();
	pthread_mutex_unlock(&s->lock);
}

void supervisor_fail_capi(struct supervisor *s, const char *method, unsigned status, unsigned count)
{
	pthread_mutex_lock(&s->lock);
	s->capi.fail_method = method;
	s->capi.fail_status = status;
	s->capi.fail_count = count;
	pthread_mutex_unlock(&s->lock);
}

/* Returns the status; *ret (may be NULL) is the body as JSON, the caller's. */
static unsigned request(struct supervisor *s, const char *method, const char *path,
			const char *body, json_t **ret)
{
	struct direct d = { .content_type = strcmp(method, "PATCH") == 0
						    ? "application/merge-patch+json"
						    : "application/json" };
	struct np_serve_request req = { .method = method,
					.path = path,
					.query = "",
					.body = body ? body : "",
					.body_size = body ? strlen(body) : 0,
					.find_header = find_header,
					.ctx = &d };
	struct np_serve_reply reply = NP_SERVE_REPLY_INIT;
	struct np_err err = NP_ERR_INIT;
	unsigned status;

	snprintf(d.authorization, sizeof(d.authorization), "Bearer %s",
		 np_sim_token(s->sim, "admin"));
	pthread_mutex_lock(&s->lock);
	s->is_direct = true;
	if (answer(s, &req, &reply, &err) < 0)
		fail_msg("%s %s: %s", method, path, err.text);
	s->is_direct = false;
	pthread_mutex_unlock(&s->lock);
	status = reply.status;
	if (ret)
		*ret = json_loadb(reply.body, reply.body_size, 0, NULL);
	if (status >= 300 && status != 404)
		fail_msg("%s %s: %u %.*s", method, path, status, (int)reply.body_size, reply.body);
	np_serve_reply_done(&reply);
	return status;
}

/* Called with the lock held: every request is handled under it. */
static void keep_log(void *ctx, const char *line)
{
	struct supervisor *s = ctx;

	if (!s->is_direct)
		json_array_append_new(s->log, json_loads(line, 0, NULL));
}

static int handle(void *ctx, const struct np_serve_request *req, struct np_serve_reply *reply,
		  struct np_err *err)
{
	struct supervisor *s = ctx;
	int r;

	pthread_mutex_lock(&s->lock);
	r = answer(s, req, reply, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void *serve(void *ctx)
{
	struct supervisor *s = ctx;
	struct np_err err = NP_ERR_INIT;

	if (np_serve_run(s->server, &err) < 0)
		fail_msg("%s", err.text);
	return NULL;
}

struct np_kube *supervisor_connect(struct supervisor *s, const char *user, uint64_t deadline_ms)
{
	struct np_kube_options o = { .kubeconfig = s->kubeconfig,
				     .context = user,
				     .deadline_ms = deadline_ms };
	struct np_kube_config *config = NULL;
	struct np_kube *k = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_kube_config_load(&o, &config, &err) < 0 || np_kube_new_take(config, &k, &err) < 0)
		fail_msg("%s", err.text);
	return k;
}

static void write_kubeconfig(struct supervisor *s)
{
	char url[64], *config;
	struct np_err err = NP_ERR_INIT;
	int fd;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", (unsigned)np_serve_port(s->server));
	if (np_sim_kubeconfig(s->sim, url, &config, &err) < 0)
		fail_msg("%s", err.text);
	snprintf(s->kubeconfig, sizeof(s->kubeconfig), "/tmp/nodeprep-test-XXXXXX");
	fd = mkstemp(s->kubeconfig);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, config, strlen(config)), strlen(config));
	close(fd);
	free(config);
}

static bool set_identity(const struct supervisor *s, struct np_serve_options *so)
{
	struct np_sim_identity id = np_sim_identity(s->sim);

	so->identity.cert_pem = id.cert_pem;
	so->identity.key_pem = id.key_pem;
	return true;
}

static void start(struct supervisor *s, const char *classes, bool is_old)
{
	struct np_sim_options o = { .log = keep_log, .log_ctx = s, .cluster_scoped = is_old };
	struct np_serve_options so = NP_SERVE_OPTIONS_INIT;
	struct np_err err = NP_ERR_INIT;

	*s = (struct supervisor){ .log = json_array() };
	pthread_mutex_init(&s->lock, NULL);
	so.drain_ms = 1000;
	if (np_sim_new(&o, &s->sim, &err) < 0 ||
	    (classes && np_sim_load(s->sim, "classes", classes, strlen(classes), &err) < 0) ||
	    !set_identity(s, &so) || np_serve_new(&so, handle, s, &s->server, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	write_kubeconfig(s);
	s->kube = supervisor_connect(s, "admin", 20000);
}

void supervisor_start(struct supervisor *s, const char *classes)
{
	start(s, classes, false);
}

void supervisor_start_old(struct supervisor *s, const char *classes)
{
	start(s, classes, true);
}

void supervisor_stop(struct supervisor *s)
{
	np_kube_free(s->kube);
	np_serve_stop(s->server);
	pthread_join(s->thread, NULL);
	np_serve_free(s->server);
	np_sim_free(s->sim);
	json_decref(s->log);
	json_decref(s->capi.objects);
	unlink(s->kubeconfig);
	pthread_mutex_destroy(&s->lock);
}

void supervisor_faults(struct supervisor *s, const char *json)
{
	request(s, "PUT", "/sim/faults", json, NULL);
}

/* Returns the first document of a YAML text as JSON; the caller's. */
static char *to_json(const char *yaml)
{
	struct np_doc_reader *reader;
	struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	char *text;

	if (np_doc_reader_new("object", yaml, strlen(yaml), &reader, &err) < 0 ||
	    np_doc_reader_next(reader, &doc, &err) != 1)
		fail_msg("%s", err.text);
	text = json_dumps(np_doc_root(doc).json, JSON_COMPACT);
	np_doc_unref(doc);
	np_doc_reader_free(reader);
	return text;
}

void supervisor_create(struct supervisor *s, const char *path, const char *yaml)
{
	char *body = to_json(yaml);

	assert_int_equal(request(s, "POST", path, body, NULL), 201);
	free(body);
}

void supervisor_patch(struct supervisor *s, const char *path, const char *json)
{
	assert_int_equal(request(s, "PATCH", path, json, NULL), 200);
}

void supervisor_delete(struct supervisor *s, const char *path)
{
	assert_int_equal(request(s, "DELETE", path, NULL, NULL), 200);
}

json_t *supervisor_get(struct supervisor *s, const char *path)
{
	json_t *object = NULL;

	if (request(s, "GET", path, NULL, &object) == 404) {
		json_decref(object);
		return NULL;
	}
	return object;
}

void supervisor_mark(struct supervisor *s)
{
	pthread_mutex_lock(&s->lock);
	json_array_clear(s->log);
	pthread_mutex_unlock(&s->lock);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

size_t supervisor_count(struct supervisor *s, const char *method)
{
	json_t *entry;
	size_t i, n = 0;

	pthread_mutex_lock(&s->lock);
	json_array_foreach (s->log, i, entry)
		n += !method || strcmp(text_of(entry, "method"), method) == 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

const char *supervisor_writes(struct supervisor *s, char *buf, size_t size)
{
	json_t *entry;
	size_t i, used = 0;

	buf[0] = '\0';
	pthread_mutex_lock(&s->lock);
	json_array_foreach (s->log, i, entry) {
		const char *method = text_of(entry, "method"), *path = text_of(entry, "path");

		if (strcmp(method, "GET") == 0)
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%s%s %s", used > 0 ? ", " : "",
					 method, strrchr(path, '/') + 1);
		if (used >= size)
			fail_msg("more writes than fit: %s", buf);
	}
	pthread_mutex_unlock(&s->lock);
	return buf;
}
