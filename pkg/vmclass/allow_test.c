/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <bsd/string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/vmclass.h"

/* The corpus is replayed through the fuzz target itself. */
#include "allow_fuzz.c"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"

/* Whether the list allows namespace "team-a", and what the message says otherwise. */
static const struct list_row {
	const char *title;
	const char *list; /* as JSON; NULL: no annotation */
	bool allowed;
	const char *says;
} lists[] = {
	{ "no annotation", NULL, false, "nodeprep.dev/allowed-namespaces='team-a'" },
	{ "null", "null", false, "does not allow namespace 'team-a'" },
	{ "the namespace alone", "\"team-a\"", true, NULL },
	{ "the namespace among others", "\"ml,team-a,dev\"", true, NULL },
	{ "blanks around items", "\" ml ,\\tteam-a \"", true, NULL },
	{ "every namespace", "\"*\"", true, NULL },
	{ "every namespace among names", "\"ml,*\"", true, NULL },
	{ "others", "\"ml,dev\"", false, "nodeprep.dev/allowed-namespaces='ml,dev,team-a'" },
	{ "a name that begins alike", "\"team\"", false, "does not allow" },
	{ "a name that goes on", "\"team-ab\"", false, "does not allow" },
	{ "an empty list", "\"\"", false, "has the item ''" },
	{ "an empty item", "\"team-a,\"", false, "has the item ''" },
	{ "a pattern", "\"team-*\"", false, "has the item 'team-*'" },
	{ "capitals", "\"Team-A,team-a\"", false, "has the item 'Team-A'" },
	{ "another separator", "\"team-a;ml\"", false, "has the item 'team-a;ml'" },
	{ "blanks as separators", "\"ml team-a\"", false, "has the item 'ml team-a'" },
	{ "a path", "\"../team-a,team-a\"", false, "has the item '../team-a'" },
	{ "a hyphen at the end", "\"team-a,ml-\"", false, "has the item 'ml-'" },
	{ "a NUL behind it", "\"team-a\\u0000\"", false, "is not a string" },
	{ "a name of 63 bytes", "\"team-a," LABEL_63 "\"", true, NULL },
	{ "a name of 64 bytes", "\"team-a,x" LABEL_63 "\"", false, "has the item 'x" },
	{ "a number", "1", false, "is not a string" },
	{ "a list", "[\"team-a\"]", false, "is not a string" },
	{ "a truth", "true", false, "is not a string" },
};

static json_t *class_with(const char *list)
{
	json_t *annotations = json_object();

	if (list)
		json_object_set_new(annotations, NP_ALLOWED_ANNOTATION,
				    json_loads(list, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
	return json_pack("{s:{s:s, s:o}}", "metadata", "name", "gpu", "annotations", annotations);
}

static void test_allow__list_names_namespaces(void **state)
{
	static const struct np_vmclass_scope scope = { NULL, "gpu" };

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		json_t *class = class_with(lists[i].list);
		struct np_err why = NP_ERR_INIT;

		print_message("  %s\n", lists[i].title);
		assert_int_equal(np_vmclass_allows(class, &scope, "team-a", &why),
				 lists[i].allowed);
		assert_int_equal(why.code, lists[i].allowed ? NP_OK : NP_E_NOT_ALLOWED);
		if (lists[i].says && !strstr(why.text, lists[i].says))
			fail_msg("'%s' lacks '%s'", why.text, lists[i].says);
		json_decref(class);
	}
}

/* A long list is neither suggested nor cut into a command. */
static void test_allow__a_long_list_is_bounded(void **state)
{
	static const struct np_vmclass_scope scope = { "vns", "gpu" };
	static char names[20000];
	json_t *class = class_with("\"x\"");
	json_t *metadata = json_object_get(class, "metadata");
	json_t *annotations = json_object_get(metadata, "annotations");
	struct np_err why = NP_ERR_INIT;

	(void)state;
	while (strlen(names) < 400)
		strlcat(names, names[0] ? ",ml" : "ml", sizeof(names));
	json_object_set_new(annotations, NP_ALLOWED_ANNOTATION, json_string(names));
	assert_false(np_vmclass_allows(class, &scope, "team-a", &why));
	assert_null(strstr(why.text, "kubectl"));
	assert_non_null(
		strstr(why.text, "add it to the annotation nodeprep.dev/allowed-namespaces"));
	while (strlen(names) < 17000)
		strlcat(names, ",team-a", sizeof(names));
	json_object_set_new(annotations, NP_ALLOWED_ANNOTATION, json_string(names));
	assert_false(np_vmclass_allows(class, &scope, "team-a", &why));
	assert_non_null(strstr(why.text, "at most 16 KiB"));
	json_decref(class);
}

static void test_allow__own_namespace_needs_no_permission(void **state)
{
	static const struct np_vmclass_scope own = { "team-a", "gpu" }, other = { "ml", "gpu" };
	json_t *class = class_with(NULL);
	struct np_err why = NP_ERR_INIT;

	(void)state;
	assert_true(np_vmclass_allows(class, &own, "team-a", &why));
	assert_false(np_vmclass_allows(class, &other, "team-a", &why));
	assert_string_equal(
		why.text,
		"VirtualMachineClass 'gpu' is shared by several namespaces and does not allow namespace "
		"'team-a': its owner can run: kubectl annotate vmclass gpu -n ml --overwrite "
		"nodeprep.dev/allowed-namespaces='team-a'");
	json_decref(class);
}

static void test_allow__the_corpus_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/vmclass/testdata/corpus-allow", LLVMFuzzerTestOneInput) > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow__list_names_namespaces),
		cmocka_unit_test(test_allow__a_long_list_is_bounded),
		cmocka_unit_test(test_allow__own_namespace_needs_no_permission),
		cmocka_unit_test(test_allow__the_corpus_replays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
