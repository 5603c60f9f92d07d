/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"

/* JSON pointers here have few, short segments; an annotation's name is written escaped. */
#define SEGMENT_MAX 64

/*
 * Copies the pointer's next segment, unescaped; returns what follows it, NULL after the last. The paths
 * are constants; what does not begin with a slash, or is too long to be one, is the empty name.
 */
static const char *next_segment(const char *path, char segment[static SEGMENT_MAX])
{
	size_t n = 0;

	segment[0] = '\0';
	if (*path != '/')
		return NULL;
	for (path++; *path != '\0' && *path != '/' && n + 1 < SEGMENT_MAX; path++) {
		if (path[0] == '~' && path[1] == '1') {
			segment[n++] = '/';
			path++;
		} else {
			segment[n++] = *path;
		}
	}
	segment[n] = '\0';
	return *path == '/' ? path : NULL;
}

json_t *vmclass_find(const json_t *object, const char *path, char *ret_absent, size_t size)
{
	char segment[SEGMENT_MAX];
	const char *rest = path;
	json_t *value = np_json_mut(object);

	while (rest) {
		const char *after = next_segment(rest, segment);

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
	const char *rest = next_segment(path, segment);

	while (rest) {
		json_t *child = json_object_get(patch, segment);

		if (!child) {
			child = json_object();
			if (json_object_set_new(patch, segment, child) < 0)
				return -1;
		}
		patch = child;
		rest = next_segment(rest, segment);
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
	const char *rest = next_segment(path, segment);

	while (rest) {
		object = json_object_get(object, segment);
		rest = next_segment(rest, segment);
	}
	json_object_del(object, segment);
}
