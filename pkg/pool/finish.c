/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "nodeprep/err.h"

#define READ_KINDS "NodePool, TanzuKubernetesCluster, Cluster with a topology"

static void json_freep(json_t **json)
{
	json_decref(*json);
}

/*
 * Tells in *ret_first which index stood under `id` before, or enters `i` there. A table, since ten
 * thousand pools compared with one another would be fifty million comparisons.
 */
static int enter(json_t *seen, const char *id, size_t i, size_t *ret_first, struct np_err *err)
{
	const json_t *known = json_object_get(seen, id);

	*ret_first = i;
	if (known) {
		*ret_first = (size_t)json_integer_value(known);
		return 0;
	}
	/* _nocheck: an id that was cut at its end may end in half a character. */
	if (json_object_set_new_nocheck(seen, id, json_integer((json_int_t)i)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int check_pools(const struct np_input *in, struct np_err *err)
{
	NP_AUTO(json_freep) json_t *seen = json_object();

	if (!seen)
		return np_fail_nomem(err);
	for (size_t i = 0; i < in->n_pools; i++) {
		const struct np_source *at = &in->pools[i].source;
		char id[NP_POOL_ID_MAX];
		size_t first;

		np_pool_id(&in->pools[i], id);
		/* Two templates' ${NAME} need not become the same name. */
		if (np_is_placeholder(id))
			continue;
		if (enter(seen, id, i, &first, err) < 0)
			return -(int)err->code;
		if (first != i)
			return np_fail(err, NP_E_SPEC,
				       "%s:%u: pool '%s' is given twice, first in %s:%u", at->file,
				       at->line, id, in->pools[first].source.file,
				       in->pools[first].source.line);
	}
	return 0;
}

static int check_class(const struct np_input *in, json_t *seen, size_t i, struct np_err *err)
{
	const struct np_class_ref *class = &in->classes[i];
	struct np_node metadata = np_node_get(class->node, "metadata");
	const char *ns = json_string_value(np_node_get(metadata, "namespace").json);
	const char *name = json_string_value(np_node_get(metadata, "name").json);
	char id[NP_POOL_ID_MAX];
	size_t first;

	snprintf(id, sizeof(id), "%s%s%s", ns ? ns : "", ns && *ns ? "/" : "", name);
	if (np_is_placeholder(id))
		return 0;
	if (enter(seen, id, i, &first, err) < 0)
		return -(int)err->code;
	if (first == i || json_equal(in->classes[first].node.json, class->node.json))
		return 0;
	return np_node_fail(class->node, err, NP_E_SPEC,
			    "VirtualMachineClass '%s' is given twice and differs from that in "
			    "%s:%u",
			    id, np_doc_name(in->classes[first].doc),
			    in->classes[first].node.pos.line);
}

static int check_classes(const struct np_input *in, struct np_err *err)
{
	NP_AUTO(json_freep) json_t *seen = json_object();

	if (!seen)
		return np_fail_nomem(err);
	for (size_t i = 0; i < in->n_classes; i++)
		if (check_class(in, seen, i, err) < 0)
			return -(int)err->code;
	return 0;
}

static int fail_nothing(const struct np_input *in, struct np_err *err)
{
	if (in->n_documents == 0)
		return np_fail(err, NP_E_SPEC,
			       "no worker pool found: the input is empty; nodeprep reads %s",
			       READ_KINDS);
	return np_fail(err, NP_E_SPEC,
		       "no worker pool found: %zu document%s, of kind%s %s; nodeprep reads %s",
		       in->n_documents, in->n_documents == 1 ? "" : "s",
		       in->n_skipped_kinds == 1 ? "" : "s", in->skipped, READ_KINDS);
}

int np_input_finish(const struct np_input *in, struct np_err *err)
{
	if (in->n_pools == 0 && in->n_classes == 0)
		return fail_nothing(in, err);
	if (check_pools(in, err) < 0)
		return -(int)err->code;
	return check_classes(in, err);
}
