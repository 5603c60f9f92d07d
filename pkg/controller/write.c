/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>
#include <time.h>

static const struct np_kube_resource nodepools = { CONTROLLER_GROUP, "v1alpha1", "nodepools",
						   true };
/* The uid makes it a conflict where the name is another object's by now. */
static json_t *identity_of(const struct reconcile_owner *s)
{
	return json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "apiVersion", "nodeprep.dev/v1alpha1",
			 "kind", "NodePool", "metadata", "name", s->name, "namespace", s->ns, "uid",
			 s->uid);
}

/* An object that is gone, or is another one by now, needs nothing more. */
static int pass_gone(const struct np_err *why, struct np_err *err)
{
	if (why->code == NP_E_NOT_FOUND || why->code == NP_E_CONFLICT)
		return 0;
	*err = *why;
	return np_err_ret(err);
}

static int apply_body(struct reconcile *j, const struct reconcile_owner *s, const json_t *body,
		      const char *subresource, struct np_err *err)
{
	const struct np_kube_patch patch = { .body = body,
					     .type = NP_KUBE_APPLY_PATCH,
					     .force = true,
					     .write = { .subresource = subresource } };
	struct np_err why = NP_ERR_INIT;

	if (!body)
		return np_fail_nomem(err);
	if (np_kube_patch(j->pools, &nodepools, s->ns, s->name, &patch, NULL, &why) < 0)
		return pass_gone(&why, err);
	return 0;
}

/* Server-side apply: finalizers are a set, and the apply adds ours without touching the others. */
int controller_write_finalizer(struct reconcile *j, struct reconcile_owner *s, struct np_err *err)
{
	json_auto_t *body = identity_of(s);
	json_t *list = json_pack("[s]", CONTROLLER_FINALIZER);

	if (!body || json_object_set_new(json_object_get(body, "metadata"), "finalizers", list) < 0)
		return np_fail_nomem(err);
	return apply_body(j, s, body, NULL, err);
}

/* Returns the patch that takes our finalizer from the object; {} where it has none. */
static json_t *release_patch(const json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	json_auto_t *left = json_array();
	bool found = false;
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(metadata, "finalizers"), i, item)
		if (json_is_string(item) &&
		    strcmp(json_string_value(item), CONTROLLER_FINALIZER) == 0)
			found = true;
		else if (json_array_append(left, item) < 0)
			return NULL;
	if (!found)
		return json_object();
	return json_pack("{s:{s:O, s:O, s:O}}", "metadata", "finalizers", left, "resourceVersion",
			 json_object_get(metadata, "resourceVersion"), "uid",
			 json_object_get(metadata, "uid"));
}

/*
 * Removes our finalizer from the list as read, with the version read, whichever manager owns the
 * list.
 */
int controller_write_release(struct reconcile *j, struct reconcile_owner *s, struct np_err *err)
{
	json_auto_t *object = NULL, *body = NULL;
	struct np_err why = NP_ERR_INIT;
	struct np_kube_patch patch = { .type = NP_KUBE_MERGE_PATCH };

	if (np_kube_get(j->pools, &nodepools, s->ns, s->name, &object, &why) < 0)
		return pass_gone(&why, err);
	body = release_patch(object);
	if (!body)
		return np_fail_nomem(err);
	if (json_object_size(body) == 0)
		return 0;
	patch.body = body;
	if (np_kube_patch(j->pools, &nodepools, s->ns, s->name, &patch, NULL, &why) < 0 &&
	    why.code != NP_E_NOT_FOUND) {
		*err = why;
		return np_err_ret(err);
	}
	return 0;
}

int controller_write_status(struct reconcile *j, struct reconcile_owner *s,
			    const struct pool_status *status, struct np_err *err)
{
	json_auto_t *body = NULL;
	struct status_memory memory;
	json_t *tree;

	controller_status_remember(status, &s->status, (int64_t)time(NULL), &memory);
	if (controller_status_equal(&memory, &s->status))
		return 0;
	body = identity_of(s);
	tree = controller_status_tree(status, &memory);
	if (json_object_set_new(body, "status", tree) < 0)
		return np_fail_nomem(err);
	controller_count(j->c, COUNT_STATUS_WRITES, 1);
	if (apply_body(j, s, body, "status", err) < 0)
		return np_err_ret(err);
	s->status = memory;
	return 0;
}
