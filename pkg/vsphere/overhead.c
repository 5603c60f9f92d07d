/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/plan.h"

/* --- what is compared --------------------------------------------------------------------------- */

/* The GPUs and the window of a VM, or of a class (where `vm` is NULL). */
struct shape {
	const struct np_vsphere_vm *vm;
	const struct np_plan_class *class;
};

/* Equal GPUs of a shape. */
struct kind {
	const struct np_gpu *card;
	const char *profile; /* NULL or "": a whole card */
	bool has_id;
	struct np_pci_id id;
	uint64_t count;
};

static size_t count_kinds(const struct shape *s)
{
	return s->vm ? s->vm->n_gpus : s->class->n_cards;
}

static struct kind kind_at(const struct shape *s, size_t i)
{
	if (s->vm) {
		const struct np_vsphere_device *d = &s->vm->devices[i];

		return (struct kind){ d->card, d->profile, d->has_id, d->id, d->count };
	}
	return (struct kind){ s->class->cards[i].gpu, s->class->cards[i].profile,
			      s->class->cards[i].has_id, s->class->cards[i].id,
			      s->class->cards[i].addend.count };
}

static uint64_t window_of(const struct shape *s)
{
	if (s->vm)
		return s->vm->has_window ? s->vm->window_gb : 0;
	return s->class->change.window_gb;
}

static bool has_profile(const struct kind *k)
{
	return k->profile && k->profile[0] != '\0';
}

/* Boards of one model count as equal. */
static bool is_same_kind(const struct kind *a, const struct kind *b)
{
	if (has_profile(a) || has_profile(b))
		return has_profile(a) && has_profile(b) &&
		       np_gpu_vgpu_is_same(a->profile, b->profile);
	if (a->card || b->card)
		return a->card && b->card && strcmp(a->card->model, b->card->model) == 0;
	return a->has_id && b->has_id && a->id.vendor == b->id.vendor &&
	       a->id.device == b->id.device;
}

/* Counts the GPUs of a kind; NULL: of any. */
static uint64_t count_gpus(const struct shape *s, const struct kind *k)
{
	uint64_t n = 0;

	for (size_t i = 0; i < count_kinds(s); i++) {
		const struct kind one = kind_at(s, i);

		n += !k || is_same_kind(&one, k) ? one.count : 0;
	}
	return n;
}

/* A GPU that is not known equals none, itself included. */
static bool is_same(const struct shape *a, const struct shape *b)
{
	if (window_of(a) != window_of(b) || count_gpus(a, NULL) != count_gpus(b, NULL))
		return false;
	for (size_t i = 0; i < count_kinds(a); i++) {
		const struct kind k = kind_at(a, i);

		if (!is_same_kind(&k, &k) || count_gpus(a, &k) != count_gpus(b, &k))
			return false;
	}
	return true;
}

/* --- the table ---------------------------------------------------------------------------------- */

static struct np_vsphere_overhead *find_row(struct np_vsphere_overheads *all, const struct shape *s)
{
	for (size_t i = 0; i < all->n; i++)
		if (is_same(s, &(struct shape){ .vm = all->items[i].like }))
			return &all->items[i];
	return NULL;
}

static int add_row(struct np_vsphere_overheads *all, const struct np_vsphere_vm *vm,
		   struct np_err *err)
{
	struct np_vsphere_overhead *items =
		reallocarray(all->items, all->n + 1, sizeof(*all->items));

	if (!items)
		return np_fail_nomem(err);
	all->items = items;
	items[all->n++] = (struct np_vsphere_overhead){ .like = vm,
							.least_mb = vm->overhead_mb,
							.most_mb = vm->overhead_mb };
	return 0;
}

static int add_vm(struct np_vsphere_overheads *all, const struct np_vsphere_vm *vm,
		  struct np_err *err)
{
	const struct shape s = { .vm = vm };
	struct np_vsphere_overhead *row = find_row(all, &s);

	if (!row) {
		if (add_row(all, vm, err) < 0)
			return np_err_ret(err);
		row = &all->items[all->n - 1];
	}
	row->least_mb = vm->overhead_mb < row->least_mb ? vm->overhead_mb : row->least_mb;
	row->most_mb = vm->overhead_mb > row->most_mb ? vm->overhead_mb : row->most_mb;
	return vsphere_names_add(&row->vms, vm->name, err);
}

static bool is_measured(const struct np_vsphere_vm *vm)
{
	const struct shape s = { .vm = vm };

	return vm->has_overhead && vm->has_extra && vm->n_gpus > 0 && is_same(&s, &s);
}

void np_vsphere_overheads_done(struct np_vsphere_overheads *all)
{
	for (size_t i = 0; i < all->n; i++)
		vsphere_names_done(&all->items[i].vms);
	free(all->items);
	*all = (struct np_vsphere_overheads){ 0 };
}

int np_vsphere_overheads_make(const struct np_vsphere_vms *vms, struct np_vsphere_overheads *ret,
			      struct np_err *err)
{
	NP_AUTO(np_vsphere_overheads_done) struct np_vsphere_overheads all = { 0 };

	for (size_t i = 0; i < vms->n; i++)
		if (is_measured(&vms->items[i]) && add_vm(&all, &vms->items[i], err) < 0)
			return np_err_ret(err);
	*ret = all;
	all = (struct np_vsphere_overheads){ 0 };
	return 0;
}

/* --- the plan ----------------------------------------------------------------------------------- */

static int note_class(const struct np_vsphere_overheads *all, struct np_plan *plan, size_t i,
		      struct np_err *err)
{
	const struct np_plan_class *c = &plan->classes[i];
	struct np_plan_measured o = { .is_asked = true };
	json_auto_t *names = NULL;

	if (c->has_gpus && c->change.has_window) {
		const struct shape s = { .class = c };

		for (size_t k = 0; k < all->n && !o.vms; k++) {
			const struct np_vsphere_overhead *row = &all->items[k];

			if (!is_same(&s, &(struct shape){ .vm = row->like }))
				continue;
			names = vsphere_names_tree(&row->vms);
			if (!names)
				return np_fail_nomem(err);
			o.vms = names;
			o.least_mb = row->least_mb;
			o.most_mb = row->most_mb;
		}
	}
	np_plan_note_overhead(plan, i, &o);
	return 0;
}

int np_vsphere_note_overhead(const struct np_vsphere_vms *vms, struct np_plan *plan,
			     struct np_err *err)
{
	NP_AUTO(np_vsphere_overheads_done) struct np_vsphere_overheads all = { 0 };

	if (np_vsphere_overheads_make(vms, &all, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < plan->n_classes; i++)
		if (note_class(&all, plan, i, err) < 0)
			return np_err_ret(err);
	return 0;
}
