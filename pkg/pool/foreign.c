/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "nodeprep/err.h"

/* --- templates of other tools ---------------------------------------------------------------- */

#define YTT_CODE "#@ "
#define YTT_VALUES "#@data/values"

/* Tells whether nothing but blanks and dashes is between the start of the line and `at`, or a key ends there. */
static bool is_code_place(const char *bytes, const char *at)
{
	const char *p = at;

	if (at - bytes >= 2 && at[-2] == ':' && at[-1] == ' ')
		return true;
	while (p > bytes && (p[-1] == ' ' || p[-1] == '-'))
		p--;
	return p == bytes || p[-1] == '\n';
}

/* Returns the first ytt code: at the start of a line, or behind a key; NULL without any. */
static const char *find_ytt(const char *bytes, size_t size)
{
	const char *end = bytes + size;

	for (const char *at = bytes; (at = memchr(at, '#', (size_t)(end - at))); at++)
		if ((size_t)(end - at) >= strlen(YTT_CODE) &&
		    memcmp(at, YTT_CODE, strlen(YTT_CODE)) == 0 && is_code_place(bytes, at))
			return at;
	return NULL;
}

int pool_check_template(const char *name, const char *bytes, size_t size, struct np_err *err)
{
	const char *at = find_ytt(bytes, size);
	size_t line = 1, column = 1;

	/* A file of data values is data, though its values may be annotated. */
	if (!at || memmem(bytes, size, YTT_VALUES, strlen(YTT_VALUES)))
		return 0;
	for (const char *p = bytes; p < at; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return np_fail(err, NP_E_SPEC,
		       "%s:%zu:%zu: this is a ytt template ('#@'): render it first, with 'ytt -f'",
		       name, line, column);
}

void pool_hint_template(const char *bytes, size_t size, struct np_err *err)
{
	const char *helm = memmem(bytes, size, "{{", 2);
	char *hint = strstr(err->text, "; is this an unrendered template");

	if (err->code != NP_E_SPEC || !helm || strstr(err->text, "helm template"))
		return;
	if (hint)
		*hint = '\0';
	strlcat(err->text,
		"; this looks like a Helm template ('{{ }}'): render it first, with 'helm template'",
		sizeof(err->text));
}

/* --- what is no Kubernetes object -------------------------------------------------------------- */

static bool is_patch(struct np_val root)
{
	struct np_val first = np_doc_at(root, 0);

	return json_is_string(np_doc_get(first, "op").json) &&
	       json_is_string(np_doc_get(first, "path").json);
}

static bool has(struct np_val root, const char *key)
{
	return np_doc_is_present(np_doc_get(root, key));
}

static bool is_kustomization(struct np_val root)
{
	static const char *const keys[] = { "bases", "components", "patches", "resources" };
	const char *kind = json_string_value(np_doc_get(root, "kind").json);
	bool lists = false;

	if (kind)
		return strcmp(kind, "Kustomization") == 0 || strcmp(kind, "Component") == 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		lists = lists || json_is_array(np_doc_get(root, keys[i]).json);
	return lists && !has(root, "apiVersion");
}

/* Chart.yaml has an apiVersion of its own and no kind. */
static bool is_chart(struct np_val root)
{
	return has(root, "apiVersion") && has(root, "name") && has(root, "version") &&
	       !has(root, "kind");
}

static const char *foreign_label(struct np_val root)
{
	if (json_is_array(root.json))
		return is_patch(root) ? "JSON patch" : "list";
	if (!json_is_object(root.json))
		return "text";
	if (is_kustomization(root))
		return "kustomization";
	if (is_chart(root))
		return "chart";
	return !has(root, "apiVersion") && !has(root, "kind") ? "file without apiVersion and kind"
							      : NULL;
}

int pool_skip_foreign(struct np_input *in, struct np_val root, struct np_err *err)
{
	const char *label = in->in_folder ? foreign_label(root) : NULL;

	if (!label)
		return 0;
	in->n_documents++;
	in->n_foreign++;
	return pool_input_skip(in, label, err) < 0 ? np_err_ret(err) : 1;
}

int np_pool_input_skip_patch(struct np_input *in, struct np_err *err)
{
	in->n_documents++;
	in->n_foreign++;
	return pool_input_skip(in, "patch of a kustomization", err);
}

/* --- blueprints ------------------------------------------------------------------------------ */

#define SUPERVISOR_TYPE "CCI.Supervisor.Resource"

static bool is_blueprint(struct np_val root, struct np_val resources)
{
	if (!json_is_object(resources.json) || has(root, "apiVersion") || has(root, "kind"))
		return false;
	if (has(root, "formatVersion"))
		return true;
	for (struct np_val n = np_doc_next(resources, NULL); n.key && *n.key;
	     n = np_doc_next(resources, n.key)) {
		const char *type = json_string_value(np_doc_get(n, "type").json);

		if (type && strncmp(type, "CCI.", 4) == 0)
			return true;
	}
	return false;
}

int pool_add_blueprint(const struct pool_object *parent, struct np_val root,
		       int (*add)(const struct pool_object *, struct np_val, struct np_err *),
		       struct np_err *err)
{
	struct np_val resources = np_doc_get(root, "resources");

	if (!is_blueprint(root, resources))
		return 0;
	for (struct np_val n = np_doc_next(resources, NULL); n.key && *n.key;
	     n = np_doc_next(resources, n.key)) {
		const char *type = json_string_value(np_doc_get(n, "type").json);
		struct np_val manifest = np_doc_get(np_doc_get(n, "properties"), "manifest");
		int r;

		if (type && strcmp(type, SUPERVISOR_TYPE) == 0 && json_is_object(manifest.json)) {
			r = add(parent, manifest, err);
		} else {
			parent->in->n_documents++;
			r = pool_input_skip(parent->in, type ? type : "blueprint resource", err);
		}
		if (r < 0)
			return r;
	}
	return 1;
}
