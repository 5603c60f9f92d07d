/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_pool__tanzu_clusters_are_read(void **state)
{
	static const struct row rows[] = {
		{ "two pools",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - name: a\n"
		  "      vmClass: x\n"
		  "    - name: b\n"
		  "      vmClass: d\n"
		  "      replicas: 2\n",
		  "ml/t/a in.yaml:0:7 TanzuKubernetesCluster/t class=x\n"
		  "ml/t/b in.yaml:0:9 TanzuKubernetesCluster/t class=d replicas=2\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a pool to be filled in",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x, replicas: \"{{ n }}\"}\n",
		  "ml/t/a in.yaml:0:7 TanzuKubernetesCluster/t class=x placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no topology",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec: {}\n",
		  "bad-input: no worker pool found: 1 document, of kind TanzuKubernetesCluster 't' without node pools; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
		{ "a pool list that is empty",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools: []\n",
		  "bad-input: no worker pool found: 1 document, of kind TanzuKubernetesCluster 't' without node pools; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
		{ "no name",
		  "metadata: {namespace: ml}\n"
		  "spec: {}\n",
		  "bad-input: in.yaml:3:11: metadata.name is needed" },
		{ "no metadata", "spec: {}\n", "bad-input: in.yaml:1:1: metadata.name is needed" },
		{ "a name that is a number", "metadata: {name: 5}\n",
		  "bad-input: in.yaml:3:18: 'name' must be text (in quotes where it looks like a number), is the number '5'" },
		{ "metadata that is a text", "metadata: t\n",
		  "bad-input: in.yaml:3:11: 'metadata' must be a mapping, is the text 't'" },
		{ "a topology that is a text",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology: x\n",
		  "bad-input: in.yaml:5:13: 'topology' must be a mapping, is the text 'x'" },
		{ "pools that are a mapping",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools: {name: a}\n",
		  "bad-input: in.yaml:6:16: 'nodePools' must be a list, is a mapping" },
		{ "a pool that is a text",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - a\n",
		  "bad-input: in.yaml:7:7: a mapping with name, replicas and vmClass is needed here, not 'a'" },
		{ "a pool without name",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - vmClass: a\n",
		  "bad-input: in.yaml:7:7: name of the node pool is needed" },
		{ "a pool without class",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - name: a\n",
		  "ml/t/a in.yaml:0:7 TanzuKubernetesCluster/t class=-\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a pool whose class is null",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - name: a\n"
		  "      vmClass:\n",
		  "ml/t/a in.yaml:0:7 TanzuKubernetesCluster/t class=-\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class that is a list",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - name: a\n"
		  "      vmClass: [b]\n",
		  "bad-input: in.yaml:8:16: 'vmClass' must be text (in quotes where it looks like a number), is a list" },
		{ "replicas as text",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x, replicas: three}\n",
		  "bad-input: in.yaml:7:39: 'replicas' must be a whole number from 0 to 2147483647, is the text 'three'" },
		{ "the same pool twice",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x}\n"
		  "    - {name: a, vmClass: d}\n",
		  "bad-input: in.yaml:8: pool 'ml/t/a' is given twice, first in in.yaml:7" },
		{ "workers, as v1alpha1 had them",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers: {count: 2, class: x}\n",
		  "bad-input: in.yaml:6:5: 'workers' is a field of v1alpha1: 'nodePools' is needed here" },
		{ "an annotation for one of two pools",
		  "metadata:\n"
		  "  name: t\n"
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x}\n"
		  "    - {name: b, vmClass: d}\n",
		  "bad-input: in.yaml:5:17: TanzuKubernetesCluster 't' has 2 worker pools, so that nodeprep.dev/gpus leaves open which one is meant: describe the pool with a NodePool" },
		{ "an annotation to be filled in",
		  "metadata:\n"
		  "  name: t\n"
		  "  annotations: {nodeprep.dev/gpus: \"${G}\"}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x}\n",
		  "default/t/a in.yaml:0:9 TanzuKubernetesCluster/t class=x placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an annotation for one pool",
		  "metadata:\n"
		  "  name: t\n"
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - {name: a, vmClass: x}\n",
		  "default/t/a in.yaml:0:9 TanzuKubernetesCluster/t class=x T4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
	};

	(void)state;
	CHECK_ROWS(rows, TKC);
}

static void test_pool__topologies_are_read(void **state)
{
	static const struct row rows[] = {
		{ "the cluster's class",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {class: w, name: a, replicas: 2}\n",
		  "ml/c/a in.yaml:0:13 Cluster/c class=x replicas=2 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a pool's own class",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {class: w, name: a, variables: {overrides: [{name: vmClass, value: d}]}}\n",
		  "ml/c/a in.yaml:0:13 Cluster/c class=d surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a pool's own class alone",
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, variables: {overrides: [{name: vmClass, value: d}]}}\n"
		  "      - {name: b}\n",
		  "ml/c/a in.yaml:0:10 Cluster/c class=d surge\n"
		  "ml/c/b in.yaml:0:11 Cluster/c class=- surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class that only the control plane names",
		  "spec:\n"
		  "  topology:\n"
		  "    controlPlane: {variables: {overrides: [{name: vmClass, value: d}]}}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: b}\n",
		  "ml/c/b in.yaml:0:11 Cluster/c class=- surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class that nobody names, and a word to us",
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - name: b\n"
		  "        metadata: {annotations: {nodeprep.dev/gpus: T4=2}}\n",
		  "ml/c/b in.yaml:0:10 Cluster/c class=- T4*2=T4 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no topology", "spec: {controlPlaneRef: {name: x}}\n",
		  "bad-input: no worker pool found: 1 document, of kind Cluster without topology; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
		{ "the Supervisor's first ClusterClass",
		  "spec:\n"
		  "  topology:\n"
		  "    class: tanzukubernetescluster\n"
		  "    workers: {machineDeployments: [{name: b, replicas: 1}]}\n",
		  "ml/c/b in.yaml:0:9 Cluster/c class=- replicas=1 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "the Supervisor's later ClusterClass",
		  "spec:\n"
		  "  topology:\n"
		  "    class: builtin-generic-v3.3.0\n"
		  "    workers: {machineDeployments: [{name: b, replicas: 1}]}\n",
		  "ml/c/b in.yaml:0:9 Cluster/c class=- replicas=1 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "tanzu's ClusterClass in v1beta2",
		  "spec:\n"
		  "  topology:\n"
		  "    classRef: {name: tkg-vsphere-default-v1.1.1}\n"
		  "    workers: {machineDeployments: [{name: b, replicas: 1}]}\n",
		  "ml/c/b in.yaml:0:9 Cluster/c class=- replicas=1 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "GPUs to be filled in, of the cluster and of the pool",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - name: b\n"
		  "        metadata: {annotations: {nodeprep.dev/gpus: \"${G}\"}}\n",
		  "bad-input: in.yaml:6:17: nodeprep.dev/gpus stands on Cluster 'c' and on its pool 'b': keep that of the pool" },
		{ "no class anywhere",
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: b, replicas: 1}\n",
		  "bad-input: no worker pool found: 1 document, of kind Cluster 'c' without variable vmClass; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
		{ "machine pools are not passed over unsaid",
		  "spec:\n"
		  "  topology:\n"
		  "    class: tanzukubernetescluster\n"
		  "    workers:\n"
		  "      machineDeployments: [{name: b, replicas: 1}]\n"
		  "      machinePools: [{name: p, class: x}, {name: q, class: x}]\n",
		  "ml/c/b in.yaml:0:10 Cluster/c class=- replicas=1 surge\n"
		  "  machine-pools: the topology's 2 machinePools are not read: vSphere has nodes of machineDeployments alone\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no pools",
		  "spec:\n"
		  "  topology:\n"
		  "    variables: [{name: vmClass, value: x}]\n"
		  "    workers: {machineDeployments: []}\n",
		  "bad-input: no worker pool found: 1 document, of kind Cluster 'c' without machine deployments; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
		{ "the autoscaler's largest size",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, replicas: 2, metadata: {annotations: {cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size: \"5\"}}}\n",
		  "ml/c/a in.yaml:0:13 Cluster/c class=x surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class that is a mapping",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: {name: x}}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:10:30: the name of a VirtualMachineClass, as value of the variable 'vmClass', is needed here, not a mapping" },
		{ "a class without value",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:10:7: the name of a VirtualMachineClass, as value of the variable 'vmClass', is needed here" },
		{ "a class given twice",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    - {name: vmClass, value: d}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:11:7: variable 'vmClass' is given twice in one list" },
		{ "an override that is a number",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, variables: {overrides: [{name: vmClass, value: 7}]}}\n",
		  "bad-input: in.yaml:13:66: the name of a VirtualMachineClass, as value of the variable 'vmClass', is needed here, not '7'" },
		{ "variables that are a mapping",
		  "spec:\n"
		  "  topology:\n"
		  "    variables: {vmClass: x}\n",
		  "bad-input: in.yaml:8:16: 'variables' must be a list, is a mapping" },
		{ "a pool without name",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {class: w}\n",
		  "bad-input: in.yaml:13:9: name of the machine deployment is needed" },
		{ "a pool that is a text",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - w\n",
		  "bad-input: in.yaml:13:9: this must be a mapping, is the text 'w'" },
		{ "workers that are a list",
		  "spec:\n"
		  "  topology:\n"
		  "    variables: [{name: vmClass, value: x}]\n"
		  "    workers: []\n",
		  "bad-input: in.yaml:9:14: 'workers' must be a mapping, is a list" },
		{ "replicas with a fraction",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, replicas: 0.5}\n",
		  "bad-input: in.yaml:13:29: 'replicas' must be a whole number from 0 to 2147483647, is the fraction '0.5'" },
		{ "the same pool twice",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:14: pool 'ml/c/a' is given twice, first in in.yaml:13" },
		{ "a class with a slash",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass, value: x/y}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:10:30: variable vmClass is 'x/y': no slash and no control character may stand in a name" },
		{ "annotations on the cluster and on its pool",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, metadata: {annotations: {nodeprep.dev/gpus: T4=2}}}\n",
		  "bad-input: in.yaml:6:17: nodeprep.dev/gpus stands on Cluster 'c' and on its pool 'a': keep that of the pool" },
		{ "an annotation on a cluster of one pool",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "ml/c/a in.yaml:0:11 Cluster/c class=- T4*1=T4 surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an annotation on a cluster of two pools",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n"
		  "      - {name: b}\n",
		  "bad-input: in.yaml:6:17: Cluster 'c' has 2 worker pools, so that nodeprep.dev/gpus leaves open which one is meant: annotate the pool" },
	};

	(void)state;
	CHECK_ROWS(rows, CLUSTER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__tanzu_clusters_are_read),
		cmocka_unit_test(test_pool__topologies_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
