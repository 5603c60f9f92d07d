/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VCENTER_TESTBED_H
#define NODEPREP_VCENTER_TESTBED_H

/*
 * testbed - recorded answers of a vCenter, one after the other, and its client.
 */

#include "expect.h"
#include "internal.h"

#include "../kube/testbed.h"

#define ENVELOPE(body)                                                                     \
	"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>" body "" \
	"</e:Body></e:Envelope>"
#define FAULT(type, text)                                                                   \
	ENVELOPE("<e:Fault><faultstring>" text "</faultstring><detail><" type "Fault xmlns" \
		 "='urn:vim25'/></detail></e:Fault>")
#define CONTENT(version)                                                                     \
	ENVELOPE("<RetrieveServiceContentResponse xmlns='urn:vim25'><returnval><about>"      \
		 "<name>VMware vCenter Server</name><version>" version "</version>"          \
		 "<apiType>VirtualCenter</apiType>"                                          \
		 "<instanceUuid>b61dd26c-7c1f-4b1a-8a0d-0b7f3f9f1a55</instanceUuid></about>" \
		 "<propertyCollector type='PropertyCollector'>pc</propertyCollector>"        \
		 "<rootFolder type='Folder'>group-d1</rootFolder>"                           \
		 "<viewManager type='ViewManager'>ViewManager</viewManager>"                 \
		 "<setting type='OptionManager'>VpxSettings</setting>"                       \
		 "<sessionManager type='SessionManager'>SessionManager</sessionManager>"     \
		 "</returnval></RetrieveServiceContentResponse>")

/* A step with a response of SOAP, and one with a fault. */
#define SOAP(method, body)                                                                   \
	{                                                                                    \
		"200 OK", NULL,                                                              \
			ENVELOPE("<" method "Response xmlns='urn:vim25' "                    \
				 "xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>" body \
				 "</" method "Response>"),                                   \
			0                                                                    \
	}
#define SOAP_FAULT(type, text)                                          \
	{                                                               \
		"500 Internal Server Error", NULL, FAULT(type, text), 0 \
	}

#define ABOUT                                       \
	{                                           \
		"200 OK", NULL, CONTENT("8.0.3"), 0 \
	}
#define SOAP_LOGIN                                                                      \
	{                                                                               \
		"200 OK", "Set-Cookie: vmware_soap_session=\"cookie-one\"; Path=/\r\n", \
			ENVELOPE("<LoginResponse xmlns='urn:vim25'/>"), 0               \
	}
#define SOAP_LOGOUT SOAP("Logout", "")
#define SOAP_EXPIRED SOAP_FAULT("NotAuthenticated", "not authenticated")

enum { STEPS_MAX = 32 };

/* What one test needs. */
struct vc {
	struct bed bed;
	struct certificate cert;
	struct np_vcenter *v;
	bool is_cancelled;
	struct step steps[STEPS_MAX]; /* outlive the test: the client logs out behind it */
};

static inline bool is_cancelled(void *ctx)
{
	return *(bool *)ctx;
}

static inline int vc_new(void **state)
{
	/* A client that hangs up ends no test. */
	signal(SIGPIPE, SIG_IGN);
	*state = calloc(1, sizeof(struct vc));
	return *state ? 0 : -1;
}

static inline int vc_free(void **state)
{
	struct vc *t = *state;

	np_vcenter_free(t->v);
	if (t->bed.server.port)
		server_stop(&t->bed.server);
	certificate_done(&t->cert);
	free(t);
	return 0;
}

#define IN_VC(test) cmocka_unit_test_setup_teardown(test, vc_new, vc_free)

/* Starts the server and makes a client of it, with the options' CA. */
static inline void vc_start_trusting(struct vc *t, struct np_vcenter_options o,
				     const struct step *steps, size_t n)
{
	struct np_err err = NP_ERR_INIT;
	char url[64];

	t->bed.server.tls = tls_context(&t->cert, false);
	assert_true(n <= STEPS_MAX);
	memcpy(t->steps, steps, n * sizeof(*steps));
	server_start(&t->bed.server, t->steps, n);
	snprintf(url, sizeof(url), "127.0.0.1:%u/sdk", t->bed.server.port);
	o.url = url;
	o.username = "administrator@vsphere.local";
	o.password = "top<secret>";
	o.deadline_ms = 10000;
	o.log = keep_log;
	o.log_ctx = &t->bed;
	o.is_cancelled = is_cancelled;
	o.cancel_ctx = &t->is_cancelled;
	if (np_vcenter_new(&o, &t->v, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void vc_start(struct vc *t, const struct step *steps, size_t n)
{
	certificate_make(&t->cert, "test", NULL, 3600);
	vc_start_trusting(t, (struct np_vcenter_options){ .insecure = true }, steps, n);
}

/* Frees the client and looks for the lines, up to a NULL, one in each request. */
static inline void expect_requests(struct vc *t, const char *const *lines)
{
	size_t n = 0;

	np_vcenter_free(np_take(t->v));
	for (; lines[n]; n++) {
		if (n >= t->bed.server.n)
			fail_msg("no request %zu: '%s'", n, lines[n]);
		expect_has(lines[n], t->bed.server.requests[n], lines[n]);
	}
	assert_int_equal(t->bed.server.n, n);
}

static inline void expect_in_request(const struct vc *t, size_t request, const char *line)
{
	expect_has(line, t->bed.server.requests[request], line);
}

#endif
