/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

#define CLUSTER_KIND "Cluster"

static const char *const variable_fields[] = { "gpus", "minimumGB", "sizeGB" };

int pool_read_variable(struct np_val value, const struct np_catalogue *cat, struct np_pool *pool,
		       struct np_err *err)
{
	if (!np_doc_is_present(value))
		return 0;
	if (pool_node_is_placeholder(value)) {
		pool->has_placeholder = pool->gpus_unknown = pool->window_unknown =
			pool_note_placeholder(&pool->placeholder, value,
					      "variable " NP_GPU_VARIABLE);
		return 0;
	}
	if (!json_is_object(value.json))
		return pool_fail_instead(
			value,
			"a mapping with gpus, minimumGB or sizeGB as value of the variable "
			"'" NP_GPU_VARIABLE "'",
			err);
	if (pool_check_fields(value, NP_WORDS(variable_fields), err) < 0 ||
	    pool_read_requests(np_doc_get(value, "gpus"), cat, pool, err) < 0)
		return np_err_ret(err);
	return pool_read_sizes(value, NP_GPU_VARIABLE, pool, err);
}

static int set_template(const struct np_topology_pool *t, struct np_pool *pool, struct np_err *err)
{
	if (!t->template_name)
		return 0;
	if (pool_copy_text(&pool->template_group, t->template_group, err) < 0 ||
	    pool_copy_text(&pool->template_ns, t->template_ns, err) < 0 ||
	    pool_copy_text(&pool->template_name, t->template_name, err) < 0)
		return np_err_ret(err);
	pool->has_template = true;
	pool->template_index = SIZE_MAX;
	return 0;
}

int np_pool_input_add_topology(struct np_input *in, const struct np_catalogue *cat,
			       struct np_doc *doc, const struct np_topology_pool *t,
			       struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	const struct pool_object o = { .in = in,
				       .cat = cat,
				       .doc = doc,
				       .root = np_doc_root(doc),
				       .kind = CLUSTER_KIND,
				       .name = t->cluster ? t->cluster : t->name,
				       .ns = t->ns };

	if (pool_init(&o, o.root.pos, t->name, &pool, err) < 0 ||
	    pool_copy_text(&pool.cluster, t->cluster, err) < 0 ||
	    pool_copy_text(&pool.vm_class, t->vm_class, err) < 0 ||
	    set_template(t, &pool, err) < 0 || pool_read_variable(t->variable, cat, &pool, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(in, &pool, err);
}
