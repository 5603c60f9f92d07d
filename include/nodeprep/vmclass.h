/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VMCLASS_H
#define NODEPREP_VMCLASS_H

/*
 * vmclass - what a VirtualMachineClass has, what it must have, and the one merge patch between.
 *
 * Reading    as VM Operator reads a class (its source, v1.9 line, run on classes of ours): a
 *            spec.configSpec that is present, even {}, hides hardware.devices; one backing is one
 *            device however many alternatives it allows, sized by the largest; entries without the
 *            type discriminators that govmomi's decoder demands break the whole class.
 * Changing   one RFC 7386 merge patch. A merge patch replaces lists whole, so extraConfig and
 *            deviceChange are carried with everything that stands in them, in its order; devices
 *            that stand only under hardware.devices go along where a configSpec is first made.
 *            Null members of a list's elements would be lost by that: such a list is refused.
 * Units      *_gb is whole GB (2^30 bytes), *_bytes is bytes.
 * Ownership  a class keeps a reference on its document and borrows texts from it. A change owns its
 *            patch and items.
 * Errors     NP_E_SPEC: a class that cannot be right, told with its place; NP_E_REFUSED: a list
 *            with null members; an annotation that would pass 128 KiB. NP_E_RECORD: an annotation
 *            that is not a record as nodeprep writes one.
 * Record     annotation nodeprep.dev/managed holds {"pools": {ID: {"mmioGB", "holders"}}, "before": {PATH:
 *            {"absent": TOPMOST} | {"value"} | {"entries": [{"at", "entry"}]}, each with "set"}}:
 *            who needs what, and the values that release restores. Everyone who may edit the class
 *            may write it, so np_vmclass_record_parse() is the one reader, and strict: at most
 *            128 KiB, 32 levels, known members only, no duplicates; mmioGB null, 0 or a power of two
 *            up to 65536; ids of two to four names; `before` of the six fields that
 *            np_vmclass_change() sets, each with values that the field may have. Nothing is written
 *            from a record that it rejects.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"
#include "nodeprep/vmx.h"
#include "nodeprep/warnings.h"

#define NP_VMCLASS_GROUP "vmoperator.vmware.com"
#define NP_VMCLASS_PLURAL "virtualmachineclasses"
#define NP_MANAGED_ANNOTATION "nodeprep.dev/managed"
#define NP_ALLOWED_ANNOTATION "nodeprep.dev/allowed-namespaces"
#define NP_MANAGED_MAX (UINT64_C(128) << 10)
#define NP_FIELD_MANAGER "nodeprep"

enum np_backing {
	NP_BACKING_VGPU,
	NP_BACKING_DYNAMIC, /* dynamic DirectPath I/O: any host device of the allowed ids */
	NP_BACKING_FIXED, /* one device of one host */
	NP_BACKING_DVX, /* Enhanced DirectPath I/O: a device class, without ids */
	NP_BACKING_GROUP, /* a device of configSpec.deviceGroups */
	NP_BACKING_OTHER, /* whatever else passes a function through: a device of unknown kind */
};

/* One device that a VM of the class would get. */
struct np_device {
	enum np_backing backing;
	enum np_pci_class pci_class;
	const struct np_gpu *gpu; /* the card it is sized as; NULL: none known */
	bool has_id;
	struct np_pci_id id; /* of the alternative it is sized as */
	const char *profile; /* borrowed; NULL unless a vGPU */
	const char *
		kind; /* borrowed device class, group or backing of a device of unknown kind; else NULL */
	uint64_t known_gb; /* what the largest alternative of known size takes; 0: there is none */
	const char *label; /* borrowed customLabel; "" where there is none */
	size_t n_ids;
	struct np_pci_id *ids; /* all alternatives */
	bool may_be_gpu; /* np_gpu_pci_may_be_gpu() says so of one of them, */
	struct np_pci_id maybe_id; /* first of this one */
};

struct np_devices {
	size_t n;
	struct np_device *items;
};

struct np_vmclass {
	struct np_doc *doc;
	struct np_val node;
	const char *ns; /* NULL: cluster-scoped, or a manifest without namespace */
	const char *name;
	const char *resource_version; /* NULL in a manifest */
	char *memory; /* hardware.memory as written; NULL where absent */
	uint64_t memory_bytes;
	const char *firmware; /* configSpec.firmware; NULL where absent */
	bool has_config_spec;
	struct np_devices devices; /* what VMs get */
	struct np_devices hidden; /* under hardware.devices, where a configSpec hides them */
	struct np_vmx_current current;
	bool baked_in; /* keys that nodeprep did not add, and no device: a GPU may be in the image */
	json_t *managed; /* the annotation's record; NULL where there is none, or no valid one */
	struct np_err record_error; /* NP_E_RECORD where the annotation is not a valid record */
	json_t *carried; /* the devices of hardware.devices as a change attaches them; NULL: no record */
	struct np_warnings warnings;
};

/* Reads a class; `node` is its object in `doc`, of which a reference is kept. */
int np_vmclass_read(struct np_doc *doc, struct np_val node, const struct np_catalogue *cat,
		    struct np_vmclass **ret, struct np_err *err);
void np_vmclass_free(struct np_vmclass *c);
void np_vmclass_freep(struct np_vmclass **c);

/* Returns how many of the devices are GPUs. */
size_t np_vmclass_devices_gpus(const struct np_devices *d);

/* Tells whether a device that is not counted may be a GPU. */
bool np_vmclass_devices_may_be_gpus(const struct np_devices *d);

/* Adds a warning for each such device, equal ones once. */
int np_vmclass_warn_uncounted(const struct np_devices *d, struct np_warnings *warnings,
			      struct np_err *err);

/* A pool as the class's annotation is to name it. */
struct np_member {
	const char *id; /* "namespace/cluster/pool" */
	bool has_need;
	uint64_t need_gb; /* the pool's own window */
	bool yields; /* it is not registered again where a follower has registered it */
};

/* What the pools together want of a class. */
struct np_class_desired {
	bool has_window; /* false: no device needs a window and no pool asks for one */
	uint64_t window_gb; /* largest need of the pools, a power of two */
	const char *window_reason; /* how it came about, for people */
	uint64_t max_window_gb; /* the window is never raised beyond it; 0: no such bound */
	bool needs_efi;
	bool has_image_gpus; /* a pool says which GPUs a baked-in class has: memory is reserved for them */
	bool keep_memory; /* every pool says memoryReservation: Unmanaged */
	bool allow_shrink; /* --allow-shrink */
	bool restore_hidden; /* --restore-hidden-devices */
	bool observe_only; /* no pool uses it, or what they need is not known: only tell what stands */
	bool tolerate_record; /* an invalid record is a warning "invalid-record", as if there were none */
	bool all_holders; /* revert only: all registrations, of whatever pool and holder */
	bool discard_record; /* revert only: the record goes, the fields stay as they are */
	const char *holder; /* who registers the pools, such as "apply" */
	const struct np_member *members;
	size_t n_members;
};

/* One difference, for people: where, from what, to what, why. */
struct np_change_item {
	char *path; /* JSON pointer; of an extraConfig key ".../extraConfig/KEY" */
	json_t *from, *to; /* NULL: absent */
	char *reason;
};

struct np_change {
	json_t *patch; /* {} where the class is right as it is */
	size_t n;
	struct np_change_item *items;
	bool has_window;
	uint64_t window_gb; /* what the class will carry; 0: neither key */
	const char
		*firmware; /* what it will carry; NULL: none. Borrowed from the class or constant */
	char *reservation; /* requests.memory it will carry; NULL: none */
	size_t n_released; /* registrations that it releases */
	struct np_warnings warnings;
};

/* Sets *ret to the change that makes the class as wanted. Pure; the class is left as it is. */
int np_vmclass_change(const struct np_vmclass *c, const struct np_class_desired *want,
		      struct np_change *ret, struct np_err *err);
void np_vmclass_change_done(struct np_change *change);

/* Appends a difference for people; borrows the values, of which NULL is absent. < 0: no memory. */
int np_vmclass_change_add(struct np_change *change, const char *path, json_t *from, json_t *to,
			  const char *reason);

/* --- release --------------------------------------------------------------------------------- */

/* Tells whether the holder's registration of the pool is released. */
typedef bool np_release_fn(void *ctx, const char *pool_id, const char *holder);

/*
 * Sets *ret to the change that releases the registrations that `releases` picks; it is asked once about
 * each one. A pool goes with its last holder. With the last pool the original values are restored: what
 * another writer changed since stays, with a warning ("changed-since"), as do devices without which VMs
 * would lose their GPUs ("devices-kept"). The patch is {} where nothing is released.
 */
int np_vmclass_release(const struct np_vmclass *c, np_release_fn *releases, void *ctx,
		       struct np_change *ret, struct np_err *err);

/* Tells whether np_vmclass_revert() releases the registration. */
bool np_vmclass_is_reverted(const struct np_class_desired *want, const char *pool_id,
			    const char *holder);

/*
 * Releases the registrations of `want`'s members by `want`'s holder, or all of them; or discards the
 * record. Registrations that are left are a warning ("still-held").
 */
int np_vmclass_revert(const struct np_vmclass *c, const struct np_class_desired *want,
		      struct np_change *ret, struct np_err *err);

/* Tells whether a registration of the object would be released: 1, 0, or < 0 where its record is invalid. */
int np_vmclass_is_held(const json_t *object, np_release_fn *releases, void *ctx,
		       struct np_err *err);

/* --- permission ------------------------------------------------------------------------------ */

/* Which class, as its API server names it. */
struct np_vmclass_scope {
	const char *ns; /* NULL: cluster-scoped */
	const char *name;
};

/*
 * Tells whether pools of the namespace may change the class: those of its own namespace, and those that
 * its annotation nodeprep.dev/allowed-namespaces names ("a,b", or "*"). Otherwise sets *ret_why to
 * NP_E_NOT_ALLOWED, with the command for the class's owner. A list with an invalid item allows nobody.
 */
bool np_vmclass_allows(const json_t *object, const struct np_vmclass_scope *scope, const char *ns,
		       struct np_err *ret_why);

/* --- the record ------------------------------------------------------------------------------ */

/*
 * Reads the text of a record, which is the only way to get one: sets *ret to it, a new reference.
 * Fails with NP_E_RECORD, which names what is wrong and the way out, or NP_E_NOMEM.
 */
int np_vmclass_record_parse(const char *text, size_t size, json_t **ret, struct np_err *err);

/* As np_vmclass_record_parse() of a tree, wherever it is kept: NP_E_RECORD only says what is wrong. */
int np_vmclass_record_validate(const json_t *record, struct np_err *err);

/* Reads the record of a class as an API server returns it: 1 with *ret set, 0 without annotation, < 0. */
int np_vmclass_record_read(const json_t *object, json_t **ret, struct np_err *err);

/* Called with each holder of each pool; returns false to stop. */
typedef bool np_record_fn(void *ctx, const char *id, const char *holder);

/* Calls `fn` for all of them, in the record's order; returns false where it stopped. NULL has none. */
bool np_vmclass_record_each(const json_t *record, np_record_fn *fn, void *ctx);

/*
 * Returns the first holder of the pool that follows its object's life: the controller, or a hook. NULL:
 * none does. A second registration by another holder would outlive the object.
 */
const char *np_vmclass_record_follower(const json_t *record, const char *id);

/* Tells whether the holder has registered the pool. */
bool np_vmclass_record_is_held(const json_t *record, const char *id, const char *holder);

/* Tells whether the record names fields that nodeprep changed, not pools alone. */
bool np_vmclass_record_has_changes(const json_t *record);

/* Tells whether both register the same pools, with the same needs and holders. */
bool np_vmclass_record_same_pools(const json_t *a, const json_t *b);

/* Returns a deep copy of the object with the patch applied as RFC 7386 says; NULL: no memory. */
json_t *np_vmclass_patched(const json_t *object, const json_t *patch);

/* Returns the merge patch that turns one object into the other, {} where they are equal; NULL: no memory. */
json_t *np_vmclass_difference(const json_t *from, const json_t *to);

/* Who wrote a field last, out of metadata.managedFields; the texts are borrowed from the class. */
struct np_last_writer {
	const char *manager;
	const char *operation; /* "Apply" or "Update"; "" where it is not recorded */
	const char *time; /* RFC 3339 in UTC; "" where it is not recorded */
};

/*
 * Finds the manager that owns the field at the JSON pointer, nodeprep apart: of several the latest.
 * Where nobody does, the owner of the nearest parent below spec that wrote later than nodeprep. A
 * field that was only removed has no owner: then it returns false.
 */
bool np_vmclass_last_writer(const struct np_vmclass *c, const char *path,
			    struct np_last_writer *ret);

/* Tells whether nodeprep's annotation says that it set the field, and something else stands there. */
bool np_vmclass_is_overwritten(const struct np_vmclass *c, const char *path);

/* Tells whether nodeprep's annotation records a change of the class, not pools alone. */
bool np_vmclass_is_changed(const struct np_vmclass *c);

/* Returns when nodeprep last wrote the class; NULL where managedFields do not tell. */
const char *np_vmclass_changed_at(const struct np_vmclass *c);

/* Returns when anybody last wrote something of its spec; NULL where managedFields do not tell. */
const char *np_vmclass_written_at(const struct np_vmclass *c);

/* --- classes of vCenter ---------------------------------------------------------------------- */

/*
 * vCenter's classes (its REST API's Info) are read, planned and changed as VirtualMachineClasses: their
 * members get the names that they have in Kubernetes, and the record becomes the annotation. The Info goes
 * along in the object, so that every member of it, known here or not, is in the body of the PATCH.
 */

/* A record and the memory of the class when it was made; vCenter keeps reservations as percentages. */
struct np_vmclass_record {
	const json_t *json; /* NULL: none */
	uint64_t memory_mb; /* 0: not known */
	const char *
		invalid; /* why the record that is kept is none, whole; NULL: it is valid, or absent */
};

/* Sets *ret to vCenter's class in the shape of a VirtualMachineClass; NP_E_SPEC: its Info is not valid. */
int np_vmclass_from_vcenter(const json_t *info, const struct np_vmclass_record *record,
			    json_t **ret, struct np_err *err);

/* Sets *ret to the body of the PATCH that gives vCenter's class what such an object has. */
int np_vmclass_to_vcenter(const json_t *object, json_t **ret, struct np_err *err);

/* Returns the Info that the object was made from, borrowed; NULL: it is not from vCenter. */
const json_t *np_vmclass_vcenter_info(const json_t *object);

/* Returns the memory of the Info that the object was made from; 0 where it has none. */
uint64_t np_vmclass_vcenter_memory_mb(const json_t *object);

/* Returns the members of an Info that a PATCH may have; NULL: no memory. */
json_t *np_vmclass_vcenter_writable(const json_t *info);

/* Sets both to bodies of a PATCH (new references): what the class has now, and what the change sends. */
int np_vmclass_vcenter_bodies(const struct np_vmclass *c, const struct np_change *change,
			      json_t **ret_now, json_t **ret_body, struct np_err *err);

/*
 * Decides which of two records describes a class: the one from before a change, or the one from after it.
 * Whether the change was made is unknown. NULL: the class has no record. Returns `before` or `after`.
 */
const json_t *np_vmclass_record_settle(const json_t *object, const json_t *before,
				       const json_t *after);

#endif
