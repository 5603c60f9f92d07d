/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/selector.h"

/* Pools of the API server in place of those that -f names: the options -A, -n, -l and --field-selector. */

static int check_files(const struct options *o, struct np_err *err)
{
	const char *name = o->all_namespaces ? "-A" : o->fields ? "--field-selector" : NULL;

	if (!name)
		return 0;
	return np_fail(err, NP_E_USAGE,
		       "%s and -f are mutually exclusive: %s selects objects of the API server",
		       name, name);
}

int live_is_wanted(const struct options *o, bool *ret, struct np_err *err)
{
	bool selects = o->all_namespaces || o->labels || o->fields;

	if (o->files.n > 0)
		return check_files(o, err);
	if (!o->may_list)
		return np_fail(err, NP_E_USAGE, "expected -f FILE (- is standard input)");
	if (o->all_namespaces && o->kube.ns)
		return np_fail(err, NP_E_USAGE,
			       "--all-namespaces and --namespace are mutually exclusive");
	if (!selects && !o->kube.ns)
		return np_fail(err, NP_E_USAGE,
			       "expected -f FILE (- is standard input), or -A, -n NAMESPACE or -l "
			       "LABELS to read the pools from the API server");
	*ret = true;
	return 0;
}

int live_select(const struct options *o, struct work *w, struct np_err *err)
{
	if (!o->labels)
		return 0;
	if (np_selector_parse(o->labels, &w->selector, err) < 0)
		return np_wrap(err, "-l");
	w->input.selector = w->selector;
	return 0;
}

/* The server judges the selector; a mistake is found before it is asked. */
static int check_selector(const struct options *o, struct np_err *err)
{
	NP_AUTO(np_selector_freep) struct np_selector *s = NULL;

	if (!o->labels || np_selector_parse(o->labels, &s, err) == 0)
		return 0;
	return np_wrap(err, "-l");
}

static void log_missing(const struct np_sync_pools *found)
{
	for (size_t i = 0; i < found->n_missing; i++)
		log_format("info", "the server does not have %s: ignored", found->missing[i]);
}

/* A mistake of a selection must not look like pools that are all in order. */
static int fail_none(const struct options *o, const struct work *w,
		     const struct np_sync_pools *found, struct np_err *err)
{
	const char *of = o->labels && o->fields ? " with these labels and fields"
			 : o->labels            ? " with these labels"
			 : o->fields            ? " with these fields"
						: "";

	if (found->n_missing == NP_SYNC_POOL_KINDS)
		return np_fail(err, NP_E_NOT_FOUND,
			       "the server has neither NodePools, Clusters nor "
			       "TanzuKubernetesClusters: use -f FILE");
	if (o->all_namespaces)
		return np_fail(err, NP_E_NOT_FOUND,
			       "no NodePool, Cluster or TanzuKubernetesCluster%s found in any "
			       "namespace",
			       of);
	return np_fail(err, NP_E_NOT_FOUND,
		       "no NodePool, Cluster or TanzuKubernetesCluster%s found in namespace '%s'",
		       of, w->input.default_namespace);
}

static int list_pools(const struct options *o, struct work *w, struct np_sync_pools *found,
		      struct np_err *err)
{
	const struct np_kube_selection s = {
		.ns = o->all_namespaces ? NULL : w->input.default_namespace,
		.labels = o->labels,
		.fields = o->fields,
	};

	if (work_connect_pools(o, w, err) < 0)
		return np_err_ret(err);
	return np_sync_fetch_pools(w->kube, &s, w->catalogue, &w->input, found, err);
}

int live_load(const struct options *o, struct work *w, struct np_err *err)
{
	struct np_sync_pools found = { 0 };
	struct np_err why = NP_ERR_INIT;

	if (check_selector(o, err) < 0)
		return np_err_ret(err);
	if (list_pools(o, w, &found, &why) < 0)
		return work_fail(w, &why, err);
	log_missing(&found);
	if (found.n > 0)
		return 0;
	if (!o->all_namespaces && found.n_missing < NP_SYNC_POOL_KINDS)
		log_missing_namespace(w->kube, w->input.default_namespace);
	fail_none(o, w, &found, &why);
	return work_fail(w, &why, err);
}

/* Counts the pools of live objects whose registration is left to others; *first is one of them. */
static size_t count_left(const struct np_plan *plan, const struct np_plan_class *c,
			 const char **holder, char first[static NP_POOL_ID_MAX])
{
	const json_t *record = c->class ? c->class->managed : NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->n_pools; i++) {
		const struct np_pool *pool = plan->pools[c->pools[i]].pool;
		const char *follower;
		char id[NP_POOL_ID_MAX];

		np_pool_id(pool, id);
		follower = pool->is_live ? np_vmclass_record_follower(record, id) : NULL;
		if (!follower || np_vmclass_record_is_held(record, id, "apply"))
			continue;
		*holder = follower;
		memcpy(first, id, sizeof(id));
		n++;
	}
	return n;
}

void live_log_left(const struct np_plan *plan)
{
	for (size_t i = 0; i < plan->n_classes; i++) {
		const struct np_plan_class *c = &plan->classes[i];
		char first[NP_POOL_ID_MAX] = "", more[64] = "";
		const char *holder = "";
		size_t n = count_left(plan, c, &holder, first);

		if (n > 1)
			snprintf(more, sizeof(more), " and %zu more", n - 1);
		if (n > 0)
			log_format("info",
				   "virtualmachineclass %s%s%s: pool '%s'%s stays registered by "
				   "'%s' alone, which releases it with its object",
				   c->ns ? c->ns : "", c->ns ? "/" : "", c->name, first, more,
				   holder);
	}
}
