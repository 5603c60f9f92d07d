/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/vmx.h"

#define DEVICES "config.hardware.device"

#define MIB 1048576.0

struct gathering {
	struct np_vcenter *v;
	const struct np_catalogue *cat;
	const struct np_vsphere_vm_scope *scope;
	struct vsphere_places places;
	struct np_vsphere_vms *vms;
	size_t n_matches; /* VMs of that name, with GPUs or without */
};

static void device_done(struct np_vsphere_device *d)
{
	free(d->profile);
	free(d->kind);
}

static void vm_done(struct np_vsphere_vm *vm)
{
	for (size_t i = 0; i < vm->n_devices; i++)
		device_done(&vm->devices[i]);
	for (size_t i = 0; i < vm->n_extra; i++) {
		free(vm->extra[i].key);
		free(vm->extra[i].value);
	}
	free(vm->devices);
	free(vm->extra);
	free(vm->name);
	free(vm->cluster);
	free(vm->host);
	free(vm->change_version);
	free(vm->ns);
	free(vm->service_name);
	free(vm->kube_cluster);
	free(vm->class_name);
	free(vm->pool);
	free(vm->extension);
}

void np_vsphere_vms_done(struct np_vsphere_vms *vms)
{
	for (size_t i = 0; i < vms->n; i++)
		vm_done(&vms->items[i]);
	free(vms->items);
	*vms = (struct np_vsphere_vms){ 0 };
}

static void gathering_done(struct gathering *g)
{
	vsphere_places_done(&g->places);
}

/* --- devices ------------------------------------------------------------------------------------ */

static bool is_same(const struct np_vsphere_device *a, const struct vsphere_device *b)
{
	return a->card == b->card && a->has_id == b->has_id && a->id.vendor == b->id.vendor &&
	       a->id.device == b->id.device && strcmp(a->profile, b->profile) == 0 &&
	       strcmp(a->kind, b->has_id || b->profile[0] != '\0' ? "" : b->kind) == 0;
}

static int add_device(void *ctx, const struct vsphere_device *d, struct np_err *err)
{
	struct np_vsphere_vm *vm = ctx;
	struct np_vsphere_device *items, one = { .card = d->card,
						 .has_id = d->has_id,
						 .id = d->id,
						 .is_uncounted = d->may_be_gpu,
						 .count = 1 };
	bool is_gpu = d->pci_class != NP_PCI_OTHER;
	size_t at = is_gpu ? vm->n_gpus : vm->n_devices;
	bool is_told = d->has_id || d->profile[0] != '\0';

	vm->has_uncounted = vm->has_uncounted || one.is_uncounted;
	vm->has_dynamic = vm->has_dynamic || d->backing == VSPHERE_DYNAMIC;
	for (size_t i = 0; i < vm->n_devices; i++) {
		if (is_same(&vm->devices[i], d)) {
			vm->devices[i].count++;
			return 0;
		}
	}
	items = reallocarray(vm->devices, vm->n_devices + 1, sizeof(*items));
	if (!items)
		return np_fail_nomem(err);
	vm->devices = items;
	if (vsphere_copy(&one.profile, d->profile, err) < 0 ||
	    vsphere_copy(&one.kind, is_told ? "" : d->kind, err) < 0) {
		device_done(&one);
		return np_err_ret(err);
	}
	memmove(&items[at + 1], &items[at], (vm->n_devices - at) * sizeof(*items));
	items[at] = one;
	vm->n_devices++;
	vm->n_gpus += is_gpu;
	return 0;
}

/* --- settings ----------------------------------------------------------------------------------- */

static int add_extra(struct np_vsphere_vm *vm, const char *key, const char *value,
		     struct np_err *err)
{
	struct np_vsphere_extra *items = reallocarray(vm->extra, vm->n_extra + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	vm->extra = items;
	items[vm->n_extra] = (struct np_vsphere_extra){ strdup(key), strdup(value) };
	vm->n_extra++;
	if (!items[vm->n_extra - 1].key || !items[vm->n_extra - 1].value)
		return np_fail_nomem(err);
	return 0;
}

static int read_extra(struct np_vsphere_vm *vm, const struct np_vcenter_val *list,
		      struct np_err *err)
{
	const struct np_vcenter_val *v = np_vcenter_val_first(list);

	vm->has_extra = !!list;
	for (; v; v = np_vcenter_val_next(v)) {
		const char *key = np_vcenter_val_member_text(v, "key");
		const char *value = np_vcenter_val_member_text(v, "value");

		if (np_vmx_classify(key) == NP_VMX_NAME_OTHER ||
		    np_vmx_classify(key) == NP_VMX_NAME_PEER)
			continue;
		if (add_extra(vm, key, value, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

/* --- VMs ---------------------------------------------------------------------------------------- */

static void read_numbers(struct np_vsphere_vm *vm, const struct np_vcenter_object *o)
{
	int64_t n;

	if (np_vcenter_val_int(np_vcenter_object_get(o, "config.hardware.memoryMB"), 0, INT32_MAX,
			       &n))
		vm->memory_mb = (uint64_t)n;
	vm->has_reservation = np_vcenter_val_int(
		np_vcenter_val_member(np_vcenter_object_get(o, "config.memoryAllocation"),
				      "reservation"),
		0, INT64_MAX, &n);
	vm->reservation_mb = vm->has_reservation ? (uint64_t)n : 0;
	if (strcmp(vm->power, "poweredOff") != 0 &&
	    np_vcenter_val_int(np_vcenter_object_get(o, "runtime.memoryOverhead"), 1, INT64_MAX,
			       &n)) {
		vm->has_overhead = true;
		vm->overhead_mb = (double)n / MIB;
	}
}

static void read_words(struct np_vsphere_vm *vm, const struct np_vcenter_object *o)
{
	vm->ref = o->ref;
	vm->is_template = vsphere_verdict(np_vcenter_object_get(o, "config.template"));
	vm->reservation_locked =
		vsphere_verdict(np_vcenter_object_get(o, "config.memoryReservationLockedToMax"));
	vm->hardware_version = np_vmx_hardware_version(
		np_vcenter_val_text(np_vcenter_object_get(o, "config.version")));
	snprintf(vm->power, sizeof(vm->power), "%s",
		 np_vcenter_val_text(np_vcenter_object_get(o, "runtime.powerState")));
	snprintf(vm->firmware, sizeof(vm->firmware), "%s",
		 np_vcenter_val_text(np_vcenter_object_get(o, "config.firmware")));
}

static int read_vm(struct np_vsphere_vm *vm, const struct np_vcenter_object *o,
		   const struct gathering *g, struct np_err *err)
{
	const char *name = np_vcenter_val_text(np_vcenter_object_get(o, "name"));
	const char *host, *cluster;

	vsphere_place_of(&g->places, np_vcenter_object_get(o, "runtime.host"), &host, &cluster);
	if (vsphere_copy(&vm->name, name[0] != '\0' ? name : o->ref.id, err) < 0 ||
	    vsphere_copy(&vm->host, host, err) < 0 ||
	    vsphere_copy(&vm->cluster, cluster, err) < 0 || vsphere_copy(&vm->ns, "", err) < 0 ||
	    vsphere_copy(&vm->service_name, "", err) < 0 ||
	    vsphere_copy(&vm->kube_cluster, "", err) < 0 ||
	    vsphere_copy(&vm->class_name, "", err) < 0 || vsphere_copy(&vm->pool, "", err) < 0 ||
	    vsphere_copy(&vm->change_version,
			 np_vcenter_val_text(np_vcenter_object_get(o, "config.changeVersion")),
			 err) < 0 ||
	    vsphere_copy(&vm->extension,
			 np_vcenter_val_member_text(np_vcenter_object_get(o, "config.managedBy"),
						    "extensionKey"),
			 err) < 0)
		return np_err_ret(err);
	read_words(vm, o);
	read_numbers(vm, o);
	if (read_extra(vm, vsphere_list(o, "config.extraConfig"), err) < 0)
		return np_err_ret(err);
	vm->has_devices = !!vsphere_list(o, DEVICES);
	snprintf(vm->fault, sizeof(vm->fault), "%s", np_vcenter_object_fault(o, DEVICES));
	return vsphere_devices_read(vsphere_list(o, DEVICES), g->cat, add_device, vm, err);
}

static bool is_in_scope(const struct np_vsphere_vm *vm, const struct np_vsphere_vm_scope *s)
{
	if (s->cluster && strcmp(vm->cluster, s->cluster) != 0)
		return false;
	return !s->pattern || strcmp(vm->name, s->pattern) == 0 ||
	       fnmatch(s->pattern, vm->name, 0) == 0;
}

/* Tells whether the VM has GPUs, may have some, or is named. */
static bool is_wanted(const struct np_vsphere_vm *vm, const struct np_vsphere_vm_scope *s)
{
	if (vm->n_gpus > 0 || vm->has_uncounted || !vm->has_devices)
		return true;
	for (size_t i = 0; i < s->n_named; i++)
		if (strcmp(vm->name, s->named[i]) == 0)
			return true;
	return false;
}

static int take_vm(struct np_vsphere_vms *all, struct np_vsphere_vm *vm, struct np_err *err)
{
	struct np_vsphere_vm *items = reallocarray(all->items, all->n + 1, sizeof(*items));

	if (!items) {
		vm_done(vm);
		return np_fail_nomem(err);
	}
	all->items = items;
	items[all->n++] = *vm;
	return 0;
}

static int add_vm(void *ctx, const struct np_vcenter_object *o, struct np_err *err)
{
	struct gathering *g = ctx;
	struct np_vsphere_vm vm = { 0 };

	if (read_vm(&vm, o, g, err) < 0) {
		vm_done(&vm);
		return np_err_ret(err);
	}
	/* Deleted since the view was made. */
	if (strcmp(vm.fault, "ManagedObjectNotFound") != 0 && is_in_scope(&vm, g->scope)) {
		g->n_matches++;
		if (is_wanted(&vm, g->scope)) {
			if (vsphere_marks_read(&vm, o, err) == 0)
				return take_vm(g->vms, &vm, err);
			vm_done(&vm);
			return np_err_ret(err);
		}
	}
	vm_done(&vm);
	return 0;
}

static void restart(void *ctx)
{
	struct gathering *g = ctx;

	np_vsphere_vms_done(g->vms);
	g->n_matches = 0;
}

static int fetch(struct gathering *g, struct np_err *err)
{
	static const char *const paths[] = { "name",
					     "config.annotation",
					     "config.changeVersion",
					     "config.extraConfig",
					     "config.firmware",
					     DEVICES,
					     "config.hardware.memoryMB",
					     "config.managedBy",
					     "config.memoryAllocation",
					     "config.memoryReservationLockedToMax",
					     "config.template",
					     "config.version",
					     "runtime.host",
					     "runtime.memoryOverhead",
					     "runtime.powerState" };
	const struct np_vcenter_query q = { .type = "VirtualMachine",
					    .paths = paths,
					    .n_paths = sizeof(paths) / sizeof(paths[0]),
					    .each = add_vm,
					    .restart = restart,
					    .ctx = g };

	if (np_vcenter_query(g->v, &q, err) < 0)
		return np_err_ret(err);
	if (g->scope->pattern && g->n_matches == 0)
		return np_fail(err, NP_E_NOT_FOUND, "VM '%s' not found in %s", g->scope->pattern,
			       np_vcenter_url(g->v));
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct np_vsphere_vm *x = a, *y = b;
	int order = strcmp(x->cluster, y->cluster);

	if (order == 0)
		order = strcmp(x->name, y->name);
	return order != 0 ? order : strcmp(x->ref.id, y->ref.id);
}

int np_vsphere_vms_fetch(struct np_vcenter *v, const struct np_catalogue *cat,
			 const struct np_vsphere_vm_scope *scope, struct np_vsphere_vms *ret,
			 struct np_err *err)
{
	NP_AUTO(np_vsphere_vms_done) struct np_vsphere_vms vms = { 0 };
	NP_AUTO(gathering_done)
	struct gathering g = { .v = v, .cat = cat, .scope = scope, .vms = &vms };

	if (vsphere_places_fetch(v, scope->cluster, &g.places, err) < 0 || fetch(&g, err) < 0)
		return np_err_ret(err);
	if (vms.n > 0)
		qsort(vms.items, vms.n, sizeof(*vms.items), by_place);
	*ret = vms;
	vms = (struct np_vsphere_vms){ 0 };
	return 0;
}
