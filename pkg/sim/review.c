/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

/* SelfSubjectAccessReview: every authenticated user may review his own access. */

bool sim_is_review(const struct call *c)
{
	const struct route *r = &c->route;

	return c->user && strcmp(r->group, "authorization.k8s.io") == 0 &&
	       strcmp(r->version, "v1") == 0 &&
	       strcmp(r->resource, "selfsubjectaccessreviews") == 0 &&
	       strcmp(c->verb, "create") == 0 && !*r->name;
}

/* Answers by the user's verbs, which apply to every resource and namespace. */
static bool may(const struct call *c, const json_t *attributes)
{
	const char *verb = json_string_value(json_object_get(attributes, "verb"));

	return sim_user_may(c->user, verb ? verb : "");
}

/* The server's own validation omits the kind. */
static int refuse_empty(struct call *c, struct np_err *err)
{
	static const struct subject who = { "", "authorization.k8s.io", "" };
	json_auto_t *causes = json_array();

	if (!causes)
		return np_fail_nomem(err);
	if (sim_add_cause(causes, err, "FieldValueInvalid", "spec.resourceAttributes",
			  "Invalid value: null: exactly one of nonResourceAttributes or "
			  "resourceAttributes must be specified") < 0)
		return np_err_ret(err);
	return sim_refuse_invalid(c, &who, np_take(causes), err);
}

int sim_answer_review(struct call *c, struct np_err *err)
{
	NP_AUTO(sim_decoded_done) struct decoded body = { .error = "" };
	json_t *spec, *attributes;

	if (sim_decode_json(c->req->body, c->req->body_size, &body, err) < 0)
		return np_err_ret(err);
	if (!body.json)
		return sim_refuse(c, err, 400, "BadRequest", NULL,
				  "couldn't get version/kind; json parse error: %s", body.error);
	spec = json_object_get(body.json, "spec");
	attributes = json_object_get(spec, "resourceAttributes");
	if (!json_is_object(attributes))
		return refuse_empty(c, err);
	return sim_answer_json_take(
		c, 201,
		json_pack("{s:s, s:s, s:{s:n}, s:O, s:{s:b}}", "kind", "SelfSubjectAccessReview",
			  "apiVersion", "authorization.k8s.io/v1", "metadata", "creationTimestamp",
			  "spec", spec, "status", "allowed", (int)may(c, attributes)),
		false, err);
}
