/* SPDX-License-Identifier: Apache-2.0 */
#include "edit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/time.h"

json_t *sim_as_version(json_t *object, const char *version)
{
	json_auto_t *copy = sim_copy_flat(object);

	if (!copy ||
	    json_object_set_new(copy, "apiVersion", json_sprintf(GROUP "/%s", version)) < 0)
		return NULL;
	return np_take(copy);
}

/* --- keeping -------------------------------------------------------------------------------- */

static bool is_same_but_meta(json_t *a, json_t *b)
{
	json_t *one = json_object_get(a, "spec"), *two = json_object_get(b, "spec");

	return one == two || json_equal(one, two);
}

static int set_stored_form(struct edit *e, struct np_err *err)
{
	json_t *status = json_object_get(e->old, "status");

	json_object_del(e->object, "status");
	if ((status && json_object_set(e->object, "status", status) < 0) ||
	    json_object_set_new(e->object, "apiVersion", json_string(STORED_API)) < 0 ||
	    json_object_set_new(e->object, "kind", json_string(KIND)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int answer_object(struct edit *e, unsigned code, json_t *object, struct np_err *err)
{
	json_t *shown = sim_as_version(object, e->call->route.version);

	return sim_answer_json_take(e->call, code, shown, true, err);
}

static int save(struct edit *e, unsigned code, struct np_err *err)
{
	if (!e->is_dry &&
	    sim_store_put_take(&e->call->sim->store, e->key, json_incref(e->object), err) < 0)
		return np_err_ret(err);
	return answer_object(e, code, e->object, err);
}

static int bump_generation(struct edit *e, struct np_err *err)
{
	json_t *meta = json_object_get(e->object, "metadata");
	json_int_t was = json_integer_value(
		json_object_get(json_object_get(e->old, "metadata"), "generation"));

	if (is_same_but_meta(e->old, e->object))
		return 0;
	return json_object_set_new(meta, "generation", json_integer(was + 1)) < 0
		       ? np_fail_nomem(err)
		       : 0;
}

static int replace(struct edit *e, struct np_err *err)
{
	const struct writer w = { e->manager, e->api_version };

	if (sim_edit_keep_meta(e, err) < 0 || set_stored_form(e, err) < 0)
		return np_err_ret(err);
	/* A write without changes is not stored: no new version, no new time of its manager. */
	if (json_equal(e->old, e->object))
		return answer_object(e, 200, e->old, err);
	if (bump_generation(e, err) < 0 ||
	    sim_managed_fields_update(e->old, e->object, &w, err) < 0)
		return np_err_ret(err);
	return save(e, 200, err);
}

/* Checks an update in the real server's order, then keeps it. */
static int update(struct edit *e, struct np_err *err)
{
	static int (*const steps[])(struct edit *, struct np_err *) = {
		sim_edit_prune,         sim_edit_check_meta_types, sim_edit_check_identity,
		sim_edit_check_version, sim_edit_validate,         replace,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !e->is_done; i++)
		if (steps[i](e, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* --- the verbs ------------------------------------------------------------------------------ */

static int refuse_undecodable(struct edit *e, const char *why, struct np_err *err)
{
	const struct np_serve_request *req = e->call->req;
	size_t size = req->body_size < ECHO_MAX ? req->body_size : ECHO_MAX;
	const char *body = size > 0 ? req->body : "<empty>";

	e->is_done = true;
	return sim_refuse(e->call, err, 400, "BadRequest", NULL,
			  "the object provided is unrecognized (must be of type " KIND
			  "): %s (%.*s)",
			  why, size > 0 ? (int)size : (int)strlen(body), body);
}

/* Reads the body of a create or an update. */
static int decode_object(struct edit *e, struct np_err *err)
{
	NP_AUTO(np_freep) char *why = NULL;
	const char *missing = NULL;
	int n = 0;

	if (sim_decode_json(e->call->req->body, e->call->req->body_size, &e->body, err) < 0)
		return np_err_ret(err);
	if (!e->body.json)
		n = asprintf(&why, "couldn't get version/kind; json parse error: %s",
			     e->body.error);
	else if (!json_string_value(json_object_get(e->body.json, "kind")))
		missing = "Kind";
	else if (!json_string_value(json_object_get(e->body.json, "apiVersion")))
		missing = "apiVersion";
	if (missing)
		n = asprintf(&why, "Object '%s' is missing in '%.*s'", missing,
			     (int)(e->call->req->body_size < ECHO_MAX ? e->call->req->body_size
								      : ECHO_MAX),
			     e->call->req->body);
	if (n < 0) {
		why = NULL;
		return np_fail_nomem(err);
	}
	if (why)
		return refuse_undecodable(e, why, err);
	e->object = json_deep_copy(e->body.json);
	return e->object ? 0 : np_fail_nomem(err);
}

static int check_api_version(struct edit *e, struct np_err *err)
{
	const char *given = json_string_value(json_object_get(e->object, "apiVersion"));

	if (strcmp(given, e->api_version) == 0)
		return 0;
	e->is_done = true;
	return sim_refuse(
		e->call, err, 400, "BadRequest", NULL,
		"the API version in the data (%s) does not match the expected API version "
		"(%s)",
		given, e->api_version);
}

static int set_first_meta(struct edit *e, struct np_err *err)
{
	json_t *meta = json_object_get(e->object, "metadata");
	char uid[UID_TEXT_MAX], now[NP_TIME_TEXT_MAX];

	if (sim_random_uid(uid, err) < 0)
		return np_err_ret(err);
	np_time_now(now);
	json_object_del(meta, "managedFields");
	json_object_del(meta, "resourceVersion");
	json_object_del(meta, "selfLink");
	if (*e->call->route.ns &&
	    json_object_set_new(meta, "namespace", json_string(e->call->route.ns)) < 0)
		return np_fail_nomem(err);
	if (json_object_set_new(meta, "uid", json_string(uid)) < 0 ||
	    json_object_set_new(meta, "creationTimestamp", json_string(now)) < 0 ||
	    json_object_set_new(meta, "generation", json_integer(1)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int insert(struct edit *e, struct np_err *err)
{
	const struct writer w = { e->manager, e->api_version };

	free(e->key);
	if (asprintf(&e->key, "%s/%s", e->call->route.ns, np_json_meta_text(e->object, "name")) <
	    0) {
		e->key = NULL;
		return np_fail_nomem(err);
	}
	if (sim_store_find(&e->call->sim->store, e->key)) {
		e->call->route.name = np_json_meta_text(e->object, "name");
		return sim_refuse(e->call, err, 409, "AlreadyExists",
				  sim_details_of(e->call->route.name, GROUP, PLURAL),
				  PLURAL "." GROUP " \"%s\" already exists", e->call->route.name);
	}
	if (set_first_meta(e, err) < 0 || set_stored_form(e, err) < 0 ||
	    sim_managed_fields_update(NULL, e->object, &w, err) < 0)
		return np_err_ret(err);
	return save(e, 201, err);
}

static int require_namespace(struct edit *e, struct np_err *err)
{
	const char *ns = e->call->route.ns;

	if (e->call->sim->cluster_scoped || sim_has_namespace(e->call->sim, ns))
		return 0;
	e->is_done = true;
	return sim_refuse(e->call, err, 404, "NotFound", sim_details_of(ns, NULL, "namespaces"),
			  "namespaces \"%s\" not found", ns);
}

static int create(struct edit *e, struct np_err *err)
{
	static int (*const steps[])(struct edit *, struct np_err *) = {
		decode_object,
		check_api_version,
		sim_edit_prune,
		sim_edit_check_meta_types,
		sim_edit_check_namespace,
		require_namespace,
		sim_edit_validate,
		insert,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !e->is_done; i++)
		if (steps[i](e, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int put(struct edit *e, struct np_err *err)
{
	if (decode_object(e, err) < 0 || (!e->is_done && check_api_version(e, err) < 0))
		return np_err_ret(err);
	return e->is_done ? 0 : update(e, err);
}

/* No other patch is implemented here, since nothing sends one. */
static bool is_merge_patch(const struct call *c)
{
	static const char type[] = "application/merge-patch+json";
	const char *given = np_serve_header(c->req, "Content-Type");
	size_t size = given ? strcspn(given, "; ") : 0;

	return size == strlen(type) && strncmp(given, type, size) == 0;
}

/* Says what Go's decoder does about a patch that is none; NULL for a good one. */
static const char *find_patch_error(const struct decoded *d, char *buf, size_t size)
{
	if (!d->json)
		snprintf(buf, size, "error decoding patch: %s", d->error);
	else if (json_is_null(d->json))
		snprintf(buf, size, "Invalid JSON Patch");
	else if (!json_is_object(d->json))
		snprintf(buf, size,
			 "error decoding patch: json: cannot unmarshal %s into Go value of type "
			 "map[string]interface {}",
			 sim_json_kind(d->json));
	else
		return NULL;
	return buf;
}

static int apply_patch(struct edit *e, struct np_err *err)
{
	json_auto_t *shown = sim_as_version(e->old, e->call->route.version);
	json_auto_t *whole = shown ? json_deep_copy(shown) : NULL;
	json_auto_t *merged = whole ? sim_merge_patch(whole, e->body.json) : NULL;

	if (!merged)
		return np_fail_nomem(err);
	/* Deep, since a merge shares what it leaves with the stored object. */
	e->object = json_deep_copy(merged);
	return e->object ? update(e, err) : np_fail_nomem(err);
}

static int patch(struct edit *e, struct np_err *err)
{
	char text[256];

	if (!is_merge_patch(e->call))
		return sim_refuse(
			e->call, err, 415, "UnsupportedMediaType", NULL,
			"the body of the request was in an unknown format - accepted media "
			"types include: application/json-patch+json, "
			"application/merge-patch+json, application/apply-patch+yaml");
	if (sim_decode_json(e->call->req->body, e->call->req->body_size, &e->body, err) < 0)
		return np_err_ret(err);
	if (find_patch_error(&e->body, text, sizeof(text)))
		return sim_refuse(e->call, err, 400, "BadRequest", NULL, "%s", text);
	return apply_patch(e, err);
}

/* Checks the preconditions, the UID first (seen on Kubernetes 1.34). Returns 1 where one fails. */
static int check_conditions(struct edit *e, const json_t *conditions, struct np_err *err)
{
	static const struct {
		const char *key, *name, *guess;
	} rows[] = {
		{ "uid", "UID", "The object might have been deleted and then recreated" },
		{ "resourceVersion", "ResourceVersion", "The object might have been modified" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *want = json_string_value(json_object_get(conditions, rows[i].key));
		const char *have = np_json_meta_text(e->old, rows[i].key);
		int r;

		if (!want || strcmp(want, have) == 0)
			continue;
		r = sim_refuse(e->call, err, 409, "Conflict",
			       sim_details_of(e->call->route.name, GROUP, KIND),
			       "Operation cannot be fulfilled on " KIND "." GROUP
			       " \"%s\": the %s in the precondition (%s) does not match the %s in "
			       "record (%s). %s",
			       e->call->route.name, rows[i].name, want, rows[i].name, have,
			       rows[i].guess);
		return r < 0 ? r : 1;
	}
	return 0;
}

/* Reads the DeleteOptions that may be the body. */
static int read_options(struct edit *e, struct np_err *err)
{
	if (e->call->req->body_size == 0)
		return 0;
	if (sim_decode_json(e->call->req->body, e->call->req->body_size, &e->body, err) < 0)
		return np_err_ret(err);
	e->is_dry = e->is_dry || json_array_size(json_object_get(e->body.json, "dryRun")) > 0;
	return 0;
}

static int delete (struct edit *e, struct np_err *err)
{
	const struct route *r = &e->call->route;
	int refused;
	json_auto_t *last = json_incref(e->old);
	json_auto_t *gone = NULL;
	json_t *status;

	if (read_options(e, err) < 0)
		return np_err_ret(err);
	refused = check_conditions(e, json_object_get(e->body.json, "preconditions"), err);
	if (refused != 0)
		return refused < 0 ? refused : 0;
	status = json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s, s:s}}", "kind", "Status",
			   "apiVersion", "v1", "metadata", "status", "Success", "details", "name",
			   r->name, "group", GROUP, "kind", PLURAL, "uid",
			   np_json_meta_text(last, "uid"));
	if (!status)
		return np_fail_nomem(err);
	if (!e->is_dry && sim_store_remove(&e->call->sim->store, e->key, &gone, err) < 0) {
		json_decref(status);
		return np_err_ret(err);
	}
	return sim_answer_json_take(e->call, 200, status, false, err);
}

static int get(struct edit *e, struct np_err *err)
{
	return answer_object(e, 200, e->old, err);
}

static const struct verb {
	const char *name;
	int (*run)(struct edit *e, struct np_err *err);
	bool is_new; /* the object is not there yet */
} verbs[] = {
	{ "create", create, true }, { "delete", delete, false }, { "get", get, false },
	{ "patch", patch, false },  { "update", put, false },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int check_route(struct call *c, bool is_create, bool *ret_done, struct np_err *err)
{
	const struct route *r = &c->route;

	*ret_done = true;
	if (!is_create && !*r->name)
		return sim_refuse(c, err, 400, "BadRequest", NULL, "name must be provided");
	if (*r->ns && !sim_is_dns_label(r->ns))
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "invalid namespace \"%s\": a lowercase RFC 1123 label is needed",
				  r->ns);
	if (!*r->ns && !c->sim->cluster_scoped)
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "an empty namespace may not be set during creation");
	*ret_done = false;
	return 0;
}

int sim_answer_class(struct call *c, struct np_err *err)
{
	NP_AUTO(sim_edit_done) struct edit e = { .call = c };
	const struct verb *verb = find_verb(c->verb);
	bool is_done;

	if (!verb)
		return sim_refuse(
			c, err, 405, "MethodNotAllowed", sim_details_of(NULL, GROUP, PLURAL),
			"%s is not supported on resources of kind \"" PLURAL "." GROUP "\"",
			c->verb);
	if (check_route(c, verb->is_new, &is_done, err) < 0 || is_done)
		return is_done ? 0 : np_err_ret(err);
	if (sim_edit_begin(&e, c, err) < 0 || e.is_done)
		return e.is_done ? 0 : np_err_ret(err);
	e.old = verb->is_new ? NULL : sim_store_find(&c->sim->store, e.key);
	if (!verb->is_new && !e.old)
		return sim_refuse_not_found(c, err);
	return verb->run(&e, err);
}

/* --- the fault that writes ------------------------------------------------------------------ */

static int add_entry(json_t *object, const struct fault *f)
{
	json_t *spec = json_object_get(object, "spec");
	json_t *config = json_object_get(spec, "configSpec");
	const char *key = json_string_value(json_object_get(f->spec, "key"));
	json_t *list, *entry;

	/*
	 * A configSpec of its own would hide the devices under hardware, so it is created only on
	 * demand.
	 */
	if (!spec || (!key && !config))
		return 0;
	if (!config && json_object_set_new(spec, "configSpec", config = json_object()) < 0)
		return -1;
	list = json_object_get(config, "extraConfig");
	if (!list && json_object_set_new(config, "extraConfig", list = json_array()) < 0)
		return -1;
	entry = json_pack("{s:s, s:s, s:{s:s, s:s}}", "_typeName", "OptionValue", "key",
			  key ? key : "sim.concurrent", "value", "_typeName", "string", "_value",
			  "1");
	return json_array_append_new(list, entry);
}

static int add_label(json_t *object, uint64_t version)
{
	json_t *meta = json_object_get(object, "metadata");
	json_t *labels = json_object_get(meta, "labels");

	if (!labels && json_object_set_new(meta, "labels", labels = json_object()) < 0)
		return -1;
	return json_object_set_new(labels, "nodeprep-sim/concurrent",
				   json_sprintf("%" PRIu64, version));
}

int sim_write_concurrently(struct call *c, const struct fault *f, struct np_err *err)
{
	struct store *s = &c->sim->store;
	const struct writer w = { "concurrent-writer", STORED_API };
	NP_AUTO(sim_edit_done) struct edit e = { .call = c };

	if (asprintf(&e.key, "%s/%s", c->route.ns, c->route.name) < 0) {
		e.key = NULL;
		return np_fail_nomem(err);
	}
	e.old = sim_store_find(s, e.key);
	if (!e.old)
		return 0;
	e.object = json_deep_copy(e.old);
	if (!e.object || add_label(e.object, s->version + 1) < 0 || add_entry(e.object, f) < 0)
		return np_fail_nomem(err);
	if (bump_generation(&e, err) < 0 || sim_managed_fields_update(e.old, e.object, &w, err) < 0)
		return np_err_ret(err);
	return sim_store_put_take(s, e.key, json_incref(e.object), err);
}
