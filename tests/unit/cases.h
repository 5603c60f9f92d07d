/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CASES_H
#define TESTS_UNIT_CASES_H

/*
 * cases - runs a file of records: a title, an input and what is expected of it.
 *
 *	# Lines before the first marker are comments.
 *	%head
 *	these lines, if there is a %head, are put in front of every input
 *
 *	%case the title
 *	the input, which may be empty
 *	%expect
 *	the whole output
 *
 *	%case another title
 *	%has
 *	a part of the output
 *	another part of it
 *
 * Each line of an input ends with a line feed. Blank lines at the end of a head, an %expect or a %has
 * do not count, nor does the last line feed of the output. A line that begins with a percent sign and
 * a small letter is a marker; an unknown one is an error, as are a record without %expect or %has, a
 * title that occurs twice and a file without a record.
 *
 * NODEPREP_BLESS=1 writes what came out as the new %expect of each record: read it before you commit it.
 */

/* Returns what the input led to, as text; the caller frees it. */
typedef char *case_fn(const char *input);

/* Runs every record; prints file, line, title and both texts of each that fails, then fails. */
void run_cases(const char *path, case_fn *fn);

#endif
