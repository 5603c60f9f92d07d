/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

#define OBJECT(version, text) \
	"{\"metadata\":{\"resourceVersion\":\"" version "\"},\"text\":\"" text "\"}"
#define OK(version, text)                                \
	{                                                \
		"200 OK", NULL, OBJECT(version, text), 0 \
	}
#define CONFLICT                                                                          \
	{                                                                                 \
		"409 Conflict", NULL, "{\"message\":\"the object has been modified\"}", 0 \
	}

#define LOST                        \
	{                           \
		NULL, NULL, NULL, 0 \
	}
#define FAILED(status)                                \
	{                                             \
		status, "Retry-After: 0\r\n", "{}", 0 \
	}
#define PUT_OFF                                        \
	{                                              \
		"429 Too Many Requests", NULL, "{}", 0 \
	}

/* Wants `text` to be "ours"; appends each text that it was shown. */
struct wish {
	char seen[256];
	enum np_code fails;
	unsigned fails_at; /* the call that fails, from 1 */
	unsigned calls;
};

static int wish_mutate(void *ctx, const json_t *object, json_t **ret_patch, struct np_err *err)
{
	struct wish *w = ctx;
	const char *text = json_string_value(json_object_get(object, "text"));

	w->calls++;
	strlcat(w->seen, text ? text : "-", sizeof(w->seen));
	strlcat(w->seen, " ", sizeof(w->seen));
	if (w->calls == w->fails_at)
		return np_fail(err, w->fails, "no such wish");
	if (!text || strcmp(text, "ours") != 0)
		*ret_patch = json_pack("{s:s}", "text", "ours");
	return 0;
}

static int update(struct bed *b, struct wish *w, struct np_kube_update how,
		  struct np_kube_updated *ret, struct np_err *err)
{
	how.resource = &classes;
	how.ns = "ml";
	how.name = "gpu";
	how.mutate = wish_mutate;
	how.ctx = w;
	return np_kube_update(b->k, &how, ret, err);
}

static void assert_text(const struct np_kube_updated *u, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(u->object, "text")), text);
}

/* What an update sends, shows to mutate() and returns, for what the server answers. */
static void test_update__reads_patches_and_retries(void **state)
{
	static const struct row {
		const char *name;
		struct step steps[6];
		size_t n_steps;
		enum np_dry_run dry_run;
		const char *seen, *text; /* shown to mutate(); of the result */
		size_t requests;
		unsigned attempts;
		bool changed, may_be_stored;
	} rows[] = {
		{ "an up-to-date object is not patched",
		  { OK("1", "ours") },
		  1,
		  NP_DRY_RUN_NONE,
		  "ours ",
		  "ours",
		  1,
		  0,
		  false,
		  false },
		{ "one read and one patch",
		  { OK("1", "old"), OK("2", "ours") },
		  2,
		  NP_DRY_RUN_NONE,
		  "old ",
		  "ours",
		  2,
		  1,
		  true,
		  false },
		{ "a dry run of the client sends nothing",
		  { OK("1", "old") },
		  1,
		  NP_DRY_RUN_CLIENT,
		  "old ",
		  "old",
		  1,
		  0,
		  true,
		  false },
		{ "a dry run of the server is sent",
		  { OK("1", "old"), OK("1", "ours") },
		  2,
		  NP_DRY_RUN_SERVER,
		  "old ",
		  "ours",
		  2,
		  1,
		  true,
		  false },
		{ "a conflict is solved on what another writer left",
		  { OK("1", "old"), CONFLICT, OK("2", "theirs"), CONFLICT, OK("3", "mine"),
		    OK("4", "ours") },
		  6,
		  NP_DRY_RUN_NONE,
		  "old theirs mine ",
		  "ours",
		  6,
		  3,
		  true,
		  false },
		{ "another writer may have made the same change",
		  { OK("1", "old"), CONFLICT, OK("2", "ours") },
		  3,
		  NP_DRY_RUN_NONE,
		  "old ours ",
		  "ours",
		  3,
		  1,
		  true,
		  false },
		{ "a patch whose answer is lost may be stored",
		  { OK("1", "old"), LOST, CONFLICT, OK("2", "ours") },
		  4,
		  NP_DRY_RUN_NONE,
		  "old ours ",
		  "ours",
		  4,
		  1,
		  true,
		  true },
		{ "a patch that the server puts off is not",
		  { OK("1", "old"), PUT_OFF, CONFLICT, OK("2", "ours") },
		  4,
		  NP_DRY_RUN_NONE,
		  "old ours ",
		  "ours",
		  4,
		  1,
		  true,
		  false },
		{ "nor is one that a busy server puts off",
		  { OK("1", "old"), FAILED("503 Service Unavailable"), CONFLICT, OK("2", "ours") },
		  4,
		  NP_DRY_RUN_NONE,
		  "old ours ",
		  "ours",
		  4,
		  1,
		  true,
		  false },
		{ "a server whose own deadline passed may have stored it",
		  { OK("1", "old"), FAILED("504 Gateway Timeout"), CONFLICT, OK("2", "ours") },
		  4,
		  NP_DRY_RUN_NONE,
		  "old ours ",
		  "ours",
		  4,
		  1,
		  true,
		  true },
		{ "a later conflict does not hide that it may be",
		  { OK("1", "old"), LOST, CONFLICT, OK("2", "theirs"), CONFLICT, OK("3", "ours") },
		  6,
		  NP_DRY_RUN_NONE,
		  "old theirs ours ",
		  "ours",
		  6,
		  2,
		  true,
		  true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct bed b = { 0 };
		struct wish w = { .calls = 0 };
		struct np_kube_updated u = { 0 };
		struct np_err err = NP_ERR_INIT;

		server_start(&b.server, row->steps, row->n_steps);
		bed_connect(&b, (struct np_kube_options){ 0 });
		if (update(&b, &w, (struct np_kube_update){ .dry_run = row->dry_run }, &u, &err))
			fail_msg("%s: %s", row->name, err.text);
		assert_string_equal(w.seen, row->seen);
		assert_text(&u, row->text);
		assert_int_equal(b.server.n, row->requests);
		assert_int_equal(u.attempts, row->attempts);
		assert_int_equal(u.changed, row->changed);
		assert_int_equal(u.may_be_stored, row->may_be_stored);
		assert_int_equal(!!strstr(b.server.requests[1], "dryRun=All"),
				 row->dry_run == NP_DRY_RUN_SERVER);
		np_kube_updated_done(&u);
		np_kube_free(b.k);
		server_stop(&b.server);
	}
}

/* Each patch names the version that it was computed from. */
static void test_update__a_patch_carries_the_version_it_was_computed_from(void **state)
{
	struct bed *b = *state;
	struct wish w = { .calls = 0 };
	struct np_kube_updated u = { 0 };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server,
		     STEPS(OK("7", "old"), CONFLICT, OK("8", "theirs"), OK("9", "ours")));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(update(b, &w, (struct np_kube_update){ 0 }, &u, &err), 0);
	ASSERT_HAS(b->server.requests[1],
		   "\r\n\r\n{\"text\":\"ours\",\"metadata\":{\"resourceVersion\":\"7\"}}");
	ASSERT_HAS(b->server.requests[3], "{\"resourceVersion\":\"8\"}");
	np_kube_updated_done(&u);
}

static void test_update__an_object_that_was_just_read_is_not_read_again(void **state)
{
	struct bed *b = *state;
	json_t *object = json_loads(OBJECT("5", "old"), 0, NULL);
	struct wish w = { .calls = 0 };
	struct np_kube_updated u = { 0 };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS(OK("6", "ours")));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(update(b, &w, (struct np_kube_update){ .object = object }, &u, &err), 0);
	assert_int_equal(b->server.n, 1);
	ASSERT_HAS(b->server.requests[0], "PATCH ");
	ASSERT_HAS(b->server.requests[0], "\"resourceVersion\":\"5\"");
	/* The caller's object is as it was. */
	assert_string_equal(json_string_value(json_object_get(object, "text")), "old");
	np_kube_updated_done(&u);
	json_decref(object);
}

/* What ends an update: its code, the requests and attempts made until then. */
static void test_update__errors_end_it(void **state)
{
	static const struct row {
		const char *name;
		struct step steps[4];
		size_t n_steps;
		struct wish wish;
		int result;
		const char *text;
		size_t requests;
		unsigned attempts;
	} rows[] = {
		{ "the object is not there",
		  { { "404 Not Found", NULL, "{}", 0 } },
		  1,
		  { .calls = 0 },
		  -NP_E_NOT_FOUND,
		  "gpu",
		  1,
		  0 },
		{ "the object vanishes in a conflict",
		  { OK("1", "old"), CONFLICT, { "404 Not Found", NULL, "{}", 0 } },
		  3,
		  { .calls = 0 },
		  -NP_E_NOT_FOUND,
		  "gpu",
		  3,
		  1 },
		{ "mutate() fails, whatever the code",
		  { OK("1", "old") },
		  1,
		  { .fails = NP_E_CONFLICT, .fails_at = 1 },
		  -NP_E_CONFLICT,
		  "no such wish",
		  1,
		  0 },
		{ "mutate() fails after a conflict",
		  { OK("1", "old"), CONFLICT, OK("2", "old") },
		  3,
		  { .fails = NP_E_CONFLICT, .fails_at = 2 },
		  -NP_E_CONFLICT,
		  "no such wish",
		  3,
		  1 },
		{ "a server without versions gets no write",
		  { { "200 OK", NULL, "{\"text\":\"old\"}", 0 } },
		  1,
		  { .calls = 0 },
		  -NP_E_REFUSED,
		  "without a resourceVersion",
		  1,
		  0 },
		{ "the server rejects the patch",
		  { OK("1", "old"), { "422 Unprocessable Entity", NULL, "{}", 0 } },
		  2,
		  { .calls = 0 },
		  -NP_E_REFUSED,
		  "gpu",
		  2,
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct bed b = { 0 };
		struct wish w = row->wish;
		struct np_kube_updated u = { 0 };
		struct np_err err = NP_ERR_INIT;

		server_start(&b.server, row->steps, row->n_steps);
		bed_connect(&b, (struct np_kube_options){ 0 });
		if (update(&b, &w, (struct np_kube_update){ 0 }, &u, &err) != row->result)
			fail_msg("%s: %d: %s", row->name, err.code, err.text);
		ASSERT_HAS(err.text, row->text);
		assert_int_equal(b.server.n, row->requests);
		assert_int_equal(u.attempts, row->attempts);
		assert_null(u.object);
		np_kube_free(b.k);
		server_stop(&b.server);
	}
}

static bool has_patched(void *ctx)
{
	const struct bed *b = ctx;

	return b->server.n >= 2;
}

/* A wait that cannot go on ends a conflict that lasts, at the deadline or at a signal; the text names both. */
static void test_update__lasting_conflict_is_reported(void **state)
{
	struct bed *b = *state;
	struct wish w = { .calls = 0 };
	struct np_kube_updated u = { 0 };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS(OK("1", "old"), CONFLICT));
	bed_connect(b, (struct np_kube_options){ .is_cancelled = has_patched, .cancel_ctx = b });
	assert_int_equal(update(b, &w, (struct np_kube_update){ 0 }, &u, &err), -NP_E_CONFLICT);
	ASSERT_HAS(err.text, "still conflicting after 1 attempt: ");
	ASSERT_HAS(err.text, "(409): interrupted");
	assert_int_equal(u.attempts, 1);
	assert_null(u.object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_update__reads_patches_and_retries),
		IN_BED(test_update__a_patch_carries_the_version_it_was_computed_from),
		IN_BED(test_update__an_object_that_was_just_read_is_not_read_again),
		cmocka_unit_test(test_update__errors_end_it),
		IN_BED(test_update__lasting_conflict_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
