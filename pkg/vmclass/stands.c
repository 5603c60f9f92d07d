/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/warnings.h"

bool vmclass_key_still_stands(json_t *list, enum np_vmx_key key, const json_t *set)
{
	const char *text = json_string_value(json_object_get(set, np_vmx_key_name(key)));
	struct np_val node = { .json = list };

	return vmclass_key_is_right(node, key, text);
}

/* Tells whether the list is still what stood there before, and behind it what nodeprep carried. */
bool vmclass_is_carried_list(const json_t *list, const json_t *entry)
{
	const json_t *old = json_object_get(entry, "value"), *set = json_object_get(entry, "set");
	size_t before = json_array_size(old), n = json_array_size(set);

	if (json_array_size(list) != before + n)
		return false;
	for (size_t i = 0; i < before + n; i++) {
		const json_t *wrote =
			i < before ? json_array_get(old, i) : json_array_get(set, i - before);

		if (!json_equal(json_array_get(list, i), wrote))
			return false;
	}
	return true;
}

bool vmclass_still_stands(const struct np_vmclass *c, const char *path, const json_t *entry)
{
	const json_t *now = vmclass_lookup(c->node.json, path);

	if (strcmp(path, VMCLASS_DEVICE_CHANGE) == 0)
		return vmclass_is_carried_list(now, entry);
	return json_equal(now, json_object_get(entry, "set"));
}
