/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/gpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/units.h"

/* The corpus is replayed through the fuzz target itself. */
#include "catalogue.h"
#include "expect.h"
#include "files.h"

#include "gpu_fuzz.c"

static void check_bars(const struct np_gpu *gpu)
{
	for (size_t k = 0; k < gpu->n_bars; k++) {
		const struct np_bar *bar = &gpu->bars[k];

		assert_true(bar->index < NP_GPU_BARS_MAX);
		assert_true(k == 0 || bar->index > gpu->bars[k - 1].index);
		assert_int_equal(bar->bytes == 0, bar->figure == NP_SIZE_SOURCE_NONE);
		assert_true(bar->bytes == 0 || np_is_pow2(bar->bytes));
		assert_true(bar->figure == NP_SIZE_SOURCE_NONE ||
			    bar->figure == NP_SIZE_SOURCE_ASSUMED || *gpu->bar_source);
	}
}

static void test_gpu__every_row_is_sane(void **state)
{
	size_t n = np_gpu_catalogue_count(catalogue);

	(void)state;
	assert_true(n > 100);
	assert_null(np_gpu_catalogue_at(catalogue, n));
	for (size_t i = 0; i < n; i++) {
		const struct np_gpu *gpu = np_gpu_catalogue_at(catalogue, i);
		struct np_pci_id id = { gpu->vendor_id, gpu->device_id };
		const struct np_gpu *by_id = np_gpu_find_id(catalogue, id);

		check_bars(gpu);
		assert_non_null(by_id);
		assert_int_equal(by_id->device_id, gpu->device_id);
		assert_true(by_id->memory_gb >= gpu->memory_gb);
		assert_int_equal(np_gpu_pci_classify(catalogue, id), NP_PCI_GPU);
		assert_int_equal(gpu->published_mmio_gb > 0, *gpu->mmio_source != '\0');
		assert_true(gpu->published_mmio_gb == 0 || np_is_pow2(gpu->published_mmio_gb));
		assert_true(*gpu->model && *gpu->product && !strchr(gpu->model, ' '));
	}
}

static const struct fact {
	const char *id, *product;
	unsigned memory_gb, published_gb;
	uint64_t large_mb; /* of the largest BAR; 0: not known */
	enum np_size_source figure;
	bool has_figure;
} facts[] = {
	{ "10de:20b0", "A100 SXM4 40GB", 40, 128, 65536, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:20b5", "A100 PCIe 80GB", 80, 256, 131072, NP_SIZE_SOURCE_PUBLISHED, true },
	{ "10de:1eb8", "T4", 16, 0, 256, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:1e78", "Quadro RTX 8000 Passive", 48, 64, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:25b6", "A2", 16, 0, 16384, NP_SIZE_SOURCE_PUBLISHED, true },
	{ "10de:2335", "H200 SXM 141GB", 141, 512, 262144, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2342", "GH200 96GB", 96, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:2920", "B100 (2920)", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "8086:0bd5", "Data Center GPU Max 1550", 128, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2331", "H100 PCIe 80GB", 80, 256, 131072, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2335", "H200 SXM 141GB", 141, 512, 262144, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2901", "B200 SXM 180GB", 180, 0, 262144, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:3182", "B300 SXM6 288GB", 288, 0, 524288, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2bb5", "RTX PRO 6000 Blackwell Server Edition", 96, 0, 131072,
	  NP_SIZE_SOURCE_OBSERVED, true },
	{ "1002:738c", "Instinct MI100", 32, 0, 32768, NP_SIZE_SOURCE_OBSERVED, true },
	{ "1002:740f", "Instinct MI210", 64, 0, 65536, NP_SIZE_SOURCE_OBSERVED, true },
	{ "1002:74a1", "Instinct MI300X", 192, 0, 262144, NP_SIZE_SOURCE_OBSERVED, true },
	{ "8086:56c0", "Data Center GPU Flex 170", 16, 0, 16384, NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2bb1", "RTX PRO 6000 Blackwell Workstation Edition", 96, 0, 131072,
	  NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2bb4", "RTX PRO 6000 Blackwell Max-Q Workstation Edition", 96, 0, 131072,
	  NP_SIZE_SOURCE_OBSERVED, true },
	{ "10de:2bb2", "RTX PRO 6000D Blackwell Workstation Edition", 84, 0, 131072,
	  NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2bbc", "RTX PRO 6000D Blackwell Max-Q Workstation Edition", 84, 0, 131072,
	  NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2bb3", "RTX PRO 5000 Blackwell", 72, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2bb9", "RTX 6000D", 84, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2c31", "RTX PRO 4500 Blackwell", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2c3a", "RTX PRO 4500 Blackwell Server Edition", 32, 0, 32768,
	  NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2909", "HGX B200 168GB", 168, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:29bc", "B100 192GB", 192, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:31c2", "GB300", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:31c3", "GB300 (31c3)", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:31a1", "GB300 (31a1)", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:230e", "H20 NVL16 (230e)", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:230c", "H20 NVL16", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:2328", "H20B", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:2313", "H100 CNX", 80, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2336", "H100 (2336)", 0, 256, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:2338", "H100 SXM5 96GB", 96, 256, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:233d", "H100 96GB (233d)", 96, 256, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:20b3", "A100 SXM4 64GB", 64, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:20b6", "A100 PG506-232", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:20bd", "A800 SXM4 40GB", 40, 0, 65536, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:20fd", "AX800", 80, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:26b7", "L20 (26b7)", 48, 128, 65536, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:26b8", "L40G", 24, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:26f5", "L40 CNX", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "10de:2232", "RTX A4500", 20, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2237", "A10G", 24, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2238", "A10M", 20, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:24b0", "RTX A4000", 16, 0, 16384, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:2531", "RTX A2000 6GB", 6, 0, 8192, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:27b0", "RTX 4000 SFF Ada Generation", 20, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:27b1", "RTX 4500 Ada Generation", 24, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:27b2", "RTX 4000 Ada Generation", 20, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "10de:1e30", "Quadro RTX 8000", 48, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:1e37", "T10", 16, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:13f2", "M60", 8, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:13bd", "M10", 8, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:1bb4", "P6", 16, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:13f3", "M6", 8, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "10de:102d", "K80", 12, 0, 16384, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:6860", "Instinct MI25", 16, 0, 16384, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:66a0", "Instinct MI60", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:66a1", "Instinct MI50 32GB", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:738e", "Instinct MI100 (738e)", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:73a1", "Radeon PRO V620", 32, 0, 32768, NP_SIZE_SOURCE_OBSERVED, true },
	{ "1002:73ae", "Radeon PRO V620 MxGPU", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:7460", "Radeon PRO V710", 28, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:7461", "Radeon PRO V710 MxGPU", 28, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:74a0", "Instinct MI300A", 128, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "1002:74a2", "Instinct MI308X", 192, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:74a9", "Instinct MI300X HF", 192, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:74bd", "Instinct MI300X HF VF", 192, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:74b5", "Instinct MI300X VF", 192, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:74b9", "Instinct MI325X VF", 256, 0, 262144, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:75a0", "Instinct MI350X", 288, 0, 524288, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:75a3", "Instinct MI355X", 288, 0, 524288, NP_SIZE_SOURCE_DERIVED, true },
	{ "1002:75a8", "Instinct MI350P", 0, 0, 0, NP_SIZE_SOURCE_NONE, false },
	{ "8086:0b69", "Data Center GPU Max 1450", 128, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:0b6e", "Data Center GPU Max 1100C", 48, 0, 65536, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:0bd4", "Data Center GPU Max 1550VG", 128, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:0bd7", "Data Center GPU Max 1350", 96, 0, 131072, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:0bd8", "Data Center GPU Max 1350 (0bd8)", 96, 0, 131072, NP_SIZE_SOURCE_DERIVED,
	  true },
	{ "8086:56c2", "Data Center GPU Flex 170V", 16, 0, 16384, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:e211", "Arc Pro B60", 24, 0, 32768, NP_SIZE_SOURCE_OBSERVED, true },
	{ "8086:e212", "Arc Pro B50", 16, 0, 16384, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:e222", "Arc Pro B65", 32, 0, 32768, NP_SIZE_SOURCE_DERIVED, true },
	{ "8086:e223", "Arc Pro B70", 32, 0, 32768, NP_SIZE_SOURCE_OBSERVED, true },
	{ "1da3:1020", "Gaudi 2 (HL-225)", 96, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "1da3:1060", "Gaudi 3 OAM (HL-325)", 128, 0, 0, NP_SIZE_SOURCE_NONE, true },
	{ "1da3:1063", "Gaudi 3 PCIe (HL-338)", 128, 0, 0, NP_SIZE_SOURCE_NONE, true },
};

static void test_gpu__cards_are_found_by_id_with_their_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(facts); i++) {
		struct np_bar large = { 0 };
		struct np_err err = NP_ERR_INIT;
		const struct np_gpu *gpu = NULL;
		struct np_pci_id id;

		print_message("  %s\n", facts[i].id);
		assert_int_equal(np_gpu_pci_id_parse(facts[i].id, &id, &err), 0);
		gpu = np_gpu_find_id(catalogue, id);
		assert_non_null(gpu);
		assert_string_equal(gpu->product, facts[i].product);
		assert_int_equal(gpu->memory_gb, facts[i].memory_gb);
		assert_int_equal(gpu->published_mmio_gb, facts[i].published_gb);
		assert_int_equal(gpu->has_figure, facts[i].has_figure);
		for (size_t k = 0; k < gpu->n_bars; k++)
			if (gpu->bars[k].bytes > large.bytes)
				large = gpu->bars[k];
		if (facts[i].large_mb == 0)
			assert_true(large.bytes <= 64 * NP_MIB);
		else
			assert_int_equal(large.figure, facts[i].figure);
		if (facts[i].large_mb > 0)
			assert_int_equal(large.bytes, facts[i].large_mb * NP_MIB);
	}
}

static const struct classified {
	const char *sentence;
	struct np_pci_id id;
	enum np_pci_class class;
} classified[] = {
	{ "an A100", { 0x10de, 0x20b0 }, NP_PCI_GPU },
	{ "an MI300X", { 0x1002, 0x74a1 }, NP_PCI_GPU },
	{ "an Intel Flex", { 0x8086, 0x56c0 }, NP_PCI_GPU },
	{ "an unknown card of NVIDIA's", { 0x10de, 0x290a }, NP_PCI_GPU_UNKNOWN },
	{ "an unknown card of AMD's", { 0x1002, 0x73bf }, NP_PCI_GPU_UNKNOWN },
	{ "a Gaudi 3", { 0x1da3, 0x1060 }, NP_PCI_GPU },
	{ "an unknown accelerator of Habana's", { 0x1da3, 0x1080 }, NP_PCI_GPU_UNKNOWN },
	{ "an unknown device of Intel's", { 0x8086, 0xe2ff }, NP_PCI_OTHER },
	{ "the A100's NVSwitch", { 0x10de, 0x1af1 }, NP_PCI_OTHER },
	{ "the H100's NVSwitch", { 0x10de, 0x22a3 }, NP_PCI_OTHER },
	{ "sound beside an RTX 6000 Ada", { 0x10de, 0x22ba }, NP_PCI_OTHER },
	{ "USB beside a Quadro RTX 8000", { 0x10de, 0x1ad6 }, NP_PCI_OTHER },
	{ "an Intel NIC", { 0x8086, 0x1572 }, NP_PCI_OTHER },
	{ "a ConnectX", { 0x15b3, 0x1017 }, NP_PCI_OTHER },
	{ "nothing at all", { 0, 0 }, NP_PCI_OTHER },
};

static void test_gpu__functions_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(classified); i++) {
		print_message("  %s\n", classified[i].sentence);
		assert_int_equal(np_gpu_pci_classify(catalogue, classified[i].id),
				 classified[i].class);
	}
}

/* Devices that are not counted and may be GPUs. */
static void test_gpu__unknown_ids_of_unknown_vendors_may_be_gpus(void **state)
{
	static const struct {
		const char *sentence;
		struct np_pci_id id;
		bool may_be;
	} rows[] = {
		{ "of Tenstorrent", { 0x1e52, 0xb140 }, true },
		{ "of Google", { 0x1ae0, 0x0063 }, true },
		{ "of Amazon", { 0x1d0f, 0x7064 }, true },
		{ "of Crucial", { 0xc0a9, 0x540a }, true },
		{ "of nobody", { 0xfffe, 0x0001 }, true },
		{ "an unknown device of Intel", { 0x8086, 0xe2ff }, true },
		{ "a NIC of Intel", { 0x8086, 0x1572 }, false },
		{ "an A100, which is counted", { 0x10de, 0x20b0 }, false },
		{ "an unknown card of NVIDIA, which is counted", { 0x10de, 0x290a }, false },
		{ "an NVSwitch", { 0x10de, 0x22a3 }, false },
		{ "an unknown device of Mellanox", { 0x15b3, 0xffff }, false },
		{ "an unknown drive of Samsung", { 0x144d, 0xffff }, false },
		{ "an HBA of LSI", { 0x1000, 0x00af }, false },
		{ "a virtual NIC of Cisco", { 0x1137, 0x0071 }, false },
		{ "a drive of Toshiba", { 0x1179, 0x010e }, false },
		{ "a NIC of Emulex under its second id", { 0x19a2, 0x0710 }, false },
		{ "a RAID controller of Adaptec", { 0x9005, 0x028f }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("  %s\n", rows[i].sentence);
		assert_int_equal(np_gpu_pci_may_be_gpu(catalogue, rows[i].id), rows[i].may_be);
	}
}

#define BAD_ID(text) "id '" text "' is not vendor:device in hex, such as 10de:20b0"

static const struct id_case {
	const char *text;
	uint16_t vendor, device;
	const char *error; /* NULL: none */
} ids[] = {
	{ "10de:20b0", 0x10de, 0x20b0, NULL },
	{ "10DE:20B0", 0x10de, 0x20b0, NULL },
	{ "0x10de:0x20b0", 0x10de, 0x20b0, NULL },
	{ "0X10DE:20b0", 0x10de, 0x20b0, NULL },
	{ "10de:1", 0x10de, 1, NULL },
	{ "8086:10de", 0x8086, 0x10de, NULL }, /* a network card of Intel's */
	{ "15b3:1002", 0x15b3, 0x1002, NULL }, /* a ConnectX-2 function */
	{ "1eb8:10de", 0, 0, "id '1eb8:10de' looks swapped: vendor 10de comes first, '10de:1eb8'" },
	{ "0x74A1:1002", 0, 0,
	  "id '0x74A1:1002' looks swapped: vendor 1002 comes first, '1002:74a1'" },
	{ "56c0:8086", 0, 0, "id '56c0:8086' looks swapped: vendor 8086 comes first, '8086:56c0'" },
	{ "10de", 0, 0, BAD_ID("10de") },
	{ "10de:", 0, 0, BAD_ID("10de:") },
	{ ":20b0", 0, 0, BAD_ID(":20b0") },
	{ "10de:20b0 ", 0, 0, BAD_ID("10de:20b0 ") },
	{ "10de:20b0:1", 0, 0, BAD_ID("10de:20b0:1") },
	{ "10de:120b0", 0, 0, BAD_ID("10de:120b0") },
	{ "10de:0x", 0, 0, BAD_ID("10de:0x") },
	{ "10de:2g", 0, 0, BAD_ID("10de:2g") },
	{ "-10de:20b0", 0, 0, BAD_ID("-10de:20b0") },
	{ "", 0, 0, BAD_ID("") },
};

static void test_gpu__ids_are_read_as_people_write_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		struct np_pci_id id = { 0xaaaa, 0xbbbb };
		struct np_err err = NP_ERR_INIT;
		int r = np_gpu_pci_id_parse(ids[i].text, &id, &err);

		print_message("  '%s'\n", ids[i].text);
		if (ids[i].error) {
			assert_int_equal(r, -NP_E_SPEC);
			assert_string_equal(err.text, ids[i].error);
			assert_int_equal(id.vendor, 0xaaaa);
			assert_int_equal(id.device, 0xbbbb);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(id.vendor, ids[i].vendor);
		assert_int_equal(id.device, ids[i].device);
	}
}

static void test_gpu__halves_of_an_id_are_hex(void **state)
{
	struct np_err err = NP_ERR_INIT;
	uint16_t half = 7;

	(void)state;
	assert_int_equal(np_gpu_pci_half_parse("0x10DE", &half, &err), 0);
	assert_int_equal(half, 0x10de);
	assert_int_equal(np_gpu_pci_half_parse("4318", &half, &err), 0);
	assert_int_equal(half, 0x4318);
	assert_int_equal(np_gpu_pci_half_parse("10de0", &half, &err), -NP_E_SPEC);
	assert_string_equal(err.text,
			    "'10de0' is not up to four hex digits, such as 10de or 0x10de");
	assert_int_equal(half, 0x4318);
}

static void test_gpu__ids_are_written_in_lower_case(void **state)
{
	char buf[NP_PCI_ID_MAX];

	(void)state;
	np_gpu_pci_id_format((struct np_pci_id){ 0x10de, 0x1B }, buf);
	assert_string_equal(buf, "10de:001b");
}

static void test_gpu__each_size_source_has_its_word(void **state)
{
	static const char *const words[] = { "unknown", "published", "observed",
					     "derived", "assumed",   "user" };

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++)
		assert_string_equal(np_gpu_size_source_name((enum np_size_source)i), words[i]);
	assert_string_equal(np_gpu_size_source_name(NP_SIZE_SOURCE_MAX), "unknown");
}

static int add_text(struct np_catalogue *cat, const char *text, struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;

	assert_int_equal(np_doc_reader_new("c.yaml", text, strlen(text), &reader, err), 0);
	assert_int_equal(np_doc_reader_next(reader, &doc, err), 1);
	return np_gpu_catalogue_add(cat, doc, err);
}

static const char two_cards[] = "- model: X100-48GB\n"
				"  aliases: [X100 Mezzanine, Ecks]\n"
				"  pciID: 10de:ffee\n"
				"  memoryGB: 48\n"
				"  barsMB: {0: 16, 1: 65536, 3: 32}\n"
				"  mmioGB: 128\n"
				"  source: bench, 2026-01-01\n"
				"- model: A100-40GB\n"
				"  pciID: \"0x10DE:0x20B0\"\n"
				"  barsMB: {1: 131072}\n";

static void test_gpu__a_users_card_is_found_like_any_other(void **state)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	struct np_err err = NP_ERR_INIT;
	const struct np_gpu *gpu = NULL;

	(void)state;
	assert_int_equal(np_gpu_catalogue_new(&cat, &err), 0);
	if (add_text(cat, two_cards, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(np_gpu_catalogue_count(cat), np_gpu_catalogue_count(catalogue) + 1);
	gpu = np_gpu_find_id(cat, (struct np_pci_id){ 0x10de, 0xffee });
	assert_non_null(gpu);
	assert_string_equal(gpu->model, "X100-48GB");
	assert_int_equal(gpu->memory_gb, 48);
	assert_int_equal(gpu->n_bars, 3);
	assert_int_equal(gpu->bars[1].index, 1);
	assert_int_equal(gpu->bars[1].bytes, 64 * NP_GIB);
	assert_int_equal(gpu->bars[1].figure, NP_SIZE_SOURCE_USER);
	assert_int_equal(gpu->published_mmio_gb, 128);
	assert_true(gpu->has_figure);
	assert_string_equal(gpu->bar_source, "bench, 2026-01-01");
	assert_string_equal(gpu->mmio_source, "bench, 2026-01-01");
	assert_int_equal(np_gpu_find_model(cat, "x100", &gpu, &err), 0);
	assert_string_equal(gpu->model, "X100-48GB");
	assert_int_equal(np_gpu_find_model(cat, "ECKS", &gpu, &err), 0);
	assert_string_equal(gpu->model, "X100-48GB");
}

static void test_gpu__a_users_card_replaces_the_one_with_its_id(void **state)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	struct np_err err = NP_ERR_INIT;
	const struct np_gpu *gpu = NULL;

	(void)state;
	assert_int_equal(np_gpu_catalogue_new(&cat, &err), 0);
	assert_int_equal(add_text(cat, two_cards, &err), 0);
	gpu = np_gpu_find_id(cat, (struct np_pci_id){ 0x10de, 0x20b0 });
	assert_int_equal(gpu->bars[0].bytes, 128 * NP_GIB);
	assert_int_equal(gpu->published_mmio_gb, 0);
	assert_string_equal(gpu->bar_source, "c.yaml");
	assert_string_equal(gpu->mmio_source, "");
	/* It is the largest of its model now, and keeps the board's vGPU types. */
	assert_ptr_equal(np_gpu_find_vgpu(cat, "grid_a100x-40c"), gpu);
	assert_int_equal(np_gpu_find_model(cat, "A100-40GB", &gpu, &err), 0);
	assert_int_equal(gpu->device_id, 0x20b0);
	/* Both boards of a shared id make way. */
	assert_int_equal(add_text(cat, "- {model: RTX8K, pciID: \"10de:1e78\"}\n", &err), 0);
	assert_int_equal(np_gpu_catalogue_count(cat), np_gpu_catalogue_count(catalogue));
	gpu = np_gpu_find_vgpu(cat, "grid_rtx6000p-24q");
	assert_non_null(gpu);
	assert_string_equal(gpu->model, "RTX8K");
	assert_false(gpu->has_figure);
}

static const struct bad_cards {
	const char *sentence, *text, *error;
} bad_cards[] = {
	{ "no list", "model: X\n", "c.yaml:1:1: " },
	{ "an empty list", "[]\n",
	  "c.yaml:1:1: a catalogue is a list of 1 to 1024 cards, this one has 0" },
	{ "a card that is no mapping", "- X\n", "c.yaml:1:3: " },
	{ "a card that is nothing", "-\n", "a card is empty" },
	{ "no model", "- pciID: 10de:ffee\n", "c.yaml:1:3: card without model" },
	{ "no pciID", "- model: X\n", "c.yaml:1:3: card without pciID" },
	{ "an unknown key", "- model: X\n  pciID: 10de:ffee\n  memory: 40\n",
	  "c.yaml:3:3: 'memory' is none of aliases, barsMB, memoryGB, mmioGB, model, pciID, source" },
	{ "an empty key", "- model: X\n  pciID: 10de:ffee\n  \"\": 40\n",
	  "c.yaml:3:3: '' is none of " },
	{ "a model that is a number", "- model: 100\n  pciID: 10de:ffee\n", "c.yaml:1:10: " },
	{ "a model without a second word", "- model: nvidia\n  pciID: 10de:ffee\n",
	  "c.yaml:1:10: model 'nvidia' is not the name of a card of up to 96 characters" },
	{ "an alias with a bar", "- model: X\n  pciID: 10de:ffee\n  aliases: [a, b|c]\n",
	  "c.yaml:3:16: alias holds a control character or '|'" },
	{ "aliases that are no list", "- model: X\n  pciID: 10de:ffee\n  aliases: a\n",
	  "c.yaml:3:12: " },
	{ "an id that is none", "- model: X\n  pciID: 10de\n",
	  "c.yaml:2:10: pciID: id '10de' is not vendor:device in hex, such as 10de:20b0" },
	{ "a swapped id", "- model: X\n  pciID: 1eb8:10de\n",
	  "c.yaml:2:10: pciID: id '1eb8:10de' looks swapped: vendor 10de comes first, '10de:1eb8'" },
	{ "an id that is a number", "- model: X\n  pciID: 4318\n", "c.yaml:2:10: " },
	{ "an id twice", "- {model: X, pciID: 10de:ffee}\n- {model: Z, pciID: 10DE:FFEE}\n",
	  "c.yaml:2:21: pciID '10de:ffee' is there twice" },
	{ "no memory", "- model: X\n  pciID: 10de:ffee\n  memoryGB: 0\n", "c.yaml:3:13: " },
	{ "memory beyond reason", "- model: X\n  pciID: 10de:ffee\n  memoryGB: 65537\n",
	  "c.yaml:3:13: " },
	{ "memory in words", "- model: X\n  pciID: 10de:ffee\n  memoryGB: 40GB\n",
	  "c.yaml:3:13: " },
	{ "a figure that is no power of two", "- model: X\n  pciID: 10de:ffee\n  mmioGB: 96\n",
	  "c.yaml:3:11: mmioGB is '96', not a power of two" },
	{ "a BAR that is no power of two", "- model: X\n  pciID: 10de:ffee\n  barsMB: {0: 17}\n",
	  "c.yaml:3:15: BAR 0 is '17' MB, but a BAR's size is a power of two" },
	{ "a BAR beyond reason", "- model: X\n  pciID: 10de:ffee\n  barsMB: {0: 134217728}\n",
	  "c.yaml:3:15: " },
	{ "a BAR that does not exist", "- model: X\n  pciID: 10de:ffee\n  barsMB: {6: 16}\n",
	  "c.yaml:3:12: '6' is not a BAR index: expected a number from 0 to 5" },
	{ "a BAR without a size", "- model: X\n  pciID: 10de:ffee\n  barsMB: {0: }\n",
	  "BAR 0 has no size in MB" },
	{ "no BAR", "- model: X\n  pciID: 10de:ffee\n  barsMB: {}\n",
	  "c.yaml:3:11: barsMB is empty, leave it out where unknown" },
	{ "BARs in a list", "- model: X\n  pciID: 10de:ffee\n  barsMB: [16]\n", "c.yaml:3:11: " },
	{ "a bad card after a good one", "- {model: Z, pciID: 10de:20b0}\n- {model: X}\n",
	  "c.yaml:2:3: card without pciID" },
};

static void test_gpu__bad_cards_are_told_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cards); i++) {
		NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
		struct np_err err = NP_ERR_INIT;

		print_message("  %s\n", bad_cards[i].sentence);
		assert_int_equal(np_gpu_catalogue_new(&cat, &err), 0);
		assert_int_equal(add_text(cat, bad_cards[i].text, &err), -NP_E_SPEC);
		if (!strstr(err.text, bad_cards[i].error))
			fail_msg("'%s' is not in '%s'", bad_cards[i].error, err.text);
		assert_int_equal(np_gpu_catalogue_count(cat), np_gpu_catalogue_count(catalogue));
		for (size_t k = 0; k < np_gpu_catalogue_count(cat); k++)
			assert_ptr_equal(np_gpu_catalogue_at(cat, k),
					 np_gpu_catalogue_at(catalogue, k));
	}
}

/* Lines 1 to 4 of a catalogue that the generator takes. */
#define GOOD_LINES                                                                               \
	"# comment\n"                                                                            \
	"source\tD\ta document\n"                                                                \
	"card\t10de:20b0\tA100-40GB\tA100\t40\t0=16M/assumed 1=64G/observed@D\t128@D\t-\t-\t-\n" \
	"function\t10de:1af1\tNVSwitch\t@D\n"                                                    \
	"vendor\t15b3\tMellanox\tNICs\t@D\n"

#define CARD(id, model, memory, bars, mmio, vgpu) \
	"card\t" id "\t" model "\tboard\t" memory "\t" bars "\t" mmio "\t" vgpu "\t-\t-\n"

static const struct generated {
	const char *sentence, *line, *error; /* error NULL: it is taken */
} generated[] = {
	{ "a good card", CARD("10de:1e78", "X", "16", "?", "-", "-"), NULL },
	{ "two boards of one id, told apart",
	  CARD("10de:ffff/10de:0001", "X", "16", "?", "-", "-")
		  CARD("10de:ffff/10de:0002", "Y", "32", "?", "-", "-"),
	  NULL },
	{ "two boards of one id and subsystem",
	  CARD("10de:ffff/10de:0001", "X", "16", "?", "-", "-")
		  CARD("10de:ffff/10de:0001", "Y", "32", "?", "-", "-"),
	  ":7: id '10de:ffff/10de:0001' is there twice" },
	{ "a subsystem that comes too late", CARD("10de:20b0/10de:0001", "X", "16", "?", "-", "-"),
	  ":6: id '10de:20b0' is there twice" },
	{ "a subsystem that is no id", CARD("10de:ffff/10de:1", "X", "16", "?", "-", "-"),
	  ":6: id '10de:1' is not four" },
	{ "an unknown kind of line", "crad\ta\tb\n",
	  ":6: 'crad' is none of source, card, function, vendor" },
	{ "a column too few", "card\t10de:ffff\tX\n", ":6: card line has 3 columns, not 10" },
	{ "an id that is no hex", CARD("10dg:ffff", "X", "16", "?", "-", "-"),
	  ":6: id '10dg:ffff' is not" },
	{ "an id in capitals", CARD("10DE:ffff", "X", "16", "?", "-", "-"),
	  ":6: id '10DE:ffff' is not" },
	{ "an id twice", CARD("10de:20b0", "X", "16", "?", "-", "-"),
	  ":6: id '10de:20b0' is there twice" },
	{ "a card that is a function", CARD("10de:1af1", "X", "16", "?", "-", "-"),
	  "id '10de:1af1' is a card and a function" },
	{ "an unknown source", CARD("10de:ffff", "X", "16", "1=64G/observed@Q", "-", "-"),
	  ":6: source 'Q' is not among the source lines" },
	{ "a figure without a source", CARD("10de:ffff", "X", "16", "?", "64", "-"),
	  ":6: published figure '64' is not" },
	{ "a figure that is no power of two", CARD("10de:ffff", "X", "16", "?", "96@D", "-"),
	  ":6: published figure '96@D' is not" },
	{ "an observed BAR without a source",
	  CARD("10de:ffff", "X", "16", "1=64G/observed", "-", "-"), ":6: a BAR names its sources" },
	{ "an assumed BAR with a source", CARD("10de:ffff", "X", "16", "1=64G/assumed@D", "-", "-"),
	  ":6: a BAR names its sources" },
	{ "an unknown origin", CARD("10de:ffff", "X", "16", "1=64G/guessed", "-", "-"),
	  ":6: origin 'guessed'" },
	{ "a BAR that is no power of two", CARD("10de:ffff", "X", "16", "1=48G/assumed", "-", "-"),
	  ":6: BAR size '48G' is not a power of two" },
	{ "a BAR of zero", CARD("10de:ffff", "X", "16", "1=0G/assumed", "-", "-"),
	  ":6: BAR size '0G' is not a power of two" },
	{ "a BAR without a unit", CARD("10de:ffff", "X", "16", "1=64/assumed", "-", "-"),
	  ":6: BAR size '64' is not a power of two" },
	{ "a BAR that does not exist", CARD("10de:ffff", "X", "16", "6=64G/assumed", "-", "-"),
	  ":6: BAR '6=64G/assumed' is not" },
	{ "a BAR twice", CARD("10de:ffff", "X", "16", "1=? 1=?", "-", "-"),
	  ":6: BAR 1 is there twice" },
	{ "memory in words", CARD("10de:ffff", "X", "lots", "?", "-", "-"),
	  ":6: memory 'lots' is no" },
	{ "a model of another memory", CARD("10de:ffff", "X-32GB", "16", "?", "-", "-"),
	  ":6: model 'X-32GB' does not end in the card's memory" },
	{ "a board code without a prefix", CARD("10de:ffff", "X", "16", "?", "-", "x100"),
	  ":6: vGPU board codes 'x100'" },
	{ "a quotation mark", CARD("10de:ffff", "X\"", "16", "?", "-", "-"),
	  ":6: quotation marks" },
	{ "a source that nobody uses", "source\tU\tanother\n",
	  ":6: source 'U' is used by no line" },
	{ "a source twice", "source\tD\tanother\n", ":6: source 'D' is there twice" },
	{ "a function without a source", "function\t10de:1af2\tX\tD\n",
	  ":6: a function names its source" },
	{ "a vendor", "vendor\t15b7\tSanDisk\tdrives\t@D\n", NULL },
	{ "a vendor out of order", "vendor\t1077\tQLogic\tHBAs\t@D\n",
	  ":6: vendor '1077' does not follow the one before it" },
	{ "a vendor that is not a number", "vendor\t15B7\tSanDisk\tdrives\t@D\n",
	  ":6: vendor '15B7' is not four hex digits" },
	{ "a vendor without a source", "vendor\t15b7\tSanDisk\tdrives\tD\n",
	  ":6: a vendor names its source" },
	{ "a vendor of a card", CARD("15b3:ffff", "X", "16", "?", "-", "-"),
	  "vendor '15b3' has a card" },
	{ "a function twice", "function\t10de:1af1\tX\t@D\n",
	  ":6: function '10de:1af1' is there twice" },
};

/* Runs the generator on the good lines and `line`; returns its exit status and fills `said`. */
static int generate(const char *line, char *said, size_t size)
{
	char path[] = P_tmpdir "/nodeprep-gpu-XXXXXX";
	char command[256];
	int fd = mkstemp(path);
	FILE *pipe = NULL;
	size_t n = 0;

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%s%s", GOOD_LINES, line) > 0);
	close(fd);
	snprintf(command, sizeof(command),
		 "LC_ALL=C awk -f pkg/gpu/catalogue.awk %s 2>&1 >/dev/null", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(said, 1, size - 1, pipe);
	said[n] = '\0';
	unlink(path);
	return WEXITSTATUS(pclose(pipe));
}

static void test_gpu__the_build_stops_at_a_malformed_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(generated); i++) {
		char said[512];
		int status = generate(generated[i].line, said, sizeof(said));

		print_message("  %s\n", generated[i].sentence);
		if (!generated[i].error) {
			assert_string_equal(said, "");
			assert_int_equal(status, 0);
			continue;
		}
		if (!strstr(said, generated[i].error))
			fail_msg("'%s' is not in '%s'", generated[i].error, said);
		assert_int_equal(status, 1);
	}
}

static void test_gpu__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/gpu/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpu__every_row_is_sane),
		cmocka_unit_test(test_gpu__cards_are_found_by_id_with_their_facts),
		cmocka_unit_test(test_gpu__functions_are_told_apart),
		cmocka_unit_test(test_gpu__unknown_ids_of_unknown_vendors_may_be_gpus),
		cmocka_unit_test(test_gpu__ids_are_read_as_people_write_them),
		cmocka_unit_test(test_gpu__halves_of_an_id_are_hex),
		cmocka_unit_test(test_gpu__ids_are_written_in_lower_case),
		cmocka_unit_test(test_gpu__each_size_source_has_its_word),
		cmocka_unit_test(test_gpu__a_users_card_is_found_like_any_other),
		cmocka_unit_test(test_gpu__a_users_card_replaces_the_one_with_its_id),
		cmocka_unit_test(test_gpu__bad_cards_are_told_with_their_place),
		cmocka_unit_test(test_gpu__the_build_stops_at_a_malformed_line),
		cmocka_unit_test(test_gpu__corpus_holds),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
