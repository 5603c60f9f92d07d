/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Names a card by two bytes of the input, known or not. */
static const struct np_gpu *pick(const struct np_catalogue *cat, const uint8_t *data)
{
	size_t at = (size_t)data[0] << 8 | data[1];

	return at % 3 == 0 ? NULL : np_gpu_catalogue_at(cat, at % np_gpu_catalogue_count(cat));
}

/* For any input, a GPU that is ok has an address for each BAR, and every BAR of the catalogue. */
static void check_gpu(const struct np_seen_gpu *gpu)
{
	require(gpu->n_bars <= NP_GPU_BARS_MAX);
	if (gpu->ok != NP_VERDICT_YES)
		return;
	require(gpu->n_bars > 0 && !gpu->is_lost && gpu->has_resource);
	for (size_t i = 0; i < gpu->n_bars; i++) {
		require(gpu->bars[i].assigned == NP_VERDICT_YES && gpu->bars[i].address > 0);
		require(i == 0 || gpu->bars[i].index > gpu->bars[i - 1].index);
	}
}

/* 64 bytes of config space, then a `resource` file. */
static void fuzz_device(const struct np_catalogue *cat, const uint8_t *data, size_t size)
{
	struct np_seen_gpu gpu = { .iommu_group = -1 };
	struct np_seen_bridge bridge = { .domain = 0 };
	struct regions regions;
	bool has_regions;

	if (size < CONFIG_BYTES + 3)
		return;
	gpu.gpu = pick(cat, data);
	gpu.is_vf = (data[2] & 1) != 0;
	data += 3;
	size -= 3;
	has_regions = nodecheck_regions_parse((const char *)data + CONFIG_BYTES,
					      size - CONFIG_BYTES, &regions);
	if (nodecheck_read_bridge(&bridge, has_regions ? &regions : NULL, data))
		require(bridge.n_windows <= NP_BRIDGE_WINDOWS_MAX);
	nodecheck_read_bars(&gpu, has_regions ? &regions : NULL, (data[0] & 1) != 0 ? data : NULL);
	check_gpu(&gpu);
}

static void fuzz_log(const char *bytes, size_t size)
{
	struct np_kernel_log *log = calloc(1, sizeof(*log));

	if (!log)
		return;
	np_nodecheck_log_parse(log, bytes, size);
	require(log->n <= NP_LOG_FINDINGS_MAX && log->n <= log->n_lines);
	for (size_t i = 0; i < log->n; i++) {
		require(log->findings[i].address[0] == '\0' ||
			np_report_is_address(log->findings[i].address));
		require(strlen(log->findings[i].text) < sizeof(log->findings[i].text));
	}
	free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct np_catalogue *cat;
	struct np_err err = NP_ERR_INIT;
	char *copy;

	if (size == 0 || (!cat && np_gpu_catalogue_new(&cat, &err) < 0))
		return 0;
	/* A copy without a NUL behind it: a step too far is seen. */
	copy = malloc(size - 1 > 0 ? size - 1 : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	switch (data[0]) {
	case 'd':
		fuzz_device(cat, (const uint8_t *)copy, size - 1);
		break;
	default:
		fuzz_log(copy, size - 1);
		break;
	}
	free(copy);
	return 0;
}
