/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/units.h"

#define PAGE_BYTES UINT64_C(4096)
#define CURE_MAX 512
#define WHAT_MAX 160

/* Devices that a VM may have, by hardware version (Broadcom KB 309986). */
#define LIMIT_19 16
#define LIMIT_20 64 /* 32 before ESXi 8.0 U1 */
#define LIMIT_21 128
#define VCPUS_WITHOUT_IOMMU 127

static const char where_log[] = "vmware.log of the VM; its .vmx";

static void write_window_cure(const struct np_host *h, char cure[static CURE_MAX])
{
	static const char plan[] = "'nodeprep plan' computes it from the pool's GPUs";

	if (h->window_gb > 0)
		snprintf(cure, CURE_MAX,
			 "pciPassthru.use64bitMMIO TRUE and pciPassthru.64bitMMIOSizeGB %" PRIu64
			 "%s in the VM class, with firmware efi: %s",
			 h->window_gb,
			 h->needed_gb == 0 ? " (256 for each GPU of unknown size)" : "",
			 h->needed_gb == 0 ? plan : "'nodeprep apply'");
	else
		snprintf(
			cure, CURE_MAX,
			"a larger pciPassthru.64bitMMIOSizeGB in the VM class, with firmware efi: %s",
			plan);
}

/* A line that only resembles a reason counts where the VM did not power on. */
static bool is_reason(const struct np_host *h, const struct power_on_reason *reason)
{
	return reason->is_sure || h->has_power_on_failure;
}

/* The first reason that belongs to the check; NULL: none. */
static const struct power_on_reason *find_reason(const struct np_host *h, const char *check)
{
	for (size_t i = 0; i < h->n_reasons; i++)
		if (h->reasons[i].row && is_reason(h, &h->reasons[i]) &&
		    strcmp(h->reasons[i].row->check, check) == 0)
			return &h->reasons[i];
	return NULL;
}

/* What the reason is, in few words; NULL: the log's own words suffice. */
static const char *reason_name(const struct power_on_reason *reason, char buf[static WHAT_MAX])
{
	if (!reason->row)
		return "unknown reason";
	if (reason->row->kind != REASON_GUESS)
		return reason->row->what;
	snprintf(buf, WHAT_MAX, "probably %s", reason->row->what);
	return buf;
}

/* Adds the judgement that the log gives this reason. */
static int report_reason(struct checking *c, const struct np_judgement *j,
			 const struct power_on_reason *reason, struct np_err *err)
{
	char buf[WHAT_MAX];

	return np_report_add(c->r, j, err, "%s: '%s'", reason_name(reason, buf), reason->text);
}

static size_t count_devices(const struct np_host *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->vm.n_devices; i++)
		n += h->vm.devices[i].present != NP_VERDICT_NO;
	return n;
}

static bool has_vgpu(const struct np_host *h)
{
	for (size_t i = 0; i < h->vm.n_devices; i++)
		if (h->vm.devices[i].present != NP_VERDICT_NO && h->vm.devices[i].vgpu[0] != '\0')
			return true;
	return false;
}

/* --- the window --------------------------------------------------------------------------------- */

static int report_pages(struct checking *c, struct np_judgement *j, struct np_err *err)
{
	const struct np_host *h = c->h;
	char limit[NP_SIZE_TEXT_MAX], holds[NP_SIZE_TEXT_MAX + 32] = "the VM's firmware found less";

	j->status = NP_PROBE_FAIL;
	np_size_text(h->pages_limit * PAGE_BYTES, limit);
	if (h->has_limit)
		snprintf(holds, sizeof(holds), "the window holds %s", limit);
	return np_report_add(
		c->r, j, err,
		"the VM's devices need %s%" PRIu64 " GB (%" PRIu64
		" pages of 4 KiB), %s: set a window of %" PRIu64 " GB%s",
		h->is_lower_bound ? "at least " : "", h->needed_gb, h->pages_needed, holds,
		h->window_gb,
		h->is_lower_bound
			? ", since each card takes an aligned slot of twice its largest BAR"
			: "");
}

/* The BARs that the VM did not assign. */
static void list_unassigned(const struct np_host *h, struct np_report_words *bad, size_t *ret_good)
{
	char who[NP_REPORT_WHO_MAX], bar[NP_REPORT_BAR_MAX];

	for (size_t i = 0; i < h->n_gpus; i++) {
		const struct host_device *d = &h->gpus[i];

		if (d->side != SIDE_GUEST)
			continue;
		*ret_good += d->is_working || (d->has_regions && d->seen.ok == NP_VERDICT_YES);
		for (size_t k = 0; k < d->seen.n_bars; k++)
			if (d->seen.bars[k].assigned == NP_VERDICT_NO)
				np_report_words_add(bad, "%s: %s",
						    np_report_gpu_name(&d->seen, who),
						    np_report_bar_name(&d->seen.bars[k], bar));
	}
}

static size_t count_guest_gpus(const struct np_host *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n_gpus; i++)
		n += h->gpus[i].side == SIDE_GUEST;
	return n;
}

/* What the settings say of the window; *ret_status is unknown where they do not tell. */
static const char *judge_settings(const struct np_host *h, enum np_probe_status *ret_status)
{
	const struct vm_settings *vm = &h->vm;

	*ret_status = NP_PROBE_FAIL;
	if (h->is_small) {
		*ret_status = NP_PROBE_PASS;
		return "no device of the VM needs one";
	}
	if (!h->has_need) {
		*ret_status = NP_PROBE_UNKNOWN;
		return count_devices(h) > 0 ? "the settings do not name GPUs of a known size"
					    : "the settings name no passthrough device";
	}
	if (vm->use_64bit == NP_VERDICT_NO)
		return "pciPassthru.use64bitMMIO is FALSE";
	if (vm->has_window && vm->window_gb < h->needed_gb)
		return "the window is smaller than the devices' BARs";
	if (vm->has_window && !np_is_pow2(vm->window_gb))
		return "the window is not a power of two";
	if (!vm->has_window || vm->use_64bit == NP_VERDICT_UNKNOWN) {
		*ret_status = vm->is_whole_file ? NP_PROBE_FAIL : NP_PROBE_UNKNOWN;
		return "not both keys of the window are set";
	}
	*ret_status = vm->window_gb < h->window_gb ? NP_PROBE_WARN : NP_PROBE_PASS;
	return vm->window_gb < h->window_gb ? "the window may leave a GPU without BARs"
					    : "the window is large enough";
}

static int report_settings(struct checking *c, struct np_judgement *j, struct np_err *err)
{
	const struct np_host *h = c->h;
	const char *text = judge_settings(h, &j->status);
	char has[NP_SIZE_TEXT_MAX] = "none";

	if (j->status == NP_PROBE_UNKNOWN && !h->has_need)
		j->cure =
			"add the VM's list of devices (lspci -nn), or plan its class: 'nodeprep plan'";
	if (!h->has_need)
		return np_report_add(c->r, j, err, "%s", text);
	if (h->needed_gb == 0)
		return np_report_add(
			c->r, j, err,
			"%s: the VM has GPUs of unknown size, which count 256 GB each; the window to "
			"set is %" PRIu64 " GB",
			text, h->window_gb);
	if (h->vm.has_window)
		snprintf(has, sizeof(has), "%" PRIu64 " GB", h->vm.window_gb);
	return np_report_add(c->r, j, err,
			     "%s: the VM has %s, its devices need %s%" PRIu64
			     " GB, the window to set is %" PRIu64 " GB",
			     text, has, h->is_lower_bound ? "at least " : "", h->needed_gb,
			     h->window_gb);
}

int hostcheck_check_window(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	const struct power_on_reason *reason = find_reason(h, "mmio-window");
	struct np_report_words bad = { 0 };
	char cure[CURE_MAX];
	struct np_judgement j = { .id = "mmio-window",
				  .status = NP_PROBE_UNKNOWN,
				  .cure = cure,
				  .where = "vmware.log of the VM: total number of pages needed" };
	size_t n_good = 0;

	write_window_cure(h, cure);
	if (h->has_pages)
		return report_pages(c, &j, err);
	list_unassigned(h, &bad, &n_good);
	if (bad.n > 0 || reason) {
		j.status = NP_PROBE_FAIL;
		if (reason)
			return report_reason(c, &j, reason, err);
		return np_report_add(
			c->r, &j, err,
			"the VM did not assign every BAR: %s; its window is too small, or its "
			"firmware is BIOS",
			bad.text);
	}
	if (h->vm.is_seen)
		return report_settings(c, &j, err);
	if (n_good > 0 && n_good == count_guest_gpus(h)) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "the VM assigned every BAR of its GPUs");
	}
	j.cure = "add the vmware.log of a VM that does not power on";
	return np_report_add(c->r, &j, err, "no vmware.log reports needed pages");
}

int hostcheck_check_keys(struct checking *c, struct np_err *err)
{
	const struct vm_settings *vm = &c->h->vm;
	char cure[CURE_MAX];
	struct np_judgement j = {
		.id = "mmio-keys", .status = NP_PROBE_UNKNOWN, .cure = cure, .where = where_log
	};

	if (!vm->is_seen)
		return 0;
	write_window_cure(c->h, cure);
	if (vm->has_window && vm->use_64bit == NP_VERDICT_YES) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "both keys of the window are set");
	}
	if (!c->h->has_need && !vm->has_window && vm->use_64bit == NP_VERDICT_UNKNOWN) {
		j.cure = NULL;
		return np_report_add(c->r, &j, err, "neither key of the window is set");
	}
	j.status =
		vm->use_64bit == NP_VERDICT_NO || vm->is_whole_file ? NP_PROBE_FAIL : NP_PROBE_WARN;
	return np_report_add(c->r, &j, err, "%s",
			     vm->use_64bit == NP_VERDICT_NO ? "pciPassthru.use64bitMMIO is FALSE"
			     : vm->has_window               ? "pciPassthru.use64bitMMIO is not set"
			     : vm->use_64bit == NP_VERDICT_YES
				     ? "pciPassthru.64bitMMIOSizeGB is not set"
				     : "neither key of the window is set");
}

static enum np_probe_status judge_bios(const struct np_host *h)
{
	struct np_report_words bad = { 0 };
	size_t n_good = 0;

	list_unassigned(h, &bad, &n_good);
	if (bad.n > 0 || (h->has_need && h->needs_efi))
		return NP_PROBE_FAIL;
	return h->is_small || h->has_need ? NP_PROBE_PASS : NP_PROBE_WARN;
}

int hostcheck_check_firmware(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	enum firmware firmware =
		h->vm.firmware != FIRMWARE_UNKNOWN ? h->vm.firmware : h->guest_firmware;
	bool is_default = firmware == FIRMWARE_UNKNOWN && h->vm.is_whole_file;
	struct np_judgement j = {
		.id = "firmware",
		.status = NP_PROBE_UNKNOWN,
		.cure = "set configSpec.firmware of the VM class to efi ('nodeprep apply'), and recreate the node",
		.where = where_log
	};

	if (!h->vm.is_seen && firmware == FIRMWARE_UNKNOWN)
		return 0;
	if (firmware == FIRMWARE_EFI) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "the VM's firmware is efi");
	}
	if (firmware == FIRMWARE_UNKNOWN && !is_default)
		return np_report_add(c->r, &j, err, "not in any capture; ESXi's default is bios");
	j.status = judge_bios(h);
	return np_report_add(c->r, &j, err,
			     "the VM's firmware is bios%s, which maps no BAR over 256 MB",
			     is_default ? " by default (no line sets it)" : "");
}

/* --- memory ------------------------------------------------------------------------------------- */

static int report_reservation(struct checking *c, struct np_judgement *j, struct np_err *err)
{
	const struct vm_settings *vm = &c->h->vm;

	if (vm->pinned == NP_VERDICT_YES ||
	    (vm->has_reserved && vm->memory_mb > 0 && vm->reserved_mb >= vm->memory_mb)) {
		j->status = NP_PROBE_PASS;
		return np_report_add(c->r, j, err, "the VM's memory is fully reserved");
	}
	if (vm->memory_mb == 0 || (!vm->has_reserved && !vm->is_whole_file)) {
		j->cure = NULL;
		return np_report_add(c->r, j, err, "not in any capture");
	}
	j->status = count_devices(c->h) > 0 || c->h->n_gpus > 0 || c->h->has_power_on_failure
			    ? NP_PROBE_FAIL
			    : NP_PROBE_WARN;
	return np_report_add(c->r, j, err,
			     "the VM's memory is not fully reserved: sched.mem.min %" PRIu64
			     " of memSize %" PRIu64 " MB",
			     vm->reserved_mb, vm->memory_mb);
}

int hostcheck_check_memory(struct checking *c, struct np_err *err)
{
	const struct power_on_reason *reason = find_reason(c->h, "memory-reservation");
	struct np_judgement j = {
		.id = "memory-reservation",
		.status = NP_PROBE_UNKNOWN,
		.cure = "set requests.memory of the VM class to its hardware.memory: 'nodeprep apply'",
		.where = where_log
	};

	if (!c->h->vm.is_seen && !reason)
		return 0;
	if (!reason)
		return report_reservation(c, &j, err);
	j.status = NP_PROBE_FAIL;
	if (reason->row->cure)
		j.cure = reason->row->cure;
	else if (c->h->vm.memory_mb > 0 && c->h->vm.has_reserved)
		return np_report_add(
			c->r, &j, err,
			"%s: sched.mem.min %" PRIu64 " of memSize %" PRIu64 " MB: '%s'",
			reason->row->what, c->h->vm.reserved_mb, c->h->vm.memory_mb, reason->text);
	return report_reason(c, &j, reason, err);
}

/* --- limits ------------------------------------------------------------------------------------- */

int hostcheck_check_device_limit(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	const struct power_on_reason *reason = find_reason(h, "device-limit");
	uint64_t version = h->vm.hardware_version;
	size_t n = count_devices(h), limit = version >= 21   ? LIMIT_21
					     : version == 20 ? LIMIT_20
							     : LIMIT_19;
	struct np_judgement j = {
		.id = "device-limit",
		.status = NP_PROBE_FAIL,
		.cure = "raise the VM's hardware version: 16 devices up to version 19, 32 with 20 (64 on ESXi 8.0 "
			"U1), 128 with 21 (Broadcom KB 309986)",
		.where = where_log
	};

	if (reason) {
		j.cure = reason->row->cure;
		return report_reason(c, &j, reason, err);
	}
	if (!h->vm.is_seen || version == 0 || n == 0)
		return 0;
	if (n > limit)
		return np_report_add(
			c->r, &j, err,
			"%zu passthrough devices, at most %zu with hardware version %" PRIu64, n,
			limit, version);
	j.status = NP_PROBE_PASS;
	return np_report_add(c->r, &j, err,
			     "%zu passthrough device%s, at most %zu with hardware version %" PRIu64,
			     n, n == 1 ? "" : "s", limit, version);
}

/* Settings of the window are for passthrough, also where the devices are in another file. */
static bool has_passthrough(const struct np_host *h)
{
	return count_devices(h) > 0 || h->vm.has_window || h->vm.use_64bit == NP_VERDICT_YES;
}

int hostcheck_check_hot_add(struct checking *c, struct np_err *err)
{
	const struct vm_settings *vm = &c->h->vm;
	const struct power_on_reason *reason = find_reason(c->h, "hot-add");
	bool has_hot_add = vm->memory_hotadd == NP_VERDICT_YES || vm->cpu_hotadd == NP_VERDICT_YES;
	bool needs_iommu =
		has_vgpu(c->h) && (vm->viommu == NP_VERDICT_YES || vm->cpus > VCPUS_WITHOUT_IOMMU);
	struct np_judgement j = { .id = "hot-add",
				  .status = reason ? NP_PROBE_FAIL : NP_PROBE_WARN,
				  .cure = "switch mem.hotadd and vcpu.hotadd off",
				  .where = where_log };

	if (reason)
		return report_reason(c, &j, reason, err);
	if (has_hot_add && has_passthrough(c->h) &&
	    np_report_add(c->r, &j, err,
			  "hot-add of memory or CPUs is on, which passthrough does not allow") < 0)
		return np_err_ret(err);
	if (!needs_iommu)
		return 0;
	j.id = "viommu";
	j.cure =
		"use at most 127 vCPUs and no virtual IOMMU beside a vGPU on ESXi 7; ESXi 8 takes both with "
		"pciPassthru.vmiop.allowViommu and pciPassthru.vmiop.enableViommu TRUE";
	return np_report_add(c->r, &j, err, "the VM has a vGPU and %s",
			     vm->viommu == NP_VERDICT_YES
				     ? "a virtual IOMMU"
				     : "more than 127 vCPUs, which require a virtual IOMMU");
}

/* --- power-on ----------------------------------------------------------------------------------- */

static void list_reasons(const struct np_host *h, struct np_report_words *own,
			 struct np_report_words *others, const char **ret_cure)
{
	for (size_t i = 0; i < h->n_reasons; i++) {
		const struct power_on_reason *reason = &h->reasons[i];
		bool is_own = !reason->row || strcmp(reason->row->check, "power-on") == 0;
		char buf[WHAT_MAX];
		const char *what = reason_name(reason, buf);

		if (!is_reason(h, reason))
			continue;
		if (!is_own) {
			np_report_words_add(others, "%s", reason->row->check);
			continue;
		}
		np_report_words_add(own, "%s%s%s%s'%s'", reason->address,
				    reason->address[0] != '\0' ? ": " : "", what ? what : "",
				    what ? ": " : "", reason->text);
		if (!*ret_cure && reason->row)
			*ret_cure = reason->row->cure;
	}
}

/* Faults of devices in a vmkernel.log need not have kept a VM from powering on. */
static bool has_only_events(const struct np_host *h)
{
	for (size_t i = 0; i < h->n_reasons; i++)
		if (is_reason(h, &h->reasons[i]) &&
		    (!h->reasons[i].row || h->reasons[i].row->kind != REASON_EVENT))
			return false;
	return !h->has_power_on_failure;
}

int hostcheck_check_power_on(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	struct np_report_words own = { 0 }, others = { 0 };
	struct np_judgement j = { .id = "power-on", .status = NP_PROBE_FAIL, .where = where_log };

	list_reasons(h, &own, &others, &j.cure);
	if (own.n > 0) {
		if (!j.cure)
			j.cure =
				"add the whole vmware.log, and search Broadcom's articles for these words";
		return np_report_add(c->r, &j, err, "%s: %s",
				     has_only_events(h) ? "the host's log reports a fault"
							: "the VM does not power on",
				     own.text);
	}
	if (!h->has_power_on_failure)
		return 0;
	if (h->has_pages)
		np_report_words_add(&others, "mmio-window");
	if (others.n > 0)
		return np_report_add(c->r, &j, err, "the VM does not power on: see %s",
				     others.text);
	j.cure = "add the whole vmware.log: the lines above 'power on failed' give the reason";
	return np_report_add(c->r, &j, err,
			     "the VM does not power on: unknown reason, no line gives one");
}

/* --- the inside of the VM ----------------------------------------------------------------------- */

int hostcheck_check_vm_bars(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	struct np_report_words bad = { 0 };
	char cure[CURE_MAX];
	struct np_judgement j = { .id = "vm-bars",
				  .status = NP_PROBE_UNKNOWN,
				  .cure = cure,
				  .where = "lspci -vvv, dmesg or nvidia-smi in the VM" };
	size_t n_good = 0, n = count_guest_gpus(h);

	if (!h->has_guest && n == 0)
		return 0;
	write_window_cure(h, cure);
	list_unassigned(h, &bad, &n_good);
	if (bad.n > 0) {
		j.status = NP_PROBE_FAIL;
		return np_report_add(c->r, &j, err, "not assigned in the VM: %s", bad.text);
	}
	if (n > 0 && n_good == n) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err, "every BAR of %zu GPU%s is assigned in the VM",
				     n, n == 1 ? "" : "s");
	}
	j.cure = "add 'lspci -nnvvv' of the VM";
	return np_report_add(c->r, &j, err, "%s",
			     n == 0 ? "no GPU in the VM's captures"
				    : "the VM's captures do not have the BARs of every GPU");
}

/* The findings of the log. What follows from a BAR that is not assigned has the window's cure. */
static void list_log(const struct np_host *h, struct np_report_words *w, const char *window,
		     const char **ret_cure, enum np_probe_status *ret_status)
{
	struct np_report_words bad = { 0 };
	size_t n_good = 0;

	list_unassigned(h, &bad, &n_good);
	for (size_t i = 0; i < h->log.n; i++) {
		const struct np_log_finding *f = &h->log.findings[i];
		bool is_bar = f->row->topic == NP_LOG_BAR;

		/* A BAR that a later line assigns is well. */
		if (is_bar && !f->is_driver && bad.n == 0)
			continue;
		np_report_words_add(
			w, "%s%s%s%s'%s'", f->address, f->address[0] != '\0' ? ": " : "",
			f->row->what ? f->row->what : "", f->row->what ? ": " : "", f->text);
		if (is_bar || !np_nodecheck_log_is_hint(f))
			*ret_status = NP_PROBE_FAIL;
		if (is_bar)
			*ret_cure = window;
		else if (!*ret_cure)
			*ret_cure = np_nodecheck_log_cure(f);
	}
}

int hostcheck_check_kernel_log(struct checking *c, struct np_err *err)
{
	const struct np_host *h = c->h;
	struct np_report_words w = { 0 };
	const char *cure = NULL;
	char window[CURE_MAX];
	struct np_judgement j = { .id = "kernel-log",
				  .status = NP_PROBE_WARN,
				  .where = "dmesg; nvidia-smi" };

	if (!h->log.is_read || h->log.n_lines == 0)
		return 0;
	write_window_cure(h, window);
	list_log(h, &w, window, &cure, &j.status);
	if (w.n == 0) {
		j.status = NP_PROBE_PASS;
		return np_report_add(c->r, &j, err,
				     "nothing against the GPUs in %zu line%s about them",
				     h->log.n_lines, h->log.n_lines == 1 ? "" : "s");
	}
	j.cure = cure;
	return np_report_add(c->r, &j, err, "%s", w.text);
}
