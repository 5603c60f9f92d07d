/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"

#include "failing_alloc.h"

#define NODE_POOL                             \
	"apiVersion: nodeprep.dev/v1alpha1\n" \
	"kind: NodePool\n"                    \
	"metadata: {name: p, namespace: ml}\n"
#define NODE_POOL_SPEC NODE_POOL "spec:\n  vmClass: c\n"
#define TKC                                           \
	"apiVersion: run.tanzu.vmware.com/v1alpha3\n" \
	"kind: TanzuKubernetesCluster\n"
#define CLUSTER                                  \
	"apiVersion: cluster.x-k8s.io/v1beta1\n" \
	"kind: Cluster\n"                        \
	"metadata:\n"                            \
	"  name: c\n"                            \
	"  namespace: ml\n"
#define DEPLOYMENT                               \
	"apiVersion: cluster.x-k8s.io/v1beta1\n" \
	"kind: MachineDeployment\n"
#define REFERS(group, name)                                          \
	"  template: {spec: {infrastructureRef: {apiVersion: " group \
	"/v1beta1, kind: VSphereMachineTemplate, name: " name "}}}\n"
#define CAPV "infrastructure.cluster.x-k8s.io"
#define SUPERVISOR "vmware.infrastructure.cluster.x-k8s.io"
#define TEMPLATE                         \
	"apiVersion: " CAPV "/v1beta1\n" \
	"kind: VSphereMachineTemplate\n"
#define A100_TEMPLATE                          \
	TEMPLATE                               \
	"metadata: {name: t, namespace: ml}\n" \
	"spec: {template: {spec: {pciDevices: [{vendorId: 0x10de, deviceId: 0x20b0}]}}}\n"

/* Parses and finishes one text as "in.yaml". */
static int read_text(struct np_input *in, const char *text, struct np_err *err)
{
	int rc = np_pool_input_parse(in, catalogue, "in.yaml", text, strlen(text), err);

	return rc < 0 ? rc : np_pool_input_finish(in, err);
}

static void test_pool__only_named_classes_are_required(void **state)
{
	static const struct {
		const char *what, *text;
		bool expect;
	} rows[] = {
		{ "a NodePool", NODE_POOL_SPEC, true },
		{ "a class that is to be filled in", NODE_POOL "spec: {vmClass: <C>}\n", false },
		{ "a template", A100_TEMPLATE, false },
		{ "a Supervisor's template",
		  "apiVersion: " SUPERVISOR "/v1beta2\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t, namespace: ml}\n"
		  "spec: {template: {spec: {className: gpu}}}\n---\n" DEPLOYMENT
		  "metadata: {name: d, namespace: ml}\nspec:\n" REFERS(SUPERVISOR, "t"),
		  true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(read_text(&in, rows[i].text, &err), 0);
		if (np_pool_input_needs_classes(&in) != rows[i].expect)
			fail_msg("%s", rows[i].what);
		np_pool_input_done(&in);
	}
}

static void test_pool__placeholders_are_recognized(void **state)
{
	static const struct {
		const char *text;
		bool expect;
	} rows[] = {
		{ "${VAR}", true },        { "$(VAR)", true },    { "{{ .Values.name }}", true },
		{ "<NAME>", true },        { "((name))", true },  { "${A}-worker", true },
		{ "x-<full path>", true }, { "gpu-a100", false }, { "", false },
		{ "${", false },           { "<>", false },       { "$VAR", false },
		{ "a{b}", false },         { ">a<", false },      { "(name)", false },
		{ "{{", false },           { "@name", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (np_pool_is_placeholder(rows[i].text) != rows[i].expect)
			fail_msg("'%s' should%s be a placeholder", rows[i].text,
				 rows[i].expect ? "" : " not");
}

static void test_pool__namespaces_come_from_document_default_or_kubernetes(void **state)
{
	static const struct {
		const char *what, *document_ns, *by_default, *only, *expect;
	} rows[] = {
		{ "the document's own", "ml", "d", NULL, "ml/p" },
		{ "the default", NULL, "d", NULL, "d/p" },
		{ "Kubernetes' default", NULL, NULL, NULL, "default/p" },
		{ "the only one", NULL, NULL, "o", "o/p" },
		{ "the same as the only one", "o", NULL, "o", "o/p" },
		{ "a placeholder beside the only one", "${NS}", NULL, "o", "${NS}/p" },
		{ "another than the only one", "ml", NULL, "o",
		  "in.yaml:3:32: the namespace from the provided object 'ml' does not match the "
		  "namespace 'o'" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_input in = { .default_namespace = rows[i].by_default,
				       .only_namespace = rows[i].only };
		struct np_err err = NP_ERR_INIT;
		char text[512], id[NP_POOL_ID_MAX] = "sentinel";

		snprintf(text, sizeof(text),
			 "apiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"
			 "metadata: {name: p, namespace: %s%s%s}\nspec: {vmClass: c}\n",
			 rows[i].document_ns ? "\"" : "",
			 rows[i].document_ns ? rows[i].document_ns : "null",
			 rows[i].document_ns ? "\"" : "");
		if (read_text(&in, text, &err) == 0)
			np_pool_id(&in.pools[0], id);
		if (strcmp(err.code ? err.text : id, rows[i].expect) != 0)
			fail_msg("%s: %s", rows[i].what, err.code ? err.text : id);
		np_pool_input_done(&in);
	}
}

static void test_pool__class_in_a_list_keeps_its_document(void **state)
{
	const char *text = "apiVersion: v1\nkind: List\nitems:\n"
			   "- apiVersion: vmoperator.vmware.com/v1alpha5\n"
			   "  kind: VirtualMachineClass\n  metadata: {name: gpu}\n";
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	const char *name = "sentinel";

	(void)state;
	assert_int_equal(read_text(&in, text, &err), 0);
	assert_int_equal(in.n_classes, 1);
	/* The reader is gone by now: under ASan this fails where the document was not kept. */
	assert_int_equal(
		np_doc_string(np_doc_get(np_doc_get(in.classes[0].node, "metadata"), "name"), &name,
			      &err),
		1);
	assert_string_equal(name, "gpu");
	assert_int_equal(in.classes[0].node.pos.line, 4);
	np_pool_input_done(&in);
}

static void test_pool__a_foreign_topology_is_counted(void **state)
{
	static const struct {
		const char *what, *text;
		size_t expect;
	} rows[] = {
		{ "another cloud's", "spec: {topology: {class: nutanix-quick-start}}\n", 1 },
		{ "a name that only holds tanzu's", "spec: {topology: {class: my-tkg-x}}\n", 1 },
		{ "no ClusterClass", "spec: {topology: {}}\n", 1 },
		{ "tanzu's, without pools", "spec: {topology: {class: tkg-vsphere-x}}\n", 0 },
		{ "no topology", "spec: {}\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;
		char text[512];

		snprintf(text, sizeof(text), CLUSTER "%s", rows[i].text);
		assert_int_equal(np_pool_input_parse(&in, catalogue, "f", text, strlen(text), &err),
				 0);
		if (in.n_topologies_skipped != rows[i].expect || in.n_skipped != 1)
			fail_msg("%s: %zu", rows[i].what, in.n_topologies_skipped);
		np_pool_input_done(&in);
	}
}

static void test_pool__at_most_a_hundred_errors_are_kept(void **state)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	const char *text = NODE_POOL;

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(
			np_pool_input_collect(&in, catalogue, "f", text, strlen(text), &err), 0);
	assert_int_equal(in.n_errors, 100);
	assert_int_equal(in.n_documents, 150);
	np_pool_input_done(&in);
	assert_null(in.errors);
}

static void test_pool__duplicate_pool_names_both_files(void **state)
{
	const char *text = NODE_POOL_SPEC;
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_pool_input_parse(&in, catalogue, "a.yaml", text, strlen(text), &err),
			 0);
	assert_int_equal(np_pool_input_parse(&in, catalogue, "b.yaml", text, strlen(text), &err),
			 0);
	assert_int_equal(np_pool_input_finish(&in, &err), -(int)NP_E_SPEC);
	assert_string_equal(err.text, "b.yaml:1: pool 'ml/p' is given twice, first in a.yaml:1");
	np_pool_input_done(&in);
}

static void test_pool__longest_id_fits(void **state)
{
	char name[254], text[1024];
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	char id[NP_POOL_ID_MAX];

	(void)state;
	memset(name, 'n', 253);
	name[253] = '\0';
	snprintf(text, sizeof(text),
		 TKC "metadata: {name: %s, namespace: %s}\nspec:\n  topology:\n    nodePools:\n"
		     "    - {name: %s, vmClass: c}\n",
		 name, name, name);
	assert_int_equal(read_text(&in, text, &err), 0);
	np_pool_id(&in.pools[0], id);
	assert_int_equal(strlen(id), 3 * 253 + 2);
	np_pool_input_done(&in);
}

static void test_pool__long_list_of_skipped_kinds_is_truncated(void **state)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char text[64];

		snprintf(text, sizeof(text), "{apiVersion: v1, kind: Kind%u}", i % 100);
		assert_int_equal(np_pool_input_parse(&in, catalogue, "f", text, strlen(text), &err),
				 0);
	}
	assert_int_equal(in.n_skipped, 300);
	assert_int_equal(in.n_documents, 300);
	assert_int_equal(strlen(in.skipped), sizeof(in.skipped) - 1);
	assert_string_equal(in.skipped + sizeof(in.skipped) - 4, "...");
	assert_memory_equal(in.skipped, "Kind0 x3, Kind1 x3, ", 20);
	np_pool_input_done(&in);
}

/* Adds `n` NodePools and a tenth as many classes, each class twice; returns the seconds it took. */
static double time_pools(size_t n)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	clock_t start;
	double seconds;

	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		fprintf(f,
			"---\n{apiVersion: nodeprep.dev/v1alpha1, kind: NodePool, metadata: "
			"{name: p%zu}, spec: {vmClass: c%zu}}\n"
			"---\n{apiVersion: vmoperator.vmware.com/v1alpha1, kind: "
			"VirtualMachineClass, metadata: {name: c%zu}}\n",
			i, i % (n / 10), i % (n / 10));
	fclose(f);
	assert_int_equal(np_pool_input_parse(&in, catalogue, "many.yaml", text, size, &err), 0);
	assert_int_equal(in.n_pools, n);
	assert_int_equal(in.n_classes, n);
	start = clock();
	assert_int_equal(np_pool_input_finish(&in, &err), 0);
	seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	np_pool_input_done(&in);
	free(text);
	return seconds;
}

static void test_pool__time_grows_linearly_with_pools(void **state)
{
	double few, many;

	(void)state;
	few = time_pools(1000);
	many = time_pools(10000);
	/* 10 for a table, 100 for comparing each with each; a floor against the clock's grain. */
	if (many > 40 * few && many > 0.2)
		fail_msg("1000 pools took %.4f s, 10000 took %.4f s", few, many);
}

static void test_pool__each_allocation_may_fail(void **state)
{
	static const char *const text =
		"apiVersion: v1\nkind: Secret\n---\n"
		"apiVersion: vmoperator.vmware.com/v1alpha1\nkind: VirtualMachineClass\n"
		"metadata: {name: c}\n---\n" NODE_POOL_SPEC
		"  gpus: [{model: T4}, {pciID: \"10de:20b0\"}, {vgpuProfile: grid_t4-1a}]\n---\n" TKC
		"metadata: {name: t, annotations: {nodeprep.dev/gpus: \"T4=1,A100-40GB=2\"}}\n"
		"spec: {topology: {nodePools: [{name: a, vmClass: c}]}}\n---\n" CLUSTER
		"spec: {topology: {variables: [{name: vmClass, value: c}], workers: "
		"{machineDeployments: [{name: a}, {name: b}]}}}\n---\n" DEPLOYMENT
		"metadata: {name: d, namespace: ml}\nspec:\n  clusterName: c\n" REFERS(
			CAPV,
			"t") "---\n" A100_TEMPLATE "---\n" TEMPLATE
			     "metadata: {name: u}\nspec: {template: {spec: {hardwareVersion: vmx-15, "
			     "pciDevices: [{vGPUProfile: grid_t4-1a}], customVMXKeys: {a: b}}}}\n---\n"
			     "CLUSTER_NAME: c\nVSPHERE_WORKER_PCI_DEVICES: \"10de:20b0\"\n"
			     "VSPHERE_WORKER_CUSTOM_VMX_KEYS: a=b\nextrapools: [{name: x, customVMX: c=d}]\n---\n"
			     "name: np\nreplicas: 1\ngpus: 1\n";
	static const char *const wrong = NODE_POOL "---\n" NODE_POOL_SPEC "---\n" NODE_POOL;
	struct failing f = FAILING_INIT;

	(void)state;
	while (next_round(&f)) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		fail_allocation(&f);
		rc = read_text(&in, text, &err);
		if (rc == 0)
			rc = np_pool_input_collect(&in, catalogue, "w.yaml", wrong, strlen(wrong),
						   &err);
		stop_failing(&f);
		if (rc != (f.failed ? -(int)NP_E_NOMEM : 0) || (rc < 0 && !err.text[0]))
			fail_msg("allocation %zu: %d %s", f.rounds, rc, err.text);
		np_pool_input_done(&in);
	}
	assert_true(f.rounds > 60);
}

/* What the fuzzer does; it is a program of its own. */
static int replay(const uint8_t *bytes, size_t size)
{
	struct np_input in = { .default_namespace = "fuzz" };
	struct np_err err = NP_ERR_INIT;
	const char *text = (const char *)bytes;

	if (np_pool_input_parse(&in, catalogue, "fuzz.yaml", text, size, &err) == 0)
		(void)np_pool_input_finish(&in, &err);
	np_pool_input_done(&in);
	if (np_pool_input_collect(&in, catalogue, "fuzz.yaml", text, size, &err) == 0)
		(void)np_pool_input_finish(&in, &err);
	np_pool_input_done(&in);
	/* Not an error without a text. */
	return err.code != NP_OK && !err.text[0];
}

static void test_pool__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/pool/testdata/corpus", replay) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__only_named_classes_are_required),
		cmocka_unit_test(test_pool__placeholders_are_recognized),
		cmocka_unit_test(test_pool__namespaces_come_from_document_default_or_kubernetes),
		cmocka_unit_test(test_pool__class_in_a_list_keeps_its_document),
		cmocka_unit_test(test_pool__a_foreign_topology_is_counted),
		cmocka_unit_test(test_pool__at_most_a_hundred_errors_are_kept),
		cmocka_unit_test(test_pool__duplicate_pool_names_both_files),
		cmocka_unit_test(test_pool__longest_id_fits),
		cmocka_unit_test(test_pool__long_list_of_skipped_kinds_is_truncated),
		cmocka_unit_test(test_pool__time_grows_linearly_with_pools),
		cmocka_unit_test(test_pool__each_allocation_may_fail),
		cmocka_unit_test(test_pool__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
