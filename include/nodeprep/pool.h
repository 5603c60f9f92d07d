/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_POOL_H
#define NODEPREP_POOL_H

/*
 * pool - what each worker pool asks for, from every kind of document that names one.
 *
 * Kinds      NodePool (nodeprep.dev), TanzuKubernetesCluster (run.tanzu.vmware.com v1alpha1 to 3),
 *            Cluster with a topology (cluster.x-k8s.io v1beta1, v1beta2), `kind: List` (and *List)
 *            of these, and VirtualMachineClass documents, which are kept as the classes of an
 *            offline plan. The whole API group is matched; a document of another kind is counted.
 * Ownership  np_input owns its pools and keeps a reference on the document of each class; strings in
 *            a pool are the pool's own. np_gpu pointers belong to the catalogue, which must outlive it.
 * Failure    what was added before stays; the document that failed may have left some of its pools.
 * Bounds     100,000 pools, 100,000 classes, 256 GPUs a pool; names of 253 bytes.
 * Errors     NP_E_SPEC with file, line and column: wrong types, unknown NodePool fields (with the
 *            near one named), swapped ids, bad sizes, a pool given twice, nothing recognised.
 * Unknown    a placeholder (${VAR}, <NAME>, {{ }}) is kept and marked, never read as a value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/gpu.h"
#include "nodeprep/mmio.h"
#include "nodeprep/tree.h"

struct np_catalogue;
struct np_err;

struct np_source {
	char *kind;
	char *name; /* of the document's object */
	char *file;
	size_t document; /* within the file, from 0 */
	unsigned line; /* where the pool's entry starts, from 1 */
};

/* GPUs that a pool names: by model, by PCI id or by vGPU profile. */
struct np_ask {
	char *text; /* as the user wrote it */
	const struct np_gpu
		*gpu; /* NULL: not in the catalogue (a pciID or profile may be unknown) */
	bool exact; /* by pciID: that board and no other */
	struct np_pci_id id; /* where exact */
	char *vgpu_profile; /* NULL unless asked for by profile */
	uint64_t count;
};

struct np_pool {
	struct np_source source;
	char *ns;
	char *cluster; /* NULL for a NodePool, which belongs to none */
	char *name;
	char *vm_class; /* NULL where the pool names none */
	bool has_placeholder; /* in the name, namespace, class or replicas */
	bool has_replicas; /* false where an autoscaler owns them, or a placeholder stands there */
	uint64_t replicas;
	size_t n_asks;
	struct np_ask *asks; /* none: the class's own devices are counted */
	struct np_window_policy window;
	bool memory_unmanaged; /* memoryReservation: Unmanaged */
};

/* A VirtualMachineClass of the input: a whole document, or an item of a List. */
struct np_class_ref {
	struct np_doc *doc; /* referenced */
	struct np_node node; /* the class object in it */
};

/* A kind passed over, and how often. */
struct np_skipped {
	char *kind;
	size_t count;
};

struct np_input {
	const char *default_namespace; /* borrowed: for documents without one; NULL: "default" */
	const char *
		only_namespace; /* borrowed: -n given; another namespace in a document is an error */
	size_t n_pools;
	struct np_pool *pools;
	size_t n_classes;
	struct np_class_ref *classes;
	size_t n_documents; /* an item of a List is a document of its own, the List is none */
	size_t n_skipped;
	char skipped[256]; /* the kinds passed over, "Secret, Service x2", cut with "..." */
	size_t n_skipped_kinds;
	struct np_skipped *skipped_kinds; /* what `skipped` is written from; the first 64 kinds */
};

/* Adds what one document holds. */
int np_input_add(struct np_input *in, const struct np_catalogue *cat, struct np_doc *doc,
		 struct np_err *err);

/* Adds every document of `size` bytes called `name`; the one way from bytes to pools. */
int np_input_parse(struct np_input *in, const struct np_catalogue *cat, const char *name,
		   const char *bytes, size_t size, struct np_err *err);

/* Checks the whole once all is added: something recognised, no pool twice, no class twice unless equal. */
int np_input_finish(const struct np_input *in, struct np_err *err);

void np_input_done(struct np_input *in);

#define NP_POOL_ID_MAX 800

/* Writes the pool's identity: "namespace/cluster/pool", of a NodePool "namespace/name". */
void np_pool_id(const struct np_pool *pool, char buf[static NP_POOL_ID_MAX]);

/* Tells whether the text is a placeholder that some tool was to fill in. */
bool np_is_placeholder(const char *text);

#endif
