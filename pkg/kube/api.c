/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/doc.h"
#include "nodeprep/err.h"
#include "nodeprep/json.h"

enum {
	PAGE_DEFAULT = 500, /* as kubectl's */
	PAGE_WATCHED = 50, /* what a page takes, a program that watches never gives back */
	MANY_DEFAULT = 16,
};

void kube_name_resource(const struct np_kube_resource *r, char buf[static KUBE_RESOURCE_MAX])
{
	snprintf(buf, KUBE_RESOURCE_MAX, "%s%s%s", r->plural, r->group[0] ? "." : "", r->group);
}

/* --- paths ----------------------------------------------------------------------------------- */

/* A name that is not a path segment would change the request. */
static int check_segment(const char *text, struct np_err *err)
{
	if (!text[0] || strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || strchr(text, '/') ||
	    strchr(text, '%'))
		return np_fail(
			err, NP_E_SPEC,
			"'%s' is not a valid name: it must not be empty, '.' or '..', nor hold '/' "
			"or '%%'",
			text);
	return 0;
}

/* Appends "/" and the escaped segment to *path. */
static int append_segment(char **path, const char *text, struct np_err *err)
{
	NP_AUTO(kube_curl_freep) char *escaped = NULL;
	char *longer = NULL;

	if (check_segment(text, err) < 0)
		return np_err_ret(err);
	escaped = curl_easy_escape(NULL, text, 0);
	if (!escaped || asprintf(&longer, "%s/%s", *path ? *path : "", escaped) < 0)
		return np_fail_nomem(err);
	free(*path);
	*path = longer;
	return 0;
}

int kube_path(const struct np_kube_resource *r, const char *ns, const char *name, char **ret,
	      struct np_err *err)
{
	const char *segments[] = { r->group[0] ? "apis" : "api",
				   r->group[0] ? r->group : NULL,
				   r->version,
				   r->namespaced && ns ? "namespaces" : NULL,
				   r->namespaced ? ns : NULL,
				   r->plural,
				   name };
	NP_AUTO(np_freep) char *path = NULL;

	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		if (segments[i] && append_segment(&path, segments[i], err) < 0)
			return np_err_ret(err);
	*ret = np_take(path);
	return 0;
}

int np_kube_get_path(struct np_kube *k, const char *path, json_t **ret, struct np_err *err)
{
	struct kube_call call = {
		.verb = "get", .method = "GET", .path = path, .repeatable = true
	};

	if (path[0] != '/')
		return np_fail(err, NP_E_BUG, "path '%s' does not start with '/'", path);
	return kube_send(k, &call, ret, err);
}

/* --- discovery ------------------------------------------------------------------------------- */

/* The resource that discovery looks for, and where to put the result. */
struct search {
	struct np_kube *k;
	const char *group, *plural;
	struct np_kube_resource *ret;
};

static int take_resource(const struct search *s, const char *version, const json_t *resource,
			 struct np_err *err)
{
	struct np_kube_resource found = { .namespaced = json_is_true(
						  json_object_get(resource, "namespaced")) };

	if (strlcpy(found.group, s->group, sizeof(found.group)) >= sizeof(found.group) ||
	    strlcpy(found.version, version, sizeof(found.version)) >= sizeof(found.version) ||
	    strlcpy(found.plural, s->plural, sizeof(found.plural)) >= sizeof(found.plural))
		return np_fail(err, NP_E_REFUSED, "the API name '%s/%s' is too long", s->group,
			       version);
	*s->ret = found;
	return 1;
}

static int fetch_version(const struct search *s, const char *version, json_t **ret,
			 struct np_err *err)
{
	const char *segments[] = { s->group[0] ? "apis" : "api", s->group[0] ? s->group : NULL,
				   version };
	NP_AUTO(np_freep) char *path = NULL;

	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
		if (segments[i] && append_segment(&path, segments[i], err) < 0)
			return np_err_ret(err);
	return np_kube_get_path(s->k, path, ret, err);
}

/* Returns 1 where that version serves the resource, 0 where it does not. */
static int search_version(const struct search *s, const char *version, struct np_err *err)
{
	json_auto_t *list = NULL;
	struct np_err inner = NP_ERR_INIT;
	const json_t *resource;
	size_t i;

	if (fetch_version(s, version, &list, &inner) < 0) {
		/* A version may disappear between the two requests. */
		if (inner.code == NP_E_NOT_FOUND)
			return 0;
		*err = inner;
		return np_err_ret(err);
	}
	json_array_foreach (json_object_get(list, "resources"), i, resource)
		if (strcmp(np_json_member_text(resource, "name"), s->plural) == 0)
			return take_resource(s, version, resource, err);
	return 0;
}

static int search_versions(const struct search *s, const json_t *group, struct np_err *err)
{
	const char *preferred =
		np_json_member_text(json_object_get(group, "preferredVersion"), "version");
	const json_t *row;
	size_t i;
	int r = preferred[0] ? search_version(s, preferred, err) : 0;

	json_array_foreach (json_object_get(group, "versions"), i, row) {
		const char *version = np_json_member_text(row, "version");

		if (r == 0 && version[0] && strcmp(version, preferred) != 0)
			r = search_version(s, version, err);
	}
	return r;
}

/* What a server lacks without the group. */
static const struct {
	const char *group, *hint;
} group_hints[] = {
	{ "cluster.x-k8s.io", ": is Cluster API installed?" },
	{ "nodeprep.dev", ": the CustomResourceDefinition of NodePool is not installed; "
			  "'kubectl apply -k deploy/manifests/crd' installs it" },
	{ "run.tanzu.vmware.com", ": is this a Supervisor?" },
	{ "vmoperator.vmware.com", ": is this a Supervisor?" },
};

static int fail_no_group(const struct search *s, struct np_err *err)
{
	const char *hint = "";

	for (size_t i = 0; i < sizeof(group_hints) / sizeof(group_hints[0]); i++)
		if (strcmp(group_hints[i].group, s->group) == 0)
			hint = group_hints[i].hint;
	return np_fail(err, NP_E_NOT_FOUND, "the server has no API group '%s'%s", s->group, hint);
}

static int fetch_group(const struct search *s, json_t **ret, struct np_err *err)
{
	struct np_err inner = NP_ERR_INIT;
	NP_AUTO(np_freep) char *path = NULL;
	int r;

	if (append_segment(&path, "apis", err) < 0 || append_segment(&path, s->group, err) < 0)
		return np_err_ret(err);
	r = np_kube_get_path(s->k, path, ret, &inner);
	if (r < 0 && inner.code == NP_E_NOT_FOUND)
		return fail_no_group(s, err);
	if (r < 0)
		*err = inner;
	return r;
}

int np_kube_discover(struct np_kube *k, const char *group, const char *plural,
		     struct np_kube_resource *ret, struct np_err *err)
{
	struct search s = { .k = k, .group = group, .plural = plural, .ret = ret };
	json_auto_t *versions = NULL;
	int r;

	if (group[0] && fetch_group(&s, &versions, err) < 0)
		return np_err_ret(err);
	/* The core group has one version and no document that lists its versions. */
	r = group[0] ? search_versions(&s, versions, err) : search_version(&s, "v1", err);
	if (r == 0)
		return np_fail(err, NP_E_NOT_FOUND,
			       "the server's API group '%s' has no resource '%s'", group, plural);
	return r < 0 ? r : 0;
}

/* --- objects --------------------------------------------------------------------------------- */

const char *kube_ns_of(const struct np_kube *k, const struct np_kube_resource *r, const char *ns)
{
	if (!r->namespaced)
		return NULL;
	return ns ? ns : np_kube_namespace(k);
}

int np_kube_get(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		const char *name, json_t **ret, struct np_err *err)
{
	NP_AUTO(kube_request_done) struct kube_request get = { .body = NULL };

	if (kube_request_get(k, r, ns, name, &get, err) < 0)
		return np_err_ret(err);
	return kube_send(k, &get.call, ret, err);
}

/* The calls and transfers of np_kube_get_many(), one per item. */
struct many {
	struct np_kube *k;
	size_t n;
	struct kube_call *calls;
	char **paths;
	struct kube_transfer *flights;
};

static void many_done(struct many *m)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->paths)
			free(m->paths[i]);
		if (m->flights)
			json_decref(m->flights[i].result);
	}
	free(m->calls);
	free(m->paths);
	free(m->flights);
}

static int make_calls(struct many *m, const struct np_kube_resource *r, const char *resource,
		      const struct np_kube_item *items, struct np_err *err)
{
	m->calls = calloc(m->n, sizeof(*m->calls));
	m->paths = calloc(m->n, sizeof(*m->paths));
	m->flights = calloc(m->n, sizeof(*m->flights));
	if (!m->calls || !m->paths || !m->flights)
		return np_fail_nomem(err);
	for (size_t i = 0; i < m->n; i++) {
		struct kube_call call = { .verb = "get",
					  .method = "GET",
					  .resource = resource,
					  .ns = kube_ns_of(m->k, r, items[i].ns),
					  .name = items[i].name,
					  .repeatable = true };

		if (kube_path(r, call.ns, call.name, &m->paths[i], err) < 0)
			return np_err_ret(err);
		call.path = m->paths[i];
		m->calls[i] = call;
		m->flights[i].call = &m->calls[i];
	}
	return 0;
}

int np_kube_get_many(struct np_kube *k, const struct np_kube_resource *r,
		     struct np_kube_item *items, size_t n, unsigned most, struct np_err *err)
{
	NP_AUTO(many_done) struct many m = { .k = k, .n = n };
	char resource[KUBE_RESOURCE_MAX];

	if (n == 0)
		return 0;
	kube_name_resource(r, resource);
	if (make_calls(&m, r, resource, items, err) < 0 ||
	    kube_perform(k, m.flights, n, most > 0 ? most : MANY_DEFAULT, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < n; i++) {
		items[i].object = np_take(m.flights[i].result);
		items[i].error = m.flights[i].error;
	}
	return 0;
}

/* --- lists ----------------------------------------------------------------------------------- */

/* A listing in progress. */
struct listing {
	struct np_kube *k;
	const char *path, *resource, *ns;
	const char *query; /* what selects, escaped: "&labelSelector=..."; "" for all */
	unsigned limit;
	np_kube_each_fn *each;
	bool (*goes_on)(void *ctx, uint64_t remaining); /* NULL: to the end */
	void *ctx;
	char version[NP_KUBE_VERSION_MAX]; /* of the first page, which all others share */
	unsigned empty_pages;
};

static int fetch_page(const struct listing *l, const char *token, json_t **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	NP_AUTO(kube_curl_freep) char *escaped = curl_easy_escape(NULL, token, 0);
	struct kube_call call = { .verb = "list",
				  .method = "GET",
				  .resource = l->resource,
				  .ns = l->ns,
				  .repeatable = true };

	if (!escaped || asprintf(&path, "%s?limit=%u%s%s%s", l->path, l->limit, l->query,
				 escaped[0] ? "&continue=" : "", escaped) < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	call.path = path;
	return kube_send(l->k, &call, ret, err);
}

/* The server leaves kind and apiVersion out of the items of its own kinds' lists. */
static int name_item(json_t *item, const json_t *page, struct np_err *err)
{
	const char *kind = np_json_member_text(page, "kind");
	size_t size = strlen(kind);

	if (!json_is_object(item))
		return np_fail(err, NP_E_REFUSED,
			       "the server's list holds something other than an "
			       "object");
	if (json_object_get(item, "kind") || size <= 4 || strcmp(kind + size - 4, "List") != 0)
		return 0;
	if (json_object_set_new(item, "kind", json_stringn(kind, size - 4)) < 0 ||
	    json_object_set(item, "apiVersion", json_object_get(page, "apiVersion")) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int visit_page(const struct listing *l, const json_t *page, struct np_err *err)
{
	json_t *item;
	size_t i;

	json_array_foreach (json_object_get(page, "items"), i, item) {
		int r = name_item(item, page, err);

		if (r == 0)
			r = l->each(l->ctx, item, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A list makes progress with each page, or else slows down: a server may not keep a client busy
 * with pages that hold nothing.
 */
static int check_progress(struct listing *l, const json_t *page, const char *token,
			  const char *next, struct np_err *err)
{
	if (!next[0])
		return 0;
	if (strcmp(next, token) == 0)
		return np_fail(err, NP_E_REFUSED, "%s: the list's continue token does not change",
			       l->resource);
	if (json_array_size(json_object_get(page, "items")) > 0)
		return 0;
	return np_kube_pause(l->k, kube_backoff(l->empty_pages++, UINT32_MAX / 2), err);
}

static bool is_enough(const struct listing *l, const json_t *meta)
{
	const json_t *count = json_object_get(meta, "remainingItemCount");
	json_int_t left = json_integer_value(count);

	return l->goes_on &&
	       !l->goes_on(l->ctx,
			   json_is_integer(count) && left >= 0 ? (uint64_t)left : UINT64_MAX);
}

/* Fetches and visits one page; *token becomes the next one's, "" after the last. */
static int list_page(struct listing *l, char **token, struct np_err *err)
{
	json_auto_t *page = NULL;
	const json_t *meta;
	char *next;
	int r;

	if (fetch_page(l, *token, &page, err) < 0)
		return np_err_ret(err);
	if (!json_is_array(json_object_get(page, "items")) &&
	    !json_is_null(json_object_get(page, "items")))
		return np_fail(err, NP_E_REFUSED, "%s: the server's response is not a list",
			       l->resource);
	r = visit_page(l, page, err);
	if (r < 0)
		return r;
	meta = json_object_get(page, "metadata");
	if (strlcpy(l->version, np_json_member_text(meta, "resourceVersion"), sizeof(l->version)) >=
	    sizeof(l->version))
		return np_fail(err, NP_E_REFUSED, "%s: the list's resourceVersion is too long",
			       l->resource);
	if (check_progress(l, page, *token, np_json_member_text(meta, "continue"), err) < 0)
		return np_err_ret(err);
	next = strdup(is_enough(l, meta) ? "" : np_json_member_text(meta, "continue"));
	if (!next)
		return np_fail_nomem(err);
	free(*token);
	*token = next;
	return 0;
}

/*
 * A page's token is valid for a few minutes only. A listing that starts over hands out objects a
 * second time; callers tolerate that.
 */
static int list_pages(struct listing *l, struct np_err *err)
{
	NP_AUTO(np_freep) char *token = strdup("");
	bool restarted = false;

	if (!token)
		return np_fail_nomem(err);
	for (;;) {
		struct np_err inner = NP_ERR_INIT;
		int r = list_page(l, &token, &inner);
		bool expired = r < 0 && inner.code == NP_E_RETRY && np_kube_is_expired(l->k);

		if (r == 0 && !token[0])
			return 0;
		if (r < 0 && (!expired || !token[0] || restarted)) {
			*err = inner;
			return r;
		}
		if (r < 0) {
			restarted = true;
			token[0] = '\0';
		}
	}
}

static int list_all(struct listing *l, const struct np_kube_resource *r, struct np_err *err)
{
	NP_AUTO(np_freep) char *path = NULL;
	char resource[KUBE_RESOURCE_MAX];

	if (!r->namespaced)
		l->ns = NULL;
	if (kube_path(r, l->ns, NULL, &path, err) < 0)
		return np_err_ret(err);
	kube_name_resource(r, resource);
	l->resource = resource;
	l->path = path;
	return list_pages(l, err);
}

/* Appends "&name=value" to *query, unless there is no value. */
static int add_parameter(char **query, const char *name, const char *value, struct np_err *err)
{
	NP_AUTO(kube_curl_freep) char *escaped = NULL;
	char *longer = NULL;

	if (!value || !value[0])
		return 0;
	escaped = curl_easy_escape(NULL, value, 0);
	if (!escaped || asprintf(&longer, "%s&%s=%s", *query, name, escaped) < 0)
		return np_fail_nomem(err);
	free(*query);
	*query = longer;
	return 0;
}

int np_kube_list_selected(struct np_kube *k, const struct np_kube_resource *r,
			  const struct np_kube_selection *s, np_kube_each_fn *each, void *ctx,
			  struct np_err *err)
{
	NP_AUTO(np_freep) char *query = strdup("");
	struct listing l = { .k = k,
			     .ns = s->ns,
			     .limit = s->limit > 0 ? s->limit : PAGE_DEFAULT,
			     .each = each,
			     .goes_on = s->goes_on,
			     .ctx = ctx };

	if (!query)
		return np_fail_nomem(err);
	if (add_parameter(&query, "labelSelector", s->labels, err) < 0 ||
	    add_parameter(&query, "fieldSelector", s->fields, err) < 0)
		return np_err_ret(err);
	l.query = query;
	return list_all(&l, r, err);
}

int np_kube_list(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
		 unsigned limit, np_kube_each_fn *each, void *ctx, struct np_err *err)
{
	const struct np_kube_selection s = { .ns = ns, .limit = limit };

	return np_kube_list_selected(k, r, &s, each, ctx, err);
}

int np_kube_list_version(struct np_kube *k, const struct np_kube_resource *r, const char *ns,
			 np_kube_each_fn *each, void *ctx, char version[static NP_KUBE_VERSION_MAX],
			 struct np_err *err)
{
	struct listing l = {
		.k = k, .ns = ns, .query = "", .limit = PAGE_WATCHED, .each = each, .ctx = ctx
	};

	if (list_all(&l, r, err) < 0)
		return np_err_ret(err);
	if (!l.version[0])
		return np_fail(err, NP_E_REFUSED, "%s: the server's list has no resourceVersion",
			       r->plural);
	memcpy(version, l.version, NP_KUBE_VERSION_MAX);
	return 0;
}
