/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_VMCLASS_INTERNAL_H
#define NODEPREP_PKG_VMCLASS_INTERNAL_H

/*
 * internal - what the files of vmclass share: devices.c reads and carries devices, keys.c the two
 * MMIO keys of extraConfig, record.c reads the annotation, managed.c writes it, vmclass.c the class, change.c the patch,
 * revert.c releases registrations and restores the original values.
 */

#include "nodeprep/err.h"
#include "nodeprep/vmclass.h"
#include "nodeprep/warnings.h"

#define VMCLASS_CONFIG_SPEC "/spec/configSpec"
#define VMCLASS_EXTRA_CONFIG VMCLASS_CONFIG_SPEC "/extraConfig"
#define VMCLASS_DEVICE_CHANGE VMCLASS_CONFIG_SPEC "/deviceChange"
#define VMCLASS_FIRMWARE VMCLASS_CONFIG_SPEC "/firmware"
#define VMCLASS_MEMORY_LOCKED VMCLASS_CONFIG_SPEC "/memoryReservationLockedToMax"
#define VMCLASS_MEMORY_REQUEST "/spec/policies/resources/requests/memory"
#define VMCLASS_CONFIG_SPEC_TYPE "VirtualMachineConfigSpec"

/* Pools of one class, as its record holds them. */
#define VMCLASS_POOLS_MAX 4096

/* More devices than any VM takes (128 passthrough functions on ESXi 8.0 U2, Broadcom KB 309986). */
#define VMCLASS_DEVICES_MAX 1024

/* The largest window that is understood where a class has one already. */
#define VMCLASS_STANDING_GB_MAX (UINT64_C(1) << 40)

/* Fails because a discriminator is missing: VM Operator cannot decode such a class at all. */
int vmclass_fail_discriminator(struct np_val n, struct np_err *err, const char *path);

/* vmclass.c */
int vmclass_quantity_read(struct np_val n, char **ret_text, uint64_t *ret_bytes,
			  struct np_err *err);

/* Reads a quantity of a record: 1, 0 where the value is none, -1: no memory. */
int vmclass_quantity_of(const json_t *value, uint64_t *ret_bytes);

/* pointer.c: what stands at the path; NULL for absent and null, and where the topmost absent is. */
json_t *vmclass_find(const json_t *object, const char *path, char *ret_absent, size_t size);
json_t *vmclass_lookup(const json_t *object, const char *path);

/* A member of vCenter's classes: what is wrong with their record, which is not in an annotation. */
#define VMCLASS_RECORD_ERROR "recordError"

/* Puts `value` there (borrowed), with the objects that lead to it. */
int vmclass_patch_set(json_t *patch, const char *path, json_t *value);
void vmclass_delete(json_t *object, const char *path);

/* devices.c */
int vmclass_devices_of_config_spec(struct np_val config_spec, const struct np_catalogue *cat,
				   struct np_devices *ret, struct np_err *err);
int vmclass_devices_of_hardware(struct np_val devices, const struct np_catalogue *cat,
				struct np_devices *ret, struct np_err *err);
void vmclass_devices_done(struct np_devices *d);

/* Tells whether both lists hold the same devices, in whatever order. */
bool vmclass_devices_equal(const struct np_devices *a, const struct np_devices *b);

/* Returns the deviceChange entries that attach the devices; `start` is how many stand before them. */
json_t *vmclass_devices_carry(const struct np_devices *d, size_t start);

/*
 * Tells whether the entry is one that vmclass_devices_carry() makes for the place, of whatever device:
 * 1 or 0; -1: no memory.
 */
int vmclass_device_is_carried(const json_t *entry, size_t place);

/* conditions.c: adds warnings about what else a VM of the class needs. */
int vmclass_note_conditions(struct np_vmclass *c, struct np_val config_spec,
			    const struct np_catalogue *cat, struct np_err *err);

/* keys.c */
int vmclass_keys_read(struct np_val extra_config, struct np_vmx_current *ret,
		      struct np_warnings *warnings, struct np_err *err);

/* Returns what an extraConfig list holds under the two keys, whatever else it is. */
struct np_vmx_current vmclass_keys_current(const json_t *list);

/* Fails where an entry of the two keys has no discriminator: it breaks the class unless rewritten. */
int vmclass_keys_check(struct np_val extra_config, struct np_err *err);

/* Tells whether the entry is of that key, in whatever case. */
bool vmclass_key_is(const json_t *entry, enum np_vmx_key key);

/* Tells whether key `key` stands once, in its canonical spelling, and reads as `text`. */
bool vmclass_key_is_right(struct np_val extra_config, enum np_vmx_key key, const char *text);

/* Returns the list with the keys of a window of `gb` and all else in its place; a new reference. */
json_t *vmclass_keys_rewrite(struct np_val extra_config, uint64_t gb);

/* Returns the entries of a key as [{"at": place, "entry": {...}}], in order; a new reference. */
json_t *vmclass_key_entries(struct np_val extra_config, enum np_vmx_key key);

/* Fails where an element of the list holds a null, naming its path. */
int vmclass_refuse_nulls(struct np_val list, const char *path, struct np_err *err);

/* record.c: fails with NP_E_RECORD where the object is no record as nodeprep writes one. */
int vmclass_record_check(const json_t *record, struct np_err *err);

/* managed.c */

/* Tells whether `want` names the pool. */
bool vmclass_is_member(const struct np_class_desired *want, const char *id);

/* Returns the largest registered need among pools that are not in `want`, and whose it is. */
uint64_t vmclass_managed_others(const json_t *managed, const struct np_class_desired *want,
				const char **ret_id);

/* Tells how many pools other than those of `want` are registered. */
size_t vmclass_managed_count_others(const json_t *managed, const struct np_class_desired *want);

/* Returns the class's annotation with the pools registered and `before` merged in; new reference. */
json_t *vmclass_managed_update(const struct np_vmclass *c, const struct np_class_desired *want,
			       const json_t *before);

/* revert.c: whether what nodeprep wrote, as an entry of `before` tells, is what stands there now. */
bool vmclass_still_stands(const struct np_vmclass *c, const char *path, const json_t *entry);

/* Tells whether an extraConfig list holds under `key` what such an entry's "set" says. */
bool vmclass_key_still_stands(json_t *list, enum np_vmx_key key, const json_t *set);

/* Tells whether the list is still what stood there before, and behind it what nodeprep carried. */
bool vmclass_is_carried_list(const json_t *list, const json_t *entry);

#endif
