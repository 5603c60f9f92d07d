/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VSPHERE_H
#define NODEPREP_VSPHERE_H

/*
 * vsphere - checks and prepares the GPU hosts and VMs of a vCenter.
 *
 * Scope      hosts with GPUs, and VMs and templates with passthrough devices or vGPUs, each judged by what
 *            vCenter's SOAP API knows. The ids of the checks are those of captures (hostcheck.h).
 * Unknown    is never a pass. What the API does not have (BIOS settings) is unknown, does not decide, and
 *            comes with the command that tells.
 * Memory     grows with the hosts that have GPUs and the VMs that have devices, not with all VMs.
 * Ownership  lists own their items; cards point into the catalogue, which must live as long.
 * Errors     as vcenter.h; NP_E_NOT_FOUND: no such cluster, host or VM. The functions that write to a FILE do so
 *            part by part: after an error, what is written is incomplete.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "nodeprep/render.h"
#include "nodeprep/report.h"
#include "nodeprep/vcenter_inventory.h"

struct np_err;
struct np_plan;
struct np_plan_pool;

#define NP_VSPHERE_HOT_MIGRATE "vgpu.hotmigrate.enabled"

/* What is looked at; NULL: everything. */
struct np_vsphere_scope {
	const char *cluster; /* a cluster's name */
	const char *host; /* a host's name */
};

/* A list of texts. */
struct np_vsphere_names {
	size_t n;
	char **items;
};

/* --- hosts ----------------------------------------------------------------------------------- */

/* A GPU of a host. */
struct np_vsphere_gpu {
	char address[NP_PCI_ADDRESS_MAX]; /* "0000:3b:00.0" */
	bool has_id;
	struct np_pci_id id;
	const struct np_gpu *card; /* NULL: not in the catalogue */
	char *title; /* as vCenter calls it */
	enum np_verdict ok; /* VMs can have it */
	enum np_verdict capable, enabled, active; /* of passthrough */
	enum np_verdict sriov; /* SR-IOV is active on the device */
	bool is_shared; /* owned by the vGPU manager, which cuts vGPUs from it */
	struct np_vsphere_names vms; /* ids of the VMs that vCenter lists for it */
	struct np_vsphere_names users; /* names of the VMs that use it */
	bool may_be_used; /* by a VM whose devices are not readable */
};

struct np_vsphere_host {
	struct np_vcenter_ref ref;
	struct np_vcenter_ref passthrough; /* its passthrough system; "" not known */
	char *name, *cluster; /* a cluster of "": none */
	char *version; /* of ESXi; "" not known */
	char connection[32]; /* "connected", "disconnected", "notResponding"; "" not known */
	enum np_verdict in_maintenance, needs_reboot;
	char fault[64]; /* why its devices cannot be read ("NoPermission"); "" nothing failed */
	bool has_devices, has_passthrough; /* vCenter gave these lists */
	bool has_graphics; /* it is known which GPUs the vGPU manager owns */
	bool has_unknown_users; /* a VM that runs here has devices that are not readable */
	size_t n_gpus;
	struct np_vsphere_gpu *gpus;
	bool has_profiles;
	struct np_vsphere_names profiles; /* vGPU types that it offers, sorted */
	enum np_verdict pass;
};

struct np_vsphere_hosts {
	enum np_verdict pass;
	enum np_verdict hot_migrate; /* unknown where it cannot be read */
	size_t n;
	struct np_vsphere_host *items; /* sorted by cluster and name */
};

/* Fetches and judges the hosts that have GPUs, and those whose devices are unknown. */
int np_vsphere_hosts_fetch(struct np_vcenter *v, const struct np_catalogue *cat,
			   const struct np_vsphere_scope *scope, struct np_vsphere_hosts *ret,
			   struct np_err *err);
void np_vsphere_hosts_done(struct np_vsphere_hosts *hosts);

/* Makes the report of one of the hosts; of all of them it would take most of the memory. */
int np_vsphere_host_report(const struct np_vsphere_hosts *hosts, const struct np_vsphere_host *h,
			   struct np_report *ret, struct np_err *err);

/* Writes the HostReportList as JSON or YAML. */
int np_vsphere_hosts_data(const struct np_vsphere_hosts *hosts, enum np_format format, char **ret,
			  struct np_err *err);

/* Writes a row for each host, and what is wrong with it. */
int np_vsphere_hosts_text(const struct np_vsphere_hosts *hosts, bool wide, FILE *out,
			  struct np_err *err);

/* How many hosts a page of the drawing has at most. */
#define NP_VSPHERE_PAGE_HOSTS 32

/* Returns the number of pages, at least 1. */
size_t np_vsphere_hosts_pages(const struct np_vsphere_hosts *hosts);

/*
 * Draws the hosts with their GPUs, and with a plan (NULL: none) where nodes of its pools fit. `page` from 1
 * draws that page alone; 0 all of them, one below the other. NP_E_USAGE: the drawing has fewer pages.
 */
int np_vsphere_hosts_svg(const struct np_vsphere_hosts *hosts, const struct np_plan *plan,
			 size_t page, char **ret, struct np_err *err);

/*
 * Counts for each pool of the plan the hosts that could hold one of its nodes, and those on which one more
 * fits now: enough GPUs of its models free, the host connected and not in maintenance mode. A host whose
 * devices are not known makes the counts unknown where they would be 0.
 */
int np_vsphere_note_capacity(const struct np_vsphere_hosts *hosts, struct np_plan *plan,
			     struct np_err *err);

/* --- VMs ------------------------------------------------------------------------------------- */

struct np_vsphere_vm_scope {
	const char *cluster; /* NULL: all */
	const char *pattern; /* a name, or a pattern as of the shell; NULL: all */
	const char *const *named; /* VMs that are read even without a GPU */
	size_t n_named;
};

/* Equal passthrough devices of a VM. */
struct np_vsphere_device {
	const struct np_gpu *card; /* NULL: not known */
	bool has_id;
	struct np_pci_id id;
	char *profile; /* of a vGPU; "" a whole card */
	char *kind; /* of a device without ids; "" */
	bool is_uncounted; /* it may be a GPU: neither its id nor its vendor is known */
	size_t count;
};

/* What changes a VM beside its administrators. */
enum np_vsphere_manager {
	NP_VSPHERE_PLAIN, /* no mark of any */
	NP_VSPHERE_VM_OPERATOR,
	NP_VSPHERE_CLUSTER_API, /* with its vSphere provider alone, or by the name of a pool */
	NP_VSPHERE_EXTENSION,
};

/* A setting of a VM's extraConfig. */
struct np_vsphere_extra {
	char *key, *value;
};

struct np_vsphere_vm {
	struct np_vcenter_ref ref;
	char *name, *cluster, *host; /* "" not known, or none */
	char *change_version; /* "" not known */
	char power[16]; /* "poweredOn", "poweredOff", "suspended"; "" not known */
	char firmware[16]; /* "efi", "bios"; "" not known */
	uint64_t hardware_version; /* 0: not known */
	uint64_t memory_mb; /* 0: not known */
	bool has_reservation;
	uint64_t reservation_mb;
	enum np_verdict is_template, reservation_locked;
	bool has_overhead;
	double overhead_mb; /* as vCenter measures it; only while powered on */
	bool has_devices; /* its devices are known */
	char fault[64]; /* why its devices cannot be read ("NoPermission"); "" nothing failed */
	enum np_vsphere_manager manager;
	const char *mark; /* where the manager's mark was found, a constant; NULL: none was */
	char *ns, *service_name; /* of VM Operator's VirtualMachine; "" not known */
	char *kube_cluster; /* the name of its Cluster API cluster; "" not known */
	char *class_name; /* of its VM class; "" not known */
	char *pool; /* the id of its pool in the plan; "" not known */
	char *extension; /* the key in managedBy; "" none */
	bool has_extra; /* its settings are known */
	size_t n_extra;
	struct np_vsphere_extra *extra; /* those of the window, misspelt ones among them */
	bool has_dynamic; /* a device is chosen at power-on, by dynamic DirectPath I/O */
	size_t n_devices, n_gpus;
	struct np_vsphere_device *devices; /* the GPUs, then others such as NICs */
	bool has_uncounted; /* one of those others may be a GPU */
	/* The result of judging. */
	bool has_need; /* every device's need is known; else needed_gb is assumed */
	uint64_t needed_gb; /* 0: no device needs a window */
	bool needs_efi;
	bool has_window;
	uint64_t window_gb;
	bool has_estimate;
	double estimate_mb; /* of what the window adds to the overhead */
	const struct np_plan_pool *plan_pool; /* NULL: not known */
	enum np_verdict pass;
};

struct np_vsphere_vms {
	enum np_verdict pass;
	const struct np_plan *plan; /* with which they were judged, borrowed; NULL: none */
	size_t n;
	struct np_vsphere_vm *items; /* sorted by cluster and name */
};

/* Fetches the VMs and templates with GPUs, or with devices that are unknown or of unknown kind. */
int np_vsphere_vms_fetch(struct np_vcenter *v, const struct np_catalogue *cat,
			 const struct np_vsphere_vm_scope *scope, struct np_vsphere_vms *ret,
			 struct np_err *err);
void np_vsphere_vms_done(struct np_vsphere_vms *vms);

/*
 * Sets the class of the VMs that VM Operator manages, as vCenter's classes list them. A user or a vCenter
 * without access to classes leaves what the VMs' own marks tell.
 */
int np_vsphere_vms_name_classes(struct np_vcenter *v, struct np_vsphere_vms *vms,
				struct np_err *err);

/*
 * Judges the VMs. With a plan (NULL: none) also finds those of its pools, by their marks and names, and checks
 * that they have what their class or template gives new VMs.
 */
int np_vsphere_vms_judge(struct np_vsphere_vms *vms, const struct np_plan *plan,
			 struct np_err *err);

/* Makes the report of one of the VMs that were judged. */
int np_vsphere_vm_report(const struct np_vsphere_vms *vms, const struct np_vsphere_vm *vm,
			 struct np_report *ret, struct np_err *err);

/* The memory overhead of running VMs with the same GPUs and window. */
struct np_vsphere_overhead {
	const struct np_vsphere_vm *like; /* one of them */
	double least_mb, most_mb;
	struct np_vsphere_names vms; /* their names, in the order of the list */
};

struct np_vsphere_overheads {
	size_t n;
	struct np_vsphere_overhead *items; /* in the order of their first VMs */
};

/* Collects what vCenter measured; borrows from `vms`. VMs with a GPU of unknown kind are left out. */
int np_vsphere_overheads_make(const struct np_vsphere_vms *vms, struct np_vsphere_overheads *ret,
			      struct np_err *err);
void np_vsphere_overheads_done(struct np_vsphere_overheads *all);

/* Gives each class of the plan what was measured with its GPUs and window. */
int np_vsphere_note_overhead(const struct np_vsphere_vms *vms, struct np_plan *plan,
			     struct np_err *err);

/* Writes the VMReport as JSON or YAML. */
int np_vsphere_vms_data(const struct np_vsphere_vms *vms, enum np_format format, char **ret,
			struct np_err *err);

/* Writes a row for each VM, and what is wrong with it. */
int np_vsphere_vms_text(const struct np_vsphere_vms *vms, bool wide, FILE *out, struct np_err *err);

/* --- changes --------------------------------------------------------------------------------- */

/* One setting of one VM or host. */
struct np_vsphere_change {
	char *object; /* the VM's or host's name */
	char *address; /* of a host's device; "" none */
	char *setting; /* "" where the object as a whole failed */
	char *from, *to; /* "" absent */
	bool is_changed;
	struct np_err error; /* of NP_OK: its text tells why nothing changed */
};

struct np_vsphere_changes {
	enum np_code code; /* the worst error */
	size_t n;
	struct np_vsphere_change *items;
	struct np_vsphere_names reboots; /* hosts that need a reboot, sorted */
};

void np_vsphere_changes_done(struct np_vsphere_changes *c);

struct np_state;

struct np_vsphere_change_options {
	const struct np_catalogue *cat;
	struct np_state *state; /* where records are kept */
	const char *cluster; /* NULL: all */
	const char *const *vms; /* names */
	size_t n_vms;
	bool dry_run;
	bool change_firmware; /* BIOS may become EFI */
};

/*
 * Gives plain VMs and templates what their devices need, each in one task: both settings of the window, EFI,
 * and all memory reserved. Records what was there before. A VM that is powered on or managed is refused with
 * NP_E_REFUSED. Errors of one VM are in *ret, not returned.
 */
int np_vsphere_vms_apply(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			 struct np_vsphere_changes *ret, struct np_err *err);

/* Restores what the records have. What another writer changed since stays. */
int np_vsphere_vms_revert(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			  struct np_vsphere_changes *ret, struct np_err *err);

/*
 * Enables passthrough of the GPUs that the plan's pools ask for as whole cards, where a host can pass them
 * through, and sets vgpu.hotmigrate.enabled where pools ask for vGPUs. Never disables, and never touches a
 * GPU that a VM or the vGPU manager uses. The hosts to reboot are in ret->reboots.
 */
int np_vsphere_hosts_apply(struct np_vcenter *v, const struct np_catalogue *cat,
			   const struct np_plan *plan, const struct np_vsphere_scope *scope,
			   bool dry_run, struct np_vsphere_changes *ret, struct np_err *err);

/* Returns the changes as `kind` with `member` for the object; NULL where memory runs out. */
json_t *np_vsphere_changes_tree(const struct np_vsphere_changes *c, const char *kind,
				const char *member, bool dry_run);

/* Writes a line for each change. */
int np_vsphere_changes_text(const struct np_vsphere_changes *c, bool dry_run, char **ret,
			    struct np_err *err);

#endif
