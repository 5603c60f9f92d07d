/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* The first pause after a conflict; each further one doubles it up to the most. */
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 2000

const char *apply_meta_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

/* Returns the patch with the resourceVersion that it is made from. */
static json_t *make_body(const json_t *patch, const char *version)
{
	json_auto_t *body = json_deep_copy(patch);
	json_t *metadata = json_object_get(body, "metadata");

	if (metadata == NULL) {
		metadata = json_object();
		if (json_object_set_new(body, "metadata", metadata) < 0)
			return NULL;
	}
	if (json_object_set_new(metadata, "resourceVersion", json_string(version)) < 0)
		return NULL;
	return json_incref(body);
}

int apply_send(struct np_kube *k, const struct apply_write *w, json_t **ret_stored,
	       struct np_err *err)
{
	const char *version = apply_meta_text(w->object, "resourceVersion");
	const char *name = apply_meta_text(w->object, "name");
	struct np_kube_patch patch = { .dry_run = w->dry_run };
	json_auto_t *body = NULL;

	if (version == NULL)
		return np_fail(
			err, NP_E_REFUSED,
			"the server sent class '%s' without a resourceVersion, so a change by "
			"somebody else could not be noticed",
			name);
	body = make_body(w->patch, version);
	if (body == NULL)
		return np_fail_nomem(err);
	patch.body = body;
	return np_kube_patch(k, w->resource, w->ns, name, &patch, ret_stored, err);
}

int apply_pause(struct np_kube *k, uint64_t *pause_ms, struct np_err *err)
{
	uint64_t next = *pause_ms > 0 ? *pause_ms * 2 : PAUSE_FIRST_MS;

	*pause_ms = next < PAUSE_MOST_MS ? next : PAUSE_MOST_MS;
	return np_kube_pause(k, *pause_ms, err);
}
