/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"

static bool is_like(const struct np_gpu *row, const struct np_gpu *like, bool is_vgpu)
{
	return strcmp(row->model, like->model) == 0 ||
	       (is_vgpu && strcmp(row->vgpu, like->vgpu) == 0);
}

/* The subsystem tells boards apart that share an id. */
static bool is_sure(const struct np_seen_gpu *gpu)
{
	return gpu->gpu && gpu->has_subsystem &&
	       (gpu->vgpu_type[0] != '\0' || (gpu->gpu->subsystem.vendor == gpu->subsystem.vendor &&
					      gpu->gpu->subsystem.device == gpu->subsystem.device));
}

/* Boards that share an id have rows of their own: any of them may be meant. */
static bool has_row(const struct np_catalogue *cat, struct np_pci_id id, const struct np_gpu *like,
		    bool is_vgpu)
{
	for (size_t i = 0; i < np_gpu_catalogue_count(cat); i++) {
		const struct np_gpu *row = np_gpu_catalogue_at(cat, i);

		if (row->vendor_id != id.vendor || row->device_id != id.device)
			continue;
		if (is_like(row, like, is_vgpu))
			return true;
	}
	return false;
}

static bool covers(const struct np_catalogue *cat, const struct np_expected *e,
		   const struct np_seen_gpu *gpu)
{
	if (e->exact)
		return e->id.vendor == gpu->id.vendor && e->id.device == gpu->id.device;
	if (e->is_vgpu && gpu->is_vgpu == NP_VERDICT_YES)
		return np_gpu_vgpu_is_same(gpu->product[0] != '\0' ? gpu->product : gpu->vgpu_type,
					   e->text);
	if (e->is_vgpu && gpu->is_vgpu == NP_VERDICT_NO)
		return false;
	if (e->gpu && is_sure(gpu))
		return is_like(gpu->gpu, e->gpu, e->is_vgpu);
	return e->gpu && has_row(cat, gpu->id, e->gpu, e->is_vgpu);
}

/* The card fits the profile, but neither the driver nor the subsystem says that it is one. */
static bool is_untold(const struct np_expected *e, const struct np_seen_gpu *gpu)
{
	return e->is_vgpu && gpu->is_vgpu == NP_VERDICT_UNKNOWN && gpu->has_subsystem;
}

/* Exact names match first, so that a model does not take the board that an ID needs. */
static bool take(const struct np_nodecheck_options *o, const struct np_seen_gpu *gpu, bool exact,
		 bool *ret_untold)
{
	struct np_expectation *x = o->expectation;

	for (size_t i = 0; i < x->n; i++) {
		struct np_expected *e = &x->items[i];

		if (e->exact != exact || e->found >= e->count || !covers(o->catalogue, e, gpu))
			continue;
		e->found++;
		*ret_untold = *ret_untold || is_untold(e, gpu);
		return true;
	}
	return false;
}

/* A profile missing in the catalogue may be any remaining GPU. */
static bool is_open(const struct np_expectation *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->items[i].is_vgpu && !x->items[i].gpu &&
		    x->items[i].found < x->items[i].count)
			return true;
	return false;
}

struct matching nodecheck_expectation_match(const struct np_node_hw *m,
					    const struct np_nodecheck_options *o)
{
	struct np_expectation *x = o->expectation;
	struct matching match = { .found = m->n_gpus };

	for (size_t i = 0; i < x->n; i++) {
		x->items[i].found = 0;
		match.expected += x->items[i].count;
	}
	for (size_t i = 0; i < m->n_gpus; i++)
		if (!take(o, &m->gpus[i], true, &match.is_untold) &&
		    !take(o, &m->gpus[i], false, &match.is_untold))
			match.unexpected++;
	match.is_open = match.unexpected > 0 && is_open(x);
	return match;
}
