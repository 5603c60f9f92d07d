/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

/* The wording is that of kube-apiserver 1.34, as tests/e2e/test_api_parity.py compares it. */
static const struct answer_row {
	const char *sentence, *method, *target, *content_type, *body;
	unsigned status;
	const char *message; /* part of the Status' message; NULL: none is looked for */
} answer_rows[] = {
	{ "the version", "GET", "/version", NULL, NULL, 200, NULL },
	{ "the groups", "GET", "/apis", NULL, NULL, 200, NULL },
	{ "a version that is served", "GET", API, NULL, NULL, 200, NULL },
	{ "one that is not", "GET", "/apis/vmoperator.vmware.com/v9", NULL, NULL, 404, NULL },
	{ "a page outside", "GET", "/nothing/here", NULL, NULL, 404, NULL },
	{ "a class", "GET", GPU, NULL, NULL, 200, NULL },
	{ "its status", "GET", GPU "/status", NULL, NULL, 200, NULL },
	{ "a class percent-encoded", "GET", ML "/%67pu", NULL, NULL, 200, NULL },
	{ "a class that is not there", "GET", ML "/x", NULL, NULL, 404,
	  "virtualmachineclasses.vmoperator.vmware.com \"x\" not found" },
	{ "a class that is there already", "POST", ML, JSON, gpu_class, 409, "already exists" },
	{ "a name that is none", "POST", ML, JSON, CLASS("A_", ""), 422,
	  "metadata.name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain" },
	{ "another version than the path's", "POST", OLD, JSON, gpu_class, 400,
	  "does not match the expected API version (vmoperator.vmware.com/v1alpha1)" },
	{ "an unknown field with Strict", "POST", ML "?fieldValidation=Strict", JSON,
	  CLASS("x", ",\"spec\":{\"configspec\":1}"), 400,
	  "strict decoding error: unknown field \"spec.configspec\"" },
	{ "memory that is no quantity", "POST", ML, JSON,
	  CLASS("x", ",\"spec\":{\"hardware\":{\"memory\":\"lots\"}}"), 422,
	  "spec.hardware.memory in body should match" },
	{ "two things that are wrong", "POST", ML, JSON,
	  CLASS("x", ",\"spec\":{\"hardware\":{\"cpus\":\"two\"},\"reservedSlots\":-1}"), 422,
	  "is invalid: [spec.hardware.cpus: Invalid value: \"string\"" },
	{ "a device without an id", "POST", ML, JSON,
	  CLASS("x", ",\"spec\":{\"hardware\":{\"devices\":{\"dynamicDirectPathIODevices\":"
		     "[{\"vendorID\":1}]}}}"),
	  422, "dynamicDirectPathIODevices[0].deviceID: Required value" },
	{ "one profile twice", "POST", ML, JSON,
	  CLASS("x", ",\"spec\":{\"hardware\":{\"devices\":{\"vgpuDevices\":"
		     "[{\"profileName\":\"p\"},{\"profileName\":\"p\"}]}}}"),
	  422, "vgpuDevices[1]: Duplicate value: {\"profileName\":\"p\"}" },
	{ "a body that is empty", "POST", ML, JSON, "", 400,
	  "unexpected end of JSON input (<empty>)" },
	{ "a body without a kind", "POST", ML, JSON, "{}", 400,
	  "Object 'Kind' is missing in '{}'" },
	{ "a patch that is no JSON", "PATCH", GPU, MERGE, "{", 400,
	  "error decoding patch: unexpected end of JSON input" },
	{ "a patch that is a list", "PATCH", GPU, MERGE, "[]", 400, "cannot unmarshal array" },
	{ "a strategic merge patch", "PATCH", GPU, "application/strategic-merge-patch+json", "{}",
	  415, "accepted media types include" },
	{ "a patch of another name", "PATCH", GPU, MERGE, "{\"metadata\":{\"name\":\"o\"}}", 400,
	  "the name of the object (o) does not match the name on the URL (gpu)" },
	{ "a patch of the uid", "PATCH", GPU, MERGE, "{\"metadata\":{\"uid\":\"o\"}}", 422,
	  "metadata.uid: Invalid value: \"o\": field is immutable" },
	{ "a label that is none", "PATCH", GPU, MERGE,
	  "{\"metadata\":{\"labels\":{\"l\":\"a b\"}}}", 422, "a valid label must be" },
	{ "an annotation that is no text", "PATCH", GPU, MERGE,
	  "{\"metadata\":{\"annotations\":{\"a\":1,\"b\":2}}}", 422,
	  "cannot unmarshal number into Go struct field ObjectMeta.annotations of type string" },
	{ "a patch that Strict refuses shows the object", "PATCH", GPU "?fieldValidation=Strict",
	  MERGE, "{\"spec\":{\"x\":1}}", 422,
	  " \"\" is invalid: patch: Invalid value: \"{\\\"apiVersion\\\":" },
	{ "a stale version", "PATCH", GPU, MERGE, "{\"metadata\":{\"resourceVersion\":\"1\"}}", 409,
	  "the object has been modified; please apply your changes to the latest version" },
	{ "a version that is no number", "PATCH", GPU, MERGE,
	  "{\"metadata\":{\"resourceVersion\":\"x\"}}", 500, "strconv.ParseUint: parsing \"x\"" },
	{ "an update without a version", "PUT", GPU, JSON, gpu_class, 422,
	  "metadata.resourceVersion: Invalid value: 0: must be specified for an update" },
	{ "a validation that is none", "PATCH", GPU "?fieldValidation=x", MERGE, "{}", 422,
	  "PatchOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"x\"" },
	{ "a patch of the list", "PATCH", ML, MERGE, "{}", 400, "name must be provided" },
	{ "a deletion of the list", "DELETE", ML, NULL, NULL, 405, "deletecollection is not" },
	{ "a namespace that is no name", "POST", API "/namespaces/N_/virtualmachineclasses", JSON,
	  gpu_class, 400, "invalid namespace" },
	{ "a namespace", "GET", "/api/v1/namespaces/kube-system", NULL, NULL, 200, NULL },
	{ "a namespace that is made", "POST", "/api/v1/namespaces", JSON,
	  "{\"metadata\":{\"name\":\"new\"}}", 201, NULL },
	{ "a review of a verb", "POST", REVIEWS, JSON,
	  "{\"spec\":{\"resourceAttributes\":{\"verb\":\"patch\"}}}", 201, NULL },
	{ "a review of nothing", "POST", REVIEWS, JSON, "{\"spec\":{}}", 422,
	  "exactly one of nonResourceAttributes or resourceAttributes" },
	{ "a review of no JSON", "POST", REVIEWS, JSON, "{", 400, NULL },
	{ "a namespace that cannot be", "GET", "/api/v1/namespaces/N_", NULL, NULL, 404, NULL },
	{ "a token that goes nowhere", "GET", ML "?continue=rubbish", NULL, NULL, 400,
	  "continue key is not valid: invalid character '\xc2\xae'" },
	{ "a selector that is unknown", "GET", ML "?fieldSelector=spec.x%3D1", NULL, NULL, 400,
	  "field label not supported: spec.x" },
};

static void expect_answer(struct np_sim *sim, const struct answer_row *row)
{
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	const char *message;
	struct result r;

	h.content_type = row->content_type;
	assert_int_equal(try_request(sim, &h, row->method, row->target, row->body, &r, &err), 0);
	message = text_at(r.body, "message");
	if (r.reply.status != row->status)
		fail_msg("%s: %u and not %u: %s", row->sentence, r.reply.status, row->status,
			 r.reply.body);
	if (row->message && (!message || !strstr(message, row->message)))
		fail_msg("%s: '%s' is not in '%s'", row->sentence, row->message,
			 message ? message : "(none)");
	done(&r);
}

static void test_sim__answers_as_the_real_server_words_them(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < sizeof(answer_rows) / sizeof(answer_rows[0]); i++)
		expect_answer(sim, &answer_rows[i]);
}

static void test_sim__objects_are_shown_in_the_version_asked_for(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "GET", OLD "/gpu", NULL);

	(void)state;
	assert_string_equal(text_at(r.body, "apiVersion"), "vmoperator.vmware.com/v1alpha1");
	assert_non_null(strstr(header_of(&r, "Warning"), "v1alpha1 VirtualMachineClass is deprec"));
	assert_int_equal(strncmp(r.reply.body, "{\"apiVersion\":", 14), 0);
	done(&r);
}

struct lines {
	unsigned n;
	char text[4000];
};

static void keep_line(void *ctx, const char *line)
{
	struct lines *l = ctx;
	size_t at = strlen(l->text);

	l->n++;
	snprintf(l->text + at, sizeof(l->text) - at, "%s\n", line);
}

static void test_sim__the_log_tells_requests_and_no_token(void **state)
{
	struct lines lines = { 0, "" };
	const struct np_sim_options o = { .log = keep_line, .log_ctx = &lines };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);

	(void)state;
	status_of(sim, "GET", GPU "?a=b", NULL);
	status_of(sim, "GET", "/sim/faults", NULL);
	status_of(sim, "GET", ML "?watch=1&timeoutSeconds=1", NULL);
	set_faults(sim, "[{\"fault\":\"cut\",\"effect\":true}]");
	status_of(sim, "DELETE", GPU, NULL);
	assert_string_equal(
		lines.text,
		"{\"verb\":\"get\",\"method\":\"GET\",\"path\":\"" GPU "\",\"query\":\"a=b\","
		"\"status\":404,\"user\":\"admin\",\"userAgent\":\"test/1.0\"}\n"
		"{\"verb\":\"watch\",\"method\":\"GET\",\"path\":\"" ML
		"\",\"query\":\"watch=1&timeoutSeconds=1\","
		"\"status\":200,\"user\":\"admin\",\"userAgent\":\"test/1.0\"}\n"
		"{\"verb\":\"delete\",\"method\":\"DELETE\",\"path\":\"" GPU "\",\"query\":\"\","
		"\"status\":0,\"user\":\"admin\",\"userAgent\":\"test/1.0\"}\n");
	assert_null(strstr(lines.text, np_sim_token(sim, "admin")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__answers_as_the_real_server_words_them),
		cmocka_unit_test(test_sim__objects_are_shown_in_the_version_asked_for),
		cmocka_unit_test(test_sim__the_log_tells_requests_and_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
