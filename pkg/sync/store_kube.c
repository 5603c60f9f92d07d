/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

/* How many classes are asked for between two reports of progress. */
#define BATCH 64

static int open_kube(struct np_class_store *s, struct np_err *err)
{
	if (s->resource.plural[0] != '\0')
		return 0;
	return np_kube_discover(s->kube, NP_VMCLASS_GROUP, NP_VMCLASS_PLURAL, &s->resource, err);
}

static int get_many(struct np_class_store *s, struct np_kube_item *items, size_t n,
		    struct np_err *err)
{
	return np_kube_get_many(s->kube, &s->resource, items, n, 0, err);
}

static int list(struct np_class_store *s, const char *ns, np_kube_each_fn *each, void *ctx,
		struct np_err *err)
{
	return np_kube_list(s->kube, &s->resource, ns, 0, each, ctx, err);
}

static int update(struct np_class_store *s, const struct sync_update *how, struct sync_updated *ret,
		  struct np_err *err)
{
	const struct np_kube_update request = { .resource = &s->resource,
						.ns = how->ns,
						.name = how->name,
						.object = how->object,
						.mutate = how->mutate,
						.ctx = how->ctx,
						.dry_run = how->dry_run };

	return np_kube_update(s->kube, &request, &ret->done, err);
}

const struct sync_store_kind sync_store_kube = {
	.api = "kubernetes",
	.noun = "virtualmachineclass",
	.batch = BATCH,
	.open = open_kube,
	.get_many = get_many,
	.list = list,
	.update = update,
	.check_access = sync_check_access_kube,
};

struct np_class_store np_sync_store_kube(struct np_kube *k, const struct np_kube_resource *resource)
{
	struct np_class_store s = { .kind = &sync_store_kube, .api = "kubernetes", .kube = k };

	if (resource)
		s.resource = *resource;
	return s;
}
