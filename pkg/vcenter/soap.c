/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

#define SOAP_PATH "/sdk"
#define COOKIE "vmware_soap_session="

/* A vCenter that does not know the newer version says so; the older one is what 7.0 has as well. */
static const char newer_action[] = "SOAPAction: urn:vim25/8.0.1.0";
static const char older_action[] = "SOAPAction: urn:vim25/6.7";
static const char unsupported_version[] = "UnsupportedVersion"; /* a fault of our own naming */

/* --- faults ------------------------------------------------------------------------------------- */

/* What a fault type means; any other is a rejected request. */
static const struct fault_row {
	const char *type;
	enum np_code code;
} fault_rows[] = {
	{ "ConcurrentAccess", NP_E_CONFLICT },
	{ "ManagedObjectNotFound", NP_E_NOT_FOUND },
	{ "NotFound", NP_E_NOT_FOUND },
};

static enum np_code fault_code(const char *type)
{
	for (size_t i = 0; i < sizeof(fault_rows) / sizeof(fault_rows[0]); i++)
		if (strcmp(fault_rows[i].type, type) == 0)
			return fault_rows[i].code;
	return NP_E_REFUSED;
}

/* The type is an attribute, or else the element's name: <InvalidLoginFault>. */
static void name_fault(const struct np_kube *http, const struct vcenter_node *detail,
		       char buf[static VCENTER_FAULT_MAX])
{
	static const char suffix[] = "Fault";
	const struct vcenter_node *n = detail ? detail->child : NULL;
	size_t size;

	buf[0] = '\0';
	if (!n)
		return;
	vcenter_quote_name(http, n->type[0] ? n->type : n->name, buf, VCENTER_FAULT_MAX);
	size = strlen(buf);
	if (size >= sizeof(suffix) && strcmp(buf + size - 5, suffix) == 0)
		buf[size - 5] = '\0';
}

/* Returns the SOAP body of a document; NULL: it has none. */
static const struct vcenter_node *find_body(const struct vcenter_xml *x)
{
	const struct vcenter_node *root = vcenter_xml_root(x), *body = vcenter_child(root, "Body");

	if (!root || root->ns != VCENTER_NS_SOAP || strcmp(root->name, "Envelope") != 0)
		return NULL;
	return body && body->ns == VCENTER_NS_SOAP ? body : NULL;
}

static void quote(const struct np_kube *http, const char *text,
		  char buf[static VCENTER_MESSAGE_MAX])
{
	buf[0] = '\0';
	if (!text[0])
		return;
	memcpy(buf, ": ", 3);
	np_kube_redact(http, text, buf + 2, VCENTER_MESSAGE_MAX - 2);
}

/* An account that is locked or has no rights is reported by other types, or by none. */
static bool is_about_login(const struct vcenter_call *call, const char *type)
{
	static const char *const types[] = { "", "NoPermission", "PasswordExpired" };

	if (strcmp(type, "InvalidLogin") == 0)
		return true;
	for (size_t i = 0; call->is_login && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

/* `fault` is the typed element; NULL: there is none. */
static int fail_typed(const struct vcenter_call *call, const struct np_kube *http, const char *type,
		      const struct vcenter_node *fault, const char *message, struct np_err *err)
{
	char privilege[VCENTER_FAULT_MAX];

	if (strcmp(type, "NoPermission") == 0) {
		vcenter_quote_name(http, vcenter_child_text(fault, "privilegeId"), privilege,
				   sizeof(privilege));
		return vcenter_fail_privilege(call, privilege, message, err);
	}
	return np_fail(err, fault_code(type), "cannot %s %s: vCenter answers with the fault %s%s",
		       call->verb, call->what, type[0] ? type : "without a type", message);
}

static int fail_fault(const struct vcenter_call *call, const struct np_kube *http,
		      const struct vcenter_node *fault, char type[static VCENTER_FAULT_MAX],
		      struct np_err *err)
{
	const struct vcenter_node *detail = vcenter_child(fault, "detail");
	const char *text = vcenter_child_text(fault, "faultstring");
	char message[VCENTER_MESSAGE_MAX];

	name_fault(http, detail, type);
	quote(http, text, message);
	if (strcasestr(text, "unsupported version"))
		strlcpy(type, unsupported_version, VCENTER_FAULT_MAX);
	if (is_about_login(call, type))
		return vcenter_fail_login(call, message, err);
	return fail_typed(call, http, type, detail ? detail->child : NULL, message, err);
}

/* {"fault": a typed element, "localizedMessage": text} */
int vcenter_fail_task(const struct vcenter_call *call, const struct np_kube *http,
		      const struct np_vcenter_val *error, struct np_err *err)
{
	const struct np_vcenter_val *fault = np_vcenter_val_member(error, "fault");
	const void *node = fault;
	char message[VCENTER_MESSAGE_MAX], type[VCENTER_FAULT_MAX];

	quote(http, np_vcenter_val_member_text(error, "localizedMessage"), message);
	vcenter_quote_name(http, np_vcenter_val_type(fault), type, sizeof(type));
	return fail_typed(call, http, type, node, message, err);
}

static int fail_without_fault(const struct vcenter_call *call, long status, struct np_err *err)
{
	if (status == 404 || (status >= 300 && status < 400))
		return np_fail(err, NP_E_REFUSED,
			       "cannot %s %s: the server has no vSphere API at " SOAP_PATH
			       " (%ld): is this a vCenter?",
			       call->verb, call->what, status);
	return np_fail(err, status >= 500 || status == 429 ? NP_E_RETRY : NP_E_REFUSED,
		       "cannot %s %s: the server answers with status %ld and without a SOAP fault",
		       call->verb, call->what, status);
}

int vcenter_soap_judge(const struct vcenter_call *call, const struct np_kube *http,
		       const struct np_kube_reply *reply, bool *ret_again,
		       char fault[static VCENTER_FAULT_MAX], struct np_err *err)
{
	NP_AUTO(vcenter_xml_freep) struct vcenter_xml *x = NULL;
	struct np_err ignored = NP_ERR_INIT;
	const struct vcenter_node *found;

	fault[0] = '\0';
	*ret_again = false;
	if (reply->status >= 200 && reply->status < 300)
		return 0;
	if (vcenter_xml_parse(reply->body, reply->size, &x, &ignored) == 0) {
		found = vcenter_child(find_body(x), "Fault");
		if (found && found->ns == VCENTER_NS_SOAP)
			return fail_fault(call, http, found, fault, err);
	}
	*ret_again = np_kube_status_is_retried(reply->status);
	return fail_without_fault(call, reply->status, err);
}

/* --- requests and responses --------------------------------------------------------------------- */

int vcenter_soap_envelope(const struct vcenter_method *m, struct vcenter_text *ret,
			  struct np_err *err)
{
	static const char start[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\""
		" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\""
		" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><";
	const char *const parts[] = {
		start,
		m->name,
		" xmlns=\"urn:vim25\"><_this type=\"",
		m->type,
		"\">",
		NULL, /* the id, which is the server's */
		"</_this>",
		m->arguments ? m->arguments : "",
		"</",
		m->name,
		"></soapenv:Body></soapenv:Envelope>",
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i])
			vcenter_text_add(ret, parts[i]);
		else
			vcenter_text_add_escaped(ret, m->id);
	return ret->failed ? np_fail_nomem(err) : 0;
}

void vcenter_result_done(struct vcenter_result *r)
{
	vcenter_xml_free(r->xml);
	*r = (struct vcenter_result){ 0 };
}

int vcenter_soap_response(const char *method, struct vcenter_visitor *visitor, const char *bytes,
			  size_t size, struct vcenter_result *ret, struct np_err *err)
{
	NP_AUTO(vcenter_xml_freep) struct vcenter_xml *x = NULL;
	const struct vcenter_node *body, *response;
	char name[96];

	if (vcenter_xml_visit(bytes, size, visitor, &x, err) < 0)
		return visitor && visitor->failed
			       ? np_err_ret(err)
			       : np_wrap(err, "%s: the response is not a vCenter's", method);
	body = find_body(x);
	if (!body)
		return np_fail(err, NP_E_REFUSED,
			       "%s: the response is not a SOAP envelope: is this a vCenter?",
			       method);
	snprintf(name, sizeof(name), "%sResponse", method);
	response = vcenter_child(body, name);
	if (!response || response->ns != VCENTER_NS_VIM)
		return np_fail(err, NP_E_REFUSED, "%s: the response has no %s of urn:vim25", method,
			       name);
	ret->response = response;
	ret->xml = np_take(x);
	return 0;
}

/* One request and what its answers meant. */
struct request {
	const struct vcenter_call *call;
	const struct np_kube *http;
	char fault[VCENTER_FAULT_MAX];
	char *cookie; /* that the answer sets; NULL: none */
};

static void request_done(struct request *r)
{
	np_wipep(&r->cookie);
}

static int judge(void *ctx, const struct np_kube_reply *reply, bool *ret_again, struct np_err *err)
{
	struct request *r = ctx;

	return vcenter_soap_judge(r->call, r->http, reply, ret_again, r->fault, err);
}

/* Keeps NAME=VALUE; its attributes say what is so for every cookie here. */
static void take_header(void *ctx, const char *line)
{
	static const char name[] = "set-cookie:";
	struct request *r = ctx;
	size_t size;

	if (strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	line += sizeof(name) - 1;
	line += strspn(line, " \t");
	size = strcspn(line, "; \t");
	if (strncmp(line, COOKIE, sizeof(COOKIE) - 1) != 0 || size <= sizeof(COOKIE) - 1)
		return;
	np_wipep(&r->cookie);
	r->cookie = strndup(line, size);
}

static int make_cookie(const char *cookie, char **ret, struct np_err *err)
{
	if (asprintf(ret, "Cookie: %s", cookie) < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

static int exchange(struct np_vcenter *v, const struct vcenter_method *m, struct request *r,
		    struct vcenter_result *ret, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text envelope = { 0 };
	NP_AUTO(np_wipep) char *cookie = NULL;
	NP_AUTO(np_freep) char *body = NULL;
	const char *headers[] = { v->soap_action, NULL, NULL };
	struct np_kube_exchange x = { .method = "POST",
				      .path = SOAP_PATH,
				      .what = m->call.what,
				      .headers = headers,
				      .content_type = "text/xml; charset=utf-8",
				      .is_repeatable = m->is_repeatable,
				      .has_secrets = strcmp(m->name, "Login") == 0,
				      .is_final = m->is_final,
				      .judge = judge,
				      .header = take_header,
				      .ctx = r };
	size_t size;

	if (v->cookie) {
		if (make_cookie(v->cookie, &cookie, err) < 0)
			return np_err_ret(err);
		headers[1] = cookie;
	}
	if (vcenter_soap_envelope(m, &envelope, err) < 0)
		return np_err_ret(err);
	x.body = envelope.bytes;
	if (np_kube_exchange(v->http, &x, &body, &size, err) < 0)
		return np_err_ret(err);
	return vcenter_soap_response(m->name, m->visitor, body, size, ret, err);
}

/* Falls back to the older version once; the client keeps it. */
static int exchange_version(struct np_vcenter *v, const struct vcenter_method *m, struct request *r,
			    struct vcenter_result *ret, struct np_err *err)
{
	struct np_err first = NP_ERR_INIT;

	if (!v->soap_action)
		v->soap_action = newer_action;
	if (exchange(v, m, r, ret, &first) == 0)
		return 0;
	if (strcmp(r->fault, unsupported_version) != 0 || v->soap_action == older_action) {
		*err = first;
		return np_err_ret(err);
	}
	v->soap_action = older_action;
	return exchange(v, m, r, ret, err);
}

int vcenter_soap_send(struct np_vcenter *v, const struct vcenter_method *m,
		      struct vcenter_result *ret, struct np_err *err)
{
	NP_AUTO(request_done) struct request r = { .call = &m->call, .http = v->http };

	return exchange_version(v, m, &r, ret, err);
}

/* --- the session -------------------------------------------------------------------------------- */

static int make_login(const struct np_vcenter *v, struct vcenter_text *ret, struct np_err *err)
{
	vcenter_text_add(ret, "<userName>");
	vcenter_text_add_escaped(ret, v->login.user);
	vcenter_text_add(ret, "</userName><password>");
	vcenter_text_add_escaped(ret, v->login.password);
	vcenter_text_add(ret, "</password>");
	return ret->failed ? np_fail_nomem(err) : 0;
}

static int log_in(struct np_vcenter *v, struct np_err *err)
{
	const struct np_vcenter_about *about;
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	struct vcenter_method m = { .name = "Login",
				    .type = "SessionManager",
				    .id = v->session_manager,
				    .call = { .verb = "log in to",
					      .what = "vCenter",
					      .user = v->login.user,
					      .is_login = true },
				    .is_repeatable = true };
	NP_AUTO(request_done) struct request r = { .call = &m.call, .http = v->http };

	if (np_vcenter_about(v, &about, err) < 0 || make_login(v, &arguments, err) < 0)
		return np_err_ret(err);
	m.arguments = arguments.bytes;
	if (exchange_version(v, &m, &r, &result, err) < 0)
		return np_err_ret(err);
	if (!r.cookie)
		return np_fail(err, NP_E_REFUSED,
			       "Login: the response sets no cookie vmware_soap_session");
	return vcenter_keep_secret_take(v, &v->cookie, np_take(r.cookie), err);
}

int vcenter_soap(struct np_vcenter *v, const struct vcenter_method *m, struct vcenter_result *ret,
		 struct np_err *err)
{
	NP_AUTO(request_done) struct request r = { .call = &m->call, .http = v->http };
	struct np_err first = NP_ERR_INIT;

	if (!v->cookie && log_in(v, err) < 0)
		return np_err_ret(err);
	if (exchange_version(v, m, &r, ret, &first) == 0)
		return 0;
	memcpy(ret->fault, r.fault, sizeof(ret->fault));
	if (strcmp(r.fault, VCENTER_NOT_AUTHENTICATED) != 0) {
		*err = first;
		return np_err_ret(err);
	}
	np_wipep(&v->cookie);
	if (m->is_bound) {
		*err = first;
		return np_err_ret(err);
	}
	np_kube_log(v->http, "vCenter ended the session; logging in again");
	if (log_in(v, err) < 0)
		return np_err_ret(err);
	if (exchange_version(v, m, &r, ret, err) == 0)
		return 0;
	memcpy(ret->fault, r.fault, sizeof(ret->fault));
	return np_err_ret(err);
}

void vcenter_soap_logout(struct np_vcenter *v)
{
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct vcenter_method m = {
		.name = "Logout",
		.type = "SessionManager",
		.id = v->session_manager,
		.call = { .verb = "log out of", .what = "vCenter", .user = v->login.user },
		.is_final = true,
	};
	struct np_err ignored = NP_ERR_INIT;

	if (!v->cookie)
		return;
	(void)vcenter_soap_send(v, &m, &result, &ignored);
	np_wipep(&v->cookie);
}
