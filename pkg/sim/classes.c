/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/units.h"

enum {
	ANNOTATIONS_MAX = 256 << 10,
	ECHO_MAX = 1024, /* bytes of a body that a message repeats */
	MANAGER_MAX = 128,
};

/* What a writing request asks for besides its body. */
struct edit {
	struct call *call;
	char *manager;
	char *validation; /* Strict, Warn, Ignore; NULL: Warn */
	char *api_version; /* of the request's path */
	char *key;
	bool is_dry;
	bool is_done; /* the answer stands already */
	struct decoded body;
	json_t *old; /* borrowed; NULL where it is created */
	json_t *object; /* what it is to become */
	json_t *unknown; /* warnings of pruning */
};

static void edit_done(struct edit *e)
{
	free(e->manager);
	free(e->validation);
	free(e->api_version);
	free(e->key);
	decoded_done(&e->body);
	json_decref(e->object);
	json_decref(e->unknown);
}

const char *meta_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

json_t *as_version(json_t *object, const char *version)
{
	NP_AUTO(json_decrefp) json_t *copy = json_copy(object);

	if (!copy ||
	    json_object_set_new(copy, "apiVersion", json_sprintf(GROUP "/%s", version)) < 0)
		return NULL;
	return np_take(copy);
}

/* --- what every writing request has --------------------------------------------------------- */

/* Refuses with one cause. */
static int refuse_for(struct edit *e, const struct subject *who, const char *reason,
		      const char *field, const char *message, struct np_err *err)
{
	json_t *causes = json_array();

	e->is_done = true;
	if (!causes)
		return np_fail_nomem(err);
	if (add_cause(causes, err, reason, field, "%s", message) < 0) {
		json_decref(causes);
		return -(int)err->code;
	}
	return refuse_invalid(e->call, who, causes, err);
}

static int check_validation(struct edit *e, struct np_err *err)
{
	static const char *const known[] = { "Ignore", "Strict", "Warn" };
	struct subject who = { "PatchOptions", "meta.k8s.io", "" };
	NP_AUTO(np_freep) char *message = NULL;
	NP_AUTO(np_freep) char *quoted = NULL;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!e->validation || strcmp(e->validation, known[i]) == 0)
			return 0;
	if (strcmp(e->call->verb, "patch") != 0)
		who.kind = strcmp(e->call->verb, "create") == 0 ? "CreateOptions" : "UpdateOptions";
	quoted = go_quote(e->validation);
	if (!quoted ||
	    asprintf(&message,
		     "Unsupported value: %s: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
		     quoted) < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	return refuse_for(e, &who, "FieldValueNotSupported", "fieldValidation", message, err);
}

/* A writer that gives no name is called as its program, up to the '/'. */
static int read_manager(struct edit *e, struct np_err *err)
{
	const char *agent = np_serve_header(e->call->req, "User-Agent");

	e->manager = query_get(e->call->req->query, "fieldManager");
	if (!e->manager)
		e->manager = strndup(agent ? agent : "unknown",
				     agent ? strcspn(agent, "/") : strlen("unknown"));
	if (!e->manager)
		return np_fail_nomem(err);
	if (strlen(e->manager) > MANAGER_MAX)
		e->manager[MANAGER_MAX] = '\0';
	return 0;
}

static int edit_begin(struct edit *e, struct call *c, struct np_err *err)
{
	NP_AUTO(np_freep) char *dry = query_get(c->req->query, "dryRun");
	const struct route *r = &c->route;

	e->call = c;
	e->is_dry = dry && strcmp(dry, "All") == 0;
	e->validation = query_get(c->req->query, "fieldValidation");
	e->unknown = json_array();
	if (!e->unknown || asprintf(&e->api_version, "%s/%s", r->group, r->version) < 0)
		return np_fail_nomem(err);
	if (read_manager(e, err) < 0 || check_validation(e, err) < 0)
		return -(int)err->code;
	if (asprintf(&e->key, "%s/%s", r->ns, r->name) < 0) {
		e->key = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

static bool is_strict(const struct edit *e)
{
	return e->validation && strcmp(e->validation, "Strict") == 0;
}

/* Sets *ret to `unknown field "a", duplicate field "b"`. */
static int join_unknown(const struct edit *e, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	const json_t *item;
	size_t i;

	json_array_foreach(e->unknown, i, item) {
		NP_AUTO(np_freep) char *before = np_take(text);

		if (asprintf(&text, "%s%s%s", before ? before : "", before ? ", " : "",
			     json_string_value(item)) < 0) {
			text = NULL;
			return np_fail_nomem(err);
		}
	}
	*ret = np_take(text);
	return 0;
}

/* The whole object stands in the message of a patch that decodes to nonsense. */
static int refuse_echo(struct edit *e, json_t *echo, const char *why, struct np_err *err)
{
	static const struct subject nobody = { "", "", "" };
	NP_AUTO(np_freep) char *dumped = go_dump(echo, true);
	NP_AUTO(np_freep) char *quoted = dumped ? go_quote(dumped) : NULL;
	NP_AUTO(np_freep) char *message = NULL;

	if (!quoted || asprintf(&message, "Invalid value: %s: %s", quoted, why) < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	return refuse_for(e, &nobody, "FieldValueInvalid", "patch", message, err);
}

static int refuse_strict(struct edit *e, json_t *echo, struct np_err *err)
{
	NP_AUTO(np_freep) char *list = NULL;
	NP_AUTO(np_freep) char *why = NULL;

	if (join_unknown(e, &list, err) < 0)
		return -(int)err->code;
	if (asprintf(&why, "strict decoding error: %s", list) < 0) {
		why = NULL;
		return np_fail_nomem(err);
	}
	if (strcmp(e->call->verb, "patch") == 0)
		return refuse_echo(e, echo, why, err);
	e->is_done = true;
	return refuse(e->call, err, 400, "BadRequest", NULL,
		      KIND " in version \"%s\" cannot be handled as a " KIND ": %s",
		      e->call->route.version, why);
}

static int warn_unknown(struct edit *e, struct np_err *err)
{
	const json_t *item;
	size_t i;

	if (e->validation && strcmp(e->validation, "Ignore") == 0)
		return 0;
	json_array_foreach(e->unknown, i, item)
		if (add_warning(e->call, json_string_value(item), err) < 0)
			return -(int)err->code;
	return 0;
}

/* Drops what the schema does not know: Strict refuses it, else the client is warned. */
static int prune(struct edit *e, struct np_err *err)
{
	NP_AUTO(json_decrefp) json_t *echo = json_deep_copy(e->object);
	const json_t *path;
	size_t i;

	if (!echo)
		return np_fail_nomem(err);
	json_array_foreach(e->body.twice, i, path)
		if (json_array_append_new(e->unknown, json_sprintf("duplicate field \"%s\"",
								   json_string_value(path))) < 0)
			return np_fail_nomem(err);
	if (schema_prune(e->object, e->unknown, err) < 0)
		return -(int)err->code;
	if (is_strict(e) && json_array_size(e->unknown) > 0)
		return refuse_strict(e, echo, err);
	return warn_unknown(e, err);
}

/* --- metadata ------------------------------------------------------------------------------- */

static const char *json_kind(const json_t *j)
{
	return json_is_string(j)  ? "string" :
	       json_is_array(j)	  ? "array" :
	       json_is_object(j)  ? "object" :
	       json_is_boolean(j) ? "bool" :
				    "number";
}

/* Finds what Go's decoder of ObjectMeta would stumble over; *ret is its text, NULL for nothing. */
static int find_mistyped(json_t *meta, char **ret, struct np_err *err)
{
	static const char *const maps[] = { "annotations", "labels" };
	const char *key;
	json_t *value;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		json_object_foreach(json_object_get(meta, maps[i]), key, value)
			if (!json_is_string(value) &&
			    asprintf(ret,
				     "json: cannot unmarshal %s into Go struct field ObjectMeta.%s "
				     "of type string",
				     json_kind(value), maps[i]) < 0) {
				*ret = NULL;
				return np_fail_nomem(err);
			}
	return 0;
}

static int check_meta_types(struct edit *e, struct np_err *err)
{
	NP_AUTO(np_freep) char *why = NULL;
	json_t *meta = json_object_get(e->object, "metadata");

	if (find_mistyped(meta, &why, err) < 0)
		return -(int)err->code;
	if (!why && json_is_object(meta))
		return 0;
	if (strcmp(e->call->verb, "patch") == 0)
		return refuse_echo(e, e->object, why ? why : "json: cannot unmarshal ObjectMeta",
				   err);
	e->is_done = true;
	return refuse(e->call, err, 400, "BadRequest", NULL,
		      "the object provided is unrecognized (must be of type " KIND "): %s",
		      why ? why : "metadata is no object");
}

/* Labels and annotations are looked at by several layers of a real server, each adding its causes. */
static int check_labels(json_t *labels, json_t *causes, unsigned times, struct np_err *err)
{
	static const char rule[] =
		"a valid label must be an empty string or consist of alphanumeric characters, "
		"'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
		"'MyValue',  or 'my_value',  or '12345', regex used for validation is "
		"'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
	const char *key;
	json_t *value;

	json_object_foreach(labels, key, value) {
		NP_AUTO(np_freep) char *quoted = go_quote(json_string_value(value));

		if (!quoted)
			return np_fail_nomem(err);
		for (unsigned i = 0; !is_label_value(json_string_value(value)) && i < times; i++)
			if (add_cause(causes, err, "FieldValueInvalid", "metadata.labels",
				      "Invalid value: %s: %s", quoted, rule) < 0)
				return -(int)err->code;
	}
	return 0;
}

static int check_annotations(json_t *annotations, json_t *causes, unsigned times,
			     struct np_err *err)
{
	size_t size = 0;
	const char *key;
	json_t *value;

	json_object_foreach(annotations, key, value)
		size += strlen(key) + json_string_length(value);
	for (unsigned i = 0; size > ANNOTATIONS_MAX && i < times; i++)
		if (add_cause(causes, err, "FieldValueTooLong", "metadata.annotations",
			      "Too long: may not be more than %d bytes", ANNOTATIONS_MAX) < 0)
			return -(int)err->code;
	return 0;
}

static int check_uid(const struct edit *e, json_t *causes, struct np_err *err)
{
	const char *was = meta_text(e->old, "uid"), *is = meta_text(e->object, "uid");
	NP_AUTO(np_freep) char *quoted = NULL;

	if (!e->old || !is || strcmp(was, is) == 0)
		return 0;
	quoted = go_quote(is);
	if (!quoted)
		return np_fail_nomem(err);
	for (unsigned i = 0; i < 2; i++)
		if (add_cause(causes, err, "FieldValueInvalid", "metadata.uid",
			      "Invalid value: %s: field is immutable", quoted) < 0)
			return -(int)err->code;
	return 0;
}

static int check_name(const struct edit *e, json_t *causes, struct np_err *err)
{
	static const char rule[] =
		"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
		"characters, '-' or '.', and must start and end with an alphanumeric character "
		"(e.g. 'example.com', regex used for validation is "
		"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
	const char *name = meta_text(e->object, "name");
	NP_AUTO(np_freep) char *quoted = NULL;

	if (e->old)
		return 0;
	if (!name || !*name)
		return add_cause(causes, err, "FieldValueRequired", "metadata.name",
				 "Required value: name or generateName is required");
	if (is_dns_subdomain(name))
		return 0;
	quoted = go_quote(name);
	if (!quoted)
		return np_fail_nomem(err);
	return add_cause(causes, err, "FieldValueInvalid", "metadata.name",
			 "Invalid value: %s: %s", quoted, rule);
}

static int check_type_meta(const struct edit *e, json_t *causes, struct np_err *err)
{
	const char *kind = json_string_value(json_object_get(e->object, "kind"));
	const char *api = json_string_value(json_object_get(e->object, "apiVersion"));

	if (kind && strcmp(kind, KIND) != 0 &&
	    add_cause(causes, err, "FieldValueInvalid", "kind",
		      "Invalid value: \"%s\": must be " KIND, kind) < 0)
		return -(int)err->code;
	if (api && strcmp(api, e->api_version) != 0 &&
	    add_cause(causes, err, "FieldValueInvalid", "apiVersion",
		      "Invalid value: \"%s\": must be %s", api, e->api_version) < 0)
		return -(int)err->code;
	return 0;
}

static int collect_causes(const struct edit *e, json_t *causes, struct np_err *err)
{
	json_t *meta = json_object_get(e->object, "metadata");
	unsigned times = e->old ? 3 : 2;

	if (check_type_meta(e, causes, err) < 0 || check_name(e, causes, err) < 0 ||
	    check_uid(e, causes, err) < 0 ||
	    check_annotations(json_object_get(meta, "annotations"), causes, times, err) < 0 ||
	    check_labels(json_object_get(meta, "labels"), causes, times, err) < 0)
		return -(int)err->code;
	return schema_check(e->object, e->call->route.version, causes, err);
}

static int validate(struct edit *e, struct np_err *err)
{
	const char *kind = json_string_value(json_object_get(e->object, "kind"));
	const char *name = meta_text(e->object, "name");
	const struct subject who = { kind ? kind : KIND, GROUP, name ? name : "" };
	NP_AUTO(json_decrefp) json_t *causes = json_array();

	if (!causes)
		return np_fail_nomem(err);
	if (collect_causes(e, causes, err) < 0)
		return -(int)err->code;
	if (json_array_size(causes) == 0)
		return 0;
	e->is_done = true;
	return refuse_invalid(e->call, &who, np_take(causes), err);
}

static int check_namespace(struct edit *e, struct np_err *err)
{
	const char *ns = meta_text(e->object, "namespace");

	if (!ns || !*ns || strcmp(ns, e->call->route.ns) == 0)
		return 0;
	e->is_done = true;
	return refuse(e->call, err, 400, "BadRequest", NULL,
		      "the namespace of the provided object does not match the namespace sent on "
		      "the request");
}

static int check_identity(struct edit *e, struct np_err *err)
{
	const char *name = meta_text(e->object, "name");

	if (name && strcmp(name, e->call->route.name) != 0) {
		e->is_done = true;
		return refuse(e->call, err, 400, "BadRequest", NULL,
			      "the name of the object (%s) does not match the name on the URL (%s)",
			      name, e->call->route.name);
	}
	return check_namespace(e, err);
}

/* A version in the body is a precondition; an update without one is refused. */
static int check_version(struct edit *e, struct np_err *err)
{
	const struct subject who = { PLURAL, GROUP, e->call->route.name };
	const char *given = meta_text(e->object, "resourceVersion");
	struct np_err ignored = NP_ERR_INIT;
	uint64_t version = 0;

	if (given && *given && np_u64_parse(given, 0, UINT64_MAX, &version, &ignored) < 0) {
		e->is_done = true;
		return refuse(e->call, err, 500, NULL, NULL,
			      "strconv.ParseUint: parsing \"%s\": invalid syntax", given);
	}
	if (version == 0)
		return refuse_for(e, &who, "FieldValueInvalid", "metadata.resourceVersion",
				  "Invalid value: 0: must be specified for an update", err);
	if (strcmp(given, meta_text(e->old, "resourceVersion")) == 0)
		return 0;
	e->is_done = true;
	return refuse_conflict(e->call, err);
}

/* --- keeping -------------------------------------------------------------------------------- */

/* What a user's request cannot set stays as it was. */
static int keep_meta(struct edit *e, struct np_err *err)
{
	static const char *const kept[] = { "creationTimestamp", "generation", "managedFields",
					    "namespace", "uid" };
	json_t *old = json_object_get(e->old, "metadata");
	json_t *meta = json_object_get(e->object, "metadata");
	static const char *const maps[] = { "annotations", "labels" };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(old, kept[i]);

		json_object_del(meta, kept[i]);
		if (value && json_object_set(meta, kept[i], value) < 0)
			return np_fail_nomem(err);
	}
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (json_object_size(json_object_get(meta, maps[i])) == 0)
			json_object_del(meta, maps[i]);
	json_object_del(meta, "selfLink");
	return 0;
}

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
	json_t *shown = as_version(object, e->call->route.version);

	return answer_json_take(e->call, code, shown, true, err);
}

static int save(struct edit *e, unsigned code, struct np_err *err)
{
	if (!e->is_dry &&
	    store_put_take(&e->call->sim->store, e->key, json_incref(e->object), err) < 0)
		return -(int)err->code;
	return answer_object(e, code, e->object, err);
}

static int bump_generation(struct edit *e, struct np_err *err)
{
	json_t *meta = json_object_get(e->object, "metadata");
	json_int_t was = json_integer_value(
		json_object_get(json_object_get(e->old, "metadata"), "generation"));

	if (is_same_but_meta(e->old, e->object))
		return 0;
	return json_object_set_new(meta, "generation", json_integer(was + 1)) < 0 ?
		       np_fail_nomem(err) :
		       0;
}

static int replace(struct edit *e, struct np_err *err)
{
	const struct writer w = { e->manager, e->api_version };

	if (keep_meta(e, err) < 0 || set_stored_form(e, err) < 0)
		return -(int)err->code;
	/* A write that changes nothing is none: no new version, no new time of its manager. */
	if (json_equal(e->old, e->object))
		return answer_object(e, 200, e->old, err);
	if (bump_generation(e, err) < 0 || fields_update(e->old, e->object, &w, err) < 0)
		return -(int)err->code;
	return save(e, 200, err);
}

/* Checks an update in the real server's order, then keeps it. */
static int update(struct edit *e, struct np_err *err)
{
	static int (*const steps[])(struct edit *, struct np_err *) = {
		prune, check_meta_types, check_identity, check_version, validate, replace,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !e->is_done; i++)
		if (steps[i](e, err) < 0)
			return -(int)err->code;
	return 0;
}

/* --- the verbs ------------------------------------------------------------------------------ */

static int refuse_undecodable(struct edit *e, const char *why, struct np_err *err)
{
	const struct np_serve_request *req = e->call->req;
	size_t size = req->body_size < ECHO_MAX ? req->body_size : ECHO_MAX;
	const char *body = size > 0 ? req->body : "<empty>";

	e->is_done = true;
	return refuse(e->call, err, 400, "BadRequest", NULL,
		      "the object provided is unrecognized (must be of type " KIND "): %s (%.*s)",
		      why, size > 0 ? (int)size : (int)strlen(body), body);
}

/* Reads the body of a create or an update. */
static int decode_object(struct edit *e, struct np_err *err)
{
	NP_AUTO(np_freep) char *why = NULL;
	const char *missing = NULL;
	int n = 0;

	if (decode(e->call->req->body, e->call->req->body_size, &e->body, err) < 0)
		return -(int)err->code;
	if (!e->body.json)
		n = asprintf(&why, "couldn't get version/kind; json parse error: %s",
			     e->body.error);
	else if (!json_string_value(json_object_get(e->body.json, "kind")))
		missing = "Kind";
	else if (!json_string_value(json_object_get(e->body.json, "apiVersion")))
		missing = "apiVersion";
	if (missing)
		n = asprintf(&why, "Object '%s' is missing in '%.*s'", missing,
			     (int)(e->call->req->body_size < ECHO_MAX ? e->call->req->body_size :
									ECHO_MAX),
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
	return refuse(e->call, err, 400, "BadRequest", NULL,
		      "the API version in the data (%s) does not match the expected API version "
		      "(%s)",
		      given, e->api_version);
}

static int set_first_meta(struct edit *e, struct np_err *err)
{
	json_t *meta = json_object_get(e->object, "metadata");
	char uid[UID_TEXT_MAX], now[TIME_TEXT_MAX];

	if (random_uid(uid, err) < 0)
		return -(int)err->code;
	time_text(time(NULL), now);
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
	if (asprintf(&e->key, "%s/%s", e->call->route.ns, meta_text(e->object, "name")) < 0) {
		e->key = NULL;
		return np_fail_nomem(err);
	}
	if (store_find(&e->call->sim->store, e->key)) {
		e->call->route.name = meta_text(e->object, "name");
		return refuse(e->call, err, 409, "AlreadyExists",
			      details_of(e->call->route.name, GROUP, PLURAL),
			      PLURAL "." GROUP " \"%s\" already exists", e->call->route.name);
	}
	if (set_first_meta(e, err) < 0 || set_stored_form(e, err) < 0 ||
	    fields_update(NULL, e->object, &w, err) < 0)
		return -(int)err->code;
	return save(e, 201, err);
}

static int require_namespace(struct edit *e, struct np_err *err)
{
	const char *ns = e->call->route.ns;

	if (e->call->sim->cluster_scoped || has_namespace(e->call->sim, ns))
		return 0;
	e->is_done = true;
	return refuse(e->call, err, 404, "NotFound", details_of(ns, NULL, "namespaces"),
		      "namespaces \"%s\" not found", ns);
}

static int create(struct edit *e, struct np_err *err)
{
	static int (*const steps[])(struct edit *, struct np_err *) = {
		decode_object,	  check_api_version, prune,    check_meta_types,
		check_namespace, require_namespace,  validate, insert,
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !e->is_done; i++)
		if (steps[i](e, err) < 0)
			return -(int)err->code;
	return 0;
}

static int put(struct edit *e, struct np_err *err)
{
	if (decode_object(e, err) < 0 || (!e->is_done && check_api_version(e, err) < 0))
		return -(int)err->code;
	return e->is_done ? 0 : update(e, err);
}

enum patch_type { PATCH_MERGE, PATCH_JSON, PATCH_UNKNOWN };

static enum patch_type patch_type(const struct call *c)
{
	static const struct {
		const char *name;
		enum patch_type type;
	} rows[] = {
		{ "application/json-patch+json", PATCH_JSON },
		{ "application/merge-patch+json", PATCH_MERGE },
	};
	const char *given = np_serve_header(c->req, "Content-Type");
	size_t size = given ? strcspn(given, "; ") : 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (size == strlen(rows[i].name) && strncmp(given, rows[i].name, size) == 0)
			return rows[i].type;
	return PATCH_UNKNOWN;
}

/* Says what Go's decoder does about a patch that is none; NULL for a good one. */
static const char *find_patch_error(const struct decoded *d, enum patch_type type, char *buf,
				    size_t size)
{
	if (!d->json)
		snprintf(buf, size, "error decoding patch: %s", d->error);
	else if (json_is_null(d->json))
		snprintf(buf, size, "Invalid JSON Patch");
	else if (type == PATCH_MERGE && !json_is_object(d->json))
		snprintf(buf, size,
			 "error decoding patch: json: cannot unmarshal %s into Go value of type "
			 "map[string]interface {}",
			 json_kind(d->json));
	else if (type == PATCH_JSON && !json_is_array(d->json))
		snprintf(buf, size,
			 "error decoding patch: json: cannot unmarshal %s into Go value of type "
			 "jsonpatch.Patch",
			 json_kind(d->json));
	else
		return NULL;
	return buf;
}

static int apply_patch(struct edit *e, enum patch_type type, struct np_err *err)
{
	NP_AUTO(json_decrefp) json_t *shown = as_version(e->old, e->call->route.version);
	NP_AUTO(json_decrefp) json_t *whole = shown ? json_deep_copy(shown) : NULL;
	NP_AUTO(json_decrefp) json_t *merged = NULL;
	int done = 1;

	if (!whole)
		return np_fail_nomem(err);
	if (type == PATCH_JSON)
		done = json_patch(whole, e->body.json, &merged, err);
	else
		merged = merge_patch(whole, e->body.json);
	if (done < 0 || (done > 0 && !merged))
		return np_fail_nomem(err);
	if (done == 0 || !json_is_object(merged)) {
		e->is_done = true;
		return refuse(e->call, err, 422, "Invalid", NULL,
			      "the server rejected our request due to an error in our request");
	}
	/* Deep, since a merge shares what it leaves with the stored object. */
	e->object = json_deep_copy(merged);
	return e->object ? update(e, err) : np_fail_nomem(err);
}

static int patch(struct edit *e, struct np_err *err)
{
	enum patch_type type = patch_type(e->call);
	char text[256];

	if (type == PATCH_UNKNOWN)
		return refuse(e->call, err, 415, "UnsupportedMediaType", NULL,
			      "the body of the request was in an unknown format - accepted media "
			      "types include: application/json-patch+json, "
			      "application/merge-patch+json, application/apply-patch+yaml");
	if (decode(e->call->req->body, e->call->req->body_size, &e->body, err) < 0)
		return -(int)err->code;
	if (find_patch_error(&e->body, type, text, sizeof(text)))
		return refuse(e->call, err, 400, "BadRequest", NULL, "%s", text);
	return apply_patch(e, type, err);
}

static int delete(struct edit *e, struct np_err *err)
{
	const struct route *r = &e->call->route;
	NP_AUTO(json_decrefp) json_t *last = json_incref(e->old);
	NP_AUTO(json_decrefp) json_t *gone = NULL;
	json_t *status;

	status = json_pack("{s:s, s:s, s:{}, s:s, s:{s:s, s:s, s:s, s:s}}", "kind", "Status",
			   "apiVersion", "v1", "metadata", "status", "Success", "details", "name",
			   r->name, "group", GROUP, "kind", PLURAL, "uid", meta_text(last, "uid"));
	if (!status)
		return np_fail_nomem(err);
	if (!e->is_dry && store_remove(&e->call->sim->store, e->key, &gone, err) < 0) {
		json_decref(status);
		return -(int)err->code;
	}
	return answer_json_take(e->call, 200, status, false, err);
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
		return refuse(c, err, 400, "BadRequest", NULL, "name must be provided");
	if (*r->ns && !is_dns_label(r->ns))
		return refuse(c, err, 400, "BadRequest", NULL,
			      "invalid namespace \"%s\": a lowercase RFC 1123 label is needed",
			      r->ns);
	if (!*r->ns && !c->sim->cluster_scoped)
		return refuse(c, err, 400, "BadRequest", NULL,
			      "an empty namespace may not be set during creation");
	*ret_done = false;
	return 0;
}

int answer_class(struct call *c, struct np_err *err)
{
	NP_AUTO(edit_done) struct edit e = { .call = c };
	const struct verb *verb = find_verb(c->verb);
	bool is_done;

	if (!verb)
		return refuse(c, err, 405, "MethodNotAllowed", details_of(NULL, GROUP, PLURAL),
			      "%s is not supported on resources of kind \"" PLURAL "." GROUP "\"",
			      c->verb);
	if (check_route(c, verb->is_new, &is_done, err) < 0 || is_done)
		return is_done ? 0 : -(int)err->code;
	if (edit_begin(&e, c, err) < 0 || e.is_done)
		return e.is_done ? 0 : -(int)err->code;
	e.old = verb->is_new ? NULL : store_find(&c->sim->store, e.key);
	if (!verb->is_new && !e.old)
		return refuse_not_found(c, err);
	return verb->run(&e, err);
}

/* --- the fault that writes ------------------------------------------------------------------ */

static int add_entry(json_t *object, const struct fault *f)
{
	json_t *spec = json_object_get(object, "spec");
	json_t *config = json_object_get(spec, "configSpec");
	const char *key = json_string_value(json_object_get(f->spec, "key"));
	json_t *list, *entry;

	/* A configSpec of its own would hide the devices that stand under hardware: only on demand. */
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

int write_concurrently(struct call *c, const struct fault *f, struct np_err *err)
{
	struct store *s = &c->sim->store;
	const struct writer w = { "concurrent-writer", STORED_API };
	NP_AUTO(edit_done) struct edit e = { .call = c };

	if (asprintf(&e.key, "%s/%s", c->route.ns, c->route.name) < 0) {
		e.key = NULL;
		return np_fail_nomem(err);
	}
	e.old = store_find(s, e.key);
	if (!e.old)
		return 0;
	e.object = json_deep_copy(e.old);
	if (!e.object || add_label(e.object, s->version + 1) < 0 || add_entry(e.object, f) < 0)
		return np_fail_nomem(err);
	if (bump_generation(&e, err) < 0 || fields_update(e.old, e.object, &w, err) < 0)
		return -(int)err->code;
	return store_put_take(s, e.key, json_incref(e.object), err);
}
