/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nodeprep/err.h"
#include "nodeprep/time.h"

#include "testbed.h"

/* --- requests -------------------------------------------------------------------------------- */

static void test_client__a_get_carries_its_identity(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ .token = "tok-abcdef", .as_user = "jane" });
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(b->server.n, 2);
	assert_int_equal(b->server.connections, 1);
	ASSERT_HAS(b->server.requests[0],
		   "GET /apis/vmoperator.vmware.com/v1alpha2/namespaces/ml/virtualmachineclasses/"
		   "gpu HTTP/1.1\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nAuthorization: Bearer tok-abcdef\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nImpersonate-User: jane\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nAccept: application/json\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nAccept-Encoding: gzip\r\n");
	ASSERT_HAS(b->server.requests[0], "\r\nUser-Agent: nodeprep/" NP_VERSION " (linux/");
}

static void test_client__a_patch_is_a_strict_merge_patch(void **state)
{
	static const struct {
		bool dry_run;
		const char *line;
	} rows[] = {
		{ false, "gpu?fieldManager=nodeprep&fieldValidation=Strict HTTP/1.1\r\n" },
		{ true,
		  "gpu?fieldManager=nodeprep&fieldValidation=Strict&dryRun=All HTTP/1.1\r\n" },
	};
	struct bed *b = *state;
	json_t *body = json_pack("{s:{s:s}}", "metadata", "resourceVersion", "7");

	server_start(&b->server, STEPS({ "200 OK", NULL, "{\"a\":1}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	for (size_t i = 0; i < 2; i++) {
		const struct np_kube_patch patch = { .body = body, .dry_run = rows[i].dry_run };
		struct np_err err = NP_ERR_INIT;
		json_t *object = NULL;

		assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err),
				 0);
		assert_int_equal(json_integer_value(json_object_get(object, "a")), 1);
		json_decref(object);
		assert_memory_equal(b->server.requests[i], "PATCH ", 6);
		ASSERT_HAS(b->server.requests[i], rows[i].line);
		ASSERT_HAS(b->server.requests[i],
			   "\r\nContent-Type: application/merge-patch+json\r\n");
		ASSERT_HAS(b->server.requests[i], "{\"metadata\":{\"resourceVersion\":\"7\"}}");
	}
	json_decref(body);
}

static void test_client__a_get_after_a_patch_has_no_body(void **state)
{
	struct bed *b = *state;
	json_t *body = json_pack("{s:i}", "a", 1), *object = NULL;
	const struct np_kube_patch patch = { .body = body };
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err), 0);
	json_decref(object);
	json_decref(body);
	assert_int_equal(get_class(b, &err), 0);
	assert_memory_equal(b->server.requests[1], "GET ", 4);
	assert_null(strstr(b->server.requests[1], "Content-"));
}

static void test_client__conflict_is_not_retried(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	json_t *body = json_pack("{s:{s:s}}", "metadata", "resourceVersion", "7");
	const struct np_kube_patch patch = { .body = body };
	json_t *const sentinel = body, *object = sentinel;

	server_start(&b->server, STEPS({ "409 Conflict", NULL,
					 "{\"kind\":\"Status\",\"message\":\"modified\"}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err),
			 -NP_E_CONFLICT);
	assert_ptr_equal(object, sentinel);
	assert_int_equal(b->server.n, 1);
	json_decref(body);
}

static void test_client__the_server_s_path_is_kept(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char server[64];

	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	snprintf(server, sizeof(server), "http://127.0.0.1:%u/k8s/c-1/", b->server.port);
	bed_connect(b, (struct np_kube_options){ .server = server });
	assert_int_equal(get_class(b, &err), 0);
	ASSERT_HAS(b->server.requests[0], "GET /k8s/c-1/apis/vmoperator.vmware.com/");
}

/* --- trouble --------------------------------------------------------------------------------- */

static void test_client__retry_after_is_honoured(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start;

	server_start(&b->server, STEPS({ "429 Too Many Requests", "Retry-After: 1\r\n", NULL, 0 },
				       { "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	start = np_clock_ms();
	assert_int_equal(get_class(b, &err), 0);
	assert_in_range(np_clock_ms() - start, 1000, 4000);
	assert_int_equal(b->server.n, 2);
	ASSERT_HAS(b->log, "again in 1000 ms: ");
}

static void test_client__retry_after_beyond_deadline_fails_at_once(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start;

	server_start(&b->server,
		     STEPS({ "503 Service Unavailable", "Retry-After: 120\r\n", NULL, 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	start = np_clock_ms();
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	assert_in_range(np_clock_ms() - start, 0, 3000);
	ASSERT_HAS(err.text, "asks to wait 120 s, but only ");
	assert_int_equal(b->server.n, 1);
}

/* Counts the requests of a client that has a second. */
static size_t count_requests(const char *headers)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct np_err err = NP_ERR_INIT;
	void *state = b;
	size_t n;

	server_start(&b->server, STEPS({ "503 Service Unavailable", headers, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ .deadline_ms = 1000 });
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	n = b->server.n;
	bed_free(&state);
	return n;
}

static void test_client__retry_after_has_a_floor_and_a_ceiling(void **state)
{
	static const struct {
		const char *headers;
		size_t least, most;
	} rows[] = {
		{ "Retry-After: 0\r\n", 2, 6 },
		{ "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", 2, 6 },
		{ "Retry-After: -1\r\n", 2, 6 },
		{ "Retry-After: soon\r\n", 2, 6 },
		{ "Retry-After: 0\r\nRetry-After: 1\r\n", 1, 6 },
		{ "Retry-After: 1000000000\r\n", 1, 1 },
		{ "Retry-After: 18446744073709551617\r\n", 1, 1 },
		{ "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = count_requests(rows[i].headers);

		if (n < rows[i].least || n > rows[i].most)
			fail_msg("%s%zu requests", rows[i].headers, n);
	}
}

static void test_client__cut_connection_is_retried(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server,
		     STEPS({ NULL, NULL, NULL, 0 }, { NULL, NULL, NULL, 0 },
			   { "502 Bad Gateway", NULL, "<html>", 0 }, { "200 OK", NULL, "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(b->server.n, 4);
	assert_int_equal(err.code, NP_OK);
}

static void test_client__a_patch_without_resource_version_is_sent_once(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	json_t *body = json_pack("{s:i}", "a", 1), *object = NULL;
	const struct np_kube_patch patch = { .body = body };

	server_start(&b->server, STEPS({ NULL, NULL, NULL, 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_patch(b->k, &classes, "ml", "gpu", &patch, &object, &err),
			 -NP_E_RETRY);
	assert_int_equal(b->server.n, 1);
	json_decref(body);
}

static void test_client__deadline_ends_retries(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start;

	server_start(&b->server, STEPS({ "500 Internal Server Error", NULL,
					 "{\"kind\":\"Status\",\"message\":\"etcd\"}", 0 }));
	bed_connect(b, (struct np_kube_options){ .deadline_ms = 1000 });
	start = np_clock_ms();
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	assert_in_range(np_clock_ms() - start, 0, 2000);
	ASSERT_HAS(err.text, "given up at the deadline of 1000 ms: ");
	ASSERT_HAS(err.text, "(500): etcd");
	assert_true(b->server.n > 1);
}

static void test_client__refused_connection_fails_soon(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start = np_clock_ms();

	bed_connect(b, (struct np_kube_options){ .server = "http://127.0.0.1:1",
						 .deadline_ms = 60000 });
	assert_int_equal(get_class(b, &err), -NP_E_RETRY);
	assert_string_equal(err.text, "cannot reach http://127.0.0.1:1: connection refused");
	assert_in_range(np_clock_ms() - start, 600, 5000);
}

static void test_client__oversized_body_is_rejected(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "200 OK", NULL, NULL, ((size_t)64 << 20) + 1 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "larger than 64 MiB");
	assert_int_equal(b->server.n, 1);
}

static void test_client__an_echoed_token_is_redacted(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server, STEPS({ "400 Bad Request", "Warning: 299 - \"bad tok-abcdef\"\r\n",
					 "got Bearer tok-abcdef here", 0 }));
	bed_connect(b, (struct np_kube_options){ .token = "tok-abcdef" });
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "got Bearer [redacted] here");
	assert_string_equal(b->log, "the server warns: bad [redacted]\n");
}

static void test_client__a_warning_is_logged_once(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server,
		     STEPS({ "200 OK", "Warning: 299 - \"v1 is deprecated\"\r\n", "{}", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(get_class(b, &err), 0);
	assert_int_equal(get_class(b, &err), 0);
	assert_string_equal(b->log, "the server warns: v1 is deprecated\n");
}

static void test_client__a_401_rereads_the_token_file_once(void **state)
{
	struct bed *b = *state;
	char path[] = "/tmp/nodeprep-kube-XXXXXX", config[] = "/tmp/nodeprep-kube-XXXXXX",
	     text[512];
	int token_fd = mkstemp(path), config_fd = mkstemp(config), n;
	struct np_err err = NP_ERR_INIT;

	server_start(&b->server,
		     STEPS({ "401 Unauthorized", NULL, "{}", 0 }, { "200 OK", NULL, "{}", 0 },
			   { "401 Unauthorized", NULL, "{}", 0 }));
	n = snprintf(text, sizeof(text),
		     "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
		     "clusters: [{name: c, cluster: {server: 'x'}}]\n"
		     "users: [{name: u, user: {tokenFile: '%s'}}]\n",
		     path);
	assert_int_equal(write(config_fd, text, (size_t)n), n);
	assert_int_equal(write(token_fd, "first-token", 11), 11);
	bed_connect(b, (struct np_kube_options){ .kubeconfig = config });
	assert_int_equal(pwrite(token_fd, "other-token\n", 12, 0), 12);
	assert_int_equal(get_class(b, &err), 0);
	ASSERT_HAS(b->server.requests[0], "Bearer first-token\r\n");
	ASSERT_HAS(b->server.requests[1], "Bearer other-token\r\n");
	assert_int_equal(get_class(b, &err), -NP_E_REFUSED);
	ASSERT_HAS(err.text, "credentials of user 'u' (401)");
	assert_int_equal(b->server.n, 3);
	close(token_fd);
	close(config_fd);
	unlink(path);
	unlink(config);
}

/* --- lists and discovery --------------------------------------------------------------------- */

static int collect_name(void *ctx, json_t *object, struct np_err *err)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));

	strlcat(ctx, name, 256);
	strlcat(ctx, json_object_get(object, "kind") ? "+" : "-", 256);
	return strcmp(name, "stop") == 0 ? np_fail(err, NP_E_WINDOW, "stopped") : 0;
}

#define PAGE(next, name)                                                                       \
	"{\"kind\":\"VmClassList\",\"apiVersion\":\"x/v1\",\"metadata\":{\"continue\":\"" next \
	"\"},\"items\":[{\"metadata\":{\"name\":\"" name "\"}}]}"

static void test_client__a_list_comes_in_pages(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char names[256] = "";

	server_start(&b->server, STEPS({ "200 OK", NULL, PAGE("to+k/2", "a"), 0 },
				       { "200 OK", NULL, PAGE("", "b"), 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_list(b->k, &classes, NULL, 1, collect_name, names, &err), 0);
	assert_string_equal(names, "a+b+");
	ASSERT_HAS(b->server.requests[0], "v1alpha2/virtualmachineclasses?limit=1 HTTP");
	ASSERT_HAS(b->server.requests[1], "?limit=1&continue=to%2Bk%2F2 HTTP");
}

static void test_client__an_expired_page_starts_over_once(void **state)
{
	static const struct step gone = { "410 Gone", NULL,
					  "{\"kind\":\"Status\",\"message\":\"expired\"}", 0 };
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char names[256] = "";

	server_start(&b->server, STEPS({ "200 OK", NULL, PAGE("t", "a"), 0 }, gone,
				       { "200 OK", NULL, PAGE("t", "a"), 0 },
				       { "200 OK", NULL, PAGE("u", "b"), 0 }, gone));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_list(b->k, &classes, "ml", 0, collect_name, names, &err),
			 -NP_E_RETRY);
	assert_string_equal(names, "a+a+b+");
	assert_int_equal(b->server.n, 5);
	ASSERT_HAS(b->server.requests[2], "virtualmachineclasses?limit=500 HTTP");
}

static void test_client__a_caller_can_end_a_list(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	char names[256] = "";

	server_start(&b->server, STEPS({ "200 OK", NULL, PAGE("t", "stop"), 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_list(b->k, &classes, "ml", 0, collect_name, names, &err),
			 -NP_E_WINDOW);
	assert_string_equal(err.text, "stopped");
	assert_int_equal(b->server.n, 1);
}

#define GROUP                                                                            \
	"{\"preferredVersion\":{\"version\":\"v3\"},\"versions\":[{\"version\":\"v3\"}," \
	"{\"version\":\"v2\"},{\"version\":\"v1\"}]}"
#define RESOURCES(name, namespaced) \
	"{\"resources\":[{\"name\":\"" name "\",\"namespaced\":" namespaced "}]}"

static void test_client__discovery_falls_back_to_older_versions(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_resource r = { .version = "?" };

	server_start(&b->server, STEPS({ "200 OK", NULL, GROUP, 0 },
				       { "200 OK", NULL, RESOURCES("others", "true"), 0 },
				       { "404 Not Found", NULL, NULL, 0 },
				       { "200 OK", NULL, RESOURCES("things", "false"), 0 },
				       { "200 OK", NULL, GROUP, 0 },
				       { "200 OK", NULL, RESOURCES("others", "true"), 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_discover(b->k, "g.io", "things", &r, &err), 0);
	assert_string_equal(r.group, "g.io");
	assert_string_equal(r.version, "v1");
	assert_string_equal(r.plural, "things");
	assert_false(r.namespaced);
	ASSERT_HAS(b->server.requests[0], "GET /apis/g.io HTTP");
	ASSERT_HAS(b->server.requests[1], "GET /apis/g.io/v3 HTTP");
	ASSERT_HAS(b->server.requests[3], "GET /apis/g.io/v1 HTTP");
	assert_int_equal(np_kube_discover(b->k, "g.io", "things", &r, &err), -NP_E_NOT_FOUND);
	assert_string_equal(err.text, "the server's API group 'g.io' has no resource 'things'");
	assert_string_equal(r.version, "v1");
}

static void test_client__missing_group_is_reported(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	struct np_kube_resource r = { .version = "?" };

	server_start(&b->server, STEPS({ "404 Not Found", NULL, "404 page not found", 0 }));
	bed_connect(b, (struct np_kube_options){ 0 });
	assert_int_equal(np_kube_discover(b->k, "g.io", "things", &r, &err), -NP_E_NOT_FOUND);
	assert_string_equal(err.text, "the server has no API group 'g.io'");
	assert_string_equal(r.version, "?");
}

static void test_client__a_pause_ends_at_the_deadline(void **state)
{
	struct bed *b = *state;
	struct np_err err = NP_ERR_INIT;
	uint64_t start;

	bed_connect(
		b, (struct np_kube_options){ .server = "http://127.0.0.1:1", .deadline_ms = 2000 });
	start = np_clock_ms();
	assert_int_equal(np_kube_pause(b->k, 20, &err), 0);
	assert_in_range(np_clock_ms() - start, 10, 1000);
	assert_int_equal(np_kube_pause(b->k, 20000, &err), -NP_E_RETRY);
	assert_in_range(np_clock_ms() - start, 10, 1500);
}

/* --- TLS ------------------------------------------------------------------------------------- */

/* One TLS server and the client's error. */
struct tls_row {
	const char *name;
	const char *names; /* in the server's certificate */
	long valid_s;
	bool other_ca, want_client_cert;
	struct np_kube_options o;
	const char *says; /* NULL: goes well */
};

static void try_tls(const struct tls_row *row, struct bed *b)
{
	char ca[] = "/tmp/nodeprep-kube-XXXXXX";
	struct np_kube_options o = row->o;
	struct certificate cert, other;
	struct np_err err = NP_ERR_INIT;
	int fd = mkstemp(ca), r;
	const char *pem;

	certificate_make(&cert, "test", row->names, row->valid_s);
	certificate_make(&other, "test", row->names, row->valid_s);
	pem = row->other_ca ? other.cert_pem : cert.cert_pem;
	assert_int_equal(write(fd, pem, strlen(pem)), strlen(pem));
	close(fd);
	b->server.tls = tls_context(&cert, row->want_client_cert);
	server_start(&b->server, STEPS({ "200 OK", NULL, "{}", 0 }));
	o.ca_file = o.insecure ? NULL : ca;
	bed_connect(b, o);
	r = get_class(b, &err);
	if (r != (row->says ? -NP_E_REFUSED : 0) || (r < 0 && !strstr(err.text, row->says)))
		fail_msg("%s: %d: %s", row->name, r, err.text);
	if (!row->says)
		ASSERT_HAS(b->server.requests[0], "\r\nHost: 127.0.0.1:");
	if (b->server.connections > 1)
		fail_msg("%s: was tried again", row->name);
	unlink(ca);
	certificate_done(&cert);
	certificate_done(&other);
}

static void test_client__certificates_are_verified(void **state)
{
	static const struct tls_row rows[] = {
		{ "right", "IP:127.0.0.1", 3600, false, false, { 0 }, NULL },
		{ "another CA",
		  "IP:127.0.0.1",
		  3600,
		  true,
		  false,
		  { 0 },
		  "self-signed, not signed by the CA '/tmp/nodeprep-kube-" },
		{ "another host",
		  "DNS:kube.lab",
		  3600,
		  false,
		  false,
		  { 0 },
		  "the host name '127.0.0.1' is not in the server's certificate" },
		{ "expired", "IP:127.0.0.1", -3600, false, false, { 0 }, "has expired" },
		{ "the other name is asked for",
		  "DNS:kube.lab",
		  3600,
		  false,
		  false,
		  { .tls_server_name = "kube.lab" },
		  NULL },
		{ "a name that is asked for is missing",
		  "IP:127.0.0.1",
		  3600,
		  false,
		  false,
		  { .tls_server_name = "kube.lab" },
		  "the host name 'kube.lab' is not in" },
		{ "nothing is verified",
		  "DNS:kube.lab",
		  -3600,
		  false,
		  false,
		  { .insecure = true },
		  NULL },
		{ "a client certificate is wanted",
		  "IP:127.0.0.1",
		  3600,
		  false,
		  true,
		  { 0 },
		  "the server requires one, and the user has none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bed *b = calloc(1, sizeof(*b));
		void *inner = b;

		(void)state;
		try_tls(&rows[i], b);
		bed_free(&inner);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_BED(test_client__a_get_carries_its_identity),
		IN_BED(test_client__a_patch_is_a_strict_merge_patch),
		IN_BED(test_client__a_get_after_a_patch_has_no_body),
		IN_BED(test_client__conflict_is_not_retried),
		IN_BED(test_client__the_server_s_path_is_kept),
		IN_BED(test_client__retry_after_is_honoured),
		IN_BED(test_client__retry_after_beyond_deadline_fails_at_once),
		cmocka_unit_test(test_client__retry_after_has_a_floor_and_a_ceiling),
		IN_BED(test_client__cut_connection_is_retried),
		IN_BED(test_client__a_patch_without_resource_version_is_sent_once),
		IN_BED(test_client__deadline_ends_retries),
		IN_BED(test_client__refused_connection_fails_soon),
		IN_BED(test_client__oversized_body_is_rejected),
		IN_BED(test_client__an_echoed_token_is_redacted),
		IN_BED(test_client__a_warning_is_logged_once),
		IN_BED(test_client__a_401_rereads_the_token_file_once),
		IN_BED(test_client__a_list_comes_in_pages),
		IN_BED(test_client__an_expired_page_starts_over_once),
		IN_BED(test_client__a_caller_can_end_a_list),
		IN_BED(test_client__discovery_falls_back_to_older_versions),
		IN_BED(test_client__missing_group_is_reported),
		IN_BED(test_client__a_pause_ends_at_the_deadline),
		cmocka_unit_test(test_client__certificates_are_verified),
	};

	/* A client that disconnects must not end the server. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
