/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/warnings.h"

/* The file of `tanzu cluster node-pool set -f`, told by its name beside one of these. */
static const char *const node_pool_keys[] = { "nodeMachineType", "replicas", "tkrResolver",
					      "vmClass", "workerClass" };

static bool is_node_file(struct np_val root)
{
	for (size_t i = 0; i < sizeof(node_pool_keys) / sizeof(node_pool_keys[0]); i++)
		if (np_doc_is_present(np_doc_get(root, "name")) &&
		    np_doc_is_present(np_doc_get(root, node_pool_keys[i])))
			return true;
	return false;
}

static bool is_gpu_key(const char *key)
{
	static const char *const marks[] = { "gpu", "mmio", "pci", "vmx" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcasestr(key, marks[i]))
			return true;
	return false;
}

/* The command passes on what its NodePool type has, and that has no field for a PCI device. */
static int note_gpu_keys(struct np_val object, const char *prefix, struct np_pool *pool,
			 struct np_err *err)
{
	for (struct np_val n = np_doc_next(object, NULL); n.key && *n.key;
	     n = np_doc_next(object, n.key))
		if (is_gpu_key(n.key) &&
		    np_warnings_add(
			    &pool->warnings, err, NP_WARNING_NO_EFFECT,
			    "'%s%.64s' has no effect: tanzu cluster node-pool set ignores GPU "
			    "settings; give the pool a VM class or a VSphereMachineTemplate of its "
			    "own",
			    prefix, n.key) < 0)
			return np_err_ret(err);
	return 0;
}

int pool_add_node_file(const struct pool_object *parent, struct np_val root, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	struct pool_object o = *parent;
	struct np_val vsphere = np_doc_get(root, "vsphere");

	if (!is_node_file(root))
		return 0;
	o.root = root;
	o.kind = "NodePoolFile";
	if (pool_read_name(np_doc_get(root, "name"), "name", &o.name, err) < 0 ||
	    pool_object_read_namespace(&o, np_doc_get(root, "namespace"), err) < 0 ||
	    pool_init(&o, root.pos, o.name, &pool, err) < 0 ||
	    pool_copy_text(&pool.cluster, NULL, err) < 0 ||
	    pool_read_class(np_doc_get(root, "vmClass"), "vmClass", &pool, err) < 0 ||
	    pool_read_replicas(np_doc_get(root, "replicas"), &pool, err) < 0 ||
	    np_doc_object(vsphere, err) < 0 || note_gpu_keys(root, "", &pool, err) < 0 ||
	    note_gpu_keys(vsphere, "vsphere.", &pool, err) < 0 ||
	    pool_input_push_take(o.in, &pool, err) < 0)
		return np_err_ret(err);
	return 1;
}
