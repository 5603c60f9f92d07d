/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "files.h"
#include "internal.h"

#include <sys/stat.h>

#include "nodeprep/json.h"
#include "nodeprep/sync.h"

#include "../vcenter/testbed.h"

/*
 * vCenter's answers are recorded, so each test says what the server shows between two requests. The state directory
 * is a real one.
 */

#define UUID "b61dd26c-7c1f-4b1a-8a0d-0b7f3f9f1a55"
#define CLASS_PATH "/api/vcenter/namespace-management/virtual-machine-classes/gpu"

#define DEVICE                                                                                \
	"\"deviceChange\":[{\"_typeName\":\"VirtualDeviceConfigSpec\",\"operation\":\"add\"," \
	"\"device\":{\"_typeName\":\"VirtualPCIPassthrough\",\"key\":-200,\"backing\":{"      \
	"\"_typeName\":\"VirtualPCIPassthroughVmiopBackingInfo\",\"vgpu\":\"grid_a100-40c\"}}}]"
#define INFO(description, spec, rest)                                                              \
	"{\"id\":\"gpu\",\"cpu_count\":8,\"memory_MB\":65536,\"description\":\"" description "\"," \
	"\"config_spec\":{\"_typeName\":\"VirtualMachineConfigSpec\"," DEVICE spec "}" rest        \
	",\"namespaces\":[\"ml\"]}"
#define KEY(key, value)                                                                \
	"{\"_typeName\":\"OptionValue\",\"key\":\"" key "\",\"value\":{\"_typeName\":" \
	"\"string\",\"_value\":\"" value "\"}}"
#define PREPARED                                                                             \
	",\"firmware\":\"efi\",\"memoryReservationLockedToMax\":true,\"extraConfig\":[" KEY( \
		"pciPassthru.use64bitMMIO", "TRUE") "," KEY("pciPassthru.64bitMMIOSizeGB",   \
							    "512") "]"
#define FULL ",\"memory_reservation\":100"
#define BEFORE INFO("one", "", "")
#define AFTER INFO("one", PREPARED, FULL)

#define GET(info)                       \
	{                               \
		"200 OK", NULL, info, 0 \
	}
#define PATCHED                                 \
	{                                       \
		"204 No Content", NULL, NULL, 0 \
	}
#define LOGIN                                           \
	{                                               \
		"201 Created", NULL, "\"token-one\"", 0 \
	}
#define LOGOUT PATCHED
#define LOST                        \
	{                           \
		NULL, NULL, NULL, 0 \
	}

/* A run with its answers, and the state directory. */
struct session {
	struct vc vc;
	char folder[32];
	struct np_state *state;
	struct np_class_store store;
	struct np_input pools;
	struct np_sync a;
	struct np_err err;
};

static void open_session(struct session *x)
{
	static const char pools[] = "apiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"
				    "metadata: {name: w, namespace: ml}\nspec: {vmClass: gpu}\n";

	*x = (struct session){ .folder = "/tmp/nodeprep-test-XXXXXX", .err = NP_ERR_INIT };
	assert_non_null(mkdtemp(x->folder));
	if (np_state_new(&(struct np_state_options){ .dir = x->folder }, &x->state, &x->err) < 0 ||
	    np_pool_input_parse(&x->pools, catalogue, "pools.yaml", pools, strlen(pools), &x->err) <
		    0 ||
	    np_pool_input_finish(&x->pools, &x->err) < 0)
		fail_msg("%s", x->err.text);
}

/* Ends the client with its answers; another one may follow. */
static void end_answers(struct session *x)
{
	np_vcenter_free(np_take(x->vc.v));
	if (x->vc.bed.server.port)
		server_stop(&x->vc.bed.server);
	certificate_done(&x->vc.cert);
	x->vc = (struct vc){ .v = NULL };
	np_sync_done(&x->a);
}

static void close_session(struct session *x)
{
	end_answers(x);
	np_pool_input_done(&x->pools);
	np_state_free(x->state);
	assert_int_equal(setenv("D", x->folder, 1), 0);
	assert_int_equal(system("rm -r $D"), 0); /* NOLINT(cert-env33-c): a constant */
}

/* Applies or reverts; returns the class's result and the errors' code as "patched 1 ok". */
static const char *run(struct session *x, const struct step *steps, size_t n, bool revert,
		       char buf[static 64])
{
	const struct np_sync_options o = {
		.plan = { .catalogue = catalogue, .holder = "apply", .revert = revert }
	};
	const struct np_sync_outcome *r;

	vc_start(&x->vc, steps, n);
	x->store = np_sync_store_vcenter(x->vc.v, x->state);
	x->err = (struct np_err)NP_ERR_INIT;
	if (np_sync_run(&x->store, &x->pools, &o, &x->a, &x->err) < 0) {
		snprintf(buf, 64, "%s", np_code_name(x->err.code));
		return buf;
	}
	r = x->a.classes;
	assert_non_null(r);
	snprintf(buf, 64, "%s %u %s", np_sync_result_name(r->result), r->attempts,
		 np_code_name(r->error.code));
	x->err = r->error;
	return buf;
}

/* Returns the methods of the class's requests: "GET GET PATCH GET". */
static const char *methods(const struct session *x, char buf[static 128])
{
	const struct server *s = &x->vc.bed.server;
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < s->n && i < REQUESTS_MAX; i++) {
		const char *blank = strchr(s->requests[i], ' ');

		if (strncmp(blank + 1, CLASS_PATH " ", strlen(CLASS_PATH " ")) == 0)
			used += (size_t)snprintf(buf + used, 128 - used, "%s%.*s",
						 used > 0 ? " " : "", (int)(blank - s->requests[i]),
						 s->requests[i]);
	}
	return buf;
}

/* Returns the class's record, a new reference; NULL where there is none. */
static json_t *read_record(struct session *x)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" UUID "/gpu.json", x->folder);
	return json_load_file(path, 0, NULL);
}

/* Compares what a record has: "record", "record next", "next", "". */
static void assert_record(struct session *x, const char *wanted)
{
	json_auto_t *record = read_record(x);
	char buf[32];

	snprintf(buf, sizeof(buf), "%s%s",
		 json_is_object(json_object_get(record, "record")) ? "record" : "",
		 json_is_object(json_object_get(record, "next")) ? " next" : "");
	assert_string_equal(buf, wanted);
}

static bool has_warning(const struct session *x, enum np_warning_id id)
{
	const struct np_warnings *w = &x->a.plan.classes[0].warnings;

	for (size_t i = 0; i < w->n; i++)
		if (w->items[i].warning == id)
			return true;
	return false;
}

/* --- the requests ---------------------------------------------------------------------------- */

#define FOREIGN INFO("two", "", "")
#define BOTH INFO("two", PREPARED, FULL)
#define OTHER_FORM INFO("one", PREPARED ",\"vAppConfigRemoved\":false", FULL)
#define UNDONE INFO("three", "", FULL)
#define BOTH_LATER INFO("three", PREPARED, FULL)

static const struct write_case {
	const char *title;
	struct step steps[STEPS_MAX];
	size_t n;
	const char *result, *methods, *record;
	bool is_reported; /* concurrent-change */
} write_cases[] = {
	{ "nobody else writes",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), PATCHED, GET(AFTER), LOGOUT },
	  7,
	  "patched 1 ok",
	  "GET GET PATCH GET",
	  "record",
	  false },
	{ "an up-to-date class that was never ours is not written",
	  { ABOUT, LOGIN, GET(AFTER), LOGOUT },
	  4,
	  "unchanged 0 ok",
	  "GET",
	  "",
	  false },
	{ "a change before the write is planned with",
	  { ABOUT, LOGIN, GET(BEFORE), GET(FOREIGN), GET(FOREIGN), PATCHED, GET(BOTH), LOGOUT },
	  8,
	  "patched 1 ok",
	  "GET GET GET PATCH GET",
	  "record",
	  false },
	{ "a change after the write is kept, and no loss",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), PATCHED, GET(BOTH), LOGOUT },
	  7,
	  "patched 1 ok",
	  "GET GET PATCH GET",
	  "record",
	  false },
	{ "the server's own form of the class is no foreign change",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), PATCHED, GET(OTHER_FORM), LOGOUT },
	  7,
	  "patched 1 ok",
	  "GET GET PATCH GET",
	  "record",
	  false },
	{ "a lost change is written again and reported",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), PATCHED, GET(UNDONE), GET(UNDONE), PATCHED,
	    GET(BOTH_LATER), LOGOUT },
	  10,
	  "patched 2 ok",
	  "GET GET PATCH GET GET PATCH GET",
	  "record",
	  true },
	{ "a rejected change leaves no record",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), { "403 Forbidden", NULL, "{}", 0 }, LOGOUT },
	  6,
	  "failed 1 forbidden",
	  "GET GET PATCH",
	  "",
	  false },
	{ "a change without answer was made",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), LOST, GET(AFTER), LOGOUT },
	  7,
	  "patched 1 ok",
	  "GET GET PATCH GET",
	  "record",
	  false },
	{ "a change without answer was not made",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), LOST, GET(BEFORE), GET(BEFORE), PATCHED,
	    GET(AFTER), LOGOUT },
	  10,
	  "patched 2 ok",
	  "GET GET PATCH GET GET PATCH GET",
	  "record",
	  false },
	{ "a server that keeps nothing is not asked for ever",
	  { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), PATCHED, GET(BEFORE), GET(BEFORE), PATCHED,
	    GET(BEFORE), GET(BEFORE), PATCHED, GET(BEFORE), LOGOUT },
	  13,
	  "failed 3 refused",
	  "GET GET PATCH GET GET PATCH GET GET PATCH GET",
	  " next",
	  true },
	{ "a class that is gone",
	  { ABOUT,
	    LOGIN,
	    GET(BEFORE),
	    { "404 Not Found", NULL, "{\"error_type\":\"NOT_FOUND\",\"messages\":[]}", 0 },
	    LOGOUT },
	  5,
	  "failed 0 not-found",
	  "GET GET",
	  "",
	  false },
};

static void test_write__is_read_before_and_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(write_cases); i++) {
		const struct write_case *c = &write_cases[i];
		struct session x;
		char result[64], seen[128];

		open_session(&x);
		run(&x, c->steps, c->n, false, result);
		if (strcmp(result, c->result) != 0 || strcmp(methods(&x, seen), c->methods) != 0)
			fail_msg("%s: %s, %s: %s", c->title, result, methods(&x, seen), x.err.text);
		if (has_warning(&x, NP_WARNING_CONCURRENT_CHANGE) != c->is_reported)
			fail_msg("%s: concurrent-change", c->title);
		assert_record(&x, c->record);
		close_session(&x);
	}
}

/* The body has each member that GET gave and a PATCH may have. */
static void test_write__sends_every_member(void **state)
{
	static const struct step steps[] = { ABOUT,   LOGIN,      GET(BEFORE), GET(BEFORE),
					     PATCHED, GET(AFTER), LOGOUT };
	struct session x;
	char result[64];
	json_auto_t *sent = NULL, *wanted = json_loads(AFTER, 0, NULL);

	(void)state;
	open_session(&x);
	run(&x, steps, COUNT(steps), false, result);
	sent = json_loads(strstr(x.vc.bed.server.requests[4], "\r\n\r\n") + 4, 0, NULL);
	json_object_del(wanted, "id");
	json_object_del(wanted, "namespaces");
	assert_true(json_equal(sent, wanted));
	close_session(&x);
}

static void test_write__is_undone_by_the_record(void **state)
{
	static const struct step apply[] = { ABOUT,   LOGIN,      GET(BEFORE), GET(BEFORE),
					     PATCHED, GET(AFTER), LOGOUT };
	static const struct step again[] = { ABOUT, LOGIN, GET(AFTER), LOGOUT };
	static const struct step revert[] = { ABOUT,   LOGIN,       GET(AFTER), GET(AFTER),
					      PATCHED, GET(BEFORE), LOGOUT };
	static const struct step nothing[] = { ABOUT, LOGIN, GET(BEFORE), LOGOUT };
	struct session x;
	char result[64];

	(void)state;
	open_session(&x);
	assert_string_equal(run(&x, apply, COUNT(apply), false, result), "patched 1 ok");
	end_answers(&x);
	assert_string_equal(run(&x, again, COUNT(again), false, result), "unchanged 0 ok");
	end_answers(&x);
	assert_string_equal(run(&x, revert, COUNT(revert), true, result), "patched 1 ok");
	assert_record(&x, "");
	end_answers(&x);
	assert_string_equal(run(&x, nothing, COUNT(nothing), true, result), "unchanged 0 ok");
	close_session(&x);
}

/* Reads the classes that pools of these names use; returns the error's code. */
static enum np_code fetch(struct session *x, const char *const *names, size_t n,
			  const struct step *steps, size_t n_steps, struct np_fetched *ret)
{
	char pools[1024] = "";
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(pools + used, sizeof(pools) - used,
					 "---\napiVersion: nodeprep.dev/v1alpha1\nkind: NodePool\n"
					 "metadata: {name: p%zu, namespace: ml}\n"
					 "spec: {vmClass: %s}\n",
					 i, names[i]);
	np_pool_input_done(&x->pools);
	x->pools = (struct np_input){ .n_pools = 0 };
	x->err = (struct np_err)NP_ERR_INIT;
	if (np_pool_input_parse(&x->pools, catalogue, "pools.yaml", pools, used, &x->err) < 0 ||
	    np_pool_input_finish(&x->pools, &x->err) < 0)
		fail_msg("%s", x->err.text);
	vc_start(&x->vc, steps, n_steps);
	x->store = np_sync_store_vcenter(x->vc.v, x->state);
	np_sync_fetch(&x->store, &x->pools, ret, &x->err);
	return x->err.code;
}

/* Few classes are asked for one by one, many by one list; a class that is missing is left out. */
static void test_fetch__reads_each_class_or_one_list(void **state)
{
	static const struct step each[] = { ABOUT,
					    LOGIN,
					    { "404 Not Found", NULL,
					      "{\"error_type\":\"NOT_FOUND\"}", 0 },
					    GET(BEFORE),
					    LOGOUT };
	static const struct step list[] = { ABOUT, LOGIN, GET("[" BEFORE "]"), LOGOUT };
	static const char *const few[] = { "big", "gpu", "Not_An_Id" };
	static const char *const many[] = { "a", "b", "c", "gpu", "Not_An_Id" };
	struct session x;

	(void)state;
	open_session(&x);
	for (unsigned i = 0; i < 2; i++) {
		NP_AUTO(np_sync_fetched_done) struct np_fetched f = { 0 };
		enum np_code code = i == 0 ? fetch(&x, few, 3, each, COUNT(each), &f)
					   : fetch(&x, many, 5, list, COUNT(list), &f);

		if (code != NP_OK)
			fail_msg("%s", x.err.text);
		assert_int_equal(f.n, 1);
		assert_int_equal(x.vc.bed.server.n, i == 0 ? 4 : 3);
		end_answers(&x);
	}
	close_session(&x);
}

/* Each login with a wrong password brings the account nearer to its lock. */
static void test_fetch__a_rejected_login_is_tried_once(void **state)
{
	static const struct step steps[] = {
		ABOUT, { "401 Unauthorized", NULL, "{\"error_type\":\"UNAUTHENTICATED\"}", 0 }
	};
	static const char *const names[] = { "a", "b", "c" };
	NP_AUTO(np_sync_fetched_done) struct np_fetched f = { 0 };
	struct session x;

	(void)state;
	open_session(&x);
	assert_int_equal(fetch(&x, names, 3, steps, COUNT(steps), &f), NP_E_REFUSED);
	assert_int_equal(x.vc.bed.server.n, 2);
	close_session(&x);
}

/* --- records that a killed process left ------------------------------------------------------ */

static void save_record(struct session *x, const json_t *record, const json_t *next, bool pending)
{
	char path[128];
	json_auto_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:O?}", "apiVersion",
					"nodeprep.dev/v1alpha1", "kind", "ClassRecord", "vcenter",
					UUID, "class", "gpu", "memoryMB", 65536, "record", record);

	if (!record)
		json_object_set_new(object, "record", json_null());
	if (pending)
		json_object_set_new(object, "next", next ? np_json_ref(next) : json_null());
	snprintf(path, sizeof(path), "%s/" UUID "/gpu.json", x->folder);
	assert_int_equal(json_dump_file(object, path, 0), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* Whichever moment apply was killed at, the next apply completes and revert restores. */
static void test_killed__the_next_run_completes(void **state)
{
	static const struct step apply[] = { ABOUT,   LOGIN,      GET(BEFORE), GET(BEFORE),
					     PATCHED, GET(AFTER), LOGOUT };
	static const struct step again[] = { ABOUT, LOGIN, GET(AFTER), GET(AFTER), LOGOUT };
	static const struct step revert[] = { ABOUT,   LOGIN,       GET(AFTER), GET(AFTER),
					      PATCHED, GET(BEFORE), LOGOUT };
	static const struct step nothing[] = { ABOUT, LOGIN, GET(BEFORE), GET(BEFORE), LOGOUT };
	struct session x;
	char result[64];
	json_auto_t *file = NULL, *record = NULL;

	(void)state;
	open_session(&x);
	run(&x, apply, COUNT(apply), false, result);
	file = read_record(&x);
	record = json_incref(json_object_get(file, "record"));
	end_answers(&x);
	/* In apply, behind the PATCH: the record is settled without a write to the class. */
	save_record(&x, NULL, record, true);
	assert_string_equal(run(&x, again, COUNT(again), false, result), "unchanged 0 ok");
	assert_record(&x, "record");
	end_answers(&x);
	/* In apply, before the PATCH. */
	save_record(&x, NULL, record, true);
	assert_string_equal(run(&x, nothing, COUNT(nothing), true, result), "unchanged 0 ok");
	end_answers(&x);
	save_record(&x, NULL, record, true);
	assert_string_equal(run(&x, apply, COUNT(apply), false, result), "patched 1 ok");
	assert_record(&x, "record");
	end_answers(&x);
	/* In revert, before the PATCH, and behind it. */
	save_record(&x, record, NULL, true);
	assert_string_equal(run(&x, revert, COUNT(revert), true, result), "patched 1 ok");
	assert_record(&x, "");
	end_answers(&x);
	save_record(&x, record, NULL, true);
	assert_string_equal(run(&x, nothing, COUNT(nothing), true, result), "unchanged 0 ok");
	assert_record(&x, "");
	close_session(&x);
}

/* --- records that are not valid -------------------------------------------------------------- */

#define HEAD "{\"apiVersion\":\"nodeprep.dev/v1alpha1\",\"kind\":\"ClassRecord\","
#define OWN HEAD "\"vcenter\":\"" UUID "\",\"class\":\"gpu\","

static const struct {
	const char *title, *text, *has;
} invalid[] = {
	{ "no JSON", "record", "line 1, column 6: " },
	{ "nothing", "", "line 1, column 0: " },
	{ "a list", "[]", "it must be an object with apiVersion, kind" },
	{ "an unknown member", OWN "\"memoryMB\":1,\"record\":null,\"x\":1}", "alone" },
	{ "a member twice", OWN "\"memoryMB\":1,\"memoryMB\":1,\"record\":null}", "duplicate" },
	{ "another kind", "{\"apiVersion\":\"nodeprep.dev/v1alpha1\",\"kind\":\"Plan\"}",
	  "it is not a ClassRecord of nodeprep.dev/v1alpha1" },
	{ "another version", "{\"apiVersion\":\"nodeprep.dev/v2\",\"kind\":\"ClassRecord\"}",
	  "it is not a ClassRecord of nodeprep.dev/v1alpha1" },
	{ "another vCenter",
	  HEAD "\"vcenter\":\"x\",\"class\":\"gpu\",\"memoryMB\":1,\"record\":null}",
	  "it is of another vCenter or class" },
	{ "another class",
	  HEAD "\"vcenter\":\"" UUID "\",\"class\":\"big\",\"memoryMB\":1,\"record\":null}",
	  "it is of another vCenter or class" },
	{ "a memory that is a text", OWN "\"memoryMB\":\"1\",\"record\":null}",
	  "memoryMB must be a whole number" },
	{ "a memory below 0", OWN "\"memoryMB\":-1,\"record\":null}",
	  "memoryMB must be a whole number" },
	{ "a forged record",
	  OWN
	  "\"memoryMB\":1,\"record\":{\"pools\":{},\"before\":{\"/spec/hardware/cpus\":{\"value\":1,"
	  "\"set\":2}}}}",
	  "is not a field that nodeprep sets" },
	{ "a forged next record", OWN "\"memoryMB\":1,\"record\":null,\"next\":{\"pools\":[]}}",
	  "pools must be an object" },
};

static void save_text(struct session *x, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" UUID, x->folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/" UUID "/gpu.json", x->folder);
	save_file(path, text);
	assert_int_equal(chmod(path, 0600), 0);
}

static void test_invalid__nothing_is_written_from_such_a_record(void **state)
{
	static const struct step steps[] = { ABOUT, LOGIN, GET(BEFORE), LOGOUT };

	(void)state;
	for (size_t i = 0; i < COUNT(invalid); i++) {
		for (unsigned revert = 0; revert < 2; revert++) {
			const struct np_sync_options o = { .plan = { .catalogue = catalogue,
								     .holder = "apply",
								     .revert = revert > 0 } };
			struct session x;
			char seen[128];

			open_session(&x);
			save_text(&x, invalid[i].text);
			vc_start(&x.vc, steps, COUNT(steps));
			x.store = np_sync_store_vcenter(x.vc.v, x.state);
			assert_int_equal(np_sync_run(&x.store, &x.pools, &o, &x.a, &x.err), 0);
			assert_int_equal(np_plan_code(&x.a.plan), NP_E_RECORD);
			expect_has(invalid[i].title, x.a.plan.errors[0].text, invalid[i].has);
			expect_has(invalid[i].title, x.a.plan.errors[0].text,
				   "/" UUID "/gpu.json'");
			assert_string_equal(methods(&x, seen), "GET");
			close_session(&x);
		}
	}
}

/* The way out: the record goes, and the class stays as it is. */
static void test_invalid__a_record_can_be_discarded(void **state)
{
	static const struct step steps[] = { ABOUT, LOGIN, GET(AFTER), GET(AFTER), LOGOUT };
	const struct np_sync_options o = { .plan = { .catalogue = catalogue,
						     .holder = "apply",
						     .revert = true,
						     .discard_record = true,
						     .tolerate_record = true } };
	struct session x;
	char seen[128];

	(void)state;
	open_session(&x);
	save_text(&x, "{");
	vc_start(&x.vc, steps, COUNT(steps));
	x.store = np_sync_store_vcenter(x.vc.v, x.state);
	assert_int_equal(np_sync_run(&x.store, &x.pools, &o, &x.a, &x.err), 0);
	assert_string_equal(x.a.classes[0].error.text, "");
	assert_string_equal(methods(&x, seen), "GET GET");
	assert_null(read_record(&x));
	close_session(&x);
}

static bool is_any(void *ctx, const char *id, const char *holder)
{
	(void)ctx;
	(void)id;
	(void)holder;
	return true;
}

/* A release asks the records which classes are held, not vCenter. */
static void test_release__reads_the_classes_that_have_a_record(void **state)
{
	static const struct step apply[] = { ABOUT,   LOGIN,      GET(BEFORE), GET(BEFORE),
					     PATCHED, GET(AFTER), LOGOUT };
	static const struct step release[] = { ABOUT,   LOGIN,       GET(AFTER), GET(AFTER),
					       PATCHED, GET(BEFORE), LOGOUT };
	const struct np_release_scope scope = { .catalogue = catalogue, .releases = is_any };
	NP_AUTO(np_sync_release_done) struct np_release r = { 0 };
	struct session x;
	char text[128];

	(void)state;
	open_session(&x);
	run(&x, apply, COUNT(apply), false, text);
	end_answers(&x);
	vc_start(&x.vc, release, COUNT(release));
	x.store = np_sync_store_vcenter(x.vc.v, x.state);
	assert_int_equal(np_sync_release(&x.store, &scope, &r, &x.err), 0);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.classes[0].name, "gpu");
	assert_int_equal(r.classes[0].result, NP_SYNC_PATCHED);
	assert_string_equal(methods(&x, text), "GET GET PATCH GET");
	assert_record(&x, "");
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write__is_read_before_and_read_back),
		cmocka_unit_test(test_write__sends_every_member),
		cmocka_unit_test(test_write__is_undone_by_the_record),
		cmocka_unit_test(test_fetch__reads_each_class_or_one_list),
		cmocka_unit_test(test_fetch__a_rejected_login_is_tried_once),
		cmocka_unit_test(test_killed__the_next_run_completes),
		cmocka_unit_test(test_invalid__nothing_is_written_from_such_a_record),
		cmocka_unit_test(test_invalid__a_record_can_be_discarded),
		cmocka_unit_test(test_release__reads_the_classes_that_have_a_record),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
