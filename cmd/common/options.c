/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/text.h"
#include "nodeprep/units.h"

#define VERBOSITY_MAX 10

int texts_add(struct texts *t, const char *text, struct np_err *err)
{
	const char **items = reallocarray(t->items, t->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	t->items = items;
	t->items[t->n++] = text;
	return 0;
}

void texts_done(struct texts *t)
{
	free(t->items);
	*t = (struct texts){ 0 };
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Where a search through all rows of a command is. */
struct row_iter {
	const struct option_tables *tables;
	size_t table, next;
	const struct option_row *row;
	void *at; /* what the row fills */
};

/* Goes to the next row that the command takes; returns whether there is one. */
static bool next_row(struct row_iter *i)
{
	while (i->table < i->tables->n) {
		const struct option_table *t = &i->tables->items[i->table];

		if (i->next == t->n) {
			i->table++;
			i->next = 0;
			continue;
		}
		i->row = &t->rows[i->next++];
		i->at = (char *)t->target + i->row->offset;
		if (i->row->group == 0 || (i->row->group & t->groups) != 0)
			return true;
	}
	return false;
}

static size_t count_rows(const struct option_tables *t)
{
	struct row_iter i = { .tables = t };
	size_t n = 0;

	while (next_row(&i))
		n++;
	return n;
}

/* --- values ----------------------------------------------------------------------------------- */

int option_read_choice(const char *name, const char *words, const char *value, unsigned *ret,
		       struct np_err *err)
{
	size_t first = strcspn(words, "|"), size = strlen(value);
	const char *second = words + first + 1;
	bool is_second = strcmp(value, second) == 0;

	if (!is_second && (size != first || strncmp(value, words, first) != 0))
		return np_fail(err, NP_E_USAGE, "--%s '%s': expected %.*s or %s", name, value,
			       (int)first, words, second);
	*ret = is_second;
	return 0;
}

/* A flag alone is true; --flag=false takes it back, as kubectl's flags do. */
static int read_flag(const struct option_row *row, const char *value, bool *ret, struct np_err *err)
{
	unsigned choice = 0;

	if (value && option_read_choice(row->name, "true|false", value, &choice, err) < 0)
		return np_err_ret(err);
	*ret = (choice == 0) == (row->kind == OPTION_FLAG);
	return 0;
}

/* -v alone says one more; -v=3 and --v=3 say how much, as kubectl's option does. */
static int read_verbosity(const char *value, unsigned *level, struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	uint64_t n;

	if (!value) {
		++*level;
		return 0;
	}
	if (np_u64_parse(value + (value[0] == '='), 0, VERBOSITY_MAX, &n, &why) < 0)
		return np_fail(err, NP_E_USAGE, "-v: %s", why.text);
	*level = (unsigned)n;
	return 0;
}

static int read_quantity(const struct option_row *row, const char *value, uint64_t *ret,
			 struct np_err *err)
{
	struct np_err why = NP_ERR_INIT;
	int r = row->kind == OPTION_COUNT      ? np_u64_parse(value, 1, row->most, ret, &why)
		: row->kind == OPTION_DURATION ? np_duration_parse(value, ret, &why)
					       : np_quantity_parse(value, ret, &why);

	return r < 0 ? np_fail(err, NP_E_USAGE, "--%s: %s", row->name, why.text) : 0;
}

static int read_value(const struct option_row *row, const char *value, void *at, struct np_err *err)
{
	switch (row->kind) {
	case OPTION_ADDRESS:
		return address_parse(row->name, value, at, err);
	case OPTION_CHOICE:
		return option_read_choice(row->name, row->argument, value, at, err);
	case OPTION_COUNT:
	case OPTION_DURATION:
	case OPTION_SIZE:
		return read_quantity(row, value, at, err);
	case OPTION_FLAG:
	case OPTION_NOT_FLAG:
		return read_flag(row, value, at, err);
	case OPTION_READ:
		return row->read(value, at, err);
	case OPTION_TEXT:
		*(const char **)at = value;
		return 0;
	case OPTION_TEXTS:
		return texts_add(at, value, err);
	case OPTION_VERBOSITY:
		return read_verbosity(value, at, err);
	}
	return np_fail(err, NP_E_BUG, "option '%s' has no kind", row->name);
}

/* --- the line --------------------------------------------------------------------------------- */

/* What getopt_long(3) wants: a long option's code is ROW_CODE and the number of its row. */
struct getopt_lists {
	struct option *longs;
	char *shorts;
};

enum { ROW_CODE = 256 };

static void lists_done(struct getopt_lists *l)
{
	free(l->longs);
	free(l->shorts);
}

static int argument_of(const struct option_row *row)
{
	if (row->kind == OPTION_VERBOSITY)
		return optional_argument;
	return row->argument ? required_argument : no_argument;
}

static int make_lists(const struct option_tables *t, struct getopt_lists *ret, struct np_err *err)
{
	struct row_iter i = { .tables = t };
	size_t n = count_rows(t), k = 0;
	char *s;

	ret->longs = calloc(n + 1, sizeof(*ret->longs));
	ret->shorts = s = calloc(n + 1, 3);
	if (!ret->longs || !s)
		return np_fail_nomem(err);
	*s++ = ':';
	for (; next_row(&i); k++) {
		int argument = argument_of(i.row);

		/* kubectl's flags take "=false" as well. */
		ret->longs[k] =
			(struct option){ i.row->name,
					 argument == no_argument ? optional_argument : argument,
					 NULL, ROW_CODE + (int)k };
		if (i.row->letter == '\0')
			continue;
		*s++ = i.row->letter;
		for (int colon = 0; colon < argument; colon++)
			*s++ = ':';
	}
	return 0;
}

static bool find_row(const struct option_tables *t, int code, struct row_iter *ret)
{
	*ret = (struct row_iter){ .tables = t };
	for (int k = ROW_CODE; next_row(ret); k++)
		if (code == k || (code < ROW_CODE && ret->row->letter == code))
			return true;
	return false;
}

/* Returns the option that `name` was likely meant to be; NULL where none is near. */
static const char *find_near(const struct option_tables *t, const char *name)
{
	NP_AUTO(texts_done) struct texts names = { 0 };
	struct np_err ignored = NP_ERR_INIT;
	struct row_iter i = { .tables = t };

	while (next_row(&i))
		if (texts_add(&names, i.row->name, &ignored) < 0)
			return NULL;
	return np_text_near(name, (struct np_words){ names.items, names.n });
}

static int fail_unknown_long(const struct option_tables *t, const char *word, struct np_err *err)
{
	char name[NP_TEXT_DISTANCE_MAX + 2];
	int n = (int)strcspn(word, "=");
	const char *near;

	snprintf(name, sizeof(name), "%.*s", n > 2 ? n - 2 : 0, word + 2);
	near = find_near(t, name);
	if (near)
		return np_fail(err, NP_E_USAGE, "unknown option '%.*s': did you mean '--%s'?", n,
			       word, near);
	return np_fail(err, NP_E_USAGE, "unknown option '%.*s': see '%s'", n, word, t->help);
}

/* Messages name an unknown long option by its word, without a value that may be a secret. */
static int fail_option(const struct option_tables *t, int code, char *argv[], struct np_err *err)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return np_fail(err, NP_E_USAGE, "option '%.*s' needs a value",
			       (int)strcspn(word, "="), word);
	if (optopt > 0 && optopt < ROW_CODE && strncmp(word, "--", 2) != 0)
		return np_fail(err, NP_E_USAGE, "unknown option '-%c': see '%s'", optopt, t->help);
	return fail_unknown_long(t, word, err);
}

int option_parse(const struct option_tables *t, int argc, char *argv[], struct texts *arguments,
		 struct np_err *err)
{
	NP_AUTO(lists_done) struct getopt_lists lists = { 0 };
	int code;

	if (make_lists(t, &lists, err) < 0)
		return np_err_ret(err);
	opterr = 0;
	optind = 0; /* glibc: from the first word again */
	while ((code = getopt_long(argc, argv, lists.shorts, lists.longs, NULL)) != -1) {
		struct row_iter found;
		const char *value = optarg;

		if (code == '?' || code == ':')
			return fail_option(t, code, argv, err);
		if (!find_row(t, code, &found))
			return np_fail(err, NP_E_BUG, "option code %d has no row", code);
		/* kubectl takes -o=json as well as -ojson and -o json. */
		if (code < ROW_CODE && value && value[0] == '=' &&
		    found.row->kind != OPTION_VERBOSITY)
			value++;
		if (read_value(found.row, value, found.at, err) < 0)
			return np_err_ret(err);
	}
	for (int i = optind; i < argc; i++)
		if (texts_add(arguments, argv[i], err) < 0)
			return np_err_ret(err);
	return 0;
}

static const struct option_row *find_next(const struct option_tables *t, const char *word)
{
	bool is_long = strncmp(word, "--", 2) == 0;
	struct row_iter i = { .tables = t };

	if (word[0] != '-' || strchr(word, '='))
		return NULL;
	while (next_row(&i)) {
		if (argument_of(i.row) != required_argument)
			continue;
		if (is_long ? strcmp(word + 2, i.row->name) == 0
			    : word[1] == i.row->letter && word[1] != '\0' && word[2] == '\0')
			return i.row;
	}
	return NULL;
}

const char *option_next_argument(const struct option_tables *t, const char *word)
{
	const struct option_row *row = find_next(t, word);

	return row ? row->argument : NULL;
}

const char *option_next_name(const struct option_tables *t, const char *word)
{
	const struct option_row *row = find_next(t, word);

	return row ? row->name : NULL;
}

bool option_takes_next(const struct option_tables *t, const char *word)
{
	return !!option_next_argument(t, word);
}

void option_complete(const struct option_tables *t, const char *word)
{
	struct row_iter i = { .tables = t };
	char name[64];

	while (next_row(&i)) {
		snprintf(name, sizeof(name), "--%s", i.row->name);
		if (strncmp(name, word, strlen(word)) == 0)
			printf("%s\t%s\n", name, i.row->help);
	}
}

void option_done(const struct option_tables *t)
{
	struct row_iter i = { .tables = t };

	while (next_row(&i))
		if (i.row->kind == OPTION_TEXTS)
			texts_done(i.at);
}

void option_help(const struct option_tables *t)
{
	struct row_iter i = { .tables = t };

	while (next_row(&i)) {
		char letter[] = { '-', i.row->letter, ',', ' ', '\0' }, words[64];

		if (i.row->kind == OPTION_VERBOSITY)
			snprintf(words, sizeof(words), "-%c[=N]", i.row->letter);
		else
			snprintf(words, sizeof(words), "%s--%s%s%s",
				 i.row->letter ? letter : "    ", i.row->name,
				 i.row->argument ? " " : "",
				 i.row->argument ? i.row->argument : "");
		printf("  %-34s %s\n", words, i.row->help);
	}
}
