/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_body_take(struct call *c, unsigned code, char *text, const char *type,
			 struct np_err *err)
{
	if (!text)
		return np_fail_nomem(err);
	free(c->reply->body);
	c->reply->body = text;
	c->reply->body_size = strlen(text);
	c->reply->status = code;
	if (np_serve_reply_header(c->reply, "Cache-Control", "no-cache, private", err) < 0)
		return np_err_ret(err);
	return np_serve_reply_header(c->reply, "Content-Type", type, err);
}

int sim_answer_json_take(struct call *c, unsigned code, json_t *j, bool sorted, struct np_err *err)
{
	json_auto_t *taken = j;
	NP_AUTO(np_freep) char *text = taken ? sim_go_dump(taken, sorted) : NULL;
	char *line;

	if (!text || asprintf(&line, "%s\n", text) < 0)
		return np_fail_nomem(err);
	return set_body_take(c, code, line, "application/json", err);
}

int sim_answer_text(struct call *c, unsigned code, const char *text, struct np_err *err)
{
	if (np_serve_reply_header(c->reply, "X-Content-Type-Options", "nosniff", err) < 0)
		return np_err_ret(err);
	return set_body_take(c, code, strdup(text), "text/plain; charset=utf-8", err);
}

int sim_answer_no_page(struct call *c, struct np_err *err)
{
	return sim_answer_text(c, 404, "404 page not found\n", err);
}

/* RFC 7234, section 5.5: warn-code 299, no agent. */
int sim_add_warning(struct call *c, const char *text, struct np_err *err)
{
	NP_AUTO(np_freep) char *quoted = sim_go_quote(text);
	NP_AUTO(np_freep) char *line = NULL;

	if (!quoted || asprintf(&line, "299 - %s", quoted) < 0) {
		line = NULL;
		return np_fail_nomem(err);
	}
	if (c->reply->n_headers + 4 > NP_SERVE_HEADERS_MAX)
		return 0; /* a real server cuts the list as well, by its bytes */
	return np_serve_reply_header(c->reply, "Warning", line, err);
}

json_t *sim_new_status(unsigned code, const char *reason, const char *message, json_t *details)
{
	return json_pack("{s:s, s:s, s:{}, s:s, s:s, s:s*, s:o*, s:i}", "kind", "Status",
			 "apiVersion", "v1", "metadata", "status", "Failure", "message", message,
			 "reason", reason, "details", details, "code", (int)code);
}

int sim_refuse(struct call *c, struct np_err *err, unsigned code, const char *reason,
	       json_t *details, const char *fmt, ...)
{
	NP_AUTO(np_freep) char *message = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&message, fmt, args);
	va_end(args);
	if (n < 0) {
		message = NULL;
		json_decref(details);
		return np_fail_nomem(err);
	}
	sim_make_utf8(message);
	return sim_answer_json_take(c, code, sim_new_status(code, reason, message, details), false,
				    err);
}

static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

json_t *sim_details_of(const char *name, const char *group, const char *kind)
{
	return json_pack("{s:s*, s:s*, s:s*}", "name", or_null(name), "group", or_null(group),
			 "kind", or_null(kind));
}

int sim_refuse_not_found(struct call *c, struct np_err *err)
{
	const struct route *r = &c->route;

	return sim_refuse(c, err, 404, "NotFound", sim_details_of(r->name, r->group, r->resource),
			  "%s%s%s \"%s\" not found", r->resource, *r->group ? "." : "", r->group,
			  r->name);
}

int sim_refuse_conflict(struct call *c, struct np_err *err)
{
	return sim_refuse(c, err, 409, "Conflict", sim_details_of(c->route.name, GROUP, PLURAL),
			  "Operation cannot be fulfilled on " PLURAL "." GROUP
			  " \"%s\": the object has been modified; please apply your changes to the "
			  "latest version and try again",
			  c->route.name);
}

int sim_add_cause(json_t *causes, struct np_err *err, const char *reason, const char *field,
		  const char *fmt, ...)
{
	NP_AUTO(np_freep) char *message = NULL;
	json_t *cause;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&message, fmt, args);
	va_end(args);
	if (n < 0) {
		message = NULL;
		return np_fail_nomem(err);
	}
	cause = json_pack("{s:s, s:s, s:s}", "reason", reason, "message", message, "field", field);
	return json_array_append_new(causes, cause) < 0 ? np_fail_nomem(err) : 0;
}

/* Appends "field: message" once: a server's checks may find the same thing thrice. */
static int append_cause(const json_t *cause, json_t *seen, char **text)
{
	NP_AUTO(np_freep) char *one = NULL;
	NP_AUTO(np_freep) char *before = *text;

	*text = NULL;
	if (asprintf(&one, "%s: %s", json_string_value(json_object_get(cause, "field")),
		     json_string_value(json_object_get(cause, "message"))) < 0) {
		one = NULL;
		return -1;
	}
	if (json_object_get(seen, one)) {
		*text = np_take(before);
		return 0;
	}
	if (json_object_set_new(seen, one, json_true()) < 0)
		return -1;
	if (asprintf(text, "%s%s%s", before ? before : "", before ? ", " : "", one) < 0) {
		*text = NULL;
		return -1;
	}
	return 0;
}

/* A single cause is plain; several are in brackets. */
static char *join_causes(const json_t *causes)
{
	json_auto_t *seen = json_object();
	NP_AUTO(np_freep) char *text = NULL;
	const json_t *cause;
	char *list;
	size_t i;

	json_array_foreach (causes, i, cause)
		if (!seen || append_cause(cause, seen, &text) < 0)
			return NULL;
	if (!text || json_object_size(seen) < 2)
		return np_take(text);
	return asprintf(&list, "[%s]", text) < 0 ? NULL : list;
}

int sim_refuse_invalid(struct call *c, const struct subject *who, json_t *causes,
		       struct np_err *err)
{
	json_auto_t *taken = causes;
	NP_AUTO(np_freep) char *text = join_causes(taken);
	json_t *details = sim_details_of(who->name, who->group, who->kind);

	if (!text || json_object_set(details, "causes", taken) < 0) {
		json_decref(details);
		return np_fail_nomem(err);
	}
	return sim_refuse(c, err, 422, "Invalid", details, "%s%s%s \"%s\" is invalid: %s",
			  who->kind, *who->group ? "." : "", who->group, who->name, text);
}

const char *sim_param(const struct call *c, const char *name)
{
	return json_string_value(json_object_get(c->params, name));
}
