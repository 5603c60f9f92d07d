/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEPREP_CMD_COMMON_LOG_H
#define NODEPREP_CMD_COMMON_LOG_H

/*
 * log - lines on stderr, as text or JSON. Until log_init() they are text, since a
 * person reads about a wrong command line.
 *
 * Levels     "debug", "info", "warning", "error".
 * Threads    any; a line is written at once.
 */

#include <jansson.h>
#include <stdbool.h>

#include "nodeprep/err.h"

enum log_form { LOG_TEXT, LOG_JSON };

struct log_options {
	enum log_form form;
	bool has_time; /* a line of JSON has its time */
	bool is_quiet; /* errors alone are written */
	bool is_limited; /* of warnings and errors not too many of a kind are written */
	void (*before)(void); /* called in front of each line; NULL: nothing is */
};

void log_init(const struct log_options *o);

/* Sends the lines to the end of a file (NULL: stderr still), each with the time and `words`. */
int log_open(const char *path, const char *words, struct np_err *err);

void log_line(const char *level, const char *text);
void log_format(const char *level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Logs a line of a module at level "info"; the context is not used. */
void log_info(void *ctx, const char *line);

/* The same at level "debug". */
void log_debug(void *ctx, const char *line);

/* Logs a line of a module, which gives the level; the context is not used. */
void log_module(void *ctx, const char *level, const char *line);

/* A line with more than a text. */
struct log_entry {
	const char *level, *text;
	const char *kind,
		*reason; /* lines with the same ones, but for numbers, are of a kind; NULL: `text` */
	const char *line; /* in place of `text` where the form is text; NULL: `text` */
	json_t *fields; /* added where the form is JSON, borrowed; NULL: none */
};

void log_write(const struct log_entry *e);

#endif
