/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The class's schema, from VM Operator's CRD (v1.9 line): the same in every version but for one
 * list, which v1alpha1 does not key. "[]" is a list's item.
 */
enum type {
	TYPE_ANYTHING, /* no schema below it */
	TYPE_INTEGER,
	TYPE_LIST,
	TYPE_OBJECT,
	TYPE_QUANTITY, /* integer or string */
	TYPE_STRING,
};

static const struct field {
	const char *path;
	enum type type;
	const char *required[2];
	bool has_min; /* at least 0 */
	const char *list_key; /* of a list that is a map */
} fields[] = {
	{ .path = "", .type = TYPE_OBJECT },
	{ .path = "apiVersion", .type = TYPE_STRING },
	{ .path = "kind", .type = TYPE_STRING },
	{ .path = "metadata", .type = TYPE_ANYTHING },
	{ .path = "spec", .type = TYPE_OBJECT },
	{ .path = "spec.configSpec", .type = TYPE_ANYTHING },
	{ .path = "spec.controllerName", .type = TYPE_STRING },
	{ .path = "spec.description", .type = TYPE_STRING },
	{ .path = "spec.hardware", .type = TYPE_OBJECT },
	{ .path = "spec.hardware.cpus", .type = TYPE_INTEGER },
	{ .path = "spec.hardware.devices", .type = TYPE_OBJECT },
	{ .path = "spec.hardware.devices.dynamicDirectPathIODevices", .type = TYPE_LIST },
	{ .path = "spec.hardware.devices.dynamicDirectPathIODevices[]",
	  .type = TYPE_OBJECT,
	  .required = { "deviceID", "vendorID" } },
	{ .path = "spec.hardware.devices.dynamicDirectPathIODevices[].customLabel",
	  .type = TYPE_STRING },
	{ .path = "spec.hardware.devices.dynamicDirectPathIODevices[].deviceID",
	  .type = TYPE_INTEGER },
	{ .path = "spec.hardware.devices.dynamicDirectPathIODevices[].vendorID",
	  .type = TYPE_INTEGER },
	{ .path = "spec.hardware.devices.vgpuDevices",
	  .type = TYPE_LIST,
	  .list_key = "profileName" },
	{ .path = "spec.hardware.devices.vgpuDevices[]",
	  .type = TYPE_OBJECT,
	  .required = { "profileName" } },
	{ .path = "spec.hardware.devices.vgpuDevices[].profileName", .type = TYPE_STRING },
	{ .path = "spec.hardware.instanceStorage", .type = TYPE_OBJECT },
	{ .path = "spec.hardware.instanceStorage.storageClass", .type = TYPE_STRING },
	{ .path = "spec.hardware.instanceStorage.volumes", .type = TYPE_LIST },
	{ .path = "spec.hardware.instanceStorage.volumes[]",
	  .type = TYPE_OBJECT,
	  .required = { "size" } },
	{ .path = "spec.hardware.instanceStorage.volumes[].size", .type = TYPE_QUANTITY },
	{ .path = "spec.hardware.memory", .type = TYPE_QUANTITY },
	{ .path = "spec.policies", .type = TYPE_OBJECT },
	{ .path = "spec.policies.resources", .type = TYPE_OBJECT },
	{ .path = "spec.policies.resources.limits", .type = TYPE_OBJECT },
	{ .path = "spec.policies.resources.limits.cpu", .type = TYPE_QUANTITY },
	{ .path = "spec.policies.resources.limits.memory", .type = TYPE_QUANTITY },
	{ .path = "spec.policies.resources.requests", .type = TYPE_OBJECT },
	{ .path = "spec.policies.resources.requests.cpu", .type = TYPE_QUANTITY },
	{ .path = "spec.policies.resources.requests.memory", .type = TYPE_QUANTITY },
	{ .path = "spec.reservedProfileID", .type = TYPE_STRING },
	{ .path = "spec.reservedSlots", .type = TYPE_INTEGER, .has_min = true },
	{ .path = "status", .type = TYPE_OBJECT },
};

static const char *const meta_fields[] = {
	"annotations",
	"creationTimestamp",
	"deletionGracePeriodSeconds",
	"deletionTimestamp",
	"finalizers",
	"generateName",
	"generation",
	"labels",
	"managedFields",
	"name",
	"namespace",
	"ownerReferences",
	"resourceVersion",
	"selfLink",
	"uid",
};

static const char quantity[] =
	"^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))"
	"(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$";

static const struct field *find_field(const char *path)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].path, path) == 0)
			return &fields[i];
	return NULL;
}

/* A place in an object: as a message names it, and as the schema does. */
struct place {
	char *shown, *known;
};

static void place_done(struct place *p)
{
	free(p->shown);
	free(p->known);
}

static int member_of(const struct place *parent, const char *key, struct place *ret,
		     struct np_err *err)
{
	const char *dot = *parent->shown ? "." : "";

	if (asprintf(&ret->shown, "%s%s%s", parent->shown, dot, key) < 0)
		ret->shown = NULL;
	if (asprintf(&ret->known, "%s%s%s", parent->known, dot, key) < 0)
		ret->known = NULL;
	return ret->shown && ret->known ? 0 : np_fail_nomem(err);
}

static int item_of(const struct place *parent, size_t i, struct place *ret, struct np_err *err)
{
	if (asprintf(&ret->shown, "%s[%zu]", parent->shown, i) < 0)
		ret->shown = NULL;
	if (asprintf(&ret->known, "%s[]", parent->known) < 0)
		ret->known = NULL;
	return ret->shown && ret->known ? 0 : np_fail_nomem(err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lists an object's keys in order, as borrowed names behind one allocation; NULL: no memory. */
static const char **sorted_keys(json_t *object)
{
	size_t n = json_object_size(object), i = 0;
	const char **keys = calloc(n + 1, sizeof(*keys)), *key;
	json_t *value;

	if (!keys)
		return NULL;
	json_object_foreach (object, key, value)
		keys[i++] = key;
	qsort(keys, n, sizeof(*keys), compare_names);
	return keys;
}

/* --- pruning -------------------------------------------------------------------------------- */

static int prune(json_t *value, const struct place *at, json_t *unknown, struct np_err *err);

static bool is_meta_field(const char *key)
{
	for (size_t i = 0; i < sizeof(meta_fields) / sizeof(meta_fields[0]); i++)
		if (strcmp(meta_fields[i], key) == 0)
			return true;
	return false;
}

/* Sets *ret to the pruned member; the key may be freed by then. */
static int prune_member(json_t *object, const char *key, const struct place *parent,
			json_t *unknown, struct np_err *err)
{
	NP_AUTO(place_done) struct place at = { NULL, NULL };
	bool in_meta = strcmp(parent->known, "metadata") == 0;
	json_t *value = json_object_get(object, key);

	if (member_of(parent, key, &at, err) < 0)
		return np_err_ret(err);
	if (in_meta ? !is_meta_field(key) : !find_field(at.known)) {
		NP_AUTO(np_freep) char *text = NULL;

		if (asprintf(&text, "unknown field \"%s\"", at.shown) < 0) {
			text = NULL;
			return np_fail_nomem(err);
		}
		json_object_del(object, key);
		return json_array_append_new(unknown, json_string(text)) < 0 ? np_fail_nomem(err)
									     : 0;
	}
	if (json_is_null(value)) {
		json_object_del(object, key);
		return 0;
	}
	return in_meta ? 0 : prune(value, &at, unknown, err);
}

static int prune_object(json_t *object, const struct place *at, json_t *unknown, struct np_err *err)
{
	NP_AUTO(np_freep) const char **keys = sorted_keys(object);

	if (!keys)
		return np_fail_nomem(err);
	for (const char **key = keys; *key; key++)
		if (prune_member(object, *key, at, unknown, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int prune(json_t *value, const struct place *at, json_t *unknown, struct np_err *err)
{
	bool is_open =
		find_field(at->known)->type == TYPE_ANYTHING && strcmp(at->known, "metadata") != 0;
	json_t *item;
	size_t i;

	if (is_open)
		return 0;
	if (json_is_object(value))
		return prune_object(value, at, unknown, err);
	json_array_foreach (value, i, item) {
		NP_AUTO(place_done) struct place place = { NULL, NULL };

		if (item_of(at, i, &place, err) < 0)
			return np_err_ret(err);
		if (find_field(place.known) && prune(item, &place, unknown, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int sim_schema_prune(json_t *object, json_t *unknown, struct np_err *err)
{
	char empty[] = "";
	const struct place top = { empty, empty };

	return prune(object, &top, unknown, err);
}

/* --- checking ------------------------------------------------------------------------------- */

struct check {
	json_t *causes;
	bool is_first_version;
};

static int check_value(json_t *value, const struct place *at, const struct check *c,
		       struct np_err *err);

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	default:
		return "null";
	}
}

static int wrong_type(const json_t *value, const char *needed, const struct place *at,
		      const struct check *c, struct np_err *err)
{
	const char *name = type_name(value);

	return sim_add_cause(c->causes, err, "FieldValueTypeInvalid", at->shown,
			     "Invalid value: \"%s\": %s in body must be of type %s: \"%s\"", name,
			     at->shown, needed, name);
}

static bool is_quantity(const char *text)
{
	regex_t re;
	bool fits;

	if (regcomp(&re, quantity, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	fits = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return fits;
}

static int check_quantity(const json_t *value, const struct place *at, const struct check *c,
			  struct np_err *err)
{
	NP_AUTO(np_freep) char *quoted = NULL;

	if (json_is_integer(value))
		return 0;
	if (!json_is_string(value))
		return wrong_type(value, "integer,string", at, c, err);
	if (is_quantity(json_string_value(value)))
		return 0;
	quoted = sim_go_quote(json_string_value(value));
	if (!quoted)
		return np_fail_nomem(err);
	return sim_add_cause(c->causes, err, "FieldValueInvalid", at->shown,
			     "Invalid value: %s: %s in body should match '%s'", quoted, at->shown,
			     quantity);
}

static int check_integer(const json_t *value, const struct field *f, const struct place *at,
			 const struct check *c, struct np_err *err)
{
	if (!json_is_integer(value))
		return wrong_type(value, "integer", at, c, err);
	if (!f->has_min || json_integer_value(value) >= 0)
		return 0;
	return sim_add_cause(c->causes, err, "FieldValueInvalid", at->shown,
			     "Invalid value: %" JSON_INTEGER_FORMAT
			     ": %s in body should be greater than or equal to 0",
			     json_integer_value(value), at->shown);
}

static int check_required(json_t *object, const struct field *f, const struct place *at,
			  const struct check *c, struct np_err *err)
{
	for (size_t i = 0; i < 2 && f->required[i]; i++) {
		NP_AUTO(place_done) struct place place = { NULL, NULL };

		if (json_object_get(object, f->required[i]))
			continue;
		if (member_of(at, f->required[i], &place, err) < 0 ||
		    sim_add_cause(c->causes, err, "FieldValueRequired", place.shown,
				  "Required value") < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int check_object(json_t *object, const struct field *f, const struct place *at,
			const struct check *c, struct np_err *err)
{
	NP_AUTO(np_freep) const char **keys = NULL;

	if (!json_is_object(object))
		return wrong_type(object, "object", at, c, err);
	keys = sorted_keys(object);
	if (!keys)
		return np_fail_nomem(err);
	for (const char **key = keys; *key; key++) {
		NP_AUTO(place_done) struct place place = { NULL, NULL };

		if (member_of(at, *key, &place, err) < 0 ||
		    check_value(json_object_get(object, *key), &place, c, err) < 0)
			return np_err_ret(err);
	}
	return check_required(object, f, at, c, err);
}

static bool is_before(json_t *list, size_t i, const char *key)
{
	json_t *value = json_object_get(json_array_get(list, i), key);

	for (size_t j = 0; value && j < i; j++)
		if (json_equal(json_object_get(json_array_get(list, j), key), value))
			return true;
	return false;
}

static int check_item(json_t *list, size_t i, const struct place *at, const struct check *c,
		      struct np_err *err)
{
	const struct field *f = find_field(at->known);
	NP_AUTO(place_done) struct place place = { NULL, NULL };
	json_auto_t *shown = NULL;
	NP_AUTO(np_freep) char *text = NULL;

	if (item_of(at, i, &place, err) < 0 ||
	    check_value(json_array_get(list, i), &place, c, err) < 0)
		return np_err_ret(err);
	if (!f->list_key || c->is_first_version || !is_before(list, i, f->list_key))
		return 0;
	shown = json_pack("{s:O}", f->list_key,
			  json_object_get(json_array_get(list, i), f->list_key));
	text = shown ? sim_go_dump(shown, true) : NULL;
	if (!text)
		return np_fail_nomem(err);
	return sim_add_cause(c->causes, err, "FieldValueDuplicate", place.shown,
			     "Duplicate value: %s", text);
}

static int check_list(json_t *list, const struct place *at, const struct check *c,
		      struct np_err *err)
{
	if (!json_is_array(list))
		return wrong_type(list, "array", at, c, err);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (check_item(list, i, at, c, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int check_value(json_t *value, const struct place *at, const struct check *c,
		       struct np_err *err)
{
	const struct field *f = find_field(at->known);

	switch (f ? f->type : TYPE_ANYTHING) {
	case TYPE_INTEGER:
		return check_integer(value, f, at, c, err);
	case TYPE_LIST:
		return check_list(value, at, c, err);
	case TYPE_OBJECT:
		return check_object(value, f, at, c, err);
	case TYPE_QUANTITY:
		return check_quantity(value, at, c, err);
	case TYPE_STRING:
		return json_is_string(value) ? 0 : wrong_type(value, "string", at, c, err);
	default:
		/* configSpec and metadata must be objects, with any members. */
		return json_is_object(value) ? 0 : wrong_type(value, "object", at, c, err);
	}
}

int sim_schema_check(json_t *object, const char *version, json_t *causes, struct np_err *err)
{
	const struct check c = { causes, strcmp(version, "v1alpha1") == 0 };
	char empty[] = "";
	const struct place top = { empty, empty };

	return check_value(object, &top, &c, err);
}
