/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_POOL_TESTBED_H
#define NODEPREP_POOL_TESTBED_H

/*
 * testbed - what the tests of pool share: documents, and an input written down as text.
 */

#include "nodeprep/pool.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"
#include "nodeprep/tree.h"

#define NODE_POOL                             \
	"apiVersion: nodeprep.dev/v1alpha1\n" \
	"kind: NodePool\n"                    \
	"metadata: {name: p, namespace: ml}\n"
#define NODE_POOL_SPEC NODE_POOL "spec:\n  vmClass: c\n"
#define ANNOTATED                             \
	"apiVersion: nodeprep.dev/v1alpha1\n" \
	"kind: NodePool\n"                    \
	"metadata:\n"                         \
	"  name: p\n"
#define TKC                                           \
	"apiVersion: run.tanzu.vmware.com/v1alpha3\n" \
	"kind: TanzuKubernetesCluster\n"
#define CLUSTER                                  \
	"apiVersion: cluster.x-k8s.io/v1beta1\n" \
	"kind: Cluster\n"                        \
	"metadata:\n"                            \
	"  name: c\n"                            \
	"  namespace: ml\n"

static struct np_catalogue *cat;

static inline int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_catalogue_new(&cat, &err);
}

static inline int tear_down(void **state)
{
	(void)state;
	np_catalogue_free(cat);
	return 0;
}

/* Parses and finishes one text as "in.yaml". */
static inline int read_text(struct np_input *in, const char *text, struct np_err *err)
{
	int rc = np_input_parse(in, cat, "in.yaml", text, strlen(text), err);

	return rc < 0 ? rc : np_input_finish(in, err);
}

/* Writes an ask as "A100-40GB*4", the id behind it where exact, "?" where the card is unknown. */
static inline void print_ask(FILE *f, const struct np_ask *ask)
{
	char id[NP_PCI_ID_MAX];

	fprintf(f, " %s*%ju", ask->text, (uintmax_t)ask->count);
	if (ask->exact) {
		np_pci_id_format(ask->id, id);
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

static inline void print_remarks(FILE *f, const struct np_notes *r)
{
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "  %s: %s\n", r->items[i].code, r->items[i].message);
}

/* Writes a pool in one line that leaves out what is as it is by default. */
static inline void print_pool(FILE *f, const struct np_pool *pool)
{
	char id[NP_POOL_ID_MAX];

	np_pool_id(pool, id);
	fprintf(f, "%s %s:%zu:%u %s/%s class=%s", id, pool->source.file, pool->source.document,
		pool->source.line, pool->source.kind, pool->source.name,
		pool->vm_class ? pool->vm_class : "-");
	if (pool->has_replicas)
		fprintf(f, " replicas=%ju", (uintmax_t)pool->replicas);
	for (size_t i = 0; i < pool->n_asks; i++)
		print_ask(f, &pool->asks[i]);
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
	print_remarks(f, &pool->remarks);
}

static inline void print_device(FILE *f, const struct np_template_device *d)
{
	char id[NP_PCI_ID_MAX];

	np_pci_id_format(d->id, id);
	fprintf(f, " %s%s=%s", d->profile ? "!" : "", d->profile ? d->profile : id,
		d->gpu                         ? d->gpu->model
		: d->pci_class == NP_PCI_OTHER ? "-"
					       : "?");
}

/* Writes a template in one line, its keys as they stand. */
static inline void print_template(FILE *f, const struct np_template *t)
{
	static const char *const kinds[] = { "machine", "flat", "extra" };
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
	print_remarks(f, &t->remarks);
}

/* Returns what an input came to: a line a pool and a last one; or the error. */
static inline char *describe(struct np_input *in, int rc, const struct np_err *err)
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
	np_input_done(in);
	return text;
}

static inline char *describe_text(const char *text)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	int rc = read_text(&in, text, &err);

	return describe(&in, rc, &err);
}

struct row {
	const char *what, *text, *expect;
};

/* Compares each row's outcome; tells every row that differs before it fails. */
static inline void check_rows(const struct row *rows, size_t n, const char *head)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		char text[2048], expect[2048];
		char *got;

		snprintf(text, sizeof(text), "%s%s", head, rows[i].text);
		snprintf(expect, sizeof(expect), "%s\n", rows[i].expect);
		got = describe_text(text);
		if (strcmp(got, expect) != 0) {
			print_error("%s:\n  got      %s  expected %s", rows[i].what, got, expect);
			bad++;
		}
		free(got);
	}
	assert_int_equal(bad, 0);
}

#define CHECK_ROWS(rows, head) check_rows(rows, sizeof(rows) / sizeof((rows)[0]), head)

#define DEPLOYMENT                               \
	"apiVersion: cluster.x-k8s.io/v1beta1\n" \
	"kind: MachineDeployment\n"
#define DEPLOYMENT2                              \
	"apiVersion: cluster.x-k8s.io/v1beta2\n" \
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
#define A100_TEMPLATE_LINE(rest) "template ml/t in.yaml:" rest " machine 10de:20b0=A100-40GB"

#endif
