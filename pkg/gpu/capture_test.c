/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/units.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define LSPCI                                                                                    \
	"1a:00.0 3D controller [0302]: NVIDIA Corporation GX1 [X1 200GB] [10de:2fff] (rev a1)\n" \
	"\tSubsystem: NVIDIA Corporation Device [10de:1234]\n"
#define SMALL "\tRegion 0: Memory at 1000 (64-bit, prefetchable) [size=64M]\n"
#define LARGE "\tRegion 2: Memory at 2000 (64-bit, prefetchable) [disabled] [size=256G]\n"
#define TWIN "1b:00.0 3D controller [0302]: NVIDIA Corporation GX1 [X1 200GB] [10de:2fff]\n"
#define LOST "\tRegion 2: Memory at <unassigned> (64-bit, prefetchable)\n"
#define LOG_BAR "vmx - PCIPassthru: Device 0000:41:00.0 barIndex "
#define LOG                                                                    \
	LOG_BAR "0 type 2 realaddr 0xd2000000 size 16777216 flags 0\n" LOG_BAR \
		"1 type 3 realaddr 0x3a000000000 size 34359738368 flags 12\n"
#define SETTINGS                                          \
	"vmx - DICT pciPassthru0.vendorId = \"0x10de\"\n" \
	"vmx - DICT pciPassthru0.deviceId = \"0x2fff\"\n" \
	"vmx - DICT pciPassthru0.id = \"00000:065:00.0\"\n"
#define ESXCLI                                                                                 \
	"0000:41:00.0\n   Address: 0000:41:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x2fff\n" \
	"   SubVendor ID: 0x1028\n   SubDevice ID: 0x1eb8\n"

static const struct row {
	const char *sentence, *text, *more;
	const char *id, *model; /* model NULL: no card is added */
	uint64_t sum_mb;
} rows[] = {
	{ "lspci -nnvv", LSPCI SMALL LARGE, "", "10de:2fff", "X1-200GB", 262144 + 64 },
	{ "lines with a prefix", "IOMMU Group 7: " LSPCI SMALL LARGE, "", "10de:2fff", "X1-200GB",
	  262144 + 64 },
	{ "a twin has the BAR that the first lacks", LSPCI SMALL LOST TWIN SMALL LARGE, "",
	  "10de:2fff", "X1-200GB", 262144 + 64 },
	{ "lspci -n", "1a:00.0 0302: 10de:2fff (rev a1)\n" SMALL LARGE, "", "10de:2fff",
	  "GPU-10de-2fff", 262144 + 64 },
	{ "vmware.log with the VM's settings", SETTINGS LOG, "", "10de:2fff", "GPU-10de-2fff",
	  32768 + 16 },
	{ "vmware.log, and the host's list in another file", LOG, ESXCLI, "10de:2fff",
	  "GPU-10de-2fff", 32768 + 16 },
	{ "a known card keeps its name",
	  "41:00.0 3D controller [0302]: NVIDIA Corporation H20B [10de:2328]\n" SMALL LARGE, "",
	  "10de:2328", "H20B", 262144 + 64 },
	{ "a display of another vendor with a large BAR",
	  "07:00.0 VGA compatible controller [0300]: Intel Arc [Arc Pro B99] [8086:e2ff]\n" LARGE,
	  "", "8086:e2ff", "Arc-Pro-B99", 262144 },
	{ "a network card", "1c:00.0 Ethernet controller [0200]: Mellanox [15b3:1017]\n" LARGE, "",
	  "15b3:1017", NULL, 0 },
	{ "a server's own display",
	  "03:00.0 VGA compatible controller [0300]: ASPEED [1a03:2000]\n" SMALL, "", "1a03:2000",
	  NULL, 0 },
	{ "ids without BARs", ESXCLI, "", "10de:2fff", NULL, 0 },
	{ "BARs without an id", LOG, "", "10de:2fff", NULL, 0 },
	{ "a size that is not a power of two", LSPCI "\tRegion 2: Memory at 1 [size=3G]\n", "",
	  "10de:2fff", NULL, 0 },
	{ "an endless size", LSPCI "\tRegion 2: Memory at 1 [size=99999999999999999999999T]\n", "",
	  "10de:2fff", NULL, 0 },
	{ "nothing", "", "", "10de:2fff", NULL, 0 },
};

static void check(const struct row *row)
{
	NP_AUTO(np_gpu_catalogue_freep) struct np_catalogue *cat = NULL;
	NP_AUTO(np_gpu_capture_freep) struct np_capture *capture = NULL;
	struct np_err err = NP_ERR_INIT;
	struct np_pci_id id = { 0 };
	const struct np_gpu *gpu = NULL;
	uint64_t sum = 0;

	assert_int_equal(np_gpu_catalogue_new(&cat, &err), 0);
	assert_int_equal(np_gpu_capture_new(&capture, &err), 0);
	assert_int_equal(np_gpu_capture_read(capture, row->text, strlen(row->text), &err), 0);
	assert_int_equal(np_gpu_capture_read(capture, row->more, strlen(row->more), &err), 0);
	assert_int_equal(np_gpu_pci_id_parse(row->id, &id, &err), 0);
	if (!row->model) {
		assert_int_equal(np_gpu_capture_add(capture, "in.txt", cat, &err), -NP_E_SPEC);
		assert_non_null(strstr(err.text, "in.txt: no GPU with an id"));
		return;
	}
	assert_int_equal(np_gpu_capture_add(capture, "in.txt", cat, &err), 0);
	gpu = np_gpu_find_id(cat, id);
	assert_non_null(gpu);
	assert_string_equal(gpu->model, row->model);
	assert_string_equal(gpu->bar_source, "in.txt");
	for (size_t i = 0; i < gpu->n_bars; i++)
		sum += gpu->bars[i].bytes;
	assert_int_equal(sum, row->sum_mb * NP_MIB);
	assert_true(gpu->has_figure);
}

static void test_capture__cards_are_made_of_captures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_message("  %s\n", rows[i].sentence);
		check(&rows[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capture__cards_are_made_of_captures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
