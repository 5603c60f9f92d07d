/* SPDX-License-Identifier: Apache-2.0 */
#include "edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/units.h"

enum { ANNOTATIONS_MAX = 256 << 10 };

/* Finds what Go's decoder of ObjectMeta would stumble over; *ret is its text, NULL for nothing. */
static int find_mistyped(json_t *meta, char **ret, struct np_err *err)
{
	static const char *const maps[] = { "annotations", "labels" };
	const char *key;
	json_t *value;

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		json_object_foreach (json_object_get(meta, maps[i]), key, value) {
			if (!*ret && !json_is_string(value) &&
			    asprintf(ret,
				     "json: cannot unmarshal %s into Go struct field ObjectMeta.%s "
				     "of type string",
				     sim_json_kind(value), maps[i]) < 0) {
				*ret = NULL;
				return np_fail_nomem(err);
			}
		}
	return 0;
}

int sim_edit_check_meta_types(struct edit *e, struct np_err *err)
{
	NP_AUTO(np_freep) char *why = NULL;
	json_t *meta = json_object_get(e->object, "metadata");

	if (find_mistyped(meta, &why, err) < 0)
		return np_err_ret(err);
	if (!why && json_is_object(meta))
		return 0;
	if (strcmp(e->call->verb, "patch") == 0)
		return sim_edit_refuse_echo(e, e->object,
					    why ? why : "json: cannot unmarshal ObjectMeta", err);
	e->is_done = true;
	return sim_refuse(e->call, err, 400, "BadRequest", NULL,
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

	json_object_foreach (labels, key, value) {
		NP_AUTO(np_freep) char *quoted = sim_go_quote(json_string_value(value));

		if (!quoted)
			return np_fail_nomem(err);
		for (unsigned i = 0; !sim_is_label_value(json_string_value(value)) && i < times;
		     i++)
			if (sim_add_cause(causes, err, "FieldValueInvalid", "metadata.labels",
					  "Invalid value: %s: %s", quoted, rule) < 0)
				return np_err_ret(err);
	}
	return 0;
}

static int check_annotations(json_t *annotations, json_t *causes, unsigned times,
			     struct np_err *err)
{
	size_t size = 0;
	const char *key;
	json_t *value;

	json_object_foreach (annotations, key, value)
		size += strlen(key) + json_string_length(value);
	for (unsigned i = 0; size > ANNOTATIONS_MAX && i < times; i++)
		if (sim_add_cause(causes, err, "FieldValueTooLong", "metadata.annotations",
				  "Too long: may not be more than %d bytes", ANNOTATIONS_MAX) < 0)
			return np_err_ret(err);
	return 0;
}

static int check_uid(const struct edit *e, json_t *causes, struct np_err *err)
{
	const char *was = np_json_meta_text(e->old, "uid"),
		   *is = np_json_meta_text(e->object, "uid");
	NP_AUTO(np_freep) char *quoted = NULL;

	if (!e->old || !is || strcmp(was, is) == 0)
		return 0;
	quoted = sim_go_quote(is);
	if (!quoted)
		return np_fail_nomem(err);
	for (unsigned i = 0; i < 2; i++)
		if (sim_add_cause(causes, err, "FieldValueInvalid", "metadata.uid",
				  "Invalid value: %s: field is immutable", quoted) < 0)
			return np_err_ret(err);
	return 0;
}

static int check_name(const struct edit *e, json_t *causes, struct np_err *err)
{
	static const char rule[] =
		"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
		"characters, '-' or '.', and must start and end with an alphanumeric character "
		"(e.g. 'example.com', regex used for validation is "
		"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
	const char *name = np_json_meta_text(e->object, "name");
	NP_AUTO(np_freep) char *quoted = NULL;

	if (e->old)
		return 0;
	if (!name || !*name)
		return sim_add_cause(causes, err, "FieldValueRequired", "metadata.name",
				     "Required value: name or generateName is required");
	if (sim_is_dns_subdomain(name))
		return 0;
	quoted = sim_go_quote(name);
	if (!quoted)
		return np_fail_nomem(err);
	return sim_add_cause(causes, err, "FieldValueInvalid", "metadata.name",
			     "Invalid value: %s: %s", quoted, rule);
}

static int check_type_meta(const struct edit *e, json_t *causes, struct np_err *err)
{
	const char *kind = json_string_value(json_object_get(e->object, "kind"));
	const char *api = json_string_value(json_object_get(e->object, "apiVersion"));

	if (kind && strcmp(kind, KIND) != 0 &&
	    sim_add_cause(causes, err, "FieldValueInvalid", "kind",
			  "Invalid value: \"%s\": must be " KIND, kind) < 0)
		return np_err_ret(err);
	if (api && strcmp(api, e->api_version) != 0 &&
	    sim_add_cause(causes, err, "FieldValueInvalid", "apiVersion",
			  "Invalid value: \"%s\": must be %s", api, e->api_version) < 0)
		return np_err_ret(err);
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
		return np_err_ret(err);
	return sim_schema_check(e->object, e->call->route.version, causes, err);
}

int sim_edit_validate(struct edit *e, struct np_err *err)
{
	const char *kind = json_string_value(json_object_get(e->object, "kind"));
	const char *name = np_json_meta_text(e->object, "name");
	const struct subject who = { kind ? kind : KIND, GROUP, name ? name : "" };
	json_auto_t *causes = json_array();

	if (!causes)
		return np_fail_nomem(err);
	if (collect_causes(e, causes, err) < 0)
		return np_err_ret(err);
	if (json_array_size(causes) == 0)
		return 0;
	e->is_done = true;
	return sim_refuse_invalid(e->call, &who, np_take(causes), err);
}

int sim_edit_check_namespace(struct edit *e, struct np_err *err)
{
	const char *ns = np_json_meta_text(e->object, "namespace");

	if (!ns || !*ns || strcmp(ns, e->call->route.ns) == 0)
		return 0;
	e->is_done = true;
	return sim_refuse(
		e->call, err, 400, "BadRequest", NULL,
		"the namespace of the provided object does not match the namespace sent on "
		"the request");
}

int sim_edit_check_identity(struct edit *e, struct np_err *err)
{
	const char *name = np_json_meta_text(e->object, "name");

	if (name && strcmp(name, e->call->route.name) != 0) {
		e->is_done = true;
		return sim_refuse(
			e->call, err, 400, "BadRequest", NULL,
			"the name of the object (%s) does not match the name on the URL (%s)", name,
			e->call->route.name);
	}
	return sim_edit_check_namespace(e, err);
}

/* A version in the body is a precondition; an update without one is refused. */
int sim_edit_check_version(struct edit *e, struct np_err *err)
{
	const struct subject who = { PLURAL, GROUP, e->call->route.name };
	const char *given = np_json_meta_text(e->object, "resourceVersion");
	struct np_err ignored = NP_ERR_INIT;
	uint64_t version = 0;

	if (given && *given && np_u64_parse(given, 0, UINT64_MAX, &version, &ignored) < 0) {
		e->is_done = true;
		return sim_refuse(e->call, err, 500, NULL, NULL,
				  "strconv.ParseUint: parsing \"%s\": invalid syntax", given);
	}
	if (version == 0)
		return sim_edit_refuse(e, &who, "FieldValueInvalid", "metadata.resourceVersion",
				       "Invalid value: 0: must be specified for an update", err);
	if (strcmp(given, np_json_meta_text(e->old, "resourceVersion")) == 0)
		return 0;
	e->is_done = true;
	return sim_refuse_conflict(e->call, err);
}

int sim_edit_keep_meta(struct edit *e, struct np_err *err)
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
