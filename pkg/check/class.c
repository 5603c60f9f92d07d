/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "nodeprep/warnings.h"

#define ANNOTATION "/metadata/annotations/nodeprep.dev~1managed"
#define VALUE_MAX 80

/* Writes a value in a few words; of a long one only the size. */
static void write_value(const json_t *value, char buf[static VALUE_MAX])
{
	if (!value)
		snprintf(buf, VALUE_MAX, "absent");
	else if (json_is_array(value))
		snprintf(buf, VALUE_MAX, "a list of %zu items", json_array_size(value));
	else if (json_is_string(value) && json_string_length(value) > 60)
		snprintf(buf, VALUE_MAX, "a text of %zu bytes", json_string_length(value));
	else if (json_is_string(value))
		snprintf(buf, VALUE_MAX, "'%s'", json_string_value(value));
	else if (json_is_integer(value))
		snprintf(buf, VALUE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		snprintf(buf, VALUE_MAX, "%g", json_real_value(value));
	else
		snprintf(buf, VALUE_MAX, "%s",
			 json_is_boolean(value) ? json_is_true(value) ? "true" : "false"
						: "an object");
}

/* Returns the path's last member as people call it: "memory" alone would be hardware.memory. */
static const char *field_of(const char *path)
{
	const char *last = strrchr(path, '/') + 1;

	if (strcmp(path, ANNOTATION) == 0)
		return "annotation " NP_MANAGED_ANNOTATION;
	return strcmp(last, "memory") == 0 ? "requests.memory" : last;
}

/* The class is not as nodeprep had set it. */
static int find_overwritten(const struct np_plan_class *c, const struct np_check_finding *where,
			    const char *from, const char *to, struct np_check_findings *findings,
			    struct np_err *err)
{
	struct np_check_finding f = *where;
	struct np_last_writer *w = &f.writer;

	f.kind = check_finding_kind(FINDING_OVERWRITTEN);
	f.has_writer = np_vmclass_last_writer(c->class, f.path, w);
	if (!f.has_writer)
		return check_find(findings, &f, err,
				  "%s is %s, expected %s as nodeprep had set it; removed by an "
				  "unknown writer: the API server records no removals",
				  field_of(f.path), from, to);
	return check_find(
		findings, &f, err,
		"%s is %s, expected %s as nodeprep had set it: overwritten by '%s' (%s, %s)",
		field_of(f.path), from, to, w->manager,
		w->operation[0] != '\0' ? w->operation : "?", w->time[0] != '\0' ? w->time : "?");
}

/* A field that is to change; `c` NULL: of a template, where nothing is recorded. */
static int find_item(const struct np_change_item *item, const struct np_plan_class *c,
		     const struct np_check_finding *where, struct np_check_findings *findings,
		     struct np_err *err)
{
	struct np_check_finding f = *where;
	char from[VALUE_MAX], to[VALUE_MAX];

	f.path = item->path;
	f.from = item->from;
	f.to = item->to;
	write_value(f.from, from);
	write_value(f.to, to);
	if (c && np_vmclass_is_overwritten(c->class, f.path))
		return find_overwritten(c, &f, from, to, findings, err);
	return check_find(findings, &f, err, "%s is %s, expected %s: %s", field_of(f.path), from,
			  to, item->reason);
}

int check_warnings(const struct np_warnings *warnings, const struct np_check_finding *where,
		   struct np_check_findings *findings, struct np_err *err)
{
	struct np_check_finding f = *where;

	for (size_t i = 0; i < warnings->n; i++) {
		f.kind = np_warning_kind(warnings->items[i].warning);
		if (f.kind->severity != NP_SEVERITY_WARNING && !warnings->items[i].is_ignored &&
		    check_find(findings, &f, err, "%s", warnings->items[i].message) < 0)
			return np_err_ret(err);
	}
	return 0;
}

bool check_needs_efi(const struct np_plan *plan, const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->n_pools; i++) {
		const struct np_plan_pool *p = &plan->pools[c->pools[i]];

		if (p->has_gpus && p->need.needs_efi)
			return true;
	}
	return false;
}

/* Registering a pool in the annotation affects no VM. */
bool check_is_pending(const struct np_plan_class *c)
{
	for (size_t i = 0; i < c->change.n; i++)
		if (strcmp(c->change.items[i].path, ANNOTATION) != 0)
			return true;
	return false;
}

int check_class(const struct np_plan_class *c, struct np_check_findings *findings,
		struct np_err *err)
{
	const struct np_check_finding where = { .kind = check_finding_kind(FINDING_CLASS_DRIFT),
						.object = CHECK_CLASS_KIND,
						.ns = c->ns,
						.name = c->name };

	if (!c->class || c->n_pools == 0)
		return 0;
	for (size_t i = 0; i < c->change.n; i++)
		if (find_item(&c->change.items[i], c, &where, findings, err) < 0)
			return np_err_ret(err);
	if (check_warnings(&c->class->warnings, &where, findings, err) < 0 ||
	    check_warnings(&c->warnings, &where, findings, err) < 0)
		return np_err_ret(err);
	return check_warnings(&c->change.warnings, &where, findings, err);
}

/* References in MachineDeployments, which come last, follow from the replacement. */
int check_template(const struct np_plan_template *t, struct np_check_findings *findings,
		   struct np_err *err)
{
	const struct np_check_finding where = { .kind = check_finding_kind(FINDING_TEMPLATE_DRIFT),
						.object = "VSphereMachineTemplate",
						.ns = t->ns,
						.name = t->name };

	for (size_t i = 0; i + t->n_references < t->change.n; i++)
		if (find_item(&t->change.items[i], NULL, &where, findings, err) < 0)
			return np_err_ret(err);
	return check_warnings(&t->warnings, &where, findings, err);
}
