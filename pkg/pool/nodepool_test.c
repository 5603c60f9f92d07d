/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_pool__node_pools_are_read(void **state)
{
	static const struct row rows[] = {
		{ "the class alone", "spec: {vmClass: c}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "replicas", "spec: {vmClass: c, replicas: 3}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c replicas=3\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no replicas are none, not zero", "spec: {vmClass: c, replicas: null}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "zero replicas", "spec: {vmClass: c, replicas: 0}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c replicas=0\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "replicas that some tool fills in", "spec: {vmClass: c, replicas: \"${N}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no GPUs named", "spec: {vmClass: c, gpus: []}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "one GPU where no count is given", "spec: {vmClass: c, gpus: [{model: t4}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c t4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a prefixed id",
		  "spec: {vmClass: c, gpus: [{pciID: \"0x10DE:0x20B0\", count: 64}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c 0x10DE:0x20B0*64@10de:20b0=A100-40GB\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an id the catalogue lacks",
		  "spec: {vmClass: c, gpus: [{pciID: \"10de:fff0\"}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c 10de:fff0*1@10de:fff0=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile", "spec: {vmClass: c, gpus: [{vgpuProfile: grid_t4-1a, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c grid_t4-1a*2!grid_t4-1a=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile of an unknown board",
		  "spec: {vmClass: c, gpus: [{vgpuProfile: grid_zz9-1a}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c grid_zz9-1a*1!grid_zz9-1a=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "256 GPUs",
		  "spec: {vmClass: c, gpus: [{model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*64=T4 T4*64=T4 T4*64=T4 T4*64=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a minimum", "spec: {vmClass: c, mmio: {minimumGB: 1}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c minimum=1\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a size", "spec: {vmClass: c, mmio: {sizeGB: 65536}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c size=65536\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "full reservation", "spec: {vmClass: c, memoryReservation: Full}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no reservation of ours", "spec: {vmClass: c, memoryReservation: Unmanaged}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c unmanaged\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a model to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{model: <MODEL>}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an id to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{pciID: \"${ID}\"}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{vgpuProfile: \"${P}\", count: 2}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a count to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{model: T4, count: \"${N}\"}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an item to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [\"${GPU}\", {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "GPUs to be filled in", "spec: {vmClass: c, gpus: \"${GPUS}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a size to be filled in",
		  "spec: {vmClass: c, mmio: {sizeGB: \"${N}\", minimumGB: 64}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c minimum=64 placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a minimum to be filled in",
		  "spec: {vmClass: c, mmio: {sizeGB: 64, minimumGB: \"${N}\"}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c size=64 placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "mmio to be filled in", "spec: {vmClass: c, mmio: \"${MMIO}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a reservation to be filled in",
		  "spec:\n  vmClass: c\n  memoryReservation: ${R}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class to be filled in", "spec: {vmClass: <CLASS>}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=<CLASS> placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
	};

	(void)state;
	CHECK_ROWS(rows, NODE_POOL);
}

static void test_pool__node_pools_are_strict(void **state)
{
	static const struct row rows[] = {
		{ "no spec", "", "bad-input: in.yaml:1:1: spec is needed, with a vmClass in it" },
		{ "a spec that is a text", "spec: c\n",
		  "bad-input: in.yaml:4:7: 'spec' must be a mapping, is the text 'c'" },
		{ "no class",
		  "spec:\n"
		  "  replicas: 1\n",
		  "bad-input: in.yaml:5:3: spec.vmClass is needed: the name of a VirtualMachineClass" },
		{ "an empty class",
		  "spec:\n"
		  "  vmClass: ''\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is '': a name is needed" },
		{ "a class that is a number",
		  "spec:\n"
		  "  vmClass: 5\n",
		  "bad-input: in.yaml:5:12: 'vmClass' must be text (in quotes where it looks like a number), is the number '5'" },
		{ "a slash in the class",
		  "spec:\n"
		  "  vmClass: a/b\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is 'a/b': no slash and no control character may stand in a name" },
		{ "a control character in the class",
		  "spec:\n"
		  "  vmClass: \"a\\tb\"\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is 'a b': no slash and no control character may stand in a name" },
		{ "a field in the wrong case",
		  "spec:\n"
		  "  vmclass: c\n",
		  "bad-input: in.yaml:5:3: unknown field 'vmclass': did you mean 'vmClass'?" },
		{ "a field that is near",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpu: []\n",
		  "bad-input: in.yaml:6:3: unknown field 'gpu': did you mean 'gpus'?" },
		{ "a field that is like none",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  nodeMachineType: x\n",
		  "bad-input: in.yaml:6:3: unknown field 'nodeMachineType': known are gpus, memoryReservation, mmio, replicas, vmClass" },
		{ "a field at the top",
		  "spce:\n"
		  "  vmClass: c\n",
		  "bad-input: in.yaml:4:1: unknown field 'spce': known are apiVersion, kind, metadata, spec, status" },
		{ "negative replicas", "spec: {vmClass: c, replicas: -1}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the number '-1'" },
		{ "replicas as text", "spec: {vmClass: c, replicas: \"3\"}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the text '3'" },
		{ "replicas with a fraction", "spec: {vmClass: c, replicas: 1.5}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the fraction '1.5'" },
		{ "replicas beyond an int32", "spec: {vmClass: c, replicas: 2147483648}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the number '2147483648'" },
		{ "GPUs that are no list",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: {model: T4}\n",
		  "bad-input: in.yaml:6:9: 'gpus' must be a list, is a mapping" },
		{ "a GPU that is no mapping",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - T4\n",
		  "bad-input: in.yaml:7:5: a mapping such as {model: A100-40GB, count: 4} is needed here, not 'T4'" },
		{ "a GPU without a name",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - count: 2\n",
		  "bad-input: in.yaml:7:5: one of model, pciID or vgpuProfile is needed" },
		{ "a GPU named twice",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, pciID: \"10de:1eb8\"}\n",
		  "bad-input: in.yaml:7:17: model and pciID exclude each other: name the GPU once" },
		{ "a GPU with a field of no meaning",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, counts: 2}\n",
		  "bad-input: in.yaml:7:17: unknown field 'counts': did you mean 'count'?" },
		{ "a model that is empty",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: ''}\n",
		  "bad-input: in.yaml:7:13: model is '': name a GPU" },
		{ "a count of zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, count: 0}\n",
		  "bad-input: in.yaml:7:24: 'count' must be a whole number from 1 to 64, is the number '0'" },
		{ "a count of 65",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, count: 65}\n",
		  "bad-input: in.yaml:7:24: 'count' must be a whole number from 1 to 64, is the number '65'" },
		{ "257 GPUs",
		  "spec: {vmClass: c, gpus: [{model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4}]}\n",
		  "bad-input: in.yaml:4:123: the pool names '257' GPUs for each node: at most 256" },
		{ "an id that YAML reads as a float",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - pciID: 1e78\n",
		  "bad-input: in.yaml:7:12: pciID is '1e78', which YAML reads as a number: write it in quotes, vendor and device, such as \"10de:20b0\"" },
		{ "an id that YAML reads as an integer",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - pciID: 0x10de\n",
		  "bad-input: in.yaml:7:12: pciID is '0x10de', which YAML reads as a number: write it in quotes, vendor and device, such as \"10de:20b0\"" },
		{ "a profile with a blank",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - vgpuProfile: grid a100\n",
		  "bad-input: in.yaml:7:18: vGPU profile 'grid a100' holds a blank: one such as 'grid_a100-40c' is needed" },
		{ "a size that is no power of two",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 100}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '100': a power of two from 1 to 65536 is needed" },
		{ "a minimum of zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: 0}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is '0': a power of two from 1 to 65536 is needed" },
		{ "a size over the largest",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 131072}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '131072': a power of two from 1 to 65536 is needed" },
		{ "a size with a unit",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 512Gi}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '512Gi': a number is needed, such as 512" },
		{ "a size in quotes",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: \"512\"}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '512': a number is needed, without quotes" },
		{ "a minimum in quotes",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: \"512\"}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is the text '512': a number is needed, without quotes" },
		{ "a size that is empty",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: \"\"}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '': a number is needed, such as 512" },
		{ "a size that is a float",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 512.0}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '512.0': a whole number is needed" },
		{ "a minimum with an exponent",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: 1e3}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is '1e3': a whole number is needed" },
		{ "a name to be filled in beside a wrong count",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: [{model: <M>, count: 0}]\n",
		  "bad-input: in.yaml:6:30: 'count' must be a whole number from 1 to 64, is the number '0'" },
		{ "a count to be filled in beside a wrong name",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: [{model: zz9, count: <N>}]\n",
		  "bad-input: in.yaml:6:18: 'zz9' is no known GPU model, `nodeprep gpus` lists all" },
		{ "a size below zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: -64}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '-64': a power of two from 1 to 65536 is needed" },
		{ "an unknown field of mmio",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGb: 64}\n",
		  "bad-input: in.yaml:6:10: unknown field 'minimumGb': did you mean 'minimumGB'?" },
		{ "mmio that is a number",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: 512\n",
		  "bad-input: in.yaml:6:9: 'mmio' must be a mapping, is the number '512'" },
		{ "a reservation in the wrong case",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  memoryReservation: full\n",
		  "bad-input: in.yaml:6:22: memoryReservation is 'full': did you mean 'Full'?" },
		{ "a reservation of another sort",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  memoryReservation: 50%\n",
		  "bad-input: in.yaml:6:22: memoryReservation is '50%': Full or Unmanaged is needed" },
	};

	(void)state;
	CHECK_ROWS(rows, NODE_POOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__node_pools_are_read),
		cmocka_unit_test(test_pool__node_pools_are_strict),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
