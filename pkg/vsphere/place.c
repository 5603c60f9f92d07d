/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

static int add_cluster(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct vsphere_clusters *c = ctx;
	const char *name = np_vcenter_val_text(np_vcenter_object_get(o, "name"));
	size_t number;

	if (np_index_enter(&c->by_id, NP_KEY(o->ref.id), c->names.n, &number, err) < 0)
		return np_err_ret(err);
	return number < c->names.n ? 0 : vsphere_names_add(&c->names, name, err);
}

void vsphere_clusters_done(struct vsphere_clusters *c)
{
	np_index_done(&c->by_id);
	vsphere_names_done(&c->names);
}

static void restart(void *ctx)
{
	vsphere_clusters_done(ctx);
	*(struct vsphere_clusters *)ctx = (struct vsphere_clusters){ 0 };
}

static bool has_name(const struct vsphere_clusters *c, const char *name)
{
	for (size_t i = 0; i < c->names.n; i++)
		if (strcmp(c->names.items[i], name) == 0)
			return true;
	return false;
}

int vsphere_clusters_fetch(struct np_vcenter *v, const char *name, struct vsphere_clusters *ret,
			   struct np_err *err)
{
	static const char *const paths[] = { "name" };
	const struct np_vcenter_query q = { .type = "ClusterComputeResource",
					    .paths = paths,
					    .n_paths = 1,
					    .each = add_cluster,
					    .restart = restart,
					    .ctx = ret };

	if (np_vcenter_query(v, &q, err) < 0)
		return np_err_ret(err);
	if (name && !has_name(ret, name))
		return np_fail(err, NP_E_NOT_FOUND,
			       "cluster '%s' not found in %s: it does not exist, or the user may "
			       "not see it",
			       name, np_vcenter_url(v));
	return 0;
}

const char *vsphere_cluster_of(const struct vsphere_clusters *c,
			       const struct np_vcenter_val *parent)
{
	struct np_vcenter_ref ref;
	size_t i;

	if (!np_vcenter_val_ref(parent, &ref) || !np_index_find(&c->by_id, NP_KEY(ref.id), &i))
		return "";
	return c->names.items[i];
}
