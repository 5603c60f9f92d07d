/* SPDX-License-Identifier: Apache-2.0 */
#include "nodeprep/selector.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nodeprep/err.h"

enum { NAME_MAX_BYTES = 63, PREFIX_MAX_BYTES = 253 };

/* What a requirement demands of the label. */
enum op { OP_EXISTS, OP_ABSENT, OP_IN, OP_NOT_IN, OP_GREATER, OP_LESS };

struct requirement {
	char *key;
	enum op op;
	size_t n;
	char **values;
};

struct np_selector {
	size_t n;
	struct requirement *items;
};

/* The text, and where the parser is in it. */
struct parser {
	const char *text, *at;
};

static void requirement_done(struct requirement *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->values[i]);
	free(r->values);
	free(r->key);
	*r = (struct requirement){ 0 };
}

void np_selector_free(struct np_selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		requirement_done(&s->items[i]);
	free(s->items);
	free(s);
}

void np_selector_freep(struct np_selector **s)
{
	np_selector_free(*s);
}

static int fail(const struct parser *p, const char *expected, struct np_err *err)
{
	return np_fail(err, NP_E_USAGE, "label selector '%s', column %zu: expected %s", p->text,
		       (size_t)(p->at - p->text) + 1, expected);
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t\r\n");
}

/* --- labels ---------------------------------------------------------------------------------- */

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* The name of a key, or a value: it begins and ends with a letter or digit. */
static bool is_name(const char *text, size_t size)
{
	if (size == 0 || size > NAME_MAX_BYTES || !isalnum((unsigned char)text[0]) ||
	    !isalnum((unsigned char)text[size - 1]))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_name_byte(text[i]))
			return false;
	return true;
}

static bool is_prefix(const char *text, size_t size)
{
	if (size == 0 || size > PREFIX_MAX_BYTES || text[0] == '-' || text[0] == '.' ||
	    text[size - 1] == '-' || text[size - 1] == '.')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) &&
		    text[i] != '-' && text[i] != '.')
			return false;
	return true;
}

static bool is_key(const char *text, size_t size)
{
	const char *slash = memchr(text, '/', size);

	if (!slash)
		return is_name(text, size);
	return is_prefix(text, (size_t)(slash - text)) &&
	       is_name(slash + 1, size - (size_t)(slash - text) - 1);
}

/* --- parts ----------------------------------------------------------------------------------- */

/* Returns the length of the word at the parser's place. */
static size_t word_size(const struct parser *p)
{
	size_t n = 0;

	while (is_name_byte(p->at[n]) || p->at[n] == '/')
		n++;
	return n;
}

static int read_key(struct parser *p, struct requirement *r, struct np_err *err)
{
	size_t size;

	skip_blanks(p);
	size = word_size(p);
	if (!is_key(p->at, size))
		return fail(p, "a label's key, such as team or app.kubernetes.io/name", err);
	r->key = strndup(p->at, size);
	if (!r->key)
		return np_fail_nomem(err);
	p->at += size;
	skip_blanks(p);
	return 0;
}

static int read_value(struct parser *p, struct requirement *r, struct np_err *err)
{
	char **values;
	size_t size;

	skip_blanks(p);
	size = word_size(p);
	if (size > 0 && !is_name(p->at, size))
		return fail(p,
			    "a label's value: at most 63 letters, digits, '-', '_' and '.', with a "
			    "letter or digit at both ends",
			    err);
	values = reallocarray(r->values, r->n + 1, sizeof(*values));
	if (!values)
		return np_fail_nomem(err);
	r->values = values;
	values[r->n] = strndup(p->at, size);
	if (!values[r->n])
		return np_fail_nomem(err);
	r->n++;
	p->at += size;
	skip_blanks(p);
	return 0;
}

static int read_list(struct parser *p, struct requirement *r, struct np_err *err)
{
	skip_blanks(p);
	if (*p->at != '(')
		return fail(p, "'(' and the values behind 'in' or 'notin'", err);
	do {
		p->at++;
		if (read_value(p, r, err) < 0)
			return np_err_ret(err);
	} while (*p->at == ',');
	if (*p->at != ')')
		return fail(p, "',' or ')' in the list of values", err);
	p->at++;
	skip_blanks(p);
	return 0;
}

static int read_number(struct parser *p, struct requirement *r, struct np_err *err)
{
	const char *start;
	char *end = NULL;

	p->at++;
	skip_blanks(p);
	start = p->at;
	if (read_value(p, r, err) < 0)
		return np_err_ret(err);
	errno = 0;
	strtoimax(r->values[0], &end, 10);
	if (r->values[0][0] != '\0' && *end == '\0' && errno == 0)
		return 0;
	p->at = start;
	return fail(p, "a whole number behind '>' or '<'", err);
}

/* Takes the word, which a blank or a parenthesis ends. */
static bool take_word(struct parser *p, const char *word)
{
	size_t size = strlen(word);

	if (word_size(p) != size || strncmp(p->at, word, size) != 0)
		return false;
	p->at += size;
	return true;
}

static int read_operator(struct parser *p, struct requirement *r, struct np_err *err)
{
	bool is_not = *p->at == '!' && p->at[1] == '=';

	if (*p->at == '=' || is_not) {
		r->op = is_not ? OP_NOT_IN : OP_IN;
		p->at += is_not || p->at[1] == '=' ? 2 : 1;
		return read_value(p, r, err);
	}
	if (*p->at == '>' || *p->at == '<') {
		r->op = *p->at == '>' ? OP_GREATER : OP_LESS;
		return read_number(p, r, err);
	}
	if (take_word(p, "in"))
		r->op = OP_IN;
	else if (take_word(p, "notin"))
		r->op = OP_NOT_IN;
	else
		return 0;
	return read_list(p, r, err);
}

static int read_requirement(struct parser *p, struct requirement *r, struct np_err *err)
{
	skip_blanks(p);
	r->op = OP_EXISTS;
	if (*p->at == '!') {
		r->op = OP_ABSENT;
		p->at++;
		return read_key(p, r, err);
	}
	return read_key(p, r, err) < 0 ? np_err_ret(err) : read_operator(p, r, err);
}

static int add_requirement(struct parser *p, struct np_selector *s, struct np_err *err)
{
	struct requirement *items = reallocarray(s->items, s->n + 1, sizeof(*items));

	if (!items)
		return np_fail_nomem(err);
	s->items = items;
	items[s->n] = (struct requirement){ 0 };
	return read_requirement(p, &items[s->n++], err);
}

int np_selector_parse(const char *text, struct np_selector **ret, struct np_err *err)
{
	NP_AUTO(np_selector_freep) struct np_selector *s = calloc(1, sizeof(*s));
	struct parser p = { text, text };

	if (!s)
		return np_fail_nomem(err);
	skip_blanks(&p);
	while (*p.at != '\0' || s->n > 0) {
		if (add_requirement(&p, s, err) < 0)
			return np_err_ret(err);
		if (*p.at == '\0')
			break;
		if (*p.at != ',')
			return fail(&p, "',' or the end", err);
		p.at++;
	}
	*ret = np_take(s);
	return 0;
}

/* --- matching -------------------------------------------------------------------------------- */

static bool has_value(const struct requirement *r, const char *value)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->values[i], value) == 0)
			return true;
	return false;
}

/* A label that is no number is neither greater nor less. */
static bool is_beyond(const struct requirement *r, const char *value)
{
	char *end = NULL;
	intmax_t is, bound = strtoimax(r->values[0], NULL, 10);

	errno = 0;
	is = strtoimax(value, &end, 10);
	if (*value == '\0' || *end != '\0' || errno != 0)
		return false;
	return r->op == OP_GREATER ? is > bound : is < bound;
}

static bool holds(const struct requirement *r, const char *value)
{
	switch (r->op) {
	case OP_EXISTS:
		return !!value;
	case OP_ABSENT:
		return !value;
	case OP_IN:
		return value && has_value(r, value);
	case OP_NOT_IN:
		return !value || !has_value(r, value);
	case OP_GREATER:
	case OP_LESS:
		return value && is_beyond(r, value);
	}
	return false;
}

bool np_selector_matches(const struct np_selector *s, const json_t *labels)
{
	for (size_t i = 0; i < s->n; i++)
		if (!holds(&s->items[i],
			   json_string_value(json_object_get(labels, s->items[i].key))))
			return false;
	return true;
}
