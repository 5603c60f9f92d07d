/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* A card that a name finds is found by its own model's name too, as a card of that model. */
static void check_name(const struct np_catalogue *cat, const char *text)
{
	static const struct np_gpu untouched = { 0 };
	const struct np_gpu *gpu = &untouched, *again = NULL;
	struct np_err err = NP_ERR_INIT;

	if (np_gpu_find_model(cat, text, &gpu, &err) < 0) {
		require(gpu == &untouched && err.code == NP_E_SPEC && *err.text);
		return;
	}
	require(err.code == NP_OK && np_gpu_find_model(cat, gpu->model, &again, &err) == 0);
	require(strcmp(gpu->model, again->model) == 0);
}

static void check_profile(const struct np_catalogue *cat, const char *text)
{
	const struct np_gpu *gpu = np_gpu_find_vgpu(cat, text);

	char correct[NP_VGPU_PROFILE_MAX], again[NP_VGPU_PROFILE_MAX];

	require(!gpu || *gpu->vgpu);
	require(np_gpu_vgpu_is_same(text, text));
	(void)np_gpu_vgpu_is_compute(text);
	/* What vCenter would list means the same, and is spelt as it should be. */
	if (np_gpu_vgpu_is_misspelt(cat, text, correct)) {
		require(np_gpu_vgpu_is_same(text, correct));
		require(np_gpu_find_vgpu(cat, correct) == gpu);
		require(!np_gpu_vgpu_is_misspelt(cat, correct, again));
	}
}

static void check_capture(const char *text, size_t size)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_gpu_capture_freep) struct np_capture *capture = NULL;
	struct np_err err = NP_ERR_INIT;

	require(np_gpu_catalogue_new(&cat, &err) == 0 && np_gpu_capture_new(&capture, &err) == 0);
	if (np_gpu_capture_read(capture, text, size, &err) == 0 &&
	    np_gpu_capture_add(capture, "fuzz", cat, &err) == 0)
		require(np_gpu_catalogue_count(cat) > 0);
	require(err.code == NP_OK || *err.text);
}

/* A parsed ID is written identically; a refused one leaves the output untouched. */
static void check_id(const struct np_catalogue *cat, const char *text)
{
	struct np_pci_id id = { 1, 2 }, again = { 0, 0 };
	struct np_err err = NP_ERR_INIT;
	char buf[NP_PCI_ID_MAX];
	uint16_t half = 3;

	if (np_gpu_pci_half_parse(text, &half, &err) < 0)
		require(half == 3 && *err.text);
	if (np_gpu_pci_id_parse(text, &id, &err) < 0) {
		require(id.vendor == 1 && id.device == 2 && err.code == NP_E_SPEC);
		return;
	}
	np_gpu_pci_id_format(id, buf);
	require(np_gpu_pci_id_parse(buf, &again, &err) == 0);
	require(again.vendor == id.vendor && again.device == id.device);
	require((np_gpu_pci_classify(cat, id) == NP_PCI_GPU) == !!np_gpu_find_id(cat, id));
}

static void check_rows(const struct np_catalogue *cat)
{
	for (size_t i = 0; i < np_gpu_catalogue_count(cat); i++) {
		const struct np_gpu *gpu = np_gpu_catalogue_at(cat, i);
		const struct np_gpu *by_id =
			np_gpu_find_id(cat, (struct np_pci_id){ gpu->vendor_id, gpu->device_id });

		require(by_id && by_id->device_id == gpu->device_id);
		for (size_t k = 0; k < gpu->n_bars; k++)
			require(gpu->bars[k].bytes == 0 || np_is_pow2(gpu->bars[k].bytes));
	}
}

/* A document that is refused changes nothing. */
static void check_add(struct np_catalogue *cat, const uint8_t *data, size_t size)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_err err = NP_ERR_INIT;
	size_t before = np_gpu_catalogue_count(cat);

	if (np_doc_reader_new("cards.yaml", (const char *)data, size, &reader, &err) < 0 ||
	    np_doc_reader_next(reader, &doc, &err) <= 0)
		return;
	if (np_gpu_catalogue_add(cat, doc, &err) < 0)
		require(np_gpu_catalogue_count(cat) == before && err.code == NP_E_SPEC &&
			*err.text);
	check_rows(cat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_freep) char *text = strndup((const char *)data, size);
	struct np_err err = NP_ERR_INIT;

	if (!text || np_gpu_catalogue_new(&cat, &err) < 0)
		return 0;
	check_name(cat, text);
	check_profile(cat, text);
	check_id(cat, text);
	check_capture((const char *)data, size);
	check_add(cat, data, size);
	check_name(cat, text);
	check_profile(cat, text);
	return 0;
}
