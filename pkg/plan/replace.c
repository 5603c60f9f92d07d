/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/json.h"

#define SPEC "/spec/template/spec"
#define KEYS SPEC "/customVMXKeys"
#define REFERENCE SPEC "/infrastructureRef/name"
#define FLAT_KEYS "VSPHERE_WORKER_CUSTOM_VMX_KEYS"
#define FLAT_HARDWARE "VSPHERE_WORKER_HARDWARE_VERSION"
#define REPLACES "nodeprep.dev/replaces"

/* A label holds the name where it is short enough, else the API's own limit counts. */
#define NAME_SHORT 63
#define NAME_LONG 253
#define HASH_DIGITS 8

/* Puts the text of `key` into `list`, where the first of its spellings stood; NULL removes it. */
static int set_key(json_t *list, const json_t *old, enum np_vmx_key key, const char *text)
{
	const char *name = np_vmx_key_name(key);
	json_t *current = json_object_get(old, name);

	if (!text || json_object_get(list, name))
		return 0;
	if (current && np_vmx_is_same(key, json_string_value(current), text))
		return json_object_set(list, name, current);
	return json_object_set_new(list, name, json_string(text));
}

/* Returns the keys with the desired values, all others in place; a new reference. */
static json_t *rewrite_keys(json_t *old, const struct plan_wants *wants)
{
	json_auto_t *list = json_object();
	const char *name;
	json_t *value;
	char buf[NP_VMX_TEXT_MAX];
	int r = 0;

	json_object_foreach (old, name, value) {
		enum np_vmx_key key = np_vmx_key_of(name);

		if (key == NP_VMX_KEY_MAX)
			r |= json_object_set(list, name, value);
		else
			r |= set_key(list, old, key, np_vmx_text(key, wants->window_gb, buf));
	}
	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++)
		r |= set_key(list, old, key, np_vmx_text(key, wants->window_gb, buf));
	return r < 0 ? NULL : json_incref(list);
}

/* A key's value: its text for the canonical spelling, else all spellings with their texts. */
static int key_from(json_t *old, enum np_vmx_key key, json_t **ret, struct np_err *err)
{
	json_auto_t *found = NULL;
	const char *name;
	json_t *value;

	if (json_object_size(old) == 0)
		return 0;
	found = json_object();
	if (!found)
		return np_fail_nomem(err);
	json_object_foreach (old, name, value)
		if (np_vmx_key_of(name) == key && json_object_set(found, name, value) < 0)
			return np_fail_nomem(err);
	if (json_object_size(found) == 0)
		return 0;
	value = json_object_get(found, np_vmx_key_name(key));
	*ret = json_incref(value && json_object_size(found) == 1 ? value : found);
	return 0;
}

static int add_item(struct np_plan_template *t, const char *path, json_t *from, json_t *to,
		    const char *reason, struct np_err *err)
{
	return np_vmclass_change_add(&t->change, path, from, to, reason) < 0 ? np_fail_nomem(err)
									     : 0;
}

static const char *key_reason(enum np_vmx_key key, const struct plan_wants *wants)
{
	char buf[NP_VMX_TEXT_MAX];

	return np_vmx_key_reason(key, np_vmx_text(key, wants->window_gb, buf), wants->reason);
}

static int add_key_items(struct np_plan_template *t, json_t *old, json_t *fresh,
			 const struct plan_wants *wants, struct np_err *err)
{
	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++) {
		json_auto_t *from = NULL;
		json_t *to = json_object_get(fresh, np_vmx_key_name(key));
		char path[256];

		if (key_from(old, key, &from, err) < 0)
			return np_err_ret(err);
		if (from == to || (from && to && json_equal(from, to)))
			continue;
		snprintf(path, sizeof(path), "%s/%s",
			 t->template->keys_path ? t->template->keys_path : KEYS,
			 np_vmx_key_name(key));
		if (add_item(t, path, from, to, key_reason(key, wants), err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* Returns 'k=v,k=v'; a new reference. */
static json_t *join_keys(json_t *keys)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	const char *name, *comma = "";
	json_t *value;

	if (!out)
		return NULL;
	json_object_foreach (keys, name, value) {
		fprintf(out, "%s%s=%s", comma, name, json_string_value(value));
		comma = ",";
	}
	return fclose(out) == 0 ? json_string(bytes) : NULL;
}

static int add_flat_items(struct np_plan_template *t, json_t *old, json_t *fresh,
			  const struct plan_wants *wants, struct np_err *err)
{
	json_t *from = json_object_get(t->template->node.json, FLAT_KEYS);
	json_auto_t *to = join_keys(fresh);

	if (!to)
		return np_fail_nomem(err);
	if (json_equal(old, fresh))
		return 0;
	return add_item(t, "/" FLAT_KEYS, from, to, key_reason(NP_VMX_SIZE, wants), err);
}

static int change_hardware(struct np_plan_template *t, const struct plan_wants *wants,
			   struct np_err *err)
{
	bool flat = t->template->kind == NP_TEMPLATE_FLAT;
	json_auto_t *from = NULL, *to = NULL;

	if (!wants->hardware)
		return 0;
	from = json_string(t->template->hardware_version);
	to = json_string(wants->hardware);
	if (!from || !to)
		return np_fail_nomem(err);
	return add_item(t,
			flat                         ? "/" FLAT_HARDWARE
			: t->template->hardware_path ? t->template->hardware_path
						     : SPEC "/hardwareVersion",
			from, to, "PCI devices need this hardware version or a newer one", err);
}

/* Returns an object that shares the members of `object`, where that is one. Not json_copy(), which loses some without memory. */
static json_t *copy_object(json_t *object)
{
	json_auto_t *copy = json_object();

	if (json_is_object(object) && json_object_update(copy, object) < 0)
		return NULL;
	return json_incref(copy);
}

/* Replaces what the object shares with the input by a copy that may be changed, and returns it; NULL without memory. */
static json_t *own_member(json_t *object, const char *key)
{
	json_t *own = copy_object(json_object_get(object, key));

	return json_object_set_new(object, key, own) < 0 ? NULL : own;
}

/* Returns spec.template.spec of the object, which owns it and what leads to it from now on. */
static json_t *own_spec(json_t *object)
{
	return own_member(own_member(own_member(object, "spec"), "template"), "spec");
}

/* The API accepts only numbers, so an ID such as "0x10DE" becomes one. */
static int change_id(struct np_plan_template *t, json_t *device, size_t i, const char *name,
		     uint16_t id, struct np_err *err)
{
	json_t *from = json_object_get(device, name);
	json_auto_t *to = NULL;
	char path[128];

	if (!json_is_string(from))
		return 0;
	to = json_integer(id);
	snprintf(path, sizeof(path), SPEC "/pciDevices/%zu/%s", i, name);
	if (!to || add_item(t, path, from, to, "the API takes a number", err) < 0 ||
	    json_object_set(device, name, to) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* The template's devices are in the order of the list, of which every entry was read. */
static int change_ids(struct np_plan_template *t, json_t *spec, struct np_err *err)
{
	json_t *devices = json_deep_copy(json_object_get(spec, "pciDevices"));

	if (json_object_set_new(spec, "pciDevices", devices) < 0)
		return np_fail_nomem(err);
	for (size_t i = 0; i < t->devices.n; i++) {
		json_t *device = json_array_get(devices, i);
		struct np_pci_id id = t->devices.items[i].id;

		if (!t->devices.items[i].profile &&
		    (change_id(t, device, i, "vendorId", id.vendor, err) < 0 ||
		     change_id(t, device, i, "deviceId", id.device, err) < 0))
			return np_err_ret(err);
	}
	return 0;
}

/*
 * FNV-1a with 32 bits over the spec with sorted keys: the same spec has the same name everywhere.
 */
static int hash_spec(const json_t *object, uint32_t *ret, struct np_err *err)
{
	NP_AUTO(np_freep)
	char *text = np_json_text(json_object_get(object, "spec"), JSON_COMPACT | JSON_SORT_KEYS);
	uint32_t hash = 2166136261u;

	if (!text)
		return np_fail_nomem(err);
	for (const char *p = text; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	*ret = hash;
	return 0;
}

/* Cuts the old name, between characters, so that the new one fits. */
static size_t keep_of_name(const char *old)
{
	size_t n = strlen(old), most = n <= NAME_SHORT ? NAME_SHORT : NAME_LONG;

	most -= HASH_DIGITS + 1;
	if (n <= most)
		return n;
	while (most > 0 && ((unsigned char)old[most] & 0xc0) == 0x80)
		most--;
	while (most > 0 && strchr("-._", old[most - 1]))
		most--;
	return most;
}

static json_t *new_name(const char *old, uint32_t hash)
{
	return json_sprintf("%.*s-%08" PRIx32, (int)keep_of_name(old), old, hash);
}

/* Fields of the server, and fields about the old object. */
void plan_drop_server_fields(json_t *object)
{
	static const char *const fields[] = {
		"creationTimestamp",
		"deletionGracePeriodSeconds",
		"deletionTimestamp",
		"finalizers",
		"generateName",
		"generation",
		"managedFields",
		"ownerReferences",
		"resourceVersion",
		"selfLink",
		"uid",
	};

	json_t *metadata = json_object_get(object, "metadata");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		json_object_del(metadata, fields[i]);
	json_object_del(json_object_get(metadata, "annotations"),
			"kubectl.kubernetes.io/last-applied-configuration");
	json_object_del(object, "status");
}

static int rename_object(json_t *object, const char *old, struct np_err *err)
{
	json_t *metadata = own_member(object, "metadata");
	json_t *annotations = own_member(metadata, "annotations");
	uint32_t hash = 0;

	if (!annotations)
		return np_fail_nomem(err);
	if (hash_spec(object, &hash, err) < 0)
		return np_err_ret(err);
	plan_drop_server_fields(object);
	if (json_object_set_new(annotations, REPLACES, json_string(old)) < 0 ||
	    json_object_set_new(metadata, "name", new_name(old, hash)) < 0)
		return np_fail_nomem(err);
	return 0;
}

/* Each MachineDeployment is to name the new template. */
static int add_references(const struct np_plan *plan, struct np_plan_template *t,
			  struct np_err *err)
{
	json_auto_t *from = json_string(t->name);
	json_t *to = json_object_get(json_object_get(t->replacement, "metadata"), "name");

	if (!from)
		return np_fail_nomem(err);
	for (size_t i = 0; i < t->n_pools; i++) {
		const struct np_pool *pool = plan->pools[t->pools[i]].pool;
		char reason[NP_POOL_ID_MAX];

		if (!pool->template_name)
			continue;
		snprintf(
			reason, sizeof(reason),
			"MachineDeployment '%s/%s' must name the new template, which rolls out its nodes",
			pool->ns, pool->source.name);
		if (add_item(t, REFERENCE, from, to, reason, err) < 0)
			return np_err_ret(err);
		t->n_references++;
	}
	return 0;
}

static int make_replacement(const struct np_plan *plan, struct np_plan_template *t,
			    const struct plan_wants *wants, json_t *keys, struct np_err *err)
{
	bool changes_ids = t->template->has_text_ids;
	json_auto_t *object = NULL;
	json_t *spec;

	if (t->change.n == 0 && !changes_ids)
		return 0;
	object = copy_object(np_json_mut(t->template->node.json));
	spec = own_spec(object);
	if (!spec)
		return np_fail_nomem(err);
	if (changes_ids && change_ids(t, spec, err) < 0)
		return np_err_ret(err);
	if (wants->hardware &&
	    json_object_set_new(spec, "hardwareVersion", json_string(wants->hardware)) < 0)
		return np_fail_nomem(err);
	if (json_object_size(keys) == 0)
		json_object_del(spec, "customVMXKeys");
	else if (json_object_set(spec, "customVMXKeys", keys) < 0)
		return np_fail_nomem(err);
	if (!wants->in_place && rename_object(object, t->name, err) < 0)
		return np_err_ret(err);
	t->replacement = json_incref(object);
	return wants->in_place ? 0 : add_references(plan, t, err);
}

int plan_template_replace(const struct np_plan *plan, struct np_plan_template *t,
			  const struct plan_wants *wants, struct np_err *err)
{
	bool flat = t->template->kind == NP_TEMPLATE_FLAT;
	json_t *old = t->template->vmx_keys;
	json_auto_t *keys = wants->has_keys ? rewrite_keys(old, wants) : json_incref(old);

	if (!keys)
		return np_fail_nomem(err);
	if ((flat ? add_flat_items : add_key_items)(t, old, keys, wants, err) < 0 ||
	    change_hardware(t, wants, err) < 0)
		return np_err_ret(err);
	if (flat || t->template->kind == NP_TEMPLATE_VARIABLES)
		return 0;
	return make_replacement(plan, t, wants, keys, err);
}
