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

/* Two pools of one namespace and one of another use vCenter's class. */
#define POOL(name, ns)                                             \
	"---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n" \
	"metadata: {name: " name ", namespace: " ns "}\nspec: {vmClass: gpu}\n"
#define POOLS POOL("a", "ml") POOL("b", "ml") POOL("c", "dev")
#define INFO                                                                                 \
	"{\"id\":\"gpu\",\"cpu_count\":4,\"memory_MB\":65536,\"memory_reservation\":100,"    \
	"\"config_spec\":{\"_typeName\":\"VirtualMachineConfigSpec\",\"firmware\":\"efi\"}," \
	"\"devices\":{\"vgpu_devices\":[{\"profile_name\":\"grid_a100-40c\"}]}}"
#define CLASS(ns, spec)                                     \
	"---\napiVersion: vmoperator.vmware.com/v1alpha6\n" \
	"kind: VirtualMachineClass\nmetadata: {name: gpu, namespace: " ns "}\nspec: {" spec "}\n"
#define HARDWARE "hardware: {cpus: 4, memory: 64Gi}, "
#define RESERVED "policies: {resources: {requests: {memory: 65536Mi}}}"
#define SPEC "configSpec: {_typeName: VirtualMachineConfigSpec, firmware: efi}, "
#define EQUAL(ns) CLASS(ns, HARDWARE SPEC RESERVED)

/* A plan of vCenter's class, and a Supervisor with copies of it. */
struct session {
	struct supervisor s;
	struct np_input input;
	struct np_doc *doc;
	struct np_plan plan;
	struct np_check_inventory inv;
	struct np_err err;
};

static void open_session(struct session *x, const char *classes)
{
	json_auto_t *info = json_loads(INFO, 0, NULL);
	json_t *object = NULL;
	struct np_class_ref ref;
	struct np_plan_options o = { .catalogue = catalogue,
				     .holder = "apply",
				     .api = "vcenter",
				     .classes = &ref,
				     .n_classes = 1 };

	*x = (struct session){ .err = NP_ERR_INIT };
	supervisor_start(&x->s, classes);
	if (np_pool_input_parse(&x->input, catalogue, "in.yaml", POOLS, strlen(POOLS), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->input, &x->err) < 0 ||
	    np_vmclass_from_vcenter(info, NULL, &object, &x->err) < 0 ||
	    np_doc_new_take("class", object, &x->doc, &x->err) < 0)
		fail_msg("%s", x->err.text);
	ref = (struct np_class_ref){ x->doc, np_doc_root(x->doc) };
	if (np_plan_make(&x->input, &o, &x->plan, &x->err) < 0 ||
	    np_check_inventory_init(&x->inv, &x->plan, &x->err) < 0)
		fail_msg("%s", x->err.text);
	supervisor_mark(&x->s);
}

static void close_session(struct session *x)
{
	np_check_inventory_done(&x->inv);
	np_plan_done(&x->plan);
	np_doc_unref(x->doc);
	np_pool_input_done(&x->input);
	supervisor_stop(&x->s);
}

static const struct {
	const char *title, *classes;
	size_t n;
	const char *code, *ns, *has; /* of the last finding */
} rows[] = {
	{ "both copies are equal, quantities in other units", EQUAL("ml") EQUAL("dev"), 0, NULL,
	  NULL, NULL },
	{ "a namespace without the class", EQUAL("ml"), 1, "class-differs", "dev",
	  "no such VirtualMachineClass in namespace 'dev'" },
	{ "another memory",
	  EQUAL("ml") CLASS("dev", "hardware: {cpus: 4, memory: 32Gi}, " SPEC RESERVED), 1,
	  "class-differs", "dev", "in spec/hardware/memory" },
	{ "other CPUs",
	  EQUAL("dev") CLASS("ml", "hardware: {cpus: 8, memory: 64Gi}, " SPEC RESERVED), 1,
	  "class-differs", "ml", "in spec/hardware/cpus" },
	{ "no reservation",
	  EQUAL("ml") CLASS("dev", HARDWARE "configSpec: {_typeName: "
					    "VirtualMachineConfigSpec, firmware: efi}"),
	  1, "class-differs", "dev", "in spec/policies/resources/requests/memory" },
	{ "other members of configSpec",
	  EQUAL("ml")
		  CLASS("dev", HARDWARE "configSpec: {firmware: bios, annotation: x}, " RESERVED),
	  1, "class-differs", "dev", "in spec/configSpec (_typeName, firmware, annotation)" },
	{ "no configSpec, so that devices count", EQUAL("ml") CLASS("dev", HARDWARE RESERVED), 2,
	  "class-differs", "dev", "in spec/hardware/devices" },
};

static void test_copies__differences_are_findings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct session x;
		const struct np_check_finding *last;

		open_session(&x, rows[i].classes);
		if (np_check_copies(x.s.kube, &x.plan, &x.inv, &x.err) < 0)
			fail_msg("%s: %s", rows[i].title, x.err.text);
		/* Each copy is read once. */
		assert_int_equal(supervisor_count(&x.s, "GET"), 2 + 2);
		if (x.inv.copies.n != rows[i].n)
			fail_msg("%s: %zu findings", rows[i].title, x.inv.copies.n);
		last = rows[i].n > 0 ? &x.inv.copies.items[rows[i].n - 1] : NULL;
		if (last) {
			assert_string_equal(last->kind->code, rows[i].code);
			assert_string_equal(last->ns, rows[i].ns);
			expect_has(rows[i].title, last->message, rows[i].has);
		}
		close_session(&x);
	}
}

/* What may not be read is unknown, and fails nothing. */
static void test_copies__what_cannot_be_read_is_unknown(void **state)
{
	struct session x;
	struct np_kube *nobody;

	(void)state;
	open_session(&x, EQUAL("ml") EQUAL("dev"));
	nobody = supervisor_connect(&x.s, "nobody", 10000);
	assert_int_equal(np_check_copies(nobody, &x.plan, &x.inv, &x.err), 0);
	assert_true(x.inv.copies.n > 0);
	assert_string_equal(x.inv.copies.items[0].kind->code, "class-copy-unknown");
	np_kube_free(nobody);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies__differences_are_findings),
		cmocka_unit_test(test_copies__what_cannot_be_read_is_unknown),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
