/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/json.h"
#include "nodeprep/state.h"
#include "nodeprep/vmx.h"

#define FIELDS_MAX 16

/* A vCenter's VMs have a group of their own beside its classes. */
enum { GROUP_MAX = 80 };

static int find_group(struct np_vcenter *v, char buf[static GROUP_MAX], struct np_err *err)
{
	const struct np_vcenter_about *about;

	if (np_vcenter_about(v, &about, err) < 0)
		return np_err_ret(err);
	if (about->instance_uuid[0] == '\0')
		return np_fail(err, NP_E_REFUSED,
			       "%s has no instanceUuid, so no records can be kept of its VMs",
			       np_vcenter_url(v));
	snprintf(buf, GROUP_MAX, "%s.vms", about->instance_uuid);
	return 0;
}

static int wait(void *ctx, uint64_t ms, struct np_err *err)
{
	return np_vcenter_pause(ctx, ms, err);
}

static bool is_text_or_null(const json_t *value)
{
	return json_is_string(value) || json_is_null(value);
}

/* The settings that nodeprep changes: what is restored is decided by this file alone. */
static bool is_setting(const char *name)
{
	return strcmp(name, "firmware") == 0 || strcmp(name, "memoryReservationLockedToMax") == 0 ||
	       strcmp(name, "memoryAllocation.reservation") == 0 ||
	       np_vmx_key_of(name) != NP_VMX_KEY_MAX;
}

static bool is_valid(const json_t *record, const char *id)
{
	json_t *fields = json_object_get(record, "fields");
	const char *name;
	json_t *field;

	if (!json_is_object(fields) || json_object_size(fields) > FIELDS_MAX ||
	    strcmp(np_json_member_text(record, "id"), id) != 0)
		return false;
	json_object_foreach (fields, name, field)
		if (!is_setting(name) || !is_text_or_null(json_object_get(field, "before")) ||
		    !is_text_or_null(json_object_get(field, "set")))
			return false;
	return true;
}

static int parse(struct vsphere_record *r, const struct np_vsphere_vm *vm, const char *path,
		 struct np_err *err)
{
	json_auto_t *record = json_loadb(r->bytes, r->size, JSON_REJECT_DUPLICATES, NULL);

	if (!record || !is_valid(record, vm->ref.id))
		return np_fail(err, NP_E_RECORD,
			       "%s is not a record that nodeprep wrote of VM '%s'; to go on "
			       "without it, remove the file",
			       path, vm->name);
	r->fields = json_incref(json_object_get(record, "fields"));
	return 0;
}

int vsphere_record_open(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			const struct np_vsphere_vm *vm, struct vsphere_record *ret,
			struct np_err *err)
{
	char group[GROUP_MAX], path[NP_STATE_PATH_MAX];
	int got;

	*ret = (struct vsphere_record){ 0 };
	if (find_group(v, group, err) < 0)
		return np_err_ret(err);
	if (!o->dry_run && np_state_lock(o->state, group, vm->ref.id, wait, v, &ret->lock, err) < 0)
		return np_err_ret(err);
	got = np_state_read(o->state, group, vm->ref.id, &ret->bytes, &ret->size, err);
	np_state_path(o->state, group, vm->ref.id, path);
	if (got < 0 || (got > 0 && parse(ret, vm, path, err) < 0)) {
		vsphere_record_close(ret);
		return np_err_ret(err);
	}
	if (got == 0)
		ret->fields = json_object();
	return ret->fields ? 0 : np_fail_nomem(err);
}

void vsphere_record_close(struct vsphere_record *r)
{
	np_state_unlock(r->lock);
	free(r->bytes);
	json_decref(r->fields);
	*r = (struct vsphere_record){ 0 };
}

static json_t *text_or_null(const char *text)
{
	return text ? np_json_string(text) : json_null();
}

int vsphere_record_note(struct vsphere_record *r, const char *setting, const char *from,
			const char *to, struct np_err *err)
{
	json_t *field = json_object_get(r->fields, setting);

	if (!field) {
		field = json_pack("{s:o}", "before", text_or_null(from));
		if (json_object_set_new(r->fields, setting, field) < 0)
			return np_fail_nomem(err);
	}
	return json_object_set_new(field, "set", text_or_null(to)) < 0 ? np_fail_nomem(err) : 0;
}

int vsphere_record_write(struct vsphere_record *r, const struct np_vsphere_vm *vm,
			 struct np_err *err)
{
	json_auto_t *record = json_pack("{s:s, s:o, s:O}", "id", vm->ref.id, "vm",
					np_json_string(vm->name), "fields", r->fields);
	NP_AUTO(np_freep) char *text = record ? np_json_text(record, JSON_INDENT(2)) : NULL;

	if (!text)
		return np_fail_nomem(err);
	return np_state_write(r->lock, text, strlen(text), err);
}

int vsphere_record_restore(struct vsphere_record *r, struct np_err *err)
{
	return r->bytes ? np_state_write(r->lock, r->bytes, r->size, err)
			: np_state_remove(r->lock, err);
}

int vsphere_record_remove(struct vsphere_record *r, struct np_err *err)
{
	return np_state_remove(r->lock, err);
}
