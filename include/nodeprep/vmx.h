/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VMX_H
#define NODEPREP_VMX_H

/*
 * vmx - the two VMX settings of the 64-bit MMIO window: which they are, what they say, what they should say.
 *
 * Scope      a class (extraConfig), a template (customVMXKeys) and a VM (config.extraConfig) hold the
 *            same two settings in three shapes. Each owner reads its shape and writes it back; the
 *            decision is made here, once.
 * Rules      docs/contract.md, "The window", rules 5 and 6: nothing that is set is lowered unless the
 *            user asks; ESXi takes a power of two only.
 * Spelling   ESXi compares names without regard to case. nodeprep writes the canonical spelling; a
 *            canonical setting counts before a variant, of equals the larger size.
 * Units      *_gb is whole GB (2^30 bytes).
 * Ownership  everything is a value; texts passed in are borrowed until the call returns.
 * Errors     NP_E_WINDOW: a current size that has no power of two above it. Nothing else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

#define NP_VMX_USE64_NAME "pciPassthru.use64bitMMIO"
#define NP_VMX_SIZE_NAME "pciPassthru.64bitMMIOSizeGB"

/* The two settings, in the order in which they are appended. */
enum np_vmx_key { NP_VMX_USE64, NP_VMX_SIZE, NP_VMX_KEY_MAX };

/* What a name means to ESXi. */
enum np_vmx_name {
	NP_VMX_NAME_WINDOW, /* one of the two */
	NP_VMX_NAME_PEER, /* a setting for peer-to-peer traffic, from VMware's guides */
	NP_VMX_NAME_MISSPELT, /* looks like one of those and is none: ESXi ignores it */
	NP_VMX_NAME_OTHER,
};

/* Returns the canonical name of a setting. */
const char *np_vmx_key_name(enum np_vmx_key key);

/* Returns the setting that `name` spells in whatever case; NP_VMX_KEY_MAX: neither. */
enum np_vmx_key np_vmx_key_of(const char *name);

enum np_vmx_name np_vmx_classify(const char *name);

/* Tells whether ESXi reads both texts of a setting alike: "true" in any case, a size as it is written. */
bool np_vmx_is_same(enum np_vmx_key key, const char *a, const char *b);

/* What the two settings say today; start from all zero. */
struct np_vmx_current {
	bool has_any; /* one of the two is set, however it is spelt */
	bool has_size; /* a size that is a whole number */
	bool is_canonical; /* the size is that of the canonical spelling */
	uint64_t size_gb;
};

/* Adds one setting to what is known; a name that is neither of the two is ignored. */
void np_vmx_add(struct np_vmx_current *c, const char *name, const char *text);

/* What the VM needs. */
struct np_vmx_need {
	uint64_t gb; /* a power of two; 0: no device needs a window */
	bool has_devices; /* without devices, settings that nobody needs are not ours to judge */
	bool allow_shrink; /* --allow-shrink */
};

#define NP_VMX_REASON_MAX 96
#define NP_VMX_WARNING_MAX 192

/* What the two settings should say. */
struct np_vmx_desired {
	bool change; /* the settings are ours to write; false: leave them as they are */
	uint64_t gb; /* the window that the VM gets; 0: neither setting */
	char kept[NP_VMX_REASON_MAX]; /* why `gb` is not what is needed; "": it is */
	char warning[NP_VMX_WARNING_MAX]; /* of code window-kept; "": none */
};

/* Decides what the settings should say. */
int np_vmx_decide(const struct np_vmx_current *current, const struct np_vmx_need *need,
		  struct np_vmx_desired *ret, struct np_err *err);

#define NP_VMX_TEXT_MAX 24

/* Returns what a setting says for a window of `gb`: NULL, a constant or `buf`. NULL: it is removed. */
const char *np_vmx_text(enum np_vmx_key key, uint64_t gb, char buf[static NP_VMX_TEXT_MAX]);

/* Returns why a setting gets `text`, for people; `reason` is the window's. */
const char *np_vmx_key_reason(enum np_vmx_key key, const char *text, const char *reason);

#endif
