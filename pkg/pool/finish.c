/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/map.h"

#define READ_KINDS                                                                                              \
	"NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, "                        \
	"VSphereMachineTemplate with devices, VirtualMachine, and tanzu's cluster-configuration and node-pool " \
	"files"

static int check_pools(const struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index seen = { 0 };

	for (size_t i = 0; in->n_pools > 1 && i < in->n_pools; i++) {
		char id[NP_POOL_ID_MAX], here[NP_SOURCE_TEXT_MAX], there[NP_SOURCE_TEXT_MAX];
		size_t first;

		np_pool_id(&in->pools[i], id);
		/* Two templates' ${NAME} need not become the same name. */
		if (np_pool_is_placeholder(id))
			continue;
		if (np_index_enter(&seen, NP_KEY(id), i, &first, err) < 0)
			return np_err_ret(err);
		if (first == i)
			continue;
		np_pool_source_text(&in->pools[i].source, here);
		np_pool_source_text(&in->pools[first].source, there);
		return np_fail(err, NP_E_SPEC, "%s: pool '%s' is given twice, first in %s", here,
			       id, there);
	}
	return 0;
}

static int check_class(const struct np_input *in, struct np_index *seen, size_t i,
		       struct np_err *err)
{
	const struct np_class_ref *class = &in->classes[i];
	struct np_val metadata = np_doc_get(class->node, "metadata");
	const char *ns = json_string_value(np_doc_get(metadata, "namespace").json);
	const char *name = json_string_value(np_doc_get(metadata, "name").json);
	char id[NP_POOL_ID_MAX];
	size_t first;

	snprintf(id, sizeof(id), "%s%s%s", ns ? ns : "", ns && *ns ? "/" : "", name);
	if (np_pool_is_placeholder(id))
		return 0;
	if (np_index_enter(seen, NP_KEY(id), i, &first, err) < 0)
		return np_err_ret(err);
	if (first == i || json_equal(in->classes[first].node.json, class->node.json))
		return 0;
	return np_doc_fail(class->node, err, NP_E_SPEC,
			   "VirtualMachineClass '%s' is given twice and differs from that in "
			   "%s:%u",
			   id, np_doc_name(in->classes[first].doc),
			   in->classes[first].node.pos.line);
}

static int check_classes(const struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index seen = { 0 };

	for (size_t i = 0; i < in->n_classes; i++)
		if (check_class(in, &seen, i, err) < 0)
			return np_err_ret(err);
	return 0;
}

static int fail_nothing(const struct np_input *in, struct np_err *err)
{
	const char *names = in->names, *colon = *names ? ": " : "";

	if (in->n_unselected > 0)
		return np_fail(err, NP_E_SPEC,
			       "%s%sno worker pool found: the label selector leaves out %zu of %zu "
			       "documents",
			       names, colon, in->n_unselected, in->n_documents);
	if (in->n_documents == 0)
		return np_fail(err, NP_E_SPEC,
			       "%s%sno worker pool found: the input is empty; nodeprep reads %s",
			       names, colon, READ_KINDS);
	return np_fail(err, NP_E_SPEC,
		       "%s%sno worker pool found: %zu document%s, of kind%s %s; nodeprep reads %s",
		       names, colon, in->n_documents, in->n_documents == 1 ? "" : "s",
		       in->n_skipped_kinds == 1 ? "" : "s", in->skipped, READ_KINDS);
}

static int check_template(const struct np_input *in, size_t i, size_t first, struct np_err *err)
{
	const struct np_template *t = &in->templates[i];
	const struct np_template *other = &in->templates[first];

	if (np_pool_is_placeholder(t->name) || np_pool_is_placeholder(t->ns))
		return 0;
	return np_doc_fail(t->node, err, NP_E_SPEC,
			   "VSphereMachineTemplate '%s/%s' is given twice and differs from that in "
			   "%s:%u",
			   t->ns, t->name, other->source.file, other->source.line);
}

/* Enters each template under its key; one given twice is refused, unless equal. */
static int index_templates(const struct np_input *in, struct np_index *index, struct np_err *err)
{
	for (size_t i = 0; i < in->n_templates; i++) {
		struct np_template *t = &in->templates[i];
		size_t first;

		if (!t->group)
			continue;
		if (np_index_enter(index, NP_KEY(t->group, t->ns, t->name), i, &first, err) < 0)
			return np_err_ret(err);
		if (first == i)
			continue;
		t->is_duplicate = json_equal(in->templates[first].node.json, t->node.json) != 0;
		if (!t->is_duplicate && check_template(in, i, first, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* A template that names a class makes an ordinary pool. */
static int join_pool(struct np_input *in, struct np_pool *pool, const struct np_index *index,
		     struct np_err *err)
{
	struct np_template *t;

	if (!pool->template_name ||
	    !np_index_find(index,
			   NP_KEY(pool->template_group, pool->template_ns, pool->template_name),
			   &pool->template_index))
		return 0;
	t = &in->templates[pool->template_index];
	t->is_used = true;
	pool_take_placeholder(pool, t);
	if (!t->class_name)
		return 0;
	pool->has_template = false;
	pool->has_placeholder = pool->has_placeholder || np_pool_is_placeholder(t->class_name);
	return pool_copy_text(&pool->vm_class, t->class_name, err);
}

static int skip_template(struct np_input *in, const struct np_template *t, struct np_err *err)
{
	char label[160];

	snprintf(label, sizeof(label), "%s '%.63s' %s", t->source.kind, t->name,
		 t->class_name ? "that no MachineDeployment names" : "without devices");
	return pool_input_skip(in, label, err);
}

/* Creates a pool of the template's name. */
static int add_own_pool(struct np_input *in, size_t i, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	const struct np_template *t = &in->templates[i];
	const struct pool_object o = { .in = in,
				       .doc = t->doc,
				       .root = t->node,
				       .kind = t->source.kind,
				       .name = t->name,
				       .ns = t->ns };

	if (pool_init(&o, t->node.pos, t->name, &pool, err) < 0 ||
	    pool_copy_text(&pool.cluster, NULL, err) < 0)
		return np_err_ret(err);
	pool.has_template = true;
	pool.template_index = i;
	pool_take_placeholder(&pool, t);
	return pool_input_push_take(in, &pool, err);
}

static int add_own_pools(struct np_input *in, struct np_err *err)
{
	for (size_t i = 0; i < in->n_templates; i++) {
		struct np_template *t = &in->templates[i];
		int r;

		if (t->is_used || t->is_duplicate || !t->group)
			continue;
		t->is_used = true;
		if (np_index_has(&in->control_planes, NP_KEY(t->group, t->ns, t->name)))
			continue;
		if (t->n_devices > 0 || t->has_unknown_device)
			r = add_own_pool(in, i, err);
		else
			r = skip_template(in, t, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Finds each pool's template, and makes pools of the templates that none names. */
static int join_templates(struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index index = { 0 };

	if (index_templates(in, &index, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < in->n_pools; i++)
		if (join_pool(in, &in->pools[i], &index, err) < 0)
			return np_err_ret(err);
	return add_own_pools(in, err);
}

static bool is_machine(const struct np_pool *pool)
{
	return strcmp(pool->source.kind, POOL_MACHINE_KIND) == 0;
}

/* Drops the pools that drops() tells, and counts each as ignored under `label`. */
static int drop_pools(struct np_input *in, const char *label, const struct np_index *index,
		      bool (*drops)(const struct np_pool *pool, const struct np_index *index),
		      struct np_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < in->n_pools; i++) {
		struct np_pool *pool = &in->pools[i];

		if (!drops(pool, index)) {
			if (kept != i) {
				in->pools[kept] = *pool;
				*pool = (struct np_pool){ 0 };
			}
			kept++;
			continue;
		}
		pool_done(pool);
		*pool = (struct np_pool){ 0 };
		if (pool_input_skip(in, label, err) < 0)
			return np_err_ret(err);
	}
	in->n_pools = kept;
	return 0;
}

static bool is_node_of_pool(const struct np_pool *pool, const struct np_index *classes)
{
	return is_machine(pool) && np_index_has(classes, NP_KEY(pool->ns, pool->vm_class));
}

/* VirtualMachines beside a pool of their class are taken for that pool's nodes, not for pools. */
static int drop_machines(struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index classes = { 0 };
	size_t first;

	for (size_t i = 0; i < in->n_pools; i++)
		if (!is_machine(&in->pools[i]) && in->pools[i].vm_class &&
		    np_index_enter(&classes, NP_KEY(in->pools[i].ns, in->pools[i].vm_class), i,
				   &first, err) < 0)
			return np_err_ret(err);
	return drop_pools(in, POOL_MACHINE_KIND, &classes, is_node_of_pool, err);
}

static bool is_copy_of_tkc(const struct np_pool *pool, const struct np_index *clusters)
{
	return pool->is_of_tkc && np_index_has(clusters, NP_KEY(pool->ns, pool->cluster));
}

/* The pools of a Cluster that was made of a TanzuKubernetesCluster are that one's. */
static int drop_copies(struct np_input *in, struct np_err *err)
{
	NP_AUTO(np_index_done) struct np_index clusters = { 0 };
	size_t first;

	for (size_t i = 0; i < in->n_pools; i++)
		if (strcmp(in->pools[i].source.kind, POOL_TKC_KIND) == 0 &&
		    np_index_enter(&clusters, NP_KEY(in->pools[i].ns, in->pools[i].cluster), i,
				   &first, err) < 0)
			return np_err_ret(err);
	return drop_pools(in, "pool of a Cluster made of a " POOL_TKC_KIND, &clusters,
			  is_copy_of_tkc, err);
}

bool np_pool_input_needs_classes(const struct np_input *in)
{
	for (size_t i = 0; i < in->n_pools; i++)
		if (in->pools[i].vm_class && !np_pool_is_placeholder(in->pools[i].vm_class))
			return true;
	return false;
}

int np_pool_input_finish(struct np_input *in, struct np_err *err)
{
	if (join_templates(in, err) < 0 || drop_machines(in, err) < 0 || drop_copies(in, err) < 0)
		return np_err_ret(err);
	/* Reports the refused document rather than an empty input. */
	if (in->n_pools == 0 && in->n_classes == 0 && in->n_errors == 0)
		return fail_nothing(in, err);
	if (check_pools(in, err) < 0)
		return np_err_ret(err);
	return check_classes(in, err);
}
