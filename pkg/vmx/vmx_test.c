/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/vmx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/warnings.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void test_vmx__names_are_classified(void **state)
{
	static const struct {
		const char *name;
		enum np_vmx_name kind;
		enum np_vmx_key key;
	} rows[] = {
		{ "pciPassthru.use64bitMMIO", NP_VMX_NAME_WINDOW, NP_VMX_USE64 },
		{ "PCIPASSTHRU.USE64BITMMIO", NP_VMX_NAME_WINDOW, NP_VMX_USE64 },
		{ "pciPassthru.64bitMMIOSizeGB", NP_VMX_NAME_WINDOW, NP_VMX_SIZE },
		{ "pciPassthru.allowP2P", NP_VMX_NAME_PEER, NP_VMX_KEY_MAX },
		{ "pcipassthru.relaxacsforp2p", NP_VMX_NAME_PEER, NP_VMX_KEY_MAX },
		{ "pciPassthru.64bitMMIOSizeGb ", NP_VMX_NAME_MISSPELT, NP_VMX_KEY_MAX },
		{ "pciPassthru64bitMMIOSizeGB", NP_VMX_NAME_MISSPELT, NP_VMX_KEY_MAX },
		{ "pciPassthru.allowP2PP", NP_VMX_NAME_MISSPELT, NP_VMX_KEY_MAX },
		{ "pciPassthru0.msiEnabled", NP_VMX_NAME_OTHER, NP_VMX_KEY_MAX },
		{ "use64bitMMIO", NP_VMX_NAME_OTHER, NP_VMX_KEY_MAX },
		{ "", NP_VMX_NAME_OTHER, NP_VMX_KEY_MAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (np_vmx_classify(rows[i].name) != rows[i].kind ||
		    np_vmx_key_of(rows[i].name) != rows[i].key)
			fail_msg("'%s'", rows[i].name);
}

#define S(name, text)      \
	{                  \
		name, text \
	}
#define USE64 "pciPassthru.use64bitMMIO"
#define SIZE "pciPassthru.64bitMMIOSizeGB"
#define VARIANT "pciPassthru.64BITMMIOSizeGB"

static void test_vmx__the_current_size_is_read(void **state)
{
	static const struct {
		const char *title;
		const char *settings[4][2];
		bool has_any, has_size;
		uint64_t size_gb;
	} rows[] = {
		{ "nothing", { { NULL } }, false, false, 0 },
		{ "another setting", { S("pciPassthru.allowP2P", "512") }, false, false, 0 },
		{ "the switch alone", { S(USE64, "TRUE") }, true, false, 0 },
		{ "a size", { S(SIZE, "512") }, true, true, 512 },
		{ "no number", { S(SIZE, "half") }, true, false, 0 },
		{ "a negative number", { S(SIZE, "-1") }, true, false, 0 },
		{ "more than any window", { S(SIZE, "1099511627777") }, true, false, 0 },
		{ "of variants the larger",
		  { S(VARIANT, "64"),
		    S("PCI"
		      "passthru.64bitMMIOSizeGB",
		      "256"),
		    S(VARIANT, "128") },
		  true,
		  true,
		  256 },
		{ "the canonical one before a variant",
		  { S(VARIANT, "1024"), S(SIZE, "64") },
		  true,
		  true,
		  64 },
		{ "the canonical one after which a variant",
		  { S(SIZE, "64"), S(VARIANT, "1024") },
		  true,
		  true,
		  64 },
		{ "of canonical ones the larger",
		  { S(SIZE, "64"), S(SIZE, "128"), S(SIZE, "32") },
		  true,
		  true,
		  128 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_vmx_current c = { .has_any = false };

		for (size_t j = 0; j < COUNT(rows[i].settings) && rows[i].settings[j][0]; j++)
			np_vmx_add(&c, rows[i].settings[j][0], rows[i].settings[j][1]);
		if (c.has_any != rows[i].has_any || c.has_size != rows[i].has_size ||
		    c.size_gb != rows[i].size_gb)
			fail_msg("%s", rows[i].title);
	}
}

static void test_vmx__a_window_is_decided(void **state)
{
	static const struct {
		const char *title;
		bool has_any, has_size;
		uint64_t size_gb;
		struct np_vmx_need need;
		bool change;
		uint64_t gb;
		const char *kept, *warning;
	} rows[] = {
		{ "nothing set, nothing needed",
		  false,
		  false,
		  0,
		  { 0, true, false, false },
		  false,
		  0,
		  "",
		  "" },
		{ "nothing set, a window needed",
		  false,
		  false,
		  0,
		  { 512, true, false, false },
		  true,
		  512,
		  "",
		  "" },
		{ "a smaller one is raised",
		  true,
		  true,
		  64,
		  { 512, true, false, false },
		  true,
		  512,
		  "",
		  "" },
		{ "an equal one", true, true, 512, { 512, true, false, false }, true, 512, "", "" },
		{ "the switch alone gets its size",
		  true,
		  false,
		  0,
		  { 512, true, false, false },
		  true,
		  512,
		  "",
		  "" },
		{ "a larger one is kept",
		  true,
		  true,
		  1024,
		  { 512, true, false, false },
		  true,
		  1024,
		  "the current 1024 GB is kept",
		  "the current 1024 GB is kept, 512 GB is enough; --allow-shrink lowers it" },
		{ "beside what may be a GPU, the need is not called enough",
		  true,
		  true,
		  1024,
		  { 512, true, false, true },
		  true,
		  1024,
		  "the current 1024 GB is kept",
		  "the current 1024 GB is kept, 512 GB is wanted; --allow-shrink lowers it" },
		{ "a larger one is lowered when asked",
		  true,
		  true,
		  1024,
		  { 512, true, true, false },
		  true,
		  512,
		  "",
		  "" },
		{ "a larger one that is no power of two is raised",
		  true,
		  true,
		  1000,
		  { 512, true, false, false },
		  true,
		  1024,
		  "the current 1000 GB is kept, raised to 1024 GB (a power of two)",
		  "the current 1000 GB is kept, raised to 1024 GB (a power of two), 512 GB is "
		  "enough; --allow-shrink lowers it" },
		{ "without need a size is kept",
		  true,
		  true,
		  512,
		  { 0, true, false, false },
		  false,
		  512,
		  "the current 512 GB is kept",
		  "the current 512 GB is kept, though no device needs a window; --allow-shrink "
		  "removes it" },
		{ "what may be a GPU keeps the size, also when asked to lower it",
		  true,
		  true,
		  512,
		  { 0, true, true, true },
		  false,
		  512,
		  "the current 512 GB is kept",
		  "the current 512 GB is kept: a device may be a GPU that needs it; if it is one, "
		  "add it with --catalogue" },
		{ "without need a bad size is raised",
		  true,
		  true,
		  48,
		  { 0, true, false, false },
		  true,
		  64,
		  "the current 48 GB is kept, raised to 64 GB (a power of two)",
		  "the current 48 GB is kept, raised to 64 GB (a power of two), though no device "
		  "needs a window; --allow-shrink removes it" },
		{ "without need it is removed when asked",
		  true,
		  true,
		  512,
		  { 0, true, true, false },
		  true,
		  0,
		  "",
		  "" },
		{ "without devices nothing is judged",
		  true,
		  true,
		  48,
		  { 0, false, true, false },
		  false,
		  48,
		  "",
		  "" },
		{ "a need without devices counts",
		  true,
		  true,
		  48,
		  { 64, false, false, false },
		  true,
		  64,
		  "",
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct np_vmx_current current = { .has_any = rows[i].has_any,
							.has_size = rows[i].has_size,
							.size_gb = rows[i].size_gb };
		struct np_vmx_desired d = { .gb = 7777 };
		struct np_err err = NP_ERR_INIT;

		if (np_vmx_decide(&current, &rows[i].need, &d, &err) != 0 ||
		    d.change != rows[i].change || d.gb != rows[i].gb ||
		    strcmp(d.kept, rows[i].kept) != 0 || strcmp(d.warning, rows[i].warning) != 0)
			fail_msg("%s: %d %d '%s' '%s'", rows[i].title, d.change, (int)d.gb, d.kept,
				 d.warning);
	}
}

static void test_vmx__a_setting_has_its_text_and_reason(void **state)
{
	char buf[NP_VMX_TEXT_MAX];

	(void)state;
	assert_string_equal(np_vmx_text(NP_VMX_USE64, 512, buf), "TRUE");
	assert_string_equal(np_vmx_text(NP_VMX_SIZE, UINT64_C(1) << 40, buf), "1099511627776");
	assert_null(np_vmx_text(NP_VMX_USE64, 0, buf));
	assert_null(np_vmx_text(NP_VMX_SIZE, 0, buf));
	assert_string_equal(np_vmx_key_reason(NP_VMX_SIZE, "512", "two H200"), "two H200");
	assert_string_equal(np_vmx_key_reason(NP_VMX_SIZE, "512", NULL), "the pools' need");
	assert_string_equal(np_vmx_key_reason(NP_VMX_USE64, "TRUE", "two H200"),
			    "puts the GPUs' BARs into a window above 4 GB");
	assert_string_equal(np_vmx_key_reason(NP_VMX_SIZE, NULL, "two H200"),
			    "no device needs a window (--allow-shrink)");
	/* ESXi takes any case of "true"; a size is compared as it is written. */
	assert_true(np_vmx_is_same(NP_VMX_USE64, "true", "TRUE"));
	assert_false(np_vmx_is_same(NP_VMX_SIZE, "0512", "512"));
}

static const struct condition {
	const char *sentence;
	struct np_vmx_vm vm;
	const char *codes; /* of the warnings, blank separated */
} conditions[] = {
	{ "127 vCPUs beside a vGPU", { .vcpus = 127, .vgpus = 1, .devices = 1 }, "" },
	{ "128 vCPUs beside a vGPU", { .vcpus = 128, .vgpus = 1, .devices = 1 }, "vgpu-viommu" },
	{ "128 vCPUs beside a whole card", { .vcpus = 128, .devices = 1 }, "" },
	{ "a virtual IOMMU beside a vGPU",
	  { .vcpus = 8, .vgpus = 1, .devices = 1, .has_viommu = true },
	  "vgpu-viommu" },
	{ "the same with both settings",
	  { .vcpus = 192,
	    .vgpus = 4,
	    .devices = 4,
	    .has_viommu = true,
	    .allows_viommu = true,
	    .enables_viommu = true },
	  "" },
	{ "16 devices", { .devices = 16, .hardware_version = 17 }, "" },
	{ "20 devices on version 19", { .devices = 20, .hardware_version = 19 }, "device-limit" },
	{ "20 devices on version 20", { .devices = 20, .hardware_version = 20 }, "" },
	{ "20 devices on no version", { .devices = 20 }, "device-limit" },
	{ "40 devices on version 20", { .devices = 40, .hardware_version = 20 }, "device-limit" },
	{ "65 devices on version 20", { .devices = 65, .hardware_version = 20 }, "device-limit" },
	{ "128 devices on version 21", { .devices = 128, .hardware_version = 21 }, "" },
	{ "129 devices on version 22", { .devices = 129, .hardware_version = 22 }, "device-limit" },
	{ "hot-add of memory", { .devices = 1, .memory_hot_add = true }, "hot-add" },
	{ "hot-add of CPUs", { .devices = 1, .cpu_hot_add = true }, "hot-add" },
	{ "hot-add without devices", { .cpu_hot_add = true }, "" },
};

static void test_vmx__conditions_of_power_on_are_warned_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		NP_AUTO(np_warnings_done) struct np_warnings warnings = { 0 };
		struct np_err err = NP_ERR_INIT;

		print_message("  %s\n", conditions[i].sentence);
		assert_int_equal(np_vmx_note_conditions(&conditions[i].vm, &warnings, &err), 0);
		assert_int_equal(warnings.n, *conditions[i].codes != '\0');
		if (warnings.n > 0)
			assert_string_equal(warnings.items[0].code, conditions[i].codes);
	}
}

static void test_vmx__limits_follow_the_hardware_version(void **state)
{
	(void)state;
	assert_int_equal(np_vmx_device_limit(0), 16);
	assert_int_equal(np_vmx_device_limit(19), 16);
	assert_int_equal(np_vmx_device_limit(20), 64);
	assert_int_equal(np_vmx_device_limit(21), 128);
	assert_int_equal(np_vmx_hardware_version("vmx-20"), 20);
	assert_int_equal(np_vmx_hardware_version("20"), 0);
	assert_int_equal(np_vmx_hardware_version("vmx-"), 0);
	assert_int_equal(np_vmx_hardware_version(NULL), 0);
}

static void test_vmx__settings_of_a_vm_are_read(void **state)
{
	struct np_vmx_vm vm = { 0 };

	(void)state;
	np_vmx_vm_add(&vm, "VVTD.enable", "TRUE");
	np_vmx_vm_add(&vm, "mem.hotadd", "false");
	np_vmx_vm_add(&vm, "pciPassthru.vmiop.allowViommu", "true");
	np_vmx_vm_add(&vm, "other", "true");
	assert_true(vm.has_viommu && vm.allows_viommu);
	assert_false(vm.memory_hot_add || vm.enables_viommu || vm.cpu_hot_add);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmx__conditions_of_power_on_are_warned_of),
		cmocka_unit_test(test_vmx__limits_follow_the_hardware_version),
		cmocka_unit_test(test_vmx__settings_of_a_vm_are_read),
		cmocka_unit_test(test_vmx__names_are_classified),
		cmocka_unit_test(test_vmx__the_current_size_is_read),
		cmocka_unit_test(test_vmx__a_window_is_decided),
		cmocka_unit_test(test_vmx__a_setting_has_its_text_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
