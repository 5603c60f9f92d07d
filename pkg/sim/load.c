/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/doc.h"

static const char *find_load_header(const void *ctx, const char *name)
{
	return strcasecmp(name, "Authorization") == 0 ? ctx
	       : strcasecmp(name, "User-Agent") == 0  ? "nodeprep-sim"
						      : NULL;
}

/* Says what a refused document's Status says. */
static int fail_load(struct np_val doc, const struct np_serve_reply *reply, struct np_err *err)
{
	json_auto_t *status = json_loadb(reply->body, reply->body_size, 0, NULL);
	const char *message = json_string_value(json_object_get(status, "message"));

	return np_doc_fail(doc, err, NP_E_SPEC, "%s", message ? message : "cannot be created");
}

/* Posts a document as the admin, so that loaded documents pass the API's checks. */
static int post(struct np_sim *sim, struct np_val doc, const char *path, struct np_err *err)
{
	NP_AUTO(np_freep) char *body = json_dumps(doc.json, 0);
	NP_AUTO(np_freep) char *header = NULL;
	NP_AUTO(np_serve_reply_done) struct np_serve_reply reply = NP_SERVE_REPLY_INIT;
	struct np_serve_request req = { .method = "POST", .path = path, .query = "" };

	if (!body || asprintf(&header, "Bearer %s", sim->users.items[0].token) < 0) {
		header = NULL;
		return np_fail_nomem(err);
	}
	req.body = body;
	req.body_size = strlen(body);
	req.find_header = find_load_header;
	req.ctx = header;
	if (np_sim_handle(sim, &req, &reply, err) < 0)
		return np_err_ret(err);
	return reply.status == 201 || reply.status == 409 ? 0 : fail_load(doc, &reply, err);
}

static int load_class(struct np_sim *sim, struct np_val doc, const char *version,
		      struct np_err *err)
{
	const char *ns = "default";
	NP_AUTO(np_freep) char *path = NULL;
	int n;

	if (np_doc_string(np_doc_get(np_doc_get(doc, "metadata"), "namespace"), &ns, err) < 0)
		return np_err_ret(err);
	if (sim->cluster_scoped)
		n = asprintf(&path, "/apis/%s/" PLURAL, version);
	else
		n = asprintf(&path, "/apis/%s/namespaces/%s/" PLURAL, version, ns);
	if (n < 0) {
		path = NULL;
		return np_fail_nomem(err);
	}
	return post(sim, doc, path, err);
}

static int load_document(struct np_sim *sim, struct np_val doc, struct np_err *err)
{
	const char *kind = "", *version = "";
	struct np_val items = np_doc_get(doc, "items");

	if (np_doc_string(np_doc_get(doc, "kind"), &kind, err) < 0 ||
	    np_doc_string(np_doc_get(doc, "apiVersion"), &version, err) < 0)
		return np_err_ret(err);
	if (strcmp(kind, KIND) == 0 && strncmp(version, GROUP "/", strlen(GROUP) + 1) == 0)
		return load_class(sim, doc, version, err);
	for (size_t i = 0; i < np_doc_count(items); i++)
		if (load_document(sim, np_doc_at(items, i), err) < 0)
			return np_err_ret(err);
	return 0;
}

int np_sim_load(struct np_sim *sim, const char *name, const char *bytes, size_t size,
		struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;

	if (np_doc_reader_new(name, bytes, size, &reader, err) < 0)
		return np_err_ret(err);
	for (;;) {
		NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
		int more = np_doc_reader_next(reader, &doc, err);

		if (more <= 0)
			return more;
		if (load_document(sim, np_doc_root(doc), err) < 0)
			return np_err_ret(err);
	}
}
