/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"
/* Reading by list and by requests for each class: the same results. */

enum { TEXT_MAX = 1 << 18, DISCOVERY = 2 };

/* Answers a status in place of a path's. */
#define FAULT(path, status)                                                                   \
	"[{\"match\": {\"method\": \"GET\", \"path\": \"*/virtualmachineclasses" path "\"}, " \
	"\"fault\": \"status\", \"status\": " status ", \"count\": 0}]"
#define NO_LIST FAULT("", "403")

/* Writes the classes "c000", ..., or others with another letter. */
static void add_classes(char *text, char letter, size_t n)
{
	size_t used = strlen(text);

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, TEXT_MAX - used, CLASS("%c%03zu", A100),
					 letter, i);
	assert_true(used < TEXT_MAX - 1);
}

/* Writes a pool of each class. */
static void add_pools(char *text, size_t n)
{
	size_t used = strlen(text);

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, TEXT_MAX - used, POOL("p%03zu", "c%03zu", ""),
					 i, i);
	assert_true(used < TEXT_MAX - 1);
}

/* Opens a session with so many classes before "c000", so many from there on, and pools of those. */
static void open_many(struct session *x, size_t n_before, size_t n_classes, size_t n_pools)
{
	char *classes = calloc(1, TEXT_MAX), *pools = calloc(1, TEXT_MAX);

	assert_non_null(classes);
	assert_non_null(pools);
	add_classes(classes, 'a', n_before);
	add_classes(classes, 'c', n_classes);
	add_pools(pools, n_pools);
	open_session(x, classes, pools);
	free(classes);
	free(pools);
}

static struct np_fetched fetch(struct session *x)
{
	struct np_fetched f = { 0 };

	if (np_sync_fetch(&x->store, &x->pools, &f, &x->err) < 0)
		fail_msg("%s", x->err.text);
	return f;
}

static void assert_same(const struct np_fetched *a, const struct np_fetched *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(np_doc_name(a->items[i].doc), np_doc_name(b->items[i].doc));
		assert_true(json_equal(a->items[i].node.json, b->items[i].node.json));
	}
}

/* The requests that reading takes, and that what is read is the same as without a list. */
static void test_list__gives_what_requests_for_each_class_give(void **state)
{
	static const struct {
		const char *name;
		size_t n_before, n_classes, n_pools, requests;
	} rows[] = {
		{ "few classes are asked for one by one", 0, 8, 8, 8 },
		{ "many are listed", 0, 9, 9, 1 },
		{ "two pages", 0, 600, 600, 2 },
		{ "a class that is missing is asked for", 0, 11, 12, 1 + 1 },
		{ "few of many, on the first page", 0, 300, 10, 1 },
		{ "of mostly other classes the first page, then each", 300, 10, 10, 1 + 10 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct session x;
		struct np_fetched by_list, by_get;

		print_message("# %s\n", rows[i].name);
		open_many(&x, rows[i].n_before, rows[i].n_classes, rows[i].n_pools);
		by_list = fetch(&x);
		assert_int_equal(supervisor_count(&x.s, NULL), DISCOVERY + rows[i].requests);
		supervisor_faults(&x.s, NO_LIST);
		by_get = fetch(&x);
		assert_same(&by_list, &by_get);
		np_sync_fetched_done(&by_list);
		np_sync_fetched_done(&by_get);
		close_session(&x);
	}
}

static void change_once(void *ctx, enum np_sync_stage stage, size_t done, size_t total)
{
	struct session *x = ctx;

	(void)total;
	if (stage == NP_SYNC_WRITING && done == 0)
		supervisor_patch(&x->s, ITEM("c005"),
				 "{\"metadata\":{\"labels\":{\"who\":\"other\"}}}");
}

/* Another client changes a class between the list and the write: the same result, and nothing is lost. */
static void test_list__apply_writes_the_same(void **state)
{
	static const char *const faults[] = { "[]", NO_LIST };
	static const char wanted[] = "c005: patched 2";
	char results_of[2][1024];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct session x;
		char label[32] = "";
		json_t *class;

		open_many(&x, 0, 12, 12);
		supervisor_faults(&x.s, faults[i]);
		x.o.progress.progress = change_once;
		x.o.progress.ctx = &x;
		assert_int_equal(run(&x), 0);
		results(&x, results_of[i], sizeof(results_of[i]));
		class = supervisor_get(&x.s, ITEM("c005"));
		snprintf(label, sizeof(label), "%s",
			 json_string_value(json_object_get(
				 json_object_get(json_object_get(class, "metadata"), "labels"),
				 "who")));
		assert_string_equal(label, "other");
		json_decref(class);
		assert_window(&x, ITEM("c005"), "512");
		close_session(&x);
	}
	assert_string_equal(results_of[0], results_of[1]);
	expect_has("results", results_of[0], wanted);
}

/* A list may break on a class that no pool names. */
static void test_list__is_done_without_where_it_fails(void **state)
{
	static const char *const faults[] = { FAULT("", "403"), FAULT("", "404"), FAULT("", "400"),
					      FAULT("", "410") };

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct np_fetched f;
		struct session x;

		open_many(&x, 0, 9, 9);
		supervisor_faults(&x.s, faults[i]);
		f = fetch(&x);
		assert_int_equal(f.n, 9);
		np_sync_fetched_done(&f);
		close_session(&x);
	}
}

/* The tokens of a list expire, those of the second one, too: each class is read once, by either way. */
static void test_list__is_done_without_where_its_tokens_expire(void **state)
{
	struct np_fetched f;
	struct session x;

	(void)state;
	open_many(&x, 0, 600, 600);
	supervisor_faults(
		&x.s, "[{\"match\": {\"method\": \"GET\", \"path\": \"*/virtualmachineclasses\"}, "
		      "\"fault\": \"status\", \"status\": 410, \"after\": 1, \"count\": 1},"
		      " {\"match\": {\"method\": \"GET\", \"path\": \"*/virtualmachineclasses\"}, "
		      "\"fault\": \"status\", \"status\": 410, \"after\": 2, \"count\": 0}]");
	f = fetch(&x);
	assert_int_equal(f.n, 600);
	assert_int_equal(supervisor_count(&x.s, NULL), DISCOVERY + 4 + 100);
	np_sync_fetched_done(&f);
	close_session(&x);
}

static void test_list__what_fails_for_each_class_fails_the_fetch(void **state)
{
	struct np_fetched f = { 0 };
	struct session x;

	(void)state;
	open_many(&x, 0, 9, 9);
	supervisor_faults(&x.s, FAULT("*", "401"));
	assert_int_equal(np_sync_fetch(&x.store, &x.pools, &f, &x.err), -NP_E_REFUSED);
	close_session(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list__gives_what_requests_for_each_class_give),
		cmocka_unit_test(test_list__apply_writes_the_same),
		cmocka_unit_test(test_list__is_done_without_where_it_fails),
		cmocka_unit_test(test_list__is_done_without_where_its_tokens_expire),
		cmocka_unit_test(test_list__what_fails_for_each_class_fails_the_fetch),
	};

	return cmocka_run_group_tests(tests, set_up_catalogue, tear_down_catalogue);
}
