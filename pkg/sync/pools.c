/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/map.h"

/* As `kubectl get nodepools,clusters,tanzukubernetesclusters` lists them. */
static const struct pool_kind {
	const char *group, *plural, *name, *noun;
} kinds[NP_SYNC_POOL_KINDS] = {
	{ "nodeprep.dev", "nodepools", "nodepools.nodeprep.dev", "nodepool" },
	{ "cluster.x-k8s.io", "clusters", "clusters.cluster.x-k8s.io", "cluster" },
	{ "run.tanzu.vmware.com", "tanzukubernetesclusters",
	  "tanzukubernetesclusters.run.tanzu.vmware.com", "tanzukubernetescluster" },
};

/* A listing of one kind. */
struct reader {
	const struct pool_kind *kind;
	const struct np_catalogue *catalogue;
	struct np_input *in;
	struct np_index seen; /* a list that starts over returns objects a second time */
	struct np_sync_pools *found;
};

/* Returns 1 for an object that was not read yet. */
static int remember(struct reader *r, json_t *object, struct np_err *err)
{
	size_t n = r->seen.map.n, number;
	const char *ns = np_json_meta_text(object, "namespace");

	if (np_index_enter(&r->seen, NP_KEY(ns, np_json_meta_text(object, "name")), n, &number,
			   err) < 0)
		return np_err_ret(err);
	return number == n;
}

static int add_object(void *ctx, json_t *object, struct np_err *err)
{
	struct reader *r = ctx;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	const char *ns = np_json_meta_text(object, "namespace");
	const char *name = np_json_meta_text(object, "name");
	char label[SYNC_LABEL_MAX];
	int fresh = remember(r, object, err);

	if (fresh <= 0)
		return fresh;
	snprintf(label, sizeof(label), "%s %s%s%s", r->kind->noun, ns ? ns : "", ns ? "/" : "",
		 name ? name : "");
	if (np_doc_new_take(label, json_incref(object), &doc, err) < 0 ||
	    np_pool_input_collect_object(r->in, r->catalogue, doc, err) < 0)
		return np_err_ret(err);
	r->found->n++;
	return 0;
}

/* Returns 1 where the server has the kind, 0 where not. */
static int discover(struct np_kube *k, const struct pool_kind *kind, struct np_kube_resource *ret,
		    struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (np_kube_discover(k, kind->group, kind->plural, ret, &why) == 0)
		return 1;
	if (why.code == NP_E_NOT_FOUND)
		return 0;
	*err = why;
	return np_err_ret(err);
}

int np_sync_fetch_pools(struct np_kube *k, const struct np_kube_selection *s,
			const struct np_catalogue *catalogue, struct np_input *in,
			struct np_sync_pools *ret, struct np_err *err)
{
	struct np_sync_pools found = { 0 };

	for (size_t i = 0; i < NP_SYNC_POOL_KINDS; i++) {
		struct reader r = {
			.kind = &kinds[i], .catalogue = catalogue, .in = in, .found = &found
		};
		struct np_kube_resource resource;
		int n = discover(k, &kinds[i], &resource, err);

		if (n == 0)
			found.missing[found.n_missing++] = kinds[i].name;
		if (n > 0)
			n = np_kube_list_selected(k, &resource, s, add_object, &r, err);
		np_index_done(&r.seen);
		if (n < 0)
			return np_err_ret(err);
	}
	*ret = found;
	return 0;
}
