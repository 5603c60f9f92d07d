/* SPDX-License-Identifier: Apache-2.0 */
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
#include "nodeprep/plan.h"
#include "nodeprep/pool.h"
#include "nodeprep/warnings.h"

#include "failing_alloc.h"

#define CAPV "infrastructure.cluster.x-k8s.io"
#define DEPLOYMENT(name, rest)                                                              \
	"---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: MachineDeployment\n"              \
	"metadata: {name: " name ", namespace: ml" rest "}\n"                               \
	"spec: {clusterName: c, strategy: {type: OnDelete}, template: {spec: "              \
	"{infrastructureRef: {apiVersion: " CAPV "/v1beta1, kind: VSphereMachineTemplate, " \
	"name: t}}}}\n"
#define TEMPLATE(fields)                                                    \
	"---\napiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n" \
	"metadata: {name: t, namespace: ml}\n"                              \
	"spec: {template: {spec: {hardwareVersion: vmx-19, " fields "}}}\n"
#define A100 "{vendorId: 4318, deviceId: 0x20b0}"
#define T4 "{vendorId: 4318, deviceId: 7864}"
#define H100 "{vendorId: 4318, deviceId: 0x2330}"
#define FLAT "CLUSTER_NAME: c\nWORKER_ROLLOUT_STRATEGY: OnDelete\n"

static void read_input(struct np_input *in, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(in, catalogue, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_pool_input_finish(in, &err) < 0)
		fail_msg("%s", err.text);
}

static void print_value(FILE *f, const json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	fprintf(f, "%s", text ? text : "absent");
	free(text);
}

static void print_notes(FILE *f, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		fprintf(f, "! %s: %s\n", warnings->items[i].code, warnings->items[i].message);
}

static void print_template(FILE *f, const struct np_plan_template *t)
{
	json_t *metadata = json_object_get(t->replacement, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));

	fprintf(f, "template %s/%s pools=%zu gpus=", t->ns, t->name, t->n_pools);
	fprintf(f, t->has_gpus ? "%ju" : "?", (uintmax_t)t->gpus);
	fprintf(f, t->has_window ? " window=%ju" : " window=?", (uintmax_t)t->window_gb);
	fprintf(f, " %s%s%s\n", t->hardware_version ? t->hardware_version : "-", name ? " -> " : "",
		name ? name : "");
	for (size_t i = 0; i < t->change.n; i++) {
		const struct np_change_item *item = &t->change.items[i];

		fprintf(f, "  %s: ", item->path);
		print_value(f, item->from);
		fprintf(f, " -> ");
		print_value(f, item->to);
		fprintf(f, "\n");
	}
	print_notes(f, &t->warnings);
}

static void print_pool(FILE *f, const struct np_plan_pool *p)
{
	fprintf(f, "pool %s", p->pool->name);
	fprintf(f, p->has_gpus ? " gpus=%ju" : " gpus=?", (uintmax_t)p->need.gpus);
	fprintf(f, p->has_window && p->window_is_known ? " window=%ju\n" : " window=?\n",
		(uintmax_t)p->window.gb);
}

static char *describe(const struct np_plan *plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < plan->n_pools; i++)
		print_pool(f, &plan->pools[i]);
	for (size_t i = 0; i < plan->n_templates; i++)
		print_template(f, &plan->templates[i]);
	print_notes(f, &plan->warnings);
	for (size_t i = 0; i < plan->n_errors; i++)
		fprintf(f, "error %s: %s\n", np_code_name(plan->errors[i].code),
			plan->errors[i].text);
	fclose(f);
	return text;
}

/* Plans the text; the input lives on in *in, which the plan points into. */
static void make_plan(struct np_input *in, const char *text, bool allow_shrink,
		      struct np_plan *plan)
{
	struct np_plan_options o = { .catalogue = catalogue,
				     .allow_shrink = allow_shrink,
				     .holder = "apply" };
	struct np_err err = NP_ERR_INIT;

	read_input(in, text);
	if (np_plan_make(in, &o, plan, &err) < 0)
		fail_msg("%s", err.text);
}

struct row {
	const char *what, *text, *expect;
	bool allow_shrink;
};

static void check_rows(const struct row *rows, size_t n)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		struct np_input in = { 0 };
		struct np_plan plan = { 0 };
		char *got;

		make_plan(&in, rows[i].text, rows[i].allow_shrink, &plan);
		got = describe(&plan);
		if (strcmp(got, rows[i].expect) != 0) {
			print_error("%s:\n--- got\n%s--- expected\n%s", rows[i].what, got,
				    rows[i].expect);
			bad++;
		}
		free(got);
		np_plan_done(&plan);
		np_pool_input_done(&in);
	}
	assert_int_equal(bad, 0);
}

#define KEYS "/spec/template/spec/customVMXKeys/"
#define USE64 KEYS "pciPassthru.use64bitMMIO"
#define SIZE KEYS "pciPassthru.64bitMMIOSizeGB"
#define REFERENCE "/spec/template/spec/infrastructureRef/name"

#define LACKS_KEYS                          \
	"  " USE64 ": absent -> \"TRUE\"\n" \
	"  " SIZE ": absent -> \"512\"\n"

static void test_templates__machine_templates_get_missing_settings(void **state)
{
	static const struct row rows[] = {
		{ "one A100, nothing said", DEPLOYMENT("d", "") TEMPLATE("pciDevices: [" A100 "]"),
		  "pool d gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-b3bad243\n" LACKS_KEYS
		  "  " REFERENCE ": \"t\" -> \"t-b3bad243\"\n",
		  false },
		{ "three H100 are more than the floor, for two deployments",
		  DEPLOYMENT("d", "") DEPLOYMENT("e", "")
			  TEMPLATE("pciDevices: [" H100 ", " H100 ", " H100 "]"),
		  "pool d gpus=3 window=1024\npool e gpus=3 window=1024\n"
		  "template ml/t pools=2 gpus=3 window=1024 vmx-19 -> t-d2c3d7b2\n"
		  "  " USE64 ": absent -> \"TRUE\"\n  " SIZE ": absent -> \"1024\"\n"
		  "  " REFERENCE ": \"t\" -> \"t-d2c3d7b2\"\n"
		  "  " REFERENCE ": \"t\" -> \"t-d2c3d7b2\"\n",
		  false },
		{ "a lone template", TEMPLATE("pciDevices: [" A100 "]"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-b3bad243\n" LACKS_KEYS,
		  false },
		{ "right already, in whatever case of true",
		  TEMPLATE("pciDevices: [" A100
			   "], customVMXKeys: {pciPassthru.use64bitMMIO: 'true', "
			   "pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19\n",
		  false },
		{ "variants are folded, in their place, and too small",
		  TEMPLATE("pciDevices: [" A100
			   "], customVMXKeys: {a: b, pciPassthru.64bitMMioSizeGB: '64', "
			   "pciPassthru.use64BitMMIO: 'TRUE'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-b23fec46\n"
		  "  " USE64 ": {\"pciPassthru.use64BitMMIO\":\"TRUE\"} -> \"TRUE\"\n"
		  "  " SIZE ": {\"pciPassthru.64bitMMioSizeGB\":\"64\"} -> \"512\"\n",
		  false },
		{ "a canonical value stands before a larger variant",
		  TEMPLATE(
			  "pciDevices: [" A100
			  "], customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '512', "
			  "pciPassthru.64bitMMioSizeGB: '2048', pciPassthru.use64bitMMIO: 'TRUE'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-b3bad243\n"
		  "  " SIZE ": {\"pciPassthru.64bitMMIOSizeGB\":\"512\","
		  "\"pciPassthru.64bitMMioSizeGB\":\"2048\"} -> \"512\"\n",
		  false },
		{ "a larger one is kept",
		  TEMPLATE("pciDevices: [" A100
			   "], customVMXKeys: {pciPassthru.use64bitMMIO: 'TRUE', "
			   "pciPassthru.64bitMMIOSizeGB: '1024'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=1024 vmx-19\n"
		  "! window-kept: the current 1024 GB is kept, 512 GB is enough; --allow-shrink lowers it\n",
		  false },
		{ "a larger one that is no power of two is raised",
		  TEMPLATE("pciDevices: [" A100
			   "], customVMXKeys: {pciPassthru.use64bitMMIO: 'TRUE', "
			   "pciPassthru.64bitMMIOSizeGB: '1000'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=1024 vmx-19 -> t-0f6cf524\n"
		  "  " SIZE ": \"1000\" -> \"1024\"\n"
		  "! window-kept: the current 1000 GB is kept, raised to 1024 GB (a power of two), 512 GB is enough; --allow-shrink lowers it\n",
		  false },
		{ "a larger one goes where asked",
		  TEMPLATE("pciDevices: [" A100
			   "], customVMXKeys: {pciPassthru.use64bitMMIO: 'TRUE', "
			   "pciPassthru.64bitMMIOSizeGB: '1024'}"),
		  "pool t gpus=1 window=512\n"
		  "template ml/t pools=1 gpus=1 window=512 vmx-19 -> t-b3bad243\n"
		  "  " SIZE ": \"1024\" -> \"512\"\n",
		  true },
		{ "a T4 needs no key", TEMPLATE("pciDevices: [" T4 "]"),
		  "pool t gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 vmx-19\n",
		  false },
		{ "a T4's keys are kept",
		  TEMPLATE("pciDevices: [" T4
			   "], customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '64'}"),
		  "pool t gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=64 vmx-19\n"
		  "! window-kept: the current 64 GB is kept, though no device needs a window; --allow-shrink removes it\n",
		  false },
		{ "a T4's keys go where asked",
		  TEMPLATE("pciDevices: [" T4
			   "], customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '64'}"),
		  "pool t gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 vmx-19 -> t-f9812a38\n"
		  "  " SIZE ": \"64\" -> absent\n",
		  true },
		{ "ids as text become numbers",
		  TEMPLATE("pciDevices: [{vendorId: '0x10DE', deviceId: '0x1EB8'}]"),
		  "pool t gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 vmx-19 -> t-f9812a38\n"
		  "  /spec/template/spec/pciDevices/0/vendorId: \"0x10DE\" -> 4318\n"
		  "  /spec/template/spec/pciDevices/0/deviceId: \"0x1EB8\" -> 7864\n",
		  false },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_templates__odd_templates_have_warnings(void **state)
{
	static const struct row rows[] = {
		{ "a template that is not there", DEPLOYMENT("d", ""),
		  "pool d gpus=? window=?\n"
		  "template ml/t pools=1 gpus=? window=? -\n"
		  "! template-missing: VSphereMachineTemplate 'ml/t' is not in the input: its nodes' GPUs are unknown\n",
		  false },
		{ "one that is not there, of a pool that says its GPUs",
		  DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: H100-80GB=3}"),
		  "pool d gpus=3 window=1024\n"
		  "template ml/t pools=1 gpus=? window=? -\n"
		  "! template-missing: VSphereMachineTemplate 'ml/t' is not in the input: its nodes' GPUs are unknown\n",
		  false },
		{ "keys and no device",
		  DEPLOYMENT("d", "")
			  TEMPLATE("customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "pool d gpus=? window=?\n"
		  "template ml/t pools=1 gpus=? window=512 vmx-19\n"
		  "! baked-in: MMIO keys and no PCI device: a GPU may be part of the OVA itself, so their number is unknown\n",
		  false },
		{ "keys and no device, of a pool that says which GPUs",
		  DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: H100-80GB=3}")
			  TEMPLATE("customVMXKeys: {pciPassthru.use64bitMMIO: 'TRUE', "
				   "pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "pool d gpus=3 window=1024\n"
		  "template ml/t pools=1 gpus=? window=1024 vmx-19 -> t-263b963e\n"
		  "  " SIZE ": \"512\" -> \"1024\"\n"
		  "  " REFERENCE ": \"t\" -> \"t-263b963e\"\n"
		  "! baked-in: MMIO keys and no PCI device: a GPU may be part of the OVA itself, so their number is unknown\n",
		  false },
		{ "keys and no device, of a pool that says a small one",
		  DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: T4=1}")
			  TEMPLATE("customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "pool d gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=? window=512 vmx-19\n"
		  "! baked-in: MMIO keys and no PCI device: a GPU may be part of the OVA itself, so their number is unknown\n",
		  false },
		{ "the same template twice",
		  TEMPLATE("pciDevices: [" T4 "]") TEMPLATE("pciDevices: [" T4 "]"),
		  "pool t gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 vmx-19\n",
		  false },
		{ "neither keys nor device", DEPLOYMENT("d", "") TEMPLATE("numCPUs: 2"),
		  "pool d gpus=0 window=0\ntemplate ml/t pools=1 gpus=0 window=0 vmx-19\n", false },
		{ "a pool that names fewer",
		  DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: T4=1}")
			  TEMPLATE("pciDevices: [" T4 ", " T4 "]"),
		  "pool d gpus=2 window=0\ntemplate ml/t pools=1 gpus=2 window=0 vmx-19\n"
		  "! extra-gpus: pool 'ml/c/d' names 1 x T4, the template attaches 2 x T4: all of them are counted and sized\n",
		  false },
		{ "a pool that names more",
		  DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: T4=2}")
			  TEMPLATE("pciDevices: [" T4 "]"),
		  "pool d gpus=1 window=0\ntemplate ml/t pools=1 gpus=1 window=0 vmx-19\n"
		  "error bad-input: in.yaml:2: pool 'ml/c/d': asks for 2 x T4, but template 't' attaches 1 x T4\n",
		  false },
		{ "memory, mixed kinds, an unknown card",
		  TEMPLATE("memoryMiB: 8192, pciDevices: [" A100
			   ", {vGPUProfile: grid_t4-1a}, {vendorId: 4318, deviceId: 0x2fff}]"),
		  "pool t gpus=3 window=?\n"
		  "template ml/t pools=1 gpus=3 window=512 vmx-19 -> t-c5f37e5d\n" LACKS_KEYS
		  "! gpu-size-unknown: pool 'ml/t' has GPUs of unknown size (1 x 10de:2fff), counted with 256 GB in all: the window is 512 GB; set sizeGB, or add the card with --catalogue or --catalogue-from\n"
		  "! mixed-vgpu: vGPU and passthrough GPUs in one template: a node takes the driver of one kind\n"
		  "! memory-small: the VM has 8192 MiB of memory for 40 GB of GPU memory; guides advise 1.5 times as much\n"
		  "! unknown-device: '10de:2fff' is not in the catalogue; add it with --catalogue or --catalogue-from\n",
		  false },
		{ "enough memory, to the MiB",
		  TEMPLATE("memoryMiB: 61440, pciDevices: [" A100
			   "], customVMXKeys: {pciPassthru.use64bitMMIO: 'TRUE', "
			   "pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "pool t gpus=1 window=512\ntemplate ml/t pools=1 gpus=1 window=512 vmx-19\n",
		  false },
		{ "an old hardware version, and a surge",
		  "apiVersion: " CAPV "/v1beta2\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t, namespace: ml}\n"
		  "spec: {template: {spec: {hardwareVersion: vmx-16, pciDevices: [" T4 "]}}}\n---\n"
		  "apiVersion: cluster.x-k8s.io/v1beta2\nkind: MachineDeployment\n"
		  "metadata: {name: d, namespace: ml}\nspec: {template: {spec: {infrastructureRef: "
		  "{apiGroup: " CAPV ", kind: VSphereMachineTemplate, name: t}}}}\n",
		  "pool d gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 vmx-17 -> t-1c4c0c5a\n"
		  "  /spec/template/spec/hardwareVersion: \"vmx-16\" -> \"vmx-17\"\n"
		  "  " REFERENCE ": \"t\" -> \"t-1c4c0c5a\"\n"
		  "! no-spare-host: pool 'ml/d': a rolling update creates the new node first, and hangs without a host with free GPUs: use maxSurge 0 or OnDelete\n"
		  "! hardware-version: raised from 'vmx-16' to 'vmx-17', which PCI devices need\n",
		  false },
		{ "no hardware version, and a placeholder for one",
		  "apiVersion: " CAPV "/v1beta2\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t, namespace: ml}\n"
		  "spec: {template: {spec: {pciDevices: [" T4 "]}}}\n---\n"
		  "apiVersion: " CAPV "/v1beta2\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: u, namespace: ml}\n"
		  "spec: {template: {spec: {hardwareVersion: $(H), pciDevices: [" T4 "]}}}\n",
		  "pool t gpus=1 window=0\npool u gpus=1 window=0\n"
		  "template ml/t pools=1 gpus=1 window=0 -\n"
		  "! hardware-version: no hardware version is set, so the OVA's applies: PCI devices need vmx-17 or newer\n"
		  "template ml/u pools=1 gpus=1 window=0 $(H)\n"
		  "! placeholder: in.yaml:9:43: pool 'ml/u': hardwareVersion is '$(H)', an unfilled placeholder: it cannot be applied\n",
		  false },
		{ "a pool file without effect", "name: np\nreplicas: 1\ngpus: 1\n",
		  "pool np gpus=? window=?\n"
		  "! no-effect: in.yaml:1: pool 'default/np': 'gpus' has no effect: tanzu cluster node-pool set ignores GPU settings; give the pool a VM class or a VSphereMachineTemplate of its own\n"
		  "! class-missing: in.yaml:1: pool 'default/np' names no VM class: its nodes' settings are unknown\n",
		  false },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

#define FLAT_KEYS "/VSPHERE_WORKER_CUSTOM_VMX_KEYS"

static void test_templates__flat_files_list_their_changes(void **state)
{
	static const struct row rows[] = {
		{ "no keys and an old hardware version",
		  FLAT "VSPHERE_WORKER_PCI_DEVICES: \"10DE:1EB8\"\n"
		       "VSPHERE_WORKER_HARDWARE_VERSION: vmx-13\n",
		  "pool md-0 gpus=1 window=0\n"
		  "template default/md-0 pools=1 gpus=1 window=0 vmx-17\n"
		  "  /VSPHERE_WORKER_HARDWARE_VERSION: \"vmx-13\" -> \"vmx-17\"\n"
		  "! hardware-version: raised from 'vmx-13' to 'vmx-17', which PCI devices need\n",
		  false },
		{ "keys kept in their place",
		  FLAT "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST: true\n"
		       "VSPHERE_WORKER_PCI_DEVICES: \"0x10DE:0x20B0\"\n"
		       "VSPHERE_WORKER_HARDWARE_VERSION: vmx-17\n"
		       "VSPHERE_WORKER_CUSTOM_VMX_KEYS: 'pciPassthru.64bitMMIOSizeGB=16,a=b'\n",
		  "pool md-0 gpus=1 window=512\n"
		  "template default/md-0 pools=1 gpus=1 window=512 vmx-17\n"
		  "  " FLAT_KEYS ": \"pciPassthru.64bitMMIOSizeGB=16,a=b\" -> "
		  "\"pciPassthru.64bitMMIOSizeGB=512,a=b,pciPassthru.use64bitMMIO=TRUE\"\n",
		  false },
		{ "keys where none stood",
		  FLAT "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST: true\n"
		       "VSPHERE_WORKER_PCI_DEVICES: \"0x10DE:0x20B0\"\n"
		       "VSPHERE_WORKER_HARDWARE_VERSION: vmx-17\n",
		  "pool md-0 gpus=1 window=512\n"
		  "template default/md-0 pools=1 gpus=1 window=512 vmx-17\n"
		  "  " FLAT_KEYS ": absent -> "
		  "\"pciPassthru.use64bitMMIO=TRUE,pciPassthru.64bitMMIOSizeGB=512\"\n",
		  false },
		{ "an extra pool",
		  "extrapools: |\n  - name: x\n    customVMX: pciPassthru.64bitMMIOSizeGB=64\n",
		  "pool x gpus=? window=?\n"
		  "template default/x pools=1 gpus=? window=64 -\n"
		  "! baked-in: MMIO keys and no PCI device: a GPU may be part of the OVA itself, so their number is unknown\n",
		  false },
		{ "a placeholder for the devices", FLAT "VSPHERE_WORKER_PCI_DEVICES: ${IDS}\n",
		  "pool md-0 gpus=? window=?\n"
		  "template default/md-0 pools=1 gpus=? window=? -\n"
		  "! placeholder: in.yaml:3:29: pool 'default/c/md-0': VSPHERE_WORKER_PCI_DEVICES is '${IDS}', an unfilled placeholder: it cannot be applied\n",
		  false },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* Plans a template with that name and returns what is to replace it. */
static json_t *replacement_of(const char *name, const char *more)
{
	struct np_input in = { 0 };
	struct np_plan plan = { 0 };
	json_t *object;
	char text[4096];

	snprintf(
		text, sizeof(text),
		"apiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n"
		"metadata: {name: \"%s\", namespace: ml, uid: a, resourceVersion: \"7\", "
		"generation: 2, creationTimestamp: x, ownerReferences: [], managedFields: [], "
		"labels: {l: m}, annotations: {kubectl.kubernetes.io/last-applied-configuration: y, "
		"z: z}}\nstatus: {a: b}\nspec: {template: {spec: {pciDevices: [" A100
		"], %snumCPUs: 2}}}\n",
		name, more);
	make_plan(&in, text, false, &plan);
	assert_int_equal(plan.n_templates, 1);
	object = json_incref(plan.templates[0].replacement);
	np_plan_done(&plan);
	np_pool_input_done(&in);
	return object;
}

static const char *name_of(const json_t *object)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
}

static void test_templates__a_replacement_is_a_manifest_of_its_own(void **state)
{
	static const char expect[] =
		"{\"apiVersion\":\"" CAPV "/v1beta1\",\"kind\":\"VSphereMachineTemplate\","
		"\"metadata\":{\"annotations\":{\"nodeprep.dev/replaces\":\"t\",\"z\":\"z\"},"
		"\"labels\":{\"l\":\"m\"},\"name\":\"t-3fd34394\",\"namespace\":\"ml\"},"
		"\"spec\":{\"template\":{\"spec\":{\"customVMXKeys\":{"
		"\"pciPassthru.64bitMMIOSizeGB\":\"512\",\"pciPassthru.use64bitMMIO\":\"TRUE\"},"
		"\"numCPUs\":2,\"pciDevices\":[{\"deviceId\":8368,\"vendorId\":4318}]}}}}";
	json_auto_t *object = replacement_of("t", "");
	char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text, expect);
	free(text);
}

/* The replacement shares what it does not change with the input. */
static void test_templates__a_replacement_leaves_the_input_as_it_is(void **state)
{
	static const char text[] =
		"apiVersion: " CAPV "/v1beta1\nkind: VSphereMachineTemplate\n"
		"metadata: {name: t, namespace: ml, uid: a, annotations: {z: z}}\nstatus: {a: b}\n"
		"spec: {template: {spec: {hardwareVersion: vmx-15, customVMXKeys: {a: b}, "
		"pciDevices: [{vendorId: \"0x10de\", deviceId: 0x20b0}]}}}\n";
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };
	struct np_input in = { 0 };
	struct np_plan plan = { 0 };
	struct np_err err = NP_ERR_INIT;
	json_auto_t *before = NULL;

	(void)state;
	read_input(&in, text);
	before = json_deep_copy(in.templates[0].node.json);
	assert_int_equal(np_plan_make(&in, &o, &plan, &err), 0);
	assert_non_null(plan.templates[0].replacement);
	assert_true(json_equal(in.templates[0].node.json, before));
	assert_false(json_equal(plan.templates[0].replacement, before));
	np_plan_done(&plan);
	np_pool_input_done(&in);
}

static void test_templates__names_are_stable_and_fit(void **state)
{
	json_auto_t *a = replacement_of("t", ""), *again = replacement_of("t", "");
	json_auto_t *other = replacement_of("t", "memoryMiB: 131072, ");
	char name[254];

	(void)state;
	assert_string_equal(name_of(a), name_of(again));
	assert_string_not_equal(name_of(a), name_of(other));
	memset(name, 'n', sizeof(name));
	for (size_t n = 1; n <= 253; n++) {
		json_auto_t *cut = NULL;
		const char *got;

		name[n] = '\0';
		cut = replacement_of(name, "");
		got = name_of(cut);
		name[n] = 'n';
		if (strlen(got) != (n <= 54 ? n + 9 : n <= 63 ? 63 : n <= 244 ? n + 9 : 253))
			fail_msg("a name of %zu bytes becomes '%s'", n, got);
	}
}

static void test_templates__a_cut_name_ends_in_one_dash(void **state)
{
	/* The 54th byte, where the cut is, is a dash. */
	json_auto_t *object =
		replacement_of("a2345678901234567890123456789012345678901234567890123-5678901", "");

	(void)state;
	assert_memory_equal(name_of(object),
			    "a2345678901234567890123456789012345678901234567890123-", 54);
	assert_int_equal(strlen(name_of(object)), 62);
}

static void test_templates__revert_does_not_change_templates(void **state)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply", .revert = true };
	struct np_input in = { 0 };
	struct np_plan plan = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	read_input(&in, TEMPLATE("pciDevices: [" A100 "]"));
	assert_int_equal(np_plan_make(&in, &o, &plan, &err), 0);
	assert_int_equal(plan.n_templates, 0);
	assert_int_equal(plan.pools[0].template_index, SIZE_MAX);
	np_plan_done(&plan);
	np_pool_input_done(&in);
}

/* A topology hook patches the template before it exists: nobody has to name another one. */
static void test_templates__in_place_changes_keep_the_names(void **state)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "hook", .in_place = true };
	struct np_input in = { 0 };
	struct np_plan plan = { 0 };
	struct np_err err = NP_ERR_INIT;
	const struct np_plan_template *t;

	(void)state;
	read_input(&in, DEPLOYMENT("workers", "") TEMPLATE("pciDevices: [" A100 "]"));
	assert_int_equal(np_plan_make(&in, &o, &plan, &err), 0);
	assert_int_equal(plan.n_templates, 1);
	t = &plan.templates[0];
	assert_string_equal(np_plan_template_new_name(t), "t");
	assert_int_equal(t->n_references, 0);
	assert_int_equal(t->change.n, 2);
	np_plan_done(&plan);
	np_pool_input_done(&in);
}

static void test_templates__the_line_for_people_names_the_replacement(void **state)
{
	static const struct {
		const char *text, *expect;
	} rows[] = {
		{ TEMPLATE("pciDevices: [" A100 "]"),
		  "template ml/t is immutable: 'nodeprep apply' creates its replacement 't-b3bad243'" },
		{ FLAT "VSPHERE_WORKER_PCI_DEVICES: \"10de:20b0\"\n",
		  "template default/md-0 is in a file: 'nodeprep plan -o yaml' prints the corrected file" },
		{ TEMPLATE("pciDevices: [" T4 "]"), "template ml/t is up to date" },
		{ DEPLOYMENT("d", "")
			  TEMPLATE("customVMXKeys: {pciPassthru.64bitMMIOSizeGB: '512'}"),
		  "template ml/t is not changed: its GPUs are unknown" },
		{ TEMPLATE("pciDevices: [{vendorId: 0x1E52, deviceId: 0xB140}]"),
		  "template ml/t is not changed: its GPUs are unknown" },
		{ DEPLOYMENT("d", ""),
		  "template ml/t is not in the input: its changes are unknown" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_input in = { 0 };
		struct np_plan plan = { 0 };
		char text[NP_PLAN_TEMPLATE_TEXT_MAX] = "sentinel";

		make_plan(&in, rows[i].text, false, &plan);
		np_plan_template_text(&plan.templates[0], text);
		assert_string_equal(text, rows[i].expect);
		np_plan_done(&plan);
		np_pool_input_done(&in);
	}
}

static void test_templates__each_allocation_may_fail(void **state)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };
	struct np_input in = { 0 };
	struct failing f = FAILING_INIT;

	(void)state;
	read_input(&in, DEPLOYMENT("d", ", annotations: {nodeprep.dev/gpus: A100-40GB=1}")
				DEPLOYMENT("e", "") TEMPLATE(
					"pciDevices: [" A100 ", " T4
					"], customVMXKeys: {pciPassthru.64bitMMioSizeGB: '64'}"));
	while (next_round(&f)) {
		struct np_plan plan = { 0 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = np_plan_make(&in, &o, &plan, &err);
		stop_failing(&f);
		if (rc != (f.failed ? -(int)NP_E_NOMEM : 0))
			fail_msg("allocation %zu: %d %s", f.rounds, rc, err.text);
		np_plan_done(&plan);
	}
	np_pool_input_done(&in);
	assert_true(f.rounds > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_templates__machine_templates_get_missing_settings),
		cmocka_unit_test(test_templates__odd_templates_have_warnings),
		cmocka_unit_test(test_templates__flat_files_list_their_changes),
		cmocka_unit_test(test_templates__a_replacement_is_a_manifest_of_its_own),
		cmocka_unit_test(test_templates__a_replacement_leaves_the_input_as_it_is),
		cmocka_unit_test(test_templates__names_are_stable_and_fit),
		cmocka_unit_test(test_templates__a_cut_name_ends_in_one_dash),
		cmocka_unit_test(test_templates__revert_does_not_change_templates),
		cmocka_unit_test(test_templates__in_place_changes_keep_the_names),
		cmocka_unit_test(test_templates__the_line_for_people_names_the_replacement),
		cmocka_unit_test(test_templates__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
