/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 8

static const char *cell(const json_t *row, const char *key)
{
	const json_t *value = json_object_get(row, key);
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return json_is_true(value) ? "yes" : "no";
	if (strcmp(key, "madeBeforeChange") == 0)
		return "unknown";
	return text && text[0] != '\0' ? text : "-";
}

/* A table of a tree's rows: what is behind its headings. */
struct columns {
	const char *title;
	size_t n;
	const char *heads[COLUMNS_MAX], *keys[COLUMNS_MAX];
};

static const struct columns finding_columns = {
	"Findings",
	6,
	{ "SEVERITY", "CODE", "OBJECT", "NAMESPACE", "NAME", "FINDING" },
	{ "severity", "code", "object", "namespace", "name", "message" },
};

static const struct columns machine_columns = {
	"Virtual machines",
	8,
	{ "NAMESPACE", "NAME", "CLASS", "CREATED", "BEFORE CHANGE", "ANNOTATION", "ON RECREATE",
	  "ON RESIZE" },
	{ "namespace", "name", "className", "created", "madeBeforeChange", "annotation",
	  "onRecreate", "onResize" },
};

static const struct columns image_columns = {
	"Images",
	5,
	{ "KIND", "NAMESPACE", "NAME", "DISPLAY NAME", "FIRMWARE" },
	{ "kind", "namespace", "name", "displayName", "firmware" },
};

static int write_table(FILE *out, const struct columns *c, const json_t *rows, struct np_err *err)
{
	NP_AUTO(np_freep)
	const char **cells = calloc((json_array_size(rows) + 1) * c->n, sizeof(*cells));
	NP_AUTO(np_freep) char *text = NULL;
	const json_t *row;
	size_t i;

	if (!cells)
		return np_fail_nomem(err);
	if (json_array_size(rows) == 0)
		return 0;
	for (size_t k = 0; k < c->n; k++)
		cells[k] = c->heads[k];
	json_array_foreach (rows, i, row)
		for (size_t k = 0; k < c->n; k++)
			cells[(i + 1) * c->n + k] = cell(row, c->keys[k]);
	if (np_render_rows(cells, c->n, json_array_size(rows) + 1, &text, err) < 0)
		return np_err_ret(err);
	fprintf(out, "%s%s\n%s", ftell(out) > 0 ? "\n" : "", c->title, text);
	return 0;
}

/* What to do about each finding, where it is, and who wrote there. */
static void write_actions(FILE *out, const json_t *findings)
{
	const json_t *f;
	size_t i;

	if (json_array_size(findings) > 0)
		fputs("\nWhat to do\n", out);
	json_array_foreach (findings, i, f) {
		const char *path = json_string_value(json_object_get(f, "path"));

		fprintf(out, "  %s: %s%s%s", cell(f, "code"), cell(f, "namespace"), "/",
			cell(f, "name"));
		fprintf(out, "%s%s\n      %s\n", path ? " " : "", path ? path : "",
			cell(f, "action"));
	}
}

static int write_all(FILE *out, const struct np_plan *plan, const struct np_check *c,
		     enum np_format format, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;

	if (format == NP_FORMAT_WIDE) {
		if (np_render_plan(plan, format, &text, err) < 0)
			return np_err_ret(err);
		fputs(text, out);
	}
	if (write_table(out, &finding_columns, c->findings, err) < 0)
		return np_err_ret(err);
	if (format == NP_FORMAT_WIDE)
		write_actions(out, c->findings);
	if (write_table(out, &machine_columns, c->vms, err) < 0 ||
	    write_table(out, &image_columns, c->images, err) < 0)
		return np_err_ret(err);
	if (json_array_size(c->findings) == 0)
		fprintf(out, "%sno findings: %zu class(es), %zu virtual machine(s)\n",
			ftell(out) > 0 ? "\n" : "", plan->n_classes, json_array_size(c->vms));
	return 0;
}

/* The plan's tree with what was found behind it. */
static json_t *check_tree(const struct np_plan *plan, const struct np_check *c)
{
	json_auto_t *tree = np_render_plan_tree(plan);

	if (!tree || json_object_set_new(tree, "kind", json_string("Check")) < 0 ||
	    json_object_set(tree, "findings", c->findings) < 0 ||
	    json_object_set(tree, "virtualMachines", c->vms) < 0 ||
	    json_object_set(tree, "images", c->images) < 0)
		return NULL;
	return json_incref(tree);
}

int np_check_render(const struct np_plan *plan, const struct np_check *c, enum np_format format,
		    char **ret, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;
	json_auto_t *tree = NULL;
	size_t size = 0;
	FILE *out;
	int r;

	if (format == NP_FORMAT_JSON || format == NP_FORMAT_YAML) {
		tree = check_tree(plan, c);
		return tree ? np_render_tree(tree, format, ret, err) : np_fail_nomem(err);
	}
	out = open_memstream(&text, &size);
	if (!out)
		return np_fail_nomem(err);
	r = write_all(out, plan, c, format, err);
	if (fclose(out) != 0 && r == 0)
		r = np_fail_nomem(err);
	if (r == 0)
		*ret = np_take(text);
	return r;
}
