/* SPDX-License-Identifier: Apache-2.0 */
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

#include "failing_alloc.h"

#define TESTDATA "pkg/pool/testdata"

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

static int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_catalogue_new(&cat, &err);
}

static int tear_down(void **state)
{
	(void)state;
	np_catalogue_free(cat);
	return 0;
}

/* Parses and finishes one text as "in.yaml". */
static int read_text(struct np_input *in, const char *text, struct np_err *err)
{
	int rc = np_input_parse(in, cat, "in.yaml", text, strlen(text), err);

	return rc < 0 ? rc : np_input_finish(in, err);
}

/* Writes an ask as "A100-40GB*4", the id behind it where exact, "?" where the card is unknown. */
static void print_ask(FILE *f, const struct np_ask *ask)
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

static void print_remarks(FILE *f, const struct np_notes *r)
{
	for (size_t i = 0; i < r->n; i++)
		fprintf(f, "  %s: %s\n", r->items[i].code, r->items[i].message);
}

/* Writes a pool in one line that leaves out what is as it is by default. */
static void print_pool(FILE *f, const struct np_pool *pool)
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

static void print_device(FILE *f, const struct np_template_device *d)
{
	char id[NP_PCI_ID_MAX];

	np_pci_id_format(d->id, id);
	fprintf(f, " %s%s=%s", d->profile ? "!" : "", d->profile ? d->profile : id,
		d->gpu                         ? d->gpu->model
		: d->pci_class == NP_PCI_OTHER ? "-"
					       : "?");
}

/* Writes a template in one line, its keys as they stand. */
static void print_template(FILE *f, const struct np_template *t)
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
	np_input_done(in);
	return text;
}

static char *describe_text(const char *text)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	int rc = read_text(&in, text, &err);

	return describe(&in, rc, &err);
}

/* Returns a file's bytes as text; *ret_size may be NULL. */
static char *load(const char *path, size_t *ret_size)
{
	size_t room = 1 << 16;
	char *bytes = malloc(room);
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		fail_msg("cannot open %s", path);
	assert_non_null(bytes);
	n = fread(bytes, 1, room - 1, f);
	fclose(f);
	bytes[n] = '\0';
	if (ret_size)
		*ret_size = n;
	return bytes;
}

struct row {
	const char *what, *text, *expect;
};

/* Compares each row's outcome; tells every row that differs before it fails. */
static void check_rows(const struct row *rows, size_t n, const char *head)
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

static void test_pool__node_pools_are_read(void **state)
{
	static const struct row rows[] = {
		{ "the class alone", "spec: {vmClass: c}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "replicas", "spec: {vmClass: c, replicas: 3}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c replicas=3\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no replicas are none, not zero", "spec: {vmClass: c, replicas: null}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "zero replicas", "spec: {vmClass: c, replicas: 0}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c replicas=0\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "replicas that some tool fills in", "spec: {vmClass: c, replicas: \"${N}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no GPUs named", "spec: {vmClass: c, gpus: []}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "one GPU where no count is given", "spec: {vmClass: c, gpus: [{model: t4}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c t4*1=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a prefixed id",
		  "spec: {vmClass: c, gpus: [{pciID: \"0x10DE:0x20B0\", count: 64}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c 0x10DE:0x20B0*64@10de:20b0=A100-40GB\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an id the catalogue lacks",
		  "spec: {vmClass: c, gpus: [{pciID: \"10de:fff0\"}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c 10de:fff0*1@10de:fff0=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile", "spec: {vmClass: c, gpus: [{vgpuProfile: grid_t4-1a, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c grid_t4-1a*2!grid_t4-1a=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile of an unknown board",
		  "spec: {vmClass: c, gpus: [{vgpuProfile: grid_zz9-1a}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c grid_zz9-1a*1!grid_zz9-1a=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "256 GPUs",
		  "spec: {vmClass: c, gpus: [{model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*64=T4 T4*64=T4 T4*64=T4 T4*64=T4\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a minimum", "spec: {vmClass: c, mmio: {minimumGB: 1}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c minimum=1\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a size", "spec: {vmClass: c, mmio: {sizeGB: 65536}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c size=65536\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "full reservation", "spec: {vmClass: c, memoryReservation: Full}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "no reservation of ours", "spec: {vmClass: c, memoryReservation: Unmanaged}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c unmanaged\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a model to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{model: <MODEL>}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an id to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{pciID: \"${ID}\"}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a profile to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{vgpuProfile: \"${P}\", count: 2}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a count to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [{model: T4, count: \"${N}\"}, {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "an item to be filled in, beside a card",
		  "spec: {vmClass: c, gpus: [\"${GPU}\", {model: T4, count: 2}]}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c T4*2=T4 placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "GPUs to be filled in", "spec: {vmClass: c, gpus: \"${GPUS}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder gpus-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a size to be filled in",
		  "spec: {vmClass: c, mmio: {sizeGB: \"${N}\", minimumGB: 64}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c minimum=64 placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a minimum to be filled in",
		  "spec: {vmClass: c, mmio: {sizeGB: 64, minimumGB: \"${N}\"}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c size=64 placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "mmio to be filled in", "spec: {vmClass: c, mmio: \"${MMIO}\"}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder window-unknown\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a reservation to be filled in",
		  "spec:\n  vmClass: c\n  memoryReservation: ${R}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a class to be filled in", "spec: {vmClass: <CLASS>}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=<CLASS> placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
	};

	(void)state;
	CHECK_ROWS(rows, NODE_POOL);
}

static void test_pool__node_pools_are_strict(void **state)
{
	static const struct row rows[] = {
		{ "no spec", "", "bad-input: in.yaml:1:1: spec is required, with a vmClass" },
		{ "a spec that is a text", "spec: c\n",
		  "bad-input: in.yaml:4:7: 'spec' must be a mapping, is the text 'c'" },
		{ "no class",
		  "spec:\n"
		  "  replicas: 1\n",
		  "bad-input: in.yaml:5:3: spec.vmClass is required: the name of a VirtualMachineClass" },
		{ "an empty class",
		  "spec:\n"
		  "  vmClass: ''\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is '': expected a name" },
		{ "a class that is a number",
		  "spec:\n"
		  "  vmClass: 5\n",
		  "bad-input: in.yaml:5:12: 'vmClass' must be text (in quotes where it looks like a number), is the number '5'" },
		{ "a slash in the class",
		  "spec:\n"
		  "  vmClass: a/b\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is 'a/b': a name has no slash and no control character" },
		{ "a control character in the class",
		  "spec:\n"
		  "  vmClass: \"a\\tb\"\n",
		  "bad-input: in.yaml:5:12: spec.vmClass is 'a b': a name has no slash and no control character" },
		{ "a field in the wrong case",
		  "spec:\n"
		  "  vmclass: c\n",
		  "bad-input: in.yaml:5:3: unknown field 'vmclass': did you mean 'vmClass'?" },
		{ "a field that is near",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpu: []\n",
		  "bad-input: in.yaml:6:3: unknown field 'gpu': did you mean 'gpus'?" },
		{ "a field that is like none",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  nodeMachineType: x\n",
		  "bad-input: in.yaml:6:3: unknown field 'nodeMachineType': known are gpus, memoryReservation, mmio, replicas, vmClass" },
		{ "a field at the top",
		  "spce:\n"
		  "  vmClass: c\n",
		  "bad-input: in.yaml:4:1: unknown field 'spce': known are apiVersion, kind, metadata, spec, status" },
		{ "negative replicas", "spec: {vmClass: c, replicas: -1}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the number '-1'" },
		{ "replicas as text", "spec: {vmClass: c, replicas: \"3\"}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the text '3'" },
		{ "replicas with a fraction", "spec: {vmClass: c, replicas: 1.5}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the fraction '1.5'" },
		{ "replicas beyond an int32", "spec: {vmClass: c, replicas: 2147483648}\n",
		  "bad-input: in.yaml:4:30: 'replicas' must be a whole number from 0 to 2147483647, is the number '2147483648'" },
		{ "GPUs that are no list",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: {model: T4}\n",
		  "bad-input: in.yaml:6:9: 'gpus' must be a list, is a mapping" },
		{ "a GPU that is no mapping",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - T4\n",
		  "bad-input: in.yaml:7:5: expected a mapping such as {model: A100-40GB, count: 4}, not 'T4'" },
		{ "a GPU without a name",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - count: 2\n",
		  "bad-input: in.yaml:7:5: one of model, pciID or vgpuProfile is required" },
		{ "a GPU named twice",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, pciID: \"10de:1eb8\"}\n",
		  "bad-input: in.yaml:7:17: model and pciID are mutually exclusive: name the GPU once" },
		{ "a GPU with a field of no meaning",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, counts: 2}\n",
		  "bad-input: in.yaml:7:17: unknown field 'counts': did you mean 'count'?" },
		{ "a model that is empty",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: ''}\n",
		  "bad-input: in.yaml:7:13: model is '': name a GPU" },
		{ "a count of zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, count: 0}\n",
		  "bad-input: in.yaml:7:24: 'count' must be a whole number from 1 to 64, is the number '0'" },
		{ "a count of 65",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - {model: T4, count: 65}\n",
		  "bad-input: in.yaml:7:24: 'count' must be a whole number from 1 to 64, is the number '65'" },
		{ "257 GPUs",
		  "spec: {vmClass: c, gpus: [{model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4, count: 64}, {model: T4}]}\n",
		  "bad-input: in.yaml:4:123: the pool names '257' GPUs for each node: at most 256" },
		{ "an id that YAML reads as a float",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - pciID: 1e78\n",
		  "bad-input: in.yaml:7:12: pciID is '1e78', which YAML reads as a number: write it in quotes, vendor and device, such as \"10de:20b0\"" },
		{ "an id that YAML reads as an integer",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - pciID: 0x10de\n",
		  "bad-input: in.yaml:7:12: pciID is '0x10de', which YAML reads as a number: write it in quotes, vendor and device, such as \"10de:20b0\"" },
		{ "a profile with a blank",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus:\n"
		  "  - vgpuProfile: grid a100\n",
		  "bad-input: in.yaml:7:18: vGPU profile 'grid a100' holds a blank: expected one such as 'grid_a100-40c'" },
		{ "a size that is no power of two",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 100}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '100': expected a power of two from 1 to 65536" },
		{ "a minimum of zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: 0}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is '0': expected a power of two from 1 to 65536" },
		{ "a size over the largest",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 131072}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '131072': expected a power of two from 1 to 65536" },
		{ "a size with a unit",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 512Gi}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '512Gi': expected a number, such as 512" },
		{ "a size in quotes",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: \"512\"}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '512': expected a number, without quotes" },
		{ "a minimum in quotes",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: \"512\"}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is the text '512': expected a number, without quotes" },
		{ "a size that is empty",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: \"\"}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is the text '': expected a number, such as 512" },
		{ "a size that is a float",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: 512.0}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '512.0': expected a whole number" },
		{ "a minimum with an exponent",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGB: 1e3}\n",
		  "bad-input: in.yaml:6:21: mmio.minimumGB is '1e3': expected a whole number" },
		{ "a name to be filled in beside a wrong count",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: [{model: <M>, count: 0}]\n",
		  "bad-input: in.yaml:6:30: 'count' must be a whole number from 1 to 64, is the number '0'" },
		{ "a count to be filled in beside a wrong name",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  gpus: [{model: zz9, count: <N>}]\n",
		  "bad-input: in.yaml:6:18: 'zz9' is not a known GPU model; `nodeprep gpus` lists all" },
		{ "a size below zero",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {sizeGB: -64}\n",
		  "bad-input: in.yaml:6:18: mmio.sizeGB is '-64': expected a power of two from 1 to 65536" },
		{ "an unknown field of mmio",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: {minimumGb: 64}\n",
		  "bad-input: in.yaml:6:10: unknown field 'minimumGb': did you mean 'minimumGB'?" },
		{ "mmio that is a number",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  mmio: 512\n",
		  "bad-input: in.yaml:6:9: 'mmio' must be a mapping, is the number '512'" },
		{ "a reservation in the wrong case",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  memoryReservation: full\n",
		  "bad-input: in.yaml:6:22: memoryReservation is 'full': did you mean 'Full'?" },
		{ "a reservation of another sort",
		  "spec:\n"
		  "  vmClass: c\n"
		  "  memoryReservation: 50%\n",
		  "bad-input: in.yaml:6:22: memoryReservation is '50%': expected Full or Unmanaged" },
	};

	(void)state;
	CHECK_ROWS(rows, NODE_POOL);
}

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
		  "bad-input: in.yaml:6:24: 'nvidia_zz9' is not a known GPU model; `nodeprep gpus` lists all" },
		{ "nothing",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: nodeprep.dev/gpus is empty: expected GPUs, such as 'A100-40GB=4,T4=1'" },
		{ "blanks alone",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"  \"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: nodeprep.dev/gpus is empty: expected GPUs, such as 'A100-40GB=4,T4=1'" },
		{ "a semicolon",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: A100-40GB=1;T4=1\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'A100-40GB=1;T4=1' in nodeprep.dev/gpus holds a ';': commas separate its parts, such as 'A100-40GB=4,T4=1'" },
		{ "a placeholder beside a card that is none",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: \"${G}=1,zz9=1\"\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'zz9' is not a known GPU model; `nodeprep gpus` lists all" },
		{ "no count",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: A100-40GB\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: 'A100-40GB' in nodeprep.dev/gpus lacks its count: expected MODEL=COUNT, such as 'A100-40GB=4'" },
		{ "no name",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: =4\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: '=4' in nodeprep.dev/gpus names no GPU: expected MODEL=COUNT, such as 'A100-40GB=4'" },
		{ "a count of zero",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=0\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is '0': expected 1 to 64" },
		{ "a count of 65",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=65\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is '65': expected 1 to 64" },
		{ "a count that is none",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=two\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: count of 'T4' in nodeprep.dev/gpus is 'two': expected 1 to 64" },
		{ "a comma at the end",
		  "  annotations:\n"
		  "    nodeprep.dev/gpus: T4=1,\n"
		  "spec: {vmClass: c}\n",
		  "bad-input: in.yaml:6:24: '' in nodeprep.dev/gpus lacks its count: expected MODEL=COUNT, such as 'A100-40GB=4'" },
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
		  "bad-input: in.yaml:5:17: annotation nodeprep.dev/gpus and spec.gpus are mutually exclusive: keep spec.gpus" },
		{ "both forms, one empty",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec: {vmClass: c, gpus: []}\n",
		  "bad-input: in.yaml:5:17: annotation nodeprep.dev/gpus and spec.gpus are mutually exclusive: keep spec.gpus" },
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
		  "bad-input: in.yaml:3:11: metadata.name is required" },
		{ "no metadata", "spec: {}\n",
		  "bad-input: in.yaml:1:1: metadata.name is required" },
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
		  "bad-input: in.yaml:7:7: expected a mapping with name, replicas and vmClass, not 'a'" },
		{ "a pool without name",
		  "metadata: {name: t, namespace: ml}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    nodePools:\n"
		  "    - vmClass: a\n",
		  "bad-input: in.yaml:7:7: name of the node pool is required" },
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
		  "bad-input: in.yaml:6:5: 'workers' is a field of v1alpha1: expected 'nodePools'" },
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
		  "bad-input: in.yaml:6:17: nodeprep.dev/gpus is on Cluster 'c' and on its pool 'b': keep that of the pool" },
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
		  "  machine-pools: the topology's 2 machinePools are ignored: vSphere creates no nodes from them\n"
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
		  "bad-input: in.yaml:10:30: expected the name of a VirtualMachineClass as value of the variable 'vmClass', not a mapping" },
		{ "a class without value",
		  "spec:\n"
		  "  topology:\n"
		  "    class: k\n"
		  "    variables:\n"
		  "    - {name: vmClass}\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a}\n",
		  "bad-input: in.yaml:10:7: expected the name of a VirtualMachineClass as value of the variable 'vmClass'" },
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
		  "bad-input: in.yaml:13:66: expected the name of a VirtualMachineClass as value of the variable 'vmClass', not '7'" },
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
		  "bad-input: in.yaml:13:9: name of the machine deployment is required" },
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
		  "bad-input: in.yaml:10:30: variable vmClass is 'x/y': a name has no slash and no control character" },
		{ "annotations on the cluster and on its pool",
		  "  annotations: {nodeprep.dev/gpus: T4=1}\n"
		  "spec:\n"
		  "  topology:\n"
		  "    workers:\n"
		  "      machineDeployments:\n"
		  "      - {name: a, metadata: {annotations: {nodeprep.dev/gpus: T4=2}}}\n",
		  "bad-input: in.yaml:6:17: nodeprep.dev/gpus is on Cluster 'c' and on its pool 'a': keep that of the pool" },
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

static void test_pool__documents_are_told_apart(void **state)
{
	static const struct row
		rows
			[] = {
				{ "nothing at all", "",
				  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
				{ "empty documents",
				  "---\n"
				  "---\n",
				  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
				{ "a text", "hello\n",
				  "bad-input: in.yaml:1:1: expected a mapping with apiVersion and kind, not 'hello'" },
				{ "a null in a List",
				  "apiVersion: v1\n"
				  "kind: List\n"
				  "items: [null]\n",
				  "bad-input: no worker pool found: the input is empty; nodeprep reads NodePool, TanzuKubernetesCluster, Cluster with a topology, MachineDeployment, VSphereMachineTemplate with devices, and tanzu's cluster-configuration and node-pool files" },
				{ "a list", "- a\n",
				  "bad-input: in.yaml:1:1: expected a mapping with apiVersion and kind, not a list" },
				{ "no kind", "apiVersion: v1\n",
				  "bad-input: in.yaml:1:1: kind is required" },
				{ "no apiVersion", "kind: NodePool\n",
				  "bad-input: in.yaml:1:1: apiVersion is required" },
				{ "neither", "metadata: {name: a}\n",
				  "bad-input: in.yaml:1:1: apiVersion and kind are required" },
				{ "capitals that are of no tanzu file", "HTTP_PROXY: a\n",
				  "bad-input: in.yaml:1:1: apiVersion and kind are required" },
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
				  "bad-input: in.yaml:2:7: 'Nodepool' is not a kind of nodeprep.dev: expected NodePool" },
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
				  "bad-input: in.yaml:1:1: metadata.name is required" },
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
				  "bad-input: in.yaml:4:3: expected a mapping with apiVersion and kind, not 'a'" },
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
				  "bad-input: in.yaml:4:19: 'nodePools' is a field of v1alpha2 and v1alpha3: expected 'workers'" },
			};

	(void)state;
	CHECK_ROWS(rows, "");
}

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
		  "bad-input: in.yaml:4:45: infrastructureRef.name is required" },
		{ "a version that is not read",
		  "apiVersion: cluster.x-k8s.io/v1alpha4\nkind: MachineDeployment\n"
		  "metadata: {name: d}\n",
		  "bad-input: in.yaml:1:13: version 'v1alpha4' of MachineDeployment is not read: v1beta1, v1beta2 are" },
		{ "a Supervisor's template without class",
		  "apiVersion: " SUPERVISOR "/v1beta1\nkind: VSphereMachineTemplate\n"
		  "metadata: {name: t}\nspec: {template: {spec: {}}}\n",
		  "bad-input: in.yaml:4:25: spec.template.spec.className is required" },
	};

	(void)state;
	CHECK_ROWS(rows, "");
}

#define SPEC(fields) "spec:\n  template:\n    spec:\n" fields

static void test_pool__template_fields_are_read(void **state)
{
	static const struct row rows[] = {
		{ "two of one card, a NIC, a vGPU, an unknown one",
		  SPEC("      pciDevices:\n"
		       "      - {vendorId: 4318, deviceId: 7864, customLabel: x}\n"
		       "      - {deviceId: \"0x1EB8\", vendorId: \"0x10DE\"}\n"
		       "      - {vendorId: 0x14e4, deviceId: 0x1751}\n"
		       "      - {vGPUProfile: grid_t4-1a}\n"
		       "      - {vendorId: 4318, deviceId: 0x2fff}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine 10de:1eb8=T4 10de:1eb8=T4 14e4:1751=- !grid_t4-1a=T4 10de:2fff=?\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "keys, hardware, memory",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      customVMXKeys: {a: b, pciPassthru.use64BitMMIO: \"TRUE\"}\n"
		       "      hardwareVersion: vmx-15\n"
		       "      memoryMiB: 8192\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4 a='b' pciPassthru.use64BitMMIO='TRUE' vmx-15 memory=8192\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "misspelt keys are told, P2P keys are not",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      customVMXKeys: {pciPassthru.set.usebitMMIO: \"TRUE\", "
		       "pciPassthru.allowP2P: \"TRUE\", pciPassthru.relaxACSforP2P: \"TRUE\", "
		       "pciPassthru.relaxP2P: \"TRUE\"}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4 pciPassthru.set.usebitMMIO='TRUE' pciPassthru.allowP2P='TRUE' pciPassthru.relaxACSforP2P='TRUE' pciPassthru.relaxP2P='TRUE'\n"
		  "  misspelt-key: 'pciPassthru.set.usebitMMIO' is not a key of ESXi: the MMIO keys are 'pciPassthru.use64bitMMIO' and 'pciPassthru.64bitMMIOSizeGB'\n"
		  "  misspelt-key: 'pciPassthru.relaxP2P' is not a key of ESXi: the MMIO keys are 'pciPassthru.use64bitMMIO' and 'pciPassthru.64bitMMIOSizeGB'\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "a 32-bit guest",
		  SPEC("      pciDevices: [{vGPUProfile: grid_t4-1a}]\n"
		       "      template: images/ubuntu-i386\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0\n"
		  "template ml/t in.yaml:0:1 machine !grid_t4-1a=T4\n"
		  "  guest-32bit: template 'images/ubuntu-i386' names a 32-bit guest, which maps no BAR above 4 GB\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "placeholders in fields",
		  SPEC("      pciDevices: [{vendorId: 4318, deviceId: \"${ID}\"}]\n"
		       "      hardwareVersion: ${HW}\n      memoryMiB: ${MEM}\n"),
		  "ml/t in.yaml:0:1 VSphereMachineTemplate/t class=- template=0 placeholder\n"
		  "template ml/t in.yaml:0:1 machine ${HW} unknown-device placeholder\n"
		  "documents=1 classes=0 skipped=0 []" },
		{ "the official page's arrows",
		  SPEC("      pciDevices:\n      - deviceId: 7864   <==== value from above\n"
		       "        vendorId: 4318   <==== value from above\n"),
		  "bad-input: in.yaml:8:19: deviceId is the text '7864   <==== value from above': expected a whole number, such as 4318 or 0x10DE" },
		{ "an id as digits in quotes",
		  SPEC("      pciDevices:\n      - deviceId: 7864\n        vendorId: \"4318\"\n"),
		  "bad-input: in.yaml:9:19: vendorId is the text '4318': expected a whole number, such as 4318 or 0x10DE" },
		{ "swapped ids",
		  SPEC("      pciDevices:\n      - {deviceId: 0x10de, vendorId: 0x1eb8}\n"),
		  "bad-input: in.yaml:8:38: the id '1eb8:10de' has vendor and device swapped: vendorId is 0x10de, deviceId is 0x1eb8" },
		{ "an id beyond 16 bits",
		  SPEC("      pciDevices:\n      - {deviceId: 65536, vendorId: 4318}\n"),
		  "bad-input: in.yaml:8:20: 'deviceId' must be a whole number from 0 to 65535, is the number '65536'" },
		{ "half an id", SPEC("      pciDevices:\n      - {deviceId: 7864}\n"),
		  "bad-input: in.yaml:8:9: a PCI device needs vendorId and deviceId, or vGPUProfile" },
		{ "a misspelt field",
		  SPEC("      pciDevices:\n      - {deviceId: 7864, vendorID: 4318}\n"),
		  "bad-input: in.yaml:8:26: unknown field 'vendorID': did you mean 'vendorId'?" },
		{ "an id and a profile",
		  SPEC("      pciDevices:\n      - {deviceId: 7864, vendorId: 4318, vGPUProfile: a}\n"),
		  "bad-input: in.yaml:8:42: vGPUProfile and deviceId are mutually exclusive" },
		{ "a profile with a blank",
		  SPEC("      pciDevices:\n      - {vGPUProfile: grid a}\n"),
		  "bad-input: in.yaml:8:23: vGPUProfile is 'grid a': expected a name such as 'grid_a100-40c'" },
		{ "devices as a map", SPEC("      pciDevices: {vendorId: 1}\n"),
		  "bad-input: in.yaml:7:19: 'pciDevices' must be a list, is a mapping" },
		{ "a key's value that is a number",
		  SPEC("      customVMXKeys: {pciPassthru.64bitMMIOSizeGB: 512}\n"),
		  "bad-input: in.yaml:7:52: 'pciPassthru.64bitMMIOSizeGB' must be text (in quotes where it looks like a number), is the number '512'" },
		{ "a hardware version of three digits", SPEC("      hardwareVersion: vmx-100\n"),
		  "bad-input: in.yaml:7:24: hardwareVersion is 'vmx-100': expected a hardware version such as 'vmx-17'" },
		{ "a hardware version without prefix", SPEC("      hardwareVersion: \"17\"\n"),
		  "bad-input: in.yaml:7:24: hardwareVersion is '17': expected a hardware version such as 'vmx-17'" },
		{ "memory as text", SPEC("      memoryMiB: 8Gi\n"),
		  "bad-input: in.yaml:7:18: 'memoryMiB' must be a whole number from 1 to 9223372036854775807, is the text '8Gi'" },
	};

	(void)state;
	CHECK_ROWS(rows, TEMPLATE "metadata: {name: t, namespace: ml}\n");
}

#define FLAT(expect) \
	"default/c/md-0 in.yaml:0:1 ClusterConfiguration/c class=- template=0" expect "\n"
#define FLAT_TEMPLATE "template default/md-0 in.yaml:0:1 flat"
#define FLAT_END "documents=1 classes=0 skipped=0 []"

static void test_pool__flat_files_are_read(void **state)
{
	static const struct row rows[] = {
		{ "no GPU", "", FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "every spelling of an id",
		  "VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST: \"true\"\n"
		  "VSPHERE_WORKER_PCI_DEVICES: \"0x10DE:0x1EB8, 10DE:1EB8,10de:20b0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:1eb8=T4 10de:1eb8=T4 10de:20b0=A100-40GB\n" FLAT_END },
		{ "all that is read",
		  "NAMESPACE: default\nINFRASTRUCTURE_PROVIDER: vsphere\nTKG_IP_FAMILY: ipv4\n"
		  "VSPHERE_CONTROL_PLANE_PCI_DEVICES: \"0x10DE:0x2330\"\n"
		  "VSPHERE_WORKER_PCI_DEVICES: 0x10DE:0x1EB8\n"
		  "VSPHERE_WORKER_CUSTOM_VMX_KEYS: 'pciPassthru.allowP2P=true, a = b'\n"
		  "VSPHERE_WORKER_HARDWARE_VERSION: vmx-17\nVSPHERE_WORKER_MEM_MIB: 8192\n"
		  "VSPHERE_WORKER_ROLLOUT_STRATEGY: OnDelete\nWORKER_MACHINE_COUNT: \"2\"\n"
		  "OS_ARCH: amd64\n",
		  "default/c/md-0 in.yaml:0:1 ClusterConfiguration/c class=- replicas=2 template=0 on-delete\n" FLAT_TEMPLATE
		  " 10de:1eb8=T4 pciPassthru.allowP2P='true' a='b' vmx-17 memory=8192\n" FLAT_END },
		{ "the autoscaler owns the count",
		  "WORKER_MACHINE_COUNT: 2\nENABLE_AUTOSCALER: true\n",
		  FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "a card that is not on the allow-list",
		  "VSPHERE_WORKER_PCI_DEVICES: \"10de:20b0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:20b0=A100-40GB\n"
		  "  allow-list: the installer rejects '10de:20b0': it accepts 10de:1eb8 only, unless VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST is \"true\"\n" FLAT_END },
		{ "two equal cards that are not on the allow-list",
		  "VSPHERE_WORKER_PCI_DEVICES: \"10de:20b0,0x10DE:0x20B0\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " 10de:20b0=A100-40GB 10de:20b0=A100-40GB\n"
		  "  allow-list: the installer rejects '10de:20b0': it accepts 10de:1eb8 only, unless VSPHERE_IGNORE_PCI_DEVICES_ALLOW_LIST is \"true\"\n" FLAT_END },
		{ "a vGPU", "VSPHERE_WORKER_PCI_DEVICES: grid_t4-1a\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " !grid_t4-1a=T4\n"
		  "  passthrough-only: 'grid_t4-1a' is a vGPU: VSPHERE_WORKER_PCI_DEVICES accepts passthrough devices only\n" FLAT_END },
		{ "two equal vGPUs", "VSPHERE_WORKER_PCI_DEVICES: \"grid_t4-1a,grid_t4-1a\"\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  " !grid_t4-1a=T4 !grid_t4-1a=T4\n"
		  "  passthrough-only: 'grid_t4-1a' is a vGPU: VSPHERE_WORKER_PCI_DEVICES accepts passthrough devices only\n" FLAT_END },
		{ "a 32-bit guest", "OS_ARCH: i386\n",
		  FLAT(" surge") FLAT_TEMPLATE
		  "\n"
		  "  guest-32bit: OS_ARCH 'i386' names a 32-bit guest, which maps no BAR above 4 GB\n" FLAT_END },
		{ "empty values",
		  "VSPHERE_WORKER_PCI_DEVICES: \"\"\nVSPHERE_WORKER_CUSTOM_VMX_KEYS:\n",
		  FLAT(" surge") FLAT_TEMPLATE "\n" FLAT_END },
		{ "placeholders",
		  "VSPHERE_WORKER_PCI_DEVICES: <VENDOR>:<DEVICE>\nWORKER_MACHINE_COUNT: ${N}\n",
		  FLAT(" surge placeholder") FLAT_TEMPLATE
		  " unknown-device placeholder\n" FLAT_END },
		{ "the framework's own bad value a:b;c;d", "VSPHERE_WORKER_PCI_DEVICES: a:b;c;d\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id 'a:b;c;d' is not vendor:device in hex, such as 10de:20b0" },
		{ "the framework's own bad value with a semicolon",
		  "VSPHERE_WORKER_PCI_DEVICES: \"1001:1001,2000:2001;400:300\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '2000:2001;400:300' is not vendor:device in hex, such as 10de:20b0" },
		{ "the framework's own bad value sometext",
		  "VSPHERE_WORKER_PCI_DEVICES: sometext\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id 'sometext' is not vendor:device in hex, such as 10de:20b0" },
		{ "a comma at the end", "VSPHERE_WORKER_PCI_DEVICES: \"10de:1eb8,\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '' is not vendor:device in hex, such as 10de:20b0" },
		{ "swapped ids", "VSPHERE_WORKER_PCI_DEVICES: \"0x1EB8:0x10DE\"\n",
		  "bad-input: in.yaml:2:29: VSPHERE_WORKER_PCI_DEVICES: id '0x1EB8:0x10DE' looks swapped: vendor 10de comes first, '10de:1eb8'" },
		{ "a key without value", "VSPHERE_WORKER_CUSTOM_VMX_KEYS: \"a=b,c\"\n",
		  "bad-input: in.yaml:2:33: VSPHERE_WORKER_CUSTOM_VMX_KEYS has 'c': expected KEY=VALUE pairs, separated by commas" },
		{ "a key twice", "VSPHERE_WORKER_CUSTOM_VMX_KEYS: \"a=b,a=c\"\n",
		  "bad-input: in.yaml:2:33: VMX key 'a' is given twice" },
		{ "a strategy that is none", "VSPHERE_WORKER_ROLLOUT_STRATEGY: Recreate\n",
		  "bad-input: in.yaml:2:34: VSPHERE_WORKER_ROLLOUT_STRATEGY is 'Recreate': expected RollingUpdate or OnDelete" },
		{ "a count that is none", "WORKER_MACHINE_COUNT: two\n",
		  "bad-input: in.yaml:2:23: WORKER_MACHINE_COUNT is 'two': expected a whole number from 0 to 2147483647" },
		{ "memory that is none", "VSPHERE_WORKER_MEM_MIB: 8Gi\n",
		  "bad-input: in.yaml:2:25: VSPHERE_WORKER_MEM_MIB is '8Gi': expected a whole number of MiB" },
		{ "a hardware version that is none", "VSPHERE_WORKER_HARDWARE_VERSION: 17\n",
		  "bad-input: in.yaml:2:34: VSPHERE_WORKER_HARDWARE_VERSION is '17': expected a hardware version such as 'vmx-17'" },
		{ "a list of devices", "VSPHERE_WORKER_PCI_DEVICES: [a]\n",
		  "bad-input: in.yaml:2:29: expected text, not a list" },
		{ "a slash in the namespace", "NAMESPACE: a/b\n",
		  "bad-input: in.yaml:2:12: metadata.namespace is 'a/b': a name has no slash and no control character" },
	};

	(void)state;
	CHECK_ROWS(rows, "CLUSTER_NAME: c\n");
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
		  "bad-input: in.yaml: extrapools:1:3: name of the extra pool is required" },
		{ "extra pools that are no list", "extrapools: ${POOLS}\n",
		  "bad-input: in.yaml: extrapools:1:1: expected a list of pools, not '${POOLS}'" },
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
		  "  no-effect: 'gpus' has no effect: tanzu cluster node-pool set ignores GPU settings; give the pool a VM class or a VSphereMachineTemplate of its own\n"
		  "  no-effect: 'vsphere.pciDevices' has no effect: tanzu cluster node-pool set ignores GPU settings; give the pool a VM class or a VSphereMachineTemplate of its own\n"
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

static void test_pool__classes_are_needed_where_a_pool_names_one(void **state)
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(read_text(&in, rows[i].text, &err), 0);
		if (np_input_needs_classes(&in) != rows[i].expect)
			fail_msg("%s", rows[i].what);
		np_input_done(&in);
	}
}

static void test_pool__placeholders_are_told_from_names(void **state)
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (np_is_placeholder(rows[i].text) != rows[i].expect)
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
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
		np_input_done(&in);
	}
}

static void test_pool__a_class_of_a_list_keeps_its_document(void **state)
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
		np_node_string(np_node_get(np_node_get(in.classes[0].node, "metadata"), "name"),
			       &name, &err),
		1);
	assert_string_equal(name, "gpu");
	assert_int_equal(in.classes[0].node.pos.line, 4);
	np_input_done(&in);
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
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;
		char text[512];

		snprintf(text, sizeof(text), CLUSTER "%s", rows[i].text);
		assert_int_equal(np_input_parse(&in, cat, "f", text, strlen(text), &err), 0);
		if (in.n_topologies_skipped != rows[i].expect || in.n_skipped != 1)
			fail_msg("%s: %zu", rows[i].what, in.n_topologies_skipped);
		np_input_done(&in);
	}
}

/* Writes pools and errors of what np_input_collect() and the check of the whole made of `text`. */
static char *collect_text(const char *text)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	char *got = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&got, &size);

	assert_non_null(f);
	if (np_input_collect(&in, cat, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_input_finish(&in, &err) < 0)
		fprintf(f, "fails: %s: %s\n", np_code_name(err.code), err.text);
	for (size_t i = 0; i < in.n_pools; i++)
		print_pool(f, &in.pools[i]);
	for (size_t i = 0; i < in.n_errors; i++)
		fprintf(f, "%s: %s\n", np_code_name(in.errors[i].code), in.errors[i].text);
	fprintf(f, "templates=%zu classes=%zu", in.n_templates, in.n_classes);
	fclose(f);
	np_input_done(&in);
	return got;
}

#define NO_CLASS "bad-input: in.yaml:1:1: spec is required, with a vmClass\n"

static void test_pool__a_wrong_document_is_kept_as_an_error(void **state)
{
	static const struct row rows[] = {
		{ "nothing wrong", NODE_POOL_SPEC,
		  "ml/p in.yaml:0:1 NodePool/p class=c\ntemplates=0 classes=0" },
		{ "wrong, then right, then wrong",
		  NODE_POOL "---\n" NODE_POOL_SPEC "---\n" NODE_POOL_SPEC
			    "  gpus: [{model: zz9}]\n",
		  "ml/p in.yaml:1:5 NodePool/p class=c\n" NO_CLASS
		  "bad-input: in.yaml:16:18: 'zz9' is not a known GPU model; `nodeprep gpus` lists all\ntemplates=0 classes=0" },
		{ "the first pool of a document goes with its second",
		  NODE_POOL_SPEC "---\n" TKC "metadata: {name: t}\n"
				 "spec: {topology: {nodePools: [{name: a}, {vmClass: b}]}}\n",
		  "ml/p in.yaml:0:1 NodePool/p class=c\n"
		  "bad-input: in.yaml:10:42: name of the node pool is required\ntemplates=0 classes=0" },
		{ "the template of a flat file goes with its extra pool",
		  "CLUSTER_NAME: c\nextrapools: [{replicas: 1}]\n---\n" NODE_POOL_SPEC,
		  "ml/p in.yaml:1:4 NodePool/p class=c\n"
		  "bad-input: in.yaml:2:14: name of the extra pool is required\ntemplates=0 classes=0" },
		{ "an item of a list is a document of its own",
		  "{apiVersion: v1, kind: List, items: [{apiVersion: nodeprep.dev/v1alpha1, kind: "
		  "NodePool, metadata: {name: a}, spec: {vmClass: c}}, {kind: x}, {apiVersion: "
		  "vmoperator.vmware.com/v1alpha1, kind: VirtualMachineClass, metadata: {name: c}}]}",
		  "default/a in.yaml:0:1 NodePool/a class=c\n"
		  "bad-input: in.yaml:1:132: apiVersion is required\ntemplates=0 classes=1" },
		{ "nothing right", NODE_POOL, NO_CLASS "templates=0 classes=0" },
		{ "bytes that are no YAML", NODE_POOL_SPEC "---\na: [\n",
		  "fails: bad-input: in.yaml:8:1: did not find expected node content\n"
		  "ml/p in.yaml:0:1 NodePool/p class=c\ntemplates=0 classes=0" },
	};
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *got = collect_text(rows[i].text);

		if (strcmp(got, rows[i].expect) != 0) {
			print_error("%s:\n%s\n", rows[i].what, got);
			bad++;
		}
		free(got);
	}
	assert_int_equal(bad, 0);
}

static void test_pool__errors_are_kept_up_to_a_hundred(void **state)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;
	const char *text = NODE_POOL;

	(void)state;
	for (unsigned i = 0; i < 150; i++)
		assert_int_equal(np_input_collect(&in, cat, "f", text, strlen(text), &err), 0);
	assert_int_equal(in.n_errors, 100);
	assert_int_equal(in.n_documents, 150);
	np_input_done(&in);
	assert_null(in.errors);
}

static void test_pool__a_pool_given_in_two_files_names_both(void **state)
{
	const char *text = NODE_POOL_SPEC;
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_input_parse(&in, cat, "a.yaml", text, strlen(text), &err), 0);
	assert_int_equal(np_input_parse(&in, cat, "b.yaml", text, strlen(text), &err), 0);
	assert_int_equal(np_input_finish(&in, &err), -(int)NP_E_SPEC);
	assert_string_equal(err.text, "b.yaml:1: pool 'ml/p' is given twice, first in a.yaml:1");
	np_input_done(&in);
}

static void test_pool__an_id_needs_no_more_than_its_room(void **state)
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
	np_input_done(&in);
}

static void test_pool__many_skipped_kinds_are_counted_and_cut(void **state)
{
	struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char text[64];

		snprintf(text, sizeof(text), "{apiVersion: v1, kind: Kind%u}", i % 100);
		assert_int_equal(np_input_parse(&in, cat, "f", text, strlen(text), &err), 0);
	}
	assert_int_equal(in.n_skipped, 300);
	assert_int_equal(in.n_documents, 300);
	assert_int_equal(strlen(in.skipped), sizeof(in.skipped) - 1);
	assert_string_equal(in.skipped + sizeof(in.skipped) - 4, "...");
	assert_memory_equal(in.skipped, "Kind0 x3, Kind1 x3, ", 20);
	np_input_done(&in);
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
	assert_int_equal(np_input_parse(&in, cat, "many.yaml", text, size, &err), 0);
	assert_int_equal(in.n_pools, n);
	assert_int_equal(in.n_classes, n);
	start = clock();
	assert_int_equal(np_input_finish(&in, &err), 0);
	seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
	np_input_done(&in);
	free(text);
	return seconds;
}

static void test_pool__ten_times_the_pools_take_no_hundred_times_the_time(void **state)
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
	const size_t plenty = SIZE_MAX - 1;
	size_t needed = 1;

	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	/* The first round, with plenty, tells how many there are; each later one lacks one of them. */
	for (size_t round = 0; round <= needed; round++) {
		struct np_input in = { 0 };
		struct np_err err = NP_ERR_INIT;
		int rc;

		allocations_left = round ? round - 1 : plenty;
		rc = read_text(&in, text, &err);
		if (rc == 0)
			rc = np_input_collect(&in, cat, "w.yaml", wrong, strlen(wrong), &err);
		if (round == 0)
			needed = plenty - allocations_left;
		allocations_left = SIZE_MAX;
		if (rc != (round ? -(int)NP_E_NOMEM : 0) || (rc < 0 && !err.text[0]))
			fail_msg("allocation %zu of %zu: %d %s", round, needed, rc, err.text);
		np_input_done(&in);
	}
	json_set_alloc_funcs(malloc, free);
	assert_true(needed > 60);
}

/* Calls `each` with every entry of a folder that is not hidden; returns how many there were. */
static size_t walk(const char *folder, void (*each)(const char *path))
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, NULL, alphasort);
	size_t seen = 0;

	for (int i = 0; i < n; i++) {
		char path[1024];

		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
			each(path);
			seen++;
		}
		free(names[i]);
	}
	free(names);
	return seen;
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
	bytes = load(path, &size);
	rc = np_input_parse(&in, cat, "input.yaml", bytes, size, &err);
	if (rc == 0)
		rc = np_input_finish(&in, &err);
	got = describe(&in, rc, &err);
	snprintf(path, sizeof(path), "%s/expect", folder);
	if (getenv("NODEPREP_BLESS")) {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(got, f);
		fclose(f);
	}
	expect = load(path, NULL);
	if (strcmp(got, expect) != 0 || (rc < 0) != (strstr(folder, "/invalid/") != NULL)) {
		print_error("%s:\n  got %s  expected %s", folder, got, expect);
		fixture_failures++;
	}
	free(bytes);
	free(got);
	free(expect);
}

static void test_pool__fixtures_come_out_as_written_down(void **state)
{
	(void)state;
	fixture_failures = 0;
	assert_true(walk(TESTDATA "/valid", check_fixture) > 0);
	assert_true(walk(TESTDATA "/invalid", check_fixture) > 0);
	assert_int_equal(fixture_failures, 0);
}

/* What the fuzzer does; it is a program of its own. */
static void replay(const char *path)
{
	struct np_input in = { .default_namespace = "fuzz" };
	struct np_err err = NP_ERR_INIT;
	size_t size = 0;
	char *bytes = load(path, &size);

	if (np_input_parse(&in, cat, "fuzz.yaml", bytes, size, &err) == 0)
		(void)np_input_finish(&in, &err);
	np_input_done(&in);
	if (np_input_collect(&in, cat, "fuzz.yaml", bytes, size, &err) == 0)
		(void)np_input_finish(&in, &err);
	if (err.code != NP_OK && !err.text[0])
		fail_msg("%s: an error without a text", path);
	np_input_done(&in);
	free(bytes);
}

static void test_pool__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(walk(TESTDATA "/corpus", replay) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool__node_pools_are_read),
		cmocka_unit_test(test_pool__node_pools_are_strict),
		cmocka_unit_test(test_pool__annotations_name_gpus),
		cmocka_unit_test(test_pool__tanzu_clusters_are_read),
		cmocka_unit_test(test_pool__topologies_are_read),
		cmocka_unit_test(test_pool__documents_are_told_apart),
		cmocka_unit_test(test_pool__machine_deployments_find_their_templates),
		cmocka_unit_test(test_pool__template_fields_are_read),
		cmocka_unit_test(test_pool__flat_files_are_read),
		cmocka_unit_test(test_pool__files_without_kind_are_told_by_their_keys),
		cmocka_unit_test(test_pool__classes_are_needed_where_a_pool_names_one),
		cmocka_unit_test(test_pool__placeholders_are_told_from_names),
		cmocka_unit_test(test_pool__namespaces_come_from_document_default_or_kubernetes),
		cmocka_unit_test(test_pool__a_class_of_a_list_keeps_its_document),
		cmocka_unit_test(test_pool__a_foreign_topology_is_counted),
		cmocka_unit_test(test_pool__a_wrong_document_is_kept_as_an_error),
		cmocka_unit_test(test_pool__errors_are_kept_up_to_a_hundred),
		cmocka_unit_test(test_pool__a_pool_given_in_two_files_names_both),
		cmocka_unit_test(test_pool__an_id_needs_no_more_than_its_room),
		cmocka_unit_test(test_pool__many_skipped_kinds_are_counted_and_cut),
		cmocka_unit_test(test_pool__ten_times_the_pools_take_no_hundred_times_the_time),
		cmocka_unit_test(test_pool__each_allocation_may_fail),
		cmocka_unit_test(test_pool__fixtures_come_out_as_written_down),
		cmocka_unit_test(test_pool__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
