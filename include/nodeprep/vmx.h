/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VMX_H
#define NODEPREP_VMX_H

/*
 * vmx - the two VMX settings of the 64-bit MMIO window: names, current values, desired values.
 *
 * Scope      a class (extraConfig), a template (customVMXKeys) and a VM (config.extraConfig) hold
 *            the same two settings in three shapes. Each owner reads and writes its own shape; vmx
 *            makes the decision.
 * Rules      docs/contract.md, "The window", rules 5 and 6: a setting is lowered only on the user's
 *            request; ESXi accepts only powers of two.
 * Spelling   ESXi compares names without regard to case. nodeprep writes the canonical spelling; a
 *            canonical setting takes precedence over a variant; of two equals, the larger size
 *            does.
 * Units      *_gb is whole GB (2^30 bytes).
 * Ownership  everything is a value; texts passed in are borrowed until the call returns.
 * Errors     NP_E_WINDOW: a current size that has no power of two above it. Nothing else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

struct np_warnings;

#define NP_VMX_USE64_NAME "pciPassthru.use64bitMMIO"
#define NP_VMX_SIZE_NAME "pciPassthru.64bitMMIOSizeGB"

/* The two settings, in the order in which they are appended. */
enum np_vmx_key { NP_VMX_USE64, NP_VMX_SIZE, NP_VMX_KEY_MAX };

/* The meaning of a setting's name to ESXi. */
enum np_vmx_name {
	NP_VMX_NAME_WINDOW, /* one of the two */
	NP_VMX_NAME_PEER, /* a setting for peer-to-peer traffic, from VMware's guides */
	NP_VMX_NAME_MISSPELT, /* a misspelling of one of those: ESXi ignores it */
	NP_VMX_NAME_OTHER,
};

/* Returns the canonical name of a setting. */
const char *np_vmx_key_name(enum np_vmx_key key);

/* Returns the setting with that name, in any case; NP_VMX_KEY_MAX: neither. */
enum np_vmx_key np_vmx_key_of(const char *name);

enum np_vmx_name np_vmx_classify(const char *name);

/* Tells whether ESXi reads both texts of a setting alike: "true" in any case, sizes literally. */
bool np_vmx_is_same(enum np_vmx_key key, const char *a, const char *b);

/* The current values of the two settings; start from all zero. */
struct np_vmx_current {
	bool has_any; /* one of the two is set, in any spelling */
	bool has_size; /* a size that is a whole number */
	bool is_canonical; /* the size is that of the canonical spelling */
	uint64_t size_gb;
};

/* Adds one setting to the current values; ignores any other name. */
void np_vmx_add(struct np_vmx_current *c, const char *name, const char *text);

/* The VM's need. */
struct np_vmx_need {
	uint64_t gb; /* a power of two; 0: no device needs a window */
	bool has_devices; /* without known devices, unneeded settings are not judged */
	bool allow_shrink; /* --allow-shrink */
	bool has_uncounted; /* a device may be a GPU, which `gb` does not count */
};

#define NP_VMX_REASON_MAX 96
#define NP_VMX_WARNING_MAX 192

/* The desired values of the two settings. */
struct np_vmx_desired {
	bool change; /* nodeprep writes the settings; false: it leaves them unchanged */
	uint64_t gb; /* the window that the VM gets; 0: neither setting */
	char kept[NP_VMX_REASON_MAX]; /* why `gb` differs from the need; "": it does not */
	char warning[NP_VMX_WARNING_MAX]; /* of code window-kept; "": none */
};

/* Decides the desired values. */
int np_vmx_decide(const struct np_vmx_current *current, const struct np_vmx_need *need,
		  struct np_vmx_desired *ret, struct np_err *err);

/* What decides on a VM's power-on beside window, firmware and reservation; start from all zero. */
struct np_vmx_vm {
	uint64_t vcpus; /* 0: not known */
	uint64_t devices; /* passthrough devices of any kind, vGPUs among them */
	uint64_t vgpus;
	uint64_t hardware_version; /* 0: not known */
	bool has_viommu; /* a virtual IOMMU is asked for */
	bool allows_viommu, enables_viommu; /* the two settings that let a vGPU be beside it */
	bool cpu_hot_add, memory_hot_add;
};

/* Adds one setting of extraConfig, customVMXKeys or a .vmx file; ignores any other name. */
void np_vmx_vm_add(struct np_vmx_vm *vm, const char *name, const char *text);

/* Returns the number of "vmx-20"; 0 for any other text, NULL included. */
uint64_t np_vmx_hardware_version(const char *text);

/* Returns how many passthrough devices a VM of that hardware version takes (Broadcom KB 309986). */
uint64_t np_vmx_device_limit(uint64_t hardware_version);

/*
 * Adds the warnings vgpu-viommu, device-limit and hot-add, as far as they hold of the VM.
 */
int np_vmx_note_conditions(const struct np_vmx_vm *vm, struct np_warnings *warnings,
			   struct np_err *err);

#define NP_VMX_TEXT_MAX 24

/* Returns a setting's value for a window of `gb`: a constant, `buf`, or NULL to remove it. */
const char *np_vmx_text(enum np_vmx_key key, uint64_t gb, char buf[static NP_VMX_TEXT_MAX]);

/* Returns the reason why a setting gets `text`, for output; `reason` is the window's. */
const char *np_vmx_key_reason(enum np_vmx_key key, const char *text, const char *reason);

#endif
