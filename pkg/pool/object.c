/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nodeprep/err.h"
#include "nodeprep/text.h"
#include "nodeprep/warnings.h"

bool np_pool_is_placeholder(const char *text)
{
	static const struct {
		const char *open, *close;
	} marks[] = {
		{ "$(", ")" }, { "${", "}" }, { "((", "))" }, { "<", ">" }, { "{{", "}}" },
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *at = strstr(text, marks[i].open);

		/* At least one byte must be between them: "<>" is not a variable. */
		if (at && at[strlen(marks[i].open)] &&
		    strstr(at + strlen(marks[i].open) + 1, marks[i].close))
			return true;
	}
	return false;
}

bool pool_node_is_placeholder(struct np_val n)
{
	return json_is_string(n.json) && np_pool_is_placeholder(json_string_value(n.json));
}

void np_pool_id(const struct np_pool *pool, char buf[static NP_POOL_ID_MAX])
{
	const char *origin = pool->origin ? pool->origin : "", *after = pool->origin ? "/" : "";

	if (pool->cluster)
		snprintf(buf, NP_POOL_ID_MAX, "%.*s%s%s/%s/%s", NP_ORIGIN_MAX, origin, after,
			 pool->ns, pool->cluster, pool->name);
	else
		snprintf(buf, NP_POOL_ID_MAX, "%.*s%s%s/%s", NP_ORIGIN_MAX, origin, after, pool->ns,
			 pool->name);
}

void np_pool_source_text(const struct np_source *s, char buf[static NP_SOURCE_TEXT_MAX])
{
	if (s->line == 0)
		snprintf(buf, NP_SOURCE_TEXT_MAX, "%s", s->file);
	else
		snprintf(buf, NP_SOURCE_TEXT_MAX, "%s:%u", s->file, s->line);
}

bool pool_note_placeholder(struct np_placeholder *p, struct np_val n, const char *field)
{
	char text[NP_DOC_TEXT_MAX];

	if (p->field[0] != '\0')
		return true;
	np_doc_text(n, text);
	snprintf(p->field, sizeof(p->field), "%s is '%s'",
		 field   ? field
		 : n.key ? n.key
			 : "a field",
		 text);
	p->line = n.pos.line;
	p->column = n.pos.column;
	return true;
}

void pool_take_placeholder(struct np_pool *pool, const struct np_template *t)
{
	if (!t->has_placeholder)
		return;
	pool->has_placeholder = true;
	if (pool->placeholder.field[0] == '\0')
		pool->placeholder = t->placeholder;
}

/* A name that is a placeholder, of the object or of the pool's own entry. */
static void note_name(const struct pool_object *o, const char *name, struct np_pool *pool)
{
	struct np_val metadata = np_doc_get(o->root, "metadata");

	if (np_pool_is_placeholder(o->name))
		pool_note_placeholder(&pool->placeholder, np_doc_get(metadata, "name"),
				      "metadata.name");
	else if (np_pool_is_placeholder(o->ns))
		pool_note_placeholder(&pool->placeholder, np_doc_get(metadata, "namespace"),
				      "metadata.namespace");
	else if (np_pool_is_placeholder(name))
		snprintf(pool->placeholder.field, sizeof(pool->placeholder.field),
			 "the pool's name is '%.80s'", name);
}

/* Loose on purpose: the API server knows the grammar of each name, we need an identity. */
static int check_name(struct np_val n, const char *what, const char *text, struct np_err *err)
{
	char quoted[NP_DOC_TEXT_MAX];

	if (strlen(text) > POOL_NAME_MAX)
		return np_doc_fail(n, err, NP_E_SPEC, "%s is %zu bytes long: at most %d", what,
				   strlen(text), POOL_NAME_MAX);
	np_doc_text(n, quoted);
	for (const char *c = text; *c; c++)
		if (iscntrl((unsigned char)*c) || (*c == '/' && !np_pool_is_placeholder(text)))
			return np_doc_fail(n, err, NP_E_SPEC,
					   "%s is '%s': a name has no slash and no control "
					   "character",
					   what, quoted);
	return 0;
}

int pool_fail_instead(struct np_val n, const char *what, struct np_err *err)
{
	char text[NP_DOC_TEXT_MAX];

	if (!n.json)
		return np_doc_fail(n, err, NP_E_SPEC, "expected %s", what);
	if (json_is_array(n.json) || json_is_object(n.json))
		return np_doc_fail(n, err, NP_E_SPEC, "expected %s, not a %s", what,
				   json_is_array(n.json) ? "list" : "mapping");
	np_doc_text(n, text);
	return np_doc_fail(n, err, NP_E_SPEC, "expected %s, not '%s'", what, text);
}

int pool_read_name(struct np_val n, const char *what, const char **ret, struct np_err *err)
{
	const char *text = NULL;

	if (np_doc_string(n, &text, err) < 0)
		return np_err_ret(err);
	if (!text)
		return np_doc_fail(n, err, NP_E_SPEC, "%s is required", what);
	if (!*text)
		return np_doc_fail(n, err, NP_E_SPEC, "%s is '': expected a name", what);
	if (check_name(n, what, text, err) < 0)
		return np_err_ret(err);
	*ret = text;
	return 0;
}

int pool_object_read_namespace(struct pool_object *o, struct np_val n, struct np_err *err)
{
	const char *only = o->in->only_namespace;
	const char *ns = NULL;

	if (np_doc_string(n, &ns, err) < 0)
		return np_err_ret(err);
	if (!ns || !*ns) {
		o->ns = o->in->default_namespace ? o->in->default_namespace
			: only                   ? only
						 : "default";
		return 0;
	}
	if (check_name(n, "metadata.namespace", ns, err) < 0)
		return np_err_ret(err);
	if (only && strcmp(only, ns) != 0 && !np_pool_is_placeholder(ns))
		return np_doc_fail(n, err, NP_E_SPEC,
				   "the namespace from the provided object '%s' does not match "
				   "the namespace '%s'",
				   ns, only);
	o->ns = ns;
	return 0;
}

int pool_object_open(struct pool_object *o, struct np_err *err)
{
	struct np_val metadata = np_doc_get(o->root, "metadata");

	if (np_doc_object(metadata, err) < 0)
		return np_err_ret(err);
	if (pool_read_name(np_doc_get(metadata, "name"), "metadata.name", &o->name, err) < 0)
		return np_err_ret(err);
	return pool_object_read_namespace(o, np_doc_get(metadata, "namespace"), err);
}

int pool_copy_text(char **dst, const char *text, struct np_err *err)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return np_fail_nomem(err);
	free(*dst);
	*dst = copy;
	return 0;
}

int pool_init(const struct pool_object *o, struct np_pos at, const char *name,
	      struct np_pool *ret_pool, struct np_err *err)
{
	NP_AUTO(pool_done) struct np_pool pool = { 0 };
	bool is_node_pool = strcmp(o->kind, "NodePool") == 0;

	pool.origin = o->in->origin;
	pool.source.document = np_doc_index(o->doc);
	pool.source.line = at.line;
	pool.is_live = json_is_string(np_doc_get(np_doc_get(o->root, "metadata"), "uid").json);
	pool.has_placeholder = np_pool_is_placeholder(name) || np_pool_is_placeholder(o->ns) ||
			       np_pool_is_placeholder(o->name);
	note_name(o, name, &pool);
	if (pool_copy_text(&pool.source.kind, o->kind, err) < 0 ||
	    pool_copy_text(&pool.source.name, o->name, err) < 0 ||
	    pool_copy_text(&pool.source.file, np_doc_name(o->doc), err) < 0 ||
	    pool_copy_text(&pool.ns, o->ns, err) < 0 ||
	    (!is_node_pool && pool_copy_text(&pool.cluster, o->name, err) < 0) ||
	    pool_copy_text(&pool.name, name, err) < 0)
		return np_err_ret(err);
	*ret_pool = pool;
	pool = (struct np_pool){ 0 };
	return 0;
}

void pool_done(struct np_pool *pool)
{
	for (size_t i = 0; i < pool->n_requests; i++) {
		free(pool->requests[i].text);
		free(pool->requests[i].vgpu_profile);
	}
	free(pool->requests);
	free(pool->source.kind);
	free(pool->source.name);
	free(pool->source.file);
	free(pool->ns);
	free(pool->cluster);
	free(pool->name);
	free(pool->vm_class);
	free(pool->template_group);
	free(pool->template_ns);
	free(pool->template_name);
	np_doc_unref(pool->doc);
	np_warnings_done(&pool->warnings);
	*pool = (struct np_pool){ 0 };
}

void np_pool_input_pick(struct np_input *in, const char *vm_class)
{
	size_t kept = 0;

	for (size_t i = 0; i < in->n_pools; i++) {
		struct np_pool *pool = &in->pools[i];

		if (pool->vm_class && strcmp(pool->vm_class, vm_class) == 0) {
			struct np_pool taken = *pool;

			*pool = (struct np_pool){ 0 };
			in->pools[kept++] = taken;
		} else {
			pool_done(pool);
		}
	}
	in->n_pools = kept;
}

int pool_read_class(struct np_val n, const char *what, struct np_pool *pool, struct np_err *err)
{
	const char *name = NULL;

	if (!np_doc_is_present(n))
		return 0;
	if (pool_read_name(n, what, &name, err) < 0)
		return np_err_ret(err);
	if (np_pool_is_placeholder(name))
		pool->has_placeholder = pool_note_placeholder(&pool->placeholder, n, what);
	return pool_copy_text(&pool->vm_class, name, err);
}

int pool_read_replicas(struct np_val n, struct np_pool *pool, struct np_err *err)
{
	int read;

	if (pool_node_is_placeholder(n)) {
		pool->has_placeholder = pool_note_placeholder(&pool->placeholder, n, NULL);
		return 0;
	}
	/* The field is an int32 in every API that has it. */
	read = np_doc_uint(n, 0, INT32_MAX, &pool->replicas, err);
	if (read < 0)
		return read;
	pool->has_replicas = read > 0;
	return 0;
}

static int fail_unknown_field(struct np_val n, struct np_words known, struct np_err *err)
{
	const char *near = np_text_near(n.key, known);
	char list[256];
	int used = 0;

	if (near)
		return np_doc_fail_key(n, err, NP_E_SPEC, "unknown field '%s': did you mean '%s'?",
				       n.key, near);
	for (size_t i = 0; i < known.n && used >= 0 && (size_t)used < sizeof(list); i++)
		used += snprintf(list + used, sizeof(list) - (size_t)used, "%s%s", i ? ", " : "",
				 known.word[i]);
	return np_doc_fail_key(n, err, NP_E_SPEC, "unknown field '%.64s': known are %s", n.key,
			       list);
}

int pool_check_fields(struct np_val object, struct np_words known, struct np_err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach (np_json_mut(object.json), key, value) {
		size_t i = 0;

		while (i < known.n && strcmp(key, known.word[i]) != 0)
			i++;
		if (i == known.n)
			return fail_unknown_field(np_doc_get(object, key), known, err);
	}
	return 0;
}
