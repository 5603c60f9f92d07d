/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/plan.h"

#include "catalogue.h"
#include "expect.h"

#include <inttypes.h>
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
#include "nodeprep/pool.h"
#include "nodeprep/warnings.h"

#include "failing_alloc.h"

/* --- inputs ------------------------------------------------------------------------------------ */

#define X2(d) d ", " d
#define X3(d) X2(d) ", " d
#define X4(d) X2(d) ", " X2(d)
#define X5(d) X4(d) ", " d
#define X8(d) X4(d) ", " X4(d)

#define A100 "{vendorID: 4318, deviceID: 8368}"
#define A100_80 "{vendorID: 4318, deviceID: 0x20b2}"
#define H100 "{vendorID: 4318, deviceID: 0x2330}"
#define H200 "{vendorID: 4318, deviceID: 0x2335}"
#define T4 "{vendorID: 4318, deviceID: 7864}"
#define NIC "{vendorID: 0x14e4, deviceID: 0x1751}"
#define UNKNOWN "{vendorID: 4318, deviceID: 0x2fff}"
#define OTHER "{vendorID: 0x1ae0, deviceID: 0x63}"

#define CLASS_OF(meta, rest)                           \
	"---\n"                                        \
	"apiVersion: vmoperator.vmware.com/v1alpha2\n" \
	"kind: VirtualMachineClass\n"                  \
	"metadata: {" meta "}\n"                       \
	"spec:\n"                                      \
	"  hardware: {cpus: 4, memory: 1Ti, devices: {" rest "\n"
#define DIRECT(devices) "dynamicDirectPathIODevices: [" devices "]}}"
#define CLASS(name, devices) CLASS_OF("name: " name ", namespace: ml", DIRECT(devices))
#define KEYS(n)                                                       \
	"  configSpec: {extraConfig: [{_typeName: OptionValue, key: " \
	"pciPassthru.64bitMMIOSizeGB, value: '" n "'}]}\n"
#define STANDING_OF(ids, n)                                              \
	CLASS_OF("name: c, namespace: ml", "}}")                         \
	"  configSpec:\n"                                                \
	"    deviceChange:\n"                                            \
	"    - _typeName: VirtualDeviceConfigSpec\n"                     \
	"      device:\n"                                                \
	"        _typeName: VirtualPCIPassthrough\n"                     \
	"        backing:\n"                                             \
	"          _typeName: VirtualPCIPassthroughDynamicBackingInfo\n" \
	"          allowedDevice: [" ids "]\n"                           \
	"    extraConfig:\n"                                             \
	"    - {_typeName: OptionValue, key: pciPassthru.64bitMMIOSizeGB, value: '" n "'}\n"
#define STANDING(n) STANDING_OF("{vendorId: 4318, deviceId: 8368}", n)
#define POOL_IN(ns, name, class, rest)                    \
	"---\n"                                           \
	"apiVersion: nodeprep.dev/v1alpha1\n"             \
	"kind: NodePool\n"                                \
	"metadata: {name: " name ", namespace: " ns "}\n" \
	"spec: {vmClass: " class ", replicas: 2" rest "}\n"
#define POOL(name, class, rest) POOL_IN("ml", name, class, rest)
#define GPUS(list) ", gpus: [" list "]"
#define M(model, count) "{model: " model ", count: " count "}"
#define ID(id, count) "{pciID: '" id "', count: " count "}"
#define MMIO(what) ", mmio: {" what "}"

struct session {
	struct np_input in;
	struct np_plan plan;
	struct np_plan_options options;
};

static void session_done(struct session *s)
{
	np_plan_done(&s->plan);
	np_pool_input_done(&s->in);
}

static void read_session(struct session *s, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	if (np_pool_input_parse(&s->in, catalogue, "in.yaml", text, strlen(text), &err) < 0 ||
	    np_pool_input_finish(&s->in, &err) < 0)
		fail_msg("%s", err.text);
	s->options.catalogue = catalogue;
	s->options.holder = "apply";
	s->options.classes = s->in.classes;
	s->options.n_classes = s->in.n_classes;
}

static void make_plan(struct session *s, const char *text)
{
	struct np_err err = NP_ERR_INIT;

	read_session(s, text);
	if (np_plan_make(&s->in, &s->options, &s->plan, &err) < 0)
		fail_msg("%s", err.text);
}

/* --- what a plan says, in a line each ------------------------------------------------------------ */

static void print_number(FILE *f, const char *what, bool known, uint64_t number)
{
	if (known)
		fprintf(f, ", %s %" PRIu64, what, number);
	else
		fprintf(f, ", %s ?", what);
}

static void print_codes(FILE *f, const struct np_warnings *warnings)
{
	for (size_t i = 0; i < warnings->n; i++)
		fprintf(f, " %s", warnings->items[i].code);
}

static void print_pool(FILE *f, const struct np_plan_pool *p)
{
	char cards[NP_CARDS_TEXT_MAX], id[NP_POOL_ID_MAX];

	np_plan_gpus_text(p->cards, p->n_cards, p->none_known, cards);
	np_pool_id(p->pool, id);
	fprintf(f, "%s: %s", id, p->has_gpus ? cards : "?");
	print_number(f, "needs", p->has_required, p->need.required_gb);
	print_number(f, "window", p->has_window && p->window_is_known, p->window.gb);
	fputc('\n', f);
}

static void print_class(FILE *f, const struct np_plan_class *c)
{
	bool known = !!c->class;

	fprintf(f, "class %s/%s", c->ns ? c->ns : "", c->name);
	if (!c->found)
		fprintf(f, " missing");
	print_number(f, "pools", true, c->n_pools);
	print_number(f, "gpus", known && c->has_gpus, c->gpus);
	print_number(f, "carries", known && c->change.has_window, c->change.window_gb);
	if (c->has_overhead)
		fprintf(f, ", %.2f MB", c->overhead_mb);
	fputs(json_object_size(c->change.patch) > 0 ? ", changed" : ", not changed", f);
	if (known)
		print_codes(f, &c->class->warnings);
	print_codes(f, &c->warnings);
	print_codes(f, &c->change.warnings);
	fputc('\n', f);
}

static char *describe(const struct np_plan *plan)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	for (size_t i = 0; i < plan->n_pools; i++)
		print_pool(f, &plan->pools[i]);
	for (size_t i = 0; i < plan->n_classes; i++)
		print_class(f, &plan->classes[i]);
	if (plan->warnings.n > 0) {
		fputs("notes:", f);
		print_codes(f, &plan->warnings);
		fputc('\n', f);
	}
	for (size_t i = 0; i < plan->n_errors; i++)
		fprintf(f, "%s: %s\n", np_code_name(plan->errors[i].code), plan->errors[i].text);
	fclose(f);
	return text;
}

/* --- the table --------------------------------------------------------------------------------- */

enum { SHRINK = 1, RESTORE = 2 };

static const struct plan_case {
	const char *sentence;
	const char *input;
	unsigned flags;
	const char *expected;
} plan_cases[] = {
	{ "four A100 fill 512 exactly", CLASS("c", X4(A100)) POOL("p", "c", ""), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 4, carries 512, 97.03 MB, changed\n" },
	{ "three A100 have the floor", CLASS("c", X3(A100)) POOL("p", "c", ""), 0,
	  "ml/p: 3 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 3, carries 512, 97.03 MB, changed\n" },
	{ "five A100 need 1024", CLASS("c", X5(A100)) POOL("p", "c", ""), 0,
	  "ml/p: 5 x A100-40GB, needs 1024, window 1024\n"
	  "class ml/c, pools 1, gpus 5, carries 1024, changed resize-resets\n" },
	{ "two H200 need 1024", CLASS("c", X2(H200)) POOL("p", "c", ""), 0,
	  "ml/p: 2 x H200, needs 1024, window 1024\n"
	  "class ml/c, pools 1, gpus 2, carries 1024, changed resize-resets\n" },
	{ "eight H100 need 2048", CLASS("c", X8(H100)) POOL("p", "c", ""), 0,
	  "ml/p: 8 x H100-80GB, needs 2048, window 2048\n"
	  "class ml/c, pools 1, gpus 8, carries 2048, changed resize-resets\n" },
	{ "a T4 needs no key", CLASS("c", T4) POOL("p", "c", ""), 0,
	  "ml/p: 1 x T4, needs 0, window 0\n"
	  "class ml/c, pools 1, gpus 1, carries 0, changed\n" },
	{ "no GPU needs nothing at all", CLASS("c", "") POOL("p", "c", ""), 0,
	  "ml/p: none, needs 0, window 0\n"
	  "class ml/c, pools 1, gpus 0, carries 0, not changed\n" },
	{ "a NIC is no GPU, but is reserved for", CLASS("c", NIC) POOL("p", "c", ""), 0,
	  "ml/p: none, needs 0, window 0\n"
	  "class ml/c, pools 1, gpus 0, carries 0, changed\n" },
	{ "one class takes the largest of its pools",
	  CLASS("c", A100) POOL("p", "c", "") POOL("q", "c", MMIO("sizeGB: 2048"))
		  POOL("r", "c", MMIO("minimumGB: 1024")),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "ml/q: 1 x A100-40GB, needs 128, window 2048\n"
	  "ml/r: 1 x A100-40GB, needs 128, window 1024\n"
	  "class ml/c, pools 3, gpus 1, carries 2048, changed window-larger window-larger resize-resets class-shared\n" },
	{ "asks that equal the class",
	  CLASS("c", X4(A100)) POOL("p", "c", GPUS(M("A100-40GB", "4"))), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 4, carries 512, 97.03 MB, changed\n" },
	{ "asks by id and by model together",
	  CLASS("c", X4(A100)) POOL("p", "c", GPUS(ID("10de:20b0", "2") ", " M("A100-40GB", "2"))),
	  0,
	  "ml/p: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 4, carries 512, 97.03 MB, changed\n" },
	{ "fewer asks: the class decides",
	  CLASS("c", X4(A100) ", " T4) POOL("p", "c", GPUS(M("A100-40GB", "2"))), 0,
	  "ml/p: 4 x A100-40GB, 1 x T4, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 5, carries 512, 97.03 MB, changed extra-gpus\n" },
	{ "more asks are an error that names both",
	  CLASS("c", X2(A100)) POOL("p", "c", GPUS(M("A100-40GB", "4"))), 0,
	  "ml/p: 2 x A100-40GB, needs 256, window 512\n"
	  "class ml/c, pools 1, gpus 2, carries 512, 97.03 MB, changed\n"
	  "bad-input: in.yaml:8: pool 'ml/p': asks for 4 x A100-40GB, but VirtualMachineClass 'c' attaches 2 x A100-40GB\n" },
	{ "other asks are an error that names both",
	  CLASS("c", X2(A100)) POOL("p", "c", GPUS(M("H100-80GB", "2"))), 0,
	  "ml/p: 2 x A100-40GB, needs 256, window 512\n"
	  "class ml/c, pools 1, gpus 2, carries 512, 97.03 MB, changed\n"
	  "bad-input: in.yaml:8: pool 'ml/p': asks for 2 x H100-80GB, but VirtualMachineClass 'c' attaches 2 x A100-40GB\n" },
	{ "another board of the same model is recognised by its id",
	  CLASS("c", X2(A100)) POOL("p", "c", GPUS(ID("10de:20b1", "2"))), 0,
	  "ml/p: 2 x A100-40GB, needs 256, window 512\n"
	  "class ml/c, pools 1, gpus 2, carries 512, 97.03 MB, changed\n"
	  "bad-input: in.yaml:8: pool 'ml/p': asks for 2 x 10de:20b1, but VirtualMachineClass 'c' attaches 2 x 10de:20b0\n" },
	{ "one device that may be either card is not both",
	  STANDING_OF("{vendorId: 4318, deviceId: 8368}, {vendorId: 4318, deviceId: 7864}", "512")
		  POOL("p", "c", GPUS(ID("10de:20b0", "1") ", " ID("10de:1eb8", "1"))),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n"
	  "bad-input: in.yaml:18: pool 'ml/p': asks for 1 x A100-40GB, 1 x T4, but "
	  "VirtualMachineClass 'c' attaches 1 x A100-40GB\n" },
	{ "asks that draw on the same cards add up",
	  CLASS("c", X4(A100) ", " X2(T4))
		  POOL("p", "c", GPUS(ID("10de:20b0", "3") ", " M("A100-40GB", "3"))),
	  0,
	  "ml/p: 4 x A100-40GB, 2 x T4, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 6, carries 512, 97.03 MB, changed\n"
	  "bad-input: in.yaml:8: pool 'ml/p': asks for 3 x A100-40GB, 3 x A100-40GB, but VirtualMachineClass 'c' attaches 4 x A100-40GB, 2 x T4\n" },
	{ "a class that is missing", CLASS("d", A100) POOL("p", "c", ""), 0,
	  "ml/p: ?, needs ?, window ?\n"
	  "class ml/c missing, pools 1, gpus ?, carries ?, not changed\n"
	  "class ml/d, pools 0, gpus 1, carries ?, not changed\n"
	  "not-found: in.yaml:8: pool 'ml/p': VirtualMachineClass 'c' not found in namespace 'ml'\n" },
	{ "a class that is missing, of a pool that names its GPUs",
	  CLASS("d", A100) POOL("p", "c", GPUS(M("A100-40GB", "4"))), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c missing, pools 1, gpus ?, carries ?, not changed\n"
	  "class ml/d, pools 0, gpus 1, carries ?, not changed\n"
	  "not-found: in.yaml:8: pool 'ml/p': VirtualMachineClass 'c' not found in namespace 'ml'\n" },
	{ "two pools of a missing class", CLASS("d", A100) POOL("p", "c", "") POOL("q", "c", ""), 0,
	  "ml/p: ?, needs ?, window ?\n"
	  "ml/q: ?, needs ?, window ?\n"
	  "class ml/c missing, pools 2, gpus ?, carries ?, not changed\n"
	  "class ml/d, pools 0, gpus 1, carries ?, not changed\n"
	  "not-found: in.yaml:8: pool 'ml/p': VirtualMachineClass 'c' not found in namespace 'ml'\n"
	  "not-found: in.yaml:13: pool 'ml/q': VirtualMachineClass 'c' not found in namespace 'ml'\n" },
	{ "a GPU baked into the image is unknown", CLASS("c", "") KEYS("512") POOL("p", "c", ""), 0,
	  "ml/p: ?, needs ?, window ?\n"
	  "class ml/c, pools 1, gpus ?, carries 512, not changed baked-in\n" },
	{ "a board that shares its id with another",
	  CLASS("c", "{vendorID: 4318, deviceID: 0x25b6}") POOL("p", "c", GPUS(M("A16", "1"))), 0,
	  "ml/p: 1 x A2, needs 64, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n" },
	{ "an alternative that the pool names",
	  STANDING_OF("{vendorId: 4318, deviceId: 7864}, {vendorId: 4318, deviceId: 8368}", "512")
		  POOL("p", "c", GPUS(M("T4", "1"))),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n" },
	{ "more memory than any window holds",
	  CLASS("c", X8(X8("{vendorID: 4318, deviceID: 0x3182}")) ", " X8(
			     "{vendorID: 4318, deviceID: 0x3182}")) POOL("p", "c", ""),
	  0,
	  "ml/p: 72 x B300, needs 131072, window ?\n"
	  "class ml/c, pools 1, gpus 72, carries ?, not changed memory-small device-limit\n"
	  "window: in.yaml:8: pool 'ml/p': its cards need 131072 GB, more than the 65536 GB that a window may have\n" },
	{ "a GPU baked into the image, of a pool that says which",
	  CLASS("c", "") KEYS("512") POOL("p", "c", GPUS(M("H200", "2"))), 0,
	  "ml/p: 2 x H200, needs 1024, window 1024\n"
	  "class ml/c, pools 1, gpus ?, carries 1024, changed baked-in\n" },
	{ "a class that is a placeholder", CLASS("c", A100) POOL("p", "'${VMCLASS}'", ""), 0,
	  "ml/p: ?, needs ?, window ?\n"
	  "class ml/c, pools 0, gpus 1, carries ?, not changed\n"
	  "notes: placeholder\n" },
	{ "a placeholder elsewhere is planned but told",
	  CLASS("c", A100) "---\n"
			   "apiVersion: nodeprep.dev/v1alpha1\n"
			   "kind: NodePool\n"
			   "metadata: {name: p, namespace: ml}\n"
			   "spec: {vmClass: c, replicas: '${N}'}\n",
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n"
	  "notes: placeholder\n" },
	{ "a class without namespace serves all that have none of their own",
	  CLASS_OF("name: c", DIRECT(X5(A100))) CLASS("c", A100) POOL("p", "c", "")
		  POOL_IN("other", "p", "c", "") POOL_IN("third", "p", "c", ""),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "other/p: 5 x A100-40GB, needs 1024, window 1024\n"
	  "third/p: 5 x A100-40GB, needs 1024, window 1024\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n"
	  "class /c, pools 2, gpus 5, carries 1024, changed resize-resets class-shared\n" },
	{ "an unknown card takes the floor and is reported", CLASS("c", UNKNOWN) POOL("p", "c", ""),
	  0,
	  "ml/p: 1 x 10de:2fff, needs ?, window ?\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed unknown-device gpu-size-unknown\n" },
	{ "an unknown card beside cards that need more",
	  CLASS("c", UNKNOWN ", " X5(A100)) POOL("p", "c", ""), 0,
	  "ml/p: 1 x 10de:2fff, 5 x A100-40GB, needs ?, window ?\n"
	  "class ml/c, pools 1, gpus 6, carries 1024, changed unknown-device gpu-size-unknown resize-resets\n" },
	{ "an unknown card with a size asked for",
	  CLASS("c", UNKNOWN) POOL("p", "c", MMIO("sizeGB: 1024")), 0,
	  "ml/p: 1 x 10de:2fff, needs ?, window 1024\n"
	  "class ml/c, pools 1, gpus 1, carries 1024, changed unknown-device gpu-size-unknown resize-resets\n" },
	{ "a device of another vendor is a GPU where a pool names its id",
	  CLASS("c", X2(OTHER)) POOL("p", "c", GPUS(ID("1ae0:0063", "2"))), 0,
	  "ml/p: 2 x 1ae0:0063, needs ?, window ?\n"
	  "class ml/c, pools 1, gpus 2, carries 512, 97.03 MB, changed gpu-size-unknown\n" },
	{ "a device of an unknown vendor is not counted where no pool names it",
	  CLASS("c", X2(OTHER)) POOL("p", "c", ""), 0,
	  "ml/p: none known, needs ?, window ?\n"
	  "class ml/c, pools 1, gpus 0, carries 0, changed device-kind-unknown\n" },
	{ "minimumGB below the default", CLASS("c", A100) POOL("p", "c", MMIO("minimumGB: 64")), 0,
	  "ml/p: 1 x A100-40GB, needs 128, window 128\n"
	  "class ml/c, pools 1, gpus 1, carries 128, 82.91 MB, changed\n" },
	{ "minimumGB above the default", CLASS("c", A100) POOL("p", "c", MMIO("minimumGB: 2048")),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 2048\n"
	  "class ml/c, pools 1, gpus 1, carries 2048, changed window-larger resize-resets\n" },
	{ "minimumGB between the published points",
	  CLASS("c", A100) POOL("p", "c", MMIO("minimumGB: 256")), 0,
	  "ml/p: 1 x A100-40GB, needs 128, window 256\n"
	  "class ml/c, pools 1, gpus 1, carries 256, 89.97 MB, changed\n" },
	{ "a window that few hosts can address",
	  CLASS("c", A100) POOL("p", "c", ", mmio: {sizeGB: 16384}"), 0,
	  "ml/p: 1 x A100-40GB, needs 128, window 16384\n"
	  "class ml/c, pools 1, gpus 1, carries 16384, changed window-larger address-width resize-resets\n" },
	{ "sizeGB above the rule", CLASS("c", X4(A100)) POOL("p", "c", MMIO("sizeGB: 4096")), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window 4096\n"
	  "class ml/c, pools 1, gpus 4, carries 4096, changed window-larger resize-resets\n" },
	{ "sizeGB below the rule", CLASS("c", X3(A100)) POOL("p", "c", MMIO("sizeGB: 256")), 0,
	  "ml/p: 3 x A100-40GB, needs 512, window 256\n"
	  "class ml/c, pools 1, gpus 3, carries 256, 89.97 MB, changed window-below-rule\n" },
	{ "sizeGB below the BARs cannot work",
	  CLASS("c", X4(A100)) POOL("p", "c", MMIO("sizeGB: 128")), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window ?\n"
	  "class ml/c, pools 1, gpus 4, carries ?, not changed\n"
	  "window: in.yaml:8: pool 'ml/p': sizeGB is '128', but the BARs alone take 262336 MB: expected a power of two from 512\n" },
	{ "one pool that cannot work keeps the class as it is",
	  CLASS("c", X4(A100)) POOL("p", "c", MMIO("sizeGB: 128")) POOL("q", "c", ""), 0,
	  "ml/p: 4 x A100-40GB, needs 512, window ?\n"
	  "ml/q: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 2, gpus 4, carries ?, not changed\n"
	  "window: in.yaml:8: pool 'ml/p': sizeGB is '128', but the BARs alone take 262336 MB: expected a power of two from 512\n" },
	{ "sizeGB on a T4 sets the keys", CLASS("c", T4) POOL("p", "c", MMIO("sizeGB: 64")), 0,
	  "ml/p: 1 x T4, needs 0, window 64\n"
	  "class ml/c, pools 1, gpus 1, carries 64, changed\n" },
	{ "hidden devices are none", CLASS("c", X4(A100)) "  configSpec: {}\n" POOL("p", "c", ""),
	  0,
	  "ml/p: none, needs 0, window 0\n"
	  "class ml/c, pools 1, gpus 0, carries 0, not changed devices-hidden\n" },
	{ "hidden devices and a pool that names GPUs",
	  CLASS("c", X4(A100)) "  configSpec: {}\n" POOL("p", "c", GPUS(M("A100-40GB", "4"))), 0,
	  "ml/p: none, needs 0, window 0\n"
	  "class ml/c, pools 1, gpus 0, carries 0, not changed devices-hidden\n"
	  "bad-input: in.yaml:9: pool 'ml/p': asks for 4 x A100-40GB, but VirtualMachineClass 'c' attaches none (its devices are hidden by configSpec; --restore-hidden-devices attaches them)\n" },
	{ "hidden devices that are restored",
	  CLASS("c", X4(A100)) "  configSpec: {}\n" POOL("p", "c", GPUS(M("A100-40GB", "4"))),
	  RESTORE,
	  "ml/p: 4 x A100-40GB, needs 512, window 512\n"
	  "class ml/c, pools 1, gpus 4, carries 512, 97.03 MB, changed devices-hidden\n" },
	{ "a class that no pool uses is listed, and left alone",
	  CLASS("c", A100) CLASS("unused", X4(A100)) KEYS("768") POOL("p", "c", ""),
	  SHRINK | RESTORE,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n"
	  "class ml/unused, pools 0, gpus 0, carries 768, not changed devices-hidden\n" },
	{ "a larger standing window is kept", STANDING("2048") POOL("p", "c", MMIO("sizeGB: 512")),
	  0,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 2048, changed window-kept resize-resets\n" },
	{ "a larger standing window is lowered when asked",
	  STANDING("2048") POOL("p", "c", MMIO("sizeGB: 512")), SHRINK,
	  "ml/p: 1 x A100-40GB, needs 128, window 512\n"
	  "class ml/c, pools 1, gpus 1, carries 512, 97.03 MB, changed\n" },
	{ "a broken class, and the pool's own asks",
	  CLASS_OF("name: c, namespace: ml", DIRECT("{vendorID: 0x20b0, deviceID: 0x10de}"))
		  POOL("p", "c", GPUS(M("A100-40GB", "5"))),
	  0,
	  "ml/p: 5 x A100-40GB, needs 1024, window 1024\n"
	  "class ml/c, pools 1, gpus ?, carries ?, not changed\n"
	  "bad-input: in.yaml:6:86: '20b0:10de' has vendor and device swapped: vendorID is 10de, deviceID is 20b0\n" },
};

static void test_plan__pools_and_classes_are_joined(void **state)
{
	size_t failures = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(plan_cases); i++) {
		const struct plan_case *row = &plan_cases[i];
		NP_AUTO(session_done) struct session s = { 0 };
		NP_AUTO(np_freep) char *got = NULL;

		s.options.allow_shrink = (row->flags & SHRINK) != 0;
		s.options.restore_hidden = (row->flags & RESTORE) != 0;
		make_plan(&s, row->input);
		got = describe(&s.plan);
		if (strcmp(got, row->expected) != 0) {
			print_error("%s:\n  got\n%s  expected\n%s", row->sentence, got,
				    row->expected);
			failures++;
		}
	}
	assert_int_equal(failures, 0);
}

/* --- what is not in the table ------------------------------------------------------------------- */

#define UNMANAGED ", memoryReservation: Unmanaged"
#define FULL ", memoryReservation: Full"

static const struct memory_case {
	const char *sentence;
	const char *input;
	const char *reservation; /* NULL: none is written */
} memory_cases[] = {
	{ "Full is the default", CLASS("c", A100) POOL("p", "c", ""), "1Ti" },
	{ "Unmanaged writes none", CLASS("c", A100) POOL("p", "c", UNMANAGED), NULL },
	{ "Full beats Unmanaged", CLASS("c", A100) POOL("p", "c", UNMANAGED) POOL("q", "c", FULL),
	  "1Ti" },
	{ "Full beats Unmanaged in the other order",
	  CLASS("c", A100) POOL("p", "c", FULL) POOL("q", "c", UNMANAGED), "1Ti" },
	{ "Unmanaged by all", CLASS("c", A100) POOL("p", "c", UNMANAGED) POOL("q", "c", UNMANAGED),
	  NULL },
};

static void test_plan__full_beats_unmanaged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(memory_cases); i++) {
		const struct memory_case *row = &memory_cases[i];
		NP_AUTO(session_done) struct session s = { 0 };
		json_t *spec;

		print_message("  %s\n", row->sentence);
		make_plan(&s, row->input);
		spec = json_object_get(s.plan.classes[0].change.patch, "spec");
		assert_int_equal(!!json_object_get(spec, "policies"), !!row->reservation);
		if (row->reservation)
			assert_string_equal(s.plan.classes[0].change.reservation, row->reservation);
		assert_int_equal(!!json_object_get(json_object_get(spec, "configSpec"),
						   "memoryReservationLockedToMax"),
				 !!row->reservation);
	}
}

/* --- the largest window ---------------------------------------------------------------------- */

#define REGISTERED(gb)                                                                          \
	"name: c, namespace: ml, annotations: {nodeprep.dev/managed: '{\"pools\":{\"ml/old\":{" \
	"\"mmioGB\":" gb ",\"holders\":[\"apply\"]}},\"before\":{}}'}"

static const struct bound_case {
	const char *title, *text;
	uint64_t most;
	const char *error; /* NULL: none */
} bound_cases[] = {
	{ "as much as is allowed", CLASS("c", A100) POOL("p", "c", ""), 512, NULL },
	{ "no bound", CLASS("c", A100) POOL("p", "c", MMIO("sizeGB: 65536")), 0, NULL },
	{ "a size that the pool names", CLASS("c", A100) POOL("p", "c", MMIO("sizeGB: 1024")), 512,
	  "needs a window of 1024 GB, more than the configured maximum of 512 GB" },
	{ "a minimum that the pool names", CLASS("c", A100) POOL("p", "c", MMIO("minimumGB: 1024")),
	  1000, "needs a window of 1024 GB, more than the configured maximum of 1000 GB" },
	{ "the cards' own need", CLASS("c", X8(A100)) POOL("p", "c", ""), 512,
	  "needs a window of 1024 GB" },
	{ "a window that stands already is kept", STANDING("4096") POOL("p", "c", ""), 512, NULL },
	{ "a need that the record alone has",
	  CLASS_OF(REGISTERED("65536"), DIRECT(A100)) POOL("p", "c", ""), 512,
	  "would be raised to 65536 GB, more than the configured maximum of 512 GB" },
	{ "a need of the record within the bound",
	  CLASS_OF(REGISTERED("1024"), DIRECT(A100)) POOL("p", "c", ""), 1024, NULL },
};

static void test_plan__the_window_is_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bound_cases); i++) {
		const struct bound_case *row = &bound_cases[i];
		NP_AUTO(session_done) struct session s = { .options.max_window_gb = row->most };

		print_message("  %s\n", row->title);
		make_plan(&s, row->text);
		assert_int_equal(s.plan.n_errors, row->error ? 1 : 0);
		if (!row->error)
			continue;
		assert_int_equal(s.plan.errors[0].code, NP_E_WINDOW);
		if (!strstr(s.plan.errors[0].text, row->error))
			fail_msg("'%s' lacks '%s'", s.plan.errors[0].text, row->error);
	}
}

static void test_plan__the_code_puts_bad_input_before_not_found(void **state)
{
	static const struct {
		const char *input;
		enum np_code code;
	} rows[] = {
		{ CLASS("c", A100) POOL("p", "c", ""), NP_OK },
		{ CLASS("c", A100) POOL("p", "d", ""), NP_E_NOT_FOUND },
		{ CLASS("c", A100) POOL("p", "d", "") POOL("q", "c", GPUS(M("T4", "1"))),
		  NP_E_SPEC },
		{ CLASS("c", A100) POOL("p", "d", "") POOL("q", "c", MMIO("sizeGB: 1")),
		  NP_E_WINDOW },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		NP_AUTO(session_done) struct session s = { 0 };

		make_plan(&s, rows[i].input);
		assert_int_equal(np_plan_code(&s.plan), rows[i].code);
		assert_false(np_plan_has_placeholder(&s.plan));
	}
}

static const char placeholder_input[] = CLASS("c", X4(A100)) POOL("p", "c", "")
	POOL("q", "'<CLASS>'", "") POOL("r", "c", MMIO("sizeGB: 1024"));

static void test_plan__a_placeholder_is_found_but_not_registered(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };

	(void)state;
	make_plan(&s, placeholder_input);
	assert_true(np_plan_has_placeholder(&s.plan));
	assert_int_equal(np_plan_code(&s.plan), NP_OK);
	assert_int_equal(s.plan.pools[1].class_index, SIZE_MAX);
	assert_int_equal(s.plan.classes[0].n_pools, 2);
}

static void test_plan__the_same_input_gives_the_same_plan(void **state)
{
	NP_AUTO(session_done) struct session a = { 0 }, b = { 0 };
	NP_AUTO(np_freep) char *first = NULL;
	NP_AUTO(np_freep) char *second = NULL;

	(void)state;
	make_plan(&a, placeholder_input);
	make_plan(&b, placeholder_input);
	first = describe(&a.plan);
	second = describe(&b.plan);
	assert_string_equal(first, second);
	free(first);
	free(second);
	first = json_dumps(a.plan.classes[0].change.patch, 0);
	second = json_dumps(b.plan.classes[0].change.patch, 0);
	assert_string_equal(first, second);
}

static const struct text_case {
	const char *input;
	const char *text;
} text_cases[] = {
	{ CLASS("c", X4(A100)) POOL("p", "c", ""), "4 x 128 = 512 GB" },
	{ CLASS("c", X3(A100)) POOL("p", "c", ""), "3 x 128 = 384 GB, rounded up to 512 GB" },
	{ CLASS("c", A100 ", " A100_80) POOL("p", "c", ""),
	  "1 x 128 + 1 x 256 = 384 GB, rounded up to 512 GB" },
	{ CLASS("c", A100) POOL("p", "c", ""), "1 x 128 = 128 GB; the floor is 512 GB" },
	{ CLASS("c", A100) POOL("p", "c", MMIO("sizeGB: 1024")),
	  "1 x 128 = 128 GB; the pool's sizeGB is 1024 GB" },
	{ CLASS("c", T4) POOL("p", "c", ""), "no card of known size needs a window" },
	{ CLASS("c", UNKNOWN) POOL("p", "c", ""),
	  "no card of known size needs a window, and 256 GB for the cards of unknown size; the floor is "
	  "512 GB" },
	{ CLASS("c", "") KEYS("512") POOL("p", "c", ""), "its GPUs are unknown" },
};

static void test_plan__a_window_is_explained_in_words(void **state)
{
	char text[NP_WINDOW_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(text_cases); i++) {
		NP_AUTO(session_done) struct session s = { 0 };

		make_plan(&s, text_cases[i].input);
		np_plan_window_text(&s.plan.pools[0], text);
		assert_string_equal(text, text_cases[i].text);
	}
}

static void test_plan__long_lists_of_cards_are_cut(void **state)
{
	struct np_card cards[40] = { 0 };
	char text[NP_CARDS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cards); i++)
		cards[i] = (struct np_card){ .id = { 0x10de, (uint16_t)i }, .addend.count = 1 };
	np_plan_cards_text(cards, COUNT(cards), text);
	assert_int_equal(strlen(text), NP_CARDS_TEXT_MAX - 1);
	assert_string_equal(text + NP_CARDS_TEXT_MAX - 4, "...");
	np_plan_cards_text(cards, 2, text);
	assert_string_equal(text, "1 x 10de:0000, 1 x 10de:0001");
	np_plan_cards_text(cards, 0, text);
	assert_string_equal(text, "none");
}

static void test_plan__each_allocation_may_fail(void **state)
{
	NP_AUTO(session_done) struct session s = { 0 };
	struct failing f = FAILING_INIT;

	(void)state;
	read_session(&s, placeholder_input);
	while (next_round(&f)) {
		struct np_err err = NP_ERR_INIT;
		int rc;

		s.plan.n_pools = 77;
		fail_allocation(&f);
		rc = np_plan_make(&s.in, &s.options, &s.plan, &err);
		stop_failing(&f);
		assert_int_equal(err.code, f.failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(rc, np_err_ret(&err));
		if (f.failed)
			assert_int_equal(s.plan.n_pools, 77);
	}
	assert_true(f.rounds >= 50);
	assert_int_equal(s.plan.n_pools, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan__pools_and_classes_are_joined),
		cmocka_unit_test(test_plan__full_beats_unmanaged),
		cmocka_unit_test(test_plan__the_window_is_bounded),
		cmocka_unit_test(test_plan__the_code_puts_bad_input_before_not_found),
		cmocka_unit_test(test_plan__a_placeholder_is_found_but_not_registered),
		cmocka_unit_test(test_plan__the_same_input_gives_the_same_plan),
		cmocka_unit_test(test_plan__a_window_is_explained_in_words),
		cmocka_unit_test(test_plan__long_lists_of_cards_are_cut),
		cmocka_unit_test(test_plan__each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
