/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/render.h"

/* --- JSON --------------------------------------------------------------------------------------- */

static json_t *device_tree(const struct np_vsphere_device *d)
{
	char id[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(d->id, id);
	return json_pack("{s:o, s:o, s:o, s:o, s:I}", "model",
			 d->card ? json_string(d->card->model) : json_null(), "pciID",
			 d->has_id ? json_string(id) : json_null(), "vgpuProfile",
			 vsphere_text_tree(d->profile), "kind", vsphere_text_tree(d->kind), "count",
			 (json_int_t)d->count);
}

static json_t *gpus_tree(const struct np_vsphere_vm *vm)
{
	json_t *list = json_array();

	for (size_t i = 0; i < vm->n_devices; i++) {
		if (vm->devices[i].is_gpu &&
		    json_array_append_new(list, device_tree(&vm->devices[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
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
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:n, s:o}", "name",
			 vsphere_text_tree(vm->name), "cluster", vsphere_text_tree(vm->cluster),
			 "host", vsphere_text_tree(vm->host), "template",
			 np_report_verdict_tree(vm->is_template), "powerState",
			 vsphere_text_tree(vm->power), "namespace", vsphere_text_tree(vm->ns),
			 "virtualMachine", vsphere_text_tree(vm->service_name), "class",
			 "managedBy", vsphere_text_tree(vm->manager));
}

static json_t *facts_tree(const struct np_vsphere_vm *vm)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "gpus",
			 gpus_tree(vm), "neededMMIOGB", number_tree(vm->has_need, vm->needed_gb),
			 "mmioGB", number_tree(vm->has_window, vm->window_gb), "firmware",
			 vsphere_text_tree(vm->firmware), "hardwareVersion",
			 number_tree(vm->hardware_version > 0, vm->hardware_version), "memoryMB",
			 number_tree(vm->memory_mb > 0, vm->memory_mb), "reservationMB",
			 number_tree(vm->has_reservation, vm->reservation_mb), "reservationLocked",
			 np_report_verdict_tree(vm->reservation_locked), "overheadMB",
			 real_tree(vm->has_overhead, vm->overhead_mb), "overheadEstimateMB",
			 real_tree(vm->has_estimate, vm->estimate_mb), "ok",
			 np_report_verdict_tree(vm->report.pass), "checks",
			 np_report_probes_tree(&vm->report));
}

static json_t *vm_tree(const struct np_vsphere_vm *vm)
{
	json_t *tree = place_tree(vm), *more = facts_tree(vm);
	int failed = json_object_update(tree, more);

	json_decref(more);
	if (failed < 0) {
		json_decref(tree);
		return NULL;
	}
	return tree;
}

json_t *np_vsphere_vms_tree(const struct np_vsphere_vms *vms)
{
	json_t *list = json_array();

	for (size_t i = 0; i < vms->n; i++) {
		if (json_array_append_new(list, vm_tree(&vms->items[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "nodeprep.dev/v1alpha1", "kind",
			 "VMReport", "pass", np_report_verdict_tree(vms->pass), "vms", list);
}

/* --- text --------------------------------------------------------------------------------------- */

enum { CELL_MAX = 40, COLUMNS = 8, COLUMNS_WIDE = 11 };

struct row {
	struct np_report_words gpus;
	char needs[CELL_MAX], window[CELL_MAX], version[CELL_MAX], memory[CELL_MAX],
		overhead[CELL_MAX];
};

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void list_gpus(const struct np_vsphere_vm *vm, struct np_report_words *w)
{
	for (size_t i = 0; i < vm->n_devices; i++) {
		const struct np_vsphere_device *d = &vm->devices[i];

		if (d->is_gpu)
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

static void fill_row(const struct np_vsphere_vm *vm, struct row *r, const char **cells, bool wide)
{
	size_t n = 0;

	list_gpus(vm, &r->gpus);
	fill_numbers(vm, r);
	cells[n++] = vm->name;
	cells[n++] = or_dash(vm->cluster);
	cells[n++] = vm->is_template == NP_VERDICT_YES ? "template" : or_dash(vm->power);
	cells[n++] = r->gpus.text;
	cells[n++] = r->needs;
	cells[n++] = vm->has_extra ? r->window : "unknown";
	cells[n++] = or_dash(vm->firmware);
	if (wide) {
		cells[n++] = r->version;
		cells[n++] = r->memory;
		cells[n++] = r->overhead;
	}
	cells[n++] = vsphere_result(vm->report.pass);
}

static int write_table(FILE *out, const struct np_vsphere_vms *vms, bool wide, struct np_err *err)
{
	static const char *const head[COLUMNS] = { "VM",    "CLUSTER", "STATE",    "GPUS",
						   "NEEDS", "WINDOW",  "FIRMWARE", "RESULT" };
	static const char *const head_wide[COLUMNS_WIDE] = { "VM",       "CLUSTER",  "STATE",
							     "GPUS",     "NEEDS",    "WINDOW",
							     "FIRMWARE", "HARDWARE", "RESERVED",
							     "OVERHEAD", "RESULT" };
	size_t columns = wide ? COLUMNS_WIDE : COLUMNS;
	NP_AUTO(np_freep) struct row *rows = calloc(vms->n + 1, sizeof(*rows));
	NP_AUTO(np_freep) const char **cells = calloc((vms->n + 1) * columns, sizeof(*cells));
	NP_AUTO(np_freep) char *text = NULL;

	if (!rows || !cells)
		return np_fail_nomem(err);
	memcpy(cells, wide ? head_wide : head, columns * sizeof(*cells));
	for (size_t i = 0; i < vms->n; i++)
		fill_row(&vms->items[i], &rows[i], cells + (i + 1) * columns, wide);
	if (np_render_rows(cells, columns, vms->n + 1, &text, err) < 0)
		return np_err_ret(err);
	fputs(text, out);
	return 0;
}

int np_vsphere_vms_text(const struct np_vsphere_vms *vms, bool wide, char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	int r;

	if (!out)
		return np_fail_nomem(err);
	r = write_table(out, vms, wide, err);
	for (size_t i = 0; r == 0 && i < vms->n; i++)
		vsphere_write_report(out, vms->items[i].name, &vms->items[i].report, wide);
	fprintf(out, "\nresult: %s\n", vsphere_result(vms->pass));
	if (fclose(out) == EOF && r == 0)
		return np_fail_nomem(err);
	if (r < 0)
		return r;
	*ret = np_take(bytes);
	return 0;
}
