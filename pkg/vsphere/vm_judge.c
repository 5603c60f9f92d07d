/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/mmio.h"
#include "nodeprep/plan.h"
#include "nodeprep/units.h"
#include "nodeprep/vmx.h"

#define DYNAMIC_VERSION 17 /* dynamic DirectPath I/O came with ESXi 7.0 */
#define NAME_GPUS "if it is a GPU, add it and its size with --catalogue or --catalogue-from"
#define NOT_READABLE "give the user the privilege System.Read on the VM"

/* --- the need ----------------------------------------------------------------------------------- */

static int find_need(struct np_vsphere_vm *vm, struct np_err *err)
{
	NP_AUTO(np_freep) struct np_addend *addends = calloc(vm->n_gpus + 1, sizeof(*addends));
	struct np_need need;

	if (!addends)
		return np_fail_nomem(err);
	for (size_t i = 0; i < vm->n_gpus; i++) {
		const struct np_vsphere_device *d = &vm->devices[i];

		if (np_mmio_addend(d->card, d->count, &addends[i], err) < 0)
			return np_err_ret(err);
		if (np_gpu_vgpu_is_compute(d->profile))
			np_mmio_addend_compute(&addends[i]);
	}
	if (np_mmio_need(addends, vm->n_gpus, &need, err) < 0)
		return np_err_ret(err);
	vm->has_need = need.complete && !vsphere_is_none_known(vm);
	vm->needed_gb = need.assumed_gb;
	vm->needs_efi = need.needs_efi;
	return 0;
}

static void find_window(struct np_vsphere_vm *vm)
{
	struct np_vmx_current current = { 0 };

	for (size_t i = 0; i < vm->n_extra; i++)
		np_vmx_add(&current, vm->extra[i].key, vm->extra[i].value);
	vm->has_window = current.has_size;
	vm->window_gb = current.size_gb;
	vm->has_estimate = np_plan_overhead(vm->has_window ? vm->window_gb : 0, &vm->estimate_mb);
}

/* --- checks ------------------------------------------------------------------------------------- */

static int not_readable(struct np_report *r, struct np_judgement *j, struct np_err *err)
{
	j->status = NP_PROBE_UNKNOWN;
	j->cure = NOT_READABLE;
	return np_report_add(r, j, err, "not readable");
}

static int check_window(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "mmio-window", .decides = true, .status = NP_PROBE_FAIL };
	NP_AUTO(np_freep) char *cure = NULL;

	if (!vm->has_extra)
		return not_readable(r, &j, err);
	if (vm->needed_gb == 0 && vm->has_need) {
		j.status = NP_PROBE_PASS;
		return np_report_add(r, &j, err, "no device needs a window");
	}
	if (vsphere_is_none_known(vm)) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = NAME_GPUS;
		return np_report_add(r, &j, err, "no known device needs a window");
	}
	if (asprintf(&cure, "set %s to %" PRIu64, NP_VMX_SIZE_NAME, vm->needed_gb) < 0) {
		cure = NULL;
		return np_fail_nomem(err);
	}
	j.cure = cure;
	if (!vm->has_window)
		return np_report_add(r, &j, err,
				     "no window is set, the devices need %" PRIu64 " GB%s",
				     vm->needed_gb, vm->has_need ? "" : " (a size is assumed)");
	if (vm->window_gb < vm->needed_gb || !np_is_pow2(vm->window_gb))
		return np_report_add(r, &j, err,
				     "the window is %" PRIu64 " GB, the devices need %" PRIu64
				     " GB%s",
				     vm->window_gb, vm->needed_gb,
				     !vm->has_need               ? " (a size is assumed)"
				     : np_is_pow2(vm->window_gb) ? ""
								 : ", a power of two");
	j.status = vm->has_need ? NP_PROBE_PASS : NP_PROBE_UNKNOWN;
	j.cure = "give the size of the GPU's BARs with --catalogue (pciID, barsMB)";
	return np_report_add(r, &j, err, "the window is %" PRIu64 " GB, %s", vm->window_gb,
			     vm->has_need ? "large enough" : "but a device has no known size");
}

/* What the settings' names and values are. */
struct keys {
	bool has_use64, has_size, has_variant;
	struct np_report_words misspelt;
};

static void read_keys(const struct np_vsphere_vm *vm, struct keys *k)
{
	for (size_t i = 0; i < vm->n_extra; i++) {
		const char *name = vm->extra[i].key;
		enum np_vmx_key key = np_vmx_key_of(name);

		if (key == NP_VMX_KEY_MAX) {
			np_report_words_add(&k->misspelt, "%s", name);
			continue;
		}
		k->has_variant = k->has_variant || strcmp(name, np_vmx_key_name(key)) != 0;
		if (key == NP_VMX_USE64)
			k->has_use64 = k->has_use64 || strcasecmp(vm->extra[i].value, "true") == 0;
		else
			k->has_size = true;
	}
}

static int check_keys(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "mmio-keys",
				  .decides = true,
				  .status = NP_PROBE_FAIL,
				  .cure = "set both: " NP_VMX_USE64_NAME
					  " to TRUE, and " NP_VMX_SIZE_NAME };
	bool is_needed = vm->needed_gb > 0 || (!vm->has_need && !vsphere_is_none_known(vm));
	struct keys k = { 0 };

	if (!vm->has_extra)
		return not_readable(r, &j, err);
	read_keys(vm, &k);
	if (is_needed && k.misspelt.n > 0 && !(k.has_use64 && k.has_size))
		return np_report_add(r, &j, err, "ESXi does not know: %s", k.misspelt.text);
	if (is_needed && !(k.has_use64 && k.has_size))
		return np_report_add(r, &j, err, "%s",
				     k.has_size    ? NP_VMX_USE64_NAME " is not set to TRUE"
				     : k.has_use64 ? NP_VMX_SIZE_NAME " is not set"
						   : "neither setting is there");
	j.status = k.misspelt.n > 0 || k.has_variant ? NP_PROBE_WARN : NP_PROBE_PASS;
	if (k.misspelt.n > 0) {
		j.cure = "remove what ESXi does not know";
		return np_report_add(r, &j, err, "ESXi does not know: %s", k.misspelt.text);
	}
	if (vsphere_is_none_known(vm) && !(k.has_use64 && k.has_size)) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = NAME_GPUS;
		return np_report_add(r, &j, err, "a device may be a GPU that needs them");
	}
	j.cure = "write the names as " NP_VMX_USE64_NAME " and " NP_VMX_SIZE_NAME;
	return np_report_add(r, &j, err, "%s",
			     k.has_variant ? "a name has another case than VMware documents"
			     : k.has_use64 && k.has_size ? "both are set"
							 : "not needed");
}

static int check_firmware(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	bool is_efi = strcasecmp(vm->firmware, "efi") == 0;
	struct np_judgement j = {
		.id = "firmware",
		.decides = true,
		.status = is_efi || !vm->needs_efi ? NP_PROBE_PASS : NP_PROBE_FAIL,
		.cure = "make the VM from an image with EFI: a guest installed with BIOS does not boot "
			"with EFI"
	};

	if (vm->firmware[0] == '\0' && vm->needs_efi)
		return not_readable(r, &j, err);
	if (vsphere_is_none_known(vm) && !is_efi) {
		j.status = NP_PROBE_UNKNOWN;
		j.cure = NAME_GPUS;
		return np_report_add(
			r, &j, err,
			"%s, but a device may be a GPU, and a BAR over 256 MB needs efi",
			vm->firmware[0] != '\0' ? vm->firmware : "not readable");
	}
	return np_report_add(r, &j, err, "%s%s",
			     vm->firmware[0] != '\0' ? vm->firmware : "not readable",
			     vm->needs_efi ? is_efi ? "" : ", but a BAR over 256 MB needs efi"
					   : ", which these devices allow");
}

enum np_verdict vsphere_is_reserved(const struct np_vsphere_vm *vm)
{
	if (vm->reservation_locked == NP_VERDICT_YES)
		return NP_VERDICT_YES;
	if (!vm->has_reservation || vm->memory_mb == 0)
		return NP_VERDICT_UNKNOWN;
	return vm->reservation_mb >= vm->memory_mb ? NP_VERDICT_YES : NP_VERDICT_NO;
}

static int check_memory(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "memory-reservation",
				  .decides = true,
				  .status = NP_PROBE_PASS,
				  .cure = "reserve all memory, locked to the maximum" };

	if (vm->reservation_locked == NP_VERDICT_YES)
		return np_report_add(r, &j, err, "all memory is reserved, locked");
	if (vsphere_is_reserved(vm) == NP_VERDICT_UNKNOWN)
		return not_readable(r, &j, err);
	if (vsphere_is_reserved(vm) == NP_VERDICT_NO)
		j.status = NP_PROBE_FAIL;
	return np_report_add(r, &j, err, "%" PRIu64 " of %" PRIu64 " MB are reserved%s",
			     vm->reservation_mb, vm->memory_mb,
			     j.status == NP_PROBE_PASS ? ", not locked" : "");
}

static size_t count_devices(const struct np_vsphere_vm *vm)
{
	size_t n = 0;

	for (size_t i = 0; i < vm->n_devices; i++)
		n += vm->devices[i].count;
	return n;
}

static int check_version(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "hardware-version",
				  .decides = true,
				  .status =
					  vm->has_dynamic && vm->hardware_version < DYNAMIC_VERSION
						  ? NP_PROBE_FAIL
						  : NP_PROBE_PASS,
				  .cure = "upgrade the VM's hardware version to 17 or later" };

	if (vm->hardware_version == 0)
		return not_readable(r, &j, err);
	return np_report_add(r, &j, err, "vmx-%" PRIu64 "%s", vm->hardware_version,
			     j.status == NP_PROBE_FAIL ? ", but dynamic DirectPath I/O needs vmx-17"
						       : "");
}

static int check_limit(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	uint64_t limit = np_vmx_device_limit(vm->hardware_version);
	size_t n = count_devices(vm);
	struct np_judgement j = { .id = "device-limit",
				  .decides = true,
				  .status = n <= limit ? NP_PROBE_PASS : NP_PROBE_FAIL,
				  .cure = "upgrade the VM's hardware version, or attach fewer "
					  "devices" };

	if (vm->hardware_version == 0)
		return not_readable(r, &j, err);
	return np_report_add(r, &j, err,
			     "%zu passthrough devices, at most %" PRIu64 " with vmx-%" PRIu64, n,
			     limit, vm->hardware_version);
}

static int check_kinds(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "device-kind",
				  .status = vm->has_uncounted ? NP_PROBE_WARN : NP_PROBE_PASS,
				  .cure = NAME_GPUS };
	struct np_report_words w = { 0 };

	for (size_t i = vm->n_gpus; i < vm->n_devices; i++) {
		const struct np_vsphere_device *d = &vm->devices[i];
		char id[NP_PCI_ID_MAX];

		np_gpu_pci_id_format(d->id, id);
		if (d->is_uncounted)
			np_report_words_add(&w, "%zux %s", d->count, id);
	}
	if (!vm->has_uncounted)
		return np_report_add(r, &j, err, "every device is known");
	return np_report_add(r, &j, err,
			     "not counted, because it is not known whether they are GPUs: %s",
			     w.text);
}

static int check_overhead(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "overhead",
				  .status = vm->has_overhead ? NP_PROBE_PASS : NP_PROBE_UNKNOWN,
				  .cure = "power the VM on: vCenter measures it then" };

	if (!vm->has_overhead)
		return np_report_add(r, &j, err, "not measured");
	if (!vm->has_estimate)
		return np_report_add(r, &j, err, "%.1f MB", vm->overhead_mb);
	return np_report_add(r, &j, err, "%.1f MB, to which the window adds %.1f MB by estimate",
			     vm->overhead_mb, vm->estimate_mb);
}

static int check_manager(const struct np_vsphere_vm *vm, struct np_report *r, struct np_err *err)
{
	struct np_judgement j = { .id = "managed-by", .status = NP_PROBE_PASS };
	char owner[VSPHERE_OWNER_MAX];

	vsphere_owner_text(vm, owner);
	switch (vm->manager) {
	case NP_VSPHERE_VM_OPERATOR:
		return np_report_add(r, &j, err, "%s: change its VM class, then recreate the VM",
				     owner);
	case NP_VSPHERE_CLUSTER_API:
		return np_report_add(
			r, &j, err, "%s: change its VSphereMachineTemplate, then recreate the node",
			owner);
	case NP_VSPHERE_EXTENSION:
		return np_report_add(r, &j, err, "%s: change the VM there", owner);
	case NP_VSPHERE_PLAIN:
		break;
	}
	if (!vm->has_extra)
		return not_readable(r, &j, err);
	return np_report_add(r, &j, err, "no mark of a manager");
}

/* Nothing can be said of a VM's settings without its devices. */
static int report_no_devices(const struct np_vsphere_vm *vm, struct np_report *r,
			     struct np_err *err)
{
	const struct np_judgement j = { .id = "mmio-window",
					.decides = true,
					.status = NP_PROBE_UNKNOWN,
					.cure = vm->fault[0] != '\0'
							? NOT_READABLE
							: "look at the VM in the vSphere Client: "
							  "it may be inaccessible" };

	if (vm->fault[0] != '\0')
		return np_report_add(
			r, &j, err,
			"vCenter answers with the fault %s in place of the list of devices",
			vm->fault);
	return np_report_add(r, &j, err, "vCenter has no list of devices");
}

static int add_checks(const struct np_vsphere_vm *vm, const struct np_plan *plan,
		      struct np_report *r, struct np_err *err)
{
	static int (*const checks[])(const struct np_vsphere_vm *, struct np_report *,
				     struct np_err *) = {
		check_window, check_keys,  check_firmware, check_memory,  check_version,
		check_limit,  check_kinds, check_overhead, check_manager,
	};

	if (!vm->has_devices)
		return report_no_devices(vm, r, err) < 0 ? np_err_ret(err)
							 : check_manager(vm, r, err);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (checks[i](vm, r, err) < 0)
			return np_err_ret(err);
	return plan ? vsphere_vm_compare(vm, plan, r, err) : 0;
}

int np_vsphere_vm_report(const struct np_vsphere_vms *vms, const struct np_vsphere_vm *vm,
			 struct np_report *ret, struct np_err *err)
{
	NP_AUTO(np_report_done) struct np_report report = { 0 };

	if (add_checks(vm, vms->plan, &report, err) < 0)
		return np_err_ret(err);
	np_report_finish(&report);
	*ret = report;
	report = (struct np_report){ 0 };
	return 0;
}

/* Sets what follows from the VM's settings, devices and pool. */
static int settle(struct np_vsphere_vm *vm, const struct np_plan *plan, struct np_err *err)
{
	find_window(vm);
	if (plan && vsphere_vm_find_pool(vm, plan, err) < 0)
		return np_err_ret(err);
	return vm->has_devices ? find_need(vm, err) : 0;
}

int np_vsphere_vms_judge(struct np_vsphere_vms *vms, const struct np_plan *plan, struct np_err *err)
{
	vms->pass = NP_VERDICT_YES;
	vms->plan = plan;
	for (size_t i = 0; i < vms->n; i++) {
		NP_AUTO(np_report_done) struct np_report report = { 0 };
		struct np_vsphere_vm *vm = &vms->items[i];

		if (settle(vm, plan, err) < 0 || np_vsphere_vm_report(vms, vm, &report, err) < 0)
			return np_err_ret(err);
		vm->pass = report.pass;
		vsphere_add_verdict(&vms->pass, vm->pass);
	}
	return 0;
}
