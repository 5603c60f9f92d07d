/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#define REVIEW_GROUP "authorization.k8s.io"

/* What reading and writing a class takes. */
static const char *const verbs[] = { "get", "patch" };

static json_t *new_review(const struct np_kube_resource *r, const char *ns, const char *verb)
{
	return json_pack("{s:s, s:s, s:{s:{s:s, s:s, s:s, s:s*}}}", "apiVersion",
			 REVIEW_GROUP "/v1", "kind", "SelfSubjectAccessReview", "spec",
			 "resourceAttributes", "group", r->group, "resource", r->plural, "verb",
			 verb, "namespace", ns);
}

static int ask(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
	       const char *verb, struct np_err *err)
{
	static const struct np_kube_resource reviews = { REVIEW_GROUP, "v1",
							 "selfsubjectaccessreviews", false };
	json_auto_t *review = new_review(r, ns, verb);
	json_auto_t *answer = NULL;
	struct np_kube_create create = { .body = review };

	if (!review)
		return np_fail_nomem(err);
	if (np_kube_create(k, &reviews, NULL, &create, &answer, err) < 0)
		return np_err_ret(err);
	if (json_is_true(json_object_get(json_object_get(answer, "status"), "allowed")))
		return 0;
	return np_fail(err, NP_E_FORBIDDEN, "the user may not %s %s.%s%s%s%s", verb, r->plural,
		       r->group, ns ? " in namespace '" : "", ns ? ns : "", ns ? "'" : "");
}

int sync_check_access_kube(struct np_class_store *s, size_t n_namespaces,
			   const char *const *namespaces, struct np_err *err)
{
	const struct np_kube_resource *r = &s->resource;
	size_t n = r->namespaced ? n_namespaces : 1;

	for (size_t i = 0; i < n; i++) {
		for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++)
			if (ask(s->kube, r, r->namespaced ? namespaces[i] : NULL, verbs[v], err) <
			    0)
				return np_err_ret(err);
	}
	return 0;
}
