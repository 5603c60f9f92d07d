/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

#include "watch_fuzz.c"

#include "testbed.h"

#define CLASSES "/apis/vmoperator.vmware.com/v1alpha2/namespaces/ml/virtualmachineclasses"

/* --- writing --------------------------------------------------------------------------------- */

static void test_verbs__patch_has_its_content_type(void **state)
{
	static const struct {
		struct np_kube_patch patch;
		const char *line, *type;
	} rows[] = {
		{ { .type = NP_KUBE_APPLY_PATCH, .force = true },
		  CLASSES "/gpu?fieldManager=nodeprep&fieldValidation=Strict&force=true HTTP",
		  "application/apply-patch+yaml" },
		{ { .force = true, .write = { .field_manager = "a b" } },
		  CLASSES "/gpu?fieldManager=a%20b&fieldValidation=Strict HTTP",
		  "application/merge-patch+json" },
		{ { .type = NP_KUBE_STRATEGIC_PATCH,
		    .dry_run = true,
		    .write = { .subresource = "status" } },
		  CLASSES
		  "/gpu/status?fieldManager=nodeprep&fieldValidation=Strict&dryRun=All HTTP",
		  "application/strategic-merge-patch+json" },
	};
	struct bed *b = *state;
	json_t *body = json_pack("{s:i}", "a", 1);

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_kube_patch patch = rows[i].patch;
		struct np_err err = NP_ERR_INIT;
		json_t *object = NULL;

		patch.body = body;
		assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err),
				 0);
		json_decref(object);
		ASSERT_HAS(b->server.requests[i], rows[i].line);
		ASSERT_HAS(b->server.requests[i], rows[i].type);
	}
	json_decref(body);
}

static void test_verbs__apply_patch_is_retried(void **state)
{
	struct bed *b = *state;
	json_t *body = json_pack("{s:i}", "a", 1), *object = NULL;
	const struct np_kube_patch patch = { .body = body, .type = NP_KUBE_APPLY_PATCH };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server,
		     STEPS({ NULL, NULL, NULL, 0 }, { "200 OK", NULL, "{\"a\":2}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err), 0);
	assert_int_equal(b->server.n, 2);
	json_decref(object);
	json_decref(body);
}

static int create_class(struct bed *b, struct np_err *err)
{
	json_t *body = json_pack("{s:{s:s}}", "metadata", "name", "gpu"), *object = NULL;
	const struct np_kube_create create = { .body = body };
	int r = np_kube_create(b->k, &classes, "ml", &create, &object, err);

	assert_int_equal(!!object, r == 0);
	json_decref(object);
	json_decref(body);
	return r;
}

static void test_verbs__a_creation_is_a_post_to_the_collection(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "201 Created", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(create_class(b, &err), 0);
	ASSERT_HAS(b->server.requests[0],
		   "POST " CLASSES "?fieldManager=nodeprep&fieldValidation=Strict HTTP/1.1\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nContent-Type: application/json\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\n\r\n{\"metadata\":{\"name\":\"gpu\"}}");
}

/* What may have been made is not made twice; what the server put off is. */
static void test_verbs__creation_is_retried_only_if_safe(void **state)
{
	static const struct {
		const char *name;
		struct step first;
		int result;
		size_t requests;
	} rows[] = {
		{ "cut", { NULL, NULL, NULL, 0 }, -NP_E_RETRY, 1 },
		{ "failed", { "500 Internal Server Error", NULL, "{}", 0 }, -NP_E_RETRY, 1 },
		{ "timed out", { "504 Gateway Timeout", NULL, "{}", 0 }, -NP_E_RETRY, 1 },
		{ "put off", { "503 Unavailable", "Retry-After: 0\r\n", "{}", 0 }, 0, 2 },
		{ "too many", { "429 Too Many Requests", NULL, "{}", 0 }, 0, 2 },
		{ "there", { "409 Conflict", NULL, "{}", 0 }, -NP_E_CONFLICT, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct step steps[] = { rows[i].first, { "201 Created", NULL, "{}", 0 } };
		struct np_err err = NP_ERR_INIT;
		struct bed *b = calloc(1, sizeof(*b));
		void *inner = b;
		int r;

		server_start(&b->server, steps, 2);
		bed_connect(b, (struct np_kube_options){ 0 });
		r = create_class(b, &err);
		if (r != rows[i].result || b->server.n != rows[i].requests)
			fail_msg("%s: %d after %zu: %s", rows[i].name, r, b->server.n, err.text);
		if (r == -NP_E_CONFLICT)
			ASSERT_HAS(err.text, "'gpu' in namespace 'ml': already exists (409)");
		bed_free(&inner);
	}
}

static int create_unread(struct bed *b, struct np_err *err)
{
	json_t *body = json_pack("{s:{s:s}}", "metadata", "name", "gpu");
	const struct np_kube_create create = { .body = body };
	int r = np_kube_create(b->k, &classes, "ml", &create, NULL, err);

	json_decref(body);
	return r;
}

static int patch_unread(struct bed *b, struct np_err *err)
{
	json_t *body = json_pack("{s:i}", "a", 1);
	const struct np_kube_patch patch = { .body = body, .type = NP_KUBE_APPLY_PATCH };
	int r = np_kube_patch(b->k, &classes, "ml", "gpu", &patch, NULL, err);

	json_decref(body);
	return r;
}

/* An object that nobody wants is not parsed: not even one that could not be. What is no object is an error. */
static void test_verbs__unwanted_objects_are_not_parsed(void **state)
{
	static int (*const writes[])(struct bed * b, struct np_err * err) = { create_unread,
									      patch_unread };

	(void)state;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		struct bed *b = calloc(1, sizeof(*b));
		struct np_err err = NP_ERR_INIT;
		void *inner = b;

		server_start(&b->server,
			     STEPS({ "200 OK", NULL, "{\"a\":99999999999999999999}", 0 },
				   { "200 OK", NULL, "<html>", 0 },
				   { "422 Unprocessable Entity", NULL,
				     "{\"kind\":\"Status\",\"message\":\"no\"}", 0 }));
		bed_connect(b, (struct np_kube_options){ 0 });
		assert_int_equal(writes[i](b, &err), 0);
		assert_int_equal(writes[i](b, &err), -NP_E_REFUSED);
		ASSERT_HAS(err.text, "is not a JSON object");
		assert_int_equal(writes[i](b, &err), -NP_E_REFUSED);
		ASSERT_HAS(err.text, "(422): no");
		bed_free(&inner);
	}
}

/* --- many ------------------------------------------------------------------------------------ */

static void many_items(struct np_kube_item items[static 3])
{
	static const char *const names[] = { "a", "b", "c" };

	for (size_t i = 0; i < 3; i++)
		items[i] = (struct np_kube_item){ .ns = "ml", .name = names[i] };
}

static void test_verbs__many_come_in_their_order_over_one_connection(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_item items[3];

	many_items(items);
	server_start(&b->server, STEPS({ "200 OK", NULL, "{\"n\":1}", 0 },
				       { "404 Not Found", NULL, "{\"kind\":\"Status\"}", 0 },
				       { "503 Unavailable", "Retry-After: 0\r\n", "{}", 0 },
				       { "403 Forbidden", NULL, "{\"kind\":\"Status\"}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_get_many(b->k, &classes, items, 3, 0, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(items[0].object, "n")), 1);
	assert_null(items[1].object);
	assert_int_equal(items[1].error.code, NP_E_NOT_FOUND);
	ASSERT_HAS(items[1].error.text, "'b' in namespace 'ml' not found");
	assert_null(items[2].object);
	assert_int_equal(items[2].error.code, NP_E_FORBIDDEN);
	assert_int_equal(b->server.n, 4);
	assert_int_equal(b->server.connections, 1);
	json_decref(items[0].object);
}

static void test_verbs__common_error_fails_all_items(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_item items[3];

	many_items(items);
	server_start(&b->server, STEPS({ "200 OK", NULL, "{\"n\":1}", 0 },
				       { "401 Unauthorized", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_get_many(b->k, &classes, items, 3, 0, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "(401)");
	assert_null(items[0].object);
	assert_int_equal(b->server.n, 2);
}

static void test_verbs__no_items_send_no_request(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_get_many(b->k, &classes, NULL, 0, 0, &err), 0);
	assert_int_equal(b->server.n, 0);
}

/* --- cancel ---------------------------------------------------------------------------------- */

static bool is_after(void *ctx)
{
	return np_clock_ms() > *(const uint64_t *)ctx;
}

static void test_verbs__a_cancelled_run_ends_soon(void **state)
{
	static const struct {
		const char *name;
		struct step step;
		unsigned hold_ms;
	} rows[] = {
		{ "while it waits to try again", { "503 x", "Retry-After: 60\r\n", "{}", 0 }, 0 },
		{ "while a body comes", { "200 OK", NULL, "{", 0 }, 20000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct bed *b = calloc(1, sizeof(*b));
		uint64_t start = np_clock_ms(), limit = start + 200;
		void *inner = b;

		b->server.hold_ms = rows[i].hold_ms;
		server_start(&b->server, &rows[i].step, 1);
		bed_connect(b, (struct np_kube_options){ .is_cancelled = is_after,
							 .cancel_ctx = &limit,
							 .deadline_ms = 120000 });
		assert_int_equal(get_class(b, &err), -NP_E_RETRY);
		ASSERT_HAS(err.text, "interrupted");
		assert_in_range(np_clock_ms() - start, 150, 15000);
		assert_int_equal(get_class(b, &err), -NP_E_RETRY);
		assert_int_equal(np_kube_pause(b->k, 1000, &err), -NP_E_RETRY);
		assert_int_equal(b->server.n, 1);
		bed_free(&inner);
	}
}

static void test_verbs__cancel_does_not_cut_a_write(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start = np_clock_ms(), limit = start + 200;
	json_t *body = json_pack("{s:{s:s}}", "metadata", "resourceVersion", "7"), *object = NULL;
	const struct np_kube_patch patch = { .body = body };

	b->server.drip_ms = 100;
	server_start(&b->server, STEPS({ "200 OK", NULL, "{\"a\":1}", 0 }));
	bed_connect(b, (struct np_kube_options){ .is_cancelled = is_after, .cancel_ctx = &limit });
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err), 0);
	assert_true(np_clock_ms() - start > 500);
	json_decref(object);
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err),
			 -NP_E_RETRY);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(b->server.n, 1);
	json_decref(body);
}

/* --- watching -------------------------------------------------------------------------------- */

struct seen {
	char text[512];
	const char *stop_at;
	unsigned opened;
};

static void note_open(void *ctx)
{
	struct seen *seen = ctx;

	seen->opened++;
}

static int note_event(void *ctx, enum np_kube_event event, json_t *object, struct np_err *err)
{
	static const char marks[] = "AMDB";
	struct seen *seen = ctx;
	size_t size = strlen(seen->text);
	const char *name =
		json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));

	snprintf(seen->text + size, sizeof(seen->text) - size, "%c%s ", marks[event],
		 name ? name : "");
	return seen->stop_at && name && strcmp(name, seen->stop_at) == 0
		       ? np_fail(err, NP_E_WINDOW, "stopped")
		       : 0;
}

#define EVENT(type, name, version)                                          \
	"{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name \
	"\",\"resourceVersion\":\"" version "\"}}}\n"
#define GONE_EVENT \
	"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}}\n"

static void test_verbs__a_watch_hands_out_events(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct seen seen = { .text = "" };
	struct np_kube_watch watch = {
		.ns = "ml", .version = "5", .timeout_s = 7, .each = note_event, .ctx = &seen
	};

	b->server.hold_ms = 20;
	server_start(&b->server,
		     STEPS({ "200 OK", NULL,
			     EVENT("ADDED", "a", "6") "\n" EVENT("MODIFIED", "a", "8")
				     EVENT("DELETED", "a",
					   "9") "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":"
						"{\"resourceVersion\":\"12\"}}}\n",
			     0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	if (np_kube_watch(b->k, &classes, &watch, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(watch.end, NP_KUBE_WATCH_TIMEOUT);
	assert_string_equal(seen.text, "Aa Ma Da B ");
	assert_string_equal(watch.version, "12");
	ASSERT_HAS(b->server.requests[0],
		   CLASSES "?watch=true&allowWatchBookmarks=true&timeoutSeconds=7&"
			   "resourceVersion=5 HTTP");
	assert_null(strstr(b->server.requests[0], "Accept-Encoding"));
}

/* One watch of one answer, and how it ends. */
struct watch_row {
	const char *name;
	struct step step;
	int result;
	enum np_kube_watch_end end;
	const char *says; /* of the error, or NULL */
	const char *version; /* where it stands afterwards */
	uint64_t wait_ms;
};

static void try_watch(const struct watch_row *row)
{
	struct np_err err = NP_ERR_INIT;
	struct bed *b = calloc(1, sizeof(*b));
	struct seen seen = { .stop_at = "stop" };
	struct np_kube_watch watch = {
		.version = "5", .each = note_event, .on_open = note_open, .ctx = &seen
	};
	void *inner = b;
	int r;

	b->server.hold_ms = 20;
	server_start(&b->server, &row->step, 1);
	bed_connect(b, (struct np_kube_options){ .token = "tok-abcdef" });
	r = np_kube_watch(b->k, &classes, &watch, &err);
	if (r != row->result || (r == 0 && watch.end != row->end))
		fail_msg("%s: %d, end %d: %s", row->name, r, (int)watch.end, err.text);
	if (row->says)
		ASSERT_HAS(err.text, row->says);
	assert_string_equal(watch.version, row->version);
	assert_int_equal(watch.wait_ms, row->wait_ms);
	/* Only a 200 accepts a watch, and it does so once. */
	assert_int_equal(seen.opened, row->step.status && strncmp(row->step.status, "200", 3) == 0);
	assert_int_equal(b->server.n, 1);
	bed_free(&inner);
}

static const struct watch_row watch_rows[] = {
	{ "too old, in an event",
	  { "200 OK", NULL, EVENT("ADDED", "a", "6") GONE_EVENT, 0 },
	  0,
	  NP_KUBE_WATCH_GONE,
	  NULL,
	  "6",
	  0 },
	{ "too old, at once", { "410 Gone", NULL, "{}", 0 }, 0, NP_KUBE_WATCH_GONE, NULL, "5", 0 },
	{ "another error in an event",
	  { "200 OK", NULL,
	    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,"
	    "\"message\":\"etcd tok-abcdef\"}}\n",
	    0 },
	  -NP_E_RETRY,
	  0,
	  "the server failed (500): etcd [redacted]",
	  "5",
	  0 },
	{ "cut within an event",
	  { "200 OK", NULL, EVENT("ADDED", "a", "6") "{\"type\":", 0 },
	  -NP_E_RETRY,
	  0,
	  "the watch was cut within an event",
	  "6",
	  0 },
	{ "not a JSON", { "200 OK", NULL, "<html>\n", 0 }, -NP_E_REFUSED, 0, "not a JSON", "5", 0 },
	{ "no event",
	  { "200 OK", NULL, "{\"kind\":\"List\"}\n", 0 },
	  -NP_E_REFUSED,
	  0,
	  "an event of the watch has no type or no object",
	  "5",
	  0 },
	{ "an unknown type",
	  { "200 OK", NULL, EVENT("MOVED", "a", "6"), 0 },
	  -NP_E_REFUSED,
	  0,
	  "has an unknown type",
	  "5",
	  0 },
	{ "no version",
	  { "200 OK", NULL, EVENT("ADDED", "a", ""), 0 },
	  -NP_E_REFUSED,
	  0,
	  "has no resourceVersion",
	  "5",
	  0 },
	{ "the callback's own end: the event counts as not seen",
	  { "200 OK", NULL, EVENT("ADDED", "a", "6") EVENT("ADDED", "stop", "7"), 0 },
	  -NP_E_WINDOW,
	  0,
	  "stopped",
	  "6",
	  0 },
	{ "a line without an end",
	  { "200 OK", NULL, NULL, (size_t)9 << 20 },
	  -NP_E_REFUSED,
	  0,
	  "is larger than 8 MiB",
	  "5",
	  0 },
	{ "put off",
	  { "429 Too Many Requests", "Retry-After: 3\r\n", "{}", 0 },
	  -NP_E_RETRY,
	  0,
	  "overloaded",
	  "5",
	  3000 },
	{ "put off for good",
	  { "429 Too Many Requests", "Retry-After: 1000000000\r\n", "{}", 0 },
	  -NP_E_RETRY,
	  0,
	  "overloaded",
	  "5",
	  30000 },
	{ "forbidden",
	  { "403 Forbidden", NULL, "{}", 0 },
	  -NP_E_FORBIDDEN,
	  0,
	  "may not watch virtualmachineclasses.vmoperator.vmware.com in the whole cluster",
	  "5",
	  0 },
	{ "cut at once", { NULL, NULL, NULL, 0 }, -NP_E_RETRY, 0, "cannot reach", "5", 0 },
};

static void test_verbs__a_watch_ends_in_many_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(watch_rows) / sizeof(watch_rows[0]); i++)
		try_watch(&watch_rows[i]);
}

static void test_verbs__a_watch_can_be_stopped_and_falls_silent(void **state)
{
	static const struct {
		bool stop, cancel;
		unsigned silence_s;
		int result;
	} rows[] = {
		{ true, false, 0, 0 },
		{ false, true, 0, 0 },
		{ false, false, 1, -NP_E_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct bed *b = calloc(1, sizeof(*b));
		uint64_t limit = np_clock_ms() + 200, start = np_clock_ms();
		struct np_kube_watch watch = { .version = "5",
					       .silence_s = rows[i].silence_s,
					       .each = note_event,
					       .is_stopped = rows[i].stop ? is_after : NULL,
					       .ctx = &limit };
		void *inner = b;

		b->server.hold_ms = 20000;
		server_start(&b->server, STEPS({ "200 OK", NULL, "\n", 0 }));
		bed_connect(b, (struct np_kube_options){ .is_cancelled =
								 rows[i].cancel ? is_after : NULL,
							 .cancel_ctx = &limit });
		assert_int_equal(np_kube_watch(b->k, &classes, &watch, &err), rows[i].result);
		assert_in_range(np_clock_ms() - start, 150, 15000);
		if (rows[i].result == 0)
			assert_int_equal(watch.end, NP_KUBE_WATCH_STOPPED);
		else
			ASSERT_HAS(err.text, "the watch was silent for 1 s");
		bed_free(&inner);
	}
}

/* --- more ------------------------------------------------------------------------------------ */

static int count_object(void *ctx, json_t *object, struct np_err *err)
{
	(void)object;
	(void)err;
	*(unsigned *)ctx += 1;
	return 0;
}

static void test_verbs__list_returns_the_version_to_watch_from(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char version[NP_KUBE_VERSION_MAX] = "old";
	unsigned n = 0;

	server_start(&b->server,
		     STEPS({ "200 OK", NULL,
			     "{\"metadata\":{\"resourceVersion\":\"77\"},\"items\":[{}]}", 0 },
			   { "200 OK", NULL, "{\"metadata\":{},\"items\":[]}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(
		np_kube_list_version(b->k, &classes, "ml", count_object, &n, version, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(version, "77");
	assert_int_equal(
		np_kube_list_version(b->k, &classes, "ml", count_object, &n, version, &err),
		-NP_E_REFUSED);
	assert_string_equal(version, "77");
}

/* An object of a page before may be gone in the second list, and no watch would tell of it. */
static void test_verbs__list_before_a_watch_does_not_start_over(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char version[NP_KUBE_VERSION_MAX] = "old";
	unsigned n = 0;

	server_start(
		&b->server,
		STEPS({ "200 OK", NULL,
			"{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"t\"},\"items\":[{}]}",
			0 },
		      { "410 Gone", NULL, "{\"kind\":\"Status\",\"message\":\"expired\"}", 0 },
		      { "200 OK", NULL, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[]}",
			0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(
		np_kube_list_version(b->k, &classes, "ml", count_object, &n, version, &err),
		-NP_E_RETRY);
	assert_int_equal(b->server.n, 2);
	assert_string_equal(version, "old");
}

#define EMPTY_PAGE(token) "{\"metadata\":{\"continue\":\"" token "\"},\"items\":[]}"

static void test_verbs__list_without_progress_ends(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	unsigned n = 0;

	server_start(&b->server, STEPS({ "200 OK", NULL, EMPTY_PAGE("a"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("b"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("b"), 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_list(b->k, &classes, "ml", 0, count_object, &n, &err),
			 -NP_E_REFUSED);
	ASSERT_HAS(err.text, "the list's continue token does not change");
	assert_int_equal(b->server.n, 3);
}

/* A server with ever new tokens and never an object. */
static void test_verbs__empty_pages_are_paced(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	unsigned n = 0;

	server_start(&b->server, STEPS({ "200 OK", NULL, EMPTY_PAGE("a"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("b"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("c"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("d"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE("e"), 0 },
				       { "200 OK", NULL, EMPTY_PAGE(""), 0 }));
	bed_connect(b, (struct np_kube_options){ .deadline_ms = 700 });
	assert_int_equal(np_kube_list(b->k, &classes, "ml", 0, count_object, &n, &err),
			 -NP_E_RETRY);
	ASSERT_HAS(err.text, "the deadline of 700 ms");
	assert_in_range(b->server.n, 2, 5);
}

static void test_verbs__a_clone_is_the_same_user(void **state)
{
	struct bed *b = *state;
	struct np_kube_config *first = NULL, *second = NULL;
	struct np_err err = NP_ERR_INIT;
	char server[64];

	server_start(&b->server, STEPS({ "400 Bad", NULL, "tok-abcdef", 0 }));
	snprintf(server, sizeof(server), "http://127.0.0.1:%u", b->server.port);
	assert_int_equal(np_kube_config_load(&(struct np_kube_options){ .server = server,
									.token = "tok-abcdef",
									.as_user = "jane",
									.ns = "own" },
					     &first, &err),
			 0);
	assert_int_equal(np_kube_config_clone(first, &second, &err), 0);
	np_kube_config_free(first);
	assert_string_equal(np_kube_config_namespace(second), "own");
	assert_int_equal(np_kube_new_take(second, &b->k, &err), 0);
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "[redacted]");
	ASSERT_HAS(b->server.requests[0], "Bearer tok-abcdef\r\n");
	ASSERT_HAS(b->server.requests[0], "Impersonate-User: jane\r\n");
}

/* The server plays the proxy, which sees what anybody on the way would. */
static void test_verbs__credentials_are_not_sent_without_tls(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char proxy[64];

	server_start(&b->server, STEPS({ "403 Forbidden", NULL, "{}", 0 }));
	snprintf(proxy, sizeof(proxy), "127.0.0.1:%u", b->server.port);
	bed_connect(b, (struct np_kube_options){ .server = "http://kube.lab",
						 .token = "tok-abcdef",
						 .as_user = "jane",
						 .http_proxy = proxy });
	assert_int_equal(get_class(b, &err), -NP_E_FORBIDDEN);
	ASSERT_HAS(err.text, "(no credentials were sent)");
	ASSERT_HAS(b->log, "not sending credentials: the server's address is not https");
	ASSERT_HAS(b->server.requests[0], "GET http://kube.lab/apis/");
	ASSERT_HAS(b->server.requests[0], "Impersonate-User: jane\r\n");
	assert_null(strstr(b->server.requests[0], "Authorization"));
}

static void test_verbs__deadline_can_be_restarted(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ .deadline_ms = 1 });
	rest_ms(5);
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	ASSERT_HAS(err.text, "the deadline of 1 ms is reached");
	np_kube_set_deadline(b->k, 10000);
	assert_int_equal(get_class(b, &err), 0);
	np_kube_set_deadline(b->k, NP_KUBE_NO_DEADLINE);
	assert_int_equal(get_class(b, &err), 0);
}

/* A server that keeps the connection busy, byte by byte, must not outlive the limits. */
static void test_verbs__a_slow_body_ends_at_its_limit(void **state)
{
	static const struct {
		uint64_t request_ms, deadline_ms;
	} rows[] = { { 500, 1200 }, { 0, 700 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct np_err err = NP_ERR_INIT;
		struct bed *b = calloc(1, sizeof(*b));
		uint64_t start = np_clock_ms();
		void *inner = b;

		b->server.drip_ms = 200;
		server_start(
			&b->server,
			STEPS({ "200 OK", NULL,
				"{                                                                              }",
				0 }));
		bed_connect(b, (struct np_kube_options){ .request_timeout_ms = rows[i].request_ms,
							 .deadline_ms = rows[i].deadline_ms });
		assert_int_equal(get_class(b, &err), -NP_E_RETRY);
		assert_in_range(np_clock_ms() - start, 400, 12000);
		bed_free(&inner);
	}
}

static void test_verbs__the_corpus_of_watches_replays(void **state)
{
	(void)state;
	assert_true(replay_corpus("pkg/kube/testdata/corpus-watch", LLVMFuzzerTestOneInput) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BED(test_verbs__patch_has_its_content_type),
		IN_BED(test_verbs__apply_patch_is_retried),
		IN_BED(test_verbs__a_creation_is_a_post_to_the_collection),
		cmocka_unit_test(test_verbs__creation_is_retried_only_if_safe),
		cmocka_unit_test(test_verbs__unwanted_objects_are_not_parsed),
		IN_BED(test_verbs__many_come_in_their_order_over_one_connection),
		IN_BED(test_verbs__common_error_fails_all_items),
		IN_BED(test_verbs__no_items_send_no_request),
		cmocka_unit_test(test_verbs__a_cancelled_run_ends_soon),
		IN_BED(test_verbs__cancel_does_not_cut_a_write),
		IN_BED(test_verbs__a_watch_hands_out_events),
		cmocka_unit_test(test_verbs__a_watch_ends_in_many_ways),
		cmocka_unit_test(test_verbs__a_watch_can_be_stopped_and_falls_silent),
		IN_BED(test_verbs__list_returns_the_version_to_watch_from),
		IN_BED(test_verbs__list_before_a_watch_does_not_start_over),
		IN_BED(test_verbs__list_without_progress_ends),
		cmocka_unit_test(test_verbs__the_corpus_of_watches_replays),
		IN_BED(test_verbs__empty_pages_are_paced),
		IN_BED(test_verbs__a_clone_is_the_same_user),
		IN_BED(test_verbs__credentials_are_not_sent_without_tls),
		IN_BED(test_verbs__deadline_can_be_restarted),
		cmocka_unit_test(test_verbs__a_slow_body_ends_at_its_limit),
	};

	/* A client that goes away must not end the server. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
