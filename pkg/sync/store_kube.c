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

/* Hands updates of classes on as updates of objects: the mutate functions are the same. */
struct updates {
	const struct np_class_store *s;
	const struct sync_updates *all;
};

static bool next_update(void *ctx, struct np_kube_update *ret)
{
	const struct updates *u = ctx;
	struct sync_update how;

	if (!u->all->next(u->all->ctx, &how))
		return false;
	*ret = (struct np_kube_update){ .resource = &u->s->resource,
					.ns = how.ns,
					.name = how.name,
					.object = how.object,
					.mutate = how.mutate,
					.ctx = how.ctx,
					.tag = how.tag,
					.dry_run = how.dry_run };
	return true;
}

static void done_update(void *ctx, const struct np_kube_update *how, struct np_kube_updated *done,
			const struct np_err *error)
{
	const struct updates *u = ctx;
	const struct sync_update back = { .ns = how->ns,
					  .name = how->name,
					  .object = how->object,
					  .mutate = how->mutate,
					  .ctx = how->ctx,
					  .tag = how->tag,
					  .dry_run = how->dry_run };
	NP_AUTO(sync_updated_done) struct sync_updated updated = { .done = *done };

	done->object = NULL;
	u->all->done(u->all->ctx, &back, &updated, error);
}

static int update_many(struct np_class_store *s, const struct sync_updates *all, struct np_err *err)
{
	struct updates u = { s, all };
	const struct np_kube_updates updates = {
		.most = all->most, .next = next_update, .done = done_update, .ctx = &u
	};

	return np_kube_update_many(s->kube, &updates, err);
}

const struct sync_store_kind sync_store_kube = {
	.api = "kubernetes",
	.noun = "virtualmachineclass",
	.batch = BATCH,
	.open = open_kube,
	.get_many = get_many,
	.list_wanted = sync_list_wanted,
	.list = list,
	.update_many = update_many,
	.check_access = sync_check_access_kube,
};

struct np_class_store np_sync_store_kube(struct np_kube *k, const struct np_kube_resource *resource)
{
	struct np_class_store s = { .kind = &sync_store_kube, .api = "kubernetes", .kube = k };

	if (resource)
		s.resource = *resource;
	return s;
}
