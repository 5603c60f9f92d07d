/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "nodeprep/err.h"

/* A VM that an API server returned, or that a cluster owns, is not a hand-written manifest. */
static bool is_manifest(struct np_val root, struct np_val metadata)
{
	static const char *const marks[] = { "creationTimestamp", "ownerReferences", "uid" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (np_doc_is_present(np_doc_get(metadata, marks[i])))
			return false;
	return !np_doc_is_present(np_doc_get(root, "status"));
}

int pool_add_virtual_machine(const struct pool_object *o, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	struct np_val spec = np_doc_get(o->root, "spec");

	if (np_doc_object(spec, err) < 0)
		return np_err_ret(err);
	if (!is_manifest(o->root, np_doc_get(o->root, "metadata")) ||
	    !json_is_string(np_doc_get(spec, "className").json))
		return pool_input_skip(o->in, o->kind, err);
	if (pool_init(o, o->root.pos, o->name, &pool, err) < 0 ||
	    pool_copy_text(&pool.cluster, NULL, err) < 0 ||
	    pool_read_class(np_doc_get(spec, "className"), "spec.className", &pool, err) < 0)
		return np_err_ret(err);
	pool.has_replicas = true;
	pool.replicas = 1;
	return pool_input_push_take(o->in, &pool, err);
}
