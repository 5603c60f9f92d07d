/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/units.h"
#include "nodeprep/warnings.h"

/* What VM Operator sets where nothing else is said, and at each resize. */
#define VM_OPERATOR_DEFAULT_GB 512

/* The first version of the API, of its alphas, whose classes get one reservation. */
#define ONE_RESERVATION_ALPHA 6

/* A change while it is put together. */
struct build {
	const struct np_vmclass *c;
	const struct np_class_desired *want;
	struct np_change *change;
	json_t *before; /* PATH: what stood there */
	const char *window_reason;
	char reason[320]; /* backs window_reason where it is not the pools' */
};

/* Notes what stood at `path`, with what is set there now; takes `set`. */
static int remember(struct build *b, const char *path, const char *member, json_t *old, json_t *set)
{
	char absent[256];
	json_t *entry;

	if (!vmclass_find(b->c->node.json, path, absent, sizeof(absent)))
		entry = json_pack("{s:s, s:o}", "absent", absent, "set", set);
	else
		entry = json_pack("{s:O, s:o}", member, old, "set", set);
	return entry ? json_object_set_new(b->before, path, entry) : -1;
}

/* Sets a plain field to `to` (NULL: no memory): patch, and line for people. */
static int patch_field(struct build *b, const char *path, json_t *to, const char *reason)
{
	json_t *from = vmclass_lookup(b->c->node.json, path);

	if (!to || vmclass_patch_set(b->change->patch, path, to) < 0)
		return -1;
	return np_vmclass_change_add(b->change, path, from, to, reason);
}

/* Sets a plain field and records what was there; takes `value`. */
static int set_field(struct build *b, const char *path, json_t *value, const char *reason)
{
	json_auto_t *to = value;

	if (patch_field(b, path, to, reason) < 0)
		return -1;
	return remember(b, path, "value", vmclass_lookup(b->c->node.json, path), json_incref(to));
}

static struct np_val config_spec_of(const struct np_vmclass *c)
{
	return np_doc_get(np_doc_get(c->node, "spec"), "configSpec");
}

static struct np_val extra_config_of(const struct np_vmclass *c)
{
	return np_doc_get(config_spec_of(c), "extraConfig");
}

/* What a VM gets once the change is in. */
static const struct np_devices *devices_after(const struct build *b)
{
	return b->want->restore_hidden && b->c->hidden.n > 0 ? &b->c->hidden : &b->c->devices;
}

/* Returns what the class's pools need, among them those that another holder registered. */
static int gather_need(struct build *b, struct np_vmx_need *ret, struct np_err *err)
{
	const char *other = "";
	uint64_t others = vmclass_managed_others(b->c->managed, b->want, &other);

	*ret = (struct np_vmx_need){ .gb = b->want->has_window ? b->want->window_gb : 0,
				     .has_devices = devices_after(b)->n > 0,
				     .has_uncounted =
					     np_vmclass_devices_may_be_gpus(devices_after(b)),
				     .allow_shrink = b->want->allow_shrink };
	b->window_reason = b->want->window_reason;
	if (others <= ret->gb)
		return 0;
	ret->gb = others;
	snprintf(b->reason, sizeof(b->reason),
		 "pool '%.200s', which the class's annotation registers, needs %" PRIu64 " GB",
		 other, others);
	b->window_reason = b->reason;
	return np_warnings_add(&b->change->warnings, err, NP_WARNING_WINDOW_KEPT, "%s", b->reason);
}

/* Rules 5 and 7: the largest need, nothing that is set is lowered unasked, no other pool undercut. */
static int decide_window(struct build *b, struct np_vmx_desired *ret, struct np_err *err)
{
	struct np_vmx_need need;

	if (gather_need(b, &need, err) < 0 || np_vmx_decide(&b->c->current, &need, ret, err) < 0)
		return np_err_ret(err);
	if (ret->kept[0] == '\0')
		return 0;
	snprintf(b->reason, sizeof(b->reason), "%s", ret->kept);
	b->window_reason = b->reason;
	return np_warnings_add(&b->change->warnings, err, NP_WARNING_WINDOW_KEPT, "%s",
			       ret->warning);
}

/* What stands under a key, for people: its text where there is one entry, else all entries. */
static json_t *key_from(json_t *entries, enum np_vmx_key key)
{
	json_t *entry = json_object_get(json_array_get(entries, 0), "entry");
	json_t *value = json_object_get(entry, "value");

	if (json_array_size(entries) == 0)
		return NULL;
	if (json_array_size(entries) > 1 || !json_object_get(entry, "_typeName") ||
	    strcmp(json_string_value(json_object_get(entry, "key")), np_vmx_key_name(key)) != 0)
		return json_incref(entries);
	return json_incref(json_is_object(value) ? json_object_get(value, "_value") : value);
}

static int add_key_item(struct build *b, enum np_vmx_key key, const char *text)
{
	json_auto_t *entries = vmclass_key_entries(extra_config_of(b->c), key);
	json_auto_t *from = key_from(entries, key);
	json_auto_t *to = text ? json_string(text) : NULL;
	char path[128];

	if (!entries || (text && !to))
		return -1;
	snprintf(path, sizeof(path), "%s/%s", VMCLASS_EXTRA_CONFIG, np_vmx_key_name(key));
	return np_vmclass_change_add(b->change, path, from, to,
				     np_vmx_key_reason(key, text, b->window_reason));
}

/* Notes the entries of both keys as they stood, with their places. */
static int remember_keys(struct build *b, uint64_t gb)
{
	struct np_val list = extra_config_of(b->c);
	json_auto_t *entries = vmclass_key_entries(list, NP_VMX_USE64);
	json_auto_t *sizes = vmclass_key_entries(list, NP_VMX_SIZE);
	json_auto_t *set = json_object();

	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++) {
		char buf[NP_VMX_TEXT_MAX];
		const char *text = np_vmx_text(key, gb, buf);

		if (json_object_set_new(set, np_vmx_key_name(key),
					text ? json_string(text) : json_null()) < 0)
			return -1;
	}
	if (!entries || !sizes || json_array_extend(entries, sizes) < 0)
		return -1;
	return remember(b, VMCLASS_EXTRA_CONFIG, "entries", entries, json_incref(set));
}

static int change_keys(struct build *b, uint64_t gb, struct np_err *err)
{
	struct np_val list = extra_config_of(b->c);
	json_auto_t *fresh = NULL;
	bool up_to_date = true;

	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++) {
		char buf[NP_VMX_TEXT_MAX];
		const char *text = np_vmx_text(key, gb, buf);

		if (vmclass_key_is_right(list, key, text))
			continue;
		up_to_date = false;
		if (add_key_item(b, key, text) < 0)
			return np_fail_nomem(err);
	}
	if (up_to_date)
		return 0;
	if (vmclass_refuse_nulls(list, "spec.configSpec.extraConfig", err) < 0)
		return np_err_ret(err);
	fresh = vmclass_keys_rewrite(list, gb);
	if (!fresh || vmclass_patch_set(b->change->patch, VMCLASS_EXTRA_CONFIG, fresh) < 0 ||
	    remember_keys(b, gb) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* Whether it is known what the class will carry: nothing said of devices is not nothing needed. */
static bool is_window_known(const struct build *b, const struct np_vmx_desired *w)
{
	if (w->gb > 0 || w->change)
		return true;
	return !b->c->current.has_any &&
	       !(b->want->observe_only && np_vmclass_devices_gpus(&b->c->devices) > 0);
}

/*
 * VM Operator's resize code writes its own default over the class's value, but only behind the
 * feature VMResize, and then at each power-on, the first included (its source, session_vm_update.go).
 */
static int note_resize(struct build *b, struct np_err *err)
{
	if (b->change->window_gb <= VM_OPERATOR_DEFAULT_GB || devices_after(b)->n == 0)
		return 0;
	return np_warnings_add(
		&b->change->warnings, err, NP_WARNING_RESIZE_RESETS,
		"where the Supervisor has the feature VMResize, each power-on sets a VM's window "
		"to %d GB again, unless the VM carries the annotation vmoperator.vmware.com/pci-passthru-64bit-mmio-size: \"%" PRIu64
		"\"",
		VM_OPERATOR_DEFAULT_GB, b->change->window_gb);
}

/* Another pool's need, which the record says, is bounded as the pools' own are. */
static int check_bound(const struct build *b, const struct np_vmx_desired *w, struct np_err *err)
{
	uint64_t most = b->want->max_window_gb;
	uint64_t old = b->c->current.has_size ? b->c->current.size_gb : 0;

	if (most == 0 || !w->change || w->gb <= most || w->gb <= old)
		return 0;
	return np_fail(err, NP_E_WINDOW,
		       "VirtualMachineClass '%s': its window would be raised to %" PRIu64
		       " GB, more than the configured maximum of %" PRIu64
		       " GB (--max-window, maxWindowGB): %.320s",
		       b->c->name, w->gb, most, b->window_reason ? b->window_reason : "");
}

static int change_window(struct build *b, struct np_err *err)
{
	struct np_vmx_desired w = { .gb = 0 };

	if (b->want->observe_only)
		w.gb = b->c->current.has_size ? b->c->current.size_gb : 0;
	else if (decide_window(b, &w, err) < 0 || check_bound(b, &w, err) < 0)
		return np_err_ret(err);
	b->change->has_window = is_window_known(b, &w);
	b->change->window_gb = w.gb;
	if (!b->want->observe_only && note_resize(b, err) < 0)
		return np_err_ret(err);
	return w.change ? change_keys(b, w.gb, err)
			: vmclass_keys_check(extra_config_of(b->c), err);
}

static int change_firmware(struct build *b, struct np_err *err)
{
	b->change->firmware = b->c->firmware;
	if (!b->want->needs_efi || b->want->observe_only)
		return 0;
	b->change->firmware = "efi";
	if (b->c->firmware && strcmp(b->c->firmware, "efi") == 0)
		return 0;
	if (set_field(b, VMCLASS_FIRMWARE, json_string("efi"),
		      "a BAR over 256 MB is mapped by EFI firmware only") < 0)
		return np_fail_nomem(err);
	if (!b->c->firmware)
		return 0;
	return np_warnings_add(
		&b->change->warnings, err, NP_WARNING_FIRMWARE_CHANGED,
		"the firmware changes from '%.40s' to efi: an OS that was installed with the "
		"former may not boot",
		b->c->firmware);
}

/* The API refuses a request above the limit, and a device needs all memory reserved. */
static int check_limit(struct build *b, struct np_val resources, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	uint64_t bytes = 0;
	struct np_val limit = np_doc_get(np_doc_get(resources, "limits"), "memory");
	int got = vmclass_quantity_read(limit, &text, &bytes, err);

	if (got <= 0 || bytes >= b->c->memory_bytes)
		return got < 0 ? got : 0;
	return np_doc_fail(
		limit, err, NP_E_SPEC,
		"VirtualMachineClass '%s': limits.memory '%s' is below hardware.memory "
		"'%s', which a class with PCI devices must reserve in full: raise or remove "
		"the limit",
		b->c->name, text, b->c->memory);
}

/* A request above the memory, which no VM can have, is not recorded as a value to restore. */
static int set_request(struct build *b, uint64_t old_bytes)
{
	json_auto_t *to = json_string(b->c->memory);
	json_t *old = vmclass_lookup(b->c->node.json, VMCLASS_MEMORY_REQUEST);

	if (patch_field(b, VMCLASS_MEMORY_REQUEST, to,
			"a VM with PCI devices powers on only with all of its memory reserved") < 0)
		return -1;
	return remember(b, VMCLASS_MEMORY_REQUEST, "value",
			old_bytes > b->c->memory_bytes ? to : old, json_incref(to));
}

static int change_request(struct build *b, struct np_val request, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	uint64_t bytes = 0;
	int got = vmclass_quantity_read(request, &text, &bytes, err);

	if (got < 0)
		return got;
	if (got > 0 && bytes == b->c->memory_bytes) {
		b->change->reservation = np_take(text);
		return 0;
	}
	b->change->reservation = strdup(b->c->memory);
	if (!b->change->reservation || set_request(b, got > 0 ? bytes : 0) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int keep_request(struct build *b, struct np_val request, struct np_err *err)
{
	uint64_t bytes;
	int got = vmclass_quantity_read(request, &b->change->reservation, &bytes, err);

	return got < 0 ? got : 0;
}

/*
 * From v1alpha6 on a VM that carries both reservations may be refused (docs/operators.md), so one of them is
 * written. The older versions, whose VM Operator may ignore the configSpec, get both.
 */
static bool takes_one_reservation(const struct np_vmclass *c)
{
	static const char group[] = NP_VMCLASS_GROUP "/", alpha[] = "v1alpha";
	const char *version = json_string_value(np_doc_get(c->node, "apiVersion").json);
	struct np_err ignored = NP_ERR_INIT;
	uint64_t n;

	if (!version || strncmp(version, group, strlen(group)) != 0)
		return false;
	version += strlen(group);
	if (strncmp(version, alpha, strlen(alpha)) != 0)
		return true;
	return np_u64_parse(version + strlen(alpha), 0, UINT32_MAX, &n, &ignored) == 0 &&
	       n >= ONE_RESERVATION_ALPHA;
}

/* Tells whether the class's owner locked the reservation, which suffices without a request. */
static bool is_locked_by_owner(const struct np_vmclass *c)
{
	return !json_object_get(json_object_get(c->managed, "before"), VMCLASS_MEMORY_LOCKED);
}

static int keep_lock(struct build *b, struct np_err *err)
{
	b->change->reservation = strdup(b->c->memory);
	return b->change->reservation ? 0 : np_fail_nomem(err);
}

static int change_memory(struct build *b, struct np_err *err)
{
	bool is_one = takes_one_reservation(b->c);
	struct np_val resources, request;
	bool locked = false;

	if (np_doc_path(b->c->node, "spec.policies.resources", &resources, err) < 0 ||
	    np_doc_path(resources, "requests.memory", &request, err) < 0)
		return np_err_ret(err);
	if (b->want->observe_only || b->want->keep_memory || devices_after(b)->n == 0)
		return keep_request(b, request, err);
	/* To VM Operator, a quantity of 0 is none. */
	if (b->c->memory_bytes == 0)
		return np_doc_fail(b->c->node, err, NP_E_SPEC,
				   "VirtualMachineClass '%s' has devices but %s, so the "
				   "reservation is unknown",
				   b->c->name,
				   b->c->memory ? "a hardware.memory of 0" : "no hardware.memory");
	if (check_limit(b, resources, err) < 0 ||
	    np_doc_bool(np_doc_get(config_spec_of(b->c), "memoryReservationLockedToMax"), &locked,
			err) < 0)
		return np_err_ret(err);
	if (is_one && locked && !np_doc_is_present(request) && is_locked_by_owner(b->c))
		return keep_lock(b, err);
	if (change_request(b, request, err) < 0)
		return np_err_ret(err);
	if (!locked && !is_one &&
	    set_field(b, VMCLASS_MEMORY_LOCKED, json_true(),
		      "keeps the reservation full when the VM's memory changes") < 0)
		return np_fail_nomem(err);
	return 0;
}

/* Writes the devices after what stands in deviceChange, and which they are into `before`. */
static int carry_devices(struct build *b, const struct np_devices *d, const char *reason,
			 struct np_err *err)
{
	struct np_val old = np_doc_get(config_spec_of(b->c), "deviceChange");
	json_auto_t *list = json_array();
	json_auto_t *added = vmclass_devices_carry(d, np_doc_count(old));

	if (d->n == 0)
		return 0;
	if (vmclass_refuse_nulls(old, "spec.configSpec.deviceChange", err) < 0)
		return np_err_ret(err);
	if ((np_doc_is_present(old) && json_array_extend(list, np_json_mut(old.json)) < 0) ||
	    !added || json_array_extend(list, added) < 0 ||
	    vmclass_patch_set(b->change->patch, VMCLASS_DEVICE_CHANGE, list) < 0 ||
	    np_vmclass_change_add(b->change, VMCLASS_DEVICE_CHANGE, np_json_mut(old.json), list,
				  reason) < 0 ||
	    remember(b, VMCLASS_DEVICE_CHANGE, "value", np_json_mut(old.json), json_incref(added)) <
		    0)
		return np_fail_nomem(err);
	return 0;
}

/* A first configSpec hides hardware.devices: they go along in the same patch. */
static int change_devices(struct build *b, struct np_err *err)
{
	json_t *spec = json_object_get(b->change->patch, "spec");

	if (b->c->has_config_spec) {
		if (!b->want->restore_hidden || b->want->observe_only)
			return 0;
		return carry_devices(b, &b->c->hidden,
				     "attaches the devices that configSpec hides "
				     "(--restore-hidden-devices)",
				     err);
	}
	if (!json_object_get(spec, "configSpec"))
		return 0;
	if (carry_devices(b, &b->c->devices,
			  "a configSpec hides hardware.devices, so all devices are copied",
			  err) < 0)
		return np_err_ret(err);
	if (set_field(b, VMCLASS_CONFIG_SPEC "/_typeName", json_string(VMCLASS_CONFIG_SPEC_TYPE),
		      "names the type, as vCenter writes it") < 0)
		return np_fail_nomem(err);
	return 0;
}

static int set_annotation(struct build *b, const json_t *object, struct np_err *err)
{
	static const char path[] = "/metadata/annotations/nodeprep.dev~1managed";
	NP_AUTO(np_freep) char *text = np_json_text(object, JSON_COMPACT | JSON_SORT_KEYS);
	char absent[256];
	json_auto_t *value = NULL;

	if (!text)
		return np_fail_nomem(err);
	if (strlen(text) > NP_MANAGED_MAX)
		return np_fail(
			err, NP_E_REFUSED,
			"VirtualMachineClass '%s': annotation '%s' would take %zu bytes, at most "
			"%" PRIu64 ": too many pools for one class",
			b->c->name, NP_MANAGED_ANNOTATION, strlen(text), NP_MANAGED_MAX);
	value = json_string(text);
	if (!value || vmclass_patch_set(b->change->patch, path, value) < 0 ||
	    np_vmclass_change_add(
		    b->change, path, vmclass_find(b->c->node.json, path, absent, sizeof(absent)),
		    value, "records the pools and the original values, for revert") < 0)
		return np_fail_nomem(err);
	return 0;
}

static int check_pools(struct build *b, const json_t *object, struct np_err *err)
{
	size_t n = json_object_size(json_object_get(object, "pools"));

	if (n > VMCLASS_POOLS_MAX)
		return np_fail(
			err, NP_E_REFUSED,
			"VirtualMachineClass '%s': annotation '%s' would name %zu pools, at most "
			"%d: too many pools for one class",
			b->c->name, NP_MANAGED_ANNOTATION, n, VMCLASS_POOLS_MAX);
	return 0;
}

/* A record that could not be read back would keep the class from ever being restored. */
static int check_record(struct build *b, const json_t *object, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;

	if (vmclass_record_check(object, &why) == 0)
		return 0;
	if (why.code == NP_E_NOMEM)
		return np_fail_nomem(err);
	return np_fail(err, NP_E_SPEC,
		       "VirtualMachineClass '%s' holds a value that could not be restored, so "
		       "nothing is changed: %s",
		       b->c->name, why.text);
}

/* A class that is right and was never ours stays untouched. */
static int change_annotation(struct build *b, struct np_err *err)
{
	json_auto_t *object = NULL;

	if ((json_object_size(b->change->patch) == 0 && !b->c->managed) ||
	    b->want->n_members == 0 || b->want->observe_only)
		return 0;
	object = vmclass_managed_update(b->c, b->want, b->before);
	if (!object)
		return np_fail_nomem(err);
	if (b->c->managed && json_equal(object, b->c->managed))
		return 0;
	if (check_pools(b, object, err) < 0 || check_record(b, object, err) < 0)
		return np_err_ret(err);
	return set_annotation(b, object, err);
}

static int note_shared(struct build *b, struct np_err *err)
{
	size_t n = b->want->n_members + vmclass_managed_count_others(b->c->managed, b->want);

	if (n < 2 || b->want->observe_only)
		return 0;
	return np_warnings_add(
		&b->change->warnings, err, NP_WARNING_CLASS_SHARED,
		"%zu pools use this class: what is changed reaches the new VMs of all", n);
}

/* Without the record it is not known who else needs what of the class: it is not written. */
static int check_old_record(struct build *b, struct np_err *err)
{
	const struct np_err *why = &b->c->record_error;

	if (why->code == NP_OK)
		return 0;
	if (b->want->tolerate_record || b->want->observe_only)
		return np_warnings_add(&b->change->warnings, err, NP_WARNING_INVALID_RECORD, "%s",
				       why->text);
	*err = *why;
	return np_err_ret(err);
}

int np_vmclass_change(const struct np_vmclass *c, const struct np_class_desired *want,
		      struct np_change *ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { .patch = json_object() };
	json_auto_t *before = json_object();
	struct build b = { .c = c, .want = want, .change = &change, .before = before };

	if (!change.patch || !before)
		return np_fail_nomem(err);
	if (check_old_record(&b, err) < 0 || change_window(&b, err) < 0 ||
	    change_firmware(&b, err) < 0 || change_memory(&b, err) < 0 ||
	    change_devices(&b, err) < 0 || change_annotation(&b, err) < 0 ||
	    note_shared(&b, err) < 0)
		return np_err_ret(err);
	*ret = change;
	change = (struct np_change){ 0 };
	return 0;
}

/* RFC 7386, section 2, on an object that is ours to change. */
static int merge(json_t *target, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(patch), key, value) {
		json_t *old = json_object_get(target, key);

		if (json_is_null(value)) {
			json_object_del(target, key);
		} else if (!json_is_object(value)) {
			if (json_object_set_new(target, key, json_deep_copy(value)) < 0)
				return -1;
		} else {
			if (!json_is_object(old)) {
				old = json_object();
				if (json_object_set_new(target, key, old) < 0)
					return -1;
			}
			if (merge(old, value) < 0)
				return -1;
		}
	}
	return 0;
}

json_t *np_vmclass_patched(const json_t *object, const json_t *patch)
{
	json_auto_t *copy = NULL;

	if (!json_is_object(patch))
		return json_deep_copy(patch);
	copy = json_is_object(object) ? json_deep_copy(object) : json_object();
	if (!copy || merge(copy, patch) < 0)
		return NULL;
	return json_incref(copy);
}
