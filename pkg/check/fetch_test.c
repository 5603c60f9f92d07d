/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"
#include "internal.h"
#include "supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/pool.h"

#define GROUP "vmoperator.vmware.com/v1alpha6"
#define API "/apis/" GROUP
#define IN_ML API "/namespaces/ml"

/* Two pools in two namespaces; the class "gpu" of "ml" alone has a card that needs EFI. */
#define INPUT                                                                            \
	"apiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"                            \
	"metadata: {name: w, namespace: ml}\nspec: {vmClass: gpu}\n"                     \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"                       \
	"metadata: {name: v, namespace: dev}\nspec: {vmClass: cpu}\n"                    \
	"---\napiVersion: " GROUP "\nkind: VirtualMachineClass\n"                        \
	"metadata: {name: gpu, namespace: ml}\nspec: {hardware: {memory: 1Gi, devices: " \
	"{dynamicDirectPathIODevices: [{vendorID: 4318, deviceID: 8368}]}}}\n"           \
	"---\napiVersion: " GROUP "\nkind: VirtualMachineClass\n"                        \
	"metadata: {name: cpu, namespace: dev}\nspec: {hardware: {memory: 1Gi}}\n"

#define VM(name, spec)                                            \
	"apiVersion: " GROUP "\nkind: VirtualMachine\nmetadata: " \
	"{name: " name ", namespace: ml}\nspec: {" spec "}\n"
#define IMAGE(kind, rest) "apiVersion: " GROUP "\nkind: " kind "\nmetadata: {name: vmi-1" rest "}\n"

/* A plan, and a Supervisor with VMs and images. */
struct session {
	struct supervisor s;
	struct np_input input;
	struct np_plan plan;
	struct np_check_inventory inv;
	struct np_err err;
};

static void open_session(struct session *x)
{
	struct np_plan_options o = { .catalogue = catalogue, .holder = "apply" };

	*x = (struct session){ .err = NP_ERR_INIT };
	supervisor_start(&x->s, NULL);
	if (np_pool_input_parse(&x->input, catalogue, "in.yaml", INPUT, strlen(INPUT), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->input, &x->err) < 0)
		fail_msg("%s", x->err.text);
	o.classes = x->input.classes;
	o.n_classes = x->input.n_classes;
	if (np_plan_make(&x->input, &o, &x->plan, &x->err) < 0 ||
	    np_check_inventory_init(&x->inv, &x->plan, &x->err) < 0)
		fail_msg("%s", x->err.text);
	supervisor_create(&x->s, IN_ML "/virtualmachines",
			  VM("a", "className: gpu, imageName: vmi-1"));
	supervisor_create(&x->s, IN_ML "/virtualmachines", VM("b", "className: other"));
	supervisor_create(&x->s, IN_ML "/virtualmachineimages",
			  IMAGE("VirtualMachineImage", ", namespace: ml"));
	supervisor_create(&x->s, API "/clustervirtualmachineimages",
			  IMAGE("ClusterVirtualMachineImage", ""));
	supervisor_mark(&x->s);
}

static void close_session(struct session *x)
{
	np_check_inventory_done(&x->inv);
	np_plan_done(&x->plan);
	np_pool_input_done(&x->input);
	supervisor_stop(&x->s);
}

static int fetch(struct session *x)
{
	return np_check_inventory_fetch(x->s.kube, &x->plan, &x->inv, &x->err);
}

static void test_fetch__vms_and_images_are_listed(void **state)
{
	struct session x;

	(void)state;
	open_session(&x);
	assert_int_equal(fetch(&x), 0);
	assert_int_equal(x.inv.n_vms, 1);
	assert_string_equal(x.inv.vms[0].name, "a");
	assert_string_equal(x.plan.classes[x.inv.vms[0].class_index].name, "gpu");
	assert_int_equal(x.inv.n_images, 2);
	assert_string_equal(x.inv.images[0].ns, "ml");
	assert_null(x.inv.images[1].ns);
	assert_int_equal(x.inv.unknown.n, 0);
	/* Nothing is listed in the namespace whose class asks nothing of its VMs. */
	assert_int_equal(x.inv.namespaces.n, 1);
	close_session(&x);
}

/* Images are listed only where a VM takes its firmware from one. */
static void test_fetch__only_relevant_images_are_listed(void **state)
{
	struct session x;

	(void)state;
	open_session(&x);
	supervisor_patch(&x.s, IN_ML "/virtualmachines/a",
			 "{\"spec\": {\"bootOptions\": {\"firmware\": \"efi\"}}}");
	assert_int_equal(fetch(&x), 0);
	assert_int_equal(x.inv.n_vms, 1);
	assert_int_equal(x.inv.n_images, 0);
	close_session(&x);
}

#define FAULT(path, status)                                                                 \
	"[{\"match\": {\"path\": \"" path "\"}, \"fault\": \"status\", \"status\": " status \
	", \"count\": 0}]"

/* What a failing list leads to: a finding, an error, or nothing. */
static const struct fault_row {
	const char *title, *fault;
	size_t n_vms, n_images;
	const char *code, *ns; /* of the finding; NULL: none */
	const char *error; /* NULL: none */
} fault_rows[] = {
	{ "VMs are forbidden", FAULT("*/virtualmachines", "403"), 0, 0, "vms-unknown", "ml", NULL },
	{ "VMs are not served", FAULT("*/virtualmachines", "404"), 0, 0, "vms-unknown", "ml",
	  NULL },
	{ "images are forbidden", FAULT("*/virtualmachineimages", "403"), 1, 1, "images-unknown",
	  "ml", NULL },
	{ "cluster images are forbidden", FAULT("*/clustervirtualmachineimages", "403"), 1, 1,
	  "images-unknown", NULL, NULL },
	{ "images are not served", FAULT("*/virtualmachineimages", "404"), 1, 1, NULL, NULL, NULL },
	{ "a list of VMs is refused", FAULT("*/virtualmachines", "422"), 0, 0, NULL, NULL,
	  "virtualmachines: " },
	{ "a list of images is refused", FAULT("*/virtualmachineimages", "422"), 1, 0, NULL, NULL,
	  "virtualmachineimages: " },
};

static void expect_row(const struct session *x, const struct fault_row *row, int rc)
{
	const struct np_check_finding *f = x->inv.unknown.items;

	if (rc != np_err_ret(&x->err) || !row->error != (rc == 0))
		fail_msg("%s: %d: %s", row->title, rc, x->err.text);
	if (row->error)
		expect_has(row->title, x->err.text, row->error);
	if (x->inv.n_vms != row->n_vms || x->inv.n_images != row->n_images)
		fail_msg("%s: %zu VMs, %zu images", row->title, x->inv.n_vms, x->inv.n_images);
	if (x->inv.unknown.n != (row->code ? 1 : 0))
		fail_msg("%s: %zu findings", row->title, x->inv.unknown.n);
	if (!row->code)
		return;
	assert_string_equal(f->kind->code, row->code);
	if (!f->ns != !row->ns || (f->ns && strcmp(f->ns, row->ns) != 0))
		fail_msg("%s: in '%s'", row->title, f->ns ? f->ns : "");
}

static void test_fetch__failing_lists_are_unknown_or_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(fault_rows); i++) {
		struct session x;

		open_session(&x);
		supervisor_faults(&x.s, fault_rows[i].fault);
		expect_row(&x, &fault_rows[i], fetch(&x));
		close_session(&x);
	}
}

#define BINDING(name, kind)                                                              \
	"apiVersion: vmoperator.vmware.com/v1alpha1\nkind: VirtualMachineClassBinding\n" \
	"metadata: {name: " name ", namespace: ml}\nclassRef: {kind: " kind ", name: " name "}\n"

/* The bindings of a namespace, and the warnings that they lead to. */
static const struct binding_row {
	const char *title, *binding, *fault;
	bool is_cluster_scoped;
	size_t n_class, n_plan; /* warnings of the class in "ml", and of the plan */
} binding_rows[] = {
	{ "bound", BINDING("gpu", "VirtualMachineClass"), "[]", true, 0, 0 },
	{ "another class is bound", BINDING("cpu", "VirtualMachineClass"), "[]", true, 1, 0 },
	{ "an object of another kind", BINDING("gpu", "Other"), "[]", true, 1, 0 },
	{ "forbidden", BINDING("cpu", "VirtualMachineClass"),
	  FAULT("*/virtualmachineclassbindings", "403"), true, 0, 1 },
	{ "namespaced classes have no bindings", BINDING("cpu", "VirtualMachineClass"), "[]", false,
	  0, 0 },
};

static void test_fetch__bindings_are_compared_with_the_pools(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(binding_rows); i++) {
		const struct binding_row *row = &binding_rows[i];
		const struct np_kube_resource classes = { .plural = "virtualmachineclasses",
							  .namespaced = !row->is_cluster_scoped };
		struct session x;
		size_t n;

		open_session(&x);
		supervisor_create(&x.s,
				  "/apis/vmoperator.vmware.com/v1alpha1/namespaces/ml/"
				  "virtualmachineclassbindings",
				  row->binding);
		supervisor_faults(&x.s, row->fault);
		n = x.plan.classes[0].warnings.n;
		if (np_check_bindings(x.s.kube, &classes, &x.plan, &x.err) < 0)
			fail_msg("%s: %s", row->title, x.err.text);
		if (x.plan.classes[0].warnings.n - n != row->n_class ||
		    x.plan.warnings.n != row->n_plan)
			fail_msg("%s: %zu, %zu", row->title, x.plan.classes[0].warnings.n - n,
				 x.plan.warnings.n);
		close_session(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetch__vms_and_images_are_listed),
		cmocka_unit_test(test_fetch__only_relevant_images_are_listed),
		cmocka_unit_test(test_fetch__failing_lists_are_unknown_or_errors),
		cmocka_unit_test(test_fetch__bindings_are_compared_with_the_pools),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
