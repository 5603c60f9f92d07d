/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"
#include "catalogue.h"
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/pool.h"
#include "nodeprep/warnings.h"

#define TESTDATA "pkg/pool/testdata"
#define CASES TESTDATA "/cases/"

/* Parses and finishes one text as "in.yaml". */
static int read_text(struct np_input *in, const char *text, struct np_err *err)
{
	int rc = np_pool_input_parse(in, catalogue, "in.yaml", text, strlen(text), err);

	return rc < 0 ? rc : np_pool_input_finish(in, err);
}

/* Writes an ask as "A100-40GB*4", the id behind it where exact, "?" where the card is unknown. */
static void print_ask(FILE *f, const struct np_gpu_request *ask)
{
	char id[NP_PCI_ID_MAX];

	fprintf(f, " %s*%ju", ask->text, (uintmax_t)ask->count);
	if (ask->exact) {
		np_gpu_pci_id_format(ask->id, id);
		fprintf(f, "@%s", id);
	}
	if (ask->vgpu_profile)
		fprintf(f, "!%s", ask->vgpu_profile);
	fprintf(f, "=%s", ask->gpu ? ask->gpu->model : "?");
}

static const char *const rollouts[] = {
	[NP_ROLLOUT_UNKNOWN] = "",
	[NP_ROLLOUT_SURGE] = " surge",
	[NP_ROLLOUT_NO_SURGE] = " no-surge",
	[NP_ROLLOUT_ON_DELETE] = " on-delete",
};

static void print_remarks(FILE *f, const struct np_warnings *r)
{
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "  %s: %s\n", r->items[i].code, r->items[i].message);
}

/* Writes a pool in one line without its default values. */
static void print_pool(FILE *f, const struct np_pool *pool)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(pool, id);
	fprintf(f, "%s %s:%zu:%u %s/%s class=%s", id, pool->source.file, pool->source.document,
		pool->source.line, pool->source.kind, pool->source.name,
		pool->vm_class ? pool->vm_class : "-");
	if (pool->has_replicas)
		fprintf(f, " replicas=%ju", (uintmax_t)pool->replicas);
	for (size_t i = 0; i < pool->n_requests; i++)
		print_ask(f, &pool->requests[i]);
	if (pool->window.has_minimum)
		fprintf(f, " minimum=%ju", (uintmax_t)pool->window.minimum_gb);
	if (pool->window.has_size)
		fprintf(f, " size=%ju", (uintmax_t)pool->window.size_gb);
	if (pool->has_template && pool->template_index == SIZE_MAX)
		fprintf(f, " template=%s/%s:missing", pool->template_ns, pool->template_name);
	else if (pool->has_template)
		fprintf(f, " template=%zu", pool->template_index);
	fprintf(f, "%s", rollouts[pool->rollout]);
	fprintf(f, "%s%s%s%s\n", pool->memory_unmanaged ? " unmanaged" : "",
		pool->has_placeholder ? " placeholder" : "",
		pool->gpus_unknown ? " gpus-unknown" : "",
		pool->window_unknown ? " window-unknown" : "");
	print_remarks(f, &pool->warnings);
}

static void print_device(FILE *f, const struct np_template_device *d)
{
	char id[NP_PCI_ID_MAX];

	np_gpu_pci_id_format(d->id, id);
	fprintf(f, " %s%s=%s", d->profile ? "!" : "", d->profile ? d->profile : id,
		d->gpu                         ? d->gpu->model
		: d->pci_class == NP_PCI_OTHER ? "-"
					       : "?");
}

/* Writes a template in one line with its keys in input order. */
static void print_template(FILE *f, const struct np_template *t)
{
	static const char *const kinds[] = { "machine", "flat", "variables", "extra" };
	const char *key;
	json_t *value;

	fprintf(f, "template %s/%s %s:%zu:%u %s", t->ns, t->name, t->source.file,
		t->source.document, t->source.line, kinds[t->kind]);
	if (t->class_name)
		fprintf(f, " class=%s", t->class_name);
	for (size_t i = 0; i < t->n_devices; i++)
		print_device(f, &t->devices[i]);
	json_object_foreach (t->vmx_keys, key, value)
		fprintf(f, " %s='%s'", key, json_string_value(value));
	if (t->hardware_version)
		fprintf(f, " %s", t->hardware_version);
	if (t->has_memory)
		fprintf(f, " memory=%ju", (uintmax_t)t->memory_mib);
	fprintf(f, "%s%s%s%s\n", t->has_unknown_device ? " unknown-device" : "",
		t->is_duplicate ? " duplicate" : "", t->is_used ? "" : " unused",
		t->has_placeholder ? " placeholder" : "");
	print_remarks(f, &t->warnings);
}

/* Returns what an input came to: a line a pool and a last one; or the error. */
static char *describe(struct np_input *in, int rc, const struct np_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	if (rc < 0) {
		fprintf(f, "%s: %s\n", np_code_name(err->code), err->text);
	} else {
		for (size_t i = 0; i < in->n_pools; i++)
			print_pool(f, &in->pools[i]);
		for (size_t i = 0; i < in->n_templates; i++)
			print_template(f, &in->templates[i]);
		fprintf(f, "documents=%zu classes=%zu skipped=%zu [%s]\n", in->n_documents,
			in->n_classes, in->n_skipped, in->skipped);
	}
	fclose(f);
	np_pool_input_done(in);
	return text;
}

static char *describe_text(const char *text)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	int rc = read_text(&in, text, &err);

	return describe(&in, rc, &err);
}

/*
 * Writes the pools and errors that np_pool_input_collect() and the final check produce for `text`.
 */
static char *collect_text(const char *text)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *got = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&got, &size);

	assert_non_null(f);
	if (np_pool_input_collect(&in, catalogue, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_pool_input_finish(&in, &err) < 0)
		fprintf(f, "fails: %s: %s\n", np_code_name(err.code), err.text);
	for (size_t i = 0; i < in.n_pools; i++)
		print_pool(f, &in.pools[i]);
	for (size_t i = 0; i < in.n_errors; i++)
		fprintf(f, "%s: %s\n", np_code_name(in.errors[i].code), in.errors[i].text);
	fprintf(f, "templates=%zu classes=%zu", in.n_templates, in.n_classes);
	fclose(f);
	np_pool_input_done(&in);
	return got;
}

static void test_pool__node_pools_are_read(void **state)
{
	(void)state;
	run_cases(CASES "nodepool-valid.txt", describe_text);
}

static void test_pool__invalid_node_pools_are_refused(void **state)
{
	(void)state;
	run_cases(CASES "nodepool-invalid.txt", describe_text);
}

static void test_pool__gpus_annotation_is_read(void **state)
{
	(void)state;
	run_cases(CASES "annotation.txt", describe_text);
}

static void test_pool__tanzu_clusters_are_read(void **state)
{
	(void)state;
	run_cases(CASES "tanzu-cluster.txt", describe_text);
}

static void test_pool__topologies_are_read(void **state)
{
	(void)state;
	run_cases(CASES "topology.txt", describe_text);
}

static void test_pool__documents_are_recognized_by_kind_and_version(void **state)
{
	(void)state;
	run_cases(CASES "documents.txt", describe_text);
}

static void test_pool__machine_deployments_find_their_templates(void **state)
{
	(void)state;
	run_cases(CASES "deployment.txt", describe_text);
}

static void test_pool__template_fields_are_read(void **state)
{
	(void)state;
	run_cases(CASES "template.txt", describe_text);
}

static void test_pool__flat_files_are_read(void **state)
{
	(void)state;
	run_cases(CASES "flat.txt", describe_text);
}

static void test_pool__files_without_kind_are_recognized_by_their_keys(void **state)
{
	(void)state;
	run_cases(CASES "files-without-kind.txt", describe_text);
}

static void test_pool__invalid_documents_become_errors(void **state)
{
	(void)state;
	run_cases(CASES "collected.txt", collect_text);
}

static unsigned fixture_failures;

/* NODEPREP_BLESS=1 writes what came out, to be read before it is committed. */
static void check_fixture(const char *folder)
{
	char path[1100];
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	size_t size = 0;
	char *bytes, *got, *expect;
	int rc;

	snprintf(path, sizeof(path), "%s/input.yaml", folder);
	bytes = load_file(path, &size);
	rc = np_pool_input_parse(&in, catalogue, "input.yaml", bytes, size, &err);
	if (rc == 0)
		rc = np_pool_input_finish(&in, &err);
	got = describe(&in, rc, &err);
	snprintf(path, sizeof(path), "%s/expect", folder);
	if (getenv("NODEPREP_BLESS"))
		save_file(path, got);
	expect = load_file(path, NULL);
	if (strcmp(got, expect) != 0 || (rc < 0) != !!strstr(folder, "/invalid/")) {
		print_error("%s:\n  got %s  expected %s", folder, got, expect);
		fixture_failures++;
	}
	free(bytes);
	free(got);
	free(expect);
}

static void test_pool__fixtures_give_their_expected_output(void **state)
{
	(void)state;
	fixture_failures = 0;
	assert_true(each_entry(TESTDATA "/valid", check_fixture) > 0);
	assert_true(each_entry(TESTDATA "/invalid", check_fixture) > 0);
	assert_int_equal(fixture_failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__node_pools_are_read),
		cmocka_unit_test(test_pool__invalid_node_pools_are_refused),
		cmocka_unit_test(test_pool__gpus_annotation_is_read),
		cmocka_unit_test(test_pool__tanzu_clusters_are_read),
		cmocka_unit_test(test_pool__topologies_are_read),
		cmocka_unit_test(test_pool__documents_are_recognized_by_kind_and_version),
		cmocka_unit_test(test_pool__machine_deployments_find_their_templates),
		cmocka_unit_test(test_pool__template_fields_are_read),
		cmocka_unit_test(test_pool__flat_files_are_read),
		cmocka_unit_test(test_pool__files_without_kind_are_recognized_by_their_keys),
		cmocka_unit_test(test_pool__invalid_documents_become_errors),
		cmocka_unit_test(test_pool__fixtures_give_their_expected_output),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
