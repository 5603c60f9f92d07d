/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"

static const char *const patch_types[NP_KUBE_PATCH_TYPE_MAX] = {
	[NP_KUBE_MERGE_PATCH] = "application/merge-patch+json",
	[NP_KUBE_APPLY_PATCH] = "application/apply-patch+yaml",
	[NP_KUBE_STRATEGIC_PATCH] = "application/strategic-merge-patch+json",
};

void kube_request_done(struct kube_request *r)
{
	free(r->body);
	free(r->path);
	free(r->full);
	*r = (struct kube_request){ .body = NULL };
}

/* Fills in the words of the call and the path, to which `query` is added. */
static int aim(struct kube_request *w, const struct np_kube_resource *r, const char *subresource,
	       const char *query, struct np_err *err)
{
	kube_name_resource(r, w->resource);
	if (subresource) {
		strlcat(w->resource, "/", sizeof(w->resource));
		strlcat(w->resource, subresource, sizeof(w->resource));
	}
	w->call.resource = w->resource;
	w->call.body = w->body;
	if (kube_path(r, w->call.ns, strcmp(w->call.verb, "create") == 0 ? NULL : w->call.name,
		      &w->path, err) < 0)
		return np_err_ret(err);
	if (asprintf(&w->full, "%s%s", w->path, query) < 0) {
		w->full = NULL;
		return np_fail_nomem(err);
	}
	w->call.path = w->full;
	return 0;
}

/* Makes "/status?fieldManager=...": what follows the object's path. */
static int make_query(const struct np_kube_write *write, const char *more, char **ret,
		      struct np_err *err)
{
	const char *manager = write->field_manager ? write->field_manager : "nodeprep";
	NP_AUTO(kube_curl_freep) char *escaped = curl_easy_escape(NULL, manager, 0);

	if (!escaped || asprintf(ret, "%s%s?fieldManager=%s&fieldValidation=Strict%s",
				 write->subresource ? "/" : "",
				 write->subresource ? write->subresource : "", escaped, more) < 0) {
		*ret = NULL;
		return np_fail_nomem(err);
	}
	return 0;
}

int kube_request_get(const struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		     const char *name, struct kube_request *ret, struct np_err *err)
{
	ret->call = (struct kube_call){ .verb = "get",
					.method = "GET",
					.ns = kube_ns_of(k, r, ns),
					.name = name,
					.repeatable = true };
	return aim(ret, r, NULL, "", err);
}

/* --- patch ----------------------------------------------------------------------------------- */

static bool has_resource_version(const json_t *body)
{
	return json_is_string(
		json_object_get(json_object_get(body, "metadata"), "resourceVersion"));
}

/* An apply patch states what is wanted, so that the second says nothing new. */
static bool is_repeatable(const struct np_kube_patch *patch)
{
	return patch->type == NP_KUBE_APPLY_PATCH || has_resource_version(patch->body);
}

int kube_request_patch(const struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		       const char *name, const struct np_kube_patch *patch,
		       struct kube_request *ret, struct np_err *err)
{
	bool force = patch->force && patch->type == NP_KUBE_APPLY_PATCH;
	NP_AUTO(np_freep) char *query = NULL;
	char more[64];

	ret->call = (struct kube_call){ .verb = "patch",
					.method = "PATCH",
					.ns = kube_ns_of(k, r, ns),
					.name = name,
					.content_type = patch_types[patch->type],
					.repeatable = is_repeatable(patch) };
	ret->body = np_json_text(patch->body, JSON_COMPACT);
	if (!ret->body)
		return np_fail_nomem(err);
	snprintf(more, sizeof(more), "%s%s", force ? "&force=true" : "",
		 patch->dry_run ? "&dryRun=All" : "");
	if (make_query(&patch->write, more, &query, err) < 0)
		return np_err_ret(err);
	return aim(ret, r, patch->write.subresource, query, err);
}

int np_kube_patch(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		  const char *name, const struct np_kube_patch *patch, json_t **ret,
		  struct np_err *err)
{
	NP_AUTO(kube_request_done) struct kube_request w = { .body = NULL };

	if (kube_request_patch(k, r, ns, name, patch, &w, err) < 0)
		return np_err_ret(err);
	w.call.no_object = !ret;
	return kube_send(k, &w.call, ret, err);
}

/* --- create ---------------------------------------------------------------------------------- */

int np_kube_create(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		   const struct np_kube_create *create, json_t **ret, struct np_err *err)
{
	NP_AUTO(kube_request_done)
	struct kube_request w = { .call = { .verb = "create",
					    .method = "POST",
					    .ns = kube_ns_of(k, r, ns),
					    .content_type = "application/json",
					    .no_object = !ret } };
	NP_AUTO(np_freep) char *query = NULL;

	w.body = np_json_text(create->body, JSON_COMPACT);
	if (!w.body)
		return np_fail_nomem(err);
	w.call.name = json_string_value(
		json_object_get(json_object_get(create->body, "metadata"), "name"));
	if (make_query(&create->write, create->dry_run ? "&dryRun=All" : "", &query, err) < 0 ||
	    aim(&w, r, create->write.subresource, query, err) < 0)
		return np_err_ret(err);
	return kube_send(k, &w.call, ret, err);
}
