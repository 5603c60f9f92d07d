/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define CAPV_GROUP "infrastructure.cluster.x-k8s.io"
#define SUPERVISOR_GROUP "vmware.infrastructure.cluster.x-k8s.io"
#define TEMPLATE_KIND "VSphereMachineTemplate"
#define LABEL_MAX (NP_POOL_ID_MAX + 32)

/* --- findings --------------------------------------------------------------------------------- */

int hook_findings_add(struct findings *f, const char *text, struct np_err *err)
{
	if (!f->texts)
		f->texts = json_object();
	/* _nocheck: a text that was cut may end in half a character. */
	if (!f->texts || json_object_set_new_nocheck(f->texts, text, json_true()) < 0)
		return np_fail_nomem(err);
	return 0;
}

int hook_findings_add_plan(struct findings *f, const struct np_plan *plan, struct np_err *err)
{
	for (size_t i = 0; i < plan->n_errors; i++)
		if (hook_findings_add(f, plan->errors[i].text, err) < 0)
			return np_err_ret(err);
	return 0;
}

void hook_findings_done(struct findings *f)
{
	json_decref(f->texts);
	f->texts = NULL;
}

bool hook_findings_has_any(const struct findings *f)
{
	return json_object_size(f->texts) > 0;
}

/* Returns the smallest text that is larger than `after`; NULL where there is none. */
static const char *next_text(json_t *texts, const char *after)
{
	const char *text, *best = NULL;
	json_t *ignored;

	json_object_foreach (texts, text, ignored)
		if ((!after || strcmp(text, after) > 0) && (!best || strcmp(text, best) < 0))
			best = text;
	return best;
}

void hook_findings_text(const struct findings *f, char buf[static NP_ERR_TEXT_MAX])
{
	const char *text = NULL;
	bool cut = false;

	buf[0] = '\0';
	while (!cut && (text = next_text(f->texts, text))) {
		if (buf[0])
			strlcat(buf, "; ", NP_ERR_TEXT_MAX);
		cut = strlcat(buf, text, NP_ERR_TEXT_MAX) >= NP_ERR_TEXT_MAX;
	}
	if (cut)
		memcpy(buf + NP_ERR_TEXT_MAX - 4, "...", 4);
}

/* --- pools ------------------------------------------------------------------------------------ */

void hook_pool_plan_done(struct pool_plan *p)
{
	np_plan_done(&p->plan);
	np_pool_input_done(&p->input);
}

/* The pool's own values stand before those of all pools. */
static struct span choose(struct span own, struct span global)
{
	return own.p ? own : global;
}

/* Who a pool is: texts that are kept while it is made. */
struct identity {
	json_t *ns, *cluster, *name;
	char label[LABEL_MAX];
};

static void identity_done(struct identity *id)
{
	json_decref(id->ns);
	json_decref(id->cluster);
	json_decref(id->name);
}

static int read_text(struct span value, const char *what, json_t **ret, struct np_err *err)
{
	int r = hook_span_text(value, ret);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	return r < 0 ? np_fail(err, NP_E_SPEC, "%s of an item is not a string", what) : 0;
}

static int read_identity(const struct request *r, const struct item *item, struct identity *id,
			 struct np_err *err)
{
	const struct builtin *own = &item->variables.builtin, *global = &r->variables.builtin;
	struct span name = choose(choose(own->pool, global->pool), item->holder_name);
	struct span ns = choose(choose(own->ns, global->ns), item->holder_ns);
	struct span cluster = choose(own->cluster, global->cluster);

	if (read_text(choose(name, item->name), "the pool's name", &id->name, err) < 0 ||
	    read_text(choose(ns, item->ns), "the namespace", &id->ns, err) < 0 ||
	    read_text(cluster, "builtin.cluster.name", &id->cluster, err) < 0)
		return np_err_ret(err);
	if (!id->name)
		return np_fail(err, NP_E_SPEC, "an item names neither its pool nor its template");
	snprintf(id->label, sizeof(id->label), "pool '%s%s%s%s%s'",
		 id->ns ? json_string_value(id->ns) : "default", "/",
		 id->cluster ? json_string_value(id->cluster) : "", id->cluster ? "/" : "",
		 json_string_value(id->name));
	return 0;
}

/* Reads a value of the request; what its grammar lets through may still be no value. */
static int read_value(struct span value, const char *label, json_t **ret, struct np_err *err)
{
	int r = hook_span_tree(value, ret);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (value.n > SPAN_MAX)
		return np_fail(err, NP_E_SPEC, "%s: a value of %zu bytes; at most %d are read",
			       label, value.n, SPAN_MAX);
	return r < 0 ? np_fail(err, NP_E_SPEC, "%s: '%.*s' cannot be read", label,
			       (int)(value.n < 40 ? value.n : 40), value.p)
		     : 0;
}

static int set_value(json_t *object, const char *name, struct span value, const char *label,
		     struct np_err *err)
{
	json_t *tree = NULL;

	if (read_value(value, label, &tree, err) < 0)
		return np_err_ret(err);
	if (tree && json_object_set_new(object, name, tree) < 0)
		return np_fail_nomem(err);
	return 0;
}

static int fill_template(const struct item *item, const char *label, json_t *root, json_t *metadata,
			 json_t *spec, struct np_err *err)
{
	if (set_value(root, "apiVersion", item->api_version, label, err) < 0 ||
	    set_value(root, "kind", item->kind, label, err) < 0 ||
	    set_value(metadata, "name", item->name, label, err) < 0 ||
	    set_value(metadata, "namespace", item->ns, label, err) < 0)
		return np_err_ret(err);
	for (enum template_field f = 0; f < FIELD_MAX; f++)
		if (set_value(spec, hook_field_name(f), item->fields[f], label, err) < 0)
			return np_err_ret(err);
	return 0;
}

/* Adds an empty object, and returns it; NULL without memory. */
static json_t *add_object(json_t *parent, const char *name)
{
	json_t *object = json_object();

	return json_object_set_new(parent, name, object) < 0 ? NULL : object;
}

/* Makes the template's document, of the fields that matter alone. */
static int make_template(const struct item *item, const char *label, struct np_doc **ret,
			 struct np_err *err)
{
	json_auto_t *root = json_object();
	json_t *metadata = add_object(root, "metadata");
	json_t *spec = add_object(add_object(add_object(root, "spec"), "template"), "spec");

	if (!metadata || !spec)
		return np_fail_nomem(err);
	if (fill_template(item, label, root, metadata, spec, err) < 0)
		return np_err_ret(err);
	return np_doc_new_take(label, json_incref(root), ret, err);
}

/* Makes the document that holds the variable's value. */
static int make_variable(const struct request *r, const struct item *item, const char *label,
			 struct np_doc **ret, struct np_err *err)
{
	json_auto_t *root = json_object();

	if (!root)
		return np_fail_nomem(err);
	if (set_value(root, NP_GPU_VARIABLE, choose(item->variables.gpu, r->variables.gpu), label,
		      err) < 0)
		return np_err_ret(err);
	return np_doc_new_take(label, json_incref(root), ret, err);
}

static struct np_topology_pool topology_pool(const struct identity *id, const struct np_doc *doc)
{
	return (struct np_topology_pool){
		.ns = id->ns ? json_string_value(id->ns) : "default",
		.name = json_string_value(id->name),
		.cluster = json_string_value(id->cluster),
		.variable = np_doc_get(np_doc_root(doc), NP_GPU_VARIABLE),
	};
}

/* Returns the template's group; NULL where it is none whose templates are read. */
static const char *group_of(const struct np_val template)
{
	static const char *const groups[] = { CAPV_GROUP, SUPERVISOR_GROUP };
	const char *api = json_string_value(np_doc_get(template, "apiVersion").json);

	for (size_t i = 0; api && i < sizeof(groups) / sizeof(groups[0]); i++) {
		size_t n = strlen(groups[i]);

		if (strncmp(api, groups[i], n) == 0 && api[n] == '/')
			return groups[i];
	}
	return NULL;
}

static int add_pool(const struct identity *id, const struct np_catalogue *cat,
		    struct np_doc *template, struct np_doc *variable, struct np_input *in,
		    struct np_err *err)
{
	struct np_topology_pool pool = topology_pool(id, variable);
	struct np_val root = np_doc_root(template);
	const struct np_template *t;

	pool.template_group = group_of(root);
	if (!pool.template_group)
		return 0;
	if (np_pool_input_add(in, cat, template, err) < 0)
		return np_err_ret(err);
	if (in->n_templates == 0)
		return 0;
	t = &in->templates[in->n_templates - 1];
	pool.template_ns = t->ns;
	pool.template_name = t->name;
	return np_pool_input_add_topology(in, cat, variable, &pool, err);
}

int hook_pool_input(const struct request *r, const struct item *item,
		    const struct np_catalogue *cat, struct np_input *ret, struct np_err *err)
{
	NP_AUTO(np_pool_input_done) struct np_input in = { 0 };
	NP_AUTO(identity_done) struct identity id = { 0 };
	NP_AUTO(np_doc_unrefp) struct np_doc *template = NULL;
	NP_AUTO(np_doc_unrefp) struct np_doc *variable = NULL;

	if (read_identity(r, item, &id, err) < 0 ||
	    make_template(item, id.label, &template, err) < 0 ||
	    make_variable(r, item, id.label, &variable, err) < 0 ||
	    add_pool(&id, cat, template, variable, &in, err) < 0)
		return np_err_ret(err);
	if (in.n_pools > 0 && np_pool_input_finish(&in, err) < 0)
		return np_err_ret(err);
	*ret = in;
	in = (struct np_input){ 0 };
	return 0;
}

/* The class that the pool's nodes are made from: its template's on a Supervisor, or the variable's. */
static int read_class(const struct request *r, const struct item *item, json_t **ret,
		      struct np_err *err)
{
	struct span name = choose(item->fields[FIELD_CLASS_NAME],
				  choose(item->variables.vm_class, r->variables.vm_class));

	return read_text(name, "the VM class's name", ret, err);
}

int hook_pool_add_class(const struct request *r, const struct item *item,
			const struct np_catalogue *cat, struct np_input *in, struct np_err *err)
{
	NP_AUTO(identity_done) struct identity id = { 0 };
	NP_AUTO(np_doc_unrefp) struct np_doc *variable = NULL;
	json_auto_t *name = NULL;
	struct np_topology_pool pool;

	if (read_class(r, item, &name, err) < 0)
		return np_err_ret(err);
	if (!name)
		return 0;
	if (read_identity(r, item, &id, err) < 0 ||
	    make_variable(r, item, id.label, &variable, err) < 0)
		return np_err_ret(err);
	pool = topology_pool(&id, variable);
	pool.vm_class = json_string_value(name);
	return np_pool_input_add_topology(in, cat, variable, &pool, err) < 0 ? np_err_ret(err) : 1;
}
