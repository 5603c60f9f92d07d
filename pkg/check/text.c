/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/text.h"

#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 8

static const char *or_dash(const char *text)
{
	return text && text[0] != '\0' ? text : "-";
}

static void finding_cells(const struct np_check_report *r, size_t i, const char **cells)
{
	const struct np_check_finding *f = &r->findings.items[i];

	cells[0] = np_severity_name(f->kind->severity);
	cells[1] = f->kind->code;
	cells[2] = f->object;
	cells[3] = or_dash(f->ns);
	cells[4] = or_dash(f->name);
	cells[5] = or_dash(f->message);
}

static const char *moment_word(enum np_check_moment moment)
{
	static const char *const words[] = {
		[NP_CHECK_MOMENT_UNKNOWN] = "unknown",
		[NP_CHECK_MOMENT_BEFORE] = "yes",
		[NP_CHECK_MOMENT_AFTER] = "no",
	};

	return words[moment];
}

static void vm_cells(const struct np_check_report *r, size_t i, const char **cells)
{
	const struct np_check_judged_vm *j = &r->vms[i];

	cells[0] = or_dash(j->vm->ns);
	cells[1] = or_dash(j->vm->name);
	cells[2] = or_dash(j->vm->class_name);
	cells[3] = or_dash(j->vm->created);
	cells[4] = moment_word(j->created);
	cells[5] = or_dash(j->vm->annotation);
	cells[6] = j->on_recreate.text;
	cells[7] = j->on_resize.text;
}

static void image_cells(const struct np_check_report *r, size_t i, const char **cells)
{
	const struct np_check_image *image = r->images[i].image;

	cells[0] = image->kind;
	cells[1] = or_dash(image->ns);
	cells[2] = or_dash(image->name);
	cells[3] = or_dash(image->display_name);
	cells[4] = or_dash(image->firmware);
}

/* A table: its title, its headings, and how a row's cells are filled. */
struct layout {
	const char *title;
	size_t n;
	const char *heads[COLUMNS_MAX];
	void (*fill)(const struct np_check_report *r, size_t i, const char **cells);
};

static const struct layout findings_layout = {
	"Findings",
	6,
	{ "SEVERITY", "CODE", "OBJECT", "NAMESPACE", "NAME", "FINDING" },
	finding_cells,
};

static const struct layout vms_layout = {
	"Virtual machines",
	8,
	{ "NAMESPACE", "NAME", "CLASS", "CREATED", "BEFORE CHANGE", "ANNOTATION", "ON RECREATE",
	  "ON RESIZE" },
	vm_cells,
};

static const struct layout images_layout = {
	"Images",
	5,
	{ "KIND", "NAMESPACE", "NAME", "DISPLAY NAME", "FIRMWARE" },
	image_cells,
};

static int write_table(FILE *out, const struct layout *l, const struct np_check_report *r,
		       size_t rows, struct np_err *err)
{
	NP_AUTO(np_freep) const char **cells = calloc((rows + 1) * l->n, sizeof(*cells));
	NP_AUTO(np_freep) char *text = NULL;

	if (!cells)
		return np_fail_nomem(err);
	if (rows == 0)
		return 0;
	memcpy(cells, l->heads, l->n * sizeof(*cells));
	for (size_t i = 0; i < rows; i++)
		l->fill(r, i, cells + (i + 1) * l->n);
	if (np_render_rows(cells, l->n, rows + 1, &text, err) < 0)
		return np_err_ret(err);
	fprintf(out, "%s%s\n%s", ftell(out) > 0 ? "\n" : "", l->title, text);
	return 0;
}

/* Writes for each finding where it is and what to do about it. */
static void write_actions(FILE *out, const struct np_check_findings *findings)
{
	if (findings->n > 0)
		fputs("\nWhat to do\n", out);
	for (size_t i = 0; i < findings->n; i++) {
		const struct np_check_finding *f = &findings->items[i];

		fprintf(out, "  %s: ", f->kind->code);
		np_text_write(out, or_dash(f->ns));
		fputc('/', out);
		np_text_write(out, or_dash(f->name));
		fputs(f->path ? " " : "", out);
		np_text_write(out, f->path ? f->path : "");
		fprintf(out, "\n      %s\n", f->kind->remedy);
	}
}

static int write_plan(FILE *out, const struct np_plan *plan, struct np_err *err)
{
	NP_AUTO(np_freep) char *text = NULL;

	if (np_render_plan(plan, NP_FORMAT_WIDE, &text, err) < 0)
		return np_err_ret(err);
	fputs(text, out);
	return 0;
}

int check_write_text(FILE *out, const struct np_plan *plan, const struct np_check_report *r,
		     bool is_wide, struct np_err *err)
{
	if (is_wide && write_plan(out, plan, err) < 0)
		return np_err_ret(err);
	if (write_table(out, &findings_layout, r, r->findings.n, err) < 0)
		return np_err_ret(err);
	if (is_wide)
		write_actions(out, &r->findings);
	if (write_table(out, &vms_layout, r, r->n_vms, err) < 0 ||
	    write_table(out, &images_layout, r, r->n_images, err) < 0)
		return np_err_ret(err);
	if (r->findings.n == 0)
		fprintf(out, "%sno findings: %zu class(es), %zu virtual machine(s)\n",
			ftell(out) > 0 ? "\n" : "", plan->n_classes, r->n_vms);
	return 0;
}
