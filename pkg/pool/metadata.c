/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/warnings.h"

int pool_skip_object(const struct pool_object *o, const char *why, struct np_err *err)
{
	char label[POOL_LABEL_MAX];

	snprintf(label, sizeof(label), "%s '%.63s' %s", o->kind, o->name, why);
	return pool_input_skip(o->in, label, err);
}

bool pool_has_our_annotation(struct np_val metadata)
{
	struct np_val annotations = np_doc_get(metadata, "annotations");

	for (struct np_val n = np_doc_next(annotations, NULL); n.key && *n.key;
	     n = np_doc_next(annotations, n.key))
		if (strncmp(n.key, NP_OUR_PREFIX, strlen(NP_OUR_PREFIX)) == 0)
			return true;
	return false;
}

/* With the autoscaler's limits on it the number of replicas is the autoscaler's. */
int pool_read_deployment_metadata(const struct pool_object *o, struct np_val metadata,
				  struct np_pool *pool, struct np_err *err)
{
	static const char *const limits[] = {
		"cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size",
		"cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size",
	};
	struct np_val annotation;

	pool_read_ignored(metadata, pool);
	if (pool_find_annotation(metadata, &annotation, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (np_doc_is_present(np_doc_get(np_doc_get(metadata, "annotations"), limits[i])))
			pool->has_replicas = false;
	return pool_read_annotation(annotation, o->cat, pool, err);
}
