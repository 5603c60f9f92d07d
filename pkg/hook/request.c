/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

#define ITEMS_MAX 10000
#define TEMPLATE_KIND "VSphereMachineTemplate"
#define HOLDER_KIND "MachineDeployment"

void hook_request_done(struct request *r)
{
	free(r->items);
	*r = (struct request){ 0 };
}

/* Other templates, and the control plane's, are left as they are. */
static bool is_of_worker_pool(const struct item *item)
{
	return hook_span_is(item->kind, TEMPLATE_KIND) &&
	       hook_span_is(item->holder_kind, HOLDER_KIND);
}

static int push_item(struct request *r, const struct item *item, struct np_err *err)
{
	struct item *items = r->items;

	if (r->n_items == ITEMS_MAX)
		return np_fail(err, NP_E_SPEC, "more than %d templates of worker pools", ITEMS_MAX);
	if ((r->n_items & (r->n_items - 1)) == 0) {
		items = reallocarray(items, r->n_items ? 2 * r->n_items : 1, sizeof(*items));
		if (!items)
			return np_fail_nomem(err);
		r->items = items;
	}
	items[r->n_items++] = *item;
	return 0;
}

/* --- where things stand ------------------------------------------------------------------------ */

struct reader;

/* What must stand in a place; null may stand everywhere, since Go writes a list that was never made so. */
enum shape { ANYTHING, OBJECT, LIST };

/* A place in a request whose value is kept, or below which others are. */
struct node {
	const char *name; /* of the member; NULL: each item of a list */
	enum shape shape;
	const struct node *below; /* of a list: one, for each item */
	size_t n_below;
	size_t ret; /* of the span in the reader that gets the value; 0: none */
	int (*done)(struct reader *r); /* called behind an object or a list; 0 ends the walk */
};

/* An object or list that is open. */
struct level {
	const struct node *node; /* NULL: of no interest, and so is all that is in it */
	size_t from;
};

struct reader {
	struct walk walk;
	yajl_callbacks callbacks; /* yajl looks them up each time, and decodes no text for none */
	struct request request;
	struct span kind, enforce, policy;
	struct item item; /* that is open */
	struct {
		struct span name, value;
		struct builtin builtin; /* what the value holds if it is that variable's */
	} variable; /* that is open */
	struct level levels[NP_DOC_DEPTH_MAX];
	size_t depth;
	const struct node *member; /* whose value comes next */
	size_t behind_key;
	size_t end; /* of the request's object */
};

static int keep_item(struct reader *r);
static int keep_item_variable(struct reader *r);
static int keep_variable(struct reader *r);

#define KEPT(field) .ret = offsetof(struct reader, field)
#define BELOW(nodes) .below = (nodes), .n_below = sizeof(nodes) / sizeof((nodes)[0])

static const struct node builtin_deployment_nodes[] = {
	{ "topologyName", KEPT(variable.builtin.pool) },
};
static const struct node builtin_cluster_nodes[] = {
	{ "name", KEPT(variable.builtin.cluster) },
	{ "namespace", KEPT(variable.builtin.ns) },
};
static const struct node variable_value_nodes[] = {
	{ "cluster", BELOW(builtin_cluster_nodes) },
	{ "machineDeployment", BELOW(builtin_deployment_nodes) },
};
static const struct node variable_nodes[] = {
	{ "name", KEPT(variable.name) },
	{ "value", BELOW(variable_value_nodes), KEPT(variable.value) },
};
static const struct node item_variables_nodes[] = {
	{ NULL, OBJECT, BELOW(variable_nodes), .done = keep_item_variable },
};
static const struct node request_variables_nodes[] = {
	{ NULL, OBJECT, BELOW(variable_nodes), .done = keep_variable },
};
static const struct node holder_nodes[] = {
	{ "kind", KEPT(item.holder_kind) },
	{ "name", KEPT(item.holder_name) },
	{ "namespace", KEPT(item.holder_ns) },
};
static const struct node metadata_nodes[] = {
	{ "name", KEPT(item.name) },
	{ "namespace", KEPT(item.ns) },
};
static const struct node field_nodes[] = {
	{ "className", KEPT(item.fields[FIELD_CLASS_NAME]) },
	{ "customVMXKeys", KEPT(item.fields[FIELD_CUSTOM_VMX_KEYS]) },
	{ "hardwareVersion", KEPT(item.fields[FIELD_HARDWARE_VERSION]) },
	{ "memoryMiB", KEPT(item.fields[FIELD_MEMORY_MIB]) },
	{ "os", KEPT(item.fields[FIELD_OS]) },
	{ "pciDevices", KEPT(item.fields[FIELD_PCI_DEVICES]) },
	{ "template", KEPT(item.fields[FIELD_TEMPLATE]) },
};
_Static_assert(sizeof(field_nodes) / sizeof(field_nodes[0]) == FIELD_MAX, "each field has a place");
static const struct node template_nodes[] = { { "spec", OBJECT, BELOW(field_nodes) } };
static const struct node spec_nodes[] = { { "template", OBJECT, BELOW(template_nodes) } };
static const struct node object_nodes[] = {
	{ "apiVersion", KEPT(item.api_version) },
	{ "kind", KEPT(item.kind) },
	{ "metadata", OBJECT, BELOW(metadata_nodes) },
	{ "spec", OBJECT, BELOW(spec_nodes) },
};
static const struct node item_nodes[] = {
	{ "holderReference", OBJECT, BELOW(holder_nodes) },
	{ "object", OBJECT, BELOW(object_nodes) },
	{ "uid", KEPT(item.uid) },
	{ "variables", LIST, BELOW(item_variables_nodes) },
};
static const struct node items_nodes[] = { { NULL, OBJECT, BELOW(item_nodes), .done = keep_item } };
static const struct node settings_nodes[] = {
	{ "enforce", KEPT(enforce) },
	{ "failurePolicy", KEPT(policy) },
};
static const struct node cluster_metadata_nodes[] = {
	{ "name", KEPT(request.cluster.name) },
	{ "namespace", KEPT(request.cluster.ns) },
	{ "uid", KEPT(request.cluster.uid) },
};
static const struct node cluster_nodes[] = {
	{ "metadata", OBJECT, BELOW(cluster_metadata_nodes) },
};
static const struct node request_nodes[] = {
	{ "cluster", OBJECT, BELOW(cluster_nodes) },
	{ "items", LIST, BELOW(items_nodes) },
	{ "kind", KEPT(kind) },
	{ "settings", OBJECT, BELOW(settings_nodes) },
	{ "variables", LIST, BELOW(request_variables_nodes) },
};
static const struct node root_node = { NULL, OBJECT, BELOW(request_nodes) };

const char *hook_field_name(enum template_field field)
{
	return field_nodes[field].name;
}

/* --- what is kept ------------------------------------------------------------------------------ */

static void reader_done(struct reader *r)
{
	hook_request_done(&r->request);
}

/* The last of several values counts: what stands in front of it was another's. */
static struct span only_within(struct span outer, struct span inner)
{
	return inner.p > outer.p ? inner : (struct span){ NULL, 0 };
}

static void keep_in(struct reader *r, struct variables *v)
{
	const struct span value = r->variable.value;
	const struct builtin *b = &r->variable.builtin;

	if (hook_span_is(r->variable.name, "builtin"))
		v->builtin =
			(struct builtin){ only_within(value, b->pool), only_within(value, b->ns),
					  only_within(value, b->cluster) };
	else if (hook_span_is(r->variable.name, NP_GPU_VARIABLE))
		v->gpu = value;
	else if (hook_span_is(r->variable.name, NP_CLASS_VARIABLE))
		v->vm_class = value;
	memset(&r->variable, 0, sizeof(r->variable));
}

static int keep_item_variable(struct reader *r)
{
	keep_in(r, &r->item.variables);
	return 1;
}

static int keep_variable(struct reader *r)
{
	keep_in(r, &r->request.variables);
	return 1;
}

static int keep_item(struct reader *r)
{
	if (is_of_worker_pool(&r->item) && push_item(&r->request, &r->item, r->walk.err) < 0)
		return 0;
	r->item = (struct item){ .uid = { NULL, 0 } };
	return 1;
}

static void keep_value(struct reader *r, const struct node *node, size_t from)
{
	struct span value = { r->walk.text.p + from, hook_walk_at(&r->walk) - from };

	if (node->ret > 0)
		memcpy((char *)r + node->ret, &value, sizeof(value));
}

/* --- the walk ---------------------------------------------------------------------------------- */

static int refuse(const struct reader *r, const char *why)
{
	/* yajl is behind the value by a byte. */
	np_fail(r->walk.err, NP_E_SPEC, "the request cannot be read: %s at byte %zu", why,
		r->depth > 0 ? hook_walk_at(&r->walk) - 1 : 0);
	return 0;
}

static int refuse_shape(const struct reader *r, const struct node *node)
{
	return refuse(r, node->shape == LIST ? "no list" : "no object");
}

static const yajl_callbacks all_callbacks, level_callbacks;

/* Returns the place of the value that comes next; NULL: of no interest. */
static const struct node *next_node(const struct reader *r)
{
	const struct level *top = r->depth > 0 ? &r->levels[r->depth - 1] : NULL;

	if (!top)
		return &root_node;
	return top->node && top->node->shape == LIST ? top->node->below : r->member;
}

static int open_level(struct reader *r, bool is_list)
{
	const struct node *node = next_node(r);

	if (r->depth == NP_DOC_DEPTH_MAX)
		return refuse(r, "too many levels");
	/* Of a value of no interest only the levels are followed. */
	if (!node && r->levels[r->depth - 1].node)
		r->callbacks = level_callbacks;
	if (node && node->shape != ANYTHING && (node->shape == LIST) != is_list)
		return refuse_shape(r, node);
	r->levels[r->depth++] = (struct level){ node, node ? hook_walk_at(&r->walk) - 1 : 0 };
	r->member = NULL;
	return 1;
}

static int on_object(void *ctx)
{
	return open_level(ctx, false);
}

static int on_list(void *ctx)
{
	return open_level(ctx, true);
}

static int on_end(void *ctx)
{
	struct reader *r = ctx;
	const struct level *level = &r->levels[--r->depth];

	r->member = NULL;
	if (r->depth == 0)
		r->end = hook_walk_at(&r->walk);
	if (!level->node) {
		if (r->levels[r->depth - 1].node)
			r->callbacks = all_callbacks;
		return 1;
	}
	keep_value(r, level->node, level->from);
	return level->node->done ? level->node->done(r) : 1;
}

static bool is_key(const char *name, const unsigned char *key, size_t n)
{
	return n > 0 && (unsigned char)name[0] == key[0] && strlen(name) == n &&
	       memcmp(name, key, n) == 0;
}

static int on_key(void *ctx, const unsigned char *key, size_t n)
{
	struct reader *r = ctx;
	const struct node *node = r->levels[r->depth - 1].node;

	r->member = NULL;
	for (size_t i = 0; node && i < node->n_below && !r->member; i++)
		if (is_key(node->below[i].name, key, n))
			r->member = &node->below[i];
	if (r->member)
		r->behind_key = hook_walk_at(&r->walk);
	return 1;
}

/* A value that is neither object nor list. Between it and its key are a colon and blanks alone. */
static int on_scalar(struct reader *r)
{
	const struct node *node = next_node(r);

	if (!node)
		return 1;
	if (node->shape != ANYTHING)
		return refuse_shape(r, node);
	keep_value(r, node, r->behind_key + strspn(r->walk.text.p + r->behind_key, ": \t\r\n"));
	return 1;
}

static int on_text(void *ctx, const unsigned char *bytes, size_t n)
{
	(void)bytes, (void)n;
	return on_scalar(ctx);
}

static int on_number(void *ctx, const char *bytes, size_t n)
{
	(void)bytes, (void)n;
	return on_scalar(ctx);
}

static int on_boolean(void *ctx, int is_true)
{
	(void)is_true;
	return on_scalar(ctx);
}

static int on_null(void *ctx)
{
	const struct node *node = next_node(ctx);

	return node && node != &root_node && node->shape != ANYTHING ? 1 : on_scalar(ctx);
}

static const yajl_callbacks all_callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_text,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_list,
	.yajl_end_array = on_end,
};

static const yajl_callbacks level_callbacks = {
	.yajl_start_map = on_object,
	.yajl_end_map = on_end,
	.yajl_start_array = on_list,
	.yajl_end_array = on_end,
};

/* --- settings ---------------------------------------------------------------------------------- */

/* Reads a setting of two words, of which `yes` sets *ret. */
static int read_setting(struct span value, const char *name, const char *yes, const char *no,
			bool *ret, struct np_err *err)
{
	json_auto_t *text = NULL;
	int r = hook_span_text(value, &text);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r < 0)
		return np_fail(err, NP_E_SPEC, "setting '%s' is not a string: expected %s or %s",
			       name, yes, no);
	if (!text)
		return 0;
	*ret = strcmp(json_string_value(text), yes) == 0;
	if (!*ret && strcmp(json_string_value(text), no) != 0)
		return np_fail(err, NP_E_SPEC, "setting '%s' is '%.64s': expected %s or %s", name,
			       json_string_value(text), yes, no);
	return 0;
}

static int check_top(const struct reader *reader, const char *kind, struct request *req,
		     struct np_err *err)
{
	json_auto_t *given = NULL;
	int r = hook_span_text(reader->kind, &given);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r < 0)
		return np_fail(err, NP_E_SPEC, "kind is not a string: expected '%sRequest'", kind);
	if (given && (strncmp(json_string_value(given), kind, strlen(kind)) != 0 ||
		      strcmp(json_string_value(given) + strlen(kind), "Request") != 0))
		return np_fail(err, NP_E_SPEC, "kind is '%.64s': expected '%sRequest'",
			       json_string_value(given), kind);
	if (read_setting(reader->enforce, "enforce", "true", "false", &req->enforce, err) < 0)
		return np_err_ret(err);
	return read_setting(reader->policy, "failurePolicy", "Ignore", "Fail",
			    &req->ignores_failure, err);
}

/* yajl takes a text that is open behind the object for blanks. */
static int check_rest(const struct reader *r, struct np_err *err)
{
	static const char blanks[] = { ' ', '\t', '\r', '\n' };
	const struct span *text = &r->walk.text;
	size_t at = r->end;

	while (at < text->n && memchr(blanks, text->p[at], sizeof(blanks)))
		at++;
	if (at == text->n)
		return 0;
	return np_fail(err, NP_E_SPEC, "the request cannot be read: trailing garbage at byte %zu",
		       at);
}

int hook_request_read(const char *kind, const char *body, size_t size, struct request *ret,
		      struct np_err *err)
{
	NP_AUTO(reader_done)
	struct reader reader = { .walk = { .text = { body, size } },
				 .callbacks = all_callbacks,
				 .request = { .enforce = true } };

	if (hook_walk_run(&reader.walk, &reader.callbacks, err) < 0 ||
	    check_rest(&reader, err) < 0 || check_top(&reader, kind, &reader.request, err) < 0)
		return np_err_ret(err);
	*ret = reader.request;
	reader.request = (struct request){ 0 };
	return 0;
}
