/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_POOL_H
#define NODEPREP_POOL_H

/*
 * pool - reads the requirements of worker pools from every supported kind of document.
 *
 * Kinds      NodePool (nodeprep.dev), TanzuKubernetesCluster (run.tanzu.vmware.com v1alpha1 to 3),
 *            Cluster with a topology and MachineDeployment (cluster.x-k8s.io v1beta1, v1beta2),
 *            VSphereMachineTemplate (infrastructure.cluster.x-k8s.io and
 *            vmware.infrastructure.cluster.x-k8s.io v1beta1, v1beta2), `kind: List` (and *List) of
 *            these, and VirtualMachineClass documents, which serve as the classes of an offline
 *            plan. The whole API group is matched. A hand-written VirtualMachine (no
 *            status, no owner) is a pool of one node, unless another pool has its class; a blueprint of VCF Automation is read for the
 *            manifests in it (CCI.Supervisor.Resource). Documents of other kinds are counted as ignored;
 *            VirtualMachine, VirtualMachineImage and ClusterVirtualMachineImage are also stored for
 *            a check.
 * Files      without apiVersion and kind: the flat cluster-configuration file of tanzu (source.kind
 *            "ClusterConfiguration", pool md-0) and the file of `tanzu cluster node-pool set`
 *            ("NodePoolFile"), each recognised by its keys.
 * Folders    with in_folder, documents that are no Kubernetes objects are counted as ignored: JSON
 *            patches, values files, kustomizations. A file of ytt code or of a Helm template is
 *            refused, and named as such.
 * Templates  a MachineDeployment finds its template by group, namespace and name among all that was
 *            added, in np_pool_input_finish(); one that names a class makes an ordinary pool with
 *            that class. A template with devices that neither a MachineDeployment nor a control
 *            plane names is a pool of its own name.
 * Clusters   a Supervisor makes a Cluster of each TanzuKubernetesCluster, with the same pools: where the
 *            input has both, the TanzuKubernetesCluster counts.
 * Ownership  np_input owns its pools and templates and keeps a reference on the document of each
 *            class and template; strings in a pool or template are its own. np_gpu pointers belong
 *            to the catalogue, which must outlive it.
 * Failure    earlier documents stay added. Some pools of the failed document may remain, but none
 *            after np_pool_input_collect(), where an item of a List counts as a document.
 * Bounds     100,000 pools, classes, templates, and VMs and images each; 256 GPUs per pool; names
 *            of 253 bytes.
 * Errors     NP_E_SPEC with file, line and column: wrong types, unknown NodePool fields (with the
 *            near one named), swapped ids, bad sizes, a pool given twice, nothing recognised.
 * Unknown    a placeholder (${VAR}, <NAME>, {{ }}) is kept and marked, never read as a value. A
 *            pool without a class has a NULL vm_class; only in a NodePool is that an error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/doc.h"
#include "nodeprep/gpu.h"
#include "nodeprep/map.h"
#include "nodeprep/mmio.h"
#include "nodeprep/warnings.h"

struct np_catalogue;
struct np_err;
struct np_selector;

struct np_source {
	char *kind;
	char *name; /* of the document's object */
	char *file;
	size_t document; /* within the file, from 0 */
	unsigned
		line; /* where the pool's entry starts, from 1; 0: `file` names an object of a server */
};

/* A pool's request for GPUs: by model, by PCI ID or by vGPU profile. */
struct np_gpu_request {
	char *text; /* as the user wrote it */
	const struct np_gpu
		*gpu; /* NULL: not in the catalogue (a pciID or profile may be unknown) */
	bool exact; /* by pciID: that board and no other */
	struct np_pci_id id; /* where exact */
	char *vgpu_profile; /* NULL unless asked for by profile */
	uint64_t count;
};

struct np_gpu_requests {
	size_t n;
	struct np_gpu_request *items;
};

/*
 * Reads a list such as "A100-40GB=4,T4=1", as the annotation nodeprep.dev/gpus holds it; errors
 * begin with `origin`. A placeholder is refused.
 */
int np_pool_requests_parse(const struct np_catalogue *cat, const char *origin, const char *text,
			   struct np_gpu_requests *ret, struct np_err *err);
void np_pool_requests_done(struct np_gpu_requests *asks);

/* A placeholder in a field that is read, for messages. */
struct np_placeholder {
	char field[128]; /* "vmClass is '${CLASS}'"; "": none, or it is not known in which field */
	unsigned line, column; /* 0: not known */
};

/* The strategy for replacing a pool's nodes. */
enum np_rollout {
	NP_ROLLOUT_UNKNOWN, /* the input does not say, and its kind has no default that we know */
	NP_ROLLOUT_SURGE, /* a new node first: it needs a host with free GPUs */
	NP_ROLLOUT_NO_SURGE, /* rolling, with maxSurge 0 */
	NP_ROLLOUT_ON_DELETE,
};

struct np_pool {
	struct np_source source;
	const char *origin; /* borrowed from the input: the API server it was read from, or NULL */
	char *ns;
	char *cluster; /* NULL where it belongs to none, or the input does not say to which */
	char *name;
	char *vm_class; /* NULL where the pool names none */
	bool has_placeholder; /* in a field that is read: the name, class, replicas, GPUs, window, ... */
	struct np_placeholder placeholder; /* the first one */
	bool gpus_unknown; /* GPUs or their count are a placeholder; such requests are left out */
	bool window_unknown; /* minimumGB or sizeGB is a placeholder */
	bool has_replicas; /* false where an autoscaler owns them, or for a placeholder */
	uint64_t replicas;
	size_t n_requests;
	struct np_gpu_request
		*requests; /* none: the class's own devices are counted, unless gpus_unknown */
	struct np_window_policy window;
	bool memory_unmanaged; /* memoryReservation: Unmanaged */
	bool has_template; /* nodes are made from a template that names its devices itself */
	char *template_group; /* API group of the template that is named; NULL: none is */
	char *template_ns;
	char *template_name;
	size_t template_index; /* into np_input.templates, where has_template; SIZE_MAX: not there */
	enum np_rollout rollout;
	char max_surge[16]; /* as a MachineDeployment's strategy has it; "1" by default */
	struct np_doc *doc; /* referenced: its MachineDeployment's; NULL unless has_template */
	struct np_val node; /* the MachineDeployment in it */
	bool is_live; /* its object comes from an API server, whether by a file or not */
	bool is_of_tkc; /* its Cluster was made from a TanzuKubernetesCluster of the same name */
	struct np_warnings warnings;
	struct np_warning_set ignored; /* what its annotation acknowledges */
};

enum np_template_kind {
	NP_TEMPLATE_MACHINE, /* VSphereMachineTemplate */
	NP_TEMPLATE_FLAT, /* the workers of a flat cluster-configuration file */
	NP_TEMPLATE_VARIABLES, /* variables `pci` and `worker` of a Cluster whose class is TKGm's */
	NP_TEMPLATE_EXTRA, /* an entry of its `extrapools`: the OVA alone decides on devices */
};

/* A PCI device that a template attaches. */
struct np_template_device {
	char *profile; /* NULL unless a vGPU */
	struct np_pci_id id; /* for any other device */
	enum np_pci_class pci_class;
	bool may_be_gpu; /* np_gpu_pci_may_be_gpu() says so */
	const struct np_gpu *gpu; /* NULL: not in the catalogue */
};

/* A template that worker nodes are created from, without a VM class. */
struct np_template {
	enum np_template_kind kind;
	struct np_source source;
	char *ns;
	char *name;
	char *group; /* NULL where it is not an API object */
	char *class_name; /* the class that it names instead of devices; NULL: none */
	struct np_doc *doc; /* referenced */
	struct np_val node; /* the object, or the flat file */
	size_t n_devices;
	struct np_template_device *devices;
	bool has_unknown_device; /* one of them is a placeholder */
	bool has_text_ids; /* an ID is the text of a number, such as "0x10DE" */
	json_t *vmx_keys; /* {key: text} in the input's order */
	char *keys_path; /* of NP_TEMPLATE_VARIABLES: JSON pointer to the keys */
	char *hardware_path; /* likewise to the hardware version */
	uint64_t vcpus; /* 0: not said */
	char *hardware_version; /* "vmx-17", or a placeholder; NULL: not said */
	bool has_memory;
	uint64_t memory_mib;
	bool is_used; /* by a MachineDeployment, a control plane or a pool of its own name */
	bool is_duplicate; /* equal to one that was added before */
	bool has_placeholder; /* in a field that matters to its pools */
	struct np_placeholder placeholder; /* the first one */
	struct np_warnings warnings;
};

/* A VirtualMachineClass of the input: a whole document, or an item of a List. */
struct np_class_ref {
	struct np_doc *doc; /* referenced */
	struct np_val node; /* the class object in it */
};

/* An ignored kind, and its number of documents. */
struct np_ignored_kind {
	char *kind;
	size_t count;
};

struct np_input {
	const char *default_namespace; /* borrowed: for documents without one; NULL: "default" */
	const char *
		only_namespace; /* borrowed: -n given; another namespace in a document is an error */
	const char *origin; /* borrowed: id of the API server the pools were read from, where that
			       is not the classes' */
	const struct np_selector
		*selector; /* borrowed: other objects are ignored, as kubectl -l does with
					       -f; classes, VMs and images are facts and stay; NULL: none */
	bool keeps_managed_fields; /* of VM classes: np_vmclass_last_writer() and its like need them */
	bool in_folder; /* other files are ignored: values, JSON patches */
	size_t n_unselected; /* objects that the selector left out */
	size_t n_foreign; /* of n_skipped: such documents */
	size_t n_pools;
	struct np_pool *pools;
	size_t n_classes;
	struct np_class_ref *classes;
	size_t n_objects;
	struct np_class_ref *objects; /* VMs and images: not read, and counted as ignored */
	size_t n_templates;
	struct np_template *templates;
	struct np_index control_planes; /* the templates that control planes name */
	char names[256]; /* of what was read, "a.yaml, b.yaml", cut with "..." */
	size_t n_documents; /* an item of a List is a document of its own, the List is none */
	size_t n_skipped;
	char skipped[256]; /* the ignored kinds, "Secret, Service x2", cut with "..." */
	size_t n_topologies_skipped; /* Clusters whose topology has neither a vmClass nor a class of Tanzu's */
	size_t n_errors; /* the first 100 errors of np_pool_input_collect() */
	struct np_err *errors;
	size_t n_skipped_kinds;
	struct np_ignored_kind
		*skipped_kinds; /* what `skipped` is written from; the first 64 kinds */
};

/* Adds the contents of one document. */
int np_pool_input_add(struct np_input *in, const struct np_catalogue *cat, struct np_doc *doc,
		      struct np_err *err);

/* The label of what a Cluster's topology owns. */
#define NP_TOPOLOGY_LABEL "topology.cluster.x-k8s.io/owned"

/*
 * The variable of a Cluster's topology with a pool's requirements: {gpus, minimumGB, sizeGB}, the
 * fields of a NodePool. As in Cluster API, a pool's override replaces the Cluster's value.
 */
#define NP_GPU_VARIABLE "nodeprepGPU"
#define NP_CLASS_VARIABLE "vmClass"

/* A worker pool as Cluster API describes it while it generates the pool's objects. Borrowed. */
struct np_topology_pool {
	const char *ns, *name;
	const char *cluster; /* NULL: not known */
	const char *vm_class; /* NULL: none, or its template says */
	struct np_val variable; /* the value of NP_GPU_VARIABLE; absent: none */
	const char *template_group, *template_ns, *template_name; /* NULL: none */
};

/* Adds such a pool; messages name `doc`. */
int np_pool_input_add_topology(struct np_input *in, const struct np_catalogue *cat,
			       struct np_doc *doc, const struct np_topology_pool *t,
			       struct np_err *err);

/* Parses `size` bytes and adds every document; `name` is the input's name in messages. */
int np_pool_input_parse(struct np_input *in, const struct np_catalogue *cat, const char *name,
			const char *bytes, size_t size, struct np_err *err);

/*
 * Parses as np_pool_input_parse() does, but collects the errors of parsed documents in in->errors
 * and continues with the next document. Fails only where the bytes cannot be parsed or without
 * memory.
 */
int np_pool_input_collect(struct np_input *in, const struct np_catalogue *cat, const char *name,
			  const char *bytes, size_t size, struct np_err *err);

/* Adds an object that a server returned, and collects its errors likewise. */
int np_pool_input_collect_object(struct np_input *in, const struct np_catalogue *cat,
				 struct np_doc *doc, struct np_err *err);

/* Counts a file that a kustomization applies as a patch as ignored. */
int np_pool_input_skip_patch(struct np_input *in, struct np_err *err);

/*
 * Joins pools and templates once all is added, and checks the whole: something recognised (or
 * refused by np_pool_input_collect()), no pool twice, no class and no template twice unless equal.
 */
int np_pool_input_finish(struct np_input *in, struct np_err *err);

/* Drops the pools that do not name that class. */
void np_pool_input_pick(struct np_input *in, const char *vm_class);

/* Tells whether any pool names a VM class other than a placeholder. */
bool np_pool_input_needs_classes(const struct np_input *in);

void np_pool_input_done(struct np_input *in);

#define NP_ORIGIN_MAX 63
#define NP_POOL_ID_MAX 832

/*
 * Writes the pool's identity: "namespace/cluster/pool"; "namespace/name" where no cluster is known;
 * its origin and a slash in front, where it has one.
 */
void np_pool_id(const struct np_pool *pool, char buf[static NP_POOL_ID_MAX]);

#define NP_SOURCE_TEXT_MAX 4352

/* Writes where the pool was read: "FILE:LINE", or "nodepool ml/w" for an object of a server. */
void np_pool_source_text(const struct np_source *s, char buf[static NP_SOURCE_TEXT_MAX]);

/* Tells whether the text is a placeholder that a tool should have replaced. */
bool np_pool_is_placeholder(const char *text);

/* Tells whether a guest's name or vSphere guest id ("ubuntuGuest") is of a 32-bit system. */
bool np_pool_is_32bit_guest(const char *text);

#endif
