/* SPDX-License-Identifier: Apache-2.0 */
#include "testbed.h"

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

static void test_sim__a_list_holds_one_namespace_or_all(void **state)
{
	static const struct {
		const char *sentence, *target, *names;
	} rows[] = {
		{ "all", API "/virtualmachineclasses", "a a-1 b c c.d " },
		{ "the namespace", ML, "a a-1 b c c.d " },
		{ "another namespace", API "/namespaces/x/virtualmachineclasses", "" },
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_five();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct result r = send_request(sim, "GET", rows[i].target, NULL);
		char names[200] = "";

		add_names(names, sizeof(names), &r);
		if (strcmp(names, rows[i].names) != 0)
			fail_msg("%s: '%s'", rows[i].sentence, names);
		done(&r);
	}
}

static void test_sim__selectors_are_rejected(void **state)
{
	static const char *const targets[] = {
		ML "?labelSelector=n%3D0",
		ML "?fieldSelector=metadata.name%3Dc",
		ML "?watch=1&labelSelector=n%3D0",
		ML "?watch=1&fieldSelector=metadata.name%3Dc",
	};
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_five();

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct result r = send_request(sim, "GET", targets[i], NULL);

		if (r.reply.status != 400)
			fail_msg("%s: %u", targets[i], (unsigned)r.reply.status);
		assert_string_equal(text_at(r.body, "message"), "selectors are not supported here");
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
		json_auto_t *event = json_loads(line, 0, NULL);
		const char *name = text_at(event, "object/metadata/name");
		size_t at = strlen(text);

		assert_non_null(event);
		snprintf(text + at, size - at, "%s %s ", text_at(event, "type"),
			 name ? name : text_at(event, "object/reason"));
	}
	return more;
}

static void test_sim__watch_sends_events(void **state)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	struct result all = send_request(sim, "GET", ML "?watch=1&timeoutSeconds=60", NULL);
	struct result since = send_request(sim, "GET", ML "?watch=true&resourceVersion=101", NULL);
	char text[200];

	(void)state;
	assert_int_equal(read_events(&all, text, sizeof(text)), 1);
	assert_string_equal(text, "ADDED gpu ");
	assert_int_equal(read_events(&since, text, sizeof(text)), 1);
	assert_string_equal(text, "");
	status_of(sim, "POST", ML, CLASS("other", ""));
	status_of(sim, "PATCH", GPU, "{\"spec\":{\"description\":\"d\"}}");
	status_of(sim, "DELETE", GPU, NULL);
	read_events(&all, text, sizeof(text));
	assert_string_equal(text, "ADDED other MODIFIED gpu DELETED gpu ");
	read_events(&since, text, sizeof(text));
	assert_string_equal(text, "ADDED other MODIFIED gpu DELETED gpu ");
	read_events(&since, text, sizeof(text));
	assert_string_equal(text, "");
	done(&all);
	done(&since);
}

static void test_sim__watch_ends_at_its_timeout_or_has_expired(void **state)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sim__pages_hold_each_object_once),
		cmocka_unit_test(test_sim__a_list_holds_one_namespace_or_all),
		cmocka_unit_test(test_sim__selectors_are_rejected),
		cmocka_unit_test(test_sim__watch_sends_events),
		cmocka_unit_test(test_sim__watch_ends_at_its_timeout_or_has_expired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
