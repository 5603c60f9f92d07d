/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

static void test_pool__machine_deployments_find_their_templates(void **state)
{
	static const struct row rows[] = {
		{ "the template behind the deployment",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\n"
			     "spec:\n  clusterName: c\n  replicas: 3\n" REFERS(
				     CAPV, "t") "---\n" A100_TEMPLATE,
		  "ml/c/d in.yaml:0:1 MachineDeployment/d class=- replicas=3 template=0 surge\n" A100_TEMPLATE_LINE(
			  "1:9") "\n"
				 "documents=2 classes=0 skipped=0 []" },
		{ "the template before it, and v1beta2's spelling",
		  A100_TEMPLATE "---\n" DEPLOYMENT2 "metadata: {name: d, namespace: ml}\n"
				"spec:\n  clusterName: c\n"
				"  rollout: {strategy: {rollingUpdate: {maxSurge: 0}}}\n"
				"  template: {spec: {infrastructureRef: {apiGroup: " CAPV
				", kind: VSphereMachineTemplate, name: t}}}\n",
		  "ml/c/d in.yaml:1:6 MachineDeployment/d class=- template=0 no-surge\n" A100_TEMPLATE_LINE(
			  "0:1") "\n"
				 "documents=2 classes=0 skipped=0 []" },
		{ "one template of two deployments",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\nspec:\n" REFERS(
			  CAPV, "t") "---\n" DEPLOYMENT "metadata: {name: e, namespace: ml}\n"
				     "spec:\n  strategy: {type: OnDelete}\n" REFERS(
					     CAPV, "t") "---\n" A100_TEMPLATE,
		  "ml/d in.yaml:0:1 MachineDeployment/d class=- template=0 surge\n"
		  "ml/e in.yaml:1:7 MachineDeployment/e class=- template=0 on-delete\n" A100_TEMPLATE_LINE(
			  "2:14") "\n"
				  "documents=3 classes=0 skipped=0 []" },
		{ "a template that is not there",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\nspec:\n" REFERS(CAPV, "t"),
		  "ml/d in.yaml:0:1 MachineDeployment/d class=- template=ml/t:missing surge\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a template of another namespace is another",
		  DEPLOYMENT "metadata: {name: d, namespace: x}\nspec:\n" REFERS(
			  CAPV, "t") "---\n" A100_TEMPLATE,
		  "x/d in.yaml:0:1 MachineDeployment/d class=- template=x/t:missing surge\n"
		  "ml/t in.yaml:1:7 VSphereMachineTemplate/t class=- template=0\n" A100_TEMPLATE_LINE(
			  "1:7") "\n"
				 "documents=2 classes=0 skipped=0 []" },
		{ "a Supervisor's template makes a pool with a class",
		  "apiVersion: " SUPERVISOR "/v1beta2\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t, namespace: ml}\n"
		  "spec: {template: {spec: {className: gpu}}}\n---\n" DEPLOYMENT
		  "metadata: {name: d, namespace: ml}\nspec:\n  replicas: 1\n" REFERS(SUPERVISOR,
										      "t"),
		  "ml/d in.yaml:1:6 MachineDeployment/d class=gpu replicas=1 surge\n"
		  "template ml/t in.yaml:0:1 machine class=gpu\n"
		  "documents=2 classes=0 skipped=0 []" },
		{ "a group of the other flavour is another template",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\nspec:\n" REFERS(
			  SUPERVISOR, "t") "---\n" A100_TEMPLATE,
		  "ml/d in.yaml:0:1 MachineDeployment/d class=- template=ml/t:missing surge\n"
		  "ml/t in.yaml:1:7 VSphereMachineTemplate/t class=- template=0\n" A100_TEMPLATE_LINE(
			  "1:7") "\n"
				 "documents=2 classes=0 skipped=0 []" },
		{ "autoscaler, annotation, topology",
		  DEPLOYMENT "metadata:\n  name: d\n  namespace: ml\n"
			     "  labels: {topology.cluster.x-k8s.io/owned: ''}\n"
			     "  annotations: {nodeprep.dev/gpus: T4=1, "
			     "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size: \"3\"}\n"
			     "spec:\n  replicas: 2\n" REFERS(CAPV, "t"),
		  "ml/d in.yaml:0:1 MachineDeployment/d class=- T4*1=T4 template=ml/t:missing surge\n"
		  "  topology-owned: a Cluster's topology owns the MachineDeployment and would undo a change of it: change the Cluster's variables\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "another cloud's beside a template alone",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\nspec: {template: {spec: "
			     "{infrastructureRef: {kind: AWSMachineTemplate, name: a}}}}\n"
			     "---\n" A100_TEMPLATE,
		  "ml/t in.yaml:1:6 VSphereMachineTemplate/t class=- template=0\n" A100_TEMPLATE_LINE(
			  "1:6") "\n"
				 "documents=2 classes=0 skipped=1 [MachineDeployment 'd' of another cloud]" },
		{ "a template of that name of another vendor",
		  DEPLOYMENT "metadata: {name: d, namespace: ml}\nspec:\n" REFERS(
			  "example.com", "t") "---\n" A100_TEMPLATE,
		  "ml/t in.yaml:1:7 VSphereMachineTemplate/t class=- template=0\n" A100_TEMPLATE_LINE(
			  "1:7") "\n"
				 "documents=2 classes=0 skipped=1 [MachineDeployment 'd' of another cloud]" },
		{ "the control plane's template is no pool",
		  "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\n"
		  "metadata: {name: cp, namespace: ml}\n"
		  "spec: {machineTemplate: {infrastructureRef: {apiVersion: " CAPV
		  "/v1beta1, kind: VSphereMachineTemplate, name: t}}}\n---\n" A100_TEMPLATE
		  "---\n" NODE_POOL_SPEC,
		  "ml/p in.yaml:2:11 NodePool/p class=c\n" A100_TEMPLATE_LINE(
			  "1:6") "\n"
				 "documents=3 classes=0 skipped=1 [KubeadmControlPlane]" },
		{ "a template without devices that nothing names",
		  TEMPLATE
		  "metadata: {name: t}\nspec: {template: {spec: {numCPUs: 2}}}\n---\n" NODE_POOL_SPEC,
		  "ml/p in.yaml:1:6 NodePool/p class=c\n"
		  "template default/t in.yaml:0:1 machine\n"
		  "documents=2 classes=0 skipped=1 [VSphereMachineTemplate 't' without devices]" },
		{ "the same template twice", A100_TEMPLATE "---\n" A100_TEMPLATE,
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n" A100_TEMPLATE_LINE(
			  "0:1") "\n" A100_TEMPLATE_LINE("1:6") " duplicate unused\n"
								"documents=2 classes=0 skipped=0 []" },
		{ "two templates of one name",
		  A100_TEMPLATE "---\n" TEMPLATE "metadata: {name: t, namespace: ml}\n",
		  "bad-input: in.yaml:6:1: VSphereMachineTemplate 'ml/t' is given twice and differs from that in in.yaml:1" },
		{ "placeholders",
		  DEPLOYMENT "metadata: {name: \"${C}-md\", namespace: ml}\n"
			     "spec:\n  clusterName: ${C}\n  replicas: ${N}\n" REFERS(CAPV, "t"),
		  "ml/${C}/${C}-md in.yaml:0:1 MachineDeployment/${C}-md class=- template=ml/t:missing surge placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a deployment that refers to no name",
		  DEPLOYMENT "metadata: {name: d}\nspec: {template: {spec: {infrastructureRef: "
			     "{apiVersion: " CAPV "/v1, kind: VSphereMachineTemplate}}}}\n",
		  "bad-input: in.yaml:4:45: infrastructureRef.name is needed" },
		{ "a version that is not read",
		  "apiVersion: cluster.x-k8s.io/v1alpha4\nkind: MachineDeployment\n"
		  "metadata: {name: d}\n",
		  "bad-input: in.yaml:1:13: version 'v1alpha4' of MachineDeployment is not read: v1beta1, v1beta2 are" },
		{ "a Supervisor's template without class",
		  "apiVersion: " SUPERVISOR "/v1beta1\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t}\nspec: {template: {spec: {}}}\n",
		  "bad-input: in.yaml:4:25: spec.template.spec.className is needed" },
	};

	(void)state;
	CHECK_ROWS(rows, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__machine_deployments_find_their_templates),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
