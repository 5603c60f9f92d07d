/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/json.h"
#include "nodeprep/warnings.h"

/*
 * What was changed is put back on a copy of the class, field by field; the merge patch is then the
 * difference between the class and the copy. A field that another client changed since is left.
 */

/* The paths are ours, and short. */
#define PATH_TEXT_MAX 256
#define ANNOTATION "/metadata/annotations/nodeprep.dev~1managed"

struct undo {
	const struct np_vmclass *c;
	json_t *target; /* the class as it is to be */
	struct np_warnings *notes;
};

static int note_foreign(struct undo *u, const char *path, struct np_err *err)
{
	return np_warnings_add(u->notes, err, NP_WARNING_CHANGED_SINCE,
			       "%s was changed by another writer since nodeprep wrote it: it stays",
			       path);
}

/*
 * Removes what stands at `path`, and its parents up to `topmost` where that leaves empty objects. An
 * empty configSpec stays: it hides hardware.devices, so whether it goes is decided with the devices.
 */
static void remove_path(json_t *target, const char *path, const char *topmost)
{
	char parent[PATH_TEXT_MAX];
	size_t stop = strlen(topmost), n = strlen(path);

	snprintf(parent, sizeof(parent), "%s", path);
	vmclass_delete(target, path);
	for (;;) {
		const json_t *value;

		while (n > 0 && parent[n - 1] != '/')
			n--;
		/* Behind the slash of "/x", or below the topmost field that was absent. */
		if (n <= 1 || n - 1 < stop)
			return;
		parent[--n] = '\0';
		value = vmclass_lookup(target, parent);
		if (!json_is_object(value) || json_object_size(value) > 0 ||
		    strcmp(parent, VMCLASS_CONFIG_SPEC) == 0)
			return;
		vmclass_delete(target, parent);
	}
}

/* A request above the memory would make a class of which no VM can be made. */
static bool is_above_memory(const struct np_vmclass *c, const char *path, json_t *value)
{
	uint64_t bytes = 0;

	return strcmp(path, VMCLASS_MEMORY_REQUEST) == 0 && value && c->memory &&
	       vmclass_quantity_of(value, &bytes) > 0 && bytes > c->memory_bytes;
}

static int undo_field(struct undo *u, const char *path, const json_t *entry, struct np_err *err)
{
	const char *absent = json_string_value(json_object_get(entry, "absent"));
	json_t *now = vmclass_lookup(u->target, path), *value = json_object_get(entry, "value");

	if (!json_equal(now, json_object_get(entry, "set")) || is_above_memory(u->c, path, value))
		return note_foreign(u, path, err);
	if (absent)
		remove_path(u->target, path, absent);
	else if (vmclass_patch_set(u->target, path, value) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int drop_key(json_t *list, enum np_vmx_key key)
{
	for (size_t i = json_array_size(list); i-- > 0;)
		if (vmclass_key_is(json_array_get(list, i), key) && json_array_remove(list, i) < 0)
			return -1;
	return 0;
}

static json_int_t place_of(const json_t *item)
{
	return json_integer_value(json_object_get(item, "at"));
}

static int by_place(const void *a, const void *b)
{
	json_int_t x = place_of(*(json_t *const *)a), y = place_of(*(json_t *const *)b);

	return (x > y) - (x < y);
}

/* Tells whether the noted entry is of a key that is ours to put back. */
static bool is_wanted(const json_t *item, const bool ours[static NP_VMX_KEY_MAX])
{
	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++)
		if (ours[key] && vmclass_key_is(json_object_get(item, "entry"), key))
			return true;
	return false;
}

/* Puts the entries that were folded or replaced back, each to its place, the first one first. */
static int put_back(json_t *list, const json_t *entries, const bool ours[static NP_VMX_KEY_MAX])
{
	size_t n = 0, size = json_array_size(entries);
	NP_AUTO(np_freep) json_t **items = calloc(size + 1, sizeof(json_t *));

	if (!items)
		return -1;
	for (size_t i = 0; i < size; i++) {
		items[n] = json_array_get(entries, i);
		n += is_wanted(items[n], ours);
	}
	qsort(items, n, sizeof(json_t *), by_place);
	for (size_t i = 0; i < n; i++) {
		json_int_t at = place_of(items[i]), last = (json_int_t)json_array_size(list);

		if (json_array_insert(list, (size_t)(at < 0 || at > last ? last : at),
				      json_object_get(items[i], "entry")) < 0)
			return -1;
	}
	return 0;
}

static int undo_keys(struct undo *u, const json_t *entry, struct np_err *err)
{
	const char *absent = json_string_value(json_object_get(entry, "absent"));
	const json_t *set = json_object_get(entry, "set");
	json_t *list = vmclass_lookup(u->target, VMCLASS_EXTRA_CONFIG);
	bool ours[NP_VMX_KEY_MAX], any = false;

	if (!list)
		return note_foreign(u, VMCLASS_EXTRA_CONFIG, err);
	for (enum np_vmx_key key = 0; key < NP_VMX_KEY_MAX; key++) {
		ours[key] = vmclass_key_still_stands(list, key, set);
		if (!ours[key] && note_foreign(u, np_vmx_key_name(key), err) < 0)
			return np_err_ret(err);
		if (ours[key] && drop_key(list, key) < 0)
			return np_fail_nomem(err);
		any = any || ours[key];
	}
	if (put_back(list, json_object_get(entry, "entries"), ours) < 0)
		return np_fail_nomem(err);
	if (any && absent && json_array_size(list) == 0)
		remove_path(u->target, VMCLASS_EXTRA_CONFIG, absent);
	return 0;
}

/* Tells whether nothing is left in configSpec but what its making put there. */
static bool is_ours_alone(const json_t *config_spec, bool devices_carried)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(config_spec), key, value)
		if ((strcmp(key, "_typeName") != 0 ||
		     strcmp(json_is_string(value) ? json_string_value(value) : "",
			    VMCLASS_CONFIG_SPEC_TYPE) != 0) &&
		    (strcmp(key, "deviceChange") != 0 || !devices_carried))
			return false;
	return true;
}

/* Tells whether the entry attaches what `carried` does, which was made for another place. */
static bool is_same_device(const json_t *entry, const json_t *carried)
{
	const json_t *a = json_object_get(entry, "device"), *b = json_object_get(carried, "device");

	return json_equal(json_object_get(a, "backing"), json_object_get(b, "backing"));
}

/*
 * Tells whether the class still lists the devices that nodeprep says it attached: then the entries
 * can go, since they came from there. Devices that are listed nowhere else are never removed.
 */
static bool are_devices_listed(const struct np_vmclass *c, const json_t *entry)
{
	const json_t *set = json_object_get(entry, "set");
	size_t n = json_array_size(set);

	if (json_array_size(c->carried) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_same_device(json_array_get(set, i), json_array_get(c->carried, i)))
			return false;
	return true;
}

static int note_devices_kept(struct undo *u, const char *why, struct np_err *err)
{
	return np_warnings_add(
		u->notes, err, NP_WARNING_DEVICES_KEPT,
		"%s, so the devices that were carried into deviceChange stay: without "
		"them VMs would lose every GPU",
		why);
}

static int note_config_spec_kept(struct undo *u, struct np_err *err)
{
	return np_warnings_add(
		u->notes, err, NP_WARNING_CONFIG_SPEC_KEPT,
		"vCenter cannot remove a config_spec from a class: it stays, with the "
		"copied devices alone");
}

/* An empty deviceChange would take the GPUs: carried devices go with the whole configSpec or stay. */
static int undo_devices(struct undo *u, const json_t *entry, struct np_err *err)
{
	const char *absent = json_string_value(json_object_get(entry, "absent"));
	json_t *config_spec = vmclass_lookup(u->target, VMCLASS_CONFIG_SPEC);

	if (!vmclass_is_carried_list(vmclass_lookup(u->target, VMCLASS_DEVICE_CHANGE), entry))
		return note_foreign(u, VMCLASS_DEVICE_CHANGE, err);
	if (!are_devices_listed(u->c, entry))
		return note_devices_kept(u, "spec.hardware.devices lists other devices", err);
	if (!absent && vmclass_patch_set(u->target, VMCLASS_DEVICE_CHANGE,
					 json_object_get(entry, "value")) < 0)
		return np_fail_nomem(err);
	if (absent && strcmp(absent, VMCLASS_DEVICE_CHANGE) == 0)
		vmclass_delete(u->target, VMCLASS_DEVICE_CHANGE);
	if (!absent || strcmp(absent, VMCLASS_DEVICE_CHANGE) == 0)
		return 0;
	if (np_vmclass_vcenter_info(u->c->node.json))
		return note_config_spec_kept(u, err);
	if (is_ours_alone(config_spec, true)) {
		vmclass_delete(u->target, VMCLASS_CONFIG_SPEC);
		return 0;
	}
	return note_devices_kept(u, "configSpec holds more than nodeprep put there", err);
}

/* deviceChange is judged last, when the rest of what nodeprep wrote is gone. */
static int undo_all(struct undo *u, struct np_err *err)
{
	json_t *before = json_object_get(u->c->managed, "before");
	const json_t *devices = json_object_get(before, VMCLASS_DEVICE_CHANGE);
	const char *path;
	json_t *entry;

	json_object_foreach (before, path, entry) {
		int r = 0;

		if (strcmp(path, VMCLASS_EXTRA_CONFIG) == 0)
			r = undo_keys(u, entry, err);
		else if (strcmp(path, VMCLASS_DEVICE_CHANGE) != 0 &&
			 strcmp(path, VMCLASS_CONFIG_SPEC "/_typeName") != 0)
			r = undo_field(u, path, entry, err);
		if (r < 0)
			return r;
	}
	if (devices)
		return undo_devices(u, devices, err);
	entry = json_object_get(before, VMCLASS_CONFIG_SPEC "/_typeName");
	/* Devices that a configSpec hides would be attached without it; vCenter keeps every config_spec. */
	if (entry && !np_vmclass_vcenter_info(u->c->node.json) &&
	    json_array_size(u->c->carried) == 0 &&
	    is_ours_alone(vmclass_lookup(u->target, VMCLASS_CONFIG_SPEC), false))
		vmclass_delete(u->target, VMCLASS_CONFIG_SPEC);
	return 0;
}

static int write_annotation(struct undo *u, const json_t *managed, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = np_json_text(managed, JSON_COMPACT | JSON_SORT_KEYS);
	json_auto_t *value = text ? json_string(text) : NULL;

	if (!value || vmclass_patch_set(u->target, ANNOTATION, value) < 0)
		return np_fail_nomem(err);
	return 0;
}

json_t *np_vmclass_difference(const json_t *from, const json_t *to)
{
	json_auto_t *patch = json_object();
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(from), key, value)
		if (!json_object_get(to, key) && json_object_set_new(patch, key, json_null()) < 0)
			return NULL;
	json_object_foreach (np_json_mut(to), key, value) {
		json_t *old = json_object_get(from, key);
		json_t *change;

		if (json_equal(old, value))
			continue;
		change = json_is_object(old) && json_is_object(value)
				 ? np_vmclass_difference(old, value)
				 : json_deep_copy(value);
		if (json_object_set_new(patch, key, change) < 0)
			return NULL;
	}
	return json_incref(patch);
}

/* Tells every field that goes back, for people. */
static int add_items(struct np_change *change, const struct np_vmclass *c, const json_t *target,
		     const char *reason, struct np_err *err)
{
	const char *path;
	json_t *entry;

	json_object_foreach (json_object_get(c->managed, "before"), path, entry) {
		json_t *from = vmclass_lookup(c->node.json, path);
		json_t *to = vmclass_lookup(target, path);

		if (!json_equal(from, to) &&
		    np_vmclass_change_add(change, path, from, to, "the original value") < 0)
			return np_fail_nomem(err);
	}
	if (np_vmclass_change_add(change, ANNOTATION, vmclass_lookup(c->node.json, ANNOTATION),
				  vmclass_lookup(target, ANNOTATION), reason) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int check_lists(const struct np_vmclass *c, const json_t *patch, struct np_err *err)
{
	struct np_val spec = np_doc_get(np_doc_get(c->node, "spec"), "configSpec");

	if (json_is_array(vmclass_lookup(patch, VMCLASS_EXTRA_CONFIG)) &&
	    vmclass_refuse_nulls(np_doc_get(spec, "extraConfig"), "spec.configSpec.extraConfig",
				 err) < 0)
		return np_err_ret(err);
	if (json_is_array(vmclass_lookup(patch, VMCLASS_DEVICE_CHANGE)))
		return vmclass_refuse_nulls(np_doc_get(spec, "deviceChange"),
					    "spec.configSpec.deviceChange", err);
	return 0;
}

/* Fills in the change from the class to the target. */
static int finish_change(struct undo *u, const char *reason, struct np_change *change,
			 struct np_err *err)
{
	json_decref(change->patch);
	change->patch = np_vmclass_difference(u->c->node.json, u->target);
	if (!change->patch)
		return np_fail_nomem(err);
	if (check_lists(u->c, change->patch, err) < 0)
		return np_err_ret(err);
	return add_items(change, u->c, u->target, reason, err);
}

/* --- what the class will carry --------------------------------------------------------------- */

/* Returns the text as the class or its record has it, which outlive the change. */
static const char *keep_firmware(const struct np_vmclass *c, const char *text)
{
	const json_t *before = json_object_get(c->managed, "before");
	const json_t *entry = json_object_get(before, VMCLASS_FIRMWARE);

	if (!text || (c->firmware && strcmp(text, c->firmware) == 0))
		return text ? c->firmware : NULL;
	return json_string_value(json_object_get(entry, "value"));
}

/* Fills in the values that the class has once it is `target`, for people. */
static int describe(const struct np_vmclass *c, const json_t *target, struct np_change *change,
		    struct np_err *err)
{
	const char *memory = json_string_value(vmclass_lookup(target, VMCLASS_MEMORY_REQUEST));
	struct np_vmx_current current =
		vmclass_keys_current(vmclass_lookup(target, VMCLASS_EXTRA_CONFIG));

	change->firmware =
		keep_firmware(c, json_string_value(vmclass_lookup(target, VMCLASS_FIRMWARE)));
	if (memory && !(change->reservation = strdup(memory)))
		return np_fail_nomem(err);
	change->has_window = current.has_size || !current.has_any;
	change->window_gb = current.has_size ? current.size_gb : 0;
	return 0;
}

/* --- release --------------------------------------------------------------------------------- */

/* A walk over the registrations of a record. */
struct walk {
	np_release_fn *releases;
	void *ctx;
	const json_t *record;
	json_t *left; /* the record without those that are released; NULL: none is */
	size_t n; /* how many are released */
};

static void walk_done(struct walk *w)
{
	json_decref(w->left);
}

/* Removes the holder from the pool, and the pool with its last holder. */
static void drop_holder(json_t *pools, const char *id, const char *holder)
{
	json_t *holders = json_object_get(json_object_get(pools, id), "holders");

	for (size_t i = json_array_size(holders); i-- > 0;)
		if (strcmp(json_string_value(json_array_get(holders, i)), holder) == 0)
			json_array_remove(holders, i);
	if (json_array_size(holders) == 0)
		json_object_del(pools, id);
}

static bool release_registration(void *ctx, const char *id, const char *holder)
{
	struct walk *w = ctx;

	if (!w->releases(w->ctx, id, holder))
		return true;
	if (!w->left)
		w->left = json_deep_copy(w->record);
	if (!w->left)
		return false;
	drop_holder(json_object_get(w->left, "pools"), id, holder);
	w->n++;
	return true;
}

/* Writes the record that is left; with the last registration the original values are restored. */
static int undo_registrations(struct undo *u, const json_t *left, struct np_err *err)
{
	if (json_object_size(json_object_get(left, "pools")) > 0)
		return write_annotation(u, left, err);
	if (undo_all(u, err) < 0)
		return np_err_ret(err);
	remove_path(u->target, ANNOTATION, "/metadata/annotations");
	return 0;
}

int np_vmclass_release(const struct np_vmclass *c, np_release_fn *releases, void *ctx,
		       struct np_change *ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_change_done)
	struct np_change change = { .patch = json_object(), .firmware = c->firmware };
	NP_AUTO(walk_done)
	struct walk w = { .releases = releases, .ctx = ctx, .record = c->managed };
	json_auto_t *target = NULL;
	struct undo u = { c, NULL, &change.warnings };

	if (c->record_error.code != NP_OK) {
		*err = c->record_error;
		return np_err_ret(err);
	}
	if (!change.patch || !np_vmclass_record_each(c->managed, release_registration, &w))
		return np_fail_nomem(err);
	change.n_released = w.n;
	if (w.n > 0) {
		u.target = target = json_deep_copy(c->node.json);
		if (!target)
			return np_fail_nomem(err);
		if (undo_registrations(&u, w.left, err) < 0 ||
		    finish_change(&u, "the pools are released", &change, err) < 0)
			return np_err_ret(err);
	}
	if (describe(c, target ? target : c->node.json, &change, err) < 0)
		return np_err_ret(err);
	*ret = change;
	change = (struct np_change){ 0 };
	return 0;
}

static bool keeps(void *ctx, const char *id, const char *holder)
{
	const struct walk *w = ctx;

	return !w->releases(w->ctx, id, holder);
}

int np_vmclass_is_held(const json_t *object, np_release_fn *releases, void *ctx, struct np_err *err)
{
	struct walk w = { .releases = releases, .ctx = ctx };
	json_auto_t *record = NULL;

	if (np_vmclass_record_read(object, &record, err) < 0)
		return np_err_ret(err);
	return !np_vmclass_record_each(record, keeps, &w);
}

/* --- the plan's revert ----------------------------------------------------------------------- */

/* The class keeps its fields; its registrations are forgotten. */
static int discard_record(const struct np_vmclass *c, struct np_change *ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_change_done)
	struct np_change change = { .patch = json_object(), .firmware = c->firmware };
	json_auto_t *target = json_deep_copy(c->node.json);
	struct undo u = { c, target, &change.warnings };

	if (!change.patch || !target)
		return np_fail_nomem(err);
	if (vmclass_lookup(target, ANNOTATION)) {
		remove_path(target, ANNOTATION, "/metadata/annotations");
		if (np_warnings_add(
			    u.notes, err, NP_WARNING_RECORD_DISCARDED,
			    "the record is removed: the fields stay as they are, and the pools "
			    "that were registered must register again") < 0 ||
		    finish_change(&u, "the record is discarded", &change, err) < 0)
			return np_err_ret(err);
	}
	*ret = change;
	change = (struct np_change){ 0 };
	return 0;
}

bool np_vmclass_is_reverted(const struct np_class_desired *want, const char *id, const char *holder)
{
	return want->all_holders ||
	       (strcmp(holder, want->holder) == 0 && vmclass_is_member(want, id));
}

static bool is_reverted(void *ctx, const char *id, const char *holder)
{
	const struct np_class_desired *const *want = ctx;

	return np_vmclass_is_reverted(*want, id, holder);
}

/* The first registrations that are left, for people. */
#define HELD_SHOWN 3

struct held {
	const struct np_class_desired *want;
	size_t n;
	char text[1200];
};

static bool add_held(void *ctx, const char *id, const char *holder)
{
	struct held *h = ctx;
	size_t used = strlen(h->text);

	if (np_vmclass_is_reverted(h->want, id, holder))
		return true;
	if (h->n++ < HELD_SHOWN)
		snprintf(h->text + used, sizeof(h->text) - used, "%spool '%.200s' by '%.120s'",
			 used > 0 ? ", " : "", id, holder);
	return true;
}

/* The user who undoes everything must know who keeps the class from its original values. */
static int note_held(const struct np_vmclass *c, const struct np_class_desired *want,
		     struct np_change *change, struct np_err *err)
{
	struct held h = { .want = want };
	char more[48] = "";

	np_vmclass_record_each(c->managed, add_held, &h);
	if (h.n == 0)
		return 0;
	if (h.n > HELD_SHOWN)
		snprintf(more, sizeof(more), " and %zu more", h.n - HELD_SHOWN);
	return np_warnings_add(&change->warnings, err, NP_WARNING_STILL_HELD,
			       "the class keeps its values while it is held: %s%s", h.text, more);
}

static int release_members(const struct np_vmclass *c, const struct np_class_desired *want,
			   struct np_change *ret, struct np_err *err)
{
	NP_AUTO(np_vmclass_change_done) struct np_change change = { 0 };

	if (np_vmclass_release(c, is_reverted, &want, &change, err) < 0 ||
	    note_held(c, want, &change, err) < 0)
		return np_err_ret(err);
	*ret = change;
	change = (struct np_change){ 0 };
	return 0;
}

int np_vmclass_revert(const struct np_vmclass *c, const struct np_class_desired *want,
		      struct np_change *ret, struct np_err *err)
{
	struct np_change none = { .patch = NULL, .firmware = c->firmware };

	if (want->n_members > 0)
		return want->discard_record ? discard_record(c, ret, err)
					    : release_members(c, want, ret, err);
	/* Without pools not even an invalid record matters. */
	none.patch = json_object();
	if (!none.patch)
		return np_fail_nomem(err);
	*ret = none;
	return 0;
}
