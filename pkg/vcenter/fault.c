/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"

#define JSON_LEVELS_MAX 100

/* --- an error as vCenter's REST API writes it --------------------------------------------------- */

enum { TYPE_MAX = 64 };

/* {"error_type":…,"messages":[…]}, or {"type":"com.vmware.vapi.std.errors.…","value":{…}}. */
struct vapi_error {
	char type[TYPE_MAX]; /* "NOT_FOUND"; "": the body is no such error */
	char message[VCENTER_MESSAGE_MAX]; /* ": …", redacted and cut; "": none */
};

static void add_message(char *text, size_t size, const char *message)
{
	if (!message[0])
		return;
	strlcat(text, text[0] ? "; " : ": ", size);
	strlcat(text, message, size);
}

static const char *message_of(const json_t *message)
{
	const char *text = np_json_member_text(message, "default_message");

	return text[0] ? text : np_json_member_text(message, "localized");
}

/* A message in its place would be cut first and keep a part of a secret. */
static void read_messages(const json_t *list, const struct np_kube *http, char *buf, size_t size)
{
	char all[4096] = "";
	const json_t *message;
	size_t i;

	json_array_foreach (list, i, message)
		add_message(all, sizeof(all), message_of(message));
	np_kube_redact(http, all, buf, size);
}

/* A hostile server echoes a secret wherever an error has a text; vCenter's own names are short. */
void vcenter_quote_name(const struct np_kube *http, const char *name, char *buf, size_t size)
{
	char shown[4096];

	np_kube_redact(http, name, shown, sizeof(shown));
	strlcpy(buf, shown, size);
}

/* The older form's last word in capitals: "not_found". */
static void read_old_type(const char *type, const struct np_kube *http, char buf[static TYPE_MAX])
{
	const char *dot = strrchr(type, '.');

	vcenter_quote_name(http, dot ? dot + 1 : type, buf, TYPE_MAX);
	for (char *p = buf; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

static void read_error(const struct np_kube_reply *reply, const struct np_kube *http,
		       struct vapi_error *ret)
{
	json_auto_t *root = json_loadb(reply->body, reply->size, 0, NULL);
	const json_t *value = json_object_get(root, "value");
	const json_t *holder = value ? value : root;
	const char *type = np_json_member_text(root, "error_type");

	*ret = (struct vapi_error){ "", "" };
	if (type[0])
		vcenter_quote_name(http, type, ret->type, sizeof(ret->type));
	else
		read_old_type(np_json_member_text(root, "type"), http, ret->type);
	read_messages(json_object_get(holder, "messages"), http, ret->message,
		      sizeof(ret->message));
}

/* --- what it means ------------------------------------------------------------------------------ */

static const char not_enabled[] =
	"this vCenter has no Supervisor service (Workload Management is not "
	"enabled), so it has no VM classes";

static bool is_type(const struct vapi_error *e, const char *const *types)
{
	for (; *types; types++)
		if (strcmp(e->type, *types) == 0)
			return true;
	return false;
}

static bool is_without_supervisor(const struct vcenter_call *call, long status,
				  const struct vapi_error *e)
{
	static const char *const types[] = { "FEATURE_NOT_ENABLED", "OPERATION_NOT_FOUND",
					     "UNSUPPORTED", NULL };

	if (call->is_login || is_type(e, types))
		return !call->is_login;
	return status == 404 && !(call->is_class && strcmp(e->type, "NOT_FOUND") == 0);
}

int vcenter_fail_login(const struct vcenter_call *call, const char *message, struct np_err *err)
{
	if (strcasestr(message, "locked") || strcasestr(message, "disabled"))
		return np_fail(err, NP_E_REFUSED,
			       "the account of vCenter user '%s' is locked or disabled%s",
			       call->user, message);
	return np_fail(err, NP_E_REFUSED,
		       "vCenter rejects the user '%s' or its password; the account may also be "
		       "locked%s",
		       call->user, message);
}

int vcenter_fail_privilege(const struct vcenter_call *call, const char *privilege,
			   const char *message, struct np_err *err)
{
	return np_fail(err, NP_E_FORBIDDEN,
		       "forbidden: vCenter user '%s' may not %s %s: the privilege %s is missing%s",
		       call->user, call->verb, call->what,
		       privilege[0] ? privilege : call->privilege, message);
}

static int fail_status(const struct vcenter_call *call, long status, const struct vapi_error *e,
		       struct np_err *err)
{
	const char *type = e->type[0] ? e->type : "no error of vCenter's";
	bool is_retried = np_kube_status_is_retried(status);

	if (status == 401 && call->is_login)
		return vcenter_fail_login(call, e->message, err);
	if (status == 401)
		return np_fail(err, NP_E_REFUSED,
			       "cannot %s %s: vCenter ended the session of user '%s' twice (401)%s",
			       call->verb, call->what, call->user, e->message);
	if (status == 403 || strcmp(e->type, "UNAUTHORIZED") == 0)
		return vcenter_fail_privilege(call, "", e->message, err);
	if (is_without_supervisor(call, status, e))
		return np_fail(err, NP_E_REFUSED, "cannot %s %s: %s%s", call->verb, call->what,
			       not_enabled, e->message);
	if (status == 404 && call->is_class)
		return np_fail(err, NP_E_NOT_FOUND, "%s not found%s", call->what, e->message);
	if (status >= 300 && status < 400)
		return np_fail(
			err, NP_E_REFUSED,
			"cannot %s %s: the server answers with a redirect (%ld), which is not "
			"followed: check --vcenter",
			call->verb, call->what, status);
	return np_fail(err, is_retried || status >= 500 ? NP_E_RETRY : NP_E_REFUSED,
		       "cannot %s %s: the server answers with status %ld and %s%s", call->verb,
		       call->what, status, type, e->message);
}

int vcenter_rest_judge(const struct vcenter_call *call, const struct np_kube *http,
		       const struct np_kube_reply *reply, bool *ret_again, bool *ret_expired,
		       struct np_err *err)
{
	struct vapi_error e;

	*ret_again = false;
	*ret_expired = reply->status == 401 && !call->is_login;
	if (reply->status >= 200 && reply->status < 300)
		return 0;
	read_error(reply, http, &e);
	*ret_again = np_kube_status_is_retried(reply->status) &&
		     !is_without_supervisor(call, reply->status, &e);
	return fail_status(call, reply->status, &e, err);
}

/* --- bodies ------------------------------------------------------------------------------------- */

static bool is_shallow(const json_t *json, unsigned levels)
{
	const char *key;
	json_t *value;
	size_t i;

	if (levels == 0)
		return !json_is_object(json) && !json_is_array(json);
	json_object_foreach (np_json_mut(json), key, value)
		if (!is_shallow(value, levels - 1))
			return false;
	json_array_foreach (json, i, value)
		if (!is_shallow(value, levels - 1))
			return false;
	return true;
}

static int fail_json(const char *what, const json_error_t *parse, struct np_err *err)
{
	/* Where jansson cannot even begin, it says nothing. */
	if (!parse->text[0])
		return np_fail_nomem(err);
	switch (json_error_code(parse)) {
	case json_error_out_of_memory:
		return np_fail_nomem(err);
	case json_error_numeric_overflow:
		return np_fail(err, NP_E_REFUSED, "%s: the response holds a number beyond 64 bits",
			       what);
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return np_fail(err, NP_E_REFUSED, "%s: the response holds a NUL character", what);
	case json_error_duplicate_key:
		return np_fail(err, NP_E_REFUSED, "%s: the response holds a member twice", what);
	case json_error_stack_overflow:
		return np_fail(err, NP_E_REFUSED,
			       "%s: the response is nested deeper than %d levels", what,
			       JSON_LEVELS_MAX);
	default:
		return np_fail(err, NP_E_REFUSED,
			       "%s: the response is not JSON (byte %d): is this a vCenter?", what,
			       parse->position);
	}
}

int vcenter_json_parse(const char *what, const char *body, size_t size, json_t **ret,
		       struct np_err *err)
{
	json_error_t parse = { .position = 0 };
	json_auto_t *root =
		json_loadb(body, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &parse);

	if (!root)
		return fail_json(what, &parse, err);
	if (!is_shallow(root, JSON_LEVELS_MAX))
		return np_fail(err, NP_E_REFUSED,
			       "%s: the response is nested deeper than %d levels", what,
			       JSON_LEVELS_MAX);
	*ret = np_take(root);
	return 0;
}

/* A session's id goes into a header line. */
static bool is_session_id(const char *text)
{
	size_t size = 0;

	for (; text[size]; size++)
		if (text[size] <= ' ' || text[size] >= 0x7f)
			return false;
	return size > 0 && size <= 4096;
}

int vcenter_session_parse(const char *body, size_t size, char **ret, struct np_err *err)
{
	json_auto_t *root = NULL;
	const json_t *id;

	if (vcenter_json_parse("vCenter session", body, size, &root, err) < 0)
		return np_err_ret(err);
	id = json_is_object(root) ? json_object_get(root, "value") : root;
	if (!json_is_string(id) || !is_session_id(json_string_value(id)))
		return np_fail(err, NP_E_REFUSED,
			       "vCenter session: the response is not the id of a session: is this "
			       "a vCenter?");
	*ret = strdup(json_string_value(id));
	return *ret ? 0 : np_fail_nomem(err);
}
