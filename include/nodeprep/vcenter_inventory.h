/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VCENTER_INVENTORY_H
#define NODEPREP_VCENTER_INVENTORY_H

/*
 * vcenter_inventory - vCenter's hosts, VMs and settings by SOAP: typed properties, changes, tasks.
 *
 * Scope      everything below needs a session of the client of vcenter.h, whose rules hold here too.
 * Units      *_mb are MiB, as vCenter counts them.
 * Unknown    a property that vCenter does not give (unset, nil, not readable, of another type) is unknown:
 *            readers return false or NULL, never a default.
 * Bounds     the text of one page of a query and the values of one object are in memory at a time; a query
 *            visits at most 200,000 objects.
 * Ownership  objects and values are borrowed and end with the callback. Any value may be NULL: then it has
 *            no members, no text and no type.
 * Errors     as vcenter.h; NP_E_NOT_FOUND: the object or setting is not there (any more); NP_E_CONFLICT:
 *            ConcurrentAccess, a VM that changed since `change_version`; NP_E_REFUSED: any other fault or
 *            failed task, with its type and message; NP_E_RETRY: a change whose end is not known, such as a
 *            task that still runs at the deadline.
 * Source     vSphere Web Services API 8.0.1.0.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"
#include "nodeprep/vcenter.h"

/* --- values ---------------------------------------------------------------------------------- */

#define NP_VCENTER_REF_TYPE_MAX 64
#define NP_VCENTER_REF_ID_MAX 192

/* A managed object: {"HostSystem", "host-12"}. */
struct np_vcenter_ref {
	char type[NP_VCENTER_REF_TYPE_MAX];
	char id[NP_VCENTER_REF_ID_MAX];
};

bool np_vcenter_ref_equal(const struct np_vcenter_ref *a, const struct np_vcenter_ref *b);

/* A value as vCenter wrote it. */
struct np_vcenter_val;

/* Returns the first member of that name; NULL: there is none. */
const struct np_vcenter_val *np_vcenter_val_member(const struct np_vcenter_val *v,
						   const char *name);

/* Return the first item of a list (ArrayOf…), and the one behind an item or a repeated member. */
const struct np_vcenter_val *np_vcenter_val_first(const struct np_vcenter_val *v);
const struct np_vcenter_val *np_vcenter_val_next(const struct np_vcenter_val *v);

/* Returns the type that the value declares, such as "VirtualPCIPassthrough"; "": none. */
const char *np_vcenter_val_type(const struct np_vcenter_val *v);

/* Returns the value's text; "" where it has none. */
const char *np_vcenter_val_text(const struct np_vcenter_val *v);

/* Returns a member's text; "" where it has none. */
const char *np_vcenter_val_member_text(const struct np_vcenter_val *v, const char *name);

/* Read a value; false: it is unknown. */
bool np_vcenter_val_bool(const struct np_vcenter_val *v, bool *ret);
bool np_vcenter_val_int(const struct np_vcenter_val *v, int64_t min, int64_t max, int64_t *ret);
bool np_vcenter_val_ref(const struct np_vcenter_val *v, struct np_vcenter_ref *ret);

/* Reads an id of PCI, which vCenter writes as a signed 16-bit number: 0x8086 is -32634. */
bool np_vcenter_val_pci_id(const struct np_vcenter_val *v, unsigned *ret);

/* --- objects --------------------------------------------------------------------------------- */

/* An object that a query found. */
struct np_vcenter_object {
	struct np_vcenter_ref ref;
	const struct np_vcenter_val *properties; /* what the query returned of it */
};

/* Returns the property of that path; NULL: it is unknown. */
const struct np_vcenter_val *np_vcenter_object_get(const struct np_vcenter_object *o,
						   const char *path);

/* Returns the type of the fault that kept the property from being read ("NoPermission"); "": none did. */
const char *np_vcenter_object_fault(const struct np_vcenter_object *o, const char *path);

/* Called with each object; a negative return ends the query with it. */
typedef int np_vcenter_object_fn(void *ctx, const struct np_vcenter_object *o, struct np_err *err);

struct np_vcenter_query {
	const char *type; /* "HostSystem", "VirtualMachine", "ClusterComputeResource" */
	const char *const *paths;
	size_t n_paths;
	unsigned page; /* objects a page; 0: 50 */
	np_vcenter_object_fn *each;
	/*
	 * Called before the query starts over, since the session, a page or an object was lost on the way; NULL:
	 * it fails with NP_E_RETRY then. A query that fails may have visited objects.
	 */
	void (*restart)(void *ctx);
	void *ctx; /* of both */
};

/* Visits every object of the type in the whole inventory that the user can see. */
int np_vcenter_query(struct np_vcenter *v, const struct np_vcenter_query *q, struct np_err *err);

/* Visits `n` known objects of one type; one that is gone (NP_E_NOT_FOUND) fails the call. */
int np_vcenter_read(struct np_vcenter *v, const struct np_vcenter_ref *refs, size_t n,
		    const struct np_vcenter_query *q, struct np_err *err);

/* --- settings of vCenter --------------------------------------------------------------------- */

/* Sets *ret (the caller's) to the text of an advanced setting, such as "true"; NULL: it does not exist. */
int np_vcenter_setting_get(struct np_vcenter *v, const char *key, char **ret, struct np_err *err);

/* Sets an advanced setting. Privilege: Global.Settings. */
int np_vcenter_setting_set_bool(struct np_vcenter *v, const char *key, bool value,
				struct np_err *err);

/* --- hosts ----------------------------------------------------------------------------------- */

/*
 * Enables passthrough of the host's devices ("0000:3b:00.0"). `pci_system` is the host's
 * configManager.pciPassthruSystem. `apply_now` asks for it without a reboot, which ESXi 8.0 can do for some
 * devices; older hosts do not know it. Privilege: Host.Config.PciPassthru.
 */
int np_vcenter_host_enable_passthrough(struct np_vcenter *v,
				       const struct np_vcenter_ref *pci_system,
				       const char *const *addresses, size_t n, bool apply_now,
				       struct np_err *err);

/* --- VMs ------------------------------------------------------------------------------------- */

struct np_vcenter_extra {
	const char *key, *value; /* "" removes the key */
};

/* What changes of a VM; a member that is NULL or 0 stays. Borrowed. */
struct np_vcenter_vm_change {
	const char *name; /* for messages */
	const char *change_version; /* config.changeVersion as read; NULL: not compared */
	const char *firmware; /* "efi" or "bios" */
	const bool *reservation_locked; /* memoryReservationLockedToMax */
	const int64_t *reservation_mb; /* memoryAllocation.reservation */
	const struct np_vcenter_extra *extra; /* extraConfig entries, merged by key */
	size_t n_extra;
};

/* Changes a VM or template in one ReconfigVM_Task and waits for its end. */
int np_vcenter_vm_reconfigure(struct np_vcenter *v, const struct np_vcenter_ref *vm,
			      const struct np_vcenter_vm_change *change, struct np_err *err);

#endif
