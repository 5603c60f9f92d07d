/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/json.h"
#include "nodeprep/units.h"

/*
 * Broadcom's API reference, "vcenter namespace_management virtual_machine_classes": Info and UpdateSpec. The
 * spelling of members differs between servers (memory_MB, memory_mb; direct_path_io_devices), so
 * they are found without regard to case, and written as this server's Info has them. A config_spec that
 * is missing or null "will not be updated": once a class has one, it cannot be removed.
 */

#define INFO "vcenter"
#define CONFIG_SPEC "config_spec"
#define MEMORY "memory_MB"
#define MEMORY_RESERVATION "memory_reservation"
#define ANNOTATION_PATH "/metadata/annotations/nodeprep.dev~1managed"

/* 4 PB: no VM comes near it, and a percentage of it in bytes fits into 64 bits. */
#define MEMORY_MB_MAX (UINT64_C(1) << 32)
#define QUANTITY_MAX 32

/* What an UpdateSpec does not have. */
static const char *const read_only[] = { "config_status", "id", "messages", "namespaces", "vms" };

/* Returns the key under which the object has the member, in whatever case; NULL where it has none. */
static const char *find_key(const json_t *object, const char *name)
{
	const char *key;
	json_t *value;

	if (json_object_get(object, name))
		return name;
	json_object_foreach (np_json_mut(object), key, value)
		if (strcasecmp(key, name) == 0)
			return key;
	return NULL;
}

/* Returns the member in whatever case; NULL where it is absent or null. */
static json_t *find_member(const json_t *object, const char *name)
{
	const char *key = find_key(object, name);
	json_t *value = key ? json_object_get(object, key) : NULL;

	return json_is_null(value) ? NULL : value;
}

/* --- quantities ------------------------------------------------------------------------------ */

/* Writes bytes as a quantity, in the largest unit that keeps it whole. */
static void write_quantity(uint64_t bytes, char buf[static QUANTITY_MAX])
{
	uint64_t mb = bytes >> 20;

	if (bytes == 0 || bytes % (UINT64_C(1) << 20) != 0)
		snprintf(buf, QUANTITY_MAX, "%" PRIu64, bytes);
	else if (mb % 1024 == 0)
		snprintf(buf, QUANTITY_MAX, "%" PRIu64 "Gi", mb / 1024);
	else
		snprintf(buf, QUANTITY_MAX, "%" PRIu64 "Mi", mb);
}

/* The nearest byte, so that percent_of() gives the same percentage again. */
static uint64_t bytes_of(uint64_t percent, uint64_t memory_mb)
{
	return ((memory_mb << 20) * percent + 50) / 100;
}

static uint64_t percent_of(uint64_t bytes, uint64_t memory_mb)
{
	if (bytes >= memory_mb << 20)
		return 100;
	return (bytes * 100 + (memory_mb << 19)) / (memory_mb << 20);
}

/* --- from vCenter ---------------------------------------------------------------------------- */

static int reject(const json_t *info, const char *name, const char *expected, struct np_err *err)
{
	return np_fail(err, NP_E_SPEC, "VM class '%s' of vCenter: %s is not %s",
		       np_json_member_text(info, "id"), name, expected);
}

/* Reads a whole number up to `most`: 1, 0 where it is absent. */
static int read_number(const json_t *info, const char *name, uint64_t most, uint64_t *ret,
		       struct np_err *err)
{
	const json_t *value = find_member(info, name);
	char expected[64];

	if (!value)
		return 0;
	if (json_is_integer(value) && json_integer_value(value) >= 0 &&
	    (uint64_t)json_integer_value(value) <= most) {
		*ret = (uint64_t)json_integer_value(value);
		return 1;
	}
	snprintf(expected, sizeof(expected), "a whole number from 0 to %" PRIu64, most);
	return reject(info, name, expected, err);
}

static int set_quantity(json_t *object, const char *path, uint64_t bytes)
{
	char buf[QUANTITY_MAX];
	json_auto_t *text = NULL;

	write_quantity(bytes, buf);
	text = json_string(buf);
	return text ? vmclass_patch_set(object, path, text) : -1;
}

/* Appends a copy of each item, with its members under the Kubernetes names. */
static json_t *rename_items(const json_t *list, const char *const names[][2], size_t n)
{
	json_auto_t *renamed = json_array();
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		json_t *copy = json_object();

		for (size_t k = 0; copy && k < n; k++) {
			json_t *value = find_member(item, names[k][0]);

			if (value && json_object_set(copy, names[k][1], value) < 0)
				return NULL;
		}
		if (json_array_append_new(renamed, copy) < 0)
			return NULL;
	}
	return json_incref(renamed);
}

static const char *const vgpu_names[][2] = { { "profile_name", "profileName" } };
static const char *const direct_names[][2] = { { "vendor_id", "vendorID" },
					       { "device_id", "deviceID" },
					       { "custom_label", "customLabel" } };

/* The lists of `devices`. govmomi's simulator has the second name for the first. */
static const struct device_list {
	const char *name, *path;
	const char *const (*names)[2];
	size_t n;
} device_lists[] = {
	{ "dynamic_direct_path_IO_devices", "/spec/hardware/devices/dynamicDirectPathIODevices",
	  direct_names, 3 },
	{ "direct_path_io_devices", "/spec/hardware/devices/dynamicDirectPathIODevices",
	  direct_names, 3 },
	{ "vgpu_devices", "/spec/hardware/devices/vgpuDevices", vgpu_names, 1 },
};

/* A list that is no list is what the reader of classes rejects. */
static int add_devices(json_t *object, const json_t *info, struct np_err *err)
{
	const json_t *devices = find_member(info, "devices");

	if (devices && !json_is_object(devices))
		return reject(info, "devices", "an object", err);
	for (size_t i = 0; i < sizeof(device_lists) / sizeof(device_lists[0]); i++) {
		const struct device_list *l = &device_lists[i];
		const json_t *list = find_member(devices, l->name);
		json_auto_t *renamed = list ? rename_items(list, l->names, l->n) : NULL;

		if (list && !json_is_array(list))
			return reject(info, l->name, "a list", err);
		if (list && (!renamed || vmclass_patch_set(object, l->path, renamed) < 0))
			return np_fail_nomem(err);
	}
	return 0;
}

static int add_memory(json_t *object, const json_t *info, uint64_t *ret_mb, struct np_err *err)
{
	uint64_t mb = 0, percent = 0;
	int got = read_number(info, MEMORY, MEMORY_MB_MAX, &mb, err);
	int has = got < 0 ? got : read_number(info, MEMORY_RESERVATION, 100, &percent, err);

	if (has < 0)
		return has;
	*ret_mb = mb;
	if (mb == 0)
		return 0;
	if (set_quantity(object, "/spec/hardware/memory", mb << 20) < 0 ||
	    (has > 0 && set_quantity(object, VMCLASS_MEMORY_REQUEST, bytes_of(percent, mb)) < 0))
		return np_fail_nomem(err);
	return 0;
}

static int add_rest(json_t *object, const json_t *info, struct np_err *err)
{
	json_t *config_spec = find_member(info, CONFIG_SPEC),
	       *cpus = find_member(info, "cpu_count");

	if (config_spec && !json_is_object(config_spec))
		return reject(info, CONFIG_SPEC, "an object", err);
	if ((config_spec && vmclass_patch_set(object, VMCLASS_CONFIG_SPEC, config_spec) < 0) ||
	    (cpus && vmclass_patch_set(object, "/spec/hardware/cpus", cpus) < 0))
		return np_fail_nomem(err);
	return 0;
}

/* Expresses a quantity of the record in the memory that the class has now. */
static int scale(json_t *entry, const char *member, uint64_t from_mb, uint64_t to_mb)
{
	char buf[QUANTITY_MAX];
	uint64_t bytes;
	json_t *value = json_object_get(entry, member);
	int got = value ? vmclass_quantity_of(value, &bytes) : 0;

	if (got <= 0)
		return got;
	write_quantity(bytes_of(percent_of(bytes, from_mb), to_mb), buf);
	return json_object_set_new(entry, member, json_string(buf));
}

/*
 * vCenter keeps the reservation as a percentage, so it follows the memory: a record that was made when
 * the class had another memory has its quantities in that one.
 */
static json_t *scale_record(const json_t *record, uint64_t from_mb, uint64_t to_mb)
{
	json_auto_t *scaled = json_deep_copy(record);
	json_t *entry = json_object_get(json_object_get(scaled, "before"), VMCLASS_MEMORY_REQUEST);

	if (from_mb > 0 && from_mb <= MEMORY_MB_MAX && to_mb > 0 && from_mb != to_mb &&
	    (scale(entry, "value", from_mb, to_mb) < 0 || scale(entry, "set", from_mb, to_mb) < 0))
		return NULL;
	return json_incref(scaled);
}

/* The annotation stands for the file, so that a discarded record is one that goes. */
static int add_record_error(json_t *object, const char *invalid, struct np_err *err)
{
	json_auto_t *empty = json_string("");

	if (!empty || vmclass_patch_set(object, ANNOTATION_PATH, empty) < 0 ||
	    json_object_set_new(object, VMCLASS_RECORD_ERROR, np_json_string(invalid)) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int add_record(json_t *object, const struct np_vmclass_record *record, uint64_t memory_mb,
		      struct np_err *err)
{
	json_auto_t *scaled = NULL, *value = NULL;
	NP_AUTO(np_freep) char *text = NULL;

	if (record && record->invalid)
		return add_record_error(object, record->invalid, err);
	if (!record || !record->json)
		return 0;
	scaled = scale_record(record->json, record->memory_mb, memory_mb);
	text = scaled ? np_json_text(scaled, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	value = text ? json_string(text) : NULL;
	if (!value || vmclass_patch_set(object, ANNOTATION_PATH, value) < 0)
		return np_fail_nomem(err);
	return 0;
}

int np_vmclass_from_vcenter(const json_t *info, const struct np_vmclass_record *record,
			    json_t **ret, struct np_err *err)
{
	json_auto_t *object =
		json_pack("{s:s, s:{s:s}, s:{}, s:O}", "kind", "VirtualMachineClass", "metadata",
			  "name", np_json_member_text(info, "id"), "spec", INFO, info);
	uint64_t memory_mb = 0;

	if (!object)
		return np_fail_nomem(err);
	if (add_memory(object, info, &memory_mb, err) < 0 || add_devices(object, info, err) < 0 ||
	    add_rest(object, info, err) < 0 || add_record(object, record, memory_mb, err) < 0)
		return np_err_ret(err);
	*ret = json_incref(object);
	return 0;
}

const json_t *np_vmclass_vcenter_info(const json_t *object)
{
	return json_object_get(object, INFO);
}

uint64_t np_vmclass_vcenter_memory_mb(const json_t *object)
{
	struct np_err ignored = NP_ERR_INIT;
	uint64_t mb = 0;

	read_number(np_vmclass_vcenter_info(object), MEMORY, MEMORY_MB_MAX, &mb, &ignored);
	return mb;
}

/* --- to vCenter ------------------------------------------------------------------------------ */

static bool is_read_only(const char *key)
{
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
		if (strcasecmp(read_only[i], key) == 0)
			return true;
	return false;
}

json_t *np_vmclass_vcenter_writable(const json_t *info)
{
	json_auto_t *body = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(info), key, value)
		if (!is_read_only(key) && json_object_set(body, key, value) < 0)
			return NULL;
	return json_incref(body);
}

/* Sets the member as the server spells it; takes `value`, of which NULL removes the member. */
static int set_member(json_t *body, const char *name, json_t *value)
{
	const char *key = find_key(body, name);

	if (value)
		return json_object_set_new(body, key ? key : name, value);
	if (find_member(body, name))
		json_object_del(body, key);
	return 0;
}

/* The reservation goes as the percentage that it was, or that its quantity now makes. */
static int set_reservation(json_t *body, const json_t *object, struct np_err *err)
{
	json_t *request = vmclass_lookup(object, VMCLASS_MEMORY_REQUEST);
	uint64_t mb = np_vmclass_vcenter_memory_mb(object), bytes = 0;
	json_t *percent = NULL;
	int got = request ? vmclass_quantity_of(request, &bytes) : 0;

	if (mb == 0)
		return 0;
	if (got < 0)
		return np_fail_nomem(err);
	if (got > 0 && bytes > mb << 20)
		return np_fail(err, NP_E_BUG, "a reservation of %" PRIu64 " bytes", bytes);
	percent = got > 0 ? json_integer((json_int_t)percent_of(bytes, mb)) : NULL;
	if ((got > 0 && !percent) || set_member(body, MEMORY_RESERVATION, percent) < 0)
		return np_fail_nomem(err);
	return 0;
}

int np_vmclass_to_vcenter(const json_t *object, json_t **ret, struct np_err *err)
{
	json_auto_t *body = np_vmclass_vcenter_writable(np_vmclass_vcenter_info(object));
	json_t *config_spec = vmclass_lookup(object, VMCLASS_CONFIG_SPEC);

	if (!body)
		return np_fail_nomem(err);
	if (set_member(body, CONFIG_SPEC, json_incref(config_spec)) < 0)
		return np_fail_nomem(err);
	if (set_reservation(body, object, err) < 0)
		return np_err_ret(err);
	*ret = json_incref(body);
	return 0;
}

int np_vmclass_vcenter_bodies(const struct np_vmclass *c, const struct np_change *change,
			      json_t **ret_now, json_t **ret_body, struct np_err *err)
{
	json_auto_t *now = np_vmclass_vcenter_writable(np_vmclass_vcenter_info(c->node.json));
	json_auto_t *target = np_vmclass_patched(c->node.json, change->patch);

	if (!now || !target)
		return np_fail_nomem(err);
	if (np_vmclass_to_vcenter(target, ret_body, err) < 0)
		return np_err_ret(err);
	*ret_now = json_incref(now);
	return 0;
}
