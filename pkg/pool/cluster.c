/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/warnings.h"

static int add_tkc_pool(const struct pool_object *o, struct np_val entry, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	struct np_val vm_class = np_doc_get(entry, "vmClass");
	const char *name;

	if (!json_is_object(entry.json))
		return pool_fail_instead(entry, "a mapping with name, replicas and vmClass", err);
	if (pool_read_name(np_doc_get(entry, "name"), "name of the node pool", &name, err) < 0 ||
	    pool_init(o, entry.pos, name, &pool, err) < 0 ||
	    pool_read_class(vm_class, "vmClass", &pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(entry, "replicas"), &pool, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(o->in, &pool, err);
}

/* The API server silently drops the other version's field, and its pools with it. */
static int refuse_field(struct np_val topology, const char *foreign, const char *version,
			const char *right, struct np_err *err)
{
	struct np_val n = np_doc_get(topology, foreign);

	if (!np_doc_is_present(n))
		return 0;
	return np_doc_fail_key(n, err, NP_E_SPEC, "'%s' is a field of %s: expected '%s'", foreign,
			       version, right);
}

int pool_add_tkc(const struct pool_object *o, struct np_err *err)
{
	size_t first = o->in->n_pools;
	struct np_val topology, pools;

	if (np_doc_path(o->root, "spec.topology", &topology, err) < 0 ||
	    np_doc_object(topology, err) < 0 ||
	    refuse_field(topology, "workers", "v1alpha1", "nodePools", err) < 0)
		return np_err_ret(err);
	pools = np_doc_get(topology, "nodePools");
	if (np_doc_list(pools, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(pools); i++)
		if (add_tkc_pool(o, np_doc_at(pools, i), err) < 0)
			return np_err_ret(err);
	if (o->in->n_pools == first)
		return pool_skip_object(o, "without node pools", err);
	return pool_read_cluster_annotation(o, first, err);
}

int pool_add_tkc_v1alpha1(const struct pool_object *o, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	size_t first = o->in->n_pools;
	struct np_val topology, workers, vm_class;

	if (np_doc_path(o->root, "spec.topology", &topology, err) < 0 ||
	    np_doc_object(topology, err) < 0 ||
	    refuse_field(topology, "nodePools", "v1alpha2 and v1alpha3", "workers", err) < 0)
		return np_err_ret(err);
	workers = np_doc_get(topology, "workers");
	if (np_doc_object(workers, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(workers))
		return pool_skip_object(o, "without workers", err);
	vm_class = np_doc_get(workers, "class");
	if (pool_init(o, workers.at, "workers", &pool, err) < 0 ||
	    pool_read_class(vm_class, "class", &pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(workers, "count"), &pool, err) < 0 ||
	    pool_input_push_take(o->in, &pool, err) < 0)
		return np_err_ret(err);
	return pool_read_cluster_annotation(o, first, err);
}

/* The values of the variables that nodeprep reads; absent where unset. */
struct variables {
	struct np_val vm_class, gpu;
	struct pool_variables tkgm;
};

static int check_class_variable(struct np_val value, struct np_err *err)
{
	if (json_is_string(value.json))
		return 0;
	return pool_fail_instead(value,
				 "the name of a VirtualMachineClass as value of the variable "
				 "'" NP_CLASS_VARIABLE "'",
				 err);
}

static int set_variable(struct np_val item, const char *name, bool is_class, struct variables *seen,
			struct np_err *err)
{
	struct np_val value = np_doc_get(item, "value");
	struct np_val *at = is_class ? &seen->vm_class : &seen->gpu;

	if (at->key)
		return np_doc_fail(item, err, NP_E_SPEC, "variable '%s' is given twice in one list",
				   name);
	if (is_class && check_class_variable(value, err) < 0)
		return np_err_ret(err);
	*at = value;
	return 0;
}

/* Takes a value of TKGm's, which has the list's path in front of its own. */
static void set_tkgm(struct np_val item, const char *name, const char *path, size_t i,
		     struct pool_variables *v)
{
	bool is_pci = strcmp(name, "pci") == 0;

	if (!is_pci && strcmp(name, "worker") != 0)
		return;
	*(is_pci ? &v->pci : &v->worker) = np_doc_get(item, "value");
	snprintf(is_pci ? v->pci_path : v->worker_path, POOL_PATH_MAX, "%s/%zu/value", path, i);
}

/*
 * Reads a list of variables or overrides, of which each takes the place of what `v` held; `path` is
 * the list's.
 */
static int read_variables(struct np_val list, const char *path, struct variables *v,
			  struct np_err *err)
{
	struct variables seen = { 0 };

	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val item = np_doc_at(list, i);
		const char *name = NULL;
		bool is_class;

		if (np_doc_object(item, err) < 0 ||
		    np_doc_string(np_doc_get(item, "name"), &name, err) < 0)
			return np_err_ret(err);
		if (name)
			set_tkgm(item, name, path, i, &v->tkgm);
		is_class = name && strcmp(name, NP_CLASS_VARIABLE) == 0;
		if (!is_class && !(name && strcmp(name, NP_GPU_VARIABLE) == 0))
			continue;
		if (set_variable(item, name, is_class, &seen, err) < 0)
			return np_err_ret(err);
	}
	if (seen.vm_class.key)
		v->vm_class = seen.vm_class;
	if (seen.gpu.key)
		v->gpu = seen.gpu;
	return 0;
}

static int read_overrides(struct np_val of, size_t i, struct variables *v, struct np_err *err)
{
	struct np_val overrides;
	char path[POOL_PATH_MAX];

	snprintf(path, sizeof(path),
		 "/spec/topology/workers/machineDeployments/%zu/variables/overrides", i);

	if (np_doc_path(of, "variables.overrides", &overrides, err) < 0)
		return np_err_ret(err);
	return read_variables(overrides, path, v, err);
}

static bool has_variable(const struct variables *v)
{
	return np_doc_is_present(np_doc_get(v->tkgm.pci, "worker")) ||
	       np_doc_is_present(v->vm_class) || np_doc_is_present(v->gpu);
}

/* The names of the ClusterClasses that the Supervisor and tanzu ship. */
static bool is_tanzu_class(const char *name)
{
	static const char *const prefixes[] = { "builtin-generic", "tkg-" };

	if (strcmp(name, "tanzukubernetescluster") == 0)
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* v1beta1 has `class`, v1beta2 `classRef.name`. */
static int read_is_tanzu(struct np_val topology, bool *ret, struct np_err *err)
{
	struct np_val n = np_doc_get(topology, "class");
	const char *name = "";

	if (!np_doc_is_present(n) && np_doc_path(topology, "classRef.name", &n, err) < 0)
		return np_err_ret(err);
	if (np_doc_string(n, &name, err) < 0)
		return np_err_ret(err);
	*ret = is_tanzu_class(name);
	return 0;
}

/*
 * Other clouds' clusters have a topology too; a variable that is read, a word to us or Tanzu's
 * ClusterClass tells ours.
 */
static int is_for_us(const struct pool_object *o, struct np_val topology, struct variables v,
		     bool *ret, struct np_err *err)
{
	struct np_val pools;
	bool ours = false;

	if (read_is_tanzu(topology, &ours, err) < 0)
		return np_err_ret(err);
	ours = ours || has_variable(&v) || pool_has_our_annotation(np_doc_get(o->root, "metadata"));
	if (read_overrides(np_doc_get(topology, "controlPlane"), 0, &v, err) < 0 ||
	    np_doc_path(topology, "workers.machineDeployments", &pools, err) < 0 ||
	    np_doc_list(pools, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(pools); i++) {
		struct np_val entry = np_doc_at(pools, i);

		if (read_overrides(entry, i, &v, err) < 0)
			return np_err_ret(err);
		ours = ours || pool_has_our_annotation(np_doc_get(entry, "metadata"));
	}
	*ret = ours || has_variable(&v);
	return 0;
}

/* v1beta1 has `strategy`, v1beta2 `rollout.strategy`. */
static int read_rollout(struct np_val entry, struct np_pool *pool, struct np_err *err)
{
	struct np_val strategy;

	if (np_doc_path(entry, "rollout.strategy", &strategy, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(strategy))
		strategy = np_doc_get(entry, "strategy");
	return pool_read_rollout(strategy, pool, err);
}

/* Tells whether the ClusterClass makes nodes without a VM class, of variables: TKGm's own do. */
static bool is_tkgm(struct np_val topology)
{
	struct np_val n = np_doc_get(topology, "class");
	const char *name = json_string_value(n.json);

	if (!name)
		name = json_string_value(np_doc_get(np_doc_get(topology, "classRef"), "name").json);
	return name && strncmp(name, "tkg-vsphere", strlen("tkg-vsphere")) == 0;
}

/* The variables tell a pool's devices unless it has a class, or says itself what it has. */
static int set_devices(const struct pool_object *o, struct np_val entry, const struct variables *v,
		       struct np_pool *pool, struct np_err *err)
{
	struct np_val topology = np_doc_get(np_doc_get(o->root, "spec"), "topology");

	if (pool->vm_class || (!v->tkgm.pci.key && (!is_tkgm(topology) || pool->n_requests > 0 ||
						    np_doc_is_present(v->gpu))))
		return 0;
	return pool_set_variables(o, entry, &v->tkgm, pool, err);
}

static int add_deployment(const struct pool_object *o, struct np_val entry, size_t i,
			  struct variables v, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	const char *name;

	if (!json_is_object(entry.json))
		return pool_fail_instead(entry, "a mapping with class, name and replicas", err);
	if (pool_read_name(np_doc_get(entry, "name"), "name of the machine deployment", &name,
			   err) < 0 ||
	    read_overrides(entry, i, &v, err) < 0 ||
	    pool_init(o, entry.pos, name, &pool, err) < 0 ||
	    pool_read_class(v.vm_class, "variable vmClass", &pool, err) < 0 ||
	    pool_read_variable(v.gpu, o->cat, &pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(entry, "replicas"), &pool, err) < 0 ||
	    read_rollout(entry, &pool, err) < 0 ||
	    pool_read_deployment_metadata(o, np_doc_get(entry, "metadata"), &pool, err) < 0 ||
	    set_devices(o, entry, &v, &pool, err) < 0)
		return np_err_ret(err);
	return pool_input_push_take(o->in, &pool, err);
}

/*
 * vSphere's providers make no nodes of them, but they may be meant as pools: they are not passed
 * over unsaid.
 */
static int note_machine_pools(struct np_val topology, struct np_pool *pool, struct np_err *err)
{
	struct np_val pools;

	if (np_doc_path(topology, "workers.machinePools", &pools, err) < 0)
		return np_err_ret(err);
	if (np_doc_count(pools) == 0)
		return 0;
	return np_warnings_add(
		&pool->warnings, err, NP_WARNING_MACHINE_POOLS,
		"the topology's %zu machinePools are ignored: vSphere creates no nodes "
		"from them",
		np_doc_count(pools));
}

/* A Supervisor makes the Cluster of a TanzuKubernetesCluster, which owns it. */
static bool is_of_tkc(struct np_val root)
{
	struct np_val owners = np_doc_get(np_doc_get(root, "metadata"), "ownerReferences");

	for (size_t i = 0; i < np_doc_count(owners); i++) {
		struct np_val owner = np_doc_at(owners, i);
		const char *kind = json_string_value(np_doc_get(owner, "kind").json);
		const char *version = json_string_value(np_doc_get(owner, "apiVersion").json);

		if (kind && version && strcmp(kind, POOL_TKC_KIND) == 0 &&
		    strncmp(version, POOL_TKC_GROUP "/", strlen(POOL_TKC_GROUP "/")) == 0)
			return true;
	}
	return false;
}

static int add_deployments(const struct pool_object *o, struct np_val topology, struct variables v,
			   struct np_err *err)
{
	size_t first = o->in->n_pools;
	struct np_val pools;

	if (np_doc_path(topology, "workers.machineDeployments", &pools, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(pools); i++)
		if (add_deployment(o, np_doc_at(pools, i), i, v, err) < 0)
			return np_err_ret(err);
	if (o->in->n_pools == first)
		return pool_skip_object(o, "without machine deployments", err);
	for (size_t i = first; i < o->in->n_pools; i++)
		o->in->pools[i].is_of_tkc = is_of_tkc(o->root);
	if (note_machine_pools(topology, &o->in->pools[first], err) < 0)
		return np_err_ret(err);
	return pool_read_cluster_annotation(o, first, err);
}

int pool_add_cluster(const struct pool_object *o, struct np_err *err)
{
	struct np_val topology;
	struct variables v = { .tkgm = { .pci_path = "/spec/topology/variables/-/value",
					 .worker_path = "/spec/topology/variables/-/value" } };
	bool ours = false;

	if (np_doc_path(o->root, "spec.topology", &topology, err) < 0 ||
	    np_doc_object(topology, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(topology))
		return pool_input_skip(o->in, "Cluster without topology", err);
	if (read_variables(np_doc_get(topology, "variables"), "/spec/topology/variables", &v, err) <
		    0 ||
	    is_for_us(o, topology, v, &ours, err) < 0)
		return np_err_ret(err);
	if (!ours) {
		o->in->n_topologies_skipped++;
		return pool_skip_object(o, "without variable " NP_CLASS_VARIABLE, err);
	}
	return add_deployments(o, topology, v, err);
}
