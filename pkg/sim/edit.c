/* SPDX-License-Identifier: Apache-2.0 */
#include "edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANAGER_MAX = 128 };

void sim_edit_done(struct edit *e)
{
	free(e->manager);
	free(e->api_version);
	free(e->key);
	sim_decoded_done(&e->body);
	json_decref(e->object);
	json_decref(e->unknown);
}

const char *sim_json_kind(const json_t *j)
{
	return json_is_string(j)    ? "string"
	       : json_is_array(j)   ? "array"
	       : json_is_object(j)  ? "object"
	       : json_is_boolean(j) ? "bool"
				    : "number";
}

int sim_edit_refuse(struct edit *e, const struct subject *who, const char *reason,
		    const char *field, const char *message, struct np_err *err)
{
	json_t *causes = json_array();

	e->is_done = true;
	if (!causes)
		return np_fail_nomem(err);
	if (sim_add_cause(causes, err, reason, field, "%s", message) < 0) {
		json_decref(causes);
		return np_err_ret(err);
	}
	return sim_refuse_invalid(e->call, who, causes, err);
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
	quoted = sim_go_quote(e->validation);
	if (!quoted ||
	    asprintf(
		    &message,
		    "Unsupported value: %s: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
		    quoted) < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	return sim_edit_refuse(e, &who, "FieldValueNotSupported", "fieldValidation", message, err);
}

/* A writer without a name is named after its program, up to the '/'. */
static int read_manager(struct edit *e, struct np_err *err)
{
	const char *agent = np_serve_header(e->call->req, "User-Agent");

	const char *given = sim_param(e->call, "fieldManager");

	if (given)
		e->manager = strdup(given);
	else
		e->manager = strndup(agent ? agent : "unknown",
				     agent ? strcspn(agent, "/") : strlen("unknown"));
	if (!e->manager)
		return np_fail_nomem(err);
	if (strlen(e->manager) > MANAGER_MAX)
		e->manager[MANAGER_MAX] = '\0';
	sim_make_utf8(e->manager);
	return 0;
}

int sim_edit_begin(struct edit *e, struct call *c, struct np_err *err)
{
	const char *dry = sim_param(c, "dryRun");
	const struct route *r = &c->route;

	e->call = c;
	e->is_dry = dry && strcmp(dry, "All") == 0;
	e->validation = sim_param(c, "fieldValidation");
	e->unknown = json_array();
	if (!e->unknown || asprintf(&e->api_version, "%s/%s", r->group, r->version) < 0)
		return np_fail_nomem(err);
	if (read_manager(e, err) < 0 || check_validation(e, err) < 0)
		return np_err_ret(err);
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

	json_array_foreach (e->unknown, i, item) {
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

int sim_edit_refuse_echo(struct edit *e, json_t *echo, const char *why, struct np_err *err)
{
	static const struct subject nobody = { "", "", "" };
	NP_AUTO(np_freep) char *dumped = sim_go_dump(echo, true);
	NP_AUTO(np_freep) char *quoted = dumped ? sim_go_quote(dumped) : NULL;
	NP_AUTO(np_freep) char *message = NULL;

	if (!quoted || asprintf(&message, "Invalid value: %s: %s", quoted, why) < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	return sim_edit_refuse(e, &nobody, "FieldValueInvalid", "patch", message, err);
}

static int refuse_strict(struct edit *e, json_t *echo, struct np_err *err)
{
	NP_AUTO(np_freep) char *list = NULL;
	NP_AUTO(np_freep) char *why = NULL;

	if (join_unknown(e, &list, err) < 0)
		return np_err_ret(err);
	if (asprintf(&why, "strict decoding error: %s", list) < 0) {
		why = NULL;
		return np_fail_nomem(err);
	}
	if (strcmp(e->call->verb, "patch") == 0)
		return sim_edit_refuse_echo(e, echo, why, err);
	e->is_done = true;
	return sim_refuse(e->call, err, 400, "BadRequest", NULL,
			  KIND " in version \"%s\" cannot be handled as a " KIND ": %s",
			  e->call->route.version, why);
}

static int warn_unknown(struct edit *e, struct np_err *err)
{
	const json_t *item;
	size_t i;

	if (e->validation && strcmp(e->validation, "Ignore") == 0)
		return 0;
	json_array_foreach (e->unknown, i, item)
		if (sim_add_warning(e->call, json_string_value(item), err) < 0)
			return np_err_ret(err);
	return 0;
}

int sim_edit_prune(struct edit *e, struct np_err *err)
{
	json_auto_t *echo = json_deep_copy(e->object);
	const json_t *path;
	size_t i;

	if (!echo)
		return np_fail_nomem(err);
	json_array_foreach (e->body.twice, i, path)
		if (json_array_append_new(e->unknown, json_sprintf("duplicate field \"%s\"",
								   json_string_value(path))) < 0)
			return np_fail_nomem(err);
	if (sim_schema_prune(e->object, e->unknown, err) < 0)
		return np_err_ret(err);
	if (is_strict(e) && json_array_size(e->unknown) > 0)
		return refuse_strict(e, echo, err);
	return warn_unknown(e, err);
}
