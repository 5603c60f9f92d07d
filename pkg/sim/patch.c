/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* The server's library drops null members also from what stands in a list; null items stay. */
static json_t *without_nulls(json_t *j)
{
	json_auto_t *copy = NULL;
	json_t *value;
	const char *key;
	size_t i;

	if (!json_is_object(j) && !json_is_array(j))
		return json_deep_copy(j);
	copy = json_is_object(j) ? json_object() : json_array();
	json_array_foreach (j, i, value)
		if (json_array_append_new(copy, without_nulls(value)) < 0)
			return NULL;
	json_object_foreach (j, key, value)
		if (!json_is_null(value) &&
		    json_object_set_new(copy, key, without_nulls(value)) < 0)
			return NULL;
	return np_take(copy);
}

json_t *sim_merge_patch(json_t *target, json_t *patch)
{
	json_auto_t *merged = NULL;
	const char *key;
	json_t *value;

	if (!json_is_object(patch) || !json_is_object(target))
		return without_nulls(patch);
	merged = sim_copy_flat(target);
	if (!merged)
		return NULL;
	json_object_foreach (patch, key, value)
		if (json_is_null(value))
			json_object_del(merged, key);
		else if (json_object_set_new(merged, key,
					     sim_merge_patch(json_object_get(target, key), value)) <
			 0)
			return NULL;
	return np_take(merged);
}
