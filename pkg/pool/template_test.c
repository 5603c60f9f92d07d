/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define SPEC(fields) "spec:\n  template:\n    spec:\n" fields

static void test_pool__template_fields_are_read(void **state)
{
	static const struct row rows[] = {
		{ "two of one card, a NIC, a vGPU, an unknown one",
		  SPEC("      pciDevices:\n"
		       "      - {vendorId: 4318, deviceId: 7864, customLabel: x}\n"
		       "      - {deviceId: \"0x1EB8\", vendorId: \"0x10DE\"}\n"
		       "      - {vendorId: 0x14e4, deviceId: 0x1751}\n"
		       "      - {vGPUProfile: grid_t4-1a}\n"
		       "      - {vendorId: 4318, deviceId: 0x2fff}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine 10de:1eb8=T4 10de:1eb8=T4 14e4:1751=- !grid_t4-1a=T4 10de:2fff=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "keys, hardware, memory",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      customVMXKeys: {a: b, pciPassthru.use64BitMMIO: \"TRUE\"}\n"
		       "      hardwareVersion: vmx-15\n"
		       "      memoryMiB: 8192\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4 a='b' pciPassthru.use64BitMMIO='TRUE' vmx-15 memory=8192\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "misspelt keys are told, P2P keys are not",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      customVMXKeys: {pciPassthru.set.usebitMMIO: \"TRUE\", "
		       "pciPassthru.allowP2P: \"TRUE\", pciPassthru.relaxACSforP2P: \"TRUE\", "
		       "pciPassthru.relaxP2P: \"TRUE\"}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4 pciPassthru.set.usebitMMIO='TRUE' pciPassthru.allowP2P='TRUE' pciPassthru.relaxACSforP2P='TRUE' pciPassthru.relaxP2P='TRUE'\n"
		  "  misspelt-key: 'pciPassthru.set.usebitMMIO' is no key that ESXi knows: the MMIO keys are 'pciPassthru.use64bitMMIO' and 'pciPassthru.64bitMMIOSizeGB'\n"
		  "  misspelt-key: 'pciPassthru.relaxP2P' is no key that ESXi knows: the MMIO keys are 'pciPassthru.use64bitMMIO' and 'pciPassthru.64bitMMIOSizeGB'\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a 32-bit guest",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      template: images/ubuntu-i386\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4\n"
		  "  guest-32bit: template 'images/ubuntu-i386' names a 32-bit guest, which maps no BAR above 4 GB\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "placeholders in fields",
		  SPEC("      pciDevices: [{vendorId: 4318, deviceId: \"${ID}\"}]\n"
		       "      hardwareVersion: ${HW}\n      memoryMiB: ${MEM}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0 placeholder\n"
		  "template ml/t in.yaml:0:1 machine ${HW} unknown-device placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "the official page's arrows",
		  SPEC("      pciDevices:\n      - deviceId: 7864   <==== value from above\n"
		       "        vendorId: 4318   <==== value from above\n"),
		  "bad-input: in.yaml:8:19: deviceId is the text '7864   <==== value from above': a whole number is needed, such as 4318 or 0x10DE" },
		{ "an id as digits in quotes",
		  SPEC("      pciDevices:\n      - deviceId: 7864\n        vendorId: \"4318\"\n"),
		  "bad-input: in.yaml:9:19: vendorId is the text '4318': a whole number is needed, such as 4318 or 0x10DE" },
		{ "swapped ids",
		  SPEC("      pciDevices:\n      - {deviceId: 0x10de, vendorId: 0x1eb8}\n"),
		  "bad-input: in.yaml:8:38: the id '1eb8:10de' has vendor and device swapped: vendorId is 0x10de, deviceId is 0x1eb8" },
		{ "an id beyond 16 bits",
		  SPEC("      pciDevices:\n      - {deviceId: 65536, vendorId: 4318}\n"),
		  "bad-input: in.yaml:8:20: 'deviceId' must be a whole number from 0 to 65535, is the number '65536'" },
		{ "half an id", SPEC("      pciDevices:\n      - {deviceId: 7864}\n"),
		  "bad-input: in.yaml:8:9: a PCI device needs vendorId and deviceId, or vGPUProfile" },
		{ "a misspelt field",
		  SPEC("      pciDevices:\n      - {deviceId: 7864, vendorID: 4318}\n"),
		  "bad-input: in.yaml:8:26: unknown field 'vendorID': did you mean 'vendorId'?" },
		{ "an id and a profile",
		  SPEC("      pciDevices:\n      - {deviceId: 7864, vendorId: 4318, vGPUProfile: a}\n"),
		  "bad-input: in.yaml:8:42: vGPUProfile and deviceId exclude each other" },
		{ "a profile with a blank",
		  SPEC("      pciDevices:\n      - {vGPUProfile: grid a}\n"),
		  "bad-input: in.yaml:8:23: vGPUProfile is 'grid a': a name such as 'grid_a100-40c' is needed" },
		{ "devices as a map", SPEC("      pciDevices: {vendorId: 1}\n"),
		  "bad-input: in.yaml:7:19: 'pciDevices' must be a list, is a mapping" },
		{ "a key's value that is a number",
		  SPEC("      customVMXKeys: {pciPassthru.64bitMMIOSizeGB: 512}\n"),
		  "bad-input: in.yaml:7:52: 'pciPassthru.64bitMMIOSizeGB' must be text (in quotes where it looks like a number), is the number '512'" },
		{ "a hardware version of three digits", SPEC("      hardwareVersion: vmx-100\n"),
		  "bad-input: in.yaml:7:24: hardwareVersion is 'vmx-100': a hardware version such as 'vmx-17' is needed" },
		{ "a hardware version without prefix", SPEC("      hardwareVersion: \"17\"\n"),
		  "bad-input: in.yaml:7:24: hardwareVersion is '17': a hardware version such as 'vmx-17' is needed" },
		{ "memory as text", SPEC("      memoryMiB: 8Gi\n"),
		  "bad-input: in.yaml:7:18: 'memoryMiB' must be a whole number from 1 to 9223372036854775807, is the text '8Gi'" },
	};

	(void)state;
	CHECK_ROWS(rows, TEMPLATE "metadata: {name: t, namespace: ml}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__template_fields_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
