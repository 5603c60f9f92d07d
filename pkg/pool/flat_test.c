/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define FLAT(expect) \
	"default/c/md-0 in.yaml:0:1 ClusterConfiguration/c class=- template=0" expect "\n"
#define FLAT_TEMPLATE "template default/md-0 in.yaml:0:1 flat"
#define FLAT_END "documents=1 classes=0 skipped=0 []"

static void test_pool__flat_files_are_read(void **state)
{
	static const struct row rows[] = {
		{ "no GPU", "", FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "every spelling of an id",
		  "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST: \"true\"\n"
		  "VSPHERE_WORKER_PCI_DEVICES: \"0x10DE:0x1EB8, 10DE:1EB8,10de:20b0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:1eb8=T4 10de:1eb8=T4 10de:20b0=A100-40GB\n" FLAT_END },
		{ "all that is read",
		  "NAMESPACE: default\nINFRASTRUCTURE_PROVIDER: vsphere\nTKG_IP_FAMILY: ipv4\n"
		  "VSPHERE_CONTROL_PLANE_PCI_DEVICES: \"0x10DE:0x2330\"\n"
		  "VSPHERE_WORKER_PCI_DEVICES: 0x10DE:0x1EB8\n"
		  "VSPHERE_WORKER_CUSTOM_VMX_KEYS: 'pciPassthru.allowP2P=true, a = b'\n"
		  "VSPHERE_WORKER_HARDWARE_VERSION: vmx-17\nVSPHERE_WORKER_MEM_MIB: 8192\n"
		  "VSPHERE_WORKER_ROLLOUT_STRATEGY: OnDelete\nWORKER_MACHINE_COUNT: \"2\"\n"
		  "OS_ARCH: amd64\n",
		  "default/c/md-0 in.yaml:0:1 ClusterConfiguration/c class=- replicas=2 template=0 on-delete\n" FLAT_TEMPLATE
		  " 10de:1eb8=T4 pciPassthru.allowP2P='true' a='b' vmx-17 memory=8192\n" FLAT_END },
		{ "the autoscaler owns the count",
		  "WORKER_MACHINE_COUNT: 2\nENABLE_AUTOSCALER: true\n",
		  FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "a card that is not on the allow-list",
		  "VSPHERE_WORKER_PCI_DEVICES: \"10de:20b0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:20b0=A100-40GB\n"
		  "  allow-list: the installer refuses '10de:20b0': it takes 10de:1eb8 alone unless VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST is \"true\"\n" FLAT_END },
		{ "two equal cards that are not on the allow-list",
		  "VSPHERE_WORKER_PCI_DEVICES: \"10de:20b0,0x10DE:0x20B0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:20b0=A100-40GB 10de:20b0=A100-40GB\n"
		  "  allow-list: the installer refuses '10de:20b0': it takes 10de:1eb8 alone unless VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST is \"true\"\n" FLAT_END },
		{ "a vGPU", "VSPHERE_WORKER_PCI_DEVICES: grid_t4-1a\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " !grid_t4-1a=T4\n"
		  "  passthrough-only: 'grid_t4-1a' is a vGPU: VSPHERE_WORKER_PCI_DEVICES takes passthrough devices alone\n" FLAT_END },
		{ "two equal vGPUs", "VSPHERE_WORKER_PCI_DEVICES: \"grid_t4-1a,grid_t4-1a\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " !grid_t4-1a=T4 !grid_t4-1a=T4\n"
		  "  passthrough-only: 'grid_t4-1a' is a vGPU: VSPHERE_WORKER_PCI_DEVICES takes passthrough devices alone\n" FLAT_END },
		{ "a 32-bit guest", "OS_ARCH: i386\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  "\n"
		  "  guest-32bit: OS_ARCH 'i386' names a 32-bit guest, which maps no BAR above 4 GB\n" FLAT_END },
		{ "empty values",
		  "VSPHERE_WORKER_PCI_DEVICES: \"\"\nVSPHERE_WORKER_CUSTOM_VMX_KEYS:\n",
		  FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "placeholders",
		  "VSPHERE_WORKER_PCI_DEVICES: <VENDOR>:<DEVICE>\nWORKER_MACHINE_COUNT: ${N}\n",
		  FLAT(" surge placeholder") FLAT_TEMPLATE
		  " unknown-device placeholder\n" FLAT_END },
		{ "the framework's own bad value a:b;c;d", "VSPHERE_WORKER_PCI_DEVICES: a:b;c;d\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id 'a:b;c;d' is not vendor:device in hex, such as 10de:20b0" },
		{ "the framework's own bad value with a semicolon",
		  "VSPHERE_WORKER_PCI_DEVICES: \"1001:1001,2000:2001;400:300\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '2000:2001;400:300' is not vendor:device in hex, such as 10de:20b0" },
		{ "the framework's own bad value sometext",
		  "VSPHERE_WORKER_PCI_DEVICES: sometext\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id 'sometext' is not vendor:device in hex, such as 10de:20b0" },
		{ "a comma at the end", "VSPHERE_WORKER_PCI_DEVICES: \"10de:1eb8,\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '' is not vendor:device in hex, such as 10de:20b0" },
		{ "swapped ids", "VSPHERE_WORKER_PCI_DEVICES: \"0x1EB8:0x10DE\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '0x1EB8:0x10DE' looks swapped: vendor 10de comes first, '10de:1eb8'" },
		{ "a key without value", "VSPHERE_WORKER_CUSTOM_VMX_KEYS: \"a=b,c\"\n",
		  "bad-input: in.yaml:2:33: VSPHERE_WORKER_CUSTOM_VMX_KEYS has 'c': KEY=VALUE pairs with commas between them are needed" },
		{ "a key twice", "VSPHERE_WORKER_CUSTOM_VMX_KEYS: \"a=b,a=c\"\n",
		  "bad-input: in.yaml:2:33: VMX key 'a' is given twice" },
		{ "a strategy that is none", "VSPHERE_WORKER_ROLLOUT_STRATEGY: Recreate\n",
		  "bad-input: in.yaml:2:34: VSPHERE_WORKER_ROLLOUT_STRATEGY is 'Recreate': RollingUpdate or OnDelete is needed" },
		{ "a count that is none", "WORKER_MACHINE_COUNT: two\n",
		  "bad-input: in.yaml:2:23: WORKER_MACHINE_COUNT is 'two': a whole number from 0 to 2147483647 is needed" },
		{ "memory that is none", "VSPHERE_WORKER_MEM_MIB: 8Gi\n",
		  "bad-input: in.yaml:2:25: VSPHERE_WORKER_MEM_MIB is '8Gi': a whole number of MiB is needed" },
		{ "a hardware version that is none", "VSPHERE_WORKER_HARDWARE_VERSION: 17\n",
		  "bad-input: in.yaml:2:34: VSPHERE_WORKER_HARDWARE_VERSION is '17': a hardware version such as 'vmx-17' is needed" },
		{ "a list of devices", "VSPHERE_WORKER_PCI_DEVICES: [a]\n",
		  "bad-input: in.yaml:2:29: text is needed here, not a list" },
		{ "a slash in the namespace", "NAMESPACE: a/b\n",
		  "bad-input: in.yaml:2:12: metadata.namespace is 'a/b': no slash and no control character may stand in a name" },
	};

	(void)state;
	CHECK_ROWS(rows, "CLUSTER_NAME: c\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__flat_files_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
