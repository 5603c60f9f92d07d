/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"

enum { PAGE_DEFAULT = 50, OBJECTS_MAX = 200000, ATTEMPTS_MAX = 3, AGAIN_MS = 100 };

/* A query in progress. */
struct running {
	struct np_vcenter *v;
	const struct np_vcenter_query *q;
	size_t visited;
	bool is_bound; /* to a view or token, which ends with the session */
	const char *lost; /* what ended the query, which can start over; NULL: nothing */
};

/* --- what is sent ------------------------------------------------------------------------------- */

void vcenter_text_add_member(struct vcenter_text *t, const char *name, const char *value)
{
	const char *const parts[] = { "<", name, ">", NULL, "</", name, ">" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i])
			vcenter_text_add(t, parts[i]);
		else
			vcenter_text_add_escaped(t, value);
}

/* Adds <name type="TYPE">id</name>. */
static void add_ref(struct vcenter_text *t, const char *name, const struct np_vcenter_ref *ref)
{
	const char *const parts[] = { "<", name, " type=\"", NULL, "\">", NULL, "</", name, ">" };
	const char *texts[] = { ref->type, ref->id };
	size_t k = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i])
			vcenter_text_add(t, parts[i]);
		else
			vcenter_text_add_escaped(t, texts[k++]);
}

static void add_prop_set(struct vcenter_text *t, const struct np_vcenter_query *q)
{
	vcenter_text_add(t, "<propSet>");
	vcenter_text_add_member(t, "type", q->type);
	vcenter_text_add(t, "<all>false</all>");
	for (size_t i = 0; i < q->n_paths; i++)
		vcenter_text_add_member(t, "pathSet", q->paths[i]);
	vcenter_text_add(t, "</propSet>");
}

static void add_options(struct vcenter_text *t, const struct np_vcenter_query *q)
{
	char page[16];

	snprintf(page, sizeof(page), "%u", q->page > 0 ? q->page : PAGE_DEFAULT);
	vcenter_text_add(t, "</specSet><options>");
	vcenter_text_add_member(t, "maxObjects", page);
	vcenter_text_add(t, "</options>");
}

/* Asks for what a view holds, not for the view. */
static void add_view(struct vcenter_text *t, const struct np_vcenter_ref *view,
		     const struct np_vcenter_query *q)
{
	vcenter_text_add(t, "<specSet>");
	add_prop_set(t, q);
	vcenter_text_add(t, "<objectSet>");
	add_ref(t, "obj", view);
	vcenter_text_add(t, "<skip>true</skip><selectSet xsi:type=\"TraversalSpec\">"
			    "<name>view</name><type>ContainerView</type><path>view</path>"
			    "<skip>false</skip></selectSet></objectSet>");
	add_options(t, q);
}

static void add_objects(struct vcenter_text *t, const struct np_vcenter_ref *refs, size_t n,
			const struct np_vcenter_query *q)
{
	vcenter_text_add(t, "<specSet>");
	add_prop_set(t, q);
	for (size_t i = 0; i < n; i++) {
		vcenter_text_add(t, "<objectSet>");
		add_ref(t, "obj", &refs[i]);
		vcenter_text_add(t, "<skip>false</skip></objectSet>");
	}
	add_options(t, q);
}

/* --- pages -------------------------------------------------------------------------------------- */

static const char *describe(const char *type, char buf[static 96])
{
	snprintf(buf, 96, "%s objects", type);
	return buf;
}

/* Hands one <objects> over. */
static int visit_object(void *ctx, const struct vcenter_node *n, struct np_err *err)
{
	struct running *r = ctx;
	struct np_vcenter_object o = { .properties = vcenter_val(n) };

	if (r->visited++ == OBJECTS_MAX)
		return np_fail(err, NP_E_REFUSED, "vCenter returns more than %d objects of type %s",
			       OBJECTS_MAX, r->q->type);
	if (!np_vcenter_val_ref(vcenter_val(vcenter_child(n, "obj")), &o.ref))
		return np_fail(err, NP_E_REFUSED,
			       "vCenter returns an object of type %s without a reference",
			       r->q->type);
	return r->q->each(r->q->ctx, &o, err);
}

/* Returns why a query can succeed if it starts over; NULL: it would fail again. */
static const char *find_loss(const char *fault, bool is_continued, enum np_code code)
{
	if (strcmp(fault, VCENTER_NOT_AUTHENTICATED) == 0)
		return "the session ended between two pages";
	if (strcmp(fault, "ManagedObjectNotFound") == 0)
		return "an object was deleted between two pages";
	return is_continued && code == NP_E_RETRY ? "a page was lost" : NULL;
}

/* Calls a method of the property collector or of a view. */
static int call(struct running *r, const char *name, const struct np_vcenter_ref *on,
		const struct vcenter_text *arguments, struct vcenter_result *ret,
		struct np_err *err)
{
	/* A token is good for one request. */
	bool is_continued = strcmp(name, "ContinueRetrievePropertiesEx") == 0;
	/* Envelope, Body, the response, returnval, objects. */
	struct vcenter_visitor objects = { "objects", 4, visit_object, r, false };
	char what[96];
	const struct vcenter_method m = { .name = name,
					  .type = on->type,
					  .id = on->id,
					  .arguments = arguments->bytes,
					  .call = { .verb = "read",
						    .what = describe(r->q->type, what),
						    .privilege = "System.View",
						    .user = r->v->login.user },
					  .is_repeatable = !is_continued,
					  .is_bound = r->is_bound,
					  .visitor = &objects };
	int n;

	if (arguments->failed)
		return np_fail_nomem(err);
	n = vcenter_soap(r->v, &m, ret, err);
	r->lost = n < 0 ? find_loss(ret->fault, is_continued, err->code) : NULL;
	return n;
}

/* Sets *ret_token to the next page's, "" after the last. */
static int read_token(const struct vcenter_result *result, char **ret_token, struct np_err *err)
{
	const struct vcenter_node *returned = vcenter_child(result->response, "returnval");
	char *token = strdup(vcenter_child_text(returned, "token"));

	if (!token)
		return np_fail_nomem(err);
	free(*ret_token);
	*ret_token = token;
	return 0;
}

static struct np_vcenter_ref collector_of(const struct np_vcenter *v)
{
	struct np_vcenter_ref ref = { .type = "PropertyCollector" };

	snprintf(ref.id, sizeof(ref.id), "%s", v->property_collector);
	return ref;
}

static int next_page(struct running *r, char **token, struct np_err *err)
{
	const struct np_vcenter_ref collector = collector_of(r->v);
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };

	r->is_bound = true;
	vcenter_text_add_member(&arguments, "token", *token);
	if (call(r, "ContinueRetrievePropertiesEx", &collector, &arguments, &result, err) < 0)
		return np_err_ret(err);
	return read_token(&result, token, err);
}

/* Sends `arguments` and visits the response and all that follow it. */
static int visit_all(struct running *r, const struct vcenter_text *arguments, struct np_err *err)
{
	const struct np_vcenter_ref collector = collector_of(r->v);
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	NP_AUTO(np_freep) char *token = NULL;
	int n;

	if (call(r, "RetrievePropertiesEx", &collector, arguments, &result, err) < 0)
		return np_err_ret(err);
	n = read_token(&result, &token, err);
	vcenter_result_done(&result);
	while (n >= 0 && token[0])
		n = next_page(r, &token, err);
	return n;
}

/* --- views -------------------------------------------------------------------------------------- */

static int make_view(struct running *r, struct np_vcenter_ref *ret, struct np_err *err)
{
	struct np_vcenter_ref manager = { .type = "ViewManager" }, root = { .type = "Folder" };
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct np_vcenter_about *about;

	if (np_vcenter_about(r->v, &about, err) < 0)
		return np_err_ret(err);
	snprintf(manager.id, sizeof(manager.id), "%s", r->v->view_manager);
	snprintf(root.id, sizeof(root.id), "%s", r->v->root_folder);
	add_ref(&arguments, "container", &root);
	vcenter_text_add_member(&arguments, "type", r->q->type);
	vcenter_text_add(&arguments, "<recursive>true</recursive>");
	if (call(r, "CreateContainerView", &manager, &arguments, &result, err) < 0)
		return np_err_ret(err);
	if (!np_vcenter_val_ref(vcenter_val(vcenter_child(result.response, "returnval")), ret))
		return np_fail(err, NP_E_REFUSED, "CreateContainerView: the response has no view");
	return 0;
}

/* The session's end would do it as well; a run has several queries. */
static void destroy_view(struct running *r, const struct np_vcenter_ref *view)
{
	NP_AUTO(vcenter_result_done) struct vcenter_result result = { 0 };
	const struct vcenter_text none = { 0 };
	const char *lost = r->lost;
	struct np_err ignored = NP_ERR_INIT;

	if (r->v->cookie)
		(void)call(r, "DestroyView", view, &none, &result, &ignored);
	r->lost = lost;
}

static int run_once(struct running *r, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	struct np_vcenter_ref view;
	int n;

	r->is_bound = false;
	r->lost = NULL;
	r->visited = 0;
	if (make_view(r, &view, err) < 0)
		return np_err_ret(err);
	r->is_bound = true;
	add_view(&arguments, &view, r->q);
	n = visit_all(r, &arguments, err);
	destroy_view(r, &view);
	return n;
}

/* Logs what was lost, and waits; false: the query stays failed. */
static bool starts_over(struct running *r, unsigned attempt)
{
	struct np_err ignored = NP_ERR_INIT;
	char line[128];

	if (!r->lost || !r->q->restart || attempt >= ATTEMPTS_MAX ||
	    np_vcenter_pause(r->v, AGAIN_MS, &ignored) < 0)
		return false;
	snprintf(line, sizeof(line), "%s: starting the query again", r->lost);
	np_kube_log(r->v->http, line);
	r->q->restart(r->q->ctx);
	return true;
}

int np_vcenter_query(struct np_vcenter *v, const struct np_vcenter_query *q, struct np_err *err)
{
	struct running r = { .v = v, .q = q };

	for (unsigned attempt = 1;; attempt++) {
		struct np_err why = NP_ERR_INIT;
		int n = run_once(&r, &why);

		if (n >= 0)
			return n;
		if (starts_over(&r, attempt))
			continue;
		*err = why;
		if (!r.lost)
			return n;
		err->code = NP_E_RETRY;
		return np_wrap(err, "%s", r.lost);
	}
}

int np_vcenter_read(struct np_vcenter *v, const struct np_vcenter_ref *refs, size_t n,
		    const struct np_vcenter_query *q, struct np_err *err)
{
	NP_AUTO(vcenter_text_done) struct vcenter_text arguments = { 0 };
	struct running r = { .v = v, .q = q };
	const struct np_vcenter_about *about;

	if (n == 0)
		return 0;
	if (np_vcenter_about(v, &about, err) < 0)
		return np_err_ret(err);
	add_objects(&arguments, refs, n, q);
	return visit_all(&r, &arguments, err);
}
