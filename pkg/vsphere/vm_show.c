/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *device_tree(const void *list, size_t i)
{
	const struct np_vsphere_device *d = (const struct np_vsphere_device *)list + i;
	char id[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(d->id, id);
	return json_pack("{s:o, s:o, s:o, s:o, s:I}", "model",
			 d->card ? json_string(d->card->model) : json_null(), "pciID",
			 d->has_id ? json_string(id) : json_null(), "vgpuProfile",
			 vsphere_text_tree(d->profile), "kind", vsphere_text_tree(d->kind), "count",
			 (json_int_t)d->count);
}

static json_t *number_tree(bool is_known, uint64_t n)
{
	return is_known && n <= INT64_MAX ? json_integer((json_int_t)n) : json_null();
}

static json_t *real_tree(bool is_known, double n)
{
	return is_known ? json_real(n) : json_null();
}

static json_t *place_tree(const struct np_vsphere_vm *vm)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "name", vsphere_text_tree(vm->name),
			 "cluster", vsphere_text_tree(vm->cluster), "host",
			 vsphere_text_tree(vm->host), "template",
			 np_report_verdict_tree(vm->is_template), "powerState",
			 vsphere_text_tree(vm->power));
}

static const char *const managers[] = {
	[NP_VSPHERE_PLAIN] = "",
	[NP_VSPHERE_VM_OPERATOR] = "VMOperator",
	[NP_VSPHERE_CLUSTER_API] = "ClusterAPI",
	[NP_VSPHERE_EXTENSION] = "Extension",
};

static json_t *owner_tree(const struct np_vsphere_vm *vm)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "manager",
			 vsphere_text_tree(managers[vm->manager]), "managedBy",
			 vsphere_text_tree(vm->extension), "namespace", vsphere_text_tree(vm->ns),
			 "virtualMachine", vsphere_text_tree(vm->service_name), "kubernetesCluster",
			 vsphere_text_tree(vm->kube_cluster), "class",
			 vsphere_text_tree(vm->class_name), "pool", vsphere_text_tree(vm->pool));
}

static bool are_gpus_known(const struct np_vsphere_vm *vm)
{
	return vm->has_devices && !vsphere_is_none_known(vm);
}

static json_t *facts_tree(const struct np_vsphere_vm *vm, const struct np_report *report)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "gpus",
			 are_gpus_known(vm)
				 ? vsphere_list_tree(vm->devices, vm->n_gpus, device_tree)
				 : json_null(),
			 "neededMMIOGB", number_tree(vm->has_need, vm->needed_gb), "mmioGB",
			 number_tree(vm->has_window, vm->window_gb), "firmware",
			 vsphere_text_tree(vm->firmware), "hardwareVersion",
			 number_tree(vm->hardware_version > 0, vm->hardware_version), "memoryMB",
			 number_tree(vm->memory_mb > 0, vm->memory_mb), "reservationMB",
			 number_tree(vm->has_reservation, vm->reservation_mb), "reservationLocked",
			 np_report_verdict_tree(vm->reservation_locked), "overheadMB",
			 real_tree(vm->has_overhead, vm->overhead_mb), "overheadEstimateMB",
			 real_tree(vm->has_estimate, vm->estimate_mb), "ok",
			 np_report_verdict_tree(vm->pass), "checks", np_report_probes_tree(report));
}

static json_t *vm_tree(const void *ctx, size_t i)
{
	const struct np_vsphere_vms *vms = ctx;
	const struct np_vsphere_vm *vm = &vms->items[i];
	NP_AUTO(np_report_done) struct np_report report = { 0 };
	struct np_err ignored = NP_ERR_INIT;
	json_t *tree;

	if (np_vsphere_vm_report(vms, vm, &report, &ignored) < 0)
		return NULL;
	tree = vsphere_joined_tree_take(place_tree(vm), owner_tree(vm));
	return vsphere_joined_tree_take(tree, facts_tree(vm, &report));
}

static json_t *overhead_tree(const void *list, size_t i)
{
	const struct np_vsphere_overhead *o = (const struct np_vsphere_overhead *)list + i;

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "gpus",
			 vsphere_list_tree(o->like->devices, o->like->n_gpus, device_tree),
			 "mmioGB", number_tree(o->like->has_window, o->like->window_gb),
			 "overheadMB", json_real(o->most_mb), "leastOverheadMB",
			 json_real(o->least_mb), "vms", vsphere_names_tree(&o->vms));
}

int np_vsphere_vms_data(const struct np_vsphere_vms *vms, enum np_format format, char **ret,
			struct np_err *err)
{
	NP_AUTO(np_vsphere_overheads_done) struct np_vsphere_overheads all = { 0 };
	const struct np_render_list items = { "vms", vms->n, vm_tree, vms };
	json_t *tree;

	if (np_vsphere_overheads_make(vms, &all, err) < 0)
		return np_err_ret(err);
	tree = json_pack("{s:s, s:s, s:o, s:[], s:o}", "apiVersion", "nodeprep.dev/v1alpha1",
			 "kind", "VMReport", "pass", np_report_verdict_tree(vms->pass), "vms",
			 "overheads", vsphere_list_tree(all.items, all.n, overhead_tree));
	return np_render_lists_take(tree, &items, 1, format, ret, err);
}

/* --- text --------------------------------------------------------------------------------------- */

enum { CELL_MAX = 40, COLUMNS = 8, COLUMNS_WIDE = 14 };

struct row {
	struct np_report_words gpus;
	char needs[CELL_MAX], window[CELL_MAX], version[CELL_MAX], memory[CELL_MAX],
		overhead[CELL_MAX];
};

static void list_gpus(const struct np_vsphere_vm *vm, struct np_report_words *w)
{
	for (size_t i = 0; i < vm->n_gpus; i++) {
		const struct np_vsphere_device *d = &vm->devices[i];

		np_report_words_add(w, "%zux %s", d->count,
				    d->profile[0] != '\0' ? d->profile
				    : d->card             ? d->card->model
							  : "unknown");
	}
}

static void fill_numbers(const struct np_vsphere_vm *vm, struct row *r)
{
	snprintf(r->needs, CELL_MAX, vm->needed_gb > 0 ? "%s%" PRIu64 " GB" : "none",
		 vm->has_need ? "" : "about ", vm->needed_gb);
	snprintf(r->window, CELL_MAX, vm->has_window ? "%" PRIu64 " GB" : "none", vm->window_gb);
	snprintf(r->version, CELL_MAX, vm->hardware_version > 0 ? "vmx-%" PRIu64 : "-",
		 vm->hardware_version);
	snprintf(r->memory, CELL_MAX, "%" PRIu64 "/%" PRIu64 " MB", vm->reservation_mb,
		 vm->memory_mb);
	snprintf(r->overhead, CELL_MAX, vm->has_overhead ? "%.1f MB" : "-", vm->overhead_mb);
}

/* Returns how many cells it filled; the six of -o wide follow the others. */
static size_t fill_cells(const struct np_vsphere_vm *vm, struct row *r, const char **cells)
{
	size_t n = 0;

	list_gpus(vm, &r->gpus);
	fill_numbers(vm, r);
	cells[n++] = vm->name;
	cells[n++] = vsphere_or_dash(vm->cluster);
	cells[n++] = vm->is_template == NP_VERDICT_YES ? "template" : vsphere_or_dash(vm->power);
	cells[n++] = !vm->has_devices ? "unknown" : vm->n_gpus > 0 ? r->gpus.text : "none known";
	cells[n++] = are_gpus_known(vm) ? r->needs : "unknown";
	cells[n++] = vm->has_extra ? r->window : "unknown";
	cells[n++] = vsphere_or_dash(vm->firmware);
	return n;
}

static void fill_row(const void *list, size_t i, void *row, const char **cells)
{
	const struct np_vsphere_vm *vm = &((const struct np_vsphere_vms *)list)->items[i];
	size_t n = fill_cells(vm, row, cells);

	cells[n] = vsphere_result(vm->pass);
}

static void fill_row_wide(const void *list, size_t i, void *row, const char **cells)
{
	const struct np_vsphere_vm *vm = &((const struct np_vsphere_vms *)list)->items[i];
	struct row *r = row;
	size_t n = fill_cells(vm, r, cells);

	cells[n++] = r->version;
	cells[n++] = r->memory;
	cells[n++] = r->overhead;
	cells[n++] = vsphere_or_dash(managers[vm->manager]);
	cells[n++] = vsphere_or_dash(vm->ns);
	cells[n++] = vsphere_or_dash(vm->class_name);
	cells[n] = vsphere_result(vm->pass);
}

static int report_of(const void *list, size_t i, const char **ret_name, struct np_report *ret,
		     struct np_err *err)
{
	const struct np_vsphere_vms *all = list;

	*ret_name = all->items[i].name;
	return np_vsphere_vm_report(all, &all->items[i], ret, err);
}

enum { OVERHEAD_COLUMNS = 4 };

struct overhead_row {
	struct np_report_words gpus, vms;
	char window[CELL_MAX], overhead[CELL_MAX * 2];
};

static void fill_overhead(const void *list, size_t i, void *row, const char **cells)
{
	const struct np_vsphere_overhead *o =
		&((const struct np_vsphere_overheads *)list)->items[i];
	struct overhead_row *r = row;

	list_gpus(o->like, &r->gpus);
	for (size_t k = 0; k < o->vms.n; k++)
		np_report_words_add(&r->vms, "%s", o->vms.items[k]);
	snprintf(r->window, CELL_MAX, o->like->has_window ? "%" PRIu64 " GB" : "none",
		 o->like->window_gb);
	if (o->most_mb > o->least_mb)
		snprintf(r->overhead, sizeof(r->overhead), "%.1f to %.1f MB", o->least_mb,
			 o->most_mb);
	else
		snprintf(r->overhead, sizeof(r->overhead), "%.1f MB", o->most_mb);
	cells[0] = r->gpus.text;
	cells[1] = r->window;
	cells[2] = r->overhead;
	cells[3] = r->vms.text;
}

/* What vCenter measured, by GPUs and window. */
static int write_overheads(FILE *out, const void *list, struct np_err *err)
{
	static const char *const head[OVERHEAD_COLUMNS] = { "GPUS", "WINDOW", "OVERHEAD", "VMS" };
	NP_AUTO(np_vsphere_overheads_done) struct np_vsphere_overheads all = { 0 };
	struct vsphere_table t = { .head = head,
				   .columns = OVERHEAD_COLUMNS,
				   .list = &all,
				   .row_size = sizeof(struct overhead_row),
				   .fill = fill_overhead };

	if (np_vsphere_overheads_make(list, &all, err) < 0)
		return np_err_ret(err);
	t.n = all.n;
	if (all.n == 0)
		return 0;
	fputs("\nMemory overhead\n", out);
	return vsphere_write_table(out, &t, err);
}

int np_vsphere_vms_text(const struct np_vsphere_vms *vms, bool wide, FILE *out, struct np_err *err)
{
	static const char *const head[COLUMNS] = { "VM",    "CLUSTER", "STATE",    "GPUS",
						   "NEEDS", "WINDOW",  "FIRMWARE", "RESULT" };
	static const char *const head_wide[COLUMNS_WIDE] = {
		"VM",       "CLUSTER",  "STATE",    "GPUS",    "NEEDS",     "WINDOW", "FIRMWARE",
		"HARDWARE", "RESERVED", "OVERHEAD", "MANAGER", "NAMESPACE", "CLASS",  "RESULT"
	};
	const struct vsphere_view view = { .table = { .head = wide ? head_wide : head,
						      .columns = wide ? COLUMNS_WIDE : COLUMNS,
						      .n = vms->n,
						      .list = vms,
						      .row_size = sizeof(struct row),
						      .fill = wide ? fill_row_wide : fill_row },
					   .report = report_of,
					   .more = wide ? write_overheads : NULL,
					   .pass = vms->pass,
					   .wide = wide };

	return vsphere_write_view(out, &view, err);
}
