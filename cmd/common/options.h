/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_OPTIONS_H
#define NODEPREP_CMD_COMMON_OPTIONS_H

/*
 * options - reads a command line by tables of options, which getopt_long(3) splits.
 *
 * Tables     A command owns const rows; parser, help and (by the help) completion come from them.
 * Values     A flag takes =false, "-o=x" is "-o x", and a long name may be cut, as kubectl allows.
 * Ownership  Texts are those of argv; option_done() frees the lists of OPTION_TEXTS.
 * Errors     NP_E_USAGE with the option, the value in quotes, and what is valid.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nodeprep/err.h"

struct texts {
	size_t n;
	const char **items;
};

int texts_add(struct texts *t, const char *text, struct np_err *err);
void texts_done(struct texts *t);

/* What a value is, what is at `offset`, and so how it is read. */
enum option_kind {
	OPTION_ADDRESS, /* struct address */
	OPTION_CHOICE, /* unsigned: which of the two words of `argument`, "a|b" */
	OPTION_COUNT, /* uint64_t from 1 to `most` */
	OPTION_DURATION, /* uint64_t of milliseconds */
	OPTION_FLAG, /* bool */
	OPTION_NOT_FLAG, /* bool, of which the opposite is stored */
	OPTION_READ, /* whatever `read` stores */
	OPTION_SIZE, /* uint64_t of bytes */
	OPTION_TEXT, /* const char *: the last one */
	OPTION_TEXTS, /* struct texts: all of them */
	OPTION_VERBOSITY, /* unsigned: -v adds one, -v=N and --v=N set it */
};

struct option_row {
	const char *name;
	char letter; /* 0: none */
	const char *argument; /* as the help shows it; NULL: takes none */
	enum option_kind kind;
	size_t offset; /* in the table's target */
	const char *help;
	unsigned group; /* only tables with one of these groups take the row; 0: each does */
	uint64_t most;
	int (*read)(const char *value, void *at, struct np_err *err);
};

struct option_table {
	const struct option_row *rows;
	size_t n;
	void *target; /* what the rows fill */
	unsigned groups;
};

/* What several programs have. */
#define MAX_WINDOW_MOST 65536
#define MAX_WINDOW_HELP "largest window that a pool may ask for, 65536 by default"
#define PARALLEL_MOST 64
#define PARALLEL_HELP "how many classes are written at a time, 8 by default"
#define OPT_IN_HELP \
	"a class outside its pool's namespace needs its owner's permission; true by default"

#define OPTION_ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])

/* All options of one command. */
struct option_tables {
	const struct option_table *items;
	size_t n;
	const char *help; /* how to print the help: "nodeprep help apply" */
};

/* Fills the tables' targets and adds the other words to *arguments. */
int option_parse(const struct option_tables *t, int argc, char *argv[], struct texts *arguments,
		 struct np_err *err);

/* Prints a line for each option. */
void option_help(const struct option_tables *t);

/* Frees the lists in the targets. */
void option_done(const struct option_tables *t);

/* Prints each option that begins with the word, a tab, and its help. */
void option_complete(const struct option_tables *t, const char *word);

/* Returns the argument, as the help shows it, of an option whose value is the next word; NULL: the word is none. */
const char *option_next_argument(const struct option_tables *t, const char *word);

/* Returns the name of that option. */
const char *option_next_name(const struct option_tables *t, const char *word);

/* Tells whether the word is an option whose value is the next word. */
bool option_takes_next(const struct option_tables *t, const char *word);

/* Sets *ret to which of the two words "a|b" the value is. */
int option_read_choice(const char *name, const char *words, const char *value, unsigned *ret,
		       struct np_err *err);

#endif
