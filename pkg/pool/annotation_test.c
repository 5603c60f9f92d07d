/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_pool__annotations_name_gpus(void **state)
{
	static const struct row rows[] = {
		{ "models",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"A100-40GB=4,T4=1\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c A100-40GB*4=A100-40GB T4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "blanks around",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \" A100-40GB = 4 , T4=1 \"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c A100-40GB*4=A100-40GB T4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an id and a profile",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"10de:20b0=2,grid_t4-1a=1,nvidia_new-1c=3\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c 10de:20b0*2@10de:20b0=A100-40GB grid_t4-1a*1!grid_t4-1a=T4 nvidia_new-1c*3!nvidia_new-1c=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile in capitals",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"GRID_T4-1A=1\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c GRID_T4-1A*1!GRID_T4-1A=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a model that looks like a profile",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"nvidia_t4=1\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c nvidia_t4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "GPUs to be filled in",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"${G}\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a model to be filled in, beside a card",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"<MODEL>=4,T4=1\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c T4*1=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a count to be filled in",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"T4=1,A100-40GB={{ n }}\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c T4*1=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a placeholder whose default has a comma",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"${G:-A100-40GB=4,T4=1}\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a model in a vendor's words",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"NVIDIA A100-PCIE-40GB=1\"\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c NVIDIA A100-PCIE-40GB*1=A100-40GB\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile's prefix and no profile",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"nvidia_zz9=1\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'nvidia_zz9' is no known GPU model, `nodeprep gpus` lists all" },
		{ "nothing",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: nodeprep.dev/gpus is empty: GPUs are needed, such as 'A100-40GB=4,T4=1'" },
		{ "blanks alone",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"  \"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: nodeprep.dev/gpus is empty: GPUs are needed, such as 'A100-40GB=4,T4=1'" },
		{ "a semicolon",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: A100-40GB=1;T4=1\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'A100-40GB=1;T4=1' in nodeprep.dev/gpus holds a ';': commas separate its parts, such as 'A100-40GB=4,T4=1'" },
		{ "a placeholder beside a card that is none",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"${G}=1,zz9=1\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'zz9' is no known GPU model, `nodeprep gpus` lists all" },
		{ "no count",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: A100-40GB\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'A100-40GB' in nodeprep.dev/gpus lacks its count: MODEL=COUNT is needed, such as 'A100-40GB=4'" },
		{ "no name",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: =4\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: '=4' in nodeprep.dev/gpus names no GPU: MODEL=COUNT is needed, such as 'A100-40GB=4'" },
		{ "a count of zero",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=0\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is '0': 1 to 64 is needed" },
		{ "a count of 65",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=65\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is '65': 1 to 64 is needed" },
		{ "a count that is none",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=two\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is 'two': 1 to 64 is needed" },
		{ "a comma at the end",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=1,\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: '' in nodeprep.dev/gpus lacks its count: MODEL=COUNT is needed, such as 'A100-40GB=4'" },
		{ "a number",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: 4\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'nodeprep.dev/gpus' must be text (in quotes where it looks like a number), is the number '4'" },
		{ "a list",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: [T4=1]\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'nodeprep.dev/gpus' must be text (in quotes where it looks like a number), is a list" },
		{ "a swapped id",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"20b0:10de=1\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: id '20b0:10de' looks swapped: vendor 10de comes first, '10de:20b0'" },
		{ "too many together",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"T4=64,T4=64,T4=64,T4=64,T4=1\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: the pool names '257' GPUs for each node: at most 256" },
		{ "both forms",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec: {vmClass: c, gpus: [{model: T4}]}\n",
		  "bad-input: in.yaml:5:17: annotation nodeprep.dev/gpus and spec.gpus exclude each other: keep spec.gpus" },
		{ "both forms, one empty",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec: {vmClass: c, gpus: []}\n",
		  "bad-input: in.yaml:5:17: annotation nodeprep.dev/gpus and spec.gpus exclude each other: keep spec.gpus" },
		{ "a misspelt annotation",
		  "  annotations: {nodeprep.dev/GPU: T4=1}\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:5:17: unknown annotation 'nodeprep.dev/GPU': did you mean 'nodeprep.dev/gpus'?" },
		{ "another annotation of ours",
		  "  annotations: {nodeprep.dev/note: hello}\n"
		  "spec: {vmClass: c}\n",
		  "default/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "annotations that are a list",
		  "  annotations: [a]\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:5:16: 'annotations' must be a mapping, is a list" },
	};

	(void)state;
	CHECK_ROWS(rows, ANNOTATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__annotations_name_gpus),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
