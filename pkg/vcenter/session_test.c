/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "testbed.h"

#define LOGIN                                             \
	{                                                 \
		"201 Created", NULL, "\"session-one\"", 0 \
	}
#define LOGIN_AGAIN                                       \
	{                                                 \
		"201 Created", NULL, "\"session-two\"", 0 \
	}
#define LOGOUT                                  \
	{                                       \
		"204 No Content", NULL, NULL, 0 \
	}
#define GPU                                                           \
	{                                                             \
		"200 OK", NULL, "{\"id\":\"gpu\",\"memory_MB\":8}", 0 \
	}
#define EXPIRED                                                                                   \
	{                                                                                         \
		"401 Unauthorized", NULL, "{\"error_type\":\"UNAUTHENTICATED\",\"messages\":[]}", \
			0                                                                         \
	}
#define SOAP_OK                                                                  \
	{                                                                        \
		"200 OK", NULL, ENVELOPE("<FindResponse xmlns='urn:vim25'/>"), 0 \
	}

static int get_gpu(struct vc *t, struct np_err *err)
{
	json_t *info = NULL;
	int r = np_vcenter_class_get(t->v, "gpu", &info, err);

	assert_int_equal(!!info, r == 0);
	json_decref(info);
	return r;
}

#define CLASS_GPU "/api/vcenter/namespace-management/virtual-machine-classes/gpu "

static const char get_line[] = "GET " CLASS_GPU, patch_line[] = "PATCH " CLASS_GPU;

/* --- REST --------------------------------------------------------------------------------------- */

static void test_vcenter__one_session_a_run(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, LOGIN, GPU, GPU, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	assert_int_equal(get_gpu(t, &err), 0);
	expect_requests(t, (const char *const[]){ "POST /sdk ", "POST /api/session ", get_line,
						  get_line, "DELETE /api/session ", NULL });
	expect_in_request(
		t, 1, "Authorization: Basic YWRtaW5pc3RyYXRvckB2c3BoZXJlLmxvY2FsOnRvcDxzZWNyZXQ+");
	expect_in_request(t, 2, "\r\nvmware-api-session-id: session-one\r\n");
	expect_in_request(t, 4, "\r\nvmware-api-session-id: session-one\r\n");
	assert_null(strstr(t->bed.server.requests[2], "Authorization"));
}

static void test_vcenter__older_session_form(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, { "404 Not Found", NULL, "404 page not found", 0 },
			  { "200 OK", NULL, "{\"value\":\"session-old\"}", 0 }, GPU, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	expect_requests(t, (const char *const[]){ "POST /sdk ", "POST /api/session ",
						  "POST /rest/com/vmware/cis/session ", get_line,
						  "DELETE /rest/com/vmware/cis/session ", NULL });
	expect_in_request(t, 3, "\r\nvmware-api-session-id: session-old\r\n");
}

static void test_vcenter__no_session_form_is_clear(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, { "404 Not Found", NULL, "404 page not found", 0 }));
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "has no vCenter REST API");
}

static void test_vcenter__expired_session_is_renewed_once(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t,
		 STEPS(ABOUT, LOGIN, EXPIRED, LOGIN_AGAIN, GPU, EXPIRED, LOGIN, EXPIRED, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "ended the session");
	assert_int_equal(t->bed.server.n, 8);
	expect_in_request(t, 4, "session-two");
}

static void test_vcenter__wrong_password_keeps_secret(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, { "401 Unauthorized", NULL,
				   "{\"error_type\":\"UNAUTHENTICATED\",\"messages\":[{"
				   "\"default_message\":\"top<secret> is wrong\"}]}",
				   0 }));
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "'administrator@vsphere.local' or its password");
	expect_has("error", err.text, ": [redacted] is wrong");
	expect_requests(t, (const char *const[]){ "POST /sdk ", "POST /api/session ", NULL });
}

static void test_vcenter__patch_is_not_repeated(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;
	json_t *spec = json_pack("{s:i}", "memory_MB", 8);

	vc_start(t, STEPS(ABOUT, LOGIN, { NULL, NULL, NULL, 0 }, LOGOUT));
	assert_int_equal(np_vcenter_class_patch(t->v, "gpu", spec, &err), -NP_E_RETRY);
	expect_has("error", err.text, "VM class 'gpu' may or may not be changed: ");
	json_decref(spec);
	expect_requests(t, (const char *const[]){ "POST /sdk ", "POST /api/session ", patch_line,
						  "DELETE /api/session ", NULL });
	expect_in_request(t, 2, "\r\nContent-Type: application/json\r\n");
	expect_in_request(t, 2, "\r\n\r\n{\"memory_MB\":8}");
}

static void test_vcenter__read_is_repeated(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, LOGIN, { NULL, NULL, NULL, 0 },
			  { "503 Service Unavailable", NULL, "busy", 0 }, GPU, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	expect_has("log", t->bed.log, "status 503");
}

static void test_vcenter__other_class_is_rejected(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, LOGIN, { "200 OK", NULL, "{\"id\":\"cpu\"}", 0 }, LOGOUT));
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "the response is about another class ('cpu')");
}

static int count_ids(void *ctx, json_t *info, struct np_err *err)
{
	(void)err;
	strlcat(ctx, json_string_value(json_object_get(info, "id")), 64);
	return 0;
}

static void test_vcenter__classes_are_sorted(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;
	char ids[64] = "";

	vc_start(t, STEPS(ABOUT, LOGIN,
			  { "200 OK", NULL, "[{\"id\":\"c\"},{\"id\":\"a\"},{\"id\":\"b\"}]", 0 },
			  { "200 OK", NULL, "[{\"name\":\"c\"}]", 0 },
			  { "200 OK", NULL, "{\"id\":\"c\"}", 0 }, LOGOUT));
	assert_int_equal(np_vcenter_class_list(t->v, count_ids, ids, &err), 0);
	assert_string_equal(ids, "abc");
	assert_int_equal(np_vcenter_class_list(t->v, count_ids, ids, &err), -NP_E_REFUSED);
	assert_int_equal(np_vcenter_class_list(t->v, count_ids, ids, &err), -NP_E_REFUSED);
	assert_string_equal(ids, "abc");
}

static void test_vcenter__older_version_is_refused_before_login(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS({ "200 OK", NULL, CONTENT("8.0.1"), 0 }));
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "vCenter 8.0.1 is too old");
	expect_requests(t, (const char *const[]){ "POST /sdk ", NULL });
}

/* A signal ends the work, and still the session does not stay behind. */
static void test_vcenter__cancelled_run_logs_out(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, LOGIN, GPU, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	t->is_cancelled = true;
	assert_int_equal(get_gpu(t, &err), -NP_E_RETRY);
	assert_string_equal(err.text, "interrupted");
	expect_requests(t, (const char *const[]){ "POST /sdk ", "POST /api/session ", get_line,
						  "DELETE /api/session ", NULL });
}

/* --- trust -------------------------------------------------------------------------------------- */

static void test_vcenter__untrusted_certificate_is_named(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	certificate_make(&t->cert, "vmca", "IP:127.0.0.1", 3600);
	vc_start_trusting(t, (struct np_vcenter_options){ 0 }, STEPS(ABOUT));
	assert_int_equal(get_gpu(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "not signed by any CA that this system trusts");
	expect_has("error", err.text, "SHA-256 fingerprint is ");
	expect_has("error", err.text,
		   ": if it is vCenter's, give its CA with "
		   "--certificate-authority FILE; vCenter offers it at https://");
	expect_has("error", err.text, "/certs/download.zip");
	assert_int_equal(t->bed.server.n, 0);
}

static void test_vcenter__ca_files_of_the_environment_are_trusted(void **state)
{
	struct vc *t = *state;
	struct certificate other;
	char first[] = "/tmp/nodeprep-ca-XXXXXX", second[] = "/tmp/nodeprep-ca-XXXXXX", list[128];
	struct np_err err = NP_ERR_INIT;
	int fds[] = { mkstemp(first), mkstemp(second) };

	certificate_make(&t->cert, "vmca", "IP:127.0.0.1", 3600);
	certificate_make(&other, "other", NULL, 3600);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	close(fds[0]);
	close(fds[1]);
	save_file(first, other.cert_pem);
	save_file(second, t->cert.cert_pem);
	snprintf(list, sizeof(list), "%s:%s", first, second);
	vc_start_trusting(t, (struct np_vcenter_options){ .ca_files_env = list },
			  STEPS(ABOUT, LOGIN, GPU, LOGOUT));
	unlink(first);
	unlink(second);
	certificate_done(&other);
	if (get_gpu(t, &err) < 0)
		fail_msg("%s", err.text);
}

/* --- SOAP --------------------------------------------------------------------------------------- */

static int find(struct vc *t, struct np_err *err)
{
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct vcenter_method m = { .name = "Find",
					  .type = "Folder",
					  .id = "group-d1",
					  .call = { .verb = "read", .what = "hosts", .user = "u" },
					  .is_repeatable = true };

	return vcenter_soap(t->v, &m, &result, err);
}

static void test_vcenter__soap_session(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, SOAP_LOGIN, SOAP_OK, SOAP_EXPIRED, SOAP_LOGIN, SOAP_OK,
			  { "200 OK", NULL, ENVELOPE("<LogoutResponse xmlns='urn:vim25'/>"), 0 }));
	assert_int_equal(find(t, &err), 0);
	assert_int_equal(find(t, &err), 0);
	np_vcenter_free(np_take(t->v));
	assert_int_equal(t->bed.server.n, 7);
	expect_in_request(t, 1,
			  "<userName>administrator@vsphere.local</userName>"
			  "<password>top&lt;secret&gt;</password>");
	expect_in_request(t, 1, "\r\nSOAPAction: urn:vim25/8.0.1.0\r\n");
	assert_null(strstr(t->bed.server.requests[1], "\r\nCookie:"));
	expect_in_request(t, 2, "\r\nCookie: vmware_soap_session=\"cookie-one\"\r\n");
	expect_in_request(t, 6, "<Logout xmlns=\"urn:vim25\">");
	expect_in_request(t, 6, "\r\nCookie: vmware_soap_session=\"cookie-one\"\r\n");
}

static void test_vcenter__login_without_cookie_is_rejected(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS(ABOUT, { "200 OK", "Set-Cookie: other=1\r\n",
				   ENVELOPE("<LoginResponse xmlns='urn:vim25'/>"), 0 }));
	assert_int_equal(find(t, &err), -NP_E_REFUSED);
	expect_has("error", err.text, "sets no cookie vmware_soap_session");
}

static void test_vcenter__older_soap_version(void **state)
{
	struct vc *t = *state;
	struct np_err err = NP_ERR_INIT;

	vc_start(t, STEPS({ "500 Internal Server Error", NULL,
			    FAULT("x", "Unsupported version URI"), 0 },
			  ABOUT, LOGIN, GPU, LOGOUT));
	assert_int_equal(get_gpu(t, &err), 0);
	expect_in_request(t, 0, "\r\nSOAPAction: urn:vim25/8.0.1.0\r\n");
	expect_in_request(t, 1, "\r\nSOAPAction: urn:vim25/6.7\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VC(test_vcenter__one_session_a_run),
		IN_VC(test_vcenter__older_session_form),
		IN_VC(test_vcenter__no_session_form_is_clear),
		IN_VC(test_vcenter__expired_session_is_renewed_once),
		IN_VC(test_vcenter__wrong_password_keeps_secret),
		IN_VC(test_vcenter__patch_is_not_repeated),
		IN_VC(test_vcenter__read_is_repeated),
		IN_VC(test_vcenter__other_class_is_rejected),
		IN_VC(test_vcenter__classes_are_sorted),
		IN_VC(test_vcenter__older_version_is_refused_before_login),
		IN_VC(test_vcenter__cancelled_run_logs_out),
		IN_VC(test_vcenter__untrusted_certificate_is_named),
		IN_VC(test_vcenter__ca_files_of_the_environment_are_trusted),
		IN_VC(test_vcenter__soap_session),
		IN_VC(test_vcenter__login_without_cookie_is_rejected),
		IN_VC(test_vcenter__older_soap_version),
	};

	return cmocka_run_group_tests_name("vcenter sessions", tests, NULL, NULL);
}
