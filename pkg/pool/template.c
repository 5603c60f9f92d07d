/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/units.h"
#include "nodeprep/vmx.h"
#include "nodeprep/warnings.h"

#define HARDWARE_PREFIX "vmx-"
#define HARDWARE_MAX 99 /* CAPV takes two digits: ^vmx-[1-9][0-9]?$ */

static const char *const device_fields[] = { "customLabel", "deviceId", "vGPUProfile", "vendorId" };

void pool_template_done(struct np_template *t)
{
	for (size_t i = 0; i < t->n_devices; i++)
		free(t->devices[i].profile);
	free(t->devices);
	free(t->source.kind);
	free(t->source.name);
	free(t->source.file);
	free(t->ns);
	free(t->name);
	free(t->group);
	free(t->class_name);
	free(t->hardware_version);
	free(t->keys_path);
	free(t->hardware_path);
	json_decref(t->vmx_keys);
	np_warnings_done(&t->warnings);
	np_doc_unref(t->doc);
	*t = (struct np_template){ 0 };
}

int pool_template_init(const struct pool_object *o, struct np_pos at, const char *name,
		       struct np_template *ret, struct np_err *err)
{
	NP_AUTO(pool_template_done) struct np_template t = { .node = o->root };

	t.doc = np_doc_ref(o->doc);
	t.source.document = np_doc_index(o->doc);
	t.source.line = at.line;
	t.vmx_keys = json_object();
	if (!t.vmx_keys)
		return np_fail_nomem(err);
	if (pool_copy_text(&t.source.kind, o->kind, err) < 0 ||
	    pool_copy_text(&t.source.name, o->name, err) < 0 ||
	    pool_copy_text(&t.source.file, np_doc_name(o->doc), err) < 0 ||
	    pool_copy_text(&t.ns, o->ns, err) < 0 || pool_copy_text(&t.name, name, err) < 0)
		return np_err_ret(err);
	*ret = t;
	t = (struct np_template){ 0 };
	return 0;
}

int pool_template_push_take(struct np_input *in, struct np_template *t, struct np_err *err)
{
	if (in->n_templates >= NP_TEMPLATES_MAX)
		return np_fail(err, NP_E_SPEC, "%s:%u: more than %d templates in one input",
			       t->source.file, t->source.line, NP_TEMPLATES_MAX);
	if ((in->n_templates & (in->n_templates - 1)) == 0) {
		size_t room = in->n_templates ? 2 * in->n_templates : 1;
		struct np_template *grown =
			reallocarray(in->templates, room, sizeof(*in->templates));

		if (!grown)
			return np_fail_nomem(err);
		in->templates = grown;
	}
	in->templates[in->n_templates++] = *t;
	*t = (struct np_template){ 0 };
	return 0;
}

int pool_template_add_device(struct np_template *t, const struct np_catalogue *cat, struct np_val n,
			     struct np_pci_id id, const char *profile, struct np_err *err)
{
	struct np_template_device d = { .id = id };
	struct np_template_device *grown;

	if (t->n_devices >= NP_TEMPLATE_DEVICES_MAX)
		return np_doc_fail(n, err, NP_E_SPEC, "more than %d PCI devices",
				   NP_TEMPLATE_DEVICES_MAX);
	grown = reallocarray(t->devices, t->n_devices + 1, sizeof(*grown));
	if (!grown)
		return np_fail_nomem(err);
	t->devices = grown;
	if (pool_copy_text(&d.profile, profile, err) < 0)
		return np_err_ret(err);
	d.gpu = profile ? np_gpu_find_vgpu(cat, profile) : np_gpu_find_id(cat, id);
	/* Nothing but a GPU has profiles. */
	d.pci_class = !profile ? np_gpu_pci_classify(cat, id)
		      : d.gpu  ? NP_PCI_GPU
			       : NP_PCI_GPU_UNKNOWN;
	d.may_be_gpu = !profile && np_gpu_pci_may_be_gpu(cat, id);
	t->devices[t->n_devices++] = d;
	return 0;
}

int pool_template_add_key(struct np_template *t, struct np_val n, const char *key, const char *text,
			  struct np_err *err)
{
	if (json_object_get(t->vmx_keys, key))
		return np_doc_fail(n, err, NP_E_SPEC, "VMX key '%.80s' is given twice", key);
	if (json_object_size(t->vmx_keys) >= NP_TEMPLATE_KEYS_MAX)
		return np_doc_fail(n, err, NP_E_SPEC, "more than %d VMX keys",
				   NP_TEMPLATE_KEYS_MAX);
	if (json_object_set_new(t->vmx_keys, key, json_string(text)) < 0)
		return np_fail_nomem(err);
	if (np_pool_is_placeholder(text))
		t->has_placeholder = pool_note_placeholder(&t->placeholder, n, key);
	if (np_vmx_classify(key) != NP_VMX_NAME_MISSPELT)
		return 0;
	return np_warnings_add(&t->warnings, err, NP_WARNING_MISSPELT_KEY,
			       "'%.80s' is not a key of ESXi: the MMIO keys are "
			       "'pciPassthru.use64bitMMIO' and 'pciPassthru.64bitMMIOSizeGB'",
			       key);
}

int pool_template_set_hardware(struct np_template *t, struct np_val n, const char *text,
			       struct np_err *err)
{
	size_t prefix = strlen(HARDWARE_PREFIX);
	struct np_err ignored = NP_ERR_INIT;
	uint64_t version;

	if (np_pool_is_placeholder(text)) {
		t->has_placeholder = pool_note_placeholder(&t->placeholder, n, NULL);
		return pool_copy_text(&t->hardware_version, text, err);
	}
	if (strncmp(text, HARDWARE_PREFIX, prefix) != 0 ||
	    np_u64_parse(text + prefix, 1, HARDWARE_MAX, &version, &ignored) < 0)
		return np_doc_fail(n, err, NP_E_SPEC,
				   "%s is '%.64s': expected a hardware version such as 'vmx-17'",
				   n.key, text);
	return pool_copy_text(&t->hardware_version, text, err);
}

bool np_pool_is_32bit_guest(const char *text)
{
	static const char *const marks[] = { "32-bit", "32bit", "i386", "i586", "i686", "x86-32" };
	size_t n = strlen(text);

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcasestr(text, marks[i]))
			return true;
	/* vSphere's guest ids: "ubuntuGuest" beside "ubuntu64Guest". */
	return n > 5 && strcmp(text + n - 5, "Guest") == 0 && !strstr(text, "64");
}

int pool_template_note_guest(struct np_template *t, const char *field, const char *text,
			     struct np_err *err)
{
	if (!text || !np_pool_is_32bit_guest(text))
		return 0;
	return np_warnings_add(&t->warnings, err, NP_WARNING_GUEST_32BIT,
			       "%s '%.80s' names a 32-bit guest, which maps no BAR above 4 GB",
			       field, text);
}

/* Reads half an ID; returns 0 for a placeholder. */
static int read_half(struct np_template *t, struct np_val n, uint16_t *ret, struct np_err *err)
{
	const char *text = json_string_value(n.json);
	struct np_err why = NP_ERR_INIT;
	char quoted[NP_DOC_TEXT_MAX];
	uint64_t number;

	if (!text) {
		if (np_doc_uint(n, 0, UINT16_MAX, &number, err) < 0)
			return np_err_ret(err);
		*ret = (uint16_t)number;
		return 1;
	}
	if (np_pool_is_placeholder(text)) {
		t->has_unknown_device = true;
		t->has_placeholder = pool_note_placeholder(&t->placeholder, n, NULL);
		return 0;
	}
	/* Digits alone would be one number to a reader of decimals and another to one of hex. */
	if (strncasecmp(text, "0x", 2) == 0 && np_gpu_pci_half_parse(text, ret, &why) == 0) {
		t->has_text_ids = true;
		return 1;
	}
	np_doc_text(n, quoted);
	return np_doc_fail(n, err, NP_E_SPEC,
			   "%s is the text '%s': expected a whole number, such as 4318 or 0x10DE",
			   n.key, quoted);
}

static int read_passthrough(const struct pool_object *o, struct np_val item, struct np_val device,
			    struct np_template *t, struct np_err *err)
{
	struct np_val vendor = np_doc_get(item, "vendorId");
	bool has_both = np_doc_is_present(vendor) && np_doc_is_present(device);
	struct np_pci_id id = { 0, 0 };
	int got_vendor, got_device;

	if (!has_both)
		return np_doc_fail(item, err, NP_E_SPEC,
				   "a PCI device needs vendorId and deviceId, or vGPUProfile");
	got_device = read_half(t, device, &id.device, err);
	if (got_device < 0)
		return got_device;
	got_vendor = read_half(t, vendor, &id.vendor, err);
	if (got_vendor <= 0 || got_device == 0)
		return got_vendor < 0 ? got_vendor : 0;
	if (np_gpu_pci_is_swapped(id))
		return np_doc_fail(vendor, err, NP_E_SPEC,
				   "the id '%04x:%04x' has vendor and device swapped: vendorId is "
				   "0x%04x, deviceId is 0x%04x",
				   id.vendor, id.device, id.device, id.vendor);
	return pool_template_add_device(t, o->cat, item, id, NULL, err);
}

static int read_profile(const struct pool_object *o, struct np_val n, struct np_template *t,
			struct np_err *err)
{
	const char *text = "";
	struct np_pci_id none = { 0, 0 };

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (np_pool_is_placeholder(text)) {
		t->has_unknown_device = true;
		t->has_placeholder = pool_note_placeholder(&t->placeholder, n, NULL);
		return 0;
	}
	if (!*text || strlen(text) > POOL_NAME_MAX || strpbrk(text, "\t\r\n") ||
	    (strchr(text, ' ') && !np_gpu_find_vgpu(o->cat, text)))
		return np_doc_fail(
			n, err, NP_E_SPEC,
			"vGPUProfile is '%.64s': expected a name such as 'grid_a100-40c'", text);
	return pool_template_add_device(t, o->cat, n, none, text, err);
}

static int read_device(const struct pool_object *o, struct np_val item, struct np_template *t,
		       struct np_err *err)
{
	struct np_val profile = np_doc_get(item, "vGPUProfile");
	struct np_val device = np_doc_get(item, "deviceId");

	if (!json_is_object(item.json))
		return pool_fail_instead(item, "a mapping with vendorId and deviceId", err);
	if (pool_check_fields(item, NP_WORDS(device_fields), err) < 0)
		return np_err_ret(err);
	if (!np_doc_is_present(profile))
		return read_passthrough(o, item, device, t, err);
	if (np_doc_is_present(device))
		return np_doc_fail_key(profile, err, NP_E_SPEC,
				       "vGPUProfile and deviceId are mutually exclusive");
	return read_profile(o, profile, t, err);
}

int pool_template_read_devices(const struct pool_object *o, struct np_val list,
			       struct np_template *t, struct np_err *err)
{
	size_t n = np_doc_count(list);

	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++)
		if (read_device(o, np_doc_at(list, i), t, err) < 0)
			return np_err_ret(err);
	return 0;
}

int pool_template_read_keys(struct np_val map, struct np_template *t, struct np_err *err)
{
	if (np_doc_object(map, err) < 0)
		return np_err_ret(err);
	for (struct np_val n = np_doc_next(map, NULL); n.key && *n.key;
	     n = np_doc_next(map, n.key)) {
		const char *text = NULL;

		if (np_doc_string(n, &text, err) < 0)
			return np_err_ret(err);
		if (text && pool_template_add_key(t, n, n.key, text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* A number that is not one is the API's to refuse. */
static void read_vcpus(struct np_val n, struct np_template *t)
{
	if (json_is_integer(n.json) && json_integer_value(n.json) > 0)
		t->vcpus = (uint64_t)json_integer_value(n.json);
}

int pool_template_read_size(struct np_val machine, struct np_template *t, struct np_err *err)
{
	struct np_val n = np_doc_get(machine, "memoryMiB");
	int got;

	read_vcpus(np_doc_get(machine, "numCPUs"), t);
	if (pool_node_is_placeholder(n)) {
		t->has_placeholder = pool_note_placeholder(&t->placeholder, n, NULL);
		return 0;
	}
	got = np_doc_uint(n, 1, INT64_MAX, &t->memory_mib, err);
	t->has_memory = got > 0;
	return got < 0 ? got : 0;
}

static int read_guest(struct np_val spec, struct np_template *t, struct np_err *err)
{
	static const char *const fields[] = { "os", "template" };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *text = NULL;

		if (np_doc_string(np_doc_get(spec, fields[i]), &text, err) < 0 ||
		    pool_template_note_guest(t, fields[i], text, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int read_spec(const struct pool_object *o, struct np_val spec, struct np_template *t,
		     struct np_err *err)
{
	struct np_val hardware = np_doc_get(spec, "hardwareVersion");
	const char *text = NULL;

	if (pool_template_read_devices(o, np_doc_get(spec, "pciDevices"), t, err) < 0 ||
	    pool_template_read_keys(np_doc_get(spec, "customVMXKeys"), t, err) < 0 ||
	    pool_template_read_size(spec, t, err) < 0 || read_guest(spec, t, err) < 0 ||
	    np_doc_string(hardware, &text, err) < 0)
		return np_err_ret(err);
	return text && *text ? pool_template_set_hardware(t, hardware, text, err) : 0;
}

static int open_template(const struct pool_object *o, const char *group, struct np_template *t,
			 struct np_val *ret_spec, struct np_err *err)
{
	if (pool_template_init(o, o->root.pos, o->name, t, err) < 0 ||
	    pool_copy_text(&t->group, group, err) < 0 ||
	    np_doc_path(o->root, "spec.template.spec", ret_spec, err) < 0 ||
	    np_doc_object(*ret_spec, err) < 0)
		return np_err_ret(err);
	t->has_placeholder = np_pool_is_placeholder(t->name) || np_pool_is_placeholder(t->ns);
	return 0;
}

int pool_add_template(const struct pool_object *o, struct np_err *err)
{
	NP_AUTO(pool_template_done) struct np_template t = { 0 };
	struct np_val spec;

	if (open_template(o, NP_CAPV_GROUP, &t, &spec, err) < 0 || read_spec(o, spec, &t, err) < 0)
		return np_err_ret(err);
	return pool_template_push_take(o->in, &t, err);
}

int pool_add_supervisor_template(const struct pool_object *o, struct np_err *err)
{
	NP_AUTO(pool_template_done) struct np_template t = { 0 };
	struct np_val spec;
	const char *name;

	if (open_template(o, NP_SUPERVISOR_GROUP, &t, &spec, err) < 0 ||
	    pool_read_name(np_doc_get(spec, "className"), "spec.template.spec.className", &name,
			   err) < 0 ||
	    pool_copy_text(&t.class_name, name, err) < 0)
		return np_err_ret(err);
	return pool_template_push_take(o->in, &t, err);
}
