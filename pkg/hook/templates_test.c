/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>

#include "failing_alloc.h"
#include "testbed.h"

/* The corpus is replayed through the fuzz target itself. */
#include "files.h"

#include "hook_fuzz.c"

/* --- requests ---------------------------------------------------------------------------------- */

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

/* --- templates --------------------------------------------------------------------------------- */

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
		{ "a size that is not a power of two",
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

/* --- memory and the corpus -------------------------------------------------------------------- */

static void test_hook__each_allocation_may_fail(void **state)
{
	static const char *const specs[] = {
		"{\"hardwareVersion\":\"vmx-15\",\"customVMXKeys\":{\"a\":\"b\"},\"pciDevices\":[" A100
		"]}",
		"{\"pciDevices\":[{\"vendorId\":8368,\"deviceId\":4318}]}",
	};
	const struct np_hook_options o = { .catalogue = catalogue };
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
		cmocka_unit_test(test_hook__templates_of_gpu_pools_are_patched),
		cmocka_unit_test(test_hook__invalid_pools_are_rejected_or_reported),
		cmocka_unit_test(test_hook__outdated_template_fails_validation),
		cmocka_unit_test(test_hook__a_failure_does_not_depend_on_the_order_of_pools),
		cmocka_unit_test(test_hook__minimal_request_is_accepted),
		cmocka_unit_test(test_hook__invalid_requests_are_errors),
		cmocka_unit_test(test_hook__each_allocation_may_fail),
		cmocka_unit_test(test_hook__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
