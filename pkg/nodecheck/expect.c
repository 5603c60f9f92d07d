/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"

/* Boards that share an id have rows of their own: any of them may be meant. */
static bool has_row(const struct np_catalogue *cat, struct np_pci_id id, const struct np_gpu *like,
		    bool is_vgpu)
{
	for (size_t i = 0; i < np_gpu_catalogue_count(cat); i++) {
		const struct np_gpu *row = np_gpu_catalogue_at(cat, i);

		if (row->vendor_id != id.vendor || row->device_id != id.device)
			continue;
		if (strcmp(row->model, like->model) == 0 ||
		    (is_vgpu && strcmp(row->vgpu, like->vgpu) == 0))
			return true;
	}
	return false;
}

/* The driver says "GRID A100-40C" of what vCenter calls grid_a100-40c. */
static bool is_profile(const char *product, const char *profile)
{
	for (; *product != '\0' && *profile != '\0'; product++, profile++) {
		char c = *product == ' ' ? '_' : (char)tolower((unsigned char)*product);

		if (c != tolower((unsigned char)*profile))
			return false;
	}
	return *product == '\0' && *profile == '\0';
}

static bool covers(const struct np_catalogue *cat, const struct np_expected *e,
		   const struct np_seen_gpu *gpu)
{
	if (e->exact)
		return e->id.vendor == gpu->id.vendor && e->id.device == gpu->id.device;
	if (e->is_vgpu && gpu->is_vgpu == NP_VERDICT_YES)
		return is_profile(gpu->product, e->text);
	if (e->is_vgpu && gpu->is_vgpu == NP_VERDICT_NO)
		return false;
	return e->gpu && has_row(cat, gpu->id, e->gpu, e->is_vgpu);
}

/* Exact names match first, so that a model does not take the board that an ID needs. */
static bool take(const struct np_nodecheck_options *o, const struct np_seen_gpu *gpu, bool exact)
{
	struct np_expectation *x = o->expectation;

	for (size_t i = 0; i < x->n; i++) {
		struct np_expected *e = &x->items[i];

		if (e->exact == exact && e->found < e->count && covers(o->catalogue, e, gpu)) {
			e->found++;
			return true;
		}
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
		if (!take(o, &m->gpus[i], true) && !take(o, &m->gpus[i], false))
			match.unexpected++;
	match.is_open = match.unexpected > 0 && is_open(x);
	return match;
}
