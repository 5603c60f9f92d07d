/* SPDX-License-Identifier: Apache-2.0 */
#include "expect.h"
#include "files.h"
#include "supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/cni.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"

#define API "/apis/vmoperator.vmware.com/v1alpha6/namespaces/ml/virtualmachineclasses"
#define ITEM(name) API "/" name
#define MANAGED "nodeprep.dev/managed"

#define CLASS(name, more)                                                             \
	"---\n"                                                                       \
	"apiVersion: vmoperator.vmware.com/v1alpha6\n"                                \
	"kind: VirtualMachineClass\n"                                                 \
	"metadata: {name: " name ", namespace: ml" more "}\n"                         \
	"spec:\n"                                                                     \
	"  hardware: {cpus: 4, memory: 64Gi, devices: {dynamicDirectPathIODevices: [" \
	"{vendorID: 4318, deviceID: 8368}]}}\n"
#define GPU CLASS("gpu", "")
#define TWO GPU CLASS("other", "")
#define BROKEN CLASS("gpu", ", annotations: {nodeprep.dev/managed: '{'}")

#define POOL(name, class, rest)                                                               \
	"{\"apiVersion\": \"nodeprep.dev/v1alpha1\", \"kind\": \"NodePool\", \"metadata\": {" \
	"\"name\": \"" name                                                                   \
	"\", \"namespace\": \"ml\"}, \"spec\": {\"vmClass\": \"" class "\"" rest "}}"
#define W POOL("w", "gpu", "")
#define WITH(pool) "{\"nodePool\": " pool "}"

/* A process that a runtime calls again and again, and the server that it speaks to. */
struct world {
	struct supervisor s;
	const char *user; /* whose context the configuration names */
	const char *stdin_error; /* NULL: standard input is `config` */
	const char *log_error; /* NULL: the log can be opened */
	char *config;
	struct np_cni_host host;
	struct np_cni_answer answer;
	char log[16384], log_file[64], log_words[2048];
	char writes[1024];
};

static int read_config(void *ctx, char **ret, size_t *ret_size, struct np_err *err)
{
	const struct world *w = ctx;

	if (w->stdin_error)
		return np_fail(err, NP_E_IO, "%s", w->stdin_error);
	*ret = strdup(w->config);
	assert_non_null(*ret);
	*ret_size = strlen(*ret);
	return 0;
}

static int open_log(void *ctx, const char *path, const char *words, struct np_err *err)
{
	struct world *w = ctx;

	snprintf(w->log_file, sizeof(w->log_file), "%s", path ? path : "");
	snprintf(w->log_words, sizeof(w->log_words), "%s", words);
	return w->log_error ? np_fail(err, NP_E_IO, "%s", w->log_error) : 0;
}

static void log_text(void *ctx, const char *level, const char *text)
{
	struct world *w = ctx;
	size_t used = strlen(w->log);

	snprintf(w->log + used, sizeof(w->log) - used, "%s: %s\n", level, text);
}

static void log_plan(void *ctx, const struct np_plan *plan)
{
	char text[64];

	snprintf(text, sizeof(text), "plan of %zu", plan->n_classes);
	log_text(ctx, "info", text);
}

static void open_world(struct world *w, const char *classes)
{
	*w = (struct world){ .user = "admin",
			     .host = { .name = "host-1",
				       .read = read_config,
				       .open_log = open_log,
				       .log = log_text,
				       .log_plan = log_plan,
				       .ctx = w } };
	supervisor_start(&w->s, classes);
	supervisor_mark(&w->s);
}

static void close_world(struct world *w)
{
	np_cni_answer_done(&w->answer);
	free(w->config);
	supervisor_stop(&w->s);
}

/* Makes the configuration: a network with the server and the members of a JSON text, which win. */
static void configure(struct world *w, const char *members)
{
	json_auto_t *config = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "cniVersion", "1.1.0",
					"name", "net", "type", "nodeprep", "supervisor",
					"kubeconfig", w->s.kubeconfig, "context", w->user);
	json_auto_t *more = json_loads(members, 0, NULL);

	assert_non_null(config);
	assert_non_null(more);
	json_object_update(config, more);
	free(w->config);
	w->config = json_dumps(config, JSON_COMPACT);
}

/* Calls with the configuration as it is. */
static void run(struct world *w, const char *command, const char *container)
{
	w->log[0] = '\0';
	supervisor_mark(&w->s);
	np_cni_answer_done(&w->answer);
	w->host.environment = (struct np_cni_environment){ .command = command,
							   .container = container,
							   .ifname = container ? "eth0" : NULL };
	np_cni_run(&w->host, &w->answer);
}

static void call(struct world *w, const char *command, const char *container, const char *members)
{
	configure(w, members);
	run(w, command, container);
}

static void assert_ok(struct world *w)
{
	if (w->answer.code != 0)
		fail_msg("%s", np_cni_answer_text(&w->answer));
}

/* Expects an error object with the code, whose message or details contain `part`. */
static void assert_error(struct world *w, const char *what, unsigned code, const char *part)
{
	json_auto_t *object = json_loads(np_cni_answer_text(&w->answer), 0, NULL);
	char logged[NP_ERR_TEXT_MAX + 16];

	if (w->answer.code != code || json_integer_value(json_object_get(object, "code")) != code)
		fail_msg("%s: expected code %u, got %u: %s", what, code, w->answer.code,
			 np_cni_answer_text(&w->answer));
	assert_int_equal(json_object_size(object), 4);
	expect_has(what, np_cni_answer_text(&w->answer), part);
	snprintf(logged, sizeof(logged), "error: %s\n",
		 json_string_value(json_object_get(object, "msg")));
	expect_has(what, w->log, logged);
}

static void assert_writes(struct world *w, const char *wanted)
{
	assert_string_equal(supervisor_writes(&w->s, w->writes, sizeof(w->writes)), wanted);
}

/* Returns "POOL: HOLDER HOLDER, POOL: ..." of the class; "" where nobody holds it. */
static const char *holders_of(struct world *w, const char *path, char buf[static 1024])
{
	json_auto_t *class = supervisor_get(&w->s, path);
	json_t *meta = json_object_get(class, "metadata"), *entry, *holder;
	const char *text =
		json_string_value(json_object_get(json_object_get(meta, "annotations"), MANAGED));
	json_auto_t *record = text ? json_loads(text, 0, NULL) : NULL;
	const char *pool;
	size_t used = 0, i;

	buf[0] = '\0';
	json_object_foreach (json_object_get(record, "pools"), pool, entry) {
		used += (size_t)snprintf(buf + used, 1024 - used, "%s%s:", used > 0 ? ", " : "",
					 pool);
		json_array_foreach (json_object_get(entry, "holders"), i, holder)
			used += (size_t)snprintf(buf + used, 1024 - used, " %s",
						 json_string_value(holder));
	}
	return buf;
}

static void assert_holders(struct world *w, const char *path, const char *wanted)
{
	char buf[1024];

	assert_string_equal(holders_of(w, path, buf), wanted);
}

/* Returns the class without the members that each write changes; the caller's. */
static json_t *plain(struct world *w, const char *path)
{
	json_t *class = supervisor_get(&w->s, path);
	json_t *meta = json_object_get(class, "metadata");

	assert_non_null(class);
	json_object_del(meta, "resourceVersion");
	json_object_del(meta, "managedFields");
	json_object_del(meta, "generation");
	return class;
}

/* Returns the result of the plan's first class in ADD's answer: "patched". */
static const char *first_result(struct world *w, char buf[static 32])
{
	json_auto_t *answer = json_loads(np_cni_answer_text(&w->answer), 0, NULL);
	json_t *plan = json_object_get(answer, NP_CNI_PLAN_KEY);
	json_t *class = json_array_get(json_object_get(plan, "classes"), 0);
	const char *text = json_string_value(json_object_get(class, "result"));

	snprintf(buf, 32, "%s", text ? text : "");
	return buf;
}

/* --- ADD ------------------------------------------------------------------------------------- */

static void test_add__patches_once_and_a_second_add_writes_nothing(void **state)
{
	struct world w;
	char buf[32];

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", WITH(W));
	assert_ok(&w);
	assert_writes(&w, "PATCH gpu");
	assert_string_equal(first_result(&w, buf), "patched");
	assert_holders(&w, ITEM("gpu"), "ml/w: cni/net/host-1/c1/eth0");
	expect_has("log", w.log, "info: plan of 1\ninfo: class ml/gpu patched\n");
	assert_string_equal(w.log_words, "ADD cni/net/host-1/c1/eth0");
	run(&w, "ADD", "c1");
	assert_ok(&w);
	assert_writes(&w, "");
	assert_string_equal(first_result(&w, buf), "unchanged");
	assert_true(supervisor_count(&w.s, NULL) > 0);
	close_world(&w);
}

static void test_add__a_dry_run_writes_nothing(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", "{\"dryRun\": true, \"nodePool\": " W "}");
	assert_ok(&w);
	assert_writes(&w, "");
	assert_holders(&w, ITEM("gpu"), "");
	expect_has("log", w.log, "info: class ml/gpu would be patched (dryRun)\n");
	close_world(&w);
}

static void test_add__numbers_are_those_of_the_plan(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", WITH(W));
	assert_ok(&w);
	expect_has("answer", np_cni_answer_text(&w.answer), "\"overheadMB\":97.03,");
	close_world(&w);
}

static void test_add__a_window_beyond_the_maximum_is_an_error(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", "{\"maxWindowGB\": 256, \"nodePool\": " W "}");
	expect_has("answer", np_cni_answer_text(&w.answer), "\"code\":103");
	expect_has("answer", np_cni_answer_text(&w.answer), "configured maximum of 256 GB");
	assert_writes(&w, "");
	close_world(&w);
}

static void test_add__the_plan_goes_to_its_file(void **state)
{
	char path[] = "/tmp/nodeprep-test-XXXXXX", members[512];
	int fd = mkstemp(path);
	struct world w;
	char *plan;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	open_world(&w, GPU);
	snprintf(members, sizeof(members), "{\"planFile\": \"%s\", \"nodePool\": " W "}", path);
	call(&w, "ADD", "c1", members);
	assert_ok(&w);
	plan = load_file(path, NULL);
	expect_has("planFile", plan, "\"patched\"");
	free(plan);
	unlink(path);
	call(&w, "ADD", "c1", "{\"planFile\": \"/nonexistent/plan\", \"nodePool\": " W "}");
	assert_error(&w, "a folder that is not there", 5, "planFile: ");
	close_world(&w);
}

/* Another writer's change between read and write is kept. */
static void test_add__a_conflict_is_planned_again(void **state)
{
	static const char fault[] = "[{\"match\": {\"method\": \"PATCH\"}, "
				    "\"fault\": \"concurrent-write\", \"count\": 1}]";
	struct world w;

	(void)state;
	open_world(&w, GPU);
	supervisor_faults(&w.s, fault);
	call(&w, "ADD", "c1", WITH(W));
	assert_ok(&w);
	assert_writes(&w, "PATCH gpu, PATCH gpu");
	assert_holders(&w, ITEM("gpu"), "ml/w: cni/net/host-1/c1/eth0");
	close_world(&w);
}

/* --- DEL ------------------------------------------------------------------------------------- */

static void test_del__the_last_of_several_containers_restores_the_class(void **state)
{
	struct world w;
	json_t *before, *after;

	(void)state;
	open_world(&w, GPU);
	before = plain(&w, ITEM("gpu"));
	call(&w, "ADD", "c1", WITH(W));
	call(&w, "ADD", "c2", WITH(W));
	call(&w, "ADD", NULL, WITH(W));
	assert_ok(&w);
	assert_holders(&w, ITEM("gpu"),
		       "ml/w: cni/net/host-1 cni/net/host-1/c1/eth0 cni/net/host-1/c2/eth0");
	call(&w, "DEL", "c1", WITH(W));
	assert_ok(&w);
	assert_string_equal(np_cni_answer_text(&w.answer), "");
	assert_writes(&w, "PATCH gpu");
	assert_holders(&w, ITEM("gpu"), "ml/w: cni/net/host-1 cni/net/host-1/c2/eth0");
	run(&w, "DEL", NULL);
	run(&w, "DEL", "c2");
	assert_ok(&w);
	after = plain(&w, ITEM("gpu"));
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	close_world(&w);
}

static void test_del__is_idempotent(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "DEL", "c1", WITH(W));
	assert_ok(&w);
	assert_writes(&w, "");
	call(&w, "ADD", "c1", WITH(W));
	run(&w, "DEL", "c1");
	run(&w, "DEL", "c1");
	assert_ok(&w);
	assert_writes(&w, "");
	supervisor_delete(&w.s, ITEM("gpu"));
	run(&w, "DEL", "c1");
	assert_ok(&w);
	close_world(&w);
}

/* The class is found by its annotation, not by the pools that the configuration names now. */
static void test_del__needs_no_pools(void **state)
{
	static const char *const rows[] = {
		"{}",
		WITH(POOL("w", "other", "")),
		"{\"specFile\": \"/nonexistent/pools.yaml\"}",
		WITH(POOL("w", "gpu", ", \"unknown\": 1")),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct world w;

		open_world(&w, TWO);
		call(&w, "ADD", "c1", WITH(W));
		call(&w, "DEL", "c1", rows[i]);
		assert_ok(&w);
		assert_writes(&w, "PATCH gpu");
		assert_holders(&w, ITEM("gpu"), "");
		close_world(&w);
	}
}

static void test_del__a_dry_run_writes_nothing(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", WITH(W));
	call(&w, "DEL", "c1", "{\"dryRun\": true, \"nodePool\": " W "}");
	assert_ok(&w);
	assert_writes(&w, "");
	assert_holders(&w, ITEM("gpu"), "ml/w: cni/net/host-1/c1/eth0");
	close_world(&w);
}

static void test_del__an_api_that_is_gone_is_no_error(void **state)
{
	static const char fault[] = "[{\"match\": {\"path\": \"/apis/vmoperator*\"}, "
				    "\"fault\": \"status\", \"status\": 404, \"count\": 0}]";
	struct world w;

	(void)state;
	open_world(&w, GPU);
	supervisor_faults(&w.s, fault);
	call(&w, "DEL", "c1", WITH(W));
	assert_ok(&w);
	expect_has("log", w.log, "warning: api-missing: ");
	call(&w, "ADD", "c1", WITH(W));
	assert_error(&w, "ADD", 50, "vmoperator");
	call(&w, "CHECK", "c1", WITH(W));
	assert_error(&w, "CHECK", 50, "vmoperator");
	close_world(&w);
}

/* --- CHECK ----------------------------------------------------------------------------------- */

static void test_check__drift_is_named(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "CHECK", "c1", WITH(W));
	assert_error(&w, "before ADD", 101, "ml/gpu");
	call(&w, "ADD", "c1", WITH(W));
	call(&w, "CHECK", "c1", WITH(W));
	assert_ok(&w);
	assert_string_equal(np_cni_answer_text(&w.answer), "");
	supervisor_patch(&w.s, ITEM("gpu"),
			 "{\"spec\": {\"configSpec\": {\"firmware\": \"bios\"}}}");
	run(&w, "CHECK", "c1");
	assert_error(&w, "firmware", 101, "/spec/configSpec/firmware");
	assert_error(&w, "details", 101, "CHECK cni/net/host-1/c1/eth0");
	assert_writes(&w, "");
	call(&w, "ADD", "c1", WITH(W));
	run(&w, "CHECK", "c1");
	assert_ok(&w);
	run(&w, "CHECK", "c9");
	assert_error(&w, "another container", 101, "nodeprep.dev~1managed");
	close_world(&w);
}

/* --- GC -------------------------------------------------------------------------------------- */

#define GC(members) "{\"nodePool\": " W members "}"
#define VALID(list) ", \"cni.dev/valid-attachments\": [" list "]"
#define C(id) "{\"containerID\": \"" id "\", \"ifname\": \"eth0\"}"

static void test_gc__releases_what_the_list_lacks(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, TWO);
	call(&w, "ADD", NULL, WITH(W));
	call(&w, "ADD", "c1", WITH(W));
	call(&w, "ADD", "c2", WITH(W));
	call(&w, "ADD", "c3", WITH(POOL("v", "other", "")));
	call(&w, "ADD", "c2", "{\"instance\": \"host-2\", \"nodePool\": " W "}");
	call(&w, "ADD", "c2", "{\"name\": \"net2\", \"nodePool\": " W "}");
	assert_ok(&w);
	call(&w, "GC", NULL, WITH(W));
	assert_ok(&w);
	assert_int_equal(supervisor_count(&w.s, NULL), 0);
	call(&w, "GC", NULL, GC(VALID(C("c1") "," C("c3"))));
	assert_ok(&w);
	assert_string_equal(np_cni_answer_text(&w.answer), "");
	assert_writes(&w, "PATCH gpu");
	assert_holders(&w, ITEM("gpu"),
		       "ml/w: cni/net/host-1 cni/net/host-1/c1/eth0 cni/net/host-2/c2/eth0 "
		       "cni/net2/host-1/c2/eth0");
	/* An empty list keeps none of the containers; a class that no pool names is found too. */
	call(&w, "GC", NULL, GC(VALID("")));
	assert_ok(&w);
	assert_holders(&w, ITEM("other"), "");
	assert_holders(&w, ITEM("gpu"),
		       "ml/w: cni/net/host-1 cni/net/host-2/c2/eth0 cni/net2/host-1/c2/eth0");
	run(&w, "GC", NULL);
	assert_ok(&w);
	assert_writes(&w, "");
	close_world(&w);
}

static void test_gc__a_bad_list_releases_nothing(void **state)
{
	static const char *const rows[] = { "\"text\"", "{}", "[1]", "[{\"ifname\": \"eth0\"}]",
					    "[null]" };
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", WITH(W));
	for (size_t i = 0; i < COUNT(rows); i++) {
		char members[512];

		snprintf(members, sizeof(members),
			 "{\"nodePool\": " W ", \"cni.dev/valid-attachments\": %s}", rows[i]);
		call(&w, "GC", NULL, members);
		assert_error(&w, rows[i], 7, "configuration");
		assert_int_equal(supervisor_count(&w.s, NULL), 0);
	}
	assert_holders(&w, ITEM("gpu"), "ml/w: cni/net/host-1/c1/eth0");
	close_world(&w);
}

/* --- STATUS and VERSION ---------------------------------------------------------------------- */

static void test_status__whatever_would_stop_add_is_code_50(void **state)
{
	static const struct {
		const char *user, *members;
		unsigned code;
		const char *part;
	} rows[] = {
		{ "viewer", WITH(W), 50, "patch" },
		{ "nobody", WITH(W), 50, "get" },
		{ "admin", WITH(POOL("w", "gone", "")), 50, "gone" },
		{ "admin", WITH(POOL("w", "gpu", ", \"mmio\": {\"sizeGB\": 16}")), 50, "16" },
		{ "admin", "{}", 7, "nodePool" },
	};
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "STATUS", NULL, WITH(W));
	assert_ok(&w);
	assert_string_equal(np_cni_answer_text(&w.answer), "");
	assert_int_equal(supervisor_count(&w.s, "PATCH"), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		w.user = rows[i].user;
		call(&w, "STATUS", NULL, rows[i].members);
		assert_error(&w, rows[i].members, rows[i].code, rows[i].part);
		assert_int_equal(supervisor_count(&w.s, "PATCH"), 0);
	}
	close_world(&w);
}

static void test_version__asks_no_server(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, NULL);
	call(&w, "VERSION", NULL, "{\"cniVersion\": \"0.4.0\"}");
	assert_ok(&w);
	expect_has("answer", np_cni_answer_text(&w.answer), "\"cniVersion\":\"0.4.0\"");
	expect_has("answer", np_cni_answer_text(&w.answer), "\"supportedVersions\"");
	assert_int_equal(supervisor_count(&w.s, NULL), 0);
	close_world(&w);
}

/* --- errors ---------------------------------------------------------------------------------- */

#define LASTING(status)                                                                     \
	"[{\"match\": {\"method\": \"PATCH\"}, \"fault\": \"status\", \"status\": " #status \
	", \"count\": 0}]"
#define SHORT(pool) "{\"timeout\": 1, \"nodePool\": " pool "}"

static const struct error_row {
	const char *what, *classes, *user, *faults, *members;
	unsigned code;
	const char *part;
} error_rows[] = {
	{ "a file that is not there", GPU, "admin", NULL, "{\"specFile\": \"/nonexistent/p\"}", 5,
	  "/nonexistent/p" },
	{ "a kubeconfig that is not there", GPU, "admin", NULL,
	  "{\"supervisor\": {\"kubeconfig\": \"/nonexistent/k\"}, \"nodePool\": " W "}", 5,
	  "/nonexistent/k" },
	{ "a context that is not there", GPU, "nowhere", NULL, WITH(W), 7, "nowhere" },
	{ "no server", GPU, "admin", NULL, "{\"supervisor\": {}, \"nodePool\": " W "}", 7,
	  "set supervisor.kubeconfig" },
	{ "a GPU that the class lacks", GPU, "admin", NULL,
	  WITH(POOL("w", "gpu", ", \"gpus\": [{\"model\": \"T4\", \"count\": 1}]")), 7, "T4" },
	{ "a placeholder", GPU, "admin", NULL, WITH(POOL("w", "${CLASS}", "")), 7, "placeholder" },
	{ "a conflict that lasts", GPU, "admin", LASTING(409), SHORT(W), 11, "conflict" },
	{ "a server that is overloaded", GPU, "admin", LASTING(503), SHORT(W), 11,
	  "deadline of 1000 ms" },
	{ "a patch that the server rejects", GPU, "admin", LASTING(422), WITH(W), 50, "422" },
	{ "a class that is not there", GPU, "admin", NULL, WITH(POOL("w", "none", "")), 100,
	  "none" },
	{ "a user who may not patch", GPU, "viewer", NULL, WITH(W), 102, "patch" },
	{ "a user who may do nothing", GPU, "nobody", NULL, WITH(W), 102, "get" },
	{ "a window that is too small", GPU, "admin", NULL,
	  WITH(POOL("w", "gpu", ", \"mmio\": {\"sizeGB\": 16}")), 103, "16" },
	{ "a record that is not valid", BROKEN, "admin", NULL, WITH(W), 104, MANAGED },
};

static void test_errors__have_their_codes_and_no_effect(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(error_rows); i++) {
		const struct error_row *row = &error_rows[i];
		struct world w;
		json_t *before, *after;

		open_world(&w, row->classes);
		before = plain(&w, ITEM("gpu"));
		w.user = row->user;
		if (row->faults)
			supervisor_faults(&w.s, row->faults);
		call(&w, "ADD", "c1", row->members);
		assert_error(&w, row->what, row->code, row->part);
		supervisor_faults(&w.s, "[]");
		after = plain(&w, ITEM("gpu"));
		assert_true(json_equal(before, after));
		json_decref(before);
		json_decref(after);
		close_world(&w);
	}
}

/* The record of a class that the pools use is one error in every command. */
static void test_errors__an_invalid_record_is_code_104_in_every_command(void **state)
{
	static const char *const commands[] = { "ADD", "CHECK", "DEL" };
	struct world w;

	(void)state;
	open_world(&w, BROKEN);
	for (size_t i = 0; i < COUNT(commands); i++) {
		call(&w, commands[i], "c1", WITH(W));
		assert_error(&w, commands[i], 104, "is not a valid record");
		assert_writes(&w, "");
	}
	call(&w, "GC", NULL, GC(VALID("")));
	assert_error(&w, "GC", 104, "is not a valid record");
	/* It is a warning where no pool uses the class. */
	call(&w, "DEL", "c1", "{}");
	assert_ok(&w);
	expect_has("log", w.log, "warning: invalid-record: ");
	close_world(&w);
}

static void test_errors__the_details_name_the_others_and_the_call(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, GPU);
	call(&w, "ADD", "c1", WITH("[" POOL("a", "none", "") "," POOL("b", "nil", "") "]"));
	assert_error(&w, "first", 100, "'none'");
	assert_error(&w, "second", 100, "'nil'");
	assert_error(&w, "call", 100, "; ADD cni/net/host-1/c1/eth0\"");
	close_world(&w);
}

static void test_errors__of_the_process_are_answers_too(void **state)
{
	struct world w;
	const struct np_cni_answer no_memory = { .code = 11 };

	(void)state;
	open_world(&w, GPU);
	configure(&w, WITH(W));
	run(&w, "MAKE", "c1");
	assert_error(&w, "an unknown command", 4, "MAKE");
	run(&w, "ADD", "a/b");
	assert_error(&w, "a container with a slash", 4, "a/b");
	w.log_error = "logFile '/x': no";
	call(&w, "ADD", "c1", "{\"logFile\": \"/x\", \"nodePool\": " W "}");
	assert_error(&w, "a log that cannot be opened", 5, "logFile '/x'");
	assert_string_equal(w.log_file, "/x");
	w.stdin_error = "standard input is closed";
	run(&w, "ADD", "c1");
	assert_error(&w, "standard input", 5, "standard input is closed");
	assert_int_equal(supervisor_count(&w.s, NULL), 0);
	expect_has("no memory", np_cni_answer_text(&no_memory), "\"code\":11");
	close_world(&w);
}

/* Configurations that ask for no request; the text goes as it is. */
static const struct hostile_row {
	const char *what, *text;
	unsigned code;
} hostile_rows[] = {
	{ "nothing", "", 6 },
	{ "no end", "{", 6 },
	{ "YAML", "cniVersion: 1.1.0", 6 },
	{ "a list", "[]", 6 },
	{ "two values", "{} {}", 6 },
	{ "no UTF-8", "{\"name\": \"\xff\"}", 6 },
	{ "a NUL in a text", "{\"cniVersion\": \"1.1.0\", \"name\": \"a\\u0000b\"}", 6 },
	{ "no version", "{\"name\": \"net\"}", 1 },
	{ "a version to come", "{\"cniVersion\": \"9.9.9\", \"name\": \"net\"}", 1 },
	{ "a name with a slash", "{\"cniVersion\": \"1.1.0\", \"name\": \"../net\"}", 7 },
	{ "a key twice", "{\"cniVersion\": \"1.1.0\", \"name\": \"a\", \"name\": \"b\"}", 7 },
	{ "no pool", "{\"cniVersion\": \"1.1.0\", \"name\": \"net\"}", 7 },
	{ "a misspelt dryRun",
	  "{\"cniVersion\": \"1.1.0\", \"name\": \"net\", \"dryrun\": true, \"nodePool\": " W "}",
	  7 },
	{ "an instance with a slash",
	  "{\"cniVersion\": \"1.1.0\", \"name\": \"net\", \"instance\": \"a/b\", \"nodePool\": " W
	  "}",
	  7 },
	{ "a pool of an unknown kind",
	  "{\"cniVersion\": \"1.1.0\", \"name\": \"net\", \"nodePool\": {\"kind\": \"Secret\"}}",
	  7 },
};

static void test_hostile__configuration_causes_no_request(void **state)
{
	static const char *const commands[] = { "ADD", "CHECK", "STATUS" };
	struct world w;

	(void)state;
	open_world(&w, GPU);
	w.host.kube.kubeconfig_env = w.s.kubeconfig;
	for (size_t i = 0; i < COUNT(hostile_rows); i++) {
		for (size_t k = 0; k < COUNT(commands); k++) {
			free(w.config);
			w.config = strdup(hostile_rows[i].text);
			run(&w, commands[k], "c1");
			assert_error(&w, hostile_rows[i].what, hostile_rows[i].code, "msg");
			assert_int_equal(supervisor_count(&w.s, NULL), 0);
		}
	}
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add__patches_once_and_a_second_add_writes_nothing),
		cmocka_unit_test(test_add__a_dry_run_writes_nothing),
		cmocka_unit_test(test_add__numbers_are_those_of_the_plan),
		cmocka_unit_test(test_add__a_window_beyond_the_maximum_is_an_error),
		cmocka_unit_test(test_add__the_plan_goes_to_its_file),
		cmocka_unit_test(test_add__a_conflict_is_planned_again),
		cmocka_unit_test(test_del__the_last_of_several_containers_restores_the_class),
		cmocka_unit_test(test_del__is_idempotent),
		cmocka_unit_test(test_del__needs_no_pools),
		cmocka_unit_test(test_del__a_dry_run_writes_nothing),
		cmocka_unit_test(test_del__an_api_that_is_gone_is_no_error),
		cmocka_unit_test(test_check__drift_is_named),
		cmocka_unit_test(test_gc__releases_what_the_list_lacks),
		cmocka_unit_test(test_gc__a_bad_list_releases_nothing),
		cmocka_unit_test(test_status__whatever_would_stop_add_is_code_50),
		cmocka_unit_test(test_version__asks_no_server),
		cmocka_unit_test(test_errors__have_their_codes_and_no_effect),
		cmocka_unit_test(test_errors__an_invalid_record_is_code_104_in_every_command),
		cmocka_unit_test(test_errors__the_details_name_the_others_and_the_call),
		cmocka_unit_test(test_errors__of_the_process_are_answers_too),
		cmocka_unit_test(test_hostile__configuration_causes_no_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
