/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue.h"
#include "expect.h"
#include "files.h"
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/gpu.h"

#include "cni_fuzz.c"

#include "failing_alloc.h"

#define CORPUS "pkg/cni/testdata/corpus"

/* --- the environment ------------------------------------------------------------------------- */

#define LONG_ID                                                         \
	"0123456789012345678901234567890123456789012345678901234567890" \
	"0123456789012345678901234567890123456789012345678901234567890" \
	"0123456789012345678901234567890123456789012345678901234567890" \
	"0123456789012345678901234567890123456789012345678901234567890123456789"

static const struct call_case {
	const char *what;
	struct np_cni_environment env;
	const char *part; /* of the message; NULL: it is right */
	enum np_cni_command command;
	const char *pod;
} call_cases[] = {
	{ "a command alone", { .command = "GC" }, NULL, NP_CNI_GC, "" },
	{ "empty ids are none", { "ADD", "", "", "" }, NULL, NP_CNI_ADD, "" },
	{ "a container of every kind of letter",
	  { "DEL", "0aZ_.-", NULL, NULL },
	  NULL,
	  NP_CNI_DEL,
	  "" },
	{ "an interface of 15 bytes",
	  { "ADD", "c", "abcdefghijklmno", NULL },
	  NULL,
	  NP_CNI_ADD,
	  "" },
	{ "a pod among other arguments",
	  { "ADD", "c", "e", "IgnoreUnknown=1;K8S_POD_NAME=p;;x;K8S_POD_NAMESPACE=n" },
	  NULL,
	  NP_CNI_ADD,
	  "n/p" },
	{ "a pod without namespace",
	  { "ADD", "c", "e", "K8S_POD_NAME=p" },
	  NULL,
	  NP_CNI_ADD,
	  "/p" },
	{ "a key that only begins alike",
	  { "ADD", "c", "e", "K8S_POD_NAMED=p" },
	  NULL,
	  NP_CNI_ADD,
	  "" },
	{ "a pod in bytes that are no text",
	  { "ADD", "c", "e", "K8S_POD_NAME=\377p\001;K8S_POD_NAMESPACE=\303" },
	  NULL,
	  NP_CNI_ADD,
	  "?/?p?" },
	{ "an interface in bytes that are no text",
	  { .command = "ADD", .ifname = "\377" },
	  "IFNAME",
	  NP_CNI_ADD,
	  "" },
	{ "no command", { .command = NULL }, "CNI_COMMAND is empty", NP_CNI_ADD, "" },
	{ "an unknown command", { .command = "Add" }, "'Add'", NP_CNI_ADD, "" },
	{ "a container that begins with '-'",
	  { .command = "ADD", .container = "-a" },
	  "'-a'",
	  NP_CNI_ADD,
	  "" },
	{ "a container with a letter beyond ASCII",
	  { .command = "ADD", .container = "\303\274" },
	  "CONTAINERID",
	  NP_CNI_ADD,
	  "" },
	{ "a container of 254 bytes",
	  { .command = "ADD", .container = LONG_ID },
	  "at most 253",
	  NP_CNI_ADD,
	  "" },
	{ "an interface of 16 bytes",
	  { .command = "ADD", .ifname = "abcdefghijklmnop" },
	  "at most 15",
	  NP_CNI_ADD,
	  "" },
	{ "an interface that is '.'", { .command = "ADD", .ifname = "." }, "'.'", NP_CNI_ADD, "" },
	{ "an interface with a slash",
	  { .command = "ADD", .ifname = "a/b" },
	  "'a/b'",
	  NP_CNI_ADD,
	  "" },
	{ "an interface with a tab",
	  { .command = "ADD", .ifname = "a\tb" },
	  "IFNAME",
	  NP_CNI_ADD,
	  "" },
};

static void test_cni__environment_is_checked(void **state)
{
	(void)state;
	assert_int_equal(strlen(LONG_ID), 253);
	for (size_t i = 0; i < COUNT(call_cases); i++) {
		const struct call_case *row = &call_cases[i];
		struct np_cni_environment env = row->env;
		struct np_cni_call call = { .container = "sentinel" };
		struct np_err err = NP_ERR_INIT;
		char too_long[NP_CNI_NAME_MAX + 2] = LONG_ID "x";
		int r;

		print_message("# %s\n", row->what);
		if (env.container && strcmp(env.container, LONG_ID) == 0)
			env.container = too_long;
		r = np_cni_call_read(&env, &call, &err);
		if (row->part) {
			assert_int_equal(r, -NP_E_USAGE);
			expect_has(row->what, err.text, row->part);
			assert_string_equal(call.container, "sentinel");
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(call.command, row->command);
		assert_string_equal(call.pod, row->pod);
	}
}

/* --- the configuration ----------------------------------------------------------------------- */

static int parse(enum np_cni_command command, const char *text, struct np_cni_config *ret,
		 enum np_cni_version *ret_version, struct np_err *err)
{
	return np_cni_config_parse(command, text, strlen(text), "node-7", ret, ret_version, err);
}

static void must_parse(enum np_cni_command command, const char *text, struct np_cni_config *ret)
{
	enum np_cni_version version;
	struct np_err err = NP_ERR_INIT;

	if (parse(command, text, ret, &version, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(version, ret->version);
}

static void test_cni__every_key_is_read(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };

	(void)state;
	must_parse(
		NP_CNI_ADD,
		"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"instance\":\"i\",\"specFile\":\"/s\","
		"\"planFile\":\"/p\",\"logFile\":\"/l\",\"dryRun\":true,\"maxWindowGB\":1024,\"timeout\":\"1m30s\","
		"\"supervisor\":{\"kubeconfig\":\"/k\",\"context\":\"c\",\"namespace\":\"ns\","
		"\"server\":\"s\",\"tokenFile\":\"/t\",\"caFile\":\"/ca\"}}",
		&c);
	assert_int_equal(c.version, NP_CNI_1_0_0);
	assert_string_equal(c.name, "n");
	assert_string_equal(c.instance, "i");
	assert_string_equal(c.spec_file, "/s");
	assert_string_equal(c.plan_file, "/p");
	assert_string_equal(c.log_file, "/l");
	assert_true(c.dry_run);
	assert_true(c.max_window_gb == 1024);
	assert_true(c.timeout_ms == 90000);
	assert_string_equal(c.supervisor.kubeconfig, "/k");
	assert_string_equal(c.supervisor.context, "c");
	assert_string_equal(c.supervisor.ns, "ns");
	assert_string_equal(c.supervisor.server, "s");
	assert_string_equal(c.supervisor.token_file, "/t");
	assert_string_equal(c.supervisor.ca_file, "/ca");
	assert_true(np_cni_has_pools(&c));
	assert_false(c.has_valid);
}

static void test_cni__vcenter_takes_the_place_of_a_kubeconfig(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };

	(void)state;
	must_parse(
		NP_CNI_ADD,
		"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"instance\":\"i\",\"specFile\":\"/s\","
		"\"stateDir\":\"/var/x\",\"supervisor\":{\"vcenter\":{\"url\":\"https://v\","
		"\"usernameFile\":\"/u\",\"passwordFile\":\"/p\",\"caFile\":\"/ca\"}}}",
		&c);
	assert_string_equal(c.state_dir, "/var/x");
	assert_string_equal(c.supervisor.vcenter.url, "https://v");
	assert_string_equal(c.supervisor.vcenter.username_file, "/u");
	assert_string_equal(c.supervisor.vcenter.password_file, "/p");
	assert_string_equal(c.supervisor.vcenter.ca_file, "/ca");
	assert_null(c.supervisor.kubeconfig);
}

static void test_cni__unset_keys_have_defaults(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };

	(void)state;
	must_parse(NP_CNI_DEL,
		   "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"timeout\":null,\"nodePool\":null}",
		   &c);
	assert_string_equal(c.instance, "node-7");
	assert_true(c.timeout_ms == NP_CNI_TIMEOUT_MS);
	assert_false(c.dry_run);
	assert_true(c.max_window_gb == 0);
	assert_false(np_cni_has_pools(&c));
	assert_null(c.supervisor.kubeconfig);
}

#define HEAD "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"specFile\":\"/s\","

static const struct bad_case {
	const char *what, *text;
	enum np_code code;
	const char *part;
} bad_cases[] = {
	{ "nothing", "", NP_E_DECODE, "empty" },
	{ "a number", "5", NP_E_DECODE, "object" },
	{ "half an object", "{\"name\":", NP_E_DECODE, "configuration:1:" },
	{ "YAML", "name: n", NP_E_DECODE, "not valid JSON" },
	{ "a zero escape", HEAD "\"x\":\"\\u0000\"}", NP_E_DECODE, "JSON" },
	{ "no version", "{\"name\":\"n\"}", NP_E_VERSION, "0.1.0" },
	{ "an unknown version", "{\"cniVersion\":\"1.2.0\"}", NP_E_VERSION, "'1.2.0'" },
	{ "a version that is null", "{\"cniVersion\":null}", NP_E_SPEC, "cniVersion" },
	{ "no name", "{\"cniVersion\":\"1.1.0\",\"specFile\":\"/s\"}", NP_E_SPEC,
	  "name is missing" },
	{ "a name that begins with a dot", "{\"cniVersion\":\"1.1.0\",\"name\":\".n\"}", NP_E_SPEC,
	  "'.n'" },
	{ "a key twice", HEAD "\"name\":\"m\"}", NP_E_SPEC, "name" },
	{ "a near key", HEAD "\"logfile\":\"/l\"}", NP_E_SPEC, "did you mean 'logFile'" },
	{ "a nearer key", HEAD "\"supervisr\":{}}", NP_E_SPEC, "did you mean 'supervisor'" },
	{ "a near key of the supervisor", HEAD "\"supervisor\":{\"tokenfile\":\"/t\"}}", NP_E_SPEC,
	  "'tokenFile'" },
	{ "a near key of vCenter", HEAD "\"supervisor\":{\"vcenter\":{\"URL\":\"v\"}}}", NP_E_SPEC,
	  "unknown key 'supervisor.vcenter.URL': did you mean 'url'?" },
	{ "an unknown key of vCenter",
	  HEAD "\"supervisor\":{\"vcenter\":{\"url\":\"v\",\"datacenter\":\"d\"}}}", NP_E_SPEC,
	  "known are caFile, passwordFile, url and usernameFile" },
	{ "a vCenter without address", HEAD "\"supervisor\":{\"vcenter\":{}}}", NP_E_SPEC,
	  "supervisor.vcenter has no url" },
	{ "a vCenter that is a text", HEAD "\"supervisor\":{\"vcenter\":\"v\"}}", NP_E_SPEC,
	  "vcenter" },
	{ "vCenter beside a kubeconfig",
	  HEAD "\"supervisor\":{\"vcenter\":{\"url\":\"v\"},\"kubeconfig\":\"/k\"}}", NP_E_SPEC,
	  "supervisor.kubeconfig and supervisor.vcenter are mutually exclusive" },
	{ "an unknown key of the supervisor", HEAD "\"supervisor\":{\"x\":1}}", NP_E_SPEC,
	  "known are caFile" },
	{ "an empty path", HEAD "\"planFile\":\"\"}", NP_E_SPEC, "planFile is ''" },
	{ "a path that is a number", HEAD "\"planFile\":1}", NP_E_SPEC, "configuration:1:" },
	{ "a negative time", HEAD "\"timeout\":-1}", NP_E_SPEC, "'-1'" },
	{ "a time that is a fraction", HEAD "\"timeout\":1.5}", NP_E_SPEC, "'1.5'" },
	{ "a time of an hour and more", HEAD "\"timeout\":3601}", NP_E_SPEC, "'3601'" },
	{ "a maximum of 0", HEAD "\"maxWindowGB\":0}", NP_E_SPEC, "'0'" },
	{ "a maximum beyond every window", HEAD "\"maxWindowGB\":65537}", NP_E_SPEC, "'65537'" },
	{ "a maximum that is a text", HEAD "\"maxWindowGB\":\"1\"}", NP_E_SPEC, "maxWindowGB" },
	{ "a near key of the maximum", HEAD "\"maxWindowGb\":1}", NP_E_SPEC, "'maxWindowGB'" },
	{ "an instance beyond ASCII", HEAD "\"instance\":\"\303\274\"}", NP_E_SPEC, "instance" },
	{ "an instance with a blank", HEAD "\"instance\":\"a b\"}", NP_E_SPEC, "'a b'" },
	{ "capabilities that are a list", HEAD "\"capabilities\":[1]}", NP_E_SPEC,
	  "configuration" },
	{ "a previous result that is a text", HEAD "\"prevResult\":\"x\"}", NP_E_SPEC,
	  "configuration" },
	{ "a previous result of an old version", HEAD "\"prevResult\":{\"cniVersion\":\"0.3.1\"}}",
	  NP_E_VERSION, "'0.3.1'" },
	{ "pools twice", HEAD "\"nodePool\":{}}", NP_E_SPEC, "exclusive" },
	{ "no pools", "{\"cniVersion\":\"1.1.0\",\"name\":\"n\"}", NP_E_SPEC, "nodePool" },
	{ "a pool that is true", "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"nodePool\":true}",
	  NP_E_SPEC, "nodePool" },
	{ "nothing in a list of pools",
	  "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"nodePool\":[null]}", NP_E_SPEC,
	  "nodePool[0]" },
};

static void test_cni__bad_configuration_is_refused_with_its_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const struct bad_case *row = &bad_cases[i];
		struct np_cni_config c = { .name = "sentinel" };
		enum np_cni_version version = NP_CNI_0_4_0;
		struct np_err err = NP_ERR_INIT;

		print_message("# %s\n", row->what);
		assert_int_equal(parse(NP_CNI_ADD, row->text, &c, &version, &err), -(int)row->code);
		expect_has(row->what, err.text, row->part);
		assert_string_equal(c.name, "sentinel");
		assert_int_equal(version, row->code != NP_E_DECODE && strstr(row->text, "1.1.0")
						  ? NP_CNI_1_1_0
						  : NP_CNI_0_4_0);
	}
}

static void test_cni__invalid_host_name_is_an_error(void **state)
{
	static const char text[] = "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"specFile\":\"/s\"}";
	struct np_cni_config c = { 0 };
	enum np_cni_version version;
	struct np_err err = NP_ERR_INIT;

	(void)state;
	assert_int_equal(
		np_cni_config_parse(NP_CNI_ADD, text, strlen(text), "", &c, &version, &err),
		-NP_E_SPEC);
	expect_has("an empty host name", err.text, "set instance");
}

static void test_cni__commands_of_1_1_0_need_it(void **state)
{
	static const enum np_cni_command commands[] = { NP_CNI_GC, NP_CNI_STATUS };

	(void)state;
	for (size_t i = 0; i < COUNT(commands); i++) {
		struct np_cni_config c = { 0 };
		enum np_cni_version version;
		struct np_err err = NP_ERR_INIT;

		assert_int_equal(parse(commands[i], "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", &c,
				       &version, &err),
				 -NP_E_VERSION);
		assert_int_equal(version, NP_CNI_1_0_0);
	}
}

static void test_cni__pools_are_read_with_positions(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };
	NP_AUTO(np_pool_input_done) struct np_input in = { 0 };
	struct np_err err = NP_ERR_INIT;

	(void)state;
	must_parse(NP_CNI_ADD,
		   "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"nodePool\":["
		   "{\"apiVersion\":\"nodeprep.dev/v1alpha1\",\"kind\":\"NodePool\","
		   "\"metadata\":{\"name\":\"a\"},\"spec\":{\"vmClass\":\"x\"}},"
		   "{\"apiVersion\":\"nodeprep.dev/v1alpha1\",\"kind\":\"NodePool\","
		   "\"metadata\":{\"name\":\"b\"},\"spec\":{\"vmClas\":\"x\"}}]}",
		   &c);
	assert_int_equal(np_cni_add_pools(&c, catalogue, &in, &err), -NP_E_SPEC);
	expect_has("a misspelt field", err.text, "nodePool[1]:1:");
	expect_has("a misspelt field", err.text, "vmClass");
	assert_int_equal(in.n_pools, 1);
	assert_string_equal(in.pools[0].name, "a");
}

/* --- holders --------------------------------------------------------------------------------- */

static const struct holder_case {
	const char *what, *container, *ifname, *holder;
} holder_cases[] = {
	{ "neither", NULL, NULL, "cni/n/node-7" },
	{ "a container", "c", NULL, "cni/n/node-7/c" },
	{ "an interface", NULL, "e", "cni/n/node-7//e" },
	{ "both", "c", "e", "cni/n/node-7/c/e" },
};

static void test_cni__holder_names_what_is_given(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };
	char buf[NP_CNI_HOLDER_MAX];

	(void)state;
	must_parse(NP_CNI_DEL, "{\"cniVersion\":\"1.1.0\",\"name\":\"n\"}", &c);
	for (size_t i = 0; i < COUNT(holder_cases); i++) {
		struct np_cni_call call = { .container = holder_cases[i].container,
					    .ifname = holder_cases[i].ifname };

		print_message("# %s\n", holder_cases[i].what);
		np_cni_holder(&c, &call, buf);
		assert_string_equal(buf, holder_cases[i].holder);
	}
}

static void test_cni__longest_holder_is_whole(void **state)
{
	struct np_cni_config c = { .name = LONG_ID, .instance = LONG_ID };
	struct np_cni_call call = { .container = LONG_ID, .ifname = "abcdefghijklmno" };
	char buf[NP_CNI_HOLDER_MAX];

	(void)state;
	np_cni_holder(&c, &call, buf);
	assert_int_equal(strlen(buf), 4 + 3 * NP_CNI_NAME_MAX + 3 + 15);
	assert_string_equal(buf + strlen(buf) - 15, "abcdefghijklmno");
}

#define GC(list) "{\"cniVersion\":\"1.1.0\",\"name\":\"n\"" list "}"
#define VALID(list) ",\"cni.dev/valid-attachments\":" list
#define OLD(list) ",\"cni.dev/attachments\":" list

static const struct stale_case {
	const char *what, *text, *holder;
	bool stale;
} stale_cases[] = {
	{ "no list", GC(""), "cni/n/node-7/c/e", false },
	{ "a list that is null", GC(VALID("null")), "cni/n/node-7/c/e", false },
	{ "an empty list", GC(VALID("[]")), "cni/n/node-7/c/e", true },
	{ "an empty list of the older spelling", GC(OLD("[]")), "cni/n/node-7/c/e", true },
	{ "listed", GC(VALID("[{\"containerID\":\"c\",\"ifname\":\"e\"}]")), "cni/n/node-7/c/e",
	  false },
	{ "listed under the older spelling",
	  GC(VALID("[]") OLD("[{\"containerID\":\"c\",\"ifname\":\"e\"}]")), "cni/n/node-7/c/e",
	  false },
	{ "another interface", GC(VALID("[{\"containerID\":\"c\",\"ifname\":\"f\"}]")),
	  "cni/n/node-7/c/e", true },
	{ "a container that begins alike", GC(VALID("[{\"containerID\":\"c\",\"ifname\":\"e\"}]")),
	  "cni/n/node-7/cc/e", true },
	{ "a container that is the beginning",
	  GC(VALID("[{\"containerID\":\"cc\",\"ifname\":\"e\"}]")), "cni/n/node-7/c/e", true },
	{ "a holder without interface, its container listed",
	  GC(VALID("[{\"containerID\":\"c\",\"ifname\":\"f\"}]")), "cni/n/node-7/c", false },
	{ "a holder without interface, its container gone", GC(VALID("[]")), "cni/n/node-7/c",
	  true },
	{ "a holder without ids", GC(VALID("[]")), "cni/n/node-7", false },
	{ "a holder of an interface alone", GC(VALID("[]")), "cni/n/node-7//e", false },
	{ "another instance", GC(VALID("[]")), "cni/n/node-8/c/e", false },
	{ "an instance that begins alike", GC(VALID("[]")), "cni/n/node-77/c/e", false },
	{ "another network", GC(VALID("[]")), "cni/nn/node-7/c/e", false },
	{ "another kind of holder", GC(VALID("[]")), "apply", false },
	{ "a hook", GC(VALID("[]")), "hook/n/node-7/c/e", false },
};

static void test_cni__attachments_that_the_list_lacks_are_stale(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(stale_cases); i++) {
		NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };

		print_message("# %s\n", stale_cases[i].what);
		must_parse(NP_CNI_GC, stale_cases[i].text, &c);
		assert_int_equal(np_cni_is_stale(&c, stale_cases[i].holder), stale_cases[i].stale);
	}
}

/* --- what goes out --------------------------------------------------------------------------- */

static const struct result_case {
	const char *what, *text, *expect;
} result_cases[] = {
	{ "nothing before, 0.4.0", "{\"cniVersion\":\"0.4.0\",\"name\":\"n\"}",
	  "{\"cniVersion\":\"0.4.0\",\"interfaces\":[],\"ips\":[],\"routes\":[],\"dns\":{},"
	  "\"nodeprep.dev/plan\":{\"x\":1}}\n" },
	{ "unchanged, in its order",
	  "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"prevResult\":{\"z\":1.0,\"cniVersion\":\"1.1.0\",\"a\":null}}",
	  "{\"z\":1.0,\"cniVersion\":\"1.1.0\",\"a\":null,\"nodeprep.dev/plan\":{\"x\":1}}\n" },
	{ "without a version",
	  "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"prevResult\":{\"ips\":[]}}",
	  "{\"ips\":[],\"cniVersion\":\"1.0.0\",\"nodeprep.dev/plan\":{\"x\":1}}\n" },
	{ "down to 0.4.0",
	  "{\"cniVersion\":\"0.4.0\",\"name\":\"n\",\"prevResult\":{\"cniVersion\":\"1.0.0\",\"ips\":"
	  "[{\"address\":\"10.0.0.1/8\"},{\"address\":\"fd00::1/8\"}]}}",
	  "{\"cniVersion\":\"0.4.0\",\"ips\":[{\"address\":\"10.0.0.1/8\",\"version\":\"4\"},"
	  "{\"address\":\"fd00::1/8\",\"version\":\"6\"}],\"nodeprep.dev/plan\":{\"x\":1}}\n" },
	{ "up from 0.4.0",
	  "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"prevResult\":{\"cniVersion\":\"0.4.0\",\"ips\":"
	  "[{\"version\":\"4\",\"address\":\"10.0.0.1/8\"}]}}",
	  "{\"cniVersion\":\"1.1.0\",\"ips\":[{\"address\":\"10.0.0.1/8\"}],\"nodeprep.dev/plan\":{\"x\":1}}\n" },
	{ "a plan that stood there goes",
	  "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"prevResult\":{\"nodeprep.dev/plan\":7,\"cniVersion\":\"1.1.0\"}}",
	  "{\"nodeprep.dev/plan\":{\"x\":1},\"cniVersion\":\"1.1.0\"}\n" },
};

static void test_cni__result_is_the_previous_one_and_the_plan(void **state)
{
	json_auto_t *plan = json_pack("{s:i}", "x", 1);

	(void)state;
	for (size_t i = 0; i < COUNT(result_cases); i++) {
		NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };
		NP_AUTO(np_freep) char *text = NULL;
		struct np_err err = NP_ERR_INIT;

		print_message("# %s\n", result_cases[i].what);
		must_parse(NP_CNI_DEL, result_cases[i].text, &c);
		assert_int_equal(np_cni_result(&c, plan, &text, &err), 0);
		assert_string_equal(text, result_cases[i].expect);
	}
}

static void test_cni__error_has_the_four_fields(void **state)
{
	NP_AUTO(np_freep) char *text = np_cni_error(NP_CNI_1_0_0, 101, "a \"b\"\n", "");

	(void)state;
	assert_string_equal(
		text,
		"{\"cniVersion\":\"1.0.0\",\"code\":101,\"msg\":\"a \\\"b\\\"\\n\",\"details\":\"\"}\n");
}

static void test_cni__version_comes_back(void **state)
{
	static const struct {
		const char *sent, *expect;
	} rows[] = {
		{ "", "1.1.0" },
		{ "{}", "1.1.0" },
		{ "{\"cniVersion\":\"0.4.0\"}", "0.4.0" },
		{ "{\"cniVersion\":\"7\"}", "7" },
	};
	struct np_err err = NP_ERR_INIT;
	char *text = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char expect[128];

		snprintf(
			expect, sizeof(expect),
			"{\"cniVersion\":\"%s\",\"supportedVersions\":[\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n",
			rows[i].expect);
		assert_int_equal(
			np_cni_version_answer(rows[i].sent, strlen(rows[i].sent), &text, &err), 0);
		assert_string_equal(text, expect);
		free(text);
		text = NULL;
	}
	assert_int_equal(np_cni_version_answer("[]", 2, &text, &err), -NP_E_DECODE);
	assert_null(text);
}

/* --- memory, and the corpus ------------------------------------------------------------------ */

static const char gc_text[] =
	"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"instance\":\"i\",\"prevResult\":{\"cniVersion\":\"0.4.0\","
	"\"ips\":[{\"version\":\"4\"}]},\"cni.dev/valid-attachments\":[{\"containerID\":\"c\"}],\"nodePool\":"
	"{\"apiVersion\":\"nodeprep.dev/v1alpha1\",\"kind\":\"NodePool\",\"metadata\":{\"name\":\"a\"},"
	"\"spec\":{\"vmClass\":\"x\"}}}";

static void expect_each_may_fail(int (*step)(const struct np_cni_config *c, struct np_err *err),
				 const struct np_cni_config *c, struct failing f, size_t least)
{
	while (next_round(&f)) {
		struct np_err err = NP_ERR_INIT;
		int r;

		fail_allocation(&f);
		r = step(c, &err);
		stop_failing(&f);
		assert_int_equal(err.code, f.failed ? NP_E_NOMEM : NP_OK);
		assert_int_equal(r, np_err_ret(&err));
	}
	assert_true(f.rounds >= least);
}

static int parse_step(const struct np_cni_config *unused, struct np_err *err)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };
	enum np_cni_version version;

	(void)unused;
	return parse(NP_CNI_GC, gc_text, &c, &version, err);
}

static int result_step(const struct np_cni_config *c, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *plan = json_object();

	return plan ? np_cni_result(c, plan, &text, err) : np_fail_nomem(err);
}

/* Not within jansson's parser, which takes some failures for the end of a word. */
static void test_cni__each_allocation_may_fail(void **state)
{
	NP_AUTO(np_cni_config_done) struct np_cni_config c = { 0 };

	(void)state;
	expect_each_may_fail(parse_step, NULL, (struct failing)FAILING_SPARES_JANSSON, 5);
	must_parse(NP_CNI_GC, gc_text, &c);
	expect_each_may_fail(result_step, &c, (struct failing)FAILING_INIT, 15);
}

static void test_cni__corpus_holds(void **state)
{
	(void)state;
	assert_true(replay_corpus(CORPUS, LLVMFuzzerTestOneInput) >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cni__environment_is_checked),
		cmocka_unit_test(test_cni__every_key_is_read),
		cmocka_unit_test(test_cni__vcenter_takes_the_place_of_a_kubeconfig),
		cmocka_unit_test(test_cni__unset_keys_have_defaults),
		cmocka_unit_test(test_cni__bad_configuration_is_refused_with_its_code),
		cmocka_unit_test(test_cni__invalid_host_name_is_an_error),
		cmocka_unit_test(test_cni__commands_of_1_1_0_need_it),
		cmocka_unit_test(test_cni__pools_are_read_with_positions),
		cmocka_unit_test(test_cni__holder_names_what_is_given),
		cmocka_unit_test(test_cni__longest_holder_is_whole),
		cmocka_unit_test(test_cni__attachments_that_the_list_lacks_are_stale),
		cmocka_unit_test(test_cni__result_is_the_previous_one_and_the_plan),
		cmocka_unit_test(test_cni__error_has_the_four_fields),
		cmocka_unit_test(test_cni__version_comes_back),
		cmocka_unit_test(test_cni__each_allocation_may_fail),
		cmocka_unit_test(test_cni__corpus_holds),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
