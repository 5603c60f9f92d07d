/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/hook.h"

#include "internal.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"

#include "failing_alloc.h"

/* The corpus is replayed through the fuzz target itself. */
#include "files.h"

#include "hook_fuzz.c"

#define A100 "{\"vendorId\":4318,\"deviceId\":8368}"
#define H100 "{\"vendorId\":4318,\"deviceId\":9008}"
#define NIC "{\"vendorId\":5555,\"deviceId\":4113}"
#define TEXT_MAX 8192

static struct np_catalogue *cat;

static int set_up(void **state)
{
	struct np_err err = NP_ERR_INIT;

	(void)state;
	return np_gpu_catalogue_new(&cat, &err);
}

static int tear_down(void **state)
{
	(void)state;
	np_gpu_catalogue_free(cat);
	return 0;
}

static struct np_hook_answer call_with(const struct np_hook_options *o, enum np_hook_kind kind,
				       const char *body)
{
	struct np_hook_answer a = { .body = NULL };
	struct np_err err = NP_ERR_INIT;

	if (np_hook_call(o, kind, body, strlen(body), &a, &err) < 0)
		fail_msg("%s", err.text);
	return a;
}

static struct np_hook_answer call(enum np_hook_kind kind, const char *body)
{
	const struct np_hook_options o = { .catalogue = cat };

	return call_with(&o, kind, body);
}

/* --- paths ----------------------------------------------------------------------------------- */

static void test_hook__paths_are_found(void **state)
{
	static const struct {
		const char *path;
		int kind; /* -1: none */
	} rows[] = {
		{ NP_HOOK_PATH "discovery", NP_HOOK_DISCOVERY },
		{ NP_HOOK_PATH "discovery/", -1 },
		{ NP_HOOK_PATH "discovery/x", -1 },
		{ NP_HOOK_PATH "generatepatches/generate-patches", NP_HOOK_GENERATE_PATCHES },
		{ NP_HOOK_PATH "generatepatches", -1 },
		{ NP_HOOK_PATH "generatepatches/", -1 },
		{ NP_HOOK_PATH "generatepatches/generate-patches/", -1 },
		{ NP_HOOK_PATH "GeneratePatches/generate-patches", -1 },
		{ NP_HOOK_PATH "validatetopology/validate-topology", NP_HOOK_VALIDATE_TOPOLOGY },
		{ NP_HOOK_PATH "beforeclusterdelete/before-cluster-delete",
		  NP_HOOK_BEFORE_CLUSTER_DELETE },
		{ "/hooks.runtime.cluster.x-k8s.io/v1alpha2/discovery", -1 },
		{ "/", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum np_hook_kind kind = NP_HOOK_KIND_MAX;
		bool found = np_hook_find(rows[i].path, &kind);

		if (found != (rows[i].kind >= 0) || (found && (int)kind != rows[i].kind))
			fail_msg("'%s': %d", rows[i].path, (int)kind);
		if (!found)
			assert_int_equal(kind, NP_HOOK_KIND_MAX);
	}
}

static void test_hook__timeouts_are_read_from_the_query(void **state)
{
	static const struct {
		const char *query;
		uint64_t ms;
	} rows[] = {
		{ "", 10000 },           { "timeout=5s", 5000 },   { "timeout=1m", 30000 },
		{ "timeout=0s", 10000 }, { "timeout=x", 10000 },   { "a=b&timeout=1.5s&c", 1500 },
		{ "timeout=", 10000 },   { "xtimeout=5s", 10000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (np_hook_timeout_ms(rows[i].query) != rows[i].ms)
			fail_msg("'%s': %llu", rows[i].query,
				 (unsigned long long)np_hook_timeout_ms(rows[i].query));
}

/* --- discovery -------------------------------------------------------------------------------- */

static size_t count_handlers(const struct np_hook_options *o)
{
	struct np_hook_answer a = call_with(o, NP_HOOK_DISCOVERY, "{}");
	json_auto_t *response = json_loadb(a.body, a.size, 0, NULL);
	json_t *handlers = json_object_get(response, "handlers"), *h;
	size_t i;

	assert_false(a.failed);
	json_array_foreach (handlers, i, h) {
		json_int_t s = json_integer_value(json_object_get(h, "timeoutSeconds"));

		assert_true(s >= 1 && s <= 30);
		assert_string_equal(fuzz_text(h, "failurePolicy"), "Fail");
	}
	free(a.body);
	return json_array_size(handlers);
}

static void test_hook__lifecycle_hooks_are_announced_with_an_api_alone(void **state)
{
	const struct np_kube_options kube = { .kubeconfig = "/nowhere" };
	const struct np_hook_options without = { .catalogue = cat };
	const struct np_hook_options with = { .catalogue = cat, .kube = &kube };
	struct np_hook_answer a;

	(void)state;
	assert_int_equal(count_handlers(&without), 3);
	assert_int_equal(count_handlers(&with), 6);
	a = call(NP_HOOK_BEFORE_CLUSTER_CREATE, "{}");
	assert_true(a.failed);
	assert_string_equal(a.message, "BeforeClusterCreate is not served");
	free(a.body);
	assert_false(np_hook_blocks(&without, NP_HOOK_VALIDATE_TOPOLOGY));
	assert_true(np_hook_blocks(&with, NP_HOOK_VALIDATE_TOPOLOGY));
	assert_false(np_hook_blocks(&with, NP_HOOK_GENERATE_PATCHES));
}

static void test_hook__the_variable_has_a_schema_and_descriptions(void **state)
{
	struct np_hook_answer a = call(NP_HOOK_DISCOVER_VARIABLES, "{}");
	json_auto_t *response = json_loadb(a.body, a.size, JSON_REJECT_DUPLICATES, NULL);
	json_t *variable = json_array_get(json_object_get(response, "variables"), 0);
	json_t *schema = json_object_get(json_object_get(variable, "schema"), "openAPIV3Schema");
	json_t *properties = json_object_get(schema, "properties"), *property;
	const char *name;

	(void)state;
	assert_string_equal(fuzz_text(variable, "name"), NP_GPU_VARIABLE);
	assert_true(json_is_false(json_object_get(variable, "required")));
	assert_int_equal(json_object_size(properties), 3);
	assert_true(fuzz_text(schema, "description")[0] != '\0');
	json_object_foreach (properties, name, property)
		assert_true(fuzz_text(property, "description")[0] != '\0');
	free(a.body);
}

/* --- templates -------------------------------------------------------------------------------- */

/* What a request is made of; NULL: the usual. */
struct wish {
	const char *kind, *settings, *variables;
	const char *holder, *api, *object_kind, *item_variables;
};

static const char * or (const char *text, const char *usual)
{
	return text ? text : usual;
}

/* Writes an item whose template's spec.template.spec is `spec`. */
static int write_item(char *buf, size_t size, const struct wish *w, const char *uid,
		      const char *pool, const char *spec)
{
	return snprintf(
		buf, size,
		"{\"uid\":\"%s\",\"holderReference\":{\"apiVersion\":\"cluster.x-k8s.io/v1beta2\","
		"\"kind\":\"%s\",\"namespace\":\"ml\",\"name\":\"c1-%s-abc\"},"
		"\"object\":{\"apiVersion\":\"%s\",\"kind\":\"%s\",\"metadata\":{\"name\":\"gpu\","
		"\"namespace\":\"ml\",\"uid\":\"1\",\"managedFields\":[{\"f\":{}}]},"
		"\"spec\":{\"template\":{\"spec\":%s}}},"
		"\"variables\":[{\"name\":\"builtin\",\"value\":{\"machineDeployment\":"
		"{\"topologyName\":\"%s\"}}}%s]}",
		uid, or (w->holder, "MachineDeployment"), pool,
		or (w->api, "infrastructure.cluster.x-k8s.io/v1beta2"),
		or (w->object_kind, "VSphereMachineTemplate"), spec, pool,
		or (w->item_variables, ""));
}

static void write_request(char *buf, size_t size, const struct wish *w, const char *items)
{
	snprintf(buf, size,
		 "{\"apiVersion\":\"hooks.runtime.cluster.x-k8s.io/v1alpha1\",\"kind\":\"%s\","
		 "\"settings\":{%s},\"variables\":[{\"name\":\"builtin\",\"value\":{\"cluster\":"
		 "{\"name\":\"c1\",\"namespace\":\"ml\"}}}%s],\"items\":[%s]}",
		 or (w->kind, "GeneratePatchesRequest"), or (w->settings, ""),
		 or (w->variables, ""), items);
}

static struct np_hook_answer call_one(enum np_hook_kind kind, const struct wish *w,
				      const char *spec)
{
	char item[TEXT_MAX], body[2 * TEXT_MAX];

	write_item(item, sizeof(item), w, "u1", "gpu", spec);
	write_request(body, sizeof(body), w, item);
	return call(kind, body);
}

static void decode(const char *base64, char *out, size_t size)
{
	size_t n = strlen(base64);
	int got;

	assert_true(n > 0 && n % 4 == 0 && n / 4 * 3 < size);
	got = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)base64, (int)n);
	assert_true(got > 0);
	/* The padding is decoded as zero bytes. */
	out[got] = '\0';
}

/* Writes the one patch of the response; "" where there is none. */
static void read_patch(const struct np_hook_answer *a, char *out, size_t size)
{
	json_auto_t *response = json_loadb(a->body, a->size, 0, NULL);
	json_t *item = json_array_get(json_object_get(response, "items"), 0);

	out[0] = '\0';
	if (!item)
		return;
	assert_string_equal(fuzz_text(item, "uid"), "u1");
	assert_string_equal(fuzz_text(item, "patchType"), "JSONMergePatch");
	decode(fuzz_text(item, "patch"), out, size);
}

#define SPEC(inner) "{\"spec\":{\"template\":{\"spec\":{" inner "}}}}"
#define KEYS(size)                                                   \
	"\"customVMXKeys\":{\"pciPassthru.64bitMMIOSizeGB\":\"" size \
	"\",\"pciPassthru.use64bitMMIO\":\"TRUE\"}"
#define RIGHT "{\"pciPassthru.use64bitMMIO\":\"true\",\"pciPassthru.64bitMMIOSizeGB\":\"512\"}"
#define VARIABLE(value) ",{\"name\":\"nodeprepGPU\",\"value\":" value "}"

static void test_hook__templates_of_gpu_pools_are_patched(void **state)
{
	static const struct {
		const char *sentence;
		struct wish wish;
		const char *spec, *patch;
	} rows[] = {
		{ "two A100 get the floor",
		  { 0 },
		  "{\"pciDevices\":[" A100 "," A100 "]}",
		  SPEC(KEYS("512")) },
		{ "eight H100 get more than the floor",
		  { 0 },
		  "{\"pciDevices\":[" H100 "," H100 "," H100 "," H100 "," H100 "," H100 "," H100
		  "," H100 "]}",
		  SPEC(KEYS("2048")) },
		{ "v1beta1 is read alike",
		  { .api = "infrastructure.cluster.x-k8s.io/v1beta1" },
		  "{\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("512")) },
		{ "a hardware version that is too low is raised",
		  { 0 },
		  "{\"hardwareVersion\":\"vmx-15\",\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("512") ",\"hardwareVersion\":\"vmx-17\"") },
		{ "one that does is left",
		  { 0 },
		  "{\"hardwareVersion\":\"vmx-21\",\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("512")) },
		{ "what is right needs no patch",
		  { 0 },
		  "{\"hardwareVersion\":\"vmx-17\",\"customVMXKeys\":" RIGHT
		  ",\"pciDevices\":[" A100 "]}",
		  "" },
		{ "other keys stay, a variant's spelling goes",
		  { 0 },
		  "{\"customVMXKeys\":{\"a\":\"b\",\"pcipassthru.USE64bitmmio\":\"TRUE\"},"
		  "\"pciDevices\":[" A100 "]}",
		  SPEC("\"customVMXKeys\":{\"pciPassthru.64bitMMIOSizeGB\":\"512\","
		       "\"pciPassthru.use64bitMMIO\":\"TRUE\",\"pcipassthru.USE64bitmmio\":null}") },
		{ "no device, no patch", { 0 }, "{\"memoryMiB\":1024}", "" },
		{ "no GPU, no patch", { 0 }, "{\"pciDevices\":[" NIC "]}", "" },
		{ "null is absent", { 0 }, "{\"pciDevices\":null,\"customVMXKeys\":null}", "" },
		{ "a control plane is left",
		  { .holder = "KubeadmControlPlane" },
		  "{\"pciDevices\":[" A100 "]}",
		  "" },
		{ "another template is left",
		  { .object_kind = "KubeadmConfigTemplate" },
		  "{\"pciDevices\":[" A100 "]}",
		  "" },
		{ "another cloud's is left",
		  { .api = "infrastructure.example.com/v1beta1" },
		  "{\"pciDevices\":[" A100 "]}",
		  "" },
		{ "a Supervisor's names a class, which decides",
		  { .api = "vmware.infrastructure.cluster.x-k8s.io/v1beta2" },
		  "{\"className\":\"gpu\"}",
		  "" },
		{ "the variable's minimum holds",
		  { .item_variables = VARIABLE("{\"minimumGB\":1024}") },
		  "{\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("1024")) },
		{ "the variable's size holds",
		  { .item_variables = VARIABLE("{\"sizeGB\":128}") },
		  "{\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("128")) },
		{ "the pool's own value stands before the cluster's",
		  { .variables = VARIABLE("{\"sizeGB\":256}"),
		    .item_variables = VARIABLE("{\"sizeGB\":128}") },
		  "{\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("128")) },
		{ "the cluster's holds where the pool has none",
		  { .variables = VARIABLE("{\"sizeGB\":256}") },
		  "{\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("256")) },
		{ "keys may be written with escapes",
		  { 0 },
		  "{\"\\u0070ciDevices\":[" A100 "]}",
		  SPEC(KEYS("512")) },
		{ "the last of two members counts",
		  { 0 },
		  "{\"pciDevices\":[" NIC "],\"pciDevices\":[" A100 "]}",
		  SPEC(KEYS("512")) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_hook_answer a =
			call_one(NP_HOOK_GENERATE_PATCHES, &rows[i].wish, rows[i].spec);
		char patch[TEXT_MAX];

		read_patch(&a, patch, sizeof(patch));
		if (a.failed || strcmp(patch, rows[i].patch) != 0)
			fail_msg("%s: %s\n%s", rows[i].sentence, patch, a.message);
		assert_int_equal(a.templates, rows[i].patch[0] != '\0');
		free(a.body);
	}
}

static void test_hook__invalid_pools_are_rejected_or_reported(void **state)
{
	static const struct {
		const char *sentence;
		struct wish wish;
		const char *spec, *message;
	} rows[] = {
		{ "a size that is no power of two",
		  { .item_variables = VARIABLE("{\"sizeGB\":700}") },
		  "{\"pciDevices\":[" A100 "]}",
		  "pool 'ml/c1/gpu': nodeprepGPU.sizeGB is '700': expected a power of two from 1 to 65536, such as 512 or 1024" },
		{ "a field that is not known",
		  { .item_variables = VARIABLE("{\"size\":700}") },
		  "{}",
		  "pool 'ml/c1/gpu': unknown field 'size': did you mean" },
		{ "a value of another type",
		  { .item_variables = VARIABLE("4") },
		  "{}",
		  "pool 'ml/c1/gpu': expected a mapping with gpus, minimumGB or sizeGB" },
		{ "a model that nobody knows",
		  { .item_variables = VARIABLE("{\"gpus\":[{\"model\":\"A1OO\"}]}") },
		  "{}",
		  "pool 'ml/c1/gpu': " },
		{ "GPUs that the template does not attach",
		  { .item_variables = VARIABLE("{\"gpus\":[{\"model\":\"H100-80GB\"}]}") },
		  "{\"pciDevices\":[" A100 "]}",
		  "pool 'ml/c1/gpu': asks for 1 x H100-80GB, but template 'gpu' attaches 1 x "
		  "A100-40GB" },
		{ "a window below the BARs' sum",
		  { .item_variables = VARIABLE("{\"sizeGB\":64}") },
		  "{\"pciDevices\":[" A100 "," A100 "]}",
		  "pool 'ml/c1/gpu': sizeGB" },
		{ "an id with vendor and device swapped",
		  { 0 },
		  "{\"pciDevices\":[{\"vendorId\":8368,\"deviceId\":4318}]}",
		  "pool 'ml/c1/gpu': the id '20b0:10de' has vendor and device swapped" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int enforce = 0; enforce < 2; enforce++)
			for (int validate = 0; validate < 2; validate++) {
				struct wish w = rows[i].wish;
				struct np_hook_answer a;

				w.settings =
					enforce ? "\"enforce\":\"true\"" : "\"enforce\":\"false\"";
				w.kind = validate ? "ValidateTopologyRequest" : NULL;
				a = call_one(validate ? NP_HOOK_VALIDATE_TOPOLOGY
						      : NP_HOOK_GENERATE_PATCHES,
					     &w, rows[i].spec);
				if (a.failed != (enforce == 1) ||
				    strncmp(a.message, rows[i].message, strlen(rows[i].message)) !=
					    0)
					fail_msg("%s: %s", rows[i].sentence, a.body);
				assert_int_equal(a.templates, 0);
				free(a.body);
			}
}

static void test_hook__outdated_template_fails_validation(void **state)
{
	const struct wish w = { .kind = "ValidateTopologyRequest" };
	struct np_hook_answer a;

	(void)state;
	a = call_one(NP_HOOK_VALIDATE_TOPOLOGY, &w, "{\"pciDevices\":[" A100 "]}");
	assert_true(a.failed);
	assert_string_equal(a.message,
			    "pool 'ml/c1/gpu': template 'gpu' is not right after all patches: "
			    "/spec/template/spec/customVMXKeys/pciPassthru.use64bitMMIO should be "
			    "\"TRUE\"");
	free(a.body);
	a = call_one(NP_HOOK_VALIDATE_TOPOLOGY, &w,
		     "{\"customVMXKeys\":" RIGHT ",\"pciDevices\":[" A100 "]}");
	assert_string_equal(a.body,
			    "{\"apiVersion\":\"hooks.runtime.cluster.x-k8s.io/v1alpha1\","
			    "\"kind\":\"ValidateTopologyResponse\",\"status\":\"Success\"}");
	free(a.body);
}

static void test_hook__a_failure_does_not_depend_on_the_order_of_pools(void **state)
{
	const struct wish bad = { .item_variables = VARIABLE("{\"sizeGB\":3}") }, good = { 0 };
	char one[TEXT_MAX], two[TEXT_MAX], three[TEXT_MAX], items[5 * TEXT_MAX], body[6 * TEXT_MAX];
	struct np_hook_answer first, second;

	(void)state;
	write_item(one, sizeof(one), &bad, "1", "b", "{}");
	write_item(two, sizeof(two), &bad, "2", "a", "{}");
	write_item(three, sizeof(three), &good, "3", "c", "{\"pciDevices\":[" A100 "]}");
	snprintf(items, sizeof(items), "%s,%s,%s", one, two, three);
	write_request(body, sizeof(body), &good, items);
	first = call(NP_HOOK_GENERATE_PATCHES, body);
	snprintf(items, sizeof(items), "%s,%s,%s,%s", three, two, one, two);
	write_request(body, sizeof(body), &good, items);
	second = call(NP_HOOK_GENERATE_PATCHES, body);
	assert_true(first.failed);
	assert_string_equal(first.body, second.body);
	assert_non_null(strstr(first.message, "pool 'ml/c1/a'"));
	assert_non_null(strstr(strstr(first.message, "pool 'ml/c1/a'"), "; pool 'ml/c1/b'"));
	free(first.body);
	free(second.body);
}

static void test_hook__minimal_request_is_accepted(void **state)
{
	char patch[TEXT_MAX];
	struct np_hook_answer a = call(
		NP_HOOK_GENERATE_PATCHES,
		"{\"items\":[{\"uid\":\"u1\",\"holderReference\":{\"kind\":\"MachineDeployment\"},"
		"\"object\":{\"apiVersion\":\"infrastructure.cluster.x-k8s.io/v1beta1\",\"kind\":"
		"\"VSphereMachineTemplate\",\"metadata\":{\"name\":\"t\"},\"spec\":{\"template\":"
		"{\"spec\":{\"pciDevices\":[" A100 "]}}}}}]}");

	(void)state;
	read_patch(&a, patch, sizeof(patch));
	assert_string_equal(patch, SPEC(KEYS("512")));
	free(a.body);
}

static void test_hook__invalid_requests_are_errors(void **state)
{
	static const struct {
		const char *body, *message;
	} rows[] = {
		{ "", "the request cannot be read: parse error: premature EOF at byte 0" },
		{ "null", "the request cannot be read: no object at byte 0" },
		{ "[]", "the request cannot be read: no object at byte 0" },
		{ "7", "the request cannot be read: no object at byte 0" },
		{ "{", "the request cannot be read: parse error: premature EOF at byte 1" },
		{ "{\"a", "the request cannot be read: parse error: premature EOF at byte 3" },
		{ "{}{", "the request cannot be read: parse error: trailing garbage at byte 3" },
		{ "{}x", "the request cannot be read: parse error: trailing garbage at byte 3" },
		{ "{\"a\":}",
		  "the request cannot be read: parse error: unallowed token at this point in JSON text at byte 6" },
		{ "{\"a\":\v\f1}", "the request cannot be read: a control character at byte 5" },
		{ "{\"a\":\f\v1}", "the request cannot be read: a control character at byte 5" },
		{ "{\"a\":-}",
		  "the request cannot be read: lexical error: malformed number, a digit is required after the minus sign at byte 6" },
		{ "{\"settings\": []}", "the request cannot be read: no object at byte 13" },
		{ "{\"items\":[12 ]}", "the request cannot be read: no object at byte 11" },
		{ "{\"items\":{}}", "the request cannot be read: no list at byte 9" },
		{ "{\"kind\":\"X\"}", "kind is 'X': expected 'GeneratePatchesRequest'" },
		{ "{\"kind\":7}", "kind is not a string: expected 'GeneratePatchesRequest'" },
		{ "{\"settings\":{\"enforce\":\"no\"}}",
		  "setting 'enforce' is 'no': expected true or false" },
		{ "{\"settings\":{\"enforce\":true}}",
		  "setting 'enforce' is not a string: expected true or false" },
		{ "{\"settings\":{\"failurePolicy\":\"ignore\"}}",
		  "setting 'failurePolicy' is 'ignore': expected Ignore or Fail" },
		{ "{\"items\":[{\"holderReference\":{\"kind\":\"MachineDeployment\"},\"object\":"
		  "{\"kind\":\"VSphereMachineTemplate\"}}]}",
		  "an item has no uid: expected a string" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_hook_answer a = call(NP_HOOK_GENERATE_PATCHES, rows[i].body);

		if (!a.failed || strcmp(a.message, rows[i].message) != 0)
			fail_msg("%s: %s", rows[i].body, a.body);
		free(a.body);
	}
}

/* --- JSON -------------------------------------------------------------------------------------- */

static int read_body(const char *body, size_t size, struct np_err *err)
{
	struct request r;

	if (hook_request_read("GeneratePatches", body, size, &r, err) < 0)
		return np_err_ret(err);
	hook_request_done(&r);
	return 0;
}

static void check_grammar(const char *text)
{
	char body[256];
	int n = snprintf(body, sizeof(body), "{\"a\":%s}", text);
	json_error_t why;
	json_auto_t *tree = json_loadb(text, strlen(text), JSON_DECODE_ANY, &why), *ours = NULL;
	struct np_err err = NP_ERR_INIT;
	int r = hook_span_tree((struct span){ text, strlen(text) }, &ours);

	if ((r == 0) != !!tree || (tree && !json_equal(tree, ours)))
		fail_msg("'%s': %d, jansson: %s", text, r, tree ? "ok" : why.text);
	assert_true(r == 0 || r == -NP_E_SPEC);
	/* An ignored part is only checked against the grammar. */
	if (tree && read_body(body, (size_t)n, &err) < 0)
		fail_msg("%s: %s", body, err.text);
}

static void test_json__grammar_and_values_are_those_of_jansson(void **state)
{
	static const char *const texts[] = {
		"0",
		"-0",
		"01",
		"-01",
		"1.5",
		"1.",
		".5",
		"1e5",
		"1E+5",
		"1e",
		"1e-",
		"-",
		"+1",
		"true",
		"tru",
		"truex",
		"nul",
		"\"\"",
		"\"a",
		"\"\\n\"",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u1234\"",
		"\"\\",
		"\"",
		"\"a\"b\"",
		"\"a\" ",
		"\"a\\\"",
		"\"\x7f\"",
		"\"\x1f\"",
		"\"\t\"",
		"[]",
		"[ ]",
		"[,]",
		"[1,]",
		"[1 2]",
		"[1,2]",
		"[",
		"]",
		"{}",
		"{,}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,\"b\":[{}]}",
		"{1:2}",
		"{\"a\":1",
		"\"\xc3\xa4\"",
		"[[[]]]",
		"1 1",
		"",
		" \n\t\r1 ",
		"[\"a\":1]",
		"{\"a\",1}",
		"--1",
		"1-",
		"[1}",
		"{\"a\":1]",
		"\f1",
		"9223372036854775807",
		"9223372036854775808",
		"-9223372036854775808",
		"-9223372036854775809",
		"1e308",
		"1e309",
		"-1.25e-3",
		"\"\\u0000\"",
		"{\"a\\u0000\":1}",
		"\"\\ud83d\\ude00 \\u00e4 \\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"\"\\ude00\"",
		"\"\xc3\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"{\"\xc0\x80\":1}",
		"{\"a\":1,\"a\":{\"b\":[null,true,false,1.5,\"\"]}}",
		"[{\"a\":[1,[2,{\"b\":{}}],3]},4]",
		"/**/1",
		"NaN",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_grammar(texts[i]);
}

/* The walk's room is elsewhere for a long text than for a short one. */
static void test_json__texts_have_any_length(void **state)
{
	static const char *const ends[] = { "", "\\n" };
	char text[1200];

	(void)state;
	for (int size = 900; size < 1100; size++) {
		for (size_t i = 0; i < 2; i++) {
			int n = snprintf(text, sizeof(text), "[\"%0*d%s\"]", size, 7, ends[i]);
			json_auto_t *ours = NULL, *tree = json_loads(text, 0, NULL);

			assert_int_equal(hook_span_tree((struct span){ text, (size_t)n }, &ours),
					 0);
			assert_true(json_equal(tree, ours));
		}
	}
}

/* Half a character is a question mark to yajl, and another such mark to Go; jansson refuses it. */
static void test_json__half_a_character_is_replaced(void **state)
{
	static const char text[] = "\"a\\ud83d\"";

	(void)state;
	assert_true(hook_span_is((struct span){ text, strlen(text) }, "a?"));
}

static void test_json__syntax_errors_are_found_in_ignored_members(void **state)
{
	static const char *const texts[] = { "01",        "1.",     "[1,]",     "{\"b\":1,}",
					     "\"\\x\"",   "\"\t\"", "nul",      "[1 2]",
					     "{\"b\" 1}", "[}",     "\"\xff\"", "\"\\u1\"",
					     "//\n1",     "-",      "\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char body[64];
		int n = snprintf(body, sizeof(body), "{\"a\":%s}", texts[i]);

		assert_int_equal(read_body(body, (size_t)n, &err), -NP_E_SPEC);
		assert_non_null(strstr(err.text, "the request cannot be read: "));
		assert_non_null(strstr(err.text, " at byte "));
	}
}

static void test_json__trailing_bytes_are_errors(void **state)
{
	static const struct {
		const char *body;
		bool fits;
	} rows[] = {
		{ "{}", true },           { "{} \n\t\r", true }, { "{}\"", false },
		{ "{} \"a", false },      { "{}\"a\"", false },  { "{}{}", false },
		{ "{\"a\":[]}]", false }, { "{}1", false },      { "{}t", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		int r = read_body(rows[i].body, strlen(rows[i].body), &err);

		if (r != (rows[i].fits ? 0 : -NP_E_SPEC) ||
		    (!rows[i].fits && !strstr(err.text, "trailing garbage at byte ")))
			fail_msg("%s: %d %s", rows[i].body, r, err.text);
	}
}

static void test_json__depth_is_bounded(void **state)
{
	char text[2 * NP_DOC_DEPTH_MAX + 16];

	(void)state;
	for (size_t depth = NP_DOC_DEPTH_MAX; depth <= NP_DOC_DEPTH_MAX + 1; depth++) {
		bool fits = depth == NP_DOC_DEPTH_MAX;
		struct np_err err = NP_ERR_INIT;
		json_auto_t *tree = NULL;

		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(hook_span_tree((struct span){ text, 2 * depth }, &tree),
				 fits ? 0 : -NP_E_SPEC);
		snprintf(text, sizeof(text), "{\"a\":");
		memset(text + 5, '[', depth - 1);
		memset(text + 4 + depth, ']', depth - 1);
		text[3 + 2 * depth] = '}';
		assert_int_equal(read_body(text, 4 + 2 * depth, &err), fits ? 0 : -NP_E_SPEC);
		assert_true(fits || strstr(err.text, "too many levels"));
	}
}

/* Writes a member with a text of that size, with an escape now and then. */
static size_t write_member(char *out, char name, size_t size)
{
	size_t n = (size_t)sprintf(out, "\"%c\":\"", name);

	for (size_t i = 0; i < size; i++, n++)
		out[n] = i % 500 == 498 ? '\\' : i % 500 == 499 ? 'n' : 'x';
	return n;
}

/* The room that is set aside for yajl has to do for texts with escapes, and for one that is cut off. */
static void test_json__long_texts_fit(void **state)
{
	static const size_t sizes[] = {
		0, 500, 1000, 1500, 2000, 2500, 4000, 4500, 270000, 530000
	};
	NP_AUTO(np_freep) char *body = malloc(1100000);

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
			struct np_err err = NP_ERR_INIT;
			size_t n = 1;

			body[0] = '{';
			n += write_member(body + n, 'a', sizes[i]);
			n += (size_t)sprintf(body + n, "\",");
			n += write_member(body + n, 'b', sizes[k]);
			assert_int_equal(read_body(body, n, &err), -NP_E_SPEC);
			sprintf(body + n, "\"}");
			assert_int_equal(read_body(body, n + 2, &err), 0);
		}
}

static void test_request__members_may_stand_in_any_order(void **state)
{
	static const char body[] =
		"{\"items\":[{\"variables\":[null,{\"value\" : 7,\"name\":\"vm\\u0043lass\"},{\"value\":8},{\"value\":"
		"{\"machineDeployment\":{\"topologyName\":\"old\"},\"cluster\":{\"name\":\"old\"}},"
		"\"name\":\"builtin\",\"value\":{\"cluster\":{\"x\":[{\"name\":1}],\"name\":\"new\"}}},"
		"{\"name\":\"x\",\"value\":[{\"cluster\":{\"name\":2}},\"y\"]}],"
		"\"uid\" \n:\t\"a\\\"b\",\"object\":{\"spec\":{\"template\":{\"spec\":{\"memoryMiB\":"
		" 12 ,\"os\":null,\"template\":true}}},\"metadata\":null,\"kind\":"
		"\"VSphereMachineTemplate\"},\"holderReference\":{\"kind\":\"MachineDeployment\"}},"
		"null],\"variables\":null,\"settings\":null}";
	struct np_err err = NP_ERR_INIT;
	struct request r;
	const struct item *item;

	(void)state;
	if (hook_request_read("GeneratePatches", body, strlen(body), &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(r.n_items, 1);
	item = &r.items[0];
	assert_true(hook_span_is(item->uid, "a\"b"));
	assert_true(hook_span_is(item->variables.builtin.cluster, "new"));
	assert_null(item->variables.builtin.pool.p);
	assert_null(item->name.p);
	assert_memory_equal(item->variables.vm_class.p, "7", item->variables.vm_class.n);
	assert_memory_equal(item->fields[FIELD_MEMORY_MIB].p, "12",
			    item->fields[FIELD_MEMORY_MIB].n);
	assert_memory_equal(item->fields[FIELD_OS].p, "null", item->fields[FIELD_OS].n);
	assert_memory_equal(item->fields[FIELD_TEMPLATE].p, "true", item->fields[FIELD_TEMPLATE].n);
	assert_null(item->fields[FIELD_CLASS_NAME].p);
	hook_request_done(&r);
}

/* --- lifecycle, as far as it goes without a server --------------------------------------------- */

#define CLUSTER(more) \
	"{\"cluster\":{\"metadata\":{\"name\":\"c1\",\"namespace\":\"ml\",\"uid\":\"u\"}" more "}}"

static void test_lifecycle__cluster_of_the_request_is_only_named(void **state)
{
	static const struct {
		const char *sentence, *body, *message, *refused;
	} rows[] = {
		{ "no cluster", "{}", "cluster.metadata.namespace: expected a text", NULL },
		{ "no object", "{\"cluster\":[]}", "the request cannot be read: no object", NULL },
		{ "no name", "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"uid\":\"u\"}}}",
		  "cluster.metadata.name: expected a text", NULL },
		{ "no uid", "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"name\":\"c\"}}}",
		  "cluster.metadata.uid: expected a text", NULL },
		{ "an empty uid",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"ml\",\"name\":\"c\",\"uid\":\"\"}}}",
		  "cluster.metadata.uid: expected a text", NULL },
		{ "another path",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"..\",\"name\":\"c\",\"uid\":\"u\"}}}",
		  "the request is refused", "no Cluster can have that name" },
		{ "a name with a slash",
		  "{\"cluster\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"c/d\",\"uid\":\"u\"}}}",
		  "the request is refused", "no Cluster can have that name" },
		{ "nothing is done without the server", CLUSTER(""),
		  "the Cluster cannot be read: ", NULL },
		{ "whatever else the request says",
		  CLUSTER(",\"spec\":{\"topology\":{\"workers\":7}}"),
		  "the Cluster cannot be read: ", NULL },
	};
	const struct np_kube_options kube = { .kubeconfig = "/nowhere/kubeconfig" };
	const struct np_hook_options o = { .catalogue = cat, .kube = &kube, .timeout_ms = 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_hook_answer a =
			call_with(&o, NP_HOOK_BEFORE_CLUSTER_CREATE, rows[i].body);

		if (!a.failed || strncmp(a.message, rows[i].message, strlen(rows[i].message)) != 0)
			fail_msg("%s: %s", rows[i].sentence, a.body);
		if (rows[i].refused)
			assert_string_equal(a.refused, rows[i].refused);
		else
			assert_null(a.refused);
		assert_non_null(strstr(a.body, "\"retryAfterSeconds\":"));
		free(a.body);
	}
}

static void test_lifecycle__failures_can_be_ignored(void **state)
{
	const struct np_kube_options kube = { .kubeconfig = "/nowhere/kubeconfig" };
	const struct np_hook_options o = { .catalogue = cat, .kube = &kube, .timeout_ms = 1000 };
	char body[TEXT_MAX];
	struct np_hook_answer a;

	(void)state;
	snprintf(body, sizeof(body), "{\"settings\":{\"failurePolicy\":\"Ignore\"},%s",
		 &CLUSTER("")[1]);
	a = call_with(&o, NP_HOOK_BEFORE_WORKERS_UPGRADE, body);
	assert_false(a.failed);
	assert_int_equal(a.retry_after_s, 0);
	assert_non_null(strstr(a.message, "/nowhere/kubeconfig"));
	free(a.body);
}

/* --- memory and the corpus -------------------------------------------------------------------- */

static void test_hook__each_allocation_may_fail(void **state)
{
	static const char *const specs[] = {
		"{\"hardwareVersion\":\"vmx-15\",\"customVMXKeys\":{\"a\":\"b\"},\"pciDevices\":[" A100
		"]}",
		"{\"pciDevices\":[{\"vendorId\":8368,\"deviceId\":4318}]}",
	};
	const struct np_hook_options o = { .catalogue = cat };
	const struct wish w = { .item_variables = VARIABLE("{\"minimumGB\":1024}") };
	char item[TEXT_MAX], body[2 * TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct failing f = FAILING_INIT;
		int r = -1;

		write_item(item, sizeof(item), &w, "u1", "gpu", specs[i]);
		write_request(body, sizeof(body), &w, item);
		while (next_round(&f)) {
			struct np_hook_answer a = { .size = 77 };
			struct np_err err = NP_ERR_INIT;

			fail_allocation(&f);
			r = np_hook_call(&o, NP_HOOK_GENERATE_PATCHES, body, strlen(body), &a,
					 &err);
			stop_failing(&f);
			if (r < 0) {
				assert_int_equal(err.code, NP_E_NOMEM);
				assert_int_equal(a.size, 77);
			} else if (f.failed) {
				/* Only the whole is an answer. */
				assert_true(a.failed || a.templates == 1);
			}
			free(a.body);
		}
		assert_int_equal(r, 0);
		assert_true(f.rounds > 20);
	}
}

static void test_hook__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/hook/testdata/corpus", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hook__paths_are_found),
		cmocka_unit_test(test_hook__timeouts_are_read_from_the_query),
		cmocka_unit_test(test_hook__lifecycle_hooks_are_announced_with_an_api_alone),
		cmocka_unit_test(test_hook__the_variable_has_a_schema_and_descriptions),
		cmocka_unit_test(test_hook__templates_of_gpu_pools_are_patched),
		cmocka_unit_test(test_hook__invalid_pools_are_rejected_or_reported),
		cmocka_unit_test(test_hook__outdated_template_fails_validation),
		cmocka_unit_test(test_hook__a_failure_does_not_depend_on_the_order_of_pools),
		cmocka_unit_test(test_hook__minimal_request_is_accepted),
		cmocka_unit_test(test_hook__invalid_requests_are_errors),
		cmocka_unit_test(test_json__grammar_and_values_are_those_of_jansson),
		cmocka_unit_test(test_json__texts_have_any_length),
		cmocka_unit_test(test_json__half_a_character_is_replaced),
		cmocka_unit_test(test_json__syntax_errors_are_found_in_ignored_members),
		cmocka_unit_test(test_json__trailing_bytes_are_errors),
		cmocka_unit_test(test_json__depth_is_bounded),
		cmocka_unit_test(test_json__long_texts_fit),
		cmocka_unit_test(test_request__members_may_stand_in_any_order),
		cmocka_unit_test(test_lifecycle__cluster_of_the_request_is_only_named),
		cmocka_unit_test(test_lifecycle__failures_can_be_ignored),
		cmocka_unit_test(test_hook__each_allocation_may_fail),
		cmocka_unit_test(test_hook__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
