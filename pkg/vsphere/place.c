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

/* --- hosts -------------------------------------------------------------------------------------- */

/* Both are gathered together. */
struct placing {
	struct vsphere_clusters clusters;
	struct vsphere_places *places;
};

static int add_place(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct placing *g = ctx;
	struct vsphere_places *p = g->places;
	const char *name = np_vcenter_val_text(np_vcenter_object_get(o, "name"));
	const char *cluster = vsphere_cluster_of(&g->clusters, np_vcenter_object_get(o, "parent"));
	size_t number;

	if (np_index_enter(&p->by_id, NP_KEY(o->ref.id), p->hosts.n, &number, err) < 0)
		return np_err_ret(err);
	if (number < p->hosts.n)
		return 0;
	if (vsphere_names_add(&p->clusters, cluster, err) < 0 ||
	    vsphere_names_add(&p->hosts, name[0] != '\0' ? name : o->ref.id, err) < 0)
		return np_err_ret(err);
	return 0;
}

void vsphere_places_done(struct vsphere_places *p)
{
	np_index_done(&p->by_id);
	vsphere_names_done(&p->hosts);
	vsphere_names_done(&p->clusters);
}

static void restart_places(void *ctx)
{
	struct placing *g = ctx;

	vsphere_places_done(g->places);
	*g->places = (struct vsphere_places){ 0 };
}

static void placing_done(struct placing *g)
{
	vsphere_clusters_done(&g->clusters);
}

int vsphere_places_fetch(struct np_vcenter *v, const char *cluster, struct vsphere_places *ret,
			 struct np_err *err)
{
	static const char *const paths[] = { "name", "parent" };
	NP_AUTO(placing_done) struct placing g = { .places = ret };
	const struct np_vcenter_query q = { .type = "HostSystem",
					    .paths = paths,
					    .n_paths = 2,
					    .each = add_place,
					    .restart = restart_places,
					    .ctx = &g };

	if (vsphere_clusters_fetch(v, cluster, &g.clusters, err) < 0)
		return np_err_ret(err);
	return np_vcenter_query(v, &q, err);
}

void vsphere_place_of(const struct vsphere_places *p, const struct np_vcenter_val *host,
		      const char **ret_host, const char **ret_cluster)
{
	struct np_vcenter_ref ref;
	size_t i;

	*ret_host = *ret_cluster = "";
	if (!np_vcenter_val_ref(host, &ref) || !np_index_find(&p->by_id, NP_KEY(ref.id), &i))
		return;
	*ret_host = p->hosts.items[i];
	*ret_cluster = p->clusters.items[i];
}
