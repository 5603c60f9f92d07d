/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/json.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

char *np_json_text(const json_t *root, size_t flags)
{
	char near[1024]; /* most texts are small, and so are made once */
	size_t size = json_dumpb(root, near, sizeof(near), flags);
	NP_AUTO(np_freep) char *text = calloc(size + 1, 1);

	if (size == 0 || !text)
		return NULL;
	if (size <= sizeof(near))
		memcpy(text, near, size);
	else if (json_dumpb(root, text, size, flags) != size)
		return NULL;
	return np_take(text);
}

const char *np_json_meta_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}
