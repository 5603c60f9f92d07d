/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

struct np_pos doc_mark_pos(const struct np_doc_reader *r, const yaml_mark_t *mark)
{
	struct np_pos pos = { .line = (unsigned)mark->line + r->base.line,
			      .column = (unsigned)mark->column + 1 };

	if (!mark->line)
		pos.column += r->base.column - 1;
	return pos;
}

/* Returns the line of `mark` without its end; marks count characters, not bytes. */
static const char *line_at(const struct np_doc_reader *r, const yaml_mark_t *mark, size_t *ret_size)
{
	const char *p = r->bytes + r->offset, *end = r->bytes + r->size, *start, *stop;
	size_t left = mark->index;

	for (; p < end; p++)
		if (((unsigned char)*p & 0xc0) != 0x80 && !left--)
			break;
	for (start = p; start > r->bytes + r->offset && start[-1] != '\n'; start--)
		;
	stop = memchr(p, '\n', (size_t)(end - p));
	*ret_size = (size_t)((stop ? stop : end) - start);
	return start;
}

static bool has_tab_indent(const char *line, size_t size)
{
	for (size_t i = 0; i < size && (line[i] == ' ' || line[i] == '\t'); i++)
		if (line[i] == '\t')
			return true;
	return false;
}

/* Guesses from the line in question what most likely went wrong. */
static const char *hint(const struct np_doc_reader *r, const yaml_mark_t *mark)
{
	size_t size;
	const char *line = line_at(r, mark, &size);

	if (memmem(line, size, "{{", 2) || memmem(line, size, "{%", 2))
		return "; is this an unrendered template?";
	if (has_tab_indent(line, size))
		return "; indent with spaces, not tabs";
	return "";
}

/* "vmClass:large" is one word to YAML, which then looks for the colon behind it. */
static const char *hint_of_colon(const struct np_doc_reader *r)
{
	const yaml_parser_t *p = &r->parser;
	size_t size;
	const char *line = line_at(r, &p->context_mark, &size);
	const char *colon = memchr(line, ':', size);

	if (!strstr(p->problem, "expected ':'") || !colon || colon + 1 >= line + size ||
	    strchr(" \t\r\n", colon[1]))
		return "";
	return "; is a blank missing after ':'?";
}

/* Tells whether the file begins as one that PowerShell's redirection wrote. */
static bool is_utf16(const struct np_doc_reader *r)
{
	return r->size >= 2 &&
	       (memcmp(r->bytes, "\xff\xfe", 2) == 0 || memcmp(r->bytes, "\xfe\xff", 2) == 0);
}

static int fail_bytes(const struct np_doc_reader *r, struct np_err *err)
{
	struct np_pos pos = r->base;

	doc_pos_advance(&pos, r->bytes + r->offset, r->parser.problem_offset);
	if (strcmp(r->parser.problem, "control characters are not allowed") == 0)
		return doc_reader_fail(
			r, pos, err,
			"neither YAML nor JSON: the control character U+%04X is not allowed",
			(unsigned)r->parser.problem_value);
	return doc_reader_fail(r, pos, err, "neither YAML nor JSON: %s",
			       is_utf16(r) ? "UTF-16; save it as UTF-8" : "invalid UTF-8");
}

static int fail_text(const struct np_doc_reader *r, struct np_err *err)
{
	const yaml_parser_t *p = &r->parser;
	struct np_pos pos = doc_mark_pos(r, &p->problem_mark),
		      from = doc_mark_pos(r, &p->context_mark);
	const char *advice = hint(r, &p->problem_mark);

	if (!*advice && p->context)
		advice = hint(r, &p->context_mark);
	if (!*advice && p->context)
		advice = hint_of_colon(r);
	if (!p->context || from.line == pos.line)
		return doc_reader_fail(r, pos, err, "%s%s", p->problem, advice);
	return doc_reader_fail(r, pos, err, "%s, %s that begins in line %u%s", p->problem,
			       p->context, from.line, advice);
}

int doc_yaml_fail(const struct np_doc_reader *r, bool *ret_syntax, struct np_err *err)
{
	*ret_syntax = r->parser.error != YAML_MEMORY_ERROR;
	switch (r->parser.error) {
	case YAML_MEMORY_ERROR:
		return np_fail_nomem(err);
	case YAML_READER_ERROR:
		return fail_bytes(r, err);
	default:
		return fail_text(r, err);
	}
}
