/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"
#include "vgpu_types.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/gpu.h"

#define N_RUNS (sizeof(vgpu_runs) / sizeof(vgpu_runs[0]))

/* Sets *ret_size to the length of type `n` of the run; NULL where it has fewer, or a gap there. */
static const char *type_at(const struct vgpu_run *run, unsigned n, size_t *ret_size)
{
	const char *type = run->types;

	for (; n > 0; n--) {
		type = strchr(type, ' ');
		if (!type)
			return NULL;
		type++;
	}
	*ret_size = strcspn(type, " ");
	return *type == '-' ? NULL : type;
}

/* Returns the run with the subsystem's type, and the type; NULL: none. */
static const struct vgpu_run *find_type(struct np_pci_id id, struct np_pci_id subsystem,
					const char **ret_type, size_t *ret_size)
{
	if (id.vendor != NP_PCI_VENDOR_NVIDIA || subsystem.vendor != NP_PCI_VENDOR_NVIDIA)
		return NULL;
	for (size_t i = 0; i < N_RUNS; i++) {
		const struct vgpu_run *run = &vgpu_runs[i];

		if (run->device != id.device || run->subsystem > subsystem.device)
			continue;
		*ret_type = type_at(run, (unsigned)(subsystem.device - run->subsystem), ret_size);
		if (*ret_type)
			return run;
	}
	return NULL;
}

bool np_gpu_vgpu_of_subsystem(struct np_pci_id id, struct np_pci_id subsystem,
			      char buf[static NP_VGPU_NAME_MAX])
{
	const char *type = NULL;
	size_t size = 0;
	const struct vgpu_run *run = find_type(id, subsystem, &type, &size);

	if (!run)
		return false;
	snprintf(buf, NP_VGPU_NAME_MAX, "%s-%.*s", run->board, (int)size, type);
	return true;
}

static bool has_id(const struct np_gpu *gpu, struct np_pci_id id)
{
	return gpu->vendor_id == id.vendor && gpu->device_id == id.device;
}

static const struct np_gpu *find_subsystem(const struct np_catalogue *cat, struct np_pci_id id,
					   struct np_pci_id subsystem)
{
	for (size_t i = 0; i < cat->n; i++) {
		const struct np_gpu *gpu = cat->rows[i];

		if (has_id(gpu, id) && gpu->subsystem.vendor == subsystem.vendor &&
		    gpu->subsystem.device == subsystem.device)
			return gpu;
	}
	return NULL;
}

const struct np_gpu *np_gpu_find_board(const struct np_catalogue *cat, struct np_pci_id id,
				       struct np_pci_id subsystem)
{
	const struct np_gpu *gpu = NULL;
	char type[NP_VGPU_NAME_MAX];

	if (subsystem.vendor != 0)
		gpu = find_subsystem(cat, id, subsystem);
	if (!gpu && np_gpu_vgpu_of_subsystem(id, subsystem, type))
		gpu = np_gpu_find_vgpu(cat, type);
	return gpu && has_id(gpu, id) ? gpu : np_gpu_find_id(cat, id);
}
