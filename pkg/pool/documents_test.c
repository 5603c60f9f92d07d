/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_pool__documents_are_told_apart(void **state)
{
	static const struct
		row
			rows
				[] = {
					{ "nothing at all", "",
					  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "empty documents",
					  "---\n"
					  "---\n",
					  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a text", "hello\n",
					  "bad-input: in.yaml:1:1: a mapping with apiVersion and kind is needed here, not 'hello'" },
					{ "a null in a List",
					  "apiVersion: v1\n"
					  "kind: List\n"
					  "items: [null]\n",
					  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a list", "- a\n",
					  "bad-input: in.yaml:1:1: a mapping with apiVersion and kind is needed here, not a list" },
					{ "no kind", "apiVersion: v1\n",
					  "bad-input: in.yaml:1:1: kind is needed" },
					{ "no apiVersion", "kind: NodePool\n",
					  "bad-input: in.yaml:1:1: apiVersion is needed" },
					{ "neither", "metadata: {name: a}\n",
					  "bad-input: in.yaml:1:1: apiVersion and kind are needed" },
					{ "capitals that are of no tanzu file", "HTTP_PROXY: a\n",
					  "bad-input: in.yaml:1:1: apiVersion and kind are needed" },
					{ "a kind that is a number",
					  "apiVersion: v1\n"
					  "kind: 5\n",
					  "bad-input: in.yaml:2:7: 'kind' must be text (in quotes where it looks like a number), is the number '5'" },
					{ "a NodePool of an unknown version",
					  "apiVersion: nodeprep.dev/v1\n"
					  "kind: NodePool\n",
					  "bad-input: in.yaml:1:13: version 'v1' of NodePool is not read: v1alpha1 is" },
					{ "a TanzuKubernetesCluster of an unknown version",
					  "apiVersion: run.tanzu.vmware.com/v1beta1\n"
					  "kind: TanzuKubernetesCluster\n",
					  "bad-input: in.yaml:1:13: version 'v1beta1' of TanzuKubernetesCluster is not read: v1alpha1, v1alpha2, v1alpha3 are" },
					{ "a Cluster of an unknown version",
					  "apiVersion: cluster.x-k8s.io/v1alpha4\n"
					  "kind: Cluster\n",
					  "bad-input: in.yaml:1:13: version 'v1alpha4' of Cluster is not read: v1beta1, v1beta2 are" },
					{ "another kind of our group",
					  "apiVersion: nodeprep.dev/v1alpha1\n"
					  "kind: Nodepool\n",
					  "bad-input: in.yaml:2:7: 'Nodepool' is no kind of nodeprep.dev that is read: NodePool is" },
					{ "a Cluster of a group that ends like ours",
					  "apiVersion: infrastructure.cluster.x-k8s.io/v1beta1\n"
					  "kind: Cluster\n"
					  "metadata: {name: c}\n"
					  "spec: {topology: {variables: [{name: vmClass, value: x}], workers: {machineDeployments: [{name: a}]}}}\n",
					  "bad-input: no worker pool found: 1 document, of kind Cluster (infrastructure.cluster.x-k8s.io/v1beta1); nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a Cluster of a group that starts like ours",
					  "apiVersion: cluster.x-k8s.io.example.com/v1beta1\n"
					  "kind: Cluster\n",
					  "bad-input: no worker pool found: 1 document, of kind Cluster (cluster.x-k8s.io.example.com/v1beta1); nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "kinds of others",
					  "apiVersion: v1\n"
					  "kind: Secret\n"
					  "---\n"
					  "apiVersion: v1\n"
					  "kind: Service\n"
					  "---\n"
					  "apiVersion: v1\n"
					  "kind: Service\n",
					  "bad-input: no worker pool found: 3 documents, of kinds Secret, Service x2; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a pool among others",
					  "apiVersion: v1\n"
					  "kind: Secret\n"
					  "---\n"
					  "apiVersion: nodeprep.dev/v1alpha1\n"
					  "kind: NodePool\n"
					  "metadata: {name: p, namespace: ml}\n"
					  "spec: {vmClass: c}\n",
					  "ml/p in.yaml:1:4 NodePool/p class=c\n"
					  "documents=2 classes=0 skipped=1 [Secret]" },
					{ "two pools of one placeholder's name",
					  "apiVersion: nodeprep.dev/v1alpha1\n"
					  "kind: NodePool\n"
					  "metadata: {name: <POOL>, namespace: ml}\n"
					  "spec: {vmClass: c}\n"
					  "---\n"
					  "apiVersion: nodeprep.dev/v1alpha1\n"
					  "kind: NodePool\n"
					  "metadata: {name: <POOL>, namespace: ml}\n"
					  "spec: {vmClass: c}\n",
					  "ml/<POOL> in.yaml:0:1 NodePool/<POOL> class=c placeholder\n"
					  "ml/<POOL> in.yaml:1:6 NodePool/<POOL> class=c placeholder\n"
					  "documents=2 classes=0 skipped=0 []" },
					{ "two classes of one placeholder's name",
					  "apiVersion: vmoperator.vmware.com/v1\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: <CLASS>}\n"
					  "spec: {a: 1}\n"
					  "---\n"
					  "apiVersion: vmoperator.vmware.com/v1\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: <CLASS>}\n",
					  "documents=2 classes=2 skipped=0 []" },
					{ "a class of a version to come",
					  "apiVersion: vmoperator.vmware.com/v9\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: g}\n",
					  "documents=1 classes=1 skipped=0 []" },
					{ "a class without name",
					  "apiVersion: vmoperator.vmware.com/v1alpha1\n"
					  "kind: VirtualMachineClass\n",
					  "bad-input: in.yaml:1:1: metadata.name is needed" },
					{ "two classes of one name in two namespaces",
					  "apiVersion: vmoperator.vmware.com/v1alpha1\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: g}\n"
					  "spec: {a: 1}\n"
					  "---\n"
					  "apiVersion: vmoperator.vmware.com/v1alpha1\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: g, namespace: ml}\n"
					  "spec: {a: 2}\n",
					  "documents=2 classes=2 skipped=0 []" },
					{ "an empty List",
					  "apiVersion: v1\n"
					  "kind: List\n"
					  "items: []\n",
					  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a List whose items are no list",
					  "apiVersion: v1\n"
					  "kind: List\n"
					  "items: {a: b}\n",
					  "bad-input: in.yaml:3:8: 'items' must be a list, is a mapping" },
					{ "a List with a text in it",
					  "apiVersion: v1\n"
					  "kind: List\n"
					  "items:\n"
					  "- a\n",
					  "bad-input: in.yaml:4:3: a mapping with apiVersion and kind is needed here, not 'a'" },
					{ "a List of another group",
					  "apiVersion: example.com/v1\n"
					  "kind: NodePoolList\n"
					  "items:\n"
					  "- a\n",
					  "bad-input: no worker pool found: 1 document, of kind NodePoolList; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
					{ "a NodePoolList",
					  "apiVersion: nodeprep.dev/v1alpha1\n"
					  "kind: NodePoolList\n"
					  "items:\n"
					  "- {apiVersion: nodeprep.dev/v1alpha1, kind: NodePool, metadata: {name: q}, spec: {vmClass: c}}\n",
					  "default/q in.yaml:0:4 NodePool/q class=c\n"
					  "documents=1 classes=0 skipped=0 []" },
					{ "JSON",
					  "{\"apiVersion\": \"nodeprep.dev/v1alpha1\", \"kind\": \"NodePool\", \"metadata\": {\"name\": \"p\"}, \"spec\": {\"vmClass\": \"c\"}}",
					  "default/p in.yaml:0:1 NodePool/p class=c\n"
					  "documents=1 classes=0 skipped=0 []" },
					{ "a TanzuKubernetesCluster without pools beside a class",
					  "apiVersion: run.tanzu.vmware.com/v1alpha1\n"
					  "kind: TanzuKubernetesCluster\n"
					  "metadata: {name: t}\n"
					  "spec: {topology: {controlPlane: {count: 1}}}\n"
					  "---\n"
					  "apiVersion: vmoperator.vmware.com/v1alpha1\n"
					  "kind: VirtualMachineClass\n"
					  "metadata: {name: g}\n",
					  "documents=2 classes=1 skipped=1 [TanzuKubernetesCluster 't' without workers]" },
					{ "workers without class, in v1alpha1",
					  "apiVersion: run.tanzu.vmware.com/v1alpha1\n"
					  "kind: TanzuKubernetesCluster\n"
					  "metadata: {name: t}\n"
					  "spec: {topology: {workers: {count: 1}}}\n",
					  "default/t/workers in.yaml:0:4 TanzuKubernetesCluster/t class=- replicas=1\n"
					  "documents=1 classes=0 skipped=0 []" },
					{ "nodePools, in v1alpha1",
					  "apiVersion: run.tanzu.vmware.com/v1alpha1\n"
					  "kind: TanzuKubernetesCluster\n"
					  "metadata: {name: t}\n"
					  "spec: {topology: {nodePools: []}}\n",
					  "bad-input: in.yaml:4:19: 'nodePools' is a field of v1alpha2 and v1alpha3: 'workers' is needed here" },
				};

	(void)state;
	CHECK_ROWS(rows, "");
}

static void test_pool__files_without_kind_are_told_by_their_keys(void **state)
{
	static const struct row rows[] = {
		{ "extra pools in a block",
		  "EXTRA_NODE_POOLS: true\nextrapools: |\n"
		  "  - name: gpu\n    replicas: 1\n    template: <path>\n"
		  "    customVMX: \"pciPassthru.use64BitMMIO=true,pciPassthru.64bitMMIOSizeGB=<GIB>\"\n"
		  "  - name: b\n    customVMX: \"\"\n",
		  "default/gpu in.yaml:0:3 ClusterConfiguration/md-0 class=- replicas=1 template=0 placeholder\n"
		  "default/b in.yaml:0:7 ClusterConfiguration/md-0 class=- template=1\n"
		  "template default/gpu in.yaml:0:3 extra pciPassthru.use64BitMMIO='true' pciPassthru.64bitMMIOSizeGB='<GIB>' placeholder\n"
		  "template default/b in.yaml:0:7 extra\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "extra pools as a list beside the workers",
		  "CLUSTER_NAME: c\nextrapools:\n- name: gpu\n",
		  "default/c/md-0 in.yaml:0:1 ClusterConfiguration/c class=- template=0 surge\n"
		  "default/c/gpu in.yaml:0:3 ClusterConfiguration/c class=- template=1\n"
		  "template default/md-0 in.yaml:0:1 flat\n"
		  "template default/gpu in.yaml:0:3 extra\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an extra pool without a name", "extrapools: |\n  - replicas: 1\n",
		  "bad-input: in.yaml: extrapools:1:3: name of the extra pool is needed" },
		{ "extra pools that are no list", "extrapools: ${POOLS}\n",
		  "bad-input: in.yaml: extrapools:1:1: a list of pools is needed here, not '${POOLS}'" },
		{ "another provider",
		  "CLUSTER_NAME: c\nINFRASTRUCTURE_PROVIDER: aws\n---\n" NODE_POOL_SPEC,
		  "ml/p in.yaml:1:4 NodePool/p class=c\n"
		  "documents=2 classes=0 skipped=1 [ClusterConfiguration 'c' whose provider is not vsphere]" },
		{ "a node-pool file",
		  "name: np-1\nreplicas: 1\nnodeMachineType: t3.large\nworkerClass: tkg-worker\n"
		  "labels: {gpu: a}\n",
		  "default/np-1 in.yaml:0:1 NodePoolFile/np-1 class=- replicas=1\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a node-pool file with GPU settings",
		  "name: np-1\nreplicas: 1\ngpus: 2\nvsphere: {memoryMiB: 8192, pciDevices: []}\n",
		  "default/np-1 in.yaml:0:1 NodePoolFile/np-1 class=- replicas=1\n"
		  "  no-effect: 'gpus' has no effect: tanzu cluster node-pool set knows no GPU setting; give the pool a VM class or a VSphereMachineTemplate of its own\n"
		  "  no-effect: 'vsphere.pciDevices' has no effect: tanzu cluster node-pool set knows no GPU setting; give the pool a VM class or a VSphereMachineTemplate of its own\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a node-pool file of a Supervisor's cluster", "name: np-1\nvmClass: gpu\n",
		  "default/np-1 in.yaml:0:1 NodePoolFile/np-1 class=gpu\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a node-pool file with replicas of no number", "name: np-1\nreplicas: many\n",
		  "bad-input: in.yaml:2:11: 'replicas' must be a whole number from 0 to 2147483647, is the text 'many'" },
	};

	(void)state;
	CHECK_ROWS(rows, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__documents_are_told_apart),
		cmocka_unit_test(test_pool__files_without_kind_are_told_by_their_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
