/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/stdlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/mmio.h"
#include "nodeprep/units.h"

#define ALTERNATIVES_MAX 256
#define GROUP_DEVICES_MAX 64

/* Where VM Operator's own keys for PCI devices start, counting down. */
#define FIRST_DEVICE_KEY (-200)

static void device_done(struct np_device *d)
{
	free(d->ids);
}

void vmclass_devices_done(struct np_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		device_done(&d->items[i]);
	free(d->items);
	*d = (struct np_devices){ 0 };
}

/* Appends *d, whose ids go along also on failure. */
static int devices_take(struct np_devices *list, struct np_device *d, struct np_val at,
			struct np_err *err)
{
	struct np_device *items;

	if (list->n >= VMCLASS_DEVICES_MAX) {
		device_done(d);
		return np_doc_fail(at, err, NP_E_SPEC, "more than %d devices", VMCLASS_DEVICES_MAX);
	}
	items = reallocarray(list->items, list->n + 1, sizeof(*items));
	if (!items) {
		device_done(d);
		return np_fail_nomem(err);
	}
	list->items = items;
	list->items[list->n++] = *d;
	return 0;
}

int vmclass_fail_discriminator(struct np_val n, struct np_err *err, const char *path)
{
	return np_doc_fail(n, err, NP_E_SPEC,
			   "%s has no '_typeName': VM Operator cannot decode this class, so no VM "
			   "can be made from it",
			   path);
}

/* Sets *ret to the discriminator; its absence breaks the whole class. */
static int read_type(struct np_val object, const char *path, const char **ret, struct np_err *err)
{
	int got = np_doc_string(np_doc_get(object, "_typeName"), ret, err);

	if (got < 0)
		return got;
	return got == 0 ? vmclass_fail_discriminator(object, err, path) : 0;
}

static uint64_t window_of(const struct np_gpu *gpu)
{
	struct np_addend addend;
	struct np_err ignored = NP_ERR_INIT;

	return np_mmio_addend(gpu, 1, &addend, &ignored) < 0 ? UINT64_MAX : addend.each_gb;
}

/* Orders alternatives by what they take: an unknown GPU may take more than any known one. */
static uint64_t weight(enum np_pci_class class, const struct np_gpu *gpu)
{
	if (class == NP_PCI_OTHER)
		return 0;
	return class == NP_PCI_GPU_UNKNOWN ? UINT64_MAX : 1 + window_of(gpu);
}

/* Makes `id` an alternative of the device, which is sized by the largest. */
static int add_alternative(struct np_device *d, const struct np_catalogue *cat, struct np_pci_id id,
			   struct np_err *err)
{
	enum np_pci_class class = np_gpu_pci_classify(cat, id);
	const struct np_gpu *gpu = np_gpu_find_id(cat, id);
	uint64_t gb = gpu ? window_of(gpu) : 0;
	struct np_pci_id *ids = reallocarray(d->ids, d->n_ids + 1, sizeof(*ids));

	if (!ids)
		return np_fail_nomem(err);
	d->ids = ids;
	d->ids[d->n_ids++] = id;
	if (!d->may_be_gpu && np_gpu_pci_may_be_gpu(cat, id)) {
		d->may_be_gpu = true;
		d->maybe_id = id;
	}
	d->known_gb = gb > d->known_gb ? gb : d->known_gb;
	if (d->has_id && weight(class, gpu) <= weight(d->pci_class, d->gpu))
		return 0;
	d->has_id = true;
	d->id = id;
	d->pci_class = class;
	d->gpu = gpu;
	return 0;
}

/* Reads half an id: a number, or text such as "0x10DE". */
static int read_half(struct np_val n, uint16_t *ret, struct np_err *err)
{
	const char *text;
	uint64_t number = 0;
	struct np_err why = NP_ERR_INIT;
	int got;

	if (json_is_string(n.json)) {
		text = json_string_value(n.json);
		if (text[strspn(text, "0123456789")] == '\0')
			return np_doc_fail(
				n, err, NP_E_SPEC,
				"%s is the text '%.40s', decimal or hex: write a number without "
				"quotes, or 0x in front of hex",
				n.key, text);
		if (np_gpu_pci_half_parse(text, ret, &why) < 0)
			return np_doc_fail(n, err, NP_E_SPEC, "%s: %s", n.key, why.text);
		return 1;
	}
	/* vCenter's SOAP API prints ids above 0x7fff as negative numbers. */
	if (json_is_integer(n.json) && json_integer_value(n.json) < 0 &&
	    json_integer_value(n.json) >= INT16_MIN) {
		*ret = (uint16_t)json_integer_value(n.json);
		return 1;
	}
	got = np_doc_uint(n, 0, UINT16_MAX, &number, err);
	if (got > 0)
		*ret = (uint16_t)number;
	return got;
}

static bool is_text(struct np_val n)
{
	return json_is_string(n.json);
}

/* Text for both halves is a pair as people write one; 1 where it was read. */
static int read_text_pair(struct np_val vendor, struct np_val device, struct np_pci_id *ret,
			  struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	char pair[64];

	if (!is_text(vendor) || !is_text(device))
		return 0;
	snprintf(pair, sizeof(pair), "%s:%s", json_string_value(vendor.json),
		 json_string_value(device.json));
	if (np_gpu_pci_id_parse(pair, ret, &why) < 0)
		return np_doc_fail(vendor, err, NP_E_SPEC, "%s", why.text);
	return 1;
}

/* Reads {vendorId, deviceId} under whichever names; both must be there. */
static int read_id(struct np_val object, const char *vendor_key, const char *device_key,
		   struct np_pci_id *ret, struct np_err *err)
{
	struct np_val vendor = np_doc_get(object, vendor_key);
	struct np_val device = np_doc_get(object, device_key);
	struct np_pci_id id = { 0, 0 };
	char text[NP_PCI_ID_MAX];
	int got;

	got = read_text_pair(vendor, device, ret, err);
	if (got != 0)
		return got < 0 ? got : 0;
	got = read_half(vendor, &id.vendor, err);
	if (got == 0)
		return np_doc_fail(object, err, NP_E_SPEC, "a device without '%s'", vendor_key);
	if (got < 0)
		return got;
	got = read_half(device, &id.device, err);
	if (got == 0)
		return np_doc_fail(object, err, NP_E_SPEC, "a device without '%s'", device_key);
	if (got < 0)
		return got;
	if (np_gpu_pci_is_swapped(id)) {
		np_gpu_pci_id_format(id, text);
		return np_doc_fail(vendor, err, NP_E_SPEC,
				   "'%s' has vendor and device swapped: %s is %04x, %s is %04x",
				   text, vendor_key, id.device, device_key, id.vendor);
	}
	*ret = id;
	return 0;
}

static int read_alternatives(struct np_val allowed, struct np_device *d,
			     const struct np_catalogue *cat, struct np_err *err)
{
	size_t n = np_doc_count(allowed);
	struct np_pci_id id;
	int r;

	if (np_doc_list(allowed, err) < 0)
		return np_err_ret(err);
	if (n > ALTERNATIVES_MAX)
		return np_doc_fail(allowed, err, NP_E_SPEC, "%zu alternatives, at most %d", n,
				   ALTERNATIVES_MAX);
	for (size_t i = 0; i < n; i++) {
		r = read_id(np_doc_at(allowed, i), "vendorId", "deviceId", &id, err);
		if (r < 0)
			return r;
		r = add_alternative(d, cat, id, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_label(struct np_val object, struct np_device *d, struct np_err *err)
{
	d->label = "";
	return np_doc_string(np_doc_get(object, "customLabel"), &d->label, err);
}

static int read_vgpu(struct np_val name, struct np_device *d, const struct np_catalogue *cat,
		     struct np_err *err)
{
	int got = np_doc_string(name, &d->profile, err);

	if (got < 0)
		return got;
	if (got == 0 || d->profile[0] == '\0')
		return np_doc_fail(name, err, NP_E_SPEC, "a vGPU without a profile name");
	d->backing = NP_BACKING_VGPU;
	d->gpu = np_gpu_find_vgpu(cat, d->profile);
	d->pci_class = d->gpu ? NP_PCI_GPU : NP_PCI_GPU_UNKNOWN;
	return 0;
}

static int read_vgpu_backing(struct np_val b, struct np_device *d, const struct np_catalogue *cat,
			     struct np_err *err)
{
	return read_vgpu(np_doc_get(b, "vgpu"), d, cat, err);
}

static int read_dynamic_backing(struct np_val b, struct np_device *d,
				const struct np_catalogue *cat, struct np_err *err)
{
	d->backing = NP_BACKING_DYNAMIC;
	if (read_label(b, d, err) < 0)
		return np_err_ret(err);
	return read_alternatives(np_doc_get(b, "allowedDevice"), d, cat, err);
}

/* Reads the deviceId of a fixed backing: hex text without a prefix, "2330" too; or a number. */
static int read_hex_half(struct np_val n, uint16_t *ret, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (!json_is_string(n.json))
		return read_half(n, ret, err);
	if (np_gpu_pci_half_parse(json_string_value(n.json), ret, &why) < 0)
		return np_doc_fail(n, err, NP_E_SPEC, "%s: %s", n.key, why.text);
	return 1;
}

/*
 * A fixed device's ids: the vendor is a signed 16-bit number, the device hex text (vim25; govmomi,
 * Ansible and vRO print it so).
 */
static int read_fixed_backing(struct np_val b, struct np_device *d, const struct np_catalogue *cat,
			      struct np_err *err)
{
	struct np_val vendor = np_doc_get(b, "vendorId");
	struct np_val device = np_doc_get(b, "deviceId");
	struct np_pci_id id = { 0, 0 };

	d->backing = NP_BACKING_FIXED;
	if (!np_doc_is_present(vendor) || !np_doc_is_present(device))
		return 0;
	if (read_half(vendor, &id.vendor, err) < 0 || read_hex_half(device, &id.device, err) < 0)
		return np_err_ret(err);
	return add_alternative(d, cat, id, err);
}

/* An Enhanced DirectPath I/O device has no ids: it may be a GPU of any size. */
static int read_dvx_backing(struct np_val b, struct np_device *d, const struct np_catalogue *cat,
			    struct np_err *err)
{
	(void)cat;
	d->backing = NP_BACKING_DVX;
	d->pci_class = NP_PCI_GPU_UNKNOWN;
	d->kind = "";
	return np_doc_string(np_doc_get(b, "deviceClass"), &d->kind, err);
}

static const struct backing_type {
	const char *type;
	int (*read)(struct np_val, struct np_device *, const struct np_catalogue *,
		    struct np_err *);
} backing_types[] = {
	{ "VirtualPCIPassthroughDeviceBackingInfo", read_fixed_backing },
	{ "VirtualPCIPassthroughDvxBackingInfo", read_dvx_backing },
	{ "VirtualPCIPassthroughDynamicBackingInfo", read_dynamic_backing },
	{ "VirtualPCIPassthroughVmiopBackingInfo", read_vgpu_backing },
};

/* A backing of an unknown type, without ids, or none: what it attaches may be a GPU of any size. */
static void note_without_id(struct np_device *d, const char *type)
{
	if (d->n_ids > 0 || d->profile || d->kind)
		return;
	d->pci_class = NP_PCI_GPU_UNKNOWN;
	d->kind = type;
}

static int read_known_backing(struct np_val backing, const char *type, struct np_device *d,
			      const struct np_catalogue *cat, struct np_err *err)
{
	for (size_t i = 0; i < sizeof(backing_types) / sizeof(backing_types[0]); i++)
		if (strcmp(type, backing_types[i].type) == 0)
			return backing_types[i].read(backing, d, cat, err);
	return 0;
}

static int read_backing(struct np_val backing, const char *path, struct np_device *d,
			const struct np_catalogue *cat, struct np_err *err)
{
	const char *type = "";

	d->backing = NP_BACKING_OTHER;
	d->pci_class = NP_PCI_OTHER;
	d->label = "";
	if (np_doc_is_present(backing) &&
	    (np_doc_object(backing, err) < 0 || read_type(backing, path, &type, err) < 0 ||
	     read_known_backing(backing, type, d, cat, err) < 0))
		return np_err_ret(err);
	note_without_id(d, np_doc_is_present(backing) ? type : "no backing");
	return 0;
}

static int read_change(struct np_val entry, size_t i, const struct np_catalogue *cat,
		       struct np_devices *list, struct np_err *err)
{
	struct np_val device = np_doc_get(entry, "device");
	struct np_device d = { 0 };
	const char *type = "";
	char path[96];
	int r;

	snprintf(path, sizeof(path), "spec.configSpec.deviceChange[%zu]", i);
	if (!np_doc_is_present(entry))
		return 0;
	if (np_doc_object(entry, err) < 0 || read_type(entry, path, &type, err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(device))
		return 0;
	snprintf(path, sizeof(path), "spec.configSpec.deviceChange[%zu].device", i);
	if (np_doc_object(device, err) < 0 || read_type(device, path, &type, err) < 0)
		return np_err_ret(err);
	snprintf(path, sizeof(path), "spec.configSpec.deviceChange[%zu].device.backing", i);
	r = read_backing(np_doc_get(device, "backing"), path, &d, cat, err);
	if (r < 0 || strcmp(type, "VirtualPCIPassthrough") != 0) {
		device_done(&d);
		return r;
	}
	return devices_take(list, &d, entry, err);
}

/* Tells whether deviceChange lists the devices of the group itself; a group without a key has any. */
static bool has_group_devices(struct np_val list, struct np_val group)
{
	const json_t *key = np_doc_get(group, "groupInstanceKey").json;

	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val info =
			np_doc_get(np_doc_get(np_doc_at(list, i), "device"), "deviceGroupInfo");
		const json_t *theirs = np_doc_get(info, "groupInstanceKey").json;

		if (np_doc_is_present(info) && (!key || !theirs || json_equal(key, theirs)))
			return true;
	}
	return false;
}

/*
 * Reads how many devices a vendor's group has, and what one takes if its name tells the profile:
 * "Nvidia:2@nvidia_h100xm-80c%NVLink". At least one device of unknown kind.
 */
static uint64_t read_group_name(const char *name, const struct np_catalogue *cat,
				struct np_device *d)
{
	const char *colon = strchr(name, ':'), *at = strchr(name, '@');
	struct np_err ignored = NP_ERR_INIT;
	char text[NP_VGPU_PROFILE_MAX];
	const struct np_gpu *gpu = NULL;
	uint64_t count = 1;

	if (!colon || !at || at < colon)
		return 1;
	snprintf(text, sizeof(text), "%.*s", (int)(at - colon - 1), colon + 1);
	if (at - colon > 4 || np_u64_parse(text, 1, GROUP_DEVICES_MAX, &count, &ignored) < 0)
		count = 1;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + 1, "%"), at + 1);
	gpu = np_gpu_find_vgpu(cat, text);
	d->known_gb = gpu ? window_of(gpu) : 0;
	return count;
}

static int read_group(struct np_val group, const struct np_catalogue *cat, struct np_devices *list,
		      struct np_err *err)
{
	const char *name = "";
	uint64_t count;

	if (!np_doc_is_present(group))
		return 0;
	if (np_doc_object(group, err) < 0 ||
	    np_doc_string(np_doc_get(group, "deviceGroupName"), &name, err) < 0)
		return np_err_ret(err);
	count = 1;
	for (uint64_t i = 0; i < count; i++) {
		struct np_device d = { .backing = NP_BACKING_GROUP,
				       .pci_class = NP_PCI_GPU_UNKNOWN,
				       .kind = name,
				       .label = "" };

		count = read_group_name(name, cat, &d);
		if (devices_take(list, &d, group, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Groups of vendor devices (vSphere 8): which devices they attach, only the host knows. */
static int read_groups(struct np_val config_spec, const struct np_catalogue *cat,
		       struct np_devices *list, struct np_err *err)
{
	struct np_val groups = np_doc_get(config_spec, "deviceGroups");
	struct np_val items = np_doc_get(groups, "deviceGroup");
	struct np_val changes = np_doc_get(config_spec, "deviceChange");

	if (np_doc_object(groups, err) < 0 || np_doc_list(items, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(items); i++)
		if (!has_group_devices(changes, np_doc_at(items, i)) &&
		    read_group(np_doc_at(items, i), cat, list, err) < 0)
			return np_err_ret(err);
	return 0;
}

int vmclass_devices_of_config_spec(struct np_val config_spec, const struct np_catalogue *cat,
				   struct np_devices *ret, struct np_err *err)
{
	struct np_val list = np_doc_get(config_spec, "deviceChange");
	NP_AUTO(vmclass_devices_done) struct np_devices devices = { 0 };
	size_t n = np_doc_count(list);

	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++)
		if (read_change(np_doc_at(list, i), i, cat, &devices, err) < 0)
			return np_err_ret(err);
	if (read_groups(config_spec, cat, &devices, err) < 0)
		return np_err_ret(err);
	*ret = devices;
	devices = (struct np_devices){ 0 };
	return 0;
}

static int read_hardware_vgpu(struct np_val item, struct np_device *d,
			      const struct np_catalogue *cat, struct np_err *err)
{
	d->label = "";
	return read_vgpu(np_doc_get(item, "profileName"), d, cat, err);
}

static int read_hardware_dynamic(struct np_val item, struct np_device *d,
				 const struct np_catalogue *cat, struct np_err *err)
{
	struct np_pci_id id;
	int r = read_id(item, "vendorID", "deviceID", &id, err);

	if (r < 0)
		return r;
	d->backing = NP_BACKING_DYNAMIC;
	if (read_label(item, d, err) < 0)
		return np_err_ret(err);
	return add_alternative(d, cat, id, err);
}

/* In the order in which VM Operator attaches them. */
static const struct hardware_list {
	const char *key;
	int (*read)(struct np_val, struct np_device *, const struct np_catalogue *,
		    struct np_err *);
} hardware_lists[] = {
	{ "vgpuDevices", read_hardware_vgpu },
	{ "dynamicDirectPathIODevices", read_hardware_dynamic },
};

static int read_hardware_list(struct np_val devices, const struct hardware_list *kind,
			      const struct np_catalogue *cat, struct np_devices *list,
			      struct np_err *err)
{
	struct np_val items = np_doc_get(devices, kind->key);
	size_t n = np_doc_count(items);

	if (np_doc_list(items, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		struct np_val item = np_doc_at(items, i);
		struct np_device d = { 0 };
		int r = np_doc_object(item, err);

		if (r >= 0)
			r = kind->read(item, &d, cat, err);
		if (r < 0) {
			device_done(&d);
			return r;
		}
		if (devices_take(list, &d, item, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

int vmclass_devices_of_hardware(struct np_val devices, const struct np_catalogue *cat,
				struct np_devices *ret, struct np_err *err)
{
	NP_AUTO(vmclass_devices_done) struct np_devices list = { 0 };

	if (np_doc_object(devices, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < sizeof(hardware_lists) / sizeof(hardware_lists[0]); i++)
		if (read_hardware_list(devices, &hardware_lists[i], cat, &list, err) < 0)
			return np_err_ret(err);
	*ret = list;
	list = (struct np_devices){ 0 };
	return 0;
}

size_t np_vmclass_devices_gpus(const struct np_devices *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->items[i].pci_class != NP_PCI_OTHER;
	return n;
}

static bool is_uncounted(const struct np_device *d)
{
	return d->pci_class == NP_PCI_OTHER && d->may_be_gpu;
}

static bool is_named_before(const struct np_devices *d, size_t end)
{
	const struct np_pci_id *id = &d->items[end].maybe_id;

	for (size_t i = 0; i < end; i++)
		if (is_uncounted(&d->items[i]) && d->items[i].maybe_id.vendor == id->vendor &&
		    d->items[i].maybe_id.device == id->device)
			return true;
	return false;
}

static int warn_uncounted(struct np_pci_id id, struct np_warnings *warnings, struct np_err *err)
{
	char text[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(id, text);
	return np_warnings_add(
		warnings, err, NP_WARNING_DEVICE_KIND_UNKNOWN,
		"device '%s' is not counted as a GPU: %s; if it is a GPU, add it and its size with "
		"--catalogue or --catalogue-from",
		text,
		id.vendor == NP_PCI_VENDOR_INTEL
			? "Intel makes GPUs and other devices, and this id is not known"
			: "neither its id nor its vendor is known");
}

bool np_vmclass_devices_may_be_gpus(const struct np_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (is_uncounted(&d->items[i]))
			return true;
	return false;
}

int np_vmclass_warn_uncounted(const struct np_devices *d, struct np_warnings *warnings,
			      struct np_err *err)
{
	for (size_t i = 0; i < d->n; i++)
		if (is_uncounted(&d->items[i]) && !is_named_before(d, i) &&
		    warn_uncounted(d->items[i].maybe_id, warnings, err) < 0)
			return np_err_ret(err);
	return 0;
}

static bool is_same_device(const struct np_device *a, const struct np_device *b)
{
	if (!!a->profile != !!b->profile || !!a->kind != !!b->kind || a->n_ids != b->n_ids)
		return false;
	if (a->kind)
		return strcmp(a->kind, b->kind) == 0;
	if (a->profile)
		return strcasecmp(a->profile, b->profile) == 0;
	return a->n_ids == 0 || memcmp(a->ids, b->ids, a->n_ids * sizeof(*a->ids)) == 0;
}

static size_t count_same(const struct np_devices *list, const struct np_device *d)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += is_same_device(&list->items[i], d);
	return n;
}

bool vmclass_devices_equal(const struct np_devices *a, const struct np_devices *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (count_same(a, &a->items[i]) != count_same(b, &a->items[i]))
			return false;
	return true;
}

static json_t *carry_backing(const struct np_device *d)
{
	json_auto_t *backing = NULL;

	if (d->profile)
		return json_pack("{s:s, s:s}", "_typeName", "VirtualPCIPassthroughVmiopBackingInfo",
				 "vgpu", d->profile);
	backing = json_pack("{s:s, s:s, s:[{s:s, s:i, s:i}]}", "_typeName",
			    "VirtualPCIPassthroughDynamicBackingInfo", "deviceName", "",
			    "allowedDevice", "_typeName", "VirtualPCIPassthroughAllowedDevice",
			    "vendorId", (int)d->id.vendor, "deviceId", (int)d->id.device);
	/* Not by "s*", which leaves the label out also where memory runs out. */
	if (d->label[0] != '\0' &&
	    json_object_set_new(backing, "customLabel", json_string(d->label)) < 0)
		return NULL;
	return json_incref(backing);
}

json_t *vmclass_devices_carry(const struct np_devices *d, size_t start)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < d->n; i++) {
		json_t *entry = json_pack("{s:s, s:s, s:{s:s, s:i, s:o}}", "_typeName",
					  "VirtualDeviceConfigSpec", "operation", "add", "device",
					  "_typeName", "VirtualPCIPassthrough", "key",
					  FIRST_DEVICE_KEY - (int)(start + i), "backing",
					  carry_backing(&d->items[i]));

		if (!entry || json_array_append_new(list, entry) < 0)
			return NULL;
	}
	return json_incref(list);
}

/* Reads back what carry_backing() writes; what it cannot have written makes another backing. */
static struct np_device device_of(const json_t *backing)
{
	const json_t *allowed = json_array_get(json_object_get(backing, "allowedDevice"), 0);
	const char *label = json_string_value(json_object_get(backing, "customLabel"));
	json_int_t vendor = json_integer_value(json_object_get(allowed, "vendorId"));
	json_int_t device = json_integer_value(json_object_get(allowed, "deviceId"));

	return (struct np_device){
		.profile = json_string_value(json_object_get(backing, "vgpu")),
		.label = label ? label : "",
		.id = { (uint16_t)vendor, (uint16_t)device },
	};
}

int vmclass_device_is_carried(const json_t *entry, size_t place)
{
	const json_t *backing = json_object_get(json_object_get(entry, "device"), "backing");
	struct np_device d = device_of(backing);
	const struct np_devices one = { 1, &d };
	json_auto_t *list = NULL;

	if (d.profile && d.profile[0] == '\0')
		return 0;
	list = vmclass_devices_carry(&one, place);
	if (!list)
		return -1;
	return json_equal(json_array_get(list, 0), entry);
}
