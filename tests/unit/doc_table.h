/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_DOC_TABLE_H
#define TESTS_UNIT_DOC_TABLE_H

/*
 * doc_table - reads the rows of a Markdown table whose first cell is a code, such as "| `a-code` | b | c |".
 * Cells lose their backquotes. Paths are relative to the source tree, where the tests run.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DOC_CELLS_MAX 8

struct doc_row {
	char line[2048];
	size_t n;
	char *cells[DOC_CELLS_MAX]; /* into `line` */
};

/* Removes each backquote. */
static inline void doc_strip(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++)
		if (*from != '`')
			*to++ = *from;
	*to = '\0';
}

/* Reads the next row; false at the end of the file. */
static inline bool doc_next(FILE *file, struct doc_row *row)
{
	while (fgets(row->line, sizeof(row->line), file)) {
		char *at = row->line + 2, *end;

		if (strncmp(row->line, "| `", 3) != 0)
			continue;
		doc_strip(row->line);
		row->n = 0;
		while (row->n < DOC_CELLS_MAX && (end = strstr(at, " |"))) {
			*end = '\0';
			row->cells[row->n++] = at;
			at = end + (end[2] == ' ' ? 3 : 2);
		}
		return true;
	}
	return false;
}

#endif
