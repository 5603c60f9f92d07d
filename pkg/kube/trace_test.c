/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "testbed.h"

/* What -v=6 to 9 shows of a whole request: no secret, whichever header or body has it. */

enum { LINES_MAX = 8192 };

static void keep_line(void *ctx, const char *line)
{
	strlcat(ctx, line, LINES_MAX);
	strlcat(ctx, "\n", LINES_MAX);
}

static void test_trace__no_level_shows_a_secret(void **state)
{
	static const char headers[] = "Location: https://u:hunter2@h/?token=hunter2#hunter2\r\n"
				      "Link: </next?access_token=hunter2>; rel=next\r\n"
				      "X-Debug: a=b, password=hunter2\r\n"
				      "X-Auth-Token: hunter2\r\n";
	static const char body[] = "{\"message\":\"see https://h/?password=hunter2\"}";
	struct bed *b = *state;

	server_start(&b->server, STEPS({ "302 Found", headers, body, 0 }));
	for (unsigned level = 6; level <= 9; level++) {
		char lines[LINES_MAX] = "";
		struct np_err err = NP_ERR_INIT;

		bed_connect(b, (struct np_kube_options){ .trace = keep_line,
							 .trace_ctx = lines,
							 .trace_level = level });
		assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
		np_kube_free(np_take(b->k));
		ASSERT_HAS(lines, "302");
		assert_null(strstr(lines, "hunter2"));
		if (level < 8)
			continue;
		ASSERT_HAS(lines, "    Location: https://[redacted]@h/?[redacted]\n");
		ASSERT_HAS(lines, "    Link: </next?[redacted]>; rel=next\n");
		ASSERT_HAS(lines, "    X-Debug: a=b, password=[redacted]");
		ASSERT_HAS(lines, "    X-Auth-Token: [redacted]");
		ASSERT_HAS(lines, "see https://h/?[redacted]");
	}
}

static void test_trace__a_query_of_the_request_is_shown_without_secrets(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char lines[LINES_MAX] = "";
	const struct np_kube_selection selected = { .ns = "ml", .labels = "app=a,token=hunter2" };

	server_start(&b->server, STEPS({ "200 OK", NULL, "{\"items\":[]}", 0 }));
	bed_connect(b, (struct np_kube_options){
			       .trace = keep_line, .trace_ctx = lines, .trace_level = 9 });
	assert_int_equal(np_kube_list_selected(b->k, &classes, &selected, NULL, NULL, &err), 0);
	ASSERT_HAS(lines, "?limit=500&labelSelector=app%3Da%2Ctoken%3D[redacted]'");
	assert_null(strstr(lines, "hunter2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BED(test_trace__no_level_shows_a_secret),
		IN_BED(test_trace__a_query_of_the_request_is_shown_without_secrets),
	};

	/* A client that disconnects must not end the server. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
