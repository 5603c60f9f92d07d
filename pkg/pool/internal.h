/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_POOL_INTERNAL_H
#define NODEPREP_POOL_INTERNAL_H

/*
 * pool, inside - what the readers of the single kinds share.
 *
 * pool.c     dispatch by group, version and kind; lists; ignored kinds
 * object.c   names, required texts, pools as they are made
 * requests.c     the GPUs a pool names: spec.gpus and the annotation
 * nodepool.c, cluster.c, deployment.c, template.c   the kinds
 * topology.c pools as Cluster API tells of them, and the variable that says what they need
 * flat.c, nodefile.c   files without apiVersion and kind
 * variables.c    the variables of a TKGm cluster's topology
 * machine.c      VirtualMachines written by hand
 * foreign.c      templates of other tools, blueprints, and what is no Kubernetes object
 * finish.c   pools and templates joined, the check of the whole
 */

#include <stdbool.h>
#include <stddef.h>

#include "nodeprep/doc.h"
#include "nodeprep/pool.h"
#include "nodeprep/text.h"

#define NP_POOLS_MAX 100000
#define NP_CLASSES_MAX 100000
#define NP_TEMPLATES_MAX 100000
#define NP_TEMPLATE_DEVICES_MAX 256
#define NP_TEMPLATE_KEYS_MAX 1024
#define NP_TEMPLATE_KIND "VSphereMachineTemplate"
#define NP_CAPV_GROUP "infrastructure.cluster.x-k8s.io"
#define NP_SUPERVISOR_GROUP "vmware.infrastructure.cluster.x-k8s.io"
#define NP_POOL_GPUS_MAX 256
#define NP_ASK_COUNT_MAX 64
#define NP_INPUT_ERRORS_MAX 100
#define POOL_MACHINE_KIND "VirtualMachine"
#define POOL_TKC_KIND "TanzuKubernetesCluster"
#define POOL_TKC_GROUP "run.tanzu.vmware.com"
#define POOL_PATH_MAX 160
#define POOL_NAME_MAX 253 /* RFC 1123 subdomain, as Kubernetes limits names */
#define NP_OUR_PREFIX "nodeprep.dev/" /* of annotations */
#define NP_GPUS_WORD "gpus"
#define NP_GPUS_ANNOTATION NP_OUR_PREFIX NP_GPUS_WORD

/* One object of a known kind on its way into the input. Borrows everything. */
struct pool_object {
	struct np_input *in;
	const struct np_catalogue *cat;
	struct np_doc *doc;
	struct np_val root;
	const char *kind;
	const char *name;
	const char *ns; /* the default's where the object has none */
	bool collects; /* what is wrong with one document does not keep the next from being read */
};

/* Adds the pools of one object of that kind. */
int pool_add_nodepool(const struct pool_object *o, struct np_err *err);
int pool_add_tkc(const struct pool_object *o, struct np_err *err);
int pool_add_tkc_v1alpha1(const struct pool_object *o, struct np_err *err);
int pool_add_cluster(const struct pool_object *o, struct np_err *err);

/* machine.c: adds a hand-written VirtualMachine as a pool of one node; ignores any other. */
int pool_add_virtual_machine(const struct pool_object *o, struct np_err *err);

/* variables.c: the values of TKGm's variables for one machine deployment, and where they are. */
struct pool_variables {
	struct np_val pci, worker;
	char pci_path[POOL_PATH_MAX], worker_path[POOL_PATH_MAX]; /* JSON pointers to the values */
};

/* Gives the pool a template of its own out of the variables; `at` is the deployment's entry. */
int pool_set_variables(const struct pool_object *o, struct np_val at,
		       const struct pool_variables *v, struct np_pool *pool, struct np_err *err);

/* foreign.c: fails where the bytes are ytt code; adds to *err that they look like a template. */
int pool_check_template(const char *name, const char *bytes, size_t size, struct np_err *err);
void pool_hint_template(const char *bytes, size_t size, struct np_err *err);

/* Counts a document that is no Kubernetes object as ignored: 1; 0: it is one, or looks so. */
int pool_skip_foreign(struct np_input *in, struct np_val root, struct np_err *err);

/* Calls `add` for the manifests of a VCF Automation blueprint: 1; 0: it is none. */
int pool_add_blueprint(const struct pool_object *parent, struct np_val root,
		       int (*add)(const struct pool_object *, struct np_val, struct np_err *),
		       struct np_err *err);

int pool_add_machine_deployment(const struct pool_object *o, struct np_err *err);
int pool_add_control_plane(const struct pool_object *o, struct np_err *err);
int pool_add_template(const struct pool_object *o, struct np_err *err);
int pool_add_supervisor_template(const struct pool_object *o, struct np_err *err);

/*
 * Adds the contents of a tanzu file, which has neither apiVersion nor kind; returns 1, or 0 for any
 * other file.
 */
int pool_add_flat(const struct pool_object *parent, struct np_val root, struct np_err *err);
int pool_add_node_file(const struct pool_object *parent, struct np_val root, struct np_err *err);

/* Fills name and ns of *o from its metadata and checks them. */
int pool_object_open(struct pool_object *o, struct np_err *err);

/* Fills ns of *o from `n`, or from the defaults where it is absent. */
int pool_object_read_namespace(struct pool_object *o, struct np_val n, struct np_err *err);

/* Counts an ignored document of that kind. */
int pool_input_skip(struct np_input *in, const char *kind, struct np_err *err);

/* Moves *pool to the end of the input's pools; leaves it empty. */
int pool_input_push_take(struct np_input *in, struct np_pool *pool, struct np_err *err);

/* Starts a pool of `o` called `name` with its entry at `at`; the caller finishes *ret_pool. */
int pool_init(const struct pool_object *o, struct np_pos at, const char *name,
	      struct np_pool *ret_pool, struct np_err *err);
void pool_done(struct np_pool *pool);

/* Notes the value's placeholder, unless one is noted; `field` NULL: the value's key. Returns true. */
bool pool_note_placeholder(struct np_placeholder *p, struct np_val n, const char *field);

/* Gives the pool the placeholder of its template. */
void pool_take_placeholder(struct np_pool *pool, const struct np_template *t);

/* Replaces *dst by a copy of `text`; NULL leaves NULL. */
int pool_copy_text(char **dst, const char *text, struct np_err *err);

/* Starts a template of `o` called `name` with its entry at `at`. */
int pool_template_init(const struct pool_object *o, struct np_pos at, const char *name,
		       struct np_template *ret, struct np_err *err);
void pool_template_done(struct np_template *t);

/* Moves *t to the end of the input's templates; leaves it empty. */
int pool_template_push_take(struct np_input *in, struct np_template *t, struct np_err *err);

/* Adds a passthrough device, or a vGPU where `profile` is one; errors carry the position of `n`. */
int pool_template_add_device(struct np_template *t, const struct np_catalogue *cat, struct np_val n,
			     struct np_pci_id id, const char *profile, struct np_err *err);

/* Adds a VMX key; notes a misspelt one, refuses a duplicate. */
int pool_template_add_key(struct np_template *t, struct np_val n, const char *key, const char *text,
			  struct np_err *err);

/* Sets the hardware version, which must be such as "vmx-17" or a placeholder. */
int pool_template_set_hardware(struct np_template *t, struct np_val n, const char *text,
			       struct np_err *err);

/* Read a template's list of PCI devices, its map of VMX keys, and `memoryMiB` and `numCPUs`. */
int pool_template_read_devices(const struct pool_object *o, struct np_val list,
			       struct np_template *t, struct np_err *err);
int pool_template_read_keys(struct np_val map, struct np_template *t, struct np_err *err);
int pool_template_read_size(struct np_val machine, struct np_template *t, struct np_err *err);

/* Notes a guest that is 32-bit, by what images, guest ids and architectures are called. */
int pool_template_note_guest(struct np_template *t, const char *field, const char *text,
			     struct np_err *err);

/*
 * Reads how nodes are replaced out of a deployment's `strategy`, whose default is a surge of one.
 */
int pool_read_rollout(struct np_val strategy, struct np_pool *pool, struct np_err *err);

/* Reads which warnings the annotations acknowledge. */
void pool_read_ignored(struct np_val metadata, struct np_pool *pool);

/* Reads a deployment's metadata: our annotation and the autoscaler's. */
int pool_read_deployment_metadata(const struct pool_object *o, struct np_val metadata,
				  struct np_pool *pool, struct np_err *err);

/* Tells whether the metadata has an annotation of ours. */
bool pool_has_our_annotation(struct np_val metadata);

/* Counts an object of ours that has no pool to give. */
int pool_skip_object(const struct pool_object *o, const char *why, struct np_err *err);

/* Fails at `n` with the expected and the actual value. */
int pool_fail_instead(struct np_val n, const char *what, struct np_err *err);

/* Reads a text that must be there and must do as the name of something. */
int pool_read_name(struct np_val n, const char *what, const char **ret, struct np_err *err);

/* Reads the class's name at `n`, where there is one; `what` is the field's name in a message. */
int pool_read_class(struct np_val n, const char *what, struct np_pool *pool, struct np_err *err);

/* Reads the replicas at `n`, where there are any; a placeholder marks the pool. */
int pool_read_replicas(struct np_val n, struct np_pool *pool, struct np_err *err);

/* Tells whether some tool is to fill in the value. */
bool pool_node_is_placeholder(struct np_val n);

/* Refuses members of `object` that are not among `known`, naming the near one. */
int pool_check_fields(struct np_val object, struct np_words known, struct np_err *err);

/* Reads spec.gpus. */
int pool_read_requests(struct np_val list, const struct np_catalogue *cat, struct np_pool *pool,
		       struct np_err *err);

/* Reads minimumGB and sizeGB of `parent`, which a message calls `what`. */
int pool_read_sizes(struct np_val parent, const char *what, struct np_pool *pool,
		    struct np_err *err);

/* Reads the value of the topology's variable NP_GPU_VARIABLE; absent: none. */
int pool_read_variable(struct np_val value, const struct np_catalogue *cat, struct np_pool *pool,
		       struct np_err *err);

/* Finds the GPU annotation of an object or pool with that metadata; absent where there is none. */
int pool_find_annotation(struct np_val metadata, struct np_val *ret, struct np_err *err);

/*
 * Reads the annotation at `n`, where there is one; a pool that names GPUs already is contradicted.
 */
int pool_read_annotation(struct np_val n, const struct np_catalogue *cat, struct np_pool *pool,
			 struct np_err *err);

/* Gives a cluster's annotation to its one pool: the one added since there were `first`. */
int pool_read_cluster_annotation(const struct pool_object *o, size_t first, struct np_err *err);

#define POOL_LABEL_MAX 160

#endif
