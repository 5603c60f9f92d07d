/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/json.h"

/* A 422 echoes the whole object; the beginning says what is wrong. */
enum { MESSAGE_MAX = 300 };

#define WAIT_MAX_MS UINT64_C(5000)
#define WAIT_FIRST_MS UINT64_C(100)

/* --- what a call is about -------------------------------------------------------------------- */

void kube_call_describe(const struct kube_call *call, char buf[static KUBE_WHAT_MAX])
{
	char name[300] = "", ns[300] = "";

	if (call->name)
		snprintf(name, sizeof(name), " '%s'", call->name);
	if (call->ns)
		snprintf(ns, sizeof(ns), " in namespace '%s'", call->ns);
	/* A query is no help to a reader, and a continue token is long. */
	if (!call->resource)
		snprintf(buf, KUBE_WHAT_MAX, "'%.*s'", (int)strcspn(call->path, "?"), call->path);
	else if (snprintf(buf, KUBE_WHAT_MAX, "%s%s%s", call->resource, name, ns) >= KUBE_WHAT_MAX)
		memcpy(buf + KUBE_WHAT_MAX - 4, "...", 4);
}

/* --- statuses -------------------------------------------------------------------------------- */

/* What a status stands for; the rows without a text take the server's message alone. */
static const struct status_row {
	long status;
	enum np_code code;
	bool retried;
	const char *says;
} status_rows[] = {
	{ 401, NP_E_REFUSED, false, NULL },
	{ 403, NP_E_FORBIDDEN, false, NULL },
	{ 404, NP_E_NOT_FOUND, false, NULL },
	{ 409, NP_E_CONFLICT, false, "changed by another client" },
	{ 410, NP_E_RETRY, false, "the list's continue token expired" },
	{ 429, NP_E_RETRY, true, "the server is overloaded" },
	{ 500, NP_E_RETRY, true, "the server failed" },
	{ 502, NP_E_RETRY, true, "the server is not reachable behind its proxy" },
	{ 503, NP_E_RETRY, true, "the server is not available" },
	{ 504, NP_E_RETRY, true, "the server took too long" },
};

static const struct status_row *find_status(long status)
{
	static const struct status_row other_4xx = { 400, NP_E_REFUSED, false,
						     "the server rejected the request" };
	static const struct status_row other_5xx = { 500, NP_E_RETRY, false, "the server failed" };

	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++)
		if (status_rows[i].status == status)
			return &status_rows[i];
	return status >= 500 ? &other_5xx : &other_4xx;
}

bool kube_status_is_retried(long status)
{
	return status >= 400 && find_status(status)->retried;
}

/* Seen on Kubernetes 1.34: an apply patch with a field that the schema lacks is "a server's failure". */
static bool is_schema_failure(const struct kube_answer *answer)
{
	return answer->status == 500 && answer->body &&
	       strstr(answer->body, "failed to create typed patch object");
}

bool kube_answer_is_retried(const struct kube_answer *answer)
{
	return kube_status_is_retried(answer->status) && !is_schema_failure(answer);
}

/* Returns the answer's Status object; NULL where it is none. */
static json_t *parse_status(const struct kube_answer *answer)
{
	json_t *root =
		answer->body ? json_loadb(answer->body, answer->size, JSON_ALLOW_NUL, NULL) : NULL;
	const char *kind = json_string_value(json_object_get(root, "kind"));

	if (kind && strcmp(kind, "Status") == 0)
		return root;
	json_decref(root);
	return NULL;
}

/*
 * A 422 quotes the whole object before it says what is wrong with it, and what is secret to the
 * object's owner with it. Returns a copy that has "{...}" in its place; NULL where there is none.
 */
static char *drop_echo(const char *text)
{
	const char *start = strstr(text, "\"{"), *end = NULL;
	char *copy = NULL;

	for (const char *at = start; at && (at = strstr(at, "}\": ")); at++)
		end = at;
	if (!end || asprintf(&copy, "%.*s{...}%s", (int)(start - text), text, end + 2) < 0)
		return NULL;
	return copy;
}

/* Writes ": message" as the server gave it, secrets removed and cut; "" where it gave none. */
static void quote_message(const struct kube_answer *answer, const json_t *status,
			  char buf[static MESSAGE_MAX])
{
	const char *text = json_string_value(json_object_get(status, "message"));
	NP_AUTO(np_freep) char *shorter = NULL;

	/* A proxy in between answers in plain text or HTML; the latter says nothing. */
	if (!status && answer->body && answer->size > 0 && answer->body[0] != '<' &&
	    answer->body[0] != '{')
		text = answer->body;
	buf[0] = '\0';
	text = text ? text + strspn(text, " \n\r\t") : "";
	if (!text[0])
		return;
	shorter = drop_echo(text);
	memcpy(buf, ": ", 3);
	kube_redact(answer->secrets, shorter ? shorter : text, buf + 2, MESSAGE_MAX - 2);
	for (size_t n = strlen(buf); n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'); n--)
		buf[n - 1] = '\0';
}

static int fail_forbidden(const struct kube_call *call, const char *who, const char *message,
			  struct np_err *err)
{
	const char *hint = who ? "" : " (no credentials were sent)";

	if (!call->resource)
		return np_fail(err, NP_E_FORBIDDEN, "forbidden: may not %s '%.*s'%s%s", call->verb,
			       (int)strcspn(call->path, "?"), call->path, hint, message);
	if (call->ns)
		return np_fail(err, NP_E_FORBIDDEN,
			       "forbidden: may not %s %s in namespace '%s'%s%s", call->verb,
			       call->resource, call->ns, hint, message);
	return np_fail(err, NP_E_FORBIDDEN, "forbidden: may not %s %s in the whole cluster%s%s",
		       call->verb, call->resource, hint, message);
}

static int fail_status(const struct kube_call *call, const struct kube_answer *answer,
		       const json_t *status, struct np_err *err)
{
	const struct status_row *row =
		find_status(is_schema_failure(answer) ? 400 : answer->status);
	char what[KUBE_WHAT_MAX], message[MESSAGE_MAX];

	kube_call_describe(call, what);
	quote_message(answer, status, message);
	if (answer->status == 401 && !answer->who)
		return np_fail(err, row->code,
			       "%s: the server requires credentials, and none were sent (401): set "
			       "--token, or a user in the kubeconfig",
			       what);
	if (answer->status == 401)
		return np_fail(err, row->code,
			       "%s: the server does not accept the credentials of %s (401)", what,
			       answer->who);
	if (answer->status == 403)
		return fail_forbidden(call, answer->who, message, err);
	if (answer->status == 404)
		return np_fail(err, row->code, "%s not found%s", what, status ? "" : message);
	return np_fail(err, row->code, "%s: %s (%ld)%s", what,
		       answer->status == 409 && strcmp(call->verb, "create") == 0 ? "already exists"
										  : row->says,
		       answer->status, message);
}

int kube_answer_check(const struct kube_call *call, const struct kube_answer *answer,
		      struct np_err *err)
{
	json_auto_t *status = NULL;
	char what[KUBE_WHAT_MAX];

	if (answer->status >= 200 && answer->status < 300)
		return 0;
	if (answer->status < 400) {
		kube_call_describe(call, what);
		return np_fail(
			err, NP_E_REFUSED,
			"%s: the server responded with a redirect (%ld), which nodeprep does "
			"not follow: check the server's address",
			what, answer->status);
	}
	status = parse_status(answer);
	return fail_status(call, answer, status, err);
}

/* --- waiting --------------------------------------------------------------------------------- */

bool kube_retry_after(const char *value, time_t now, uint64_t *ret_ms)
{
	size_t digits;
	time_t date;

	value += strspn(value, " \t");
	digits = strspn(value, "0123456789");
	if (digits > 0 && value[digits + strspn(value + digits, " \t")] == '\0') {
		/* Beyond a year the exact figure does not matter, but must not overflow. */
		*ret_ms = digits > 8 ? UINT64_C(100000000000) : strtoull(value, NULL, 10) * 1000;
		return true;
	}
	date = digits > 0 || !value[0] ? -1 : curl_getdate(value, NULL);
	if (date < 0)
		return false;
	*ret_ms = date > now ? (uint64_t)(date - now) * 1000 : 0;
	return true;
}

bool kube_answer_wait(const struct kube_answer *answer, time_t now, uint64_t *ret_ms)
{
	json_auto_t *status = NULL;
	json_int_t seconds;

	if (kube_retry_after(answer->retry_after, now, ret_ms))
		return true;
	status = parse_status(answer);
	seconds = json_integer_value(
		json_object_get(json_object_get(status, "details"), "retryAfterSeconds"));
	if (seconds <= 0 || seconds > 100000000)
		return false;
	*ret_ms = (uint64_t)seconds * 1000;
	return true;
}

uint64_t kube_wait_bounded(uint64_t asked_ms, uint64_t backoff_ms)
{
	uint64_t wait = asked_ms < KUBE_WAIT_ASKED_MAX_MS ? asked_ms : KUBE_WAIT_ASKED_MAX_MS;

	return wait > backoff_ms ? wait : backoff_ms;
}

uint64_t kube_jitter(uint64_t ms, uint32_t random)
{
	return ms / 2 + (uint64_t)((double)ms * ((double)random / UINT32_MAX));
}

uint64_t kube_backoff(unsigned attempt, uint32_t random)
{
	uint64_t ms = attempt < 16 ? WAIT_FIRST_MS << attempt : WAIT_MAX_MS;

	return kube_jitter(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS, random);
}

/* --- bodies ---------------------------------------------------------------------------------- */

enum { PLACE_MAX = 200, NESTING_MAX = 200 };

/* Where a walk through an answer stands: ".spec.configSpec.x[3]". */
struct place {
	char text[PLACE_MAX];
	unsigned depth;
};

static bool is_unholdable(const json_t *j)
{
	if (json_is_string(j))
		return strlen(json_string_value(j)) != json_string_length(j);
	/* Read as a real, since that is the only way to read it at all. */
	return json_is_real(j) && (json_real_value(j) >= 0x1p63 || json_real_value(j) < -0x1p63);
}

static bool find_unholdable(const json_t *j, struct place *at);

static bool find_in_object(const json_t *j, struct place *at)
{
	size_t length = strlen(at->text);
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(j), key, value) {
		snprintf(at->text + length, PLACE_MAX - length, ".%s", key);
		if (find_unholdable(value, at))
			return true;
	}
	at->text[length] = '\0';
	return false;
}

static bool find_in_list(const json_t *j, struct place *at)
{
	size_t length = strlen(at->text);

	for (size_t i = 0; i < json_array_size(j); i++) {
		snprintf(at->text + length, PLACE_MAX - length, "[%zu]", i);
		if (find_unholdable(json_array_get(j, i), at))
			return true;
	}
	at->text[length] = '\0';
	return false;
}

static bool find_unholdable(const json_t *j, struct place *at)
{
	bool found = is_unholdable(j);

	if (!found && at->depth < NESTING_MAX) {
		at->depth++;
		if (json_is_object(j))
			found = find_in_object(j, at);
		else if (json_is_array(j))
			found = find_in_list(j, at);
		at->depth--;
	}
	return found;
}

/* Finds the item of a list, or else the object itself, that holds what cannot be held. */
static const json_t *find_culprit(const json_t *root, struct place *at)
{
	const json_t *items = json_object_get(root, "items");

	for (size_t i = 0; i < json_array_size(items); i++) {
		at->text[0] = '\0';
		if (find_unholdable(json_array_get(items, i), at))
			return json_array_get(items, i);
	}
	at->text[0] = '\0';
	return find_unholdable(root, at) ? root : NULL;
}

/* Says which object and field an answer breaks on; falls back to the call's own words. */
static int fail_unholdable(const struct kube_call *call, const struct kube_answer *answer,
			   const char *reason, struct np_err *err)
{
	json_auto_t *root = json_loadb(answer->body, answer->size,
				       JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	struct place at = { "", 0 };
	const json_t *culprit = root ? find_culprit(root, &at) : NULL;
	const json_t *meta = json_object_get(culprit, "metadata");
	const char *name = json_string_value(json_object_get(meta, "name"));
	char what[KUBE_WHAT_MAX], place[PLACE_MAX];
	struct kube_call named = *call;

	named.name = name ? name : call->name;
	if (name && json_object_get(meta, "namespace"))
		named.ns = json_string_value(json_object_get(meta, "namespace"));
	kube_call_describe(&named, what);
	kube_redact(answer->secrets, at.text, place, sizeof(place));
	return np_fail(err, NP_E_REFUSED, "%s: the server's response holds %s%s%s", what, reason,
		       place[0] ? " at " : "", place);
}

static int fail_no_json(const struct kube_call *call, const struct kube_answer *answer,
			const json_error_t *parse, struct np_err *err)
{
	char what[KUBE_WHAT_MAX];

	kube_call_describe(call, what);
	return np_fail(
		err, NP_E_REFUSED,
		"%s: the server's response (%ld, %zu bytes) is not a JSON object (byte %d): is "
		"this a Kubernetes API server?",
		what, answer->status, answer->size, parse->position);
}

int kube_body_parse(const struct kube_call *call, const struct kube_answer *answer, json_t **ret,
		    struct np_err *err)
{
	json_error_t parse = { .position = 0 };
	json_auto_t *root = NULL;

	if (call->no_object && answer->size > 0 && answer->body[0] == '{')
		return 0;
	root = json_loadb(answer->body ? answer->body : "", answer->size, 0, &parse);
	if (!root && json_error_code(&parse) == json_error_numeric_overflow)
		return fail_unholdable(call, answer, "a number beyond 64 bits", err);
	if (!root && (json_error_code(&parse) == json_error_null_character ||
		      json_error_code(&parse) == json_error_null_byte_in_key))
		return fail_unholdable(call, answer, "a NUL character", err);
	if (!root && json_error_code(&parse) == json_error_out_of_memory)
		return np_fail_nomem(err);
	if (!json_is_object(root))
		return fail_no_json(call, answer, &parse, err);
	*ret = np_take(root);
	return 0;
}

bool kube_warning_parse(const char *value, char *buf, size_t size)
{
	size_t out = 0;

	value += strspn(value, " \t");
	if (strncmp(value, "299 ", 4) != 0)
		return false;
	value = strchr(value, '"');
	if (!value)
		return false;
	for (value++; *value && *value != '"' && out + 1 < size; value++) {
		if (*value == '\\' && value[1])
			value++;
		buf[out++] = *value;
	}
	buf[out] = '\0';
	return out > 0;
}
