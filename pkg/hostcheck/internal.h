/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_PKG_HOSTCHECK_INTERNAL_H
#define NODEPREP_PKG_HOSTCHECK_INTERNAL_H

/*
 * hostcheck, inside: capture.c reads keys and values, host.c the kinds of captures, judge.c makes
 * the checklist.
 *
 *
 * A value counts only as a whole word of a closed vocabulary, so that a capture that was cut in the
 * middle of one says nothing.
 */

#include "nodeprep/err.h"
#include "nodeprep/hostcheck.h"
#include "nodeprep/report.h"

#define KEY_MAX 96
#define VALUE_MAX 160

/* "VT-d : Enabled", "Key=Value", "key","value", `key = "value",`, or a table of two columns. */
struct pair_line {
	char key[KEY_MAX]; /* as it was written, without quotes */
	char name[KEY_MAX]; /* its letters and digits alone, lower case */
	char value[VALUE_MAX]; /* without quotes and what ends a line */
};

/* Splits a line; false for any other line. */
bool hostcheck_pair_parse(const char *line, size_t size, struct pair_line *ret);

/* Copies letters and digits alone, lower case. */
void hostcheck_name_of(const char *text, size_t size, char ret[static KEY_MAX]);

/* Reads enabled, true, on, yes, 1 and their opposites; UNKNOWN for any other word. */
enum np_verdict hostcheck_yes_or_no(const char *value);

/* Reads "64G", "16M", "4K"; false for any other text. */
bool hostcheck_size_parse(const char *text, uint64_t *ret);

/* One PCI function as the host reports it. */
struct host_device {
	struct np_seen_gpu seen;
	bool has_class, is_display; /* a display or 3D controller, or an accelerator */
	bool is_nvidia;
	bool is_told; /* its kind, even without an ID */
	bool is_whole; /* its record ended before the capture did */
	bool has_regions; /* BARs were listed */
	bool has_all_regions; /* and something else after them */
	bool has_sriov;
	enum np_verdict capable, enabled, active;
	char module[NP_DRIVER_MAX];
};

enum host_setting {
	SETTING_IOMMU,
	SETTING_SRIOV,
	SETTING_ABOVE_4G,
	SETTING_HOT_MIGRATE,
	SETTING_NO_IOMMU,
	SETTINGS
};

/* The recognised captures, one bit each. */
enum host_kind {
	KIND_HV = 1 << 0,
	KIND_PCI = 1 << 1,
	KIND_LSPCI = 1 << 2,
	KIND_PASSTHROUGH = 1 << 3,
	KIND_SETTINGS = 1 << 4,
	KIND_VMWARE_LOG = 1 << 5,
};

struct host_capture {
	char name[128];
	unsigned kinds;
};

#define CAPTURES_MAX 256
#define HOST_DEVICES_MAX 4096

struct np_host {
	const struct np_catalogue *cat;
	int hv_support; /* -1: not known */
	enum np_verdict settings[SETTINGS];
	bool has_need; /* a vmware.log reported pages */
	uint64_t pages_needed, pages_limit; /* of the largest need */
	size_t n_captures;
	struct host_capture captures[CAPTURES_MAX];
	bool is_list_cut; /* a list of devices ends within a record: more of them may follow */
	size_t n_devices;
	struct host_device *devices;
	/* The result of judging: the GPUs, and whether they are for vGPUs. */
	size_t n_gpus;
	struct host_device *gpus;
	bool is_vgpu;
	uint64_t needed_gb, window_gb;
};

#endif
