/* SPDX-License-Identifier: Apache-2.0 */
/* What people call cards and vGPU types, and what the catalogue makes of it. */
#include "catalogue.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

static const struct named {
	const char *name, *model, *product;
} named[] = {
	/* generic names, however they are typed */
	{ "A100-40GB", "A100-40GB", "A100 SXM4 40GB" },
	{ "a100-40gb", "A100-40GB", "A100 SXM4 40GB" },
	{ "a100 40gb", "A100-40GB", "A100 SXM4 40GB" },
	{ " A100_40 GB ", "A100-40GB", "A100 SXM4 40GB" },
	{ "nvidia a100 40GiB", "A100-40GB", "A100 SXM4 40GB" },
	{ "40GB A100", "A100-40GB", "A100 SXM4 40GB" },
	{ "40 gib A100", "A100-40GB", "A100 SXM4 40GB" },
	{ "A100-80GB", "A100-80GB", "A100 SXM4 80GB" },
	{ "T4", "T4", "T4" },
	{ "Tesla T4", "T4", "T4" },
	{ "A2", "A2", "A2" },
	{ "A16", "A16", "A16" },
	{ "L40S", "L40S", "L40S" },
	{ "L40", "L40", "L40" },
	{ "L4", "L4", "L4" },
	{ "V100S", "V100S", "V100S PCIe 32GB" },
	{ "A100X", "A100X", "A100X" },
	{ "RTX 6000 Ada", "RTX-6000-Ada", "RTX 6000 Ada Generation" },
	{ "rtxa6000", "RTX-A6000", "RTX A6000" },
	{ "Quadro-RTX-8000", "Quadro-RTX-8000", "Quadro RTX 8000" },
	{ "MI300X", "MI300X", "Instinct MI300X" },
	{ "AMD Instinct MI210", "MI210", "Instinct MI210" },
	{ "Intel Data Center GPU Flex 170", "Flex-170", "Data Center GPU Flex 170" },
	/* a family of one memory size, with that size */
	{ "A30-24GB", "A30", "A30 PCIe" },
	{ "H200-141GB", "H200", "H200 SXM 141GB" },
	{ "T4-16GB", "T4", "T4" },
	{ "T4 16 GB", "T4", "T4" },
	/* a board */
	{ "A100 PCIe 40GB", "A100-40GB", "A100 PCIe 40GB" },
	{ "H100 NVL", "H100-94GB", "H100 NVL 94GB" },
	{ "H100 PCIe", "H100-80GB", "H100 PCIe 80GB" },
	{ "H100 SXM5 80GB HBM3", "H100-80GB", "H100 SXM5 80GB" },
	{ "A100-SXM-40GB", "A100-40GB", "A100 SXM4 40GB" },
	{ "T4 PCIe", "T4", "T4" },
	/* labels of nodes */
	{ "NVIDIA-A100-SXM4-40GB", "A100-40GB", "A100 SXM4 40GB" },
	{ "NVIDIA-A100-PCIE-40GB", "A100-40GB", "A100 PCIe 40GB" },
	{ "NVIDIA-A100-80GB-PCIe", "A100-80GB", "A100 PCIe 80GB" },
	{ "A100-SXM4-40GB-MIG-1g.5gb", "A100-40GB", "A100 SXM4 40GB" },
	{ "Tesla-T4", "T4", "T4" },
	{ "Tesla-T4-SHARED", "T4", "T4" },
	{ "NVIDIA-H100-80GB-HBM3", "H100-80GB", "H100 SXM5 80GB" },
	{ "NVIDIA-H100-NVL", "H100-94GB", "H100 NVL 94GB" },
	{ "NVIDIA-L40S", "L40S", "L40S" },
	{ "NVIDIA-H200", "H200", "H200 SXM 141GB" },
	{ "NVIDIA-H200-NVL", "H200", "H200 NVL 141GB" },
	{ "Tesla-V100-SXM2-32GB", "V100-32GB", "V100 SXM2 32GB" },
	{ "Tesla-V100-PCIE-16GB", "V100-16GB", "V100 PCIe 16GB" },
	{ "NVIDIA-RTX-6000-Ada-Generation", "RTX-6000-Ada", "RTX 6000 Ada Generation" },
	{ "NVIDIA-GH200-480GB", "GH200-96GB", "GH200 96GB" },
	{ "NVIDIA-GH200-144G-HBM3e", "GH200-144GB", "GH200 144GB" },
	{ "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "RTX-PRO-6000-Server",
	  "RTX PRO 6000 Blackwell Server Edition" },
	{ "AMD_Instinct_MI300X_OAM", "MI300X", "Instinct MI300X" },
	/* aliases */
	{ "B200-192GB", "B200", "B200 SXM 180GB" },
	{ "H20-3e", "H20-141GB", "H20-3e 141GB" },
	{ "MI250", "MI250X", "Instinct MI250X/MI250" },
};

static void test_name__names_of_people_and_labels_find_the_card(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(named); i++) {
		struct np_err err = NP_ERR_INIT;
		const struct np_gpu *gpu = NULL;

		print_message("  %s\n", named[i].name);
		if (np_gpu_find_model(catalogue, named[i].name, &gpu, &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(gpu->model, named[i].model);
		assert_string_equal(gpu->product, named[i].product);
	}
}

#define LISTS_ALL "`nodeprep gpus` lists all"

static const struct refused {
	const char *sentence, *name, *error;
} refused[] = {
	{ "a family of two sizes", "A100",
	  "'A100' is ambiguous: A100-40GB, A100-80GB or A100-64GB" },
	{ "a family of three sizes", "nvidia h100",
	  "'nvidia h100' is ambiguous: H100-94GB, H100-80GB, H100-64GB or H100-96GB" },
	{ "a board of two sizes", "A100-SXM4",
	  "'A100-SXM4' is ambiguous: A100-40GB, A100-80GB or A100-64GB" },
	{ "a size that the family does not have", "A100-60GB",
	  "'A100-60GB' is not a known GPU model, perhaps A100-40GB, A100-80GB or A100-64GB; " LISTS_ALL },
	{ "a size that the only card does not have", "T4-40GB",
	  "'T4-40GB' is not a known GPU model, perhaps T4; " LISTS_ALL },
	{ "a slip of the pen", "H2OO", "'H2OO' is not a known GPU model; " LISTS_ALL },
	{ "a key too many", "H2000", "'H2000' is not a known GPU model, perhaps H200; " LISTS_ALL },
	{ "half a name", "RTX 6000",
	  "'RTX 6000' is not a known GPU model, perhaps Quadro-RTX-6000, RTX-6000-Ada or RTX-6000D; " LISTS_ALL },
	{ "nothing near", "Voodoo2", "'Voodoo2' is not a known GPU model; " LISTS_ALL },
	{ "nothing", "", "'' is not a known GPU model; " LISTS_ALL },
	{ "a vendor alone", "NVIDIA", "'NVIDIA' is not a known GPU model; " LISTS_ALL },
	{ "gaps alone", "- _", "'- _' is not a known GPU model; " LISTS_ALL },
	{ "a vGPU profile is no model", "grid_a100-40c",
	  "'grid_a100-40c' is not a known GPU model; " LISTS_ALL },
};

static void test_name__other_names_are_refused_with_the_near_ones(void **state)
{
	static const struct np_gpu untouched = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct np_err err = NP_ERR_INIT;
		const struct np_gpu *gpu = &untouched;

		print_message("  %s\n", refused[i].sentence);
		assert_int_equal(np_gpu_find_model(catalogue, refused[i].name, &gpu, &err),
				 -NP_E_SPEC);
		assert_string_equal(err.text, refused[i].error);
		assert_ptr_equal(gpu, &untouched);
	}
}

static void test_name__a_name_of_any_length_is_refused(void **state)
{
	(void)state;
	for (size_t size = 1; size < 400; size++) {
		struct np_err err = NP_ERR_INIT;
		const struct np_gpu *gpu = NULL;
		char name[400];

		memset(name, size % 2 ? 'x' : '4', size);
		name[size] = '\0';
		assert_true(np_gpu_find_model(catalogue, name, &gpu, &err) < 0);
		for (size_t i = 1; i < size; i += 2)
			name[i] = ' ';
		assert_true(np_gpu_find_model(catalogue, name, &gpu, &err) < 0);
		assert_null(np_gpu_find_vgpu(catalogue, name));
	}
}

static void test_name__names_are_bounded(void **state)
{
	const struct np_gpu *gpu = NULL;
	struct np_err err = NP_ERR_INIT;
	char text[128];

	(void)state;
	snprintf(text, sizeof(text), "%-96s", "A100-40GB");
	assert_int_equal(np_gpu_find_model(catalogue, text, &gpu, &err), 0);
	snprintf(text, sizeof(text), "%-97s", "A100-40GB");
	assert_int_equal(np_gpu_find_model(catalogue, text, &gpu, &err), -NP_E_SPEC);
	snprintf(text, sizeof(text), "grid_a100-%052dc", 40);
	assert_non_null(np_gpu_find_vgpu(catalogue, text));
	/* The first 64 characters would be a profile. */
	snprintf(text, sizeof(text), "grid_a100-%053dcme", 40);
	assert_null(np_gpu_find_vgpu(catalogue, text));
}

/* Every name that the catalogue gives finds a card of that model; a board's own name that board's. */
static void test_name__every_row_is_found_by_its_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < np_gpu_catalogue_count(catalogue); i++) {
		const struct np_gpu *row = np_gpu_catalogue_at(catalogue, i), *gpu = NULL;
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(np_gpu_find_model(catalogue, row->model, &gpu, &err), 0);
		assert_string_equal(gpu->model, row->model);
		assert_int_equal(np_gpu_find_model(catalogue, row->product, &gpu, &err), 0);
		assert_string_equal(gpu->model, row->model);
		for (const char *c = row->aliases; *c;) {
			char alias[64] = "";
			size_t n = strcspn(c, "|");

			snprintf(alias, sizeof(alias), "%.*s", (int)n, c);
			assert_int_equal(np_gpu_find_model(catalogue, alias, &gpu, &err), 0);
			assert_ptr_equal(gpu, row);
			c += n + (c[n] == '|');
		}
	}
}

static const struct profile {
	const char *sentence, *profile, *product; /* NULL: none */
} profiles[] = {
	{ "a whole A100", "grid_a100-40c", "A100 PCIe 40GB" },
	{ "the other prefix", "nvidia_a100-40c", "A100 PCIe 40GB" },
	{ "in capitals", "GRID_A100-8C", "A100 PCIe 40GB" },
	{ "the driver's own name", "GRID A100-40C", "A100 PCIe 40GB" },
	{ "a MIG slice", "grid_a100-1-10c", "A100 PCIe 40GB" },
	{ "a MIG slice with media engines", "grid_a100-1-5cme", "A100 PCIe 40GB" },
	{ "x is SXM: not the A100X", "grid_a100x-40c", "A100 SXM4 40GB" },
	{ "d is double memory", "grid_a100d-80c", "A100 PCIe 80GB" },
	{ "dx is both", "grid_a100dx-80c", "A100 SXM4 80GB" },
	{ "V100 with 32 GB", "grid_v100d-8c", "V100 PCIe 32GB" },
	{ "V100 with 16 GB", "grid_v100-4q", "V100 PCIe 16GB" },
	{ "T4", "grid_t4-1a", "T4" },
	{ "T4 of the old kind", "grid_t4-1b4", "T4" },
	{ "P40", "grid_p40-1q", "P40" },
	{ "A40", "nvidia_a40-1b", "A40" },
	{ "A30 in four slices", "grid_a30-2-12c", "A30 PCIe" },
	{ "H200 without suffix is the NVL", "nvidia_h200-70c", "H200 NVL 141GB" },
	{ "H200 with x is the SXM", "nvidia_h200x-1-18c", "H200 SXM 141GB" },
	{ "H100 SXM", "nvidia_h100xm-80c", "H100 SXM5 80GB" },
	{ "a board code with a hyphen", "nvidia_rtx6000-ada-48q", "RTX 6000 Ada Generation" },
	{ "the same with blanks", "NVIDIA RTX 6000 Ada-48C", "RTX 6000 Ada Generation" },
	{ "two boards of one id", "grid_rtx6000p-24q", "Quadro RTX 6000 Passive" },
	{ "Blackwell", "nvidia_rtx_pro_6000_blackwell_dc-1-2q",
	  "RTX PRO 6000 Blackwell Server Edition" },
	{ "an unknown board", "grid_a9000-4c", NULL },
	{ "part of a board's code", "grid_a10-", NULL },
	{ "no size", "grid_a100-c", NULL },
	{ "no class", "grid_a100-40", NULL },
	{ "an unknown class", "grid_a100-40z", NULL },
	{ "no prefix", "a100-40c", "A100 PCIe 40GB" },
	{ "a prefix with a hyphen", "nvidia-a100-40c", "A100 PCIe 40GB" },
	{ "both prefixes", "NVIDIA GRID A100-40C", "A100 PCIe 40GB" },
	{ "underscores for hyphens", "nvidia_h100_3_40c", "H100 PCIe 80GB" },
	{ "graphics in a slice", "nvidia_rtx_pro_6000_blackwell_dc-1-24qgfx",
	  "RTX PRO 6000 Blackwell Server Edition" },
	{ "a model's name", "A100-40GB", NULL },
	{ "a number of mdev", "nvidia-105", NULL },
	{ "another prefix", "amd_a100-40c", NULL },
	{ "no board", "grid_-40c", NULL },
	{ "three numbers", "grid_a100-1-1-10c", NULL },
	{ "an unknown suffix", "grid_a100-1-5cmx", NULL },
	{ "nothing", "", NULL },
};

static void test_name__vgpu_profiles_find_the_physical_card(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(profiles); i++) {
		const struct np_gpu *gpu = np_gpu_find_vgpu(catalogue, profiles[i].profile);

		print_message("  %s\n", profiles[i].sentence);
		if (!profiles[i].product) {
			assert_null(gpu);
			continue;
		}
		assert_non_null(gpu);
		assert_string_equal(gpu->product, profiles[i].product);
	}
}

static const struct board {
	const char *sentence, *id, *subsystem, *product, *type; /* type "": no vGPU */
} boards[] = {
	{ "an A16", "10de:25b6", "10de:14a9", "A16", "" },
	{ "an A2", "10de:25b6", "10de:157e", "A2", "" },
	{ "a vGPU of an A16", "10de:25b6", "10de:1609", "A16", "A16-4C" },
	{ "its largest", "10de:25b6", "10de:160b", "A16", "A16-16C" },
	{ "a vGPU of an A2", "10de:25b6", "10de:1657", "A2", "A2-16C" },
	{ "a passive RTX 6000", "10de:1e78", "10de:13d9", "Quadro RTX 6000 Passive", "" },
	{ "a passive RTX 8000", "10de:1e78", "10de:13d8", "Quadro RTX 8000 Passive", "" },
	{ "a vGPU of the RTX 6000", "10de:1e78", "10de:1411", "Quadro RTX 6000 Passive",
	  "RTX6000P-24C" },
	{ "a vGPU of the RTX 8000", "10de:1e78", "10de:1436", "Quadro RTX 8000 Passive",
	  "RTX8000P-16A" },
	{ "a MIG slice", "10de:2330", "10de:187e", "H100 SXM5 80GB", "H100XM-3-40C" },
	{ "the last of a run", "10de:27b8", "10de:174d", "L4", "L4-24C" },
	{ "an id behind the run", "10de:27b8", "10de:174e", "L4", "" },
	{ "a gap in a run", "10de:26b9", "10de:189f", "L40S", "" },
	{ "a subsystem of another vendor", "10de:25b6", "15ad:1609", "A2", "" },
	{ "an unknown subsystem", "10de:25b6", "10de:ffff", "A2", "" },
	{ "no subsystem", "10de:20f1", "0000:0000", "A100 PCIe 40GB", "" },
	{ "the type of another id", "10de:20f1", "10de:1609", "A100 PCIe 40GB", "" },
};

static void test_name__subsystem_names_board_and_vgpu(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(boards); i++) {
		const struct board *b = &boards[i];
		struct np_err err = NP_ERR_INIT;
		struct np_pci_id id = { 0 }, subsystem = { 0 };
		char type[NP_VGPU_NAME_MAX] = "";
		const struct np_gpu *gpu = NULL;

		print_message("  %s\n", b->sentence);
		assert_int_equal(np_gpu_pci_id_parse(b->id, &id, &err), 0);
		assert_int_equal(np_gpu_pci_id_parse(b->subsystem, &subsystem, &err), 0);
		assert_int_equal(np_gpu_vgpu_of_subsystem(id, subsystem, type), *b->type != '\0');
		assert_string_equal(type, b->type);
		gpu = np_gpu_find_board(catalogue, id, subsystem);
		assert_non_null(gpu);
		assert_string_equal(gpu->product, b->product);
	}
}

/* Each type that a subsystem names is a profile of a card with that id. */
static void test_name__every_vgpu_subsystem_is_of_its_card(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint32_t device = 0; device <= UINT16_MAX; device++) {
		const struct np_pci_id id = { NP_PCI_VENDOR_NVIDIA, (uint16_t)device };

		if (!np_gpu_find_id(catalogue, id))
			continue;
		for (uint32_t s = 0x1000; s < 0x3000; s++) {
			const struct np_pci_id subsystem = { NP_PCI_VENDOR_NVIDIA, (uint16_t)s };
			char type[NP_VGPU_NAME_MAX];
			const struct np_gpu *gpu = NULL;

			if (!np_gpu_vgpu_of_subsystem(id, subsystem, type) ||
			    !strchr("ABCEQ", type[strlen(type) - 1]))
				continue;
			gpu = np_gpu_find_vgpu(catalogue, type);
			assert_non_null(gpu);
			assert_int_equal(np_gpu_find_board(catalogue, id, subsystem)->device_id,
					 id.device);
			n++;
		}
	}
	assert_true(n > 900);
}

static const struct spelling {
	const char *profile, *correct; /* NULL: vCenter lists it so */
} spellings[] = {
	{ "grid_a100-40c", NULL },
	{ "GRID A100-40C", "grid_a100-40c" },
	{ "A100-40C", "grid_a100-40c" },
	{ " grid_a100-40c ", "grid_a100-40c" },
	{ "nvidia_a100_3_20c", "grid_a100-3-20c" },
	{ "NVIDIA RTX6000-Ada-48Q", "nvidia_rtx6000-ada-48q" },
	{ "nvidia_rtx_pro_6000_blackwell_dc-4-96q", NULL },
	{ "nvidia_rtxpro6000blackwelldc-4-96q", "nvidia_rtx_pro_6000_blackwell_dc-4-96q" },
	{ "nvidia_x9000-8c", NULL },
};

static void test_name__spelling_that_vcenter_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(spellings); i++) {
		char text[NP_VGPU_PROFILE_MAX] = "";

		print_message("  %s\n", spellings[i].profile);
		assert_int_equal(np_gpu_vgpu_is_misspelt(catalogue, spellings[i].profile, text),
				 !!spellings[i].correct);
		if (spellings[i].correct)
			assert_string_equal(text, spellings[i].correct);
	}
}

static void test_name__vgpu_names_that_mean_the_same(void **state)
{
	(void)state;
	assert_true(np_gpu_vgpu_is_same("grid_a16-4c", "NVIDIA A16-4C"));
	assert_true(np_gpu_vgpu_is_same("A16-4C", "nvidia_a16-4c"));
	assert_true(np_gpu_vgpu_is_same("nvidia_rtx6000-ada-8q", "RTX 6000 Ada-8Q"));
	assert_true(np_gpu_vgpu_is_same("not a type", "not a type"));
	assert_false(np_gpu_vgpu_is_same("nvidia_a16-4c", "nvidia_a16-16c"));
	assert_false(np_gpu_vgpu_is_same("nvidia_a16-4c", "nvidia_a1-64c"));
	assert_false(np_gpu_vgpu_is_same("nvidia_a16-4c", "nvidia_a16-4q"));
	assert_false(np_gpu_vgpu_is_same("grid_a100-4c", "grid_a100x-4c"));
	assert_true(np_gpu_vgpu_is_compute("grid_t4-16c"));
	assert_true(np_gpu_vgpu_is_compute("GRID A100-1-5CME"));
	assert_false(np_gpu_vgpu_is_compute("grid_t4-16q"));
	assert_false(np_gpu_vgpu_is_compute("T4"));
}

static void test_name__every_board_code_finds_a_card_that_has_it(void **state)
{
	size_t codes = 0;

	(void)state;
	for (size_t i = 0; i < np_gpu_catalogue_count(catalogue); i++) {
		const char *code = np_gpu_catalogue_at(catalogue, i)->vgpu;

		while (*code) {
			size_t n = strcspn(code, " ");
			int length = (int)strcspn(code, " ?");
			const struct np_gpu *gpu = NULL;
			char profile[64];

			snprintf(profile, sizeof(profile), "%.*s-1-10c", length, code);
			gpu = np_gpu_find_vgpu(catalogue, profile);
			assert_non_null(gpu);
			assert_non_null(strstr(gpu->vgpu, "_"));
			assert_int_equal(gpu->memory_gb,
					 np_gpu_catalogue_at(catalogue, i)->memory_gb);
			code += n + (code[n] == ' ');
			codes++;
		}
	}
	assert_true(codes > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name__names_of_people_and_labels_find_the_card),
		cmocka_unit_test(test_name__other_names_are_refused_with_the_near_ones),
		cmocka_unit_test(test_name__a_name_of_any_length_is_refused),
		cmocka_unit_test(test_name__names_are_bounded),
		cmocka_unit_test(test_name__every_row_is_found_by_its_names),
		cmocka_unit_test(test_name__vgpu_profiles_find_the_physical_card),
		cmocka_unit_test(test_name__subsystem_names_board_and_vgpu),
		cmocka_unit_test(test_name__every_vgpu_subsystem_is_of_its_card),
		cmocka_unit_test(test_name__spelling_that_vcenter_lists),
		cmocka_unit_test(test_name__vgpu_names_that_mean_the_same),
		cmocka_unit_test(test_name__every_board_code_finds_a_card_that_has_it),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
