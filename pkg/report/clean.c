/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "nodeprep/report.h"

void np_report_copy_clean(char *ret, size_t max, const char *text, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < size && used + 1 < max; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\t')
			c = ' ';
		ret[used++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	ret[used] = '\0';
}

void np_report_identify(struct np_seen_gpu *gpu, const struct np_catalogue *cat, bool is_in_vm)
{
	if (!gpu->has_subsystem) {
		gpu->gpu = np_gpu_find_id(cat, gpu->id);
		return;
	}
	gpu->gpu = np_gpu_find_board(cat, gpu->id, gpu->subsystem);
	if (is_in_vm && np_gpu_vgpu_of_subsystem(gpu->id, gpu->subsystem, gpu->vgpu_type))
		gpu->is_vgpu = NP_VERDICT_YES;
}

bool np_report_is_vgpu_product(const char *product)
{
	const char *dash = strrchr(product, '-');
	size_t digits;

	if (strncmp(product, "GRID ", 5) == 0)
		return true;
	/* "NVIDIA H200-70C": a frame buffer in GB and one letter of a class. */
	if (!dash)
		return false;
	digits = strspn(dash + 1, "0123456789");
	return digits > 0 && digits < 4 && dash[1 + digits] != '\0' &&
	       strchr("ABCQ", dash[1 + digits]) &&
	       (dash[2 + digits] == '\0' || strcmp(dash + 2 + digits, "ME") == 0);
}
