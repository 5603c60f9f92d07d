/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"

/* The paths are constants with short segments. */
#define SEGMENT_MAX 64

json_t *vmclass_find(const json_t *object, const char *path, char *ret_absent, size_t size)
{
	char segment[SEGMENT_MAX];
	const char *rest = path;
	json_t *value = np_json_mut(object);

	while (rest) {
		const char *after = np_json_pointer_next(rest, segment, sizeof(segment));

		value = json_object_get(value, segment);
		if (!value || json_is_null(value)) {
			snprintf(ret_absent, size, "%.*s",
				 after ? (int)(after - path) : (int)strlen(path), path);
			return NULL;
		}
		rest = after;
	}
	return value;
}

int vmclass_patch_set(json_t *patch, const char *path, json_t *value)
{
	char segment[SEGMENT_MAX];
	const char *rest = np_json_pointer_next(path, segment, sizeof(segment));

	while (rest) {
		json_t *child = json_object_get(patch, segment);

		if (!child) {
			child = json_object();
			if (json_object_set_new(patch, segment, child) < 0)
				return -1;
		}
		patch = child;
		rest = np_json_pointer_next(rest, segment, sizeof(segment));
	}
	return json_object_set(patch, segment, value);
}

json_t *vmclass_lookup(const json_t *object, const char *path)
{
	char absent[256];

	return vmclass_find(object, path, absent, sizeof(absent));
}

void vmclass_delete(json_t *object, const char *path)
{
	char segment[SEGMENT_MAX];
	const char *rest = np_json_pointer_next(path, segment, sizeof(segment));

	while (rest) {
		object = json_object_get(object, segment);
		rest = np_json_pointer_next(rest, segment, sizeof(segment));
	}
	json_object_del(object, segment);
}
