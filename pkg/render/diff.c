/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * Texts here are classes of some hundred lines. Equal ends are cut off first; what lies between is
 * compared by a table of longest common subsequences, and is shown as wholly replaced where that
 * table would pass this many cells.
 */
#define CELLS_MAX (UINT64_C(4) << 20)
#define CONTEXT 3

struct line {
	const char *start;
	size_t size;
	bool is_open; /* the text ends in it, without a newline */
};

struct lines {
	struct line *items;
	size_t n;
};

/* One line of the edit script. */
struct step {
	char sign; /* ' ' in both, '-' in the old text, '+' in the new one */
	struct line line;
};

struct script {
	struct step *steps;
	size_t n;
};

static int split(const char *text, struct lines *ret, struct np_err *err)
{
	size_t n = 0;
	const char *p = text;

	for (const char *q = text; *q != '\0'; q++)
		n += *q == '\n' || q[1] == '\0';
	ret->items = calloc(n + 1, sizeof(*ret->items));
	if (!ret->items)
		return np_fail_nomem(err);
	while (*p != '\0') {
		size_t size = strcspn(p, "\n");

		ret->items[ret->n++] = (struct line){ p, size, p[size] == '\0' };
		p += size + (p[size] == '\n');
	}
	return 0;
}

static void script_done(struct script *s)
{
	free(s->steps);
}

static void lines_done(struct lines *l)
{
	free(l->items);
}

static bool is_equal(const struct line *a, const struct line *b)
{
	return a->size == b->size && a->is_open == b->is_open &&
	       memcmp(a->start, b->start, a->size) == 0;
}

static void push(struct script *s, char sign, const struct line *line)
{
	s->steps[s->n++] = (struct step){ sign, *line };
}

/* Fills cell (i, j) with the longest common subsequence of a[i..] and b[j..]. */
static void fill_cells(uint32_t *cells, const struct lines *a, const struct lines *b)
{
	size_t w = b->n + 1;

	for (size_t i = a->n; i-- > 0;) {
		for (size_t j = b->n; j-- > 0;) {
			uint32_t down = cells[(i + 1) * w + j], right = cells[i * w + j + 1];

			if (is_equal(&a->items[i], &b->items[j]))
				cells[i * w + j] = cells[(i + 1) * w + j + 1] + 1;
			else
				cells[i * w + j] = down > right ? down : right;
		}
	}
}

static void walk_cells(struct script *s, const uint32_t *cells, const struct lines *a,
		       const struct lines *b)
{
	size_t i = 0, j = 0, w = b->n + 1;

	while (i < a->n || j < b->n) {
		if (i < a->n && j < b->n && is_equal(&a->items[i], &b->items[j])) {
			push(s, ' ', &a->items[i++]);
			j++;
		} else if (j == b->n ||
			   (i < a->n && cells && cells[(i + 1) * w + j] >= cells[i * w + j + 1])) {
			push(s, '-', &a->items[i++]);
		} else if (!cells && i < a->n) {
			push(s, '-', &a->items[i++]);
		} else {
			push(s, '+', &b->items[j++]);
		}
	}
}

static int compare_middle(struct script *s, const struct lines *a, const struct lines *b,
			  struct np_err *err)
{
	NP_AUTO(np_freep) uint32_t *cells = NULL;

	if ((uint64_t)(a->n + 1) * (b->n + 1) <= CELLS_MAX) {
		cells = calloc((a->n + 1) * (b->n + 1), sizeof(*cells));
		if (!cells)
			return np_fail_nomem(err);
		fill_cells(cells, a, b);
	}
	walk_cells(s, cells, a, b);
	return 0;
}

static int compare(const struct lines *a, const struct lines *b, struct script *s,
		   struct np_err *err)
{
	size_t head = 0, tail = 0;
	struct lines x, y;

	s->steps = calloc(a->n + b->n + 1, sizeof(*s->steps));
	if (!s->steps)
		return np_fail_nomem(err);
	while (head < a->n && head < b->n && is_equal(&a->items[head], &b->items[head]))
		push(s, ' ', &a->items[head++]);
	while (tail < a->n - head && tail < b->n - head &&
	       is_equal(&a->items[a->n - 1 - tail], &b->items[b->n - 1 - tail]))
		tail++;
	x = (struct lines){ a->items + head, a->n - head - tail };
	y = (struct lines){ b->items + head, b->n - head - tail };
	if (compare_middle(s, &x, &y, err) < 0)
		return np_err_ret(err);
	for (size_t i = a->n - tail; i < a->n; i++)
		push(s, ' ', &a->items[i]);
	return 0;
}

static size_t count_lines(const struct script *s, size_t from, size_t to, char other)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		n += s->steps[i].sign != other;
	return n;
}

static const char *colour_of(char sign)
{
	return sign == '-' ? "\x1b[31m" : sign == '+' ? "\x1b[32m" : "";
}

/* An empty range is given by the line before it, as in diff(1). */
static void write_range(FILE *out, const struct script *s, size_t from, size_t to, char other)
{
	size_t before = count_lines(s, 0, from, other), n = count_lines(s, from, to, other);

	fprintf(out, "%zu", n == 0 ? before : before + 1);
	if (n != 1)
		fprintf(out, ",%zu", n);
}

static void write_hunk(FILE *out, const struct script *s, size_t from, size_t to, bool colour)
{
	fputs(colour ? "\x1b[36m@@ -" : "@@ -", out);
	write_range(out, s, from, to, '+');
	fputs(" +", out);
	write_range(out, s, from, to, '-');
	fputs(colour ? " @@\x1b[0m\n" : " @@\n", out);
	for (size_t i = from; i < to; i++) {
		const struct step *step = &s->steps[i];
		bool paint = colour && step->sign != ' ';

		fprintf(out, "%s%c%.*s%s\n", paint ? colour_of(step->sign) : "", step->sign,
			(int)step->line.size, step->line.start, paint ? "\x1b[0m" : "");
		if (step->line.is_open)
			fputs("\\ No newline at end of file\n", out);
	}
}

/* Returns where the hunk that starts with the change at `i` ends, without its context. */
static size_t hunk_end(const struct script *s, size_t i)
{
	size_t last = i;

	for (; i < s->n && i - last <= CONTEXT * 2 + 1; i++)
		if (s->steps[i].sign != ' ')
			last = i;
	return last + 1;
}

static void write_script(FILE *out, const struct script *s, bool colour)
{
	size_t i = 0;

	while (i < s->n) {
		size_t end, from, to;

		if (s->steps[i].sign == ' ') {
			i++;
			continue;
		}
		end = hunk_end(s, i);
		from = i > CONTEXT ? i - CONTEXT : 0;
		to = end + CONTEXT < s->n ? end + CONTEXT : s->n;
		write_hunk(out, s, from, to, colour);
		i = to;
	}
}

int np_render_diff(const struct np_diff_text *from, const struct np_diff_text *to, bool colour,
		   char **ret, struct np_err *err)
{
	NP_AUTO(lines_done) struct lines a = { 0 };
	NP_AUTO(lines_done) struct lines b = { 0 };
	NP_AUTO(render_text_done) struct text t = { 0 };
	NP_AUTO(script_done) struct script s = { 0 };

	if (split(from->text, &a, err) < 0 || split(to->text, &b, err) < 0 ||
	    compare(&a, &b, &s, err) < 0)
		return np_err_ret(err);
	if (render_text_init(&t, err) < 0)
		return np_err_ret(err);
	if (strcmp(from->text, to->text) != 0)
		fprintf(t.file, colour ? "\x1b[1m--- %s\n+++ %s\x1b[0m\n" : "--- %s\n+++ %s\n",
			from->name, to->name);
	write_script(t.file, &s, colour);
	return render_text_take(&t, ret, err);
}
