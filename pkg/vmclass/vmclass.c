/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/pool.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

/* VM Operator raises the hardware version for PCI devices only where the class names none. */
#define HARDWARE_VERSION_MIN 17

void np_vmclass_free(struct np_vmclass *c)
{
	if (!c)
		return;
	vmclass_devices_done(&c->devices);
	vmclass_devices_done(&c->hidden);
	np_warnings_done(&c->warnings);
	json_decref(c->managed);
	json_decref(c->carried);
	free(c->memory);
	np_doc_unref(c->doc);
	free(c);
}

void np_vmclass_freep(struct np_vmclass **c)
{
	np_vmclass_free(*c);
}

int vmclass_quantity_of(const json_t *value, uint64_t *ret_bytes)
{
	NP_AUTO(np_freep) char *number = NULL;
	const char *text = json_string_value(value);
	struct np_err ignored = NP_ERR_INIT;

	if (json_is_number(value)) {
		number = json_dumps(value, JSON_ENCODE_ANY);
		if (!number)
			return -1;
		text = number;
	}
	return text && np_quantity_parse(text, ret_bytes, &ignored) >= 0;
}

/* An invalid record is kept as an error: what may go on without one goes on. */
static int read_record(struct np_vmclass *c, struct np_val annotations, struct np_err *err)
{
	struct np_val n = np_doc_get(annotations, NP_MANAGED_ANNOTATION);
	struct np_err why = NP_ERR_INIT;

	if (np_vmclass_record_read(c->node.json, &c->managed, &why) >= 0)
		return 0;
	if (why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	np_doc_fail(n, &c->record_error, why.code, "%s", why.text);
	return 0;
}

static int read_metadata(struct np_vmclass *c, struct np_err *err)
{
	struct np_val metadata = np_doc_get(c->node, "metadata");
	struct np_val annotations = np_doc_get(metadata, "annotations");
	int got;

	if (np_doc_object(c->node, err) < 0 || np_doc_object(metadata, err) < 0)
		return np_err_ret(err);
	got = np_doc_string(np_doc_get(metadata, "name"), &c->name, err);
	if (got == 0 || (got > 0 && c->name[0] == '\0'))
		return np_doc_fail(c->node, err, NP_E_SPEC, "a VirtualMachineClass without a name");
	if (got < 0 || np_doc_string(np_doc_get(metadata, "namespace"), &c->ns, err) < 0 ||
	    np_doc_string(np_doc_get(metadata, "resourceVersion"), &c->resource_version, err) < 0 ||
	    np_doc_object(annotations, err) < 0)
		return np_err_ret(err);
	return read_record(c, annotations, err);
}

static int read_devices(struct np_vmclass *c, struct np_val config_spec,
			const struct np_catalogue *cat, struct np_err *err)
{
	NP_AUTO(vmclass_devices_done) struct np_devices hardware = { 0 };
	struct np_val devices;

	if (np_doc_path(c->node, "spec.hardware.devices", &devices, err) < 0 ||
	    vmclass_devices_of_hardware(devices, cat, &hardware, err) < 0)
		return np_err_ret(err);
	if (c->managed) {
		c->carried = vmclass_devices_carry(&hardware, 0);
		if (!c->carried)
			return np_fail_nomem(err);
	}
	if (!c->has_config_spec) {
		c->devices = hardware;
		hardware = (struct np_devices){ 0 };
		return 0;
	}
	if (vmclass_devices_of_config_spec(config_spec, cat, &c->devices, err) < 0)
		return np_err_ret(err);
	if (hardware.n == 0)
		return 0;
	if (c->devices.n == 0) {
		c->hidden = hardware;
		hardware = (struct np_devices){ 0 };
		return np_warnings_add(
			&c->warnings, err, NP_WARNING_DEVICES_HIDDEN,
			"%zu device(s) under spec.hardware.devices are not attached, since "
			"spec.configSpec hides them; --restore-hidden-devices carries them "
			"over",
			c->hidden.n);
	}
	if (vmclass_devices_equal(&hardware, &c->devices))
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_DEVICES_DIVERGED,
		"spec.hardware.devices lists others than spec.configSpec.deviceChange, "
		"and only the latter are attached");
}

static int note_hardware_version(struct np_vmclass *c, struct np_val config_spec,
				 struct np_err *err)
{
	struct np_val n = np_doc_get(config_spec, "version");
	const char *text = "";
	struct np_err ignored = NP_ERR_INIT;
	uint64_t version;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (c->devices.n == 0 || strncmp(text, "vmx-", 4) != 0 ||
	    np_u64_parse(text + 4, 0, 999, &version, &ignored) < 0 ||
	    version >= HARDWARE_VERSION_MIN)
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_HARDWARE_VERSION,
		"spec.configSpec.version is '%s': PCI devices of this kind need vmx-%d or "
		"newer, and VM Operator does not raise a version that is named",
		text, HARDWARE_VERSION_MIN);
}

static int note_memory_allocation(struct np_vmclass *c, struct np_val config_spec,
				  struct np_err *err)
{
	if (!np_doc_is_present(np_doc_get(config_spec, "memoryAllocation")))
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_MEMORY_ALLOCATION_REPLACED,
		"spec.configSpec.memoryAllocation is replaced by VM Operator as soon as "
		"policies.resources names a memory request or limit");
}

/* Keys where none stood before are nodeprep's own, and tell nothing of the image. */
static bool are_keys_ours(const struct np_vmclass *c)
{
	const json_t *entry = json_object_get(json_object_get(c->managed, "before"),
					      "/spec/configSpec/extraConfig");

	return entry && json_array_size(json_object_get(entry, "entries")) == 0;
}

static int note_baked_in(struct np_vmclass *c, struct np_err *err)
{
	c->baked_in =
		c->current.has_any && c->devices.n == 0 && c->hidden.n == 0 && !are_keys_ours(c);
	if (!c->baked_in)
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_BAKED_IN,
		"the MMIO keys are set but no device is listed: a GPU may be part of the "
		"image, so their number is unknown");
}

/* The ways to tell the size of a device that the catalogue lacks. */
#define ADD_CARD "add it with --catalogue or --catalogue-from"

static int note_kind(struct np_vmclass *c, const struct np_device *d, struct np_err *err)
{
	if (d->backing != NP_BACKING_GROUP && d->backing != NP_BACKING_DVX)
		return np_warnings_add(
			&c->warnings, err, NP_WARNING_DEVICE_KIND_UNKNOWN,
			"a passthrough device (%.80s) has no ids: it may be a GPU of any "
			"size; name it in the pool, or set sizeGB",
			d->kind);
	return np_warnings_add(&c->warnings, err, NP_WARNING_DEVICE_KIND_UNKNOWN,
			       "%s '%.80s' names devices without ids: they may be GPUs of any "
			       "size; name them in the pool, or set sizeGB",
			       d->backing == NP_BACKING_GROUP ? "device group" : "device class",
			       d->kind);
}

static int note_device(struct np_vmclass *c, const struct np_device *d, struct np_err *err)
{
	char id[NP_PCI_ID_MAX];

	if (d->kind)
		return note_kind(c, d, err);
	if (d->pci_class != NP_PCI_GPU_UNKNOWN)
		return 0;
	if (d->profile)
		return np_warnings_add(&c->warnings, err, NP_WARNING_UNKNOWN_DEVICE,
				       "vGPU profile '%.80s' is not in the catalogue; set sizeGB",
				       d->profile);
	np_gpu_pci_id_format(d->id, id);
	return np_warnings_add(&c->warnings, err, NP_WARNING_UNKNOWN_DEVICE,
			       "device '%s' is not in the catalogue; " ADD_CARD, id);
}

static bool is_same_unknown(const struct np_device *a, const struct np_device *b)
{
	if (a->pci_class != b->pci_class || !!a->profile != !!b->profile)
		return false;
	if (a->profile)
		return strcmp(a->profile, b->profile) == 0;
	if (a->kind || b->kind)
		return a->kind && b->kind && strcmp(a->kind, b->kind) == 0;
	return a->id.vendor == b->id.vendor && a->id.device == b->id.device;
}

/* Several equal devices are told once. */
static int note_unknown_devices(struct np_vmclass *c, struct np_err *err)
{
	for (size_t i = 0; i < c->devices.n; i++) {
		size_t first = 0;

		while (!is_same_unknown(&c->devices.items[first], &c->devices.items[i]))
			first++;
		if (first == i && note_device(c, &c->devices.items[i], err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int note_mixed(struct np_vmclass *c, struct np_err *err)
{
	bool vgpu = false, passthrough = false;

	for (size_t i = 0; i < c->devices.n; i++) {
		const struct np_device *d = &c->devices.items[i];

		vgpu = vgpu || d->backing == NP_BACKING_VGPU;
		passthrough = passthrough || (d->backing != NP_BACKING_VGPU &&
					      d->pci_class != NP_PCI_OTHER && !d->kind);
	}
	if (!vgpu || !passthrough)
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_MIXED_VGPU,
		"vGPU and passthrough GPUs in one class: a node takes the driver of one "
		"kind");
}

/* Field rule of guides, no vendor's figure: guest memory at least 1.5 times the GPUs' memory. */
static int note_small_memory(struct np_vmclass *c, struct np_err *err)
{
	uint64_t gpu_gb = 0;

	for (size_t i = 0; i < c->devices.n; i++)
		if (c->devices.items[i].gpu && !c->devices.items[i].profile)
			gpu_gb += c->devices.items[i].gpu->memory_gb;
	if (!c->memory || gpu_gb == 0 || c->memory_bytes / NP_GIB >= gpu_gb + gpu_gb / 2)
		return 0;
	return np_warnings_add(&c->warnings, err, NP_WARNING_MEMORY_SMALL,
			       "the VM has %s of memory for %" PRIu64
			       " GB of GPU memory; guides advise "
			       "1.5 times as much",
			       c->memory, gpu_gb);
}

static int note_guest(struct np_vmclass *c, struct np_val config_spec, struct np_err *err)
{
	const char *text = "";

	if (np_doc_string(np_doc_get(config_spec, "guestId"), &text, err) < 0)
		return np_err_ret(err);
	if (c->devices.n == 0 || !np_pool_is_32bit_guest(text))
		return 0;
	return np_warnings_add(
		&c->warnings, err, NP_WARNING_GUEST_32BIT,
		"spec.configSpec.guestId '%.80s' names a 32-bit guest, which maps no BAR above "
		"4 GB",
		text);
}

static int read_notes(struct np_vmclass *c, struct np_val config_spec,
		      const struct np_catalogue *cat, struct np_err *err)
{
	if (note_hardware_version(c, config_spec, err) < 0 ||
	    note_memory_allocation(c, config_spec, err) < 0 || note_baked_in(c, err) < 0 ||
	    note_unknown_devices(c, err) < 0 || note_mixed(c, err) < 0 ||
	    note_small_memory(c, err) < 0 || note_guest(c, config_spec, err) < 0)
		return np_err_ret(err);
	return vmclass_note_conditions(c, config_spec, cat, err);
}

static int read_spec(struct np_vmclass *c, const struct np_catalogue *cat, struct np_err *err)
{
	struct np_val config_spec, memory;

	if (np_doc_path(c->node, "spec.hardware.memory", &memory, err) < 0 ||
	    vmclass_quantity_read(memory, &c->memory, &c->memory_bytes, err) < 0 ||
	    np_doc_path(c->node, "spec.configSpec", &config_spec, err) < 0 ||
	    np_doc_object(config_spec, err) < 0)
		return np_err_ret(err);
	c->has_config_spec = np_doc_is_present(config_spec);
	if (np_doc_string(np_doc_get(config_spec, "firmware"), &c->firmware, err) < 0 ||
	    read_devices(c, config_spec, cat, err) < 0 ||
	    vmclass_keys_read(np_doc_get(config_spec, "extraConfig"), &c->current, &c->warnings,
			      err) < 0)
		return np_err_ret(err);
	return read_notes(c, config_spec, cat, err);
}

int np_vmclass_read(struct np_doc *doc, struct np_val node, const struct np_catalogue *cat,
		    struct np_vmclass **ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_freep) struct np_vmclass *c = calloc(1, sizeof(*c));

	if (!c)
		return np_fail_nomem(err);
	c->doc = np_doc_ref(doc);
	c->node = node;
	if (read_metadata(c, err) < 0 || read_spec(c, cat, err) < 0)
		return np_err_ret(err);
	*ret = np_take(c);
	return 0;
}
