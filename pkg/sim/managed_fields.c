/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/time.h"

/*
 * The managers of fields, as structured-merge-diff tracks them for updates. A set of fields is an
 * object whose keys are paths: FieldsV1's elements ("f:spec", "k:{...}") joined by SEPARATOR.
 */
#define SEPARATOR '\x01'

static const char keyed_list[] = "f:spec\x01"
				 "f:hardware\x01"
				 "f:devices\x01"
				 "f:vgpuDevices";

static int flatten(json_t *value, const char *path, json_t *set, struct np_err *err);

static char *join(const char *path, const char *kind, const char *key)
{
	const char separator[2] = { *path ? SEPARATOR : '\0', '\0' };
	char *joined;

	return asprintf(&joined, "%s%s%s%s", path, separator, kind, key) < 0 ? NULL : joined;
}

static int flatten_member(json_t *value, const char *path, const char *kind, const char *key,
			  json_t *set, struct np_err *err)
{
	NP_AUTO(np_freep) char *joined = join(path, kind, key);

	return joined ? flatten(value, joined, set, err) : np_fail_nomem(err);
}

static int flatten_item(json_t *item, const char *path, json_t *set, struct np_err *err)
{
	json_auto_t *key = json_pack("{s:O}", "profileName", json_object_get(item, "profileName"));
	NP_AUTO(np_freep) char *text = key ? sim_go_dump(key, true) : NULL;

	return text ? flatten_member(item, path, "k:", text, set, err) : np_fail_nomem(err);
}

/* Containers count by being there, anything else by its value. */
static int flatten(json_t *value, const char *path, json_t *set, struct np_err *err)
{
	bool is_keyed = json_is_array(value) && strcmp(path, keyed_list) == 0;
	json_t *mark = json_is_object(value) || is_keyed ? json_object() : json_incref(value);
	const char *key;
	json_t *member;
	size_t i;

	if (json_object_set_new(set, path, mark) < 0)
		return np_fail_nomem(err);
	json_object_foreach (value, key, member)
		if (flatten_member(member, path, "f:", key, set, err) < 0)
			return np_err_ret(err);
	if (!is_keyed)
		return 0;
	json_array_foreach (value, i, member)
		if (flatten_item(member, path, set, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* Of metadata the server tracks only the fields that users set. */
static int flatten_object(json_t *object, json_t **ret, struct np_err *err)
{
	static const char *const tracked[] = { "annotations", "finalizers", "labels",
					       "ownerReferences" };
	json_auto_t *set = json_object();
	json_t *meta = json_object_get(object, "metadata");
	json_t *spec = json_object_get(object, "spec");

	if (!set)
		return np_fail_nomem(err);
	for (size_t i = 0; i < sizeof(tracked) / sizeof(tracked[0]); i++) {
		json_t *value = json_object_get(meta, tracked[i]);

		if (value && flatten_member(value, "f:metadata", "f:", tracked[i], set, err) < 0)
			return np_err_ret(err);
	}
	if (spec && flatten(spec, "f:spec", set, err) < 0)
		return np_err_ret(err);
	*ret = np_take(set);
	return 0;
}

/* --- FieldsV1 ------------------------------------------------------------------------------- */

static int unpack_fields(json_t *fields, const char *path, json_t *set, struct np_err *err)
{
	const char *key;
	json_t *below;

	json_object_foreach (fields, key, below) {
		NP_AUTO(np_freep) char *joined = NULL;
		bool is_member = json_object_size(below) == 0 || json_object_get(below, ".");

		if (strcmp(key, ".") == 0)
			continue;
		joined = join(path, "", key);
		if (!joined || (is_member && json_object_set_new(set, joined, json_true()) < 0))
			return np_fail_nomem(err);
		if (unpack_fields(below, joined, set, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Returns the member, made where it is not there; NULL: no memory. */
static json_t *step_down(json_t *fields, const char *key)
{
	json_t *below = json_object_get(fields, key);

	if (below)
		return below;
	if (json_object_set_new(fields, key, json_object()) < 0)
		return NULL;
	return json_object_get(fields, key);
}

static int pack_path(json_t *fields, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *copy = strdup(path);
	char *rest = copy, *token;
	const char separator[] = { SEPARATOR, '\0' };

	while (fields && rest && (token = strsep(&rest, separator)))
		fields = step_down(fields, token);
	if (!copy || !fields || json_object_set_new(fields, ".", json_object()) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* A member with nothing below it is written as {} and not {".":{}}. */
static void drop_lone_dots(json_t *fields)
{
	json_t *below;
	const char *key;

	json_object_foreach (fields, key, below) {
		if (strcmp(key, ".") == 0)
			continue;
		drop_lone_dots(below);
		if (json_object_size(below) == 1)
			json_object_del(below, ".");
	}
}

static int pack_fields(json_t *set, json_t **ret, struct np_err *err)
{
	json_auto_t *fields = json_object();
	const char *path;
	json_t *value;

	if (!fields)
		return np_fail_nomem(err);
	json_object_foreach (set, path, value)
		if (pack_path(fields, path, err) < 0)
			return np_err_ret(err);
	drop_lone_dots(fields);
	*ret = np_take(fields);
	return 0;
}

/* --- the managers --------------------------------------------------------------------------- */

/* The changes of an update: new and changed paths, and removed paths. */
struct diff {
	json_t *written, *removed;
};

static void diff_done(struct diff *d)
{
	json_decref(d->written);
	json_decref(d->removed);
}

static int find_diff(json_t *old, json_t *object, struct diff *d, struct np_err *err)
{
	json_auto_t *before = NULL;
	json_auto_t *after = NULL;
	const char *path;
	json_t *value;

	d->written = json_object();
	d->removed = json_object();
	if (!d->written || !d->removed)
		return np_fail_nomem(err);
	if (flatten_object(old, &before, err) < 0 || flatten_object(object, &after, err) < 0)
		return np_err_ret(err);
	json_object_foreach (after, path, value)
		if (!json_equal(json_object_get(before, path), value) &&
		    json_object_set_new(d->written, path, json_true()) < 0)
			return np_fail_nomem(err);
	json_object_foreach (before, path, value)
		if (!json_object_get(after, path) &&
		    json_object_set_new(d->removed, path, json_true()) < 0)
			return np_fail_nomem(err);
	return 0;
}

static bool has_text(json_t *entry, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(entry, key));

	return value && strcmp(value, text) == 0;
}

/* An update through another version of the API is another manager. */
static bool is_writers(json_t *entry, const struct writer *w)
{
	return has_text(entry, "manager", w->manager) && has_text(entry, "operation", "Update") &&
	       has_text(entry, "apiVersion", w->api_version);
}

static void subtract(json_t *set, json_t *gone)
{
	const char *path;
	json_t *value;

	json_object_foreach (gone, path, value)
		json_object_del(set, path);
}

/* Sets *ret to the entry after the update; NULL where it is empty. */
static int update_entry(json_t *entry, bool is_own, const struct diff *d, json_t **ret,
			struct np_err *err)
{
	json_auto_t *set = json_object();
	json_auto_t *fields = NULL;
	json_t *copy;

	if (!set)
		return np_fail_nomem(err);
	if (unpack_fields(json_object_get(entry, "fieldsV1"), "", set, err) < 0)
		return np_err_ret(err);
	subtract(set, d->removed);
	if (!is_own)
		subtract(set, d->written);
	else if (json_object_update(set, d->written) < 0)
		return np_fail_nomem(err);
	*ret = NULL;
	if (json_object_size(set) == 0)
		return 0;
	if (pack_fields(set, &fields, err) < 0)
		return np_err_ret(err);
	copy = sim_copy_flat(entry);
	if (!copy || json_object_set(copy, "fieldsV1", fields) < 0) {
		json_decref(copy);
		return np_fail_nomem(err);
	}
	*ret = copy;
	return 0;
}

static json_t *new_entry(const struct writer *w)
{
	char now[NP_TIME_TEXT_MAX];

	np_time_now(now);
	return json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s}", "apiVersion", w->api_version,
			 "fieldsType", "FieldsV1", "fieldsV1", "manager", w->manager, "operation",
			 "Update", "time", now);
}

static int add_entry(json_t *list, json_t *entry, bool is_own, const struct diff *d,
		     struct np_err *err)
{
	char now[NP_TIME_TEXT_MAX];
	json_t *updated = NULL;

	np_time_now(now);
	if (!entry || update_entry(entry, is_own, d, &updated, err) < 0)
		return entry ? np_err_ret(err) : np_fail_nomem(err);
	if (!updated)
		return 0;
	if (json_array_append_new(list, updated) < 0 ||
	    (is_own && json_object_set_new(updated, "time", json_string(now)) < 0))
		return np_fail_nomem(err);
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	static const char *const keys[] = { "operation", "time", "manager", "apiVersion" };
	json_t *const *one = a, *const *two = b;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		int order = strcmp(json_string_value(json_object_get(*one, keys[i])),
				   json_string_value(json_object_get(*two, keys[i])));

		if (order != 0)
			return order;
	}
	return 0;
}

static int sort_entries(json_t *list, json_t **ret, struct np_err *err)
{
	size_t n = json_array_size(list);
	NP_AUTO(np_freep) json_t **items = calloc(n + 1, sizeof(*items));
	json_auto_t *sorted = json_array();

	if (!items || !sorted)
		return np_fail_nomem(err);
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	qsort(items, n, sizeof(*items), compare_entries);
	for (size_t i = 0; i < n; i++)
		if (json_array_append(sorted, items[i]) < 0)
			return np_fail_nomem(err);
	*ret = np_take(sorted);
	return 0;
}

static int list_entries(json_t *standing, const struct writer *w, const struct diff *d,
			json_t *list, struct np_err *err)
{
	json_auto_t *fresh = new_entry(w);
	bool is_known = false;
	json_t *entry;
	size_t i;

	json_array_foreach (standing, i, entry) {
		bool is_own = is_writers(entry, w);

		is_known = is_known || is_own;
		if (add_entry(list, entry, is_own, d, err) < 0)
			return np_err_ret(err);
	}
	return is_known ? 0 : add_entry(list, fresh, true, d, err);
}

int sim_managed_fields_update(json_t *old, json_t *object, const struct writer *w,
			      struct np_err *err)
{
	json_t *standing = json_object_get(json_object_get(old, "metadata"), "managedFields");
	json_t *meta = json_object_get(object, "metadata");
	NP_AUTO(diff_done) struct diff d = { NULL, NULL };
	json_auto_t *list = json_array();
	json_auto_t *sorted = NULL;

	if (!list)
		return np_fail_nomem(err);
	/* As in the real server, an object without known managers stays without. */
	if (old && json_array_size(standing) == 0)
		return 0;
	if (find_diff(old, object, &d, err) < 0 || list_entries(standing, w, &d, list, err) < 0 ||
	    sort_entries(list, &sorted, err) < 0)
		return np_err_ret(err);
	if (json_array_size(sorted) == 0) {
		json_object_del(meta, "managedFields");
		return 0;
	}
	return json_object_set(meta, "managedFields", sorted) < 0 ? np_fail_nomem(err) : 0;
}
