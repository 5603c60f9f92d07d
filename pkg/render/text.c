/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/text.h"

#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const format_names[NP_FORMAT_MAX] = {
	[NP_FORMAT_TABLE] = "table", [NP_FORMAT_WIDE] = "wide", [NP_FORMAT_JSON] = "json",
	[NP_FORMAT_YAML] = "yaml",   [NP_FORMAT_SVG] = "svg",
};

int np_render_format_parse(const char *text, enum np_format *ret, struct np_err *err)
{
	for (enum np_format f = 0; f < NP_FORMAT_MAX; f++) {
		if (strcmp(text, format_names[f]) == 0) {
			*ret = f;
			return 0;
		}
	}
	return np_fail(
		err, NP_E_USAGE,
		"unknown output format '%s': expected table, wide, json or yaml (explain: also svg)",
		text);
}

int render_text_init(struct text *t, struct np_err *err)
{
	*t = (struct text){ 0 };
	t->file = open_memstream(&t->bytes, &t->size);
	return t->file ? 0 : np_fail_nomem(err);
}

void render_text_done(struct text *t)
{
	if (t->file)
		fclose(t->file);
	free(t->bytes);
	*t = (struct text){ 0 };
}

int render_text_take(struct text *t, char **ret, struct np_err *err)
{
	bool failed = ferror(t->file) != 0;

	failed = fclose(t->file) != 0 || failed;
	t->file = NULL;
	if (failed)
		return np_fail_nomem(err);
	*ret = np_take(t->bytes);
	return 0;
}

void render_table_done(struct table *t)
{
	for (size_t i = 0; i < t->n * t->n_rows; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

int render_table_add(struct table *t, struct np_err *err, const char *const cells[])
{
	char **grown = reallocarray(t->cells, (t->n_rows + 1) * t->n, sizeof(*grown));
	char **row;

	if (!grown)
		return np_fail_nomem(err);
	t->cells = grown;
	row = grown + t->n * t->n_rows;
	memset(row, 0, t->n * sizeof(*row));
	t->n_rows++;
	for (size_t i = 0; i < t->n; i++) {
		row[i] = np_text_escaped(cells[i]);
		if (!row[i])
			return np_fail_nomem(err);
	}
	return 0;
}

/* Columns count characters, not bytes: names may hold UTF-8. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* Returns the colour of a state; NULL: none. */
static const char *sgr_of(const char *cell)
{
	static const struct {
		const char *state, *sgr;
	} rows[] = {
		{ "error", "31" },    { "invalid", "31" }, { "not found", "31" },
		{ "outdated", "33" }, { "unknown", "33" }, { "up to date", "32" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].state, cell) == 0)
			return rows[i].sgr;
	return NULL;
}

static void write_cell(FILE *out, const char *cell, const char *sgr)
{
	if (sgr)
		fprintf(out, "\033[%sm%s\033[0m", sgr, cell);
	else
		fputs(cell, out);
}

/* A table has so many columns at most. */
enum { COLUMNS_MAX = 32 };

static void measure_row(const struct table *t, size_t row, size_t widths[static COLUMNS_MAX])
{
	for (size_t i = 0; i < t->n && i < COLUMNS_MAX; i++) {
		size_t n = width_of(t->cells[row * t->n + i]);

		widths[i] = n > widths[i] ? n : widths[i];
	}
}

static void write_row(const struct table *t, size_t row, const size_t widths[static COLUMNS_MAX],
		      FILE *out)
{
	for (size_t i = 0; i < t->n && i < COLUMNS_MAX; i++) {
		const char *cell = t->cells[row * t->n + i];

		write_cell(out, cell, t->has_colour ? sgr_of(cell) : NULL);
		if (i + 1 < t->n)
			fprintf(out, "%*s", (int)(widths[i] - width_of(cell) + 3), "");
	}
	fputc('\n', out);
}

void render_table_write(const struct table *t, FILE *out)
{
	size_t widths[COLUMNS_MAX] = { 0 };

	for (size_t row = 0; row < t->n_rows; row++)
		measure_row(t, row, widths);
	for (size_t row = 0; row < t->n_rows; row++)
		write_row(t, row, widths, out);
}

/* Makes each row in turn and writes it to `out`; NULL: only measures it. */
static int visit_rows(const struct np_render_filling *f, size_t widths[static COLUMNS_MAX],
		      FILE *out, struct np_err *err)
{
	for (size_t i = 0; i < f->rows; i++) {
		NP_AUTO(render_table_done) struct table row = { .n = f->columns };
		const char *cells[COLUMNS_MAX];

		f->fill(f->ctx, i, cells);
		if (render_table_add(&row, err, cells) < 0)
			return np_err_ret(err);
		if (out)
			write_row(&row, 0, widths, out);
		else
			measure_row(&row, 0, widths);
	}
	return 0;
}

int np_render_filled_rows(const struct np_render_filling *f, FILE *out, struct np_err *err)
{
	size_t widths[COLUMNS_MAX] = { 0 };

	assert(f->columns <= COLUMNS_MAX);
	return visit_rows(f, widths, NULL, err) < 0 ? np_err_ret(err)
						    : visit_rows(f, widths, out, err);
}

/* Rows that stand one behind the other. */
struct rows {
	const char *const *cells;
	size_t columns;
};

static void fill_row(void *ctx, size_t i, const char **cells)
{
	const struct rows *r = ctx;

	memcpy(cells, r->cells + i * r->columns, r->columns * sizeof(*cells));
}

int np_render_rows(const char *const cells[], size_t columns, size_t rows, char **ret,
		   struct np_err *err)
{
	struct rows r = { cells, columns };
	const struct np_render_filling f = { columns, rows, fill_row, &r };
	NP_AUTO(render_text_done) struct text text = { 0 };

	if (render_text_init(&text, err) < 0 || np_render_filled_rows(&f, text.file, err) < 0)
		return np_err_ret(err);
	return render_text_take(&text, ret, err);
}
