/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define ROUNDS_MAX 8
#define LINES_MIN 3 /* of fewer lines that begin alike nothing follows */
#define WORD_MAX 64

/* The lines of a text. */
struct lines {
	char *text;
	size_t size;
};

static bool is_skipped(const char *line, size_t size)
{
	size_t used = size;

	while (used > 0 && strchr(" \t\r", line[used - 1]))
		used--;
	return used == 0 || (used == 2 && line[0] == '-' && line[1] == '-');
}

static size_t count_digits(const char *at, size_t size, size_t max)
{
	size_t n = 0;

	while (n < size && n < max && isdigit((unsigned char)at[n]))
		n++;
	return n;
}

static size_t indent_size(const char *line, size_t size)
{
	size_t n = 0;

	while (n < size && line[n] == ' ')
		n++;
	return n;
}

static size_t bar_size(const char *line, size_t size)
{
	return size >= 2 && line[0] == '|' && line[1] == ' ' ? 2 : 0;
}

/* "12:" and "12-" of grep -n. */
static size_t number_size(const char *line, size_t size)
{
	size_t digits = count_digits(line, size, 9);

	return digits > 0 && digits < size && (line[digits] == ':' || line[digits] == '-')
		       ? digits + 1
		       : 0;
}

/* "10:00:00", with a fraction; 0 for any other text. */
static size_t clock_size(const char *at, size_t size)
{
	size_t n = 8;

	if (size < n || at[2] != ':' || at[5] != ':' || count_digits(at, size, 2) != 2 ||
	    count_digits(at + 3, size - 3, 2) != 2 || count_digits(at + 6, size - 6, 2) != 2)
		return 0;
	if (n < size && (at[n] == '.' || at[n] == ','))
		n += 1 + count_digits(at + n + 1, size - n - 1, 9);
	return n;
}

/* "Jan  1 10:00:00 host " of syslog. */
static size_t syslog_size(const char *line, size_t size)
{
	size_t at = 7, clock;

	if (size < 16 || !isupper((unsigned char)line[0]) || line[3] != ' ' || line[6] != ' ')
		return 0;
	clock = clock_size(line + at, size - at);
	at += clock;
	if (clock == 0 || at >= size || line[at] != ' ')
		return 0;
	for (at++; at < size && line[at] != ' '; at++)
		;
	return at < size ? at + 1 : 0;
}

/* "10:00:00  ". */
static size_t clock_prefix_size(const char *line, size_t size)
{
	size_t at = clock_size(line, size);

	return at > 0 && at < size && line[at] == ' ' ? at + indent_size(line + at, size - at) : 0;
}

/* "2024-01-01T10:00:00.123Z ", "[2024-01-01 10:00:00] ". */
static size_t time_size(const char *line, size_t size)
{
	size_t at = size > 0 && line[0] == '[', clock;

	if (size < at + 19 || line[at + 4] != '-' || line[at + 7] != '-' ||
	    count_digits(line + at, size - at, 4) != 4 || !strchr("T ", line[at + 10]))
		return size > 2 && line[2] == ':' ? clock_prefix_size(line, size)
						  : syslog_size(line, size);
	clock = clock_size(line + at + 11, size - at - 11);
	if (clock == 0)
		return 0;
	at += 11 + clock;
	while (at < size && strchr("Z+0123456789:]", line[at]) && line[at] != ' ')
		at++;
	return at < size && line[at] == ' ' ? at + 1 : 0;
}

/* Calls `each` for every line that counts; stops where it returns false. */
static bool each_line(const struct lines *l, bool (*each)(const char *, size_t, void *), void *ctx)
{
	const char *at = l->text, *end = l->text + l->size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;

		if (!is_skipped(at, (size_t)(stop - at)) && !each(at, (size_t)(stop - at), ctx))
			return false;
		at = stop + 1;
	}
	return true;
}

/* What all lines have in common so far. */
struct survey {
	size_t (*measure)(const char *line, size_t size);
	size_t least, n;
	const char *first;
	size_t first_size;
	size_t common; /* that the lines begin alike, but for : and - of grep */
};

static bool measure_line(const char *line, size_t size, void *ctx)
{
	struct survey *s = ctx;
	size_t n = s->measure(line, size);

	s->least = s->n == 0 || n < s->least ? n : s->least;
	s->n++;
	return s->least > 0;
}

static bool is_alike(char a, char b)
{
	return a == b || (strchr(":-", a) && strchr(":-", b));
}

static bool compare_line(const char *line, size_t size, void *ctx)
{
	struct survey *s = ctx;
	size_t i = 0;

	if (s->n++ == 0) {
		s->first = line;
		s->first_size = size;
		s->common = size < WORD_MAX ? size : WORD_MAX;
		return true;
	}
	while (i < s->common && i < size && is_alike(line[i], s->first[i]))
		i++;
	s->common = i;
	return true;
}

/* Words that begin the lines of a capture and belong to it. */
static bool is_own_word(const char *word, size_t size)
{
	static const char *const words[] = { "NVRM",   "DMI",    "PCIPassthru", "GPU", "pci",
					     "nvidia", "kernel", "Name",        "Key", "Address",
					     "DICT",   "vmx",    "pciPassthru", "BIOS" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == size && strncasecmp(word, words[i], size) == 0)
			return true;
	return hostcheck_is_setting(word, size);
}

/* Where a line has a colon. */
struct place {
	size_t at;
	bool has_colon;
};

static bool look_for_colon(const char *line, size_t size, void *ctx)
{
	struct place *p = ctx;

	p->has_colon = p->at < size && line[p->at] == ':';
	return !p->has_colon;
}

/* "host.txt-" of grep -A comes with "host.txt:", or with an indented rest; "VT-d" is a word. */
static bool is_separator(const struct lines *l, const struct survey *s, size_t at)
{
	const char *line = s->first;
	struct place p = { .at = at };

	if (line[at] == ':' || (at + 1 < s->first_size && strchr(" \t", line[at + 1])))
		return true;
	each_line(l, look_for_colon, &p);
	return p.has_colon;
}

/* "node1: ", "node1 | ", "[node1] ", "host.txt:", "host.txt-" at the beginning of all lines. */
static size_t word_size(const struct lines *l, const struct survey *s)
{
	const char *line = s->first;
	char address[NP_PCI_ADDRESS_MAX];
	size_t at = 0;

	if (s->n < LINES_MIN || np_report_find_address(line, s->first_size, address) == line)
		return 0;
	if (s->common > 2 && line[0] == '[') {
		const char *close = memchr(line, ']', s->common);

		return close && (size_t)(close - line) + 1 < s->common && close[1] == ' '
			       ? (size_t)(close - line) + 2
			       : 0;
	}
	while (at < s->common && (isalnum((unsigned char)line[at]) || strchr("._/@+~", line[at])))
		at++;
	if (at == 0 || at == s->common || is_own_word(line, at))
		return 0;
	if (at + 3 <= s->common && strncmp(line + at, " | ", 3) == 0)
		return at + 3;
	if (!strchr(":-", line[at]) || !is_separator(l, s, at))
		return 0;
	return at + 1 < s->common && line[at] == ':' && line[at + 1] == ' ' ? at + 2 : at + 1;
}

/* Removes `size` characters of each line, or what `measure` says. */
static void remove_prefix(struct lines *l, size_t size, size_t (*measure)(const char *, size_t))
{
	const char *at = l->text, *end = l->text + l->size;
	size_t used = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline + 1 : end;
		size_t left = (size_t)(stop - at) - !!newline, n;

		n = is_skipped(at, left) ? 0
		    : measure            ? measure(at, left)
		    : size < left        ? size
					 : left;
		memmove(l->text + used, at + n, (size_t)(stop - at) - n);
		used += (size_t)(stop - at) - n;
		at = stop;
	}
	l->size = used;
}

static bool has_form(const struct lines *l, size_t (*measure)(const char *, size_t), size_t *ret)
{
	struct survey s = { .measure = measure };

	if (!each_line(l, measure_line, &s) || s.n == 0)
		return false;
	*ret = s.least;
	return s.least > 0;
}

static bool begins_with_address(const struct survey *s)
{
	char address[NP_PCI_ADDRESS_MAX];

	return np_report_find_address(s->first, s->first_size, address) == s->first;
}

static bool remove_one(struct lines *l)
{
	struct survey s = { .n = 0 };
	size_t size;

	if (has_form(l, indent_size, &size)) {
		remove_prefix(l, size, NULL);
		return true;
	}
	if (has_form(l, time_size, &size)) {
		remove_prefix(l, 0, time_size);
		return true;
	}
	if (has_form(l, bar_size, &size)) {
		remove_prefix(l, 0, bar_size);
		return true;
	}
	each_line(l, compare_line, &s);
	size = s.n >= LINES_MIN ? word_size(l, &s) : 0;
	if (size > 0 && s.common >= size) {
		remove_prefix(l, size, NULL);
		return true;
	}
	/* An address begins with a number as well. */
	if (s.n >= LINES_MIN && has_form(l, number_size, &size) && !begins_with_address(&s)) {
		remove_prefix(l, 0, number_size);
		return true;
	}
	return false;
}

/*
 * Removes what a tool put in front of every line: the host of pssh or ansible, the file and the number
 * of grep, a time, an indentation.
 */
size_t hostcheck_strip_prefixes(char *text, size_t size)
{
	struct lines l = { .text = text, .size = size };

	for (unsigned round = 0; round < ROUNDS_MAX && remove_one(&l); round++)
		;
	return l.size;
}
