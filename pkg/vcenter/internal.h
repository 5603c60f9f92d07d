/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_VCENTER_INTERNAL_H
#define NODEPREP_VCENTER_INTERNAL_H

/*
 * vcenter's private declarations: the address, the credentials, the two APIs, and the pure functions
 * that interpret their answers.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/kube.h"
#include "nodeprep/kube_exchange.h"
#include "nodeprep/vcenter.h"
#include "nodeprep/vcenter_inventory.h"

/* --- address.c ------------------------------------------------------------------------------- */

/* The parts of --vcenter. */
struct vcenter_address {
	char *base; /* "https://HOST[:PORT]" */
	char *user, *password; /* decoded; NULL: not given */
};

int vcenter_address_parse(const char *url, struct vcenter_address *ret, struct np_err *err);

/* Wipes the password. */
void vcenter_address_done(struct vcenter_address *a);

/* --- credentials.c --------------------------------------------------------------------------- */

struct vcenter_credentials {
	char *user, *password;
};

/* Takes user and password from the first place that has one; `a` is the parsed URL. */
int vcenter_credentials_load(const struct np_vcenter_options *o, const struct vcenter_address *a,
			     struct vcenter_credentials *ret, struct np_err *err);
void vcenter_credentials_done(struct vcenter_credentials *c);

/* Reads the one line of a file; "-" is standard input. `kind` is what it holds: "password". */
int vcenter_line_load(const char *path, const char *kind, uint64_t stdin_deadline, char **ret,
		      struct np_err *err);

/* --- client.c -------------------------------------------------------------------------------- */

#define VCENTER_LOGOUT_MS 5000

/* A session of REST, which a client and its clones share. */
struct vcenter_session {
	pthread_mutex_t lock; /* guards the members below; held during a login */
	char *id; /* NULL: none */
	bool is_old; /* made by the older form */
	unsigned generation; /* counts the sessions */
	struct np_err rejected; /* why vCenter accepts no login; NP_OK: it may */
};

struct np_vcenter {
	struct np_kube *http;
	char *base; /* "https://HOST[:PORT]" */
	struct vcenter_credentials login;
	char *basic; /* USER:PASSWORD in base64 */
	struct vcenter_session own, *session; /* a clone's is that of its original */
	unsigned generation; /* of the session that was used last */
	char *cookie; /* of SOAP: "vmware_soap_session=..."; NULL: none */
	const char *soap_action; /* the header line; NULL: none was sent yet */
	bool has_about; /* `about` and what follows it are set */
	bool is_checked; /* for classes */
	char api_type[32];
	struct np_vcenter_about about;
	char session_manager[64], property_collector[64], root_folder[64], view_manager[64],
		setting[64]; /* ids of the service's objects */
};

/* Remembers a secret of the server, which messages then never show. */
int vcenter_add_secret(struct np_vcenter *v, const char *secret, struct np_err *err);

/* Remembers a secret of the server and puts it at *slot, in place of the one before. */
int vcenter_keep_secret_take(struct np_vcenter *v, char **slot, char *secret, struct np_err *err);

/* --- fault.c --------------------------------------------------------------------------------- */

#define VCENTER_MESSAGE_MAX 400

/* A request, in the words that messages use. */
struct vcenter_call {
	const char *verb; /* "read", "change", "log in" */
	const char *what; /* "VM class 'x'" */
	const char *privilege; /* that the request needs */
	const char *user;
	bool is_login;
	bool is_class; /* a 404 is about the class, not about the service */
};

/* Copies a name from an answer - a type of error, a privilege - without secrets, cut to `size`. */
void vcenter_quote_name(const struct np_kube *http, const char *name, char *buf, size_t size);

/* Reports a rejected login, or a missing privilege ("": the call's own); `message` is ": TEXT" or "". */
int vcenter_fail_login(const struct vcenter_call *call, const char *message, struct np_err *err);
int vcenter_fail_privilege(const struct vcenter_call *call, const char *privilege,
			   const char *message, struct np_err *err);

/* Judges an answer of REST; see np_kube_exchange. *ret_expired: the session has ended. */
int vcenter_rest_judge(const struct vcenter_call *call, const struct np_kube *http,
		       const struct np_kube_reply *reply, bool *ret_again, bool *ret_expired,
		       struct np_err *err);

/* Parses an answer's JSON: at most 100 levels deep. */
int vcenter_json_parse(const char *what, const char *body, size_t size, json_t **ret,
		       struct np_err *err);

/* Sets *ret to the id of a new session, out of either form of the answer. */
int vcenter_session_parse(const char *body, size_t size, char **ret, struct np_err *err);

/* --- rest.c ---------------------------------------------------------------------------------- */

/* Returns USER:PASSWORD in base64, as basic authentication sends it; NULL where memory runs out. */
char *vcenter_basic(const char *user, const char *password);

struct vcenter_request {
	const struct vcenter_call *call;
	const char *method, *path;
	const json_t *body; /* NULL: none */
};

/* Sends a request with a session, which it makes or renews. *ret is the parsed answer; NULL: there is none. */
int vcenter_rest(struct np_vcenter *v, const struct vcenter_request *request, json_t **ret,
		 struct np_err *err);

/* Ends the session, if there is one. */
void vcenter_rest_logout(struct np_vcenter *v);

/* --- xml.c ----------------------------------------------------------------------------------- */

#define VCENTER_XML_DEPTH_MAX 100
#define VCENTER_XML_NODES_MAX 1000000

/* The namespaces that are told apart. */
enum vcenter_ns {
	VCENTER_NS_OTHER,
	VCENTER_NS_NONE,
	VCENTER_NS_SOAP, /* http://schemas.xmlsoap.org/soap/envelope/ */
	VCENTER_NS_VIM, /* urn:vim25 */
};

/* An element. */
struct vcenter_node {
	const char *name; /* without prefix */
	const char *type; /* xsi:type without prefix; "" where there is none */
	const char *ref_type; /* the attribute `type` of a reference to an object; "" likewise */
	const char *text; /* "" where there is none, and where there are elements inside */
	const struct vcenter_node *child, *next;
	enum vcenter_ns ns;
	bool is_nil; /* xsi:nil */
};

struct vcenter_xml;

/* Parses a document; the nodes live as long as it. Error texts hold none of the document's. */
int vcenter_xml_parse(const char *bytes, size_t size, struct vcenter_xml **ret, struct np_err *err);

/* Called with each element of the name that is `depth` levels below the root; the root's own depth is 0. */
struct vcenter_visitor {
	const char *name;
	size_t depth;
	int (*each)(void *ctx, const struct vcenter_node *n, struct np_err *err);
	void *ctx;
	bool failed; /* each() has */
};

/*
 * Parses a document and hands over elements as they end: each lives until each() returns, and is not in
 * *ret. What follows it may still be no XML, which fails the call. A negative return of each() ends it.
 */
int vcenter_xml_visit(const char *bytes, size_t size, struct vcenter_visitor *visitor,
		      struct vcenter_xml **ret, struct np_err *err);
void vcenter_xml_free(struct vcenter_xml *x);
void vcenter_xml_freep(struct vcenter_xml **x);
const struct vcenter_node *vcenter_xml_root(const struct vcenter_xml *x);

/* Returns the first element of that name inside `n`; NULL: none, or `n` is NULL. */
const struct vcenter_node *vcenter_child(const struct vcenter_node *n, const char *name);

/* Returns the next element of the name behind `n`. */
const struct vcenter_node *vcenter_next(const struct vcenter_node *n);

/* Returns the text of an element inside `n`; "" where there is none. */
const char *vcenter_child_text(const struct vcenter_node *n, const char *name);

/* Growing text; `failed` where memory ran out. */
struct vcenter_text {
	char *bytes;
	size_t size, cap;
	bool failed;
};

void vcenter_text_add(struct vcenter_text *t, const char *text);

/* Adds the text with XML's special characters escaped, inside an element or an attribute. */
void vcenter_text_add_escaped(struct vcenter_text *t, const char *text);

/* Wipes the bytes. */
void vcenter_text_done(struct vcenter_text *t);

/* Sets *ret to whether XML can carry the text: UTF-8 without control characters other than blanks. */
int vcenter_is_xml_text(const char *text, bool *ret, struct np_err *err);

#define VCENTER_FAULT_MAX 64
#define VCENTER_NOT_AUTHENTICATED "NotAuthenticated"

/* --- soap.c ---------------------------------------------------------------------------------- */

/* A method of an object. */
struct vcenter_method {
	const char *name; /* "Login" */
	const char *type, *id; /* of the object: "SessionManager", "SessionManager" */
	const char *arguments; /* XML of the arguments; NULL: none */
	struct vcenter_call call;
	bool is_repeatable;
	bool is_final;
	bool is_bound; /* to an object of the session: a new session does not help */
	struct vcenter_visitor *visitor; /* of the response; NULL: none */
};

/* What a method has returned; the nodes live as long as `xml`. */
struct vcenter_result {
	struct vcenter_xml *xml;
	const struct vcenter_node *response; /* <LoginResponse> */
	char fault[VCENTER_FAULT_MAX]; /* after a failure; "": it was none */
};

void vcenter_result_done(struct vcenter_result *r);

/* Judges an answer of SOAP; `fault` becomes the type of its fault, "" for none. */
int vcenter_soap_judge(const struct vcenter_call *call, const struct np_kube *http,
		       const struct np_kube_reply *reply, bool *ret_again,
		       char fault[static VCENTER_FAULT_MAX], struct np_err *err);

/* Finds <METHODResponse> in a document; `visitor` may be NULL. */
int vcenter_soap_response(const char *method, struct vcenter_visitor *visitor, const char *bytes,
			  size_t size, struct vcenter_result *ret, struct np_err *err);

/* Calls a method without a session. */
int vcenter_soap_send(struct np_vcenter *v, const struct vcenter_method *m,
		      struct vcenter_result *ret, struct np_err *err);

/* Calls a method with a session, which it makes or renews. */
int vcenter_soap(struct np_vcenter *v, const struct vcenter_method *m, struct vcenter_result *ret,
		 struct np_err *err);

void vcenter_soap_logout(struct np_vcenter *v);

/* Makes the envelope of a method. */
int vcenter_soap_envelope(const struct vcenter_method *m, struct vcenter_text *ret,
			  struct np_err *err);

/* Sets *err to what a task's info.error says; `error` may be NULL. */
int vcenter_fail_task(const struct vcenter_call *call, const struct np_kube *http,
		      const struct np_vcenter_val *error, struct np_err *err);

/* --- value.c, query.c, task.c ---------------------------------------------------------------- */

const struct np_vcenter_val *vcenter_val(const struct vcenter_node *n);

/* Adds <name>value</name>. */
void vcenter_text_add_member(struct vcenter_text *t, const char *name, const char *value);

/* Waits for the end of the task that a method has started, and reports its error. */
int vcenter_task_wait(struct np_vcenter *v, const struct vcenter_call *call,
		      const struct vcenter_result *started, struct np_err *err);

/* --- about.c --------------------------------------------------------------------------------- */

/* Reads <returnval> of RetrieveServiceContent. */
int vcenter_about_read(const struct vcenter_node *content, struct np_vcenter *ret,
		       struct np_err *err);

/* Fails where the server is not a vCenter. */
int vcenter_about_check(struct np_vcenter *v, struct np_err *err);

/* Reads "8.0.2" or "8.0"; false for any other text. */
bool vcenter_version_parse(const char *text, unsigned ret[static 3]);

/* Fails where the server has no VM classes with config_spec. */
int vcenter_check_classes(struct np_vcenter *v, struct np_err *err);

#endif
