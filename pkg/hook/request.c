/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "nodeprep/err.h"

#define ITEMS_MAX 10000
#define TEMPLATE_KIND "VSphereMachineTemplate"
#define HOLDER_KIND "MachineDeployment"

static const char *const field_names[FIELD_MAX] = {
	[FIELD_CLASS_NAME] = "className",
	[FIELD_CUSTOM_VMX_KEYS] = "customVMXKeys",
	[FIELD_HARDWARE_VERSION] = "hardwareVersion",
	[FIELD_MEMORY_MIB] = "memoryMiB",
	[FIELD_OS] = "os",
	[FIELD_PCI_DEVICES] = "pciDevices",
	[FIELD_TEMPLATE] = "template",
};

const char *field_name(enum template_field field)
{
	return field_names[field];
}

void request_done(struct request *r)
{
	free(r->items);
	*r = (struct request){ 0 };
}

static bool is_text(struct span value, const char *text)
{
	return value.p && key_is(value, text);
}

static bool read_variable(struct scan *s, struct variables *v)
{
	struct span name = { NULL, 0 }, value = { NULL, 0 };
	const struct seek seeks[] = { { "name", &name }, { "value", &value } };

	if (!scan_seek(s, seeks, 2))
		return false;
	if (is_text(name, "builtin"))
		v->builtin = value;
	else if (is_text(name, NP_GPU_VARIABLE))
		v->gpu = value;
	else if (is_text(name, NP_CLASS_VARIABLE))
		v->vm_class = value;
	return true;
}

static bool read_variables(struct scan *s, struct variables *v)
{
	if (!scan_open(s, '['))
		return !s->fault;
	while (scan_item(s))
		if (!read_variable(s, v))
			return false;
	return !s->fault;
}

/* Walks into the members of that name, "spec" and below: only the template's own fields are taken. */
static bool read_spec(struct scan *s, struct item *item, const char *const *path)
{
	struct seek seeks[FIELD_MAX];
	struct span key;

	if (!*path) {
		for (enum template_field f = 0; f < FIELD_MAX; f++)
			seeks[f] = (struct seek){ field_names[f], &item->fields[f] };
		return scan_seek(s, seeks, FIELD_MAX);
	}
	if (!scan_open(s, '{'))
		return !s->fault;
	while (scan_member(s, &key))
		if (!(key_is(key, *path) ? read_spec(s, item, path + 1) : scan_skip(s)))
			return false;
	return !s->fault;
}

static bool read_object(struct scan *s, struct item *item)
{
	static const char *const below[] = { "template", "spec", NULL };
	const struct seek seeks[] = { { "name", &item->name }, { "namespace", &item->ns } };
	struct span key;
	bool ok = true;

	if (!scan_open(s, '{'))
		return !s->fault;
	while (ok && scan_member(s, &key)) {
		if (key_is(key, "spec"))
			ok = read_spec(s, item, below);
		else if (key_is(key, "metadata"))
			ok = scan_seek(s, seeks, 2);
		else if (key_is(key, "apiVersion"))
			ok = scan_take(s, &item->api_version);
		else if (key_is(key, "kind"))
			ok = scan_take(s, &item->kind);
		else
			ok = scan_skip(s);
	}
	return ok && !s->fault;
}

static bool read_item(struct scan *s, struct item *item)
{
	const struct seek holder[] = { { "kind", &item->holder_kind },
				       { "name", &item->holder_name },
				       { "namespace", &item->holder_ns } };
	struct span key;
	bool ok = true;

	if (!scan_open(s, '{'))
		return !s->fault;
	while (ok && scan_member(s, &key)) {
		if (key_is(key, "object"))
			ok = read_object(s, item);
		else if (key_is(key, "variables"))
			ok = read_variables(s, &item->variables);
		else if (key_is(key, "holderReference"))
			ok = scan_seek(s, holder, 3);
		else if (key_is(key, "uid"))
			ok = scan_take(s, &item->uid);
		else
			ok = scan_skip(s);
	}
	return ok && !s->fault;
}

/* Other templates, and the control plane's, are left as they are. */
static bool is_of_worker_pool(const struct item *item)
{
	return is_text(item->kind, TEMPLATE_KIND) && is_text(item->holder_kind, HOLDER_KIND);
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

static int read_items(struct scan *s, struct request *r, struct np_err *err)
{
	if (!scan_open(s, '['))
		return 0;
	while (scan_item(s)) {
		struct item item = { .uid = { NULL, 0 } };

		if (!read_item(s, &item))
			return 0;
		if (is_of_worker_pool(&item) && push_item(r, &item, err) < 0)
			return -(int)err->code;
	}
	return 0;
}

/* Reads a setting of two words, of which `yes` sets *ret. */
static int read_setting(struct span value, const char *name, const char *yes, const char *no,
			bool *ret, struct np_err *err)
{
	json_auto_t *text = NULL;
	int r = span_text(value, &text);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r < 0)
		return np_fail(err, NP_E_SPEC, "setting '%s' is no text: %s or %s is needed", name,
			       yes, no);
	if (!text)
		return 0;
	*ret = strcmp(json_string_value(text), yes) == 0;
	if (!*ret && strcmp(json_string_value(text), no) != 0)
		return np_fail(err, NP_E_SPEC, "setting '%s' is '%.64s': %s or %s is needed", name,
			       json_string_value(text), yes, no);
	return 0;
}

/* What stands at the top of a request, but for its lists. */
struct top {
	struct span kind, enforce, policy;
};

static int read_member(struct scan *s, struct span key, struct request *r, struct top *top,
		       struct np_err *err)
{
	const struct seek settings[] = { { "enforce", &top->enforce },
					 { "failurePolicy", &top->policy } };

	if (key_is(key, "items"))
		return read_items(s, r, err);
	if (key_is(key, "variables"))
		read_variables(s, &r->variables);
	else if (key_is(key, "cluster"))
		scan_take(s, &r->cluster);
	else if (key_is(key, "settings"))
		scan_seek(s, settings, 2);
	else if (key_is(key, "kind"))
		scan_take(s, &top->kind);
	else
		scan_skip(s);
	return 0;
}

static int fail_fault(const struct scan *s, struct np_err *err)
{
	return np_fail(err, NP_E_SPEC, "the request cannot be read: %s at byte %zu", s->fault,
		       (size_t)(s->at - s->begin));
}

static int check_top(const struct top *top, const char *kind, struct request *req,
		     struct np_err *err)
{
	json_auto_t *given = NULL;
	int r = span_text(top->kind, &given);

	if (r == -NP_E_NOMEM)
		return np_fail_nomem(err);
	if (r < 0)
		return np_fail(err, NP_E_SPEC, "kind is no text: '%sRequest' is needed", kind);
	if (given && (strncmp(json_string_value(given), kind, strlen(kind)) != 0 ||
		      strcmp(json_string_value(given) + strlen(kind), "Request") != 0))
		return np_fail(err, NP_E_SPEC, "kind is '%.64s': '%sRequest' is needed",
			       json_string_value(given), kind);
	if (read_setting(top->enforce, "enforce", "true", "false", &req->enforce, err) < 0)
		return -(int)err->code;
	return read_setting(top->policy, "failurePolicy", "Ignore", "Fail", &req->ignores_failure,
			    err);
}

int request_read(const char *kind, const char *body, size_t size, struct request *ret,
		 struct np_err *err)
{
	NP_AUTO(request_done) struct request r = { .enforce = true };
	struct scan s = span_open((struct span){ body, size });
	struct top top = { .kind = { NULL, 0 } };
	struct span key;

	if (scan_open(&s, '{')) {
		while (scan_member(&s, &key))
			if (read_member(&s, key, &r, &top, err) < 0)
				return -(int)err->code;
	} else if (!s.fault) {
		return np_fail(err, NP_E_SPEC, "the request cannot be read: no object at byte 0");
	}
	if (s.fault || !scan_is_done(&s))
		return fail_fault(&s, err);
	if (check_top(&top, kind, &r, err) < 0)
		return -(int)err->code;
	*ret = r;
	r = (struct request){ 0 };
	return 0;
}
