/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/sim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/kube.h"
#include "nodeprep/serve.h"

#include "internal.h"
/* The corpus is replayed through the fuzz target itself. */
#include "sim_fuzz.c"

#include "failing_alloc.h"

#define API "/apis/vmoperator.vmware.com/v1alpha6"
#define ML API "/namespaces/ml/virtualmachineclasses"
#define GPU ML "/gpu"
#define REVIEWS "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define OLD "/apis/vmoperator.vmware.com/v1alpha1/namespaces/ml/virtualmachineclasses"
#define MERGE "application/merge-patch+json"
#define JSON "application/json"

/* --- memory that runs out ------------------------------------------------------------------- */

/* jansson's parser reads beyond its buffer where that cannot grow: it is spared. */
json_t *json_loadb(const char *bytes, size_t size, size_t flags, json_error_t *error)
{
	json_t *(*real)(const char *, size_t, size_t, json_error_t *);
	size_t left = allocations_left;
	json_t *j;

	*(void **)&real = dlsym(RTLD_NEXT, "json_loadb");
	assert_non_null(real);
	allocations_left = SIZE_MAX;
	j = real(bytes, size, flags, error);
	allocations_left = left;
	return j;
}

/* --- requests ------------------------------------------------------------------------------- */

struct headers {
	char authorization[128];
	const char *content_type, *accept, *agent;
};

struct result {
	struct np_serve_reply reply;
	json_t *body; /* NULL where it is no JSON */
};

static const char *find(const void *ctx, const char *name)
{
	const struct headers *h = ctx;

	if (strcasecmp(name, "Authorization") == 0)
		return *h->authorization ? h->authorization : NULL;
	if (strcasecmp(name, "Content-Type") == 0)
		return h->content_type;
	if (strcasecmp(name, "Accept") == 0)
		return h->accept;
	return strcasecmp(name, "User-Agent") == 0 ? h->agent : NULL;
}

static void done(struct result *r)
{
	np_serve_reply_done(&r->reply);
	json_decref(r->body);
	r->body = NULL;
}

static int try_request(struct np_sim *sim, struct headers *h, const char *method,
		       const char *target, const char *body, struct result *r, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = strndup(target, strcspn(target, "?"));
	const char *query = strchr(target, '?');
	struct np_serve_request req = { .method = method, .path = path };

	req.query = query ? query + 1 : "";
	req.body = body ? body : "";
	req.body_size = strlen(req.body);
	req.find_header = find;
	req.ctx = h;
	*r = (struct result){ .body = NULL };
	if (np_sim_handle(sim, &req, &r->reply, err) < 0)
		return -1;
	if (r->reply.body)
		r->body = json_loadb(r->reply.body, r->reply.body_size, 0, NULL);
	return 0;
}

static struct headers as_user(struct np_sim *sim, const char *user)
{
	struct headers h = { .agent = "test/1.0", .content_type = JSON };

	if (user)
		snprintf(h.authorization, sizeof(h.authorization), "Bearer %s",
			 np_sim_token(sim, user));
	return h;
}

/* Sends a request as the admin. */
static struct result send_request(struct np_sim *sim, const char *method, const char *target,
				  const char *body)
{
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	struct result r;

	if (strcmp(method, "PATCH") == 0)
		h.content_type = MERGE;
	if (try_request(sim, &h, method, target, body, &r, &err) < 0)
		fail_msg("%s %s: %s", method, target, err.text);
	return r;
}

static unsigned status_of(struct np_sim *sim, const char *method, const char *target,
			  const char *body)
{
	struct result r = send_request(sim, method, target, body);
	unsigned status = r.reply.status;

	done(&r);
	return status;
}

static const char *text_at(const json_t *j, const char *path)
{
	char copy[200];
	char *rest = copy, *key;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((key = strsep(&rest, "/")))
		j = json_is_array(j) ? json_array_get(j, strtoul(key, NULL, 10))
				     : json_object_get(j, key);
	return json_string_value(j);
}

static const char *header_of(const struct result *r, const char *name)
{
	for (size_t i = 0; i < r->reply.n_headers; i++)
		if (strcasecmp(r->reply.headers[i].name, name) == 0)
			return r->reply.headers[i].value;
	return NULL;
}

/* Fails where the two are not equal as JSON; `expected` is text. */
static void expect_json(json_t *is, const char *expected, const char *sentence)
{
	NP_AUTO(json_decrefp) json_t *wanted = json_loads(expected, JSON_DECODE_ANY, NULL);
	NP_AUTO(np_freep) char *text = json_dumps(is, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	if (!wanted || !json_equal(is, wanted))
		fail_msg("%s:\n is %s\n not %s", sentence, text ? text : "absent", expected);
}

static struct np_sim *new_sim(const struct np_sim_options *o)
{
	struct np_err err = NP_ERR_INIT;
	struct np_sim *sim = NULL;

	if (np_sim_new(o, &sim, &err) < 0)
		fail_msg("%s", err.text);
	return sim;
}

#define CLASS(name, rest)                                                                      \
	"{\"apiVersion\":\"vmoperator.vmware.com/v1alpha6\",\"kind\":\"VirtualMachineClass\"," \
	"\"metadata\":{\"name\":\"" name "\"}" rest "}"

static const char gpu_class[] =
	CLASS("gpu", ",\"spec\":{\"hardware\":{\"cpus\":4,\"memory\":\"64Gi\"},"
		     "\"configSpec\":{\"a\":null,\"extraConfig\":[{\"key\":\"k\"}]}}");

static struct np_sim *sim_with_class(void)
{
	const struct np_sim_options o = { .state_dir = NULL };
	struct np_sim *sim = new_sim(&o);

	assert_int_equal(status_of(sim, "POST", ML "?fieldManager=admin", gpu_class), 201);
	return sim;
}

/* --- what is answered ----------------------------------------------------------------------- */

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

/* --- patches -------------------------------------------------------------------------------- */

/* The first rows are RFC 7386's own, appendix A; the others what the real server does with nulls. */
static const struct {
	const char *sentence, *target, *patch, *expected;
} merge_rows[] = {
	{ "a value", "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "a member more", "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
	{ "null takes away", "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
	{ "a list by a value", "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
	{ "deep", "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
	  "{\"a\":{\"b\":\"d\"}}" },
	{ "a list whole", "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
	{ "a null that stood there stays", "{\"e\":null}", "{\"a\":1}", "{\"a\":1,\"e\":null}" },
	{ "nulls of what is new are left out", "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}",
	  "{\"a\":{\"bb\":{}}}" },
	{ "null members in a list go, null items stay", "{}", "{\"a\":[{\"x\":null,\"y\":1},null]}",
	  "{\"a\":[{\"y\":1},null]}" },
};

static void test_sim__merge_patches_do_what_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(merge_rows) / sizeof(merge_rows[0]); i++) {
		NP_AUTO(json_decrefp)
		json_t *target = json_loads(merge_rows[i].target, JSON_DECODE_ANY, NULL);
		NP_AUTO(json_decrefp)
		json_t *change = json_loads(merge_rows[i].patch, JSON_DECODE_ANY, NULL);
		NP_AUTO(json_decrefp) json_t *merged = merge_patch(target, change);

		expect_json(merged, merge_rows[i].expected, merge_rows[i].sentence);
		expect_json(target, merge_rows[i].target, "the target stays");
	}
}

static const struct {
	const char *sentence, *ops, *expected; /* NULL: it cannot be applied */
} op_rows[] = {
	{ "a member", "[{\"op\":\"add\",\"path\":\"/c\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{},\"c\":1}" },
	{ "an item at the end", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":3}]",
	  "{\"a\":[1,2,3],\"b/~\":{}}" },
	{ "an item before another", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":0}]",
	  "{\"a\":[0,1,2],\"b/~\":{}}" },
	{ "a key with marks", "[{\"op\":\"add\",\"path\":\"/b~1~0/x\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{\"x\":1}}" },
	{ "one goes", "[{\"op\":\"remove\",\"path\":\"/a/1\"}]", "{\"a\":[1],\"b/~\":{}}" },
	{ "a test that holds", "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":1}]",
	  "{\"a\":[1,2],\"b/~\":{}}" },
	{ "a test that does not", "[{\"op\":\"test\",\"path\":\"/a/0\",\"value\":2}]", NULL },
	{ "replacing what is not there", "[{\"op\":\"replace\",\"path\":\"/z\",\"value\":2}]",
	  NULL },
	{ "an item beyond the end", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":3}]", NULL },
	{ "no value", "[{\"op\":\"add\",\"path\":\"/c\"}]", NULL },
	{ "an operation that is none", "[{\"op\":\"x\",\"path\":\"/c\",\"value\":1}]", NULL },
};

static void test_sim__json_patches_do_what_the_rfc_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(op_rows) / sizeof(op_rows[0]); i++) {
		NP_AUTO(json_decrefp)
		json_t *target = json_loads("{\"a\":[1,2],\"b/~\":{}}", 0, NULL);
		NP_AUTO(json_decrefp) json_t *ops = json_loads(op_rows[i].ops, 0, NULL);
		NP_AUTO(json_decrefp) json_t *result = NULL;
		struct np_err err = NP_ERR_INIT;
		int applied = json_patch(target, ops, &result, &err);

		if (applied != (op_rows[i].expected ? 1 : 0))
			fail_msg("%s: %d", op_rows[i].sentence, applied);
		if (op_rows[i].expected)
			expect_json(result, op_rows[i].expected, op_rows[i].sentence);
		else
			assert_null(result);
	}
}

static void test_sim__a_patch_that_changes_nothing_is_no_write(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	uint64_t before = sim->store.version;
	struct result r;

	(void)state;
	assert_int_equal(status_of(sim, "PATCH", GPU, "{\"spec\":{\"hardware\":{\"cpus\":4}}}"),
			 200);
	assert_int_equal(status_of(sim, "PATCH", GPU, "{\"metadata\":{\"generation\":9}}"), 200);
	assert_int_equal(sim->store.version, before);
	r = send_request(sim, "PATCH", GPU "?dryRun=All", "{\"spec\":{\"description\":\"d\"}}");
	assert_string_equal(text_at(r.body, "spec/description"), "d");
	done(&r);
	assert_int_equal(sim->store.version, before);
	r = send_request(sim, "GET", GPU, NULL);
	assert_null(text_at(r.body, "spec/description"));
	done(&r);
}

static void test_sim__generation_counts_changes_of_the_spec_alone(void **state)
{
	static const struct {
		const char *sentence, *patch;
		json_int_t generation;
	} rows[] = {
		{ "a label", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 1 },
		{ "the spec", "{\"spec\":{\"description\":\"d\"}}", 2 },
		{ "the same again", "{\"spec\":{\"description\":\"d\"}}", 2 },
		{ "the status, which is not written here", "{\"status\":{}}", 2 },
		{ "the spec away", "{\"spec\":null}", 3 },
		{ "away again", "{\"spec\":null}", 3 },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r = send_request(sim, "PATCH", GPU, rows[i].patch);
		json_int_t is = json_integer_value(
			json_object_get(json_object_get(r.body, "metadata"), "generation"));

		if (is != rows[i].generation)
			fail_msg("%s: %d", rows[i].sentence, (int)is);
		done(&r);
	}
}

static void test_sim__nulls_of_a_config_spec_are_kept(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "PATCH", GPU,
				       "{\"spec\":{\"configSpec\":{\"extraConfig\":[{\"key\":\"x\","
				       "\"value\":null}],\"firmware\":\"efi\"},"
				       "\"policies\":{\"resources\":{\"requests\":{}}}}}");

	(void)state;
	expect_json(json_object_get(r.body, "spec"),
		    "{\"hardware\":{\"cpus\":4,\"memory\":\"64Gi\"},\"configSpec\":{\"a\":null,"
		    "\"extraConfig\":[{\"key\":\"x\"}],\"firmware\":\"efi\"},"
		    "\"policies\":{\"resources\":{\"requests\":{}}}}",
		    "the spec");
	done(&r);
}

static void expect_fields(struct np_sim *sim, const char *sentence, const char *expected)
{
	struct result r = send_request(sim, "GET", GPU, NULL);
	json_t *list = json_object_get(json_object_get(r.body, "metadata"), "managedFields");
	NP_AUTO(json_decrefp) json_t *seen = json_object();
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		json_object_set(seen, text_at(entry, "manager"),
				json_object_get(entry, "fieldsV1"));
	}
	expect_json(seen, expected, sentence);
	done(&r);
}

static void test_sim__managed_fields_follow_the_writer(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	expect_fields(sim, "who creates owns all",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{\".\":{},\"f:a\":{},"
		      "\"f:extraConfig\":{}},\"f:hardware\":{\".\":{},\"f:cpus\":{},"
		      "\"f:memory\":{}}}}}");
	status_of(sim, "PATCH", GPU "?fieldManager=b",
		  "{\"metadata\":{\"labels\":{\"l\":\"m\"}},\"spec\":{\"hardware\":{\"cpus\":8},"
		  "\"configSpec\":{\"a\":null,\"extraConfig\":[]}}}");
	expect_fields(sim, "who changes takes over",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{},"
		      "\"f:hardware\":{\".\":{},\"f:memory\":{}}}},"
		      "\"b\":{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:l\":{}}},"
		      "\"f:spec\":{\"f:configSpec\":{\"f:extraConfig\":{}},"
		      "\"f:hardware\":{\"f:cpus\":{}}}}}");
	status_of(sim, "PATCH", GPU, "{\"metadata\":{\"labels\":null},\"spec\":null}");
	expect_fields(sim, "what is gone is nobody's", "{}");
}

/* --- lists and watches ---------------------------------------------------------------------- */

/* Appends the names of a list, each followed by a blank. */
static void add_names(char *names, size_t size, const struct result *r)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(r->body, "items"), i, item) {
		size_t at = strlen(names);

		snprintf(names + at, size - at, "%s ", text_at(item, "metadata/name"));
	}
}

static struct np_sim *sim_with_five(void)
{
	static const char *const names[] = { "b", "a-1", "a", "c.d", "c" };
	const struct np_sim_options o = { .state_dir = NULL };
	struct np_sim *sim = new_sim(&o);

	for (size_t i = 0; i < 5; i++) {
		char body[300];

		snprintf(body, sizeof(body),
			 "{\"apiVersion\":\"vmoperator.vmware.com/v1alpha6\",\"kind\":"
			 "\"VirtualMachineClass\",\"metadata\":{\"name\":\"%s\",\"labels\":"
			 "{\"n\":\"%zu\"}}}",
			 names[i], i);
		assert_int_equal(status_of(sim, "POST", ML, body), 201);
	}
	return sim;
}

static void test_sim__pages_hold_each_object_once(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_five();
	char names[200] = "", target[400] = ML "?limit=2";
	unsigned pages = 0;

	(void)state;
	while (*target && pages < 9) {
		struct result r = send_request(sim, "GET", target, NULL);
		const char *token = text_at(r.body, "metadata/continue");

		pages++;
		assert_int_equal(r.reply.status, 200);
		add_names(names, sizeof(names), &r);
		if (pages == 1)
			assert_int_equal(
				json_integer_value(json_object_get(
					json_object_get(r.body, "metadata"), "remainingItemCount")),
				3);
		if (*token)
			snprintf(target, sizeof(target), ML "?limit=2&continue=%s", token);
		else
			*target = '\0';
		done(&r);
	}
	assert_string_equal(names, "a a-1 b c c.d ");
	assert_int_equal(pages, 3);
}

static void test_sim__selectors_select(void **state)
{
	static const struct {
		const char *sentence, *target, *names;
	} rows[] = {
		{ "all", API "/virtualmachineclasses", "a a-1 b c c.d " },
		{ "another namespace", API "/namespaces/x/virtualmachineclasses", "" },
		{ "a label", ML "?labelSelector=n%3D0", "b " },
		{ "a label written twice over", ML "?labelSelector=n%3D%3D1", "a-1 " },
		{ "not a label", ML "?labelSelector=n!%3D0", "a a-1 c c.d " },
		{ "a label that is there", ML "?labelSelector=n", "a a-1 b c c.d " },
		{ "a label that is not", ML "?labelSelector=!n", "" },
		{ "two labels", ML "?labelSelector=n,n%3D2", "a " },
		{ "a name", ML "?fieldSelector=metadata.name%3Dc.d", "c.d " },
		{ "a name and a namespace",
		  API "/virtualmachineclasses?fieldSelector=metadata.name%3Dc,"
		      "metadata.namespace%3Dml",
		  "c " },
		{ "a name in the wrong namespace",
		  API "/virtualmachineclasses?fieldSelector=metadata.name%3Dc,"
		      "metadata.namespace%3Dx",
		  "" },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_five();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r = send_request(sim, "GET", rows[i].target, NULL);
		char names[200] = "";

		add_names(names, sizeof(names), &r);
		if (strcmp(names, rows[i].names) != 0)
			fail_msg("%s: '%s'", rows[i].sentence, names);
		done(&r);
	}
}

/* Appends "TYPE name " for each line that the stream has. */
static int read_events(struct result *r, char *text, size_t size)
{
	NP_AUTO(np_freep) char *lines = NULL;
	size_t got = 0;
	int more = r->reply.stream.next(r->reply.stream.ctx, &lines, &got);
	char *rest = lines, *line;

	*text = '\0';
	while ((line = strsep(&rest, "\n")) && *line) {
		NP_AUTO(json_decrefp) json_t *event = json_loads(line, 0, NULL);
		const char *name = text_at(event, "object/metadata/name");
		size_t at = strlen(text);

		assert_non_null(event);
		snprintf(text + at, size - at, "%s %s ", text_at(event, "type"),
			 name ? name : text_at(event, "object/reason"));
	}
	return more;
}

static void test_sim__a_watch_tells_what_happens(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result all = send_request(sim, "GET", ML "?watch=1&timeoutSeconds=60", NULL);
	struct result one = send_request(
		sim, "GET", ML "?watch=true&resourceVersion=101&fieldSelector=metadata.name%3Dgpu",
		NULL);
	char text[200];

	(void)state;
	assert_int_equal(read_events(&all, text, sizeof(text)), 1);
	assert_string_equal(text, "ADDED gpu ");
	assert_int_equal(read_events(&one, text, sizeof(text)), 1);
	assert_string_equal(text, "");
	status_of(sim, "POST", ML, CLASS("other", ""));
	status_of(sim, "PATCH", GPU, "{\"spec\":{\"description\":\"d\"}}");
	status_of(sim, "DELETE", GPU, NULL);
	read_events(&all, text, sizeof(text));
	assert_string_equal(text, "ADDED other MODIFIED gpu DELETED gpu ");
	read_events(&one, text, sizeof(text));
	assert_string_equal(text, "MODIFIED gpu DELETED gpu ");
	read_events(&one, text, sizeof(text));
	assert_string_equal(text, "");
	done(&all);
	done(&one);
}

static void test_sim__a_watch_ends_in_time_or_is_told_that_it_is_too_late(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "GET", ML "?watch=1&timeoutSeconds=1", NULL);
	char text[200];

	(void)state;
	assert_true(r.reply.deadline_ms > 1000);
	assert_int_equal(read_events(&r, text, sizeof(text)), 1);
	sleep(1);
	assert_int_equal(read_events(&r, text, sizeof(text)), 0);
	done(&r);
	for (unsigned i = 0; i < CHANGES_MAX; i++) {
		char body[80];

		snprintf(body, sizeof(body), "{\"spec\":{\"description\":\"%u\"}}", i);
		assert_int_equal(status_of(sim, "PATCH", GPU, body), 200);
	}
	r = send_request(sim, "GET", ML "?watch=1&resourceVersion=100", NULL);
	assert_int_equal(read_events(&r, text, sizeof(text)), 0);
	assert_string_equal(text, "ERROR Expired ");
	done(&r);
}

/* --- users ---------------------------------------------------------------------------------- */

static void test_sim__users_may_what_their_verbs_say(void **state)
{
	static const struct {
		const char *sentence, *user, *method, *target;
		unsigned status;
		const char *message;
	} rows[] = {
		{ "anyone sees the version", NULL, "GET", "/version", 200, NULL },
		{ "nobody but users sees groups", NULL, "GET", "/apis", 403,
		  "forbidden: User \"system:anonymous\" cannot get path \"/apis\"" },
		{ "a user without verbs sees groups", "nobody", "GET", "/apis", 200, NULL },
		{ "and no class", "nobody", "GET", GPU, 403,
		  "virtualmachineclasses.vmoperator.vmware.com \"gpu\" is forbidden: User "
		  "\"nobody\" cannot get resource \"virtualmachineclasses\" in API group "
		  "\"vmoperator.vmware.com\" in the namespace \"ml\"" },
		{ "a viewer gets", "viewer", "GET", GPU, 200, NULL },
		{ "lists", "viewer", "GET", API "/virtualmachineclasses", 200, NULL },
		{ "and does not patch", "viewer", "PATCH", GPU, 403, "cannot patch resource" },
		{ "nobody lists everywhere", "nobody", "GET", API "/virtualmachineclasses", 403,
		  "in API group \"vmoperator.vmware.com\" at the cluster scope" },
		{ "a viewer sets no faults", "viewer", "PUT", "/sim/faults", 403, "admin" },
		{ "nor does anyone", NULL, "GET", "/sim/faults", 401, "admin" },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct headers h = as_user(sim, rows[i].user);
		struct np_err err = NP_ERR_INIT;
		const char *message;
		struct result r;

		h.content_type = MERGE;
		assert_int_equal(
			try_request(sim, &h, rows[i].method, rows[i].target, "{}", &r, &err), 0);
		message = text_at(r.body, "message");
		if (r.reply.status != rows[i].status ||
		    (rows[i].message && (!message || !strstr(message, rows[i].message))))
			fail_msg("%s: %u %s", rows[i].sentence, r.reply.status, r.reply.body);
		done(&r);
	}
}

static void test_sim__a_token_that_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "x" };
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct headers h = { .agent = NULL };
		struct np_err err = NP_ERR_INIT;
		struct result r;

		snprintf(h.authorization, sizeof(h.authorization), "%s", rows[i]);
		assert_int_equal(try_request(sim, &h, "GET", "/version", NULL, &r, &err), 0);
		if (r.reply.status != 401)
			fail_msg("'%s': %u", rows[i], r.reply.status);
		done(&r);
	}
}

static void test_sim__what_cannot_be_accepted_is_not_made(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	struct result r;

	(void)state;
	h.accept = "text/plain";
	assert_int_equal(try_request(sim, &h, "GET", GPU, NULL, &r, &err), 0);
	assert_int_equal(r.reply.status, 406);
	done(&r);
	h.accept = "application/json;as=Table, application/json";
	assert_int_equal(try_request(sim, &h, "GET", GPU, NULL, &r, &err), 0);
	assert_int_equal(r.reply.status, 200);
	done(&r);
}

/* --- faults --------------------------------------------------------------------------------- */

static void set_faults(struct np_sim *sim, const char *faults)
{
	assert_int_equal(status_of(sim, "PUT", "/sim/faults", faults), 200);
}

static void test_sim__faults_meet_what_they_match(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r;

	(void)state;
	set_faults(
		sim,
		"[{\"match\":{\"method\":\"GET\",\"path\":\"*/virtualmachineclasses/*\"},"
		"\"fault\":\"status\",\"status\":503,\"retryAfter\":\"7\",\"message\":\"no\",\"count\":2,"
		"\"after\":1}]");
	assert_int_equal(status_of(sim, "GET", ML, NULL), 200);
	assert_int_equal(status_of(sim, "PATCH", GPU, "{}"), 200);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	r = send_request(sim, "GET", GPU, NULL);
	assert_int_equal(r.reply.status, 503);
	assert_string_equal(header_of(&r, "Retry-After"), "7");
	assert_string_equal(text_at(r.body, "reason"), "ServiceUnavailable");
	assert_string_equal(text_at(r.body, "message"), "no");
	done(&r);
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(r.body, 0), "left")), 1);
	done(&r);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 503);
	assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_array_size(r.body), 0);
	done(&r);
}

static void test_sim__faults_take_effect_as_they_say(void **state)
{
	static const struct {
		const char *sentence, *fault;
		unsigned status;
		bool is_written;
		enum np_serve_cut cut;
		uint64_t delay_ms, bytes_per_second;
	} rows[] = {
		{ "a status", "\"fault\":\"status\",\"status\":500", 500, false, 0, 0, 0 },
		{ "a status after the write", "\"fault\":\"status\",\"status\":504,\"effect\":true",
		  504, true, 0, 0, 0 },
		{ "the same by its other name",
		  "\"fault\":\"status\",\"status\":504,\"before\":true", 504, true, 0, 0, 0 },
		{ "a delay", "\"fault\":\"delay\",\"delayMs\":50", 200, true, 0, 50, 0 },
		{ "a status that comes late", "\"fault\":\"status\",\"status\":429,\"delayMs\":9",
		  429, false, 0, 9, 0 },
		{ "a cut", "\"fault\":\"cut\"", 0, false, NP_SERVE_CUT, 0, 0 },
		{ "a cut after the write", "\"fault\":\"cut\",\"effect\":true", 200, true,
		  NP_SERVE_CUT, 0, 0 },
		{ "a cut body", "\"fault\":\"cut-body\"", 200, true, NP_SERVE_CUT_BODY, 0, 0 },
		{ "a slow body", "\"fault\":\"slow-body\",\"bytes\":5", 200, true, 0, 0, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
		char faults[200];
		uint64_t before = sim->store.version;
		struct result r;

		snprintf(faults, sizeof(faults), "[{%s}]", rows[i].fault);
		set_faults(sim, faults);
		r = send_request(sim, "PATCH", GPU, "{\"spec\":{\"description\":\"d\"}}");
		if (r.reply.status != rows[i].status || r.reply.cut != rows[i].cut ||
		    r.reply.delay_ms != rows[i].delay_ms ||
		    r.reply.bytes_per_second != rows[i].bytes_per_second ||
		    (sim->store.version > before) != rows[i].is_written)
			fail_msg("%s: status %u, cut %d", rows[i].sentence, r.reply.status,
				 (int)r.reply.cut);
		done(&r);
	}
}

static void test_sim__a_concurrent_writer_makes_the_version_stale(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r = send_request(sim, "GET", GPU, NULL);
	char body[120];

	(void)state;
	snprintf(body, sizeof(body), "{\"metadata\":{\"resourceVersion\":\"%s\"}}",
		 text_at(r.body, "metadata/resourceVersion"));
	done(&r);
	set_faults(sim, "[{\"match\":{\"method\":\"PATCH\"},\"fault\":\"concurrent-write\","
			"\"key\":\"theirs\"}]");
	assert_int_equal(status_of(sim, "PATCH", GPU, body), 409);
	r = send_request(sim, "GET", GPU, NULL);
	assert_string_equal(text_at(r.body, "spec/configSpec/extraConfig/0/key"), "k");
	assert_string_equal(text_at(r.body, "spec/configSpec/extraConfig/1/key"), "theirs");
	done(&r);
	expect_fields(sim, "and is known by its name",
		      "{\"admin\":{\"f:spec\":{\".\":{},\"f:configSpec\":{\".\":{},\"f:a\":{}},"
		      "\"f:hardware\":{\".\":{},\"f:cpus\":{},\"f:memory\":{}}}},"
		      "\"concurrent-writer\":{\"f:metadata\":{\"f:labels\":{\".\":{},"
		      "\"f:nodeprep-sim/concurrent\":{}}},\"f:spec\":{\"f:configSpec\":{"
		      "\"f:extraConfig\":{}}}}}");
}

static void test_sim__a_huge_body_has_the_bytes_asked_for(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	size_t total = 0;
	struct result r;
	int more = 1;

	(void)state;
	set_faults(sim, "[{\"fault\":\"huge-body\",\"bytes\":2500000}]");
	r = send_request(sim, "GET", GPU, NULL);
	for (unsigned i = 0; more > 0 && i < 10; i++) {
		NP_AUTO(np_freep) char *piece = NULL;
		size_t size = 0;

		more = r.reply.stream.next(r.reply.stream.ctx, &piece, &size);
		total += size;
	}
	assert_int_equal(more, 0);
	assert_int_equal(total, 2500000);
	done(&r);
}

static void test_sim__faults_that_are_none_are_refused_and_change_nothing(void **state)
{
	static const struct {
		const char *sentence, *faults, *message;
	} rows[] = {
		{ "no list", "{}", "a list of at most" },
		{ "no object", "[1]", "a fault has to be an object" },
		{ "no JSON", "[", "unexpected end" },
		{ "no kind", "[{}]", "'fault' has to be one of" },
		{ "another kind", "[{\"fault\":\"x\"}]", "'fault' has to be one of" },
		{ "a member that is misspelt", "[{\"fault\":\"cut\",\"cuont\":2}]",
		  "'cuont' is no member" },
		{ "a status that is none", "[{\"fault\":\"status\",\"status\":200}]",
		  "from 400 to 599" },
		{ "a count that is none", "[{\"fault\":\"cut\",\"count\":\"2\"}]", "'count' has" },
		{ "a delay below zero", "[{\"fault\":\"delay\",\"delayMs\":-1}]", "'delayMs' has" },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result r;

	(void)state;
	set_faults(sim, "[{\"match\":{\"path\":\"/never\"},\"fault\":\"cut\"}]");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *message;

		r = send_request(sim, "PUT", "/sim/faults", rows[i].faults);
		message = text_at(r.body, "message");
		if (r.reply.status != 400 || !message || !strstr(message, rows[i].message))
			fail_msg("%s: %u %s", rows[i].sentence, r.reply.status, r.reply.body);
		done(&r);
	}
	r = send_request(sim, "GET", "/sim/faults", NULL);
	assert_int_equal(json_array_size(r.body), 1);
	done(&r);
}

/* --- the log -------------------------------------------------------------------------------- */

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

/* --- start ---------------------------------------------------------------------------------- */

static int set_up_folder(void **state)
{
	static char folder[64];

	snprintf(folder, sizeof(folder), "/tmp/nodeprep-sim-test-XXXXXX");
	*state = folder;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down_folder(void **state)
{
	DIR *d = opendir(*state);
	const struct dirent *e;
	char path[400];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", (const char *)*state, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	return rmdir(*state);
}

static void test_sim__a_state_folder_brings_all_back(void **state)
{
	const struct np_sim_options o = { .state_dir = *state };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	NP_AUTO(np_freep) char *config = NULL, *again = NULL;
	struct result before, after;
	struct np_err err = NP_ERR_INIT;
	uint64_t version;

	assert_int_equal(status_of(sim, "POST", ML, gpu_class), 201);
	assert_int_equal(status_of(sim, "POST", ML, CLASS("gone", "")), 201);
	assert_int_equal(status_of(sim, "DELETE", ML "/gone", NULL), 200);
	before = send_request(sim, "GET", GPU, NULL);
	version = sim->store.version;
	assert_int_equal(np_sim_kubeconfig(sim, "https://x:1", &config, &err), 0);
	np_sim_free(np_take(sim));
	sim = new_sim(&o);
	after = send_request(sim, "GET", GPU, NULL);
	assert_true(json_equal(before.body, after.body));
	assert_int_equal(status_of(sim, "GET", ML "/gone", NULL), 404);
	assert_int_equal(sim->store.version, version);
	assert_int_equal(np_sim_kubeconfig(sim, "https://x:1", &again, &err), 0);
	assert_string_equal(config, again);
	done(&before);
	done(&after);
}

static void test_sim__a_state_folder_that_is_spoilt_is_told(void **state)
{
	static const struct {
		const char *file, *text, *error;
	} rows[] = {
		{ "resource-version", "x", "no resource version in it" },
		{ "ml_gpu.json", "{", "is no JSON object" },
		{ "ml_gpu.json", "{}", "no resource version in it" },
	};
	const struct np_sim_options o = { .state_dir = *state };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		char path[400];
		struct np_sim *sim = (struct np_sim *)path;

		assert_int_equal(state_write(*state, rows[i].file, rows[i].text, &err), 0);
		assert_int_equal(np_sim_new(&o, &sim, &err), -NP_E_SPEC);
		assert_ptr_equal(sim, path);
		if (!strstr(err.text, rows[i].error) || !strstr(err.text, rows[i].file))
			fail_msg("%s: %s", rows[i].file, err.text);
		snprintf(path, sizeof(path), "%s/%s", (const char *)*state, rows[i].file);
		unlink(path);
	}
}

static void test_sim__a_token_file_adds_users(void **state)
{
	char path[400];
	struct np_sim_options o = { .token_file = path };
	struct np_err err = NP_ERR_INIT;
	NP_AUTO(np_sim_freep) struct np_sim *sim = NULL;
	const struct user *patcher;

	snprintf(path, sizeof(path), "%s/tokens", (const char *)*state);
	assert_int_equal(state_write(*state, "tokens",
				     "# comment\nt0ken,patcher,get,patch,delete\r\nother,idle\n",
				     &err),
			 0);
	sim = new_sim(&o);
	patcher = users_by_token(&sim->users, "t0ken");
	assert_non_null(patcher);
	assert_true(user_may(patcher, "patch") && user_may(patcher, "get"));
	assert_false(user_may(patcher, "list") || user_may(patcher, "pat"));
	assert_false(user_may(patcher, "deletecollection"));
	assert_false(user_may(users_by_token(&sim->users, "other"), "get"));
	np_sim_free(np_take(sim));
	assert_int_equal(state_write(*state, "tokens", "a,b\ns3cret\n", &err), 0);
	assert_int_equal(np_sim_new(&o, &sim, &err), -NP_E_SPEC);
	assert_non_null(strstr(err.text, "tokens:2: token,user[,verb...] is needed"));
	assert_null(strstr(err.text, "s3cret"));
}

static void test_sim__documents_are_loaded(void **state)
{
	static const char text[] =
		"kind: Pool\nmetadata: {name: x}\n---\n"
		"apiVersion: vmoperator.vmware.com/v1alpha2\nkind: VirtualMachineClass\n"
		"metadata: {name: one}\nspec: {hardware: {cpus: 2}}\n---\n"
		"apiVersion: v1\nkind: List\nitems:\n"
		"- apiVersion: vmoperator.vmware.com/v1alpha6\n  kind: VirtualMachineClass\n"
		"  metadata: {name: two, namespace: ml}\n";
	const struct np_sim_options o = { .state_dir = NULL };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), 0);
	assert_int_equal(
		status_of(sim, "GET", API "/namespaces/default/virtualmachineclasses/one", NULL),
		200);
	assert_int_equal(status_of(sim, "GET", ML "/two", NULL), 200);
	assert_int_equal(sim->store.n, 2);
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), 0);
	assert_int_equal(sim->store.n, 2);
}

static void test_sim__documents_that_the_api_would_refuse_are_told(void **state)
{
	static const char text[] =
		"apiVersion: vmoperator.vmware.com/v1alpha6\nkind: VirtualMachineClass\n"
		"metadata: {name: one}\nspec: {hardware: {cpus: two}}\n";
	const struct np_sim_options o = { .state_dir = NULL };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(np_sim_load(sim, "a.yaml", text, strlen(text), &err), -NP_E_SPEC);
	assert_non_null(strstr(err.text, "a.yaml:1:1: VirtualMachineClass"));
	assert_non_null(strstr(err.text, "must be of type integer"));
	assert_int_equal(sim->store.n, 0);
}

static void test_sim__with_namespaces_given_no_other_is_there(void **state)
{
	static const char *const names[] = { "ml" };
	const struct np_sim_options o = { .namespaces = names, .n_namespaces = 1 };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	const char *x = API "/namespaces/x/virtualmachineclasses";
	struct result r = send_request(sim, "POST", x, gpu_class);

	(void)state;
	assert_int_equal(r.reply.status, 404);
	assert_string_equal(text_at(r.body, "message"), "namespaces \"x\" not found");
	done(&r);
	assert_int_equal(status_of(sim, "POST", ML, gpu_class), 201);
	assert_int_equal(status_of(sim, "GET", "/api/v1/namespaces/x", NULL), 404);
	assert_int_equal(
		status_of(sim, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"x\"}}"),
		201);
	assert_int_equal(status_of(sim, "POST", x, gpu_class), 201);
	r = send_request(sim, "GET", "/api/v1/namespaces", NULL);
	assert_int_equal(json_array_size(json_object_get(r.body, "items")), 4);
	done(&r);
}

static void test_sim__an_old_supervisor_has_classes_without_namespace(void **state)
{
	const struct np_sim_options o = { .cluster_scoped = true };
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&o);
	const char *all = "/apis/vmoperator.vmware.com/v1alpha1/virtualmachineclasses";
	static const char body[] = "{\"apiVersion\":\"vmoperator.vmware.com/v1alpha1\",\"kind\":"
				   "\"VirtualMachineClass\",\"metadata\":{\"name\":\"gpu\"}}";
	char one[200];
	struct result r;

	(void)state;
	snprintf(one, sizeof(one), "%s/gpu", all);
	assert_int_equal(status_of(sim, "POST", all, body), 201);
	r = send_request(sim, "PATCH", one, "{\"spec\":{\"description\":\"d\"}}");
	assert_int_equal(r.reply.status, 200);
	assert_null(text_at(r.body, "metadata/namespace"));
	assert_null(header_of(&r, "Warning"));
	done(&r);
	assert_int_equal(status_of(sim, "GET", API, NULL), 404);
	assert_int_equal(status_of(sim, "GET", OLD, NULL), 404);
	r = send_request(sim, "GET", "/apis/vmoperator.vmware.com", NULL);
	assert_string_equal(text_at(r.body, "preferredVersion/version"), "v1alpha1");
	done(&r);
}

/* --- what stands around the classes ---------------------------------------------------------- */

#define VMS API "/namespaces/ml/virtualmachines"
#define IMAGES API "/namespaces/ml/virtualmachineimages"
#define BINDINGS "virtualmachineclassbindings"
#define VM(name) "{\"kind\":\"VirtualMachine\",\"metadata\":{\"name\":\"" name "\"},\"status\":{}}"

static void test_sim__vms_are_kept_without_a_schema(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&(struct np_sim_options){ 0 });
	struct result r = send_request(sim, "POST", VMS, VM("a"));

	(void)state;
	assert_int_equal(r.reply.status, 201);
	assert_string_equal(text_at(r.body, "metadata/namespace"), "ml");
	assert_string_equal(text_at(r.body, "apiVersion"), "vmoperator.vmware.com/v1alpha6");
	assert_non_null(text_at(r.body, "metadata/creationTimestamp"));
	assert_null(json_object_get(r.body, "status"));
	done(&r);
	assert_int_equal(status_of(sim, "POST", VMS, VM("a")), 409);
	assert_int_equal(status_of(sim, "POST", VMS, VM("-")), 400);
	assert_int_equal(status_of(sim, "POST", VMS, "["), 400);
	assert_int_equal(status_of(sim, "POST", API "/virtualmachines", VM("b")), 400);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "[]"), 400);
	assert_int_equal(status_of(sim, "PUT", VMS "/a", VM("a")), 405);
	assert_int_equal(status_of(sim, "GET", VMS "/b", NULL), 404);
	r = send_request(sim, "PATCH", VMS "/a/status", "{\"spec\":1,\"status\":{\"x\":\"y\"}}");
	assert_string_equal(text_at(r.body, "status/x"), "y");
	assert_null(json_object_get(r.body, "spec"));
	done(&r);
	r = send_request(sim, "PATCH", VMS "/a", "{\"spec\":{\"p\":\"q\"},\"status\":null}");
	assert_string_equal(text_at(r.body, "status/x"), "y");
	assert_string_equal(text_at(r.body, "spec/p"), "q");
	done(&r);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "{\"metadata\":null,\"spec\":2}"), 400);
	assert_int_equal(status_of(sim, "PATCH", VMS "/a", "{\"metadata\":{\"name\":\"b\"}}"), 400);
	r = send_request(sim, "PATCH", VMS "/a",
			 "{\"metadata\":{\"creationTimestamp\":\"x\",\"uid\":null}}");
	assert_string_not_equal(text_at(r.body, "metadata/creationTimestamp"), "x");
	assert_non_null(text_at(r.body, "metadata/uid"));
	done(&r);
	assert_int_equal(status_of(sim, "DELETE", VMS "/a", NULL), 200);
	assert_int_equal(status_of(sim, "DELETE", VMS "/a", NULL), 404);
}

static void test_sim__lists_of_other_kinds_keep_to_their_namespace_and_kind(void **state)
{
	static const struct {
		const char *path;
		size_t n;
	} rows[] = {
		{ VMS, 2 },
		{ API "/namespaces/other/virtualmachines", 1 },
		{ API "/namespaces/m/virtualmachines", 0 },
		{ API "/virtualmachines", 3 },
		{ IMAGES, 1 },
		{ API "/clustervirtualmachineimages", 0 },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = new_sim(&(struct np_sim_options){ 0 });

	(void)state;
	assert_int_equal(status_of(sim, "POST", VMS, VM("a")), 201);
	assert_int_equal(status_of(sim, "POST", VMS, VM("b")), 201);
	assert_int_equal(status_of(sim, "POST", rows[1].path, VM("a")), 201);
	assert_int_equal(status_of(sim, "POST", IMAGES, VM("a")), 201);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct result r = send_request(sim, "GET", rows[i].path, NULL);

		assert_int_equal(r.reply.status, 200);
		assert_int_equal(json_array_size(json_object_get(r.body, "items")), rows[i].n);
		done(&r);
	}
	assert_int_equal(status_of(sim, "GET", API "/namespaces/ml/" BINDINGS, NULL), 404);
	assert_int_equal(
		status_of(sim, "GET", API "/namespaces/ml/clustervirtualmachineimages", NULL), 404);
	assert_int_equal(status_of(sim, "GET",
				   "/apis/vmoperator.vmware.com/v1alpha1/namespaces/ml/" BINDINGS,
				   NULL),
			 200);
}

/* --- memory and the corpus ------------------------------------------------------------------ */

/* Whatever allocation fails, the failure is told, and the object is the old or the new one. */
static void expect_each_allocation_may_fail(const char *method, const char *target,
					    const char *body)
{
	bool failed = true;
	size_t n = 0;

	for (; failed && n < 5000; n++) {
		NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
		struct headers h = as_user(sim, "admin");
		struct np_err err = NP_ERR_INIT;
		struct result r;
		int rc;

		h.content_type = strcmp(method, "PATCH") == 0 ? MERGE : JSON;
		allocations_left = n;
		rc = try_request(sim, &h, method, target, body, &r, &err);
		failed = allocations_left == SIZE_MAX;
		allocations_left = SIZE_MAX;
		if (rc < 0)
			assert_int_equal(err.code, NP_E_NOMEM);
		else if (r.reply.status >= 300)
			fail_msg("%s, allocation %zu: %u %s", method, n, r.reply.status,
				 r.reply.body);
		done(&r);
		if (rc < 0)
			assert_int_equal(status_of(sim, "GET", GPU, NULL), 200);
	}
	assert_in_range(n, 20, 4999);
}

static void test_sim__each_allocation_may_fail(void **state)
{
	(void)state;
	json_set_alloc_funcs(json_malloc, free);
	expect_each_allocation_may_fail("GET", ML "?labelSelector=a%3Db&limit=1", NULL);
	expect_each_allocation_may_fail("POST", VMS, VM("a"));
	expect_each_allocation_may_fail("GET", VMS, NULL);
	expect_each_allocation_may_fail("POST", ML,
					CLASS("other", ",\"spec\":{\"configSpec\":{}}"));
	expect_each_allocation_may_fail("PATCH", GPU "?fieldManager=x",
					"{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
					"\"x\":1,\"hardware\":{\"cpus\":8}}}");
	json_set_alloc_funcs(malloc, free);
}

static void test_sim__the_corpus_replays(void **state)
{
	static const char folder[] = "pkg/sim/testdata/corpus";
	DIR *d = opendir(folder);
	const struct dirent *e;
	unsigned n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		struct np_err err = NP_ERR_INIT;
		NP_AUTO(np_freep) char *bytes = NULL;
		char path[400];
		size_t size;

		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		assert_int_equal(np_file_load(path, 1 << 20, &bytes, &size, &err), 0);
		LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
		n++;
	}
	closedir(d);
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__answers_as_the_real_server_words_them),
		cmocka_unit_test(test_sim__objects_are_shown_in_the_version_asked_for),
		cmocka_unit_test(test_sim__merge_patches_do_what_the_rfc_says),
		cmocka_unit_test(test_sim__json_patches_do_what_the_rfc_says),
		cmocka_unit_test(test_sim__a_patch_that_changes_nothing_is_no_write),
		cmocka_unit_test(test_sim__generation_counts_changes_of_the_spec_alone),
		cmocka_unit_test(test_sim__nulls_of_a_config_spec_are_kept),
		cmocka_unit_test(test_sim__managed_fields_follow_the_writer),
		cmocka_unit_test(test_sim__pages_hold_each_object_once),
		cmocka_unit_test(test_sim__selectors_select),
		cmocka_unit_test(test_sim__a_watch_tells_what_happens),
		cmocka_unit_test(test_sim__a_watch_ends_in_time_or_is_told_that_it_is_too_late),
		cmocka_unit_test(test_sim__users_may_what_their_verbs_say),
		cmocka_unit_test(test_sim__a_token_that_is_none_is_refused),
		cmocka_unit_test(test_sim__what_cannot_be_accepted_is_not_made),
		cmocka_unit_test(test_sim__faults_meet_what_they_match),
		cmocka_unit_test(test_sim__faults_take_effect_as_they_say),
		cmocka_unit_test(test_sim__a_concurrent_writer_makes_the_version_stale),
		cmocka_unit_test(test_sim__a_huge_body_has_the_bytes_asked_for),
		cmocka_unit_test(test_sim__faults_that_are_none_are_refused_and_change_nothing),
		cmocka_unit_test(test_sim__the_log_tells_requests_and_no_token),
		cmocka_unit_test_setup_teardown(test_sim__a_state_folder_brings_all_back,
						set_up_folder, tear_down_folder),
		cmocka_unit_test_setup_teardown(test_sim__a_state_folder_that_is_spoilt_is_told,
						set_up_folder, tear_down_folder),
		cmocka_unit_test_setup_teardown(test_sim__a_token_file_adds_users, set_up_folder,
						tear_down_folder),
		cmocka_unit_test(test_sim__documents_are_loaded),
		cmocka_unit_test(test_sim__documents_that_the_api_would_refuse_are_told),
		cmocka_unit_test(test_sim__with_namespaces_given_no_other_is_there),
		cmocka_unit_test(test_sim__an_old_supervisor_has_classes_without_namespace),
		cmocka_unit_test(test_sim__vms_are_kept_without_a_schema),
		cmocka_unit_test(test_sim__lists_of_other_kinds_keep_to_their_namespace_and_kind),
		cmocka_unit_test(test_sim__each_allocation_may_fail),
		cmocka_unit_test(test_sim__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
