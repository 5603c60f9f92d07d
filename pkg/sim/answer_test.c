/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "testbed.h"

/* Sends a request that is written down as "METHOD TARGET", perhaps a header, a blank line and a body. */
static char *describe_answer(const char *input)
{
	NP_AUTO(np_sim_freep) struct np_sim *sim = sim_with_class();
	NP_AUTO(np_freep) char *head = NULL, *body = NULL;
	struct headers h = as_user(sim, "admin");
	struct np_err err = NP_ERR_INIT;
	const char *end = strstr(input, "\n\n"), *message;
	char *method, *target, *type, *text = NULL;
	struct result r;

	head = strndup(input, end ? (size_t)(end - input) : strcspn(input, "\n"));
	/* The last line feed is the record's, not the body's. */
	body = end ? strndup(end + 2, strlen(end + 2) - (end[2] != '\0')) : NULL;
	type = strstr(head, "\nContent-Type: ");
	if (type)
		*type = '\0';
	h.content_type = type ? type + strlen("\nContent-Type: ") : NULL;
	target = head;
	method = strsep(&target, " ");
	assert_non_null(target);
	assert_int_equal(try_request(sim, &h, method, target, body, &r, &err), 0);
	message = text_at(r.body, "message");
	if (asprintf(&text, "status %u\n%s\n", r.reply.status, message ? message : "") < 0)
		fail_msg("out of memory");
	done(&r);
	return text;
}

static void test_sim__answers_are_worded_like_the_real_server_s(void **state)
{
	(void)state;
	run_cases("pkg/sim/testdata/cases/answers.txt", describe_answer);
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

static void test_sim__log_has_requests_but_no_token(void **state)
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
		cmocka_unit_test(test_sim__answers_are_worded_like_the_real_server_s),
		cmocka_unit_test(test_sim__objects_are_shown_in_the_version_asked_for),
		cmocka_unit_test(test_sim__log_has_requests_but_no_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
