/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include "files.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Bytes of the file. */
struct span {
	const char *at;
	size_t size;
};

enum section { COMMENT, HEAD, INPUT, EXPECT, HAS };

struct record {
	unsigned line;
	struct span title, input, wanted;
	bool is_part; /* `wanted` has parts of the output, one a line */
};

struct case_file {
	const char *path, *text;
	struct span head;
	struct record *records;
	size_t n;
	/* of the reader */
	enum section section;
	unsigned line;
};

static void add_record(struct case_file *f, struct span title)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->records[i].title.size == title.size &&
		    memcmp(f->records[i].title.at, title.at, title.size) == 0)
			fail_msg("%s:%u: the title stands already in line %u", f->path, f->line,
				 f->records[i].line);
	f->records = realloc(f->records, (f->n + 1) * sizeof(f->records[0]));
	assert_non_null(f->records);
	f->records[f->n++] = (struct record){ .line = f->line, .title = title };
}

/* Returns the part of the line behind `marker`, or a span without address if it is another line. */
static struct span behind(struct span line, const char *marker)
{
	size_t size = strlen(marker);

	if (line.size < size || memcmp(line.at, marker, size) != 0)
		return (struct span){ NULL, 0 };
	return (struct span){ line.at + size, line.size - size };
}

static bool is_marker(struct span line, const char *marker)
{
	struct span rest = behind(line, marker);

	return rest.at && rest.size == 0;
}

static bool has_wanted(const struct case_file *f)
{
	return f->n == 0 || f->records[f->n - 1].wanted.at;
}

/* Where the section that begins behind this line is kept. */
static struct span *section_span(struct case_file *f)
{
	if (f->section == HEAD)
		return &f->head;
	return f->section == INPUT ? &f->records[f->n - 1].input : &f->records[f->n - 1].wanted;
}

static void read_marker(struct case_file *f, struct span line, const char *next)
{
	struct span title = behind(line, "%case ");

	if (title.at && has_wanted(f)) {
		add_record(f, title);
		f->section = INPUT;
	} else if (is_marker(line, "%head") && f->section == COMMENT) {
		f->section = HEAD;
	} else if (is_marker(line, "%expect") && f->section == INPUT) {
		f->section = EXPECT;
	} else if (is_marker(line, "%has") && f->section == INPUT) {
		f->section = HAS;
		f->records[f->n - 1].is_part = true;
	} else {
		fail_msg("%s:%u: '%.*s' is not a marker, or not in its place", f->path, f->line,
			 (int)line.size, line.at);
	}
	*section_span(f) = (struct span){ next, 0 };
}

static void read_line(struct case_file *f, struct span line, const char *next)
{
	f->line++;
	if (line.size > 1 && line.at[0] == '%' && islower((unsigned char)line.at[1])) {
		read_marker(f, line, next);
	} else if (f->section != COMMENT) {
		struct span *s = section_span(f);

		s->size = (size_t)(next - s->at);
	} else if (line.size > 0 && line.at[0] != '#') {
		fail_msg("%s:%u: expected a comment or a marker", f->path, f->line);
	}
}

static void read_file(struct case_file *f)
{
	for (const char *at = f->text; *at;) {
		size_t size = strcspn(at, "\n");
		const char *next = at + size + (at[size] == '\n');

		read_line(f, (struct span){ at, size }, next);
		at = next;
	}
	if (f->n == 0)
		fail_msg("%s: no record", f->path);
	if (!has_wanted(f))
		fail_msg("%s:%u: the last record has neither %%expect nor %%has", f->path, f->line);
}

/* Cuts line feeds off the end. */
static struct span trim(struct span s)
{
	while (s.size > 0 && s.at[s.size - 1] == '\n')
		s.size--;
	return s;
}

static char *input_of(const struct case_file *f, const struct record *r)
{
	struct span head = trim(f->head);
	char *text = NULL;

	if (asprintf(&text, "%.*s%s%.*s", (int)head.size, head.at ? head.at : "",
		     head.size ? "\n" : "", (int)r->input.size, r->input.at) < 0)
		fail_msg("out of memory");
	return text;
}

/* Checks that each line of `wanted` is a part of `got`. */
static bool has_parts(struct span got, struct span wanted)
{
	for (const char *at = wanted.at, *end = at + wanted.size; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t size = (size_t)((stop ? stop : end) - at);

		if (!memmem(got.at, got.size, at, size))
			return false;
		at += size + 1;
	}
	return true;
}

static bool is_wanted(const struct record *r, const char *output)
{
	struct span got = trim((struct span){ output, strlen(output) });
	struct span wanted = trim(r->wanted);

	if (r->is_part)
		return wanted.size > 0 && has_parts(got, wanted);
	return got.size == wanted.size && memcmp(got.at, wanted.at, got.size) == 0;
}

/* Prints a record that failed. */
static void print_record(const struct case_file *f, const struct record *r, const char *output)
{
	struct span wanted = trim(r->wanted);

	print_error("%s:%u: %.*s\n  %s\n%.*s\n  got\n%s\n", f->path, r->line, (int)r->title.size,
		    r->title.at, r->is_part ? "expected each of" : "expected", (int)wanted.size,
		    wanted.at, output);
}

/* Writes the file with `outputs` in place of what was expected; a %has stays as it is. */
static void bless(const struct case_file *f, char *const *outputs)
{
	const char *from = f->text;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	for (size_t i = 0; i < f->n; i++) {
		const struct record *r = &f->records[i];
		struct span wanted = trim(r->wanted);
		struct span got = trim((struct span){ outputs[i], strlen(outputs[i]) });

		if (r->is_part)
			got = wanted;
		fwrite(from, 1, (size_t)(wanted.at - from), out);
		fwrite(got.at, 1, got.size, out);
		from = wanted.at + wanted.size;
		if (wanted.size == 0 && got.size > 0)
			fputc('\n', out);
	}
	fputs(from, out);
	fclose(out);
	save_file(f->path, text);
	free(text);
}

static unsigned run_records(const struct case_file *f, case_fn *fn, char **outputs)
{
	unsigned failed = 0;

	for (size_t i = 0; i < f->n; i++) {
		char *input = input_of(f, &f->records[i]);

		outputs[i] = fn(input);
		assert_non_null(outputs[i]);
		free(input);
		if (is_wanted(&f->records[i], outputs[i]))
			continue;
		print_record(f, &f->records[i], outputs[i]);
		failed++;
	}
	return failed;
}

void run_cases(const char *path, case_fn *fn)
{
	char *text = load_file(path, NULL);
	struct case_file f = { .path = path, .text = text };
	char **outputs;
	unsigned failed;
	size_t n;

	read_file(&f);
	n = f.n;
	outputs = calloc(n + 1, sizeof(outputs[0]));
	assert_non_null(outputs);
	failed = run_records(&f, fn, outputs);
	if (getenv("NODEPREP_BLESS"))
		bless(&f, outputs);
	for (size_t i = 0; i < n; i++)
		free(outputs[i]);
	free(outputs);
	free(f.records);
	free(text);
	if (failed > 0)
		fail_msg("%s: %u of %zu records failed", path, failed, n);
}
