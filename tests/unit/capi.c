/* SPDX-License-Identifier: Apache-2.0 */
#include "capi.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/vmclass.h"

#define VERSION "v1beta1"

static const struct group {
	const char *name, *plural;
} groups[] = {
	{ "cluster.x-k8s.io", "machinedeployments" },
	{ "infrastructure.cluster.x-k8s.io", "vspheremachinetemplates" },
};

static const struct group *find_group(const char *path, const char **ret_rest)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		size_t n = strlen(groups[i].name);

		if (strncmp(path, "/apis/", 6) != 0 || strncmp(path + 6, groups[i].name, n) != 0 ||
		    (path[6 + n] != '/' && path[6 + n] != '\0'))
			continue;
		*ret_rest = path + 6 + n;
		return &groups[i];
	}
	return NULL;
}

static void reply_take(struct np_serve_reply *reply, unsigned status, json_t *body)
{
	reply->status = status;
	reply->body = json_dumps(body, JSON_COMPACT);
	reply->body_size = strlen(reply->body);
	json_decref(body);
}

static void reply_status(struct np_serve_reply *reply, unsigned status, const char *reason)
{
	reply_take(reply, status,
		   json_pack("{s:s, s:s, s:s, s:s, s:s, s:i}", "kind", "Status", "apiVersion", "v1",
			     "status", "Failure", "reason", reason, "message", reason, "code",
			     (int)status));
}

static void set_version(struct capi *c, json_t *object)
{
	json_object_set_new(json_object_get(object, "metadata"), "resourceVersion",
			    json_sprintf("%u", ++c->version));
}

static void create(struct capi *c, const struct np_serve_request *req, struct np_serve_reply *reply)
{
	json_t *body = json_loadb(req->body, req->body_size, 0, NULL);
	const json_t *metadata = json_object_get(body, "metadata");
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", req->path,
		 json_string_value(json_object_get(metadata, "name")));
	if (json_object_get(c->objects, path)) {
		json_decref(body);
		reply_status(reply, 409, "AlreadyExists");
		return;
	}
	set_version(c, body);
	if (!strstr(req->query, "dryRun"))
		json_object_set(c->objects, path, body);
	reply_take(reply, 201, body);
}

static void patch(struct capi *c, const struct np_serve_request *req, struct np_serve_reply *reply)
{
	json_t *patch = json_loadb(req->body, req->body_size, 0, NULL);
	json_t *after = np_vmclass_patched(json_object_get(c->objects, req->path), patch);

	json_decref(patch);
	set_version(c, after);
	if (!strstr(req->query, "dryRun"))
		json_object_set(c->objects, req->path, after);
	reply_take(reply, 200, after);
}

static void answer_object(struct capi *c, const struct np_serve_request *req,
			  struct np_serve_reply *reply)
{
	json_t *object = json_object_get(c->objects, req->path);

	if (c->fail_count > 0 && strcmp(c->fail_method, req->method) == 0) {
		c->fail_count--;
		reply_status(reply, c->fail_status,
			     c->fail_status == 409 ? "Conflict" : "Forbidden");
	} else if (strcmp(req->method, "POST") == 0) {
		create(c, req, reply);
	} else if (!object) {
		reply_status(reply, 404, "NotFound");
	} else if (strcmp(req->method, "PATCH") == 0) {
		patch(c, req, reply);
	} else {
		reply_take(reply, 200, json_incref(object));
	}
}

bool capi_handle(struct capi *c, const struct np_serve_request *req, struct np_serve_reply *reply)
{
	const char *rest = NULL;
	const struct group *group = find_group(req->path, &rest);

	if (!group || !c->objects)
		return false;
	if (*rest == '\0')
		reply_take(reply, 200,
			   json_pack("{s:s, s:s, s:[{s:s}], s:{s:s}}", "kind", "APIGroup", "name",
				     group->name, "versions", "version", VERSION,
				     "preferredVersion", "version", VERSION));
	else if (strcmp(rest, "/" VERSION) == 0)
		reply_take(reply, 200,
			   json_pack("{s:s, s:[{s:s, s:b}]}", "kind", "APIResourceList",
				     "resources", "name", group->plural, "namespaced", true));
	else
		answer_object(c, req, reply);
	return true;
}
