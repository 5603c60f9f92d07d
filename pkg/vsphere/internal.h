/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_VSPHERE_INTERNAL_H
#define NODEPREP_PKG_VSPHERE_INTERNAL_H

/*
 * vsphere, inside
 *
 * names.c        lists of texts, and texts of vCenter's values
 * place.c        clusters, hosts and their names
 * device.c       passthrough devices of VMs
 * hosts.c        hosts, read; host_judge.c their checks; host_show.c their report;
 *                host_svg.c the drawing, whose parts are in host_svg.h
 * capacity.c     on which hosts the nodes of pools fit
 * changes.c      lists of changes
 * host_change.c  what host-apply changes
 * vm_change.c    what vm-apply and vm-revert change; vm_record.c the records
 * marks.c        who manages a VM
 * vms.c          VMs, read; vm_judge.c their checks; vm_show.c their report
 * overhead.c     the memory overhead that vCenter measured
 * vm_class.c     the classes that VMs were made from, as vCenter lists them
 * vm_pool.c      VMs beside the pools, classes and templates of a plan
 * show.c         what the two reports share
 */

#include <stdio.h>

#include "nodeprep/err.h"
#include "nodeprep/map.h"
#include "nodeprep/vsphere.h"

/* --- names.c --------------------------------------------------------------------------------- */

/* Copies a text; a value without one is "". */
int vsphere_copy(char **ret, const char *text, struct np_err *err);

int vsphere_names_add(struct np_vsphere_names *names, const char *text, struct np_err *err);
void vsphere_names_sort(struct np_vsphere_names *names);
void vsphere_names_done(struct np_vsphere_names *names);

/* Returns the list as JSON, in its order; NULL where memory runs out. */
json_t *vsphere_names_tree(const struct np_vsphere_names *names);

/* Returns a property that is a list, which may be empty; NULL: unknown, or something else than a list. */
const struct np_vcenter_val *vsphere_list(const struct np_vcenter_object *o, const char *path);

/* Reads a boolean. */
enum np_verdict vsphere_verdict(const struct np_vcenter_val *v);

/* Returns the text as JSON; null where it is NULL or "". */
json_t *vsphere_text_tree(const char *text);

/* --- place.c --------------------------------------------------------------------------------- */

/* The clusters' names by their ids. */
struct vsphere_clusters {
	struct np_index by_id; /* into names */
	struct np_vsphere_names names;
};

/* Fetches all clusters; NP_E_NOT_FOUND where none has the name (NULL: any). */
int vsphere_clusters_fetch(struct np_vcenter *v, const char *name, struct vsphere_clusters *ret,
			   struct np_err *err);
void vsphere_clusters_done(struct vsphere_clusters *c);

/* Returns the name of a host's cluster; "": it is in none. */
const char *vsphere_cluster_of(const struct vsphere_clusters *c,
			       const struct np_vcenter_val *parent);

/* --- device.c -------------------------------------------------------------------------------- */

enum vsphere_backing {
	VSPHERE_FIXED, /* one device of one host */
	VSPHERE_DYNAMIC, /* any device of the allowed ids */
	VSPHERE_VGPU,
	VSPHERE_DVX, /* Enhanced DirectPath I/O: of unknown kind */
	VSPHERE_OTHER, /* a backing that is not known */
};

/* A passthrough device of a VM. */
struct vsphere_device {
	enum vsphere_backing backing;
	bool has_id;
	struct np_pci_id id; /* of several the one that takes the most */
	enum np_pci_class pci_class;
	bool may_be_gpu; /* np_gpu_pci_may_be_gpu() says so of the id */
	const struct np_gpu *card; /* NULL: not known */
	char address[NP_PCI_ADDRESS_MAX]; /* on the host; "" not known */
	const char *profile; /* borrowed; "" unless a vGPU */
	const char *
		kind; /* borrowed: the type of a backing that is not known, the class of a DVX device */
};

/* Called with each passthrough device; a negative return ends it. */
typedef int vsphere_device_fn(void *ctx, const struct vsphere_device *d, struct np_err *err);

/* Reads the passthrough devices of config.hardware.device. */
int vsphere_devices_read(const struct np_vcenter_val *devices, const struct np_catalogue *cat,
			 vsphere_device_fn *fn, void *ctx, struct np_err *err);

/*
 * Writes an address of a host's device as vCenter's host names it: "0000:3b:00.0". A VM's own may be
 * "00000:059:00.0", with decimal numbers. "" for any other text.
 */
void vsphere_address(const char *text, char ret[static NP_PCI_ADDRESS_MAX]);

/* --- hosts.c --------------------------------------------------------------------------------- */

/* Returns the GPU as reports take it. */
struct np_seen_gpu vsphere_seen(const struct np_vsphere_gpu *gpu);

/* --- host_judge.c ---------------------------------------------------------------------------- */

/* Sets the verdicts of the hosts and of their GPUs. */
int vsphere_hosts_judge(struct np_vsphere_hosts *hosts, struct np_err *err);

/* --- show.c ---------------------------------------------------------------------------------- */

/* Returns the items as a JSON array; NULL where memory runs out. */
json_t *vsphere_list_tree(const void *list, size_t n, json_t *(*item)(const void *list, size_t i));

/* Returns `tree` with the members of `more`; takes both, which may be NULL. */
json_t *vsphere_joined_tree_take(json_t *tree, json_t *more);

const char *vsphere_or_dash(const char *text);

/* A table for people: a row for each item of a list. */
struct vsphere_table {
	const char *const *head;
	size_t columns, n;
	const void *list;
	size_t row_size; /* of what a row's cells may point to, zeroed */
	void (*fill)(const void *list, size_t i, void *row, const char **cells);
};

int vsphere_write_table(FILE *out, const struct vsphere_table *t, struct np_err *err);

/* A table, what is wrong with each of its items, and the result. */
struct vsphere_view {
	struct vsphere_table table;
	int (*report)(const void *list, size_t i, const char **ret_name, struct np_report *ret,
		      struct np_err *err);
	int (*more)(FILE *out, const void *list, struct np_err *err); /* before the result; NULL */
	enum np_verdict pass;
	bool wide; /* also what is unknown and does not decide */
};

int vsphere_write_view(FILE *out, const struct vsphere_view *v, struct np_err *err);

/* Returns "pass", "fail" or "unknown". */
const char *vsphere_result(enum np_verdict v);

/* Adds a verdict to that of a list: a failure counts most, then what is unknown. */
void vsphere_add_verdict(enum np_verdict *all, enum np_verdict one);

/* --- place.c --------------------------------------------------------------------------------- */

/* A host's name and cluster, for its VMs. */
struct vsphere_places {
	struct np_index by_id; /* into both lists */
	struct np_vsphere_names hosts, clusters;
};

int vsphere_places_fetch(struct np_vcenter *v, const char *cluster, struct vsphere_places *ret,
			 struct np_err *err);
void vsphere_places_done(struct vsphere_places *p);

/* Sets both to "" where the host is not known. */
void vsphere_place_of(const struct vsphere_places *p, const struct np_vcenter_val *host,
		      const char **ret_host, const char **ret_cluster);

/* --- marks.c --------------------------------------------------------------------------------- */

/* Sets what the VM's marks tell: manager, mark, ns, service_name, kube_cluster and class_name. */
int vsphere_marks_read(struct np_vsphere_vm *vm, const struct np_vcenter_object *o,
		       struct np_err *err);

#define VSPHERE_OWNER_MAX 256

/* Writes who manages the VM, "VM Operator (VirtualMachine ml/worker-7)"; "" where nothing tells it. */
const char *vsphere_owner_text(const struct np_vsphere_vm *vm, char buf[static VSPHERE_OWNER_MAX]);

/* --- vm_judge.c ------------------------------------------------------------------------------ */

/* Tells whether all memory is reserved. */
enum np_verdict vsphere_is_reserved(const struct np_vsphere_vm *vm);

/* Tells whether all that the VM has are devices that may be GPUs, which are not counted: its need is unknown. */
static inline bool vsphere_is_none_known(const struct np_vsphere_vm *vm)
{
	return vm->n_gpus == 0 && vm->has_uncounted;
}

#define VSPHERE_NAME_GPUS "if it is a GPU, add it and its size with --catalogue or --catalogue-from"

/* --- vm_pool.c ------------------------------------------------------------------------------- */

#define VSPHERE_OLDER_CLASS "vm-older-class"

struct np_plan;

/* Sets the VM's pool (NULL: not known), and what the pool tells of the VM. */
int vsphere_vm_find_pool(struct np_vsphere_vm *vm, const struct np_plan *plan, struct np_err *err);

/* Adds the check of the values; none where neither class nor template is known. */
int vsphere_vm_compare(const struct np_vsphere_vm *vm, const struct np_plan *plan,
		       struct np_report *r, struct np_err *err);

/* --- changes.c ------------------------------------------------------------------------------- */

/* What a change is about; texts are borrowed and may be NULL. */
struct vsphere_about {
	const char *object, *address, *setting, *from, *to;
};

/* Adds a change; `why` NULL or of NP_OK: no error. */
int vsphere_changes_add(struct np_vsphere_changes *c, const struct vsphere_about *about,
			bool is_changed, const struct np_err *why, struct np_err *err);

/* --- vm_record.c ----------------------------------------------------------------------------- */

struct np_state_lock;

/* The record of one VM, locked. */
struct vsphere_record {
	struct np_state_lock *lock;
	char *bytes; /* as it is kept; NULL: there is none */
	size_t size;
	json_t *fields; /* {SETTING: {"before", "set"}}, each a text or null */
};

struct np_vsphere_change_options;

/* Locks and reads the record; a dry run takes no lock. NP_E_RECORD: it is not valid. */
int vsphere_record_open(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			const struct np_vsphere_vm *vm, struct vsphere_record *ret,
			struct np_err *err);
void vsphere_record_close(struct vsphere_record *r);

/* Notes that a setting becomes `to`; keeps what was there before the first change. NULL is absent. */
int vsphere_record_note(struct vsphere_record *r, const char *setting, const char *from,
			const char *to, struct np_err *err);

int vsphere_record_write(struct vsphere_record *r, const struct np_vsphere_vm *vm,
			 struct np_err *err);

/* Puts back what was kept before vsphere_record_write(). */
int vsphere_record_restore(struct vsphere_record *r, struct np_err *err);
int vsphere_record_remove(struct vsphere_record *r, struct np_err *err);

/* --- capacity.c ------------------------------------------------------------------------------ */

struct np_card;

/* Tells whether the GPU is one that the card means, as a whole card. */
bool vsphere_is_card(const struct np_card *card, const struct np_vsphere_gpu *gpu);

/* Whether a node of a pool has room on a host. */
enum vsphere_fit {
	VSPHERE_FIT_NONE,
	VSPHERE_FIT_LATER, /* the host has the GPUs, but not free, or is not ready */
	VSPHERE_FIT_OFFERED, /* it offers the vGPU type; how many more it does not tell */
	VSPHERE_FIT_NOW,
};

struct np_plan_pool;

int vsphere_fit(const struct np_vsphere_host *h, const struct np_plan_pool *p,
		enum vsphere_fit *ret, struct np_err *err);

#endif
