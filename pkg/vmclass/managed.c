/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"

bool vmclass_is_member(const struct np_class_desired *want, const char *id)
{
	for (size_t i = 0; i < want->n_members; i++)
		if (strcmp(want->members[i].id, id) == 0)
			return true;
	return false;
}

uint64_t vmclass_managed_others(const json_t *managed, const struct np_class_desired *want,
				const char **ret_id)
{
	uint64_t most = 0;
	const char *id;
	json_t *entry;

	json_object_foreach (json_object_get(managed, "pools"), id, entry) {
		uint64_t need = (uint64_t)json_integer_value(json_object_get(entry, "mmioGB"));

		if (!vmclass_is_member(want, id) && need > most) {
			most = need;
			*ret_id = id;
		}
	}
	return most;
}

size_t vmclass_managed_count_others(const json_t *managed, const struct np_class_desired *want)
{
	size_t n = 0;
	const char *id;
	json_t *entry;

	json_object_foreach (json_object_get(managed, "pools"), id, entry)
		n += !vmclass_is_member(want, id);
	return n;
}

/* Inserts the text at its place, unless it is there. */
static int insert_sorted(json_t *list, const char *text)
{
	size_t i = 0, n = json_array_size(list);
	int order = 1;

	while (i < n && (order = strcmp(json_string_value(json_array_get(list, i)), text)) < 0)
		i++;
	return i < n && order == 0 ? 0 : json_array_insert_new(list, i, json_string(text));
}

/* Returns the holders with `holder` among them, sorted, so that the bytes do not tell who came when. */
static json_t *merge_holders(const json_t *old, const char *holder)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < json_array_size(old); i++)
		if (insert_sorted(list, json_string_value(json_array_get(old, i))) < 0)
			return NULL;
	return insert_sorted(list, holder) < 0 ? NULL : json_incref(list);
}

static bool stays_with_follower(const json_t *record, const struct np_member *m, const char *holder)
{
	return m->yields && np_vmclass_record_follower(record, m->id) &&
	       !np_vmclass_record_is_held(record, m->id, holder);
}

static int register_pool(json_t *pools, const struct np_member *m, const char *holder)
{
	json_t *old = json_object_get(json_object_get(pools, m->id), "holders");
	json_t *need = m->has_need ? json_integer((json_int_t)m->need_gb) : json_null();

	return json_object_set_new(
		pools, m->id,
		json_pack("{s:o, s:o}", "mmioGB", need, "holders", merge_holders(old, holder)));
}

/*
 * Notes what nodeprep sets now under the keys that it changes. A key of which another writer's value
 * stays is not nodeprep's: its old text is kept, so that a release leaves the value.
 */
static json_t *merge_set(const struct np_vmclass *c, const json_t *known, const json_t *fresh)
{
	json_t *list = vmclass_lookup(c->node.json, VMCLASS_EXTRA_CONFIG);
	json_auto_t *set = json_object();

	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++) {
		const char *name = np_vmx_key_name(key);
		json_t *old = json_object_get(known, name), *new = json_object_get(fresh, name);
		/* Both keys are set, or both are removed. */
		bool stays = json_is_string(old) && json_is_string(new) &&
			     vmclass_key_still_stands(list, key, fresh);

		if (json_object_set(set, name, stays ? old : new) < 0)
			return NULL;
	}
	return json_incref(set);
}

/* As merge_field(), key by key: another client may have changed one of the two alone. */
static int merge_keys(const struct np_vmclass *c, json_t *known, const json_t *fresh)
{
	json_t *absent = json_object_get(fresh, "absent");
	json_auto_t *set =
		merge_set(c, json_object_get(known, "set"), json_object_get(fresh, "set"));

	if (!set || json_object_set(known, "set", set) < 0)
		return -1;
	return absent ? json_object_set(known, "absent", absent) : 0;
}

/* The memory may have shrunk since: a request above it is never restored. */
static int cap_request(const char *path, json_t *known)
{
	json_t *set = json_object_get(known, "set"), *value = json_object_get(known, "value");
	uint64_t most = 0, bytes = 0;

	if (!value || strcmp(path, VMCLASS_MEMORY_REQUEST) != 0)
		return 0;
	if (vmclass_quantity_of(set, &most) <= 0 || vmclass_quantity_of(value, &bytes) <= 0)
		return -1;
	return bytes > most ? json_object_set(known, "value", set) : 0;
}

/* Tells whether another writer removed the configSpec, in which the original value was. */
static bool is_from_removed_spec(const json_t *known, const json_t *fresh)
{
	const char *absent = json_string_value(json_object_get(fresh, "absent"));

	return absent && strcmp(absent, VMCLASS_CONFIG_SPEC) == 0 &&
	       !json_equal(json_object_get(known, "absent"), json_object_get(fresh, "absent"));
}

/*
 * What was there before nodeprep's first write is the original, even if another writer changes the field
 * later. Two things have no original any more once another writer changed them: the list of devices, and
 * what was in a configSpec that is gone, since a new one with the old value would hide hardware.devices.
 */
static int merge_field(const struct np_vmclass *c, json_t *merged, const char *path, json_t *fresh)
{
	json_t *known = json_object_get(merged, path);

	if (!known || is_from_removed_spec(known, fresh))
		return json_object_set(merged, path, fresh);
	if (strcmp(path, VMCLASS_EXTRA_CONFIG) == 0)
		return merge_keys(c, known, fresh);
	if (strcmp(path, VMCLASS_DEVICE_CHANGE) == 0 && !vmclass_still_stands(c, path, known))
		return json_object_set(merged, path, fresh);
	return json_object_set(known, "set", json_object_get(fresh, "set")) < 0 ||
			       cap_request(path, known) < 0
		       ? -1
		       : 0;
}

static json_t *merge_before(const struct np_vmclass *c, const json_t *fresh)
{
	json_t *old = json_object_get(c->managed, "before");
	json_auto_t *merged = old ? json_deep_copy(old) : json_object();
	const char *path;
	json_t *entry;

	json_object_foreach (np_json_mut(fresh), path, entry)
		if (merge_field(c, merged, path, entry) < 0)
			return NULL;
	return json_incref(merged);
}

json_t *vmclass_managed_update(const struct np_vmclass *c, const struct np_class_desired *want,
			       const json_t *before)
{
	json_auto_t *object = c->managed ? json_deep_copy(c->managed) : json_object();
	json_t *pools = json_object_get(object, "pools");

	if (!pools) {
		pools = json_object();
		if (json_object_set_new(object, "pools", pools) < 0)
			return NULL;
	}
	for (size_t i = 0; i < want->n_members; i++)
		if (!stays_with_follower(object, &want->members[i], want->holder) &&
		    register_pool(pools, &want->members[i], want->holder) < 0)
			return NULL;
	if (json_object_set_new(object, "before", merge_before(c, before)) < 0)
		return NULL;
	return json_incref(object);
}
