/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_WARNINGS_H
#define NODEPREP_WARNINGS_H

/*
 * warnings - warnings about pools, classes and templates, each with a stable code.
 *
 * Contract   codes are stable. docs/warnings.md describes each one; a unit test compares it with the table.
 * Ownership  a list owns its messages; kinds are constants.
 * Errors     NP_E_NOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

enum np_severity {
	NP_SEVERITY_ERROR, /* a node lacks now what it needs, or no node can be created */
	NP_SEVERITY_WARNING, /* worth a look: it does no harm now */
	NP_SEVERITY_UNKNOWN, /* could not be judged */
	NP_SEVERITY_MAX
};

/* Returns "error", "warning" or "unknown". */
const char *np_severity_name(enum np_severity severity);

/* A kind of warning or finding. All texts are constants. */
struct np_message_kind {
	const char *code;
	enum np_severity severity; /* how `nodeprep check` rates it */
	const char *remedy;
};

enum np_warning_id {
	NP_WARNING_ADDRESS_WIDTH,
	NP_WARNING_ALLOW_LIST,
	NP_WARNING_API_MISSING,
	NP_WARNING_BAKED_IN,
	NP_WARNING_BINDINGS_UNKNOWN,
	NP_WARNING_CHANGED_SINCE,
	NP_WARNING_CLASS_MISSING,
	NP_WARNING_CLASS_NOT_BOUND,
	NP_WARNING_CLASS_SHARED,
	NP_WARNING_CONCURRENT_CHANGE,
	NP_WARNING_CONFIG_SPEC_KEPT,
	NP_WARNING_DEVICE_KIND_UNKNOWN,
	NP_WARNING_DEVICE_LIMIT,
	NP_WARNING_DEVICES_DIVERGED,
	NP_WARNING_DEVICES_HIDDEN,
	NP_WARNING_DEVICES_KEPT,
	NP_WARNING_EXTRA_GPUS,
	NP_WARNING_FIRMWARE_CHANGED,
	NP_WARNING_GPU_SIZE_UNKNOWN,
	NP_WARNING_GUEST_32BIT,
	NP_WARNING_HARDWARE_VERSION,
	NP_WARNING_HOT_ADD,
	NP_WARNING_INVALID_RECORD,
	NP_WARNING_LIST_FORBIDDEN,
	NP_WARNING_MACHINE_POOLS,
	NP_WARNING_MEMORY_ALLOCATION_REPLACED,
	NP_WARNING_MEMORY_SMALL,
	NP_WARNING_MISSPELT_KEY,
	NP_WARNING_MIXED_VGPU,
	NP_WARNING_NO_CAPABLE_HOST,
	NP_WARNING_NO_EFFECT,
	NP_WARNING_NO_SPARE_HOST,
	NP_WARNING_NVLINK_GROUP,
	NP_WARNING_P2P_KEYS,
	NP_WARNING_PASSTHROUGH_ONLY,
	NP_WARNING_PLACEHOLDER,
	NP_WARNING_RECORD_DISCARDED,
	NP_WARNING_RESIZE_RESETS,
	NP_WARNING_STILL_HELD,
	NP_WARNING_TEMPLATE_MISSING,
	NP_WARNING_TOPOLOGY_OWNED,
	NP_WARNING_UNKNOWN_DEVICE,
	NP_WARNING_VGPU_DUPLICATE,
	NP_WARNING_VGPU_SPELLING,
	NP_WARNING_VGPU_VIOMMU,
	NP_WARNING_WINDOW_BELOW_RULE,
	NP_WARNING_WINDOW_KEPT,
	NP_WARNING_WINDOW_LARGER,
	NP_WARNING_MAX
};

const struct np_message_kind *np_warning_kind(enum np_warning_id warning);

struct np_warning {
	enum np_warning_id warning;
	const char *code; /* the kind's */
	char *message;
	bool is_ignored; /* acknowledged: text and findings leave it out */
};

struct np_warnings {
	size_t n;
	struct np_warning *items;
};

/* Appends a warning with the formatted message, escaped as np_text_escape() does. */
int np_warnings_add(struct np_warnings *warnings, struct np_err *err, enum np_warning_id warning,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void np_warnings_done(struct np_warnings *warnings);

/* The annotation on a pool or class with the codes that its owner acknowledges: "no-spare-host,class-shared". */
#define NP_WARNING_ANNOTATION "nodeprep.dev/ignore-warnings"

/* Kinds of warnings to ignore: none of severity NP_SEVERITY_ERROR. */
struct np_warning_set {
	uint64_t bits;
};

/* Adds a code; NP_E_USAGE: there is no such code, or it is an error's. */
int np_warning_set_add(struct np_warning_set *set, const char *code, struct np_err *err);

/* Adds the codes of an annotation (NULL: none), and skips what np_warning_set_add() rejects. */
void np_warning_set_read(struct np_warning_set *set, const char *text);

/* Marks the warnings of these kinds from the index `from` on. */
void np_warnings_ignore(struct np_warnings *warnings, size_t from, struct np_warning_set set);

#endif
