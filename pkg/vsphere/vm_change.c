/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/json.h"
#include "nodeprep/state.h"
#include "nodeprep/units.h"
#include "nodeprep/vmx.h"

#define FIRMWARE "firmware"
#define LOCKED "memoryReservationLockedToMax"
#define RESERVATION "memoryAllocation.reservation"

enum { FIELDS_MAX = 16, VALUE_MAX = 64 };

/* A setting on its way from one value to another; NULL is absent. */
struct field {
	const char *setting;
	char from[VALUE_MAX], to[VALUE_MAX];
	bool has_from, has_to;
};

struct fields {
	size_t n;
	struct field items[FIELDS_MAX];
};

/* --- current values ----------------------------------------------------------------------------- */

static const char *find_extra(const struct np_vsphere_vm *vm, const char *key)
{
	for (size_t i = 0; i < vm->n_extra; i++)
		if (strcmp(vm->extra[i].key, key) == 0)
			return vm->extra[i].value;
	return NULL;
}

/* Returns a setting's value as text; NULL: absent, or not known. */
static const char *current_of(const struct np_vsphere_vm *vm, const char *setting,
			      char buf[static VALUE_MAX])
{
	if (strcmp(setting, FIRMWARE) == 0)
		return vm->firmware[0] != '\0' ? vm->firmware : NULL;
	if (strcmp(setting, LOCKED) == 0)
		return vm->reservation_locked == NP_VERDICT_UNKNOWN ? NULL
		       : vm->reservation_locked == NP_VERDICT_YES   ? "true"
								    : "false";
	if (strcmp(setting, RESERVATION) == 0) {
		snprintf(buf, VALUE_MAX, "%" PRIu64, vm->reservation_mb);
		return vm->has_reservation ? buf : NULL;
	}
	return find_extra(vm, setting);
}

static bool is_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Adds the setting unless it has the value. */
static void add_field(struct fields *f, const struct np_vsphere_vm *vm, const char *setting,
		      const char *to)
{
	char buf[VALUE_MAX];
	const char *from = current_of(vm, setting, buf);
	struct field *one = &f->items[f->n];

	if (is_equal(from, to) || f->n == FIELDS_MAX)
		return;
	*one = (struct field){ .setting = setting, .has_from = !!from, .has_to = !!to };
	snprintf(one->from, VALUE_MAX, "%s", from ? from : "");
	snprintf(one->to, VALUE_MAX, "%s", to ? to : "");
	f->n++;
}

/* --- desired values ----------------------------------------------------------------------------- */

/* Returns the name under which the VM has the setting: ESXi compares names without regard to case. */
static const char *name_of(const struct np_vsphere_vm *vm, enum np_vmx_key key)
{
	const char *name = np_vmx_key_name(key);

	if (find_extra(vm, name))
		return name;
	for (size_t i = 0; i < vm->n_extra; i++)
		if (np_vmx_key_of(vm->extra[i].key) == key)
			return vm->extra[i].key;
	return name;
}

static int want_window(const struct np_vsphere_vm *vm, struct fields *f, struct np_err *err)
{
	const struct np_vmx_need need = { .gb = vm->needed_gb, .has_devices = true };
	struct np_vmx_current current = { 0 };
	struct np_vmx_desired desired;

	if (vm->needed_gb == 0)
		return 0;
	for (size_t i = 0; i < vm->n_extra; i++)
		np_vmx_add(&current, vm->extra[i].key, vm->extra[i].value);
	if (np_vmx_decide(&current, &need, &desired, err) < 0)
		return np_err_ret(err);
	for (enum np_vmx_key key = 0; desired.change && key < NP_VMX_KEY_MAX; key++) {
		char buf[NP_VMX_TEXT_MAX];
		const char *name = name_of(vm, key), *has = find_extra(vm, name);
		const char *text = np_vmx_text(key, desired.gb, buf);

		if (!has || !text || !np_vmx_is_same(key, has, text))
			add_field(f, vm, name, text);
	}
	return 0;
}

static int want_all(const struct np_vsphere_vm *vm, struct fields *f, struct np_err *err)
{
	char memory[VALUE_MAX];

	if (!vm->has_devices || !vm->has_extra || vm->memory_mb == 0 || !vm->has_reservation ||
	    vm->firmware[0] == '\0' || vm->change_version[0] == '\0')
		return np_fail(err, NP_E_FORBIDDEN,
			       "the VM's settings are not readable: the privilege System.Read is "
			       "missing");
	if (vsphere_is_none_known(vm))
		return np_fail(
			err, NP_E_REFUSED,
			"no device of the VM is known to be a GPU, so its window is unknown: "
			"add those that are, and their sizes, with --catalogue or --catalogue-from");
	if (want_window(vm, f, err) < 0)
		return np_err_ret(err);
	if (vm->needs_efi && strcasecmp(vm->firmware, "efi") != 0)
		add_field(f, vm, FIRMWARE, "efi");
	snprintf(memory, sizeof(memory), "%" PRIu64, vm->memory_mb);
	if (vm->reservation_locked != NP_VERDICT_YES) {
		add_field(f, vm, LOCKED, "true");
		add_field(f, vm, RESERVATION, memory);
	}
	return 0;
}

/* --- what may not be changed -------------------------------------------------------------------- */

static int check_manager(const struct np_vsphere_vm *vm, struct np_err *err)
{
	static const char *const instead[] = {
		[NP_VSPHERE_PLAIN] = "",
		[NP_VSPHERE_VM_OPERATOR] =
			"and would undo the change: change its VM class with 'nodeprep apply', "
			"then recreate the node",
		[NP_VSPHERE_CLUSTER_API] =
			"and would lose the change with the next node: change its "
			"VSphereMachineTemplate with 'nodeprep apply', then recreate the node",
		[NP_VSPHERE_EXTENSION] = "and may undo the change: change the VM there",
	};
	char owner[VSPHERE_OWNER_MAX];

	if (vm->manager == NP_VSPHERE_PLAIN)
		return 0;
	return np_fail(err, NP_E_REFUSED, "%s manages it %s", vsphere_owner_text(vm, owner),
		       instead[vm->manager]);
}

static int check_power(const struct np_vsphere_vm *vm, struct np_err *err)
{
	if (strcmp(vm->power, "poweredOff") == 0)
		return 0;
	return np_fail(err, NP_E_REFUSED,
		       "the VM is not powered off (%s): shut it down first; these settings change "
		       "only while it is off",
		       vm->power[0] != '\0' ? vm->power : "its state is not readable");
}

static int check_firmware(const struct np_vsphere_vm *vm, const struct fields *f,
			  const struct np_vsphere_change_options *o, struct np_err *err)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->items[i].setting, FIRMWARE) == 0 && !o->change_firmware)
			return np_fail(err, NP_E_REFUSED,
				       "the firmware is %s, and a guest that was installed with it "
				       "does not boot with efi: make the VM from an image with "
				       "EFI, or use --change-firmware",
				       vm->firmware[0] != '\0' ? vm->firmware : "not known");
	return 0;
}

/* --- the task ----------------------------------------------------------------------------------- */

/* A field without a value is removed; the firmware and the reservation cannot be. */
static void fill_change(const struct fields *f, struct np_vcenter_vm_change *c,
			struct np_vcenter_extra extra[static FIELDS_MAX], bool *locked,
			int64_t *reservation)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct field *one = &f->items[i];
		struct np_err ignored = NP_ERR_INIT;
		uint64_t n;

		if (strcmp(one->setting, FIRMWARE) == 0) {
			c->firmware = one->has_to ? one->to : NULL;
		} else if (strcmp(one->setting, LOCKED) == 0) {
			*locked = strcmp(one->to, "true") == 0;
			c->reservation_locked = locked;
		} else if (strcmp(one->setting, RESERVATION) == 0) {
			if (np_u64_parse(one->to, 0, INT32_MAX, &n, &ignored) < 0)
				continue;
			*reservation = (int64_t)n;
			c->reservation_mb = reservation;
		} else {
			extra[c->n_extra++] = (struct np_vcenter_extra){ one->setting, one->to };
		}
	}
	c->extra = extra;
}

static int send(struct np_vcenter *v, const struct np_vsphere_vm *vm, const struct fields *f,
		struct np_err *err)
{
	struct np_vcenter_extra extra[FIELDS_MAX];
	struct np_vcenter_vm_change c = { .name = vm->name };
	int64_t reservation = 0;
	bool locked = false;

	if (vm->change_version[0] != '\0')
		c.change_version = vm->change_version;
	fill_change(f, &c, extra, &locked, &reservation);
	return np_vcenter_vm_reconfigure(v, &vm->ref, &c, err);
}

/* --- one VM ------------------------------------------------------------------------------------- */

/* What vm-apply and vm-revert work on. */
struct changing {
	struct np_vcenter *v;
	const struct np_vsphere_change_options *o;
	const struct np_vsphere_vm *vm;
	struct np_vsphere_changes *changes;
};

static int report(struct changing *g, const struct fields *f, const struct np_err *why,
		  struct np_err *err)
{
	struct vsphere_about about = { .object = g->vm->name };

	/* They change together or not at all. */
	if (why->code != NP_OK || f->n == 0)
		return vsphere_changes_add(g->changes, &about, false, why, err);
	for (size_t i = 0; i < f->n; i++) {
		const struct field *one = &f->items[i];

		about.setting = one->setting;
		about.from = one->from;
		about.to = one->to;
		if (vsphere_changes_add(g->changes, &about, true, NULL, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* A change that surely did not happen leaves no record of it. */
static int write(struct changing *g, const struct fields *f, struct vsphere_record *r,
		 struct np_err *err)
{
	struct np_err ignored = NP_ERR_INIT;

	for (size_t i = 0; i < f->n; i++) {
		const struct field *one = &f->items[i];

		if (vsphere_record_note(r, one->setting, one->has_from ? one->from : NULL,
					one->has_to ? one->to : NULL, err) < 0)
			return np_err_ret(err);
	}
	if (vsphere_record_write(r, g->vm, err) < 0)
		return np_err_ret(err);
	if (send(g->v, g->vm, f, err) == 0)
		return 0;
	if (err->code != NP_E_RETRY)
		vsphere_record_restore(r, &ignored);
	return np_err_ret(err);
}

static int apply(struct changing *g, struct fields *f, struct np_err *err)
{
	NP_AUTO(vsphere_record_close) struct vsphere_record r = { 0 };

	if (check_manager(g->vm, err) < 0 || want_all(g->vm, f, err) < 0)
		return np_err_ret(err);
	if (f->n == 0)
		return 0;
	if (check_power(g->vm, err) < 0 || check_firmware(g->vm, f, g->o, err) < 0)
		return np_err_ret(err);
	if (g->o->dry_run)
		return 0;
	if (vsphere_record_open(g->v, g->o, g->vm, &r, err) < 0)
		return np_err_ret(err);
	return write(g, f, &r, err);
}

/* What another writer changed since stays, and is reported. */
static int keep(struct changing *g, const char *setting, struct np_err *err)
{
	const struct vsphere_about about = { .object = g->vm->name, .setting = setting };
	const struct np_err why = { .code = NP_OK, .text = "it was changed since, and stays" };

	return vsphere_changes_add(g->changes, &about, false, &why, err);
}

static int want_before(struct changing *g, const struct vsphere_record *r, struct fields *f,
		       struct np_err *err)
{
	const char *setting;
	json_t *field;

	json_object_foreach (r->fields, setting, field) {
		char buf[VALUE_MAX];
		const char *now = current_of(g->vm, setting, buf);
		const char *before = json_string_value(json_object_get(field, "before"));
		const char *set = json_string_value(json_object_get(field, "set"));

		if (is_equal(now, before))
			continue;
		if (is_equal(now, set))
			add_field(f, g->vm, setting, before);
		else if (keep(g, setting, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int fail_without_record(const struct changing *g, struct np_err *err)
{
	return np_fail(err, NP_E_NOT_FOUND,
		       "no record of this VM in %s: nothing is changed; --state-dir names the "
		       "folder where 'vm-apply' kept it",
		       np_state_dir(g->o->state));
}

/* The names of the settings are the record's, so that the changes are reported before it closes. */
static int revert(struct changing *g, struct np_err *err)
{
	NP_AUTO(vsphere_record_close) struct vsphere_record r = { 0 };
	struct np_err why = NP_ERR_INIT;
	struct fields f = { 0 };

	if (vsphere_record_open(g->v, g->o, g->vm, &r, &why) == 0 && !r.bytes)
		fail_without_record(g, &why);
	if (why.code == NP_OK && want_before(g, &r, &f, err) < 0)
		return np_err_ret(err);
	if (why.code == NP_OK && f.n > 0 && check_power(g->vm, &why) == 0 && !g->o->dry_run)
		send(g->v, g->vm, &f, &why);
	if (why.code == NP_OK && !g->o->dry_run)
		vsphere_record_remove(&r, &why);
	return report(g, &f, &why, err);
}

static int change_vm(struct changing *g, bool is_revert, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	struct fields f = { 0 };

	if (is_revert)
		return revert(g, err);
	apply(g, &f, &why);
	return report(g, &f, &why, err);
}

/* --- all of them -------------------------------------------------------------------------------- */

static int find_vm(const struct np_vsphere_vms *vms, const char *name,
		   const struct np_vsphere_vm **ret, bool is_revert, struct np_err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < vms->n; i++) {
		if (strcmp(vms->items[i].name, name) != 0)
			continue;
		*ret = &vms->items[i];
		n++;
	}
	if (n == 1)
		return 0;
	if (n == 0)
		return np_fail(err, NP_E_NOT_FOUND, "no VM or template%s has this name",
			       is_revert ? "" : " with a GPU");
	return np_fail(err, NP_E_SPEC, "%zu VMs have this name: name the cluster with --cluster",
		       n);
}

static int change_named(struct changing *g, const struct np_vsphere_vms *vms, const char *name,
			bool is_revert, struct np_err *err)
{
	const struct vsphere_about about = { .object = name };
	struct np_err why = NP_ERR_INIT;

	if (find_vm(vms, name, &g->vm, is_revert, &why) < 0)
		return vsphere_changes_add(g->changes, &about, false, &why, err);
	return change_vm(g, is_revert, err);
}

static int change_vms(struct np_vcenter *v, const struct np_vsphere_change_options *o,
		      bool is_revert, struct np_vsphere_changes *ret, struct np_err *err)
{
	/* Its GPU may be gone by now: that is a reason to restore a VM. */
	const struct np_vsphere_vm_scope scope = { .cluster = o->cluster,
						   .named = o->vms,
						   .n_named = is_revert ? o->n_vms : 0 };
	NP_AUTO(np_vsphere_vms_done) struct np_vsphere_vms vms = { 0 };
	NP_AUTO(np_vsphere_changes_done) struct np_vsphere_changes changes = { 0 };
	struct changing g = { .v = v, .o = o, .changes = &changes };

	if (np_vsphere_vms_fetch(v, o->cat, &scope, &vms, err) < 0 ||
	    np_vsphere_vms_judge(&vms, NULL, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < o->n_vms; i++)
		if (change_named(&g, &vms, o->vms[i], is_revert, err) < 0)
			return np_err_ret(err);
	*ret = changes;
	changes = (struct np_vsphere_changes){ 0 };
	return 0;
}

int np_vsphere_vms_apply(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			 struct np_vsphere_changes *ret, struct np_err *err)
{
	return change_vms(v, o, false, ret, err);
}

int np_vsphere_vms_revert(struct np_vcenter *v, const struct np_vsphere_change_options *o,
			  struct np_vsphere_changes *ret, struct np_err *err)
{
	return change_vms(v, o, true, ret, err);
}
