/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/time.h"

/*
 * managedFields as a kube-apiserver 1.34 was seen to keep them for a class: configSpec has no schema,
 * so its maps are told member by member and each of its lists is one leaf. A manager that only removes
 * a field is not recorded, and the time of a manager that loses one stays as it was.
 */

/* Steps of a path that an entry owns: all of them, where it owns the field itself. */
#define DEPTH_FULL SIZE_MAX

/* "spec" holds everything: who owns that alone tells nothing of the field. */
#define DEPTH_LEAST 2

#define STEP_MAX 66

static const json_t *entries_of(const struct np_vmclass *c)
{
	return json_object_get(json_object_get(c->node.json, "metadata"), "managedFields");
}

/* A time that cannot be compared is none. */
static const char *time_of(const json_t *entry)
{
	const char *text = np_json_member_text(entry, "time");

	return np_time_is_api(text) ? text : "";
}

static bool is_ours(const json_t *entry)
{
	return strcmp(np_json_member_text(entry, "manager"), NP_FIELD_MANAGER) == 0;
}

/* The entries of a list are one leaf, so a key of extraConfig is owned with all the others. */
static const char *leaf_of(const char *path)
{
	size_t n = strlen(VMCLASS_EXTRA_CONFIG);

	return strncmp(path, VMCLASS_EXTRA_CONFIG "/", n + 1) == 0 ? VMCLASS_EXTRA_CONFIG : path;
}

/* Returns how many steps down the path the entry owns something; 0: nothing. */
static size_t depth_of(const json_t *entry, const char *path)
{
	const json_t *fields = json_object_get(entry, "fieldsV1");
	const char *rest = path;
	size_t depth = 0, owned = 0;

	while (rest) {
		char step[STEP_MAX] = "f:"; /* as fieldsV1 has it, "f:spec" */

		rest = np_json_pointer_next(rest, step + 2, sizeof(step) - 2);
		fields = json_object_get(fields, step);
		if (!json_is_object(fields))
			return owned;
		depth++;
		if (json_object_size(fields) == 0 || json_object_get(fields, "."))
			owned = depth;
	}
	return DEPTH_FULL;
}

const char *np_vmclass_changed_at(const struct np_vmclass *c)
{
	const char *latest = "";
	const json_t *entry;
	size_t i;

	json_array_foreach (entries_of(c), i, entry)
		if (is_ours(entry) && strcmp(time_of(entry), latest) > 0)
			latest = time_of(entry);
	return latest[0] != '\0' ? latest : NULL;
}

const char *np_vmclass_written_at(const struct np_vmclass *c)
{
	const char *latest = "";
	const json_t *entry;
	size_t i;

	json_array_foreach (entries_of(c), i, entry)
		if (depth_of(entry, "/spec") == DEPTH_FULL && strcmp(time_of(entry), latest) > 0)
			latest = time_of(entry);
	return latest[0] != '\0' ? latest : NULL;
}

bool np_vmclass_last_writer(const struct np_vmclass *c, const char *path,
			    struct np_last_writer *ret)
{
	const char *leaf = leaf_of(path), *ours = np_vmclass_changed_at(c);
	const json_t *entry, *best = NULL;
	size_t deepest = DEPTH_LEAST, i;

	if (path[0] != '/')
		return false;
	json_array_foreach (entries_of(c), i, entry) {
		size_t depth = is_ours(entry) ? 0 : depth_of(entry, leaf);

		if (depth < deepest || np_json_member_text(entry, "manager")[0] == '\0')
			continue;
		/* The previous owner of the parent is not accused, nor who wrote in the same second. */
		if (depth != DEPTH_FULL && (!ours || strcmp(time_of(entry), ours) <= 0))
			continue;
		if (best && depth == deepest && strcmp(time_of(entry), time_of(best)) < 0)
			continue;
		best = entry;
		deepest = depth;
	}
	if (!best)
		return false;
	*ret = (struct np_last_writer){ np_json_member_text(best, "manager"),
					np_json_member_text(best, "operation"), time_of(best) };
	return true;
}

static bool is_key_taken(const struct np_vmclass *c, const char *name, const json_t *set)
{
	json_t *list = vmclass_lookup(c->node.json, VMCLASS_EXTRA_CONFIG);

	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++)
		if (strcmp(np_vmx_key_name(key), name) == 0)
			return json_is_object(set) && !vmclass_key_still_stands(list, key, set);
	return false;
}

bool np_vmclass_is_overwritten(const struct np_vmclass *c, const char *path)
{
	const char *leaf = leaf_of(path);
	const json_t *entry = json_object_get(json_object_get(c->managed, "before"), leaf);
	const json_t *set = json_object_get(entry, "set");

	if (!set)
		return false;
	return leaf == path ? !vmclass_still_stands(c, path, entry)
			    : is_key_taken(c, path + strlen(VMCLASS_EXTRA_CONFIG "/"), set);
}

bool np_vmclass_is_changed(const struct np_vmclass *c)
{
	return json_object_size(json_object_get(c->managed, "before")) > 0;
}
