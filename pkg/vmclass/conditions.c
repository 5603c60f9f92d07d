/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "nodeprep/vmx.h"

/*
 * What a VM of the class needs beside window, firmware and reservation: warnings, since each has
 * exceptions that the class does not show.
 */

static void read_settings(struct np_val extra_config, struct np_vmx_vm *vm)
{
	for (size_t i = 0; i < np_doc_count(extra_config); i++) {
		const json_t *entry = np_doc_at(extra_config, i).json;
		const json_t *value = json_object_get(entry, "value");
		const char *key = json_string_value(json_object_get(entry, "key"));

		if (json_is_object(value))
			value = json_object_get(value, "_value");
		if (key && json_is_true(value))
			np_vmx_vm_add(vm, key, "true");
		else if (key && json_is_string(value))
			np_vmx_vm_add(vm, key, json_string_value(value));
	}
}

static void read_flags(struct np_val config_spec, struct np_vmx_vm *vm)
{
	struct np_val flags = np_doc_get(config_spec, "flags");

	if (json_is_true(np_doc_get(config_spec, "memoryHotAddEnabled").json))
		vm->memory_hot_add = true;
	if (json_is_true(np_doc_get(config_spec, "cpuHotAddEnabled").json))
		vm->cpu_hot_add = true;
	if (json_is_true(np_doc_get(flags, "vvtdEnabled").json))
		vm->has_viommu = true;
}

static uint64_t read_cpus(const struct np_vmclass *c)
{
	struct np_err ignored = NP_ERR_INIT;
	struct np_val cpus;
	uint64_t n = 0;

	if (np_doc_path(c->node, "spec.hardware.cpus", &cpus, &ignored) < 0 ||
	    np_doc_uint(cpus, 0, UINT32_MAX, &n, &ignored) <= 0)
		return 0;
	return n;
}

static int note_spelling(struct np_vmclass *c, const struct np_catalogue *cat, size_t i,
			 struct np_err *err)
{
	const char *profile = c->devices.items[i].profile;
	char correct[NP_VGPU_PROFILE_MAX];

	if (!profile || !np_gpu_vgpu_is_misspelt(cat, profile, correct))
		return 0;
	for (size_t k = 0; k < i; k++)
		if (c->devices.items[k].profile &&
		    strcmp(c->devices.items[k].profile, profile) == 0)
			return 0;
	return np_warnings_add(&c->warnings, err, NP_WARNING_VGPU_SPELLING,
			       "vGPU profile '%.80s': vCenter lists this type as '%s'", profile,
			       correct);
}

/* Full-size vGPUs of one VM use NVLink only as a group that the host offers (vSphere 8). */
static int note_groups(struct np_vmclass *c, struct np_val config_spec, struct np_err *err)
{
	struct np_val items = np_doc_get(np_doc_get(config_spec, "deviceGroups"), "deviceGroup");

	for (size_t i = 0; i < np_doc_count(items); i++) {
		const char *name =
			json_string_value(np_doc_get(np_doc_at(items, i), "deviceGroupName").json);

		if (name && strcasestr(name, "nvlink") &&
		    np_warnings_add(
			    &c->warnings, err, NP_WARNING_NVLINK_GROUP,
			    "device group '%.80s': a VM powers on only on a host that has so "
			    "many free GPUs connected by NVLink (VMware vSphere 8, device groups)",
			    name) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* From v1alpha2 on the list is a map keyed by profileName: the API server refuses the class. */
static int note_duplicates(struct np_vmclass *c, struct np_err *err)
{
	const char *version = json_string_value(np_doc_get(c->node, "apiVersion").json);
	struct np_val list;

	if (np_doc_path(c->node, "spec.hardware.devices.vgpuDevices", &list, err) < 0)
		return np_err_ret(err);
	if (version && strcmp(version, NP_VMCLASS_GROUP "/v1alpha1") == 0)
		return 0;
	for (size_t i = 0; i < np_doc_count(list); i++) {
		const char *name =
			json_string_value(np_doc_get(np_doc_at(list, i), "profileName").json);

		for (size_t k = 0; name && k < i; k++) {
			const char *other = json_string_value(
				np_doc_get(np_doc_at(list, k), "profileName").json);

			if (!other || strcmp(other, name) != 0)
				continue;
			return np_warnings_add(
				&c->warnings, err, NP_WARNING_VGPU_DUPLICATE,
				"profile '%.80s' is twice under hardware.devices.vgpuDevices, a "
				"list with one entry a profile: the API server rejects the class; "
				"list equal vGPUs in configSpec.deviceChange",
				name);
		}
	}
	return 0;
}

int vmclass_note_conditions(struct np_vmclass *c, struct np_val config_spec,
			    const struct np_catalogue *cat, struct np_err *err)
{
	struct np_vmx_vm vm = {
		.vcpus = read_cpus(c),
		.hardware_version = np_vmx_hardware_version(
			json_string_value(np_doc_get(config_spec, "version").json)),
		.devices = c->devices.n,
	};

	for (size_t i = 0; i < c->devices.n; i++) {
		vm.vgpus += c->devices.items[i].backing == NP_BACKING_VGPU;
		if (note_spelling(c, cat, i, err) < 0)
			return np_err_ret(err);
	}
	if (note_groups(c, config_spec, err) < 0)
		return np_err_ret(err);
	read_flags(config_spec, &vm);
	read_settings(np_doc_get(config_spec, "extraConfig"), &vm);
	if (np_vmx_note_conditions(&vm, &c->warnings, err) < 0)
		return np_err_ret(err);
	return note_duplicates(c, err);
}
