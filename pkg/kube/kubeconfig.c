/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"
#include "nodeprep/file.h"
#include "nodeprep/text.h"

/* --- files ----------------------------------------------------------------------------------- */

void kube_files_done(struct kube_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		np_doc_unref(files->docs[i]);
	free(files->docs);
	*files = (struct kube_files){ 0 };
}

/* The parser's words may quote the input where it broke, and a token could stand there. */
static int drop_quoted_input(struct np_err *err)
{
	char *near = strstr(err->text, " near '");

	if (near)
		*near = '\0';
	return err->code == NP_E_SPEC ? np_wrap(err, "kubeconfig") : np_err_ret(err);
}

static int push_doc_take(struct kube_files *files, struct np_doc *take, struct np_err *err)
{
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = take;
	struct np_doc **docs = reallocarray(files->docs, files->n + 1, sizeof(struct np_doc *));

	if (!docs)
		return np_fail_nomem(err);
	files->docs = docs;
	files->docs[files->n++] = np_take(doc);
	return 0;
}

int kube_files_parse(struct kube_files *files, const char *path, const char *bytes, size_t size,
		     struct np_err *err)
{
	NP_AUTO(np_doc_reader_freep) struct np_doc_reader *reader = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *doc = NULL;
	struct np_val root;
	const char *kind;
	int r;

	if (np_doc_reader_new(path, bytes, size, &reader, err) < 0)
		return drop_quoted_input(err);
	r = np_doc_reader_next(reader, &doc, err);
	if (r < 0)
		return drop_quoted_input(err);
	if (r == 0)
		return 0;
	root = np_doc_root(doc);
	if (np_doc_is_present(root) && !json_is_object(root.json))
		return np_doc_fail(root, err, NP_E_SPEC, "not a kubeconfig: expected a mapping");
	kind = json_string_value(json_object_get(root.json, "kind"));
	if (kind && strcmp(kind, "Config") != 0)
		return np_doc_fail(root, err, NP_E_SPEC,
				   "not a kubeconfig: kind is '%.64s', expected 'Config'", kind);
	return push_doc_take(files, np_take(doc), err);
}

int kube_files_add(struct kube_files *files, const char *path, struct np_err *err)
{
	NP_AUTO(kube_blob_done) struct kube_blob file = { 0 };

	if (np_file_load(path, NP_DOC_INPUT_MAX, &file.bytes, &file.size, err) < 0)
		return np_wrap(err, "kubeconfig");
	return kube_files_parse(files, path, file.bytes, file.size, err);
}

/* --- entries --------------------------------------------------------------------------------- */

/* A list of named entries, and the key under which an entry's content stands. */
struct kind {
	const char *list;
	const char *content;
};

static const struct kind clusters = { "clusters", "cluster" };
static const struct kind contexts = { "contexts", "context" };
static const struct kind users = { "users", "user" };

/* One entry of a list: what it is called and what it holds. */
static int read_entry(struct np_val item, const struct kind *kind, const char **ret_name,
		      struct np_val *ret, struct np_err *err)
{
	struct np_val content = np_doc_get(item, kind->content);

	if (np_doc_object(item, err) < 0 ||
	    np_doc_string(np_doc_get(item, "name"), ret_name, err) < 0 ||
	    np_doc_object(content, err) < 0)
		return np_err_ret(err);
	*ret = content;
	return 0;
}

/* Sets *ret and returns 1 where the document has an entry of that name. */
static int find_in_doc(const struct np_doc *doc, const struct kind *kind, const char *name,
		       struct np_val *ret, struct np_err *err)
{
	struct np_val list = np_doc_get(np_doc_root(doc), kind->list);
	int found = 0;

	if (np_doc_list(list, err) < 0)
		return np_err_ret(err);
	for (size_t i = 0; i < np_doc_count(list); i++) {
		struct np_val item = np_doc_at(list, i), content;
		const char *have = NULL;

		if (read_entry(item, kind, &have, &content, err) < 0)
			return np_err_ret(err);
		if (!have || strcmp(have, name) != 0)
			continue;
		if (found)
			return np_doc_fail(item, err, NP_E_SPEC, "%s '%s' is a duplicate",
					   kind->content, name);
		*ret = content;
		found = 1;
	}
	return found;
}

/* The first file that defines an entry wins. */
static int find_entry(const struct kube_files *files, const struct kind *kind, const char *name,
		      struct np_val *ret, struct np_err *err)
{
	for (size_t i = 0; i < files->n; i++) {
		int r = find_in_doc(files->docs[i], kind, name, ret, err);

		if (r != 0)
			return r;
	}
	return 0;
}

/* Writes the names there are, "'a', 'b'", for a message. */
static void list_names(const struct kube_files *files, const struct kind *kind, char *buf,
		       size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; i < files->n; i++) {
		struct np_val list = np_doc_get(np_doc_root(files->docs[i]), kind->list);

		for (size_t j = 0; j < np_doc_count(list); j++) {
			struct np_val name = np_doc_get(np_doc_at(list, j), "name");

			if (!json_is_string(name.json))
				continue;
			strlcat(buf, buf[0] ? ", '" : "'", size);
			strlcat(buf, json_string_value(name.json), size);
			strlcat(buf, "'", size);
		}
	}
}

static int fail_unknown(const struct kube_files *files, const struct kind *kind, const char *name,
			struct np_err *err)
{
	char names[400];

	list_names(files, kind, names, sizeof(names));
	if (!names[0])
		return np_fail(err, NP_E_USAGE, "%s '%s' does not exist: the kubeconfig has no %s",
			       kind->content, name, kind->list);
	return np_fail(err, NP_E_USAGE, "%s '%s' does not exist in the kubeconfig: it has %s",
		       kind->content, name, names);
}

/* --- fields ---------------------------------------------------------------------------------- */

struct context_entry {
	struct np_val node;
	const char *cluster, *ns, *user;
};

struct cluster_entry {
	struct np_val node;
	const char *name;
	const char *ca_file, *ca_data, *proxy_url, *server, *tls_server_name;
};

static const struct kube_text_field context_fields[] = {
	{ "cluster", offsetof(struct context_entry, cluster), false },
	{ "namespace", offsetof(struct context_entry, ns), false },
	{ "user", offsetof(struct context_entry, user), false },
	{ NULL, 0, false },
};

static const struct kube_text_field cluster_fields[] = {
	{ "certificate-authority", offsetof(struct cluster_entry, ca_file), false },
	{ "certificate-authority-data", offsetof(struct cluster_entry, ca_data), false },
	{ "proxy-url", offsetof(struct cluster_entry, proxy_url), true },
	{ "server", offsetof(struct cluster_entry, server), false },
	{ "tls-server-name", offsetof(struct cluster_entry, tls_server_name), false },
	{ NULL, 0, false },
};

/* --- certificates and keys ------------------------------------------------------------------- */

/* --- what a context leads to ----------------------------------------------------------------- */

/* Says which CA it is, for the day on which it is the wrong one. */
static int name_ca(const struct cluster_entry *e, struct np_kube_config *c, struct np_err *err)
{
	const char *file = np_doc_name(e->node.doc);
	int n;

	free(c->ca_name);
	c->ca_name = NULL;
	if (!e->ca_data && !e->ca_file)
		n = asprintf(&c->ca_name,
			     "any CA that this system trusts, and cluster '%s' in '%s' names none: "
			     "certificate-authority does",
			     e->name, file);
	else if (e->ca_data)
		n = asprintf(&c->ca_name, "the certificate-authority-data of cluster '%s' in '%s'",
			     e->name, file);
	else
		n = asprintf(&c->ca_name, "the certificate-authority '%s' of cluster '%s' in '%s'",
			     e->ca_file, e->name, file);
	if (n >= 0)
		return 0;
	c->ca_name = NULL;
	return np_fail_nomem(err);
}

/* Reads insecure-skip-tls-verify and the CA, unless flags replace both. */
static int apply_trust(const struct cluster_entry *e, const struct np_kube_options *o,
		       struct np_kube_config *c, struct np_err *err)
{
	struct np_val insecure = np_doc_get(e->node, "insecure-skip-tls-verify");

	if (np_doc_bool(insecure, &c->insecure, err) < 0)
		return np_err_ret(err);
	if (o->insecure || o->ca_file) {
		c->insecure = false;
		return 0;
	}
	if (c->insecure && (e->ca_data || e->ca_file))
		return np_doc_fail(insecure, err, NP_E_SPEC,
				   "specifying a root certificates file with the insecure flag "
				   "is not allowed: drop insecure-skip-tls-verify or the "
				   "certificate-authority");
	if (kube_load_pem(np_doc_get(e->node, "certificate-authority-data"), e->ca_data,
			  np_doc_get(e->node, "certificate-authority"), e->ca_file, &c->ca,
			  err) < 0)
		return np_err_ret(err);
	if (kube_keep_path(np_doc_get(e->node, "certificate-authority"), e->ca_data, e->ca_file,
			   &c->ca_file, err) < 0)
		return np_err_ret(err);
	return name_ca(e, c, err);
}

static int apply_cluster(struct np_val node, const char *name, const struct np_kube_options *o,
			 struct np_kube_config *c, struct np_err *err)
{
	struct cluster_entry e = { .node = node, .name = name };

	if (kube_read_fields(node, cluster_fields, &e, err) < 0 || apply_trust(&e, o, c, err) < 0)
		return np_err_ret(err);
	if (!e.server && !o->server)
		return np_doc_fail_key(node, err, NP_E_SPEC, "the cluster has no server");
	/* As kubectl: a server of the command line is not known by the kubeconfig's name for it. */
	if (!o->server && kube_set_text(&c->tls_server_name, e.tls_server_name, err) < 0)
		return np_err_ret(err);
	if (kube_set_text(&c->server, e.server, err) < 0)
		return np_err_ret(err);
	if (np_doc_bool(np_doc_get(node, "disable-compression"), &c->no_compression, err) < 0 ||
	    kube_extension_load(np_doc_get(node, "extensions"), c, err) < 0)
		return np_err_ret(err);
	if (e.proxy_url && !kube_proxy_is_known(e.proxy_url))
		return np_doc_fail(np_doc_get(node, "proxy-url"), err, NP_E_SPEC,
				   "proxy-url must start with http://, https:// or socks5://");
	return kube_set_text(&c->proxy_url, e.proxy_url, err);
}

/* The first current-context that is not empty wins. */
static int current_context(const struct kube_files *files, const char **ret,
			   struct np_val *ret_node, struct np_err *err)
{
	for (size_t i = 0; i < files->n && !*ret; i++) {
		*ret_node = np_doc_get(np_doc_root(files->docs[i]), "current-context");
		if (kube_read_text(*ret_node, false, ret, err) < 0)
			return np_err_ret(err);
	}
	return 0;
}

static int pick_context(const struct kube_files *files, const struct np_kube_options *o,
			struct context_entry *ret, struct np_err *err)
{
	const char *name = o->context;
	struct np_val at = { 0 };
	int r;

	if (!name && current_context(files, &name, &at, err) < 0)
		return np_err_ret(err);
	if (!name)
		return 0;
	r = find_entry(files, &contexts, name, &ret->node, err);
	if (r < 0)
		return r;
	if (r == 0)
		return fail_unknown(files, &contexts, name, err);
	return kube_read_fields(ret->node, context_fields, ret, err);
}

/* Finds what a flag or else the context names; *ret_found false where neither names any. */
static int pick_entry(const struct kube_files *files, const struct kind *kind, const char *flag,
		      struct np_val named, struct np_val *ret, struct np_err *err)
{
	const char *name = flag ? flag : json_string_value(named.json);
	int r;

	if (!name || !name[0])
		return 0;
	r = find_entry(files, kind, name, ret, err);
	if (r != 0)
		return r;
	if (flag)
		return fail_unknown(files, kind, name, err);
	return np_doc_fail(named, err, NP_E_SPEC, "%s '%s' does not exist in the kubeconfig",
			   kind->content, name);
}

int kube_files_apply(const struct kube_files *files, const struct np_kube_options *o,
		     struct np_kube_config *c, struct np_err *err)
{
	struct context_entry ctx = { 0 };
	struct np_val node;
	int r;

	if (pick_context(files, o, &ctx, err) < 0 || kube_set_text(&c->ns, ctx.ns, err) < 0 ||
	    kube_set_text(&c->user_name, o->user ? o->user : ctx.user, err) < 0)
		return np_err_ret(err);
	r = pick_entry(files, &clusters, o->cluster, np_doc_get(ctx.node, "cluster"), &node, err);
	if (r < 0 ||
	    (r > 0 && apply_cluster(node, o->cluster ? o->cluster : ctx.cluster, o, c, err) < 0))
		return np_err_ret(err);
	r = pick_entry(files, &users, o->user, np_doc_get(ctx.node, "user"), &node, err);
	if (r < 0 || (r > 0 && kube_user_apply(node, o, c, err) < 0))
		return np_err_ret(err);
	return 0;
}
